/* Part of gpu_bench.cpp (its namespace): what a figure of the op table leaves open. gpu_bench more REPORT.
 * - LoRA of `down` at half the tokens and all of them: how its blocks fill the chip.
 * - LoRA of gate and up with the base's products (Q4_K) taken along: one after the other, folded into them, and folded with kept weights.
 * - Dequantising both ways: the product of Q4_K weights, which are dequantised in each call, less that of the same product of bf16 weights, which
 *   were dequantised once and kept.
 * - The head's dx, a product whose sums are as long as the vocabulary, with 16 and 32 MiB of workspace: whether cuBLASLt splits them.
 * - Attention over 1, 2 and 8 documents of as many tokens together. */

void lora_down(const shapes &z, int64_t n)
{
    char name[64];
    pt_view x = mat(PT_BF16, n, z.f), dx = mat(PT_BF16, n, z.f);
    pt_lora_part part = {};
    pt_lora_slot slot = {};
    pt_lora_run run = {0, (int32_t)n, 0};
    part.y = mat(PT_BF16, n, z.c), part.dy = mat(PT_BF16, n, z.c), part.t = mat(PT_F32, n, z.rank), part.slots = &slot;
    slot.a = mat(PT_F32, z.rank, z.f), slot.b = mat(PT_F32, z.c, z.rank), slot.da = mat(PT_F32, z.rank, z.f), slot.db = mat(PT_F32, z.c, z.rank);
    slot.scale = 2, slot.rank = z.rank;
    const double flops = 2.0 * (double)n * z.rank * (double)(z.f + z.c), e = 2.0 * (double)n;
    snprintf(name, sizeof name, "lora, down, %lld tokens", (long long)n);
    TIME(name, lora, pt_lora_args, flops, e * (double)(z.f + 2 * z.c), a.x = x, a.n_parts = 1, a.parts = &part, a.n_runs = 1, a.runs = &run, a.n_slots = 1);
    snprintf(name, sizeof name, "lora_bwd, down, %lld tokens", (long long)n);
    TIME(name, lora_bwd, pt_lora_args, 2 * flops, e * (double)(3 * z.f + z.c), a.x = x, a.dx = dx, a.n_parts = 1, a.parts = &part, a.n_runs = 1, a.runs = &run, a.n_slots = 1);
    drop_all();
}

/* way: 0 nothing lent, so one after the other; 1 room behind x and dy; 2 weights that are kept as numbers besides, with room. */
void lora_with_base(const shapes &z, int way)
{
    static const char *const ways[] = {"apart", "folded", "folded, kept"};
    char name[64];
    const int64_t own = (z.rank + 7) / 8 * 8;
    pt_lora_part part[2] = {};
    pt_lora_slot slot[2] = {};
    pt_lora_run run = {0, (int32_t)z.n, 0};
    size_t row = 0;
    pt_dtype_row_bytes(PT_Q4_K, (size_t)z.c, &row);
    pt_view x = pt_view_cols(mat(PT_BF16, z.n, z.c + 2 * own), 0, z.c), dx = mat(PT_BF16, z.n, z.c);
    for (int i = 0; i < 2; i++) {
        pt_lora_part &p = part[i];
        p.dy = pt_view_cols(mat(PT_BF16, z.n, z.f + own), 0, z.f), p.y = mat(PT_BF16, z.n, z.f), p.t = mat(PT_F32, z.n, z.rank), p.slots = &slot[i];
        slot[i].a = mat(PT_F32, z.rank, z.c), slot[i].b = mat(PT_F32, z.f, z.rank), slot[i].da = mat(PT_F32, z.rank, z.c), slot[i].db = mat(PT_F32, z.f, z.rank);
        slot[i].scale = 2, slot[i].rank = z.rank;
        const void *numbers = way == 2 ? mat(PT_BF16, z.f + own, z.c + 2 * own).buf->base : NULL;
        p.w = mat(PT_Q4_K, z.f, z.c), p.dy_spare = way ? (int)own : 0;
        if (way == 2) bufs.back().packed = numbers, bufs.back().kept = true, bufs.back().room_cols = 2 * (int)own, bufs.back().room_rows = (int)own;
    }
    const double flops = 4.0 * (double)z.n * (double)(z.f * z.c + z.rank * (z.f + z.c)), bytes = 2.0 * (double)z.f * (double)row + 2.0 * (double)(z.n * (z.c + 2 * z.f));
    snprintf(name, sizeof name, "lora, gate up, base %s", ways[way]);
    TIME(name, lora, pt_lora_args, flops, bytes, a.x = x, a.n_parts = 2, a.parts = part, a.n_runs = 1, a.runs = &run, a.n_slots = 1, a.x_spare = way ? 2 * (int)own : 0);
    snprintf(name, sizeof name, "lora_bwd, gate up, base %s", ways[way]);
    TIME(name, lora_bwd, pt_lora_args, 1.5 * flops, 2 * bytes, a.x = x, a.dx = dx, a.n_parts = 2, a.parts = part, a.n_runs = 1, a.runs = &run, a.n_slots = 1);
    drop_all();
}

void dequantised(const shapes &z, const char *which, int64_t out, int64_t in)
{
    double s[2][2] = {};
    const double flops = 2.0 * (double)z.n * (double)out * (double)in;
    for (int kept = 0; kept < 2; kept++) {
        char name[64];
        size_t row = 0;
        pt_dtype t = kept ? PT_BF16 : PT_Q4_K;
        pt_dtype_row_bytes(t, (size_t)in, &row);
        pt_view w = mat(t, out, in), x = mat(PT_BF16, z.n, in), y = mat(PT_BF16, z.n, out);
        const double bytes = (double)row * (double)out + 2.0 * (double)(z.n * (in + out));
        snprintf(name, sizeof name, "linear, %s, %s", which, pt_dtype_get(t)->name);
        TIME(name, linear, pt_linear_args, flops, bytes, a.y = y, a.x = x, a.w = w);
        s[kept][0] = last_time;
        snprintf(name, sizeof name, "linear_bwd_x, %s, %s", which, pt_dtype_get(t)->name);
        TIME(name, linear_bwd_x, pt_linear_bwd_x_args, flops, bytes, a.dx = x, a.dy = y, a.w = w);
        s[kept][1] = last_time;
        drop_all();
    }
    say("dequantising %s: %.1f us forward, %.1f us dx more than kept\n", which, 1e6 * (s[0][0] - s[1][0]), 1e6 * (s[0][1] - s[1][1]));
}

/* c[m,n] f32 = a[m,k] . b[k,n], bf16, by cuBLASLt's first choice for so much workspace. */
struct product {
    cublasLtHandle_t lt;
    cublasLtMatmulDesc_t desc;
    cublasLtMatrixLayout_t a, b, c;
    cublasLtMatmulPreference_t pref;
    cublasLtMatmulHeuristicResult_t found;
};
bool make_product(product *p, int64_t m, int64_t n, int64_t k, int64_t ldb, size_t workspace)
{
    int got = 0;
    return cublasLtCreate(&p->lt) == CUBLAS_STATUS_SUCCESS && cublasLtMatmulDescCreate(&p->desc, CUBLAS_COMPUTE_32F, CUDA_R_32F) == CUBLAS_STATUS_SUCCESS &&
           cublasLtMatrixLayoutCreate(&p->b, CUDA_R_16BF, (uint64_t)n, (uint64_t)k, ldb) == CUBLAS_STATUS_SUCCESS &&
           cublasLtMatrixLayoutCreate(&p->a, CUDA_R_16BF, (uint64_t)k, (uint64_t)m, k) == CUBLAS_STATUS_SUCCESS &&
           cublasLtMatrixLayoutCreate(&p->c, CUDA_R_32F, (uint64_t)n, (uint64_t)m, n) == CUBLAS_STATUS_SUCCESS &&
           cublasLtMatmulPreferenceCreate(&p->pref) == CUBLAS_STATUS_SUCCESS &&
           cublasLtMatmulPreferenceSetAttribute(p->pref, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace, sizeof workspace) == CUBLAS_STATUS_SUCCESS &&
           cublasLtMatmulAlgoGetHeuristic(p->lt, p->desc, p->b, p->a, p->c, p->c, p->pref, 1, &p->found, &got) == CUBLAS_STATUS_SUCCESS && got == 1;
}
void free_product(product *p)
{
    if (p->pref) cublasLtMatmulPreferenceDestroy(p->pref);
    for (cublasLtMatrixLayout_t l : {p->a, p->b, p->c})
        if (l) cublasLtMatrixLayoutDestroy(l);
    if (p->desc) cublasLtMatmulDescDestroy(p->desc);
    if (p->lt) cublasLtDestroy(p->lt);
}

void head_dx(const shapes &z, int64_t rows, int64_t cols, int mib)
{
    char name[64];
    product p = {};
    const size_t room = (size_t)mib << 20;
    const float one = 1, zero = 0;
    pt_view dz = mat(PT_BF16, rows, z.vocab), w = mat(PT_BF16, z.vocab, z.c), dx = mat(PT_F32, rows, cols), ws = mat(PT_U8, 1, (int64_t)room);
    snprintf(name, sizeof name, "head dx, %lld rows x %lld, %d MiB", (long long)rows, (long long)cols, mib);
    if (!make_product(&p, rows, cols, z.vocab, z.c, room)) {
        failures++, say("%-34s FAILED: cuBLASLt has no way\n", name);
    } else {
        time_op(name, 2.0 * (double)rows * (double)cols * (double)z.vocab, 2.0 * (double)z.vocab * (double)(rows + cols), [&]() -> pt_status {
            if (ctx.dry) return PT_OK;
            cublasStatus_t s = cublasLtMatmul(p.lt, p.desc, &one, w.buf->base, p.b, dz.buf->base, p.a, &zero, dx.buf->base, p.c, dx.buf->base, p.c, &p.found.algo,
                                              ws.buf->base, room, (cudaStream_t)ctx.stream);
            return s == CUBLAS_STATUS_SUCCESS ? PT_OK : pt_fail(PT_EINTERNAL, "cublasLtMatmul: %d", (int)s);
        });
        say("    of %d MiB it uses %zu bytes%s\n", mib, p.found.workspaceSize, p.found.workspaceSize ? "" : ": it cannot split the sums");
    }
    ctx.ops->sync(&ctx);
    free_product(&p);
    drop_all();
}

void documents(const shapes &z, int32_t docs)
{
    char name[64];
    const int32_t n = (int32_t)z.n;
    const int64_t hd = (int64_t)z.heads * z.dim, kd = (int64_t)z.kv * z.dim;
    std::vector<int32_t> start, end, parent((size_t)docs, -1), pos((size_t)n);
    for (int32_t d = 0; d <= docs; d++) start.push_back((int32_t)((int64_t)n * d / docs));
    for (int32_t d = 0; d < docs; d++) {
        end.push_back(start[(size_t)d + 1]);
        for (int32_t i = start[(size_t)d]; i < end[(size_t)d]; i++) pos[(size_t)i] = i - start[(size_t)d];
    }
    pt_forest_caps caps = {n, docs};
    pt_forest_desc desc = {n, docs, start.data(), parent.data(), end.data(), pos.data(), 0};
    pt_forest *forest = NULL;
    if (ctx.ops->forest_new(&ctx, &forest, &caps) != PT_OK || ctx.ops->forest_set(&ctx, forest, &desc) != PT_OK) {
        failures++, say("forest of %d: FAILED: %s\n", docs, pt_err_msg());
    } else {
        pt_view q = mat(PT_BF16, n, hd), k = mat(PT_BF16, n, kd), v = mat(PT_BF16, n, kd), o = mat(PT_BF16, n, hd), lse = mat(PT_F32, z.heads, n),
                dq = mat(PT_BF16, n, hd), dk = mat(PT_BF16, n, kd), dv = mat(PT_BF16, n, kd), dout = mat(PT_BF16, n, hd);
        const double flops = 2.0 * n * (double)n * (double)hd / docs, bytes = 2.0 * n * (double)(2 * hd + 2 * kd);
        snprintf(name, sizeof name, "attention, %d document%s", docs, docs == 1 ? "" : "s");
        TIME(name, attention, pt_attention_args, flops, bytes, a.o = o, a.lse = lse, a.q = q, a.k = k, a.v = v, a.forest = forest, a.n_heads = z.heads, a.n_kv = z.kv,
             a.dim = z.dim, a.scale = 0.088f);
        snprintf(name, sizeof name, "attention_bwd, %d document%s", docs, docs == 1 ? "" : "s");
        TIME(name, attention_bwd, pt_attention_bwd_args, 2.5 * flops, 2 * bytes, a.dq = dq, a.dk = dk, a.dv = dv, a.dout = dout, a.o = o, a.lse = lse, a.q = q, a.k = k,
             a.v = v, a.forest = forest, a.n_heads = z.heads, a.n_kv = z.kv, a.dim = z.dim, a.scale = 0.088f);
    }
    if (forest) ctx.ops->forest_free(&ctx, forest);
    drop_all();
}

void more(const shapes &z)
{
    lora_down(z, z.n / 2);
    lora_down(z, z.n);
    for (int way = 0; way < 3; way++) lora_with_base(z, way);
    dequantised(z, "up", z.f, z.c);
    dequantised(z, "down", z.c, z.f);
    for (int64_t rows : {z.head_rows / 2, 2 * z.head_rows})
        for (int64_t cols : {z.c / 16, z.c})
            for (int mib : {16, 32}) head_dx(z, rows, cols, mib);
    for (int32_t docs : {1, 2, 8}) documents(z, docs);
}

/* Memory traffic of the streaming kernels at shapes of 1 MB and more (check build): 32-byte sectors against the least that each
 * kernel's header states. Two figures, both at most 1.15: the distinct sectors of a launch, and the sectors of every access of
 * a warp, which may also hold `again`: bytes that the header says are read again, from the caches. Which ops are measured, and
 * why the others are not, stands in the table `unmeasured`; test_table holds it to kernels/op_list.h. */
#include "tests/ops/op_modes.h"

/* Ops of the table whose traffic is not measured. Of measured ops the plain kernels for rows that are odd in length or
 * unaligned are not either: they move the same bytes in smaller steps. */
static const struct {
    const char *op, *why;
} unmeasured[] = {
    {"attention", "bound by multiplications: its loop is held to instructions an mma (gpu_budgets.tsv)"},
    {"attention_bwd", "the same"},
    {"linear_bwd_x", "cuBLASLt alone, behind the dequantisation that embed measures"},
    {"clip", "four numbers"},
};
static const char *measured[256];
static int n_measured;

template <typename F> static void traffic(const char *what, const char *kernels, double least, double again, F op)
{
    size_t n;
    measured[n_measured++] = what;
    uint64_t all = 0, distinct = 0;
    emu_counts_reset();
    OT_PASSES ot_did(what, om.host ? PT_OK : op());
    const emu_kernel_counts *c = emu_counts(&n);
    for (size_t i = 0; i < n; i++) {
        if (kernels && !strstr(c[i].name, kernels)) continue;
        all += c[i].read_sectors + c[i].write_sectors;
        distinct += c[i].unique_read_sectors + c[i].unique_write_sectors;
    }
    double one = 32.0 * (double)distinct / least, every = 32.0 * (double)all / (least + again);
    print_message("# figure %s: %.2f MB at least, %.3f of it in distinct sectors, %.3f by access\n", what, least * 1e-6, one,
                  every);
    assert_true(least >= 1e6);
    assert_true(one > 0.9 && one <= 1.15 && every > 0.5 && every <= 1.15);
}
#define TRAFFIC(op, type, kernels, least, again, ...)                                                                          \
    traffic(#op, kernels, least, again, [&]() -> pt_status {                                                                   \
        type a = {};                                                                                                           \
        __VA_ARGS__;                                                                                                           \
        return pt_cuda_##op(&om.under, &a);                                                                                     \
    })

enum { N = 256, C = 2048 }; /* 1 MB of bf16 */
static const double MB = 2.0 * N * C;
static pt_view in(pt_dtype t, int64_t n, int64_t c, uint64_t seed)
{
    return ot_in(t, n, c, c, seed, 1);
}

static void test_norms(void **)
{
    const double w = 8.0 * N * C; /* w in f32, by every row of a small launch, in two steps of 16 bytes that share sectors */
    ot_case(PT_BF16);
    pt_view x = in(PT_BF16, N, C, 1), y = in(PT_BF16, N, C, 2), u = in(PT_BF16, N, C, 3), h = in(PT_BF16, N, C, 4),
           rstd = in(PT_F32, 1, N, 6);
    pt_view wt = ot_weight(PT_F32, 1, C, 5, 1), dw = in(PT_F32, 1, C, 7);
    TRAFFIC(rmsnorm, pt_rmsnorm_args, NULL, 4 * MB, w, a.y = D(y), a.rstd = D(rstd), a.x = D(x), a.add = D(u), a.h = D(h),
            a.w = D(wt), a.eps = 1e-5f);
    TRAFFIC(rmsnorm, pt_rmsnorm_args, NULL, 2 * MB, w, a.y = D(y), a.rstd = D(rstd), a.x = D(x), a.w = D(wt), a.eps = 1e-5f);
    TRAFFIC(rmsnorm_bwd, pt_rmsnorm_bwd_args, NULL, 4 * MB, w / 16, a.dx = D(y), a.dw = D(dw), a.dy = D(x), a.dres = D(u),
            a.h = D(h), a.rstd = D(rstd), a.w = D(wt));
    TRAFFIC(rmsnorm_bwd, pt_rmsnorm_bwd_args, NULL, 3 * MB, w, a.dx = D(y), a.dy = D(x), a.h = D(h), a.rstd = D(rstd),
            a.w = D(wt));
    pt_view mean = in(PT_F32, 1, N, 8), bias = ot_weight(PT_F32, 1, C, 9, 1), db = in(PT_F32, 1, C, 10);
    TRAFFIC(layernorm, pt_layernorm_args, NULL, 4 * MB, 2 * w, a.y = D(y), a.mean = D(mean), a.rstd = D(rstd), a.x = D(x), a.add = D(u), a.h = D(h),
            a.w = D(wt), a.b = D(bias), a.eps = 1e-5f);
    TRAFFIC(layernorm, pt_layernorm_args, NULL, 2 * MB, w, a.y = D(y), a.mean = D(mean), a.rstd = D(rstd), a.x = D(x), a.w = D(wt), a.eps = 1e-5f);
    TRAFFIC(layernorm_bwd, pt_layernorm_bwd_args, NULL, 4 * MB, 2 * w / 16, a.dx = D(y), a.dw = D(dw), a.db = D(db), a.dy = D(x), a.dres = D(u),
            a.h = D(h), a.mean = D(mean), a.rstd = D(rstd), a.w = D(wt));
    TRAFFIC(layernorm_bwd, pt_layernorm_bwd_args, NULL, 3 * MB, w, a.dx = D(y), a.dy = D(x), a.h = D(h), a.mean = D(mean), a.rstd = D(rstd),
            a.w = D(wt));
    ot_free_all();
    ot_case(PT_F32); /* q/k norm: rows of a head */
    x = in(PT_F32, 2048, 128, 1), y = in(PT_F32, 2048, 128, 2), rstd = in(PT_F32, 1, 2048, 3),
    wt = ot_weight(PT_F32, 1, 128, 5, 1);
    TRAFFIC(rmsnorm, pt_rmsnorm_args, NULL, 2 * MB, MB, a.y = D(y), a.rstd = D(rstd), a.x = D(x), a.w = D(wt), a.eps = 1e-5f);
    ot_free_all();
}

static void test_elements(void **)
{
    ot_case(PT_BF16);
    pt_view x = in(PT_BF16, N, C, 1), y = in(PT_BF16, N, C, 2), u = in(PT_BF16, N, C, 3), h = in(PT_BF16, N, C, 4),
           f = in(PT_F32, N, C, 5);
    pt_view tab = in(PT_F32, N, 128, 8), pos = ot_ids(N * 16, 4096, 9), freq = in(PT_F32, 1, 64, 10),
           table = in(PT_F32, N * 16, 128, 11);
    TRAFFIC(gated, pt_gated_args, NULL, 3 * MB, 0, a.y = D(y), a.g = D(x), a.u = D(u));
    TRAFFIC(gated_bwd, pt_gated_bwd_args, NULL, 6 * MB, 0, a.dg = D(h), a.du = D(u), a.y = D(y), a.dy = D(y), a.g = D(x),
            a.u = D(u));
    TRAFFIC(gated_bwd, pt_gated_bwd_args, NULL, 5 * MB, 0, a.dg = D(h), a.du = D(u), a.dy = D(y), a.g = D(x), a.u = D(u),
            a.kind = PT_ACT_GELU_TANH);
    TRAFFIC(gated, pt_gated_args, NULL, 2 * MB, 0, a.y = D(y), a.g = D(x), a.kind = PT_ACT_GELU_TANH);
    TRAFFIC(gated_bwd, pt_gated_bwd_args, NULL, 4 * MB, 0, a.dg = D(h), a.y = D(y), a.dy = D(y), a.g = D(x), a.kind = PT_ACT_RELU);
    TRAFFIC(gated_bwd, pt_gated_bwd_args, NULL, 3 * MB, 0, a.dg = D(h), a.dy = D(y), a.g = D(x), a.kind = PT_ACT_GELU_ERF);
    TRAFFIC(rope, pt_rope_args, NULL, 2 * MB + N * 512.0, 0, a.x = D(x), a.table = D(tab), a.heads = 16, a.dim = 128,
            a.rot = 128);
    TRAFFIC(rope, pt_rope_args, NULL, 2 * MB + N * 512.0, 0, a.x = D(x), a.table = D(tab), a.heads = 16, a.dim = 128,
            a.rot = 128, a.kind = PT_ROPE_ADJACENT);
    /* 16 heads a token, by 4 warps of 4: each the token's angles and the weights, in steps of 16 bytes that share sectors */
    const double often = 4 * N * (512 + 512) * 2.0 - N * 512.0, heads = 4.0 * 16 * N;
    pt_view wt = ot_weight(PT_F32, 1, 128, 12, 1), rstd = in(PT_F32, 1, 16 * N, 13), dw = in(PT_F32, 1, 128, 14);
    for (int k = 0; k < 2; k++) {
        pt_rope_kind kind = k ? PT_ROPE_ADJACENT : PT_ROPE_HALF;
        TRAFFIC(norm_rope, pt_norm_rope_args, NULL, 2 * MB + N * 512.0 + heads, often, a.y = D(y), a.rstd = D(rstd), a.x = D(x), a.w = D(wt), a.table = D(tab), a.eps = 1e-5f,
                a.heads = 16, a.dim = a.rot = 128, a.kind = kind);
        TRAFFIC(norm_rope_bwd, pt_norm_rope_bwd_args, NULL, 3 * MB + N * 512.0 + heads, often, a.dx = D(y), a.dy = D(u), a.x = D(x), a.rstd = D(rstd), a.w = D(wt),
                a.table = D(tab), a.heads = 16, a.dim = a.rot = 128, a.kind = kind);
    }
    TRAFFIC(norm_rope_bwd, pt_norm_rope_bwd_args, NULL, 3 * MB + N * 512.0 + heads, N * 512.0, a.dx = D(y), a.dw = D(dw), a.dy = D(u), a.x = D(x), a.rstd = D(rstd),
            a.w = D(wt), a.table = D(tab), a.heads = 16, a.dim = a.rot = 128);
    TRAFFIC(rope_table, pt_rope_table_args, NULL, N * 16 * 512.0, N * 16 * (256.0 + 2 * 32), a.table = D(table),
            a.positions = D(pos), a.inv_freq = D(freq), a.mscale = 1);
    TRAFFIC(axpby, pt_axpby_args, NULL, 3 * MB, 0, a.y = D(y), a.x = D(x), a.alpha = 2, a.beta = 1);
    TRAFFIC(axpby, pt_axpby_args, NULL, 2 * MB, 0, a.y = D(y), a.x = D(x), a.alpha = 2);
    TRAFFIC(clamp, pt_clamp_args, NULL, 2 * MB, 0, a.y = D(y), a.x = D(x), a.limit = 1);
    TRAFFIC(clamp_bwd, pt_clamp_bwd_args, NULL, 3 * MB, 0, a.dx = D(h), a.dy = D(y), a.x = D(x), a.limit = 1);
    TRAFFIC(cast, pt_cast_args, NULL, 3 * MB, 0, a.y = D(y), a.x = D(f));
    TRAFFIC(cast, pt_cast_args, NULL, 3 * MB, 0, a.y = D(f), a.x = D(y));
    ot_free_all();
}

static void test_rows(void **)
{
    ot_case(PT_BF16);
    pt_view x = in(PT_BF16, N, C, 1), y = in(PT_BF16, N, C, 2), dw = in(PT_F32, N, C, 3), ids = ot_act(PT_I32, 1, N, N);
    for (int i = 0; i < N; i++) ot_i32(ids)[i] = i * 37 % N; /* a permutation */
    ot_put(ids);
    TRAFFIC(gather, pt_gather_args, NULL, 2 * MB, 0, a.y = D(y), a.x = D(x), a.index = D(ids));
    TRAFFIC(scatter_add, pt_gather_args, NULL, 3 * MB, 0, a.y = D(y), a.x = D(x), a.index = D(ids));
    /* tokens: by the block of every token, up to it and from it on, for each pass over the columns */
    TRAFFIC(embed_bwd, pt_embed_bwd_args, NULL, 5 * MB, 4.0 * N * N * 2, a.dw = D(dw), a.dy = D(x), a.tokens = D(ids),
            a.scale = 1);
    ot_free_all();
}

static const pt_dtype weights[] = {PT_F32,  PT_F16,  PT_BF16, PT_Q8_0, PT_Q4_0, PT_Q4_1, PT_Q5_0,
                                   PT_Q5_1, PT_Q2_K, PT_Q3_K, PT_Q4_K, PT_Q5_K, PT_Q6_K, PT_IQ4_NL, PT_IQ4_XS, PT_IQ3_S};
/* How often dequant.cu says that blocks are read again. */
static double words_again(pt_dtype w)
{
    switch (w) {
    case PT_Q5_1: return 1;
    case PT_Q4_1: case PT_Q2_K: return 2;
    case PT_Q8_0: case PT_Q4_0: case PT_IQ4_NL: case PT_Q6_K: return 3;
    case PT_Q5_0: case PT_Q3_K: return 5;
    default: return 0;
    }
}
/* Dequantisation (the embedding of every row), and a product with one row straight from the blocks. */
static void test_weights(void **)
{
    for (pt_dtype w : weights) {
        ot_case(PT_BF16);
        double blocks = (double)ot_row_bytes(w, C) * N;
        pt_view q = ot_weight(w, N, C, 9, 1), y = in(PT_BF16, N, C, 2), ids = ot_act(PT_I32, 1, N, N);
        for (int i = 0; i < N; i++) ot_i32(ids)[i] = i;
        ot_put(ids);
        TRAFFIC(embed, pt_embed_args, NULL, MB + blocks, words_again(w) * blocks, a.y = D(y), a.w = D(q), a.tokens = D(ids), a.scale = 1);
        ot_free_all();
    }
    for (pt_dtype w : {PT_BF16, PT_Q4_K, PT_Q8_0}) {
        ot_case(PT_BF16);
        double blocks = (double)ot_row_bytes(w, C) * 1024;
        pt_view q = ot_weight(w, 1024, C, 9, 1), x = in(PT_BF16, 1, C, 2), y = in(PT_BF16, 1, 1024, 3);
        TRAFFIC(linear, pt_linear_args, NULL, blocks, 32 * 2.0 * C, a.y = D(y), a.x = D(x), a.w = D(q)); /* x by 32 blocks */
        ot_free_all();
    }
}

/* The own kernels around cuBLASLt's products. */
static void test_products(void **)
{
    ot_case(PT_BF16);
    pt_view x = in(PT_BF16, N, 8, 1), y = in(PT_BF16, N, C, 2), w = ot_weight(PT_BF16, C, 8, 3, 1), b = in(PT_F32, 1, C, 4),
           dw = in(PT_F32, C, 8, 5);
    TRAFFIC(linear, pt_linear_args, "bias_k", 2 * MB, 8 * 4.0 * C, a.y = D(y), a.x = D(x), a.w = D(w), a.b = D(b));
    TRAFFIC(linear_bwd_w, pt_linear_bwd_w_args, "column_sum_k", MB, 0, a.dw = D(dw), a.db = D(b), a.dy = D(y), a.x = D(x));
    ot_free_all();
    ot_case(PT_BF16);
    enum { HD = 64, V = 8200 };
    int32_t heads[HD], targets[HD];
    for (int i = 0; i < HD; i++) heads[i] = i, targets[i] = i * 101 % V;
    x = in(PT_BF16, HD, 8, 1), w = ot_weight(PT_BF16, V, 8, 3, 1);
    pt_view rh = ot_list(heads, HD), rt = ot_list(targets, HD), logp = in(PT_F32, 1, HD, 4), dl = in(PT_F32, 1, HD, 5),
           dx = in(PT_BF16, HD, 8, 6), logits = in(PT_F32, HD, V, 7);
    TRAFFIC(head, pt_head_args, "head_stats_k", 4.0 * HD * V, 0, a.logp = D(logp), a.x = D(x), a.w = D(w), a.row_head = D(rh),
            a.row_target = D(rt), a.temperature = 1);
    TRAFFIC(head, pt_head_args, "head_grad_k", 6.0 * HD * V, 0, a.dx = D(dx), a.x = D(x), a.w = D(w), a.row_head = D(rh),
            a.row_target = D(rt), a.dlogp = D(dl), a.temperature = 1);
    pt_view xr = in(PT_BF16, HD, 8, 8), kl = in(PT_F32, 1, HD, 9), dkl = in(PT_F32, 1, HD, 10);
    TRAFFIC(head, pt_head_args, "head_sums_k", 8.0 * HD * V, 0, a.kl = D(kl), a.x = D(x), a.xr = D(xr), a.w = D(w), a.temperature = 1);
    TRAFFIC(head, pt_head_args, "head_sums_grad_k", 10.0 * HD * V, 0, a.dx = D(dx), a.x = D(x), a.xr = D(xr), a.w = D(w), a.row_head = D(rh),
            a.row_target = D(rt), a.dlogp = D(dl), a.dkl = D(dkl), a.temperature = 1);
    TRAFFIC(head, pt_head_args, "head_logits_k", 6.0 * HD * V, 0, a.logits = D(logits), a.x = D(x), a.w = D(w), a.temperature = 1);
    ot_free_all();
}

static void test_sums(void **)
{
    const int64_t n = N * C / 2;
    ot_case(PT_F32);
    pt_view p = in(PT_F32, 1, n, 1), m = in(PT_F32, 1, n, 2), v = in(PT_F32, 1, n, 3), g = in(PT_F32, 1, n, 4),
           s = in(PT_F32, 1, 4, 5), acc = ot_act(PT_F64, 1, 1, 1);
    *(double *)ot_at(acc) = 0;
    ot_put(acc);
    TRAFFIC(sumsq, pt_sumsq_args, NULL, 4.0 * (double)n, 0, a.acc = D(acc), a.x = D(g));
    TRAFFIC(adamw, pt_adamw_args, NULL, 28.0 * (double)n, 0, a.p = D(p), a.m = D(m), a.v = D(v), a.g = D(g), a.scalars = D(s),
            a.beta1 = 0.5f, a.beta2 = 0.5f, a.eps = 1);
    ot_free_all();
}

static void test_loss(void **)
{
    enum { M = 250000 };
    ot_case(PT_F32);
    pt_view dv = in(PT_F32, 1, M, 3), v = in(PT_F32, 1, M, 4), wm = in(PT_F32, 1, M, 5), report = ot_act(PT_F64, 1, PT_REPORT_SIZE, PT_REPORT_SIZE);
    memset(ot_at(report), 0, PT_REPORT_SIZE * sizeof(double));
    ot_put(report);
    TRAFFIC(group_loss, pt_group_loss_args, NULL, 12.0 * M, 0, a.objective = 0, a.report = D(report), a.logp.value = D(v), /* the first: sft, by rows */
            a.logp.dvalue = D(dv), a.row_weight = D(wm), a.step.norm = M);
    pt_view sums = ot_act(PT_F64, 1, PT_TOKEN_SUMS, PT_TOKEN_SUMS), list[3];
    memset(ot_at(sums), 0, PT_TOKEN_SUMS * sizeof(double));
    ot_put(sums);
    for (pt_view &x : list) {
        x = ot_new(PT_I32, 1, M, M);
        for (int32_t i = 0; i < M; i++) ((int32_t *)ot_at(x))[i] = i;
        ot_put(x);
    }
    TRAFFIC(token_sums, pt_token_sums_args, NULL, 20.0 * M, 0, a.acc = D(sums), a.weight = D(wm), a.entropy = D(v), a.argmax = D(list[0]), a.row_head = D(list[1]),
            a.row_target = D(list[2]));
    ot_free_all();
}

/* One pass for the largest logit alone; with a draw one more for the sum, four and three for the token that it falls on. */
static void test_sample(void **)
{
    enum { ROWS = 2, V = 128256 };
    static const uint64_t zero[ROWS] = {0, 0};
    const double least = 4.0 * ROWS * V;
    ot_case(PT_F32);
    pt_view z = in(PT_F32, ROWS, V, 1), token = ot_act(PT_I32, 1, ROWS, ROWS);
    TRAFFIC(sample, pt_sample_args, NULL, least, 0, a.logits = D(z), a.token = D(token), a.top_p = a.repetition_penalty = 1);
    TRAFFIC(sample, pt_sample_args, NULL, least, 8 * least, a.logits = D(z), a.token = D(token), a.temperature = 1,
            a.top_p = a.repetition_penalty = 1, a.stream = a.position = zero);
    ot_free_all();
}

static void test_lora(void **)
{
    enum { R = 16, TILES = N / 64 };
    static pt_lora_slot slot;
    static pt_lora_part part;
    static const pt_lora_run run = {0, N, 0};
    const double ab = 4.0 * R * 2 * C, t = 4.0 * N * R, steps = C / 64;
    ot_case(PT_BF16);
    pt_view x = in(PT_BF16, N, C, 1), y = in(PT_BF16, N, C, 2), dx = in(PT_BF16, N, C, 3), tt = in(PT_F32, N, R, 4),
           a0 = in(PT_F32, R, C, 5), b0 = in(PT_F32, C, R, 6), da = in(PT_F32, R, C, 7), db = in(PT_F32, C, R, 8);
    auto fill = [&](pt_lora_args &a) {
        slot = {D(a0), D(b0), D(da), D(db), 2, R};
        part.y = part.dy = D(y), part.t = D(tt), part.slots = &slot;
        a.x = D(x), a.parts = &part, a.runs = &run, a.n_parts = a.n_runs = a.n_slots = 1;
    };
    /* sums of pieces: down's 32 steps are cut into 16; the gradients' 4 into 2, 32 tiles of dB and of dA each */
    const double piece = 4.0 * 64 * R, down = 2 * piece * TILES * 16, grads = 2 * piece * 2 * steps * 2;
    /* a and b by every tile of tokens, t by every 64 columns, in two steps of 16 bytes that share sectors */
    TRAFFIC(lora, pt_lora_args, NULL, 3 * MB + 2 * t + ab + down, (2 * TILES - 1) * ab + 2 * steps * t, fill(a));
    /* dy and dt; da and db with x and dy once more; dx. The gradients are added to by numbers, not by rows. */
    TRAFFIC(lora_bwd, pt_lora_args, NULL, 5 * MB + 4 * t + 3 * ab + down + grads, (2 * TILES - 1 + 2) * ab + (3 * 2 * steps - 2) * t, fill(a),
            a.dx = D(dx));
    ot_free_all();
}

static void test_table(void **)
{
#define NAME(op, args) #op,
    static const char *const ops[] = {PT_OP_LIST(NAME)};
#undef NAME
    for (const char *op : ops) {
        int found = 0, left = 0;
        for (int i = 0; i < n_measured; i++) found += strcmp(measured[i], op) == 0;
        for (const auto &u : unmeasured) left += strcmp(u.op, op) == 0;
        if ((found > 0) == (left > 0)) fail_msg("%s: measured %d times, left out %d times", op, found, left);
    }
}

static void test_decode(void **)
{
    const int len = 2048;
    ot_case(PT_BF16);
    pt_view q = in(PT_BF16, 1, 16 * 128, 1), o = in(PT_BF16, 1, 16 * 128, 2), k = in(PT_BF16, len, 256, 3),
           v = in(PT_BF16, len, 256, 4), lens = ot_list(&len, 1);
    double part = 2 * 4.0 * 16 * 8 * 130; /* the ranges' sums written and read */
    TRAFFIC(decode_attention, pt_decode_args, NULL, 4.0 * 256 * len, part, a.o = D(o), a.q = D(q), a.k = D(k), a.v = D(v),
            a.lens = D(lens), a.max_len = len, a.n_heads = 16, a.n_kv = 2, a.dim = 128, a.scale = 0.1f);
    ot_free_all();
}

static int counted(void **)
{
    /* counts belong to the launch that is under way: streams must not run late */
    return emu_setting("COUNT", "1") && emu_setting("LAZY", "0") && emu_setting("ORDER", "fwd") ? 0 : -1;
}
static int closed(void **)
{
    ot_close();
    return 0;
}
static void test_no_counters(void **)
{
    skip();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_norms),   cmocka_unit_test(test_elements), cmocka_unit_test(test_rows),
        cmocka_unit_test(test_weights), cmocka_unit_test(test_products), cmocka_unit_test(test_sums),
        cmocka_unit_test(test_decode),  cmocka_unit_test(test_loss),   cmocka_unit_test(test_sample),
        cmocka_unit_test(test_lora),    cmocka_unit_test(test_table)};
    const struct CMUnitTest none[] = {cmocka_unit_test(test_no_counters)};
    if (strcmp(emu_build(), "check") != 0) return cmocka_run_group_tests(none, NULL, NULL);
    return cmocka_run_group_tests(tests, counted, closed);
}

/* Launches of the size of an 8B model over long streams: offsets beyond 2^31 elements and 2^32 bytes. Memory is sparse, of each
 * launch the first, the last and a few blocks between run (EMU_SAMPLE): the check build sees an index that wraps as an overflow
 * of int, as an access outside of its tensor (below each lies a freed hole as wide as a wrapped index reaches), or as an end of
 * an output that nobody wrote. Of products (cuBLASLt) only the extents of the operands are looked at.
 * Not here, for nothing in them grows with the stream: clip; group_loss and token_sums (one block, which takes a batch's rows in a loop). */
#include "tests/ops/op_modes.h"

#include <sys/wait.h>
#include <unistd.h>

/* N: rows that the last block of a grid of 65535 steps over end with the last one */
enum : int64_t { N = 9 * 65535, C = 4096, F = 14336, V = 128256, PARAMS = 3000000000 };
static pt_ctx ctx;
static pt_buf bufs[32];
static int n_bufs;

/* 2^31 elements of f32: below a tensor, an address that a negative int leads to. */
static const size_t HOLE = (size_t)1 << 33;

static pt_view spread(pt_dtype t, int64_t rows, int64_t cols, int64_t ld)
{
    pt_buf *b = &bufs[n_bufs++];
    b->bytes = ot_row_bytes(t, ld) * (size_t)(rows - 1) + ot_row_bytes(t, cols);
    cudaFree(emu_malloc_sparse(HOLE));
    b->base = (unsigned char *)emu_malloc_sparse(b->bytes);
    if (!b->base) _exit(77); /* AddressSanitizer leaves too few addresses */
    return pt_view{b, 0, t, rows, cols, ld};
}
static pt_view big(pt_dtype t, int64_t rows, int64_t cols)
{
    return spread(t, rows, cols, cols);
}
/* 16 bytes of an output that must be other ones afterwards. A wrapped index that lands inside of the tensor is seen so. */
enum { MARK = 0xA5, MARKED = 16 };
static unsigned char *marks[16];
static int n_marks;
static void mark(pt_view v, int64_t row, int64_t col)
{
    unsigned char *at = v.buf->base + ot_row_bytes(v.type, row * v.ld + col);
    marks[n_marks++] = at;
    cudaMemset(at, MARK, MARKED);
}
/* An output whose first and last 16 bytes are marked. */
static pt_view out(pt_dtype t, int64_t rows, int64_t cols)
{
    pt_view v = big(t, rows, cols);
    mark(v, 0, 0);
    mark(v, rows - 1, cols - MARKED / (int64_t)pt_dtype_get(t)->bytes);
    return v;
}
static bool written(const unsigned char *at)
{
    unsigned char h[MARKED], same[MARKED];
    memset(same, MARK, sizeof same);
    cudaMemcpy(h, at, MARKED, cudaMemcpyDeviceToHost);
    return memcmp(h, same, sizeof h) != 0;
}
/* n numbers that rise to most. */
static pt_view list(int64_t n, int64_t most)
{
    pt_view v = big(PT_I32, 1, n);
    int32_t *h = (int32_t *)malloc((size_t)n * 4);
    for (int64_t i = 0; i < n; i++) h[i] = (int32_t)(n > 1 ? most * i / (n - 1) : most);
    cudaMemcpy(v.buf->base, h, (size_t)n * 4, cudaMemcpyHostToDevice);
    free(h);
    return v;
}

/* The op in a process of its own; its dry run says how much workspace it needs. */
static pt_compute compute = PT_COMPUTE_BF16;
template <typename A, typename Fill> static void sampled(const char *name, pt_status (*op)(pt_ctx *, const A *), Fill fill)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        A a = {};
        emu_setting("SAMPLE", "4");
        if (pt_cuda_open(&ctx, compute) != PT_OK) _exit(3);
        fill(a);
        cudaDeviceSynchronize();
        ctx.dry = true, ctx.workspace_need = 0;
        pt_status rc = op(&ctx, &a);
        ctx.dry = false;
        if (rc == PT_OK && ctx.workspace_need) ctx.workspace = big(PT_U8, 1, (int64_t)ctx.workspace_need);
        uint64_t before = emu_launch_count();
        if (rc == PT_OK) rc = op(&ctx, &a);
        cudaDeviceSynchronize();
        if (rc != PT_OK) fprintf(stderr, "%s: %s\n", name, pt_err_msg());
        for (int i = 0; i < n_marks && rc == PT_OK; i++)
            if (!written(marks[i])) fprintf(stderr, "%s: mark %d\n", name, i), _exit(5);
        _exit(rc != PT_OK ? 2 : emu_launch_count() == before ? 4 : 0);
    }
    int st;
    assert_int_equal(waitpid(pid, &st, 0), pid);
    int code = WIFEXITED(st) ? WEXITSTATUS(st) : 128 + WTERMSIG(st);
    if (code == 77) return;
    if (code == 5) fail_msg("%s: marked places of an output are not written", name);
    if (code != 0) fail_msg("%s: exit %d", name, code);
}
#define SAMPLED(op, type, ...) sampled<type>(#op, pt_cuda_##op, [](type &a) { __VA_ARGS__; })

static void test_rows(void **)
{
    SAMPLED(rmsnorm, pt_rmsnorm_args, a.y = out(PT_BF16, N, C); a.x = big(PT_BF16, N, C); a.add = big(PT_BF16, N, C);
            a.h = out(PT_BF16, N, C); a.rstd = big(PT_F32, 1, N); a.w = big(PT_F32, 1, C); a.eps = 1e-5f);
    SAMPLED(rmsnorm_bwd, pt_rmsnorm_bwd_args, a.dx = out(PT_BF16, N, C); a.dw = big(PT_F32, 1, C); a.dy = big(PT_BF16, N, C);
            a.dres = big(PT_BF16, N, C); a.h = big(PT_BF16, N, C); a.rstd = big(PT_F32, 1, N); a.w = big(PT_F32, 1, C));
    SAMPLED(layernorm, pt_layernorm_args, a.y = out(PT_BF16, N, C); a.x = big(PT_BF16, N, C); a.add = big(PT_BF16, N, C);
            a.h = out(PT_BF16, N, C); a.mean = big(PT_F32, 1, N); a.rstd = big(PT_F32, 1, N); a.w = a.b = big(PT_F32, 1, C); a.eps = 1e-5f);
    SAMPLED(layernorm_bwd, pt_layernorm_bwd_args, a.dx = out(PT_BF16, N, C); a.dw = big(PT_F32, 1, C); a.db = big(PT_F32, 1, C);
            a.dy = big(PT_BF16, N, C); a.dres = big(PT_BF16, N, C); a.h = big(PT_BF16, N, C); a.mean = big(PT_F32, 1, N);
            a.rstd = big(PT_F32, 1, N); a.w = big(PT_F32, 1, C));
    SAMPLED(gated, pt_gated_args, a.y = out(PT_BF16, N, F); a.g = big(PT_BF16, N, F); a.u = big(PT_BF16, N, F));
    SAMPLED(gated_bwd, pt_gated_bwd_args, a.dg = a.g = out(PT_BF16, N, F); a.du = a.u = out(PT_BF16, N, F);
            a.y = a.dy = big(PT_BF16, N, F));
    SAMPLED(rope, pt_rope_args, a.x = out(PT_BF16, N, C); a.table = big(PT_F32, N, 128); a.heads = 32; a.dim = a.rot = 128);
    SAMPLED(norm_rope, pt_norm_rope_args, a.y = out(PT_BF16, N, C); a.x = big(PT_BF16, N, C); a.rstd = big(PT_F32, 1, 32 * N); a.w = big(PT_F32, 1, 128);
            a.table = big(PT_F32, N, 128); a.heads = 32; a.dim = a.rot = 128; a.eps = 1e-5f);
    SAMPLED(norm_rope_bwd, pt_norm_rope_bwd_args, a.dx = out(PT_BF16, N, C); a.dy = big(PT_BF16, N, C); a.x = big(PT_BF16, N, C); a.rstd = big(PT_F32, 1, 32 * N);
            a.w = big(PT_F32, 1, 128); a.table = big(PT_F32, N, 128); a.heads = 32; a.dim = a.rot = 128);
    SAMPLED(rope_table, pt_rope_table_args, a.table = out(PT_F32, 40 * N, 128); a.positions = big(PT_I32, 1, 40 * N);
            a.inv_freq = big(PT_F32, 1, 64); a.mscale = 1);
}
static void test_moves(void **)
{
    SAMPLED(axpby, pt_axpby_args, a.y = out(PT_BF16, N, F); a.x = big(PT_BF16, N, F); a.alpha = 1);
    SAMPLED(clamp, pt_clamp_args, a.y = out(PT_BF16, N, F); a.x = big(PT_BF16, N, F); a.limit = 1);
    SAMPLED(clamp_bwd, pt_clamp_bwd_args, a.dx = out(PT_BF16, N, F); a.dy = a.x = big(PT_BF16, N, F); a.limit = 1);
    SAMPLED(cast, pt_cast_args, a.y = out(PT_BF16, N, F); a.x = big(PT_F32, N, F));
    SAMPLED(gather, pt_gather_args, a.y = out(PT_BF16, N, C); a.x = big(PT_BF16, N, C); a.index = list(N, N - 1));
    SAMPLED(scatter_add, pt_gather_args, a.y = big(PT_BF16, N, C); a.x = big(PT_BF16, N, C); a.index = list(N, N - 1));
    SAMPLED(embed, pt_embed_args, a.y = out(PT_BF16, N, C); a.w = big(PT_F32, V * 5, C); a.tokens = list(N, V * 5 - 1);
            a.scale = 1);
    SAMPLED(embed, pt_embed_args, a.y = out(PT_BF16, N, C); a.w = big(PT_Q4_K, V * 8, C); a.tokens = list(N, V * 8 - 1);
            a.scale = 1);
}
static void test_parameters(void **)
{
    SAMPLED(adamw, pt_adamw_args, a.p = big(PT_F32, 1, PARAMS); a.m = out(PT_F32, 1, PARAMS); a.v = big(PT_F32, 1, PARAMS);
            a.g = big(PT_F32, 1, PARAMS); float s[4] = {1, 1, 1, 1}; a.scalars = big(PT_F32, 1, 4);
            cudaMemcpy(a.scalars.buf->base, s, sizeof s, cudaMemcpyHostToDevice); a.lr = 1e-3f; a.beta1 = 0.9f; a.beta2 = 0.99f;
            a.eps = 1e-8f);
}
static void test_lora(void **)
{
    static pt_lora_slot slot;
    static pt_lora_part part;
    enum { TOKENS = 160000 }; /* times F: beyond 2^31; more would only be slow */
    static const pt_lora_run run = {0, TOKENS, 0};
    for (int backward = 0; backward < 2; backward++)
        sampled<pt_lora_args>(backward ? "lora_bwd" : "lora", backward ? pt_cuda_lora_bwd : pt_cuda_lora,
                              [backward](pt_lora_args &a) {
                                  a.x = big(PT_BF16, TOKENS, C);
                                  a.dx = big(PT_BF16, TOKENS, C);
                                  slot.a = big(PT_F32, 16, C), slot.b = big(PT_F32, F, 16), slot.da = big(PT_F32, 16, C),
                                  slot.db = big(PT_F32, F, 16);
                                  slot.scale = 2, slot.rank = 16;
                                  part.y = part.dy = big(PT_BF16, TOKENS, F),
                                  part.t = backward ? big(PT_F32, TOKENS, 16) : out(PT_F32, TOKENS, 16), part.slots = &slot;
                                  a.parts = &part, a.runs = &run, a.n_parts = a.n_runs = a.n_slots = 1;
                              });
}
static void test_decode(void **)
{
    enum { B = 64, LEN = 131072 };
    SAMPLED(decode_attention, pt_decode_args, a.o = out(PT_BF16, B, C); a.q = big(PT_BF16, B, C);
            a.k = big(PT_BF16, (int64_t)B * LEN, 1024); a.v = big(PT_BF16, (int64_t)B * LEN, 1024); a.lens = list(B, LEN);
            a.max_len = LEN; a.n_heads = 32; a.n_kv = 8; a.dim = 128; a.scale = 0.1f);
}

/* ---- attention ---- */
/* Documents of one stream: the first ones short, so that blocks are cheap; LAST tokens in the last, so that its blocks have the
 * most tiles and are launched first. Documents start 56 tokens behind the start of a tile: every block of queries but those of
 * the first 64 tokens sees two tiles or more, so these are launched last, and of tiles of keys the stream's last one. */
enum : int64_t { TOKENS = 64 * 1100 + 60, FIRST = 56 + 192, STEP = 192, LAST_FROM = FIRST + STEP * 358, DOCS = 360 };
static pt_forest *documents(int32_t tokens, int32_t docs, int32_t first, int32_t step)
{
    pt_forest_caps caps = {tokens, docs};
    pt_forest *f = NULL;
    int32_t *v = (int32_t *)malloc(((size_t)docs * 3 + 1 + (size_t)tokens) * 4), *start = v, *parent = v + docs + 1;
    int32_t *end = parent + docs, *pos = end + docs;
    for (int32_t d = 0; d <= docs; d++) start[d] = d == 0 ? 0 : d == docs ? tokens : first + (d - 1) * step;
    for (int32_t d = 0; d < docs; d++) {
        parent[d] = -1, end[d] = start[d + 1];
        for (int32_t i = start[d]; i < start[d + 1]; i++) pos[i] = i - start[d];
    }
    pt_forest_desc desc = {tokens, docs, start, parent, end, pos, 0};
    if (pt_cuda_forest_new(&ctx, &f, &caps) != PT_OK || pt_cuda_forest_set(&ctx, f, &desc) != PT_OK) _exit(6);
    free(v);
    return f;
}
/* Rows of a wide fused buffer: the last ones begin beyond 2^31 elements; lse likewise. */
enum : int64_t { WIDE_LD = 32768, LSE_LD = 71000000, HD = 4096, KD = 1024 };
static_assert((TOKENS - 60) * WIDE_LD > INT32_MAX && 31 * LSE_LD > INT32_MAX, "offsets pass 2^31 elements");
static pt_view fused(int64_t cols)
{
    return spread(ctx.act, TOKENS, cols, WIDE_LD);
}
static int64_t piece(void)
{
    return MARKED / (int64_t)pt_dtype_get(ctx.act)->bytes;
}
/* What the first and the last block of queries write: the last tile's first rows, and the first 64 tokens' last. */
static pt_view mark_queries(pt_view v)
{
    mark(v, TOKENS - 60, 0);
    mark(v, 63, HD - piece());
    return v;
}
/* Of keys: the tile that the last document begins in, and the last tile. */
static pt_view mark_keys(pt_view v)
{
    mark(v, LAST_FROM / 64 * 64, 0);
    mark(v, TOKENS - 1, KD - piece());
    return v;
}
static void fill_attention(pt_attention_args &a)
{
    a.q = fused(HD), a.k = fused(KD), a.v = fused(KD), a.o = mark_queries(fused(HD));
    a.lse = spread(PT_F32, 32, TOKENS, LSE_LD);
    mark(a.lse, 0, TOKENS - 60);
    mark(a.lse, 31, 60);
    a.forest = documents(TOKENS, DOCS, FIRST, STEP);
    a.n_heads = 32, a.n_kv = 8, a.dim = 128, a.scale = 0.1f;
}
static void fill_attention_bwd(pt_attention_bwd_args &a)
{
    a.q = fused(HD), a.k = fused(KD), a.v = fused(KD), a.o = fused(HD), a.dout = fused(HD);
    a.lse = spread(PT_F32, 32, TOKENS, LSE_LD);
    a.dq = mark_queries(fused(HD)), a.dk = mark_keys(fused(KD)), a.dv = mark_keys(fused(KD));
    a.forest = documents(TOKENS, DOCS, FIRST, STEP);
    a.n_heads = 32, a.n_kv = 8, a.dim = 128, a.scale = 0.1f;
}
static void test_attention(void **)
{
    for (pt_compute c : {PT_COMPUTE_BF16, PT_COMPUTE_F32}) {
        compute = c;
        sampled<pt_attention_args>("attention", pt_cuda_attention, fill_attention);
        sampled<pt_attention_bwd_args>("attention_bwd", pt_cuda_attention_bwd, fill_attention_bwd);
    }
    compute = PT_COMPUTE_BF16;
    /* lse and the pass for dq's {lse, delta}, dense: 2^31 numbers and pairs only with far more heads than an 8B model has */
    SAMPLED(attention_bwd, pt_attention_bwd_args, enum {H = 65536, M = 33000}; a.q = big(PT_BF16, M, 2 * H);
            a.k = big(PT_BF16, M, H / 4); a.v = big(PT_BF16, M, H / 4); a.o = a.dout = a.q; a.dq = big(PT_BF16, M, 2 * H);
            a.dk = big(PT_BF16, M, H / 4); a.dv = big(PT_BF16, M, H / 4); a.lse = big(PT_F32, H, M);
            a.forest = documents(M, M / 64, 64, 64); a.n_heads = H; a.n_kv = H / 8; a.dim = 2; a.scale = 1);
}

/* ---- head ---- */
/* A chunk's logits stay below 1,280 MiB; what grows with the stream are x, dx and the rows' own numbers. */
static void test_head(void **)
{
    enum : int64_t { ROWS = 2300, LD = 1 << 20 };
    static_assert((ROWS - 1) * LD > INT32_MAX, "rows of x and dx begin beyond 2^31 elements");
    for (pt_dtype w : {PT_BF16, PT_Q8_0})
        sampled<pt_head_args>("head", pt_cuda_head, [w](pt_head_args &a) {
            a.x = spread(PT_BF16, ROWS, C, LD), a.dx = spread(PT_BF16, ROWS, C, LD), a.w = big(w, V, C);
            a.logp = out(PT_F32, 1, ROWS), a.lse = big(PT_F32, 1, ROWS), a.entropy = big(PT_F32, 1, ROWS);
            a.argmax = big(PT_I32, 1, ROWS), a.row_head = list(ROWS, ROWS - 1), a.row_target = list(ROWS, V - 1);
            a.dlogp = big(PT_F32, 1, ROWS), a.temperature = 1;
        });
}

/* ---- sums ---- */
static void test_sums(void **)
{
    SAMPLED(sumsq, pt_sumsq_args, a.acc = big(PT_F64, 1, 1); a.x = big(PT_F32, 1, PARAMS));
}

/* ---- products' own kernels, sampling ---- */
static void test_products(void **)
{
    enum : int64_t {
        TALL = 160000,
        BY_32 = 32 * 18432
    }; /* BY_32: the last of the blocks that step over rows has the last row */
    SAMPLED(linear, pt_linear_args, a.y = out(PT_BF16, BY_32, F); a.x = big(PT_BF16, BY_32, 64); a.w = big(PT_BF16, F, 64);
            a.b = big(PT_F32, 1, F); cudaMemset(a.b.buf->base, 0x3f, a.b.buf->bytes)); /* bias_k */
    SAMPLED(linear, pt_linear_args, a.y = out(PT_BF16, 1, V * 6); a.x = big(PT_BF16, 1, C); a.w = big(PT_BF16, V * 6, C));
    SAMPLED(linear, pt_linear_args, a.y = out(PT_BF16, 1, V * 8); a.x = big(PT_BF16, 1, C); a.w = big(PT_Q4_K, V * 8, C));
    SAMPLED(linear, pt_linear_args, a.y = big(PT_BF16, 16, V * 5); a.x = big(PT_BF16, 16, C);
            a.w = big(PT_Q8_0, V * 5, C)); /* words_k, by rows of w */
    SAMPLED(linear_bwd_w, pt_linear_bwd_w_args, a.db = big(PT_F32, 1, F); a.dw = big(PT_F32, F, 64);
            a.dy = big(PT_BF16, TALL, F); a.x = big(PT_BF16, TALL, 64)); /* column_sum_k */
    SAMPLED(linear_bwd_x, pt_linear_bwd_x_args, a.dx = big(PT_BF16, 64, F); a.dy = big(PT_BF16, 64, TALL);
            a.w = big(PT_Q8_0, TALL, F)); /* words_k, by columns of w */
    SAMPLED(embed_bwd, pt_embed_bwd_args, a.dw = big(PT_F32, V * 5, C); a.dy = big(PT_BF16, N / 8, C);
            a.tokens = list(N / 8, V * 5 - 1); a.scale = 1);
    SAMPLED(sample, pt_sample_args, static uint64_t zero[64]; a.logits = spread(PT_F32, 64, 1000, 35000000);
            a.token = big(PT_I32, 1, 64); a.seen = spread(PT_I32, 64, 100, 35000000); a.stream = zero; a.position = zero;
            a.temperature = 1; a.top_k = 40; a.top_p = 0.9f; a.repetition_penalty = 1.1f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows), cmocka_unit_test(test_moves),  cmocka_unit_test(test_parameters),
        cmocka_unit_test(test_lora), cmocka_unit_test(test_decode), cmocka_unit_test(test_attention),
        cmocka_unit_test(test_head), cmocka_unit_test(test_sums), cmocka_unit_test(test_products)};
    return ot_main("kernels_large", tests);
}

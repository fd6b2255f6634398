/* Launches of the size of an 8B model over long streams: offsets beyond 2^31 elements and 2^32 bytes. Memory is sparse, of each
 * launch the first, the last and a few blocks between run (EMU_SAMPLE): the check build sees an index that wraps as an access
 * outside of its tensor, as an overflow of int, or as a page of another block. Products (cuBLASLt) are left out. */
#include "kernels_op.h"

#include <sys/wait.h>
#include <unistd.h>

extern "C" {
#include "kernels/cuda/ops_cuda.h"
}

/* N: rows that the last block of a grid of 65535 steps over end with the last one */
enum : int64_t { N = 9 * 65535, C = 4096, F = 14336, V = 128256, PARAMS = 3000000000 };
static pt_ctx ctx;
static pt_buf bufs[32];
static int n_bufs;

static pt_view big(pt_dtype t, int64_t rows, int64_t cols)
{
    pt_buf *b = &bufs[n_bufs++];
    b->bytes = kt_row_bytes(t, cols) * (size_t)rows;
    b->base = (unsigned char *)emu_malloc_sparse(b->bytes);
    if (!b->base) _exit(77); /* AddressSanitizer leaves too few addresses */
    return pt_view{b, 0, t, rows, cols, cols};
}
/* An output: its first and last 16 bytes must be other ones afterwards. A wrapped index that lands inside of the tensor is seen
 * so. */
enum { MARK = 0xA5, MARKED = 16 };
static pt_view outs[8];
static int n_outs;
static unsigned char *end_of(pt_view v, int last)
{
    return v.buf->base + (last ? v.buf->bytes - MARKED : 0);
}
static pt_view out(pt_dtype t, int64_t rows, int64_t cols)
{
    pt_view v = outs[n_outs++] = big(t, rows, cols);
    for (int last = 0; last < 2; last++) cudaMemset(end_of(v, last), MARK, MARKED);
    return v;
}
static bool written(pt_view v)
{
    unsigned char h[MARKED], mark[MARKED];
    memset(mark, MARK, sizeof mark);
    for (int last = 0; last < 2; last++) {
        cudaMemcpy(h, end_of(v, last), MARKED, cudaMemcpyDeviceToHost);
        if (memcmp(h, mark, sizeof h) == 0) return false;
    }
    return true;
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
template <typename A, typename Fill> static void sampled(const char *name, pt_status (*op)(pt_ctx *, const A *), Fill fill)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        A a = {};
        emu_setting("SAMPLE", "4");
        if (pt_cuda_open(&ctx, PT_COMPUTE_BF16) != PT_OK) _exit(3);
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
        for (int i = 0; i < n_outs && rc == PT_OK; i++)
            if (!written(outs[i])) _exit(5);
        _exit(rc != PT_OK ? 2 : emu_launch_count() == before ? 4 : 0);
    }
    int st;
    assert_int_equal(waitpid(pid, &st, 0), pid);
    int code = WIFEXITED(st) ? WEXITSTATUS(st) : 128 + WTERMSIG(st);
    if (code == 77) return;
    if (code == 5) fail_msg("%s: the ends of an output are not written", name);
    if (code != 0) fail_msg("%s: exit %d", name, code);
}
#define SAMPLED(op, type, ...) sampled<type>(#op, pt_cuda_##op, [](type &a) { __VA_ARGS__; })

static void test_rows(void **)
{
    SAMPLED(rmsnorm, pt_rmsnorm_args, a.y = out(PT_BF16, N, C); a.x = big(PT_BF16, N, C); a.add = big(PT_BF16, N, C);
            a.h = out(PT_BF16, N, C); a.rstd = big(PT_F32, 1, N); a.w = big(PT_F32, 1, C); a.eps = 1e-5f);
    SAMPLED(rmsnorm_bwd, pt_rmsnorm_bwd_args, a.dx = out(PT_BF16, N, C); a.dw = big(PT_F32, 1, C); a.dy = big(PT_BF16, N, C);
            a.dres = big(PT_BF16, N, C); a.h = big(PT_BF16, N, C); a.rstd = big(PT_F32, 1, N); a.w = big(PT_F32, 1, C));
    SAMPLED(gated, pt_gated_args, a.y = out(PT_BF16, N, F); a.g = big(PT_BF16, N, F); a.u = big(PT_BF16, N, F));
    SAMPLED(gated_bwd, pt_gated_bwd_args, a.dg = a.g = out(PT_BF16, N, F); a.du = a.u = out(PT_BF16, N, F);
            a.y = a.dy = big(PT_BF16, N, F));
    SAMPLED(rope, pt_rope_args, a.x = out(PT_BF16, N, C); a.table = big(PT_F32, N, 128); a.heads = 32; a.dim = a.rot = 128);
    SAMPLED(rope_table, pt_rope_table_args, a.table = out(PT_F32, 40 * N, 128); a.positions = big(PT_I32, 1, 40 * N);
            a.inv_freq = big(PT_F32, 1, 64); a.mscale = 1);
}
static void test_moves(void **)
{
    SAMPLED(axpby, pt_axpby_args, a.y = out(PT_BF16, N, F); a.x = big(PT_BF16, N, F); a.alpha = 1);
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

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows), cmocka_unit_test(test_moves),
                                       cmocka_unit_test(test_parameters), cmocka_unit_test(test_lora),
                                       cmocka_unit_test(test_decode)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

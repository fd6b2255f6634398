/* Blocks of every launch of a LoRA step of an 8B model (r 16 on all matrices, two documents of 2,048 tokens, Q4_K) on a chip of 132 multiprocessors: memory is
 * sparse and two blocks a launch run, since only the grids are looked at.
 *
 * idle of a grid of n equal blocks: 1 - n / (132 ceil(n / 132)), the share of the multiprocessors' time in which one waits for the others. No launch may idle more
 * than 15 %, and none may have fewer blocks than there are multiprocessors. A line "kernel, 132, idle, percent" of tests/emu/gpu_budgets.tsv allows a kernel more of both;
 * such lines only go down. Kernels of one block by design are named below. Blocks of attention differ in length: roofline.py schedules them one by one. Products of cuBLASLt are not launches of ours: roofline.py, under a stated tile. */
#include "tests/ops/op_modes.h"

#include <string>
#include <sys/wait.h>
#include <unistd.h>

enum : int64_t { SMS = 132, N = 4096, C = 4096, F = 14336, KV = 1024, V = 128256, R = 16, PARAMS = 41943040, MOST_IDLE = 15 };
static pt_ctx ctx;
static pt_buf bufs[64];
static int n_bufs;
static int judged, failed;

static pt_view big(pt_dtype t, int64_t rows, int64_t cols)
{
    pt_buf *b = &bufs[n_bufs++];
    b->bytes = ot_row_bytes(t, cols) * (size_t)rows;
    b->base = (unsigned char *)emu_malloc_sparse(b->bytes);
    if (!b->base) _exit(77);
    return pt_view{b, 0, t, rows, cols, cols};
}
/* With `spare` columns behind each row. */
static pt_view wide(int64_t rows, int64_t cols, int spare)
{
    return pt_view_cols(big(PT_BF16, rows, cols + spare), 0, cols);
}
static pt_view list(int64_t n, int64_t most)
{
    pt_view v = big(PT_I32, 1, n);
    int32_t *h = (int32_t *)malloc((size_t)n * 4);
    for (int64_t i = 0; i < n; i++) h[i] = (int32_t)(most * i / (n - 1));
    cudaMemcpy(v.buf->base, h, (size_t)n * 4, cudaMemcpyHostToDevice);
    free(h);
    return v;
}

/* One block by design: the last sum of a sum of squares, 1,024 numbers. */
static bool is_exempt(const char *name)
{
    return strcmp(name, "sumsq_sum_k") == 0;
}

/* What the budgets allow this kernel, in percent. */
static double allowed(const char *kernel)
{
    FILE *f = fopen("tests/emu/gpu_budgets.tsv", "r");
    char line[512];
    double most = MOST_IDLE;
    if (!f) _exit(8);
    std::string want = std::string(kernel) + "\t132\tidle\t";
    while (fgets(line, sizeof line, f))
        if (strncmp(line, want.c_str(), want.size()) == 0) most = atof(line + want.size());
    fclose(f);
    return most;
}

/* Prints a line a kernel; the exit status of the process: 0, or 9 when one idles more than it may. */
static int judge(const char *op)
{
    size_t n;
    int bad = 0;
    const emu_kernel_counts *k = emu_counts(&n);
    for (size_t i = 0; i < n; i++) {
        double waves = (double)((k[i].least_grid + SMS - 1) / SMS), idle = 100 * (1 - (double)k[i].least_grid / (SMS * waves)), most = allowed(k[i].name);
        bool few = k[i].least_grid < SMS && most <= MOST_IDLE, over = (few || idle > most + 0.05) && !is_exempt(k[i].name);
        printf("# figure waves: %s, %s: %llu blocks, %.1f %% idle%s%s\n", op, k[i].name, (unsigned long long)k[i].least_grid, idle,
               is_exempt(k[i].name) ? " (exempt)" : most > MOST_IDLE ? " (a budget allows it)" : "", over ? ": too many" : "");
        bad |= over;
    }
    fflush(stdout);
    return n == 0 ? 4 : bad ? 9 : 0;
}

template <typename A, typename Fill> static void launched(const char *name, pt_status (*op)(pt_ctx *, const A *), Fill fill)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        A a = {};
        emu_setting("ARCH", "90");
        emu_setting("SAMPLE", "1");
        emu_setting("COUNT", "1");
        if (pt_cuda_open(&ctx, PT_COMPUTE_BF16) != PT_OK) _exit(3);
        fill(a);
        cudaDeviceSynchronize();
        ctx.dry = true, ctx.workspace_need = 0;
        pt_status rc = op(&ctx, &a);
        ctx.dry = false;
        if (rc == PT_OK && ctx.workspace_need) ctx.workspace = big(PT_U8, 1, (int64_t)ctx.workspace_need);
        emu_counts_reset();
        if (rc == PT_OK) rc = op(&ctx, &a);
        cudaDeviceSynchronize();
        if (rc != PT_OK) fprintf(stderr, "%s: %s\n", name, pt_err_msg());
        _exit(rc != PT_OK ? 2 : judge(name));
    }
    int st;
    assert_int_equal(waitpid(pid, &st, 0), pid);
    int code = WIFEXITED(st) ? WEXITSTATUS(st) : 128 + WTERMSIG(st);
    failed += code == 9;
    if (code != 0 && code != 9) fail_msg("%s: exit %d", name, code);
    judged++;
}
#define LAUNCHED(op, type, ...) launched<type>(#op, pt_cuda_##op, [](type &a) { __VA_ARGS__; })

static void test_rows(void **)
{
    LAUNCHED(rmsnorm, pt_rmsnorm_args, a.y = a.x = a.add = a.h = big(PT_BF16, N, C); a.rstd = big(PT_F32, 1, N); a.w = big(PT_F32, 1, C); a.eps = 1e-5f);
    LAUNCHED(rmsnorm_bwd, pt_rmsnorm_bwd_args, a.dx = a.dy = a.dres = a.h = big(PT_BF16, N, C); a.rstd = big(PT_F32, 1, N); a.w = big(PT_F32, 1, C));
    LAUNCHED(gated, pt_gated_args, a.y = a.g = a.u = big(PT_BF16, N, F));
    LAUNCHED(gated_bwd, pt_gated_bwd_args, a.dg = a.g = big(PT_BF16, N, F); a.du = a.u = big(PT_BF16, N, F); a.y = a.dy = big(PT_BF16, N, F));
    LAUNCHED(rope, pt_rope_args, a.x = big(PT_BF16, N, C); a.table = big(PT_F32, N, 128); a.heads = 32; a.dim = a.rot = 128);
    LAUNCHED(rope, pt_rope_args, a.x = big(PT_BF16, N, KV); a.table = big(PT_F32, N, 128); a.heads = 8; a.dim = a.rot = 128);
    LAUNCHED(norm_rope, pt_norm_rope_args, a.y = a.x = big(PT_BF16, N, C); a.rstd = big(PT_F32, 1, 32 * N); a.w = big(PT_F32, 1, 128); a.table = big(PT_F32, N, 128); a.heads = 32;
             a.dim = a.rot = 128);
    LAUNCHED(norm_rope, pt_norm_rope_args, a.y = a.x = big(PT_BF16, N, KV); a.rstd = big(PT_F32, 1, 8 * N); a.w = big(PT_F32, 1, 128); a.table = big(PT_F32, N, 128); a.heads = 8;
             a.dim = a.rot = 128);
    LAUNCHED(norm_rope_bwd, pt_norm_rope_bwd_args, a.dx = a.dy = a.x = big(PT_BF16, N, KV); a.rstd = big(PT_F32, 1, 8 * N); a.w = big(PT_F32, 1, 128); a.table = big(PT_F32, N, 128);
             a.heads = 8; a.dim = a.rot = 128);
    LAUNCHED(embed, pt_embed_args, a.y = big(PT_BF16, N, C); a.w = big(PT_Q4_K, V, C); a.tokens = list(N, V - 1); a.scale = 1);
    LAUNCHED(adamw, pt_adamw_args, a.p = a.m = a.v = a.g = big(PT_F32, 1, PARAMS); a.scalars = big(PT_F32, 1, 4); a.lr = 1e-3f; a.beta1 = 0.9f; a.beta2 = 0.99f; a.eps = 1e-8f);
    LAUNCHED(sumsq, pt_sumsq_args, a.acc = big(PT_F64, 1, 1); a.x = big(PT_F32, 1, PARAMS));
}

/* The four groups of matrices that share an input, forward and backward. */
struct group {
    int64_t in;
    int parts;
    int64_t out[3];
};
static const group groups[] = {{C, 3, {C, KV, KV}}, {C, 1, {C}}, {C, 2, {F, F}}, {F, 1, {C}}};
/* spare: 0, or columns that are lent, so that the base's product takes the adapters along. */
static void lora_of(const group &g, bool backward, int spare)
{
    static pt_lora_slot slots[3];
    static pt_lora_part parts[3];
    static const pt_lora_run run = {0, N, 0};
    char name[64];
    snprintf(name, sizeof name, "lora%s%s %lld to %lld", backward ? "_bwd" : "", spare ? " with its base" : "", (long long)g.in, (long long)g.out[0]);
    launched<pt_lora_args>(name, backward ? pt_cuda_lora_bwd : pt_cuda_lora, [&g, backward, spare](pt_lora_args &a) {
        a.x = wide(N, g.in, spare), a.x_spare = spare, a.dx = big(PT_BF16, N, g.in);
        for (int i = 0; i < g.parts; i++) {
            slots[i] = pt_lora_slot{big(PT_F32, R, g.in), big(PT_F32, g.out[i], R), big(PT_F32, R, g.in), big(PT_F32, g.out[i], R), 2, R};
            parts[i].y = parts[i].dy = wide(N, g.out[i], spare), parts[i].dy_spare = spare, parts[i].t = big(PT_F32, N, R), parts[i].slots = &slots[i];
            if (spare) parts[i].w = big(PT_Q4_K, g.out[i], g.in);
        }
        a.parts = parts, a.runs = &run, a.n_parts = g.parts, a.n_runs = a.n_slots = 1;
    });
}
static void test_lora(void **)
{
    for (const group &g : groups)
        for (bool backward : {false, true})
            for (int spare : {0, (int)(3 * R)}) lora_of(g, backward, spare);
}

static void test_products(void **)
{
    static const struct {
        int64_t in, out;
    } matrices[] = {{C, C}, {C, KV}, {C, F}, {F, C}};
    for (auto &m : matrices) {
        char name[64];
        snprintf(name, sizeof name, "linear %lld to %lld", (long long)m.in, (long long)m.out);
        launched<pt_linear_args>(name, pt_cuda_linear, [&m](pt_linear_args &a) { a.y = big(PT_BF16, N, m.out), a.x = big(PT_BF16, N, m.in), a.w = big(PT_Q4_K, m.out, m.in); });
        snprintf(name, sizeof name, "linear_bwd_x %lld to %lld", (long long)m.in, (long long)m.out);
        launched<pt_linear_bwd_x_args>(name, pt_cuda_linear_bwd_x, [&m](pt_linear_bwd_x_args &a) { a.dx = big(PT_BF16, N, m.in), a.dy = big(PT_BF16, N, m.out), a.w = big(PT_Q4_K, m.out, m.in); });
    }
    LAUNCHED(head, pt_head_args, a.x = a.dx = big(PT_BF16, N, C); a.w = big(PT_Q4_K, V, C); a.logp = big(PT_F32, 1, N); a.lse = big(PT_F32, 1, N); a.row_head = list(N, N - 1);
             a.row_target = list(N, V - 1); a.dlogp = big(PT_F32, 1, N); a.temperature = 1);
}

static pt_forest *documents(void)
{
    pt_forest_caps caps = {N, 2};
    pt_forest *f = NULL;
    static int32_t start[3] = {0, N / 2, N}, parent[2] = {-1, -1}, end[2] = {N / 2, N}, position[N];
    for (int32_t i = 0; i < N; i++) position[i] = i % (int32_t)(N / 2);
    pt_forest_desc desc = {N, 2, start, parent, end, position, 0};
    if (pt_cuda_forest_new(&ctx, &f, &caps) != PT_OK || pt_cuda_forest_set(&ctx, f, &desc) != PT_OK) _exit(6);
    return f;
}
static void test_attention(void **)
{
    LAUNCHED(attention, pt_attention_args, a.q = a.o = big(PT_BF16, N, C); a.k = a.v = big(PT_BF16, N, KV); a.lse = big(PT_F32, 32, N); a.forest = documents(); a.n_heads = 32; a.n_kv = 8;
             a.dim = 128; a.scale = 0.1f);
    LAUNCHED(attention_bwd, pt_attention_bwd_args, a.q = a.o = a.dout = a.dq = big(PT_BF16, N, C); a.k = a.v = a.dk = a.dv = big(PT_BF16, N, KV); a.lse = big(PT_F32, 32, N);
             a.forest = documents(); a.n_heads = 32; a.n_kv = 8; a.dim = 128; a.scale = 0.1f);
}

/* After all of them, so that every line is printed. */
static void test_none_idles(void **)
{
    assert_int_equal(judged, 12 + 16 + 8 + 1 + 2);
    assert_int_equal(failed, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows), cmocka_unit_test(test_lora), cmocka_unit_test(test_products), cmocka_unit_test(test_attention),
                                       cmocka_unit_test(test_none_idles)};
    return ot_main("kernels_waves", tests);
}

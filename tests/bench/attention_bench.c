/* Speed of attention against this machine's GEMM, counted on exact pairs (token, token it sees): 4 D H flops a pair forward, 10
 * backward. One thread is timed in processor time, so that other work on the machine does not count.
 * `make bench-kernels` builds and runs it: attention_bench [threads [isa]] */
#include <dnnl.h>
#include <time.h>

#include "tests/ops/op_forest.h"
#include "tests/ops/op_test.h"

static double now(void)
{
    struct timespec t;
    clock_gettime(pt_threads_get() == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double gemm_rate(int m, int n, int k)
{
    pt_view a = ot_new(PT_F32, m, k, k), b = ot_new(PT_F32, n, k, k), c = ot_new(PT_F32, m, n, n);
    double best = 1e9;
    ot_fill(a, 1, 1);
    ot_fill(b, 2, 1);
    for (int r = 0; r < 10; r++) {
        double t = now();
        dnnl_sgemm('N', 'T', m, n, k, 1, ot_f32(a, 0), k, ot_f32(b, 0), k, 0, ot_f32(c, 0), n);
        t = now() - t;
        best = t < best ? t : best;
    }
    ot_free_all();
    return 2.0 * m * n * k / best / 1e9;
}

static void bench(const char *name, const of_forest *f, int heads, int kv, int dim, float softcap, double gemm)
{
    int64_t n = f->d.n_tokens, hd = (int64_t)heads * dim, kd = (int64_t)kv * dim;
    pt_view q = ot_new(PT_F32, n, hd, hd), k = ot_new(PT_F32, n, kd, kd), v = ot_like(k), o = ot_like(q), dout = ot_like(q);
    pt_view lse = ot_new(PT_F32, heads, n, n), dq = ot_like(q), dk = ot_like(k), dv = ot_like(k);
    pt_view in[] = {q, k, v, dout};
    for (int i = 0; i < 4; i++) ot_fill(in[i], (uint64_t)i, 1);
    pt_forest *forest = of_make(&ot.cpu, f);
    pt_attention_args a = {.o = o,
                           .lse = lse,
                           .q = q,
                           .k = k,
                           .v = v,
                           .forest = forest,
                           .n_heads = heads,
                           .n_kv = kv,
                           .dim = dim,
                           .scale = 1 / sqrtf((float)dim),
                           .softcap = softcap};
    pt_attention_bwd_args b = {.dq = dq,
                               .dk = dk,
                               .dv = dv,
                               .dout = dout,
                               .o = o,
                               .lse = lse,
                               .q = q,
                               .k = k,
                               .v = v,
                               .forest = forest,
                               .n_heads = heads,
                               .n_kv = kv,
                               .dim = dim,
                               .scale = a.scale,
                               .softcap = softcap};
    double pairs = 0, fwd = 1e9, bwd = 1e9;
    for (int64_t i = 0; i < n; i++) pairs += f->pos[i] + 1; /* every root starts at position 0, no window */
    ot_dry_begin(&ot.cpu);
    ot.cpu.ops->attention(&ot.cpu, &a);
    ot.cpu.ops->attention_bwd(&ot.cpu, &b);
    ot_dry_end(&ot.cpu);
    for (int r = 0; r < 15; r++) {
        double t0 = now();
        ot.cpu.ops->attention(&ot.cpu, &a);
        double t1 = now();
        ot.cpu.ops->attention_bwd(&ot.cpu, &b);
        double t2 = now();
        fwd = t1 - t0 < fwd ? t1 - t0 : fwd;
        bwd = t2 - t1 < bwd ? t2 - t1 : bwd;
    }
    double rf = 4 * pairs * (double)hd / fwd / 1e9, rb = 10 * pairs * (double)hd / bwd / 1e9;
    printf("%-24s heads %d/%d dim %3d  forward %8.3f ms %6.1f GF/s %3.0f %%  backward %8.3f ms %6.1f GF/s %3.0f %%  workspace "
           "%.2f MB\n",
           name, heads, kv, dim, fwd * 1e3, rf, 100 * rf / gemm, bwd * 1e3, rb, 100 * rb / gemm,
           (double)ot.cpu.workspace.cols / 1e6);
    ot_after(&ot.cpu);
    ot.cpu.ops->forest_free(&ot.cpu, forest);
    ot_free_all();
}

static void one(const char *name, int roots, int len, int answers, int answer, int heads, int kv, int dim, float softcap,
                double gemm)
{
    static of_forest f;
    of_begin(&f, 0);
    for (int r = 0; r < roots; r++) {
        int32_t root = of_add(&f, -1, len);
        for (int i = 0; i < answers; i++) of_add(&f, root, answer);
    }
    bench(name, &f, heads, kv, dim, softcap, gemm);
}

int main(int argc, char **argv)
{
    if (ot_begin(NULL)) return 1;
    if (argc > 1) pt_threads_set((int)strtol(argv[1], NULL, 10));
    if (argc > 2 && pt_cpu_isa_set(argv[2]) != PT_OK) return 1;
    double gemm = gemm_rate(1024, 1536, 576);
    printf("%d threads, %s; sgemm 1024x1536x576: %.0f GF/s\n", pt_threads_get(), pt_cpu_isa(), gemm);
    one("profile 300 + 8 x 120", 1, 300, 8, 120, 9, 3, 64, 0, gemm);
    one("profile 300 + 20 x 120", 1, 300, 20, 120, 9, 3, 64, 0, gemm);
    one("2 x 512", 2, 512, 0, 0, 9, 3, 64, 0, gemm);
    one("1 x 2048", 1, 2048, 0, 0, 9, 3, 64, 0, gemm);
    one("8 x 137", 8, 137, 0, 0, 9, 3, 64, 0, gemm);
    one("2 x 512, no groups", 2, 512, 0, 0, 9, 9, 64, 0, gemm);
    static const int dims[] = {80, 96, 112, 128, 160, 192, 256};
    for (size_t i = 0; i < sizeof dims / sizeof *dims; i++) one("2 x 512", 2, 512, 0, 0, 8, 2, dims[i], 0, gemm);
    one("2 x 512, softcap", 2, 512, 0, 0, 9, 3, 64, 50, gemm);
    one("2 x 512, softcap", 2, 512, 0, 0, 8, 4, 256, 50, gemm);
    return ot_end(NULL);
}

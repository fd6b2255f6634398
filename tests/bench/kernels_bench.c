/* Speed of the linear-algebra ops of the cpu backend, as shares of the measured GEMM peak and of the read bandwidth.
 * Usage: kernels_bench [all|linear|lora|head|optim|decode|shared|bandwidth [f32|bf16]]. With OMP_NUM_THREADS=1 it counts CPU seconds, which other
 * work on the machine hardly stretches; with more threads, wall-clock seconds. Ratios decide, never absolute times. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "base/rng.h"
#include "base/threads.h"
#include "kernels/ops.h"

static pt_ctx ctx;
static double peak; /* GF/s of a large f32 or bf16 product */

static double now(void)
{
    struct timespec t;
    if (pt_threads_get() > 1) return pt_seconds();
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void must(pt_status s)
{
    if (s == PT_OK) return;
    fprintf(stderr, "%s: %s\n", pt_status_name(s), pt_err_msg());
    exit(1);
}

static pt_view fresh(pt_dtype type, int64_t rows, int64_t cols)
{
    pt_buf *buf = calloc(1, sizeof *buf);
    pt_view v = {.buf = buf, .type = type, .rows = rows, .cols = cols, .ld = cols};
    size_t bytes = (size_t)rows * pt_view_row_bytes(v);
    must(ctx.ops->alloc(&ctx, buf, bytes));
    if (type == PT_F32) {
        float *f = (float *)(void *)buf->base;
        for (int64_t i = 0; i < rows * cols; i++) f[i] = (float)((i * 7919) % 1021) * 1e-3f - 0.5f;
    } else { /* bytes below 0x3c in every place: small finite f16 and bf16 scales */
        for (size_t i = 0; i < bytes; i++) buf->base[i] = (unsigned char)((i * 2654435761u >> 13) % 0x3c);
    }
    return v;
}

static void drop(pt_view v)
{
    pt_buf *b = (pt_buf *)(uintptr_t)v.buf;
    ctx.ops->free(&ctx, b);
    free(b);
}

/* Best seconds of a few calls of op; the workspace is grown to the dry run's need. */
#define BEST(out, op, args)                                                              \
    do {                                                                                 \
        ctx.workspace_need = 0;                                                          \
        ctx.dry = true;                                                                  \
        must(ctx.ops->op(&ctx, (args)));                                                 \
        ctx.dry = false;                                                                 \
        pt_view ws_ = fresh(PT_U8, 1, (int64_t)ctx.workspace_need + 64);                 \
        ctx.workspace = ws_;                                                             \
        (out) = 1e9;                                                                     \
        double end_ = now() + 0.15;                                                \
        for (int r_ = 0; r_ < 3 || (now() < end_ && r_ < 200); r_++) {            \
            double t_ = now();                                                    \
            must(ctx.ops->op(&ctx, (args)));                                             \
            t_ = now() - t_;                                                      \
            if (t_ < (out)) (out) = t_;                                                  \
        }                                                                                \
        ctx.workspace = PT_NO_VIEW;                                                      \
        drop(ws_);                                                                       \
    } while (0)

static void line(const char *what, double flops, double seconds)
{
    printf("%-58s %8.3f ms %8.1f GF/s %5.1f %% of peak\n", what, seconds * 1e3, flops / seconds * 1e-9, flops / seconds * 1e-7 / peak);
}

/* The best plain product: y = x . w^T and dx = dy . w on operands that need no conversion. */
static void measure_peak(void)
{
    pt_view x = fresh(PT_F32, 1024, 576), y = fresh(PT_F32, 1024, 1536), w = fresh(ctx.compute == PT_COMPUTE_BF16 ? PT_BF16 : PT_F32, 1536, 576);
    double s[2], f32, bf16;
    BEST(s[0], linear, (&(pt_linear_args){y, x, w, PT_NO_VIEW, 0}));
    BEST(s[1], linear_bwd_x, (&(pt_linear_bwd_x_args){x, y, w, 0}));
    peak = 2e-9 * 1024 * 576 * 1536 / (s[0] < s[1] ? s[0] : s[1]);
    must(pt_cpu_measure(&f32, &bf16));
    printf("%s, %d threads; peak product %.1f GF/s (compute %s); pt_cpu_measure says f32 %.1f, bf16 %.1f\n", pt_cpu_isa(), pt_threads_get(), peak,
           ctx.compute == PT_COMPUTE_BF16 ? "bf16" : "f32", f32, bf16);
    drop(x), drop(y), drop(w);
}

static void bench_linear(void)
{
    static const pt_dtype types[] = {PT_F32, PT_BF16, PT_F16, PT_Q8_0, PT_Q4_0, PT_Q4_1, PT_Q5_0, PT_Q5_1, PT_Q2_K, PT_Q3_K, PT_Q4_K, PT_Q5_K, PT_Q6_K, PT_IQ4_NL, PT_IQ4_XS, PT_IQ3_S};
    static const int64_t shape[][3] = {{1024, 1536, 576}, {1024, 576, 1536}, {512, 576, 576}, {1024, 2048, 2048}};
    char what[128];
    double s;
    for (size_t k = 0; k < 4; k++)
        for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
            int64_t n = shape[k][0], o = shape[k][1], i = shape[k][2];
            if (i % pt_dtype_get(types[t])->block || (k != 3 && t > 5)) continue;
            pt_view x = fresh(PT_F32, n, i), y = fresh(PT_F32, n, o), w = fresh(types[t], o, i);
            BEST(s, linear, (&(pt_linear_args){y, x, w, PT_NO_VIEW, 0}));
            snprintf(what, sizeof what, "linear       N %lld O %lld I %lld %s", (long long)n, (long long)o, (long long)i, pt_dtype_get(types[t])->name);
            line(what, 2.0 * (double)(n * o * i), s);
            BEST(s, linear_bwd_x, (&(pt_linear_bwd_x_args){x, y, w, 0}));
            snprintf(what, sizeof what, "linear_bwd_x N %lld O %lld I %lld %s", (long long)n, (long long)o, (long long)i, pt_dtype_get(types[t])->name);
            line(what, 2.0 * (double)(n * o * i), s);
            drop(x), drop(y), drop(w);
        }
    pt_view dy = fresh(PT_F32, 1024, 1536), x = fresh(PT_F32, 1024, 576), dw = fresh(PT_F32, 1536, 576);
    BEST(s, linear_bwd_w, (&(pt_linear_bwd_w_args){dw, PT_NO_VIEW, dy, x}));
    line("linear_bwd_w N 1024 O 1536 I 576", 2.0 * 1024 * 1536 * 576, s);
    drop(dy), drop(x), drop(dw);
}

/* q, k, v of SmolLM2-135M with rank 16, then gate and up, then one down. */
static void bench_lora(void)
{
    static const struct { int parts; int64_t in, out[3]; } layer[] = {{3, 576, {576, 192, 192}}, {2, 576, {1536, 1536}}, {1, 1536, {576}}};
    for (int drop_on = 0; drop_on < 2; drop_on++)
        for (int k = 0; k < 3; k++) {
            enum { N = 1024, R = 16 };
            int parts = layer[k].parts;
            pt_view bank = fresh(PT_F32, R * parts, layer[k].in), dbank = fresh(PT_F32, R * parts, layer[k].in), key = fresh(PT_U64, 1, N);
            pt_lora_slot slot[3];
            pt_lora_part part[3];
            double flops = 0, s;
            for (int p = 0; p < parts; p++) {
                int64_t out = layer[k].out[p];
                slot[p] = (pt_lora_slot){pt_view_rows(bank, R * p, R), fresh(PT_F32, out, R), pt_view_rows(dbank, R * p, R), fresh(PT_F32, out, R), 2, R};
                part[p] = (pt_lora_part){fresh(PT_F32, N, out), fresh(PT_F32, N, out), fresh(PT_F32, N, R), &slot[p], (uint32_t)p};
                flops += 2.0 * N * R * (double)(layer[k].in + out);
            }
            pt_lora_run run = {0, N, 0};
            pt_lora_args a = {.x = fresh(PT_F32, N, layer[k].in), .dx = fresh(PT_F32, N, layer[k].in), .n_parts = parts, .parts = part, .n_runs = 1,
                              .runs = &run, .n_slots = 1, .dropout = drop_on ? 0.1f : 0, .token_key = key, .seed = 1, .step = 1};
            char what[128];
            BEST(s, lora, &a);
            snprintf(what, sizeof what, "lora     N 1024 I %lld, %d parts, r 16%s", (long long)layer[k].in, parts, drop_on ? ", dropout" : "");
            line(what, flops, s);
            BEST(s, lora_bwd, &a);
            snprintf(what, sizeof what, "lora_bwd N 1024 I %lld, %d parts, r 16%s", (long long)layer[k].in, parts, drop_on ? ", dropout" : "");
            line(what, 2 * flops, s);
        }
}

static void bench_head(void)
{
    static const pt_dtype types[] = {PT_F32, PT_BF16, PT_Q8_0, PT_Q6_K};
    for (int k = 0; k < 4; k++) {
        int64_t hd = 700, v = 49152, c = types[k] == PT_Q6_K ? 768 : 576;
        pt_view x = fresh(PT_F32, hd, c), dx = fresh(PT_F32, hd, c), w = fresh(types[k], v, c), f = fresh(PT_F32, 1, hd), lp = fresh(PT_F32, 1, hd);
        pt_view head = fresh(PT_I32, 1, hd), target = fresh(PT_I32, 1, hd);
        for (int32_t i = 0; i < hd; i++) ((int32_t *)(void *)head.buf->base)[i] = i, ((int32_t *)(void *)target.buf->base)[i] = i * 61;
        pt_head_args a = {.logp = lp, .x = x, .w = w, .row_head = head, .row_target = target, .temperature = 1};
        char what[128];
        double s, flops = 2.0 * (double)(hd * v * c);
        BEST(s, head, &a);
        snprintf(what, sizeof what, "head forward          700 x 49152 x %lld %s", (long long)c, pt_dtype_get(types[k])->name);
        line(what, flops, s);
        a.dx = dx, a.dlogp = f;
        BEST(s, head, &a);
        snprintf(what, sizeof what, "head forward+backward 700 x 49152 x %lld %s", (long long)c, pt_dtype_get(types[k])->name);
        line(what, 2 * flops, s);
        printf("    workspace %.1f MiB\n", (double)ctx.workspace_need / 0x1p20);
        drop(w);
    }
}

static void bench_optim(void)
{
    int64_t n = 16 << 20;
    pt_view p = fresh(PT_F32, 1, n), m = fresh(PT_F32, 1, n), v = fresh(PT_F32, 1, n), g = fresh(PT_F32, 1, n), sc = fresh(PT_F32, 1, 4), acc = fresh(PT_F64, 1, 1);
    float one[4] = {1, 1, 1, 1};
    double s;
    must(ctx.ops->upload(&ctx, sc, one));
    must(ctx.ops->zero(&ctx, v));
    must(ctx.ops->zero(&ctx, acc));
    BEST(s, sumsq, (&(pt_sumsq_args){acc, g}));
    printf("%-58s %8.3f ms %8.1f GB/s\n", "sumsq, 16M floats", s * 1e3, 4.0 * (double)n / s * 1e-9);
    BEST(s, adamw, (&(pt_adamw_args){p, m, v, g, sc, 1e-3f, 0.9f, 0.999f, 1e-8f, 0.01f}));
    printf("%-58s %8.3f ms %8.1f GB/s (7 streams)\n", "adamw, 16M weights", s * 1e3, 28.0 * (double)n / s * 1e-9);
    drop(p), drop(m), drop(v), drop(g);
}

/* Every weight of SmolLM2-135M once, as decoding reads it: 30 layers, then the head. */
static double decode_pass(pt_dtype type, pt_dtype head_type, int64_t n, double *bytes)
{
    static const int64_t shape[7][2] = {{576, 576}, {192, 576}, {192, 576}, {576, 576}, {1536, 576}, {1536, 576}, {576, 1536}};
    static pt_view w[211];
    pt_view x = fresh(PT_F32, n, 1536), y = fresh(PT_F32, n, 49152);
    *bytes = 0;
    for (int i = 0; i < 211; i++) {
        int64_t o = i == 210 ? 49152 : shape[i % 7][0], in = i == 210 ? 576 : shape[i % 7][1];
        w[i] = fresh(i == 210 ? head_type : type, o, in);
        *bytes += (double)w[i].buf->bytes;
    }
    double best = 1e9;
    for (int r = 0; r < 15; r++) {
        double t = now();
        for (int i = 0; i < 211; i++)
            must(ctx.ops->linear(&ctx, &(pt_linear_args){pt_view_cols(y, 0, w[i].rows), pt_view_cols(x, 0, w[i].cols), w[i], PT_NO_VIEW, 0}));
        t = now() - t;
        if (t < best) best = t;
    }
    for (int i = 0; i < 211; i++) drop(w[i]);
    drop(x), drop(y);
    return best;
}

static void bench_decode(void)
{
    static const pt_dtype types[][2] = {{PT_Q4_1, PT_Q8_0}, {PT_Q4_0, PT_Q8_0}, {PT_Q8_0, PT_Q8_0}, {PT_Q5_0, PT_Q8_0}, {PT_Q5_1, PT_Q8_0}, {PT_IQ4_NL, PT_Q8_0},
                                        {PT_F16, PT_F16}, {PT_BF16, PT_BF16}, {PT_F32, PT_F32}};
    static const int64_t rows[] = {1, 2, 4, 8};
    double bytes, s;
    for (size_t k = 0; k < sizeof types / sizeof *types; k++)
        for (int r = 0; r < 4; r++) {
            if (k > 0 && rows[r] != 1 && rows[r] != 8) continue;
            s = decode_pass(types[k][0], types[k][1], rows[r], &bytes);
            printf("all weights of SmolLM2-135M, %s head %s, %lld rows %*s %8.3f ms %8.1f GB/s\n", pt_dtype_get(types[k][0])->name,
                   pt_dtype_get(types[k][1])->name, (long long)rows[r], (int)(14 - strlen(pt_dtype_get(types[k][0])->name)), "", s * 1e3, bytes / s * 1e-9);
        }
    static const pt_dtype kq[] = {PT_Q2_K, PT_Q3_K, PT_Q4_K, PT_Q5_K, PT_Q6_K, PT_IQ4_XS, PT_IQ3_S};
    for (size_t k = 0; k < sizeof kq / sizeof *kq; k++) {
        pt_view w = fresh(kq[k], 32768, 2048), x = fresh(PT_F32, 1, 2048), y = fresh(PT_F32, 1, 32768);
        BEST(s, linear, (&(pt_linear_args){y, x, w, PT_NO_VIEW, 0}));
        printf("one row against 32768 x 2048 %-29s %8.3f ms %8.1f GB/s\n", pt_dtype_get(kq[k])->name, s * 1e3, (double)w.buf->bytes / s * 1e-9);
        drop(w), drop(x), drop(y);
    }
}

/* Attention of one step of 16 answers to a prompt of 1,000 tokens, 32 tokens after it, in all 30 layers of SmolLM2-135M: each with its own keys of the prompt, or all with
 * one copy. */
static void bench_shared(void)
{
    enum { ROWS = 16, PROMPT = 1000, ROOM = 64, AFTER = 32, LAYERS = 30, KV = 192, Q = 576, MOST = PROMPT + ROOM };
    for (int shared = 0; shared < 2; shared++) {
        const int64_t cells = shared ? PROMPT + ROWS * ROOM : ROWS * MOST;
        pt_view k[LAYERS], v[LAYERS], q = fresh(PT_F32, ROWS, Q), o = fresh(PT_F32, ROWS, Q), lens = fresh(PT_I32, 1, ROWS), spans = fresh(PT_I32, ROWS, 4);
        int32_t *len = (int32_t *)(void *)lens.buf->base, *run = (int32_t *)(void *)spans.buf->base;
        for (int i = 0; i < ROWS; i++) {
            const int32_t runs[4] = {shared ? 0 : i * MOST, PROMPT, shared ? PROMPT + i * ROOM : i * MOST + PROMPT, AFTER};
            memcpy(run + 4 * i, runs, sizeof runs);
            len[i] = PROMPT + AFTER;
        }
        for (int l = 0; l < LAYERS; l++) k[l] = fresh(PT_F32, cells, KV), v[l] = fresh(PT_F32, cells, KV);
        ctx.workspace = fresh(PT_U8, 1, 64 << 20);
        double best = 1e9;
        for (int r = 0; r < 5; r++) {
            double t = now();
            for (int l = 0; l < LAYERS; l++)
                must(ctx.ops->decode_attention(&ctx, &(pt_decode_args){.o = o, .q = q, .k = k[l], .v = v[l], .lens = lens, .spans = spans, .max_len = MOST, .n_heads = 9, .n_kv = 3, .dim = 64, .scale = 0.125f}));
            t = now() - t;
            if (t < best) best = t;
        }
        printf("attention of 16 answers behind 1,000 tokens, %-19s %8.3f ms, cache of %.0f MiB\n", shared ? "one copy of them" : "16 copies of them", best * 1e3, 2.0 * LAYERS * (double)cells * KV * 4 / 1048576);
        for (int l = 0; l < LAYERS; l++) drop(k[l]), drop(v[l]);
        drop(q), drop(o), drop(lens), drop(spans), drop(ctx.workspace);
        ctx.workspace = PT_NO_VIEW;
    }
}

static void bench_bandwidth(void)
{
    int64_t n = 64 << 20;
    pt_view x = fresh(PT_F32, 1, n);
    const uint64_t *p = (const uint64_t *)(const void *)x.buf->base;
    double best = 1e9;
    uint64_t sum = 0;
    for (int r = 0; r < 5; r++) {
        double t = now();
#pragma omp parallel for reduction(^ : sum)
        for (int64_t i = 0; i < n / 2; i += 8) sum ^= p[i] ^ p[i + 1] ^ p[i + 2] ^ p[i + 3] ^ p[i + 4] ^ p[i + 5] ^ p[i + 6] ^ p[i + 7];
        t = now() - t;
        if (t < best) best = t;
    }
    printf("read bandwidth, %d threads: %.1f GB/s (%llu)\n", pt_threads_get(), 4.0 * (double)n / best * 1e-9, (unsigned long long)(sum & 1));
    drop(x);
}

int main(int argc, char **argv)
{
    static const struct { const char *name; void (*run)(void); } sections[] = {
        {"linear", bench_linear}, {"lora", bench_lora}, {"head", bench_head}, {"optim", bench_optim}, {"decode", bench_decode}, {"shared", bench_shared}, {"bandwidth", bench_bandwidth}};
    must(pt_ops_cpu.open(&ctx, argc > 2 && !strcmp(argv[2], "bf16") ? PT_COMPUTE_BF16 : PT_COMPUTE_F32));
    measure_peak();
    for (size_t i = 0; i < sizeof sections / sizeof *sections; i++)
        if (argc < 2 || !strcmp(argv[1], "all") || !strcmp(argv[1], sections[i].name)) sections[i].run();
    pt_ops_cpu.close(&ctx);
    return 0;
}

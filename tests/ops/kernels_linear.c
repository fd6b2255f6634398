/* linear, linear_bwd_x, linear_bwd_w: ref against finite differences, cpu (each instruction set, f32 and bf16) against ref. */
#include "tests/ops/op_test.h"

#include "kernels/check_linear.h"
#include "kernels/cpu/gemm_cpu.h"
#include "kernels/ref/ref.h"

/* The naive f32 versions are the reference with every double made a float. */
pt_status naive_linear(pt_ctx *ctx, const pt_linear_args *a);
pt_status naive_linear_bwd_x(pt_ctx *ctx, const pt_linear_bwd_x_args *a);
pt_status naive_linear_bwd_w(pt_ctx *ctx, const pt_linear_bwd_w_args *a);
#define double float
#define pt_ref_linear naive_linear
#define pt_ref_linear_bwd_x naive_linear_bwd_x
#define pt_ref_linear_bwd_w naive_linear_bwd_w
#include "kernels/ref/linear_ref.c"
#undef double
#undef pt_ref_linear
#undef pt_ref_linear_bwd_x
#undef pt_ref_linear_bwd_w


static int setup(void **state)
{
    pt_threads_set(1); /* small products on a busy machine: threads would only wait for each other; one test takes three */
    return ot_begin(state);
}

/* The values of w rounded to bf16, as f32. */
static pt_view rounded(pt_view w)
{
    pt_view f = ot_out(w.rows, w.cols);
    ot_ok(pt_dequant_rows(w.type, ot_at(w), w.rows, w.cols, ot_at(f)));
    for (int64_t i = 0; i < w.rows * w.cols; i++) ot_f32(f, 0)[i] = pt_bf16_to_f32(pt_f32_to_bf16(ot_f32(f, 0)[i]));
    return f;
}
static pt_view rounded_act(pt_view x)
{
    pt_view f = ot_copy_of(x);
    for (int64_t r = 0; r < x.rows; r++)
        for (int64_t c = 0; c < x.cols; c++) ot_f32(f, r)[c] = pt_bf16_to_f32(pt_f32_to_bf16(ot_f32(f, r)[c]));
    return f;
}

/* A handful of sums is a draw: they are judged together, a type at a time. */
static ot_errors few, few_bf16;
static void judge(const char *what, ot_errors *together, pt_view got, pt_view naive, pt_view want)
{
    if (want.rows * want.cols < 64)
        ot_errors_add(together, got, naive, want);
    else
        ot_within(what, got, naive, want);
}
static void judge_few(const char *what, ot_errors *together)
{
    if (together->n > 0) ot_errors_within(what, *together);
    memset(together, 0, sizeof *together);
}

static void forward_case(pt_dtype type, int64_t n, int64_t out, int64_t in, float beta, bool bias, int pad)
{
    pt_view x = ot_rand_ld(n, in, in + pad, 1, 1), w = ot_weight(type, out, in, 2, 1), y0 = ot_rand_ld(n, out, out + pad, 3, 1);
    pt_view b = bias ? ot_weight(pt_dtype_quantised(type) ? PT_F16 : type, 1, out, 4, 1) : PT_NO_VIEW;
    pt_view got = beta == 0 ? ot_new(PT_F32, n, out, out + pad) : ot_copy_of(y0), want = ot_copy_of(y0), naive = ot_copy_of(y0);
    ot_ok(pt_ref_linear(&ot.ref, &(pt_linear_args){want, x, w, b, beta}));
    ot_ok(naive_linear(&ot.ref, &(pt_linear_args){naive, x, w, b, beta}));
    OT_RUN(&ot.cpu, linear, (&(pt_linear_args){got, x, w, b, beta}));
    judge(pt_dtype_get(type)->name, &few, got, naive, want);
    if (ot.half.ops) {
        pt_view low = ot_copy_of(y0);
        got = beta == 0 ? ot_new(PT_F32, n, out, out + pad) : ot_copy_of(y0);
        ot_ok(pt_ref_linear(&ot.ref, &(pt_linear_args){low, rounded_act(x), rounded(w), b, beta}));
        OT_RUN(&ot.half, linear, (&(pt_linear_args){got, x, w, b, beta}));
        judge("bf16", &few_bf16, got, low, want);
    }
    ot_free_all();
}

static void test_forward(void **state)
{
    static const int64_t rows[] = {1, 2, 3, 5, 7, 8, 9, 33, 129}, outs[] = {1, 7, 33, 129};
    for (int i = 0; ot_isa(i); i++) {
        for (int t = 0; t < PT_DTYPE_COUNT; t++) {
            pt_dtype type = (pt_dtype)t;
            if (!pt_dtype_quantised(type) && type > PT_BF16) continue;
            int64_t block = pt_dtype_get(type)->block;
            int64_t ins[3] = {block, block == 1 ? 33 : 3 * block, block == 1 ? 1023 : block == 32 ? 1056 : 1280};
            for (size_t n = 0; n < sizeof rows / sizeof *rows; n++)
                for (size_t k = 0; k < 3; k++)
                    forward_case(type, rows[n], outs[(n + k) % 4], ins[k], (float)((n + k) % 2), (n + k) % 3 == 0,
                                 (int)(k * 5));
            judge_few(pt_dtype_get(type)->name, &few);
            judge_few("bf16", &few_bf16);
        }
    }
    ot_ok(pt_cpu_isa_set(NULL));
}

/* One row against nibbles goes by whole numbers where the processor has byte products (cpu/digits_v.h): NaN and infinity must come out as they would, numbers
 * too small for a factor count as none, and a row of one large number among small ones is as near as f32. */
static void test_digits(void **state)
{
    static const pt_dtype types[] = {PT_Q4_0, PT_Q4_1};
    for (int i = 0; ot_isa(i); i++)
        for (int t = 0; t < 2; t++)
            for (int64_t in = 32; in <= 32 * 13; in += 32 * 3) {
                pt_view x = ot_rand(1, in, 1, 1), w = ot_weight(types[t], 5, in, 2, 1), y = ot_out(1, 5), want = ot_out(1, 5), naive = ot_out(1, 5);
                float *v = ot_f32(x, 0);
                v[3] = 4096;
                for (int64_t k = 8; k < 16; k++) v[k] = 1e-41f * (float)k;
                ot_ok(pt_ref_linear(&ot.ref, &(pt_linear_args){want, x, w, PT_NO_VIEW, 0}));
                ot_ok(naive_linear(&ot.ref, &(pt_linear_args){naive, x, w, PT_NO_VIEW, 0}));
                OT_RUN(&ot.cpu, linear, (&(pt_linear_args){y, x, w, PT_NO_VIEW, 0}));
                judge("digits", &few, y, naive, want);
                for (int64_t k = 0; k < in; k++) v[k] = 1e-40f;
                OT_RUN(&ot.cpu, linear, (&(pt_linear_args){y, x, w, PT_NO_VIEW, 0}));
                for (int o = 0; o < 5; o++) assert_true(fabsf(ot_f32(y, 0)[o]) < 1e-36f);
                v[in - 1] = i % 2 ? NAN : INFINITY;
                OT_RUN(&ot.cpu, linear, (&(pt_linear_args){y, x, w, PT_NO_VIEW, 0}));
                for (int o = 0; o < 5; o++) assert_false(isfinite(ot_f32(y, 0)[o]));
                ot_free_all();
            }
    judge_few("digits", &few);
    ot_ok(pt_cpu_isa_set(NULL));
}

/* What rounding x to whole numbers of 2 bytes, 32 at a time, may change in y[n][o]: five standard deviations; f32's own error beside it. */
static double two_bytes(pt_view x, pt_view w, int64_t n, int64_t o)
{
    pt_view f = ot_out(1, w.cols);
    double variance = 0, own = 0;
    ot_ok(pt_dequant_rows(w.type, (const uint8_t *)ot_at(w) + (size_t)o * pt_view_row_bytes(w), 1, w.cols, ot_at(f)));
    for (int64_t k = 0; k < w.cols; k += 32) {
        double top = 0, sum = 0, squares = 0;
        for (int64_t i = k; i < k + 32; i++) {
            top = fmax(top, fabs((double)ot_f32(x, n)[i]));
            sum += fabs((double)ot_f32(f, 0)[i]);
            squares += (double)ot_f32(f, 0)[i] * (double)ot_f32(f, 0)[i];
        }
        variance += top / (127 << 8) * (top / (127 << 8)) / 12 * squares;
        own += top * sum * 2e-7;
    }
    return 5 * sqrt(variance) + own;
}

/* 9 to 63 rows against quantised weights go as lanes of byte products where the processor has them (cpu/lanes_v.h). */
static void test_lanes(void **state)
{
    static const int64_t rows[] = {9, 16, 17, 40, 63}, outs[] = {1, 15, 16, 18, 35};
    for (int i = 0; ot_isa(i); i++)
        for (int t = 0; t < PT_DTYPE_COUNT; t++) {
            if (!pt_dtype_quantised((pt_dtype)t)) continue;
            const int64_t n = rows[t % 5], out = outs[(t + i) % 5], block = pt_dtype_get((pt_dtype)t)->block, in = block == 32 ? 32 * (t % 2 ? 67 : 3) : 256 * (t % 2 ? 9 : 1);
            forward_case((pt_dtype)t, n, out, in, (float)(t % 2), t % 3 == 0, t % 4);
            pt_view x = ot_rand(n, in, 1, 1), w = ot_weight((pt_dtype)t, out, in, 2, 1), all = ot_out(n, out), some = ot_out(9, out), want = ot_out(n, out), naive = ot_out(n, out);
            ot_f32(x, 2)[5] = 4096; /* one large number among small ones */
            for (int64_t k = 0; k < in; k++) ot_f32(x, 1)[k] = 1e-40f;
            OT_RUN(&ot.cpu, linear, (&(pt_linear_args){all, x, w, PT_NO_VIEW, 0}));
            ot_ok(pt_ref_linear(&ot.ref, &(pt_linear_args){want, x, w, PT_NO_VIEW, 0}));
            ot_ok(naive_linear(&ot.ref, &(pt_linear_args){naive, x, w, PT_NO_VIEW, 0}));
            judge("lanes", &few, all, naive, want);
            for (int64_t o = 0; o < out; o++) assert_true(fabsf(ot_f32(all, 1)[o]) < 1e-36f);
            if (ot.half.ops && !strcmp(pt_cpu_isa(), "avx512vnni") && t != PT_IQ3_S) {
                OT_RUN(&ot.half, linear, (&(pt_linear_args){naive, x, w, PT_NO_VIEW, 0}));
                for (int64_t r = 0; r < n; r++)
                    for (int64_t o = 0; o < out; o++) assert_true(fabs((double)ot_f32(naive, r)[o] - (double)ot_f32(want, r)[o]) <= two_bytes(x, w, r, o) + 1e-30);
            }
            pt_view part = x; /* neither the rows beside a row nor the threads show */
            part.rows = 9;
            pt_threads_set(3);
            OT_RUN(&ot.cpu, linear, (&(pt_linear_args){some, part, w, PT_NO_VIEW, 0}));
            pt_threads_set(1);
            assert_memory_equal(ot_at(some), ot_at(all), (size_t)(9 * out) * 4);
            ot_f32(x, 8)[in - 1] = i % 2 ? NAN : INFINITY;
            OT_RUN(&ot.cpu, linear, (&(pt_linear_args){all, x, w, PT_NO_VIEW, 0}));
            for (int64_t o = 0; o < out; o++) assert_true(!isfinite(ot_f32(all, 8)[o]) && isfinite(ot_f32(all, 7)[o]));
            ot_free_all();
        }
    judge_few("lanes", &few);
    judge_few("bf16", &few_bf16);
    ot_ok(pt_cpu_isa_set(NULL));
}

/* 1 to 8 rows against the second form of a matrix (cpu/packed_v.h), for all numbers of rows and outputs about a strip; without the processor for it there is none. */
static void test_packed(void **state)
{
    static const pt_dtype types[] = {PT_Q4_0, PT_Q4_1, PT_Q8_0, PT_Q5_0, PT_F32};
    static const int64_t outs[] = {1, 15, 16, 17, 40};
    for (int i = 0; ot_isa(i); i++)
        for (int t = 0; t < 5; t++)
            for (int64_t n = 1; n <= 8; n++) {
                const int64_t out = outs[(n + t) % 5], in = 32 * (n % 2 ? 5 : 18);
                const size_t bytes = pt_ops_cpu.packed_bytes(&ot.cpu, PT_FORM_DECODE, (pt_view){.type = types[t], .rows = out, .cols = in, .ld = in});
                assert_int_equal(bytes > 0, t < 3 && !strcmp(pt_cpu_isa(), "avx512vnni"));
                if (!bytes) continue;
                pt_view x = ot_rand_ld(n, in, in + 3, 1, 1), w = ot_weight(types[t], out, in, 2, 1), y = ot_rand_ld(n, out, out + 2, 3, 1), one = ot_out(1, out);
                pt_view want = ot_copy_of(y), naive = ot_copy_of(y), b = ot_weight(PT_F32, 1, out, 4, 1);
                const float beta = (float)(n % 2);
                pt_buf second = {.base = ot_at(w), .bytes = (size_t)out * pt_view_row_bytes(w)};
                void *to = aligned_alloc(64, (bytes + 63) / 64 * 64);
                second.packed = to;
                ot_ok(pt_ops_cpu.pack(&ot.cpu, w, to));
                pt_view stored = w;
                stored.buf = &second;
                stored.off = 0;
                memset(ot_at(w), 0x5a, (size_t)out * pt_view_row_bytes(w)); /* the matrix itself is not looked at */
                OT_RUN(&ot.cpu, linear, (&(pt_linear_args){y, x, stored, b, beta}));
                w = ot_weight(types[t], out, in, 2, 1);
                ot_ok(pt_ref_linear(&ot.ref, &(pt_linear_args){want, x, w, b, beta}));
                ot_ok(naive_linear(&ot.ref, &(pt_linear_args){naive, x, w, b, beta}));
                judge("packed", &few, y, naive, want);
                pt_view first = x, all = ot_out(n, out); /* neither the rows beside a row nor the threads show */
                first.rows = 1;
                pt_threads_set(3);
                OT_RUN(&ot.cpu, linear, (&(pt_linear_args){all, x, stored, PT_NO_VIEW, 0}));
                pt_threads_set(1);
                OT_RUN(&ot.cpu, linear, (&(pt_linear_args){one, first, stored, PT_NO_VIEW, 0}));
                assert_memory_equal(ot_at(one), ot_at(all), (size_t)out * 4);
                second.base = ot_at(w) /* what is no number goes by the matrix */;
                ot_f32(x, n - 1)[7] = n % 2 ? NAN : INFINITY;
                OT_RUN(&ot.cpu, linear, (&(pt_linear_args){all, x, stored, PT_NO_VIEW, 0}));
                for (int64_t o = 0; o < out; o++) assert_true(!isfinite(ot_f32(all, n - 1)[o]) && (n == 1 || isfinite(ot_f32(all, 0)[o])));
                free(to);
                ot_free_all();
            }
    judge_few("packed", &few);
    ot_ok(pt_cpu_isa_set(NULL));
}

/* Many rows of f32 go through strips of w (cpu/product_v.h): widths about whole strips and vectors, depths about whole pieces.
 * How rows and strips are shared out does not show in the bits. */
static void test_strips(void **state)
{
    static const int64_t outs[] = {1, 16, 47, 48, 50, 96, 145}, ins[] = {64, 640, 641, 1300};
    for (int i = 0; ot_isa(i); i++) {
        for (int c = 0; c < 14; c++) {
            int64_t n = 64 + 37 * (c % 4), out = outs[c % 7], in = ins[c % 4];
            forward_case(PT_F32, n, out, in, (float)(c % 2), c % 3 == 0, c % 5);
            for (int t = PT_F16; t < PT_DTYPE_COUNT; t++) /* pieces of whole blocks */
                if ((c + t) % 5 == 0 && (t == PT_F16 || t == PT_BF16 || pt_dtype_quantised((pt_dtype)t))) {
                    int64_t block = pt_dtype_get((pt_dtype)t)->block;
                    int64_t wide = block == 1 ? in : block == 32 ? 32 * (15 + 8 * (c % 4)) : 256 * (1 + 2 * (c % 4));
                    forward_case((pt_dtype)t, n, out, wide, (float)(c % 2), false, c % 5);
                }
            pt_view x = ot_rand(n, in, 1, 1), w = ot_weight(PT_F32, out, in, 2, 1), all = ot_out(n, out),
                    some = ot_out(n, out), y0 = ot_copy_of(some);
            OT_RUN(&ot.cpu, linear, (&(pt_linear_args){all, x, w, PT_NO_VIEW, 0}));
            pt_threads_set(3);
            OT_RUN(&ot.cpu, linear, (&(pt_linear_args){some, x, w, PT_NO_VIEW, 0}));
            assert_true(ot_equal_bits(some, all));
            memcpy(ot_at(some), ot_at(y0), (size_t)(n * out) * 4);
            x.rows = some.rows = n - (n > 64);
            OT_RUN(&ot.cpu, linear, (&(pt_linear_args){some, x, w, PT_NO_VIEW, 0}));
            pt_threads_set(1);
            all.rows = some.rows;
            assert_true(ot_equal_bits(some, all));
            ot_free_all();
        }
    }
    ot_ok(pt_cpu_isa_set(NULL));
}

/* One product beta*c + alpha * a . op(b) over k columns, as LoRA's expansions ask for, against double and naive f32. */
static void short_case(pt_gemm *g, int64_t m, int64_t n, int64_t k, bool turned, float alpha, float beta)
{
    pt_view a = ot_rand_ld(m, k, k + 3, 1, 1), b = turned ? ot_rand_ld(n, k, k + 1, 2, 1) : ot_rand_ld(k, n, n + 2, 2, 1),
            c = ot_rand_ld(m, n, n + 5, 3, 1);
    pt_view want = ot_copy_of(c), naive = ot_copy_of(c);
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++) {
            double sum = 0;
            float low = 0;
            for (int64_t d = 0; d < k; d++) {
                float x = ot_f32(a, i)[d], y = turned ? ot_f32(b, j)[d] : ot_f32(b, d)[j];
                sum += (double)x * y;
                low += x * y;
            }
            ot_f32(want, i)[j] = (float)((double)alpha * sum + (double)beta * ot_f32(c, i)[j]);
            ot_f32(naive, i)[j] = alpha * low + beta * ot_f32(c, i)[j];
        }
    if (beta == 0) c = ot_new(PT_F32, m, n, n + 5);
    ot_ok(pt_gemm_run(g, &(pt_gemm_args){.type = PT_F32,
                                         .tb = turned,
                                         .m = m,
                                         .n = n,
                                         .k = k,
                                         .alpha = alpha,
                                         .a = ot_at(a),
                                         .lda = a.ld,
                                         .b = ot_at(b),
                                         .ldb = b.ld,
                                         .beta = beta,
                                         .c = ot_at(c),
                                         .ldc = c.ld}));
    ot_within("few k", c, naive, want);
    ot_free_all();
}

static void test_few_k(void **state)
{
    static const int64_t ks[] = {1, 5, 16, 33, 48, 64}, ns[] = {1, 47, 100, 1000, 2000};
    pt_gemm *g;
    ot_ok(pt_gemm_new(&g));
    pt_threads_set(2);
    for (int i = 0; ot_isa(i); i++) {
        for (int c = 0; c < 30; c++)
            short_case(g, c % 4 ? 64 + 5 * c : 70, ns[c % 5], ks[c % 6], c / 2 % 2, 0.75f, (float)(c % 2));
    }
    pt_threads_set(1);
    ot_ok(pt_cpu_isa_set(NULL));
    pt_gemm_free(g);
}

static void bwd_x_case(pt_dtype type, int64_t n, int64_t out, int64_t in, float beta, int pad)
{
    pt_view dy = ot_rand_ld(n, out, out + pad, 1, 1), w = ot_weight(type, out, in, 2, 1),
            x0 = ot_rand_ld(n, in, in + pad, 3, 1);
    pt_view got = beta == 0 ? ot_new(PT_F32, n, in, in + pad) : ot_copy_of(x0), want = ot_copy_of(x0), naive = ot_copy_of(x0);
    ot_ok(pt_ref_linear_bwd_x(&ot.ref, &(pt_linear_bwd_x_args){want, dy, w, beta}));
    ot_ok(naive_linear_bwd_x(&ot.ref, &(pt_linear_bwd_x_args){naive, dy, w, beta}));
    OT_RUN(&ot.cpu, linear_bwd_x, (&(pt_linear_bwd_x_args){got, dy, w, beta}));
    ot_within(pt_dtype_get(type)->name, got, naive, want);
    if (ot.half.ops) {
        pt_view low = ot_copy_of(x0);
        got = beta == 0 ? ot_new(PT_F32, n, in, in + pad) : ot_copy_of(x0);
        ot_ok(pt_ref_linear_bwd_x(&ot.ref, &(pt_linear_bwd_x_args){low, rounded_act(dy), rounded(w), beta}));
        OT_RUN(&ot.half, linear_bwd_x, (&(pt_linear_bwd_x_args){got, dy, w, beta}));
        ot_within("bf16", got, low, want);
    }
    ot_free_all();
}

static void bwd_w_case(int64_t n, int64_t out, int64_t in, int pad)
{
    pt_view dy = ot_rand_ld(n, out, out + pad, 1, 1), x = ot_rand_ld(n, in, in + pad, 2, 1);
    pt_view w0 = ot_rand(out, in, 3, 1), b0 = ot_rand(1, out, 4, 1), dw[4], db[4];
    for (int i = 0; i < 4; i++) dw[i] = ot_copy_of(w0), db[i] = ot_copy_of(b0);
    ot_ok(pt_ref_linear_bwd_w(&ot.ref, &(pt_linear_bwd_w_args){dw[0], db[0], dy, x}));
    ot_ok(naive_linear_bwd_w(&ot.ref, &(pt_linear_bwd_w_args){dw[1], db[1], dy, x}));
    OT_RUN(&ot.cpu, linear_bwd_w, (&(pt_linear_bwd_w_args){dw[2], db[2], dy, x}));
    ot_within("dw", dw[2], dw[1], dw[0]);
    ot_within("db", db[2], db[1], db[0]);
    if (ot.half.ops) {
        OT_RUN(&ot.half, linear_bwd_w, (&(pt_linear_bwd_w_args){dw[3], PT_NO_VIEW, dy, x}));
        ot_ok(pt_ref_linear_bwd_w(&ot.ref, &(pt_linear_bwd_w_args){w0, PT_NO_VIEW, rounded_act(dy), rounded_act(x)}));
        ot_within("bf16 dw", dw[3], w0, dw[0]);
        assert_true(ot_equal_bits(db[3], b0)); /* db absent: untouched */
    }
    ot_free_all();
}

static void test_backward(void **state)
{
    static const int64_t rows[] = {1, 7, 8, 9, 65, 129}, outs[] = {1, 33, 129};
    for (int t = 0; t < PT_DTYPE_COUNT; t++) {
        pt_dtype type = (pt_dtype)t;
        if (!pt_dtype_quantised(type) && type > PT_BF16) continue;
        int64_t block = pt_dtype_get(type)->block;
        for (size_t n = 0; n < 6; n++)
            bwd_x_case(type, rows[n], outs[n % 3], block == 1 ? 33 + (int64_t)n : block * (1 + (int64_t)n % 3), (float)(n % 2),
                       (int)n);
    }
    for (size_t n = 0; n < 6; n++) bwd_w_case(rows[n], outs[n % 3], 7 + 33 * (int64_t)n, (int)n);
}

/* More rows of w than one scratch block holds: several products accumulate. */
static void test_many_blocks(void **state)
{
    int64_t in = 40000, out = 200;
    pt_threads_set(3);
    forward_case(PT_Q8_0, 9, out, in, 0, true, 3);
    bwd_x_case(PT_Q8_0, 9, out, in, 0, 3);
    bwd_x_case(PT_BF16, 9, out, in, 1, 0);
    forward_case(PT_Q4_1, 3, out, 1024, 1, true, 1);
    pt_threads_set(1);
}

/* y is linear in each argument, so differences are exact but for rounding: sum(c*y) by x against bwd_x, by w against bwd_w. */
static void test_differences(void **state)
{
    int64_t n = 3, out = 5, in = 4;
    pt_view x = ot_rand(n, in, 1, 1), w = ot_rand(out, in, 2, 1), b = ot_rand(1, out, 3, 1), c = ot_rand(n, out, 4, 1),
            y = ot_out(n, out);
    pt_view dx = ot_out(n, in), dw = ot_rand(out, in, 0, 0), db = ot_rand(1, out, 0, 0);
    ot_ok(pt_ref_linear_bwd_x(&ot.ref, &(pt_linear_bwd_x_args){dx, c, w, 0}));
    ot_ok(pt_ref_linear_bwd_w(&ot.ref, &(pt_linear_bwd_w_args){dw, db, c, x}));
    pt_view args[3] = {x, w, b}, grads[3] = {dx, dw, db};
    for (int k = 0; k < 3; k++)
        for (int64_t i = 0; i < args[k].rows * args[k].cols; i++) {
            double sum[2] = {0, 0};
            float *p = ot_f32(args[k], 0) + i, keep = *p;
            for (int side = 0; side < 2; side++) {
                *p = keep + (side ? 0.5f : -0.5f);
                ot_ok(pt_ref_linear(&ot.ref, &(pt_linear_args){y, x, w, b, 0}));
                for (int64_t j = 0; j < n * out; j++) sum[side] += (double)ot_f32(c, 0)[j] * ot_f32(y, 0)[j];
            }
            *p = keep;
            assert_true(fabs(sum[1] - sum[0] - ot_f32(grads[k], 0)[i]) < 1e-5);
        }
    ot_free_all();
}

static void test_dry_run(void **state)
{
    static const pt_dtype types[] = {PT_F32, PT_BF16, PT_Q4_1};
    pt_ctx *ctx[2] = {&ot.cpu, &ot.half};
    pt_buf none = {0};
    for (int c = 0; c < (ot.half.ops ? 2 : 1); c++)
        for (int t = 0; t < 3; t++) {
            size_t last = 0;
            for (int64_t n = 0; n < 200; n += 3) {
                pt_view x = {&none, 0, PT_F32, n, 64, 64}, y = {&none, 0, PT_F32, n, 96, 96},
                        w = {&none, 0, types[t], 96, 64, 64};
                size_t need = ot_need(ctx[c], linear, (&(pt_linear_args){y, x, w, PT_NO_VIEW, 0}));
                assert_true(need >= last);
                last = need;
            }
            for (int64_t o = 32; o < 90000; o = o * 3 / 2) { /* past the size of one scratch */
                pt_view x = {&none, 0, PT_F32, 64, 1024, 1024}, y = {&none, 0, PT_F32, 64, o, o},
                        w = {&none, 0, types[t], o, 1024, 1024};
                size_t need = ot_need(ctx[c], linear, (&(pt_linear_args){y, x, w, PT_NO_VIEW, 0}));
                if (o > 32) assert_true(need >= last);
                last = need;
            }
        }
}

static void test_refusals(void **state)
{
    pt_view x = ot_rand(3, 8, 1, 1), w = ot_rand(5, 8, 2, 1), y = ot_out(3, 5), bad = ot_out(3, 6),
            key = ot_new(PT_U64, 5, 8, 8);
    const pt_ops *all[] = {&pt_ops_ref, &pt_ops_cpu};
    for (int i = 0; i < 2; i++) {
        pt_ctx *ctx = i ? &ot.cpu : &ot.ref;
        assert_int_equal(all[i]->linear(ctx, &(pt_linear_args){bad, x, w, PT_NO_VIEW, 0}), PT_ESHAPE);
        assert_int_equal(all[i]->linear(ctx, &(pt_linear_args){y, x, key, PT_NO_VIEW, 0}), PT_ENOSUP);
        assert_int_equal(all[i]->linear(ctx, &(pt_linear_args){y, x, w, PT_NO_VIEW, 0.5f}), PT_EARG);
        assert_int_equal(all[i]->linear(ctx, &(pt_linear_args){PT_NO_VIEW, x, w, PT_NO_VIEW, 0}), PT_ESHAPE);
        pt_view longer = w;
        longer.rows = 5000; /* past the end of its buffer */
        pt_view wide = ot_out(3, 5000);
        assert_int_equal(all[i]->linear(ctx, &(pt_linear_args){wide, x, longer, PT_NO_VIEW, 0}), PT_ESHAPE);
        ot_ok(all[i]->linear(ctx, &(pt_linear_args){pt_view_rows(y, 0, 0), pt_view_rows(x, 0, 0), w, PT_NO_VIEW, 0}));
        assert_true(isnan(ot_f32(y, 0)[0]));
    }
    pt_view q = ot_weight(PT_Q8_0, 64, 64, 1, 1), big = ot_rand(16, 64, 2, 1), out = ot_out(16, 64);
    ot.cpu.workspace = PT_NO_VIEW; /* too small a workspace is refused, not overrun */
    assert_int_equal(pt_ops_cpu.linear(&ot.cpu, &(pt_linear_args){out, big, q, PT_NO_VIEW, 0}), PT_ESTATE);
    ot_free_all();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forward),     cmocka_unit_test(test_digits),      cmocka_unit_test(test_strips), cmocka_unit_test(test_lanes), cmocka_unit_test(test_packed),
        cmocka_unit_test(test_few_k),       cmocka_unit_test(test_backward),    cmocka_unit_test(test_many_blocks),
        cmocka_unit_test(test_differences), cmocka_unit_test(test_dry_run),     cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, setup, ot_end);
}

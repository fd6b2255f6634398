/* Shared by the tests of linear, LoRA, head, optimiser and reductions: tensors between guard bytes, contexts whose workspace is exactly what
 * the dry run asked for, and comparison of cpu with ref within twice the error of a naive f32 version. */
#ifndef PT_TESTS_KERNEL_TEST_H
#define PT_TESTS_KERNEL_TEST_H
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/quant.h"
#include "base/rng.h"
#include "kernels/ops.h"

enum { KT_GUARD = 128, KT_MAX = 512 };
typedef struct kt_tensor {
    pt_buf buf; /* the view starts KT_GUARD bytes into it */
    size_t bytes;
} kt_tensor;
static kt_tensor kt_all[KT_MAX];
static int kt_count;

static inline void kt_ok(pt_status s)
{
    if (s != PT_OK) fail_msg("%s: %s", pt_status_name(s), pt_err_msg());
}

/* A view of poison (every f32 is NaN), guarded on both sides; the gap between cols and ld is guarded too. */
static inline pt_view kt_new(pt_dtype type, int64_t rows, int64_t cols, int64_t ld)
{
    assert_true(kt_count < KT_MAX);
    kt_tensor *t = &kt_all[kt_count++];
    pt_view v = {.buf = &t->buf, .off = KT_GUARD, .type = type, .rows = rows, .cols = cols, .ld = ld};
    t->bytes = (size_t)rows * pt_view_row_bytes(v);
    t->buf.bytes = t->bytes + 2 * KT_GUARD;
    t->buf.base = aligned_alloc(64, pt_align_up(t->buf.bytes, 64));
    assert_non_null(t->buf.base);
    memset(t->buf.base, 0xff, t->buf.bytes);
    return v;
}
static inline pt_view kt_poison(int64_t rows, int64_t cols) { return kt_new(PT_F32, rows, cols, cols); }
static inline void *kt_at(pt_view v) { return v.buf->base + v.off; }
static inline float *kt_row(pt_view v, int64_t r) { return (float *)kt_at(v) + r * v.ld; }

/* Roughly normal numbers (sum of uniforms), the same for the same seed. */
static inline float kt_number(uint64_t seed, int64_t i)
{
    pt_rng4 w = pt_rng_words(seed, PT_RNG_TEST, (uint64_t)i, 0);
    return 1.7f * (pt_rng_unit(w.v[0]) + pt_rng_unit(w.v[1]) + pt_rng_unit(w.v[2]) - 1.5f);
}
static inline pt_view kt_rand_ld(int64_t rows, int64_t cols, int64_t ld, uint64_t seed, float scale)
{
    pt_view v = kt_new(PT_F32, rows, cols, ld);
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < cols; c++) kt_row(v, r)[c] = scale * kt_number(seed, r * cols + c);
    return v;
}
static inline pt_view kt_rand(int64_t rows, int64_t cols, uint64_t seed, float scale) { return kt_rand_ld(rows, cols, cols, seed, scale); }
static inline pt_view kt_copy(pt_view v)
{
    pt_view c = kt_new(v.type, v.rows, v.cols, v.ld);
    memcpy(kt_at(c), kt_at(v), (size_t)v.rows * pt_view_row_bytes(v));
    return c;
}
static inline pt_view kt_i32(const int32_t *x, int64_t n)
{
    pt_view v = kt_new(PT_I32, 1, n, n);
    if (n) memcpy(kt_at(v), x, (size_t)n * 4);
    return v;
}

/* A weight of any stored type: quantised from numbers where base/quant.h can, else random blocks with small scales. */
static inline pt_view kt_weight(pt_dtype type, int64_t rows, int64_t cols, uint64_t seed, float scale)
{
    pt_view v = kt_new(type, rows, cols, cols), f = kt_rand(rows, cols, seed, scale);
    if (pt_quant_writable(type)) {
        kt_ok(pt_quant_rows(type, kt_at(f), rows, cols, kt_at(v)));
        return v;
    }
    static const int scale_at[PT_DTYPE_COUNT][2] = {[PT_Q2_K] = {80, 82}, [PT_Q3_K] = {108, 108}, [PT_Q4_K] = {0, 2}, [PT_Q5_K] = {0, 2},
                                                    [PT_Q6_K] = {208, 208}, [PT_IQ4_NL] = {0, 0}};
    const pt_dtype_info *d = pt_dtype_get(type);
    uint8_t *b = kt_at(v);
    for (size_t i = 0; i < (size_t)rows * pt_view_row_bytes(v); i++) b[i] = (uint8_t)pt_rng_words(seed, PT_RNG_TEST, i, 9).v[0];
    for (int64_t k = 0; k < rows * cols / d->block; k++)
        for (int j = 0; j < 2; j++) {
            uint16_t h = pt_f32_to_f16(scale * 0.01f * (1 + fabsf(kt_number(seed + 1, 2 * k + j))));
            memcpy(b + (size_t)k * d->bytes + scale_at[type][j], &h, 2);
        }
    return v;
}

/* Every guard byte and every gap still holds 0xff. Then all tensors are freed. */
static inline void kt_done(void)
{
    for (int i = 0; i < kt_count; i++) {
        kt_tensor *t = &kt_all[i];
        for (size_t b = 0; b < KT_GUARD; b++) {
            assert_int_equal(t->buf.base[b], 0xff);
            assert_int_equal(t->buf.base[KT_GUARD + t->bytes + b], 0xff);
        }
        free(t->buf.base);
    }
    kt_count = 0;
}
static inline void kt_gaps(pt_view v)
{
    for (int64_t r = 0; r < v.rows; r++)
        for (int64_t c = v.cols; c < v.ld; c++) {
            uint32_t u;
            memcpy(&u, kt_row(v, r) + c, 4);
            assert_int_equal(u, 0xffffffffu);
        }
}

/* ||a - b||F / ||b||F; not finite a = infinity. */
static inline double kt_error(pt_view a, pt_view b)
{
    double d = 0, s = 0;
    assert_true(a.rows == b.rows && a.cols == b.cols);
    for (int64_t r = 0; r < a.rows; r++)
        for (int64_t c = 0; c < a.cols; c++) {
            double x = kt_row(a, r)[c], y = kt_row(b, r)[c];
            d += (x - y) * (x - y);
            s += y * y;
        }
    if (!isfinite(d)) return INFINITY;
    return sqrt(d) / (sqrt(s) + 1e-30);
}
/* got within 2x the naive version's distance from ref; half an f32 ulp of rounding is always allowed. */
#define kt_within(what, got, naive, ref)                                                                          \
    do {                                                                                                          \
        double e_ = kt_error(got, ref), n_ = kt_error(naive, ref), lim_ = 2 * n_ + 6e-8;                          \
        if (!(e_ <= lim_)) fail_msg("%s: error %.3g, naive %.3g (%s:%d)", what, e_, n_, __FILE__, __LINE__);      \
    } while (0)
/* The same over several matrices: the naive error of a handful of sums is itself a draw, and may be 3x smaller by luck. Each counts by its entries. */
typedef struct kt_errors {
    double got, naive, n;
} kt_errors;
static inline void kt_errors_add(kt_errors *e, pt_view got, pt_view naive, pt_view ref)
{
    double n = (double)ref.rows * (double)ref.cols, g = kt_error(got, ref), v = kt_error(naive, ref);
    e->got += n * g * g;
    e->naive += n * v * v;
    e->n += n;
}
#define kt_errors_within(what, e)                                                                                 \
    do {                                                                                                          \
        double e_ = sqrt((e).got / (e).n), n_ = sqrt((e).naive / (e).n), lim_ = 2 * n_ + 6e-8;                    \
        if (!(e_ <= lim_)) fail_msg("%s: error %.3g, naive %.3g (%s:%d)", what, e_, n_, __FILE__, __LINE__);      \
    } while (0)
static inline void kt_same_bits(pt_view a, pt_view b)
{
    for (int64_t r = 0; r < a.rows; r++) assert_memory_equal(kt_row(a, r), kt_row(b, r), (size_t)a.cols * 4);
}

static inline pt_ctx kt_open(const pt_ops *ops, pt_compute compute)
{
    pt_ctx ctx = {0};
    kt_ok(ops->open(&ctx, compute));
    return ctx;
}
/* Dry run, then the real call with a workspace of exactly the need, guarded. Leaves the need in ctx->workspace_need. */
#define kt_run(ctx, op, args)                                                        \
    do {                                                                             \
        (ctx)->workspace_need = 0;                                                   \
        (ctx)->dry = true;                                                           \
        kt_ok((ctx)->ops->op((ctx), (args)));                                        \
        (ctx)->dry = false;                                                          \
        int64_t need_ = (int64_t)(ctx)->workspace_need;                              \
        (ctx)->workspace = kt_new(PT_U8, 1, need_, need_);                           \
        kt_ok((ctx)->ops->op((ctx), (args)));                                        \
    } while (0)
#define kt_dry(ctx, op, args) ((ctx)->workspace_need = 0, (ctx)->dry = true, kt_ok((ctx)->ops->op((ctx), (args))), (ctx)->dry = false, (ctx)->workspace_need)
#endif

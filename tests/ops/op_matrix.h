/* Matrices of the op tests: guard bytes around them and between their rows, poison (NaN) until something is written, made inputs, and the one
 * rule of comparison. C and C++. A matrix is its view on the host; op_modes.h gives the same on the backend under test.
 *
 *     pt_view x = ot_rand(n, c, 1, 1), y = ot_out(n, c);
 *     ...
 *     ot_within("y", y, y_naive, y_ref);
 *     ot_free_all();                                    // whole guards, then no more matrices
 */
#ifndef PT_OP_MATRIX_H
#define PT_OP_MATRIX_H
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif
#include <cmocka.h>

#include "base/mem.h"
#include "base/quant.h"
#include "base/rng.h"
#include "base/threads.h"
#include "kernels/cpu/isa.h"
#include "kernels/ops.h"
#ifdef __cplusplus
}
#endif

enum { OT_GUARD = 64, OT_MOST = 4096, OT_GUARD_BYTE = 0xA5 };

typedef struct ot_matrix {
    pt_buf buf; /* first: a view finds its matrix by it; ends before the guard, so that no view reaches into it */
    pt_view view;
    pt_dtype type;                 /* on the backend under test: f16 and bf16 activations are f32 on the host */
    pt_buf owned, twin;            /* the backend's memory (op_modes.h); twin ends before the guard */
    unsigned char *image, *result; /* its bytes before the op, and after the first pass; guards included. NULL: no twin yet */
    size_t bytes;                  /* of each */
} ot_matrix;
static ot_matrix ot_all[OT_MOST];
static int ot_count;
static void (*ot_release)(ot_matrix *m); /* op_modes.h: frees the twin */

static inline void ot_ok(pt_status s)
{
    if (s != PT_OK) fail_msg("%s: %s", pt_status_name(s), pt_err_msg());
}
static inline pt_view ot_none(void)
{
    pt_view v;
    memset(&v, 0, sizeof v);
    return v;
}
static inline ot_matrix *ot_of(pt_view v)
{
    return &ot_all[(const ot_matrix *)(const void *)v.buf - ot_all];
}
static inline size_t ot_row_bytes(pt_dtype type, int64_t cols)
{
    size_t bytes = 0;
    assert_int_equal(pt_dtype_row_bytes(type, (size_t)cols, &bytes), PT_OK);
    return bytes;
}

/* ---- elements on the host ---- */
static inline unsigned char *ot_row(pt_view v, int64_t r)
{
    return v.buf->base + v.off + (size_t)r * pt_view_row_bytes(v);
}
static inline void *ot_at(pt_view v)
{
    return ot_row(v, 0);
}
static inline float *ot_f32(pt_view v, int64_t r)
{
    return (float *)(void *)ot_row(v, r);
}
static inline int32_t *ot_i32(pt_view v)
{
    return (int32_t *)ot_at(v);
}

/* ---- making them ---- */
/* The elements (not the guards) become NaNs of a known pattern. */
static inline void ot_poison(pt_view v)
{
    for (int64_t r = 0; r < v.rows; r++) memset(ot_row(v, r), 0xff, ot_row_bytes(v.type, v.cols));
}
static inline pt_view ot_new(pt_dtype type, int64_t rows, int64_t cols, int64_t ld)
{
    assert_true(ot_count < OT_MOST);
    ot_matrix *m = &ot_all[ot_count++];
    size_t bytes = 2 * OT_GUARD + ot_row_bytes(type, ld) * (size_t)(rows > 0 ? rows : 1);
    memset(m, 0, sizeof *m);
    m->buf.base = (unsigned char *)aligned_alloc(64, (bytes + 63) / 64 * 64);
    assert_non_null(m->buf.base);
    m->buf.bytes = bytes - OT_GUARD;
    memset(m->buf.base, OT_GUARD_BYTE, bytes);
    m->view.buf = &m->buf, m->view.off = OT_GUARD, m->view.type = m->type = type;
    m->view.rows = rows, m->view.cols = cols, m->view.ld = ld;
    ot_poison(m->view);
    return m->view;
}
/* A dense f32 matrix to be written. */
static inline pt_view ot_out(int64_t rows, int64_t cols)
{
    return ot_new(PT_F32, rows, cols, cols);
}
/* Another of the same shape. */
static inline pt_view ot_like(pt_view v)
{
    pt_view w = ot_new(v.type, v.rows, v.cols, v.ld);
    ot_of(w)->type = ot_of(v)->type;
    return w;
}
static inline void ot_copy(pt_view to, pt_view from)
{
    assert_true(to.rows == from.rows && to.cols == from.cols && to.type == from.type);
    for (int64_t r = 0; r < to.rows; r++) memcpy(ot_row(to, r), ot_row(from, r), ot_row_bytes(to.type, to.cols));
}
static inline pt_view ot_copy_of(pt_view v)
{
    pt_view w = ot_like(v);
    ot_copy(w, v);
    return w;
}

/* Roughly normal numbers (sum of four uniforms), the same for the same seed. */
static inline float ot_random(uint64_t seed, uint64_t at)
{
    pt_rng4 w = pt_rng_words(seed, PT_RNG_TEST, at, 0);
    return (pt_rng_unit(w.v[0]) + pt_rng_unit(w.v[1]) + pt_rng_unit(w.v[2]) + pt_rng_unit(w.v[3]) - 2) * 1.7320508f;
}
static inline void ot_fill(pt_view v, uint64_t seed, float scale)
{
    assert_int_equal(v.type, PT_F32);
    for (int64_t r = 0; r < v.rows; r++)
        for (int64_t c = 0; c < v.cols; c++) ot_f32(v, r)[c] = scale * ot_random(seed, (uint64_t)(r * v.cols + c));
}
static inline pt_view ot_rand_ld(int64_t rows, int64_t cols, int64_t ld, uint64_t seed, float scale)
{
    pt_view v = ot_new(PT_F32, rows, cols, ld);
    ot_fill(v, seed, scale);
    return v;
}
static inline pt_view ot_rand(int64_t rows, int64_t cols, uint64_t seed, float scale)
{
    return ot_rand_ld(rows, cols, cols, seed, scale);
}
static inline pt_view ot_list(const int32_t *x, int64_t n)
{
    pt_view v = ot_new(PT_I32, 1, n, n);
    if (n) memcpy(ot_at(v), x, (size_t)n * 4);
    return v;
}
/* n numbers in [0, limit). */
static inline pt_view ot_ids(int64_t n, int64_t limit, uint64_t seed)
{
    pt_view v = ot_new(PT_I32, 1, n, n);
    for (int64_t i = 0; i < n; i++)
        ot_i32(v)[i] = (int32_t)(pt_rng_words(seed, PT_RNG_TEST, (uint64_t)i, 1).v[0] % (uint64_t)limit);
    return v;
}
/* Blocks of the types with scales of few bits: random bits, so that every level occurs, and scales small enough for elements about `scale` large. */
static inline void ot_block_row(pt_dtype type, unsigned char *to, int64_t cols, int64_t row, uint64_t seed, float scale)
{
    static const struct {
        pt_dtype type;
        int at[2]; /* of the block's f16 scales */
    } halves[] = {{PT_Q2_K, {80, 82}}, {PT_Q3_K, {108, -1}}, {PT_Q4_K, {0, 2}}, {PT_Q5_K, {0, 2}}, {PT_Q6_K, {208, -1}}, {PT_IQ4_NL, {0, -1}},
                 {PT_IQ4_XS, {0, -1}}, {PT_IQ3_S, {0, -1}}};
    size_t bytes = ot_row_bytes(type, cols), block = pt_dtype_get(type)->bytes;
    for (size_t i = 0; i < bytes; i++) to[i] = (unsigned char)pt_rng_words(seed, PT_RNG_TEST, (uint64_t)row * bytes + i, 2).v[0];
    for (size_t h = 0; h < sizeof halves / sizeof *halves; h++)
        for (int k = 0; k < 2 && halves[h].type == type; k++)
            for (size_t b = 0; halves[h].at[k] >= 0 && b < bytes; b += block) {
                uint16_t f = pt_f32_to_f16(scale * (0.002f + 0.001f * ot_random(seed + 1, (uint64_t)row * bytes + b)));
                memcpy(to + b + halves[h].at[k], &f, 2);
            }
}
/* Weights of any stored type, the same bytes on every backend. */
static inline pt_view ot_weight(pt_dtype type, int64_t rows, int64_t cols, uint64_t seed, float scale)
{
    pt_view v = ot_new(type, rows, cols, cols);
    float *row = (float *)malloc((size_t)cols * 4 + 4);
    assert_non_null(row);
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t c = 0; c < cols; c++) row[c] = scale * ot_random(seed, (uint64_t)(r * cols + c));
        if (type < PT_Q2_K)
            ot_ok(pt_quant_rows(type, row, 1, cols, ot_row(v, r)));
        else
            ot_block_row(type, ot_row(v, r), cols, r, seed, scale);
    }
    free(row);
    return v;
}
static inline float ot_round(pt_dtype t, float f)
{
    return t == PT_BF16 ? pt_bf16_to_f32(pt_f32_to_bf16(f)) : t == PT_F16 ? pt_f16_to_f32(pt_f32_to_f16(f)) : f;
}

/* ---- guards ---- */
static inline bool ot_guarded(const unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] != OT_GUARD_BYTE) return false;
    return true;
}
/* The bytes of a matrix of `bytes` with its guards: before it, behind it, between its rows. */
static inline bool ot_bytes_guarded(const unsigned char *p, size_t bytes, pt_dtype type, pt_view v)
{
    size_t row = ot_row_bytes(type, v.ld), used = ot_row_bytes(type, v.cols);
    if (!ot_guarded(p, OT_GUARD) || !ot_guarded(p + bytes - OT_GUARD, OT_GUARD)) return false;
    for (int64_t r = 0; row > used && r < v.rows; r++)
        if (!ot_guarded(p + OT_GUARD + (size_t)r * row + used, row - used)) return false;
    return true;
}
static inline bool ot_guards_ok(void)
{
    for (int i = 0; i < ot_count; i++) {
        const ot_matrix *m = &ot_all[i];
        if (!ot_bytes_guarded(m->buf.base, m->buf.bytes + OT_GUARD, m->view.type, m->view)) return false;
    }
    return true;
}
/* The last n of them. */
static inline void ot_free_last(int n)
{
    for (; n > 0; n--) {
        ot_matrix *m = &ot_all[--ot_count];
        if (m->image) ot_release(m);
        free(m->buf.base), free(m->image), free(m->result);
        m->image = NULL;
    }
}
static inline void ot_free_all(void)
{
    bool ok = ot_guards_ok();
    ot_free_last(ot_count);
    if (!ok) fail_msg("something wrote past a matrix");
}

/* ---- comparison ---- */
static inline bool ot_equal_bits(pt_view a, pt_view b)
{
    assert_true(a.rows == b.rows && a.cols == b.cols && a.type == b.type);
    for (int64_t r = 0; r < a.rows; r++)
        if (memcmp(ot_row(a, r), ot_row(b, r), ot_row_bytes(a.type, a.cols))) return false;
    return true;
}
/* ||a - b||_F / ||b||_F; a NaN or an infinity anywhere in a gives infinity. */
static inline double ot_error(pt_view a, pt_view b)
{
    double diff = 0, norm = 0;
    assert_true(a.rows == b.rows && a.cols == b.cols && a.type == PT_F32 && b.type == PT_F32);
    for (int64_t r = 0; r < a.rows; r++)
        for (int64_t c = 0; c < a.cols; c++) {
            double x = ot_f32(a, r)[c], y = ot_f32(b, r)[c];
            if (!isfinite(x)) return INFINITY;
            diff += (x - y) * (x - y);
            norm += y * y;
        }
    return norm > 0 ? sqrt(diff / norm) : sqrt(diff);
}
/* Largest |a - b|. */
static inline double ot_worst(pt_view a, pt_view b)
{
    double worst = 0;
    for (int64_t r = 0; r < a.rows; r++)
        for (int64_t c = 0; c < a.cols; c++) {
            double d = fabs((double)ot_f32(a, r)[c] - ot_f32(b, r)[c]);
            if (!(d <= worst)) worst = isnan(d) ? INFINITY : d;
        }
    return worst;
}
/* The rule: at most twice the error of a naive version of the same precision (operands and results rounded to the type, sums in f32), both
 * against ref. `floor` is the result's own rounding, where the naive version happens to be exact. NaN fails. */
#define OT_FLOOR 6e-8       /* half a unit in the last place of f32 */
#define OT_FLOOR_FEW 2.4e-7 /* two units: a handful of elements, which it may hit all exactly */
#define ot_twice(what, error, naive, floor)                                                                                    \
    do {                                                                                                                       \
        double e_ = (error), n_ = (naive), most_ = 2 * n_ + (floor);                                                           \
        if (!(e_ <= most_))                                                                                                    \
            fail_msg("%s: error %.3g, of a naive version %.3g, at most %.3g (%s, %s:%d)", what, e_, n_, most_, pt_cpu_isa(), __FILE__, __LINE__); \
    } while (0)
#define ot_within(what, got, naive, ref) ot_twice(what, ot_error(got, ref), ot_error(naive, ref), OT_FLOOR)

/* The same over several matrices: the naive error of a handful of sums is itself a draw, and may be 3x smaller by luck. Each counts by its entries. */
typedef struct ot_errors {
    double got, naive, n;
} ot_errors;
static inline void ot_errors_add(ot_errors *e, pt_view got, pt_view naive, pt_view ref)
{
    double n = (double)ref.rows * (double)ref.cols, g = ot_error(got, ref), v = ot_error(naive, ref);
    e->got += n * g * g;
    e->naive += n * v * v;
    e->n += n;
}
#define ot_errors_within(what, e) ot_twice(what, sqrt((e).got / (e).n), sqrt((e).naive / (e).n), OT_FLOOR)
#endif

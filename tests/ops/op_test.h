/* Harness of the op tests: matrices with guard bytes around them and between their rows, poisoned outputs, a workspace of
 * exactly the bytes that the dry run asked for (guarded, poisoned), error measures.
 *
 *     static int begin(void **state) { return ot_begin(); }        // opens ot.ref and ot.cpu
 *     ot_mat x = ot_new(PT_F32, n, c, c + 3);  ot_fill(&x, 1, 1.0f);
 *     ot_mat y = ot_new(PT_F32, n, c, c);                          // poisoned: NaN everywhere
 *     OT_RUN(&ot.cpu, rmsnorm, &args);                             // dry run, then the call; guards of all matrices checked
 *     assert_true(ot_error(&y, &y_ref) <= 2 * ot_error(&y_naive, &y_ref) + 1e-7);
 *     ot_free_all();
 */
#ifndef PT_OP_TEST_H
#define PT_OP_TEST_H
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "base/threads.h"
#include "kernels/ops.h"

enum { OT_GUARD = 64, OT_MOST = 4096 };
#define OT_GUARD_BYTE 0xA5

typedef struct ot_mat {
    pt_view v;
    pt_buf *buf;
} ot_mat;

static struct {
    pt_ctx ref, cpu;
    pt_buf *bufs[OT_MOST];
    pt_view views[OT_MOST];
    int count;
    unsigned char *workspace; /* guards on both sides */
    pt_buf workspace_buf;
} ot;

static inline int ot_begin(void)
{
    ot.ref.ops = &pt_ops_ref;
    ot.cpu.ops = &pt_ops_cpu;
    if (pt_ops_ref.open(&ot.ref, PT_COMPUTE_F32) != PT_OK || pt_ops_cpu.open(&ot.cpu, PT_COMPUTE_F32) != PT_OK) return -1;
    ot.ref.ops = &pt_ops_ref;
    ot.cpu.ops = &pt_ops_cpu;
    return 0;
}

static inline void ot_free_all(void)
{
    for (int i = 0; i < ot.count; i++) {
        free(ot.bufs[i]->base);
        free(ot.bufs[i]);
    }
    ot.count = 0;
}

static inline int ot_end(void)
{
    ot_free_all();
    pt_ops_ref.close(&ot.ref);
    pt_ops_cpu.close(&ot.cpu);
    return 0;
}

static inline size_t ot_row_bytes(pt_view v)
{
    size_t bytes = 0;
    assert_int_equal(pt_dtype_row_bytes(v.type, (size_t)v.cols, &bytes), PT_OK);
    return bytes;
}

static inline unsigned char *ot_row(const ot_mat *m, int64_t r)
{
    return m->buf->base + m->v.off + (size_t)r * pt_view_row_bytes(m->v);
}
static inline float *ot_f32(const ot_mat *m, int64_t r)
{
    return (float *)(void *)ot_row(m, r);
}
static inline int32_t *ot_i32(const ot_mat *m)
{
    return (int32_t *)(void *)ot_row(m, 0);
}

/* Fills the elements (not the guards) with NaNs of a known pattern. */
static inline void ot_poison(const ot_mat *m)
{
    for (int64_t r = 0; r < m->v.rows; r++) memset(ot_row(m, r), 0xff, ot_row_bytes(m->v));
}

static inline ot_mat ot_new(pt_dtype type, int64_t rows, int64_t cols, int64_t ld)
{
    ot_mat m = {0};
    size_t row = 0;
    assert_true(ot.count < OT_MOST);
    assert_int_equal(pt_dtype_row_bytes(type, (size_t)ld, &row), PT_OK);
    size_t bytes = 2 * OT_GUARD + row * (size_t)(rows > 0 ? rows : 1);
    m.buf = calloc(1, sizeof *m.buf);
    assert_non_null(m.buf);
    m.buf->base = aligned_alloc(64, (bytes + 63) / 64 * 64);
    assert_non_null(m.buf->base);
    m.buf->bytes = bytes - OT_GUARD; /* the view may end here, not in the guard */
    memset(m.buf->base, OT_GUARD_BYTE, bytes);
    m.v = (pt_view){.buf = m.buf, .off = OT_GUARD, .type = type, .rows = rows, .cols = cols, .ld = ld};
    ot.bufs[ot.count] = m.buf;
    ot.views[ot.count++] = m.v;
    ot_poison(&m);
    return m;
}

static inline bool ot_guard_ok(const unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] != OT_GUARD_BYTE) return false;
    return true;
}

/* Every matrix: before it, behind it, and between its rows. */
static inline bool ot_guards_ok(void)
{
    for (int i = 0; i < ot.count; i++) {
        const pt_buf *b = ot.bufs[i];
        pt_view v = ot.views[i];
        size_t row = pt_view_row_bytes(v), used = ot_row_bytes(v);
        if (!ot_guard_ok(b->base, OT_GUARD) || !ot_guard_ok(b->base + b->bytes, OT_GUARD)) return false;
        for (int64_t r = 0; r < v.rows; r++)
            if (!ot_guard_ok(b->base + v.off + (size_t)r * row + used, row - used)) return false;
    }
    return true;
}

/* Roughly normal numbers (sum of four uniforms), the same for the same seed. */
static inline float ot_random(uint64_t seed, uint64_t at)
{
    pt_rng4 w = pt_rng_words(seed, PT_RNG_TEST, at, 0);
    return (pt_rng_unit(w.v[0]) + pt_rng_unit(w.v[1]) + pt_rng_unit(w.v[2]) + pt_rng_unit(w.v[3]) - 2) * 1.7320508f;
}

static inline void ot_fill(const ot_mat *m, uint64_t seed, float scale)
{
    assert_int_equal(m->v.type, PT_F32);
    for (int64_t r = 0; r < m->v.rows; r++)
        for (int64_t c = 0; c < m->v.cols; c++) ot_f32(m, r)[c] = scale * ot_random(seed, (uint64_t)(r * m->v.cols + c));
}

static inline void ot_copy(const ot_mat *to, const ot_mat *from)
{
    assert_true(to->v.rows == from->v.rows && to->v.cols == from->v.cols && to->v.type == from->v.type);
    for (int64_t r = 0; r < to->v.rows; r++) memcpy(ot_row(to, r), ot_row(from, r), ot_row_bytes(to->v));
}

static inline ot_mat ot_same(const ot_mat *m)
{
    return ot_new(m->v.type, m->v.rows, m->v.cols, m->v.ld);
}

static inline bool ot_equal_bits(const ot_mat *a, const ot_mat *b)
{
    assert_true(a->v.rows == b->v.rows && a->v.cols == b->v.cols && a->v.type == b->v.type);
    for (int64_t r = 0; r < a->v.rows; r++)
        if (memcmp(ot_row(a, r), ot_row(b, r), ot_row_bytes(a->v))) return false;
    return true;
}

/* ||a - b||_F / ||b||_F; NaN anywhere in a gives infinity. */
static inline double ot_error(const ot_mat *a, const ot_mat *b)
{
    double diff = 0, norm = 0;
    assert_true(a->v.rows == b->v.rows && a->v.cols == b->v.cols && a->v.type == PT_F32 && b->v.type == PT_F32);
    for (int64_t r = 0; r < a->v.rows; r++)
        for (int64_t c = 0; c < a->v.cols; c++) {
            double x = ot_f32(a, r)[c], y = ot_f32(b, r)[c];
            if (!isfinite(x)) return INFINITY;
            diff += (x - y) * (x - y);
            norm += y * y;
        }
    return norm > 0 ? sqrt(diff / norm) : sqrt(diff);
}

/* Largest |a - b|. */
static inline double ot_worst(const ot_mat *a, const ot_mat *b)
{
    double worst = 0;
    for (int64_t r = 0; r < a->v.rows; r++)
        for (int64_t c = 0; c < a->v.cols; c++) {
            double d = fabs((double)ot_f32(a, r)[c] - ot_f32(b, r)[c]);
            if (!(d <= worst)) worst = isnan(d) ? INFINITY : d;
        }
    return worst;
}

static inline void ot_dry_begin(pt_ctx *c)
{
    c->dry = true;
    c->workspace_need = 0;
    c->workspace = PT_NO_VIEW;
}

/* Ends the dry run: a workspace of exactly what was asked for. */
static inline void ot_dry_end(pt_ctx *c)
{
    size_t need = c->workspace_need;
    c->dry = false;
    ot.workspace = aligned_alloc(64, (need + 2 * OT_GUARD + 63) / 64 * 64);
    assert_non_null(ot.workspace);
    memset(ot.workspace, OT_GUARD_BYTE, need + 2 * OT_GUARD);
    memset(ot.workspace + OT_GUARD, 0xff, need);
    ot.workspace_buf = (pt_buf){ot.workspace, OT_GUARD + need, NULL};
    c->workspace = (pt_view){
        .buf = &ot.workspace_buf, .off = OT_GUARD, .type = PT_U8, .rows = 1, .cols = (int64_t)need, .ld = (int64_t)need};
}

static inline void ot_after(pt_ctx *c)
{
    bool ok = ot_guard_ok(ot.workspace, OT_GUARD) && ot_guard_ok(ot.workspace + ot.workspace_buf.bytes, OT_GUARD);
    free(ot.workspace);
    ot.workspace = NULL;
    c->workspace = PT_NO_VIEW;
    if (!ok) fail_msg("%s wrote past its workspace", c->ops->name);
    if (!ot_guards_ok()) fail_msg("%s wrote past a matrix", c->ops->name);
}

/* The dry run and the call; *status is the call's (or the dry run's when that fails). */
#define OT_STATUS(c, op, args, status)                                                                                         \
    do {                                                                                                                       \
        ot_dry_begin(c);                                                                                                       \
        *(status) = (c)->ops->op((c), (args));                                                                                 \
        if (*(status) != PT_OK) {                                                                                              \
            (c)->dry = false;                                                                                                  \
            break;                                                                                                             \
        }                                                                                                                      \
        ot_dry_end(c);                                                                                                         \
        *(status) = (c)->ops->op((c), (args));                                                                                 \
        ot_after(c);                                                                                                           \
    } while (0)
#define OT_RUN(c, op, args)                                                                                                    \
    do {                                                                                                                       \
        pt_status ot_status_;                                                                                                  \
        OT_STATUS(c, op, args, &ot_status_);                                                                                   \
        if (ot_status_ != PT_OK) fail_msg("%s of %s: %s", #op, (c)->ops->name, pt_err_msg());                                  \
    } while (0)
/* The call must be refused with this status. */
#define OT_REFUSE(c, op, args, want)                                                                                           \
    do {                                                                                                                       \
        pt_status ot_status_;                                                                                                  \
        OT_STATUS(c, op, args, &ot_status_);                                                                                   \
        if (ot_status_ != (want))                                                                                              \
            fail_msg("%s of %s: %s, not %s", #op, (c)->ops->name, pt_status_name(ot_status_), pt_status_name(want));           \
    } while (0)

/* The variants that this processor has: for (int i = 0; ot_isa(i); i++) ... */
static inline bool ot_isa(int i)
{
    static const char *const names[] = {"base", "avx2", "avx512"};
    if (i < 3 && pt_cpu_isa_set(names[i]) == PT_OK) return true;
    pt_cpu_isa_set(NULL);
    return false;
}
#endif

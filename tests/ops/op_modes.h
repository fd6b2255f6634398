/* One case, any backend: the op runs on the backend that the program was built for, and on ref, from the same inputs.
 *
 *     ot_case(PT_BF16);                                    activations
 *     pt_view x = ot_in(PT_BF16, n, c, c + 8, 1, 1.0f);    f32 on the host (ref's), bf16 on the backend
 *     pt_view y = ot_act(PT_BF16, n, c, c);                NaN until written
 *     OT_ON(rmsnorm, pt_rmsnorm_args, a.x = D(x), a.y = D(y));     D is the backend's view, or the host's while ref runs
 *     ot_close(y, 2);                                      error <= 2x that of ref rounded to the type
 *     ot_free_all();
 *
 * Modes, one a build of the program (OT_MODE):
 *
 *     mode         backend                                              passes of OT_ON, which must have equal bits
 *     OT_CUDA      the kernels on the emulated device (emu.mk) or       one a thread order (emulated, plain build; the instrumented ones:
 *                  on a real GPU (tests/gpu/gpu.mk)                     in the order that they run in)
 *     OT_HOST      pt_ops_cpu; the whole program once for each          one: which ops have equal bits for any thread count, the programs of
 *                  instruction set that the processor has, on 1, 3, 2   tests/ops say
 *                  threads
 *
 * OT_ON: the dry run, then each pass from the same memory with exactly the workspace that the dry run asked for; guards around every matrix
 * and between its rows must be whole. Then ref runs once. */
#ifndef PT_OP_MODES_H
#define PT_OP_MODES_H
#ifdef __cplusplus
#include <initializer_list>
#endif

#include "tests/ops/op_matrix.h"

#define OT_CUDA 1
#define OT_HOST 2
#ifndef OT_MODE
#define OT_MODE OT_CUDA
#endif
#if OT_MODE == OT_CUDA
#include "cuda_runtime.h"
#include "emu.h"
#include "emu_counters.h"
#ifdef __cplusplus
extern "C" {
#endif
#include "kernels/cuda/ops_cuda.h"
#ifdef __cplusplus
}
#endif
#endif

static struct {
    pt_ctx ref, under; /* under test */
    pt_ctx opened[2];  /* of the backend, for each compute type */
    int pass;          /* -1: the dry run; then the passes; then ref's */
    bool host;         /* D() gives the host's views: ref runs */
    pt_buf workspace;
} om;
static int __attribute__((unused)) ot_most_passes = 3; /* 1 for large cases, whose kernels smaller ones run in every order */

#if OT_MODE == OT_CUDA
static const bool ot_halves = true;
static inline const pt_ops *ot_ops(void)
{
    return pt_cuda_ops();
}
/* Not an instrumented build. */
static inline bool ot_plain(void)
{
    return strcmp(emu_build(), "plain") == 0;
}
static inline uint64_t ot_launches(void)
{
    return emu_launch_count();
}
static inline int ot_passes(void)
{
    return ot_plain() ? ot_most_passes : 1; /* instrumented: slow, and run in several orders already */
}
static inline void ot_vary(int pass)
{
    static const char *const orders[] = {"fwd", "rev", "rand:7"};
    if (ot_plain()) assert_true(emu_setting("ORDER", orders[pass]));
}
#else
static const bool ot_halves = false; /* activations of the host are f32 */
static inline const pt_ops *ot_ops(void)
{
    return &pt_ops_cpu;
}
static inline bool ot_plain(void)
{
    return true;
}
static inline uint64_t ot_launches(void)
{
    return 0;
}
static inline int ot_passes(void)
{
    return 1;
}
static inline void ot_vary(int pass)
{
    (void)pass;
}
#endif

/* The smallest type of activations that the backend has, and a loop over all of them. */
#define OT_SMALL (ot_halves ? PT_BF16 : PT_F32)
static inline bool ot_next_act(pt_dtype *t)
{
    bool more = *t == PT_BF16;
    *t = PT_F32;
    return more;
}
#define OT_EACH_ACT(t)                                                                                                         \
    for (bool go_ = true; go_; go_ = false)                                                                                    \
        for (pt_dtype t = OT_SMALL; go_; go_ = ot_next_act(&t))

static inline void ot_drop_twin(ot_matrix *m)
{
    ot_ops()->free(&om.under, &m->owned);
}
/* Begins a case with activations of this type: no matrices; contexts as new. */
static inline void ot_case(pt_dtype act)
{
    ot_free_last(ot_count); /* of a test that failed */
    pt_compute compute = act == PT_BF16 ? PT_COMPUTE_BF16 : PT_COMPUTE_F32;
    pt_ctx *open = &om.opened[act == PT_BF16];
    if (!open->ops) ot_ok(ot_ops()->open(open, compute));
    ot_release = ot_drop_twin;
    om.ref.ops = &pt_ops_ref;
    ot_ok(pt_ops_ref.open(&om.ref, PT_COMPUTE_F32));
    om.under = *open;
    om.under.act = act;
    om.host = false;
}

/* ---- matrices on the backend ---- */
/* A matrix of activations: `type` on the backend; f16 and bf16 are f32 on the host. */
static inline pt_view ot_act(pt_dtype type, int64_t rows, int64_t cols, int64_t ld)
{
    bool half = type == PT_F16 || type == PT_BF16;
    pt_view v = ot_new(half ? PT_F32 : type, rows, cols, ld);
    ot_of(v)->type = type;
    return v;
}
static inline unsigned char *ot_image_row(ot_matrix *m, int64_t r)
{
    return m->image + OT_GUARD + (size_t)r * ot_row_bytes(m->type, m->view.ld);
}
/* The host's values to the image, rounded on both sides. */
static inline void ot_put_image(ot_matrix *m)
{
    for (int64_t r = 0; r < m->view.rows; r++) {
        unsigned char *to = ot_image_row(m, r);
        if (m->type == m->view.type) {
            memcpy(to, ot_row(m->view, r), ot_row_bytes(m->type, m->view.cols));
            continue;
        }
        for (int64_t c = 0; c < m->view.cols; c++) {
            float *f = ot_f32(m->view, r) + c;
            uint16_t h = m->type == PT_BF16 ? pt_f32_to_bf16(*f) : pt_f32_to_f16(*f);
            *f = ot_round(m->type, *f);
            memcpy(to + 2 * c, &h, 2);
        }
    }
}
/* The backend's memory for it, with what the host holds now. */
static inline void ot_make_twin(ot_matrix *m)
{
    if (m->image) return;
    m->bytes = 2 * OT_GUARD + ot_row_bytes(m->type, m->view.ld) * (size_t)(m->view.rows > 0 ? m->view.rows : 1);
    m->image = (unsigned char *)malloc(m->bytes);
    m->result = (unsigned char *)malloc(m->bytes);
    assert_true(m->image && m->result);
    memset(m->image, OT_GUARD_BYTE, m->bytes);
    ot_ok(ot_ops()->alloc(&om.under, &m->owned, m->bytes));
    m->twin = m->owned;
    m->twin.bytes = m->bytes - OT_GUARD;
    ot_put_image(m);
}
/* What the host holds now is what passes start from: after filling by hand, or to go on from ref's results. */
static inline void ot_put(pt_view v)
{
    ot_matrix *m = ot_of(v);
    if (m->image)
        ot_put_image(m);
    else
        ot_make_twin(m);
}
/* Filled. */
static inline pt_view ot_in(pt_dtype type, int64_t rows, int64_t cols, int64_t ld, uint64_t seed, float scale)
{
    pt_view v = ot_act(type, rows, cols, ld);
    ot_fill(v, seed, scale);
    ot_put(v);
    return v;
}
/* The view on the backend under test, or on the host while ref runs. */
static inline pt_view D(pt_view v)
{
    if (!v.buf || om.host) return v;
    ot_matrix *m = ot_of(v);
    ot_make_twin(m);
    if (m->type != v.type) v.off = OT_GUARD + (v.off - OT_GUARD) / 4 * 2;
    v.buf = &m->twin, v.type = m->type;
    return v;
}

/* ---- passes ---- */
/* `bytes` of the backend's memory as a row of bytes. */
static inline pt_view ot_bytes_of(const pt_buf *b, size_t bytes)
{
    pt_view v = ot_none();
    v.buf = b, v.type = PT_U8, v.rows = 1, v.cols = v.ld = (int64_t)bytes;
    return v;
}
static inline void ot_upload_all(void)
{
    for (int i = 0; i < ot_count; i++)
        if (ot_all[i].image) ot_ok(ot_ops()->upload(&om.under, ot_bytes_of(&ot_all[i].owned, ot_all[i].bytes), ot_all[i].image));
}
/* Results of a pass; the first are kept, later ones must be equal. */
static inline void ot_download_all(bool first)
{
    for (int i = 0; i < ot_count; i++) {
        ot_matrix *m = &ot_all[i];
        if (!m->image) continue;
        unsigned char *got = (unsigned char *)malloc(m->bytes);
        assert_non_null(got);
        ot_ok(ot_ops()->download(&om.under, got, ot_bytes_of(&m->owned, m->bytes)));
        if (!ot_bytes_guarded(got, m->bytes, m->type, m->view)) fail_msg("%s wrote past matrix %d", ot_ops()->name, i);
        if (!first) assert_memory_equal(got, m->result, m->bytes);
        memcpy(m->result, got, m->bytes);
        free(got);
    }
}
static inline pt_ctx *ot_ctx(void)
{
    return om.host ? &om.ref : &om.under;
}
static inline void ot_passes_begin(void)
{
    om.pass = -2;
}
static inline void ot_begin_ref(void)
{
    if (om.under.workspace_need) ot_ops()->free(&om.under, &om.workspace);
    om.under.workspace = ot_none();
    om.host = true;
}
static inline bool ot_passes_next(void)
{
    int done = om.pass++, passes = ot_passes();
    if (done == -2) {
        om.host = false;
        om.under.dry = true, om.under.workspace_need = 0, om.under.workspace = ot_none();
        return true;
    }
    if (done == -1) { /* large because of the GEMM's scratch: one workspace for all passes */
        size_t need = om.under.workspace_need;
        om.under.dry = false;
        memset(&om.workspace, 0, sizeof om.workspace);
        if (need) ot_ok(ot_ops()->alloc(&om.under, &om.workspace, need));
        om.under.workspace = ot_bytes_of(&om.workspace, need);
    } else if (done < passes) {
        ot_ok(ot_ops()->sync(&om.under));
        ot_download_all(done == 0);
    } else {
        om.host = false;
        if (!ot_guards_ok()) fail_msg("ref wrote past a matrix");
        return false;
    }
    if (om.pass == passes) {
        ot_begin_ref();
    } else {
        ot_vary(om.pass);
        ot_upload_all();
    }
    return true;
}
static inline void ot_did(const char *op, pt_status rc)
{
    if (rc != PT_OK) fail_msg("%s of %s: %s", op, om.host ? "ref" : ot_ops()->name, pt_err_msg());
}
/* Body: fills arguments with D(), and calls ot_did("op", ot_ctx()->ops->op(ot_ctx(), &a)). */
#define OT_PASSES for (ot_passes_begin(); ot_passes_next();)
#define OT_CALL(op, args) ot_did(#op, ot_ctx()->ops->op(ot_ctx(), (args)))
#define OT_ON(op, type, ...)                                                                                                   \
    OT_PASSES                                                                                                                  \
    {                                                                                                                          \
        type a;                                                                                                                \
        memset(&a, 0, sizeof a);                                                                                               \
        __VA_ARGS__;                                                                                                           \
        OT_CALL(op, &a);                                                                                                       \
    }

/* ---- results ---- */
static inline const unsigned char *ot_result(pt_view v)
{
    return ot_of(v)->result + OT_GUARD;
}
/* An element of the backend's result (v may be columns of a matrix), and one of integers. */
static inline float ot_got(pt_view v, int64_t r, int64_t c)
{
    const ot_matrix *m = ot_of(v);
    size_t each = pt_dtype_get(m->type)->bytes, first = (v.off - OT_GUARD) / pt_dtype_get(v.type)->bytes;
    const unsigned char *p = ot_result(v) + (size_t)r * ot_row_bytes(m->type, v.ld) + (first + (size_t)c) * each;
    uint16_t h;
    float f;
    memcpy(&h, p, 2);
    if (m->type == PT_BF16) return pt_bf16_to_f32(h);
    if (m->type == PT_F16) return pt_f16_to_f32(h);
    memcpy(&f, p, 4);
    return f;
}
static inline int32_t ot_got_i32(pt_view v, int64_t i)
{
    int32_t x;
    memcpy(&x, ot_result(v) + 4 * i, 4);
    return x;
}
/* Relative error of the result against ref (Euclidean), and of ref rounded to the type. */
static inline double ot_result_error(pt_view v, double *rounding)
{
    double diff = 0, round = 0, norm = 0;
    for (int64_t r = 0; r < v.rows; r++)
        for (int64_t c = 0; c < v.cols; c++) {
            double want = ot_f32(v, r)[c], got = ot_got(v, r, c), near = ot_round(ot_of(v)->type, ot_f32(v, r)[c]);
            diff += (got - want) * (got - want);
            round += (near - want) * (near - want);
            norm += want * want;
        }
    *rounding = norm > 0 ? sqrt(round / norm) : 0;
    return norm > 0 ? sqrt(diff / norm) : sqrt(diff);
}
/* Error at most `factor` times that of rounding alone; f32: at most `f32`. NaN fails. */
static inline void ot_near(pt_view v, double factor, double f32)
{
    double round, err = ot_result_error(v, &round), most = factor * round + f32;
    if (!(err <= most)) fail_msg("matrix %d of %s: error %.3g, allowed %.3g", (int)(ot_of(v) - ot_all), ot_ops()->name, err, most);
}
/* f32: a few units of the last place. */
static inline void ot_close(pt_view v, double factor)
{
    ot_near(v, factor, 4e-7);
}
/* [rows, cols] of the host's values, dense: what a naive program writes into. */
static inline float *ot_floats(pt_view v)
{
    float *f = (float *)calloc((size_t)(v.rows * v.cols) + 1, sizeof *f);
    assert_non_null(f);
    for (int64_t r = 0; r < v.rows; r++) memcpy(f + r * v.cols, ot_f32(v, r), (size_t)v.cols * sizeof *f);
    return f;
}
/* Stored weights as f32. */
static inline float *ot_dequantised(pt_view w)
{
    float *f = (float *)malloc((size_t)(w.rows * w.cols) * sizeof *f + sizeof *f);
    assert_non_null(f);
    ot_ok(pt_dequant_rows(w.type, (const uint8_t *)ot_at(w), w.rows, w.cols, f));
    return f;
}
/* Error of a naive program's result [rows, cols] against ref's v. */
static inline double ot_floats_error(pt_view v, const float *naive)
{
    double diff = 0, norm = 0;
    for (int64_t r = 0; r < v.rows; r++)
        for (int64_t c = 0; c < v.cols; c++) {
            double want = ot_f32(v, r)[c], d = naive[r * v.cols + c] - want;
            diff += d * d, norm += want * want;
        }
    return norm > 0 ? sqrt(diff / norm) : sqrt(diff);
}
/* The rule of op_matrix.h for a result of the passes. Where the naive program happens to hit the sums: the host's adds in f32 as it does; of a
 * device eight units of the last place are taken, since the emulated one (which keeps the host's floor) says nothing of a real one's exp and log. */
static inline void ot_result_within(const char *what, pt_view v, const float *naive)
{
    double round, floor = OT_MODE == OT_CUDA ? 1e-6 : v.rows * v.cols < 64 ? OT_FLOOR_FEW : OT_FLOOR;
    ot_twice(what, ot_result_error(v, &round), ot_floats_error(v, naive), floor);
}

/* ---- the program ---- */
static inline void ot_close(void)
{
    for (int i = 0; i < 2; i++)
        if (om.opened[i].ops) om.opened[i].ops->close(&om.opened[i]);
}
/* The group's tests, in OT_HOST once for each instruction set. */
#define ot_main(name, tests) ot_run_groups(name, tests, sizeof(tests) / sizeof *(tests))
static inline int ot_run_groups(const char *name, const struct CMUnitTest *tests, size_t n)
{
    int failed = 0;
#if OT_MODE == OT_HOST
    static const int threads[] = {1, 3, 2};
    for (int i = 0; pt_cpu_isa_name(i); i++) {
        if (pt_cpu_isa_set(pt_cpu_isa_name(i)) != PT_OK) continue;
        pt_threads_set(threads[i % 3]);
        char named[96];
        snprintf(named, sizeof named, "%s, %s", name, pt_cpu_isa_name(i));
        failed += _cmocka_run_group_tests(named, tests, n, NULL, NULL);
    }
#else
    failed = _cmocka_run_group_tests(name, tests, n, NULL, NULL);
#endif
    ot_close();
    return failed;
}
#endif

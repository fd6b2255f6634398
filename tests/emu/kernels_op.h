/* Harness of the tests of CUDA kernels: matrices that live on the host (f32, for pt_ops_ref) and on the emulated device (the
 * type under test).
 *
 *     kt_begin(PT_BF16);                                   activations
 *     kt_mat x = kt_new(PT_BF16, n, c, c + 8);  kt_fill(x, 1, 1.0f);
 *     kt_mat y = kt_new(PT_BF16, n, c, c);                 NaN until written
 *     KT_RUN(rmsnorm, pt_rmsnorm_args, a.x = D(x), a.y = D(y));     D is the device's view, or the host's for ref
 *     kt_same(y, 2);                                       error <= 2x that of ref rounded to the type
 *     kt_end();
 *
 * KT_RUN calls the op once per thread order (the plain build; the others: in the order that they run in), from the same memory
 * each time, with exactly the workspace of the dry run; all outputs must have the same bits in every order; guards around every
 * matrix and between its rows must be whole. Then ref runs once. */
#ifndef PT_KERNELS_OP_H
#define PT_KERNELS_OP_H
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern "C" {
#include <cmocka.h>
}
#include <initializer_list>

#include "cuda_runtime.h"
#include "emu.h"
#include "emu_counters.h"

extern "C" {
#include "base/mem.h"
#include "base/quant.h"
#include "base/rng.h"
#include "kernels/op_list.h"
#include "kernels/ops.h"
#define KT_DECLARE(op, args) pt_status pt_cuda_##op(pt_ctx *, const args *);
PT_OP_LIST(KT_DECLARE)
}

enum { KT_GUARD = 64, KT_MOST = 256, KT_GUARD_BYTE = 0xA5 };
typedef struct kt_data {
    pt_view dev, ref;
    pt_buf dev_buf, ref_buf;
    unsigned char *image;  /* device bytes before the op, guards included */
    unsigned char *result; /* after the first order */
    size_t bytes;
} kt_data;
typedef int kt_mat; /* index into kt.m; -1: absent */

static struct {
    pt_ctx cuda, ref;
    kt_data m[KT_MOST];
    int count;
    bool host; /* D() gives the host's views */
} kt;

/* Set by a test program that has a device to open (cuBLASLt); NULL: ops that need none. Opened once for each compute type. */
static pt_status (*kt_open)(pt_ctx *, pt_compute);
static pt_ctx kt_opened[2];
static int kt_most_orders = 3; /* 1 for large cases, whose kernels smaller ones run in every order */

static inline void kt_begin(pt_dtype act)
{
    memset(&kt, 0, sizeof kt);
    kt.ref.ops = &pt_ops_ref;
    assert_int_equal(pt_ops_ref.open(&kt.ref, PT_COMPUTE_F32), PT_OK);
    kt.cuda.compute = act == PT_BF16 ? PT_COMPUTE_BF16 : PT_COMPUTE_F32;
    pt_ctx *open = &kt_opened[kt.cuda.compute];
    if (kt_open && !open->ops) assert_int_equal(kt_open(open, kt.cuda.compute), PT_OK);
    if (kt_open) kt.cuda = *open;
    kt.cuda.act = act;
}
static inline void kt_end(void)
{
    for (int i = 0; i < kt.count; i++) {
        cudaFree(kt.m[i].dev_buf.base);
        free(kt.m[i].ref_buf.base);
        free(kt.m[i].image);
        free(kt.m[i].result);
    }
    kt.count = 0;
}
/* At the end of a program that set kt_open. */
static inline void kt_close(void)
{
    for (pt_ctx &c : kt_opened)
        if (c.ops) c.ops->close(&c);
}

static inline size_t kt_row_bytes(pt_dtype t, int64_t cols)
{
    size_t bytes = 0;
    assert_int_equal(pt_dtype_row_bytes(t, (size_t)cols, &bytes), PT_OK);
    return bytes;
}
static inline bool kt_small(pt_dtype t)
{
    return t == PT_F16 || t == PT_BF16;
}

/* Device type `type`; on the host f16 and bf16 are f32, unless `stored` (weights: the same bytes on both). */
static inline kt_mat kt_make(pt_dtype type, int64_t rows, int64_t cols, int64_t ld, bool stored)
{
    assert_true(kt.count < KT_MOST);
    kt_data *d = &kt.m[kt.count];
    pt_dtype host = kt_small(type) && !stored ? PT_F32 : type;
    d->bytes = 2 * KT_GUARD + kt_row_bytes(type, ld) * (size_t)(rows > 0 ? rows : 1);
    d->image = (unsigned char *)malloc(d->bytes);
    d->result = (unsigned char *)malloc(d->bytes);
    memset(d->image, KT_GUARD_BYTE, d->bytes);
    size_t ref_bytes = kt_row_bytes(host, ld) * (size_t)(rows > 0 ? rows : 1);
    d->ref_buf.base = (unsigned char *)aligned_alloc(64, (ref_bytes + 63) / 64 * 64);
    d->ref_buf.bytes = ref_bytes;
    memset(d->ref_buf.base, 0xff, ref_bytes);
    void *p = NULL;
    assert_int_equal(cudaMalloc(&p, d->bytes), cudaSuccess);
    d->dev_buf.base = (unsigned char *)p;
    d->dev_buf.bytes = d->bytes - KT_GUARD;
    for (int64_t r = 0; r < rows; r++)
        memset(d->image + KT_GUARD + (size_t)r * kt_row_bytes(type, ld), 0xff, kt_row_bytes(type, cols));
    d->dev.buf = &d->dev_buf, d->dev.off = KT_GUARD, d->dev.type = type, d->dev.rows = rows, d->dev.cols = cols, d->dev.ld = ld;
    d->ref.buf = &d->ref_buf, d->ref.type = host, d->ref.rows = rows, d->ref.cols = cols, d->ref.ld = ld;
    return kt.count++;
}
static inline kt_mat kt_new(pt_dtype type, int64_t rows, int64_t cols, int64_t ld)
{
    return kt_make(type, rows, cols, ld, false);
}
static inline pt_view D(kt_mat m)
{
    if (m < 0) return (pt_view){};
    return kt.host ? kt.m[m].ref : kt.m[m].dev;
}
static inline unsigned char *kt_image(kt_mat m, int64_t r)
{
    return kt.m[m].image + KT_GUARD + (size_t)r * pt_view_row_bytes(kt.m[m].dev);
}
static inline float *kt_host(kt_mat m, int64_t r)
{
    return (float *)(void *)(kt.m[m].ref_buf.base) + r * kt.m[m].ref.ld;
}
static inline int32_t *kt_i32(kt_mat m)
{
    return (int32_t *)(void *)kt.m[m].ref_buf.base;
}

static inline float kt_round(pt_dtype t, float f)
{
    return t == PT_BF16 ? pt_bf16_to_f32(pt_f32_to_bf16(f)) : t == PT_F16 ? pt_f16_to_f32(pt_f32_to_f16(f)) : f;
}
/* Host values to the device's image (rounded on both sides). */
static inline void kt_put(kt_mat m)
{
    kt_data *d = &kt.m[m];
    for (int64_t r = 0; r < d->ref.rows; r++) {
        unsigned char *to = kt_image(m, r);
        if (d->ref.type != PT_F32 || d->dev.type == PT_F32) {
            memcpy(to, d->ref_buf.base + (size_t)r * pt_view_row_bytes(d->ref), kt_row_bytes(d->ref.type, d->ref.cols));
            continue;
        }
        for (int64_t c = 0; c < d->ref.cols; c++) {
            float *f = kt_host(m, r) + c;
            *f = kt_round(d->dev.type, *f);
            uint16_t h = d->dev.type == PT_BF16 ? pt_f32_to_bf16(*f) : pt_f32_to_f16(*f);
            memcpy(to + 2 * c, &h, 2);
        }
    }
}
static inline float kt_random(uint64_t seed, uint64_t at)
{
    pt_rng4 w = pt_rng_words(seed, PT_RNG_TEST, at, 0);
    return (pt_rng_unit(w.v[0]) + pt_rng_unit(w.v[1]) + pt_rng_unit(w.v[2]) + pt_rng_unit(w.v[3]) - 2) * 1.7320508f;
}
static inline void kt_fill(kt_mat m, uint64_t seed, float scale)
{
    for (int64_t r = 0; r < kt.m[m].ref.rows; r++)
        for (int64_t c = 0; c < kt.m[m].ref.cols; c++)
            kt_host(m, r)[c] = scale * kt_random(seed, (uint64_t)(r * kt.m[m].ref.cols + c));
    kt_put(m);
}
/* A filled matrix. */
static inline kt_mat kt_in(pt_dtype type, int64_t rows, int64_t cols, int64_t ld, uint64_t seed, float scale)
{
    kt_mat m = kt_new(type, rows, cols, ld);
    kt_fill(m, seed, scale);
    return m;
}
static inline kt_mat kt_ids(int64_t n, int64_t limit, uint64_t seed)
{
    kt_mat m = kt_new(PT_I32, 1, n, n);
    for (int64_t i = 0; i < n; i++)
        kt_i32(m)[i] = (int32_t)(pt_rng_words(seed, PT_RNG_TEST, (uint64_t)i, 1).v[0] % (uint64_t)limit);
    kt_put(m);
    return m;
}
static inline kt_mat kt_list(const int32_t *v, int64_t n)
{
    kt_mat m = kt_new(PT_I32, 1, n, n);
    if (n) memcpy(kt_i32(m), v, (size_t)n * 4);
    kt_put(m);
    return m;
}
/* Weights of any stored type, about `scale` large; blocks that no one here writes get random bits and small scales. */
static inline kt_mat kt_weight(pt_dtype type, int64_t rows, int64_t cols, uint64_t seed, float scale)
{
    static const struct {
        pt_dtype t;
        int at[2];
    } halves[] = {{PT_Q2_K, {80, 82}}, {PT_Q3_K, {108, -1}}, {PT_Q4_K, {0, 2}},
                  {PT_Q5_K, {0, 2}},   {PT_Q6_K, {208, -1}}, {PT_IQ4_NL, {0, -1}}};
    kt_mat m = kt_make(type, rows, cols, cols, true);
    kt_data *d = &kt.m[m];
    float *row = (float *)malloc((size_t)cols * 4 + 4);
    size_t bytes = kt_row_bytes(type, cols), block = pt_dtype_get(type)->bytes;
    for (int64_t r = 0; r < rows; r++) {
        unsigned char *to = d->ref_buf.base + (size_t)r * bytes;
        for (int64_t c = 0; c < cols; c++) row[c] = scale * kt_random(seed, (uint64_t)(r * cols + c));
        if (pt_quant_writable(type)) {
            assert_int_equal(pt_quant_rows(type, row, 1, cols, to), PT_OK);
            continue;
        }
        for (size_t i = 0; i < bytes; i++)
            to[i] = (unsigned char)pt_rng_words(seed, PT_RNG_TEST, (uint64_t)r * bytes + i, 2).v[0];
        for (size_t h = 0; h < sizeof halves / sizeof *halves; h++)
            for (int k = 0; k < 2 && halves[h].t == type; k++)
                for (size_t b = 0; halves[h].at[k] >= 0 && b < bytes; b += block) {
                    uint16_t f = pt_f32_to_f16(scale * (0.002f + 0.001f * kt_random(seed + 1, (uint64_t)r * bytes + b)));
                    memcpy(to + b + halves[h].at[k], &f, 2);
                }
    }
    free(row);
    kt_put(m);
    return m;
}

static inline void kt_upload(void)
{
    for (int i = 0; i < kt.count; i++)
        assert_int_equal(cudaMemcpy(kt.m[i].dev_buf.base, kt.m[i].image, kt.m[i].bytes, cudaMemcpyHostToDevice), cudaSuccess);
}
static inline bool kt_guarded(const unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] != KT_GUARD_BYTE) return false;
    return true;
}
/* Results of one order; the first are kept, later ones must be equal. */
static inline void kt_download(bool first)
{
    for (int i = 0; i < kt.count; i++) {
        kt_data *d = &kt.m[i];
        unsigned char *got = (unsigned char *)malloc(d->bytes);
        assert_int_equal(cudaMemcpy(got, d->dev_buf.base, d->bytes, cudaMemcpyDeviceToHost), cudaSuccess);
        size_t row = pt_view_row_bytes(d->dev), used = kt_row_bytes(d->dev.type, d->dev.cols);
        assert_true(kt_guarded(got, KT_GUARD));
        assert_true(kt_guarded(got + d->bytes - KT_GUARD, KT_GUARD));
        for (int64_t r = 0; r < d->dev.rows; r++) assert_true(kt_guarded(got + KT_GUARD + (size_t)r * row + used, row - used));
        if (!first) assert_memory_equal(got, d->result, d->bytes);
        memcpy(d->result, got, d->bytes);
        free(got);
    }
}

static const char *const kt_orders[] = {"fwd", "rev", "rand:7"};
/* op: calls the op with kt.cuda or kt.ref (kt.host says which). */
template <typename F> static void kt_run(F op)
{
    size_t need;
    kt.host = false;
    kt.cuda.dry = true, kt.cuda.workspace_need = 0;
    assert_int_equal(op(), PT_OK);
    kt.cuda.dry = false, need = kt.cuda.workspace_need;
    pt_buf ws = {}; /* large because of the GEMM's scratch: one for all orders */
    void *p = NULL;
    if (need) assert_int_equal(cudaMalloc(&p, need), cudaSuccess);
    ws.base = (unsigned char *)p, ws.bytes = need;
    kt.cuda.workspace = (pt_view){};
    if (need) {
        pt_view *v = &kt.cuda.workspace;
        v->buf = &ws, v->type = PT_U8, v->rows = 1, v->cols = v->ld = (int64_t)need;
    }
    bool instrumented = strcmp(emu_build(), "plain") != 0; /* slow; check runs come in several orders already */
    for (int o = 0; o < (instrumented ? 1 : kt_most_orders); o++) {
        if (!instrumented) assert_true(emu_setting("ORDER", kt_orders[o]));
        kt_upload();
        pt_status rc = op();
        if (rc != PT_OK) print_error("%s\n", pt_err_msg());
        assert_int_equal(rc, PT_OK);
        assert_int_equal(cudaDeviceSynchronize(), cudaSuccess);
        kt_download(o == 0);
    }
    if (p) cudaFree(p);
    kt.host = true;
    assert_int_equal(op(), PT_OK);
    kt.host = false;
}
#define KT_RUN(op, type, ...)                                                                                                  \
    kt_run([&]() -> pt_status {                                                                                                \
        type a = {};                                                                                                           \
        __VA_ARGS__;                                                                                                           \
        return kt.host ? pt_ops_ref.op(&kt.ref, &a) : pt_cuda_##op(&kt.cuda, &a);                                              \
    })

/* Element of the device's result. */
static inline float kt_got(kt_mat m, int64_t r, int64_t c)
{
    kt_data *d = &kt.m[m];
    const unsigned char *p =
        d->result + KT_GUARD + (size_t)r * pt_view_row_bytes(d->dev) + (size_t)c * pt_dtype_get(d->dev.type)->bytes;
    uint16_t h;
    float f;
    memcpy(&h, p, 2);
    if (d->dev.type == PT_BF16) return pt_bf16_to_f32(h);
    if (d->dev.type == PT_F16) return pt_f16_to_f32(h);
    memcpy(&f, p, 4);
    return f;
}
/* Relative error of the result against ref (Euclidean), and of ref rounded to the type. */
static inline double kt_error(kt_mat m, double *rounding)
{
    double diff = 0, round = 0, norm = 0;
    for (int64_t r = 0; r < kt.m[m].ref.rows; r++)
        for (int64_t c = 0; c < kt.m[m].ref.cols; c++) {
            double want = kt_host(m, r)[c], got = kt_got(m, r, c), near = kt_round(kt.m[m].dev.type, kt_host(m, r)[c]);
            diff += (got - want) * (got - want);
            round += (near - want) * (near - want);
            norm += want * want;
        }
    *rounding = norm > 0 ? sqrt(round / norm) : 0;
    return norm > 0 ? sqrt(diff / norm) : sqrt(diff);
}
/* Error at most `factor` times that of rounding alone; f32: at most `f32` (a few units of the last place by default). NaN
 * fails. */
static inline void kt_near(kt_mat m, double factor, double f32)
{
    double round, err = kt_error(m, &round), most = factor * round + f32;
    if (!(err <= most)) print_error("matrix %d: error %.3g, allowed %.3g\n", m, err, most);
    assert_true(err <= most);
}
static inline void kt_same(kt_mat m, double factor)
{
    kt_near(m, factor, 4e-7);
}
#endif

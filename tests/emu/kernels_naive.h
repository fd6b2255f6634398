/* Budgets of kernel tests: at most twice the error, against ref, of a plain program of the same precision (operands rounded to
 * the type, sums in f32, results rounded), which each test writes down as loops. */
#ifndef PT_KERNELS_NAIVE_H
#define PT_KERNELS_NAIVE_H
#include "kernels_op.h"

/* Error of the plain program's result [rows, cols] against ref's matrix m, relative and Euclidean. */
static inline double kn_error(kt_mat m, const float *naive)
{
    double diff = 0, norm = 0;
    pt_view v = kt.m[m].ref;
    for (int64_t r = 0; r < v.rows; r++)
        for (int64_t c = 0; c < v.cols; c++) {
            double want = kt_host(m, r)[c], d = naive[r * v.cols + c] - want;
            diff += d * d, norm += want * want;
        }
    return norm > 0 ? sqrt(diff / norm) : sqrt(diff);
}
/* NaN fails. 1e-6: eight units of the last place of f32, for sums that the plain program happens to hit exactly. */
static inline void kn_twice(const char *what, kt_mat m, const float *naive)
{
    double round, err = kt_error(m, &round), plain = kn_error(m, naive), most = 2 * plain + 1e-6;
    if (!(err <= most)) fail_msg("%s: error %.3g, the plain program's %.3g, allowed %.3g", what, err, plain, most);
}
/* [rows, cols] zeros, or m's values on the host. */
static inline float *kn_copy(kt_mat m)
{
    pt_view v = kt.m[m].ref;
    float *f = (float *)calloc((size_t)(v.rows * v.cols) + 1, sizeof *f);
    assert_non_null(f);
    for (int64_t r = 0; r < v.rows; r++) memcpy(f + r * v.cols, kt_host(m, r), (size_t)v.cols * sizeof *f);
    return f;
}
/* Stored weights as f32. */
static inline float *kn_dense(kt_mat w)
{
    pt_view v = kt.m[w].ref;
    float *f = (float *)malloc((size_t)(v.rows * v.cols) * sizeof *f + sizeof *f);
    assert_non_null(f);
    assert_int_equal(pt_dequant_rows(v.type, v.buf->base, v.rows, v.cols, f), PT_OK);
    return f;
}
#endif

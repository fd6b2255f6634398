#include <stdlib.h>

#include "base/mem.h"
#include "base/quant.h"
#include "kernels/check_linear.h"
#include "kernels/ref/ref.h"

/* Row o of a weight as floats. */
static pt_status weight_row(pt_view w, int64_t o, float *row)
{
    pt_view one = pt_view_rows(w, o, 1);
    return pt_dequant_rows(w.type, pt_at(one), 1, w.cols, row);
}

pt_status pt_ref_linear(pt_ctx *ctx, const pt_linear_args *a)
{
    pt_status rc = PT_OK;
    float *row = NULL, *bias = NULL;
    PT_TRY(pt_check_linear(ctx, a));
    if (ctx->dry || a->x.rows == 0) goto done;
    PT_TRY(pt_alloc0(&row, a->w.cols));
    PT_TRY(pt_alloc0(&bias, a->w.rows));
    if (pt_view_ok(a->b)) PT_TRY(weight_row(a->b, 0, bias));
    for (int64_t o = 0; o < a->w.rows; o++) {
        PT_TRY(weight_row(a->w, o, row));
        for (int64_t n = 0; n < a->x.rows; n++) {
            const float *x = pt_f32_row(a->x, n);
            float *y = pt_f32_row(a->y, n) + o;
            double s = bias[o];
            for (int64_t i = 0; i < a->w.cols; i++) s += (double)x[i] * row[i];
            *y = (float)(a->beta == 0 ? s : *y + s);
        }
    }
done:
    free(row);
    free(bias);
    return rc;
}

pt_status pt_ref_linear_bwd_x(pt_ctx *ctx, const pt_linear_bwd_x_args *a)
{
    pt_status rc = PT_OK;
    float *row = NULL;
    double *sum = NULL;
    int64_t rows = a->dx.rows, cols = a->w.cols;
    PT_TRY(pt_check_linear_bwd_x(ctx, a));
    if (ctx->dry || rows == 0) goto done;
    PT_TRY(pt_alloc0(&row, cols));
    PT_TRY(pt_alloc0(&sum, rows * cols));
    for (int64_t o = 0; o < a->w.rows; o++) {
        PT_TRY(weight_row(a->w, o, row));
        for (int64_t n = 0; n < rows; n++) {
            double dy = pt_f32_row(a->dy, n)[o];
            for (int64_t i = 0; i < cols; i++) sum[n * cols + i] += dy * row[i];
        }
    }
    for (int64_t n = 0; n < rows; n++) {
        float *dx = pt_f32_row(a->dx, n);
        for (int64_t i = 0; i < cols; i++) dx[i] = (float)(a->beta == 0 ? sum[n * cols + i] : dx[i] + sum[n * cols + i]);
    }
done:
    free(row);
    free(sum);
    return rc;
}

pt_status pt_ref_linear_bwd_w(pt_ctx *ctx, const pt_linear_bwd_w_args *a)
{
    PT_RETURN(pt_check_linear_bwd_w(ctx, a));
    if (ctx->dry) return PT_OK;
    for (int64_t o = 0; o < a->dy.cols; o++) {
        if (pt_view_ok(a->dw)) {
            for (int64_t i = 0; i < a->x.cols; i++) {
                double s = 0;
                for (int64_t n = 0; n < a->dy.rows; n++) s += (double)pt_f32_row(a->dy, n)[o] * pt_f32_row(a->x, n)[i];
                float *dw = pt_f32_row(a->dw, o) + i;
                *dw = (float)(*dw + s);
            }
        }
        if (pt_view_ok(a->db)) {
            double s = 0;
            for (int64_t n = 0; n < a->dy.rows; n++) s += pt_f32_row(a->dy, n)[o];
            pt_f32_at(a->db)[o] = (float)(pt_f32_at(a->db)[o] + s);
        }
    }
    return PT_OK;
}

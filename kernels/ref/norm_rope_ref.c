#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/quant.h"
#include "kernels/check_norm.h"
#include "kernels/ref/ref.h"

/* The weight of all heads plus `plus`, owned. */
static pt_status weight_row(double **out, pt_view w, int dim, float plus)
{
    pt_status rc = PT_OK;
    float *plain = NULL;
    PT_TRY(pt_alloc0(&plain, dim));
    PT_TRY(pt_alloc0(out, dim));
    PT_TRY(pt_dequant_rows(w.type, pt_at(w), 1, dim, plain));
    for (int i = 0; i < dim; i++) (*out)[i] = (double)plain[i] + plus;
done:
    free(plain);
    return rc;
}

/* One head by one token's angles; sign -1: back. */
static void turn(double *v, const float *t, int rot, pt_rope_kind kind, double sign)
{
    for (int i = 0; i < rot / 2; i++) {
        int p = kind == PT_ROPE_HALF ? i : 2 * i, q = kind == PT_ROPE_HALF ? i + rot / 2 : 2 * i + 1;
        double c = t[2 * i], s = sign * t[2 * i + 1], lo = v[p], hi = v[q];
        v[p] = lo * c - hi * s;
        v[q] = hi * c + lo * s;
    }
}

pt_status pt_ref_norm_rope(pt_ctx *ctx, const pt_norm_rope_args *a)
{
    pt_status rc = PT_OK;
    double *w = NULL, v[PT_NORM_ROPE_MOST];
    PT_TRY(pt_check_norm_rope(ctx, a));
    if (ctx->dry || a->x.rows == 0) goto done;
    PT_TRY(weight_row(&w, a->w, a->dim, a->w_add));
    for (int64_t at = 0; at < a->x.rows * a->heads; at++) {
        const int64_t row = at / a->heads, col = at % a->heads * a->dim;
        const float *x = pt_f32_row(a->x, row) + col;
        float *y = pt_f32_row(a->y, row) + col;
        double sum = 0;
        for (int i = 0; i < a->dim; i++) sum += (double)x[i] * x[i];
        double rstd = 1 / sqrt(sum / a->dim + a->eps);
        if (pt_view_ok(a->rstd)) pt_f32_at(a->rstd)[at] = (float)rstd;
        for (int i = 0; i < a->dim; i++) v[i] = x[i] * rstd * w[i];
        turn(v, pt_f32_row(a->table, row), a->rot, a->kind, 1);
        for (int i = 0; i < a->dim; i++) y[i] = (float)v[i];
    }
done:
    free(w);
    return rc;
}

pt_status pt_ref_norm_rope_bwd(pt_ctx *ctx, const pt_norm_rope_bwd_args *a)
{
    pt_status rc = PT_OK;
    double *w = NULL, *dw = NULL, d[PT_NORM_ROPE_MOST];
    PT_TRY(pt_check_norm_rope_bwd(ctx, a));
    if (ctx->dry || a->x.rows == 0) goto done;
    PT_TRY(weight_row(&w, a->w, a->dim, a->w_add));
    PT_TRY(pt_alloc0(&dw, a->dim));
    for (int64_t at = 0; at < a->x.rows * a->heads; at++) {
        const int64_t row = at / a->heads, col = at % a->heads * a->dim;
        const float *x = pt_f32_row(a->x, row) + col, *dy = pt_f32_row(a->dy, row) + col;
        float *dx = pt_f32_row(a->dx, row) + col;
        double rstd = pt_f32_at(a->rstd)[at], mean = 0;
        for (int i = 0; i < a->dim; i++) d[i] = dy[i];
        turn(d, pt_f32_row(a->table, row), a->rot, a->kind, -1);
        for (int i = 0; i < a->dim; i++) mean += d[i] * w[i] * x[i] / a->dim;
        for (int i = 0; i < a->dim; i++) {
            dw[i] += d[i] * x[i] * rstd;
            dx[i] = (float)(rstd * (d[i] * w[i] - x[i] * rstd * rstd * mean));
        }
    }
    for (int i = 0; pt_view_ok(a->dw) && i < a->dim; i++) pt_f32_at(a->dw)[i] = (float)(pt_f32_at(a->dw)[i] + dw[i]);
done:
    free(dw);
    free(w);
    return rc;
}

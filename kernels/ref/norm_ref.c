#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/quant.h"
#include "kernels/check_ops.h"
#include "kernels/ref/ref.h"

/* An owned float copy of a weight row of any stored type. */
static pt_status weight_row(float **out, pt_view w)
{
    PT_RETURN(pt_alloc0(out, w.cols));
    return pt_dequant_rows(w.type, pt_at(w), 1, w.cols, *out);
}

pt_status pt_ref_rmsnorm(pt_ctx *ctx, const pt_rmsnorm_args *a)
{
    pt_status rc = PT_OK;
    float *w = NULL;
    int64_t n = a->x.rows, c = a->x.cols;
    PT_TRY(pt_check_rmsnorm(ctx, a));
    if (ctx->dry || n == 0 || c == 0) goto done;
    PT_TRY(weight_row(&w, a->w));
    for (int64_t r = 0; r < n; r++) {
        float *h = pt_f32_row(a->x, r);
        if (pt_view_ok(a->add)) {
            const float *x = h, *add = pt_f32_row(a->add, r);
            h = pt_f32_row(a->h, r);
            for (int64_t i = 0; i < c; i++) h[i] = x[i] + add[i];
        }
        double sum = 0;
        for (int64_t i = 0; i < c; i++) sum += (double)h[i] * h[i];
        double rstd = 1 / sqrt(sum / (double)c + a->eps);
        if (pt_view_ok(a->rstd)) pt_f32_at(a->rstd)[r] = (float)rstd;
        if (!pt_view_ok(a->y)) continue;
        float *y = pt_f32_row(a->y, r);
        for (int64_t i = 0; i < c; i++) y[i] = (float)(h[i] * rstd * w[i]);
    }
done:
    free(w);
    return rc;
}

pt_status pt_ref_rmsnorm_bwd(pt_ctx *ctx, const pt_rmsnorm_bwd_args *a)
{
    pt_status rc = PT_OK;
    float *w = NULL;
    double *dw = NULL;
    int64_t n = a->dy.rows, c = a->dy.cols;
    PT_TRY(pt_check_rmsnorm_bwd(ctx, a));
    if (ctx->dry || n == 0 || c == 0) goto done;
    PT_TRY(weight_row(&w, a->w));
    PT_TRY(pt_alloc0(&dw, c));
    for (int64_t r = 0; r < n; r++) {
        const float *dy = pt_f32_row(a->dy, r), *h = pt_f32_row(a->h, r);
        const float *dres = pt_view_ok(a->dres) ? pt_f32_row(a->dres, r) : NULL;
        float *dx = pt_f32_row(a->dx, r);
        double rstd = pt_f32_at(a->rstd)[r], mean = 0;
        for (int64_t i = 0; i < c; i++) mean += (double)dy[i] * w[i] * h[i];
        mean /= (double)c;
        for (int64_t i = 0; i < c; i++) {
            dw[i] += (double)dy[i] * h[i] * rstd;
            double d = rstd * ((double)dy[i] * w[i] - h[i] * rstd * rstd * mean);
            dx[i] = (float)(dres ? d + dres[i] : d);
        }
    }
    if (pt_view_ok(a->dw))
        for (int64_t i = 0; i < c; i++) pt_f32_at(a->dw)[i] = (float)(pt_f32_at(a->dw)[i] + dw[i]);
done:
    free(dw);
    free(w);
    return rc;
}

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/quant.h"
#include "kernels/check_norm.h"
#include "kernels/ref/ref.h"

/* An owned float copy of a weight row of any stored type; `absent` everywhere where there is none. */
static pt_status weight_row(float **out, pt_view w, int64_t c, float absent)
{
    PT_RETURN(pt_alloc0(out, c));
    if (pt_view_ok(w)) return pt_dequant_rows(w.type, pt_at(w), 1, c, *out);
    for (int64_t i = 0; i < c; i++) (*out)[i] = absent;
    return PT_OK;
}

/* Row r of what is normalised: x, or h = x + scale * add. */
static const float *summed_row(pt_view x, pt_view add, pt_view h, float scale, int64_t r)
{
    const float *px = pt_f32_row(x, r);
    if (!pt_view_ok(add)) return px;
    const float *branch = pt_f32_row(add, r);
    float *sum = pt_f32_row(h, r);
    double k = scale == 0 ? 1 : (double)scale;
    for (int64_t i = 0; i < x.cols; i++) sum[i] = (float)(px[i] + k * branch[i]);
    return sum;
}

static void add_row(pt_view dw, const double *sums)
{
    if (!pt_view_ok(dw)) return;
    for (int64_t i = 0; i < dw.cols; i++) pt_f32_at(dw)[i] = (float)(pt_f32_at(dw)[i] + sums[i]);
}

pt_status pt_ref_rmsnorm(pt_ctx *ctx, const pt_rmsnorm_args *a)
{
    pt_status rc = PT_OK;
    float *w = NULL;
    int64_t n = a->x.rows, c = a->x.cols;
    PT_TRY(pt_check_rmsnorm(ctx, a));
    if (ctx->dry || n == 0 || c == 0) goto done;
    PT_TRY(weight_row(&w, a->w, c, 1));
    for (int64_t r = 0; r < n; r++) {
        const float *h = summed_row(a->x, a->add, a->h, a->add_scale, r);
        double sum = 0;
        for (int64_t i = 0; i < c; i++) sum += (double)h[i] * h[i];
        double rstd = 1 / sqrt(sum / (double)c + a->eps);
        if (pt_view_ok(a->rstd)) pt_f32_at(a->rstd)[r] = (float)rstd;
        if (!pt_view_ok(a->y)) continue;
        float *y = pt_f32_row(a->y, r);
        for (int64_t i = 0; i < c; i++) y[i] = (float)(h[i] * rstd * ((double)w[i] + a->w_add));
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
    PT_TRY(weight_row(&w, a->w, c, 1));
    PT_TRY(pt_alloc0(&dw, c));
    for (int64_t r = 0; r < n; r++) {
        const float *dy = pt_f32_row(a->dy, r), *h = pt_f32_row(a->h, r);
        const float *dres = pt_view_ok(a->dres) ? pt_f32_row(a->dres, r) : NULL;
        float *dx = pt_f32_row(a->dx, r);
        double rstd = pt_f32_at(a->rstd)[r], mean = 0;
        for (int64_t i = 0; i < c; i++) mean += dy[i] * ((double)w[i] + a->w_add) * h[i];
        mean /= (double)c;
        for (int64_t i = 0; i < c; i++) {
            dw[i] += (double)dy[i] * h[i] * rstd;
            double d = rstd * (dy[i] * ((double)w[i] + a->w_add) - h[i] * rstd * rstd * mean);
            dx[i] = (float)(dres ? d + dres[i] : d);
        }
    }
    add_row(a->dw, dw);
done:
    free(dw);
    free(w);
    return rc;
}

pt_status pt_ref_layernorm(pt_ctx *ctx, const pt_layernorm_args *a)
{
    pt_status rc = PT_OK;
    float *w = NULL, *b = NULL;
    int64_t n = a->x.rows, c = a->x.cols;
    PT_TRY(pt_check_layernorm(ctx, a));
    if (ctx->dry || n == 0 || c == 0) goto done;
    PT_TRY(weight_row(&w, a->w, c, 1));
    PT_TRY(weight_row(&b, a->b, c, 0));
    for (int64_t r = 0; r < n; r++) {
        const float *h = summed_row(a->x, a->add, a->h, a->add_scale, r);
        double mean = 0, sum = 0;
        for (int64_t i = 0; i < c; i++) mean += h[i];
        mean /= (double)c;
        for (int64_t i = 0; i < c; i++) sum += (h[i] - mean) * (h[i] - mean);
        double rstd = 1 / sqrt(sum / (double)c + a->eps);
        if (pt_view_ok(a->mean)) pt_f32_at(a->mean)[r] = (float)mean;
        if (pt_view_ok(a->rstd)) pt_f32_at(a->rstd)[r] = (float)rstd;
        if (!pt_view_ok(a->y)) continue;
        float *y = pt_f32_row(a->y, r);
        for (int64_t i = 0; i < c; i++) y[i] = (float)((h[i] - mean) * rstd * w[i] + b[i]);
    }
done:
    free(b);
    free(w);
    return rc;
}

pt_status pt_ref_layernorm_bwd(pt_ctx *ctx, const pt_layernorm_bwd_args *a)
{
    pt_status rc = PT_OK;
    float *w = NULL;
    double *dw = NULL, *db = NULL;
    int64_t n = a->dy.rows, c = a->dy.cols;
    PT_TRY(pt_check_layernorm_bwd(ctx, a));
    if (ctx->dry || n == 0 || c == 0) goto done;
    PT_TRY(weight_row(&w, a->w, c, 1));
    PT_TRY(pt_alloc0(&dw, c));
    PT_TRY(pt_alloc0(&db, c));
    for (int64_t r = 0; r < n; r++) {
        const float *dy = pt_f32_row(a->dy, r), *h = pt_f32_row(a->h, r);
        const float *dres = pt_view_ok(a->dres) ? pt_f32_row(a->dres, r) : NULL;
        float *dx = pt_f32_row(a->dx, r);
        double mean = pt_f32_at(a->mean)[r], rstd = pt_f32_at(a->rstd)[r], plain = 0, along = 0;
        for (int64_t i = 0; i < c; i++) {
            plain += (double)dy[i] * w[i];
            along += (double)dy[i] * w[i] * (h[i] - mean) * rstd;
        }
        plain /= (double)c, along /= (double)c;
        for (int64_t i = 0; i < c; i++) {
            double xhat = (h[i] - mean) * rstd, d = rstd * ((double)dy[i] * w[i] - plain - xhat * along);
            dw[i] += dy[i] * xhat;
            db[i] += dy[i];
            dx[i] = (float)(dres ? d + dres[i] : d);
        }
    }
    add_row(a->dw, dw);
    add_row(a->db, db);
done:
    free(db);
    free(dw);
    free(w);
    return rc;
}

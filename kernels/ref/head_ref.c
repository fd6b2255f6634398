#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/quant.h"
#include "kernels/check_linear.h"
#include "kernels/ref/ref.h"

/* One head position: raw[v] = x.w_v, z[v] = what the softmax sees. */
static void logits(const pt_head_args *a, const float *w, int64_t h, double *raw, double *z)
{
    const float *x = pt_f32_row(a->x, h);
    for (int64_t v = 0; v < a->w.rows; v++) {
        double s = 0;
        for (int64_t c = 0; c < a->w.cols; c++) s += (double)x[c] * w[v * a->w.cols + c];
        raw[v] = s;
        z[v] = (a->softcap > 0 ? a->softcap * tanh(s / a->softcap) : s) / a->temperature;
    }
}

static double statistics(const pt_head_args *a, int64_t h, const double *z)
{
    int64_t best = 0;
    double sum = 0, mean = 0;
    for (int64_t v = 1; v < a->w.rows; v++)
        if (z[v] > z[best]) best = v;
    for (int64_t v = 0; v < a->w.rows; v++) sum += exp(z[v] - z[best]);
    double lse = z[best] + log(sum);
    for (int64_t v = 0; v < a->w.rows; v++) mean += exp(z[v] - lse) * z[v];
    if (pt_view_ok(a->lse)) pt_f32_at(a->lse)[h] = (float)lse;
    if (pt_view_ok(a->entropy)) pt_f32_at(a->entropy)[h] = (float)(lse - mean);
    if (pt_view_ok(a->argmax)) ((int32_t *)pt_at(a->argmax))[h] = (int32_t)best;
    return lse;
}

/* raw becomes dL/draw; then dx, and dw's sum over the rows. */
static void backward(const pt_head_args *a, const float *w, int64_t h, const int64_t *range, double lse, double *raw, const double *z, double *dw)
{
    const float *dlogp = pt_f32_at(a->dlogp), *x = pt_f32_row(a->x, h);
    const int32_t *target = pt_at(a->row_target);
    int64_t cols = a->w.cols;
    double total = 0;
    for (int64_t m = range[0]; m < range[1]; m++) total += dlogp[m];
    for (int64_t v = 0; v < a->w.rows; v++) {
        double d = -total * exp(z[v] - lse), t = a->softcap > 0 ? tanh(raw[v] / a->softcap) : 0;
        for (int64_t m = range[0]; m < range[1]; m++)
            if (target[m] == v) d += dlogp[m];
        raw[v] = d / a->temperature * (1 - t * t);
    }
    for (int64_t c = 0; pt_view_ok(a->dx) && c < cols; c++) {
        double s = 0;
        for (int64_t v = 0; v < a->w.rows; v++) s += raw[v] * w[v * cols + c];
        pt_f32_row(a->dx, h)[c] = (float)s;
    }
    for (int64_t v = 0; dw && v < a->w.rows; v++)
        for (int64_t c = 0; c < cols; c++) dw[v * cols + c] += raw[v] * x[c];
}

pt_status pt_ref_head(pt_ctx *ctx, const pt_head_args *a)
{
    pt_status rc = PT_OK;
    float *w = NULL;
    double *raw = NULL, *z = NULL, *dw = NULL;
    int64_t range[2] = {0, 0}, rows = pt_view_ok(a->row_head) ? a->row_head.cols : 0;
    PT_TRY(pt_check_head(ctx, a));
    if (ctx->dry || a->x.rows == 0) goto done;
    PT_TRY(pt_alloc0(&w, a->w.rows * a->w.cols));
    PT_TRY(pt_alloc0(&raw, a->w.rows));
    PT_TRY(pt_alloc0(&z, a->w.rows));
    if (pt_view_ok(a->dw)) PT_TRY(pt_alloc0(&dw, a->w.rows * a->w.cols));
    PT_TRY(pt_dequant_rows(a->w.type, pt_at(a->w), a->w.rows, a->w.cols, w));
    for (int64_t h = 0; h < a->x.rows; h++) {
        logits(a, w, h, raw, z);
        for (int64_t v = 0; pt_view_ok(a->logits) && v < a->w.rows; v++) pt_f32_row(a->logits, h)[v] = (float)z[v];
        if (!pt_head_more(a)) continue;
        double lse = statistics(a, h, z);
        const int32_t *head = rows ? pt_at(a->row_head) : NULL, *target = rows ? pt_at(a->row_target) : NULL;
        for (range[0] = range[1]; range[1] < rows && head[range[1]] == h; range[1]++) {
            int32_t t = target[range[1]];
            PT_CHECK(t >= 0 && t < a->w.rows, PT_ESHAPE, "head: row %lld has target %d of %lld", (long long)range[1], t, (long long)a->w.rows);
            if (pt_view_ok(a->logp)) pt_f32_at(a->logp)[range[1]] = (float)(z[t] - lse);
        }
        if (pt_view_ok(a->dx) || pt_view_ok(a->dw)) backward(a, w, h, range, lse, raw, z, dw);
    }
    for (int64_t v = 0; dw && v < a->w.rows; v++)
        for (int64_t c = 0; c < a->w.cols; c++) pt_f32_row(a->dw, v)[c] = (float)(pt_f32_row(a->dw, v)[c] + dw[v * a->w.cols + c]);
    PT_CHECK(range[1] == rows || !pt_head_more(a), PT_ESHAPE, "head: row_head[%lld] is not ascending or not below %lld", (long long)range[1], (long long)a->x.rows);
done:
    free(w);
    free(raw);
    free(z);
    free(dw);
    return rc;
}

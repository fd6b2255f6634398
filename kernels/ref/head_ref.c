#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/quant.h"
#include "kernels/check_linear.h"
#include "kernels/ref/ref.h"

/* One head position with hidden states x: raw[v] = x.w_v, z[v] = what the softmax sees. */
static void logits(const pt_head_args *a, const float *w, const float *x, double *raw, double *z)
{
    for (int64_t v = 0; v < a->w.rows; v++) {
        double s = 0;
        for (int64_t c = 0; c < a->w.cols; c++) s += (double)x[c] * w[v * a->w.cols + c];
        raw[v] = s;
        z[v] = (a->softcap > 0 ? a->softcap * tanh(s / a->softcap) : s) / a->temperature;
    }
}

/* Sums over the vocabulary of one head position. */
typedef struct over_vocabulary {
    double lse, entropy, squares, kl;
    const double *lq; /* [V] log q, NULL without a reference */
} over_vocabulary;

static over_vocabulary statistics(const pt_head_args *a, int64_t h, const double *z, const double *lq)
{
    int64_t best = 0;
    double sum = 0, mean = 0;
    over_vocabulary s = {.lq = lq};
    for (int64_t v = 1; v < a->w.rows; v++)
        if (z[v] > z[best]) best = v;
    for (int64_t v = 0; v < a->w.rows; v++) sum += exp(z[v] - z[best]);
    s.lse = z[best] + log(sum);
    for (int64_t v = 0; v < a->w.rows; v++) {
        double lp = z[v] - s.lse, p = exp(lp);
        mean += p * z[v];
        s.squares += p * p;
        if (lq) s.kl += a->kl_reverse ? exp(lq[v]) * (lq[v] - lp) : p * (lp - lq[v]);
    }
    s.entropy = s.lse - mean;
    if (pt_view_ok(a->lse)) pt_f32_at(a->lse)[h] = (float)s.lse;
    if (pt_view_ok(a->entropy)) pt_f32_at(a->entropy)[h] = (float)s.entropy;
    if (pt_view_ok(a->log_squares)) pt_f32_at(a->log_squares)[h] = (float)log(s.squares);
    if (pt_view_ok(a->kl)) pt_f32_at(a->kl)[h] = (float)s.kl;
    if (pt_view_ok(a->argmax)) ((int32_t *)pt_at(a->argmax))[h] = (int32_t)best;
    return s;
}

/* log q of the reference at head position h. */
static void reference(const pt_head_args *a, const float *w, int64_t h, double *raw, double *lq)
{
    double top, sum = 0;
    logits(a, w, pt_f32_row(a->xr, h), raw, lq);
    top = lq[0];
    for (int64_t v = 1; v < a->w.rows; v++) top = lq[v] > top ? lq[v] : top;
    for (int64_t v = 0; v < a->w.rows; v++) sum += exp(lq[v] - top);
    double lse = top + log(sum);
    for (int64_t v = 0; v < a->w.rows; v++) lq[v] -= lse;
}

static double slope(pt_view d, int64_t h)
{
    return pt_view_ok(d) ? pt_f32_at(d)[h] : 0;
}

/* What the sums over the vocabulary add to dL/dz of token v. */
static double sums_grad(const pt_head_args *a, int64_t h, const over_vocabulary *s, int64_t v, double lp)
{
    double p = exp(lp), d = slope(a->dentropy, h) * -p * (lp + s->entropy) + slope(a->dlog_squares, h) * 2 * p * (p / s->squares - 1);
    if (!s->lq) return d;
    return d + slope(a->dkl, h) * (a->kl_reverse ? p - exp(s->lq[v]) : p * (lp - s->lq[v] - s->kl));
}

/* raw becomes dL/draw; then dx, and dw's sum over the rows. */
static void backward(const pt_head_args *a, const float *w, int64_t h, const int64_t *range, const over_vocabulary *s, double *raw, const double *z, double *dw)
{
    const float *dlogp = pt_f32_at(a->dlogp), *x = pt_f32_row(a->x, h);
    const int32_t *target = pt_at(a->row_target);
    int64_t cols = a->w.cols;
    double total = 0;
    for (int64_t m = range[0]; m < range[1]; m++) total += dlogp[m];
    for (int64_t v = 0; v < a->w.rows; v++) {
        double d = -total * exp(z[v] - s->lse) + sums_grad(a, h, s, v, z[v] - s->lse), t = a->softcap > 0 ? tanh(raw[v] / a->softcap) : 0;
        for (int64_t m = range[0]; m < range[1]; m++)
            if (target[m] == v) d += dlogp[m];
        raw[v] = d / a->temperature * (1 - t * t);
    }
    for (int64_t c = 0; pt_view_ok(a->dx) && c < cols; c++) {
        double sum = 0;
        for (int64_t v = 0; v < a->w.rows; v++) sum += raw[v] * w[v * cols + c];
        pt_f32_row(a->dx, h)[c] = (float)sum;
    }
    for (int64_t v = 0; dw && v < a->w.rows; v++)
        for (int64_t c = 0; c < cols; c++) dw[v * cols + c] += raw[v] * x[c];
}

pt_status pt_ref_head(pt_ctx *ctx, const pt_head_args *a)
{
    pt_status rc = PT_OK;
    float *w = NULL;
    double *raw = NULL, *z = NULL, *lq = NULL, *dw = NULL;
    int64_t range[2] = {0, 0}, rows = pt_view_ok(a->row_head) ? a->row_head.cols : 0;
    PT_TRY(pt_check_head(ctx, a));
    if (ctx->dry || a->x.rows == 0) goto done;
    PT_TRY(pt_alloc0(&w, a->w.rows * a->w.cols));
    PT_TRY(pt_alloc0(&raw, a->w.rows));
    PT_TRY(pt_alloc0(&z, a->w.rows));
    if (pt_head_reference(a)) PT_TRY(pt_alloc0(&lq, a->w.rows));
    if (pt_view_ok(a->dw)) PT_TRY(pt_alloc0(&dw, a->w.rows * a->w.cols));
    PT_TRY(pt_dequant_rows(a->w.type, pt_at(a->w), a->w.rows, a->w.cols, w));
    for (int64_t h = 0; h < a->x.rows; h++) {
        if (lq) reference(a, w, h, raw, lq);
        logits(a, w, pt_f32_row(a->x, h), raw, z);
        for (int64_t v = 0; pt_view_ok(a->logits) && v < a->w.rows; v++) pt_f32_row(a->logits, h)[v] = (float)z[v];
        if (!pt_head_more(a)) continue;
        over_vocabulary s = statistics(a, h, z, lq);
        const int32_t *head = rows ? pt_at(a->row_head) : NULL, *target = rows ? pt_at(a->row_target) : NULL;
        for (range[0] = range[1]; range[1] < rows && head[range[1]] == h; range[1]++) {
            int32_t t = target[range[1]];
            PT_CHECK(t >= 0 && t < a->w.rows, PT_ESHAPE, "head: row %lld has target %d of %lld", (long long)range[1], t, (long long)a->w.rows);
            if (pt_view_ok(a->logp)) pt_f32_at(a->logp)[range[1]] = (float)(z[t] - s.lse);
        }
        if (pt_view_ok(a->dx) || pt_view_ok(a->dw)) backward(a, w, h, range, &s, raw, z, dw);
    }
    for (int64_t v = 0; dw && v < a->dw.rows; v++)
        for (int64_t c = 0; c < a->w.cols; c++) pt_f32_row(a->dw, v)[c] = (float)(pt_f32_row(a->dw, v)[c] + dw[(a->dw_first + v) * a->w.cols + c]);
    PT_CHECK(range[1] == rows || !pt_head_more(a), PT_ESHAPE, "head: row_head[%lld] is not ascending or not below %lld", (long long)range[1], (long long)a->x.rows);
done:
    free(w);
    free(raw);
    free(z);
    free(lq);
    free(dw);
    return rc;
}

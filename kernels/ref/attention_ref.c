#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "kernels/check_ops.h"
#include "kernels/forest.h"
#include "kernels/ref/ref.h"

pt_status pt_ref_forest_new(pt_ctx *ctx, pt_forest **out, const pt_forest_caps *caps)
{
    return pt_forest_host_new(out, caps);
}

pt_status pt_ref_forest_set(pt_ctx *ctx, pt_forest *f, const pt_forest_desc *d)
{
    return pt_forest_host_set(f, d);
}

size_t pt_ref_forest_bytes(pt_ctx *ctx, const pt_forest_caps *caps)
{
    return pt_forest_host_bytes(caps);
}

void pt_ref_forest_free(pt_ctx *ctx, pt_forest *f)
{
    pt_forest_host_free(f);
}

/* What makes scores of dot products in one head. */
typedef struct bend {
    double scale, softcap, slope;
} bend;

static bend bend_of(float scale, float softcap, pt_view slopes, int h)
{
    return (bend){scale, softcap, pt_view_ok(slopes) ? pt_f32_at(slopes)[h] : 0};
}

/* far: position(i) - position(j). *by_dot (where wanted): ds / d(scale * dot). */
static double score(const bend *b, double dot, int32_t far, double *by_dot)
{
    double s = dot * b->scale, t = b->softcap > 0 ? tanh(s / b->softcap) : 0;
    if (b->softcap > 0) s = b->softcap * t;
    if (by_dot) *by_dot = 1 - t * t;
    return s - b->slope * far;
}

/* One query row of one head: p[j] for every visible j (0 elsewhere), and the log-sum. */
static double probabilities(const pt_forest *f, int32_t i, const float *q, const float *k, int64_t ld, int dim, const bend *b,
                            double *p)
{
    double max = -INFINITY, sum = 0;
    for (int32_t j = 0; j <= i; j++) {
        p[j] = 0;
        if (!pt_forest_sees(f, i, j)) continue;
        for (int d = 0; d < dim; d++) p[j] += (double)q[d] * k[j * ld + d];
        p[j] = score(b, p[j], f->positions[i] - f->positions[j], NULL);
        if (p[j] > max) max = p[j];
    }
    for (int32_t j = 0; j <= i; j++) sum += pt_forest_sees(f, i, j) ? exp(p[j] - max) : 0;
    double lse = max + log(sum);
    for (int32_t j = 0; j <= i; j++) p[j] = pt_forest_sees(f, i, j) ? exp(p[j] - lse) : 0;
    return lse;
}

pt_status pt_ref_attention(pt_ctx *ctx, const pt_attention_args *a)
{
    pt_status rc = PT_OK;
    double *p = NULL;
    int32_t n = (int32_t)a->q.rows;
    int dim = a->dim;
    PT_TRY(pt_check_attention(ctx, a));
    if (ctx->dry || n == 0) goto done;
    PT_TRY(pt_alloc0(&p, n));
    for (int h = 0; h < a->n_heads; h++) {
        int kv = h / (a->n_heads / a->n_kv);
        const float *k = pt_f32_at(a->k) + (int64_t)kv * dim, *v = pt_f32_at(a->v) + (int64_t)kv * dim;
        bend b = bend_of(a->scale, a->softcap, a->slopes, h);
        for (int32_t i = 0; i < n; i++) {
            double lse = probabilities(a->forest, i, pt_f32_row(a->q, i) + (int64_t)h * dim, k, a->k.ld, dim, &b, p);
            if (pt_view_ok(a->lse)) pt_f32_row(a->lse, h)[i] = (float)lse;
            for (int d = 0; d < dim; d++) {
                double o = 0;
                for (int32_t j = 0; j <= i; j++) o += p[j] != 0 ? p[j] * v[j * a->v.ld + d] : 0;
                pt_f32_row(a->o, i)[(int64_t)h * dim + d] = (float)o;
            }
        }
    }
done:
    free(p);
    return rc;
}

/* One query row of one head: adds to dk and dv, writes dq. dk, dv: [n, dim] of the KV head. */
static void row_bwd(const pt_attention_bwd_args *a, int h, int32_t i, double *p, double *dk, double *dv)
{
    int dim = a->dim, kv = h / (a->n_heads / a->n_kv);
    int64_t at = (int64_t)h * dim, kat = (int64_t)kv * dim;
    const float *q = pt_f32_row(a->q, i) + at, *out = pt_f32_row(a->o, i) + at, *dout = pt_f32_row(a->dout, i) + at;
    double lse = pt_f32_row(a->lse, h)[i], delta = 0;
    bend b = bend_of(a->scale, a->softcap, a->slopes, h);
    for (int d = 0; d < dim; d++) delta += (double)dout[d] * out[d];
    for (int32_t j = 0; j <= i; j++) {
        if (!pt_forest_sees(a->forest, i, j)) continue;
        const float *k = pt_f32_row(a->k, j) + kat, *v = pt_f32_row(a->v, j) + kat;
        double s = 0, dp = 0, by_dot;
        for (int d = 0; d < dim; d++) {
            s += (double)q[d] * k[d];
            dp += (double)dout[d] * v[d];
        }
        double pj = exp(score(&b, s, a->forest->positions[i] - a->forest->positions[j], &by_dot) - lse);
        p[j] = pj * (dp - delta) * by_dot * a->scale;
        for (int d = 0; d < dim; d++) {
            dk[(int64_t)j * dim + d] += p[j] * q[d];
            dv[(int64_t)j * dim + d] += pj * dout[d];
        }
    }
    for (int d = 0; d < dim; d++) {
        double dq = 0;
        for (int32_t j = 0; j <= i; j++) dq += pt_forest_sees(a->forest, i, j) ? p[j] * pt_f32_row(a->k, j)[kat + d] : 0;
        pt_f32_row(a->dq, i)[at + d] = (float)dq;
    }
}

pt_status pt_ref_attention_bwd(pt_ctx *ctx, const pt_attention_bwd_args *a)
{
    pt_status rc = PT_OK;
    double *p = NULL, *dk = NULL, *dv = NULL;
    int32_t n = (int32_t)a->q.rows;
    int dim = a->dim;
    PT_TRY(pt_check_attention_bwd(ctx, a));
    if (ctx->dry || n == 0) goto done;
    PT_TRY(pt_alloc0(&p, n));
    PT_TRY(pt_alloc0(&dk, (size_t)n * (size_t)dim));
    PT_TRY(pt_alloc0(&dv, (size_t)n * (size_t)dim));
    for (int kv = 0; kv < a->n_kv; kv++) {
        int group = a->n_heads / a->n_kv;
        for (int64_t e = 0; e < (int64_t)n * dim; e++) dk[e] = dv[e] = 0;
        for (int h = kv * group; h < (kv + 1) * group; h++)
            for (int32_t i = 0; i < n; i++) row_bwd(a, h, i, p, dk, dv);
        for (int32_t j = 0; j < n; j++)
            for (int d = 0; d < dim; d++) {
                pt_f32_row(a->dk, j)[(int64_t)kv * dim + d] = (float)dk[(int64_t)j * dim + d];
                pt_f32_row(a->dv, j)[(int64_t)kv * dim + d] = (float)dv[(int64_t)j * dim + d];
            }
    }
done:
    free(dv);
    free(dk);
    free(p);
    return rc;
}

/* The cache row of position j of row b. */
static int64_t cache_row(const pt_decode_args *a, int64_t b, int32_t j)
{
    if (!pt_view_ok(a->spans)) return b * a->max_len + j;
    const int32_t *s = (const int32_t *)pt_at(a->spans) + b * a->spans.ld;
    for (; j >= s[1]; s += 2) j -= s[1];
    return s[0] + j;
}

static void decode_row(const pt_decode_args *a, int64_t b, int h, int32_t len, double *p)
{
    int dim = a->dim, kv = h / (a->n_heads / a->n_kv);
    int32_t start = a->window > 0 && len > a->window ? len - a->window : 0;
    const float *q = pt_f32_row(a->q, b) + (int64_t)h * dim;
    bend by = bend_of(a->scale, a->softcap, a->slopes, h);
    double max = -INFINITY, sum = 0;
    for (int32_t j = start; j < len; j++) {
        const float *k = pt_f32_row(a->k, cache_row(a, b, j)) + (int64_t)kv * dim;
        p[j] = 0;
        for (int d = 0; d < dim; d++) p[j] += (double)q[d] * k[d];
        p[j] = score(&by, p[j], len - 1 - j, NULL);
        if (p[j] > max) max = p[j];
    }
    for (int32_t j = start; j < len; j++) sum += p[j] = exp(p[j] - max);
    for (int d = 0; d < dim; d++) {
        double o = 0;
        for (int32_t j = start; j < len; j++) o += p[j] / sum * pt_f32_row(a->v, cache_row(a, b, j))[(int64_t)kv * dim + d];
        pt_f32_row(a->o, b)[(int64_t)h * dim + d] = (float)o;
    }
}

pt_status pt_ref_decode_attention(pt_ctx *ctx, const pt_decode_args *a)
{
    pt_status rc = PT_OK;
    double *p = NULL;
    PT_TRY(pt_check_decode(ctx, a));
    if (ctx->dry || a->q.rows == 0) goto done;
    PT_TRY(pt_alloc0(&p, a->max_len));
    for (int64_t b = 0; b < a->q.rows; b++)
        for (int h = 0; h < a->n_heads; h++) decode_row(a, b, h, ((const int32_t *)pt_at(a->lens))[b], p);
done:
    free(p);
    return rc;
}

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/rng.h"
#include "kernels/check_ops.h"
#include "kernels/ref/ref.h"

typedef struct candidate {
    double z;
    int32_t id;
} candidate;

static int by_logit(const void *pa, const void *pb)
{
    const candidate *a = pa, *b = pb;
    if (a->z != b->z) return a->z > b->z ? -1 : 1;
    return a->id < b->id ? -1 : a->id > b->id;
}

/* The penalty falls on a token once, however often it was seen. */
static void penalise(double *z, int64_t v, const int32_t *seen, int64_t n, double r, unsigned char *done)
{
    for (int64_t i = 0; i < n; i++) {
        int32_t t = seen[i];
        if (t < 0 || t >= v || done[t]) continue;
        done[t] = 1;
        z[t] = z[t] > 0 ? z[t] / r : z[t] * r;
    }
}

/* How many of the sorted candidates stay: top-k, then top-p of what is left, then min-p. p: [v] exp(z - max). */
static int64_t filter(const pt_sample_args *a, const double *p, int64_t v)
{
    int64_t keep = a->top_k > 0 && a->top_k < v ? a->top_k : v;
    double total = 0, mass = 0;
    for (int64_t i = 0; i < keep; i++) total += p[i];
    if (a->top_p < 1) {
        int64_t n = 0;
        while (n < keep && (n == 0 || mass < a->top_p * total)) mass += p[n++];
        keep = n;
    }
    if (a->min_p > 0)
        while (keep > 1 && p[keep - 1] < a->min_p) keep--;
    return keep;
}

static void sample_row(const pt_sample_args *a, int64_t b, double *p, candidate *c, unsigned char *mark)
{
    int64_t v = a->logits.cols;
    const float *z = pt_f32_row(a->logits, b);
    int32_t *out = (int32_t *)pt_at(a->token) + b;
    *out = -1;
    for (int64_t i = 0; i < v; i++) {
        if (isnan(z[i]) || z[i] == INFINITY) return;
        p[i] = z[i];
        mark[i] = 0;
    }
    if (pt_view_ok(a->seen))
        penalise(p, v, (const int32_t *)pt_at(a->seen) + b * a->seen.ld, a->seen.cols, a->repetition_penalty, mark);
    for (int64_t i = 0; i < v; i++) c[i] = (candidate){p[i], (int32_t)i};
    qsort(c, (size_t)v, sizeof *c, by_logit);
    if (c[0].z == -INFINITY) return;
    *out = c[0].id;
    if (a->temperature <= 0) return;
    for (int64_t i = 0; i < v; i++) p[i] = exp(c[i].z - c[0].z);
    int64_t keep = filter(a, p, v);
    double total = 0, sum = 0;
    for (int64_t i = 0; i < keep; i++) p[i] = exp((c[i].z - c[0].z) / a->temperature);
    for (int64_t i = 0; i < keep; i++) total += p[i];
    double u = pt_rng_unit(pt_rng_words(a->seed, PT_RNG_SAMPLE, a->stream[b], a->position[b]).v[0]);
    for (int64_t i = 0; i < keep; i++) {
        sum += p[i];
        *out = c[i].id;
        if (u * total < sum) break;
    }
}

pt_status pt_ref_sample(pt_ctx *ctx, const pt_sample_args *a)
{
    pt_status rc = PT_OK;
    double *p = NULL;
    candidate *c = NULL;
    unsigned char *mark = NULL;
    PT_TRY(pt_check_sample(ctx, a));
    if (ctx->dry) goto done;
    PT_TRY(pt_alloc0(&p, a->logits.cols));
    PT_TRY(pt_alloc0(&c, a->logits.cols));
    PT_TRY(pt_alloc0(&mark, a->logits.cols));
    for (int64_t b = 0; b < a->logits.rows; b++) sample_row(a, b, p, c, mark);
done:
    free(mark);
    free(c);
    free(p);
    return rc;
}

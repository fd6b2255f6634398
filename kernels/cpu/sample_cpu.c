/* Sampling without sorting the vocabulary: candidates are the tokens within a widening distance of the largest logit, until
 * they hold all that the filters can keep or the draw can reach; only those are ordered. */
#include <float.h>
#include <math.h>
#include <omp.h>
#include <stdlib.h>

#include "base/rng.h"
#include "kernels/check_ops.h"
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/decode_v.h"

typedef struct candidate {
    float z;
    int32_t id;
} candidate;

typedef struct sampler {
    const pt_sample_args *a;
    float *z;
    int64_t v;
    candidate *c; /* [v] */
    int32_t *ids; /* [v] */
    float max;
    float t;      /* of what is collected: the filters are before the temperature */
    double total; /* mass of what top-k leaves at t */
} sampler;

static int by_logit(const void *pa, const void *pb)
{
    const candidate *a = pa, *b = pb;
    if (a->z != b->z) return a->z > b->z ? -1 : 1;
    return a->id < b->id ? -1 : a->id > b->id;
}

/* In units of the largest. t: 1 for the filters, the temperature for the draw. */
static double mass_of(const sampler *s, float z, float t)
{
    return exp(((double)z - s->max) / t);
}

static double mass_of_first(const sampler *s, int64_t n, float t)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += mass_of(s, s->c[i].z, t);
    return sum;
}

/* Once per token: all old values are read before the first is written. old: [n]. */
static void penalise(float *z, int64_t v, const int32_t *seen, int64_t n, float r, float *old)
{
    for (int64_t i = 0; i < n; i++) old[i] = seen[i] >= 0 && seen[i] < v ? z[seen[i]] : 0;
    for (int64_t i = 0; i < n; i++)
        if (seen[i] >= 0 && seen[i] < v) z[seen[i]] = old[i] > 0 ? old[i] / r : old[i] * r;
}

/* Puts the k largest first (in any order); returns the k-th's logit. Hoare's selection. */
static float select_top(candidate *c, int64_t n, int64_t k)
{
    int64_t lo = 0, hi = n - 1;
    while (lo < hi) {
        float pivot = c[lo + (hi - lo) / 2].z;
        int64_t i = lo, j = hi;
        while (i <= j) {
            while (c[i].z > pivot) i++;
            while (c[j].z < pivot) j--;
            if (i <= j) {
                candidate t = c[i];
                c[i++] = c[j];
                c[j--] = t;
            }
        }
        if (k - 1 <= j)
            hi = j;
        else if (k - 1 >= i)
            lo = i;
        else
            break;
    }
    return c[k - 1].z;
}

/* Fills c with the candidates, largest first; returns how many. u: the draw. */
static int64_t collect(sampler *s, float u)
{
    const pt_sample_args *a = s->a;
    bool by_count = a->top_k > 0 && a->top_k < s->v;
    double want = 0;
    if (!by_count) {
        s->total = PT_PICK(pt_sample_mass)(s->z, s->v, s->max, 1 / s->t);
        want = (a->top_p < 1 ? a->top_p : u) * s->total;
    }
    int64_t n = 0;
    for (double width = 1;; width *= 2) {
        bool all = width > 100;
        float floor = all ? -FLT_MAX : (float)(s->max - width * s->t);
        n = PT_PICK(pt_sample_above)(s->z, s->v, floor, s->ids);
        double mass = 0;
        if (!by_count)
            for (int64_t i = 0; i < n; i++) mass += mass_of(s, s->z[s->ids[i]], s->t);
        bool to_min_p = a->top_p >= 1 && a->min_p > 0; /* all that min-p keeps is needed, and is enough */
        if (all || (by_count ? n >= a->top_k : !to_min_p && mass > want) || (to_min_p && width > -log(a->min_p))) break;
    }
    for (int64_t i = 0; i < n; i++) s->c[i] = (candidate){s->z[s->ids[i]], s->ids[i]};
    if (by_count && n > a->top_k) {
        float least = select_top(s->c, n, a->top_k);
        int64_t keep = 0;
        for (int64_t i = 0; i < n; i++)
            if (s->c[i].z >= least) s->c[keep++] = s->c[i]; /* ties of the k-th too: the order decides between them */
        n = keep;
    }
    qsort(s->c, (size_t)n, sizeof *s->c, by_logit);
    if (!by_count) return n;
    if (n > a->top_k) n = a->top_k;
    s->total = mass_of_first(s, n, s->t);
    return n;
}

static int32_t draw(sampler *s, float u)
{
    const pt_sample_args *a = s->a;
    bool filtered = a->top_p < 1 || a->min_p > 0;
    s->t = filtered ? 1 : a->temperature;
    int64_t n = collect(s, u), keep = n;
    double kept = s->total, sum = 0;
    if (a->top_p < 1) {
        double mass = 0;
        for (keep = 0; keep < n && (keep == 0 || mass < a->top_p * s->total); keep++) mass += mass_of(s, s->c[keep].z, 1);
    }
    while (a->min_p > 0 && keep > 1 && mass_of(s, s->c[keep - 1].z, 1) < a->min_p) keep--;
    if (filtered) kept = mass_of_first(s, keep, a->temperature);
    for (int64_t i = 0; i < keep; i++) {
        sum += mass_of(s, s->c[i].z, a->temperature);
        if (u * kept < sum) return s->c[i].id;
    }
    return s->c[keep - 1].id;
}

/* The token, or -1: a NaN, +inf, or nothing but -inf. */
static int32_t sample_row(sampler *s, int64_t b, float *old)
{
    const pt_sample_args *a = s->a;
    bool bad;
    s->z = pt_f32_row(a->logits, b);
    PT_PICK(pt_sample_max)(s->z, s->v, &bad);
    if (bad) return -1;
    if (pt_view_ok(a->seen) && a->repetition_penalty != 1)
        penalise(s->z, s->v, (const int32_t *)pt_at(a->seen) + b * a->seen.ld, a->seen.cols, a->repetition_penalty, old);
    s->max = PT_PICK(pt_sample_max)(s->z, s->v, &bad);
    if (bad || s->max == -INFINITY) return -1;
    if (a->temperature <= 0) {
        PT_PICK(pt_sample_above)(s->z, s->v, s->max, s->ids);
        return s->ids[0];
    }
    return draw(s, pt_rng_unit(pt_rng_words(a->seed, PT_RNG_SAMPLE, a->stream[b], a->position[b]).v[0]));
}

pt_status pt_cpu_sample(pt_ctx *ctx, const pt_sample_args *a)
{
    PT_RETURN(pt_check_sample(ctx, a));
    int64_t rows = a->logits.rows, v = a->logits.cols, seen = pt_view_ok(a->seen) ? a->seen.cols : 0;
    int threads = pt_threads_get();
    candidate *c;
    int32_t *ids;
    float *old;
    pt_ws ws = pt_ws_begin(ctx);
    PT_RETURN(pt_ws_take(&ws, &c, (size_t)threads * (size_t)v * sizeof *c));
    PT_RETURN(pt_ws_take(&ws, &ids, (size_t)threads * (size_t)v * sizeof *ids));
    PT_RETURN(pt_ws_take(&ws, &old, (size_t)threads * (size_t)seen * sizeof *old));
    pt_ws_done(&ws);
    if (ctx->dry || rows == 0) return PT_OK;
    int32_t *out = pt_at(a->token);
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads) if (rows > 1)
    for (int64_t b = 0; b < rows; b++) {
        int t = omp_get_thread_num();
        sampler s = {.a = a, .v = v, .c = c + t * v, .ids = ids + t * v};
        out[b] = sample_row(&s, b, old + t * seen);
    }
    return PT_OK;
}

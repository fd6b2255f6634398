/* Distances of what sheets answer. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "eval/stat/distance.h"
#include "eval/stat/resample.h"
#include "eval/task/sheets.h"

enum { KINDS = 2 };
typedef double (*distance)(const double *p, const double *q, size_t n);
static const distance kinds[KINDS] = {pt_jensen_shannon, pt_wasserstein};
static const char *const names[KINDS] = {"js", "wasserstein"}, *const words[KINDS] = {"Jensen-Shannon distance", "Wasserstein distance"};

/* Sheets [from, to), or all but them. */
typedef struct part {
    pt_side side;
    size_t from, to;
    bool others;
} part;

static size_t n_answers(const pt_sheets *s)
{
    return (size_t)(s->v->high - s->v->low + 1);
}

static size_t n_sheets(const pt_sheets *s)
{
    return s->personas * s->variants * s->repeats * s->turns;
}

/* Sum of the shares of an item's answers. */
static void add_up(const pt_sheets *s, part x, size_t item, double *out)
{
    const size_t n = n_answers(s);
    for (size_t k = 0; k < n; k++) out[k] = 0;
    for (size_t sheet = 0; sheet < n_sheets(s); sheet++) {
        if ((sheet >= x.from && sheet < x.to) == x.others) continue;
        for (size_t k = 0; k < n; k++) out[k] += s->shares[x.side][(sheet * s->v->n_items + item) * n + k];
    }
}

static void mean(const void *user, const double *sums, double *out)
{
    (void)user;
    *out = sums[1] > 0 ? sums[0] / sums[1] : NAN;
}

/* parts[items][2]: an item's distance and 1, nothing where there is none. Their mean. */
static double items_apart(const pt_sheets *s, distance d, part a, part b, double *room, double *parts)
{
    const size_t n = n_answers(s);
    double sum = 0, count = 0;
    for (size_t i = 0; i < s->v->n_items; i++) {
        double v = NAN;
        if (s->asked[i]) {
            add_up(s, a, i, room);
            add_up(s, b, i, room + n);
            v = d(room, room + n, n);
        }
        parts[2 * i] = isnan(v) ? 0 : v;
        parts[2 * i + 1] = !isnan(v);
        sum += parts[2 * i];
        count += parts[2 * i + 1];
    }
    return count > 0 ? sum / count : NAN;
}

/* A row; parts[clusters][2]. */
static pt_status put(const pt_sheets *s, pt_findings *out, const char *metric, const char *label, const char *scope, pt_side side, const double *parts, size_t clusters,
                     double value)
{
    pt_finding *x;
    pt_interval ci;
    double n = 0;
    if (isnan(value)) return PT_OK;
    for (size_t i = 0; i < clusters; i++) n += parts[2 * i + 1];
    PT_RETURN(pt_finding_get(out, metric, label, scope, &x));
    const pt_added a = {.clusters = clusters, .width = 2, .values = 1, .parts = parts, .value = mean};
    PT_RETURN(pt_bootstrap_added(&a, PT_RESAMPLES, s->seed, &ci));
    x->detail = scope != NULL;
    x->side[side] = (pt_found){.value = value, .lo = ci.lo, .hi = ci.hi, .n = (size_t)n};
    return PT_OK;
}

static pt_status find_change(const pt_sheets *s, int kind, double *room, double *parts, pt_findings *out)
{
    const size_t each = n_sheets(s) / s->personas;
    char metric[40], label[64];
    snprintf(metric, sizeof metric, "%s_change", names[kind]);
    snprintf(label, sizeof label, "%s to before", words[kind]);
    for (size_t p = 0; p <= s->personas; p++) { /* the last one is all */
        const bool all = p == s->personas;
        if (!all && s->personas == 1) continue;
        const part a = {PT_BEFORE, all ? 0 : p * each, all ? n_sheets(s) : (p + 1) * each, false}, b = {PT_AFTER, a.from, a.to, false};
        double v = items_apart(s, kinds[kind], a, b, room, parts);
        PT_RETURN(put(s, out, metric, label, all ? NULL : s->persona[p], PT_AFTER, parts, s->v->n_items, v));
    }
    return PT_OK;
}

static pt_status find_others(const pt_sheets *s, int kind, pt_side side, double *room, double *parts, pt_findings *out)
{
    const size_t each = n_sheets(s) / s->personas;
    double *all = parts + 2 * s->v->n_items, sum = 0, count = 0;
    char metric[40], label[64];
    snprintf(metric, sizeof metric, "%s_others", names[kind]);
    snprintf(label, sizeof label, "%s to others", words[kind]);
    for (size_t p = 0; p < s->personas; p++) {
        const part a = {side, p * each, (p + 1) * each, false}, b = {side, a.from, a.to, true};
        double v = items_apart(s, kinds[kind], a, b, room, parts);
        all[2 * p] = isnan(v) ? 0 : v;
        all[2 * p + 1] = !isnan(v);
        sum += all[2 * p];
        count += all[2 * p + 1];
        PT_RETURN(put(s, out, metric, label, s->persona[p], side, parts, s->v->n_items, v));
    }
    return put(s, out, metric, label, NULL, side, all, s->personas, count > 0 ? sum / count : NAN);
}

/* ---- norms ---- */

static double below(double x, const struct pt_norm *people)
{
    return erfc((people->mean - x) / people->deviation / sqrt(2)) / 2;
}

static pt_status find_norm(const pt_sheets *s, pt_side side, const pt_scale *scale, double *room, double *scores, pt_findings *out)
{
    const size_t n = n_answers(s), known = pt_sheets_scores(s, side, scale, scores);
    const double each = s->v->sum ? (double)scale->n : 1;
    struct pt_norm people = scale->norm;
    people.mean /= each;
    people.deviation /= each;
    if (!people.n || !(people.deviation > 0) || !known) return PT_OK;
    for (size_t k = 0; k < 2 * n; k++) room[k] = 0;
    for (size_t i = 0; i < known; i++) {
        double place = floor(scores[i] / each - s->v->low + 0.5);
        room[place < 0 ? 0 : place > (double)(n - 1) ? n - 1 : (size_t)place]++;
    }
    for (size_t k = 0; k < n; k++) {
        double low = k ? below(s->v->low + (double)k - 0.5, &people) : 0, high = k + 1 < n ? below(s->v->low + (double)k + 0.5, &people) : 1;
        room[n + k] = high - low;
    }
    for (int kind = 0; kind < KINDS; kind++) {
        char metric[200];
        pt_finding *x;
        snprintf(metric, sizeof metric, "%s_norm.%s%s%s", names[kind], scale->domain ? scale->domain : "", scale->domain ? "." : "", scale->name);
        PT_RETURN(pt_finding_get(out, metric, scale->name, NULL, &x));
        x->detail = true;
        x->side[side] = (pt_found){.value = kinds[kind](room, room + n, n), .lo = NAN, .hi = NAN, .n = known};
    }
    return PT_OK;
}

pt_status pt_sheets_distances(const pt_sheets *s, pt_side side, pt_findings *out)
{
    pt_status rc = PT_OK;
    double *room = NULL, *parts = NULL, *scores = NULL;
    PT_TRY(pt_alloc0(&room, 2 * n_answers(s)));
    PT_TRY(pt_alloc0(&parts, 2 * (s->v->n_items + s->personas)));
    PT_TRY(pt_alloc0(&scores, n_sheets(s)));
    for (int kind = 0; kind < KINDS; kind++) {
        if (s->shares[PT_BEFORE] && s->shares[PT_AFTER]) PT_TRY(find_change(s, kind, room, parts, out));
        if (s->shares[side] && s->personas > 1) PT_TRY(find_others(s, kind, side, room, parts, out));
    }
    for (size_t k = 0; k < s->v->n_scales; k++) PT_TRY(find_norm(s, side, &s->v->scales[k], room, scores, out));
done:
    free(room);
    free(parts);
    free(scores);
    return rc;
}

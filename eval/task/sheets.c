#include "eval/task/sheets.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "eval/stat/correlation.h"
#include "eval/stat/reliability.h"
#include "eval/stat/resample.h"
#include "eval/stat/significance.h"

enum { NAME_MOST = 160 };

/* What is measured of each sheet. */
typedef struct measure {
    char metric[NAME_MOST], label[NAME_MOST];
    pt_metric_form form;
    bool detail;
    const pt_scale *scale; /* NULL: of the sheet */
    bool expected;
    double (*of)(const pt_sheets *s, pt_side side, size_t sheet); /* where scale is NULL */
} measure;

static size_t per_persona(const pt_sheets *s)
{
    return s->variants * s->repeats * s->turns;
}

static size_t n_sheets(const pt_sheets *s)
{
    return s->personas * per_persona(s);
}

static const double *sheet_of(const pt_sheets *s, pt_side side, size_t sheet, bool expected)
{
    return (expected ? s->expected : s->picked)[side] + sheet * s->v->n_items;
}

static double score(const pt_sheets *s, pt_side side, size_t sheet, const pt_scale *scale, bool expected)
{
    return pt_inventory_score(s->v, scale, sheet_of(s, side, sheet, expected), s->asked).value;
}

static pt_sheet_style style(const pt_sheets *s, pt_side side, size_t sheet)
{
    return pt_inventory_style(s->v, sheet_of(s, side, sheet, false), s->asked);
}

static double missing(const pt_sheets *s, pt_side side, size_t sheet)
{
    return style(s, side, sheet).missing;
}

static double acquiescence(const pt_sheets *s, pt_side side, size_t sheet)
{
    return style(s, side, sheet).acquiescence;
}

static double extreme(const pt_sheets *s, pt_side side, size_t sheet)
{
    return style(s, side, sheet).extreme;
}

/* Of a straight sheet and the turned one behind it: mean of a formula over items that both answer. */
static double turned(const pt_sheets *s, pt_side side, size_t sheet, bool equal)
{
    const double *a = sheet_of(s, side, sheet, false), *b = a + s->v->n_items;
    double sum = 0;
    size_t n = 0;
    if (s->turns < 2 || sheet % 2) return NAN;
    for (size_t i = 0; i < s->v->n_items; i++) {
        if (isnan(a[i]) || isnan(b[i])) continue;
        sum += equal ? a[i] == b[i] : (b[i] - a[i]) / (s->v->high - s->v->low);
        n++;
    }
    return n ? sum / (double)n : NAN;
}

static double shift(const pt_sheets *s, pt_side side, size_t sheet)
{
    return turned(s, side, sheet, false);
}

static double agreement(const pt_sheets *s, pt_side side, size_t sheet)
{
    return turned(s, side, sheet, true);
}

static const measure styles[] = {
    {.metric = "missing_share", .label = "items without an answer", .form = PT_FORM_SHARE, .of = missing},
    {.metric = "acquiescence", .label = "agrees whatever is said (-1 ... 1)", .form = PT_FORM_SCORE, .of = acquiescence},
    {.metric = "extreme_share", .label = "answers at an end of the scale", .form = PT_FORM_SHARE, .of = extreme},
    {.metric = "order_shift", .label = "scale turned: shift (-1 ... 1)", .form = PT_FORM_SCORE, .of = shift},
    {.metric = "order_agreement", .label = "scale turned: same answer", .form = PT_FORM_SHARE, .of = agreement},
};

/* ---- means of sheets ---- */

/* "scale.NAME" or "facet.SCALE.NAME". */
static void name_scale(const pt_scale *x, const char *before, const char *behind, char out[NAME_MOST])
{
    if (before) snprintf(out, NAME_MOST, "%s.%s%s%s%s", before, x->domain ? x->domain : "", x->domain ? "." : "", x->name, behind);
    else snprintf(out, NAME_MOST, "%s.%s%s%s%s", x->domain ? "facet" : "scale", x->domain ? x->domain : "", x->domain ? "." : "", x->name, behind);
}

static void share(const void *user, const double *sums, double *out)
{
    (void)user;
    *out = sums[1] > 0 ? sums[0] / sums[1] : NAN;
}

/* The sheets [from, to) as clusters of `size`, as sums and counts: parts[2 * clusters]. Their overall values; n: sheets with a value. */
static double add_up(const pt_sheets *s, pt_side side, const measure *m, size_t from, size_t to, size_t size, double *parts, size_t *n)
{
    double sum = 0;
    *n = 0;
    for (size_t i = from; i < to; i++) {
        double x = m->scale ? score(s, side, i, m->scale, m->expected) : m->of(s, side, i), *part = parts + 2 * ((i - from) / size);
        if ((i - from) % size == 0) part[0] = part[1] = 0;
        if (isnan(x)) continue;
        part[0] += x;
        part[1]++;
        sum += x;
        ++*n;
    }
    return *n ? sum / (double)*n : NAN;
}

/* A row from sheets [from, to). */
static pt_status find_mean(const pt_sheets *s, pt_side side, const measure *m, size_t from, size_t to, size_t size, const char *scope, pt_findings *out)
{
    pt_status rc = PT_OK;
    pt_finding *x;
    pt_interval ci;
    double *parts[2] = {NULL, NULL};
    const size_t clusters = (to - from) / size;
    size_t n;
    PT_TRY(pt_finding_get(out, m->metric, m->label, scope, &x));
    x->form = m->form;
    x->detail = m->detail || (scope && !m->scale); /* how each persona fills in is for eval.json */
    PT_TRY(pt_alloc0(&parts[0], 2 * clusters));
    PT_TRY(pt_alloc0(&parts[1], 2 * clusters));
    const pt_added a = {.clusters = clusters, .width = 2, .values = 1, .parts = parts[side], .value = share};
    x->side[side].value = add_up(s, side, m, from, to, size, parts[side], &n);
    x->side[side].n = n;
    PT_TRY(pt_bootstrap_added(&a, PT_RESAMPLES, s->seed, &ci));
    x->side[side].lo = ci.lo;
    x->side[side].hi = ci.hi;
    if (!s->picked[!side] || isnan(x->side[side].value) || clusters < 2) goto done;
    if (!isnan(add_up(s, !side, m, from, to, size, parts[!side], &n))) {
        const pt_added before = {.clusters = clusters, .width = 2, .values = 1, .parts = parts[0], .value = share};
        PT_TRY(pt_permute_added(&before, parts[1], PT_PERMUTATIONS, s->seed, &x->p));
        PT_TRY(pt_bootstrap_change(&before, parts[1], PT_RESAMPLES, s->seed, &ci));
        x->change_lo = ci.lo;
        x->change_hi = ci.hi;
    }
done:
    free(parts[0]);
    free(parts[1]);
    return rc;
}

static pt_status find_everywhere(const pt_sheets *s, pt_side side, const measure *m, pt_findings *out)
{
    const size_t each = per_persona(s);
    if (m->expected && !s->expected[side]) return PT_OK;
    PT_RETURN(find_mean(s, side, m, 0, n_sheets(s), s->personas > 1 ? each : 1, NULL, out));
    for (size_t p = 0; s->personas > 1 && p < s->personas; p++)
        PT_RETURN(find_mean(s, side, m, p * each, (p + 1) * each, 1, s->persona[p], out));
    return PT_OK;
}

static pt_status find_scores(const pt_sheets *s, pt_side side, pt_findings *out)
{
    for (int beside = 0; beside < (s->expected[side] ? 2 : 1); beside++)
        for (size_t k = 0; k < s->v->n_scales; k++) {
            const pt_scale *x = &s->v->scales[k];
            measure m = {.scale = x, .form = PT_FORM_SCORE, .expected = beside ? !s->by_expected : s->by_expected, .detail = beside || x->domain};
            name_scale(x, NULL, beside ? m.expected ? ".expected" : ".argmax" : "", m.metric);
            snprintf(m.label, sizeof m.label, "%s", x->name);
            PT_RETURN(find_everywhere(s, side, &m, out));
        }
    for (size_t k = 0; k < sizeof styles / sizeof *styles; k++)
        if (styles[k].of != shift && styles[k].of != agreement) PT_RETURN(find_everywhere(s, side, &styles[k], out));
        else if (s->turns > 1) PT_RETURN(find_everywhere(s, side, &styles[k], out));
    return PT_OK;
}

/* ---- reliability ---- */

static pt_status put(pt_findings *out, pt_side side, const pt_scale *scale, const char *before, bool detail, double value, size_t n)
{
    char metric[NAME_MOST], label[NAME_MOST];
    pt_finding *x;
    if (isnan(value)) return PT_OK;
    name_scale(scale, before, "", metric);
    snprintf(label, sizeof label, "%s: alpha", scale->name);
    PT_RETURN(pt_finding_get(out, metric, label, NULL, &x));
    x->detail = detail;
    x->side[side].value = value;
    x->side[side].n = n;
    return PT_OK;
}

/* alpha and omega of a scale's keyed answers, a row a sheet. */
static pt_status find_consistency(const pt_sheets *s, pt_side side, const pt_scale *scale, pt_findings *out)
{
    pt_status rc = PT_OK;
    const size_t n = n_sheets(s);
    double *x = NULL, omega;
    size_t k = 0;
    PT_TRY(pt_alloc0(&x, n * scale->n));
    for (size_t i = 0; i < scale->n; i++) k += s->asked[scale->keyed[i].item];
    for (size_t sheet = 0, at = 0; sheet < n; sheet++)
        for (size_t i = 0; i < scale->n; i++)
            if (s->asked[scale->keyed[i].item]) x[at++] = pt_inventory_keyed(s->v, scale, i, sheet_of(s, side, sheet, s->by_expected));
    if (n < 3) goto done;
    PT_TRY(put(out, side, scale, "alpha", scale->domain != NULL, pt_alpha(x, n, k), n));
    PT_TRY(pt_omega_total(x, n, k, &omega));
    PT_TRY(put(out, side, scale, "omega", true, omega, n));
done:
    free(x);
    return rc;
}

/* How much of the scores is of the personas, and how much of their sheets; the first repeats beside the second. */
static pt_status find_stability(const pt_sheets *s, pt_side side, const pt_scale *scale, pt_findings *out)
{
    static const char *const names[] = {"icc1", "icc2", "icc3", "icc1k", "icc2k", "icc3k"};
    pt_status rc = PT_OK;
    const size_t n = n_sheets(s), k = per_persona(s);
    double *x = NULL, *again = NULL;
    size_t pairs = 0;
    PT_TRY(pt_alloc0(&x, n));
    PT_TRY(pt_alloc0(&again, 2 * n));
    for (size_t i = 0; i < n; i++) x[i] = score(s, side, i, scale, s->by_expected);
    for (size_t i = 0; i < n; i++) {
        if (s->repeats < 2 || i / s->turns % s->repeats) continue;
        again[pairs] = x[i];
        again[n + pairs++] = x[i + s->turns];
    }
    if (s->personas >= 3) {
        const pt_icc c = pt_icc_of(x, s->personas, k);
        const double v[] = {c.one, c.two, c.three, c.one_k, c.two_k, c.three_k};
        for (size_t i = 0; i < 6; i++) PT_TRY(put(out, side, scale, names[i], true, v[i], s->personas));
    }
    if (pairs >= 3) PT_TRY(put(out, side, scale, "retest", true, pt_pearson(again, again + n, pairs), pairs));
done:
    free(x);
    free(again);
    return rc;
}

size_t pt_sheets_scores(const pt_sheets *s, pt_side side, const pt_scale *scale, double *x)
{
    const size_t each = s->personas > 1 ? per_persona(s) : 1, n = n_sheets(s) / each;
    size_t known = 0;
    for (size_t i = 0; i < n; i++) {
        double sum = 0;
        size_t have = 0;
        for (size_t k = i * each; k < (i + 1) * each; k++) {
            double v = score(s, side, k, scale, s->by_expected);
            if (!isnan(v)) sum += v, have++;
        }
        if (have) x[known++] = sum / (double)have;
    }
    return known;
}

/* Beside the people that the instrument was given to. */
static pt_status find_norm(const pt_sheets *s, pt_side side, const pt_scale *scale, pt_findings *out)
{
    static const char *const names[] = {"norm_t", "norm_p", "norm_g"};
    pt_status rc = PT_OK;
    double *x = NULL;
    size_t known;
    if (!scale->norm.n) return PT_OK;
    PT_TRY(pt_alloc0(&x, n_sheets(s)));
    known = pt_sheets_scores(s, side, scale, x);
    const pt_sample people = {scale->norm.n, scale->norm.mean, scale->norm.deviation * scale->norm.deviation};
    const pt_sample mine = pt_sample_of(x, known);
    if (!(mine.variance > 1e-24 * mine.mean * mine.mean)) goto done; /* all alike: nothing to test with */
    const pt_welch w = pt_welch_test(mine, people);
    const double v[] = {w.t, w.p, w.g};
    for (size_t i = 0; i < 3; i++) PT_TRY(put(out, side, scale, names[i], true, v[i], known));
done:
    free(x);
    return rc;
}

/* ---- types ---- */

/* Of the mean answers of sheets [from, to). */
static pt_status find_type(const pt_sheets *s, pt_side side, size_t from, size_t to, const char *scope, pt_findings *out)
{
    pt_status rc = PT_OK;
    double *mean = NULL;
    char type[9];
    pt_finding *x;
    PT_TRY(pt_alloc0(&mean, s->v->n_items));
    for (size_t i = 0; i < s->v->n_items; i++) {
        size_t n = 0;
        for (size_t sheet = from; sheet < to; sheet++) {
            double a = sheet_of(s, side, sheet, s->by_expected)[i];
            if (!isnan(a)) mean[i] += a, n++;
        }
        mean[i] = n ? mean[i] / (double)n : NAN;
    }
    pt_inventory_type(s->v, mean, s->asked, type);
    if (!type[0]) goto done;
    PT_TRY(pt_finding_get(out, "type", "type", scope, &x));
    snprintf(x->side[side].text, sizeof x->side[side].text, "%s", type);
    x->side[side].n = to - from;
done:
    free(mean);
    return rc;
}

/* ---- all ---- */

pt_status pt_sheets_find(const pt_sheets *s, pt_side side, pt_findings *out)
{
    const size_t each = per_persona(s);
    PT_RETURN(find_scores(s, side, out));
    for (size_t k = 0; k < s->v->n_scales; k++) {
        PT_RETURN(find_consistency(s, side, &s->v->scales[k], out));
        PT_RETURN(find_stability(s, side, &s->v->scales[k], out));
        PT_RETURN(find_norm(s, side, &s->v->scales[k], out));
    }
    if (s->personas == 1) PT_RETURN(find_type(s, side, 0, each, NULL, out));
    for (size_t p = 0; s->personas > 1 && p < s->personas; p++) PT_RETURN(find_type(s, side, p * each, (p + 1) * each, s->persona[p], out));
    PT_RETURN(pt_sheets_distances(s, side, out));
    return s->picked[!side] ? pt_findings_correct(out) : PT_OK;
}

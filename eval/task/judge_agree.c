/* What judges say beside each other, beside people, and which of two they prefer: rows of the table. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "eval/stat/agreement.h"
#include "eval/stat/correlation.h"
#include "eval/stat/pairwise.h"
#include "eval/task/judge_state.h"

enum { RESAMPLES_SLOW = 200, MANY = 2000 }; /* of more texts than MANY */

pt_status pt_judge_put(pt_task *t, pt_side side, const char *metric, const char *label, pt_metric_form form, double value, double lo, double hi, size_t n, bool detail)
{
    pt_finding *x;
    PT_RETURN(pt_finding_get(&t->findings, metric, label, NULL, &x));
    x->form = form;
    x->detail = detail;
    x->side[side] = (pt_found){.value = value, .lo = lo, .hi = hi, .n = n};
    if (isnan(value)) snprintf(x->side[side].text, sizeof x->side[side].text, "undefined");
    return PT_OK;
}

static pt_status put_of(pt_task *t, pt_side side, const char *key, const char *label, const char *who, pt_metric_form form, double value, pt_interval ci, size_t n, bool detail)
{
    char metric[200], text[200];
    snprintf(metric, sizeof metric, who ? "%s.%s" : "%s", key, who);
    snprintf(text, sizeof text, who ? "%s, %s" : "%s", label, who);
    return pt_judge_put(t, side, metric, text, form, value, ci.lo, ci.hi, n, detail);
}

static size_t resamples_of(size_t n)
{
    return n > MANY ? RESAMPLES_SLOW : PT_RESAMPLES;
}

static pt_status clusters_of(const pt_judge_side *x, size_t times, uint64_t **out)
{
    PT_RETURN(pt_alloc0(out, x->n * times));
    for (size_t i = 0; i < x->n * times; i++) (*out)[i] = x->texts[i / times].cluster;
    return PT_OK;
}

/* ---- beside people ---- */

/* One judge (SIZE_MAX: the mean of all) and the rows' scores. */
static pt_status beside_gold(pt_task *t, pt_side side, size_t judge, const char *who)
{
    static const char *const keys[PT_CORRELATIONS] = {"gold_pearson", "gold_spearman", "gold_kendall"};
    static const char *const labels[PT_CORRELATIONS] = {"with people: Pearson", "with people: Spearman", "with people: Kendall's tau-b"};
    pt_status rc = PT_OK;
    const pt_judge_state *s = t->state;
    const pt_judge_side *x = &s->side[side];
    double *a = NULL, *b = NULL, far = 0;
    uint64_t *cluster = NULL;
    pt_correlation c;
    size_t n = 0;
    PT_TRY(pt_alloc0(&a, x->n));
    PT_TRY(pt_alloc0(&b, x->n));
    PT_TRY(clusters_of(x, 1, &cluster));
    for (size_t i = 0; i < x->n; i++) {
        a[i] = pt_judge_mean(s, side, i, judge);
        b[i] = x->texts[i].gold;
        if (!isnan(a[i]) && !isnan(b[i])) far += fabs(a[i] - b[i]), n++;
    }
    PT_TRY(pt_correlate(a, b, cluster, x->n, resamples_of(x->n), t->seed, &c));
    for (int k = 0; k < PT_CORRELATIONS; k++) PT_TRY(put_of(t, side, keys[k], labels[k], who, PT_FORM_SCORE, c.value[k], c.ci[k], c.n, who != NULL));
    PT_TRY(put_of(t, side, "gold_mae", "with people: mean distance", who, PT_FORM_SCORE, n ? far / (double)n : NAN, (pt_interval){NAN, NAN}, n, who != NULL));
done:
    free(a);
    free(b);
    free(cluster);
    return rc;
}

/* Of pairs: the share of texts whose votes together prefer what people prefer. */
static pt_status pairs_beside_gold(pt_task *t, pt_side side, size_t judge, const char *who)
{
    const pt_judge_state *s = t->state;
    const pt_judge_side *x = &s->side[side];
    size_t n = 0, same = 0;
    for (size_t i = 0; i < x->n; i++) {
        const double v = pt_judge_mean(s, side, i, judge), g = x->texts[i].gold;
        if (isnan(v) || isnan(g)) continue;
        n++;
        same += (v > 0.5) == (g > 0.5) && (v < 0.5) == (g < 0.5);
    }
    return put_of(t, side, "gold_agreement", "prefer what people prefer", who, PT_FORM_SHARE, n ? (double)same / (double)n : NAN, (pt_interval){NAN, NAN}, n, who != NULL);
}

/* ---- beside each other ---- */

/* What one judge says of a thing: the mean of its repeats. */
static double said(const pt_judge_state *s, const pt_judge_side *x, size_t text, size_t criterion, int order, size_t judge)
{
    double sum = 0, n = 0;
    for (int r = 0; r < s->repeats; r++) {
        const double v = x->votes[pt_judge_vote(s, text, criterion, judge, order, r)];
        if (!isnan(v)) sum += v, n++;
    }
    return n > 0 ? sum / n : NAN;
}

static bool all_whole(const double *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isnan(x[i]) && x[i] != floor(x[i])) return false;
    return true;
}

/* Of texts, criteria and (of pairs) orders by judges. */
static pt_status beside_each_other(pt_task *t, pt_side side)
{
    static const char *const labels[PT_AGREES] = {"judges agree: equal", "judges agree: kappa", "judges agree: kappa, linear", "judges agree: kappa, quadratic", "judges agree: alpha, nominal",
                                                  "judges agree: alpha, ordinal", "judges agree: alpha, interval", "judges agree: alpha, ratio"};
    pt_status rc = PT_OK;
    const pt_judge_state *s = t->state;
    const pt_judge_side *x = &s->side[side];
    const size_t each = s->n_criteria * (size_t)s->orders, n = x->n * each;
    double *table = NULL;
    uint64_t *cluster = NULL;
    pt_agreement a;
    PT_TRY(pt_alloc0(&table, n * s->n_judges));
    PT_TRY(clusters_of(x, each, &cluster));
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < s->n_judges; j++)
            table[i * s->n_judges + j] = said(s, x, i / each, i % each / (size_t)s->orders, (int)(i % (size_t)s->orders), j);
    unsigned wanted = 1u << PT_AGREE_SHARE | 1u << PT_AGREE_KAPPA | 1u << PT_AGREE_ALPHA_NOMINAL;
    if (!s->template.pairs) {
        wanted = 1u << PT_AGREE_ALPHA_INTERVAL;
        if (all_whole(table, n * s->n_judges))
            wanted |= 1u << PT_AGREE_SHARE | 1u << PT_AGREE_KAPPA | 1u << PT_AGREE_KAPPA_LINEAR | 1u << PT_AGREE_KAPPA_QUADRATIC | 1u << PT_AGREE_ALPHA_NOMINAL | 1u << PT_AGREE_ALPHA_ORDINAL;
        if (s->low >= 0) wanted |= 1u << PT_AGREE_ALPHA_RATIO;
    }
    PT_TRY(pt_agreement_of(&(pt_rated){.x = table, .items = n, .raters = s->n_judges, .cluster = cluster}, wanted, resamples_of(n), t->seed, &a));
    for (int k = 0; k < PT_AGREES; k++) {
        const bool shown = k == (s->template.pairs ? PT_AGREE_KAPPA : PT_AGREE_ALPHA_INTERVAL) || k == PT_AGREE_SHARE || k == PT_AGREE_KAPPA_QUADRATIC;
        if (wanted & 1u << k) PT_TRY(pt_judge_put(t, side, pt_agree_key((pt_agree)k), labels[k], k ? PT_FORM_SCORE : PT_FORM_SHARE, a.value[k], a.ci[k].lo, a.ci[k].hi, a.items, !shown));
    }
done:
    free(table);
    free(cluster);
    return rc;
}

pt_status pt_judge_find_agreement(pt_task *t, pt_side side)
{
    const pt_judge_state *s = t->state;
    pt_status (*gold)(pt_task *, pt_side, size_t, const char *) = s->template.pairs ? pairs_beside_gold : beside_gold;
    if (pt_task_text(t, "field_gold")) PT_RETURN(gold(t, side, SIZE_MAX, NULL));
    for (size_t j = 0; s->n_judges > 1 && pt_task_text(t, "field_gold") && j < s->n_judges; j++) PT_RETURN(gold(t, side, j, s->judges[j]));
    return s->n_judges > 1 ? beside_each_other(t, side) : PT_OK;
}

/* ---- pairs ---- */

static pt_verdict verdict_of(double vote, bool swapped)
{
    if (isnan(vote)) return PT_VERDICT_NONE;
    if (vote == 0.5) return PT_VERDICT_TIE;
    return (vote > 0.5) != swapped ? PT_VERDICT_FIRST : PT_VERDICT_SECOND;
}

/* Verdicts of a judge (SIZE_MAX: all) of a group's texts (SIZE_MAX: all). What stays at the place, or with the answer, is seen by one judge's two orders of one thing: that is an item, and
 * the text's things are one cluster. */
static pt_status list_verdicts(const pt_judge_state *s, const pt_judge_side *x, size_t judge, size_t scope, pt_judged **out, size_t *n)
{
    *n = 0;
    PT_RETURN(pt_alloc0(out, x->n * pt_judge_votes(s)));
    for (size_t i = 0; i < x->n; i++)
        for (size_t c = 0; c < s->n_criteria; c++)
            for (size_t j = 0; j < s->n_judges; j++)
                for (int o = 0; o < s->orders; o++)
                    for (int r = 0; r < s->repeats; r++) {
                        if ((judge != SIZE_MAX && j != judge) || (scope != SIZE_MAX && x->texts[i].scope != scope)) continue;
                        (*out)[(*n)++] = (pt_judged){.item = (i * s->n_criteria + c) * s->n_judges + j, .cluster = x->texts[i].cluster, .swapped = o == 1,
                                                     .verdict = verdict_of(x->votes[pt_judge_vote(s, i, c, j, o, r)], o == 1)};
                    }
    return PT_OK;
}

static pt_status put_win(pt_task *t, pt_side side, const pt_pairwise *w, const char *scope)
{
    pt_finding *x;
    PT_RETURN(pt_finding_get(&t->findings, "win_rate", "win rate", scope, &x));
    x->form = PT_FORM_SHARE;
    x->side[side] = (pt_found){.value = w->value[PT_PAIR_WIN], .lo = w->ci[PT_PAIR_WIN].lo, .hi = w->ci[PT_PAIR_WIN].hi, .n = w->items - w->none};
    return PT_OK;
}

static pt_status put_pairs(pt_task *t, pt_side side, const pt_pairwise *w, const char *who)
{
    const pt_judge_state *s = t->state;
    static const struct {
        int of;
        const char *key, *label;
        bool detail;
    } rows[] = {{PT_PAIR_WIN, "win_rate", "win rate", false},
                {PT_PAIR_TIE, "ties", "ties", false},
                {PT_PAIR_BIAS, "position_bias", "follows the place", false},
                {PT_PAIR_CONSISTENT, "consistent", "follows the answer", false},
                {PT_PAIR_FIRST, "first_share", "share of the first", true}};
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        const int of = rows[k].of;
        if (of == PT_PAIR_WIN && s->named.field) continue; /* of names: these have ratings */
        const size_t n = of == PT_PAIR_BIAS || of == PT_PAIR_CONSISTENT ? w->both : of == PT_PAIR_WIN ? w->items - w->none : w->verdicts;
        PT_RETURN(put_of(t, side, rows[k].key, rows[k].label, who, PT_FORM_SHARE, w->value[of], w->ci[of], n, rows[k].detail || (who && k)));
    }
    const size_t all = w->verdicts + w->missing;
    return put_of(t, side, "verdicts_missing", "verdicts missing", who, PT_FORM_SHARE, all ? (double)w->missing / (double)all : NAN, (pt_interval){NAN, NAN}, all, who != NULL);
}

static pt_status find_pairs(pt_task *t, pt_side side, size_t judge, size_t scope)
{
    const pt_judge_state *s = t->state;
    pt_judged *v = NULL;
    pt_pairwise w;
    size_t n;
    pt_status rc = list_verdicts(s, &s->side[side], judge, scope, &v, &n);
    if (rc == PT_OK) rc = pt_pairwise_of(v, n, PT_RESAMPLES, t->seed, &w);
    if (rc == PT_OK) rc = scope != SIZE_MAX ? put_win(t, side, &w, t->scopes[scope]) : put_pairs(t, side, &w, judge == SIZE_MAX ? NULL : s->judges[judge]);
    free(v);
    return rc;
}

pt_status pt_judge_find_pairs(pt_task *t, pt_side side)
{
    const pt_judge_state *s = t->state;
    PT_RETURN(find_pairs(t, side, SIZE_MAX, SIZE_MAX));
    for (size_t j = 0; s->n_judges > 1 && j < s->n_judges; j++) PT_RETURN(find_pairs(t, side, j, SIZE_MAX));
    for (size_t g = 0; !s->named.field && t->n_scopes > 1 && g < t->n_scopes; g++) PT_RETURN(find_pairs(t, side, SIZE_MAX, g));
    return PT_OK;
}

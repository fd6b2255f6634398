/* Scores as rows of the table: of all, by criterion, by judge, and what is missing. What is tested before against after are the votes that both sides have. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "eval/metric/tally.h"
#include "eval/task/judge_state.h"

/* The rows: the score, each criterion's where there are several, each judge's likewise, the share of votes that are missing. */
typedef struct layout {
    size_t criteria, judges, n;
} layout;

static layout layout_of(const pt_judge_state *s)
{
    layout l = {s->n_list > 1 ? s->n_list : 0, s->n_judges > 1 ? s->n_judges : 0, 0};
    l.n = 1 + l.criteria + l.judges + 1;
    return l;
}

/* sum and number of a text's votes of a criterion and a judge; SIZE_MAX: of all. */
static void add_votes(const pt_judge_state *s, const double *votes, const double *mask, size_t text, size_t criterion, size_t judge, double *sum, double *n, double *all)
{
    *sum = *n = *all = 0;
    for (size_t c = 0; c < s->n_criteria; c++)
        for (size_t j = 0; j < s->n_judges; j++)
            for (int r = 0; r < s->repeats; r++) {
                const size_t at = pt_judge_vote(s, text, c, j, 0, r);
                if ((criterion != SIZE_MAX && c != criterion) || (judge != SIZE_MAX && j != judge)) continue;
                ++*all;
                if (isnan(votes[at]) || (mask && isnan(mask[at]))) continue;
                *sum += votes[at];
                ++*n;
            }
}

static void put_mean(const pt_judge_state *s, const double *votes, const double *mask, size_t text, size_t criterion, size_t judge, double *to)
{
    double sum, n, all;
    add_votes(s, votes, mask, text, criterion, judge, &sum, &n, &all);
    if (n > 0) to[0] = sum / n, to[1] = 1;
}

/* {sum of the texts' means, texts} of each row, then {missing, all} votes. mask: votes that are to be there too; NULL: none. */
static pt_status lay_out(const pt_judge_state *s, pt_side side, const double *mask, struct pt_report_parts *p)
{
    const layout l = layout_of(s);
    const pt_judge_side *x = &s->side[side];
    pt_report_parts_free(p);
    PT_RETURN(pt_alloc0(&p->of, x->n * 2 * l.n));
    PT_RETURN(pt_alloc0(&p->role, x->n));
    PT_RETURN(pt_alloc0(&p->cluster, x->n));
    p->n = x->n;
    for (size_t i = 0; i < x->n; i++) {
        double *to = p->of + i * 2 * l.n, sum, n, all;
        p->role[i] = x->texts[i].scope;
        p->cluster[i] = x->texts[i].cluster;
        put_mean(s, x->votes, mask, i, SIZE_MAX, SIZE_MAX, to);
        for (size_t c = 0; c < l.criteria; c++) put_mean(s, x->votes, mask, i, c, SIZE_MAX, to += 2);
        for (size_t j = 0; j < l.judges; j++) put_mean(s, x->votes, mask, i, SIZE_MAX, j, to += 2);
        add_votes(s, x->votes, NULL, i, SIZE_MAX, SIZE_MAX, &sum, &n, &all);
        to[2] = all - n;
        to[3] = all;
    }
    return PT_OK;
}

static void values(const void *user, const double *sums, double *out)
{
    const layout *l = user;
    for (size_t k = 0; k < l->n; k++) out[k] = sums[2 * k + 1] > 0 ? sums[2 * k] / sums[2 * k + 1] : NAN;
}

static pt_status call(pt_tally_row *row, pt_metric_form form, const char *metric, const char *label, const char *name)
{
    *row = (pt_tally_row){.form = form};
    PT_RETURN(pt_asprintf(&row->metric, "%s%s", metric, name));
    return pt_asprintf(&row->label, "%s%s", label, name);
}

static pt_status call_rows(const pt_judge_state *s, pt_tally_row *row)
{
    const layout l = layout_of(s);
    PT_RETURN(call(row++, PT_FORM_SCORE, "score", "score", ""));
    for (size_t c = 0; c < l.criteria; c++) PT_RETURN(call(row++, PT_FORM_SCORE, "score.", "score, ", s->criteria[c]));
    for (size_t j = 0; j < l.judges; j++) PT_RETURN(call(row++, PT_FORM_SCORE, "score_by.", "score by ", s->judges[j]));
    return call(row, PT_FORM_SHARE, "verdicts_missing", "verdicts missing", "");
}

/* How many texts each row of a scope is made of. */
static pt_status count_texts(pt_task *t, const struct pt_report_parts *p, const pt_tally_row *rows, const layout *l, pt_side side)
{
    for (size_t g = 0; g <= t->n_scopes; g++) {
        if (g < t->n_scopes && t->n_scopes < 2) continue;
        for (size_t k = 0; k < l->n; k++) {
            pt_finding *row;
            double n = 0;
            for (size_t i = 0; i < p->n; i++) n += g == t->n_scopes || p->role[i] == g ? p->of[i * 2 * l->n + 2 * k + 1] : 0;
            PT_RETURN(pt_finding_get(&t->findings, rows[k].metric, rows[k].label, g < t->n_scopes ? t->scopes[g] : NULL, &row));
            row->side[side].n = (size_t)n;
            row->detail = g < t->n_scopes && k; /* of a group its score is shown */
        }
    }
    return PT_OK;
}

static bool votes_differ(const pt_judge_state *s)
{
    const size_t n = s->side[0].n * pt_judge_votes(s);
    for (size_t i = 0; i < n; i++)
        if (isnan(s->side[0].votes[i]) != isnan(s->side[1].votes[i])) return true;
    return false;
}

/* The tests anew, of the votes that both sides have; their means stand beside. */
static pt_status compare_shared(pt_task *t, pt_judge_state *s, const pt_tally_row *rows, const layout *l)
{
    pt_status rc = PT_OK;
    struct pt_report_parts p[2] = {{0}, {0}};
    pt_findings f = {0};
    const pt_tally tally = {.width = 2 * l->n, .values = l->n, .value = values, .user = l, .side = {&p[0], &p[1]}};
    for (int k = 0; k < 2; k++) PT_TRY(lay_out(s, (pt_side)k, s->side[!k].votes, &p[k]));
    for (int k = 0; k < 2; k++) PT_TRY(pt_tally_find(&tally, (pt_side)k, rows, t->scopes, t->n_scopes, t->seed, &f));
    for (size_t i = 0; i < f.n; i++) {
        const pt_finding *from = &f.list[i];
        pt_finding *to;
        if (!strcmp(from->metric, "verdicts_missing")) continue;
        PT_TRY(pt_finding_get(&t->findings, from->metric, from->label, from->scope, &to));
        to->p = from->p;
        to->raw = from->raw;
        to->wilcoxon = from->wilcoxon;
        to->mcnemar = from->mcnemar;
        to->change_lo = from->change_lo;
        to->change_hi = from->change_hi;
    }
    s->shared = 0;
    for (size_t i = 0; i < p[0].n; i++) s->shared += p[0].of[i * 2 * l->n + 1] > 0;
    for (int k = 0; k < 2; k++) s->shared_score[k] = f.list[0].side[k].value;
done:
    for (int k = 0; k < 2; k++) pt_report_parts_free(&p[k]);
    pt_findings_free(&f);
    return rc;
}

pt_status pt_judge_find_scores(pt_task *t, pt_side side)
{
    pt_status rc = PT_OK;
    pt_judge_state *s = t->state;
    const layout l = layout_of(s);
    pt_tally_row *rows = NULL;
    const pt_tally tally = {.width = 2 * l.n, .values = l.n, .value = values, .user = &l, .side = {&s->parts[0], &s->parts[1]}};
    PT_TRY(lay_out(s, side, NULL, &s->parts[side]));
    PT_TRY(pt_alloc0(&rows, l.n));
    PT_TRY(call_rows(s, rows));
    PT_TRY(pt_tally_find(&tally, side, rows, t->scopes, t->n_scopes, t->seed, &t->findings));
    PT_TRY(count_texts(t, &s->parts[side], rows, &l, side));
    s->unequal = s->side[0].votes && s->side[1].votes && s->side[0].n == s->side[1].n && votes_differ(s);
    if (s->unequal) PT_TRY(compare_shared(t, s, rows, &l));
done:
    if (rows) pt_tally_rows_free(rows, l.n);
    return rc;
}

double pt_judge_mean(const pt_judge_state *s, pt_side side, size_t text, size_t judge)
{
    double sum = 0, n = 0;
    for (size_t c = 0; c < s->n_criteria; c++)
        for (size_t j = 0; j < s->n_judges; j++)
            for (int o = 0; o < s->orders; o++)
                for (int r = 0; r < s->repeats; r++) {
                    const double v = s->side[side].votes[pt_judge_vote(s, text, c, j, o, r)];
                    if (!isnan(v) && (judge == SIZE_MAX || j == judge)) sum += v, n++;
                }
    return n > 0 ? sum / n : NAN;
}

#include "eval/metric/scores.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval/text/bleu.h"
#include "eval/metric/canned.h"
#include "eval/metric/noise.h"
#include "eval/metric/tally.h"
#include "eval/text/textstats.h"

/* The canned answer is no sum of parts: it stands beside them. */
typedef struct canned {
    double f, questions;
} canned;

typedef struct work {
    const pt_scoring *s;
    size_t n, n_train;
    pt_wordbook *book;
    pt_words *answer, *said; /* [n], [n_train] */
    pt_words **references;   /* [n][n_references] */
    size_t *role;            /* [n] index in the report */
    canned *canned;          /* [roles] */
    pt_metric_list rows, values, distinct; /* made of rows; these and what follows from them; made of all answers together */
    size_t width;            /* of a row's sums */
    double *parts;           /* [n][width] */
    double *self;            /* [n] self-BLEU; NULL: not asked for */
} work;

static void work_free(work *w)
{
    for (size_t i = 0; i < w->n; i++) {
        if (w->answer) pt_words_free(&w->answer[i]);
        if (!w->references || !w->references[i]) continue;
        for (size_t k = 0; k < w->s->answers[i].n_references; k++) pt_words_free(&w->references[i][k]);
        free(w->references[i]);
    }
    for (size_t i = 0; w->said && i < w->n_train; i++) pt_words_free(&w->said[i]);
    free(w->answer);
    free(w->said);
    free(w->references);
    free(w->role);
    free(w->canned);
    free(w->parts);
    free(w->self);
}

static pt_status work_split(work *w, pt_report *r)
{
    const pt_scoring *s = w->s;
    PT_RETURN(pt_alloc0(&w->answer, w->n));
    PT_RETURN(pt_alloc0(&w->references, w->n));
    PT_RETURN(pt_alloc0(&w->role, w->n));
    PT_RETURN(pt_alloc0(&w->said, w->n_train));
    for (size_t i = 0; i < w->n; i++) {
        const pt_eval_answer *a = &s->answers[i];
        pt_report_role *role = NULL;
        if (!s->one_role) PT_RETURN(pt_report_role_get(r, a->role, &role));
        w->role[i] = role ? (size_t)(role - r->role) : 0;
        if (a->answer) PT_RETURN(pt_words_split(w->book, s->units, a->answer, &w->answer[i]));
        PT_RETURN(pt_alloc0(&w->references[i], a->n_references));
        for (size_t k = 0; k < a->n_references; k++) PT_RETURN(pt_words_split(w->book, s->units, a->references[k], &w->references[i][k]));
    }
    for (size_t i = 0; i < w->n_train; i++) PT_RETURN(pt_words_split(w->book, s->units, s->train[i].answer, &w->said[i]));
    return pt_alloc0(&w->canned, r->roles);
}

/* ---- metrics by their sums ---- */

static size_t sums_of(int metric)
{
    int n = pt_metric_kind_at(metric)->sums;
    return n ? (size_t)n : 2;
}

static bool listed(const pt_metric_list *list, int metric)
{
    for (int k = 0; k < list->n; k++)
        if (list->at[k] == metric) return true;
    return false;
}

static void list_metrics(work *w)
{
    for (int m = 0; m < pt_metric_count(); m++) {
        const pt_metric_kind *k = pt_metric_kind_at(m);
        if (w->s->metrics ? !listed(w->s->metrics, m) : !pt_metric_of_questions(m)) continue;
        if (k->row) w->rows.at[w->rows.n++] = m;
        if (k->row) w->width += sums_of(m);
        if (k->row || k->derived) w->values.at[w->values.n++] = m;
        if (k->distinct) w->distinct.at[w->distinct.n++] = m;
    }
}

static bool any(const double *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (v[i] != 0) return true;
    return false;
}

static pt_status score_row(work *w, size_t i)
{
    const pt_eval_answer *a = &w->s->answers[i];
    if (!isfinite(a->nll_own) || !isfinite(a->nll_other))
        return pt_fail(PT_ENONFINITE, "question %zu (%s): log-likelihood is not finite", i + 1, a->role);
    const pt_metric_row row = {.answer = a, .words = a->answer ? &w->answer[i] : NULL, .references = w->references[i], .train = w->said, .n_train = w->n_train,
                               .book = w->book, .units = w->s->units, .smoothing = w->s->smoothing, .self_bleu = w->self ? w->self[i] : NAN};
    double *part = w->parts + i * w->width;
    for (int k = 0; k < w->rows.n; part += sums_of(w->rows.at[k++])) PT_RETURN(pt_metric_kind_at(w->rows.at[k])->row(&row, part));
    return PT_OK;
}

/* Of what is made of rows; then what follows from that. */
static void measure(const work *w, const double *sums, pt_measures *out)
{
    for (int k = 0; k < w->rows.n; sums += sums_of(w->rows.at[k++])) {
        const pt_metric_kind *kind = pt_metric_kind_at(w->rows.at[k]);
        out->v[w->rows.at[k]] = kind->of_sums ? kind->of_sums(sums) : sums[1] > 0 ? sums[0] / sums[1] : NAN;
    }
    for (int k = 0; k < w->values.n; k++) {
        const pt_metric_kind *kind = pt_metric_kind_at(w->values.at[k]);
        if (kind->derived) out->v[w->values.at[k]] = kind->derived(out);
    }
}

/* All answers of a role against each other: self-BLEU (eval/text/bleu.h). */
static pt_status score_self(work *w, size_t roles)
{
    pt_status rc = PT_OK;
    const pt_words **some = NULL;
    double *value = NULL;
    PT_TRY(pt_alloc0(&some, w->n));
    PT_TRY(pt_alloc0(&value, w->n));
    PT_TRY(pt_alloc0(&w->self, w->n));
    for (size_t k = 0; k < (roles ? roles : 1); k++) {
        size_t n = 0, m = 0;
        for (size_t i = 0; i < w->n; i++)
            if (w->role[i] == k && w->s->answers[i].answer) some[n++] = &w->answer[i];
        PT_TRY(pt_bleu_self(some, n, value));
        for (size_t i = 0; i < w->n; i++)
            if (w->role[i] == k) w->self[i] = w->s->answers[i].answer ? value[m++] : NAN;
    }
done:
    free(some);
    free(value);
    return rc;
}

/* The canned answer of one role, over its questions that have references. */
static pt_status score_canned(work *w, pt_report_role *role, size_t index)
{
    pt_status rc = PT_OK;
    pt_question_refs *q = NULL;
    pt_words *said = NULL; /* borrowed views */
    size_t *origin = NULL, nq = 0, ns = 0;
    PT_TRY(pt_alloc0(&q, w->n));
    PT_TRY(pt_alloc0(&said, w->n_train));
    PT_TRY(pt_alloc0(&origin, w->n_train));
    for (size_t i = 0; i < w->n; i++)
        if (w->role[i] == index && w->s->answers[i].n_references)
            q[nq++] = (pt_question_refs){.references = w->references[i], .n = w->s->answers[i].n_references};
    for (size_t k = 0; k < w->n_train; k++)
        if (strcmp(w->s->train[k].role, role->role) == 0) {
            origin[ns] = k;
            said[ns++] = w->said[k];
        }
    if (nq && ns) {
        pt_canned best;
        char *text;
        PT_TRY(pt_canned_best(said, ns, q, nq, &best));
        PT_TRY(pt_strdup(&text, w->s->train[origin[best.train]].answer));
        free(role->canned);
        role->canned = text;
        w->canned[index] = (canned){best.f * (double)nq, (double)nq};
    }
done:
    free(q);
    free(said);
    free(origin);
    return rc;
}

/* ---- one side ---- */

static void values_of(const void *user, const double *sums, double *out)
{
    const work *w = user;
    pt_measures m;
    pt_measures_clear(&m);
    measure(w, sums, &m);
    for (int k = 0; k < w->values.n; k++) out[k] = m.v[w->values.at[k]];
}

/* Distinct n-grams of the answers of a role, or of all (role < 0). */
static pt_status count_distinct(const work *w, int64_t role, pt_measures *m)
{
    pt_status rc = PT_OK;
    const pt_words **some = NULL;
    size_t n = 0;
    PT_TRY(pt_alloc0(&some, w->n));
    for (size_t i = 0; i < w->n; i++)
        if ((role < 0 || w->role[i] == (size_t)role) && w->s->answers[i].answer) some[n++] = &w->answer[i];
    for (int k = 0; n && k < w->distinct.n; k++) {
        int at = w->distinct.at[k];
        PT_TRY(pt_distinct_n(some, n, (size_t)pt_metric_kind_at(at)->distinct, &m->v[at]));
        m->n[at] = n;
    }
done:
    free(some);
    return rc;
}

/* The values of a role's rows, or of all (role < 0). */
static pt_status fill(const work *w, int64_t role, size_t roles, pt_measures *m)
{
    double *sums;
    canned best = {0};
    PT_RETURN(pt_alloc0(&sums, w->width));
    for (int k = 0; k < w->values.n; k++) m->n[w->values.at[k]] = 0;
    for (size_t i = 0; i < w->n; i++) {
        const double *part = w->parts + i * w->width;
        if (role >= 0 && w->role[i] != (size_t)role) continue;
        for (int k = 0; k < w->values.n; k++) m->n[w->values.at[k]] += pt_metric_kind_at(w->values.at[k])->derived != NULL;
        for (size_t k = 0; k < w->width; k++) sums[k] += part[k];
        for (int k = 0; k < w->rows.n; part += sums_of(w->rows.at[k++])) m->n[w->rows.at[k]] += any(part, sums_of(w->rows.at[k]));
    }
    measure(w, sums, m);
    free(sums);
    if (!w->s->metrics) {
        for (size_t k = 0; k < roles; k++)
            if (role < 0 || k == (size_t)role) best.f += w->canned[k].f, best.questions += w->canned[k].questions;
        m->v[PT_METRIC_CANNED_ROUGE_L] = best.questions > 0 ? best.f / best.questions : NAN;
    }
    return count_distinct(w, role, m);
}

static pt_status noise_of(const work *w, const pt_tally *t, pt_report *r, pt_side side, int64_t role)
{
    pt_measures *m = role < 0 ? &r->side[side] : &r->role[role].side[side];
    pt_changes *to = role < 0 ? &r->change : &r->role[role].change;
    pt_tallied got[PT_METRICS_MOST];
    PT_RETURN(pt_tally_noise(t, side, role, w->s->seed, got));
    for (int k = 0; k < w->values.n; k++) {
        int at = w->values.at[k];
        m->lo[at] = got[k].ci.lo;
        m->hi[at] = got[k].ci.hi;
        to->p[at] = got[k].p;
        to->lo[at] = got[k].change.lo;
        to->hi[at] = got[k].change.hi;
        to->wilcoxon[at] = got[k].wilcoxon;
        to->mcnemar[at] = got[k].mcnemar;
    }
    for (int k = 0; k < w->distinct.n; k++)
        PT_RETURN(pt_tally_distinct(t, role, w->s->seed, (size_t)pt_metric_kind_at(w->distinct.at[k])->distinct, &to->p[w->distinct.at[k]]));
    return PT_OK;
}

/* The questions' parts, roles and words go to the report, where the other side finds them. */
static pt_status noise(work *w, pt_report *r, pt_side side)
{
    uint64_t *cluster;
    pt_metric_list tested = w->values;
    PT_RETURN(pt_alloc0(&cluster, w->n));
    for (size_t i = 0; i < w->n; i++) cluster[i] = w->s->clusters ? w->s->clusters[i] : i;
    pt_report_parts_free(&r->parts[side]);
    r->parts[side] = (struct pt_report_parts){w->parts, w->role, cluster, w->answer, w->n};
    const pt_tally t = {.width = w->width, .values = (size_t)w->values.n, .value = values_of, .user = w, .side = {&r->parts[0], &r->parts[1]}};
    pt_status rc = PT_OK;
    for (int64_t k = PT_TALLY_ALL; rc == PT_OK && k < (int64_t)r->roles; k++) rc = noise_of(w, &t, r, side, k);
    for (int k = 0; k < w->distinct.n; k++) tested.at[tested.n++] = w->distinct.at[k];
    if (rc == PT_OK) rc = pt_noise_correct(&tested, r);
    w->parts = NULL;
    w->role = NULL;
    w->answer = NULL;
    return rc;
}

pt_status pt_scores_fill(pt_report *r, pt_side side, const pt_scoring *s)
{
    pt_status rc = PT_OK;
    work w = {.s = s, .n = s->n, .n_train = s->n_train, .book = &r->book};
    PT_TRY(work_split(&w, r));
    list_metrics(&w);
    PT_TRY(pt_alloc0(&w.parts, s->n * w.width));
    if (listed(&w.rows, pt_metric_find("self_bleu"))) PT_TRY(score_self(&w, r->roles));
    for (size_t i = 0; i < s->n; i++) PT_TRY(score_row(&w, i));
    for (size_t k = 0; k < r->roles; k++) {
        if (!s->metrics) PT_TRY(score_canned(&w, &r->role[k], k));
        r->role[k].questions = 0;
        for (size_t i = 0; i < s->n; i++) r->role[k].questions += w.role[i] == k;
        PT_TRY(fill(&w, (int64_t)k, r->roles, &r->role[k].side[side]));
    }
    r->questions = s->n;
    PT_TRY(fill(&w, PT_TALLY_ALL, r->roles, &r->side[side]));
    PT_TRY(noise(&w, r, side));
done:
    work_free(&w);
    return rc;
}

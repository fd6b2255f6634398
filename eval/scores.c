#include "eval/scores.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval/canned.h"
#include "eval/textstats.h"

typedef struct sums {
    double f, recall, canned, nll_own, nll_other;
    size_t scored, answered, stopped, copied, canned_rows, repeated, grams;
    int64_t tokens_own, tokens_other;
} sums;

typedef struct work {
    const pt_eval_answer *rows;
    const pt_eval_train *train;
    size_t n, n_train;
    pt_units units;
    pt_wordbook book;
    pt_words *answer, *said; /* [n], [n_train] */
    pt_words **references;   /* [n][n_references] */
    size_t *role;            /* [n] index in the report */
    sums *by_role;           /* [roles] */
} work;

static void work_free(work *w)
{
    for (size_t i = 0; i < w->n; i++) {
        if (w->answer) pt_words_free(&w->answer[i]);
        if (!w->references || !w->references[i]) continue;
        for (size_t k = 0; k < w->rows[i].n_references; k++) pt_words_free(&w->references[i][k]);
        free(w->references[i]);
    }
    for (size_t i = 0; w->said && i < w->n_train; i++) pt_words_free(&w->said[i]);
    free(w->answer);
    free(w->said);
    free(w->references);
    free(w->role);
    free(w->by_role);
    pt_wordbook_free(&w->book);
}

static pt_status work_split(work *w, pt_report *r)
{
    PT_RETURN(pt_alloc0(&w->answer, w->n));
    PT_RETURN(pt_alloc0(&w->references, w->n));
    PT_RETURN(pt_alloc0(&w->role, w->n));
    PT_RETURN(pt_alloc0(&w->said, w->n_train));
    for (size_t i = 0; i < w->n; i++) {
        const pt_eval_answer *a = &w->rows[i];
        pt_report_role *role;
        PT_RETURN(pt_report_role_get(r, a->role, &role));
        w->role[i] = (size_t)(role - r->role);
        if (a->answer) PT_RETURN(pt_words_split(&w->book, w->units, a->answer, &w->answer[i]));
        PT_RETURN(pt_alloc0(&w->references[i], a->n_references));
        for (size_t k = 0; k < a->n_references; k++)
            PT_RETURN(pt_words_split(&w->book, w->units, a->references[k], &w->references[i][k]));
    }
    for (size_t i = 0; i < w->n_train; i++) PT_RETURN(pt_words_split(&w->book, w->units, w->train[i].answer, &w->said[i]));
    return pt_alloc0(&w->by_role, r->roles);
}

static pt_status score_row(work *w, size_t i)
{
    const pt_eval_answer *a = &w->rows[i];
    sums *s = &w->by_role[w->role[i]];
    if (!isfinite(a->nll_own) || !isfinite(a->nll_other))
        return pt_fail(PT_ENONFINITE, "question %zu (%s): log-likelihood is not finite", i + 1, a->role);
    s->nll_own += a->tokens_own > 0 ? a->nll_own : 0;
    s->nll_other += a->tokens_other > 0 ? a->nll_other : 0;
    s->tokens_own += a->tokens_own > 0 ? a->tokens_own : 0;
    s->tokens_other += a->tokens_other > 0 ? a->tokens_other : 0;
    if (!a->answer) return PT_OK;
    s->answered++;
    s->stopped += a->stopped;
    size_t repeated, grams, copied;
    pt_copy copy;
    PT_RETURN(pt_ngrams_repeated(&w->answer[i], 4, &repeated, &grams));
    PT_RETURN(pt_copies_find(&w->answer[i], 1, w->said, w->n_train, PT_COPY_THRESHOLD, &copy, &copied));
    s->repeated += repeated;
    s->grams += grams;
    s->copied += copied;
    if (!a->n_references) return PT_OK;
    pt_rouge score;
    PT_RETURN(pt_rouge_l_max(w->references[i], a->n_references, &w->answer[i], &score, NULL));
    s->f += score.f;
    s->recall += score.recall;
    s->scored++;
    return PT_OK;
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
        if (w->role[i] == index && w->rows[i].n_references)
            q[nq++] = (pt_question_refs){.references = w->references[i], .n = w->rows[i].n_references};
    for (size_t k = 0; k < w->n_train; k++)
        if (strcmp(w->train[k].role, role->role) == 0) {
            origin[ns] = k;
            said[ns++] = w->said[k];
        }
    if (nq && ns) {
        pt_canned best;
        char *text;
        PT_TRY(pt_canned_best(said, ns, q, nq, &best));
        PT_TRY(pt_strdup(&text, w->train[origin[best.train]].answer));
        free(role->canned);
        role->canned = text;
        w->by_role[index].canned = best.f * (double)nq;
        w->by_role[index].canned_rows = nq;
    }
done:
    free(q);
    free(said);
    free(origin);
    return rc;
}

static void sums_add(sums *all, const sums *s)
{
    all->f += s->f;
    all->recall += s->recall;
    all->canned += s->canned;
    all->nll_own += s->nll_own;
    all->nll_other += s->nll_other;
    all->scored += s->scored;
    all->answered += s->answered;
    all->stopped += s->stopped;
    all->copied += s->copied;
    all->canned_rows += s->canned_rows;
    all->repeated += s->repeated;
    all->grams += s->grams;
    all->tokens_own += s->tokens_own;
    all->tokens_other += s->tokens_other;
}

static double share(double part, size_t whole)
{
    return whole ? part / (double)whole : NAN;
}

static void sums_metrics(const sums *s, bool any_train, pt_measures *m)
{
    m->v[PT_METRIC_ROUGE_L_F] = share(s->f, s->scored);
    m->v[PT_METRIC_ROUGE_L_RECALL] = share(s->recall, s->scored);
    m->v[PT_METRIC_CANNED_ROUGE_L] = share(s->canned, s->canned_rows);
    m->v[PT_METRIC_STOPPED] = share((double)s->stopped, s->answered);
    m->v[PT_METRIC_REPEATED] = s->grams ? (double)s->repeated / (double)s->grams : s->answered ? 0 : NAN;
    m->v[PT_METRIC_COPIED] = any_train ? share((double)s->copied, s->answered) : NAN;
    m->v[PT_METRIC_NLL_OWN] = s->tokens_own ? s->nll_own / (double)s->tokens_own : NAN;
    m->v[PT_METRIC_NLL_OTHER] = s->tokens_other ? s->nll_other / (double)s->tokens_other : NAN;
    m->v[PT_METRIC_PERPLEXITY] = exp(m->v[PT_METRIC_NLL_OWN]);
    m->v[PT_METRIC_NLL_GAP] = m->v[PT_METRIC_NLL_OTHER] - m->v[PT_METRIC_NLL_OWN];
}

pt_status pt_scores_fill(pt_report *r, pt_side side, const pt_eval_answer *answers, size_t n, const pt_eval_train *train,
                         size_t n_train, pt_units units)
{
    pt_status rc = PT_OK;
    work w = {.rows = answers, .train = train, .n = n, .n_train = n_train, .units = units};
    sums all = {0};
    PT_TRY(work_split(&w, r));
    for (size_t i = 0; i < n; i++) PT_TRY(score_row(&w, i));
    for (size_t k = 0; k < r->roles; k++) {
        PT_TRY(score_canned(&w, &r->role[k], k));
        r->role[k].questions = 0;
        for (size_t i = 0; i < n; i++) r->role[k].questions += w.role[i] == k;
        sums_add(&all, &w.by_role[k]);
        sums_metrics(&w.by_role[k], n_train > 0, &r->role[k].side[side]);
    }
    r->questions = n;
    sums_metrics(&all, n_train > 0, &r->side[side]);
done:
    work_free(&w);
    return rc;
}

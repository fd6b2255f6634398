#include "eval/scores.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval/canned.h"
#include "eval/noise.h"
#include "eval/resample.h"

typedef struct sums {
    pt_metric_sum of[PT_METRICS_MOST];
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
    pt_metric_list made, values; /* metrics made of rows; these and what follows from them */
    double *parts;           /* [n][3 * made.n] each question's sums */
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
    free(w->parts);
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

static void sum_add(pt_metric_sum *all, const pt_metric_sum *x)
{
    all->sum += x->sum;
    all->weight += x->weight;
    all->rows += x->rows;
}

static pt_status score_row(work *w, size_t i)
{
    const pt_eval_answer *a = &w->rows[i];
    sums *s = &w->by_role[w->role[i]];
    if (!isfinite(a->nll_own) || !isfinite(a->nll_other))
        return pt_fail(PT_ENONFINITE, "question %zu (%s): log-likelihood is not finite", i + 1, a->role);
    pt_metric_row row = {a, a->answer ? &w->answer[i] : NULL, w->references[i], w->said, w->n_train};
    for (int k = 0; k < w->made.n; k++) {
        int m = w->made.at[k];
        pt_metric_sum one = {0};
        PT_RETURN(pt_metric_kind_at(m)->row(&row, &one));
        sum_add(&s->of[m], &one);
        double *part = w->parts + 3 * (i * (size_t)w->made.n + (size_t)k);
        part[0] = one.sum, part[1] = one.weight, part[2] = one.rows;
    }
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
        w->by_role[index].of[PT_METRIC_CANNED_ROUGE_L] = (pt_metric_sum){best.f * (double)nq, (double)nq, 0};
    }
done:
    free(q);
    free(said);
    free(origin);
    return rc;
}

static void sums_add(sums *all, const sums *s)
{
    for (int m = 0; m < pt_metric_count(); m++) sum_add(&all->of[m], &s->of[m]);
}

/* Of what is made of rows; then what follows from that. preference_accuracy and the like keep what they have. */
static void sums_metrics(const sums *s, pt_measures *out)
{
    for (int m = 0; m < pt_metric_count(); m++) {
        const pt_metric_kind *k = pt_metric_kind_at(m);
        const pt_metric_sum *x = &s->of[m];
        if (k->row || m == PT_METRIC_CANNED_ROUGE_L) out->v[m] = k->value ? k->value(x) : x->weight > 0 ? x->sum / x->weight : NAN;
    }
    for (int m = 0; m < pt_metric_count(); m++)
        if (pt_metric_kind_at(m)->derived) out->v[m] = pt_metric_kind_at(m)->derived(out);
}

/* ---- what is more than noise ---- */

static void values_of(const void *user, const double *parts, double *out)
{
    const work *w = user;
    sums s = {0};
    pt_measures m;
    pt_measures_clear(&m);
    for (int k = 0; k < w->made.n; k++, parts += 3) s.of[w->made.at[k]] = (pt_metric_sum){parts[0], parts[1], parts[2]};
    sums_metrics(&s, &m);
    for (int k = 0; k < w->values.n; k++) out[k] = m.v[w->values.at[k]];
}

static void list_metrics(work *w)
{
    for (int m = 0; m < pt_metric_count(); m++) {
        const pt_metric_kind *k = pt_metric_kind_at(m);
        if (k->row) w->made.at[w->made.n++] = m;
        if (k->row || k->derived) w->values.at[w->values.n++] = m;
    }
}

/* The parts of a role's questions, or of all (role = roles): packed into out. */
static size_t parts_of(const pt_report *r, pt_side side, size_t role, size_t width, double *out)
{
    const struct pt_report_parts *p = &r->parts[side];
    size_t n = 0;
    for (size_t i = 0; i < p->n; i++)
        if (role == r->roles || p->role[i] == role) memcpy(out + n++ * width, p->of + i * width, width * sizeof *out);
    return n;
}

/* The tests of pairs of each metric, from its values of each question. */
static pt_status pairs_of(const work *w, double *const parts[2], size_t n, pt_changes *to)
{
    pt_status rc = PT_OK;
    double one[PT_METRICS_MOST], *v[2] = {NULL, NULL}; /* [values][n] */
    for (int s = 0; s < 2; s++) PT_TRY(pt_alloc0(&v[s], n * (size_t)w->values.n));
    for (int s = 0; s < 2; s++)
        for (size_t i = 0; i < n; i++) {
            values_of(w, parts[s] + i * 3 * (size_t)w->made.n, one);
            for (int k = 0; k < w->values.n; k++) v[s][(size_t)k * n + i] = one[k];
        }
    for (int k = 0; k < w->values.n; k++) {
        int m = w->values.at[k];
        PT_TRY(pt_noise_pairs(v[0] + (size_t)k * n, v[1] + (size_t)k * n, n, &to->wilcoxon[m], &to->mcnemar[m]));
    }
done:
    for (int s = 0; s < 2; s++) free(v[s]);
    return rc;
}

static pt_status noise_of(const work *w, pt_report *r, pt_side side, size_t role, uint64_t seed, double *parts[2])
{
    pt_measures *m = role == r->roles ? &r->side[side] : &r->role[role].side[side];
    pt_changes *to = role == r->roles ? &r->change : &r->role[role].change;
    double p[PT_METRICS_MOST];
    size_t width = 3 * (size_t)w->made.n;
    pt_interval ci[PT_METRICS_MOST];
    size_t n[2] = {parts_of(r, PT_BEFORE, role, width, parts[0]), parts_of(r, PT_AFTER, role, width, parts[1])};
    pt_added a = {.clusters = n[side], .width = width, .values = (size_t)w->values.n, .parts = parts[side], .value = values_of, .user = w};
    PT_RETURN(pt_bootstrap_added(&a, PT_RESAMPLES, seed, ci));
    for (int k = 0; k < w->values.n; k++) {
        m->lo[w->values.at[k]] = ci[k].lo;
        m->hi[w->values.at[k]] = ci[k].hi;
    }
    for (int k = 0; k < w->values.n; k++) to->p[w->values.at[k]] = NAN;
    if (n[0] != n[1]) return PT_OK;
    PT_RETURN(pt_permute_added(&a, parts[!side], PT_PERMUTATIONS, seed, p));
    for (int k = 0; k < w->values.n; k++) to->p[w->values.at[k]] = p[k];
    return pairs_of(w, parts, n[0], to);
}

/* The questions' parts and roles go to the report, where the other side finds them. */
static pt_status noise(work *w, pt_report *r, pt_side side, uint64_t seed)
{
    pt_status rc = PT_OK;
    double *parts[2] = {NULL, NULL};
    free(r->parts[side].of);
    free(r->parts[side].role);
    r->parts[side] = (struct pt_report_parts){w->parts, w->role, w->n};
    w->parts = NULL;
    for (int s = 0; s < 2; s++) PT_TRY(pt_alloc0(&parts[s], r->parts[s].n * 3 * (size_t)w->made.n));
    for (size_t k = 0; k <= r->roles; k++) PT_TRY(noise_of(w, r, side, k, seed, parts));
    PT_TRY(pt_noise_correct(&w->values, r));
done:
    w->role = NULL;
    for (int s = 0; s < 2; s++) free(parts[s]);
    return rc;
}

pt_status pt_scores_fill(pt_report *r, pt_side side, const pt_eval_answer *answers, size_t n, const pt_eval_train *train,
                         size_t n_train, pt_units units, uint64_t seed)
{
    pt_status rc = PT_OK;
    work w = {.rows = answers, .train = train, .n = n, .n_train = n_train, .units = units};
    sums all = {0};
    PT_TRY(work_split(&w, r));
    list_metrics(&w);
    PT_TRY(pt_alloc0(&w.parts, 3 * n * (size_t)w.made.n));
    for (size_t i = 0; i < n; i++) PT_TRY(score_row(&w, i));
    for (size_t k = 0; k < r->roles; k++) {
        PT_TRY(score_canned(&w, &r->role[k], k));
        r->role[k].questions = 0;
        for (size_t i = 0; i < n; i++) r->role[k].questions += w.role[i] == k;
        sums_add(&all, &w.by_role[k]);
        sums_metrics(&w.by_role[k], &r->role[k].side[side]);
    }
    r->questions = n;
    sums_metrics(&all, &r->side[side]);
    PT_TRY(noise(&w, r, side, seed));
done:
    work_free(&w);
    return rc;
}

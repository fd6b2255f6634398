#include "eval/suite/evaluate.h"

#include <stdlib.h>
#include <string.h>

#include "eval/metric/noise.h"
#include "eval/stat/resample.h"

void pt_evaluation_free(pt_evaluation *e)
{
    struct pt_eval_asked *all[] = {&e->own, &e->other, &e->texts, &e->pairs};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        free(all[i]->question);
        *all[i] = (struct pt_eval_asked){0};
    }
}

void pt_eval_texts_free(pt_eval_texts *t)
{
    for (size_t i = 0; i < t->n; i++) free(t->answer[i]);
    free(t->answer);
    free(t->index);
    *t = (pt_eval_texts){0};
}

static size_t n_asked(const pt_evaluation *e)
{
    return e->limit && e->limit < e->questions->n ? e->limit : e->questions->n;
}

/* The i-th question asked: evenly spread over the list. */
static size_t asked(const pt_evaluation *e, size_t i)
{
    return i * e->questions->n / n_asked(e);
}

/* A question with another role: the next different one in the list. NULL when all have the same. */
static const pt_question *stranger(const pt_evaluation *e, size_t i)
{
    const pt_question *q = &e->questions->list[i];
    for (size_t k = 1; q->role && k < e->questions->n; k++) {
        const pt_question *x = &e->questions->list[(i + k) % e->questions->n];
        if (x->role && strcmp(x->role, q->role) && pt_speaker_is(x->prompt[0].speaker, PT_SYSTEM) && pt_speaker_is(q->prompt[0].speaker, PT_SYSTEM)) return x;
    }
    return NULL;
}

/* ---- asking ---- */

static pt_status begin(struct pt_eval_asked *a, const pt_requests *q, size_t most)
{
    a->first = q->n;
    return pt_alloc0(&a->question, most);
}

/* The references of all questions asked, behind their own system text or a stranger's. */
static pt_status ask_references(pt_evaluation *e, const pt_speller *s, pt_requests *q, struct pt_eval_asked *a, bool other)
{
    size_t most = 0;
    for (size_t i = 0; i < e->questions->n; i++) most += e->questions->list[i].n_references;
    PT_RETURN(begin(a, q, most));
    for (size_t i = 0; i < n_asked(e); i++) {
        const pt_question *x = &e->questions->list[asked(e, i)], *y = other ? stranger(e, asked(e, i)) : NULL;
        for (size_t k = 0; k < x->n_references && (y || !other); k++) {
            PT_RETURN(pt_spell_answer(s, q, x->prompt, x->n_prompt, y ? &y->prompt[0] : NULL, x->references[k], strlen(x->references[k]),
                                      PT_END_MEASURED));
            a->question[a->n++] = i;
        }
    }
    return PT_OK;
}

static pt_status ask_texts(pt_evaluation *e, const pt_speller *s, pt_requests *q)
{
    PT_RETURN(begin(&e->texts, q, n_asked(e)));
    for (size_t i = 0; i < n_asked(e); i++) {
        const pt_question *x = &e->questions->list[asked(e, i)];
        PT_RETURN(pt_spell_question(s, q, x->prompt, x->n_prompt, &e->sampling, 0));
        e->texts.question[e->texts.n++] = i;
    }
    return PT_OK;
}

static pt_status ask_pairs(pt_evaluation *e, const pt_speller *s, pt_requests *q)
{
    PT_RETURN(begin(&e->pairs, q, 2 * e->questions->n_pairs));
    for (size_t i = 0; i < e->questions->n_pairs; i++)
        for (int k = 0; k < 2; k++) {
            const pt_question_pair *p = &e->questions->pairs[i];
            const pt_message *a = &p->side[k][p->n[k] - 1];
            PT_RETURN(e->reward ? pt_spell_scored(s, q, p->side[k], p->n[k] - 1, a->text, a->bytes)
                                : pt_spell_answer(s, q, p->side[k], p->n[k] - 1, NULL, a->text, a->bytes, PT_END_MEASURED));
            e->pairs.question[e->pairs.n++] = i;
        }
    return PT_OK;
}

pt_status pt_evaluate_ask(pt_evaluation *e, const pt_speller *s, pt_requests *q)
{
    pt_evaluation_free(e);
    if (e->questions->n && !e->reward) {
        PT_RETURN(ask_references(e, s, q, &e->own, false));
        PT_RETURN(ask_references(e, s, q, &e->other, true));
        PT_RETURN(ask_texts(e, s, q));
    }
    return ask_pairs(e, s, q);
}

/* ---- judging ---- */

static pt_status keep_texts(const pt_evaluation *e, const pt_reply *replies, pt_eval_texts *t)
{
    PT_RETURN(pt_alloc0(&t->answer, e->texts.n));
    PT_RETURN(pt_alloc0(&t->index, e->texts.n));
    for (size_t i = 0; i < e->texts.n; i++) {
        PT_RETURN(pt_strdup(&t->answer[i], replies[e->texts.first + i].text));
        t->index[i] = asked(e, i);
        t->n = i + 1;
    }
    return PT_OK;
}

/* The unit (words or characters) that suits the references. */
static pt_units units_of(const pt_evaluation *e)
{
    size_t chars = 0, n = e->questions->n;
    for (size_t i = 0; i < n; i++) chars += pt_units_pick(e->questions->list[i].references[0]) == PT_UNITS_CHARS;
    return chars * 2 > n ? PT_UNITS_CHARS : PT_UNITS_WORDS;
}

static pt_status list_train(const pt_evaluation *e, pt_eval_train **out, size_t *n)
{
    pt_eval_train *train;
    *n = 0;
    for (size_t i = 0; e->train && i < e->train->n; i++) *n += e->train->list[i].n_references;
    PT_RETURN(pt_alloc0(&train, *n));
    *n = 0;
    for (size_t i = 0; e->train && i < e->train->n; i++)
        for (size_t k = 0; k < e->train->list[i].n_references; k++)
            train[(*n)++] = (pt_eval_train){e->train->list[i].role ? e->train->list[i].role : "", e->train->list[i].references[k]};
    *out = train;
    return PT_OK;
}

static pt_status judge_questions(const pt_evaluation *e, const pt_reply *replies, pt_report *r, pt_side side)
{
    pt_status rc = PT_OK;
    size_t n = n_asked(e), n_train = 0;
    pt_eval_answer *a = NULL;
    pt_eval_train *train = NULL;
    PT_TRY(pt_alloc0(&a, n));
    for (size_t i = 0; i < n; i++) {
        const pt_question *q = &e->questions->list[asked(e, i)];
        const pt_reply *x = &replies[e->texts.first + i];
        a[i] = (pt_eval_answer){.role = q->role ? q->role : "", .references = (const char *const *)q->references, .n_references = q->n_references,
                                .answer = x->text, .stopped = x->stopped};
    }
    for (size_t i = 0; i < e->own.n; i++) {
        a[e->own.question[i]].nll_own -= replies[e->own.first + i].value;
        a[e->own.question[i]].tokens_own += replies[e->own.first + i].tokens;
    }
    for (size_t i = 0; i < e->other.n; i++) {
        a[e->other.question[i]].nll_other -= replies[e->other.first + i].value;
        a[e->other.question[i]].tokens_other += replies[e->other.first + i].tokens;
    }
    PT_TRY(list_train(e, &train, &n_train));
    PT_TRY(pt_scores_fill(r, side, &(pt_scoring){.answers = a, .n = n, .train = train, .n_train = n_train, .units = units_of(e), .seed = e->sampling.seed}));
done:
    free(a);
    free(train);
    return rc;
}

static void share(const void *user, const double *sums, double *out)
{
    *out = *sums / (double)*(const size_t *)user;
}

/* Which chosen answers are preferred; interval, and p of the change, by pair. */
static pt_status judge_pairs(const pt_reply *p, size_t n, pt_report *r, pt_side side, uint64_t seed)
{
    struct pt_report_parts *own = &r->pairs[side], *other = &r->pairs[!side];
    pt_interval ci;
    double right = 0;
    pt_report_parts_free(own);
    PT_RETURN(pt_alloc0(&own->of, n));
    own->n = n;
    for (size_t i = 0; i < n; i++) right += own->of[i] = p[2 * i].value > p[2 * i + 1].value;
    pt_added a = {.clusters = n, .width = 1, .values = 1, .parts = own->of, .value = share, .user = &own->n};
    PT_RETURN(pt_bootstrap_added(&a, PT_RESAMPLES, seed, &ci));
    r->side[side].v[PT_METRIC_PREFERENCE] = right / (double)n;
    r->side[side].lo[PT_METRIC_PREFERENCE] = ci.lo;
    r->side[side].hi[PT_METRIC_PREFERENCE] = ci.hi;
    if (other->n != n) return PT_OK;
    PT_RETURN(pt_noise_pairs(own->of, other->of, n, &r->change.wilcoxon[PT_METRIC_PREFERENCE], &r->change.mcnemar[PT_METRIC_PREFERENCE]));
    PT_RETURN(pt_permute_added(&a, other->of, PT_PERMUTATIONS, seed, &r->change.p[PT_METRIC_PREFERENCE]));
    a.parts = r->pairs[PT_BEFORE].of;
    PT_RETURN(pt_bootstrap_change(&a, r->pairs[PT_AFTER].of, PT_RESAMPLES, seed, &ci));
    r->change.lo[PT_METRIC_PREFERENCE] = ci.lo;
    r->change.hi[PT_METRIC_PREFERENCE] = ci.hi;
    return pt_noise_correct(&(pt_metric_list){.at = {PT_METRIC_PREFERENCE}, .n = 1}, r);
}

pt_status pt_evaluate_judge(const pt_evaluation *e, const pt_reply *replies, pt_report *r, pt_side side, pt_eval_texts *texts, double *pairs)
{
    size_t n = e->pairs.n / 2;
    const pt_reply *p = replies + e->pairs.first;
    if (e->texts.n) PT_RETURN(judge_questions(e, replies, r, side));
    if (e->texts.n && texts) PT_RETURN(keep_texts(e, replies, texts));
    for (size_t i = 0; pairs && i < 2 * n; i++) pairs[i] = p[i].value;
    if (n) PT_RETURN(judge_pairs(p, n, r, side, e->sampling.seed));
    if (n && !r->questions) r->questions = n;
    return PT_OK;
}

#include "eval/evaluate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A record to be measured: prompt and answer rendered, with the sum and count that come back. */
typedef struct sample {
    pt_rendered r;
    size_t question;
    double nll;
    int64_t tokens;
    float score;
} sample;

typedef struct samples {
    sample *list;
    size_t n, cap;
} samples;

static void samples_free(samples *s)
{
    for (size_t i = 0; i < s->n; i++) pt_rendered_free(&s->list[i].r);
    free(s->list);
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

/* prompt ++ answer with loss on the answer. system: replaces the prompt's system turn. */
static pt_status add_sample(const pt_evaluation *e, samples *s, size_t question, const pt_message *prompt, size_t n, const pt_message *system,
                            const char *answer, size_t bytes)
{
    pt_status rc = PT_OK;
    pt_message *m = NULL;
    PT_TRY(pt_alloc0(&m, n + 1));
    memcpy(m, prompt, n * sizeof *m);
    if (system) m[0] = *system;
    if (n) m[0].tools = prompt[0].tools;
    for (size_t i = 0; i < n; i++) m[i].weight = 0;
    m[n] = (pt_message){.speaker = PT_ASSISTANT, .text = answer, .bytes = bytes, .weight = 1};
    PT_TRY(pt_reserve(&s->list, &s->cap, s->n + 1));
    s->list[s->n] = (sample){.question = question};
    PT_TRY(pt_template_render(e->tmpl, m, n + 1, false, &s->list[s->n++].r));
done:
    free(m);
    return rc;
}

/* Runs samples [from, to) as one forest batch and adds up what their groups' rows say. */
static pt_status measure_batch(const pt_evaluation *e, samples *s, size_t from, size_t to)
{
    pt_status rc = PT_OK;
    pt_batch b = {0};
    float *out = NULL;
    pt_seq *seqs;
    PT_TRY(pt_alloc0(&seqs, to - from));
    for (size_t i = from; i < to; i++) {
        const pt_rendered *r = &s->list[i].r;
        int32_t end = r->n_answers ? r->answer_end[r->n_answers - 1] : (int32_t)r->ids.n - 1;
        seqs[i - from] = (pt_seq){.ids = r->ids.ids, .weight = r->weight, .n = (int32_t)r->ids.n, .slot = e->slot, .end_index = e->reward ? end : -1};
    }
    PT_TRY(pt_batch_build(&b, seqs, to - from, PT_PACKING_FOREST));
    PT_TRY(pt_model_load_batch(e->model, &b, 0, false));
    PT_TRY(pt_model_forward(e->model, e->slot, false));
    PT_TRY(pt_alloc0(&out, (size_t)(b.n_rows > b.n_groups ? b.n_rows : b.n_groups)));
    PT_TRY(e->reward ? pt_model_values(e->model, out) : pt_model_logp(e->model, NULL, out));
    for (int32_t g = 0; g < b.n_groups; g++) {
        sample *x = &s->list[from + (size_t)g];
        if (e->reward) x->score = out[g];
        for (int32_t k = b.group_row_start[g]; !e->reward && k < b.group_row_start[g + 1]; k++, x->tokens++) x->nll -= (double)out[b.group_rows[k]];
        PT_CHECK(isfinite(x->nll) && isfinite(x->score), PT_ENONFINITE, "question %zu: the log-probability of a reference is not finite", x->question + 1);
    }
done:
    pt_batch_free(&b);
    free(seqs);
    free(out);
    return rc;
}

static pt_status measure(const pt_evaluation *e, samples *s, const char *what)
{
    size_t from = 0;
    while (from < s->n) {
        size_t to = from, tokens = 0;
        while (to < s->n && to - from < 32 && (to == from || tokens + s->list[to].r.ids.n <= (size_t)e->max_tokens - 64)) tokens += s->list[to++].r.ids.n;
        if (tokens > (size_t)e->max_tokens) return pt_fail(PT_EARG, "a test record has %zu tokens, the model was planned for %d", tokens, e->max_tokens);
        PT_RETURN(measure_batch(e, s, from, to));
        from = to;
        if (e->progress) e->progress(e->user, what, from, s->n);
    }
    return PT_OK;
}

static pt_status collect(const pt_evaluation *e, samples *own, samples *other)
{
    for (size_t i = 0; i < n_asked(e); i++) {
        const pt_question *q = &e->questions->list[asked(e, i)], *x = stranger(e, asked(e, i));
        for (size_t k = 0; k < q->n_references; k++) {
            const char *a = q->references[k];
            PT_RETURN(add_sample(e, own, i, q->prompt, q->n_prompt, NULL, a, strlen(a)));
            if (x && other) PT_RETURN(add_sample(e, other, i, q->prompt, q->n_prompt, &x->prompt[0], a, strlen(a)));
        }
    }
    return PT_OK;
}

pt_status pt_evaluate_needs(const pt_evaluation *e, int32_t *longest_prompt, int32_t *longest_record)
{
    pt_status rc = PT_OK;
    samples s = {0};
    pt_rendered r = {0};
    size_t prompt = 1, record = 1;
    PT_TRY(collect(e, &s, &s));
    for (size_t i = 0; i < e->questions->n_pairs; i++)
        for (int k = 0; k < 2; k++) {
            const pt_question_pair *p = &e->questions->pairs[i];
            const pt_message *a = &p->side[k][p->n[k] - 1];
            PT_TRY(add_sample(e, &s, i, p->side[k], p->n[k] - 1, NULL, a->text, a->bytes));
        }
    for (size_t i = 0; i < s.n; i++)
        if (s.list[i].r.ids.n > record) record = s.list[i].r.ids.n;
    for (size_t i = 0; i < e->questions->n; i++) {
        pt_rendered_clear(&r);
        PT_TRY(pt_template_render(e->tmpl, e->questions->list[i].prompt, e->questions->list[i].n_prompt, true, &r));
        if (r.ids.n > prompt) prompt = r.ids.n;
    }
    PT_CHECK(record < 1 << 24 && prompt < 1 << 24, PT_EARG, "a test record has %zu tokens", record);
    *longest_prompt = (int32_t)prompt;
    *longest_record = (int32_t)record;
done:
    samples_free(&s);
    pt_rendered_free(&r);
    return rc;
}

static pt_status check_judge(const pt_evaluation *e)
{
    if (!e->reward || pt_model_width(e->model) == 1) return PT_OK;
    return pt_fail(PT_EARG, "this model gives %d numbers at an answer's end, and no score to judge by: ptrain score shows them", pt_model_width(e->model));
}

pt_status pt_evaluate_pairs(const pt_evaluation *e, double *logp)
{
    pt_status rc = PT_OK;
    samples s = {0};
    PT_TRY(check_judge(e));
    for (size_t i = 0; i < e->questions->n_pairs; i++)
        for (int k = 0; k < 2; k++) {
            const pt_question_pair *p = &e->questions->pairs[i];
            const pt_message *a = &p->side[k][p->n[k] - 1];
            PT_TRY(add_sample(e, &s, i, p->side[k], p->n[k] - 1, NULL, a->text, a->bytes));
        }
    PT_TRY(measure(e, &s, "pairs"));
    for (size_t i = 0; i < s.n; i++) logp[i] = e->reward ? (double)s.list[i].score : -s.list[i].nll;
done:
    samples_free(&s);
    return rc;
}

/* Answers to all questions asked; stopped[i] says whether answer i ended by itself. */
static pt_status generate(const pt_evaluation *e, pt_eval_texts *t, bool *stopped)
{
    pt_status rc = PT_OK;
    size_t n = n_asked(e);
    pt_ids *prompts = NULL;
    pt_gen_result *results = NULL;
    pt_rendered r = {0};
    PT_TRY(pt_alloc0(&prompts, n));
    PT_TRY(pt_alloc0(&results, n));
    PT_TRY(pt_alloc0(&t->answer, n));
    PT_TRY(pt_alloc0(&t->index, n));
    for (size_t i = 0; i < n; i++) {
        const pt_question *q = &e->questions->list[asked(e, i)];
        PT_TRY(pt_template_render(e->tmpl, q->prompt, q->n_prompt, true, &r));
        prompts[i] = r.ids;
        r.ids = (pt_ids){0};
        pt_rendered_free(&r);
        r = (pt_rendered){0};
    }
    pt_gen_options g = e->gen;
    g.slot = e->slot;
    g.stops = pt_template_stops(e->tmpl, &g.n_stops);
    if (e->progress) e->progress(e->user, "answers", 0, n);
    PT_TRY(pt_generate(e->model, prompts, n, &g, results, NULL, NULL));
    for (size_t i = 0; i < n; i++) {
        pt_str text = {0};
        PT_TRY(pt_str_puts(&text, ""));
        rc = pt_tok_decode(e->tok, results[i].ids.ids, results[i].ids.n, true, &text);
        t->answer[i] = text.text;
        t->index[i] = asked(e, i);
        t->n = i + 1;
        stopped[i] = results[i].stopped;
        PT_TRY(rc);
    }
    if (e->progress) e->progress(e->user, "answers", n, n);
done:
    for (size_t i = 0; i < n; i++) {
        if (prompts) free(prompts[i].ids);
        if (results) free(results[i].ids.ids);
    }
    pt_rendered_free(&r);
    free(prompts);
    free(results);
    return rc;
}

/* The unit (words or characters) that suits the references. */
static pt_units units_of(const pt_evaluation *e)
{
    size_t chars = 0, n = e->questions->n;
    for (size_t i = 0; i < n; i++) chars += pt_units_pick(e->questions->list[i].references[0]) == PT_UNITS_CHARS;
    return chars * 2 > n ? PT_UNITS_CHARS : PT_UNITS_WORDS;
}

static pt_status fill_scores(const pt_evaluation *e, pt_report *r, pt_side side, const pt_eval_texts *t, const bool *stopped, const samples *own,
                             const samples *other)
{
    pt_status rc = PT_OK;
    size_t n = n_asked(e), n_train = 0;
    pt_eval_answer *a = NULL;
    pt_eval_train *train = NULL;
    PT_TRY(pt_alloc0(&a, n));
    for (size_t i = 0; i < n; i++) {
        const pt_question *q = &e->questions->list[asked(e, i)];
        a[i] = (pt_eval_answer){.role = q->role ? q->role : "", .references = (const char *const *)q->references, .n_references = q->n_references,
                                .answer = t->answer[i], .stopped = stopped[i]};
    }
    for (size_t i = 0; i < own->n; i++) {
        a[own->list[i].question].nll_own += own->list[i].nll;
        a[own->list[i].question].tokens_own += own->list[i].tokens;
    }
    for (size_t i = 0; i < other->n; i++) {
        a[other->list[i].question].nll_other += other->list[i].nll;
        a[other->list[i].question].tokens_other += other->list[i].tokens;
    }
    for (size_t i = 0; e->train && i < e->train->n; i++) n_train += e->train->list[i].n_references;
    PT_TRY(pt_alloc0(&train, n_train));
    n_train = 0;
    for (size_t i = 0; e->train && i < e->train->n; i++)
        for (size_t k = 0; k < e->train->list[i].n_references; k++)
            train[n_train++] = (pt_eval_train){e->train->list[i].role ? e->train->list[i].role : "", e->train->list[i].references[k]};
    PT_TRY(pt_scores_fill(r, side, a, n, train, n_train, units_of(e)));
done:
    free(a);
    free(train);
    return rc;
}

static pt_status evaluate_questions(const pt_evaluation *e, pt_report *r, pt_side side, pt_eval_texts *texts)
{
    pt_status rc = PT_OK;
    samples own = {0}, other = {0};
    bool *stopped = NULL;
    PT_TRY(pt_alloc0(&stopped, n_asked(e)));
    PT_TRY(collect(e, &own, &other));
    PT_TRY(measure(e, &own, "references"));
    PT_TRY(measure(e, &other, "other profiles"));
    PT_TRY(generate(e, texts, stopped));
    PT_TRY(fill_scores(e, r, side, texts, stopped, &own, &other));
done:
    samples_free(&own);
    samples_free(&other);
    free(stopped);
    return rc;
}

pt_status pt_evaluate(const pt_evaluation *e, pt_report *r, pt_side side, pt_eval_texts *texts)
{
    pt_status rc = PT_OK;
    pt_eval_texts local = {0};
    double *logp = NULL;
    PT_TRY(check_judge(e));
    if (e->questions->n && !e->reward) PT_TRY(evaluate_questions(e, r, side, texts ? texts : &local));
    if (e->questions->n_pairs) {
        size_t right = 0, n = e->questions->n_pairs;
        PT_TRY(pt_alloc0(&logp, 2 * n));
        PT_TRY(pt_evaluate_pairs(e, logp));
        for (size_t i = 0; i < n; i++) right += logp[2 * i] > logp[2 * i + 1];
        r->side[side].v[PT_METRIC_PREFERENCE] = (double)right / (double)n;
        if (!r->questions) r->questions = n;
    }
done:
    pt_eval_texts_free(&local);
    free(logp);
    return rc;
}

/* The next token of each sequence, and what becomes of it. */
#include <math.h>
#include <omp.h>
#include <string.h>

#include "base/rng.h"
#include "train/generate/masked.h"
#include "train/generate/near.h"

static bool is_stop(const pt_gen_options *o, int32_t id)
{
    for (size_t i = 0; i < o->n_stops; i++)
        if (o->stops[i] == id) return true;
    return false;
}

/* How many tokens of prompt and answer the samplers look at, and those: the last ones, in order. */
static int64_t looked_at(const pt_gen *g, const pt_gen_seq *s)
{
    const int64_t reach = pt_sampler_reach(&g->opt->sampler), n = (int64_t)(g->prompts[s->request].n + g->results[s->request].ids.n);
    return reach < n ? reach : n;
}

static void copy_last(const pt_gen *g, const pt_gen_seq *s, int64_t n, int32_t *to)
{
    const pt_ids *p = &g->prompts[s->request], *r = &g->results[s->request].ids;
    const int64_t of_answer = n < (int64_t)r->n ? n : (int64_t)r->n, of_prompt = n - of_answer;
    if (of_prompt) memcpy(to, p->ids + p->n - of_prompt, (size_t)of_prompt * sizeof *to);
    if (of_answer) memcpy(to + of_prompt, r->ids + r->n - of_answer, (size_t)of_answer * sizeof *to);
}

/* The tokens that a repetition penalty counts, a row each, as wide as the longest: -1 behind them. */
static pt_status upload_seen(pt_gen *g, int first, int count, pt_view *out)
{
    pt_model *m = g->m;
    int64_t width = 0;
    if (!pt_sampler_does(&g->opt->sampler, PT_SAMPLER_PENALTIES)) return PT_OK;
    for (int i = 0; i < count; i++) {
        const int64_t n = looked_at(g, &g->seqs[first + i]);
        width = n > width ? n : width;
    }
    for (int i = 0; i < count; i++) {
        const int64_t n = looked_at(g, &g->seqs[first + i]);
        int32_t *row = g->seen + i * width;
        copy_last(g, &g->seqs[first + i], n, row);
        for (int64_t k = n; k < width; k++) row[k] = -1;
    }
    *out = pt_view_reshape(m->dec.seen, count, width);
    return m->ctx->ops->upload(m->ctx, *out, g->seen);
}

static double log_softmax_at(const float *z, int64_t n, int32_t id)
{
    float top = z[0];
    double sum = 0;
    for (int64_t i = 1; i < n; i++) top = z[i] > top ? z[i] : top;
    for (int64_t i = 0; i < n; i++) sum += (double)expf(z[i] - top);
    return (double)(z[id] - top) - log(sum);
}

static pt_status accept(pt_gen *g, pt_gen_seq *s, int32_t id)
{
    const pt_gen_options *o = g->opt;
    pt_gen_result *r = &g->results[s->request];
    if (is_stop(o, id)) {
        s->done = r->stopped = true;
        return PT_OK;
    }
    PT_RETURN(pt_reserve(&r->ids.ids, &r->ids.cap, r->ids.n + 1));
    r->ids.ids[r->ids.n++] = id;
    s->last = id;
    if (g->watch) PT_RETURN(pt_stop_next(&g->watch[s->request], o->stop_texts, id, &r->stopped));
    s->done = r->stopped;
    PT_RETURN(pt_gen_advance(g, s, id));
    if ((g->sink && !g->sink(g->user, s->request, id)) || r->ids.n >= (size_t)o->max_new_tokens) s->done = true;
    return PT_OK;
}

static pt_status count_near(pt_gen *g, const float *z, int row, pt_gen_result *r)
{
    const pt_gen_options *o = g->opt;
    float u = pt_rng_unit(pt_rng_words(o->sampler.seed, PT_RNG_SAMPLE, g->stream[row], g->position[row]).v[0]);
    bool near;
    PT_RETURN(pt_near_tie(z, g->m->cfg.vocab, o->sampler.temperature, o->sampler.top_p, u, g->i32[row], &near));
    r->near += near;
    return PT_OK;
}

/* By the op, where the logits are. */
static pt_status choose_there(pt_gen *g, int first, int count, pt_view logits)
{
    pt_model *m = g->m;
    const pt_sampler *s = &g->opt->sampler;
    pt_view ids = pt_trim_vec(m->dec.ids, count), seen = PT_NO_VIEW;
    PT_RETURN(upload_seen(g, first, count, &seen));
    PT_RETURN(m->ctx->ops->sample(m->ctx, &(pt_sample_args){.token = ids,
                                                            .logits = logits,
                                                            .seen = seen,
                                                            .temperature = s->temperature,
                                                            .top_k = s->top_k,
                                                            .top_p = s->top_p,
                                                            .min_p = s->min_p,
                                                            .repetition_penalty = s->repeat_penalty,
                                                            .seed = s->seed,
                                                            .stream = g->stream,
                                                            .position = g->position}));
    return m->ctx->ops->download(m->ctx, g->i32, ids);
}

/* The past that samplers of the chain look at: of ids that are no token of this model there is nothing to change. */
static void fill_past(const pt_gen *g, const pt_gen_seq *s, pt_chain *c)
{
    const int64_t n = looked_at(g, s);
    copy_last(g, s, n, c->past);
    for (int64_t k = 0; k < n; k++)
        if (c->past[k] >= 0 && c->past[k] < c->vocab) c->past[c->n_past++] = c->past[k];
}

/* By a chain over one row. */
static void choose_row(pt_gen *g, pt_chain *c, pt_gen_seq *seq, int i)
{
    const pt_sampler *s = &g->opt->sampler;
    const pt_rng4 words = pt_rng_words(s->seed, PT_RNG_SAMPLE, g->stream[i], g->position[i]);
    bool near;
    g->i32[i] = -1;
    if (g->results[seq->request].ids.n == 0) seq->sampler = (pt_sampler_state){.begun = false};
    if (!pt_chain_start(c, g->logits + (int64_t)i * g->m->cfg.vocab)) return;
    fill_past(g, seq, c);
    pt_chain_run(c, s, &seq->sampler, pt_rng_unit(words.v[1]));
    if (c->n == 0) return;
    const int64_t at = pt_chain_draw(c, s, pt_rng_unit(words.v[0]), &near);
    pt_chain_took(c, s, &seq->sampler, at);
    g->i32[i] = c->c[at].id;
    if (g->opt->near) g->results[seq->request].near += near;
}

static void choose_here(pt_gen *g, int first, int count)
{
#pragma omp parallel for schedule(dynamic, 1) num_threads(g->n_chains) if (g->n_chains > 1)
    for (int i = 0; i < count; i++) choose_row(g, &g->chains[omp_get_thread_num()], &g->seqs[first + i], i);
}

pt_status pt_gen_choose(pt_gen *g, int first, int count)
{
    pt_model *m = g->m;
    const pt_gen_options *o = g->opt;
    pt_view logits = pt_trim(m->dec.logits, count);
    if (g->beams) return pt_gen_choose_beams(g, count);
    for (int i = 0; i < count; i++) {
        size_t at = g->seqs[first + i].request;
        g->stream[i] = o->streams ? o->streams[at] : at;
        g->position[i] = g->results[at].ids.n | (o->samples ? (uint64_t)o->samples[at] << 32 : 0);
    }
    if (g->free_logits) PT_RETURN(m->ctx->ops->download(m->ctx, g->free_logits, logits)); /* before anything changes them */
    PT_RETURN(pt_gen_mask(g, first, count));
    if (g->logits) PT_RETURN(m->ctx->ops->download(m->ctx, g->logits, logits));
    if (g->chains) choose_here(g, first, count);
    else PT_RETURN(choose_there(g, first, count, logits));
    for (int i = 0; i < count; i++) {
        pt_gen_seq *seq = &g->seqs[first + i];
        if (g->i32[i] < 0 || g->i32[i] >= m->cfg.vocab)
            return pt_fail(PT_ENONFINITE, "generation: no token could be chosen (NaN in the logits, or every token ruled out)");
        const int64_t row = (int64_t)i * m->cfg.vocab;
        if (o->logp) g->results[seq->request].logp_sum += (float)log_softmax_at(g->free_logits + row, m->cfg.vocab, g->i32[i]);
        if (o->near && !g->chains) PT_RETURN(count_near(g, g->logits + row, i, &g->results[seq->request]));
        PT_RETURN(accept(g, seq, g->i32[i]));
    }
    return PT_OK;
}

#include "train/generate/generate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "data/batch/loader.h"
#include "train/generate/near.h"
#include "train/model/model_impl.h"

/* One sequence in the cache. */
typedef struct gen_seq {
    size_t request; /* index into prompts and results */
    int32_t len;    /* tokens in the cache */
    int32_t last;   /* token to feed next */
    bool done;
} gen_seq;

typedef struct gen {
    pt_model *m;
    const pt_ids *prompts;
    const pt_gen_options *opt;
    pt_gen_result *results;
    pt_gen_sink sink;
    void *user;
    gen_seq *seqs; /* [decode_rows] by cache slot */
    int n;         /* slots in use */
    /* host tables */
    int32_t *i32, *seen, *index;
    uint64_t *stream, *position;
    float *zeros, *logits;
} gen;

static bool is_stop(const pt_gen_options *o, int32_t id)
{
    for (size_t i = 0; i < o->n_stops; i++)
        if (o->stops[i] == id) return true;
    return false;
}

/* Tokens of the sequence that ends at token `end`, in order of position: own segment, then its ancestors. */
static pt_status path_of(const pt_batch *b, int32_t end, int32_t n, int32_t *index)
{
    int32_t at = n, seg = 0;
    while (seg + 1 < b->n_segs && b->seg_start[seg + 1] <= end) seg++;
    for (int32_t to = end + 1; seg >= 0; seg = b->seg_parent[seg], to = seg >= 0 ? b->seg_start[seg + 1] : 0)
        for (int32_t t = to - 1; t >= b->seg_start[seg]; t--) {
            if (at == 0) return pt_fail(PT_EINTERNAL, "a prompt of %d tokens has a longer path", n);
            index[--at] = t;
        }
    return at == 0 ? PT_OK : pt_fail(PT_EINTERNAL, "a prompt of %d tokens has a path of %d", n, n - at);
}

/* Uploads where each sequence's keys lie in the forest, and clears the rest of its cache rows. */
static pt_status place(gen *g, const pt_batch *b, int first, int count, pt_view *index, int32_t *slot, int32_t *len)
{
    pt_model *m = g->m;
    int64_t cap = m->caps.decode_len;
    for (int i = 0; i < count; i++) {
        gen_seq *s = &g->seqs[first + i];
        if (b->group_end_head[i] < 0) return pt_fail(PT_EINTERNAL, "a prompt without an end position");
        PT_RETURN(path_of(b, b->head_token[b->group_end_head[i]], s->len, g->index));
        index[i] = pt_view_rows(m->dec.index, first + i, 1);
        index[i].cols = s->len;
        PT_RETURN(m->ctx->ops->upload(m->ctx, index[i], g->index));
        slot[i] = first + i;
        len[i] = s->len;
        for (int l = 0; l < m->cfg.layers; l++) {
            PT_RETURN(m->ctx->ops->zero(m->ctx, pt_view_rows(m->dec.k[l], (first + i) * cap + s->len, cap - s->len)));
            PT_RETURN(m->ctx->ops->zero(m->ctx, pt_view_rows(m->dec.v[l], (first + i) * cap + s->len, cap - s->len)));
        }
    }
    return PT_OK;
}

/* Runs the forest of a batch and leaves the logits of the sequences' last tokens in the first `count` rows. */
static pt_status run_forest(gen *g, const pt_batch *b, int first, int count)
{
    pt_status rc = PT_OK;
    pt_model *m = g->m;
    pt_view *index = NULL;
    int32_t *slot = NULL, *len = NULL;
    pt_prefill fill;
    PT_TRY(pt_alloc0(&index, count));
    PT_TRY(pt_alloc0(&slot, count));
    PT_TRY(pt_alloc0(&len, count));
    PT_TRY(pt_model_load_batch(m, b, 0, false));
    PT_TRY(place(g, b, first, count, index, slot, len));
    fill = (pt_prefill){count, slot, len, index};
    m->prefill = &fill;
    rc = pt_model_forward(m, g->opt->slot, false);
    m->prefill = NULL;
    if (rc != PT_OK) goto done;
    pt_view at = pt_trim_vec(m->dec.lens, count), rows = pt_trim(m->tab.hidden_at_heads, count);
    PT_TRY(m->ctx->ops->upload(m->ctx, at, b->group_end_head)); /* equal prompts share a head position */
    PT_TRY(m->ctx->ops->gather(m->ctx, &(pt_gather_args){.y = rows, .x = pt_trim(m->tab.normed_at_heads, b->n_heads), .index = at}));
    PT_TRY(pt_decode_logits(m, count, rows));
done:
    free(index);
    free(slot);
    free(len);
    return rc;
}

/* The tokens that a repetition penalty counts: prompt and answer of each row, -1 behind them. */
static pt_status upload_seen(gen *g, int first, int count, pt_view *out)
{
    pt_model *m = g->m;
    int64_t cap = m->caps.decode_len;
    if (g->opt->repetition_penalty == 1) return PT_OK;
    for (int i = 0; i < count; i++) {
        const pt_ids *p = &g->prompts[g->seqs[first + i].request], *r = &g->results[g->seqs[first + i].request].ids;
        int32_t *row = g->seen + i * cap;
        memcpy(row, p->ids, p->n * sizeof *row);
        if (r->n) memcpy(row + p->n, r->ids, r->n * sizeof *row);
        for (int64_t k = (int64_t)(p->n + r->n); k < cap; k++) row[k] = -1;
    }
    *out = pt_trim(m->dec.seen, count);
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

static pt_status accept(gen *g, gen_seq *s, int32_t id)
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
    if ((g->sink && !g->sink(g->user, s->request, id)) || r->ids.n >= (size_t)o->max_new_tokens) s->done = true;
    return PT_OK;
}

static pt_status count_near(gen *g, const float *z, int row, pt_gen_result *r)
{
    const pt_gen_options *o = g->opt;
    float u = pt_rng_unit(pt_rng_words(o->seed, PT_RNG_SAMPLE, g->stream[row], g->position[row]).v[0]);
    bool near;
    PT_RETURN(pt_near_tie(z, g->m->cfg.vocab, o->temperature, o->top_p, u, g->i32[row], &near));
    r->near += near;
    return PT_OK;
}

/* Chooses the next token of rows 0..count-1 of the logits for sequences first.. */
static pt_status choose(gen *g, int first, int count)
{
    pt_model *m = g->m;
    const pt_gen_options *o = g->opt;
    const pt_ops *ops = m->ctx->ops;
    pt_view ids = pt_trim_vec(m->dec.ids, count), logits = pt_trim(m->dec.logits, count), seen = PT_NO_VIEW;
    PT_RETURN(upload_seen(g, first, count, &seen));
    for (int i = 0; i < count; i++) {
        g->stream[i] = o->streams ? o->streams[g->seqs[first + i].request] : g->seqs[first + i].request;
        g->position[i] = g->results[g->seqs[first + i].request].ids.n;
    }
    if (g->logits) PT_RETURN(ops->download(m->ctx, g->logits, logits)); /* before the filters change them */
    PT_RETURN(ops->sample(m->ctx, &(pt_sample_args){.token = ids,
                                                    .logits = logits,
                                                    .seen = seen,
                                                    .temperature = o->temperature,
                                                    .top_k = o->top_k,
                                                    .top_p = o->top_p,
                                                    .min_p = o->min_p,
                                                    .repetition_penalty = o->repetition_penalty,
                                                    .seed = o->seed,
                                                    .stream = g->stream,
                                                    .position = g->position}));
    PT_RETURN(ops->download(m->ctx, g->i32, ids));
    for (int i = 0; i < count; i++) {
        gen_seq *s = &g->seqs[first + i];
        if (g->i32[i] < 0 || g->i32[i] >= m->cfg.vocab)
            return pt_fail(PT_ENONFINITE, "generation: no token could be chosen (NaN in the logits?)");
        const float *z = g->logits ? g->logits + (int64_t)i * m->cfg.vocab : NULL;
        if (o->logp) g->results[s->request].logp_sum += (float)log_softmax_at(z, m->cfg.vocab, g->i32[i]);
        if (o->near) PT_RETURN(count_near(g, z, i, &g->results[s->request]));
        PT_RETURN(accept(g, s, g->i32[i]));
    }
    return PT_OK;
}

/* Prompts of slots first..first+count-1: one forest when it fits, else two halves. */
static pt_status prefill(gen *g, int first, int count)
{
    pt_status rc = PT_OK;
    pt_seq *seqs = NULL;
    pt_batch b = {0};
    PT_TRY(pt_alloc0(&seqs, count));
    for (int i = 0; i < count; i++) {
        const pt_ids *p = &g->prompts[g->seqs[first + i].request];
        seqs[i] = (pt_seq){.ids = p->ids, .weight = g->zeros, .n = (int32_t)p->n, .slot = 0, .end_index = (int32_t)p->n - 1};
    }
    PT_TRY(pt_batch_build(&b, seqs, (size_t)count, PT_PACKING_FOREST));
    if (count > 1 && (b.n_tokens > g->m->caps.tokens || b.n_segs > g->m->caps.segs)) {
        PT_TRY(prefill(g, first, count / 2));
        PT_TRY(prefill(g, first + count / 2, count - count / 2));
        goto done;
    }
    PT_TRY(run_forest(g, &b, first, count));
    PT_TRY(choose(g, first, count));
done:
    pt_batch_free(&b);
    free(seqs);
    return rc;
}

/* Moves the last sequence's cache into slot `to`; what lies behind its tokens there is cleared. */
static pt_status move_last(gen *g, int to)
{
    pt_model *m = g->m;
    int64_t cap = m->caps.decode_len, from = g->n - 1, len = g->seqs[from].len;
    for (int l = 0; l < m->cfg.layers; l++)
        for (int kv = 0; kv < 2; kv++) {
            pt_view c = kv ? m->dec.v[l] : m->dec.k[l];
            PT_RETURN(m->ctx->ops->cast(
                m->ctx, &(pt_cast_args){.y = pt_view_rows(c, to * cap, len), .x = pt_view_rows(c, from * cap, len)}));
            PT_RETURN(m->ctx->ops->zero(m->ctx, pt_view_rows(c, to * cap + len, cap - len)));
        }
    g->seqs[to] = g->seqs[from];
    return PT_OK;
}

static pt_status drop_done(gen *g)
{
    for (int i = 0; i < g->n;) {
        if (!g->seqs[i].done) {
            i++;
            continue;
        }
        if (i < g->n - 1) PT_RETURN(move_last(g, i));
        g->n--;
    }
    return PT_OK;
}

static pt_status upload_vec(gen *g, pt_view table)
{
    return g->m->ctx->ops->upload(g->m->ctx, pt_view_reshape(table, 1, g->n), g->i32);
}

static pt_status step(gen *g)
{
    pt_model *m = g->m;
    pt_lora_run one;
    pt_pass p;
    for (int i = 0; i < g->n; i++) g->i32[i] = g->seqs[i].last;
    PT_RETURN(upload_vec(g, m->tab.tokens));
    for (int i = 0; i < g->n; i++) g->i32[i] = g->seqs[i].len;
    PT_RETURN(upload_vec(g, m->tab.positions));
    for (int i = 0; i < g->n; i++) g->i32[i] = i * m->caps.decode_len + g->seqs[i].len;
    PT_RETURN(upload_vec(g, m->dec.index));
    for (int i = 0; i < g->n; i++) g->i32[i] = ++g->seqs[i].len;
    PT_RETURN(upload_vec(g, m->dec.lens));
    m->loaded.n_live = g->n;
    PT_RETURN(pt_pass_make(m, g->opt->slot, false, &one, &p));
    PT_RETURN(pt_decode_step(m, g->n, &p));
    return choose(g, 0, g->n);
}

static pt_status check_request(const pt_model *m, const pt_ids *prompts, size_t n, const pt_gen_options *o)
{
    if (!m->committed || !m->caps.decode_rows || !(m->opt.heads & PT_HEAD_VOCABULARY))
        return pt_fail(PT_ESTATE, "this model was not planned for generation");
    if (o->max_new_tokens < 0 || !(o->temperature >= 0) || o->top_k < 0 || !(o->top_p > 0 && o->top_p <= 1) ||
        !(o->min_p >= 0 && o->min_p <= 1) || !(o->repetition_penalty > 0))
        return pt_fail(PT_EARG,
                       "generation: max_new_tokens %d, temperature %g, top_k %d, top_p %g, min_p %g, repetition_penalty %g",
                       o->max_new_tokens, (double)o->temperature, o->top_k, (double)o->top_p, (double)o->min_p,
                       (double)o->repetition_penalty);
    if (o->slot != PT_SLOT_NONE && (o->slot < 0 || (m->n_modules && o->slot >= m->n_slots)))
        return pt_fail(PT_EARG, "adapter slot %d of %d", o->slot, m->n_slots);
    for (size_t i = 0; i < n; i++) {
        if (prompts[i].n == 0) return pt_fail(PT_EARG, "prompt %zu is empty", i);
        if (prompts[i].n > (size_t)m->caps.tokens || prompts[i].n + (size_t)o->max_new_tokens > (size_t)m->caps.decode_len)
            return pt_fail(PT_EARG, "prompt %zu has %zu tokens; with %d new ones that is more than the planned %d (%d at once)",
                           i, prompts[i].n, o->max_new_tokens, m->caps.decode_len, m->caps.tokens);
    }
    return PT_OK;
}

typedef struct by_length {
    size_t n, index;
} by_length;
static int longest_first(const void *a, const void *b)
{
    const by_length *x = a, *y = b;
    if (x->n != y->n) return x->n < y->n ? 1 : -1;
    return x->index < y->index ? -1 : 1;
}

static pt_status gen_alloc(gen *g, size_t longest)
{
    int64_t rows = g->m->caps.decode_rows, len = g->m->caps.decode_len;
    PT_RETURN(pt_alloc0(&g->seqs, rows));
    PT_RETURN(pt_alloc0(&g->i32, rows));
    PT_RETURN(pt_alloc0(&g->index, len));
    PT_RETURN(pt_alloc0(&g->stream, rows));
    PT_RETURN(pt_alloc0(&g->position, rows));
    PT_RETURN(pt_alloc0(&g->zeros, longest));
    if (g->opt->repetition_penalty != 1) PT_RETURN(pt_alloc0(&g->seen, rows * len));
    if (g->opt->logp || g->opt->near) PT_RETURN(pt_alloc0(&g->logits, rows * g->m->cfg.vocab));
    return PT_OK;
}

pt_status pt_generate(pt_model *m, const pt_ids *prompts, size_t n, const pt_gen_options *opt, pt_gen_result *results,
                      pt_gen_sink sink, void *user)
{
    pt_status rc = PT_OK;
    gen g = {.m = m, .prompts = prompts, .opt = opt, .results = results, .sink = sink, .user = user};
    by_length *order = NULL;
    PT_TRY(check_request(m, prompts, n, opt));
    if (n == 0 || opt->max_new_tokens == 0) goto done;
    PT_TRY(pt_alloc0(&order, n));
    for (size_t i = 0; i < n; i++) order[i] = (by_length){prompts[i].n, i};
    qsort(order, n, sizeof *order, longest_first);
    PT_TRY(gen_alloc(&g, order[0].n));
    m->ctx->workspace = m->workspace;
    for (size_t at = 0; at < n; at += (size_t)m->caps.decode_rows) {
        size_t left = n - at;
        g.n = left < (size_t)m->caps.decode_rows ? (int)left : m->caps.decode_rows;
        for (int i = 0; i < g.n; i++)
            g.seqs[i] = (gen_seq){.request = order[at + (size_t)i].index, .len = (int32_t)order[at + (size_t)i].n};
        PT_TRY(prefill(&g, 0, g.n));
        m->loaded.there = m->loaded.forwarded = false; /* the tables are about to hold decoding state */
        PT_TRY(drop_done(&g));
        while (g.n > 0) {
            PT_TRY(step(&g));
            PT_TRY(drop_done(&g));
        }
    }
done:
    m->loaded.there = m->loaded.forwarded = m->loaded.kept = false;
    free(order);
    free(g.seqs);
    free(g.i32);
    free(g.index);
    free(g.stream);
    free(g.position);
    free(g.zeros);
    free(g.seen);
    free(g.logits);
    return rc;
}

pt_status pt_model_token_logps(pt_model *m, const int32_t *ids, int32_t n, int slot, float *logp)
{
    pt_status rc = PT_OK;
    pt_batch b = {0};
    float *weight = NULL;
    PT_CHECK(n >= 1, PT_EARG, "no tokens to score");
    if (n == 1) goto done;
    PT_TRY(pt_alloc0(&weight, n));
    for (int32_t i = 1; i < n; i++) weight[i] = 1;
    pt_seq seq = {.ids = ids, .weight = weight, .n = n, .slot = 0, .end_index = -1};
    PT_TRY(pt_batch_build(&b, &seq, 1, PT_PACKING_OFF));
    PT_TRY(pt_model_load_batch(m, &b, 0, false));
    PT_TRY(pt_model_forward(m, slot, false));
    PT_TRY(pt_model_logp(m, NULL, logp));
done:
    pt_batch_free(&b);
    free(weight);
    return rc;
}

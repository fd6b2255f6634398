/* Which prompts stand in the cache together: as answers end, others take their places. */
#include <stdlib.h>

#include "base/threads.h"
#include "train/generate/masked.h"

pt_status pt_gen_check(const pt_model *m, const pt_ids *prompts, size_t n, const pt_gen_options *o)
{
    if (!m->committed || !m->caps.decode_rows || !(m->opt.heads & PT_HEAD_VOCABULARY))
        return pt_fail(PT_ESTATE, "this model was not planned for generation");
    if (o->max_new_tokens < 0) return pt_fail(PT_EARG, "generation: max_new_tokens %d", o->max_new_tokens);
    PT_RETURN(pt_sampler_check(&o->sampler, m->cfg.vocab));
    if (o->stop_texts) PT_RETURN(pt_stop_check(o->stop_texts));
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

static int chains_of(int rows)
{
    return pt_threads_get() < rows ? pt_threads_get() : rows;
}

size_t pt_gen_bytes(int64_t vocab, const pt_model_caps *caps, bool here)
{
    const size_t rows = (size_t)caps->decode_rows, len = (size_t)caps->decode_len, chains = (size_t)chains_of(caps->decode_rows);
    if (!rows) return 0;
    return here ? rows * (size_t)vocab * sizeof(float) + chains * pt_chain_bytes(vocab, (int64_t)len) : rows * len * sizeof(int32_t);
}

/* A chain a thread, and the logits that it takes. */
static pt_status begin_chains(pt_gen *g)
{
    const int most = chains_of(g->m->caps.decode_rows);
    PT_RETURN(pt_alloc0(&g->chains, most));
    for (; g->n_chains < most; g->n_chains++) PT_RETURN(pt_chain_open(&g->chains[g->n_chains], g->m->cfg.vocab, g->m->caps.decode_len));
    return PT_OK;
}

pt_status pt_gen_begin(pt_gen *g, size_t n, size_t longest)
{
    const int64_t rows = g->m->caps.decode_rows, len = g->m->caps.decode_len, cells = g->m->caps.decode_cells, chunk = pt_decode_chunk(g->m);
    g->cache.cells = (int32_t)cells;
    g->room = g->opt->max_new_tokens;
    PT_RETURN(pt_alloc0(&g->seqs, rows));
    PT_RETURN(pt_alloc0(&g->rows, chunk));
    PT_RETURN(pt_alloc0(&g->i32, chunk));
    PT_RETURN(pt_alloc0(&g->runs, chunk * 2 * PT_DECODE_SPANS));
    PT_RETURN(pt_alloc0(&g->index, cells > chunk ? cells : chunk));
    PT_RETURN(pt_alloc0(&g->stream, rows));
    PT_RETURN(pt_alloc0(&g->position, rows));
    PT_RETURN(pt_alloc0(&g->zeros, longest));
    const bool there = pt_sampler_on_device(&g->opt->sampler);
    if (!there) PT_RETURN(begin_chains(g));
    else if (pt_sampler_does(&g->opt->sampler, PT_SAMPLER_PENALTIES)) PT_RETURN(pt_alloc0(&g->seen, rows * len));
    if (!there || g->opt->near) PT_RETURN(pt_alloc0(&g->logits, rows * g->m->cfg.vocab));
    if (g->opt->logp) PT_RETURN(pt_alloc0(&g->free_logits, rows * g->m->cfg.vocab));
    PT_RETURN(pt_gen_constrain_begin(g, n));
    if (g->opt->stop_texts && g->opt->stop_texts->n) PT_RETURN(pt_alloc0(&g->watch, n));
    g->m->ctx->workspace = g->m->workspace;
    return PT_OK;
}

void pt_gen_end(pt_gen *g, size_t n)
{
    pt_gen_constrain_end(g, n);
    for (size_t i = 0; g->watch && i < n; i++) pt_stop_reader_free(&g->watch[i]);
    free(g->watch);
    if (g->m) g->m->loaded.there = g->m->loaded.forwarded = g->m->loaded.kept = false;
    free(g->seqs);
    free(g->rows);
    free(g->i32);
    free(g->runs);
    free(g->index);
    free(g->stream);
    free(g->position);
    free(g->zeros);
    free(g->seen);
    free(g->logits);
    free(g->free_logits);
    for (int i = 0; i < g->n_chains; i++) pt_chain_close(&g->chains[i]);
    free(g->chains);
    free(g->cache.list);
}

static bool is_behind(const pt_gen *g, const pt_ids *p)
{
    const pt_gen_seq *by;
    return pt_gen_is_behind(pt_gen_held(g, g->n, p, &by), (int64_t)p->n);
}

/* The next requests that go the same way take the free places, as far as there is room; *at counts those that have entered. */
static pt_status admit(pt_gen *g, const pt_gen_place *order, size_t n, size_t *at)
{
    const int rows = g->m->caps.decode_rows;
    while (*at < n && g->n < rows) {
        const bool behind = is_behind(g, order[*at].p);
        int count = 0, entered = 0;
        for (size_t i = *at; i < n && g->n + count < rows && (i == *at || is_behind(g, order[i].p) == behind); i++)
            g->seqs[g->n + count++] = (pt_gen_seq){.request = order[i].index};
        PT_RETURN(behind ? pt_gen_behind(g, g->n, count, &entered) : pt_gen_forest(g, g->n, count, &entered));
        g->n += entered;
        *at += (size_t)entered;
        if (entered == 0 && g->n == 0 && behind) {
            pt_gen_release(g, &g->past); /* what it left is of no use when there is no room beside it */
            continue;
        }
        if (entered == 0) return g->n ? PT_OK : pt_fail(PT_EINTERNAL, "an empty cache has no room for prompt %zu", order[*at].index);
    }
    return PT_OK;
}

pt_status pt_generate(pt_model *m, const pt_ids *prompts, size_t n, const pt_gen_options *opt, pt_gen_result *results,
                      pt_gen_sink sink, void *user)
{
    pt_status rc = PT_OK;
    pt_gen g = {.m = m, .prompts = prompts, .opt = opt, .results = results, .sink = sink, .user = user};
    pt_gen_place *order = NULL;
    size_t longest = 0, at = 0;
    PT_TRY(pt_gen_check(m, prompts, n, opt));
    if (n == 0 || opt->max_new_tokens == 0) goto done;
    PT_TRY(pt_gen_order(prompts, n, &order));
    for (size_t i = 0; i < n; i++) longest = prompts[i].n > longest ? prompts[i].n : longest;
    PT_TRY(pt_gen_begin(&g, n, longest));
    const int rows = m->caps.decode_rows, least = rows / 4 > 1 ? rows / 4 : 1; /* free places that are worth a forest */
    while (at < n || g.n > 0) {
        if (g.n == 0 || rows - g.n >= least) PT_TRY(admit(&g, order, n, &at));
        pt_gen_drop_done(&g);
        if (g.n > 0) PT_TRY(pt_gen_step(&g));
        pt_gen_drop_done(&g);
    }
done:
    free(order);
    pt_gen_end(&g, n);
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

/* The turns of generation: which prompts stand in the cache together. */
#include <stdlib.h>

#include "train/generate/masked.h"

static pt_status check_request(const pt_model *m, const pt_ids *prompts, size_t n, const pt_gen_options *o)
{
    if (!m->committed || !m->caps.decode_rows || !(m->opt.heads & PT_HEAD_VOCABULARY))
        return pt_fail(PT_ESTATE, "this model was not planned for generation");
    if (o->max_new_tokens < 0) return pt_fail(PT_EARG, "generation: max_new_tokens %d", o->max_new_tokens);
    PT_RETURN(pt_sampler_check(&o->sampler, m->cfg.vocab));
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

static pt_status gen_alloc(pt_gen *g, size_t longest)
{
    int64_t rows = g->m->caps.decode_rows, len = g->m->caps.decode_len;
    PT_RETURN(pt_alloc0(&g->seqs, rows));
    PT_RETURN(pt_alloc0(&g->i32, rows));
    PT_RETURN(pt_alloc0(&g->index, len));
    PT_RETURN(pt_alloc0(&g->stream, rows));
    PT_RETURN(pt_alloc0(&g->position, rows));
    PT_RETURN(pt_alloc0(&g->zeros, longest));
    if (pt_sampler_does(&g->opt->sampler, PT_SAMPLER_PENALTIES)) PT_RETURN(pt_alloc0(&g->seen, rows * len));
    if (g->opt->logp || g->opt->near) PT_RETURN(pt_alloc0(&g->logits, rows * g->m->cfg.vocab));
    return PT_OK;
}

pt_status pt_generate(pt_model *m, const pt_ids *prompts, size_t n, const pt_gen_options *opt, pt_gen_result *results,
                      pt_gen_sink sink, void *user)
{
    pt_status rc = PT_OK;
    pt_gen g = {.m = m, .prompts = prompts, .opt = opt, .results = results, .sink = sink, .user = user};
    by_length *order = NULL;
    PT_TRY(check_request(m, prompts, n, opt));
    if (n == 0 || opt->max_new_tokens == 0) goto done;
    PT_TRY(pt_alloc0(&order, n));
    for (size_t i = 0; i < n; i++) order[i] = (by_length){prompts[i].n, i};
    qsort(order, n, sizeof *order, longest_first);
    PT_TRY(gen_alloc(&g, order[0].n));
    PT_TRY(pt_gen_constrain_begin(&g, n));
    m->ctx->workspace = m->workspace;
    for (size_t at = 0; at < n; at += (size_t)m->caps.decode_rows) {
        size_t left = n - at;
        g.n = left < (size_t)m->caps.decode_rows ? (int)left : m->caps.decode_rows;
        for (int i = 0; i < g.n; i++)
            g.seqs[i] = (pt_gen_seq){.request = order[at + (size_t)i].index, .len = (int32_t)order[at + (size_t)i].n};
        PT_TRY(pt_gen_prefill(&g, 0, g.n));
        m->loaded.there = m->loaded.forwarded = false; /* the tables are about to hold decoding state */
        PT_TRY(pt_gen_drop_done(&g));
        while (g.n > 0) {
            PT_TRY(pt_gen_step(&g));
            PT_TRY(pt_gen_drop_done(&g));
        }
    }
done:
    m->loaded.there = m->loaded.forwarded = m->loaded.kept = false;
    pt_gen_constrain_end(&g, n);
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

#include "train/generate/masked.h"

#include <math.h>
#include <stdlib.h>

pt_status pt_gen_constrain_begin(pt_gen *g, size_t n)
{
    const pt_gen_options *o = g->opt;
    bool any = false;
    for (size_t i = 0; o->constraints && i < n; i++) any = any || o->constraints[i];
    if (!any) return PT_OK;
    if (o->near && o->logp) return pt_fail(PT_EARG, "generation: near ties are those of the constrained choice, log-probabilities of the free one: not both at once");
    PT_RETURN(pt_alloc0(&g->states, n));
    PT_RETURN(pt_alloc0(&g->row, g->m->cfg.vocab));
    for (size_t i = 0; i < n; i++)
        if (o->constraints[i]) PT_RETURN(pt_constraint_begin(o->constraints[i], &g->states[i]));
    return PT_OK;
}

void pt_gen_constrain_end(pt_gen *g, size_t n)
{
    for (size_t i = 0; g->states && i < n; i++) pt_constraint_state_free(&g->states[i]);
    free(g->states);
    free(g->row);
    g->states = NULL;
    g->row = NULL;
}

static void forbid(float *z, int64_t n, const uint64_t *bits)
{
    for (int64_t w = 0; w < n; w += 64) {
        const uint64_t may = bits[w / 64];
        const int64_t to = n - w < 64 ? n - w : 64;
        if (may == ~UINT64_C(0)) continue;
        for (int64_t k = 0; k < to; k++) z[w + k] = may >> k & 1 ? z[w + k] : -INFINITY;
    }
}

pt_status pt_gen_mask(pt_gen *g, int first, int count)
{
    pt_ctx *ctx = g->m->ctx;
    for (int i = 0; g->states && i < count; i++) {
        pt_constraint_state *s = &g->states[g->seqs[first + i].request];
        const uint64_t *bits;
        pt_view row = pt_view_rows(g->m->dec.logits, i, 1);
        if (!s->c) continue;
        PT_RETURN(pt_constraint_mask(s, &bits));
        PT_RETURN(ctx->ops->download(ctx, g->row, row));
        forbid(g->row, g->m->cfg.vocab, bits);
        PT_RETURN(ctx->ops->upload(ctx, row, g->row));
    }
    return PT_OK;
}

pt_status pt_gen_advance(pt_gen *g, pt_gen_seq *s, int32_t id)
{
    bool complete, closed;
    if (!g->states || !g->states[s->request].c) return PT_OK;
    PT_RETURN(pt_constraint_advance(&g->states[s->request], id));
    PT_RETURN(pt_constraint_complete(&g->states[s->request], &complete, &closed));
    if (closed) s->done = g->results[s->request].stopped = true;
    return PT_OK;
}

#include "train/generate/chain.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "train/generate/chain_impl.h"

pt_status pt_chain_open(pt_chain *c, int64_t vocab, int64_t room)
{
    pt_status rc = PT_OK;
    *c = (pt_chain){.vocab = vocab, .room = room};
    PT_TRY(pt_alloc0(&c->all, vocab));
    PT_TRY(pt_alloc0(&c->spare, vocab));
    PT_TRY(pt_alloc0(&c->mark, vocab));
    PT_TRY(pt_alloc0(&c->past, room + 1));
    PT_TRY(pt_alloc0(&c->count, room + 1));
done:
    if (rc != PT_OK) pt_chain_close(c);
    return rc;
}

size_t pt_chain_bytes(int64_t vocab, int64_t room)
{
    return (size_t)vocab * (2 * sizeof(pt_candidate) + sizeof(int32_t)) + ((size_t)room + 1) * 2 * sizeof(int32_t);
}

void pt_chain_close(pt_chain *c)
{
    free(c->all);
    free(c->spare);
    free(c->mark);
    free(c->past);
    free(c->count);
    *c = (pt_chain){0};
}

bool pt_chain_start(pt_chain *c, const float *z)
{
    c->c = c->all;
    c->n = c->ordered = c->masked = c->n_past = 0;
    c->margin = HUGE_VAL;
    c->tie = false;
    for (int64_t i = 0; i < c->vocab; i++) {
        if (isnan(z[i]) || z[i] == INFINITY) return false;
        if (z[i] == -INFINITY) c->masked++;
        else c->c[c->n++] = (pt_candidate){.z = z[i], .id = (int32_t)i};
    }
    return true;
}

static void run_one(pt_chain *c, const pt_sampler *s, pt_sampler_kind k, float chance)
{
    switch (k) {
    case PT_SAMPLER_PENALTIES: pt_chain_penalties(c, s); break;
    case PT_SAMPLER_DRY: pt_chain_dry(c, s); break;
    case PT_SAMPLER_TOP_N_SIGMA: pt_chain_top_n_sigma(c, s); break;
    case PT_SAMPLER_TOP_K: pt_chain_top_k(c, s); break;
    case PT_SAMPLER_TYPICAL: pt_chain_typical(c, s); break;
    case PT_SAMPLER_TOP_P: pt_chain_top_p(c, s); break;
    case PT_SAMPLER_MIN_P: pt_chain_min_p(c, s); break;
    case PT_SAMPLER_XTC: pt_chain_xtc(c, s, chance); break;
    case PT_SAMPLER_TEMPERATURE: pt_chain_temperature(c, s); break;
    case PT_SAMPLER_KINDS: break;
    }
}

static void begin(const pt_sampler *s, pt_sampler_state *state)
{
    if (state->begun) return;
    state->begun = true;
    state->mu = 2 * s->mirostat_tau;
    state->weight = 1 / (1 - s->adaptive_decay);
    state->weighted = s->adaptive_target / (1 - s->adaptive_decay);
}

void pt_chain_run(pt_chain *c, const pt_sampler *s, pt_sampler_state *state, float chance)
{
    begin(s, state);
    if (s->n_bias) pt_chain_bias(c, s);
    for (int i = 0; i < s->n_order && c->n > 0; i++)
        if (pt_sampler_does(s, s->order[i])) run_one(c, s, s->order[i], chance);
    c->total = 0;
    if (c->n == 0) return;
    if (s->mirostat) pt_chain_mirostat(c, s, state);
    else if (s->adaptive_target >= 0) pt_chain_adaptive(c, s, state);
    const float top = pt_chain_top(c);
    for (int64_t i = 0; i < c->n; i++) c->total += (double)(c->c[i].p = expf(c->c[i].z - top));
}

double pt_chain_p(const pt_chain *c, int64_t i)
{
    return (double)c->c[i].p / c->total;
}

int64_t pt_chain_draw(pt_chain *c, const pt_sampler *s, float u, bool *near)
{
    const double border = 1e-4;
    double sum = 0;
    int64_t i = 0;
    for (;; i++) {
        if (s->adaptive_target < 0 || s->mirostat) pt_chain_order(c, i + 1);
        sum += pt_chain_p(c, i);
        if ((double)u < sum || i + 1 == c->n) break;
    }
    *near = c->margin < border || (c->n > 1 && (fabs((double)u - sum) < border || (i && fabs((double)u - (sum - pt_chain_p(c, i))) < border)));
    return i;
}

void pt_chain_took(const pt_chain *c, const pt_sampler *s, pt_sampler_state *state, int64_t i)
{
    if (s->mirostat) state->mu -= s->mirostat_eta * (-log2f((float)pt_chain_p(c, i)) - s->mirostat_tau);
    if (s->adaptive_target < 0) return;
    state->weighted = c->c[i].key + s->adaptive_decay * state->weighted;
    state->weight = 1 + s->adaptive_decay * state->weight;
}

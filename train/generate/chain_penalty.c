/* Samplers that change logits by what stood before, and by the user's list. */
#include <float.h>

#include "train/generate/chain_impl.h"

void pt_chain_bias(pt_chain *c, const pt_sampler *s)
{
    for (size_t b = 0; b < s->n_bias; b++) {
        int64_t lo = 0, hi = c->n; /* first in the chain: by id still */
        while (lo < hi) {
            int64_t mid = lo + (hi - lo) / 2;
            if (c->c[mid].id < s->bias[b].id) lo = mid + 1;
            else hi = mid;
        }
        if (lo < c->n && c->c[lo].id == s->bias[b].id) c->c[lo].z += s->bias[b].bias;
    }
    pt_chain_floor(c, -FLT_MAX, true);
}

void pt_chain_penalties(pt_chain *c, const pt_sampler *s)
{
    int64_t reach = s->repeat_last_n >= 0 && s->repeat_last_n < c->n_past ? s->repeat_last_n : c->n_past;
    const int32_t *from = c->past + c->n_past - reach;
    for (int64_t i = 0; i < reach; i++) c->mark[from[i]]++;
    for (int64_t i = 0; i < c->n; i++) {
        pt_candidate *x = &c->c[i];
        int32_t times = c->mark[x->id];
        if (!times) continue;
        x->z = x->z > 0 ? x->z / s->repeat_penalty : x->z * s->repeat_penalty;
        x->z -= (float)times * s->frequency_penalty + s->presence_penalty;
    }
    for (int64_t i = 0; i < reach; i++) c->mark[from[i]] = 0;
    c->ordered = 0;
}

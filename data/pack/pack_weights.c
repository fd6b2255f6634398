/* The weights of a pack's tokens: a byte each as long as 256 different ones are enough. */
#include <stdlib.h>
#include <string.h>

#include "data/pack/pack_data.h"

/* The number of this weight; -1: it is one too many. Equal bits are equal weights, so that what cannot be a weight comes out as it went in. */
static int level_of(pt_pack_weights *w, float x)
{
    uint32_t bits, other;
    memcpy(&bits, &x, sizeof bits);
    for (int k = 0; k < w->n_levels; k++) {
        memcpy(&other, &w->level[k], sizeof other);
        if (bits == other) return k;
    }
    if (w->n_levels == PT_WEIGHT_LEVELS) return -1;
    w->level[w->n_levels] = x;
    return w->n_levels++;
}

/* Numbers from here on: n tokens have been coded. */
static pt_status make_plain(pt_pack_weights *w, size_t n)
{
    PT_RETURN(pt_reserve(&w->plain, &w->plain_cap, n + 1));
    for (size_t i = 0; i < n; i++) w->plain[i] = w->level[w->code[i]];
    free(w->code);
    w->code = NULL;
    w->code_cap = 0;
    return PT_OK;
}

pt_status pt_pack_weights_put(pt_pack_weights *w, size_t at, const float *weight, size_t n)
{
    size_t i = 0;
    if (!w->plain) PT_RETURN(pt_reserve(&w->code, &w->code_cap, at + n));
    for (int k = 0; !w->plain && i < n; i++) {
        if (!i || memcmp(&weight[i], &weight[i - 1], sizeof *weight)) k = level_of(w, weight[i]);
        if (k < 0) {
            PT_RETURN(make_plain(w, at + i));
            break;
        }
        w->code[at + i] = (uint8_t)k;
    }
    if (!w->plain) return PT_OK;
    PT_RETURN(pt_reserve(&w->plain, &w->plain_cap, at + n));
    memcpy(w->plain + at + i, weight + i, (n - i) * sizeof *weight);
    return PT_OK;
}

pt_weights pt_pack_weights_at(const pt_pack_weights *w, size_t at)
{
    return pt_weights_from((pt_weights){w->plain, w->code, w->level}, at);
}

void pt_pack_weights_part(void *weights, size_t at, size_t n, void *out)
{
    pt_weights w = pt_pack_weights_at(weights, at);
    for (size_t i = 0; i < n; i++) ((float *)out)[i] = pt_weight_at(w, i);
}

void pt_pack_weights_free(pt_pack_weights *w)
{
    free(w->plain);
    free(w->code);
    *w = (pt_pack_weights){0};
}

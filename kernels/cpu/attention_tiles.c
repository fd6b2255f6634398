#include "kernels/cpu/attention_v.h"

pt_attn_walk pt_attn_walk_begin(const pt_forest *f, int32_t q0, int32_t q1)
{
    return (pt_attn_walk){.f = f, .q0 = q0, .q1 = q1, .seg = f->token_seg[q0], .low = q0, .at = q1, .size = PT_ATTN_KEYS};
}

/* The first key of [low, high), part of segment seg, that the window lets a row of the block see. */
static int32_t window_start(const pt_attn_walk *w, int32_t seg, int32_t low, int32_t high)
{
    const pt_forest *f = w->f;
    int32_t end = f->seg_end[seg] < w->q1 ? f->seg_end[seg] : w->q1, first = f->positions[w->q0];
    for (int32_t i = w->q0 + 1; i < end; i++) first = f->positions[i] < first ? f->positions[i] : first;
    int64_t hidden = (int64_t)first - f->window - f->positions[low] + 1; /* keys at or below position first - window */
    return hidden <= 0 ? low : hidden < high - low ? low + (int32_t)hidden : high;
}

/* The next piece: what lies before the block in the segment of its first token, then in that one's ancestors. */
static bool next_piece(pt_attn_walk *w)
{
    const pt_forest *f = w->f;
    while (w->seg >= 0) {
        int32_t seg = w->seg, low = f->seg_start[seg], high = f->seg_start[seg + 1];
        w->seg = f->seg_parent[seg];
        if (high > w->q0) high = w->q0;
        if (f->window && low < high) low = window_start(w, seg, low, high);
        if (low >= high) continue;
        int32_t tiles = (high - low + PT_ATTN_KEYS - 1) / PT_ATTN_KEYS;
        w->low = low;
        w->at = high;
        w->size = (high - low + tiles - 1) / tiles;
        return true;
    }
    return false;
}

bool pt_attn_next(pt_attn_walk *w, pt_attn_tile *t)
{
    const pt_forest *f = w->f;
    if (w->at == w->low && !next_piece(w)) return false;
    bool own = w->at > w->q0;
    t->k1 = w->at;
    t->k0 = w->at - w->low < w->size ? w->low : w->at - w->size;
    w->at = t->k0;
    t->end_min = t->end_max = pt_forest_end_of(f, t->k0);
    t->pos_min = f->positions[t->k0];
    t->pos_max = f->positions[t->k1 - 1];
    if (!own) return true;
    for (int32_t j = t->k0; j < t->k1; j++) { /* may lie in several segments */
        int32_t end = pt_forest_end_of(f, j), pos = f->positions[j];
        if (end < t->end_min) t->end_min = end;
        if (end > t->end_max) t->end_max = end;
        if (pos < t->pos_min) t->pos_min = pos;
        if (pos > t->pos_max) t->pos_max = pos;
    }
    return true;
}

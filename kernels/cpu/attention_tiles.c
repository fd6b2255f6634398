#include "kernels/cpu/attention_v.h"

pt_attn_walk pt_attn_walk_begin(const pt_forest *f, int32_t q0, int32_t q1)
{
    pt_attn_walk w = {.f = f, .q0 = q0, .q1 = q1, .seg = f->token_seg[q0], .low = q0, .at = q1, .size = PT_ATTN_OWN, .pos_floor = -1};
    if (f->window) {
        int32_t first = f->positions[q0]; /* the smallest position of a row: keys at or below it minus the window are seen by none */
        for (int32_t i = q0 + 1; i < q1; i++) first = f->positions[i] < first ? f->positions[i] : first;
        w.pos_floor = first - f->window;
    }
    return w;
}

/* The next piece: what lies before the block in the segment of its first token, then in that one's ancestors. */
static bool next_piece(pt_attn_walk *w)
{
    const pt_forest *f = w->f;
    while (w->seg >= 0) {
        int32_t low = f->seg_start[w->seg], high = f->seg_start[w->seg + 1];
        w->seg = f->seg_parent[w->seg];
        if (high > w->q0) high = w->q0;
        if (f->window && low < high && f->positions[low] <= w->pos_floor) low += w->pos_floor + 1 - f->positions[low];
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

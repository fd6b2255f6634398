#include "kernels/cpu/product_v.h"

#include "kernels/cpu/tile.h"

typedef struct strip {
    const float *x, *w; /* [k, NV * PT_W] */
    int64_t ldx, k, ldy;
    float *y;
    int part; /* columns of the last vector when it is not whole, else 0 */
    bool add;
} strip;

PT_INLINE void product_tile(const int M, const int NV, const void *args, int64_t row)
{
    const strip *s = args;
    float *y = s->y + row * s->ldy;
    pt_vf acc[MR][NR];
    clear(M, NV, acc);
    product(M, NV, acc, s->x + row * s->ldx, s->ldx, 1, s->w, NV * PT_W, s->k);
    PT_EACH(m, M, v, NV)
    {
        float *at = y + m * s->ldy + v * PT_W;
        if (s->part && v == NV - 1) {
            if (s->add) acc[m][v] += pt_vload_part(at, s->part, 0);
            pt_vstore_part(at, acc[m][v], s->part);
        } else {
            pt_vstore(at, s->add ? pt_vload(at) + acc[m][v] : acc[m][v]);
        }
    }
}
PT_TILE_VARIANTS(product_tile)

/* to[k][wide] = alpha * n rows of w, turned over; columns past n are 0. */
static void turn_over(float *to, int64_t wide, const float *w, int64_t ldw, int64_t n, int64_t k, float alpha)
{
    for (int64_t j = 0; j < wide; j += PT_W) {
        int64_t d = 0;
        for (; n - j >= PT_W && d + PT_W <= k; d += PT_W) {
            pt_vf t[PT_W];
            PT_UNROLL(16)
            for (int i = 0; i < PT_W; i++) t[i] = pt_vload(w + (j + i) * ldw + d);
            transpose(t);
            PT_UNROLL(16)
            for (int i = 0; i < PT_W; i++) pt_vstore(to + (d + i) * wide + j, alpha * t[i]);
        }
        for (; d < k; d++)
            for (int64_t i = j; i < j + PT_W; i++) to[d * wide + i] = i < n ? alpha * w[i * ldw + d] : 0;
    }
}

/* to[k][wide] = alpha * n columns of w; columns past n are 0. */
static void take(float *to, int64_t wide, const float *w, int64_t ldw, int64_t n, int64_t k, float alpha)
{
    for (int64_t d = 0; d < k; d++, w += ldw, to += wide) {
        int64_t j = 0;
        for (; j + PT_W <= n; j += PT_W) pt_vstore(to + j, alpha * pt_vload(w + j));
        if (j < n) pt_vstore(to + j, alpha * pt_vload_part(w + j, n - j, 0));
    }
}

/* Strips of w for columns [n, n + cols) and [k, k + s->k) into `panel`, then all rows against them. */
static void strips(const pt_product *p, const strip *s, float *panel, int64_t n, int64_t cols, int64_t k, int64_t rows)
{
    for (int64_t c = 0; c < cols; c += PANEL) {
        int64_t now = cols - c < PANEL ? cols - c : PANEL, wide = (now + PT_W - 1) / PT_W * PT_W;
        if (p->turned) turn_over(panel + c * s->k, wide, p->w + (n + c) * p->ldw + k, p->ldw, now, s->k, p->alpha);
        else take(panel + c * s->k, wide, p->w + k * p->ldw + n + c, p->ldw, now, s->k, p->alpha);
    }
    int64_t step = cols > PANEL ? MR : rows; /* one strip: it stays in the cache while all rows pass; many: a few rows pass them all */
    for (int64_t row = 0; row < rows; row += step)
        for (int64_t c = 0; c < cols; c += PANEL) {
            int64_t now = cols - c < PANEL ? cols - c : PANEL, left = rows - row;
            strip t = *s;
            t.x += row * s->ldx, t.y += row * s->ldy + c, t.w = panel + c * s->k, t.part = (int)(now % PT_W);
            by_tiles(product_tile_table[(now + PT_W - 1) / PT_W - 1], &t, left < step ? left : step);
        }
}

void PT_V(pt_vproduct)(const pt_product *p, int64_t m0, int64_t m1, int64_t n0, int64_t n1)
{
    _Alignas(64) float panel[PT_PRODUCT_DEPTH * PANEL];
    int64_t pieces = (p->k + PT_PRODUCT_DEPTH - 1) / PT_PRODUCT_DEPTH;
    int64_t depth = ((p->k + pieces - 1) / pieces + PT_W - 1) / PT_W * PT_W, wide = PT_PRODUCT_DEPTH / depth * PANEL;
    for (int64_t n = n0; n < n1; n += wide)
        for (int64_t k = 0; k < p->k; k += depth) {
            strip s = {.x = p->x + m0 * p->ldx + k, .ldx = p->ldx, .k = p->k - k < depth ? p->k - k : depth, .ldy = p->ldy,
                       .y = p->y + m0 * p->ldy + n, .add = k > 0 || p->beta != 0};
            strips(p, &s, panel, n, n1 - n < wide ? n1 - n : wide, k, m1 - m0);
        }
}

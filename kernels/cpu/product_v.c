#include "kernels/cpu/product_v.h"

#include "kernels/cpu/dequant_v.h"
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

/* Rows [n, n + rows) of w's columns [k, k + depth): where they lie, or made numbers of in `made`. */
static const float *rows_of(const pt_product *p, int64_t n, int64_t rows, int64_t k, int64_t depth, float *made)
{
    if (p->type == PT_F32) return (const float *)p->w + n * p->ldw + k;
    const pt_dtype_info *t = pt_dtype_get(p->type);
    for (int64_t i = 0; i < rows; i++)
        PT_V(pt_vdequant)(p->type, (const uint8_t *)p->w + ((n + i) * p->ldw + k) / t->block * t->bytes, depth, made + i * depth);
    return made;
}

/* to[depth][wide] = alpha * w's rows [n, n + rows), columns [k, k + depth), turned over; what is past `rows` is 0. */
static void turn_over(const pt_product *p, float *to, int64_t wide, int64_t n, int64_t rows, int64_t k, int64_t depth)
{
    float made[PT_W * PT_PRODUCT_DEPTH];
    int64_t ld = p->type == PT_F32 ? p->ldw : depth;
    for (int64_t j = 0; j < wide; j += PT_W) {
        int64_t d = 0, live = rows - j < PT_W ? rows - j : PT_W;
        const float *w = rows_of(p, n + j, live, k, depth, made);
        for (; live == PT_W && d + PT_W <= depth; d += PT_W) {
            pt_vf t[PT_W];
            PT_UNROLL(16)
            for (int i = 0; i < PT_W; i++) t[i] = pt_vload(w + i * ld + d);
            transpose(t);
            PT_UNROLL(16)
            for (int i = 0; i < PT_W; i++) pt_vstore(to + (d + i) * wide + j, p->alpha * t[i]);
        }
        for (; d < depth; d++)
            for (int64_t i = 0; i < PT_W; i++) to[d * wide + j + i] = i < live ? p->alpha * w[i * ld + d] : 0;
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
        if (p->turned) turn_over(p, panel + c * s->k, wide, n + c, now, k, s->k);
        else take(panel + c * s->k, wide, (const float *)p->w + k * p->ldw + n + c, p->ldw, now, s->k, p->alpha);
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
    int64_t block = (int64_t)pt_dtype_get(p->type)->block, unit = block > PT_W ? block : PT_W, most = PT_PRODUCT_DEPTH / unit * unit;
    int64_t depth = ((p->k + pieces - 1) / pieces + unit - 1) / unit * unit;
    if (depth > most) depth = most;
    int64_t wide = PT_PRODUCT_DEPTH / depth * PANEL;
    for (int64_t n = n0; n < n1; n += wide)
        for (int64_t k = 0; k < p->k; k += depth) {
            strip s = {.x = p->x + m0 * p->ldx + k, .ldx = p->ldx, .k = p->k - k < depth ? p->k - k : depth, .ldy = p->ldy,
                       .y = p->y + m0 * p->ldy + n, .add = k > 0 || p->beta != 0};
            strips(p, &s, panel, n, n1 - n < wide ? n1 - n : wide, k, m1 - m0);
        }
}

#include "kernels/cpu/product_v.h"

#include <stdbool.h>

#include "kernels/cpu/tile.h"

/* w's strip of PANEL rows by at most DEPTH of k stays in the second-level cache while all rows of x pass. */
enum { DEPTH = 640 };

typedef struct strip {
    const float *x, *w; /* w turned over: [k, NV * PT_W] */
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

/* to[k][wide] = n rows of w, turned over; columns past n are 0. */
static void turn_over(float *to, int64_t wide, const float *w, int64_t ldw, int64_t n, int64_t k)
{
    for (int64_t j = 0; j < wide; j += PT_W) {
        int64_t d = 0;
        for (; n - j >= PT_W && d + PT_W <= k; d += PT_W) {
            pt_vf t[PT_W];
            PT_UNROLL(16)
            for (int i = 0; i < PT_W; i++) t[i] = pt_vload(w + (j + i) * ldw + d);
            transpose(t);
            PT_UNROLL(16)
            for (int i = 0; i < PT_W; i++) pt_vstore(to + (d + i) * wide + j, t[i]);
        }
        for (; d < k; d++)
            for (int64_t i = j; i < j + PT_W; i++) to[d * wide + i] = i < n ? w[i * ldw + d] : 0;
    }
}

void PT_V(pt_vproduct)(const pt_product *p, int64_t m0, int64_t m1, int64_t n0, int64_t n1)
{
    _Alignas(64) float panel[DEPTH * PANEL];
    int64_t pieces = (p->k + DEPTH - 1) / DEPTH, depth = pieces ? ((p->k + pieces - 1) / pieces + PT_W - 1) / PT_W * PT_W : 0;
    for (int64_t n = n0; n < n1; n += PANEL) {
        int64_t cols = n1 - n < PANEL ? n1 - n : PANEL, vectors = (cols + PT_W - 1) / PT_W;
        for (int64_t k = 0; k < p->k; k += depth) {
            strip s = {.x = p->x + m0 * p->ldx + k, .w = panel, .ldx = p->ldx, .k = p->k - k < depth ? p->k - k : depth, .ldy = p->ldy,
                       .y = p->y + m0 * p->ldy + n, .part = (int)(cols % PT_W), .add = k > 0 || p->beta != 0};
            turn_over(panel, vectors * PT_W, p->w + n * p->ldw + k, p->ldw, cols, s.k);
            by_tiles(product_tile_table[vectors - 1], &s, m1 - m0);
        }
    }
}

#include "kernels/cpu/gemv_v.h"

#include "base/quant.h"
#include "kernels/cpu/vec.h"

/* Pieces of a row that are dequantised at a time: a multiple of every block, small enough for the first-level cache. */
enum { STEP = 1024 };

/* sum[r] += w . x[r] over one piece; two vectors of partial sums a row. */
static void dot_piece(const float *w, const float *x, int64_t x_ld, int n, int64_t cols, pt_vf acc[PT_GEMV_ROWS])
{
    for (int r = 0; r < n; r++) {
        const float *xr = x + r * x_ld;
        pt_vf s0 = acc[r], s1 = pt_vset(0);
        int64_t i = 0;
        for (; i + 2 * PT_W <= cols; i += 2 * PT_W) {
            s0 = pt_vfma(pt_vload(w + i), pt_vload(xr + i), s0);
            s1 = pt_vfma(pt_vload(w + i + PT_W), pt_vload(xr + i + PT_W), s1);
        }
        for (; i < cols; i += PT_W) {
            int64_t now = cols - i < PT_W ? cols - i : PT_W;
            s1 = pt_vfma(pt_vload_part(w + i, now, 0), pt_vload_part(xr + i, now, 0), s1);
        }
        acc[r] = s0 + s1;
    }
}

void PT_V(pt_vgemv)(const pt_gemv_args *g, int64_t o0, int64_t o1)
{
    float buf[STEP];
    const pt_dtype_info *d = pt_dtype_get(g->type);
    for (int64_t o = o0; o < o1; o++) {
        const uint8_t *w = (const uint8_t *)g->w + (size_t)o * g->row_bytes;
        pt_vf acc[PT_GEMV_ROWS] = {{0}};
        for (int64_t i = 0; i < g->cols; i += STEP) {
            int64_t now = g->cols - i < STEP ? g->cols - i : STEP;
            pt_dequant_run(g->type, w + (size_t)i / d->block * d->bytes, now, buf);
            dot_piece(buf, g->x + i, g->x_ld, g->n, now, acc);
        }
        for (int r = 0; r < g->n; r++) {
            float *y = g->y + r * g->y_ld + o;
            *y = g->beta == 0 ? pt_vsum(acc[r]) : *y + pt_vsum(acc[r]);
        }
    }
}

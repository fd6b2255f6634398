/* Row kernels of the memory-bound ops (norm_v.c, rope_v.c, mlp_v.c), one copy per instruction set. Every row is computed alone
 * and in the same way wherever it lies, so splitting rows over threads never changes a bit. All pointers f32; ld_* in elements.
 */
#ifndef PT_KERNELS_ROWS_H
#define PT_KERNELS_ROWS_H
#include <stdint.h>
#include "kernels/cpu/isa.h"
#include "kernels/mlp.h"
#include "kernels/rope.h"

/* kernels/norm.h; x is h where add is NULL */
typedef struct pt_norm_rows { /* add, h, y, mean, rstd may be NULL; mean and b are of pt_layer_forward alone */
    const float *x, *add, *w, *b;
    float *h, *y, *mean, *rstd;
    int64_t ld_x, ld_add, ld_h, ld_y, cols;
    float eps, add_scale;
} pt_norm_rows;
/* Rows [r0, r1) of the RMS norm, of the layer norm. */
PT_V_DECL(void, pt_norm_forward, (const pt_norm_rows *j, int64_t r0, int64_t r1));
PT_V_DECL(void, pt_layer_forward, (const pt_norm_rows *j, int64_t r0, int64_t r1));

typedef struct pt_norm_bwd_rows { /* dres may be NULL; mean is of pt_layer_backward alone */
    const float *dy, *dres, *h, *mean, *rstd, *w;
    float *dx;
    int64_t ld_dy, ld_dres, ld_h, ld_dx, cols;
} pt_norm_bwd_rows;
/* Rows [r0, r1); dw, db (may be NULL): [cols], overwritten with the sums over these rows, in order. */
PT_V_DECL(void, pt_norm_backward, (const pt_norm_bwd_rows *j, int64_t r0, int64_t r1, float *dw));
PT_V_DECL(void, pt_layer_backward, (const pt_norm_bwd_rows *j, int64_t r0, int64_t r1, float *dw, float *db));

/* One token: heads * dim features at x, table [rot]. rot <= 1024. */
PT_V_DECL(void, pt_rope_row, (float *x, const float *table, int heads, int dim, int rot, pt_rope_kind kind, bool inverse));

/* n elements of y = act(g) * u; u NULL: y = act(g). */
PT_V_DECL(void, pt_gated_run, (float *y, const float *g, const float *u, int64_t n, pt_act_kind kind));
/* n elements of the backward; y may be NULL; u and du both may. */
PT_V_DECL(void, pt_gated_bwd_run,
          (float *dg, float *du, float *y, const float *dy, const float *g, const float *u, int64_t n, pt_act_kind kind));
/* y = alpha*x + beta*y; beta 0 does not read y. */
PT_V_DECL(void, pt_axpby_run, (float *y, const float *x, int64_t n, float alpha, float beta));
/* kernels/clamp.h, n elements. */
PT_V_DECL(void, pt_clamp_run, (float *y, const float *x, int64_t n, float limit));
PT_V_DECL(void, pt_clamp_bwd_run, (float *dx, const float *dy, const float *x, int64_t n, float limit));
#endif

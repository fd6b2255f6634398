/* Linear layers over every stored weight type. A call with many rows dequantises a frozen weight block of rows by block of
 * rows into the workspace and multiplies; a call with few rows (decoding) multiplies straight from the blocks. Either may read the backend's second form of
 * the whole matrix instead (pt_buf.packed; many rows where pt_buf.kept), which then must hold the same numbers.
 *   forward   y[N,O] = beta*y + x[N,I] . w[O,I]^T (+ b[O])
 *   bwd_x     dx[N,I] = beta*dx + dy[N,O] . w[O,I]
 *   bwd_w     dw[O,I] += dy^T . x,  db[O] += sum_n dy     (full tuning; f32)
 * Views of x, y, dx, dy may have ld > cols. No aliasing between outputs and inputs. */
#ifndef PT_KERNELS_LINEAR_H
#define PT_KERNELS_LINEAR_H
#include "kernels/ctx.h"
typedef struct pt_linear_args {
    pt_view y;  /* [N,O] act */
    pt_view x;  /* [N,I] act */
    pt_view w;  /* [O,I] any stored type */
    pt_view b;  /* [1,O] or absent; plain type */
    float beta; /* 0 or 1 */
} pt_linear_args;
typedef struct pt_linear_bwd_x_args {
    pt_view dx; /* [N,I] act */
    pt_view dy; /* [N,O] act */
    pt_view w;
    float beta;
} pt_linear_bwd_x_args;
typedef struct pt_linear_bwd_w_args {
    pt_view dw; /* [O,I] f32, accumulated; may be absent */
    pt_view db; /* [1,O] f32, accumulated; may be absent */
    pt_view dy; /* [N,O] act */
    pt_view x;  /* [N,I] act */
} pt_linear_bwd_w_args;
#endif

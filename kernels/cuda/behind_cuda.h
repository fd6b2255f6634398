/* What stands behind a weight in a folded product (lora.cu): LoRA's B behind its columns, A behind its rows. linear.cu multiplies by both. */
#ifndef PT_KERNELS_BEHIND_H
#define PT_KERNELS_BEHIND_H
#include "kernels/linear.h"
#ifdef __cplusplus
extern "C" {
#endif
struct pt_ws;
/* [w | B] forward: m is B [O, rank], which takes columns at .. at + rank of `n` behind w's; [w; A] backward: m is A [rank, I], the first rows of `n` behind
 * w's. The rest of the n is 0. n and at are multiples of 8. */
typedef struct pt_cuda_behind {
    const float *m; /* on the device */
    int64_t ld;
    int rank, at, n;
} pt_cuda_behind;

/* linear and linear_bwd_x, with what scratch they take of ws. behind: NULL, or x [N, I] (dy [N, O]) has n columns more in each row, which meet it; then N
 * must be more than PT_CUDA_FEW, and w either whole with room for it (pt_cuda_whole) or not of the activations' type. */
enum { PT_CUDA_FEW = 8 }; /* rows that are multiplied straight from the blocks */
pt_status pt_cuda_product(struct pt_ws *ws, const pt_linear_args *a, const pt_cuda_behind *behind);
pt_status pt_cuda_product_back(struct pt_ws *ws, const pt_linear_bwd_x_args *a, const pt_cuda_behind *behind);
/* to [rows, cols] bf16, rows ld apart = rows [r0, r0 + rows) and columns [c0, c0 + cols) of the n columns (forward) or rows (backward) of `behind`.
 * cols, ld and `to` in 16 bytes: multiples of 8. */
pt_status pt_cuda_put_behind(pt_ctx *ctx, const pt_cuda_behind *behind, bool backward, int64_t r0, int64_t rows, int64_t c0, int64_t cols, void *to, int64_t ld);
#ifdef __cplusplus
}
#endif
#endif

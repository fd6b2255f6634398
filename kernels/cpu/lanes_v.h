/* 9 to 63 rows of x against a quantised weight by integer products (AVX-512 VNNI): a row of x is a lane, four bytes of a row of the weight are spread over the
 * lanes, so that a weight's bytes are met where they lie unpacked, without being made floats.
 *
 *   w_k = scale (u_k - zero) + min over a block of 32 (scale and min by halves of it for some types), u_k bytes without sign
 *   x_k = unit i_k, i_k of `places` signed bytes (digit.h)
 *   y  += sum over blocks of scale * unit * sum_k (u_k - zero) i_k + min * sum_k x_k
 *
 * places 3: as near to the exact result as a product in f32, by the same bound as digits_v.h. places 2: |x - unit i| <= 2^-16 of the block's largest, for
 * calls whose operands would be bf16 otherwise. The sums over 32 (or 16) are exact integers, those over blocks f32, in order: what a row gives depends
 * neither on the rows beside it nor on the cut into ranges. */
#ifndef PT_KERNELS_LANES_V_H
#define PT_KERNELS_LANES_V_H
#include "kernels/cpu/gemv_v.h"

enum { PT_LANES_ROWS = 16, PT_LANES_MOST = 63, PT_LANES_STEP = 16 /* outputs of a call: begin at multiples of it */ };

/* 32 columns of 16 rows. Of bias and sum: the first half, the second, the whole block. */
typedef struct pt_lane_block {
    int8_t digit[8][3][64]; /* four columns, place, row * 4 + column */
    int32_t bias[3][3][16]; /* by place: -zero times the sum of the digits */
    float unit[16], sum[3][16];
} pt_lane_block;

/* True where this processor multiplies rows of this type so. */
PT_V_DECL(bool, pt_vlanes, (pt_dtype t));
/* Rows [16 group, 16 group + 16) of g->x, as far as there are any, columns from 32 block on. False when x holds a NaN or an infinity: the products are
 * not to be had so. */
PT_V_DECL(bool, pt_vlanes_put, (const pt_gemv_args *g, int places, int64_t group, int64_t block, pt_lane_block *to));
/* Output features [o0, o0 + PT_LANES_STEP) of all rows, as far as there are any. blocks: [groups][cols / 32]. */
PT_V_DECL(void, pt_vlanes_gemm, (const pt_gemv_args *g, int places, const pt_lane_block *blocks, int64_t o0, int64_t o1));
#endif

/* One row of x against a weight of nibbles by integer products: x becomes fixed-point numbers of three signed bytes, so that a byte product of the processor
 * (AVX-512 VNNI) does four multiplications a lane and the weight's blocks are never made floats.
 *
 *   unit = max |x| over a block / MOST;  i = round(x / unit), |i| <= MOST;  i = d0 2^16 + d1 2^8 + d2, bytes in [-128, 127]
 *   y = sum over blocks of scale * unit * sum_k (q_k - 8) i_k  + (min + 8 scale) * sum_k x_k       (q4_0: min = -8 scale, the second sum is none)
 *
 * |x - i unit| <= 2^-23 of the block's maximum, the inner sums are exact integers, and the sums over blocks are f32: as near to the exact result as a
 * product in f32 (tests/ops/kernels_linear.c holds it to the same limit). One row alone: with two the f32 kernels of gemv_v.h are as fast, with four faster
 * (docs/measurements.md, "Decoding"). */
#ifndef PT_KERNELS_DIGITS_V_H
#define PT_KERNELS_DIGITS_V_H
#include "kernels/cpu/gemv_v.h"

enum { PT_DIGITS_QUAD = 128 }; /* elements that a step takes: four blocks of 32 */

/* Four blocks of one row of x, in the order in which the weight's nibbles are met: lane 4 b + j holds elements 4 j .. 4 j + 3 of block b in vector 0 and
 * elements 16 + 4 j .. 16 + 4 j + 3 in vector 1. */
typedef struct pt_digits {
    int8_t digit[3][2][64]; /* by place (2^16, 2^8, 1) and vector */
    int32_t bias[16];       /* -8 times the sum of what a lane multiplies */
    float unit[16], sum[16]; /* a lane's unit; a block's sum of x in the first of its four lanes, else 0 */
} pt_digits;

/* True for the types that have such a product on some processor. */
static inline bool pt_digits_type(pt_dtype t) { return t == PT_Q4_0 || t == PT_Q4_1; }
static inline int64_t pt_digits_quads(int64_t cols) { return (cols + PT_DIGITS_QUAD - 1) / PT_DIGITS_QUAD; }
/* x[cols] to quads[pt_digits_quads(cols)]; cols is a multiple of 32. False where this processor has no such product or x holds a NaN or an infinity: take
 * pt_vgemv then. */
PT_V_DECL(bool, pt_vdigits, (const float *x, int64_t cols, pt_digits *quads));
/* As pt_vgemv of one row, from its digits; g->x is not read. */
PT_V_DECL(void, pt_vdigits_gemv, (const pt_gemv_args *g, const pt_digits *x, int64_t o0, int64_t o1));
#endif

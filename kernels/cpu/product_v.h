/* Products of many rows with a transposed matrix, f32: y = beta*y + x . w^T, on the register tiles of tile.h. oneDNN's sgemm turns w over
 * for every thread anew and reaches 85 % of what it does with w the other way round; here each strip of w is turned over once. */
#ifndef PT_KERNELS_PRODUCT_V_H
#define PT_KERNELS_PRODUCT_V_H
#include <stdint.h>
#include "kernels/cpu/isa.h"

typedef struct pt_product {
    const float *x, *w; /* [m, k] and [n, k], row-major */
    int64_t ldx, ldw, k;
    float *y; /* [m, n]; overlaps neither */
    int64_t ldy;
    float beta; /* 0 (y is not read) or 1 */
} pt_product;
/* Columns in which to divide work: a multiple of every instruction set's strip. */
enum { PT_PRODUCT_COLS = 48 };
/* Rows [m0, m1) x columns [n0, n1) of y, on the calling thread, with some 120 KiB of its stack. An element is summed over k in order whatever
 * the ranges are, so how work is divided does not show in the bits. */
PT_V_DECL(void, pt_vproduct, (const pt_product *p, int64_t m0, int64_t m1, int64_t n0, int64_t n1));
#endif

/* f32 products of many rows on the register tiles of tile.h, where oneDNN's sgemm is slow: y = beta*y + alpha * x . w^T (it turns w over for every
 * thread anew, at 85 % of its rate without; here each strip of w is turned over once), and products over few k, w either way round
 * (LoRA's expansions: it reads and writes y in pieces; here rows of y pass once, from left to right). */
#ifndef PT_KERNELS_PRODUCT_V_H
#define PT_KERNELS_PRODUCT_V_H
#include "base/dtype.h"
#include "kernels/cpu/isa.h"

typedef struct pt_product {
    const float *x; /* [m, k], row-major */
    const void *w;  /* [n, k] when `turned`, of any stored type; else [k, n], f32 */
    int64_t ldx, ldw, k;
    pt_dtype type; /* of w */
    bool turned;
    float alpha;
    float *y; /* [m, n]; overlaps neither */
    int64_t ldy;
    float beta; /* 0 (y is not read) or 1 */
} pt_product;
/* Columns in which to divide work: a multiple of every instruction set's strip. Over few k, PT_PRODUCT_DEPTH / k times as many at once. */
enum { PT_PRODUCT_COLS = 48, PT_PRODUCT_DEPTH = 640 };
/* Rows [m0, m1) x columns [n0, n1) of y, on the calling thread, with some 160 KiB of its stack. An element is summed over k in order whatever
 * the ranges are, so how work is divided does not show in the bits. */
PT_V_DECL(void, pt_vproduct, (const pt_product *p, int64_t m0, int64_t m1, int64_t n0, int64_t n1));
#endif

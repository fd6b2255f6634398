/* A matrix a second time, 16 rows side by side, for products with few rows of x (AVX-512 VNNI): a row of the weight is a lane, so that a block's numbers are
 * met by 24 byte products for 512 multiplications and nothing is summed across lanes. Decoding reads every weight a token: row by row the processor's
 * units are the bound, so memory is (docs/measurements.md, "Decoding").
 *
 * Strip s holds rows 16 s .. 16 s + 15 (those past the last are 0), padded to 64 bytes:
 *   heads    [cols / 32][16] f16 scales, with minima behind the 16 where the type has them
 *   numbers  [cols / 32] blocks: nibbles [4][16 rows][4 bytes], the bytes of the stored block in their order; q8_0 [8][16 rows][4 bytes], plus 128
 *
 * x as in lanes_v.h with places 3, block by block: as near to the exact result as a product in f32. What a row of x gives does not depend on the others. */
#ifndef PT_KERNELS_PACKED_V_H
#define PT_KERNELS_PACKED_V_H
#include "kernels/cpu/gemv_v.h"

enum { PT_PACKED_ROWS = 16 };

/* 32 columns of one row of x. */
typedef struct pt_packed_x {
    int8_t digit[3][32];
    int32_t bias[3]; /* by place: -zero times the sum of the digits */
    float unit, sum;
    float pad[3];
} pt_packed_x;

/* Bytes of the second form; 0 where this processor or type has none. */
PT_V_DECL(size_t, pt_vpacked_bytes, (pt_dtype t, int64_t rows, int64_t cols));
/* w [rows, cols] as stored, rows row_bytes apart, to `to` (64-byte aligned). */
PT_V_DECL(void, pt_vpack, (pt_dtype t, const void *w, size_t row_bytes, int64_t rows, int64_t cols, void *to));
/* One row of x to blocks[cols / 32]. False when it holds a NaN or an infinity: take pt_vgemv then. */
PT_V_DECL(bool, pt_vpacked_put, (pt_dtype t, const float *x, int64_t cols, pt_packed_x *blocks));
/* As pt_vgemv; g->w is the second form, x [n][cols / 32] stands for g->x, o0 a multiple of 16. */
PT_V_DECL(void, pt_vpacked_gemv, (const pt_gemv_args *g, const pt_packed_x *x, int64_t o0, int64_t o1));
#endif

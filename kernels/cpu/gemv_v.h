/* Few rows of x against a weight in its stored form: the decoding product, bound by reading the weight once. f32 activations and sums. */
#ifndef PT_KERNELS_GEMV_V_H
#define PT_KERNELS_GEMV_V_H
#include "base/dtype.h"
#include "kernels/cpu/isa.h"

enum { PT_GEMV_ROWS = 8 }; /* most rows of x; above it lanes_v.h or a product of floats is faster */

typedef struct pt_gemv_args {
    pt_dtype type;
    const void *w; /* [O, cols] */
    size_t row_bytes;
    int64_t cols;
    const float *x; /* [n, cols] */
    int64_t x_ld;
    int n;
    float *y; /* [n, O] */
    int64_t y_ld;
    float beta; /* 0 or 1 */
} pt_gemv_args;
/* Output features [o0, o1) of every row. The bits do not depend on the cut into ranges. */
PT_V_DECL(void, pt_vgemv, (const pt_gemv_args *g, int64_t o0, int64_t o1));
#endif

/* Matrix products by oneDNN, but for those of product_v.h. The only files that know its API: v2 (Debian 12 has 2.6) and v3 are told apart in
 * gemm_cpu.c.
 *   c[m,n] = beta*c + alpha * op(a)[m,k] . op(b)[k,n]        row-major; op = transpose where ta / tb
 * a and b are both f32 or both bf16, c is f32, sums are f32. beta = 0 never reads c. Deterministic for one thread count.
 * Runs on the OpenMP threads of the caller; inside a parallel region it runs on the calling thread alone. */
#ifndef PT_KERNELS_GEMM_CPU_H
#define PT_KERNELS_GEMM_CPU_H
#include "base/dtype.h"

typedef struct pt_gemm_args {
    pt_dtype type; /* PT_F32 or PT_BF16 */
    bool ta, tb;
    int64_t m, n, k;
    float alpha;   /* must be 1 with bf16 */
    const void *a;
    int64_t lda;
    const void *b;
    int64_t ldb;
    float beta;    /* 0 or 1 */
    float *c;
    int64_t ldc;
    pt_dtype stored; /* b's own type where it is no f32 yet: with f32, tb and m >= PT_GEMM_STORED_ROWS */
} pt_gemm_args;
enum { PT_GEMM_STORED_ROWS = 9 };

/* Engine, stream and the made kernels of one context; not shared between threads. */
typedef struct pt_gemm pt_gemm;
pt_status pt_gemm_new(pt_gemm **out);
void pt_gemm_free(pt_gemm *g);
pt_status pt_gemm_run(pt_gemm *g, const pt_gemm_args *a);
/* PT_ENOSUP when oneDNN has no bf16 product on this processor. */
pt_status pt_gemm_has_bf16(pt_gemm *g);
#endif

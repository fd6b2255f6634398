/* Matrix products of the CUDA backend, by cuBLASLt (gemm_cuda.cu is the only file that knows its API).
 *   c[m,n] = beta*c + alpha * op(a)[m,k] . op(b)[k,n]        row-major; op = transpose where ta / tb
 * a and b are both f32 or both bf16; c is f32 or the type of a; sums are f32. beta 0 never reads c. m = 0 or n = 0 does nothing; k = 0
 * scales c by beta. `scratch` is PT_GEMM_SCRATCH bytes of the caller's workspace (pt_ws_take). Issued to ctx's stream. */
#ifndef PT_KERNELS_GEMM_CUDA_H
#define PT_KERNELS_GEMM_CUDA_H
#include "kernels/ctx.h"

enum { PT_GEMM_SCRATCH = 16 << 20 };

typedef struct pt_cuda_gemm_args {
    pt_dtype type;  /* of a and b: PT_F32 or PT_BF16 */
    pt_dtype ctype; /* of c: PT_F32 or type */
    bool ta, tb;
    int64_t m, n, k;
    float alpha;
    const void *a; /* device addresses */
    int64_t lda;   /* elements */
    const void *b;
    int64_t ldb;
    float beta; /* 0 or 1 */
    void *c;
    int64_t ldc;
    void *scratch;
} pt_cuda_gemm_args;

#ifdef __cplusplus
extern "C" {
#endif
pt_status pt_cuda_gemm(pt_ctx *ctx, const pt_cuda_gemm_args *a);
/* Columns of c[m,n] to make at a time where at most `most` may be: `most`, or the multiple of 256 below it whose products together
 * take the fewest waves on a chip of `sms`: of tiles of 128 x 128, or half as many of 128 x 256, which take twice as long (that cuBLASLt
 * chooses such tiles is assumed). The widest of equals; n where it is no more than most, which is > 0, as are m and sms. */
int64_t pt_cuda_piece(int sms, int64_t m, int64_t n, int64_t most);
/* The same on ctx's chip. */
int64_t pt_cuda_gemm_piece(const pt_ctx *ctx, int64_t m, int64_t n, int64_t most);
/* Where a weight lies whole as numbers of ctx->act: itself, or its second form (pt_buf.kept). */
typedef struct pt_cuda_whole_w {
    unsigned char *at;        /* NULL in a dry run */
    int64_t ld;               /* elements from one row to the next */
    int room_cols, room_rows; /* behind its own columns and rows, for whoever multiplies */
} pt_cuda_whole_w;
/* False: it must be dequantised. A dry run answers as the call that it stands for. */
bool pt_cuda_whole(const pt_ctx *ctx, pt_view w, pt_cuda_whole_w *out);
#ifdef __cplusplus
}
#endif
#endif

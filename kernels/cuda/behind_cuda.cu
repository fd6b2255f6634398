/* A's rows and B's columns in bf16 behind a weight: behind_cuda.h. A thread writes 8 numbers. Bytes at least: 2 a number written, 4 a number of A or B read. */
#include "kernels/cuda/op_args.cuh"

#include "kernels/cuda/behind_cuda.h"

namespace
{
constexpr int BLOCK = 32; /* small matrices: many blocks */

/* to[r, c] = m[r + r0, c + c0] where that lies within [0, m_rows) x [0, m_cols), else 0. */
struct put {
    bf16 *to;
    const float *m;
    int64_t ld_to, ld_m, rows, cols, r0, c0, m_rows, m_cols;
    bool wide; /* 4 numbers of m at a time where all are there */
};

__global__ void __launch_bounds__(BLOCK) behind_k(put a)
{
    int64_t per = a.cols / 8, u = (int64_t)blockIdx.x * BLOCK + threadIdx.x, r = u / per, c = u % per * 8;
    if (r >= a.rows) return;
    int64_t from = r + a.r0, at = c + a.c0;
    float v[8];
    if (a.wide && from < a.m_rows && at >= 0 && at + 8 <= a.m_cols) {
        ld_vec<4>(a.m + from * a.ld_m + at, v);
        ld_vec<4>(a.m + from * a.ld_m + at + 4, v + 4);
    } else {
#pragma unroll
        for (int i = 0; i < 8; i++) v[i] = from < a.m_rows && at + i >= 0 && at + i < a.m_cols ? a.m[from * a.ld_m + at + i] : 0.0f;
    }
    st_vec<8>(a.to + r * a.ld_to + c, v);
}
} // namespace

extern "C" pt_status pt_cuda_put_behind(pt_ctx *ctx, const pt_cuda_behind *b, bool backward, int64_t r0, int64_t rows, int64_t c0, int64_t cols, void *to,
                                        int64_t ld)
{
    if (rows == 0 || cols == 0) return PT_OK;
    put a = {(bf16 *)to, b->m, ld, b->ld, rows, cols, r0, backward ? c0 : c0 - b->at, backward ? b->rank : r0 + rows, backward ? c0 + cols : b->rank,
             b->ld % 4 == 0 && (uintptr_t)b->m % 16 == 0};
    a.wide = a.wide && a.c0 % 4 == 0;
    return pt_launch(behind_k, dim3((unsigned)pt_ceil_div(rows * (cols / 8), BLOCK)), dim3(BLOCK), 0, pt_stream(ctx), a);
}

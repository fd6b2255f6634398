/* Sums on the device: kernels/reduce.h, in double, in an order that depends on the sizes alone. Bytes at least: sumsq 4n; clip a few;
 * token_sums 12 a row and 8 a head position. */
#include "kernels/cuda/op_args.cuh"

namespace
{
/* ---- kernels ---- */
constexpr int BLOCK = 256, STEP = 4096, MAX_PARTS = 1024;

/* part[b] = sum of squares of steps b, b + gridDim.x, ... of STEP elements */
__global__ void __launch_bounds__(BLOCK) sumsq_part_k(double *part, const float *x, int64_t n, bool wide)
{
    PT_SHARED(double, red, [32]);
    double s = 0;
    for (int64_t at = (int64_t)blockIdx.x * STEP; at < n; at += (int64_t)gridDim.x * STEP) {
        if (wide && at + STEP <= n) {
#pragma unroll
            for (int k = 0; k < STEP / BLOCK / 4; k++) {
                float v[4];
                ld_vec<4>(x + at + (k * BLOCK + (int)threadIdx.x) * 4, v);
#pragma unroll
                for (int e = 0; e < 4; e++) s += (double)v[e] * (double)v[e];
            }
        } else {
            for (int64_t i = at + threadIdx.x; i < n && i < at + STEP; i += BLOCK) s += (double)x[i] * (double)x[i];
        }
    }
    s = block_sum(s, red);
    if (threadIdx.x == 0) part[blockIdx.x] = s;
}

__global__ void __launch_bounds__(BLOCK) sumsq_sum_k(double *acc, const double *part, int parts)
{
    PT_SHARED(double, red, [32]);
    double s = 0;
    for (int i = (int)threadIdx.x; i < parts; i += BLOCK) s += part[i];
    s = block_sum(s, red);
    if (threadIdx.x == 0) acc[0] += s;
}

__global__ void clip_k(float *s, double *acc, float max_norm)
{
    if (threadIdx.x != 0) return;
    double norm = sqrt(acc[0]);
    bool finite = isfinite(norm);
    s[PT_SCALAR_NORM] = (float)norm;
    s[PT_SCALAR_FINITE] = finite ? 1.0f : 0.0f;
    s[PT_SCALAR_CLIP] = max_norm > 0 && norm > (double)max_norm ? (float)((double)max_norm / (norm + 1e-6)) : 1.0f;
    s[PT_SCALAR_APPLIED] += finite ? 1.0f : 0.0f;
    acc[0] = 0;
}

/* One block: a batch has thousands of rows. */
__global__ void __launch_bounds__(BLOCK) token_sums_k(double *acc, const float *weight, const float *entropy, const int32_t *argmax, const int32_t *row_head,
                                                      const int32_t *row_target, int64_t rows)
{
    PT_SHARED(double, red, [32]);
    double w = 0, e = 0, hits = 0;
    for (int64_t m = threadIdx.x; m < rows; m += BLOCK) {
        double mine = (double)weight[m];
        if (mine == 0) continue;
        int32_t h = row_head[m];
        w += mine;
        e += mine * (double)entropy[h];
        if (argmax[h] == row_target[m]) hits += mine;
    }
    w = block_sum(w, red);
    e = block_sum(e, red);
    hits = block_sum(hits, red);
    if (threadIdx.x) return;
    acc[PT_TOKEN_WEIGHT] += w, acc[PT_TOKEN_ENTROPY] += e, acc[PT_TOKEN_HITS] += hits;
}
} // namespace

extern "C" pt_status pt_cuda_sumsq(pt_ctx *ctx, const pt_sumsq_args *a)
{
    PT_RETURN(pt_check_sumsq(a));
    int64_t n = a->x.rows * a->x.cols, parts = pt_ceil_div(n, STEP);
    double *part;
    if (parts > MAX_PARTS) parts = MAX_PARTS;
    pt_ws ws = pt_ws_begin(ctx);
    PT_RETURN(pt_take(&ws, &part, (size_t)parts * sizeof(double)));
    pt_ws_done(&ws);
    if (ctx->dry || n == 0) return PT_OK;
    bool wide = ((uintptr_t)a->x.buf->base + a->x.off) % 16 == 0;
    PT_RETURN(
        pt_launch(sumsq_part_k, dim3((unsigned)parts), dim3(BLOCK), 0, pt_stream(ctx), part, pt_ptr<float>(a->x), n, wide));
    return pt_launch(sumsq_sum_k, dim3(1), dim3(BLOCK), 0, pt_stream(ctx), pt_ptr<double>(a->acc), part, (int)parts);
}

extern "C" pt_status pt_cuda_clip(pt_ctx *ctx, const pt_clip_args *a)
{
    PT_RETURN(pt_check_clip(a));
    if (ctx->dry) return PT_OK;
    return pt_launch(clip_k, dim3(1), dim3(32), 0, pt_stream(ctx), pt_ptr<float>(a->scalars), pt_ptr<double>(a->acc),
                     a->max_norm);
}

extern "C" pt_status pt_cuda_token_sums(pt_ctx *ctx, const pt_token_sums_args *a)
{
    PT_RETURN(pt_check_token_sums(a));
    if (ctx->dry || a->weight.cols == 0) return PT_OK;
    return pt_launch(token_sums_k, dim3(1), dim3(BLOCK), 0, pt_stream(ctx), pt_ptr<double>(a->acc), pt_ptr<float>(a->weight), pt_ptr<float>(a->entropy),
                     pt_ptr<int32_t>(a->argmax), pt_ptr<int32_t>(a->row_head), pt_ptr<int32_t>(a->row_target), a->weight.cols);
}

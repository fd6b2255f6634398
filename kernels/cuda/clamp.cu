/* Numbers held between two bounds: kernels/clamp.h. Every element is read once and written once: the least there is, for rows of whole 16-byte steps; other
 * rows go element by element, the same bytes. */
#include "kernels/cuda/op_args.cuh"
extern "C" {
#include "kernels/check_ops.h"
}

namespace
{
/* ---- kernels ---- */
template <typename T, int V>
__global__ void __launch_bounds__(PT_ELEM_BLOCK) clamp_k(T *y, int64_t ld_y, const T *x, int64_t ld_x, int64_t n, int64_t c, float limit)
{
    int64_t i = ((int64_t)blockIdx.x * PT_ELEM_BLOCK + threadIdx.x) * V;
    if (i >= c) return;
    limit = to_f(from_f<T>(limit));
    for (int64_t r = blockIdx.y; r < n; r += gridDim.y) {
        float v[V];
        ld_vec<V>(x + r * ld_x + i, v);
#pragma unroll
        for (int e = 0; e < V; e++) v[e] = v[e] < -limit ? -limit : v[e] > limit ? limit : v[e];
        st_whole<V>(y + r * ld_y + i, v);
    }
}

template <typename T, int V>
__global__ void __launch_bounds__(PT_ELEM_BLOCK)
    clamp_bwd_k(T *dx, int64_t ld_dx, const T *dy, int64_t ld_dy, const T *x, int64_t ld_x, int64_t n, int64_t c, float limit)
{
    int64_t i = ((int64_t)blockIdx.x * PT_ELEM_BLOCK + threadIdx.x) * V;
    if (i >= c) return;
    limit = to_f(from_f<T>(limit));
    for (int64_t r = blockIdx.y; r < n; r += gridDim.y) {
        float v[V], d[V];
        ld_vec<V>(x + r * ld_x + i, v);
        ld_vec<V>(dy + r * ld_dy + i, d);
#pragma unroll
        for (int e = 0; e < V; e++) d[e] = fabsf(v[e]) < limit ? d[e] : 0.0f;
        st_whole<V>(dx + r * ld_dx + i, d);
    }
}

/* ---- launchers ---- */
template <typename T> pt_status clamp_run(pt_ctx *ctx, const pt_clamp_args *a)
{
    constexpr int V = pt_lanes<T>::n;
    bool dense = pt_dense(a->x) && pt_dense(a->y);
    pt_view x = dense ? pt_flat(a->x) : a->x, y = dense ? pt_flat(a->y) : a->y;
    bool steps = pt_steps(x, V) && pt_steps(y, V);
    dim3 grid = pt_elem_grid(x.rows, x.cols, steps ? V : 1), block(PT_ELEM_BLOCK);
    if (steps) return pt_launch(clamp_k<T, V>, grid, block, 0, pt_stream(ctx), pt_ptr<T>(y), y.ld, pt_ptr<T>(x), x.ld, x.rows, x.cols, a->limit);
    return pt_launch(clamp_k<T, 1>, grid, block, 0, pt_stream(ctx), pt_ptr<T>(y), y.ld, pt_ptr<T>(x), x.ld, x.rows, x.cols, a->limit);
}

template <typename T> pt_status clamp_bwd_run(pt_ctx *ctx, const pt_clamp_bwd_args *a)
{
    constexpr int V = pt_lanes<T>::n;
    bool dense = pt_dense(a->x) && pt_dense(a->dx) && pt_dense(a->dy);
    pt_view x = dense ? pt_flat(a->x) : a->x, dx = dense ? pt_flat(a->dx) : a->dx, dy = dense ? pt_flat(a->dy) : a->dy;
    bool steps = pt_steps(x, V) && pt_steps(dx, V) && pt_steps(dy, V);
    dim3 grid = pt_elem_grid(x.rows, x.cols, steps ? V : 1), block(PT_ELEM_BLOCK);
    if (steps)
        return pt_launch(clamp_bwd_k<T, V>, grid, block, 0, pt_stream(ctx), pt_ptr<T>(dx), dx.ld, pt_ptr<T>(dy), dy.ld, pt_ptr<T>(x), x.ld, x.rows, x.cols,
                         a->limit);
    return pt_launch(clamp_bwd_k<T, 1>, grid, block, 0, pt_stream(ctx), pt_ptr<T>(dx), dx.ld, pt_ptr<T>(dy), dy.ld, pt_ptr<T>(x), x.ld, x.rows, x.cols,
                     a->limit);
}
} // namespace

extern "C" pt_status pt_cuda_clamp(pt_ctx *ctx, const pt_clamp_args *a)
{
    PT_RETURN(pt_check_clamp(ctx, a));
    if (ctx->dry || a->x.rows == 0 || a->x.cols == 0) return PT_OK;
    return PT_BY_ACT(ctx, clamp_run, ctx, a);
}

extern "C" pt_status pt_cuda_clamp_bwd(pt_ctx *ctx, const pt_clamp_bwd_args *a)
{
    PT_RETURN(pt_check_clamp_bwd(ctx, a));
    if (ctx->dry || a->x.rows == 0 || a->x.cols == 0) return PT_OK;
    return PT_BY_ACT(ctx, clamp_bwd_run, ctx, a);
}

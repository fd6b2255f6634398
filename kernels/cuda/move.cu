/* Rows moved about: kernels/move.h. Every element is read once and written once (scatter_add and axpby with beta 1 read what
 * they add to): the least there is, for rows of whole 16-byte steps; other rows go element by element, the same bytes. embed is
 * in dequant.cu. embed_bwd: the block of a token's first occurrence adds all its rows, in order; no atomics. */
#include "kernels/cuda/op_args.cuh"

namespace
{
/* ---- kernels ---- */
template <typename T, int V, bool ADD>
__global__ void __launch_bounds__(PT_ELEM_BLOCK)
    rows_k(T *y, int64_t ld_y, const T *x, int64_t ld_x, const int32_t *index, int64_t n, int64_t c)
{
    int64_t i = ((int64_t)blockIdx.x * PT_ELEM_BLOCK + threadIdx.x) * V;
    if (i >= c) return;
    for (int64_t r = blockIdx.y; r < n; r += gridDim.y) {
        float v[V];
        int64_t at = index[r];
        if constexpr (ADD) {
            float o[V];
            ld_vec<V>(x + r * ld_x + i, v);
            ld_vec<V>(y + at * ld_y + i, o);
#pragma unroll
            for (int e = 0; e < V; e++) v[e] += o[e];
            st_whole<V>(y + at * ld_y + i, v);
        } else {
            ld_vec<V>(x + at * ld_x + i, v);
            st_whole<V>(y + r * ld_y + i, v);
        }
    }
}

template <typename T, int V>
__global__ void __launch_bounds__(PT_ELEM_BLOCK)
    axpby_k(T *y, int64_t ld_y, const T *x, int64_t ld_x, int64_t n, int64_t c, float alpha, float beta)
{
    int64_t i = ((int64_t)blockIdx.x * PT_ELEM_BLOCK + threadIdx.x) * V;
    if (i >= c) return;
    for (int64_t r = blockIdx.y; r < n; r += gridDim.y) {
        float v[V], o[V];
        ld_vec<V>(x + r * ld_x + i, v);
#pragma unroll
        for (int e = 0; e < V; e++) o[e] = 0;
        if (beta != 0) ld_vec<V>(y + r * ld_y + i, o);
#pragma unroll
        for (int e = 0; e < V; e++) v[e] = beta == 0 ? alpha * v[e] : fmaf(alpha, v[e], beta * o[e]);
        st_whole<V>(y + r * ld_y + i, v);
    }
}

PT_DEV void put(float *p, float v)
{
    *p = v;
}
PT_DEV void put(bf16 *p, float v)
{
    *p = from_f<bf16>(v);
}
struct half16 {
    uint16_t bits;
};
/* To f16, nearest even; subnormals kept. */
PT_DEV void put(half16 *p, float v)
{
    uint32_t u = __float_as_uint(v), sign = (u >> 16) & 0x8000u, a = u & 0x7fffffffu, h;
    if (a > 0x7f800000u)
        h = 0x7e00u;
    else if (a >= 0x477ff000u)
        h = 0x7c00u; /* rounds to infinity */
    else if (a < 0x38800000u)
        h = (uint32_t)__float2int_rn(__uint_as_float(a) * 16777216.0f);
    else
        h = (a - 0x38000000u + 0xfffu + ((a >> 13) & 1)) >> 13;
    p->bits = (uint16_t)(sign | h);
}
PT_DEV float get(const float *p)
{
    return *p;
}
PT_DEV float get(const bf16 *p)
{
    return to_f(*p);
}
PT_DEV float get(const half16 *p)
{
    return f16_to_f(p->bits);
}

template <typename Y, typename X>
__global__ void __launch_bounds__(PT_ELEM_BLOCK) cast_k(Y *y, int64_t ld_y, const X *x, int64_t ld_x, int64_t n, int64_t c)
{
    int64_t i = (int64_t)blockIdx.x * PT_ELEM_BLOCK * 4 + threadIdx.x;
    for (int64_t r = blockIdx.y; r < n; r += gridDim.y)
#pragma unroll
        for (int k = 0; k < 4; k++) {
            int64_t at = i + k * PT_ELEM_BLOCK;
            if (at < c) put(y + r * ld_y + at, get(x + r * ld_x + at));
        }
}

constexpr int EMBED_COLS = 8; /* columns of a thread at a time */
template <typename T>
__global__ void __launch_bounds__(PT_ELEM_BLOCK)
    embed_bwd_k(float *dw, int64_t ld_dw, int64_t rows, int64_t from, const T *dy, int64_t ld_dy, const int32_t *tokens, int64_t n, int64_t c, float scale)
{
    PT_SHARED(uint32_t, match, [PT_ELEM_BLOCK / 32]);
    int64_t first = blockIdx.x, tid = threadIdx.x;
    int32_t id = tokens[first];
    int64_t row = id - from;
    int seen = 0;
    if (row < 0 || row >= rows) return;
    for (int64_t j = tid; j < first; j += PT_ELEM_BLOCK) seen |= tokens[j] == id;
    if (__syncthreads_or(seen)) return;
    for (int64_t c0 = 0; c0 < c; c0 += PT_ELEM_BLOCK * EMBED_COLS) {
        float sum[EMBED_COLS];
#pragma unroll
        for (int k = 0; k < EMBED_COLS; k++) sum[k] = 0;
        for (int64_t j = first; j < n; j += PT_ELEM_BLOCK) {
            uint32_t mine = __ballot_sync(PT_FULL, j + tid < n && tokens[j + tid < n ? j + tid : first] == id);
            __syncthreads();
            if (lane_id() == 0) match[warp_id()] = mine;
            __syncthreads();
            for (int w = 0; w < PT_ELEM_BLOCK / 32; w++)
                for (uint32_t m = match[w]; m; m &= m - 1) {
                    const T *row = dy + (j + 32 * w + __ffs((int)m) - 1) * ld_dy;
#pragma unroll
                    for (int k = 0; k < EMBED_COLS; k++) {
                        int64_t i = c0 + k * PT_ELEM_BLOCK + tid;
                        if (i < c) sum[k] += to_f(row[i]);
                    }
                }
        }
#pragma unroll
        for (int k = 0; k < EMBED_COLS; k++) {
            int64_t i = c0 + k * PT_ELEM_BLOCK + tid;
            if (i < c) dw[row * ld_dw + i] += scale * sum[k];
        }
    }
}

/* ---- launchers ---- */
template <typename T> pt_status rows_run(pt_ctx *ctx, const pt_gather_args *a, bool add)
{
    constexpr int V = pt_lanes<T>::n;
    int64_t n = a->index.cols, c = a->x.cols;
    bool steps = pt_steps(a->x, V) && pt_steps(a->y, V);
    dim3 grid = pt_elem_grid(n, c, steps ? V : 1), block(PT_ELEM_BLOCK);
    T *y = pt_ptr<T>(a->y), *x = pt_ptr<T>(a->x);
    int32_t *index = pt_ptr<int32_t>(a->index);
    if (add && steps) return pt_launch(rows_k<T, V, true>, grid, block, 0, pt_stream(ctx), y, a->y.ld, x, a->x.ld, index, n, c);
    if (add) return pt_launch(rows_k<T, 1, true>, grid, block, 0, pt_stream(ctx), y, a->y.ld, x, a->x.ld, index, n, c);
    if (steps) return pt_launch(rows_k<T, V, false>, grid, block, 0, pt_stream(ctx), y, a->y.ld, x, a->x.ld, index, n, c);
    return pt_launch(rows_k<T, 1, false>, grid, block, 0, pt_stream(ctx), y, a->y.ld, x, a->x.ld, index, n, c);
}

template <typename T> pt_status axpby_run(pt_ctx *ctx, const pt_axpby_args *a)
{
    constexpr int V = pt_lanes<T>::n;
    bool dense = pt_dense(a->x) && pt_dense(a->y);
    pt_view x = dense ? pt_flat(a->x) : a->x, y = dense ? pt_flat(a->y) : a->y;
    bool steps = pt_steps(x, V) && pt_steps(y, V);
    dim3 grid = pt_elem_grid(x.rows, x.cols, steps ? V : 1), block(PT_ELEM_BLOCK);
    if (steps)
        return pt_launch(axpby_k<T, V>, grid, block, 0, pt_stream(ctx), pt_ptr<T>(y), y.ld, pt_ptr<T>(x), x.ld, x.rows, x.cols,
                         a->alpha, a->beta);
    return pt_launch(axpby_k<T, 1>, grid, block, 0, pt_stream(ctx), pt_ptr<T>(y), y.ld, pt_ptr<T>(x), x.ld, x.rows, x.cols,
                     a->alpha, a->beta);
}

template <typename Y, typename X> pt_status cast_run(pt_ctx *ctx, const pt_cast_args *a)
{
    bool dense = pt_dense(a->x) && pt_dense(a->y);
    pt_view x = dense ? pt_flat(a->x) : a->x, y = dense ? pt_flat(a->y) : a->y;
    return pt_launch(cast_k<Y, X>, pt_elem_grid(x.rows, x.cols, 4), dim3(PT_ELEM_BLOCK), 0, pt_stream(ctx), pt_ptr<Y>(y), y.ld,
                     pt_ptr<X>(x), x.ld, x.rows, x.cols);
}

template <typename Y> pt_status cast_to(pt_ctx *ctx, const pt_cast_args *a)
{
    if (a->x.type == PT_F32) return cast_run<Y, float>(ctx, a);
    return a->x.type == PT_F16 ? cast_run<Y, half16>(ctx, a) : cast_run<Y, bf16>(ctx, a);
}

template <typename T> pt_status embed_bwd_run(pt_ctx *ctx, const pt_embed_bwd_args *a)
{
    return pt_launch(embed_bwd_k<T>, dim3((unsigned)a->dy.rows), dim3(PT_ELEM_BLOCK), 0, pt_stream(ctx), pt_ptr<float>(a->dw),
                     a->dw.ld, a->dw.rows, a->first, pt_ptr<T>(a->dy), a->dy.ld, pt_ptr<int32_t>(a->tokens), a->dy.rows, a->dy.cols, a->scale);
}
} // namespace

extern "C" pt_status pt_cuda_gather(pt_ctx *ctx, const pt_gather_args *a)
{
    int64_t n = a->y.rows, c = a->y.cols;
    PT_RETURN(pt_check_typed("gather", "y", a->y, ctx->act, n, c));
    PT_RETURN(pt_check_typed("gather", "x", a->x, ctx->act, a->x.rows, c));
    PT_RETURN(pt_check_typed("gather", "index", a->index, PT_I32, 1, n));
    if (ctx->dry || n == 0 || c == 0) return PT_OK;
    return PT_BY_ACT(ctx, rows_run, ctx, a, false);
}

extern "C" pt_status pt_cuda_scatter_add(pt_ctx *ctx, const pt_gather_args *a)
{
    int64_t n = a->x.rows, c = a->x.cols;
    PT_RETURN(pt_check_typed("scatter_add", "x", a->x, ctx->act, n, c));
    PT_RETURN(pt_check_typed("scatter_add", "y", a->y, ctx->act, a->y.rows, c));
    PT_RETURN(pt_check_typed("scatter_add", "index", a->index, PT_I32, 1, n));
    if (ctx->dry || n == 0 || c == 0) return PT_OK;
    return PT_BY_ACT(ctx, rows_run, ctx, a, true);
}

extern "C" pt_status pt_cuda_cast(pt_ctx *ctx, const pt_cast_args *a)
{
    PT_RETURN(pt_check_view("cast", "x", a->x, a->x.rows, a->x.cols));
    PT_RETURN(pt_check_view("cast", "y", a->y, a->x.rows, a->x.cols));
    if (!pt_plain(a->x.type) || !pt_plain(a->y.type))
        return pt_fail(PT_ENOSUP, "cast: %s to %s", pt_dtype_get(a->x.type)->name, pt_dtype_get(a->y.type)->name);
    if (ctx->dry || a->x.rows == 0 || a->x.cols == 0) return PT_OK;
    if (a->y.type == PT_F32) return cast_to<float>(ctx, a);
    return a->y.type == PT_F16 ? cast_to<half16>(ctx, a) : cast_to<bf16>(ctx, a);
}

extern "C" pt_status pt_cuda_axpby(pt_ctx *ctx, const pt_axpby_args *a)
{
    if (a->x.type != PT_F32 && a->x.type != PT_BF16)
        return pt_fail(PT_ENOSUP, "axpby: numbers of type %s", pt_dtype_get(a->x.type)->name);
    PT_RETURN(pt_check_view("axpby", "x", a->x, a->x.rows, a->x.cols));
    PT_RETURN(pt_check_typed("axpby", "y", a->y, a->x.type, a->x.rows, a->x.cols));
    if (ctx->dry || a->x.rows == 0 || a->x.cols == 0) return PT_OK;
    return a->x.type == PT_BF16 ? axpby_run<bf16>(ctx, a) : axpby_run<float>(ctx, a);
}

extern "C" pt_status pt_cuda_embed_bwd(pt_ctx *ctx, const pt_embed_bwd_args *a)
{
    int64_t n = a->dy.rows, c = a->dy.cols;
    PT_RETURN(pt_check_typed("embed_bwd", "dy", a->dy, ctx->act, n, c));
    PT_RETURN(pt_check_typed("embed_bwd", "dw", a->dw, PT_F32, a->dw.rows, c));
    PT_RETURN(pt_check_typed("embed_bwd", "tokens", a->tokens, PT_I32, 1, n));
    if (ctx->dry || n == 0 || c == 0) return PT_OK;
    return PT_BY_ACT(ctx, embed_bwd_run, ctx, a);
}

/* Linear layers on the device: kernels/linear.h. Many rows: blocks of w become numbers in the workspace (w that lies
 * whole as numbers, pt_cuda_whole, is used there) and cuBLASLt multiplies. Forward takes blocks of w's rows, bwd_x blocks of its columns, so that
 * no output is rounded twice; how many is pt_cuda_gemm_piece's to say, so that few waves of tiles are left part empty. Few rows (decoding): products straight from the blocks, each byte of w read once; x goes through
 * shared memory once per 16 or 32 rows of w. Bytes at least of the own kernels: few rows w once; bias N*O*(2e), b by every 32nd
 * row; db N*O*e. */
#include "kernels/cuda/dequant.cuh"

#include "kernels/cuda/behind_cuda.h"
#include "kernels/cuda/gemm_cuda.h"

namespace
{
/* ---- helpers ---- */
constexpr int BLOCK_ELEMS = 16 << 20, ROW_STEP = 128,
              COL_STEP = 256; /* a scratch block: 32 MiB of bf16, within the L2 of an H100 */
constexpr int FEW = PT_CUDA_FEW, WARPS = 8, PIECE = 1024, STAGE = PIECE / 32 * 34 + 32; /* gemv: columns at a time */
constexpr int SUM_ROWS = 8, BIAS_BLOCK = 256, BIAS_ROWS = 32;

/* Elements of scratch for [rows, cols] taken in steps along a dimension of length `across` the other way: grows with both. */
size_t scratch_elems(int64_t rows, int64_t cols, int64_t step, int64_t across)
{
    int64_t cap = step * across > BLOCK_ELEMS ? step * across : BLOCK_ELEMS;
    return (size_t)(rows == 0 || cols < cap / rows ? rows * cols : cap);
}
/* Rows or columns of a block whose other side is `across` long. */
int64_t block_len(int64_t step, int64_t across)
{
    int64_t n = BLOCK_ELEMS / (across > 0 ? across : 1) / step * step;
    return n < step ? step : n;
}

struct gemv {
    void *y;
    const void *x, *b;
    const uint8_t *w;
    int64_t ld_y, ld_x, row_bytes, in, out;
    int n, btype, act;
    float beta;
};

/* ---- kernels ---- */
/* y[n, o] for ROWS rows o a warp; NR >= n rows of x. V: elements of plain weights a lane reads together. */
template <int TYPE, int NR, int ROWS, int V> __global__ void __launch_bounds__(32 * WARPS, 2) gemv_k(gemv a)
{
    PT_SHARED(float, xs, [NR][PIECE]);
    PT_SHARED(uint8_t, raw, [WARPS][TYPE < PT_Q8_0 ? 16 : (STAGE + 15) / 16 * 16]);
    int lane = lane_id(), warp = warp_id();
    int64_t o0 = ((int64_t)blockIdx.x * WARPS + warp) * ROWS;
    float sum[ROWS][NR];
#pragma unroll
    for (int r = 0; r < ROWS; r++)
#pragma unroll
        for (int k = 0; k < NR; k++) sum[r][k] = 0;
    for (int64_t c0 = 0; c0 < a.in; c0 += PIECE) {
        int n = (int)(a.in - c0 < PIECE ? a.in - c0 : PIECE);
        __syncthreads();
#pragma unroll
        for (int k = 0; k < NR; k++)
            for (int i = (int)threadIdx.x; i < PIECE; i += 32 * WARPS)
                xs[k][i] = k < a.n && i < n ? ld_plain(a.x, a.act, k * a.ld_x + c0 + i) : 0.0f;
        __syncthreads();
#pragma unroll
        for (int r = 0; r < ROWS; r++) {
            if (o0 + r >= a.out) continue; /* the whole warp */
            const uint8_t *row = a.w + (o0 + r) * a.row_bytes, *b = row;
            if constexpr (TYPE >= PT_Q8_0) {
                constexpr int elems = pt_type_elems(TYPE), bytes = pt_type_bytes(TYPE);
                __syncwarp();
                b = pt_stage(raw[warp], row + c0 / elems * bytes, n / elems * bytes, lane, 32);
                __syncwarp();
            }
#pragma unroll 2
            for (int e = lane * V; e < n; e += 32 * V) {
                float w[V];
                if constexpr (TYPE >= PT_Q8_0)
                    pt_unpack<TYPE, V>(b, e, w);
                else
                    pt_load<TYPE, V>(b + (c0 + e) * pt_type_bytes(TYPE), w);
#pragma unroll
                for (int k = 0; k < NR; k++) {
                    float x[V];
                    ld_vec<V>(&xs[k][e], x);
#pragma unroll
                    for (int i = 0; i < V; i++) sum[r][k] += w[i] * x[i];
                }
            }
        }
    }
#pragma unroll
    for (int r = 0; r < ROWS; r++)
#pragma unroll
        for (int k = 0; k < NR; k++) {
            float s = warp_sum(sum[r][k]);
            int64_t o = o0 + r;
            if (lane != 0 || k >= a.n || o >= a.out) continue;
            if (a.b) s += ld_plain(a.b, a.btype, o);
            if (a.beta != 0) s += ld_plain(a.y, a.act, k * a.ld_y + o);
            if (a.act == PT_F32)
                static_cast<float *>(a.y)[k * a.ld_y + o] = s;
            else
                static_cast<bf16 *>(a.y)[k * a.ld_y + o] = from_f<bf16>(s);
        }
}

template <typename T>
__global__ void __launch_bounds__(BIAS_BLOCK) bias_k(T *y, int64_t ld, const void *b, int btype, int64_t n, int64_t c)
{
    int64_t i = (int64_t)blockIdx.x * BIAS_BLOCK + threadIdx.x;
    if (i >= c) return;
    float v = ld_plain(b, btype, i);
    for (int64_t r = blockIdx.y; r < n; r += gridDim.y) y[r * ld + i] = from_f<T>(to_f(y[r * ld + i]) + v);
}

/* out[i] += sum of column i; SUM_ROWS interleaved sums, added in order. */
template <typename T>
__global__ void __launch_bounds__(32 * SUM_ROWS) column_sum_k(float *out, const T *x, int64_t ld, int64_t n, int64_t c)
{
    PT_SHARED(float, sums, [SUM_ROWS][32]);
    int64_t i = (int64_t)blockIdx.x * 32 + lane_id();
    float s = 0;
    if (i < c)
        for (int64_t r = warp_id(); r < n; r += SUM_ROWS) s += to_f(x[r * ld + i]);
    sums[warp_id()][lane_id()] = s;
    __syncthreads();
    if (warp_id() != 0 || i >= c) return;
    for (int k = 1; k < SUM_ROWS; k++) s += sums[k][lane_id()];
    out[i] += s;
}

/* ---- launchers ---- */
template <int TYPE, int NR> pt_status gemv_launch(pt_ctx *ctx, const gemv &k, bool wide)
{
    constexpr int ROWS = NR == 1 ? 4 : 2;
    dim3 grid((unsigned)pt_ceil_div(k.out, WARPS * ROWS)), block(32 * WARPS);
    if constexpr (TYPE < PT_Q8_0)
        if (!wide) return pt_launch(gemv_k<TYPE, NR, ROWS, 1>, grid, block, 0, pt_stream(ctx), k);
    return pt_launch(gemv_k<TYPE, NR, ROWS, 4>, grid, block, 0, pt_stream(ctx), k);
}

template <int TYPE> pt_status gemv_type(pt_ctx *ctx, const gemv &k, bool wide)
{
    return k.n == 1 ? gemv_launch<TYPE, 1>(ctx, k, wide) : gemv_launch<TYPE, FEW>(ctx, k, wide);
}

pt_status few_rows(pt_ctx *ctx, const pt_linear_args *a)
{
    gemv k = {pt_ptr<void>(a->y),
              pt_ptr<void>(a->x),
              pt_ptr<void>(a->b),
              pt_ptr<uint8_t>(a->w),
              a->y.ld,
              a->x.ld,
              (int64_t)pt_view_row_bytes(a->w),
              a->w.cols,
              a->w.rows,
              (int)a->x.rows,
              a->b.type,
              ctx->act,
              a->beta};
    bool wide = !pt_dtype_quantised(a->w.type) && pt_steps(a->w, 4);
#define PT_CALL(t) gemv_type<t>(ctx, k, wide)
    PT_BY_TYPE(a->w.type, PT_CALL)
#undef PT_CALL
    return PT_EINTERNAL;
}

template <typename T> pt_status add_bias(pt_ctx *ctx, const pt_linear_args *a)
{
    dim3 grid((unsigned)pt_ceil_div(a->y.cols, BIAS_BLOCK), pt_grid_y(pt_ceil_div(a->y.rows, BIAS_ROWS)));
    return pt_launch(bias_k<T>, grid, dim3(BIAS_BLOCK), 0, pt_stream(ctx), pt_ptr<T>(a->y), a->y.ld, pt_ptr<void>(a->b),
                     (int)a->b.type, a->y.rows, a->y.cols);
}

template <typename T> pt_status column_sum(pt_ctx *ctx, pt_view out, pt_view x)
{
    return pt_launch(column_sum_k<T>, dim3((unsigned)pt_ceil_div(x.cols, 32)), dim3(32 * SUM_ROWS), 0, pt_stream(ctx),
                     pt_ptr<float>(out), pt_ptr<T>(x), x.ld, x.rows, x.cols);
}
} // namespace

extern "C" bool pt_cuda_whole(const pt_ctx *ctx, pt_view w, pt_cuda_whole_w *out)
{
    const bool own = w.type == ctx->act, second = w.buf->kept && w.off == 0;
    *out = {};
    if (!own && !second) return false;
    out->room_cols = second ? w.buf->room_cols : 0;
    out->room_rows = second ? w.buf->room_rows : 0;
    out->ld = own ? w.ld : w.cols + out->room_cols;
    if (!ctx->dry) out->at = own ? pt_ptr<unsigned char>(w) : (unsigned char *)w.buf->packed;
    return true;
}

extern "C" pt_status pt_cuda_product(pt_ws *ws, const pt_linear_args *a, const pt_cuda_behind *behind)
{
    pt_ctx *ctx = ws->ctx;
    int64_t n = a->x.rows, out = a->w.rows, in = a->w.cols, k = in + (behind ? behind->n : 0);
    size_t elem = pt_dtype_get(ctx->act)->bytes;
    pt_cuda_whole_w whole;
    bool in_place = pt_cuda_whole(ctx, a->w, &whole);
    unsigned char *w = NULL, *scratch = NULL;
    if (n > FEW || ctx->dry) { /* a dry run may stand for any smaller call */
        if (!in_place) PT_RETURN(pt_take(ws, &w, scratch_elems(out, k, ROW_STEP, k) * elem));
        PT_RETURN(pt_take(ws, &scratch, PT_GEMM_SCRATCH));
        pt_ws_done(ws);
    }
    if (ctx->dry || n == 0 || out == 0) return PT_OK;
    if (n <= FEW) return few_rows(ctx, a);
    int64_t step = in_place ? out : pt_cuda_gemm_piece(ctx, n, out, block_len(ROW_STEP, k));
    if (in_place) w = whole.at;
    for (int64_t o = 0; o < out; o += step) {
        int64_t now = out - o < step ? out - o : step;
        pt_cuda_gemm_args g = {};
        g.type = g.ctype = ctx->act, g.tb = true, g.m = n, g.n = now, g.k = k, g.alpha = 1, g.beta = a->beta, g.scratch = scratch;
        g.a = pt_ptr<void>(a->x), g.lda = a->x.ld, g.b = w, g.ldb = in_place ? whole.ld : k;
        g.c = pt_ptr<unsigned char>(a->y) + (size_t)o * elem, g.ldc = a->y.ld;
        if (!in_place) PT_RETURN(pt_cuda_dequant(ctx, a->w, o, now, 0, in, ctx->act, w, k));
        if (behind) PT_RETURN(pt_cuda_put_behind(ctx, behind, false, o, now, 0, behind->n, w + (size_t)in * elem, g.ldb));
        PT_RETURN(pt_cuda_gemm(ctx, &g));
    }
    return pt_view_ok(a->b) ? PT_BY_ACT(ctx, add_bias, ctx, a) : PT_OK;
}

extern "C" pt_status pt_cuda_linear(pt_ctx *ctx, const pt_linear_args *a)
{
    PT_RETURN(pt_check_linear(ctx, a));
    pt_ws ws = pt_ws_begin(ctx);
    return pt_cuda_product(&ws, a, NULL);
}

extern "C" pt_status pt_cuda_product_back(pt_ws *ws, const pt_linear_bwd_x_args *a, const pt_cuda_behind *behind)
{
    pt_ctx *ctx = ws->ctx;
    int64_t n = a->dx.rows, out = a->w.rows, in = a->w.cols, k = out + (behind ? behind->n : 0);
    size_t elem = pt_dtype_get(ctx->act)->bytes;
    pt_cuda_whole_w whole;
    bool in_place = pt_cuda_whole(ctx, a->w, &whole);
    unsigned char *w = NULL, *scratch = NULL;
    if (!in_place) PT_RETURN(pt_take(ws, &w, scratch_elems(k, in, COL_STEP, k) * elem));
    PT_RETURN(pt_take(ws, &scratch, PT_GEMM_SCRATCH));
    pt_ws_done(ws);
    if (ctx->dry || n == 0 || in == 0) return PT_OK;
    int64_t step = in_place ? in : pt_cuda_gemm_piece(ctx, n, in, block_len(COL_STEP, k));
    for (int64_t c = 0; c < in; c += step) {
        int64_t now = in - c < step ? in - c : step, ld = in_place ? whole.ld : now;
        if (in_place) w = whole.at + (size_t)c * elem;
        pt_cuda_gemm_args g = {};
        g.type = g.ctype = ctx->act, g.m = n, g.n = now, g.k = k, g.alpha = 1, g.beta = a->beta, g.scratch = scratch;
        g.a = pt_ptr<void>(a->dy), g.lda = a->dy.ld, g.b = w, g.ldb = ld;
        g.c = pt_ptr<unsigned char>(a->dx) + (size_t)c * elem, g.ldc = a->dx.ld;
        if (!in_place) PT_RETURN(pt_cuda_dequant(ctx, a->w, 0, out, c, now, ctx->act, w, now));
        if (behind) PT_RETURN(pt_cuda_put_behind(ctx, behind, true, 0, behind->n, c, now, w + (size_t)(out * ld) * elem, ld));
        PT_RETURN(pt_cuda_gemm(ctx, &g));
    }
    return PT_OK;
}

extern "C" pt_status pt_cuda_linear_bwd_x(pt_ctx *ctx, const pt_linear_bwd_x_args *a)
{
    PT_RETURN(pt_check_linear_bwd_x(ctx, a));
    pt_ws ws = pt_ws_begin(ctx);
    return pt_cuda_product_back(&ws, a, NULL);
}

extern "C" pt_status pt_cuda_linear_bwd_w(pt_ctx *ctx, const pt_linear_bwd_w_args *a)
{
    PT_RETURN(pt_check_linear_bwd_w(ctx, a));
    unsigned char *scratch;
    pt_ws ws = pt_ws_begin(ctx);
    PT_RETURN(pt_take(&ws, &scratch, PT_GEMM_SCRATCH));
    pt_ws_done(&ws);
    if (ctx->dry || a->dy.rows == 0 || a->dy.cols == 0) return PT_OK;
    if (pt_view_ok(a->dw) && a->x.cols > 0) {
        pt_cuda_gemm_args g = {};
        g.type = ctx->act, g.ctype = PT_F32, g.ta = true, g.m = a->dy.cols, g.n = a->x.cols, g.k = a->dy.rows, g.alpha = 1,
        g.beta = 1, g.scratch = scratch;
        g.a = pt_ptr<void>(a->dy), g.lda = a->dy.ld, g.b = pt_ptr<void>(a->x), g.ldb = a->x.ld, g.c = pt_ptr<void>(a->dw),
        g.ldc = a->dw.ld;
        PT_RETURN(pt_cuda_gemm(ctx, &g));
    }
    return pt_view_ok(a->db) ? PT_BY_ACT(ctx, column_sum, ctx, a->db, a->dy) : PT_OK;
}

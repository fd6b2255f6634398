/* Block dequantisation of every stored type to bf16 and f32, whole rows or a range of columns; and the embedding, which is the
 * same with chosen rows. Bytes at least: the blocks once, the numbers once. Blocks come through shared memory in aligned steps
 * of 16 bytes; f32, f16 and bf16 straight from memory, unless they lie at an address that is no multiple of their size. */
#include "kernels/cuda/dequant.cuh"
#include "kernels/cuda/ops_cuda.h"

namespace
{
constexpr int BLOCK = 256, CHUNK = 4096;

template <typename OUT> struct job {
    OUT *out;
    const uint8_t *src;
    const int32_t *index; /* row r of the output is row index[r] of the source; NULL: row r */
    int64_t ldo, row_bytes, rows, cols;
    float scale;
};

template <int TYPE, typename OUT, int U> __global__ void __launch_bounds__(BLOCK) dequant_k(job<OUT> a)
{
    constexpr int step = CHUNK / pt_type_elems(TYPE) * pt_type_bytes(TYPE);
    PT_SHARED(uint8_t, raw, [step + 32]);
    int64_t c0 = (int64_t)blockIdx.x * CHUNK;
    int n = (int)(a.cols - c0 < CHUNK ? a.cols - c0 : CHUNK), bytes = n / pt_type_elems(TYPE) * pt_type_bytes(TYPE);
    for (int64_t r = blockIdx.y; r < a.rows; r += gridDim.y) {
        int64_t row = a.index ? a.index[r] : r;
        __syncthreads();
        const uint8_t *b =
            pt_stage(raw, a.src + row * a.row_bytes + (int64_t)blockIdx.x * step, bytes, (int)threadIdx.x, BLOCK);
        __syncthreads();
        for (int e = (int)threadIdx.x * U; e < n; e += BLOCK * U) {
            float y[U];
            pt_unpack<TYPE, U>(b, e, y);
#pragma unroll
            for (int i = 0; i < U; i++) y[i] *= a.scale;
            st_vec<U>(a.out + r * a.ldo + c0 + e, y);
        }
    }
}

/* The plain types: no block to share, so no shared memory (whose banks a thread's neighbouring numbers would meet in). */
template <int TYPE, typename OUT, int U> __global__ void __launch_bounds__(BLOCK) convert_k(job<OUT> a)
{
    int64_t c0 = (int64_t)blockIdx.x * CHUNK;
    int n = (int)(a.cols - c0 < CHUNK ? a.cols - c0 : CHUNK);
    for (int64_t r = blockIdx.y; r < a.rows; r += gridDim.y) {
        const uint8_t *src = a.src + (a.index ? a.index[r] : r) * a.row_bytes + c0 * pt_type_bytes(TYPE);
        for (int e = (int)threadIdx.x * U; e < n; e += BLOCK * U) {
            float y[U];
            pt_load<TYPE, U>(src + e * pt_type_bytes(TYPE), y);
#pragma unroll
            for (int i = 0; i < U; i++) y[i] *= a.scale;
            st_vec<U>(a.out + r * a.ldo + c0 + e, y);
        }
    }
}

template <int TYPE, typename OUT> pt_status launch_plain(pt_ctx *ctx, const job<OUT> &k, dim3 grid)
{
    constexpr int bytes = pt_type_bytes(TYPE), most = bytes > (int)sizeof(OUT) ? bytes : (int)sizeof(OUT), U = 16 / most;
    uintptr_t from = (uintptr_t)k.src | (uintptr_t)(k.rows > 1 || k.index ? k.row_bytes : 0);
    if (from % bytes) return pt_launch(dequant_k<TYPE, OUT, 1>, grid, dim3(BLOCK), 0, pt_stream(ctx), k);
    bool wide = k.cols % U == 0 && (k.ldo % U == 0 || k.rows == 1) && (uintptr_t)k.out % 16 == 0 && from % (U * bytes) == 0;
    if (wide) return pt_launch(convert_k<TYPE, OUT, U>, grid, dim3(BLOCK), 0, pt_stream(ctx), k);
    return pt_launch(convert_k<TYPE, OUT, 1>, grid, dim3(BLOCK), 0, pt_stream(ctx), k);
}

template <int TYPE, typename OUT> pt_status launch(pt_ctx *ctx, const job<OUT> &k)
{
    constexpr int U = pt_lanes<OUT>::n;
    dim3 grid((unsigned)pt_ceil_div(k.cols, CHUNK), pt_grid_y(k.rows));
    if constexpr (pt_type_elems(TYPE) == 1) {
        return launch_plain<TYPE, OUT>(ctx, k, grid);
    } else {
        bool wide = k.cols % U == 0 && (k.ldo % U == 0 || k.rows == 1) && (uintptr_t)k.out % 16 == 0;
        if (wide) return pt_launch(dequant_k<TYPE, OUT, U>, grid, dim3(BLOCK), 0, pt_stream(ctx), k);
        return pt_launch(dequant_k<TYPE, OUT, 1>, grid, dim3(BLOCK), 0, pt_stream(ctx), k);
    }
}

template <typename OUT> pt_status run(pt_ctx *ctx, pt_dtype type, const job<OUT> &k)
{
#define PT_CALL(t) launch<t, OUT>(ctx, k)
    PT_BY_TYPE(type, PT_CALL)
#undef PT_CALL
    return pt_fail(PT_ENOSUP, "no weights of type %s", pt_dtype_get(type)->name);
}

template <typename OUT>
pt_status rows(pt_ctx *ctx, pt_view w, int64_t r0, int64_t n, int64_t c0, int64_t cols, OUT *out, int64_t ldo)
{
    const pt_dtype_info *d = pt_dtype_get(w.type);
    int64_t row = (int64_t)pt_view_row_bytes(w);
    job<OUT> k = {out, pt_ptr<uint8_t>(w) + r0 * row + c0 / d->block * d->bytes, NULL, ldo, row, n, cols, 1.0f};
    if (cols == w.cols && w.ld == w.cols && ldo == cols) k.cols = n * cols, k.rows = 1; /* whole rows lie together */
    return run<OUT>(ctx, w.type, k);
}

template <typename T> pt_status embed(pt_ctx *ctx, const pt_embed_args *a)
{
    job<T> k = {pt_ptr<T>(a->y),
                pt_ptr<uint8_t>(a->w),
                pt_ptr<int32_t>(a->tokens),
                a->y.ld,
                (int64_t)pt_view_row_bytes(a->w),
                a->y.rows,
                a->y.cols,
                a->scale};
    return run<T>(ctx, a->w.type, k);
}
} // namespace

pt_status pt_cuda_dequant(pt_ctx *ctx, pt_view w, int64_t r0, int64_t n, int64_t c0, int64_t cols, pt_dtype type, void *out,
                          int64_t ldo)
{
    if (n == 0 || cols == 0) return PT_OK;
    return type == PT_BF16 ? rows<bf16>(ctx, w, r0, n, c0, cols, (bf16 *)out, ldo)
                           : rows<float>(ctx, w, r0, n, c0, cols, (float *)out, ldo);
}

/* A weight of the activations' type is used where it lies. */
extern "C" size_t pt_cuda_packed_bytes(const pt_ctx *ctx, pt_form form, pt_view w)
{
    if (form != PT_FORM_PRODUCTS || w.type == ctx->act) return 0;
    return (size_t)(w.rows + w.buf->room_rows) * (size_t)(w.cols + w.buf->room_cols) * pt_dtype_get(ctx->act)->bytes;
}

extern "C" pt_status pt_cuda_pack(pt_ctx *ctx, pt_view w, void *to)
{
    PT_RETURN(pt_check_view("pack", "w", w, w.rows, w.cols));
    const int64_t ld = w.cols + w.buf->room_cols;
    pt_buf form = {};
    form.base = static_cast<unsigned char *>(to), form.bytes = pt_cuda_packed_bytes(ctx, PT_FORM_PRODUCTS, w);
    const pt_view all = {&form, 0, ctx->act, w.rows + w.buf->room_rows, ld, ld};
    PT_RETURN(pt_cuda_zero(ctx, pt_view_cols(pt_view_rows(all, 0, w.rows), w.cols, w.buf->room_cols)));
    PT_RETURN(pt_cuda_zero(ctx, pt_view_rows(all, w.rows, w.buf->room_rows)));
    return ctx->dry ? PT_OK : pt_cuda_dequant(ctx, w, 0, w.rows, 0, w.cols, ctx->act, to, ld);
}

extern "C" pt_status pt_cuda_embed(pt_ctx *ctx, const pt_embed_args *a)
{
    int64_t n = a->y.rows, c = a->y.cols;
    PT_RETURN(pt_check_typed("embed", "y", a->y, ctx->act, n, c));
    PT_RETURN(pt_check_view("embed", "w", a->w, a->w.rows, c));
    PT_RETURN(pt_check_typed("embed", "tokens", a->tokens, PT_I32, 1, n));
    if (!pt_plain(a->w.type) && !pt_dtype_quantised(a->w.type))
        return pt_fail(PT_ENOSUP, "embed: weights of type %s", pt_dtype_get(a->w.type)->name);
    if (ctx->dry || n == 0 || c == 0) return PT_OK;
    return PT_BY_ACT(ctx, embed, ctx, a);
}

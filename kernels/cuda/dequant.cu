/* Block dequantisation of every stored type to bf16 and f32, whole rows or a range of columns; and the embedding, which is the same with chosen rows. Bytes at
 * least: the blocks once, the numbers once. To bf16 a thread takes words of blocks straight from memory (words_k), and what lanes share comes again from the
 * first cache: blocks of 24 bytes once more, of 20 and 84 twice, of 18, 34 and 210 three times, of 22 and 110 five times. To f32, and where rows are not aligned
 * for that or there is a scale, and iq3_s, blocks come through shared memory in aligned steps of 16 bytes (dequant_k). f32, f16 and bf16 go straight from memory,
 * unless they lie at an address that is no multiple of their size. */
#include "kernels/cuda/dequant_words.cuh"
#include "kernels/cuda/device_cuda.h"
#include "kernels/cuda/ops_cuda.h"

namespace
{
constexpr int BLOCK = 256, CHUNK = 4096, LEAST_X = 16, PASSES = 4; /* LEAST_X: threads along a row */

template <typename OUT> struct job {
    OUT *out;
    const uint8_t *src;
    const int32_t *index; /* row r of the output is row index[r] of the source; NULL: row r */
    int64_t ldo, row_bytes, rows, cols;
    float scale;
};

template <int TYPE, int I> PT_DEV void store_runs(const typename pt_words<TYPE>::words &w, bf16 *out)
{
    float y[8];
    pt_words<TYPE>::template run<I>(w, y);
    /* As float4: a plain store, which nvcc keeps whole here and which lets it take two rows a trip. */
    vst(reinterpret_cast<float4 *>(out + I * pt_words<TYPE>::span),
        make_float4(__uint_as_float(pack_bf16(y[0], y[1])), __uint_as_float(pack_bf16(y[2], y[3])), __uint_as_float(pack_bf16(y[4], y[5])),
                    __uint_as_float(pack_bf16(y[6], y[7]))));
    if constexpr (I + 1 < pt_words<TYPE>::runs) store_runs<TYPE, I + 1>(w, out);
}

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
            st_whole<U>(a.out + r * a.ldo + c0 + e, y);
        }
    }
}

/* Rows of blocks that are taken by words. */
struct words {
    bf16 *out;
    const uint8_t *src;
    const int32_t *index;
    unsigned ldo, row_bytes, rows, units; /* units: of a row */
};

/* A unit of pt_words a thread and row, straight from memory; rows of the output along y. What depends on the place in a row is found once. */
template <int TYPE> __global__ void __launch_bounds__(BLOCK, 6) words_k(words a)
{
    using W = pt_words<TYPE>;
    unsigned at = blockIdx.x * blockDim.x + threadIdx.x, block = at / W::units, u = at % W::units;
    if (at >= a.units) return;
    unsigned r = blockIdx.y * blockDim.y + threadIdx.y, step = gridDim.y * blockDim.y;
    const uint8_t *first = a.src + (size_t)block * pt_type_bytes(TYPE), *next = first + (size_t)r * a.row_bytes;
    bf16 *out = a.out + (size_t)r * a.ldo + (size_t)block * pt_type_elems(TYPE) + W::first((int)u);
    for (; r < a.rows; r += step) {
        const uint8_t *b = a.index ? first + (size_t)(unsigned)a.index[r] * a.row_bytes : next;
        store_runs<TYPE, 0>(W::load(b, (int)u), out);
        next += (size_t)step * a.row_bytes, out += (size_t)step * a.ldo;
    }
}

/* The plain types: no block to share, so no shared memory (whose banks a thread's neighbouring numbers would meet in). */
template <int TYPE, typename OUT, int U> __global__ void __launch_bounds__(BLOCK) convert_k(job<OUT> a)
{
    int64_t c0 = (int64_t)blockIdx.x * CHUNK;
    int n = (int)(a.cols - c0 < CHUNK ? a.cols - c0 : CHUNK);
    for (int64_t r = blockIdx.y; r < a.rows; r += gridDim.y) {
        const uint8_t *src = a.src + (a.index ? a.index[r] : r) * a.row_bytes + c0 * pt_type_bytes(TYPE);
#pragma unroll 1
        for (int e = (int)threadIdx.x * U; e < n; e += BLOCK * U) {
            float y[U];
            pt_load<TYPE, U>(src + e * pt_type_bytes(TYPE), y);
#pragma unroll
            for (int i = 0; i < U; i++) y[i] *= a.scale;
            st_whole<U>(a.out + r * a.ldo + c0 + e, y);
        }
    }
}

/* Rows that lie together, on both sides, as one. */
template <int TYPE, typename OUT> job<OUT> flat(job<OUT> k)
{
    if (!k.index && k.ldo == k.cols && k.row_bytes == k.cols / pt_type_elems(TYPE) * pt_type_bytes(TYPE)) k.cols *= k.rows, k.rows = 1;
    return k;
}
template <typename OUT> dim3 grid_of(const job<OUT> &k) { return dim3((unsigned)pt_ceil_div(k.cols, CHUNK), pt_grid_y(k.rows)); }

template <int TYPE, typename OUT> pt_status launch_plain(pt_ctx *ctx, const job<OUT> &k)
{
    dim3 grid = grid_of(k);
    constexpr int bytes = pt_type_bytes(TYPE), most = bytes > (int)sizeof(OUT) ? bytes : (int)sizeof(OUT), U = 16 / most;
    uintptr_t from = (uintptr_t)k.src | (uintptr_t)(k.rows > 1 || k.index ? k.row_bytes : 0);
    if (from % bytes) return pt_launch(dequant_k<TYPE, OUT, 1>, grid, dim3(BLOCK), 0, pt_stream(ctx), k);
    bool wide = k.cols % U == 0 && (k.ldo % U == 0 || k.rows == 1) && (uintptr_t)k.out % 16 == 0 && from % (U * bytes) == 0;
    if (wide) return pt_launch(convert_k<TYPE, OUT, U>, grid, dim3(BLOCK), 0, pt_stream(ctx), k);
    return pt_launch(convert_k<TYPE, OUT, 1>, grid, dim3(BLOCK), 0, pt_stream(ctx), k);
}

/* May the blocks of k be taken by words? Rows of y in steps of 16 bytes, rows of blocks where their words are aligned, and a scale of 1. */
template <int TYPE> bool by_words(const job<bf16> &k)
{
    uintptr_t from = (uintptr_t)k.src | (uintptr_t)(k.rows > 1 || k.index ? k.row_bytes : 0);
    bool fits = k.rows <= INT32_MAX && k.cols <= INT32_MAX && k.ldo <= INT32_MAX && k.row_bytes <= INT32_MAX;
    return fits && k.scale == 1.0f && (k.ldo % 8 == 0 || k.rows == 1) && (uintptr_t)k.out % 16 == 0 && from % pt_words<TYPE>::align == 0;
}

/* As many threads along a row as divide it, rows beside each other for the rest of a block; a block goes on to further rows (up to PASSES) where the device
 * is full without. */
template <int TYPE> pt_status launch_words(pt_ctx *ctx, const job<bf16> &k)
{
    const pt_cuda_device *d = static_cast<const pt_cuda_device *>(ctx->device);
    words a = {k.out, k.src, k.index, (unsigned)k.ldo, (unsigned)k.row_bytes, (unsigned)k.rows, (unsigned)(k.cols / pt_type_elems(TYPE) * pt_words<TYPE>::units)};
    unsigned nx = BLOCK;
    while (nx > LEAST_X && a.units % nx != 0) nx /= 2;
    int64_t x = pt_ceil_div(a.units, nx), y = pt_ceil_div(k.rows, BLOCK / nx), full = (int64_t)d->sms * (d->threads / BLOCK);
    int64_t passes = pt_ceil_div(x * y, full);
    y = pt_ceil_div(y, passes < PASSES ? passes : PASSES);
    dim3 grid((unsigned)x, pt_grid_y(y)), block(nx, BLOCK / nx);
    return pt_launch(words_k<TYPE>, grid, block, 0, pt_stream(ctx), a);
}

template <int TYPE, typename OUT> pt_status launch(pt_ctx *ctx, const job<OUT> &k)
{
    constexpr int U = pt_lanes<OUT>::n;
    job<OUT> f = flat<TYPE>(k);
    if constexpr (pt_type_elems(TYPE) == 1) {
        return launch_plain<TYPE, OUT>(ctx, f);
    } else if constexpr (sizeof(OUT) == 2 && pt_words<TYPE>::units > 0) {
        if (by_words<TYPE>(k)) return launch_words<TYPE>(ctx, k);
    } else if (f.cols % U == 0 && (f.ldo % U == 0 || f.rows == 1) && (uintptr_t)f.out % 16 == 0) {
        return pt_launch(dequant_k<TYPE, OUT, U>, grid_of(f), dim3(BLOCK), 0, pt_stream(ctx), f);
    }
    return pt_launch(dequant_k<TYPE, OUT, 1>, grid_of(f), dim3(BLOCK), 0, pt_stream(ctx), f);
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

/* What the host side of every CUDA op shares: C headers for C++, addresses of views, types, launch sizes; and vector loads for
 * kernels. */
#ifndef PT_KERNELS_OP_ARGS_CUH
#define PT_KERNELS_OP_ARGS_CUH
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "kernels/cuda/dev.cuh"
extern "C" {
#include "kernels/check.h"
#include "kernels/check_linear.h"
#include "kernels/ops.h"
}

/* ---- host ---- */
static inline cudaStream_t pt_stream(const pt_ctx *ctx) { return (cudaStream_t)ctx->stream; }
template <typename T> static inline T *pt_ptr(pt_view v)
{
    return pt_view_ok(v) ? (T *)(void *)(v.buf->base + v.off) : (T *)NULL;
}
static inline int64_t pt_ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
/* Blocks of a launch along y: kernels step over the rows by gridDim.y. */
static inline unsigned pt_grid_y(int64_t rows) { return (unsigned)(rows < 65535 ? rows : 65535); }
static inline bool pt_plain(pt_dtype t) { return t == PT_F32 || t == PT_F16 || t == PT_BF16; }

/* pt_ws_take that asks for no workspace when no bytes are needed. */
static inline pt_status pt_take(pt_ws *ws, void *out_ptr, size_t bytes)
{
    if (bytes > 0) return pt_ws_take(ws, out_ptr, bytes);
    *(void **)out_ptr = NULL;
    return PT_OK;
}

/* May every row of v be read and written in steps of `elems` elements, aligned to their size? An absent view may. */
static inline bool pt_steps(pt_view v, int elems)
{
    if (!pt_view_ok(v)) return true;
    size_t bytes = pt_dtype_get(v.type)->bytes * (size_t)elems;
    return v.cols % elems == 0 && (v.ld % elems == 0 || v.rows == 1) && ((uintptr_t)v.buf->base + v.off) % bytes == 0;
}
static inline bool pt_dense(pt_view v) { return !pt_view_ok(v) || v.ld == v.cols; }

/* A dense matrix as one row, so that elementwise kernels take wide steps whatever its columns. */
static inline pt_view pt_flat(pt_view v) { return pt_view_ok(v) ? pt_view_reshape(v, 1, v.rows * v.cols) : v; }
/* Launch of an elementwise kernel: columns in steps of `elems` along x, rows along y. */
constexpr int PT_ELEM_BLOCK = 256;
static inline dim3 pt_elem_grid(int64_t rows, int64_t cols, int elems)
{
    return dim3((unsigned)pt_ceil_div(cols, (int64_t)elems * PT_ELEM_BLOCK), pt_grid_y(rows));
}

/* Calls f<float>(...) or f<bf16>(...) by ctx->act. */
#define PT_BY_ACT(ctx, f, ...) ((ctx)->act == PT_BF16 ? f<bf16>(__VA_ARGS__) : f<float>(__VA_ARGS__))

/* ---- kernels ---- */
/* Elements of 16 bytes. */
template <typename T> struct pt_lanes { static constexpr int n = 16 / (int)sizeof(T); };

/* V elements at p as floats; V > 1: p is aligned to V elements of 8 or 16 bytes. */
template <int V> PT_DEV void ld_vec(const float *p, float *o)
{
    static_assert(V == 1 || V == 4, "steps of 1 or 4");
    if constexpr (V == 1) {
        o[0] = p[0];
    } else {
        float4 v = vld(reinterpret_cast<const float4 *>(p));
        o[0] = v.x, o[1] = v.y, o[2] = v.z, o[3] = v.w;
    }
}
template <int V> PT_DEV void ld_vec(const bf16 *p, float *o)
{
    static_assert(V == 1 || V == 4 || V == 8, "steps of 1, 4 or 8");
    if constexpr (V == 1) {
        o[0] = to_f(p[0]);
    } else if constexpr (V == 4) {
        uint2 v = vld(reinterpret_cast<const uint2 *>(p));
        o[0] = unpack_lo(v.x), o[1] = unpack_hi(v.x), o[2] = unpack_lo(v.y), o[3] = unpack_hi(v.y);
    } else {
        uint4 v = ld16(p);
        o[0] = unpack_lo(v.x), o[1] = unpack_hi(v.x), o[2] = unpack_lo(v.y), o[3] = unpack_hi(v.y);
        o[4] = unpack_lo(v.z), o[5] = unpack_hi(v.z), o[6] = unpack_lo(v.w), o[7] = unpack_hi(v.w);
    }
}
template <int V> PT_DEV void st_vec(float *p, const float *o)
{
    static_assert(V == 1 || V == 4, "steps of 1 or 4");
    if constexpr (V == 1) p[0] = o[0];
    else vst(reinterpret_cast<float4 *>(p), make_float4(o[0], o[1], o[2], o[3]));
}
template <int V> PT_DEV void st_vec(bf16 *p, const float *o)
{
    static_assert(V == 1 || V == 4 || V == 8, "steps of 1, 4 or 8");
    if constexpr (V == 1) p[0] = from_f<bf16>(o[0]);
    else if constexpr (V == 4) vst(reinterpret_cast<uint2 *>(p), make_uint2(pack_bf16(o[0], o[1]), pack_bf16(o[2], o[3])));
    else st16(p, make_uint4(pack_bf16(o[0], o[1]), pack_bf16(o[2], o[3]), pack_bf16(o[4], o[5]), pack_bf16(o[6], o[7])));
}
/* st_vec where nvcc cuts f32 too into stores of 4 bytes. Not everywhere: larger kernels pay in registers (norm_fwd_k<float, 4, 1, 32> 60, not 43). */
template <int V, typename T> PT_DEV void st_whole(T *p, const float *o)
{
    if constexpr (V * sizeof(T) == 16 && sizeof(T) == 4)
        st16(p, make_uint4(__float_as_uint(o[0]), __float_as_uint(o[1]), __float_as_uint(o[2]), __float_as_uint(o[3])));
    else
        st_vec<V>(p, o);
}
/* Element i of a vector of a plain type. */
PT_DEV float ld_plain(const void *p, int type, int64_t i)
{
    if (type == PT_F32) return static_cast<const float *>(p)[i];
    uint16_t h = static_cast<const uint16_t *>(p)[i];
    return type == PT_F16 ? f16_to_f(h) : __uint_as_float((uint32_t)h << 16);
}
#endif

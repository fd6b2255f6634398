/* Emulation: bfloat16, the part of the CUDA header that kernels may use. Conversion rounds to nearest even; NaN becomes 0x7fff
 * as on the device. */
#ifndef PT_EMU_CUDA_BF16_H
#define PT_EMU_CUDA_BF16_H
#ifdef __cplusplus
#include <string.h>
#include "vector_types.h"
struct __nv_bfloat16 { unsigned short x; };
struct __attribute__((aligned(4))) __nv_bfloat162 { __nv_bfloat16 x, y; };
typedef __nv_bfloat16 nv_bfloat16;
typedef __nv_bfloat162 nv_bfloat162;
static inline float __bfloat162float(__nv_bfloat16 h)
{
    unsigned u = (unsigned)h.x << 16;
    float f;
    __builtin_memcpy(&f, &u, 4);
    return f;
}
static inline __nv_bfloat16 __float2bfloat16(float f)
{
    unsigned u;
    __builtin_memcpy(&u, &f, 4);
    __nv_bfloat16 h;
    h.x = (u & 0x7fffffffu) > 0x7f800000u ? 0x7fff : (unsigned short)((u + 0x7fffu + ((u >> 16) & 1)) >> 16);
    return h;
}
static inline __nv_bfloat16 __float2bfloat16_rn(float f) { return __float2bfloat16(f); }
static inline __nv_bfloat162 __floats2bfloat162_rn(float a, float b)
{
    __nv_bfloat162 v = {__float2bfloat16(a), __float2bfloat16(b)};
    return v;
}
static inline float2 __bfloat1622float2(__nv_bfloat162 v) { return make_float2(__bfloat162float(v.x), __bfloat162float(v.y)); }
static inline float __low2float(__nv_bfloat162 v) { return __bfloat162float(v.x); }
static inline float __high2float(__nv_bfloat162 v) { return __bfloat162float(v.y); }
static inline __nv_bfloat16 __ushort_as_bfloat16(unsigned short u) { __nv_bfloat16 h = {u}; return h; }
static inline unsigned short __bfloat16_as_ushort(__nv_bfloat16 h) { return h.x; }
#endif
#endif

/* Stored weights to numbers on the device: the formulas and layouts of base/quant.h, a few elements a thread.
 * pt_unpack<TYPE, U>(b, e, y): elements e .. e+U-1 of the sequence of blocks at b; U is 1, 4 or 8 and e a multiple of U. */
#ifndef PT_KERNELS_CUDA_DEQUANT_CUH
#define PT_KERNELS_CUDA_DEQUANT_CUH
extern "C" {
#include "base/quant.h"
}
#include "kernels/cuda/op_args.cuh"

__host__ __device__ constexpr int pt_type_elems(int t)
{
    return (t >= PT_Q2_K && t <= PT_Q6_K) || t == PT_IQ4_XS || t == PT_IQ3_S ? 256 : t >= PT_Q8_0 ? 32 : 1;
}
__host__ __device__ constexpr int pt_type_bytes(int t)
{
    return t == PT_F32    ? 4
           : t == PT_Q8_0 ? 34
           : t == PT_Q4_0 ? 18
           : t == PT_Q4_1 ? 20
           : t == PT_Q5_0 ? 22
           : t == PT_Q5_1 ? 24
           : t == PT_Q2_K ? 84
           : t == PT_Q3_K ? 110
           : t == PT_Q4_K ? 144
           : t == PT_Q5_K ? 176
           : t == PT_Q6_K ? 210
           : t == PT_IQ4_NL ? 18
           : t == PT_IQ4_XS ? 136
           : t == PT_IQ3_S ? 110
                          : 2;
}

PT_DEV float pt_half_at(const uint8_t *b) { return f16_to_f((uint16_t)(b[0] | b[1] << 8)); }
PT_DEV uint32_t pt_word_at(const uint8_t *b)
{
    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}
/* Value q of iq4_nl's table (16 signed bytes, packed). */
PT_DEV float pt_nl_at(uint32_t q)
{
    uint32_t w = q < 4 ? 0xbfad9881u : q < 8 ? 0xf6eaddcfu : q < 12 ? 0x26190d01u : 0x71594535u;
    return (float)(int8_t)(w >> (8 * (q & 3)));
}
/* Scale and min of sub-block j in the 12 bytes of q4_k and q5_k. */
PT_DEV void pt_k4_scale(const uint8_t *s, int j, float *scale, float *min)
{
    int lo = j < 4 ? s[j] & 63 : (s[j + 4] & 15) | ((s[j - 4] >> 6) << 4);
    int hi = j < 4 ? s[j + 4] & 63 : (s[j + 4] >> 4) | ((s[j] >> 6) << 4);
    *scale = (float)lo;
    *min = (float)hi;
}

/* The types of 32 elements; e < 32. */
template <int TYPE, int U> PT_DEV void pt_unpack32(const uint8_t *b, int e, float *y)
{
    float d = pt_half_at(b);
    if constexpr (TYPE == PT_Q8_0) {
#pragma unroll
        for (int i = 0; i < U; i++) y[i] = (float)(int8_t)b[2 + e + i] * d;
    } else {
        constexpr bool five = TYPE == PT_Q5_0 || TYPE == PT_Q5_1, has_min = TYPE == PT_Q4_1 || TYPE == PT_Q5_1;
        constexpr int bits = has_min ? 4 : 2, at = bits + (five ? 4 : 0), zero = TYPE == PT_Q4_0 ? 8 : TYPE == PT_Q5_0 ? 16 : 0;
        float m = has_min ? pt_half_at(b + 2) : 0.0f;
        uint32_t high = five ? pt_word_at(b + bits) : 0u;
        int shift = e < 16 ? 0 : 4;
        const uint8_t *p = b + at + (e & 15);
#pragma unroll
        for (int i = 0; i < U; i++) {
            uint32_t q = ((uint32_t)p[i] >> shift) & 15;
            if constexpr (five) q |= ((high >> (e + i)) & 1) << 4;
            if constexpr (TYPE == PT_IQ4_NL) y[i] = d * pt_nl_at(q);
            else if constexpr (has_min) y[i] = __fadd_rn(__fmul_rn(d, (float)q), m);
            else y[i] = d * (float)((int)q - zero);
        }
    }
}

/* iq4_xs, iq3_s; e < 256. */
template <int TYPE, int U> PT_DEV void pt_unpack_iq(const uint8_t *b, int e, float *y)
{
    int p = e / 32, l = e % 32;
    if constexpr (TYPE == PT_IQ4_XS) {
        float d = pt_half_at(b) * (float)pt_iq4_xs_scale(b, p);
        const uint8_t *q = b + 8 + 16 * p + l % 16;
        int shift = l < 16 ? 0 : 4;
#pragma unroll
        for (int i = 0; i < U; i++) y[i] = d * pt_nl_at(((uint32_t)q[i] >> shift) & 15);
    } else {
        float d = pt_half_at(b) * (float)(1 + 2 * (b[106 + p / 2] >> (4 * (p % 2)) & 15));
        uint32_t sign = (uint32_t)b[74 + e / 8] >> (e % 8), entry = 0;
#pragma unroll
        for (int i = 0; i < U; i++) {
            if (i % 4 == 0) entry = pt_iq3_s_quad(b, p, (l + i) / 4) >> (3 * ((l + i) % 4));
            float v = d * (float)(2 * (entry >> (3 * (i % 4)) & 7) + 1);
            y[i] = (sign >> i) & 1 ? -v : v;
        }
    }
}

/* The types of 256 elements; e < 256. */
template <int TYPE, int U> PT_DEV void pt_unpack256(const uint8_t *b, int e, float *y)
{
    if constexpr (TYPE == PT_IQ4_XS || TYPE == PT_IQ3_S) {
        pt_unpack_iq<TYPE, U>(b, e, y);
    } else if constexpr (TYPE == PT_Q4_K || TYPE == PT_Q5_K) {
        int j = e / 32, l = e % 32, shift = 4 * (j & 1);
        float sc, mn;
        pt_k4_scale(b + 4, j, &sc, &mn);
        float d = pt_half_at(b) * sc, m = pt_half_at(b + 2) * mn;
        const uint8_t *q = b + (TYPE == PT_Q4_K ? 16 : 48) + 32 * (j / 2) + l;
#pragma unroll
        for (int i = 0; i < U; i++) {
            int v = (q[i] >> shift) & 15;
            if constexpr (TYPE == PT_Q5_K) v |= ((b[16 + l + i] >> j) & 1) << 4;
            y[i] = __fadd_rn(__fmul_rn(d, (float)v), -m);
        }
    } else {
        int g = e / 16, l = e % 16, s = 2 * (g / 2 % 4);
        if constexpr (TYPE == PT_Q2_K) {
            float d = pt_half_at(b + 80) * (float)(b[g] & 15), m = pt_half_at(b + 82) * (float)(b[g] >> 4);
            const uint8_t *p = b + 16 + 32 * (g / 8) + 16 * (g % 2) + l;
#pragma unroll
            for (int i = 0; i < U; i++) y[i] = __fadd_rn(__fmul_rn(d, (float)((p[i] >> s) & 3)), -m);
        } else if constexpr (TYPE == PT_Q3_K) {
            const uint8_t *sc = b + 96, *p = b + 32 + 32 * (g / 8) + 16 * (g % 2) + l, *h = b + 16 * (g % 2) + l;
            int low = g < 8 ? sc[g] & 15 : sc[g - 8] >> 4, bit = g / 2;
            float d = pt_half_at(b + 108) * (float)((low | ((sc[8 + g % 4] >> (2 * (g / 4))) & 3) << 4) - 32);
#pragma unroll
            for (int i = 0; i < U; i++) y[i] = d * (float)(((p[i] >> s) & 3) - (((h[i] >> bit) & 1) ? 0 : 4));
        } else {
            int half = g / 8, part = g / 2 % 4, shift = 4 * (part / 2);
            float d = pt_half_at(b + 208) * (float)(int8_t)b[192 + g];
            const uint8_t *ql = b + 64 * half + 32 * (part % 2) + 16 * (g % 2) + l;
            const uint8_t *qh = b + 128 + 32 * half + 16 * (g % 2) + l;
#pragma unroll
            for (int i = 0; i < U; i++) y[i] = d * (float)((((ql[i] >> shift) & 15) | ((qh[i] >> s) & 3) << 4) - 32);
        }
    }
}

template <int TYPE, int U> PT_DEV void pt_unpack(const uint8_t *b, int e, float *y)
{
    if constexpr (TYPE == PT_F32) {
#pragma unroll
        for (int i = 0; i < U; i++) y[i] = __uint_as_float(pt_word_at(b + 4 * (e + i)));
    } else if constexpr (TYPE == PT_F16) {
#pragma unroll
        for (int i = 0; i < U; i++) y[i] = pt_half_at(b + 2 * (e + i));
    } else if constexpr (TYPE == PT_BF16) {
#pragma unroll
        for (int i = 0; i < U; i++) y[i] = __uint_as_float((uint32_t)(b[2 * (e + i)] | b[2 * (e + i) + 1] << 8) << 16);
    } else if constexpr (pt_type_elems(TYPE) == 32) {
        pt_unpack32<TYPE, U>(b + e / 32 * pt_type_bytes(TYPE), e % 32, y);
    } else {
        pt_unpack256<TYPE, U>(b + e / 256 * pt_type_bytes(TYPE), e % 256, y);
    }
}

/* n bytes at src (any address) into `raw` (16-byte aligned shared memory of n + 32 bytes) by threads tid of `threads`, in
 * aligned steps of 16 bytes but for the ends: each sector is touched once. Returns where the first byte lies. The caller places
 * the barrier. */
PT_DEV const uint8_t *pt_stage(uint8_t *raw, const uint8_t *src, int n, int tid, int threads)
{
    int shift = (int)((uintptr_t)src & 15), end = n + shift;
    for (int at = 16 * tid; at < end; at += 16 * threads) {
        if (at >= shift && at + 16 <= end) {
            st16_shared(raw + at, pt_ldg16(src + (at - shift)));
        } else {
            for (int i = at < shift ? shift : at; i < at + 16 && i < end; i++) raw[i] = src[i - shift];
        }
    }
    return raw + shift;
}

/* Rows [r0, r0+n) x columns [c0, c0+cols) of w to `out` ([n, cols], leading dimension ldo, f32 or bf16 as `type` says). c0 and
 * cols are multiples of the block. Issued to ctx's stream. */
pt_status pt_cuda_dequant(pt_ctx *ctx, pt_view w, int64_t r0, int64_t n, int64_t c0, int64_t cols, pt_dtype type, void *out,
                          int64_t ldo);

/* CALL(TYPE) for the weight type t; falls through for others. */
#define PT_BY_TYPE(t, CALL)                   \
    switch (t) {                              \
    case PT_F32: return CALL(PT_F32);         \
    case PT_F16: return CALL(PT_F16);         \
    case PT_BF16: return CALL(PT_BF16);       \
    case PT_Q8_0: return CALL(PT_Q8_0);       \
    case PT_Q4_0: return CALL(PT_Q4_0);       \
    case PT_Q4_1: return CALL(PT_Q4_1);       \
    case PT_Q5_0: return CALL(PT_Q5_0);       \
    case PT_Q5_1: return CALL(PT_Q5_1);       \
    case PT_Q2_K: return CALL(PT_Q2_K);       \
    case PT_Q3_K: return CALL(PT_Q3_K);       \
    case PT_Q4_K: return CALL(PT_Q4_K);       \
    case PT_Q5_K: return CALL(PT_Q5_K);       \
    case PT_Q6_K: return CALL(PT_Q6_K);       \
    case PT_IQ4_NL: return CALL(PT_IQ4_NL);   \
    case PT_IQ4_XS: return CALL(PT_IQ4_XS);   \
    case PT_IQ3_S: return CALL(PT_IQ3_S);     \
    default: break;                           \
    }
/* U numbers of a plain type at p, aligned to all of them. */
template <int TYPE, int U> PT_DEV void pt_load(const uint8_t *p, float *y)
{
    if constexpr (TYPE == PT_F32) {
        ld_vec<U>(reinterpret_cast<const float *>(p), y);
    } else if constexpr (TYPE == PT_BF16) {
        ld_vec<U>(reinterpret_cast<const bf16 *>(p), y);
    } else if constexpr (U == 1) {
        y[0] = f16_to_f(*reinterpret_cast<const uint16_t *>(p));
    } else {
        uint32_t w[U / 2];
        if constexpr (U == 8) {
            uint4 v = ld16(p);
            w[0] = v.x, w[1] = v.y, w[2] = v.z, w[3] = v.w;
        } else {
            uint2 v = vld(reinterpret_cast<const uint2 *>(p));
            w[0] = v.x, w[1] = v.y;
        }
#pragma unroll
        for (int i = 0; i < U; i++) y[i] = f16_to_f((uint16_t)(w[i / 2] >> (16 * (i % 2))));
    }
}
#endif

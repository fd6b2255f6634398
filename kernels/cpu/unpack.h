/* Blocks of stored weights to floats in registers, 32 elements at a time: pt_unpack_<type>(block, piece, q) fills q[32 / PT_W].
 * Where base/quant.h multiplies and adds, PT_SCALE_ADD does: fused by default (one rounding less, for products that use the values at once); a
 * file that wants the bits of base/quant.h defines it as two operations before including this. Needs AVX2 with F16C, or AVX-512. */
#ifndef PT_KERNELS_UNPACK_H
#define PT_KERNELS_UNPACK_H
#include "base/quant.h"
#include "kernels/cpu/vec.h"
#ifndef PT_SCALE_ADD
#define PT_SCALE_ADD(q, d, m) pt_vfma(q, d, m)
#endif

#if PT_W >= 8
#define PT_UNPACK static inline __attribute__((always_inline)) void
enum { PT_U16 = 16 / PT_W }; /* vectors of 16 elements */

#if PT_W == 16
static inline pt_vi pt_vload_u8(const uint8_t *p) { return (pt_vi)_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(const void *)p)); }
static inline pt_vi pt_vload_i8(const uint8_t *p) { return (pt_vi)_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(const void *)p)); }
static inline pt_vf pt_vload_f16(const uint8_t *p) { return (pt_vf)_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)p)); }
static inline pt_vf pt_vload_bf16(const uint8_t *p)
{
    return (pt_vf)((pt_vi)_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(const void *)p)) << 16);
}
#define PT_LANES ((pt_vi){0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15})
#else
static inline pt_vi pt_vload_u8(const uint8_t *p) { return (pt_vi)_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)p)); }
static inline pt_vi pt_vload_i8(const uint8_t *p) { return (pt_vi)_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)p)); }
static inline pt_vf pt_vload_f16(const uint8_t *p) { return (pt_vf)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)p)); }
static inline pt_vf pt_vload_bf16(const uint8_t *p)
{
    return (pt_vf)((pt_vi)_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(const void *)p)) << 16);
}
#define PT_LANES ((pt_vi){0, 1, 2, 3, 4, 5, 6, 7})
#endif
static inline pt_vf pt_vfloat(pt_vi v) { return __builtin_convertvector(v, pt_vf); }
/* One f16 number. */
static inline float pt_half(const uint8_t *p)
{
    uint16_t h;
    memcpy(&h, p, 2);
    return _cvtsh_ss(h);
}

PT_UNPACK pt_unpack_q8_0(const uint8_t *b, int piece, pt_vf *q)
{
    pt_vf d = pt_vset(pt_half(b));
    (void)piece;
    for (int v = 0; v < 2 * PT_U16; v++) q[v] = pt_vfloat(pt_vload_i8(b + 2 + v * PT_W)) * d;
}

PT_UNPACK pt_unpack_q4_0(const uint8_t *b, int piece, pt_vf *q)
{
    float d = pt_half(b);
    (void)piece;
    for (int v = 0; v < PT_U16; v++) {
        pt_vi n = pt_vload_u8(b + 2 + v * PT_W);
        q[v] = pt_vfloat((n & 15) - 8) * pt_vset(d);
        q[PT_U16 + v] = pt_vfloat((n >> 4) - 8) * pt_vset(d);
    }
}

PT_UNPACK pt_unpack_q4_1(const uint8_t *b, int piece, pt_vf *q)
{
    pt_vf d = pt_vset(pt_half(b)), m = pt_vset(pt_half(b + 2));
    (void)piece;
    for (int v = 0; v < PT_U16; v++) {
        pt_vi n = pt_vload_u8(b + 4 + v * PT_W);
        q[v] = PT_SCALE_ADD(pt_vfloat(n & 15), d, m);
        q[PT_U16 + v] = PT_SCALE_ADD(pt_vfloat(n >> 4), d, m);
    }
}

/* Nibbles at b with bit 4 of element i from bit i of h. */
PT_UNPACK pt_unpack_five(const uint8_t *b, uint32_t h, pt_vi *n)
{
    for (int v = 0; v < PT_U16; v++) {
        pt_vi x = pt_vload_u8(b + v * PT_W), at = PT_LANES + v * PT_W;
        pt_vu bits = (pt_vu){0} + h;
        n[v] = (x & 15) | (pt_vi)(((bits >> (pt_vu)at) & 1) << 4);
        n[PT_U16 + v] = (x >> 4) | (pt_vi)(((bits >> (pt_vu)(at + 16)) & 1) << 4);
    }
}

PT_UNPACK pt_unpack_q5_0(const uint8_t *b, int piece, pt_vf *q)
{
    pt_vf d = pt_vset(pt_half(b));
    pt_vi n[2 * PT_U16];
    (void)piece;
    pt_unpack_five(b + 6, pt_u32_bytes(b + 2), n);
    for (int v = 0; v < 2 * PT_U16; v++) q[v] = pt_vfloat(n[v] - 16) * d;
}

PT_UNPACK pt_unpack_q5_1(const uint8_t *b, int piece, pt_vf *q)
{
    pt_vf d = pt_vset(pt_half(b)), m = pt_vset(pt_half(b + 2));
    pt_vi n[2 * PT_U16];
    (void)piece;
    pt_unpack_five(b + 8, pt_u32_bytes(b + 4), n);
    for (int v = 0; v < 2 * PT_U16; v++) q[v] = PT_SCALE_ADD(pt_vfloat(n[v]), d, m);
}

/* 16 bytes of nibbles as 32 values of iq4_nl's table times d. The table is looked up by a byte shuffle; its 16 values are those of pt_iq4_nl_value. */
PT_UNPACK pt_unpack_nl(const uint8_t *b, float d, pt_vf *q)
{
    const __m128i table = _mm_setr_epi8(-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113), low = _mm_set1_epi8(15);
    __m128i n = _mm_loadu_si128((const __m128i *)(const void *)b);
    uint8_t bytes[32];
    _mm_storeu_si128((__m128i *)(void *)bytes, _mm_shuffle_epi8(table, _mm_and_si128(n, low)));
    _mm_storeu_si128((__m128i *)(void *)(bytes + 16), _mm_shuffle_epi8(table, _mm_and_si128(_mm_srli_epi16(n, 4), low)));
    for (int v = 0; v < 2 * PT_U16; v++) q[v] = pt_vfloat(pt_vload_i8(bytes + v * PT_W)) * pt_vset(d);
}

PT_UNPACK pt_unpack_iq4_nl(const uint8_t *b, int piece, pt_vf *q)
{
    (void)piece;
    pt_unpack_nl(b + 2, pt_half(b), q);
}

/* Pieces of the 256-element blocks: piece p holds elements 32 p .. 32 p + 31. */
PT_UNPACK pt_unpack_q4_k(const uint8_t *b, int p, pt_vf *q)
{
    int sc, mn, shift = 4 * (p % 2);
    pt_q4_k_scale_min(b + 4, p, &sc, &mn);
    pt_vf d = pt_vset(pt_half(b) * (float)sc), m = pt_vset(-pt_half(b + 2) * (float)mn);
    for (int v = 0; v < 2 * PT_U16; v++) q[v] = PT_SCALE_ADD(pt_vfloat((pt_vload_u8(b + 16 + 32 * (p / 2) + v * PT_W) >> shift) & 15), d, m);
}

PT_UNPACK pt_unpack_q5_k(const uint8_t *b, int p, pt_vf *q)
{
    int sc, mn, shift = 4 * (p % 2);
    pt_q4_k_scale_min(b + 4, p, &sc, &mn);
    pt_vf d = pt_vset(pt_half(b) * (float)sc), m = pt_vset(-pt_half(b + 2) * (float)mn);
    for (int v = 0; v < 2 * PT_U16; v++) {
        pt_vi n = (pt_vload_u8(b + 48 + 32 * (p / 2) + v * PT_W) >> shift) & 15, h = (pt_vload_u8(b + 16 + v * PT_W) >> p) & 1;
        q[v] = PT_SCALE_ADD(pt_vfloat(n | h << 4), d, m);
    }
}

PT_UNPACK pt_unpack_q6_k(const uint8_t *b, int p, pt_vf *q)
{
    int half = p / 4, s = p % 4, ls = 4 * (s / 2), hs = 2 * s;
    float d = pt_half(b + 208);
    for (int v = 0; v < 2 * PT_U16; v++) {
        float dl = d * (float)(int8_t)b[192 + 2 * p + v / PT_U16];
        pt_vi n = (pt_vload_u8(b + 64 * half + 32 * (s % 2) + v * PT_W) >> ls) & 15, h = (pt_vload_u8(b + 128 + 32 * half + v * PT_W) >> hs) & 3;
        q[v] = pt_vfloat((n | h << 4) - 32) * pt_vset(dl);
    }
}

PT_UNPACK pt_unpack_q2_k(const uint8_t *b, int p, pt_vf *q)
{
    float d = pt_half(b + 80), dmin = pt_half(b + 82);
    for (int v = 0; v < 2 * PT_U16; v++) {
        uint8_t s = b[2 * p + v / PT_U16];
        pt_vi n = (pt_vload_u8(b + 16 + 32 * (p / 4) + v * PT_W) >> (2 * (p % 4))) & 3;
        q[v] = PT_SCALE_ADD(pt_vfloat(n), pt_vset(d * (float)(s & 15)), pt_vset(-dmin * (float)(s >> 4)));
    }
}

PT_UNPACK pt_unpack_q3_k(const uint8_t *b, int p, pt_vf *q)
{
    float d = pt_half(b + 108);
    for (int v = 0; v < 2 * PT_U16; v++) {
        float dl = d * (float)pt_q3_k_scale(b + 96, 2 * p + v / PT_U16);
        pt_vi n = (pt_vload_u8(b + 32 + 32 * (p / 4) + v * PT_W) >> (2 * (p % 4))) & 3, h = (pt_vload_u8(b + v * PT_W) >> p) & 1;
        q[v] = pt_vfloat(n + (h << 2) - 4) * pt_vset(dl);
    }
}

PT_UNPACK pt_unpack_iq4_xs(const uint8_t *b, int p, pt_vf *q)
{
    pt_unpack_nl(b + 8 + 16 * p, pt_half(b) * (float)pt_iq4_xs_scale(b, p), q);
}

/* Four 3-bit numbers of a codebook entry stand in four lanes, each shifted to its place; a sign bit becomes the float's. */
PT_UNPACK pt_unpack_iq3_s(const uint8_t *b, int p, pt_vf *q)
{
    float d = pt_half(b) * (float)(1 + 2 * ((b[106 + p / 2] >> (4 * (p % 2))) & 15));
    pt_vu sign = (pt_vu){0} + pt_u32_bytes(b + 74 + 4 * p);
    for (int v = 0; v < 2 * PT_U16; v++) {
        uint32_t lane[PT_W];
        for (int i = 0; i < PT_W; i++) lane[i] = pt_iq3_s_quad(b, p, v * (PT_W / 4) + i / 4);
        pt_vu n;
        memcpy(&n, lane, sizeof n);
        n = ((n >> (pt_vu)((PT_LANES & 3) * 3)) & 7) * 2 + 1;
        pt_vu high = (sign >> (pt_vu)(PT_LANES + v * PT_W)) << 31;
        q[v] = (pt_vf)((pt_vu)(pt_vfloat((pt_vi)n) * pt_vset(d)) ^ high);
    }
}
#endif
#endif

/* f32 to fixed-point numbers in signed bytes, for the byte products of AVX-512 VNNI: what digits_v.c, lanes_v.c and packed_v.c share.
 *   unit = max |x| over 32 elements / most;  i = round(x / unit);  i = d0 256^(P-1) + ... + d(P-1), bytes in [-128, 127]; most = 127 * 256^(P-1)
 * Only for files compiled with AVX-512 (PT_W 16). */
#ifndef PT_KERNELS_DIGIT_H
#define PT_KERNELS_DIGIT_H
#include "kernels/cpu/vec.h"

#if PT_W == 16
#define PT_VNNI __attribute__((target("avx512vnni")))
#define PT_VNNI_INLINE static inline __attribute__((always_inline, target("avx512vnni")))
enum { PT_DIGIT_BLOCK = 32 };

/* Whole numbers with their digits as their bytes: those of i + 128 (256^2 + 256 + 1) are the digits plus 128. |i| <= 127 * 256^2 + 2^15. */
PT_VNNI_INLINE __m512i pt_balanced(__m512i i)
{
    const __m512i middle = _mm512_set1_epi32(0x808080);
    return _mm512_xor_si512(_mm512_add_epi32(i, middle), middle);
}

/* Byte k (0: the lowest) of 16 balanced numbers. */
PT_VNNI_INLINE __m128i pt_byte_of(__m512i n, int k)
{
    return _mm512_cvtepi32_epi8(_mm512_srli_epi32(n, (unsigned)(8 * k)));
}

/* 32 elements as whole numbers of at most `most`. False when one is no finite number. Elements of a block whose largest is below 2^-97 become 0: their
 * unit would be past f32. */
PT_VNNI_INLINE bool pt_whole(const float *x, int most, __m512i i[2], float *unit)
{
    pt_vf v[2] = {pt_vload(x), pt_vload(x + 16)};
    float top = _mm512_reduce_max_ps(_mm512_max_ps(_mm512_abs_ps((__m512)v[0]), _mm512_abs_ps((__m512)v[1])));
    if (_mm512_cmp_ps_mask((__m512)(v[0] - v[0] + (v[1] - v[1])), _mm512_setzero_ps(), _CMP_NEQ_UQ)) return false;
    bool there = top >= 0x1p-97f;
    pt_vf per = pt_vset(there ? (float)most / top : 0);
    for (int h = 0; h < 2; h++) i[h] = _mm512_cvtps_epi32((__m512)(v[h] * per));
    *unit = there ? top / (float)most : 0;
    return true;
}
#endif
#endif

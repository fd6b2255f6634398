/* Portable vectors for *_v.c files: PT_W floats wide (16, 8 or 4). GCC's vector extensions; intrinsics only for the fused multiply-add and
 * for conversions that compilers do not find by themselves. */
#ifndef PT_KERNELS_VEC_H
#define PT_KERNELS_VEC_H
#include <stdint.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
#define PT_W 16
#elif defined(__AVX2__)
#define PT_W 8
#else
#define PT_W 4
#endif

typedef float pt_vf __attribute__((vector_size(4 * PT_W)));
typedef int32_t pt_vi __attribute__((vector_size(4 * PT_W)));
typedef uint32_t pt_vu __attribute__((vector_size(4 * PT_W)));
typedef float pt_vf_loose __attribute__((vector_size(4 * PT_W), aligned(4), may_alias));

static inline pt_vf pt_vload(const float *p) { return *(const pt_vf_loose *)p; }
static inline void pt_vstore(float *p, pt_vf v) { *(pt_vf_loose *)p = v; }
static inline pt_vf pt_vset(float x) { return x - (pt_vf){0}; }
/* The first n < PT_W lanes from memory, the others `fill`. */
static inline pt_vf pt_vload_part(const float *p, int64_t n, float fill)
{
    pt_vf v = pt_vset(fill);
    memcpy(&v, p, (size_t)n * 4);
    return v;
}
static inline void pt_vstore_part(float *p, pt_vf v, int64_t n) { memcpy(p, &v, (size_t)n * 4); }

/* a*b + c, rounded once where the processor can. */
static inline pt_vf pt_vfma(pt_vf a, pt_vf b, pt_vf c)
{
#if defined(__AVX512F__)
    return (pt_vf)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__AVX2__) && defined(__FMA__)
    return (pt_vf)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#else
    return a * b + c;
#endif
}
static inline pt_vf pt_vmax(pt_vf a, pt_vf b)
{
    pt_vi m = a > b;
    return (pt_vf)(((pt_vi)a & m) | ((pt_vi)b & ~m));
}
static inline pt_vf pt_vpick(pt_vi mask, pt_vf yes, pt_vf no) { return (pt_vf)(((pt_vi)yes & mask) | ((pt_vi)no & ~mask)); }
/* Sums and maxima over lanes, by halves. */
static inline float pt_vsum(pt_vf v)
{
#if defined(__x86_64__)
#if PT_W == 16
    __m256 h = _mm256_add_ps(_mm512_castps512_ps256((__m512)v), _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd((__m512)v), 1)));
#elif PT_W == 8
    __m256 h = (__m256)v;
#endif
#if PT_W >= 8
    __m128 q = _mm_add_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));
#else
    __m128 q = (__m128)v;
#endif
    q = _mm_add_ps(q, _mm_movehl_ps(q, q));
    return _mm_cvtss_f32(_mm_add_ss(q, _mm_shuffle_ps(q, q, 1)));
#else
    return (v[0] + v[2]) + (v[1] + v[3]);
#endif
}
static inline float pt_vtop(pt_vf v)
{
    float f[PT_W];
    memcpy(f, &v, sizeof f);
    for (int i = 1; i < PT_W; i++) f[0] = f[i] > f[0] ? f[i] : f[0];
    return f[0];
}

/* exp(x): 2^k * e^r with k = round(x/ln 2), |r| <= ln2/2, e^r by its Taylor polynomial of degree 7 (remainder < 6e-9 relative). At most
 * 1.5 ulp off where FMA exists (2 without) for x in [-87.3, 88.7]; below, it falls to 0 (results under 2^-126 are 0); above: infinity; NaN stays NaN. */
static inline pt_vf pt_vexp(pt_vf x)
{
    const pt_vf magic = pt_vset(0x1.8p23f), log2e = pt_vset(0x1.715476p0f);
    pt_vf hi = pt_vset(88.72284f), lo = pt_vset(-87.33655f);
    pt_vf y = pt_vpick(x > hi, hi, pt_vpick(x < lo, lo, x));
    pt_vf kf = pt_vfma(y, log2e, magic) - magic;
    pt_vf r = pt_vfma(kf, pt_vset(-0x1.62e4p-1f), y); /* ln 2 in two parts; the first has trailing zeros, so kf times it is exact */
    r = pt_vfma(kf, pt_vset(-0x1.7f7d1cp-20f), r);
    pt_vf p = pt_vset(1.0f / 5040);
    p = pt_vfma(p, r, pt_vset(1.0f / 720));
    p = pt_vfma(p, r, pt_vset(1.0f / 120));
    p = pt_vfma(p, r, pt_vset(1.0f / 24));
    p = pt_vfma(p, r, pt_vset(1.0f / 6));
    p = pt_vfma(p, r, pt_vset(0.5f));
    p = pt_vfma(p, r, pt_vset(1));
    p = pt_vfma(p, r, pt_vset(1));
    /* 2^k in two factors, so that k = 128 does not overflow on the way */
    pt_vi k = __builtin_convertvector(kf, pt_vi), k1 = k >> 1, k2 = k - k1;
    p = p * (pt_vf)((k1 + 127) << 23) * (pt_vf)((k2 + 127) << 23);
    p = pt_vpick(x > hi, pt_vset(__builtin_inff()), pt_vpick(x < lo, pt_vset(0), p));
    return pt_vpick(x == x, p, x);
}

/* tanh: its series near 0 (|x| < 0.4: through x^13), 1 - 2/(1 + e^2x) elsewhere. A few units of the last place. */
static inline pt_vf pt_vtanh(pt_vf x)
{
    pt_vf a = pt_vmax(x, -x), x2 = x * x;
    pt_vf s = pt_vset(21844.0f / 6081075);
    s = pt_vfma(s, x2, pt_vset(-1382.0f / 155925));
    s = pt_vfma(s, x2, pt_vset(62.0f / 2835));
    s = pt_vfma(s, x2, pt_vset(-17.0f / 315));
    s = pt_vfma(s, x2, pt_vset(2.0f / 15));
    s = pt_vfma(s, x2, pt_vset(-1.0f / 3));
    s = pt_vfma(s * x2, x, x);
    pt_vf e = pt_vexp(a + a), t = pt_vset(1) - pt_vset(2) / (pt_vset(1) + e);
    t = pt_vpick(x < pt_vset(0), -t, t);
    return pt_vpick(a < pt_vset(0.4f), s, t);
}
#endif

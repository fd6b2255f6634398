/* What base/quant.c asks of the block writers (base/quant_*_v.c, compiled once per instruction set; all give the same bits).
 *
 * One block of a type: x its numbers (finite), w their importance (finite, none negative) or NULL, mean the mean of squares of x's whole row
 * (only the types of 32 with w look at it). False where an f16 scale overflows. */
#ifndef PT_BASE_QUANT_WRITE_H
#define PT_BASE_QUANT_WRITE_H
#include "base/dtype.h"
#include "base/quant_fit.h"

#ifdef PT_ISA
#define PT_QUANT_CAT_(a, b) a##_##b
#define PT_QUANT_CAT(a, b) PT_QUANT_CAT_(a, b)
#define PT_QUANT_V(name) PT_QUANT_CAT(name, PT_ISA)
#endif
#if defined(__x86_64__)
#define PT_QUANT_DECL(name)                                                                         \
    bool name##_base(pt_dtype t, const float *x, const float *w, double mean, uint8_t *b);           \
    bool name##_avx2(pt_dtype t, const float *x, const float *w, double mean, uint8_t *b);           \
    bool name##_avx512(pt_dtype t, const float *x, const float *w, double mean, uint8_t *b)
#else
#define PT_QUANT_DECL(name) bool name##_base(pt_dtype t, const float *x, const float *w, double mean, uint8_t *b)
#endif
PT_QUANT_DECL(pt_put_k);   /* q2_k, q3_k, q4_k, q5_k, q6_k */
PT_QUANT_DECL(pt_put_iq);  /* iq4_nl, iq4_xs, iq3_s */
PT_QUANT_DECL(pt_put_32);  /* q4_0, q4_1, q5_0, q5_1 with w */
#undef PT_QUANT_DECL

/* Bytes of numbers. */
PT_FIT void pt_put_u16(uint8_t *b, uint16_t v)
{
    b[0] = (uint8_t)v;
    b[1] = (uint8_t)(v >> 8);
}

/* A block on its way: its numbers and importance each times a power of two, so that nothing in a fit overflows or vanishes. */
typedef struct pt_scaled {
    float x[256], w[256]; /* w = 1 where none was given */
    int exponent;         /* x = the block's numbers times 2^-exponent */
    bool weighed;
} pt_scaled;

PT_FIT int pt_exponent(int n, const float *x)
{
    int e;
    float top = 0;
    for (int i = 0; i < n; i++) top = fabsf(x[i]) > top ? fabsf(x[i]) : top;
    frexpf(top, &e);
    return top == 0 ? 0 : e < -120 ? -120 : e > 127 ? 127 : e;
}

PT_FIT void pt_scale_block(int n, const float *x, const float *w, pt_scaled *s)
{
    s->exponent = pt_exponent(n, x);
    s->weighed = w != NULL;
    float f = ldexpf(1, -s->exponent), g = w ? ldexpf(1, -pt_exponent(n, w)) : 1;
    for (int i = 0; i < n; i++) {
        s->x[i] = x[i] * f;
        s->w[i] = w ? w[i] * g : 1;
    }
}

/* A scale of the scaled block as f16 bytes; what is stored, scaled. *fits becomes false where f16 overflows. */
PT_FIT float pt_put_half(uint8_t *b, float d, int exponent, bool *fits)
{
    uint16_t h = pt_f32_to_f16(ldexpf(d, exponent));
    pt_put_u16(b, h);
    *fits = *fits && (h & 0x7c00) != 0x7c00;
    return ldexpf(pt_f16_to_f32(h), -exponent);
}

/* The same; a scale that f16 would make 0 becomes its smallest: levels above 1 may still reach what it was for. */
PT_FIT float pt_put_half_up(uint8_t *b, float d, int exponent, bool *fits)
{
    float stored = pt_put_half(b, d, exponent, fits);
    if (stored != 0 || d == 0) return stored;
    b[0] |= 1;
    return ldexpf(d < 0 ? -0x1p-24f : 0x1p-24f, -exponent);
}

/* Levels lo .. hi of v, found for the scale d, anew where the stored scale is another one: f16 has few steps near its smallest numbers. There a
 * scale is rather too wide than gone. */
PT_FIT void pt_relevel(int n, float lo, float hi, const float *v, float d, float stored, float *level)
{
    if (fabsf(stored - d) <= 0.01f * fabsf(d)) return;
    for (int i = 0; i < n; i++) {
        level[i] = stored == 0 ? 0 : pt_fit_round(pt_fit_clamp(v[i] / stored, lo, hi));
        if (level[i] == 0 && v[i] != 0 && stored != 0) level[i] = v[i] / stored < 0 ? -1 : 1;
    }
}

/* mean of squares */
PT_FIT float pt_mean_square(int n, const float *x)
{
    pt_f8 s = {0};
    for (int i = 0; i < n; i += 8) s += PT_AT8(x + i) * PT_AT8(x + i);
    return pt_fit_sum(&s) / (float)n;
}

/* Weights of a group: importance times sqrt(spread + x^2). A group whose weights all vanish gets ones. Returns their sum. */
PT_FIT float pt_weigh(int n, const float *x, const float *importance, float spread, float *w)
{
    float sum = 0;
    for (int i = 0; i < n; i++) {
        w[i] = importance[i] * sqrtf(spread + x[i] * x[i]);
        sum += w[i];
    }
    if (sum > 1e-30f) return sum;
    for (int i = 0; i < n; i++) w[i] = 1;
    return (float)n;
}
#endif

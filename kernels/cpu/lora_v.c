#include "kernels/cpu/lora_v.h"

#include <math.h>

#include "base/rng.h"
#include "kernels/cpu/vec.h"

/* One 32-bit word of a counter's state in the low half of each 64-bit lane, so that the 32 x 32 -> 64 bit multiplications of a round need no
 * shuffles. What the high halves hold never reaches a low half: multiplications ignore it, the rest is bitwise. */
typedef uint64_t vq __attribute__((vector_size(4 * PT_W)));
enum { Q = PT_W / 2, LANES = 16, PARTS = LANES / Q };

static inline vq mul_low(vq a, uint32_t k)
{
#if defined(__x86_64__)
    vq m = (vq){0} + k;
#if PT_W == 16
    return (vq)_mm512_mul_epu32((__m512i)a, (__m512i)m);
#elif PT_W == 8
    return (vq)_mm256_mul_epu32((__m256i)a, (__m256i)m);
#else
    return (vq)_mm_mul_epu32((__m128i)a, (__m128i)m);
#endif
#else
    return (a & 0xffffffffu) * k;
#endif
}

/* Philox4x32-10 as in base/rng.h, for counters (token, c1 .. c1 + 15); word j of counter l in out[4*l + j]. c1's low half does not wrap. */
static void words(const pt_drop_args *d, uint64_t c1, uint32_t *out)
{
    uint32_t k0 = (uint32_t)d->seed ^ (PT_RNG_DROPOUT * 0x9E3779B9u), k1 = (uint32_t)(d->seed >> 32) + PT_RNG_DROPOUT;
    vq x0[PARTS], x1[PARTS], x2[PARTS], x3[PARTS];
    for (int p = 0; p < PARTS; p++) {
        uint64_t lane[Q];
        for (int l = 0; l < Q; l++) lane[l] = (uint32_t)c1 + (uint32_t)(p * Q + l);
        memcpy(&x2[p], lane, sizeof lane);
        x0[p] = (vq){0} + (uint32_t)d->token;
        x1[p] = (vq){0} + (d->token >> 32);
        x3[p] = (vq){0} + (c1 >> 32);
    }
    for (int i = 0; i < 10; i++) {
        for (int p = 0; p < PARTS; p++) {
            vq p0 = mul_low(x0[p], 0xD2511F53u), p1 = mul_low(x2[p], 0xCD9E8D57u);
            x0[p] = (p1 >> 32) ^ x1[p] ^ k0;
            x2[p] = (p0 >> 32) ^ x3[p] ^ k1;
            x1[p] = p1;
            x3[p] = p0;
        }
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    for (int p = 0; p < PARTS; p++) {
        vq a = (x0[p] & 0xffffffffu) | x1[p] << 32, b = (x2[p] & 0xffffffffu) | x3[p] << 32;
        uint64_t la[Q], lb[Q];
        memcpy(la, &a, sizeof a);
        memcpy(lb, &b, sizeof b);
        for (int l = 0; l < Q; l++) { /* little endian: the low half is the first word */
            memcpy(out + 4 * (p * Q + l), &la[l], 8);
            memcpy(out + 4 * (p * Q + l) + 2, &lb[l], 8);
        }
    }
}

void PT_V(pt_vdrop)(const pt_drop_args *d, const float *x, int64_t n, float *out, int add)
{
    /* unit(w) < p, both multiples of 2^-24 or finer: the same as (w >> 8) < ceil(p * 2^24) */
    const uint32_t limit = (uint32_t)ceilf(d->p * 0x1p24f);
    const float scale = (float)(1.0 / (1.0 - (double)d->p));
    for (int64_t f = 0; f < n; f += 4 * LANES) {
        uint32_t w[4 * LANES];
        words(d, (uint64_t)d->module << 32 | (uint64_t)(f / 4), w);
        float keep[4 * LANES];
        for (int i = 0; i < 4 * LANES; i++) keep[i] = (w[i] >> 8) < limit ? 0.0f : scale;
        int64_t now = n - f < 4 * LANES ? n - f : 4 * LANES;
        if (add)
            for (int64_t i = 0; i < now; i++) out[f + i] += keep[i] == 0 ? 0 : keep[i] * x[f + i];
        else
            for (int64_t i = 0; i < now; i++) out[f + i] = keep[i] == 0 ? 0 : keep[i] * x[f + i];
    }
}

#include "kernels/cpu/lora_v.h"

#include <math.h>

#include "base/rng.h"

enum { LANES = 16 }; /* counters at a time: 64 features */

/* Philox4x32-10 as in base/rng.h, for counters (token, c1 .. c1 + 15); word j of counter l in out[4*l + j]. c1's low half does not wrap. */
static void words(const pt_drop_args *d, uint64_t c1, uint32_t *out)
{
    uint32_t k0 = (uint32_t)d->seed ^ (PT_RNG_DROPOUT * 0x9E3779B9u), k1 = (uint32_t)(d->seed >> 32) + PT_RNG_DROPOUT;
    uint32_t x0[LANES], x1[LANES], x2[LANES], x3[LANES];
    for (int l = 0; l < LANES; l++) {
        x0[l] = (uint32_t)d->token;
        x1[l] = (uint32_t)(d->token >> 32);
        x2[l] = (uint32_t)c1 + (uint32_t)l;
        x3[l] = (uint32_t)(c1 >> 32);
    }
    for (int i = 0; i < 10; i++) {
        for (int l = 0; l < LANES; l++) {
            uint64_t p0 = (uint64_t)0xD2511F53u * x0[l], p1 = (uint64_t)0xCD9E8D57u * x2[l];
            x0[l] = (uint32_t)(p1 >> 32) ^ x1[l] ^ k0;
            x2[l] = (uint32_t)(p0 >> 32) ^ x3[l] ^ k1;
            x1[l] = (uint32_t)p1;
            x3[l] = (uint32_t)p0;
        }
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    for (int l = 0; l < LANES; l++) {
        out[4 * l] = x0[l];
        out[4 * l + 1] = x1[l];
        out[4 * l + 2] = x2[l];
        out[4 * l + 3] = x3[l];
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

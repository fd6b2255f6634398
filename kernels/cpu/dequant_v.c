#include "kernels/cpu/dequant_v.h"

#include <string.h>

#include "base/quant.h"

void PT_V(pt_vdequant)(pt_dtype t, const uint8_t *b, int64_t n, float *y)
{
    pt_dequant_run(t, b, n, y);
}

void PT_V(pt_vto_bf16)(const float *x, int64_t n, uint16_t *y)
{
    for (int64_t i = 0; i < n; i++) {
        uint32_t u, nan;
        memcpy(&u, x + i, 4);
        nan = (u & 0x7fffffffu) > 0x7f800000u;
        y[i] = (uint16_t)(nan ? (u >> 16) | 64 : (u + 0x7fffu + ((u >> 16) & 1)) >> 16);
    }
}

void PT_V(pt_vdequant_bf16)(pt_dtype t, const uint8_t *b, int64_t n, uint16_t *y)
{
    enum { STEP = 1024 }; /* a multiple of every block; the floats stay in the first-level cache */
    float buf[STEP];
    const pt_dtype_info *d = pt_dtype_get(t);
    for (int64_t i = 0; i < n; i += STEP) {
        int64_t now = n - i < STEP ? n - i : STEP;
        pt_dequant_run(t, b + (size_t)i / d->block * d->bytes, now, buf);
        PT_V(pt_vto_bf16)(buf, now, y + i);
    }
}

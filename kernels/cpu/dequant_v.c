#include "kernels/cpu/dequant_v.h"

#include <string.h>

#include "base/quant.h"
#include "kernels/cpu/unpack.h"

/* Compilers make good vector code of base/quant.h, but for f16 with its three cases; the processor's own conversion gives the same bits. */
static void dequant(pt_dtype t, const uint8_t *b, int64_t n, float *y)
{
    int64_t done = 0;
#if PT_W >= 8
    if (t == PT_F16)
        for (; done + PT_W <= n; done += PT_W) pt_vstore(y + done, pt_vload_f16(b + 2 * done));
#endif
    if (done < n) pt_dequant_run(t, b + 2 * done, n - done, y + done);
}

void PT_V(pt_vdequant)(pt_dtype t, const uint8_t *b, int64_t n, float *y)
{
    dequant(t, b, n, y);
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
        dequant(t, b + (size_t)i / d->block * d->bytes, now, buf);
        PT_V(pt_vto_bf16)(buf, now, y + i);
    }
}

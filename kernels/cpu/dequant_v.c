#include "kernels/cpu/dequant_v.h"

#include <string.h>

#include "base/quant.h"
#include "kernels/cpu/unpack.h"

#if PT_W >= 8
/* The blocks of 32 nibbles, two roundings where base/quant.h has two: the same bits. */
static void q4_1(const uint8_t *b, int64_t n, float *y)
{
    for (int64_t i = 0; i < n; i += 32, b += 20) {
        pt_vf d = pt_vset(pt_half(b)), m = pt_vset(pt_half(b + 2));
        for (int v = 0; v < PT_U16; v++) {
            pt_vi q = pt_vload_u8(b + 4 + v * PT_W);
            pt_vstore(y + i + v * PT_W, pt_vfloat(q & 15) * d + m);
            pt_vstore(y + i + 16 + v * PT_W, pt_vfloat(q >> 4) * d + m);
        }
    }
}

static void q4_0(const uint8_t *b, int64_t n, float *y)
{
    for (int64_t i = 0; i < n; i += 32, b += 18) {
        pt_vf q[32 / PT_W];
        pt_unpack_q4_0(b, 0, q);
        for (int v = 0; v < 32 / PT_W; v++) pt_vstore(y + i + v * PT_W, q[v]);
    }
}

static void q6_k(const uint8_t *b, int64_t n, float *y)
{
    for (int64_t i = 0; i < n; i += 256, b += 210)
        for (int p = 0; p < 8; p++) {
            pt_vf q[32 / PT_W];
            pt_unpack_q6_k(b, p, q);
            for (int v = 0; v < 32 / PT_W; v++) pt_vstore(y + i + 32 * p + v * PT_W, q[v]);
        }
}
#endif

/* Compilers make good vector code of most of base/quant.h; these they do not. The processor's own f16 conversion gives the same bits. */
static void dequant(pt_dtype t, const uint8_t *b, int64_t n, float *y)
{
    int64_t done = 0;
#if PT_W >= 8
    if (t == PT_Q4_1) {
        q4_1(b, n, y);
        return;
    }
    if (t == PT_Q4_0) {
        q4_0(b, n, y);
        return;
    }
    if (t == PT_Q6_K) {
        q6_k(b, n, y);
        return;
    }
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

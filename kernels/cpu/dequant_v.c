#include "kernels/cpu/dequant_v.h"

#include <string.h>

#include "base/quant.h"
#define PT_SCALE_ADD(q, d, m) ((q) * (d) + (m))
#include "kernels/cpu/unpack.h"

#if PT_W >= 8
/* Blocks of `pieces` x 32 elements in `size` bytes. */
#define BLOCKS(fn, pieces, size)                                        \
    for (int64_t i = 0; i < n; b += (size))                             \
        for (int p = 0; p < (pieces); p++, i += 32) {                   \
            pt_vf q[32 / PT_W];                                         \
            fn(b, p, q);                                                \
            for (int v = 0; v < 32 / PT_W; v++) pt_vstore(y + i + v * PT_W, q[v]); \
        }                                                               \
    break

static void dequant(pt_dtype t, const uint8_t *b, int64_t n, float *y)
{
    int64_t done = 0;
    switch (t) {
    case PT_F16:
        for (; done + PT_W <= n; done += PT_W) pt_vstore(y + done, pt_vload_f16(b + 2 * done));
        pt_dequant_run(t, b + 2 * done, n - done, y + done);
        break;
    case PT_Q8_0: BLOCKS(pt_unpack_q8_0, 1, 34);
    case PT_Q4_0: BLOCKS(pt_unpack_q4_0, 1, 18);
    case PT_Q4_1: BLOCKS(pt_unpack_q4_1, 1, 20);
    case PT_Q5_0: BLOCKS(pt_unpack_q5_0, 1, 22);
    case PT_Q5_1: BLOCKS(pt_unpack_q5_1, 1, 24);
    case PT_IQ4_NL: BLOCKS(pt_unpack_iq4_nl, 1, 18);
    case PT_Q2_K: BLOCKS(pt_unpack_q2_k, 8, 84);
    case PT_Q3_K: BLOCKS(pt_unpack_q3_k, 8, 110);
    case PT_Q4_K: BLOCKS(pt_unpack_q4_k, 8, 144);
    case PT_Q5_K: BLOCKS(pt_unpack_q5_k, 8, 176);
    case PT_Q6_K: BLOCKS(pt_unpack_q6_k, 8, 210);
    case PT_IQ4_XS: BLOCKS(pt_unpack_iq4_xs, 8, 136);
    case PT_IQ3_S: BLOCKS(pt_unpack_iq3_s, 8, 110);
    default: pt_dequant_run(t, b, n, y);
    }
}
#else
static void dequant(pt_dtype t, const uint8_t *b, int64_t n, float *y)
{
    pt_dequant_run(t, b, n, y);
}
#endif

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

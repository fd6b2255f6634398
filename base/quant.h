/* Stored number types to float and back.
 *
 * Dequantisation is bit-equal to the `gguf` Python package (0.19.0) for every block type of base/dtype.h; the formula
 * of each block stands at its function. All arithmetic is float, in the order written; compile with
 * -ffp-contract=off (a fused multiply-add changes the last bit). Blocks are read byte by byte: no alignment is asked.
 * Layouts: ggml's block structs (ggml-common.h), little endian. `d`, `m`, `dmin` are f16. */
#ifndef PT_BASE_QUANT_H
#define PT_BASE_QUANT_H
#include "base/dtype.h"
#include "base/hd.h"
#include "base/quant_grid.h"

/* rows x cols numbers of type t, dense, to float. dst must not overlap src. PT_ESHAPE: cols is no multiple of the block
 * or the sizes overflow; PT_ENOSUP: t holds no weights (integers, f64). Deterministic; single thread. */
pt_status pt_dequant_rows(pt_dtype t, const void *src, int64_t rows, int64_t cols, float *dst);

/* rows x cols floats to type t; PT_ENOSUP as above. f16, bf16, q8_0, q4_0, q4_1, q5_0, q5_1: bytes equal to
 * gguf.quants.quantize. q2_k .. q6_k, iq4_nl, iq4_xs, iq3_s: searched for a small weighted error (base/quant_fit.h), as llama-quantize searches. dst holds
 * rows * pt_dtype_row_bytes and must not overlap src. PT_ENONFINITE, naming row and column, for a NaN or an infinity (f32 and bf16 keep them)
 * or where f16 (the element or a block's scale) overflows. The same bytes on every machine and for any number of threads (OpenMP, by rows). */
pt_status pt_quant_rows(pt_dtype t, const float *src, int64_t rows, int64_t cols, void *dst);
/* The same, where column c matters as weights[c] says (an importance matrix: the mean square of what the column is multiplied by); NULL: as
 * pt_quant_rows. Types without a search (f32, f16, bf16, q8_0) do not look at it. PT_ENONFINITE, naming the column, for a weight that is
 * negative, NaN or infinite. */
pt_status pt_quant_rows_weighted(pt_dtype t, const float *src, int64_t rows, int64_t cols, const float *weights, void *dst);
/* True for the types that pt_quant_rows writes: all that hold weights. */
bool pt_quant_writable(pt_dtype t);

/* ---- one block to float; b points at the block's bytes, y at 32 (or 256) floats -------------------------------------- */

PT_HD float pt_f16_bytes(const uint8_t *b)
{
    uint32_t h = (uint32_t)b[0] | (uint32_t)b[1] << 8, sign = (h & 0x8000) << 16, exp = (h >> 10) & 31, man = h & 0x3ff;
    union {
        uint32_t u;
        float f;
    } v;
    if (exp == 31) v.u = sign | 0x7f800000u | (man << 13) | (man ? 0x400000u : 0);
    else if (exp) v.u = sign | ((exp + 112) << 23) | (man << 13);
    else {
        v.f = (float)man * 0x1p-24f;
        v.u |= sign;
    }
    return v.f;
}

/* q8_0: d, 32 signed bytes: y = q * d */
PT_HD void pt_block_q8_0(const uint8_t *b, float *y)
{
    float d = pt_f16_bytes(b);
    for (int i = 0; i < 32; i++) y[i] = (float)(int8_t)b[2 + i] * d;
}

/* q4_0: d, 16 bytes of nibbles (low: elements 0..15, high: 16..31): y = d * (q - 8) */
PT_HD void pt_block_q4_0(const uint8_t *b, float *y)
{
    float d = pt_f16_bytes(b);
    for (int i = 0; i < 16; i++) {
        y[i] = d * (float)((b[2 + i] & 15) - 8);
        y[i + 16] = d * (float)((b[2 + i] >> 4) - 8);
    }
}

/* q4_1: d, m, nibbles: y = d * q + m */
PT_HD void pt_block_q4_1(const uint8_t *b, float *y)
{
    float d = pt_f16_bytes(b), m = pt_f16_bytes(b + 2);
    for (int i = 0; i < 16; i++) {
        y[i] = d * (float)(b[4 + i] & 15) + m;
        y[i + 16] = d * (float)(b[4 + i] >> 4) + m;
    }
}

PT_HD uint32_t pt_u32_bytes(const uint8_t *b)
{
    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

/* q5_0: d, 32 high bits, nibbles: y = d * (q - 16) */
PT_HD void pt_block_q5_0(const uint8_t *b, float *y)
{
    float d = pt_f16_bytes(b);
    uint32_t h = pt_u32_bytes(b + 2);
    for (int i = 0; i < 16; i++) {
        y[i] = d * (float)((int)((b[6 + i] & 15u) | ((h >> i) & 1) << 4) - 16);
        y[i + 16] = d * (float)((int)((b[6 + i] >> 4) | ((h >> (i + 16)) & 1) << 4) - 16);
    }
}

/* q5_1: d, m, 32 high bits, nibbles: y = d * q + m */
PT_HD void pt_block_q5_1(const uint8_t *b, float *y)
{
    float d = pt_f16_bytes(b), m = pt_f16_bytes(b + 2);
    uint32_t h = pt_u32_bytes(b + 4);
    for (int i = 0; i < 16; i++) {
        y[i] = d * (float)(int)((b[8 + i] & 15u) | ((h >> i) & 1) << 4) + m;
        y[i + 16] = d * (float)(int)((b[8 + i] >> 4) | ((h >> (i + 16)) & 1) << 4) + m;
    }
}

/* iq4_nl: d, nibbles into a table of 16 values: y = d * table[q] */
PT_HD float pt_iq4_nl_value(uint32_t q)
{
    static const int8_t table[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
    return (float)table[q & 15];
}
PT_HD void pt_block_iq4_nl(const uint8_t *b, float *y)
{
    float d = pt_f16_bytes(b);
    for (int i = 0; i < 16; i++) {
        y[i] = d * pt_iq4_nl_value(b[2 + i]);
        y[i + 16] = d * pt_iq4_nl_value((uint32_t)b[2 + i] >> 4);
    }
}

/* q2_k: 16 bytes scale | min << 4, 64 bytes of 2-bit q, d, dmin: y = (d * scale) * q - (dmin * min), 16 elements a scale.
 * Element 128 h + 32 s + l is bits 2s..2s+1 of byte 32 h + l. */
PT_HD void pt_block_q2_k(const uint8_t *b, float *y)
{
    const uint8_t *q = b + 16;
    float d = pt_f16_bytes(b + 80), dmin = pt_f16_bytes(b + 82);
    for (int g = 0; g < 16; g++) {
        float dl = d * (float)(b[g] & 15), ml = dmin * (float)(b[g] >> 4);
        const uint8_t *p = q + 32 * (g / 8) + 16 * (g % 2);
        int s = 2 * (g / 2 % 4);
        for (int l = 0; l < 16; l++) y[16 * g + l] = dl * (float)((p[l] >> s) & 3) - ml;
    }
}

/* 6-bit scale of group g (0..15) in q3_k's 12 bytes: low nibbles in bytes 0..7, high bits in bytes 8..11. */
PT_HD int pt_q3_k_scale(const uint8_t *s, int g)
{
    int low = g < 8 ? s[g] & 15 : s[g - 8] >> 4;
    return (low | ((s[8 + g % 4] >> (2 * (g / 4))) & 3) << 4) - 32;
}

/* q3_k: 32 bytes of inverted high bits, 64 bytes of 2-bit q, 12 bytes of scales, d: y = (d * scale) * (q - (bit ? 0 : 4)). The
 * high bit of element e is bit e / 32 of byte e % 32. */
PT_HD void pt_block_q3_k(const uint8_t *b, float *y)
{
    const uint8_t *q = b + 32, *sc = b + 96;
    float d = pt_f16_bytes(b + 108);
    for (int g = 0; g < 16; g++) {
        float dl = d * (float)pt_q3_k_scale(sc, g);
        const uint8_t *p = q + 32 * (g / 8) + 16 * (g % 2), *h = b + 16 * (g % 2);
        int s = 2 * (g / 2 % 4), bit = g / 2;
        for (int l = 0; l < 16; l++) y[16 * g + l] = dl * (float)(((p[l] >> s) & 3) - (((h[l] >> bit) & 1) ? 0 : 4));
    }
}

/* 6-bit scale and min of sub-block j (0..7) in the 12 bytes of q4_k and q5_k. */
PT_HD void pt_q4_k_scale_min(const uint8_t *s, int j, int *scale, int *min)
{
    if (j < 4) {
        *scale = s[j] & 63;
        *min = s[j + 4] & 63;
    } else {
        *scale = (s[j + 4] & 15) | ((s[j - 4] >> 6) << 4);
        *min = (s[j + 4] >> 4) | ((s[j] >> 6) << 4);
    }
}

/* q4_k: d, dmin, 12 bytes of scales, 128 bytes of nibbles: y = (d * scale) * q - (dmin * min), 32 elements a scale; sub-block
 * 2j is the low, 2j+1 the high nibbles of bytes 32 j .. 32 j + 31. */
PT_HD void pt_block_q4_k(const uint8_t *b, float *y)
{
    float d = pt_f16_bytes(b), dmin = pt_f16_bytes(b + 2);
    for (int j = 0; j < 8; j++) {
        int sc, m;
        pt_q4_k_scale_min(b + 4, j, &sc, &m);
        float dl = d * (float)sc, ml = dmin * (float)m;
        const uint8_t *q = b + 16 + 32 * (j / 2);
        int s = 4 * (j % 2);
        for (int l = 0; l < 32; l++) y[32 * j + l] = dl * (float)((q[l] >> s) & 15) - ml;
    }
}

/* q5_k: as q4_k with 32 bytes of high bits before the nibbles; sub-block j uses bit j of byte l. */
PT_HD void pt_block_q5_k(const uint8_t *b, float *y)
{
    float d = pt_f16_bytes(b), dmin = pt_f16_bytes(b + 2);
    const uint8_t *h = b + 16;
    for (int j = 0; j < 8; j++) {
        int sc, m;
        pt_q4_k_scale_min(b + 4, j, &sc, &m);
        float dl = d * (float)sc, ml = dmin * (float)m;
        const uint8_t *q = b + 48 + 32 * (j / 2);
        int s = 4 * (j % 2);
        for (int l = 0; l < 32; l++) y[32 * j + l] = dl * (float)(((q[l] >> s) & 15) | ((h[l] >> j) & 1) << 4) - ml;
    }
}

/* q6_k: 128 bytes of nibbles, 64 bytes of 2-bit high parts, 16 signed scales, d: y = (d * scale) * (q - 32). Of element
 * 128 h + 32 s + l the nibble is in byte 64 h + 32 (s % 2) + l (high for s > 1), the high part bits 2s of byte 32 h + l. */
PT_HD void pt_block_q6_k(const uint8_t *b, float *y)
{
    const uint8_t *qh = b + 128, *sc = b + 192;
    float d = pt_f16_bytes(b + 208);
    for (int g = 0; g < 16; g++) {
        float dl = d * (float)(int8_t)sc[g];
        int half = g / 8, s = g / 2 % 4;
        const uint8_t *ql = b + 64 * half + 32 * (s % 2) + 16 * (g % 2), *hi = qh + 32 * half + 16 * (g % 2);
        int ls = 4 * (s / 2), hs = 2 * s;
        for (int l = 0; l < 16; l++) y[16 * g + l] = dl * (float)((((ql[l] >> ls) & 15) | ((hi[l] >> hs) & 3) << 4) - 32);
    }
}

/* Scale of piece p (32 elements, p = 0..7) of an iq4_xs block: low nibbles in bytes 4..7, two high bits each in bytes 2, 3; -32 .. 31. */
PT_HD int pt_iq4_xs_scale(const uint8_t *b, int p)
{
    int high = b[2 + p / 4] >> (2 * (p % 4)) & 3;
    return ((b[4 + p / 2] >> (4 * (p % 2)) & 15) | high << 4) - 32;
}
/* iq4_xs: d, 16 high bits and 4 bytes of scales, 128 bytes of nibbles into iq4_nl's table: y = (d * scale) * table[q]. Piece p is bytes
 * 8 + 16 p .. , low nibbles first. */
PT_HD void pt_block_iq4_xs(const uint8_t *b, float *y)
{
    float d = pt_f16_bytes(b);
    for (int p = 0; p < 8; p++) {
        float dl = d * (float)pt_iq4_xs_scale(b, p);
        const uint8_t *q = b + 8 + 16 * p;
        for (int i = 0; i < 16; i++) {
            y[32 * p + i] = dl * pt_iq4_nl_value(q[i]);
            y[32 * p + 16 + i] = dl * pt_iq4_nl_value((uint32_t)q[i] >> 4);
        }
    }
}

/* Codebook entry of elements 32 p + 4 k .. 32 p + 4 k + 3 of an iq3_s block: low bytes at 2, ninth bits at 66. */
PT_HD uint32_t pt_iq3_s_quad(const uint8_t *b, int p, int k)
{
    return pt_iq3_s_entry((uint32_t)b[2 + 8 * p + k] | ((uint32_t)b[66 + p] >> k & 1) << 8);
}
/* iq3_s: d, 64 bytes and 64 bits of indices, 32 bytes of signs, 4 bytes of scales (a nibble for 32 elements): y = (d * (1 + 2 scale)) * magnitude,
 * negative where the element's bit is set. */
PT_HD void pt_block_iq3_s(const uint8_t *b, float *y)
{
    float d = pt_f16_bytes(b);
    for (int p = 0; p < 8; p++) {
        float dl = d * (float)(1 + 2 * (b[106 + p / 2] >> (4 * (p % 2)) & 15));
        for (int k = 0; k < 8; k++) {
            uint32_t entry = pt_iq3_s_quad(b, p, k), sign = (uint32_t)b[74 + 4 * p + k / 2] >> (4 * (k % 2));
            for (int i = 0; i < 4; i++) {
                float v = dl * (float)(2 * (entry >> (3 * i) & 7) + 1);
                y[32 * p + 4 * k + i] = sign >> i & 1 ? -v : v;
            }
        }
    }
}

/* n elements (a multiple of the block) of block type t; plain f32, f16, bf16 too. One switch outside the loops, so that a
 * file compiled for wider vectors gets its own fast copy. The other types leave y untouched. */
static inline void pt_dequant_run(pt_dtype t, const uint8_t *b, int64_t n, float *y)
{
#define PT_RUN(fn, elems, size)                                         \
    for (int64_t i = 0; i < n; i += (elems), b += (size)) fn(b, y + i); \
    break
    switch (t) {
    case PT_F32: __builtin_memcpy(y, b, (size_t)n * 4); break;
    case PT_F16:
        for (int64_t i = 0; i < n; i++) y[i] = pt_f16_bytes(b + 2 * i);
        break;
    case PT_BF16:
        for (int64_t i = 0; i < n; i++) y[i] = pt_bf16_to_f32((uint16_t)(b[2 * i] | b[2 * i + 1] << 8));
        break;
    case PT_Q8_0: PT_RUN(pt_block_q8_0, 32, 34);
    case PT_Q4_0: PT_RUN(pt_block_q4_0, 32, 18);
    case PT_Q4_1: PT_RUN(pt_block_q4_1, 32, 20);
    case PT_Q5_0: PT_RUN(pt_block_q5_0, 32, 22);
    case PT_Q5_1: PT_RUN(pt_block_q5_1, 32, 24);
    case PT_IQ4_NL: PT_RUN(pt_block_iq4_nl, 32, 18);
    case PT_Q2_K: PT_RUN(pt_block_q2_k, 256, 84);
    case PT_Q3_K: PT_RUN(pt_block_q3_k, 256, 110);
    case PT_Q4_K: PT_RUN(pt_block_q4_k, 256, 144);
    case PT_Q5_K: PT_RUN(pt_block_q5_k, 256, 176);
    case PT_Q6_K: PT_RUN(pt_block_q6_k, 256, 210);
    case PT_IQ4_XS: PT_RUN(pt_block_iq4_xs, 256, 136);
    case PT_IQ3_S: PT_RUN(pt_block_iq3_s, 256, 110);
    default: break;
    }
#undef PT_RUN
}
#endif

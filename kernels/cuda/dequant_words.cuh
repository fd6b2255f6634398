/* Stored blocks to numbers by words: the formulas, layouts and roundings of base/quant.h, so the same bits as dequant.cuh's pt_unpack, from eight bytes of q
 * (of q6_k eight and eight) and all elements that they hold. Types with a pt_words<TYPE>; the others go by pt_unpack.
 *
 *   units    of a block: what a thread takes
 *   runs     of 8 elements each in a unit, `span` elements apart
 *   align    rows of blocks start at multiples of this
 *   first(u) element of the block at which run 0 of unit u begins
 *   load     the words of unit u of the block at b: every access to memory is here, and none touches a byte outside the row
 *   run<I>   elements of run I from those words
 *
 * No conversions of integers but of few scales: a unit of a quarter of the width makes them. */
#ifndef PT_KERNELS_CUDA_DEQUANT_WORDS_CUH
#define PT_KERNELS_CUDA_DEQUANT_WORDS_CUH
#include "kernels/cuda/dequant.cuh"

/* ---- eight bytes ---- */
PT_DEV uint2 pt_and(uint2 w, uint32_t mask) { return make_uint2(w.x & mask, w.y & mask); }
PT_DEV uint2 pt_or(uint2 a, uint2 b) { return make_uint2(a.x | b.x, a.y | b.y); }
PT_DEV uint2 pt_shr(uint2 w, int by) { return make_uint2(w.x >> by, w.y >> by); }
PT_DEV uint2 pt_shl(uint2 w, int by) { return make_uint2(w.x << by, w.y << by); }
/* Nibbles: low ones, or high ones. */
PT_DEV uint2 pt_nibbles(uint2 w, bool high) { return pt_and(high ? pt_shr(w, 4) : w, 0x0f0f0f0fu); }
/* Eight bits as bit 4 of eight bytes. */
PT_DEV uint2 pt_fifth(uint32_t bits)
{
    return make_uint2((bits & 15) * 0x02040810u & 0x10101010u, (bits >> 4 & 15) * 0x02040810u & 0x10101010u);
}

PT_DEV uint32_t pt_word(const uint8_t *p) { return vld(reinterpret_cast<const uint32_t *>(p)); }
PT_DEV uint2 pt_words2(const uint8_t *p) { return vld(reinterpret_cast<const uint2 *>(p)); }
PT_DEV uint32_t pt_short(const uint8_t *p) { return *reinterpret_cast<const uint16_t *>(p); }
/* 2 where a block of an even number of bytes lies between two multiples of 4, else 0. */
PT_DEV uint32_t pt_odd(const uint8_t *b) { return (uint32_t)(uintptr_t)b & 2u; }
/* Eight bytes at an address `odd` above a multiple of 4, by the words that hold them. */
PT_DEV uint2 pt_even8(const uint8_t *p, uint32_t odd)
{
    const uint8_t *w = p - odd;
    uint32_t select = odd ? 0x5432u : 0x3210u, a = pt_word(w), b = pt_word(w + 4), c = 0;
    if (odd) c = pt_short(w + 8);
    return make_uint2(__byte_perm(a, b, select), __byte_perm(b, c, select));
}

/* ---- to floats ---- */
/* y = d (q - zero) of eight bytes: 2^23 + q has the byte q lowest, so a byte permutation makes it, and one exact subtraction takes 2^23 and zero away. */
PT_DEV void pt_eight(uint2 q, int zero, float d, float *y)
{
#pragma unroll
    for (int i = 0; i < 8; i++) {
        uint32_t f = __byte_perm(i < 4 ? q.x : q.y, 0x4b000000u, 0x7440u + (uint32_t)(i % 4));
        y[i] = d * (__uint_as_float(f) - (float)(8388608 + zero));
    }
}
/* Bytes 0, 2 of w, or 1, 3, as halves: read as f16 they are q 2^-24, exact, and one instruction makes that a float. */
PT_DEV uint32_t pt_halves(uint32_t w, int i) { return __byte_perm(w, 0, i ? 0x4341u : 0x4240u); }
PT_DEV float pt_low_half(uint32_t w) { return f16_to_f((uint16_t)w); }
PT_DEV float pt_high_half(uint32_t w) { return f16_to_f((uint16_t)(w >> 16)); }
/* y = d q + m of eight bytes; d24 = 2^24 d, so that the products round as those of d and q. */
PT_DEV void pt_eight_plus(uint2 q, float d24, float m, float *y)
{
#pragma unroll
    for (int i = 0; i < 4; i++) {
        uint32_t two = pt_halves(i < 2 ? q.x : q.y, i % 2);
        int at = 4 * (i / 2) + i % 2;
        y[at] = __fadd_rn(__fmul_rn(d24, pt_low_half(two)), m);
        y[at + 2] = __fadd_rn(__fmul_rn(d24, pt_high_half(two)), m);
    }
}
/* The same where d = dmin.low * scale and m = -(dmin.high * min), of 16-bit numbers scale and min: low halves, or high ones. */
PT_DEV void pt_eight_scaled(uint2 q, uint32_t dmin, uint32_t scale, uint32_t min, bool high, float *y)
{
    float s = high ? pt_high_half(scale) : pt_low_half(scale), m = high ? pt_high_half(min) : pt_low_half(min); /* 2^-24 of them */
    pt_eight_plus(q, 0x1p48f * pt_low_half(dmin) * s, -(0x1p24f * pt_high_half(dmin) * m), y);
}

/* ---- types of 32 elements ---- */
template <int TYPE> struct pt_words {
    static constexpr int units = 0;
};

template <> struct pt_words<PT_Q8_0> {
    static constexpr int units = 4, runs = 1, span = 0, align = 2;
    struct words {
        uint2 q;
        float d;
    };
    PT_DEV int first(int u) { return 8 * u; }
    PT_DEV words load(const uint8_t *b, int u) { return {pt_even8(b + 2 + 8 * u, pt_odd(b) ^ 2), pt_low_half(pt_short(b))}; }
    template <int I> PT_DEV void run(const words &w, float *y) { pt_eight(make_uint2(w.q.x ^ 0x80808080u, w.q.y ^ 0x80808080u), 128, w.d, y); }
};

template <> struct pt_words<PT_Q4_0> {
    static constexpr int units = 2, runs = 2, span = 16, align = 2;
    struct words {
        uint2 q;
        float d;
    };
    PT_DEV int first(int u) { return 8 * u; }
    PT_DEV words load(const uint8_t *b, int u) { return {pt_even8(b + 2 + 8 * u, pt_odd(b) ^ 2), pt_low_half(pt_short(b))}; }
    template <int I> PT_DEV void run(const words &w, float *y) { pt_eight(pt_nibbles(w.q, I), 8, w.d, y); }
};

template <> struct pt_words<PT_Q4_1> {
    static constexpr int units = 2, runs = 2, span = 16, align = 4;
    struct words {
        uint2 q;
        uint32_t dm;
    };
    PT_DEV int first(int u) { return 8 * u; }
    PT_DEV words load(const uint8_t *b, int u) { return {make_uint2(pt_word(b + 4 + 8 * u), pt_word(b + 8 + 8 * u)), pt_word(b)}; }
    template <int I> PT_DEV void run(const words &w, float *y)
    {
        pt_eight_plus(pt_nibbles(w.q, I), 0x1p24f * pt_low_half(w.dm), pt_high_half(w.dm), y);
    }
};

template <> struct pt_words<PT_Q5_0> {
    static constexpr int units = 2, runs = 2, span = 16, align = 2;
    struct words {
        uint2 q;
        uint8_t high[2]; /* of each run */
        float d;
    };
    PT_DEV int first(int u) { return 8 * u; }
    PT_DEV words load(const uint8_t *b, int u)
    {
        return {pt_even8(b + 6 + 8 * u, pt_odd(b) ^ 2), {b[2 + u], b[4 + u]}, pt_low_half(pt_short(b))};
    }
    template <int I> PT_DEV void run(const words &w, float *y) { pt_eight(pt_or(pt_nibbles(w.q, I), pt_fifth(w.high[I])), 16, w.d, y); }
};

template <> struct pt_words<PT_Q5_1> {
    static constexpr int units = 2, runs = 2, span = 16, align = 8;
    struct words {
        uint2 q;
        uint32_t dm, high; /* high: bytes 0 and 2 are those of the runs */
    };
    PT_DEV int first(int u) { return 8 * u; }
    PT_DEV words load(const uint8_t *b, int u)
    {
        uint2 h = pt_words2(b);
        return {pt_words2(b + 8 + 8 * u), h.x, h.y >> (8 * u)};
    }
    template <int I> PT_DEV void run(const words &w, float *y)
    {
        pt_eight_plus(pt_or(pt_nibbles(w.q, I), pt_fifth(w.high >> 16 * I)), 0x1p24f * pt_low_half(w.dm), pt_high_half(w.dm), y);
    }
};

/* Values of iq4_nl's table plus 128, of the low nibbles of four bytes or of the high ones. A byte permutation looks four nibbles up in eight bytes, and one
 * more chooses between the table's halves by their top bits. */
PT_DEV uint32_t pt_nl_four(uint32_t w, bool high)
{
    uint32_t at = w & 0x77777777u, half = (w >> 1 & 0x44444444u) | 0x32103210u, v[2];
#pragma unroll
    for (int i = 0; i < 2; i++)
        v[i] = __byte_perm(__byte_perm(0x3f2d1801u, 0x766a5d4fu, at >> 16 * i), __byte_perm(0xa6998d81u, 0xf1d9c5b5u, at >> 16 * i), half >> 16 * i);
    return __byte_perm(v[0], v[1], high ? 0x7531u : 0x6420u);
}
PT_DEV void pt_nl_eight(uint2 w, bool high, float d, float *y) { pt_eight(make_uint2(pt_nl_four(w.x, high), pt_nl_four(w.y, high)), 128, d, y); }

template <> struct pt_words<PT_IQ4_NL> {
    static constexpr int units = 2, runs = 2, span = 16, align = 2;
    struct words {
        uint2 q;
        float d;
    };
    PT_DEV int first(int u) { return 8 * u; }
    PT_DEV words load(const uint8_t *b, int u) { return {pt_even8(b + 2 + 8 * u, pt_odd(b) ^ 2), pt_low_half(pt_short(b))}; }
    template <int I> PT_DEV void run(const words &w, float *y) { pt_nl_eight(w.q, I, w.d, y); }
};

/* ---- types of 256 elements ---- */
template <> struct pt_words<PT_IQ4_XS> {
    static constexpr int units = 16, runs = 2, span = 16, align = 8;
    struct words {
        uint2 q;
        float d;
    };
    PT_DEV int first(int u) { return 32 * (u / 2) + 8 * (u % 2); }
    PT_DEV words load(const uint8_t *b, int u)
    {
        uint2 h = pt_words2(b);
        int p = u / 2, scale = (int)((h.y >> 4 * p & 15) | (h.x >> (16 + 2 * p) & 3) << 4) - 32;
        return {pt_words2(b + 8 + 8 * u), pt_low_half(h.x) * (float)scale};
    }
    template <int I> PT_DEV void run(const words &w, float *y) { pt_nl_eight(w.q, I, w.d, y); }
};

/* What a unit of q4_k or q5_k needs of the block's first 16 bytes h: d and dmin, and scales and mins of sub-blocks 2 pair, 2 pair + 1 in bytes 0, 1. The
 * first two pairs lie whole in h.y and h.z; of the others the low nibbles are in h.w, the rest above what h.y and h.z hold. */
struct pt_k4 {
    uint32_t dmin, scale, min;
};
PT_DEV pt_k4 pt_k4_pair(uint4 h, int pair)
{
    int by = 16 * (pair & 1), top = by + (pair < 2 ? 0 : 2);
    uint32_t low_mask = pair < 2 ? 0u : 0x0f0fu, mask = pair < 2 ? 0x3f3fu : 0x3030u;
    return {h.x, (h.y >> top & mask) | (h.w >> by & low_mask), (h.z >> top & mask) | (h.w >> (by + 4) & low_mask)};
}
PT_DEV void pt_k4_eight(uint2 q, pt_k4 k, int sub, float *y)
{
    pt_eight_scaled(q, k.dmin, __byte_perm(k.scale, 0, 0x4140u), __byte_perm(k.min, 0, 0x4140u), sub, y);
}

template <> struct pt_words<PT_Q4_K> {
    static constexpr int units = 16, runs = 2, span = 32, align = 16;
    struct words {
        uint2 q;
        pt_k4 k;
    };
    PT_DEV int first(int u) { return 64 * (u / 4) + 8 * (u % 4); }
    PT_DEV words load(const uint8_t *b, int u) { return {pt_words2(b + 16 + 8 * u), pt_k4_pair(ld16(b), u / 4)}; }
    template <int I> PT_DEV void run(const words &w, float *y) { pt_k4_eight(pt_nibbles(w.q, I), w.k, I, y); }
};

template <> struct pt_words<PT_Q5_K> {
    static constexpr int units = 16, runs = 2, span = 32, align = 16;
    struct words {
        uint2 q, high; /* high: the fifth bits of the runs in bits 0 and 1 */
        pt_k4 k;
    };
    PT_DEV int first(int u) { return 64 * (u / 4) + 8 * (u % 4); }
    PT_DEV words load(const uint8_t *b, int u)
    {
        return {pt_words2(b + 48 + 8 * u), pt_shr(pt_words2(b + 16 + 8 * (u % 4)), 2 * (u / 4)), pt_k4_pair(ld16(b), u / 4)};
    }
    template <int I> PT_DEV void run(const words &w, float *y)
    {
        pt_k4_eight(pt_or(pt_nibbles(w.q, I), pt_and(pt_shl(w.high, 4 - I), 0x10101010u)), w.k, I, y);
    }
};

template <> struct pt_words<PT_Q6_K> {
    static constexpr int units = 8, runs = 4, span = 32, align = 2;
    struct words {
        uint2 low[2], high;
        float d;
        int8_t scale[4];
    };
    PT_DEV int first(int u) { return 128 * (u / 4) + 8 * (u % 4); }
    PT_DEV words load(const uint8_t *b, int u)
    {
        int half = u / 4, l = 8 * (u % 4);
        uint32_t odd = pt_odd(b);
        const uint8_t *s = b + 192 + 8 * half + l / 16;
        return {{pt_even8(b + 64 * half + l, odd), pt_even8(b + 64 * half + 32 + l, odd)},
                pt_even8(b + 128 + 32 * half + l, odd),
                pt_low_half(pt_short(b + 208)),
                {(int8_t)s[0], (int8_t)s[2], (int8_t)s[4], (int8_t)s[6]}};
    }
    template <int I> PT_DEV void run(const words &w, float *y)
    {
        uint2 high = pt_and(I < 2 ? pt_shl(w.high, 4 - 2 * I) : pt_shr(w.high, 2 * I - 4), 0x30303030u);
        pt_eight(pt_or(pt_nibbles(w.low[I % 2], I / 2), high), 32, w.d * (float)w.scale[I], y);
    }
};

template <> struct pt_words<PT_Q2_K> {
    static constexpr int units = 8, runs = 4, span = 32, align = 4;
    struct words {
        uint2 q;
        uint32_t dmin, scale[2]; /* scale | min << 4 of runs 0, 1 and of runs 2, 3 in bytes 0 and 2 */
    };
    PT_DEV int first(int u) { return 128 * (u / 4) + 8 * (u % 4); }
    PT_DEV words load(const uint8_t *b, int u)
    {
        const uint8_t *s = b + 8 * (u / 4);
        int by = 8 * (u % 4 / 2);
        return {make_uint2(pt_word(b + 16 + 8 * u), pt_word(b + 20 + 8 * u)), pt_word(b + 80), {pt_word(s) >> by, pt_word(s + 4) >> by}};
    }
    template <int I> PT_DEV void run(const words &w, float *y)
    {
        uint32_t s = w.scale[I / 2];
        pt_eight_scaled(pt_and(pt_shr(w.q, 2 * I), 0x03030303u), w.dmin, s & 0x000f000fu, s >> 4 & 0x000f000fu, I % 2, y);
    }
};

template <> struct pt_words<PT_Q3_K> {
    static constexpr int units = 8, runs = 4, span = 32, align = 2;
    struct words {
        uint2 q, high; /* high: the third bits of the runs in bits 0 to 3 */
        float d;
        int scale[4];
    };
    PT_DEV int first(int u) { return 128 * (u / 4) + 8 * (u % 4); }
    PT_DEV words load(const uint8_t *b, int u)
    {
        int half = u / 4, l = 8 * (u % 4);
        uint32_t odd = pt_odd(b);
        const uint8_t *s = b + 96 + l / 16;
        words w = {pt_even8(b + 32 + 32 * half + l, odd), pt_shr(pt_even8(b + l, odd), 4 * half), pt_low_half(pt_short(b + 108)), {}};
#pragma unroll
        for (int i = 0; i < 4; i++) w.scale[i] = ((s[2 * i] >> 4 * half & 15) | (s[8 + 2 * (i % 2)] >> (4 * half + 2 * (i / 2)) & 3) << 4) - 32;
        return w;
    }
    template <int I> PT_DEV void run(const words &w, float *y)
    {
        uint2 high = pt_and(I < 2 ? pt_shl(w.high, 2 - I) : pt_shr(w.high, I - 2), 0x04040404u);
        pt_eight(pt_or(pt_and(pt_shr(w.q, 2 * I), 0x03030303u), high), 4, w.d * (float)w.scale[I], y);
    }
};
#endif

#include "kernels/cpu/lanes_v.h"

#include "base/quant.h"
#include "kernels/cpu/digit.h"
#include "kernels/cpu/tile.h"

#if PT_W == 16
enum { TOGETHER = 4, CHUNK = 64 /* blocks that are unpacked at a time */, BLOCK = PT_DIGIT_BLOCK, GROUPS = (PT_LANES_MOST + 15) / 16 };

/* ---- what is stored, as bytes without sign --------------------------------------------------------------------------------------------------------- */

/* TOGETHER rows of the weight over a chunk of blocks. */
typedef struct unpacked {
    uint8_t u[TOGETHER][CHUNK * BLOCK];
    float scale[TOGETHER][CHUNK][2], min[TOGETHER][CHUNK][2]; /* by halves; min: that of u - zero */
} unpacked;

/* What each type is: bytes and blocks of 32 of a stored block, the middle of its numbers, whether halves have scales of their own, whether it has minima. */
typedef struct kind {
    int bytes, pieces, zero;
    bool halves, mins;
} kind;

PT_INLINE kind kind_of(pt_dtype t)
{
    switch (t) {
    case PT_Q4_0: return (kind){18, 1, 8, false, false};
    case PT_Q4_1: return (kind){20, 1, 8, false, true};
    case PT_Q5_0: return (kind){22, 1, 16, false, false};
    case PT_Q5_1: return (kind){24, 1, 16, false, true};
    case PT_Q8_0: return (kind){34, 1, 128, false, false};
    case PT_IQ4_NL: return (kind){18, 1, 128, false, false};
    case PT_Q2_K: return (kind){84, 8, 2, true, true};
    case PT_Q3_K: return (kind){110, 8, 4, true, false};
    case PT_Q4_K: return (kind){144, 8, 8, false, true};
    case PT_Q5_K: return (kind){176, 8, 16, false, true};
    case PT_Q6_K: return (kind){210, 8, 32, true, false};
    case PT_IQ4_XS: return (kind){136, 8, 128, false, false};
    default: return (kind){0};
    }
}

static inline float half(const uint8_t *p)
{
    uint16_t h;
    memcpy(&h, p, 2);
    return _cvtsh_ss(h);
}

static inline __m256i load32(const uint8_t *p) { return _mm256_loadu_si256((const __m256i *)(const void *)p); }
static inline void store32(uint8_t *p, __m256i v) { _mm256_storeu_si256((__m256i *)(void *)p, v); }
/* Bits [s, s + n) of every byte. */
PT_INLINE __m256i bits(__m256i v, int s, int n) { return _mm256_and_si256(_mm256_srli_epi16(v, s), _mm256_set1_epi8((char)((1 << n) - 1))); }
/* 16 bytes of nibbles: the low ones, then the high ones. */
PT_INLINE __m256i nibbles(const uint8_t *p)
{
    const __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
    return _mm256_and_si256(_mm256_inserti128_si256(_mm256_castsi128_si256(v), _mm_srli_epi16(v, 4), 1), _mm256_set1_epi8(15));
}
/* v with `bit` set where mask says so. */
PT_INLINE __m256i with_bit(__m256i v, uint32_t mask, int bit) { return _mm256_or_si256(v, _mm256_maskz_set1_epi8((__mmask32)mask, (char)bit)); }
/* iq4_nl's table plus 128. */
PT_INLINE __m256i table_nl(const uint8_t *p)
{
    const __m128i table = _mm_setr_epi8(1, 24, 45, 63, 79, 93, 106, 118, (char)129, (char)141, (char)153, (char)166, (char)181, (char)197, (char)217, (char)241);
    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(table), nibbles(p));
}

PT_INLINE void both(float *to, float x) { to[0] = to[1] = x; }
PT_INLINE void scaled(float d, float m, int zero, float *scale, float *min)
{
    both(scale, d);
    both(min, m + (float)zero * d);
}

/* Piece p of the block at b. */
PT_INLINE void unpack(pt_dtype t, const uint8_t *b, int p, uint8_t *u, float *scale, float *min)
{
    int sc, mn;
    switch (t) {
    case PT_Q4_0: store32(u, nibbles(b + 2)), both(scale, half(b)); break;
    case PT_Q4_1: store32(u, nibbles(b + 4)), scaled(half(b), half(b + 2), 8, scale, min); break;
    case PT_Q5_0: store32(u, with_bit(nibbles(b + 6), pt_u32_bytes(b + 2), 16)), both(scale, half(b)); break;
    case PT_Q5_1: store32(u, with_bit(nibbles(b + 8), pt_u32_bytes(b + 4), 16)), scaled(half(b), half(b + 2), 16, scale, min); break;
    case PT_Q8_0: store32(u, _mm256_xor_si256(load32(b + 2), _mm256_set1_epi8((char)128))), both(scale, half(b)); break;
    case PT_IQ4_NL: store32(u, table_nl(b + 2)), both(scale, half(b)); break;
    case PT_Q2_K:
        store32(u, bits(load32(b + 16 + 32 * (p / 4)), 2 * (p % 4), 2));
        for (int h = 0; h < 2; h++) {
            const int s = b[2 * p + h];
            scale[h] = half(b + 80) * (float)(s & 15);
            min[h] = 2 * scale[h] - half(b + 82) * (float)(s >> 4);
        }
        break;
    case PT_Q3_K:
        store32(u, with_bit(bits(load32(b + 32 + 32 * (p / 4)), 2 * (p % 4), 2), _mm256_test_epi8_mask(load32(b), _mm256_set1_epi8((char)(1 << p))), 4));
        for (int h = 0; h < 2; h++) scale[h] = half(b + 108) * (float)pt_q3_k_scale(b + 96, 2 * p + h);
        break;
    case PT_Q4_K:
        pt_q4_k_scale_min(b + 4, p, &sc, &mn);
        store32(u, bits(load32(b + 16 + 32 * (p / 2)), 4 * (p % 2), 4));
        scaled(half(b) * (float)sc, -half(b + 2) * (float)mn, 8, scale, min);
        break;
    case PT_Q5_K:
        pt_q4_k_scale_min(b + 4, p, &sc, &mn);
        store32(u, with_bit(bits(load32(b + 48 + 32 * (p / 2)), 4 * (p % 2), 4), _mm256_test_epi8_mask(load32(b + 16), _mm256_set1_epi8((char)(1 << p))), 16));
        scaled(half(b) * (float)sc, -half(b + 2) * (float)mn, 16, scale, min);
        break;
    case PT_Q6_K: {
        const int q = p % 4;
        const __m256i high = bits(load32(b + 128 + 32 * (p / 4)), 2 * q, 2);
        store32(u, _mm256_or_si256(bits(load32(b + 64 * (p / 4) + 32 * (q % 2)), 4 * (q / 2), 4), _mm256_slli_epi16(high, 4)));
        for (int h = 0; h < 2; h++) scale[h] = half(b + 208) * (float)(int8_t)b[192 + 2 * p + h];
        break;
    }
    case PT_IQ4_XS: store32(u, table_nl(b + 8 + 16 * p)), both(scale, half(b) * (float)pt_iq4_xs_scale(b, p)); break;
    default: break;
    }
}

/* ---- products ----------------------------------------------------------------------------------------------------------------------------------- */

/* The places of a sum as one float. */
PT_VNNI_INLINE pt_vf joined(const int places, const __m512i *c)
{
    __m512i low = _mm512_add_epi32(_mm512_slli_epi32(c[places - 2], 8), c[places - 1]);
    pt_vf f = (pt_vf)_mm512_cvtepi32_ps(low);
    return places == 2 ? f : pt_vfma((pt_vf)_mm512_cvtepi32_ps(c[0]), pt_vset(65536), f);
}

/* acc[i] += block k of TOGETHER weight rows times a block of 16 rows of x, its four-column steps [j0, j1); part: which bias, sum and scale. */
PT_VNNI_INLINE void meet(const kind t, const int places, const unpacked *w, int k, const pt_lane_block *x, int j0, int j1, int part, pt_vf *acc)
{
    __m512i c[TOGETHER][3];
    PT_UNROLL(4)
    for (int i = 0; i < TOGETHER; i++) {
        PT_UNROLL(3)
        for (int p = 0; p < places; p++) c[i][p] = _mm512_loadu_si512(x->bias[part][p]);
    }
    PT_UNROLL(8)
    for (int j = j0; j < j1; j++) {
        __m512i d[3];
        PT_UNROLL(3)
        for (int p = 0; p < places; p++) d[p] = _mm512_loadu_si512(x->digit[j][p]);
        PT_UNROLL(4)
        for (int i = 0; i < TOGETHER; i++) {
            int32_t four;
            memcpy(&four, &w->u[i][BLOCK * k + 4 * j], 4);
            __m512i u = _mm512_set1_epi32(four);
            PT_UNROLL(3)
            for (int p = 0; p < places; p++) c[i][p] = _mm512_dpbusd_epi32(c[i][p], u, d[p]);
        }
    }
    PT_UNROLL(4)
    for (int i = 0; i < TOGETHER; i++) {
        acc[i] = pt_vfma(joined(places, c[i]), pt_vset(w->scale[i][k][part & 1]) * pt_vload(x->unit), acc[i]);
        if (t.mins) acc[i] = pt_vfma(pt_vset(w->min[i][k][part & 1]), pt_vload(x->sum[part]), acc[i]);
    }
}

/* Where TOGETHER rows go on, and bytes a block of 32. */
typedef struct ahead {
    const uint8_t *w;
    size_t row, block;
} ahead;

/* TOGETHER outputs over blocks [k0, k0 + n): sums[group][i] goes on. */
PT_VNNI_INLINE void four(const kind t, const int places, const unpacked *w, const ahead *next, const pt_lane_block *x, int64_t row_blocks, int groups, int n, pt_vf (*sums)[PT_LANES_STEP])
{
    for (int g = 0; g < groups; g++, x += row_blocks) {
        pt_vf acc[TOGETHER];
        PT_UNROLL(4)
        for (int i = 0; i < TOGETHER; i++) acc[i] = sums[g][i];
        for (int k = 0; k < n; k++) {
            for (int i = 0; g == 0 && i < TOGETHER; i++) _mm_prefetch((const char *)next->w + (size_t)i * next->row + (size_t)k * next->block, _MM_HINT_T0);
            if (!t.halves) {
                meet(t, places, w, k, x + k, 0, 8, 2, acc);
                continue;
            }
            meet(t, places, w, k, x + k, 0, 4, 0, acc);
            meet(t, places, w, k, x + k, 4, 8, 1, acc);
        }
        PT_UNROLL(4)
        for (int i = 0; i < TOGETHER; i++) sums[g][i] = acc[i];
    }
}

PT_VNNI_INLINE void outputs(pt_dtype type, const int places, const pt_gemv_args *g, const pt_lane_block *x, int64_t o0, int64_t o1, pt_vf (*sums)[PT_LANES_STEP])
{
    const kind t = kind_of(type);
    const int64_t blocks = g->cols / BLOCK;
    const int groups = (g->n + PT_LANES_ROWS - 1) / PT_LANES_ROWS;
    unpacked w;
    for (int64_t o = o0; o < o1; o += TOGETHER)
        for (int64_t k = 0; k < blocks; k += CHUNK) {
            const int now = blocks - k < CHUNK ? (int)(blocks - k) : CHUNK;
            for (int i = 0; i < TOGETHER; i++) {
                const uint8_t *b = (const uint8_t *)g->w + (size_t)(o + i < o1 ? o + i : o1 - 1) * g->row_bytes + (size_t)(k / t.pieces * t.bytes);
                for (int at = 0; at < now; b += t.bytes)
                    for (int p = 0; p < t.pieces; p++, at++) unpack(type, b, p, &w.u[i][BLOCK * at], w.scale[i][at], w.min[i][at]);
            }
            /* what is unpacked next is fetched while this is met */
            const int64_t next_o = k + CHUNK < blocks ? o : o + TOGETHER, next_k = k + CHUNK < blocks ? k + CHUNK : 0;
            const ahead next = {(const uint8_t *)g->w + (size_t)next_o * g->row_bytes + (size_t)(next_k / t.pieces * t.bytes), g->row_bytes, (size_t)(t.bytes / t.pieces)};
            pt_vf mine[GROUPS][PT_LANES_STEP];
            for (int r = 0; r < groups; r++)
                for (int i = 0; i < TOGETHER; i++) mine[r][i] = k ? sums[r][o - o0 + i] : pt_vset(0);
            four(t, places, &w, &next, x + k, blocks, groups, now, mine);
            for (int r = 0; r < groups; r++)
                for (int i = 0; i < TOGETHER; i++) sums[r][o - o0 + i] = mine[r][i];
        }
}

#define EACH_TYPE(f) f(Q4_0) f(Q4_1) f(Q5_0) f(Q5_1) f(Q8_0) f(IQ4_NL) f(Q2_K) f(Q3_K) f(Q4_K) f(Q5_K) f(Q6_K) f(IQ4_XS)
#define PRODUCT(name)                                                                                                                         \
    static PT_VNNI void outputs_##name(int places, const pt_gemv_args *g, const pt_lane_block *x, int64_t o0, int64_t o1, pt_vf (*sums)[PT_LANES_STEP]) \
    {                                                                                                                                         \
        if (places == 3) outputs(PT_##name, 3, g, x, o0, o1, sums);                                                                           \
        else outputs(PT_##name, 2, g, x, o0, o1, sums);                                                                                       \
    }
EACH_TYPE(PRODUCT)

#define CASE(name) \
    case PT_##name: outputs_##name(places, g, blocks, o0, o1, sums); break;
void PT_V(pt_vlanes_gemm)(const pt_gemv_args *g, int places, const pt_lane_block *blocks, int64_t o0, int64_t o1)
{
    pt_vf sums[GROUPS][PT_LANES_STEP];
    if (o1 - o0 < PT_LANES_STEP) memset(sums, 0, sizeof sums);
    switch (g->type) {
        EACH_TYPE(CASE)
    default: return;
    }
    const __mmask16 live = (__mmask16)((1u << (o1 - o0)) - 1);
    for (int r = 0; r * PT_LANES_ROWS < g->n; r++) {
        transpose(sums[r]);
        for (int i = 0; i < PT_LANES_ROWS && r * PT_LANES_ROWS + i < g->n; i++) {
            float *y = g->y + (r * PT_LANES_ROWS + i) * g->y_ld + o0;
            __m512 v = (__m512)sums[r][i];
            if (g->beta != 0) v = _mm512_add_ps(v, _mm512_maskz_loadu_ps(live, y));
            _mm512_mask_storeu_ps(y, live, v);
        }
    }
}

/* ---- x to digits ------------------------------------------------------------------------------------------------------------------------------ */

/* 32 columns of the rows, a row a lane; rows that there are not hold 0. */
PT_INLINE void load_columns(const float *x, int64_t ld, int rows, pt_vf v[BLOCK])
{
    for (int h = 0; h < 2; h++) {
        for (int r = 0; r < PT_W; r++) v[16 * h + r] = r < rows ? pt_vload(x + r * ld + 16 * h) : pt_vset(0);
        transpose(v + 16 * h);
    }
}

/* The digits of four columns, a number in the low bytes of each lane, become a vector a place. */
PT_VNNI_INLINE void put_four(const __m512i *n, int places, int8_t (*to)[64])
{
    const __mmask32 high = 0xaaaaaaaa; /* words 2, 4, ... */
    const __m512i pairs = _mm512_set4_epi32(0x0f0d0e0c, 0x0b090a08, 0x07050604, 0x03010200);
    __m512i a = _mm512_shuffle_epi8(_mm512_mask_mov_epi16(n[0], high, _mm512_slli_epi32(n[1], 16)), pairs);
    __m512i b = _mm512_shuffle_epi8(_mm512_mask_mov_epi16(n[2], high, _mm512_slli_epi32(n[3], 16)), pairs);
    _mm512_storeu_si512(to[places - 1], _mm512_mask_mov_epi16(a, high, _mm512_slli_epi32(b, 16)));
    _mm512_storeu_si512(to[places - 2], _mm512_mask_mov_epi16(_mm512_srli_epi32(a, 16), high, b));
    if (places == 2) return;
    a = _mm512_shuffle_epi8(_mm512_mask_mov_epi16(_mm512_srli_epi32(n[0], 16), high, n[1]), pairs);
    b = _mm512_shuffle_epi8(_mm512_mask_mov_epi16(_mm512_srli_epi32(n[2], 16), high, n[3]), pairs);
    _mm512_storeu_si512(to[0], _mm512_mask_mov_epi16(a, high, _mm512_slli_epi32(b, 16)));
}

static PT_VNNI bool put(const pt_gemv_args *g, const int places, int64_t group, int64_t block, pt_lane_block *to)
{
    const int64_t row = group * PT_LANES_ROWS, left = g->n - row;
    const float most = places == 3 ? 127 << 16 : 127 << 8;
    const __m512i zero = _mm512_set1_epi8((char)kind_of(g->type).zero);
    pt_vf v[BLOCK], top = pt_vset(0), odd = pt_vset(0), sum[2] = {pt_vset(0), pt_vset(0)};
    load_columns(g->x + row * g->x_ld + block * BLOCK, g->x_ld, left < PT_LANES_ROWS ? (int)left : PT_LANES_ROWS, v);
    for (int i = 0; i < BLOCK; i++) {
        top = (pt_vf)_mm512_max_ps((__m512)top, _mm512_abs_ps((__m512)v[i]));
        odd += v[i] - v[i];
        sum[i / 16] += v[i];
    }
    if (_mm512_cmp_ps_mask((__m512)odd, _mm512_setzero_ps(), _CMP_NEQ_UQ)) return false;
    const __mmask16 there = _mm512_cmp_ps_mask((__m512)top, _mm512_set1_ps(0x1p-97f), _CMP_GE_OQ); /* as pt_whole */
    const __m512 per = _mm512_maskz_div_ps(there, _mm512_set1_ps(most), (__m512)top);
    _mm512_storeu_ps(to->unit, _mm512_maskz_div_ps(there, (__m512)top, _mm512_set1_ps(most)));
    for (int j = 0; j < 8; j++) {
        __m512i n[4];
        for (int i = 0; i < 4; i++) n[i] = pt_balanced(_mm512_cvtps_epi32(_mm512_mul_ps((__m512)v[4 * j + i], per)));
        put_four(n, places, to->digit[j]);
    }
    for (int h = 0; h < 2; h++) pt_vstore(to->sum[h], sum[h]);
    pt_vstore(to->sum[2], sum[0] + sum[1]);
    for (int p = 0; p < places; p++) {
        __m512i by[2] = {_mm512_setzero_si512(), _mm512_setzero_si512()};
        for (int j = 0; j < 8; j++) by[j / 4] = _mm512_dpbusd_epi32(by[j / 4], zero, _mm512_loadu_si512(to->digit[j][p]));
        for (int h = 0; h < 2; h++) _mm512_storeu_si512(to->bias[h][p], _mm512_sub_epi32(_mm512_setzero_si512(), by[h]));
        _mm512_storeu_si512(to->bias[2][p], _mm512_sub_epi32(_mm512_setzero_si512(), _mm512_add_epi32(by[0], by[1])));
    }
    return true;
}

bool PT_V(pt_vlanes_put)(const pt_gemv_args *g, int places, int64_t group, int64_t block, pt_lane_block *to) { return put(g, places, group, block, to); }

bool PT_V(pt_vlanes)(pt_dtype t) { return kind_of(t).bytes > 0 && pt_isa_level() == PT_ISA_LEVEL_AVX512_VNNI; }
#else
bool PT_V(pt_vlanes)(pt_dtype t)
{
    (void)t;
    return false;
}

bool PT_V(pt_vlanes_put)(const pt_gemv_args *g, int places, int64_t group, int64_t block, pt_lane_block *to)
{
    (void)g, (void)places, (void)group, (void)block, (void)to;
    return false;
}

void PT_V(pt_vlanes_gemm)(const pt_gemv_args *g, int places, const pt_lane_block *blocks, int64_t o0, int64_t o1)
{
    (void)g, (void)places, (void)blocks, (void)o0, (void)o1; /* never called: no type is multiplied so */
}
#endif

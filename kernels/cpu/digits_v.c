#include "kernels/cpu/digits_v.h"

#include "kernels/cpu/digit.h"

#if PT_W == 16
enum { PLACES = 3, BLOCK = PT_DIGIT_BLOCK, BLOCKS = 4, ZERO = 8, MOST = 127 << 16 };
enum { TOGETHER = 2 /* rows of w that share what is loaded of x */ };
enum { AHEAD = 4096 }; /* bytes that are fetched beforehand: a row of a decoding step comes from memory */

/* ---- x to digits ------------------------------------------------------------------------------------------------------------------------------ */

/* One block of x into quad q as its block b. False when it is not finite. */
PT_VNNI_INLINE bool put_block(const float *x, int b, pt_digits *q)
{
    __m512i i[2];
    float unit;
    if (!pt_whole(x, MOST, i, &unit)) return false;
    for (int h = 0; h < 2; h++)
        for (int p = 0; p < PLACES; p++) _mm_storeu_si128((__m128i *)(void *)&q->digit[p][h][16 * b], pt_byte_of(pt_balanced(i[h]), PLACES - 1 - p));
    for (int l = 0; l < 4; l++) q->unit[4 * b + l] = unit;
    q->sum[4 * b] = pt_vsum(pt_vload(x) + pt_vload(x + 16));
    return true;
}

static PT_VNNI bool digits_of(const float *x, int64_t cols, pt_digits *quads)
{
    for (int64_t i = 0; i < cols; i += PT_DIGITS_QUAD, quads++) {
        int blocks = cols - i < PT_DIGITS_QUAD ? (int)(cols - i) / BLOCK : BLOCKS;
        memset(quads, 0, sizeof *quads);
        for (int b = 0; b < blocks; b++)
            if (!put_block(x + i + b * BLOCK, b, quads)) return false;
        __m512i all = _mm512_setzero_si512();
        for (int p = 0; p < PLACES; p++) {
            __m512i sum = _mm512_setzero_si512();
            for (int h = 0; h < 2; h++) sum = _mm512_dpbusd_epi32(sum, _mm512_set1_epi8(ZERO), _mm512_loadu_si512(quads->digit[p][h]));
            all = _mm512_add_epi32(_mm512_slli_epi32(all, 8), sum);
        }
        _mm512_storeu_si512(quads->bias, _mm512_sub_epi32(_mm512_setzero_si512(), all));
    }
    return true;
}

/* ---- four blocks of a row of w, as registers ------------------------------------------------------------------------------------------------------ */

typedef struct quad {
    __m512i q[2]; /* nibbles as bytes, in the order of pt_digits */
    pt_vf scale, min; /* min: that of q - 8 */
} quad;

/* The first `words` 4-byte words at w, zeros behind; none behind them is touched. */
PT_VNNI_INLINE __m512i load_words(const uint8_t *w, int words)
{
    return words >= 16 ? _mm512_loadu_si512(w) : _mm512_maskz_loadu_epi32((__mmask16)((1u << (words > 0 ? words : 0)) - 1), w);
}

/* The f16 numbers that stand at words of 2 bytes of v, as floats. */
PT_VNNI_INLINE pt_vf halves_at(__m512i at, __m512i v)
{
    return (pt_vf)_mm512_cvtph_ps(_mm512_castsi512_si256(_mm512_permutexvar_epi16(at, v)));
}

PT_VNNI_INLINE void nibbles(__m512i v, quad *to)
{
    const __m512i low = _mm512_set1_epi8(15);
    to->q[0] = _mm512_and_si512(v, low);
    to->q[1] = _mm512_and_si512(_mm512_srli_epi16(v, 4), low);
}

/* 20 bytes a block: scale, minimum, nibbles. */
PT_VNNI_INLINE void load_q4_1(const uint8_t *w, int blocks, quad *to)
{
    const __m512i lanes = _mm512_setr_epi32(0, 0, 0, 0, 2, 3, 4, 5, 7, 8, 9, 10, 12, 13, 14, 15);
    const __m512i d = _mm512_castsi256_si512(_mm256_setr_epi16(0, 0, 0, 0, 10, 10, 10, 10, 20, 20, 20, 20, 30, 30, 30, 30));
    __m512i head = load_words(w, 5 * blocks), body = load_words(w + 16, 5 * blocks - 4);
    nibbles(_mm512_mask_broadcast_i32x4(_mm512_permutexvar_epi32(lanes, body), 0xf, _mm_loadu_si128((const __m128i *)(const void *)(w + 4))), to);
    to->scale = halves_at(d, head);
    to->min = pt_vfma(to->scale, pt_vset(ZERO), halves_at(_mm512_add_epi16(d, _mm512_set1_epi16(1)), head));
}

/* 18 bytes a block: scale, nibbles. */
PT_VNNI_INLINE void load_q4_0(const uint8_t *w, int blocks, quad *to)
{
    static const int16_t words[32] = {1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 14, 15, 16, 17, 19, 20, 21, 22, 23, 24, 25, 26, 28, 29, 30, 31, 32, 33, 34, 35};
    const __m512i d = _mm512_castsi256_si512(_mm256_setr_epi16(0, 0, 0, 0, 9, 9, 9, 9, 18, 18, 18, 18, 27, 27, 27, 27));
    __m512i head = _mm512_maskz_loadu_epi16(blocks >= BLOCKS ? 0xffffffff : (__mmask32)((1u << 9 * blocks) - 1), w), tail = _mm512_setzero_si512();
    if (blocks >= BLOCKS) tail = _mm512_castsi128_si512(_mm_loadl_epi64((const __m128i *)(const void *)(w + 64)));
    nibbles(_mm512_permutex2var_epi16(head, _mm512_loadu_si512(words), tail), to);
    to->scale = halves_at(d, head);
}

/* ---- products ----------------------------------------------------------------------------------------------------------------------------------- */

/* Sums of a row of w, by scales and by minima: two, so that neither waits for the other. */
typedef struct sums {
    pt_vf scaled, mins;
} sums;

/* Quads of n rows of w times the quad of x that they share. The three places fit one whole number: 8 products of at most 8 x 127 a lane, times 2^16, are
 * below 2^30; before the bias is added a sum may be past it, but not after: whole numbers wrap. */
PT_VNNI_INLINE void meet_quads(pt_dtype t, const int n, const quad *w, const pt_digits *x, sums *acc)
{
    __m512i c[TOGETHER][PLACES], d[2];
    for (int p = 0; p < PLACES; p++) {
        for (int h = 0; h < 2; h++) d[h] = _mm512_loadu_si512(x->digit[p][h]);
        for (int r = 0; r < n; r++) c[r][p] = _mm512_dpbusd_epi32(_mm512_dpbusd_epi32(_mm512_setzero_si512(), w[r].q[0], d[0]), w[r].q[1], d[1]);
    }
    const __m512i bias = _mm512_loadu_si512(x->bias);
    const pt_vf unit = pt_vload(x->unit), sum = pt_vload(x->sum);
    for (int r = 0; r < n; r++) {
        __m512i high = _mm512_add_epi32(_mm512_slli_epi32(c[r][0], 8), c[r][1]), all = _mm512_add_epi32(_mm512_slli_epi32(high, 8), _mm512_add_epi32(c[r][2], bias));
        acc[r].scaled = pt_vfma((pt_vf)_mm512_cvtepi32_ps(all), w[r].scale * unit, acc[r].scaled);
        if (t == PT_Q4_1) acc[r].mins = pt_vfma(w[r].min, sum, acc[r].mins);
    }
}

PT_VNNI_INLINE void meet_blocks(pt_dtype t, const int n, const uint8_t *w, size_t row, int blocks, const pt_digits *x, sums *acc)
{
    quad q[TOGETHER];
    for (int r = 0; r < n; r++) {
        if (t == PT_Q4_1) load_q4_1(w + (size_t)r * row, blocks, &q[r]);
        else load_q4_0(w + (size_t)r * row, blocks, &q[r]);
    }
    meet_quads(t, n, q, x, acc);
}

/* n rows from o on. */
PT_VNNI_INLINE void meet_rows(pt_dtype t, const int n, const pt_gemv_args *g, const pt_digits *x, int64_t o)
{
    const size_t bytes = pt_dtype_get(t)->bytes * BLOCKS;
    const int64_t whole = g->cols / PT_DIGITS_QUAD;
    const int rest = (int)(g->cols % PT_DIGITS_QUAD) / BLOCK;
    const uint8_t *w = (const uint8_t *)g->w + (size_t)o * g->row_bytes;
    sums acc[TOGETHER] = {{{0}, {0}}};
    for (int64_t k = 0; k < whole; k++, w += bytes) {
        for (int r = 0; r < n; r++)
            for (int line = 0; line < 2; line++) _mm_prefetch((const char *)w + (size_t)r * g->row_bytes + AHEAD + 64 * line, _MM_HINT_T0);
        meet_blocks(t, n, w, g->row_bytes, BLOCKS, x + k, acc);
    }
    if (rest) meet_blocks(t, n, w, g->row_bytes, rest, x + whole, acc);
    for (int r = 0; r < n; r++) {
        const float y = pt_vsum(acc[r].scaled + acc[r].mins);
        g->y[o + r] = g->beta == 0 ? y : g->y[o + r] + y;
    }
}

PT_VNNI_INLINE void meet_all(pt_dtype t, const pt_gemv_args *g, const pt_digits *x, int64_t o0, int64_t o1)
{
    int64_t o = o0;
    for (; o + TOGETHER <= o1; o += TOGETHER) meet_rows(t, TOGETHER, g, x, o);
    for (; o < o1; o++) meet_rows(t, 1, g, x, o);
}

static PT_VNNI void gemv_q4_1(const pt_gemv_args *g, const pt_digits *x, int64_t o0, int64_t o1) { meet_all(PT_Q4_1, g, x, o0, o1); }
static PT_VNNI void gemv_q4_0(const pt_gemv_args *g, const pt_digits *x, int64_t o0, int64_t o1) { meet_all(PT_Q4_0, g, x, o0, o1); }

bool PT_V(pt_vdigits)(const float *x, int64_t cols, pt_digits *quads)
{
    return pt_isa_level() == PT_ISA_LEVEL_AVX512_VNNI && digits_of(x, cols, quads);
}

void PT_V(pt_vdigits_gemv)(const pt_gemv_args *g, const pt_digits *x, int64_t o0, int64_t o1)
{
    (g->type == PT_Q4_1 ? gemv_q4_1 : gemv_q4_0)(g, x, o0, o1);
}
#else
bool PT_V(pt_vdigits)(const float *x, int64_t cols, pt_digits *quads)
{
    (void)x, (void)cols, (void)quads;
    return false;
}

void PT_V(pt_vdigits_gemv)(const pt_gemv_args *g, const pt_digits *x, int64_t o0, int64_t o1)
{
    (void)g, (void)x, (void)o0, (void)o1; /* never called: no x has become digits */
}
#endif

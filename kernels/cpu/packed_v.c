#include "kernels/cpu/packed_v.h"

#include "kernels/cpu/digit.h"
#include "kernels/cpu/tile.h"

#if PT_W == 16
enum { BLOCK = PT_DIGIT_BLOCK, ROWS = PT_PACKED_ROWS, PLACES = 3, TOGETHER = 4 /* rows of x */, AHEAD = 8192 /* bytes that are fetched beforehand */ };

/* Bytes of a stored block: its head (scale, minimum), its numbers; their middle. */
typedef struct form {
    int head, numbers, zero;
} form;

PT_INLINE form form_of(pt_dtype t)
{
    return t == PT_Q4_0 ? (form){2, 16, 8} : t == PT_Q4_1 ? (form){4, 16, 8} : t == PT_Q8_0 ? (form){2, 32, 128} : (form){0};
}

static size_t heads_bytes(form f, int64_t blocks) { return ((size_t)blocks * ROWS * (size_t)f.head + 63) / 64 * 64; }
static size_t strip_bytes(form f, int64_t blocks) { return heads_bytes(f, blocks) + (size_t)blocks * ROWS * (size_t)f.numbers; }

size_t PT_V(pt_vpacked_bytes)(pt_dtype t, int64_t rows, int64_t cols)
{
    const form f = form_of(t);
    if (!f.head || rows <= 0 || cols <= 0 || pt_isa_level() != PT_ISA_LEVEL_AVX512_VNNI) return 0;
    return (size_t)((rows + ROWS - 1) / ROWS) * strip_bytes(f, cols / BLOCK);
}

void PT_V(pt_vpack)(pt_dtype t, const void *w, size_t row_bytes, int64_t rows, int64_t cols, void *to)
{
    const form f = form_of(t);
    const int64_t blocks = cols / BLOCK;
    for (int64_t r = 0; r < (rows + ROWS - 1) / ROWS * ROWS; r++) {
        const uint8_t *from = (const uint8_t *)w + (size_t)r * row_bytes;
        uint8_t *heads = (uint8_t *)to + (size_t)(r / ROWS) * strip_bytes(f, blocks), *numbers = heads + heads_bytes(f, blocks);
        const int64_t lane = r % ROWS;
        for (int64_t b = 0; b < blocks; b++, from += f.head + f.numbers)
            for (int h = 0; h < f.head; h += 2) {
                uint8_t *head = heads + b * ROWS * f.head + h * ROWS + 2 * lane;
                if (r < rows) memcpy(head, from + h, 2);
                else memset(head, 0, 2);
                for (int j = 0; h == 0 && j < f.numbers; j += 4) {
                    uint32_t four = 0;
                    if (r < rows) memcpy(&four, from + f.head + j, 4);
                    if (t == PT_Q8_0) four ^= 0x80808080;
                    memcpy(numbers + (b * f.numbers + j) * ROWS + 4 * lane, &four, 4);
                }
            }
    }
}

static PT_VNNI bool put(pt_dtype t, const float *x, int64_t cols, pt_packed_x *to)
{
    const __m512i zero = _mm512_set1_epi8((char)form_of(t).zero);
    for (int64_t k = 0; k < cols; k += BLOCK, to++) {
        __m512i i[2];
        if (!pt_whole(x + k, 127 << 16, i, &to->unit)) return false;
        __m256i by[PLACES]; /* sums of four digits each; then all three are folded together */
        for (int h = 0; h < 2; h++) i[h] = pt_balanced(i[h]);
        for (int p = 0; p < PLACES; p++) {
            const __m256i digit = _mm256_inserti128_si256(_mm256_castsi128_si256(pt_byte_of(i[0], PLACES - 1 - p)), pt_byte_of(i[1], PLACES - 1 - p), 1);
            _mm256_storeu_si256((__m256i *)(void *)to->digit[p], digit);
            by[p] = _mm512_castsi512_si256(_mm512_dpbusd_epi32(_mm512_setzero_si512(), zero, _mm512_zextsi256_si512(digit)));
        }
        const __m256i half = _mm256_hadd_epi32(_mm256_hadd_epi32(by[0], by[1]), _mm256_hadd_epi32(by[2], by[2]));
        const __m128i sum = _mm_sub_epi32(_mm_setzero_si128(), _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1)));
        int32_t bias[4];
        _mm_storeu_si128((__m128i *)(void *)bias, sum);
        memcpy(to->bias, bias, sizeof to->bias);
        to->sum = pt_vsum(pt_vload(x + k) + pt_vload(x + k + 16));
    }
    return true;
}

bool PT_V(pt_vpacked_put)(pt_dtype t, const float *x, int64_t cols, pt_packed_x *blocks) { return put(t, x, cols, blocks); }

/* The block's numbers: the vector of elements 4 j .. 4 j + 3 of all rows. */
PT_VNNI_INLINE void numbers_of(pt_dtype t, const uint8_t *w, __m512i u[8])
{
    const __m512i low = _mm512_set1_epi8(15);
    PT_UNROLL(8)
    for (int j = 0; j < 8; j++) {
        if (t == PT_Q8_0) u[j] = _mm512_loadu_si512(w + 64 * j);
        else if (j < 4) u[j] = _mm512_and_si512(_mm512_loadu_si512(w + 64 * j), low);
        else u[j] = _mm512_and_si512(_mm512_srli_epi16(_mm512_loadu_si512(w + 64 * (j - 4)), 4), low);
    }
}

/* acc += a block of 16 rows times one of a row of x. */
PT_VNNI_INLINE pt_vf meet(const __m512i u[8], const pt_packed_x *x, pt_vf scale, pt_vf acc)
{
    __m512i c[PLACES];
    PT_UNROLL(3)
    for (int p = 0; p < PLACES; p++) c[p] = _mm512_set1_epi32(x->bias[p]);
    PT_UNROLL(8)
    for (int j = 0; j < 8; j++) {
        PT_UNROLL(3)
        for (int p = 0; p < PLACES; p++) {
            int32_t four;
            memcpy(&four, &x->digit[p][4 * j], 4);
            c[p] = _mm512_dpbusd_epi32(c[p], u[j], _mm512_set1_epi32(four));
        }
    }
    pt_vf f = (pt_vf)_mm512_cvtepi32_ps(_mm512_add_epi32(_mm512_slli_epi32(c[1], 8), c[2]));
    f = pt_vfma((pt_vf)_mm512_cvtepi32_ps(c[0]), pt_vset(65536), f);
    return pt_vfma(f, scale * pt_vset(x->unit), acc);
}

/* A strip times n rows of x. */
PT_VNNI_INLINE void strip(pt_dtype t, const int n, const pt_gemv_args *g, const pt_packed_x *x, int64_t s, int r0, __mmask16 live)
{
    const form f = form_of(t);
    const int64_t blocks = g->cols / BLOCK;
    const uint8_t *head = (const uint8_t *)g->w + (size_t)s * strip_bytes(f, blocks), *w = head + heads_bytes(f, blocks), *next = head + AHEAD;
    pt_vf acc[TOGETHER], mins[TOGETHER];
    for (int r = 0; r < n; r++) acc[r] = mins[r] = pt_vset(0);
    for (int64_t b = 0; b < blocks; b++, head += ROWS * f.head, w += ROWS * f.numbers) {
        for (const uint8_t *end = next + ROWS * (f.head + f.numbers); next < end; next += 64) _mm_prefetch((const char *)next, _MM_HINT_T1);
        __m512i u[8];
        numbers_of(t, w, u);
        const pt_vf scale = (pt_vf)_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)head));
        PT_UNROLL(4)
        for (int r = 0; r < n; r++) acc[r] = meet(u, x + r * blocks + b, scale, acc[r]);
        if (t != PT_Q4_1) continue;
        const pt_vf min = pt_vfma(scale, pt_vset((float)f.zero), (pt_vf)_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)(head + 2 * ROWS))));
        PT_UNROLL(4)
        for (int r = 0; r < n; r++) mins[r] = pt_vfma(min, pt_vset(x[r * blocks + b].sum), mins[r]);
    }
    for (int r = 0; r < n; r++) {
        float *y = g->y + (r0 + r) * g->y_ld + s * ROWS;
        __m512 v = (__m512)(acc[r] + mins[r]);
        if (g->beta != 0) v = _mm512_add_ps(v, _mm512_maskz_loadu_ps(live, y));
        _mm512_mask_storeu_ps(y, live, v);
    }
}

PT_VNNI_INLINE void strips(pt_dtype t, const pt_gemv_args *g, const pt_packed_x *x, int64_t o0, int64_t o1)
{
    const int64_t blocks = g->cols / BLOCK;
    for (int64_t o = o0; o < o1; o += ROWS) {
        const __mmask16 live = (__mmask16)(o1 - o >= ROWS ? 0xffff : (1u << (o1 - o)) - 1);
        for (int r = 0; r < g->n; r += TOGETHER) {
            const pt_packed_x *at = x + r * blocks;
            switch (g->n - r) {
            case 1: strip(t, 1, g, at, o / ROWS, r, live); break;
            case 2: strip(t, 2, g, at, o / ROWS, r, live); break;
            case 3: strip(t, 3, g, at, o / ROWS, r, live); break;
            default: strip(t, TOGETHER, g, at, o / ROWS, r, live);
            }
        }
    }
}

static PT_VNNI void strips_q4_0(const pt_gemv_args *g, const pt_packed_x *x, int64_t o0, int64_t o1) { strips(PT_Q4_0, g, x, o0, o1); }
static PT_VNNI void strips_q4_1(const pt_gemv_args *g, const pt_packed_x *x, int64_t o0, int64_t o1) { strips(PT_Q4_1, g, x, o0, o1); }
static PT_VNNI void strips_q8_0(const pt_gemv_args *g, const pt_packed_x *x, int64_t o0, int64_t o1) { strips(PT_Q8_0, g, x, o0, o1); }

void PT_V(pt_vpacked_gemv)(const pt_gemv_args *g, const pt_packed_x *x, int64_t o0, int64_t o1)
{
    (g->type == PT_Q4_0 ? strips_q4_0 : g->type == PT_Q4_1 ? strips_q4_1 : strips_q8_0)(g, x, o0, o1);
}
#else
size_t PT_V(pt_vpacked_bytes)(pt_dtype t, int64_t rows, int64_t cols)
{
    (void)t, (void)rows, (void)cols;
    return 0;
}

/* Never called: nothing has a second form. */
void PT_V(pt_vpack)(pt_dtype t, const void *w, size_t row_bytes, int64_t rows, int64_t cols, void *to) { (void)t, (void)w, (void)row_bytes, (void)rows, (void)cols, (void)to; }
bool PT_V(pt_vpacked_put)(pt_dtype t, const float *x, int64_t cols, pt_packed_x *blocks)
{
    (void)t, (void)x, (void)cols, (void)blocks;
    return false;
}
void PT_V(pt_vpacked_gemv)(const pt_gemv_args *g, const pt_packed_x *x, int64_t o0, int64_t o1) { (void)g, (void)x, (void)o0, (void)o1; }
#endif

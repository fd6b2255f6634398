/* What forward and backward of attention share, for files compiled per instruction set: packing, exp2, masks. */
#ifndef PT_KERNELS_ATTENTION_MICRO_H
#define PT_KERNELS_ATTENTION_MICRO_H
#include "kernels/cpu/attention_v.h"
#include "kernels/cpu/tile.h"

PT_INLINE pt_vf top(pt_vf a, pt_vf b) /* b when a is NaN or b is */
{
#if defined(__AVX512F__)
    return (pt_vf)_mm512_max_ps((__m512)a, (__m512)b);
#elif defined(__AVX2__)
    return (pt_vf)_mm256_max_ps((__m256)a, (__m256)b);
#else
    return pt_vmax(a, b);
#endif
}

/* 2^x for x <= 127: n = round(x), 2^(x-n) by our minimax polynomial of degree 6 (1.9e-9 relative); at most 0.95 ulp off, 1.22
 * without FMA. x < -126.5 (AVX-512: -126) gives 0; NaN stays NaN. */
PT_INLINE pt_vf exp2_of(pt_vf x)
{
#if defined(__AVX512F__)
    __m512 round = _mm512_roundscale_ps((__m512)x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    /* no subnormal results: products with them are slow on some processors */
    __mmask16 small = _mm512_cmp_ps_mask((__m512)x, _mm512_set1_ps(-126), _CMP_LT_OQ);
    pt_vf n = (pt_vf)_mm512_mask_mov_ps(round, small, _mm512_set1_ps(-400));
    pt_vf f = (pt_vf)_mm512_mask_mov_ps(_mm512_sub_ps((__m512)x, round), small, _mm512_setzero_ps());
#else
    const pt_vf magic = pt_vset(0x1.8p23f);
    x = top(pt_vset(-127), x);
    pt_vf t = x + magic, n = t - magic, f = x - n;
#endif
    pt_vf p = pt_vset(0.00015345807505664122f);
    p = pt_vfma(p, f, pt_vset(0.001339993118346007f));
    p = pt_vfma(p, f, pt_vset(0.009618488973838973f));
    p = pt_vfma(p, f, pt_vset(0.055503287770767004f));
    p = pt_vfma(p, f, pt_vset(0.24022646890479513f));
    p = pt_vfma(p, f, pt_vset(0.6931472057371983f));
    p = pt_vfma(p, f, pt_vset(1));
#if defined(__AVX512F__)
    return (pt_vf)_mm512_scalef_ps((__m512)p, (__m512)n);
#else
    pt_vi e = ((pt_vi)t + 127) << 23; /* the low bits of t are n; n = -127 gives 0 */
    return p * (pt_vf)e;
#endif
}

/* Row r of the block in a [N, heads*dim] matrix at the group's first head. */
PT_INLINE const float *row_at(const float *base, int64_t ld, const pt_attn_job *j, int32_t q0, int r)
{
    return base + (int64_t)(q0 + r / j->group) * ld + (int64_t)(r % j->group) * j->dim;
}

/* Rows r0 .. r0 + live - 1 by address; the others point at base. */
PT_INLINE void rows_at(const float *at[PT_W], const float *base, int64_t ld, const pt_attn_job *j, int32_t q0, int r0, int live)
{
    for (int i = 0; i < PT_W; i++) at[i] = i < live ? row_at(base, ld, j, q0, r0 + i) : base;
}

/* to[dim][row_pad] = the block's rows, transposed; rows past `rows` up to whole vectors are 0. */
PT_INLINE void pack_transposed(float *to, const float *from, int64_t ld, const pt_attn_job *j, int32_t q0, int rows)
{
    int dim = j->dim;
    int64_t pad = j->row_pad;
    for (int r0 = 0; r0 < rows; r0 += PT_W) {
        const float *src[PT_W];
        int live = rows - r0 < PT_W ? rows - r0 : PT_W, d = 0;
        rows_at(src, from, ld, j, q0, r0, live);
        for (; live == PT_W && d + PT_W <= dim; d += PT_W) {
            pt_vf t[PT_W];
            PT_UNROLL(16)
            for (int i = 0; i < PT_W; i++) t[i] = pt_vload(src[i] + d);
            transpose(t);
            PT_UNROLL(16)
            for (int i = 0; i < PT_W; i++) pt_vstore(to + (d + i) * pad + r0, t[i]);
        }
        for (; d < dim; d++)
            for (int i = 0; i < PT_W; i++) to[d * pad + r0 + i] = i < live ? src[i][d] : 0;
    }
}

/* The block's rows of out = from[dim][row_pad] transposed, row r times factor[r]. */
PT_INLINE void unpack_transposed(float *out, int64_t ld, const float *from, const float *factor, const pt_attn_job *j,
                                 int32_t q0, int rows)
{
    int dim = j->dim;
    int64_t pad = j->row_pad;
    for (int r0 = 0; r0 < rows; r0 += PT_W) {
        const float *to[PT_W];
        int live = rows - r0 < PT_W ? rows - r0 : PT_W, d = 0;
        rows_at(to, out, ld, j, q0, r0, live);
        pt_vf f = pt_vload(factor + r0);
        for (; live == PT_W && d + PT_W <= dim; d += PT_W) {
            pt_vf t[PT_W];
            PT_UNROLL(16)
            for (int i = 0; i < PT_W; i++) t[i] = pt_vload(from + (d + i) * pad + r0) * f;
            transpose(t);
            PT_UNROLL(16)
            for (int i = 0; i < PT_W; i++) pt_vstore((float *)to[i] + d, t[i]);
        }
        for (; d < dim; d++)
            for (int i = 0; i < live; i++) ((float *)to[i])[d] = from[d * pad + r0 + i] * factor[r0 + i];
    }
}

/* ---- scores that are more than scale times a dot product ------------------------------------------------------------ */
static inline bool bends(const pt_attn_job *j)
{
    return j->softcap > 0 || j->slopes;
}

/* The slopes of a panel's rows; 0 for those past the block's `rows`. */
static inline void panel_slopes(float to[PANEL], const pt_attn_job *j, int kv, int r0, int rows)
{
    for (int i = 0; i < PANEL; i++)
        to[i] = j->slopes && r0 + i < rows ? j->slopes[(int64_t)kv * j->group + (r0 + i) % j->group] : 0;
}

/* The scores of one key from dot products; far = position of the row - of the key. *by_dot: ds / d(scale * dot). */
PT_INLINE pt_vf bend(const pt_attn_job *j, pt_vf dot, pt_vf slope, pt_vi far, pt_vf *by_dot)
{
    pt_vf s = dot * pt_vset(j->scale), one = pt_vset(1);
    *by_dot = one;
    if (j->softcap > 0) {
        pt_vf t = pt_vtanh(s / pt_vset(j->softcap));
        s = pt_vset(j->softcap) * t;
        *by_dot = one - t * t;
    }
    return j->slopes ? s - slope * __builtin_convertvector(far, pt_vf) : s;
}

/* ---- which rows of a panel see a key ------------------------------------------------------------------------------- */
/* Of every row: its token and position; rows past the block have token -1. [row_pad] each. */
typedef struct rows_info {
    int32_t *token, *pos;
} rows_info;

PT_INLINE void fill_rows(rows_info *info, const pt_attn_job *j, int32_t q0, int rows)
{
    for (int r = 0; r < j->row_pad; r++) {
        int32_t t = q0 + r / j->group;
        info->token[r] = r < rows ? t : -1;
        info->pos[r] = r < rows ? j->forest->positions[t] : 0;
    }
}

typedef enum sight { SEE_NONE, SEE_SOME, SEE_ALL } sight;
/* What rows [r0, r1) see of a tile. */
static inline sight panel_sight(const pt_attn_job *j, const pt_attn_tile *t, const rows_info *info, int r0, int r1)
{
    int32_t t0 = info->token[r0], t1 = info->token[r1 - 1] + 1, window = j->forest->window;
    if (t->k0 >= t1 || t->end_max <= t0) return SEE_NONE;
    bool all = t->k1 - 1 <= t0 && t->end_min >= t1;
    if (window) {
        int32_t low = info->pos[r0], high = low;
        for (int r = r0 + 1; r < r1; r++) {
            low = info->pos[r] < low ? info->pos[r] : low;
            high = info->pos[r] > high ? info->pos[r] : high;
        }
        if (low - t->pos_max >= window) return SEE_NONE;
        all = all && high - t->pos_min < window;
    }
    return all ? SEE_ALL : SEE_SOME;
}

/* Keys [lo, hi) of the tile hold all that tokens [t0, t1) of the block see: not the later ones, nor subtrees that ended before.
 */
static inline void clip_keys(const pt_attn_job *j, const pt_attn_tile *t, int32_t t0, int32_t t1, int32_t *lo, int32_t *hi)
{
    *lo = t->k0;
    *hi = t->k1 < t1 ? t->k1 : t1;
    while (*lo < *hi && pt_forest_end_of(j->forest, *lo) <= t0) ++*lo;
}

/* Lanes that see key `key`, all bits set where true. */
PT_INLINE pt_vi sees(const pt_forest *f, int32_t key, pt_vi token, pt_vi pos)
{
    int32_t end = pt_forest_end_of(f, key), limit = INT32_MAX;
    if (f->window && f->positions[key] <= INT32_MAX - f->window) limit = f->positions[key] + f->window;
    pt_vi lanes = {0};
    return (token >= lanes + key) & (token < lanes + end) & (pos < lanes + limit);
}

PT_INLINE pt_vi load_ints(const int32_t *p)
{
    pt_vi v;
    memcpy(&v, p, sizeof v);
    return v;
}
#endif

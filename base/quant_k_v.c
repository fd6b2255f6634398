/* Blocks of 256 with scales of 6 or 4 bits: q2_k .. q6_k. Layouts: base/quant.h. */
#include "base/quant_write.h"

/* Without importance a group's fit weighs numbers by what is known of them alone, and the block's scales go by the largest; with it the
 * scales of groups are fitted too, weighed by the groups' sums. */
typedef struct affine_type {
    int group;
    float top, scale_top; /* levels of elements, of scales and minima */
    pt_ladder plain, weighed;
    float spread; /* of the weights: times the block's mean square */
} affine_type;

static const affine_type q2_k = {16, 3, 15, {-0.5f, 0.1f, 15, 1}, {-0.9f, 0.05f, 36, 0}, 1};
static const affine_type q4_k = {32, 15, 63, {-1.0f, 0.1f, 20, 0}, {-0.9f, 0.05f, 36, 0}, 2};
static const affine_type q5_k = {32, 31, 63, {-0.5f, 0.1f, 15, 0}, {-0.9f, 0.05f, 36, 0}, 2};

/* What fits give: for each group a level of its scale and its minimum, for each element a level. */
typedef struct affine_block {
    uint8_t scale[16], min[16], q[256];
} affine_block;

static void to_bytes(int n, const float *q, float zero, uint8_t *b)
{
    for (int i = 0; i < n; i++) b[i] = (uint8_t)(int32_t)(q[i] + zero);
}

/* Levels 0 .. top of v (none negative) by the largest; the scale. */
static float by_largest(int n, float top, const float *v, float *level)
{
    float most = 0;
    for (int i = 0; i < n; i++) most = v[i] > most ? v[i] : most;
    for (int i = 0; i < n; i++) level[i] = most > 0 ? pt_fit_round(top / most * v[i]) : 0;
    return most / top;
}

PT_FIT bool fit_block(const affine_type *t, int group, const pt_scaled *s, uint8_t *half, affine_block *a)
{
    int groups = 256 / group;
    float scale[16], min[16], sum[16], w[32], q[32], ls[16], lm[16], d, m;
    float mean = pt_mean_square(256, s->x);
    for (int g = 0; g < groups; g++) {
        const float *x = s->x + group * g;
        if (s->weighed) {
            sum[g] = pt_weigh(group, x, s->w + group * g, t->spread * mean, w);
        } else {
            float base = group == 16 ? 0 : sqrtf(pt_mean_square(group, x));
            for (int i = 0; i < group; i++) w[i] = base + fabsf(x[i]);
        }
        scale[g] = pt_fit_affine(group, t->top, x, w, s->weighed ? &t->weighed : &t->plain, q, &min[g]);
    }
    if (s->weighed) {
        d = pt_fit_positive(groups, t->scale_top, scale, sum, ls);
        m = pt_fit_positive(groups, t->scale_top, min, sum, lm);
    } else {
        d = by_largest(groups, t->scale_top, scale, ls);
        m = by_largest(groups, t->scale_top, min, lm);
    }
    bool fits = true;
    float stored_d = pt_put_half_up(half, d, s->exponent, &fits), stored_m = pt_put_half_up(half + 2, m, s->exponent, &fits);
    pt_relevel(groups, 0, t->scale_top, scale, d, stored_d, ls);
    pt_relevel(groups, 0, t->scale_top, min, m, stored_m, lm);
    to_bytes(groups, ls, 0, a->scale);
    to_bytes(groups, lm, 0, a->min);
    for (int g = 0; g < groups; g++) {
        pt_fit_stored(group, 0, t->top, s->x + group * g, stored_d * ls[g], stored_m * lm[g], q);
        to_bytes(group, q, 0, a->q + group * g);
    }
    return fits;
}

/* Two-bit parts of 256 levels in 64 bytes. */
static void put_two_bits(const uint8_t *q, uint8_t *b)
{
    for (int h = 0; h < 2; h++)
        for (int l = 0; l < 32; l++) {
            const uint8_t *p = q + 128 * h + l;
            b[32 * h + l] = (uint8_t)((p[0] & 3) | (p[32] & 3) << 2 | (p[64] & 3) << 4 | (p[96] & 3) << 6);
        }
}

static bool put_q2_k(const pt_scaled *s, uint8_t *b)
{
    affine_block a;
    bool fits = fit_block(&q2_k, 16, s, b + 80, &a);
    for (int g = 0; g < 16; g++) b[g] = (uint8_t)(a.scale[g] | a.min[g] << 4);
    put_two_bits(a.q, b + 16);
    return fits;
}

/* Scales and minima of 6 bits, eight of each in 12 bytes. */
static void put_six_bits(const affine_block *a, uint8_t *b)
{
    for (int j = 0; j < 4; j++) {
        b[j] = (uint8_t)(a->scale[j] | (a->scale[j + 4] >> 4) << 6);
        b[j + 4] = (uint8_t)(a->min[j] | (a->min[j + 4] >> 4) << 6);
        b[j + 8] = (uint8_t)((a->scale[j + 4] & 15) | (a->min[j + 4] & 15) << 4);
    }
}

/* Nibbles of 256 levels in 128 bytes, 64 elements in 32. */
static void put_nibbles(const uint8_t *q, uint8_t *b)
{
    for (int p = 0; p < 4; p++)
        for (int l = 0; l < 32; l++) b[32 * p + l] = (uint8_t)((q[64 * p + l] & 15) | (q[64 * p + 32 + l] & 15) << 4);
}

static bool put_q4_k(const pt_scaled *s, uint8_t *b)
{
    affine_block a;
    bool fits = fit_block(&q4_k, 32, s, b, &a);
    put_six_bits(&a, b + 4);
    put_nibbles(a.q, b + 16);
    return fits;
}

static bool put_q5_k(const pt_scaled *s, uint8_t *b)
{
    affine_block a;
    bool fits = fit_block(&q5_k, 32, s, b, &a);
    put_six_bits(&a, b + 4);
    for (int l = 0; l < 32; l++) {
        int high = 0;
        for (int j = 0; j < 8; j++) high |= (a.q[32 * j + l] >> 4) << j;
        b[16 + l] = (uint8_t)high;
    }
    put_nibbles(a.q, b + 48);
    return fits;
}

/* q3_k: groups of 16 by x^2 (or the importance's weights), 8 levels; scales of 6 signed bits. */
static bool put_q3_k(const pt_scaled *s, uint8_t *b)
{
    float scale[16], sum[16], w[16], q[16], level[16], d, mean = pt_mean_square(256, s->x);
    uint8_t all[256];
    bool fits = true;
    for (int g = 0; g < 16; g++) {
        const float *x = s->x + 16 * g;
        if (s->weighed) {
            sum[g] = pt_weigh(16, x, s->w + 16 * g, 2 * mean, w);
            scale[g] = pt_fit_signed(16, 4, x, w, q);
        } else {
            float top = pt_fit_extreme(16, x);
            for (int i = 0; i < 16; i++) {
                w[i] = x[i] * x[i];
                q[i] = fabsf(top) > PT_FIT_TINY ? pt_fit_clamp(pt_fit_round(-4 / top * x[i]), -4, 3) : 0;
            }
            scale[g] = pt_fit_climb(16, -4, 3, x, w, q);
        }
    }
    if (s->weighed) {
        d = pt_fit_signed(16, 32, scale, sum, level);
    } else {
        float top = pt_fit_extreme(16, scale);
        d = -top / 32;
        for (int g = 0; g < 16; g++) level[g] = d == 0 ? 0 : pt_fit_clamp(pt_fit_round(scale[g] / d), -32, 31);
    }
    float stored = pt_put_half_up(b + 108, d, s->exponent, &fits);
    pt_relevel(16, -32, 31, scale, d, stored, level);
    memset(b, 0, 32);
    memset(b + 96, 0, 12);
    for (int g = 0; g < 16; g++) {
        int l = (int)level[g] + 32;
        b[96 + g % 8] = (uint8_t)(b[96 + g % 8] | (l & 15) << (g < 8 ? 0 : 4));
        b[104 + g % 4] = (uint8_t)(b[104 + g % 4] | (l >> 4) << (2 * (g / 4)));
        pt_fit_stored(16, -4, 3, s->x + 16 * g, stored * level[g], 0, q);
        to_bytes(16, q, 4, all + 16 * g);
    }
    for (int e = 0; e < 256; e++) b[e % 32] = (uint8_t)(b[e % 32] | (all[e] >> 2) << (e / 32));
    put_two_bits(all, b + 32);
    return fits;
}

/* q6_k: groups of 16 by x^2 or the importance alone, 64 levels; scales of 8 signed bits. */
static bool put_q6_k(const pt_scaled *s, uint8_t *b)
{
    float scale[16], level[16], w[16], q[16];
    uint8_t all[256];
    bool fits = true;
    for (int g = 0; g < 16; g++) {
        const float *x = s->x + 16 * g;
        float sum = 0;
        for (int i = 0; i < 16; i++) {
            w[i] = s->weighed ? s->w[16 * g + i] : x[i] * x[i];
            sum += w[i];
        }
        for (int i = 0; i < 16 && !(sum > 1e-30f); i++) w[i] = 1;
        scale[g] = pt_fit_signed(16, 32, x, w, q);
    }
    float d = pt_fit_extreme(16, scale) / -128, stored = pt_put_half_up(b + 208, d, s->exponent, &fits);
    for (int g = 0; g < 16; g++) level[g] = d == 0 ? 0 : pt_fit_clamp(pt_fit_round(scale[g] * (1 / d)), -128, 127);
    pt_relevel(16, -128, 127, scale, d, stored, level);
    for (int g = 0; g < 16; g++) {
        b[192 + g] = (uint8_t)(int8_t)level[g];
        pt_fit_stored(16, -32, 31, s->x + 16 * g, stored * level[g], 0, q);
        to_bytes(16, q, 32, all + 16 * g);
    }
    for (int h = 0; h < 2; h++)
        for (int l = 0; l < 32; l++) {
            const uint8_t *p = all + 128 * h + l;
            b[64 * h + l] = (uint8_t)((p[0] & 15) | (p[64] & 15) << 4);
            b[64 * h + 32 + l] = (uint8_t)((p[32] & 15) | (p[96] & 15) << 4);
            b[128 + 32 * h + l] = (uint8_t)(p[0] >> 4 | (p[32] >> 4) << 2 | (p[64] >> 4) << 4 | (p[96] >> 4) << 6);
        }
    return fits;
}

bool PT_QUANT_V(pt_put_k)(pt_dtype t, const float *x, const float *w, double mean, uint8_t *b)
{
    pt_scaled s;
    pt_scale_block(256, x, w, &s);
    switch (t) {
    case PT_Q2_K: return put_q2_k(&s, b);
    case PT_Q3_K: return put_q3_k(&s, b);
    case PT_Q4_K: return put_q4_k(&s, b);
    case PT_Q5_K: return put_q5_k(&s, b);
    default: return put_q6_k(&s, b);
    }
}

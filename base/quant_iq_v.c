/* Blocks whose levels are values of a table: iq4_nl, iq4_xs (16 values), iq3_s (a codebook of quads). Layouts: base/quant.h. */
#include "base/quant_write.h"
#include "base/quant.h"
#include "base/quant_quads.h"

/* ---- sixteen values ---- */
static const float values[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

/* The nearest values to 32 numbers x inverse (half way: the larger), to v; their places in the table to q where it is asked for. */
PT_FIT void nearest_values(const float *x, float inverse, float *v, float *q)
{
    for (int i = 0; i < 32; i += 8) {
        pt_f8 u = PT_AT8(x + i) * inverse, r = PT_ALL8(values[0]), place = {0};
        for (int k = 1; k < 16; k++) {
            pt_i8 above = u >= 0.5f * (values[k - 1] + values[k]);
            r += (pt_f8)((pt_i8)PT_ALL8(values[k] - values[k - 1]) & above);
            place += (pt_f8)((pt_i8)PT_ALL8(1.0f) & above);
        }
        PT_SET8(v + i, r);
        if (q) PT_SET8(q + i, place);
    }
}

/* y = scale * value for 32 numbers: the largest at either end of the table, then a little off the lower end. */
static float fit_values(const float *x, const float *w)
{
    float top = pt_fit_extreme(32, x), best = 0, scale = 0, v[32];
    if (!(fabsf(top) > PT_FIT_TINY)) return 0;
    for (int k = -8; k <= 7; k++) {
        pt_f8 a = {0}, b = {0};
        nearest_values(x, (k == -8 ? -values[0] : (float)k + values[0]) / top, v, NULL);
        for (int i = 0; i < 32; i += 8) {
            pt_f8 wv = PT_AT8(w + i) * PT_AT8(v + i);
            a += wv * PT_AT8(x + i);
            b += wv * PT_AT8(v + i);
        }
        float sxv = pt_fit_sum(&a), svv = pt_fit_sum(&b);
        if (!(svv > 0 && sxv * sxv > best * svv)) continue;
        scale = sxv / svv;
        best = scale * sxv;
    }
    return scale;
}

static void put_values(const float *x, float d, uint8_t *b)
{
    float v[32], q[32];
    nearest_values(x, d == 0 ? 0 : 1 / d, v, q);
    for (int i = 0; i < 16; i++) b[i] = (uint8_t)((int)q[i] | (int)q[i + 16] << 4);
}

/* Weights of a group: x^2, or by the importance. */
static void weights_of(const pt_scaled *s, int at, float spread, float *w)
{
    if (s->weighed) {
        pt_weigh(32, s->x + at, s->w + at, spread, w);
        return;
    }
    for (int i = 0; i < 32; i++) w[i] = s->x[at + i] * s->x[at + i];
}

static bool put_iq4_nl(const pt_scaled *s, uint8_t *b)
{
    float w[32];
    bool fits = true;
    weights_of(s, 0, 2 * pt_mean_square(32, s->x), w);
    put_values(s->x, pt_put_half(b, fit_values(s->x, w), s->exponent, &fits), b + 2);
    return fits;
}

static bool put_iq4_xs(const pt_scaled *s, uint8_t *b)
{
    float scale[8], w[32], spread = 2 * pt_mean_square(256, s->x);
    bool fits = true;
    for (int g = 0; g < 8; g++) {
        weights_of(s, 32 * g, spread, w);
        scale[g] = fit_values(s->x + 32 * g, w);
    }
    float d = pt_fit_extreme(8, scale) / -32, stored = pt_put_half(b, d, s->exponent, &fits);
    float by = fabsf(stored - d) > 0.01f * fabsf(d) ? stored : d; /* where f16 has few steps, levels are for what is stored */
    memset(b + 2, 0, 6);
    for (int g = 0; g < 8; g++) {
        int l = by == 0 ? 0 : (int)pt_fit_round(pt_fit_clamp(scale[g] / by, -32, 31));
        b[2 + g / 4] = (uint8_t)(b[2 + g / 4] | ((l + 32) >> 4) << (2 * (g % 4)));
        b[4 + g / 2] = (uint8_t)(b[4 + g / 2] | ((l + 32) & 15) << (4 * (g % 2)));
        put_values(s->x + 32 * g, stored * (float)l, b + 8 + 16 * g);
    }
    return fits;
}

/* ---- the codebook of iq3_s ---- */
/* A group of 32: magnitudes, weights, their roots (by which a quad is moved to the codebook). */
typedef struct quads {
    float x[32], w[32], root[32];
} quads;

/* Entry of the codebook for the quad at k, with y = scale (2 v + 1). */
static int entry_of(const pt_quad_map *map, const quads *g, int k, float scale, float inverse, float *y)
{
    const float *x = g->x + 4 * k, *r = g->root + 4 * k;
    int code = 0;
    for (int i = 0; i < 4; i++) code |= (int)pt_fit_clamp(pt_fit_round(0.5f * (x[i] * inverse - 1)), 0, 7) << (3 * i);
    int e = map->entry[code];
    if (e < 0) {
        const uint16_t *near = map->near + map->first[code];
        float best = INFINITY;
        for (int n = map->first[code + 1] - map->first[code]; n > 0; n--, near++) {
            const float *m = map->magnitude[*near];
            float error = 0;
            for (int i = 0; i < 4; i++) {
                float d = scale * m[i] - x[i];
                error += r[i] * d * d;
            }
            if (error < best) best = error, e = *near;
        }
        if (e < 0) e = map->near[map->first[code]];
    }
    memcpy(y, map->magnitude[e], 4 * sizeof *y);
    return e;
}

static void sums(const quads *g, const float *y, float *sxy, float *syy)
{
    pt_f8 a = {0}, b = {0};
    for (int i = 0; i < 32; i += 8) {
        pt_f8 wy = PT_AT8(g->w + i) * PT_AT8(y + i);
        a += wy * PT_AT8(g->x + i);
        b += wy * PT_AT8(y + i);
    }
    *sxy = pt_fit_sum(&a);
    *syy = pt_fit_sum(&b);
}

/* Entries of a group's eight quads; its scale. Distances (15 + k / 5) / largest, |k| <= 9; then once more by the best scale. */
static float fit_quads(const pt_quad_map *map, const quads *g, int *entry)
{
    float top = pt_fit_extreme(32, g->x), best = 0, scale, sxy, syy, y[32];
    for (int k = 0; k < 8; k++) entry[k] = 0;
    if (!(top > PT_FIT_TINY)) return 0;
    scale = top / 15;
    for (int j = -9; j <= 9; j++) {
        float inverse = (15 + 0.2f * (float)j) / top;
        for (int k = 0; k < 8; k++) entry_of(map, g, k, 1 / inverse, inverse, y + 4 * k);
        sums(g, y, &sxy, &syy);
        if (!(syy > 0 && sxy * sxy > best * syy)) continue;
        scale = sxy / syy;
        best = scale * sxy;
    }
    for (int k = 0; k < 8; k++) entry[k] = entry_of(map, g, k, scale, 1 / scale, y + 4 * k);
    sums(g, y, &sxy, &syy);
    return syy > 0 ? sxy / syy : scale;
}

static bool put_iq3_s(const pt_scaled *s, uint8_t *b)
{
    const pt_quad_map *map = pt_quad_map_get();
    float scale[8], most = 0, spread = 2 * pt_mean_square(256, s->x);
    bool fits = true;
    memset(b, 0, 110);
    for (int p = 0; p < 8; p++) {
        quads g;
        int entry[8];
        weights_of(s, 32 * p, spread, g.w);
        for (int i = 0; i < 32; i++) {
            float x = s->x[32 * p + i];
            g.x[i] = fabsf(x);
            g.root[i] = sqrtf(g.w[i]);
            if (x < 0) b[74 + 4 * p + i / 8] = (uint8_t)(b[74 + 4 * p + i / 8] | 1 << (i % 8));
        }
        scale[p] = fit_quads(map, &g, entry);
        most = scale[p] > most ? scale[p] : most;
        for (int k = 0; k < 8; k++) {
            b[2 + 8 * p + k] = (uint8_t)entry[k];
            b[66 + p] = (uint8_t)(b[66 + p] | (entry[k] >> 8) << k);
        }
    }
    /* the scale's steps are odd multiples of d; a little more than the largest needs makes up for what rounding takes from the others */
    float d = most / 31, stored = pt_put_half(b, d * 1.033f, s->exponent, &fits);
    float by = fabsf(stored - d * 1.033f) > 0.01f * d ? stored : d;
    for (int p = 0; p < 8; p++) {
        int l = by == 0 ? 0 : (int)pt_fit_clamp(pt_fit_round(0.5f * (pt_fit_clamp(scale[p] / by, 0, 64) - 1)), 0, 15);
        b[106 + p / 2] = (uint8_t)(b[106 + p / 2] | l << (4 * (p % 2)));
    }
    return fits;
}

bool PT_QUANT_V(pt_put_iq)(pt_dtype t, const float *x, const float *w, double mean, uint8_t *b)
{
    pt_scaled s;
    pt_scale_block(t == PT_IQ4_NL ? 32 : 256, x, w, &s);
    return t == PT_IQ4_NL ? put_iq4_nl(&s, b) : t == PT_IQ4_XS ? put_iq4_xs(&s, b) : put_iq3_s(&s, b);
}

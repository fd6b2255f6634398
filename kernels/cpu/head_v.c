#include "kernels/cpu/head_v.h"

#include "kernels/cpu/vec.h"

void PT_V(pt_vhead_transform)(float *z, int64_t n, float softcap, float temperature)
{
    for (int64_t i = 0; i < n; i += PT_W) {
        int64_t now = n - i < PT_W ? n - i : PT_W;
        pt_vf v = now == PT_W ? pt_vload(z + i) : pt_vload_part(z + i, now, 0);
        if (softcap > 0) v = pt_vset(softcap) * pt_vtanh(v / pt_vset(softcap));
        v = v / pt_vset(temperature);
        pt_vstore_part(z + i, v, now);
    }
}

void PT_V(pt_vhead_part)(float *z, int64_t n, float softcap, float temperature, pt_head_part *out)
{
    if (softcap > 0 || temperature != 1) PT_V(pt_vhead_transform)(z, n, softcap, temperature);
    int64_t whole = n / PT_W * PT_W;
    pt_vf top = pt_vset(-__builtin_inff());
    for (int64_t i = 0; i < whole; i += PT_W) top = pt_vmax(top, pt_vload(z + i));
    if (whole < n) top = pt_vmax(top, pt_vload_part(z + whole, n - whole, -__builtin_inff()));
    float max = pt_vtop(top);
    pt_vf sum = pt_vset(0), zsum = pt_vset(0), m = pt_vset(max);
    for (int64_t i = 0; i < whole; i += PT_W) {
        pt_vf v = pt_vload(z + i), e = pt_vexp(v - m);
        sum += e;
        zsum = pt_vfma(e, v, zsum);
    }
    if (whole < n) { /* the lanes past the end hold -FLT_MAX: exp gives 0, and 0 times it is 0 */
        pt_vf v = pt_vload_part(z + whole, n - whole, -__FLT_MAX__), e = pt_vexp(v - m);
        sum += e;
        zsum = pt_vfma(e, v, zsum);
    }
    *out = (pt_head_part){max, pt_vsum(sum), pt_vsum(zsum)};
}

int32_t PT_V(pt_vhead_find)(const float *z, int64_t n, float value)
{
    int64_t i = 0;
    while (i < n - 1 && z[i] != value) i++;
    return (int32_t)i;
}

void PT_V(pt_vhead_grad)(float *z, int64_t n, float max, float factor, float softcap, float temperature)
{
    pt_vf m = pt_vset(max), f = pt_vset(factor / temperature), ratio = pt_vset(softcap > 0 ? temperature / softcap : 0);
    for (int64_t i = 0; i < n; i += PT_W) {
        int64_t now = n - i < PT_W ? n - i : PT_W;
        pt_vf v = now == PT_W ? pt_vload(z + i) : pt_vload_part(z + i, now, 0);
        pt_vf t = v * ratio, g = f * pt_vexp(v - m);
        if (softcap > 0) g = g * (pt_vset(1) - t * t);
        if (now == PT_W) pt_vstore(z + i, g);
        else pt_vstore_part(z + i, g, now);
    }
}

/* ---- sums over the vocabulary ---- */

/* Below it exp(-d) - 1 + d is taken from its series, which loses nothing to cancellation. */
#define NEAR 0.25f

/* exp(-d) - 1 + d of |d| < NEAR: d^2/2 - d^3/6 ... through d^7. */
static pt_vf series(pt_vf d)
{
    pt_vf s = pt_vset(-1.0f / 5040);
    s = pt_vfma(s, d, pt_vset(1.0f / 720));
    s = pt_vfma(s, d, pt_vset(-1.0f / 120));
    s = pt_vfma(s, d, pt_vset(1.0f / 24));
    s = pt_vfma(s, d, pt_vset(-1.0f / 6));
    s = pt_vfma(s, d, pt_vset(0.5f));
    return s * d * d;
}

static pt_vi is_near(pt_vf d)
{
    return pt_vmax(d, -d) < pt_vset(NEAR);
}

void PT_V(pt_vhead_sums)(const float *z, const float *zr, int64_t n, const pt_head_soft *s, float *out)
{
    const float past = -__FLT_MAX__; /* of the lanes past the end: their p and q are 0 */
    pt_vf squares = pt_vset(0), kl = pt_vset(0), max = pt_vset(s->max), inv = pt_vset(s->inv);
    for (int64_t i = 0; i < n; i += PT_W) {
        int64_t now = n - i < PT_W ? n - i : PT_W;
        pt_vf v = now == PT_W ? pt_vload(z + i) : pt_vload_part(z + i, now, past), p = pt_vexp(v - max) * inv;
        squares = pt_vfma(p, p, squares);
        if (!zr) continue;
        /* sum p log(p/q) = sum (q - p + p d), d = log(p/q): no term is negative, so the small sum of near distributions is not lost in large ones */
        pt_vf r = now == PT_W ? pt_vload(zr + i) : pt_vload_part(zr + i, now, past), q = pt_vexp(r - pt_vset(s->max_r)) * pt_vset(s->inv_r);
        pt_vf d = v - r - pt_vset(s->shift), a = s->reverse ? q : p, b = s->reverse ? p : q, e = s->reverse ? -d : d;
        kl += pt_vpick(is_near(e), a * series(e), b - a + a * e);
    }
    out[0] = pt_vsum(squares);
    out[1] = pt_vsum(kl);
}

void PT_V(pt_vhead_sums_grad)(float *z, const float *zr, int64_t n, const pt_head_soft *s, const pt_head_slopes *k, float softcap, float temperature)
{
    pt_vf max = pt_vset(s->max), inv = pt_vset(s->inv), scale = pt_vset(1 / temperature), ratio = pt_vset(softcap > 0 ? temperature / softcap : 0);
    for (int64_t i = 0; i < n; i += PT_W) {
        int64_t now = n - i < PT_W ? n - i : PT_W;
        pt_vf v = now == PT_W ? pt_vload(z + i) : pt_vload_part(z + i, now, 0), below = v - max, p = pt_vexp(below) * inv;
        pt_vf u = -pt_vset(k->total) - pt_vset(k->dentropy) * (below - pt_vset(s->log_sum) + pt_vset(k->entropy)) +
                  pt_vset(2 * k->dsquares) * (p - pt_vset(k->squares));
        pt_vf g = p * u;
        if (zr) {
            pt_vf r = now == PT_W ? pt_vload(zr + i) : pt_vload_part(zr + i, now, 0), q = pt_vexp(r - pt_vset(s->max_r)) * pt_vset(s->inv_r);
            pt_vf d = v - r - pt_vset(s->shift), apart = pt_vpick(is_near(d), p * (d - series(d)), p - q); /* p - q */
            g += pt_vset(k->dkl) * (s->reverse ? apart : p * (d - pt_vset(k->kl)));
        }
        g *= scale;
        if (softcap > 0) g *= pt_vset(1) - v * ratio * (v * ratio);
        if (now == PT_W) pt_vstore(z + i, g);
        else pt_vstore_part(z + i, g, now);
    }
}

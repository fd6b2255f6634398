/* Blocks of 32 with importance: q4_0, q5_0 (a signed fit), q4_1, q5_1 (an affine one). Without it base/quant.c writes them. */
#include "base/quant_write.h"

/* Levels 0 .. 31: nibbles at qs, fifth bits (where asked) in 4 bytes at qh. */
static void put_levels(const float *q, float zero, uint8_t *qs, uint8_t *qh)
{
    for (int i = 0; i < 16; i++) qs[i] = (uint8_t)(((int)(q[i] + zero) & 15) | ((int)(q[i + 16] + zero) & 15) << 4);
    if (!qh) return;
    memset(qh, 0, 4);
    for (int i = 0; i < 32; i++) qh[i / 8] = (uint8_t)(qh[i / 8] | ((int)(q[i] + zero) >> 4) << (i % 8));
}

/* True where f16 keeps a number to its precision: then levels stay those of the fit, as ggml's do. Near its smallest it keeps another, which wants its own. */
static bool kept(float wanted, float stored)
{
    return fabsf(stored - wanted) <= 0x1p-10f * fabsf(wanted);
}

bool PT_QUANT_V(pt_put_32)(pt_dtype t, const float *x, const float *w, double mean, uint8_t *b)
{
    static const pt_ladder ladder = {-0.9f, 0.05f, 36, 0};
    pt_scaled s;
    float v[32], q[32], min, want, d, low;
    bool fits = true, five = t == PT_Q5_0 || t == PT_Q5_1;
    pt_scale_block(32, x, w, &s);
    double spread = ldexp(mean, -2 * s.exponent);
    pt_weigh(32, s.x, s.w, spread < 1e30 ? (float)spread : 1e30f, v);
    if (t == PT_Q4_0 || t == PT_Q5_0) {
        float half = five ? 16 : 8;
        want = pt_fit_signed(32, half, s.x, v, q);
        d = pt_put_half_up(b, want, s.exponent, &fits);
        if (!kept(want, d)) pt_fit_stored(32, -half, half - 1, s.x, d, 0, q);
        put_levels(q, half, b + (five ? 6 : 2), five ? b + 2 : NULL);
    } else {
        float top = five ? 31 : 15;
        want = pt_fit_affine(32, top, s.x, v, &ladder, q, &min);
        d = pt_put_half_up(b, want, s.exponent, &fits);
        low = pt_put_half(b + 2, -min, s.exponent, &fits);
        if (!kept(want, d) || !kept(-min, low)) pt_fit_stored(32, 0, top, s.x, d, -low, q);
        put_levels(q, 0, b + (five ? 8 : 4), five ? b + 4 : NULL);
    }
    return fits;
}

#include "kernels/cpu/adam_v.h"

#include <math.h>

void PT_V(pt_vadamw)(const pt_adamw_step *s, int64_t n, float *restrict p, float *restrict m, float *restrict v, const float *restrict g)
{
    const pt_adamw_step k = *s;
    for (int64_t i = 0; i < n; i++) {
        float gi = k.clip * g[i], pi = p[i] - k.decay * p[i];
        float mi = k.beta1 * m[i] + k.rest1 * gi, vi = k.beta2 * v[i] + k.rest2 * gi * gi;
        m[i] = mi;
        v[i] = vi;
        p[i] = pi - k.rate * mi / (sqrtf(vi) / k.root2 + k.eps);
    }
}

double PT_V(pt_vsumsq)(const float *x, int64_t n)
{
    enum { LANES = 16 };
    double s[LANES] = {0};
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int l = 0; l < LANES; l++) s[l] += (double)x[i + l] * (double)x[i + l];
    for (int l = 0; i < n; i++, l++) s[l] += (double)x[i] * (double)x[i];
    for (int w = LANES / 2; w; w /= 2)
        for (int l = 0; l < w; l++) s[l] += s[l + w];
    return s[0];
}

#include <math.h>

#include "kernels/cpu/rows.h"
#include "kernels/cpu/vec.h"

/* sum_i a[i]*b[i] (* w[i] when given): four running vectors, so that the sum is not one long chain */
static inline float dot(const float *a, const float *b, const float *w, int64_t n)
{
    pt_vf s[4] = {pt_vset(0), pt_vset(0), pt_vset(0), pt_vset(0)};
    int64_t i = 0;
    for (; i + 4 * PT_W <= n; i += 4 * PT_W)
        for (int k = 0; k < 4; k++) {
            pt_vf x = pt_vload(a + i + k * PT_W);
            if (w) x *= pt_vload(w + i + k * PT_W);
            s[k] = pt_vfma(x, pt_vload(b + i + k * PT_W), s[k]);
        }
    for (; i < n; i += PT_W) {
        int64_t m = n - i < PT_W ? n - i : PT_W;
        pt_vf x = pt_vload_part(a + i, m, 0);
        if (w) x *= pt_vload_part(w + i, m, 0);
        s[0] = pt_vfma(x, pt_vload_part(b + i, m, 0), s[0]);
    }
    return pt_vsum((s[0] + s[1]) + (s[2] + s[3]));
}

void PT_V(pt_norm_forward)(const pt_norm_rows *j, int64_t r0, int64_t r1)
{
    int64_t n = j->cols;
    for (int64_t r = r0; r < r1; r++) {
        const float *h = j->x + r * j->ld_x;
        if (j->add) {
            const float *x = h, *add = j->add + r * j->ld_add;
            float *sum = j->h + r * j->ld_h;
            for (int64_t i = 0; i < n; i++) sum[i] = x[i] + add[i];
            h = sum;
        }
        float rstd = 1 / sqrtf(dot(h, h, NULL, n) / (float)n + j->eps);
        if (j->rstd) j->rstd[r] = rstd;
        if (!j->y) continue;
        float *y = j->y + r * j->ld_y;
        for (int64_t i = 0; i < n; i++) y[i] = h[i] * rstd * j->w[i];
    }
}

/* dw += dy*h*rstd before dx is written: dx may lie on dy */
static void backward_row(float *dx, const float *dy, const float *dres, const float *h, const float *w, float *dw, int64_t n,
                         float rstd, float mean)
{
    float k = rstd * rstd * mean;
    if (dw)
        for (int64_t i = 0; i < n; i++) dw[i] += dy[i] * h[i] * rstd;
    if (dres)
        for (int64_t i = 0; i < n; i++) dx[i] = rstd * (dy[i] * w[i] - h[i] * k) + dres[i];
    else
        for (int64_t i = 0; i < n; i++) dx[i] = rstd * (dy[i] * w[i] - h[i] * k);
}

void PT_V(pt_norm_backward)(const pt_norm_bwd_rows *j, int64_t r0, int64_t r1, float *dw)
{
    int64_t n = j->cols;
    if (dw)
        for (int64_t i = 0; i < n; i++) dw[i] = 0;
    for (int64_t r = r0; r < r1; r++) {
        const float *dy = j->dy + r * j->ld_dy, *h = j->h + r * j->ld_h;
        float mean = dot(dy, h, j->w, n) / (float)n;
        backward_row(j->dx + r * j->ld_dx, dy, j->dres ? j->dres + r * j->ld_dres : NULL, h, j->w, dw, n, j->rstd[r], mean);
    }
}

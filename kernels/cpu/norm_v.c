#include <math.h>

#include "kernels/cpu/rows.h"
#include "kernels/cpu/vec.h"

/* sum_i a[i]*b[i] (* w[i] when given): four running vectors, so that the sum is not one long chain */
static inline __attribute__((always_inline)) float dot(const float *a, const float *b, const float *w, int64_t n)
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

/* sum_i a[i] */
static inline float total(const float *a, int64_t n)
{
    pt_vf s[4] = {pt_vset(0), pt_vset(0), pt_vset(0), pt_vset(0)};
    int64_t i = 0;
    for (; i + 4 * PT_W <= n; i += 4 * PT_W)
        for (int k = 0; k < 4; k++) s[k] += pt_vload(a + i + k * PT_W);
    for (; i < n; i += PT_W) s[0] += pt_vload_part(a + i, n - i < PT_W ? n - i : PT_W, 0);
    return pt_vsum((s[0] + s[1]) + (s[2] + s[3]));
}

/* sum_i (a[i] - m)^2 */
static inline float spread(const float *a, float m, int64_t n)
{
    pt_vf s[4] = {pt_vset(0), pt_vset(0), pt_vset(0), pt_vset(0)}, mv = pt_vset(m);
    int64_t i = 0;
    for (; i + 4 * PT_W <= n; i += 4 * PT_W)
        for (int k = 0; k < 4; k++) {
            pt_vf d = pt_vload(a + i + k * PT_W) - mv;
            s[k] = pt_vfma(d, d, s[k]);
        }
    for (; i < n; i += PT_W) {
        pt_vf d = pt_vload_part(a + i, n - i < PT_W ? n - i : PT_W, m) - mv;
        s[0] = pt_vfma(d, d, s[0]);
    }
    return pt_vsum((s[0] + s[1]) + (s[2] + s[3]));
}

/* Row r of what is normalised: x, or h = x + add_scale * add. */
static inline const float *summed_row(const pt_norm_rows *j, int64_t r)
{
    const float *x = j->x + r * j->ld_x;
    if (!j->add) return x;
    const float *add = j->add + r * j->ld_add;
    float *sum = j->h + r * j->ld_h, k = j->add_scale;
    for (int64_t i = 0; i < j->cols; i++) sum[i] = x[i] + k * add[i];
    return sum;
}

void PT_V(pt_norm_forward)(const pt_norm_rows *j, int64_t r0, int64_t r1)
{
    int64_t n = j->cols;
    for (int64_t r = r0; r < r1; r++) {
        const float *h = summed_row(j, r);
        float rstd = 1 / sqrtf(dot(h, h, NULL, n) / (float)n + j->eps);
        if (j->rstd) j->rstd[r] = rstd;
        if (!j->y) continue;
        float *y = j->y + r * j->ld_y;
        for (int64_t i = 0; i < n; i++) y[i] = h[i] * rstd * j->w[i];
    }
}

void PT_V(pt_layer_forward)(const pt_norm_rows *j, int64_t r0, int64_t r1)
{
    int64_t n = j->cols;
    for (int64_t r = r0; r < r1; r++) {
        const float *h = summed_row(j, r), *w = j->w, *b = j->b;
        float mean = total(h, n) / (float)n, rstd = 1 / sqrtf(spread(h, mean, n) / (float)n + j->eps);
        if (j->mean) j->mean[r] = mean;
        if (j->rstd) j->rstd[r] = rstd;
        if (!j->y) continue;
        float *y = j->y + r * j->ld_y;
        for (int64_t i = 0; i < n; i++) y[i] = (h[i] - mean) * rstd * w[i] + b[i];
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

/* along = sum_i dy[i]*w[i]*(h[i] - m), plain = sum_i dy[i]*w[i] */
static inline float layer_sums(const float *dy, const float *w, const float *h, float m, int64_t n, float *plain)
{
    pt_vf s[2] = {pt_vset(0), pt_vset(0)}, p[2] = {pt_vset(0), pt_vset(0)}, mv = pt_vset(m);
    int64_t i = 0;
    for (; i + 2 * PT_W <= n; i += 2 * PT_W)
        for (int k = 0; k < 2; k++) {
            pt_vf g = pt_vload(dy + i + k * PT_W) * pt_vload(w + i + k * PT_W);
            p[k] += g;
            s[k] = pt_vfma(g, pt_vload(h + i + k * PT_W) - mv, s[k]);
        }
    for (; i < n; i += PT_W) {
        int64_t part = n - i < PT_W ? n - i : PT_W;
        pt_vf g = pt_vload_part(dy + i, part, 0) * pt_vload_part(w + i, part, 0);
        p[0] += g;
        s[0] = pt_vfma(g, pt_vload_part(h + i, part, m) - mv, s[0]);
    }
    *plain = pt_vsum(p[0] + p[1]);
    return pt_vsum(s[0] + s[1]);
}

void PT_V(pt_layer_backward)(const pt_norm_bwd_rows *j, int64_t r0, int64_t r1, float *dw, float *db)
{
    int64_t n = j->cols;
    for (int64_t i = 0; dw && i < n; i++) dw[i] = 0;
    for (int64_t i = 0; db && i < n; i++) db[i] = 0;
    for (int64_t r = r0; r < r1; r++) {
        const float *dy = j->dy + r * j->ld_dy, *h = j->h + r * j->ld_h, *w = j->w, *dres = j->dres ? j->dres + r * j->ld_dres : NULL;
        float *dx = j->dx + r * j->ld_dx, m = j->mean[r], rstd = j->rstd[r], plain, along = layer_sums(dy, w, h, m, n, &plain);
        float k = rstd * rstd * (along / (float)n);
        plain /= (float)n;
        /* before dx is written: dx may lie on dy */
        for (int64_t i = 0; dw && i < n; i++) dw[i] += dy[i] * ((h[i] - m) * rstd);
        for (int64_t i = 0; db && i < n; i++) db[i] += dy[i];
        if (dres)
            for (int64_t i = 0; i < n; i++) dx[i] = rstd * (dy[i] * w[i] - plain - (h[i] - m) * k) + dres[i];
        else
            for (int64_t i = 0; i < n; i++) dx[i] = rstd * (dy[i] * w[i] - plain - (h[i] - m) * k);
    }
}

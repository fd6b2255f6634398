#include <math.h>

#include "kernels/cpu/attention_micro.h"
#include "kernels/cpu/decode_v.h"

enum { STEP = 4 * PT_W }; /* keys at a time */

/* s[0..PT_W) = c * (k_i . q) for PT_W keys (n of them real; the rest repeat the last) */
static inline void dots(const float *q, const float *k, int64_t ld, int n, int dim, float c, float *s)
{
    pt_vf t[PT_W];
    int64_t at[PT_W];
    for (int i = 0; i < PT_W; i++) {
        at[i] = (i < n ? i : n - 1) * ld;
        t[i] = pt_vset(0);
    }
    int d = 0;
    for (; d + PT_W <= dim; d += PT_W) {
        pt_vf x = pt_vload(q + d);
        PT_UNROLL(16)
        for (int i = 0; i < PT_W; i++) t[i] = pt_vfma(x, pt_vload(k + at[i] + d), t[i]);
    }
    if (d < dim) {
        pt_vf x = pt_vload_part(q + d, dim - d, 0);
        for (int i = 0; i < PT_W; i++) t[i] = pt_vfma(x, pt_vload_part(k + at[i] + d, dim - d, 0), t[i]);
    }
    pt_vstore(s, sums_of(t) * pt_vset(c));
}

/* o = o*shrink + sum_i p[i] * v_i over n keys */
static inline void values(float *o, const float *p, const float *v, int64_t ld, int n, int dim, float shrink)
{
    int d = 0;
    for (; d + 4 * PT_W <= dim; d += 4 * PT_W) {
        pt_vf acc[4];
        PT_UNROLL(4)
        for (int w = 0; w < 4; w++) acc[w] = pt_vload(o + d + w * PT_W) * pt_vset(shrink);
        for (int i = 0; i < n; i++) {
            PT_UNROLL(4)
            for (int w = 0; w < 4; w++) acc[w] = pt_vfma(pt_vset(p[i]), pt_vload(v + i * ld + d + w * PT_W), acc[w]);
        }
        PT_UNROLL(4)
        for (int w = 0; w < 4; w++) pt_vstore(o + d + w * PT_W, acc[w]);
    }
    for (; d < dim; d += PT_W) {
        int m = dim - d < PT_W ? dim - d : PT_W;
        pt_vf acc = pt_vload_part(o + d, m, 0) * pt_vset(shrink);
        for (int i = 0; i < n; i++) acc = pt_vfma(pt_vset(p[i]), pt_vload_part(v + i * ld + d, m, 0), acc);
        pt_vstore_part(o + d, acc, m);
    }
}

/* c * (k_i . q) of n keys from `key` on becomes their scores times log2 e (decode_v.h). */
static void bend_keys(const pt_decode_part *j, int g, int key, int n, float *s)
{
    static const int32_t steps[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    pt_vi lane;
    memcpy(&lane, steps, sizeof lane);
    for (int i = 0; i < n; i += PT_W) {
        pt_vf x = pt_vload(s + i);
        if (j->softcap > 0) x = pt_vset(j->softcap) * pt_vtanh(x / pt_vset(j->softcap));
        if (j->slopes) x = x - pt_vset(j->slopes[g]) * __builtin_convertvector(j->last - key - i - lane, pt_vf);
        pt_vstore(s + i, x * pt_vset(1.44269504088896340736f));
    }
}

/* n rows of dim floats will be wanted soon: a head's rows lie apart, which hides from the processor that they follow each other. */
static inline void fetch(const float *x, int64_t ld, int n, int dim)
{
    for (int i = 0; i < n; i++)
        for (int d = 0; d < dim; d += 16) __builtin_prefetch(x + i * ld + d, 0, 2);
}

void PT_V(pt_decode_keys)(const pt_decode_part *j)
{
    for (int g = 0; g < j->group; g++) {
        j->top[g] = -INFINITY;
        j->sum[g] = 0;
        for (int d = 0; d < j->dim; d++) j->o[(int64_t)g * j->dim + d] = 0;
    }
    fetch(j->k, j->ld_k, j->keys, j->dim);
    fetch(j->v, j->ld_v, j->keys, j->dim);
    for (int key = 0; key < j->keys; key += STEP) {
        int n = j->keys - key < STEP ? j->keys - key : STEP;
        const float *k = j->k + key * j->ld_k, *v = j->v + key * j->ld_v;
        for (int g = 0; g < j->group; g++) {
            float s[STEP], top_before = j->top[g], high = top_before, sum = 0;
            for (int i = 0; i < n; i += PT_W)
                dots(j->q + (int64_t)g * j->dim, k + i * j->ld_k, j->ld_k, n - i < PT_W ? n - i : PT_W, j->dim, j->c, s + i);
            if (j->softcap > 0 || j->slopes) bend_keys(j, g, key, n, s);
            for (int i = 0; i < n; i++) high = s[i] > high ? s[i] : high;
            if (high == -INFINITY) high = 0; /* every score is -inf or NaN: keep inf - inf away */
            for (int i = n; i % PT_W; i++) s[i] = -INFINITY;
            for (int i = 0; i < n; i += PT_W) {
                pt_vf p = exp2_of(pt_vload(s + i) - pt_vset(high));
                pt_vstore(s + i, p);
                sum += pt_vsum(p);
            }
            float shrink = exp2f(top_before - high);
            j->top[g] = high;
            j->sum[g] = j->sum[g] * shrink + sum;
            values(j->o + (int64_t)g * j->dim, s, v, j->ld_v, n, j->dim, shrink);
        }
    }
}

/* Fits of block scales: given n numbers x and their weights w, the scale (and offset) and the whole-number levels whose weighted squared
 * error sum w (x - y)^2 is small. Inlined into base/quant_*_v.c, which are compiled once per instruction set; every sum runs in eight
 * fixed lanes, so that all of them give the same bits.
 *
 * n is 8, 16 or 32 and a constant at the call. x is scaled so that its largest magnitude is below 2; w is finite, none negative, and not
 * all zero. Levels are whole numbers in floats. The searches are those of llama.cpp's quantisers (ggml-quants.c, 2026): the same candidates,
 * so that files of both have the same error. */
#ifndef PT_BASE_QUANT_FIT_H
#define PT_BASE_QUANT_FIT_H
#include <math.h>
#include <stdint.h>
#include <string.h>

#define PT_FIT static inline __attribute__((always_inline))
/* Eight lanes. Vectors are never arguments: without AVX their passing has no fixed convention. */
typedef float pt_f8 __attribute__((vector_size(32)));
typedef int32_t pt_i8 __attribute__((vector_size(32)));
typedef float pt_f8_loose __attribute__((vector_size(32), aligned(4), may_alias));
#define PT_AT8(p) (*(const pt_f8_loose *)(p))
#define PT_SET8(p, v) (*(pt_f8_loose *)(p) = (v))
#define PT_PICK8(mask, yes, no) ((pt_f8)(((pt_i8)(yes) & (mask)) | ((pt_i8)(no) & ~(mask))))
#define PT_MIN8(a, b) PT_PICK8((a) < (b), a, b)
#define PT_MAX8(a, b) PT_PICK8((a) > (b), a, b)
#define PT_ABS8(a) ((pt_f8)((pt_i8)(a) & 0x7fffffff))
/* To the nearest whole number, ties to even; |v| < 2^22. */
#define PT_ROUND8(v) ((v) + 0x1.8p23f - 0x1.8p23f)
#define PT_ALL8(s) ((pt_f8){0} + (s))

/* Numbers this much smaller than the largest of their block are zero. */
#define PT_FIT_TINY 1e-15f

PT_FIT float pt_fit_sum(const pt_f8 *v)
{
    float f[8];
    memcpy(f, v, sizeof f);
    return ((f[0] + f[4]) + (f[2] + f[6])) + ((f[1] + f[5]) + (f[3] + f[7]));
}

PT_FIT float pt_fit_clamp(float v, float lo, float hi)
{
    return v < lo ? lo : v > hi ? hi : v;
}
/* As PT_ROUND8. */
PT_FIT float pt_fit_round(float v)
{
    return v + 0x1.8p23f - 0x1.8p23f;
}

/* Element of the largest magnitude, with its sign (of equal ones the first). */
PT_FIT float pt_fit_extreme(int n, const float *x)
{
    float top = 0;
    for (int i = 0; i < n; i++) top = fabsf(x[i]) > fabsf(top) ? x[i] : top;
    return top;
}

/* Candidates of an affine fit: level distances (top + from + step k) / (largest - offset), k = 0 .. count; `absolute` judges them by
 * sum w |x - y| instead of squares. */
typedef struct pt_ladder {
    float from, step;
    int count;
    int absolute;
} pt_ladder;

/* sum of w |y - x| or w (y - x)^2 with y = scale q + low. */
PT_FIT float pt_fit_error(int n, const float *x, const float *w, const float *q, float scale, float low, int absolute)
{
    pt_f8 sum = {0};
    for (int i = 0; i < n; i += 8) {
        pt_f8 d = PT_AT8(q + i) * scale + low - PT_AT8(x + i);
        d = absolute ? PT_ABS8(d) : d * d;
        sum += PT_AT8(w + i) * d;
    }
    return pt_fit_sum(&sum);
}

/* y = scale q - *min, q = 0 .. top, scale >= 0, *min >= 0. Begins with levels from smallest to largest; each candidate distance gives
 * levels above the best offset so far, and these scale and offset by least squares. */
PT_FIT float pt_fit_affine(int n, float top, const float *x, const float *w, const pt_ladder *l, float *q, float *min)
{
    pt_f8 lo8 = PT_AT8(x), hi8 = lo8, sw8 = {0}, sx8 = {0};
    float lo, hi, sw, sx, scale, low, best, try[32], lane[2][8];
    for (int i = 0; i < n; i += 8) {
        pt_f8 v = PT_AT8(x + i), u = PT_AT8(w + i);
        lo8 = PT_MIN8(v, lo8);
        hi8 = PT_MAX8(v, hi8);
        sw8 += u;
        sx8 += u * v;
    }
    memcpy(lane[0], &lo8, 32);
    memcpy(lane[1], &hi8, 32);
    lo = 0, hi = lane[1][0];
    for (int i = 0; i < 8; i++) {
        lo = lane[0][i] < lo ? lane[0][i] : lo;
        hi = lane[1][i] > hi ? lane[1][i] : hi;
    }
    *min = -lo;
    if (!(hi - lo > PT_FIT_TINY)) {
        memset(q, 0, (size_t)n * sizeof *q);
        return 0;
    }
    sw = pt_fit_sum(&sw8);
    sx = pt_fit_sum(&sx8);
    low = lo; /* hi > low goes on holding: a better offset is below the mean */
    scale = (hi - lo) / top;
    for (int i = 0; i < n; i += 8) {
        pt_f8 v = PT_ROUND8((PT_AT8(x + i) - lo) * (top / (hi - lo)));
        PT_SET8(q + i, PT_MIN8(v, PT_ALL8(top)));
    }
    best = pt_fit_error(n, x, w, q, scale, low, l->absolute);
    for (int k = 0; k <= l->count; k++) {
        float inverse = (l->from + l->step * (float)k + top) / (hi - low); /* from the best offset so far */
        pt_f8 sq8 = {0}, sqq8 = {0}, sxq8 = {0};
        for (int i = 0; i < n; i += 8) {
            pt_f8 v = PT_AT8(x + i), r = PT_ROUND8((v - low) * inverse);
            r = PT_MIN8(r, PT_ALL8(top));
            r = PT_MAX8(r, PT_ALL8(0));
            pt_f8 wr = PT_AT8(w + i) * r;
            PT_SET8(try + i, r);
            sq8 += wr;
            sqq8 += wr * r;
            sxq8 += wr * v;
        }
        float sq = pt_fit_sum(&sq8), sqq = pt_fit_sum(&sqq8), sxq = pt_fit_sum(&sxq8), det = sw * sqq - sq * sq;
        if (!(det > 4e-6f * sw * sqq)) continue; /* the levels that weigh are all the same: no slope follows from them */
        float s = (sw * sxq - sx * sq) / det, b = (sqq * sx - sq * sxq) / det;
        if (b > 0) {
            b = 0;
            s = sxq / sqq;
        }
        if (!(s > 0)) continue;
        float error = pt_fit_error(n, x, w, try, s, b, l->absolute);
        if (error < best) {
            memcpy(q, try, (size_t)n * sizeof *q);
            best = error;
            scale = s;
            low = b;
        }
    }
    *min = -low;
    return scale;
}

/* Levels round(x inverse) within lo .. hi to q; *sxq = sum w x q, *sqq = sum w q^2. */
PT_FIT void pt_fit_levels(int n, float lo, float hi, const float *x, const float *w, float inverse, float *q, float *sxq, float *sqq)
{
    pt_f8 a = {0}, b = {0};
    for (int i = 0; i < n; i += 8) {
        pt_f8 v = PT_AT8(x + i), r = PT_ROUND8(v * inverse);
        r = PT_MIN8(r, PT_ALL8(hi));
        r = PT_MAX8(r, PT_ALL8(lo));
        pt_f8 wr = PT_AT8(w + i) * r;
        PT_SET8(q + i, r);
        a += wr * v;
        b += wr * r;
    }
    *sxq = pt_fit_sum(&a);
    *sqq = pt_fit_sum(&b);
}

/* y = scale q, q = -half .. half - 1; the scale has either sign. Distances (half + k / 10) / largest, |k| <= 9. */
PT_FIT float pt_fit_signed(int n, float half, const float *x, const float *w, float *q)
{
    float top = pt_fit_extreme(n, x), best, scale, sxq, sqq, try[32];
    if (!(fabsf(top) > PT_FIT_TINY)) {
        memset(q, 0, (size_t)n * sizeof *q);
        return 0;
    }
    pt_fit_levels(n, -half, half - 1, x, w, -half / top, q, &sxq, &sqq);
    scale = sqq > 0 ? sxq / sqq : 0;
    best = scale * sxq;
    for (int k = -9; k <= 9; k++) {
        if (k == 0) continue;
        pt_fit_levels(n, -half, half - 1, x, w, -(half + 0.1f * (float)k) / top, try, &sxq, &sqq);
        if (!(sqq > 0 && sxq * sxq > best * sqq)) continue;
        scale = sxq / sqq;
        best = scale * sxq;
        memcpy(q, try, (size_t)n * sizeof *q);
    }
    return scale;
}

/* Moves one level at a time to where the others' scale wants it, as long as that lessens the error; the best scale for the levels. */
PT_FIT float pt_fit_climb(int n, float lo, float hi, const float *x, const float *w, float *q)
{
    float sxq = 0, sqq = 0;
    for (int i = 0; i < n; i++) {
        sxq += w[i] * x[i] * q[i];
        sqq += w[i] * q[i] * q[i];
    }
    for (int round = 0, moved = 1; round < 5 && moved; round++) {
        moved = 0;
        for (int i = 0; i < n; i++) {
            float a = sxq - w[i] * x[i] * q[i], b = sqq - w[i] * q[i] * q[i];
            if (!(a > 0 && b > 0)) continue;
            float to = x[i] * b / a; /* the level at the scale a / b */
            to = to > hi ? hi : to < lo ? lo : pt_fit_round(to);
            if (to == q[i]) continue;
            a += w[i] * x[i] * to;
            b += w[i] * to * to;
            if (!(a * a * sqq > sxq * sxq * b)) continue;
            q[i] = to;
            sxq = a;
            sqq = b;
            moved = 1;
        }
    }
    return sqq > 0 ? sxq / sqq : 0;
}

/* y = scale q for x >= 0, q = 0 .. top: scales and offsets of a block's groups, weighed by their groups. */
PT_FIT float pt_fit_positive(int n, float top, const float *x, const float *w, float *q)
{
    float most = 0, best = INFINITY, inverse = 0;
    for (int i = 0; i < n; i++) most = x[i] > most ? x[i] : most;
    memset(q, 0, (size_t)n * sizeof *q);
    if (!(most > PT_FIT_TINY)) return 0;
    for (int j = 0; j < 9; j++) {
        int k = j == 0 ? 0 : j <= 4 ? j - 5 : j - 4; /* 0, then -4 .. -1, 1 .. 4 */
        float to = (0.1f * (float)k + top) / most, error = 0;
        for (int i = 0; i < n; i++) {
            float r = pt_fit_clamp(pt_fit_round(to * x[i]), 0, top), d = x[i] - r / to;
            error += w[i] * d * d;
        }
        if (error < best) best = error, inverse = to;
    }
    for (int i = 0; i < n; i++) q[i] = pt_fit_clamp(pt_fit_round(inverse * x[i]), 0, top);
    return pt_fit_climb(n, 0, top, x, w, q);
}

/* Levels lo .. hi of (x + low) / d, where d is as it is stored; 0 is within lo .. hi and stands for all where d is 0. */
PT_FIT void pt_fit_stored(int n, float lo, float hi, const float *x, float d, float low, float *q)
{
    float by = d == 0 ? INFINITY : d; /* divided as ggml does it: by 1 / d what stands halfway between two levels goes to the other one */
    for (int i = 0; i < n; i += 8) {
        pt_f8 v = (PT_AT8(x + i) + low) / by;
        v = PT_MIN8(v, PT_ALL8(hi));
        v = PT_MAX8(v, PT_ALL8(lo));
        PT_SET8(q + i, PT_ROUND8(v));
    }
}
#endif

#include "base/quant.h"

#include <math.h>
#include <string.h>

#include "base/quant_write.h"

/* Checks the sizes of a dense rows x cols matrix; *row = bytes of a row. */
static pt_status check_matrix(pt_dtype t, int64_t rows, int64_t cols, size_t *row)
{
    size_t bytes;
    if (t < 0 || t >= PT_DTYPE_COUNT) return pt_fail(PT_EARG, "no number type %d", (int)t);
    if (t != PT_F32 && t != PT_F16 && t != PT_BF16 && !pt_dtype_quantised(t))
        return pt_fail(PT_ENOSUP, "weights are never stored as %s", pt_dtype_get(t)->name);
    if (rows < 0 || cols < 0) return pt_fail(PT_ESHAPE, "a matrix of %lld x %lld", (long long)rows, (long long)cols);
    PT_RETURN(pt_dtype_row_bytes(t, (size_t)cols, row));
    if (__builtin_mul_overflow(*row, (size_t)rows, &bytes) || __builtin_mul_overflow((size_t)rows, (size_t)cols * 4, &bytes))
        return pt_fail(PT_ESHAPE, "a matrix of %lld x %lld overflows", (long long)rows, (long long)cols);
    return PT_OK;
}

pt_status pt_dequant_rows(pt_dtype t, const void *src, int64_t rows, int64_t cols, float *dst)
{
    size_t row;
    PT_RETURN(check_matrix(t, rows, cols, &row));
    if (rows && cols) pt_dequant_run(t, src, rows * cols, dst);
    return PT_OK;
}

bool pt_quant_writable(pt_dtype t)
{
    return t == PT_F32 || t == PT_F16 || t == PT_BF16 || pt_dtype_quantised(t);
}

/* 1/d, or 0 where the block is all zero or so small that 1/d overflows (its f16 scale is 0 then in any case). */
static float inverse(float d)
{
    float id = d == 0 ? 0 : 1 / d;
    return isfinite(id) ? id : 0;
}

/* Truncates to 0..top; x is finite. */
static uint8_t level(float x, int top)
{
    return x <= 0 ? 0 : x >= (float)top ? (uint8_t)top : (uint8_t)x;
}

/* d = max|x| / 127; q = round half away(x / d) */
static bool put_q8_0(const float *x, uint8_t *b)
{
    float top = 0;
    for (int i = 0; i < 32; i++) top = fabsf(x[i]) > top ? fabsf(x[i]) : top;
    float d = top / 127, id = inverse(d);
    pt_put_u16(b, pt_f32_to_f16(d));
    for (int i = 0; i < 32; i++) b[2 + i] = (uint8_t)(int8_t)roundf(x[i] * id);
    return isfinite(pt_f16_bytes(b));
}

/* Stores 32 levels: low nibbles in 16 bytes at qs, fifth bits (when asked) in 4 bytes at qh. */
static void pack_levels(const uint8_t *q, uint8_t *qs, uint8_t *qh)
{
    for (int i = 0; i < 16; i++) qs[i] = (uint8_t)((q[i] & 15) | q[i + 16] << 4);
    if (!qh) return;
    memset(qh, 0, 4);
    for (int i = 0; i < 32; i++) qh[i / 8] |= (uint8_t)((q[i] >> 4) << (i % 8));
}

/* d = (the element of largest magnitude, with its sign) / -half; q = trunc(x / d + half + 0.5) */
static bool put_symmetric(const float *x, uint8_t *b, int half)
{
    float top = x[0];
    uint8_t q[32];
    for (int i = 1; i < 32; i++) top = fabsf(x[i]) > fabsf(top) ? x[i] : top;
    float d = top / (float)-half, id = inverse(d), offset = (float)half + 0.5f;
    pt_put_u16(b, pt_f32_to_f16(d));
    for (int i = 0; i < 32; i++) q[i] = level(x[i] * id + offset, 2 * half - 1);
    pack_levels(q, half == 8 ? b + 2 : b + 6, half == 8 ? NULL : b + 2);
    return isfinite(pt_f16_bytes(b));
}

/* d = (max - min) / top, m = min; q = trunc((x - min) / d + 0.5) */
static bool put_affine(const float *x, uint8_t *b, int top)
{
    float lo = x[0], hi = x[0];
    uint8_t q[32];
    for (int i = 1; i < 32; i++) {
        lo = x[i] < lo ? x[i] : lo;
        hi = x[i] > hi ? x[i] : hi;
    }
    float d = (hi - lo) / (float)top, id = inverse(d);
    pt_put_u16(b, pt_f32_to_f16(d));
    pt_put_u16(b + 2, pt_f32_to_f16(lo));
    if (!isfinite(pt_f16_bytes(b)) || !isfinite(pt_f16_bytes(b + 2))) return false;
    for (int i = 0; i < 32; i++) q[i] = level((x[i] - lo) * id + 0.5f, top);
    pack_levels(q, top == 15 ? b + 4 : b + 8, top == 15 ? NULL : b + 4);
    return true;
}

static bool put_block(pt_dtype t, const float *x, uint8_t *b)
{
    switch (t) {
    case PT_Q8_0: return put_q8_0(x, b);
    case PT_Q4_0: return put_symmetric(x, b, 8);
    case PT_Q5_0: return put_symmetric(x, b, 16);
    case PT_Q4_1: return put_affine(x, b, 15);
    case PT_Q5_1: return put_affine(x, b, 31);
    default: pt_put_u16(b, pt_f32_to_f16(*x)); return isfinite(pt_f16_bytes(b));
    }
}

/* The writer of the processor's instruction set. */
#if defined(__x86_64__)
#define PICK(name) (level == 2 ? name##_avx512 : level == 1 ? name##_avx2 : name##_base)
#else
#define PICK(name) name##_base
#endif

static int instruction_set(void)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    bool two = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
    bool five = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd") &&
                __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    return two && five ? 2 : two ? 1 : 0;
#else
    return 0;
#endif
}

/* What one call writes. */
typedef struct job {
    pt_dtype type;
    const float *src, *weights;
    int64_t cols;
    size_t row_bytes;
    unsigned char *dst;
    int level;
} job;

static bool put_any(const job *j, const float *x, const float *w, double mean, uint8_t *b)
{
    int level = j->level;
    switch (j->type) {
    case PT_Q2_K:
    case PT_Q3_K:
    case PT_Q4_K:
    case PT_Q5_K:
    case PT_Q6_K: return PICK(pt_put_k)(j->type, x, w, mean, b);
    case PT_IQ4_NL:
    case PT_IQ4_XS:
    case PT_IQ3_S: return PICK(pt_put_iq)(j->type, x, w, mean, b);
    case PT_Q4_0:
    case PT_Q4_1:
    case PT_Q5_0:
    case PT_Q5_1:
        if (w) return PICK(pt_put_32)(j->type, x, w, mean, b);
        return put_block(j->type, x, b);
    default: return put_block(j->type, x, b);
    }
}

/* Mean of the squares of a row; not finite where a number is not. */
static double mean_square(const float *x, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += (double)x[i] * (double)x[i];
    return sum / (double)n;
}

/* Row r; the column of the first number that cannot be written, or -1. */
static int64_t put_row(const job *j, int64_t r)
{
    const pt_dtype_info *d = pt_dtype_get(j->type);
    const float *x = j->src + r * j->cols;
    uint8_t *b = j->dst + (size_t)r * j->row_bytes;
    double mean = j->weights ? mean_square(x, j->cols) : 0;
    for (int64_t c = 0; c < j->cols; c += d->block, b += d->bytes) {
        for (int64_t i = c; i < c + d->block; i++)
            if (!isfinite(x[i])) return i;
        if (!put_any(j, x + c, j->weights ? j->weights + c : NULL, mean, b)) return c;
    }
    return -1;
}

static pt_status bad_number(const job *j, int64_t row, int64_t col)
{
    const char *name = pt_dtype_get(j->type)->name;
    double v = (double)j->src[row * j->cols + col];
    if (!isfinite(v))
        return pt_fail(PT_ENONFINITE, "row %lld, column %lld is %g: %s cannot hold it", (long long)row, (long long)col, v, name);
    return pt_fail(PT_ENONFINITE, "row %lld, column %lld: numbers near %g are past the range of f16 in %s; write bf16 or f32", (long long)row,
                   (long long)col, v, name);
}

static pt_status check_weights(const float *w, int64_t cols)
{
    for (int64_t c = 0; c < cols; c++)
        if (!(isfinite(w[c]) && w[c] >= 0))
            return pt_fail(PT_ENONFINITE, "the weight of column %lld is %g: weights are finite and none is negative", (long long)c, (double)w[c]);
    return PT_OK;
}

pt_status pt_quant_rows_weighted(pt_dtype t, const float *src, int64_t rows, int64_t cols, const float *weights, void *dst)
{
    job j = {.type = t, .src = src, .cols = cols, .dst = dst, .level = instruction_set()};
    int64_t first = INT64_MAX;
    PT_RETURN(check_matrix(t, rows, cols, &j.row_bytes));
    if (!rows || !cols) return PT_OK;
    if (weights) PT_RETURN(check_weights(weights, cols));
    j.weights = weights;
    if (t == PT_F32) {
        memcpy(dst, src, j.row_bytes * (size_t)rows);
        return PT_OK;
    }
    if (t == PT_BF16) {
        for (int64_t i = 0; i < rows * cols; i++) pt_put_u16(j.dst + 2 * i, pt_f32_to_bf16(src[i]));
        return PT_OK;
    }
#pragma omp parallel for schedule(dynamic, 4) reduction(min : first) if (rows > 1 && rows * cols >= 1 << 15)
    for (int64_t r = 0; r < rows; r++) {
        int64_t c = put_row(&j, r);
        if (c >= 0 && r * cols + c < first) first = r * cols + c;
    }
    return first == INT64_MAX ? PT_OK : bad_number(&j, first / cols, first % cols);
}

pt_status pt_quant_rows(pt_dtype t, const float *src, int64_t rows, int64_t cols, void *dst)
{
    return pt_quant_rows_weighted(t, src, rows, cols, NULL, dst);
}

#include "base/quant.h"

#include <math.h>
#include <string.h>

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
    return t == PT_F32 || t == PT_F16 || t == PT_BF16 || (t >= PT_Q8_0 && t <= PT_Q5_1);
}

static void put_u16(uint8_t *b, uint16_t v)
{
    b[0] = (uint8_t)v;
    b[1] = (uint8_t)(v >> 8);
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
    put_u16(b, pt_f32_to_f16(d));
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
    put_u16(b, pt_f32_to_f16(d));
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
    put_u16(b, pt_f32_to_f16(d));
    put_u16(b + 2, pt_f32_to_f16(lo));
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
    default: put_u16(b, pt_f32_to_f16(*x)); return isfinite(pt_f16_bytes(b));
    }
}

pt_status pt_quant_rows(pt_dtype t, const float *src, int64_t rows, int64_t cols, void *dst)
{
    size_t row;
    uint8_t *b = dst;
    PT_RETURN(check_matrix(t, rows, cols, &row));
    if (!pt_quant_writable(t))
        return pt_fail(PT_ENOSUP, "cannot write %s; choose f32, f16, bf16, q8_0, q4_0, q4_1, q5_0 or q5_1",
                       pt_dtype_get(t)->name);
    if (!rows || !cols) return PT_OK;
    if (t == PT_F32) {
        memcpy(dst, src, row * (size_t)rows);
        return PT_OK;
    }
    const pt_dtype_info *d = pt_dtype_get(t);
    for (int64_t i = 0; i < rows * cols; i += d->block, b += d->bytes) {
        if (t == PT_BF16) {
            put_u16(b, pt_f32_to_bf16(src[i]));
            continue;
        }
        for (int64_t j = i; j < i + d->block; j++)
            if (!isfinite(src[j]))
                return pt_fail(PT_ENONFINITE, "row %lld, column %lld is %g: %s cannot hold it", (long long)(j / cols),
                               (long long)(j % cols), (double)src[j], d->name);
        if (!put_block(t, src + i, b))
            return pt_fail(PT_ENONFINITE,
                           "row %lld, column %lld: numbers near %g are past the range of f16 in %s; write bf16 or f32",
                           (long long)(i / cols), (long long)(i % cols), (double)src[i], d->name);
    }
    return PT_OK;
}

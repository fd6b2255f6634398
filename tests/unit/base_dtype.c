/* base/dtype.h against numpy and torch: digests printed by tests/golden/quant_numbers.py. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/dtype.h"
#include "base/file.h"
#include "base/quant.h"

static uint64_t add16(uint64_t h, uint16_t v)
{
    const unsigned char b[2] = {(unsigned char)v, (unsigned char)(v >> 8)};
    return pt_fnv1a(h, b, 2);
}

static bool half_nan(uint32_t h)
{
    return (h & 0x7fff) > 0x7c00;
}

static void to_half_types_equals_numpy(void **state)
{
    uint64_t half = PT_FNV_START, brain = PT_FNV_START;
    int n = 0;
    for (uint64_t i = 0; i < 1 << 19; i++) {
        uint32_t bits = (uint32_t)(i * 2654435761u);
        float x;
        memcpy(&x, &bits, 4);
        if (isnan(x)) continue;
        n++;
        half = add16(half, pt_f32_to_f16(x));
        brain = add16(brain, pt_f32_to_bf16(x));
    }
    assert_int_equal(n, 522240);
    assert_true(half == 0x51570ea2652addbf);
    assert_true(brain == 0xcb9055bb08901d1f);
}

static void every_half_to_float(void **state)
{
    uint64_t h = PT_FNV_START;
    for (uint32_t i = 0; i < 1 << 16; i++) {
        float x = pt_f16_to_f32((uint16_t)i);
        const uint8_t b[2] = {(uint8_t)i, (uint8_t)(i >> 8)};
        float y = pt_f16_bytes(b);
        assert_memory_equal(&x, &y, 4);
        if (half_nan(i)) {
            assert_true(isnan(x) && isnan(pt_f16_to_f32(pt_f32_to_f16(x))));
            continue;
        }
        h = pt_fnv1a(h, &x, 4);
        assert_int_equal(pt_f32_to_f16(x), i); /* exact both ways */
    }
    assert_true(h == 0xa7a575fd4882f925);
}

/* Ties between neighbouring f16 numbers and one f32 step beside them. */
static void rounding_at_midpoints(void **state)
{
    uint64_t h = PT_FNV_START;
    for (uint32_t i = 0; i < 31743; i++) {
        float mid = (float)(((double)pt_f16_to_f32((uint16_t)i) + (double)pt_f16_to_f32((uint16_t)(i + 1))) / 2);
        h = add16(h, pt_f32_to_f16(nextafterf(mid, 0)));
        h = add16(h, pt_f32_to_f16(mid));
        h = add16(h, pt_f32_to_f16(nextafterf(mid, INFINITY)));
    }
    assert_true(h == 0x0a0e22ef23200a5b);
}

static void bf16_special_numbers(void **state)
{
    for (uint32_t i = 0; i < 1 << 16; i++) {
        float x = pt_bf16_to_f32((uint16_t)i);
        if (isnan(x)) assert_true(isnan(pt_bf16_to_f32(pt_f32_to_bf16(x))));
        else assert_int_equal(pt_f32_to_bf16(x), i);
    }
    const uint32_t low_nan = 0x7f800001; /* its high half alone would be infinity */
    float x;
    memcpy(&x, &low_nan, 4);
    assert_true(isnan(pt_bf16_to_f32(pt_f32_to_bf16(x))));
    assert_int_equal(pt_f32_to_bf16(3.4e38f), 0x7f80); /* rounds to infinity */
}

static void names_and_sizes(void **state)
{
    pt_dtype t;
    size_t n;
    for (int i = 0; i < PT_DTYPE_COUNT; i++) {
        const pt_dtype_info *d = pt_dtype_get((pt_dtype)i);
        assert_true(d->name && d->block > 0 && d->bytes > 0);
        assert_true(pt_dtype_parse(d->name, &t) && (int)t == i);
        if (d->ggml >= 0) assert_true(pt_dtype_from_ggml(d->ggml, &t) && (int)t == i);
    }
    assert_true(pt_dtype_parse("Q4_K", &t) && t == PT_Q4_K);
    assert_false(pt_dtype_parse("q4_x", &t) || pt_dtype_parse("", &t) || pt_dtype_from_ggml(39, &t) ||
                 pt_dtype_from_ggml(-1, &t));
    assert_int_equal(pt_dtype_row_bytes(PT_Q6_K, 512, &n), PT_OK);
    assert_int_equal(n, 420);
    assert_int_equal(pt_dtype_row_bytes(PT_Q6_K, 500, &n), PT_ESHAPE);
    assert_string_equal(pt_err_msg(), "a row of 500 is no multiple of q6_k's block of 256");
    assert_int_equal(pt_dtype_row_bytes(PT_F32, SIZE_MAX / 2, &n), PT_ESHAPE);
    assert_true(pt_dtype_quantised(PT_Q8_0) && pt_dtype_quantised(PT_IQ4_NL) && !pt_dtype_quantised(PT_BF16) &&
                !pt_dtype_quantised(PT_F64));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(to_half_types_equals_numpy),
        cmocka_unit_test(every_half_to_float),
        cmocka_unit_test(rounding_at_midpoints),
        cmocka_unit_test(bf16_special_numbers),
        cmocka_unit_test(names_and_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

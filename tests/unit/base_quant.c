/* base/quant.h against the gguf package: tests/golden/data/quant.bin, made by tests/golden/quant.py. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/quant.h"

enum { TO_FLOAT, TO_BLOCKS };

typedef struct quant_case {
    uint32_t kind, ggml, rows, cols, bytes;
} quant_case;

static int run_cases(uint32_t kind, pt_dtype only)
{
    char *text;
    size_t n, at = 0;
    int seen = 0;
    assert_int_equal(pt_file_read(&text, &n, "tests/golden/data/quant.bin", 1 << 24), PT_OK);
    while (at < n) {
        quant_case c;
        pt_dtype t;
        memcpy(&c, text + at, sizeof c);
        at += sizeof c;
        const void *blocks = text + at, *floats = text + at + c.bytes;
        size_t count = (size_t)c.rows * c.cols, row;
        at += c.bytes + 4 * count;
        assert_true(at <= n);
        assert_true(pt_dtype_from_ggml((int)c.ggml, &t));
        if (c.kind != kind || t != only) continue;
        assert_int_equal(pt_dtype_row_bytes(t, c.cols, &row), PT_OK);
        assert_int_equal(row * c.rows, c.bytes);
        size_t size = kind == TO_FLOAT ? 4 * count : c.bytes;
        unsigned char *got = malloc(size + 16); /* the guard must stay */
        memset(got, 0xa5, size + 16);
        float *x = malloc(4 * count);
        memcpy(x, floats, 4 * count);
        if (kind == TO_FLOAT) assert_int_equal(pt_dequant_rows(t, blocks, c.rows, c.cols, (float *)(void *)got), PT_OK);
        else assert_int_equal(pt_quant_rows(t, x, c.rows, c.cols, got), PT_OK);
        assert_memory_equal(got, kind == TO_FLOAT ? floats : blocks, size);
        for (int i = 0; i < 16; i++) assert_int_equal(got[size + (size_t)i], 0xa5);
        free(got);
        free(x);
        seen++;
    }
    free(text);
    return seen;
}

static void dequant_equals_gguf(void **state)
{
    for (int t = PT_Q8_0; t < PT_DTYPE_COUNT; t++) assert_int_equal(run_cases(TO_FLOAT, (pt_dtype)t), 1);
    assert_int_equal(run_cases(TO_FLOAT, PT_F16), 1);
    assert_int_equal(run_cases(TO_FLOAT, PT_BF16), 1);
}

static void quant_equals_gguf(void **state)
{
    const pt_dtype types[] = {PT_F16, PT_BF16, PT_Q8_0, PT_Q4_0, PT_Q4_1, PT_Q5_0, PT_Q5_1};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) assert_int_equal(run_cases(TO_BLOCKS, types[i]), 1);
}

static void f32_passes_through(void **state)
{
    const float x[6] = {1, -0.0f, 0x1p-149f, -3.5f, 0x1.fffffep127f, NAN};
    float y[6], z[6];
    assert_int_equal(pt_quant_rows(PT_F32, x, 2, 3, y), PT_OK);
    assert_int_equal(pt_dequant_rows(PT_F32, y, 2, 3, z), PT_OK);
    assert_memory_equal(x, z, sizeof x);
    assert_int_equal(pt_dequant_rows(PT_F32, NULL, 0, 3, NULL), PT_OK);
}

typedef struct bad_case {
    pt_dtype type;
    int64_t rows, cols;
    float value;
    int64_t at; /* where the value stands */
    pt_status status;
    const char *text;
} bad_case;

static void bad_matrices(void **state)
{
    static const bad_case cases[] = {
        {PT_Q4_0, 1, 48, 0, 0, PT_ESHAPE, "a row of 48 is no multiple of q4_0's block of 32"},
        {PT_F16, -1, 4, 0, 0, PT_ESHAPE, "a matrix of -1 x 4"},
        {PT_F16, INT64_MAX / 2, 4, 0, 0, PT_ESHAPE, "a matrix of 4611686018427387903 x 4 overflows"},
        {PT_Q4_K, 1, 576, 0, 0, PT_ESHAPE, "a row of 576 is no multiple of q4_k's block of 256"},
        {PT_I32, 1, 4, 0, 0, PT_ENOSUP, "weights are never stored as i32"},
        {PT_F16, 2, 64, 70000, 65, PT_ENONFINITE,
         "row 1, column 1: numbers near 70000 are past the range of f16 in f16; write bf16 or f32"},
        {PT_Q8_0, 2, 64, INFINITY, 97, PT_ENONFINITE, "row 1, column 33 is inf: q8_0 cannot hold it"},
        {PT_Q5_1, 2, 64, 1e9f, 64, PT_ENONFINITE,
         "row 1, column 0: numbers near 1e+09 are past the range of f16 in q5_1; write bf16 or f32"},
    };
    float x[256];
    unsigned char out[1024];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const bad_case *c = &cases[i];
        for (int j = 0; j < 256; j++) x[j] = 0.25f;
        x[c->at] = c->value;
        pt_err_clear();
        assert_int_equal(pt_quant_rows(c->type, x, c->rows, c->cols, out), c->status);
        assert_string_equal(pt_err_msg(), c->text);
    }
    assert_int_equal(pt_quant_rows(PT_Q4_0, (x[3] = NAN, x), 1, 32, out), PT_ENONFINITE);
    assert_int_equal(pt_dequant_rows(PT_U8, out, 1, 32, x), PT_ENOSUP);
    assert_int_equal(pt_dequant_rows((pt_dtype)99, out, 1, 32, x), PT_EARG);
    assert_string_equal(pt_err_msg(), "no number type 99");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dequant_equals_gguf),
        cmocka_unit_test(quant_equals_gguf),
        cmocka_unit_test(f32_passes_through),
        cmocka_unit_test(bad_matrices),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Types whose blocks are searched (base/quant.h): the error that they leave beside that of ggml's quantisers (tests/golden/data/quant_k.bin, made
 * by tests/golden/quant_k.py), odd numbers, and errors by name. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/quant.h"
#include "base/quant_fit.h"
#include "base/rng.h"
#include "base/threads.h"

/* The last four are searched only where weights are given. */
static const pt_dtype searched[] = {PT_Q2_K, PT_Q3_K, PT_Q4_K, PT_Q5_K, PT_Q6_K, PT_IQ4_NL, PT_IQ4_XS, PT_IQ3_S, PT_Q4_0, PT_Q4_1, PT_Q5_0, PT_Q5_1};
enum { N_SEARCHED = sizeof searched / sizeof *searched };

typedef struct reader {
    const char *at, *end;
} reader;

static void take(reader *r, void *to, size_t n)
{
    assert_true((size_t)(r->end - r->at) >= n);
    memcpy(to, r->at, n);
    r->at += n;
}

typedef struct rows {
    uint32_t n, cols;
    float *x, *w;
} rows;

static void blocks_of(pt_dtype t, const rows *m, const float *w, float *back)
{
    size_t row;
    assert_int_equal(pt_dtype_row_bytes(t, m->cols, &row), PT_OK);
    unsigned char *b = malloc(row * m->n + 16);
    memset(b, 0xa5, row * m->n + 16);
    assert_int_equal(pt_quant_rows_weighted(t, m->x, m->n, m->cols, w, b), PT_OK);
    for (int i = 0; i < 16; i++) assert_int_equal(b[row * m->n + (size_t)i], 0xa5);
    assert_int_equal(pt_dequant_rows(t, b, m->n, m->cols, back), PT_OK);
    free(b);
}

/* Root of the mean of (x - y)^2; with w of the mean weighed by columns. */
static double error_of(const rows *m, const float *y, const float *w)
{
    double sum = 0, all = 0;
    for (size_t i = 0; i < (size_t)m->n * m->cols; i++) {
        double d = (double)m->x[i] - (double)y[i], v = w ? (double)w[i % m->cols] : 1;
        sum += v * d * d;
        all += v;
    }
    return sqrt(sum / all);
}

/* At most 1 % more than ggml's on every set. Much less is a mistake in the measure: all types are near what their levels allow. */
static void near(const char *what, pt_dtype t, uint32_t set, double ours, double theirs)
{
    if (!(ours <= 1.01 * theirs && ours >= 0.95 * theirs))
        fail_msg("%s, set %u, %s: error %.6g, ggml's %.6g", pt_dtype_get(t)->name, set, what, ours, theirs);
}

static void errors_as_ggml(void **state)
{
    char *text;
    size_t size;
    uint32_t head[2], seen = 0;
    assert_int_equal(pt_file_read(&text, &size, "tests/golden/data/quant_k.bin", 1 << 24), PT_OK);
    reader r = {text, text + size};
    take(&r, head, sizeof head);
    for (uint32_t s = 0; s < head[0]; s++) {
        rows m;
        take(&r, &m, 8);
        size_t count = (size_t)m.n * m.cols;
        m.x = malloc(4 * count), m.w = malloc(4 * m.cols);
        float *y = malloc(4 * count);
        uint16_t *h = malloc(2 * count);
        take(&r, h, 2 * count);
        take(&r, m.w, 4 * m.cols);
        assert_int_equal(pt_dequant_rows(PT_F16, h, m.n, m.cols, m.x), PT_OK);
        for (uint32_t k = 0; k < head[1]; k++) {
            uint32_t id;
            double want[3];
            pt_dtype t;
            take(&r, &id, sizeof id);
            take(&r, want, sizeof want);
            assert_true(pt_dtype_from_ggml((int)id, &t));
            bool ours = false;
            for (int i = 0; i < N_SEARCHED; i++) ours |= searched[i] == t;
            if (!ours) continue;
            blocks_of(t, &m, NULL, y);
            near("no weights", t, s, error_of(&m, y, NULL), want[0]);
            blocks_of(t, &m, m.w, y);
            near("weights", t, s, error_of(&m, y, NULL), want[1]);
            near("weighted error", t, s, error_of(&m, y, m.w), want[2]);
            seen++;
        }
        free(m.x), free(m.w), free(y), free(h);
    }
    assert_true(r.at == r.end);
    assert_int_equal(seen, head[0] * N_SEARCHED);
    free(text);
}

static float uniform(uint64_t i, uint32_t of)
{
    return (float)(pt_rng_words(7, PT_RNG_TEST, i, of).v[0] >> 8) * 0x1p-24f;
}

/* One block of 256 of a kind of its own. */
enum { ZEROS, CONSTANT, ONE_OF_MANY, SUBNORMAL, TINY, LARGE, WIDE, RANDOM, KINDS };
static void fill(int kind, uint64_t seed, float *x)
{
    for (uint64_t i = 0; i < 256; i++) {
        float u = uniform(seed * 256 + i, 0) - 0.5f;
        x[i] = kind == ZEROS         ? (i % 2 ? -0.0f : 0)
               : kind == CONSTANT    ? (seed % 2 ? -0.375f : 0.375f)
               : kind == ONE_OF_MANY ? (i == seed % 256 ? 1.0f : 0)
               : kind == SUBNORMAL   ? u * 0x1p-130f
               : kind == TINY        ? u * 0x1p-20f
               : kind == LARGE       ? u * 60000
               : kind == WIDE        ? ldexpf(u, -(int)(60 * uniform(seed * 256 + i, 1)))
                                     : u;
    }
}

/* Finite in, finite out, none further off than three quarters of the block's largest magnitude (q2_k: three levels over both signs and scales
 * of four bits); without weights, and with random, vanishing and vast ones. */
static void odd_numbers(void **state)
{
    float x[256], w[256], y[256];
    rows m = {1, 256, x, w};
    for (int k = 0; k < N_SEARCHED; k++)
        for (int kind = 0; kind < KINDS; kind++)
            for (uint64_t seed = 0; seed < 6; seed++) {
                float top = 0;
                fill(kind, seed, x);
                for (int i = 0; i < 256; i++) {
                    top = fabsf(x[i]) > top ? fabsf(x[i]) : top;
                    float u = uniform(seed * 256 + (uint64_t)i, 2);
                    w[i] = seed == 0 ? 0 : seed == 1 ? u * 1e38f : seed == 2 ? u * 1e-40f : seed == 3 ? (float)(i % 37 == 0) : u;
                }
                for (int weighed = 0; weighed < 2; weighed++) {
                    blocks_of(searched[k], &m, weighed ? w : NULL, y);
                    for (int i = 0; i < 256; i++) {
                        assert_true(isfinite(y[i]));
                        if (weighed && seed == 3) continue; /* numbers without a weight may go anywhere */
                        if (!weighed && kind == TINY && searched[k] <= PT_Q5_1) continue; /* bytes are gguf's: a scale of 0 */
                        /* scales near or below f16's smallest are stored as it or as 0 */
                        float most = kind == SUBNORMAL || kind == TINY ? 1 : 0.75f;
                        if (!(fabsf(y[i] - x[i]) <= most * top))
                            fail_msg("%s kind %d seed %d: %g became %g (largest %g)", pt_dtype_get(searched[k])->name, kind, (int)seed,
                                     (double)x[i], (double)y[i], (double)top);
                    }
                }
                if (kind == ZEROS)
                    for (int i = 0; i < 256; i++) assert_true(y[i] == 0);
            }
}

static void threads_give_the_same(void **state)
{
    enum { N = 64, COLS = 1024 };
    float *x = malloc(sizeof *x * N * COLS);
    size_t row;
    for (uint64_t i = 0; i < N * COLS; i++) x[i] = uniform(i, 3) - 0.5f;
    int before = pt_threads_get();
    for (int k = 0; k < N_SEARCHED; k++) {
        assert_int_equal(pt_dtype_row_bytes(searched[k], COLS, &row), PT_OK);
        unsigned char *a = malloc(row * N), *b = malloc(row * N);
        pt_threads_set(1);
        assert_int_equal(pt_quant_rows(searched[k], x, N, COLS, a), PT_OK);
        pt_threads_set(3);
        assert_int_equal(pt_quant_rows(searched[k], x, N, COLS, b), PT_OK);
        assert_memory_equal(a, b, row * N);
        free(a), free(b);
    }
    pt_threads_set(before);
    free(x);
}

static void named_errors(void **state)
{
    static float x[64 * 512], w[512];
    static unsigned char out[64 * 512 * 2];
    for (int k = 0; k < N_SEARCHED; k++) {
        pt_dtype t = searched[k];
        char want[200];
        const char *name = pt_dtype_get(t)->name;
        for (int i = 0; i < 64 * 512; i++) x[i] = uniform((uint64_t)i, 4);
        for (int i = 0; i < 512; i++) w[i] = 1;
        x[40 * 512 + 300] = NAN, x[9 * 512 + 511] = -INFINITY; /* the first one in the order of rows is named, whoever meets it */
        pt_err_clear();
        assert_int_equal(pt_quant_rows(t, x, 64, 512, out), PT_ENONFINITE);
        snprintf(want, sizeof want, "row 9, column 511 is -inf: %s cannot hold it", name);
        assert_string_equal(pt_err_msg(), want);
        x[40 * 512 + 300] = x[9 * 512 + 511] = 0;
        x[5 * 512 + 256] = 3e38f;
        pt_err_clear();
        assert_int_equal(pt_quant_rows_weighted(t, x, 64, 512, w, out), PT_ENONFINITE);
        snprintf(want, sizeof want, "row 5, column 256: numbers near 3e+38 are past the range of f16 in %s; write bf16 or f32", name);
        assert_string_equal(pt_err_msg(), want);
        x[5 * 512 + 256] = 0;
        w[7] = -1;
        pt_err_clear();
        assert_int_equal(pt_quant_rows_weighted(t, x, 64, 512, w, out), PT_ENONFINITE);
        assert_string_equal(pt_err_msg(), "the weight of column 7 is -1: weights are finite and none is negative");
    }
}

/* Levels of stored scales are those of ggml, which divides: halfway between two levels 1 / d can say the other one. */
static void halves_are_divided(void **state)
{
    for (int k = 1; k < 4000; k++) {
        float d = 0.37f * (float)k / 4000, x[16], q[16];
        for (int i = 0; i < 16; i++) x[i] = ((float)i - 7.5f) * d;
        pt_fit_stored(16, -8, 8, x, d, 0, q);
        for (int i = 0; i < 16; i++)
            if (q[i] != rintf(x[i] / d)) fail_msg("%.9g by %.9g: level %g", x[i], d, q[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_as_ggml), cmocka_unit_test(odd_numbers),  cmocka_unit_test(threads_give_the_same),
        cmocka_unit_test(named_errors),   cmocka_unit_test(halves_are_divided),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

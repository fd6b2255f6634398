/* eval/stat/special.h, significance.h and resample.h against scipy 1.17.1: tests/golden/data/statistics.json, made by tests/golden/significance.py. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "eval/stat/resample.h"
#include "eval/stat/significance.h"
#include "eval/stat/special.h"

static json_t *golden;

static double number(const json_t *row, size_t i)
{
    const json_t *v = json_array_get(row, i);
    return json_is_number(v) ? json_number_value(v) : NAN;
}

static size_t list(const json_t *row, size_t i, double x[1000])
{
    const json_t *v = json_array_get(row, i);
    size_t n = json_array_size(v);
    assert_true(n <= 1000);
    for (size_t k = 0; k < n; k++) x[k] = number(v, k);
    return n;
}

/* Within `limit`, absolute and of what is above 1 relative; small ones also to ten digits. */
static void near(const char *what, size_t row, double got, double want, double limit)
{
    if (isnan(got) && isnan(want)) return;
    if (!(fabs(got - want) <= limit * fmax(1, fabs(want))) || (want > 1e-280 && !(fabs(got / want - 1) <= 1e-10)))
        fail_msg("%s, case %zu: %.17g, not %.17g", what, row, got, want);
}

#define EACH(name, row, i)                                                              \
    json_t *row;                                                                        \
    size_t i;                                                                           \
    assert_true(json_array_size(json_object_get(golden, name)) >= 30);                  \
    json_array_foreach (json_object_get(golden, name), i, row)

static void test_special(void **state)
{
    EACH("special", row, i)
    {
        const char *kind = json_string_value(json_array_get(row, 0));
        double a = number(row, 1), b = number(row, 2), c = number(row, 3), d = number(row, 4);
        if (!strcmp(kind, "beta")) near(kind, i, pt_beta_inc(a, b, c, 1 - c), d, 1e-12);
        if (!strcmp(kind, "gamma")) near(kind, i, pt_gamma_p(a, b), c, 1e-12), near(kind, i, pt_gamma_q(a, b), d, 1e-12);
        if (!strcmp(kind, "student")) near(kind, i, pt_student_two_sided(a, b), c, 1e-12);
        if (!strcmp(kind, "chi2")) near(kind, i, pt_chi2_upper(a, b), c, 1e-12);
        if (!strcmp(kind, "binomial")) near(kind, i, pt_binomial_lower(a, b, c), d, 1e-12);
    }
    near("normal", 0, pt_normal_two_sided(-1.959963984540054), 0.05, 1e-15);
    assert_true(isnan(pt_beta_inc(0, 1, 0.5, 0.5)) && isnan(pt_gamma_p(1, -1)) && isnan(pt_student_two_sided(1, 0)));
    assert_true(pt_beta_inc(2, 3, 0, 1) == 0 && pt_beta_inc(2, 3, 1, 0) == 1 && pt_gamma_q(2, 0) == 1 && pt_gamma_p(2, INFINITY) == 1);
    assert_true(pt_student_two_sided(INFINITY, 3) == 0 && pt_student_two_sided(0, 3) == 1);
}

static void test_mcnemar(void **state)
{
    EACH("mcnemar", row, i) near("mcnemar", i, pt_mcnemar((size_t)number(row, 0), (size_t)number(row, 1)), number(row, 2), 1e-9);
}

static void test_wilcoxon(void **state)
{
    double d[1000];
    pt_wilcoxon w;
    EACH("wilcoxon", row, i)
    {
        size_t n = list(row, 0, d);
        assert_int_equal(pt_wilcoxon_test(d, n, &w), PT_OK);
        near("wilcoxon", i, w.statistic, number(row, 1), 1e-9);
        near("wilcoxon p", i, w.p, number(row, 2), 1e-9);
    }
    for (int k = 0; k < 20; k++) d[k] = 0;
    assert_int_equal(pt_wilcoxon_test(d, 20, &w), PT_OK);
    assert_true(w.p == 1 && w.statistic == 0 && w.n == 0);
    assert_int_equal(pt_wilcoxon_test(d, 0, &w), PT_OK);
    assert_true(isnan(w.p));
    d[3] = NAN;
    assert_int_equal(pt_wilcoxon_test(d, 20, &w), PT_OK);
    assert_true(isnan(w.p));
}

static void test_holm(void **state)
{
    double p[1000], want[1000];
    EACH("holm", row, i)
    {
        size_t n = list(row, 0, p);
        list(row, 1, want);
        assert_int_equal(pt_holm(p, n), PT_OK);
        for (size_t k = 0; k < n; k++) {
            assert_int_equal(isnan(p[k]), isnan(want[k]));
            near("holm", i, p[k], want[k], 1e-14);
        }
    }
}

static void test_welch(void **state)
{
    double a[1000], b[1000];
    EACH("welch", row, i)
    {
        size_t n = list(row, 0, a), m = list(row, 1, b);
        pt_welch w = pt_welch_test(pt_sample_of(a, n), pt_sample_of(b, m));
        const double got[] = {w.t, w.df, w.p, w.d, w.g};
        for (size_t k = 0; k < 5; k++) {
            assert_int_equal(isnan(got[k]), isnan(number(row, k + 2)));
            near("welch", i, got[k], number(row, k + 2), 1e-9);
        }
    }
}

static void test_permutation(void **state)
{
    double d[1000], p;
    EACH("permutation", row, i)
    {
        size_t n = list(row, 0, d);
        assert_int_equal(pt_permute_mean(d, n, PT_PERMUTATIONS, 1, &p), PT_OK);
        near("permutation", i, p, number(row, 1), 1e-9);
        if (n != 12) continue;
        /* by chance: near the exact one, never 0, and the same of the same seed */
        double again, other, exact = p, error = 4 * sqrt(exact * (1 - exact) / 4000) + 2.0 / 4000;
        assert_int_equal(pt_permute_mean(d, n, 4000, 7, &p), PT_OK);
        assert_int_equal(pt_permute_mean(d, n, 4000, 7, &again), PT_OK);
        assert_int_equal(pt_permute_mean(d, n, 4000, 8, &other), PT_OK);
        assert_true(p > 0 && p == again && fabs(p - exact) <= error && fabs(other - exact) <= error);
    }
    for (int k = 0; k < 100; k++) d[k] = 1;
    assert_int_equal(pt_permute_mean(d, 100, 999, 1, &p), PT_OK);
    assert_true(p == 0.001); /* (1 + 0) / (1 + 999) */
    assert_int_equal(pt_permute_mean(d, 0, 999, 1, &p), PT_OK);
    assert_true(isnan(p));
    assert_int_equal(pt_permute_mean(d, 1, 999, 1, &p), PT_OK);
    assert_true(p == 1);
}

static void test_quantile(void **state)
{
    double x[1000];
    EACH("quantile", row, i)
    {
        size_t n = list(row, 0, x);
        near("quantile", i, pt_quantile(x, n, number(row, 1)), number(row, 2), 1e-14);
    }
    assert_true(isnan(pt_quantile(x, 0, 0.5)));
}

/* ---- the bootstrap ---- */

static void mean_and_largest(void *user, const size_t *drawn, size_t n, double *out)
{
    const double *x = user;
    out[0] = 0, out[1] = -INFINITY, out[2] = NAN;
    for (size_t i = 0; i < n; i++) {
        out[0] += x[drawn[i]] / (double)n;
        out[1] = fmax(out[1], x[drawn[i]]);
    }
}

static void mean_of(const void *user, const double *sums, double *out)
{
    (void)user;
    *out = sums[1] > 0 ? sums[0] / sums[1] : NAN;
}

static void test_bootstrap(void **state)
{
    enum { N = 400 };
    double x[N], parts[2 * N], mean = 0, square = 0;
    pt_interval slow[3], fast, again;
    for (int i = 0; i < N; i++) {
        x[i] = (i * 7919 % 1000) / 1000.0;
        parts[2 * i] = x[i], parts[2 * i + 1] = 1;
        mean += x[i] / N;
    }
    for (int i = 0; i < N; i++) square += (x[i] - mean) * (x[i] - mean) / N;
    assert_int_equal(pt_bootstrap(N, 3, 1000, 5, mean_and_largest, x, slow), PT_OK);
    pt_added a = {.clusters = N, .width = 2, .values = 1, .parts = parts, .value = mean_of};
    assert_int_equal(pt_bootstrap_added(&a, 1000, 5, &fast), PT_OK);
    assert_int_equal(pt_bootstrap_added(&a, 1000, 5, &again), PT_OK);
    near("bootstrap", 0, fast.lo, slow[0].lo, 1e-12); /* the same draws */
    near("bootstrap", 1, fast.hi, slow[0].hi, 1e-12);
    assert_memory_equal(&fast, &again, sizeof fast);
    double half = 1.959963984540054 * sqrt(square / N);
    assert_true(fabs(fast.lo - (mean - half)) < 0.15 * half && fabs(fast.hi - (mean + half)) < 0.15 * half);
    assert_true(slow[1].hi == 0.999 && slow[1].lo < slow[1].hi && slow[1].lo > 0.97);
    assert_true(isnan(slow[2].lo) && isnan(slow[2].hi));
    a.clusters = 1;
    assert_int_equal(pt_bootstrap_added(&a, 1000, 5, &fast), PT_OK);
    assert_true(isnan(fast.lo) && isnan(fast.hi)); /* one cluster says nothing of others */
}

static int load(void **state)
{
    json_error_t err;
    golden = json_load_file("tests/golden/data/statistics.json", 0, &err);
    return !golden;
}

static int unload(void **state)
{
    json_decref(golden);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_special), cmocka_unit_test(test_mcnemar), cmocka_unit_test(test_wilcoxon),
                                       cmocka_unit_test(test_holm), cmocka_unit_test(test_welch), cmocka_unit_test(test_permutation),
                                       cmocka_unit_test(test_quantile), cmocka_unit_test(test_bootstrap)};
    return cmocka_run_group_tests(tests, load, unload);
}

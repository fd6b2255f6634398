/* eval/stat/reliability.h and distance.h against pingouin, R's psych, scipy and numpy: tests/golden/data/reliability.json, made by tests/golden/reliability.py. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "eval/stat/distance.h"
#include "eval/stat/correlation.h"
#include "eval/stat/reliability.h"

static json_t *golden;

static double number(const json_t *v)
{
    return json_is_number(v) ? json_number_value(v) : NAN;
}

static void near(const char *what, size_t row, double got, double want, double limit)
{
    if (isnan(got) && isnan(want)) return;
    if (!(fabs(got - want) <= limit * fmax(1, fabs(want)))) fail_msg("%s, case %zu: %.17g, not %.17g", what, row, got, want);
}

static double *table(const json_t *v, size_t *n, size_t *k)
{
    *n = json_array_size(v);
    *k = json_array_size(json_array_get(v, 0));
    double *x = calloc(*n * *k, sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < *n; i++)
        for (size_t j = 0; j < *k; j++) x[i * *k + j] = number(json_array_get(json_array_get(v, i), j));
    return x;
}

static void test_tables(void **state)
{
    json_t *row, *cases = json_object_get(golden, "tables");
    size_t i, n, k, undefined = 0;
    (void)state;
    assert_true(json_array_size(cases) >= 200);
    json_array_foreach (cases, i, row) {
        double *x = table(json_array_get(row, 0), &n, &k);
        pt_icc c = pt_icc_of(x, n, k);
        const double got[] = {c.one, c.two, c.three, c.one_k, c.two_k, c.three_k};
        near("alpha", i, pt_alpha(x, n, k), number(json_array_get(row, 1)), 1e-9);
        for (size_t j = 0; j < 6; j++) near("ICC", i, got[j], number(json_array_get(json_array_get(row, 2), j)), 1e-9);
        undefined += isnan(c.three);
        free(x);
    }
    assert_true(undefined >= 5 && undefined < 40);
}

static void test_pearson(void **state)
{
    json_t *row, *cases = json_object_get(golden, "pearson");
    size_t i;
    (void)state;
    assert_true(json_array_size(cases) >= 60);
    json_array_foreach (cases, i, row) {
        double pairs[2][64];
        size_t n = json_array_size(json_array_get(row, 0));
        for (int s = 0; s < 2; s++)
            for (size_t k = 0; k < n; k++) pairs[s][k] = number(json_array_get(json_array_get(row, (size_t)s), k));
        near("pearson", i, pt_pearson(pairs[0], pairs[1], n), number(json_array_get(row, 2)), 1e-9);
    }
}

static void test_omega(void **state)
{
    json_t *row, *cases = json_object_get(golden, "omega");
    size_t i, n, k;
    double got, worst = 0;
    (void)state;
    assert_true(json_array_size(cases) >= 80);
    json_array_foreach (cases, i, row) {
        double *x = table(json_array_get(row, 0), &n, &k), want = number(json_array_get(row, 1));
        assert_int_equal(pt_omega_total(x, n, k, &got), PT_OK);
        near("omega", i, got, want, number(json_array_get(row, 2)));
        if (!isnan(want)) worst = fmax(worst, fabs(got - want));
        free(x);
    }
    print_message("# figure: omega_total of %zu factor models: %.1e at most from what it is\n", json_array_size(cases), worst);
}

static int load(void **state)
{
    json_error_t e;
    (void)state;
    golden = json_load_file("tests/golden/data/reliability.json", 0, &e);
    return golden ? 0 : -1;
}

/* What R's psych says of tables with noise; its loadings are found by an optimiser that stops early. */
static void test_psych(void **state)
{
    json_t *row, *cases = json_object_get(golden, "psych");
    size_t i, n, k;
    double got, worst = 0;
    (void)state;
    assert_true(json_array_size(cases) >= 40);
    json_array_foreach (cases, i, row) {
        double *x = table(json_array_get(row, 0), &n, &k), want = number(json_array_get(row, 1));
        assert_int_equal(pt_omega_total(x, n, k, &got), PT_OK);
        near("psych", i, got, want, 1e-3);
        worst = fmax(worst, fabs(got - want));
        free(x);
    }
    print_message("# figure: omega_total within %.1g of psych's on %zu tables\n", worst, json_array_size(cases));
}

static void test_distances(void **state)
{
    json_t *row, *cases = json_object_get(golden, "distances");
    size_t i;
    (void)state;
    assert_true(json_array_size(cases) >= 120);
    json_array_foreach (cases, i, row) {
        double p[2][16];
        const size_t n = json_array_size(json_array_get(row, 0));
        for (int s = 0; s < 2; s++)
            for (size_t k = 0; k < n; k++) p[s][k] = number(json_array_get(json_array_get(row, (size_t)s), k));
        /* a root: of rounding alone it is 1e-8, where scipy too has no more */
        double js = pt_jensen_shannon(p[0], p[1], n), want = number(json_array_get(row, 2));
        near("Jensen-Shannon, squared", i, js * js, want * want, 1e-12);
        near("Jensen-Shannon", i, js, want, want > 1e-4 ? 1e-9 : 1e-7);
        near("Wasserstein", i, pt_wasserstein(p[0], p[1], n), number(json_array_get(row, 3)), 1e-9);
    }
}

static int unload(void **state)
{
    (void)state;
    json_decref(golden);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_tables), cmocka_unit_test(test_pearson), cmocka_unit_test(test_omega), cmocka_unit_test(test_psych), cmocka_unit_test(test_distances)};
    return cmocka_run_group_tests_name("eval_reliability", tests, load, unload);
}

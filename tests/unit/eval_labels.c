/* Metrics of classes against scikit-learn 1.9.1 and krippendorff 0.9.0 (tests/golden/task_labels.py, data/task_labels.json); their intervals and tests of ten
 * thousand items in seconds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "eval/metric/classes.h"
#include "eval/metric/noise.h"
#include "eval/stat/places.h"
#include "tests/unit/task_cases.h"

enum { K = 7, N = MANY, CASES = 1000 };
static pt_pick pick[2][N];
static const pt_pick *all[2][N];
static double p[2][N][K];
static uint32_t place[2][N][K];

static void soft(const double *logp, int k, double *out)
{
    double top = logp[0], sum = 0;
    for (int i = 1; i < k; i++) top = fmax(top, logp[i]);
    for (int i = 0; i < k; i++) sum += out[i] = exp(logp[i] - top);
    for (int i = 0; i < k; i++) out[i] /= sum;
}

/* As task_labels.py's case(). */
static int make(uint64_t seed, size_t *n, bool *written)
{
    draw d = {seed};
    static double pool[30][K];
    const int k = 2 + draw_below(&d, 6);
    *n = 1 + (size_t)draw_below(&d, 60);
    *written = draw_below(&d, 4) == 0;
    const int classes = draw_below(&d, 5) == 0 ? 1 + draw_below(&d, k) : k, pools = 1 + draw_below(&d, 30);
    for (int i = 0; i < pools; i++)
        for (int j = 0; j < k; j++) pool[i][j] = 4 * draw_unit(&d);
    const int only = draw_below(&d, 20) == 0 ? draw_below(&d, k) : -1;
    for (size_t i = 0; i < *n; i++) {
        double logp[K];
        pt_pick *x = &pick[0][i];
        *x = (pt_pick){.item = i, .cluster = i, .n = k, .gold = draw_below(&d, classes), .ordered = true};
        memcpy(logp, pool[draw_below(&d, pools)], sizeof logp);
        if (draw_below(&d, 3) == 0) logp[x->gold]++;
        for (int j = 1; j < k; j++)
            if (logp[j] > logp[x->picked]) x->picked = j;
        if (*written) x->picked = draw_below(&d, k + 1) - 1;
        if (only >= 0) x->picked = only;
        soft(logp, k, p[0][i]);
    }
    return k;
}

static void set_places(int sides, size_t n, int k)
{
    static double v[2 * N];
    static uint32_t at[2 * N];
    uint32_t places, most = 0;
    for (int j = 0; j < k; j++) {
        for (int s = 0; s < sides; s++)
            for (size_t i = 0; i < n; i++) v[(size_t)s * n + i] = p[s][i][j];
        assert_int_equal(pt_places(v, (size_t)sides * n, at, &places), PT_OK);
        if (places > most) most = places;
        for (int s = 0; s < sides; s++)
            for (size_t i = 0; i < n; i++) place[s][i][j] = at[(size_t)s * n + i];
    }
    for (int s = 0; s < sides; s++)
        for (size_t i = 0; i < n; i++) {
            pick[s][i].place = place[s][i], pick[s][i].places = most;
            pick[s][i].p = p[s][i];
        }
}

static const char *const keys[] = {"acc", "f1_macro", "f1_micro", "f1_weighted", "f1_positive", "balanced_acc", "mcc", "kappa", "kappa_linear", "kappa_quadratic",
                                   "alpha_nominal", "alpha_ordinal", "auroc", "auprc"};
enum { KEYS = sizeof keys / sizeof *keys };

static void test_golden(void **state)
{
    json_error_t e;
    json_t *golden = json_load_file("tests/golden/data/task_labels.json", 0, &e);
    assert_int_equal(json_array_size(golden), CASES);
    (void)state;
    for (size_t c = 0; c < CASES; c++) {
        size_t n;
        bool written;
        const int k = make(c, &n, &written);
        const json_t *want = json_array_get(golden, c);
        if (!written) set_places(1, n, k);
        for (size_t i = 0; i < n; i++) all[0][i] = &pick[0][i];
        for (size_t i = 0; i < KEYS; i++)
            if (strcmp(keys[i], "f1_positive")) check_metric(keys[i], all[0], n, c, want, i);
        for (size_t i = 0; !written && i < n; i++) { /* far apart, as in a small group of many items: the same */
            for (int j = 0; j < k; j++) place[0][i][j] *= 977;
            pick[0][i].places *= 977;
        }
        check_metric("auroc", all[0], n, c, want, 12);
        check_metric("auprc", all[0], n, c, want, 13);
        for (size_t i = 0; i < n; i++) pick[0][i].positive = 2;
        check_metric("f1_positive", all[0], n, c, want, 4);
        check_metric("auroc", all[0], n, c, want, 14);
        check_metric("auprc", all[0], n, c, want, 15);
        for (size_t i = 0; i < n; i++) pick[0][i].ordered = false, pick[0][i].positive = 0;
        size_t counted;
        assert_true(isnan(pt_metric_kind_at(pt_metric_find("kappa_linear"))->choices(all[0], n, &counted)));
        assert_true(isnan(pt_metric_kind_at(pt_metric_find("f1_positive"))->choices(all[0], n, &counted)));
    }
    json_decref(golden);
    for (size_t i = 0; i < KEYS; i++) {
        size_t counted;
        assert_true(i == 0 || isnan(pt_metric_kind_at(pt_metric_find(keys[i]))->choices(all[0], 0, &counted))); /* nothing at all */
    }
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Ten thousand items of four classes on two sides, the second better: intervals hold the value, the change is found, within seconds. */
static void test_many(void **state)
{
    pt_metric_list list = {.n = 0};
    pt_measures m;
    pt_changes change;
    draw d = {99};
    size_t counted;
    (void)state;
    for (size_t i = 0; i < KEYS; i++) list.at[list.n++] = pt_metric_find(keys[i]);
    for (size_t i = 0; i < N; i++)
        for (int s = 0; s < 2; s++) {
            double logp[4];
            pt_pick *x = &pick[s][i];
            *x = (pt_pick){.item = i, .cluster = i, .n = 4, .gold = (int)(i % 4), .ordered = true, .positive = 0};
            for (int j = 0; j < 4; j++) logp[j] = draw_unit(&d) + (j == x->gold ? 0.2 + (MANY < 10000 ? 0.3 : 0.1) * s : 0);
            for (int j = 1; j < 4; j++)
                if (logp[j] > logp[x->picked]) x->picked = j;
            soft(logp, 4, p[s][i]);
            all[s][i] = x;
        }
    set_places(2, N, 4);
    const double from = seconds();
    pt_measures_clear(&m);
    pt_changes_clear(&change);
    for (int k = 0; k < list.n; k++) m.v[list.at[k]] = pt_metric_kind_at(list.at[k])->choices(all[0], N, &counted);
    assert_int_equal(pt_noise_side(&list, (pt_picks){.c = all[0], .n = N}, 1, &m), PT_OK);
    assert_int_equal(pt_noise_change(&list, (pt_picks[]){{.c = all[0], .n = N}, {.c = all[1], .n = N}}, 1, &change), PT_OK);
    const double took = seconds() - from;
    for (int k = 0; k < list.n; k++) {
        const int at = list.at[k];
        if (!strcmp(keys[k], "f1_positive")) continue;
        if (!(m.lo[at] < m.v[at] && m.v[at] < m.hi[at])) fail_msg("%s: %g not in [%g, %g]", keys[k], m.v[at], m.lo[at], m.hi[at]);
        if (!(change.p[at] < (MANY < 10000 ? 0.05 : 0.005))) fail_msg("%s: p %g", keys[k], change.p[at]);
    }
    print_message("# figure: intervals and p of 13 metrics of %d items of 4 classes, before and after: %.1f s\n", MANY, took);
    assert_true(took < 60);
}

/* The same in a hundred groups of a hundred. */
static void test_groups(void **state)
{
    pt_metric_list list = {.n = 0};
    pt_measures m;
    pt_changes change;
    size_t counted;
    (void)state;
    for (size_t i = 0; i < KEYS; i++) list.at[list.n++] = pt_metric_find(keys[i]);
    const double from = seconds();
    for (size_t g = 0; g < N; g += 100) {
        const pt_picks side[2] = {{.c = all[0] + g, .n = 100, .among = 10000}, {.c = all[1] + g, .n = 100, .among = 10000}};
        pt_measures_clear(&m);
        pt_changes_clear(&change);
        for (int k = 0; k < list.n; k++) m.v[list.at[k]] = pt_metric_kind_at(list.at[k])->choices(side[0].c, 100, &counted);
        assert_int_equal(pt_noise_side(&list, side[0], 1, &m), PT_OK);
        assert_int_equal(pt_noise_change(&list, side, 1, &change), PT_OK);
    }
    const double took = seconds() - from;
    print_message("# figure: the same in groups of a hundred: %.1f s\n", took);
    assert_true(took < 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_golden), cmocka_unit_test(test_many), cmocka_unit_test(test_groups)};
    return cmocka_run_group_tests_name("eval_labels", tests, NULL, NULL);
}

/* Metrics of numbers against scikit-learn 1.9.1 and scipy 1.17.1 (tests/golden/task_values.py, data/task_values.json); their intervals and tests of ten
 * thousand items in seconds; reading numbers from answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "eval/task/inventory.h"
#include "eval/metric/noise.h"
#include "eval/stat/places.h"
#include "tests/unit/task_cases.h"

enum { N = MANY, CASES = 1000 };
static pt_pick pick[2][N];
static const pt_pick *all[2][N];
static double number[2][N][2];
static uint32_t place[2][N][2];

/* As task_values.py's case(). */
static size_t make(uint64_t seed)
{
    static const double offsets[] = {0, 0, 1000, -3};
    draw d = {5000 + seed};
    const size_t n = 1 + (size_t)draw_below(&d, 40);
    const bool whole = draw_below(&d, 2) == 0;
    const double offset = offsets[draw_below(&d, 4)];
    const int flat = draw_below(&d, 16);
    const bool unread = draw_below(&d, 3) == 0;
    const double near = draw_unit(&d);
    for (size_t i = 0; i < n; i++) {
        double y = draw_unit(&d) * 10, f = draw_unit(&d) * 10;
        const bool gone = draw_below(&d, 5) == 0;
        f = near * y + (1 - near) * f;
        if (whole) y = floor(y), f = floor(f);
        if (flat == 0) y = 4;
        if (flat == 1) f = 4;
        number[0][i][0] = y + offset;
        number[0][i][1] = unread && gone ? NAN : f + offset;
    }
    return n;
}

/* Picks of both sides' numbers. */
static void set_picks(int sides, size_t n)
{
    static double v[2 * N];
    static uint32_t at[2 * N];
    uint32_t places, most = 0;
    for (int k = 0; k < 2; k++) {
        size_t m = 0;
        for (int s = 0; s < sides; s++)
            for (size_t i = 0; i < n; i++)
                if (!isnan(number[s][i][k])) v[m++] = number[s][i][k];
        assert_int_equal(pt_places(v, m, at, &places), PT_OK);
        if (places > most) most = places;
        m = 0;
        for (int s = 0; s < sides; s++)
            for (size_t i = 0; i < n; i++)
                if (!isnan(number[s][i][k])) place[s][i][k] = at[m++];
    }
    for (int s = 0; s < sides; s++)
        for (size_t i = 0; i < n; i++) {
            pick[s][i] = (pt_pick){.item = i, .cluster = i, .gold = -1, .picked = isnan(number[s][i][1]) ? -1 : 0, .number = number[s][i], .place = place[s][i],
                                   .places = most, .width = 10};
            all[s][i] = &pick[s][i];
        }
}

static const char *const keys[] = {"mae", "mse", "rmse", "r2", "nmape", "pearson", "spearman", "kendall", "icc1", "icc2", "icc3"};
enum { KEYS = sizeof keys / sizeof *keys };

/* What follows from sums, as resampling takes it, is the value too. */
static void check_sums(const char *key, size_t n, size_t row)
{
    const pt_metric_kind *k = pt_metric_kind_at(pt_metric_find(key));
    double sums[PT_METRIC_SUMS] = {0};
    size_t counted;
    if (!k->sums) return;
    k->add(all[0], n, sums);
    const double got = k->of_sums(sums), want = k->choices(all[0], n, &counted);
    if (isnan(got) != isnan(want) || fabs(got - want) > 1e-7 * fmax(1, fabs(want))) fail_msg("%s of sums, case %zu: %.17g, not %.17g", key, row, got, want);
}

static void test_golden(void **state)
{
    json_error_t e;
    json_t *golden = json_load_file("tests/golden/data/task_values.json", 0, &e);
    assert_int_equal(json_array_size(golden), CASES);
    (void)state;
    for (size_t c = 0; c < CASES; c++) {
        const size_t n = make(c);
        set_picks(1, n);
        for (size_t i = 0; i < KEYS; i++) {
            check_metric(keys[i], all[0], n, c, json_array_get(golden, c), i);
            check_sums(keys[i], n, c);
        }
        for (size_t i = 0; i < n; i++) { /* far apart, as in a small group of many items: the same */
            place[0][i][0] *= 977, place[0][i][1] *= 977;
            pick[0][i].places *= 977;
        }
        check_metric("spearman", all[0], n, c, json_array_get(golden, c), 6);
        check_metric("kendall", all[0], n, c, json_array_get(golden, c), 7);
        pick[0][0].width = 0; /* of that one nobody says how wide its scale is */
        size_t counted;
        pt_metric_kind_at(pt_metric_find("nmape"))->choices(all[0], n, &counted);
        assert_int_equal(counted, n - 1);
    }
    json_decref(golden);
    for (size_t i = 0; i < KEYS; i++) {
        size_t counted;
        assert_true(isnan(pt_metric_kind_at(pt_metric_find(keys[i]))->choices(all[0], 0, &counted)) && counted == 0);
    }
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void test_many(void **state)
{
    pt_metric_list list = {.n = 0};
    pt_measures m;
    pt_changes change;
    draw d = {7};
    size_t counted;
    (void)state;
    for (size_t i = 0; i < KEYS; i++) list.at[list.n++] = pt_metric_find(keys[i]);
    for (size_t i = 0; i < N; i++)
        for (int s = 0; s < 2; s++) {
            number[s][i][0] = (double)(i % 11);
            number[s][i][1] = (0.3 + 0.1 * s) * number[s][i][0] + (0.7 - 0.1 * s) * 10 * draw_unit(&d);
        }
    set_picks(2, N);
    const double from = seconds();
    pt_measures_clear(&m);
    pt_changes_clear(&change);
    for (int k = 0; k < list.n; k++) m.v[list.at[k]] = pt_metric_kind_at(list.at[k])->choices(all[0], N, &counted);
    assert_int_equal(pt_noise_side(&list, (pt_picks){.c = all[0], .n = N}, 1, &m), PT_OK);
    assert_int_equal(pt_noise_change(&list, (pt_picks[]){{.c = all[0], .n = N}, {.c = all[1], .n = N}}, 1, &change), PT_OK);
    const double took = seconds() - from;
    for (int k = 0; k < list.n; k++) {
        const int at = list.at[k];
        if (!(m.lo[at] < m.v[at] && m.v[at] < m.hi[at])) fail_msg("%s: %g not in [%g, %g]", keys[k], m.v[at], m.lo[at], m.hi[at]);
        if (!(change.p[at] < (MANY < 10000 ? 0.05 : 0.005))) fail_msg("%s: p %g", keys[k], change.p[at]);
    }
    print_message("# figure: intervals and p of 11 metrics of %d numbers, before and after: %.1f s\n", MANY, took);
    assert_true(took < 60);
}

static void test_read(void **state)
{
    static const struct {
        const char *answer;
        double want;
    } cases[] = {
        {"7.5", 7.5}, {" **3** because", 3}, {"The score is 6.25.", 6.25}, {".5", 0.5}, {"-.5", -0.5}, {"-2", -2}, {"1,200", 1200}, {"About 1,234,567.5 of them", 1234567.5},
        {"1,2,3", 1}, {"8/10", 8}, {"I give it 4 out of 5", 4}, {"from 0 to 10", NAN}, {"either 3 or 4", NAN}, {"", NAN}, {"none", NAN}, {"85%", 85}, {"v2.5", 5},
        {"Rating: 12,5", 12}, {"12,3456", 12}, {"\xef\xbc\x97", 7}, {"3rd", NAN}, {"-1,000", -1000}, {"\xe8\xaf\x84\xe5\x88\x86\xef\xbc\x9a" "9", 9},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const double got = pt_number_read(cases[i].answer);
        if (isnan(got) != isnan(cases[i].want) || (!isnan(got) && got != cases[i].want)) fail_msg("'%s' is read as %g, not %g", cases[i].answer, got, cases[i].want);
    }
    assert_true(isnan(pt_number_read(NULL)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_golden), cmocka_unit_test(test_many), cmocka_unit_test(test_read)};
    return cmocka_run_group_tests_name("eval_values", tests, NULL, NULL);
}

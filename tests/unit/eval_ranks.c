/* Metrics of candidates in an order against scikit-learn 1.9.1 and scipy 1.17.1 (tests/golden/task_ranks.py, data/task_ranks.json), from scores to places to
 * metrics; ten thousand items in seconds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "eval/metric/noise.h"
#include "eval/stat/places.h"
#include "tests/unit/task_cases.h"

enum { MOST = 25, N = MANY, CASES = 1000 };
static pt_pick pick[2][N];
static const pt_pick *all[2][N];
static double gain[2][N][2 * MOST];
static uint32_t rank[2][N][2 * MOST];
static const char *const keys[] = {"hits_1", "hits_3", "hits_5", "hits_10", "hits_k", "recall_k", "mrr", "map", "ndcg", "ndcg_k"};
enum { KEYS = sizeof keys / sizeof *keys };

static int from_high(const void *a, const void *b)
{
    return -((*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b));
}

static void set_pick(int side, size_t i, int n, const double *scores, int cut)
{
    double *g = gain[side][i];
    memcpy(g + n, g, (size_t)n * sizeof *g);
    qsort(g + n, (size_t)n, sizeof *g, from_high);
    assert_int_equal(pt_places_from_top(scores, (size_t)n, rank[side][i]), PT_OK);
    pick[side][i] = (pt_pick){.item = i, .cluster = i, .n = n, .gold = -1, .gain = g, .rank = rank[side][i], .cut = cut};
    all[side][i] = &pick[side][i];
}

/* As task_ranks.py's case(). */
static size_t make(uint64_t seed)
{
    static const int levels[] = {1, 3, 10, 1000000};
    draw d = {9000 + seed};
    const int k = 1 + draw_below(&d, 8);
    const bool graded = draw_below(&d, 2) == 0;
    const size_t items = 1 + (size_t)draw_below(&d, 4);
    for (size_t i = 0; i < items; i++) {
        double scores[MOST];
        const int n = 2 + draw_below(&d, 24), steps = levels[draw_below(&d, 4)];
        for (int c = 0; c < n; c++) {
            const bool relevant = draw_below(&d, 4) == 0;
            const int grade = 1 + draw_below(&d, 3);
            gain[0][i][c] = !relevant ? 0 : graded ? grade : 1;
            scores[c] = -draw_below(&d, steps) / 4.0;
        }
        const int at = draw_below(&d, n);
        gain[0][i][at] = fmax(gain[0][i][at], 1);
        set_pick(0, i, n, scores, k);
    }
    return items;
}

static void test_golden(void **state)
{
    json_error_t e;
    json_t *golden = json_load_file("tests/golden/data/task_ranks.json", 0, &e);
    assert_int_equal(json_array_size(golden), CASES);
    (void)state;
    for (size_t c = 0; c < CASES; c++) {
        const size_t n = make(c);
        for (size_t i = 0; i < KEYS; i++) check_metric(keys[i], all[0], n, c, json_array_get(golden, c), i);
    }
    json_decref(golden);
    size_t counted;
    for (size_t i = 0; i < KEYS; i++) assert_true(isnan(pt_metric_kind_at(pt_metric_find(keys[i]))->choices(all[0], 0, &counted)) && counted == 0);
    pick[0][0].cut = 0; /* no k is said */
    for (size_t i = 4; i < KEYS; i += i == 5 ? 4 : 1) assert_true(isnan(pt_metric_kind_at(pt_metric_find(keys[i]))->choices(all[0], 1, &counted)));
}

/* Scores all alike place every candidate last: hits only where k is all of them, MRR 1 / n. */
static void test_alike(void **state)
{
    const double scores[4] = {-2, -2, -2, -2};
    size_t counted;
    (void)state;
    for (int c = 0; c < 4; c++) gain[0][0][c] = c == 2;
    set_pick(0, 0, 4, scores, 4);
    const double want[] = {0, 0, NAN, NAN, NAN, NAN, 0.25, 0.25, (1 + 1 / log2(3) + 0.5 + 1 / log2(5)) / 4};
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        const double got = pt_metric_kind_at(pt_metric_find(keys[i]))->choices(all[0], 1, &counted);
        if (isnan(got) != isnan(want[i]) || fabs(got - want[i]) > 1e-15) fail_msg("%s: %.17g, not %.17g", keys[i], got, want[i]);
    }
}

static void test_many(void **state)
{
    pt_metric_list list = {.n = 0};
    pt_measures m;
    pt_changes change;
    draw d = {3};
    struct timespec a, b;
    size_t counted;
    (void)state;
    for (size_t i = 0; i < KEYS; i++) list.at[list.n++] = pt_metric_find(keys[i]);
    for (size_t i = 0; i < N; i++)
        for (int s = 0; s < 2; s++) {
            double scores[20];
            for (int c = 0; c < 20; c++) {
                gain[s][i][c] = c == 0 || c == 7;
                scores[c] = draw_unit(&d) + gain[s][i][c] * (0.1 + 0.1 * s);
            }
            set_pick(s, i, 20, scores, 2);
        }
    clock_gettime(CLOCK_MONOTONIC, &a);
    pt_measures_clear(&m);
    pt_changes_clear(&change);
    for (int k = 0; k < list.n; k++) m.v[list.at[k]] = pt_metric_kind_at(list.at[k])->choices(all[0], N, &counted);
    assert_int_equal(pt_noise_side(&list, (pt_picks){.c = all[0], .n = N}, 1, &m), PT_OK);
    assert_int_equal(pt_noise_change(&list, (pt_picks[]){{.c = all[0], .n = N}, {.c = all[1], .n = N}}, 1, &change), PT_OK);
    clock_gettime(CLOCK_MONOTONIC, &b);
    for (int k = 0; k < list.n; k++) {
        const int at = list.at[k];
        if (!(m.lo[at] < m.v[at] && m.v[at] < m.hi[at])) fail_msg("%s: %g not in [%g, %g]", keys[k], m.v[at], m.lo[at], m.hi[at]);
        if (!(change.p[at] < (MANY < 10000 ? 0.05 : 0.005))) fail_msg("%s: p %g", keys[k], change.p[at]);
    }
    const double took = (double)(b.tv_sec - a.tv_sec) + 1e-9 * (double)(b.tv_nsec - a.tv_nsec);
    print_message("# figure: intervals and p of 10 metrics of %d items of 20 candidates, before and after: %.1f s\n", MANY, took);
    assert_true(took < 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_golden), cmocka_unit_test(test_alike), cmocka_unit_test(test_many)};
    return cmocka_run_group_tests_name("eval_ranks", tests, NULL, NULL);
}

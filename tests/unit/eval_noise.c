/* eval/metric/noise.h: intervals and tests of metrics of choices. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "base/rng.h"
#include "eval/metric/noise.h"
#include "eval/task/task.h"

enum { MOST = 10000, OPTIONS = 4 };
static pt_pick pick[2][MOST];
static const pt_pick *all[2][MOST];
static double logp[2][MOST][OPTIONS], prob[2][MOST][OPTIONS];

static double uniform(uint64_t a, uint64_t b)
{
    return pt_rng_unit(pt_rng_words(3, PT_RNG_TEST, a, b).v[0]);
}

/* n items; the second side is right more often by `more`. */
static void fill(size_t n, double more)
{
    for (uint64_t s = 0; s < 2; s++)
        for (size_t i = 0; i < n; i++) {
            bool right = uniform(i, s) < 0.5 + (s ? more : 0);
            for (uint64_t k = 0; k < OPTIONS; k++) logp[s][i][k] = -1 - uniform(i, 10 + 5 * s + k) - (right == (k > 0));
            int best = 0;
            for (int k = 1; k < OPTIONS; k++)
                if (logp[s][i][k] > logp[s][i][best]) best = k;
            double sum = 0;
            for (int k = 0; k < OPTIONS; k++) sum += prob[s][i][k] = exp(logp[s][i][k]);
            for (int k = 0; k < OPTIONS; k++) prob[s][i][k] /= sum;
            pick[s][i] = (pt_pick){.item = i, .cluster = i, .n = OPTIONS, .gold = 0, .picked = best, .logp = logp[s][i], .p = prob[s][i]};
            all[s][i] = &pick[s][i];
        }
}

static pt_metric_list metrics(const char *const *keys)
{
    pt_metric_list list = {.n = 0};
    for (; *keys; keys++) list.at[list.n++] = pt_metric_find(*keys);
    return list;
}

static void test_intervals(void **state)
{
    static const char *const keys[] = {"acc", "brier", "ece", "parse_failures", NULL};
    const pt_metric_list list = metrics(keys);
    pt_measures m, again;
    size_t n;
    fill(400, 0);
    pt_measures_clear(&m);
    for (int k = 0; k < list.n; k++) m.v[list.at[k]] = pt_metric_kind_at(list.at[k])->choices(all[0], 400, &n);
    again = m;
    assert_int_equal(pt_noise_side(&list, (pt_picks){.c = all[0], .n = 400}, 1, &m), PT_OK);
    for (int k = 0; k < 3; k++) {
        int at = list.at[k];
        if (!(m.lo[at] < m.hi[at])) fail_msg("%s: [%g, %g]", keys[k], m.lo[at], m.hi[at]);
        if (k < 2) assert_true(m.lo[at] < m.v[at] && m.v[at] < m.hi[at]);
    }
    double acc = m.v[list.at[0]], half = 1.96 * sqrt(acc * (1 - acc) / 400);
    assert_true(fabs(m.lo[list.at[0]] - (acc - half)) < 0.01 && fabs(m.hi[list.at[0]] - (acc + half)) < 0.01);
    assert_true(isnan(m.lo[list.at[3]])); /* nothing was written */
    /* in twenty clusters of items that are all alike an interval is as wide as of twenty */
    for (size_t i = 0; i < 400; i++) {
        pick[0][i].cluster = i / 20;
        pick[0][i].picked = i / 20 % 2;
    }
    again.v[list.at[0]] = 0.5;
    assert_int_equal(pt_noise_side(&list, (pt_picks){.c = all[0], .n = 400}, 1, &again), PT_OK);
    half = 1.96 * sqrt(0.25 / 20);
    assert_true(fabs(again.lo[list.at[0]] - (0.5 - half)) < 0.06 && fabs(again.hi[list.at[0]] - (0.5 + half)) < 0.06);
    for (size_t i = 0; i < 400; i++) pick[0][i].cluster = 7;
    assert_int_equal(pt_noise_side(&list, (pt_picks){.c = all[0], .n = 400}, 1, &again), PT_OK);
    assert_true(isnan(again.lo[list.at[0]]) && isnan(again.hi[list.at[2]]));
}

/* What is no sum over items is computed of each resample, an item drawn twice in a row among them. */
static void test_whole(void **state)
{
    static const char *const keys[] = {"position_bias", NULL};
    const pt_metric_list list = metrics(keys);
    pt_measures m;
    size_t n;
    for (int i = 0; i < 4; i++) { /* two items in both rotations: always the first place */
        pick[0][i] = (pt_pick){.item = (size_t)i / 2, .cluster = (uint64_t)i / 2, .n = 2, .shift = i % 2, .picked = i % 2};
        all[0][i] = &pick[0][i];
    }
    pt_measures_clear(&m);
    m.v[list.at[0]] = pt_metric_kind_at(list.at[0])->choices(all[0], 4, &n);
    assert_int_equal(pt_noise_side(&list, (pt_picks){.c = all[0], .n = 4}, 1, &m), PT_OK);
    assert_true(m.v[list.at[0]] == 0.5 && m.lo[list.at[0]] == 0.5 && m.hi[list.at[0]] == 0.5);
}

static void test_change(void **state)
{
    static const char *const keys[] = {"acc", "gold_probability", "ece", NULL};
    const pt_metric_list list = metrics(keys);
    pt_changes c, other;
    double *p = c.p, *again = other.p;
    fill(300, 0.2);
    pt_changes_clear(&c);
    const pt_picks side[2] = {{.c = all[0], .n = 300}, {.c = all[1], .n = 300}}, same[2] = {{.c = all[0], .n = 300}, {.c = all[0], .n = 300}}, none[2] = {{.c = all[0], .n = 300}, {.c = all[1], .n = 0}};
    assert_int_equal(pt_noise_change(&list, side, 1, &c), PT_OK);
    assert_int_equal(pt_noise_change(&list, side, 1, &other), PT_OK);
    for (int k = 0; k < list.n; k++) assert_true(p[list.at[k]] == again[list.at[k]] && (k == 2 || p[list.at[k]] < 0.01));
    assert_int_equal(pt_noise_change(&list, same, 1, &c), PT_OK);
    for (int k = 0; k < list.n; k++) assert_true(p[list.at[k]] == 1);
    assert_int_equal(pt_noise_change(&list, none, 1, &c), PT_OK);
    for (int k = 0; k < list.n; k++) assert_true(isnan(p[list.at[k]]));
    /* exact: eight items, all of them right on one side only */
    for (int i = 0; i < 8; i++) pick[0][i].picked = 1, pick[1][i].picked = 0;
    const pt_picks eight[2] = {{.c = all[0], .n = 8}, {.c = all[1], .n = 8}};
    assert_int_equal(pt_noise_change(&list, eight, 1, &c), PT_OK);
    assert_true(p[list.at[0]] == 2.0 / 256 && fabs(c.mcnemar[list.at[0]] - 2.0 / 256) < 1e-15 && c.wilcoxon[list.at[0]] == 2.0 / 256);
    assert_true(isnan(c.mcnemar[list.at[1]]) && c.wilcoxon[list.at[1]] > 0 && isnan(c.wilcoxon[list.at[2]]));
    for (int s = 0; s < 2; s++)
        for (int i = 0; i < 8; i++) pick[s][i].cluster = (uint64_t)i / 4; /* two clusters say little */
    assert_int_equal(pt_noise_change(&list, eight, 1, &c), PT_OK);
    assert_true(p[list.at[0]] == 0.5);
}

/* Overall values are one family, the groups of each metric one more. */
static void test_families(void **state)
{
    static const char *const keys[] = {"acc", "brier", NULL};
    const pt_metric_list list = metrics(keys);
    pt_report r;
    pt_report_role *a, *b;
    pt_report_init(&r);
    assert_int_equal(pt_report_role_get(&r, "a", &a), PT_OK);
    assert_int_equal(pt_report_role_get(&r, "b", &b), PT_OK);
    a = &r.role[0];
    r.change.p[list.at[0]] = 0.02, r.change.p[list.at[1]] = 0.03;
    a->change.p[list.at[0]] = 0.01, b->change.p[list.at[0]] = 0.04;
    b->change.p[list.at[1]] = 0.04; /* a has none there */
    assert_int_equal(pt_noise_correct(&list, &r), PT_OK);
    assert_true(r.change.p[list.at[0]] == 0.04 && r.change.p[list.at[1]] == 0.04);
    assert_true(a->change.p[list.at[0]] == 0.02 && b->change.p[list.at[0]] == 0.04);
    assert_true(isnan(a->change.p[list.at[1]]) && b->change.p[list.at[1]] == 0.04);
    pt_report_free(&r);
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Metrics of a table are resampled together. */
static void test_speed(void **state)
{
    static const char *const keys[] = {"acc", "brier", "gold_probability", "ece", "order_agreement", "position_bias", NULL};
    fill(MOST, 0);
    const pt_picks side[2] = {{.c = all[0], .n = MOST}, {.c = all[1], .n = MOST}};
    const pt_metric_list list = metrics(keys);
    pt_measures m;
    pt_changes c;
    double start = seconds();
    size_t n;
    pt_measures_clear(&m);
    for (int i = 0; i < list.n; i++) m.v[list.at[i]] = pt_metric_kind_at(list.at[i])->choices(all[0], MOST, &n);
    for (int s = 0; s < 2; s++) assert_int_equal(pt_noise_side(&list, side[s], 1, &m), PT_OK);
    assert_int_equal(pt_noise_change(&list, side, 1, &c), PT_OK);
    double each = (seconds() - start) / list.n;
    print_message("# figure intervals and tests of %d metrics, 10,000 items before and after: %.2f s a metric\n", list.n, each);
    if (!getenv("ASAN_OPTIONS")) assert_true(each < 1.5); /* of a busy machine; 0.3 of an idle one */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_intervals), cmocka_unit_test(test_whole), cmocka_unit_test(test_change),
                                       cmocka_unit_test(test_families), cmocka_unit_test(test_speed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* eval/stat/agreement.h, ratings.h, correlation.h and pairwise.h: against krippendorff 0.9.0, scikit-learn 1.9.1, choix 0.4.1 and scipy 1.17.1
 * (tests/golden/judgements.py, data/judgements.json), by hand where no program says the same, and their intervals. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include <cmocka.h>
#include <jansson.h>

#include "eval/stat/agreement.h"
#include "eval/stat/correlation.h"
#include "eval/stat/pairwise.h"
#include "eval/stat/ratings.h"
#include "tests/unit/task_cases.h"

enum { MOST = 1000, ALL = (1u << PT_AGREES) - 1 };
static json_t *golden;

static double number(const json_t *v)
{
    return json_is_number(v) ? json_number_value(v) : NAN;
}

static void near(const char *what, size_t row, double got, double want, double limit)
{
    if (isnan(got) != isnan(want) || fabs(got - want) > limit * fmax(1, fabs(want))) fail_msg("%s, case %zu: %.17g, not %.17g", what, row, got, want);
}

/* ---- agreement ---- */

static void test_agreement(void **state)
{
    static double x[MOST];
    size_t i, j, k, defined = 0;
    json_t *row, *item, *v;
    (void)state;
    assert_int_equal(json_array_size(json_object_get(golden, "agreement")), 300);
    json_array_foreach (json_object_get(golden, "agreement"), i, row) {
        size_t n = 0, given = 0;
        pt_agreement a;
        json_array_foreach (json_array_get(row, 0), j, item)
            json_array_foreach (item, k, v) x[n] = number(v), given += !isnan(x[n++]);
        const pt_rated r = {.x = x, .items = json_array_size(json_array_get(row, 0)), .raters = (size_t)json_integer_value(json_array_get(row, 1))};
        assert_int_equal(pt_agreement_of(&r, ALL, i % 10 ? 0 : 20, 1, &a), PT_OK);
        for (size_t m = 0; m < PT_AGREES; m++) {
            near(pt_agree_key((pt_agree)m), i, a.value[m], number(json_array_get(row, 2 + m)), 1e-9);
            assert_true(isnan(a.value[m]) == (a.why[m] != NULL));
            defined += !isnan(a.value[m]);
        }
        assert_true(a.items + a.alone == r.items && a.ratings == given && a.ratings + a.missing == n && a.apart <= a.pairs);
    }
    assert_true(defined > 2000);
}

static const char *why(const double *x, size_t items, size_t raters, pt_agree m)
{
    pt_agreement a;
    assert_int_equal(pt_agreement_of(&(pt_rated){.x = x, .items = items, .raters = raters}, 1u << m, 100, 1, &a), PT_OK);
    assert_true(isnan(a.value[m]));
    for (int k = 0; k < PT_AGREES; k++) assert_true(isnan(a.value[k]) && (k == (int)m || !a.why[k])); /* the others were not asked for */
    return a.why[m];
}

static void test_agreement_reasons(void **state)
{
    pt_agreement a;
    (void)state;
    assert_string_equal(why((double[]){1, 2, 3}, 3, 1, PT_AGREE_KAPPA), "one rater alone");
    assert_string_equal(why((double[]){1, NAN, NAN, 2}, 2, 2, PT_AGREE_ALPHA_NOMINAL), "no item has two ratings");
    assert_string_equal(why((double[]){4, 4, 4, 4}, 2, 2, PT_AGREE_ALPHA_INTERVAL), "all ratings are the same");
    assert_string_equal(why((double[]){0.1, 0.1, 0.1}, 1, 3, PT_AGREE_ALPHA_INTERVAL), "all ratings are the same"); /* 0.1 * 3 / 3 is not 0.1 */
    assert_string_equal(why((double[]){0.1, 0.1, 0.1}, 1, 3, PT_AGREE_KAPPA_QUADRATIC), "no two raters have given more than one value to what both rated");
    assert_string_equal(why((double[]){4, 4, 4, 4}, 2, 2, PT_AGREE_KAPPA_LINEAR), "no two raters have given more than one value to what both rated");
    assert_string_equal(why((double[]){-1, 1, 2, 2}, 2, 2, PT_AGREE_ALPHA_RATIO), "a rating below 0 has no ratio");
    assert_string_equal(why(NULL, 0, 2, PT_AGREE_SHARE), "no item has two ratings");
    assert_int_equal(pt_agreement_of(&(pt_rated){.x = (double[]){1, INFINITY}, .items = 1, .raters = 2}, ALL, 0, 1, &a), PT_EARG);
    assert_string_equal(pt_err_msg(), "item 1: rater 2 gives an infinite number");
    /* what is alone is counted, and a pair of raters that shares nothing too */
    const double x[] = {1, 2, NAN, 2, 2, NAN, NAN, NAN, 4, NAN, NAN, NAN};
    assert_int_equal(pt_agreement_of(&(pt_rated){.x = x, .items = 4, .raters = 3}, ALL, 0, 1, &a), PT_OK);
    assert_true(a.items == 2 && a.alone == 2 && a.pairs == 3 && a.apart == 2 && a.ratings == 5 && a.missing == 7);
}

/* Three raters of n items that say the truth three times of four. */
static void rate_items(double *x, size_t n)
{
    draw d = {3};
    for (size_t i = 0; i < n; i++) {
        const int truth = draw_below(&d, 5);
        for (int j = 0; j < 3; j++) x[3 * i + j] = 1 + (draw_below(&d, 4) ? truth : draw_below(&d, 5));
    }
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void test_agreement_intervals(void **state)
{
    enum { N = MANY / 10 };
    static double x[3 * N], twice[6 * N];
    static uint64_t cluster[2 * N];
    pt_agreement a, b;
    (void)state;
    rate_items(x, N);
    const double from = seconds();
    assert_int_equal(pt_agreement_of(&(pt_rated){.x = x, .items = N, .raters = 3}, ALL, 1000, 1, &a), PT_OK);
    print_message("# figure: eight coefficients of %d items, three raters, 1,000 resamples: %.2f s\n", N, seconds() - from);
    for (int m = 0; m < PT_AGREES; m++) {
        const double width = a.ci[m].hi - a.ci[m].lo;
        if (!(a.ci[m].lo < a.value[m] && a.value[m] < a.ci[m].hi && width < 0.4)) fail_msg("%s: %g in [%g, %g]", pt_agree_key((pt_agree)m), a.value[m], a.ci[m].lo, a.ci[m].hi);
    }
    for (size_t i = 0; i < 2 * N; i++) { /* every item twice, in one cluster: nothing is known that was not */
        cluster[i] = i % N;
        memcpy(twice + 3 * i, x + 3 * (i % N), 3 * sizeof *x);
    }
    assert_int_equal(pt_agreement_of(&(pt_rated){.x = twice, .items = 2 * N, .raters = 3, .cluster = cluster}, ALL, 1000, 1, &b), PT_OK);
    for (int m = PT_AGREE_SHARE; m <= PT_AGREE_KAPPA_QUADRATIC; m++) {
        near("value of doubled items", (size_t)m, b.value[m], a.value[m], 1e-12);
        near("lower end", (size_t)m, b.ci[m].lo, a.ci[m].lo, 1e-9);
        near("upper end", (size_t)m, b.ci[m].hi, a.ci[m].hi, 1e-9);
    }
    assert_int_equal(pt_agreement_of(&(pt_rated){.x = twice, .items = 2 * N, .raters = 3}, ALL, 1000, 1, &b), PT_OK);
    assert_true(b.ci[0].hi - b.ci[0].lo < 0.85 * (a.ci[0].hi - a.ci[0].lo)); /* taken for so many items they would seem to be more */
}

/* ---- ratings ---- */

static void test_ratings(void **state)
{
    static double wins[MOST], got[MOST];
    size_t part[MOST], parts, i, j, k;
    double farthest = 0;
    json_t *row, *line, *v;
    (void)state;
    assert_int_equal(json_array_size(json_object_get(golden, "ratings")), 60);
    json_array_foreach (json_object_get(golden, "ratings"), i, row) {
        const size_t n = json_array_size(json_array_get(row, 1));
        json_array_foreach (json_array_get(row, 0), j, line)
            json_array_foreach (line, k, v) wins[j * n + k] = number(v);
        assert_int_equal(pt_ratings_of_wins(wins, n, 0, got, part, &parts), PT_OK);
        assert_int_equal(parts, 1);
        for (j = 0; j < n; j++) {
            const double want = number(json_array_get(json_array_get(row, 1), j));
            farthest = fmax(farthest, fabs(got[j] - want));
            near("rating", i, got[j], want, 1e-6);
        }
    }
    print_message("# figure: ratings of 60 fixtures: at most %.1e from choix\n", farthest);
}

static pt_duel duels[4000];

static void test_ratings_by_hand(void **state)
{
    static const char *const names[] = {"ann", "bo", "cy", "dee"};
    pt_ratings r;
    pt_str why_not = {0};
    (void)state;
    /* ann wins 3 of 4 against bo, of which one is half: 3.5 to 0.5 */
    duels[0] = (pt_duel){.a = 0, .b = 1, .won = 1}, duels[1] = (pt_duel){.a = 1, .b = 0, .won = 0}, duels[2] = (pt_duel){.a = 0, .b = 1, .won = 0.5}, duels[3] = duels[0];
    assert_int_equal(pt_ratings_of(duels, 4, 2, 0, 0, 1, &r), PT_OK);
    near("odds of seven", 0, r.rating[0] - r.rating[1], log(7), 1e-12);
    near("Elo", 0, pt_elo(r.rating[0]) - pt_elo(r.rating[1]), 400 * log10(7), 1e-9);
    assert_true(r.wins[0] == 3.5 && r.wins[1] == 0.5 && r.played[0] == 4 && r.played[1] == 4 && pt_elo(0) == 1000);
    assert_int_equal(pt_ratings_why(&r, names, &why_not), PT_OK);
    assert_string_equal(why_not.text, "");
    pt_ratings_free(&r);
    /* cy has lost to both and won never; dee has met nobody */
    duels[4] = (pt_duel){.a = 0, .b = 2, .won = 1}, duels[5] = (pt_duel){.a = 2, .b = 1, .won = 0};
    assert_int_equal(pt_ratings_of(duels, 6, 4, 0, 50, 1, &r), PT_OK);
    assert_true(r.parts == 3 && r.part[0] == 0 && r.part[1] == 0 && r.part[2] == 1 && r.part[3] == 2 && isnan(r.rating[0]) && isnan(r.ci[0].lo));
    assert_int_equal(pt_ratings_why(&r, names, &why_not), PT_OK);
    assert_string_equal(why_not.text, "no ratings: between these groups there are no wins both ways, neither direct nor by others: ann, bo | cy | dee; `prior` gives each so many wins against each");
    pt_ratings_free(&r);
    /* with a prior there are, and they are those of the wins added */
    double wins[16], want[4];
    size_t part[4], parts;
    for (int i = 0; i < 16; i++) wins[i] = 0.1;
    for (int i = 0; i < 6; i++) wins[duels[i].a * 4 + duels[i].b] += duels[i].won, wins[duels[i].b * 4 + duels[i].a] += 1 - duels[i].won;
    assert_int_equal(pt_ratings_of_wins(wins, 4, 0, want, part, &parts), PT_OK);
    assert_int_equal(pt_ratings_of(duels, 6, 4, 0.1, 0, 1, &r), PT_OK);
    assert_int_equal(r.parts, 1);
    for (size_t i = 0; i < 4; i++) near("prior", i, r.rating[i], want[i], 1e-12);
    assert_true(r.rating[0] > r.rating[3] && r.rating[3] > r.rating[2]);
    pt_ratings_free(&r);
    free(why_not.text);
}

static void refuse(const pt_duel *d, double prior, const char *message)
{
    pt_ratings r;
    assert_int_equal(pt_ratings_of(d, 1, 2, prior, 0, 1, &r), PT_EARG);
    assert_string_equal(pt_err_msg(), message);
}

static void test_ratings_refused(void **state)
{
    double rating[2];
    size_t part[2], parts;
    (void)state;
    refuse(&(pt_duel){.a = 0, .b = 0, .won = 1}, 0, "comparison 1 is of 1 with 1, of 2 that there are");
    refuse(&(pt_duel){.a = 0, .b = 2, .won = 1}, 0, "comparison 1 is of 1 with 3, of 2 that there are");
    refuse(&(pt_duel){.a = 0, .b = 1, .won = NAN}, 0, "comparison 1: nan of a win: it lies between 0 and 1");
    refuse(&(pt_duel){.a = 0, .b = 1, .won = 1}, -1, "prior: -1 wins: it is a number from 0 on");
    assert_int_equal(pt_ratings_of_wins((double[]){0, -2, 1, 0}, 2, 0, rating, part, &parts), PT_EARG);
    assert_string_equal(pt_err_msg(), "wins of 1 against 2: -2");
    /* far apart, and equal */
    assert_int_equal(pt_ratings_of_wins((double[]){0, 1e12, 1, 0}, 2, 0, rating, part, &parts), PT_OK);
    near("far apart", 0, rating[0] - rating[1], log(1e12), 1e-9);
    assert_int_equal(pt_ratings_of_wins((double[]){0, 5, 5, 0}, 2, 0, rating, part, &parts), PT_OK);
    assert_true(rating[0] == 0 && rating[1] == 0);
    assert_int_equal(pt_ratings_of_wins((double[]){0}, 1, 0, rating, part, &parts), PT_OK);
    assert_true(parts == 1 && rating[0] == 0);
}

/* Ten of known strength, each prompt a comparison of every pair: most intervals hold the truth, and the width is that of a formula where there is one. */
static void test_ratings_intervals(void **state)
{
    enum { N = 10, PROMPTS = 80 };
    draw d = {11};
    pt_ratings r;
    size_t n = 0, hold = 0;
    (void)state;
    for (uint64_t p = 0; p < PROMPTS; p++)
        for (size_t a = 0; a < N; a++)
            for (size_t b = a + 1; b < N; b++)
                duels[n++] = (pt_duel){.a = a, .b = b, .won = draw_unit(&d) < 1 / (1 + exp(0.2 * ((double)a - (double)b))) ? 0 : 1, .cluster = p};
    const double from = seconds();
    assert_int_equal(pt_ratings_of(duels, n, N, 0, 1000, 1, &r), PT_OK);
    print_message("# figure: ratings of ten from %zu comparisons, 1,000 resamples: %.2f s\n", n, seconds() - from);
    assert_true(r.held == 1000);
    for (size_t i = 0; i < N; i++) hold += r.ci[i].lo <= 0.2 * ((double)i - 4.5) && 0.2 * ((double)i - 4.5) <= r.ci[i].hi;
    for (size_t i = 0; i < N; i++) assert_true(r.ci[i].lo < r.rating[i] && r.rating[i] < r.ci[i].hi && r.ci[i].hi - r.ci[i].lo < 0.5);
    if (hold < 8) fail_msg("%zu of 10 intervals hold the truth", hold);
    pt_ratings_free(&r);
    /* two: the logit of the share of wins, whose error is sqrt(1 / wins + 1 / losses) */
    for (n = 0; n < 400; n++) duels[n] = (pt_duel){.a = 0, .b = 1, .won = n % 4 != 0, .cluster = n};
    assert_int_equal(pt_ratings_of(duels, n, 2, 0, 1000, 1, &r), PT_OK);
    const double half = 1.96 * sqrt(1.0 / 300 + 1.0 / 100) / 2;
    near("half the width for two", 0, (r.ci[0].hi - r.ci[0].lo) / 2 / half, 1, 0.1);
    pt_ratings_free(&r);
    /* few: some draws have no ratings, and say so */
    for (n = 0; n < 6; n++) duels[n].won = n > 0;
    assert_int_equal(pt_ratings_of(duels, n, 2, 0, 1000, 1, &r), PT_OK);
    assert_true(r.held > 500 && r.held < 800 && r.resamples == 1000 && !isnan(r.ci[0].lo)); /* 1 - (5/6)^6 = 0.665 */
    pt_ratings_free(&r);
}

/* ---- correlations ---- */

static void test_correlation(void **state)
{
    static double a[MOST], b[MOST];
    static const char *const names[] = {"pearson", "spearman", "kendall"};
    size_t i, j, defined = 0;
    json_t *row, *v;
    (void)state;
    json_array_foreach (json_object_get(golden, "correlation"), i, row) {
        pt_correlation c;
        const size_t n = json_array_size(json_array_get(row, 0));
        json_array_foreach (json_array_get(row, 0), j, v) a[j] = number(v);
        json_array_foreach (json_array_get(row, 1), j, v) b[j] = number(v);
        assert_int_equal(pt_correlate(a, b, NULL, n, i % 10 ? 0 : 20, 1, &c), PT_OK);
        for (j = 0; j < 3; j++) near(names[j], i, c.value[j], number(json_array_get(row, 2 + j)), 1e-9), defined += !isnan(c.value[j]);
        assert_true(c.n == (size_t)json_integer_value(json_array_get(row, 5)) && c.n + c.missing == n && isnan(c.value[0]) == (c.why != NULL));
    }
    assert_true(i == 200 && defined > 300);
}

static double normal(draw *d)
{
    double sum = -6;
    for (int k = 0; k < 12; k++) sum += draw_unit(d);
    return sum;
}

static void test_correlation_by_hand(void **state)
{
    enum { N = 200 };
    double a[2 * N], b[2 * N];
    uint64_t cluster[2 * N];
    pt_correlation c, twice;
    draw d = {5};
    (void)state;
    for (int i = 0; i < N; i++) a[i] = draw_below(&d, 5), b[i] = 6 - a[i];
    assert_int_equal(pt_correlate(a, b, NULL, N, 100, 1, &c), PT_OK);
    for (int k = 0; k < 3; k++) near("the other way round", (size_t)k, c.value[k], -1, 1e-12);
    for (int i = 0; i < N; i++) b[i] = 3;
    assert_int_equal(pt_correlate(a, b, NULL, N, 100, 1, &c), PT_OK);
    assert_true(isnan(c.value[0]) && isnan(c.value[1]) && isnan(c.value[2]) && isnan(c.ci[0].lo) && !strcmp(c.why, "the second side is all of one value"));
    assert_int_equal(pt_correlate(b, a, NULL, N, 0, 1, &c), PT_OK);
    assert_string_equal(c.why, "the first side is all of one value");
    assert_int_equal(pt_correlate(a, b, NULL, 1, 0, 1, &c), PT_OK);
    assert_string_equal(c.why, "one pair alone");
    b[0] = NAN;
    assert_int_equal(pt_correlate(a, b, NULL, 1, 0, 1, &c), PT_OK);
    assert_true(c.n == 0 && c.missing == 1 && !strcmp(c.why, "no pair"));
    b[0] = -INFINITY;
    assert_int_equal(pt_correlate(a, b, NULL, 1, 0, 1, &c), PT_EARG);
    for (int i = 0; i < N; i++) {
        b[i] = a[i] + 2 * draw_unit(&d);
        cluster[i] = cluster[N + i] = (uint64_t)i;
        a[N + i] = a[i], b[N + i] = b[i];
    }
    assert_int_equal(pt_correlate(a, b, NULL, N, 1000, 1, &c), PT_OK);
    assert_int_equal(pt_correlate(a, b, cluster, 2 * N, 1000, 1, &twice), PT_OK);
    for (int k = 0; k < 3; k++) assert_true(c.ci[k].lo < c.value[k] && c.value[k] < c.ci[k].hi);
    for (int k = 0; k < 2; k++) near("pairs twice, in one cluster", (size_t)k, twice.ci[k].hi - twice.ci[k].lo, c.ci[k].hi - c.ci[k].lo, 1e-9);
    for (int i = 0; i < N; i++) a[i] = normal(&d), b[i] = a[i] + normal(&d);
    assert_int_equal(pt_correlate(a, b, NULL, N, 1000, 1, &c), PT_OK);
    near("width", 0, (atanh(c.ci[0].hi) - atanh(c.ci[0].lo)) / (2 * 1.96 / sqrt(N - 3)), 1, 0.15); /* atanh(r) has the error 1 / sqrt(n - 3), Fisher 1921 */
}

/* One cluster of most rows and many of one: draws differ in size, and nothing is made for the largest that could be. */
static void test_unequal_clusters(void **state)
{
    enum { N = 40000 };
    static double a[N], b[N], x[2 * N];
    static uint64_t cluster[N];
    pt_correlation c;
    pt_agreement g;
    draw d = {8};
    struct rlimit before, little;
    (void)state;
    getrlimit(RLIMIT_AS, &before);
    little = (struct rlimit){.rlim_cur = 3u << 29, .rlim_max = before.rlim_max};
    if (MANY == 10000) setrlimit(RLIMIT_AS, &little); /* a sanitizer wants all there is */
    for (size_t i = 0; i < N; i++) {
        a[i] = draw_unit(&d), b[i] = a[i] + draw_unit(&d);
        x[2 * i] = draw_below(&d, 3), x[2 * i + 1] = draw_below(&d, 3);
        cluster[i] = i < N / 2 ? 0 : i;
    }
    assert_int_equal(pt_correlate(a, b, cluster, N, 20, 1, &c), PT_OK); /* 20,001 clusters of up to 20,000 pairs */
    assert_true(c.ci[PT_KENDALL].lo < c.value[PT_KENDALL] && c.value[PT_KENDALL] < c.ci[PT_KENDALL].hi);
    assert_int_equal(pt_agreement_of(&(pt_rated){.x = x, .items = N, .raters = 2, .cluster = cluster}, ALL, 20, 1, &g), PT_OK);
    assert_true(g.ci[PT_AGREE_KAPPA].lo < g.ci[PT_AGREE_KAPPA].hi);
    setrlimit(RLIMIT_AS, &before);
}

/* ---- by the pair ---- */

static pt_judged judged[400];

static pt_pairwise judge(size_t n)
{
    pt_pairwise p;
    assert_int_equal(pt_pairwise_of(judged, n, 500, 1, &p), PT_OK);
    return p;
}

static void test_pairwise(void **state)
{
    pt_pairwise p;
    (void)state;
    for (size_t i = 0; i < 200; i++) judged[i] = (pt_judged){.item = i / 2, .cluster = i / 2, .swapped = i % 2, .verdict = PT_VERDICT_FIRST}; /* always the first */
    p = judge(200);
    assert_true(p.value[PT_PAIR_WIN] == 0.5 && p.value[PT_PAIR_BIAS] == 1 && p.value[PT_PAIR_CONSISTENT] == 0 && p.value[PT_PAIR_FIRST] == 1 && p.value[PT_PAIR_TIE] == 0);
    assert_true(p.ci[PT_PAIR_WIN].lo == 0.5 && p.ci[PT_PAIR_WIN].hi == 0.5 && p.items == 100 && p.both == 100 && p.verdicts == 200);
    for (size_t i = 0; i < 200; i++) judged[i].verdict = i % 2 ? PT_VERDICT_SECOND : PT_VERDICT_FIRST; /* always us */
    p = judge(200);
    assert_true(p.value[PT_PAIR_WIN] == 1 && p.value[PT_PAIR_BIAS] == 0 && p.value[PT_PAIR_CONSISTENT] == 1 && p.value[PT_PAIR_FIRST] == 0.5);
    for (size_t i = 0; i < 200; i++) judged[i].verdict = PT_VERDICT_TIE;
    p = judge(200);
    assert_true(p.value[PT_PAIR_WIN] == 0.5 && p.value[PT_PAIR_BIAS] == 0 && p.value[PT_PAIR_CONSISTENT] == 1 && isnan(p.value[PT_PAIR_FIRST]) && p.ties == 200);
    for (size_t i = 0; i < 200; i++) judged[i].verdict = PT_VERDICT_NONE;
    p = judge(200);
    assert_true(isnan(p.value[PT_PAIR_WIN]) && isnan(p.ci[PT_PAIR_WIN].lo) && p.none == 100 && p.missing == 200 && p.verdicts == 0);
    p = judge(0);
    assert_true(isnan(p.value[PT_PAIR_WIN]) && p.items == 0);
}

static void test_pairwise_by_hand(void **state)
{
    pt_pairwise p;
    (void)state;
    const pt_judged by_hand[] = {
        {.item = 1, .cluster = 1, .swapped = false, .verdict = PT_VERDICT_FIRST},  /* a win; the other order is missing */
        {.item = 1, .cluster = 1, .swapped = true, .verdict = PT_VERDICT_NONE},
        {.item = 2, .cluster = 2, .swapped = true, .verdict = PT_VERDICT_FIRST},   /* lost, and a tie: a quarter */
        {.item = 2, .cluster = 2, .swapped = false, .verdict = PT_VERDICT_TIE},
        {.item = 3, .cluster = 1, .swapped = false, .verdict = PT_VERDICT_FIRST},  /* first: won, won, lost; second: lost. 2/3 and 0: a third */
        {.item = 3, .cluster = 1, .swapped = false, .verdict = PT_VERDICT_FIRST},
        {.item = 3, .cluster = 1, .swapped = false, .verdict = PT_VERDICT_SECOND},
        {.item = 3, .cluster = 1, .swapped = true, .verdict = PT_VERDICT_FIRST},
    };
    memcpy(judged, by_hand, sizeof by_hand);
    p = judge(8);
    near("wins", 0, p.value[PT_PAIR_WIN], (1 + 0.25 + 1.0 / 3) / 3, 1e-15);
    near("ties", 0, p.value[PT_PAIR_TIE], 0.5 / 3, 1e-15);
    near("first", 0, p.value[PT_PAIR_FIRST], (1 + 1 + 0.75) / 3, 1e-15);
    near("bias", 0, p.value[PT_PAIR_BIAS], (0 + 2.0 / 3) / 2, 1e-15);
    near("consistent", 0, p.value[PT_PAIR_CONSISTENT], (0 + 1.0 / 3) / 2, 1e-15);
    assert_true(p.items == 3 && p.both == 2 && p.one == 1 && p.none == 0 && p.verdicts == 7 && p.ties == 1 && p.missing == 1);
    /* two clusters, (1 + 1/3) / 2 and 1/4: draws of two are one of them twice, or both */
    near("lower end", 0, p.ci[PT_PAIR_WIN].lo, 0.25, 1e-15);
    near("upper end", 0, p.ci[PT_PAIR_WIN].hi, 2.0 / 3, 1e-15);
}

static int load(void **state)
{
    json_error_t err;
    (void)state;
    golden = json_load_file("tests/golden/data/judgements.json", 0, &err);
    return !golden;
}

static int unload(void **state)
{
    (void)state;
    json_decref(golden);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_agreement),       cmocka_unit_test(test_agreement_reasons),  cmocka_unit_test(test_agreement_intervals),
                                       cmocka_unit_test(test_ratings),         cmocka_unit_test(test_ratings_by_hand),    cmocka_unit_test(test_ratings_refused),
                                       cmocka_unit_test(test_ratings_intervals), cmocka_unit_test(test_correlation),      cmocka_unit_test(test_correlation_by_hand), cmocka_unit_test(test_unequal_clusters),
                                       cmocka_unit_test(test_pairwise),        cmocka_unit_test(test_pairwise_by_hand)};
    return cmocka_run_group_tests_name("eval_judgements", tests, load, unload);
}

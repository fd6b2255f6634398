/* eval/task/sheets.h: which sheets stand in which row, on made-up answers. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "eval/task/convergence.h"
#include "eval/stat/distance.h"
#include "eval/stat/correlation.h"
#include "eval/stat/reliability.h"
#include "eval/task/sheets.h"

enum { NUMBERS = 5, PERSONAS = 5, REPEATS = 2, TURNS = 2, EACH = REPEATS * TURNS, SHEETS = PERSONAS * EACH, ITEMS = 14 };

static pt_inventory inventory;
static double answers[2][SHEETS * ITEMS];
static double shares[2][SHEETS * ITEMS * NUMBERS];
static bool asked[ITEMS];
static const char *const names[] = {"Ada", "Bo", "Cy", "Di", "Ed"};
static pt_sheets sheets = {.v = &inventory, .asked = asked, .persona = names, .personas = PERSONAS, .variants = 1, .repeats = REPEATS, .turns = TURNS, .seed = 3};

/* Turned sheets are one higher throughout; afterwards answers are one higher, those of Ed apart. */
static void fill(void)
{
    for (int side = 0; side < 2; side++)
        for (int s = 0; s < SHEETS; s++)
            for (int i = 0; i < ITEMS; i++) {
                int p = s / EACH, r = s / TURNS % REPEATS;
                int base = 1 + (int)(pt_hash_mix((uint64_t)(p * 7 + 1), (uint64_t)i) % 2) + (int)(pt_hash_mix((uint64_t)(p * 5 + r + 40), (uint64_t)i) % 2);
                answers[side][s * ITEMS + i] = base + s % TURNS + (side && p < 4);
            }
    for (int i = 0; i < ITEMS; i++) asked[i] = true;
}

static const pt_finding *row(const pt_findings *f, const char *metric, const char *scope)
{
    for (size_t i = 0; i < f->n; i++)
        if (!strcmp(f->list[i].metric, metric) && (scope ? f->list[i].scope && !strcmp(f->list[i].scope, scope) : !f->list[i].scope)) return &f->list[i];
    fail_msg("no row %s of %s", metric, scope ? scope : "all");
    return NULL;
}

static void near(double got, double want)
{
    if (!(fabs(got - want) <= 1e-12)) fail_msg("%.17g, not %.17g", got, want);
}

static double score_of(int side, int sheet, size_t scale)
{
    return pt_inventory_score(&inventory, &inventory.scales[scale], answers[side] + sheet * ITEMS, NULL).value;
}

static void test_rows(void **state)
{
    pt_findings f = {0};
    double x[SHEETS], first[SHEETS], second[SHEETS], keyed[SHEETS * ITEMS], mean = 0, of_bo = 0;
    const pt_scale *care = NULL;
    size_t at = 0, pairs = 0;
    (void)state;
    fill();
    for (size_t k = 0; k < inventory.n_scales; k++)
        if (!strcmp(inventory.scales[k].name, "Care")) care = &inventory.scales[at = k];
    assert_non_null(care);
    sheets.picked[PT_BEFORE] = answers[0];
    assert_int_equal(pt_sheets_find(&sheets, PT_BEFORE, &f), PT_OK);
    for (int s = 0; s < SHEETS; s++) {
        x[s] = score_of(0, s, at);
        mean += x[s] / SHEETS;
        if (s / EACH == 1) of_bo += x[s] / EACH;
        for (size_t i = 0; i < care->n; i++) keyed[(size_t)s * care->n + i] = pt_inventory_keyed(&inventory, care, i, answers[0] + s * ITEMS);
    }
    near(row(&f, "scale.Care", NULL)->side[0].value, mean);
    near(row(&f, "scale.Care", "Bo")->side[0].value, of_bo);
    assert_int_equal(row(&f, "scale.Care", "Bo")->side[0].n, EACH);
    assert_true(row(&f, "facet.Company.Talk", NULL)->detail && !row(&f, "scale.Care", NULL)->detail);
    assert_true(row(&f, "scale.Care", NULL)->side[0].lo <= mean && row(&f, "scale.Care", NULL)->side[0].hi >= mean);
    near(row(&f, "order_shift", NULL)->side[0].value, 0.25);
    near(row(&f, "order_agreement", "Cy")->side[0].value, 0);
    assert_int_equal(row(&f, "order_shift", NULL)->side[0].n, SHEETS / 2);
    near(row(&f, "alpha.Care", NULL)->side[0].value, pt_alpha(keyed, SHEETS, care->n));
    pt_icc c = pt_icc_of(x, PERSONAS, EACH);
    near(row(&f, "icc2.Care", NULL)->side[0].value, c.two);
    near(row(&f, "icc3k.Care", NULL)->side[0].value, c.three_k);
    for (int p = 0; p < PERSONAS; p++)
        for (int turn = 0; turn < TURNS; turn++, pairs++) first[pairs] = x[p * EACH + turn], second[pairs] = x[p * EACH + TURNS + turn];
    near(row(&f, "retest.Care", NULL)->side[0].value, pt_pearson(first, second, pairs));
    assert_int_equal(row(&f, "retest.Care", NULL)->side[0].n, pairs);
    assert_true(isnan(row(&f, "scale.Care", NULL)->p));
    pt_findings_free(&f);
    sheets.picked[PT_BEFORE] = NULL;
}

/* Five personas: 32 ways to swap them, so that p is 2/32 at least; four of five changed alike. */
static void test_changes(void **state)
{
    pt_findings f = {0};
    (void)state;
    fill();
    for (int side = 0; side < 2; side++) {
        sheets.picked[side] = answers[side];
        assert_int_equal(pt_sheets_find(&sheets, (pt_side)side, &f), PT_OK);
    }
    const pt_finding *agree = row(&f, "acquiescence", NULL), *missing = row(&f, "missing_share", NULL);
    near(agree->side[1].value - agree->side[0].value, 0.8 * 0.5); /* one of two steps, in four of five */
    assert_true(missing->p == 1);
    assert_true(agree->p >= 0.125 && agree->p <= 1); /* 4/32 as far (Ed does not matter), corrected */
    assert_true(row(&f, "scale.Company", "Ed")->p == 1 && row(&f, "scale.Company", "Ed")->side[0].value == row(&f, "scale.Company", "Ed")->side[1].value);
    pt_findings_free(&f);
    sheets.picked[0] = sheets.picked[1] = NULL;
}

/* Shares of written answers. */
static void share_out(void)
{
    memset(shares, 0, sizeof shares);
    for (int side = 0; side < 2; side++)
        for (int i = 0; i < SHEETS * ITEMS; i++)
            if (answers[side][i] >= 1 && answers[side][i] <= NUMBERS) shares[side][i * NUMBERS + (int)answers[side][i] - 1] = 1;
}

/* Of an item: the answers of sheets [from, to), or of all others. */
static void count(int side, int item, int from, int to, bool others, double out[NUMBERS])
{
    for (int k = 0; k < NUMBERS; k++) out[k] = 0;
    for (int s = 0; s < SHEETS; s++)
        if ((s >= from && s < to) != others) out[(int)answers[side][s * ITEMS + item] - 1]++;
}

/* Distances by counting; the interval of a change; scales beside scales. */
static void test_distances(void **state)
{
    pt_findings f = {0};
    double a[NUMBERS], b[NUMBERS], js = 0, moved = 0, of_bo = 0, others = 0;
    (void)state;
    fill();
    assert_int_equal(inventory.high - inventory.low + 1, NUMBERS);
    answers[1][3] = NAN; /* one is missing */
    share_out();
    pt_scale *norm = NULL;
    for (size_t k = 0; k < inventory.n_scales; k++)
        if (!strcmp(inventory.scales[k].name, "Care")) norm = &inventory.scales[k];
    assert_non_null(norm);
    norm->norm = (struct pt_norm){.n = 90, .mean = 3.25, .deviation = 0.5};
    for (int side = 0; side < 2; side++) {
        sheets.picked[side] = answers[side];
        sheets.shares[side] = shares[side];
        assert_int_equal(pt_sheets_find(&sheets, (pt_side)side, &f), PT_OK);
        assert_int_equal(pt_convergence_find(&f, NULL, NULL, (pt_side)side), PT_OK);
    }
    for (int i = 0; i < ITEMS; i++) {
        count(0, i, 0, SHEETS, false, a);
        for (int k = 0; k < NUMBERS; k++) b[k] = 0;
        for (int s = 0; s < SHEETS; s++)
            if (!isnan(answers[1][s * ITEMS + i])) b[(int)answers[1][s * ITEMS + i] - 1]++;
        js += pt_jensen_shannon(a, b, NUMBERS) / ITEMS;
        moved += pt_wasserstein(a, b, NUMBERS) / ITEMS;
        for (int p = 0; p < PERSONAS; p++) {
            count(0, i, p * EACH, (p + 1) * EACH, false, a);
            count(0, i, p * EACH, (p + 1) * EACH, true, b);
            others += pt_wasserstein(a, b, NUMBERS) / ITEMS / PERSONAS;
            if (p == 1) of_bo += pt_jensen_shannon(a, b, NUMBERS) / ITEMS;
        }
    }
    near(row(&f, "js_change", NULL)->side[PT_AFTER].value, js);
    near(row(&f, "wasserstein_change", NULL)->side[PT_AFTER].value, moved);
    assert_true(isnan(row(&f, "js_change", NULL)->side[PT_BEFORE].value) && row(&f, "js_change", NULL)->side[PT_AFTER].lo < js && row(&f, "js_change", NULL)->side[PT_AFTER].hi > js);
    assert_true(fabs(moved - 0.8) < 0.02 && row(&f, "wasserstein_change", "Ed")->side[PT_AFTER].value == 0); /* four of five one higher */
    near(row(&f, "js_others", "Bo")->side[PT_BEFORE].value, of_bo);
    near(row(&f, "wasserstein_others", NULL)->side[PT_BEFORE].value, others);
    assert_int_equal(row(&f, "js_others", NULL)->side[PT_BEFORE].n, PERSONAS);
    for (int k = 0; k < NUMBERS; k++) a[k] = 0; /* personas' scores in bins of a point, beside people of mean 3.25 and deviation 0.5 */
    for (int p = 0; p < PERSONAS; p++) {
        double of = 0;
        for (int s = p * EACH; s < (p + 1) * EACH; s++) of += pt_inventory_score(&inventory, norm, answers[1] + s * ITEMS, NULL).value / EACH;
        a[(int)floor(of + 0.5) - 1]++;
    }
    const double borders[] = {0, 0.5 * erfc(3.5 / sqrt(2)), 0.5 * erfc(1.5 / sqrt(2)), 1 - 0.5 * erfc(0.5 / sqrt(2)), 1 - 0.5 * erfc(2.5 / sqrt(2)), 1};
    for (int k = 0; k < NUMBERS; k++) b[k] = borders[k + 1] - borders[k];
    near(row(&f, "js_norm.Care", NULL)->side[PT_AFTER].value, pt_jensen_shannon(a, b, NUMBERS));
    near(row(&f, "wasserstein_norm.Care", NULL)->side[PT_AFTER].value, pt_wasserstein(a, b, NUMBERS));
    assert_int_equal(row(&f, "js_norm.Care", NULL)->side[PT_AFTER].n, PERSONAS);
    const pt_finding *care = row(&f, "scale.Care", NULL), *agree = row(&f, "acquiescence", NULL);
    double change = agree->side[1].value - agree->side[0].value;
    assert_true(agree->change_lo < change && agree->change_hi >= change && agree->change_lo >= 0 && agree->change_hi <= 0.5 + 1e-12 && !isnan(care->change_lo));
    pt_findings_free(&f);
    for (int side = 0; side < 2; side++) sheets.picked[side] = sheets.shares[side] = NULL;
    norm->norm.n = 0;
}

/* Scores of personas, as questionnaires leave them. */
static void say(pt_findings *f, const char *metric, const char *who, double value)
{
    pt_finding *x;
    assert_int_equal(pt_finding_get(f, metric, metric, who, &x), PT_OK);
    x->side[PT_AFTER].value = value;
}

static bool has(const pt_findings *f, const char *metric)
{
    for (size_t i = 0; i < f->n; i++)
        if (!strcmp(f->list[i].metric, metric)) return true;
    return false;
}

static void test_convergence(void **state)
{
    pt_findings one = {0}, two = {0};
    const double warm[] = {1, 2, 4, 3, 5}, kind[] = {2, 2, 5, 4, 4};
    (void)state;
    for (int p = 0; p < PERSONAS; p++) {
        say(&one, "scale.Warm", names[p], warm[p]);
        say(&one, "scale.Flat", names[p], 3);
        say(&one, "scale.Rare", names[p], p < 2 ? p : NAN);
        say(&one, "facet.Warm.Soft", names[p], p);
        say(&two, "scale.Kind", names[PERSONAS - 1 - p], kind[PERSONAS - 1 - p]); /* in another order */
    }
    say(&one, "scale.Warm", NULL, 3);
    assert_int_equal(pt_convergence_find(&one, NULL, NULL, PT_AFTER), PT_OK);
    assert_false(has(&one, "convergent.Warm.Flat") || has(&one, "convergent.Warm.Rare") || has(&one, "convergent.Warm.Warm")); /* no variance; two personas */
    assert_int_equal(pt_convergence_find(&two, &one, "mini", PT_AFTER), PT_OK);
    near(row(&two, "convergent.mini.Kind.Warm", NULL)->side[PT_AFTER].value, pt_pearson(kind, warm, PERSONAS));
    assert_int_equal(row(&two, "convergent.mini.Kind.Warm", NULL)->side[PT_AFTER].n, PERSONAS);
    assert_false(has(&two, "convergent.mini.Kind.Flat") || has(&two, "convergent.mini.Kind.Soft"));
    say(&one, "scale.Flat", "Cy", 3.5);
    assert_int_equal(pt_convergence_find(&one, NULL, NULL, PT_AFTER), PT_OK);
    assert_true(has(&one, "convergent.Warm.Flat"));
    pt_findings_free(&one);
    pt_findings_free(&two);
}

/* What nobody answered differently has no alpha, no ICC and no retest. */
static void test_alike(void **state)
{
    pt_findings f = {0};
    (void)state;
    fill();
    for (size_t i = 0; i < SHEETS * ITEMS; i++) answers[0][i] = 3;
    sheets.picked[PT_BEFORE] = answers[0];
    assert_int_equal(pt_sheets_find(&sheets, PT_BEFORE, &f), PT_OK);
    near(row(&f, "scale.Care", NULL)->side[0].value, 3);
    near(row(&f, "order_agreement", NULL)->side[0].value, 1);
    for (size_t i = 0; i < f.n; i++)
        if (!strncmp(f.list[i].metric, "alpha", 5) || !strncmp(f.list[i].metric, "icc", 3) || !strncmp(f.list[i].metric, "retest", 6) || !strncmp(f.list[i].metric, "omega", 5))
            fail_msg("%s is %g", f.list[i].metric, f.list[i].side[0].value);
    pt_findings_free(&f);
    sheets.picked[PT_BEFORE] = NULL;
}

static int open_sample(void **state)
{
    (void)state;
    return pt_inventory_read(&inventory, "data/samples/eval/questionnaire_en.jsonl", "origin_en") != PT_OK;
}

static int close_sample(void **state)
{
    (void)state;
    pt_inventory_free(&inventory);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows), cmocka_unit_test(test_changes), cmocka_unit_test(test_distances), cmocka_unit_test(test_convergence), cmocka_unit_test(test_alike)};
    return cmocka_run_group_tests_name("eval_sheets", tests, open_sample, close_sample);
}

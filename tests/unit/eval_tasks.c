/* What evaluations are made of: reading written answers, metrics of choices, answers kept on disk, items spread over groups. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <math.h>

#include "base/file.h"
#include "base/log.h"
#include "eval/ask/answers.h"
#include "eval/task/chooser.h"
#include "tests/scratch.h"

static void test_read(void **state)
{
    static char *const options[] = {"the red door", "the blue door", "a window", "no way out"};
    static const struct {
        const char *answer;
        int want;
    } cases[] = {
        {"B", 1}, {"b", 1}, {" (C)", 2}, {"C.", 2}, {"**D**", 3}, {"B) the blue door", 1}, {"A\nBecause it is near.", 0}, {"Answer: C", 2},
        {"The answer is B.", 1}, {"I would choose option D, because", 3}, {"{\"answer\": \"B\"}", 1}, {"The correct choice is (A)", 0},
        {"\xe7\xad\x94\xe6\xa1\x88\xef\xbc\x9a" "B\xe3\x80\x82", 1}, {"\xe9\x80\x89" "C", 2}, {"\xef\xbc\x88" "D\xef\xbc\x89", 3}, {"It must be the blue door.", 1},
        {"A window, I think", 2}, {"First I thought the answer is A, but the answer is C.", 2}, {"Both (A) and (B) fit", -1},
        {"the red door or the blue door", -1}, {"", -1}, {"I do not know.", -1}, {"A good question indeed", -1}, {"E", -1}, {"Answer: Z", -1}, {"I'm not sure", -1},
        {"Beyond doubt", -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int got = pt_choose_read(cases[i].answer, options, 4);
        if (got != cases[i].want) fail_msg("'%s' is read as %d, not %d", cases[i].answer, got, cases[i].want);
    }
    static char *const nested[] = {"yes", "yes and no"};
    assert_int_equal(pt_choose_read("yes and no", nested, 2), 1); /* the longer of two that hold each other */
}

static void near(double got, double want, double limit)
{
    if (!(fabs(got - want) <= limit)) fail_msg("%.17g, not %.17g", got, want);
}

static double value(const char *key, const pt_pick *const *c, size_t n, size_t *counted)
{
    int m = pt_metric_find(key);
    assert_true(m >= 0);
    return pt_metric_kind_at(m)->choices(c, n, counted);
}

/* Worked by hand: three items of two options. */
static void test_metrics(void **state)
{
    static const double logp[3][2] = {{-1, -3}, {-2, -1.5}, {-4, -4}}, alone[3][2] = {{-1, -4}, {-9, -1}, {-1, -2}};
    static const int32_t chars[3][2] = {{1, 6}, {4, 2}, {2, 4}}, bytes[3][2] = {{1, 2}, {8, 2}, {2, 4}}, tokens[3][2] = {{1, 4}, {1, 1}, {2, 1}};
    pt_pick p[3];
    const pt_pick *all[3];
    size_t n;
    for (int i = 0; i < 3; i++) {
        p[i] = (pt_pick){.item = (size_t)i, .n = 2, .picked = logp[i][1] > logp[i][0], .logp = logp[i], .alone = alone[i], .chars = chars[i],
                         .bytes = bytes[i], .tokens = tokens[i]};
        all[i] = &p[i];
    }
    near(value("acc", all, 3, &n), 2.0 / 3, 0); /* of equal ones the first */
    near(value("acc_norm", all, 3, &n), 1.0 / 3, 0);
    near(value("acc_bytes", all, 3, &n), 2.0 / 3, 0);
    near(value("acc_tokens", all, 3, &n), 1.0 / 3, 0);
    near(value("acc_mutual_info", all, 3, &n), 1.0 / 3, 0);
    const double q[3] = {1 / (1 + exp(-2)), 1 / (1 + exp(0.5)), 0.5};
    double both[3][2];
    for (int i = 0; i < 3; i++) {
        both[i][0] = q[i], both[i][1] = 1 - q[i];
        p[i].p = both[i];
    }
    double brier = 0, ece = 0;
    for (int i = 0; i < 3; i++) brier += 2 * (1 - q[i]) * (1 - q[i]) / 3;
    near(value("brier", all, 3, &n), brier, 1e-15);
    ece = (fabs(1 - q[0]) + fabs(0 - (1 - q[1])) + fabs(1 - q[2])) / 3; /* bins (0.8, 0.9], (0.6, 0.7], (0.4, 0.5] */
    near(value("ece", all, 3, &n), ece, 1e-15);
    near(value("gold_probability", all, 3, &n), (q[0] + q[1] + q[2]) / 3, 1e-15);
    assert_int_equal(n, 3);
    near(value("margin", all, 3, &n), (2 - 0.5 + 0) / 3, 1e-15);
    near(value("gold_perplexity", all, 3, &n), exp((1.0 + 2 + 4) / 3), 1e-13);
    near(value("mass", all, 3, &n), (exp(-1) + exp(-3) + exp(-2) + exp(-1.5) + 2 * exp(-4)) / 3, 1e-15);
    p[2].gold = -1; /* nobody says which is right: the item is judged by nothing */
    static const char *const judged[] = {"acc", "acc_norm", "brier", "ece", "gold_probability", "margin", "gold_perplexity"};
    for (size_t i = 0; i < sizeof judged / sizeof *judged; i++) {
        assert_false(isnan(value(judged[i], all, 3, &n)));
        if (n != 2) fail_msg("%s counts %zu items, not 2", judged[i], n);
    }
    assert_true(!isnan(value("mass", all, 3, &n)) && n == 3);
    near(value("margin", all, 3, &n), (2 - 0.5) / 2, 1e-15);
    p[2].gold = 0;
    assert_true(isnan(value("parse_failures", all, 3, &n)) && n == 0); /* nothing was written */
    p[0].logp = p[0].p = NULL;
    p[0].picked = -1;
    near(value("acc", all, 3, &n), 1.0 / 3, 0); /* what names no option is wrong */
    near(value("parse_failures", all, 3, &n), 1, 0);
    assert_int_equal(n, 1);
    near(value("acc_norm", all, 3, &n), 0.5, 0);
    assert_int_equal(n, 2);
    assert_true(isnan(value("position_bias", all, 3, &n)) && n == 0);
}

/* Two items of three options in all rotations: one answered by content, one always at the first place. */
static void test_position(void **state)
{
    pt_pick p[6];
    const pt_pick *all[6];
    size_t n;
    for (int i = 0; i < 6; i++) {
        int shift = i % 3;
        p[i] = (pt_pick){.item = (size_t)(i / 3), .n = 3, .shift = shift, .picked = i < 3 ? 1 : shift};
        all[i] = &p[i];
    }
    near(value("position_bias", all, 3, &n), 0, 1e-15);
    near(value("position_bias", all + 3, 3, &n), 2.0 / 3, 1e-15);
    near(value("position_bias", all, 6, &n), (4.0 / 6 - 1.0 / 3 + 2 * (1.0 / 3 - 1.0 / 6)) / 2, 1e-15);
    assert_int_equal(n, 2);
    near(value("order_agreement", all, 6, &n), 0.5, 0);
    assert_true(isnan(value("order_agreement", all, 2, &n))); /* not all rotations */
}

static void test_answers(void **state)
{
    const char *path = scratch_path("answers.jsonl");
    int32_t ids[] = {5, 6, 7}, stops[] = {2, 3};
    pt_request ask[] = {{.ask = PT_ASK_LOGP, .ids = ids, .n = 3, .from = 1, .to = 3},
                        {.ask = PT_ASK_LOGP, .ids = ids, .n = 3, .from = 2, .to = 3},
                        {.ask = PT_ASK_TEXT, .ids = ids, .n = 3, .sampling = {8, 0.7f, 1, 1}},
                        {.ask = PT_ASK_TEXT, .ids = ids, .n = 3, .sampling = {8, 0.7f, 1, 1}, .repeat = 1},
                        {.ask = PT_ASK_TEXT, .ids = ids, .n = 3, .sampling = {8, 0.7f, 1, 2}},
                        {.ask = PT_ASK_TEXT, .ids = ids, .n = 3, .sampling = {8, 0, 1, 1}},
                        {.ask = PT_ASK_TEXT, .ids = ids, .n = 3, .sampling = {8, 0, 1, 2}, .repeat = 4}};
    enum { N = sizeof ask / sizeof *ask };
    pt_answer_key key[N], other;
    pt_answers *a;
    assert_int_equal(pt_answers_open(&a, path), PT_OK);
    for (int i = 0; i < N; i++) {
        pt_answers_key(&key[i], "me", &ask[i], stops, 2);
        for (int k = 0; k < i; k++) assert_int_equal(!memcmp(&key[i], &key[k], sizeof key[i]), i == N - 1 && k == N - 2); /* greedy: seed and repeat say nothing */
    }
    pt_answers_key(&other, "you", &ask[0], stops, 2);
    assert_memory_not_equal(&other, &key[0], sizeof other);
    pt_answers_key(&other, "me", &ask[2], stops, 1);
    assert_memory_not_equal(&other, &key[2], sizeof other); /* other stop ids */
    double v = -1.0 / 3 - 1e-13;
    assert_int_equal(pt_answers_put(a, &key[0], "me", PT_ASK_LOGP, &(pt_reply){.value = v, .tokens = 2}), PT_OK);
    assert_int_equal(pt_answers_put(a, &key[2], "you", PT_ASK_TEXT, &(pt_reply){.text = (char *)"a \"b\"\n\xe8\x8c\xb6\x01", .tokens = 3, .stopped = true}), PT_OK);
    assert_non_null(pt_answers_find(a, &key[0]));
    assert_null(pt_answers_find(a, &key[1]));
    assert_int_equal(pt_answers_flush(a), PT_OK);
    pt_answers_free(a);
    /* a line of somebody else's, then one without an end, as a machine that stops leaves it */
    FILE *f = fopen(path, "a");
    assert_non_null(f);
    fputs("{\"key\": \"zz\"}\nnot json\n{\"key\": \"12", f);
    fclose(f);
    assert_int_equal(pt_answers_open(&a, path), PT_OK);
    assert_int_equal(pt_answers_count(a), 2);
    assert_int_equal(pt_answers_foreign(a, "me"), 1);
    assert_true(pt_answers_find(a, &key[0])->value == v && pt_answers_find(a, &key[0])->tokens == 2);
    assert_string_equal(pt_answers_find(a, &key[2])->text, "a \"b\"\n\xe8\x8c\xb6\x01");
    assert_true(pt_answers_find(a, &key[2])->stopped);
    assert_int_equal(pt_answers_put(a, &key[1], "me", PT_ASK_SCORE, &(pt_reply){.value = 2}), PT_OK);
    assert_int_equal(pt_answers_flush(a), PT_OK);
    pt_answers_free(a);
    assert_int_equal(pt_answers_open(&a, path), PT_OK); /* what was cut off joins nothing */
    assert_true(pt_answers_count(a) == 3 && pt_answers_find(a, &key[1])->value == 2);
    pt_answers_free(a);
    assert_int_equal(pt_answers_open(&a, scratch_path("no/such/folder/a.jsonl")), PT_EIO);
}

static void test_limit(void **state)
{
    size_t scope[] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2}, kept;
    bool keep[11];
    pt_task t = {.items = 11, .n_scopes = 3, .limit = 5};
    assert_int_equal(pt_task_limit(&t, scope, keep, &kept), PT_OK);
    int by[3] = {0};
    for (int i = 0; i < 11; i++) by[scope[i]] += keep[i];
    assert_true(kept == 5 && by[0] == 2 && by[1] == 2 && by[2] == 1);
    assert_true(keep[3] && keep[7]); /* evenly spread */
    t.limit = 0;
    assert_int_equal(pt_task_limit(&t, scope, keep, &kept), PT_OK);
    assert_int_equal(kept, 11);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_read), cmocka_unit_test(test_metrics), cmocka_unit_test(test_position),
                                       cmocka_unit_test(test_answers), cmocka_unit_test(test_limit)};
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}

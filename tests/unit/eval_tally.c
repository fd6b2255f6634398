/* Rows of answers by cluster (eval/metric/tally.h, eval/metric/scores.h), and word lists (eval/text/lexicon.h). */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "eval/text/lexicon.h"
#include "eval/metric/metric.h"
#include "eval/metric/tally.h"
#include "tests/scratch.h"

static pt_metric_list list_of(const char *const *keys)
{
    pt_metric_list list = {.n = 0};
    for (; *keys; keys++) {
        list.at[list.n] = pt_metric_find(*keys);
        assert_true(list.at[list.n++] >= 0);
    }
    return list;
}

static double value(const pt_report *r, pt_side side, const char *key)
{
    return r->side[side].v[pt_metric_find(key)];
}

enum { ITEMS = 8, REPEATS = 5, N = ITEMS * REPEATS };

/* Eight items, five answers each that are right or wrong together: forty rows say no more than eight. */
static void repeats_are_one_cluster(void **state)
{
    static const char *const keys[] = {"rouge_l_f", "bleu", "distinct_1", NULL}, *const want[] = {"yes it is so"};
    const pt_metric_list list = list_of(keys);
    double p[2], half[2];
    for (int by_item = 0; by_item < 2; by_item++) {
        pt_report r;
        pt_eval_answer rows[N];
        uint64_t cluster[N];
        pt_report_init(&r);
        for (int s = 0; s < 2; s++) {
            for (int i = 0; i < N; i++) {
                bool right = s ? i / REPEATS < 6 : i / REPEATS < 3;
                rows[i] = (pt_eval_answer){.role = "", .references = want, .n_references = 1, .answer = right ? "yes it is so" : "no no no no"};
                cluster[i] = (uint64_t)(i / REPEATS);
            }
            assert_int_equal(pt_scores_fill(&r, (pt_side)s, &(pt_scoring){.answers = rows, .n = N, .seed = 3, .metrics = &list, .clusters = by_item ? cluster : NULL, .one_role = true}), PT_OK);
        }
        int m = pt_metric_find("rouge_l_f");
        assert_true(value(&r, PT_BEFORE, "rouge_l_f") == 3.0 / 8 && value(&r, PT_AFTER, "rouge_l_f") == 6.0 / 8);
        assert_true(fabs(value(&r, PT_AFTER, "distinct_1") - 5.0 / 160) < 1e-15 && isnan(r.side[PT_AFTER].lo[pt_metric_find("distinct_1")]));
        assert_int_equal(r.roles, 0);
        assert_int_equal(r.side[PT_AFTER].n[m], N);
        p[by_item] = r.change.p[m];
        half[by_item] = (r.side[PT_AFTER].hi[m] - r.side[PT_AFTER].lo[m]) / 2;
        assert_true(!isnan(r.change.p[pt_metric_find("bleu")]) && r.side[PT_AFTER].lo[pt_metric_find("bleu")] < value(&r, PT_AFTER, "bleu"));
        assert_true(r.change.p[pt_metric_find("distinct_1")] == 1); /* both sides say the same words */
        pt_report_free(&r);
    }
    assert_true(p[0] < 0.01 && fabs(p[1] - 0.75) < 1e-12); /* three items differ: 2 of 8 ways are as far, Holm of three metrics; fifteen rows are hardly ever as far */
    assert_true(half[1] > 1.8 * half[0]);
}

/* A side of other clusters cannot be paired. */
static void other_clusters_are_not_paired(void **state)
{
    static const char *const keys[] = {"length", NULL};
    const pt_metric_list list = list_of(keys);
    pt_report r;
    pt_report_init(&r);
    for (uint64_t s = 0; s < 2; s++) {
        const pt_eval_answer rows[2] = {{.role = "", .answer = "a b"}, {.role = "", .answer = "c"}};
        const uint64_t cluster[2] = {0, 1 + s};
        assert_int_equal(pt_scores_fill(&r, (pt_side)s, &(pt_scoring){.answers = rows, .n = 2, .metrics = &list, .clusters = cluster, .one_role = true}), PT_OK);
    }
    assert_true(value(&r, PT_AFTER, "length") == 1.5 && isnan(r.change.p[pt_metric_find("length")]));
    pt_report_free(&r);
}

/* What answers say together differs: the p of it is exact where clusters are few. */
static void together_has_a_p(void **state)
{
    static const char *const keys[] = {"distinct_1", "distinct_2", "self_bleu", NULL};
    const pt_metric_list list = list_of(keys);
    char text[2][10][40];
    pt_report r;
    pt_report_init(&r);
    for (int s = 0; s < 2; s++) {
        pt_eval_answer rows[10];
        for (int i = 0; i < 10; i++) {
            snprintf(text[s][i], sizeof text[s][i], s ? "a%d b%d c%d d%d e%d" : "well well well well well", i, i, i, i, i);
            rows[i] = (pt_eval_answer){.role = "", .answer = text[s][i]};
        }
        assert_int_equal(pt_scores_fill(&r, (pt_side)s, &(pt_scoring){.answers = rows, .n = 10, .metrics = &list, .one_role = true}), PT_OK);
    }
    assert_true(value(&r, PT_BEFORE, "distinct_1") == 1.0 / 50 && value(&r, PT_AFTER, "distinct_1") == 1);
    assert_true(value(&r, PT_BEFORE, "self_bleu") == 1 && value(&r, PT_AFTER, "self_bleu") < 0.1);
    double p = r.change.p[pt_metric_find("distinct_2")];
    if (!(fabs(p - 3 * 2.0 / 1024) < 1e-12)) fail_msg("p of distinct-2 is %g", p); /* 2 of 2^10 ways, Holm of three */
    pt_report_free(&r);
}

static size_t found(const char *lists, size_t list, pt_units units, const char *text)
{
    const char *path = scratch_path("lists.json");
    pt_lexicon *x;
    pt_wordbook book = {0};
    pt_words w = {0};
    size_t n;
    assert_int_equal(pt_file_write_whole(path, lists, strlen(lists)), PT_OK);
    assert_int_equal(pt_lexicon_open(&x, path), PT_OK);
    assert_int_equal(pt_lexicon_split(x, &book, units), PT_OK);
    assert_int_equal(pt_words_split(&book, units, text, &w), PT_OK);
    assert_int_equal(pt_lexicon_find(x, list, &book, &w, &n), PT_OK);
    pt_words_free(&w);
    pt_wordbook_free(&book);
    pt_lexicon_free(x);
    return n;
}

static void lists_are_found(void **state)
{
    static const char lists[] = "{\"glad\": [\"happi*\", \"Joy\", \"over the moon\", \"the moon\"]}", tea[] = "{\"tea\": [\"\xe8\x8c\xb6\", \"\xe5\x96\x9d\xe8\x8c\xb6\"]}";
    assert_int_equal(found(lists, 0, PT_UNITS_WORDS, "Happily, happiness! Joyful joy; happy."), 3);
    assert_int_equal(found(lists, 0, PT_UNITS_WORDS, "Over the moon, and the MOON."), 5); /* entries that overlap count once */
    assert_int_equal(found(lists, 0, PT_UNITS_WORDS, "over the"), 0);
    assert_int_equal(found(lists, 0, PT_UNITS_WORDS, ""), 0);
    assert_int_equal(found(tea, 0, PT_UNITS_CHARS, "\xe5\x96\x9d\xe8\x8c\xb6\xe5\x90\xa7\xef\xbc\x8c\xe8\x8c\xb6\xe5\xa5\xbd"), 3);
}

static void refuses(const char *lists, const char *text)
{
    const char *path = scratch_path("lists.json");
    pt_lexicon *x = NULL;
    pt_wordbook book = {0};
    assert_int_equal(pt_file_write_whole(path, lists, strlen(lists)), PT_OK);
    pt_status rc = pt_lexicon_open(&x, path);
    if (rc == PT_OK) rc = pt_lexicon_split(x, &book, PT_UNITS_WORDS);
    assert_int_equal(rc, PT_EFORMAT);
    if (!strstr(pt_err_msg(), text)) fail_msg("'%s' does not say '%s'", pt_err_msg(), text);
    pt_lexicon_free(x);
    pt_wordbook_free(&book);
}

static void bad_lists_are_named(void **state)
{
    refuses("[1]", "{NAME: [WORD, ...], ...} is wanted, it is a list");
    refuses("{}", "it is empty");
    refuses("{\"a\": []}", "'a' is empty");
    refuses("{\"a\": \"b\"}", "'a' is a text");
    refuses("{\"a\": [3]}", "'a' holds an integer");
    refuses("{\"a\": [\"ok\", \"!?\"]}", "'!?' of a holds no word");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(repeats_are_one_cluster), cmocka_unit_test(other_clusters_are_not_paired), cmocka_unit_test(together_has_a_p),
                                       cmocka_unit_test(lists_are_found), cmocka_unit_test(bad_lists_are_named)};
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}

/* eval/text/squad.h, spans.h and wanted.h: against SQuAD's functions and seqeval (tests/golden/data/matches.json, made by tests/golden/matches.py), and by hand. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "eval/metric/metric.h"
#include "eval/text/squad.h"
#include "eval/metric/wanted.h"

static json_t *golden;

static const json_t *at(const json_t *row, size_t i)
{
    return json_array_get(row, i);
}

static void close_to(const char *what, size_t row, double got, double want)
{
    if (!(fabs(got - want) <= 1e-9)) fail_msg("%s of case %zu: %.15g, not %.15g", what, row, got, want);
}

static void test_squad(void **state)
{
    const json_t *list = json_object_get(golden, "squad"), *row;
    size_t i;
    assert_true(json_array_size(list) >= 1040);
    json_array_foreach ((json_t *)list, i, row) {
        pt_str said = {0}, wanted = {0};
        double f1;
        assert_int_equal(pt_squad_normal(PT_UNITS_WORDS, json_string_value(at(row, 0)), &said), PT_OK);
        assert_int_equal(pt_squad_normal(PT_UNITS_WORDS, json_string_value(at(row, 1)), &wanted), PT_OK);
        assert_string_equal(said.text, json_string_value(at(row, 2)));
        assert_int_equal(!strcmp(said.text, wanted.text), json_integer_value(at(row, 3)));
        assert_int_equal(pt_squad_f1(said.text, wanted.text, &f1), PT_OK);
        close_to("token F1", i, f1, json_number_value(at(row, 4)));
        pt_str_free(&said);
        pt_str_free(&wanted);
    }
    print_message("%zu answers in SQuAD's normal form, exact and F1 as its own\n", i);
}

static void normal_is(const char *text, const char *want)
{
    pt_str s = {0};
    assert_int_equal(pt_squad_normal(PT_UNITS_CHARS, text, &s), PT_OK);
    assert_string_equal(s.text, want);
    pt_str_free(&s);
}

static void test_characters(void **state)
{
    normal_is("", "");
    normal_is("\xe6\x85\xa2\xe5\x96\x9d\xef\xbc\x8c \xe8\x8c\xb6\xe3\x80\x82", "\xe6\x85\xa2 \xe5\x96\x9d \xe8\x8c\xb6");
    normal_is("The A1\xe3\x80\x80\xe2\x80\x9c\xe8\x8c\xb6\xe2\x80\x9d!", "t h e a 1 \xe8\x8c\xb6"); /* no articles there */
    normal_is("\xff", "\xef\xbf\xbd");
}

/* ---- spans ---- */

static json_t *wanting(const char *labels)
{
    return json_pack("{s:s}", "labels", labels);
}

static double metric(const char *key, const double *sums)
{
    const pt_metric_kind *k = pt_metric_kind_at(pt_metric_find(key));
    return k->of_sums ? k->of_sums(sums) : sums[1] > 0 ? sums[0] / sums[1] : NAN;
}

static void add(const char *key, const pt_wanted *w, const char *answer, double *sums)
{
    const pt_eval_answer a = {.answer = answer, .wanted = w};
    const pt_words none = {0};
    const pt_metric_row row = {.answer = &a, .words = &none, .units = PT_UNITS_WORDS};
    assert_int_equal(pt_metric_kind_at(pt_metric_find(key))->row(&row, sums), PT_OK);
}

/* {found and wanted, found, wanted} of types A to E. */
static void add_types(const pt_wanted *w, const char *answer, double sums[15])
{
    pt_spans s = {0};
    bool read;
    assert_int_equal(pt_wanted_find(w, PT_UNITS_WORDS, answer, &s, &read), PT_OK);
    assert_true(read);
    for (size_t i = 0; i < s.n; i++) {
        sums[3 * (s.list[i].type[0] - 'A')] += pt_spans_have(&w->spans, &s.list[i]);
        sums[3 * (s.list[i].type[0] - 'A') + 1]++;
    }
    for (size_t i = 0; i < w->spans.n; i++) sums[3 * (w->spans.list[i].type[0] - 'A') + 2]++;
    pt_spans_free(&s);
}

static void test_spans(void **state)
{
    const json_t *list = json_object_get(golden, "spans"), *row, *sequence;
    size_t i, k;
    assert_true(json_array_size(list) >= 1009);
    json_array_foreach ((json_t *)list, i, row) {
        double sums[PT_METRIC_SUMS] = {0}, types[15] = {0}, each[5], macro[3];
        json_array_foreach (at(row, 0), k, sequence) {
            json_t *gold = wanting(json_string_value(sequence));
            const char *found = json_string_value(at(at(row, 1), k));
            pt_wanted *w;
            assert_int_equal(pt_wanted_read(gold, NULL, &w), PT_OK);
            add("span_f1", w, found, sums);
            add_types(w, found, types);
            pt_wanted_free(w);
            json_decref(gold);
        }
        pt_spans_macro(types, 5, each, macro);
        close_to("micro precision", i, metric("span_precision", sums), json_number_value(at(row, 2)));
        close_to("micro recall", i, metric("span_recall", sums), json_number_value(at(row, 3)));
        close_to("micro F1", i, metric("span_f1", sums), json_number_value(at(row, 4)));
        for (size_t m = 0; m < 3; m++) close_to("macro", i, macro[m], json_number_value(at(row, 5 + m)));
    }
    print_message("%zu corpora of labels: micro and macro as seqeval's strict IOB2\n", i);
}

static double share(const char *key, const char *row, const char *answer)
{
    json_t *j = json_loads(row, 0, NULL);
    double sums[PT_METRIC_SUMS] = {0};
    pt_wanted *w;
    assert_non_null(j);
    if (pt_wanted_read(j, NULL, &w) != PT_OK) fail_msg("%s", pt_err_msg());
    add(key, w, answer, sums);
    pt_wanted_free(w);
    json_decref(j);
    return metric(key, sums);
}

static void test_labels_in_answers(void **state)
{
    const char *row = "{\"labels\": [\"B-A\", \"O\"]}";
    assert_true(share("span_f1", row, "The labels are [\"B-A\", \"O\"].") == 1 && share("span_parse_failures", row, "B-A, O") == 0);
    assert_true(share("span_f1", row, "B-A O B-A") == 1 && share("span_parse_failures", row, "B-A O B-A") == 1); /* what is past the length is cut */
    assert_true(share("span_f1", row, "B-A") == 1 && share("span_parse_failures", row, "B-A") == 1);
    assert_true(share("span_f1", row, "") == 0 && share("span_precision", row, "") == 0);
    assert_true(share("span_f1", row, "B-A nonsense") == 1 && isnan(share("span_f1", "{\"pattern\": \"x\"}", "B-A")));
}

static void test_slots(void **state)
{
    const char *row = "{\"slots\": {\"name\": \"Orla\", \"likes\": [\"The fog\", \"oil\"], \"age\": 40, \"pet\": null}}";
    assert_true(share("span_f1", row, "{\"name\": \"orla.\", \"likes\": [\"oil\", \"fog\", \"fog\"], \"age\": 40}") == 1);
    assert_true(share("span_recall", row, "Sure! {\"name\": \"Orla\"} is it") == 0.25 && share("span_precision", row, "{\"name\": \"Orla\"}") == 1);
    assert_true(share("span_recall", row, "- name: Orla\n- likes = oil\nage\xef\xbc\x9a 41") == 0.5 && fabs(share("span_precision", row, "name: Orla\nlikes: oil\nage: 41") - 2.0 / 3) < 1e-15);
    /* a list that is written as one text: commas of any width; a text that is wanted whole stays whole */
    assert_true(share("span_f1", row, "{\"name\": \"Orla\", \"likes\": \"oil, the fog\", \"age\": 40}") == 1);
    assert_true(share("span_recall", row, "{\"likes\": \"oil\xef\xbc\x8c\xe9\x9b\xbe\xe3\x80\x81" "fog\"}") == 0.5 && share("span_precision", row, "{\"likes\": \",oil,, tea;\"}") == 0.5);
    assert_true(share("span_recall", "{\"slots\": {\"who\": \"Orla, Tarn\"}}", "{\"who\": \"Orla, Tarn\"}") == 1);
    assert_true(share("span_parse_failures", row, "I know nothing") == 1 && share("span_f1", row, "I know nothing") == 0);
    assert_true(share("span_f1", row, "{\"name\": {\"first\": \"Orla\"}}") == 0 && share("span_parse_failures", row, "{}") == 0);
}

static void test_json(void **state)
{
    const char *row = "{\"json\": {\"mood\": \"calm\", \"level\": 3, \"tags\": [1, 2], \"ok\": true}}";
    assert_true(share("json_fields", row, "Here: {\"mood\": \" calm\\n\", \"level\": 3.0, \"tags\": [1, 2], \"ok\": true, \"more\": 1} {\"mood\": 0}") == 1);
    assert_true(share("json_whole", row, "{\"mood\": \"Calm\", \"level\": 3, \"tags\": [1, 2], \"ok\": true}") == 0);
    assert_true(share("json_fields", row, "{\"mood\": \"Calm\", \"level\": \"3\", \"tags\": [2, 1], \"ok\": true}") == 0.25);
    assert_true(share("json_parse_failures", row, "{\"mood\": calm}") == 1 && share("json_fields", row, "{\"mood\": calm}") == 0);
    assert_true(share("json_parse_failures", row, "{ {\"mood\": \"calm\"}") == 0 && share("json_fields", row, "{ {\"mood\": \"calm\"}") == 0.25); /* the first that is whole */
}

static void test_patterns(void **state)
{
    assert_true(share("pattern_match", "{\"pattern\": \"^(yes|no)[.!]?$\"}", "yes!") == 1 && share("pattern_match", "{\"pattern\": \"^(yes|no)[.!]?$\"}", "well, yes") == 0);
    assert_true(share("pattern_match", "{\"pattern\": \"\xe8\x8c\xb6{1}\"}", "\xe5\x96\x9d\xe8\x8c\xb6") == 1);
}

static double best(const char *key, pt_units units, const char *answer, const char *const *references, size_t n)
{
    const pt_eval_answer a = {.answer = answer, .references = references, .n_references = n};
    const pt_words none = {0};
    const pt_metric_row row = {.answer = &a, .words = &none, .units = units};
    double sums[PT_METRIC_SUMS] = {0};
    assert_int_equal(pt_metric_kind_at(pt_metric_find(key))->row(&row, sums), PT_OK);
    return metric(key, sums);
}

static void test_references(void **state)
{
    static const char *const two[] = {"The lamp", "an oil lamp"}, *const tea[] = {"\xe6\x85\xa2\xe6\x85\xa2\xe5\x96\x9d\xe3\x80\x82"};
    assert_true(best("exact_match", PT_UNITS_WORDS, " The lamp\n", two, 2) == 1 && best("exact_match", PT_UNITS_WORDS, "the lamp", two, 2) == 0);
    assert_true(best("normal_match", PT_UNITS_WORDS, "Oil lamp!", two, 2) == 1 && best("normal_match", PT_UNITS_WORDS, "lamps", two, 2) == 0);
    assert_true(fabs(best("token_f1", PT_UNITS_WORDS, "lamp oil fog", two, 2) - 0.8) < 1e-15);
    assert_true(best("contains_match", PT_UNITS_WORDS, "It is a lamp, I say", two, 2) == 1 && best("contains_match", PT_UNITS_WORDS, "It is a lampshade", two, 2) == 0);
    assert_true(best("contains_match", PT_UNITS_WORDS, "", two, 2) == 0 && isnan(best("token_f1", PT_UNITS_WORDS, "x", NULL, 0)));
    assert_true(best("normal_match", PT_UNITS_CHARS, "\xe6\x85\xa2 \xe6\x85\xa2\xe5\x96\x9d\xef\xbc\x81", tea, 1) == 1 && best("token_f1", PT_UNITS_CHARS, "\xe5\x96\x9d", tea, 1) == 0.5);
}

static void refuses(const char *row, const char *text)
{
    json_t *j = json_loads(row, 0, NULL);
    pt_wanted *w;
    assert_non_null(j);
    assert_int_equal(pt_wanted_read(j, NULL, &w), PT_EFORMAT);
    if (!strstr(pt_err_msg(), text)) fail_msg("'%s' does not say '%s'", pt_err_msg(), text);
    assert_null(w);
    json_decref(j);
}

static void test_bad_rows(void **state)
{
    refuses("{\"pattern\": \"(a\"}", "pattern '(a' is no regular expression:");
    refuses("{\"pattern\": 3}", "pattern is an integer");
    refuses("{\"json\": {}}", "json is empty");
    refuses("{\"json\": [1]}", "json is a list");
    refuses("{\"labels\": [\"B-A\", \"X\"]}", "label 2, 'X', is none of O, B-X, I-X");
    refuses("{\"labels\": []}", "labels hold none");
    refuses("{\"labels\": 3}", "labels are an integer");
    refuses("{\"labels\": [\"O\"], \"slots\": {\"a\": \"b\"}}", "labels and slots");
    refuses("{\"slots\": [1]}", "slots are a list");
    refuses("{\"slots\": {\"a\": {\"b\": 1}}}", "slot 'a' holds an object");
}

int main(void)
{
    json_error_t err;
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_squad), cmocka_unit_test(test_characters), cmocka_unit_test(test_spans), cmocka_unit_test(test_labels_in_answers),
                                       cmocka_unit_test(test_slots), cmocka_unit_test(test_json), cmocka_unit_test(test_patterns), cmocka_unit_test(test_references),
                                       cmocka_unit_test(test_bad_rows)};
    golden = json_load_file("tests/golden/data/matches.json", 0, &err);
    if (!golden) return printf("%s\n", err.text), 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    json_decref(golden);
    return failed;
}

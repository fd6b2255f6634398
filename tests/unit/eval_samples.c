/* data/samples keeps the promises of its README: counts, openers, splits, length, distance of test references from training. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/file.h"
#include "eval/text/rouge.h"

#define DIR "data/samples/"

static json_t *load(const char *path, bool lines)
{
    char *text, *save = NULL;
    size_t n;
    assert_int_equal(pt_file_read(&text, &n, path, 1 << 20), PT_OK);
    json_t *out = lines ? json_array() : json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(out);
    if (lines)
        for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
            json_error_t err;
            json_t *row = json_loads(line, JSON_REJECT_DUPLICATES, &err);
            if (!row) fail_msg("%s: row %zu: %s", path, json_array_size(out) + 1, err.text);
            json_array_append_new(out, row);
        }
    free(text);
    return out;
}

static const char *get(json_t *row, const char *key)
{
    const char *s = json_string_value(json_object_get(row, key));
    if (!s || !*s) fail_msg("no '%s' in a row", key);
    return s;
}

static bool has(json_t *rows, const char *key, const char *value)
{
    for (size_t i = 0; i < json_array_size(rows); i++)
        if (strcmp(get(json_array_get(rows, i), key), value) == 0) return true;
    return false;
}

static size_t words_in(const char *s)
{
    size_t n = 0;
    for (bool in = false; *s; s++) {
        if (*s != ' ' && !in) n++;
        in = *s != ' ';
    }
    return n;
}

/* The opener stands in the profile after `lead`, between quotes. */
static void opener_of(json_t *profiles, const char *role, const char *lead, const char *close, char *out, size_t size)
{
    const char *p = strstr(get(profiles, role), lead), *end = p ? strstr(p + strlen(lead), close) : NULL;
    if (!end) fail_msg("no opener in the profile of %s", role);
    size_t n = (size_t)(end - p) - strlen(lead);
    assert_true(n > 4 && n < size);
    memcpy(out, p + strlen(lead), n);
    out[n] = 0;
}

static void check_rows(json_t *profiles, json_t *rows, const char *lead, const char *close, size_t answers)
{
    for (size_t i = 0; i < json_array_size(rows); i++) {
        json_t *row = json_array_get(rows, i), *list = json_object_get(row, "generated");
        char opener[128];
        get(row, "question");
        get(row, "type");
        opener_of(profiles, get(row, "role"), lead, close, opener, sizeof opener);
        assert_int_equal(json_array_size(list), answers);
        for (size_t k = 0; k < answers; k++) {
            const char *a = json_string_value(json_array_get(list, k));
            if (strncmp(a, opener, strlen(opener)) != 0) fail_msg("'%s' does not start with '%s'", a, opener);
            if (words_in(a) >= 35) fail_msg("35 words or more: %s", a);
        }
    }
}

static void english_roles(void **state)
{
    json_t *profiles = load(DIR "roles_en.json", false), *train = load(DIR "roles_train_en.jsonl", true);
    json_t *test = load(DIR "roles_test_en.jsonl", true), *held = load(DIR "roles_heldout_en.jsonl", true);
    const char *role;
    json_t *text;
    size_t trained = 0;
    assert_int_equal(json_object_size(profiles), 14);
    assert_int_equal(json_array_size(train), 312);
    assert_int_equal(json_array_size(test), 40);
    assert_int_equal(json_array_size(held), 10);
    json_object_foreach(profiles, role, text)
    {
        size_t n = words_in(json_string_value(text));
        if (n < 60 || n > 110) fail_msg("the profile of %s has %zu words", role, n);
        bool in_train = has(train, "role", role);
        trained += in_train;
        assert_true(in_train == has(test, "role", role)); /* tested = trained */
        assert_true(in_train != has(held, "role", role)); /* held out = never trained */
    }
    assert_int_equal(trained, 12);
    check_rows(profiles, train, "begin every answer with \"", "\"", 1);
    check_rows(profiles, test, "begin every answer with \"", "\"", 2);
    check_rows(profiles, held, "begin every answer with \"", "\"", 2);
    for (size_t i = 0; i < json_array_size(test); i++)
        assert_false(has(train, "question", get(json_array_get(test, i), "question")));
    for (size_t i = 0; i < json_array_size(held); i++)
        assert_false(has(train, "question", get(json_array_get(held, i), "question")));
    json_decref(profiles);
    json_decref(train);
    json_decref(test);
    json_decref(held);
}

static void test_references_are_no_training_answers(void **state)
{
    json_t *train = load(DIR "roles_train_en.jsonl", true), *test = load(DIR "roles_test_en.jsonl", true);
    double worst = 0;
    size_t compared = 0;
    for (size_t i = 0; i < json_array_size(test); i++)
        for (size_t k = 0; k < json_array_size(train); k++) {
            json_t *a = json_array_get(test, i), *b = json_array_get(train, k), *refs = json_object_get(a, "generated");
            if (strcmp(get(a, "role"), get(b, "role")) != 0) continue;
            const char *said = json_string_value(json_array_get(json_object_get(b, "generated"), 0));
            for (size_t m = 0; m < json_array_size(refs); m++, compared++) {
                const char *ref = json_string_value(json_array_get(refs, m));
                pt_rouge r;
                assert_int_equal(pt_rouge_l_text(&said, 1, ref, PT_UNITS_WORDS, &r), PT_OK);
                if (r.f > 0.6 + 1e-12) fail_msg("ROUGE-L %.3f: '%s' and '%s'", r.f, ref, said);
                if (r.f > worst) worst = r.f;
            }
        }
    assert_int_equal(compared, 40 * 2 * 26);
    print_message("# figure: sample test references against training answers: ROUGE-L at most %.3f\n", worst);
    json_decref(train);
    json_decref(test);
}

static void chinese_roles(void **state)
{
    json_t *profiles = load(DIR "roles_zh.json", false), *train = load(DIR "roles_train_zh.jsonl", true);
    json_t *test = load(DIR "roles_test_zh.jsonl", true);
    const char *lead = "\xe5\xbc\x80\xe5\x8f\xa3\xe9\x83\xbd\xe5\x85\x88\xe8\xaf\xb4\xe2\x80\x9c"; /* opens with, and a quote */
    assert_int_equal(json_object_size(profiles), 3);
    assert_int_equal(json_array_size(train), 36);
    assert_int_equal(json_array_size(test), 6);
    check_rows(profiles, train, lead, "\xe2\x80\x9d", 1);
    check_rows(profiles, test, lead, "\xe2\x80\x9d", 1);
    for (size_t i = 0; i < json_array_size(test); i++)
        assert_false(has(train, "question", get(json_array_get(test, i), "question")));
    json_decref(profiles);
    json_decref(train);
    json_decref(test);
}

static void preference_pairs(void **state)
{
    json_t *train = load(DIR "personality_pref.jsonl", true), *test = load(DIR "personality_pref_test.jsonl", true);
    assert_int_equal(json_array_size(train), 120);
    assert_int_equal(json_array_size(test), 24);
    for (size_t i = 0; i < 144; i++) {
        json_t *row = i < 120 ? json_array_get(train, i) : json_array_get(test, i - 120);
        assert_string_not_equal(get(row, "chosen"), get(row, "rejected"));
        for (size_t k = 0; k < 120; k++)
            if (k != i && strcmp(get(row, "prompt"), get(json_array_get(train, k), "prompt")) == 0)
                fail_msg("'%s' stands twice", get(row, "prompt"));
    }
    json_decref(train);
    json_decref(test);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(english_roles),
        cmocka_unit_test(test_references_are_no_training_answers),
        cmocka_unit_test(chinese_roles),
        cmocka_unit_test(preference_pairs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

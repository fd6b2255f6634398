/* eval/text/words.h and eval/text/rouge.h against rouge_score 0.1.2: tests/golden/data/rouge.json, made by tests/golden/rouge.py. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "eval/text/rouge.h"

static json_t *load_cases(void)
{
    json_error_t err;
    json_t *cases = json_load_file("tests/golden/data/rouge.json", 0, &err);
    if (!cases) fail_msg("%s", err.text);
    return cases;
}

static void close_to(double got, double want)
{
    if (fabs(got - want) > 1e-12) fail_msg("%.17g is not %.17g", got, want);
}

static void check_case(json_t *c)
{
    const char *references[8], *text = json_string_value(json_object_get(c, "candidate"));
    bool chars = strcmp(json_string_value(json_object_get(c, "units")), "chars") == 0;
    pt_units units = chars ? PT_UNITS_CHARS : PT_UNITS_WORDS;
    json_t *list = json_object_get(c, "references");
    size_t n = json_array_size(list), best;
    pt_rouge got, again;
    pt_wordbook book = {0};
    pt_words refs[8] = {{0}}, cand = {0};
    assert_true(n >= 1 && n <= 8);
    for (size_t i = 0; i < n; i++) {
        references[i] = json_string_value(json_array_get(list, i));
        assert_int_equal(pt_words_split(&book, units, references[i], &refs[i]), PT_OK);
    }
    assert_int_equal(pt_words_split(&book, units, text, &cand), PT_OK);
    assert_int_equal(pt_rouge_l_max(refs, n, &cand, &got, &best), PT_OK);
    close_to(got.precision, json_real_value(json_object_get(c, "precision")));
    close_to(got.recall, json_real_value(json_object_get(c, "most")));
    close_to(got.f, json_real_value(json_object_get(c, "f")));
    assert_int_equal(best, json_integer_value(json_object_get(c, "best")));
    assert_int_equal(pt_rouge_l_text(references, n, text, units, &again), PT_OK);
    assert_memory_equal(&got, &again, sizeof got);
    pt_rouge alone;
    assert_int_equal(pt_rouge_l(&refs[best], &cand, &alone), PT_OK);
    close_to(alone.recall, json_real_value(json_object_get(c, "recall")));
    for (size_t i = 0; i < n; i++) pt_words_free(&refs[i]);
    pt_words_free(&cand);
    pt_wordbook_free(&book);
}

static void equals_rouge_score(void **state)
{
    json_t *cases = load_cases();
    size_t words = 0, chars = 0;
    for (size_t i = 0; i < json_array_size(cases); i++) {
        json_t *c = json_array_get(cases, i);
        check_case(c);
        *(strcmp(json_string_value(json_object_get(c, "units")), "chars") == 0 ? &chars : &words) += 1;
    }
    assert_true(words >= 63 && chars >= 16);
    json_decref(cases);
}

static size_t count_units(pt_units units, const char *text)
{
    pt_wordbook book = {0};
    pt_words w = {0};
    assert_int_equal(pt_words_split(&book, units, text, &w), PT_OK);
    size_t n = w.n;
    pt_words_free(&w);
    pt_wordbook_free(&book);
    return n;
}

static void broken_utf8_is_cut_in_bytes(void **state)
{
    assert_int_equal(count_units(PT_UNITS_CHARS, "\xff\xfe"), 2);
    assert_int_equal(count_units(PT_UNITS_CHARS, "a\xe4\xbd"), 3);            /* a truncated character at the end */
    assert_int_equal(count_units(PT_UNITS_CHARS, "\xed\xa0\x80"), 3);         /* a surrogate */
    assert_int_equal(count_units(PT_UNITS_CHARS, "\xc0\xaf\xe3\x80\x80"), 2); /* overlong, then an ideographic space */
    assert_int_equal(count_units(PT_UNITS_WORDS, "a\xffz \xe2\x84"), 2);
    assert_int_equal(count_units(PT_UNITS_WORDS, "\xc4"), 0);
    assert_int_equal(count_units(PT_UNITS_WORDS, "x\xe2"), 1);
}

/* Thousands of different words: the book grows, keeps its numbers, and gives equal words equal numbers. */
static void book_is_exact(void **state)
{
    pt_wordbook book = {0};
    pt_words a = {0}, b = {0};
    pt_str text = {0};
    for (int i = 0; i < 5000; i++) assert_int_equal(pt_str_printf(&text, "w%d ", i), PT_OK);
    assert_int_equal(pt_words_split(&book, PT_UNITS_WORDS, text.text, &a), PT_OK);
    assert_int_equal(a.n, 5000);
    assert_int_equal(book.n, 5000);
    for (uint32_t i = 0; i < 5000; i++) assert_int_equal(a.id[i], i);
    assert_int_equal(pt_words_split(&book, PT_UNITS_WORDS, text.text, &b), PT_OK);
    assert_int_equal(book.n, 5000);
    assert_memory_equal(a.id, b.id, 5000 * sizeof *a.id);
    pt_words_free(&a);
    pt_words_free(&b);
    pt_wordbook_free(&book);
    pt_str_free(&text);
}

/* The whole table, without trimming or swapping. */
static size_t lcs_plain(const uint32_t *a, size_t n, const uint32_t *b, size_t m)
{
    static size_t t[65][65];
    for (size_t i = 0; i <= n; i++)
        for (size_t j = 0; j <= m; j++) {
            if (!i || !j)
                t[i][j] = 0;
            else if (a[i - 1] == b[j - 1])
                t[i][j] = t[i - 1][j - 1] + 1;
            else
                t[i][j] = t[i - 1][j] > t[i][j - 1] ? t[i - 1][j] : t[i][j - 1];
        }
    return t[n][m];
}

static void lcs_equals_the_whole_table(void **state)
{
    uint64_t seed = 7;
    for (int round = 0; round < 3000; round++) {
        uint32_t x[64], y[64];
        seed = seed * 6364136223846793005ull + 1442695040888963407ull;
        size_t n = (seed >> 33) % 65, m = (seed >> 45) % 65, kinds = 1 + (seed >> 57) % 9, got;
        for (int i = 0; i < 64; i++) {
            seed = seed * 6364136223846793005ull + 1442695040888963407ull;
            x[i] = (uint32_t)((seed >> 33) % kinds);
            y[i] = (uint32_t)((seed >> 49) % kinds);
        }
        pt_words a = {.id = x, .n = n}, b = {.id = y, .n = m};
        assert_int_equal(pt_lcs(&a, &b, &got), PT_OK);
        assert_int_equal(got, lcs_plain(x, n, y, m));
    }
}

static void units_follow_the_script(void **state)
{
    assert_int_equal(pt_units_pick(""), PT_UNITS_WORDS);
    assert_int_equal(pt_units_pick("plain words"), PT_UNITS_WORDS);
    assert_int_equal(pt_units_pick("caf\xc3\xa9 !?"), PT_UNITS_WORDS);
    assert_int_equal(pt_units_pick("\xe6\x85\xa2\xe6\x85\xa2\xe5\x96\x9d"), PT_UNITS_CHARS);
    assert_int_equal(pt_units_pick("\xe5\xa5\xbd one two"), PT_UNITS_WORDS);
    assert_int_equal(pt_units_pick("\xe5\xa5\xbd\xe5\x90\x97 ok"), PT_UNITS_CHARS);
    assert_int_equal(pt_units_pick("\xff\xfe"), PT_UNITS_WORDS);
}

static void no_reference_is_an_error(void **state)
{
    pt_rouge r;
    assert_int_equal(pt_rouge_l_text(NULL, 0, "a", PT_UNITS_WORDS, &r), PT_EARG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_rouge_score),      cmocka_unit_test(broken_utf8_is_cut_in_bytes),
        cmocka_unit_test(book_is_exact),           cmocka_unit_test(lcs_equals_the_whole_table),
        cmocka_unit_test(units_follow_the_script), cmocka_unit_test(no_reference_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* eval/text/bleu.h, chrf.h, meteor.h, stem.h and rouge.h against sacrebleu, rouge_score and nltk: tests/golden/data/texts.json, made by tests/golden/texts.py. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "eval/text/bleu.h"
#include "eval/text/chrf.h"
#include "eval/text/meteor.h"
#include "eval/text/rouge.h"
#include "eval/text/stem.h"

enum { REFERENCES = 4 };
static json_t *golden;

static void close_to(const char *what, size_t row, double got, double want)
{
    if (!(fabs(got - want) <= 1e-9)) fail_msg("%s of case %zu: %.15g, not %.15g", what, row, got, want);
}

/* A case, split in each metric's own way. */
typedef struct text_case {
    pt_units units;
    const char *reference[REFERENCES], *answer;
    size_t n;
    pt_words said, refs[REFERENCES];
    const json_t *numbers;
} text_case;

static pt_wordbook book;

static void open_case(text_case *c, size_t row)
{
    const json_t *x = json_array_get(json_object_get(golden, "cases"), row), *refs = json_array_get(x, 1);
    *c = (text_case){.units = strcmp(json_string_value(json_array_get(x, 0)), "chars") ? PT_UNITS_WORDS : PT_UNITS_CHARS, .n = json_array_size(refs),
                     .answer = json_string_value(json_array_get(x, 2)), .numbers = json_array_get(x, 3)};
    assert_true(c->answer && c->n >= 1 && c->n <= REFERENCES);
    assert_int_equal(pt_words_split(&book, c->units, c->answer, &c->said), PT_OK);
    for (size_t k = 0; k < c->n; k++) {
        c->reference[k] = json_string_value(json_array_get(refs, k));
        assert_int_equal(pt_words_split(&book, c->units, c->reference[k], &c->refs[k]), PT_OK);
    }
}

static void close_case(text_case *c)
{
    pt_words_free(&c->said);
    for (size_t k = 0; k < c->n; k++) pt_words_free(&c->refs[k]);
}

static double number(const json_t *list, size_t i)
{
    const json_t *v = json_array_get(list, i);
    assert_true(json_is_number(v));
    return json_number_value(v);
}

static void check_rouge(text_case *c, size_t row)
{
    static const char *const names[] = {"rouge-1", "rouge-2", "rouge-l", "rouge-lsum"};
    for (size_t which = 0; which < 4; which++) {
        pt_rouge best = {0}, one;
        for (size_t k = 0; k < c->n; k++) {
            if (which < 2) assert_int_equal(pt_rouge_n(&c->refs[k], &c->said, which + 1, &one), PT_OK);
            if (which == 2) assert_int_equal(pt_rouge_l(&c->refs[k], &c->said, &one), PT_OK);
            if (which == 3) assert_int_equal(pt_rouge_lsum(&book, c->units, c->reference[k], c->answer, &one), PT_OK);
            pt_rouge_better(&best, &one, !k);
        }
        close_to(names[which], row, best.f, number(c->numbers, 2 * which));
        close_to(names[which], row, best.recall, number(c->numbers, 2 * which + 1));
    }
}

/* Split as corpus BLEU and chrF want it, and added to both. */
static void add_corpus(const text_case *c, double *bleu, double *chrf)
{
    pt_words said = {0}, refs[REFERENCES] = {{0}};
    for (int way = 0; way < 2; way++) {
        for (size_t k = 0; k <= c->n; k++) {
            const char *text = k < c->n ? c->reference[k] : c->answer;
            pt_words *w = k < c->n ? &refs[k] : &said;
            assert_int_equal(way ? pt_words_split(&book, PT_UNITS_CHARS, text, w) : pt_bleu_split(&book, c->units, text, w), PT_OK);
        }
        assert_int_equal(way ? pt_chrf_add(&said, refs, c->n, chrf) : pt_bleu_add(&said, refs, c->n, bleu), PT_OK);
    }
    pt_words_free(&said);
    for (size_t k = 0; k < c->n; k++) pt_words_free(&refs[k]);
}

static void test_cases(void **state)
{
    size_t n = json_array_size(json_object_get(golden, "cases"));
    assert_true(n >= 1030);
    for (size_t row = 0; row < n; row++) {
        text_case c;
        double own[PT_BLEU_SUMS] = {0}, bleu[PT_BLEU_SUMS] = {0}, chrf[PT_CHRF_SUMS] = {0}, meteor;
        open_case(&c, row);
        check_rouge(&c, row);
        assert_int_equal(pt_bleu_add(&c.said, c.refs, c.n, own), PT_OK);
        for (int order = 1; order <= 4; order++) close_to("bleu-n", row, pt_bleu_sentence(own, order, PT_BLEU_EPSILON), number(c.numbers, 7 + (size_t)order));
        close_to("bleu-4, one added", row, pt_bleu_sentence(own, 4, PT_BLEU_ADD_ONE), number(c.numbers, 12));
        close_to("bleu-4, as it is", row, pt_bleu_sentence(own, 4, PT_BLEU_NO_SMOOTHING), number(c.numbers, 13));
        add_corpus(&c, bleu, chrf);
        close_to("sacrebleu", row, pt_bleu_corpus(bleu), number(c.numbers, 14));
        close_to("chrf", row, pt_chrf_value(chrf), number(c.numbers, 15));
        assert_int_equal(pt_meteor(&book, c.units, c.refs, c.n, &c.said, &meteor), PT_OK);
        close_to("meteor", row, meteor, number(c.numbers, 16));
        close_case(&c);
    }
    print_message("%zu cases: ROUGE-1, -2, -L, -Lsum, BLEU, chrF, METEOR within 1e-9\n", n);
}

static void test_corpora(void **state)
{
    const json_t *list = json_object_get(golden, "corpora"), *x;
    size_t i;
    assert_true(json_array_size(list) >= 20);
    json_array_foreach ((json_t *)list, i, x) {
        double bleu[PT_BLEU_SUMS] = {0}, chrf[PT_CHRF_SUMS] = {0};
        for (size_t k = 0; k < (size_t)number(x, 1); k++) {
            text_case c;
            open_case(&c, (size_t)number(x, 0) + k);
            add_corpus(&c, bleu, chrf);
            close_case(&c);
        }
        close_to("corpus BLEU", i, pt_bleu_corpus(bleu), number(x, 2));
        close_to("corpus chrF", i, pt_chrf_value(chrf), number(x, 3));
    }
}

static void test_selves(void **state)
{
    const json_t *list = json_object_get(golden, "selves"), *x;
    size_t i;
    assert_true(json_array_size(list) >= 20);
    json_array_foreach ((json_t *)list, i, x) {
        text_case c[64];
        const pt_words *said[64];
        double out[64], sum = 0;
        size_t n = (size_t)number(x, 1);
        assert_true(n <= 64);
        for (size_t k = 0; k < n; k++) {
            open_case(&c[k], (size_t)number(x, 0) + k);
            said[k] = &c[k].said;
        }
        assert_int_equal(pt_bleu_self(said, n, out), PT_OK);
        for (size_t k = 0; k < n; k++) sum += out[k];
        close_to("self-BLEU", i, sum / (double)n, number(x, 2));
        assert_int_equal(pt_bleu_self(said, 1, out), PT_OK);
        assert_true(isnan(out[0])); /* nobody else */
        for (size_t k = 0; k < n; k++) close_case(&c[k]);
    }
}

static void test_tokens(void **state)
{
    const json_t *list = json_object_get(golden, "tokens"), *x;
    size_t i;
    assert_true(json_array_size(list) >= 60);
    json_array_foreach ((json_t *)list, i, x) {
        pt_units units = strcmp(json_string_value(json_array_get(x, 0)), "chars") ? PT_UNITS_WORDS : PT_UNITS_CHARS;
        pt_words w = {0};
        pt_str text = {0};
        assert_int_equal(pt_bleu_split(&book, units, json_string_value(json_array_get(x, 1)), &w), PT_OK);
        assert_int_equal(pt_str_add(&text, "", 0), PT_OK);
        for (size_t k = 0; k < w.n; k++) {
            size_t len;
            const char *word = pt_wordbook_text(&book, w.id[k], &len);
            assert_int_equal(pt_str_printf(&text, "%s%.*s", k ? " " : "", (int)len, word), PT_OK);
        }
        assert_string_equal(text.text, json_string_value(json_array_get(x, 2)));
        pt_str_free(&text);
        pt_words_free(&w);
    }
}

static void test_stems(void **state)
{
    const char *p = json_string_value(json_object_get(golden, "stems"));
    size_t n = 0;
    for (; p && *p; n++) {
        char word[64], want[64];
        int used;
        assert_int_equal(sscanf(p, "%63s %63s%n", word, want, &used), 2);
        word[pt_stem(word, strlen(word))] = 0;
        if (strcmp(word, want)) fail_msg("'%.60s': stemmed to %s, not %s", p, word, want);
        p += used;
        p += strspn(p, " ");
    }
    assert_true(n >= 2500);
    print_message("%zu words stemmed as nltk does\n", n);
}

static void test_nothing(void **state)
{
    double sums[PT_CHRF_SUMS] = {0}, out;
    pt_words none = {0};
    assert_int_equal(pt_bleu_add(&none, NULL, 0, sums), PT_EARG);
    assert_int_equal(pt_chrf_add(&none, NULL, 0, sums), PT_EARG);
    assert_int_equal(pt_meteor(&book, PT_UNITS_WORDS, NULL, 0, &none, &out), PT_EARG);
    assert_true(pt_bleu_corpus(sums) == 0 && pt_bleu_sentence(sums, 4, PT_BLEU_EPSILON) == 0 && pt_chrf_value(sums) == 0);
}

int main(void)
{
    json_error_t err;
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases), cmocka_unit_test(test_corpora), cmocka_unit_test(test_selves),
                                       cmocka_unit_test(test_tokens), cmocka_unit_test(test_stems), cmocka_unit_test(test_nothing)};
    golden = json_load_file("tests/golden/data/texts.json", 0, &err);
    if (!golden) return printf("%s\n", err.text), 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    json_decref(golden);
    pt_wordbook_free(&book);
    return failed;
}

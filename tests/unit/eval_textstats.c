/* eval/text/textstats.h and eval/metric/canned.h: counts done by hand, and the time that a real evaluation takes. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "eval/metric/canned.h"
#include "eval/text/textstats.h"

typedef struct texts {
    pt_wordbook book;
    pt_words w[16];
    size_t n;
} texts;

static texts split(pt_units units, size_t n, const char *const *text)
{
    texts t = {.n = n};
    assert_true(n <= 16);
    for (size_t i = 0; i < n; i++) assert_int_equal(pt_words_split(&t.book, units, text[i], &t.w[i]), PT_OK);
    return t;
}

static void drop(texts *t)
{
    for (size_t i = 0; i < t->n; i++) pt_words_free(&t->w[i]);
    pt_wordbook_free(&t->book);
}

static void repeats_of(pt_units units, const char *text, size_t want_repeated, size_t want_total)
{
    size_t repeated = 99, total = 99;
    texts t = split(units, 1, &text);
    assert_int_equal(pt_ngrams_repeated(&t.w[0], 4, &repeated, &total), PT_OK);
    assert_int_equal(repeated, want_repeated);
    assert_int_equal(total, want_total);
    drop(&t);
}

static void repeated_four_grams(void **state)
{
    repeats_of(PT_UNITS_WORDS, "", 0, 0);
    repeats_of(PT_UNITS_WORDS, "one two three", 0, 0);
    repeats_of(PT_UNITS_WORDS, "one two three four", 0, 1);
    repeats_of(PT_UNITS_WORDS, "a b c d a b c d", 1, 5); /* abcd twice; bcda, cdab, dabc once */
    repeats_of(PT_UNITS_WORDS, "no no no no no no", 2, 3);
    repeats_of(PT_UNITS_WORDS, "No, no! NO no... no; no?", 2, 3); /* case and punctuation do not hide a loop */
    repeats_of(PT_UNITS_CHARS,
               "\xe6\x85\xa2\xe6\x85\xa2\xe5\x96\x9d\xe5\x90\xa7 \xe6\x85\xa2\xe6\x85\xa2\xe5\x96\x9d\xe5\x90\xa7", 1, 5);
}

static void distinct_counts_across_answers(void **state)
{
    const char *const text[] = {"a b c", "a b d", "", "z"};
    texts t = split(PT_UNITS_WORDS, 4, text);
    const pt_words *w[4] = {&t.w[0], &t.w[1], &t.w[2], &t.w[3]};
    double d;
    assert_int_equal(pt_distinct_n(w, 4, 1, &d), PT_OK); /* a b c d z of a b c a b d z */
    assert_true(fabs(d - 5.0 / 7) < 1e-15);
    assert_int_equal(pt_distinct_n(w, 4, 2, &d), PT_OK); /* ab bc bd of ab bc ab bd: none spans two answers */
    assert_true(fabs(d - 3.0 / 4) < 1e-15);
    assert_int_equal(pt_distinct_n(w, 4, 9, &d), PT_OK);
    assert_true(d == 0);
    assert_int_equal(pt_distinct_n(w, 4, 0, &d), PT_EARG);
    drop(&t);
}

/* Many grams: the set grows and loses none. */
static void gram_set_grows(void **state)
{
    uint32_t id[20000];
    pt_words w = {.id = id, .n = 20000};
    size_t repeated, total;
    for (uint32_t i = 0; i < 20000; i++) id[i] = i % 7919;
    assert_int_equal(pt_ngrams_repeated(&w, 4, &repeated, &total), PT_OK);
    assert_int_equal(total, 19997);
    assert_int_equal(total - repeated, 7919);
}

static void copies_are_found(void **state)
{
    const char *const text[] = {
        "polish your boots every morning and march at noon", "eat the oats", "eat the warm oats",     "",
        "polish your boots each morning and march at noon",  "sleep well",   "eat the warm oats now", ""};
    texts t = split(PT_UNITS_WORDS, 8, text);
    pt_copy c[4];
    size_t copied;
    assert_int_equal(pt_copies_find(t.w + 4, 4, t.w, 4, PT_COPY_THRESHOLD, c, &copied), PT_OK);
    assert_int_equal(copied, 2);
    assert_int_equal(c[0].train, 0);
    assert_true(fabs(c[0].f - 8.0 / 9) < 1e-15);
    assert_true(c[1].f == 0);
    assert_int_equal(c[2].train, 2);
    assert_true(fabs(c[2].f - 8.0 / 9) < 1e-15);
    assert_true(c[3].f == 0);
    assert_int_equal(pt_copies_find(t.w + 4, 4, t.w, 4, 0.95, c, &copied), PT_OK);
    assert_int_equal(copied, 0);
    assert_int_equal(pt_copies_find(t.w + 4, 4, t.w, 0, 0.5, c, NULL), PT_OK);
    assert_true(c[0].f == 0);
    /* exactly the threshold is no copy: 7 of 10 words shared, f = 0.7 */
    const char *const edge[] = {"a b c d e f g h i j", "a b c d e f g x y z"};
    texts e = split(PT_UNITS_WORDS, 2, edge);
    pt_rouge r;
    assert_int_equal(pt_rouge_l(&e.w[0], &e.w[1], &r), PT_OK);
    assert_int_equal(pt_copies_find(&e.w[1], 1, &e.w[0], 1, r.f, c, &copied), PT_OK);
    assert_int_equal(copied, 0);
    drop(&e);
    drop(&t);
}

/* What is skipped by the bound must not change the answer. */
static void copies_equal_the_full_search(void **state)
{
    enum { TRAIN = 200, MAX = 40 };
    static uint32_t pool[TRAIN + 1][MAX];
    pt_words train[TRAIN], answer;
    uint64_t seed = 3;
    for (int round = 0; round < 50; round++) {
        for (int i = 0; i <= TRAIN; i++) {
            pt_words w = {.id = pool[i]};
            for (int k = 0; k < MAX; k++) {
                seed = seed * 6364136223846793005ull + 1442695040888963407ull;
                pool[i][k] = (uint32_t)(seed >> 33) % 6;
            }
            w.n = (seed >> 40) % (MAX + 1);
            *(i < TRAIN ? &train[i] : &answer) = w;
        }
        pt_copy got, want = {0};
        for (size_t i = 0; i < TRAIN; i++) {
            pt_rouge r;
            assert_int_equal(pt_rouge_l(&train[i], &answer, &r), PT_OK);
            if (r.f > want.f) want = (pt_copy){.f = r.f, .train = i};
        }
        assert_int_equal(pt_copies_find(&answer, 1, train, TRAIN, 0.7, &got, NULL), PT_OK);
        assert_true(got.f == want.f);
        assert_int_equal(got.train, want.train);
    }
}

static void copies_are_fast(void **state)
{
    enum { ANSWERS = 40, TRAIN = 1000, LEN = 60 };
    static uint32_t a[ANSWERS][LEN], b[TRAIN][LEN];
    static pt_words wa[ANSWERS], wb[TRAIN];
    static pt_copy out[ANSWERS];
    uint64_t seed = 1;
    for (int i = 0; i < TRAIN; i++)
        for (int k = 0; k < LEN; k++) {
            seed = seed * 6364136223846793005ull + 1442695040888963407ull;
            b[i][k] = (uint32_t)(seed >> 33) % 300;
            if (i < ANSWERS) a[i][k] = (uint32_t)(seed >> 40) % 300;
        }
    for (int i = 0; i < ANSWERS; i++) wa[i] = (pt_words){.id = a[i], .n = LEN};
    for (int i = 0; i < TRAIN; i++) wb[i] = (pt_words){.id = b[i], .n = LEN};
    clock_t t0 = clock();
    assert_int_equal(pt_copies_find(wa, ANSWERS, wb, TRAIN, 0.7, out, NULL), PT_OK);
    double s = (double)(clock() - t0) / CLOCKS_PER_SEC;
    print_message("# figure: copies of 40 answers among 1000, 60 words each: %.3f s\n", s);
    assert_true(s < 5); /* 144 million cells: sanitizers included */
}

static void canned_takes_the_best_mean(void **state)
{
    const char *const text[] = {"left right",     "march left", "go march left now", /* training answers */
                                "march left now", "march",      "left right go"};    /* references: {0,1}, {2} */
    texts t = split(PT_UNITS_WORDS, 6, text);
    pt_question_refs q[2] = {{.references = t.w + 3, .n = 2}, {.references = t.w + 5, .n = 1}};
    pt_canned best;
    assert_int_equal(pt_canned_best(t.w, 3, q, 2, &best), PT_OK);
    /* 0: (2/5, 4/5) -> 0.6;  1: (4/5, 2/5) -> 0.6;  2: (6/7, 2/7) -> 4/7: the first of the two ties */
    assert_int_equal(best.train, 0);
    assert_true(fabs(best.f - 0.6) < 1e-15);
    assert_true(fabs(best.recall - (1.0 / 3 + 2.0 / 3) / 2) < 1e-15);
    assert_int_equal(pt_canned_best(t.w + 1, 2, q, 1, &best), PT_OK); /* 4/5 and 6/7 */
    assert_int_equal(best.train, 1);
    assert_true(fabs(best.f - 6.0 / 7) < 1e-15);
    assert_int_equal(pt_canned_best(t.w, 0, q, 2, &best), PT_EARG);
    assert_int_equal(pt_canned_best(t.w, 3, q, 0, &best), PT_EARG);
    drop(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(repeated_four_grams),
        cmocka_unit_test(distinct_counts_across_answers),
        cmocka_unit_test(gram_set_grows),
        cmocka_unit_test(copies_are_found),
        cmocka_unit_test(copies_equal_the_full_search),
        cmocka_unit_test(copies_are_fast),
        cmocka_unit_test(canned_takes_the_best_mean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

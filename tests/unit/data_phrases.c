/* Phrases of the audit: what is passed over by first bytes is what no phrase begins with. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/rng.h"
#include "data/audit/phrase.h"

enum { CASES = 200000 };

static bool plain(const char *text, size_t n, const char *const *phrases, size_t *at, size_t *len)
{
    for (size_t i = 0; i < n; i++)
        for (const char *const *p = phrases; *p; p++) {
            *len = pt_phrase_at(text + i, n - i, i ? (unsigned char)text[i - 1] : 0, *p);
            *at = i;
            if (*len) return true;
        }
    return false;
}

static void test_random(void **state)
{
    static const char letters[] = "ab '_{}<1.c", said[] = "aAbB '\n_{}<1.cX";
    size_t found = 0;
    (void)state;
    for (uint64_t c = 0; c < CASES; c++) {
        uint64_t k = 0;
        char phrase[4][8], text[64];
        const char *list[5] = {NULL};
        size_t n = 0, at[2] = {0}, len[2] = {0}, phrases = 1 + pt_rng_words(1, 0, c, k++).v[0] % 4, bytes = pt_rng_words(1, 0, c, k++).v[0] % 24;
        for (size_t i = 0; i < phrases; i++) {
            size_t m = 1 + pt_rng_words(1, 0, c, k++).v[0] % 4;
            for (size_t j = 0; j < m; j++) phrase[i][j] = letters[pt_rng_words(1, 0, c, k++).v[0] % (sizeof letters - 1)];
            phrase[i][m] = 0;
            list[i] = phrase[i];
        }
        while (n < bytes) {
            char x = said[pt_rng_words(1, 0, c, k++).v[0] % (sizeof said - 1)];
            if (x != 'X') text[n++] = x;
            else memcpy(text + n, "\xe2\x80\x99", 3), n += 3; /* a typographic apostrophe */
        }
        bool want = plain(text, n, list, &at[0], &len[0]), got = pt_phrase_find(text, n, list, &at[1], &len[1]);
        assert_true(got == want && (!want || (at[0] == at[1] && len[0] == len[1])));
        found += want;
    }
    assert_true(found > CASES / 10 && found < CASES / 2);
}

static void test_begins(void **state)
{
    static const char *const list[] = {"as an ai", "'tis", " no", NULL};
    static const struct {
        const char *text;
        bool found;
        size_t at, len;
    } cases[] = {{"Well, as an AI, no", true, 6, 8}, {"alas an air", false, 0, 0}, {"\xe2\x80\x99Tis", true, 0, 6}, {"I say\nno", true, 5, 3}, {"as", false, 0, 0}, {"", false, 0, 0}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t at = 0, len = 0;
        bool found = pt_phrase_find(cases[i].text, strlen(cases[i].text), list, &at, &len);
        assert_int_equal(found, cases[i].found);
        if (found) assert_true(at == cases[i].at && len == cases[i].len);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random), cmocka_unit_test(test_begins)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Which words of two texts differ (eval/page/page_diff.c): both texts stand in their pieces to the byte, what is marked as common is the longest common subsequence of words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "eval/page/page_priv.h"

static char *joined(const json_t *pieces, const char *mark)
{
    pt_str s = {0};
    for (size_t i = 0; i < json_array_size(pieces); i++) {
        const json_t *p = json_array_get(pieces, i);
        if (!mark || !strcmp(json_string_value(json_array_get(p, 0)), mark)) assert_int_equal(pt_str_puts(&s, json_string_value(json_array_get(p, 1))), PT_OK);
    }
    if (!s.text) assert_int_equal(pt_str_puts(&s, ""), PT_OK);
    return s.text;
}

static void check(const char *a, const char *b, const char *gone, const char *come)
{
    json_t *x, *y;
    char *t;
    assert_int_equal(pt_page_diff(a, strlen(a), b, strlen(b), &x, &y), PT_OK);
    t = joined(x, NULL), assert_string_equal(t, a), free(t);
    t = joined(y, NULL), assert_string_equal(t, b), free(t);
    t = joined(x, "-"), assert_string_equal(t, gone), free(t);
    t = joined(y, "+"), assert_string_equal(t, come), free(t);
    for (size_t i = 0; i + 1 < json_array_size(x); i++) /* neighbours of one mark are one piece */
        assert_string_not_equal(json_string_value(json_array_get(json_array_get(x, i), 0)), json_string_value(json_array_get(json_array_get(x, i + 1), 0)));
    json_decref(x);
    json_decref(y);
}

static void by_hand(void **state)
{
    (void)state;
    check("", "", "", "");
    check("", "all of it", "", "all of it");
    check("all of it", "", "all of it", "");
    check("the same words", "the same words", "", "");
    check("the  same\nwords ", "the same words", "", ""); /* white space alone is no difference */
    check(" I am a model. How are you?", "I am the captain. How are you?", "a model. ", "the captain. ");
    check("a b c d", "b c x d", "a ", "x ");
    check("one two three", "three two one", "one two ", "two one");
    check("我是一个模型。", "我是这艘船的船长。", "一个模型", "这艘船的船长");
    check("é ü", "é ö", "ü", "ö");
}

/* Words of both, in common by the table of the book, beside those that are marked so. */
static size_t longest(const int *a, size_t n, const int *b, size_t m)
{
    static size_t len[41][41];
    for (size_t i = n + 1; i-- > 0;)
        for (size_t k = m + 1; k-- > 0;)
            len[i][k] = i == n || k == m ? 0 : a[i] == b[k] ? len[i + 1][k + 1] + 1 : len[i + 1][k] > len[i][k + 1] ? len[i + 1][k] : len[i][k + 1];
    return len[0][0];
}

static size_t words_in(const char *text)
{
    size_t n = 0;
    for (; *text; text++) n += *text == ' ';
    return n;
}

static void the_longest(void **state)
{
    (void)state;
    unsigned seed = 7;
    for (int round = 0; round < 500; round++) {
        int w[2][40];
        size_t n[2];
        char text[2][200] = {"", ""};
        json_t *x, *y;
        for (int s = 0; s < 2; s++) {
            seed = seed * 1103515245u + 12345u;
            n[s] = (seed >> 16) % 40;
            for (size_t i = 0; i < n[s]; i++) {
                seed = seed * 1103515245u + 12345u;
                w[s][i] = (int)((seed >> 16) % 5);
                sprintf(text[s] + strlen(text[s]), "w%d ", w[s][i]);
            }
        }
        assert_int_equal(pt_page_diff(text[0], strlen(text[0]), text[1], strlen(text[1]), &x, &y), PT_OK);
        char *common = joined(x, "="), *other = joined(y, "=");
        assert_string_equal(common, other);
        assert_int_equal(words_in(common), longest(w[0], n[0], w[1], n[1]));
        free(common);
        free(other);
        json_decref(x);
        json_decref(y);
    }
}

/* Too long for the table: what lies between the common beginning and the common end is changed. */
static void long_ones(void **state)
{
    (void)state;
    pt_str a = {0}, b = {0};
    for (int i = 0; i < 3000; i++) {
        assert_int_equal(pt_str_printf(&a, "w%d ", i), PT_OK);
        assert_int_equal(pt_str_printf(&b, i == 5 || i == 2990 ? "x%d " : "w%d ", i), PT_OK);
    }
    json_t *x, *y;
    assert_int_equal(pt_page_diff(a.text, a.len, b.text, b.len, &x, &y), PT_OK);
    assert_int_equal(json_array_size(x), 3);
    char *same = joined(x, "=");
    assert_string_equal(same, "w0 w1 w2 w3 w4 w2991 w2992 w2993 w2994 w2995 w2996 w2997 w2998 w2999 ");
    free(same);
    json_decref(x);
    json_decref(y);
    pt_str_free(&a);
    pt_str_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(by_hand), cmocka_unit_test(the_longest), cmocka_unit_test(long_ones)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

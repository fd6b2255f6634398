/* base/visible.h: what a terminal would obey is spelled out, everything else is left alone, wherever a character is cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/utf8.h"
#include "base/visible.h"

static void gives(const char *text, size_t n, const char *want)
{
    pt_str s = {0};
    assert_int_equal(pt_str_visible(&s, text, n), PT_OK);
    assert_string_equal(s.text, want);
    pt_str_free(&s);
}
#define GIVES(text, want) gives(text, sizeof text - 1, want)

static void by_hand(void **state)
{
    GIVES("", "");
    GIVES("plain\n\ttext \xc3\xa9 \xe6\x85\xa2 \xf0\x9f\x98\x80", "plain\n\ttext \xc3\xa9 \xe6\x85\xa2 \xf0\x9f\x98\x80");
    GIVES("\x1b[31m", "\\x1b[31m");
    GIVES("a\rb\0c\x7f", "a\\x0db\\x00c\\x7f");
    GIVES("\xc2\x9b\x31m \xc2\x80 \xc2\x9f \xc2\xa0", "\\x9b1m \\x80 \\x9f \xc2\xa0"); /* C1; the space that does not break stays */
    GIVES("\xe2\x80\xae\xe2\x80\xaa\xe2\x81\xa6\xe2\x81\xa9\xd8\x9c\xe2\x80\x8f", "\\u202e\\u202a\\u2066\\u2069\\u061c\\u200f");
    GIVES("\xe2\x80\x8d\xe2\x80\xa6", "\xe2\x80\x8d\xe2\x80\xa6"); /* joins emoji; an ellipsis */
    GIVES("\xff\x9b[\xc0\x9b\xed\xa0\x80", "\\xff\\x9b[\\xc0\\x9b\\xed\\xa0\\x80");
    GIVES("\xe2\x80", "\\xe2\\x80");
    GIVES("\xe2\x1b[m\xe2\x80\n", "\\xe2\\x1b[m\\xe2\\x80\n");
    GIVES("\xf0\x9f\x98\x1b", "\\xf0\\x9f\\x98\\x1b");
}

/* No byte pair or triple leaves a control character, and the text that comes out is UTF-8. */
static void nothing_gets_through(void **state)
{
    char text[4], out[sizeof text * PT_VISIBLE_GROWTH + PT_VISIBLE_MORE];
    for (unsigned i = 0; i < 1u << 24; i += i < 1u << 16 ? 1 : 11) {
        pt_visible v = {0};
        memcpy(text, &(unsigned char[]){(unsigned char)i, (unsigned char)(i >> 8), (unsigned char)(i >> 16)}, 3);
        size_t n = pt_visible_put(&v, text, 3, out);
        n += pt_visible_end(&v, out + n);
        assert_true(n <= sizeof out && pt_utf8_valid(out, n));
        for (size_t k = 0; k < n; k++) {
            unsigned char c = (unsigned char)out[k];
            if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f || (c == 0xc2 && (unsigned char)out[k + 1] < 0xa0)) fail_msg("%06x", i);
        }
    }
}

static void cuts_change_nothing(void **state)
{
    static const char text[] = "a\xc2\x9b\xe6\x85\xa2\xe2\x80\xae\xf0\x9f\x98\x80\xe2\x1b\xc3\xa9\xff";
    size_t n = sizeof text - 1;
    char want[sizeof text * PT_VISIBLE_GROWTH + PT_VISIBLE_MORE], out[sizeof want];
    pt_visible v = {0};
    size_t whole = pt_visible_put(&v, text, n, want);
    whole += pt_visible_end(&v, want + whole);
    for (size_t a = 0; a <= n; a++)
        for (size_t b = a; b <= n; b++) {
            size_t used = pt_visible_put(&v, text, a, out);
            used += pt_visible_put(&v, text + a, b - a, out + used);
            used += pt_visible_put(&v, text + b, n - b, out + used);
            used += pt_visible_end(&v, out + used);
            assert_int_equal(used, whole);
            assert_memory_equal(out, want, whole);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(by_hand), cmocka_unit_test(nothing_gets_through), cmocka_unit_test(cuts_change_nothing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

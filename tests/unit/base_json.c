/* base/json.h: what Python's json reads, we read; what it refuses, we refuse with line and column. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

/* A text whose size is known (it may hold NUL bytes). */
#define T(s) s, sizeof s - 1

static const struct {
    const char *text;
    size_t n;
    const char *dump; /* compact, as written back */
} good[] = {
    {T("{}"), "{}"},
    {T(" [ ] "), "[]"},
    {T("\xef\xbb\xbf{\"a\": 1}"), "{\"a\":1}"},
    {T("[true,false,null,\"x\"]"), "[true,false,null,\"x\"]"},
    {T("[0,-0,7,-12,9223372036854775807,-9223372036854775808]"), "[0,0,7,-12,9223372036854775807,-9223372036854775808]"},
    {T("[9223372036854775808,18446744073709551615,-9223372036854775809]"),
     "[9.2233720368547758e18,1.8446744073709552e19,-9.2233720368547758e18]"},
    {T("[1000000000000000019884624838656]"), "[1e30]"},
    {T("[1e3,1E-2,-0.5,1.5e+2,0.0]"), "[1000.0,0.01,-0.5,150.0,0.0]"},
    {T("[NaN,Infinity,-Infinity,1e999,-1e999]"), "[NaN,Infinity,-Infinity,1e999,-1e999]"},
    {T("{\"a\":1,\"b\":2,\"a\":3}"), "{\"a\":3,\"b\":2}"},
    {T("{\"a\":1,\"\\u0061\":2}"), "{\"a\":2}"},
    {T("[\"\\u00e4\\u20ac\\ud83d\\ude00 \\\"\\\\\\/\\b\\f\\n\\r\\t\"]"),
     "[\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80 \\\"\\\\/\\b\\f\\n\\r\\t\"]"},
    {T("[\"\\ud83d\", \"\\ude00x\", \"\\ud83d\\n\", \"a\\u0000b\"]"), "[\"\\ud83d\",\"\\ude00x\",\"\\ud83d\\n\",\"a\\u0000b\"]"},
    {T("{\"\\u0000\":[NaN],\"\\ud800\":1,\"a\":2}"), "{\"a\":2}"}, /* nothing can ask for such keys */
    {T("{\"\x7f\x6f\x64\x64\":\"1NaN\",\"a\":2}"), "{\"a\":2}"},
    {T("[\"\x7f\x6f\x64\x64\", NaN]"), "[\"\x7f\x6f\x64\x64\",NaN]"}, /* our mark as a text is a text */
    {T("[{\"k\":\"quote \\\" and \\\\ and \\u0000\"}]"), "[{\"k\":\"quote \\\" and \\\\ and \\u0000\"}]"},
    {T("[\"0123456\",\"01234567\",\"0123456789abcdef\\n0123456789\xc3\xa4\"]"),
     "[\"0123456\",\"01234567\",\"0123456789abcdef\\n0123456789\xc3\xa4\"]"},
};

static void reads_what_python_reads(void **state)
{
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        json_t *j;
        if (pt_json_parse(&j, good[i].text, good[i].n, "f", 0) != PT_OK) fail_msg("case %zu: %s", i, pt_err_msg());
        char *text = pt_json_dump(j, JSON_COMPACT | JSON_ENCODE_ANY);
        json_decref(j);
        assert_string_equal(text, good[i].dump);
        free(text);
    }
}

static const struct {
    const char *text;
    size_t n;
    const char *why;
} bad[] = {
    {T(""), "f:1:1: "},
    {T("{\"a\": 1} x"), "f:1:10: broken JSON: text behind"},
    {T("{\n \"a\": 1,\n}"), "f:3:1: "},
    {T("[1,]"), "f:1:4: "},
    {T("[1 2]"), "f:1:4: "},
    {T("[1"), "cut off"},
    {T("{\"a\""), "f:1:5: "},
    {T("{\"a\":"), "cut off"},
    {T("{a: 1}"), "f:1:2: broken JSON: a key in quotes"},
    {T("{'a': 1}"), "f:1:2: "},
    {T("[01]"), "f:1:2: "},
    {T("[1.]"), "f:1:4: "},
    {T("[.5]"), "f:1:2: "},
    {T("[+1]"), "f:1:2: "},
    {T("[1e]"), "f:1:4: "},
    {T("[-]"), "f:1:3: "},
    {T("[nan]"), "f:1:2: "},
    {T("[-NaN]"), "f:1:3: "},
    {T("[True]"), "f:1:2: "},
    {T("[\"a\nb\"]"), "f:1:4: broken JSON: a raw control character"},
    {T("[\"\xc3\xa4\",\"\t\"]"), "f:1:7: "}, /* columns are characters */
    {T("[\"\\x\"]"), "f:1:3: broken JSON: an unknown escape"},
    {T("[\"\\u12g4\"]"), "f:1:3: "},
    {T("[\"\\u12"), "f:1:3: "},
    {T("[\"\\"), "f:1:3: "},
    {T("[\"abc"), "f:1:2: broken JSON: a string is not closed"},
    {T("[\"\xff\"]"), "f:1:3: broken JSON: a string is not UTF-8"},
    {T("[\"01234567\xed\xa0\x80\"]"), "not UTF-8"},
    {T("[1] // no"), "f:1:5: "},
    {T("[\"a\0b\"]"), "f:1:4: "},
    {T("\0"), "f:1:1: "},
};

static void refuses_with_the_place(void **state)
{
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        json_t *j;
        if (pt_json_parse(&j, bad[i].text, bad[i].n, "f", 0) != PT_EFORMAT || j) fail_msg("case %zu was read", i);
        if (!strstr(pt_err_msg(), bad[i].why)) fail_msg("case %zu: '%s', not '%s'", i, pt_err_msg(), bad[i].why);
    }
}

static void odd_values_have_names(void **state)
{
    static const char text[] = "{\"n\":NaN,\"i\":Infinity,\"m\":-1e999,\"z\":\"\\u0000\",\"s\":\"\\udfff\",\"o\":{},\"l\":[],\"r\":2.0}";
    static const char *const names[][2] = {{"n", "NaN"},
                                           {"i", "Infinity"},
                                           {"m", "-Infinity"},
                                           {"z", "a text with a NUL character"},
                                           {"s", "a text with half a surrogate pair"},
                                           {"o", "an object"},
                                           {"l", "a list"},
                                           {"r", "a number"},
                                           {"q", "missing"}};
    json_t *j;
    assert_int_equal(pt_json_parse(&j, text, sizeof text - 1, "f", 0), PT_OK);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const json_t *v = json_object_get(j, names[i][0]);
        assert_string_equal(pt_json_kind(v), names[i][1]);
        assert_int_equal(pt_json_odd(v), i < 5);
        if (i < 5) assert_false(json_is_string(v) || json_is_number(v) || json_is_null(v));
    }
    json_decref(j);
}

static void flags(void **state)
{
    static const char *const own[] = {"{\"a\":1,\"a\":1}", "[NaN]", "[1e999]", "[\"\\u0000\"]", "{\"\\u0000\":1}"};
    static const char *const no_object[] = {"[1]", "3", "NaN", "\"x\"", "null"};
    json_t *j;
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        assert_int_equal(pt_json_parse(&j, own[i], strlen(own[i]), "f", PT_JSON_OWN), PT_EFORMAT);
    for (size_t i = 0; i < sizeof no_object / sizeof *no_object; i++) {
        assert_int_equal(pt_json_parse(&j, no_object[i], strlen(no_object[i]), "f", PT_JSON_OBJECT), PT_EFORMAT);
        assert_null(j);
    }
    assert_int_equal(pt_json_parse(&j, T("[\"a\\u0000b\"]"), "f", PT_JSON_NUL), PT_OK);
    assert_int_equal(json_string_length(json_array_get(j, 0)), 3);
    json_decref(j);
}

static void depth_is_bounded(void **state)
{
    size_t n = 100000;
    char *text = malloc(n);
    json_t *j;
    assert_non_null(text);
    memset(text, '[', n);
    assert_int_equal(pt_json_parse(&j, text, n, "f", 0), PT_EFORMAT);
    assert_non_null(strstr(pt_err_msg(), "f:1:2049: broken JSON: lists and objects are nested too deeply"));
    memset(text + PT_JSON_DEPTH, ']', PT_JSON_DEPTH);
    assert_int_equal(pt_json_parse(&j, text, 2 * PT_JSON_DEPTH, "f", 0), PT_OK);
    json_decref(j);
    free(text);
}

static void values_one_by_one(void **state)
{
    static const char text[] = "{\"a\":1}\n 2 \n\n NaN";
    pt_json_in in = {.name = "f", .at = text, .end = text + sizeof text - 1, .begin = text, .line = 1};
    static const int lines[] = {1, 2, 4};
    for (int i = 0; i < 3; i++) {
        json_t *j;
        pt_json_space(&in);
        assert_int_equal(in.line, lines[i]);
        assert_int_equal(pt_json_next(&in, &j), PT_OK);
        json_decref(j);
    }
    assert_ptr_equal(in.at, in.end);
}

/* Every cut of a text, in memory of exactly its size: what is read never lies outside. */
static void cuts(void **state)
{
    static const char text[] = "{\"k\\u0041\": [1.5e3, -Infinity, NaN, \"\\ud83d\\ude00\\u0000\", true, {\"x\": null}, 123456789012345678901]}";
    for (size_t n = 0; n < sizeof text - 1; n++) {
        char *copy = malloc(n ? n : 1);
        json_t *j;
        assert_non_null(copy);
        memcpy(copy, text, n);
        assert_int_equal(pt_json_parse(&j, copy, n, "f", 0), PT_EFORMAT);
        free(copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_python_reads), cmocka_unit_test(refuses_with_the_place), cmocka_unit_test(odd_values_have_names),
        cmocka_unit_test(flags),                   cmocka_unit_test(depth_is_bounded),       cmocka_unit_test(values_one_by_one),
        cmocka_unit_test(cuts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

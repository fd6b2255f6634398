/* YAML as PyYAML reads it (anchors, merge keys, one document), within bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>

#include "config_fixture.h"
#include "train/cli/yaml.h"

static pt_ynode *parse(const char *text)
{
    pt_ynode *n = NULL;
    if (pt_yaml_parse(&n, text, strlen(text), "t") != PT_OK) fail_msg("refused: %s", pt_err_msg());
    return n;
}

static void test_refused(void **state)
{
    static const struct { const char *text, *want; } cases[] = {
        {"a: 1\n---\nb: 2\n", "t:2:1: a second document starts here"},
        {"---\na: 1\n...\n---\n", "t:4:1: a second document starts here"},
        {"a: *x\n", "t:1:4: the alias *x has no anchor &x before it"},
        {"a: &x {b: *x}\n", "t:1:11: the alias *x stands inside of what it stands for"},
        {"a: !include b.yaml\n", "t:1:4: the tag !include means nothing here"},
        {"a: !!python/object:os.system x\n", "the tag tag:yaml.org,2002:python/object:os.system means nothing here"},
        {"<<: 1\n", "t:1:5: << takes a mapping or a list of mappings"},
        {"a: 1\na: 2\n", "t:2:1: a stands twice (first on line 1)"},
        {"? [a]\n: 1\n", "t:1:3: a key must be a plain word"},
        {"a: \"x\\0y\"\n", "t:1:4: a zero byte in the text"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pt_ynode *n = NULL;
        if (pt_yaml_parse(&n, cases[i].text, strlen(cases[i].text), "t") != PT_EARG) fail_msg("case %zu is read", i);
        if (!strstr(pt_err_msg(), cases[i].want)) fail_msg("case %zu: '%s' has no '%s'", i, pt_err_msg(), cases[i].want);
        assert_null(n);
    }
}

static const char *text_of(const pt_ynode *n, const char *key)
{
    for (size_t i = 0; i < n->n; i++)
        if (!strcmp(n->keys[i], key)) return n->items[i]->text;
    return NULL;
}

static void test_anchors(void **state)
{
    pt_ynode *n = parse("base: &b {a: 1, c: 2}\nmore: &m {c: 3, d: 4}\none: {<<: *b, a: 9}\ntwo: {x: 0, <<: [*b, *m]}\nthree:\n  <<: *b\n  <<: *m\n  e: 5\n"
                        "four: [&s word, *s, &s other, *s]\nfive: {<<: {<<: *m, f: 6}}\n");
    const pt_ynode *one = n->items[2], *two = n->items[3], *three = n->items[4], *four = n->items[5], *five = n->items[6];
    assert_int_equal(one->n, 2);
    assert_string_equal(text_of(one, "a"), "9"); /* what stands there wins */
    assert_string_equal(text_of(one, "c"), "2");
    assert_int_equal(two->n, 4);
    assert_string_equal(text_of(two, "c"), "2"); /* then what came first */
    assert_string_equal(text_of(two, "d"), "4");
    assert_int_equal(two->key_line[2], 1);       /* places are the anchor's */
    assert_string_equal(text_of(three, "c"), "2");
    assert_string_equal(text_of(three, "e"), "5");
    assert_string_equal(four->items[1]->text, "word"); /* an anchor may be given again */
    assert_string_equal(four->items[3]->text, "other");
    assert_string_equal(text_of(five, "d"), "4");
    assert_string_equal(text_of(five, "f"), "6");
    assert_null(text_of(five, "<<"));
    pt_yaml_free(n);
    n = parse("a: !!str 1\nb: ! 2\nc: !!float 3\nd: !!null ~\n...\n");
    assert_true(n->items[0]->quoted && n->items[1]->quoted && !n->items[2]->quoted && pt_yaml_is_null(n->items[3]));
    pt_yaml_free(n);
}

/* Files that keep a parser busy, or ask for gigabytes: an error, and soon (0.1 s; libyaml's composer took minutes). */
static void test_bounds(void **state)
{
    static const struct { const char *head, *part; int times; const char *tail, *want; } cases[] = {
        {"", "[", 4000000, "", ":1:34: nested more than 32 deep"},
        {"a: ", "{a: ", 900000, "", "nested more than 32 deep"},
        {"", "- ", 1900000, "", "nested more than 32 deep"},
        {"", "? ", 1900000, "", "a key must be a plain word"},
        {"", "%TAG !a! b\n", 350000, "---\na: 1\n", ":17:1: more than 16 lines begin with %"},
        {"a: [", "1,", 1900000, "]\n", "more than 20000 values"},
        {"{", "", 0, "", "not valid YAML"},
        {"a: &a [0,0,0,0,0,0,0,0,0,0]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\n", "d: [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\n", 1,
         "e: [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\n", "more than 20000 values"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pt_str text = {0};
        pt_ynode *n = NULL;
        assert_int_equal(pt_str_puts(&text, cases[i].head), PT_OK);
        for (int k = 0; k < cases[i].times; k++) assert_int_equal(pt_str_puts(&text, cases[i].part), PT_OK);
        assert_int_equal(pt_str_puts(&text, cases[i].tail), PT_OK);
        clock_t start = clock();
        if (pt_yaml_parse(&n, text.text, text.len, "t") != PT_EARG) fail_msg("case %zu is read", i);
        if (clock() - start > 3 * CLOCKS_PER_SEC) fail_msg("case %zu took %g s", i, (double)(clock() - start) / CLOCKS_PER_SEC);
        if (!strstr(pt_err_msg(), cases[i].want)) fail_msg("case %zu: '%s' has no '%s'", i, pt_err_msg(), cases[i].want);
        pt_str_free(&text);
    }
}

/* Many keys, and long texts behind many aliases. */
static void test_bounds_of_maps(void **state)
{
    pt_str text = {0};
    pt_ynode *n = NULL;
    for (int k = 0; k < 5000; k++) assert_int_equal(pt_str_printf(&text, "a_key_of_a_mapping_%d: 1\n", k), PT_OK);
    assert_int_equal(pt_yaml_parse(&n, text.text, text.len, "t"), PT_EARG);
    assert_non_null(strstr(pt_err_msg(), "more than 4096 keys"));
    pt_str_free(&text);
    assert_int_equal(pt_str_puts(&text, "a: &a "), PT_OK);
    for (int k = 0; k < 1000000; k++) assert_int_equal(pt_str_puts(&text, "x"), PT_OK);
    assert_int_equal(pt_str_puts(&text, "\nb: [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"), PT_OK);
    assert_int_equal(pt_yaml_parse(&n, text.text, text.len, "t"), PT_EARG);
    assert_non_null(strstr(pt_err_msg(), "16 MiB of text"));
    pt_str_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_anchors),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_bounds_of_maps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

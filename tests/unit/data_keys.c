/* What a data set says to its reader: pairs of key and text, the table of keys, and the text that a pack's digest is made of. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "data/read/record.h"
#include "tests/said.h"

static void test_pairs(void **state)
{
    pt_dataset_spec s = {0};
    assert_null(pt_dataset_says(&s, "field_text"));
    assert_string_equal(pt_dataset_value(&s, "field_text"), "text"); /* the key's own default */
    assert_null(pt_dataset_value(&s, "field_prompt"));               /* which has none */
    assert_null(pt_dataset_value(&s, "no_such_key"));
    for (int i = 0; i < 40; i++) {
        char key[16], text[16];
        snprintf(key, sizeof key, "key%d", i % 20);
        snprintf(text, sizeof text, "text%d", i);
        assert_int_equal(pt_dataset_say(&s, key, text, i, 1), PT_OK);
    }
    assert_string_equal(pt_dataset_says(&s, "key0"), "text20");
    assert_string_equal(pt_dataset_says(&s, "key19"), "text39");
    assert_null(pt_dataset_says(&s, "key"));
    assert_null(pt_dataset_says(&s, "key20"));
    assert_int_equal(s.said[19].line, 39);
    assert_null(s.said[20].key);
    assert_int_equal(pt_dataset_say(&s, "field_text", "", 0, 0), PT_OK);
    assert_string_equal(pt_dataset_value(&s, "field_text"), ""); /* nothing is a value too */
    pt_dataset_clear(&s);
    assert_null(s.said);
}

static void test_table(void **state)
{
    for (size_t i = 0; i < pt_data_key_count(); i++) {
        const pt_data_key *k = pt_data_key_at(i);
        assert_ptr_equal(pt_data_key_find(k->key), k);
        assert_true((k->help != NULL) == (k->within == NULL) && (k->kind == PT_DATA_WORD) == (k->words != NULL));
        if (k->fallback) assert_int_equal(pt_data_key_check(k, k->fallback), PT_OK);
        size_t n = 0;
        for (size_t j = 0; j < pt_data_key_count(); j++) n += pt_data_key_declared(j) == k;
        assert_int_equal(n, 1);
    }
    for (size_t i = 0; i < pt_data_type_count(); i++) /* one name, one meaning: a key of several types stands in one table */
        for (const pt_data_key *const *t = pt_data_type_at(i)->keys; t && *t; t++)
            for (const pt_data_key *k = *t; k->key; k++) assert_ptr_equal(pt_data_key_find(k->key), k);
}

static void test_check(void **state)
{
    static const char *const words[] = {"a", "b", "c", NULL};
    const pt_data_key word = {.key = "w", .kind = PT_DATA_WORD, .words = words}, flag = {.key = "f", .kind = PT_DATA_FLAG};
    const pt_dataset_said *which = NULL;
    pt_dataset_spec s = {.path = "p", .type = "rolebench", SAYS(SAID("field_text", "x"), SAID("references", "best"))};
    assert_int_equal(pt_data_key_check(&word, "b"), PT_OK);
    assert_int_equal(pt_data_key_check(&word, "d"), PT_EARG);
    assert_string_equal(pt_err_msg(), "w is 'a', 'b' or 'c', not 'd'");
    assert_int_equal(pt_data_key_check(&flag, "yes"), PT_EARG);
    assert_string_equal(pt_err_msg(), "f is 'true' or 'false', not 'yes'");
    assert_int_equal(pt_data_keys_check(pt_data_type_find("rolebench"), &s, &which), PT_EARG);
    assert_string_equal(which->key, "references");
    assert_int_equal(pt_data_keys_check(pt_data_type_find("messages"), &s, NULL), PT_OK); /* which does not have the key */
}

/* The digests of packs that are there stand on this text. */
static void test_digest(void **state)
{
    pt_dataset_spec s = {.path = "p", .type = "rolebench", .bad_rows = 0.5, SAYS(SAID("field_margin", "m"), SAID("references", "all"), SAID("field_input", ""), SAID("profiles", "f"))};
    pt_str a = {0}, b = {0};
    assert_int_equal(pt_dataset_digest_text(&s, "rolebench", &a), PT_OK);
    assert_string_equal(a.text, "set rolebench - messages=- role=- content=- text=- references=all system=-\ncolumns - - = - - - - - =m\n"
                                "train=- prompt=- drop_system=0 bad_rows=0.5\n");
    for (size_t i = 0; i < pt_data_key_count(); i++) { /* each key changes it; a file by its content, which is not in it */
        const pt_data_key *k = pt_data_key_at(i);
        pt_dataset_spec one = {.path = "p", .type = "rolebench", .bad_rows = 0.5, SAYS(SAID(k->key, "x"))}, none = {.path = "p", .type = "rolebench", .bad_rows = 0.5},
                        another = {.path = "p", .type = "rolebench", .bad_rows = 0.5, SAYS(SAID(k->key, "y"))};
        a.len = b.len = 0;
        assert_int_equal(pt_dataset_digest_text(&one, "rolebench", &a), PT_OK);
        assert_int_equal(pt_dataset_digest_text(k->kind == PT_DATA_FILE ? &another : &none, "rolebench", &b), PT_OK);
        if (!strcmp(a.text, b.text) != (k->kind == PT_DATA_FILE)) fail_msg("%s", k->key);
    }
    pt_str_free(&a);
    pt_str_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_pairs), cmocka_unit_test(test_table), cmocka_unit_test(test_check), cmocka_unit_test(test_digest)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

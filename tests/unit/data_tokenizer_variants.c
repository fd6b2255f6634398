/* Other normalizers, pre-tokenizers, decoders and added tokens on the tiny vocabularies: tests/golden/tok_variants.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/file.h"
#include "data/text/tokenizer.h"

#define DATA "tests/golden/data/"

static json_t *load(const char *path)
{
    json_error_t e;
    json_t *v = json_load_file(path, 0, &e);
    if (!v) fail_msg("%s:%d: %s", path, e.line, e.text);
    return v;
}

/* The base's tokenizer.json with the patch's keys. */
static pt_tokenizer *patched(const json_t *variant)
{
    char path[] = "/tmp/ptrain_variant_XXXXXX", from[128];
    const char *key;
    json_t *value;
    pt_tokenizer *t;
    snprintf(from, sizeof from, "%s%s/tokenizer.json", DATA, json_string_value(json_object_get(variant, "base")));
    json_t *root = load(from);
    json_object_foreach(json_object_get(variant, "patch"), key, value)
    {
        if (strcmp(key, "model") == 0)
            json_object_update(json_object_get(root, "model"), value);
        else
            json_object_set(root, key, value);
    }
    int fd = mkstemp(path);
    FILE *f = fdopen(fd, "w");
    assert_non_null(f);
    assert_int_equal(json_dumpf(root, f, JSON_COMPACT), 0);
    assert_int_equal(fclose(f), 0);
    json_decref(root);
    pt_status rc = pt_tok_open(&t, path);
    remove(path);
    if (rc != PT_OK) fail_msg("%s", pt_err_msg());
    return t;
}

static void same(size_t v, const char *what, const json_t *row, const pt_ids *got)
{
    const json_t *want = json_object_get(row, what);
    bool ok = json_array_size(want) == got->n;
    for (size_t i = 0; ok && i < got->n; i++) ok = json_integer_value(json_array_get(want, i)) == got->ids[i];
    if (ok) return;
    char *a = json_dumps(want, JSON_COMPACT);
    fprintf(stderr, "want %s\ngot  ", a);
    for (size_t i = 0; i < got->n; i++) fprintf(stderr, "%d,", got->ids[i]);
    free(a);
    fail_msg("variant %zu, %s: '%s' gives other ids", v, what, json_string_value(json_object_get(row, "text")));
}

static void test_variants(void **state)
{
    json_t *all = load(DATA "tok_variants.json"), *variant, *row;
    size_t v, k;
    json_array_foreach(all, v, variant)
    {
        pt_tokenizer *t = patched(variant);
        json_array_foreach(json_object_get(variant, "rows"), k, row)
        {
            const json_t *text = json_object_get(row, "text"), *decoded = json_object_get(row, "decoded");
            pt_ids ids = {0};
            pt_str s = {0};
            for (int added = 1; added >= 0; added--) {
                ids.n = 0;
                pt_status rc = pt_tok_encode(t, json_string_value(text), json_string_length(text), added, true, &ids);
                if (rc != PT_OK) fail_msg("%s", pt_err_msg());
                same(v, added ? "added" : "text_only", row, &ids);
                if (!added) break;
                assert_int_equal(pt_tok_decode(t, ids.ids, ids.n, false, &s), PT_OK);
                if (s.len != json_string_length(decoded) || memcmp(s.text, json_string_value(decoded), s.len) != 0) {
                    fail_msg("variant %zu: '%s' decodes to '%s', should be '%s'", v, json_string_value(text), s.text,
                             json_string_value(decoded));
                }
            }
            free(ids.ids);
            pt_str_free(&s);
        }
        pt_tok_free(t);
    }
    assert_int_equal(v, 28);
    json_decref(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_variants)};
    return cmocka_run_group_tests_name("data_tokenizer_variants", tests, NULL, NULL);
}

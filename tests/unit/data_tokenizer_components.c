/* Every component and option of tokenizer.json against the tokenizers library: tests/golden/tok_components.py. And what all of them must keep: where
 * tokens end, the same ids with and without that, the same text from a stream. */
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
#define OK(call)                                                                                 \
    do {                                                                                         \
        if ((call) != PT_OK) fail_msg("%s:%d: %s: %s", __FILE__, __LINE__, #call, pt_err_msg()); \
    } while (0)

static int wrong;

static json_t *golden(void)
{
    json_error_t e;
    json_t *v = json_load_file(DATA "tok_components.json", JSON_ALLOW_NUL, &e);
    if (!v) fail_msg("%d: %s", e.line, e.text);
    return v;
}

static pt_status open_json(const json_t *root, pt_tokenizer **t)
{
    char path[] = "/tmp/ptrain_component_XXXXXX";
    int fd = mkstemp(path);
    FILE *f = fdopen(fd, "w");
    assert_non_null(f);
    assert_int_equal(json_dumpf(root, f, JSON_COMPACT), 0);
    assert_int_equal(fclose(f), 0);
    pt_status rc = pt_tok_open(t, path);
    remove(path);
    return rc;
}

/* The base with the patch's keys; a new value. */
static json_t *patched(const json_t *base, const json_t *patch)
{
    json_t *root = json_deep_copy(base), *value;
    const char *key;
    json_object_foreach((json_t *)patch, key, value)
    {
        if (strcmp(key, "model") == 0)
            json_object_update(json_object_get(root, "model"), value);
        else
            json_object_set(root, key, value);
    }
    return root;
}

static void complain(const char *name, const char *what, const json_t *row, const pt_ids *ids, const pt_str *text)
{
    char *want = json_dumps(row, JSON_COMPACT);
    fprintf(stderr, "%s: %s: should be %s\n   is", name, what, want);
    for (size_t i = 0; ids && i < ids->n; i++) fprintf(stderr, " %d", ids->ids[i]);
    fprintf(stderr, "%s\n", text ? text->text : "");
    free(want);
    wrong++;
}

static void same_ids(const char *name, const char *what, const json_t *row, const json_t *want, const pt_ids *got)
{
    bool ok = json_array_size(want) == got->n;
    for (size_t i = 0; ok && i < got->n; i++) ok = json_integer_value(json_array_get(want, i)) == got->ids[i];
    if (!ok) complain(name, what, row, got, NULL);
}

static void same_text(const char *name, const char *what, const json_t *row, const json_t *want, const pt_str *got)
{
    if (got->len != json_string_length(want) || memcmp(got->text, json_string_value(want), got->len) != 0) complain(name, what, row, NULL, got);
}

/* Ends never decrease, lie in the text and reach its end; asking for them changes no id. */
static void check_ends(const char *name, const pt_tokenizer *t, const json_t *row, const char *s, size_t n, bool added, const pt_ids *ids)
{
    pt_ids again = {0};
    size_t *ends;
    OK(pt_tok_encode_at(t, s, n, added, PT_TOK_START, &again, &ends));
    bool same = again.n == ids->n && (again.n == 0 || memcmp(again.ids, ids->ids, again.n * sizeof *again.ids) == 0);
    if (!same) complain(name, "other ids where ends are asked for", row, &again, NULL);
    bool good = again.n == 0 || ends[again.n - 1] == n;
    for (size_t i = 1; i < again.n; i++) good = good && ends[i - 1] <= ends[i];
    if (!good) complain(name, "ends", row, &again, NULL);
    free(ends);
    free(again.ids);
}

static void check_decode(const char *name, const pt_tokenizer *t, const json_t *row, const pt_ids *ids)
{
    for (int skip = 0; skip < 2; skip++) {
        const json_t *want = json_object_get(row, skip ? "p" : "d");
        pt_str all = {0}, parts = {0};
        pt_tok_stream s = {0};
        if (!want) return;
        OK(pt_tok_decode(t, ids->ids, ids->n, skip, &all));
        same_text(name, skip ? "decoded without control tokens" : "decoded", row, want, &all);
        for (size_t i = 0; i < ids->n; i++) {
            size_t before = parts.len;
            OK(pt_tok_stream_next(t, &s, ids->ids[i], skip, &parts));
            assert_true(parts.len == before || ((unsigned char)parts.text[before] & 0xC0) != 0x80);
        }
        OK(pt_tok_stream_end(&s, &parts));
        if (parts.len != all.len || memcmp(parts.text, all.text, all.len) != 0) complain(name, "the stream", row, NULL, &parts);
        pt_str_free(&all);
        pt_str_free(&parts);
        pt_tok_stream_free(&s);
    }
}

static void check_row(const char *name, const pt_tokenizer *t, const json_t *row)
{
    const json_t *text = json_object_get(row, "t"), *only = json_object_get(row, "s"), *list = json_object_get(row, "i");
    const char *s = json_string_value(text);
    size_t n = json_string_length(text);
    pt_ids ids = {0};
    if (list) {
        for (size_t i = 0; i < json_array_size(list); i++) OK(pt_ids_add(&ids, (int32_t)json_integer_value(json_array_get(list, i))));
    } else {
        OK(pt_tok_encode(t, s, n, false, true, &ids));
        same_ids(name, "ids of text only", row, only ? only : json_object_get(row, "a"), &ids);
        check_ends(name, t, row, s, n, false, &ids);
        ids.n = 0;
        OK(pt_tok_encode(t, s, n, true, true, &ids));
        same_ids(name, "ids", row, json_object_get(row, "a"), &ids);
        check_ends(name, t, row, s, n, true, &ids);
    }
    check_decode(name, t, row, &ids);
    free(ids.ids);
}

static void test_components(void **state)
{
    json_t *g = golden(), *c, *row;
    size_t i, k;
    json_array_foreach(json_object_get(g, "cases"), i, c)
    {
        const char *name = json_string_value(json_object_get(c, "name"));
        json_t *root = patched(json_object_get(json_object_get(g, "bases"), json_string_value(json_object_get(c, "base"))), json_object_get(c, "patch"));
        pt_tokenizer *t;
        if (open_json(root, &t) != PT_OK) {
            fprintf(stderr, "%s: refused: %s\n", name, pt_err_msg());
            wrong++;
        } else {
            json_array_foreach(json_object_get(c, "rows"), k, row) check_row(name, t, row);
            pt_tok_free(t);
        }
        json_decref(root);
    }
    assert_true(i > 130);
    assert_int_equal(wrong, 0);
    json_decref(g);
}

/* The base "wp" with one key replaced. */
static json_t *wp_with(json_t *g, const char *key, const char *value)
{
    json_error_t e;
    json_t *patch = json_object(), *v = json_loads(value, JSON_DECODE_ANY, &e), *root;
    if (!v) fail_msg("%s: %s", value, e.text);
    json_object_set_new(patch, key, v);
    root = patched(json_object_get(json_object_get(g, "bases"), "wp"), patch);
    json_decref(patch);
    return root;
}

/* Where tokens end, in bytes of the text: what a normaliser takes away is the token's before it, what it puts in has no place of its own. */
static void test_places(void **state)
{
    static const struct {
        const char *key, *value, *text;
        size_t n, ends[8];
    } c[] = {
        {"normalizer", "{\"type\": \"NFKC\"}", "\xef\xac\x81x", 3, {0, 3, 4}},
        {"normalizer", "{\"type\": \"NFD\"}", "\xc3\xa9x", 3, {0, 2, 3}},
        {"normalizer", "{\"type\": \"NFC\"}", "xe\xcc\x81x", 3, {1, 4, 5}},
        {"normalizer", "{\"type\": \"Lowercase\"}", "\xc4\xb0X", 3, {0, 2, 3}},
        {"normalizer", "{\"type\": \"Strip\", \"strip_left\": true, \"strip_right\": true}", "  ab ", 2, {3, 5}},
        {"normalizer", "{\"type\": \"Prepend\", \"prepend\": \"l.\"}", "ab", 4, {0, 0, 1, 2}},
        {"normalizer", "{\"type\": \"Replace\", \"pattern\": {\"String\": \"ab\"}, \"content\": \"xyz\"}", "lab.", 5, {1, 1, 1, 3, 4}},
        {"normalizer", "{\"type\": \"BertNormalizer\", \"clean_text\": true, \"handle_chinese_chars\": true, \"strip_accents\": true, \"lowercase\": true}",
         "A\x01\x02\xc3\x89\xe4\xbd\xa0", 5, {3, 5, 5, 8, 8}},
        {"pre_tokenizer", "{\"type\": \"Metaspace\", \"replacement\": \"\xe2\x96\x81\", \"prepend_scheme\": \"always\"}", "a b", 4, {0, 1, 2, 3}},
        {"pre_tokenizer", "{\"type\": \"WhitespaceSplit\"}", " a  b ", 2, {4, 6}},
        {"pre_tokenizer", "{\"type\": \"UnicodeScripts\"}", "  a ", 2, {3, 4}},
        {"pre_tokenizer", "{\"type\": \"ByteLevel\", \"add_prefix_space\": true, \"trim_offsets\": true}", "\xc3\xa9 a", 5, {0, 1, 2, 3, 4}},
        {"normalizer", "{\"type\": \"ByteLevel\"}", "\xc3\xa9 a", 4, {1, 2, 3, 4}},
    };
    json_t *g = golden();
    for (size_t i = 0; i < sizeof c / sizeof *c; i++) {
        json_t *root = wp_with(g, c[i].key, c[i].value);
        pt_tokenizer *t;
        pt_ids ids = {0};
        size_t *ends;
        OK(open_json(root, &t));
        OK(pt_tok_encode_at(t, c[i].text, strlen(c[i].text), true, PT_TOK_START, &ids, &ends));
        if (ids.n != c[i].n) fail_msg("%s: %zu tokens, should be %zu", c[i].value, ids.n, c[i].n);
        for (size_t k = 0; k < ids.n; k++)
            if (ends[k] != c[i].ends[k]) fail_msg("%s of '%s': token %zu ends at %zu, should at %zu", c[i].value, c[i].text, k, ends[k], c[i].ends[k]);
        free(ends);
        free(ids.ids);
        pt_tok_free(t);
        json_decref(root);
    }
    json_decref(g);
}

/* A long text through a stream: the same, and no slower a token than a short one (a stream that decodes all of it each time takes minutes). */
static void test_long_stream(void **state)
{
    static const char fused[] = "{\"type\": \"Sequence\", \"decoders\": [{\"type\": \"ByteFallback\"}, {\"type\": \"Fuse\"}, {\"type\": \"Strip\", \"content\": \" \","
                                " \"start\": 1, \"stop\": 0}]}",
                      pieces[] = "{\"type\": \"WordPiece\", \"prefix\": \"##\", \"cleanup\": true}", *const decoder[] = {"null", pieces, fused};
    json_t *g = golden();
    for (int i = 0; i < 3; i++) {
        json_t *root = wp_with(g, "decoder", decoder[i]);
        pt_tokenizer *t;
        pt_ids ids = {0};
        pt_str whole = {0}, parts = {0};
        pt_tok_stream s = {0};
        OK(open_json(root, &t));
        for (int k = 0; k < 40000; k++) OK(pt_ids_add(&ids, 6 + (k * 7919 + k / 300) % (pt_tok_vocab_size(t) - 6)));
        OK(pt_tok_decode(t, ids.ids, ids.n, false, &whole));
        for (size_t k = 0; k < ids.n; k++) OK(pt_tok_stream_next(t, &s, ids.ids[k], false, &parts));
        OK(pt_tok_stream_end(&s, &parts));
        assert_int_equal(parts.len, whole.len);
        assert_memory_equal(parts.text, whole.text, whole.len);
        pt_tok_stream_free(&s);
        pt_str_free(&whole);
        pt_str_free(&parts);
        free(ids.ids);
        pt_tok_free(t);
        json_decref(root);
    }
    json_decref(g);
}

/* What is not known, or not as it should be, is named. */
static void test_refused(void **state)
{
    static const struct {
        const char *key, *value, *says;
    } c[] = {
        {"normalizer", "{\"type\": \"Odd\"}", "normalizer 'Odd'"},
        {"normalizer", "{\"type\": \"Replace\", \"pattern\": {\"String\": \"\"}, \"content\": \"\"}", "an empty pattern"},
        {"normalizer", "{\"type\": \"Replace\", \"pattern\": {\"Regex\": \"(?~ab)\"}, \"content\": \"\"}", "(?~ is not supported"},
        {"normalizer", "{\"type\": \"Sequence\"}", "without a list 'normalizers'"},
        {"pre_tokenizer", "{\"type\": \"Odd\"}", "pre-tokenizer 'Odd'"},
        {"pre_tokenizer", "{\"type\": \"FixedLength\", \"length\": 0}", "length 0"},
        {"pre_tokenizer", "{\"type\": \"CharDelimiterSplit\", \"delimiter\": \"ab\"}", "not one character"},
        {"pre_tokenizer", "{\"type\": \"Metaspace\", \"replacement\": \"_\", \"prepend_scheme\": \"often\"}", "prepend_scheme 'often'"},
        {"pre_tokenizer", "{\"type\": \"Split\", \"pattern\": {\"Regex\": \"[a\"}, \"behavior\": \"Isolated\", \"invert\": false}", "an unclosed class"},
        {"pre_tokenizer", "{\"type\": \"Split\", \"pattern\": {\"Regex\": \"a\\\\K\"}, \"behavior\": \"Isolated\", \"invert\": false}", "\\K is not supported"},
        {"pre_tokenizer", "{\"type\": \"Split\", \"pattern\": {\"Regex\": \"a\"}, \"behavior\": \"Odd\", \"invert\": false}", "behaviour 'Odd'"},
        {"decoder", "{\"type\": \"Odd\"}", "decoder 'Odd'"},
        {"decoder", "{\"type\": \"Strip\", \"content\": \"ab\", \"start\": 1, \"stop\": 0}", "not one character"},
        {"decoder", "{\"type\": \"BPEDecoder\", \"suffix\": \"\"}", "empty suffix"},
        {"post_processor", "{\"type\": \"Odd\"}", "post-processor 'Odd'"},
        {"post_processor", "{\"type\": \"BertProcessing\", \"sep\": [\"[SEP]\", 99999], \"cls\": [\"[CLS]\", 0]}", "which no token has"},
        {"post_processor", "{\"type\": \"TemplateProcessing\", \"single\": [], \"pair\": [], \"special_tokens\": {}}", "'single' holds A 0 times"},
        {"post_processor",
         "{\"type\": \"TemplateProcessing\", \"single\": [{\"SpecialToken\": {\"id\": \"[CLS]\", \"type_id\": 0}}, {\"Sequence\": {\"id\": \"A\", \"type_id\": 0}}],"
         " \"pair\": [], \"special_tokens\": {}}",
         "'[CLS]' is not among its special_tokens"},
        {"post_processor",
         "{\"type\": \"TemplateProcessing\", \"single\": [{\"Sequence\": {\"id\": \"A\", \"type_id\": 0}}], \"pair\": [{\"Sequence\": {\"id\": \"A\", \"type_id\": 0}}],"
         " \"special_tokens\": {}}",
         "'pair' holds A 1 times and B 0 times"},
        {"model", "{\"type\": \"Odd\"}", "model 'Odd'"},
        {"model", "{\"type\": \"BPE\", \"dropout\": 0.1}", "dropout"},
        {"model", "{\"type\": \"BPE\", \"byte_fallback\": true, \"continuing_subword_prefix\": \"#\"}", "byte_fallback together with"},
        {"model", "{\"unk_token\": null}", "unk_token is not a string"},
        {"version", "\"2.0\"", "version '2.0'"},
    };
    json_t *g = golden();
    for (size_t i = 0; i < sizeof c / sizeof *c; i++) {
        json_t *root = wp_with(g, c[i].key, c[i].value);
        pt_tokenizer *t;
        pt_status rc = open_json(root, &t);
        if (rc != PT_ENOSUP && rc != PT_EFORMAT) fail_msg("%s is not refused", c[i].value);
        assert_null(t);
        if (!strstr(pt_err_msg(), c[i].says)) fail_msg("%s: '%s' does not say '%s'", c[i].value, pt_err_msg(), c[i].says);
        json_decref(root);
    }
    json_decref(g);
}

/* What the post-processor writes before a text stands before a document, all of it, once; what it writes behind it does not. */
static void test_around(void **state)
{
    static const char *const post[] = {
        "{\"type\": \"BertProcessing\", \"sep\": [\"[SEP]\", 5], \"cls\": [\"[CLS]\", 3]}",
        "{\"type\": \"RobertaProcessing\", \"sep\": [\"[SEP]\", 5], \"cls\": [\"[CLS]\", 3], \"trim_offsets\": true, \"add_prefix_space\": false}",
        "{\"type\": \"Sequence\", \"processors\": [{\"type\": \"ByteLevel\", \"add_prefix_space\": false, \"trim_offsets\": true}, {\"type\": \"TemplateProcessing\","
        " \"single\": [{\"SpecialToken\": {\"id\": \"x\", \"type_id\": 0}}, {\"Sequence\": {\"id\": \"A\", \"type_id\": 0}}],"
        " \"pair\": [{\"SpecialToken\": {\"id\": \"x\", \"type_id\": 0}}, {\"Sequence\": {\"id\": \"A\", \"type_id\": 0}}, {\"Sequence\": {\"id\": \"B\", \"type_id\": 1}}],"
        " \"special_tokens\": {\"x\": {\"id\": \"x\", \"ids\": [3, 4], \"tokens\": [\"[CLS]\", \"z\"]}}}]}"};
    json_t *g = golden();
    for (int i = 0; i < 3; i++) {
        json_t *root = wp_with(g, "post_processor", post[i]);
        pt_tokenizer *t;
        pt_ids ids = {0};
        OK(open_json(root, &t));
        assert_int_equal(pt_tok_template_bos(t), 3);
        assert_int_equal(pt_tok_spec(t)->kind, PT_VOCAB_OTHER);
        assert_true(pt_tok_add_bos(t));
        OK(pt_tok_encode_document(t, "a", 1, false, &ids, NULL));
        assert_int_equal(ids.n, i == 2 ? 3 : 2);
        assert_int_equal(ids.ids[0], 3);
        if (i == 2) assert_int_equal(ids.ids[1], 4);
        free(ids.ids);
        pt_tok_free(t);
        json_decref(root);
    }
    json_decref(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_components), cmocka_unit_test(test_places), cmocka_unit_test(test_refused), cmocka_unit_test(test_around), cmocka_unit_test(test_long_stream)};
    return cmocka_run_group_tests_name("data_tokenizer_components", tests, NULL, NULL);
}

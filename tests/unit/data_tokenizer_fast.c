/* What makes tokenizers fast changes no id: words kept from call to call, words cut where no merge reaches across, the two long lists read without JSON
 * values. Each is compared with the same tokenizer where a small change to its file keeps the fast way from being taken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "data/text/tok_priv.h"

static char *read_text(const char *name)
{
    char path[128];
    size_t n;
    char *text;
    snprintf(path, sizeof path, "tests/golden/data/%s/tokenizer.json", name);
    assert_int_equal(pt_file_read(&text, &n, path, 1 << 24), PT_OK);
    return text;
}

static pt_tokenizer *open_text(const char *text)
{
    char path[] = "/tmp/ptrain_fast_XXXXXX";
    pt_tokenizer *t;
    int fd = mkstemp(path);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    pt_status rc = pt_tok_open(&t, path);
    remove(path);
    if (rc != PT_OK) fail_msg("%s", pt_err_msg());
    return t;
}

/* Owned: text with the first `from` replaced. */
static char *swap(const char *text, const char *from, const char *to)
{
    const char *at = strstr(text, from);
    pt_str out = {0};
    assert_non_null(at);
    assert_int_equal(pt_str_add(&out, text, (size_t)(at - text)), PT_OK);
    assert_int_equal(pt_str_puts(&out, to), PT_OK);
    assert_int_equal(pt_str_puts(&out, at + strlen(from)), PT_OK);
    return out.text;
}

/* A text of pieces, characters without a piece, blanks and line ends, of this number. */
static void make_text(const pt_tokenizer *t, uint32_t number, pt_str *out)
{
    static const char *const odd[] = {" ", "\n", "  ", "\t", "\xE2\x96\x81", "\xC3\xA9", "\xE4\xB8\xAD", "\xF0\x9F\x98\x80", "\x01", "a", "e", "."};
    uint32_t x = number * 2654435761u + 1;
    out->len = 0;
    for (int i = 0; i < 40; i++) {
        x = x * 1664525u + 1013904223u;
        int32_t id = (int32_t)(x >> 8) % t->n;
        if (x >> 28 < 5 || !(t->flags[id] & PT_TOK_MODEL) || t->byte_level)
            assert_int_equal(pt_str_puts(out, odd[(x >> 9) % 12]), PT_OK);
        else
            assert_int_equal(pt_str_add(out, pt_tok_text(t, t->raw[id]), t->raw[id].len), PT_OK);
        if (t->byte_level && x >> 28 > 4) assert_int_equal(pt_str_printf(out, "%c%c", 'a' + (int)(x >> 10) % 26, 'a' + (int)(x >> 20) % 26), PT_OK);
    }
}

static void encode(const pt_tokenizer *t, const pt_str *s, pt_ids *ids, size_t **ends)
{
    ids->n = 0;
    assert_int_equal(pt_tok_encode_at(t, s->text, s->len, true, PT_TOK_START, ids, ends), PT_OK);
}

static void compare(const pt_tokenizer *a, const pt_tokenizer *b, const pt_str *s)
{
    pt_ids x = {0}, y = {0};
    size_t *p, *q;
    encode(a, s, &x, &p);
    encode(b, s, &y, &q);
    if (x.n != y.n || memcmp(x.ids, y.ids, x.n * sizeof *x.ids) || memcmp(p, q, x.n * sizeof *p)) fail_msg("other ids: %s", s->text);
    free(x.ids);
    free(y.ids);
    free(p);
    free(q);
}

static void test_cuts(void **state)
{
    /* a merge of two bytes: no word may be cut then */
    char *text = read_text("tok_spm"), *whole;
    pt_str s = {0};
    json_error_t e;
    json_t *root = json_loads(text, 0, &e), *model = json_object_get(root, "model");
    json_object_set_new(json_object_get(model, "vocab"), "<0x01><0x02>", json_integer((json_int_t)json_object_size(json_object_get(model, "vocab"))));
    json_array_append_new(json_object_get(model, "merges"), json_pack("[s,s]", "<0x01>", "<0x02>"));
    whole = json_dumps(root, 0);
    pt_tokenizer *cut = open_text(text), *uncut = open_text(whole);
    assert_non_null(cut->joint);
    assert_null(uncut->joint);
    int places = 0;
    for (uint32_t i = 0; i < 3000; i++) {
        make_text(cut, i, &s);
        compare(cut, uncut, &s);
        places += pt_tok_cut(cut, s.text, s.len) < s.len;
    }
    assert_true(places > 1000);
    json_decref(root);
    pt_tok_free(cut);
    pt_tok_free(uncut);
    pt_str_free(&s);
    free(text);
    free(whole);
}

/* Words found again, by one call after another and by several threads at once. */
static void test_reuse(void **state)
{
    static const char *const names[] = {"tok_bpe", "tok_spm"};
    for (int k = 0; k < 2; k++) {
        char *text = read_text(names[k]);
        pt_tokenizer *used = open_text(text);
        pt_str s = {0};
        for (uint32_t i = 0; i < 60; i++) {
            pt_tokenizer *fresh = open_text(text);
            make_text(used, i % 30, &s);
            compare(used, fresh, &s);
            pt_tok_free(fresh);
        }
        pt_str_free(&s);
        int wrong = 0;
#pragma omp parallel for num_threads(4) reduction(+ : wrong) schedule(dynamic)
        for (uint32_t i = 0; i < 400; i++) {
            pt_str mine = {0};
            pt_ids a = {0}, b = {0};
            size_t *ends;
            make_text(used, i % 30, &mine);
            encode(used, &mine, &a, &ends);
            for (size_t j = 1; j < a.n; j++) wrong += ends[j] < ends[j - 1];
            free(ends);
            encode(used, &mine, &b, &ends);
            free(ends);
            wrong += a.n != b.n || memcmp(a.ids, b.ids, a.n * sizeof *a.ids);
            free(a.ids);
            free(b.ids);
            pt_str_free(&mine);
        }
        assert_int_equal(wrong, 0);
        pt_tok_free(used);
        free(text);
    }
}

/* Keys with escapes keep the lists from being read by themselves. */
static void test_lists(void **state)
{
    static const char *const names[] = {"tok_bpe", "tok_spm"};
    for (int k = 0; k < 2; k++) {
        char *text = read_text(names[k]), *slow = swap(text, "\"model\":", "\"mo\\u0064el\":");
        pt_tokenizer *a = open_text(text), *b = open_text(slow);
        assert_int_equal(pt_tok_fingerprint(a), pt_tok_fingerprint(b));
        assert_int_equal(a->n_merges, b->n_merges);
        pt_tok_free(a);
        pt_tok_free(b);
        free(text);
        free(slow);
    }
}

static const char small[] = "{\"version\": \"1.0\", \"added_tokens\": [], \"normalizer\": null, \"pre_tokenizer\": null, \"decoder\": null, \"model\": {\"type\": \"BPE\", \"unk_token\": null, "
                            "\"vocab\": {\"a\": 0, \"b\": 1, \"ab\": 2, \"\\u00e9\\\"\": 3, \"\\ud83d\\ude00\": 4, \"x\": 5}, \"merges\": [\"a b\"]}}";

static void refused(const char *from, const char *to, const char *why)
{
    char *text = swap(small, from, to), path[] = "/tmp/ptrain_fast_XXXXXX";
    pt_tokenizer *t;
    int fd = mkstemp(path);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    assert_int_not_equal(pt_tok_open(&t, path), PT_OK);
    assert_null(t);
    if (!strstr(pt_err_msg(), why)) fail_msg("'%s' does not say '%s'", pt_err_msg(), why);
    remove(path);
    free(text);
}

static void test_odd_lists(void **state)
{
    pt_tokenizer *t = open_text(small);
    assert_int_equal(pt_tok_find(t, "\xC3\xA9\""), 3);
    assert_int_equal(pt_tok_find(t, "\xF0\x9F\x98\x80"), 4);
    pt_tok_free(t);
    char *text = swap(small, "\"x\": 5", "\"x\": 4, \"\\ud83d\\ude00\": 6"); /* a key twice: the last counts, as in JSON */
    t = open_text(text);
    assert_int_equal(pt_tok_find(t, "\xF0\x9F\x98\x80"), 6);
    assert_int_equal(pt_tok_find(t, "x"), 4);
    pt_tok_free(t);
    free(text);
    refused("\"x\": 5", "\"x\": 4", "token id 4 stands twice");
    refused("\"x\": 5", "\"x\": -5", "token id -5 is out of range");
    refused("\"x\": 5", "\"x\": 05", ":1:218: broken JSON: a number does not begin with 0");
    refused("\"x\": 5", "\"x\": 5.5", "the id of 'x' is not an integer");
    refused("\"a b\"", "\"a  b\"", "merge 0 'a  b' is not two pieces");
    refused("\"a b\"", "\"a c\"", "merge 0: 'c' is not in the vocabulary");
    refused("\"a b\"", "[\"a\"]", "merge 0 is not two pieces");
    refused("[\"a b\"]", "[\"a b\",]", "broken JSON: a ',' before ']'");
    refused("\"merges\": [\"a b\"]}}", "\"merges\": [\"a b\"", "broken JSON");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cuts), cmocka_unit_test(test_reuse), cmocka_unit_test(test_lists), cmocka_unit_test(test_odd_lists)};
    return cmocka_run_group_tests_name("data_tokenizer_fast", tests, NULL, NULL);
}

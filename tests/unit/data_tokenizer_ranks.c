/* tekken.json and tiktoken's files beside mistral-common and tiktoken (tests/golden/tok_ranks.py): ids, decoded texts, special tokens, merges for
 * exports, refusals. PTRAIN_TOK_RANKS=FILE: further rows, of folders with real vocabularies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "data/text/tok_priv.h"

static json_t *golden(const char *path)
{
    json_error_t e;
    json_t *v = json_load_file(path, JSON_ALLOW_NUL, &e);
    if (!v) fail_msg("%s:%d: %s", path, e.line, e.text);
    return v;
}

static char folder[] = "/tmp/ptrain_ranks_XXXXXX";

static int make_folder(void **state)
{
    return mkdtemp(folder) ? 0 : -1;
}

static int drop_folder(void **state)
{
    return pt_dir_remove(folder) == PT_OK ? 0 : -1;
}

static void put(const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_int_equal(pt_file_write_whole(path, text, strlen(text)), PT_OK);
}

static void empty(void)
{
    assert_int_equal(pt_dir_remove(folder), PT_OK);
    assert_int_equal(pt_dir_make(folder), PT_OK);
}

static void put_json(const char *name, json_t *j)
{
    char *text = json_dumps(j, JSON_COMPACT);
    put(name, text);
    free(text);
    json_decref(j);
}

static json_t *tekken(const json_t *all, const json_t *one)
{
    const json_t *ranks = json_object_get(all, "ranks"), *listed = json_object_get(one, "listed");
    json_t *vocab = json_array(), *r;
    size_t k;
    json_array_foreach((json_t *)ranks, k, r) json_array_append_new(vocab, json_pack("{s:i, s:O, s:n}", "rank", (int)k, "token_bytes", r, "token_str"));
    json_t *d = json_pack("{s:{s:O, s:i, s:I, s:O, s:O}, s:o}", "config", "pattern", json_object_get(all, "pattern"), "num_vocab_tokens", (int)json_array_size(ranks), "default_vocab_size",
                          json_integer_value(json_object_get(one, "used")) + json_integer_value(json_object_get(one, "special")), "default_num_special_tokens",
                          json_object_get(one, "special"), "version", json_object_get(one, "version"), "vocab", vocab);
    if (json_is_array(listed)) {
        json_t *list = json_array();
        json_array_foreach((json_t *)listed, k, r) json_array_append_new(list, json_pack("{s:i, s:O, s:b}", "rank", (int)k, "token_str", r, "is_control", 1));
        json_object_set_new(d, "special_tokens", list);
    }
    return d;
}

/* Lines of ranks, the last `less` left out. */
static char *lines(const json_t *all, size_t less)
{
    const json_t *ranks = json_object_get(all, "ranks");
    pt_str s = {0};
    for (size_t k = 0; k + less < json_array_size(ranks); k++)
        assert_int_equal(pt_str_printf(&s, "%s %zu\n", json_string_value(json_array_get(ranks, k)), k), PT_OK);
    return s.text;
}

static void decoded(const pt_tokenizer *t, const json_t *ids, const json_t *want)
{
    int32_t list[4096];
    size_t n = json_array_size(ids);
    pt_str s = {0};
    assert_true(n <= 4096);
    for (size_t i = 0; i < n; i++) list[i] = (int32_t)json_integer_value(json_array_get(ids, i));
    assert_int_equal(pt_tok_decode(t, list, n, true, &s), PT_OK);
    if (s.len != json_string_length(want) || memcmp(s.text, json_string_value(want), s.len)) fail_msg("'%s' instead of '%s'", s.text, json_string_value(want));
    pt_str_free(&s);
}

static void rows(const pt_tokenizer *t, const json_t *list)
{
    size_t k;
    json_t *row;
    json_array_foreach((json_t *)list, k, row)
    {
        const json_t *text = json_object_get(row, "text"), *want = json_object_get(row, "ids");
        pt_ids ids = {0};
        if (pt_tok_encode(t, json_string_value(text), json_string_length(text), false, true, &ids) != PT_OK) fail_msg("%s", pt_err_msg());
        bool same = ids.n == json_array_size(want);
        for (size_t i = 0; same && i < ids.n; i++) same = ids.ids[i] == json_integer_value(json_array_get(want, i));
        if (!same) fail_msg("row %zu: other ids: %s", k, json_string_value(text));
        decoded(t, want, json_object_get(row, "decoded"));
        if (json_object_get(row, "odd")) decoded(t, json_object_get(row, "odd"), json_object_get(row, "odd_decoded"));
        free(ids.ids);
    }
}

static void check_known(const pt_tokenizer *t, const json_t *known, size_t ranks)
{
    const char *name;
    json_t *at;
    json_object_foreach((json_t *)known, name, at)
    {
        int32_t id = pt_tok_find(t, name);
        assert_int_equal(id, (int32_t)ranks + json_integer_value(at));
        assert_true(pt_tok_is_control(t, id));
    }
}

static void test_rows(void **state)
{
    json_t *all = golden("tests/golden/data/tok_ranks.json"), *one;
    size_t k, n = json_array_size(json_object_get(all, "ranks"));
    char *text = lines(all, 0);
    json_array_foreach(json_object_get(all, "cases"), k, one)
    {
        const char *file = json_string_value(json_object_get(one, "file"));
        const json_t *type = json_object_get(one, "model_type");
        pt_tokenizer *t;
        empty();
        if (!strcmp(file, "tekken.json")) put_json(file, tekken(all, one));
        else put(file, text);
        if (json_is_string(type)) put_json("config.json", json_pack("{s:s}", "model_type", json_string_value(type)));
        if (pt_tok_open(&t, folder) != PT_OK) fail_msg("%s: %s", file, pt_err_msg());
        rows(t, json_object_get(one, "rows"));
        check_known(t, json_object_get(one, "known"), n);
        if (!strcmp(file, "tekken.json")) {
            assert_int_equal(pt_tok_bos(t), 1);
            assert_int_equal(pt_tok_eos(t), 2);
            assert_int_equal(pt_tok_vocab_size(t), json_integer_value(json_object_get(one, "used")) + json_integer_value(json_object_get(one, "special")));
            assert_true(pt_tok_add_bos(t));
            assert_string_equal(pt_tok_spec(t)->pre, "tekken");
        }
        pt_tok_free(t);
    }
    assert_int_equal(k, 7);
    free(text);
    json_decref(all);
}

/* What a GGUF file gets of it reads as the same ids, where its pre-tokenizer's name says the same. */
static void test_spec(void **state)
{
    json_t *all = golden("tests/golden/data/tok_ranks.json"), *one;
    size_t k;
    char *text = lines(all, 0);
    json_array_foreach(json_object_get(all, "cases"), k, one)
    {
        const char *file = json_string_value(json_object_get(one, "file"));
        pt_tokenizer *t, *again;
        empty();
        if (strcmp(file, "tekken.json") && json_object_get(one, "model_type") && json_is_string(json_object_get(one, "model_type"))) continue;
        if (!strcmp(file, "tekken.json")) put_json(file, tekken(all, one));
        else put(file, text);
        assert_int_equal(pt_tok_open(&t, folder), PT_OK);
        const pt_vocab_spec *s = pt_tok_spec(t);
        assert_int_equal(s->kind, PT_VOCAB_BPE);
        assert_true(s->n_merges >= 300);
        if (pt_tok_from_spec(&again, s) != PT_OK) fail_msg("%s", pt_err_msg());
        rows(again, json_object_get(one, "rows"));
        pt_tok_free(t);
        pt_tok_free(again);
    }
    free(text);
    json_decref(all);
}

/* All ways to make a token, by its rank, then by the ranks of the two. */
static void test_merges(void **state)
{
    static const char small[] = "YQ== 0\nYg== 1\nYWI= 256\nYmE= 257\nYWJh 258\n"; /* a b ab ba aba */
    pt_str text = {0};
    char path[256];
    pt_tokenizer *t;
    static const char sixty[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    assert_int_equal(pt_str_puts(&text, small), PT_OK);
    for (int b = 0, rank = 2; b < 256; b++)
        if (b != 'a' && b != 'b') assert_int_equal(pt_str_printf(&text, "%c%c== %d\n", sixty[b >> 2], sixty[(b & 3) << 4], rank++), PT_OK);
    empty();
    put("qwen.tiktoken", text.text);
    snprintf(path, sizeof path, "%s/qwen.tiktoken", folder);
    assert_int_equal(pt_tok_open(&t, path), PT_OK);
    const pt_vocab_spec *s = pt_tok_spec(t);
    assert_int_equal(s->n_merges, 4);
    static const char *const want[] = {"a b", "b a", "a ba", "ab a"};
    for (int i = 0; i < 4; i++) assert_string_equal(s->merges[i], want[i]);
    pt_ids ids = {0};
    assert_int_equal(pt_tok_encode(t, "abab", 4, false, true, &ids), PT_OK); /* ab ab, not aba b: the lowest rank first */
    assert_int_equal(ids.n, 2);
    assert_int_equal(ids.ids[0], 256);
    assert_int_equal(ids.ids[1], 256);
    free(ids.ids);
    pt_tok_free(t);
    pt_str_free(&text);
}

static void refused(pt_status want, const char *why)
{
    pt_tokenizer *t;
    pt_status rc = pt_tok_open(&t, folder);
    assert_null(t);
    if (rc != want || !strstr(pt_err_msg(), why)) fail_msg("status %d, '%s' does not say '%s'", (int)rc, pt_err_msg(), why);
}

static void bad_tekken(json_t *good, const char *path, json_t *value, const char *why)
{
    char *copy = strdup(path), *save = NULL, *part = strtok_r(copy, ".", &save), *next;
    json_t *root = json_deep_copy(good), *o = root;
    for (; (next = strtok_r(NULL, ".", &save)) != NULL; part = next) o = json_is_array(o) ? json_array_get(o, (size_t)atoi(part)) : json_object_get(o, part);
    if (json_is_array(o)) json_array_set_new(o, (size_t)atoi(part), value);
    else if (value) json_object_set_new(o, part, value);
    else json_object_del(o, part);
    put_json("tekken.json", root);
    refused(PT_EFORMAT, why);
    free(copy);
}

static void test_refusals(void **state)
{
    json_t *all = golden("tests/golden/data/tok_ranks.json"), *good = tekken(all, json_array_get(json_object_get(all, "cases"), 1));
    empty();
    bad_tekken(good, "config.pattern", NULL, "'pattern' is missing");
    bad_tekken(good, "config.default_vocab_size", json_integer(999999), "vocab lists 556 tokens; config wants 999983");
    bad_tekken(good, "config.default_vocab_size", json_integer(1LL << 40), "config.default_vocab_size is out of range");
    bad_tekken(good, "config.default_num_special_tokens", json_integer(3), "7 special tokens, default_num_special_tokens is 3");
    bad_tekken(good, "config.default_num_special_tokens", json_integer(65537), "config.default_num_special_tokens is 65537 (at most 65536)");
    bad_tekken(good, "special_tokens", json_null(), "there is no special_tokens");
    bad_tekken(good, "special_tokens.3.rank", json_integer(4), "special_tokens[3] is not");
    bad_tekken(good, "special_tokens.3.token_str", json_string("<s>"), "token '<s>' has two ids");
    bad_tekken(good, "vocab.300.rank", json_integer(299), "vocab[300] has another rank than its place");
    bad_tekken(good, "vocab.300.token_bytes", json_string("QQ="), "vocab[300].token_bytes is not base64");
    bad_tekken(good, "vocab.300.token_bytes", json_string("Q===" ), "vocab[300].token_bytes is not base64");
    bad_tekken(good, "vocab.65.token_bytes", json_string("QUE="), "vocab[65] is not the byte 65");
    bad_tekken(good, "vocab.300.token_bytes", json_string("QQ=="), "has two ids");
    static const char *const versions[] = {"v11", "v99999999999999999999", "vx", "v", "3", "v0"}; /* of files without the list */
    json_object_del(good, "special_tokens");
    for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) bad_tekken(good, "config.version", json_string(versions[i]), "v7 and older alone");
    json_decref(good);
    char *text = lines(all, 0);
    empty();
    put("tokenizer.model", text);
    refused(PT_ENOSUP, "ranks alone do not say how text is split (no config.json beside it, and no known name): name the file");
    put("config.json", "{\"model_type\": \"gpt_bigcode\"}");
    refused(PT_ENOSUP, "nothing is known of model_type gpt_bigcode");
    put("config.json", "{\"model_type\": \"llama\"}");
    memcpy(strstr(text, " 77\n"), " 7x\n", 4);
    put("tokenizer.model", text);
    refused(PT_EFORMAT, "line 78 is not base64");
    put("tokenizer.model", "AA== 0\nAQ== 1\nQUI= 2\n");
    refused(PT_EFORMAT, "there is no token of the byte 0x02 alone");
    put("tokenizer.model", "AA== 0\nAQ== 2\n");
    refused(PT_EFORMAT, "no token has rank 1");
    put("tokenizer.model", "AA== 0\nAA== 1\n");
    refused(PT_EFORMAT, "line 2: token");
    put("tokenizer.model", "AA== 0\nAQ== 4194303\n");
    refused(PT_EFORMAT, "line 2: rank 4194303 in a list of 3");
    put("tokenizer.model", "AA== 0\nAQ== 99999999999999999999\n");
    refused(PT_EFORMAT, "line 2 is not base64");
    free(text);
    json_decref(all);
}

static void test_real(void **state)
{
    const char *path = getenv("PTRAIN_TOK_RANKS");
    if (!path) skip();
    json_t *all = golden(path), *one;
    size_t k;
    json_array_foreach(json_object_get(all, "cases"), k, one)
    {
        pt_tokenizer *t, *again;
        if (pt_tok_open(&t, json_string_value(json_object_get(one, "folder"))) != PT_OK) fail_msg("%s", pt_err_msg());
        rows(t, json_object_get(one, "rows"));
        if (pt_tok_from_spec(&again, pt_tok_spec(t)) != PT_OK) fail_msg("%s", pt_err_msg());
        rows(again, json_object_get(one, "rows"));
        printf("# figure %s: %zu texts equal, of GGUF's terms too (%zu merges)\n", json_string_value(json_object_get(one, "folder")), json_array_size(json_object_get(one, "rows")), pt_tok_spec(t)->n_merges);
        pt_tok_free(t);
        pt_tok_free(again);
    }
    json_decref(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows), cmocka_unit_test(test_spec), cmocka_unit_test(test_merges), cmocka_unit_test(test_refusals), cmocka_unit_test(test_real)};
    return cmocka_run_group_tests_name("data_tokenizer_ranks", tests, make_folder, drop_folder);
}

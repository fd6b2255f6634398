/* Tokenizers against the tokenizers library on two committed vocabularies (tests/golden/tok_tiny.py): ids, text, streaming,
 * GGUF terms. */
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
static const char *const vocabs[] = {"tok_bpe", "tok_spm"};

static pt_tokenizer *open_vocab(const char *name)
{
    char path[128];
    pt_tokenizer *t;
    snprintf(path, sizeof path, "%s%s", DATA, name);
    if (pt_tok_open(&t, path) != PT_OK) fail_msg("%s", pt_err_msg());
    return t;
}

static json_t *golden(void)
{
    json_error_t e;
    json_t *g = json_load_file(DATA "tok_golden.json", JSON_ALLOW_NUL, &e);
    if (!g) fail_msg("%s", e.text);
    return g;
}

static void encode(const pt_tokenizer *t, const json_t *text, bool added, pt_ids *out)
{
    out->n = 0;
    if (pt_tok_encode(t, json_string_value(text), json_string_length(text), added, true, out) != PT_OK)
        fail_msg("%s", pt_err_msg());
}

static void same(const char *what, const json_t *text, const json_t *want, const pt_ids *got)
{
    bool ok = json_array_size(want) == got->n;
    for (size_t i = 0; ok && i < got->n; i++) ok = json_integer_value(json_array_get(want, i)) == got->ids[i];
    if (!ok)
        fail_msg("%s: '%s' gives other ids (%zu, should be %zu)", what, json_string_value(text), got->n, json_array_size(want));
}

/* Calls f for every golden row of both vocabularies. */
static void for_rows(void (*f)(const pt_tokenizer *, const json_t *, void *), void *arg)
{
    json_t *g = golden(), *row;
    size_t k, rows = 0;
    for (int v = 0; v < 2; v++) {
        pt_tokenizer *t = open_vocab(vocabs[v]);
        json_array_foreach(json_object_get(g, vocabs[v]), k, row)
        {
            f(t, row, arg);
            rows++;
        }
        pt_tok_free(t);
    }
    assert_true(rows > 100);
    json_decref(g);
}

static void check_ids(const pt_tokenizer *t, const json_t *row, void *arg)
{
    const json_t *text = json_object_get(row, "text");
    pt_ids ids = {0};
    encode(t, text, true, &ids);
    same("with added tokens", text, json_object_get(row, "added"), &ids);
    encode(t, text, false, &ids);
    same("as text only", text, json_object_get(row, "text_only"), &ids);
    for (size_t i = 0; i < ids.n; i++) assert_false(pt_tok_is_control(t, ids.ids[i]));
    free(ids.ids);
}

static void test_ids(void **state)
{
    for_rows(check_ids, NULL);
}

/* Decoding, all at once and token by token: the stream never shows half a character. */
static void check_text(const pt_tokenizer *t, const json_t *row, void *arg)
{
    const json_t *text = json_object_get(row, "text");
    pt_ids ids = {0};
    encode(t, text, true, &ids);
    for (int skip = 0; skip < 2; skip++) {
        const json_t *want = json_object_get(row, skip ? "plain" : "decoded");
        pt_str all = {0}, parts = {0};
        pt_tok_stream s = {0};
        assert_int_equal(pt_tok_decode(t, ids.ids, ids.n, skip, &all), PT_OK);
        assert_int_equal(all.len, json_string_length(want));
        assert_memory_equal(all.text, json_string_value(want), all.len);
        for (size_t i = 0; i < ids.n; i++) {
            size_t before = parts.len;
            assert_int_equal(pt_tok_stream_next(t, &s, ids.ids[i], skip, &parts), PT_OK);
            assert_true(parts.len == before || ((unsigned char)parts.text[before] & 0xC0) != 0x80);
        }
        assert_int_equal(pt_tok_stream_end(&s, &parts), PT_OK);
        assert_int_equal(parts.len, all.len);
        assert_memory_equal(parts.text, all.text, all.len);
        pt_str_free(&all);
        pt_str_free(&parts);
        pt_tok_stream_free(&s);
    }
    free(ids.ids);
}

static void test_text(void **state)
{
    for_rows(check_text, NULL);
}

/* The same vocabulary in GGUF's terms gives the same ids: merges by rank, and SentencePiece's scores invented from the ranks.
 */
static void check_respec(const pt_tokenizer *t, const json_t *row, void *arg)
{
    pt_tokenizer **again = arg;
    const json_t *text = json_object_get(row, "text");
    pt_ids a = {0}, b = {0};
    if (!*again || pt_tok_vocab_size(*again) != pt_tok_vocab_size(t)) {
        pt_tok_free(*again);
        if (pt_tok_from_spec(again, pt_tok_spec(t)) != PT_OK) fail_msg("%s", pt_err_msg());
        assert_int_equal(pt_tok_eos(*again), pt_tok_eos(t));
        assert_int_equal(pt_tok_add_bos(*again), pt_tok_add_bos(t));
    }
    for (int added = 0; added < 2; added++) {
        encode(t, text, added, &a);
        encode(*again, text, added, &b);
        if (a.n != b.n || (a.n && memcmp(a.ids, b.ids, a.n * sizeof *a.ids) != 0))
            fail_msg("'%s' differs", json_string_value(text));
    }
    free(a.ids);
    free(b.ids);
}

static void test_gguf_terms(void **state)
{
    pt_tokenizer *again = NULL;
    for_rows(check_respec, &again);
    pt_tok_free(again);
    pt_tokenizer *t = open_vocab("tok_bpe");
    assert_string_equal(pt_tok_spec(t)->pre, "qwen2");
    assert_int_equal(pt_tok_spec(t)->types[pt_tok_find(t, "<|im_end|>")], PT_TOKEN_CONTROL);
    assert_int_equal(pt_tok_spec(t)->types[pt_tok_find(t, "<think>")], PT_TOKEN_USER_DEFINED);
    pt_tok_free(t);
    t = open_vocab("tok_spm");
    assert_int_equal(pt_tok_spec(t)->types[pt_tok_find(t, "<0x0A>")], PT_TOKEN_BYTE);
    assert_int_equal(pt_tok_spec(t)->types[0], PT_TOKEN_UNKNOWN);
    assert_int_equal(pt_tok_spec(t)->add_space_prefix, 1);
    pt_tok_free(t);
}

/* Where each token ends, in bytes of the text. */
static void check_ends(const pt_tokenizer *t, const json_t *row, void *arg)
{
    const json_t *text = json_object_get(row, "text");
    const char *s = json_string_value(text);
    size_t n = json_string_length(text), *ends;
    pt_ids ids = {0}, without = {0};
    assert_int_equal(pt_tok_encode_at(t, s, n, true, PT_TOK_START, &ids, &ends), PT_OK);
    encode(t, text, true, &without);
    assert_int_equal(ids.n, without.n);
    assert_true(ids.n == 0 || memcmp(ids.ids, without.ids, ids.n * sizeof *ids.ids) == 0);
    for (size_t i = 1; i < ids.n; i++) assert_true(ends[i] >= ends[i - 1]);
    assert_int_equal(ids.n ? ends[ids.n - 1] : 0, n);
    free(ends);
    free(ids.ids);
    free(without.ids);
}

static void test_ends(void **state)
{
    for_rows(check_ends, NULL);
}

/* Every GGUF name of a pre-tokenizer: its steps are found again by a tokenizer that has them, under a name that stands for the same. */
static void test_pre_names(void **state)
{
    static const char *const names[] = {"smollm", "starcoder", "exaone", "gpt-2", "mpt", "olmo", "llama-bpe", "llama3", "lfm2", "qwen2", "megrez", "qwen35", "stablelm2", "tekken",
                                        "dbrx", "chatglm-bpe", "glm4", "gpt-4o", "deepseek-v3", "falcon", "deepseek-coder", "deepseek-llm", "seed-coder", "bloom", "viking", "default"};
    pt_tokenizer *bpe = open_vocab("tok_bpe"), *t;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        pt_vocab_spec spec = *pt_tok_spec(bpe);
        pt_tok_pre want, have;
        pt_ids ids = {0};
        assert_true(pt_tok_pre_of(names[i], &want));
        spec.pre = names[i];
        if (pt_tok_from_spec(&t, &spec) != PT_OK) fail_msg("%s: %s", names[i], pt_err_msg());
        assert_string_equal(pt_tok_spec(t)->pre, names[i]);
        assert_true(pt_tok_pre_of(pt_tok_spec(t)->pre, &have) && have.n == want.n && have.ignore_merges == want.ignore_merges && have.nfc == want.nfc);
        for (size_t k = 0; k < want.n; k++) assert_string_equal(have.steps[k], want.steps[k]);
        assert_int_equal(pt_tok_encode(t, "It's 12,345 e\xCC\x81 \xE4\xBD\xA0 \n x", 21, true, true, &ids), PT_OK);
        assert_true(ids.n > 8);
        free(ids.ids);
        pt_tok_free(t);
    }
    pt_vocab_spec odd = *pt_tok_spec(bpe);
    odd.pre = "no-such";
    assert_int_equal(pt_tok_from_spec(&t, &odd), PT_ENOSUP);
    assert_non_null(strstr(pt_err_msg(), "'no-such'"));
    pt_tok_free(bpe);
}

static void test_where(void **state)
{
    pt_tokenizer *t = open_vocab("tok_spm");
    pt_ids a = {0}, b = {0};
    assert_int_equal(pt_tok_encode(t, "Hello", 5, true, true, &a), PT_OK);
    assert_int_equal(pt_tok_encode(t, "Hello", 5, true, false, &b), PT_OK);
    assert_memory_equal(pt_tok_piece(t, a.ids[0]), "\xE2\x96\x81", 3);
    assert_int_not_equal(memcmp(pt_tok_piece(t, b.ids[0]), "\xE2\x96\x81", 3), 0);
    a.n = 0;
    assert_int_equal(pt_tok_encode_at(t, "Hello", 5, true, PT_TOK_AFTER_CONTROL, &a, NULL), PT_OK);
    assert_memory_equal(pt_tok_piece(t, a.ids[0]), "\xE2\x96\x81", 3); /* legacy: after every control token */
    a.n = 0;
    assert_int_equal(pt_tok_encode_at(t, "Hello</s>Hello", 14, true, PT_TOK_CONTINUE, &a, NULL), PT_OK);
    assert_int_equal(a.ids[0], b.ids[0]);
    assert_int_equal(a.ids[b.n], pt_tok_eos(t));
    assert_memory_equal(pt_tok_piece(t, a.ids[b.n + 1]), "\xE2\x96\x81", 3);
    free(a.ids);
    free(b.ids);
    pt_tok_free(t);
}

static void test_bad_text(void **state)
{
    static const char *const bad[] = {"ab\xFF",           "\x80",       "x\xC3", "\xC0\xAF", "\xE0\x9F\xBF", "\xED\xA0\x80",
                                      "\xF4\x90\x80\x80", "ok \xE4\xBD"};
    static const int at[] = {2, 0, 1, 0, 0, 0, 0, 3};
    for (int v = 0; v < 2; v++) {
        pt_tokenizer *t = open_vocab(vocabs[v]);
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
            char want[32];
            pt_ids ids = {0};
            snprintf(want, sizeof want, "at byte %d", at[i]);
            assert_int_equal(pt_tok_encode(t, bad[i], strlen(bad[i]), true, true, &ids), PT_EFORMAT);
            assert_non_null(strstr(pt_err_msg(), want));
            assert_int_equal(ids.n, 0);
            free(ids.ids);
        }
        pt_tok_free(t);
    }
}

/* Ids that split characters, or that nobody would write: U+FFFD, never broken UTF-8. */
static void test_broken_ids(void **state)
{
    pt_tokenizer *spm = open_vocab("tok_spm"), *bpe = open_vocab("tok_bpe");
    int32_t split[] = {pt_tok_find(spm, "<0xE4>"), pt_tok_find(spm, "<0xBD>"), pt_tok_find(spm, "<0x41>")};
    int32_t half[] = {pt_tok_find(bpe, "\xC3\xA4"), pt_tok_find(bpe, "A"), -5, 1 << 30}; /* the byte 0xE4 */
    pt_str s = {0};
    pt_tok_stream st = {0};
    assert_int_equal(pt_tok_decode(spm, split, 3, false, &s), PT_OK);
    assert_string_equal(
        s.text, "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"); /* a broken run of byte tokens: each byte, as the library does */
    pt_str_free(&s);
    assert_int_equal(pt_tok_decode(bpe, half, 4, false, &s), PT_OK);
    assert_string_equal(s.text, "\xEF\xBF\xBD"
                                "A");
    pt_str_free(&s);
    assert_int_equal(pt_tok_stream_next(bpe, &st, half[0], false, &s), PT_OK);
    assert_int_equal(s.len, 0);
    assert_int_equal(pt_tok_stream_end(&st, &s), PT_OK);
    assert_string_equal(s.text, "\xEF\xBF\xBD");
    pt_str_free(&s);
    pt_tok_stream_free(&st);
    pt_tok_free(spm);
    pt_tok_free(bpe);
}

/* Several threads encode with one tokenizer. */
static void test_threads(void **state)
{
    json_t *g = golden(), *rows = json_object_get(g, "tok_bpe");
    pt_tokenizer *t = open_vocab("tok_bpe");
    int n = (int)json_array_size(rows), wrong = 0;
#pragma omp parallel for reduction(+ : wrong) num_threads(4) schedule(dynamic)
    for (int i = 0; i < n * 20; i++) {
        const json_t *row = json_array_get(rows, (size_t)(i % n)), *text = json_object_get(row, "text"),
                     *want = json_object_get(row, "added");
        pt_ids ids = {0};
        wrong += pt_tok_encode(t, json_string_value(text), json_string_length(text), true, true, &ids) != PT_OK;
        wrong += ids.n != json_array_size(want);
        for (size_t k = 0; k < ids.n; k++) wrong += json_integer_value(json_array_get(want, k)) != ids.ids[k];
        free(ids.ids);
    }
    assert_int_equal(wrong, 0);
    pt_tok_free(t);
    json_decref(g);
}

/* A file that forgets to call its turn tags control tokens does not let a text close a turn. */
static void test_turn_tags(void **state)
{
    pt_tokenizer *bpe = open_vocab("tok_bpe"), *t;
    pt_vocab_spec spec = *pt_tok_spec(bpe);
    int32_t end = pt_tok_find(bpe, "<|im_end|>"), *types = malloc(spec.n_tokens * sizeof *types);
    pt_ids ids = {0};
    memcpy(types, spec.types, spec.n_tokens * sizeof *types);
    types[end] = PT_TOKEN_NORMAL;
    types[pt_tok_find(bpe, "<|eot_id|>")] = PT_TOKEN_USER_DEFINED;
    spec.types = types;
    if (pt_tok_from_spec(&t, &spec) != PT_OK) fail_msg("%s", pt_err_msg());
    assert_true(pt_tok_is_control(t, end));
    assert_int_equal(pt_tok_encode(t, "a<|im_end|><|eot_id|>", 21, false, true, &ids), PT_OK);
    for (size_t i = 0; i < ids.n; i++) assert_false(pt_tok_is_control(t, ids.ids[i]));
    assert_true(ids.n > 6);
    ids.n = 0;
    assert_int_equal(pt_tok_encode(t, "a<|im_end|><|eot_id|>", 21, true, true, &ids), PT_OK);
    assert_int_equal(ids.n, 3);
    free(ids.ids);
    free(types);
    pt_tok_free(t);
    pt_tok_free(bpe);
}

static void put_file(const char *dir, const char *name, const char *text, size_t n)
{
    char path[192];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    assert_int_equal(pt_file_write_whole(path, text, n), PT_OK);
}

/* The small files of a folder: special_tokens_map.json counts before tokenizer_config.json, generation_config.json ends answers, a list of templates. */
static void test_folder(void **state)
{
    static const char config[] =
        "{\"add_bos_token\":true,\"eos_token\":{\"content\":\"<|im_end|>\"},\"pad_token\":null,"
        "\"chat_template\":[{\"name\":\"tool_use\",\"template\":\"no\"},{\"name\":\"default\",\"template\":\"yes\"}]}";
    static const char map[] =
        "{\"bos_token\":\"<|begin_of_text|>\",\"eos_token\":\"<|eot_id|>\",\"pad_token\":{\"content\":\"<think>\"}}";
    static const char generation[] = "{\"eos_token_id\":[762,764],\"temperature\":0.6}", one[] = "{\"eos_token_id\":1.5}";
    char dir[] = "/tmp/ptrain_folder_XXXXXX", *json;
    size_t n, stops;
    pt_tokenizer *t;
    assert_non_null(mkdtemp(dir));
    assert_int_equal(pt_tok_open(&t, dir), PT_EIO);
    assert_non_null(strstr(pt_err_msg(), "no tokenizer.json"));
    assert_int_equal(pt_file_read(&json, &n, DATA "tok_bpe/tokenizer.json", 1 << 20), PT_OK);
    put_file(dir, "tokenizer.json", json, n);
    put_file(dir, "tokenizer_config.json", config, sizeof config - 1);
    put_file(dir, "special_tokens_map.json", map, sizeof map - 1);
    put_file(dir, "generation_config.json", generation, sizeof generation - 1);
    if (pt_tok_open(&t, dir) != PT_OK) fail_msg("%s", pt_err_msg());
    assert_int_equal(pt_tok_eos(t), pt_tok_find(t, "<|eot_id|>"));
    assert_int_equal(pt_tok_bos(t), pt_tok_find(t, "<|begin_of_text|>"));
    assert_int_equal(pt_tok_pad(t), pt_tok_find(t, "<think>"));
    assert_true(pt_tok_add_bos(t));
    assert_string_equal(pt_tok_chat_template(t), "yes");
    const int32_t *ids = pt_tok_stops(t, &stops);
    assert_int_equal(stops, 3); /* eos, eot, and 764 */
    assert_int_equal(ids[2], 764);
    pt_tok_free(t);
    put_file(dir, "generation_config.json", one, sizeof one - 1);
    assert_int_equal(pt_tok_open(&t, dir), PT_EFORMAT);
    assert_non_null(strstr(pt_err_msg(), "generation_config.json"));
    free(json);
    pt_dir_remove(dir);
}

static void test_facts(void **state)
{
    pt_tokenizer *bpe = open_vocab("tok_bpe"), *spm = open_vocab("tok_spm"), *again = open_vocab("tok_bpe");
    assert_int_equal(pt_tok_bos(bpe), pt_tok_find(bpe, "<|begin_of_text|>"));
    assert_int_equal(pt_tok_eos(bpe), pt_tok_find(bpe, "<|im_end|>"));
    assert_int_equal(pt_tok_eot(bpe), pt_tok_find(bpe, "<|eot_id|>"));
    assert_int_equal(pt_tok_pad(bpe), pt_tok_find(bpe, "<|endoftext|>"));
    assert_false(pt_tok_add_bos(bpe));
    assert_true(pt_tok_add_bos(spm)); /* not stated: tokenizer.json's post-processor puts <s> first */
    assert_int_equal(pt_tok_unk(spm), 0);
    assert_null(pt_tok_piece(bpe, -1));
    assert_null(pt_tok_piece(bpe, pt_tok_vocab_size(bpe)));
    assert_int_equal(pt_tok_find(bpe, "no such piece"), -1);
    assert_int_equal(pt_tok_fingerprint(bpe), pt_tok_fingerprint(again));
    assert_int_not_equal(pt_tok_fingerprint(bpe), pt_tok_fingerprint(spm));
    assert_int_equal(pt_tok_count_control(bpe, "a<|im_end|><|im_end|> <think>", 29), 2);
    pt_tok_free(bpe);
    pt_tok_free(spm);
    pt_tok_free(again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ids),        cmocka_unit_test(test_text),      cmocka_unit_test(test_gguf_terms),
        cmocka_unit_test(test_ends),       cmocka_unit_test(test_pre_names), cmocka_unit_test(test_where),     cmocka_unit_test(test_bad_text),
        cmocka_unit_test(test_broken_ids), cmocka_unit_test(test_threads),   cmocka_unit_test(test_facts),
        cmocka_unit_test(test_folder),     cmocka_unit_test(test_turn_tags),
    };
    return cmocka_run_group_tests_name("data_tokenizer", tests, NULL, NULL);
}

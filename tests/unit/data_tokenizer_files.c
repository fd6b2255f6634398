/* A tokenizer's files as people edit them: the ids that transformers gives. And a tokenizer that has more tokens than the model rows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "data/text/tokenizer.h"

#define OK(call)                                                                                \
    do {                                                                                        \
        if ((call) != PT_OK) fail_msg("%s:%d: %s: %s", __FILE__, __LINE__, #call, pt_err_msg()); \
    } while (0)

static char tmp[64], last_note[2048];

static void take_note(void *user, pt_log_level level, const char *text)
{
    snprintf(last_note, sizeof last_note, "%s", text);
}

static void put(const char *name, const json_t *j)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", tmp, name);
    if (!j) {
        unlink(path);
        return;
    }
    char *text = json_dumps(j, 0);
    OK(pt_file_write_whole(path, text, strlen(text)));
    free(text);
}

static void expect_id(const char *name, const char *what, int32_t have, const json_t *want)
{
    int32_t id = json_is_integer(want) ? (int32_t)json_integer_value(want) : -1;
    if (have != id) fail_msg("%s: %s is %d, in transformers %d", name, what, have, id);
}

static void expect_ids(const char *name, const pt_tokenizer *t, const char *text, const json_t *want)
{
    pt_ids ids = {0};
    OK(pt_tok_encode(t, text, strlen(text), true, true, &ids));
    for (size_t i = 0; i < ids.n || i < json_array_size(want); i++)
        if (i >= ids.n || i >= json_array_size(want) || ids.ids[i] != json_integer_value(json_array_get(want, i)))
            fail_msg("%s: '%s': id %zu is %d, in transformers %lld", name, text, i, i < ids.n ? ids.ids[i] : -1,
                     (long long)json_integer_value(json_array_get(want, i)));
    free(ids.ids);
}

static json_t *golden(void)
{
    json_t *g;
    OK(pt_json_load(&g, "tests/golden/data/tok_files.json", 1 << 22, PT_JSON_OBJECT));
    return g;
}

static void as_transformers(void **state)
{
    json_t *g = golden(), *c, *v;
    size_t i, k;
    const char *file;
    static const char *const beside[] = {"special_tokens_map.json", "added_tokens.json"};
    json_array_foreach(json_object_get(g, "cases"), i, c)
    {
        const char *name = json_string_value(json_object_get(c, "name"));
        json_t *tok = json_copy(json_object_get(g, "base"));
        pt_tokenizer *t;
        json_object_update(tok, json_object_get(c, "set"));
        put("tokenizer.json", tok);
        json_decref(tok);
        put("tokenizer_config.json", json_object_get(c, "config"));
        for (k = 0; k < 2; k++) put(beside[k], NULL);
        json_object_foreach(json_object_get(c, "files"), file, v) put(file, v);
        if (pt_tok_open(&t, tmp) != PT_OK) fail_msg("%s: %s", name, pt_err_msg());
        expect_id(name, "the size", pt_tok_vocab_size(t), json_object_get(c, "size"));
        expect_id(name, "bos", pt_tok_bos(t), json_object_get(c, "bos"));
        expect_id(name, "eos", pt_tok_eos(t), json_object_get(c, "eos"));
        expect_id(name, "unk", pt_tok_unk(t), json_object_get(c, "unk"));
        expect_id(name, "pad", pt_tok_pad(t), json_object_get(c, "pad"));
        json_array_foreach(json_object_get(c, "texts"), k, v)
            expect_ids(name, t, json_string_value(v), json_array_get(json_object_get(c, "ids"), k));
        pt_tok_free(t);
    }
    assert_true(i > 30);
    json_decref(g);
}

/* Llama 2 with a [PAD] that the model has no row for: the row is never asked for. */
static void more_tokens_than_rows(void **state)
{
    json_t *g = golden(), *base = json_object_get(g, "base");
    int32_t n = (int32_t)json_object_size(json_object_get(json_object_get(base, "model"), "vocab"));
    json_t *config = json_pack("{s:s, s:s, s:s, s:[s]}", "bos_token", "<|im_start|>", "eos_token", "<|im_end|>", "pad_token", "[PAD]",
                               "additional_special_tokens", "<x>");
    static const char text[] = "a[PAD]<x> the";
    uint64_t prints[3];
    put("tokenizer.json", base);
    put("tokenizer_config.json", config);
    put("special_tokens_map.json", NULL);
    put("added_tokens.json", NULL);
    pt_log_set_sink(take_note, NULL);
    for (int cut = 0; cut <= 2; cut++) {
        pt_tokenizer *t;
        pt_ids ids = {0};
        OK(pt_tok_open(&t, tmp));
        assert_int_equal(pt_tok_vocab_size(t), n + 2);
        last_note[0] = 0;
        OK(pt_tok_limit(t, n + 2 - cut));
        OK(pt_tok_encode(t, text, sizeof text - 1, true, true, &ids));
        assert_int_equal(ids.n, cut == 0 ? 4 : cut == 1 ? 6 : 10);
        for (size_t i = 0; i < ids.n; i++) assert_in_range(ids.ids[i], 0, n + 1 - cut);
        assert_int_equal(pt_tok_pad(t), cut == 2 ? -1 : n);
        assert_int_equal(pt_tok_find(t, "<x>"), cut ? -1 : n + 1);
        assert_int_equal(pt_tok_spec(t)->n_tokens, n + 2 - cut);
        assert_int_equal(last_note[0] != 0, cut > 0);
        if (cut) assert_non_null(strstr(last_note, cut == 1 ? "the first is '<x>'" : "2 tokens have no row"));
        prints[cut] = pt_tok_fingerprint(t);
        if (cut == 2) assert_int_equal(pt_tok_limit(t, n - 1), PT_EARG);
        free(ids.ids);
        pt_tok_free(t);
    }
    assert_true(prints[0] != prints[1] && prints[1] != prints[2]);
    pt_log_set_sink(NULL, NULL);
    json_decref(config);
    json_decref(g);
}

/* Lists as llama.cpp takes them. */
static void lists(void **state)
{
    static const char *const tokens[] = {"a", "b", "", "ab", "", "<e>", "a", "[EMPTY_2]", "<e>", "\xff"}, *const merges[] = {"a b", "b q", "x", "q q"};
    static const int32_t types[] = {1, 0, 1, 77, 5, 3, 1, 1, 3, 1};
    pt_vocab_spec s = {.kind = PT_VOCAB_BPE, .pre = "default", .n_tokens = 10, .tokens = tokens, .types = types, .n_merges = 4, .merges = merges};
    s.bos = 900, s.eos = 8, s.eot = -1, s.unk = 10, s.pad = INT32_MAX;
    s.add_bos = 1, s.add_eos = 0, s.add_space_prefix = -1;
    pt_tokenizer *t;
    pt_ids ids = {0};
    OK(pt_tok_from_spec(&t, &s));
    assert_int_equal(pt_tok_bos(t), -1);
    assert_int_equal(pt_tok_pad(t), -1);
    assert_int_equal(pt_tok_unk(t), -1);
    assert_int_equal(pt_tok_eos(t), 8);
    assert_false(pt_tok_add_bos(t));
    OK(pt_tok_encode(t, "ab<e>a", 6, true, true, &ids));
    static const int32_t want[] = {3, 8, 6}; /* of two tokens of one text the later */
    assert_int_equal(ids.n, 3);
    assert_memory_equal(ids.ids, want, sizeof want);
    assert_string_equal(pt_tok_piece(t, 4), "[EMPTY_4]");
    assert_string_equal(pt_tok_piece(t, 0), "a");
    assert_int_equal(pt_tok_spec(t)->n_tokens, 10);
    free(ids.ids);
    pt_tok_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(as_transformers), cmocka_unit_test(more_tokens_than_rows), cmocka_unit_test(lists)};
    snprintf(tmp, sizeof tmp, "/tmp/ptrain_tokfiles_XXXXXX");
    if (!mkdtemp(tmp)) return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)pt_dir_remove(tmp);
    return failed;
}

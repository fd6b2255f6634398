/* tokenizer.model and Unigram vocabularies against sentencepiece, tokenizers and transformers (tests/golden/tok_spm.py), and damaged ones. */
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
#include "data/text/tokenizer.h"

#define DATA "tests/golden/data/"
#define OK(call)                                                                                \
    do {                                                                                        \
        if ((call) != PT_OK) fail_msg("%s:%d: %s: %s", __FILE__, __LINE__, #call, pt_err_msg()); \
    } while (0)

static char tmp[64];

static json_t *golden(void)
{
    json_t *g;
    OK(pt_json_load(&g, DATA "tok_spm.json", 1 << 22, PT_JSON_OBJECT));
    return g;
}

static void same_text(const char *name, const char *what, const json_t *want, const pt_str *got)
{
    if (got->len != json_string_length(want) || memcmp(got->text, json_string_value(want), got->len) != 0)
        fail_msg("%s: %s is '%s', should be '%s'", name, what, got->text, json_string_value(want));
}

/* row: [text, ids, decoded, decoded without special tokens] */
static void check_row(const char *name, const pt_tokenizer *t, const json_t *row, bool added)
{
    const json_t *text = json_array_get(row, 0), *want = json_array_get(row, 1);
    pt_ids ids = {0};
    pt_str out = {0};
    size_t *ends = NULL;
    OK(pt_tok_encode_at(t, json_string_value(text), json_string_length(text), added, PT_TOK_START, &ids, &ends));
    for (size_t i = 0; i < ids.n || i < json_array_size(want); i++)
        if (i >= ids.n || i >= json_array_size(want) || ids.ids[i] != json_integer_value(json_array_get(want, i)))
            fail_msg("%s: '%s': id %zu is %d, should be %lld", name, json_string_value(text), i, i < ids.n ? ids.ids[i] : -1,
                     (long long)json_integer_value(json_array_get(want, i)));
    for (size_t i = 1; i < ids.n; i++) assert_true(ends[i - 1] <= ends[i]);
    OK(pt_tok_decode(t, ids.ids, ids.n, false, &out));
    same_text(name, "the text", json_array_get(row, 2), &out);
    out.len = 0;
    OK(pt_tok_decode(t, ids.ids, ids.n, true, &out));
    same_text(name, "the text without special tokens", json_array_get(row, 3), &out);
    free(ends);
    free(ids.ids);
    pt_str_free(&out);
}

static void check_rows(const char *part, bool added, size_t at_least)
{
    json_t *g = golden(), *of, *row;
    size_t i, k, rows = 0;
    json_array_foreach(json_object_get(g, part), i, of)
    {
        char path[128];
        pt_tokenizer *t;
        snprintf(path, sizeof path, DATA "spm/%s", json_string_value(json_object_get(of, "file")));
        OK(pt_tok_open(&t, path));
        json_array_foreach(json_object_get(of, "rows"), k, row) check_row(path, t, row, added);
        rows += k;
        pt_tok_free(t);
    }
    assert_true(rows >= at_least);
    json_decref(g);
}

static void as_sentencepiece(void **state)
{
    check_rows("models", false, 7 * 47);
}

static void unigram_as_tokenizers(void **state)
{
    check_rows("unigram", true, 2 * 47);
}

static void put(const char *name, const void *bytes, size_t n)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", tmp, name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static void put_json(const char *name, const json_t *j)
{
    char *text = json_is_object(j) ? json_dumps(j, 0) : NULL, path[128];
    snprintf(path, sizeof path, "%s/%s", tmp, name);
    if (text) put(name, text, strlen(text));
    else unlink(path);
    free(text);
}

static void folders_as_transformers(void **state)
{
    json_t *g = golden(), *of, *row;
    size_t i, k;
    json_array_foreach(json_object_get(g, "folders"), i, of)
    {
        const char *name = json_string_value(json_object_get(of, "file"));
        char path[128];
        pt_map m;
        pt_tokenizer *t;
        snprintf(path, sizeof path, DATA "spm/%s", name);
        OK(pt_map_open(&m, path));
        put("tokenizer.model", m.data, m.bytes);
        pt_map_close(&m);
        put_json("tokenizer_config.json", json_object_get(of, "config"));
        put_json("added_tokens.json", json_object_get(of, "added"));
        OK(pt_tok_open(&t, tmp));
        assert_string_equal(pt_tok_file(t), "tokenizer.model");
        assert_int_equal(pt_tok_vocab_size(t), json_integer_value(json_object_get(of, "size")));
        assert_int_equal(pt_tok_bos(t), json_integer_value(json_object_get(of, "bos")));
        assert_int_equal(pt_tok_eos(t), json_integer_value(json_object_get(of, "eos")));
        assert_int_equal(pt_tok_unk(t), json_integer_value(json_object_get(of, "unk")));
        json_array_foreach(json_object_get(of, "rows"), k, row) check_row(name, t, row, true);
        pt_tok_free(t);
    }
    assert_int_equal(i, 4);
    put_json("tokenizer_config.json", NULL);
    put_json("added_tokens.json", NULL);
    json_decref(g);
}

/* What does not hold is refused by name, and nothing is left half made. */
static void broken(void **state)
{
#define UNK "\x0a\x09\x0a\x05<unk>\x18\x02"
#define A "\x0a\x08\x0a\x01" "a\x15\0\0\x80\xbf"
#define BPE "\x12\x02\x18\x02"
    static const struct {
        const char *bytes;
        size_t n;
        const char *say;
    } cases[] = {
#define CASE(b, s) {b, sizeof b - 1, s}
        CASE(A BPE, "no piece is the unknown one"),
        CASE(UNK A "\x12\x02\x18\x03", "model_type WORD is not supported"),
        CASE(UNK A "\x12\x02\x18\x04", "model_type CHAR is not supported"),
        CASE(UNK A "\x12\x02\x18\x09", "model_type is 9"),
        CASE(UNK "\x0a\x06\x0a\x02<u\x10\x02", "piece 1: its score has wire type 0, not 5"),
        CASE(UNK "\x0a\x06\x0a\x02<u\x18\x02" BPE, "pieces 0 and 1 are both the unknown one"),
        CASE(UNK "\x0a\x02\x18\x01" BPE, "piece 1: it has no text"),
        CASE(UNK "\x0a\x03\x0a\x01\xff" BPE, "piece 1: its text is not UTF-8"),
        CASE(UNK "\x0a\x05\x0a\x03" "a\0b" BPE, "piece 1: its text is not UTF-8, or holds a zero"),
        CASE(UNK "\x0a\x08\x0a\x01" "a\x15\0\0\xc0\x7f" BPE, "piece 1: its score is not finite"),
        CASE(UNK "\x0a\x05\x0a\x01" "a\x18\x07" BPE, "piece 1: its type is 7"),
        CASE(UNK "\x0a\x05\x0a\x01" "a\x18\x05" BPE, "a BPE vocabulary with unused pieces is not supported"),
        CASE(UNK A A BPE, "token 'a' has two ids: 1 and 2"),
        CASE(UNK "\x0a\x0a\x0a\x06<0x41>\x18\x06" BPE, "piece 1 is a byte, and byte_fallback is false"),
        CASE(UNK "\x0a\x0a\x0a\x06<0x41>\x18\x06\x12\x05\x18\x02\x98\x02\x01", "byte_fallback is true, and 1 of 256 bytes have a piece"),
        CASE(UNK "\x0a\x0a\x0a\x06<0x4g>\x18\x06\x12\x05\x18\x02\x98\x02\x01", "piece 1, '<0x4g>', is no byte"),
        CASE(UNK A BPE "\x1a\x05\x12\x03\1\0\0", "a character map of 3 bytes is too short"),
        CASE(UNK A BPE "\x1a\x08\x12\x06\x08\0\0\0\1\1", "the trie of a character map takes 8 of 2 bytes"),
        CASE(UNK A BPE "\x1a\x0b\x12\x09\x04\0\0\0\0\0\0\0x", "the last text of a character map has no end"),
        CASE(UNK A BPE "\x2a\x03\x12\x01x", "a denormalizer with a character map"),
        CASE(UNK A "\x12\x04\x18", "takes 4 bytes, 1 are left"),
        CASE(UNK A "\x12\x02\x1a\x01", "trainer_spec: field 3 at byte 0 takes 1 bytes"),
        CASE(UNK A "\x0b\x01", "field 1 at byte 21 has wire type 3"),
        CASE(UNK A "\x08\x01", "piece has wire type 0, not 2"),
        CASE(UNK A "\x03", "has no valid number"),
        CASE(UNK A "\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", "has more than ten bytes"),
        CASE(UNK "\x0a\x05\x0a\x01" "a\x18\x03", "no piece is a normal one"),
    };
    char path[128];
    snprintf(path, sizeof path, "%s/tokenizer.model", tmp);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pt_tokenizer *t;
        put("tokenizer.model", cases[i].bytes, cases[i].n);
        pt_status rc = pt_tok_open(&t, tmp);
        if (rc == PT_OK || t) fail_msg("case %zu (%s) is read", i, cases[i].say);
        if (!strstr(pt_err_msg(), cases[i].say) || !strstr(pt_err_msg(), path)) fail_msg("case %zu says: %s; should say: %s", i, pt_err_msg(), cases[i].say);
    }
    pt_tokenizer *t; /* the table's own bricks stand */
    put("tokenizer.model", UNK A BPE, sizeof(UNK A BPE) - 1);
    OK(pt_tok_open(&t, tmp));
    pt_tok_free(t);
}

static void id_is(const pt_tokenizer *t, const char *text, int32_t want)
{
    int32_t got = pt_tok_find(t, text);
    if (got != want) fail_msg("'%s' has id %d, should have %d", text, got, want);
}

/* A piece of one zero byte beside byte pieces (InternLM2), special pieces of other names, ids as a config with code of its own states them
 * (ChatGLM). */
static void odd_models(void **state)
{
    static const char specials[] = "\x12\x11" "\x18\x02" "\x98\x02\x01" "\xc8\x02\x03" "\xf2\x02\x03<b>" "\xfa\x02\x00";
    static const char *const config[] = {"{\"auto_map\": {\"AutoTokenizer\": [\"x.Y\", null]}, \"added_tokens_decoder\": {\"270\": {\"content\": \"sop\"}, "
                                         "\"300\": {\"content\": \"<|user|>\", \"special\": true}, \"4\": {\"content\": \"<place>\"}}}",
                                         "{\"added_tokens_decoder\": {\"270\": {\"content\": \"sop\"}, \"300\": {\"content\": \"<|user|>\", \"special\": true}}}"};
    pt_str m = {0};
    pt_tokenizer *t;
    pt_ids ids = {0};
    OK(pt_str_add(&m, UNK "\x0a\x07\x0a\x03<b>\x18\x03" "\x0a\x08\x0a\x04</s>\x18\x03" "\x0a\x03\x0a\x01\0" A, sizeof(UNK "\x0a\x07\x0a\x03<b>\x18\x03" "\x0a\x08\x0a\x04</s>\x18\x03" "\x0a\x03\x0a\x01\0" A) - 1));
    for (int b = 0; b < 256; b++) {
        char piece[16];
        int n = snprintf(piece, sizeof piece, "\x0a\x0a\x0a\x06<0x%02X>\x18\x06", b);
        OK(pt_str_add(&m, piece, (size_t)n));
    }
    OK(pt_str_add(&m, specials, sizeof specials - 1));
    put("tokenizer.model", m.text, m.len);
    for (int k = 0; k < 2; k++) {
        put("tokenizer_config.json", config[k], strlen(config[k]));
        OK(pt_tok_open(&t, tmp));
        assert_int_equal(pt_tok_bos(t), 1);
        assert_int_equal(pt_tok_eos(t), 2);
        assert_int_equal(pt_tok_pad(t), -1);
        assert_null(pt_tok_piece(t, 3)); /* the zero */
        id_is(t, "sop", k ? 261 : 270);
        id_is(t, "<|user|>", k ? 262 : 300);
        id_is(t, k ? "a" : "<place>", 4);
        assert_int_equal(pt_tok_vocab_size(t), k ? 263 : 301);
        ids.n = 0;
        OK(pt_tok_encode(t, "\0b", 2, true, false, &ids));
        assert_int_equal(ids.n, 2);
        assert_int_equal(ids.ids[0], 5);
        assert_int_equal(ids.ids[1], 5 + 'b');
        pt_tok_free(t);
    }
    put_json("tokenizer_config.json", NULL);
    free(ids.ids);
    pt_str_free(&m);
}

/* tokenizer.json with a Unigram model and Precompiled: what does not hold. */
static void broken_unigram(void **state)
{
#define JSON(model, rest) "{\"model\": {\"type\": \"Unigram\", " model "}" rest "}"
#define GOOD "\"unk_id\": 0, \"vocab\": [[\"<unk>\", 0], [\"a\", -1]]"
#define MAP(text) ", \"normalizer\": {\"type\": \"Precompiled\", \"precompiled_charsmap\": \"" text "\"}"
    static const char *const cases[][2] = {
        {JSON("\"vocab\": {\"a\": 0}", ""), "model.vocab of a Unigram is not a list"},
        {JSON("\"vocab\": []", ""), "model.vocab has 0 pieces"},
        {JSON("\"vocab\": [[\"a\", -1], [\"b\"]]", ""), "piece 1 of model.vocab is not [text, score]"},
        {JSON("\"vocab\": [[\"a\", \"-1\"]]", ""), "piece 0 of model.vocab is not [text, score]"},
        {JSON("\"vocab\": [[\"a\", -1], [\"b\", Infinity]]", ""), "piece 1 of model.vocab is not [text, score]"},
        {JSON("\"vocab\": [[\"a\", -1], [\"a\", -2]]", ""), "token 'a' has two ids: 0 and 1"},
        {JSON("\"unk_id\": 2, \"vocab\": [[\"a\", -1], [\"b\", -2]]", ""), "model.unk_id is no piece of the vocabulary"},
        {JSON("\"unk_id\": -1, \"vocab\": [[\"a\", -1]]", ""), "model.unk_id is no piece of the vocabulary"},
        {JSON(GOOD ", \"alpha\": 0.1", ""), "model.alpha (drawing among several ways to cut) is not supported"},
        {JSON(GOOD, MAP("AAAA!AAA")), "precompiled_charsmap is no base64: byte 4 is 0x21"},
        {JSON(GOOD, MAP("AAAA")), "a character map of 3 bytes is too short"},
        {JSON(GOOD, MAP("/////wAAAAAAAAAA")), "the trie of a character map takes 4294967295 of 8 bytes"},
        {JSON(GOOD, MAP("BAAAAAAAAAD/AA==")), "the texts of a character map are not UTF-8 at byte 0"},
    };
    char path[128];
    pt_tokenizer *t;
    pt_ids ids = {0};
    snprintf(path, sizeof path, "%s/tokenizer.json", tmp);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put("tokenizer.json", cases[i][0], strlen(cases[i][0]));
        pt_status rc = pt_tok_open(&t, path);
        if (rc == PT_OK || t) fail_msg("case %zu (%s) is read", i, cases[i][1]);
        if (!strstr(pt_err_msg(), cases[i][1]) || !strstr(pt_err_msg(), path)) fail_msg("case %zu says: %s; should say: %s", i, pt_err_msg(), cases[i][1]);
    }
    static const char tie[] = JSON("\"vocab\": [[\"a\", -1], [\"aa\", -1]]", "");
    put("tokenizer.json", tie, sizeof tie - 1);
    OK(pt_tok_open(&t, path));
    OK(pt_tok_encode(t, "aaa", 3, true, true, &ids));
    assert_int_equal(ids.n, 2); /* of two ways that cost the same: as tokenizers 0.23.3 */
    assert_int_equal(ids.ids[0], 0);
    assert_int_equal(ids.ids[1], 1);
    ids.n = 0;
    pt_tok_free(t);
    static const char none[] = JSON("\"vocab\": [[\"a\", -1]]", MAP("BAAAAAAAAAAA"));
    put("tokenizer.json", none, sizeof none - 1);
    OK(pt_tok_open(&t, path));
    OK(pt_tok_encode(t, "aa", 2, true, true, &ids));
    assert_int_equal(ids.n, 2);
    assert_int_equal(pt_tok_encode(t, "aba", 3, true, true, &ids), PT_EFORMAT);
    assert_non_null(strstr(pt_err_msg(), "the code point at byte 1 is not in the vocabulary, which has no unknown token"));
    assert_int_equal(ids.n, 2);
    free(ids.ids);
    pt_tok_free(t);
    unlink(path);
}

/* A file cut off anywhere, or with any byte changed, is read or refused, never worse. */
static void damaged(void **state)
{
    static const char *const names[] = {DATA "spm/uni_bytes.model", DATA "spm/bpe_rules.model"};
    for (int k = 0; k < 2; k++) {
        pt_map m;
        unsigned char *copy;
        OK(pt_map_open(&m, names[k]));
        OK(pt_alloc0(&copy, m.bytes));
        for (size_t i = 0; i < m.bytes; i += 29) {
            for (int cut = 0; cut < 2; cut++) {
                pt_tokenizer *t;
                pt_ids ids = {0};
                memcpy(copy, m.data, m.bytes);
                copy[i] ^= (unsigned char)(1 << i % 8);
                put("tokenizer.model", copy, cut ? i : m.bytes);
                if (pt_tok_open(&t, tmp) == PT_OK && pt_tok_encode(t, "A \xef\xac\x81 e\xcc\x81 the light\xe2\x98\x83", 20, true, true, &ids) == PT_OK)
                    for (size_t j = 0; j < ids.n; j++) assert_in_range(ids.ids[j], 0, pt_tok_vocab_size(t) - 1);
                free(ids.ids);
                pt_tok_free(t);
            }
        }
        free(copy);
        pt_map_close(&m);
    }
}

/* In GGUF's terms and back: the same ids, where llama.cpp has a place for all of it. */
static void in_gguf_terms(void **state)
{
    static const struct {
        const char *file;
        pt_vocab_kind kind;
        bool map, squeeze;
    } cases[] = {{"bpe_plain.model", PT_VOCAB_SPM, false, false}, {"bpe_bytes.model", PT_VOCAB_SPM, false, false}, {"uni_plain.model", PT_VOCAB_UGM, false, true},
                 {"bpe_rules.model", PT_VOCAB_OTHER, true, true}, {"bpe_blanks.model", PT_VOCAB_OTHER, false, false}, {"uni_suffix.model", PT_VOCAB_OTHER, false, true},
                 {"unigram_map.json", PT_VOCAB_UGM, true, true},  {"unigram_whole.json", PT_VOCAB_OTHER, false, false}};
    json_t *g = golden(), *row;
    size_t k, rows = 0;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char path[128];
        pt_tokenizer *t, *again;
        snprintf(path, sizeof path, DATA "spm/%s", cases[i].file);
        OK(pt_tok_open(&t, path));
        const pt_vocab_spec *s = pt_tok_spec(t);
        if (s->kind != cases[i].kind || (s->charsmap != NULL) != cases[i].map || (s->squeeze > 0) != cases[i].squeeze) fail_msg("%s in GGUF's terms", path);
        if (s->kind != PT_VOCAB_OTHER && !strstr(path, ".json")) {
            OK(pt_tok_from_spec(&again, s));
            json_array_foreach(json_object_get(json_array_get(json_object_get(g, "models"), 0), "rows"), k, row)
            {
                const json_t *text = json_array_get(row, 0);
                pt_ids a = {0}, b = {0};
                OK(pt_tok_encode(t, json_string_value(text), json_string_length(text), false, true, &a));
                OK(pt_tok_encode(again, json_string_value(text), json_string_length(text), false, true, &b));
                assert_int_equal(a.n, b.n);
                assert_memory_equal(a.ids, b.ids, a.n * sizeof *a.ids);
                free(a.ids);
                free(b.ids);
                rows++;
            }
            pt_tok_free(again);
        }
        pt_tok_free(t);
    }
    assert_int_equal(rows, 3 * 47);
    json_decref(g);
}

/* Ids beyond the model's rows never come out: not from merges, not from pieces, not from words that were cut before. */
static void fewer_rows(void **state)
{
    static const char *const tokens[] = {"<unk>", "a", "b", "ab", "c", "bc"}, text[] = "abcab bc";
    static const int32_t types[] = {2, 1, 1, 1, 1, 4};
    static const float scores[] = {0, -3, -3, -1, -3, 0};
    for (int kind = 0; kind < 2; kind++) {
        pt_vocab_spec s = {.kind = kind ? PT_VOCAB_UGM : PT_VOCAB_SPM, .n_tokens = 6, .tokens = tokens, .scores = scores, .types = types, .bos = -1, .eos = -1, .eot = -1, .pad = -1};
        pt_tokenizer *t;
        for (int pass = 0; pass < 2; pass++) {
            pt_ids ids = {0};
            int32_t most = 0;
            OK(pt_tok_from_spec(&t, &s));
            OK(pt_tok_encode(t, text, sizeof text - 1, true, true, &ids));
            if (pass) OK(pt_tok_limit(t, 5));
            if (pass) ids.n = 0;
            if (pass) OK(pt_tok_encode(t, text, sizeof text - 1, true, true, &ids));
            for (size_t i = 0; i < ids.n; i++)
                if (ids.ids[i] > most) most = ids.ids[i];
            assert_int_equal(most, pass ? 4 : 5);
            free(ids.ids);
            pt_tok_free(t);
        }
    }
}

/* A file of no known kind is refused by its path, and what can be read is said. */
static void none_of_them(void **state)
{
    static const char llama2c[] = "\x1b\0\0\0\0\0\0\0\5\0\0\0<unk>\0\0\0\0\5\0\0\0\n<s>\n";
    char path[128];
    pt_tokenizer *t;
    put("tokenizer.bin", llama2c, sizeof llama2c - 1);
    snprintf(path, sizeof path, "%s/tokenizer.bin", tmp);
    assert_int_equal(pt_tok_open(&t, path), PT_ENOSUP);
    assert_null(t);
    assert_non_null(strstr(pt_err_msg(), path));
    assert_non_null(strstr(pt_err_msg(), "tokenizer.model"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(as_sentencepiece), cmocka_unit_test(unigram_as_tokenizers), cmocka_unit_test(folders_as_transformers),
                                       cmocka_unit_test(broken), cmocka_unit_test(damaged), cmocka_unit_test(in_gguf_terms), cmocka_unit_test(fewer_rows),
                                       cmocka_unit_test(none_of_them), cmocka_unit_test(broken_unigram), cmocka_unit_test(odd_models)};
    snprintf(tmp, sizeof tmp, "/tmp/ptrain_spm_XXXXXX");
    if (!mkdtemp(tmp)) return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)pt_dir_remove(tmp);
    return failed;
}

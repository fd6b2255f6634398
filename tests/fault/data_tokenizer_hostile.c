/* Broken and hostile tokenizer files: a clear error each, never a crash (run under `make asan` too). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/rng.h"
#include "data/text/tokenizer.h"

#define DATA "tests/golden/data/"
#define VOCAB "\"vocab\":{\"a\":0,\"b\":1,\"ab\":2,\"c\":3}"
#define MODEL(rest) "\"model\":{\"type\":\"BPE\"," VOCAB ",\"merges\":[\"a b\"]" rest "}"

static char dir[] = "/tmp/ptrain_hostile_XXXXXX";
static char path[128], config[128];

static pt_status try_text(const char *text, size_t n, const char *cfg)
{
    pt_tokenizer *t;
    assert_int_equal(pt_file_write_whole(path, text, n), PT_OK);
    if (cfg) assert_int_equal(pt_file_write_whole(config, cfg, strlen(cfg)), PT_OK);
    pt_status rc = pt_tok_open(&t, cfg ? dir : path);
    if (rc == PT_OK) {
        pt_ids ids = {0};
        pt_str s = {0};
        static const char sample[] = "abc \xC3\xA9 <s> aabb\n\n  cab 123";
        if (pt_tok_encode(t, sample, sizeof sample - 1, true, true, &ids) == PT_OK) pt_tok_decode(t, ids.ids, ids.n, true, &s);
        free(ids.ids);
        pt_str_free(&s);
    } else {
        assert_null(t);
    }
    pt_tok_free(t);
    if (cfg) unlink(config);
    return rc;
}

typedef struct bad_file {
    const char *text;
    pt_status rc;
    const char *says;
} bad_file;

static const bad_file files[] = {
    {"", PT_EFORMAT, "tokenizer.json:"},
    {"{", PT_EFORMAT, "tokenizer.json:1"},
    {"[1,2]", PT_EFORMAT, "an object {...} is wanted"},
    {"{\"model\":{}}", PT_EFORMAT, "model.type"},
    {"{\"model\":{\"type\":\"BPE\"}}", PT_EFORMAT, "model.vocab"},
    {"{\"model\":{\"type\":\"BPE\",\"vocab\":[],\"merges\":[]}}", PT_EFORMAT, "model.vocab"},
    {"{\"model\":{\"type\":\"BPE\",\"vocab\":{},\"merges\":[]}}", PT_EFORMAT, "no tokens"},
    {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":\"x\"},\"merges\":[]}}", PT_EFORMAT, "'a' is not an integer"},
    {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":-1},\"merges\":[]}}", PT_EFORMAT, "out of range"},
    {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":2147483648},\"merges\":[]}}", PT_EFORMAT, "out of range"},
    {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":99999999999999999999},\"merges\":[]}}", PT_EFORMAT, "'a' is not an integer"},
    {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":0},\"merges\":[]}}", PT_EFORMAT, "stands twice"},
    {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\xff\":0},\"merges\":[]}}", PT_EFORMAT, "tokenizer.json:1"},
    {"{\"model\":{\"type\":\"BPE\"," VOCAB "}}", PT_EFORMAT, "model.merges"},
    {"{\"model\":{\"type\":\"BPE\"," VOCAB ",\"merges\":[\"ab\"]}}", PT_EFORMAT, "merge 0"},
    {"{\"model\":{\"type\":\"BPE\"," VOCAB ",\"merges\":[\"a b c\"]}}", PT_EFORMAT, "not two pieces"},
    {"{\"model\":{\"type\":\"BPE\"," VOCAB ",\"merges\":[[\"a\"]]}}", PT_EFORMAT, "merge 0"},
    {"{\"model\":{\"type\":\"BPE\"," VOCAB ",\"merges\":[[\"a\",\"b\",\"c\"]]}}", PT_EFORMAT, "merge 0"},
    {"{\"model\":{\"type\":\"BPE\"," VOCAB ",\"merges\":[7]}}", PT_EFORMAT, "merge 0"},
    {"{\"model\":{\"type\":\"BPE\"," VOCAB ",\"merges\":[\" b\"]}}", PT_EFORMAT, "empty side"},
    {"{\"model\":{\"type\":\"BPE\"," VOCAB ",\"merges\":[\"a x\"]}}", PT_EFORMAT, "'x' is not in the vocabulary"},
    {"{\"model\":{\"type\":\"BPE\"," VOCAB ",\"merges\":[\"b a\"]}}", PT_EFORMAT, "'ba' is not in the vocabulary"},
    {"{\"model\":{\"type\":\"Unigram\",\"vocab\":[]}}", PT_EFORMAT, "model.vocab has 0 pieces"},
    {"{\"model\":{\"type\":\"WordPiece\",\"vocab\":{}}}", PT_EFORMAT, "model.unk_token is not a string"},
    {"{" MODEL(",\"dropout\":0.1") "}", PT_ENOSUP, "dropout"},
    {"{" MODEL(",\"continuing_subword_prefix\":\"##\"") "}", PT_EFORMAT, "merge 0: 'b' is not longer than continuing_subword_prefix"},
    {"{" MODEL(",\"end_of_word_suffix\":7") "}", PT_EFORMAT, "end_of_word_suffix"},
    {"{" MODEL(",\"byte_fallback\":3") "}", PT_EFORMAT, "byte_fallback"},
    {"{" MODEL("") ",\"added_tokens\":7}", PT_EFORMAT, "added_tokens"},
    {"{" MODEL("") ",\"added_tokens\":[{}]}", PT_EFORMAT, "no integer id"},
    {"{" MODEL("") ",\"added_tokens\":[{\"id\":9}]}", PT_EFORMAT, "content"},
    {"{" MODEL("") ",\"added_tokens\":[{\"id\":9,\"content\":\"x\",\"lstrip\":1}]}", PT_EFORMAT, "lstrip"},
    {"{" MODEL("") ",\"normalizer\":{}}", PT_EFORMAT, "'type'"},
    {"{" MODEL("") ",\"normalizer\":{\"type\":\"Precompiled\"}}", PT_EFORMAT, "'precompiled_charsmap' is missing"},
    {"{" MODEL("") ",\"normalizer\":{\"type\":\"Sequence\"}}", PT_EFORMAT, "Sequence"},
    {"{" MODEL("") ",\"normalizer\":{\"type\":\"Replace\",\"pattern\":{},\"content\":\"\"}}", PT_EFORMAT, "pattern"},
    {"{" MODEL("") ",\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"(\"},\"content\":\"\"}}", PT_ENOSUP,
     "pattern '('"},
    {"{" MODEL("") ",\"pre_tokenizer\":{\"type\":\"Bert\"}}", PT_ENOSUP, "'Bert'"},
    {"{" MODEL(
         "") ",\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"\\\\p{Nonsense}\"},\"behavior\":\"Isolated\"}}",
     PT_ENOSUP, "Nonsense"},
    {"{" MODEL("") ",\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"\\\\p{L\"},\"behavior\":\"Isolated\"}}",
     PT_ENOSUP, "unclosed"},
    {"{" MODEL("") ",\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"String\":\"\"},\"behavior\":\"Isolated\"}}",
     PT_ENOSUP, "an empty pattern"},
    {"{" MODEL("") ",\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"String\":\"a\"},\"behavior\":\"Sideways\"}}",
     PT_ENOSUP, "Sideways"},
    {"{" MODEL("") ",\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"__\"}}", PT_EFORMAT, "replacement"},
    {"{" MODEL("") ",\"decoder\":{\"type\":\"WordPiece\"}}", PT_EFORMAT, "'prefix' is missing"},
    {"{" MODEL("") ",\"decoder\":{\"type\":\"Sideways\"}}", PT_ENOSUP, "Sideways"},
    {"{" MODEL("") ",\"post_processor\":{\"type\":\"BertProcessing\"}}", PT_EFORMAT, "'cls' is not a token and its id"},
};

static void test_files(void **state)
{
    assert_int_equal(try_text("{" MODEL("") "}", strlen("{" MODEL("") "}"), NULL), PT_OK);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        pt_status rc = try_text(files[i].text, strlen(files[i].text), NULL);
        if (rc != files[i].rc || !strstr(pt_err_msg(), files[i].says)) {
            fail_msg("file %zu (%s): %s, '%s'", i, files[i].text, pt_status_name(rc), rc ? pt_err_msg() : "");
        }
    }
}

/* ignore_merges takes whole words out of the vocabulary: never a control token. */
static void test_whole_words(void **state)
{
    static const char text[] =
        "{\"model\":{\"type\":\"BPE\",\"ignore_merges\":true,\"vocab\":{\"<\":0,\"s\":1,\">\":2,\"<s>\":3},\"merges\":[]},"
        "\"added_tokens\":[{\"id\":3,\"content\":\"<s>\",\"special\":true}]}";
    pt_tokenizer *t;
    pt_ids ids = {0};
    assert_int_equal(pt_file_write_whole(path, text, sizeof text - 1), PT_OK);
    assert_int_equal(pt_tok_open(&t, path), PT_OK);
    assert_int_equal(pt_tok_encode(t, "<s>", 3, false, true, &ids), PT_OK);
    assert_int_equal(ids.n, 3);
    assert_int_equal(pt_tok_encode(t, "<s>", 3, true, true, &ids), PT_OK);
    assert_int_equal(ids.n, 4);
    free(ids.ids);
    pt_tok_free(t);
}

static void test_configs(void **state)
{
    static const bad_file cfg[] = {
        {"{\"added_tokens_decoder\":{\"x\":{\"content\":\"q\"}}}", PT_EFORMAT, "added_tokens_decoder"},
        {"{\"added_tokens_decoder\":{\"9\":{\"content\":NaN}}}", PT_EFORMAT, "'content'"},
        {"{\"added_tokens_decoder\":{\"9\":NaN}}", PT_EFORMAT, "'content'"},
        {"nonsense", PT_EFORMAT, "tokenizer_config.json:1"},
    };
    static const char good[] = "{" MODEL("") "}";
    assert_int_equal(
        try_text(good, sizeof good - 1, "{\"bos_token\":\"a\",\"model_max_length\":1000000000000000019884624838656}"), PT_OK);
    for (size_t i = 0; i < sizeof cfg / sizeof *cfg; i++) {
        pt_status rc = try_text(good, sizeof good - 1, cfg[i].text);
        if (rc != cfg[i].rc || !strstr(pt_err_msg(), cfg[i].says))
            fail_msg("config %zu: %s '%s'", i, pt_status_name(rc), pt_err_msg());
    }
}

/* Deep nesting must not eat the stack. */
static void test_nesting(void **state)
{
    pt_str s = {0};
    pt_str_puts(&s, "{" MODEL("") ",\"pre_tokenizer\":");
    for (int i = 0; i < 500; i++) pt_str_puts(&s, "{\"type\":\"Sequence\",\"pretokenizers\":[");
    pt_str_puts(&s, "null");
    for (int i = 0; i < 500; i++) pt_str_puts(&s, "]}");
    pt_str_puts(&s, "}");
    assert_int_equal(try_text(s.text, s.len, NULL), PT_EFORMAT);
    assert_non_null(strstr(pt_err_msg(), "too deeply"));
    pt_str_free(&s);
    for (int i = 0; i < 100000; i++) pt_str_puts(&s, "[");
    assert_int_equal(try_text(s.text, s.len, NULL), PT_EFORMAT);
    pt_str_free(&s);
}

/* Truncated at many places: never accepted. */
static void test_truncated(void **state)
{
    for (int v = 0; v < 2; v++) {
        char *text;
        size_t n;
        assert_int_equal(pt_file_read(&text, &n, v ? DATA "tok_spm/tokenizer.json" : DATA "tok_bpe/tokenizer.json", 1 << 20),
                         PT_OK);
        for (size_t cut = 0; cut + 2 < n; cut += 97) assert_int_equal(try_text(text, cut, NULL), PT_EFORMAT);
        free(text);
    }
}

/* Random bytes changed, runs swapped: anything but a crash. */
static void test_mutated(void **state)
{
    int accepted = 0, refused = 0;
    for (uint32_t k = 0; k < 400; k++) {
        char *text;
        size_t n;
        assert_int_equal(
            pt_file_read(&text, &n, k & 1 ? DATA "tok_spm/tokenizer.json" : DATA "tok_bpe/tokenizer.json", 1 << 20), PT_OK);
        pt_rng4 w = pt_rng_words(11, PT_RNG_TEST, k, 0);
        for (uint32_t i = 0; i < 1 + w.v[0] % 2; i++) {
            pt_rng4 r = pt_rng_words(12, PT_RNG_TEST, k, i);
            static const char hot[] = "0123456789{}[]\",:\\ae-";
            size_t at = r.v[0] % n;
            text[at] = r.v[1] & 1 ? hot[r.v[2] % (sizeof hot - 1)] : (char)r.v[3];
        }
        if (try_text(text, n, NULL) == PT_OK)
            accepted++;
        else
            refused++;
        free(text);
    }
    printf("# figure mutated tokenizer.json: %d read, %d refused\n", accepted, refused);
    assert_true(refused > 50);
    assert_true(accepted > 5);
}

/* Vocabularies as a GGUF file might state them. */
static void test_specs(void **state)
{
    static const char *const tokens[] = {"a", "b", "ab", "<s>"};
    static const char *const merges[] = {"a b"}, *const unknown[] = {"a x"}, *const single[] = {"ab"};
    static const int32_t types[] = {1, 1, 1, 3};
    static const float scores[] = {-1, -2, -3, 0}, nan_scores[] = {-1, -2, 0.0f / 0.0f, 0};
    const pt_vocab_spec base = {.kind = PT_VOCAB_BPE,
                                .pre = "gpt-2",
                                .n_tokens = 4,
                                .tokens = tokens,
                                .types = types,
                                .n_merges = 1,
                                .merges = merges,
                                .bos = -1,
                                .eos = 3,
                                .eot = -1,
                                .unk = -1,
                                .pad = -1,
                                .add_bos = -1,
                                .add_eos = -1,
                                .add_space_prefix = -1};
    pt_vocab_spec c[5];
    const pt_status rc[5] = {PT_EFORMAT, PT_EFORMAT, PT_ENOSUP, PT_EFORMAT, PT_ENONFINITE};
    const char *const says[5] = {"'a x'", "'ab'", "'nonsense'", "out of range", "not finite"};
    for (int i = 0; i < 5; i++) c[i] = base;
    c[0].merges = unknown;
    c[1].merges = single;
    c[2].pre = "nonsense";
    c[3].n_tokens = 0;
    c[4].kind = PT_VOCAB_SPM;
    c[4].scores = nan_scores;
    pt_tokenizer *t;
    assert_int_equal(pt_tok_from_spec(&t, &base), PT_OK);
    pt_tok_free(t);
    for (int i = 0; i < 5; i++) {
        pt_status got = pt_tok_from_spec(&t, &c[i]);
        if (got != rc[i] || !strstr(pt_err_msg(), says[i])) fail_msg("spec %d: %s '%s'", i, pt_status_name(got), pt_err_msg());
        assert_null(t);
    }
    pt_vocab_spec spm = base;
    spm.kind = PT_VOCAB_SPM;
    spm.scores = scores;
    assert_int_equal(pt_tok_from_spec(&t, &spm), PT_OK);
    pt_tok_free(t);
}

/* Words without end, and patterns that go back and forth. */
static void test_long_words(void **state)
{
    static const char *const names[] = {DATA "tok_bpe", DATA "tok_spm"};
    for (int v = 0; v < 2; v++) {
        pt_tokenizer *t;
        pt_str s = {0};
        pt_ids ids = {0};
        assert_int_equal(pt_tok_open(&t, names[v]), PT_OK);
        for (int i = 0; i < 200000; i++) pt_str_puts(&s, i % 3 ? "a" : " ");
        for (int i = 0; i < 100000; i++) pt_str_puts(&s, "a");
        for (int i = 0; i < 100000; i++) pt_str_puts(&s, " ");
        for (int i = 0; i < 30000; i++) pt_str_puts(&s, "\xE4\xBD\xA0");
        assert_int_equal(pt_tok_encode(t, s.text, s.len, true, true, &ids), PT_OK);
        pt_str back = {0};
        assert_int_equal(pt_tok_decode(t, ids.ids, ids.n, false, &back), PT_OK);
        assert_int_equal(back.len, s.len);
        assert_memory_equal(back.text, s.text, s.len);
        pt_str_free(&back);
        pt_str_free(&s);
        free(ids.ids);
        pt_tok_free(t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files),      cmocka_unit_test(test_configs),     cmocka_unit_test(test_nesting),
        cmocka_unit_test(test_truncated),  cmocka_unit_test(test_mutated),     cmocka_unit_test(test_specs),
        cmocka_unit_test(test_long_words), cmocka_unit_test(test_whole_words),
    };
    if (!mkdtemp(dir)) return 2;
    snprintf(path, sizeof path, "%s/tokenizer.json", dir);
    snprintf(config, sizeof config, "%s/tokenizer_config.json", dir);
    int rc = cmocka_run_group_tests_name("data_tokenizer_hostile", tests, NULL, NULL);
    pt_dir_remove(dir);
    return rc;
}

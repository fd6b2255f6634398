/* Vocabularies of GGUF files against llama.cpp's own vectors (../shared/data/tokconf/llamacpp): SentencePiece scores and four
 * byte-level pre-tokenizers. SmolLM2's against the tokenizers library and transformers (tok_real.json, template_real.json),
 * once the quickstart has fetched its base. Skipped without these files. With LLAMACPP_MODELS=FOLDER also all that stands under vendor/llama.cpp/models
 * in the source package llama-cpp-python 0.3.36. */
#include "tests/unit/template_check.h"

#include "train/model/source.h"

#define VOCABS "../shared/data/tokconf/llamacpp/ggml-vocab-"

/* Texts between marks, a line of ids for each. back: they decode to themselves. */
static void check_vectors(const char *name, const pt_tokenizer *t, const char *vocabs, bool back_too)
{
    static const char mark[] = "\n__ggml_vocab_test__\n";
    char path[256], *in, *out;
    size_t seen = 0;
    snprintf(path, sizeof path, "%s%s.gguf.inp", vocabs, name);
    assert_int_equal(pt_file_read(&in, NULL, path, 1 << 20), PT_OK);
    snprintf(path, sizeof path, "%s%s.gguf.out", vocabs, name);
    assert_int_equal(pt_file_read(&out, NULL, path, 1 << 20), PT_OK);
    char *want = out;
    for (char *p = in, *next; p && *want; p = next ? next + sizeof mark - 1 : NULL, seen++) {
        next = strstr(p, mark);
        size_t i = 0, n = next ? (size_t)(next - p) : strlen(p);
        pt_ids ids = {0};
        pt_str back = {0};
        assert_int_equal(pt_tok_encode(t, p, n, false, true, &ids), PT_OK);
        for (; *want && *want != '\n'; i++) {
            char *end;
            long id = strtol(want, &end, 10);
            if (end == want) break;
            if (i >= ids.n || ids.ids[i] != id) fail_msg("%s, text %zu: id %zu should be %ld", name, seen, i, id);
            want = end;
        }
        assert_int_equal(i, ids.n);
        want += strcspn(want, "\n");
        want += *want == '\n';
        assert_int_equal(pt_tok_decode(t, ids.ids, ids.n, false, &back), PT_OK);
        if (back_too) {
            assert_int_equal(back.len, n);
            assert_memory_equal(back.text, p, n);
        }
        pt_str_free(&back);
        free(ids.ids);
    }
    assert_true(seen >= 46);
    free(in);
    free(out);
}

static void test_vectors(void **state)
{
    static const struct {
        const char *name, *pre;
        bool add_bos;
    } v[] = {{"llama-spm", "default", true},
             {"gpt-2", "gpt-2", false},
             {"falcon", "falcon", false},
             {"deepseek-llm", "deepseek-llm", true}};
    for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
        char path[256];
        pt_tokenizer *t;
        snprintf(path, sizeof path, VOCABS "%s.gguf", v[i].name);
        if (!pt_file_exists(path)) skip();
        if (pt_source_vocabulary(path, &t) != PT_OK) fail_msg("%s", pt_err_msg());
        assert_string_equal(pt_tok_spec(t)->pre, v[i].pre);
        assert_int_equal(pt_tok_add_bos(t), v[i].add_bos);
        check_vectors(v[i].name, t, VOCABS, true);
        pt_tok_free(t);
    }
}

/* transformers.js' vectors of Llama 2 (BOS first, decoded too) and GPT-2 (decoded there with blanks tidied, as nothing here does). */
static void test_transformers_js(void **state)
{
    static const struct {
        const char *model, *vocab;
        bool decoded;
    } v[] = {{"Xenova/llama-tokenizer", "llama-spm", true}, {"Xenova/gpt2", "gpt-2", false}};
    if (!pt_file_exists("../shared/data/tokconf/hf_transformersjs_vectors.json")) skip();
    json_t *all = load("../shared/data/tokconf/hf_transformersjs_vectors.json"), *c;
    size_t seen = 0;
    for (int m = 0; m < 2; m++) {
        char path[256];
        const char *what;
        pt_tokenizer *t;
        snprintf(path, sizeof path, VOCABS "%s.gguf", v[m].vocab);
        if (pt_source_vocabulary(path, &t) != PT_OK) fail_msg("%s", pt_err_msg());
        json_object_foreach(json_object_get(json_object_get(all, v[m].model), "cases"), what, c)
        {
            const json_t *text = json_object_get(c, "text"), *want = json_object_get(c, "ids"), *back = json_object_get(c, "decoded");
            pt_ids ids = {0};
            pt_str s = {0};
            if (json_object_get(c, "text_pair")) continue;
            if (pt_tok_add_bos(t)) assert_int_equal(pt_ids_add(&ids, pt_tok_bos(t)), PT_OK);
            assert_int_equal(pt_tok_encode(t, json_string_value(text), json_string_length(text), true, true, &ids), PT_OK);
            bool ok = ids.n == json_array_size(want);
            for (size_t i = 0; ok && i < ids.n; i++) ok = json_integer_value(json_array_get(want, i)) == ids.ids[i];
            if (!ok) fail_msg("%s %s: other ids for '%s'", v[m].model, what, json_string_value(text));
            assert_int_equal(pt_tok_decode(t, ids.ids, ids.n, false, &s), PT_OK);
            if (v[m].decoded && strcmp(s.text, json_string_value(back)) != 0) fail_msg("%s %s: '%s' is not '%s'", v[m].model, what, s.text, json_string_value(back));
            pt_str_free(&s);
            free(ids.ids);
            seen++;
        }
        pt_tok_free(t);
    }
    json_decref(all);
    printf("# figure transformers.js vectors of GGUF vocabularies equal: %zu\n", seen);
}

/* The three files without vectors are only opened. */
static void test_package(void **state)
{
    static const struct {
        const char *name;
        bool vectors, back;
    } v[] = {{"bert-bge", true, false},    {"command-r", true, true}, {"deepseek-coder", true, true}, {"deepseek-llm", true, true}, {"falcon", true, true},
             {"gemma-4", true, true},      {"gpt-2", true, true},     {"llama-bpe", true, true},      {"llama-spm", true, true},    {"mpt", true, true},
             {"phi-3", true, true},        {"qwen2", true, true},     {"qwen35", true, true},         {"refact", true, true},       {"starcoder", true, true},
             {"aquila", false, false},     {"baichuan", false, false}, {"gpt-neox", false, false}};
    const char *dir = getenv("LLAMACPP_MODELS");
    if (!dir) skip();
    for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
        char path[512], vocabs[400];
        pt_tokenizer *t;
        snprintf(vocabs, sizeof vocabs, "%s/ggml-vocab-", dir);
        snprintf(path, sizeof path, "%s%s.gguf", vocabs, v[i].name);
        if (pt_source_vocabulary(path, &t) != PT_OK) fail_msg("%s", pt_err_msg());
        if (v[i].vectors) check_vectors(v[i].name, t, vocabs, v[i].back);
        pt_tok_free(t);
    }
    printf("# figure llama.cpp's vocabularies with equal ids: 15, opened: 18\n");
}

#define SMOLLM2 "cache/SmolLM2-135M-Instruct.Q4_1.gguf"

static void test_smollm2(void **state)
{
    if (!pt_file_exists(SMOLLM2) || !pt_file_exists("../shared/data/text/botchan_en.txt")) skip();
    json_t *real = load(DATA "tok_real.json"), *templates = load(DATA "template_real.json"),
           *g20 = load(DATA "template_golden.json"), *row;
    const json_t *styles = json_object_get(templates, "smollm2"), *convs = json_object_get(g20, "conversations");
    pt_tokenizer *t;
    size_t k;
    if (pt_source_vocabulary(SMOLLM2, &t) != PT_OK) fail_msg("%s", pt_err_msg());
    assert_false(pt_tok_add_bos(t));
    json_array_foreach(json_object_get(real, "smollm2"), k, row)
    {
        char path[256], hex[17], *text;
        pt_ids ids = {0};
        snprintf(path, sizeof path, "../shared/data/%s", json_string_value(json_object_get(row, "file")));
        assert_int_equal(pt_file_read(&text, NULL, path, 1 << 28), PT_OK);
        assert_int_equal(pt_tok_encode(t, text, (size_t)json_integer_value(json_object_get(row, "bytes")), true, true, &ids),
                         PT_OK);
        snprintf(hex, sizeof hex, "%016llx", (unsigned long long)pt_fnv1a(PT_FNV_START, ids.ids, ids.n * sizeof *ids.ids));
        assert_string_equal(hex, json_string_value(json_object_get(row, "hash")));
        free(ids.ids);
        free(text);
    }
    assert_int_equal(k, 4);
    check_style("tokenizer_default", json_object_get(styles, "smollm"), convs, t);
    check_style("chatml", json_object_get(styles, "chatml"), convs, t);
    pt_tok_free(t);
    json_decref(real);
    json_decref(templates);
    json_decref(g20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_vectors), cmocka_unit_test(test_transformers_js), cmocka_unit_test(test_package), cmocka_unit_test(test_smollm2)};
    return cmocka_run_group_tests_name("model_tok_gguf", tests, NULL, NULL);
}

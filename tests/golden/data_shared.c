/* Tokenizers and chat templates of real models, from ../shared/data, against goldens of others: the tokenizers library (hashes
 * in tok_real.json), transformers.js, llama.cpp, mistral-common, transformers' chat templates (template_real.json). Skipped without that
 * folder. */
#include "tests/unit/template_check.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/threads.h"

#define SHARED "../shared/data/"
#define LLAMA31 SHARED "chat_templates/templates/meta-llama-Llama-3.1-8B-Instruct.jinja"

/* gzip -dc from > to */
static bool gunzip(const char *from, const char *to)
{
    extern char **environ;
    char *argv[] = {"gzip", "-dc", (char *)from, NULL};
    posix_spawn_file_actions_t fa;
    pid_t pid;
    int status = 1;
    posix_spawn_file_actions_init(&fa);
    posix_spawn_file_actions_addopen(&fa, 1, to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (posix_spawnp(&pid, "gzip", &fa, NULL, argv, environ) == 0) waitpid(pid, &status, 0);
    posix_spawn_file_actions_destroy(&fa);
    return status == 0;
}

/* A folder with a shared vocabulary, unpacked; template_file (or NULL) becomes its chat template. NULL: not there. */
static pt_tokenizer *open_shared(const char *name, const char *template_file)
{
    char dir[] = "/tmp/ptrain_shared_XXXXXX", from[256], to[256], *text = NULL;
    size_t n;
    pt_tokenizer *t = NULL;
    snprintf(from, sizeof from, SHARED "tokenizers/%s/tokenizer.json.gz", name);
    if (!pt_file_exists(from) || !mkdtemp(dir)) return NULL;
    snprintf(to, sizeof to, "%s/tokenizer.json", dir);
    if (!gunzip(from, to)) goto done;
    snprintf(from, sizeof from, SHARED "tokenizers/%s/tokenizer_config.json", name);
    snprintf(to, sizeof to, "%s/tokenizer_config.json", dir);
    assert_int_equal(pt_file_read(&text, &n, from, 1 << 24), PT_OK);
    assert_int_equal(pt_file_write_whole(to, text, n), PT_OK);
    free(text);
    if (template_file) {
        snprintf(to, sizeof to, "%s/chat_template.jinja", dir);
        assert_int_equal(pt_file_read(&text, &n, template_file, 1 << 24), PT_OK);
        assert_int_equal(pt_file_write_whole(to, text, n), PT_OK);
        free(text);
    }
    if (pt_tok_open(&t, dir) != PT_OK) fail_msg("%s: %s", name, pt_err_msg());
done:
    pt_dir_remove(dir);
    return t;
}

static void test_texts(void **state)
{
    json_t *g = load(DATA "tok_real.json"), *rows, *row;
    const char *name;
    size_t k, seen = 0;
    json_object_foreach(g, name, rows) {
        double seconds = 0, total = 0;
        pt_tokenizer *t = open_shared(name, NULL);
        if (!t) continue;
        json_array_foreach(rows, k, row)
        {
            char path[256], hex[17], *text;
            size_t bytes = (size_t)json_integer_value(json_object_get(row, "bytes")), n;
            pt_ids ids = {0};
            snprintf(path, sizeof path, SHARED "%s", json_string_value(json_object_get(row, "file")));
            assert_int_equal(pt_file_read(&text, &n, path, 1 << 28), PT_OK);
            assert_true(n >= bytes);
            double start = pt_seconds();
            if (pt_tok_encode(t, text, bytes, true, true, &ids) != PT_OK) fail_msg("%s", pt_err_msg());
            seconds += pt_seconds() - start;
            total += (double)bytes;
            snprintf(hex, sizeof hex, "%016llx", (unsigned long long)pt_fnv1a(PT_FNV_START, ids.ids, ids.n * sizeof *ids.ids));
            if (strcmp(hex, json_string_value(json_object_get(row, "hash"))) != 0) fail_msg("%s on %s: other ids", name, path);
            pt_str back = {0};
            assert_int_equal(pt_tok_decode(t, ids.ids, ids.n, false, &back), PT_OK);
            assert_int_equal(back.len, bytes); /* none of these texts is changed by normalisation */
            assert_memory_equal(back.text, text, bytes);
            pt_str_free(&back);
            free(ids.ids);
            free(text);
            seen++;
        }
        printf("# figure %s: %.1f MB/s\n", name, total / seconds / 1e6);
        pt_tok_free(t);
    }
    json_decref(g);
    if (seen == 0) skip();
    printf("# figure real vocabularies: %zu texts of 150 kB with equal ids\n", seen);
}

/* transformers.js: text, ids (some begin with BOS), text decoded. */
static void test_vectors(void **state)
{
    static const char *const model[][2] = {{"Xenova/llama3-tokenizer-new", "llama3"},
                                           {"Xenova/gemma2-tokenizer", "gemma2"},
                                           {"Xenova/Qwen1.5-0.5B-Chat", "qwen3"}};
    if (!pt_file_exists(SHARED "tokconf/hf_transformersjs_vectors.json")) skip();
    json_t *v = load(SHARED "tokconf/hf_transformersjs_vectors.json"), *c;
    size_t seen = 0;
    for (int m = 0; m < 3; m++) {
        pt_tokenizer *t = open_shared(model[m][1], NULL);
        const char *what;
        if (!t) continue;
        json_object_foreach(json_object_get(json_object_get(v, model[m][0]), "cases"), what, c)
        {
            const json_t *text = json_object_get(c, "text"), *want = json_object_get(c, "ids");
            pt_ids ids = {0};
            if (json_object_get(c, "text_pair")) continue;
            size_t bos = json_integer_value(json_array_get(want, 0)) == pt_tok_bos(t) && pt_tok_bos(t) >= 0;
            assert_int_equal(pt_tok_encode(t, json_string_value(text), json_string_length(text), true, true, &ids), PT_OK);
            bool ok = ids.n + bos == json_array_size(want);
            for (size_t i = 0; ok && i < ids.n; i++) ok = json_integer_value(json_array_get(want, i + bos)) == ids.ids[i];
            if (!ok) fail_msg("%s %s: '%s'", model[m][0], what, json_string_value(text));
            free(ids.ids);
            seen++;
        }
        pt_tok_free(t);
    }
    json_decref(v);
    if (seen == 0) skip();
    printf("# figure transformers.js vectors equal: %zu\n", seen);
}

/* llama.cpp's vectors of qwen2 hold for Qwen3's vocabulary: texts between marks, a line of ids each. */
static void test_llamacpp(void **state)
{
    static const char mark[] = "\n__ggml_vocab_test__\n";
    char *in, *out;
    size_t seen = 0;
    if (!pt_file_exists(SHARED "tokconf/llamacpp/ggml-vocab-qwen2.gguf.inp")) skip();
    pt_tokenizer *t = open_shared("qwen3", NULL);
    if (!t) skip();
    assert_int_equal(pt_file_read(&in, NULL, SHARED "tokconf/llamacpp/ggml-vocab-qwen2.gguf.inp", 1 << 20), PT_OK);
    assert_int_equal(pt_file_read(&out, NULL, SHARED "tokconf/llamacpp/ggml-vocab-qwen2.gguf.out", 1 << 20), PT_OK);
    char *want = out;
    for (char *p = in, *next; p && *want; p = next ? next + sizeof mark - 1 : NULL, seen++) {
        next = strstr(p, mark);
        pt_ids ids = {0};
        assert_int_equal(pt_tok_encode(t, p, next ? (size_t)(next - p) : strlen(p), false, true, &ids), PT_OK);
        size_t i = 0;
        for (; *want && *want != '\n'; i++) {
            char *end;
            long id = strtol(want, &end, 10);
            if (end == want) break;
            if (i >= ids.n || ids.ids[i] != id) fail_msg("text %zu: id %zu should be %ld", seen, i, id);
            want = end;
        }
        assert_int_equal(i, ids.n);
        want += strcspn(want, "\n");
        want += *want == '\n';
        free(ids.ids);
    }
    assert_true(seen >= 46);
    free(in);
    free(out);
    pt_tok_free(t);
}

#define MISTRAL SHARED "tokconf/mistral_common/"

/* These texts are pieces: U+2581 stands for a blank, <0x0A> for a line's end; the blank that a text begins with is the tokenizer's own. */
static void encode_between(const pt_tokenizer *t, const char *s, size_t n, pt_ids *out)
{
    pt_str plain = {0};
    for (size_t i = 0; i < n;) {
        bool blank = i + 3 <= n && !memcmp(s + i, "\xe2\x96\x81", 3), line = i + 6 <= n && !memcmp(s + i, "<0x0A>", 6);
        assert_int_equal(pt_str_add(&plain, blank ? " " : line ? "\n" : s + i, 1), PT_OK);
        i += blank ? 3 : line ? 6 : 1;
    }
    size_t from = plain.len && plain.text[0] == ' ';
    if (plain.len > from && pt_tok_encode(t, plain.text + from, plain.len - from, false, true, out) != PT_OK) fail_msg("%s", pt_err_msg());
    pt_str_free(&plain);
}

static void same_prompt(const pt_tokenizer *t, const char *sample, const char *version)
{
    char path[256], *text;
    size_t n, at, end, from = 0;
    pt_ids got = {0};
    snprintf(path, sizeof path, MISTRAL "%s/text_%s.txt", sample, version);
    assert_int_equal(pt_file_read(&text, &n, path, 1 << 20), PT_OK);
    for (;;) {
        int32_t id = pt_tok_next_control(t, text, n, from, &at, &end);
        encode_between(t, text + from, (id < 0 ? n : at) - from, &got);
        if (id < 0) break;
        assert_int_equal(pt_ids_add(&got, id), PT_OK);
        from = end;
    }
    snprintf(path, sizeof path, MISTRAL "%s/tokens_%s.json", sample, version);
    json_t *whole = load(path), *want = json_object_get(whole, "tokens");
    for (size_t i = 0; i < got.n && i < json_array_size(want); i++)
        if (got.ids[i] != json_integer_value(json_array_get(want, i)))
            fail_msg("%s %s: token %zu is %d, not %lld", sample, version, i, got.ids[i], (long long)json_integer_value(json_array_get(want, i)));
    assert_int_equal(got.n, json_array_size(want));
    json_decref(whole);
    free(got.ids);
    free(text);
}

/* mistral-common's prompts: v3 by SentencePiece's file, v1 by the tokenizer.json of the first Mistral. */
static void test_mistral_v3(void **state)
{
    static const char *const samples[] = {"get_weather_full", "get_weather_no_history", "no_tools", "parallel_calls"};
    pt_tokenizer *t = NULL;
    if (!pt_file_exists(MISTRAL "no_tools/text_v3.txt")) skip();
    if (pt_tok_open(&t, "../shared/data/tokenizers/spm/mistral_instruct_240323.model.v3") != PT_OK) fail_msg("%s", pt_err_msg());
    for (int i = 0; i < 4; i++) same_prompt(t, samples[i], "v3");
    pt_tok_free(t);
}

static void test_mistral_v1(void **state)
{
    if (!pt_file_exists(MISTRAL "no_tools/text_v1.txt")) skip();
    pt_tokenizer *t = open_shared("mistral_v1", NULL);
    same_prompt(t, "no_tools", "v1");
    pt_tok_free(t);
}

/* axolotl's conversation, its pieces encoded one by one with Llama 2's SentencePiece file, as it did: system, "USER: ... ", "ASSISTANT: ...</s>" and the end. */
static void test_axolotl(void **state)
{
    static const char system[] = "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, and polite answers to the "
                                 "user's questions. ";
    pt_tokenizer *t = NULL;
    pt_ids ids = {0};
    json_t *turn;
    size_t k;
    if (!pt_file_exists(SHARED "tokconf/axolotl_conversation.json")) skip();
    if (pt_tok_open(&t, SHARED "tokenizers/spm/llama2_tokenizer.model") != PT_OK) fail_msg("%s", pt_err_msg());
    json_t *talk = load(SHARED "tokconf/axolotl_conversation.json"), *whole = load(SHARED "tokconf/axolotl_conversation.tokenized.json");
    const json_t *want = json_object_get(whole, "input_ids");
    assert_int_equal(pt_ids_add(&ids, pt_tok_bos(t)), PT_OK);
    assert_int_equal(pt_tok_encode(t, system, sizeof system - 1, false, true, &ids), PT_OK);
    json_array_foreach(json_object_get(talk, "conversations"), k, turn)
    {
        bool user = !strcmp(json_string_value(json_object_get(turn, "from")), "human");
        pt_str text = {0};
        assert_int_equal(pt_str_printf(&text, user ? "USER: %s " : "ASSISTANT: %s</s>", json_string_value(json_object_get(turn, "value"))), PT_OK);
        assert_int_equal(pt_tok_encode(t, text.text, text.len, false, true, &ids), PT_OK);
        if (!user) assert_int_equal(pt_ids_add(&ids, pt_tok_eos(t)), PT_OK);
        pt_str_free(&text);
    }
    assert_int_equal(ids.n, json_array_size(want));
    for (size_t i = 0; i < ids.n; i++) assert_int_equal(ids.ids[i], json_integer_value(json_array_get(want, i)));
    json_decref(talk);
    json_decref(whole);
    free(ids.ids);
    pt_tok_free(t);
}

/* Styles by vocabulary against the rows of a golden; how many. */
static size_t real_styles(const json_t *vocabularies, const json_t *convs)
{
    json_t *styles, *rows;
    const char *vocab, *style;
    size_t seen = 0;
    json_object_foreach((json_t *)vocabularies, vocab, styles)
    {
        pt_tokenizer *t = open_shared(vocab, NULL), *other = NULL;
        json_object_foreach(styles, style, rows)
        {
            bool llama31 = strcmp(style, "llama3.1") == 0, by_text = llama31 || strcmp(style, "qwen3") == 0;
            if (llama31) other = open_shared(vocab, LLAMA31);
            if (!t || (llama31 && !other)) continue;
            check_style(by_text ? "tokenizer_default" : style, rows, convs, llama31 ? other : t);
            seen++;
        }
        pt_tok_free(other);
        pt_tok_free(t);
    }
    return seen;
}

static void test_templates(void **state)
{
    json_t *g = load(DATA "template_real.json"), *g20 = load(DATA "template_golden.json"), *named = load(DATA "template_named.json");
    size_t seen = real_styles(g, json_object_get(g20, "conversations")), more = real_styles(json_object_get(named, "real"), json_object_get(named, "conversations"));
    json_decref(g);
    json_decref(g20);
    json_decref(named);
    if (seen + more == 0) skip();
    printf("# figure chat templates with real vocabularies: %zu styles equal transformers on 20 conversations, %zu on 40\n", seen, more);
}

/* Texts of real models are known by their digest, others are refused. */
static void test_known_texts(void **state)
{
    static const char *const known[][3] = {
        {"_base", "chatml", "tok_bpe"},
        {"cognitivecomputations/dolphin-2.5-mixtral-8x7b", "chatml", "tok_bpe"},
        {"Qwen/Qwen2.5-7B-Instruct", "qwen", "tok_bpe"},
        {"Qwen/Qwen3-0.6B", "qwen3", "tok_bpe"},
        {"llama", "llama2", "tok_spm"},
        {"HuggingFaceH4/zephyr-7b-beta (add_generation_prompt=true)", "zephyr", "tok_spm"},
        {"TheBloke/Mistral-7B-Instruct-v0.1-GPTQ", "mistral-v0.1", "tok_spm"},
        {"mistralai/Mixtral-8x7B-Instruct-v0.1", "mistral", "tok_spm"},
        {"deepseek-ai/deepseek-llm-7b-chat", "deepseek", "tok_spm"},
        {"openchat/openchat-3.5-0106", "tokenizer_default", "tok_spm"},
        {"Qwen/Qwen1.5-72B-Chat", "tokenizer_default", "tok_bpe"}, /* looks like ChatML, leaves the last turn open: runs as its own text */
        {"HuggingFaceTB/SmolLM3-3B", "tokenizer_default", "tok_bpe"},
    };
    json_t *row;
    size_t k, seen = 0;
    if (!pt_file_exists(SHARED "chat_templates/hf_jinja_goldens.json")) skip();
    json_t *g = load(SHARED "chat_templates/hf_jinja_goldens.json");
    json_array_foreach(g, k, row)
    {
        for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
            if (strcmp(json_string_value(json_object_get(row, "name")), known[i][0]) != 0) continue;
            pt_tokenizer *t = with_template(known[i][2], json_string_value(json_object_get(row, "template")));
            pt_template *p;
            pt_status rc = pt_template_open(&p, "tokenizer_default", t, NULL);
            if (rc != PT_OK) fail_msg("%s: %s", known[i][0], pt_err_msg());
            assert_string_equal(pt_template_name(p), known[i][1]);
            pt_template_free(p);
            pt_tok_free(t);
            seen++;
        }
    }
    assert_int_equal(seen, sizeof known / sizeof *known);
    json_decref(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_texts), cmocka_unit_test(test_vectors),
                                       cmocka_unit_test(test_llamacpp), cmocka_unit_test(test_mistral_v3),
                                       cmocka_unit_test(test_mistral_v1), cmocka_unit_test(test_axolotl), cmocka_unit_test(test_templates),
                                       cmocka_unit_test(test_known_texts)};
    return cmocka_run_group_tests_name("data_shared", tests, NULL, NULL);
}

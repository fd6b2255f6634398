/* Keys of a GGUF model as other writers put them: what llama.cpp reads is read, what would compute something else is refused by name. */
#include "tests/golden/model_fixture.h"

#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "checkpoints/gguf.h"
#include "train/export/export.h"
#include "train/model/source_impl.h"

static char tmp[64], plain[128], edited[128], last_note[2048];
static const pt_model_caps caps = {.tokens = 64, .segs = 8, .heads = 64, .rows = 64, .groups = 8};

static void take_note(void *user, pt_log_level level, const char *text)
{
    if (level == PT_LOG_WARN) snprintf(last_note, sizeof last_note, "%s", text);
}

typedef enum kind { U32, I32, F32, BOOL, TEXT, U32S, I32S, F32S } kind;
typedef struct edit {
    const char *key; /* replaced, or put anew; NULL ends */
    kind kind;
    double v, w;      /* numbers; lists hold both */
    const char *text; /* TEXT; NULL with TEXT: the key goes */
} edit;

static void put(pt_gguf_writer *w, const edit *e)
{
    uint32_t u[2] = {e->v < 0 ? 0 : (uint32_t)e->v, e->w < 0 ? 0 : (uint32_t)e->w};
    int32_t i[2] = {(int32_t)fmin(e->v, INT32_MAX), (int32_t)e->w};
    float f[2] = {(float)e->v, (float)e->w};
    switch (e->kind) {
    case U32: OK(pt_gguf_put_u32(w, e->key, u[0])); break;
    case I32: OK(pt_gguf_put_i32(w, e->key, i[0])); break;
    case F32: OK(pt_gguf_put_f32(w, e->key, f[0])); break;
    case BOOL: OK(pt_gguf_put_bool(w, e->key, e->v != 0)); break;
    case U32S: OK(pt_gguf_put_u32s(w, e->key, u, 2)); break;
    case I32S: OK(pt_gguf_put_i32s(w, e->key, i, 2)); break;
    case F32S: OK(pt_gguf_put_f32s(w, e->key, f, 2)); break;
    default:
        if (e->text) OK(pt_gguf_put_text(w, e->key, e->text, strlen(e->text)));
    }
}

/* The plain file without our seal and its window, and with e[n] put in. */
static void write_edited(const edit *e, size_t n)
{
    pt_gguf *g;
    pt_gguf_writer w;
    OK(pt_gguf_open(&g, plain));
    OK(pt_gguf_writer_open(&w, edited));
    for (size_t i = 0; i < g->n_kvs; i++) {
        bool skip = !strncmp(g->kvs[i].key, "ptrain", 6) || strstr(g->kvs[i].key, "sliding_window");
        for (size_t k = 0; k < n; k++) skip = skip || !strcmp(g->kvs[i].key, e[k].key);
        if (!skip) OK(pt_gguf_put_copy(&w, g->kvs[i].key, &g->kvs[i]));
    }
    for (size_t k = 0; k < n; k++) put(&w, &e[k]);
    for (size_t i = 0; i < g->n_tensors; i++)
        OK(pt_gguf_put_tensor(&w, g->tensors[i].name, g->tensors[i].type, g->tensors[i].n_dims, g->tensors[i].dims));
    for (size_t i = 0; i < g->n_tensors; i++) OK(pt_gguf_write(&w, g->tensors[i].data, g->tensors[i].bytes));
    OK(pt_gguf_writer_commit(&w));
    pt_gguf_writer_close(&w);
    pt_gguf_close(g);
}

static void test_read(void **state)
{
    static const edit same[] = {
        {"llama.attention.head_count_kv", U32S, 2, 2, NULL},      {"llama.attention.head_count", I32S, 4, 4, NULL},
        {"llama.feed_forward_length", U32S, 64, 64, NULL},        {"llama.rope.scaling.factor", F32, 0, 0, NULL},
        {"general.file_type", U32, 999, 0, NULL},                 {"general.type", U32, 5, 0, NULL},
        {"tokenizer.ggml.eos_token_id", U32, 5000, 0, NULL},      {"tokenizer.ggml.bos_token_id", U32, 4294967295.0, 0, NULL},
        {"tokenizer.ggml.padding_token_id", I32, -1, 0, NULL},    {"odd.list", F32S, NAN, INFINITY, NULL},
        {"odd.text", TEXT, 0, 0, "\xff\xfe"},                     {"llama.vocab_size", U32, 5, 0, NULL},
        {"llama.rope.scaling.attn_factor", F32, 1, 0, NULL},      {"llama.attention.causal", BOOL, 1, 0, NULL},
        {"llama.rope.scaling.yarn_ext_factor", F32, 0, 0, NULL},  {"llama.attention.sliding_window", U32, 0, 0, NULL},
        {"general.quantization_version", TEXT, 0, 0, NULL},       {"llama.context_length", TEXT, 0, 0, NULL},
    };
    pt_source *want, *s;
    write_edited(NULL, 0);
    OK(pt_source_open(&want, edited));
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        write_edited(&same[i], 1);
        if (pt_source_open(&s, edited) != PT_OK) fail_msg("%s: %s", same[i].key, pt_err_msg());
        pt_model_config a = want->cfg, b = s->cfg;
        a.eos = b.eos, a.bos = b.bos, a.pad = b.pad, a.max_positions = b.max_positions;
        if (strstr(same[i].key, "_token_id")) assert_int_equal(strstr(same[i].key, "eos") ? b.eos : strstr(same[i].key, "bos") ? b.bos : b.pad, -1);
        if (a.heads != b.heads || a.kv_heads != b.kv_heads || a.ffn != b.ffn || a.vocab != b.vocab || a.scaling != b.scaling || a.window != b.window)
            fail_msg("%s gives another model", same[i].key);
        pt_source_free(s);
    }
    pt_source_free(want);
}

static void test_refused(void **state)
{
    static const struct {
        edit e[2];
        size_t n;
        pt_status status;
        const char *says;
    } cases[] = {
        {{{"llama.attention.head_count_kv", U32S, 2, 1, NULL}}, 1, PT_ENOSUP, "llama.attention.head_count_kv differs from layer to layer"},
        {{{"llama.attention.causal", BOOL, 0, 0, NULL}}, 1, PT_ENOSUP, "llama.attention.causal: false"},
        {{{"llama.rope.scaling.attn_factor", F32, 1.5, 0, NULL}}, 1, PT_ENOSUP, "llama.rope.scaling.attn_factor 1.5"},
        {{{"llama.rope.scaling.yarn_ext_factor", F32, 1, 0, NULL}}, 1, PT_ENOSUP, "llama.rope.scaling.yarn_ext_factor 1"},
        {{{"llama.rope.scaling.factor", F32, NAN, 0, NULL}}, 1, PT_EFORMAT, "llama.rope.scaling.factor"},
        {{{"llama.rope.scaling.factor", F32, -2, 0, NULL}}, 1, PT_EFORMAT, "the rope scaling factor is -2"},
        {{{"general.type", TEXT, 0, 0, "adapter"}}, 1, PT_ENOSUP, "'adapter'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pt_source *s;
        write_edited(cases[i].e, cases[i].n);
        pt_status rc = pt_source_open(&s, edited);
        if (rc != cases[i].status || !strstr(pt_err_msg(), cases[i].says)) fail_msg("case %zu: %s %s", i, pt_status_name(rc), rc ? pt_err_msg() : "");
    }
}

/* YaRN's two attention factors multiply. */
static void test_yarn(void **state)
{
    static const edit e[] = {{"llama.rope.scaling.type", TEXT, 0, 0, "yarn"},
                             {"llama.rope.scaling.factor", F32, 4, 0, NULL},
                             {"llama.rope.scaling.attn_factor", F32, 0.5, 0, NULL},
                             {"llama.rope.scaling.yarn_attn_factor", F32, 3, 0, NULL},
                             {"llama.rope.scaling.original_context_length", U32, 64, 0, NULL}};
    pt_source *s;
    write_edited(e, 5);
    OK(pt_source_open(&s, edited));
    assert_true(fabs(s->cfg.attention_factor - 1.5 * (1 + 0.1 * log(4))) < 1e-6);
    assert_int_equal(pt_config_positions(&s->cfg), 256);
    pt_source_free(s);
}

/* What a base says of itself goes into its exports, but for what they say themselves. */
static void test_kept(void **state)
{
    static const edit e[] = {{"general.license", TEXT, 0, 0, "mit"}, {"general.size_label", TEXT, 0, 0, "1K"}, {"general.name", TEXT, 0, 0, "base"},
                             {"general.file_type", U32, 7, 0, NULL}, {"odd.key", U32, 1, 0, NULL}};
    char out[128];
    bench b;
    pt_gguf *g;
    pt_gguf_str s;
    int64_t v;
    write_edited(e, 5);
    bench_open(&b, &pt_ops_cpu, PT_COMPUTE_F32, edited, &(pt_model_options){0}, &caps);
    snprintf(out, sizeof out, "%s/out.gguf", tmp);
    OK(pt_export_gguf(b.m, out, &(pt_export_options){.type = PT_F32, .base_name = "tuned"}));
    bench_close(&b);
    OK(pt_gguf_open(&g, out));
    OK(pt_gguf_text(g, "general.license", &s));
    assert_true(s.n == 3 && !memcmp(s.s, "mit", 3));
    assert_non_null(pt_gguf_find(g, "general.size_label"));
    OK(pt_gguf_text(g, "general.name", &s));
    assert_true(s.n == 5 && !memcmp(s.s, "tuned", 5));
    OK(pt_gguf_int(g, "general.file_type", 0, 99, &v));
    assert_int_equal(v, 0);
    assert_null(pt_gguf_find(g, "odd.key"));
    pt_gguf_close(g);
}

static void test_empty(void **state)
{
    pt_source *s;
    OK(pt_file_write_whole(edited, "", 0));
    assert_int_equal(pt_source_open(&s, edited), PT_EFORMAT);
    assert_non_null(strstr(pt_err_msg(), "edited.gguf: not a GGUF file: it is empty"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_read), cmocka_unit_test(test_refused), cmocka_unit_test(test_yarn),
                                       cmocka_unit_test(test_kept), cmocka_unit_test(test_empty)};
    bench b;
    snprintf(tmp, sizeof tmp, "/tmp/ptrain_keys_XXXXXX");
    if (!mkdtemp(tmp)) return 1;
    snprintf(plain, sizeof plain, "%s/plain.gguf", tmp);
    snprintf(edited, sizeof edited, "%s/edited.gguf", tmp);
    pt_log_set_sink(take_note, NULL);
    bench_open(&b, &pt_ops_cpu, PT_COMPUTE_F32, FIXTURES "/mistral", &(pt_model_options){0}, &caps);
    pt_export_options opt = {.type = PT_F32};
    if (pt_export_gguf(b.m, plain, &opt) != PT_OK) return printf("%s\n", pt_err_msg()), 1;
    bench_close(&b);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)pt_dir_remove(tmp);
    return failed;
}

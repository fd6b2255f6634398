/* The same weights under other names, tied and untied, beside tensors nobody reads: one model each time. */
#include "tests/golden/model_fixture.h"

#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "train/export/export.h"
#include "train/model/source_impl.h"

static char tmp[64], last_note[2048];
static int notes;
static const pt_model_caps caps = {.tokens = 64, .segs = 8, .heads = 64, .rows = 64, .groups = 8};

static void take_note(void *user, pt_log_level level, const char *text)
{
    if (level != PT_LOG_WARN) return;
    notes++;
    snprintf(last_note, sizeof last_note, "%s", text);
}

enum { NO_EMBED = 1, NO_HEAD = 2, HEAD_IS_EMBED = 4, EXTRA = 8 };

typedef struct variant {
    const char *prefix; /* stands for "model." */
    int tie;            /* tie_word_embeddings: 0, 1, -1 = not said */
    unsigned bits;
    const char *note; /* NULL: none expected */
    bool tied;
} variant;

static void put_config(const char *dir, const variant *v)
{
    char path[256];
    json_t *c = fixture_json("llama", "config.json");
    OK(pt_dir_make(dir));
    json_object_del(c, "tie_word_embeddings");
    if (v->tie >= 0) json_object_set_new(c, "tie_word_embeddings", json_boolean(v->tie));
    snprintf(path, sizeof path, "%s/config.json", dir);
    assert_int_equal(json_dump_file(c, path, 0), 0);
    json_decref(c);
}

/* Tensors [from, to) of the fixture as v has them. */
static void put_weights(const char *file, const variant *v, size_t from, size_t to)
{
    static const struct {
        const char *name;
        pt_dtype type;
        int n_dims;
        int64_t dims[2];
        size_t bytes;
    } extra[] = {{"steps", PT_F64, 1, {3}, 24},
                 {"model.layers.0.self_attn.rotary_emb.inv_freq", PT_F32, 1, {4}, 16},
                 {"model.layers.1.attn.masked_bias", PT_F32, 0, {0}, 4},
                 {"vision_tower.blocks.0.weight", PT_F16, 2, {2, 3}, 12},
                 {"model.layers.0.mlp.up_proj.bias", PT_F16, 1, {64}, 128}};
    static const char zeros[128];
    pt_st *st;
    pt_st_writer w = {0};
    OK(pt_st_open(&st, FIXTURES "/llama"));
    const pt_st_tensor *embed = pt_st_find(st, "model.embed_tokens.weight");
    OK(pt_st_writer_open(&w, file));
    for (int write = 0; write < 2; write++) {
        for (size_t i = 0; (v->bits & EXTRA) && i < sizeof extra / sizeof *extra; i++)
            if (write)
                OK(pt_st_writer_write(&w, zeros, extra[i].bytes));
            else
                OK(pt_st_writer_add(&w, extra[i].name, extra[i].type, extra[i].n_dims, extra[i].dims));
        for (size_t i = from; i < st->n_tensors && i < to; i++) {
            const pt_st_tensor *t = &st->tensors[i];
            bool head = !strcmp(t->name, "lm_head.weight");
            char name[256];
            if ((head && (v->bits & NO_HEAD)) || (t == embed && (v->bits & NO_EMBED))) continue;
            snprintf(name, sizeof name, "%s%s", head ? "" : v->prefix, head ? t->name : t->name + 6);
            const pt_st_tensor *of = head && (v->bits & HEAD_IS_EMBED) ? embed : t;
            if (write)
                OK(pt_st_writer_write(&w, of->data, of->bytes));
            else
                OK(pt_st_writer_add(&w, name, t->type, t->n_dims, t->dims));
        }
    }
    OK(pt_st_writer_commit(&w));
    pt_st_writer_close(&w);
    pt_st_close(st);
}

static void row_logps(const char *path, float *logp)
{
    bench b;
    int32_t ids[9] = {1, 50, 60, 70, 80, 90, 100, 110, 2};
    bench_open(&b, &pt_ops_cpu, PT_COMPUTE_F32, path, &(pt_model_options){0}, &caps);
    OK(pt_model_token_logps(b.m, ids, 9, PT_SLOT_NONE, logp));
    bench_close(&b);
}

static void test_names_and_ties(void **state)
{
    static const variant variants[] = {
        {"model.", 0, 0, NULL, false},
        {"model.", -1, 0, NULL, false},
        {"", 0, 0, NULL, false},
        {"model.language_model.", 0, 0, NULL, false},
        {"language_model.model.", 0, 0, NULL, false},
        {"model.", 0, EXTRA, "3 tensors have no place in this llama model and are not used, first model.layers.0.mlp.up_proj.bias", false},
        {"model.", 1, 0, "they are not tied", false}, /* transformers 5 takes the file's word */
        {"model.", 1, NO_HEAD, NULL, true},
        {"model.", 1, HEAD_IS_EMBED, NULL, true},
        {"model.", 1, HEAD_IS_EMBED | NO_EMBED, NULL, true},
        {"", 1, NO_HEAD, NULL, true},
        {"model.", 0, NO_HEAD, "the embedding is the head", true},
        {"", -1, NO_HEAD, "the embedding is the head", true},
    };
    float want[2][8] = {{0}}, got[8];
    pt_log_set_sink(take_note, NULL);
    for (size_t i = 0; i < sizeof variants / sizeof *variants; i++) {
        const variant *v = &variants[i];
        char dir[128], file[256];
        snprintf(dir, sizeof dir, "%s/v%zu", tmp, i);
        put_config(dir, v);
        snprintf(file, sizeof file, "%s/model.safetensors", dir);
        put_weights(file, v, 0, SIZE_MAX);
        notes = 0;
        last_note[0] = 0;
        row_logps(dir, got);
        if (notes != (v->note != NULL) || (v->note && !strstr(last_note, v->note))) fail_msg("variant %zu: %d notes: %s", i, notes, last_note);
        if (want[v->tied][0] == 0) memcpy(want[v->tied], got, sizeof got);
        if (memcmp(want[v->tied], got, sizeof got)) fail_msg("variant %zu is another model (%g, not %g)", i, (double)got[0], (double)want[v->tied][0]);
    }
    assert_true(fabsf(want[0][0] - want[1][0]) > 1e-3f);
    row_logps(FIXTURES "/llama", got);
    assert_memory_equal(got, want[0], sizeof got);
    pt_log_set_sink(NULL, NULL);
}

/* The config of an export says how its weights lie, whatever the base's said. */
static void test_exports_say_their_ties(void **state)
{
    static const variant variants[] = {
        {"", 0, NO_HEAD, NULL, true}, {"model.", 1, 0, NULL, false}, {"model.", 1, HEAD_IS_EMBED, NULL, true}, {"", -1, 0, NULL, false}};
    float want[8], got[8];
    for (size_t i = 0; i < sizeof variants / sizeof *variants; i++) {
        char dir[128], file[256], out[128];
        bench b;
        pt_export_options opt = {.type = PT_BF16};
        pt_source *s;
        snprintf(dir, sizeof dir, "%s/e%zu", tmp, i);
        snprintf(out, sizeof out, "%s/x%zu", tmp, i);
        put_config(dir, &variants[i]);
        snprintf(file, sizeof file, "%s/model.safetensors", dir);
        put_weights(file, &variants[i], 0, SIZE_MAX);
        row_logps(dir, want);
        bench_open(&b, &pt_ops_cpu, PT_COMPUTE_F32, dir, &(pt_model_options){0}, &caps);
        OK(pt_export_hf(b.m, out, &opt));
        bench_close(&b);
        row_logps(out, got);
        assert_memory_equal(got, want, sizeof got);
        snprintf(file, sizeof file, "%s/config.json", out);
        json_t *c;
        OK(pt_json_load(&c, file, 1 << 16, PT_JSON_OBJECT));
        assert_int_equal(json_is_true(json_object_get(c, "tie_word_embeddings")), variants[i].tied);
        json_decref(c);
        OK(pt_source_open(&s, out));
        assert_int_equal(pt_source_has(s, "lm_head.weight"), !variants[i].tied);
        pt_source_free(s);
    }
}

static void test_neither_name(void **state)
{
    variant v = {"model.", 1, NO_EMBED | NO_HEAD, NULL, true};
    char dir[128], file[256];
    pt_source *s;
    snprintf(dir, sizeof dir, "%s/neither", tmp);
    put_config(dir, &v);
    snprintf(file, sizeof file, "%s/model.safetensors", dir);
    put_weights(file, &v, 0, SIZE_MAX);
    assert_int_equal(pt_source_open(&s, dir), PT_EFORMAT);
    assert_non_null(strstr(pt_err_msg(), "model.embed_tokens.weight"));
}

/* An index that names tensors that are not there, puts others into the wrong shard, and leaves some out; and a tensor in two shards. */
static void test_index(void **state)
{
    variant v = {"model.", 0, 0, NULL, false};
    char dir[128], file[256];
    float want[8], got[8];
    row_logps(FIXTURES "/llama", want);
    snprintf(dir, sizeof dir, "%s/index", tmp);
    put_config(dir, &v);
    for (int k = 1; k <= 2; k++) {
        snprintf(file, sizeof file, "%s/%d.safetensors", dir, k);
        put_weights(file, &v, k == 1 ? 0 : 8, k == 1 ? 9 : SIZE_MAX); /* tensor 8 is in both */
    }
    json_t *index = json_pack("{s:{s:s,s:s,s:s}}", "weight_map", "lm_head.weight", "1.safetensors", "model.norm.weight", "2.safetensors",
                              "gone.weight", "1.safetensors");
    snprintf(file, sizeof file, "%s/model.safetensors.index.json", dir);
    assert_int_equal(json_dump_file(index, file, 0), 0);
    json_decref(index);
    row_logps(dir, got);
    assert_memory_equal(got, want, sizeof got);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_names_and_ties), cmocka_unit_test(test_exports_say_their_ties), cmocka_unit_test(test_neither_name),
                                       cmocka_unit_test(test_index)};
    snprintf(tmp, sizeof tmp, "/tmp/ptrain_stored_XXXXXX");
    if (!mkdtemp(tmp)) return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)pt_dir_remove(tmp);
    return failed;
}

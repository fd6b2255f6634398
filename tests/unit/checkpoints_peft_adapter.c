/* checkpoints/peft.h against PEFT (tests/golden/peft_files.py), round trips, and refused or broken adapters with their
 * messages. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>

#include "checkpoints/peft.h"
#include "tests/scratch.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))
static const char golden[] = "tests/golden/data/peft_adapter";

static void write_config(const char *text)
{
    scratch_write(scratch_path("adapter_config.json"), text, strlen(text));
}

static void reads_the_package_s_adapter(void **state)
{
    pt_peft *p;
    pt_st *st;
    const pt_st_tensor *t;
    int64_t r;
    double alpha, scale;
    assert_int_equal(pt_peft_read(&p, golden), PT_OK);
    assert_true(p->r == 4 && p->alpha == 8 && p->rslora && fabs(p->dropout - 0.05) < 1e-12);
    assert_string_equal(p->task_type, "CAUSAL_LM");
    assert_int_equal(p->targets.n, 3);
    assert_int_equal(pt_peft_scale(p, "model.layers.0.self_attn.q_proj", &r, &alpha, &scale), PT_OK);
    assert_true(r == 2 && alpha == 8 && fabs(scale - 8 / sqrt(2)) < 1e-12);
    assert_int_equal(pt_peft_scale(p, "model.layers.1.mlp.down_proj", &r, &alpha, &scale), PT_OK);
    assert_true(r == 4 && alpha == 32 && scale == 16);
    assert_int_equal(pt_peft_open_tensors(p, &st, golden), PT_OK);
    assert_int_equal(pt_peft_find(st, "model.layers.1.self_attn.v_proj", PT_PEFT_B, &t), PT_OK);
    assert_true(t && t->dims[0] == 8 && t->dims[1] == 4);
    assert_int_equal(pt_peft_find(st, "model.layers.1.self_attn.k_proj", PT_PEFT_B, &t), PT_OK);
    assert_null(t);
    pt_st_close(st);
    pt_peft_free(p);
}

/* The adapter read, written by us and read again is the same. With PTRAIN_KEEP=FOLDER it stays there, for
 * "peft_files.py --check FOLDER". */
static void rewrites_the_adapter(void **state)
{
    const char *keep = getenv("PTRAIN_KEEP"), *dir = keep ? keep : scratch_path("again");
    pt_peft *p, *q;
    pt_st *st, *again;
    pt_st_writer w;
    char *path;
    assert_int_equal(pt_dir_make(dir), PT_OK);
    assert_int_equal(pt_peft_read(&p, golden), PT_OK);
    assert_int_equal(pt_peft_open_tensors(p, &st, golden), PT_OK);
    assert_int_equal(pt_peft_write(p, dir), PT_OK);
    assert_int_equal(pt_path_join(&path, dir, "adapter_model.safetensors"), PT_OK);
    assert_int_equal(pt_st_writer_open(&w, path), PT_OK);
    for (size_t i = 0; i < st->n_tensors; i++) {
        const pt_st_tensor *t = &st->tensors[i];
        assert_int_equal(pt_st_writer_add(&w, t->name, t->type, t->n_dims, t->dims), PT_OK);
    }
    for (size_t i = 0; i < st->n_tensors; i++)
        assert_int_equal(pt_st_writer_write(&w, st->tensors[i].data, st->tensors[i].bytes), PT_OK);
    assert_int_equal(pt_st_writer_commit(&w), PT_OK);
    pt_st_writer_close(&w);
    assert_int_equal(pt_peft_read(&q, dir), PT_OK);
    assert_true(q->r == 4 && q->alpha == 8 && q->rslora && q->dropout == p->dropout && q->targets.n == 3 && q->ranks.n == 1 &&
                q->alphas.n == 1);
    assert_string_equal(q->alphas.items[0].text, "layers.1.mlp.down_proj");
    assert_string_equal(q->task_type, "CAUSAL_LM");
    assert_int_equal(pt_peft_open_tensors(q, &again, dir), PT_OK);
    assert_int_equal(again->n_tensors, st->n_tensors);
    for (size_t i = 0; i < st->n_tensors; i++) {
        assert_string_equal(again->tensors[i].name, st->tensors[i].name);
        assert_memory_equal(again->tensors[i].data, st->tensors[i].data, st->tensors[i].bytes);
    }
    pt_st_close(st);
    pt_st_close(again);
    pt_peft_free(p);
    pt_peft_free(q);
    free(path);
}

/* One configuration of peft_targets.json: written out, read by us, asked about every path. */
static size_t check_case(const json_t *c, json_t *paths)
{
    pt_peft *p;
    size_t i, hits = 0;
    json_t *path;
    char *text = json_dumps(json_object_get(c, "config"), 0);
    write_config(text);
    free(text);
    assert_int_equal(pt_peft_read(&p, scratch_dir), PT_OK);
    /* what we write must mean the same */
    for (int round = 0; round < 2; round++) {
        json_array_foreach(paths, i, path)
        {
            const json_t *want = json_object_get(json_object_get(c, "hits"), json_string_value(path));
            bool hit;
            int64_t r;
            double alpha, scale;
            assert_int_equal(pt_peft_targets(p, json_string_value(path), &hit), PT_OK);
            if (hit != (want != NULL)) fail_msg("%s: %d", json_string_value(path), hit);
            if (!hit) continue;
            hits++;
            assert_int_equal(pt_peft_scale(p, json_string_value(path), &r, &alpha, &scale), PT_OK);
            assert_int_equal(r, json_integer_value(json_array_get(want, 0)));
            assert_true(alpha == json_number_value(json_array_get(want, 1)));
            assert_true(fabs(scale - json_number_value(json_array_get(want, 2))) < 1e-12);
        }
        if (round) break;
        assert_int_equal(pt_peft_write(p, scratch_dir), PT_OK);
        pt_peft_free(p);
        assert_int_equal(pt_peft_read(&p, scratch_dir), PT_OK);
    }
    pt_peft_free(p);
    return hits;
}

static void targets_equal_peft(void **state)
{
    json_error_t err;
    json_t *root = json_load_file("tests/golden/data/peft_targets.json", 0, &err), *c;
    size_t i, hits = 0;
    assert_non_null(root);
    json_array_foreach(json_object_get(root, "cases"), i, c) hits += check_case(c, json_object_get(root, "paths"));
    assert_int_equal(i, 14);
    assert_true(hits == 2 * (15 + 5 + 14 + 19 + 8 + 3 + 10 + 4 + 6 + 6 + 3 + 10 + 19 + 11));
    json_decref(root);
}

static void all_linear_spares_the_head(void **state)
{
    pt_peft *p;
    bool hit;
    assert_int_equal(pt_peft_new(&p, 8, 16), PT_OK);
    assert_int_equal(pt_peft_set_target_regex(p, "all-linear"), PT_OK);
    assert_int_equal(pt_peft_targets(p, "model.layers.0.mlp.up_proj", &hit), PT_OK);
    assert_true(hit);
    assert_int_equal(pt_peft_targets(p, "lm_head", &hit), PT_OK);
    assert_false(hit);
    assert_int_equal(pt_peft_targets(p, "score", &hit), PT_OK);
    assert_false(hit);
    pt_peft_free(p);
}

static void tensor_names(void **state)
{
    static const struct {
        const char *name, *path;
        pt_peft_part part;
    } good[] = {
        {"base_model.model.model.layers.0.mlp.up_proj.lora_A.weight", "model.layers.0.mlp.up_proj", PT_PEFT_A},
        {"base_model.model.model.layers.0.mlp.up_proj.lora_B.default.weight", "model.layers.0.mlp.up_proj", PT_PEFT_B},
        {"base_model.model.score.weight", "score.weight", PT_PEFT_SAVED},
        {"base_model.model.score.modules_to_save.default.weight", "score.weight", PT_PEFT_SAVED},
    };
    static const char *const bad[] = {"base_model.model.model.embed_tokens.lora_embedding_A",
                                      "base_model.model.x.lora_magnitude_vector.weight",
                                      "base_model.model.x.lora_B.bias",
                                      "base_model.model.x.base_layer.weight",
                                      "base_model.model.x.other",
                                      "base_model.model.b"};
    char *path, *name;
    pt_peft_part part;
    for (size_t i = 0; i < COUNT(good); i++) {
        assert_int_equal(pt_peft_parse_name(good[i].name, &path, &part), PT_OK);
        assert_string_equal(path, good[i].path);
        assert_int_equal(part, good[i].part);
        assert_int_equal(pt_peft_tensor_name(&name, path, part), PT_OK);
        if (i % 3 == 0 || i == 2) assert_string_equal(name, i == 3 ? "base_model.model.score.weight" : good[i].name);
        free(path);
        free(name);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        char want[256];
        assert_int_equal(pt_peft_parse_name(bad[i], &path, &part), PT_ENOSUP);
        snprintf(want, sizeof want, "tensor '%s' is neither a LoRA matrix of a linear layer nor a saved module", bad[i]);
        assert_string_equal(pt_err_msg(), want);
    }
    assert_int_equal(pt_peft_parse_name("model.x.lora_A.weight", &path, &part), PT_ENOSUP);
    assert_string_equal(pt_err_msg(), "tensor 'model.x.lora_A.weight' does not start with 'base_model.model.'");
}

#define OK_ "\"peft_type\":\"LORA\",\"target_modules\":[\"q_proj\"],\"bias\":\"none\""

static const struct bad_config {
    const char *json;
    pt_status status;
    const char *text; /* NULL: it must be read */
} configs[] = {
    {"{" OK_ "}", PT_OK, NULL},
    {"{" OK_ ",\"use_dora\":false,\"layer_replication\":null,\"loftq_config\":{},\"some_new_field\":null,\"lora_bias\":false}",
     PT_OK, NULL},
    {"{" OK_ ",\"init_lora_weights\":\"gaussian\",\"megatron_core\":\"megatron.core\",\"qalora_group_size\":16}", PT_OK, NULL},
    {"{" OK_ ",\"use_dora\":true}", PT_ENOSUP, "adapter_config.json: use_dora is set: DoRA rescales the base weights"},
    {"{\"peft_type\":\"LORA\",\"target_modules\":[\"q\"],\"bias\":\"all\"}", PT_ENOSUP,
     "adapter_config.json: bias is 'all': trained biases are not kept"},
    {"{" OK_ ",\"lora_bias\":true}", PT_ENOSUP, "adapter_config.json: lora_bias is set: a bias beside lora_B is not kept"},
    {"{" OK_ ",\"layer_replication\":[[0,2]]}", PT_ENOSUP,
     "adapter_config.json: layer_replication is set: layers are not replicated"},
    {"{" OK_ ",\"trainable_token_indices\":7}", PT_EFORMAT,
     "adapter_config.json: trainable_token_indices is an integer, not a list of token ids, or a mapping of modules to such lists"},
    {"{" OK_ ",\"trainable_token_indices\":{\"embed_tokens\":[7,8],\"lm_head\":[7,8]}}", PT_OK, NULL},
    {"{" OK_ ",\"trainable_token_indices\":{\"embed_tokens\":[7,8],\"lm_head\":[7,9]}}", PT_ENOSUP,
     "adapter_config.json: trainable_token_indices names other rows for lm_head than for embed_tokens"},
    {"{" OK_ ",\"megatron_config\":{\"a\":1}}", PT_ENOSUP,
     "adapter_config.json: megatron_config is set: Megatron's parallel layers are not read"},
    {"{" OK_ ",\"note\":\"mine\",\"trained_at\":1e30,\"loss\":NaN,\"r\":3,\"r\":4}", PT_OK, NULL},
    {"{" OK_ ",\"use_newlora\":true}", PT_ENOSUP, "adapter_config.json: use_newlora is set, a feature that is not known here"},
    {"{" OK_ ",\"new_config\":{\"a\":1}}", PT_ENOSUP, "adapter_config.json: new_config is set, a feature that is not known here"},
    {"{" OK_ ",\"arrow_config\":{\"a\":1}}", PT_ENOSUP, "adapter_config.json: arrow_config is set: adapters are not routed by Arrow"},
    {"{" OK_ ",\"r\":NaN}", PT_EFORMAT, "adapter_config.json: r is NaN, not a number"},
    {"{" OK_ ",\"lora_alpha\":1e999}", PT_EFORMAT, "adapter_config.json: lora_alpha is Infinity, not a number"},
    {"{" OK_ ",\"init_lora_weights\":\"pissa\"}", PT_ENOSUP,
     "adapter_config.json: init_lora_weights is 'pissa': the adapter fits a base that was changed when it was made; convert it "
     "to plain LoRA with PEFT's path_initial_model_for_weight_conversion"},
    {"{" OK_ ",\"task_type\":\"TOKEN_CLS\"}", PT_ENOSUP,
     "adapter_config.json: task_type is 'TOKEN_CLS': only CAUSAL_LM and SEQ_CLS are supported"},
    {"{\"peft_type\":\"IA3\",\"target_modules\":[\"q\"]}", PT_ENOSUP,
     "adapter_config.json: peft_type is 'IA3': only LORA adapters are read"},
    {"{\"target_modules\":[\"q\"]}", PT_EFORMAT, "adapter_config.json: peft_type is missing, not \"LORA\""},
    {"{\"peft_type\":\"LORA\"}", PT_ENOSUP, "adapter_config.json: target_modules is missing; name the modules"},
    {"{" OK_ ",\"r\":0}", PT_EFORMAT, "adapter_config.json: r is 0; it must lie in 1..65536"},
    {"{" OK_ ",\"r\":2.5}", PT_EFORMAT, "adapter_config.json: r is 2.5, not an integer"},
    {"{" OK_ ",\"r\":\"8\"}", PT_EFORMAT, "adapter_config.json: r is a text, not a number"},
    {"{" OK_ ",\"lora_dropout\":2}", PT_EFORMAT, "adapter_config.json: lora_dropout is 2; it must lie in 0..1"},
    {"{" OK_ ",\"use_rslora\":1}", PT_EFORMAT, "adapter_config.json: use_rslora is an integer, not true or false"},
    {"{" OK_ ",\"rank_pattern\":{\"q\":0}}", PT_EFORMAT, "adapter_config.json: rank_pattern of 'q' is no usable number"},
    {"{" OK_ ",\"rank_pattern\":[]}", PT_EFORMAT,
     "adapter_config.json: rank_pattern is a list, not an object of names and numbers"},
    {"{" OK_ ",\"alpha_pattern\":{\"(\":1}}", PT_EARG,
     "adapter_config.json: the regular expression '(' does not compile: missing closing parenthesis"},
    {"{" OK_ ",\"modules_to_save\":\"score\"}", PT_EFORMAT,
     "adapter_config.json: modules_to_save is a text, not a list of names"},
    {"{" OK_ ",\"layers_to_transform\":[\"x\"]}", PT_EFORMAT,
     "adapter_config.json: layers_to_transform is a text, not a layer number or a list of them"},
    {"{\"peft_type\":\"LORA\",\"target_modules\":\"q.*\",\"layers_to_transform\":1}", PT_EFORMAT,
     "adapter_config.json: layers_to_transform beside a regular expression in target_modules; PEFT refuses it too"},
    {"{\"peft_type\":\"LORA\",\"target_modules\":[1]}", PT_EFORMAT,
     "adapter_config.json: target_modules is an integer, not a list of names"},
    {"{\"peft_type\":\n \"LORA\",}", PT_EFORMAT, "adapter_config.json:2:9: broken JSON: a key in quotes is wanted"},
    {"[]", PT_EFORMAT, "adapter_config.json: the text is a list; an object {...} is wanted"},
    {"{\"r\":\"\xff\"}", PT_EFORMAT, "adapter_config.json:1:7: broken JSON: a string is not UTF-8"},
};

static void configs_refused(void **state)
{
    for (size_t i = 0; i < COUNT(configs); i++) {
        pt_peft *p;
        write_config(configs[i].json);
        pt_status rc = pt_peft_read(&p, scratch_dir);
        if (configs[i].text) assert_string_equal(scratch_message(), configs[i].text);
        assert_int_equal(rc, configs[i].status);
        assert_true((p != NULL) == (rc == PT_OK));
        pt_peft_free(p);
    }
}

static void hostile_regex_stops(void **state)
{
    pt_peft *p;
    bool hit;
    char path[64];
    memset(path, 'a', 40);
    memcpy(path + 40, "!", 2);
    assert_int_equal(pt_peft_new(&p, 8, 8), PT_OK);
    assert_int_equal(pt_peft_set_target_regex(p, "(a|aa)+"), PT_OK);
    assert_int_equal(pt_peft_targets(p, path, &hit), PT_EFORMAT);
    assert_non_null(strstr(pt_err_msg(), "takes too long"));
    assert_int_equal(pt_peft_set_target_regex(p, "[z-a]"), PT_EARG);
    pt_peft_free(p);
    assert_int_equal(pt_peft_new(&p, 0, 8), PT_EARG);
    assert_int_equal(pt_peft_new(&p, 8, (double)NAN), PT_EARG);
}

/* An adapter of one linear [3, 4] with rank r_file, B left out or a NaN in it, and one more tensor. */
static void write_adapter(int64_t r_file, bool with_b, float value, const char *more)
{
    pt_st_writer w;
    float x[64] = {0};
    assert_int_equal(pt_st_writer_open(&w, scratch_path("adapter_model.safetensors")), PT_OK);
    const char *a = "base_model.model.m.q_proj.lora_A.weight", *b = "base_model.model.m.q_proj.lora_B.weight";
    assert_int_equal(pt_st_writer_add(&w, a, PT_F32, 2, (int64_t[]){r_file, 4}), PT_OK);
    if (with_b) assert_int_equal(pt_st_writer_add(&w, b, PT_F32, 2, (int64_t[]){3, r_file}), PT_OK);
    if (more) assert_int_equal(pt_st_writer_add(&w, more, PT_F32, 1, (int64_t[]){1}), PT_OK);
    x[5] = value;
    assert_int_equal(pt_st_writer_write(&w, x, w.declared), PT_OK);
    assert_int_equal(pt_st_writer_commit(&w), PT_OK);
    pt_st_writer_close(&w);
}

static void tensors_checked(void **state)
{
    static const struct {
        int64_t r;
        bool with_b;
        float value;
        const char *more;
        pt_status status;
        const char *text;
    } cases[] = {
        {2, true, 1, NULL, PT_OK, NULL},
        {2, true, 1, "base_model.model.score.weight", PT_OK, NULL},
        {3, true, 1, NULL, PT_ESHAPE,
         "adapter_model.safetensors: tensor 'base_model.model.m.q_proj.lora_A.weight' does not have rank 2, which "
         "adapter_config.json gives its module"},
        {2, false, 1, NULL, PT_EFORMAT,
         "adapter_model.safetensors: tensor 'base_model.model.m.q_proj.lora_A.weight' has no lora_B beside it"},
        {2, true, NAN, NULL, PT_ENONFINITE,
         "adapter_model.safetensors: element 5 of tensor 'base_model.model.m.q_proj.lora_A.weight' is nan"},
        {2, true, 1, "base_model.model.m.q_proj.lora_magnitude_vector", PT_ENOSUP,
         "adapter_model.safetensors: tensor 'base_model.model.m.q_proj.lora_magnitude_vector' is neither a LoRA matrix of a "
         "linear layer nor a saved module"},
    };
    pt_peft *p;
    pt_st *st;
    assert_int_equal(pt_peft_new(&p, 2, 8), PT_OK);
    for (size_t i = 0; i < COUNT(cases); i++) {
        write_adapter(cases[i].r, cases[i].with_b, cases[i].value, cases[i].more);
        pt_status rc = pt_peft_open_tensors(p, &st, scratch_dir);
        if (cases[i].text) assert_string_equal(scratch_message(), cases[i].text);
        assert_int_equal(rc, cases[i].status);
        pt_st_close(st);
    }
    assert_int_equal(pt_dir_remove(scratch_path("adapter_model.safetensors")), PT_OK);
    assert_int_equal(pt_peft_open_tensors(p, &st, scratch_dir), PT_EIO);
    assert_string_equal(scratch_message(), "cannot open adapter_model.safetensors: No such file or directory");
    scratch_write(scratch_path("adapter_model.bin"), "x", 1);
    assert_int_equal(pt_peft_open_tensors(p, &st, scratch_dir), PT_ENOSUP);
    assert_string_equal(scratch_message(),
                        "adapter_model.bin is not read; load the adapter in PEFT and save it again (safetensors)");
    pt_peft_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_the_package_s_adapter),
        cmocka_unit_test(rewrites_the_adapter),
        cmocka_unit_test(targets_equal_peft),
        cmocka_unit_test(all_linear_spares_the_head),
        cmocka_unit_test(tensor_names),
        cmocka_unit_test(configs_refused),
        cmocka_unit_test(hostile_regex_stops),
        cmocka_unit_test(tensors_checked),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}

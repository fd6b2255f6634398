/* config.json to switches: both spellings, every family's rules, and what is refused by name. */
#include "tests/golden/model_fixture.h"

#include "train/model/families.h"

#define LLAMA                                                                                                                  \
    "\"model_type\":\"llama\",\"vocab_size\":32,\"hidden_size\":16,\"intermediate_size\":24,\"num_hidden_layers\":4,\"num_"    \
    "attention_heads\":4"
#define QWEN2                                                                                                                  \
    "\"model_type\":\"qwen2\",\"vocab_size\":32,\"hidden_size\":16,\"intermediate_size\":24,\"num_hidden_layers\":4,\"num_"    \
    "attention_heads\":4,\"num_key_value_heads\":2"
#define MISTRAL                                                                                                                \
    "\"model_type\":\"mistral\",\"vocab_size\":32,\"hidden_size\":32,\"intermediate_size\":24,\"num_hidden_layers\":4,\"num_"  \
    "attention_heads\":8"

static pt_status parse(const char *json, pt_model_config *c)
{
    return pt_config_from_hf(c, json, strlen(json), "config.json");
}

static pt_model_config good(const char *json)
{
    pt_model_config c;
    OK(parse(json, &c));
    return c;
}

static void refused(const char *json, pt_status status, const char *says)
{
    pt_model_config c;
    pt_status rc = parse(json, &c);
    if (rc != status || !strstr(pt_err_msg(), says))
        fail_msg("%s\ngave %s: %s\nexpected %s with '%s'", json, pt_status_name(rc), rc ? pt_err_msg() : "",
                 pt_status_name(status), says);
}

static void test_defaults(void **state)
{
    pt_model_config c = good("{" LLAMA "}");
    assert_int_equal(c.kv_heads, 4);
    assert_int_equal(c.head_dim, 4);
    assert_int_equal(c.rot, 4);
    assert_int_equal(c.window, 0);
    assert_int_equal(c.bos, -1);
    assert_false(c.tied || c.qkv_bias || c.qk_norm);
    assert_true(c.rope_theta == 10000 && c.scaling == PT_ROPE_SCALE_NONE && c.rope_kind == PT_ROPE_HALF &&
                c.act == PT_ACT_SILU);
    c = good("{" LLAMA ",\"tie_word_embeddings\":true,\"eos_token_id\":[7,9],\"bos_token_id\":3,\"pad_token_id\":null,\"hidden_"
                       "act\":\"gelu_pytorch_tanh\"}");
    assert_true(c.tied && c.eos == 7 && c.bos == 3 && c.pad == -1 && c.act == PT_ACT_GELU_TANH);
    c = good("{" LLAMA ",\"rope_parameters\":{\"rope_type\":\"default\",\"rope_theta\":5000},\"head_dim\":8.0}");
    assert_int_equal(c.head_dim, 8);
    assert_true(c.rope_theta == 5000);
    c = good("{" LLAMA ",\"attention_bias\":true,\"mlp_bias\":true,\"hidden_act\":\"relu2\",\"clip_qkv\":null,\"alibi\":false,\"logits_scaling\":1.0}");
    assert_true(c.qkv_bias && c.o_bias && c.mlp_bias && c.act == PT_ACT_RELU2);
}

static void test_windows(void **state)
{
    assert_int_equal(good("{" MISTRAL "}").window, 4096); /* MistralConfig's default */
    assert_int_equal(good("{" MISTRAL "}").kv_heads, 8);
    assert_int_equal(good("{" MISTRAL ",\"sliding_window\":null}").window, 0);
    assert_int_equal(good("{" MISTRAL ",\"sliding_window\":17}").window, 17);
    assert_int_equal(good("{" LLAMA ",\"sliding_window\":17}").window,
                     0); /* no key of this family: transformers ignores it too */
    assert_int_equal(good("{" QWEN2 ",\"sliding_window\":17}").window, 0);
    assert_int_equal(good("{" QWEN2 ",\"sliding_window\":17,\"use_sliding_window\":true}").window,
                     0); /* max_window_layers 28 > 4 */
    pt_model_config c = good("{" QWEN2 ",\"sliding_window\":17,\"use_sliding_window\":true,\"max_window_layers\":2}");
    assert_true(c.window == 17 && c.window_from_layer == 2 && c.qkv_bias);
    c = good("{" QWEN2 ",\"sliding_window\":17,\"use_sliding_window\":true,"
             "\"layer_types\":[\"full_attention\",\"full_attention\",\"full_attention\",\"sliding_attention\"]}");
    assert_true(c.window == 17 && c.window_from_layer == 3);
    c = good("{" QWEN2 ",\"sliding_window\":17,\"use_sliding_window\":true,"
             "\"layer_types\":[\"sliding_attention\",\"full_attention\",\"sliding_attention\",\"full_attention\"]}");
    for (int l = 0; l < 4; l++) assert_int_equal(pt_config_window(&c, l), l % 2 ? 0 : 17);
    refused("{" QWEN2 ",\"layer_types\":[\"full_attention\"]}", PT_EFORMAT, "layer_types lists 1 layers");
    refused("{" QWEN2 ",\"layer_types\":[\"x\",\"x\",\"x\",\"x\"]}", PT_ENOSUP, "layer_types[0]");
}

static void test_refused(void **state)
{
    static const struct {
        const char *json;
        pt_status status;
        const char *says;
    } cases[] = {
        {"", PT_EFORMAT, "config.json:1"},
        {"[1]", PT_EFORMAT, "an object {...} is wanted"},
        {"{}", PT_EFORMAT, "model_type is missing"},
        {"{\"model_type\":\"mamba\"}", PT_ENOSUP, "'mamba'"},
        {"{\"model_type\":\"mamba\"}", PT_ENOSUP, "qwen3"}, /* what is supported is listed */
        {"{" LLAMA ",\"clip_qkv\":8}", PT_ENOSUP, "clip_qkv changes what the model computes"},
        {"{" MISTRAL ",\"logits_scaling\":8.0}", PT_ENOSUP, "logits_scaling"},
        {"{" QWEN2 ",\"attn_logit_softcapping\":50.0}", PT_ENOSUP, "attn_logit_softcapping"},
        {"{" LLAMA ",\"num_experts\":8}", PT_ENOSUP, "experts"},
        {"{" LLAMA ",\"quantization_config\":{\"quant_method\":\"awq\"}}", PT_ENOSUP, "awq"},
        {"{" LLAMA ",\"hidden_act\":\"mish\"}", PT_ENOSUP, "mish"},
        {"{" LLAMA ",\"hidden_act\":7}", PT_ENOSUP, "hidden_act"},
        {"{" LLAMA ",\"num_key_value_heads\":3}", PT_EFORMAT, "KV heads"},
        {"{" LLAMA ",\"head_dim\":3}", PT_EFORMAT, "rotary"},
        {"{" LLAMA ",\"head_dim\":0}", PT_EFORMAT, "head size"},
        {"{" LLAMA ",\"num_hidden_layers\":0}", PT_EFORMAT, "layers"},
        {"{" LLAMA ",\"vocab_size\":\"big\"}", PT_EFORMAT, "vocab_size"}, /* of a key that stands twice the last value counts */
        {"{\"model_type\":\"llama\",\"vocab_size\":\"big\"}", PT_EFORMAT, "vocab_size"},
        {"{\"model_type\":\"llama\",\"vocab_size\":99999999999}", PT_EFORMAT, "vocab_size"},
        {"{\"model_type\":\"llama\",\"vocab_size\":-1}", PT_EFORMAT, "vocab_size"},
        {"{\"model_type\":\"llama\",\"vocab_size\":8}", PT_EFORMAT, "hidden_size is missing"},
        {"{" LLAMA ",\"rms_norm_eps\":\"x\"}", PT_EFORMAT, "rms_norm_eps"},
        {"{" LLAMA ",\"rope_theta\":0}", PT_EFORMAT, "theta"},
        {"{" LLAMA ",\"partial_rotary_factor\":0.5,\"rope_scaling\":{\"type\":\"linear\",\"factor\":2}}", PT_ENOSUP,
         "partial_rotary_factor"},
        {"{" LLAMA ",\"rope_theta\":NaN}", PT_EFORMAT, "rope_theta is NaN"},
        {"{" LLAMA ",\"rope_scaling\":Infinity}", PT_EFORMAT, "rope_scaling is Infinity"},
        {"{" LLAMA ",\"sliding_window\":4,\"max_position_embeddings\":Infinity}", PT_EFORMAT, "max_position_embeddings is Infinity"},
        {"{" LLAMA ",\"intermediate_size\":18446744073709551616}", PT_EFORMAT, "intermediate_size is 1.8"},
        {"{" LLAMA ",\"model_type\":\"a\\u0000b\"}", PT_EFORMAT, "model_type"},
        {"{" LLAMA ",\"rope_scaling\":{\"rope_type\":\"longrope\"}}", PT_EFORMAT, "short_factor"},
        {"{" LLAMA ",\"rope_scaling\":{\"type\":\"linear\"}}", PT_EFORMAT, "factor"},
        {"{" LLAMA ",\"rope_scaling\":{\"type\":\"linear\",\"factor\":-2}}", PT_EFORMAT, "factor"},
        {"{" LLAMA ",\"rope_scaling\":{\"rope_type\":\"llama3\",\"factor\":8}}", PT_EFORMAT, "low_freq_factor"},
        {"{" LLAMA ",\"rope_scaling\":\"yes\"}", PT_EFORMAT, "rope_scaling"},
        {"{" LLAMA ",\"rope_parameters\":[1]}", PT_EFORMAT, "rope_parameters"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) refused(cases[i].json, cases[i].status, cases[i].says);
}

static void check_rope(const char *what, const pt_model_config *c, json_t *want, double mscale, double limit)
{
    float f[128], m;
    pt_rope_frequencies(c, NULL, f, &m);
    assert_int_equal(json_array_size(want), c->rot / 2);
    for (int i = 0; i < c->rot / 2; i++) {
        double w = json_number_value(json_array_get(want, (size_t)i));
        if (!(fabs((double)f[i] / w - 1) <= limit))
            fail_msg("%s: inv_freq[%d] = %.9g, expected %.9g", what, i, (double)f[i], w);
    }
    if (!(fabs((double)m - mscale) <= 1e-6)) fail_msg("%s: mscale %.9g, expected %.9g", what, (double)m, mscale);
}

/* transformers' frequencies for every scaling, in both spellings */
static void test_rope(void **state)
{
    json_t *cases = fixture_json("", "rope.json"), *v;
    size_t i;
    json_array_foreach(cases, i, v)
    {
        char *text = json_dumps(json_object_get(v, "config"), 0), what[32];
        pt_model_config c = good(text);
        snprintf(what, sizeof what, "case %zu", i);
        check_rope(what, &c, json_object_get(v, "inv_freq"), json_num(v, "mscale"), 3e-6); /* transformers forms them in f32 */
        free(text);
    }
    assert_true(json_array_size(cases) >= 8);
    json_decref(cases);
}

/* Both spellings of rope beside each other, null and missing, windows, and numbers as Python writes them: transformers' own reading. */
static void test_spellings(void **state)
{
    json_t *cases = fixture_json("", "config_spellings.json"), *v, *w;
    size_t i, k;
    json_array_foreach(cases, i, v)
    {
        const char *text = json_string_value(json_object_get(v, "text"));
        pt_model_config c = good(text);
        check_rope(text, &c, json_object_get(v, "inv_freq"), json_num(v, "mscale"), 3e-6);
        assert_int_equal(c.kv_heads, (int)json_num(v, "kv_heads"));
        assert_int_equal(c.head_dim, (int)json_num(v, "head_dim"));
        assert_int_equal(c.tied, json_is_true(json_object_get(v, "tied")));
        json_array_foreach(json_object_get(v, "windows"), k, w)
        {
            int have = pt_config_window(&c, (int)k);
            if (have != (int)json_integer_value(w)) fail_msg("%s: window of layer %zu is %d", text, k, have);
        }
    }
    assert_true(json_array_size(cases) > 35);
    json_decref(cases);
}

/* Gemma 3 within a model that sees: text_config with what differs from transformers' defaults. */
static void test_within(void **state)
{
    pt_model_config c = good("{\"model_type\":\"gemma3\",\"architectures\":[\"Gemma3ForConditionalGeneration\"],\"vision_config\":{\"hidden_size\":8},"
                             "\"text_config\":{\"model_type\":\"gemma3_text\",\"hidden_size\":64,\"intermediate_size\":32,\"num_hidden_layers\":7,"
                             "\"rope_scaling\":{\"factor\":8.0,\"rope_type\":\"linear\"},\"sliding_window\":9}}");
    assert_string_equal(c.family, "gemma3_text");
    assert_true(c.vocab == 262208 && c.heads == 8 && c.kv_heads == 4 && c.head_dim == 256 && c.tied && c.norm_add == 1 && c.post_norm);
    assert_true(c.rope_theta == 1e6 && c.rope_local_theta == 1e4 && c.scaling == PT_ROPE_SCALE_LINEAR && c.scale_factor == 8 && c.attn_scale == 1.0f / 16);
    for (int l = 0; l < 7; l++) {
        assert_int_equal(pt_config_window(&c, l), l == 5 ? 0 : 9);
        assert_int_equal(c.layer[l] & PT_LAYER_LOCAL, l == 5 ? 0 : PT_LAYER_LOCAL);
    }
    refused("{\"model_type\":\"gemma3\"}", PT_EFORMAT, "text_config");
    c = good("{\"model_type\":\"mistral3\",\"text_config\":{" MISTRAL ",\"sliding_window\":null,\"head_dim\":6}}");
    assert_true(!strcmp(c.family, "mistral") && c.window == 0 && c.head_dim == 6 && c.kv_heads == 8);
    refused("{\"model_type\":\"mistral3\",\"text_config\":{\"model_type\":\"ministral3\"}}", PT_ENOSUP, "ministral3");
    refused("{\"model_type\":\"gemma3\",\"text_config\":{\"hidden_size\":64,\"intermediate_size\":32,\"num_hidden_layers\":1,\"attn_logit_softcapping\":5.0}}", PT_ENOSUP,
            "attn_logit_softcapping");
}

static void test_rope_llama3_shared(void **state)
{
    const char *path = "../shared/data/weights/tiny_hf/rope_llama3_golden.json";
    json_error_t e;
    json_t *g = json_load_file(path, 0, &e), *v;
    if (!g) {
        print_message("# skip: %s is not here\n", path);
        skip();
    }
    pt_model_config c = {.rot = (int)json_num(g, "head_dim"),
                         .rope_theta = json_num(g, "rope_theta"),
                         .scaling = PT_ROPE_SCALE_LLAMA3,
                         .scale_factor = json_num(g, "factor"),
                         .low_freq_factor = json_num(g, "low_freq_factor"),
                         .high_freq_factor = json_num(g, "high_freq_factor"),
                         .original_positions = (int)json_num(g, "original_max_position_embeddings")};
    json_t *inverse = json_array();
    size_t i;
    json_array_foreach(json_object_get(g, "wavelength_over_2pi (1/inv_freq)"), i, v)
        json_array_append_new(inverse, json_real(1 / json_number_value(v)));
    check_rope("shared", &c, inverse, 1, 1e-6);
    json_decref(inverse);
    json_decref(g);
}

/* GGUF's divisors */
static void test_rope_freqs(void **state)
{
    pt_model_config c = {.rot = 4, .rope_theta = 100, .scaling = PT_ROPE_SCALE_FREQS};
    float f[2], m, divisors[2] = {2, 5};
    pt_rope_frequencies(&c, divisors, f, &m);
    assert_true(fabsf(f[0] - 0.5f) < 1e-7f && fabsf(f[1] - 0.02f) < 1e-8f && m == 1);
}

/* Phi-3's two lists, by transformers' formula; which one holds; what is no such list. */
static void test_longrope(void **state)
{
#define PHI3 "{\"model_type\":\"phi3\",\"vocab_size\":8,\"hidden_size\":16,\"intermediate_size\":8,\"num_hidden_layers\":1,\"num_attention_heads\":2," \
             "\"max_position_embeddings\":131072,\"partial_rotary_factor\":0.5,\"rope_theta\":100"
#define LISTS "\"short_factor\":[1,1.25],\"long_factor\":[2,8]"
    pt_model_config c = good(PHI3 ",\"rope_scaling\":{\"type\":\"su\"," LISTS "}}");
    float f[2], m;
    assert_true(c.fused_qkv && c.fused_gate_up && c.scaling == PT_ROPE_SCALE_LONG && c.rot == 4 && c.window == 0);
    assert_int_equal(c.original_positions, 4096); /* Phi3Config's */
    assert_int_equal(pt_config_positions(&c), 131072);
    pt_rope_frequencies(&c, NULL, f, &m);
    assert_true(f[0] == 1 && fabsf(f[1] - 0.08f) < 1e-8f && fabs((double)m - sqrt(1 + log(32) / log(4096))) < 1e-6);
    c.rope_long = true;
    pt_rope_frequencies(&c, NULL, f, &m);
    assert_true(f[0] == 0.5f && fabsf(f[1] - 0.0125f) < 1e-8f && fabs((double)m - sqrt(1 + log(32) / log(4096))) < 1e-6);
    c = good(PHI3 ",\"original_max_position_embeddings\":64,\"rope_scaling\":{\"type\":\"longrope\",\"original_max_position_embeddings\":7,\"attention_factor\":1.5," LISTS "}}");
    assert_true(c.original_positions == 64 && c.attention_factor == 1.5);
    refused(PHI3 ",\"rope_scaling\":{\"type\":\"longrope\",\"short_factor\":[1,1.25],\"long_factor\":[2]}}", PT_EFORMAT, "long_factor of rope scaling 'longrope' is no list of 2");
    refused(PHI3 ",\"rope_scaling\":{\"type\":\"longrope\",\"short_factor\":[1,0],\"long_factor\":[2,8]}}", PT_EFORMAT, "number 1 of short_factor is 0");
    refused(PHI3 ",\"original_max_position_embeddings\":0,\"rope_scaling\":{\"type\":\"longrope\"," LISTS "}}", PT_EFORMAT, "original_max_position_embeddings");
    refused(PHI3 ",\"rope_scaling\":{\"type\":\"linear\",\"factor\":2}}", PT_ENOSUP, "longrope");
}

/* What ChatGLM's own code can do beside what its published models ask for. */
static void test_chatglm(void **state)
{
#define CHATGLM "{\"model_type\":\"chatglm\",\"padded_vocab_size\":8,\"hidden_size\":16,\"ffn_hidden_size\":8,\"num_layers\":1,\"num_attention_heads\":2,\"kv_channels\":8"
    pt_model_config c = good(CHATGLM ",\"multi_query_attention\":true,\"rope_ratio\":500,\"quantization_bit\":0,\"pre_seq_len\":null}");
    assert_true(c.kv_heads == 1 && c.rot == 4 && c.rope_theta == 5e6 && c.rope_kind == PT_ROPE_ADJACENT && c.max_positions == 2048);
    refused(CHATGLM "}", PT_ENOSUP, "multi_query_attention: false");
    refused(CHATGLM ",\"multi_query_attention\":true,\"rmsnorm\":false}", PT_ENOSUP, "rmsnorm: false");
    refused(CHATGLM ",\"multi_query_attention\":true,\"add_bias_linear\":true}", PT_ENOSUP, "add_bias_linear: true");
    refused(CHATGLM ",\"multi_query_attention\":true,\"post_layer_norm\":false}", PT_ENOSUP, "post_layer_norm: false");
    refused(CHATGLM ",\"multi_query_attention\":true,\"apply_residual_connection_post_layernorm\":true}", PT_ENOSUP, "apply_residual_connection_post_layernorm");
    refused(CHATGLM ",\"multi_query_attention\":true,\"quantization_bit\":4}", PT_ENOSUP, "quantization_bit: 4");
    refused(CHATGLM ",\"multi_query_attention\":true,\"pre_seq_len\":128}", PT_ENOSUP, "pre_seq_len: 128");
    refused(CHATGLM ",\"multi_query_attention\":true,\"rope_ratio\":0}", PT_EFORMAT, "rope_ratio is 0");
}

static void test_names(void **state)
{
    static const char *const pairs[][2] = {
        {"model.embed_tokens.weight", "token_embd.weight"},
        {"lm_head.weight", "output.weight"},
        {"model.layers.17.self_attn.q_proj.bias", "blk.17.attn_q.bias"},
        {"model.layers.0.post_attention_layernorm.weight", "blk.0.ffn_norm.weight"},
        {"model.layers.3.self_attn.k_proj.weight", "blk.3.attn_k.weight"},
        {"model.layers.3.mlp.down_proj.weight", "blk.3.ffn_down.weight"},
        {"score.weight", NULL},
    };
    pt_model_config c = {.family = "qwen2", .vocab = 20, .hidden = 16, .ffn = 8, .layers = 18, .heads = 4, .kv_heads = 2, .head_dim = 4, .qkv_bias = true};
    pt_tensor_spec *t;
    size_t n, found = 0;
    char out[128];
    assert_int_equal(pt_config_tensors(&c, PT_HEAD_VOCABULARY | PT_HEAD_VALUES, 3, &t, &n), PT_OK);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < sizeof pairs / sizeof *pairs; k++) {
            if (strcmp(t[i].name, pairs[k][0])) continue;
            found++;
            assert_int_equal(pt_tensor_gguf_name(pt_family_of(&c), &t[i], out, sizeof out), pairs[k][1] != NULL);
            if (pairs[k][1]) assert_string_equal(out, pairs[k][1]);
        }
    assert_int_equal(found, sizeof pairs / sizeof *pairs);
    free(t);
    for (int64_t r = 0; r < 24; r++) assert_int_equal(pt_row_hf_of_adjacent(pt_row_adjacent_of_hf(r, 8), 8), r);
    assert_int_equal(pt_row_hf_of_adjacent(8 + 3, 8), 8 + 4 + 1);
    for (int64_t r = 0; r < 32; r++) assert_int_equal(pt_row_from(&c, PT_ROWS_TO_GROUPED, pt_row_from(&c, PT_ROWS_FROM_GROUPED, r)), r);
    assert_int_equal(pt_row_from(&c, PT_ROWS_FROM_GROUPED, 16 + 4 + 1), 2 * 16 - 8 + 1); /* the second k head's row 1, behind the first group's 16 rows and two q heads */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_windows),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_rope),
        cmocka_unit_test(test_spellings),
        cmocka_unit_test(test_within),
        cmocka_unit_test(test_rope_llama3_shared),
        cmocka_unit_test(test_rope_freqs),
        cmocka_unit_test(test_longrope),
        cmocka_unit_test(test_chatglm),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

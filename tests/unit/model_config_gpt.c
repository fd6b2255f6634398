/* config.json of GPT-2 and of its kin to switches: defaults, and what is refused by name. */
#include "tests/golden/model_fixture.h"

#include "train/model/families.h"

#define FALCON "\"model_type\":\"falcon\",\"vocab_size\":32,\"hidden_size\":24,\"num_hidden_layers\":2,\"num_attention_heads\":6"
#define OPT "\"model_type\":\"opt\",\"vocab_size\":32,\"hidden_size\":24,\"ffn_dim\":40,\"num_hidden_layers\":2,\"num_attention_heads\":6"
#define GPT2 "\"model_type\":\"gpt2\",\"vocab_size\":32,\"n_embd\":16,\"n_layer\":2,\"n_head\":4"

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
        fail_msg("%s\ngave %s: %s\nexpected %s with '%s'", json, pt_status_name(rc), rc ? pt_err_msg() : "", pt_status_name(status), says);
}

static void test_gpt2(void **state)
{
    pt_model_config c = good("{" GPT2 ",\"n_inner\":null,\"attn_pdrop\":0.1}");
    (void)state;
    assert_true(c.ffn == 64 && c.kv_heads == 4 && c.head_dim == 4 && c.rot == 0 && c.tied);
    assert_true(c.learned_positions == 1024 && c.position_offset == 0 && pt_config_positions(&c) == 1024);
    assert_true(c.act == PT_ACT_GELU_TANH && c.norm == PT_NORM_LAYER && c.norm_bias && c.fused_qkv && c.plain_mlp);
    assert_true(c.qkv_bias && c.o_bias && c.mlp_bias && c.norm_eps == 1e-5f);
    assert_true(pt_config_layer_scale(&c, 3) == 0.5f);
    c = good("{" GPT2 ",\"n_inner\":24,\"n_positions\":8,\"scale_attn_weights\":false,\"scale_attn_by_inverse_layer_idx\":true,\"reorder_and_upcast_attn\":true}");
    assert_true(c.ffn == 24 && c.learned_positions == 8 && pt_config_layer_scale(&c, 0) == 1 && pt_config_layer_scale(&c, 3) == 0.25f);
    refused("{" GPT2 ",\"add_cross_attention\":true}", PT_ENOSUP, "add_cross_attention changes what the model computes");
    refused("{" GPT2 ",\"activation_function\":\"mish\"}", PT_ENOSUP, "activation_function 'mish'");
    refused("{" GPT2 ",\"alibi\":true}", PT_ENOSUP, "alibi");
}

static void test_falcon(void **state)
{
    float slope[6];
    static const float want[6] = {0.25f, 0.0625f, 0.015625f, 0.00390625f, 0.5f, 0.125f}; /* of 6 heads: 4, and every second of 8 */
    (void)state;
    pt_model_config c = good("{" FALCON ",\"num_kv_heads\":6}"); /* 7B's file says so, and has one */
    assert_true(c.kv_heads == 1 && c.parallel && c.shared_norm && c.rot == 4 && c.ffn == 96 && c.tied && c.alibi == 0 && !c.qkv_bias);
    c = good("{" FALCON ",\"num_kv_heads\":2,\"new_decoder_architecture\":true}");
    assert_true(c.kv_heads == 2 && c.parallel && !c.shared_norm && pt_first_norm(&c) == PT_PART_SIDE1);
    c = good("{" FALCON ",\"num_kv_heads\":2,\"new_decoder_architecture\":true,\"num_ln_in_parallel_attn\":1}"); /* 11B */
    assert_true(c.shared_norm && pt_first_norm(&c) == PT_PART_NORM1);
    c = good("{" FALCON ",\"multi_query\":false,\"parallel_attn\":false,\"alibi\":true,\"bias\":true}");
    assert_true(c.kv_heads == 6 && !c.parallel && c.rot == 0 && c.qkv_bias && c.o_bias && c.mlp_bias && c.alibi == 0.5f);
    c.alibi = 1;
    pt_alibi_slopes(&c, slope);
    for (int h = 0; h < 6; h++) assert_true(slope[h] == want[h]);
    refused("{" FALCON ",\"multi_query\":false,\"num_kv_heads\":2}", PT_EFORMAT, "num_kv_heads is 2");
    refused("{" FALCON ",\"num_ln_in_parallel_attn\":2}", PT_ENOSUP, "num_ln_in_parallel_attn 2");
    refused("{" FALCON ",\"new_decoder_architecture\":true,\"parallel_attn\":false}", PT_ENOSUP, "parallel_attn: false");
    refused("{" FALCON ",\"apply_residual_connection_post_layernorm\":true}", PT_ENOSUP, "apply_residual_connection_post_layernorm");
}

static void test_opt(void **state)
{
    (void)state;
    pt_model_config c = good("{" OPT ",\"word_embed_proj_dim\":24,\"do_layer_norm_before\":true,\"init_std\":0.5}");
    assert_true(c.kv_heads == 6 && c.rot == 0 && c.ffn == 40 && c.tied && c.act == PT_ACT_RELU && c.norm_eps == 1e-5f && c.initializer_range == 0.5);
    assert_true(c.learned_positions == 2048 && c.position_offset == 2 && pt_config_positions(&c) == 2048 && c.qkv_bias && c.o_bias && c.mlp_bias);
    c = good("{" OPT ",\"enable_bias\":false,\"max_position_embeddings\":8}");
    assert_true(c.learned_positions == 8 && !c.qkv_bias && !c.o_bias && !c.mlp_bias && c.norm_bias);
    c = good("{" OPT ",\"do_layer_norm_before\":false,\"word_embed_proj_dim\":12}");
    assert_true(c.sum_norm && c.embed_width == 12 && pt_first_norm(&c) == PT_PART_SUM1);
    refused("{" OPT ",\"word_embed_proj_dim\":25}", PT_ENOSUP, "embeddings of 25 features for a model of 24");
    refused("{" OPT ",\"word_embed_proj_dim\":0}", PT_EFORMAT, "word_embed_proj_dim is 0");
    refused("{" OPT ",\"layer_norm_elementwise_affine\":false}", PT_ENOSUP, "layer_norm_elementwise_affine: false");
    refused("{" OPT ",\"layer_norm_elementwise_affine\":false}", PT_ENOSUP, "layer_norm_elementwise_affine: false");
    refused("{" OPT ",\"_remove_final_layer_norm\":true}", PT_ENOSUP, "_remove_final_layer_norm: true");
}

/* Names as llama.cpp's gguf-py/gguf/tensor_mapping.py has them: of every tensor outside blocks and in the first. */
static void names_are(const char *json, const char *want)
{
    pt_model_config c = good(json);
    pt_tensor_spec *t = NULL;
    size_t n = 0, at = 0;
    char have[4096] = "", name[128];
    OK(pt_config_tensors(&c, PT_HEAD_VOCABULARY, 0, &t, &n));
    for (size_t i = 0; i < n; i++) {
        if (t[i].layer > 0) continue;
        assert_true(pt_tensor_gguf_name(pt_family_of(&c), &t[i], name, sizeof name));
        at += (size_t)snprintf(have + at, sizeof have - at, "%s %s\n", t[i].name, name);
    }
    assert_string_equal(have, want);
    free(t);
}

#define OLMO "\"model_type\":\"olmo\",\"vocab_size\":32,\"hidden_size\":24,\"intermediate_size\":40,\"num_hidden_layers\":1,\"num_attention_heads\":6"

static void test_olmo(void **state)
{
    (void)state;
    pt_model_config c = good("{" OLMO ",\"clip_qkv\":null,\"num_key_value_heads\":null}");
    assert_true(c.norm == PT_NORM_LAYER && c.norm_plain && c.norm_eps == 1e-5f && c.kv_heads == 6 && c.rot == 4 && !c.tied);
    assert_true(c.clip_qkv == 0 && good("{" OLMO ",\"clip_qkv\":8.0}").clip_qkv == 8);
    refused("{" OLMO ",\"clip_qkv\":0}", PT_EFORMAT, "clip_qkv is 0: q, k and v are clipped at more than 0, or not at all (null)");
    refused("{" OLMO ",\"clip_qkv\":-1}", PT_EFORMAT, "clip_qkv is -1");
    refused("{" OLMO ",\"clip_qkv\":\"8\"}", PT_EFORMAT, "clip_qkv");
    refused("{" GPT2 ",\"clip_qkv\":8.0}", PT_ENOSUP, "clip_qkv changes what the model computes, and is not supported for gpt2");
    c = good("{" OLMO ",\"clip_qkv\":8.0}");
    c.fused_qkv = true;
    assert_int_equal(pt_config_check(&c, "here"), PT_ENOSUP);
    c.fused_qkv = false;
    assert_int_equal(pt_config_check(&c, "here"), PT_OK);
    refused("{" OLMO ",\"global_head_dim\":8}", PT_ENOSUP, "global_head_dim changes what the model computes");
}

static void test_names(void **state)
{
    (void)state;
    names_are("{" GPT2 "}", "transformer.wte.weight token_embd.weight\ntransformer.wpe.weight position_embd.weight\n"
                            "transformer.h.0.ln_1.weight blk.0.attn_norm.weight\ntransformer.h.0.ln_1.bias blk.0.attn_norm.bias\n"
                            "transformer.h.0.attn.c_attn.weight blk.0.attn_qkv.weight\ntransformer.h.0.attn.c_attn.bias blk.0.attn_qkv.bias\n"
                            "transformer.h.0.attn.c_proj.weight blk.0.attn_output.weight\ntransformer.h.0.attn.c_proj.bias blk.0.attn_output.bias\n"
                            "transformer.h.0.ln_2.weight blk.0.ffn_norm.weight\ntransformer.h.0.ln_2.bias blk.0.ffn_norm.bias\n"
                            "transformer.h.0.mlp.c_fc.weight blk.0.ffn_up.weight\ntransformer.h.0.mlp.c_fc.bias blk.0.ffn_up.bias\n"
                            "transformer.h.0.mlp.c_proj.weight blk.0.ffn_down.weight\ntransformer.h.0.mlp.c_proj.bias blk.0.ffn_down.bias\n"
                            "transformer.ln_f.weight output_norm.weight\ntransformer.ln_f.bias output_norm.bias\n");
    names_are("{" FALCON ",\"num_kv_heads\":2,\"new_decoder_architecture\":true,\"tie_word_embeddings\":false}",
              "transformer.word_embeddings.weight token_embd.weight\n"
              "transformer.h.0.ln_attn.weight blk.0.attn_norm_2.weight\ntransformer.h.0.ln_attn.bias blk.0.attn_norm_2.bias\n"
              "transformer.h.0.self_attention.query_key_value.weight blk.0.attn_qkv.weight\ntransformer.h.0.self_attention.dense.weight blk.0.attn_output.weight\n"
              "transformer.h.0.ln_mlp.weight blk.0.attn_norm.weight\ntransformer.h.0.ln_mlp.bias blk.0.attn_norm.bias\n"
              "transformer.h.0.mlp.dense_h_to_4h.weight blk.0.ffn_up.weight\ntransformer.h.0.mlp.dense_4h_to_h.weight blk.0.ffn_down.weight\n"
              "transformer.ln_f.weight output_norm.weight\ntransformer.ln_f.bias output_norm.bias\nlm_head.weight output.weight\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_gpt2), cmocka_unit_test(test_falcon), cmocka_unit_test(test_opt), cmocka_unit_test(test_olmo), cmocka_unit_test(test_names)};
    return cmocka_run_group_tests_name("config.json of GPT-2's kin", tests, NULL, NULL);
}

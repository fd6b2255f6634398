/* Keys of config.json, and those among them that change the arithmetic. */
#include <math.h>
#include <string.h>

#include "train/model/family_io.h"

json_t *pt_key_get(json_t *o, const char *key)
{
    json_t *v = json_object_get(o, key);
    return json_is_null(v) ? NULL : v;
}

pt_status pt_key_int(const pt_hf_reader *r, const char *key, int64_t fallback, int *out)
{
    json_t *v = pt_key_get(r->root, key);
    double n = v ? json_number_value(v) : (double)fallback;
    if (!v && fallback < 0) return pt_fail(PT_EFORMAT, "%s: %s is missing", r->where, key);
    if (v && (!json_is_number(v) || n != floor(n)))
        return pt_fail(PT_EFORMAT, "%s: %s is %s, not an integer", r->where, key, pt_json_kind(v));
    if (n < 0 || n > INT32_MAX) return pt_fail(PT_EFORMAT, "%s: %s is %.17g, outside 0..2147483647", r->where, key, n);
    *out = (int)n;
    return PT_OK;
}

pt_status pt_key_reach(const pt_hf_reader *r, const char *key, int64_t fallback, int *out)
{
    json_t *v = pt_key_get(r->root, key);
    if (!json_is_number(v) || json_number_value(v) <= INT32_MAX) return pt_key_int(r, key, fallback, out);
    *out = INT32_MAX;
    return PT_OK;
}

pt_status pt_key_num(const char *where, json_t *o, const char *key, double fallback, double *out)
{
    json_t *v = pt_key_get(o, key);
    if (v && !json_is_number(v)) return pt_fail(PT_EFORMAT, "%s: %s is %s, not a number", where, key, pt_json_kind(v));
    *out = v ? json_number_value(v) : fallback;
    if (!isfinite(*out)) return pt_fail(PT_EFORMAT, "%s: %s is not finite", where, key);
    return PT_OK;
}

pt_status pt_key_bool(const pt_hf_reader *r, const char *key, bool fallback, bool *out)
{
    json_t *v = pt_key_get(r->root, key);
    if (v && !json_is_boolean(v)) return pt_fail(PT_EFORMAT, "%s: %s is %s, neither true nor false", r->where, key, pt_json_kind(v));
    *out = v ? json_is_true(v) : fallback;
    return PT_OK;
}

pt_status pt_key_text(const pt_hf_reader *r, const char *key, const char *fallback, const char **out)
{
    json_t *v = pt_key_get(r->root, key);
    if (v && !json_is_string(v)) return pt_fail(PT_EFORMAT, "%s: %s is %s, not a text", r->where, key, pt_json_kind(v));
    *out = v ? json_string_value(v) : fallback;
    return PT_OK;
}

/* ---- keys that change the arithmetic ----------------------------------------------------------------------------------------------- */

/* What a key says where it says nothing: null always; beside it false and 0, 1, or nothing else. */
typedef enum neutral { OFF, ONE, NEVER } neutral;
typedef struct arithmetic_key {
    const char *name;
    neutral is;
} arithmetic_key;

/* Of config.json. attention_bias, mlp_bias and partial_rotary_factor are read, or known to be read by nobody, family by family. */
static const arithmetic_key hf_keys[] = {
    {"attn_logit_softcapping", OFF}, {"final_logit_softcapping", OFF}, {"clip_qkv", OFF}, {"use_qk_norm", OFF}, {"qk_layernorm", OFF}, {"alibi", OFF},
    {"use_alibi", OFF}, {"parallel_attn", OFF}, {"new_decoder_architecture", OFF}, {"use_parallel_residual", OFF}, {"parallel_residual", OFF},
    {"use_qkv_bias", OFF}, {"use_bidirectional_attention", OFF}, {"attention_chunk_size", OFF}, {"no_rope_layers", NEVER}, {"no_rope_layer_interval", NEVER},
    {"kv_lora_rank", OFF}, {"q_lora_rank", OFF}, {"n_routed_experts", OFF}, {"num_kv_shared_layers", OFF}, {"embedding_multiplier", ONE},
    {"residual_multiplier", ONE}, {"logits_scaling", ONE}, {"logit_scale", ONE}, {"attention_multiplier", NEVER}, {"query_pre_attn_scalar", NEVER},
    {"rope_local_base_freq", NEVER}, {"rotary_pct", ONE}, {"scale_emb", ONE}, {"scale_depth", NEVER}, {"dim_model_base", NEVER}, {"mup_width_scale", NEVER},
    {"word_embed_proj_dim", NEVER}, {"do_layer_norm_before", NEVER}, {"scale_attn_weights", NEVER}, {"scale_attn_by_inverse_layer_idx", OFF},
    {"apply_residual_connection_post_layernorm", OFF}, {"multi_query_attention", OFF}, {"rope_ratio", ONE}, {"hybrid_override_pattern", NEVER},
    {"value_head_dim", NEVER}, {"v_head_dim", NEVER}, {"global_head_dim", OFF}, {"layernorm_embedding", OFF}, {"embedding_size", NEVER},
    {"add_cross_attention", OFF},
};

static bool says(const json_t *v, neutral is)
{
    if (!v || json_is_null(v)) return false;
    if (is == OFF) return !(json_is_false(v) || (json_is_number(v) && json_number_value(v) == 0));
    return is == NEVER || !(json_is_number(v) && json_number_value(v) == 1);
}

static bool honoured(const char *const *list, const char *name)
{
    for (; list && *list; list++)
        if (!strcmp(*list, name)) return true;
    return false;
}

pt_status pt_hf_refuse_unknown(const pt_hf_reader *r)
{
    for (size_t i = 0; i < sizeof hf_keys / sizeof *hf_keys; i++) {
        const arithmetic_key *k = &hf_keys[i];
        if (says(json_object_get(r->root, k->name), k->is) && !honoured(r->family->reads, k->name))
            return pt_fail(PT_ENOSUP, "%s: %s changes what the model computes, and is not supported for %s", r->where, k->name, r->family->name);
    }
    return PT_OK;
}

/* Of GGUF: keys that llama.cpp reads for some architecture. */
static const arithmetic_key gguf_keys[] = {
    {"attn_logit_softcapping", OFF}, {"final_logit_softcapping", OFF}, {"attention.scale", OFF}, {"attention.clamp_kqv", OFF},
    {"attention.max_alibi_bias", OFF}, {"logit_scale", ONE}, {"residual_scale", ONE}, {"embedding_scale", ONE}, {"use_parallel_residual", OFF},
    {"attention.sliding_window_pattern", OFF}, {"attention.layer_norm_epsilon", OFF}, {"rope.freq_base_swa", OFF}, {"attention.kv_lora_rank", OFF},
    {"attention.chunk_size", OFF}, {"attention.temperature_scale", OFF}, {"rope.scaling.yarn_log_multiplier", OFF}, {"leading_dense_block_count", OFF}, {"attention.shared_kv_layers", OFF}, {"attention.key_length_swa", OFF},
    {"rope.dimension_sections", NEVER}, {"nextn_predict_layers", OFF},
};

pt_status pt_gguf_refuse_unknown(pt_gguf_reader *r)
{
    for (size_t i = 0; i < sizeof gguf_keys / sizeof *gguf_keys; i++) {
        const arithmetic_key *k = &gguf_keys[i];
        const pt_gguf_kv *kv = pt_gguf_find(r->g, pt_meta_key(r, k->name));
        double v = 0;
        if (!kv || honoured(r->family->reads_gguf, k->name)) continue;
        bool flag = kv->type == PT_GGUF_BOOL, number = !flag && kv->type != PT_GGUF_ARRAY && kv->type != PT_GGUF_STR;
        if (number) PT_RETURN(pt_gguf_num(r->g, r->key, &v));
        if (flag) {
            bool on = false;
            PT_RETURN(pt_gguf_bool(r->g, r->key, &on));
            v = on;
        }
        if ((flag || number) && v == (k->is == ONE)) continue;
        return pt_fail(PT_ENOSUP, "%s: %s changes what the model computes, and is not supported for %s", r->g->path, r->key, r->family->name);
    }
    return PT_OK;
}

/* pt_model_config -> config.json and GGUF keys: the parts that most families share. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "train/model/family_io.h"

/* ---- config.json -------------------------------------------------------------------------------------------------------------------- */

static pt_status put_size(pt_hf *out, const char *own, const char *common, int v)
{
    const char *key = own ? own : common;
    return *key ? pt_hf_set_int(out, key, v) : PT_OK;
}

/* None is said: a missing key stands for the number that transformers' class of the family has. */
static pt_status put_id(pt_hf *out, const char *key, int id)
{
    return id >= 0 ? pt_hf_set_int(out, key, id) : pt_hf_set_null(out, key);
}

pt_status pt_hf_write_sizes(pt_hf *out, const pt_model_config *c, const pt_size_keys *k)
{
    static const pt_size_keys common = {0};
    if (!k) k = &common;
    const char *eps = k->eps ? k->eps : "rms_norm_eps";
    PT_RETURN(pt_hf_set_text(out, "model_type", c->family));
    PT_RETURN(put_size(out, k->vocab, "vocab_size", c->vocab));
    PT_RETURN(put_size(out, k->hidden, "hidden_size", c->hidden));
    PT_RETURN(put_size(out, k->ffn, "intermediate_size", c->ffn));
    PT_RETURN(put_size(out, k->layers, "num_hidden_layers", c->layers));
    PT_RETURN(put_size(out, k->heads, "num_attention_heads", c->heads));
    PT_RETURN(put_size(out, k->kv_heads, "num_key_value_heads", c->kv_heads));
    PT_RETURN(put_size(out, k->head_dim, "head_dim", c->head_dim));
    PT_RETURN(put_size(out, k->positions, "max_position_embeddings", c->max_positions));
    if (*eps) PT_RETURN(pt_hf_set_num(out, eps, (double)c->norm_eps));
    PT_RETURN(pt_hf_set_num(out, "initializer_range", c->initializer_range));
    PT_RETURN(pt_hf_set_bool(out, "tie_word_embeddings", c->tied));
    PT_RETURN(put_id(out, "bos_token_id", c->bos));
    PT_RETURN(put_id(out, "eos_token_id", c->eos));
    return put_id(out, "pad_token_id", c->pad);
}

pt_status pt_hf_write_act(pt_hf *out, const pt_model_config *c, const char *key)
{
    static const char *const acts[] = {[PT_ACT_SILU] = "silu", [PT_ACT_GELU_ERF] = "gelu", [PT_ACT_GELU_TANH] = "gelu_pytorch_tanh",
                                       [PT_ACT_RELU] = "relu", [PT_ACT_RELU2] = "relu2", [PT_ACT_GELU_QUICK] = "quick_gelu"};
    return pt_hf_set_text(out, key, acts[c->act]);
}

static pt_status put_scaling(pt_hf *c, const pt_model_config *m)
{
    switch (m->scaling) {
    case PT_ROPE_SCALE_FREQS:
    case PT_ROPE_SCALE_NONE: return PT_OK;
    case PT_ROPE_SCALE_LONG: return pt_longrope_to_hf(c, m);
    case PT_ROPE_SCALE_LINEAR: PT_RETURN(pt_hf_set_text(c, "rope_scaling.rope_type", "linear")); break;
    case PT_ROPE_SCALE_LLAMA3:
        PT_RETURN(pt_hf_set_text(c, "rope_scaling.rope_type", "llama3"));
        PT_RETURN(pt_hf_set_num(c, "rope_scaling.low_freq_factor", m->low_freq_factor));
        PT_RETURN(pt_hf_set_num(c, "rope_scaling.high_freq_factor", m->high_freq_factor));
        break;
    case PT_ROPE_SCALE_YARN:
        PT_RETURN(pt_hf_set_text(c, "rope_scaling.rope_type", "yarn"));
        PT_RETURN(pt_hf_set_num(c, "rope_scaling.beta_fast", m->beta_fast));
        PT_RETURN(pt_hf_set_num(c, "rope_scaling.beta_slow", m->beta_slow));
        PT_RETURN(pt_hf_set_num(c, "rope_scaling.attention_factor", m->attention_factor));
        if (m->yarn_no_truncate) PT_RETURN(pt_hf_set_bool(c, "rope_scaling.truncate", false));
        break;
    }
    PT_RETURN(pt_hf_set_num(c, "rope_scaling.factor", m->scale_factor));
    return m->scaling == PT_ROPE_SCALE_LINEAR
               ? PT_OK
               : pt_hf_set_int(c, "rope_scaling.original_max_position_embeddings", m->original_positions);
}

pt_status pt_hf_write_rope(pt_hf *out, const pt_model_config *c)
{
    PT_RETURN(pt_hf_set_num(out, "rope_theta", c->rope_theta));
    return put_scaling(out, c);
}

pt_status pt_hf_write_layer_types(pt_hf *out, const pt_model_config *c)
{
    const char *types[PT_MAX_LAYERS];
    for (int l = 0; l < c->layers; l++) types[l] = pt_config_window(c, l) ? "sliding_attention" : "full_attention";
    return pt_hf_set_texts(out, "layer_types", types, (size_t)c->layers);
}

pt_status pt_family_write_hf(pt_hf *out, const pt_model_config *c)
{
    PT_RETURN(pt_hf_write_sizes(out, c, NULL));
    PT_RETURN(pt_hf_write_act(out, c, "hidden_act"));
    if (c->rot != c->head_dim)
        return pt_fail(PT_ENOSUP, "Hugging Face's %s rotates whole heads, this model %d of %d features", c->family, c->rot, c->head_dim);
    return pt_hf_write_rope(out, c);
}

/* ---- GGUF ------------------------------------------------------------------------------------------------------------------------------- */

/* The whole key; stands in `key`. */
static const char *key_of(char key[128], const pt_model_config *c, const char *name)
{
    snprintf(key, 128, "%s.%s", pt_family_of(c)->gguf, name);
    return key;
}

pt_status pt_gguf_arch_u32(pt_gguf_writer *w, const pt_model_config *c, const char *name, uint32_t v)
{
    char key[128];
    return pt_gguf_put_u32(w, key_of(key, c, name), v);
}

pt_status pt_gguf_arch_f32(pt_gguf_writer *w, const pt_model_config *c, const char *name, float v)
{
    char key[128];
    return pt_gguf_put_f32(w, key_of(key, c, name), v);
}

pt_status pt_gguf_arch_text(pt_gguf_writer *w, const pt_model_config *c, const char *name, const char *v)
{
    char key[128];
    return pt_gguf_put_text(w, key_of(key, c, name), v, strlen(v));
}

pt_status pt_gguf_arch_bool(pt_gguf_writer *w, const pt_model_config *c, const char *name, bool v)
{
    char key[128];
    return pt_gguf_put_bool(w, key_of(key, c, name), v);
}

pt_status pt_gguf_write_sizes(pt_gguf_writer *w, const pt_model_config *c)
{
    const struct {
        const char *name;
        int v;
    } ints[] = {
        {"vocab_size", c->vocab},
        {"context_length", c->max_positions},
        {"embedding_length", c->hidden},
        {"block_count", c->layers},
        {"feed_forward_length", c->ffn},
        {"attention.head_count", c->heads},
        {"attention.head_count_kv", c->kv_heads},
        {"attention.key_length", c->head_dim},
        {"attention.value_length", c->head_dim},
    };
    for (size_t i = 0; i < sizeof ints / sizeof *ints; i++) PT_RETURN(pt_gguf_arch_u32(w, c, ints[i].name, (uint32_t)ints[i].v));
    return pt_gguf_arch_f32(w, c, c->norm == PT_NORM_LAYER ? "attention.layer_norm_epsilon" : "attention.layer_norm_rms_epsilon", c->norm_eps);
}

pt_status pt_gguf_write_rope(pt_gguf_writer *w, const pt_model_config *c)
{
    bool yarn = c->scaling == PT_ROPE_SCALE_YARN;
    if (c->scaling == PT_ROPE_SCALE_LONG) return pt_fail(PT_ENOSUP, "llama.cpp's %s has no rope factors of two lengths (longrope)", pt_family_of(c)->gguf);
    PT_RETURN(pt_gguf_arch_u32(w, c, "rope.dimension_count", (uint32_t)c->rot));
    PT_RETURN(pt_gguf_arch_f32(w, c, "rope.freq_base", (float)c->rope_theta));
    if (c->scaling != PT_ROPE_SCALE_LINEAR && !yarn) return PT_OK; /* Llama 3: rope_freqs.weight */
    PT_RETURN(pt_gguf_arch_text(w, c, "rope.scaling.type", yarn ? "yarn" : "linear"));
    PT_RETURN(pt_gguf_arch_f32(w, c, "rope.scaling.factor", (float)c->scale_factor));
    if (!yarn) return PT_OK;
    if (c->yarn_no_truncate) return pt_fail(PT_ENOSUP, "YaRN with truncate: false has no keys in GGUF");
    double of_yarn = c->scale_factor <= 1 ? 1 : 0.1 * log(c->scale_factor) + 1;
    PT_RETURN(pt_gguf_arch_u32(w, c, "rope.scaling.original_context_length", (uint32_t)c->original_positions));
    PT_RETURN(pt_gguf_arch_f32(w, c, "rope.scaling.yarn_beta_fast", (float)c->beta_fast));
    PT_RETURN(pt_gguf_arch_f32(w, c, "rope.scaling.yarn_beta_slow", (float)c->beta_slow));
    return pt_gguf_arch_f32(w, c, "rope.scaling.attn_factor", (float)(c->attention_factor / of_yarn));
}

pt_status pt_gguf_write_pattern(pt_gguf_writer *w, const pt_model_config *c, int n)
{
    char key[128];
    uint32_t windowed[PT_MAX_LAYERS];
    bool as_ever = true;
    if (!c->window) return PT_OK;
    for (int l = 0; l < c->layers; l++) {
        windowed[l] = pt_config_window(c, l) != 0;
        as_ever = as_ever && (windowed[l] == ((l + 1) % n != 0));
    }
    PT_RETURN(pt_gguf_arch_u32(w, c, "attention.sliding_window", (uint32_t)c->window));
    return as_ever ? PT_OK : pt_gguf_put_u32s(w, key_of(key, c, "attention.sliding_window_pattern"), windowed, (size_t)c->layers);
}

pt_status pt_family_write_gguf(pt_gguf_writer *w, const pt_model_config *c)
{
    const pt_family *f = pt_family_of(c);
    if (c->act != PT_ACT_SILU) return pt_fail(PT_ENOSUP, "GGUF's %s has no key for another activation than SiLU", f->gguf);
    if (f->permuted && c->rot != c->head_dim) return pt_fail(PT_ENOSUP, "GGUF's %s does not know partial rotary embedding", f->gguf);
    PT_RETURN(pt_gguf_write_sizes(w, c));
    PT_RETURN(pt_gguf_write_rope(w, c));
    if (!c->window) return PT_OK;
    if (c->window_from_layer) return pt_fail(PT_ENOSUP, "a sliding window from layer %d on has no key in GGUF", c->window_from_layer);
    for (int l = 0; l < c->layers; l++)
        if (!pt_config_window(c, l)) return pt_fail(PT_ENOSUP, "GGUF's %s has no key for layers without the sliding window", f->gguf);
    pt_log(PT_LOG_WARN, "llama.cpp ignores the sliding window of %d for %s: beyond it answers may differ", c->window, f->gguf);
    return pt_gguf_arch_u32(w, c, "attention.sliding_window", (uint32_t)c->window);
}

/* Gemma 1, 2 and 3 (text): norms of (1 + w), embeddings times the root of the hidden size (in f32; transformers rounds the root to the weights' type),
 * GeGLU. Gemma 2 has norms behind attention and MLP too, capped scores and logits, windows in every other layer; Gemma 3 norms of q and k, windows in
 * five layers of six, which rotate by a theta of their own and without scaling. transformers' modeling_gemma.py, modeling_gemma2.py,
 * modeling_gemma3.py; llama.cpp's gemma, gemma2, gemma3, whose norms are stored with the 1 added. */
#include <stdio.h>
#include <string.h>

#include "train/model/family_io.h"

static const pt_part_name names2[] = {{PT_PART_NORM2, "pre_feedforward_layernorm", "ffn_norm"}, {0, NULL, NULL}};

static void shape(pt_model_config *c)
{
    c->norm_add = 1;
    c->act = PT_ACT_GELU_TANH;
}

static void shape2(pt_model_config *c)
{
    shape(c);
    c->post_norm = true;
}

static void shape3(pt_model_config *c)
{
    shape2(c);
    c->qk_norm = PT_QK_NORM_HEADS;
}

static void derive(pt_model_config *c)
{
    if (!(c->embed_scale > 0)) c->embed_scale = sqrtf((float)c->hidden);
}

/* Every n-th layer has no window. */
static void full_every(pt_model_config *c, int n)
{
    for (int l = n - 1; n > 0 && c->window && l < c->layers && l < PT_MAX_LAYERS; l += n) c->layer[l] |= PT_LAYER_FULL;
}

static void local_windows(pt_model_config *c)
{
    for (int l = 0; l < c->layers && l < PT_MAX_LAYERS; l++)
        if (pt_config_window(c, l)) c->layer[l] |= PT_LAYER_LOCAL;
}

static void derive3(pt_model_config *c)
{
    derive(c);
    if (!(c->rope_local_theta > 0)) c->rope_local_theta = 10000;
    local_windows(c);
}

static pt_status read_common(pt_model_config *c, const pt_hf_reader *r, const pt_size_keys *sizes, const char *act)
{
    bool bias;
    PT_RETURN(pt_hf_read_sizes(c, r, sizes));
    PT_RETURN(pt_hf_read_act(c, r, act, "gelu_pytorch_tanh"));
    PT_RETURN(pt_key_bool(r, "attention_bias", false, &bias));
    c->qkv_bias = c->o_bias = bias;
    derive(c);
    pt_hf_read_ids(c, r);
    return PT_OK;
}

static pt_status from_hf1(pt_model_config *c, const pt_hf_reader *r)
{
    static const pt_size_keys sizes = {.kv_heads_default = 16, .head_dim_default = 256, .positions_default = 8192, .tied_default = true};
    PT_RETURN(read_common(c, r, &sizes, "hidden_act"));
    if (c->act == PT_ACT_GELU_ERF) c->act = PT_ACT_GELU_TANH; /* "gelu" was written where the tanh form was meant */
    return pt_hf_read_rope(c, r, false, 0);
}

/* What Gemma 2 and 3 share. A cap that is missing is the default (0: none), null is none. */
static pt_status read_scores(pt_model_config *c, const pt_hf_reader *r, double attn, double logits)
{
    double scalar;
    if (json_is_null(json_object_get(r->root, "attn_logit_softcapping"))) attn = 0;
    if (json_is_null(json_object_get(r->root, "final_logit_softcapping"))) logits = 0;
    PT_RETURN(pt_key_num(r->where, r->root, "query_pre_attn_scalar", 256, &scalar));
    if (!(scalar > 0)) return pt_fail(PT_EFORMAT, "%s: query_pre_attn_scalar is %g", r->where, scalar);
    PT_RETURN(pt_key_num(r->where, r->root, "attn_logit_softcapping", attn, &attn));
    PT_RETURN(pt_key_num(r->where, r->root, "final_logit_softcapping", logits, &logits));
    c->attn_scale = (float)(1 / sqrt(scalar));
    c->attn_softcap = (float)attn;
    c->logit_softcap = (float)logits;
    return PT_OK;
}

static pt_status read_layers(pt_model_config *c, const pt_hf_reader *r, int pattern)
{
    PT_RETURN(pt_hf_read_window(c, r, 4096));
    if (!pt_key_get(r->root, "layer_types")) full_every(c, pattern);
    return PT_OK;
}

static pt_status from_hf2(pt_model_config *c, const pt_hf_reader *r)
{
    static const pt_size_keys sizes = {.kv_heads_default = 4, .head_dim_default = 256, .positions_default = 8192, .tied_default = true};
    PT_RETURN(read_common(c, r, &sizes, "hidden_activation"));
    PT_RETURN(read_scores(c, r, 50, 30));
    PT_RETURN(read_layers(c, r, 2));
    return pt_hf_read_rope(c, r, false, 0);
}

/* rope by kind of layer (transformers 5: rope_parameters holds one object a kind), or rope_theta, rope_scaling and rope_local_base_freq. */
static pt_status read_rope3(pt_model_config *c, const pt_hf_reader *r)
{
    json_t *p = pt_key_get(r->root, "rope_parameters"), *full = pt_key_get(p, "full_attention"), *local = pt_key_get(p, "sliding_attention");
    json_t *s = pt_key_get(r->root, "rope_scaling");
    const char *kind = json_string_value(pt_key_get(local, "rope_type"));
    c->rot = c->head_dim;
    PT_RETURN(pt_key_num(r->where, r->root, "rope_theta", 1e6, &c->rope_theta));
    PT_RETURN(pt_key_num(r->where, full, "rope_theta", c->rope_theta, &c->rope_theta));
    PT_RETURN(pt_key_num(r->where, r->root, "rope_local_base_freq", 1e4, &c->rope_local_theta));
    PT_RETURN(pt_key_num(r->where, local, "rope_theta", c->rope_local_theta, &c->rope_local_theta));
    if (kind && strcmp(kind, "default") != 0)
        return pt_fail(PT_ENOSUP, "%s: rope_parameters.sliding_attention: rope scaling '%.40s' of windowed layers is not supported", r->where, kind);
    if (json_is_object(s) && json_object_size(s)) return pt_hf_read_scaling(c, s, r); /* takes the place of what the full layers have */
    return full ? pt_hf_read_scaling(c, full, r) : PT_OK;
}

static pt_status from_hf3(pt_model_config *c, const pt_hf_reader *r)
{
    static const pt_size_keys sizes = {.vocab_default = 262208, .heads_default = 8, .kv_heads_default = 4, .head_dim_default = 256, .positions_default = 131072,
                                       .tied_default = true};
    int pattern;
    PT_RETURN(pt_key_int(r, "sliding_window_pattern", 6, &pattern));
    PT_RETURN(read_common(c, r, &sizes, "hidden_activation"));
    PT_RETURN(read_scores(c, r, 0, 0));
    PT_RETURN(read_layers(c, r, pattern));
    local_windows(c);
    return read_rope3(c, r);
}

extern const pt_family pt_family_gemma3_text;

/* A folder of the model that sees: its text_config is the text model, its other tensors are left out. */
static pt_status from_hf_within(pt_model_config *c, const pt_hf_reader *r)
{
    pt_hf_reader text = *r;
    text.root = pt_key_get(r->root, "text_config");
    text.family = &pt_family_gemma3_text;
    if (!json_is_object(text.root)) return pt_fail(PT_EFORMAT, "%s: text_config is missing", r->where);
    snprintf(c->family, sizeof c->family, "%s", text.family->name);
    PT_RETURN(pt_hf_refuse_unknown(&text));
    return from_hf3(c, &text);
}

static pt_status to_hf(pt_hf *out, const pt_model_config *c)
{
    const bool first = !c->post_norm;
    const double scale = (double)pt_config_attn_scale(c), scalar = 1 / (scale * scale); /* an integer there */
    PT_RETURN(pt_hf_write_sizes(out, c, NULL));
    PT_RETURN(pt_hf_write_act(out, c, first ? "hidden_act" : "hidden_activation"));
    PT_RETURN(pt_hf_set_bool(out, "attention_bias", c->o_bias));
    if (first) return pt_hf_write_rope(out, c);
    PT_RETURN(pt_hf_set_int(out, "query_pre_attn_scalar", (int64_t)(scalar + 0.5)));
    if (!c->qk_norm) PT_RETURN(c->attn_softcap > 0 ? pt_hf_set_num(out, "attn_logit_softcapping", (double)c->attn_softcap) : pt_hf_set_null(out, "attn_logit_softcapping"));
    PT_RETURN(c->logit_softcap > 0 ? pt_hf_set_num(out, "final_logit_softcapping", (double)c->logit_softcap) : pt_hf_set_null(out, "final_logit_softcapping"));
    PT_RETURN(pt_hf_set_int(out, "sliding_window", c->window ? c->window : c->max_positions));
    PT_RETURN(pt_hf_write_layer_types(out, c));
    if (c->rope_local_theta > 0) PT_RETURN(pt_hf_set_num(out, "rope_local_base_freq", c->rope_local_theta));
    return pt_hf_write_rope(out, c);
}

/* llama.cpp knows no key of the scale: the largest models', by their layers, is of hidden / heads. */
static float gguf_scale(const pt_model_config *c)
{
    int largest = c->qk_norm ? 62 : 46;
    return 1 / sqrtf((float)(c->layers == largest ? c->hidden / c->heads : c->head_dim));
}

static pt_status from_gguf1(pt_model_config *c, pt_gguf_reader *r)
{
    PT_RETURN(pt_family_read_gguf(c, r));
    derive(c);
    return PT_OK;
}

static pt_status read_gguf(pt_model_config *c, pt_gguf_reader *r, int window, int pattern, double attn, double logits)
{
    PT_RETURN(from_gguf1(c, r));
    PT_RETURN(pt_meta_int(r, "attention.sliding_window", window, &c->window));
    PT_RETURN(pt_gguf_read_pattern(c, r, pattern));
    PT_RETURN(pt_meta_num(r, "attn_logit_softcapping", attn, &attn));
    PT_RETURN(pt_meta_num(r, "final_logit_softcapping", logits, &logits));
    c->attn_softcap = (float)attn;
    c->logit_softcap = (float)logits;
    c->attn_scale = gguf_scale(c);
    return PT_OK;
}

static pt_status from_gguf2(pt_model_config *c, pt_gguf_reader *r)
{
    return read_gguf(c, r, 4096, 2, 50, 30);
}

static pt_status from_gguf3(pt_model_config *c, pt_gguf_reader *r)
{
    PT_RETURN(read_gguf(c, r, 0, 6, 0, 0));
    PT_RETURN(pt_meta_num(r, "rope.freq_base_swa", 10000, &c->rope_local_theta));
    local_windows(c);
    return PT_OK;
}

static pt_status to_gguf(pt_gguf_writer *w, const pt_model_config *c)
{
    if (!c->tied && !c->qk_norm) return pt_fail(PT_ENOSUP, "llama.cpp's %s takes the embedding as its head, this model has another", pt_family_of(c)->gguf);
    if (c->qkv_bias) return pt_fail(PT_ENOSUP, "llama.cpp's %s has no biases", pt_family_of(c)->gguf);
    if (c->act != PT_ACT_GELU_TANH) return pt_fail(PT_ENOSUP, "llama.cpp's %s has GELU's tanh form, this model another activation", pt_family_of(c)->gguf);
    PT_RETURN(pt_gguf_write_sizes(w, c));
    PT_RETURN(pt_gguf_write_rope(w, c));
    if (!c->post_norm) return PT_OK;
    if (fabsf(pt_config_attn_scale(c) / gguf_scale(c) - 1) > 1e-6f)
        return pt_fail(PT_ENOSUP, "llama.cpp's %s scales scores by %g, this model by %g (query_pre_attn_scalar)", pt_family_of(c)->gguf, (double)gguf_scale(c),
                       (double)pt_config_attn_scale(c));
    if (!c->qk_norm && !(c->attn_softcap > 0 && c->logit_softcap > 0)) return pt_fail(PT_ENOSUP, "llama.cpp's gemma2 caps scores and logits, this model does not");
    if (!c->qk_norm) PT_RETURN(pt_gguf_arch_f32(w, c, "attn_logit_softcapping", c->attn_softcap));
    if (!c->qk_norm || c->logit_softcap > 0) PT_RETURN(pt_gguf_arch_f32(w, c, "final_logit_softcapping", c->logit_softcap));
    if (c->rope_local_theta > 0) PT_RETURN(pt_gguf_arch_f32(w, c, "rope.freq_base_swa", (float)c->rope_local_theta));
    return pt_gguf_write_pattern(w, c, c->qk_norm ? 6 : 2);
}

static const char *const reads2[] = {"attn_logit_softcapping", "final_logit_softcapping", "query_pre_attn_scalar", "rope_local_base_freq", NULL};
static const char *const reads3[] = {"final_logit_softcapping", "query_pre_attn_scalar", "rope_local_base_freq", NULL}; /* transformers does not cap scores */
static const char *const reads_gguf2[] = {"attn_logit_softcapping", "final_logit_softcapping", "attention.sliding_window_pattern", "rope.freq_base_swa", NULL};

const pt_family pt_family_gemma = {.name = "gemma", .title = "gemma", .causal = "GemmaForCausalLM", .classifier = "GemmaForSequenceClassification", .gguf = "gemma",
                                   .shape = shape, .derive = derive, .from_hf = from_hf1, .to_hf = to_hf, .from_gguf = from_gguf1, .to_gguf = to_gguf};
const pt_family pt_family_gemma2 = {.name = "gemma2", .title = "gemma2", .causal = "Gemma2ForCausalLM", .classifier = "Gemma2ForSequenceClassification",
                                    .gguf = "gemma2", .windowed = true, .names = names2, .reads = reads2, .reads_gguf = reads_gguf2, .shape = shape2,
                                    .derive = derive, .from_hf = from_hf2, .to_hf = to_hf, .from_gguf = from_gguf2, .to_gguf = to_gguf};
const pt_family pt_family_gemma3_text = {.name = "gemma3_text", .title = "gemma3_text (Gemma 3)", .causal = "Gemma3ForCausalLM",
                                         .classifier = "Gemma3TextForSequenceClassification", .gguf = "gemma3", .windowed = true, .names = names2, .reads = reads3,
                                         .reads_gguf = reads_gguf2, .shape = shape3, .derive = derive3, .from_hf = from_hf3, .to_hf = to_hf,
                                         .from_gguf = from_gguf3, .to_gguf = to_gguf};
const pt_family pt_family_gemma3 = {.name = "gemma3", .title = "gemma3 (its text)", .causal = "Gemma3ForConditionalGeneration", .windowed = true, .names = names2,
                                    .reads = reads3, .shape = shape3, .from_hf = from_hf_within};

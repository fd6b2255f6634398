/* GLM-4 in transformers' own code: GLM-4-9B (glm) and the models of 0414 (glm4, with norms behind attention and MLP). Gate and up out of one matrix, the
 * first half of each head rotated in adjacent pairs. transformers' modeling_glm.py, modeling_glm4.py; llama.cpp's chatglm and glm4.
 * ChatGLM2, ChatGLM3 and GLM-4-9B in code of their own (chatglm): the arithmetic of glm with q, k and v out of one matrix, under other names. Its
 * modeling_chatglm.py (THUDM/chatglm3-6b, THUDM/glm-4-9b-chat). */
#include "train/model/family_io.h"

static void shape(pt_model_config *c)
{
    c->fused_gate_up = true;
    c->rope_kind = PT_ROPE_ADJACENT;
}

static void shape4(pt_model_config *c)
{
    shape(c);
    c->post_norm = true;
}

static void shape_chat(pt_model_config *c)
{
    shape(c);
    c->fused_qkv = true;
}

static pt_status from_hf(pt_model_config *c, const pt_hf_reader *r)
{
    static const pt_size_keys sizes = {.kv_heads_default = 2, .head_dim_default = 128, .positions_default = 131072, .eps_default = 1.5625e-7};
    PT_RETURN(pt_hf_read_sizes(c, r, &sizes));
    PT_RETURN(pt_hf_read_act(c, r, "hidden_act", "silu"));
    PT_RETURN(pt_hf_read_rope(c, r, true, 0.5));
    PT_RETURN(pt_key_bool(r, "attention_bias", true, &c->qkv_bias)); /* of q, k and v alone */
    pt_hf_read_ids(c, r);
    return PT_OK;
}

static pt_status to_hf(pt_hf *out, const pt_model_config *c)
{
    PT_RETURN(pt_hf_write_sizes(out, c, NULL));
    PT_RETURN(pt_hf_write_act(out, c, "hidden_act"));
    PT_RETURN(pt_hf_write_rope(out, c));
    PT_RETURN(pt_hf_set_num(out, "partial_rotary_factor", (double)c->rot / c->head_dim));
    return pt_hf_set_bool(out, "attention_bias", c->qkv_bias);
}

/* ---- ChatGLM's own config ----------------------------------------------------------------------------------------------------------- */

enum { CHAT_THETA = 10000 }; /* times rope_ratio */
static const pt_size_keys chat_sizes = {.vocab = "padded_vocab_size", .ffn = "ffn_hidden_size", .layers = "num_layers", .kv_heads = "multi_query_group_num", .head_dim = "kv_channels",
                                        .positions = "seq_length", .eps = "layernorm_epsilon", .kv_heads_default = 1, .head_dim_default = 128, .eps_default = 1e-5};

/* What the code can do and no published model asks for. */
static pt_status refuse_chat(const pt_hf_reader *r)
{
    static const struct {
        const char *name;
        bool usual, fallback;
    } flags[] = {{"multi_query_attention", true, false}, {"rmsnorm", true, true}, {"post_layer_norm", true, true}, {"add_bias_linear", false, false}};
    static const char *const numbers[] = {"pre_seq_len", "quantization_bit"};
    bool v;
    int n;
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        PT_RETURN(pt_key_bool(r, flags[i].name, flags[i].fallback, &v));
        if (v != flags[i].usual) return pt_fail(PT_ENOSUP, "%s: %s: %s is not supported for chatglm", r->where, flags[i].name, v ? "true" : "false");
    }
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        PT_RETURN(pt_key_int(r, numbers[i], 0, &n));
        if (n) return pt_fail(PT_ENOSUP, "%s: %s: %d is not supported for chatglm", r->where, numbers[i], n);
    }
    return PT_OK;
}

static pt_status from_hf_chat(pt_model_config *c, const pt_hf_reader *r)
{
    double ratio;
    PT_RETURN(refuse_chat(r));
    PT_RETURN(pt_hf_read_sizes(c, r, &chat_sizes));
    PT_RETURN(pt_key_num(r->where, r->root, "rope_ratio", 1, &ratio));
    if (!(ratio > 0)) return pt_fail(PT_EFORMAT, "%s: rope_ratio is %g", r->where, ratio);
    c->act = PT_ACT_SILU;
    c->rope_theta = CHAT_THETA * ratio;
    c->rot = c->head_dim / 2;
    PT_RETURN(pt_key_bool(r, "add_qkv_bias", false, &c->qkv_bias));
    pt_hf_read_ids(c, r);
    return PT_OK;
}

static pt_status to_hf_chat(pt_hf *out, const pt_model_config *c)
{
    static const char *const on[] = {"multi_query_attention", "rmsnorm", "post_layer_norm", "original_rope"};
    static const char *const off[] = {"add_bias_linear", "apply_residual_connection_post_layernorm"};
    if (c->rot != c->head_dim / 2 || c->scaling != PT_ROPE_SCALE_NONE)
        return pt_fail(PT_ENOSUP, "ChatGLM's code rotates half of each head without scaling, this model %d of %d features", c->rot, c->head_dim);
    PT_RETURN(pt_hf_write_sizes(out, c, &chat_sizes));
    PT_RETURN(pt_hf_set_int(out, "vocab_size", c->vocab));
    PT_RETURN(pt_hf_set_num(out, "rope_ratio", c->rope_theta / CHAT_THETA));
    for (size_t i = 0; i < sizeof on / sizeof *on; i++) PT_RETURN(pt_hf_set_bool(out, on[i], true));
    for (size_t i = 0; i < sizeof off / sizeof *off; i++) PT_RETURN(pt_hf_set_bool(out, off[i], false));
    return pt_hf_set_bool(out, "add_qkv_bias", c->qkv_bias);
}

/* ---- GGUF: one architecture for glm and chatglm, told apart by their matrices ------------------------------------------------------------ */

static pt_status from_gguf(pt_model_config *c, pt_gguf_reader *r)
{
    PT_RETURN(pt_family_read_gguf(c, r));
    c->fused_qkv = pt_gguf_find_tensor(r->g, "blk.0.attn_qkv.weight") != NULL;
    return PT_OK;
}

static bool is_glm(const pt_model_config *c)
{
    return !c->fused_qkv;
}

static bool is_chat(const pt_model_config *c)
{
    return c->fused_qkv;
}

static pt_status to_gguf4(pt_gguf_writer *w, const pt_model_config *c)
{
    const char *arch = pt_family_of(c)->gguf;
    if (c->act != PT_ACT_SILU) return pt_fail(PT_ENOSUP, "llama.cpp's %s has no other activation than SiLU", arch);
    if (c->scaling == PT_ROPE_SCALE_LLAMA3 || c->scaling == PT_ROPE_SCALE_FREQS)
        return pt_fail(PT_ENOSUP, "llama.cpp's %s reads no rope factors (rope_freqs.weight)", arch);
    PT_RETURN(pt_gguf_write_sizes(w, c));
    return pt_gguf_write_rope(w, c);
}

static pt_status to_gguf(pt_gguf_writer *w, const pt_model_config *c)
{
    if (c->head_dim * c->heads != c->hidden) return pt_fail(PT_ENOSUP, "llama.cpp's chatglm has heads of hidden / heads features, this model %d", c->head_dim);
    return to_gguf4(w, c);
}

static const pt_part_name names4[] = {{PT_PART_POST1, "post_self_attn_layernorm", "post_attention_norm"},
                                      {PT_PART_POST2, "post_mlp_layernorm", "post_ffw_norm"},
                                      {0, NULL, NULL}};

const pt_family pt_family_glm = {.name = "glm", .title = "glm (GLM-4-9B)", .causal = "GlmForCausalLM", .classifier = "GlmForSequenceClassification", .gguf = "chatglm",
                                 .rotated = 0.5, .shape = shape, .from_hf = from_hf, .to_hf = to_hf, .from_gguf = from_gguf, .to_gguf = to_gguf, .is_gguf = is_glm};
const pt_family pt_family_glm4 = {.name = "glm4", .title = "glm4 (GLM-4-0414)", .causal = "Glm4ForCausalLM", .classifier = "Glm4ForSequenceClassification",
                                  .gguf = "glm4", .names = names4, .rotated = 0.5, .shape = shape4, .from_hf = from_hf, .to_hf = to_hf, .to_gguf = to_gguf4};

static const pt_part_name names_chat[] = {
    {PT_PART_EMBED, "embedding.word_embeddings", "token_embd"},
    {PT_PART_NORM, "encoder.final_layernorm", "output_norm"},
    {PT_PART_HEAD, "transformer.output_layer", "output"},
    {PT_MOD_QKV, "self_attention.query_key_value", "attn_qkv"},
    {PT_MOD_O, "self_attention.dense", "attn_output"},
    {PT_MOD_GATE_UP, "mlp.dense_h_to_4h", "ffn_up"},
    {PT_MOD_DOWN, "mlp.dense_4h_to_h", "ffn_down"},
    {0, NULL, NULL},
};
static const char *const reads_chat[] = {"rope_ratio", "multi_query_attention", NULL};

const pt_family pt_family_chatglm = {.name = "chatglm", .title = "chatglm (ChatGLM 2 and 3)", .causal = "ChatGLMModel", .gguf = "chatglm", .trunk = "transformer.",
                                     .block = "encoder.layers.", .names = names_chat, .reads = reads_chat, .rotated = 0.5, .shape = shape_chat, .from_hf = from_hf_chat,
                                     .to_hf = to_hf_chat, .from_gguf = from_gguf, .to_gguf = to_gguf, .is_gguf = is_chat};

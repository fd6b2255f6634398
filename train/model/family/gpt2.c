/* GPT-2 and what is shaped like it (DialoGPT): learned positions, LayerNorm and every linear layer with a bias, q, k and v out of one matrix, an MLP
 * without a gate, matrices stored transposed (Conv1D). transformers' modeling_gpt2.py; llama.cpp's gpt2. Cross-attention is refused. */
#include "train/model/family_io.h"

static void shape(pt_model_config *c)
{
    c->norm = PT_NORM_LAYER;
    c->norm_bias = c->qkv_bias = c->o_bias = c->mlp_bias = true;
    c->fused_qkv = c->plain_mlp = true;
    c->act = PT_ACT_GELU_TANH;
}

/* A position for each that the model is made for, and no rotation. */
static void derive(pt_model_config *c)
{
    c->learned_positions = c->max_positions;
    c->rot = 0;
    c->rope_theta = c->scale_factor = 0;
}

static const pt_size_keys sizes = {.hidden = "n_embd", .ffn = "n_inner", .layers = "n_layer", .heads = "n_head", .kv_heads = "", .head_dim = "",
                                   .positions = "n_positions", .eps = "layer_norm_epsilon", .eps_default = 1e-5, .positions_default = 1024, .ffn_times = 4,
                                   .tied_default = true};

static pt_status from_hf(pt_model_config *c, const pt_hf_reader *r)
{
    bool scaled;
    PT_RETURN(pt_hf_read_sizes(c, r, &sizes));
    PT_RETURN(pt_hf_read_act(c, r, "activation_function", "gelu_new"));
    PT_RETURN(pt_key_bool(r, "scale_attn_weights", true, &scaled));
    c->attn_scale = scaled ? 0 : 1;
    PT_RETURN(pt_key_bool(r, "scale_attn_by_inverse_layer_idx", false, &c->attn_scale_by_layer));
    derive(c);
    pt_hf_read_ids(c, r);
    return PT_OK;
}

static pt_status to_hf(pt_hf *out, const pt_model_config *c)
{
    if (c->head_dim * c->heads != c->hidden || c->kv_heads != c->heads)
        return pt_fail(PT_ENOSUP, "Hugging Face's gpt2 has as many key heads as heads, of hidden / heads features; this model has %d and %d of %d", c->kv_heads, c->heads,
                       c->head_dim);
    PT_RETURN(pt_hf_write_sizes(out, c, &sizes));
    PT_RETURN(pt_hf_write_act(out, c, "activation_function"));
    PT_RETURN(pt_hf_set_bool(out, "scale_attn_weights", c->attn_scale == 0));
    return pt_hf_set_bool(out, "scale_attn_by_inverse_layer_idx", c->attn_scale_by_layer);
}

static pt_status from_gguf(pt_model_config *c, pt_gguf_reader *r)
{
    PT_RETURN(pt_family_read_gguf(c, r));
    derive(c);
    return PT_OK;
}

static pt_status to_gguf(pt_gguf_writer *w, const pt_model_config *c)
{
    if (c->act != PT_ACT_GELU_TANH) return pt_fail(PT_ENOSUP, "GGUF's gpt2 has no key for another activation than GELU's tanh form");
    if (c->attn_scale > 0 || c->attn_scale_by_layer)
        return pt_fail(PT_ENOSUP, "GGUF's gpt2 has no key for attention scores that are scaled by layer (scale_attn_by_inverse_layer_idx) or not at all (scale_attn_weights)");
    return pt_gguf_write_sizes(w, c);
}

static const pt_part_name names[] = {
    {PT_MOD_QKV, "attn.c_attn", "attn_qkv"}, {PT_MOD_O, "attn.c_proj", "attn_output"}, {PT_MOD_UP, "mlp.c_fc", "ffn_up"},      {PT_MOD_DOWN, "mlp.c_proj", "ffn_down"},
    {PT_PART_EMBED, "wte", "token_embd"},    {PT_PART_POSITIONS, "wpe", "position_embd"}, {PT_PART_NORM, "ln_f", "output_norm"}, {PT_PART_NORM1, "ln_1", "attn_norm"},
    {PT_PART_NORM2, "ln_2", "ffn_norm"},     {0, NULL, NULL},
};
static const char *const reads[] = {"scale_attn_weights", "scale_attn_by_inverse_layer_idx", NULL};
static const char *const reads_gguf[] = {"attention.layer_norm_epsilon", NULL};

const pt_family pt_family_gpt2 = {
    .name = "gpt2", .title = "gpt2 (GPT-2, DialoGPT)", .causal = "GPT2LMHeadModel", .classifier = "GPT2ForSequenceClassification", .gguf = "gpt2",
    .trunk = "transformer.", .block = "h.", .names = names, .reads = reads, .reads_gguf = reads_gguf,
    .layout = {[PT_MOD_QKV] = PT_LAYOUT_TRANSPOSED, [PT_MOD_O] = PT_LAYOUT_TRANSPOSED, [PT_MOD_UP] = PT_LAYOUT_TRANSPOSED, [PT_MOD_DOWN] = PT_LAYOUT_TRANSPOSED},
    .shape = shape, .derive = derive, .from_hf = from_hf, .to_hf = to_hf, .from_gguf = from_gguf, .to_gguf = to_gguf};

/* Falcon. 7B: attention over one key head and MLP beside each other behind one LayerNorm. 40B, 180B (new_decoder_architecture): a LayerNorm for each, several
 * key heads; 11B: those behind one norm. falcon-rw: one after the other, ALiBi, biases. q, k and v come out of one matrix, its rows by key head in Hugging
 * Face's files. transformers' modeling_falcon.py; llama.cpp's falcon (without ALiBi, biases, and blocks one after the other).
 * ALiBi is added before the division by sqrt(head_dim), so that slopes are Press et al.'s times 1 / sqrt(head_dim). transformers rounds slope * position to
 * bf16; here it is f32. */
#include <math.h>

#include "train/model/family_io.h"

static void shape(pt_model_config *c)
{
    c->norm = PT_NORM_LAYER;
    c->norm_bias = c->fused_qkv = c->plain_mlp = true;
    c->parallel = c->shared_norm = true;
    c->act = PT_ACT_GELU_ERF;
}

static const pt_size_keys sizes = {.ffn = "ffn_hidden_size", .kv_heads = "num_kv_heads", .head_dim = "", .eps = "layer_norm_epsilon", .eps_default = 1e-5, .ffn_times = 4,
                                   .tied_default = true};

static pt_status read_alibi(pt_model_config *c, const pt_hf_reader *r)
{
    bool alibi;
    PT_RETURN(pt_key_bool(r, "alibi", false, &alibi));
    if (!alibi) return pt_hf_read_rope(c, r, false, 0);
    c->alibi = 1 / sqrtf((float)c->head_dim);
    return PT_OK;
}

/* Which norms there are, and how many key heads. */
static pt_status read_block(pt_model_config *c, const pt_hf_reader *r)
{
    bool fresh, multi;
    int norms;
    PT_RETURN(pt_key_bool(r, "new_decoder_architecture", false, &fresh));
    PT_RETURN(pt_key_bool(r, "multi_query", true, &multi));
    PT_RETURN(pt_key_bool(r, "parallel_attn", true, &c->parallel));
    PT_RETURN(pt_key_int(r, "num_ln_in_parallel_attn", fresh ? 2 : 1, &norms));
    if (norms != 1 && !(norms == 2 && fresh))
        return pt_fail(PT_ENOSUP, "%s: num_ln_in_parallel_attn %d is not supported%s", r->where, norms, fresh ? "" : " without new_decoder_architecture");
    if (fresh && !c->parallel) return pt_fail(PT_ENOSUP, "%s: new_decoder_architecture beside parallel_attn: false is not supported", r->where);
    c->shared_norm = c->parallel && norms == 1;
    if (!fresh && multi) c->kv_heads = 1;
    if (!fresh && !multi && c->kv_heads != c->heads)
        return pt_fail(PT_EFORMAT, "%s: num_kv_heads is %d, without multi_query there are as many as heads, %d", r->where, c->kv_heads, c->heads);
    return PT_OK;
}

static pt_status from_hf(pt_model_config *c, const pt_hf_reader *r)
{
    bool bias;
    PT_RETURN(pt_hf_read_sizes(c, r, &sizes));
    PT_RETURN(pt_hf_read_act(c, r, "activation", "gelu"));
    PT_RETURN(read_block(c, r));
    PT_RETURN(read_alibi(c, r));
    PT_RETURN(pt_key_bool(r, "bias", false, &bias));
    c->qkv_bias = c->o_bias = c->mlp_bias = bias;
    pt_hf_read_ids(c, r);
    return PT_OK;
}

static pt_status to_hf(pt_hf *out, const pt_model_config *c)
{
    const bool fresh = c->parallel && (!c->shared_norm || c->kv_heads > 1);
    if (c->head_dim * c->heads != c->hidden) return pt_fail(PT_ENOSUP, "Hugging Face's falcon has heads of hidden / heads features, this model %d", c->head_dim);
    if (c->rot != c->head_dim && c->alibi == 0)
        return pt_fail(PT_ENOSUP, "Hugging Face's falcon rotates whole heads, this model %d of %d features", c->rot, c->head_dim);
    PT_RETURN(pt_hf_write_sizes(out, c, &sizes));
    PT_RETURN(pt_hf_write_act(out, c, "activation"));
    if (c->alibi == 0) PT_RETURN(pt_hf_write_rope(out, c));
    PT_RETURN(pt_hf_set_bool(out, "alibi", c->alibi > 0));
    PT_RETURN(pt_hf_set_bool(out, "bias", c->qkv_bias));
    PT_RETURN(pt_hf_set_bool(out, "parallel_attn", c->parallel));
    PT_RETURN(pt_hf_set_bool(out, "multi_query", c->kv_heads == 1));
    PT_RETURN(pt_hf_set_bool(out, "new_decoder_architecture", fresh));
    return fresh ? pt_hf_set_int(out, "num_ln_in_parallel_attn", c->shared_norm ? 1 : 2) : PT_OK;
}

static pt_status from_gguf(pt_model_config *c, pt_gguf_reader *r)
{
    PT_RETURN(pt_family_read_gguf(c, r));
    c->shared_norm = !pt_gguf_find_tensor(r->g, "blk.0.attn_norm_2.weight");
    return PT_OK;
}

static pt_status to_gguf(pt_gguf_writer *w, const pt_model_config *c)
{
    if (!c->parallel || c->alibi > 0 || c->qkv_bias)
        return pt_fail(PT_ENOSUP, "llama.cpp's falcon has neither ALiBi nor biases, and attention beside the MLP: falcon-rw cannot be written as GGUF");
    if (c->act != PT_ACT_GELU_ERF) return pt_fail(PT_ENOSUP, "GGUF's falcon has no key for another activation than GELU");
    PT_RETURN(pt_gguf_write_sizes(w, c));
    PT_RETURN(pt_gguf_arch_text(w, c, "tensor_data_layout", "jploski")); /* rows of q, k and v behind each other */
    return pt_gguf_write_rope(w, c);
}

static const pt_part_name names[] = {
    {PT_MOD_QKV, "self_attention.query_key_value", "attn_qkv"},
    {PT_MOD_O, "self_attention.dense", "attn_output"},
    {PT_MOD_UP, "mlp.dense_h_to_4h", "ffn_up"},
    {PT_MOD_DOWN, "mlp.dense_4h_to_h", "ffn_down"},
    {PT_PART_EMBED, "word_embeddings", "token_embd"},
    {PT_PART_NORM, "ln_f", "output_norm"},
    {PT_PART_SIDE1, "ln_attn", "attn_norm_2"},
    {PT_PART_SIDE2, "ln_mlp", "attn_norm"},
    {0, NULL, NULL},
};
static const char *const reads[] = {"alibi", "parallel_attn", "new_decoder_architecture", NULL};
static const char *const reads_gguf[] = {"attention.layer_norm_epsilon", NULL};

const pt_family pt_family_falcon = {.name = "falcon", .title = "falcon", .causal = "FalconForCausalLM", .classifier = "FalconForSequenceClassification", .gguf = "falcon",
                                    .trunk = "transformer.", .block = "h.", .names = names, .reads = reads, .reads_gguf = reads_gguf,
                                    .layout = {[PT_MOD_QKV] = PT_LAYOUT_GROUPED}, .shape = shape, .from_hf = from_hf, .to_hf = to_hf, .from_gguf = from_gguf,
                                    .to_gguf = to_gguf, .mixed_apart = true};

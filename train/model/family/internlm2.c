/* InternLM2 and 2.5: Llama under other names, q, k and v in one matrix whose rows are grouped by key heads. Its code lies with the models on the hub
 * (modeling_internlm2.py). llama.cpp's internlm2: the converter takes the matrix apart; ours stays one (attn_qkv), which llama.cpp reads too. */
#include "train/model/family_io.h"

static const pt_part_name names[] = {
    {PT_PART_EMBED, "tok_embeddings", "token_embd"}, {PT_PART_HEAD, "output", "output"},           {PT_PART_NORM1, "attention_norm", "attn_norm"},
    {PT_MOD_QKV, "attention.wqkv", "attn_qkv"},      {PT_MOD_O, "attention.wo", "attn_output"},    {PT_PART_NORM2, "ffn_norm", "ffn_norm"},
    {PT_MOD_GATE, "feed_forward.w1", "ffn_gate"},    {PT_MOD_UP, "feed_forward.w3", "ffn_up"},     {PT_MOD_DOWN, "feed_forward.w2", "ffn_down"},
    {0, NULL, NULL},
};

static void shape(pt_model_config *c)
{
    c->fused_qkv = true;
}

static pt_status from_hf(pt_model_config *c, const pt_hf_reader *r)
{
    bool bias;
    PT_RETURN(pt_family_read_hf(c, r));
    PT_RETURN(pt_key_bool(r, "bias", true, &bias));
    c->qkv_bias = c->o_bias = bias;
    return PT_OK;
}

static pt_status to_hf(pt_hf *out, const pt_model_config *c)
{
    if (!c->fused_qkv) return pt_fail(PT_ENOSUP, "InternLM2's folders have q, k and v in one matrix, this GGUF file apart: use --to gguf");
    PT_RETURN(pt_family_write_hf(out, c));
    return pt_hf_set_bool(out, "bias", c->o_bias);
}

static pt_status from_gguf(pt_model_config *c, pt_gguf_reader *r)
{
    PT_RETURN(pt_family_read_gguf(c, r));
    c->fused_qkv = pt_gguf_find_tensor(r->g, "blk.0.attn_qkv.weight") != NULL;
    return PT_OK;
}

const pt_family pt_family_internlm2 = {.name = "internlm2", .title = "internlm2", .causal = "InternLM2ForCausalLM", .gguf = "internlm2", .permuted = true,
                                       .names = names, .layout = {[PT_MOD_QKV] = PT_LAYOUT_GROUPED}, .shape = shape, .from_hf = from_hf, .to_hf = to_hf,
                                       .from_gguf = from_gguf};

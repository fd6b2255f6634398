/* StableLM: LayerNorm with a bias, a rotated part of each head, biases on q, k and v, one block after the other or beside each other;
 * StableLM 2 12B norms each head of q and k. transformers' modeling_stablelm.py; llama.cpp's stablelm. */
#include "train/model/family_io.h"

static void shape(pt_model_config *c)
{
    c->norm = PT_NORM_LAYER;
    c->norm_bias = true;
}

static pt_status from_hf(pt_model_config *c, const pt_hf_reader *r)
{
    static const pt_size_keys sizes = {.eps = "layer_norm_eps", .eps_default = 1e-5, .head_dim = "", .positions_default = 4096};
    bool normed;
    PT_RETURN(pt_hf_read_sizes(c, r, &sizes));
    PT_RETURN(pt_hf_read_act(c, r, "hidden_act", "silu"));
    PT_RETURN(pt_hf_read_rope(c, r, true, 0.25));
    PT_RETURN(pt_key_bool(r, "use_qkv_bias", false, &c->qkv_bias));
    PT_RETURN(pt_key_bool(r, "use_parallel_residual", false, &c->parallel));
    c->shared_norm = c->parallel;
    PT_RETURN(pt_key_bool(r, "qk_layernorm", false, &normed));
    if (normed) c->qk_norm = PT_QK_NORM_EACH;
    pt_hf_read_ids(c, r);
    return PT_OK;
}

static pt_status to_hf(pt_hf *out, const pt_model_config *c)
{
    static const pt_size_keys sizes = {.eps = "layer_norm_eps", .head_dim = ""};
    PT_RETURN(pt_hf_write_sizes(out, c, &sizes));
    PT_RETURN(pt_hf_write_act(out, c, "hidden_act"));
    PT_RETURN(pt_hf_write_rope(out, c));
    PT_RETURN(pt_hf_set_num(out, "partial_rotary_factor", (double)c->rot / c->head_dim));
    PT_RETURN(pt_hf_set_bool(out, "use_qkv_bias", c->qkv_bias));
    PT_RETURN(pt_hf_set_bool(out, "qk_layernorm", c->qk_norm != PT_QK_NORM_NONE));
    return pt_hf_set_bool(out, "use_parallel_residual", c->parallel);
}

static pt_status from_gguf(pt_model_config *c, pt_gguf_reader *r)
{
    PT_RETURN(pt_family_read_gguf(c, r));
    PT_RETURN(pt_meta_bool(r, "use_parallel_residual", true, &c->parallel));
    c->parallel = c->parallel && !pt_gguf_find_tensor(r->g, "blk.0.ffn_norm.weight"); /* llama.cpp goes by the norm */
    c->shared_norm = c->parallel;
    if (pt_gguf_find_tensor(r->g, "blk.0.attn_q_norm.weight")) c->qk_norm = PT_QK_NORM_EACH;
    return PT_OK;
}

static pt_status to_gguf(pt_gguf_writer *w, const pt_model_config *c)
{
    if (c->tied) return pt_fail(PT_ENOSUP, "llama.cpp's stablelm has a head of its own, this model's is its embedding");
    PT_RETURN(pt_gguf_write_sizes(w, c));
    PT_RETURN(pt_gguf_write_rope(w, c));
    return pt_gguf_arch_bool(w, c, "use_parallel_residual", c->parallel);
}

static const pt_part_name names[] = {{PT_PART_QNORM, "self_attn.q_layernorm", "attn_q_norm"}, {PT_PART_KNORM, "self_attn.k_layernorm", "attn_k_norm"}, {0, NULL, NULL}};
static const char *const reads[] = {"use_qkv_bias", "use_parallel_residual", "qk_layernorm", NULL};
static const char *const reads_gguf[] = {"use_parallel_residual", "attention.layer_norm_epsilon", NULL};

const pt_family pt_family_stablelm = {.name = "stablelm", .title = "stablelm", .causal = "StableLmForCausalLM", .classifier = "StableLmForSequenceClassification",
                                      .gguf = "stablelm", .names = names, .qk_norm_layout = PT_LAYOUT_STACKED, .reads = reads, .reads_gguf = reads_gguf, .rotated = 0.25, .shape = shape, .from_hf = from_hf, .to_hf = to_hf,
                                      .from_gguf = from_gguf, .to_gguf = to_gguf};

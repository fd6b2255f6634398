/* OLMo 2: norms behind attention and MLP and none before them, q and k normed over their whole rows. transformers' modeling_olmo2.py; llama.cpp's olmo2. */
#include "train/model/family_io.h"

static void shape(pt_model_config *c)
{
    c->no_pre_norm = c->post_norm = true;
    c->qk_norm = PT_QK_NORM_ROWS;
}

static pt_status from_hf(pt_model_config *c, const pt_hf_reader *r)
{
    static const pt_size_keys sizes = {.eps_default = 1e-5};
    bool bias;
    PT_RETURN(pt_hf_read_sizes(c, r, &sizes));
    PT_RETURN(pt_hf_read_act(c, r, "hidden_act", "silu"));
    PT_RETURN(pt_hf_read_rope(c, r, false, 0));
    PT_RETURN(pt_key_bool(r, "attention_bias", false, &bias));
    c->qkv_bias = c->o_bias = bias;
    pt_hf_read_ids(c, r);
    return PT_OK;
}

static pt_status to_hf(pt_hf *out, const pt_model_config *c)
{
    PT_RETURN(pt_family_write_hf(out, c));
    return pt_hf_set_bool(out, "attention_bias", c->o_bias);
}

static pt_status to_gguf(pt_gguf_writer *w, const pt_model_config *c)
{
    if (c->tied) return pt_fail(PT_ENOSUP, "llama.cpp's olmo2 has a head of its own, this model's is its embedding");
    return pt_family_write_gguf(w, c);
}

const pt_family pt_family_olmo2 = {.name = "olmo2", .title = "olmo2 (OLMo 2)", .causal = "Olmo2ForCausalLM", .classifier = "Olmo2ForSequenceClassification",
                                   .gguf = "olmo2", .shape = shape, .from_hf = from_hf, .to_hf = to_hf, .to_gguf = to_gguf};

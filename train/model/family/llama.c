/* Llama 2 and 3 and what is shaped like them (SmolLM2, TinyLlama). transformers' modeling_llama.py. */
#include "train/model/family_io.h"

static pt_status from_hf(pt_model_config *c, const pt_hf_reader *r)
{
    bool bias;
    PT_RETURN(pt_family_read_hf(c, r));
    PT_RETURN(pt_key_bool(r, "attention_bias", false, &bias));
    c->qkv_bias = c->o_bias = bias;
    return pt_key_bool(r, "mlp_bias", false, &c->mlp_bias);
}

static pt_status to_hf(pt_hf *out, const pt_model_config *c)
{
    PT_RETURN(pt_family_write_hf(out, c));
    if (c->qkv_bias) PT_RETURN(pt_hf_set_bool(out, "attention_bias", true));
    return c->mlp_bias ? pt_hf_set_bool(out, "mlp_bias", true) : PT_OK;
}

const pt_family pt_family_llama = {.name = "llama", .title = "llama (Llama 2 and 3, SmolLM2, TinyLlama)", .causal = "LlamaForCausalLM",
                                   .classifier = "LlamaForSequenceClassification", .gguf = "llama", .permuted = true, .large_layers = 80, .large_shared = true, .from_hf = from_hf, .to_hf = to_hf};

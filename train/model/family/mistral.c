/* Mistral: Llama with a sliding window. transformers' modeling_mistral.py. In GGUF it is stored as llama; a window there says that it is Mistral's. */
#include "train/model/family_io.h"

static pt_status from_hf(pt_model_config *c, const pt_hf_reader *r)
{
    static const pt_size_keys sizes = {.kv_heads_default = 8};
    PT_RETURN(pt_hf_read_sizes(c, r, &sizes));
    PT_RETURN(pt_hf_read_act(c, r, "hidden_act", "silu"));
    PT_RETURN(pt_hf_read_window(c, r, 4096));
    PT_RETURN(pt_hf_read_rope(c, r, false, 0));
    pt_hf_read_ids(c, r);
    return PT_OK;
}

static pt_status to_hf(pt_hf *out, const pt_model_config *c)
{
    PT_RETURN(pt_family_write_hf(out, c));
    return pt_hf_set_int(out, "sliding_window", c->window ? c->window : c->max_positions); /* absent means 4096 there */
}

static bool is_gguf(const pt_model_config *c)
{
    return c->window > 0;
}

const pt_family pt_family_mistral = {.name = "mistral", .title = "mistral", .causal = "MistralForCausalLM", .classifier = "MistralForSequenceClassification",
                                     .gguf = "llama", .windowed = true, .permuted = true, .from_hf = from_hf, .to_hf = to_hf, .is_gguf = is_gguf};

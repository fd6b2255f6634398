/* Qwen 2, 2.5 and 3: biases on q, k and v, or norms of q and k. transformers' modeling_qwen2.py, modeling_qwen3.py. */
#include "train/model/family_io.h"

static void shape2(pt_model_config *c)
{
    c->qkv_bias = true;
}

static void shape3(pt_model_config *c)
{
    c->qk_norm = PT_QK_NORM_HEADS;
}

/* use_sliding_window and max_window_layers decide over sliding_window. */
static pt_status read_window(pt_model_config *c, const pt_hf_reader *r)
{
    int window = 4096, from = 0;
    bool use = false;
    if (json_object_get(r->root, "sliding_window")) PT_RETURN(pt_key_reach(r, "sliding_window", 0, &window));
    PT_RETURN(pt_key_bool(r, "use_sliding_window", false, &use));
    PT_RETURN(pt_key_reach(r, "max_window_layers", 28, &from));
    if (!use) window = 0;
    c->window = window > 0 && from < c->layers ? window : 0;
    c->window_from_layer = c->window ? from : 0;
    return pt_hf_read_layer_types(c, r, window);
}

static pt_status read(pt_model_config *c, const pt_hf_reader *r, int head_dim)
{
    const pt_size_keys sizes = {.kv_heads_default = 32, .head_dim_default = head_dim};
    PT_RETURN(pt_hf_read_sizes(c, r, &sizes));
    PT_RETURN(pt_hf_read_act(c, r, "hidden_act", "silu"));
    PT_RETURN(read_window(c, r));
    PT_RETURN(pt_hf_read_rope(c, r, false, 0));
    pt_hf_read_ids(c, r);
    return PT_OK;
}

static pt_status from_hf2(pt_model_config *c, const pt_hf_reader *r)
{
    return read(c, r, 0);
}

static pt_status from_hf3(pt_model_config *c, const pt_hf_reader *r)
{
    bool bias;
    PT_RETURN(pt_key_bool(r, "attention_bias", false, &bias));
    c->qkv_bias = c->o_bias = bias;
    return read(c, r, 128);
}

static pt_status to_hf(pt_hf *out, const pt_model_config *c)
{
    PT_RETURN(pt_family_write_hf(out, c));
    if (c->o_bias) PT_RETURN(pt_hf_set_bool(out, "attention_bias", true));
    if (c->window) PT_RETURN(pt_hf_set_int(out, "sliding_window", c->window));
    PT_RETURN(pt_hf_set_bool(out, "use_sliding_window", c->window != 0));
    PT_RETURN(pt_hf_set_int(out, "max_window_layers", c->window ? c->window_from_layer : c->layers));
    return pt_hf_write_layer_types(out, c);
}

const pt_family pt_family_qwen2 = {.name = "qwen2", .title = "qwen2 (Qwen 2 and 2.5)", .causal = "Qwen2ForCausalLM", .classifier = "Qwen2ForSequenceClassification",
                                   .gguf = "qwen2", .windowed = true, .large_layers = 80, .shape = shape2, .from_hf = from_hf2, .to_hf = to_hf};
const pt_family pt_family_qwen3 = {.name = "qwen3", .title = "qwen3", .causal = "Qwen3ForCausalLM", .classifier = "Qwen3ForSequenceClassification",
                                   .gguf = "qwen3", .windowed = true, .shape = shape3, .from_hf = from_hf3, .to_hf = to_hf};

/* SmolLM3: Llama of which some layers do not rotate. transformers' modeling_smollm3.py; llama.cpp's smollm3, where it is every fourth. */
#include "train/model/family_io.h"

enum { NO_ROPE_EVERY = 4 };

static pt_status read_no_rope(pt_model_config *c, const pt_hf_reader *r)
{
    int every;
    json_t *list = pt_key_get(r->root, "no_rope_layers"), *v;
    size_t i;
    PT_RETURN(pt_key_int(r, "no_rope_layer_interval", NO_ROPE_EVERY, &every));
    if (c->layers > PT_MAX_LAYERS) return PT_OK; /* refused by its size */
    if (!list) {
        for (int l = 0; every > 0 && l < c->layers; l++)
            if ((l + 1) % every == 0) c->layer[l] |= PT_LAYER_NO_ROPE;
        return PT_OK;
    }
    if (!json_is_array(list) || json_array_size(list) != (size_t)c->layers)
        return pt_fail(PT_EFORMAT, "%s: no_rope_layers is no list of %d layers", r->where, c->layers);
    json_array_foreach(list, i, v)
        if (json_number_value(v) == 0) c->layer[i] |= PT_LAYER_NO_ROPE; /* 1: the layer rotates */
    return PT_OK;
}

/* A window holds in layers that do not rotate, unless layer_types says which. */
static pt_status read_window(pt_model_config *c, const pt_hf_reader *r)
{
    bool use;
    PT_RETURN(pt_key_bool(r, "use_sliding_window", false, &use));
    if (!use) return PT_OK;
    PT_RETURN(pt_key_reach(r, "sliding_window", 0, &c->window));
    if (pt_key_get(r->root, "layer_types")) return pt_hf_read_layer_types(c, r, c->window);
    for (int l = 0; l < c->layers && l < PT_MAX_LAYERS; l++)
        if (!(c->layer[l] & PT_LAYER_NO_ROPE)) c->layer[l] |= PT_LAYER_FULL;
    return PT_OK;
}

static pt_status from_hf(pt_model_config *c, const pt_hf_reader *r)
{
    static const pt_size_keys sizes = {.kv_heads_default = 4, .positions_default = 32768, .tied_default = true};
    bool bias;
    PT_RETURN(pt_hf_read_sizes(c, r, &sizes));
    PT_RETURN(pt_hf_read_act(c, r, "hidden_act", "silu"));
    PT_RETURN(pt_hf_read_rope(c, r, false, 0));
    PT_RETURN(read_no_rope(c, r));
    PT_RETURN(read_window(c, r));
    PT_RETURN(pt_key_bool(r, "attention_bias", false, &bias));
    c->qkv_bias = c->o_bias = bias;
    PT_RETURN(pt_key_bool(r, "mlp_bias", false, &c->mlp_bias));
    pt_hf_read_ids(c, r);
    return PT_OK;
}

static void derive(pt_model_config *c)
{
    for (int l = NO_ROPE_EVERY - 1; l < c->layers; l += NO_ROPE_EVERY) c->layer[l] |= PT_LAYER_NO_ROPE;
}

static pt_status to_hf(pt_hf *out, const pt_model_config *c)
{
    int64_t rotates[PT_MAX_LAYERS];
    for (int l = 0; l < c->layers; l++) rotates[l] = !(c->layer[l] & PT_LAYER_NO_ROPE);
    PT_RETURN(pt_family_write_hf(out, c));
    PT_RETURN(pt_hf_set_ints(out, "no_rope_layers", rotates, (size_t)c->layers));
    PT_RETURN(pt_hf_set_bool(out, "attention_bias", c->o_bias));
    PT_RETURN(pt_hf_set_bool(out, "mlp_bias", c->mlp_bias));
    PT_RETURN(pt_hf_set_bool(out, "use_sliding_window", c->window != 0));
    if (c->window) PT_RETURN(pt_hf_set_int(out, "sliding_window", c->window));
    return pt_hf_write_layer_types(out, c);
}

static pt_status from_gguf(pt_model_config *c, pt_gguf_reader *r)
{
    PT_RETURN(pt_family_read_gguf(c, r));
    derive(c);
    return PT_OK;
}

static pt_status to_gguf(pt_gguf_writer *w, const pt_model_config *c)
{
    for (int l = 0; l < c->layers; l++)
        if (!(c->layer[l] & PT_LAYER_NO_ROPE) != ((l + 1) % NO_ROPE_EVERY != 0))
            return pt_fail(PT_ENOSUP, "llama.cpp's smollm3 does not rotate every fourth layer, this model others");
    return pt_family_write_gguf(w, c);
}

static const char *const reads[] = {"no_rope_layers", "no_rope_layer_interval", NULL};

const pt_family pt_family_smollm3 = {.name = "smollm3", .title = "smollm3", .causal = "SmolLM3ForCausalLM", .classifier = "SmolLM3ForSequenceClassification",
                                     .gguf = "smollm3", .windowed = true, .permuted = true, .reads = reads, .derive = derive, .from_hf = from_hf, .to_hf = to_hf,
                                     .from_gguf = from_gguf, .to_gguf = to_gguf};

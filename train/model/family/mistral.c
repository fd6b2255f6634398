/* Mistral (7B, Nemo, Small): Llama with a sliding window, or none, and heads of their own size. transformers' modeling_mistral.py. In GGUF it is stored as
 * llama, where a window says that it is Mistral's, or as mistral3. Mistral Small 3.1 and later see (mistral3): their text is a Mistral. Ministral has a
 * window in some layers (layer_types); llama.cpp has none such. */
#include <stdio.h>
#include <string.h>

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

extern const pt_family pt_family_mistral;

/* A folder of the model that sees: its text_config is the text model, its other tensors are left out. */
static pt_status from_hf_within(pt_model_config *c, const pt_hf_reader *r)
{
    pt_hf_reader text = *r;
    const char *type;
    text.root = pt_key_get(r->root, "text_config");
    text.family = &pt_family_mistral;
    if (!json_is_object(text.root)) return pt_fail(PT_EFORMAT, "%s: text_config is missing", r->where);
    PT_RETURN(pt_key_text(&text, "model_type", text.family->name, &type));
    if (strcmp(type, text.family->name) != 0) return pt_fail(PT_ENOSUP, "%s: text_config of type '%.40s' is not supported, %s is", r->where, type, text.family->name);
    snprintf(c->family, sizeof c->family, "%s", text.family->name);
    PT_RETURN(pt_hf_refuse_unknown(&text));
    return from_hf(c, &text);
}

/* What llama.cpp's converter writes of it since 2025. */
static pt_status from_gguf_within(pt_model_config *c, pt_gguf_reader *r)
{
    snprintf(c->family, sizeof c->family, "%s", pt_family_mistral.name);
    return pt_family_read_gguf(c, r);
}

static pt_status from_hf_layers(pt_model_config *c, const pt_hf_reader *r)
{
    static const pt_size_keys sizes = {.kv_heads_default = 8, .positions_default = 131072};
    PT_RETURN(pt_hf_read_sizes(c, r, &sizes));
    PT_RETURN(pt_hf_read_act(c, r, "hidden_act", "silu"));
    PT_RETURN(pt_hf_read_window(c, r, 4096));
    PT_RETURN(pt_hf_read_rope(c, r, false, 0));
    pt_hf_read_ids(c, r);
    return PT_OK;
}

static pt_status to_hf_layers(pt_hf *out, const pt_model_config *c)
{
    PT_RETURN(pt_family_write_hf(out, c));
    PT_RETURN(c->window ? pt_hf_set_int(out, "sliding_window", c->window) : pt_hf_set_null(out, "sliding_window"));
    return pt_hf_write_layer_types(out, c);
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
                                     .gguf = "llama", .windowed = true, .permuted = true, .large_layers = 80, .large_shared = true, .from_hf = from_hf, .to_hf = to_hf, .is_gguf = is_gguf};
const pt_family pt_family_mistral3 = {.name = "mistral3", .title = "mistral3 (its text)", .causal = "Mistral3ForConditionalGeneration", .gguf = "mistral3",
                                      .windowed = true, .permuted = true, .from_hf = from_hf_within, .from_gguf = from_gguf_within};
const pt_family pt_family_ministral = {.name = "ministral", .title = "ministral", .causal = "MinistralForCausalLM",
                                       .classifier = "MinistralForSequenceClassification", .windowed = true, .from_hf = from_hf_layers, .to_hf = to_hf_layers};

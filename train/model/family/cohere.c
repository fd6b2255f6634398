/* Cohere's Command R and R7B: attention and MLP beside each other behind one LayerNorm without a bias, rotation of adjacent pairs, scaled logits. Command
 * R7B (cohere2) has windows in three layers of four, and only those rotate; Command R+ norms q and k (use_qk_norm), with a weight for each head. transformers'
 * modeling_cohere.py, modeling_cohere2.py; llama.cpp's command-r, cohere2. */
#include "train/model/family_io.h"

enum { FULL_EVERY = 4, GGUF_QK_NORM = 64 /* layers from which on llama.cpp's command-r norms q and k */ };

static void shape(pt_model_config *c)
{
    c->norm = PT_NORM_LAYER;
    c->parallel = c->shared_norm = true;
    c->rope_kind = PT_ROPE_ADJACENT;
}

static pt_status read(pt_model_config *c, const pt_hf_reader *r)
{
    static const pt_size_keys sizes = {.eps = "layer_norm_eps", .eps_default = 1e-5, .positions_default = 8192, .tied_default = true};
    double scale;
    bool bias;
    PT_RETURN(pt_hf_read_sizes(c, r, &sizes));
    PT_RETURN(pt_hf_read_act(c, r, "hidden_act", "silu"));
    PT_RETURN(pt_hf_read_rope(c, r, false, 0));
    PT_RETURN(pt_key_num(r->where, r->root, "logit_scale", 0.0625, &scale));
    if (!(scale > 0)) return pt_fail(PT_EFORMAT, "%s: logit_scale is %g", r->where, scale);
    c->logit_scale = (float)scale;
    PT_RETURN(pt_key_bool(r, "attention_bias", false, &bias));
    c->qkv_bias = c->o_bias = bias;
    pt_hf_read_ids(c, r);
    return PT_OK;
}

static void full_layers(pt_model_config *c)
{
    for (int l = FULL_EVERY - 1; l < c->layers && l < PT_MAX_LAYERS; l += FULL_EVERY) c->layer[l] |= PT_LAYER_FULL;
}

/* Of Command R alone. */
static pt_status read1(pt_model_config *c, const pt_hf_reader *r)
{
    bool normed;
    PT_RETURN(read(c, r));
    PT_RETURN(pt_key_bool(r, "use_qk_norm", false, &normed));
    if (normed) c->qk_norm = PT_QK_NORM_EACH;
    return PT_OK;
}

/* Layers without a window do not rotate. */
static void rotate_windowed(pt_model_config *c)
{
    for (int l = 0; l < c->layers && l < PT_MAX_LAYERS; l++)
        if (!pt_config_window(c, l)) c->layer[l] |= PT_LAYER_NO_ROPE;
}

static pt_status read2(pt_model_config *c, const pt_hf_reader *r)
{
    PT_RETURN(read(c, r));
    PT_RETURN(pt_hf_read_window(c, r, 4096));
    if (!pt_key_get(r->root, "layer_types")) full_layers(c);
    rotate_windowed(c);
    return PT_OK;
}

static pt_status to_hf(pt_hf *out, const pt_model_config *c)
{
    static const pt_size_keys sizes = {.eps = "layer_norm_eps", .head_dim = ""};
    if (c->head_dim * c->heads != c->hidden) return pt_fail(PT_ENOSUP, "Hugging Face's %s has heads of hidden / heads features, this model %d", c->family, c->head_dim);
    PT_RETURN(pt_hf_write_sizes(out, c, &sizes));
    PT_RETURN(pt_hf_write_act(out, c, "hidden_act"));
    PT_RETURN(pt_hf_write_rope(out, c));
    PT_RETURN(pt_hf_set_bool(out, "attention_bias", c->o_bias));
    return pt_hf_set_num(out, "logit_scale", (double)pt_config_scale(c->logit_scale));
}

static pt_status to_hf1(pt_hf *out, const pt_model_config *c)
{
    PT_RETURN(to_hf(out, c));
    return pt_hf_set_bool(out, "use_qk_norm", c->qk_norm != PT_QK_NORM_NONE);
}

static pt_status to_hf2(pt_hf *out, const pt_model_config *c)
{
    PT_RETURN(to_hf(out, c));
    PT_RETURN(pt_hf_set_int(out, "sliding_window", c->window));
    return pt_hf_write_layer_types(out, c);
}

static pt_status from_gguf(pt_model_config *c, pt_gguf_reader *r)
{
    double scale;
    PT_RETURN(pt_family_read_gguf(c, r));
    PT_RETURN(pt_meta_num(r, "logit_scale", 0, &scale));
    c->logit_scale = (float)scale;
    return PT_OK;
}

static pt_status from_gguf1(pt_model_config *c, pt_gguf_reader *r)
{
    PT_RETURN(from_gguf(c, r));
    if (pt_gguf_find_tensor(r->g, "blk.0.attn_q_norm.weight")) c->qk_norm = PT_QK_NORM_EACH;
    return PT_OK;
}

static pt_status from_gguf2(pt_model_config *c, pt_gguf_reader *r)
{
    PT_RETURN(from_gguf(c, r));
    PT_RETURN(pt_gguf_read_pattern(c, r, FULL_EVERY));
    rotate_windowed(c);
    return PT_OK;
}

static pt_status write_gguf(pt_gguf_writer *w, const pt_model_config *c)
{
    if (!c->tied) return pt_fail(PT_ENOSUP, "llama.cpp's %s takes the embedding as its head, this model has another", pt_family_of(c)->gguf);
    if (c->qkv_bias) return pt_fail(PT_ENOSUP, "llama.cpp's %s has no biases", pt_family_of(c)->gguf);
    PT_RETURN(pt_gguf_write_sizes(w, c));
    PT_RETURN(pt_gguf_write_rope(w, c));
    return pt_gguf_arch_f32(w, c, "logit_scale", pt_config_scale(c->logit_scale));
}

static pt_status to_gguf1(pt_gguf_writer *w, const pt_model_config *c)
{
    if ((c->qk_norm != PT_QK_NORM_NONE) != (c->layers >= GGUF_QK_NORM))
        return pt_fail(PT_ENOSUP, "llama.cpp's command-r norms q and k in models of %d layers and more, and in no others; this one has %d layers and %ssuch norms", GGUF_QK_NORM, c->layers,
                       c->qk_norm ? "" : "no ");
    return write_gguf(w, c);
}

static pt_status to_gguf2(pt_gguf_writer *w, const pt_model_config *c)
{
    PT_RETURN(write_gguf(w, c));
    return pt_gguf_write_pattern(w, c, FULL_EVERY);
}

static const char *const reads[] = {"logit_scale", "use_qk_norm", NULL}, *const reads2[] = {"logit_scale", NULL};
static const char *const reads_gguf[] = {"logit_scale", "attention.layer_norm_epsilon", "attention.sliding_window_pattern", NULL};

const pt_family pt_family_cohere = {.name = "cohere", .title = "cohere (Command R)", .causal = "CohereForCausalLM", .gguf = "command-r", .reads = reads,
                                    .reads_gguf = reads_gguf, .shape = shape, .from_hf = read1, .to_hf = to_hf1, .from_gguf = from_gguf1, .to_gguf = to_gguf1};
const pt_family pt_family_cohere2 = {.name = "cohere2", .title = "cohere2 (Command R7B)", .causal = "Cohere2ForCausalLM", .gguf = "cohere2", .windowed = true,
                                     .reads = reads2, .reads_gguf = reads_gguf, .shape = shape, .derive = rotate_windowed, .from_hf = read2, .to_hf = to_hf2,
                                     .from_gguf = from_gguf2, .to_gguf = to_gguf2};

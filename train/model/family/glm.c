/* GLM-4 in transformers' own code: GLM-4-9B (glm) and the models of 0414 (glm4, with norms behind attention and MLP). Gate and up out of one matrix, the
 * first half of each head rotated in adjacent pairs. transformers' modeling_glm.py, modeling_glm4.py; llama.cpp's chatglm and glm4. */
#include "train/model/family_io.h"

static void shape(pt_model_config *c)
{
    c->fused_gate_up = true;
    c->rope_kind = PT_ROPE_ADJACENT;
}

static void shape4(pt_model_config *c)
{
    shape(c);
    c->post_norm = true;
}

static pt_status from_hf(pt_model_config *c, const pt_hf_reader *r)
{
    static const pt_size_keys sizes = {.kv_heads_default = 2, .head_dim_default = 128, .positions_default = 131072, .eps_default = 1.5625e-7};
    PT_RETURN(pt_hf_read_sizes(c, r, &sizes));
    PT_RETURN(pt_hf_read_act(c, r, "hidden_act", "silu"));
    PT_RETURN(pt_hf_read_rope(c, r, true, 0.5));
    PT_RETURN(pt_key_bool(r, "attention_bias", true, &c->qkv_bias)); /* of q, k and v alone */
    pt_hf_read_ids(c, r);
    return PT_OK;
}

static pt_status to_hf(pt_hf *out, const pt_model_config *c)
{
    PT_RETURN(pt_hf_write_sizes(out, c, NULL));
    PT_RETURN(pt_hf_write_act(out, c, "hidden_act"));
    PT_RETURN(pt_hf_write_rope(out, c));
    PT_RETURN(pt_hf_set_num(out, "partial_rotary_factor", (double)c->rot / c->head_dim));
    return pt_hf_set_bool(out, "attention_bias", c->qkv_bias);
}

/* The architecture is ChatGLM's too, which has q, k and v in one matrix. */
static pt_status from_gguf(pt_model_config *c, pt_gguf_reader *r)
{
    if (pt_gguf_find_tensor(r->g, "blk.0.attn_qkv.weight")) return pt_fail(PT_ENOSUP, "%s: ChatGLM's own models (q, k and v in one matrix) are not supported", r->g->path);
    return pt_family_read_gguf(c, r);
}

static pt_status to_gguf4(pt_gguf_writer *w, const pt_model_config *c)
{
    const char *arch = pt_family_of(c)->gguf;
    if (c->act != PT_ACT_SILU) return pt_fail(PT_ENOSUP, "llama.cpp's %s has no other activation than SiLU", arch);
    if (c->scaling == PT_ROPE_SCALE_LLAMA3 || c->scaling == PT_ROPE_SCALE_FREQS)
        return pt_fail(PT_ENOSUP, "llama.cpp's %s reads no rope factors (rope_freqs.weight)", arch);
    PT_RETURN(pt_gguf_write_sizes(w, c));
    return pt_gguf_write_rope(w, c);
}

static pt_status to_gguf(pt_gguf_writer *w, const pt_model_config *c)
{
    if (c->head_dim * c->heads != c->hidden) return pt_fail(PT_ENOSUP, "llama.cpp's chatglm has heads of hidden / heads features, this model %d", c->head_dim);
    return to_gguf4(w, c);
}

static const pt_part_name names4[] = {{PT_PART_POST1, "post_self_attn_layernorm", "post_attention_norm"},
                                      {PT_PART_POST2, "post_mlp_layernorm", "post_ffw_norm"},
                                      {0, NULL, NULL}};

const pt_family pt_family_glm = {.name = "glm", .title = "glm (GLM-4-9B)", .causal = "GlmForCausalLM", .classifier = "GlmForSequenceClassification", .gguf = "chatglm",
                                 .shape = shape, .from_hf = from_hf, .to_hf = to_hf, .from_gguf = from_gguf, .to_gguf = to_gguf};
const pt_family pt_family_glm4 = {.name = "glm4", .title = "glm4 (GLM-4-0414)", .causal = "Glm4ForCausalLM", .classifier = "Glm4ForSequenceClassification",
                                  .gguf = "glm4", .names = names4, .shape = shape4, .from_hf = from_hf, .to_hf = to_hf, .to_gguf = to_gguf4};

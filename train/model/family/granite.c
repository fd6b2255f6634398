/* Granite 3: Llama with four multipliers. transformers' modeling_granite.py; llama.cpp's granite. */
#include "train/model/family_io.h"

/* A multiplier of which 1 is stored as 0, the switch's "as ever". */
static pt_status multiplier(const pt_hf_reader *r, const char *key, bool inverse, float *out)
{
    double v;
    PT_RETURN(pt_key_num(r->where, r->root, key, 1, &v));
    if (!(v > 0)) return pt_fail(PT_EFORMAT, "%s: %s is %g", r->where, key, v);
    *out = v == 1 ? 0 : (float)(inverse ? 1 / v : v);
    return PT_OK;
}

static pt_status from_hf(pt_model_config *c, const pt_hf_reader *r)
{
    double attention;
    bool bias;
    PT_RETURN(pt_family_read_hf(c, r));
    PT_RETURN(pt_key_bool(r, "attention_bias", false, &bias));
    c->qkv_bias = c->o_bias = bias;
    PT_RETURN(pt_key_bool(r, "mlp_bias", false, &c->mlp_bias));
    PT_RETURN(multiplier(r, "embedding_multiplier", false, &c->embed_scale));
    PT_RETURN(multiplier(r, "residual_multiplier", false, &c->residual_scale));
    PT_RETURN(multiplier(r, "logits_scaling", true, &c->logit_scale));
    PT_RETURN(pt_key_num(r->where, r->root, "attention_multiplier", 1, &attention)); /* missing: 1, not 1 / sqrt(head_dim) */
    if (!(attention > 0)) return pt_fail(PT_EFORMAT, "%s: attention_multiplier is %g", r->where, attention);
    c->attn_scale = (float)attention;
    return PT_OK;
}

static pt_status to_hf(pt_hf *out, const pt_model_config *c)
{
    PT_RETURN(pt_family_write_hf(out, c));
    PT_RETURN(pt_hf_set_bool(out, "attention_bias", c->o_bias));
    PT_RETURN(pt_hf_set_bool(out, "mlp_bias", c->mlp_bias));
    PT_RETURN(pt_hf_set_num(out, "embedding_multiplier", (double)pt_config_scale(c->embed_scale)));
    PT_RETURN(pt_hf_set_num(out, "residual_multiplier", (double)pt_config_scale(c->residual_scale)));
    PT_RETURN(pt_hf_set_num(out, "logits_scaling", 1 / (double)pt_config_scale(c->logit_scale)));
    return pt_hf_set_num(out, "attention_multiplier", (double)pt_config_attn_scale(c));
}

static pt_status from_gguf(pt_model_config *c, pt_gguf_reader *r)
{
    double embed, residual, logits, attention;
    PT_RETURN(pt_family_read_gguf(c, r));
    PT_RETURN(pt_meta_num(r, "embedding_scale", 0, &embed));
    PT_RETURN(pt_meta_num(r, "residual_scale", 0, &residual));
    PT_RETURN(pt_meta_num(r, "logit_scale", 0, &logits));
    PT_RETURN(pt_meta_num(r, "attention.scale", 0, &attention));
    c->embed_scale = (float)embed;
    c->residual_scale = (float)residual;
    c->logit_scale = logits > 0 ? (float)(1 / logits) : 0;
    c->attn_scale = (float)attention;
    return PT_OK;
}

static pt_status to_gguf(pt_gguf_writer *w, const pt_model_config *c)
{
    PT_RETURN(pt_family_write_gguf(w, c));
    PT_RETURN(pt_gguf_arch_f32(w, c, "embedding_scale", pt_config_scale(c->embed_scale)));
    PT_RETURN(pt_gguf_arch_f32(w, c, "residual_scale", pt_config_scale(c->residual_scale)));
    PT_RETURN(pt_gguf_arch_f32(w, c, "logit_scale", 1 / pt_config_scale(c->logit_scale)));
    return pt_gguf_arch_f32(w, c, "attention.scale", pt_config_attn_scale(c));
}

static const char *const reads[] = {"embedding_multiplier", "residual_multiplier", "logits_scaling", "attention_multiplier", NULL};
static const char *const reads_gguf[] = {"embedding_scale", "residual_scale", "logit_scale", "attention.scale", NULL};

const pt_family pt_family_granite = {.name = "granite", .title = "granite (Granite 3)", .causal = "GraniteForCausalLM", .gguf = "granite", .permuted = true,
                                     .reads = reads, .reads_gguf = reads_gguf, .from_hf = from_hf, .to_hf = to_hf, .from_gguf = from_gguf, .to_gguf = to_gguf};

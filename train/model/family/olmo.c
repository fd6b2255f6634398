/* OLMo 1: LayerNorm without weights; q, k and v clipped (OLMo 7B of April and July 2024). transformers' modeling_olmo.py; llama.cpp's olmo. */
#include "train/model/family_io.h"

static void shape(pt_model_config *c)
{
    c->norm = PT_NORM_LAYER;
    c->norm_plain = true;
}

static const pt_size_keys sizes = {.eps = "", .eps_default = 1e-5, .head_dim = ""};

static pt_status from_hf(pt_model_config *c, const pt_hf_reader *r)
{
    bool bias;
    double clip;
    PT_RETURN(pt_hf_read_sizes(c, r, &sizes));
    PT_RETURN(pt_hf_read_act(c, r, "hidden_act", "silu"));
    PT_RETURN(pt_hf_read_rope(c, r, false, 0));
    PT_RETURN(pt_key_bool(r, "attention_bias", false, &bias));
    c->qkv_bias = c->o_bias = bias;
    if (pt_key_get(r->root, "clip_qkv")) {
        PT_RETURN(pt_key_num(r->where, r->root, "clip_qkv", 0, &clip));
        if (!(clip > 0)) return pt_fail(PT_EFORMAT, "%s: clip_qkv is %g: q, k and v are clipped at more than 0, or not at all (null)", r->where, clip);
        c->clip_qkv = (float)clip;
    }
    pt_hf_read_ids(c, r);
    return PT_OK;
}

static pt_status to_hf(pt_hf *out, const pt_model_config *c)
{
    if (c->head_dim * c->heads != c->hidden) return pt_fail(PT_ENOSUP, "Hugging Face's olmo has heads of hidden / heads features, this model %d", c->head_dim);
    if (c->norm_eps != 1e-5f) return pt_fail(PT_ENOSUP, "Hugging Face's olmo has a norm eps of 1e-5, this model %g", (double)c->norm_eps);
    PT_RETURN(pt_hf_write_sizes(out, c, &sizes));
    PT_RETURN(pt_hf_write_act(out, c, "hidden_act"));
    PT_RETURN(pt_hf_write_rope(out, c));
    PT_RETURN(c->clip_qkv > 0 ? pt_hf_set_num(out, "clip_qkv", (double)c->clip_qkv) : pt_hf_set_null(out, "clip_qkv"));
    return pt_hf_set_bool(out, "attention_bias", c->o_bias);
}

static pt_status from_gguf(pt_model_config *c, pt_gguf_reader *r)
{
    double clip;
    PT_RETURN(pt_family_read_gguf(c, r));
    PT_RETURN(pt_meta_num(r, "attention.clamp_kqv", 0, &clip));
    c->clip_qkv = clip > 0 ? (float)clip : 0; /* as llama.cpp does */
    return PT_OK;
}

static pt_status to_gguf(pt_gguf_writer *w, const pt_model_config *c)
{
    if (c->qkv_bias) return pt_fail(PT_ENOSUP, "llama.cpp's olmo has no biases");
    PT_RETURN(pt_family_write_gguf(w, c));
    return c->clip_qkv > 0 ? pt_gguf_arch_f32(w, c, "attention.clamp_kqv", c->clip_qkv) : PT_OK;
}

static const char *const reads[] = {"clip_qkv", NULL}, *const reads_gguf[] = {"attention.layer_norm_epsilon", "attention.clamp_kqv", NULL};

const pt_family pt_family_olmo = {.name = "olmo", .title = "olmo (OLMo 1)", .causal = "OlmoForCausalLM", .classifier = "OlmoForSequenceClassification", .gguf = "olmo", .permuted = true,
                                  .reads = reads, .reads_gguf = reads_gguf, .shape = shape, .from_hf = from_hf, .to_hf = to_hf, .from_gguf = from_gguf, .to_gguf = to_gguf};

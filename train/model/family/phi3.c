/* Phi-3 mini and medium, Phi-4 and Phi-4-mini: q, k and v out of one matrix, gate and up out of another, a window, a rotated part of each head (Phi-4-mini),
 * LongRoPE (the 128k models; see train/model/longrope.c). transformers' modeling_phi3.py; llama.cpp's phi3. */
#include "base/log.h"
#include "train/model/family_io.h"

enum { ORIGINAL_POSITIONS = 4096 }; /* Phi3Config's, whatever the rope's own object says */

static void shape(pt_model_config *c)
{
    c->fused_qkv = c->fused_gate_up = true;
}

static pt_status from_hf(pt_model_config *c, const pt_hf_reader *r)
{
    static const pt_size_keys sizes = {.eps_default = 1e-5, .positions_default = 4096};
    PT_RETURN(pt_hf_read_sizes(c, r, &sizes));
    PT_RETURN(pt_hf_read_act(c, r, "hidden_act", "silu"));
    if (!pt_key_get(r->root, "original_max_position_embeddings") &&
        json_object_set_new(r->root, "original_max_position_embeddings", json_integer(ORIGINAL_POSITIONS)))
        return pt_fail(PT_ENOMEM, "%s: out of memory", r->where);
    PT_RETURN(pt_hf_read_rope(c, r, true, 1));
    if (c->scaling != PT_ROPE_SCALE_NONE && c->scaling != PT_ROPE_SCALE_LONG)
        return pt_fail(PT_ENOSUP, "%s: another rope scaling than longrope is not supported for phi3 (nor by transformers)", r->where);
    PT_RETURN(pt_key_reach(r, "sliding_window", 0, &c->window));
    pt_hf_read_ids(c, r);
    return PT_OK;
}

static pt_status to_hf(pt_hf *out, const pt_model_config *c)
{
    PT_RETURN(pt_hf_write_sizes(out, c, NULL));
    PT_RETURN(pt_hf_write_act(out, c, "hidden_act"));
    PT_RETURN(pt_hf_write_rope(out, c));
    PT_RETURN(pt_hf_set_num(out, "partial_rotary_factor", (double)c->rot / c->head_dim));
    return c->window ? pt_hf_set_int(out, "sliding_window", c->window) : pt_hf_set_null(out, "sliding_window");
}

static pt_status to_gguf(pt_gguf_writer *w, const pt_model_config *c)
{
    if (c->head_dim * c->heads != c->hidden) return pt_fail(PT_ENOSUP, "llama.cpp's phi3 has heads of hidden / heads features, this model %d", c->head_dim);
    if (c->act != PT_ACT_SILU) return pt_fail(PT_ENOSUP, "llama.cpp's phi3 has no other activation than SiLU");
    PT_RETURN(pt_gguf_write_sizes(w, c));
    PT_RETURN(pt_gguf_arch_u32(w, c, "rope.dimension_count", (uint32_t)c->rot));
    PT_RETURN(pt_gguf_arch_f32(w, c, "rope.freq_base", (float)c->rope_theta));
    if (c->scaling == PT_ROPE_SCALE_LONG) PT_RETURN(pt_longrope_to_gguf(w, c));
    if (c->window) pt_log(PT_LOG_WARN, "llama.cpp ignores the sliding window of %d for phi3: beyond it answers may differ", c->window);
    return pt_gguf_arch_u32(w, c, "attention.sliding_window", (uint32_t)c->window); /* 0 too: some versions ask for it */
}

const pt_family pt_family_phi3 = {.name = "phi3", .title = "phi3 (Phi 3 and 4)", .causal = "Phi3ForCausalLM", .classifier = "Phi3ForSequenceClassification",
                                  .gguf = "phi3", .windowed = true, .shape = shape, .from_hf = from_hf, .to_hf = to_hf, .to_gguf = to_gguf};

/* LongRoPE (Ding et al. 2024, arXiv:2402.13753) as Phi-3 and Phi-4 have it: the frequencies are divided by one of two lists of factors, and cos and sin
 * multiplied by attention_factor. transformers' modeling_rope_utils.py (_compute_longrope_parameters); llama.cpp's rope_factors_short, rope_factors_long. */
#include <math.h>
#include <string.h>

#include "train/model/family_io.h"

static const char *const tensors[2] = {"rope_factors_short.weight", "rope_factors_long.weight"};

static double attention_of(double factor, double original)
{
    return factor <= 1 || original <= 1 ? 1 : sqrt(1 + log(factor) / log(original));
}

static double times(const pt_model_config *c)
{
    return (double)c->max_positions / c->original_positions;
}

static pt_status check_factors(const pt_model_config *c, const float *f, const char *where, const char *name)
{
    for (int i = 0; i < c->rot / 2; i++)
        if (!(f[i] > 0 && isfinite(f[i]))) return pt_fail(PT_EFORMAT, "%s: number %d of %s is %g", where, i, name, (double)f[i]);
    return PT_OK;
}

static pt_status check_many(const pt_model_config *c, const char *where)
{
    if (c->rot / 2 <= PT_MAX_LONG_FACTORS) return PT_OK;
    return pt_fail(PT_ENOSUP, "%s: longrope of heads with %d rotary features is not supported, the most is %d", where, c->rot, 2 * PT_MAX_LONG_FACTORS);
}

static pt_status read_list(const pt_model_config *c, json_t *scaling, const char *where, const char *name, float *out)
{
    json_t *list = pt_key_get(scaling, name), *v;
    size_t i;
    if (!json_is_array(list) || json_array_size(list) != (size_t)c->rot / 2)
        return pt_fail(PT_EFORMAT, "%s: %s of rope scaling 'longrope' is no list of %d numbers", where, name, c->rot / 2);
    json_array_foreach(list, i, v) out[i] = (float)json_number_value(v);
    return check_factors(c, out, where, name);
}

pt_status pt_longrope_from_hf(pt_model_config *c, json_t *scaling, const pt_hf_reader *r)
{
    double original;
    PT_RETURN(check_many(c, r->where));
    PT_RETURN(pt_key_num(r->where, scaling, "original_max_position_embeddings", c->max_positions, &original));
    PT_RETURN(pt_key_num(r->where, r->root, "original_max_position_embeddings", original, &original)); /* the key beside the object counts before the one within */
    if (!(original >= 1 && original < INT32_MAX)) return pt_fail(PT_EFORMAT, "%s: original_max_position_embeddings of rope scaling 'longrope' is %g", r->where, original);
    c->scaling = PT_ROPE_SCALE_LONG;
    c->original_positions = (int)original;
    PT_RETURN(pt_key_num(r->where, scaling, "factor", times(c), &c->scale_factor));
    PT_RETURN(pt_key_num(r->where, scaling, "attention_factor", attention_of(c->scale_factor, original), &c->attention_factor));
    if (!(c->attention_factor > 0)) return pt_fail(PT_EFORMAT, "%s: attention_factor of rope scaling 'longrope' is %g", r->where, c->attention_factor);
    PT_RETURN(read_list(c, scaling, r->where, "short_factor", c->short_factor));
    return read_list(c, scaling, r->where, "long_factor", c->long_factor);
}

pt_status pt_longrope_to_hf(pt_hf *out, const pt_model_config *c)
{
    double list[PT_MAX_LONG_FACTORS];
    /* transformers 4 reads "type" and wants no more than these three keys; 5 takes that too */
    PT_RETURN(pt_hf_set_text(out, "rope_scaling.type", "longrope"));
    for (int k = 0; k < 2; k++) {
        for (int i = 0; i < c->rot / 2; i++) list[i] = (double)(k ? c->long_factor : c->short_factor)[i];
        PT_RETURN(pt_hf_set_nums(out, k ? "rope_scaling.long_factor" : "rope_scaling.short_factor", list, (size_t)c->rot / 2));
    }
    if (fabs(c->attention_factor - attention_of(times(c), c->original_positions)) > 1e-6)
        PT_RETURN(pt_hf_set_num(out, "rope_scaling.attention_factor", c->attention_factor));
    return pt_hf_set_int(out, "original_max_position_embeddings", c->original_positions);
}

bool pt_longrope_in_gguf(const pt_gguf *g)
{
    return pt_gguf_find_tensor(g, tensors[0]) || pt_gguf_find_tensor(g, tensors[1]);
}

pt_status pt_longrope_from_gguf(pt_model_config *c, pt_gguf_reader *r)
{
    PT_RETURN(check_many(c, r->g->path));
    c->scaling = PT_ROPE_SCALE_LONG;
    PT_RETURN(pt_meta_int(r, "rope.scaling.original_context_length", c->max_positions, &c->original_positions));
    PT_RETURN(pt_meta_num(r, "rope.scaling.attn_factor", 1, &c->attention_factor));
    if (c->original_positions < 1 || !(c->attention_factor > 0))
        return pt_fail(PT_EFORMAT, "%s: longrope with %d original positions and an attention factor of %g", r->g->path, c->original_positions, c->attention_factor);
    c->scale_factor = times(c);
    for (int k = 0; k < 2; k++) {
        const pt_gguf_tensor *t;
        float *out = k ? c->long_factor : c->short_factor;
        PT_RETURN(pt_gguf_need(r->g, tensors[k], &t));
        PT_RETURN(pt_gguf_check_shape(r->g, t, 1, c->rot / 2));
        if (t->type != PT_F32) return pt_fail(PT_ENOSUP, "%s: %s is %s, not f32", r->g->path, tensors[k], pt_dtype_get(t->type)->name);
        memcpy(out, t->data, (size_t)c->rot / 2 * sizeof *out);
        PT_RETURN(check_factors(c, out, r->g->path, tensors[k]));
    }
    return PT_OK;
}

pt_status pt_longrope_to_gguf(pt_gguf_writer *w, const pt_model_config *c)
{
    PT_RETURN(pt_gguf_arch_u32(w, c, "rope.scaling.original_context_length", (uint32_t)c->original_positions));
    return pt_gguf_arch_f32(w, c, "rope.scaling.attn_factor", (float)c->attention_factor);
}

pt_status pt_longrope_declare(pt_gguf_writer *w, const pt_model_config *c)
{
    const int64_t half = c->rot / 2;
    for (int k = 0; k < 2; k++) PT_RETURN(pt_gguf_put_tensor(w, tensors[k], PT_F32, 1, &half));
    return PT_OK;
}

pt_status pt_longrope_write(pt_gguf_writer *w, const pt_model_config *c)
{
    PT_RETURN(pt_gguf_write(w, c->short_factor, (size_t)c->rot / 2 * sizeof *c->short_factor));
    return pt_gguf_write(w, c->long_factor, (size_t)c->rot / 2 * sizeof *c->long_factor);
}

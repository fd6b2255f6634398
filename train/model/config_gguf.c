/* GGUF metadata -> pt_model_config. Keys as in llama.cpp's gguf-py/gguf/constants.py. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "train/model/family_io.h"

const char *pt_meta_key(pt_gguf_reader *r, const char *name)
{
    snprintf(r->key, sizeof r->key, "%s.%s", r->arch, name);
    return r->key;
}

bool pt_meta_has(pt_gguf_reader *r, const char *name)
{
    return pt_gguf_find(r->g, pt_meta_key(r, name)) != NULL;
}

/* A list of one number a layer, all of them equal. */
static pt_status get_equal(pt_gguf_reader *r, const char *name, int64_t *out)
{
    int64_t *list = NULL;
    size_t n;
    PT_RETURN(pt_gguf_ints(r->g, pt_meta_key(r, name), &list, &n));
    bool equal = n > 0;
    for (size_t i = 1; i < n; i++) equal = equal && list[i] == list[0];
    if (equal) *out = list[0];
    free(list);
    return equal ? PT_OK : pt_fail(PT_ENOSUP, "%s: %s differs from layer to layer, which is not supported", r->g->path, r->key);
}

pt_status pt_meta_int(pt_gguf_reader *r, const char *name, int64_t fallback, int *out)
{
    int64_t v = fallback;
    const pt_gguf_kv *kv = pt_gguf_find(r->g, pt_meta_key(r, name));
    if (kv && kv->type == PT_GGUF_ARRAY) {
        PT_RETURN(get_equal(r, name, &v));
        if (v < 0 || v > INT32_MAX) return pt_fail(PT_EFORMAT, "%s: %s is %lld", r->g->path, r->key, (long long)v);
    } else if (fallback < 0 || kv) {
        PT_RETURN(pt_gguf_int(r->g, r->key, 0, INT32_MAX, &v));
    }
    *out = (int)v;
    return PT_OK;
}

pt_status pt_meta_num(pt_gguf_reader *r, const char *name, double fallback, double *out)
{
    *out = fallback;
    if (pt_meta_has(r, name)) PT_RETURN(pt_gguf_num(r->g, pt_meta_key(r, name), out));
    if (!isfinite(*out)) return pt_fail(PT_EFORMAT, "%s: %s is not finite", r->g->path, pt_meta_key(r, name));
    return PT_OK;
}

pt_status pt_meta_bool(pt_gguf_reader *r, const char *name, bool fallback, bool *out)
{
    *out = fallback;
    return pt_meta_has(r, name) ? pt_gguf_bool(r->g, r->key, out) : PT_OK;
}

pt_status pt_gguf_read_sizes(pt_model_config *c, pt_gguf_reader *r)
{
    const pt_gguf_tensor *embed;
    double eps;
    int value_dim;
    PT_RETURN(pt_gguf_need(r->g, "token_embd.weight", &embed));
    if (embed->rows > INT32_MAX)
        return pt_fail(PT_EFORMAT, "%s: token_embd.weight has %lld rows", r->g->path, (long long)embed->rows);
    c->vocab = (int)embed->rows; /* {arch}.vocab_size is optional and may be smaller than the padded matrix */
    PT_RETURN(pt_meta_int(r, "embedding_length", -1, &c->hidden));
    PT_RETURN(pt_meta_int(r, "feed_forward_length", -1, &c->ffn));
    PT_RETURN(pt_meta_int(r, "block_count", -1, &c->layers));
    PT_RETURN(pt_meta_int(r, "attention.head_count", -1, &c->heads));
    PT_RETURN(pt_meta_int(r, "attention.head_count_kv", c->heads, &c->kv_heads));
    if (c->heads <= 0) return pt_fail(PT_EFORMAT, "%s: %s is 0", r->g->path, pt_meta_key(r, "attention.head_count"));
    PT_RETURN(pt_meta_int(r, "attention.key_length", c->hidden / c->heads, &c->head_dim));
    PT_RETURN(pt_meta_int(r, "attention.value_length", c->head_dim, &value_dim));
    if (value_dim != c->head_dim)
        return pt_fail(PT_ENOSUP, "%s: keys of %d and values of %d features a head are not supported", r->g->path, c->head_dim,
                       value_dim);
    PT_RETURN(pt_meta_int(r, "context_length", 2048, &c->max_positions));
    PT_RETURN(pt_meta_num(r, c->norm == PT_NORM_LAYER ? "attention.layer_norm_epsilon" : "attention.layer_norm_rms_epsilon", c->norm == PT_NORM_LAYER ? 1e-5 : 1e-6, &eps));
    c->norm_eps = (float)eps;
    c->initializer_range = 0.02;
    c->tied = pt_gguf_find_tensor(r->g, "output.weight") == NULL;
    return PT_OK;
}

/* Keys that llama.cpp reads for every architecture and that change the arithmetic: refused by name where they say another thing. */
static pt_status refuse_variants(pt_gguf_reader *r, bool yarn, bool longrope)
{
    static const struct {
        const char *name;
        double plain;
    } keys[] = {{"rope.scaling.attn_factor", 1}, {"rope.scaling.yarn_attn_factor", 1}, {"rope.scaling.yarn_ext_factor", 0}};
    bool causal = true;
    double v;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        double plain = yarn && i == 2 ? 1 : keys[i].plain;
        PT_RETURN(pt_meta_num(r, keys[i].name, plain, &v));
        if (v != plain && !(yarn && i < 2) && !(longrope && i == 0) && !(i == 2 && v < 0))
            return pt_fail(PT_ENOSUP, "%s: %s %g is not supported", r->g->path, pt_meta_key(r, keys[i].name), v);
    }
    PT_RETURN(pt_meta_bool(r, "attention.causal", true, &causal));
    return causal ? PT_OK : pt_fail(PT_ENOSUP, "%s: %s: false is not supported", r->g->path, r->key);
}

static pt_status read_yarn(pt_model_config *c, pt_gguf_reader *r)
{
    double attn, more;
    c->scaling = PT_ROPE_SCALE_YARN;
    PT_RETURN(pt_meta_int(r, "rope.scaling.original_context_length", c->max_positions, &c->original_positions));
    PT_RETURN(pt_meta_num(r, "rope.scaling.yarn_beta_fast", 32, &c->beta_fast));
    PT_RETURN(pt_meta_num(r, "rope.scaling.yarn_beta_slow", 1, &c->beta_slow));
    PT_RETURN(pt_meta_num(r, "rope.scaling.attn_factor", 1, &attn));
    PT_RETURN(pt_meta_num(r, "rope.scaling.yarn_attn_factor", 1, &more));
    attn *= more;
    /* llama.cpp multiplies attn_factor by YaRN's own 0.1 ln(s) + 1 */
    c->attention_factor = attn * (c->scale_factor <= 1 ? 1 : 0.1 * log(c->scale_factor) + 1);
    return c->original_positions > 0 ? PT_OK : pt_fail(PT_EFORMAT, "%s: the original context length of YaRN is 0", r->g->path);
}

pt_status pt_gguf_read_rope(pt_model_config *c, pt_gguf_reader *r)
{
    double scale;
    const bool longrope = pt_longrope_in_gguf(r->g);
    pt_gguf_str type = {"none", 4};
    PT_RETURN(pt_meta_num(r, "rope.freq_base", 10000, &c->rope_theta));
    PT_RETURN(pt_meta_int(r, "rope.dimension_count", c->head_dim, &c->rot));
    c->permuted = r->family->permuted;
    if (c->permuted) c->rope_kind = c->rope_kind == PT_ROPE_HALF ? PT_ROPE_ADJACENT : PT_ROPE_HALF;
    if (c->permuted && c->rot != c->head_dim)
        return pt_fail(PT_ENOSUP, "%s: %d rotary features of %d are not supported for arch %s", r->g->path, c->rot, c->head_dim,
                       r->arch);
    if (pt_meta_has(r, "rope.scaling.type")) PT_RETURN(pt_gguf_text(r->g, pt_meta_key(r, "rope.scaling.type"), &type));
    PT_RETURN(pt_meta_num(r, "rope.scale_linear", 1, &scale)); /* old spelling of a linear factor */
    PT_RETURN(pt_meta_num(r, "rope.scaling.factor", scale, &c->scale_factor));
    if (c->scale_factor == 0) c->scale_factor = 1; /* no scaling, as in llama.cpp */
    if (!(c->scale_factor > 0)) return pt_fail(PT_EFORMAT, "%s: the rope scaling factor is %g", r->g->path, c->scale_factor);
    if (type.n == 4 && memcmp(type.s, "yarn", 4) == 0)
        PT_RETURN(read_yarn(c, r));
    else if ((type.n == 6 && memcmp(type.s, "linear", 6) == 0) || (!pt_meta_has(r, "rope.scaling.type") && c->scale_factor != 1))
        c->scaling = PT_ROPE_SCALE_LINEAR;
    else if (!(type.n == 4 && memcmp(type.s, "none", 4) == 0) && !(longrope && type.n == 8 && memcmp(type.s, "longrope", 8) == 0))
        return pt_fail(PT_ENOSUP, "%s: rope scaling '%.*s' is not supported; supported: none, linear, yarn, rope_freqs.weight, rope_factors_long.weight",
                       r->g->path, (int)(type.n < 40 ? type.n : 40), type.s);
    PT_RETURN(refuse_variants(r, c->scaling == PT_ROPE_SCALE_YARN, longrope));
    if (longrope && c->scaling != PT_ROPE_SCALE_NONE) return pt_fail(PT_ENOSUP, "%s: rope factors of two lengths together with another rope scaling", r->g->path);
    if (longrope) return pt_longrope_from_gguf(c, r);
    const pt_gguf_tensor *freqs = pt_gguf_find_tensor(r->g, "rope_freqs.weight");
    if (!freqs) return PT_OK;
    if (c->scaling != PT_ROPE_SCALE_NONE)
        return pt_fail(PT_ENOSUP, "%s: rope_freqs.weight together with rope scaling '%.*s'", r->g->path, (int)type.n, type.s);
    c->scaling = PT_ROPE_SCALE_FREQS;
    return PT_OK;
}

static pt_status get_id(const pt_gguf *g, const char *key, int vocab, int *out)
{
    int64_t v = -1;
    if (pt_gguf_find(g, key)) PT_RETURN(pt_gguf_int(g, key, INT64_MIN, INT64_MAX, &v));
    *out = v < 0 || v >= vocab ? -1 : (int)v;
    return PT_OK;
}

pt_status pt_gguf_read_pattern(pt_model_config *c, pt_gguf_reader *r, int n)
{
    pt_status rc = PT_OK;
    int64_t *list = NULL;
    size_t count = 0;
    const pt_gguf_kv *kv = pt_gguf_find(r->g, pt_meta_key(r, "attention.sliding_window_pattern"));
    if (kv && kv->type == PT_GGUF_ARRAY) {
        PT_TRY(pt_gguf_ints(r->g, r->key, &list, &count));
        PT_CHECK(count == (size_t)c->layers && c->layers <= PT_MAX_LAYERS, PT_EFORMAT, "%s: %s lists %zu layers, the model has %d", r->g->path, r->key, count, c->layers);
    } else
        PT_TRY(pt_meta_int(r, "attention.sliding_window_pattern", n, &n));
    for (int l = 0; c->window && l < c->layers && l < PT_MAX_LAYERS; l++)
        if (list ? !list[l] : n > 0 && (l + 1) % n == 0) c->layer[l] |= PT_LAYER_FULL;
done:
    free(list);
    return rc;
}

pt_status pt_family_read_gguf(pt_model_config *c, pt_gguf_reader *r)
{
    PT_RETURN(pt_gguf_read_sizes(c, r));
    PT_RETURN(pt_gguf_read_rope(c, r));
    PT_RETURN(pt_meta_int(r, "attention.sliding_window", 0, &c->window));
    c->qkv_bias |= pt_gguf_find_tensor(r->g, "blk.0.attn_q.bias") || pt_gguf_find_tensor(r->g, "blk.0.attn_qkv.bias");
    c->o_bias |= pt_gguf_find_tensor(r->g, "blk.0.attn_output.bias") != NULL;
    c->mlp_bias |= pt_gguf_find_tensor(r->g, "blk.0.ffn_down.bias") != NULL;
    PT_RETURN(get_id(r->g, "tokenizer.ggml.bos_token_id", c->vocab, &c->bos));
    PT_RETURN(get_id(r->g, "tokenizer.ggml.eos_token_id", c->vocab, &c->eos));
    return get_id(r->g, "tokenizer.ggml.padding_token_id", c->vocab, &c->pad);
}

pt_status pt_config_from_gguf(pt_model_config *c, const pt_gguf *g)
{
    pt_gguf_str arch, type;
    char titles[PT_FAMILY_TITLES];
    int experts;
    *c = (pt_model_config){0};
    const pt_gguf_kv *kind = pt_gguf_find(g, "general.type");
    if (kind && kind->type == PT_GGUF_STR) { /* of another type nobody reads it */
        PT_RETURN(pt_gguf_text(g, "general.type", &type));
        if (!(type.n == 5 && memcmp(type.s, "model", 5) == 0))
            return pt_fail(PT_ENOSUP, "%s: this GGUF is of type '%.*s', not a model", g->path, (int)(type.n < 40 ? type.n : 40),
                           type.s);
    }
    PT_RETURN(pt_gguf_text(g, "general.architecture", &arch));
    const pt_family *f = pt_family_by_gguf(arch.s, arch.n);
    if (!f)
        return pt_fail(PT_ENOSUP, "%s: architecture '%.*s' is not supported; supported: %s", g->path,
                       (int)(arch.n < 60 ? arch.n : 60), arch.s, pt_family_titles(titles));
    pt_gguf_reader r = {.g = g, .arch = f->gguf, .family = f};
    PT_RETURN(pt_meta_int(&r, "expert_count", 0, &experts));
    if (experts) return pt_fail(PT_ENOSUP, "%s: mixtures of experts are not supported (%d experts)", g->path, experts);
    PT_RETURN(pt_gguf_refuse_unknown(&r));
    if (f->shape) f->shape(c);
    c->norm_add = 0; /* the stored weights have it in them */
    PT_RETURN(f->from_gguf ? f->from_gguf(c, &r) : pt_family_read_gguf(c, &r));
    if (!c->family[0]) snprintf(c->family, sizeof c->family, "%s", pt_family_of_gguf(f, c)->name);
    return pt_config_check(c, g->path);
}

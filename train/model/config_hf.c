/* config.json -> pt_model_config, in the spelling of transformers 4 (rope_theta, rope_scaling) and 5 (rope_parameters): the parts that most families
 * share, and the way through them. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "train/model/family_io.h"

/* A token id; of a list (several end tokens) the first. -1 where there is none, or none such. */
static int get_id(const pt_hf_reader *r, const char *key, int vocab)
{
    json_t *v = pt_key_get(r->root, key);
    if (json_is_array(v)) v = json_array_get(v, 0);
    json_int_t n = json_is_integer(v) ? json_integer_value(v) : -1;
    return n < 0 || n >= vocab ? -1 : (int)n;
}

void pt_hf_read_ids(pt_model_config *c, const pt_hf_reader *r)
{
    c->bos = get_id(r, "bos_token_id", c->vocab);
    c->eos = get_id(r, "eos_token_id", c->vocab);
    c->pad = get_id(r, "pad_token_id", c->vocab);
}

static const struct {
    const char *name;
    pt_act_kind kind;
} acts[] = {
    {"silu", PT_ACT_SILU},          {"swish", PT_ACT_SILU},          {"gelu", PT_ACT_GELU_ERF},
    {"gelu_new", PT_ACT_GELU_TANH}, {"gelu_tanh", PT_ACT_GELU_TANH}, {"gelu_pytorch_tanh", PT_ACT_GELU_TANH},
    {"gelu_fast", PT_ACT_GELU_TANH}, /* the same formula with the constant written out */
    {"relu", PT_ACT_RELU},          {"relu2", PT_ACT_RELU2},         {"quick_gelu", PT_ACT_GELU_QUICK},
};

pt_status pt_hf_read_act(pt_model_config *c, const pt_hf_reader *r, const char *key, const char *fallback)
{
    json_t *v = pt_key_get(r->root, key);
    const char *name = v ? json_string_value(v) : fallback;
    for (size_t i = 0; name && i < sizeof acts / sizeof *acts; i++)
        if (strcmp(acts[i].name, name) == 0) {
            c->act = acts[i].kind;
            return PT_OK;
        }
    return pt_fail(PT_ENOSUP, "%s: %s '%.40s' is not supported", r->where, key, name ? name : "(not text)");
}

pt_status pt_hf_read_layer_types(pt_model_config *c, const pt_hf_reader *r, int window)
{
    json_t *types = pt_key_get(r->root, "layer_types"), *v;
    size_t i;
    int first = -1;
    if (!json_is_array(types)) return PT_OK;
    if (json_array_size(types) != (size_t)c->layers || c->layers > PT_MAX_LAYERS)
        return pt_fail(PT_EFORMAT, "%s: layer_types lists %zu layers, the model has %d", r->where, json_array_size(types),
                       c->layers);
    json_array_foreach(types, i, v)
    {
        const char *t = json_string_value(v);
        bool slide = t && strcmp(t, "sliding_attention") == 0;
        if (!slide && !(t && strcmp(t, "full_attention") == 0))
            return pt_fail(PT_ENOSUP, "%s: layer_types[%zu] '%.40s' is not supported", r->where, i, t ? t : "(not text)");
        if (slide && first < 0) first = (int)i;
        if (!slide && first >= 0) c->layer[i] |= PT_LAYER_FULL;
    }
    if (first >= 0 && window == 0)
        return pt_fail(PT_EFORMAT, "%s: layer_types has sliding attention but no sliding_window is set", r->where);
    c->window = first < 0 ? 0 : window;
    c->window_from_layer = first < 0 ? 0 : first;
    return PT_OK;
}

pt_status pt_hf_read_window(pt_model_config *c, const pt_hf_reader *r, int window_default)
{
    int window = window_default;
    if (json_object_get(r->root, "sliding_window")) PT_RETURN(pt_key_reach(r, "sliding_window", 0, &window));
    c->window = window;
    c->window_from_layer = 0;
    return pt_hf_read_layer_types(c, r, window);
}

static double yarn_mscale(double scale, double m)
{
    return scale <= 1 ? 1 : 0.1 * m * log(scale) + 1;
}

static pt_status read_yarn(pt_model_config *c, json_t *s, const char *where)
{
    double mscale, all;
    json_t *trunc = pt_key_get(s, "truncate");
    PT_RETURN(pt_key_num(where, s, "beta_fast", 32, &c->beta_fast));
    PT_RETURN(pt_key_num(where, s, "beta_slow", 1, &c->beta_slow));
    PT_RETURN(pt_key_num(where, s, "mscale", 0, &mscale));
    PT_RETURN(pt_key_num(where, s, "mscale_all_dim", 0, &all));
    double by_formula = mscale != 0 && all != 0 ? yarn_mscale(c->scale_factor, mscale) / yarn_mscale(c->scale_factor, all)
                                         : yarn_mscale(c->scale_factor, 1);
    PT_RETURN(pt_key_num(where, s, "attention_factor", by_formula, &c->attention_factor));
    c->yarn_no_truncate = json_is_false(trunc);
    return PT_OK;
}

pt_status pt_hf_read_scaling(pt_model_config *c, json_t *s, const pt_hf_reader *r)
{
    const char *where = r->where;
    json_t *type = pt_key_get(s, "rope_type");
    double original;
    if (!type) type = pt_key_get(s, "type");
    const char *name = type ? json_string_value(type) : "default";
    if (!name) return pt_fail(PT_EFORMAT, "%s: rope_type is not text", where);
    if (strcmp(name, "default") == 0) return PT_OK;
    if (strcmp(name, "longrope") == 0 || strcmp(name, "su") == 0) return pt_longrope_from_hf(c, s, r); /* su: its name in the first Phi-3 files */
    if (strcmp(name, "dynamic") == 0) { /* up to max_positions the plain angles, whatever the factor */
        c->rope_dynamic = true;
        return PT_OK;
    }
    if (strcmp(name, "linear") == 0)
        c->scaling = PT_ROPE_SCALE_LINEAR;
    else if (strcmp(name, "llama3") == 0)
        c->scaling = PT_ROPE_SCALE_LLAMA3;
    else if (strcmp(name, "yarn") == 0)
        c->scaling = PT_ROPE_SCALE_YARN;
    else
        return pt_fail(PT_ENOSUP, "%s: rope scaling '%.40s' is not supported; supported: linear, llama3, yarn, longrope, dynamic", where, name);
    PT_RETURN(pt_key_num(where, s, "factor", 0, &c->scale_factor));
    PT_RETURN(pt_key_num(where, s, "original_max_position_embeddings", c->max_positions, &original));
    if (c->scaling != PT_ROPE_SCALE_LINEAR) /* the key beside the object counts before the one within, as in transformers */
        PT_RETURN(pt_key_num(where, r->root, "original_max_position_embeddings", original, &original));
    c->original_positions = original > 0 && original < INT32_MAX ? (int)original : 0;
    if (c->scale_factor == 0 && c->scaling == PT_ROPE_SCALE_YARN && c->original_positions > 0)
        c->scale_factor = c->max_positions / original;
    if (!(c->scale_factor > 0))
        return pt_fail(PT_EFORMAT, "%s: the factor of rope scaling '%s' is %g", where, name, c->scale_factor);
    if (c->original_positions <= 0)
        return pt_fail(PT_EFORMAT, "%s: original_max_position_embeddings of rope scaling '%s' is %g", where, name, original);
    if (c->scaling == PT_ROPE_SCALE_YARN) return read_yarn(c, s, where);
    if (c->scaling != PT_ROPE_SCALE_LLAMA3) return PT_OK;
    PT_RETURN(pt_key_num(where, s, "low_freq_factor", 0, &c->low_freq_factor));
    PT_RETURN(pt_key_num(where, s, "high_freq_factor", 0, &c->high_freq_factor));
    if (!(c->low_freq_factor > 0 && c->high_freq_factor > c->low_freq_factor))
        return pt_fail(PT_EFORMAT, "%s: rope scaling llama3 needs 0 < low_freq_factor < high_freq_factor, not %g and %g", where,
                       c->low_freq_factor, c->high_freq_factor);
    return PT_OK;
}

static pt_status rope_object(const pt_hf_reader *r, const char *key, json_t **out)
{
    *out = pt_key_get(r->root, key);
    if (!*out || (json_is_object(*out) && !pt_json_odd(*out))) return PT_OK;
    return pt_fail(PT_EFORMAT, "%s: %s is %s, not an object", r->where, key, pt_json_kind(*out));
}

static pt_status take_partial(pt_model_config *c, const pt_hf_reader *r, double partial)
{
    c->rot = (int)(c->head_dim * partial); /* as transformers rounds */
    if (partial > 0 && partial <= 1 && c->rot > 0 && c->rot % 2 == 0) return PT_OK;
    return pt_fail(PT_EFORMAT, "%s: partial_rotary_factor %g of heads of %d features", r->where, partial, c->head_dim);
}

/* transformers 5 (modeling_rope_utils.py): a rope_scaling that is not empty takes the whole place of rope_parameters, its
 * rope_theta too; what the object does not say comes from the keys beside it. */
pt_status pt_hf_read_rope(pt_model_config *c, const pt_hf_reader *r, bool partial_read, double partial_default)
{
    json_t *p, *s;
    double partial, theta;
    PT_RETURN(rope_object(r, "rope_parameters", &p));
    PT_RETURN(rope_object(r, "rope_scaling", &s));
    PT_RETURN(pt_key_num(r->where, r->root, "rope_theta", 10000, &theta));
    PT_RETURN(pt_key_num(r->where, r->root, "partial_rotary_factor", partial_default > 0 ? partial_default : 1, &partial));
    json_t *d = json_object_size(s) ? s : p;
    PT_RETURN(pt_key_num(r->where, d, "rope_theta", theta, &c->rope_theta));
    PT_RETURN(pt_key_num(r->where, d, "partial_rotary_factor", partial, &partial));
    c->rot = c->head_dim;
    if (d == s && json_object_size(p)) {
        PT_RETURN(pt_key_num(r->where, p, "rope_theta", c->rope_theta, &theta));
        pt_log(PT_LOG_WARN, "%s: rope_scaling stands beside rope_parameters and takes its place, as in transformers (theta %g%s)",
               r->where, c->rope_theta, theta == c->rope_theta ? "" : ": that of rope_parameters is not read");
    }
    if (partial_read) PT_RETURN(take_partial(c, r, partial));
    if (d) PT_RETURN(pt_hf_read_scaling(c, d, r));
    if (partial_read || partial == 1) return PT_OK;
    if (c->scaling != PT_ROPE_SCALE_NONE) /* transformers rotates a part that it then cannot lay over the head */
        return pt_fail(PT_ENOSUP, "%s: partial_rotary_factor %g beside rope scaling is not supported", r->where, partial);
    pt_log(PT_LOG_WARN, "%s: partial_rotary_factor %g is not read for %s models (nor by transformers): whole heads rotate", r->where,
           partial, c->family);
    return PT_OK;
}

static const char *named(const char *own, const char *common)
{
    return own ? own : common;
}

/* A size under the key; the fallback where there is no key (""), or none in the file. */
static pt_status size_of(const pt_hf_reader *r, const char *key, int64_t fallback, int *out)
{
    if (*key) return pt_key_int(r, key, fallback, out);
    *out = (int)fallback;
    return PT_OK;
}

pt_status pt_hf_read_sizes(pt_model_config *c, const pt_hf_reader *r, const pt_size_keys *k)
{
    static const pt_size_keys common = {0};
    if (!k) k = &common;
    const char *kv_key = named(k->kv_heads, "num_key_value_heads"), *heads_key = named(k->heads, "num_attention_heads");
    bool null_kv = *kv_key && json_is_null(json_object_get(r->root, kv_key)); /* as many as heads, whatever the default */
    int64_t kv = null_kv ? 0 : k->kv_heads_default;
    double eps;
    PT_RETURN(size_of(r, named(k->vocab, "vocab_size"), k->vocab_default ? k->vocab_default : -1, &c->vocab));
    PT_RETURN(size_of(r, named(k->hidden, "hidden_size"), -1, &c->hidden));
    PT_RETURN(size_of(r, named(k->ffn, "intermediate_size"), k->ffn_times ? (int64_t)k->ffn_times * c->hidden : -1, &c->ffn));
    PT_RETURN(size_of(r, named(k->layers, "num_hidden_layers"), -1, &c->layers));
    PT_RETURN(size_of(r, heads_key, k->heads_default ? k->heads_default : -1, &c->heads));
    PT_RETURN(size_of(r, kv_key, kv ? kv : c->heads, &c->kv_heads));
    if (c->heads <= 0) return pt_fail(PT_EFORMAT, "%s: %s is %d", r->where, heads_key, c->heads);
    PT_RETURN(size_of(r, named(k->head_dim, "head_dim"), k->head_dim_default ? k->head_dim_default : c->hidden / c->heads, &c->head_dim));
    PT_RETURN(pt_key_reach(r, named(k->positions, "max_position_embeddings"), k->positions_default ? k->positions_default : 2048, &c->max_positions));
    PT_RETURN(pt_key_num(r->where, r->root, named(k->eps, "rms_norm_eps"), k->eps_default > 0 ? k->eps_default : 1e-6, &eps));
    PT_RETURN(pt_key_num(r->where, r->root, "initializer_range", 0.02, &c->initializer_range));
    c->norm_eps = (float)eps;
    return pt_key_bool(r, "tie_word_embeddings", k->tied_default, &c->tied);
}

pt_status pt_family_read_hf(pt_model_config *c, const pt_hf_reader *r)
{
    PT_RETURN(pt_hf_read_sizes(c, r, NULL));
    PT_RETURN(pt_hf_read_act(c, r, "hidden_act", "silu"));
    PT_RETURN(pt_hf_read_rope(c, r, false, 0));
    pt_hf_read_ids(c, r);
    return PT_OK;
}

/* ---- the way through ------------------------------------------------------------------------------------------------------------------ */

static pt_status find_family(const pt_hf_reader *r, const pt_family **out)
{
    char titles[PT_FAMILY_TITLES];
    json_t *type = pt_key_get(r->root, "model_type"), *archs = pt_key_get(r->root, "architectures");
    if (!json_is_string(type)) return pt_fail(PT_EFORMAT, "%s: model_type is missing", r->where);
    const pt_family *f = pt_family_find(json_string_value(type));
    if (!f)
        return pt_fail(PT_ENOSUP, "%s: models of type '%.60s' are not supported; supported: %s", r->where,
                       json_string_value(type), pt_family_titles(titles));
    const char *arch = json_is_array(archs) ? json_string_value(json_array_get(archs, 0)) : NULL;
    if (arch && strcmp(arch, f->causal) != 0 && !(f->classifier && strcmp(arch, f->classifier) == 0))
        pt_log(PT_LOG_WARN, "%s: architecture '%.60s' is read as %s, by its model type (as AutoModelForCausalLM does)", r->where,
               arch, f->causal);
    *out = f;
    return PT_OK;
}

/* Keys of any family whose other values than listed change the arithmetic: refused by name. */
static pt_status refuse_variants(const pt_hf_reader *r)
{
    static const char *const dropouts[] = {"attention_dropout", "attn_pdrop", "resid_pdrop", "embd_pdrop", "hidden_dropout", "dropout", "layerdrop"};
    json_t *q = pt_key_get(r->root, "quantization_config");
    if (!q) q = pt_key_get(r->root, "quantization");
    if (q) {
        json_t *method = pt_key_get(q, "quant_method");
        return pt_fail(PT_ENOSUP, "%s: the weights are quantised (%.40s); give the plain weights or a GGUF file", r->where,
                       json_is_string(method) ? json_string_value(method) : "no quant_method: MLX or another tool's format");
    }
    if (json_number_value(pt_key_get(r->root, "num_experts")) > 1 || json_number_value(pt_key_get(r->root, "num_local_experts")) > 1)
        return pt_fail(PT_ENOSUP, "%s: mixtures of experts are not supported", r->where);
    for (size_t i = 0; i < sizeof dropouts / sizeof *dropouts; i++)
        if (json_number_value(pt_key_get(r->root, dropouts[i])) > 0)
            pt_log(PT_LOG_WARN, "%s: %s is %g and is not applied in training", r->where, dropouts[i], json_number_value(pt_key_get(r->root, dropouts[i])));
    return pt_hf_refuse_unknown(r);
}

static pt_status read_all(pt_model_config *c, pt_hf_reader *r)
{
    if (!json_is_object(r->root)) return pt_fail(PT_EFORMAT, "%s: not a JSON object", r->where);
    PT_RETURN(find_family(r, &r->family));
    PT_RETURN(refuse_variants(r));
    snprintf(c->family, sizeof c->family, "%s", r->family->name);
    c->rope_kind = PT_ROPE_HALF;
    if (r->family->shape) r->family->shape(c);
    PT_RETURN(r->family->from_hf ? r->family->from_hf(c, r) : pt_family_read_hf(c, r));
    return pt_config_check(c, r->where);
}

pt_status pt_config_from_hf(pt_model_config *c, const char *json, size_t bytes, const char *where)
{
    pt_hf_reader r = {NULL, where, NULL};
    *c = (pt_model_config){0};
    PT_RETURN(pt_json_parse(&r.root, json, bytes, where, PT_JSON_OBJECT));
    pt_status rc = read_all(c, &r);
    json_decref(r.root);
    return rc;
}

/* config.json -> pt_model_config, in the spelling of transformers 4 (rope_theta, rope_scaling) and 5 (rope_parameters). */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "train/model/families.h"

typedef struct reader {
    json_t *root;
    const char *where;
} reader;

/* The member when it is there and not null. */
static json_t *get(json_t *o, const char *key)
{
    json_t *v = json_object_get(o, key);
    return json_is_null(v) ? NULL : v;
}

/* fallback < 0: the key is required. Whole numbers may be spelled as reals (4096.0). */
static pt_status get_int(const reader *r, const char *key, int64_t fallback, int *out)
{
    json_t *v = get(r->root, key);
    double n = v ? json_number_value(v) : (double)fallback;
    if (!v && fallback < 0) return pt_fail(PT_EFORMAT, "%s: %s is missing", r->where, key);
    if (v && (!json_is_number(v) || n != floor(n)))
        return pt_fail(PT_EFORMAT, "%s: %s is %s, not an integer", r->where, key, pt_json_kind(v));
    if (n < 0 || n > INT32_MAX) return pt_fail(PT_EFORMAT, "%s: %s is %.17g, outside 0..2147483647", r->where, key, n);
    *out = (int)n;
    return PT_OK;
}

/* A length that only says "at most so far": any number past an int is as good as the largest int (10^30, 2^63). */
static pt_status get_reach(const reader *r, const char *key, int64_t fallback, int *out)
{
    json_t *v = get(r->root, key);
    if (!json_is_number(v) || json_number_value(v) <= INT32_MAX) return get_int(r, key, fallback, out);
    *out = INT32_MAX;
    return PT_OK;
}

static pt_status get_num(const char *where, json_t *o, const char *key, double fallback, double *out)
{
    json_t *v = get(o, key);
    if (v && !json_is_number(v)) return pt_fail(PT_EFORMAT, "%s: %s is %s, not a number", where, key, pt_json_kind(v));
    *out = v ? json_number_value(v) : fallback;
    if (!isfinite(*out)) return pt_fail(PT_EFORMAT, "%s: %s is not finite", where, key);
    return PT_OK;
}

static pt_status get_bool(const reader *r, const char *key, bool fallback, bool *out)
{
    json_t *v = get(r->root, key);
    if (v && !json_is_boolean(v)) return pt_fail(PT_EFORMAT, "%s: %s is %s, neither true nor false", r->where, key, pt_json_kind(v));
    *out = v ? json_is_true(v) : fallback;
    return PT_OK;
}

/* A token id; of a list (several end tokens) the first. -1 where there is none, or none such. */
static int get_id(const reader *r, const char *key, int vocab)
{
    json_t *v = get(r->root, key);
    if (json_is_array(v)) v = json_array_get(v, 0);
    json_int_t n = json_is_integer(v) ? json_integer_value(v) : -1;
    return n < 0 || n >= vocab ? -1 : (int)n;
}

static pt_status find_family(const reader *r, const pt_family **out)
{
    json_t *type = get(r->root, "model_type"), *archs = get(r->root, "architectures");
    if (!json_is_string(type)) return pt_fail(PT_EFORMAT, "%s: model_type is missing", r->where);
    const pt_family *f = pt_family_find(json_string_value(type));
    if (!f)
        return pt_fail(PT_ENOSUP, "%s: models of type '%.60s' are not supported; supported: %s", r->where,
                       json_string_value(type), pt_family_names());
    const char *arch = json_is_array(archs) ? json_string_value(json_array_get(archs, 0)) : NULL;
    if (arch && strcmp(arch, f->causal) != 0 && strcmp(arch, f->classifier) != 0)
        pt_log(PT_LOG_WARN, "%s: architecture '%.60s' is read as %s, by its model type (as AutoModelForCausalLM does)", r->where,
               arch, f->causal);
    *out = f;
    return PT_OK;
}

/* A key that is refused when true, where this family of transformers reads it at all. */
static pt_status refuse_true(const reader *r, const pt_family *f, const char *key, bool reads)
{
    bool on = false;
    if (reads) PT_RETURN(get_bool(r, key, false, &on));
    return on ? pt_fail(PT_ENOSUP, "%s: %s: true is not supported for %s", r->where, key, f->name) : PT_OK;
}

/* Keys whose presence with another value than listed changes the arithmetic: refused by name. */
static pt_status refuse_variants(const reader *r, const pt_family *f)
{
    json_t *q = get(r->root, "quantization_config");
    if (!q) q = get(r->root, "quantization");
    if (q) {
        json_t *method = get(q, "quant_method");
        return pt_fail(PT_ENOSUP, "%s: the weights are quantised (%.40s); give the plain weights or a GGUF file", r->where,
                       json_is_string(method) ? json_string_value(method) : "no quant_method: MLX or another tool's format");
    }
    PT_RETURN(refuse_true(r, f, "mlp_bias", f->reads_mlp_bias));
    PT_RETURN(refuse_true(r, f, "attention_bias", f->reads_attention_bias));
    if (json_number_value(get(r->root, "num_experts")) > 1 || json_number_value(get(r->root, "num_local_experts")) > 1)
        return pt_fail(PT_ENOSUP, "%s: mixtures of experts are not supported", r->where);
    if (json_number_value(get(r->root, "attention_dropout")) > 0)
        pt_log(PT_LOG_WARN, "%s: attention_dropout is %g and is not applied in training", r->where,
               json_number_value(get(r->root, "attention_dropout")));
    return PT_OK;
}

static pt_status read_act(pt_model_config *c, const reader *r)
{
    static const struct {
        const char *name;
        pt_act_kind kind;
    } acts[] = {
        {"silu", PT_ACT_SILU},          {"swish", PT_ACT_SILU},          {"gelu", PT_ACT_GELU_ERF},
        {"gelu_new", PT_ACT_GELU_TANH}, {"gelu_tanh", PT_ACT_GELU_TANH}, {"gelu_pytorch_tanh", PT_ACT_GELU_TANH},
    };
    json_t *v = get(r->root, "hidden_act");
    const char *name = v ? json_string_value(v) : "silu";
    for (size_t i = 0; name && i < sizeof acts / sizeof *acts; i++)
        if (strcmp(acts[i].name, name) == 0) {
            c->act = acts[i].kind;
            return PT_OK;
        }
    return pt_fail(PT_ENOSUP, "%s: hidden_act '%.40s' is not supported", r->where, name ? name : "(not text)");
}

/* layer_types (transformers 5) must be full layers first, then windowed ones, or one kind throughout. */
static pt_status read_layer_types(pt_model_config *c, const reader *r, int window)
{
    json_t *types = get(r->root, "layer_types"), *v;
    size_t i;
    int first = -1;
    if (!json_is_array(types)) return PT_OK;
    if (json_array_size(types) != (size_t)c->layers)
        return pt_fail(PT_EFORMAT, "%s: layer_types lists %zu layers, the model has %d", r->where, json_array_size(types),
                       c->layers);
    json_array_foreach(types, i, v)
    {
        const char *t = json_string_value(v);
        bool slide = t && strcmp(t, "sliding_attention") == 0;
        if (!slide && !(t && strcmp(t, "full_attention") == 0))
            return pt_fail(PT_ENOSUP, "%s: layer_types[%zu] '%.40s' is not supported", r->where, i, t ? t : "(not text)");
        if (slide && first < 0) first = (int)i;
        if (!slide && first >= 0)
            return pt_fail(PT_ENOSUP, "%s: layer_types with full attention after sliding attention is not supported", r->where);
    }
    if (first >= 0 && window == 0)
        return pt_fail(PT_EFORMAT, "%s: layer_types has sliding attention but no sliding_window is set", r->where);
    c->window = first < 0 ? 0 : window;
    c->window_from_layer = first < 0 ? 0 : first;
    return PT_OK;
}

static pt_status read_window(pt_model_config *c, const reader *r, const pt_family *f)
{
    int window = f->default_window, from = 0;
    bool use = true;
    if (f->window == PT_WINDOW_NEVER) return PT_OK;
    if (json_object_get(r->root, "sliding_window")) PT_RETURN(get_reach(r, "sliding_window", 0, &window));
    if (f->window == PT_WINDOW_FLAG) {
        PT_RETURN(get_bool(r, "use_sliding_window", false, &use));
        PT_RETURN(get_reach(r, "max_window_layers", 28, &from));
    }
    if (!use) window = 0;
    c->window = window > 0 && from < c->layers ? window : 0;
    c->window_from_layer = c->window ? from : 0;
    return read_layer_types(c, r, window);
}

static double yarn_mscale(double scale, double m)
{
    return scale <= 1 ? 1 : 0.1 * m * log(scale) + 1;
}

static pt_status read_yarn(pt_model_config *c, json_t *s, const char *where)
{
    double mscale, all;
    json_t *trunc = get(s, "truncate");
    PT_RETURN(get_num(where, s, "beta_fast", 32, &c->beta_fast));
    PT_RETURN(get_num(where, s, "beta_slow", 1, &c->beta_slow));
    PT_RETURN(get_num(where, s, "mscale", 0, &mscale));
    PT_RETURN(get_num(where, s, "mscale_all_dim", 0, &all));
    double by_formula = mscale != 0 && all != 0 ? yarn_mscale(c->scale_factor, mscale) / yarn_mscale(c->scale_factor, all)
                                         : yarn_mscale(c->scale_factor, 1);
    PT_RETURN(get_num(where, s, "attention_factor", by_formula, &c->attention_factor));
    c->yarn_no_truncate = json_is_false(trunc);
    return PT_OK;
}

static pt_status read_scaling(pt_model_config *c, json_t *s, const reader *r)
{
    const char *where = r->where;
    json_t *type = get(s, "rope_type");
    double original;
    if (!type) type = get(s, "type");
    const char *name = type ? json_string_value(type) : "default";
    if (!name) return pt_fail(PT_EFORMAT, "%s: rope_type is not text", where);
    if (strcmp(name, "default") == 0) return PT_OK;
    if (strcmp(name, "linear") == 0)
        c->scaling = PT_ROPE_SCALE_LINEAR;
    else if (strcmp(name, "llama3") == 0)
        c->scaling = PT_ROPE_SCALE_LLAMA3;
    else if (strcmp(name, "yarn") == 0)
        c->scaling = PT_ROPE_SCALE_YARN;
    else
        return pt_fail(PT_ENOSUP, "%s: rope scaling '%.40s' is not supported; supported: linear, llama3, yarn", where, name);
    PT_RETURN(get_num(where, s, "factor", 0, &c->scale_factor));
    PT_RETURN(get_num(where, s, "original_max_position_embeddings", c->max_positions, &original));
    if (c->scaling != PT_ROPE_SCALE_LINEAR) /* the key beside the object counts before the one within, as in transformers */
        PT_RETURN(get_num(where, r->root, "original_max_position_embeddings", original, &original));
    c->original_positions = original > 0 && original < INT32_MAX ? (int)original : 0;
    if (c->scale_factor == 0 && c->scaling == PT_ROPE_SCALE_YARN && c->original_positions > 0)
        c->scale_factor = c->max_positions / original;
    if (!(c->scale_factor > 0))
        return pt_fail(PT_EFORMAT, "%s: the factor of rope scaling '%s' is %g", where, name, c->scale_factor);
    if (c->original_positions <= 0)
        return pt_fail(PT_EFORMAT, "%s: original_max_position_embeddings of rope scaling '%s' is %g", where, name, original);
    if (c->scaling == PT_ROPE_SCALE_YARN) return read_yarn(c, s, where);
    if (c->scaling != PT_ROPE_SCALE_LLAMA3) return PT_OK;
    PT_RETURN(get_num(where, s, "low_freq_factor", 0, &c->low_freq_factor));
    PT_RETURN(get_num(where, s, "high_freq_factor", 0, &c->high_freq_factor));
    if (!(c->low_freq_factor > 0 && c->high_freq_factor > c->low_freq_factor))
        return pt_fail(PT_EFORMAT, "%s: rope scaling llama3 needs 0 < low_freq_factor < high_freq_factor, not %g and %g", where,
                       c->low_freq_factor, c->high_freq_factor);
    return PT_OK;
}

static pt_status rope_object(const reader *r, const char *key, json_t **out)
{
    *out = get(r->root, key);
    if (!*out || (json_is_object(*out) && !pt_json_odd(*out))) return PT_OK;
    return pt_fail(PT_EFORMAT, "%s: %s is %s, not an object", r->where, key, pt_json_kind(*out));
}

/* transformers 5 (modeling_rope_utils.py): a rope_scaling that is not empty takes the whole place of rope_parameters, its
 * rope_theta too; what the object does not say comes from the keys beside it. */
static pt_status read_rope(pt_model_config *c, const reader *r)
{
    json_t *p, *s;
    double partial, theta;
    PT_RETURN(rope_object(r, "rope_parameters", &p));
    PT_RETURN(rope_object(r, "rope_scaling", &s));
    PT_RETURN(get_num(r->where, r->root, "rope_theta", 10000, &theta));
    PT_RETURN(get_num(r->where, r->root, "partial_rotary_factor", 1, &partial));
    json_t *d = json_object_size(s) ? s : p;
    PT_RETURN(get_num(r->where, d, "rope_theta", theta, &c->rope_theta));
    PT_RETURN(get_num(r->where, d, "partial_rotary_factor", partial, &partial));
    c->rot = c->head_dim;
    if (d == s && json_object_size(p)) {
        PT_RETURN(get_num(r->where, p, "rope_theta", c->rope_theta, &theta));
        pt_log(PT_LOG_WARN, "%s: rope_scaling stands beside rope_parameters and takes its place, as in transformers (theta %g%s)",
               r->where, c->rope_theta, theta == c->rope_theta ? "" : ": that of rope_parameters is not read");
    }
    if (d) PT_RETURN(read_scaling(c, d, r));
    if (partial == 1) return PT_OK;
    if (c->scaling != PT_ROPE_SCALE_NONE) /* transformers rotates a part that it then cannot lay over the head */
        return pt_fail(PT_ENOSUP, "%s: partial_rotary_factor %g beside rope scaling is not supported", r->where, partial);
    pt_log(PT_LOG_WARN, "%s: partial_rotary_factor %g is not read for %s models (nor by transformers): whole heads rotate", r->where,
           partial, c->family);
    return PT_OK;
}

static pt_status read_sizes(pt_model_config *c, const reader *r, const pt_family *f)
{
    bool null_kv = json_is_null(json_object_get(r->root, "num_key_value_heads")); /* as many as heads, whatever the default */
    int64_t kv = null_kv ? 0 : f->default_kv_heads;
    PT_RETURN(get_int(r, "vocab_size", -1, &c->vocab));
    PT_RETURN(get_int(r, "hidden_size", -1, &c->hidden));
    PT_RETURN(get_int(r, "intermediate_size", -1, &c->ffn));
    PT_RETURN(get_int(r, "num_hidden_layers", -1, &c->layers));
    PT_RETURN(get_int(r, "num_attention_heads", -1, &c->heads));
    PT_RETURN(get_int(r, "num_key_value_heads", kv ? kv : c->heads, &c->kv_heads));
    if (c->heads <= 0) return pt_fail(PT_EFORMAT, "%s: num_attention_heads is %d", r->where, c->heads);
    PT_RETURN(get_int(r, "head_dim", f->default_head_dim ? f->default_head_dim : c->hidden / c->heads, &c->head_dim));
    PT_RETURN(get_reach(r, "max_position_embeddings", 2048, &c->max_positions));
    double eps;
    PT_RETURN(get_num(r->where, r->root, "rms_norm_eps", 1e-6, &eps));
    PT_RETURN(get_num(r->where, r->root, "initializer_range", 0.02, &c->initializer_range));
    c->norm_eps = (float)eps;
    return get_bool(r, "tie_word_embeddings", false, &c->tied);
}

static pt_status read_all(pt_model_config *c, const reader *r)
{
    const pt_family *f = NULL;
    if (!json_is_object(r->root)) return pt_fail(PT_EFORMAT, "%s: not a JSON object", r->where);
    PT_RETURN(find_family(r, &f));
    PT_RETURN(refuse_variants(r, f));
    snprintf(c->family, sizeof c->family, "%s", f->name);
    c->qkv_bias = f->qkv_bias;
    c->qk_norm = f->qk_norm;
    c->rope_kind = PT_ROPE_HALF;
    PT_RETURN(read_sizes(c, r, f));
    PT_RETURN(read_act(c, r));
    PT_RETURN(read_window(c, r, f));
    PT_RETURN(read_rope(c, r));
    c->bos = get_id(r, "bos_token_id", c->vocab);
    c->eos = get_id(r, "eos_token_id", c->vocab);
    c->pad = get_id(r, "pad_token_id", c->vocab);
    return pt_config_check(c, r->where);
}

pt_status pt_config_from_hf(pt_model_config *c, const char *json, size_t bytes, const char *where)
{
    reader r = {NULL, where};
    *c = (pt_model_config){0};
    PT_RETURN(pt_json_parse(&r.root, json, bytes, where, PT_JSON_OBJECT));
    pt_status rc = read_all(c, &r);
    json_decref(r.root);
    return rc;
}

pt_status pt_config_check(const pt_model_config *c, const char *where)
{
    const struct {
        const char *name;
        int v, max;
    } sizes[] = {
        {"vocabulary size", c->vocab, 1 << 24}, {"hidden size", c->hidden, 1 << 20}, {"feed-forward size", c->ffn, 1 << 22},
        {"number of layers", c->layers, 4096},  {"number of heads", c->heads, 4096}, {"number of KV heads", c->kv_heads, 4096},
        {"head size", c->head_dim, 1 << 12},    {"rotary size", c->rot, 1 << 12},
    };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (sizes[i].v < 1 || sizes[i].v > sizes[i].max)
            return pt_fail(PT_EFORMAT, "%s: the %s is %d, not in 1..%d", where, sizes[i].name, sizes[i].v, sizes[i].max);
    if (c->heads % c->kv_heads)
        return pt_fail(PT_EFORMAT, "%s: %d heads cannot share %d KV heads", where, c->heads, c->kv_heads);
    if (c->rot % 2 || c->rot > c->head_dim)
        return pt_fail(PT_EFORMAT, "%s: %d rotary features of a head of %d", where, c->rot, c->head_dim);
    if (!(c->norm_eps >= 0) || !(c->rope_theta > 0))
        return pt_fail(PT_EFORMAT, "%s: norm eps %g, rope theta %g", where, (double)c->norm_eps, c->rope_theta);
    if (!(c->logit_softcap >= 0)) return pt_fail(PT_EFORMAT, "%s: logits capped at %g", where, (double)c->logit_softcap);
    return PT_OK;
}

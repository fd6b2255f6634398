/* adapter_config.json: reading and writing. */
#include "checkpoints/peft.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "checkpoints/json_file.h"
#include "checkpoints/peft_pattern.h"

enum { MAX_RANK = 65536, MAX_ITEMS = 65536 };

pt_status pt_peft_new(pt_peft **out, int64_t r, double alpha)
{
    *out = NULL;
    if (r < 1 || r > MAX_RANK) return pt_fail(PT_EARG, "lora r is %lld; it must lie in 1..%d", (long long)r, MAX_RANK);
    if (!isfinite(alpha)) return pt_fail(PT_EARG, "lora_alpha is not a finite number");
    PT_RETURN(pt_alloc0(out, 1));
    (*out)->r = r;
    (*out)->alpha = alpha;
    return PT_OK;
}

static void free_list(pt_peft_list *l)
{
    for (size_t i = 0; i < l->n; i++) free(l->names[i]);
    free(l->names);
}

static void free_patterns(pt_peft_patterns *l)
{
    for (size_t i = 0; i < l->n; i++) pt_peft_pattern_free(&l->items[i]);
    free(l->items);
}

void pt_peft_free(pt_peft *p)
{
    if (!p) return;
    free_list(&p->targets);
    free_list(&p->exclude);
    free_list(&p->modules_to_save);
    free_list(&p->layers_pattern);
    free_patterns(&p->ranks);
    free_patterns(&p->alphas);
    pt_peft_pattern_free(&p->target_regex);
    pt_peft_pattern_free(&p->exclude_regex);
    free_list(&p->row_modules);
    free(p->layers);
    free(p->rows);
    free(p->task_type);
    free(p->base_model);
    free(p);
}

bool pt_peft_is_regex(const char *target)
{
    return target[strcspn(target, "\\^$*+?()[]{}|")] != 0;
}

pt_status pt_peft_set_target_regex(pt_peft *p, const char *regex)
{
    p->all_linear = !strcmp(regex, "all-linear");
    return p->all_linear ? PT_OK : pt_peft_pattern_set(&p->target_regex, "", regex, "", 0);
}

pt_status pt_peft_set_exclude_regex(pt_peft *p, const char *regex)
{
    return pt_peft_pattern_set(&p->exclude_regex, "", regex, "", 0);
}

pt_status pt_peft_list_add(pt_peft_list *l, const char *name)
{
    PT_RETURN(pt_reserve(&l->names, &l->cap, l->n + 1));
    PT_RETURN(pt_strdup(&l->names[l->n], name));
    l->n++;
    return PT_OK;
}

pt_status pt_peft_patterns_add(pt_peft_patterns *l, const char *regex, double value)
{
    PT_RETURN(pt_reserve(&l->items, &l->cap, l->n + 1));
    PT_RETURN(pt_peft_pattern_set(&l->items[l->n], "(?:.*\\.)?(?:", regex, ")", value));
    l->n++;
    return PT_OK;
}

pt_status pt_peft_set_text(char **field, const char *text)
{
    char *copy = NULL;
    if (text) PT_RETURN(pt_strdup(&copy, text));
    free(*field);
    *field = copy;
    return PT_OK;
}

/* ---- reading ------------------------------------------------------------------------------------------------------------ */

static pt_status wrong(const char *key, const json_t *j, const char *want)
{
    return pt_fail(PT_EFORMAT, "%s is %s, not %s", key, pt_json_kind(j), want);
}

/* null, false, 0, "", [] and {}: a feature that is off. */
static bool is_off(const json_t *j)
{
    return json_is_null(j) || json_is_false(j) || (json_is_array(j) && !json_array_size(j)) ||
           (json_is_object(j) && !json_object_size(j)) || (json_is_string(j) && !json_string_length(j)) ||
           (json_is_number(j) && json_number_value(j) == 0);
}

static pt_status read_list(const json_t *root, const char *key, pt_peft_list *out)
{
    const json_t *j = json_object_get(root, key);
    if (!j || json_is_null(j)) return PT_OK;
    if (!json_is_array(j)) return wrong(key, j, "a list of names");
    if (json_array_size(j) > MAX_ITEMS) return pt_fail(PT_EFORMAT, "%s has %zu entries", key, json_array_size(j));
    for (size_t i = 0; i < json_array_size(j); i++) {
        const json_t *e = json_array_get(j, i);
        if (!json_is_string(e)) return wrong(key, e, "a list of names");
        PT_RETURN(pt_peft_list_add(out, json_string_value(e)));
    }
    return PT_OK;
}

static pt_status read_patterns(json_t *root, const char *key, bool whole, pt_peft_patterns *out)
{
    json_t *j = json_object_get(root, key), *value;
    const char *name;
    if (!j || json_is_null(j)) return PT_OK;
    if (!json_is_object(j)) return wrong(key, j, "an object of names and numbers");
    json_object_foreach(j, name, value)
    {
        double v = json_number_value(value);
        if (!json_is_number(value) || (whole && (v < 1 || v > MAX_RANK || v != floor(v))))
            return pt_fail(PT_EFORMAT, "%s of '%s' is no usable number", key, name);
        PT_RETURN(pt_peft_patterns_add(out, name, v));
    }
    return PT_OK;
}

static pt_status read_layers(const json_t *root, pt_peft *p)
{
    json_t *j = json_object_get(root, "layers_to_transform");
    if (!j || json_is_null(j)) return PT_OK;
    size_t n = json_is_array(j) ? json_array_size(j) : 1;
    PT_RETURN(pt_alloc0(&p->layers, n));
    for (size_t i = 0; i < n; i++) {
        const json_t *e = json_is_array(j) ? json_array_get(j, i) : j;
        if (!json_is_integer(e)) return wrong("layers_to_transform", e, "a layer number or a list of them");
        p->layers[i] = json_integer_value(e);
    }
    p->n_layers = n;
    return PT_OK;
}

static pt_status read_rows(const json_t *list, pt_peft *p)
{
    static const char key[] = "trainable_token_indices";
    const size_t n = json_array_size(list);
    if (!json_is_array(list) || n > MAX_ITEMS) return wrong(key, list, "a list of token ids, or a mapping of modules to such lists");
    if (p->row_modules.n > 1 && n != p->n_rows) return pt_fail(PT_ENOSUP, "%s names other rows for %s than for %s", key, p->row_modules.names[1], p->row_modules.names[0]);
    if (!p->rows) PT_RETURN(pt_alloc0(&p->rows, n));
    for (size_t i = 0; i < n; i++) {
        const json_t *e = json_array_get(list, i);
        if (!json_is_integer(e) || json_integer_value(e) < 0) return wrong(key, e, "a list of token ids");
        if (p->row_modules.n > 1 && p->rows[i] != json_integer_value(e))
            return pt_fail(PT_ENOSUP, "%s names other rows for %s than for %s", key, p->row_modules.names[1], p->row_modules.names[0]);
        p->rows[i] = json_integer_value(e);
    }
    p->n_rows = n;
    return PT_OK;
}

/* A list, or {module: list}. */
static pt_status read_token_rows(json_t *root, pt_peft *p)
{
    json_t *j = json_object_get(root, "trainable_token_indices"), *list;
    const char *module;
    if (!j || json_is_null(j)) return PT_OK;
    if (!json_is_object(j)) return read_rows(j, p);
    if (json_object_size(j) > 2) return pt_fail(PT_ENOSUP, "trainable_token_indices names %zu modules; the embedding and the head are supported", json_object_size(j));
    json_object_foreach(j, module, list)
    {
        PT_RETURN(pt_peft_list_add(&p->row_modules, module));
        PT_RETURN(read_rows(list, p));
    }
    return PT_OK;
}

static pt_status read_number(const json_t *root, const char *key, double lo, double hi, double *out)
{
    const json_t *j = json_object_get(root, key);
    if (!j) return PT_OK;
    if (!json_is_number(j)) return wrong(key, j, "a number");
    double v = json_number_value(j);
    if (v < lo || v > hi) return pt_fail(PT_EFORMAT, "%s is %g; it must lie in %g..%g", key, v, lo, hi);
    *out = v;
    return PT_OK;
}

static pt_status read_text(const json_t *root, const char *key, char **out)
{
    const json_t *j = json_object_get(root, key);
    if (!j || json_is_null(j)) return PT_OK;
    return json_is_string(j) ? pt_peft_set_text(out, json_string_value(j)) : wrong(key, j, "a text");
}

/* Read by the functions above, or of no effect on what the adapter computes. */
static const char *const understood[] = {"alpha_pattern",
                                         "auto_mapping",
                                         "base_model_name_or_path",
                                         "bias",
                                         "corda_config",
                                         "eva_config",
                                         "exclude_modules",
                                         "fan_in_fan_out",
                                         "inference_mode",
                                         "init_lora_weights",
                                         "layers_pattern",
                                         "layers_to_transform",
                                         "loftq_config",
                                         "lora_alpha",
                                         "lora_dropout",
                                         "lora_ga_config",
                                         "megatron_core",
                                         "modules_to_save",
                                         "peft_type",
                                         "peft_version",
                                         "qalora_group_size",
                                         "r",
                                         "rank_pattern",
                                         "revision",
                                         "runtime_config",
                                         "target_modules",
                                         "task_type",
                                         "trainable_token_indices",
                                         "use_rslora"};

/* Why a known field is refused. */
static const struct refusal {
    const char *key, *why;
} refusals[] = {
    {"use_dora", "DoRA rescales the base weights"},
    {"lora_bias", "a bias beside lora_B is not kept"},
    {"layer_replication", "layers are not replicated"},
    {"megatron_config", "Megatron's parallel layers are not read"},
    {"target_parameters", "only modules are adapted, not bare parameters"},
    {"alora_invocation_tokens", "activated LoRA is not supported"},
    {"use_qalora", "QALoRA pools the input"},
    {"use_bdlora", "block-diagonal LoRA is not supported"},
    {"ensure_weight_tying", "tied copies of saved modules are not kept"},
    {"arrow_config", "adapters are not routed by Arrow"},
    {"kasa_config", "KaSA changes the base weights"},
    {"monteclora_config", "MonteCLoRA draws the weights anew"},
    {"velora_config", "VeLoRA compresses what backward sees"},
};

static pt_status refuse_fields(json_t *root)
{
    const char *key;
    json_t *j;
    json_object_foreach(root, key, j)
    {
        bool known = is_off(j);
        size_t n = strlen(key);
        for (size_t i = 0; i < sizeof understood / sizeof *understood && !known; i++) known = !strcmp(understood[i], key);
        if (known) continue;
        for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++)
            if (!strcmp(refusals[i].key, key)) return pt_fail(PT_ENOSUP, "%s is set: %s", key, refusals[i].why);
        if (!strncmp(key, "use_", 4) || (n > 7 && !strcmp(key + n - 7, "_config"))) /* how PEFT names what computes differently */
            return pt_fail(PT_ENOSUP, "%s is set, a feature that is not known here", key);
        pt_log(PT_LOG_WARN, "adapter_config.json: %s is not known here and not read (nor by PEFT 0.21)", key);
    }
    return PT_OK;
}

/* PT_ENOSUP unless the text at key is one of the allowed (NULL-ended). */
static pt_status only(const json_t *root, const char *key, const char *const *allowed, const char *why)
{
    const json_t *j = json_object_get(root, key);
    if (!j || json_is_null(j) || json_is_boolean(j)) return PT_OK;
    if (!json_is_string(j)) return wrong(key, j, "a text");
    for (; *allowed; allowed++)
        if (!strcmp(*allowed, json_string_value(j))) return PT_OK;
    return pt_fail(PT_ENOSUP, "%s is '%s': %s", key, json_string_value(j), why);
}

static pt_status check_kinds(json_t *root)
{
    static const char *const lora[] = {"LORA", NULL}, *const none[] = {"none", NULL},
                             *const tasks[] = {"CAUSAL_LM", "SEQ_CLS", NULL};
    static const char *const inits[] = {"gaussian", "eva", "orthogonal", NULL};
    const json_t *type = json_object_get(root, "peft_type");
    if (!json_is_string(type)) return pt_fail(PT_EFORMAT, "peft_type is %s, not \"LORA\"", pt_json_kind(type));
    PT_RETURN(only(root, "peft_type", lora, "only LORA adapters are read"));
    PT_RETURN(only(root, "bias", none, "trained biases are not kept"));
    PT_RETURN(only(root, "task_type", tasks, "only CAUSAL_LM and SEQ_CLS are supported"));
    PT_RETURN(only(root, "init_lora_weights", inits,
                   "the adapter fits a base that was changed when it was made; convert it to plain LoRA with PEFT's "
                   "path_initial_model_for_weight_conversion"));
    return refuse_fields(root);
}

static pt_status read_targets(const json_t *root, pt_peft *p)
{
    const json_t *t = json_object_get(root, "target_modules"), *x = json_object_get(root, "exclude_modules");
    if (!t || json_is_null(t)) return pt_fail(PT_ENOSUP, "target_modules is missing; name the modules");
    if (json_is_string(t)) PT_RETURN(pt_peft_set_target_regex(p, json_string_value(t)));
    else PT_RETURN(read_list(root, "target_modules", &p->targets));
    if (json_is_string(x)) PT_RETURN(pt_peft_set_exclude_regex(p, json_string_value(x)));
    else PT_RETURN(read_list(root, "exclude_modules", &p->exclude));
    PT_RETURN(read_layers(root, p));
    const json_t *pattern = json_object_get(root, "layers_pattern");
    if (json_is_string(pattern))
        PT_RETURN(json_string_length(pattern) ? pt_peft_list_add(&p->layers_pattern, json_string_value(pattern)) : PT_OK);
    else PT_RETURN(read_list(root, "layers_pattern", &p->layers_pattern));
    if (p->n_layers && p->target_regex.text)
        return pt_fail(PT_EFORMAT, "layers_to_transform beside a regular expression in target_modules; PEFT refuses it too");
    return PT_OK;
}

static pt_status read_fields(json_t *root, pt_peft *p)
{
    double r = 8; /* PEFT's defaults: r 8, lora_alpha 8 */
    PT_RETURN(check_kinds(root));
    PT_RETURN(read_number(root, "r", 1, MAX_RANK, &r));
    if (r != floor(r)) return pt_fail(PT_EFORMAT, "r is %g, not an integer", r);
    p->r = (int64_t)r;
    PT_RETURN(read_number(root, "lora_alpha", -1e9, 1e9, &p->alpha));
    PT_RETURN(read_number(root, "lora_dropout", 0, 1, &p->dropout));
    const json_t *rs = json_object_get(root, "use_rslora");
    if (rs && !json_is_boolean(rs)) return wrong("use_rslora", rs, "true or false");
    p->rslora = json_is_true(rs);
    PT_RETURN(read_targets(root, p));
    PT_RETURN(read_list(root, "modules_to_save", &p->modules_to_save));
    PT_RETURN(read_token_rows(root, p));
    PT_RETURN(read_patterns(root, "rank_pattern", true, &p->ranks));
    PT_RETURN(read_patterns(root, "alpha_pattern", false, &p->alphas));
    PT_RETURN(read_text(root, "task_type", &p->task_type));
    return read_text(root, "base_model_name_or_path", &p->base_model);
}

pt_status pt_peft_read(pt_peft **out, const char *folder)
{
    pt_status rc = PT_OK;
    char *path = NULL;
    json_t *root = NULL;
    pt_peft *p = NULL;
    *out = NULL;
    PT_TRY(pt_path_join(&path, folder, "adapter_config.json"));
    PT_TRY(pt_json_read(&root, path, 0));
    PT_TRY(pt_peft_new(&p, 8, 8));
    rc = read_fields(root, p);
    if (rc != PT_OK) pt_fail_prefix(rc, "%s", path);
    PT_TRY(rc);
    *out = p;
    p = NULL;
done:
    pt_peft_free(p);
    json_decref(root);
    free(path);
    return rc;
}

/* ---- writing ------------------------------------------------------------------------------------------------------------ */

static json_t *list_json(const pt_peft_list *l)
{
    json_t *j = json_array();
    for (size_t i = 0; i < l->n; i++) json_array_append_new(j, json_string(l->names[i]));
    return j;
}

/* An integer where it is whole: PEFT declares alpha as int. */
static json_t *number_json(double v)
{
    return v == floor(v) && fabs(v) < 1e15 ? json_integer((json_int_t)v) : json_real(v);
}

static json_t *patterns_json(const pt_peft_patterns *l)
{
    json_t *j = json_object();
    for (size_t i = 0; i < l->n; i++) json_object_set_new(j, l->items[i].text, number_json(l->items[i].value));
    return j;
}

static json_t *text_or_null(const char *text)
{
    return text ? json_string(text) : json_null();
}

/* A list, a text, or null when there is neither. */
static json_t *list_or_text(const pt_peft_list *l, const char *text)
{
    return text ? json_string(text) : l->n ? list_json(l) : json_null();
}

static json_t *layers_json(const pt_peft *p)
{
    if (!p->layers) return json_null();
    json_t *j = json_array();
    for (size_t i = 0; i < p->n_layers; i++) json_array_append_new(j, json_integer(p->layers[i]));
    return j;
}

pt_status pt_peft_digest(const pt_peft *p, char out[17])
{
    pt_digest d;
    json_t *j = json_pack("{s:o, s:o, s:b, s:o, s:o, s:o, s:o, s:o}", "r", json_integer(p->r), "alpha", json_real(p->alpha), "rslora", p->rslora,
                          "ranks", patterns_json(&p->ranks), "alphas", patterns_json(&p->alphas), "targets",
                          list_or_text(&p->targets, p->all_linear ? "all-linear" : p->target_regex.text), "exclude",
                          list_or_text(&p->exclude, p->exclude_regex.text), "layers", layers_json(p));
    char *text = j ? json_dumps(j, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    json_decref(j);
    if (!text) return pt_fail(PT_ENOMEM, "out of memory: digest of an adapter's configuration");
    pt_digest_start(&d);
    pt_digest_add(&d, text, strlen(text));
    snprintf(out, 17, "%016" PRIx64, pt_digest_end(&d));
    free(text);
    return PT_OK;
}

static json_t *rows_json(const pt_peft *p)
{
    json_t *list = json_array(), *by_module = json_object();
    for (size_t i = 0; i < p->n_rows; i++) json_array_append_new(list, json_integer(p->rows[i]));
    for (size_t i = 0; i < p->row_modules.n; i++) json_object_set(by_module, p->row_modules.names[i], list);
    json_decref(p->row_modules.n ? list : by_module);
    return p->row_modules.n ? by_module : list;
}

pt_status pt_peft_write(const pt_peft *p, const char *folder)
{
    pt_status rc = PT_OK;
    char *path = NULL;
    json_t *j = json_object();
    const char *regex = p->all_linear ? "all-linear" : p->target_regex.text;
    PT_TRY(pt_path_join(&path, folder, "adapter_config.json"));
    int bad = json_object_set_new(j, "alpha_pattern", patterns_json(&p->alphas)) |
              json_object_set_new(j, "auto_mapping", json_null()) |
              json_object_set_new(j, "base_model_name_or_path", text_or_null(p->base_model)) |
              json_object_set_new(j, "bias", json_string("none")) | json_object_set_new(j, "fan_in_fan_out", json_boolean(p->fan_in_fan_out)) |
              json_object_set_new(j, "inference_mode", json_true()) | json_object_set_new(j, "init_lora_weights", json_true()) |
              json_object_set_new(j, "layers_pattern", list_or_text(&p->layers_pattern, NULL)) |
              json_object_set_new(j, "layers_to_transform", layers_json(p)) |
              json_object_set_new(j, "lora_alpha", number_json(p->alpha)) |
              json_object_set_new(j, "lora_dropout", json_real(p->dropout)) |
              json_object_set_new(j, "modules_to_save", list_or_text(&p->modules_to_save, NULL)) |
              json_object_set_new(j, "peft_type", json_string("LORA")) | json_object_set_new(j, "r", json_integer(p->r)) |
              json_object_set_new(j, "rank_pattern", patterns_json(&p->ranks)) |
              json_object_set_new(j, "revision", json_null()) |
              json_object_set_new(j, "target_modules", regex ? json_string(regex) : list_json(&p->targets)) |
              json_object_set_new(j, "task_type", text_or_null(p->task_type)) |
              json_object_set_new(j, "use_dora", json_false()) | json_object_set_new(j, "use_rslora", json_boolean(p->rslora));
    /* older releases of PEFT do not know this key: written only where it is used */
    if (p->exclude.n || p->exclude_regex.text)
        bad |= json_object_set_new(j, "exclude_modules", list_or_text(&p->exclude, p->exclude_regex.text));
    if (p->n_rows) bad |= json_object_set_new(j, "trainable_token_indices", rows_json(p));
    PT_CHECK(!bad, PT_EARG, "%s: a name in the adapter's configuration is not valid UTF-8", path);
    PT_TRY(pt_json_write(j, path));
done:
    json_decref(j);
    free(path);
    return rc;
}

#include "train/cli/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "base/log.h"
#include "data/read/record.h"
#include "train/cli/config_value.h"

enum { MAX_KEYS = 160 };

/* Which keys were set, where, and under what name: two aliases that disagree are an error. */
typedef struct seen {
    const pt_key *key;
    char name[64];
    pt_place at;
    char *value;
    char *said; /* as the user wrote it: "save_strategy: no" */
} seen;

/* "reward_model: false": objective must not be reward where it stands. */
typedef struct denied {
    const char *key, *value;
    pt_place at;
    char said[96];
} denied;

typedef struct loader {
    pt_config *c;
    const char *file;
    seen seen[MAX_KEYS];
    int n_seen;
    denied denied[8];
    int n_denied;
    const char *said; /* the translated setting that is being applied, NULL */
    char *dataset_dir; /* known beforehand: names of data sets are looked up there */
} loader;

static const char *const path_keys[3] = {"base_model", "tokenizer", "lora_model_dir"}; /* of path_line, path_column (config_files.c) */

static void *field(pt_config *c, size_t offset)
{
    return (char *)c + offset;
}

static pt_status assign(pt_config *c, const pt_key *k, const char *file, pt_place at, const pt_ynode *v)
{
    void *f = field(c, k->offset);
    switch (k->kind) {
    case PT_KEY_STRING: return pt_value_string(at, k->name, v, f);
    case PT_KEY_PATH: return pt_value_path(at, k->name, v, f);
    case PT_KEY_INT: return pt_value_int(at, k->name, v, k->min, k->max, f);
    case PT_KEY_U64: return pt_value_u64(at, k->name, v, f);
    case PT_KEY_NUMBER: return pt_value_worded(at, k, v, f);
    case PT_KEY_STEPS: return pt_value_steps(at, k->name, v, k->min, k->max, f);
    case PT_KEY_BOOL: return pt_value_bool(at, k->name, v, f);
    case PT_KEY_ENUM: return pt_value_enum(at, k->name, v, k->choices, f);
    case PT_KEY_OBJECTIVE: {
        int i = 0;
        PT_RETURN(pt_value_enum(at, k->name, v, k->choices, &i));
        c->objective = pt_objective_at((size_t)i);
        return PT_OK;
    }
    case PT_KEY_WORDS: return pt_value_words(at, k, v, f);
    case PT_KEY_NUMBERS: return pt_value_numbers(at, k, v, f);
    case PT_KEY_LIST: return pt_value_list(at, k->name, v, f, field(c, k->offset_n));
    case PT_KEY_DATASETS: break; /* assign_sets */
    case PT_KEY_STAGES: return pt_place_fail(at, "stages stand at the top of a config file");
    case PT_KEY_MODEL: return pt_value_model(file, v, f);
    case PT_KEY_EVALUATIONS: return pt_value_evaluations(file, v, &c->eval.evaluations, &c->eval.n_evaluations);
    case PT_KEY_MODELS: return pt_value_models(file, v, &c->eval.models, &c->eval.n_models);
    case PT_KEY_TOKENS: return pt_value_tokens(at, k->name, v, &c->model.special_token_names, f, field(c, k->offset_n));
    }
    return pt_fail(PT_EINTERNAL, "key %s has no kind", k->name);
}

static pt_status assign_sets(loader *l, const pt_key *k, pt_place at, const pt_ynode *v)
{
    pt_ynode *named;
    PT_RETURN(pt_value_named_sets(at, l->dataset_dir, v, &named));
    pt_status rc = pt_value_datasets(at.file, k->name, named ? named : v, field(l->c, k->offset), field(l->c, k->offset_n));
    pt_yaml_free(named);
    return rc;
}

static const char *node_text(const pt_ynode *n)
{
    return n->kind == PT_YSCALAR ? n->text : "";
}

/* The whole of a value as one line, to compare two by and to show. */
static pt_status flatten(const pt_ynode *n, pt_str *out)
{
    if (n->kind == PT_YSCALAR) return pt_str_puts(out, n->text);
    PT_RETURN(pt_str_puts(out, n->kind == PT_YSEQ ? "[" : "{"));
    for (size_t i = 0; i < n->n; i++) {
        if (i) PT_RETURN(pt_str_puts(out, ", "));
        if (n->kind == PT_YMAP) PT_RETURN(pt_str_printf(out, "%s: ", n->keys[i]));
        PT_RETURN(flatten(n->items[i], out));
    }
    return pt_str_puts(out, n->kind == PT_YSEQ ? "]" : "}");
}

/* "NEW disagrees with OLD on line N". */
static pt_status disagree(pt_place at, const char *said, const char *old, int line, const char *advice)
{
    if (line <= 0) return pt_place_fail(at, "%s disagrees with %s; %s", said, old, advice);
    return pt_place_fail(at, "%s disagrees with %s on line %d; %s", said, old, line, advice);
}

/* Notes that key k was set; an alias set before to another value is an error. The command line (line 0) wins silently over the file. */
static pt_status note_set(loader *l, const pt_key *k, const char *name, pt_place at, const char *value, bool *skip)
{
    pt_status rc = PT_OK;
    char *said = NULL;
    *skip = false;
    PT_TRY(l->said ? pt_strdup(&said, l->said) : pt_asprintf(&said, "%s: %s", name, value));
    for (int i = 0; i < l->n_seen; i++) {
        seen *s = &l->seen[i];
        if (s->key != k || strcmp(s->at.file, at.file)) continue;
        bool translated = l->said || strncmp(s->said, s->name, strlen(s->name)) != 0;
        if (strcmp(s->value, value)) PT_TRY(disagree(at, said, s->said, s->at.line, translated ? "keep one" : "they mean the same, keep one"));
        *skip = true;
        goto done;
    }
    PT_CHECK(l->n_seen < MAX_KEYS, PT_EARG, "more than %d settings", MAX_KEYS);
    seen *s = &l->seen[l->n_seen++];
    s->key = k;
    s->at = at;
    strncpy(s->name, name, sizeof s->name - 1);
    s->said = said;
    said = NULL;
    PT_TRY(pt_strdup(&s->value, value));
done:
    free(said);
    return rc;
}

/* Where a key was set last (the command line comes after the file); NULL where it was not. */
static const seen *last_set(const loader *l, const char *key)
{
    const seen *last = NULL;
    for (int i = 0; i < l->n_seen; i++)
        if (!strcmp(l->seen[i].key->name, key)) last = &l->seen[i];
    return last;
}

static pt_place place_of(const loader *l, const char *key)
{
    const seen *s = last_set(l, key);
    return s ? s->at : (pt_place){l->file, 0, 0};
}

/* What a setting says that another is not. One of the file gives way to the command line. */
static pt_status check_denied(const loader *l)
{
    for (int i = 0; i < l->n_denied; i++) {
        const denied *d = &l->denied[i];
        const seen *s = last_set(l, d->key);
        if (!s || strcasecmp(s->value, d->value) || (s->at.line <= 0 && d->at.line > 0)) continue;
        return disagree(d->at, d->said, s->said, s->at.line, "keep one");
    }
    return PT_OK;
}

/* Two numbers of which one counts: save_steps and saves_per_epoch. The command line's wins over the file's. */
static pt_status check_one_of(const loader *l, const char *a, double *value_a, const char *b, double *value_b)
{
    const seen *x = last_set(l, a), *y = last_set(l, b);
    if (!x || !y || *value_a <= 0 || *value_b <= 0) return PT_OK;
    bool line_x = x->at.line <= 0, line_y = y->at.line <= 0;
    if (line_x == line_y) return pt_place_fail(y->at, "%s and %s exclude each other; keep one", x->said, y->said);
    *(line_x ? value_b : value_a) = 0;
    return PT_OK;
}

/* save_strategy: best saves where the best is known, and nowhere else: who names no metric would have no checkpoint at all. */
static pt_status check_saves(const loader *l)
{
    const pt_config_run *r = &l->c->run;
    const seen *s = last_set(l, "save_steps");
    if (!s || strcasecmp(s->said, "save_strategy: best") || r->metric_for_best_model || r->load_best_model_at_end || r->early_stopping_patience) return PT_OK;
    return pt_place_fail(s->at, "%s saves each new best: say of what, by metric_for_best_model", s->said);
}

static pt_status set_key(loader *l, const char *name, pt_place at, const pt_ynode *v);

static pt_status deny(loader *l, const pt_translation *t, pt_place at, const char *said)
{
    if (l->n_denied == sizeof l->denied / sizeof *l->denied) return pt_fail(PT_EARG, "too many settings");
    denied *d = &l->denied[l->n_denied++];
    *d = (denied){.key = t->to_key, .value = t->to_value + 1, .at = at};
    snprintf(d->said, sizeof d->said, "%s", said);
    return PT_OK;
}

static pt_status apply_translation(loader *l, const pt_translation *t, pt_place at, const pt_ynode *v)
{
    char said[96];
    if (t->refusal) return pt_place_fail(at, "%s: %s: %s", t->key, node_text(v), t->refusal);
    if (!t->to_key) return PT_OK;
    snprintf(said, sizeof said, "%s: %s", t->key, node_text(v));
    if (t->to_value[0] == '!') return deny(l, t, at, said);
    pt_ynode to = {.kind = PT_YSCALAR, .text = (char *)t->to_value, .line = v->line, .column = v->column};
    l->said = said;
    pt_status rc = set_key(l, t->to_key, at, &to);
    l->said = NULL;
    return rc;
}

/* *done: a row of the table was for it. */
static pt_status translate(loader *l, const char *name, pt_place at, const pt_ynode *v, bool *done)
{
    size_t n;
    const pt_translation *t = pt_schema_translations(&n);
    bool applied = false;
    const pt_key *known = pt_schema_find(name); /* template: qwen3_nothink is chat_template's */
    *done = false;
    for (size_t i = 0; i < n; i++) {
        if (strcmp(t[i].key, known ? known->name : name)) continue;
        if (pt_yaml_is_null(v)) return *done = true, PT_OK;
        bool any = !strcmp(t[i].value, "*");
        if (any ? applied : !pt_value_word_is(v, t[i].value)) continue;
        *done = applied = true;
        PT_RETURN(apply_translation(l, &t[i], at, v));
    }
    return PT_OK;
}

static pt_status set_optimizer(loader *l, pt_place at, const pt_ynode *v)
{
    static const char *const same[] = {"adamw", "adamw_torch", "adamw_torch_fused", "adamw_hf", "adamw_apex_fused", "adamw_torch_8bit", "adamw_torch_4bit",
                                       "adamw_8bit", "adamw_bnb_8bit", "paged_adamw_8bit", "paged_adamw_32bit", "paged_adamw"};
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        if (v->kind != PT_YSCALAR || strcasecmp(v->text, same[i])) continue;
        if (i) pt_log(PT_LOG_INFO, "optimizer: %s runs as AdamW with f32 moments (the same or better arithmetic)", v->text);
        free(l->c->optim.optimizer);
        return pt_strdup(&l->c->optim.optimizer, "adamw");
    }
    return pt_place_fail(at, "optimizer '%s' does not exist here; adamw does (adamw_torch, adamw_torch_fused, adamw_8bit and kin mean it too)", node_text(v));
}

/* Optimisers that save memory by coming near to AdamW: where AdamW fits, it is what their users want. Another learning rate may be. */
static pt_status stand_in(loader *l, const char *name, pt_place at, const pt_ynode *v)
{
    bool on = false;
    pt_ynode adamw = {.kind = PT_YSCALAR, .text = (char *)"adamw", .line = v->line, .column = v->column};
    PT_RETURN(pt_value_bool(at, name, v, &on));
    if (!on) return PT_OK;
    pt_log(PT_LOG_WARN, "%s: AdamW itself runs in its place, with f32 moments and no scale of its own: see that it fits (ptrain plan), and that learning_rate is one for AdamW", name);
    return set_optimizer(l, at, &adamw);
}

/* Plugins are Python. Those whose work is done here anyway are named, others are refused. */
static pt_status check_plugins(pt_place at, const pt_ynode *v)
{
    static const char *const done[] = {"liger", "cut_cross_entropy", "swanlab", "otel"};
    size_t n = v->kind == PT_YSEQ ? v->n : 1;
    for (size_t i = 0; i < n; i++) {
        const char *name = node_text(v->kind == PT_YSEQ ? v->items[i] : v);
        const pt_ynode *item = v->kind == PT_YSEQ ? v->items[i] : v;
        bool known = pt_value_is_off(item);
        for (size_t k = 0; k < sizeof done / sizeof *done; k++) known |= strstr(name, done[k]) != NULL;
        if (!known) return pt_place_fail(at.line > 0 ? (pt_place){at.file, item->line, item->column} : at, "plugins: %s is Python, and nothing here does its work", name);
    }
    if (!pt_value_is_off(v)) pt_log(PT_LOG_INFO, "plugins have no effect here: fused kernels are built in; metrics go to metrics.jsonl and TensorBoard files");
    return PT_OK;
}

/* axolotl's way to say objective: pretrain and its data. */
static pt_status set_pretraining(loader *l, const char *name, pt_place at, const pt_ynode *v)
{
    pt_status rc = PT_OK;
    const pt_objective *texts = pt_objective_also(name);
    pt_ynode *sets = NULL, objective = {.kind = PT_YSCALAR, .text = (char *)texts->name, .line = v->line, .column = v->column};
    l->said = name;
    rc = set_key(l, "objective", at, &objective);
    l->said = NULL;
    if (rc != PT_OK) return rc;
    PT_TRY(pt_yaml_copy(&sets, v));
    for (size_t i = 0; i < (sets->kind == PT_YMAP ? 1 : sets->n); i++) {
        pt_ynode *set = sets->kind == PT_YMAP ? sets : sets->items[i];
        const pt_ynode *type = pt_yaml_get(set, "type"), *skip = pt_yaml_get(set, "skip");
        if (set->kind != PT_YMAP) continue;
        if (type && pt_value_word_is(type, texts->name)) PT_TRY(pt_yaml_put(set, "type", texts->data)); /* axolotl's type of the same name */
        if (skip && !pt_value_is_off(skip)) PT_TRY(pt_place_fail((pt_place){at.file, skip->line, skip->column}, "%s: skip is refused: split takes a part: train[100:]", name));
        pt_yaml_drop(set, "skip");
        pt_yaml_drop(set, "name"); /* of the hub */
    }
    rc = set_key(l, "datasets", at, sets);
done:
    pt_yaml_free(sets);
    return rc;
}

/* {min_lr_rate: 0.1}, of cosine_with_min_lr; empty for the others. */
static pt_status set_scheduler_kwargs(loader *l, pt_place at, const pt_ynode *v)
{
    if (v->kind != PT_YMAP) return pt_place_fail(at, "lr_scheduler_kwargs takes a mapping");
    for (size_t i = 0; i < v->n; i++) {
        pt_place here = {at.file, v->key_line[i], v->key_column[i]};
        if (!strcmp(v->keys[i], "min_lr_rate")) PT_RETURN(set_key(l, "cosine_min_lr_ratio", here, v->items[i]));
        else if (!pt_value_is_off(v->items[i])) return pt_place_fail(here, "lr_scheduler_kwargs knows min_lr_rate (of cosine_with_min_lr), not %s", v->keys[i]);
    }
    return PT_OK;
}

/* LLaMA-Factory's newer layout keeps settings in mappings: peft_config: {name: lora, r: 16}. Each entry is a key of its own. */
static pt_status set_nested(loader *l, const char *group, pt_place at, const pt_ynode *v)
{
    static const struct { const char *group, *name, *key; } nested[] = {
        {"peft_config", "name", "finetuning_type"}, {"peft_config", "r", "lora_r"}, {"quant_config", "name", "quantization_method"}};
    if (v->kind != PT_YMAP) return pt_place_fail(at, "%s takes a mapping", group);
    for (size_t i = 0; i < v->n; i++) {
        const char *key = v->keys[i];
        for (size_t k = 0; k < sizeof nested / sizeof *nested; k++)
            if (!strcmp(nested[k].group, group) && !strcmp(nested[k].name, key)) key = nested[k].key;
        PT_RETURN(set_key(l, key, (pt_place){at.file, at.line > 0 ? v->key_line[i] : at.line, v->key_column[i]}, v->items[i]));
    }
    return PT_OK;
}

/* Keys that need more than the table: true when `name` was one. */
static pt_status special(loader *l, const char *name, pt_place at, const pt_ynode *v, bool *done)
{
    *done = true;
    if (!strcmp(name, "init")) {
        if (v->kind != PT_YSCALAR || strcmp(v->text, "random")) return pt_place_fail(at, "init takes random (or leave it out and give base_model)");
        l->c->model.init.random = true;
    } else if (!strcmp(name, "optimizer") || !strcmp(name, "optim")) {
        return set_optimizer(l, at, v);
    } else if (!strcmp(name, "lr_scheduler_kwargs")) {
        return pt_value_is_off(v) ? PT_OK : set_scheduler_kwargs(l, at, v);
    } else if (!strcmp(name, "peft_config") || !strcmp(name, "quant_config")) {
        return set_nested(l, name, at, v);
    } else if (!strcmp(name, "use_galore") || !strcmp(name, "use_apollo") || !strcmp(name, "use_badam") || !strcmp(name, "use_adam_mini")) {
        return stand_in(l, name, at, v);
    } else if (!strcmp(name, "plugins")) {
        return check_plugins(at, v);
    } else if (!strcmp(name, "pretraining_dataset")) {
        return pt_value_is_off(v) ? PT_OK : set_pretraining(l, name, at, v);
    } else {
        *done = false;
    }
    return PT_OK;
}

static pt_status set_key(loader *l, const char *name, pt_place at, const pt_ynode *v)
{
    bool done = false;
    if (!pt_yaml_is_null(v)) PT_RETURN(special(l, name, at, v, &done));
    if (!done) PT_RETURN(translate(l, name, at, v, &done));
    if (done) return PT_OK;
    const pt_key *k = pt_schema_find(name);
    if (k) {
        bool adapter_empty = !strcmp(k->name, "adapter") && pt_yaml_is_null(v);
        if (pt_yaml_is_null(v) && !adapter_empty) return PT_OK;
        bool skip;
        pt_str text = {0};
        pt_status rc = adapter_empty ? pt_str_puts(&text, "none") : flatten(v, &text);
        if (rc == PT_OK) rc = note_set(l, k, name, at, text.text, &skip);
        pt_str_free(&text);
        if (rc != PT_OK || skip) return rc;
        bool on;
        if ((k->kind == PT_KEY_STRING || k->kind == PT_KEY_PATH) && pt_value_is_plain_bool(v, &on)) { /* what has no "on" can be off */
            if (on) return pt_place_fail(at, "%s takes text, not '%s'", name, v->text);
            free(*(char **)field(l->c, k->offset));
            *(char **)field(l->c, k->offset) = NULL;
            return k->fallback ? pt_strdup(field(l->c, k->offset), k->fallback) : PT_OK;
        }
        if (adapter_empty) return l->c->adapter.kind = PT_ADAPTER_NONE, PT_OK;
        for (int i = 0; i < 3; i++)
            if (!strcmp(k->name, path_keys[i])) l->c->source.path_line[i] = at.line, l->c->source.path_column[i] = at.column;
        if (!strcmp(k->name, "lora_r")) l->c->adapter.lora_r_set = true;
        if (!strcmp(k->name, "lora_alpha")) l->c->adapter.lora_alpha_set = true;
        if (!strcmp(k->name, "lora_target_modules")) return pt_value_targets(at, k->name, v, &l->c->adapter.lora_target_modules, &l->c->adapter.n_lora_target_modules);
        if (k->kind == PT_KEY_DATASETS) return assign_sets(l, k, at, v);
        int option = pt_objective_key(k->name);
        PT_RETURN(assign(l->c, k, at.file, at, v));
        if (option >= 0) l->c->options[option].set = true, l->c->options[option].line = at.line, l->c->options[option].column = at.column;
        return PT_OK;
    }
    const pt_foreign_key *f = pt_schema_foreign_find(name);
    if (f && f->refused && !pt_value_is_off(v)) return pt_place_fail(at, "%s is refused: %s", name, f->why);
    if (f && !f->refused && !pt_value_is_off(v)) pt_log(PT_LOG_INFO, "%s has no effect here: %s", name, f->why);
    if (f) return PT_OK;
    const char *near = pt_schema_nearest(name);
    if (near) return pt_place_fail(at, "unknown key %s; did you mean %s?", name, near);
    return pt_place_fail(at, "unknown key %s; `ptrain help` lists the keys", name);
}

static pt_status set_defaults(pt_config *c)
{
    pt_status rc = PT_OK;
    size_t n;
    const pt_key *k = pt_schema(&n);
    pt_place at = {"default", 0, 0};
    for (size_t i = 0; i < n; i++) {
        if (!k[i].fallback) continue;
        pt_ynode v = {.kind = PT_YSCALAR, .text = (char *)k[i].fallback};
        PT_TRY(assign(c, &k[i], at.file, at, &v));
    }
    c->model.init = (pt_init_config){.rope_theta = 10000, .rms_norm_eps = 1e-5, .initializer_range = 0.02, .max_position_embeddings = 2048};
done:
    return rc;
}

static void free_list(char **list, size_t n)
{
    for (size_t i = 0; i < n; i++) free(list[i]);
    free(list);
}

/* What rows without a type are follows from what they are for. */
static pt_status default_types(const pt_config *c, pt_dataset_spec *d, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!d[i].type) PT_RETURN(pt_strdup(&d[i].type, c->objective->data));
    return PT_OK;
}

static pt_status check(pt_config *c, const char *file, bool adapter_said)
{
    pt_place at = {file, 0, 0};
    PT_RETURN(pt_config_check_options(c, file));
    if (c->run.max_steps < 0) c->run.max_steps = 0; /* Hugging Face's "not given" */
    if (c->model.init.random && c->model.base_model) return pt_place_fail(at, "init: random and base_model exclude each other");
    if (c->model.init.random && !c->model.init.family) return pt_place_fail(at, "init: random needs model_config with a family and sizes");
    if (!c->model.init.random && c->model.init.family) return pt_place_fail(at, "model_config stands without init: random");
    if (c->model.reinit_weights && c->adapter.kind != PT_ADAPTER_NONE) return pt_place_fail(at, "reinit_weights: true needs adapter: none: an adapter without its base is worth nothing");
    if (c->optim.loraplus_lr_ratio > 0 && c->adapter.kind == PT_ADAPTER_NONE) return pt_place_fail(at, "loraplus_lr_ratio needs adapter: lora");
    if (c->adapter.kind == PT_ADAPTER_QLORA) c->model.quantised_wanted = true;
    if (!adapter_said && c->adapter.lora_model_dir) c->adapter.kind = PT_ADAPTER_LORA; /* LLaMA-Factory's adapter_name_or_path alone */
    if (c->adapter.kind == PT_ADAPTER_NONE && c->adapter.lora_model_dir) return pt_place_fail(at, "lora_model_dir needs adapter: lora");
    if (c->adapter.kind == PT_ADAPTER_NONE && c->adapter.lora_r_set)
        pt_log(PT_LOG_WARN, "lora_r has no effect without adapter: lora");
    if (c->adapter.kind == PT_ADAPTER_NONE && c->objective->channels & PT_CHANNEL_KL)
        return pt_place_fail(at, "objective: %s needs adapter: lora: it takes a divergence over the whole vocabulary, and full tuning has no reference model beside it", c->objective->name);
    if (c->adapter.n_lora_target_modules && c->adapter.lora_target_linear) PT_RETURN(pt_config_join_targets(c, at));
    if (c->adapter.n_lora_target_modules == 1 && (!strcmp(c->adapter.lora_target_modules[0], "all-linear") || !strcmp(c->adapter.lora_target_modules[0], "all"))) {
        free(c->adapter.lora_target_modules[0]);
        c->adapter.n_lora_target_modules = 0;
        c->adapter.lora_target_linear = true;
    }
    PT_RETURN(default_types(c, c->data.datasets, c->data.n_datasets));
    PT_RETURN(default_types(c, c->data.test_datasets, c->data.n_test_datasets));
    for (int test = 0; test < 2; test++) {
        pt_dataset_spec *d = test ? c->data.test_datasets : c->data.datasets;
        for (size_t i = 0; i < (test ? c->data.n_test_datasets : c->data.n_datasets); i++) {
            if (d[i].bad_rows < 0) d[i].bad_rows = c->data.bad_rows;
            PT_RETURN(pt_config_name_people(c, &d[i]));
            PT_RETURN(pt_config_check_dataset(c, file, &d[i], !test));
        }
    }
    return PT_OK;
}

/* The last place that says it. */
static pt_status find_dataset_dir(const pt_ynode *root, const char *file, const pt_setting *s, size_t n, char **out)
{
    const pt_ynode *v = root ? pt_yaml_get(root, "dataset_dir") : NULL;
    const char *text = v && v->kind == PT_YSCALAR && v->text[0] ? v->text : "data";
    pt_place at = {file, v ? v->line : 0, v ? v->column : 0};
    for (size_t i = 0; i < n; i++)
        if (!strcmp(s[i].key, "dataset_dir") && s[i].value[0]) text = s[i].value, at = (pt_place){"command line", 0, 0};
    pt_ynode said = {.kind = PT_YSCALAR, .text = (char *)text};
    return pt_value_path(at, "dataset_dir", &said, out);
}

static pt_status apply_map(loader *l, const pt_ynode *root, const char *file)
{
    if (root->kind != PT_YMAP) return pt_place_fail((pt_place){file, root->line, root->column}, "a config is a mapping of keys to values");
    for (size_t i = 0; i < root->n; i++) PT_RETURN(set_key(l, root->keys[i], (pt_place){file, root->key_line[i], root->key_column[i]}, root->items[i]));
    return PT_OK;
}

static pt_status apply_setting(loader *l, const pt_setting *s)
{
    pt_ynode *v = NULL;
    char where[96];
    snprintf(where, sizeof where, "command line, --%.60s", s->key);
    PT_RETURN(pt_yaml_parse(&v, s->value, strlen(s->value), where));
    if (v->kind == PT_YMAP && !v->n && !strchr(s->value, '{')) v->kind = PT_YSCALAR; /* an empty value is null */
    pt_status rc = PT_OK;
    if (v->kind == PT_YSCALAR && !v->text) rc = pt_strdup(&v->text, "");
    pt_place at = {"command line", 0, 0};
    if (rc == PT_OK) rc = set_key(l, s->key, at, v);
    pt_yaml_free(v);
    return rc;
}

pt_status pt_config_of_tree(pt_config **out, const pt_ynode *root, const char *path, const pt_setting *settings, size_t n_settings)
{
    pt_status rc = PT_OK;
    pt_str yaml = {0};
    loader *l = NULL;
    *out = NULL;
    PT_TRY(pt_alloc0(&l, 1));
    PT_TRY(pt_alloc0(&l->c, 1));
    PT_TRY(set_defaults(l->c));
    PT_TRY(find_dataset_dir(root, path ? path : "command line", settings, n_settings, &l->dataset_dir));
    if (root) {
        PT_TRY(apply_map(l, root, path));
        PT_TRY(pt_strdup(&l->c->source.config_path, path));
    }
    for (size_t i = 0; i < n_settings; i++) PT_TRY(apply_setting(l, &settings[i]));
    PT_TRY(check_denied(l));
    PT_TRY(check_one_of(l, "eval_steps", &l->c->run.eval_steps, "evals_per_epoch", &l->c->run.evals_per_epoch));
    PT_TRY(check_one_of(l, "save_steps", &l->c->run.save_steps, "saves_per_epoch", &l->c->run.saves_per_epoch));
    PT_TRY(check(l->c, path ? path : "command line", last_set(l, "adapter") != NULL));
    PT_TRY(pt_config_check_tokens(l->c, place_of(l, "log_token_metrics")));
    PT_TRY(pt_config_check_reference(l->c, place_of(l, "precompute_ref_log_probs"), place_of(l, "sync_ref_model")));
    PT_TRY(pt_config_check_best(l->c, place_of(l, "load_best_model_at_end"), place_of(l, "early_stopping_patience"), place_of(l, "early_stopping_threshold")));
    PT_TRY(pt_config_check_sampling(l->c, place_of(l, "samplers"), place_of(l, "sampling")));
    PT_TRY(pt_config_check_eval_sampling(l->c, place_of(l, "eval_sampling")));
    PT_TRY(check_saves(l));
    PT_TRY(pt_config_yaml(l->c, &yaml));
    l->c->source.yaml_text = yaml.text;
    yaml = (pt_str){0};
    PT_TRY(pt_config_settings(l->c));
    if (!l->c->data.cache_dir) PT_TRY(pt_path_join(&l->c->data.cache_dir, l->c->run.output_dir, "cache")); /* no key of the file: it follows output_dir */
    *out = l->c;
    l->c = NULL;
done:
    if (l) {
        for (int i = 0; i < l->n_seen; i++) {
            free(l->seen[i].value);
            free(l->seen[i].said);
        }
        pt_config_free(l->c);
        free(l->dataset_dir);
    }
    free(l);
    pt_str_free(&yaml);
    return rc;
}

void pt_config_free(pt_config *c)
{
    if (!c) return;
    size_t n;
    const pt_key *k = pt_schema(&n);
    for (size_t i = 0; i < n; i++) {
        void *f = field(c, k[i].offset);
        if (!strcmp(k[i].name, "init")) continue;
        if (k[i].kind == PT_KEY_STRING || k[i].kind == PT_KEY_PATH) free(*(char **)f);
        if (k[i].kind == PT_KEY_LIST || k[i].kind == PT_KEY_TOKENS) free_list(*(char ***)f, *(size_t *)field(c, k[i].offset_n));
        if (k[i].kind == PT_KEY_EVALUATIONS) pt_evaluations_free(c->eval.evaluations, c->eval.n_evaluations);
        if (k[i].kind == PT_KEY_MODELS) pt_models_free(c->eval.models, c->eval.n_models);
        if (k[i].kind == PT_KEY_DATASETS) pt_datasets_free(*(pt_dataset_spec **)f, *(size_t *)field(c, k[i].offset_n));
    }
    free_list(c->model.special_token_names, c->model.n_special_tokens);
    free(c->model.init.family);
    pt_config_settings_free(c);
    free(c->source.yaml_text);
    free(c->source.config_path);
    free(c);
}

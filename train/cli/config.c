#include "train/cli/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "train/cli/config_value.h"

enum { MAX_KEYS = 160, MAX_CONFIG_BYTES = 4 << 20 };

/* Which keys were set, where, and under what name: two aliases that disagree are an error. */
typedef struct seen {
    const pt_key *key;
    char name[64];
    pt_place at;
    char *value;
} seen;

typedef struct loader {
    pt_config *c;
    const char *file;
    seen seen[MAX_KEYS];
    int n_seen;
} loader;

static const char *const path_keys[3] = {"base_model", "tokenizer", "lora_model_dir"}; /* of path_line, path_column */

static void *field(pt_config *c, size_t offset)
{
    return (char *)c + offset;
}

static pt_status assign(pt_config *c, const pt_key *k, const char *file, pt_place at, const pt_ynode *v)
{
    void *f = field(c, k->offset);
    switch (k->kind) {
    case PT_KEY_STRING: return pt_value_string(at, k->name, v, f);
    case PT_KEY_INT: return pt_value_int(at, k->name, v, k->min, k->max, f);
    case PT_KEY_U64: return pt_value_u64(at, k->name, v, f);
    case PT_KEY_NUMBER: return pt_value_number(at, k->name, v, k->min, k->max, f);
    case PT_KEY_BOOL: return pt_value_bool(at, k->name, v, f);
    case PT_KEY_ENUM: return pt_value_enum(at, k->name, v, k->choices, f);
    case PT_KEY_LIST: return pt_value_list(at, k->name, v, f, field(c, k->offset_n));
    case PT_KEY_DATASETS: return pt_value_datasets(file, k->name, v, f, field(c, k->offset_n));
    case PT_KEY_MODEL: return pt_value_model(file, v, f);
    }
    return pt_fail(PT_EINTERNAL, "key %s has no kind", k->name);
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

/* Notes that key k was set; an alias set before to another value is an error. The command line (line 0) wins silently over the file. */
static pt_status note_set(loader *l, const pt_key *k, const char *name, pt_place at, const char *value, bool *skip)
{
    *skip = false;
    for (int i = 0; i < l->n_seen; i++) {
        seen *s = &l->seen[i];
        if (s->key != k || strcmp(s->at.file, at.file)) continue;
        if (strcmp(s->value, value))
            return pt_place_fail(at, "%s: %s disagrees with %s: %s on line %d; they mean the same, keep one", name, value, s->name, s->value, s->at.line);
        *skip = true;
        return PT_OK;
    }
    if (l->n_seen == MAX_KEYS) return pt_fail(PT_EARG, "more than %d settings", MAX_KEYS);
    seen *s = &l->seen[l->n_seen++];
    s->key = k;
    s->at = at;
    strncpy(s->name, name, sizeof s->name - 1);
    return pt_strdup(&s->value, value);
}

/* A key that stands for another key with another value: rl: dpo -> objective: dpo. */
typedef struct translation { const char *key, *value, *to_key, *to_value, *refusal; } translation;
static const translation translations[] = {
    {"rl", "dpo", "objective", "dpo", NULL}, {"rl", "", NULL, NULL, NULL},
    {"rl", "*", NULL, NULL, "of rl's kinds only dpo exists here"},
    {"reward_model", "true", "objective", "reward", NULL}, {"reward_model", "false", NULL, NULL, NULL},
    {"reward_model", "*", NULL, NULL, "reward_model takes true or false here; base_model names the model"},
    {"stage", "sft", "objective", "sft", NULL}, {"stage", "pt", "objective", "pretrain", NULL}, {"stage", "rm", "objective", "reward", NULL},
    {"stage", "dpo", "objective", "dpo", NULL}, {"stage", "*", NULL, NULL, "stages here are pt, sft, rm, dpo"},
    {"bf16", "true", "compute", "bf16", NULL}, {"bf16", "full", "compute", "bf16", NULL}, {"bf16", "false", "compute", "f32", NULL},
    {"bf16", "auto", "compute", "auto", NULL}, {"bfloat16", "true", "compute", "bf16", NULL}, {"bfloat16", "false", NULL, NULL, NULL},
    {"bf16", "*", NULL, NULL, "bf16 takes true, false or auto"}, {"bfloat16", "*", NULL, NULL, "bfloat16 takes true or false"},
    {"auto_resume_from_checkpoints", "true", "resume_from_checkpoint", "auto", NULL}, {"auto_resume_from_checkpoints", "false", NULL, NULL, NULL},
    {"auto_resume_from_checkpoints", "*", NULL, NULL, "auto_resume_from_checkpoints takes true or false"},
    {"train_on_eos", "turn", NULL, NULL, NULL}, {"train_on_eot", "turn", NULL, NULL, NULL},
    {"train_on_eos", "*", NULL, NULL, "the end token of every supervised turn is supervised (turn); nothing else exists here"},
    {"train_on_eot", "*", NULL, NULL, "the end token of every supervised turn is supervised (turn); nothing else exists here"},
    {"dpo_loss_type", "sigmoid", NULL, NULL, NULL}, {"loss_type", "sigmoid", NULL, NULL, NULL},
    {"dpo_loss_type", "*", NULL, NULL, "of DPO's losses only sigmoid exists here"}, {"loss_type", "*", NULL, NULL, "of DPO's losses only sigmoid exists here"},
    {"eval_strategy", "no", "eval_steps", "0", NULL}, {"eval_strategy", "steps", NULL, NULL, NULL}, {"eval_strategy", "epoch", "evals_per_epoch", "1", NULL},
    {"evaluation_strategy", "no", "eval_steps", "0", NULL}, {"evaluation_strategy", "steps", NULL, NULL, NULL},
    {"evaluation_strategy", "epoch", "evals_per_epoch", "1", NULL},
    {"save_strategy", "no", "save_steps", "0", NULL}, {"save_strategy", "steps", NULL, NULL, NULL}, {"save_strategy", "epoch", "saves_per_epoch", "1", NULL},
    {"eval_strategy", "*", NULL, NULL, "strategies are no, steps, epoch"}, {"evaluation_strategy", "*", NULL, NULL, "strategies are no, steps, epoch"},
    {"save_strategy", "*", NULL, NULL, "strategies are no, steps, epoch"},
};

static pt_status set_key(loader *l, const char *name, pt_place at, const pt_ynode *v);

/* *done: the key was one of the translated ones. */
static pt_status translate(loader *l, const char *name, pt_place at, const pt_ynode *v, bool *done)
{
    *done = false;
    for (size_t i = 0; i < sizeof translations / sizeof *translations; i++) {
        const translation *t = &translations[i];
        if (strcmp(t->key, name)) continue;
        if (!*done && pt_yaml_is_null(v)) return *done = true, PT_OK;
        *done = true;
        if (strcmp(t->value, "*") && (v->kind != PT_YSCALAR || strcasecmp(t->value, v->text))) continue;
        if (t->refusal) return pt_place_fail(at, "%s: %s: %s", name, node_text(v), t->refusal);
        if (!t->to_key) return PT_OK;
        pt_ynode to = {.kind = PT_YSCALAR, .text = (char *)t->to_value, .line = v->line, .column = v->column};
        return set_key(l, t->to_key, at, &to);
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
        free(l->c->optimizer);
        return pt_strdup(&l->c->optimizer, "adamw");
    }
    return pt_place_fail(at, "optimizer '%s' does not exist here; adamw does (adamw_torch, adamw_torch_fused, adamw_8bit and kin mean it too)", node_text(v));
}

/* Keys that need more than the table: true when `name` was one. */
static pt_status special(loader *l, const char *name, pt_place at, const pt_ynode *v, bool *done)
{
    pt_config *c = l->c;
    bool yes = false;
    *done = true;
    if (!strcmp(name, "init")) {
        if (v->kind != PT_YSCALAR || strcmp(v->text, "random")) return pt_place_fail(at, "init takes random (or leave it out and give base_model)");
        c->init.random = true;
    } else if (!strcmp(name, "optimizer") || !strcmp(name, "optim")) {
        return set_optimizer(l, at, v);
    } else if (!strcmp(name, "load_in_4bit")) {
        PT_RETURN(pt_value_bool(at, name, v, &yes));
        c->quantised_wanted = c->quantised_wanted || yes;
    } else if (!strcmp(name, "evals_per_epoch")) {
        return pt_value_int(at, name, v, 0, 1 << 20, &c->evals_per_epoch);
    } else if (!strcmp(name, "saves_per_epoch")) {
        return pt_value_int(at, name, v, 0, 1 << 20, &c->saves_per_epoch);
    } else if (!strcmp(name, "dataset_prepared_path")) {
        return pt_value_string(at, name, v, &c->cache_dir);
    } else if (!strcmp(name, "special_tokens")) {
        if (v->kind != PT_YMAP) return pt_place_fail(at, "special_tokens takes a mapping");
        for (size_t i = 0; i < v->n; i++) {
            if (pt_yaml_is_null(v->items[i])) continue;
            char **grown = realloc(c->special_tokens, (c->n_special_tokens + 1) * sizeof *grown);
            if (!grown) return pt_fail(PT_ENOMEM, "out of memory");
            c->special_tokens = grown;
            grown[c->n_special_tokens] = NULL;
            PT_RETURN(pt_value_string(at, name, v->items[i], &grown[c->n_special_tokens]));
            c->n_special_tokens++;
        }
    } else {
        *done = false;
    }
    return PT_OK;
}

static pt_status set_key(loader *l, const char *name, pt_place at, const pt_ynode *v)
{
    bool done = false;
    PT_RETURN(translate(l, name, at, v, &done));
    if (done) return PT_OK;
    if (!pt_yaml_is_null(v)) PT_RETURN(special(l, name, at, v, &done));
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
        if (adapter_empty) return l->c->adapter = PT_ADAPTER_NONE, PT_OK;
        for (int i = 0; i < 3; i++)
            if (!strcmp(k->name, path_keys[i])) l->c->path_line[i] = at.line, l->c->path_column[i] = at.column;
        if (!strcmp(k->name, "lora_r")) l->c->lora_r_set = true;
        if (!strcmp(k->name, "lora_alpha")) l->c->lora_alpha_set = true;
        return assign(l->c, k, at.file, at, v);
    }
    static const char *const specials[] = {"init", "optim", "load_in_4bit", "evals_per_epoch", "saves_per_epoch", "dataset_prepared_path", "special_tokens"};
    for (size_t i = 0; i < sizeof specials / sizeof *specials; i++)
        if (!strcmp(name, specials[i])) return PT_OK; /* null */
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
    c->init = (pt_init_config){.rope_theta = 10000, .rms_norm_eps = 1e-5, .initializer_range = 0.02, .max_position_embeddings = 2048};
done:
    return rc;
}

/* Rules between keys. */
static pt_status check(pt_config *c, const char *file)
{
    pt_place at = {file, 0, 0};
    bool pairs = c->objective == PT_OBJ_DPO || c->objective == PT_OBJ_REWARD;
    if (c->max_steps < 0) c->max_steps = 0; /* Hugging Face's "not given" */
    if (c->init.random && c->base_model) return pt_place_fail(at, "init: random and base_model exclude each other");
    if (c->init.random && !c->init.family) return pt_place_fail(at, "init: random needs model_config with a family and sizes");
    if (!c->init.random && c->init.family) return pt_place_fail(at, "model_config stands without init: random");
    if (c->adapter == PT_ADAPTER_QLORA) c->quantised_wanted = true;
    if (c->adapter == PT_ADAPTER_NONE && c->lora_model_dir) return pt_place_fail(at, "lora_model_dir needs adapter: lora");
    if (c->adapter == PT_ADAPTER_NONE && c->lora_r_set)
        pt_log(PT_LOG_WARN, "lora_r has no effect without adapter: lora");
    if (c->n_lora_target_modules && c->lora_target_linear) return pt_place_fail(at, "lora_target_modules and lora_target_linear: true exclude each other");
    if (c->n_lora_target_modules == 1 && (!strcmp(c->lora_target_modules[0], "all-linear") || !strcmp(c->lora_target_modules[0], "all"))) {
        free(c->lora_target_modules[0]);
        c->n_lora_target_modules = 0;
        c->lora_target_linear = true;
    }
    for (size_t i = 0; i < c->n_datasets; i++) {
        const char *t = c->datasets[i].type;
        bool is_pair = !strcmp(t, "preference") || !strcmp(t, "mindset");
        if (is_pair && !pairs)
            return pt_place_fail((pt_place){file, c->datasets[i].line, c->datasets[i].column}, "type %s holds pairs; they need objective: dpo or reward", t);
        if (pairs && !is_pair && strcmp(t, "tokens") && t[0])
            return pt_place_fail((pt_place){file, c->datasets[i].line, c->datasets[i].column},
                                 "objective %s needs pairs (type preference, mindset or tokens), not type %s", c->objective == PT_OBJ_DPO ? "dpo" : "reward", t);
    }
    if (c->cache_dir) return PT_OK;
    return pt_path_join(&c->cache_dir, c->output_dir, "cache");
}

static pt_status check_path(const pt_config *c, int line, int column, const char *key, const char *path)
{
    if (!path || pt_file_exists(path) || pt_dir_exists(path) || access(path, F_OK) == 0) return PT_OK;
    if (strpbrk(path, "*?[")) return PT_OK; /* the reader says what to do instead of patterns */
    return pt_place_fail((pt_place){line > 0 && c->config_path ? c->config_path : "command line", line, column}, "%s: %s: no such file or folder", key, path);
}

static pt_status check_sets(const pt_config *c, const char *key, const pt_dataset_spec *d, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        PT_RETURN(check_path(c, d[i].line, d[i].column, key, d[i].path));
        PT_RETURN(check_path(c, d[i].line, d[i].column, "profiles", d[i].profiles));
    }
    return PT_OK;
}

pt_status pt_config_check_files(const pt_config *c)
{
    const char *const paths[3] = {c->base_model, c->tokenizer, c->lora_model_dir};
    for (int i = 0; i < 3; i++) PT_RETURN(check_path(c, c->path_line[i], c->path_column[i], path_keys[i], paths[i]));
    PT_RETURN(check_sets(c, "datasets", c->datasets, c->n_datasets));
    return check_sets(c, "test_datasets", c->test_datasets, c->n_test_datasets);
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

pt_status pt_config_load(pt_config **out, const char *path, const pt_setting *settings, size_t n_settings)
{
    pt_status rc = PT_OK;
    char *text = NULL;
    pt_ynode *root = NULL;
    loader *l = NULL;
    *out = NULL;
    PT_TRY(pt_alloc0(&l, 1));
    PT_TRY(pt_alloc0(&l->c, 1));
    PT_TRY(set_defaults(l->c));
    if (path) {
        size_t bytes;
        PT_CHECK(pt_file_read(&text, &bytes, path, MAX_CONFIG_BYTES) == PT_OK, PT_EARG, "%s", pt_err_msg());
        PT_TRY(pt_yaml_parse(&root, text, bytes, path));
        PT_TRY(apply_map(l, root, path));
        PT_TRY(pt_strdup(&l->c->config_path, path));
    }
    for (size_t i = 0; i < n_settings; i++) PT_TRY(apply_setting(l, &settings[i]));
    PT_TRY(check(l->c, path ? path : "command line"));
    pt_str yaml = {0};
    PT_TRY(pt_config_yaml(l->c, &yaml));
    l->c->yaml_text = yaml.text;
    *out = l->c;
    l->c = NULL;
done:
    if (l) {
        for (int i = 0; i < l->n_seen; i++) free(l->seen[i].value);
        pt_config_free(l->c);
    }
    free(l);
    pt_yaml_free(root);
    free(text);
    return rc;
}

static void free_list(char **list, size_t n)
{
    for (size_t i = 0; i < n; i++) free(list[i]);
    free(list);
}

void pt_config_free(pt_config *c)
{
    if (!c) return;
    size_t n;
    const pt_key *k = pt_schema(&n);
    for (size_t i = 0; i < n; i++) {
        void *f = field(c, k[i].offset);
        if (!strcmp(k[i].name, "init")) continue;
        if (k[i].kind == PT_KEY_STRING) free(*(char **)f);
        if (k[i].kind == PT_KEY_LIST) free_list(*(char ***)f, *(size_t *)field(c, k[i].offset_n));
        if (k[i].kind == PT_KEY_DATASETS) pt_datasets_free(*(pt_dataset_spec **)f, *(size_t *)field(c, k[i].offset_n));
    }
    free_list(c->special_tokens, c->n_special_tokens);
    free(c->init.family);
    free(c->yaml_text);
    free(c->cache_dir);
    free(c->config_path);
    free(c);
}

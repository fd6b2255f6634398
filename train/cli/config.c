#include "train/cli/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "data/record.h"
#include "train/cli/config_value.h"

enum { MAX_KEYS = 160, MAX_CONFIG_BYTES = 4 << 20 };

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
    case PT_KEY_NUMBER: return pt_value_worded(at, k, v, f);
    case PT_KEY_STEPS: return pt_value_steps(at, k->name, v, k->min, k->max, f);
    case PT_KEY_BOOL: return pt_value_bool(at, k->name, v, f);
    case PT_KEY_ENUM: return pt_value_enum(at, k->name, v, k->choices, f);
    case PT_KEY_LIST: return pt_value_list(at, k->name, v, f, field(c, k->offset_n));
    case PT_KEY_DATASETS: return pt_value_datasets(file, k->name, v, f, field(c, k->offset_n));
    case PT_KEY_MODEL: return pt_value_model(file, v, f);
    case PT_KEY_TOKENS: return pt_value_tokens(at, k->name, v, &c->special_token_names, f, field(c, k->offset_n));
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
    *done = false;
    for (size_t i = 0; i < n; i++) {
        if (strcmp(t[i].key, name)) continue;
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
        free(l->c->optimizer);
        return pt_strdup(&l->c->optimizer, "adamw");
    }
    return pt_place_fail(at, "optimizer '%s' does not exist here; adamw does (adamw_torch, adamw_torch_fused, adamw_8bit and kin mean it too)", node_text(v));
}

/* Keys that need more than the table: true when `name` was one. */
static pt_status special(loader *l, const char *name, pt_place at, const pt_ynode *v, bool *done)
{
    *done = true;
    if (!strcmp(name, "init")) {
        if (v->kind != PT_YSCALAR || strcmp(v->text, "random")) return pt_place_fail(at, "init takes random (or leave it out and give base_model)");
        l->c->init.random = true;
    } else if (!strcmp(name, "optimizer") || !strcmp(name, "optim")) {
        return set_optimizer(l, at, v);
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
        bool on;
        if (k->kind == PT_KEY_STRING && pt_value_is_plain_bool(v, &on)) { /* what has no "on" can be off */
            if (on) return pt_place_fail(at, "%s takes text, not '%s'", name, v->text);
            free(*(char **)field(l->c, k->offset));
            *(char **)field(l->c, k->offset) = NULL;
            return k->fallback ? pt_strdup(field(l->c, k->offset), k->fallback) : PT_OK;
        }
        if (adapter_empty) return l->c->adapter = PT_ADAPTER_NONE, PT_OK;
        for (int i = 0; i < 3; i++)
            if (!strcmp(k->name, path_keys[i])) l->c->path_line[i] = at.line, l->c->path_column[i] = at.column;
        if (!strcmp(k->name, "lora_r")) l->c->lora_r_set = true;
        if (!strcmp(k->name, "lora_alpha")) l->c->lora_alpha_set = true;
        if (!strcmp(k->name, "lora_target_modules")) return pt_value_targets(at, k->name, v, &l->c->lora_target_modules, &l->c->n_lora_target_modules);
        return assign(l->c, k, at.file, at, v);
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
    c->init = (pt_init_config){.rope_theta = 10000, .rms_norm_eps = 1e-5, .initializer_range = 0.02, .max_position_embeddings = 2048};
done:
    return rc;
}

/* Rules between keys. */
static pt_status check_type(const pt_config *c, const char *file, const pt_dataset_spec *d, bool pairs)
{
    if (pt_reader_gives(d->type, pairs)) return PT_OK;
    pt_place at = {file, d->line, d->column};
    if (!pairs) return pt_place_fail(at, "type %s holds pairs; they need objective: dpo or reward", d->type);
    return pt_place_fail(at, "objective %s needs pairs (type preference, mindset or tokens, or chosen and rejected in messages, sharegpt or alpaca), not "
                             "type %s", c->objective == PT_OBJ_DPO ? "dpo" : "reward", d->type);
}

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
    for (int test = 0; test < 2; test++) {
        pt_dataset_spec *d = test ? c->test_datasets : c->datasets;
        for (size_t i = 0; i < (test ? c->n_test_datasets : c->n_datasets); i++) {
            if (d[i].bad_rows < 0) d[i].bad_rows = c->bad_rows;
            if (!test) PT_RETURN(check_type(c, file, &d[i], pairs));
        }
    }
    return PT_OK;
}

static pt_status check_path(const pt_config *c, int line, int column, const char *key, const char *path)
{
    if (!path || pt_file_exists(path) || pt_dir_exists(path) || access(path, F_OK) == 0) return PT_OK;
    if (strpbrk(path, "*?[")) return PT_OK; /* the reader says what to do instead of patterns */
    pt_place_fail((pt_place){line > 0 && c->config_path ? c->config_path : "command line", line, column}, "%s: %s: no such file or folder", key, path);
    return PT_EIO; /* the config is right, the machine lacks something */
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
    pt_str yaml = {0};
    loader *l = NULL;
    *out = NULL;
    PT_TRY(pt_alloc0(&l, 1));
    PT_TRY(pt_alloc0(&l->c, 1));
    PT_TRY(set_defaults(l->c));
    if (path) {
        size_t bytes;
        PT_CHECK(access(path, F_OK) == 0, PT_EARG, "%s: no such config file", path);
        PT_TRY(pt_file_read(&text, &bytes, path, MAX_CONFIG_BYTES));
        PT_TRY(pt_yaml_parse(&root, text, bytes, path));
        PT_TRY(apply_map(l, root, path));
        PT_TRY(pt_strdup(&l->c->config_path, path));
    }
    for (size_t i = 0; i < n_settings; i++) PT_TRY(apply_setting(l, &settings[i]));
    PT_TRY(check_denied(l));
    PT_TRY(check_one_of(l, "eval_steps", &l->c->eval_steps, "evals_per_epoch", &l->c->evals_per_epoch));
    PT_TRY(check_one_of(l, "save_steps", &l->c->save_steps, "saves_per_epoch", &l->c->saves_per_epoch));
    PT_TRY(check(l->c, path ? path : "command line"));
    PT_TRY(pt_config_yaml(l->c, &yaml));
    l->c->yaml_text = yaml.text;
    yaml = (pt_str){0};
    if (!l->c->cache_dir) PT_TRY(pt_path_join(&l->c->cache_dir, l->c->output_dir, "cache")); /* no key of the file: it follows output_dir */
    *out = l->c;
    l->c = NULL;
done:
    if (l) {
        for (int i = 0; i < l->n_seen; i++) {
            free(l->seen[i].value);
            free(l->seen[i].said);
        }
        pt_config_free(l->c);
    }
    free(l);
    pt_str_free(&yaml);
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
        if (k[i].kind == PT_KEY_LIST || k[i].kind == PT_KEY_TOKENS) free_list(*(char ***)f, *(size_t *)field(c, k[i].offset_n));
        if (k[i].kind == PT_KEY_DATASETS) pt_datasets_free(*(pt_dataset_spec **)f, *(size_t *)field(c, k[i].offset_n));
    }
    free_list(c->special_token_names, c->n_special_tokens);
    free(c->init.family);
    free(c->yaml_text);
    free(c->config_path);
    free(c);
}

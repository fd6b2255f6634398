#include "train/cli/stages.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "eval/task/task.h"
#include "train/cli/config_value.h"

enum { MAX_CONFIG_BYTES = 4 << 20 };

/* Keys of which one counts, or which say how a run begins: who says one of a row has said what the row is about. */
enum { BEGINNING = 4 };
static const char *const rows[][4] = {{"num_epochs", "max_steps"},
                                      {"warmup_steps", "warmup_ratio"},
                                      {"save_steps", "saves_per_epoch"},
                                      {"eval_steps", "evals_per_epoch"},
                                      [BEGINNING] = {"base_model", "init", "model_config", "reinit_weights"}};
/* What an adapter that a stage goes on with brings. */
static const char *const adapters[] = {"lora_r", "lora_alpha", "lora_target_modules", "lora_target_linear", "peft_use_rslora", "peft_config"};
static const char *const starts[] = {"base_model", "init", "lora_model_dir"};

/* The key that a key means: other names, and other trainers' keys where all their values are of one key of ours. */
static const char *meaning(const char *name)
{
    size_t n;
    const pt_key *k = pt_schema_find(name);
    if (k) return k->name;
    const pt_translation *t = pt_schema_translations(&n);
    for (size_t i = 0; i < n; i++)
        if (!strcmp(t[i].key, name) && t[i].to_key) return t[i].to_key;
    return name;
}

static bool in_row(size_t r, const char *name)
{
    for (int i = 0; i < 4 && rows[r][i]; i++)
        if (!strcmp(rows[r][i], name)) return true;
    return false;
}

/* The base of an adapter stage is the one that its adapter was trained on. */
static const char *base_of(const pt_stages *s, int i)
{
    while (i >= 0 && !s->of[i].full) i = s->of[i].from;
    return i >= 0 ? s->of[i].folder : NULL;
}

static bool replaces(const char *own, const char *common)
{
    const char *a = meaning(own), *b = meaning(common);
    if (!strcmp(a, b)) return true;
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++)
        if (in_row(r, a) && in_row(r, b)) return r != BEGINNING || !strcmp(a, "base_model") || !strcmp(a, "init");
    return false;
}

/* What a stage that begins with an earlier one's result does not take from the file or the command line. */
static bool gives_way(const pt_stages *s, int from, const char *name)
{
    const char *key = meaning(name);
    if (from < 0) return false;
    for (size_t i = 0; i < sizeof adapters / sizeof *adapters && !s->of[from].full; i++)
        if (!strcmp(key, adapters[i])) return true;
    return !strcmp(key, "lora_model_dir") || (base_of(s, from) && in_row(BEGINNING, key));
}

static bool of_stages(const char *key)
{
    return !strcmp(key, "name") || !strcmp(key, "from") || !strcmp(key, "evaluate");
}

/* ---- reading the list ------------------------------------------------------------------------------------------------- */

static pt_place place(const pt_stages *s, const pt_ynode *map, size_t i)
{
    return (pt_place){s->path, map->key_line[i], map->key_column[i]};
}

static pt_place value_place(const pt_stages *s, const pt_ynode *v)
{
    return (pt_place){s->path, v->line, v->column};
}

/* A folder beside what a run writes. */
static pt_status check_name(const pt_stages *s, pt_place at, const char *name)
{
    static const char *const taken[] = {"runs", "cache", "base", "previous"};
    bool plain = name[0] && name[0] != '.' && strlen(name) < PT_STAGE_NAME;
    for (const char *p = name; *p; p++) plain &= isalnum((unsigned char)*p) || strchr("_-.", *p);
    if (!plain) return pt_place_fail(at, "name: '%.80s': a stage's name is its folder: letters, digits, _ - . (at most %d)", name, PT_STAGE_NAME - 1);
    bool own = !strncmp(name, "checkpoint-", 11);
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++) own |= !strcmp(name, taken[i]);
    if (own) return pt_place_fail(at, "name: %s means something else in a run's folder: choose another", name);
    if (pt_stages_find(s, name) >= 0) return pt_place_fail(at, "name: %s is the name of an earlier stage too", name);
    return PT_OK;
}

static pt_status read_name(pt_stages *s, pt_stage *g)
{
    const pt_ynode *v = pt_yaml_get(g->own, "name");
    char number[16];
    snprintf(number, sizeof number, "%d", s->n + 1);
    if (v && v->kind != PT_YSCALAR) return pt_place_fail(value_place(s, v), "name takes text");
    const char *name = v && !pt_yaml_is_null(v) ? v->text : number;
    PT_RETURN(check_name(s, v ? value_place(s, v) : (pt_place){s->path, g->line, g->column}, name));
    memcpy(g->name, name, strlen(name) + 1);
    return PT_OK;
}

/* The place of the first key of the stage's own that says where it begins; false when none does. */
static bool says_start(const pt_stages *s, const pt_stage *g, pt_place *at, const char **key)
{
    for (size_t i = 0; i < g->own->n; i++)
        for (size_t k = 0; k < sizeof starts / sizeof *starts; k++)
            if (!strcmp(meaning(g->own->keys[i]), starts[k]) && !pt_yaml_is_null(g->own->items[i])) {
                *at = place(s, g->own, i);
                *key = g->own->keys[i];
                return true;
            }
    return false;
}

/* Whose result is there when stage i is done: an evaluation leaves what it began with. */
static int left_by(const pt_stages *s, int i)
{
    while (i >= 0 && s->of[i].evaluates) i = s->of[i].from;
    return i;
}

static pt_status read_from(const pt_stages *s, pt_stage *g)
{
    const pt_ynode *v = pt_yaml_get(g->own, "from");
    const char *key = "";
    pt_place at = {0};
    bool own = says_start(s, g, &at, &key), said = v && !pt_yaml_is_null(v);
    g->from = own || s->n == 0 ? PT_STAGE_FROM_FILE : left_by(s, s->n - 1);
    if (!said) return PT_OK;
    if (v->kind != PT_YSCALAR) return pt_place_fail(value_place(s, v), "from takes previous, base or the name of an earlier stage");
    const bool base = !strcmp(v->text, "base");
    int named = strcmp(v->text, "previous") || s->n == 0 ? pt_stages_find(s, v->text) : s->n - 1;
    g->from = base ? PT_STAGE_FROM_FILE : left_by(s, named);
    if (named < 0 && !base)
        return pt_place_fail(value_place(s, v), "from: %.80s is no earlier stage; previous, base or the name of one", v->text);
    if (own && g->from >= 0) return pt_place_fail(value_place(s, v), "from: %s and %s on line %d both say where the stage begins; keep one", v->text, key, at.line);
    return PT_OK;
}

/* What an evaluation stage may say. */
static pt_status check_evaluate(const pt_stages *s, const pt_stage *g)
{
    static const char *const may[] = {"name", "from", "evaluate", "models", NULL};
    const pt_ynode *list = pt_yaml_get(g->own, "evaluate");
    if (list->kind != PT_YSEQ || !list->n) return pt_place_fail(value_place(s, list), "evaluate takes a list of evaluations: [{task: NAME, path: FILE, ...}]");
    for (size_t i = 0; i < g->own->n; i++) {
        int k = 0;
        while (may[k] && strcmp(may[k], g->own->keys[i])) k++;
        if (!may[k]) return pt_place_fail(place(s, g->own, i), "%s: a stage with evaluate trains nothing: its keys are name, from, evaluate, models", g->own->keys[i]);
    }
    return PT_OK;
}

/* Keys that cannot be a stage's. */
static pt_status check_keys(const pt_stages *s, const pt_stage *g)
{
    for (size_t i = 0; i < g->own->n; i++) {
        const char *key = g->own->keys[i], *is = meaning(key);
        if (!strcmp(key, "stages")) return pt_place_fail(place(s, g->own, i), "stages stand in no stage");
        if (!strcmp(is, "output_dir")) return pt_place_fail(place(s, g->own, i), "%s is the whole file's: a stage's folder is output_dir/NAME (the last stage's is output_dir)", key);
        if (!strcmp(is, "resume_from_checkpoint")) return pt_place_fail(place(s, g->own, i), "%s is the whole file's: auto goes on at the stage that was under way", key);
    }
    return PT_OK;
}

/* The list under its own key, in place of the common evaluations. */
static pt_status take_evaluate(pt_stage *g)
{
    pt_ynode *list;
    PT_RETURN(pt_yaml_put(g->tree, "evaluations", "")); /* the last entry */
    PT_RETURN(pt_yaml_copy(&list, pt_yaml_get(g->own, "evaluate")));
    pt_yaml_free(g->tree->items[g->tree->n - 1]);
    g->tree->items[g->tree->n - 1] = list;
    return PT_OK;
}

/* Common keys that the stage does not replace, then its own. */
static pt_status make_tree(const pt_stages *s, pt_stage *g)
{
    PT_RETURN(pt_yaml_copy(&g->tree, s->root));
    pt_yaml_drop(g->tree, "stages");
    for (size_t i = 0; i < g->own->n; i++) {
        if (of_stages(g->own->keys[i])) continue;
        for (size_t k = g->tree->n; k-- > 0;)
            if (replaces(g->own->keys[i], g->tree->keys[k]) && !pt_yaml_get(g->own, g->tree->keys[k])) pt_yaml_drop(g->tree, g->tree->keys[k]);
        PT_RETURN(pt_yaml_take(g->tree, g->own, i));
    }
    return g->evaluates ? take_evaluate(g) : PT_OK;
}

static pt_status read_stage(pt_stages *s, const pt_ynode *own)
{
    if (own->kind != PT_YMAP) return pt_place_fail(value_place(s, own), "a stage is a mapping of keys: {name: TEXT, objective: ..., datasets: ...}");
    if (s->n == PT_STAGES_MOST) return pt_place_fail(value_place(s, own), "more than %d stages", PT_STAGES_MOST);
    pt_stage *g = &s->of[s->n];
    *g = (pt_stage){.own = own, .line = own->line, .column = own->column, .evaluates = pt_yaml_get(own, "evaluate") != NULL};
    PT_RETURN(read_name(s, g));
    PT_RETURN(read_from(s, g));
    PT_RETURN(check_keys(s, g));
    if (g->evaluates) PT_RETURN(check_evaluate(s, g));
    s->n++; /* whose tree is to be freed */
    return make_tree(s, g);
}

static pt_status read_stages(pt_stages *s)
{
    const pt_ynode *list = pt_yaml_get(s->root, "stages");
    if (!list || pt_yaml_is_null(list)) return PT_OK;
    if (list->kind != PT_YSEQ || !list->n) return pt_place_fail(value_place(s, list), "stages takes a list of mappings, one a stage");
    for (size_t i = 0; i < list->n; i++) PT_RETURN(read_stage(s, list->items[i]));
    const pt_stage *last = &s->of[s->n - 1];
    if (last->evaluates)
        return pt_place_fail((pt_place){s->path, last->line, last->column}, "stage %s evaluates, and the last stage trains: what is left is measured by evaluations and ptrain eval", last->name);
    return PT_OK;
}

static pt_status read_file(const char *path, pt_ynode **root)
{
    char *text = NULL;
    size_t bytes;
    if (access(path, F_OK)) return pt_fail(PT_EARG, "%s: no such config file", path);
    PT_RETURN(pt_text_read(&text, &bytes, path, MAX_CONFIG_BYTES));
    pt_status rc = pt_yaml_parse(root, text, bytes, path);
    free(text);
    return rc;
}

int pt_stages_find(const pt_stages *s, const char *name)
{
    for (int i = 0; i < s->n; i++)
        if (!strcmp(s->of[i].name, name)) return i;
    return -1;
}

/* ---- configs ---------------------------------------------------------------------------------------------------------- */

/* Stage i with so much of the command line as holds for it. */
static pt_status load_tree(const pt_stages *s, int i, const pt_ynode *tree, bool chained, bool placed, pt_config **out)
{
    pt_setting *some;
    size_t n = 0;
    PT_RETURN(pt_alloc0(&some, s->n_settings + 1));
    for (size_t k = 0; k < s->n_settings; k++) {
        const char *key = s->settings[k].key, *is = meaning(key);
        if (placed && (!strcmp(is, "output_dir") || !strcmp(is, "resume_from_checkpoint"))) continue;
        if (chained && gives_way(s, s->of[i].from, key)) continue;
        some[n++] = s->settings[k];
    }
    pt_status rc = pt_config_of_tree(out, tree, s->path, some, n);
    free(some);
    return rc;
}

static pt_status chain(const pt_stages *s, int from, pt_ynode *tree)
{
    const char *base = base_of(s, from);
    for (size_t k = tree->n; k-- > 0;)
        if (gives_way(s, from, tree->keys[k])) pt_yaml_drop(tree, tree->keys[k]);
    if (base) PT_RETURN(pt_yaml_put(tree, "base_model", base));
    return s->of[from].full ? PT_OK : pt_yaml_put(tree, "lora_model_dir", s->of[from].folder);
}

static void drop_meaning(pt_ynode *tree, const char *key)
{
    for (size_t k = tree->n; k-- > 0;)
        if (!strcmp(meaning(tree->keys[k]), key)) pt_yaml_drop(tree, tree->keys[k]);
}

pt_status pt_stages_config(const pt_stages *s, int i, bool chained, bool resume, pt_config **out)
{
    const pt_stage *g = &s->of[i];
    pt_ynode *tree = NULL;
    pt_status rc = PT_OK;
    chained = chained && g->from >= 0;
    PT_TRY(pt_yaml_copy(&tree, g->tree));
    if (chained) PT_TRY(chain(s, g->from, tree));
    drop_meaning(tree, "output_dir");
    drop_meaning(tree, "resume_from_checkpoint");
    PT_TRY(pt_yaml_put(tree, "output_dir", g->folder));
    if (resume) PT_TRY(pt_yaml_put(tree, "resume_from_checkpoint", "auto"));
    PT_TRY(load_tree(s, i, tree, chained, true, out));
done:
    pt_yaml_free(tree);
    return rc;
}

/* An adapter's own numbers rule; a base is not tuned whole with an adapter on it. */
static pt_status check_chain(const pt_stages *s, int i)
{
    const pt_stage *g = &s->of[i];
    if (g->from < 0 || s->of[g->from].full || g->evaluates) return PT_OK;
    const char *before = s->of[g->from].name;
    if (g->full)
        return pt_place_fail((pt_place){s->path, g->line, g->column}, "stage %s tunes every weight, and what stage %s leaves is an adapter: say adapter: lora, or from: base",
                             g->name, before);
    for (size_t k = 0; k < g->own->n; k++)
        if (gives_way(s, g->from, g->own->keys[k]))
            return pt_place_fail(place(s, g->own, k), "%s: stage %s goes on with the adapter of stage %s, whose numbers rule: leave it out, or say from: base", g->own->keys[k],
                                 g->name, before);
    return PT_OK;
}

/* Where everything goes, as the last stage's config says it. */
static pt_status find_output(pt_stages *s)
{
    pt_config *c = NULL;
    PT_RETURN(load_tree(s, s->n - 1, s->of[s->n - 1].tree, false, false, &c));
    const char *resume = c->run.resume_from_checkpoint;
    s->resume = resume != NULL;
    pt_status rc = resume && strcmp(resume, "auto")
                       ? pt_fail(PT_EARG, "resume_from_checkpoint: %s: a file with stages goes on by auto: it finds the stage that was under way", resume)
                       : pt_strdup(&s->output_dir, c->run.output_dir);
    pt_config_free(c);
    return rc;
}

/* Texts that begin with {output_dir}/, in the whole tree. */
static pt_status place_output(pt_ynode *n, const char *dir)
{
    static const char word[] = "{output_dir}/";
    char *path;
    for (size_t i = 0; i < n->n; i++) PT_RETURN(place_output(n->items[i], dir));
    if (n->kind != PT_YSCALAR || strncmp(n->text, word, sizeof word - 1)) return PT_OK;
    PT_RETURN(pt_path_join(&path, dir, n->text + sizeof word - 1));
    free(n->text);
    n->text = path;
    return PT_OK;
}

/* What its tasks write. */
static pt_status list_writes(pt_stage *g, const pt_config *c)
{
    size_t cap = 0;
    for (size_t i = 0; g->evaluates && i < c->eval.n_evaluations; i++) {
        const pt_task_spec *x = &c->eval.evaluations[i];
        for (size_t k = 0; k < x->n_options; k++) {
            const pt_task_key *key = pt_task_key_of(pt_task_find(x->task), x->options[k].name);
            if (!key || !key->written) continue;
            PT_RETURN(pt_reserve(&g->writes, &cap, g->n_writes + 1));
            PT_RETURN(pt_strdup(&g->writes[g->n_writes], x->options[k].value));
            g->n_writes++;
        }
    }
    return PT_OK;
}

static pt_status check_stage(pt_stages *s, int i)
{
    pt_status rc = PT_OK;
    pt_config *c = NULL;
    pt_stage *g = &s->of[i];
    PT_TRY(i + 1 < s->n ? pt_path_join(&g->folder, s->output_dir, g->name) : pt_strdup(&g->folder, s->output_dir));
    PT_TRY(place_output(g->tree, s->output_dir));
    PT_TRY(pt_stages_config(s, i, false, false, &c));
    g->full = c->adapter.kind == PT_ADAPTER_NONE;
    PT_TRY(list_writes(g, c));
    PT_TRY(check_chain(s, i));
done:
    pt_config_free(c);
    return rc;
}

pt_status pt_stages_open(pt_stages *s, const char *path, const pt_setting *settings, size_t n_settings)
{
    pt_status rc = PT_OK;
    *s = (pt_stages){.path = path, .settings = settings, .n_settings = n_settings};
    pt_log_pause(true);
    PT_TRY(read_file(path, &s->root));
    if (s->root->kind != PT_YMAP) goto done; /* who loads it says so */
    PT_TRY(read_stages(s));
    if (!s->n) goto done;
    PT_TRY(find_output(s));
    for (int i = 0; i < s->n; i++) PT_TRY(check_stage(s, i));
done:
    pt_log_pause(false);
    if (rc != PT_OK) pt_stages_free(s);
    return rc;
}

void pt_stages_free(pt_stages *s)
{
    for (int i = 0; i < s->n; i++) {
        pt_yaml_free(s->of[i].tree);
        free(s->of[i].folder);
        for (size_t k = 0; k < s->of[i].n_writes; k++) free(s->of[i].writes[k]);
        free(s->of[i].writes);
    }
    pt_yaml_free(s->root);
    free(s->output_dir);
    *s = (pt_stages){0};
}

/* Of a file with stages: the last one's config, whose folder is output_dir. */
pt_status pt_config_load(pt_config **out, const char *path, const pt_setting *settings, size_t n_settings)
{
    pt_stages s;
    *out = NULL;
    if (!path) return pt_config_of_tree(out, NULL, NULL, settings, n_settings);
    PT_RETURN(pt_stages_open(&s, path, settings, n_settings));
    pt_status rc = s.n ? pt_stages_config(&s, s.n - 1, pt_stages_start_there(&s, s.n - 1), s.resume, out)
                       : pt_config_of_tree(out, s.root, path, settings, n_settings);
    pt_stages_free(&s);
    return rc;
}

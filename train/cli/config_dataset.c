/* One entry of datasets: a YAML mapping into a pt_dataset_spec. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "data/read/record.h"
#include "train/cli/config_value.h"

/* A list of names as text, a line each. */
static pt_status names_of(pt_place at, const char *key, const pt_ynode *v, char **text)
{
    pt_status rc = PT_OK;
    char **list = NULL;
    size_t n = 0;
    pt_str all = {0};
    PT_TRY(pt_value_list(at, key, v, &list, &n));
    PT_TRY(pt_str_puts(&all, ""));
    for (size_t i = 0; i < n; i++) {
        if (!list[i][0] || strchr(list[i], '\n')) PT_TRY(pt_place_fail(at, "%s: name %zu is empty or has a line break", key, i + 1));
        for (size_t k = 0; k < i; k++)
            if (!strcmp(list[k], list[i])) PT_TRY(pt_place_fail(at, "%s names '%s' twice", key, list[i]));
        PT_TRY(pt_str_printf(&all, "%s%s", i ? "\n" : "", list[i]));
    }
    *text = all.text;
    all = (pt_str){0};
done:
    pt_str_free(&all);
    for (size_t i = 0; i < n; i++) free(list[i]);
    free(list);
    return rc;
}

/* The value of a reader's key. `key`: as the config spells it. */
static pt_status say(pt_place at, const char *key, const pt_data_key *k, const pt_ynode *v, pt_dataset_spec *d)
{
    char *text = NULL;
    bool flag = false;
    pt_status rc = PT_OK;
    if (k->kind == PT_DATA_FLAG) {
        PT_TRY(pt_value_bool(at, key, v, &flag));
    } else if (k->kind == PT_DATA_LIST) {
        PT_TRY(names_of(at, key, v, &text));
    } else {
        PT_TRY((k->kind == PT_DATA_FILE ? pt_value_path : pt_value_string)(at, key, v, &text));
    }
    bool in_file = strcmp(at.file, "command line") != 0; /* a place in the file, or none */
    rc = pt_dataset_say(d, k->key, text ? text : flag ? "true" : "false", in_file ? at.line : 0, in_file ? at.column : 0);
done:
    free(text);
    return rc;
}

/* {role: NAME, content: NAME}: the readers' keys within it; axolotl's other properties keep their own names. */
static pt_status mappings(const char *file, const pt_ynode *n, pt_dataset_spec *d)
{
    static const char mapping[] = "message_property_mappings";
    if (n->kind != PT_YMAP) return pt_place_fail((pt_place){file, n->line, n->column}, "%s takes {role: NAME, content: NAME}", mapping);
    for (size_t i = 0; i < n->n; i++) {
        pt_place at = {file, n->key_line[i], n->key_column[i]};
        const pt_ynode *v = n->items[i];
        const pt_data_key *is = NULL;
        for (size_t k = 0; k < pt_data_key_count(); k++) {
            const pt_data_key *x = pt_data_key_at(k);
            if (x->within && !strcmp(x->within, mapping) && !strcmp(x->as, n->keys[i])) is = x;
        }
        if (is) PT_RETURN(say(at, is->as, is, v, d));
        else if (v->kind != PT_YSCALAR || strcmp(v->text, n->keys[i]) != 0)
            return pt_place_fail(at, "%s knows role and content, not %s", mapping, n->keys[i]);
    }
    return PT_OK;
}

/* A value under another trainer's name for a reader's key. */
static pt_status say_as(pt_place at, const char *key, const pt_ynode *v, const char *(*names)[2], size_t n, pt_dataset_spec *d, bool *found)
{
    for (size_t i = 0; i < n; i++) {
        const pt_data_key *k = strcmp(names[i][0], key) ? NULL : pt_data_key_find(names[i][1]);
        if (!k) continue;
        *found = true;
        return say(at, key, k, v, d);
    }
    *found = false;
    return PT_OK;
}

static pt_status add_role(pt_dataset_spec *d, const char *name, const pt_speaker *speaker)
{
    char **names = d->role_names, *copy;
    const pt_speaker **is = d->role_is;
    size_t cap_names = d->n_roles, cap_is = d->n_roles;
    PT_RETURN(pt_reserve(&names, &cap_names, d->n_roles + 1));
    d->role_names = names;
    PT_RETURN(pt_reserve(&is, &cap_is, d->n_roles + 1));
    d->role_is = is;
    PT_RETURN(pt_strdup(&copy, name));
    names[d->n_roles] = copy;
    is[d->n_roles++] = speaker;
    return PT_OK;
}

/* roles: {assistant: [NAME, ...], ...} */
static pt_status roles(const char *file, const pt_ynode *n, pt_dataset_spec *d)
{
    pt_status rc = PT_OK;
    char **names = NULL;
    size_t count = 0;
    if (n->kind != PT_YMAP) return pt_place_fail((pt_place){file, n->line, n->column}, "roles takes {assistant: [NAME, ...], user: [...]}");
    for (size_t i = 0; i < n->n; i++) {
        pt_place at = {file, n->key_line[i], n->key_column[i]};
        const pt_speaker *who = pt_speaker_find(n->keys[i]);
        char known[160];
        if (pt_yaml_is_null(n->items[i])) continue;
        pt_speaker_names(known, sizeof known, " and ");
        if (!who) PT_TRY(pt_place_fail(at, "roles knows %s, not %s", known, n->keys[i]));
        PT_TRY(pt_value_list(at, "roles", n->items[i], &names, &count));
        for (size_t k = 0; k < count; k++) PT_TRY(add_role(d, names[k], who));
    }
done:
    for (size_t k = 0; k < count; k++) free(names[k]);
    free(names);
    return rc;
}

/* A mapping of LLaMA-Factory's names to names of the data; `put` takes each. */
static pt_status each(const char *file, const pt_ynode *n, const char *what, pt_dataset_spec *d,
                      pt_status (*put)(pt_place at, const char *key, const pt_ynode *v, pt_dataset_spec *d))
{
    if (n->kind != PT_YMAP) return pt_place_fail((pt_place){file, n->line, n->column}, "%s takes a mapping", what);
    for (size_t i = 0; i < n->n; i++)
        if (!pt_yaml_is_null(n->items[i])) PT_RETURN(put((pt_place){file, n->key_line[i], n->key_column[i]}, n->keys[i], n->items[i], d));
    return PT_OK;
}

static pt_status put_tag(pt_place at, const char *key, const pt_ynode *v, pt_dataset_spec *d)
{
    static const struct { const char *tag; const pt_speaker *speaker; } tags[] = {
        {"user_tag", PT_USER}, {"assistant_tag", PT_ASSISTANT}, {"observation_tag", PT_TOOL}, {"function_tag", PT_ASSISTANT}, {"system_tag", PT_SYSTEM}};
    static const char *names[][2] = {{"role_tag", "message_field_role"}, {"content_tag", "message_field_content"}};
    bool found;
    pt_status rc = say_as(at, key, v, names, sizeof names / sizeof *names, d, &found);
    if (found) return rc;
    for (size_t i = 0; i < sizeof tags / sizeof *tags; i++) {
        if (strcmp(key, tags[i].tag)) continue;
        if (v->kind != PT_YSCALAR) return pt_place_fail(at, "%s takes a name", key);
        return add_role(d, v->text, tags[i].speaker);
    }
    return pt_place_fail(at, "tags knows role_tag, content_tag, user_tag, assistant_tag, observation_tag, function_tag and system_tag, not %s", key);
}

static pt_status put_column(pt_place at, const char *key, const pt_ynode *v, pt_dataset_spec *d)
{
    static const char *names[][2] = {{"prompt", "field_prompt"}, {"query", "field_input"}, {"response", "field_output"}, {"history", "field_history"},
                                     {"messages", "field_messages"}, {"system", "field_system"}, {"chosen", "field_chosen"}, {"rejected", "field_rejected"},
                                     {"kto_tag", "field_label"}, {"tools", "field_tools"}};
    bool found;
    pt_status rc = say_as(at, key, v, names, sizeof names / sizeof *names, d, &found);
    if (found) return rc;
    const pt_dataset_key *k = pt_schema_dataset_find(key);
    if (k && k->refused) return pt_place_fail(at, "%s: %s", key, k->refused);
    return pt_place_fail(at, "columns knows prompt, query, response, history, messages, system, chosen, rejected, kto_tag and tools, not %s", key);
}

/* What columns does not name is not read (LLaMA-Factory). */
static pt_status columns(const char *file, const pt_ynode *n, pt_dataset_spec *d)
{
    static const char *const rest[] = {"field_input", "field_history", "field_system"};
    PT_RETURN(each(file, n, "columns", d, put_column));
    for (size_t i = 0; i < sizeof rest / sizeof *rest; i++)
        if (!pt_dataset_says(d, rest[i])) PT_RETURN(pt_dataset_say(d, rest[i], "", 0, 0));
    return PT_OK;
}

static pt_status dataset_key(const char *file, const char *key, pt_place at, const pt_ynode *v, pt_dataset_spec *d);

/* A format that adds nothing to its columns. */
static bool bare_format(const char *text)
{
    static const char *const bare[] = {"{system}", "{prompt}", "{chosen}", "{rejected}", "{completion}", "{instruction}", "{instruction} {input}",
                                       "{instruction}\n{input}", NULL};
    size_t n = strlen(text);
    while (n && (text[n - 1] == ' ' || text[n - 1] == '\n')) n--;
    for (const char *const *p = bare; *p; p++)
        if (strlen(*p) == n && !strncmp(*p, text, n)) return true;
    return false;
}

/* type: {field_...: NAME}: axolotl's user-defined type, for sft, for pairs or for judged answers. */
static pt_status user_type(const char *file, const pt_ynode *n, pt_dataset_spec *d)
{
    bool pairs = false, labels = false;
    for (size_t i = 0; i < n->n; i++) {
        const char *key = n->keys[i];
        pt_place at = {file, n->key_line[i], n->key_column[i]};
        const pt_ynode *v = n->items[i];
        size_t len = strlen(key);
        if (pt_yaml_is_null(v)) continue;
        pairs |= !strcmp(key, "field_chosen") || !strcmp(key, "field_rejected");
        labels |= !strcmp(key, "field_label");
        if (len >= 6 && !strcmp(key + len - 6, "format") && v->kind == PT_YSCALAR && bare_format(v->text)) continue;
        if (strncmp(key, "field_", 6) && strcmp(key, "system_prompt") && (len < 6 || strcmp(key + len - 6, "format")))
            return pt_place_fail(at, "type: a user-defined type knows field_... and system_prompt, not %s", key);
        PT_RETURN(dataset_key(file, key, at, v, d));
    }
    free(d->type);
    d->type = NULL;
    return pt_strdup(&d->type, pairs ? "preference" : labels ? "unpaired" : "alpaca");
}

static pt_status word_only(pt_place at, const char *key, const pt_ynode *v, const char *word, const char *why)
{
    if (pt_value_is_off(v) || (v->kind == PT_YSCALAR && !strcmp(v->text, word))) return PT_OK;
    return pt_place_fail(at, "%s: only %s exists for a data set: %s", key, word, why);
}

static pt_status thinking(pt_place at, const char *key, const pt_ynode *v)
{
    static const char *const names[] = {"reasoning_content", "reasoning", "thinking"};
    for (size_t i = 0; i < 3 && v->kind == PT_YSCALAR; i++)
        if (!strcmp(v->text, names[i])) return PT_OK;
    return pt_place_fail(at, "%s: thoughts are read under reasoning_content, reasoning and thinking; no other name", key);
}

/* One path, or a list of them, which are read one behind the other; dir: what they stand in, or NULL. */
static pt_status paths(pt_place at, const char *key, const pt_ynode *v, const char *dir, pt_dataset_spec *d)
{
    pt_status rc = PT_OK;
    char *path = NULL, *joined;
    pt_ynode *const *items = v->kind == PT_YSEQ ? v->items : (pt_ynode *const *)&v;
    size_t n = v->kind == PT_YSEQ ? v->n : 1;
    if (!n || v->kind == PT_YMAP) return pt_place_fail(at, "%s takes a path, or a list of paths", key);
    for (size_t i = 0; i < d->n_also; i++) free(d->also[i]);
    d->n_also = 0;
    PT_RETURN(pt_reserve(&d->also, &d->n_also, n));
    d->n_also = 0;
    for (size_t i = 0; i < n; i++) {
        PT_TRY(pt_value_path(at, key, items[i], &path));
        if (!path || !path[0]) PT_TRY(pt_place_fail(at, "%s: path %zu is empty", key, i + 1));
        if (dir && path[0] != '/') {
            PT_TRY(pt_path_join(&joined, dir, path));
            free(path);
            path = joined;
        }
        if (!i) free(d->path), d->path = path;
        else d->also[d->n_also++] = path;
        path = NULL;
    }
done:
    free(path);
    return rc;
}

/* The files among data_files; path is the loader's name ("json") or their folder. */
static pt_status data_files(pt_place at, const pt_ynode *v, pt_dataset_spec *d)
{
    pt_status rc = PT_OK;
    char *dir = d->path && pt_dir_exists(d->path) ? d->path : NULL;
    if (d->path && (!strcmp(d->path, "csv") || !strcmp(d->path, "text"))) PT_TRY(pt_strdup(&d->format, d->path)); /* the Hub's loaders by name */
    if (dir) d->path = NULL;
    rc = paths(at, "data_files", v, dir, d);
    free(dir);
done:
    return rc;
}

static pt_status dataset_key(const char *file, const char *key, pt_place at, const pt_ynode *v, pt_dataset_spec *d)
{
    struct { const char *name; char **field; } texts[] = {
        {"path", &d->path}, {"name", &d->name}, {"type", &d->type}, {"split", &d->split}, {"system_prompt", &d->system_prompt}};
    const pt_dataset_key *k = pt_schema_dataset_find(key);
    if (!k && pt_value_is_off(v)) return PT_OK;
    if (!k) return pt_place_fail(at, "a data set does not know %s; `ptrain help datasets` lists its keys", key);
    if (k->refused && (pt_value_is_off(v) || pt_yaml_is_null(v))) return PT_OK;
    if (k->refused) return pt_place_fail(at, "%s: %s", key, k->refused);
    if (k->reader) return say(at, key, k->reader, v, d);
    if (!strcmp(k->name, "type") && v->kind == PT_YMAP) return user_type(file, v, d);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (!strcmp(k->name, texts[i].name)) {
            return texts[i].field == &d->path ? paths(at, key, v, NULL, d) : pt_value_string(at, key, v, texts[i].field);
        }
    if (!strcmp(key, "weight")) return pt_value_number(at, key, v, 1e-6, 1000, &d->weight);
    if (!strcmp(key, "bad_rows")) return pt_value_worded(at, pt_schema_find(key), v, &d->bad_rows);
    if (!strcmp(key, "message_property_mappings")) return mappings(file, v, d);
    if (!strcmp(key, "roles")) return roles(file, v, d);
    if (!strcmp(key, "tags")) return each(file, v, "tags", d, put_tag);
    if (!strcmp(key, "columns")) return columns(file, v, d);
    if (!strcmp(key, "roles_to_train")) return pt_value_list(at, key, v, &d->roles_to_train, &d->n_roles_to_train);
    if (!strcmp(key, "drop_system_message")) return pt_value_bool(at, key, v, &d->drop_system);
    if (!strcmp(k->name, "train_on_eos")) return word_only(at, key, v, "turn", "the end token of every supervised turn is supervised");
    if (!strcmp(key, "chat_template")) return word_only(at, key, v, "tokenizer_default", "the config's chat_template holds for all");
    if (!strcmp(k->name, "field_thinking")) return thinking(at, key, v);
    return PT_OK; /* no effect, or looked at when the path is known */
}

/* ds_type: what the file is, whatever its name; a kind that is not read is refused with what to do, as the file itself would be. */
static pt_status take_format(const char *file, const pt_ynode *n, const char *path, pt_dataset_spec *d)
{
    for (size_t i = 0; i < n->n; i++) {
        const pt_ynode *v = n->items[i];
        pt_place at = {file, n->key_line[i], n->key_column[i]};
        if (strcmp(n->keys[i], "ds_type") || pt_yaml_is_null(v)) continue;
        if (v->kind != PT_YSCALAR) return pt_place_fail(at, "ds_type takes one word");
        static const char *const known[][2] = {{"json", "json"}, {"jsonl", "json"}, {"csv", "csv"}, {"tsv", "tsv"}, {"text", "text"}, {"txt", "text"}};
        const char *kind = NULL;
        for (size_t k = 0; k < sizeof known / sizeof *known; k++)
            if (!strcmp(v->text, known[k][0])) kind = known[k][1];
        if (kind) {
            free(d->format);
            PT_RETURN(pt_strdup(&d->format, kind));
            continue;
        }
        if (strcmp(v->text, "parquet"))
            return pt_place_fail(at, "ds_type: %s: data files are json, csv, tsv or text here; convert %s", v->text, path);
        pt_rows_refuse_parquet(path);
        return pt_place_fail(at, "ds_type: %s", pt_err_msg());
    }
    return PT_OK;
}

/* num_samples: the first rows of the file. */
static pt_status first_rows(pt_place at, const pt_ynode *v, pt_dataset_spec *d)
{
    int n = 0;
    if (!v || pt_value_is_off(v)) return PT_OK;
    PT_RETURN(pt_value_int(at, "num_samples", v, 1, INT_MAX, &n));
    if (d->split && strcmp(d->split, "train")) return pt_place_fail(at, "num_samples and split: %s: one of them; split: train[:%d] takes the first %d rows", d->split, n, n);
    free(d->split);
    d->split = NULL;
    return pt_asprintf(&d->split, "train[:%d]", n);
}

/* A folder of LLaMA-Factory's is many sets: which one must be said. A data set that was saved to disk has a file of that name too, and a state.json. */
static pt_status not_many(pt_place at, const char *path)
{
    pt_status rc = PT_OK;
    char *info = NULL, *state = NULL;
    if (!pt_dir_exists(path)) return PT_OK;
    PT_TRY(pt_path_join(&info, path, "dataset_info.json"));
    PT_TRY(pt_path_join(&state, path, "state.json"));
    if (pt_file_exists(info) && !pt_file_exists(state)) rc = pt_place_fail(at, "%s holds a dataset_info.json: dataset: NAME says which of its sets is meant", path);
done:
    free(info);
    free(state);
    return rc;
}

static pt_status dataset(const char *file, const pt_ynode *n, pt_dataset_spec *d)
{
    pt_place at = {file, n->line, n->column};
    const pt_ynode *files = NULL, *rows = NULL;
    d->weight = 1;
    d->bad_rows = -1; /* the config's */
    d->line = strcmp(file, "command line") ? n->line : 0; /* a place in the file, or none */
    d->column = n->column;
    if (n->kind == PT_YSEQ || pt_yaml_is_null(n)) return pt_place_fail(at, "a data set is {path: FILE, type: TYPE}; several files of one: {path: [FILE, FILE]}");
    if (n->kind == PT_YSCALAR) PT_RETURN(pt_value_path(at, "path", n, &d->path));
    for (size_t i = 0; n->kind == PT_YMAP && i < n->n; i++) {
        pt_place here = {file, n->key_line[i], n->key_column[i]};
        if (pt_yaml_is_null(n->items[i])) { /* axolotl's empty type: ready ids */
            if (!strcmp(n->keys[i], "type")) PT_RETURN(pt_strdup(&d->type, ""));
        } else if (!strcmp(n->keys[i], "data_files")) {
            files = n->items[i];
        } else if (!strcmp(n->keys[i], "num_samples")) {
            rows = n->items[i];
        } else {
            PT_RETURN(dataset_key(file, n->keys[i], here, n->items[i], d));
        }
    }
    if (files) PT_RETURN(data_files(at, files, d));
    PT_RETURN(first_rows(at, rows, d));
    if (!d->path || !d->path[0]) return pt_place_fail(at, "this data set has no path");
    PT_RETURN(not_many(at, d->path));
    if (n->kind == PT_YMAP) PT_RETURN(take_format(file, n, d->path, d));
    if (!d->type) return PT_OK; /* by the objective */
    if (pt_reader_type(d->type)) return PT_OK;
    const char *advice = pt_reader_type_advice(d->type);
    return pt_place_fail(at, "unknown data set type '%s'; %s: %s", d->type, advice ? "its rows are read with" : "known", advice ? advice : pt_reader_types());
}

void pt_datasets_free(pt_dataset_spec *d, size_t n)
{
    for (size_t i = 0; i < n; i++) pt_dataset_clear(&d[i]);
    free(d);
}

pt_status pt_value_datasets(const char *file, const char *key, const pt_ynode *n, pt_dataset_spec **out, size_t *out_n)
{
    size_t count = n->kind == PT_YSEQ ? n->n : 1;
    pt_dataset_spec *list;
    PT_RETURN(pt_alloc0(&list, count));
    pt_status rc = PT_OK;
    for (size_t i = 0; i < count && rc == PT_OK; i++) rc = dataset(file, n->kind == PT_YSEQ ? n->items[i] : n, &list[i]);
    if (rc != PT_OK) {
        pt_datasets_free(list, count);
        return rc;
    }
    pt_datasets_free(*out, *out_n);
    if (!count) free(list); /* an empty list says that there are none */
    *out = count ? list : NULL;
    *out_n = count;
    return PT_OK;
}

/* ---- rules ------------------------------------------------------------------------------------------------------------ */

static pt_status check_type(const pt_config *c, const char *file, const pt_dataset_spec *d)
{
    bool labels = c->objective->verdicts, pairs = pt_objective_pairs(c->objective);
    if (labels ? pt_reader_verdicts(d->type) : pt_reader_gives(d->type, pairs)) return PT_OK;
    pt_place at = {file, d->line, d->column};
    if (labels)
        return pt_place_fail(at, "objective %s needs answers with labels (type unpaired, or a label or chosen and rejected in preference, messages, sharegpt or "
                                 "alpaca; tokens), not type %s", c->objective->name, d->type);
    if (!pairs && pt_reader_verdicts(d->type) && !pt_reader_gives(d->type, true))
        return pt_place_fail(at, "type %s holds answers with labels; they need objective: %s", d->type, pt_schema_objectives_verdicts());
    if (!pairs) return pt_place_fail(at, "type %s holds pairs; they need objective: %s", d->type, pt_schema_objectives_of(2));
    return pt_place_fail(at, "objective %s needs pairs (type preference, mindset or tokens, or chosen and rejected in messages, sharegpt or alpaca), not "
                             "type %s", c->objective->name, d->type);
}

/* What a set says to its reader, where it says it. */
static pt_status check_said(const char *file, const pt_dataset_spec *d)
{
    const pt_dataset_said *x;
    const pt_data_type *type = pt_data_type_find(d->type);
    pt_status rc = type ? pt_data_keys_check(type, d, &x) : PT_OK;
    if (rc == PT_EARG) return pt_place_fail((pt_place){file, x->line, x->column}, "%s", pt_err_msg());
    return rc;
}

pt_status pt_config_name_people(const pt_config *c, pt_dataset_spec *d)
{
    const pt_data_type *type = pt_data_type_find(d->type);
    bool names = false;
    for (size_t i = 0; i < c->data.n_roles_to_train; i++) names = names || !pt_speaker_find(c->data.roles_to_train[i]);
    if (!names || d->n_roles_to_train || !type || !pt_data_type_people(type)) return PT_OK;
    PT_RETURN(pt_alloc0(&d->roles_to_train, c->data.n_roles_to_train));
    for (size_t i = 0; i < c->data.n_roles_to_train; i++) {
        PT_RETURN(pt_strdup(&d->roles_to_train[i], c->data.roles_to_train[i]));
        d->n_roles_to_train++;
    }
    return PT_OK;
}

pt_status pt_config_check_dataset(const pt_config *c, const char *file, const pt_dataset_spec *d, bool train)
{
    if (train) PT_RETURN(check_type(c, file, d));
    return check_said(file, d);
}

/* Data sets by name: LLaMA-Factory's dataset_info.json. JSON is YAML enough, so it is read as such. */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "data/read/record.h"
#include "train/cli/config_value.h"

enum { MAX_INFO_BYTES = 4 << 20 };

typedef struct names {
    pt_place at;      /* of the setting: what is looked up stands there */
    const char *dir;
    pt_ynode *info;   /* NULL: there is no such file */
    const pt_ynode *over; /* keys of the config that stand in place of the entry's; NULL: none */
    pt_ynode *out;
} names;

static void set_place(pt_ynode *n, pt_place at)
{
    n->line = at.line;
    n->column = at.column;
    for (size_t i = 0; i < n->n; i++) {
        if (n->keys) n->key_line[i] = at.line, n->key_column[i] = at.column;
        set_place(n->items[i], at);
    }
}

/* Columns with a question alone are documents (LLaMA-Factory's stage: pt). */
static bool documents(const pt_ynode *e, const pt_ynode **column)
{
    const pt_ynode *columns = pt_yaml_get(e, "columns"), *form = pt_yaml_get(e, "formatting");
    if (!columns || (form && form->kind == PT_YSCALAR && strcmp(form->text, "alpaca"))) return false;
    *column = pt_yaml_get(columns, "prompt");
    return *column && (*column)->kind == PT_YSCALAR && !pt_yaml_get(columns, "response") && !pt_yaml_get(columns, "chosen") && columns->n == 1;
}

/* An entry of dataset_info.json into one of datasets: file_name is in its folder; what only names a hub keeps that name. */
static pt_status adapt(const names *s, pt_ynode *e, const char *name)
{
    static const char *const hubs[] = {"hf_hub_url", "ms_hub_url", "om_hub_url", "script_url", "cloud_file_name"};
    static const char *const of_hubs[] = {"subset", "folder"};
    pt_status rc = PT_OK;
    char *path = NULL;
    const pt_ynode *file = pt_yaml_get(e, "file_name"), *column;
    if (e->kind != PT_YMAP) return pt_place_fail(s->at, "%s/dataset_info.json: %s is no mapping", s->dir, name);
    for (size_t i = 0; i < sizeof hubs / sizeof *hubs && !path; i++) {
        const pt_ynode *hub = file ? file : pt_yaml_get(e, hubs[i]);
        if (!hub || hub->kind != PT_YSCALAR) continue;
        if (file) PT_TRY(pt_path_join(&path, s->dir, hub->text));
        else PT_TRY(pt_strdup(&path, hub->text));
    }
    PT_TRY(pt_yaml_put(e, "path", path ? path : name));
    pt_yaml_drop(e, "file_name");
    for (size_t i = 0; i < sizeof hubs / sizeof *hubs; i++) pt_yaml_drop(e, hubs[i]);
    for (size_t i = 0; i < sizeof of_hubs / sizeof *of_hubs; i++) pt_yaml_drop(e, of_hubs[i]);
    if (documents(e, &column)) {
        PT_TRY(pt_yaml_put(e, "field_text", column->text));
        PT_TRY(pt_yaml_put(e, "type", pt_data_type_of_texts()->name));
        pt_yaml_drop(e, "columns");
        pt_yaml_drop(e, "formatting");
    } else {
        const pt_ynode *form = pt_yaml_get(e, "formatting");
        PT_TRY(pt_yaml_put(e, "type", form && form->kind == PT_YSCALAR ? form->text : "alpaca"));
        pt_yaml_drop(e, "formatting");
    }
    set_place(e, s->at);
done:
    free(path);
    return rc;
}

/* PT_EARG: a folder that does not know a name. */
static pt_status unknown(const names *s, const char *name)
{
    pt_str known = {0};
    pt_status rc = PT_OK;
    PT_TRY(pt_str_puts(&known, ""));
    for (size_t i = 0; s->info && s->info->kind == PT_YMAP && i < s->info->n && known.len < 300; i++) PT_TRY(pt_str_printf(&known, "%s%.60s", i ? ", " : "", s->info->keys[i]));
    PT_TRY(pt_place_fail(s->at, "%s/dataset_info.json has no data set '%.60s'; it has %s", s->dir, name, known.len ? known.text : "none"));
done:
    pt_str_free(&known);
    return rc;
}

/* One name into s->out: what dataset_info.json says of it, else the name as a path. */
static pt_status add(names *s, const char *name)
{
    pt_status rc = PT_OK;
    const pt_ynode *said = s->info ? pt_yaml_get(s->info, name) : NULL;
    pt_ynode *e = NULL;
    size_t at = s->out->n;
    PT_TRY(said ? pt_yaml_copy(&e, said) : pt_alloc0(&e, 1));
    if (said) {
        PT_TRY(adapt(s, e, name));
        for (size_t i = 0; s->over && i < s->over->n; i++)
            if (strcmp(s->over->keys[i], "path") && strcmp(s->over->keys[i], "dataset")) PT_TRY(pt_yaml_take(e, s->over, i));
    } else if (s->over) {
        PT_TRY(unknown(s, name));
    } else {
        e->kind = PT_YSCALAR;
        PT_TRY(pt_strdup(&e->text, name));
        e->line = s->at.line;
        e->column = s->at.column;
    }
    PT_TRY(pt_reserve(&s->out->items, &s->out->cap, at + 1));
    s->out->items[s->out->n++] = e;
    e = NULL;
done:
    pt_yaml_free(e);
    return rc;
}

/* "a.jsonl", or "identity,alpaca_en_demo". */
static pt_status add_text(names *s, const char *text)
{
    pt_status rc = PT_OK;
    char *name = NULL;
    if (!strchr(text, ',') || pt_file_exists(text)) return add(s, text);
    while (*text) {
        size_t n = strcspn(text, ","), skip = strspn(text, " "), end = n;
        while (end > skip && text[end - 1] == ' ') end--;
        free(name);
        name = NULL;
        if (end > skip) {
            PT_TRY(pt_strndup(&name, text + skip, end - skip));
            PT_TRY(add(s, name));
        }
        text += n + (text[n] == ',');
    }
done:
    free(name);
    return rc;
}

static pt_status load_info(names *s)
{
    pt_status rc = PT_OK;
    char *path = NULL, *text = NULL;
    size_t bytes;
    PT_TRY(pt_path_join(&path, s->dir, "dataset_info.json"));
    if (!pt_file_exists(path)) {
        if (s->over) PT_TRY(pt_place_fail(s->at, "dataset names a set of a folder's dataset_info.json, and there is no %s", path));
        return free(path), PT_OK;
    }
    PT_TRY(pt_file_read(&text, &bytes, path, MAX_INFO_BYTES));
    PT_TRY(pt_yaml_parse(&s->info, text, bytes, path));
done:
    free(path);
    free(text);
    return rc;
}

/* {path: FOLDER, dataset: a,b, ...}: sets of that folder's dataset_info.json (without path: of dataset_dir's). */
static pt_status add_of_folder(const names *all, const pt_ynode *e, pt_place at)
{
    static const char file[] = "dataset_info.json";
    pt_status rc = PT_OK;
    names s = {.at = at, .dir = all->dir, .over = e, .out = all->out};
    const pt_ynode *path = pt_yaml_get(e, "path"), *which = pt_yaml_get(e, "dataset");
    char *dir = NULL;
    if (path && !pt_yaml_is_null(path)) {
        PT_TRY(pt_value_path(at, "path", path, &dir));
        size_t n = strlen(dir), tail = sizeof file - 1;
        if (n > tail && !strcmp(dir + n - tail, file) && dir[n - tail - 1] == '/') dir[n - tail - 1] = 0;
        s.dir = !strcmp(dir, file) ? "." : dir;
    }
    PT_TRY(load_info(&s));
    if (which->kind == PT_YMAP || (which->kind == PT_YSEQ && !which->n)) PT_TRY(pt_place_fail(at, "dataset takes a name of dataset_info.json, or a list of names"));
    if (which->kind == PT_YSCALAR) PT_TRY(add_text(&s, which->text));
    for (size_t i = 0; which->kind == PT_YSEQ && i < which->n; i++) {
        if (which->items[i]->kind != PT_YSCALAR) PT_TRY(pt_place_fail(at, "dataset takes a name of dataset_info.json, or a list of names"));
        PT_TRY(add_text(&s, which->items[i]->text));
    }
done:
    pt_yaml_free(s.info);
    free(dir);
    return rc;
}

static bool of_folder(const pt_ynode *e)
{
    const pt_ynode *which = e->kind == PT_YMAP ? pt_yaml_get(e, "dataset") : NULL;
    return which && !pt_yaml_is_null(which);
}

static pt_status add_as_it_is(const names *s, const pt_ynode *v)
{
    pt_ynode *copy;
    PT_RETURN(pt_yaml_copy(&copy, v));
    pt_status rc = pt_reserve(&s->out->items, &s->out->cap, s->out->n + 1);
    if (rc == PT_OK) s->out->items[s->out->n++] = copy;
    else pt_yaml_free(copy);
    return rc;
}

/* Whether there is a name to look up: texts alone, or a set of a folder. */
static bool has_names(const pt_ynode *v)
{
    bool texts = v->kind != PT_YMAP, folder = of_folder(v);
    for (size_t i = 0; v->kind == PT_YSEQ && i < v->n; i++) {
        texts = texts && v->items[i]->kind == PT_YSCALAR && !pt_yaml_is_null(v->items[i]);
        folder = folder || of_folder(v->items[i]);
    }
    return texts || folder;
}

pt_status pt_value_named_sets(pt_place at, const char *dir, const pt_ynode *v, pt_ynode **out)
{
    pt_status rc = PT_OK;
    names s = {.at = at, .dir = dir};
    *out = NULL;
    if (!has_names(v)) return PT_OK;
    PT_TRY(load_info(&s));
    PT_TRY(pt_alloc0(&s.out, 1));
    s.out->kind = PT_YSEQ;
    s.out->line = v->line;
    s.out->column = v->column;
    for (size_t i = 0; i < (v->kind == PT_YSEQ ? v->n : 1); i++) {
        const pt_ynode *e = v->kind == PT_YSEQ ? v->items[i] : v;
        if (at.line > 0) s.at = (pt_place){at.file, e->line, e->column};
        if (of_folder(e)) PT_TRY(add_of_folder(&s, e, s.at));
        else if (e->kind == PT_YSCALAR && !pt_yaml_is_null(e)) PT_TRY(add_text(&s, e->text));
        else PT_TRY(add_as_it_is(&s, e));
    }
    *out = s.out;
    s.out = NULL;
done:
    pt_yaml_free(s.info);
    pt_yaml_free(s.out);
    return rc;
}

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

pt_status pt_value_named_sets(pt_place at, const char *dir, const pt_ynode *v, pt_ynode **out)
{
    pt_status rc = PT_OK;
    names s = {.at = at, .dir = dir};
    char *path = NULL, *text = NULL;
    size_t bytes;
    *out = NULL;
    if (v->kind == PT_YMAP) return PT_OK;
    for (size_t i = 0; v->kind == PT_YSEQ && i < v->n; i++)
        if (v->items[i]->kind != PT_YSCALAR || pt_yaml_is_null(v->items[i])) return PT_OK;
    PT_TRY(pt_path_join(&path, dir, "dataset_info.json"));
    if (pt_file_exists(path)) {
        PT_TRY(pt_file_read(&text, &bytes, path, MAX_INFO_BYTES));
        PT_TRY(pt_yaml_parse(&s.info, text, bytes, path));
    }
    PT_TRY(pt_alloc0(&s.out, 1));
    s.out->kind = PT_YSEQ;
    s.out->line = v->line;
    s.out->column = v->column;
    for (size_t i = 0; v->kind == PT_YSEQ && i < v->n; i++) {
        if (at.line > 0) s.at = (pt_place){at.file, v->items[i]->line, v->items[i]->column};
        PT_TRY(add_text(&s, v->items[i]->text));
    }
    if (at.line > 0) s.at = (pt_place){at.file, v->line, v->column};
    if (v->kind == PT_YSCALAR) PT_TRY(add_text(&s, v->text));
    *out = s.out;
    s.out = NULL;
done:
    pt_yaml_free(s.info);
    pt_yaml_free(s.out);
    free(path);
    free(text);
    return rc;
}

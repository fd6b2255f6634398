#include "train/cli/config_entries.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"

/* A list as its lines, a mapping as lines NAME=TEXT. */
static pt_status lines_of(pt_place at, const char *name, const pt_ynode *v, char **out)
{
    pt_status rc = PT_OK;
    pt_str text = {0};
    for (size_t i = 0; i < v->n; i++) {
        const pt_ynode *x = v->items[i];
        if (x->kind != PT_YSCALAR || strchr(x->text, '\n')) PT_TRY(pt_place_fail(at, "%s takes a list of texts of one line", name));
        if (v->kind == PT_YMAP) PT_TRY(pt_str_printf(&text, "%s=", v->keys[i]));
        PT_TRY(pt_str_printf(&text, "%s\n", x->text));
    }
    if (!v->n) PT_TRY(pt_place_fail(at, "%s is empty", name));
    *out = text.text;
    return PT_OK;
done:
    pt_str_free(&text);
    return rc;
}

/* A list or mapping as JSON, what stands in it as texts. Owned. */
static json_t *json_of(const pt_ynode *v)
{
    json_t *o = v->kind == PT_YSEQ ? json_array() : v->kind == PT_YMAP ? json_object() : pt_yaml_is_null(v) ? json_null() : json_string(v->text);
    for (size_t i = 0; o && i < v->n; i++) {
        json_t *x = json_of(v->items[i]);
        const bool bad = !x || (v->kind == PT_YSEQ ? json_array_append_new(o, x) : json_object_set_new(o, v->keys[i], x));
        if (!bad) continue;
        json_decref(o);
        o = NULL;
    }
    return o;
}

static pt_status nested(pt_place at, const char *name, const pt_ynode *v, char **out)
{
    if (v->kind == PT_YSCALAR) return pt_place_fail(at, "%s takes a list or a mapping", name);
    json_t *o = json_of(v);
    *out = o ? json_dumps(o, 0) : NULL;
    json_decref(o);
    return *out ? PT_OK : pt_fail(PT_ENOMEM, "out of memory for %s, or it holds no valid UTF-8", name);
}

/* As the text that its owner reads. */
static pt_status option(pt_place at, const pt_entry_key *k, const char *name, const pt_ynode *v, pt_entry_option *o)
{
    bool on;
    o->line = at.line;
    o->column = at.column;
    PT_RETURN(pt_strdup(&o->name, name));
    if (k && k->kind == PT_ENTRY_LIST && v->kind != PT_YSCALAR) return lines_of(at, name, v, &o->value);
    if (k && k->kind == PT_ENTRY_NESTED) return nested(at, name, v, &o->value);
    if (v->kind != PT_YSCALAR) return pt_place_fail(at, "%s takes one value", name);
    if (k && k->kind == PT_ENTRY_FILE) return pt_value_path(at, name, v, &o->value);
    if (!k || k->kind != PT_ENTRY_FLAG) return pt_strdup(&o->value, v->text);
    PT_RETURN(pt_value_bool(at, name, v, &on));
    return pt_strdup(&o->value, on ? "true" : "false");
}

static pt_status entry(const pt_entry_list *l, const char *file, const pt_ynode *n, void *one)
{
    pt_place here = {file, n->line, n->column};
    const pt_entry_parts p = l->parts(one);
    if (n->kind != PT_YMAP) return pt_place_fail(here, "%s", l->usage);
    const pt_entry_key *keys = l->keys(n);
    *p.line = strcmp(file, "command line") ? n->line : 0;
    *p.column = n->column;
    PT_RETURN(pt_strdup(p.file, file));
    PT_RETURN(pt_alloc0(p.options, n->n));
    for (size_t i = 0; i < n->n; i++) {
        const char *key = n->keys[i];
        pt_place at = {file, n->key_line[i], n->key_column[i]};
        bool done = !strcmp(key, "name");
        if (pt_yaml_is_null(n->items[i])) continue;
        if (done) PT_RETURN(pt_value_string(at, key, n->items[i], p.name));
        else if (l->own) PT_RETURN(l->own(at, key, n->items[i], one, &done));
        if (!done) PT_RETURN(option(at, pt_entry_key_of(keys, key), key, n->items[i], &(*p.options)[(*p.n_options)++]));
    }
    return l->check(one);
}

static pt_status check_names(const pt_entry_list *l, const char *file, char *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < i; k++) {
            const pt_entry_parts a = l->parts(list + i * l->size), b = l->parts(list + k * l->size);
            if (*a.name && *b.name && !strcmp(*a.name, *b.name)) return pt_entry_fail(file, *a.line, *a.column, "two %s are called %s", l->many, *a.name);
        }
    return PT_OK;
}

pt_status pt_value_entries(const pt_entry_list *l, const char *file, const pt_ynode *n, void **out, size_t *out_n)
{
    const size_t count = n->kind == PT_YSEQ ? n->n : 1;
    char *list;
    PT_RETURN(pt_calloc(&list, count, l->size));
    pt_status rc = PT_OK;
    for (size_t i = 0; i < count && rc == PT_OK; i++) rc = entry(l, file, n->kind == PT_YSEQ ? n->items[i] : n, list + i * l->size);
    if (rc == PT_OK) rc = check_names(l, file, list, count);
    if (rc != PT_OK) {
        l->free(list, count);
        return rc;
    }
    l->free(*out, *out_n);
    *out = list;
    *out_n = count;
    return PT_OK;
}

pt_status pt_schema_entry_key(pt_str *out, bool markdown, const pt_entry_key *k)
{
    const char *fallback = k->fallback ? k->fallback : "";
    if (markdown) return pt_str_printf(out, "| `%s` | %s%s%s | %s |\n", k->name, *fallback ? "`" : "", fallback, *fallback ? "`" : "", k->help);
    return pt_str_printf(out, "  %-16s %s%s%s%s\n", k->name, k->help, *fallback ? " Default: " : "", fallback, *fallback ? "." : "");
}

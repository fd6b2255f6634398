/* The list `evaluations`: each entry's own keys are its task's (eval/task/task.h). */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "eval/task/task.h"
#include "train/cli/config_value.h"

/* A list as its lines, a mapping as lines NAME=TEXT. */
static pt_status own_list(pt_place at, const char *name, const pt_ynode *v, char **out)
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

/* One of the task's own keys, as the text that the task reads. */
static pt_status own_key(pt_place at, const pt_task_key *k, const char *name, const pt_ynode *v, pt_entry_option *o)
{
    bool on;
    o->line = at.line;
    o->column = at.column;
    PT_RETURN(pt_strdup(&o->name, name));
    if (k && k->kind == PT_TASK_LIST && v->kind != PT_YSCALAR) return own_list(at, name, v, &o->value);
    if (k && k->kind == PT_TASK_NESTED) return nested(at, name, v, &o->value);
    if (v->kind != PT_YSCALAR) return pt_place_fail(at, "%s takes one value", name);
    if (k && k->kind == PT_TASK_FILE) return pt_value_path(at, name, v, &o->value);
    if (!k || k->kind != PT_TASK_FLAG) return pt_strdup(&o->value, v->text);
    PT_RETURN(pt_value_bool(at, name, v, &on));
    return pt_strdup(&o->value, on ? "true" : "false");
}

static pt_status entry(const char *file, const pt_ynode *n, pt_task_spec *s)
{
    pt_place here = {file, n->line, n->column};
    if (n->kind != PT_YMAP) return pt_place_fail(here, "an evaluation is {task: NAME, path: FILE, ...}");
    const pt_ynode *task = pt_yaml_get(n, "task");
    const pt_task_kind *kind = task && task->kind == PT_YSCALAR ? pt_task_find(task->text) : NULL;
    s->line = strcmp(file, "command line") ? n->line : 0;
    s->column = n->column;
    PT_RETURN(pt_strdup(&s->file, file));
    PT_RETURN(pt_alloc0(&s->options, n->n));
    for (size_t i = 0; i < n->n; i++) {
        const char *key = n->keys[i];
        const pt_ynode *v = n->items[i];
        pt_place at = {file, n->key_line[i], n->key_column[i]};
        if (pt_yaml_is_null(v)) continue;
        if (!strcmp(key, "name")) PT_RETURN(pt_value_string(at, key, v, &s->name));
        else if (!strcmp(key, "task")) PT_RETURN(pt_value_string(at, key, v, &s->task));
        else if (!strcmp(key, "path")) PT_RETURN(pt_value_path(at, key, v, &s->path));
        else if (!strcmp(key, "published")) PT_RETURN(pt_value_string(at, key, v, &s->published));
        else if (!strcmp(key, "limit")) PT_RETURN(pt_value_int(at, key, v, 0, 1 << 30, &s->limit));
        else if (!strcmp(key, "during_training")) PT_RETURN(pt_value_bool(at, key, v, &s->during_training));
        else PT_RETURN(own_key(at, pt_task_key_of(kind, key), key, v, &s->options[s->n_options++]));
    }
    return pt_task_check(s);
}

void pt_evaluations_free(pt_task_spec *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        pt_entry_options_free(list[i].options, list[i].n_options);
        free(list[i].name);
        free(list[i].task);
        free(list[i].path);
        free(list[i].published);
        free(list[i].file);
    }
    free(list);
}

pt_status pt_value_evaluations(const char *file, const pt_ynode *n, pt_task_spec **out, size_t *out_n)
{
    size_t count = n->kind == PT_YSEQ ? n->n : 1;
    pt_task_spec *list;
    pt_status rc = PT_OK;
    PT_RETURN(pt_alloc0(&list, count));
    for (size_t i = 0; i < count && rc == PT_OK; i++) rc = entry(file, n->kind == PT_YSEQ ? n->items[i] : n, &list[i]);
    for (size_t i = 0; i < count && rc == PT_OK; i++)
        for (size_t k = 0; k < i && rc == PT_OK; k++)
            if (list[i].name && list[k].name && !strcmp(list[i].name, list[k].name))
                rc = pt_place_fail((pt_place){file, list[i].line, list[i].column}, "two evaluations are called %s", list[i].name);
    if (rc != PT_OK) {
        pt_evaluations_free(list, count);
        return rc;
    }
    pt_evaluations_free(*out, *out_n);
    *out = list;
    *out_n = count;
    return PT_OK;
}

pt_status pt_config_put_evaluations(pt_str *out, const char *key, const pt_task_spec *s, size_t n)
{
    if (!n) return PT_OK;
    PT_RETURN(pt_str_printf(out, "%s:\n", key));
    for (size_t i = 0; i < n; i++) {
        const char *texts[][2] = {{"task", s[i].task}, {"name", s[i].name}, {"path", s[i].path}, {"published", s[i].published}};
        for (size_t k = 0; k < 4; k++) {
            if (!texts[k][1]) continue;
            PT_RETURN(pt_str_printf(out, "  %s %s: ", k ? " " : "-", texts[k][0]));
            PT_RETURN(pt_yaml_quote(out, texts[k][1]));
            PT_RETURN(pt_str_puts(out, "\n"));
        }
        if (s[i].during_training) PT_RETURN(pt_str_puts(out, "    during_training: true\n"));
        if (s[i].limit) PT_RETURN(pt_str_printf(out, "    limit: %d\n", s[i].limit));
        for (size_t k = 0; k < s[i].n_options; k++) {
            PT_RETURN(pt_str_printf(out, "    %s: ", s[i].options[k].name));
            const pt_task_key *own = pt_task_key_of(pt_task_find(s[i].task), s[i].options[k].name);
            PT_RETURN(own && own->kind == PT_TASK_NESTED ? pt_str_puts(out, s[i].options[k].value) : pt_yaml_quote(out, s[i].options[k].value)); /* JSON is YAML */
            PT_RETURN(pt_str_puts(out, "\n"));
        }
    }
    return PT_OK;
}

static pt_status put_key(pt_str *out, bool markdown, const pt_entry_key *k)
{
    const char *fallback = k->fallback ? k->fallback : "";
    if (markdown) return pt_str_printf(out, "| `%s` | %s%s%s | %s |\n", k->name, *fallback ? "`" : "", fallback, *fallback ? "`" : "", k->help);
    return pt_str_printf(out, "  %-16s %s%s%s%s\n", k->name, k->help, *fallback ? " Default: " : "", fallback, *fallback ? "." : "");
}

/* Keys of each task, for help: "  key  what" lines, or rows of a Markdown table. */
pt_status pt_schema_tasks(pt_str *out, bool markdown)
{
    for (int i = 0; i < pt_task_count(); i++) {
        const pt_task_kind *t = pt_task_at(i);
        PT_RETURN(pt_str_printf(out, markdown ? "\n#### task: %s\n\n%s\n\n| key | default | |\n| --- | --- | --- |\n" : "\ntask: %s: %s\n", t->name, t->help));
        for (const pt_task_key *k = t->keys; k->name; k++) PT_RETURN(put_key(out, markdown, k));
        if (!t->nested) continue;
        PT_RETURN(pt_str_printf(out, markdown ? "\nEach of `%s`:\n\n| key | default | |\n| --- | --- | --- |\n" : "  each of %s:\n", t->nested_in));
        for (const pt_entry_key *k = t->nested; k->name; k++) PT_RETURN(put_key(out, markdown, k));
    }
    return PT_OK;
}

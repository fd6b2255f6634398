/* The list `evaluations`: each entry's own keys are its task's (eval/task/task.h). */
#include <stdlib.h>
#include <string.h>

#include "eval/task/task.h"
#include "train/cli/config_entries.h"

/* Keys of every evaluation, whatever its task. */
static pt_status own(pt_place at, const char *key, const pt_ynode *v, void *entry, bool *done)
{
    pt_task_spec *s = entry;
    *done = true;
    if (!strcmp(key, "task")) return pt_value_string(at, key, v, &s->task);
    if (!strcmp(key, "path")) return pt_value_path(at, key, v, &s->path);
    if (!strcmp(key, "published")) return pt_value_string(at, key, v, &s->published);
    if (!strcmp(key, "limit")) return pt_value_int(at, key, v, 0, 1 << 30, &s->limit);
    if (!strcmp(key, "during_training")) return pt_value_bool(at, key, v, &s->during_training);
    *done = false;
    return PT_OK;
}

static const pt_entry_key *keys_of(const pt_ynode *n)
{
    const pt_ynode *task = pt_yaml_get(n, "task");
    const pt_task_kind *kind = task && task->kind == PT_YSCALAR ? pt_task_find(task->text) : NULL;
    return kind ? kind->keys : NULL;
}

static pt_entry_parts parts_of(void *entry)
{
    pt_task_spec *s = entry;
    return (pt_entry_parts){&s->name, &s->file, &s->line, &s->column, &s->options, &s->n_options};
}

static pt_status check(const void *entry)
{
    return pt_task_check(entry);
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

static void free_list(void *list, size_t n)
{
    pt_evaluations_free(list, n);
}

pt_status pt_value_evaluations(const char *file, const pt_ynode *n, pt_task_spec **out, size_t *out_n)
{
    static const pt_entry_list kind = {.size = sizeof(pt_task_spec), .usage = "an evaluation is {task: NAME, path: FILE, ...}", .many = "evaluations", .parts = parts_of, .keys = keys_of, .own = own,
                                       .check = check, .free = free_list};
    void *list = *out;
    pt_status rc = pt_value_entries(&kind, file, n, &list, out_n);
    *out = list;
    return rc;
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

/* Keys of each task, for help: "  key  what" lines, or rows of a Markdown table. */
pt_status pt_schema_tasks(pt_str *out, bool markdown)
{
    for (int i = 0; i < pt_task_count(); i++) {
        const pt_task_kind *t = pt_task_at(i);
        PT_RETURN(pt_str_printf(out, markdown ? "\n#### task: %s\n\n%s\n\n| key | default | |\n| --- | --- | --- |\n" : "\ntask: %s: %s\n", t->name, t->help));
        for (const pt_task_key *k = t->keys; k->name; k++) PT_RETURN(pt_schema_entry_key(out, markdown, k));
        if (!t->nested) continue;
        PT_RETURN(pt_str_printf(out, markdown ? "\nEach of `%s`:\n\n| key | default | |\n| --- | --- | --- |\n" : "  each of %s:\n", t->nested_in));
        for (const pt_entry_key *k = t->nested; k->name; k++) PT_RETURN(pt_schema_entry_key(out, markdown, k));
    }
    return PT_OK;
}

/* From rows to items that are answered in writing. */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/rng.h"
#include "data/read/record.h"
#include "eval/task/writing.h"

enum { FILE_MOST = 64 << 20 };
const char *const pt_write_chat[] = {"auto", "true", "false", NULL};
const char *const pt_write_units[] = {"auto", "words", "characters", NULL};

void pt_write_item_free(pt_write_item *x)
{
    for (size_t k = 0; k < x->n_references; k++) free(x->references[k]);
    free(x->references);
    free(x->system);
    free(x->prompt);
    free(x->turns);
    json_decref(x->row);
    *x = (pt_write_item){0};
}

void pt_writing_free(pt_task *t, pt_writing *w)
{
    for (size_t i = 0; i < t->items; i++) pt_write_item_free(&w->items[i]);
    free(w->items);
    free(w->keep);
    json_decref(w->personas);
    json_decref(w->training);
    for (int s = 0; s < 2; s++) {
        pt_str_free(&w->dumped[s]);
        json_decref(w->said[s]);
        pt_report_parts_free(&w->own[s]);
    }
    *w = (pt_writing){0};
}

/* ---- what the entry names ---- */

static pt_status open_personas(const pt_task *t, pt_writing *w)
{
    const char *path = pt_task_text(t, "personas"), *name;
    json_t *v;
    if (!path) return PT_OK;
    PT_RETURN(pt_json_load(&w->personas, path, FILE_MOST, 0));
    if (!json_is_object(w->personas)) return pt_fail(PT_EFORMAT, "%s: {NAME: TEXT, ...} is wanted, it is %s", path, pt_json_kind(w->personas));
    json_object_foreach (w->personas, name, v)
        if (!json_is_string(v)) return pt_fail(PT_EFORMAT, "%s: persona '%s' is %s, not a text", path, name, pt_json_kind(v));
    return PT_OK;
}

static pt_status no_metric(const pt_task *t, const char *name)
{
    pt_str known = {0};
    for (const pt_task_metric *x = t->kind->metrics; x->key; x++)
        if (pt_str_printf(&known, "%s%s", known.len ? ", " : "", x->key) != PT_OK) break;
    pt_status rc = pt_task_fail(t, "metrics: the task %s has no '%.60s'; it has: %s", t->kind->name, name, known.text ? known.text : "");
    pt_str_free(&known);
    return rc;
}

static void list_add(pt_metric_list *list, int metric)
{
    for (int k = 0; k < list->n; k++)
        if (list->at[k] == metric) return;
    list->at[list->n++] = metric;
}

/* Those that `metrics` names, else all of the kind; what follows from another one brings that. */
static pt_status open_metrics(const pt_task *t, pt_writing *w)
{
    pt_status rc = PT_OK;
    char **names = NULL;
    size_t n = 0;
    PT_RETURN(pt_task_list(t, "metrics", &names, &n));
    for (const pt_task_metric *x = t->kind->metrics; !n && x->key; x++) list_add(&w->list, pt_metric_find(x->key));
    for (size_t i = 0; i < n; i++) {
        const pt_task_metric *x = t->kind->metrics;
        while (x->key && strcmp(x->key, names[i])) x++;
        if (!x->key) PT_TRY(no_metric(t, names[i]));
        list_add(&w->list, pt_metric_find(x->key));
        if (!strcmp(x->key, "perplexity")) list_add(&w->list, PT_METRIC_NLL_OWN);
    }
    for (int k = 0; k < w->list.n; k++) w->measured = w->measured || w->list.at[k] == PT_METRIC_NLL_OWN;
done:
    for (size_t i = 0; i < n; i++) free(names[i]);
    free(names);
    return rc;
}

typedef struct training {
    const char *path;
    json_t *answers;
} training;

static pt_status training_row(void *user, json_t *row, int64_t line)
{
    static const char *const names[] = {"references", "reference", "answer", "target", "generated", "response", "output", "text", NULL};
    training *x = user;
    char **list = NULL;
    size_t n = 0;
    bool bad = false;
    if (!row) return pt_fail_prefix(PT_EFORMAT, "%s:%lld", x->path, (long long)line);
    pt_status rc = pt_writing_references(row, names, true, &list, &n);
    for (size_t k = 0; k < n; k++) {
        bad = bad || (rc == PT_OK && json_array_append_new(x->answers, json_string(list[k])));
        free(list[k]);
    }
    free(list);
    if (bad) return pt_fail(PT_ENOMEM, "out of memory for training answers");
    return rc;
}

static pt_status open_training(pt_task *t, pt_writing *w)
{
    const char *path = pt_task_key_of(t->kind, "training") ? pt_task_text(t, "training") : NULL;
    if (!path) return PT_OK;
    w->training = json_array();
    training x = {path, w->training};
    if (!x.answers) return pt_fail(PT_ENOMEM, "out of memory for training answers");
    return pt_rows_read(path, NULL, training_row, &x);
}

pt_status pt_writing_open(pt_task *t, pt_writing *w)
{
    if (pt_task_number(t, "repeats") > 1 && !(pt_task_number(t, "temperature") > 0))
        return pt_task_fail(t, "repeats goes with a temperature above 0: the same answer would come again");
    const pt_sampling how = pt_writing_sampling(t);
    PT_RETURN(pt_task_check_sampling(t, &how));
    PT_RETURN(pt_writing_dump_check(t));
    PT_RETURN(open_personas(t, w));
    PT_RETURN(open_metrics(t, w));
    return open_training(t, w);
}

/* ---- a row ---- */

static const json_t *first_of(const json_t *row, const char *const *names, const char **name)
{
    for (; *names; names++) {
        const json_t *v = json_object_get(row, *names);
        *name = *names;
        if (v && !json_is_null(v)) return v;
    }
    *name = NULL;
    return NULL;
}

static pt_status add_reference(const char *text, const char *name, char ***list, size_t *n)
{
    const char *p = text;
    size_t left = strlen(text), bytes, cap = *n;
    while (left && pt_char_is_space(pt_char_next(p, left, &bytes))) p += bytes, left -= bytes;
    if (!left) return pt_fail(PT_EFORMAT, "%s holds an empty text", name);
    PT_RETURN(pt_reserve(list, &cap, *n + 1));
    PT_RETURN(pt_strdup(&(*list)[*n], text));
    ++*n;
    return PT_OK;
}

static pt_status add_value(const json_t *v, const char *name, char ***list, size_t *n)
{
    if (!json_is_string(v)) return pt_fail(PT_EFORMAT, "%s holds %s, not a text", name, pt_json_kind(v));
    return add_reference(json_string_value(v), name, list, n);
}

pt_status pt_writing_references(json_t *row, const char *const *names, bool required, char ***list, size_t *n)
{
    const char *name;
    const json_t *v = first_of(row, names, &name), *part;
    size_t i;
    if (json_is_object(v) && json_is_array(json_object_get(v, "text"))) v = json_object_get(v, "text"); /* SQuAD's */
    if (!v) return required ? pt_fail(PT_EFORMAT, "the row has no %s: nothing to compare with", names[0]) : PT_OK;
    if (!json_is_array(v)) return add_value(v, name, list, n);
    json_array_foreach (v, i, part) PT_RETURN(add_value(part, name, list, n));
    return *n || !required ? PT_OK : pt_fail(PT_EFORMAT, "%s holds no text: nothing to compare with", name);
}

static pt_status read_persona(const pt_task *t, const pt_writing *w, const json_t *row, pt_write_item *x, const char **text)
{
    static const char *const names[] = {"persona", "role", NULL};
    const char *name;
    const json_t *v = first_of(row, names, &name);
    *text = NULL;
    if (!w->personas || !v) return PT_OK;
    if (!json_is_string(v)) return pt_fail(PT_EFORMAT, "%s is %s, not a name", name, pt_json_kind(v));
    x->persona = json_string_value(v);
    *text = json_string_value(json_object_get(w->personas, x->persona));
    return *text ? PT_OK : pt_fail(PT_EFORMAT, "%s has no persona '%.60s'", pt_task_text(t, "personas"), x->persona);
}

static pt_status filled(const char *text, const json_t *row, char **out)
{
    pt_str s = {0};
    pt_status rc = pt_str_add(&s, "", 0);
    if (rc == PT_OK) rc = pt_task_fill(&s, text, row, NULL);
    if (rc == PT_OK) *out = s.text;
    else pt_str_free(&s);
    return rc;
}

/* *last: what a conversation's assistant says at its end. */
static pt_status read_prompt(const pt_task *t, const json_t *row, pt_write_item *x, const char **last)
{
    static const char *const names[] = {"question", "prompt", "instruction", "input", NULL};
    const char *said = pt_task_text(t, "prompt"), *name;
    const json_t *v = first_of(row, names, &name);
    const json_t *messages = json_object_get(row, "messages");
    *last = NULL;
    if (said) return filled(said, row, &x->prompt);
    if (messages) return pt_writing_turns(messages, x, last);
    if (!v) return pt_fail(PT_EFORMAT, "the row has no question (nor prompt, instruction, input, messages)");
    if (json_is_array(v)) return pt_writing_turns(v, x, last); /* a pair's prompt */
    if (!json_is_string(v)) return pt_fail(PT_EFORMAT, "%s is %s, not a text", name, pt_json_kind(v));
    return pt_strdup(&x->prompt, json_string_value(v));
}

static pt_status read_system(const pt_task *t, const json_t *row, const char *persona, pt_write_item *x)
{
    const json_t *own = json_object_get(row, "system");
    const char *said = pt_task_text(t, "system");
    if (own && !json_is_null(own) && !json_is_string(own)) return pt_fail(PT_EFORMAT, "system is %s, not a text", pt_json_kind(own));
    if (json_is_string(own)) return pt_strdup(&x->system, json_string_value(own));
    if (persona) return pt_strdup(&x->system, persona);
    return said ? filled(said, row, &x->system) : PT_OK;
}

static pt_status read_group(pt_task *t, const json_t *row, pt_write_item *x)
{
    const char *by = pt_task_text(t, "group_by");
    const json_t *group = json_object_get(row, by);
    if (group && !json_is_string(group)) return pt_fail(PT_EFORMAT, "%s is %s, not a text", by, pt_json_kind(group));
    return pt_task_scope(t, group ? json_string_value(group) : x->persona ? x->persona : "", &x->scope);
}

static pt_status read_cluster(const pt_task *t, const json_t *row, pt_write_item *x)
{
    const char *by = pt_task_text(t, "cluster_by");
    x->cluster = t->items;
    if (!by) return PT_OK;
    if (!strcmp(by, "group")) {
        x->cluster = x->scope;
        return PT_OK;
    }
    const json_t *v = json_object_get(row, by);
    if (!v) return pt_fail(PT_EFORMAT, "the row has no field '%s', which cluster_by names", by);
    char *text = json_dumps(v, JSON_ENCODE_ANY | JSON_SORT_KEYS);
    if (!text) return pt_fail(PT_ENOMEM, "out of memory reading an item");
    x->cluster = 0;
    for (const char *p = text; *p; p++) x->cluster = pt_hash_mix(x->cluster, (unsigned char)*p);
    free(text);
    return PT_OK;
}

pt_status pt_writing_read(pt_task *t, pt_writing *w, json_t *row, const char *const *names, bool required, pt_write_item *x)
{
    const char *persona, *last;
    x->row = json_incref(row);
    PT_RETURN(read_persona(t, w, row, x, &persona));
    PT_RETURN(read_prompt(t, row, x, &last));
    PT_RETURN(read_system(t, row, persona, x));
    pt_writing_system(x);
    PT_RETURN(pt_writing_references(row, names, required && !last, &x->references, &x->n_references));
    if (last && !x->n_references) PT_RETURN(add_reference(last, "the last message", &x->references, &x->n_references));
    PT_RETURN(read_group(t, row, x));
    return read_cluster(t, row, x);
}

pt_status pt_writing_place(pt_task *t, json_t *row, pt_write_item *x)
{
    x->row = json_incref(row);
    PT_RETURN(read_group(t, row, x));
    return read_cluster(t, row, x);
}

pt_status pt_writing_add(pt_task *t, pt_writing *w, pt_write_item *x)
{
    pt_status rc = pt_reserve(&w->items, &w->cap, t->items + 1);
    if (rc == PT_OK) w->items[t->items++] = *x;
    else pt_write_item_free(x);
    return rc;
}

/* choice: questions of several options, one of them right.
 *
 * A row: {"question": TEXT, "options": [TEXT, ...] | {"A": TEXT, ...} | {"label": [...], "text": [...]}, "answer": N | LETTER | TEXT, "system": TEXT,
 * "group": TEXT}. Other names that are read: choices for options; gold, label and target for answer. answer: a whole number counts from 0; a letter or
 * label; or the option's own text. group (or the field that `group_by` names) is the scope that it counts for. */
#include <stdlib.h>
#include <string.h>

#include "data/read/record.h"
#include "eval/task/chooser.h"

typedef struct state {
    pt_chooser chooser; /* first: pt_chooser_ask finds it there */
} state;

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

static pt_status add_text(pt_choose_item *x, const json_t *v)
{
    if (!json_is_string(v)) return pt_fail(PT_EFORMAT, "option %d is %s, not a text", x->n + 1, pt_json_kind(v));
    PT_RETURN(pt_strdup(&x->options[x->n], json_string_value(v)));
    x->n++;
    return PT_OK;
}

/* The options; *labels: what they are called, a list or an object's keys, NULL = letters. */
static pt_status read_options(const json_t *v, pt_choose_item *x, const json_t **labels)
{
    const json_t *texts = json_object_get(v, "text"), *part;
    const char *key;
    size_t i;
    *labels = NULL;
    if (json_is_object(v) && json_is_array(texts)) {
        *labels = json_object_get(v, "label");
        v = texts;
    } else if (json_is_object(v)) {
        *labels = v;
        PT_RETURN(pt_alloc0(&x->options, json_object_size(v)));
        json_object_foreach ((json_t *)v, key, part) PT_RETURN(add_text(x, part));
        return PT_OK;
    }
    if (!json_is_array(v)) return pt_fail(PT_EFORMAT, "options are %s; a list of texts is wanted", pt_json_kind(v));
    PT_RETURN(pt_alloc0(&x->options, json_array_size(v)));
    json_array_foreach (v, i, part) PT_RETURN(add_text(x, part));
    return PT_OK;
}

static int labelled(const json_t *labels, const char *name)
{
    int at = 0;
    const char *key;
    const json_t *v;
    size_t i;
    if (json_is_object(labels))
        json_object_foreach ((json_t *)labels, key, v) {
            if (!strcmp(key, name)) return at;
            at++;
        }
    json_array_foreach (labels, i, v)
        if (json_is_string(v) && !strcmp(json_string_value(v), name)) return (int)i;
    return -1;
}

static pt_status read_gold(const json_t *v, const json_t *labels, pt_choose_item *x)
{
    const char *text = json_string_value(v);
    x->gold = -1;
    if (json_is_integer(v)) {
        json_int_t at = json_integer_value(v);
        if (at >= 0 && at < x->n) x->gold = (int)at;
        else return pt_fail(PT_EFORMAT, "answer %lld: there are %d options, counted from 0", (long long)at, x->n);
    } else if (text) {
        x->gold = labelled(labels, text);
        for (int k = 0; x->gold < 0 && k < x->n; k++)
            if (!strcmp(x->options[k], text)) x->gold = k;
        if (x->gold < 0 && !labels && text[0] >= 'A' && text[0] < 'A' + x->n && !text[1]) x->gold = text[0] - 'A';
    } else {
        return pt_fail(PT_EFORMAT, "answer is %s; a number, a letter or an option's text is wanted", pt_json_kind(v));
    }
    return x->gold < 0 ? pt_fail(PT_EFORMAT, "answer '%.60s' is neither a letter nor the text of an option", text) : PT_OK;
}

static pt_status read_item(pt_task *t, json_t *row, pt_choose_item *x)
{
    static const char *const options[] = {"options", "choices", NULL}, *const golds[] = {"answer", "gold", "label", "target", NULL};
    const char *name;
    const json_t *v = first_of(row, options, &name), *gold = first_of(row, golds, &name), *labels;
    if (!v) return pt_fail(PT_EFORMAT, "the row has no options (nor choices)");
    if (!gold) return pt_fail(PT_EFORMAT, "the row has no answer: which option is right");
    PT_RETURN(read_options(v, x, &labels));
    PT_RETURN(read_gold(gold, labels, x));
    return pt_choose_item_read(t, row, x);
}

static pt_status add_row(pt_task *t, json_t *row, const char *source)
{
    state *s = t->state;
    pt_choose_item x = {0};
    (void)source;
    pt_status rc = read_item(t, row, &x);
    if (rc == PT_OK) return pt_chooser_add(t, &s->chooser, &x);
    pt_choose_item_free(&x);
    return rc;
}

static pt_status open_choice(pt_task *t)
{
    state *s;
    PT_RETURN(pt_alloc0(&s, 1));
    t->state = s;
    return pt_task_rows(t, add_row);
}

static void close_choice(pt_task *t)
{
    if (t->state) pt_chooser_free(t, &((state *)t->state)->chooser);
    free(t->state);
}

static const pt_task_key keys[] = {
    PT_CHOOSER_KEYS,
    {.name = "group_by", .kind = PT_TASK_TEXT, .fallback = "group", .help = "The field whose value is an item's group."},
    {.name = NULL},
};
static const pt_task_metric metrics[] = {{.key = "acc"}, {.key = "acc_norm"}, {.key = "acc_bytes"}, {.key = "acc_tokens"}, {.key = "acc_mutual_info"},
                                         {.key = "gold_probability"}, {.key = "brier"}, {.key = "ece"}, {.key = "parse_failures"},
                                         {.key = "position_bias"}, {.key = "order_agreement"}, {.key = NULL}};
const pt_task_kind pt_task_kind_choice = {.name = "choice", .help = "Questions of several options, one of them right.", .keys = keys, .metrics = metrics,
                                          .open = open_choice, .ask = pt_chooser_ask, .meet = pt_behind_meet, .judge = pt_chooser_judge, .close = close_choice};

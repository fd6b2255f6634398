/* label: texts of a fixed set of classes.
 *
 * A row: {"text": TEXT, "label": NAME, "system": TEXT, "group": TEXT}. The text may be called question, input or sentence too. label (or the field that
 * `field_label` names): a class's name, a truth value, or a whole number: a name, or else the class's place among `labels`, from 0. Without `labels` the
 * classes are those of the rows, in order of their bytes. */
#include <stdlib.h>
#include <string.h>

#include "data/read/record.h"
#include "eval/task/chooser.h"
#include "eval/task/class_table.h"
#include "eval/metric/classes.h"
#include "eval/stat/places.h"

typedef struct state {
    pt_chooser chooser; /* first: pt_chooser_ask finds it there */
    char **names, **texts; /* [n] of the classes: as rows call them, as they are written */
    size_t n, cap;
    json_t *list;       /* their texts with commas between, for prompts */
    uint32_t *places[2]; /* by side */
} state;

/* ---- the classes ---- */

static int find(const state *s, const char *name)
{
    for (size_t k = 0; k < s->n; k++)
        if (!strcmp(s->names[k], name)) return (int)k;
    return -1;
}

static pt_status add_class(state *s, const char *name, size_t bytes)
{
    size_t cap = s->cap;
    PT_RETURN(pt_reserve(&s->texts, &cap, s->n + 1));
    PT_RETURN(pt_reserve(&s->names, &s->cap, s->n + 1));
    PT_RETURN(pt_strndup(&s->names[s->n], name, bytes));
    s->n++;
    return PT_OK;
}

/* What the entry says: NAME, or NAME=TEXT as it is written. */
static pt_status said_classes(pt_task *t, state *s)
{
    pt_status rc = PT_OK;
    char **parts;
    size_t n;
    PT_TRY(pt_task_list(t, "labels", &parts, &n));
    for (size_t i = 0; i < n; i++) {
        const char *equal = strchr(parts[i], '='), *text = equal ? equal + 1 + strspn(equal + 1, " \t") : parts[i];
        size_t bytes = equal ? (size_t)(equal - parts[i]) : strlen(parts[i]);
        while (bytes && parts[i][bytes - 1] == ' ') bytes--;
        if (!bytes || !*text) PT_TRY(pt_task_fail(t, "labels: '%s' is neither NAME nor NAME=TEXT", parts[i]));
        PT_TRY(add_class(s, parts[i], bytes));
        PT_TRY(pt_strdup(&s->texts[s->n - 1], text));
    }
done:
    for (size_t i = 0; i < n; i++) free(parts[i]);
    free(parts);
    return rc;
}

/* A row's label as text. PT_EFORMAT: it has none. */
static pt_status label_of(const pt_task *t, const json_t *row, char number[24], const char **out)
{
    const char *field = pt_task_text(t, "field_label");
    const json_t *v = json_object_get(row, field);
    *out = json_is_string(v) ? json_string_value(v) : json_is_true(v) ? "true" : json_is_false(v) ? "false" : number;
    if (!v || json_is_null(v)) return pt_fail(PT_EFORMAT, "the row has no %s", field);
    if (*out != number) return **out ? PT_OK : pt_fail(PT_EFORMAT, "%s is empty", field);
    if (!json_is_integer(v)) return pt_fail(PT_EFORMAT, "%s is %s; a class's name is wanted", field, pt_json_kind(v));
    snprintf(number, 24, "%lld", (long long)json_integer_value(v));
    return PT_OK;
}

static pt_status meet(pt_task *t, json_t *row, const char *source)
{
    state *s = t->state;
    const char *name;
    char number[24];
    (void)source;
    PT_RETURN(label_of(t, row, number, &name));
    if (find(s, name) >= 0) return PT_OK;
    if (s->n == PT_CLASSES_MOST) return pt_fail(PT_EFORMAT, "label '%.60s' is one more than %d different ones", name, PT_CLASSES_MOST);
    return add_class(s, name, strlen(name));
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static pt_status open_classes(pt_task *t, state *s)
{
    pt_status rc = PT_OK;
    pt_str list = {0};
    if (pt_task_text(t, "labels")) {
        PT_TRY(said_classes(t, s));
    } else {
        if (pt_task_flag(t, "ordered")) PT_TRY(pt_task_fail(t, "ordered: true wants labels: from low to high"));
        PT_TRY(pt_task_rows(t, meet));
        qsort(s->names, s->n, sizeof *s->names, by_bytes);
        for (size_t k = 0; k < s->n; k++) PT_TRY(pt_strdup(&s->texts[k], s->names[k]));
    }
    if (s->n < 2) PT_TRY(pt_task_fail(t, s->n ? "'%s' is the only label: two are wanted at least" : "there are no labels", s->n ? s->names[0] : ""));
    if (s->n > PT_CLASSES_MOST) PT_TRY(pt_task_fail(t, "%zu labels: %d at most", s->n, PT_CLASSES_MOST));
    for (size_t k = 0; k < s->n; k++) {
        if (find(s, s->names[k]) != (int)k) PT_TRY(pt_task_fail(t, "two labels are called '%s'", s->names[k]));
        for (size_t i = 0; i < k; i++)
            if (!strcmp(s->texts[i], s->texts[k])) PT_TRY(pt_task_fail(t, "labels '%s' and '%s' are written alike: '%s'", s->names[i], s->names[k], s->texts[k]));
        PT_TRY(pt_str_printf(&list, "%s%s", k ? ", " : "", s->texts[k]));
    }
    s->list = json_string(list.text);
    PT_CHECK(s->list, PT_EFORMAT, "%s: a label is no valid UTF-8", t->spec->path);
    t->classes = s->names;
    t->n_classes = s->n;
done:
    pt_str_free(&list);
    return rc;
}

/* ---- the rows ---- */

static pt_status gold_of(const pt_task *t, const state *s, const json_t *row, int *gold)
{
    const char *name;
    char number[24];
    PT_RETURN(label_of(t, row, number, &name));
    *gold = find(s, name);
    if (*gold < 0 && name == number && number[0] != '-' && strtoull(number, NULL, 10) < s->n) *gold = (int)strtoull(number, NULL, 10);
    return *gold < 0 ? pt_fail(PT_EFORMAT, "label '%.60s' is none of: %s", name, json_string_value(s->list)) : PT_OK;
}

static pt_status read_item(pt_task *t, const state *s, json_t *row, pt_choose_item *x)
{
    PT_RETURN(gold_of(t, s, row, &x->gold));
    PT_RETURN(pt_choose_question(t, row));
    if (json_object_set(row, "classes", s->list)) return pt_fail(PT_ENOMEM, "out of memory reading an item");
    PT_RETURN(pt_alloc0(&x->options, s->n));
    for (size_t k = 0; k < s->n; k++, x->n++) PT_RETURN(pt_strdup(&x->options[k], s->texts[k]));
    return pt_choose_item_read(t, row, x);
}

static pt_status add_row(pt_task *t, json_t *row, const char *source)
{
    state *s = t->state;
    pt_choose_item x = {0};
    (void)source;
    pt_status rc = read_item(t, s, row, &x);
    if (rc == PT_OK) return pt_chooser_add(t, &s->chooser, &x);
    pt_choose_item_free(&x);
    return rc;
}

static pt_status open_label(pt_task *t)
{
    state *s;
    PT_RETURN(pt_alloc0(&s, 1));
    t->state = s;
    s->chooser.plain = "{question}\n\nWhich label fits best: {classes}?\nLabel:";
    PT_RETURN(open_classes(t, s));
    if (pt_task_text(t, "positive") && find(s, pt_task_text(t, "positive")) < 0)
        return pt_task_fail(t, "positive: '%s' is none of the labels: %s", pt_task_text(t, "positive"), json_string_value(s->list));
    return pt_task_rows(t, add_row);
}

static void close_label(pt_task *t)
{
    state *s = t->state;
    if (!s) return;
    pt_chooser_free(t, &s->chooser);
    for (size_t k = 0; k < s->n; k++) {
        free(s->names[k]);
        free(s->texts[k]);
    }
    free(s->names);
    free(s->texts);
    json_decref(s->list);
    for (int i = 0; i < 2; i++) free(s->places[i]);
    free(s);
}

/* ---- judging ---- */

/* Where each class's probability stands among all picks of both sides. */
static pt_status place(pt_task *t, state *s)
{
    pt_status rc = PT_OK;
    const size_t n = t->n_choices[0] + t->n_choices[1];
    double *v = NULL;
    uint32_t *at = NULL, most = 0, places;
    PT_TRY(pt_alloc0(&v, n));
    PT_TRY(pt_alloc0(&at, n));
    for (int i = 0; i < 2; i++) {
        free(s->places[i]);
        s->places[i] = NULL;
        PT_TRY(pt_alloc0(&s->places[i], t->n_choices[i] * s->n));
    }
    for (size_t k = 0; k < s->n; k++) {
        size_t m = 0;
        for (int side = 0; side < 2; side++)
            for (size_t i = 0; i < t->n_choices[side]; i++) v[m++] = t->choices[side][i].p[k];
        PT_TRY(pt_places(v, n, at, &places));
        if (places > most) most = places;
        m = 0;
        for (int side = 0; side < 2; side++)
            for (size_t i = 0; i < t->n_choices[side]; i++) s->places[side][i * s->n + k] = at[m++];
    }
    for (int side = 0; side < 2; side++)
        for (size_t i = 0; i < t->n_choices[side]; i++) {
            t->choices[side][i].place = s->places[side] + i * s->n;
            t->choices[side][i].places = most;
        }
done:
    free(v);
    free(at);
    return rc;
}

static pt_status judge_label(pt_task *t, const pt_reply *replies, pt_side side)
{
    state *s = t->state;
    const char *positive = pt_task_text(t, "positive");
    PT_RETURN(pt_chooser_judge(t, replies, side));
    for (size_t i = 0; i < t->n_choices[side]; i++) {
        t->choices[side][i].positive = positive ? 1 + find(s, positive) : 0;
        t->choices[side][i].ordered = pt_task_flag(t, "ordered");
    }
    return t->n_choices[side] && t->choices[side][0].p ? place(t, s) : PT_OK;
}

static const pt_task_key keys[] = {
    {.name = "labels", .kind = PT_TASK_LIST,
     .help = "The classes: [NAME, ...], or {NAME: how it is written, ...}. Unset: those of the rows, in alphabetical order."},
    {.name = "field_label", .kind = PT_TASK_TEXT, .fallback = "label", .help = "The field of a row's class."},
    {.name = "positive", .kind = PT_TASK_TEXT, .help = "The class whose own F1 and areas are shown. Unset: areas are means over the classes."},
    {.name = "ordered", .kind = PT_TASK_FLAG, .fallback = "false", .help = "labels go from low to high: weighted kappa and ordinal alpha are shown too."},
    PT_CHOOSER_KEYS,
    {.name = "group_by", .kind = PT_TASK_TEXT, .fallback = "group", .help = "The field whose value is an item's group."},
    {.name = NULL},
};
static const pt_task_metric metrics[] = {
    {.key = "acc"}, {.key = "f1_macro"}, {.key = "f1_micro"}, {.key = "f1_weighted"}, {.key = "f1_positive"}, {.key = "balanced_acc"}, {.key = "mcc"}, {.key = "kappa"},
    {.key = "kappa_linear"}, {.key = "kappa_quadratic"}, {.key = "alpha_nominal"}, {.key = "alpha_ordinal"}, {.key = "auroc"}, {.key = "auprc"},
    {.key = "acc_norm"}, {.key = "acc_tokens"}, {.key = "acc_mutual_info"}, {"gold_probability", "probability of the right class", 1}, {.key = "brier"}, {.key = "ece"},
    {"parse_failures", "answers that name no class", -1}, {.key = "position_bias"}, {.key = "order_agreement"}, {.key = NULL}};
const pt_task_kind pt_task_kind_label = {.name = "label", .help = "Texts of a fixed set of classes.", .keys = keys, .metrics = metrics, .open = open_label,
                                         .ask = pt_chooser_ask, .meet = pt_behind_meet, .judge = judge_label, .json = pt_class_json, .table = pt_class_table,
                                         .close = close_label};

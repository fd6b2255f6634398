/* probability: how likely a model holds each of a set of continuations (what someone does next: LABOR-LLM, Athey et al. 2024, arXiv:2406.17972): the exact
 * probability of each, the sum of its tokens' log-probabilities with the end token behind it, so that no continuation has another's in it.
 *
 * A row: {"prompt": TEXT, "continuations": [TEXT, ...], "answer": N | TEXT, "system": TEXT, "group": TEXT}. answer (what came true; counted from 0) may be
 * left out: then there are probabilities and no judgement. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/read/record.h"
#include "eval/task/chooser.h"

typedef struct state {
    pt_chooser chooser; /* first: pt_chooser_ask finds it there */
} state;

static pt_status read_answer(const json_t *v, pt_choose_item *x)
{
    const char *text = json_string_value(v);
    x->gold = -1;
    if (!v || json_is_null(v)) return PT_OK;
    if (json_is_integer(v)) {
        json_int_t at = json_integer_value(v);
        if (at < 0 || at >= x->n) return pt_fail(PT_EFORMAT, "answer %lld: there are %d continuations, counted from 0", (long long)at, x->n);
        x->gold = (int)at;
        return PT_OK;
    }
    if (!text) return pt_fail(PT_EFORMAT, "answer is %s; a number or a continuation's text is wanted", pt_json_kind(v));
    for (int k = 0; k < x->n && x->gold < 0; k++)
        if (!strcmp(x->options[k], text)) x->gold = k;
    return x->gold >= 0 ? PT_OK : pt_fail(PT_EFORMAT, "answer '%.60s' is none of the continuations", text);
}

static pt_status read_item(pt_task *t, json_t *row, pt_choose_item *x)
{
    const char *by = pt_task_text(t, "group_by"), *system = json_string_value(json_object_get(row, "system"));
    const json_t *list = json_object_get(row, "continuations"), *group = json_object_get(row, by), *v;
    size_t i;
    if (!list) return pt_fail(PT_EFORMAT, "the row has no continuations");
    if (!json_is_array(list)) return pt_fail(PT_EFORMAT, "continuations are %s; a list of texts is wanted", pt_json_kind(list));
    PT_RETURN(pt_alloc0(&x->options, json_array_size(list)));
    json_array_foreach (list, i, v) {
        if (!json_is_string(v)) return pt_fail(PT_EFORMAT, "continuation %zu is %s, not a text", i + 1, pt_json_kind(v));
        PT_RETURN(pt_strdup(&x->options[i], json_string_value(v)));
        x->n++;
    }
    PT_RETURN(read_answer(json_object_get(row, "answer"), x));
    if (system) PT_RETURN(pt_strdup(&x->system, system));
    x->row = json_incref(row);
    if (group && !json_is_string(group)) return pt_fail(PT_EFORMAT, "%s is %s, not a text", by, pt_json_kind(group));
    return pt_task_scope(t, group ? json_string_value(group) : "", &x->scope);
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

static pt_status open_probability(pt_task *t)
{
    state *s;
    PT_RETURN(pt_alloc0(&s, 1));
    s->chooser.end = PT_END_MEASURED;
    t->state = s;
    return pt_task_rows(t, add_row);
}

static void close_probability(pt_task *t)
{
    if (t->state) pt_chooser_free(t, &((state *)t->state)->chooser);
    free(t->state);
}

/* ---- eval.json ---- */

/* The log-probabilities of a side's pick of item i, null where it was not asked. */
static json_t *logp_of(const pt_task *t, int side, size_t i)
{
    const pt_pick *c = t->choices[side];
    for (size_t k = 0; k < t->n_choices[side]; k++) {
        if (c[k].item != i) continue;
        json_t *list = json_array();
        for (int o = 0; o < c[k].n; o++) json_array_append_new(list, json_real(c[k].logp[o]));
        return list;
    }
    return json_null();
}

/* "probabilities": [{"item": its number in the file from 1, "continuations", "answer": place | null, "before": [log p, ...] | null, "after"}]. */
static pt_status list_probabilities(const pt_task *t, json_t *out)
{
    const pt_chooser *c = &((const state *)t->state)->chooser;
    json_t *all = json_array();
    if (json_object_set_new(out, "probabilities", all)) return pt_fail(PT_ENOMEM, "out of memory writing the report");
    for (size_t i = 0; i < t->items; i++) {
        const pt_choose_item *x = &c->items[i];
        json_t *texts = json_array();
        if (!c->keep || !c->keep[i]) {
            json_decref(texts);
            continue;
        }
        for (int k = 0; k < x->n; k++) json_array_append_new(texts, pt_report_text(x->options[k]));
        json_t *one = json_pack("{sI so so so so}", "item", (json_int_t)i + 1, "continuations", texts, "answer", x->gold < 0 ? json_null() : json_integer(x->gold), "before",
                                logp_of(t, PT_BEFORE, i), "after", logp_of(t, PT_AFTER, i));
        if (!one || json_array_append_new(all, one)) return pt_fail(PT_ENOMEM, "out of memory writing the report");
    }
    return PT_OK;
}

static const pt_task_key keys[] = {
    {.name = "prompt", .kind = PT_TASK_TEXT, .fallback = "{prompt}", .help = "What is asked: {FIELD} of the row."},
    {.name = "system", .kind = PT_TASK_TEXT, .help = "System text; a row's own `system` wins. With fields as in prompt."},
    {.name = "chat", .kind = PT_TASK_WORD, .fallback = "auto", .words = pt_choose_chat,
     .help = "Whether it is asked through the chat template. auto: where the model has one. Without it no end token stands behind a continuation."},
    {.name = "delimiter", .kind = PT_TASK_TEXT, .fallback = " ", .help = "Between prompt and continuation, without a chat template."},
    {.name = "group_by", .kind = PT_TASK_TEXT, .fallback = "group", .help = "The field whose value is an item's group."},
    {.name = "cluster_by", .kind = PT_TASK_TEXT,
     .help = "The field of the rows whose equal values intervals and tests keep together, such as persona; group: the group. Unset: each item by itself."},
    {.name = NULL},
};
static const pt_task_metric metrics[] = {{.key = "gold_perplexity"}, {.key = "acc"}, {.key = "gold_probability"}, {.key = "mass"}, {.key = "brier"},
                                         {.key = "ece"}, {.key = NULL}};
const pt_task_kind pt_task_kind_probability = {.name = "probability", .help = "The exact probability of each of a set of continuations.", .keys = keys,
                                               .metrics = metrics, .open = open_probability, .ask = pt_chooser_ask, .judge = pt_chooser_judge,
                                               .json = list_probabilities, .close = close_probability};

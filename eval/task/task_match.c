/* match: answers that are right or wrong: against references, a pattern, the fields of a JSON object, the labels of a sequence, slots.
 *
 * A row: a question as for `text`, and at least one of {"references": [TEXT, ...], "pattern": REGULAR EXPRESSION, "json": {FIELD: VALUE}, "labels": ["B-X", "I-X", "O"], "slots":
 * {NAME: VALUE | [VALUE, ...]}}. Rows of BEYOND DIALOGUE are read as they are. References may be called as for `text`, and `answers` (SQuAD's {"text": [...]} too) or `gold`. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval/metric/tally.h"
#include "eval/metric/wanted.h"
#include "eval/task/held.h"
#include "eval/task/writing.h"

/* What a row's answer has of a type of spans. */
typedef struct part {
    size_t row, type;
    double both, found, wanted;
} part;

typedef struct parts {
    part *list;
    size_t n, cap;
} parts;

typedef struct names {
    char **list;
    size_t n, cap;
} names;

typedef struct state {
    pt_writing writing; /* first: pt_writing_ask finds it there */
    names fields, types; /* of the rows; types that answers have come behind */
    json_t *shape; /* of the objects that rows want; NULL: none does */
    char *held;    /* the constraint of it */
    parts spans[2], right[2]; /* by side: spans by type; fields by name (found unused) */
} state;

static pt_status name_at(names *x, const char *name, size_t *out)
{
    for (*out = 0; *out < x->n; ++*out)
        if (!strcmp(x->list[*out], name)) return PT_OK;
    PT_RETURN(pt_reserve(&x->list, &x->cap, x->n + 1));
    PT_RETURN(pt_strdup(&x->list[x->n], name));
    x->n++;
    return PT_OK;
}

/* ---- rows ---- */

static pt_status note_names(state *s, const pt_wanted *w)
{
    const char *name;
    json_t *v;
    size_t at;
    json_object_foreach (w->fields, name, v) PT_RETURN(name_at(&s->fields, name, &at));
    for (size_t i = 0; i < w->spans.n; i++) PT_RETURN(name_at(&s->types, w->spans.list[i].type, &at));
    if (!w->fields) return PT_OK;
    if (!s->shape) s->shape = json_object();
    return s->shape ? pt_held_widen(s->shape, w->fields) : pt_fail(PT_ENOMEM, "out of memory reading a row");
}

/* The text of a conversation's turn of this role; NULL: none. */
static json_t *turn_of(const json_t *turns, const char *role)
{
    json_t *turn, *found = NULL;
    size_t i;
    json_array_foreach (turns, i, turn)
        if (json_is_string(json_object_get(turn, "role")) && !strcmp(json_string_value(json_object_get(turn, "role")), role)) found = json_object_get(turn, "content");
    return found;
}

/* BEYOND DIALOGUE's rows (Yu et al. 2024), {"Q": conversation, "A": [TEXT, ...], "type": NAME, "language"}: the names of type NAME are the slots. */
static pt_status from_alignment(json_t *row)
{
    json_t *q = json_object_get(row, "Q"), *a = json_object_get(row, "A"), *type = json_object_get(row, "type"), *said, *system, *slots;
    if (!json_is_array(q) || !json_is_array(a) || !json_is_string(type) || json_object_get(row, "slots")) return PT_OK;
    said = turn_of(q, "user");
    system = turn_of(q, "system");
    if (!said) return pt_fail(PT_EFORMAT, "Q has no turn of the user");
    slots = json_pack("{sO}", json_string_value(type), a);
    bool bad = !slots || json_object_set_new(row, "slots", slots) || json_object_set(row, "question", said) || (system && json_object_set(row, "system", system)) ||
               (!json_object_get(row, "group") && json_object_set(row, "group", type));
    return bad ? pt_fail(PT_ENOMEM, "out of memory reading a row") : PT_OK;
}

static pt_status read_row(pt_task *t, state *s, json_t *row, pt_write_item *x)
{
    static const char *const keys[] = {"references", "reference", "answer", "answers", "target", "gold", "output", "response", "generated", NULL};
    pt_wanted *w = NULL;
    PT_RETURN(from_alignment(row));
    PT_RETURN(pt_writing_read(t, &s->writing, row, keys, false, x));
    PT_RETURN(pt_wanted_read(row, pt_task_text(t, "pattern"), &w));
    x->extra = w;
    if (!w && !x->n_references) return pt_fail(PT_EFORMAT, "the row has no references (nor pattern, json, labels, slots): nothing to compare with");
    return w ? note_names(s, w) : PT_OK;
}

static pt_status add_row(pt_task *t, json_t *row, const char *source)
{
    state *s = t->state;
    pt_write_item x = {0};
    (void)source;
    pt_status rc = read_row(t, s, row, &x);
    void *wanted = (void *)x.extra;
    if (rc == PT_OK) rc = pt_writing_add(t, &s->writing, &x);
    else pt_write_item_free(&x);
    if (rc != PT_OK) pt_wanted_free(wanted);
    return rc;
}

static pt_status open_match(pt_task *t)
{
    state *s;
    PT_RETURN(pt_alloc0(&s, 1));
    t->state = s;
    PT_RETURN(pt_writing_open(t, &s->writing));
    PT_RETURN(pt_task_rows(t, add_row));
    if (!pt_held(t)) return PT_OK;
    if (!s->shape) return pt_task_fail(t, "constrain holds answers to JSON objects, and no row of %s has `json`", t->spec->path);
    PT_RETURN(pt_held_schema(s->shape, &s->held));
    for (size_t i = 0; i < t->items; i++) {
        const pt_wanted *w = s->writing.items[i].extra;
        if (w && w->fields) s->writing.items[i].held = s->held;
    }
    return PT_OK;
}

static void names_free(names *x)
{
    for (size_t i = 0; i < x->n; i++) free(x->list[i]);
    free(x->list);
}

static void close_match(pt_task *t)
{
    state *s = t->state;
    if (!s) return;
    for (size_t i = 0; i < t->items; i++) pt_wanted_free((void *)s->writing.items[i].extra);
    pt_writing_free(t, &s->writing);
    names_free(&s->fields);
    names_free(&s->types);
    json_decref(s->shape);
    free(s->held);
    for (int k = 0; k < 2; k++) {
        free(s->spans[k].list);
        free(s->right[k].list);
    }
    free(s);
}

static pt_status ask_match(pt_task *t, const pt_speller *speller, pt_requests *q)
{
    state *s = t->state;
    PT_RETURN(pt_writing_ask(t, speller, q));
    for (size_t i = 0; i < t->items; i++)
        if (s->writing.items[i].extra) PT_RETURN(pt_wanted_split((void *)s->writing.items[i].extra, s->writing.units));
    return PT_OK;
}

/* ---- what each answer has ---- */

static pt_status add_part(parts *x, part p)
{
    PT_RETURN(pt_reserve(&x->list, &x->cap, x->n + 1));
    x->list[x->n++] = p;
    return PT_OK;
}

static pt_status take_fields(state *s, const pt_wanted *w, size_t row, const char *answer, parts *to)
{
    pt_status rc = PT_OK;
    pt_wanted_fields f;
    const char *name;
    json_t *v;
    bool *right;
    size_t at, i = 0;
    PT_RETURN(pt_alloc0(&right, json_object_size(w->fields)));
    pt_wanted_compare(w, answer, &f, right);
    json_object_foreach (w->fields, name, v) {
        PT_TRY(name_at(&s->fields, name, &at));
        PT_TRY(add_part(to, (part){.row = row, .type = at, .both = right[i++], .wanted = 1}));
    }
done:
    free(right);
    return rc;
}

static pt_status take_spans(state *s, const pt_wanted *w, size_t row, const char *answer, parts *to)
{
    pt_status rc = PT_OK;
    pt_spans found = {0};
    bool read;
    size_t at;
    PT_TRY(pt_wanted_find(w, s->writing.units, answer, &found, &read));
    for (size_t i = 0; i < found.n; i++) {
        PT_TRY(name_at(&s->types, found.list[i].type, &at));
        PT_TRY(add_part(to, (part){.row = row, .type = at, .both = pt_spans_have(&w->spans, &found.list[i]), .found = 1}));
    }
    for (size_t i = 0; i < w->spans.n; i++) {
        PT_TRY(name_at(&s->types, w->spans.list[i].type, &at));
        PT_TRY(add_part(to, (part){.row = row, .type = at, .wanted = 1}));
    }
done:
    pt_spans_free(&found);
    return rc;
}

static pt_status take_side(pt_task *t, state *s, const pt_reply *replies, pt_side side)
{
    size_t n = 0;
    const pt_write_item **item = NULL;
    const pt_reply **reply = NULL;
    pt_status rc = pt_writing_answers(t, &s->writing, replies, &item, &reply, &n);
    s->spans[side].n = s->right[side].n = 0;
    for (size_t i = 0; rc == PT_OK && i < n; i++) {
        const pt_wanted *w = item[i]->extra;
        if (w && w->fields) rc = take_fields(s, w, i, reply[i]->text, &s->right[side]);
        if (rc == PT_OK && w && (w->labels || w->slots)) rc = take_spans(s, w, i, reply[i]->text, &s->spans[side]);
    }
    free(item);
    free(reply);
    return rc;
}

/* ---- rows of names ---- */

enum { MACRO = 3 };

/* Fields {right, wanted}, then types {both, found, wanted}: the share of each field, macro precision, recall and F1, the F1 of each type. */
static void values(const void *user, const double *sums, double *out)
{
    const state *s = user;
    for (size_t k = 0; k < s->fields.n; k++, sums += 2) *out++ = sums[1] > 0 ? sums[0] / sums[1] : NAN;
    if (s->types.n) pt_spans_macro(sums, s->types.n, out + MACRO, out);
}

/* parts of one side, in the names that are known now. */
static pt_status lay_out(pt_task *t, state *s, pt_side side, size_t width)
{
    struct pt_report_parts *own = &s->writing.own[side];
    PT_RETURN(pt_writing_own(t, &s->writing, side, width));
    for (size_t i = 0; i < s->right[side].n; i++) {
        const part *p = &s->right[side].list[i];
        double *to = own->of + p->row * width + 2 * p->type;
        to[0] += p->both;
        to[1] += p->wanted;
    }
    for (size_t i = 0; i < s->spans[side].n; i++) {
        const part *p = &s->spans[side].list[i];
        double *to = own->of + p->row * width + 2 * s->fields.n + 3 * p->type;
        to[0] += p->both;
        to[1] += p->found;
        to[2] += p->wanted;
    }
    return PT_OK;
}

static pt_status call(pt_tally_row *row, const char *metric, const char *label, const char *name, bool detail)
{
    *row = (pt_tally_row){.form = PT_FORM_SHARE, .detail = detail};
    PT_RETURN(pt_asprintf(&row->metric, metric, name));
    return pt_asprintf(&row->label, label, name);
}

static pt_status call_rows(const state *s, pt_tally_row *row)
{
    static const char *const macro[MACRO][2] = {{"span_precision_macro", "precision, mean of types"}, {"span_recall_macro", "recall, mean of types"}, {"span_f1_macro", "F1, mean of types"}};
    for (size_t k = 0; k < s->fields.n; k++) PT_RETURN(call(row++, "field.%s", "field '%s' is right", s->fields.list[k], false));
    for (int k = 0; s->types.n && k < MACRO; k++) PT_RETURN(call(row++, "%s", macro[k][1], macro[k][0], k < 2));
    for (size_t k = 0; k < s->types.n; k++) PT_RETURN(call(row++, "span.%s", "F1 of '%s'", s->types.list[k], false));
    return PT_OK;
}

static pt_status find_names(pt_task *t, state *s, pt_side side)
{
    pt_status rc = PT_OK;
    size_t width = 2 * s->fields.n + 3 * s->types.n, n = s->fields.n + (s->types.n ? MACRO + s->types.n : 0);
    pt_tally_row *rows = NULL;
    if (!n) return PT_OK;
    for (int k = 0; k < 2; k++)
        if (t->report.parts[k].n) PT_TRY(lay_out(t, s, (pt_side)k, width));
    PT_TRY(pt_alloc0(&rows, n));
    PT_TRY(call_rows(s, rows));
    const pt_tally tally = {.width = width, .values = n, .value = values, .user = s, .side = {&s->writing.own[0], &s->writing.own[1]}};
    PT_TRY(pt_tally_find(&tally, side, rows, t->scopes, t->n_scopes, t->seed, &t->findings));
done:
    if (rows) pt_tally_rows_free(rows, n);
    return rc;
}

/* Replies behind all items': those that were asked freely. */
static void judge_freely(pt_task *t, const state *s, const pt_reply *next, pt_side side)
{
    t->freely[side].asked = t->freely[side].unread = 0;
    for (size_t i = 0; i < t->items; i++)
        if (s->writing.keep[i]) next += pt_writing_replies(t, &s->writing, i);
    for (size_t i = 0; i < t->items; i++) {
        pt_wanted_fields f = {0};
        if (!s->writing.items[i].freely) continue;
        pt_wanted_compare(s->writing.items[i].extra, (next++)->text, &f, NULL);
        pt_held_count(t, side, !f.read);
    }
}

static pt_status judge_match(pt_task *t, const pt_reply *replies, pt_side side)
{
    state *s = t->state;
    judge_freely(t, s, replies, side);
    PT_RETURN(pt_writing_judge(t, replies, side));
    PT_RETURN(take_side(t, s, replies, side));
    return find_names(t, s, side);
}

static const pt_task_key keys[] = {
    PT_WRITING_KEYS,
    PT_HELD_KEY,
    {.name = "pattern", .kind = PT_TASK_TEXT, .help = "A POSIX extended regular expression that a right answer has; a row's own `pattern` wins."},
    {.name = NULL},
};
static const pt_task_metric metrics[] = {{.key = "normal_match"}, {.key = "token_f1"}, {.key = "exact_match"}, {.key = "contains_match"}, {.key = "pattern_match"}, {.key = "json_fields"},
                                         {.key = "json_whole"}, {.key = "json_parse_failures"}, {.key = "span_f1"}, {.key = "span_precision"}, {.key = "span_recall"},
                                         {.key = "span_parse_failures"}, {.key = "stopped_share"}, {.key = NULL}};
const pt_task_kind pt_task_kind_match = {.name = "match", .help = "Answers that are right or wrong: by references, patterns, JSON fields, labels, slots.", .keys = keys, .metrics = metrics,
                                         .open = open_match, .ask = ask_match, .judge = judge_match, .json = pt_writing_json, .close = close_match};

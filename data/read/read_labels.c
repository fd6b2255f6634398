/* labels: a text and what it is: {"text": TEXT, "label": LABEL}. Instead of a text a row may have ready ids (input_ids), a conversation as messages and
 * sharegpt have it, or question and answer as alpaca has them; what is judged ends with its last message.
 *
 * LABEL is one of
 *   - a class: its name among `labels` of the data set, or its number, counted from 0;
 *   - a number, of a text that is measured;
 *   - a list of numbers, or {NAME: number} with every name of `labels`: a vector;
 *   - a list of names: those of `labels` that are there, which makes a vector of 0 and 1; [] = none.
 * A text that spells a number is that number (CSV), true and false are 1 and 0. The columns are those of train/objective/label_columns.h. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/read/record.h"

enum { MOST_LABELS = 32 };

int pt_label_find(const pt_dataset_spec *s, const char *name, size_t *n)
{
    const char *names = pt_dataset_says(s, "labels"), *end;
    size_t k = 0, bytes = strlen(name);
    int at = -1;
    for (const char *p = names; p && *p; p = *end ? end + 1 : end, k++) {
        end = p + strcspn(p, "\n");
        if ((size_t)(end - p) == bytes && !memcmp(p, name, bytes)) at = (int)k;
    }
    if (n) *n = k;
    return at;
}

pt_status pt_dataset_labels(const pt_dataset_spec *s, char ***names, size_t *n)
{
    const char *text = pt_dataset_says(s, "labels"), *end;
    pt_status rc = PT_OK;
    size_t count = 0;
    *names = NULL;
    *n = 0;
    if (!text || !*text) return PT_OK;
    pt_label_find(s, "", &count);
    PT_RETURN(pt_alloc0(names, count));
    for (const char *p = text; *p; p = *end ? end + 1 : end) {
        end = p + strcspn(p, "\n");
        PT_TRY(pt_strndup(&(*names)[*n], p, (size_t)(end - p)));
        ++*n;
    }
done:
    if (rc != PT_OK) {
        pt_dataset_labels_free(*names, *n);
        *names = NULL;
        *n = 0;
    }
    return rc;
}

void pt_dataset_labels_free(char **names, size_t n)
{
    for (size_t i = 0; i < n; i++) free(names[i]);
    free(names);
}

/* Names of the list, as many as fit. */
static const char *listed(const pt_dataset_spec *s, char *out, size_t size)
{
    const char *names = pt_dataset_says(s, "labels");
    size_t n = 0;
    for (const char *p = names; p && *p && n + 4 < size; p++) {
        if (*p == '\n') out[n++] = ',';
        out[n++] = *p == '\n' ? ' ' : *p;
    }
    out[n] = 0;
    return out;
}

static pt_status unknown_name(const pt_dataset_spec *s, const char *key, const char *name)
{
    char known[160];
    if (!pt_dataset_says(s, "labels"))
        return pt_fail(PT_EFORMAT, "'%s' is '%.60s', a name, and the data set lists no names: labels: [NAME, ...] says which there are, in the order of their numbers", key, name);
    return pt_fail(PT_EFORMAT, "'%s' is '%.60s', which is none of labels: %s", key, name, listed(s, known, sizeof known));
}

static pt_status put(pt_record *rec, size_t k, double v)
{
    char name[PT_COLUMN_NAME];
    if (k) snprintf(name, sizeof name, "label_%u", (unsigned)k);
    else snprintf(name, sizeof name, "label");
    if (!isfinite((float)v)) return pt_fail(PT_EFORMAT, "a label is not finite");
    return pt_values_put(&rec->columns, name, (float)v);
}

/* A scalar that stands alone or in a vector; names: whether a class's name will do. */
static pt_status number_of(pt_reader *r, const char *key, const json_t *v, bool names, double *out)
{
    char spelt[32];
    const char *text = json_is_string(v) ? json_string_value(v) : json_is_true(v) ? "true" : json_is_false(v) ? "false" : NULL;
    char *end = NULL;
    if (json_is_integer(v)) snprintf(spelt, sizeof spelt, "%lld", (long long)json_integer_value(v));
    int at = names && (text || json_is_integer(v)) ? pt_label_find(r->spec, text ? text : spelt, NULL) : -1;
    if (at >= 0) return *out = at, PT_OK;
    if (json_is_number(v)) return *out = json_number_value(v), PT_OK;
    if (json_is_boolean(v)) return *out = json_is_true(v) ? 1 : 0, PT_OK;
    if (!text) return pt_fail(PT_EFORMAT, "'%s' is %s; a label is a name, a number or a list", key, pt_row_kind(v));
    *out = strtod(text, &end);
    if (end == text || *end) return unknown_name(r->spec, key, text);
    return PT_OK;
}

/* Names that are there, of all names. */
static pt_status read_names(pt_reader *r, const char *key, json_t *list, size_t *given)
{
    size_t n = 0, i;
    json_t *v;
    pt_label_find(r->spec, "", &n);
    if (!n) return pt_fail(PT_EFORMAT, "'%s' is a list of names, and the data set lists none: labels: [NAME, ...] says which there are", key);
    if (n > MOST_LABELS) return pt_fail(PT_EFORMAT, "labels names %zu; a text can have a list of %d at most", n, MOST_LABELS);
    for (size_t k = 0; k < n; k++) PT_RETURN(put(&r->rec, k, 0));
    json_array_foreach(list, i, v)
    {
        int at = json_is_string(v) ? pt_label_find(r->spec, json_string_value(v), NULL) : -1;
        if (!json_is_string(v)) return pt_fail(PT_EFORMAT, "'%s' mixes names with %s", key, pt_row_kind(v));
        if (at < 0) return unknown_name(r->spec, key, json_string_value(v));
        PT_RETURN(put(&r->rec, (size_t)at, 1));
    }
    *given = n;
    return PT_OK;
}

static pt_status read_vector(pt_reader *r, const char *key, json_t *list, size_t *given)
{
    size_t i;
    json_t *v;
    if (json_array_size(list) > MOST_LABELS) return pt_fail(PT_EFORMAT, "'%s' has %zu numbers; %d are the most", key, json_array_size(list), MOST_LABELS);
    json_array_foreach(list, i, v)
    {
        double x;
        if (json_is_string(v)) return pt_fail(PT_EFORMAT, "'%s' mixes numbers with names", key);
        PT_RETURN(number_of(r, key, v, false, &x));
        PT_RETURN(put(&r->rec, i, x));
    }
    *given = json_array_size(list);
    return PT_OK;
}

/* {NAME: number}: all that are listed, and no other. */
static pt_status read_named(pt_reader *r, const char *key, json_t *map, size_t *given)
{
    size_t n = 0;
    const char *name;
    json_t *v;
    pt_label_find(r->spec, "", &n);
    if (n > MOST_LABELS) return pt_fail(PT_EFORMAT, "labels names %zu; a text can have %d numbers at most", n, MOST_LABELS);
    json_object_foreach(map, name, v)
    {
        double x;
        int at = pt_label_find(r->spec, name, NULL);
        if (at < 0) return unknown_name(r->spec, key, name);
        pt_status rc = json_is_null(v) ? pt_fail(PT_EFORMAT, "null") : number_of(r, name, v, false, &x);
        if (rc != PT_OK) return pt_fail_prefix(rc, "'%s'", key);
        PT_RETURN(put(&r->rec, (size_t)at, x));
    }
    if (json_object_size(map) != n) return pt_fail(PT_EFORMAT, "'%s' has %zu of the %zu numbers that labels names", key, json_object_size(map), n);
    *given = n;
    return PT_OK;
}

/* The row's label, where something is said, if only [] for none. */
static json_t *find_label(pt_reader *r, json_t *row, const char **key)
{
    static const char *const names[] = {"label", "labels", NULL};
    const char *named[] = {pt_dataset_says(r->spec, "field_label"), NULL};
    for (const char *const *p = named[0] ? named : names; *p; p++) {
        json_t *v = pt_row_path(row, *p);
        *key = *p;
        if (v && !json_is_null(v) && !(json_is_string(v) && !pt_row_says(v))) return pt_row_take(r, row, *p);
    }
    *key = named[0] ? named[0] : names[0];
    return NULL;
}

static pt_status read_label(pt_reader *r, json_t *row)
{
    const char *key;
    json_t *v = find_label(r, row, &key), *list = v;
    size_t given = 1;
    double x;
    if (!v) return pt_row_path(row, key) ? pt_fail(PT_EFORMAT, "'%s' is empty: the row has no label", key) : pt_row_missing(NULL, row, key);
    if (json_is_string(v)) PT_RETURN(pt_row_list(r, v, &list));
    if (json_is_array(list)) {
        bool names = !json_array_size(list) || json_is_string(json_array_get(list, 0));
        PT_RETURN(names ? read_names(r, key, list, &given) : read_vector(r, key, list, &given));
    } else if (json_is_object(v) && !pt_json_odd(v)) {
        PT_RETURN(read_named(r, key, v, &given));
    } else {
        PT_RETURN(number_of(r, key, v, true, &x));
        PT_RETURN(put(&r->rec, 0, x));
    }
    return pt_values_put(&r->rec.columns, "labels_given", (float)given);
}

/* The conversation, where there is one. */
static pt_status read_turns(pt_reader *r, json_t *row, pt_turns *t)
{
    json_t *list = pt_row_templates(r) ? NULL : pt_read_list(r, row), *answer;
    const char *made;
    size_t n_made;
    if (list) {
        PT_RETURN(pt_read_turns(r, list, t));
        if (!t->n) return pt_fail(PT_EFORMAT, "the list holds no messages");
        return PT_OK;
    }
    PT_RETURN(pt_read_question(r, row, t));
    PT_RETURN(pt_row_filled(r, row, "answer_template", &made, &n_made));
    if (made) return pt_record_turn(t, PT_ASSISTANT, made, n_made);
    answer = t->n ? pt_read_output(r, row) : NULL;
    if (json_is_string(answer)) return pt_record_turn(t, PT_ASSISTANT, json_string_value(answer), json_string_length(answer));
    return PT_OK;
}

static pt_status read_labels(pt_reader *r, json_t *row)
{
    pt_record *rec = &r->rec;
    pt_answer *a = &rec->answers[0];
    const char *field = pt_dataset_value(r->spec, "field_text");
    PT_RETURN(read_label(r, row));
    PT_RETURN(pt_row_filled(r, row, "text_template", &a->text, &a->bytes));
    if (a->text) {
        rec->kind = PT_RECORD_TEXT;
        return r->sink(r->user, rec, r->line);
    }
    if (!pt_row_templates(r) && pt_row_says(pt_row_path(row, field))) {
        rec->kind = PT_RECORD_TEXT;
        pt_row_take(r, row, field);
        PT_RETURN(pt_row_string(row, field, true, &a->text, &a->bytes));
        return r->sink(r->user, rec, r->line);
    }
    if (!pt_row_templates(r) && json_object_get(row, "input_ids")) {
        PT_RETURN(pt_read_ids(r, row));
        return r->sink(r->user, rec, r->line);
    }
    PT_RETURN(read_turns(r, row, &a->turns));
    if (!a->turns.n) return pt_row_path(row, field) ? pt_fail(PT_EFORMAT, "'%s' is empty", field) : pt_row_missing(NULL, row, field);
    PT_RETURN(pt_read_system(r, row, &a->turns, NULL));
    for (size_t i = 0; i < a->turns.n; i++) { /* the last turn's end is where the head reads */
        a->turns.turns[i].has_weight = true;
        a->turns.turns[i].weight = i + 1 == a->turns.n ? 1 : 0;
    }
    return r->sink(r->user, rec, r->line);
}

const pt_data_key pt_keys_of_labels[] = {
    {.key = "labels", .aliases = "label_names", .kind = PT_DATA_LIST, .after = "field_text",
     .help = "labels: [NAME, ...]: the names of classes, or of a vector's numbers, in the order of their numbers; saved as id2label. Several heads of a "
             "reward model are named so too."},
    {.key = "field_head", .kind = PT_DATA_COLUMN,
     .help = "Column of the head that a pair is about (reward with num_labels): a name of `labels`, or a number from 1. A pair that says none is about all."},
    {0}};

const pt_data_type pt_data_type_labels = {
    .name = "labels", .also = "classification text_classification", .sft = read_labels, .judged = true, .list = "messages",
    .keys = (const pt_data_key *const[]){pt_keys_of_texts, pt_keys_of_verdicts, pt_keys_of_labels, pt_keys_of_templates, pt_keys_of_questions, NULL}};

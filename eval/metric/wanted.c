#include "eval/metric/wanted.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"

void pt_wanted_free(pt_wanted *w)
{
    if (!w) return;
    if (w->has_pattern) regfree(&w->pattern);
    json_decref(w->fields);
    json_decref(w->slot_object);
    pt_spans_free(&w->spans);
    free(w);
}

static pt_status read_pattern(const json_t *row, const char *common, pt_wanted *w)
{
    const json_t *v = json_object_get(row, "pattern");
    const char *text = v && !json_is_null(v) ? json_string_value(v) : common;
    char why[120];
    if (v && !json_is_null(v) && !text) return pt_fail(PT_EFORMAT, "pattern is %s, not a text", pt_json_kind(v));
    if (!text) return PT_OK;
    int bad = regcomp(&w->pattern, text, REG_EXTENDED | REG_NOSUB);
    if (!bad) {
        w->has_pattern = true;
        return PT_OK;
    }
    regerror(bad, &w->pattern, why, sizeof why);
    return pt_fail(PT_EFORMAT, "pattern '%.80s' is no regular expression: %s", text, why);
}

static void free_labels(char **labels, size_t n)
{
    for (size_t i = 0; i < n; i++) free(labels[i]);
    free(labels);
}

static pt_status read_labels(const json_t *v, pt_wanted *w)
{
    pt_status rc = PT_OK;
    char **labels = NULL, *text = json_is_string(v) ? strdup(json_string_value(v)) : json_is_array(v) ? json_dumps(v, 0) : NULL;
    size_t n = 0;
    if (!json_is_string(v) && !json_is_array(v)) return pt_fail(PT_EFORMAT, "labels are %s; a list of O, B-X and I-X is wanted", pt_json_kind(v));
    PT_CHECK(text, PT_ENOMEM, "out of memory reading labels");
    PT_TRY(pt_labels_read(text, &labels, &n));
    PT_CHECK(n, PT_EFORMAT, "labels hold none");
    for (size_t i = 0; i < n; i++) PT_CHECK(pt_label_is_one(labels[i]), PT_EFORMAT, "label %zu, '%.40s', is none of O, B-X, I-X", i + 1, labels[i]);
    w->labels = true;
    w->length = n;
    PT_TRY(pt_spans_entities(labels, n, &w->spans));
done:
    free_labels(labels, n);
    free(text);
    return rc;
}

static pt_status read_parts(const json_t *row, const char *pattern, pt_wanted *w)
{
    json_t *fields = json_object_get(row, "json"), *labels = json_object_get(row, "labels"), *slots = json_object_get(row, "slots");
    PT_RETURN(read_pattern(row, pattern, w));
    if (fields && (!json_is_object(fields) || !json_object_size(fields)))
        return pt_fail(PT_EFORMAT, "json is %s; the fields wanted, {NAME: VALUE, ...}", json_is_object(fields) ? "empty" : pt_json_kind(fields));
    w->fields = json_incref(fields);
    if (labels && slots) return pt_fail(PT_EFORMAT, "the row has labels and slots: one of them is wanted");
    if (slots && !json_is_object(slots)) return pt_fail(PT_EFORMAT, "slots are %s; {NAME: VALUE, ...} is wanted", pt_json_kind(slots));
    w->slots = slots != NULL;
    w->slot_object = json_incref(slots);
    if (labels) PT_RETURN(read_labels(labels, w));
    return pt_wanted_split(w, PT_UNITS_WORDS); /* what is no slot is named with its row */
}

pt_status pt_wanted_read(const json_t *row, const char *pattern, pt_wanted **out)
{
    pt_wanted *w;
    PT_RETURN(pt_alloc0(out, 1));
    w = *out;
    pt_status rc = read_parts(row, pattern, w);
    if (rc == PT_OK && (w->has_pattern || w->fields || w->labels || w->slots)) return PT_OK;
    pt_wanted_free(w);
    *out = NULL;
    return rc;
}

pt_status pt_wanted_split(pt_wanted *w, pt_units units)
{
    if (!w->slots) return PT_OK;
    pt_spans_free(&w->spans);
    return pt_spans_slots(w->slot_object, units, &w->spans);
}

/* ---- answers ---- */

bool pt_wanted_matched(const pt_wanted *w, const char *answer)
{
    return !regexec(&w->pattern, answer, 0, NULL, 0);
}

static bool same_text(const char *a, const char *b)
{
    size_t n = strlen(a += strspn(a, " \t\r\n")), m = strlen(b += strspn(b, " \t\r\n"));
    while (n && strchr(" \t\r\n", a[n - 1])) n--;
    while (m && strchr(" \t\r\n", b[m - 1])) m--;
    return n == m && !memcmp(a, b, n);
}

static bool same_value(const json_t *a, const json_t *b)
{
    if (json_is_string(a) && json_is_string(b)) return same_text(json_string_value(a), json_string_value(b));
    if (json_is_number(a) && json_is_number(b)) return json_number_value(a) == json_number_value(b);
    return b && json_equal((json_t *)a, (json_t *)b);
}

void pt_wanted_compare(const pt_wanted *w, const char *answer, pt_wanted_fields *out, bool *right)
{
    const char *name;
    json_t *v, *object = pt_json_in_text(answer, '{');
    *out = (pt_wanted_fields){.read = object != NULL};
    json_object_foreach (w->fields, name, v) {
        bool same = same_value(v, json_object_get(object, name));
        if (right) right[out->n] = same;
        out->right += same;
        out->n++;
    }
    json_decref(object);
}

pt_status pt_wanted_find(const pt_wanted *w, pt_units units, const char *answer, pt_spans *out, bool *read)
{
    char **labels = NULL;
    size_t n = 0;
    if (w->slots) return pt_slots_read(answer, w->slot_object, units, out, read);
    pt_status rc = pt_labels_read(answer, &labels, &n);
    *read = n == w->length;
    if (rc == PT_OK) rc = pt_spans_entities(labels, n < w->length ? n : w->length, out);
    free_labels(labels, n);
    return rc;
}

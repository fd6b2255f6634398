#include "eval/text/spans.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "eval/text/squad.h"

void pt_spans_free(pt_spans *s)
{
    for (size_t i = 0; i < s->n; i++) {
        free(s->list[i].type);
        free(s->list[i].value);
    }
    free(s->list);
    *s = (pt_spans){0};
}

bool pt_spans_have(const pt_spans *s, const pt_span *x)
{
    for (size_t i = 0; i < s->n; i++)
        if (!strcmp(s->list[i].type, x->type) && !strcmp(s->list[i].value, x->value)) return true;
    return false;
}

pt_status pt_spans_add(pt_spans *s, const char *type, size_t n, const char *value)
{
    pt_span x = {NULL, NULL};
    pt_status rc = pt_strndup(&x.type, type, n);
    if (rc == PT_OK) rc = pt_strdup(&x.value, value);
    if (rc == PT_OK && !pt_spans_have(s, &x)) {
        rc = pt_reserve(&s->list, &s->cap, s->n + 1);
        if (rc == PT_OK) {
            s->list[s->n++] = x;
            return PT_OK;
        }
    }
    free(x.type);
    free(x.value);
    return rc;
}

void pt_spans_macro(const double *sums, size_t types, double *each, double macro[3])
{
    double n = 0;
    macro[0] = macro[1] = macro[2] = 0;
    for (size_t k = 0; k < types; k++, sums += 3) {
        each[k] = sums[1] + sums[2] > 0 ? 2 * sums[0] / (sums[1] + sums[2]) : NAN;
        if (isnan(each[k])) continue;
        macro[0] += sums[1] > 0 ? sums[0] / sums[1] : 0;
        macro[1] += sums[2] > 0 ? sums[0] / sums[2] : 0;
        macro[2] += each[k];
        n++;
    }
    for (int k = 0; k < 3; k++) macro[k] = n > 0 ? macro[k] / n : NAN;
}

json_t *pt_json_in_text(const char *text, char opens)
{
    for (const char *p = strchr(text, opens); p; p = strchr(p + 1, opens)) {
        json_error_t err;
        json_t *v = json_loads(p, JSON_DISABLE_EOF_CHECK, &err);
        if (v) return v;
    }
    return NULL;
}

/* ---- labels ---- */

bool pt_label_is_one(const char *label)
{
    return !strcmp(label, "O") || ((label[0] == 'B' || label[0] == 'I') && label[1] == '-' && label[2]);
}

static bool begins(const char *label)
{
    return pt_label_is_one(label) && label[0] == 'B';
}

/* I-X behind B-X or I-X of the same entity. */
static bool goes_on(const char *label, const char *type)
{
    return pt_label_is_one(label) && label[0] == 'I' && !strcmp(label + 2, type);
}

pt_status pt_spans_entities(char *const *labels, size_t n, pt_spans *out)
{
    for (size_t i = 0, end; i < n; i = end) {
        char place[48];
        end = i + 1;
        if (!begins(labels[i])) continue;
        const char *type = labels[i] + 2;
        while (end < n && goes_on(labels[end], type)) end++;
        snprintf(place, sizeof place, "%zu-%zu", i, end);
        PT_RETURN(pt_spans_add(out, type, strlen(type), place));
    }
    return PT_OK;
}

static pt_status add_label(const char *text, size_t len, char ***out, size_t *n, size_t *cap)
{
    PT_RETURN(pt_reserve(out, cap, *n + 1));
    PT_RETURN(pt_strndup(&(*out)[*n], text, len));
    ++*n;
    return PT_OK;
}

pt_status pt_labels_read(const char *answer, char ***out, size_t *n)
{
    pt_status rc = PT_OK;
    json_t *list = pt_json_in_text(answer, '['), *v;
    size_t cap = 0, i;
    *out = NULL;
    *n = 0;
    if (list) {
        json_array_foreach (list, i, v) {
            const char *text = json_is_string(v) ? json_string_value(v) : "O";
            PT_TRY(add_label(text, strlen(text), out, n, &cap));
        }
        goto done;
    }
    for (const char *p = answer; *p;) {
        size_t len;
        p += strspn(p, " \t\r\n,");
        len = strcspn(p, " \t\r\n,");
        if (len) PT_TRY(add_label(p, len, out, n, &cap));
        p += len;
    }
done:
    json_decref(list);
    return rc;
}

/* ---- slots ---- */

static pt_status add_slot(pt_spans *out, pt_units units, const char *name, size_t len, const char *value)
{
    pt_str normal = {0};
    pt_status rc = pt_squad_normal(units, value, &normal);
    if (rc == PT_OK && normal.len) rc = pt_spans_add(out, name, len, normal.text);
    pt_str_free(&normal);
    return rc;
}

static pt_status add_value(pt_spans *out, pt_units units, const char *name, const json_t *v)
{
    if (json_is_null(v)) return PT_OK;
    if (json_is_string(v)) return add_slot(out, units, name, strlen(name), json_string_value(v));
    if (json_is_object(v) || json_is_array(v)) return pt_fail(PT_EFORMAT, "slot '%.60s' holds %s; a text, a number or a list of them is wanted", name, pt_json_kind(v));
    char *text = json_dumps(v, JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
    if (!text) return pt_fail(PT_ENOMEM, "out of memory reading slots");
    pt_status rc = add_slot(out, units, name, strlen(name), text);
    free(text);
    return rc;
}

pt_status pt_spans_slots(const json_t *object, pt_units units, pt_spans *out)
{
    const char *name;
    json_t *v, *part;
    size_t i;
    json_object_foreach ((json_t *)object, name, v) {
        if (!json_is_array(v)) PT_RETURN(add_value(out, units, name, v));
        json_array_foreach (v, i, part) PT_RETURN(add_value(out, units, name, part));
    }
    return PT_OK;
}

/* The length of a line's name before its : (of any width) or =, and where the value begins; 0: it has none. */
static size_t name_of(const char *line, size_t n, const char **value)
{
    for (size_t i = 0; i < n; i++) {
        bool wide = n - i >= 3 && !memcmp(line + i, "\xef\xbc\x9a", 3);
        if (line[i] != ':' && line[i] != '=' && !wide) continue;
        *value = line + i + (wide ? 3 : 1);
        while (i && line[i - 1] == ' ') i--;
        return i;
    }
    return 0;
}

static pt_status slot_lines(const char *answer, pt_units units, pt_spans *out, bool *read)
{
    for (const char *p = answer; *p;) {
        const char *value = NULL, *line = p + strspn(p, " \t-*\"");
        size_t n = strcspn(line, "\n"), len = name_of(line, n, &value);
        p = line + n + (line[n] == '\n');
        if (!len) continue;
        char *text;
        PT_RETURN(pt_strndup(&text, value, (size_t)(line + n - value)));
        pt_status rc = add_slot(out, units, line, len, text);
        free(text);
        PT_RETURN(rc);
        *read = true;
    }
    return PT_OK;
}

/* Bytes of the comma (of any width) that stands here. */
static size_t comma(const char *p)
{
    if (*p == ',' || *p == ';') return 1;
    return !strncmp(p, "\xef\xbc\x8c", 3) || !strncmp(p, "\xe3\x80\x81", 3) || !strncmp(p, "\xef\xbc\x9b", 3) ? 3 : 0; /* , ; of full width, enumeration comma */
}

/* What was wanted as a list and written as one text, "a, b", as a list. A new object. */
static json_t *split_lists(const json_t *object, const json_t *wanted)
{
    json_t *out = json_deep_copy(object), *v;
    const char *name;
    json_object_foreach ((json_t *)object, name, v) {
        json_t *list;
        if (!out || !json_is_string(v) || !json_is_array(json_object_get(wanted, name)) || !(list = json_array())) continue;
        for (const char *p = json_string_value(v), *from = p;; p++) {
            size_t n = *p ? comma(p) : 0;
            if (*p && !n) continue;
            if (p > from) json_array_append_new(list, json_stringn(from, (size_t)(p - from)));
            if (!*p) break;
            p += n - 1;
            from = p + 1;
        }
        json_object_set_new(out, name, list);
    }
    return out;
}

pt_status pt_slots_read(const char *answer, const json_t *wanted, pt_units units, pt_spans *out, bool *read)
{
    json_t *written = pt_json_in_text(answer, '{'), *object = written ? split_lists(written, wanted) : NULL;
    json_decref(written);
    if (written && !object) return pt_fail(PT_ENOMEM, "out of memory reading slots");
    *read = object != NULL;
    if (!object) return slot_lines(answer, units, out, read);
    pt_status rc = pt_spans_slots(object, units, out);
    if (rc == PT_EFORMAT) { /* what the model wrote is no error of ours: the slots before it stand */
        pt_err_clear();
        rc = PT_OK;
    }
    json_decref(object);
    return rc;
}

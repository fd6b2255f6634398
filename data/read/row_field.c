/* Columns of rows: which one holds what, which were read, what a row that fits nothing would fit. */
#include <stdio.h>
#include <string.h>

#include "data/read/record.h"

bool pt_text_blank(const char *text, size_t bytes)
{
    pt_text_strip(&text, &bytes);
    return bytes == 0;
}

bool pt_row_says(const json_t *v)
{
    if (!v || json_is_null(v)) return false;
    if (json_is_string(v)) return !pt_text_blank(json_string_value(v), json_string_length(v));
    if (json_is_array(v)) return json_array_size(v) > 0;
    return !json_is_object(v) || json_object_size(v) > 0;
}

json_t *pt_row_take(pt_reader *r, json_t *row, const char *key)
{
    json_t *v = pt_row_path(row, key);
    char name[64];
    if (!v || !r->columns) return v;
    if (json_object_get(row, key)) {
        json_object_set_new(r->columns, key, json_true()); /* a table for people: without memory it is shorter */
    } else if (pt_row_path_first(row, key) < sizeof name) {
        snprintf(name, sizeof name, "%.*s", (int)pt_row_path_first(row, key), key);
        json_object_set_new(r->columns, name, json_true());
    }
    return v;
}

json_t *pt_row_column(pt_reader *r, json_t *row, const char *said, const char *const *names, const char **key)
{
    const char *named[] = {pt_dataset_says(r->spec, said), NULL};
    if (named[0]) names = named;
    for (; *names; names++) {
        if (!pt_row_says(pt_row_path(row, *names))) continue;
        if (key) *key = *names;
        return pt_row_take(r, row, *names);
    }
    return NULL;
}

pt_status pt_row_text(pt_reader *r, json_t *row, const char *said, const char *const *names, const char **text, size_t *bytes)
{
    const char *key;
    *text = NULL;
    *bytes = 0;
    if (!pt_row_column(r, row, said, names, &key)) return PT_OK;
    return pt_row_string(row, key, true, text, bytes);
}

pt_status pt_row_list(pt_reader *r, json_t *v, json_t **out)
{
    const char *text = json_string_value(v);
    size_t n = json_string_length(v);
    *out = v;
    if (!text) return PT_OK;
    pt_text_strip(&text, &n);
    if (!n || *text != '[') return PT_OK;
    json_t *list = NULL;
    PT_RETURN(pt_err_forgive(pt_json_parse(&list, text, n, "list", PT_JSON_NUL)));
    if (!list) return PT_OK;
    if (!r->held) r->held = json_array();
    if (json_array_append_new(r->held, list)) return pt_fail(PT_ENOMEM, "out of memory: a list in a text");
    *out = list; /* text that begins with [ gives a list or nothing */
    return PT_OK;
}

pt_status pt_row_messages(pt_reader *r, json_t *v, json_t **out)
{
    json_t *list, *m;
    size_t i;
    *out = v;
    if (!json_is_string(v)) return PT_OK;
    PT_RETURN(pt_row_list(r, v, &list));
    json_array_foreach(list, i, m)
    {
        const char *name = json_string_value(json_object_get(m, "role"));
        if (!name) name = json_string_value(json_object_get(m, "from"));
        if (!name || !pt_speaker_find(name)) return PT_OK;
    }
    if (json_array_size(list)) *out = list;
    return PT_OK;
}

static pt_status names_of(json_t *row, pt_str *out)
{
    const char *k;
    json_t *v;
    json_object_foreach(row, k, v)
        if (out->len < 200) PT_RETURN(pt_str_printf(out, "%s'%.40s'", out->len ? ", " : "", k));
    return PT_OK;
}

pt_status pt_row_missing(const pt_reader *r, json_t *row, const char *key)
{
    pt_status rc = PT_OK;
    pt_str names = {0}, hint = {0}, said = {0};
    PT_TRY(names_of(row, &names));
    PT_TRY(pt_row_path_said(row, key, &said));
    if (r) PT_TRY(pt_row_hint(r, row, &hint));
    rc = pt_fail(PT_EFORMAT, "no field '%s'%s%s; the row has %s%s%s", key, said.len ? ": " : "", said.len ? said.text : "", names.len ? names.text : "no fields",
                 hint.len ? "; this shape is read with " : "", hint.len ? hint.text : "");
done:
    pt_str_free(&said);
    pt_str_free(&hint);
    pt_str_free(&names);
    return rc;
}

/* Names of ours that stand in foreign data, and the key that asks for them. */
static const char *asked_by(const pt_dataset_spec *s, const char *column)
{
    if (!strcmp(column, "weight") && !pt_dataset_says(s, "field_weight")) return "field_weight";
    if (!strcmp(column, "margin") && !pt_dataset_says(s, "field_margin")) return "field_margin";
    return NULL;
}

pt_status pt_reader_said(const pt_reader *r, pt_str *out)
{
    const char *k;
    json_t *v;
    for (int read = 1; read >= 0; read--) {
        size_t n = 0;
        json_object_foreach(r->columns, k, v)
        {
            if (json_is_true(v) != (read == 1)) continue;
            char name[48];
            const char *ask = read ? NULL : asked_by(r->spec, k);
            pt_text_fit(name, sizeof name, k);
            if (n < 24) PT_RETURN(pt_str_printf(out, "%s%s", n ? ", " : read ? "reads " : "; not read: ", name));
            if (n == 24) PT_RETURN(pt_str_puts(out, " ..."));
            if (ask && n < 24) PT_RETURN(pt_str_printf(out, " (%s: %s reads it)", ask, name));
            n++;
        }
    }
    return PT_OK;
}

/* Columns of rows: which one holds what, which were read, what a row that fits nothing would fit. */
#include <math.h>
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
    json_t *v = json_object_get(row, key);
    if (v && r->columns) json_object_set_new(r->columns, key, json_true()); /* a table for people: without memory it is shorter */
    return v;
}

json_t *pt_row_column(pt_reader *r, json_t *row, const char *said, const char *const *names, const char **key)
{
    const char *named[] = {pt_dataset_says(r->spec, said), NULL};
    if (named[0]) names = named;
    for (; *names; names++) {
        if (!pt_row_says(json_object_get(row, *names))) continue;
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
    pt_str names = {0}, hint = {0};
    PT_TRY(names_of(row, &names));
    if (r) PT_TRY(pt_row_hint(r, row, &hint));
    rc = pt_fail(PT_EFORMAT, "no field '%s'; the row has %s%s%s", key, names.len ? names.text : "no fields",
                 hint.len ? "; this shape is read with " : "", hint.len ? hint.text : "");
done:
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

/* ---- what would fit ---------------------------------------------------------------------------------------------- */

static bool has(const json_t *row, const char *key)
{
    return pt_row_says(json_object_get(row, key));
}

static const char *first_of(const json_t *row, const char *const *names)
{
    for (; *names; names++)
        if (has(row, *names)) return *names;
    return NULL;
}

static bool texts(const json_t *list)
{
    return json_array_size(list) == 2 && json_is_string(json_array_get(list, 0)) && json_is_string(json_array_get(list, 1));
}

/* A column that is a list of objects with a speaker and a text. */
static pt_status hint_list(json_t *row, pt_str *out)
{
    static const char *const who[] = {"role", "from", "speaker", "name", "character", "user", NULL},
                             *const said[] = {"content", "value", "text", "message", "utterance", NULL};
    const char *k;
    json_t *v;
    json_object_foreach(row, k, v)
    {
        const json_t *m = json_array_get(v, 0);
        const char *role = first_of(m, who), *text = first_of(m, said);
        if (!role || !text || !json_is_string(json_object_get(m, role)) || !json_is_string(json_object_get(m, text))) continue;
        PT_RETURN(pt_str_printf(out, "type: messages, field_messages: %.60s", k));
        if (strcmp(role, "role") && strcmp(role, "from"))
            PT_RETURN(pt_str_printf(out, ", message_property_mappings: {role: %s, content: %s}", role, text));
        else if (strcmp(text, "content") && strcmp(text, "value"))
            PT_RETURN(pt_str_printf(out, ", message_property_mappings: {content: %s}", text));
        if (!pt_speaker_find(json_string_value(json_object_get(m, role))))
            PT_RETURN(pt_str_puts(out, ", roles: {user: [NAMES], assistant: [NAMES]} or view_of: each"));
        return PT_OK;
    }
    return PT_OK;
}

pt_status pt_row_hint(const pt_reader *r, json_t *row, pt_str *out)
{
    static const char *const asks[] = {"instruction", "prompt", "query", "question", "INSTRUCTION", NULL},
                             *const answers[] = {"output", "response", "completion", "answer", "RESPONSE", NULL};
    static const char *const sides[][2] = {{"response_j", "response_k"}, {"response_0", "response_1"}, {"answer_a", "answer_b"},
                                           {"preferred", "dispreferred"}, {"win", "lose"}, {"accepted", "declined"}};
    const char *ask = first_of(row, asks), *only = NULL, *k;
    json_t *v;
    size_t n = 0;
    for (size_t i = 0; i < sizeof sides / sizeof *sides; i++)
        if (ask && has(row, sides[i][0]) && has(row, sides[i][1]))
            return pt_str_printf(out, "type: preference, field_prompt: %s, field_chosen: %s, field_rejected: %s (objective dpo or reward)", ask,
                                 sides[i][0], sides[i][1]);
    if ((has(row, "chosen") || has(row, "chosen_messages") || has(row, "chosen_response")) && !r->pairs)
        return pt_str_puts(out, "type: preference (objective dpo or reward)");
    if (ask && texts(json_object_get(row, "output"))) return pt_str_puts(out, "type: mindset (objective dpo or reward)");
    if (has(row, "role") && ask && has(row, "generated")) return pt_str_puts(out, "type: rolebench, profiles: FILE");
    if (has(row, "input_ids")) return pt_str_puts(out, "type: tokens");
    if (has(row, "mes_example") || (has(row, "spec") && has(row, "data"))) return pt_str_puts(out, "type: card");
    if (has(row, "character_name") || (has(row, "mes") && json_is_boolean(json_object_get(row, "is_user")))) return pt_str_puts(out, "type: sillytavern");
    PT_RETURN(hint_list(row, out));
    if (out->len) return PT_OK;
    if (ask && first_of(row, answers)) return pt_str_puts(out, "type: alpaca");
    json_object_foreach(row, k, v)
        if (json_is_string(v)) only = k, n++;
    if (has(row, "text")) return pt_str_puts(out, "type: text");
    if (n == 1) return pt_str_printf(out, "type: text, field_text: %.60s", only);
    if (ask) return pt_str_printf(out, "type: alpaca, field_prompt: %s, field_output: NAME", ask);
    return PT_OK;
}

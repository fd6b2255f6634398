/* What a row that its reader cannot use would fit: the type and keys of a data set. */
#include <stdio.h>
#include <string.h>

#include "data/read/record.h"

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

/* Whether the row has the columns that a type is known by. */
static bool row_fits(const json_t *row, const char *columns)
{
    char name[64];
    bool any = false;
    for (const char *p = columns; p && *p;) {
        size_t n = strcspn(p, " |");
        snprintf(name, sizeof name, "%.*s", (int)n, p);
        any = any || has(row, name);
        p += n;
        if (*p != '|' && !any) return false;
        if (*p == ' ') any = false;
        p += *p != 0;
    }
    return columns != NULL;
}

/* A list of answers that have ratings or places of their own. */
static bool rated_answers(const json_t *row)
{
    static const char *const lists[] = {"answers", "responses", "completions", NULL}, *const texts[] = {"response", "text", "content", "answer", "output", NULL},
                             *const marks[] = {"rating", "score", "overall_score", "rank", NULL};
    const char *list = first_of(row, lists);
    const json_t *one = list ? json_array_get(json_object_get(row, list), 0) : NULL;
    return json_is_object(one) && first_of(one, texts) && first_of(one, marks);
}

pt_status pt_row_hint(const pt_reader *r, json_t *row, pt_str *out)
{
    if (has(row, "trait") && has(row, "questions")) /* OpenCharacter's constitutions */
        return pt_str_puts(out, "no type: a trait and questions without answers, which `ptrain generate` can write (docs/data.md)");
    static const char *const asks[] = {"instruction", "prompt", "query", "question", "INSTRUCTION", NULL},
                             *const answers[] = {"output", "response", "completion", "answer", "RESPONSE", NULL};
    static const char *const sides[][2] = {{"response_j", "response_k"}, {"response_0", "response_1"}, {"answer_a", "answer_b"},
                                           {"preferred", "dispreferred"}, {"win", "lose"}, {"accepted", "declined"}};
    const char *ask = first_of(row, asks), *only = NULL, *k;
    json_t *v;
    size_t n = 0;
    for (size_t i = 0; i < pt_data_type_count(); i++) {
        const pt_data_type *t = pt_data_type_at(i);
        if (row_fits(row, t->fits)) return pt_str_printf(out, "type: %s%s", t->name, t->fits_with ? t->fits_with : "");
    }
    if (rated_answers(row)) return pt_str_puts(out, "type: rated (objective plackett_luce)");
    for (size_t i = 0; i < sizeof sides / sizeof *sides; i++)
        if (ask && has(row, sides[i][0]) && has(row, sides[i][1]))
            return pt_str_printf(out, "type: preference, field_prompt: %s, field_chosen: %s, field_rejected: %s (objective dpo or reward)", ask,
                                 sides[i][0], sides[i][1]);
    const pt_data_type *own = pt_data_type_find(r->spec->type);
    bool reads = r->pairs && own && own->pairs == pt_read_preference;
    if (!reads && (has(row, "chosen") || has(row, "chosen_messages") || has(row, "chosen_response") || has(row, "rejected_response") || has(row, "preferred_output")))
        return pt_str_puts(out, "type: preference (objective dpo or reward)");
    if (ask && texts(json_object_get(row, "output"))) return pt_str_puts(out, "type: mindset (objective dpo or reward)");
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

void pt_row_hint_add(const pt_reader *r, json_t *row)
{
    const pt_data_type *own = pt_data_type_find(r->spec->type), *other;
    char name[64], text[512];
    pt_str hint = {0};
    if (!json_is_object(row) || strstr(pt_err_msg(), "type: ")) return;
    snprintf(text, sizeof text, "%s", pt_err_msg());
    if (pt_row_hint(r, row, &hint) != PT_OK) hint.len = 0;
    snprintf(name, sizeof name, "%.*s", hint.len > 6 ? (int)strcspn(hint.text + 6, " ,(") : 0, hint.len > 6 ? hint.text + 6 : "");
    other = pt_data_type_find(*name ? name : "?");
    bool same = !other || other == own || (own && own->sft && other->sft && other->keys == own->keys); /* which reads the same shapes */
    if (same) pt_fail(PT_EFORMAT, "%s", text);
    else pt_fail(PT_EFORMAT, "%s; this shape is read with %s", text, hint.text);
    pt_str_free(&hint);
}

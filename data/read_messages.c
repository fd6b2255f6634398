/* Conversations: messages (= chat_template) and sharegpt. */
#include <string.h>

#include "data/record.h"

/* The text of a message: a string, or a list of text parts [{type: text, text | value: ...}] put together. A message of tool calls
 * may have none; a tool's result may be an object (*is_json). */
static pt_status message_text(pt_reader *r, json_t *m, const char *key, const char **text, size_t *bytes, bool *is_json)
{
    pt_status rc = PT_OK;
    pt_str all = {0};
    json_t *v = json_object_get(m, key);
    *is_json = json_is_object(v);
    if (*is_json) {
        PT_TRY(pt_text_json(&all, v, 0));
        *text = all.text;
        *bytes = all.len;
        return pt_record_own(&r->rec, all.text);
    }
    if ((!v || json_is_null(v)) && json_array_size(json_object_get(m, "tool_calls"))) {
        *text = "";
        *bytes = 0;
        return PT_OK;
    }
    if (!json_is_array(v)) return pt_row_string(m, key, true, text, bytes);
    size_t i;
    json_t *part;
    json_array_foreach(v, i, part)
    {
        const char *kind, *piece;
        size_t n;
        PT_CHECK(json_is_object(part), PT_EFORMAT, "part %zu of '%s' is not an object", i + 1, key);
        PT_TRY(pt_row_string(part, "type", false, &kind, &n));
        PT_CHECK(!kind || !strcmp(kind, "text"), PT_ENOSUP, "a message part of type '%s'; only text is trained on", kind);
        PT_TRY(pt_row_string(part, json_object_get(part, "text") ? "text" : "value", true, &piece, &n));
        PT_TRY(pt_str_add(&all, piece, n));
    }
    PT_TRY(pt_str_puts(&all, ""));
    *text = all.text;
    *bytes = all.len;
    PT_TRY(pt_record_own(&r->rec, all.text));
    return PT_OK;
done:
    pt_str_free(&all);
    return rc;
}

/* train: false|true, weight: x, loss_weight: x (LLaMA-Factory), loss: bool (ms-swift). */
static pt_status message_weight(json_t *m, pt_turn *t)
{
    static const char *const numbers[] = {"weight", "loss_weight"}, *const flags[] = {"train", "training", "loss"};
    if (json_is_array(json_object_get(m, "train_detail")))
        return pt_fail(PT_ENOSUP,
                       "'train_detail' (parts of a message by character) is not supported; use 'train' or 'weight' a message");
    for (int i = 0; i < 2; i++) {
        json_t *v = json_object_get(m, numbers[i]);
        if (!v || json_is_null(v)) continue;
        PT_RETURN(pt_row_number(m, numbers[i], 0, &t->weight));
        t->has_weight = true;
        return PT_OK;
    }
    for (int i = 0; i < 3; i++) {
        json_t *v = json_object_get(m, flags[i]);
        if (!v || json_is_null(v)) continue;
        if (!json_is_boolean(v)) return pt_fail(PT_EFORMAT, "field '%s' of a message is true or false", flags[i]);
        t->weight = json_is_true(v) ? 1 : 0;
        t->has_weight = true;
        return PT_OK;
    }
    return PT_OK;
}

pt_status pt_read_turns(pt_reader *r, json_t *list, const char *role_key, const char *text_key, pt_turns *t)
{
    size_t i;
    json_t *m;
    if (!json_is_array(list)) return pt_fail(PT_EFORMAT, "a list of messages is wanted, not %s", pt_row_kind(list));
    json_array_foreach(list, i, m)
    {
        const char *name, *text;
        size_t n, bytes;
        pt_speaker who;
        bool is_json;
        if (!json_is_object(m)) return pt_fail(PT_EFORMAT, "message %zu is not an object", i + 1);
        pt_status rc = pt_row_string(m, role_key, true, &name, &n);
        if (rc == PT_OK) rc = message_text(r, m, text_key, &text, &bytes, &is_json);
        if (rc == PT_OK && !pt_speaker_of(name, &who))
            rc = pt_fail(PT_EFORMAT, "speaker '%s' is unknown (system, user, assistant, tool, human, gpt ...)", name);
        if (rc == PT_OK && is_json && who != PT_TOOL)
            rc = pt_fail(PT_EFORMAT, "field '%s' is an object, a string is wanted", text_key);
        if (rc == PT_OK) rc = pt_record_turn(t, who, text, bytes);
        if (rc == PT_OK) t->turns[t->n - 1].is_json = is_json;
        if (rc == PT_OK) rc = pt_read_extras(m, name, &t->turns[t->n - 1]);
        if (rc == PT_OK) rc = message_weight(m, &t->turns[t->n - 1]);
        if (rc != PT_OK) return pt_fail_prefix(rc, "message %zu", i + 1);
    }
    return PT_OK;
}

static pt_status read_conversation(pt_reader *r, json_t *row, const char *list_key, const char *role_key, const char *text_key)
{
    const pt_dataset_spec *s = r->spec;
    const char *field = s->field_messages ? s->field_messages : list_key, *text;
    size_t n;
    pt_turns *t = &r->rec.side[0];
    json_t *list = json_object_get(row, field);
    if (!list || json_is_null(list)) return pt_row_string(row, field, true, &text, &n);
    PT_RETURN(pt_row_string(row, "system", false, &text, &n));
    if (text) PT_RETURN(pt_record_turn(t, PT_SYSTEM, text, n));
    size_t own = t->n;
    PT_RETURN(pt_read_turns(r, list, s->property_role ? s->property_role : role_key,
                            s->property_content ? s->property_content : text_key, t));
    if (own && t->n > own && t->turns[own].speaker == PT_SYSTEM)
        return pt_fail(PT_EFORMAT, "a field 'system' and a system message");
    if (t->n == own) return pt_fail(PT_EFORMAT, "'%s' holds no messages", field);
    return r->sink(r->user, &r->rec, r->line);
}

pt_status pt_read_messages(pt_reader *r, json_t *row)
{
    return read_conversation(r, row, "messages", "role", "content");
}

/* conversation: [{human: q, assistant: a}, ...] (ms-swift's shape) */
static pt_status read_rounds(pt_reader *r, json_t *row, json_t *rounds)
{
    const char *text;
    size_t n, i;
    json_t *m;
    pt_turns *t = &r->rec.side[0];
    PT_RETURN(pt_row_string(row, "system", false, &text, &n));
    if (text) PT_RETURN(pt_record_turn(t, PT_SYSTEM, text, n));
    if (!json_array_size(rounds)) return pt_fail(PT_EFORMAT, "'conversation' holds no rounds");
    json_array_foreach(rounds, i, m)
    {
        if (!json_is_object(m)) return pt_fail(PT_EFORMAT, "round %zu is not an object", i + 1);
        PT_RETURN(pt_row_string(m, "human", true, &text, &n));
        PT_RETURN(pt_record_turn(t, PT_USER, text, n));
        PT_RETURN(pt_row_string(m, "assistant", true, &text, &n));
        PT_RETURN(pt_record_turn(t, PT_ASSISTANT, text, n));
    }
    return r->sink(r->user, &r->rec, r->line);
}

pt_status pt_read_sharegpt(pt_reader *r, json_t *row)
{
    json_t *rounds = json_object_get(row, "conversation");
    if (json_is_array(rounds) && !json_object_get(row, "conversations") && !r->spec->field_messages)
        return read_rounds(r, row, rounds);
    return read_conversation(r, row, "conversations", "from", "value");
}

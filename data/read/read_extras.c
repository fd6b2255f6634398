/* What stands beside texts in conversations: thoughts, tool calls, lists of tools. */
#include <stdio.h>
#include <string.h>

#include "data/read/record.h"

/* Thoughts under the names that vLLM and DeepSeek, OpenRouter, and Anthropic and Ollama give them. */
static pt_status read_thought(json_t *m, pt_turn *t)
{
    static const char *const names[] = {"reasoning_content", "reasoning", "thinking"};
    for (size_t i = 0; i < 3; i++) {
        const json_t *v = json_object_get(m, names[i]);
        if (!json_is_string(v) || (t->thought && !json_string_length(v))) continue;
        if (t->thought_bytes && (json_string_length(v) != t->thought_bytes || memcmp(json_string_value(v), t->thought, t->thought_bytes)))
            return pt_fail(PT_EFORMAT, "two thoughts that differ ('%s' is one)", names[i]);
        if (i && !json_string_length(v)) continue; /* an empty reasoning_content says: no thought, whatever the text holds */
        t->thought = json_string_value(v);
        t->thought_bytes = json_string_length(v);
    }
    return PT_OK;
}

static json_t *call_name(const json_t *call)
{
    const json_t *f = json_object_get(call, "function");
    return json_object_get(json_is_object(f) ? f : call, "name");
}

/* Every call names a function; templates that write calls want arguments too. */
static pt_status check_calls(const json_t *calls)
{
    size_t i;
    json_t *call;
    if (!json_is_array(calls)) return pt_fail(PT_EFORMAT, "'tool_calls' is %s, a list is wanted", pt_row_kind(calls));
    json_array_foreach(calls, i, call)
    {
        if (!json_is_string(call_name(call)))
            return pt_fail(PT_EFORMAT, "element %zu of 'tool_calls' is no {name, arguments} and no {function: {name, arguments}}", i + 1);
    }
    return PT_OK;
}

/* Takes over a value of the present row's. */
static pt_status hold(pt_reader *r, json_t *v)
{
    if (!r->held) r->held = json_array();
    return v && !json_array_append_new(r->held, v) ? PT_OK : pt_fail(PT_ENOMEM, "out of memory: a tool call");
}

pt_status pt_read_calls(pt_reader *r, json_t *m, const json_t **out)
{
    json_t *calls = json_object_get(m, "tool_calls"), *one = json_object_get(m, "function_call");
    *out = NULL;
    if (calls && !json_is_null(calls)) PT_RETURN(check_calls(calls));
    if (json_array_size(calls)) *out = calls;
    if (*out || !json_is_object(one) || pt_json_odd(one) || !json_is_string(call_name(one))) return PT_OK;
    *out = calls = json_pack("[O]", one);
    return hold(r, calls);
}

/* A message of the speaker function_call (LLaMA-Factory) or tool_call (ms-swift) is its calls as JSON: {name, arguments}, or a list of
 * such. Other texts stay what they are. */
static pt_status read_spelled(pt_reader *r, pt_turn *t)
{
    json_t *v = NULL, *call;
    size_t i;
    PT_RETURN(pt_err_forgive(pt_json_parse(&v, t->text, t->bytes, "call", PT_JSON_NUL)));
    if (!v) return PT_OK;
    if (json_is_object(v)) v = json_pack("[o]", v);
    PT_RETURN(hold(r, v));
    json_array_foreach(v, i, call)
        if (pt_json_odd(call) || !json_is_string(json_object_get(call, "name")) || !json_object_get(call, "arguments")) return PT_OK;
    if (!i) return PT_OK;
    t->calls = v;
    t->call_text = t->text;
    t->call_bytes = t->bytes;
    t->text = "";
    t->bytes = 0;
    return PT_OK;
}

pt_status pt_read_extras(pt_reader *r, json_t *m, const char *role, pt_turn *t)
{
    static const char *const known[] = {"ipython", "function"};
    for (size_t i = 0; i < 2 && pt_speaker_is(t->speaker, PT_TOOL); i++)
        if (!strcmp(role, known[i])) t->role = known[i];
    if (!pt_speaker_is(t->speaker, PT_ASSISTANT)) return PT_OK;
    PT_RETURN(pt_read_calls(r, m, &t->calls));
    if (!t->calls && (!strcasecmp(role, "function_call") || !strcasecmp(role, "tool_call"))) PT_RETURN(read_spelled(r, t));
    return read_thought(m, t);
}

/* The message with its text as `content` and its tag as `tag`. */
static json_t *fields_of(json_t *m, json_t *tag, const pt_turn *t)
{
    json_t *f = json_copy(m);
    bool bad = !f || json_object_set_new(f, "content", json_stringn_nocheck(t->text, t->bytes)) || (tag && json_object_set(f, "tag", tag));
    if (!bad) return f;
    json_decref(f);
    return NULL;
}

pt_status pt_read_tagged(pt_reader *r, json_t *m, pt_turn *t)
{
    const char *key = pt_dataset_says(r->spec, "message_field_tag"), *tmpl = pt_dataset_says(r->spec, "turn_template");
    json_t *tag = key ? pt_row_path(m, key) : NULL, *fields;
    pt_status rc = PT_OK;
    pt_str out = {0};
    if (key ? !pt_row_says(tag) : !tmpl || pt_speaker_is(t->speaker, PT_SYSTEM)) return PT_OK;
    if (t->is_json || t->call_text) return PT_OK; /* written by the chat template alone */
    if (pt_row_says(pt_row_path(m, pt_dataset_value(r->spec, "message_field_training_detail"))))
        return pt_fail(PT_EFORMAT, "a message with parts (train_detail) whose characters are counted without its tag");
    fields = fields_of(m, tag, t);
    PT_CHECK(fields, PT_ENOMEM, "out of memory: a message's tag");
    PT_TRY(pt_row_format(fields, tmpl ? tmpl : "[{tag}] {content}", &out));
    json_decref(fields);
    t->text = out.text;
    t->bytes = out.len;
    return pt_record_own(&r->rec, out.text); /* which frees it when it fails */
done:
    json_decref(fields);
    pt_str_free(&out);
    return pt_fail_prefix(rc, "turn_template");
}

/* A list of objects: what other columns of this name hold is not ours. */
static bool are_tools(const json_t *v)
{
    size_t i;
    json_t *tool;
    json_array_foreach(v, i, tool)
        if (!json_is_object(tool) || pt_json_odd(tool)) return false;
    return json_array_size(v) > 0;
}

/* OpenAI's older list `functions` as tools. */
static pt_status functions(pt_reader *r, json_t *row, json_t **out, const char **key)
{
    json_t *list = json_object_get(row, "functions"), *tools, *f;
    size_t i;
    if (!are_tools(list) || !json_is_string(json_object_get(json_array_get(list, 0), "name"))) return PT_OK;
    *out = tools = json_array();
    *key = "functions";
    json_array_foreach(list, i, f)
        if (json_array_append_new(tools, json_pack("{s:s, s:O}", "type", "function", "function", f))) break;
    bool whole = json_array_size(tools) == json_array_size(list);
    if (!whole) json_decref(tools);
    return hold(r, whole ? tools : NULL);
}

pt_status pt_read_tools(pt_reader *r, json_t *row)
{
    const char *named = pt_dataset_says(r->spec, "field_tools"), *key = named ? named : "tools";
    json_t *v;
    v = pt_row_path(row, key);
    if (!named && !v) v = pt_row_path(row, key = "input.tools"); /* OpenAI's pairs */
    PT_RETURN(pt_row_list(r, v, &v));
    if (!named && !v) PT_RETURN(functions(r, row, &v, &key));
    r->rec.tools = are_tools(v) ? v : NULL;
    if (r->rec.tools)
        pt_row_take(r, row, key);
    else if (named && pt_row_says(v) && !(json_is_string(v) && !strcmp(json_string_value(v), "[]")))
        return pt_fail(PT_EFORMAT, "'%s' is no list of tools", key);
    else if (pt_row_says(v) && !(json_is_string(v) && !strcmp(json_string_value(v), "[]")))
        pt_causes_add(&r->notes, "the column 'tools' is no list of tools: it is not read", r->line);
    return PT_OK;
}

pt_message pt_turn_message(const pt_turn *t, float w)
{
    return (pt_message){.speaker = t->speaker, .text = t->text, .bytes = t->bytes, .weight = w, .spans = w > 0 ? t->spans : NULL, .n_spans = w > 0 ? t->n_spans : 0, .thought = t->thought,
                        .thought_bytes = t->thought_bytes, .calls = t->calls, .call_text = t->call_text, .call_bytes = t->call_bytes, .role = t->role, .is_json = t->is_json};
}

/* Whether a name is one of the list, or what a path of the list begins with. */
static bool is_among(const char *name, const char *const *list, size_t n)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < n; i++)
        if (list[i] && !strncmp(name, list[i], len) && (!list[i][len] || list[i][len] == '.')) return true;
    return false;
}

void pt_note_unread(pt_reader *r, json_t *m, const char *const *read, size_t n, const pt_speaker *who)
{
    /* weights, and what only ties things together */
    static const char *const known[] = {"weight", "loss_weight", "loss_scale", "train", "training", "loss", "id", "index", "tool_call_id"};
    static const char *const of_answers[] = {"tool_calls", "function_call", "reasoning_content", "reasoning", "thinking"};
    const char *key;
    json_t *v;
    char text[160], name[64];
    json_object_foreach(m, key, v)
    {
        bool scalar = json_is_number(v) || json_is_boolean(v);
        if (scalar || !pt_row_says(v) || is_among(key, read, n) || is_among(key, known, sizeof known / sizeof *known)) continue;
        if (pt_speaker_is(who, PT_ASSISTANT) && is_among(key, of_answers, sizeof of_answers / sizeof *of_answers) && (json_is_string(v) || json_is_array(v) || json_is_object(v))) continue;
        pt_text_fit(name, sizeof name, key);
        snprintf(text, sizeof text, "the message field '%s' is not in what is trained on", name);
        pt_causes_add(&r->notes, text, r->line);
    }
}

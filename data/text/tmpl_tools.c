/* The templates that have a place for tools, tool calls, their results and thoughts: Qwen 2.5, Qwen 3, Llama 3.1 to 3.3. */
#include <string.h>

#include "data/text/tmpl_priv.h"

#define DATES "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n"
#define LLAMA_TOOLS                                                                                                            \
    "Given the following functions, please respond with a JSON for a function call with its proper arguments that best "       \
    "answers the given prompt.\n\nRespond in the format {\"name\": function name, \"parameters\": dictionary of argument "     \
    "name and its value}.Do not use variables.\n\n"

/* Text that a record gave as JSON: never a control token. */
static pt_status json_text(pt_tmpl_out *o, const json_t *v, int indent, float weight)
{
    pt_str s = {0};
    pt_status rc = pt_text_json(&s, v, indent);
    if (rc == PT_OK) rc = pt_tmpl_text(o, s.text, s.len, weight);
    pt_str_free(&s);
    return rc;
}

/* One call's name and arguments, which may stand in {function: ...}. */
static pt_status call_parts(const pt_tmpl_out *o, const json_t *call, const json_t **name, const json_t **arguments)
{
    const json_t *f = json_object_get(call, "function");
    if (json_is_object(f)) call = f;
    *name = json_object_get(call, "name");
    *arguments = json_object_get(call, "arguments");
    if (json_is_string(*name) && *arguments) return PT_OK;
    return pt_fail(PT_EFORMAT, "template %s: a tool call has a name (a string) and arguments", o->t->style->name);
}

static pt_status call_name(pt_tmpl_out *o, const json_t *name, float weight)
{
    return pt_tmpl_text(o, json_string_value(name), json_string_length(name), weight);
}

/* ---- Qwen ---- */

/* <tool_call> blocks behind the answer's text. raw: arguments given as a string are JSON already (Qwen 3). */
static pt_status qwen_calls(pt_tmpl_out *o, const pt_message *m, bool text, bool raw)
{
    const json_t *name, *args;
    for (size_t i = 0; i < json_array_size(m->calls); i++) {
        PT_RETURN(call_parts(o, json_array_get(m->calls, i), &name, &args));
        if (text || i) PT_RETURN(pt_tmpl_lit(o, "\n", m->weight, false));
        PT_RETURN(pt_tmpl_lit(o, "<tool_call>\n{\"name\": \"", m->weight, false));
        PT_RETURN(call_name(o, name, m->weight));
        PT_RETURN(pt_tmpl_lit(o, "\", \"arguments\": ", m->weight, false));
        if (raw && json_is_string(args))
            PT_RETURN(pt_tmpl_text(o, json_string_value(args), json_string_length(args), m->weight));
        else
            PT_RETURN(json_text(o, args, 0, m->weight));
        PT_RETURN(pt_tmpl_lit(o, "}\n</tool_call>", m->weight, false));
    }
    return PT_OK;
}

/* The system turn: the conversation's own or the template's, and the list of tools. *from = the first message behind it. */
static pt_status qwen_system(pt_tmpl_out *o, const pt_message *m, size_t n, size_t *from)
{
    const char *own = o->system;
    bool has = n && pt_speaker_is(m[0].speaker, PT_SYSTEM);
    *from = 0;
    if (!n || !m[0].tools) return pt_tmpl_default_system(o, m, n);
    pt_message sys = {.speaker = PT_SYSTEM, .text = own ? own : "", .bytes = own ? strlen(own) : 0};
    if (has) sys = m[0];
    *from = has;
    PT_RETURN(pt_tmpl_begin(o, &sys, ""));
    PT_RETURN(pt_tmpl_text(o, sys.text, sys.bytes, sys.weight));
    if (has || own) PT_RETURN(pt_tmpl_lit(o, "\n\n", 0, false));
    PT_RETURN(pt_tmpl_lit(o, PT_TMPL_QWEN_TOOLS, 0, false));
    for (size_t i = 0; i < json_array_size(m[0].tools); i++) {
        PT_RETURN(pt_tmpl_lit(o, "\n", 0, false));
        PT_RETURN(json_text(o, json_array_get(m[0].tools, i), 0, 0));
    }
    return pt_tmpl_lit(o, PT_TMPL_QWEN_CALLS, 0, false);
}

/* A run of tool results stands in one user turn. */
static pt_status qwen_results(pt_tmpl_out *o, const pt_message *m, size_t n, size_t *i)
{
    PT_RETURN(pt_tmpl_turn(o));
    PT_RETURN(pt_tmpl_lit(o, "<|im_start|>user", 0, false));
    for (; *i < n && pt_speaker_is(m[*i].speaker, PT_TOOL); ++*i) {
        PT_RETURN(pt_tmpl_lit(o, "\n<tool_response>\n", 0, false));
        PT_RETURN(pt_tmpl_said(o, &m[*i], m[*i].text, m[*i].bytes));
        PT_RETURN(pt_tmpl_lit(o, "\n</tool_response>", 0, false));
    }
    return pt_tmpl_lit(o, "<|im_end|>\n", 0, false);
}

/* An answer without thoughts: text, calls, end. */
static pt_status qwen_answer(pt_tmpl_out *o, const pt_message *m, pt_part c, const char *before, bool raw)
{
    PT_RETURN(pt_tmpl_begin(o, m, before));
    PT_RETURN(pt_tmpl_said(o, m, c.s, c.n));
    PT_RETURN(qwen_calls(o, m, c.n > 0, raw));
    return pt_tmpl_end(o, m);
}

pt_status pt_tmpl_qwen25(pt_tmpl_out *o, const pt_message *m, size_t n)
{
    size_t i;
    PT_RETURN(qwen_system(o, m, n, &i));
    while (i < n) {
        if (pt_speaker_is(m[i].speaker, PT_TOOL)) {
            PT_RETURN(qwen_results(o, m, n, &i));
            continue;
        }
        o->r->noted[PT_NOTE_THOUGHT] += m[i].thought_bytes > 0;
        PT_RETURN(qwen_answer(o, &m[i], pt_tmpl_content(o->t, &m[i]), "", false));
        i++;
    }
    return PT_OK;
}

static pt_part strip_newlines(pt_part c, bool left, bool right)
{
    while (left && c.n && c.s[0] == '\n') c.s++, c.n--;
    while (right && c.n && c.s[c.n - 1] == '\n') c.n--;
    return c;
}

static const char *last_mark(pt_part c, const char *mark)
{
    const char *hit = NULL, *p = c.s;
    size_t k = strlen(mark);
    while ((p = memmem(p, c.n - (size_t)(p - c.s), mark, k)) != NULL) hit = p++;
    return hit;
}

/* What an answer thinks, and what it says: the thought given beside the text, or what stands before </think> (after <think>) in it. */
static bool split_thought(const pt_message *m, pt_part *thought, pt_part *rest)
{
    static const char open[] = "<think>", close[] = "</think>";
    pt_part c = {m->text, m->bytes};
    *thought = m->thought ? (pt_part){m->thought, m->thought_bytes} : (pt_part){"", 0};
    *rest = c;
    if (m->thought) return thought->n > 0;
    const char *last = last_mark(c, close), *first = last ? memmem(c.s, c.n, close, sizeof close - 1) : NULL;
    if (!last) return false;
    const char *behind = last + sizeof close - 1;
    *rest = strip_newlines((pt_part){behind, c.n - (size_t)(behind - c.s)}, true, false);
    pt_part head = strip_newlines((pt_part){c.s, (size_t)(first - c.s)}, false, true);
    const char *begin = last_mark(head, open);
    if (begin) head = (pt_part){begin + sizeof open - 1, head.n - (size_t)(begin + sizeof open - 1 - head.s)};
    *thought = strip_newlines(head, true, false);
    return true;
}

static bool is_tool_text(const pt_message *m)
{
    static const char a[] = "<tool_response>", b[] = "</tool_response>";
    return m->bytes >= sizeof a - 1 && memcmp(m->text, a, sizeof a - 1) == 0 && m->bytes >= sizeof b - 1 &&
           memcmp(m->text + m->bytes - (sizeof b - 1), b, sizeof b - 1) == 0;
}

/* An answer that is to be continued and has only begun to think stands as it is. */
static bool thinking_still(const pt_tmpl_out *o, const pt_message *m)
{
    return m == o->unfinished && !m->thought && m->bytes >= 7 && !memcmp(m->text, "<think>", 7) &&
           !last_mark((pt_part){m->text, m->bytes}, "</think>");
}

static pt_status qwen3_answer(pt_tmpl_out *o, const pt_message *m, bool after_query, bool last)
{
    pt_part thought, rest;
    if (thinking_still(o, m)) return pt_tmpl_one(o, m, (pt_part){m->text, m->bytes}, "");
    bool thinks = split_thought(m, &thought, &rest);
    if (!after_query || (!last && thought.n == 0)) {
        o->r->noted[PT_NOTE_OLD_THOUGHT] += thought.n > 0;
        return qwen_answer(o, m, rest, "", true);
    }
    rest = strip_newlines(rest, true, false);
    /* the empty thought is the prompt's, as with enable_thinking=False */
    if (!thinks) return qwen_answer(o, m, rest, PT_TMPL_NO_THOUGHT, true);
    thought = strip_newlines(thought, true, true);
    float weight = m->thought_masked ? 0 : m->weight;
    PT_RETURN(pt_tmpl_begin(o, m, ""));
    PT_RETURN(pt_tmpl_lit(o, "<think>\n", weight, false));
    PT_RETURN(m->thought_masked ? pt_tmpl_text(o, thought.s, thought.n, 0) : pt_tmpl_said(o, m, thought.s, thought.n));
    PT_RETURN(pt_tmpl_lit(o, "\n</think>\n\n", weight, false));
    PT_RETURN(pt_tmpl_said(o, m, rest.s, rest.n));
    PT_RETURN(qwen_calls(o, m, rest.n > 0, true));
    return pt_tmpl_end(o, m);
}

/* The last question; without one the last message. */
static size_t last_query(const pt_message *m, size_t n)
{
    for (size_t i = n; i-- > 0;)
        if (pt_speaker_is(m[i].speaker, PT_USER) && !is_tool_text(&m[i])) return i;
    return n ? n - 1 : 0;
}

/* As the last one, an answer to a question has a thought, an empty one if need be; others keep theirs while no question follows. */
bool pt_tmpl_qwen3_keeps(const pt_message *m, size_t n, size_t k)
{
    pt_part thought, rest;
    size_t asked = last_query(m, k + 1);
    if (k + 1 == n || asked == k) return true;
    split_thought(&m[k], &thought, &rest);
    return asked == last_query(m, n) && thought.n > 0;
}

pt_status pt_tmpl_qwen3(pt_tmpl_out *o, const pt_message *m, size_t n)
{
    size_t query = last_query(m, n), at;
    PT_RETURN(qwen_system(o, m, n, &at));
    while (at < n) {
        if (pt_speaker_is(m[at].speaker, PT_TOOL)) {
            PT_RETURN(qwen_results(o, m, n, &at));
            continue;
        }
        bool answer = pt_speaker_is(m[at].speaker, PT_ASSISTANT);
        o->r->rewrites = o->r->rewrites || (answer && m[at].weight > 0 && !pt_tmpl_qwen3_keeps(m, n, at));
        if (answer)
            PT_RETURN(qwen3_answer(o, &m[at], at > query, at + 1 == n));
        else
            PT_RETURN(pt_tmpl_one(o, &m[at], pt_tmpl_content(o->t, &m[at]), ""));
        at++;
    }
    return PT_OK;
}

/* ---- Llama 3.1 ---- */

/* The tools stand in front of the first question. */
static pt_status llama_question(pt_tmpl_out *o, const pt_message *m, const json_t *tools)
{
    pt_part c = pt_tmpl_content(o->t, m);
    PT_RETURN(pt_tmpl_begin(o, m, ""));
    PT_RETURN(pt_tmpl_lit(o, LLAMA_TOOLS, 0, false));
    for (size_t i = 0; i < json_array_size(tools); i++) {
        PT_RETURN(json_text(o, json_array_get(tools, i), 4, 0));
        PT_RETURN(pt_tmpl_lit(o, "\n\n", 0, false));
    }
    PT_RETURN(pt_tmpl_said(o, m, c.s, c.n));
    return pt_tmpl_end(o, m);
}

static pt_status llama_call(pt_tmpl_out *o, const pt_message *m)
{
    const json_t *name, *args;
    if (json_array_size(m->calls) != 1)
        return pt_fail(PT_EFORMAT, "template %s: a message with %zu tool calls; it writes one at a time", o->t->style->name,
                       json_array_size(m->calls));
    PT_RETURN(call_parts(o, json_array_get(m->calls, 0), &name, &args));
    o->r->noted[PT_NOTE_CALL_TEXT] += m->bytes > 0;
    PT_RETURN(pt_tmpl_begin(o, m, ""));
    PT_RETURN(pt_tmpl_lit(o, "{\"name\": \"", m->weight, false));
    PT_RETURN(call_name(o, name, m->weight));
    PT_RETURN(pt_tmpl_lit(o, "\", \"parameters\": ", m->weight, false));
    PT_RETURN(json_text(o, args, 0, m->weight));
    PT_RETURN(pt_tmpl_lit(o, "}", m->weight, false));
    return pt_tmpl_end(o, m);
}

/* A result goes through tojson: a string stands in quotes. A role that the template does not know (function) is a turn of its own. */
static pt_status llama_result(pt_tmpl_out *o, const pt_message *m)
{
    pt_message x = *m;
    if (m->role && strcmp(m->role, "ipython")) {
        PT_RETURN(pt_tmpl_turn(o));
        PT_RETURN(pt_tmpl_lit(o, "<|start_header_id|>", 0, false));
        PT_RETURN(pt_tmpl_lit(o, m->role, 0, false));
        PT_RETURN(pt_tmpl_lit(o, "<|end_header_id|>\n\n", 0, false));
        pt_part c = pt_tmpl_content(o->t, m);
        PT_RETURN(pt_tmpl_said(o, m, c.s, c.n));
        return pt_tmpl_end(o, m);
    }
    x.role = NULL;
    PT_RETURN(pt_tmpl_begin(o, &x, ""));
    if (m->is_json) {
        PT_RETURN(pt_tmpl_said(o, m, m->text, m->bytes));
        return pt_tmpl_end(o, m);
    }
    json_t *text = json_stringn(m->text, m->bytes);
    pt_status rc = text ? json_text(o, text, 0, m->weight) : pt_fail(PT_ENOMEM, "out of memory");
    json_decref(text);
    PT_RETURN(rc);
    return pt_tmpl_end(o, m);
}

pt_status pt_tmpl_llama31(pt_tmpl_out *o, const pt_message *m, size_t n)
{
    const pt_template *t = o->t;
    size_t has = n && pt_speaker_is(m[0].speaker, PT_SYSTEM);
    const json_t *tools = n ? m[0].tools : NULL;
    pt_message sys = {.speaker = PT_SYSTEM, .text = o->system ? o->system : "", .bytes = o->system ? strlen(o->system) : 0};
    if (has) sys = m[0];
    PT_RETURN(pt_tmpl_one(o, &sys, pt_tmpl_content(t, &sys), tools ? "Environment: ipython\n" DATES : DATES));
    if (tools && (has == n || !pt_speaker_is(m[has].speaker, PT_USER)))
        return pt_fail(PT_EFORMAT, "template %s: tools stand in the first user message; message %zu is none", t->style->name, has + 1);
    for (size_t i = has; i < n; i++) {
        o->r->noted[PT_NOTE_THOUGHT] += m[i].thought_bytes > 0;
        if (i == has && tools)
            PT_RETURN(llama_question(o, &m[i], tools));
        else if (m[i].calls)
            PT_RETURN(llama_call(o, &m[i]));
        else if (pt_speaker_is(m[i].speaker, PT_TOOL))
            PT_RETURN(llama_result(o, &m[i]));
        else
            PT_RETURN(pt_tmpl_one(o, &m[i], pt_tmpl_content(t, &m[i]), ""));
    }
    return PT_OK;
}

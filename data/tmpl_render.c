/* Opening a chat template and rendering conversations with it. */
#include "data/tmpl_priv.h"

#include <stdlib.h>
#include <string.h>

#include "data/tok_utf8.h"

#define DATES "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n"
#define NO_THOUGHT "<think>\n\n</think>\n\n"

static const char *const speakers[] = {"system", "user", "assistant", "tool"};

void pt_rendered_free(pt_rendered *r)
{
    free(r->ids.ids);
    free(r->weight);
    free(r->turn_start);
    free(r->answer_end);
    *r = (pt_rendered){0};
}

void pt_rendered_clear(pt_rendered *r)
{
    r->ids.n = r->n_turns = r->n_answers = r->control_in_text = 0;
}

/* A piece of a text, for the parts that a template takes out of a message. */
typedef struct text_part {
    const char *s;
    size_t n;
} text_part;

static text_part content_of(const pt_template *t, const pt_message *m)
{
    text_part c = {m->text, m->bytes};
    if (t->style->strip) pt_utf8_strip(&c.s, &c.n);
    return c;
}

/* True when the text after a turn's content begins with the token that ends the turn. */
static bool close_is_end(const char *close)
{
    return close[0] == PT_TMPL_EOS[0] || close[0] == '<';
}

/* One message between its tags. before: text that stands before the answer and belongs to the prompt. */
static pt_status one_turn(pt_tmpl_out *o, const pt_message *m, text_part c, const char *before)
{
    const pt_tmpl_style *s = o->t->style;
    bool answer = m->speaker == PT_ASSISTANT;
    PT_RETURN(pt_tmpl_turn(o));
    PT_RETURN(pt_tmpl_lit(o, s->open[m->speaker], 0, false));
    PT_RETURN(pt_tmpl_lit(o, before, 0, false));
    if (answer && m->weight > 0) PT_RETURN(pt_tmpl_cut(o));
    if (answer) PT_RETURN(pt_tmpl_lit(o, s->lead, m->weight, false));
    PT_RETURN(pt_tmpl_text(o, c.s, c.n, m->weight));
    bool ends = answer || close_is_end(s->close[m->speaker]);
    return pt_tmpl_lit(o, s->close[m->speaker], ends ? m->weight : 0, ends);
}

/* Messages between their own tags; the system text of the template's own stands first when the conversation brings none. */
static pt_status default_turn(pt_tmpl_out *o, const pt_message *m, size_t n)
{
    if (!o->t->system || (n && m[0].speaker == PT_SYSTEM)) return PT_OK;
    pt_message sys = {PT_SYSTEM, o->t->system, strlen(o->t->system), 0};
    return one_turn(o, &sys, content_of(o->t, &sys), "");
}

static pt_status turns(pt_tmpl_out *o, const pt_message *m, size_t n)
{
    PT_RETURN(default_turn(o, m, n));
    for (size_t i = 0; i < n; i++) PT_RETURN(one_turn(o, &m[i], content_of(o->t, &m[i]), ""));
    return PT_OK;
}

/* [INST] templates. Every user turn holds the prompt of the answer after it. */
static pt_status folded(pt_tmpl_out *o, const pt_message *m, size_t n)
{
    const pt_template *t = o->t;
    const pt_tmpl_style *s = t->style;
    bool has = n && m[0].speaker == PT_SYSTEM;
    text_part sys = {has ? m[0].text : t->system, has ? m[0].bytes : t->system ? strlen(t->system) : 0};
    for (size_t i = has; i < n; i++) {
        if ((m[i].speaker == PT_USER) != ((i - has) % 2 == 0)) {
            return pt_fail(PT_EARG,
                           "template %s: message %zu is the %s's; user and assistant must take turns, beginning with the user",
                           s->name, i + 1, speakers[m[i].speaker]);
        }
        text_part c = content_of(t, &m[i]);
        if (m[i].speaker == PT_ASSISTANT) {
            PT_RETURN(one_turn(o, &m[i], c, ""));
            continue;
        }
        PT_RETURN(pt_tmpl_turn(o));
        if (t->bos_each) PT_RETURN(pt_tmpl_control(o, pt_tok_bos(t->tok), 0, false));
        PT_RETURN(pt_tmpl_lit(o, s->open[PT_USER], 0, false));
        if (i == (size_t)has && sys.s) {
            float w = has ? m[0].weight : 0;
            if (s->strip && c.n == 0) return pt_fail(PT_EARG, "template %s: the first user message is empty", s->name);
            if (s->strip) { /* the strip reaches the outer ends of both together: not the user text's left end */
                c.n += (size_t)(c.s - m[i].text);
                c.s = m[i].text;
            }
            PT_RETURN(pt_tmpl_lit(o, s->open[PT_SYSTEM], 0, false));
            PT_RETURN(pt_tmpl_text(o, sys.s, sys.n, w));
            PT_RETURN(pt_tmpl_lit(o, s->close[PT_SYSTEM], 0, false));
        }
        PT_RETURN(pt_tmpl_text(o, c.s, c.n, m[i].weight));
        PT_RETURN(pt_tmpl_lit(o, s->close[PT_USER], 0, false));
    }
    return PT_OK;
}

/* A run of tool results stands in one user turn. */
static pt_status tool_results(pt_tmpl_out *o, const pt_message *m, size_t n, size_t *i)
{
    PT_RETURN(pt_tmpl_turn(o));
    PT_RETURN(pt_tmpl_lit(o, "<|im_start|>user", 0, false));
    for (; *i < n && m[*i].speaker == PT_TOOL; ++*i) {
        PT_RETURN(pt_tmpl_lit(o, "\n<tool_response>\n", 0, false));
        PT_RETURN(pt_tmpl_text(o, m[*i].text, m[*i].bytes, m[*i].weight));
        PT_RETURN(pt_tmpl_lit(o, "\n</tool_response>", 0, false));
    }
    return pt_tmpl_lit(o, "<|im_end|>\n", 0, false);
}

static pt_status qwen25(pt_tmpl_out *o, const pt_message *m, size_t n)
{
    PT_RETURN(default_turn(o, m, n));
    for (size_t i = 0; i < n;) {
        if (m[i].speaker == PT_TOOL) {
            PT_RETURN(tool_results(o, m, n, &i));
            continue;
        }
        PT_RETURN(one_turn(o, &m[i], content_of(o->t, &m[i]), ""));
        i++;
    }
    return PT_OK;
}

static text_part strip_newlines(text_part c, bool left, bool right)
{
    while (left && c.n && c.s[0] == '\n') c.s++, c.n--;
    while (right && c.n && c.s[c.n - 1] == '\n') c.n--;
    return c;
}

static const char *last_mark(text_part c, const char *mark)
{
    const char *hit = NULL, *p = c.s;
    size_t k = strlen(mark);
    while ((p = memmem(p, c.n - (size_t)(p - c.s), mark, k)) != NULL) hit = p++;
    return hit;
}

/* Qwen3 takes thoughts out of an answer: what stands before </think> (after <think>) and what stands behind it. */
static bool split_thought(text_part c, text_part *thought, text_part *rest)
{
    static const char open[] = "<think>", close[] = "</think>";
    const char *last = last_mark(c, close), *first = memmem(c.s, c.n, close, sizeof close - 1);
    *thought = (text_part){"", 0};
    *rest = c;
    if (!last) return false;
    const char *behind = last + sizeof close - 1;
    *rest = strip_newlines((text_part){behind, c.n - (size_t)(behind - c.s)}, true, false);
    text_part head = strip_newlines((text_part){c.s, (size_t)(first - c.s)}, false, true);
    const char *begin = last_mark(head, open);
    if (begin) head = (text_part){begin + sizeof open - 1, head.n - (size_t)(begin + sizeof open - 1 - head.s)};
    *thought = strip_newlines(head, true, true);
    return true;
}

static bool is_tool_text(const pt_message *m)
{
    static const char a[] = "<tool_response>", b[] = "</tool_response>";
    return m->bytes >= sizeof a - 1 && memcmp(m->text, a, sizeof a - 1) == 0 && m->bytes >= sizeof b - 1 &&
           memcmp(m->text + m->bytes - (sizeof b - 1), b, sizeof b - 1) == 0;
}

static pt_status qwen3_answer(pt_tmpl_out *o, const pt_message *m, bool after_query, bool last)
{
    const pt_tmpl_style *s = o->t->style;
    text_part thought, rest;
    bool thinks = split_thought((text_part){m->text, m->bytes}, &thought, &rest);
    if (!after_query || (!last && thought.n == 0)) return one_turn(o, m, rest, "");
    rest = strip_newlines(rest, true, false);
    if (!thinks) return one_turn(o, m, rest, NO_THOUGHT); /* the empty thought is the prompt's, as with enable_thinking=False */
    PT_RETURN(pt_tmpl_turn(o));
    PT_RETURN(pt_tmpl_lit(o, s->open[PT_ASSISTANT], 0, false));
    if (m->weight > 0) PT_RETURN(pt_tmpl_cut(o));
    PT_RETURN(pt_tmpl_lit(o, "<think>\n", m->weight, false));
    PT_RETURN(pt_tmpl_text(o, thought.s, thought.n, m->weight));
    PT_RETURN(pt_tmpl_lit(o, "\n</think>\n\n", m->weight, false));
    PT_RETURN(pt_tmpl_text(o, rest.s, rest.n, m->weight));
    return pt_tmpl_lit(o, s->close[PT_ASSISTANT], m->weight, true);
}

static pt_status qwen3(pt_tmpl_out *o, const pt_message *m, size_t n)
{
    size_t query = n ? n - 1 : 0;
    for (size_t i = n; i-- > 0;) {
        if (m[i].speaker == PT_USER && !is_tool_text(&m[i])) {
            query = i;
            break;
        }
    }
    PT_RETURN(default_turn(o, m, n));
    for (size_t i = 0; i < n;) {
        if (m[i].speaker == PT_TOOL) {
            PT_RETURN(tool_results(o, m, n, &i));
            continue;
        }
        if (m[i].speaker == PT_ASSISTANT)
            PT_RETURN(qwen3_answer(o, &m[i], i > query, i + 1 == n));
        else
            PT_RETURN(one_turn(o, &m[i], content_of(o->t, &m[i]), ""));
        i++;
    }
    return PT_OK;
}

static pt_status llama31(pt_tmpl_out *o, const pt_message *m, size_t n)
{
    const pt_template *t = o->t;
    size_t has = n && m[0].speaker == PT_SYSTEM;
    pt_message sys = {PT_SYSTEM, t->system ? t->system : "", t->system ? strlen(t->system) : 0, 0};
    if (has) sys = m[0];
    PT_RETURN(one_turn(o, &sys, content_of(t, &sys), DATES));
    for (size_t i = has; i < n; i++) PT_RETURN(one_turn(o, &m[i], content_of(t, &m[i]), ""));
    return PT_OK;
}

static pt_status check(const pt_template *t, const pt_message *m, size_t n, bool generation)
{
    const pt_tmpl_style *s = t->style;
    if (n == 0) return pt_fail(PT_EARG, "template %s: a conversation without messages", s->name);
    for (size_t i = 0; i < n; i++) {
        size_t bad = m[i].bytes ? pt_utf8_check(m[i].text, m[i].bytes) : 0;
        if ((unsigned)m[i].speaker > PT_TOOL || !s->open[m[i].speaker]) {
            return pt_fail(PT_EARG, "template %s: message %zu: it has no %s role", s->name, i + 1,
                           (unsigned)m[i].speaker > PT_TOOL ? "such" : speakers[m[i].speaker]);
        }
        if (bad != m[i].bytes) return pt_fail(PT_EFORMAT, "message %zu is not valid UTF-8 at byte %zu", i + 1, bad);
        if (m[i].speaker == PT_SYSTEM && i && !s->system_anywhere) {
            return pt_fail(PT_EARG, "template %s: message %zu is the system's; it must be the first", s->name, i + 1);
        }
        if (!(m[i].weight >= 0)) return pt_fail(PT_EARG, "message %zu has weight %g", i + 1, (double)m[i].weight);
    }
    if (generation && m[n - 1].speaker == PT_ASSISTANT) {
        return pt_fail(PT_EARG, "template %s: the last message is the assistant's; nothing is left to answer", s->name);
    }
    if (generation && s->kind == PT_TMPL_FOLDED && m[n - 1].speaker != PT_USER) {
        return pt_fail(PT_EARG, "template %s: the last message must be the user's", s->name);
    }
    return PT_OK;
}

pt_status pt_template_render(const pt_template *t, const pt_message *m, size_t n, bool generation, pt_rendered *out)
{
    static pt_status (*const body[])(pt_tmpl_out *, const pt_message *, size_t) = {turns, folded, qwen25, qwen3, llama31};
    pt_status rc = PT_OK;
    pt_tmpl_out o = {.t = t, .r = out, .where = PT_TOK_START};
    PT_TRY(check(t, m, n, generation));
    if (t->bos_once) PT_TRY(pt_tmpl_control(&o, pt_tok_bos(t->tok), 0, false));
    PT_TRY(body[t->style->kind](&o, m, n));
    if (generation) {
        PT_TRY(pt_tmpl_lit(&o, t->style->open[PT_ASSISTANT], 0, false));
        if (t->style->kind == PT_TMPL_QWEN3) PT_TRY(pt_tmpl_lit(&o, NO_THOUGHT, 0, false));
    }
    PT_TRY(pt_tmpl_flush(&o));
done:
    pt_tmpl_out_free(&o);
    return rc;
}

static pt_status add_stop(pt_template *t, int32_t id)
{
    for (size_t i = 0; i < t->n_stops; i++) {
        if (t->stops[i] == id) return PT_OK;
    }
    if (id < 0) return PT_OK;
    PT_RETURN(pt_reserve(&t->stops, &t->cap_stops, t->n_stops + 1));
    t->stops[t->n_stops++] = id;
    return PT_OK;
}

/* The token that closes an answer, then what the tokenizer states. */
static pt_status find_stops(pt_template *t)
{
    const char *close = t->style->close[PT_ASSISTANT];
    size_t n, at, end;
    const int32_t *more = pt_tok_stops(t->tok, &n);
    if (!strchr(close, PT_TMPL_EOS[0])) PT_RETURN(add_stop(t, pt_tok_next_control(t->tok, close, strlen(close), 0, &at, &end)));
    PT_RETURN(add_stop(t, pt_tok_eos(t->tok)));
    for (size_t i = 0; i < n; i++) PT_RETURN(add_stop(t, more[i]));
    return PT_OK;
}

static pt_status check_controls(const pt_template *t)
{
    const pt_tmpl_style *s = t->style;
    char name[64];
    for (const char *p = s->controls; *p;) {
        size_t n = strcspn(p, " "), at, end;
        memcpy(name, p, n);
        name[n] = 0;
        int32_t id = pt_tok_find(t->tok, name);
        if (id < 0 || pt_tok_next_control(t->tok, name, n, 0, &at, &end) != id) {
            return pt_fail(PT_ENOSUP, "template %s: '%s' is not a control token of this vocabulary", s->name, name);
        }
        if (pt_tok_strips(t->tok, id)) return pt_fail(PT_ENOSUP, "template %s: '%s' swallows spaces here", s->name, name);
        p += n + (p[n] == ' ');
    }
    bool eos = s->close[PT_ASSISTANT][0] == PT_TMPL_EOS[0] || strchr(s->close[PT_ASSISTANT], PT_TMPL_EOS[0]);
    if (eos && pt_tok_eos(t->tok) < 0) return pt_fail(PT_ENOSUP, "template %s: the tokenizer has no end token", s->name);
    bool bos = s->bos == PT_BOS_ONCE || s->bos == PT_BOS_EACH_USER;
    if (bos && pt_tok_bos(t->tok) < 0) return pt_fail(PT_ENOSUP, "template %s: the tokenizer has no begin token", s->name);
    return PT_OK;
}

pt_status pt_template_open(pt_template **out, const char *name, const pt_tokenizer *tok, const char *default_system)
{
    pt_status rc = PT_OK;
    pt_template *t = NULL;
    const char *own = pt_tok_chat_template(tok);
    *out = NULL;
    PT_TRY(pt_alloc0(&t, 1));
    t->tok = tok;
    if (strcmp(name, "tokenizer_default") == 0) {
        PT_CHECK(own, PT_ENOSUP, "chat_template tokenizer_default: the model has no chat template; name one");
        t->style = pt_tmpl_by_text(own);
        PT_CHECK(t->style, PT_ENOSUP,
                 "chat_template tokenizer_default: the model's template '%.40s...' is not one of the known texts; "
                 "name one of those in the manual",
                 own);
    } else {
        t->style = pt_tmpl_by_name(name);
        PT_CHECK(t->style, PT_EARG, "unknown chat_template '%s'", name);
    }
    if (own && pt_tmpl_by_text(own) != t->style) own = NULL;
    PT_TRY(check_controls(t));
    t->bos_once = t->style->bos == PT_BOS_ONCE || (t->style->bos == PT_BOS_AS_TOKENIZER && pt_tok_add_bos(tok));
    t->bos_each = t->style->bos == PT_BOS_EACH_USER;
    const char *sys = default_system ? default_system : t->style->default_system;
    if (sys && sys[0]) PT_TRY(pt_strdup(&t->system, sys));
    if (sys) PT_CHECK(pt_utf8_check(sys, strlen(sys)) == strlen(sys), PT_EFORMAT, "the default system message is not UTF-8");
    PT_TRY(find_stops(t));
    PT_TRY(pt_tmpl_write_jinja(&t->jinja, t, own, default_system != NULL));
    *out = t;
    t = NULL;
done:
    pt_template_free(t);
    return rc;
}

void pt_template_free(pt_template *t)
{
    if (!t) return;
    free(t->system);
    free(t->jinja);
    free(t->stops);
    free(t);
}

const char *pt_template_name(const pt_template *t)
{
    return t->style->name;
}

const int32_t *pt_template_stops(const pt_template *t, size_t *n)
{
    *n = t->n_stops;
    return t->stops;
}

const char *pt_template_jinja(const pt_template *t)
{
    return t->jinja;
}

uint64_t pt_template_fingerprint(const pt_template *t)
{
    uint64_t h = pt_fnv1a(PT_FNV_START, t->style->name, strlen(t->style->name) + 1);
    const char *sys = t->system ? t->system : "";
    h = pt_fnv1a(h, sys, strlen(sys) + 1);
    uint64_t tok = pt_tok_fingerprint(t->tok);
    int64_t ids[4] = {pt_tok_bos(t->tok), pt_tok_eos(t->tok), t->bos_once, t->bos_each};
    return pt_fnv1a(pt_fnv1a(h, &tok, sizeof tok), ids, sizeof ids);
}

/* Opening a chat template and rendering conversations with it. */
#include "data/text/tmpl_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/text/tok_utf8.h"

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
    r->rewrites = false;
    memset(r->noted, 0, sizeof r->noted);
}

const char *pt_note_text(pt_note n)
{
    static const char *const texts[PT_NOTES] = {
        "thoughts the template has no place for", "thoughts of earlier answers left out", "tool calls the template cannot write",
        "texts beside tool calls left out", "lists of tools the template cannot write"};
    return texts[n];
}

pt_part pt_tmpl_content(const pt_template *t, const pt_message *m)
{
    pt_part c = {m->text, m->bytes};
    if (m->calls && !m->bytes && t->style->kind <= PT_TMPL_FOLDED) c = (pt_part){m->call_text, m->call_bytes};
    if (t->style->strip) pt_utf8_strip(&c.s, &c.n);
    return c;
}

/* True when the text after a turn's content begins with the token that ends the turn. */
static bool close_is_end(const char *close)
{
    return close[0] == PT_TMPL_EOS[0] || close[0] == '<';
}

/* The tag of a tool result under the role name that its row uses, as templates write it that print the role itself. */
static pt_status tool_open(pt_tmpl_out *o, const pt_message *m, const char *open)
{
    const char *at = m->role ? strstr(open, "tool") : NULL;
    pt_str tag = {0};
    if (!at) return pt_tmpl_lit(o, open, 0, false);
    pt_status rc = pt_str_printf(&tag, "%.*s%s%s", (int)(at - open), open, m->role, at + 4);
    if (rc == PT_OK) rc = pt_tmpl_lit(o, tag.text, 0, false);
    pt_str_free(&tag);
    return rc;
}

pt_status pt_tmpl_begin(pt_tmpl_out *o, const pt_message *m, const char *before)
{
    const pt_tmpl_style *s = o->t->style;
    PT_RETURN(pt_tmpl_turn(o));
    const char *open = pt_tmpl_tags_of(s, m->speaker)->open;
    if (pt_speaker_is(m->speaker, PT_TOOL)) return tool_open(o, m, open);
    PT_RETURN(pt_tmpl_lit(o, open, 0, false));
    PT_RETURN(pt_tmpl_lit(o, before, 0, false));
    if (!pt_speaker_is(m->speaker, PT_ASSISTANT)) return PT_OK;
    if (m->weight > 0 || m == o->unfinished) PT_RETURN(pt_tmpl_cut(o));
    return pt_tmpl_lit(o, s->lead, m->weight, false);
}

pt_status pt_tmpl_end(pt_tmpl_out *o, const pt_message *m)
{
    const char *close = pt_tmpl_tags_of(o->t->style, m->speaker)->close;
    if (m == o->unfinished) return PT_OK;
    bool ends = pt_speaker_is(m->speaker, PT_ASSISTANT) || close_is_end(close);
    return pt_tmpl_lit(o, close, ends ? m->weight : 0, ends);
}

pt_status pt_tmpl_one(pt_tmpl_out *o, const pt_message *m, pt_part c, const char *before)
{
    PT_RETURN(pt_tmpl_begin(o, m, before));
    PT_RETURN(pt_tmpl_said(o, m, c.s, c.n));
    return pt_tmpl_end(o, m);
}

pt_status pt_tmpl_default_system(pt_tmpl_out *o, const pt_message *m, size_t n)
{
    if (!o->t->system || (n && pt_speaker_is(m[0].speaker, PT_SYSTEM))) return PT_OK;
    pt_message sys = {.speaker = PT_SYSTEM, .text = o->t->system, .bytes = strlen(o->t->system)};
    return pt_tmpl_one(o, &sys, pt_tmpl_content(o->t, &sys), "");
}

/* Counts what a template without a place for it leaves out. An answer that is a tool call and nothing else would teach to say
 * nothing. */
static pt_status note_extras(pt_tmpl_out *o, const pt_message *m, size_t n)
{
    size_t *noted = o->r->noted;
    noted[PT_NOTE_TOOLS] += n && m[0].tools;
    for (size_t i = 0; i < n; i++) {
        noted[PT_NOTE_THOUGHT] += m[i].thought_bytes > 0;
        noted[PT_NOTE_CALLS] += m[i].calls != NULL;
        if (m[i].calls && !m[i].bytes && !m[i].call_bytes)
            return pt_fail(PT_EFORMAT, "template %s: message %zu is a tool call without text, and this template writes no calls",
                           o->t->style->name, i + 1);
    }
    return PT_OK;
}

static pt_status turns(pt_tmpl_out *o, const pt_message *m, size_t n)
{
    PT_RETURN(note_extras(o, m, n));
    PT_RETURN(pt_tmpl_default_system(o, m, n));
    for (size_t i = 0; i < n; i++) PT_RETURN(pt_tmpl_one(o, &m[i], pt_tmpl_content(o->t, &m[i]), ""));
    return PT_OK;
}

/* [INST] templates. Every user turn holds the prompt of the answer after it. */
static pt_status folded(pt_tmpl_out *o, const pt_message *m, size_t n)
{
    const pt_template *t = o->t;
    const pt_tmpl_style *s = t->style;
    const pt_tmpl_tags *of_system = pt_tmpl_tags_of(s, PT_SYSTEM), *of_user = pt_tmpl_tags_of(s, PT_USER);
    bool has = n && pt_speaker_is(m[0].speaker, PT_SYSTEM);
    pt_part sys = {has ? m[0].text : t->system, has ? m[0].bytes : t->system ? strlen(t->system) : 0};
    PT_RETURN(note_extras(o, m, n));
    for (size_t i = has; i < n; i++) {
        if (pt_speaker_is(m[i].speaker, PT_USER) != ((i - has) % 2 == 0)) {
            return pt_fail(PT_EARG,
                           "template %s: message %zu is the %s's; user and assistant must take turns, beginning with the user",
                           s->name, i + 1, m[i].speaker->name);
        }
        pt_part c = pt_tmpl_content(t, &m[i]);
        if (pt_speaker_is(m[i].speaker, PT_ASSISTANT)) {
            PT_RETURN(pt_tmpl_one(o, &m[i], c, ""));
            continue;
        }
        PT_RETURN(pt_tmpl_turn(o));
        if (t->bos_each) PT_RETURN(pt_tmpl_control(o, pt_tok_bos(t->tok), 0, false));
        PT_RETURN(pt_tmpl_lit(o, of_user->open, 0, false));
        if (i == (size_t)has && sys.s) {
            if (s->strip && c.n == 0) return pt_fail(PT_EARG, "template %s: the first user message is empty", s->name);
            if (s->strip) { /* the strip reaches the outer ends of both together: not the user text's left end */
                c.n += (size_t)(c.s - m[i].text);
                c.s = m[i].text;
            }
            PT_RETURN(pt_tmpl_lit(o, of_system->open, 0, false));
            PT_RETURN(has ? pt_tmpl_said(o, &m[0], sys.s, sys.n) : pt_tmpl_text(o, sys.s, sys.n, 0));
            PT_RETURN(pt_tmpl_lit(o, of_system->close, 0, false));
        }
        PT_RETURN(pt_tmpl_said(o, &m[i], c.s, c.n));
        PT_RETURN(pt_tmpl_lit(o, of_user->close, 0, false));
    }
    return PT_OK;
}

static pt_status check(const pt_template *t, const pt_message *m, size_t n, bool generation)
{
    const pt_tmpl_style *s = t->style;
    if (n == 0) return pt_fail(PT_EARG, "template %s: a conversation without messages", s->name);
    for (size_t i = 0; i < n; i++) {
        size_t bad = m[i].bytes ? pt_utf8_check(m[i].text, m[i].bytes) : 0;
        if (!t->program && !pt_tmpl_tags_of(s, m[i].speaker)) {
            return pt_fail(PT_EARG, "template %s: message %zu: it has no %s role", s->name, i + 1, m[i].speaker ? m[i].speaker->name : "such");
        }
        if (bad != m[i].bytes) return pt_fail(PT_EFORMAT, "message %zu is not valid UTF-8 at byte %zu", i + 1, bad);
        if (!m[i].speaker) return pt_fail(PT_EARG, "message %zu is nobody's", i + 1);
        if (pt_speaker_is(m[i].speaker, PT_SYSTEM) && i && !s->system_anywhere) {
            return pt_fail(PT_EARG, "template %s: message %zu is the system's; it must be the first", s->name, i + 1);
        }
        if (!(m[i].weight >= 0)) return pt_fail(PT_EARG, "message %zu has weight %g", i + 1, (double)m[i].weight);
    }
    const pt_message *last = &m[n - 1];
    if (generation && pt_speaker_is(last->speaker, PT_ASSISTANT) && last->calls)
        return pt_fail(PT_EARG, "template %s: the last message is a tool call; its result is to come, not an answer", s->name);
    if (generation && s->kind == PT_TMPL_FOLDED && !pt_speaker_is(last->speaker, PT_USER) && !pt_speaker_is(last->speaker, PT_ASSISTANT))
        return pt_fail(PT_EARG, "template %s: the last message must be the user's, or an answer to be continued", s->name);
    return PT_OK;
}

pt_status pt_template_render(const pt_template *t, const pt_message *m, size_t n, bool generation, pt_rendered *out)
{
    static pt_status (*const body[])(pt_tmpl_out *, const pt_message *, size_t) = {turns, folded, pt_tmpl_qwen25, pt_tmpl_qwen3,
                                                                                        pt_tmpl_llama31};
    pt_status rc = PT_OK;
    pt_tmpl_out o = {.t = t, .r = out, .where = PT_TOK_START};
    PT_TRY(check(t, m, n, generation));
    if (generation && pt_speaker_is(m[n - 1].speaker, PT_ASSISTANT)) o.unfinished = &m[n - 1];
    if (t->program) {
        PT_TRY(pt_tmpl_own(&o, m, n, generation));
        PT_TRY(pt_tmpl_flush(&o));
        goto done;
    }
    if (t->bos_once) PT_TRY(pt_tmpl_control(&o, pt_tok_bos(t->tok), 0, false));
    PT_TRY(body[t->style->kind](&o, m, n));
    if (generation && !o.unfinished) {
        PT_TRY(pt_tmpl_lit(&o, pt_tmpl_tags_of(t->style, PT_ASSISTANT)->open, 0, false));
        if (t->style->kind == PT_TMPL_QWEN3) PT_TRY(pt_tmpl_lit(&o, PT_TMPL_NO_THOUGHT, 0, false));
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

/* The token that closes an answer of the model's own template, by one that is rendered; it may refuse to. */
static pt_status probe_end(pt_template *t)
{
    pt_message m[2] = {{.speaker = PT_USER, .text = "a", .bytes = 1}, {.speaker = PT_ASSISTANT, .text = "b", .bytes = 1, .weight = 1}};
    pt_rendered r = {0};
    pt_status rc = pt_template_render(t, m, 2, false, &r);
    rc = rc != PT_OK ? pt_err_forgive(rc) : r.n_answers ? add_stop(t, r.ids.ids[r.answer_end[0]]) : PT_OK;
    pt_rendered_free(&r);
    return rc;
}

/* The token that closes an answer, then what the tokenizer states. */
static pt_status find_stops(pt_template *t)
{
    const pt_tmpl_tags *tags = pt_tmpl_tags_of(t->style, PT_ASSISTANT);
    const char *close = tags ? tags->close : PT_TMPL_EOS;
    size_t n, at, end;
    const int32_t *more = pt_tok_stops(t->tok, &n);
    if (t->program) PT_RETURN(probe_end(t));
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
        if (pt_tok_strips(t->tok, id) & PT_TOK_WORD) return pt_fail(PT_ENOSUP, "template %s: '%s' is one only where it stands alone (single_word)", s->name, name);
        p += n + (p[n] == ' ');
    }
    bool eos = strchr(pt_tmpl_tags_of(s, PT_ASSISTANT)->close, PT_TMPL_EOS[0]) != NULL;
    if (eos && pt_tok_eos(t->tok) < 0) return pt_fail(PT_ENOSUP, "template %s: the tokenizer has no end token", s->name);
    bool bos = s->bos == PT_BOS_ONCE || s->bos == PT_BOS_EACH_USER;
    if (bos && pt_tok_bos(t->tok) < 0) return pt_fail(PT_ENOSUP, "template %s: the tokenizer has no begin token", s->name);
    return PT_OK;
}

void pt_tmpl_place_bos(pt_template *t)
{
    t->bos_once = t->style->bos == PT_BOS_ONCE || (t->style->bos == PT_BOS_AS_TOKENIZER && pt_tok_add_bos(t->tok));
    t->bos_each = t->style->bos == PT_BOS_EACH_USER;
}

/* Of the style that t has: by its own text (known->base) where that is what it was recognised from. */
static pt_status open_style(pt_template *t, const pt_tmpl_known *known, bool by_text, const char *default_system)
{
    pt_status rc = PT_OK;
    bool ours = by_text && known->replaced;
    const char *sys = default_system ? default_system : ours ? known->system : t->style->default_system;
    PT_TRY(check_controls(t));
    pt_tmpl_place_bos(t);
    t->strips = pt_tok_strips(t->tok, -1) != 0;
    t->thoughts = t->style->kind == PT_TMPL_QWEN3 ? PT_THOUGHTS_FIELD : PT_THOUGHTS_TEXT;
    if (sys && sys[0]) PT_TRY(pt_strdup(&t->system, sys));
    if (sys) PT_CHECK(pt_utf8_check(sys, strlen(sys)) == strlen(sys), PT_EFORMAT, "the default system message is not UTF-8");
    PT_TRY(find_stops(t));
    PT_TRY(pt_tmpl_write_jinja(&t->jinja, t, known->style == t->style ? known->base : NULL, ours || default_system));
done:
    return rc;
}

pt_status pt_template_open(pt_template **out, const char *name, const pt_tokenizer *tok, const char *default_system)
{
    pt_status rc = PT_OK;
    pt_template *t = NULL;
    pt_tmpl_known known = {0};
    *out = NULL;
    if (!strcmp(name, "tokenizer_default")) return pt_template_open_own(out, NULL, tok, default_system, NULL);
    PT_TRY(pt_alloc0(&t, 1));
    t->tok = tok;
    if (pt_tok_chat_template(tok)) PT_TRY(pt_tmpl_recognise(pt_tok_chat_template(tok), tok, &known));
    t->style = pt_tmpl_by_name(name);
    PT_CHECK(t->style, PT_EARG, "unknown chat_template '%s'", name);
    PT_TRY(open_style(t, &known, false, default_system));
    *out = t;
    t = NULL;
done:
    pt_tmpl_known_free(&known);
    pt_template_free(t);
    return rc;
}

/* YYYY-MM-DD */
static pt_status read_date(const char *s, pt_jinja_date *d)
{
    char rest;
    *d = (pt_jinja_date){0};
    if (!s) return PT_OK;
    if (strlen(s) == 10 && sscanf(s, "%4d-%2d-%2d%c", &d->year, &d->month, &d->day, &rest) == 3 && d->year >= 1000 && d->month >= 1 && d->month <= 12 && d->day >= 1 && d->day <= 31)
        return PT_OK;
    return pt_fail(PT_EARG, "chat_template_date: '%.40s' is no date of the form YYYY-MM-DD", s);
}

pt_status pt_template_open_own(pt_template **out, const char *text, const pt_tokenizer *tok, const char *default_system, const char *date)
{
    pt_status rc = PT_OK;
    pt_template *t = NULL;
    pt_tmpl_known known = {0};
    *out = NULL;
    PT_TRY(pt_alloc0(&t, 1));
    t->tok = tok;
    if (!text) text = pt_tok_chat_template(tok);
    PT_CHECK(text, PT_ENOSUP, "chat_template tokenizer_default: the model has no chat template; name one");
    PT_TRY(read_date(date, &t->date));
    PT_TRY(pt_tmpl_recognise(text, tok, &known));
    t->style = known.style;
    if (t->style) {
        PT_TRY(open_style(t, &known, true, default_system));
    } else {
        t->style = &pt_tmpl_own_style;
        PT_CHECK(!default_system || default_system[0], PT_ENOSUP, "default_system_message: '' is known of named templates alone; the model's own says what stands without one");
        if (default_system) PT_TRY(pt_strdup(&t->system, default_system));
        PT_TRY(pt_tmpl_write_jinja(&t->jinja, t, text, default_system));
        PT_TRY(pt_jinja_parse(&t->program, t->jinja, strlen(t->jinja)));
        t->strips = pt_tok_strips(tok, -1) != 0;
        PT_TRY(pt_tmpl_own_thoughts(t));
        PT_TRY(find_stops(t));
    }
    *out = t;
    t = NULL;
done:
    pt_tmpl_known_free(&known);
    pt_template_free(t);
    return rc;
}

void pt_template_free(pt_template *t)
{
    if (!t) return;
    pt_jinja_free(t->program);
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
    if (t->program) h = pt_fnv1a(h, t->jinja, strlen(t->jinja) + 1);
    if (t->program && pt_jinja_asks_date(t->program)) h = pt_fnv1a(h, &t->date, sizeof t->date);
    uint64_t tok = pt_tok_fingerprint(t->tok);
    int64_t ids[4] = {pt_tok_bos(t->tok), pt_tok_eos(t->tok), t->bos_once, t->bos_each};
    return pt_fnv1a(pt_fnv1a(h, &tok, sizeof tok), ids, sizeof ids);
}

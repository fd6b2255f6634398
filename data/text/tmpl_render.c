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
        "texts beside tool calls left out", "lists of tools the template cannot write", "system texts the template leaves out",
        "system texts put into the user's turn", "turns joined to the same speaker's before", "greetings with a question put before"};
    return texts[n];
}

pt_part pt_tmpl_content(const pt_template *t, const pt_message *m)
{
    pt_part c = {m->text, m->bytes};
    if (m->calls && !m->bytes && t->style->kind <= PT_TMPL_FOLDED) c = (pt_part){m->call_text, m->call_bytes};
    if (t->style->strip && !(t->style->keep_system && pt_speaker_is(m->speaker, PT_SYSTEM))) pt_utf8_strip(&c.s, &c.n);
    return c;
}

/* True when the text after a turn's content begins with the token that ends the turn. */
static bool close_is_end(const char *close)
{
    return close[0] == PT_TMPL_EOS[0] || close[0] == '<';
}

/* The tag of a tool result under the role name that its row uses, as templates write it that print the role itself. */
static pt_status tool_open(pt_tmpl_out *o, const pt_message *m, const char *open, float end)
{
    const char *at = m->role ? strstr(open, "tool") : NULL;
    pt_str tag = {0};
    if (!at) return pt_tmpl_lit(o, open, end, end > 0);
    pt_status rc = pt_str_printf(&tag, "%.*s%s%s", (int)(at - open), open, m->role, at + 4);
    if (rc == PT_OK) rc = pt_tmpl_lit(o, tag.text, end, end > 0);
    pt_str_free(&tag);
    return rc;
}

pt_status pt_tmpl_begin(pt_tmpl_out *o, const pt_message *m, const char *before)
{
    const pt_tmpl_style *s = o->t->style;
    PT_RETURN(pt_tmpl_turn(o));
    const char *open = pt_tmpl_tags_of(s, m->speaker)->open;
    float end = pt_speaker_is(m->speaker, PT_ASSISTANT) ? 0 : o->owed; /* no answer ends another */
    o->owed = 0;
    if (pt_speaker_is(m->speaker, PT_TOOL)) return tool_open(o, m, open, end);
    PT_RETURN(pt_tmpl_lit(o, open, end, end > 0));
    PT_RETURN(pt_tmpl_lit(o, before, 0, false));
    if (!pt_speaker_is(m->speaker, PT_ASSISTANT)) return PT_OK;
    if (m->weight > 0 || m == o->unfinished) PT_RETURN(pt_tmpl_cut(o));
    return pt_tmpl_lit(o, s->lead, m->weight, false);
}

pt_status pt_tmpl_end(pt_tmpl_out *o, const pt_message *m)
{
    const char *close = pt_tmpl_tags_of(o->t->style, m->speaker)->close;
    if (m == o->unfinished) return PT_OK;
    if (o->t->style->next_ends && pt_speaker_is(m->speaker, PT_ASSISTANT)) o->owed = m->weight;
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
    if (!o->system || (n && pt_speaker_is(m[0].speaker, PT_SYSTEM))) return PT_OK;
    pt_message sys = {.speaker = PT_SYSTEM, .text = o->system, .bytes = strlen(o->system)};
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

/* What stands in the first user turn: opening, system text, closing, the user's. */
enum { OPENING, SYSTEM_TEXT, CLOSING, USER_TEXT, FIRST_PARTS };

/* The strip of all of it together. */
static void strip_ends(pt_part p[FIRST_PARTS])
{
    for (int i = 0; i < FIRST_PARTS; i++) {
        pt_part bare = p[i];
        pt_utf8_strip(&bare.s, &bare.n);
        p[i] = (pt_part){bare.n ? bare.s : p[i].s, bare.n ? p[i].n - (size_t)(bare.s - p[i].s) : 0};
        if (bare.n) break;
    }
    for (int i = FIRST_PARTS; i-- > 0;) {
        pt_part bare = p[i];
        pt_utf8_strip(&bare.s, &bare.n);
        p[i].n = bare.n ? (size_t)(bare.s + bare.n - p[i].s) : 0;
        if (bare.n) break;
    }
}

static pt_status lit_part(pt_tmpl_out *o, pt_part p)
{
    char *text = NULL;
    PT_RETURN(pt_strndup(&text, p.s, p.n));
    pt_status rc = pt_tmpl_lit(o, text, 0, false);
    free(text);
    return rc;
}

/* The system text, m[0]'s or the template's own, in front of the first user message. */
static pt_status first_user(pt_tmpl_out *o, const pt_message *m, pt_part sys, bool has)
{
    const pt_tmpl_style *s = o->t->style;
    const pt_tmpl_tags *tags = pt_tmpl_tags_of(s, PT_SYSTEM);
    const pt_message *user = m + has;
    pt_part p[FIRST_PARTS] = {{tags->open, strlen(tags->open)}, sys, {tags->close, strlen(tags->close)}, {user->text, user->bytes}};
    if (s->keep_system || !s->strip)
        p[USER_TEXT] = pt_tmpl_content(o->t, user);
    else
        strip_ends(p);
    PT_RETURN(lit_part(o, p[OPENING]));
    PT_RETURN(has ? pt_tmpl_said(o, &m[0], p[SYSTEM_TEXT].s, p[SYSTEM_TEXT].n) : pt_tmpl_text(o, p[SYSTEM_TEXT].s, p[SYSTEM_TEXT].n, 0));
    PT_RETURN(lit_part(o, p[CLOSING]));
    return pt_tmpl_said(o, user, p[USER_TEXT].s, p[USER_TEXT].n);
}

/* Templates with the system text in the first user turn. With [INST] every user turn holds the prompt of the answer after it. */
static pt_status folded(pt_tmpl_out *o, const pt_message *m, size_t n)
{
    const pt_template *t = o->t;
    const pt_tmpl_tags *of_user = pt_tmpl_tags_of(t->style, PT_USER);
    bool has = n && pt_speaker_is(m[0].speaker, PT_SYSTEM);
    pt_part sys = {has ? m[0].text : o->system, has ? m[0].bytes : o->system ? strlen(o->system) : 0};
    PT_RETURN(note_extras(o, m, n));
    for (size_t i = has; i < n; i++) {
        pt_part c = pt_tmpl_content(t, &m[i]);
        if (pt_speaker_is(m[i].speaker, PT_ASSISTANT)) {
            PT_RETURN(pt_tmpl_one(o, &m[i], c, ""));
            continue;
        }
        PT_RETURN(pt_tmpl_turn(o));
        if (t->bos_each) PT_RETURN(pt_tmpl_control(o, pt_tok_bos(t->tok), 0, false));
        PT_RETURN(pt_tmpl_lit(o, of_user->open, 0, false));
        PT_RETURN(i == (size_t)has && sys.s ? first_user(o, m, sys, has) : pt_tmpl_said(o, &m[i], c.s, c.n));
        bool ends = close_is_end(of_user->close);
        PT_RETURN(pt_tmpl_lit(o, of_user->close, ends ? m[i].weight : 0, ends));
    }
    return PT_OK;
}

/* Each message by itself. */
static pt_status check(const pt_template *t, const pt_message *m, size_t n)
{
    if (n == 0) return pt_fail(PT_EARG, "template %s: a conversation without messages", t->style->name);
    for (size_t i = 0; i < n; i++) {
        size_t bad = m[i].bytes ? pt_utf8_check(m[i].text, m[i].bytes) : 0;
        if (!t->program && !pt_tmpl_tags_of(t->style, m[i].speaker)) {
            return pt_fail(PT_EARG, "template %s: message %zu: it has no %s role", t->style->name, i + 1, m[i].speaker ? m[i].speaker->name : "such");
        }
        if (bad != m[i].bytes) return pt_fail(PT_EFORMAT, "message %zu is not valid UTF-8 at byte %zu", i + 1, bad);
        if (!m[i].speaker) return pt_fail(PT_EARG, "message %zu is nobody's", i + 1);
        if (!(m[i].weight >= 0)) return pt_fail(PT_EARG, "message %zu has weight %g", i + 1, (double)m[i].weight);
    }
    return PT_OK;
}

/* Their order. */
static pt_status check_order(const pt_template *t, const pt_message *m, size_t n, bool generation)
{
    const pt_tmpl_style *s = t->style;
    size_t has = pt_speaker_is(m[0].speaker, PT_SYSTEM);
    if (has && s->no_system && t->policy.system_role == PT_SYSTEM_KEEP)
        return pt_fail(PT_EARG, "template %s has no system role (system_role: fold puts its text into the user's turn)", s->name);
    for (size_t i = 0; i < n; i++) {
        if (pt_speaker_is(m[i].speaker, PT_SYSTEM) && i && !s->system_anywhere)
            return pt_fail(PT_EARG, "template %s: message %zu is the system's; it must be the first", s->name, i + 1);
        if (s->alternate && i >= has && pt_speaker_is(m[i].speaker, PT_USER) != ((i - has) % 2 == 0))
            return pt_fail(PT_EARG, "template %s: message %zu is the %s's; user and assistant must take turns, beginning with the user", s->name, i + 1, m[i].speaker->name);
    }
    const pt_message *last = &m[n - 1];
    if (generation && pt_speaker_is(last->speaker, PT_ASSISTANT) && last->calls)
        return pt_fail(PT_EARG, "template %s: the last message is a tool call; its result is to come, not an answer", s->name);
    if (generation && s->kind == PT_TMPL_FOLDED && !pt_speaker_is(last->speaker, PT_USER) && !pt_speaker_is(last->speaker, PT_ASSISTANT))
        return pt_fail(PT_EARG, "template %s: the last message must be the user's, or an answer to be continued", s->name);
    return PT_OK;
}

/* The token that opens a user turn and ends the last answer. */
static pt_status pay(pt_tmpl_out *o)
{
    const char *open = pt_tmpl_tags_of(o->t->style, PT_USER)->open;
    size_t at, end;
    if (!(o->owed > 0)) return PT_OK;
    return pt_tmpl_control(o, pt_tok_next_control(o->t->tok, open, strlen(open), 0, &at, &end), o->owed, true);
}

/* A named template. */
static pt_status styled(pt_tmpl_out *o, const pt_message *m, size_t n, bool generation)
{
    static pt_status (*const body[])(pt_tmpl_out *, const pt_message *, size_t) = {turns, folded, pt_tmpl_qwen25, pt_tmpl_qwen3, pt_tmpl_llama31};
    const pt_template *t = o->t;
    if (t->bos_once) PT_RETURN(pt_tmpl_control(o, pt_tok_bos(t->tok), 0, false));
    if (t->style->head) PT_RETURN(pt_tmpl_lit(o, t->style->head, 0, false));
    PT_RETURN(body[t->style->kind](o, m, n));
    if (!generation) return pay(o);
    if (o->unfinished) return PT_OK;
    PT_RETURN(pt_tmpl_lit(o, pt_tmpl_tags_of(t->style, PT_ASSISTANT)->open, 0, false));
    return t->style->kind == PT_TMPL_QWEN3 ? pt_tmpl_lit(o, PT_TMPL_NO_THOUGHT, 0, false) : PT_OK;
}

pt_status pt_template_render(const pt_template *t, const pt_message *m, size_t n, bool generation, pt_rendered *out)
{
    pt_status rc = PT_OK;
    pt_tmpl_out o = {.t = t, .r = out, .where = PT_TOK_START};
    pt_tmpl_taken k = {0};
    PT_TRY(check(t, m, n));
    PT_TRY(pt_tmpl_take(t, m, n, out, &k));
    PT_TRY(check_order(t, k.m, k.n, generation));
    bool said = pt_speaker_is(m[0].speaker, PT_SYSTEM) && !pt_speaker_is(k.m[0].speaker, PT_SYSTEM); /* it was folded: the default stays out */
    o.system = said ? NULL : t->system;
    if (generation && pt_speaker_is(k.m[k.n - 1].speaker, PT_ASSISTANT)) o.unfinished = &k.m[k.n - 1];
    PT_TRY(t->program ? pt_tmpl_own(&o, k.m, k.n, generation) : styled(&o, k.m, k.n, generation));
    PT_TRY(pt_tmpl_flush(&o));
    if (k.own) out->n_turns = 0; /* they are not the given ones */
done:
    pt_tmpl_out_free(&o);
    pt_tmpl_taken_free(&k);
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
    for (tags = t->style->tags; t->style->next_ends && tags->speaker; tags++) /* whoever may speak next but the system */
        if (strcmp(tags->speaker, PT_SYSTEM->name) && strcmp(tags->speaker, PT_ASSISTANT->name))
            PT_RETURN(add_stop(t, pt_tok_next_control(t->tok, tags->open, strlen(tags->open), 0, &at, &end)));
    PT_RETURN(add_stop(t, pt_tok_eos(t->tok)));
    for (size_t i = 0; i < n; i++) PT_RETURN(add_stop(t, more[i]));
    return PT_OK;
}

/* Whether a spelling is one token in every text: added to the vocabulary and not special (DeepSeek's roles), so that the encoder finds it wherever it
 * stands. */
static pt_status always_one(const pt_tokenizer *tok, const char *name, int32_t id, bool *yes)
{
    pt_ids ids = {0};
    pt_status rc = pt_tok_encode_at(tok, name, strlen(name), false, PT_TOK_AFTER_CONTROL, &ids, NULL);
    *yes = rc == PT_OK && ids.n == 1 && ids.ids[0] == id;
    free(ids.ids);
    return rc;
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
        bool fits = id >= 0 && pt_tok_next_control(t->tok, name, n, 0, &at, &end) == id;
        if (id >= 0 && !fits && !s->next_ends) PT_RETURN(always_one(t->tok, name, id, &fits));
        if (!fits) {
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
    const pt_tmpl_style *s = t->style;
    const char *sys = default_system ? default_system : ours ? known->system : s->default_system;
    PT_TRY(check_controls(t));
    pt_tmpl_place_bos(t);
    t->strips = pt_tok_strips(t->tok, -1) != 0;
    t->thoughts = t->style->kind == PT_TMPL_QWEN3 ? PT_THOUGHTS_FIELD : PT_THOUGHTS_TEXT;
    t->takes = (pt_tmpl_takes){.system = true, .late = s->system_anywhere, .runs = !s->alternate, .greeting = !s->alternate};
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

/* The text is run as it stands, behind what puts another default system text into it. */
static pt_status open_program(pt_template *t, const char *text, const char *default_system)
{
    t->style = &pt_tmpl_own_style;
    if (default_system && !default_system[0]) return pt_fail(PT_ENOSUP, "default_system_message: '' is known of named templates alone; the model's own says what stands without one");
    t->strips = pt_tok_strips(t->tok, -1) != 0;
    PT_RETURN(pt_jinja_parse(&t->program, text, strlen(text)));
    PT_RETURN(pt_tmpl_probe(t)); /* whether it has a system role, before a text for it is written */
    if (default_system) PT_RETURN(pt_strdup(&t->system, default_system));
    PT_RETURN(pt_tmpl_write_jinja(&t->jinja, t, text, default_system));
    if (default_system) {
        pt_jinja_free(t->program);
        t->program = NULL;
        PT_RETURN(pt_jinja_parse(&t->program, t->jinja, strlen(t->jinja)));
        PT_RETURN(pt_tmpl_probe(t));
    }
    PT_RETURN(pt_tmpl_own_thoughts(t));
    return find_stops(t);
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
    if (t->style)
        PT_TRY(open_style(t, &known, true, default_system));
    else
        PT_TRY(open_program(t, text, default_system));
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
    free((char *)t->policy.greeting_prompt);
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
    const pt_template_policy *p = &t->policy;
    const char *greeting = p->greeting_prompt ? p->greeting_prompt : "";
    int said[2] = {p->system_role, p->alternate};
    if (!t->takes.system || !t->takes.late || !t->takes.runs || !t->takes.greeting) h = pt_fnv1a(h, "taken", 5); /* once refused, rows are records now */
    if (said[0] || said[1]) h = pt_fnv1a(h, said, sizeof said);
    if (greeting[0]) h = pt_fnv1a(h, greeting, strlen(greeting) + 1);
    uint64_t tok = pt_tok_fingerprint(t->tok);
    int64_t ids[4] = {pt_tok_bos(t->tok), pt_tok_eos(t->tok), t->bos_once, t->bos_each};
    return pt_fnv1a(pt_fnv1a(h, &tok, sizeof tok), ids, sizeof ids);
}

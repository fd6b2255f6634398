/* sillytavern: a chat as SillyTavern saves it (JSON Lines): {user_name, character_name, chat_metadata ...}, then its messages {name, is_user, is_system, mes, swipes,
 * swipe_id, extra ...}, of which mes is the one that was kept. Several such chats may stand one behind the other.
 *   - The human's messages are user_name's, the others' those of their names: the character's view is taken, in a group chat everybody's but the human's.
 *   - Hidden messages (is_system) are left out; a narrator's (extra.type) is nobody's.
 *   - The greeting is the first message where it is a character's; in a group chat each character's that comes before anything else: `greeting`.
 *   - pairs: a kept message against each other swipe of it, behind the same conversation. Those of a greeting are pairs with greeting: train alone.
 * Names that say "unused" (as newer versions write) are those of the messages. Older group chats have no first line: they are read when two characters speak. Source: the saved
 * files' shape in SillyTavern's src/endpoints/chats.js; "Chub" files, whose mes is {message}, are read as it imports them. */
#include <stdlib.h>
#include <string.h>

#include "data/read/card.h"
#include "data/read/macro.h"
#include "data/read/read_feed.h"
#include "data/read/scene.h"

typedef struct chat {
    pt_reader *r;
    json_t *row, *messages;
    const char *user, *main; /* main: NULL = everybody */
    size_t characters; /* how many names there are but the user's */
    bool paired; /* pairs are wanted */
    size_t pairs, hidden;
    bool opening; /* nothing but greetings so far */
} chat;

/* ---- the file ------------------------------------------------------------------------------------------------------ */

static bool is_header(const json_t *v)
{
    bool says = json_object_get(v, "user_name") || json_object_get(v, "character_name") || json_object_get(v, "chat_metadata");
    return json_is_object(v) && !pt_json_odd(v) && says && !json_object_get(v, "mes");
}

static pt_status begin_chat(json_t **row, json_t *header)
{
    *row = header ? json_incref(header) : json_object();
    return *row && !json_object_set_new(*row, "messages", json_array()) ? PT_OK : pt_fail(PT_ENOMEM, "out of memory: a chat");
}

static pt_status give_chat(const pt_row_sink *sink, const char *path, json_t **row, int64_t line)
{
    json_t *whole = *row;
    *row = NULL;
    return whole ? pt_row_give(sink, path, whole, line) : PT_OK;
}

/* One line of the file: a header ends the chat before it. */
static pt_status take_line(pt_feed *f, const pt_row_sink *sink, json_t **row, int64_t *begins, json_t *v, int64_t line)
{
    bool header = is_header(v);
    if (header) PT_RETURN(give_chat(sink, f->path, row, *begins));
    if (!*row) {
        *begins = line;
        PT_RETURN(begin_chat(row, header ? v : NULL));
    }
    if (header) return PT_OK;
    if (!json_is_object(v) || pt_json_odd(v) || !json_object_get(v, "mes"))
        return pt_fail(PT_EFORMAT, "%s:%lld: neither the first line of a chat {user_name, character_name, chat_metadata} nor a message {name, is_user, mes}", f->path, (long long)line);
    bool bad = json_object_set_new(v, "line", json_integer(line)) || json_array_append(json_object_get(*row, "messages"), v);
    return bad ? pt_fail(PT_ENOMEM, "out of memory: a chat") : PT_OK;
}

static pt_status chat_rows(pt_feed *f, const pt_dataset_spec *spec, const pt_row_sink *sink)
{
    pt_status rc = PT_OK;
    json_t *row = NULL, *v;
    int64_t begins = 1;
    (void)spec;
    while (f->more) PT_RETURN(pt_feed_more(f, f->at));
    pt_json_in in = {f->path, f->at, f->end, f->at, 1, PT_JSON_NUL};
    for (pt_json_space(&in); rc == PT_OK && in.at < in.end; pt_json_space(&in)) {
        int64_t line = in.line;
        rc = pt_json_next(&in, &v);
        if (rc != PT_OK) break;
        rc = take_line(f, sink, &row, &begins, v, line);
        json_decref(v);
    }
    if (rc == PT_OK) return give_chat(sink, f->path, &row, begins);
    json_decref(row);
    return rc == PT_EFORMAT ? pt_row_give(sink, f->path, NULL, in.line) : rc; /* a file is a chat: what is broken in it ends it */
}

/* ---- messages ------------------------------------------------------------------------------------------------------ */

/* A text, or Chub's {message: text}; NULL for others. */
static const json_t *text_of(const json_t *v)
{
    if (json_is_object(v) && !pt_json_odd(v)) v = json_object_get(v, "message");
    return json_is_string(v) ? v : NULL;
}

static long long line_of(const json_t *m)
{
    return json_integer_value(json_object_get(m, "line"));
}

static bool is_user(const json_t *m)
{
    return json_is_true(json_object_get(m, "is_user"));
}

static bool is_narrator(const json_t *m)
{
    const char *type = json_string_value(json_object_get(json_object_get(m, "extra"), "type"));
    return type && !strcmp(type, "narrator");
}

static bool is_hidden(const json_t *m)
{
    return json_is_true(json_object_get(m, "is_system"));
}

/* A name that says something. */
static const char *name_in(const json_t *v, const char *key)
{
    const json_t *n = json_object_get(v, key);
    const char *name = json_string_value(n);
    if (!name || strlen(name) != json_string_length(n) || pt_text_blank(name, strlen(name)) || !strcmp(name, "unused")) return NULL;
    return name;
}

/* Who is who: the human by user_name, the first line, the messages, in that order. */
static pt_status find_people(chat *c)
{
    const char *said = pt_dataset_says(c->r->spec, "user_name"), *header = name_in(c->row, "character_name"), *only = NULL, *name;
    bool has_header = is_header(c->row), there = false;
    json_t *m;
    size_t i;
    c->user = said ? said : name_in(c->row, "user_name");
    json_array_foreach(c->messages, i, m)
    {
        name = is_hidden(m) || is_narrator(m) ? NULL : name_in(m, "name");
        if (!name && header && !is_user(m)) name = header;
        if (name && is_user(m) && !c->user) c->user = name;
        if (!name || is_user(m)) continue;
        there = there || (header && !strcmp(name, header));
        if (!only) c->characters = 1, only = name;
        else if (strcmp(name, only)) c->characters = 2;
    }
    if (!has_header && c->characters < 2)
        return pt_fail(PT_EFORMAT, "the chat has no first line {user_name, character_name, chat_metadata}: only group chats may be without; its first message says %s", only ? only : "nobody's name");
    c->main = there ? header : c->characters == 1 ? only : NULL;
    if (!c->user) c->user = pt_dataset_value(c->r->spec, "user_name");
    if (c->main && !said && !strcmp(c->main, c->user)) c->user = strcmp(c->main, "User") ? "User" : "Human"; /* one name for two */
    return PT_OK;
}

/* Whose a message is: NULL = nobody's. */
static pt_status speaker_of(const chat *c, const json_t *m, const char **name)
{
    *name = NULL;
    if (is_narrator(m)) return PT_OK;
    if (is_user(m)) {
        *name = c->user;
        return PT_OK;
    }
    *name = name_in(m, "name");
    if (!*name) *name = c->main;
    if (!*name) return pt_fail(PT_EFORMAT, "line %lld: the message has no name", line_of(m));
    if (!strcmp(*name, c->user)) return pt_fail(PT_EFORMAT, "line %lld: '%.60s' is the user's name and a character's; user_name: NAME gives the user another one", line_of(m), *name);
    return PT_OK;
}

static pt_status filled(const chat *c, const json_t *text, const char *name, const json_t *m, const char **out, size_t *n)
{
    const char *p = json_string_value(text);
    *n = json_string_length(text);
    pt_text_strip(&p, n);
    pt_status rc = pt_text_macros(c->r, p, *n, name && name != c->user ? name : c->main, c->user, out, n);
    return rc == PT_OK ? rc : pt_fail_prefix(rc, "line %lld", line_of(m));
}

/* The kept message, which is the scene's last line, against each other one. */
static pt_status give_pairs(chat *c, const json_t *m, const char *name, const char *kept, size_t n_kept)
{
    enum { MOST = 1000 };
    json_t *swipes = json_object_get(m, "swipes"), *v;
    struct { const char *at; size_t n; } seen[MOST + 1] = {{kept, n_kept}};
    size_t i, n_seen = 1;
    if (json_array_size(swipes) > MOST) return pt_fail(PT_EFORMAT, "line %lld: the message has %zu swipes; %d are the most", line_of(m), json_array_size(swipes), MOST);
    json_array_foreach(swipes, i, v)
    {
        const json_t *x = text_of(v);
        const char *text;
        size_t n, k = 0;
        if (json_is_null(v)) continue;
        if (!x) return pt_fail(PT_EFORMAT, "line %lld: swipe %zu is %s, a string is wanted", line_of(m), i + 1, pt_row_kind(v));
        PT_RETURN(filled(c, x, name, m, &text, &n));
        while (k < n_seen && (seen[k].n != n || memcmp(seen[k].at, text, n))) k++;
        if (!n || k < n_seen) continue;
        seen[n_seen].at = text;
        seen[n_seen++].n = n;
        c->pairs++;
        PT_RETURN(pt_read_scene_pair(c->r, &c->r->scene, text, n));
    }
    return PT_OK;
}

/* ---- rows ---------------------------------------------------------------------------------------------------------- */

/* Who the characters are, where profiles are cards: {{user}} of a profile is this chat's, and a template may name the fields of the one character's card. */
static pt_status add_person(chat *c, const char *name)
{
    json_t *j = json_object_get(c->r->cards, name), *fields;
    const char *profile;
    pt_card card;
    if (pt_scene_person_find(&c->r->scene, name)) return PT_OK;
    PT_RETURN(pt_scene_person_add(&c->r->scene, name, NULL, false, c->main && !strcmp(name, c->main)));
    if (!j) return PT_OK;
    PT_RETURN(pt_card_read(j, &card));
    PT_RETURN(pt_card_cast(c->r, &card, c->user, &profile, &fields));
    bool bad = json_object_set_new(c->r->profiles, name, json_string(profile)) != 0;
    if (c->main && !strcmp(name, c->main)) {
        bad = bad || json_object_update_missing(fields, c->row);
        c->r->scene.row = fields;
    }
    return bad ? pt_fail(PT_ENOMEM, "out of memory: a card") : PT_OK;
}

/* Whether message `at`, a character's, opens the chat: that character's first one, and nothing but such before it. */
static pt_status find_greeting(chat *c, size_t at, const char *name, bool *is)
{
    bool spoke = at >= 64 || name == c->user;
    for (size_t i = 0; c->opening && !spoke && i < at; i++) {
        const json_t *m = json_array_get(c->messages, i);
        const char *who = NULL;
        if (!is_hidden(m)) PT_RETURN(speaker_of(c, m, &who));
        spoke = who && !strcmp(who, name);
    }
    *is = c->opening = c->opening && !spoke;
    return PT_OK;
}

static pt_status add_message(chat *c, const json_t *m, size_t at)
{
    bool opens = false;
    pt_scene *s = &c->r->scene;
    const char *name, *text, *greeting = pt_dataset_value(c->r->spec, "greeting");
    const json_t *mes = text_of(json_object_get(m, "mes"));
    size_t n;
    if (is_hidden(m)) {
        c->hidden++;
        return PT_OK;
    }
    if (!mes) return pt_fail(PT_EFORMAT, "line %lld: 'mes' is %s, a string is wanted", line_of(m), pt_row_kind(json_object_get(m, "mes")));
    PT_RETURN(speaker_of(c, m, &name));
    PT_RETURN(filled(c, mes, name, m, &text, &n));
    if (name) PT_RETURN(find_greeting(c, at, name, &opens));
    if (!n || (opens && !strcmp(greeting, "drop"))) return PT_OK;
    if (name && name != c->user) PT_RETURN(add_person(c, name));
    PT_RETURN(pt_scene_line_add(s, name, text, n));
    if (opens && strcmp(greeting, "train")) {
        s->lines[s->n - 1].weight = 0;
        s->lines[s->n - 1].has_weight = true;
        return PT_OK;
    }
    if (name && name != c->user && pt_row_says(json_object_get(json_object_get(m, "extra"), "reasoning")))
        pt_causes_add(&c->r->notes, "extra.reasoning of messages is not in what is trained on", c->r->line);
    return c->paired && name && name != c->user ? give_pairs(c, m, name, text, n) : PT_OK;
}

static pt_status read_chat(pt_reader *r, json_t *row)
{
    chat c = {.r = r, .row = row, .opening = true, .paired = r->pairs || r->verdicts, .messages = pt_row_take(r, row, "messages")};
    pt_scene *s = &r->scene;
    json_t *m;
    size_t i;
    pt_row_take(r, row, "user_name");
    pt_row_take(r, row, "character_name");
    PT_RETURN(find_people(&c));
    pt_scene_clear(s);
    s->row = row;
    PT_RETURN(pt_scene_person_add(s, c.user, NULL, true, false));
    if (c.main) PT_RETURN(add_person(&c, c.main));
    json_array_foreach(c.messages, i, m) PT_RETURN(add_message(&c, m, i));
    if (c.hidden) pt_causes_add(&r->notes, "hidden messages (is_system) are left out", r->line);
    if (!s->n) pt_causes_add(&r->notes, "chats without a message give no record", r->line);
    else if (c.paired && !c.pairs) pt_causes_add(&r->notes, "chats without swipes give no pair", r->line);
    return !s->n || c.paired ? PT_OK : pt_read_scene(r, s);
}

const pt_data_type pt_data_type_sillytavern = {.name = "sillytavern", .also = "silly_tavern", .sft = read_chat, .pairs = read_chat, .verdicts = read_chat, .open = pt_scenes_open, .rows = chat_rows, .endings = ".jsonl",
                                               .profiles = pt_scenes_profiles,
                                               .keys = (const pt_data_key *const[]){pt_keys_of_cards, pt_keys_of_scenes, pt_keys_of_people, NULL}};

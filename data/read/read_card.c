/* card: character cards (data/read/card.h), a file each or rows of them. What a card gives:
 *   - every example dialogue of mes_example (blocks behind <START>; a line that begins with "{{user}}:", "{{char}}:", <USER>, <BOT> or one of the two names begins a message,
 *     others go on with it) is a conversation, the character's messages are trained on;
 *   - first_mes opens each of them, not trained on (greeting: context, where the dialogue does not begin with the character itself); or first_mes and each of
 *     alternate_greetings is a conversation of its own, trained on (train); or neither (drop);
 *   - the system text is pt_card_profile's (system_prompt, description, personality, scenario, book): {profile} of a system_template, which may name any field of the card.
 * post_history_instructions and group_only_greetings say nothing about such conversations: they are not read. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "data/read/card.h"
#include "data/read/macro.h"
#include "data/read/read_feed.h"
#include "data/read/scene.h"

typedef struct casting {
    pt_reader *r;
    pt_card card;
    const char *user;
    json_t *fields; /* held by the reader */
    const char *profile;
    size_t given;
} casting;

/* ---- conversations ------------------------------------------------------------------------------------------------- */

static pt_status begin(casting *c)
{
    pt_scene *s = &c->r->scene;
    pt_scene_clear(s);
    s->row = c->fields;
    PT_RETURN(pt_scene_person_add(s, c->card.name, c->profile, false, true));
    return pt_scene_person_add(s, c->user, NULL, true, false);
}

static pt_status add_line(casting *c, const char *name, const char *text, size_t n)
{
    pt_text_strip(&text, &n);
    PT_RETURN(pt_text_macros(c->r, text, n, c->card.name, c->user, &text, &n));
    return n ? pt_scene_line_add(&c->r->scene, name, text, n) : PT_OK;
}

static pt_status give(casting *c)
{
    c->given++;
    return pt_read_scene(c->r, &c->r->scene);
}

static pt_status give_greeting(casting *c, const char *text)
{
    if (pt_text_blank(text, strlen(text))) return PT_OK;
    PT_RETURN(begin(c));
    PT_RETURN(add_line(c, c->card.name, text, strlen(text)));
    return give(c);
}

static pt_status give_greetings(casting *c)
{
    PT_RETURN(give_greeting(c, c->card.first_mes));
    for (size_t i = 0; i < json_array_size(c->card.greetings); i++) PT_RETURN(give_greeting(c, json_string_value(json_array_get(c->card.greetings, i))));
    return PT_OK;
}

/* ---- example dialogues ---------------------------------------------------------------------------------------------- */

/* Bytes of "NAME:" at the beginning of a line; 0 when it begins otherwise. The colon may be the full-width one. */
static size_t opened_by(const char *line, size_t n, const char *name, bool any_case)
{
    size_t m = strlen(name);
    if (!m || n <= m || (any_case ? strncasecmp(line, name, m) : memcmp(line, name, m))) return 0;
    if (line[m] == ':') return m + 1;
    return n >= m + 3 && !memcmp(line + m, "\xef\xbc\x9a", 3) ? m + 3 : 0;
}

/* Whose message a line begins: *name, and how many bytes stand before its text; *name is left where none does. */
static size_t opens(const casting *c, const char *line, size_t n, const char **name)
{
    static const char *const of_user[] = {"{{user}}", "<user>"}, *const of_char[] = {"{{char}}", "<char>", "<bot>"};
    size_t skip = 0, lead = 0;
    while (lead < n && (line[lead] == ' ' || line[lead] == '\t')) lead++;
    line += lead;
    n -= lead;
    for (size_t i = 0; i < 2 && !skip; i++)
        if ((skip = opened_by(line, n, of_user[i], true))) *name = c->user;
    for (size_t i = 0; i < 3 && !skip; i++)
        if ((skip = opened_by(line, n, of_char[i], true))) *name = c->card.name;
    if (!skip && ((skip = opened_by(line, n, c->card.name, false)) || (skip = opened_by(line, n, c->card.full_name, false)))) *name = c->card.name;
    if (!skip && (skip = opened_by(line, n, c->user, false))) *name = c->user;
    return skip ? lead + skip : 0;
}

/* The messages of one block as lines of the scene; *own: how many are the character's. */
static pt_status add_block(casting *c, const char *text, size_t n, size_t *own)
{
    const char *name = NULL, *end = text + n, *from = text;
    *own = 0;
    for (const char *p = text; p < end;) {
        const char *nl = memchr(p, '\n', (size_t)(end - p)), *next = nl ? nl + 1 : end, *who = NULL;
        size_t skip = opens(c, p, (size_t)(next - p), &who);
        if (skip) {
            PT_RETURN(add_line(c, name, from, (size_t)(p - from)));
            name = who;
            from = p + skip;
            *own += who == c->card.name;
        }
        p = next;
    }
    return add_line(c, name, from, (size_t)(end - from));
}

static pt_status give_block(casting *c, const char *text, size_t n, bool greeting)
{
    pt_scene *s = &c->r->scene;
    size_t own;
    if (pt_text_blank(text, n)) return PT_OK;
    PT_RETURN(begin(c));
    if (greeting) PT_RETURN(add_line(c, c->card.name, c->card.first_mes, strlen(c->card.first_mes)));
    greeting = s->n > 0;
    if (greeting) s->lines[0].weight = 0, s->lines[0].has_weight = true;
    PT_RETURN(add_block(c, text, n, &own));
    if (!own) {
        pt_causes_add(&c->r->notes, "example dialogues in which the character says nothing give no record", c->r->line);
        return PT_OK;
    }
    if (greeting && s->n > 1 && s->lines[1].name == c->card.name) { /* it opens the dialogue itself */
        memmove(s->lines, s->lines + 1, (s->n - 1) * sizeof *s->lines);
        s->n--;
    }
    return give(c);
}

/* The next <START> at or behind p, in any letter case; end when there is none. */
static const char *next_start(const char *p, const char *end)
{
    for (; end - p >= 7; p++)
        if (*p == '<' && !strncasecmp(p, "<start>", 7)) return p;
    return end;
}

static pt_status give_examples(casting *c, bool greeting)
{
    const char *p = c->card.mes_example, *end = p + strlen(p);
    while (p < end) {
        const char *stop = next_start(p, end);
        PT_RETURN(give_block(c, p, (size_t)(stop - p), greeting));
        p = stop < end ? stop + 7 : end;
    }
    return PT_OK;
}

/* ---- rows ---------------------------------------------------------------------------------------------------------- */

static pt_status read_card(pt_reader *r, json_t *row)
{
    static const char *const known[] = {"spec", "spec_version", "data"};
    casting c = {.r = r, .user = pt_dataset_value(r->spec, "user_name")};
    const char *greeting = pt_dataset_value(r->spec, "greeting"), *key;
    json_t *v;
    PT_RETURN(pt_card_read(row, &c.card));
    for (size_t i = 0; i < 3; i++) pt_row_take(r, row, known[i]);
    if (c.card.data == row)
        json_object_foreach(row, key, v) pt_row_take(r, row, key);
    if (c.card.newer) pt_causes_add(&r->notes, "cards of a newer spec_version than 2.0 or 3.0 are read as those", r->line);
    if (!strcmp(c.card.name, c.user)) return pt_fail(PT_EFORMAT, "the character is called '%.60s' as the user is; user_name: NAME gives the user another name", c.user);
    PT_RETURN(pt_card_cast(r, &c.card, c.user, &c.profile, &c.fields));
    PT_RETURN(give_examples(&c, !strcmp(greeting, "context")));
    if (!strcmp(greeting, "train")) PT_RETURN(give_greetings(&c));
    if (!c.given) pt_causes_add(&r->notes, "cards without an example dialogue give no record (greeting: train makes their greetings records)", r->line);
    return PT_OK;
}

/* A PNG image or a CHARX archive is one row; other files are rows of cards as JSON. */
static pt_status card_rows(pt_feed *f, const pt_dataset_spec *spec, const pt_row_sink *sink)
{
    json_t *row = NULL;
    while (f->more) PT_RETURN(pt_feed_more(f, f->at));
    size_t n = (size_t)(f->end - f->at);
    if (n >= 12 && !memcmp(f->at, "RIFF", 4) && !memcmp(f->at + 8, "WEBP", 4))
        return pt_fail(PT_ENOSUP, "%s is a WebP image, of which no card specification says where the card is; save the card as PNG or JSON", f->path);
    if (n >= 3 && !memcmp(f->at, "\xff\xd8\xff", 3)) return pt_fail(PT_ENOSUP, "%s is a JPEG image, which no card specification has; save the card as PNG or JSON", f->path);
    if (!pt_card_packed(f->at, n)) {
        PT_RETURN(pt_text_check_utf16(f->path, f->at, n));
        if (n >= 3 && !memcmp(f->at, "\xef\xbb\xbf", 3)) f->at += 3;
        return pt_rows_by_name(f, spec, sink);
    }
    pt_status rc = pt_card_unpack(f->path, f->at, n, &row);
    if (rc != PT_OK && rc != PT_EFORMAT && rc != PT_ENOSUP) return rc;
    return pt_row_give(sink, f->path, row, 1);
}

const pt_data_key pt_keys_of_cards[] = {
    {.key = "greeting", .kind = PT_DATA_WORD, .fallback = "context", .words = (const char *const[]){"context", "train", "drop", NULL}, .after = "system_template",
     .help = "card, sillytavern: what becomes of a character's opening (first_mes, alternate_greetings; the first message of a chat): context (default: it stands first, not trained on), "
             "train (a card's are records of their own), drop."},
    {.key = "user_name", .kind = PT_DATA_TEXT, .fallback = "User", .help = "card, sillytavern: what the human is called, for {{user}}. Default: as the chat says; User."},
    {.key = "character_book", .kind = PT_DATA_WORD, .fallback = "constant", .words = (const char *const[]){"constant", "drop", NULL},
     .help = "Entries of a card's book: constant (default: those that are always in the prompt are part of the profile; those that wait for a word are not), drop."},
    {0}};

const pt_data_type pt_data_type_card = {.name = "card", .also = "chara_card_v2 chara_card_v3 charx", .sft = read_card, .open = pt_scenes_open, .rows = card_rows, .binary = true, .endings = ".png .apng .charx .json .jsonl", .profiles = pt_scenes_profiles,
                                        .keys = (const pt_data_key *const[]){pt_keys_of_cards, pt_keys_of_scenes, pt_keys_of_people, NULL}};

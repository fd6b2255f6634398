/* convai2 (PersonaChat): ParlAI's text, an episode a row: "N your persona: ...", "N partner's persona: ...", "N utterance<TAB>reply[<TAB><TAB>candidates]",
 * numbers from 1; and the JSON of it, {personality, utterances: [{history, candidates}]} or a row an utterance {personality, history, candidates}, whose
 * last candidate is the reply. The replies are those of the one whose persona is told ("you"). */
#include <string.h>

#include "data/read/people.h"
#include "data/read/read_feed.h"

/* ---- text to rows ------------------------------------------------------------------------------------------------ */

typedef struct episode {
    json_t *row; /* {your_persona: [text], partner_persona: [text], dialogue: [[who, text]], candidates: n}; NULL: none is open */
    int64_t line;
    bool broken; /* what is left of it is passed over */
} episode;

static pt_status give(pt_feed *f, const pt_row_sink *sink, episode *e)
{
    json_t *row = e->row;
    int64_t line = e->line;
    *e = (episode){0};
    return row ? pt_row_give(sink, f->path, row, line) : PT_OK;
}

/* A line that cannot be read takes its episode with it. */
static pt_status broken(pt_feed *f, const pt_row_sink *sink, episode *e, int64_t line, const char *why)
{
    bool told = e->broken;
    json_decref(e->row);
    *e = (episode){.broken = true};
    if (told) return PT_OK;
    pt_fail(PT_EFORMAT, "%s:%lld: %s", f->path, (long long)line, why);
    return pt_row_give(sink, f->path, NULL, line);
}

/* A text with "\n" spelled out as a line end, without outer spaces; NULL: not UTF-8. */
static json_t *text_of(const char *p, size_t n)
{
    pt_text_strip(&p, &n);
    json_t *v = json_stringn(p, n);
    const char *s = json_string_value(v);
    if (!v || !strstr(s, "\\n")) return v;
    pt_str out = {0};
    for (const char *next; (next = strstr(s, "\\n")) != NULL; s = next + 2)
        if (pt_str_add(&out, s, (size_t)(next - s)) != PT_OK || pt_str_puts(&out, "\n") != PT_OK) break;
    if (pt_str_puts(&out, s) == PT_OK && json_string_setn(v, out.text, out.len) != 0) json_decref(v), v = NULL;
    pt_str_free(&out);
    return v;
}

static json_t *list_of(json_t *row, const char *key)
{
    json_t *list = json_object_get(row, key);
    if (list) return list;
    return json_object_set_new(row, key, json_array()) ? NULL : json_object_get(row, key);
}

/* What a line says into the episode; false: its text is not UTF-8, or memory ended. */
static bool add(episode *e, const char *p, size_t n)
{
    static const struct { const char *begin, *key; } persona[] = {{"your persona:", "your_persona"}, {"partner's persona:", "partner_persona"}};
    for (int i = 0; i < 2; i++) {
        size_t k = strlen(persona[i].begin);
        if (n >= k && !memcmp(p, persona[i].begin, k)) return !json_array_append_new(list_of(e->row, persona[i].key), text_of(p + k, n - k));
    }
    const char *tab = memchr(p, '\t', n), *end = p + n, *stop;
    json_t *talk = list_of(e->row, "dialogue");
    if (json_array_append_new(talk, json_pack("[s, o]", "partner", text_of(p, tab ? (size_t)(tab - p) : n)))) return false;
    if (!tab) return true;
    stop = memchr(tab + 1, '\t', (size_t)(end - tab - 1));
    if (json_array_append_new(talk, json_pack("[s, o]", "you", text_of(tab + 1, (size_t)((stop ? stop : end) - tab - 1))))) return false;
    return !stop || !json_object_set_new(e->row, "candidates", json_true());
}

/* The number of a line and what stands behind it; false: there is none. */
static bool number(const char **p, size_t *n, long *out)
{
    size_t i = 0;
    for (*out = 0; i < *n && i < 6 && (*p)[i] >= '0' && (*p)[i] <= '9'; i++) *out = *out * 10 + (*p)[i] - '0';
    if (!i || i == *n || (*p)[i] != ' ') return false;
    *p += i + 1;
    *n -= i + 1;
    return true;
}

static pt_status one_line(pt_feed *f, const pt_row_sink *sink, episode *e, const char *p, size_t n, int64_t line)
{
    long at;
    while (n && p[n - 1] == '\r') n--;
    if (pt_text_blank(p, n)) return PT_OK;
    if (!number(&p, &n, &at)) return broken(f, sink, e, line, "\"NUMBER text\" is wanted, as ParlAI writes dialogues");
    if (at == 1) {
        PT_RETURN(give(f, sink, e));
        *e = (episode){.row = json_object(), .line = line};
        if (!e->row) return pt_fail(PT_ENOMEM, "out of memory");
    }
    if (e->broken) return PT_OK;
    if (!e->row) return broken(f, sink, e, line, "the first line of an episode has the number 1");
    return add(e, p, n) ? PT_OK : broken(f, sink, e, line, "the line is not valid UTF-8");
}

static pt_status rows(pt_feed *f, const pt_dataset_spec *spec, const pt_row_sink *sink)
{
    pt_status rc = PT_OK;
    episode e = {0};
    const char *first = f->at;
    while (first < f->end && strchr(" \t\r\n", *first)) first++;
    if (first < f->end && (*first == '{' || *first == '[')) return pt_rows_by_name(f, spec, sink);
    for (int64_t line = 1;; line++) {
        const char *nl;
        while (!(nl = memchr(f->at, '\n', (size_t)(f->end - f->at))) && f->more) PT_TRY(pt_feed_more(f, f->at));
        PT_TRY(one_line(f, sink, &e, f->at, (size_t)((nl ? nl : f->end) - f->at), line));
        if (!nl) break;
        f->at = nl + 1;
    }
    rc = give(f, sink, &e);
done:
    json_decref(e.row);
    return rc;
}

/* ---- rows to records --------------------------------------------------------------------------------------------- */

static pt_status say(pt_scene *c, const char *who, json_t *text)
{
    static const char *const silence[] = {"__SILENCE__", "__ SILENCE __"}; /* the other one begins */
    if (!json_is_string(text)) return pt_fail(PT_EFORMAT, "a line of the dialogue is %s, a string is wanted", pt_row_kind(text));
    for (int i = 0; i < 2; i++)
        if (!strcmp(json_string_value(text), silence[i])) return PT_OK;
    return pt_scene_line_add(c, who, json_string_value(text), json_string_length(text));
}

static pt_status meet(pt_reader *r, json_t *row, pt_scene *c)
{
    const char *mine, *other;
    json_t *persona = pt_row_take(r, row, "personality");
    if (!persona) persona = pt_row_take(r, row, "your_persona");
    PT_RETURN(pt_profile_text(r, persona, &mine));
    PT_RETURN(pt_profile_text(r, pt_row_take(r, row, "partner_persona"), &other));
    PT_RETURN(pt_scene_person_add(c, "you", mine, false, true));
    return pt_scene_person_add(c, "partner", other, false, false);
}

static pt_status read_talk(json_t *talk, pt_scene *c)
{
    size_t i;
    json_t *m;
    json_array_foreach(talk, i, m)
    {
        const char *who = json_string_value(json_array_get(m, 0));
        if (!who || (strcmp(who, "you") && strcmp(who, "partner"))) return pt_fail(PT_EFORMAT, "line %zu of 'dialogue' is not [you or partner, text]", i + 1);
        pt_status rc = say(c, who, json_array_get(m, 1));
        if (rc != PT_OK) return pt_fail_prefix(rc, "line %zu of 'dialogue'", i + 1);
    }
    return PT_OK;
}

/* A history that the partner has the last word of, and the reply, the last candidate. alone: earlier replies are other rows' answers. */
static pt_status read_history(json_t *at, bool alone, pt_scene *c)
{
    json_t *history = json_object_get(at, "history"), *candidates = json_object_get(at, "candidates");
    size_t n = json_array_size(history), m = json_array_size(candidates);
    if (!n) return pt_fail(PT_EFORMAT, "'history' is %s, a list of lines is wanted", json_is_array(history) ? "empty" : pt_row_kind(history));
    if (!m) return pt_fail(PT_EFORMAT, "'candidates' is %s; its last one is the reply", json_is_array(candidates) ? "empty" : pt_row_kind(candidates));
    for (size_t i = 0; i < n; i++) {
        bool you = (n - i) % 2 == 0;
        size_t before = c->n;
        PT_RETURN(say(c, you ? "you" : "partner", json_array_get(history, i)));
        if (alone && you && c->n > before) c->lines[c->n - 1].has_weight = true;
    }
    return say(c, "you", json_array_get(candidates, m - 1));
}

static pt_status read_row(pt_reader *r, json_t *row)
{
    json_t *all = pt_row_take(r, row, "utterances"), *talk = pt_row_take(r, row, "dialogue");
    pt_scene *c = pt_scene_begin(r, row);
    PT_RETURN(meet(r, row, c));
    if (json_array_size(all)) {
        PT_RETURN(read_history(json_array_get(all, json_array_size(all) - 1), false, c));
    } else if (json_array_size(talk)) {
        PT_RETURN(read_talk(talk, c));
    } else if (pt_row_take(r, row, "history")) {
        pt_row_take(r, row, "candidates");
        PT_RETURN(read_history(row, true, c));
    } else {
        bool empty = json_object_get(row, "your_persona") || json_is_array(all);
        return empty ? pt_fail(PT_EFORMAT, "a dialogue without an utterance") : pt_row_missing(r, row, "utterances");
    }
    return pt_read_scene(r, c);
}

const pt_data_type pt_data_type_convai2 = {.name = "convai2", .also = "personachat", .sft = read_row, .profiles = pt_scenes_profiles, .rows = rows,
                                           .fits = "personality candidates|utterances",
                                           .keys = (const pt_data_key *const[]){pt_keys_of_people, pt_keys_of_scenes, NULL}};

/* Conversations between people, by a shape that says under which names a row holds them. */
#include "data/read/people.h"

#include <string.h>

/* ---- profiles ---------------------------------------------------------------------------------------------------- */

static bool texts_alone(json_t *list)
{
    size_t i;
    json_t *v;
    json_array_foreach(list, i, v)
        if (!json_is_string(v)) return false;
    return true;
}

/* One value: a text, a list of texts with `comma` between them, or JSON. */
static pt_status add_value(pt_str *out, json_t *v, const char *comma)
{
    size_t i;
    json_t *x;
    if (json_is_string(v)) return pt_str_add(out, json_string_value(v), json_string_length(v));
    if (!json_is_array(v) || !texts_alone(v)) return pt_text_json(out, v, 0);
    json_array_foreach(v, i, x)
    {
        if (i) PT_RETURN(pt_str_puts(out, comma));
        PT_RETURN(pt_str_add(out, json_string_value(x), json_string_length(x)));
    }
    return PT_OK;
}

pt_status pt_profile_add(pt_str *out, json_t *v, const char *between)
{
    const char *key;
    json_t *x;
    if (!pt_row_says(v)) return PT_OK;
    if (out->len) PT_RETURN(pt_str_puts(out, between));
    if (!json_is_object(v) || pt_json_odd(v)) return add_value(out, v, "\n");
    size_t from = out->len;
    json_object_foreach(v, key, x)
    {
        if (!pt_row_says(x)) continue;
        PT_RETURN(pt_str_printf(out, "%s%s: ", out->len > from ? "\n" : "", key));
        PT_RETURN(add_value(out, x, ", "));
    }
    return PT_OK;
}

pt_status pt_row_keep(pt_reader *r, pt_str *text, const char **out)
{
    *out = NULL;
    if (text->len) {
        json_t *v = json_stringn(text->text, text->len);
        if (!r->held) r->held = json_array();
        if (!v || json_array_append_new(r->held, v)) {
            pt_str_free(text);
            return pt_fail(PT_ENOMEM, "out of memory: a text of a row");
        }
        *out = json_string_value(v);
    }
    pt_str_free(text);
    return PT_OK;
}

pt_status pt_profile_text(pt_reader *r, json_t *v, const char **out)
{
    pt_str s = {0};
    *out = json_string_value(v);
    if (!pt_row_says(v)) *out = NULL;
    if (!*out || !json_is_string(v)) {
        pt_status rc = pt_profile_add(&s, v, "\n");
        if (rc == PT_OK) return pt_row_keep(r, &s, out);
        pt_str_free(&s);
        return rc;
    }
    return PT_OK;
}

pt_status pt_profiles_plain(json_t *profiles)
{
    pt_status rc = PT_OK;
    const char *role;
    json_t *v;
    json_object_foreach(profiles, role, v)
    {
        pt_str s = {0};
        bool plain = (!json_is_object(v) && !json_is_array(v)) || pt_json_odd(v);
        if (!plain) rc = pt_profile_add(&s, v, "\n");
        if (!plain && rc == PT_OK && json_object_set_new(profiles, role, json_stringn(s.len ? s.text : "", s.len))) rc = pt_fail(PT_ENOMEM, "out of memory: profiles");
        pt_str_free(&s);
        if (rc != PT_OK) return rc;
    }
    return rc;
}

/* ---- people ------------------------------------------------------------------------------------------------------ */

pt_scene *pt_scene_begin(pt_reader *r, json_t *row)
{
    pt_scene_clear(&r->scene);
    r->scene.row = row;
    return &r->scene;
}

static bool among(const char *const *names, const char *name)
{
    for (; names && *names; names++)
        if (!strcmp(*names, name)) return true;
    return false;
}

/* A text at a path, NULL where nothing is said. */
static pt_status text_at(pt_reader *r, json_t *row, const char *path, const char **text, size_t *bytes)
{
    json_t *v = path && *path ? pt_row_take(r, row, path) : NULL;
    *text = NULL;
    *bytes = 0;
    if (v && !json_is_null(v) && !json_is_string(v)) return pt_fail(PT_EFORMAT, "field '%s' is %s, a string is wanted", path, pt_row_kind(v));
    if (!pt_row_says(v)) return PT_OK;
    *text = json_string_value(v);
    *bytes = json_string_length(v);
    return PT_OK;
}

static pt_status profile(pt_reader *r, json_t *row, const pt_people_shape *s, const char *path, const char *name, const char **out)
{
    *out = NULL;
    if (path) return pt_profile_text(r, pt_row_take(r, row, path), out);
    return s->profile_of ? s->profile_of(r, row, name, out) : PT_OK;
}

/* The people that the row names itself, into name[2] (NULL: not named). */
static pt_status meet_two(pt_reader *r, json_t *row, const pt_people_shape *s, pt_scene *c, const char *name[2])
{
    for (int k = 0; k < 2; k++) {
        const pt_people_one *p = &s->one[k];
        const char *text;
        size_t n;
        name[k] = p->word;
        if (p->name) PT_RETURN(text_at(r, row, p->name, &name[k], &n));
        if (!name[k] && p->main) return pt_row_missing(r, row, p->name);
        if (!name[k] || (k && name[0] && !strcmp(name[0], name[1]))) name[k] = p->word; /* of two who are called alike the second by the word */
        if (!name[k]) continue;
        PT_RETURN(profile(r, row, s, p->profile, name[k], &text));
        PT_RETURN(pt_scene_person_add(c, name[k], text, p->user, p->main));
    }
    return PT_OK;
}

static pt_status meet_cast(pt_reader *r, json_t *row, const pt_people_shape *s, pt_scene *c)
{
    json_t *list = s->cast ? pt_row_take(r, row, s->cast) : NULL, *m;
    size_t i, n;
    const char *name, *text;
    if (!list || json_is_null(list)) return PT_OK;
    if (!json_is_array(list)) return pt_fail(PT_EFORMAT, "field '%s' is %s, a list of people is wanted", s->cast, pt_row_kind(list));
    json_array_foreach(list, i, m)
    {
        pt_status rc = json_is_object(m) && !pt_json_odd(m) ? PT_OK : pt_fail(PT_EFORMAT, "%s, an object is wanted", pt_row_kind(m));
        if (rc == PT_OK) rc = pt_row_string(m, json_object_get(m, "name") ? "name" : "character", true, &name, &n);
        if (rc != PT_OK) return pt_fail_prefix(rc, "person %zu of '%s'", i + 1, s->cast);
        if (among(s->nobody, name) || among(s->omitted, name)) continue;
        PT_RETURN(profile(r, row, s, NULL, name, &text));
        PT_RETURN(pt_scene_person_add(c, name, text, false, false));
    }
    return PT_OK;
}

/* Where it plays, and who the user is. */
static pt_status set_place(pt_reader *r, json_t *row, const pt_people_shape *s, pt_scene *c)
{
    pt_status rc = PT_OK;
    pt_str all = {0};
    for (const char *const *path = s->setting; path && *path; path++) PT_TRY(pt_profile_add(&all, pt_row_take(r, row, *path), "\n"));
    for (size_t i = 0; i < c->n_people; i++) {
        const pt_scene_person *p = &c->people[i];
        if (p->user && p->profile) PT_TRY(pt_str_printf(&all, "%s%s: %s", all.len ? "\n" : "", p->name, p->profile));
    }
    return pt_row_keep(r, &all, &c->setting);
done:
    pt_str_free(&all);
    return rc;
}

/* ---- lines ------------------------------------------------------------------------------------------------------- */

/* A line of somebody; name: as the data calls it. */
static pt_status add_line(pt_reader *r, json_t *row, const pt_people_shape *s, pt_scene *c, const char *const one[2], const char *name, const char *text, size_t bytes)
{
    const char *about;
    if (among(s->omitted, name)) {
        pt_causes_add(&r->notes, "lines that only say whose turn it is are left out", r->line);
        return PT_OK;
    }
    if (among(s->nobody, name)) return pt_scene_line_add(c, NULL, text, bytes);
    for (int k = 0; k < 2; k++)
        if (s->one[k].word && one[k] && !strcmp(s->one[k].word, name)) name = one[k];
    if (s->profile_of && !pt_scene_person_find(c, name)) {
        PT_RETURN(s->profile_of(r, row, name, &about));
        PT_RETURN(pt_scene_person_add(c, name, about, false, false));
    }
    return pt_scene_line_add(c, name, text, bytes);
}

/* "(action) text" where something is done. */
static pt_status act(pt_reader *r, json_t *m, const char *field, const char **text, size_t *bytes)
{
    const char *done;
    size_t n;
    pt_str all = {0};
    if (!field) return PT_OK;
    PT_RETURN(pt_row_string(m, field, false, &done, &n));
    if (!done || pt_text_blank(done, n)) return PT_OK;
    pt_status rc = pt_str_printf(&all, "(%s)%s%s", done, *bytes ? " " : "", *bytes ? *text : "");
    if (rc != PT_OK) {
        pt_str_free(&all);
        return rc;
    }
    *bytes = all.len;
    return pt_row_keep(r, &all, text);
}

static pt_status read_list(pt_reader *r, json_t *row, json_t *list, const pt_people_shape *s, pt_scene *c, const char *const one[2])
{
    size_t i, n, bytes;
    json_t *m;
    json_array_foreach(list, i, m)
    {
        const char *name, *text;
        pt_status rc = json_is_object(m) && !pt_json_odd(m) ? PT_OK : pt_fail(PT_EFORMAT, "%s, an object is wanted", pt_row_kind(m));
        if (rc == PT_OK) rc = pt_row_string(m, s->name, true, &name, &n);
        if (rc == PT_OK) rc = pt_row_string(m, s->text, !s->action, &text, &bytes);
        if (rc == PT_OK) rc = act(r, m, s->action, &text, &bytes);
        if (rc == PT_OK) rc = add_line(r, row, s, c, one, name, text ? text : "", bytes);
        if (rc != PT_OK) return rc == PT_ENOMEM ? rc : pt_fail_prefix(rc, "line %zu of '%s'", i + 1, s->lines);
    }
    return PT_OK;
}

enum { LONGEST_NAME = 60 };

/* Bytes of the name before a colon, ASCII's or the full-width one, and of that colon; false where the line has no name. */
static bool split_name(const char *line, size_t n, size_t *name, size_t *colon)
{
    for (*name = 0; *name < n && *name <= LONGEST_NAME; ++*name) {
        const char *p = line + *name;
        *colon = *p == ':' ? 1 : n - *name >= 3 && !memcmp(p, "\xef\xbc\x9a", 3) ? 3 : 0;
        if (*colon) return *name > 0;
    }
    return false;
}

/* "name: text" a line; a line without a name goes on with what was said before it. */
static pt_status read_text(pt_reader *r, json_t *row, const char *text, size_t bytes, const pt_people_shape *s, pt_scene *c, const char *const one[2])
{
    const char *end = text + bytes;
    for (const char *p = text, *next; p < end; p = next) {
        const char *nl = memchr(p, '\n', (size_t)(end - p)), *stop = nl ? nl : end, *name;
        size_t n, colon, left;
        pt_str copy = {0};
        next = nl ? nl + 1 : end;
        if (pt_text_blank(p, (size_t)(stop - p))) continue;
        if (!split_name(p, (size_t)(stop - p), &n, &colon)) {
            if (!c->n) return pt_fail(PT_EFORMAT, "'%s': \"name: text\" is wanted in each line, not '%.*s'", s->lines, (int)(stop - p < 40 ? stop - p : 40), p);
            c->lines[c->n - 1].bytes = (size_t)(stop - c->lines[c->n - 1].text);
            continue;
        }
        PT_RETURN(pt_str_add(&copy, p, n));
        PT_RETURN(pt_row_keep(r, &copy, &name));
        p += n + colon;
        left = (size_t)(stop - p);
        pt_text_strip(&p, &left);
        PT_RETURN(add_line(r, row, s, c, one, name, p, left));
    }
    return PT_OK;
}

/* A list of texts "name: text"; one without a name is nobody's. */
static pt_status read_texts(pt_reader *r, json_t *row, json_t *list, const pt_people_shape *s, pt_scene *c, const char *const one[2])
{
    size_t i, n, colon;
    json_t *m;
    json_array_foreach(list, i, m)
    {
        const char *text = json_string_value(m), *name = NULL;
        size_t left = json_string_length(m);
        pt_str copy = {0};
        if (!text) return pt_fail(PT_EFORMAT, "line %zu of '%s' is %s, a text is wanted", i + 1, s->lines, pt_row_kind(m));
        if (split_name(text, left, &n, &colon)) {
            PT_RETURN(pt_str_add(&copy, text, n));
            PT_RETURN(pt_row_keep(r, &copy, &name));
            text += n + colon;
            left -= n + colon;
        }
        pt_text_strip(&text, &left);
        PT_RETURN(name ? add_line(r, row, s, c, one, name, text, left) : pt_scene_line_add(c, NULL, text, left));
    }
    return PT_OK;
}

/* What the config gives as the place of the answer, else the shape's. */
static const char *response_of(const pt_reader *r, const pt_people_shape *s)
{
    const char *said = s->response ? pt_dataset_says(r->spec, "field_reply") : NULL;
    return said ? said : s->response;
}

/* The object that holds the conversation: the row, or what field_scene names. */
static pt_status scene_of(pt_reader *r, json_t *row, json_t **out)
{
    const char *path = pt_dataset_says(r->spec, "field_scene");
    *out = path && *path ? pt_row_take(r, row, path) : row;
    if (!*out) return pt_row_missing(r, row, path);
    return json_is_object(*out) && !pt_json_odd(*out) ? PT_OK : pt_fail(PT_EFORMAT, "field '%s' is %s, an object is wanted", path, pt_row_kind(*out));
}

/* The list or the text of the lines; *out = NULL for a shape that has none. */
static pt_status lines_of(pt_reader *r, json_t *row, const pt_people_shape *s, json_t **out)
{
    *out = NULL;
    if (!s->lines) return PT_OK;
    json_t *v = pt_row_take(r, row, s->lines);
    if (s->question && (!v || json_is_null(v))) return PT_OK;
    if (!v) return pt_row_missing(r, row, s->lines);
    PT_RETURN(pt_row_list(r, v, out));
    bool list = s->name || s->question, fits = list ? json_is_array(*out) : json_is_string(*out);
    return fits ? PT_OK : pt_fail(PT_EFORMAT, "field '%s' is %s, %s is wanted", s->lines, pt_row_kind(*out), list ? "a list of lines" : "a text of lines");
}

pt_status pt_read_people(pt_reader *r, json_t *row, const pt_people_shape *s)
{
    const char *one[2], *text;
    size_t n;
    json_t *in, *lines;
    PT_RETURN(scene_of(r, row, &in));
    PT_RETURN(lines_of(r, in, s, &lines));
    pt_scene *c = pt_scene_begin(r, row);
    c->thoughts = s->thoughts;
    PT_RETURN(meet_two(r, in, s, c, one));
    PT_RETURN(meet_cast(r, in, s, c));
    PT_RETURN(set_place(r, in, s, c));
    PT_RETURN(text_at(r, in, s->question, &text, &n));
    if (text) PT_RETURN(add_line(r, in, s, c, one, one[1], text, n));
    PT_RETURN(text_at(r, in, s->greeting, &text, &n));
    if (text) PT_RETURN(pt_scene_line_add(c, one[0], text, n));
    if (json_is_array(lines)) PT_RETURN(s->name ? read_list(r, in, lines, s, c, one) : read_texts(r, in, lines, s, c, one));
    if (json_is_string(lines)) PT_RETURN(read_text(r, in, json_string_value(lines), json_string_length(lines), s, c, one));
    PT_RETURN(text_at(r, in, response_of(r, s), &text, &n));
    if (text) PT_RETURN(pt_scene_line_add(c, one[0], text, n));
    return pt_read_scene(r, c);
}

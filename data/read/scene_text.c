/* What stands before a scene, and what its lines are without their thoughts. */
#include <stdlib.h>
#include <string.h>

#include "data/read/card.h"
#include "data/read/macro.h"
#include "data/read/people.h"

/* ---- thoughts ----------------------------------------------------------------------------------------------------- */

/* The byte behind the bracket that closes the one at `at`; 0 where none does. */
static size_t closed(const char *s, size_t n, size_t at)
{
    size_t depth = 0;
    for (; at < n; at++) {
        if (s[at] == '[') depth++;
        if (s[at] == ']' && !--depth) return at + 1;
    }
    return 0;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

pt_status pt_scene_without_thoughts(pt_reader *r, const char **text, size_t *bytes)
{
    const char *s = *text;
    size_t n = *bytes, end;
    pt_str all = {0};
    if (!memchr(s, '[', n)) return PT_OK;
    for (size_t i = 0; i < n; i++) {
        if (s[i] != '[' || !(end = closed(s, n, i))) {
            PT_RETURN(pt_str_add(&all, s + i, 1));
            continue;
        }
        bool behind = !all.len || is_space(all.text[all.len - 1]);
        while (behind && end < n && is_space(s[end])) end++;
        if (behind && all.len && end < n && memchr(",.;:!?", s[end], 6)) all.len--; /* "Hi [so], you" */
        i = end - 1;
    }
    if (!all.text) {
        *bytes = 0;
        return PT_OK;
    }
    *text = all.text;
    *bytes = all.len;
    PT_RETURN(pt_record_own(&r->rec, all.text));
    pt_text_strip(text, bytes);
    return PT_OK;
}

/* ---- profiles ------------------------------------------------------------------------------------------------------ */

pt_status pt_profiles_load(pt_reader *r)
{
    const char *file = pt_dataset_says(r->spec, "profiles");
    if (!file || r->profiles) return PT_OK;
    PT_RETURN(pt_profiles_read(r, file));
    if (!json_object_size(r->profiles)) return pt_fail(PT_EFORMAT, "%s: an object {role: text} is wanted, a character card, or a folder of cards", file);
    return pt_profiles_plain(r->profiles);
}

/* The data set's own, else the scene's; "" where there is none. */
static pt_status profile_of(const pt_reader *r, const pt_scene *s, const char *name, const char **out)
{
    const pt_scene_person *p = s ? pt_scene_person_find(s, name) : NULL;
    const json_t *v = json_object_get(r->profiles, name);
    *out = p && p->profile ? p->profile : "";
    if (!v) return PT_OK;
    if (!json_is_string(v)) return pt_fail(PT_EFORMAT, "the profile of '%.60s' in %s is %s, not a string", name, pt_dataset_says(r->spec, "profiles"), pt_row_kind(v));
    *out = json_string_value(v);
    return PT_OK;
}

/* ---- system texts -------------------------------------------------------------------------------------------------- */

/* Appends behind a blank line where something stands before it. */
static pt_status add_part(pt_str *out, const char *text, size_t n)
{
    pt_text_strip(&text, &n);
    if (n && out->len) PT_RETURN(pt_str_puts(out, "\n\n"));
    return pt_str_add(out, text, n);
}

/* The scene's own system lines. */
static pt_status own_system(const pt_scene *s, pt_str *out)
{
    for (size_t i = 0; s && i < s->n && pt_speaker_is(s->lines[i].as, PT_SYSTEM); i++) PT_RETURN(add_part(out, s->lines[i].text, s->lines[i].bytes));
    return PT_OK;
}

/* Who else speaks: user: the human's part alone, where there is one. */
static pt_status others_of(const pt_scene *s, const char *name, bool user, pt_str *out)
{
    for (size_t i = 0; s && i < s->n; i++) {
        const char *who = s->lines[i].as ? NULL : s->lines[i].name;
        bool new = who && strcmp(who, name) != 0;
        for (size_t k = 0; new && k < i; k++) new = s->lines[k].as || !s->lines[k].name || strcmp(s->lines[k].name, who) != 0;
        const pt_scene_person *p = new && user ? pt_scene_person_find(s, who) : NULL;
        if (new && (!user || (p && p->user))) PT_RETURN(pt_str_printf(out, "%s%s", out->len ? ", " : "", who));
    }
    return out->len || !user ? PT_OK : others_of(s, name, false, out);
}

static pt_status put(json_t *o, const char *key, const pt_str *text)
{
    return json_object_set_new(o, key, json_stringn(text->len ? text->text : "", text->len)) ? pt_fail(PT_ENOMEM, "out of memory: a system text") : PT_OK;
}

/* What a template may name: the row's fields, and over them the scene's. s NULL: there is none. */
static pt_status fields_of(const pt_scene *s, const char *name, const char *profile, const pt_str *system, json_t **out)
{
    pt_status rc = PT_OK;
    pt_str text = {0};
    json_t *o = s && s->row ? json_copy((json_t *)s->row) : json_object();
    struct { const char *key, *text; } plain[] = {{"char", name}, {"role", name}, {"profile", profile}, {"setting", s && s->setting ? s->setting : ""}};
    PT_CHECK(o, PT_ENOMEM, "out of memory: a system text");
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
        const char *piece = plain[i].text;
        size_t n = strlen(piece);
        if (!s && i == 3) break;
        pt_text_strip(&piece, &n);
        PT_CHECK(!json_object_set_new(o, plain[i].key, json_stringn(piece, n)), PT_ENOMEM, "out of memory: a system text");
    }
    for (int user = 0; s && user < 2; user++) {
        text.len = 0;
        PT_TRY(others_of(s, name, user, &text));
        PT_TRY(put(o, user ? "user" : "others", &text));
    }
    if (s) PT_TRY(put(o, "system", system));
done:
    pt_str_free(&text);
    if (rc == PT_OK)
        *out = o;
    else
        json_decref(o);
    return rc;
}

/* Without a template: what there is of them. */
static pt_status plain_text(const pt_scene *s, const char *profile, const pt_str *system, pt_str *out)
{
    const char *parts[] = {system->text ? system->text : "", profile, s && s->setting ? s->setting : ""};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) PT_RETURN(add_part(out, parts[i], strlen(parts[i])));
    return PT_OK;
}

static pt_status fill(json_t *fields, const char *tmpl, pt_str *out)
{
    pt_status rc = pt_row_format(fields, tmpl, out);
    return rc == PT_OK ? rc : pt_fail_prefix(rc, "system_template");
}

/* Appends the summary of what came before. */
static pt_status add_summary(pt_reader *r, const pt_scene *s, pt_str *out)
{
    long keep;
    const char *field, *text;
    size_t n;
    json_t *row = (json_t *)s->row;
    PT_RETURN(pt_scene_history(pt_dataset_value(r->spec, "history"), &keep, &field));
    if (!field || !row) return PT_OK;
    pt_row_take(r, row, field);
    PT_RETURN(pt_row_string(row, field, true, &text, &n));
    return add_part(out, text, n);
}

static pt_status make(pt_reader *r, const pt_scene *s, const char *name, const char *profile, bool cut, pt_str *out)
{
    pt_status rc = PT_OK;
    pt_str system = {0};
    json_t *fields = NULL;
    const char *tmpl = pt_dataset_says(r->spec, "system_template");
    if (!tmpl || !r->spec->drop_system) PT_TRY(own_system(s, &system));
    if (tmpl) {
        PT_TRY(fields_of(s, name, profile, &system, &fields));
        PT_TRY(fill(fields, tmpl, out));
    } else {
        PT_TRY(plain_text(s, profile, &system, out));
    }
    if (cut) PT_TRY(add_summary(r, s, out));
done:
    pt_str_free(&system);
    json_decref(fields);
    return rc;
}

/* The template filled in, where it names nothing of a scene; else the profile. */
static pt_status fill_alone(const pt_dataset_spec *spec, const char *name, const char *profile, pt_str *out)
{
    const char *tmpl = pt_dataset_says(spec, "system_template");
    const pt_str none = {0};
    json_t *fields = NULL;
    PT_RETURN(fields_of(NULL, name, profile, &none, &fields));
    pt_status rc = tmpl ? fill(fields, tmpl, out) : PT_OK;
    json_decref(fields);
    if (rc == PT_EFORMAT) {
        rc = pt_err_forgive(rc);
        out->len = 0;
    }
    return rc == PT_OK && !out->len ? add_part(out, profile, strlen(profile)) : rc;
}

/* What a run keeps of a person. The user of a chat to come has no name yet. */
static pt_status alone(const pt_dataset_spec *spec, const char *name, const char *profile, json_t *out)
{
    pt_status rc = PT_OK;
    pt_str text = {0}, filled = {0};
    pt_macros m = {.who = name, .user = "User", .original = spec->system_prompt};
    PT_TRY(fill_alone(spec, name, profile, &text));
    rc = text.len ? pt_macros_fill(&m, text.text, text.len, &filled) : PT_OK;
    if (rc == PT_EFORMAT) {
        PT_TRY(pt_err_forgive(rc));
        filled.len = 0;
    }
    PT_TRY(rc);
    if (filled.len) PT_TRY(put(out, name, &filled));
    else PT_CHECK(!json_object_set_new(out, name, json_false()), PT_ENOMEM, "out of memory"); /* nothing is to be kept */
done:
    pt_str_free(&filled);
    pt_str_free(&text);
    return rc;
}

pt_status pt_scene_system(pt_reader *r, const pt_scene *s, const char *name, bool cut, char **text)
{
    pt_str all = {0};
    const char *profile;
    const json_t *met = json_object_get(r->met, name);
    bool known = (met && !json_is_null(met)) || json_object_size(r->met) > PT_SCENE_PEOPLE;
    *text = NULL;
    PT_RETURN(profile_of(r, s, name, &profile));
    pt_status rc = make(r, s, name, profile, cut, &all);
    if (rc == PT_OK && !known) rc = alone(r->spec, name, profile, r->met);
    if (rc == PT_OK && all.len && !pt_text_blank(all.text, all.len))
        *text = all.text;
    else
        pt_str_free(&all);
    return rc;
}

pt_status pt_scenes_profiles(const pt_reader *r, char *const *roles, size_t n, json_t *out)
{
    const char *name;
    json_t *v;
    (void)roles; /* those of this set are among r->met */
    (void)n;
    json_object_foreach(r->met, name, v)
        if (json_is_string(v) && json_object_set(out, name, v)) return pt_fail(PT_ENOMEM, "out of memory");
    if (!r->views && !json_object_size(r->met)) return PT_OK;
    json_object_foreach(r->profiles, name, v)
        if (json_is_string(v) && pt_row_says(v) && !json_object_get(out, name)) PT_RETURN(alone(r->spec, name, json_string_value(v), out));
    return PT_OK;
}

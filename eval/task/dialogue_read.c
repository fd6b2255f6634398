/* The entry of a dialogue and its scenes. */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "data/read/record.h"
#include "eval/task/dialogue.h"

enum { FILE_MOST = 64 << 20, SPEAKERS_MOST = 64 };

const pt_entry_key pt_dialogue_speaker_keys[] = {
    {.name = "name", .kind = PT_ENTRY_TEXT, .help = "Of the speaker, in tables and for `as`."},
    {.name = "called", .kind = PT_ENTRY_TEXT, .help = "As the others know it, with {FIELD}s. Default: the name."},
    {.name = "model", .kind = PT_ENTRY_TEXT, .help = "self, base, or a name of `models`. Default: self; with a script: nobody, the dialogue ends behind its last line."},
    {.name = "system", .kind = PT_ENTRY_TEXT, .help = "Its system prompt, with {FIELD}s, filled anew each turn. Default: the persona."},
    {.name = "persona", .kind = PT_ENTRY_TEXT, .help = "A name in the file `personas`, with {FIELD}s; its text is {persona} for this speaker."},
    {.name = "script", .kind = PT_ENTRY_LIST, .help = "Its first lines, with {FIELD}s: a text, or a list."},
    {.name = "start", .kind = PT_ENTRY_TEXT, .help = "What stands as the user's turn before its own first words, where nobody spoke before it; unset: nothing does."},
    {.name = "hears", .kind = PT_ENTRY_TEXT, .help = "How it sees what another says: {who}, {text}, {FIELD}s. Default: {text} of two speakers, {who}: {text} of more."},
    {.name = "sets", .kind = PT_ENTRY_NESTED, .help = "{FIELD: PATTERN}: its answers set these fields, to the pattern's first group, or with json:NAME to that field of the first JSON object."},
    {.name = "says", .kind = PT_ENTRY_TEXT, .help = "Such a pattern of what the others hear of an answer. Unset, or not found: all of it."},
    {.name = "max_new_tokens", .kind = PT_ENTRY_WHOLE, .min = 1, .max = 65536, .help = "Instead of the entry's."},
    {.name = "temperature", .kind = PT_ENTRY_NUMBER, .min = 0, .max = 100, .help = "Instead of the entry's."},
    {.name = "top_p", .kind = PT_ENTRY_NUMBER, .min = 0.000001, .max = 1, .help = "Instead of the entry's."},
    {.name = NULL},
};

static void free_part(pt_part *p)
{
    char **texts[] = {&p->name, &p->called, &p->model, &p->system, &p->persona, &p->start, &p->hears};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) free(*texts[i]);
    for (size_t i = 0; i < p->n_script; i++) free(p->script[i]);
    for (size_t i = 0; i < p->n_sets; i++) {
        free(p->set_name[i]);
        pt_extract_free(&p->set[i]);
    }
    free(p->script);
    free(p->set_name);
    free(p->set);
    if (p->has_says) pt_extract_free(&p->says);
}

void pt_dialogue_free(pt_task *t, pt_dialogue *d)
{
    for (int s = 0; s < 2; s++) {
        pt_plays_free(d, &d->side[s]);
        pt_str_free(&d->side[s].dumped);
        pt_report_parts_free(&d->own[s]);
    }
    for (size_t i = 0; i < d->n_parts; i++) free_part(&d->parts[i]);
    for (size_t i = 0; i < t->items; i++) json_decref(d->scenes[i].row);
    for (size_t i = 0; i < d->n_stop_texts; i++) free(d->stop_texts[i]);
    if (d->has_stop_pattern) regfree(&d->stop_pattern);
    free(d->stop_texts);
    free(d->parts);
    free(d->scenes);
    free(d->keep);
    json_decref(d->personas);
    *d = (pt_dialogue){0};
}

/* ---- speakers ---- */

/* PT_EARG at the place of an option. */
static pt_status option_fail(const pt_task *t, const char *key, const char *text)
{
    const pt_entry_option *o = pt_entry_said(t->spec->options, t->spec->n_options, key);
    return o ? pt_entry_fail(t->spec->file, o->line, o->column, "%s", text) : pt_task_fail(t, "%s", text);
}

static pt_status speaker_fail(const pt_task *t, size_t i, const char *name, const char *what)
{
    char text[600];
    snprintf(text, sizeof text, "speaker %zu%s%.60s%s: %.400s", i + 1, name ? " (" : "", name ? name : "", name ? ")" : "", what);
    return option_fail(t, "speakers", text);
}

static pt_status take_script(pt_part *p, const json_t *v)
{
    const size_t n = json_is_array(v) ? json_array_size(v) : 1;
    PT_RETURN(pt_alloc0(&p->script, n));
    for (; p->n_script < n; p->n_script++) {
        const char *line = json_string_value(json_is_array(v) ? json_array_get(v, p->n_script) : v);
        if (!line) return pt_fail(PT_EARG, "script takes texts");
        PT_RETURN(pt_strdup(&p->script[p->n_script], line));
    }
    return PT_OK;
}

static pt_status take_sets(pt_part *p, json_t *v)
{
    const char *name, *text;
    json_t *x;
    if (!json_is_object(v)) return pt_fail(PT_EARG, "sets takes {FIELD: PATTERN}");
    PT_RETURN(pt_alloc0(&p->set, json_object_size(v)));
    PT_RETURN(pt_alloc0(&p->set_name, json_object_size(v)));
    json_object_foreach (v, name, x) {
        if (!(text = json_string_value(x))) return pt_fail(PT_EARG, "sets: %.60s takes a pattern, or json:NAME", name);
        PT_RETURN(pt_extract_read(&p->set[p->n_sets], text));
        p->n_sets++;
        PT_RETURN(pt_strdup(&p->set_name[p->n_sets - 1], name));
    }
    return PT_OK;
}

/* One key of a speaker. */
static pt_status take_key(pt_part *p, const char *key, json_t *v)
{
    const struct {
        const char *name;
        char **to;
    } texts[] = {{"name", &p->name}, {"called", &p->called}, {"model", &p->model}, {"system", &p->system}, {"persona", &p->persona}, {"start", &p->start}, {"hears", &p->hears}};
    const pt_entry_option o = {.name = (char *)key, .value = (char *)(json_is_string(v) ? json_string_value(v) : "")};
    PT_RETURN(pt_entry_check(pt_dialogue_speaker_keys, &o, NULL, "a speaker", ""));
    if (!strcmp(key, "script")) return take_script(p, v);
    if (!strcmp(key, "sets")) return take_sets(p, v);
    if (!json_is_string(v)) return pt_fail(PT_EARG, "%s takes one value", key);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (!strcmp(key, texts[i].name)) return pt_strdup(texts[i].to, json_string_value(v));
    if (!strcmp(key, "says")) {
        PT_RETURN(pt_extract_read(&p->says, json_string_value(v)));
        p->has_says = true;
    } else if (!strcmp(key, "max_new_tokens")) p->how.max_new_tokens = (int)strtod(json_string_value(v), NULL);
    else if (!strcmp(key, "temperature")) p->how.temperature = (float)strtod(json_string_value(v), NULL);
    else p->how.top_p = (float)strtod(json_string_value(v), NULL);
    return PT_OK;
}

static pt_status read_part(const pt_task *t, pt_dialogue *d, size_t i, json_t *v)
{
    pt_part *p = &d->parts[i];
    const char *key;
    json_t *x;
    p->how = (pt_sampling){.max_new_tokens = (int)pt_task_number(t, "max_new_tokens"), .temperature = (float)pt_task_number(t, "temperature"),
                           .top_p = (float)pt_task_number(t, "top_p"), .seed = pt_task_text(t, "seed") ? (uint64_t)pt_task_number(t, "seed") : t->seed, .more = pt_task_text(t, "sampling")};
    if (!json_is_object(v)) return speaker_fail(t, i, NULL, "{name: NAME, model: NAME, system: TEXT, ...} is wanted");
    json_object_foreach (v, key, x) {
        if (json_is_null(x)) continue;
        pt_status rc = take_key(p, key, x);
        if (rc == PT_EARG) rc = speaker_fail(t, i, json_string_value(json_object_get(v, "name")), pt_err_msg());
        PT_RETURN(rc);
    }
    if (!p->name || !*p->name) return speaker_fail(t, i, NULL, "it needs a name");
    if (p->persona && !d->personas) return speaker_fail(t, i, p->name, "persona names one of the file `personas`, and the entry has none");
    if (!p->system && p->persona) PT_RETURN(pt_strdup(&p->system, "{persona}"));
    if (!p->model && !p->n_script) PT_RETURN(pt_strdup(&p->model, "self"));
    if (!p->hears) PT_RETURN(pt_strdup(&p->hears, d->n_parts > 2 ? "{who}: {text}" : "{text}"));
    for (size_t k = 0; k < i; k++)
        if (!strcmp(d->parts[k].name, p->name)) return speaker_fail(t, i, p->name, "two speakers have this name");
    return PT_OK;
}

static pt_status read_parts(const pt_task *t, pt_dialogue *d)
{
    pt_status rc = PT_OK;
    json_t *list = NULL;
    bool drawn = false, models = false;
    const char *text = pt_task_text(t, "speakers");
    if (!text) return pt_task_fail(t, "a dialogue needs speakers: [{name: NAME, ...}, {name: NAME, ...}]");
    if (pt_json_parse(&list, text, strlen(text), "speakers", 0) != PT_OK || !json_is_array(list)) PT_TRY(option_fail(t, "speakers", "speakers takes a list of {name: NAME, ...}"));
    const size_t n = json_array_size(list);
    if (n < 2 || n > SPEAKERS_MOST) PT_TRY(option_fail(t, "speakers", "a dialogue has two speakers at least, and 64 at most"));
    PT_TRY(pt_alloc0(&d->parts, n));
    d->n_parts = n;
    for (size_t i = 0; i < n; i++) PT_TRY(read_part(t, d, i, json_array_get(list, i)));
    for (size_t i = 0; i < n; i++) {
        models = models || d->parts[i].model;
        drawn = drawn || (d->parts[i].model && d->parts[i].how.temperature > 0);
    }
    for (size_t i = 0; i < n; i++) PT_TRY(pt_task_check_sampling(t, &d->parts[i].how));
    if (!models) PT_TRY(option_fail(t, "speakers", "all speakers have a script and no model: there is nothing to measure"));
    if (pt_task_number(t, "repeats") > 1 && !drawn) PT_TRY(pt_task_fail(t, "repeats goes with a temperature above 0: the same dialogue would come again"));
done:
    json_decref(list);
    return rc;
}

/* ---- the rest of the entry ---- */

static pt_status read_personas(const pt_task *t, pt_dialogue *d)
{
    const char *path = pt_task_text(t, "personas"), *name;
    json_t *v;
    if (!path) return PT_OK;
    PT_RETURN(pt_json_load(&d->personas, path, FILE_MOST, 0));
    if (!json_is_object(d->personas)) return pt_fail(PT_EFORMAT, "%s: {NAME: TEXT, ...} is wanted, it is %s", path, pt_json_kind(d->personas));
    json_object_foreach (d->personas, name, v)
        if (!json_is_string(v)) return pt_fail(PT_EFORMAT, "%s: persona '%s' is %s, not a text", path, name, pt_json_kind(v));
    return PT_OK;
}

static pt_status read_stops(const pt_task *t, pt_dialogue *d)
{
    const char *pattern = pt_task_text(t, "stop_pattern");
    char why[160], text[400];
    PT_RETURN(pt_task_list(t, "stop_text", &d->stop_texts, &d->n_stop_texts));
    if (!pattern) return PT_OK;
    int bad = regcomp(&d->stop_pattern, pattern, REG_EXTENDED | REG_NEWLINE | REG_NOSUB);
    d->has_stop_pattern = !bad;
    if (!bad) return PT_OK;
    regerror(bad, &d->stop_pattern, why, sizeof why);
    snprintf(text, sizeof text, "stop_pattern: '%.100s' is no pattern: %s", pattern, why);
    return option_fail(t, "stop_pattern", text);
}

/* ---- scenes ---- */

static pt_status try_fill(pt_str *out, const char *text, const json_t *fields)
{
    out->len = 0;
    return text ? pt_task_fill(out, text, fields, NULL) : PT_OK;
}

/* Every template once, so that a field that is not there is named before anything is asked. */
static pt_status try_part(const pt_dialogue *d, const pt_part *p, json_t *fields, pt_str *out)
{
    PT_RETURN(try_fill(out, p->called, fields));
    PT_RETURN(try_fill(out, p->start, fields));
    for (size_t k = 0; k < p->n_script; k++) PT_RETURN(try_fill(out, p->script[k], fields));
    if (p->persona) {
        PT_RETURN(try_fill(out, p->persona, fields));
        const json_t *text = json_object_get(d->personas, out->text);
        if (!text) return pt_fail(PT_EFORMAT, "%s: there is no persona '%s'", p->name, out->text);
        if (json_object_set(fields, "persona", (json_t *)text)) return pt_fail(PT_ENOMEM, "out of memory for a scene");
    }
    PT_RETURN(try_fill(out, p->system, fields));
    if (json_object_set_new(fields, "who", json_string("")) || json_object_set_new(fields, "text", json_string(""))) return pt_fail(PT_ENOMEM, "out of memory for a scene");
    return try_fill(out, p->hears, fields);
}

static pt_status try_row(const pt_dialogue *d, const json_t *row)
{
    pt_status rc = PT_OK;
    pt_str out = {0};
    json_t *fields = json_object();
    PT_CHECK(fields, PT_ENOMEM, "out of memory for a scene");
    for (size_t i = 0; i < d->n_parts; i++) {
        PT_CHECK(!json_object_clear(fields), PT_ENOMEM, "out of memory for a scene");
        for (size_t k = 0; k < d->n_parts; k++)
            for (size_t s = 0; s < d->parts[k].n_sets; s++) PT_CHECK(!json_object_set_new(fields, d->parts[k].set_name[s], json_string("")), PT_ENOMEM, "out of memory for a scene");
        PT_CHECK(!json_object_update(fields, (json_t *)row), PT_ENOMEM, "out of memory for a scene");
        PT_TRY(pt_str_puts(&out, ""));
        PT_TRY(try_part(d, &d->parts[i], fields, &out));
    }
done:
    json_decref(fields);
    pt_str_free(&out);
    return rc;
}

static pt_status add_row(pt_task *t, json_t *row, const char *source)
{
    pt_dialogue *d = t->state;
    const char *by = pt_task_text(t, "group_by");
    const json_t *group = json_object_get(row, by);
    size_t scope;
    (void)source;
    if (group && !json_is_string(group)) return pt_fail(PT_EFORMAT, "%s is %s, not a text", by, pt_json_kind(group));
    PT_RETURN(try_row(d, row));
    PT_RETURN(pt_task_scope(t, group ? json_string_value(group) : "", &scope));
    PT_RETURN(pt_reserve(&d->scenes, &d->cap, t->items + 1));
    d->scenes[t->items++] = (pt_dialogue_scene){json_incref(row), scope};
    return PT_OK;
}

pt_status pt_dialogue_read(pt_task *t, pt_dialogue *d)
{
    PT_RETURN(read_personas(t, d));
    PT_RETURN(read_parts(t, d));
    PT_RETURN(read_stops(t, d));
    return pt_task_rows(t, add_row);
}

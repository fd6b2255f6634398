/* What all tasks share: their table, their options, their rows. */
#include "eval/task/behind.h"
#include "eval/task/held.h"

#include <ctype.h>
#include <dirent.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "data/read/record.h"
#include "task_list.h"

#define DECLARE(name) extern const pt_task_kind pt_task_kind_##name;
PT_TASK_LIST(DECLARE)
#define ENTRY(name) &pt_task_kind_##name,
static const pt_task_kind *const kinds[] = {PT_TASK_LIST(ENTRY)};

int pt_task_count(void)
{
    return sizeof kinds / sizeof *kinds;
}

const pt_task_kind *pt_task_at(int i)
{
    return kinds[i];
}

const pt_task_kind *pt_task_find(const char *name)
{
    for (int i = 0; i < pt_task_count(); i++)
        if (!strcmp(kinds[i]->name, name)) return kinds[i];
    return NULL;
}

/* ---- options ---- */

const pt_task_key *pt_task_key_of(const pt_task_kind *kind, const char *name)
{
    return pt_entry_key_of(kind ? kind->keys : NULL, name);
}

pt_status pt_task_check(const pt_task_spec *s)
{
    pt_status rc = PT_OK;
    pt_str text = {0};
    const pt_task_kind *kind = s->task ? pt_task_find(s->task) : NULL;
    if (!kind) {
        PT_TRY(pt_str_printf(&text, s->task ? "there is no task '%s'; known: " : "an evaluation needs task: one of ", s->task));
        for (int i = 0; i < pt_task_count(); i++) PT_TRY(pt_str_printf(&text, "%s%s", i ? ", " : "", kinds[i]->name));
    } else if ((!s->path || !*s->path) && !(pt_task_key_of(kind, "of") && pt_task_source_of(s))) {
        PT_TRY(pt_str_printf(&text, "the task %s needs a path", s->task));
    }
    if (text.len) {
        rc = pt_entry_fail(s->file, s->line, s->column, "%s", text.text);
        goto done;
    }
    PT_TRY(pt_str_printf(&text, "the task %s", kind->name));
    for (size_t i = 0; i < s->n_options; i++) PT_TRY(pt_entry_check(kind->keys, &s->options[i], s->file, text.text, "name, task, path, published, limit, during_training, "));
done:
    pt_str_free(&text);
    return rc;
}

bool pt_task_scores(const pt_task_spec *s)
{
    for (size_t i = 0; i < s->n_options; i++)
        if (!strcmp(s->options[i].name, "method")) return !strcmp(s->options[i].value, "score");
    return false;
}

pt_status pt_task_locate(pt_task_spec *s, const char *folder)
{
    char *path = NULL;
    if (!s->published) return PT_OK;
    PT_RETURN(pt_path_join(&path, folder, s->published));
    if (pt_file_exists(path) || pt_dir_exists(path)) {
        free(s->path);
        s->path = path;
        return PT_OK;
    }
    pt_log(PT_LOG_INFO, "%s: %s is not there, %s stands for it (eval_data names the folder of published sets)", s->name ? s->name : s->task, path, s->path);
    free(path);
    return PT_OK;
}

const char *pt_task_text(const pt_task *t, const char *key)
{
    return pt_entry_text(t->spec->options, t->spec->n_options, t->kind->keys, key);
}

double pt_task_number(const pt_task *t, const char *key)
{
    return pt_entry_number(t->spec->options, t->spec->n_options, t->kind->keys, key);
}

bool pt_task_flag(const pt_task *t, const char *key)
{
    return pt_entry_flag(t->spec->options, t->spec->n_options, t->kind->keys, key);
}

int pt_task_word(const pt_task *t, const char *key)
{
    return pt_entry_word(t->spec->options, t->spec->n_options, t->kind->keys, key);
}

pt_status pt_task_list(const pt_task *t, const char *key, char ***out, size_t *n)
{
    const char *text = pt_task_text(t, key), *between = text && strchr(text, '\n') ? "\n" : ",";
    size_t cap = 0;
    *out = NULL;
    *n = 0;
    for (const char *p = text; p && *p;) {
        const char *end = p + strcspn(p, between), *from = p, *to = end;
        while (from < to && isspace((unsigned char)*from)) from++;
        while (to > from && isspace((unsigned char)to[-1])) to--;
        p = end + (*end != 0);
        if (to == from) return pt_task_fail(t, "part %zu of %s is empty", *n + 1, key);
        PT_RETURN(pt_reserve(out, &cap, *n + 1));
        PT_RETURN(pt_strndup(&(*out)[*n], from, (size_t)(to - from)));
        ++*n;
    }
    return PT_OK;
}

pt_status pt_task_check_sampling(const pt_task *t, const pt_sampling *how)
{
    const pt_status rc = pt_sampling_check(how);
    const pt_entry_option *o = pt_entry_said(t->spec->options, t->spec->n_options, "sampling");
    return rc == PT_EARG && o ? pt_entry_fail(t->spec->file, o->line, o->column, "sampling: %s", pt_err_msg()) : rc;
}

pt_status pt_task_fail(const pt_task *t, const char *fmt, ...)
{
    char text[400];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return pt_entry_fail(t->spec->file, t->spec->line, t->spec->column, "%s", text);
}

/* ---- items ---- */

pt_status pt_task_open_behind(pt_task *t, const pt_task_spec *spec, uint64_t seed, const pt_task *source)
{
    PT_RETURN(pt_task_check(spec));
    *t = (pt_task){.kind = pt_task_find(spec->task), .spec = spec, .seed = seed, .limit = (size_t)spec->limit, .source = source};
    pt_report_init(&t->report);
    if (pt_task_key_of(t->kind, "after")) PT_RETURN(pt_behind_check(t));
    PT_RETURN(pt_held_check(t));
    PT_RETURN(t->kind->open(t));
    return t->items ? PT_OK : pt_task_fail(t, "%s holds no items", spec->path ? spec->path : spec->task);
}

pt_status pt_task_open(pt_task *t, const pt_task_spec *spec, uint64_t seed)
{
    return pt_task_open_behind(t, spec, seed, NULL);
}

const pt_entry_option *pt_task_source_of(const pt_task_spec *spec)
{
    const pt_entry_option *of = pt_entry_said(spec->options, spec->n_options, "of");
    return of ? of : pt_entry_said(spec->options, spec->n_options, "after");
}

/* ---- others ---- */

void pt_meetings_free(pt_meetings *m)
{
    for (size_t i = 0; i < m->n; i++) free(m->list[i].name);
    free(m->list);
    *m = (pt_meetings){0};
}

int64_t pt_task_asked(const pt_task *t)
{
    return (int64_t)(t->limit && t->limit < t->items ? t->limit : t->items);
}

pt_status pt_meet(const pt_task *t, pt_meetings *m, const char *name, int64_t context, int64_t at_once, unsigned what)
{
    size_t i = 0;
    while (i < m->n && strcmp(m->list[i].name, name)) i++;
    if (i == m->n) {
        PT_RETURN(pt_reserve(&m->list, &m->cap, m->n + 1));
        m->list[i] = (pt_meeting){.by = t->spec, .at_once = at_once};
        PT_RETURN(pt_strdup(&m->list[i].name, name));
        m->n++;
    }
    m->list[i].what |= what;
    if (context > m->list[i].context) m->list[i].context = context;
    if (what & PT_MEET_TEXT && (!at_once || (m->list[i].at_once && at_once > m->list[i].at_once))) m->list[i].at_once = at_once;
    return PT_OK;
}

pt_status pt_task_transcripts(const pt_task *t, pt_side side, const pt_transcript **list, size_t *n)
{
    return t->source->kind->transcripts(t->source, side, list, n);
}

void pt_task_close(pt_task *t)
{
    if (!t->kind) return;
    t->kind->close(t);
    for (size_t i = 0; i < t->n_scopes; i++) free(t->scopes[i]);
    for (int s = 0; s < 2; s++) {
        free(t->choices[s]);
        free(t->numbers[s]);
    }
    free(t->scopes);
    pt_findings_free(&t->findings);
    pt_report_free(&t->report);
    *t = (pt_task){0};
}

pt_status pt_task_scope(pt_task *t, const char *name, size_t *out)
{
    for (*out = 0; *out < t->n_scopes; ++*out)
        if (!strcmp(t->scopes[*out], name)) return PT_OK;
    PT_RETURN(pt_reserve(&t->scopes, &t->scopes_cap, t->n_scopes + 1));
    PT_RETURN(pt_strdup(&t->scopes[t->n_scopes], name));
    t->n_scopes++;
    return PT_OK;
}

typedef struct feed {
    pt_task *t;
    pt_status (*row)(pt_task *t, json_t *row, const char *source);
    const char *path, *source;
} feed;

static pt_status give(void *user, json_t *row, int64_t line)
{
    feed *f = user;
    if (!row) return pt_fail_prefix(PT_EFORMAT, "%s:%lld", f->path, (long long)line);
    return f->row(f->t, row, f->source);
}

static pt_status read_rows(pt_task *t, const char *path, const char *source)
{
    feed f = {.t = t, .row = t->row, .path = path, .source = source};
    return pt_rows_read(path, NULL, give, &f);
}

pt_status pt_task_rows(pt_task *t, pt_status (*row)(pt_task *t, json_t *row, const char *source))
{
    t->row = row;
    return pt_task_files(t, read_rows);
}

static pt_status read_file(pt_task *t, const char *path, pt_status (*file)(pt_task *t, const char *path, const char *source))
{
    const char *base = pt_path_base(path), *dot = strrchr(base, '.');
    char source[256];
    snprintf(source, sizeof source, "%.*s", (int)(dot ? dot - base : (long)strlen(base)), base);
    return file(t, path, source);
}

static int rows_file(const struct dirent *e)
{
    const char *dot = strrchr(e->d_name, '.');
    return dot && (!strcmp(dot, ".jsonl") || !strcmp(dot, ".json") || !strcmp(dot, ".csv"));
}

pt_status pt_task_files(pt_task *t, pt_status (*file)(pt_task *t, const char *path, const char *source))
{
    pt_status rc = PT_OK;
    struct dirent **names = NULL;
    char *path = NULL;
    int n = 0;
    if (!pt_dir_exists(t->spec->path)) return read_file(t, t->spec->path, file);
    n = scandir(t->spec->path, &names, rows_file, alphasort);
    PT_CHECK(n > 0, PT_EARG, "%s holds no .jsonl, .json or .csv file", t->spec->path);
    for (int i = 0; i < n; i++) {
        free(path);
        path = NULL;
        PT_TRY(pt_path_join(&path, t->spec->path, names[i]->d_name));
        PT_TRY(read_file(t, path, file));
    }
done:
    for (int i = 0; i < n; i++) free(names[i]);
    free(names);
    free(path);
    return rc;
}

pt_status pt_task_limit(pt_task *t, const size_t *scope, bool *keep, size_t *kept)
{
    pt_status rc = PT_OK;
    size_t limit = t->limit, left, *have = NULL, *take = NULL, *met = NULL;
    for (size_t i = 0; i < t->items; i++) keep[i] = true;
    *kept = t->items;
    if (!limit || limit >= t->items) return PT_OK;
    PT_TRY(pt_alloc0(&have, t->n_scopes));
    PT_TRY(pt_alloc0(&take, t->n_scopes));
    PT_TRY(pt_alloc0(&met, t->n_scopes));
    for (size_t i = 0; i < t->items; i++) have[scope[i]]++;
    for (left = limit; left;)
        for (size_t g = 0; g < t->n_scopes && left; g++)
            if (take[g] < have[g]) take[g]++, left--;
    for (size_t i = 0; i < t->items; i++) { /* item k of its group is taken where floor(k * take / have) goes up */
        size_t g = scope[i], k = met[g]++;
        keep[i] = (k + 1) * take[g] / have[g] > k * take[g] / have[g];
    }
    *kept = limit;
done:
    free(have);
    free(take);
    free(met);
    return rc;
}

/* The first of these fields that is a text. */
static const char *text_among(const json_t *o, const char *const *names)
{
    for (; *names; names++)
        if (json_is_string(json_object_get(o, *names))) return json_string_value(json_object_get(o, *names));
    return NULL;
}

static pt_status fill_value(pt_str *out, const json_t *v, const char *between, bool *known);

/* A turn as "WHO: TEXT"; *is false: it is none. */
static pt_status fill_turn(pt_str *out, const json_t *v, bool *is)
{
    static const char *const who[] = {"speaker", "role", "from", "name", NULL}, *const said[] = {"utterance", "content", "value", "text", NULL};
    const char *name = text_among(v, who), *text = text_among(v, said);
    *is = name && text;
    return *is ? pt_str_printf(out, "%s: %s", name, text) : PT_OK;
}

static pt_status fill_parts(pt_str *out, const json_t *v, const char *between, bool *known)
{
    const char *key;
    const json_t *part;
    size_t n = 0, i;
    bool turn = false;
    json_array_foreach (v, i, part) {
        if (n++) PT_RETURN(pt_str_puts(out, between));
        PT_RETURN(fill_turn(out, part, &turn));
        if (!turn) PT_RETURN(fill_value(out, part, "; ", known));
    }
    json_object_foreach ((json_t *)v, key, part) {
        PT_RETURN(pt_str_printf(out, "%s%s: ", n++ ? between : "", key));
        PT_RETURN(fill_value(out, part, "; ", known));
    }
    return PT_OK;
}

/* A field as text: profiles and dialogues come as objects and lists too. */
static pt_status fill_value(pt_str *out, const json_t *v, const char *between, bool *known)
{
    if (json_is_string(v)) return pt_str_puts(out, json_string_value(v));
    if (json_is_integer(v)) return pt_str_printf(out, "%lld", (long long)json_integer_value(v));
    if (json_is_real(v)) return pt_str_printf(out, "%.10g", json_real_value(v));
    if (json_is_array(v) || json_is_object(v)) return fill_parts(out, v, between, known);
    *known = *known && json_is_boolean(v);
    return json_is_boolean(v) ? pt_str_puts(out, json_is_true(v) ? "true" : "false") : PT_OK;
}

pt_status pt_task_fill(pt_str *out, const char *text, const json_t *row, const char *options)
{
    for (const char *p = text; *p;) {
        size_t n = *p == '{' ? strcspn(p + 1, "}") : 0;
        bool name = n && p[1 + n] == '}', known = true;
        for (size_t i = 1; name && i <= n; i++) name = isalnum((unsigned char)p[i]) || p[i] == '_';
        if (!name) {
            PT_RETURN(pt_str_add(out, p++, 1));
            continue;
        }
        char field[128];
        snprintf(field, sizeof field, "%.*s", (int)n, p + 1);
        const json_t *v = json_object_get(row, field);
        p += n + 2;
        if (options && !strcmp(field, "options")) {
            PT_RETURN(pt_str_puts(out, options));
            continue;
        }
        if (!v) return pt_fail(PT_EFORMAT, "the prompt wants {%s}: the row has no such field", field);
        PT_RETURN(fill_value(out, v, "\n", &known));
        if (!known) return pt_fail(PT_EFORMAT, "the prompt wants {%s}: that is null, or has a null in it", field);
    }
    return PT_OK;
}

int32_t pt_task_characters(const char *text)
{
    int32_t n = 0;
    for (; *text; text++) n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

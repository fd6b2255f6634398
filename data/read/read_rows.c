/* Files to rows. JSON Lines, one JSON list of objects, objects one behind the other (over several lines), or one object that holds the list;
 * CSV, TSV and plain text by their names; each of them packed by gzip or not. */
#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "data/read/read_feed.h"

typedef struct pt_scan {
    pt_json_in in;
    pt_feed *f;
    const pt_row_sink *sink;
    const pt_dataset_spec *spec;
} pt_scan;

pt_status pt_row_give(const pt_row_sink *sink, const char *path, json_t *row, int64_t line)
{
    bool object = json_is_object(row) && !pt_json_odd(row);
    if (row && !object)
        pt_fail(PT_EFORMAT, "the row is %s; an object { ... } is wanted", json_is_array(row) ? "a list" : "a bare value");
    pt_status rc = sink->row(sink->user, object ? row : NULL, line);
    json_decref(row);
    bool placed = !strncmp(pt_err_msg(), path, strlen(path));
    if (rc != PT_OK && rc != PT_ENOMEM && rc != PT_ESTOP && !placed) rc = pt_fail_prefix(rc, "%s:%lld", path, (long long)line);
    return rc;
}

static pt_status give(pt_scan *s, json_t *row, int64_t line)
{
    return pt_row_give(s->sink, s->in.name, row, line);
}

/* More text behind `end`, for a scanner that stands at in.at. */
static pt_status more(pt_scan *s)
{
    PT_RETURN(pt_feed_more(s->f, s->in.at));
    s->in.at = s->in.begin = s->f->at;
    s->in.end = s->f->end;
    return PT_OK;
}

/* To the next thing that is no space; false at the end of the file. */
static pt_status advance(pt_scan *s, bool *any)
{
    for (;;) {
        pt_json_space(&s->in);
        *any = s->in.at < s->in.end;
        if (*any || !s->f->more) return PT_OK;
        PT_RETURN(more(s));
    }
}

/* Length of the JSON value at p as its brackets and quotes say; 0 where the text ends within it or a string has a line end. */
static size_t extent(const char *p, const char *end)
{
    const char *from = p;
    size_t depth = 0;
    for (; p < end; p++) {
        if (*p == '"') {
            for (p++; p < end && *p != '"' && *p != '\n'; p++) p += *p == '\\';
            if (p >= end || *p == '\n') return 0;
            if (!depth) return (size_t)(p + 1 - from);
        } else if (*p == '{' || *p == '[') {
            depth++;
        } else if (*p == '}' || *p == ']') {
            if (!depth) return (size_t)(p - from);
            if (!--depth) return (size_t)(p + 1 - from);
        } else if (!depth && (*p == ',' || *p == ' ' || *p == '\n' || *p == '\t' || *p == '\r')) {
            return (size_t)(p - from);
        }
    }
    return 0;
}

/* Unpacks until the value at in.at is there whole. */
static pt_status whole_value(pt_scan *s)
{
    while (s->f->more && !extent(s->in.at, s->in.end)) PT_RETURN(more(s));
    return PT_OK;
}

static pt_status scan_lines(pt_scan *s)
{
    for (bool any;;) {
        PT_RETURN(advance(s, &any));
        if (!any) return PT_OK;
        const char *nl;
        while (!(nl = memchr(s->in.at, '\n', (size_t)(s->in.end - s->in.at))) && s->f->more) PT_RETURN(more(s));
        const char *end = s->in.end;
        json_t *row;
        s->in.end = nl ? nl : end; /* a row ends with its line */
        pt_status rc = pt_json_last(&s->in, &row);
        if (rc == PT_EFORMAT)
            rc = s->sink->row(s->sink->user, NULL, s->in.line);
        else if (rc == PT_OK)
            rc = give(s, row, s->in.line);
        if (rc != PT_OK) return rc;
        s->in.at = s->in.end;
        s->in.end = end;
    }
}

/* Objects one behind the other, each over as many lines as it likes. */
static pt_status scan_values(pt_scan *s)
{
    for (bool any;;) {
        json_t *row;
        PT_RETURN(advance(s, &any));
        if (!any) return PT_OK;
        PT_RETURN(whole_value(s));
        int64_t line = s->in.line;
        PT_RETURN(pt_json_next(&s->in, &row));
        PT_RETURN(give(s, row, line));
    }
}

/* The elements of the list at in.at, and its bracket. */
static pt_status scan_list(pt_scan *s)
{
    pt_json_in *in = &s->in;
    bool any, next;
    in->at++; /* [ */
    PT_RETURN(advance(s, &any));
    next = any && *in->at != ']';
    while (next) {
        json_t *row;
        PT_RETURN(advance(s, &any));
        PT_RETURN(whole_value(s));
        int64_t line = in->line;
        PT_RETURN(pt_json_next(in, &row));
        PT_RETURN(give(s, row, line));
        PT_RETURN(advance(s, &any));
        next = any && *in->at == ',';
        in->at += next;
    }
    if (!any) return pt_fail(PT_EFORMAT, "%s:%lld: the list is not closed: the file is cut off", in->name, (long long)in->line);
    if (*in->at != ']') return pt_fail(PT_EFORMAT, "%s:%lld: ',' or ']' is wanted after an element", in->name, (long long)in->line);
    in->at++;
    return PT_OK;
}

static pt_status scan_one_list(pt_scan *s)
{
    bool any;
    PT_RETURN(scan_list(s));
    PT_RETURN(advance(s, &any));
    return any ? pt_fail(PT_EFORMAT, "%s:%lld: text after the end of the list", s->in.name, (long long)s->in.line) : PT_OK;
}

/* ---- one object that holds the rows ------------------------------------------------------------------------------- */

/* A member of an object as it stands in the text: key without quotes. */
typedef struct member {
    const char *key, *value;
    size_t key_bytes, value_bytes;
} member;

static const char *skip_space(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\t' || *p == '\r' || *p == '\n')) p++;
    return p;
}

/* The member at or behind p; false when there is none (the object ends, or is broken). */
static bool next_member(const char **p, const char *end, member *m)
{
    const char *q = skip_space(*p, end);
    if (q < end && (*q == '{' || *q == ',')) q = skip_space(q + 1, end);
    if (q >= end || *q != '"') return false;
    size_t n = extent(q, end);
    if (n < 2) return false;
    m->key = q + 1;
    m->key_bytes = n - 2;
    q = skip_space(q + n, end);
    if (q >= end || *q != ':') return false;
    m->value = skip_space(q + 1, end);
    m->value_bytes = extent(m->value, end);
    *p = m->value + m->value_bytes;
    return m->value_bytes > 0;
}

static bool is_key(const member *m, const char *name)
{
    return name && strlen(name) == m->key_bytes && !memcmp(m->key, name, m->key_bytes);
}

/* Whether a member is one that rows have: then the object is a row itself. */
static bool is_column(const pt_dataset_spec *s, const member *m)
{
    static const char *const names[] = {"messages", "conversations", "conversation", "chosen", "rejected", "prompt", "history", "tools", "completion",
                                        "instruction", "input", "output", "response", "query", "question", "answer", "text", "input_ids", "generated"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (is_key(m, names[i])) return true;
    for (const pt_dataset_said *x = s ? s->said : NULL; x && x->key; x++) {
        const pt_data_key *k = pt_data_key_find(x->key);
        if (k && k->kind == PT_DATA_COLUMN && is_key(m, x->text)) return true;
    }
    return false;
}

static bool is_one_of(const member *m, const char *const *names)
{
    for (; *names; names++)
        if (is_key(m, *names)) return true;
    return false;
}

/* Whether a member is a list of rows: of objects that are no messages (a speaker and a text; under a name that says rows, by role or from alone). */
static bool holds_rows(const pt_dataset_spec *spec, const member *m)
{
    static const char *const who[] = {"role", "from", "speaker", "name", "character", "user", NULL},
                             *const said[] = {"content", "value", "text", "message", "utterance", NULL},
                             *const rows[] = {"data", "rows", "examples", "instances", "records", "samples", "items", "train", "test", NULL};
    const char *end = m->value + m->value_bytes, *p = skip_space(m->value + 1, end);
    size_t people = is_one_of(m, rows) ? 2 : 6; /* names of speakers that count */
    bool speaker = false, text = false;
    member x;
    if (*m->value != '[' || p >= end || *p != '{') return false;
    end = p + extent(p, end);
    while (next_member(&p, end, &x)) {
        for (size_t i = 0; i < people; i++) speaker = speaker || is_key(&x, who[i]);
        speaker = speaker || (spec && is_key(&x, pt_dataset_says(spec, "message_field_role")));
        text = text || is_one_of(&x, said) || (spec && is_key(&x, pt_dataset_says(spec, "message_field_content")));
    }
    return !speaker || !text;
}

/* The file is one object of n bytes: {"data": [rows]} under whatever name, or a row. Of several lists the one called as the split is read. */
static pt_status scan_object(pt_scan *s, size_t n)
{
    const char *p = s->in.at, *end = p + n;
    const char *said = s->spec && s->spec->split && *s->spec->split ? s->spec->split : "train";
    char split[64]; /* "train[:10%]" is of train */
    member m, found = {0};
    size_t lists = 0;
    snprintf(split, sizeof split, "%.*s", (int)strcspn(said, "["), said);
    while (next_member(&p, end, &m)) {
        if (is_column(s->spec, &m)) return scan_values(s);
        if (!holds_rows(s->spec, &m)) continue;
        if (!lists++ || is_key(&m, split)) found = m;
    }
    if (!lists || (lists > 1 && !is_key(&found, split))) return scan_values(s);
    pt_log(PT_LOG_INFO, "%s: the rows are the list '%.*s' of its one object", s->in.name, found.key_bytes < 60 ? (int)found.key_bytes : 60, found.key);
    for (const char *c = s->in.at; (c = memchr(c, '\n', (size_t)(found.value - c))) != NULL; s->in.begin = ++c) s->in.line++;
    s->in.at = found.value;
    return scan_list(s);
}

static pt_status scan_json(pt_scan *s)
{
    bool any;
    PT_RETURN(advance(s, &any));
    if (!any) return pt_fail(PT_EFORMAT, "%s is empty", s->in.name);
    if (*s->in.at == '[') return scan_one_list(s);
    if (*s->in.at != '{') return scan_lines(s);
    PT_RETURN(whole_value(s));
    size_t n = extent(s->in.at, s->in.end);
    while (n && s->f->more && skip_space(s->in.at + n, s->in.end) == s->in.end) PT_RETURN(more(s));
    const char *behind = n ? skip_space(s->in.at + n, s->in.end) : NULL;
    bool lines = n && memchr(s->in.at, '\n', n), last = n && behind == s->in.end && !s->f->more;
    if (last) return scan_object(s, n);
    return lines && (behind == s->in.end || *behind == '{') ? scan_values(s) : scan_lines(s);
}

/* ---- by name ------------------------------------------------------------------------------------------------------ */

/* Whether a path ends with .ext or .ext.gz. */
static bool called(const char *path, const char *ext)
{
    size_t n = strlen(path), e = strlen(ext);
    if (n > 3 && !strncasecmp(path + n - 3, ".gz", 3)) n -= 3;
    return n > e && !strncasecmp(path + n - e, ext, e);
}

/* A .txt file that holds JSON all the same. */
static bool holds_json(const pt_feed *f)
{
    const char *p = skip_space(f->at, f->end), *nl = memchr(p, '\n', (size_t)(f->end - p));
    return p < f->end && *p == '{' && extent(p, nl ? nl : f->end) > 0;
}

/* json, csv, tsv or text: as the data set says, else by the file's name. */
static const char *format_of(const pt_feed *f, const pt_dataset_spec *spec)
{
    if (spec && spec->format) return spec->format;
    if (called(f->path, ".csv")) return "csv";
    if (called(f->path, ".tsv")) return "tsv";
    return called(f->path, ".txt") && !holds_json(f) ? "text" : "json";
}

pt_status pt_rows_by_name(pt_feed *f, const pt_dataset_spec *spec, const pt_row_sink *sink)
{
    const char *format = format_of(f, spec);
    const pt_data_type *type = spec ? pt_data_type_find(spec->type) : NULL;
    if (!strcmp(format, "csv") || !strcmp(format, "tsv")) return pt_rows_csv(f, *format == 't' ? '\t' : ',', sink);
    if (!strcmp(format, "text")) {
        if (type && type->lines) return pt_rows_text(f, pt_dataset_value(spec, "field_text"), sink);
        return pt_fail(PT_EARG, "%s is plain text, which the type text reads (a record a line), not type %s", f->path, type ? type->name : "-");
    }
    pt_scan s = {{f->path, f->at, f->end, f->at, 1, PT_JSON_NUL}, f, sink, spec};
    return scan_json(&s);
}

pt_status pt_rows_read(const char *path, const pt_dataset_spec *spec, pt_status (*row)(void *user, json_t *row, int64_t line), void *user)
{
    const pt_data_type *type = spec ? pt_data_type_find(spec->type) : NULL;
    pt_row_sink sink = {row, user};
    pt_feed f = {0};
    pt_status rc = pt_feed_open(&f, path, type && type->binary);
    if (rc == PT_OK) rc = type && type->rows ? type->rows(&f, spec, &sink) : pt_rows_by_name(&f, spec, &sink);
    pt_feed_close(&f);
    return rc == PT_ESTOP ? PT_OK : rc; /* enough rows */
}

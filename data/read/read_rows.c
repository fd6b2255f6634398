/* Files to rows. JSON Lines, one JSON list of objects, objects one behind the other (over several lines), or one object that holds the list;
 * CSV, TSV and plain text by their names; each of them packed by gzip or zstd, or not. */
#include <string.h>

#include "data/read/read_paths.h"
#include "data/read/read_scan.h"

pt_status pt_row_place(pt_status rc, const char *path, int64_t line)
{
    bool placed = !strncmp(pt_err_msg(), path, strlen(path));
    return placed ? rc : pt_fail_prefix(rc, "%s:%lld", path, (long long)line);
}

pt_status pt_row_give(const pt_row_sink *sink, const char *path, json_t *row, int64_t line)
{
    bool object = json_is_object(row) && !pt_json_odd(row);
    if (row && !object)
        pt_fail(PT_EFORMAT, "the row is %s; an object { ... } is wanted", json_is_array(row) ? "a list" : "a bare value");
    pt_status rc = sink->row(sink->user, object ? row : NULL, line);
    json_decref(row);
    return rc != PT_OK && rc != PT_ENOMEM && rc != PT_ESTOP ? pt_row_place(rc, path, line) : rc;
}

pt_status pt_scan_give(pt_scan *s, json_t *row, int64_t line)
{
    bool list = json_is_object(json_array_get(row, 0));
    const pt_data_type *type = list && s->spec ? pt_data_type_find(s->spec->type) : NULL;
    if (type && type->list) {
        const char *said = pt_dataset_says(s->spec, "field_messages");
        json_t *whole = json_object();
        if (!whole || json_object_set_new(whole, said && *said ? said : type->list, row)) {
            json_decref(whole);
            return pt_fail(PT_ENOMEM, "out of memory");
        }
        row = whole;
    }
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
        pt_feed_leave(s->f, s->in.at);
        if (*any || !s->f->more) return PT_OK;
        PT_RETURN(more(s));
    }
}

const char *pt_scan_space(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\t' || *p == '\r' || *p == '\n')) p++;
    return p;
}

size_t pt_scan_extent(const char *p, const char *end)
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
    while (s->f->more && !pt_scan_extent(s->in.at, s->in.end)) PT_RETURN(more(s));
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
            rc = pt_scan_give(s, row, s->in.line);
        if (rc != PT_OK) return rc;
        s->in.at = s->in.end;
        s->in.end = end;
    }
}

pt_status pt_scan_values(pt_scan *s)
{
    for (bool any;;) {
        json_t *row;
        PT_RETURN(advance(s, &any));
        if (!any) return PT_OK;
        PT_RETURN(whole_value(s));
        int64_t line = s->in.line;
        PT_RETURN(pt_json_next(&s->in, &row));
        PT_RETURN(pt_scan_give(s, row, line));
    }
}

pt_status pt_scan_list(pt_scan *s)
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
        PT_RETURN(pt_scan_give(s, row, line));
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
    PT_RETURN(pt_scan_list(s));
    PT_RETURN(advance(s, &any));
    return any ? pt_fail(PT_EFORMAT, "%s:%lld: text after the end of the list", s->in.name, (long long)s->in.line) : PT_OK;
}

/* Whether the list at in.at is a conversation, so that the file holds such lists one behind the other. */
static pt_status begins_talk(pt_scan *s, bool *yes)
{
    const pt_data_type *type = s->spec ? pt_data_type_find(s->spec->type) : NULL;
    *yes = false;
    if (!type || !type->list) return PT_OK;
    for (;;) {
        const char *p = pt_scan_space(s->in.at + 1, s->in.end);
        bool whole = p < s->in.end && pt_scan_extent(p, s->in.end);
        *yes = whole && pt_scan_is_message(s->spec, p, s->in.end);
        if (whole || !s->f->more) return PT_OK;
        PT_RETURN(more(s));
    }
}

static pt_status scan_json(pt_scan *s)
{
    bool any, talk = false;
    PT_RETURN(advance(s, &any));
    if (!any) return pt_fail(PT_EFORMAT, "%s is empty", s->in.name);
    if (*s->in.at == '[') PT_RETURN(begins_talk(s, &talk));
    if (*s->in.at == '[' && !talk) return scan_one_list(s);
    if (talk) {
        PT_RETURN(whole_value(s));
        size_t first = pt_scan_extent(s->in.at, s->in.end);
        return first && !memchr(s->in.at, '\n', first) ? scan_lines(s) : pt_scan_values(s);
    }
    if (*s->in.at != '{') return scan_lines(s);
    PT_RETURN(whole_value(s));
    size_t n = pt_scan_extent(s->in.at, s->in.end);
    while (n && s->f->more && pt_scan_space(s->in.at + n, s->in.end) == s->in.end) PT_RETURN(more(s));
    const char *behind = n ? pt_scan_space(s->in.at + n, s->in.end) : NULL;
    bool lines = n && memchr(s->in.at, '\n', n), last = n && behind == s->in.end && !s->f->more;
    if (last) return pt_scan_object(s, n);
    return lines && (behind == s->in.end || *behind == '{') ? pt_scan_values(s) : scan_lines(s);
}

/* ---- by name ------------------------------------------------------------------------------------------------------ */

/* A .txt file that holds JSON all the same. */
static bool holds_json(const pt_feed *f)
{
    const char *p = pt_scan_space(f->at, f->end), *nl = memchr(p, '\n', (size_t)(f->end - p));
    return p < f->end && *p == '{' && pt_scan_extent(p, nl ? nl : f->end) > 0;
}

/* json, csv, tsv or text: as the data set says, else by the file's name. */
static const char *format_of(const pt_feed *f, const pt_dataset_spec *spec)
{
    if (spec && spec->format) return spec->format;
    if (pt_path_called(f->path, ".csv")) return "csv";
    if (pt_path_called(f->path, ".tsv")) return "tsv";
    return pt_path_called(f->path, ".txt") && !holds_json(f) ? "text" : "json";
}

pt_status pt_rows_by_name(pt_feed *f, const pt_dataset_spec *spec, const pt_row_sink *sink)
{
    const char *format = format_of(f, spec);
    const pt_data_type *type = spec ? pt_data_type_find(spec->type) : NULL;
    if (!strcmp(format, "csv") || !strcmp(format, "tsv")) {
        char separator;
        PT_RETURN(pt_csv_separator(spec, format, &separator));
        return pt_rows_csv(f, separator, sink);
    }
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

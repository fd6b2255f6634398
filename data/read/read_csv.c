/* CSV, TSV and plain text to rows.
 *
 * CSV as RFC 4180 and Python's csv module have it: fields in quotes may hold separators, line ends and doubled quotes; the first record names
 * the columns; an empty line is none. A file called .csv whose header has no comma is separated by what the header has: ';' or a tab; `delimiter` says
 * another. */
#include <stdlib.h>
#include <string.h>

#include "data/read/read_feed.h"

typedef struct csv {
    pt_feed *f;
    char separator;
    int64_t line;
    pt_str text; /* of the present record's fields, one behind the other */
    size_t *ends;
    size_t n, cap;
} csv;

static pt_status field_ends(csv *c)
{
    PT_RETURN(pt_reserve(&c->ends, &c->cap, c->n + 1));
    c->ends[c->n++] = c->text.len;
    return PT_OK;
}

static bool line_ends(const char *p, const char *end)
{
    return *p == '\n' || (*p == '\r' && (p + 1 == end || p[1] == '\n'));
}

/* One record from p; *next = behind it, NULL where the text ends within it. *open: within quotes. */
static pt_status parse(csv *c, const char *p, const char **next, bool *open)
{
    const char *end = c->f->end;
    c->n = c->text.len = 0;
    *open = false;
    *next = NULL;
    for (;;) {
        if (p < end && *p == '"') {
            *open = true;
            for (p++; p < end; p += 2) { /* up to a quote that is not doubled; of a doubled one the first is the text's */
                const char *quote = memchr(p, '"', (size_t)(end - p));
                bool doubled = quote && quote + 1 < end && quote[1] == '"';
                PT_RETURN(pt_str_add(&c->text, p, (size_t)((quote ? quote : end) - p) + doubled));
                p = quote ? quote : end;
                if (!doubled) break;
            }
            if (p == end || (p + 1 == end && c->f->more)) return PT_OK;
            *open = false;
            p++;
        }
        const char *from = p;
        while (p < end && *p != c->separator && !line_ends(p, end)) p++;
        PT_RETURN(pt_str_add(&c->text, from, (size_t)(p - from)));
        if (p == end && c->f->more) return PT_OK;
        PT_RETURN(field_ends(c));
        if (p == end || *p != c->separator) break;
        p++;
    }
    if (p < end && *p == '\r') p++;
    if (p == end && c->f->more) return PT_OK;
    *next = p + (p < end);
    return PT_OK;
}

/* The next record; *got = false at the end of the file. *broken: the file ends within its quotes. */
static pt_status next_record(csv *c, bool *got, bool *broken, int64_t *line)
{
    pt_feed *f = c->f;
    const char *next;
    *got = *broken = false;
    for (;;) {
        while (f->at < f->end && (*f->at == '\n' || *f->at == '\r')) c->line += *f->at++ == '\n';
        if (f->at == f->end) {
            if (!f->more) return PT_OK;
            PT_RETURN(pt_feed_more(f, f->at));
            continue;
        }
        PT_RETURN(parse(c, f->at, &next, broken));
        if (next || !f->more) break;
        PT_RETURN(pt_feed_more(f, f->at));
    }
    pt_feed_leave(f, f->at);
    *got = true;
    *line = c->line;
    if (!next) next = f->end;
    for (const char *p = f->at; (p = memchr(p, '\n', (size_t)(next - p))) != NULL; p++) c->line++;
    f->at = next;
    return PT_OK;
}

pt_status pt_csv_separator(const pt_dataset_spec *spec, const char *format, char *out)
{
    const char *said = spec ? pt_dataset_says(spec, "delimiter") : NULL;
    bool tab = said ? !strcmp(said, "tab") || !strcmp(said, "\\t") : *format == 't';
    *out = tab ? '\t' : said ? said[0] : 0;
    if (!said || tab || (said[0] && !said[1] && !strchr("\"\r\n", said[0]))) return PT_OK;
    return pt_fail(PT_EARG, "delimiter is one character or tab, not '%.20s'", said);
}

static char find_separator(const pt_feed *f)
{
    size_t n[3] = {0};
    bool quoted = false;
    for (const char *p = f->at; p < f->end && (quoted || *p != '\n'); p++) {
        if (*p == '"') quoted = !quoted;
        if (quoted) continue;
        n[0] += *p == ',', n[1] += *p == ';', n[2] += *p == '\t';
    }
    return n[0] ? ',' : n[1] ? ';' : n[2] ? '\t' : ',';
}

static pt_status read_header(csv *c, json_t *names)
{
    bool got, broken;
    int64_t line;
    PT_RETURN(next_record(c, &got, &broken, &line));
    if (!got || broken) return pt_fail(PT_EFORMAT, "%s:1: no header: the first line names the columns", c->f->path);
    for (size_t i = 0, at = 0; i < c->n; at = c->ends[i++]) {
        json_t *name = json_stringn(c->text.text + at, c->ends[i] - at);
        if (!name) return pt_fail(PT_EFORMAT, "%s:%lld: the name of column %zu is not valid UTF-8", c->f->path, (long long)line, i + 1);
        bool twice = false;
        for (size_t k = 0; k < json_array_size(names); k++) twice = twice || json_equal(name, json_array_get(names, k));
        bool bad = memchr(json_string_value(name), 0, json_string_length(name)) != NULL;
        if (json_array_append_new(names, name)) return pt_fail(PT_ENOMEM, "out of memory");
        if (bad || (twice && c->ends[i] > at))
            return pt_fail(PT_EFORMAT, "%s:%lld: column %zu has %s", c->f->path, (long long)line, i + 1, bad ? "a NUL in its name" : "the name of another");
    }
    return PT_OK;
}

/* The present record as an object; NULL with the message set where it is none. */
static json_t *record_row(csv *c, const json_t *names, bool broken, int64_t line)
{
    size_t want = json_array_size(names);
    if (broken) {
        pt_fail(PT_EFORMAT, "%s:%lld: a quote is not closed until the file ends", c->f->path, (long long)line);
        return NULL;
    }
    if (c->n != want) {
        pt_fail(PT_EFORMAT, "%s:%lld: the record has %zu fields, the header %zu", c->f->path, (long long)line, c->n, want);
        return NULL;
    }
    json_t *row = json_object();
    for (size_t i = 0, at = 0; row && i < c->n; at = c->ends[i++]) {
        json_t *v = json_stringn(c->text.text + at, c->ends[i] - at);
        const char *name = json_string_value(json_array_get(names, i));
        if (!v || json_object_set_new(row, name, v)) {
            pt_fail(PT_EFORMAT, "%s:%lld: column '%s' is not valid UTF-8", c->f->path, (long long)line, name);
            json_decref(row);
            return NULL;
        }
    }
    if (!row) pt_fail(PT_ENOMEM, "out of memory");
    return row;
}

pt_status pt_rows_csv(pt_feed *f, char separator, const pt_row_sink *sink)
{
    pt_status rc = PT_OK;
    csv c = {.f = f, .separator = separator ? separator : find_separator(f), .line = 1};
    json_t *names = json_array();
    bool got, broken;
    int64_t line;
    PT_CHECK(names, PT_ENOMEM, "out of memory");
    PT_TRY(pt_str_puts(&c.text, ""));
    PT_TRY(read_header(&c, names));
    for (;;) {
        PT_TRY(next_record(&c, &got, &broken, &line));
        if (!got) break;
        PT_TRY(pt_row_give(sink, f->path, record_row(&c, names, broken, line), line));
    }
done:
    json_decref(names);
    pt_str_free(&c.text);
    free(c.ends);
    return rc;
}

pt_status pt_rows_text(pt_feed *f, const char *key, const pt_row_sink *sink)
{
    for (int64_t line = 1;; line++) {
        const char *nl;
        while (!(nl = memchr(f->at, '\n', (size_t)(f->end - f->at))) && f->more) PT_RETURN(pt_feed_more(f, f->at));
        pt_feed_leave(f, f->at);
        const char *end = nl ? nl : f->end, *text = f->at;
        size_t n = (size_t)(end - text);
        while (n && text[n - 1] == '\r') n--;
        const char *bare = text;
        size_t left = n;
        pt_text_strip(&bare, &left);
        if (left) {
            json_t *v = json_stringn(text, n), *row = v ? json_object() : NULL;
            if (!v) pt_fail(PT_EFORMAT, "%s:%lld: the line is not valid UTF-8", f->path, (long long)line);
            if (v && (!row || json_object_set_new(row, key, v))) {
                json_decref(row);
                return pt_fail(PT_ENOMEM, "out of memory");
            }
            PT_RETURN(pt_row_give(sink, f->path, row, line));
        }
        if (!nl) return PT_OK;
        f->at = nl + 1;
    }
}

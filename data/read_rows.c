/* Files to JSON rows: JSONL line by line, a JSON list element by element, both from a map. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "data/record.h"

typedef struct pt_scan {
    const char *path, *at, *end;
    int64_t line;
    pt_status (*row)(void *user, json_t *row, int64_t line);
    void *user;
} pt_scan;

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void skip_space(pt_scan *s)
{
    for (; s->at < s->end && is_space(*s->at); s->at++) s->line += *s->at == '\n';
}

static pt_status give(pt_scan *s, json_t *row, int64_t line)
{
    pt_status rc = PT_OK;
    if (json_is_object(row))
        rc = s->row(s->user, row, line);
    else
        rc = pt_fail(PT_EFORMAT, "the row is %s; an object { ... } is wanted", json_is_array(row) ? "a list" : "a bare value");
    json_decref(row);
    if (rc != PT_OK && rc != PT_ENOMEM) rc = pt_fail_prefix(rc, "%s:%lld", s->path, (long long)line);
    return rc;
}

/* One JSON value at s->at, of at most `bytes`; *used = its length. */
static pt_status parse(pt_scan *s, size_t bytes, size_t flags, json_t **row, size_t *used)
{
    json_error_t e;
    *row = json_loadb(s->at, bytes, flags, &e);
    if (*row) {
        *used = (size_t)e.position;
        return PT_OK;
    }
    int64_t line = s->line + (e.line > 0 ? e.line - 1 : 0);
    if (bytes > (size_t)INT32_MAX) return pt_fail(PT_EFORMAT, "%s:%lld: broken JSON: %s", s->path, (long long)line, e.text);
    return pt_fail(PT_EFORMAT, "%s:%lld:%d: broken JSON: %s", s->path, (long long)line, e.column > 0 ? e.column : 1, e.text);
}

static pt_status scan_lines(pt_scan *s)
{
    while (s->at < s->end) {
        const char *nl = memchr(s->at, '\n', (size_t)(s->end - s->at)), *stop = nl ? nl : s->end, *p = s->at;
        while (p < stop && is_space(*p)) p++;
        if (p < stop) {
            json_t *row;
            size_t used;
            PT_RETURN(parse(s, (size_t)(stop - s->at), 0, &row, &used));
            PT_RETURN(give(s, row, s->line));
        }
        s->at = nl ? nl + 1 : s->end;
        s->line++;
    }
    return PT_OK;
}

static pt_status scan_list(pt_scan *s)
{
    s->at++; /* [ */
    skip_space(s);
    bool more = s->at < s->end && *s->at != ']';
    while (more) {
        json_t *row;
        size_t used;
        skip_space(s);
        int64_t line = s->line;
        PT_RETURN(parse(s, (size_t)(s->end - s->at), JSON_DISABLE_EOF_CHECK | JSON_DECODE_ANY, &row, &used));
        for (size_t i = 0; i < used; i++) s->line += s->at[i] == '\n';
        s->at += used;
        PT_RETURN(give(s, row, line));
        skip_space(s);
        if (s->at < s->end && *s->at == ',')
            s->at++;
        else
            more = false;
    }
    if (s->at == s->end)
        return pt_fail(PT_EFORMAT, "%s:%lld: the list is not closed: the file is cut off", s->path, (long long)s->line);
    if (*s->at != ']')
        return pt_fail(PT_EFORMAT, "%s:%lld: ',' or ']' is wanted after an element", s->path, (long long)s->line);
    s->at++;
    skip_space(s);
    if (s->at < s->end) return pt_fail(PT_EFORMAT, "%s:%lld: text after the end of the list", s->path, (long long)s->line);
    return PT_OK;
}

static pt_status check_path(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0) {
        if (strpbrk(path, "*?["))
            return pt_fail(PT_EARG, "%s: patterns are not read; name each file as a data set of its own", path);
        return pt_fail(PT_EARG, "cannot open data file %s: %s", path, strerror(errno));
    }
    if (S_ISDIR(st.st_mode)) return pt_fail(PT_EARG, "%s is a folder; name each file as a data set of its own", path);
    return PT_OK;
}

pt_status pt_rows_refuse_parquet(const char *path)
{
    return pt_fail(PT_ENOSUP,
                   "%s is a Parquet file; convert it: python3 -c \"import pandas; pandas.read_parquet('%s').to_json('%s.jsonl', "
                   "orient='records', lines=True, force_ascii=False)\"",
                   path, path, path);
}

static pt_status check_magic(const char *path, const pt_map *m)
{
    const unsigned char *p = m->data;
    if (m->bytes >= 4 && !memcmp(p, "PAR1", 4)) return pt_rows_refuse_parquet(path);
    if (m->bytes >= 2 && p[0] == 0x1f && p[1] == 0x8b)
        return pt_fail(PT_ENOSUP, "%s is compressed; unpack it: gzip -dk %s", path, path);
    if (m->bytes >= 4 && !memcmp(p, "\x28\xb5\x2f\xfd", 4))
        return pt_fail(PT_ENOSUP, "%s is compressed; unpack it: zstd -d %s", path, path);
    if (m->bytes >= 2 && ((p[0] == 0xff && p[1] == 0xfe) || (p[0] == 0xfe && p[1] == 0xff)))
        return pt_fail(PT_EFORMAT, "%s is UTF-16; convert it: iconv -f UTF-16 -t UTF-8 %s", path, path);
    return PT_OK;
}

pt_status pt_rows_read(const char *path, pt_status (*row)(void *user, json_t *row, int64_t line), void *user)
{
    pt_status rc = PT_OK;
    pt_map m = {0};
    PT_TRY(check_path(path));
    PT_TRY(pt_map_open(&m, path));
    PT_CHECK(m.bytes, PT_EFORMAT, "%s is empty", path);
    PT_TRY(check_magic(path, &m));
    const char *text = (const char *)m.data;
    pt_scan s = {path, text, text + m.bytes, 1, row, user};
    if (m.bytes >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) s.at += 3;
    skip_space(&s);
    PT_CHECK(s.at < s.end, PT_EFORMAT, "%s is empty", path);
    PT_TRY(*s.at == '[' ? scan_list(&s) : scan_lines(&s));
done:
    pt_map_close(&m);
    return rc;
}

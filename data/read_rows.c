/* Files to JSON rows: JSONL line by line, a JSON list element by element, both from a map. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "data/record.h"

typedef struct pt_scan {
    pt_json_in in;
    pt_status (*row)(void *user, json_t *row, int64_t line);
    void *user;
} pt_scan;

static pt_status give(pt_scan *s, json_t *row, int64_t line)
{
    bool object = json_is_object(row) && !pt_json_odd(row);
    if (!object) pt_fail(PT_EFORMAT, "the row is %s; an object { ... } is wanted", json_is_array(row) ? "a list" : "a bare value");
    pt_status rc = s->row(s->user, object ? row : NULL, line);
    json_decref(row);
    bool placed = !strncmp(pt_err_msg(), s->in.name, strlen(s->in.name));
    if (rc != PT_OK && rc != PT_ENOMEM && rc != PT_ESTOP && !placed) rc = pt_fail_prefix(rc, "%s:%lld", s->in.name, (long long)line);
    return rc;
}

static pt_status scan_lines(pt_scan *s)
{
    const char *end = s->in.end;
    while (pt_json_space(&s->in), s->in.at < end) {
        const char *nl = memchr(s->in.at, '\n', (size_t)(end - s->in.at));
        json_t *row;
        s->in.end = nl ? nl : end; /* a row ends with its line */
        pt_status rc = pt_json_last(&s->in, &row);
        if (rc == PT_EFORMAT)
            rc = s->row(s->user, NULL, s->in.line);
        else if (rc == PT_OK)
            rc = give(s, row, s->in.line);
        if (rc != PT_OK) return rc;
        s->in.at = s->in.end;
        s->in.end = end;
    }
    return PT_OK;
}

static pt_status scan_list(pt_scan *s)
{
    pt_json_in *in = &s->in;
    in->at++; /* [ */
    pt_json_space(in);
    bool more = in->at < in->end && *in->at != ']';
    while (more) {
        json_t *row;
        pt_json_space(in);
        int64_t line = in->line;
        PT_RETURN(pt_json_next(in, &row));
        PT_RETURN(give(s, row, line));
        pt_json_space(in);
        more = in->at < in->end && *in->at == ',';
        in->at += more;
    }
    if (in->at == in->end)
        return pt_fail(PT_EFORMAT, "%s:%lld: the list is not closed: the file is cut off", in->name, (long long)in->line);
    if (*in->at != ']')
        return pt_fail(PT_EFORMAT, "%s:%lld: ',' or ']' is wanted after an element", in->name, (long long)in->line);
    in->at++;
    pt_json_space(in);
    if (in->at < in->end) return pt_fail(PT_EFORMAT, "%s:%lld: text after the end of the list", in->name, (long long)in->line);
    return PT_OK;
}

static pt_status check_path(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0) {
        if (strpbrk(path, "*?["))
            return pt_fail(PT_EARG, "%s: patterns are not read; name each file as a data set of its own", path);
        return pt_fail(PT_EIO, "cannot open data file %s: %s", path, strerror(errno));
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
    if (m.bytes >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) text += 3;
    pt_scan s = {{path, text, (const char *)m.data + m.bytes, text, 1, PT_JSON_NUL}, row, user};
    pt_json_space(&s.in);
    PT_CHECK(s.in.at < s.in.end, PT_EFORMAT, "%s is empty", path);
    PT_TRY(*s.in.at == '[' ? scan_list(&s) : scan_lines(&s));
done:
    pt_map_close(&m);
    return rc == PT_ESTOP ? PT_OK : rc; /* enough rows */
}

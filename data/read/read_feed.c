/* The bytes of a data file: mapped, or unpacked piece by piece (gzip) into a window that holds what is not yet read. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "data/read/read_feed.h"

#define FIRST_WINDOW ((size_t)1 << 20)
#define MOST_WINDOW ((size_t)1 << 30)

static pt_status check_path(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0) {
        if (strpbrk(path, "*?[")) return pt_fail(PT_EARG, "%s: patterns are not read; name each file as a data set of its own", path);
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

static bool is_gzip(const unsigned char *p, size_t n)
{
    return n >= 2 && p[0] == 0x1f && p[1] == 0x8b;
}

static pt_status check_content(const pt_feed *f)
{
    size_t n = (size_t)(f->end - f->at);
    const unsigned char *p = (const unsigned char *)f->at;
    if (n >= 4 && !memcmp(p, "PAR1", 4)) return pt_rows_refuse_parquet(f->path);
    if (n >= 4 && !memcmp(p, "\x28\xb5\x2f\xfd", 4)) return pt_fail(PT_ENOSUP, "%s is compressed; unpack it: zstd -d %s", f->path, f->path);
    if (n >= 3 && !memcmp(p, "BZh", 3)) return pt_fail(PT_ENOSUP, "%s is compressed; unpack it: bzip2 -dk %s", f->path, f->path);
    if (n >= 6 && !memcmp(p, "\xfd" "7zXZ", 6)) return pt_fail(PT_ENOSUP, "%s is compressed; unpack it: xz -dk %s", f->path, f->path);
    if (n >= 4 && !memcmp(p, "PK\3\4", 4)) return pt_fail(PT_ENOSUP, "%s is a ZIP file; unpack it: unzip %s", f->path, f->path);
    if (f->window && is_gzip(p, n)) return pt_fail(PT_ENOSUP, "%s is compressed twice; unpack it once: gzip -dk %s", f->path, f->path);
    return pt_text_check_utf16(f->path, p, n);
}

/* Unpacks into [end, window + cap). */
static pt_status inflate_some(pt_feed *f)
{
    z_stream *z = &f->z;
    char *end = f->window + (f->end - f->window);
    const unsigned char *stop = f->map.data + f->map.bytes;
    size_t room = (size_t)(f->window + f->cap - end);
    z->next_out = (unsigned char *)end;
    z->avail_out = room < UINT_MAX ? (unsigned)room : UINT_MAX;
    while (z->avail_out && f->more) {
        if (!z->avail_in) {
            size_t left = (size_t)(stop - z->next_in);
            if (!left) return pt_fail(PT_EFORMAT, "%s: the gzip data is cut off behind %llu bytes of text: the file is not whole", f->path,
                                      (unsigned long long)(f->given + (size_t)((char *)z->next_out - end)));
            z->avail_in = left < UINT_MAX ? (unsigned)left : UINT_MAX;
        }
        int rc = inflate(z, Z_NO_FLUSH);
        if (rc == Z_MEM_ERROR) return pt_fail(PT_ENOMEM, "out of memory while unpacking %s", f->path);
        if (rc == Z_STREAM_END) {
            const unsigned char *p = z->next_in;
            while (p < stop && !*p) p++; /* tape blocks are padded with zeros */
            if (p == stop) {
                f->more = false;
            } else if (!is_gzip(p, (size_t)(stop - p)) || inflateReset(z) != Z_OK) {
                return pt_fail(PT_EFORMAT, "%s: something that is not gzip stands behind the packed text", f->path);
            } else {
                z->next_in = p;
                z->avail_in = (size_t)(stop - p) < UINT_MAX ? (unsigned)(stop - p) : UINT_MAX;
            }
        } else if (rc != Z_OK && rc != Z_BUF_ERROR) {
            return pt_fail(PT_EFORMAT, "%s: broken gzip data behind %llu bytes of text: %s", f->path,
                           (unsigned long long)(f->given + (size_t)((char *)z->next_out - end)), z->msg ? z->msg : "no reason given");
        }
    }
    f->given += (uint64_t)((char *)z->next_out - end);
    f->end = (char *)z->next_out;
    return PT_OK;
}

pt_status pt_feed_more(pt_feed *f, const char *from)
{
    size_t keep = (size_t)(f->end - from);
    if (!f->more) return PT_OK;
    if (keep > f->cap / 2) {
        size_t cap = f->cap * 2;
        if (cap > MOST_WINDOW) return pt_fail(PT_EFORMAT, "%s: a row of more than %zu bytes", f->path, MOST_WINDOW / 2);
        char *grown = malloc(cap);
        if (!grown) return pt_fail(PT_ENOMEM, "out of memory: a row of %s has more than %zu bytes", f->path, keep);
        memcpy(grown, from, keep);
        free(f->window);
        f->window = grown;
        f->cap = cap;
    } else {
        memmove(f->window, from, keep);
    }
    f->at = f->window;
    f->end = f->window + keep;
    return inflate_some(f);
}

pt_status pt_feed_open(pt_feed *f, const char *path, bool binary)
{
    pt_status rc = PT_OK;
    *f = (pt_feed){.path = path};
    PT_TRY(check_path(path));
    PT_TRY(pt_map_open(&f->map, path));
    f->at = (const char *)f->map.data;
    f->end = f->at + f->map.bytes;
    if (is_gzip(f->map.data, f->map.bytes)) {
        f->cap = FIRST_WINDOW;
        PT_TRY(pt_alloc0(&f->window, f->cap));
        f->z.next_in = f->map.data;
        PT_CHECK(inflateInit2(&f->z, 15 + 16) == Z_OK, PT_ENOMEM, "out of memory while unpacking %s", path);
        f->more = f->inflating = true;
        f->at = f->end = f->window;
        PT_TRY(inflate_some(f));
    }
    PT_CHECK(f->at < f->end, PT_EFORMAT, "%s is empty", path);
    if (!binary) PT_TRY(check_content(f));
    if (!binary && f->end - f->at >= 3 && !memcmp(f->at, "\xef\xbb\xbf", 3)) f->at += 3;
done:
    if (rc != PT_OK) pt_feed_close(f);
    return rc;
}

void pt_feed_close(pt_feed *f)
{
    if (f->inflating) inflateEnd(&f->z);
    free(f->window);
    pt_map_close(&f->map);
    *f = (pt_feed){0};
}

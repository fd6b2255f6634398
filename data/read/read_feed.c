/* The bytes of a data file: mapped, or unpacked piece by piece (gzip, zstd) into a window that holds what is not yet read. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "data/read/read_feed.h"

#define FIRST_WINDOW ((size_t)1 << 20)
#define MOST_WINDOW ((size_t)1 << 30)
#define LEFT_AT_ONCE ((size_t)4 << 20)

static pt_status check_path(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0) return pt_fail(PT_EIO, "cannot open data file %s: %s", path, strerror(errno));
    if (S_ISDIR(st.st_mode)) return pt_fail(PT_EARG, "%s is a folder; a file is wanted here", path);
    return PT_OK;
}

pt_status pt_rows_refuse_parquet(const char *path)
{
    return pt_fail(PT_ENOSUP, "%s holds Parquet or Arrow, not text; convert it: python3 tools/parquet_to_jsonl.py '%s' (of ptrain's sources; needs pyarrow)", path, path);
}

static pt_status check_content(const pt_feed *f)
{
    size_t n = (size_t)(f->end - f->at);
    const unsigned char *p = (const unsigned char *)f->at;
    if ((n >= 4 && !memcmp(p, "PAR1", 4)) || (n >= 6 && !memcmp(p, "ARROW1", 6)) || (n >= 4 && !memcmp(p, "\xff\xff\xff\xff", 4))) return pt_rows_refuse_parquet(f->path);
    if (n >= 3 && !memcmp(p, "BZh", 3)) return pt_fail(PT_ENOSUP, "%s is compressed; unpack it: bzip2 -dk %s", f->path, f->path);
    if (n >= 6 && !memcmp(p, "\xfd" "7zXZ", 6)) return pt_fail(PT_ENOSUP, "%s is compressed; unpack it: xz -dk %s", f->path, f->path);
    if (n >= 4 && !memcmp(p, "PK\3\4", 4)) return pt_fail(PT_ENOSUP, "%s is a ZIP file; unpack it: unzip %s", f->path, f->path);
    if (f->packed && pt_unpack_kind(p, n)) return pt_fail(PT_ENOSUP, "%s is compressed twice; unpack it once: %s -dk %s", f->path, pt_unpack_kind(f->map.data, f->map.bytes), f->path);
    return pt_text_check_utf16(f->path, p, n);
}

/* Unpacks into [end, window + cap). */
static pt_status unpack_some(pt_feed *f)
{
    char *end = f->window + (f->end - f->window);
    size_t got;
    PT_RETURN(pt_unpack_some(f->packed, end, (size_t)(f->window + f->cap - end), &got, &f->more));
    f->end = end + got;
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
    return unpack_some(f);
}

pt_status pt_feed_open(pt_feed *f, const char *path, bool binary)
{
    pt_status rc = PT_OK;
    *f = (pt_feed){.path = path};
    PT_TRY(check_path(path));
    PT_TRY(pt_map_open(&f->map, path));
    f->at = (const char *)f->map.data;
    f->end = f->at + f->map.bytes;
    PT_TRY(pt_unpack_open(&f->packed, path, f->map.data, f->map.bytes));
    if (f->packed) {
        f->cap = FIRST_WINDOW;
        PT_TRY(pt_alloc0(&f->window, f->cap));
        f->at = f->end = f->window;
        PT_TRY(unpack_some(f));
    }
    PT_CHECK(f->at < f->end, PT_EFORMAT, "%s is empty", path);
    if (!binary) PT_TRY(check_content(f));
    if (!binary && f->end - f->at >= 3 && !memcmp(f->at, "\xef\xbb\xbf", 3)) f->at += 3;
done:
    if (rc != PT_OK) pt_feed_close(f);
    return rc;
}

void pt_feed_leave(pt_feed *f, const char *at)
{
    if (f->packed || (size_t)(at - (const char *)f->map.data) < f->left + LEFT_AT_ONCE) return;
    size_t to = (size_t)(at - (const char *)f->map.data) & ~((size_t)LEFT_AT_ONCE - 1);
    madvise(f->map.data + f->left, to - f->left, MADV_DONTNEED); /* the map is private and read-only: the file still holds it */
    f->left = to;
}

void pt_feed_close(pt_feed *f)
{
    pt_unpack_close(f->packed);
    free(f->window);
    pt_map_close(&f->map);
    *f = (pt_feed){0};
}

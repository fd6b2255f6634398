#define ZLIB_CONST
#include "data/read/zip_file.h"

#include <string.h>
#include <zlib.h>

#include "data/read/inflated.h"

enum { LOCAL = 30, CENTRAL = 46, END = 22, LOCATOR = 20, COMMENT = 65535, STORED = 0, DEFLATED = 8 };
/* Deflate makes no more of a byte (RFC 1951: 258 bytes from 2 bits). */
enum { DEFLATE_MOST = 1032 };

typedef struct entry {
    const unsigned char *name;
    size_t name_bytes, packed, bytes, local;
    unsigned flags, method;
    uint32_t crc;
} entry;

typedef struct zip {
    const char *path;
    const unsigned char *p;
    size_t n, directory, directory_end; /* n: where the end record begins */
    unsigned entries;
} zip;

static unsigned two(const unsigned char *p)
{
    return p[0] | (unsigned)p[1] << 8;
}

static uint32_t four(const unsigned char *p)
{
    return two(p) | (uint32_t)two(p + 2) << 16;
}

bool pt_zip_is(const void *bytes, size_t n)
{
    return n >= 4 && (!memcmp(bytes, "PK\3\4", 4) || !memcmp(bytes, "PK\5\6", 4));
}

/* Where the end record stands: the last place from which its comment reaches the end of the file; n when there is none. */
static size_t find_end(const unsigned char *p, size_t n)
{
    for (size_t back = END; back <= n && back <= END + COMMENT; back++) {
        const unsigned char *e = p + n - back;
        if (!memcmp(e, "PK\5\6", 4) && two(e + 20) == back - END) return n - back;
    }
    return n;
}

static pt_status open_zip(zip *z)
{
    size_t end = find_end(z->p, z->n);
    if (end == z->n) return pt_fail(PT_EFORMAT, "%s: the ZIP archive has no directory at its end: it is cut off, or something stands behind it", z->path);
    const unsigned char *e = z->p + end;
    bool many = two(e + 8) == 0xffff || two(e + 10) == 0xffff || four(e + 12) == 0xffffffff || four(e + 16) == 0xffffffff;
    if (many || (end >= LOCATOR && !memcmp(e - LOCATOR, "PK\6\7", 4))) return pt_fail(PT_ENOSUP, "%s is a zip64 archive, which is not read; pack it again without zip64", z->path);
    if (two(e + 4) || two(e + 6) || two(e + 8) != two(e + 10)) return pt_fail(PT_ENOSUP, "%s is one part of a ZIP archive of several", z->path);
    z->entries = two(e + 10);
    z->directory = four(e + 16);
    size_t bytes = four(e + 12);
    if (z->directory > end || bytes != end - z->directory)
        return pt_fail(PT_EFORMAT, "%s: the ZIP directory of %zu bytes at byte %zu does not reach the end record at byte %zu", z->path, bytes, z->directory, end);
    z->n = z->directory_end = end;
    return PT_OK;
}

/* A name that would lead out of the folder that an archive is unpacked into. */
static bool leads_out(const entry *x)
{
    const char *p = (const char *)x->name;
    size_t n = x->name_bytes;
    if (!n || *p == '/' || memchr(p, '\\', n) || memchr(p, 0, n) || (n >= 2 && p[1] == ':')) return true;
    for (size_t i = 0; i < n;) {
        const char *slash = memchr(p + i, '/', n - i);
        size_t len = slash ? (size_t)(slash - p) - i : n - i;
        if (len == 2 && p[i] == '.' && p[i + 1] == '.') return true;
        i += len + 1;
    }
    return false;
}

static pt_status next_entry(const zip *z, size_t *at, entry *x)
{
    const unsigned char *p = z->p + *at;
    size_t left = z->directory_end - *at;
    if (left < CENTRAL || memcmp(p, "PK\1\2", 4)) return pt_fail(PT_EFORMAT, "%s: byte %zu: no entry of the ZIP directory stands here", z->path, *at);
    *x = (entry){.name = p + CENTRAL, .name_bytes = two(p + 28), .packed = four(p + 20), .bytes = four(p + 24), .local = four(p + 42), .flags = two(p + 8), .method = two(p + 10), .crc = four(p + 16)};
    size_t whole = CENTRAL + x->name_bytes + two(p + 30) + two(p + 32);
    if (whole > left) return pt_fail(PT_EFORMAT, "%s: byte %zu: an entry of the ZIP directory goes past its end", z->path, *at);
    if (leads_out(x)) return pt_fail(PT_EFORMAT, "%s: the archive has a file whose name leads out of it: '%.*s'", z->path, x->name_bytes < 60 ? (int)x->name_bytes : 60, (const char *)x->name);
    *at += whole;
    return PT_OK;
}

/* The file's packed bytes; where its local header says another name or they do not fit, the archive is broken. */
static pt_status find_data(const zip *z, const entry *x, const char *name, const unsigned char **data)
{
    const unsigned char *p = z->p + x->local;
    if (x->local > z->directory || z->directory - x->local < LOCAL || memcmp(p, "PK\3\4", 4)) return pt_fail(PT_EFORMAT, "%s: '%s' does not begin where the ZIP directory says (byte %zu)", z->path, name, x->local);
    size_t head = LOCAL + (size_t)two(p + 26) + two(p + 28), room = z->directory - x->local;
    bool named = two(p + 26) == x->name_bytes && head <= room && !memcmp(p + LOCAL, x->name, x->name_bytes);
    if (!named) return pt_fail(PT_EFORMAT, "%s: '%s' has another name in its own header", z->path, name);
    if (x->packed > room - head) return pt_fail(PT_EFORMAT, "%s: '%s' of %zu packed bytes goes into the ZIP directory", z->path, name, x->packed);
    *data = p + head;
    return PT_OK;
}

static pt_status read_entry(const zip *z, const entry *x, const char *name, size_t most, char **text, size_t *bytes)
{
    const unsigned char *data = NULL;
    if (x->flags & 0x2041) return pt_fail(PT_ENOSUP, "%s: '%s' is encrypted", z->path, name);
    if (x->packed == 0xffffffff || x->bytes == 0xffffffff || x->local == 0xffffffff) return pt_fail(PT_ENOSUP, "%s: '%s' is stored as zip64, which is not read", z->path, name);
    if (x->method != STORED && x->method != DEFLATED) return pt_fail(PT_ENOSUP, "%s: '%s' is packed by ZIP method %u; stored and deflate are read", z->path, name, x->method);
    PT_RETURN(find_data(z, x, name, &data));
    if (x->bytes > most) return pt_fail(PT_EFORMAT, "%s: '%s' unpacks to %zu bytes; %zu are the most", z->path, name, x->bytes, most);
    if (x->method == STORED ? x->bytes != x->packed : x->bytes / DEFLATE_MOST > x->packed)
        return pt_fail(PT_EFORMAT, "%s: '%s' cannot be %zu bytes of %zu packed ones", z->path, name, x->bytes, x->packed);
    if (x->method == STORED) {
        *bytes = x->bytes;
        PT_RETURN(pt_strndup(text, (const char *)data, x->bytes));
    } else {
        pt_status rc = pt_inflated(data, x->packed, PT_INFLATED_DEFLATE, x->bytes, text, bytes);
        if (rc != PT_OK) return pt_fail_prefix(rc, "%s: '%s'", z->path, name);
    }
    uint32_t crc = (uint32_t)crc32(crc32(0, NULL, 0), (const Bytef *)*text, (uInt)*bytes);
    if (*bytes != x->bytes || crc != x->crc)
        return pt_fail(PT_EFORMAT, "%s: '%s' is damaged: %zu bytes with CRC %08x, the archive says %zu and %08x", z->path, name, *bytes, (unsigned)crc, x->bytes, (unsigned)x->crc);
    return PT_OK;
}

pt_status pt_zip_file(const char *path, const void *bytes, size_t n, const char *name, size_t most, char **text, size_t *text_bytes)
{
    zip z = {.path = path, .p = bytes, .n = n};
    entry x = {0}, found = {0};
    *text = NULL;
    *text_bytes = 0;
    if (!pt_zip_is(bytes, n)) return pt_fail(PT_EFORMAT, "%s is no ZIP archive", path);
    PT_RETURN(open_zip(&z));
    size_t at = z.directory;
    for (unsigned i = 0; i < z.entries; i++) {
        PT_RETURN(next_entry(&z, &at, &x));
        if (x.name_bytes != strlen(name) || memcmp(x.name, name, x.name_bytes)) continue;
        if (found.name) return pt_fail(PT_EFORMAT, "%s: the archive has two files '%s'", path, name);
        found = x;
    }
    if (at != z.directory_end) return pt_fail(PT_EFORMAT, "%s: the ZIP directory holds more than the %u files that it says", path, z.entries);
    return found.name ? read_entry(&z, &found, name, most, text, text_bytes) : PT_OK;
}

#define ZLIB_CONST
#include "data/read/png_text.h"

#include <string.h>
#include <zlib.h>

#include "data/read/inflated.h"

static const unsigned char signature[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};

typedef struct chunk {
    const unsigned char *type, *data;
    size_t n, at; /* bytes of data; where it stands in the file */
} chunk;

static uint32_t big(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

bool pt_png_is(const void *bytes, size_t n)
{
    return n >= sizeof signature && !memcmp(bytes, signature, sizeof signature);
}

static bool is(const chunk *c, const char *type)
{
    return !memcmp(c->type, type, 4);
}

static pt_status next_chunk(const char *path, const unsigned char *p, size_t n, size_t *at, chunk *c)
{
    if (n - *at < 12) return pt_fail(PT_EFORMAT, "%s: the image is cut off at byte %zu: no IEND chunk", path, n);
    c->at = *at;
    c->n = big(p + *at);
    c->type = p + *at + 4;
    c->data = p + *at + 8;
    for (int i = 0; i < 4; i++)
        if ((c->type[i] | 32) < 'a' || (c->type[i] | 32) > 'z') return pt_fail(PT_EFORMAT, "%s: byte %zu: no PNG chunk begins here", path, *at);
    if (c->n > 0x7fffffff || c->n > n - *at - 12) return pt_fail(PT_EFORMAT, "%s: byte %zu: a %.4s chunk of %zu bytes goes past the end of the file", path, *at, (const char *)c->type, c->n);
    uint32_t crc = (uint32_t)crc32(crc32(0, NULL, 0), c->type, (uInt)(c->n + 4)), said = big(c->data + c->n);
    if (crc != said)
        return pt_fail(PT_EFORMAT, "%s: byte %zu: the %.4s chunk is damaged: its CRC is %08x, the file says %08x", path, *at, (const char *)c->type, (unsigned)crc, (unsigned)said);
    *at += 12 + c->n;
    return PT_OK;
}

/* The bytes of a text chunk's keyword; 0 when none fits the specification (1 to 79 bytes, then a zero). */
static size_t keyword(const chunk *c)
{
    size_t most = c->n < 80 ? c->n : 80;
    const unsigned char *end = memchr(c->data, 0, most);
    return end ? (size_t)(end - c->data) : 0;
}

static pt_status broken(const char *path, const chunk *c, const char *what)
{
    return pt_fail(PT_EFORMAT, "%s: byte %zu: a %.4s chunk %s", path, c->at, (const char *)c->type, what);
}

/* Behind the keyword and its zero: tEXt the text; zTXt a zero, packed text; iTXt whether it is packed, a zero, language, zero, translated keyword, zero, text. */
static pt_status read_text(const char *path, const chunk *c, size_t key, char **text, size_t *bytes)
{
    const unsigned char *p = c->data + key + 1, *end = c->data + c->n;
    bool packed = is(c, "zTXt");
    if (packed) {
        if (p == end || *p) return broken(path, c, "is packed in a way that the specification does not have");
        p++;
    } else if (is(c, "iTXt")) {
        if (end - p < 2 || p[0] > 1 || p[1]) return broken(path, c, "is packed in a way that the specification does not have");
        packed = p[0];
        p += 2;
        for (int i = 0; i < 2; i++) {
            p = memchr(p, 0, (size_t)(end - p));
            if (!p) return broken(path, c, "ends before its text");
            p++;
        }
    }
    if (!packed) {
        *bytes = (size_t)(end - p);
        return pt_strndup(text, (const char *)p, *bytes);
    }
    pt_status rc = pt_inflated(p, (size_t)(end - p), PT_INFLATED_ZLIB, PT_PNG_TEXT_MOST, text, bytes);
    return rc == PT_OK ? rc : pt_fail_prefix(rc, "%s: byte %zu: a %.4s chunk", path, c->at, (const char *)c->type);
}

pt_status pt_png_text(const char *path, const void *bytes, size_t n, const char *const *keys, int *which, char **text, size_t *text_bytes)
{
    const unsigned char *p = bytes;
    chunk c = {0}, best = {0};
    size_t at = sizeof signature, best_key = 0;
    *which = -1;
    *text = NULL;
    *text_bytes = 0;
    if (!pt_png_is(bytes, n)) return pt_fail(PT_EFORMAT, "%s is no PNG image", path);
    do {
        bool first = at == sizeof signature;
        PT_RETURN(next_chunk(path, p, n, &at, &c));
        if (first && (!is(&c, "IHDR") || c.n != 13)) return broken(path, &c, "stands first, where an IHDR of 13 bytes must");
        if (!is(&c, "tEXt") && !is(&c, "zTXt") && !is(&c, "iTXt")) continue;
        size_t key = keyword(&c);
        if (!key) return broken(path, &c, "has no keyword");
        for (int k = 0; keys[k] && (*which < 0 || k < *which); k++) {
            if (strlen(keys[k]) != key || strncasecmp((const char *)c.data, keys[k], key)) continue;
            *which = k;
            best = c;
            best_key = key;
        }
    } while (!is(&c, "IEND"));
    return *which < 0 ? PT_OK : read_text(path, &best, best_key, text, text_bytes);
}

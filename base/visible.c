#include "base/visible.h"

#include <string.h>

#include "base/utf8.h"

/* Bytes of the character that begins with c; 1 for what begins none. */
static size_t length_of(unsigned char c)
{
    return c >= 0xc2 && c < 0xe0 ? 2 : c >= 0xe0 && c < 0xf0 ? 3 : c >= 0xf0 && c < 0xf5 ? 4 : 1;
}

static size_t put_hex(char *out, char kind, unsigned c, int digits)
{
    static const char hex[] = "0123456789abcdef";
    size_t n = 0;
    out[n++] = '\\';
    out[n++] = kind;
    while (digits--) out[n++] = hex[c >> (4 * digits) & 15];
    return n;
}

/* Marks, embeddings, overrides and isolates of the bidirectional algorithm. */
static bool turns(unsigned c)
{
    return c == 0x061c || c == 0x200e || c == 0x200f || (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

/* One character of n bytes, or one byte that is none. */
static size_t put_one(const unsigned char *p, size_t n, char *out)
{
    if (!pt_utf8_valid((const char *)p, n)) {
        size_t used = 0;
        for (size_t i = 0; i < n; i++) used += p[i] < 0x80 ? put_one(p + i, 1, out + used) : put_hex(out + used, 'x', p[i], 2);
        return used;
    }
    unsigned c = n == 1 ? p[0] : n == 2 ? (p[0] & 0x1fu) << 6 | (p[1] & 0x3fu) : n == 3 ? (p[0] & 0x0fu) << 12 | (p[1] & 0x3fu) << 6 | (p[2] & 0x3fu) : 0x10000;
    if ((c < 0x20 && c != '\n' && c != '\t') || (c >= 0x7f && c < 0xa0)) return put_hex(out, 'x', c, 2);
    if (turns(c)) return put_hex(out, 'u', c, 4);
    memcpy(out, p, n);
    return n;
}

size_t pt_visible_end(pt_visible *v, char *out)
{
    size_t used = 0;
    for (size_t i = 0; i < v->n; i++) used += put_one(v->held + i, 1, out + used);
    v->n = 0;
    return used;
}

size_t pt_visible_put(pt_visible *v, const char *text, size_t n, char *out)
{
    size_t used = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        if (v->n && (c & 0xc0) != 0x80) used += pt_visible_end(v, out + used); /* the character before was cut off */
        v->held[v->n++] = c;
        if (v->n < length_of(v->held[0])) continue;
        used += put_one(v->held, v->n, out + used);
        v->n = 0;
    }
    return used;
}

pt_status pt_str_visible(pt_str *s, const char *text, size_t n)
{
    pt_visible v = {0};
    PT_RETURN(pt_reserve(&s->text, &s->cap, s->len + PT_VISIBLE_GROWTH * n + PT_VISIBLE_MORE + 1));
    s->len += pt_visible_put(&v, text, n, s->text + s->len);
    s->len += pt_visible_end(&v, s->text + s->len);
    s->text[s->len] = 0;
    return PT_OK;
}

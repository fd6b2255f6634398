/* Unicode's normal forms and lower case. */
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "data/text/tok_norm.h"

/* True when s is surely in NFC (and, being its own NFC, needs no work): only characters below U+0300 and blocks without
 * combining or singleton characters. */
static bool surely_nfc(const char *s, size_t n)
{
    for (size_t i = 0; i < n;) {
        size_t len = 1;
        if ((unsigned char)s[i] >= 0x80) {
            uint32_t c = pt_utf8_get(s + i, &len);
            bool ok = c < 0x300 || (c >= 0x2010 && c <= 0x2027) || (c >= 0x3000 && c <= 0x3029) ||
                      (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0xFF01 && c <= 0xFF5E) || (c >= 0x2581 && c <= 0x25FF);
            if (!ok) return false;
        }
        i += len;
    }
    return true;
}

static bool ascii(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if ((unsigned char)s[i] >= 0x80) return false;
    }
    return true;
}

/* Whether nothing that stands before c can change what c becomes, in any of the forms. */
static bool begins_anew(uint32_t c)
{
    if (c < 0x300) return true;
    utf8proc_category_t g = utf8proc_category((utf8proc_int32_t)c);
    if (g == UTF8PROC_CATEGORY_MN || g == UTF8PROC_CATEGORY_MC || g == UTF8PROC_CATEGORY_ME) return false;
    return !((c >= 0x1100 && c <= 0x11FF) || (c >= 0x3130 && c <= 0x318F) || (c >= 0xD7B0 && c <= 0xD7FF) || (c >= 0xFF9E && c <= 0xFFDC));
}

static pt_status whole(const pt_tok_view *in, size_t from, size_t to, pt_tok_norm_kind kind, pt_tok_made *out)
{
    static const utf8proc_option_t opt[] = {
        [PT_NORM_NFC] = UTF8PROC_STABLE | UTF8PROC_COMPOSE,
        [PT_NORM_NFD] = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE,
        [PT_NORM_NFKC] = UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT,
        [PT_NORM_NFKD] = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT,
    };
    const char *s = in->s + from;
    size_t n = to - from;
    if (ascii(s, n) || (kind == PT_NORM_NFC && surely_nfc(s, n))) return pt_tok_put_same(out, in, from, to);
    utf8proc_uint8_t *got = NULL;
    utf8proc_ssize_t len = utf8proc_map((const utf8proc_uint8_t *)s, (utf8proc_ssize_t)n, &got, opt[kind]);
    if (len < 0) {
        return pt_fail(len == UTF8PROC_ERROR_NOMEM ? PT_ENOMEM : PT_EFORMAT, "normalising: %s", utf8proc_errmsg(len));
    }
    bool same = (size_t)len == n && memcmp(got, s, n) == 0;
    pt_status rc = same ? pt_tok_put_same(out, in, from, to) : pt_tok_put_new(out, in, from, to, (const char *)got, (size_t)len);
    free(got);
    return rc;
}

pt_status pt_tok_unicode_form(const pt_tok_norm *m, const pt_tok_view *in, pt_tok_made *out)
{
    size_t from = 0, len;
    if (!out->mapped) return whole(in, 0, in->n, m->kind, out);
    for (size_t i = 0; i < in->n; i += len) { /* the same text, in the smallest parts whose places can be told apart */
        if (!begins_anew(pt_utf8_get(in->s + i, &len)) || i == from) continue;
        PT_RETURN(whole(in, from, i, m->kind, out));
        from = i;
    }
    return from < in->n ? whole(in, from, in->n, m->kind, out) : PT_OK;
}

pt_status pt_tok_lowercase(const pt_tok_norm *m, const pt_tok_view *in, pt_tok_made *out)
{
    size_t kept = 0, len;
    for (size_t i = 0; i < in->n; i += len) {
        char c[4];
        uint32_t cp = pt_utf8_get(in->s + i, &len), low = (uint32_t)utf8proc_tolower((utf8proc_int32_t)cp);
        if (low == cp && cp != 0x130) continue;
        PT_RETURN(pt_tok_put_same(out, in, kept, i));
        if (cp == 0x130) /* the one letter whose full lower case has two characters */
            PT_RETURN(pt_tok_put_new(out, in, i, i + len, "i\xCC\x87", 3));
        else
            PT_RETURN(pt_tok_put_new(out, in, i, i + len, c, pt_utf8_put(c, low)));
        kept = i + len;
    }
    return pt_tok_put_same(out, in, kept, in->n);
}

/* Normalisers of tokenizer.json, applied in order to a text without added tokens. */
#include "data/text/tok_priv.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

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

static pt_status unicode_form(const char *s, size_t n, pt_tok_norm_kind kind, pt_str *out)
{
    static const utf8proc_option_t opt[] = {
        [PT_NORM_NFC] = UTF8PROC_STABLE | UTF8PROC_COMPOSE,
        [PT_NORM_NFD] = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE,
        [PT_NORM_NFKC] = UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT,
        [PT_NORM_NFKD] = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT,
    };
    if (ascii(s, n) || (kind == PT_NORM_NFC && surely_nfc(s, n))) return pt_str_add(out, s, n);
    utf8proc_uint8_t *got = NULL;
    utf8proc_ssize_t len = utf8proc_map((const utf8proc_uint8_t *)s, (utf8proc_ssize_t)n, &got, opt[kind]);
    if (len < 0) {
        return pt_fail(len == UTF8PROC_ERROR_NOMEM ? PT_ENOMEM : PT_EFORMAT, "normalising: %s", utf8proc_errmsg(len));
    }
    pt_status rc = pt_str_add(out, (const char *)got, (size_t)len);
    free(got);
    return rc;
}

static pt_status replace_text(const pt_tok_norm *m, const char *s, size_t n, pt_str *out)
{
    size_t fn = strlen(m->from), tn = strlen(m->to);
    while (n) {
        const char *hit = fn == 1 ? memchr(s, m->from[0], n) : memmem(s, n, m->from, fn);
        size_t before = hit ? (size_t)(hit - s) : n;
        PT_RETURN(pt_str_add(out, s, before));
        if (!hit) break;
        PT_RETURN(pt_str_add(out, m->to, tn));
        s += before + fn;
        n -= before + fn;
    }
    return PT_OK;
}

static pt_status replace_regex(const pt_tok_norm *m, const char *s, size_t n, pt_str *out)
{
    pt_status rc = PT_OK;
    pcre2_match_data *md = pcre2_match_data_create(1, NULL);
    size_t from = 0, at = 0, len = 0;
    bool found = true;
    PT_CHECK(md, PT_ENOMEM, "out of memory");
    while (found) {
        PT_TRY(pt_tok_match(m->code, md, s, n, from, &at, &len, &found));
        if (!found) at = n;
        PT_TRY(pt_str_add(out, s + from, at - from));
        if (found) PT_TRY(pt_str_puts(out, m->to));
        from = at + len;
    }
done:
    pcre2_match_data_free(md);
    return rc;
}

static pt_status lowercase(const char *s, size_t n, pt_str *out)
{
    for (size_t i = 0; i < n;) {
        size_t len;
        char c[4];
        uint32_t cp = pt_utf8_get(s + i, &len);
        i += len;
        if (cp == 0x130) { /* the one letter whose full lower case has two characters */
            PT_RETURN(pt_str_puts(out, "i\xCC\x87"));
            continue;
        }
        utf8proc_int32_t low = utf8proc_tolower((utf8proc_int32_t)cp);
        PT_RETURN(pt_str_add(out, c, pt_utf8_put(c, (uint32_t)low)));
    }
    return PT_OK;
}

static pt_status strip(const pt_tok_norm *m, const char *s, size_t n, pt_str *out)
{
    while (m->left && n) {
        size_t len;
        if (!pt_utf8_is_space(pt_utf8_get(s, &len))) break;
        s += len;
        n -= len;
    }
    while (m->right && n) {
        size_t back = 1, len;
        while (back < n && back < 4 && ((unsigned char)s[n - back] & 0xC0) == 0x80) back++;
        if (!pt_utf8_is_space(pt_utf8_get(s + n - back, &len))) break;
        n -= back;
    }
    return pt_str_add(out, s, n);
}

static pt_status apply(const pt_tok_norm *m, const char *s, size_t n, bool prepend, pt_str *out)
{
    switch (m->kind) {
    case PT_NORM_PREPEND:
        if (n && prepend) PT_RETURN(pt_str_puts(out, m->to));
        return pt_str_add(out, s, n);
    case PT_NORM_REPLACE: return replace_text(m, s, n, out);
    case PT_NORM_REPLACE_REGEX: return replace_regex(m, s, n, out);
    case PT_NORM_LOWERCASE: return lowercase(s, n, out);
    case PT_NORM_STRIP: return strip(m, s, n, out);
    default: return unicode_form(s, n, m->kind, out);
    }
}

pt_status pt_tok_normalise(const pt_tokenizer *t, const char *s, size_t n, bool prepend, pt_str *out)
{
    pt_str tmp = {0};
    pt_status rc = PT_OK;
    out->len = 0;
    PT_TRY(pt_str_add(out, s, t->n_norms ? 0 : n));
    for (size_t i = 0; i < t->n_norms; i++) {
        tmp.len = 0;
        PT_TRY(apply(&t->norms[i], i ? out->text : s, i ? out->len : n, prepend, &tmp));
        PT_TRY(pt_str_add(&tmp, "", 0));
        pt_str swap = tmp;
        tmp = *out;
        *out = swap;
    }
done:
    pt_str_free(&tmp);
    return rc;
}

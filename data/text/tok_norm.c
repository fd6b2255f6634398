/* Normalisers of tokenizer.json, applied in order to a text without added tokens. */
#include "data/text/tok_norm.h"
#include "data/text/tok_spm.h"

#include <stdlib.h>
#include <string.h>

pt_status pt_tok_put_same(pt_tok_made *out, const pt_tok_view *in, size_t from, size_t to)
{
    size_t at = out->s.len, n = to - from;
    PT_RETURN(pt_str_add(&out->s, in->s + from, n));
    if (!out->mapped) return PT_OK;
    PT_RETURN(pt_reserve(&out->map, &out->map_cap, at + n));
    for (size_t i = 0; i < n; i++) out->map[at + i] = pt_tok_place(in, from + i + 1);
    return PT_OK;
}

pt_status pt_tok_put_new(pt_tok_made *out, const pt_tok_view *in, size_t from, size_t to, const char *bytes, size_t n)
{
    size_t at = out->s.len;
    PT_RETURN(pt_str_add(&out->s, bytes, n));
    if (!out->mapped) return PT_OK;
    PT_RETURN(pt_reserve(&out->map, &out->map_cap, at + n));
    size_t begin = pt_tok_place(in, from), end = pt_tok_place(in, to);
    for (size_t i = 0; i < n; i++) out->map[at + i] = i + 1 < n ? begin : end;
    if (n == 0 && at) out->map[at - 1] = end;
    return PT_OK;
}

pt_tok_view pt_tok_view_of(const pt_tok_made *made, const pt_tok_view *in)
{
    return (pt_tok_view){made->s.text, made->s.len, made->mapped ? made->map : NULL, in->start};
}

pt_status pt_tok_spell_bytes(pt_tok_made *out, const pt_tok_view *in, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        char c[4];
        uint32_t cp = pt_tok_alphabet((unsigned char)in->s[i]);
        if (cp < 0x80)
            PT_RETURN(pt_tok_put_same(out, in, i, i + 1));
        else
            PT_RETURN(pt_tok_put_new(out, in, i, i + 1, c, pt_utf8_put(c, cp)));
    }
    return PT_OK;
}

static pt_status prepend(const pt_tok_norm *m, const pt_tok_view *in, pt_tok_made *out)
{
    if (in->n) PT_RETURN(pt_tok_put_new(out, in, 0, 0, m->to, strlen(m->to)));
    return pt_tok_put_same(out, in, 0, in->n);
}

static pt_status replace_text(const pt_tok_norm *m, const pt_tok_view *in, pt_tok_made *out)
{
    size_t fn = strlen(m->from), tn = strlen(m->to), at = 0;
    while (at < in->n) {
        const char *s = in->s + at, *hit = fn == 1 ? memchr(s, m->from[0], in->n - at) : memmem(s, in->n - at, m->from, fn);
        size_t to = hit ? (size_t)(hit - in->s) : in->n;
        PT_RETURN(pt_tok_put_same(out, in, at, to));
        if (!hit) break;
        PT_RETURN(pt_tok_put_new(out, in, to, to + fn, m->to, tn));
        at = to + fn;
    }
    return PT_OK;
}

static pt_status replace_regex(const pt_tok_norm *m, const pt_tok_view *in, pt_tok_made *out)
{
    pt_status rc = PT_OK;
    pcre2_match_data *md = pcre2_match_data_create(1, NULL);
    pt_tok_scan scan = {0};
    size_t from = 0, at = 0, len = 0;
    bool found = in->n > 0;
    PT_CHECK(md, PT_ENOMEM, "out of memory");
    while (found) {
        PT_TRY(pt_tok_match(m->code, md, in->s, in->n, &scan, &at, &len, &found));
        if (!found) at = in->n;
        PT_TRY(pt_tok_put_same(out, in, from, at));
        if (found) PT_TRY(pt_tok_put_new(out, in, at, at + len, m->to, strlen(m->to)));
        from = at + len;
    }
done:
    pcre2_match_data_free(md);
    return rc;
}

static pt_status strip(const pt_tok_norm *m, const pt_tok_view *in, pt_tok_made *out)
{
    size_t from = 0, to = in->n, len;
    while (m->left && from < to && pt_utf8_is_space(pt_utf8_get(in->s + from, &len))) from += len;
    while (m->right && to > from) {
        size_t back = 1;
        while (back < to && back < 4 && ((unsigned char)in->s[to - back] & 0xC0) == 0x80) back++;
        if (!pt_utf8_is_space(pt_utf8_get(in->s + to - back, &len))) break;
        to -= back;
    }
    PT_RETURN(pt_tok_put_same(out, in, from, to));
    return to < in->n ? pt_tok_put_new(out, in, to, in->n, "", 0) : PT_OK;
}

static bool is_chinese(uint32_t c)
{
    return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x20000 && c <= 0x2A6DF) || (c >= 0x2A700 && c <= 0x2B73F) ||
           (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) || (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

static bool nmt_drops(uint32_t c)
{
    return (c >= 1 && c <= 8) || c == 0xB || (c >= 0xE && c <= 0x1F) || c == 0x7F || c == 0x8F || c == 0x9F;
}

static bool nmt_blanks(uint32_t c)
{
    return c == 9 || c == 0xA || c == 0xC || c == 0xD || c == 0x1680 || (c >= 0x200B && c <= 0x200F) || c == 0x2028 || c == 0x2029 || c == 0x2581 ||
           c == 0xFEFF || c == 0xFFFD;
}

/* Drop, Clean, Nmt: a character stays, goes or becomes a blank. */
static pt_status sift(const pt_tok_norm *m, const pt_tok_view *in, pt_tok_made *out)
{
    size_t kept = 0, len;
    for (size_t i = 0; i < in->n; i += len) {
        uint32_t c = pt_utf8_get(in->s + i, &len);
        bool nmt = m->kind == PT_NORM_NMT, clean = m->kind == PT_NORM_CLEAN;
        bool gone = nmt ? nmt_drops(c) : pt_tok_class_has(clean ? PT_CLASS_CLEAN : m->class, c, 0);
        bool blank = !gone && (nmt ? nmt_blanks(c) : clean && c != ' ' && pt_utf8_is_space(c));
        if (!gone && !blank) continue;
        PT_RETURN(pt_tok_put_same(out, in, kept, i));
        PT_RETURN(pt_tok_put_new(out, in, i, i + len, " ", blank));
        kept = i + len;
    }
    return pt_tok_put_same(out, in, kept, in->n);
}

static pt_status space_chinese(const pt_tok_norm *m, const pt_tok_view *in, pt_tok_made *out)
{
    size_t kept = 0, len;
    for (size_t i = 0; i < in->n; i += len) {
        if (!is_chinese(pt_utf8_get(in->s + i, &len))) continue;
        PT_RETURN(pt_tok_put_same(out, in, kept, i));
        PT_RETURN(pt_tok_put_new(out, in, i, i, " ", 1));
        PT_RETURN(pt_tok_put_same(out, in, i, i + len));
        kept = i + len;
        PT_RETURN(pt_tok_put_new(out, in, kept, kept, " ", 1));
    }
    return pt_tok_put_same(out, in, kept, in->n);
}

static pt_status alphabet(const pt_tok_norm *m, const pt_tok_view *in, pt_tok_made *out)
{
    return pt_tok_spell_bytes(out, in, 0, in->n);
}

static pt_tok_norm_apply *const table[PT_NORMS] = {
    [PT_NORM_PREPEND] = prepend,         [PT_NORM_REPLACE] = replace_text,    [PT_NORM_REPLACE_REGEX] = replace_regex,
    [PT_NORM_NFC] = pt_tok_unicode_form, [PT_NORM_NFD] = pt_tok_unicode_form, [PT_NORM_NFKC] = pt_tok_unicode_form,
    [PT_NORM_NFKD] = pt_tok_unicode_form, [PT_NORM_LOWERCASE] = pt_tok_lowercase, [PT_NORM_STRIP] = strip,
    [PT_NORM_DROP] = sift,               [PT_NORM_CLEAN] = sift,              [PT_NORM_CJK] = space_chinese,
    [PT_NORM_NMT] = sift,                [PT_NORM_ALPHABET] = alphabet,
    [PT_NORM_PRECOMPILED] = pt_tok_precompiled,
};

pt_status pt_tok_normalise(const pt_tokenizer *t, const pt_tok_view *in, bool with_prefix, bool first, pt_tok_made buf[2], pt_tok_view *out)
{
    *out = *in;
    for (size_t i = 0, k = 0; i < t->n_norms; i++) {
        const pt_tok_norm *m = &t->norms[i];
        if (m->kind == PT_NORM_PREPEND && !with_prefix) continue;
        pt_tok_made *to = &buf[k];
        k = !k;
        to->s.len = 0;
        PT_RETURN(pt_str_add(&to->s, "", 0));
        PT_RETURN(m->kind == PT_NORM_SPM ? pt_tok_spm_normalise(m->spm, out, with_prefix, first, to) : table[m->kind](m, out, to));
        *out = pt_tok_view_of(to, in);
    }
    return PT_OK;
}

pt_status pt_tok_add_norm(pt_tokenizer *t, pt_tok_norm_kind kind, const char *from, const char *to, pt_tok_norm **out)
{
    PT_RETURN(pt_reserve(&t->norms, &t->cap_norms, t->n_norms + 1));
    pt_tok_norm *m = &t->norms[t->n_norms++];
    *m = (pt_tok_norm){.kind = kind};
    if (from) PT_RETURN(pt_strdup(&m->from, from));
    if (to) PT_RETURN(pt_strdup(&m->to, to));
    if (out) *out = m;
    return PT_OK;
}

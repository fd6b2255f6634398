/* Decoders of tokenizer.json in any order: each makes of the tokens' texts other texts, as decode_chain of the tokenizers library does. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "data/text/tok_priv.h"

#define BROKEN "\xEF\xBF\xBD"

/* Texts one behind the other. */
typedef struct texts {
    pt_str all;
    size_t *ends, n, cap;
} texts;
typedef struct chain {
    texts from, to;
    bool begins, fused; /* fused: what is left is one text */
} chain;

static const char *text_at(const texts *l, size_t i, size_t *n)
{
    size_t from = i ? l->ends[i - 1] : 0;
    *n = l->ends[i] - from;
    return l->all.text + from;
}

static pt_status put(texts *l, const char *s, size_t n)
{
    return pt_str_add(&l->all, s, n);
}

/* What was put since the text before is a text. */
static pt_status close_text(texts *l)
{
    PT_RETURN(pt_reserve(&l->ends, &l->cap, l->n + 1));
    l->ends[l->n++] = l->all.len;
    return PT_OK;
}

pt_status pt_tok_lossy(pt_str *out, const char *s, size_t n)
{
    while (n) {
        size_t ok = pt_utf8_check(s, n);
        PT_RETURN(pt_str_add(out, s, ok));
        s += ok;
        n -= ok;
        if (n == 0) break;
        size_t bad = 1; /* the longest start of a character that this could be */
        while (bad < 3 && bad < n && pt_utf8_unfinished(s, bad + 1) == bad + 1) bad++;
        PT_RETURN(pt_str_puts(out, BROKEN));
        s += bad;
        n -= bad;
    }
    return PT_OK;
}

static pt_status byte_level(const texts *in, texts *out)
{
    pt_status rc = PT_OK;
    pt_str bytes = {0};
    PT_TRY(pt_str_add(&bytes, "", 0));
    for (size_t i = 0; i < in->n; i++) {
        size_t n, raw, at = bytes.len;
        const char *s = text_at(in, i, &n);
        PT_TRY(pt_str_add(&bytes, s, n));
        if (pt_tok_unalphabet(s, n, bytes.text + at, &raw))
            bytes.len = at + raw;
        else
            memcpy(bytes.text + at, s, n);
    }
    PT_TRY(pt_tok_lossy(&out->all, bytes.text, bytes.len));
    rc = close_text(out);
done:
    pt_str_free(&bytes);
    return rc;
}

static bool is_byte(const char *s, size_t n)
{
    return n == 6 && memcmp(s, "<0x", 3) == 0 && isxdigit((unsigned char)s[3]) && isxdigit((unsigned char)s[4]) && s[5] == '>';
}

static unsigned hex_digit(char c)
{
    return (unsigned)(c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
}

static pt_status byte_fallback(const texts *in, texts *out)
{
    for (size_t i = 0, n; i < in->n;) {
        const char *s = text_at(in, i, &n);
        size_t first = out->all.len, k = 0;
        for (; i < in->n && is_byte(s = text_at(in, i, &n), n); i++, k++) {
            char b = (char)(hex_digit(s[3]) << 4 | hex_digit(s[4]));
            PT_RETURN(put(out, &b, 1));
        }
        if (k == 0) {
            PT_RETURN(put(out, s, n));
            i++;
        } else if (pt_utf8_check(out->all.text + first, k) != k) {
            out->all.len = first;
            for (size_t b = 0; b < k; b++) PT_RETURN(put(out, BROKEN, 3));
        }
        PT_RETURN(close_text(out));
    }
    return PT_OK;
}

static pt_status fuse(const texts *in, texts *out)
{
    PT_RETURN(put(out, in->all.text, in->all.len));
    return close_text(out);
}

static pt_status strip(const pt_tok_decoder *d, const texts *in, texts *out, bool left)
{
    size_t cn = strlen(d->from);
    for (size_t i = 0, n; i < in->n; i++) {
        const char *s = text_at(in, i, &n);
        for (size_t k = 0; (left || i) && k < d->start && n >= cn && memcmp(s, d->from, cn) == 0; k++) s += cn, n -= cn;
        for (size_t k = 0; k < d->stop && n >= cn && memcmp(s + n - cn, d->from, cn) == 0; k++) n -= cn;
        PT_RETURN(put(out, s, n));
        PT_RETURN(close_text(out));
    }
    return PT_OK;
}

/* s with every `from` replaced. */
static pt_status put_replaced(texts *out, const char *s, size_t n, const char *from, const char *to)
{
    size_t fn = strlen(from), tn = strlen(to);
    while (n) {
        const char *hit = memmem(s, n, from, fn);
        size_t k = hit ? (size_t)(hit - s) : n;
        PT_RETURN(put(out, s, k));
        if (!hit) break;
        PT_RETURN(put(out, to, tn));
        s += k + fn;
        n -= k + fn;
    }
    return PT_OK;
}

static pt_status put_matches(texts *out, const pt_tok_decoder *d, pcre2_match_data *md, const char *s, size_t n)
{
    pt_tok_scan scan = {0};
    size_t from = 0, at = 0, len = 0;
    for (bool found = n > 0; found; from = at + len) {
        PT_RETURN(pt_tok_match(d->code, md, s, n, &scan, &at, &len, &found));
        if (!found) return put(out, s + from, n - from);
        PT_RETURN(put(out, s + from, at - from));
        PT_RETURN(put(out, d->to, strlen(d->to)));
    }
    return PT_OK;
}

static pt_status replace(const pt_tok_decoder *d, const texts *in, texts *out)
{
    pt_status rc = PT_OK;
    pcre2_match_data *md = d->code ? pcre2_match_data_create(1, NULL) : NULL;
    PT_CHECK(!d->code || md, PT_ENOMEM, "out of memory");
    for (size_t i = 0, n; i < in->n; i++) {
        const char *s = text_at(in, i, &n);
        if (d->code)
            PT_TRY(put_matches(out, d, md, s, n));
        else
            PT_TRY(put_replaced(out, s, n, d->from, d->to));
        PT_TRY(close_text(out));
    }
done:
    pcre2_match_data_free(md);
    return rc;
}

static pt_status metaspace(const pt_tok_decoder *d, const texts *in, texts *out, bool begins)
{
    for (size_t i = 0, n; i < in->n; i++) {
        const char *s = text_at(in, i, &n);
        PT_RETURN(put_replaced(out, s, n, d->from, i == 0 && begins && d->on ? "" : " "));
        PT_RETURN(close_text(out));
    }
    return PT_OK;
}

/* What the library tidies in English text, one rule after the other. s: a copy that may be written over; *n its length. */
static pt_status clean_up(pt_str *s)
{
    static const char *const rules[][2] = {{" .", "."},     {" ?", "?"},   {" !", "!"},           {" ,", ","},     {" ' ", "'"}, {" n't", "n't"},
                                           {" 'm", "'m"},   {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
    texts t = {0};
    pt_status rc = PT_OK;
    PT_TRY(pt_str_add(s, "", 0));
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        if (!memmem(s->text, s->len, rules[i][0], strlen(rules[i][0]))) continue;
        t.all.len = 0;
        PT_TRY(put_replaced(&t, s->text, s->len, rules[i][0], rules[i][1]));
        pt_str swap = *s;
        *s = t.all;
        t.all = swap;
        PT_TRY(pt_str_add(s, "", 0));
    }
done:
    pt_str_free(&t.all);
    return rc;
}

static pt_status wordpiece(const pt_tok_decoder *d, const texts *in, texts *out, bool begins)
{
    pt_status rc = PT_OK;
    pt_str one = {0};
    size_t pn = strlen(d->from);
    for (size_t i = 0, n; i < in->n; i++) {
        const char *s = text_at(in, i, &n);
        bool more = (i || !begins) && n >= pn && memcmp(s, d->from, pn) == 0;
        one.len = 0;
        if ((i || !begins) && !more) PT_TRY(pt_str_puts(&one, " "));
        PT_TRY(pt_str_add(&one, more ? s + pn : s, more ? n - pn : n));
        if (d->on) PT_TRY(clean_up(&one));
        PT_TRY(put(out, one.text, one.len));
        PT_TRY(close_text(out));
    }
done:
    pt_str_free(&one);
    return rc;
}

static pt_status bpe(const pt_tok_decoder *d, const texts *in, texts *out)
{
    for (size_t i = 0, n; i < in->n; i++) {
        const char *s = text_at(in, i, &n);
        PT_RETURN(put_replaced(out, s, n, d->from, i + 1 == in->n ? "" : " "));
        PT_RETURN(close_text(out));
    }
    return PT_OK;
}

static pt_status ctc(const pt_tok_decoder *d, const texts *in, texts *out)
{
    pt_status rc = PT_OK;
    pt_str one = {0};
    size_t n, before = 0;
    const char *last = NULL;
    for (size_t i = 0; i < in->n; i++) {
        const char *s = text_at(in, i, &n);
        bool again = last && n == before && memcmp(s, last, n) == 0;
        last = s, before = n;
        if (again) continue;
        texts t = {0};
        one.len = 0;
        if ((rc = d->from[0] ? put_replaced(&t, s, n, d->from, "") : put(&t, s, n)) == PT_OK) rc = pt_str_add(&one, t.all.text ? t.all.text : "", t.all.len);
        pt_str_free(&t.all);
        if (rc == PT_OK && d->on) rc = clean_up(&one);
        if (rc != PT_OK) goto done;
        size_t at = out->all.len;
        if (d->on)
            PT_TRY(put_replaced(out, one.text, one.len, d->to, " "));
        else
            PT_TRY(put(out, one.text, one.len));
        if (out->all.len > at) PT_TRY(close_text(out));
    }
done:
    pt_str_free(&one);
    return rc;
}

static pt_status run(const pt_tok_decoder *d, chain *c)
{
    texts *in = &c->from, *out = &c->to;
    switch (d->kind) {
    case PT_DECODE_BYTE_LEVEL: c->fused = true; return byte_level(in, out);
    case PT_DECODE_BYTE_FALLBACK: return byte_fallback(in, out);
    case PT_DECODE_FUSE: c->fused = true; return fuse(in, out);
    case PT_DECODE_STRIP: return strip(d, in, out, c->begins || !c->fused);
    case PT_DECODE_REPLACE: return replace(d, in, out);
    case PT_DECODE_META: return metaspace(d, in, out, c->begins);
    case PT_DECODE_WORDPIECE: return wordpiece(d, in, out, c->begins);
    case PT_DECODE_BPE: return bpe(d, in, out);
    default: return ctc(d, in, out);
    }
}

static pt_status take_tokens(const pt_tokenizer *t, const int32_t *ids, size_t n, bool skip_special, texts *out)
{
    for (size_t i = 0; i < n; i++) {
        if (ids[i] < 0 || ids[i] >= t->n || !(t->flags[ids[i]] & PT_TOK_HAS)) continue;
        if (skip_special && (t->flags[ids[i]] & PT_TOK_SPECIAL)) continue;
        PT_RETURN(put(out, pt_tok_text(t, t->spell[ids[i]]), t->spell[ids[i]].len));
        PT_RETURN(close_text(out));
    }
    return PT_OK;
}

pt_status pt_tok_chain(const pt_tokenizer *t, const int32_t *ids, size_t n, bool skip_special, bool begins, pt_str *out)
{
    chain c = {.begins = begins};
    pt_status rc = PT_OK;
    PT_TRY(pt_str_add(&c.from.all, "", 0));
    PT_TRY(pt_str_add(&c.to.all, "", 0));
    PT_TRY(take_tokens(t, ids, n, skip_special, &c.from));
    for (size_t k = 0; k < t->n_decoders; k++) {
        c.to.all.len = c.to.n = 0;
        PT_TRY(run(&t->decoders[k], &c));
        texts swap = c.from;
        c.from = c.to;
        c.to = swap;
    }
    for (size_t i = 0, len; i < c.from.n; i++) {
        const char *s = text_at(&c.from, i, &len);
        if (!t->n_decoders && (i || !begins)) PT_TRY(pt_str_add(out, " ", 1));
        PT_TRY(pt_str_add(out, s, len));
    }
    PT_TRY(pt_str_add(out, "", 0));
done:
    pt_str_free(&c.from.all);
    pt_str_free(&c.to.all);
    free(c.from.ends);
    free(c.to.ends);
    return rc;
}

pt_status pt_tok_add_decoder(pt_tokenizer *t, pt_tok_decoder_kind kind, const char *from, const char *to, pt_tok_decoder **out)
{
    PT_RETURN(pt_reserve(&t->decoders, &t->cap_decoders, t->n_decoders + 1));
    pt_tok_decoder *d = &t->decoders[t->n_decoders++];
    *d = (pt_tok_decoder){.kind = kind};
    if (from) PT_RETURN(pt_strdup(&d->from, from));
    if (to) PT_RETURN(pt_strdup(&d->to, to));
    if (out) *out = d;
    return PT_OK;
}

void pt_tok_settle_decoders(pt_tokenizer *t)
{
    const pt_tok_decoder *d = t->decoders;
    size_t n = t->n_decoders, k = 0;
    pt_tok_decode_rule *r = &t->decode;
    *r = (pt_tok_decode_rule){.chain = true};
    if (n == 1 && d[0].kind == PT_DECODE_BYTE_LEVEL && t->byte_level) *r = (pt_tok_decode_rule){.byte_level = true};
    if (n == 0 || t->byte_level || d[0].kind != PT_DECODE_REPLACE || d[0].code || strcmp(d[0].from, PT_TOK_META) != 0 || strcmp(d[0].to, " ") != 0) return;
    bool bytes = ++k < n && d[k].kind == PT_DECODE_BYTE_FALLBACK;
    k += bytes;
    if (k == n || d[k].kind != PT_DECODE_FUSE || bytes != t->byte_fallback) return;
    bool cut = ++k < n && d[k].kind == PT_DECODE_STRIP && strcmp(d[k].from, " ") == 0 && d[k].stop == 0 && d[k].start < 1000;
    if (k + cut != n) return;
    *r = (pt_tok_decode_rule){.byte_fallback = bytes, .meta_to_space = true, .strip_left = cut ? (unsigned)d[k].start : 0};
}

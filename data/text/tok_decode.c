/* Ids to text. Bytes that are no UTF-8 become U+FFFD as the tokenizers library writes them: one for every maximal broken part
 * in a byte-level vocabulary, one for every byte of a broken run of byte tokens in a byte-fallback vocabulary. */
#include "data/text/tok_priv.h"

#include <stdlib.h>
#include <string.h>

#define BROKEN "\xEF\xBF\xBD"

static bool is_byte(const pt_tokenizer *t, int32_t id)
{
    return t->decode.byte_fallback && (t->flags[id] & PT_TOK_BYTE) != 0;
}

static int hex_digit(char c)
{
    return c <= '9' ? c - '0' : c - 'A' + 10;
}

/* Text of one id, U+2581 turned into a blank; a byte token gives its byte. */
static pt_status piece(const pt_tokenizer *t, int32_t id, bool skip_special, pt_str *out)
{
    if (id < 0 || id >= t->n || !(t->flags[id] & PT_TOK_HAS)) return PT_OK;
    if (skip_special && pt_tok_is_control(t, id)) return PT_OK;
    const char *s = pt_tok_text(t, t->raw[id]);
    size_t n = t->raw[id].len;
    if (is_byte(t, id)) {
        char b = (char)(hex_digit(s[3]) << 4 | hex_digit(s[4]));
        return pt_str_add(out, &b, 1);
    }
    if (!t->decode.meta_to_space) return pt_str_add(out, s, n);
    while (n) {
        const char *hit = memmem(s, n, PT_TOK_META, 3);
        size_t k = hit ? (size_t)(hit - s) : n;
        PT_RETURN(pt_str_add(out, s, k));
        if (!hit) break;
        PT_RETURN(pt_str_add(out, " ", 1));
        s += k + 3;
        n -= k + 3;
    }
    return PT_OK;
}

/* Appends s with what is broken replaced; each = true: every byte of it by its own U+FFFD, the whole run being broken. */
static pt_status add_lossy(pt_str *out, const char *s, size_t n, bool run)
{
    size_t ok = pt_utf8_check(s, n);
    if (run && ok != n) {
        for (size_t i = 0; i < n; i++) PT_RETURN(pt_str_puts(out, BROKEN));
        return PT_OK;
    }
    while (n) {
        ok = pt_utf8_check(s, n);
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

pt_status pt_tok_decode(const pt_tokenizer *t, const int32_t *ids, size_t n, bool skip_special, pt_str *out)
{
    pt_str run = {0}, all = {0};
    pt_status rc = PT_OK;
    bool bytes = false;
    PT_TRY(pt_str_add(&all, "", 0));
    for (size_t i = 0; i <= n; i++) {
        bool b = i < n && ids[i] >= 0 && ids[i] < t->n && is_byte(t, ids[i]);
        bool added = i < n && ids[i] >= 0 && ids[i] < t->n && (t->flags[ids[i]] & PT_TOK_ADDED);
        if (i == n || b != bytes || added) {
            PT_TRY(add_lossy(&all, run.text, run.len, bytes));
            run.len = 0;
            bytes = b;
        }
        if (i < n) PT_TRY(piece(t, ids[i], skip_special, &run));
    }
    size_t drop = 0;
    while (drop < t->decode.strip_left && drop < all.len && all.text[drop] == ' ') drop++;
    PT_TRY(pt_str_add(out, all.text + drop, all.len - drop));
done:
    pt_str_free(&run);
    pt_str_free(&all);
    return rc;
}

pt_status pt_tok_stream_next(const pt_tokenizer *t, pt_tok_stream *s, int32_t id, bool skip_special, pt_str *out)
{
    pt_status rc = PT_OK;
    size_t start = s->held.len;
    PT_TRY(pt_str_add(out, "", 0));
    PT_TRY(piece(t, id, skip_special, &s->held));
    if (s->held.len == start) goto done;
    if (!s->started) {
        size_t drop = 0;
        while (drop < t->decode.strip_left && drop < s->held.len && s->held.text[drop] == ' ') drop++;
        memmove(s->held.text, s->held.text + drop, s->held.len - drop);
        s->held.len -= drop;
        s->started = true;
    }
    size_t keep = pt_utf8_unfinished(s->held.text, s->held.len), safe = s->held.len - keep;
    PT_TRY(add_lossy(out, s->held.text, safe, false));
    memmove(s->held.text, s->held.text + safe, keep);
    s->held.len = keep;
done:
    return rc;
}

pt_status pt_tok_stream_end(pt_tok_stream *s, pt_str *out)
{
    pt_status rc = pt_str_add(out, "", 0);
    if (rc == PT_OK && s->held.len) rc = add_lossy(out, s->held.text, s->held.len, false);
    s->held.len = 0;
    return rc;
}

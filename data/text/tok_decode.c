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
    if (skip_special && (t->flags[id] & PT_TOK_SPECIAL)) return PT_OK;
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

pt_status pt_tok_bytes(const pt_tokenizer *t, int32_t id, pt_str *out)
{
    if (t->decode.chain)
        return pt_fail(PT_ENOSUP, "a tokenizer whose decoder makes the text of several tokens together: its tokens have no bytes of their own");
    if (id < 0 || id >= t->n || t->flags[id] & (PT_TOK_SPECIAL | PT_TOK_UNK | PT_TOK_VOID)) return PT_OK;
    return piece(t, id, true, out);
}

unsigned pt_tok_lead(const pt_tokenizer *t)
{
    return t->decode.chain ? 0 : t->decode.strip_left;
}

/* Appends s with what is broken replaced; run: every byte of it by its own U+FFFD, the whole run being broken. */
static pt_status add_lossy(pt_str *out, const char *s, size_t n, bool run)
{
    if (!run || pt_utf8_check(s, n) == n) return pt_tok_lossy(out, s, n);
    for (size_t i = 0; i < n; i++) PT_RETURN(pt_str_puts(out, BROKEN));
    return PT_OK;
}

pt_status pt_tok_decode(const pt_tokenizer *t, const int32_t *ids, size_t n, bool skip_special, pt_str *out)
{
    pt_str run = {0}, all = {0};
    pt_status rc = PT_OK;
    bool bytes = false;
    if (t->decode.chain) return pt_tok_chain(t, ids, n, skip_special, true, out);
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

static bool has_decoder(const pt_tokenizer *t, pt_tok_decoder_kind kind)
{
    for (size_t i = 0; i < t->n_decoders; i++)
        if (t->decoders[i].kind == kind) return true;
    return false;
}

/* Whether an id is spelled as a byte: what a run of such tokens says is known at its end. */
static bool spells_byte(const pt_tokenizer *t, int32_t id)
{
    const char *s = pt_tok_piece(t, id);
    return s && strlen(s) == 6 && memcmp(s, "<0x", 3) == 0 && s[5] == '>';
}

/* How many ids of s are no part of a run that may go on. */
static size_t settled(const pt_tokenizer *t, const pt_tok_stream *s)
{
    size_t n = s->ids.n;
    while (n && has_decoder(t, PT_DECODE_BYTE_FALLBACK) && spells_byte(t, s->ids.ids[n - 1])) n--;
    return n;
}

/* How far the text of n ids stays when another one follows. */
static pt_status stays(const pt_tokenizer *t, pt_tok_stream *s, size_t n, bool skip_special, const pt_str *all, size_t *len)
{
    pt_status rc = PT_OK;
    pt_str more = {0};
    *len = all->len;
    while (*len >= 3 && memcmp(all->text + *len - 3, BROKEN, 3) == 0) *len -= 3; /* an unfinished character */
    if (!n || !has_decoder(t, PT_DECODE_BPE)) return PT_OK;
    PT_RETURN(pt_ids_add(&s->ids, -1)); /* room for one more */
    s->ids.n--;
    int32_t next = s->ids.ids[n];
    s->ids.ids[n] = s->ids.ids[n - 1];
    PT_TRY(pt_tok_chain(t, s->ids.ids, n + 1, skip_special, !s->started, &more));
    size_t k = 0;
    while (k < *len && k < more.len && more.text[k] == all->text[k]) k++;
    while (k && k < all->len && ((unsigned char)all->text[k] & 0xC0) == 0x80) k--;
    *len = k;
done:
    s->ids.ids[n] = next;
    pt_str_free(&more);
    return rc;
}

enum { MANY_IDS = 64, KEPT_IDS = 16 };

/* Of many ids the last ones stand for all where they give the end of the text that was shown: a long answer costs no more a token than a short one. */
static pt_status forget(const pt_tokenizer *t, pt_tok_stream *s, bool skip_special)
{
    pt_status rc = PT_OK;
    pt_str end = {0};
    size_t from = s->ids.n - KEPT_IDS;
    while (from && spells_byte(t, s->ids.ids[from])) from--;
    if (!from) return PT_OK;
    PT_TRY(pt_tok_chain(t, s->ids.ids + from, s->ids.n - from, skip_special, false, &end));
    if (end.len > s->held.len || memcmp(s->held.text + s->held.len - end.len, end.text, end.len) != 0) goto done;
    memmove(s->held.text, end.text, end.len);
    s->held.len = end.len;
    memmove(s->ids.ids, s->ids.ids + from, (s->ids.n - from) * sizeof *s->ids.ids);
    s->ids.n -= from;
    s->started = true;
done:
    pt_str_free(&end);
    return rc;
}

/* What a chain of decoders makes of a token may depend on those before it: all of them again, and what is new of their text. s->held is what was
 * shown. */
static pt_status chain_next(const pt_tokenizer *t, pt_tok_stream *s, bool skip_special, bool last, pt_str *out)
{
    pt_status rc = PT_OK;
    pt_str all = {0};
    size_t ids = last ? s->ids.n : settled(t, s), n;
    PT_TRY(pt_tok_chain(t, s->ids.ids, ids, skip_special, !s->started, &all));
    n = all.len;
    if (!last) PT_TRY(stays(t, s, ids, skip_special, &all, &n));
    if (n > s->held.len && (s->held.len == 0 || memcmp(all.text, s->held.text, s->held.len) == 0)) {
        PT_TRY(pt_str_add(out, all.text + s->held.len, n - s->held.len));
        PT_TRY(pt_str_add(&s->held, all.text + s->held.len, n - s->held.len));
    }
    if (!last && s->ids.n >= MANY_IDS && s->held.len) PT_TRY(forget(t, s, skip_special));
done:
    pt_str_free(&all);
    return rc;
}

pt_status pt_tok_stream_next(const pt_tokenizer *t, pt_tok_stream *s, int32_t id, bool skip_special, pt_str *out)
{
    pt_status rc = PT_OK;
    size_t start = s->held.len;
    PT_TRY(pt_str_add(out, "", 0));
    if (t->decode.chain) {
        s->tok = t;
        s->skip_special = skip_special;
        PT_TRY(pt_ids_add(&s->ids, id));
        return chain_next(t, s, skip_special, false, out);
    }
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
    if (rc == PT_OK && s->ids.n) {
        rc = chain_next(s->tok, s, s->skip_special, true, out);
        s->started = true;
        s->ids.n = 0;
    } else if (rc == PT_OK && s->held.len) {
        rc = add_lossy(out, s->held.text, s->held.len, false);
    }
    s->held.len = 0;
    return rc;
}

void pt_tok_stream_free(pt_tok_stream *s)
{
    pt_str_free(&s->held);
    free(s->ids.ids);
    s->ids = (pt_ids){0};
}

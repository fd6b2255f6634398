/* Text to ids. */
#include "data/text/tok_priv.h"

#include <stdlib.h>
#include <string.h>

/* A normalised text without added tokens: space prefix, split, merge. */
static pt_status plain(pt_tok_work *w, const char *s, size_t n, bool prefix, bool first)
{
    const pt_tokenizer *t = w->t;
    if (n == 0) return PT_OK;
    if (t->meta_replace || t->prefix != PT_PREFIX_NONE) {
        pt_str *b = &w->buf[1];
        size_t pn = t->prefix_text ? strlen(t->prefix_text) : 0;
        bool wants = prefix && (t->prefix == PT_PREFIX_ALWAYS || (t->prefix == PT_PREFIX_FIRST && first));
        bool has = n >= pn && memcmp(s, t->prefix_text, pn) == 0;
        if (t->meta_replace && s[0] == ' ') has = true;
        b->len = 0;
        if (wants && !has) PT_RETURN(pt_str_add(b, t->prefix_text, pn));
        for (size_t i = 0; t->meta_replace && i < n;) {
            const char *blank = memchr(s + i, ' ', n - i);
            size_t k = blank ? (size_t)(blank - s) : n;
            PT_RETURN(pt_str_add(b, s + i, k - i));
            if (blank) PT_RETURN(pt_str_add(b, PT_TOK_META, 3));
            i = k + 1;
        }
        if (!t->meta_replace) PT_RETURN(pt_str_add(b, s, n));
        s = b->text;
        n = b->len;
    }
    w->text = s;
    if (!w->measure) PT_RETURN(pt_tok_split_text(w, s, n));
    w->base += n;
    return PT_OK;
}

static pt_status added_id(pt_tok_work *w, int32_t id, size_t n)
{
    w->base += n;
    w->last_unk = false;
    return w->measure ? PT_OK : pt_tok_emit(w, id, w->base);
}

/* A text between added tokens of the raw text. */
static pt_status raw_text(pt_tok_work *w, const char *s, size_t n, bool added, bool prefix, bool first)
{
    const pt_tokenizer *t = w->t;
    if (n == 0) return PT_OK;
    if (t->n_norms) {
        PT_RETURN(pt_tok_normalise(t, s, n, prefix, &w->buf[0]));
        s = w->buf[0].text;
        n = w->buf[0].len;
    }
    size_t from = 0, at, end;
    const pt_tok_added *a;
    while ((a = pt_tok_next_added(t, &t->added[1], s, n, from, added, &at, &end)) != NULL) {
        PT_RETURN(plain(w, s + from, at - from, prefix || from, first && from == 0));
        PT_RETURN(added_id(w, a->id, end - at));
        from = end;
    }
    return plain(w, s + from, n - from, prefix || from, first && from == 0);
}

static pt_status run(pt_tok_work *w, const char *text, size_t bytes, bool added, pt_tok_where where)
{
    const pt_tokenizer *t = w->t;
    size_t bad = pt_utf8_check(text, bytes), from = 0, at, end;
    if (bad != bytes) return pt_fail(PT_EFORMAT, "the text is not valid UTF-8 at byte %zu", bad);
    const pt_tok_added *a;
    while ((a = pt_tok_next_added(t, &t->added[0], text, bytes, from, added, &at, &end)) != NULL) {
        PT_RETURN(
            raw_text(w, text + from, at - from, added, from || where != PT_TOK_CONTINUE, from == 0 && where == PT_TOK_START));
        PT_RETURN(added_id(w, a->id, end - at));
        from = end;
    }
    return raw_text(w, text + from, bytes - from, added, from || where != PT_TOK_CONTINUE, from == 0 && where == PT_TOK_START);
}

pt_status pt_tok_encode_at(const pt_tokenizer *t, const char *text, size_t bytes, bool added, pt_tok_where where, pt_ids *out,
                           size_t **ends)
{
    pt_tok_work w = {.t = t, .out = out, .first = out->n, .want_ends = ends != NULL};
    pt_status rc = PT_OK;
    PT_TRY(pt_tok_work_open(&w));
    PT_TRY(run(&w, text, bytes, added, where));
done:
    pt_tok_work_close(&w);
    if (ends) *ends = rc == PT_OK ? w.ends : NULL;
    if (rc != PT_OK) {
        free(w.ends);
        out->n = w.first;
    }
    return rc;
}

pt_status pt_tok_measure(const pt_tokenizer *t, const char *text, size_t bytes, bool added, pt_tok_where where, size_t *out)
{
    pt_tok_work w = {.t = t, .measure = true};
    pt_status rc = run(&w, text, bytes, added, where);
    pt_tok_work_close(&w);
    *out = w.base;
    return rc;
}

pt_status pt_tok_encode(const pt_tokenizer *t, const char *text, size_t bytes, bool added, bool text_begins, pt_ids *out)
{
    return pt_tok_encode_at(t, text, bytes, added, text_begins ? PT_TOK_START : PT_TOK_CONTINUE, out, NULL);
}

static bool is_stop(const pt_tokenizer *t, int32_t id)
{
    size_t n;
    const int32_t *stops = pt_tok_stops(t, &n);
    for (size_t i = 0; i < n; i++)
        if (stops[i] == id) return true;
    return id >= 0 && id == pt_tok_eos(t);
}

/* Bytes of a text without the white space behind a last end token; all of them where none stands there. */
static size_t without_tail(const pt_tokenizer *t, const char *text, size_t bytes)
{
    size_t n = bytes, most = 0, count, len;
    const int32_t *stops = pt_tok_stops(t, &count);
    while (n && memchr(" \t\r\n", text[n - 1], 4)) n--;
    for (size_t i = 0; i < count; i++) {
        const char *s = pt_tok_is_control(t, stops[i]) ? pt_tok_piece(t, stops[i]) : NULL;
        len = s ? strlen(s) : 0;
        if (len && len <= n && !memcmp(text + n - len, s, len)) most = n;
    }
    return most ? most : bytes;
}

pt_status pt_tok_encode_document(const pt_tokenizer *t, const char *text, size_t bytes, bool end, pt_ids *out, bool *ended)
{
    int32_t bos = pt_tok_add_bos(t) ? pt_tok_bos(t) : -1, eos = pt_tok_eos(t);
    size_t first = out->n;
    if (end) bytes = without_tail(t, text, bytes);
    if (bos >= 0) PT_RETURN(pt_ids_add(out, bos));
    PT_RETURN(pt_tok_encode(t, text, bytes, true, true, out));
    if (bos >= 0 && out->n > first + 1 && out->ids[first + 1] == bos) {
        memmove(out->ids + first, out->ids + first + 1, (out->n - first - 1) * sizeof *out->ids);
        out->n--;
    }
    bool has = out->n > first + (bos >= 0) && is_stop(t, out->ids[out->n - 1]);
    if (end && !has && eos >= 0) {
        PT_RETURN(pt_ids_add(out, eos));
        has = true;
    }
    if (ended) *ended = has;
    return PT_OK;
}

/* Text to ids. */
#include "data/text/tok_priv.h"

#include <stdlib.h>
#include <string.h>

/* A part of the normalised text without added tokens. */
static pt_status plain(pt_tok_work *w, const pt_tok_view *v, size_t from, size_t to, bool begins)
{
    if (from == to) return PT_OK;
    w->view = (pt_tok_view){v->s + from, to - from, v->map ? v->map + from : NULL, pt_tok_place(v, from)};
    w->begins = begins && from == 0;
    return pt_tok_split_text(w);
}

static pt_status added_id(pt_tok_work *w, int32_t id, const pt_tok_view *v, size_t end)
{
    w->view = *v;
    w->last_unk = false;
    return pt_tok_emit(w, id, v->s + end);
}

/* A text between added tokens of the raw text. begins: it is where the text given begins. */
static pt_status raw_text(pt_tok_work *w, const pt_tok_view *in, bool added, bool begins)
{
    const pt_tokenizer *t = w->t;
    size_t from = 0, at, end;
    pt_tok_view v;
    const pt_tok_added *a;
    if (in->n == 0) return PT_OK;
    PT_RETURN(pt_tok_normalise(t, in, !begins || w->prefix, begins && w->first_text, w->norm, &v));
    while ((a = pt_tok_next_added(t, &t->added[1], v.s, v.n, from, added, &at, &end)) != NULL) {
        PT_RETURN(plain(w, &v, from, at, begins));
        PT_RETURN(added_id(w, a->id, &v, end));
        from = end;
    }
    return plain(w, &v, from, v.n, begins);
}

static pt_status run(pt_tok_work *w, const char *text, size_t bytes, bool added)
{
    const pt_tokenizer *t = w->t;
    if (!bytes) text = ""; /* may be NULL */
    size_t bad = pt_utf8_check(text, bytes), from = 0, at, end;
    pt_tok_view all = {text, bytes, NULL, 0};
    if (bad != bytes) return pt_fail(PT_EFORMAT, "the text is not valid UTF-8 at byte %zu", bad);
    for (const pt_tok_added *a;; from = end) {
        a = pt_tok_next_added(t, &t->added[0], text, bytes, from, added, &at, &end);
        if (!a) at = bytes;
        PT_RETURN(raw_text(w, &(pt_tok_view){text + from, at - from, NULL, from}, added, from == 0));
        pt_tok_reach(w, at);
        if (!a) return PT_OK;
        PT_RETURN(added_id(w, a->id, &all, end));
    }
}

pt_status pt_tok_encode_at(const pt_tokenizer *t, const char *text, size_t bytes, bool added, pt_tok_where where, pt_ids *out,
                           size_t **ends)
{
    pt_tok_work w = {.t = t,
                     .out = out,
                     .first = out->n,
                     .want_ends = ends != NULL,
                     .first_text = where == PT_TOK_START,
                     .prefix = where != PT_TOK_CONTINUE};
    pt_status rc = PT_OK;
    PT_TRY(pt_tok_work_open(&w));
    PT_TRY(run(&w, text, bytes, added));
done:
    pt_tok_work_close(&w);
    if (ends) *ends = rc == PT_OK ? w.ends : NULL;
    if (rc != PT_OK) {
        free(w.ends);
        out->n = w.first;
    }
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

/* What stands before a document: BOS, or all that the file's post-processor puts there where that begins with it. */
static size_t lead_of(const pt_tokenizer *t, const int32_t **lead)
{
    if (!pt_tok_add_bos(t)) return 0;
    bool whole = t->around.n_before && t->around.before[0] == t->bos;
    *lead = whole ? t->around.before : &t->bos;
    return whole ? t->around.n_before : 1;
}

pt_status pt_tok_encode_document(const pt_tokenizer *t, const char *text, size_t bytes, bool end, pt_ids *out, bool *ended)
{
    const int32_t *lead = NULL;
    int32_t eos = pt_tok_eos(t);
    size_t first = out->n, n = lead_of(t, &lead);
    if (end) bytes = without_tail(t, text, bytes);
    for (size_t i = 0; i < n; i++) PT_RETURN(pt_ids_add(out, lead[i]));
    PT_RETURN(pt_tok_encode(t, text, bytes, true, true, out));
    if (n && out->n >= first + 2 * n && memcmp(out->ids + first + n, lead, n * sizeof *lead) == 0) {
        memmove(out->ids + first, out->ids + first + n, (out->n - first - n) * sizeof *out->ids);
        out->n -= n;
    }
    bool has = out->n > first + n && is_stop(t, out->ids[out->n - 1]);
    if (end && !has && eos >= 0) {
        PT_RETURN(pt_ids_add(out, eos));
        has = true;
    }
    if (ended) *ended = has;
    return PT_OK;
}

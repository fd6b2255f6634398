/* Spans of text with weights into ids with weights. Text between two control tokens is encoded as one string. */
#include "data/text/tmpl_priv.h"
#include "data/text/tok_utf8.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

void pt_tmpl_out_free(pt_tmpl_out *o)
{
    pt_str_free(&o->text);
    free(o->spans);
    free(o->turns);
}

static pt_status push_weights(pt_rendered *r, size_t from, float weight)
{
    PT_RETURN(pt_reserve(&r->weight, &r->weight_cap, r->ids.n));
    for (size_t i = from; i < r->ids.n; i++) r->weight[i] = weight;
    return PT_OK;
}

static pt_status push_turn(pt_rendered *r, size_t at)
{
    PT_RETURN(pt_reserve(&r->turn_start, &r->turn_cap, r->n_turns + 1));
    r->turn_start[r->n_turns++] = (int32_t)at;
    return PT_OK;
}

pt_status pt_tmpl_turn(pt_tmpl_out *o)
{
    PT_RETURN(pt_reserve(&o->turns, &o->cap_turns, o->n_turns + 1));
    o->turns[o->n_turns++] = o->text.len;
    return PT_OK;
}

/* White space at the end of what is pending belongs to the control token that follows. */
static void swallow_before(pt_tmpl_out *o)
{
    while (o->text.len) {
        size_t at = o->text.len, len;
        do at--;
        while (at && ((unsigned char)o->text.text[at] & 0xC0) == 0x80);
        if (!pt_utf8_is_space(pt_utf8_get(o->text.text + at, &len))) break;
        o->text.len = at;
    }
    while (o->n_spans && o->spans[o->n_spans - 1].from >= o->text.len) o->n_spans--;
    for (size_t k = 0; k < o->n_turns; k++)
        if (o->turns[k] > o->text.len) o->turns[k] = o->text.len;
}

static pt_status add_text(pt_tmpl_out *o, const char *s, size_t n, float weight)
{
    size_t len;
    while (o->swallow && n && pt_utf8_is_space(pt_utf8_get(s, &len))) s += len, n -= len;
    if (n == 0) return PT_OK;
    o->swallow = false;
    if (o->n_spans == 0 || o->spans[o->n_spans - 1].weight != weight) {
        PT_RETURN(pt_reserve(&o->spans, &o->cap_spans, o->n_spans + 1));
        o->spans[o->n_spans++] = (pt_tmpl_span){o->text.len, weight};
    }
    return pt_str_add(&o->text, s, n);
}

/* Where offset `at` of the pending text lies among the new tokens: the first token that ends behind it, and before that those that stand there
 * without any text. */
static size_t token_at(size_t at, const size_t *ends, size_t n)
{
    size_t i = 0;
    while (i < n && ends[i] <= at) i++;
    while (i && ends[i - 1] == at && (i > 1 ? ends[i - 2] : 0) == at) i--;
    return i;
}

/* A token's weight is the largest of the spans that it touches. */
static pt_status weigh(pt_tmpl_out *o, size_t first, const size_t *ends)
{
    pt_rendered *r = o->r;
    size_t n = r->ids.n - first;
    PT_RETURN(push_weights(r, first, 0));
    for (size_t k = 0; k < o->n_spans; k++) {
        if (o->spans[k].weight == 0) continue;
        size_t to = k + 1 < o->n_spans ? o->spans[k + 1].from : o->text.len;
        for (size_t i = token_at(o->spans[k].from, ends, n); i < n && (i ? ends[i - 1] : 0) < to; i++) {
            if (r->weight[first + i] < o->spans[k].weight) r->weight[first + i] = o->spans[k].weight;
        }
    }
    return PT_OK;
}

static pt_status flush(pt_tmpl_out *o)
{
    pt_status rc = PT_OK;
    pt_rendered *r = o->r;
    size_t *ends = NULL, first = r->ids.n;
    bool mixed = o->n_spans > 1, inside = false;
    for (size_t k = 0; k < o->n_turns; k++) inside = inside || (o->turns[k] > 0 && o->turns[k] < o->text.len);
    if (o->text.len) {
        PT_TRY(
            pt_tok_encode_at(o->t->tok, o->text.text, o->text.len, false, o->where, &r->ids, mixed || inside ? &ends : NULL));
        if (mixed)
            PT_TRY(weigh(o, first, ends));
        else
            PT_TRY(push_weights(r, first, o->spans[0].weight));
    }
    for (size_t k = 0; k < o->n_turns; k++) {
        size_t i = 0;
        if (o->turns[k] == o->text.len)
            i = r->ids.n - first;
        else if (o->turns[k])
            i = token_at(o->turns[k], ends, r->ids.n - first);
        PT_TRY(push_turn(r, first + i));
    }
    o->text.len = 0;
    o->n_spans = o->n_turns = 0;
done:
    free(ends);
    return rc;
}

pt_status pt_tmpl_control(pt_tmpl_out *o, int32_t id, float weight, bool answer_end)
{
    pt_rendered *r = o->r;
    unsigned does = o->t->strips ? pt_tok_strips(o->t->tok, id) : 0;
    if (does & PT_TOK_LEFT) swallow_before(o);
    o->swallow = does & PT_TOK_RIGHT;
    PT_RETURN(flush(o));
    PT_RETURN(pt_ids_add(&r->ids, id));
    PT_RETURN(push_weights(r, r->ids.n - 1, weight));
    o->where = PT_TOK_AFTER_CONTROL;
    if (!answer_end || weight <= 0) return PT_OK;
    PT_RETURN(pt_reserve(&r->answer_end, &r->answer_cap, r->n_answers + 1));
    r->answer_end[r->n_answers++] = (int32_t)r->ids.n - 1;
    return PT_OK;
}

static pt_status lit_part(pt_tmpl_out *o, const char *s, size_t n, float weight, bool answer_end)
{
    size_t from = 0, at, end;
    int32_t id;
    while ((id = pt_tok_next_control(o->t->tok, s, n, from, &at, &end)) >= 0) {
        PT_RETURN(add_text(o, s + from, at - from, weight));
        PT_RETURN(pt_tmpl_control(o, id, weight, answer_end));
        if (answer_end) weight = 0; /* what follows the end of a turn is never an answer */
        answer_end = false;
        from = end;
    }
    return add_text(o, s + from, n - from, weight);
}

pt_status pt_tmpl_lit(pt_tmpl_out *o, const char *text, float weight, bool answer_end)
{
    const char *eos = strchr(text, PT_TMPL_EOS[0]);
    if (!eos) return lit_part(o, text, strlen(text), weight, answer_end);
    PT_RETURN(lit_part(o, text, (size_t)(eos - text), weight, false));
    PT_RETURN(pt_tmpl_control(o, pt_tok_eos(o->t->tok), weight, answer_end));
    return lit_part(o, eos + 1, strlen(eos + 1), answer_end ? 0 : weight, false);
}

pt_status pt_tmpl_plain(pt_tmpl_out *o, const char *s, size_t n, float weight)
{
    return add_text(o, s, n, weight);
}

pt_status pt_tmpl_text(pt_tmpl_out *o, const char *s, size_t n, float weight)
{
    o->r->control_in_text += pt_tok_count_control(o->t->tok, s, n);
    return add_text(o, s, n, weight);
}

/* What the template writes out of other fields (thoughts, calls) lies outside the text. */
pt_status pt_tmpl_said(pt_tmpl_out *o, const pt_message *m, const char *s, size_t n)
{
    uintptr_t text = (uintptr_t)m->text, begin = (uintptr_t)s;
    if (!m->n_spans || begin < text || begin + n > text + m->bytes) return pt_tmpl_text(o, s, n, m->weight);
    size_t first = (size_t)(begin - text), at = 0;
    o->r->control_in_text += pt_tok_count_control(o->t->tok, s, n);
    for (size_t k = 0; k < m->n_spans && at < n; k++) {
        const pt_text_span *x = &m->spans[k];
        if (x->to <= first + at) continue;
        size_t from = x->from > first + at ? x->from - first : at, to = x->to - first;
        if (from > n) from = n;
        if (to > n) to = n;
        PT_RETURN(add_text(o, s + at, from - at, 0));
        PT_RETURN(add_text(o, s + from, to - from, x->weight));
        at = to;
    }
    return add_text(o, s + at, n - at, 0);
}

pt_status pt_tmpl_cut(pt_tmpl_out *o)
{
    bool any = o->text.len > 0;
    PT_RETURN(flush(o));
    if (any) o->where = PT_TOK_CONTINUE;
    return PT_OK;
}

pt_status pt_tmpl_flush(pt_tmpl_out *o)
{
    return flush(o);
}

/* A sample as text with its weights visible. Colour: supervised green, context blue, control tokens dim. Without: supervised
 * text stands in « », with the weight (or the share to imitate) when it is not 1: «0.5|text». */
#include <stdio.h>
#include <string.h>

#include "base/visible.h"
#include "data/pack/pack_data.h"

#define SUPERVISED "\033[32m"
#define CONTEXT "\033[34m"
#define DIM "\033[2m"
#define RESET "\033[0m"

/* weight below 0: context */
static pt_status begin(pt_str *out, bool colour, float weight, bool control)
{
    if (colour)
        PT_RETURN(pt_str_printf(out, "%s%s", weight >= 0 ? SUPERVISED : CONTEXT, control ? DIM : ""));
    else if (weight >= 0)
        PT_RETURN(pt_str_puts(out, "«"));
    if (weight >= 0 && weight != 1) PT_RETURN(pt_str_printf(out, "%g|", (double)weight));
    return PT_OK;
}

static pt_status finish(pt_str *out, bool colour, float weight)
{
    return pt_str_puts(out, colour ? RESET : weight >= 0 ? "»" : "");
}

static pt_status add(pt_str *out, bool colour, const char *text, size_t n)
{
    return colour ? pt_str_visible(out, text, n) : pt_str_add(out, text, n);
}

/* What a token is marked with: its weight, or the share that is imitated; below 0 where it is context. */
static float mark(const pt_packed_answer *a, int32_t i)
{
    float w = pt_weight_at(a->weight, (size_t)i);
    return w > 0 ? a->imitate ? a->imitate[i] : w : -1;
}

/* Ids are decoded as one stream, so that characters of several tokens come out whole; marks stand where the weight changes. */
static pt_status show(const pt_tokenizer *tok, const pt_packed_answer *a, bool colour, pt_str *out)
{
    const int32_t *ids = a->ids, n = a->n;
    pt_status rc = PT_OK;
    pt_tok_stream stream = {.started = true};
    pt_str run = {0}; /* text between two marks */
    bool dim = false;
    for (int32_t i = 0; i < n; i++) {
        bool control = colour && pt_tok_is_control(tok, ids[i]);
        if (!i || mark(a, i) != mark(a, i - 1) || control != dim) {
            PT_TRY(pt_tok_stream_end(&stream, &run));
            PT_TRY(add(out, colour, run.text, run.len));
            run.len = 0;
            if (i) PT_TRY(finish(out, colour, mark(a, i - 1)));
            PT_TRY(begin(out, colour, mark(a, i), control));
        }
        dim = control;
        PT_TRY(pt_tok_stream_next(tok, &stream, ids[i], false, &run));
    }
    PT_TRY(pt_tok_stream_end(&stream, &run));
    PT_TRY(add(out, colour, run.text, run.len));
    if (n) PT_TRY(finish(out, colour, mark(a, n - 1)));
    PT_TRY(pt_str_puts(out, "\n"));
done:
    pt_tok_stream_free(&stream);
    pt_str_free(&run);
    return rc;
}

static int32_t supervised(const pt_packed_answer *a)
{
    int32_t k = 0;
    for (int32_t i = 0; i < a->n; i++) k += pt_weight_at(a->weight, (size_t)i) > 0;
    return k;
}

/* What the columns of the record (k = -1), or of its answer k, say: 0 is said too, a label of 0 is one. */
static pt_status show_columns(const pt_pack *p, const pt_packed *r, int32_t k, pt_str *out)
{
    for (size_t i = 0; i < p->n_columns; i++) {
        const pt_pack_column *c = &p->columns[i];
        float v = c->value[c->of_answers ? r->first + (k < 0 ? 0 : k) : r->record];
        bool silent = !strcmp(c->name, PT_COLUMN_WEIGHT) || (!strcmp(c->name, PT_COLUMN_REPLICATE) && v == 0);
        if (c->of_answers == (k >= 0) && !silent)
            PT_RETURN(pt_str_printf(out, "  %s %g", c->name, (double)v));
    }
    return PT_OK;
}

/* Answers with ratings of their own are no pair, be there two. */
static bool rates_answers(const pt_pack *p)
{
    bool rates = false;
    for (size_t i = 0; i < p->n_columns; i++) rates = rates || (p->columns[i].of_answers && strcmp(p->columns[i].name, PT_COLUMN_REFERENCE));
    return rates;
}

/* "chosen", "part 2 of 3" ...; "" where a record is one answer. */
static void name_answer(const pt_pack *p, const pt_packed *r, int32_t k, char out[48])
{
    out[0] = 0;
    if (p->parts && r->n_answers > 1) snprintf(out, 48, "part %d of %d", k + 1, r->n_answers);
    else if (r->n_answers == 2 && !rates_answers(p)) snprintf(out, 48, "%s", k ? "rejected" : "chosen");
    else if (r->n_answers > 1) snprintf(out, 48, "answer %d of %d", k + 1, r->n_answers);
}

pt_status pt_pack_inspect(const pt_pack *p, const pt_tokenizer *tok, int64_t i, bool colour, pt_str *out)
{
    pt_packed r;
    PT_RETURN(pt_pack_get(p, i, &r));
    const char *role = pt_pack_role(p, r.role), *source = pt_pack_source(p, r.source);
    PT_RETURN(pt_str_printf(out, "sample %lld  ", (long long)i));
    PT_RETURN(add(out, colour, source, strlen(source)));
    PT_RETURN(pt_str_printf(out, ":%lld%s", (long long)r.line, role ? "  role " : ""));
    if (role) PT_RETURN(add(out, colour, role, strlen(role)));
    PT_RETURN(pt_str_printf(out, "%s  weight %g", r.validation ? "  validation" : "", (double)pt_pack_value(p, PT_COLUMN_WEIGHT, &r, 0)));
    PT_RETURN(show_columns(p, &r, -1, out));
    for (int32_t k = 0; k < r.n_answers; k++) {
        pt_packed_answer a = pt_pack_answer(p, &r, k);
        char name[48];
        name_answer(p, &r, k, name);
        if (name[0]) PT_RETURN(pt_str_printf(out, "\n--- %s", name));
        PT_RETURN(show_columns(p, &r, k, out));
        PT_RETURN(pt_str_printf(out, "  %d tokens, %d supervised%s\n", a.n, supervised(&a), a.end < 0 ? ", no end token" : ""));
        PT_RETURN(show(tok, &a, colour, out));
    }
    return PT_OK;
}

/* ---- as JSON ---- */

static json_t *visible(const char *text, size_t n)
{
    pt_str s = {0};
    json_t *j = pt_str_visible(&s, text, n) == PT_OK ? json_stringn(s.text ? s.text : "", s.len) : NULL;
    pt_str_free(&s);
    return j;
}

static pt_status add_piece(json_t *pieces, float weight, bool control, const pt_str *run)
{
    char said[32];
    json_t *o = json_object();
    snprintf(said, sizeof said, "%g", (double)weight);
    bool bad = json_array_append_new(pieces, o) || json_object_set_new(o, "weight", weight >= 0 ? json_string(said) : json_null()) || json_object_set_new(o, "control", json_boolean(control)) ||
               json_object_set_new(o, "text", visible(run->text ? run->text : "", run->len));
    return bad ? pt_fail(PT_ENOMEM, "out of memory showing a sample") : PT_OK;
}

/* As show() does. */
static pt_status put_pieces(const pt_tokenizer *tok, const pt_packed_answer *a, int32_t n, json_t *pieces)
{
    pt_status rc = PT_OK;
    pt_tok_stream stream = {.started = true};
    pt_str run = {0};
    for (int32_t i = 0; i <= n; i++) {
        bool ends = i == n || (i && (mark(a, i) != mark(a, i - 1) || pt_tok_is_control(tok, a->ids[i]) != pt_tok_is_control(tok, a->ids[i - 1])));
        if (ends && i) {
            PT_TRY(pt_tok_stream_end(&stream, &run));
            PT_TRY(add_piece(pieces, mark(a, i - 1), pt_tok_is_control(tok, a->ids[i - 1]), &run));
            run.len = 0;
        }
        if (i < n) PT_TRY(pt_tok_stream_next(tok, &stream, a->ids[i], false, &run));
    }
done:
    pt_tok_stream_free(&stream);
    pt_str_free(&run);
    return rc;
}

pt_status pt_pack_pieces(const pt_pack *p, const pt_tokenizer *tok, int64_t i, int32_t most, json_t **out)
{
    pt_status rc = PT_OK;
    pt_packed r;
    json_t *answers = json_array(), *o = NULL;
    *out = NULL;
    PT_TRY(pt_pack_get(p, i, &r));
    const char *role = pt_pack_role(p, r.role), *source = pt_pack_source(p, r.source);
    o = json_pack("{s:I, s:o, s:I, s:o, s:f, s:O}", "sample", (json_int_t)i, "file", visible(source, strlen(source)), "line", (json_int_t)r.line, "role",
                  role ? visible(role, strlen(role)) : json_null(), "weight", (double)pt_pack_value(p, PT_COLUMN_WEIGHT, &r, 0), "answers", answers);
    PT_CHECK(o, PT_ENOMEM, "out of memory showing a sample");
    for (int32_t k = 0; k < r.n_answers; k++) {
        pt_packed_answer a = pt_pack_answer(p, &r, k);
        const int32_t n = a.n < most ? a.n : most;
        char name[48];
        name_answer(p, &r, k, name);
        json_t *pieces = json_array(), *x = json_pack("{s:s, s:i, s:i, s:b, s:i, s:O}", "is", name, "tokens", (int)a.n, "supervised", (int)supervised(&a), "ended", a.end >= 0,
                                                      "left_out", (int)(a.n - n), "pieces", pieces);
        rc = x && !json_array_append(answers, x) ? put_pieces(tok, &a, n, pieces) : pt_fail(PT_ENOMEM, "out of memory showing a sample");
        json_decref(x);
        json_decref(pieces);
        PT_TRY(rc);
    }
    *out = json_incref(o);
done:
    json_decref(o);
    json_decref(answers);
    return rc;
}

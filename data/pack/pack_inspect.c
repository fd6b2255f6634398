/* A sample as text with its weights visible. Colour: supervised green, context blue, control tokens dim. Without: supervised
 * text stands in « », with the weight (or the share to imitate) when it is not 1: «0.5|text». */
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
    return a->weight[i] > 0 ? a->imitate ? a->imitate[i] : a->weight[i] : -1;
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
    pt_str_free(&stream.held);
    pt_str_free(&run);
    return rc;
}

static int32_t supervised(const float *weight, int32_t n)
{
    int32_t k = 0;
    for (int32_t i = 0; i < n; i++) k += weight[i] > 0;
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
        if (p->parts && r.n_answers > 1) PT_RETURN(pt_str_printf(out, "\n--- part %d of %d", k + 1, r.n_answers));
        else if (r.n_answers == 2 && !rates_answers(p)) PT_RETURN(pt_str_printf(out, "\n--- %s", k ? "rejected" : "chosen"));
        else if (r.n_answers > 1) PT_RETURN(pt_str_printf(out, "\n--- answer %d of %d", k + 1, r.n_answers));
        PT_RETURN(show_columns(p, &r, k, out));
        PT_RETURN(pt_str_printf(out, "  %d tokens, %d supervised%s\n", a.n, supervised(a.weight, a.n), a.end < 0 ? ", no end token" : ""));
        PT_RETURN(show(tok, &a, colour, out));
    }
    return PT_OK;
}

/* A sample as text with its weights visible. Colour: supervised green, context blue, control tokens dim. Without: supervised
 * text stands in « », with the weight when it is not 1: «0.5|text». */
#include <string.h>

#include "base/visible.h"
#include "data/pack/pack_data.h"

#define SUPERVISED "\033[32m"
#define CONTEXT "\033[34m"
#define DIM "\033[2m"
#define RESET "\033[0m"

static pt_status begin(pt_str *out, bool colour, float weight, bool control)
{
    if (colour)
        PT_RETURN(pt_str_printf(out, "%s%s", weight > 0 ? SUPERVISED : CONTEXT, control ? DIM : ""));
    else if (weight > 0)
        PT_RETURN(pt_str_puts(out, "«"));
    if (weight > 0 && weight != 1) PT_RETURN(pt_str_printf(out, "%g|", (double)weight));
    return PT_OK;
}

static pt_status finish(pt_str *out, bool colour, float weight)
{
    return pt_str_puts(out, colour ? RESET : weight > 0 ? "»" : "");
}

static pt_status add(pt_str *out, bool colour, const char *text, size_t n)
{
    return colour ? pt_str_visible(out, text, n) : pt_str_add(out, text, n);
}

/* Ids are decoded as one stream, so that characters of several tokens come out whole; marks stand where the weight changes. */
static pt_status show(const pt_tokenizer *tok, const int32_t *ids, const float *weight, int32_t n, bool colour, pt_str *out)
{
    pt_status rc = PT_OK;
    pt_tok_stream stream = {.started = true};
    pt_str run = {0}; /* text between two marks */
    bool dim = false;
    for (int32_t i = 0; i < n; i++) {
        bool control = colour && pt_tok_is_control(tok, ids[i]);
        if (!i || weight[i] != weight[i - 1] || control != dim) {
            PT_TRY(pt_tok_stream_end(&stream, &run));
            PT_TRY(add(out, colour, run.text, run.len));
            run.len = 0;
            if (i) PT_TRY(finish(out, colour, weight[i - 1]));
            PT_TRY(begin(out, colour, weight[i], control));
        }
        dim = control;
        PT_TRY(pt_tok_stream_next(tok, &stream, ids[i], false, &run));
    }
    PT_TRY(pt_tok_stream_end(&stream, &run));
    PT_TRY(add(out, colour, run.text, run.len));
    if (n) PT_TRY(finish(out, colour, weight[n - 1]));
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

pt_status pt_pack_inspect(const pt_pack *p, const pt_tokenizer *tok, int64_t i, bool colour, pt_str *out)
{
    pt_packed r;
    PT_RETURN(pt_pack_get(p, i, &r));
    const char *role = pt_pack_role(p, r.role), *source = pt_pack_source(p, r.source);
    PT_RETURN(pt_str_printf(out, "sample %lld  ", (long long)i));
    PT_RETURN(add(out, colour, source, strlen(source)));
    PT_RETURN(pt_str_printf(out, ":%lld%s", (long long)r.line, role ? "  role " : ""));
    if (role) PT_RETURN(add(out, colour, role, strlen(role)));
    PT_RETURN(pt_str_printf(out, "%s  weight %g", r.validation ? "  validation" : "", (double)r.record_weight));
    if (p->pairs && r.margin != 0) PT_RETURN(pt_str_printf(out, "  margin %g", (double)r.margin));
    for (int side = 0; side < (p->pairs ? 2 : 1); side++) {
        const int32_t *ids = side ? r.ids2 : r.ids;
        const float *w = side ? r.weight2 : r.weight;
        int32_t n = side ? r.n2 : r.n, end = side ? r.end_index2 : r.end_index;
        if (p->pairs) PT_RETURN(pt_str_printf(out, "\n--- %s", side ? "rejected" : "chosen"));
        PT_RETURN(pt_str_printf(out, "  %d tokens, %d supervised%s\n", n, supervised(w, n), end < 0 ? ", no end token" : ""));
        PT_RETURN(show(tok, ids, w, n, colour, out));
    }
    return PT_OK;
}

#include "eval/ask/holds.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"

static bool begins(const char *text, const char *with, const char **rest)
{
    const size_t n = strlen(with);
    *rest = text + n;
    return !strncmp(text, with, n);
}

static pt_status open_choices(pt_constraint_vocab *v, const char *text, pt_constraint **out)
{
    pt_status rc = PT_OK;
    const char **list = NULL;
    json_t *all = NULL;
    PT_TRY(pt_json_parse(&all, text, strlen(text), "choices", 0));
    const size_t n = json_array_size(all);
    PT_TRY(pt_alloc0(&list, n));
    for (size_t i = 0; i < n; i++) {
        list[i] = json_string_value(json_array_get(all, i));
        PT_CHECK(list[i], PT_EARG, "choice %zu is no text", i + 1);
    }
    PT_TRY(pt_constraint_open(v, &(pt_constraint_spec){.kind = PT_CONSTRAIN_CHOICES, .choices = list, .n_choices = n}, out));
done:
    free(list);
    json_decref(all);
    return rc;
}

static pt_status open_one(pt_holds *h, const char *text, pt_constraint **out)
{
    const char *rest;
    if (!h->n_stops) return pt_fail(PT_ENOSUP, "constrain: the model has no token that ends an answer: nothing could say that it is complete");
    if (!h->vocab) PT_RETURN(pt_constraint_vocab_make(&h->vocab, h->tok, h->rows, h->stops, h->n_stops, PT_CONSTRAINT_CACHE));
    if (begins(text, PT_CONSTRAINT_CHOICES, &rest)) return open_choices(h->vocab, rest, out);
    const bool schema = begins(text, PT_CONSTRAINT_SCHEMA, &rest);
    if (!schema && !begins(text, PT_CONSTRAINT_REGEX, &rest)) return pt_fail(PT_EINTERNAL, "'%.40s' is no constraint", text);
    return pt_constraint_open(h->vocab, &(pt_constraint_spec){.kind = schema ? PT_CONSTRAIN_SCHEMA : PT_CONSTRAIN_REGEX, .text = rest, .bytes = strlen(rest)}, out);
}

pt_status pt_holds_get(pt_holds *h, const pt_request *r, pt_constraint **out)
{
    *out = NULL;
    if (!r->constraint) return PT_OK;
    for (size_t i = h->n; i-- > 0;)
        if (!strcmp(h->text[i], r->constraint)) {
            *out = h->list[i];
            return PT_OK;
        }
    PT_RETURN(pt_reserve(&h->text, &h->text_cap, h->n + 1));
    PT_RETURN(pt_reserve(&h->list, &h->cap, h->n + 1));
    PT_RETURN(open_one(h, r->constraint, &h->list[h->n]));
    *out = h->list[h->n];
    h->text[h->n++] = r->constraint;
    return PT_OK;
}

void pt_holds_free(pt_holds *h)
{
    for (size_t i = 0; i < h->n; i++) pt_constraint_close(h->list[i]);
    free(h->text);
    free(h->list);
    pt_constraint_vocab_free(h->vocab);
    h->vocab = NULL;
    h->text = NULL;
    h->list = NULL;
    h->n = h->cap = h->text_cap = 0;
}

size_t pt_holds_bytes(int32_t rows, size_t token_bytes)
{
    return pt_constraint_vocab_bytes(rows, token_bytes) + PT_CONSTRAINT_CACHE;
}

#include "train/cli/constrained.h"

#include <stdlib.h>
#include <string.h>

bool pt_constrained_said(const pt_cli *c)
{
    return c->json_schema || c->regex || c->choices;
}

static pt_status add(const pt_opened *o, const pt_gen_options *g, pt_constrained *x, const pt_constraint_spec *spec, pt_constraint **out)
{
    const int32_t rows = pt_source_config(o->base.source)->vocab;
    if (!g->n_stops) return pt_fail(PT_EARG, "the model has no token that ends an answer: nothing could say that it is complete");
    if (!x->vocab) PT_RETURN(pt_constraint_vocab_make(&x->vocab, o->base.tok, rows, g->stops, g->n_stops, PT_CONSTRAINT_CACHE));
    PT_RETURN(pt_reserve(&x->list, &x->cap, x->n + 1));
    PT_RETURN(pt_constraint_open(x->vocab, spec, out));
    x->list[x->n++] = *out;
    return PT_OK;
}

/* The parts of "A|B". */
static pt_status cut_choices(const char *text, char ***parts, size_t *n)
{
    size_t cap = 0;
    for (const char *at = text;; at++) {
        size_t bytes = strcspn(at, "|");
        PT_RETURN(pt_reserve(parts, &cap, *n + 1));
        PT_RETURN(pt_strndup(&(*parts)[*n], at, bytes));
        ++*n;
        at += bytes;
        if (!*at) return PT_OK;
    }
}

static pt_status of_choices(const pt_opened *o, const pt_gen_options *g, pt_constrained *x, const char *text, pt_constraint **out)
{
    pt_status rc = PT_OK;
    char **parts = NULL;
    size_t n = 0;
    PT_TRY(cut_choices(text, &parts, &n));
    PT_TRY(add(o, g, x, &(pt_constraint_spec){.kind = PT_CONSTRAIN_CHOICES, .choices = (const char *const *)parts, .n_choices = n}, out));
done:
    for (size_t i = 0; i < n; i++) free(parts[i]);
    free(parts);
    return rc;
}

/* A schema as text, or the name of a file of it. */
static pt_status of_schema(const pt_opened *o, const pt_gen_options *g, pt_constrained *x, const char *said, pt_constraint **out)
{
    pt_status rc = PT_OK;
    char *text = NULL;
    size_t n = strlen(said);
    const char *first = said + strspn(said, " \t\r\n");
    pt_constraint_spec spec = {.kind = PT_CONSTRAIN_SCHEMA, .text = said, .bytes = n};
    if (*first != '{' && strcmp(first, "true") && strcmp(first, "false")) {
        PT_TRY(pt_file_read(&text, &n, said, PT_CONSTRAINT_TEXT));
        spec.text = text;
        spec.bytes = n;
    }
    PT_TRY(add(o, g, x, &spec, out));
done:
    free(text);
    return rc;
}

pt_status pt_constrained_open(const pt_cli *c, const pt_opened *o, const pt_gen_options *g, pt_constrained *x)
{
    pt_status rc = PT_OK;
    const char *what = c->json_schema ? "json-schema" : c->regex ? "regex" : "choices";
    if (!pt_constrained_said(c)) return PT_OK;
    if (!!c->json_schema + !!c->regex + !!c->choices > 1) return pt_fail(PT_EARG, "an answer can be held to one of --json-schema, --regex and --choices, not to several");
    if (c->json_schema) rc = of_schema(o, g, x, c->json_schema, &x->common);
    else if (c->choices) rc = of_choices(o, g, x, c->choices, &x->common);
    else rc = add(o, g, x, &(pt_constraint_spec){.kind = PT_CONSTRAIN_REGEX, .text = c->regex, .bytes = strlen(c->regex)}, &x->common);
    return rc == PT_OK || rc == PT_ENOMEM ? rc : pt_fail_prefix(rc, "--%s", what);
}

static pt_status row_schema(const pt_opened *o, const pt_gen_options *g, pt_constrained *x, const json_t *v, pt_constraint **out)
{
    char *text = json_is_string(v) ? NULL : pt_json_dump(v, JSON_ENCODE_ANY | JSON_COMPACT);
    if (!text && !json_is_string(v)) return pt_fail(PT_ENOMEM, "out of memory reading a schema");
    const char *said = text ? text : json_string_value(v);
    pt_status rc = add(o, g, x, &(pt_constraint_spec){.kind = PT_CONSTRAIN_SCHEMA, .text = said, .bytes = text ? strlen(text) : json_string_length(v)}, out);
    free(text);
    return rc;
}

static pt_status row_choices(const pt_opened *o, const pt_gen_options *g, pt_constrained *x, const json_t *v, pt_constraint **out)
{
    pt_status rc = PT_OK;
    const char **list = NULL;
    size_t n = json_array_size(v);
    PT_CHECK(n, PT_EARG, "a list of texts is wanted");
    PT_TRY(pt_alloc0(&list, n));
    for (size_t i = 0; i < n; i++) {
        list[i] = json_string_value(json_array_get(v, i));
        PT_CHECK(list[i] && strlen(list[i]) == json_string_length(json_array_get(v, i)), PT_EARG, "choice %zu is no text", i + 1);
    }
    PT_TRY(add(o, g, x, &(pt_constraint_spec){.kind = PT_CONSTRAIN_CHOICES, .choices = list, .n_choices = n}, out));
done:
    free(list);
    return rc;
}

pt_status pt_constrained_row(const pt_opened *o, const pt_gen_options *g, const pt_rows *rows, const json_t *row, pt_constrained *x, pt_constraint **out)
{
    static const char *const keys[] = {"json_schema", "regex", "choice"};
    const char *key = NULL;
    *out = x->common;
    for (size_t i = 0; i < 3; i++) {
        const json_t *v = json_object_get(row, keys[i]);
        if (!v || json_is_null(v)) continue;
        if (key) return pt_rows_fail(rows, "a row has one of json_schema, regex and choice, not %s beside %s", keys[i], key);
        key = keys[i];
    }
    if (!key) return PT_OK;
    const json_t *v = json_object_get(row, key);
    pt_status rc = *key == 'j' ? row_schema(o, g, x, v, out) : *key == 'c' ? row_choices(o, g, x, v, out) : !json_is_string(v) ? pt_fail(PT_EARG, "a text is wanted")
                 : add(o, g, x, &(pt_constraint_spec){.kind = PT_CONSTRAIN_REGEX, .text = json_string_value(v), .bytes = json_string_length(v)}, out);
    return rc == PT_OK || rc == PT_ENOMEM ? rc : pt_rows_fail(rows, "%s: %s", key, pt_err_msg());
}

void pt_constrained_close(pt_constrained *x)
{
    for (size_t i = 0; i < x->n; i++) pt_constraint_close(x->list[i]);
    free(x->list);
    pt_constraint_vocab_free(x->vocab);
    *x = (pt_constrained){0};
}

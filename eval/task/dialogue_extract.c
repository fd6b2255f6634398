/* A part of an answer, by a pattern or by a field of JSON. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "data/read/record.h"
#include "eval/task/dialogue.h"
#include "eval/text/spans.h"

pt_status pt_extract_read(pt_extract *x, const char *text)
{
    char why[160];
    if (!strncmp(text, "json:", 5)) return text[5] ? pt_strdup(&x->field, text + 5) : pt_fail(PT_EARG, "json: wants a field's name behind it");
    int bad = regcomp(&x->pattern, text, REG_EXTENDED | REG_NEWLINE);
    if (!bad) return PT_OK;
    regerror(bad, &x->pattern, why, sizeof why);
    return pt_fail(PT_EARG, "'%.100s' is no pattern: %s", text, why);
}

void pt_extract_free(pt_extract *x)
{
    if (x->field) free(x->field);
    else regfree(&x->pattern);
    *x = (pt_extract){0};
}

static pt_status add_stripped(pt_str *out, const char *text, size_t n)
{
    pt_text_strip(&text, &n);
    return pt_str_add(out, text, n);
}

static pt_status from_json(const pt_extract *x, const char *text, pt_str *out, bool *found)
{
    pt_status rc = PT_OK;
    json_t *o = pt_json_in_text(text, '{');
    const json_t *v = json_object_get(o, x->field);
    char *plain = NULL;
    if (json_is_string(v)) rc = add_stripped(out, json_string_value(v), json_string_length(v));
    else if (v && (plain = json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT)) == NULL) rc = pt_fail(PT_ENOMEM, "out of memory for a field");
    else if (v) rc = pt_str_puts(out, plain);
    *found = v != NULL;
    free(plain);
    json_decref(o);
    return rc;
}

pt_status pt_extract_find(const pt_extract *x, const char *text, pt_str *out, bool *found)
{
    regmatch_t m[2];
    PT_RETURN(pt_str_puts(out, ""));
    if (x->field) return from_json(x, text, out, found);
    *found = !regexec(&x->pattern, text, 2, m, 0);
    if (!*found) return PT_OK;
    const regmatch_t *at = x->pattern.re_nsub && m[1].rm_so >= 0 ? &m[1] : &m[0];
    return add_stripped(out, text + at->rm_so, (size_t)(at->rm_eo - at->rm_so));
}

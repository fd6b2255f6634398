/* JSON as the tojson of transformers' chat templates writes it: Python's json.dumps with ensure_ascii=False, keys in their order. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "data/text/tmpl_priv.h"

#define MAX_DEPTH 512

static pt_status put_string(pt_str *o, const char *s, size_t n)
{
    PT_RETURN(pt_str_puts(o, "\""));
    for (size_t i = 0; i < n; i++) {
        static const char plain[] = "\"\\\b\f\n\r\t", named[] = "\"\\bfnrt";
        unsigned char c = (unsigned char)s[i];
        const char *hit = c ? strchr(plain, c) : NULL;
        if (hit)
            PT_RETURN(pt_str_printf(o, "\\%c", named[hit - plain]));
        else if (c < 0x20)
            PT_RETURN(pt_str_printf(o, "\\u%04x", c));
        else
            PT_RETURN(pt_str_add(o, s + i, 1));
    }
    return pt_str_puts(o, "\"");
}

/* Python's repr: the fewest digits that give the number back; exponents below -4 and from 16 on. */
static pt_status put_real(pt_str *o, double x)
{
    char digits[40];
    int precision = 0, exponent;
    if (!isfinite(x)) return pt_str_puts(o, isnan(x) ? "NaN" : x > 0 ? "Infinity" : "-Infinity");
    do snprintf(digits, sizeof digits, "%.*e", precision, x);
    while (strtod(digits, NULL) != x && ++precision < 17);
    exponent = (int)strtol(strchr(digits, 'e') + 1, NULL, 10);
    if (exponent >= 16 || exponent < -4) return pt_str_puts(o, digits); /* 1.5e+16, 1e-05: C's form is Python's */
    return pt_str_printf(o, "%.*f", precision > exponent ? precision - exponent : 1, x);
}

static pt_status newline(pt_str *o, int indent, int depth)
{
    return indent ? pt_str_printf(o, "\n%*s", indent * depth, "") : PT_OK;
}

static pt_status put(pt_str *o, const json_t *v, int indent, int depth);

static pt_status put_items(pt_str *o, const json_t *v, int indent, int depth)
{
    bool list = json_is_array(v);
    size_t n = list ? json_array_size(v) : json_object_size(v);
    void *at = list ? NULL : json_object_iter((json_t *)v);
    PT_RETURN(pt_str_puts(o, list ? "[" : "{"));
    for (size_t i = 0; i < n; i++) {
        if (i) PT_RETURN(pt_str_puts(o, indent ? "," : ", "));
        PT_RETURN(newline(o, indent, depth + 1));
        if (!list) {
            const char *key = json_object_iter_key(at);
            PT_RETURN(put_string(o, key, strlen(key)));
            PT_RETURN(pt_str_puts(o, ": "));
        }
        PT_RETURN(put(o, list ? json_array_get(v, i) : json_object_iter_value(at), indent, depth + 1));
        if (!list) at = json_object_iter_next((json_t *)v, at);
    }
    if (n) PT_RETURN(newline(o, indent, depth));
    return pt_str_puts(o, list ? "]" : "}");
}

static pt_status put(pt_str *o, const json_t *v, int indent, int depth)
{
    if (pt_json_odd(v)) { /* NaN and what else jansson cannot hold: as it stood */
        char *text = pt_json_dump(v, JSON_ENCODE_ANY);
        pt_status rc = text ? pt_str_puts(o, text) : pt_fail(PT_ENOMEM, "out of memory");
        free(text);
        return rc;
    }
    if (depth > MAX_DEPTH) return pt_fail(PT_EFORMAT, "JSON nested deeper than %d", MAX_DEPTH);
    switch (json_typeof(v)) {
    case JSON_OBJECT:
    case JSON_ARRAY: return put_items(o, v, indent, depth);
    case JSON_STRING: return put_string(o, json_string_value(v), json_string_length(v));
    case JSON_INTEGER: return pt_str_printf(o, "%lld", (long long)json_integer_value(v));
    case JSON_REAL: return put_real(o, json_real_value(v));
    case JSON_TRUE: return pt_str_puts(o, "true");
    case JSON_FALSE: return pt_str_puts(o, "false");
    default: return pt_str_puts(o, "null");
    }
}

pt_status pt_text_json(pt_str *out, const json_t *v, int indent)
{
    return put(out, v, indent, 0);
}

/* Fields of a row by a path, and texts with fields in them. */
#include "data/read/row_format.h"

#include <stdlib.h>
#include <string.h>

#include "data/read/record.h"

enum { MOST_NAME = 256 };

/* An element of a list by its number, a member of an object by its name. */
static json_t *step(json_t *v, const char *name, size_t n)
{
    char text[MOST_NAME], *end;
    if (!n || n >= sizeof text || pt_json_odd(v)) return NULL;
    memcpy(text, name, n);
    text[n] = 0;
    if (!json_is_array(v)) return json_object_get(v, text);
    long size = (long)json_array_size(v), at = strtol(text, &end, 10);
    bool number = (text[0] == '-' || (text[0] >= '0' && text[0] <= '9')) && !*end;
    if (!number || at < -size || at >= size) return NULL;
    return json_array_get(v, (size_t)(at < 0 ? at + size : at));
}

static json_t *named(json_t *v, const char *name)
{
    return pt_json_odd(v) ? NULL : json_object_get(v, name);
}

json_t *pt_row_path(json_t *row, const char *path)
{
    for (json_t *v = row, *whole; v; path += strcspn(path, ".") + 1) {
        if ((whole = named(v, path))) return whole;
        size_t n = strcspn(path, ".");
        v = step(v, path, n);
        if (!path[n]) return v;
    }
    return NULL;
}

size_t pt_row_path_first(json_t *row, const char *path)
{
    return named(row, path) ? strlen(path) : strcspn(path, ".");
}

static pt_status members(json_t *v, pt_str *out)
{
    const char *k;
    json_t *x;
    size_t n = 0;
    if (!json_is_object(v) || pt_json_odd(v)) return json_is_array(v) ? pt_str_printf(out, " has %zu elements", json_array_size(v)) : pt_str_printf(out, " is %s", pt_row_kind(v));
    json_object_foreach(v, k, x)
        if (n++ < 8) PT_RETURN(pt_str_printf(out, "%s'%.40s'", n > 1 ? ", " : " has ", k));
    return n ? PT_OK : pt_str_puts(out, " is empty");
}

pt_status pt_row_path_said(json_t *row, const char *path, pt_str *out)
{
    json_t *v = row, *next;
    const char *p = path;
    for (size_t n; (next = step(v, p, n = strcspn(p, "."))) && p[n]; p += n + 1) v = next;
    if (p == path) return PT_OK;
    PT_RETURN(pt_str_printf(out, "'%.*s'", (int)(p - 1 - path), path));
    return members(v, out);
}

/* ---- templates ------------------------------------------------------------------------------------------------------ */

/* A stretch of plain text, or a field. */
typedef struct piece {
    const char *at;
    size_t n;
    bool field, optional;
} piece;

/* The piece at *at, which moves behind it; false at the end, or with *rc where no piece can be. */
static bool next_piece(const char *tmpl, const char **at, piece *x, pt_status *rc)
{
    const char *p = *at;
    *x = (piece){.at = p};
    *rc = PT_OK;
    if (!*p) return false;
    if (*p != '{' && *p != '}') {
        x->n = strcspn(p, "{}");
        *at = p + x->n;
        return true;
    }
    if (p[1] == *p) { /* a brace that is written twice */
        x->n = 1;
        *at = p + 2;
        return true;
    }
    long where = (long)(p - tmpl) + 1;
    size_t n = strcspn(p + 1, "{}");
    if (*p == '}') *rc = pt_fail(PT_EARG, "'}' at character %ld closes nothing; a brace that is text is written twice: }}", where);
    else if (p[1 + n] != '}') *rc = pt_fail(PT_EARG, "'{' at character %ld is not closed; a brace that is text is written twice: {{", where);
    else if (!n || (n == 1 && p[1] == '?')) *rc = pt_fail(PT_EARG, "'{%.*s}' at character %ld names no field", (int)n, p + 1, where);
    else if (n >= MOST_NAME) *rc = pt_fail(PT_EARG, "the name at character %ld has more than %d bytes", where, MOST_NAME - 1);
    if (*rc != PT_OK) return false;
    bool optional = p[n] == '?';
    *x = (piece){.at = p + 1, .n = n - optional, .field = true, .optional = optional};
    *at = p + n + 2;
    return true;
}

pt_status pt_row_template_check(const char *tmpl)
{
    const char *at = tmpl;
    pt_status rc;
    piece x;
    while (next_piece(tmpl, &at, &x, &rc)) continue;
    return rc;
}

static void copy_name(const piece *x, char *name, size_t size)
{
    size_t n = x->n < size ? x->n : size - 1;
    memcpy(name, x->at, n);
    name[n] = 0;
}

bool pt_row_template_field(const char **at, char *name, size_t size)
{
    pt_status rc;
    piece x;
    while (next_piece(*at, at, &x, &rc)) {
        if (!x.field) continue;
        copy_name(&x, name, size);
        return true;
    }
    return false;
}

static bool texts_alone(const json_t *list)
{
    size_t i;
    json_t *v;
    json_array_foreach(list, i, v)
        if (!json_is_string(v)) return false;
    return json_is_array(list);
}

static pt_status put_value(json_t *v, pt_str *out)
{
    size_t i;
    json_t *x;
    if (json_is_string(v)) return pt_str_add(out, json_string_value(v), json_string_length(v));
    if (!texts_alone(v)) return pt_text_json(out, v, 0);
    json_array_foreach(v, i, x)
    {
        if (i) PT_RETURN(pt_str_puts(out, "\n"));
        PT_RETURN(pt_str_add(out, json_string_value(x), json_string_length(x)));
    }
    return PT_OK;
}

static pt_status put_field(json_t *row, const piece *x, pt_str *out)
{
    char name[MOST_NAME];
    copy_name(x, name, sizeof name);
    json_t *v = pt_row_path(row, name);
    bool nothing = !v || json_is_null(v);
    if (!nothing) return pt_json_odd(v) ? pt_fail(PT_EFORMAT, "field '%s' is %s", name, pt_row_kind(v)) : put_value(v, out);
    if (x->optional) return PT_OK;
    return v ? pt_fail(PT_EFORMAT, "field '%s' is null; {%s?} leaves it out", name, name) : pt_row_missing(NULL, row, name);
}

pt_status pt_row_format(json_t *row, const char *tmpl, pt_str *out)
{
    const char *at = tmpl;
    pt_status rc;
    piece x;
    PT_RETURN(pt_str_puts(out, ""));
    while (next_piece(tmpl, &at, &x, &rc)) PT_RETURN(x.field ? put_field(row, &x, out) : pt_str_add(out, x.at, x.n));
    return rc;
}

/* ---- keys ----------------------------------------------------------------------------------------------------------- */

pt_status pt_row_filled(pt_reader *r, json_t *row, const char *said, const char **text, size_t *bytes)
{
    const char *tmpl = pt_dataset_says(r->spec, said);
    pt_status rc = PT_OK;
    pt_str all = {0};
    char name[MOST_NAME];
    *text = NULL;
    *bytes = 0;
    if (!tmpl || !*tmpl) return PT_OK;
    PT_TRY(pt_row_format(row, tmpl, &all));
    while (pt_row_template_field(&tmpl, name, sizeof name)) pt_row_take(r, row, name);
    *text = all.text;
    *bytes = all.len;
    return pt_record_own(&r->rec, all.text); /* which frees it when it fails */
done:
    pt_str_free(&all);
    return pt_fail_prefix(rc, "%s", said);
}

const char *pt_row_templates(const pt_reader *r)
{
    static const char *const keys[] = {"prompt_template", "answer_template"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (pt_dataset_says(r->spec, keys[i])) return keys[i];
    return NULL;
}

const pt_data_key pt_keys_of_templates[] = {
    {.key = "system_template", .kind = PT_DATA_TEMPLATE, .after = "system_prompt",
     .help = "System text with fields of the row in it: \"You are {name} of {home.town}.\" A field is a column or a path; {name?} is nothing where the row has none; {{ and }} "
             "are braces; a list of texts stands on lines of its own. rolebench: {role} and {profile} too; default there: {profile}. Named people: {char} {user} {others} {profile} {setting} {system} too; default: what there is of "
             "{system}, {profile} and {setting}."},
    {0}};

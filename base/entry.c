#include "base/entry.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

const pt_entry_key *pt_entry_key_of(const pt_entry_key *keys, const char *name)
{
    for (const pt_entry_key *k = keys; k && k->name; k++)
        if (!strcmp(k->name, name)) return k;
    return NULL;
}

static int word_at(const pt_entry_key *k, const char *value)
{
    for (int i = 0; k->words[i]; i++)
        if (!strcmp(k->words[i], value)) return i;
    return -1;
}

pt_status pt_entry_fail(const char *file, int line, int column, const char *fmt, ...)
{
    char text[1600];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (!file || !line) return pt_fail(PT_EARG, "%s", text);
    return pt_fail(PT_EARG, "%s:%d:%d: %s", file, line, column, text);
}

/* names of keys or words, "a, b, c" */
static pt_status list_names(pt_str *out, const pt_entry_key *keys, const char *const *words)
{
    for (int i = 0; words ? words[i] != NULL : keys && keys[i].name; i++)
        PT_RETURN(pt_str_printf(out, "%s%s", i ? ", " : "", words ? words[i] : keys[i].name));
    return PT_OK;
}

pt_status pt_entry_check(const pt_entry_key *keys, const pt_entry_option *o, const char *file, const char *whose, const char *common)
{
    pt_status rc = PT_OK;
    pt_str text = {0};
    const pt_entry_key *k = pt_entry_key_of(keys, o->name);
    char *end;
    if (!k) {
        PT_TRY(pt_str_printf(&text, "%s does not know %s; its keys: %s", whose, o->name, common));
        PT_TRY(list_names(&text, keys, NULL));
    } else if (k->kind == PT_ENTRY_NUMBER || k->kind == PT_ENTRY_WHOLE) {
        const bool whole = k->kind == PT_ENTRY_WHOLE;
        double v = strtod(o->value, &end);
        if (end == o->value || *end || !(v >= k->min && v <= k->max) || (whole && v != floor(v)))
            PT_TRY(pt_str_printf(&text, "%s takes a %snumber from %.15g to %.15g, not '%s'", k->name, whole ? "whole " : "", k->min, k->max, o->value));
    } else if (k->kind == PT_ENTRY_FLAG) {
        if (strcmp(o->value, "true") && strcmp(o->value, "false")) PT_TRY(pt_str_printf(&text, "%s takes true or false, not '%s'", k->name, o->value));
    } else if (k->kind == PT_ENTRY_WORD && word_at(k, o->value) < 0) {
        PT_TRY(pt_str_printf(&text, "%s takes one of: ", k->name));
        PT_TRY(list_names(&text, NULL, k->words));
        PT_TRY(pt_str_printf(&text, "; not '%s'", o->value));
    }
    if (text.len) rc = pt_entry_fail(file, o->line, o->column, "%s", text.text);
done:
    pt_str_free(&text);
    return rc;
}

const pt_entry_option *pt_entry_said(const pt_entry_option *o, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (!strcmp(o[i].name, name)) return &o[i];
    return NULL;
}

const char *pt_entry_text(const pt_entry_option *o, size_t n, const pt_entry_key *keys, const char *name)
{
    const pt_entry_option *said = pt_entry_said(o, n, name);
    const pt_entry_key *k = pt_entry_key_of(keys, name);
    return said ? said->value : k ? k->fallback : NULL;
}

double pt_entry_number(const pt_entry_option *o, size_t n, const pt_entry_key *keys, const char *name)
{
    const char *text = pt_entry_text(o, n, keys, name);
    return text ? strtod(text, NULL) : 0;
}

bool pt_entry_flag(const pt_entry_option *o, size_t n, const pt_entry_key *keys, const char *name)
{
    const char *text = pt_entry_text(o, n, keys, name);
    return text && !strcmp(text, "true");
}

int pt_entry_word(const pt_entry_option *o, size_t n, const pt_entry_key *keys, const char *name)
{
    const pt_entry_key *k = pt_entry_key_of(keys, name);
    const char *text = pt_entry_text(o, n, keys, name);
    return k && text ? word_at(k, text) : 0;
}

void pt_entry_options_free(pt_entry_option *o, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(o[i].name);
        free(o[i].value);
    }
    free(o);
}

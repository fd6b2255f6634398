/* What a template's text is: one of the known texts, or a text that this program writes (data/text/tmpl_jinja.c), read back exactly. */
#include "data/text/tmpl_priv.h"

#include <stdlib.h>
#include <string.h>

#define MARK "\x02" /* stands for a system text; no style holds it */

void pt_tmpl_known_free(pt_tmpl_known *k)
{
    free(k->base);
    free(k->system);
    *k = (pt_tmpl_known){0};
}

static bool begins(const char *s, const char *with)
{
    return !strncmp(s, with, strlen(with));
}

/* The text of a Jinja string literal as pt_tmpl_quoted writes it, which begins at s; *end behind it, or NULL when it is none. */
static pt_status unquote(const char *s, const char **end, char **out)
{
    pt_str o = {0};
    pt_status rc = PT_OK;
    *end = NULL;
    *out = NULL;
    if (*s++ != '\'') return PT_OK;
    for (; *s && *s != '\'' && *s != '\n'; s++) {
        char c = *s;
        if (c == '\\') {
            c = *++s;
            if (!c || !strchr("nr'\\", c)) goto done;
            c = (char)(c == 'n' ? '\n' : c == 'r' ? '\r' : c);
        }
        PT_TRY(pt_str_add(&o, &c, 1));
    }
    if (*s != '\'') goto done;
    PT_TRY(pt_str_puts(&o, ""));
    *end = s + 1;
    *out = o.text;
    o.text = NULL;
done:
    pt_str_free(&o);
    return rc;
}

/* A known text behind what pt_tmpl_write_jinja puts before it. */
static pt_status match_prefixed(const char *text, pt_tmpl_known *k)
{
    pt_status rc = PT_OK;
    const char *p = text, *end;
    char *system = NULL;
    bool think = begins(p, PT_TMPL_NO_THINK);
    if (think) p += sizeof PT_TMPL_NO_THINK - 1;
    if (begins(p, PT_TMPL_SYSTEM_BEFORE)) {
        PT_TRY(unquote(p + sizeof PT_TMPL_SYSTEM_BEFORE - 1, &end, &system));
        if (!system || !begins(end, PT_TMPL_SYSTEM_BEHIND)) goto done;
        p = end + sizeof PT_TMPL_SYSTEM_BEHIND - 1;
    }
    const pt_tmpl_style *s = p == text ? NULL : pt_tmpl_by_text(p);
    if (!s || (s->kind == PT_TMPL_QWEN3) != think || (s->kind != PT_TMPL_QWEN3 && s->kind != PT_TMPL_LLAMA31)) goto done;
    PT_TRY(pt_strdup(&k->base, p));
    k->style = s;
    k->system = system;
    k->replaced = true;
    system = NULL;
done:
    free(system);
    return rc;
}

/* text against `written`, where MARK in quotes stands for one system text, the same everywhere. *fits with the text read out. */
static pt_status match_marked(const char *text, const char *written, bool *fits, char **system)
{
    pt_status rc = PT_OK;
    char *one = NULL, *at;
    *fits = false;
    *system = NULL;
    for (; (at = strstr(written, "'" MARK "'")); written = at + sizeof MARK + 1) {
        size_t n = (size_t)(at - written);
        const char *end;
        if (strncmp(written, text, n)) goto done;
        PT_TRY(unquote(text + n, &end, &one));
        if (!one || (*system && strcmp(one, *system))) goto done;
        if (!*system) {
            *system = one;
            one = NULL;
        }
        free(one);
        one = NULL;
        text = end;
    }
    *fits = *system && !strcmp(written, text);
done:
    free(one);
    return rc;
}

/* Whether the text is what t's style is written as: without a system text, or with one, which is read out. */
static pt_status match_style(const char *text, pt_template *t, pt_tmpl_known *k)
{
    pt_status rc = PT_OK;
    char *written = NULL, *system = NULL, mark[] = MARK;
    bool fits;
    t->system = NULL;
    PT_TRY(pt_tmpl_write_jinja(&written, t, NULL, true));
    fits = !strcmp(written, text);
    if (!fits) {
        free(written);
        written = NULL;
        t->system = mark;
        PT_TRY(pt_tmpl_write_jinja(&written, t, NULL, true));
        PT_TRY(match_marked(text, written, &fits, &system));
    }
    if (!fits) goto done;
    k->style = t->style;
    k->replaced = true;
    k->system = system;
    system = NULL;
done:
    t->system = NULL;
    free(written);
    free(system);
    return rc;
}

/* Without what pt_template_jinja_scored puts around a text: owned; NULL when it is not there. */
static pt_status unwrap(const char *text, char **out)
{
    size_t n = strlen(text), a = sizeof PT_TMPL_SCORED_BEFORE - 1, b = sizeof PT_TMPL_SCORED_BEHIND - 1;
    *out = NULL;
    if (n < a + b || !begins(text, PT_TMPL_SCORED_BEFORE) || strcmp(text + n - b, PT_TMPL_SCORED_BEHIND)) return PT_OK;
    return pt_strndup(out, text + a, n - a - b);
}

pt_status pt_tmpl_recognise(const char *text, const pt_tokenizer *tok, pt_tmpl_known *k)
{
    pt_status rc = PT_OK;
    char *inner = NULL;
    *k = (pt_tmpl_known){0};
    PT_TRY(unwrap(text, &inner));
    if (inner) text = inner;
    k->style = pt_tmpl_by_text(text);
    if (k->style) {
        PT_TRY(pt_strdup(&k->base, text));
        goto done;
    }
    PT_TRY(match_prefixed(text, k));
    for (const pt_tmpl_style *s = pt_tmpl_each(NULL); s && !k->style; s = pt_tmpl_each(s)) {
        pt_template t = {.style = s, .tok = tok};
        if (s->kind == PT_TMPL_QWEN3 || s->kind == PT_TMPL_LLAMA31) continue; /* never written from nothing */
        pt_tmpl_place_bos(&t);
        PT_TRY(match_style(text, &t, k));
    }
done:
    free(inner);
    if (rc != PT_OK) pt_tmpl_known_free(k);
    return rc;
}

/* Texts that data, models and configs bring, as HTML and Markdown may hold them. */
#include <string.h>

#include "base/visible.h"
#include "eval/page/page_priv.h"

json_t *pt_page_text(const char *text, size_t n)
{
    pt_str s = {0};
    json_t *j = pt_str_visible(&s, text, n) == PT_OK ? json_stringn(s.text ? s.text : "", s.len) : NULL;
    pt_str_free(&s);
    return j;
}

/* U+FFFE and U+FFFF, which XML does not know. */
static bool is_no_character(const char *p)
{
    return (unsigned char)p[0] == 0xEF && (unsigned char)p[1] == 0xBF && (unsigned char)p[2] >= 0xBE;
}

static pt_status escape(pt_str *out, const char *s)
{
    for (; *s; s++) {
        const char *as = *s == '&' ? "&amp;" : *s == '<' ? "&lt;" : *s == '>' ? "&gt;" : *s == '"' ? "&quot;" : *s == '\'' ? "&#39;" : is_no_character(s) ? "\xEF\xBF\xBD" : NULL;
        PT_RETURN(as ? pt_str_puts(out, as) : pt_str_add(out, s, 1));
        if (is_no_character(s)) s += 2;
    }
    return PT_OK;
}

static pt_status plain(pt_str *out, const char *s)
{
    for (const char *p = s; *p; p++) {
        bool www = p - s >= 3 && (p[-1] | 32) == 'w' && (p[-2] | 32) == 'w' && (p[-3] | 32) == 'w';
        if (*p == '\n' || *p == '\t') PT_RETURN(pt_str_puts(out, " "));
        /* no link grows out of an address either: https://..., www.x, a@b */
        else if (*p == '&' || *p == '<' || *p == '>' || *p == ':' || *p == '@' || (*p == '.' && www)) PT_RETURN(pt_str_printf(out, "&#%d;", *p));
        else if (strchr("\\`*_{}[]()#+-!|~=\"'$^", *p)) PT_RETURN(pt_str_printf(out, "\\%c", *p));
        else PT_RETURN(pt_str_add(out, p, 1));
    }
    return PT_OK;
}

static pt_status made_harmless(pt_str *out, const char *text, size_t n, pt_status (*write)(pt_str *out, const char *s))
{
    pt_str s = {0};
    pt_status rc = pt_str_visible(&s, text, n);
    if (rc == PT_OK && s.len) rc = write(out, s.text);
    pt_str_free(&s);
    return rc;
}

pt_status pt_page_escape(pt_str *out, const char *text, size_t n)
{
    return made_harmless(out, text, n, escape);
}

pt_status pt_page_plain(pt_str *out, const char *text, size_t n)
{
    return made_harmless(out, text, n, plain);
}

pt_status pt_page_said(pt_str *out, const json_t *text)
{
    return pt_page_escape(out, json_string_value(text) ? json_string_value(text) : "", json_string_length(text));
}

json_t *pt_page_cut(const json_t *text, size_t most)
{
    const char *s = json_string_value(text);
    size_t n = json_string_length(text), at = 0, characters = 0, all = 0;
    pt_str shown = {0};
    if (!s) return json_string("");
    for (size_t i = 0; i < n; i++) {
        if (((unsigned char)s[i] & 0xC0) == 0x80) continue;
        if (all++ == most) at = i;
    }
    characters = all > most ? most : all;
    pt_status rc = pt_str_visible(&shown, s, all > most ? at : n);
    if (rc == PT_OK && all > most) rc = pt_str_printf(&shown, " [%zu more characters]", all - characters);
    json_t *j = rc == PT_OK ? json_stringn(shown.text ? shown.text : "", shown.len) : NULL;
    pt_str_free(&shown);
    return j;
}

#include "data/read/macro.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

enum { DEEP = 32 };

/* Where a macro that is not yet closed began in what is written. */
typedef struct filler {
    pt_macros *m;
    pt_str *out;
    size_t open[DEEP], n_open;
    uint64_t draw; /* of the text */
    uint64_t drawn;
    bool eat; /* line breaks that follow go with a trim */
} filler;

typedef struct piece {
    const char *at;
    size_t n;
} piece;

static piece trimmed(piece p)
{
    pt_text_strip(&p.at, &p.n);
    return p;
}

static bool same(piece p, const char *word)
{
    return strlen(word) == p.n && !strncasecmp(p.at, word, p.n);
}

/* ---- values that are drawn ---------------------------------------------------------------------------------------- */

/* Below n, by the text and how many were drawn in it (the mixer of splitmix64). */
static uint64_t draw(filler *f, uint64_t n)
{
    uint64_t x = f->draw + ++f->drawn * 0x9e3779b97f4a7c15ull;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ x >> 27) * 0x94d049bb133111ebull;
    return (x ^ x >> 31) % n;
}

/* The next of a list's values; *rest moves behind it, at = NULL when it was the last. */
static piece next_value(piece *rest, bool colons)
{
    piece v = *rest;
    for (size_t i = 0; i < rest->n; i++) {
        bool ends = colons ? rest->at[i] == ':' && i + 1 < rest->n && rest->at[i + 1] == ':' : rest->at[i] == ',' && (!i || rest->at[i - 1] != '\\');
        if (!ends) continue;
        size_t skip = i + (colons ? 2 : 1);
        v.n = i;
        *rest = (piece){rest->at + skip, rest->n - skip};
        return trimmed(v);
    }
    *rest = (piece){NULL, 0};
    return trimmed(v);
}

static size_t count(piece list, bool colons)
{
    size_t n = 0;
    while (list.at) (void)next_value(&list, colons), n++;
    return n;
}

/* A value without the strokes before its commas. */
static pt_status put_value(pt_str *out, piece v, bool colons)
{
    for (size_t i = 0; i < v.n; i++) {
        if (!colons && v.at[i] == '\\' && i + 1 < v.n && v.at[i + 1] == ',') continue;
        PT_RETURN(pt_str_add(out, v.at + i, 1));
    }
    return PT_OK;
}

static pt_status one_of(filler *f, piece list, bool colons, pt_str *out)
{
    if (!trimmed(list).n) return pt_fail(PT_EFORMAT, "a macro {{random}} or {{pick}} lists no values");
    if (colons && count(list, true) == 1) colons = false; /* {{pick::A,B}}, as Character Card V3 writes it too */
    uint64_t which = draw(f, count(list, colons));
    piece v = next_value(&list, colons);
    while (which--) v = next_value(&list, colons);
    return put_value(out, v, colons);
}

/* "6", "d6", "2d6". */
static pt_status dice(filler *f, piece p, pt_str *out)
{
    unsigned long long n[2] = {0, 0};
    size_t k = 0, digits = 0;
    for (size_t i = 0; i < p.n; i++) {
        char c = p.at[i];
        bool good = c >= '0' && c <= '9' ? n[k] < 100000 : (c == 'd' || c == 'D') && !k;
        if (!good) return pt_fail(PT_EFORMAT, "the macro '{{roll:%.*s}}' is no number and no dice such as d6 or 2d6", p.n < 40 ? (int)p.n : 40, p.at);
        if (c == 'd' || c == 'D') k = 1;
        else n[k] = n[k] * 10 + (unsigned long long)(c - '0'), digits += k == 0;
    }
    unsigned long long times = k && digits ? n[0] : 1, sides = n[k], sum = 0;
    if (!sides || !times || times > 1000) return pt_fail(PT_EFORMAT, "the macro '{{roll:%.*s}}' rolls nothing (up to 1000 dice)", p.n < 40 ? (int)p.n : 40, p.at);
    while (times--) sum += 1 + draw(f, sides);
    return pt_str_printf(out, "%llu", sum);
}

/* By characters of UTF-8. */
static pt_status backwards(piece p, pt_str *out)
{
    for (size_t end = p.n; end;) {
        size_t at = end - 1;
        while (at && ((unsigned char)p.at[at] & 0xc0) == 0x80) at--;
        PT_RETURN(pt_str_add(out, p.at + at, end - at));
        end = at;
    }
    return PT_OK;
}

/* ---- names -------------------------------------------------------------------------------------------------------- */

/* Macros of SillyTavern (docs.sillytavern.app, usage/core-concepts/macros) whose values a data file does not have. */
static bool valueless(piece name)
{
    static const char *const names[] = {
        "persona", "description", "personality", "scenario", "mesexamples", "mesexamplesraw", "charprompt", "charinstruction", "charjailbreak", "chardescription",
        "charpersonality", "charscenario", "charfirstmessage", "chardepthprompt", "charcreatornotes", "charversion", "char_version", "group", "groupnotmuted", "notchar",
        "charifnotgroup", "model", "input", "lastmessage", "lastmessageid", "lastusermessage", "lastcharmessage", "firstincludedmessageid", "firstdisplayedmessageid",
        "currentswipeid", "lastswipeid", "lastgenerationtype", "time", "date", "weekday", "isotime", "isodate", "datetimeformat", "timediff", "idle_duration", "idleduration",
        "setvar", "getvar", "addvar", "incvar", "decvar", "setglobalvar", "getglobalvar", "addglobalvar", "incglobalvar", "decglobalvar", "outlet", "pipe", "maxprompt",
        "maxresponse", "ismobile", "summary", "authorsnote", "charauthorsnote", "defaultauthorsnote", "wibefore", "wiafter", "lorebefore", "loreafter", "anchorbefore",
        "anchorafter", "system", "sysprompt", "systemprompt", "defaultsystemprompt", "instructsystem", "exampleseparator", "chatseparator", "chatstart", "reasoningprefix",
        "reasoningsuffix", "if", "#if", "/if", "#unless", "/unless", "#each", "/each", "else", "banned"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (same(name, names[i])) return true;
    return name.n > 8 && !strncasecmp(name.at, "time_utc", 8);
}

static pt_status put_named(const char *value, const char *macro, const char *advice, pt_str *out)
{
    if (!value) return pt_fail(PT_EFORMAT, "the macro '{{%s}}' has no value here: %s", macro, advice);
    return pt_str_puts(out, value);
}

/* Appends what a macro stands for; *known = false for a name that is none. body: what stands between the braces, arguments filled in. */
static pt_status put_macro(filler *f, piece body, pt_str *out, bool *known)
{
    piece p = trimmed(body), arg;
    size_t end = 0;
    *known = true;
    if (p.n >= 2 && p.at[0] == '/' && p.at[1] == '/') return PT_OK;
    while (end < p.n && p.at[end] != ':' && p.at[end] != ' ' && p.at[end] != '\n') end++;
    piece name = {p.at, end};
    bool colons = end + 1 < p.n && p.at[end] == ':' && p.at[end + 1] == ':';
    size_t skip = end + (colons ? 2 : end < p.n);
    arg = (piece){p.at + skip, p.n - skip};
    if (same(name, "char") && end == p.n) return put_named(f->m->who, "char", "nobody is said to speak", out);
    if (same(name, "user") && end == p.n) return put_named(f->m->user, "user", "nobody is named as the user (user_name: NAME names one)", out);
    if (same(name, "original") && end == p.n) return pt_str_puts(out, f->m->original ? f->m->original : "");
    if (same(name, "newline")) return pt_str_puts(out, "\n");
    if (same(name, "noop") || same(name, "comment") || same(name, "hidden_key")) return PT_OK;
    if ((same(name, "random") || same(name, "pick")) && end < p.n) return one_of(f, arg, colons, out);
    if (same(name, "roll") && end < p.n) return dice(f, trimmed(arg), out);
    if (same(name, "reverse") && end < p.n) return backwards(trimmed(arg), out);
    if (valueless(name))
        return pt_fail(PT_EFORMAT, "the macro '{{%.*s}}' has no value in a data file: it stands for what a chat program knew while it ran", p.n < 40 ? (int)p.n : 40, p.at);
    *known = false;
    return PT_OK;
}

/* ---- texts -------------------------------------------------------------------------------------------------------- */

static const char *const tags[] = {"<user>", "<char>", "<bot>"};

/* The tag that begins at p; 0 = none, else its place + 1. */
static size_t tag_at(const char *p, size_t n)
{
    if (*p != '<') return 0;
    for (size_t i = 0; i < sizeof tags / sizeof *tags; i++)
        if (n >= strlen(tags[i]) && !strncasecmp(p, tags[i], strlen(tags[i]))) return i + 1;
    return 0;
}

bool pt_macros_any(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((text[i] == '{' && i + 1 < n && text[i + 1] == '{') || tag_at(text + i, n - i)) return true;
    return false;
}

/* }}: what stands behind the last {{ is a macro's body. */
static pt_status close_macro(filler *f)
{
    pt_status rc = PT_OK;
    pt_str value = {0};
    pt_str *out = f->out;
    size_t at = f->open[--f->n_open];
    piece body = {out->text + at + 2, out->len - at - 2};
    bool known = true;
    if (same(trimmed(body), "trim")) {
        size_t least = f->n_open ? f->open[f->n_open - 1] + 2 : 0;
        while (at > least && (out->text[at - 1] == '\n' || out->text[at - 1] == '\r')) at--;
        f->eat = true;
    } else {
        PT_TRY(put_macro(f, body, &value, &known));
    }
    if (!known) {
        piece p = trimmed(body);
        if (!f->m->unknown[0]) pt_text_fit(f->m->unknown, p.n + 1 < sizeof f->m->unknown ? p.n + 1 : sizeof f->m->unknown, p.at);
        PT_TRY(pt_str_puts(out, "}}"));
    } else {
        out->len = at;
        out->text[at] = 0;
        if (value.len) PT_TRY(pt_str_add(out, value.text, value.len));
    }
done:
    pt_str_free(&value);
    return rc;
}

pt_status pt_macros_fill(pt_macros *m, const char *text, size_t n, pt_str *out)
{
    pt_str mine = {0}; /* so that a macro never sees what stood in out before */
    filler f = {.m = m, .out = &mine, .draw = pt_fnv1a(PT_FNV_START, text, n)};
    pt_status rc = PT_OK;
    m->unknown[0] = 0;
    for (size_t i = 0; i < n;) {
        const char *p = text + i;
        bool opens = *p == '{' && i + 1 < n && p[1] == '{' && !(i + 2 < n && p[2] == '{'), closes = *p == '}' && i + 1 < n && p[1] == '}';
        size_t tag = tag_at(p, n - i), step = tag ? strlen(tags[tag - 1]) : opens || closes ? 2 : 1;
        i += step;
        if (f.eat && (*p == '\n' || *p == '\r')) continue;
        f.eat = false;
        if (opens && f.n_open < DEEP) f.open[f.n_open++] = mine.len;
        if (closes && f.n_open) {
            PT_TRY(close_macro(&f));
        } else if (tag) {
            const char *value = tag == 1 ? m->user : m->who;
            PT_TRY(put_named(value, tag == 1 ? "user" : "char", tag == 1 ? "nobody is named as the user (user_name: NAME names one)" : "nobody is said to speak", &mine));
        } else {
            PT_TRY(pt_str_add(&mine, p, step));
        }
    }
    rc = pt_str_add(out, mine.text ? mine.text : "", mine.len);
done:
    pt_str_free(&mine);
    return rc;
}

pt_status pt_text_macros(pt_reader *r, const char *text, size_t n, const char *who, const char *user, const char **out, size_t *bytes)
{
    pt_macros m = {.who = who, .user = user, .original = r->spec->system_prompt};
    pt_str s = {0};
    *out = text;
    *bytes = n;
    if (!pt_macros_any(text, n)) return PT_OK;
    pt_status rc = pt_macros_fill(&m, text, n, &s);
    if (rc != PT_OK) {
        pt_str_free(&s);
        return rc;
    }
    if (m.unknown[0]) {
        char note[120];
        snprintf(note, sizeof note, "'{{%s}}' is no macro that is known: it stands as it is", m.unknown);
        pt_causes_add(&r->notes, note, r->line);
    }
    *out = s.text;
    *bytes = s.len;
    return pt_record_own(&r->rec, s.text); /* which frees it when it fails */
}

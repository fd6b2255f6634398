/* Strings in characters, with the origins of their bytes kept. */
#include <string.h>

#include <utf8proc.h>

#include "data/text/jinja_priv.h"
#include "data/text/tok_utf8.h"

size_t jstr_len(jvalue s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) n += ((unsigned char)s.u.s[i] & 0xC0) != 0x80;
    return n;
}

jvalue jstr_sub(jvalue s, size_t from, size_t n)
{
    s.u.s += from;
    s.n = (uint32_t)n;
    if (s.o) s.o += from;
    return s;
}

static uint32_t origin_at(jvalue s, size_t i)
{
    return s.o && i < s.n ? s.o[i] : s.origin;
}

jvalue jstr_slice(jinja *J, jvalue s, int64_t from, int64_t step, int64_t count)
{
    if (count <= 0) return jstr_sub(s, 0, 0);
    if (!jinja_tick(J, 1 + s.n / 16)) return jv_undefined(NULL);
    size_t *at = NULL, n = 0, len = jstr_len(s);
    if (step == 1) {
        size_t i = 0, k = 0, begin;
        for (; k < (size_t)from; k++) i += pt_utf8_len((unsigned char)s.u.s[i]);
        begin = i;
        for (int64_t c = 0; c < count; c++) i += pt_utf8_len((unsigned char)s.u.s[i]);
        return jstr_sub(s, begin, i - begin);
    }
    at = jinja_alloc(J, (len + 1) * sizeof *at);
    if (!at) return jv_undefined(NULL);
    for (size_t i = 0; i < s.n; i += pt_utf8_len((unsigned char)s.u.s[i])) at[n++] = i;
    at[n] = s.n;
    jbuild b = {0};
    for (int64_t c = 0, i = from; c < count && J->rc == PT_OK; c++, i += step) jbuild_part(J, &b, s, at[i], at[i + 1] - at[i]);
    jvalue v = jbuild_done(&b);
    v.safe = s.safe;
    return v;
}

static bool among(jvalue chars, const char *s, size_t k)
{
    for (size_t i = 0, n; i < chars.n; i += n) {
        n = pt_utf8_len((unsigned char)chars.u.s[i]);
        if (n == k && !memcmp(chars.u.s + i, s, k)) return true;
    }
    return false;
}

static bool stripped(jvalue s, size_t at, size_t k, jvalue chars)
{
    return chars.kind == J_STRING ? among(chars, s.u.s + at, k) : jinja_space(s.u.s, s.n, at) > 0;
}

jvalue jstr_strip(jinja *J, jvalue s, jvalue chars, bool left, bool right)
{
    size_t a = 0, b = s.n, k;
    if (chars.kind != J_STRING && chars.kind != J_ABSENT && chars.kind != J_NONE) return jinja_fail(J, PT_EFORMAT, "strip by a %s", jv_type(chars));
    while (left && a < b && stripped(s, a, k = pt_utf8_len((unsigned char)s.u.s[a]), chars)) a += k;
    while (right && b > a) {
        for (k = 1; k < b - a && ((unsigned char)s.u.s[b - k] & 0xC0) == 0x80; k++) {}
        if (!stripped(s, b - k, k, chars)) break;
        b -= k;
    }
    return jstr_sub(s, a, b - a);
}

size_t jstr_find(jvalue s, jvalue what, size_t from)
{
    if (from > s.n) return SIZE_MAX;
    if (!what.n) return from;
    const char *hit = memmem(s.u.s + from, s.n - from, what.u.s, what.n);
    return hit ? (size_t)(hit - s.u.s) : SIZE_MAX;
}

jvalue jstr_replace(jinja *J, jvalue s, jvalue old, jvalue by, int64_t count)
{
    jbuild b = {0};
    size_t at = 0;
    for (; count && J->rc == PT_OK; count--) {
        size_t hit = jstr_find(s, old, at);
        if (hit == SIZE_MAX) break;
        if (!old.n) { /* before every character, and behind the last */
            jbuild_str(J, &b, by);
            if (at >= s.n) {
                at = s.n + 1;
                break;
            }
            size_t k = pt_utf8_len((unsigned char)s.u.s[at]);
            jbuild_part(J, &b, s, at, k);
            at += k;
            continue;
        }
        jbuild_part(J, &b, s, at, hit - at);
        jbuild_str(J, &b, by);
        at = hit + old.n;
    }
    if (at < s.n) jbuild_part(J, &b, s, at, s.n - at);
    jvalue v = jbuild_done(&b);
    if (!b.n) v.origin = s.origin;
    v.safe = s.safe;
    return v;
}

/* ---- letter case: simple mappings of Unicode, and the letters that become several ---- */

static bool cased(uint32_t c)
{
    utf8proc_category_t k = utf8proc_category((utf8proc_int32_t)c);
    return k == UTF8PROC_CATEGORY_LU || k == UTF8PROC_CATEGORY_LL || k == UTF8PROC_CATEGORY_LT;
}


/* Whether the letter at s + at is a word's last: behind a cased letter, and none behind it. */
static bool ends_word(jvalue s, size_t at)
{
    size_t k, before = at, behind = at + 2;
    if (!at) return false;
    do before--;
    while (before && ((unsigned char)s.u.s[before] & 0xC0) == 0x80);
    return cased(pt_utf8_get(s.u.s + before, &k)) && (behind >= s.n || !cased(pt_utf8_get(s.u.s + behind, &k)));
}

static void put_case(jinja *J, jbuild *b, jvalue s, size_t at, uint32_t c, bool up, bool title)
{
    static const struct {
        uint32_t c;
        const char *upper, *title;
    } several[] = {{0xDF, "SS", "Ss"}, {0x149, "\xCA\xBCN", "\xCA\xBCN"}, {0x1F0, "J\xCC\x8C", "J\xCC\x8C"}, {0xFB00, "FF", "Ff"}, {0xFB01, "FI", "Fi"},
                   {0xFB02, "FL", "Fl"}, {0xFB03, "FFI", "Ffi"}, {0xFB04, "FFL", "Ffl"}, {0xFB05, "ST", "St"}, {0xFB06, "ST", "St"}, {0x587, "\xD4\xB5\xD5\x92", "\xD4\xB5\xD6\x82"}};
    char utf8[4];
    for (size_t i = 0; up && i < sizeof several / sizeof *several; i++)
        if (several[i].c == c) {
            jbuild_puts(J, b, title ? several[i].title : several[i].upper, origin_at(s, at));
            return;
        }
    if (!up && (c == 0x130 || (c == 0x3A3 && ends_word(s, at)))) {
        jbuild_puts(J, b, c == 0x130 ? "i\xCC\x87" : "\xCF\x82", origin_at(s, at));
        return;
    }
    utf8proc_int32_t x = (utf8proc_int32_t)c;
    x = !up ? utf8proc_tolower(x) : title ? utf8proc_totitle(x) : utf8proc_toupper(x);
    jbuild_bytes(J, b, utf8, pt_utf8_put(utf8, (uint32_t)x), origin_at(s, at));
}

/* Where the title filter of jinja2 begins a word: behind spaces, -, ( { [ <. */
static bool begins_word(uint32_t c)
{
    return pt_utf8_is_py_space(c) || (c < 128 && c && strchr("-({[<", (int)c));
}

jvalue jstr_case(jinja *J, jvalue s, jcase how)
{
    jbuild b = {0};
    bool first = true;
    for (size_t i = 0, k; i < s.n && J->rc == PT_OK; i += k) {
        uint32_t c = pt_utf8_get(s.u.s + i, &k);
        bool upper = utf8proc_category((utf8proc_int32_t)c) == UTF8PROC_CATEGORY_LU;
        bool up = how == CASE_UPPER || (how == CASE_SWAP && !upper && cased(c)) || (how != CASE_LOWER && how != CASE_SWAP && first);
        if (how == CASE_SWAP && !cased(c))
            jbuild_part(J, &b, s, i, k);
        else
            put_case(J, &b, s, i, c, up, how == CASE_TITLE || how == CASE_CAPITAL);
        if (how == CASE_CAPITAL) first = false;
        if (how == CASE_TITLE) first = !cased(c);
        if (how == CASE_WORDS) first = begins_word(c);
    }
    jvalue v = jbuild_done(&b);
    v.safe = s.safe;
    return v;
}

jvalue jstr_escape(jinja *J, jvalue s)
{
    static const char from[] = "&<>'\"";
    static const char *const to[] = {"&amp;", "&lt;", "&gt;", "&#39;", "&#34;"};
    jbuild b = {0};
    if (s.safe) return s;
    for (size_t i = 0, plain; i < s.n && J->rc == PT_OK;) {
        for (plain = i; i < s.n && !(s.u.s[i] && strchr(from, s.u.s[i])); i++) {}
        jbuild_part(J, &b, s, plain, i - plain);
        if (i < s.n) jbuild_puts(J, &b, to[strchr(from, s.u.s[i]) - from], origin_at(s, i));
        i++;
    }
    jvalue v = jbuild_done(&b);
    v.safe = true;
    return v;
}

/* Bytes of the line break at s + at: what str.splitlines knows. */
static size_t line_break(jvalue s, size_t at)
{
    size_t k;
    uint32_t c = pt_utf8_get(s.u.s + at, &k);
    if (c == '\r' && at + 1 < s.n && s.u.s[at + 1] == '\n') return 2;
    bool is = (c >= 0x0A && c <= 0x0D) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 || c == 0x2029;
    return is ? k : 0;
}

jvalue jstr_lines(jinja *J, jvalue s, bool keep)
{
    jvalue l = jv_list(J, J_LIST);
    size_t from = 0;
    for (size_t i = 0; i < s.n && J->rc == PT_OK;) {
        size_t k = line_break(s, i);
        if (!k) {
            i += pt_utf8_len((unsigned char)s.u.s[i]);
            continue;
        }
        jlist_add(J, l, jstr_sub(s, from, i - from + (keep ? k : 0)));
        from = i += k;
    }
    if (from < s.n) jlist_add(J, l, jstr_sub(s, from, s.n - from));
    return l;
}

jvalue jstr_pad(jinja *J, jvalue s, int64_t width, int side, char with)
{
    int64_t all = width - (int64_t)jstr_len(s), left = side < 0 ? 0 : side > 0 ? all : all / 2 + (all & width & 1);
    jbuild b = {0};
    if (all <= 0) return s;
    for (int64_t i = 0; i < left && jinja_tick(J, 1); i++) jbuild_bytes(J, &b, &with, 1, 0);
    jbuild_str(J, &b, s);
    for (int64_t i = left; i < all && jinja_tick(J, 1); i++) jbuild_bytes(J, &b, &with, 1, 0);
    return jbuild_done(&b);
}

jvalue jstr_join(jinja *J, jvalue by, const jlist *l)
{
    jbuild b = {0};
    for (size_t i = 0; i < l->n && jinja_tick(J, 1); i++) {
        if (i) jbuild_str(J, &b, by);
        jbuild_str(J, &b, l->v[i]);
    }
    return jbuild_done(&b);
}

/* sacrebleu 2.6.0's tokenizers 13a and zh (sacrebleu/tokenizers), on UTF-8 bytes: what they match is ASCII. */
#include <string.h>

#include "eval/text/bleu.h"

/* zh calls these Chinese. Two of its ranges are written with five digits, which Python reads as two characters: the first runs from U+2001 to U+2A6D, and
 * quotation marks and dashes stand alone for it; the second lies within another. */
static bool stands_alone(int32_t c)
{
    static const int32_t ranges[][2] = {{0x3400, 0x4db5}, {0x4e00, 0x9fa5}, {0x9fa6, 0x9fbb}, {0xf900, 0xfa2d}, {0xfa30, 0xfa6a}, {0xfa70, 0xfad9},
                                        {0x2001, 0x2a6d}, {0xff00, 0xffef}, {0x2e80, 0x2eff}, {0x3000, 0x303f}, {0x31c0, 0x31ef}, {0x2f00, 0x2fdf},
                                        {0x2ff0, 0x2fff}, {0x3100, 0x312f}, {0x31a0, 0x31bf}, {0xfe10, 0xfe1f}, {0xfe30, 0xfe4f}};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (c >= ranges[i][0] && c <= ranges[i][1]) return true;
    return false;
}

static size_t stripped(const char *text)
{
    size_t end = 0, bytes;
    for (size_t at = 0, n = strlen(text); at < n; at += bytes)
        if (!pt_char_is_space(pt_char_next(text + at, n - at, &bytes))) end = at + bytes;
    return end;
}

static size_t leading(const char *text)
{
    size_t at = 0, bytes;
    for (size_t n = strlen(text); at < n && pt_char_is_space(pt_char_next(text + at, n - at, &bytes)); at += bytes) continue;
    return at;
}

/* line.replace(from, to) */
static pt_status replace(pt_str *s, const char *from, const char *to)
{
    pt_str out = {0};
    const size_t n = strlen(from);
    pt_status rc = pt_str_add(&out, "", 0);
    for (const char *p = s->text; rc == PT_OK && *p;) {
        bool found = !strncmp(p, from, n);
        rc = found ? pt_str_puts(&out, to) : pt_str_add(&out, p, 1);
        p += found ? n : 1;
    }
    pt_str_free(s);
    *s = out;
    return rc;
}

static pt_status before_13a(pt_str *s)
{
    static const char *const pairs[][2] = {{"<skipped>", ""}, {"-\n", ""}, {"\n", " "}, {"&quot;", "\""}, {"&amp;", "&"}, {"&lt;", "<"}, {"&gt;", ">"}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) PT_RETURN(replace(s, pairs[i][0], pairs[i][1]));
    pt_str padded = {0};
    pt_status rc = pt_str_printf(&padded, " %s ", s->text);
    pt_str_free(s);
    *s = padded;
    return rc;
}

/* Spaces around what stands alone; without those at the ends. */
static pt_status before_zh(pt_str *s)
{
    pt_str out = {0};
    pt_status rc = pt_str_add(&out, "", 0);
    size_t bytes;
    for (size_t at = 0; rc == PT_OK && at < s->len; at += bytes) {
        const char *gap = stands_alone(pt_char_next(s->text + at, s->len - at, &bytes)) ? " " : "";
        rc = pt_str_printf(&out, "%s%.*s%s", gap, (int)bytes, s->text + at, gap);
    }
    pt_str_free(s);
    *s = out;
    return rc;
}

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}
static bool stop(char c)
{
    return c == '.' || c == ',';
}

/* The four rules of TokenizerRegexp, one after the other: how many bytes the rule takes at p (0: it does not match), and what becomes of them. */
static size_t rule(int number, const char *p, char out[8])
{
    char a = p[0], b = p[1];
    size_t n = 0;
    if (number == 0 && ((a >= ' ' && a <= '&') || (a >= '(' && a <= '+') || (a >= ':' && a <= '@') || a == '/' || (a >= '[' && a <= '`') || (a >= '{' && a <= '~')))
        n = 1, memcpy(out, (char[]){' ', a, ' ', 0}, 4);
    if (number == 1 && !digit(a) && stop(b)) n = 2, memcpy(out, (char[]){a, ' ', b, ' ', 0}, 5);
    if (number == 2 && stop(a) && b && !digit(b)) n = 2, memcpy(out, (char[]){' ', a, ' ', b, 0}, 5);
    if (number == 3 && digit(a) && b == '-') n = 2, memcpy(out, (char[]){a, ' ', b, ' ', 0}, 5);
    return n;
}

static pt_status apply(pt_str *s, int number)
{
    pt_str out = {0};
    pt_status rc = pt_str_add(&out, "", 0);
    for (const char *p = s->text; rc == PT_OK && *p;) {
        char with[8];
        size_t n = rule(number, p, with);
        rc = n ? pt_str_puts(&out, with) : pt_str_add(&out, p, 1);
        p += n ? n : 1;
    }
    pt_str_free(s);
    *s = out;
    return rc;
}

/* line.split() */
static pt_status split(pt_wordbook *b, const pt_str *s, pt_words *w)
{
    size_t from = 0, bytes;
    for (size_t at = 0; at <= s->len; at += bytes) {
        bytes = 1;
        if (at < s->len && !pt_char_is_space(pt_char_next(s->text + at, s->len - at, &bytes))) continue;
        if (at > from) {
            uint32_t id = 0;
            PT_RETURN(pt_wordbook_number(b, s->text + from, at - from, &id));
            PT_RETURN(pt_words_add(w, id));
        }
        from = at + bytes;
    }
    return PT_OK;
}

pt_status pt_bleu_split(pt_wordbook *b, pt_units units, const char *text, pt_words *w)
{
    pt_status rc = PT_OK;
    pt_str s = {0};
    w->n = 0;
    size_t first = units == PT_UNITS_CHARS ? leading(text) : 0, end = stripped(text); /* 13a strips the end alone */
    PT_TRY(pt_str_add(&s, text + first, end > first ? end - first : 0));
    PT_TRY(units == PT_UNITS_CHARS ? before_zh(&s) : before_13a(&s));
    for (int i = 0; i < 4; i++) PT_TRY(apply(&s, i));
    PT_TRY(split(b, &s, w));
done:
    pt_str_free(&s);
    return rc;
}

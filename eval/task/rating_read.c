/* Reading which number of a scale a written answer gives. */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "eval/task/inventory.h"

enum { FOUND_MOST = 64 };

typedef struct number {
    double value;
    const char *from, *to;
    bool apart; /* of a range, or a whole: "1 to 5", "4/5", "out of 5" */
} number;

/* Length of what begins at p if it is `word`, whatever its case; 0: it is not. */
static size_t is(const char *p, const char *word)
{
    size_t n = strlen(word);
    return strncasecmp(p, word, n) ? 0 : n;
}

/* Full-width digits become plain ones. Owned; NULL: no memory. */
static char *plain(const char *s)
{
    char *out = malloc(strlen(s) + 1), *to = out;
    for (; out && *s; s++) {
        const unsigned char *u = (const unsigned char *)s;
        if (u[0] == 0xef && u[1] == 0xbc && u[2] >= 0x90 && u[2] <= 0x99) *to++ = (char)('0' + u[2] - 0x90), s += 2;
        else *to++ = *s;
    }
    if (out) *to = 0;
    return out;
}

static const char *over(const char *p, const char *set)
{
    return p + strspn(p, set);
}

static bool thousands(const char *p)
{
    return *p == ',' && isdigit((unsigned char)p[1]) && isdigit((unsigned char)p[2]) && isdigit((unsigned char)p[3]) && !isdigit((unsigned char)p[4]);
}

/* The number at p, with thousands set off by commas. */
static double number_at(const char *p, char **end)
{
    const size_t sign = *p == '-', digits = strspn(p + sign, "0123456789");
    double v = strtod(p, end);
    if (!digits || digits > 3 || *end != p + sign + digits || !thousands(*end)) return v;
    for (v = fabs(v); thousands(*end); *end += 4) v = v * 1000 + (double)strtol((char[]){(*end)[1], (*end)[2], (*end)[3], 0}, NULL, 10);
    if (**end == '.' && isdigit((unsigned char)(*end)[1])) v += strtod(*end, end);
    return sign ? -v : v;
}

/* The numbers of a text, as they stand. "-" is a sign where nothing stands before it. */
static size_t find_numbers(const char *s, number *x)
{
    size_t n = 0;
    for (const char *p = s; *p && n < FOUND_MOST;) {
        bool word = p > s && (isalnum((unsigned char)p[-1]) || p[-1] == '_');
        const bool point = *p == '.' && isdigit((unsigned char)p[1]);
        bool sign = *p == '-' && (isdigit((unsigned char)p[1]) || (p[1] == '.' && isdigit((unsigned char)p[2]))) && (p == s || isspace((unsigned char)p[-1]) || strchr("(:\"", p[-1]));
        if ((!isdigit((unsigned char)*p) && !sign && !point) || word) {
            p++;
            continue;
        }
        char *end;
        double v = number_at(p, &end);
        if (end[-1] == '.') end--; /* a full stop */
        if (isalpha((unsigned char)*end)) { /* 4th, 3x */
            while (isalnum((unsigned char)*end)) end++;
        } else {
            x[n++] = (number){v, p, end, false};
        }
        p = end;
    }
    return n;
}

/* Marks ranges, and what a number is out of. */
static void set_apart(number *x, size_t n)
{
    static const char *const links[] = {"to", "-", "\xe2\x80\x93", "~", "through", "\xe5\x88\xb0", "\xe8\x87\xb3"};
    static const char *const wholes[] = {"/", "out of", "of"};
    for (size_t i = 0; i + 1 < n; i++) {
        const char *gap = over(x[i].to, " ");
        for (size_t k = 0; k < sizeof links / sizeof *links; k++)
            if (is(gap, links[k]) && over(gap + is(gap, links[k]), " ") == x[i + 1].from) x[i].apart = x[i + 1].apart = true;
        for (size_t k = 0; k < sizeof wholes / sizeof *wholes; k++)
            if (is(gap, wholes[k]) && over(gap + is(gap, wholes[k]), " ") == x[i + 1].from) x[i + 1].apart = true;
    }
}

/* The number behind the last word that announces one. */
static const number *announced(const char *s, const number *x, size_t n)
{
    static const char *const cues[] = {"answer", "rating", "rate", "score", "choice", "choose", "number", "select", "pick", "\xe7\xad\x94\xe6\xa1\x88",
                                       "\xe8\xaf\x84\xe5\x88\x86", "\xe9\x80\x89\xe6\x8b\xa9", "\xe9\x80\x89", "\xe6\x89\x93"};
    static const char *const links[] = {"would be", "is", "as", "it", "this", "a", "an", "the", "me", "myself", "at", "with", "number", "of", "option", "\xe6\x98\xaf",
                                        "\xe4\xb8\xba", "\xef\xbc\x9a"};
    const number *found = NULL;
    for (const char *p = s; *p; p++)
        for (size_t c = 0; c < sizeof cues / sizeof *cues; c++) {
            size_t step = is(p, cues[c]);
            if (!step) continue;
            const char *q = over(p + step, " :=*_\"'`(");
            for (bool moved = true; moved;) {
                moved = false;
                for (size_t l = 0; l < sizeof links / sizeof *links && !moved; l++) {
                    size_t more = is(q, links[l]);
                    if (!more || (isalpha((unsigned char)links[l][0]) && isalpha((unsigned char)q[more]))) continue;
                    q = over(q + more, " :=*_\"'`(");
                    moved = true;
                }
            }
            for (size_t i = 0; i < n; i++)
                if (x[i].from == q && !x[i].apart) found = &x[i];
        }
    return found;
}

static double label_of(const pt_inventory *v, const char *s)
{
    s = over(s, " \t\r\n*_\"'`(");
    for (int i = 0; v->labels && i <= v->high - v->low; i++) {
        size_t n = is(s, v->labels[i]);
        if (n && !*over(s + n, " \t\r\n*_\"'`).!,")) return v->low + i;
    }
    return NAN;
}

/* NAN: none, or several. */
static double number_in(const char *s)
{
    number x[FOUND_MOST];
    const size_t n = find_numbers(s, x);
    const number *one = NULL;
    set_apart(x, n);
    if (n && x[0].from == over(s, " \t\r\n*_\"'`([{#") && !x[0].apart) one = &x[0];
    if (!one) one = announced(s, x, n);
    for (size_t i = 0; !one && i < n; i++) {
        if (x[i].apart) continue;
        for (size_t k = i + 1; k < n; k++)
            if (!x[k].apart && x[k].value != x[i].value) return NAN;
        one = &x[i];
    }
    return one ? one->value : NAN;
}

double pt_number_read(const char *answer)
{
    char *s = answer ? plain(answer) : NULL;
    double got = s ? number_in(s) : NAN;
    free(s);
    return got;
}

static double rating_in(const pt_inventory *v, const char *s)
{
    double got = number_in(s);
    if (isnan(got)) return label_of(v, s);
    return got == floor(got) && got >= v->low && got <= v->high ? got : NAN;
}

double pt_rating_read(const pt_inventory *v, const char *answer)
{
    char *s = answer ? plain(answer) : NULL;
    double got = s ? rating_in(v, s) : NAN;
    free(s);
    return got;
}

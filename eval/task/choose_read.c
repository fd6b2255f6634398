/* Reading which option a written answer names. */
#include <ctype.h>
#include <string.h>

#include "base/mem.h"
#include "eval/task/chooser.h"

/* Bytes of punctuation at s that may stand around a letter: ASCII's, and full-width brackets, colon, comma and full stop. */
static size_t mark_at(const char *s)
{
    static const char *const wide[] = {"\xef\xbc\x88", "\xef\xbc\x89", "\xef\xbc\x9a", "\xef\xbc\x8c", "\xef\xbc\x8e", "\xe3\x80\x82", "\xe3\x80\x81", "\xe3\x80\x90", "\xe3\x80\x91"};
    if (*s && strchr("()[]{}<>*_`'\".:,;!$\\#-", *s)) return 1;
    for (size_t i = 0; i < sizeof wide / sizeof *wide; i++)
        if (!strncmp(s, wide[i], 3)) return 3;
    return 0;
}

static const char *over(const char *s, bool spaces)
{
    for (size_t n; *s && ((n = mark_at(s)) || (spaces && isspace((unsigned char)*s))); s += n ? n : 1) {}
    return s;
}

/* The option whose letter stands at s alone, -1 when there is none: behind it comes the end, a mark or a line end. */
static int letter_at(const char *s, int n, bool small)
{
    int k = *s >= 'A' && *s <= 'Z' ? *s - 'A' : small && *s >= 'a' && *s <= 'z' ? *s - 'a' : -1;
    if (k < 0 || k >= n) return -1;
    const char *p = s + 1;
    if (*p == '\'' || *p == '-') return -1; /* A-level, I'm */
    if (!*p || *p == '\n' || *p == '\r' || mark_at(p)) return k;
    while (*p == ' ' || *p == '\t') p++;
    return *p && *p != '\n' && *p != '\r' ? -1 : k;
}

/* The whole answer is a letter, or begins with one that a mark or a line end follows. */
static int leading(const char *s, int n)
{
    s = over(s, true);
    const char *rest = *s ? over(s + 1, true) : s;
    return letter_at(s, n, *s && !*rest);
}

/* Behind the last word that announces it: "answer is (B)", {"choice": "B"}, ... */
static int announced(const char *s, int n)
{
    static const char *const cues[] = {"answer", "option", "choice", "choose", "select", "pick", "\xe7\xad\x94\xe6\xa1\x88", "\xe9\x80\x89\xe9\xa1\xb9",
                                       "\xe9\x80\x89\xe6\x8b\xa9", "\xe9\x80\x89"};
    static const char *const links[] = {"is", "would be", "be", "\xe6\x98\xaf", "\xe4\xb8\xba"};
    int found = -1;
    for (const char *p = s; *p; p++)
        for (size_t i = 0; i < sizeof cues / sizeof *cues; i++) {
            size_t k = strlen(cues[i]);
            if (strncasecmp(p, cues[i], k)) continue;
            const char *q = over(p + k, true);
            for (size_t l = 0; l < sizeof links / sizeof *links; l++)
                if (!strncasecmp(q, links[l], strlen(links[l]))) {
                    q = over(q + strlen(links[l]), true);
                    break;
                }
            int at = letter_at(q, n, false);
            if (at < 0 && q > p + k && *q && !isalnum((unsigned char)q[1]) && q[1] != '\'' && *q != 'A' && *q != 'I') at = letter_at((char[]){*q, 0}, n, false);
            if (at >= 0) found = at;
        }
    return found;
}

/* The one letter in brackets. */
static int bracketed(const char *s, int n)
{
    int found = -1;
    for (; *s; s++) {
        int k = *s == '(' && s[1] >= 'A' && s[1] <= 'Z' && s[2] == ')' ? s[1] - 'A' : -1;
        if (k < 0 || k >= n || k == found) continue;
        if (found >= 0) return -1;
        found = k;
    }
    return found;
}

static bool holds(const char *text, const char *part)
{
    size_t n = strlen(part);
    while (n && (*part == ' ')) part++, n--;
    while (n && (part[n - 1] == ' ' || part[n - 1] == '.')) n--;
    for (const char *p = text; n && *p; p++) {
        if (strncasecmp(p, part, n)) continue;
        bool word = isalnum((unsigned char)*part) && p > text && isalnum((unsigned char)p[-1]);
        if (!word && !(isalnum((unsigned char)part[n - 1]) && isalnum((unsigned char)p[n]))) return true;
    }
    return false;
}

/* The one option whose text stands in the answer; of two where one holds the other the longer. */
static int by_text(const char *s, char *const *options, int n)
{
    int found = -1;
    for (int k = 0; k < n; k++) {
        if (!holds(s, options[k])) continue;
        if (found >= 0 && holds(options[found], options[k])) continue;
        if (found >= 0 && !holds(options[k], options[found])) return -1;
        found = k;
    }
    return found;
}

int pt_choose_read(const char *answer, char *const *options, int n)
{
    int at = leading(answer, n);
    if (at < 0) at = announced(answer, n);
    if (at < 0) at = bracketed(answer, n);
    return at < 0 ? by_text(answer, options, n) : at;
}

#include "data/audit/phrase.h"

#include <string.h>

static bool word(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static unsigned char lower(unsigned char c)
{
    return c >= 'A' && c <= 'Z' ? (unsigned char)(c + 32) : c;
}

size_t pt_phrase_at(const char *text, size_t n, unsigned char before, const char *phrase)
{
    const unsigned char *t = (const unsigned char *)text, *p = (const unsigned char *)phrase;
    size_t i = 0;
    if (word(p[0]) && word(before)) return 0;
    for (; *p; p++) {
        if (i >= n) return 0;
        if (*p == '\'' && i + 3 <= n && t[i] == 0xe2 && t[i + 1] == 0x80 && t[i + 2] == 0x99) i += 3;
        else if (*p == ' ' && (t[i] == ' ' || t[i] == '\n')) i++;
        else if (lower(t[i]) == *p) i++;
        else return 0;
    }
    return i < n && word(p[-1]) && word(t[i]) ? 0 : i;
}

/* By what most places of a text are passed over: bytes that no phrase begins with, and of the others those where the second does not go on. */
enum { PAIRS = 1024 };
typedef struct begins {
    bool first[256], alone[256], pair[PAIRS]; /* alone: the second byte says nothing */
} begins;

static size_t pair_of(unsigned char a, unsigned char b)
{
    return (a * 31u + b) % PAIRS;
}

static void begins_of(const char *const *phrases, begins *b)
{
    memset(b, 0, sizeof *b);
    for (const char *const *p = phrases; *p; p++) {
        const unsigned char *at = (const unsigned char *)*p;
        b->first[at[0]] = true;
        if (at[0] >= 'a' && at[0] <= 'z') b->first[at[0] - 32] = true;
        if (at[0] == ' ') b->first['\n'] = b->alone[' '] = b->alone['\n'] = true;
        else if (at[0] == '\'') b->first[0xe2] = b->alone['\''] = b->alone[0xe2] = true; /* three bytes, perhaps */
        else if (!at[1]) b->alone[at[0]] = true;
        else b->pair[pair_of(at[0], at[1])] = true;
    }
}

/* text[1] of a place whose first byte, in lower case, is c. */
static bool goes_on(const begins *b, unsigned char c, const char *text, size_t n)
{
    if (b->alone[c]) return true;
    if (n < 2) return false;
    unsigned char next = lower((unsigned char)text[1]);
    return b->pair[pair_of(c, next == '\n' ? ' ' : next)] || (next == 0xe2 && b->pair[pair_of(c, '\'')]);
}

bool pt_phrase_find(const char *text, size_t n, const char *const *phrases, size_t *at, size_t *len)
{
    begins b;
    begins_of(phrases, &b);
    for (size_t i = 0; i < n; i++) {
        if (!b.first[(unsigned char)text[i]]) continue;
        const unsigned char before = i ? (unsigned char)text[i - 1] : 0, c = lower((unsigned char)text[i]);
        if ((word(c) && word(before)) || !goes_on(&b, c, text + i, n - i)) continue;
        for (const char *const *p = phrases; *p; p++) {
            size_t k = pt_phrase_at(text + i, n - i, before, *p);
            if (!k) continue;
            *at = i;
            *len = k;
            return true;
        }
    }
    return false;
}

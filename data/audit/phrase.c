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

bool pt_phrase_find(const char *text, size_t n, const char *const *phrases, size_t *at, size_t *len)
{
    bool first[256] = {0};
    for (const char *const *p = phrases; *p; p++) first[(unsigned char)(*p)[0]] = true;
    for (size_t i = 0; i < n; i++) {
        if (!first[lower((unsigned char)text[i])]) continue;
        for (const char *const *p = phrases; *p; p++) {
            size_t k = pt_phrase_at(text + i, n - i, i ? (unsigned char)text[i - 1] : 0, *p);
            if (!k) continue;
            *at = i;
            *len = k;
            return true;
        }
    }
    return false;
}

/* Whether bytes are valid UTF-8 (RFC 3629: no overlong forms, no surrogates, nothing past U+10FFFF). */
#ifndef PT_BASE_UTF8_H
#define PT_BASE_UTF8_H
#include <stdbool.h>
#include <stddef.h>

static inline bool pt_utf8_valid(const char *text, size_t n)
{
    const unsigned char *s = (const unsigned char *)text;
    for (size_t i = 0; i < n;) {
        unsigned c = s[i], more = c < 0x80                ? 0
                                  : c >= 0xc2 && c < 0xe0 ? 1
                                  : c >= 0xe0 && c < 0xf0 ? 2
                                  : c >= 0xf0 && c < 0xf5 ? 3
                                                          : 9; /* begins no character */
        if (more == 9 || more > n - i - 1) return false;
        unsigned lo = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80, hi = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
        for (unsigned k = 1; k <= more; k++, lo = 0x80, hi = 0xbf)
            if (s[i + k] < lo || s[i + k] > hi) return false;
        i += more + 1;
    }
    return true;
}
#endif

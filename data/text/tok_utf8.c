#include "data/text/tok_utf8.h"

#include <string.h>

size_t pt_utf8_check(const char *s, size_t n)
{
    const unsigned char *p = (const unsigned char *)s;
    size_t i = 0;
    while (i < n) {
        unsigned char c = p[i];
        if (c < 0x80) {
            uint64_t eight = 0;
            for (i++; n - i >= 8; i += 8) {
                memcpy(&eight, p + i, 8);
                if (eight & 0x8080808080808080ull) break;
            }
            continue;
        }
        size_t len = c >= 0xC2 && c < 0xE0 ? 2 : (c & 0xF0) == 0xE0 ? 3 : c >= 0xF0 && c < 0xF5 ? 4 : 0;
        if (len == 0 || n - i < len) return i;
        for (size_t k = 1; k < len; k++) {
            if ((p[i + k] & 0xC0) != 0x80) return i;
        }
        unsigned char d = p[i + 1];
        if ((c == 0xE0 && d < 0xA0) || (c == 0xED && d >= 0xA0) || (c == 0xF0 && d < 0x90) || (c == 0xF4 && d >= 0x90))
            return i;
        i += len;
    }
    return n;
}

size_t pt_utf8_put(char out[4], uint32_t cp)
{
    if (cp < 0x80) {
        out[0] = (char)cp;
        return 1;
    }
    if (cp < 0x800) {
        out[0] = (char)(0xC0 | cp >> 6);
        out[1] = (char)(0x80 | (cp & 63));
        return 2;
    }
    if (cp < 0x10000) {
        out[0] = (char)(0xE0 | cp >> 12);
        out[1] = (char)(0x80 | (cp >> 6 & 63));
        out[2] = (char)(0x80 | (cp & 63));
        return 3;
    }
    out[0] = (char)(0xF0 | cp >> 18);
    out[1] = (char)(0x80 | (cp >> 12 & 63));
    out[2] = (char)(0x80 | (cp >> 6 & 63));
    out[3] = (char)(0x80 | (cp & 63));
    return 4;
}

size_t pt_utf8_unfinished(const char *s, size_t n)
{
    const unsigned char *p = (const unsigned char *)s;
    for (size_t back = 1; back <= 3 && back <= n; back++) {
        unsigned char c = p[n - back];
        if ((c & 0xC0) == 0x80) continue;
        if (c < 0xC2 || c > 0xF4 || pt_utf8_len(c) <= back) return 0;
        if (back > 1) { /* a second byte that no character may have makes the start invalid, not unfinished */
            unsigned char d = p[n - back + 1];
            if ((c == 0xE0 && d < 0xA0) || (c == 0xED && d >= 0xA0) || (c == 0xF0 && d < 0x90) || (c == 0xF4 && d >= 0x90))
                return 0;
        }
        return back;
    }
    return 0;
}

bool pt_utf8_is_space(uint32_t cp)
{
    return (cp >= 9 && cp <= 13) || cp == 0x20 || cp == 0x85 || cp == 0xA0 || cp == 0x1680 || (cp >= 0x2000 && cp <= 0x200A) ||
           cp == 0x2028 || cp == 0x2029 || cp == 0x202F || cp == 0x205F || cp == 0x3000;
}

bool pt_utf8_is_py_space(uint32_t cp)
{
    return (cp >= 0x1C && cp <= 0x1F) || pt_utf8_is_space(cp);
}

void pt_utf8_strip(const char **s, size_t *n)
{
    while (*n) {
        size_t len;
        if (!pt_utf8_is_py_space(pt_utf8_get(*s, &len))) break;
        *s += len;
        *n -= len;
    }
    while (*n) {
        size_t back = 1, len;
        while (back < *n && back < 4 && ((unsigned char)(*s)[*n - back] & 0xC0) == 0x80) back++;
        if (!pt_utf8_is_py_space(pt_utf8_get(*s + *n - back, &len))) break;
        *n -= back;
    }
}

/* UTF-8: checking, stepping, Python's idea of white space. Text that comes from outside is checked once with pt_utf8_check; the
 * other helpers assume valid text. */
#ifndef PT_DATA_TOK_UTF8_H
#define PT_DATA_TOK_UTF8_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Offset of the first byte that is not well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms); n when all is well. */
size_t pt_utf8_check(const char *s, size_t n);
/* Bytes of the character that a lead byte begins (1 for a continuation byte, so that loops always advance). */
static inline size_t pt_utf8_len(unsigned char lead)
{
    return lead < 0xC0 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
}
/* Code point at s (valid text); *len gets its bytes. */
static inline uint32_t pt_utf8_get(const char *s, size_t *len)
{
    const unsigned char *p = (const unsigned char *)s;
    *len = pt_utf8_len(p[0]);
    switch (*len) {
    case 1: return p[0];
    case 2: return (p[0] & 31u) << 6 | (p[1] & 63u);
    case 3: return (p[0] & 15u) << 12 | (p[1] & 63u) << 6 | (p[2] & 63u);
    default: return (p[0] & 7u) << 18 | (p[1] & 63u) << 12 | (p[2] & 63u) << 6 | (p[3] & 63u);
    }
}
/* Writes cp (<= 0x10FFFF) into out[4]; returns its bytes. */
size_t pt_utf8_put(char out[4], uint32_t cp);
/* Complete-character state of a byte string's end: bytes at the end that begin a character whose rest is missing (0-3). Bytes
 * before them may still be invalid. */
size_t pt_utf8_unfinished(const char *s, size_t n);
/* What str.strip() of Python takes for white space: Unicode White_Space plus U+001C..U+001F. Jinja's trim uses it. */
bool pt_utf8_is_py_space(uint32_t cp);
/* Unicode White_Space (what \s means in the Hugging Face tokenizers). */
bool pt_utf8_is_space(uint32_t cp);
/* Narrows [*s, *s + *n) by stripping as str.strip() does. */
void pt_utf8_strip(const char **s, size_t *n);
#endif

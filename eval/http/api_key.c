#include "eval/http/api_key.h"

#include <string.h>

/* Runs within one character are bounded, so that hostile text costs no more than its length times the key's. */
enum { LEAST = 8, MOST = 4096, RUN = 32 };

pt_status pt_api_key_check(const char *key)
{
    size_t n = strlen(key);
    for (const char *c = key; *c; c++)
        if ((unsigned char)*c <= 0x20 || (unsigned char)*c >= 0x7f || strchr("\\%&\"", *c))
            return pt_fail(PT_EARG, "the API key holds a space, a line end, a control character, one of \\ %% & \" or a character beyond ASCII (number %zu of %zu): it is not sent",
                           (size_t)(c - key) + 1, n);
    if (n < LEAST || n > MOST)
        return pt_fail(PT_EARG, "the API key has %zu characters; one of %d to %d can be kept out of what is written. A server that wants none: leave api_key_env out", n, LEAST, MOST);
    return PT_OK;
}

static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : 99;
}

/* Digits at s, at least `least` and at most `most`; their number, or 0. */
static size_t number(const char *s, const char *end, int base, size_t least, size_t most, unsigned *value)
{
    size_t n = 0;
    for (*value = 0; n < most && s + n < end && digit(s[n]) < base; n++) *value = *value * (unsigned)base + (unsigned)digit(s[n]);
    return n < least ? 0 : n;
}

/* An escape at s: its length and the character, or 0. */
static size_t escape(const char *s, const char *end, unsigned *c)
{
    const char *at = s;
    size_t n;
    if (*at == '%') return (n = number(at + 1, end, 16, 2, 2, c)) ? 1 + n : 0;
    if (*at == '&') {
        if (end - at < 4 || at[1] != '#') return 0;
        bool hex = at[2] == 'x' || at[2] == 'X';
        at += 2 + hex;
        n = number(at, end, hex ? 16 : 10, 1, 8, c);
        return n && at + n < end && at[n] == ';' ? (size_t)(at - s) + n + 1 : 0;
    }
    while (at < end && *at == '\\' && at - s < RUN) at++;
    if (at == s || at == end) return 0;
    char kind = *at++;
    if (kind == 'x') n = number(at, end, 16, 2, 2, c);
    else if (kind == 'u' && at < end && *at == '{') {
        n = number(at + 1, end, 16, 1, 8, c);
        n = n && at + 1 + n < end && at[1 + n] == '}' ? n + 2 : 0;
    } else if (kind == 'u') n = number(at, end, 16, 4, 4, c);
    else if (kind == 'e') *c = 0x1b, n = 0;
    else if (kind && strchr("nrtbf", kind)) *c = '\n', n = 0;
    else return 0;
    return n || strchr("enrtbf", kind) ? (size_t)(at - s) + n : 0;
}

/* A character of UTF-8 at s that shows nothing: its length, or 0. */
static size_t unseen(const char *s, const char *end)
{
    const unsigned char *u = (const unsigned char *)s;
    if (u[0] < 0x20 || u[0] == 0x7f) return 1;
    if (end - s >= 2 && u[0] == 0xc2 && (u[1] < 0xa0 || u[1] == 0xad)) return 2;
    if (end - s < 3) return 0;
    unsigned c = (u[0] & 15u) << 12 | (u[1] & 63u) << 6 | (u[2] & 63u);
    bool three = (u[0] & 0xf0) == 0xe0 && (u[1] & 0xc0) == 0x80 && (u[2] & 0xc0) == 0x80;
    return three && ((c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff || c == 0x061c) ? 3 : 0;
}

/* What may stand between two characters of a key at s: its length, or 0. */
static size_t noise(const char *s, const char *end)
{
    unsigned c = 0;
    size_t n = unseen(s, end);
    bool starts = n == 1 && *s == 0x1b;
    if (!n && (n = escape(s, end, &c))) {
        starts = c == 0x1b;
        if (c >= 0x20 && c != 0x7f && !(c >= 0x80 && c < 0xa0) && c != 0xad && !(c >= 0x200b && c <= 0x200f) && !(c >= 0x2028 && c <= 0x202e) && !(c >= 0x2060 && c <= 0x206f) && c != 0xfeff)
            return 0;
    }
    if (!starts || s + n >= end || s[n] != '[') return n;
    size_t k = n + 1;
    while (s + k < end && k < n + RUN && s[k] >= 0x20 && s[k] < 0x40) k++;
    return s + k < end && s[k] >= 0x40 && s[k] < 0x7f ? k + 1 : n;
}

/* Bytes that the key takes at s, or 0: it does not stand there. */
static size_t spelled(const char *s, const char *end, const char *key)
{
    const char *at = s;
    for (const char *k = key; *k; k++) {
        unsigned c = 0;
        size_t n;
        while (k > key && at < end && *at != *k && (n = noise(at, end))) at += n;
        if (at >= end) return 0;
        if (*at == *k) at++;
        else if ((n = escape(at, end, &c)) && c == (unsigned char)*k) at += n;
        else return 0;
    }
    return (size_t)(at - s);
}

pt_status pt_api_key_mask(pt_str *out, const char *text, size_t n, const char *key)
{
    const char *end = text + n, *from = text;
    for (const char *at = text; key && at < end;) {
        size_t k = *at == *key || *at == '\\' || *at == '%' || *at == '&' ? spelled(at, end, key) : 0;
        if (!k) {
            at++;
            continue;
        }
        PT_RETURN(pt_str_add(out, from, (size_t)(at - from)));
        PT_RETURN(pt_str_puts(out, PT_API_KEY_MASK));
        from = at += k;
    }
    return pt_str_add(out, from, (size_t)(end - from));
}

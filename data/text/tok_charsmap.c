/* The precompiled character map. */
#include "data/text/tok_charsmap.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "data/text/tok_utf8.h"

struct pt_charsmap {
    unsigned char *bytes; /* as given */
    size_t n;
    uint32_t *unit;
    size_t n_units;
    const char *text; /* into bytes */
    size_t n_text;
};

static uint32_t little(const unsigned char *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

pt_status pt_charsmap_open(pt_charsmap **out, const void *bytes, size_t n)
{
    pt_status rc = PT_OK;
    pt_charsmap *m = NULL;
    *out = NULL;
    PT_CHECK(n > 4, PT_EFORMAT, "a character map of %zu bytes is too short", n);
    uint32_t trie = little(bytes);
    PT_CHECK(trie < n - 4 && trie % 4 == 0 && trie, PT_EFORMAT, "the trie of a character map takes %u of %zu bytes", trie, n - 4);
    PT_TRY(pt_alloc0(&m, 1));
    PT_TRY(pt_alloc0(&m->bytes, n));
    memcpy(m->bytes, bytes, n);
    m->n = n;
    m->n_units = trie / 4;
    PT_TRY(pt_alloc0(&m->unit, m->n_units));
    for (size_t i = 0; i < m->n_units; i++) m->unit[i] = little(m->bytes + 4 + 4 * i);
    m->text = (const char *)m->bytes + 4 + trie;
    m->n_text = n - 4 - trie;
    PT_CHECK(m->text[m->n_text - 1] == 0, PT_EFORMAT, "the last text of a character map has no end");
    PT_CHECK(pt_utf8_check(m->text, m->n_text) == m->n_text, PT_EFORMAT, "the texts of a character map are not UTF-8 at byte %zu",
             pt_utf8_check(m->text, m->n_text));
    *out = m;
    m = NULL;
done:
    pt_charsmap_free(m);
    return rc;
}

static int digit(char c)
{
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

pt_status pt_charsmap_base64(pt_charsmap **out, const char *text)
{
    pt_status rc = PT_OK;
    unsigned char *bytes = NULL;
    size_t n = strlen(text), k = 0;
    uint32_t bits = 0, have = 0;
    *out = NULL;
    while (n && text[n - 1] == '=') n--;
    PT_TRY(pt_alloc0(&bytes, n + 1));
    for (size_t i = 0; i < n; i++) {
        int d = digit(text[i]);
        PT_CHECK(d >= 0, PT_EFORMAT, "precompiled_charsmap is no base64: byte %zu is 0x%02x", i, (unsigned char)text[i]);
        bits = bits << 6 | (uint32_t)d;
        if ((have += 6) < 8) continue;
        have -= 8;
        bytes[k++] = (unsigned char)(bits >> have);
    }
    rc = pt_charsmap_open(out, bytes, k);
done:
    free(bytes);
    return rc;
}

void pt_charsmap_free(pt_charsmap *m)
{
    if (!m) return;
    free(m->bytes);
    free(m->unit);
    free(m);
}

const void *pt_charsmap_bytes(const pt_charsmap *m, size_t *n)
{
    *n = m->n;
    return m->bytes;
}

static uint32_t offset(uint32_t unit)
{
    return (unit >> 10) << ((unit & 1u << 9) >> 6);
}

/* Walks down the trie; the first rule, or the last. */
static const char *rule(const pt_charsmap *m, const char *s, size_t n, bool longest, size_t *took)
{
    const char *found = NULL;
    uint32_t at = offset(m->unit[0]);
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        at ^= c;
        if (at >= m->n_units) break;
        uint32_t unit = m->unit[at];
        if ((unit & (1u << 31 | 0xff)) != c) break;
        at ^= offset(unit);
        if (at >= m->n_units) break;
        if (!(unit >> 8 & 1)) continue;
        uint32_t value = m->unit[at] & ~(1u << 31);
        bool whole = i + 1 == n || ((unsigned char)s[i + 1] & 0xC0) != 0x80; /* no rule for a part of a code point */
        if (value >= m->n_text || !whole || ((unsigned char)m->text[value] & 0xC0) == 0x80) continue;
        found = m->text + value;
        *took = i + 1;
        if (!longest) break;
    }
    return found;
}

const char *pt_charsmap_longest(const pt_charsmap *m, const char *s, size_t n, size_t *took)
{
    *took = 0;
    return rule(m, s, n, true, took);
}

const char *pt_charsmap_shortest(const pt_charsmap *m, const char *s, size_t n)
{
    size_t took;
    return rule(m, s, n, false, &took);
}

size_t pt_charsmap_cluster(const char *s, size_t n)
{
    utf8proc_int32_t state = 0;
    size_t len;
    uint32_t before = pt_utf8_get(s, &len);
    for (size_t i = len; i < n; i += len) {
        uint32_t cp = pt_utf8_get(s + i, &len);
        if (utf8proc_grapheme_break_stateful((utf8proc_int32_t)before, (utf8proc_int32_t)cp, &state)) return i;
        before = cp;
    }
    return n;
}

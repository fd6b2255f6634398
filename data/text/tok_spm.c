/* SentencePiece's normaliser, and the tokenizers library's reading of its character map. */
#include "data/text/tok_spm.h"

#include <stdlib.h>
#include <string.h>

void pt_tok_spm_free(pt_tok_spm *m)
{
    if (!m) return;
    pt_charsmap_free(m->map);
    pt_trie_free(m->whole);
    free(m);
}

uint64_t pt_tok_spm_digest(const pt_tok_spm *m, uint64_t h)
{
    const bool flags[] = {m->whole != NULL, m->dummy, m->once, m->squeeze, m->escape, m->suffix};
    size_t n = 0;
    const void *map = m->map ? pt_charsmap_bytes(m->map, &n) : "";
    return pt_fnv1a(pt_fnv1a(h, flags, sizeof flags), map, n);
}

/* What the beginning of a text becomes. */
typedef struct bit {
    const char *s;
    size_t n, took;
    bool same;
} bit;

static bit next_bit(const pt_tok_spm *m, const char *s, size_t n)
{
    int32_t id;
    size_t took = m->whole ? pt_trie_longest(m->whole, s, n, &id) : 0;
    if (took) return (bit){s, took, took, true};
    if (m->map) {
        const char *to = pt_charsmap_longest(m->map, s, n, &took);
        if (to) return (bit){to, strlen(to), took, false};
    }
    took = pt_utf8_len((unsigned char)*s);
    if (!m->map && !m->whole && *s != ' ') { /* nothing but blanks changes */
        const char *blank = memchr(s, ' ', n);
        took = blank ? (size_t)(blank - s) : n;
    }
    if (took > n) took = n;
    return (bit){s, took, took, true};
}

/* b.s[from, b.n), which stands for in[at, at + b.took); an unchanged byte keeps its own place. */
static pt_status put_bit(const pt_tok_spm *m, const pt_tok_view *in, size_t at, bit b, size_t from, pt_tok_made *out)
{
    size_t end = at + b.took;
    for (size_t i = from; i < b.n;) {
        const char *blank = m->escape ? memchr(b.s + i, ' ', b.n - i) : NULL;
        size_t to = blank ? (size_t)(blank - b.s) : b.n;
        if (to > i && b.same) PT_RETURN(pt_tok_put_same(out, in, at + i, at + to));
        if (to > i && !b.same) PT_RETURN(pt_tok_put_new(out, in, at, to == b.n ? end : at, b.s + i, to - i));
        if (blank && b.same) PT_RETURN(pt_tok_put_new(out, in, at + to, at + to + 1, PT_TOK_META, 3));
        if (blank && !b.same) PT_RETURN(pt_tok_put_new(out, in, at, to + 1 == b.n ? end : at, PT_TOK_META, 3));
        i = to + (blank != NULL);
    }
    return PT_OK;
}

static bool ends_with(const pt_str *s, const char *what, size_t n)
{
    return s->len >= n && memcmp(s->text + s->len - n, what, n) == 0;
}

pt_status pt_tok_spm_normalise(const pt_tok_spm *m, const pt_tok_view *in, bool begins, bool first, pt_tok_made *out)
{
    const char *blank = m->escape ? PT_TOK_META : " ";
    size_t i = 0, n = in->n, wide = strlen(blank), kept;
    bool dummy = m->dummy && (m->once ? first : begins), space = m->squeeze && begins;
    while (space && i < n) {
        bit b = next_bit(m, in->s + i, n - i);
        if (b.n != 1 || *b.s != ' ') break;
        i += b.took;
    }
    if (i == n) return PT_OK;
    if (m->once && dummy) { /* transformers writes this one by Metaspace, which adds none to a blank */
        bit b = next_bit(m, in->s + i, n - i);
        dummy = b.n == 0 || (*b.s != ' ' && (b.n < 3 || memcmp(b.s, PT_TOK_META, 3) != 0));
    }
    if (dummy && !m->suffix) PT_RETURN(pt_tok_put_new(out, in, i, i, blank, wide));
    kept = i;
    while (i < n) {
        bit b = next_bit(m, in->s + i, n - i);
        size_t from = 0;
        while (space && from < b.n && b.s[from] == ' ') from++;
        bool plain = b.same && from == 0 && !(m->escape && memchr(b.s, ' ', b.n));
        if (!plain) {
            PT_RETURN(pt_tok_put_same(out, in, kept, i));
            if (from < b.n) PT_RETURN(put_bit(m, in, i, b, from, out));
            else PT_RETURN(pt_tok_put_new(out, in, i, i + b.took, "", 0));
            kept = i + b.took;
        }
        if (from < b.n) space = m->squeeze && b.s[b.n - 1] == ' ';
        i += b.took;
    }
    PT_RETURN(pt_tok_put_same(out, in, kept, n));
    if (m->squeeze && ends_with(&out->s, blank, wide)) {
        while (ends_with(&out->s, blank, wide)) out->s.len -= wide;
        PT_RETURN(pt_tok_put_new(out, in, n, n, "", 0));
    }
    return dummy && m->suffix ? pt_tok_put_new(out, in, n, n, blank, wide) : PT_OK;
}

/* One cluster of at most 5 bytes is asked for as a whole first; the library replaces all of it by the rule of its shortest beginning. */
pt_status pt_tok_precompiled(const pt_tok_norm *m, const pt_tok_view *in, pt_tok_made *out)
{
    const pt_charsmap *map = m->spm->map;
    size_t kept = 0, len, one;
    for (size_t i = 0; i < in->n; i += len) {
        const char *s = in->s + i;
        size_t left = in->n - i;
        bool alone = (unsigned char)s[0] < 0x80 && s[0] != '\r' && (left == 1 || (unsigned char)s[1] < 0x80);
        len = alone ? 1 : pt_charsmap_cluster(s, left);
        const char *to = len < 6 ? pt_charsmap_shortest(map, s, len) : NULL;
        if (to) {
            PT_RETURN(pt_tok_put_same(out, in, kept, i));
            PT_RETURN(pt_tok_put_new(out, in, i, i + len, to, strlen(to)));
            kept = i + len;
            continue;
        }
        for (size_t k = 0; k < len; k += one) {
            one = pt_utf8_len((unsigned char)s[k]);
            to = pt_charsmap_shortest(map, s + k, one);
            if (!to) continue;
            PT_RETURN(pt_tok_put_same(out, in, kept, i + k));
            PT_RETURN(pt_tok_put_new(out, in, i + k, i + k + one, to, strlen(to)));
            kept = i + k + one;
        }
    }
    return pt_tok_put_same(out, in, kept, in->n);
}

/* Where a word of characters may be cut. Gemma, Llama 2 and their like split a text into no words before merging, and merging a long word costs
 * n log n steps that nothing remembers. But merges are made of pieces: where no piece that a merge makes holds character a before character b, no
 * merge ever reaches across "ab", and both sides merge by themselves to the same tokens. t->joint says of two characters whether some piece does; it
 * may say so of two that none does (a bit of a hash), which cuts less and changes nothing. */
#include "data/text/tok_priv.h"

#include <string.h>

enum { NEAR = 128, NEAR_BYTES = NEAR * NEAR / 8, HASHED_BITS = 1 << 23 }; /* ASCII and U+2581: a bit each pair; all others share 1 MiB */

/* U+2581 stands with the ASCII characters, in the place of DEL. */
static uint32_t number(uint32_t c)
{
    return c == 0x2581 ? 127 : c == 127 ? 0x110000 : c;
}

static size_t bit(uint32_t a, uint32_t b)
{
    if ((a | b) < NEAR) return a * NEAR + b;
    uint64_t h = ((uint64_t)a << 32 | b) * 0x9E3779B97F4A7C15ull;
    return NEAR * NEAR + (h >> 32 & (HASHED_BITS - 1));
}

static void mark(pt_tokenizer *t, int32_t id)
{
    const char *s = pt_tok_text(t, t->raw[id]);
    uint32_t before = 0;
    size_t len;
    for (size_t i = 0; i < t->raw[id].len; i += len) {
        uint32_t c = number(pt_utf8_get(s + i, &len));
        size_t k = bit(before, c);
        if (i) t->joint[k >> 3] |= (uint8_t)(1u << (k & 7));
        before = c;
    }
}

pt_status pt_tok_cuts_build(pt_tokenizer *t)
{
    /* Every character must be writable whatever stands beside it: by its bytes, or (the tab of Gemma 2) by its piece. */
    if (t->model != PT_MODEL_BPE || t->byte_level || !t->byte_fallback || t->ignore_merges || t->word_prefix || t->word_suffix) return PT_OK;
    for (int b = 0; b < 256; b++)
        if (t->byte_id[b] < 0 && (b >= 128 || pt_tok_raw_find(t, &(char){(char)b}, 1) < 0)) return PT_OK;
    for (size_t k = 0; k < t->n_merges; k++)
        if ((t->flags[t->merges[k].left] | t->flags[t->merges[k].right]) & PT_TOK_BYTE) return PT_OK; /* bytes of two characters could merge */
    PT_RETURN(pt_alloc0(&t->joint, NEAR_BYTES + HASHED_BITS / 8));
    for (size_t k = 0; k < t->n_merges; k++) mark(t, t->merges[k].id);
    for (int32_t i = 0; t->scored && i < t->n; i++)
        if (t->flags[i] & PT_TOK_MODEL) mark(t, i);
    return PT_OK;
}

size_t pt_tok_cut(const pt_tokenizer *t, const char *s, size_t n)
{
    size_t len, i;
    uint32_t before = number(pt_utf8_get(s, &len));
    for (i = len; i < n; i += len) {
        uint32_t c = number(pt_utf8_get(s + i, &len));
        size_t k = bit(before, c);
        if (!(t->joint[k >> 3] >> (k & 7) & 1)) return i;
        before = c;
    }
    return n;
}

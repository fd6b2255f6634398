#include "data/text/tok_ranks.h"

#include <stdlib.h>
#include <string.h>

static int sextet(char c)
{
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool pt_tok_base64(const char *s, size_t n, char *out, size_t *out_n)
{
    size_t k = 0, pad = 0;
    if (n == 0 || n % 4) return false;
    pad = s[n - 1] != '=' ? 0 : s[n - 2] != '=' ? 1 : 2;
    for (size_t i = 0; i < n; i += 4) {
        uint32_t v = 0;
        size_t have = i + 4 == n ? 4 - pad : 4;
        for (size_t j = 0; j < 4; j++) {
            int six = j < have ? sextet(s[i + j]) : 0;
            if (six < 0) return false;
            v = v << 6 | (uint32_t)six;
        }
        for (size_t j = 0; j + 1 < have; j++) out[k++] = (char)(v >> (16 - 8 * j));
    }
    *out_n = k;
    return true;
}

pt_status pt_tok_ranks_put(pt_tokenizer *t, int64_t id, const char *bytes, size_t n)
{
    char spelled[2 * PT_TOK_RANK_BYTES + 1];
    size_t k = 0;
    if (n == 0 || n > PT_TOK_RANK_BYTES) return pt_fail(PT_EFORMAT, "a token of %zu bytes (1 to %d are taken)", n, PT_TOK_RANK_BYTES);
    for (size_t i = 0; i < n; i++) k += pt_utf8_put(spelled + k, pt_tok_alphabet((unsigned char)bytes[i]));
    return pt_tok_put(t, id, spelled, k, PT_TOK_MODEL);
}

pt_status pt_tok_ranks_special(pt_tokenizer *t, int64_t id, const char *text)
{
    pt_tok_added a = {.special = true};
    size_t n = strlen(text);
    if (n == 0) return pt_fail(PT_EFORMAT, "special token %lld has no text", (long long)id);
    PT_RETURN(pt_tok_put(t, id, text, n, 0));
    return pt_tok_put_added(t, &a, id, text, n);
}

pt_status pt_tok_ranks_settle(pt_tokenizer *t, const char *pattern)
{
    char spelled[4];
    for (int b = 0; b < 256; b++)
        if (pt_tok_find_n(t, spelled, pt_utf8_put(spelled, pt_tok_alphabet((unsigned char)b))) < 0)
            return pt_fail(PT_EFORMAT, "there is no token of the byte 0x%02X alone, so that not every text can be written", b);
    t->byte_level = t->decode.byte_level = true;
    t->ignore_merges = t->by_rank = true;
    if (!t->n_pieces) t->n_pieces = (size_t)t->n;
    return pattern ? pt_tok_add_split(t, pattern, false, PT_SPLIT_ISOLATED, false) : PT_OK;
}

static bool before(const pt_tok_merge *a, const pt_tok_merge *b)
{
    return a->left != b->left ? a->left < b->left : a->right < b->right;
}

/* The ways to make token id, ordered, behind the others. */
static pt_status ways(pt_tokenizer *t, int32_t id)
{
    const char *s = pt_tok_text(t, t->raw[id]);
    size_t n = t->raw[id].len, first = t->n_merges;
    for (size_t cut = 1; cut < n; cut++) {
        pt_tok_merge m = {pt_tok_raw_find(t, s, cut), -1, id};
        if (m.left < 0 || (m.right = pt_tok_raw_find(t, s + cut, n - cut)) < 0) continue;
        PT_RETURN(pt_reserve(&t->merges, &t->cap_merges, t->n_merges + 1));
        size_t at = t->n_merges++;
        for (; at > first && before(&m, &t->merges[at - 1]); at--) t->merges[at] = t->merges[at - 1];
        t->merges[at] = m;
    }
    return PT_OK;
}

pt_status pt_tok_ranks_merges(pt_tokenizer *t)
{
    t->n_merges = 0;
    for (int32_t i = 0; i < t->n; i++)
        if (t->flags[i] & PT_TOK_MODEL) PT_RETURN(ways(t, i));
    return PT_OK;
}

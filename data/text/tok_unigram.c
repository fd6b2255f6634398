/* The Unigram model. */
#include "data/text/tok_unigram.h"

#include <stdlib.h>

#include "data/text/tok_utf8.h"

#define PENALTY 10 /* kUnkPenalty of both libraries */
#define NOWHERE UINT32_MAX

pt_status pt_unigram_make(pt_unigram **out, pt_trie_key *keys, size_t n_keys, const double *score, size_t n, double lowest, int32_t unk, bool f32)
{
    pt_status rc = PT_OK;
    pt_unigram *u = NULL;
    *out = NULL;
    PT_TRY(pt_alloc0(&u, 1));
    PT_TRY(pt_alloc0(&u->score, n));
    if (n) memcpy(u->score, score, n * sizeof *score);
    *u = (pt_unigram){.score = u->score, .n = n, .unk_score = f32 ? (double)((float)lowest - PENALTY) : lowest - PENALTY, .unk = unk, .f32 = f32};
    PT_TRY(pt_trie_build(&u->trie, keys, n_keys));
    *out = u;
    u = NULL;
done:
    pt_unigram_free(u);
    return rc;
}

void pt_unigram_free(pt_unigram *u)
{
    if (!u) return;
    pt_trie_free(u->trie);
    free(u->score);
    free(u);
}

/* SentencePiece compares the unrounded sum with the rounded one, and keeps it rounded. */
static inline void offer(const pt_unigram *u, pt_unigram_cut *to, double sum, size_t from, int32_t id)
{
    if (to->other != NOWHERE && !(sum > to->score)) return;
    *to = (pt_unigram_cut){u->f32 ? (double)(float)sum : sum, (uint32_t)from, id};
}

static void turn_round(pt_unigram_cut *cut, size_t n)
{
    uint32_t end = (uint32_t)n, from = cut[end].other;
    while (end) {
        uint32_t before = from ? cut[from].other : 0;
        cut[from].other = end;
        end = from;
        from = before;
    }
}

pt_status pt_unigram_best(const pt_unigram *u, const char *s, size_t n, pt_unigram_cut *cut)
{
    if (n == 0) return PT_OK;
    for (size_t i = 0; i <= n; i++) cut[i] = (pt_unigram_cut){0, NOWHERE, -1};
    for (size_t i = 0, len; i < n; i += len) {
        const double here = cut[i].score;
        bool single = false;
        uint32_t node = 0;
        len = pt_utf8_len((unsigned char)s[i]);
        if (len > n - i) len = n - i;
        for (size_t k = i; k < n && (node = pt_trie_step(u->trie, node, (unsigned char)s[k])) != 0; k++) {
            int32_t id = u->trie->node[node].id;
            if (id < 0) continue;
            offer(u, &cut[k + 1], u->score[id] + here, i, id);
            single = single || k + 1 - i == len;
        }
        if (single) continue;
        if (u->unk < 0) return pt_fail(PT_EFORMAT, "the code point at byte %zu is not in the vocabulary, which has no unknown token", i);
        offer(u, &cut[i + len], u->f32 ? (double)((float)u->unk_score + (float)here) : u->unk_score + here, i, u->unk);
    }
    turn_round(cut, n);
    return PT_OK;
}

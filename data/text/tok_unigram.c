/* The Unigram model. */
#include "data/text/tok_unigram.h"

#include <stdlib.h>

#include "base/file.h"
#include "data/text/tok_utf8.h"

#define PENALTY 10 /* kUnkPenalty of both libraries */
#define RESET 100000.0
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

void pt_unigram_limit(pt_unigram *u, int32_t n)
{
    if ((size_t)n < u->n) u->n = (size_t)n;
    if (u->unk >= n) u->unk = -1;
}

uint64_t pt_unigram_digest(const pt_unigram *u, uint64_t h)
{
    h = pt_fnv1a(pt_fnv1a(h, &u->f32, sizeof u->f32), &u->join, sizeof u->join);
    return pt_fnv1a(pt_fnv1a(h, &u->unk_score, sizeof u->unk_score), u->score, u->n * sizeof *u->score);
}

static inline void offer(const pt_unigram *u, pt_unigram_cut *to, double here, double score, size_t from, int32_t id)
{
    double sum = u->f32 ? (double)((float)score + (float)here) : score + here;
    if (to->other == NOWHERE || sum > to->score) *to = (pt_unigram_cut){sum, (uint32_t)from, id};
}

/* Sums of long texts lose their last bits: past a limit SentencePiece counts from here on. */
static void start_over(pt_unigram_cut *cut, size_t at, size_t last)
{
    float here = (float)cut[at].score;
    for (size_t i = at; i <= last; i++)
        if (i == at || cut[i].other != NOWHERE) cut[i].score = (float)cut[i].score - here;
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
    for (size_t i = 0, last = 0, len; i < n; i += len) {
        if (u->f32 && (cut[i].score < -RESET || cut[i].score > RESET)) start_over(cut, i, last);
        const double here = cut[i].score;
        bool single = false;
        uint32_t node = 0;
        len = pt_utf8_len((unsigned char)s[i]);
        if (len > n - i) len = n - i;
        for (size_t k = i; k < n && (node = pt_trie_step(u->trie, node, (unsigned char)s[k])) != 0; k++) {
            int32_t id = u->trie->node[node].id;
            if (id < 0 || (size_t)id >= u->n) continue;
            offer(u, &cut[k + 1], here, u->score[id], i, id);
            if (k + 1 > last) last = k + 1;
            single = single || k + 1 - i == len;
        }
        if (single) continue;
        if (u->unk < 0) return pt_fail(PT_EFORMAT, "the code point at byte %zu is not in the vocabulary, which has no unknown token", i);
        offer(u, &cut[i + len], here, u->unk_score, i, u->unk);
        if (i + len > last) last = i + len;
    }
    turn_round(cut, n);
    return PT_OK;
}

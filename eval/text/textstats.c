#include "eval/text/textstats.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"

void pt_ngrams_init(pt_ngrams *g, size_t n)
{
    *g = (pt_ngrams){.n = n};
}

void pt_ngrams_free(pt_ngrams *g)
{
    free(g->gram);
    free(g->count);
    free(g->slot);
    *g = (pt_ngrams){.n = g->n};
}

static size_t gram_slot(const pt_ngrams *g, const size_t *slot, size_t slots, const uint32_t *gram)
{
    uint64_t h = pt_fnv1a(0xcbf29ce484222325ull, gram, g->n * sizeof *gram);
    size_t s = (h ^ h >> 32) & (slots - 1);
    while (slot[s] && memcmp(g->gram + (slot[s] - 1) * g->n, gram, g->n * sizeof *gram) != 0) s = (s + 1) & (slots - 1);
    return s;
}

static pt_status ngrams_rehash(pt_ngrams *g)
{
    size_t slots = g->slots ? 2 * g->slots : 64, *slot;
    PT_RETURN(pt_alloc0(&slot, slots));
    for (size_t i = 0; i < g->distinct; i++) slot[gram_slot(g, slot, slots, g->gram + i * g->n)] = i + 1;
    free(g->slot);
    g->slot = slot;
    g->slots = slots;
    return PT_OK;
}

pt_status pt_ngrams_add(pt_ngrams *g, const pt_words *w)
{
    if (!g->n) return pt_fail(PT_EARG, "n-grams of 0 units");
    for (size_t i = 0; w->n >= g->n && i <= w->n - g->n; i++) {
        if (2 * (g->distinct + 1) > g->slots) PT_RETURN(ngrams_rehash(g));
        size_t s = gram_slot(g, g->slot, g->slots, w->id + i), cells;
        g->total++;
        if (g->slot[s]) {
            g->count[g->slot[s] - 1]++;
            continue;
        }
        if (!pt_mul_size(g->distinct + 1, g->n, &cells)) return pt_fail(PT_ENOMEM, "too many n-grams");
        PT_RETURN(pt_reserve(&g->gram, &g->gram_cap, cells));
        PT_RETURN(pt_reserve(&g->count, &g->count_cap, g->distinct + 1));
        memcpy(g->gram + g->distinct * g->n, w->id + i, g->n * sizeof *w->id);
        g->count[g->distinct] = 1;
        g->slot[s] = ++g->distinct;
    }
    return PT_OK;
}

size_t *pt_ngrams_at(pt_ngrams *g, const uint32_t *gram)
{
    if (!g->slots) return NULL;
    size_t s = gram_slot(g, g->slot, g->slots, gram);
    return g->slot[s] ? &g->count[g->slot[s] - 1] : NULL;
}

size_t pt_ngrams_count(const pt_ngrams *g, const uint32_t *gram)
{
    const size_t *count = pt_ngrams_at((pt_ngrams *)g, gram);
    return count ? *count : 0;
}

pt_status pt_ngrams_repeated(const pt_words *w, size_t n, size_t *repeated, size_t *total)
{
    pt_ngrams g;
    pt_ngrams_init(&g, n);
    pt_status rc = pt_ngrams_add(&g, w);
    *repeated = g.total - g.distinct;
    *total = g.total;
    pt_ngrams_free(&g);
    return rc;
}

pt_status pt_distinct_n(const pt_words *const *w, size_t count, size_t n, double *out)
{
    pt_status rc = PT_OK;
    pt_ngrams g;
    pt_ngrams_init(&g, n);
    for (size_t i = 0; i < count; i++) PT_TRY(pt_ngrams_add(&g, w[i]));
    *out = g.total ? (double)g.distinct / (double)g.total : 0;
done:
    pt_ngrams_free(&g);
    return rc;
}

pt_status pt_copies_find(const pt_words *answers, size_t count, const pt_words *train, size_t train_count, double threshold,
                         pt_copy *out, size_t *copied)
{
    size_t over = 0;
    for (size_t i = 0; i < count; i++) {
        out[i] = (pt_copy){0};
        for (size_t k = 0; k < train_count; k++) {
            /* f = 2 lcs / (|a| + |b|) and lcs <= min(|a|, |b|): skip what cannot win, with room for rounding. */
            size_t a = answers[i].n, b = train[k].n, low = a < b ? a : b;
            if (!low || 2.0 * (double)low / ((double)a + (double)b) + 1e-9 < out[i].f) continue;
            pt_rouge r;
            PT_RETURN(pt_rouge_l(&train[k], &answers[i], &r));
            if (r.f > out[i].f) out[i] = (pt_copy){.f = r.f, .train = k};
        }
        if (out[i].f > threshold) over++;
    }
    if (copied) *copied = over;
    return PT_OK;
}

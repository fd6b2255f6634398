/* Room that calls of encode use one after the other. A tokenizer keeps what ended calls leave, so that a short text pays for no allocation and words
 * merged before are found again. A call takes one of them for itself or makes its own: no lock, and nothing is shared while it is used. */
#include "data/text/tok_priv.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { SPARE = 16 };
#define KEEP ((size_t)1 << 20) /* bytes of a buffer that is kept for the next call */

struct pt_tok_pool {
    _Atomic(pt_tok_work *) spare[SPARE];
};

pt_status pt_tok_pool_new(pt_tokenizer *t)
{
    return t->pool ? PT_OK : pt_alloc0(&t->pool, 1);
}

static void made_free(pt_tok_made *m)
{
    pt_str_free(&m->s);
    free(m->map);
    *m = (pt_tok_made){0};
}

static void free_room(pt_tok_work *w, size_t n_splits)
{
    for (size_t i = 0; w->match && i < n_splits; i++) pcre2_match_data_free(w->match[i]);
    for (size_t i = 0; w->made && i < n_splits; i++) made_free(&w->made[i]);
    free(w->match);
    free(w->made);
    free(w->syms);
    free(w->heap);
    free(w->cache);
    made_free(&w->norm[0]);
    made_free(&w->norm[1]);
    pt_str_free(&w->word);
}

void pt_tok_pool_free(pt_tokenizer *t)
{
    for (int i = 0; t->pool && i < SPARE; i++) {
        pt_tok_work *w = atomic_load(&t->pool->spare[i]);
        if (w) free_room(w, t->n_splits);
        free(w);
    }
    free(t->pool);
    t->pool = NULL;
}

static pt_status make_matches(pt_tok_work *w)
{
    size_t n = w->t->n_splits;
    if (w->match || n == 0) return PT_OK;
    PT_RETURN(pt_alloc0(&w->made, n));
    PT_RETURN(pt_alloc0(&w->match, n));
    for (size_t i = 0; i < n; i++) {
        if (w->t->splits[i].step != PT_STEP_PATTERN) continue;
        w->match[i] = pcre2_match_data_create(1, NULL);
        if (!w->match[i]) return pt_fail(PT_ENOMEM, "out of memory");
    }
    return PT_OK;
}

pt_status pt_tok_work_open(pt_tok_work *w)
{
    pt_tok_work *old = NULL;
    for (int i = 0; w->t->pool && i < SPARE && !old; i++)
        if (atomic_load_explicit(&w->t->pool->spare[i], memory_order_relaxed)) old = atomic_exchange(&w->t->pool->spare[i], NULL);
    if (old) {
        w->syms = old->syms, w->syms_cap = old->syms_cap;
        w->heap = old->heap, w->heap_cap = old->heap_cap;
        w->match = old->match;
        w->cache = old->cache;
        w->made = old->made;
        w->word = old->word;
        memcpy(w->norm, old->norm, sizeof w->norm);
        free(old);
    }
    w->norm[0].mapped = w->norm[1].mapped = w->want_ends;
    if (!w->cache && w->t->model == PT_MODEL_BPE) {
        PT_RETURN(pt_alloc_pages(&w->cache, PT_TOK_CACHED_SLOTS * sizeof *w->cache));
        memset(w->cache, 0, PT_TOK_CACHED_SLOTS * sizeof *w->cache);
    }
    return make_matches(w);
}

static void shrink_made(pt_tok_made *m)
{
    if (m->s.cap > KEEP || m->map_cap * sizeof *m->map > KEEP) made_free(m);
}

static void shrink(pt_tok_work *w)
{
    if (w->syms_cap * sizeof *w->syms > KEEP) free(w->syms), w->syms = NULL, w->syms_cap = 0;
    if (w->heap_cap * sizeof *w->heap > KEEP) free(w->heap), w->heap = NULL, w->heap_cap = 0;
    for (int i = 0; i < 2; i++) shrink_made(&w->norm[i]);
    for (size_t i = 0; w->made && i < w->t->n_splits; i++) shrink_made(&w->made[i]);
    if (w->word.cap > KEEP) pt_str_free(&w->word);
}

void pt_tok_work_close(pt_tok_work *w)
{
    pt_tok_work *kept = NULL;
    shrink(w);
    bool whole = (w->cache || w->t->model != PT_MODEL_BPE) && (w->match || !w->t->n_splits);
    for (size_t i = 0; whole && w->match && i < w->t->n_splits; i++) whole = w->match[i] || w->t->splits[i].step != PT_STEP_PATTERN;
    if (w->t->pool && whole) kept = malloc(sizeof *kept);
    if (kept) {
        *kept = (pt_tok_work){.syms = w->syms, .syms_cap = w->syms_cap, .heap = w->heap, .heap_cap = w->heap_cap, .match = w->match, .cache = w->cache, .made = w->made, .word = w->word};
        memcpy(kept->norm, w->norm, sizeof kept->norm);
        for (int i = 0; i < SPARE; i++) {
            pt_tok_work *none = NULL;
            if (atomic_compare_exchange_strong(&w->t->pool->spare[i], &none, kept)) return;
        }
        free(kept);
    }
    free_room(w, w->t->n_splits);
}

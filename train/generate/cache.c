/* Who has which rows of the cache: extents in order of place, each with its users. */
#include <stdlib.h>
#include <string.h>

#include "data/batch/batch_layout.h"
#include "train/generate/generate_impl.h"

static pt_status first_fit(pt_gen_cache *c, int32_t n, int32_t *at)
{
    size_t i = 0;
    int32_t end = 0;
    for (; i < c->n && c->list[i].at - end < n; i++) end = c->list[i].at + c->list[i].n;
    *at = -1;
    if (c->cells - end < n) return PT_OK;
    PT_RETURN(pt_reserve(&c->list, &c->cap, c->n + 1));
    memmove(c->list + i + 1, c->list + i, (c->n - i) * sizeof *c->list);
    c->list[i] = (pt_gen_extent){end, n, 1};
    c->n++;
    *at = end;
    return PT_OK;
}

static pt_gen_extent *find(pt_gen_cache *c, int32_t at)
{
    size_t i = 0;
    while (c->list[i].at != at) i++;
    return &c->list[i];
}

static void drop(pt_gen_cache *c, int32_t at)
{
    pt_gen_extent *x = find(c, at);
    if (--x->users) return;
    memmove(x, x + 1, (size_t)(c->list + c->n - x - 1) * sizeof *x);
    c->n--;
}

void pt_gen_release(pt_gen *g, pt_gen_seq *s)
{
    for (int i = 0; i < s->n_spans; i++) drop(&g->cache, s->span[i].at);
    s->n_spans = 0;
}

void pt_gen_retire(pt_gen *g, pt_gen_seq *s)
{
    pt_gen_release(g, &g->past);
    g->past = *s;
}

pt_status pt_gen_own(pt_gen *g, pt_gen_seq *s, int32_t n, bool *fits)
{
    int32_t at;
    PT_RETURN(first_fit(&g->cache, n, &at));
    if (at < 0 && g->past.n_spans) {
        pt_gen_release(g, &g->past);
        PT_RETURN(first_fit(&g->cache, n, &at));
    }
    *fits = at >= 0;
    if (*fits) s->span[s->n_spans++] = (pt_gen_span){at, n};
    return PT_OK;
}

void pt_gen_share(pt_gen *g, pt_gen_seq *s, const pt_gen_seq *of, int32_t n)
{
    for (int i = 0; n > 0; i++) {
        const int32_t part = of->span[i].n < n ? of->span[i].n : n;
        s->span[s->n_spans++] = (pt_gen_span){of->span[i].at, part};
        find(&g->cache, of->span[i].at)->users++;
        n -= part;
    }
}

int32_t pt_gen_within(const pt_gen_seq *s, int32_t n, int spans)
{
    int32_t held = 0;
    for (int i = 0; i < s->n_spans && i < spans; i++) held += s->span[i].n;
    return held < n ? held : n;
}

int32_t pt_gen_cell(const pt_gen_seq *s, int32_t position)
{
    int i = 0;
    for (; position >= s->span[i].n; i++) position -= s->span[i].n;
    return s->span[i].at + position;
}

void pt_gen_runs(const pt_gen_seq *s, int32_t len, int32_t runs[2 * PT_DECODE_SPANS])
{
    for (int i = 0; i < PT_DECODE_SPANS; i++) {
        const int32_t n = i < s->n_spans ? (s->span[i].n < len ? s->span[i].n : len) : 0;
        runs[2 * i] = n ? s->span[i].at : 0;
        runs[2 * i + 1] = n;
        len -= n;
    }
}

static int by_ids(const void *pa, const void *pb)
{
    const pt_gen_place *a = pa, *b = pb;
    const size_t n = a->p->n < b->p->n ? a->p->n : b->p->n, same = pt_gen_same(a->p, b->p);
    if (same < n) return a->p->ids[same] < b->p->ids[same] ? -1 : 1;
    if (a->p->n != b->p->n) return a->p->n < b->p->n ? 1 : -1; /* the longer one holds the shorter one's keys */
    return (a->index > b->index) - (a->index < b->index);
}

size_t pt_gen_same(const pt_ids *a, const pt_ids *b)
{
    const size_t n = a->n < b->n ? a->n : b->n;
    size_t i = 0;
    while (i < n && a->ids[i] == b->ids[i]) i++;
    return i;
}

pt_status pt_gen_order(const pt_ids *prompts, size_t n, pt_gen_place **out)
{
    PT_RETURN(pt_alloc0(out, n));
    for (size_t i = 0; i < n; i++) (*out)[i] = (pt_gen_place){&prompts[i], i};
    qsort(*out, n, sizeof **out, by_ids);
    return PT_OK;
}

/* What b is counted to share with a: all of a prompt that begins or is the other; else less what the forest may leave out, pieces too short to be worth a
 * segment. Counting those too would leave the last prompt no room by a few positions. */
static int64_t sure(const pt_ids *a, const pt_ids *b)
{
    const int64_t same = (int64_t)pt_gen_same(a, b);
    if (same < PT_SHARE_MIN_SAVED) return 0;
    return same == (int64_t)(a->n < b->n ? a->n : b->n) ? same : same - (PT_SHARE_MIN_SAVED - 1);
}

pt_status pt_gen_cells(const pt_ids *prompts, size_t n, int32_t rows, int32_t max_new_tokens, int32_t *cells)
{
    pt_gen_place *order;
    int64_t held = 0, most = 0, longest = 0;
    PT_RETURN(pt_gen_order(prompts, n, &order));
    for (size_t i = 0; i < n; i++) {
        const size_t gone = i - (size_t)rows; /* held: positions of requests gone+1..i, what each shares with the one before it left out */
        held += (int64_t)order[i].p->n + max_new_tokens - (i ? sure(order[i - 1].p, order[i].p) : 0);
        if (i >= (size_t)rows) held -= (int64_t)order[gone].p->n + max_new_tokens - (gone ? sure(order[gone - 1].p, order[gone].p) : 0);
        const size_t head = i >= (size_t)rows ? gone + 1 : 0; /* the first of them shares with nobody */
        const int64_t all = held + (head ? sure(order[head - 1].p, order[head].p) : 0);
        if (all > most) most = all;
        if ((int64_t)order[i].p->n > longest) longest = (int64_t)order[i].p->n;
    }
    free(order);
    if (most < longest + max_new_tokens + 1) most = longest + max_new_tokens + 1;
    *cells = most < INT32_MAX / 2 ? (int32_t)most : 0;
    return PT_OK;
}

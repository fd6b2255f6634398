/* Merging one word: always the pair of lowest rank, leftmost first, until no pair is left.
 * Ranks: the list of merges, or (SentencePiece scores) the order of the merged piece's score. */
#include "data/text/tok_priv.h"

#include <stdlib.h>
#include <string.h>

#define SMALL 40 /* words up to this many symbols are scanned; longer ones use a heap */

static uint32_t pair_rank(const pt_tokenizer *t, const char *s, const pt_tok_sym *a, const pt_tok_sym *b, int32_t *id)
{
    if (t->scored) {
        *id = pt_tok_raw_find(t, s + a->at, a->len + b->len);
        return *id < 0 ? PT_TOK_NO_RANK : t->rank[*id];
    }
    if (a->id < 0 || b->id < 0) return PT_TOK_NO_RANK;
    uint64_t key = (uint64_t)(uint32_t)a->id << 32 | (uint32_t)b->id;
    for (size_t i = (key * 0x9E3779B97F4A7C15ull >> 32) & t->pair_mask;; i = (i + 1) & t->pair_mask) {
        if (t->pairs[i].key == key) {
            *id = t->pairs[i].id;
            return *id < t->n ? t->pairs[i].rank : PT_TOK_NO_RANK; /* cut off by pt_tok_limit */
        }
        if (t->pairs[i].key == UINT64_MAX) return PT_TOK_NO_RANK;
    }
}

/* The library drops what it can neither spell nor call unknown before it merges; the symbol before takes its bytes. */
static uint32_t add_symbol(const pt_tokenizer *t, pt_tok_sym *y, uint32_t k, int32_t id, size_t at, size_t len)
{
    bool dropped = id < 0 && t->model_unk < 0 && !t->scored;
    if (!dropped)
        y[k] = (pt_tok_sym){id, (uint32_t)at, (uint32_t)len, 0, 0};
    else if (k)
        y[k - 1].len += (uint32_t)len;
    return k + !dropped;
}

/* A character of a word with what pieces at that place begin or end with. */
static int32_t find_char(const pt_tokenizer *t, const char *s, size_t len, bool first, bool last)
{
    char text[2 * PT_TOK_MAX_AFFIX + 4];
    size_t n = 0, k;
    if (!t->word_prefix && !t->word_suffix) return pt_tok_raw_find(t, s, len);
    if (t->word_prefix && !first) n = strlen(t->word_prefix), memcpy(text, t->word_prefix, n);
    memcpy(text + n, s, len);
    n += len;
    if (t->word_suffix && last) k = strlen(t->word_suffix), memcpy(text + n, t->word_suffix, k), n += k;
    return pt_tok_raw_find(t, text, n);
}

/* The word's first symbols: bytes, or characters, an unknown character as its byte tokens or as one symbol of id -1. */
static uint32_t first_symbols(const pt_tokenizer *t, const char *s, size_t n, pt_tok_sym *y)
{
    uint32_t k = 0;
    if (t->byte_level) {
        for (size_t i = 0; i < n; i++) k = add_symbol(t, y, k, t->byte_id[(unsigned char)s[i]], i, 1);
        return k;
    }
    for (size_t i = 0; i < n;) {
        size_t len = pt_utf8_len((unsigned char)s[i]);
        if (len > n - i) len = n - i;
        int32_t id = find_char(t, s + i, len, i == 0, i + len == n);
        bool bytes = id < 0 && t->byte_fallback && !t->scored;
        for (size_t b = 0; bytes && b < len; b++) bytes = t->byte_id[(unsigned char)s[i + b]] >= 0;
        for (size_t b = 0; bytes && b < len; b++) k = add_symbol(t, y, k, t->byte_id[(unsigned char)s[i + b]], i + b, 1);
        if (!bytes) k = add_symbol(t, y, k, id, i, len);
        i += len;
    }
    return k;
}

static uint32_t merge_small(const pt_tokenizer *t, const char *s, pt_tok_sym *y, uint32_t k)
{
    uint32_t rank[SMALL];
    int32_t id[SMALL];
    for (uint32_t i = 0; i + 1 < k; i++) rank[i] = pair_rank(t, s, &y[i], &y[i + 1], &id[i]);
    while (k > 1) {
        uint32_t best = 0;
        for (uint32_t i = 1; i + 1 < k; i++) {
            if (rank[i] < rank[best]) best = i;
        }
        if (rank[best] == PT_TOK_NO_RANK) break;
        y[best].id = id[best];
        y[best].len += y[best + 1].len;
        k--;
        for (uint32_t i = best + 1; i < k; i++) {
            y[i] = y[i + 1];
            rank[i - 1] = rank[i];
            id[i - 1] = id[i];
        }
        if (best + 1 < k) rank[best] = pair_rank(t, s, &y[best], &y[best + 1], &id[best]);
        if (best) rank[best - 1] = pair_rank(t, s, &y[best - 1], &y[best], &id[best - 1]);
    }
    return k;
}

static bool item_less(const pt_tok_heap_item *a, const pt_tok_heap_item *b)
{
    return a->rank != b->rank ? a->rank < b->rank : a->pos < b->pos;
}

static pt_status heap_push(pt_tok_work *w, pt_tok_heap_item it)
{
    PT_RETURN(pt_reserve(&w->heap, &w->heap_cap, w->heap_n + 1));
    size_t i = w->heap_n++;
    while (i && item_less(&it, &w->heap[(i - 1) / 2])) {
        w->heap[i] = w->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    w->heap[i] = it;
    return PT_OK;
}

static pt_tok_heap_item heap_pop(pt_tok_work *w)
{
    pt_tok_heap_item top = w->heap[0], last = w->heap[--w->heap_n];
    size_t i = 0, c;
    while ((c = 2 * i + 1) < w->heap_n) {
        if (c + 1 < w->heap_n && item_less(&w->heap[c + 1], &w->heap[c])) c++;
        if (!item_less(&w->heap[c], &last)) break;
        w->heap[i] = w->heap[c];
        i = c;
    }
    w->heap[i] = last;
    return top;
}

static pt_status push_pair(pt_tok_work *w, const char *s, uint32_t i)
{
    pt_tok_sym *y = w->syms;
    if (y[i].next == UINT32_MAX) return PT_OK;
    pt_tok_sym *b = &y[y[i].next];
    int32_t id = -1;
    uint32_t rank = pair_rank(w->t, s, &y[i], b, &id);
    if (rank == PT_TOK_NO_RANK) return PT_OK;
    return heap_push(w, (pt_tok_heap_item){rank, i, y[i].id, b->id, id, y[i].len + b->len});
}

/* syms become a list; merged-away symbols get len 0 and are squeezed out at the end. */
static pt_status merge_heap(pt_tok_work *w, const char *s, uint32_t *count)
{
    pt_tok_sym *y = w->syms;
    uint32_t k = *count, out = 0;
    w->heap_n = 0;
    for (uint32_t i = 0; i < k; i++) {
        y[i].prev = i ? i - 1 : UINT32_MAX;
        y[i].next = i + 1 < k ? i + 1 : UINT32_MAX;
    }
    for (uint32_t i = 0; i + 1 < k; i++) PT_RETURN(push_pair(w, s, i));
    while (w->heap_n) {
        pt_tok_heap_item it = heap_pop(w);
        pt_tok_sym *a = &y[it.pos];
        if (a->len == 0 || a->next == UINT32_MAX) continue;
        pt_tok_sym *b = &y[a->next];
        if (a->len + b->len != it.len || a->id != it.left || b->id != it.right) continue;
        a->id = it.id;
        a->len += b->len;
        b->len = 0;
        a->next = b->next;
        if (a->next != UINT32_MAX) y[a->next].prev = it.pos;
        if (a->prev != UINT32_MAX) PT_RETURN(push_pair(w, s, a->prev));
        PT_RETURN(push_pair(w, s, it.pos));
    }
    for (uint32_t i = 0; i < k; i++) {
        if (y[i].len) y[out++] = y[i];
    }
    *count = out;
    return PT_OK;
}

static pt_status merge_word(pt_tok_work *w, const char *s, size_t n, pt_tok_sym *small, pt_tok_sym **y, uint32_t *k)
{
    *y = small;
    if (n > SMALL) {
        if (n > UINT32_MAX / 2) return pt_fail(PT_EFORMAT, "a word of %zu bytes is too long", n);
        PT_RETURN(pt_reserve(&w->syms, &w->syms_cap, n));
        *y = w->syms;
    }
    *k = first_symbols(w->t, s, n, *y);
    if (*k <= SMALL)
        *k = merge_small(w->t, s, *y, *k);
    else
        PT_RETURN(merge_heap(w, s, k));
    return PT_OK;
}

static pt_status emit_symbol(pt_tok_work *w, const char *s, const pt_tok_sym *y)
{
    const pt_tokenizer *t = w->t;
    const char *at = s + y->at, *end = at + y->len;
    if (y->id >= 0) {
        w->last_unk = false;
        return pt_tok_emit(w, y->id, end);
    }
    bool bytes = !t->byte_level && t->byte_fallback;
    for (uint32_t b = 0; bytes && b < y->len; b++) bytes = t->byte_id[(unsigned char)at[b]] >= 0;
    if (bytes) {
        for (uint32_t b = 0; b < y->len; b++) PT_RETURN(pt_tok_emit(w, t->byte_id[(unsigned char)at[b]], at + b + 1));
        w->last_unk = false;
        return PT_OK;
    }
    if (t->model_unk < 0) return PT_OK;
    if (t->fuse_unk && w->last_unk) {
        if (w->want_ends) w->ends[w->out->n - w->first - 1] = pt_tok_place(&w->view, (size_t)(end - w->view.s));
        return PT_OK;
    }
    w->last_unk = true;
    return pt_tok_emit(w, t->model_unk, end);
}

static pt_status emit_cached(pt_tok_work *w, const pt_tok_cached *c, const char *s)
{
    w->last_unk = false;
    if (w->want_ends) {
        for (int i = 0; i < c->n; i++) PT_RETURN(pt_tok_emit(w, c->id[i], s + c->end[i]));
        return PT_OK;
    }
    PT_RETURN(pt_reserve(&w->out->ids, &w->out->cap, w->out->n + c->n));
    for (int i = 0; i < c->n; i++) w->out->ids[w->out->n + (size_t)i] = c->id[i];
    w->out->n += c->n;
    return PT_OK;
}

/* Where the n tokens that k symbols became end: of an unknown character that became bytes, after each of them. */
static void remember(const pt_tokenizer *t, pt_tok_cached *c, uint32_t tag, const char *s, size_t len, const pt_tok_sym *y, uint32_t k, const int32_t *ids)
{
    pt_tok_cached got = {.tag = tag, .len = (uint8_t)len};
    for (uint32_t i = 0; i < k; i++) {
        if (y[i].id == t->model_unk && t->model_unk >= 0) return; /* such a token may grow */
        uint32_t many = y[i].id >= 0 ? 1 : y[i].len;
        if (got.n + many > PT_TOK_CACHED_IDS) return;
        for (uint32_t b = 1; b <= many; b++) {
            got.id[got.n] = ids[got.n];
            got.end[got.n++] = (uint8_t)(y[i].at + (many > 1 || y[i].id < 0 ? b : y[i].len));
        }
    }
    memcpy(got.text, s, len);
    *c = got;
}

/* A word that nothing cuts. */
static pt_status merged(pt_tok_work *w, const char *s, size_t n)
{
    const pt_tokenizer *t = w->t;
    pt_tok_sym small[SMALL], *y;
    pt_tok_cached *c = NULL;
    uint32_t k = 0, tag = 0;
    size_t first = w->out->n, many = 0;
    if (w->cache && n <= PT_TOK_CACHED_BYTES) {
        uint64_t h = pt_tok_hash_bytes(s, n);
        tag = (uint32_t)(h >> 32);
        c = &w->cache[h & (PT_TOK_CACHED_SLOTS - 1)];
        if (c->tag == tag && c->len == n && memcmp(c->text, s, n) == 0) return emit_cached(w, c, s);
    }
    w->last_unk = false;
    int32_t id = t->ignore_merges ? pt_tok_raw_find(t, s, n) : -1;
    if (id >= 0 && (t->flags[id] & PT_TOK_DIRECT)) {
        if (c) remember(t, c, tag, s, n, &(pt_tok_sym){.id = id, .len = (uint32_t)n}, 1, &id);
        return pt_tok_emit(w, id, s + n);
    }
    PT_RETURN(merge_word(w, s, n, small, &y, &k));
    for (uint32_t i = 0; i < k; i++) {
        PT_RETURN(emit_symbol(w, s, &y[i]));
        many += y[i].id >= 0 ? 1 : y[i].len;
    }
    if (c && many && w->out->n - first == many) remember(t, c, tag, s, n, y, k, w->out->ids + first); /* not where characters were dropped or are unknown */
    return PT_OK;
}

pt_status pt_tok_bpe_word(pt_tok_work *w, const char *s, size_t n)
{
    while (w->t->joint && n) {
        size_t k = pt_tok_cut(w->t, s, n);
        if (k == n) break;
        PT_RETURN(merged(w, s, k));
        s += k;
        n -= k;
    }
    return merged(w, s, n);
}

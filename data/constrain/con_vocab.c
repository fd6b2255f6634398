/* The tokens of a vocabulary by their bytes, as a tree in depth-first order. */
#include <stdlib.h>
#include <string.h>

#include "data/constrain/con_priv.h"

void pt_constraint_vocab_free(pt_constraint_vocab *v)
{
    if (!v) return;
    while (v->all) {
        pt_constraint *c = v->all;
        v->all = c->next;
        pt_con_constraint_free(c);
    }
    free(v->end);
    free(v->ends);
    free(v->path);
    free(v->order);
    free(v->tree);
    free(v->at);
    free(v->bytes);
    free(v);
}

size_t pt_constraint_words(const pt_constraint_vocab *v)
{
    return v->words;
}

size_t pt_constraint_vocab_bytes(int32_t rows, size_t token_bytes)
{
    size_t n = (size_t)(rows > 0 ? rows : 0);
    return sizeof(pt_constraint_vocab) + token_bytes + (n + 1) * 2 * sizeof(uint32_t) + (token_bytes + 2) * sizeof(pt_con_tree) + (n / 64 + 1) * sizeof(uint64_t);
}

static int by_bytes(const void *a, const void *b, void *user)
{
    const pt_constraint_vocab *v = user;
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    size_t nx = v->at[x + 1] - v->at[x], ny = v->at[y + 1] - v->at[y];
    int c = memcmp(v->bytes + v->at[x], v->bytes + v->at[y], nx < ny ? nx : ny);
    return c ? c : nx != ny ? (nx < ny ? -1 : 1) : (x > y) - (x < y);
}

/* The tree of sorted tokens; the node behind the last one ends the last one's tokens. */
static pt_status build_tree(pt_constraint_vocab *v, size_t n_order)
{
    pt_status rc = PT_OK;
    uint32_t *open = NULL; /* the node at each depth of the present branch */
    size_t depth = 0, cap = 0;
    PT_TRY(pt_alloc0(&open, v->longest + 1));
    for (size_t i = 0; i < n_order; i++) {
        uint32_t id = v->order[i];
        const char *s = v->bytes + v->at[id];
        size_t n = v->at[id + 1] - v->at[id], same = 0;
        while (same < depth && same < n && v->tree[open[same]].byte == (uint8_t)s[same]) same++;
        while (depth > same) v->tree[open[--depth]].skip = (uint32_t)v->n_tree;
        for (size_t d = 0; d < same; d++)
            if (v->tree[open[d]].longest < n) v->tree[open[d]].longest = (uint16_t)n;
        for (; depth < n; depth++) {
            PT_TRY(pt_reserve(&v->tree, &cap, v->n_tree + 2));
            open[depth] = (uint32_t)v->n_tree;
            v->tree[v->n_tree++] = (pt_con_tree){.longest = (uint16_t)n, .token = (uint32_t)i, .depth = (uint16_t)(depth + 1), .byte = (uint8_t)s[depth]};
        }
    }
    while (depth) v->tree[open[--depth]].skip = (uint32_t)v->n_tree;
    PT_TRY(pt_reserve(&v->tree, &cap, v->n_tree + 1));
    v->tree[v->n_tree].token = (uint32_t)n_order;
    pt_con_tree *tight = realloc(v->tree, (v->n_tree + 1) * sizeof *tight);
    if (tight) v->tree = tight;
    v->cache.fixed += (v->n_tree + 1) * sizeof *v->tree;
done:
    free(open);
    return rc;
}

/* Tokens that end at a node are those from its `token` to that of the next node: a node's first token, where it has none of its own, is its
 * first child's. */
static pt_status build(pt_constraint_vocab *v, const pt_constraint_bytes *b, const int32_t *ends, size_t n_ends)
{
    size_t n_order = 0, total = 0;
    for (int32_t i = 0; i < b->rows; i++) total += b->length[i];
    if (total > UINT32_MAX / 2) return pt_fail(PT_ENOSUP, "a vocabulary of %zu bytes", total);
    PT_RETURN(pt_alloc0(&v->bytes, total + 1));
    PT_RETURN(pt_alloc0(&v->at, (size_t)b->rows + 1));
    PT_RETURN(pt_alloc0(&v->order, (size_t)b->rows));
    PT_RETURN(pt_alloc0(&v->ends, v->words));
    PT_RETURN(pt_alloc0(&v->end, n_ends));
    for (size_t i = 0; i < n_ends; i++) {
        if (ends[i] < 0 || ends[i] >= b->rows) return pt_fail(PT_EARG, "the end token %d is not one of the vocabulary's %d", ends[i], b->rows);
        v->ends[ends[i] / 64] |= (uint64_t)1 << (ends[i] % 64);
        v->end[v->n_ends++] = ends[i];
    }
    for (int32_t i = 0; i < b->rows; i++) {
        uint32_t n = v->ends[i / 64] >> (i % 64) & 1 ? 0 : b->length[i];
        if (n > UINT16_MAX) n = 0; /* longer than anything that is generated */
        if (n) memcpy(v->bytes + v->at[i], b->bytes[i], n);
        v->at[i + 1] = v->at[i] + n;
        for (uint32_t k = 0; k < n; k++) v->has[(unsigned char)b->bytes[i][k]] = true;
        if (n) v->order[n_order++] = (uint32_t)i;
        if (n > v->longest) v->longest = n;
    }
    if (n_order) qsort_r(v->order, n_order, sizeof *v->order, by_bytes, v);
    PT_RETURN(pt_alloc0(&v->path, v->longest + 1));
    v->cache.fixed = sizeof *v + total + ((size_t)b->rows + 1) * 2 * sizeof(uint32_t) + v->words * sizeof *v->ends;
    return build_tree(v, n_order);
}

pt_status pt_constraint_vocab_of(pt_constraint_vocab **out, const pt_constraint_bytes *b, const int32_t *ends, size_t n_ends, size_t limit)
{
    pt_constraint_vocab *v = NULL;
    pt_status rc = PT_OK;
    *out = NULL;
    PT_CHECK(b->rows > 0 && n_ends, PT_EARG, "a vocabulary without %s", n_ends ? "tokens" : "an end token");
    PT_TRY(pt_alloc0(&v, 1));
    v->rows = b->rows;
    v->words = ((size_t)b->rows + 63) / 64;
    v->lead = b->lead;
    v->cache.limit = limit;
    PT_TRY(build(v, b, ends, n_ends));
    *out = v;
    v = NULL;
done:
    pt_constraint_vocab_free(v);
    return rc;
}

pt_status pt_constraint_vocab_make(pt_constraint_vocab **out, const pt_tokenizer *t, int32_t rows, const int32_t *ends, size_t n_ends, size_t limit)
{
    pt_status rc = PT_OK;
    pt_str all = {0};
    size_t n = rows > 0 ? (size_t)rows : 0, *at = NULL;
    const char **bytes = NULL;
    uint32_t *length = NULL;
    *out = NULL;
    PT_CHECK(rows >= pt_tok_vocab_size(t), PT_EARG, "%d rows of logits for a vocabulary of %d", rows, pt_tok_vocab_size(t));
    PT_TRY(pt_alloc0(&at, n + 1));
    PT_TRY(pt_alloc0(&bytes, n));
    PT_TRY(pt_alloc0(&length, n));
    PT_TRY(pt_str_add(&all, "", 0));
    for (size_t i = 0; i < n; i++) {
        PT_TRY(pt_tok_bytes(t, (int32_t)i, &all));
        at[i + 1] = all.len;
    }
    for (size_t i = 0; i < n; i++) {
        bytes[i] = all.text + at[i];
        length[i] = (uint32_t)(at[i + 1] - at[i]);
    }
    pt_constraint_bytes b = {rows, bytes, length, pt_tok_lead(t)};
    rc = pt_constraint_vocab_of(out, &b, ends, n_ends, limit);
done:
    free(length);
    free(bytes);
    free(at);
    pt_str_free(&all);
    return rc;
}

pt_constraint_cache pt_constraint_cache_of(const pt_constraint_vocab *v)
{
    pt_constraint_cache c = v->cache;
    for (const pt_con_mask *m = v->oldest; m; m = m->newer) c.masks++;
    for (const pt_constraint *k = v->all; k; k = k->next) c.constraints++;
    return c;
}

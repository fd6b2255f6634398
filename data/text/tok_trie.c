/* Built breadth first from the sorted strings, so that the children of a node stand together. */
#include "data/text/tok_trie.h"

#include <stdlib.h>

/* The strings below a node: they share their first `depth` bytes. */
typedef struct span {
    size_t from, to;
    uint32_t depth;
} span;

static int by_text(const void *a, const void *b)
{
    const pt_trie_key *x = a, *y = b;
    int c = memcmp(x->text, y->text, x->n < y->n ? x->n : y->n);
    if (c) return c;
    if (x->n != y->n) return x->n < y->n ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

static pt_status put_children(pt_trie *t, const pt_trie_key *keys, span **spans, size_t *cap, size_t at)
{
    span s = (*spans)[at];
    while (s.from < s.to && keys[s.from].n == s.depth) t->node[at].id = keys[s.from++].id;
    t->node[at].first = (uint32_t)t->n;
    while (s.from < s.to) {
        unsigned char c = (unsigned char)keys[s.from].text[s.depth];
        size_t to = s.from + 1;
        while (to < s.to && (unsigned char)keys[to].text[s.depth] == c) to++;
        PT_RETURN(pt_reserve(&t->node, &t->cap_node, t->n + 1));
        PT_RETURN(pt_reserve(&t->label, &t->cap_label, t->n + 1));
        PT_RETURN(pt_reserve(spans, cap, t->n + 1));
        t->node[t->n].id = -1;
        t->label[t->n] = c;
        (*spans)[t->n] = (span){s.from, to, s.depth + 1};
        if (at == 0) t->root[c] = (uint32_t)t->n;
        t->n++;
        t->node[at].n++;
        s.from = to;
    }
    return PT_OK;
}

pt_status pt_trie_build(pt_trie **out, pt_trie_key *keys, size_t n)
{
    pt_status rc = PT_OK;
    pt_trie *t = NULL;
    span *spans = NULL;
    size_t cap = 0, bytes = 0, first = 0;
    *out = NULL;
    PT_TRY(pt_alloc0(&t, 1));
    for (size_t i = 0; i < n; i++) bytes += keys[i].n;
    PT_CHECK(bytes < UINT32_MAX - 1, PT_EFORMAT, "the vocabulary's texts take more than 4 GB");
    if (n) qsort(keys, n, sizeof *keys, by_text);
    while (first < n && keys[first].n == 0) first++;
    PT_TRY(pt_reserve(&t->node, &t->cap_node, 1));
    PT_TRY(pt_reserve(&t->label, &t->cap_label, 1));
    PT_TRY(pt_reserve(&spans, &cap, 1));
    t->node[0].id = -1;
    spans[0] = (span){first, n, 0};
    t->n = 1;
    for (size_t at = 0; at < t->n; at++) PT_TRY(put_children(t, keys, &spans, &cap, at));
    *out = t;
    t = NULL;
done:
    free(spans);
    pt_trie_free(t);
    return rc;
}

void pt_trie_free(pt_trie *t)
{
    if (!t) return;
    free(t->node);
    free(t->label);
    free(t);
}

size_t pt_trie_longest(const pt_trie *t, const char *s, size_t n, int32_t *id)
{
    size_t best = 0;
    uint32_t node = 0;
    *id = -1;
    for (size_t i = 0; i < n && (node = pt_trie_step(t, node, (unsigned char)s[i])) != 0; i++) {
        if (t->node[node].id < 0) continue;
        best = i + 1;
        *id = t->node[node].id;
    }
    return best;
}

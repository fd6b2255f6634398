/* A fixed set of byte strings with an id each: which of them begin a text. Immutable once built. */
#ifndef PT_DATA_TOK_TRIE_H
#define PT_DATA_TOK_TRIE_H
#include <stdint.h>
#include <string.h>
#include "base/mem.h"

typedef struct pt_trie_key {
    const char *text;
    uint32_t n;
    int32_t id; /* >= 0 */
} pt_trie_key;

typedef struct pt_trie_node {
    uint32_t first; /* its children stand one behind another, by their bytes */
    uint32_t n;     /* how many */
    int32_t id;     /* of the string that ends here; -1 = none */
} pt_trie_node;

typedef struct pt_trie {
    pt_trie_node *node;   /* node 0: the root */
    unsigned char *label; /* the byte that leads to a node */
    size_t n, cap_node, cap_label;
    uint32_t root[256]; /* the root's children by byte; 0 = none */
} pt_trie;

/* keys are borrowed for the call and sorted in place; empty ones are passed over; of equal ones the highest id counts. *out is owned.
 * PT_EFORMAT: more than 4 G bytes of keys. */
pt_status pt_trie_build(pt_trie **out, pt_trie_key *keys, size_t n);
void pt_trie_free(pt_trie *t);

/* The node behind `node` by byte c; 0 when no string goes on so. */
static inline uint32_t pt_trie_step(const pt_trie *t, uint32_t node, unsigned char c)
{
    if (!node) return t->root[c];
    const pt_trie_node *p = &t->node[node];
    if (!p->n) return 0;
    const unsigned char *from = t->label + p->first, *hit = memchr(from, c, p->n);
    return hit ? p->first + (uint32_t)(hit - from) : 0;
}

/* Bytes of the longest string of the set that s begins with, and its id; 0 and -1 when there is none. */
size_t pt_trie_longest(const pt_trie *t, const char *s, size_t n, int32_t *id);
#endif

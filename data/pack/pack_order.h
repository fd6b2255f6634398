/* The lexicographic order of token sequences, and what neighbours share: what sharing would save, and the order in which a forest is laid out. */
#ifndef PT_PACK_ORDER_H
#define PT_PACK_ORDER_H
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

typedef struct pt_sequence {
    const int32_t *ids;
    int32_t n, slot;
} pt_sequence;

/* Order of (slot, ids), ties by index: order[k] = index of the k-th; lcp[k] = tokens that the k-th shares with the one before it, 0 for
 * the first and across slots. PT_ESHAPE: more than 2^31 sequences. */
pt_status pt_sequence_order(const pt_sequence *seqs, size_t n, int32_t *order, int32_t *lcp);
#endif

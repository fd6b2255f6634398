/* The batch: one stream of tokens cut into a forest of segments. The one struct that crosses most borders.
 *
 * Built by data/ on the host, consumed by train/model. N tokens lie one after another without padding between them; segment s owns tokens
 * [seg_start[s], seg_start[s+1]). Segments lie in depth-first order; seg_end[s] is the token index where the subtree of s
 * ends. Token i sees token j iff  j <= i < seg_end(segment of j)  and, with a window w, position(i) - position(j) < w.
 * A segment continues at its parent's last position + 1, a root begins at 0. The only padding is a dead tail segment (its own root, no rows) that
 * rounds n_tokens up to a multiple of 64, so that GEMM shapes are few (slot of the last live segment, so that runs of one slot end
 * at a round number too); n_live counts tokens without it.
 *
 * A row is one supervised prediction: the hidden state of token row_token = head_token[row_head[r]] predicts row_target[r].
 * A head position may serve several rows (first tokens of several answers behind one shared prefix). Rows are sorted by row_head.
 * A group is one answer: the rows in group_rows[group_row_start[g] .. group_row_start[g+1]) (a row may stand in several groups).
 *
 * Normalisers (step_*) count the WHOLE optimiser step: all micro-batches, all ranks. */
#ifndef PT_BASE_BATCH_H
#define PT_BASE_BATCH_H
#include <stdint.h>

typedef struct pt_batch {
    int32_t n_tokens, n_live;  /* N with and without the dead tail */
    int32_t *tokens;           /* [N] ids; 0 in the tail */
    int32_t *positions;        /* [N] */
    uint64_t *token_key;       /* [N] hash of the token's path from the root (ids and positions): keys dropout */
    int32_t n_segs;
    int32_t *seg_start;        /* [S+1] */
    int32_t *seg_parent;       /* [S] -1 = root */
    int32_t *seg_end;          /* [S] token index: end of the subtree */
    int32_t *seg_slot;         /* [S] adapter slot (0 = the trained one, -1 = none) */
    int32_t *seg_copies;       /* [S] answers behind the segment (both sides of a pair count); 0 for the dead tail */
    int32_t n_heads;
    int32_t *head_token;       /* [Hd] distinct token indices that the head visits, ascending */
    int32_t n_rows;
    int32_t *row_head;         /* [M] ascending */
    int32_t *row_target;       /* [M] */
    float *row_weight;         /* [M] copies counted in: the weight of one record's row, summed over records sharing it */
    int32_t n_groups;
    int32_t *group_row_start;  /* [G+1] */
    int32_t *group_rows;       /* [group_row_start[G]] row indices */
    float *group_row_weight;   /* same length: this group's own weight of the row (1 = counts) */
    int32_t *group_end_head;   /* [G] index into head_token of the answer's end token (reward score), -1 when not asked */
    int32_t *group_pair;       /* [G] pair id within the batch, -1 = none; groups of one pair are in one batch */
    int8_t *group_side;        /* [G] +1 chosen, -1 rejected, 0 neither */
    float *group_weight;       /* [G] record weight */
    float *group_margin;       /* [G] of the pair, 0 when none */
    int32_t *group_role;       /* [G] role id, -1 = none */
    int64_t *group_record;     /* [G] record number in the pack (names the sample in errors) */
    float *group_ref_logp;     /* [G] reference log-probability when precomputed, else NULL */
    /* normalisers over the whole optimiser step */
    double step_row_weight;    /* sum of row weights */
    int64_t step_rows, step_groups, step_pairs, step_records;
    int64_t n_unshared_tokens; /* tokens that the same records take without sharing */
    int64_t n_records;         /* records in this micro-batch */
} pt_batch;
#endif

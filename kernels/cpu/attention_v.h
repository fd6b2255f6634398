/* The tiles of attention, and the vector kernels that work through them (attention_v.c, one copy per instruction set).
 *
 * A work item is (KV head, block of query tokens): `group` query heads share the keys, so the rows of a block are its tokens
 * times its heads, token-major: row r is token q0 + r / group, head r % group. Rows are the vector dimension: everything is
 * kept transposed (Q^T, S^T, O^T as [features or keys][rows]), so that K and V are read where they lie, the softmax runs down
 * columns without reductions across lanes, and one kernel shape (broadcast times vector) serves all products. Keys come in
 * tiles, from high to low: first the block's own tokens (masked), then the tokens before it on the path to the root (dense but
 * for the rows of a block past a subtree's end, and the window's edge). Tiles that no row sees are never visited. */
#ifndef PT_KERNELS_ATTENTION_V_H
#define PT_KERNELS_ATTENTION_V_H
#include <stdatomic.h>
#include "kernels/cpu/isa.h"
#include "kernels/forest.h"

enum {
    PT_ATTN_KEYS = 64,  /* keys in a tile, at most */
    PT_ATTN_STEP = 16,  /* keys of the block's own tokens that backward sums over the same rows */
    PT_ATTN_ROWS = 192, /* rows of a block, about */
    PT_ATTN_CELL = 64   /* tokens that one turn counter guards (backward) */
};

typedef struct pt_attn_tile {
    int32_t k0, k1;
    int32_t end_min, end_max; /* of the subtrees of its keys' segments */
    int32_t pos_min, pos_max; /* of its keys */
} pt_attn_tile;

/* for (pt_attn_walk w = pt_attn_walk_begin(f, q0, q1); pt_attn_next(&w, &tile);) */
typedef struct pt_attn_walk {
    const pt_forest *f;
    int32_t q0, q1, seg, low, at, size;
} pt_attn_walk;
pt_attn_walk pt_attn_walk_begin(const pt_forest *f, int32_t q0, int32_t q1);
bool pt_attn_next(pt_attn_walk *w, pt_attn_tile *t);

/* One call; pointers at the first feature of head 0. All ld in floats. */
typedef struct pt_attn_job {
    const pt_forest *forest;
    int group, dim, block_tokens;
    int row_pad; /* rows of a block, rounded up to 16 */
    float scale;
    float softcap;       /* 0 = none */
    const float *slopes; /* [heads] or NULL */
    const float *q, *k, *v;
    int64_t ld_q, ld_k, ld_v;
    float *o, *lse; /* forward: out (lse may be NULL) */
    int64_t ld_o, ld_lse;
    /* backward */
    const float *out, *lse_in, *dout;
    float *dq, *dk, *dv;
    int64_t ld_out, ld_dout, ld_dq, ld_dk, ld_dv;
    int32_t n_cells;
    const int32_t *turn_of; /* [blocks][n_cells]: how many items come before this block's at the cell */
    _Atomic int32_t *turn;  /* [KV heads][n_cells]: whose turn it is to add to dk and dv */
} pt_attn_job;

/* Floats of scratch that one thread needs. */
size_t pt_attn_scratch_fwd(int row_pad, int dim);
size_t pt_attn_scratch_bwd(int row_pad, int dim);

PT_V_DECL(void, pt_attn_forward, (const pt_attn_job *j, int kv, int32_t block, float *scratch));
/* Adds to dk, dv when it is this item's turn (waiting for the items before it), overwrites dq. */
PT_V_DECL(void, pt_attn_backward, (const pt_attn_job *j, int kv, int32_t block, float *scratch));
#endif

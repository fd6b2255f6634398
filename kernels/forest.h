/* The host part of a segment forest: a checked copy of one batch's description, and the segment of every token. Shared by ref
 * and cpu; a device backend keeps its own struct and may use pt_forest_check. */
#ifndef PT_KERNELS_FOREST_H
#define PT_KERNELS_FOREST_H
#include "kernels/attention.h"

struct pt_forest {
    pt_forest_caps caps;
    int32_t n_tokens, n_segs, window;
    int64_t n_pairs;     /* of a token and a token that it sees */
    int32_t *seg_start;  /* [n_segs + 1] */
    int32_t *seg_parent; /* [n_segs] */
    int32_t *seg_end;    /* [n_segs] */
    int32_t *positions;  /* [n_tokens] */
    int32_t *token_seg;  /* [n_tokens] */
    int32_t *memory;     /* all of the above */
};

/* PT_ESHAPE, with what is wrong, unless d is a forest within caps: segments are not empty and cover [0, n_tokens) in order; a
 * parent comes before its child and is still open there (depth-first); seg_end is the end of the subtree; positions go up by
 * one inside a segment, start at >= 0 in a root and at the parent's last position + 1 elsewhere; window >= 0. O(tokens +
 * segments). */
pt_status pt_forest_check(const pt_forest_caps *caps, const pt_forest_desc *d);
/* Allocates for caps (PT_EARG when they are negative); a new forest is empty. */
pt_status pt_forest_host_new(pt_forest **out, const pt_forest_caps *caps);
/* Checks and copies; never allocates; f is unchanged on failure. */
pt_status pt_forest_host_set(pt_forest *f, const pt_forest_desc *d);
size_t pt_forest_host_bytes(const pt_forest_caps *caps);
void pt_forest_host_free(pt_forest *f);

/* One past the last token that sees token j. */
static inline int32_t pt_forest_end_of(const pt_forest *f, int32_t j)
{
    return f->seg_end[f->token_seg[j]];
}
/* Does token i see token j? The rule of kernels/attention.h. */
static inline int pt_forest_sees(const pt_forest *f, int32_t i, int32_t j)
{
    if (j > i || i >= pt_forest_end_of(f, j)) return 0;
    return f->window == 0 || f->positions[i] - f->positions[j] < f->window;
}
#endif

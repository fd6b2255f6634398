/* Constraints in generation: what a sequence's constraint (data/constrain) does not allow next is -inf before any sampler sees it.
 *
 * A constrained sequence ends, as stopped, at an end token, which is possible where its text is complete, or as soon as nothing but an end token is; otherwise by its
 * length, and then its text is the beginning of one that the constraint accepts. Sequences without a constraint cost nothing and are what they would be alone. */
#ifndef PT_GENERATE_MASKED_H
#define PT_GENERATE_MASKED_H
#include "train/generate/generate_impl.h"

/* States for n results; nothing where no prompt has a constraint. PT_EARG: options that do not go with one. */
pt_status pt_gen_constrain_begin(pt_gen *g, size_t n);
void pt_gen_constrain_end(pt_gen *g, size_t n);
/* Rows 0..count-1 of the logits, for sequences first..: those of constrained ones are brought to the host and back. */
pt_status pt_gen_mask(pt_gen *g, int first, int count);
/* The sequence goes on by id, which is no stop. May end it. */
pt_status pt_gen_advance(pt_gen *g, pt_gen_seq *s, int32_t id);
#endif

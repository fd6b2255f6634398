/* Choices that rounding may turn: what another order of sums, another number of threads or ranks, may choose otherwise. */
#ifndef PT_MODEL_NEAR_H
#define PT_MODEL_NEAR_H
#include "base/mem.h"

#define PT_NEAR_GAP 1e-3    /* nats between two candidates */
#define PT_NEAR_BORDER 1e-4 /* of the probability between a draw and a border of the cumulative sum */

/* Of logits z[n] (before any filter): was `chosen` a near tie? temperature 0: another logit lies within PT_NEAR_GAP of the chosen one's. Else u in [0, 1) is the
 * draw (kernels/sample.h): it lies within PT_NEAR_BORDER of an end of the chosen token's share, or another token of the same probability within
 * PT_NEAR_GAP would change places with it, or, with top_p < 1, what the filter keeps (before the temperature) ends within PT_NEAR_BORDER of top_p. PT_ENOMEM. */
pt_status pt_near_tie(const float *z, int64_t n, float temperature, float top_p, float u, int32_t chosen, bool *near);
#endif

/* AdamW over a model's flat vectors: parameters p[1,n], gradients g[1,n], with weight decay on the first `decayed` elements
 * only.
 *
 *   new (measures) -> bytes -> commit (allocates exactly that, zero moments) -> step ... ; get/set state for checkpoints.
 * Arithmetic: kernels/adam.h and kernels/reduce.h, on the device; the host sees the norm after each step. */
#ifndef PT_OPTIM_OPTIMISER_H
#define PT_OPTIM_OPTIMISER_H
#include "kernels/ops.h"

typedef struct pt_optim_options {
    float beta1, beta2, eps, weight_decay;
    float max_norm; /* clipping of the global norm; 0 = none */
} pt_optim_options;

typedef struct pt_optim pt_optim;

pt_status pt_optim_new(pt_optim **out, pt_ctx *ctx, int64_t count, int64_t decayed, const pt_optim_options *opt);
void pt_optim_free(pt_optim *o);
size_t pt_optim_bytes(const pt_optim *o); /* role optimiser */
pt_status pt_optim_commit(pt_optim *o);
/* Ranges of the vectors with learning rates of their own (LoRA+: the B matrices at a multiple); in order and dense: together all `count` elements.
 * Copied. Without this call, or n 0: one rate for all. */
typedef struct pt_optim_range {
    int64_t n;
    float rate; /* times lr */
} pt_optim_range;
pt_status pt_optim_set_ranges(pt_optim *o, const pt_optim_range *ranges, size_t n);
/* Norm of g, clip factor, and the update at learning rate lr. A norm that is not finite moves nothing: *finite = false and the
 * count of applied steps stays. norm: before clipping. */
pt_status pt_optim_step(pt_optim *o, pt_view p, pt_view g, float lr, float *norm, bool *finite);
/* Called in each step after its last kernel is in the stream, before the step waits for it: a communicator's allreduce_end. */
void pt_optim_before_wait(pt_optim *o, pt_status (*fn)(void *user), void *user);
/* Sum of squares of elements [at, at+n) of g: for naming the tensor that is not finite. */
pt_status pt_optim_sumsq(pt_optim *o, pt_view g, int64_t at, int64_t n, double *out);
/* The moments, [1,count] each, for checkpoints (device views). */
pt_view pt_optim_m(const pt_optim *o);
pt_view pt_optim_v(const pt_optim *o);
/* Count of applied steps. PT_EFORMAT for one that cannot be. */
pt_status pt_optim_applied(pt_optim *o, int64_t *applied);
pt_status pt_optim_set_applied(pt_optim *o, int64_t applied);
#endif

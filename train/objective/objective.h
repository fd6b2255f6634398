/* Objectives: channels of rows and groups -> gradients of those channels, and scalars to report. Pure: no models, devices,
 * files, processes.
 *
 * Channels: logp[M] of the rows (host), score[G] of the groups (scalar head), and a reference: its logp[M] of the same rows, or
 * its per-answer sums in batch->group_ref_logp. Every result is this batch's CONTRIBUTION to a mean over the whole optimiser
 * step: the normalisers batch->step_* count all micro-batches and ranks, so that results and gradients of micro-batches and
 * ranks simply add. */
#ifndef PT_OBJECTIVE_OBJECTIVE_H
#define PT_OBJECTIVE_OBJECTIVE_H
#include <stdbool.h>

#include "base/batch.h"
#include "base/err.h"

enum { PT_CHANNEL_LOGP = 1, PT_CHANNEL_SCORE = 2 };
#define PT_OBJECTIVE_METRICS 8

typedef struct pt_objective_in {
    const pt_batch *batch;
    const float
        *logp; /* [M]; NULL for objectives on scores, and where a linear objective is asked for its gradient beforehand */
    const float *score;    /* [G] or NULL */
    const float *ref_logp; /* [M] or NULL: then batch->group_ref_logp[G] is the reference (objectives that need one) */
    double beta; /* dpo; reward: the weight of centring */
} pt_objective_in;

typedef struct pt_objective_out {
    float *dlogp;  /* [M] overwritten, or NULL = not wanted */
    float *dscore; /* [G] overwritten, or NULL */
    double loss;
    double metrics[PT_OBJECTIVE_METRICS]; /* in the order of pt_objective.metrics */
    double extreme;                       /* dpo: largest |reward margin| of a pair (exact 0 when policy = reference) */
    int64_t
        bad_group; /* first group whose part of the loss is not finite, -1 = none (dlogp and dscore are then still defined) */
} pt_objective_out;

typedef struct pt_objective {
    const char *name;
    unsigned channels; /* PT_CHANNEL_* that it reads */
    bool linear; /* dlogp does not depend on logp: call eval with logp NULL for the gradient, then without dlogp for the loss */
    bool pairs;  /* wants pairs; the mean is over step_pairs, else over step_row_weight */
    bool needs_reference;
    bool stats; /* needs sums over the whole step before any gradient (none of the present ones) */
    int n_metrics;
    const char *const *metrics;
    /* PT_ESHAPE when a channel is missing, a pair is incomplete, or a normaliser is not positive. */
    pt_status (*eval)(const pt_objective_in *in, pt_objective_out *out);
} pt_objective;

extern const pt_objective pt_objective_sft, pt_objective_dft, pt_objective_pretrain, pt_objective_dpo, pt_objective_reward;
/* By name; NULL when there is none. */
const pt_objective *pt_objective_find(const char *name);

/* Shared by the files of this folder. */
/* The group that a row stands in, for naming the sample; only on the way to an error. */
int32_t pt_group_of_row(const pt_batch *b, int32_t row);
/* Sum over the rows of group g of group_row_weight * value[row]. */
double pt_group_value(const pt_batch *b, int32_t g, const float *value);
/* Adds d * group_row_weight to dvalue of the rows of group g. */
void pt_group_spread(const pt_batch *b, int32_t g, double d, float *dvalue);
/* Calls fn(user, chosen group, rejected group) for each pair in order of its chosen group; PT_ESHAPE for a pair without both
 * sides. */
typedef pt_status (*pt_pair_fn)(void *user, int32_t chosen, int32_t rejected);
pt_status pt_pairs_each(const pt_batch *b, pt_pair_fn fn, void *user);
/* The token mean behind sft and pretrain. */
pt_status pt_token_mean(const pt_objective_in *in, pt_objective_out *out);
#endif

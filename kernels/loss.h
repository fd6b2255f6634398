/* The loss of a batch, and its gradient, where its channels are: from log-probabilities of rows, sums over the vocabulary and
 * values of heads to dL/d of each, in one launch.
 * The mathematics are the objectives' cores (base/loss_core.h), the same source on every backend.
 *
 * By rows: row m alone is an answer with logp = value[m], reference = reference[m]; its weight is row_weight[m], c_m = row_weight[m] / norm; column k is
 * row_column[k][m].
 *     loss += c_m L_m;   dvalue[m] = c_m dL_m/dlogp
 * By records: answer g has logp = sum over its entries k in [start[g], start[g+1]) of weight[k] * value[rows[k]], tokens = sum of weight[k],
 * length = start[g+1] - start[g], reference = the same sum over reference rows, or reference_sum[g]; and value[i] likewise of column i of the values' channel (width 1: the score).
 * Record r is the answers [record_start[r], record_start[r+1]); its weight is column 0 at its first answer, c_r = weight / norm.
 *     loss += c_r L_r;   dvalue[rows[k], i] += weight[k] * c_r dL_r/d(logp, or value[i], of the answer of k)
 * Sums over the vocabulary (entropy, log_squares, kl) are of head positions, and rows may share one: a row's is its head's. vocab[k].rows[m] is row m's
 * head by rows (ascending), and entry k's by records, whose start and weight are those of logp; dvalue[h] sums over all rows of head h.
 * A row or record of weight 0 counts for nothing, whatever its values. Sums are double, in an order that depends on the sizes alone. */
#ifndef PT_KERNELS_LOSS_H
#define PT_KERNELS_LOSS_H
#include "base/loss_core.h"
#include "kernels/ctx.h"

/* One channel: log-probabilities of rows [1,M], a sum over the vocabulary of each head position [1,Hd] or W values of each [Hd,W], and which of them an
 * answer has. */
typedef struct pt_loss_channel {
    pt_view value;               /* f32, dense; absent: the channel is not there */
    pt_view dvalue;              /* out, as value, all of it; absent: no gradient is wanted */
    pt_view start, rows, weight; /* [1,G+1] i32, [1,nnz] i32, [1,nnz] f32; absent by rows but for rows [1,M] of vocab */
} pt_loss_channel;

enum { PT_REPORT_LOSS, PT_REPORT_METRICS, PT_REPORT_SIZE = PT_REPORT_METRICS + PT_CORE_METRICS };

typedef struct pt_group_loss_args {
    int objective;     /* its number in the list of objectives */
    pt_loss_channel logp, values, vocab[PT_VOCAB_SUMS];
    pt_view row_weight;   /* [1,M] f32, by rows */
    pt_view row_column[PT_CORE_ROW_COLUMNS]; /* [1,M] f32, by rows, in the objective's order; absent: 0 */
    pt_view reference;    /* [1,M] f32; may be absent */
    pt_view reference_sum; /* [1,G] f32, by records, where reference is absent; may be absent */
    pt_view record_start; /* [1,R+1] i32 */
    pt_view column;       /* [1 + columns, G] f32: weights, then the objective's columns in its order */
    pt_view report;       /* [1,PT_REPORT_SIZE] f64: the loss and the metrics, brought together with what is there by their reduce */
    /* f32 [1,1]; becomes NaN when this batch's loss is not finite, else keeps its value. With mark an element of the gradient a loss that is not
     * finite has a gradient that is not, on every rank after the sum, and an update moves nothing. May be absent. */
    pt_view mark;
    pt_core_step step;
    unsigned char reduce[PT_CORE_METRICS]; /* pt_reduce */
} pt_group_loss_args;

/* The core of one objective on one record, on the host, outside the op table: for reports and tests. Answers of a width beyond 1 bring the places of
 * their values. metric may be NULL. */
pt_status pt_record_loss(int objective, const pt_core_step *step, pt_core_answer *a, int n, double *loss, double metric[PT_CORE_METRICS]);
#endif

/* Gradients summed over the ranks while backward still runs.
 *
 * The gradient vector is cut, from its end, into slices of comm->bucket_bytes (the first one is what is left over: backward
 * finishes the vector's end first, so the slice that nothing hides is the short one). The cut follows from the vector's length
 * alone. A slice is started as soon as every parameter in it has its whole gradient, in an order that follows from the model
 * alone: all ranks start the same slices in the same order, those without records too. So the sums have the same bits whether
 * they overlap or not. Only the last micro-batch of a step sends. */
#ifndef PT_LOOP_OVERLAP_H
#define PT_LOOP_OVERLAP_H
#include "train/dist/comm.h"
#include "train/model/model.h"

typedef struct pt_slice {
    int64_t at, n; /* elements */
    int stage;     /* of backward after which it is whole (pt_model_grad_stage) */
} pt_slice;

typedef struct pt_overlap {
    pt_slice *list; /* in the order of starting */
    int n, sent;
    pt_comm *comm;
    pt_model *model;
    void *stream;
} pt_overlap;

/* For a communicator with allreduce_start. stream: where the model's kernels run. */
pt_status pt_overlap_new(pt_overlap **out, pt_comm *comm, pt_model *model, void *stream);
void pt_overlap_free(pt_overlap *o);
/* From here on backward starts the slices; call before the last micro-batch of a step. */
void pt_overlap_begin(pt_overlap *o);
/* Starts what backward has not (a rank without records: all), and lets the stream wait for all sums. */
pt_status pt_overlap_end(pt_overlap *o);
#endif

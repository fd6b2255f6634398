/* What an item of a task came to: the numbers that metrics are made of. */
#ifndef PT_EVAL_OUTCOME_H
#define PT_EVAL_OUTCOME_H
#include <stddef.h>
#include <stdint.h>

/* One item of several options, one of them right. */
typedef struct pt_pick {
    size_t item;       /* its number in the file; several choices are of one item when the options are turned, or asked again */
    size_t scope;      /* its group among the task's */
    uint64_t cluster;  /* what is resampled as one (eval/noise.h): the item, or what `cluster_by` says */
    int n, gold;       /* options; the right one, -1: nobody says */
    int picked;        /* -1: the answer names none of them */
    int shift;         /* the options were shown turned: option k stood at place (k - shift) mod n */
    const double *logp;  /* [n] sums of log-probabilities; NULL: the answer was written */
    const double *alone; /* [n] the same behind nothing; NULL: not asked */
    const int32_t *chars, *bytes, *tokens; /* [n] of the options as they are measured: characters, UTF-8 bytes, tokens */
} pt_pick;
#endif

/* What an item of a task came to: the numbers that metrics are made of. */
#ifndef PT_EVAL_OUTCOME_H
#define PT_EVAL_OUTCOME_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One item, answered once: several options, one of them right. What a kind of task has no use for stays 0, and metrics that want it have no value. */
typedef struct pt_pick {
    size_t item;       /* its number in the file; several choices are of one item when the options are turned, or asked again */
    size_t scope;      /* its group among the task's */
    uint64_t cluster;  /* what is resampled as one (eval/noise.h): the item, or what `cluster_by` says */
    int n, gold;       /* options; the right one, -1: nobody says */
    int picked;        /* -1: the answer names none of them */
    int shift;         /* the options were shown turned: option k stood at place (k - shift) mod n */
    const double *logp;  /* [n] sums of log-probabilities; NULL: the answer was written */
    const double *p;     /* [n] their softmax */
    const double *alone; /* [n] the same behind nothing; NULL: not asked */
    const int32_t *chars, *bytes, *tokens; /* [n] of the options as they are measured: characters, UTF-8 bytes, tokens */

    /* Classes: every item has the same options. */
    const uint32_t *place; /* [n] where p[k] stands among the p[k] of all picks on both sides (eval/places.h); NULL: they are not, or were written */
    uint32_t places;       /* more than any place */
    int positive;          /* 1 + the class whose own figures are wanted; 0: all are alike */
    bool ordered;          /* they stand in an order, from low to high */
} pt_pick;
#endif

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
    uint64_t cluster;  /* what is resampled as one (eval/metric/noise.h): the item, or what `cluster_by` says */
    int n, gold;       /* options; the right one, -1: nobody says */
    int picked;        /* -1: the answer names none of them */
    int shift;         /* the options were shown turned: option k stood at place (k - shift) mod n */
    const double *logp;  /* [n] sums of log-probabilities; NULL: the answer was written */
    const double *p;     /* [n] their softmax */
    const double *alone; /* [n] the same behind nothing; NULL: not asked */
    const int32_t *chars, *bytes, *tokens; /* [n] of the options as they are measured: characters, UTF-8 bytes, tokens; NULL: letters were measured */

    /* Where values stand among those of all picks on both sides (eval/stat/places.h): of classes [n] each p[k], NULL where they were written; of numbers [2]. */
    const uint32_t *place;
    uint32_t places;       /* more than any place */

    /* Classes: every item has the same options. */
    int positive;          /* 1 + the class whose own figures are wanted; 0: all are alike */
    bool ordered;          /* they stand in an order, from low to high */

    /* Numbers. */
    const double *number;  /* [2] the row's, and the one given: NAN where none was read; NULL: it is no task of numbers */
    double width;          /* the highest possible less the lowest; 0: nobody says */

    /* Candidates in an order. */
    const double *gain;    /* [2][n] how relevant each is, 0: not at all; then the same from high to low; NULL: it is no task of orders */
    const uint32_t *rank;  /* [2][n] how many candidates are placed like it or above it, itself among them; then how many are above it */
    int cut;               /* the k of hits@k and the like; 0: none is said */
} pt_pick;

/* p[n] = exp(logp) / their sum; n >= 1, logp finite. */
void pt_softmax(const double *logp, int n, double *p);
#endif

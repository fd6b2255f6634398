/* What the core of an objective sees and gives: the mathematics of one record, on plain numbers, for every compiler (gcc, clang, nvcc, the emulation).
 *
 *     double pt_core_NAME(const pt_core_step *s, pt_core_answer *a, int n, double *metric)
 *
 * a[0 .. n-1] are the answers of one record in the batch's order, or, of an objective by rows, one supervised token (n 1). The core returns the
 * record's loss L and writes dL/dlogp, dL/dscore or dL/dvalue[k] into a[i].dlogp, a[i].dscore or a[i].dvalue[k] (0 before), likewise of entropy, log_squares and
 * kl, and its metrics into metric[k] (0 before). It knows no weights: the caller multiplies by the record's (the row's) weight over s->norm, and adds up. */
#ifndef PT_BASE_LOSS_CORE_H
#define PT_BASE_LOSS_CORE_H
#include <math.h>

#include "base/hd.h"

enum { PT_CORE_OPTIONS = 24, PT_CORE_LIST = 24, PT_CORE_STATS = 16, PT_CORE_STATE = 8, PT_CORE_COLUMNS = 33, PT_CORE_ROW_COLUMNS = 2, PT_CORE_METRICS = 52 };

/* The same for all records of an optimiser step. */
typedef struct pt_core_step {
    double norm;                    /* what the mean is over: the weights of all rows, answers or records of the step */
    double first_tokens;            /* weights of the tokens of all records' first answers (of pairs: the chosen ones), records' weights in them; 0 = not known */
    double extra_tokens;            /* the same of the answers that the loader adds, where they are whole conversations (base/batch.h) */
    double column_mean[PT_CORE_COLUMNS]; /* mean over the records by weight of column i at the first answer; 0 = not known */
    int training;                   /* 0: an evaluation, which leaves no state behind */
    double option[PT_CORE_OPTIONS]; /* the objective's own, in the order of its declaration; of a list: how many it has */
    /* the list option: its numbers in order; or, where it is of words, the weight of the word of value k + 1, 0 where it is not chosen */
    double list[PT_CORE_LIST];
    int n_list;
    double stat[PT_CORE_STATS];     /* statistics of the whole step, gathered before any gradient */
    double state[PT_CORE_STATE];    /* kept from step to step */
} pt_core_step;

/* Sums over the whole vocabulary at the position that predicts a token (kernels/head.h). */
enum { PT_VOCAB_ENTROPY, PT_VOCAB_LOG_SQUARES, PT_VOCAB_KL, PT_VOCAB_SUMS };

typedef struct pt_core_answer {
    double logp;      /* sum of weight * log-probability over the answer's tokens; of the one row */
    double tokens;    /* sum of those weights: logp / tokens is the mean; 1 of a row */
    double length;    /* how many tokens these are, whatever their weights; 1 of a row */
    double reference; /* logp under the reference model; 0 without one */
    /* entropy -sum p log p, log sum p^2, and divergence from the reference, each summed over the answer's tokens by the weights of logp; 0 where the
     * objective does not ask for it */
    double entropy, log_squares, kl;
    double score;     /* the number at the answer's end, of a head of width 1 */
    double column[PT_CORE_COLUMNS]; /* the columns that the objective names, of answers or of rows, in its order, then those that its statistics fill; 0 where there is none */
    double dlogp, dentropy, dlog_squares, dkl, dscore;
    int width;           /* of the head at the answer's end: classes, a vector; 0 = there is none */
    const double *value; /* [width]; of width 1 it is &score */
    double *dvalue;      /* [width]; of width 1 it is &dscore */
} pt_core_answer;

/* Where an answer's numbers are, for who calls a core: value and dvalue have room for `width`, and are not looked at for width 1. To be called
 * again for a copy. */
PT_HD void pt_core_values(pt_core_answer *a, int width, const double *value, double *dvalue)
{
    a->width = width;
    a->value = width == 1 ? &a->score : value;
    a->dvalue = width == 1 ? &a->dscore : dvalue;
}

/* Sum k of an answer, and its derivative. */
PT_HD double *pt_core_sum(pt_core_answer *a, int k)
{
    return k == PT_VOCAB_ENTROPY ? &a->entropy : k == PT_VOCAB_LOG_SQUARES ? &a->log_squares : &a->kl;
}
PT_HD double pt_core_dsum(const pt_core_answer *a, int k)
{
    return k == PT_VOCAB_ENTROPY ? a->dentropy : k == PT_VOCAB_LOG_SQUARES ? a->dlog_squares : a->dkl;
}

/* How the metrics of records become one number of a step: the mean by weight, the sum, the largest, the smallest. */
typedef enum pt_reduce { PT_REDUCE_MEAN, PT_REDUCE_SUM, PT_REDUCE_MAX, PT_REDUCE_MIN } pt_reduce;
/* Two parts of such a number as one; the parts of a mean bear their share of the weights already. */
PT_HD double pt_reduced(double a, double b, int reduce)
{
    if (reduce <= PT_REDUCE_SUM) return a + b;
    return reduce == PT_REDUCE_MAX ? (b <= a ? a : b) : (b >= a ? a : b);
}

/* log(1 + e^x) without overflow. */
PT_HD double pt_softplus(double x)
{
    return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
}
/* 1 / (1 + e^-x) without overflow. */
PT_HD double pt_sigmoid(double x)
{
    if (x >= 0) return 1 / (1 + exp(-x));
    double e = exp(x);
    return e / (1 + e);
}
#endif

/* The loader: which records make an optimiser step (a pure function of seed and batch size), and how a rank lays its share out as
 * micro-batches (streams of a forest). Sharing is layout only: packing mode, micro-batches and ranks never change a step's records. */
#ifndef PT_DATA_LOADER_H
#define PT_DATA_LOADER_H
#include "base/batch.h"
#include "data/pack/pack.h"

typedef struct pt_loader pt_loader;

typedef struct pt_loader_options {
    pt_packing packing;
    int answers;                 /* that each record must have: 1 (also in several parts: data/pack/pack.h), 2 (pairs) ...; 0 = any number */
    int source;                  /* the records of this data set alone, from 1; 0 = of all */
    pt_extra extra;              /* not with answers 0 */
    bool validation;             /* the validation records, one pass, in file order */
    bool shuffle;
    int share_group;             /* records of equal prefix drawn together, at most this many (1 = none) */
    int batch_rows;              /* exactly this many records a step; 0: by the numbers below */
    int micro_batch_size, gradient_accumulation_steps, sequence_len;
    double epochs; int64_t max_steps; /* max_steps 0: from epochs */
    uint64_t seed;
    int rank, ranks;
    bool reward;                 /* fill group_end_head (the last token of a cut answer); no rows then, but with rows_too: heads are end tokens only */
    bool rows_too;
    const char *const *given; int n_given; /* names of columns of answers that are 0 until the caller fills them, in each step anew */
    double tail_less;            /* supervised tokens of an answer past the length of its record's shortest weigh this much of 1 less (group_row_weight alone) */
    bool mean_of_tokens;         /* with reward: what is scored is the mean over all tokens up to there */
    double *dataset_weight; size_t n_dataset_weight; /* per data set; NULL = all 1 */
} pt_loader_options;

/* Maxima over every step of the run and every rank, found by laying all steps out without tokens (in pt_loader_new). */
typedef struct pt_batch_caps {
    int32_t tokens, segs, heads, rows, groups, group_rows, ends;
    int32_t micro_batches;       /* most in one step on one rank */
} pt_batch_caps;

typedef struct pt_loader_summary {
    int64_t steps, steps_an_epoch, records, records_a_step; /* records_a_step: average, rounded */
    double prefixes_a_step;      /* distinct prefixes, average */
    int64_t computed_tokens, unshared_tokens, supervised_tokens; /* over the whole run, all ranks */
} pt_loader_summary;

typedef struct pt_step {
    int64_t index;               /* 0-based */
    double epoch;                /* fraction of epochs done after this step */
    int n_micro;                 /* this rank's; 0 is possible */
    pt_batch *micro;             /* borrowed until the next call */
    /* the whole step, all ranks, independent of layout but for tokens (computed ones). rows: supervised tokens, counted a record */
    int64_t records, rows, groups, tokens, unshared_tokens;
    double row_weight, group_weight, record_weight; /* as in pt_batch */
    double first_weight; /* row_weight of the records' first answers alone */
    double extra_weight; /* the same of added answers (WHOLE alone) */
    /* of each column its sum over the records at the first answer, by the records' weights */
    struct { const char *name; double sum; } columns[PT_BATCH_COLUMNS];
    int n_columns;
} pt_step;

/* Borrows the pack. Reference log-probabilities are those the pack has at this call. batch_rows 0: packing off takes micro_batch_size x
 * gradient_accumulation_steps x ranks records a step; packing takes records while their unshared tokens fit that x sequence_len (at least one).
 * A micro-batch holds at most micro_batch_size x sequence_len computed tokens (off: micro_batch_size records); one record alone may pass it (several answers). */
pt_status pt_loader_new(pt_loader **out, const pt_pack *pack, const pt_loader_options *opt);
void pt_loader_free(pt_loader *l);
pt_status pt_loader_summary_get(const pt_loader *l, pt_loader_summary *s);
pt_status pt_loader_caps(const pt_loader *l, pt_batch_caps *caps);
/* Step `index`: any order is allowed, the next in line is prefetched by a thread. PT_ESTATE past the last. */
pt_status pt_loader_step(pt_loader *l, int64_t index, pt_step *out);
/* Lays out given token sequences as one batch (tests, eval, reference passes): sequences sharing beginnings share segments in forest mode. Group g
 * is sequence g; the step_* sums are this batch's. weight NULL: every token but the first counts 1; weight[0] is never a row; weights are finite and
 * not negative. end_index: token whose hidden state is asked for in group_end_head, -1 = none; pool: so many before it are asked for too, for a mean. Ids, n >= 1 and weights are checked (PT_EARG). */
typedef struct pt_seq { const int32_t *ids; const float *weight; int32_t n; int32_t slot; int32_t end_index; int32_t pool; } pt_seq;
pt_status pt_batch_build(pt_batch *out, const pt_seq *seqs, size_t n, pt_packing packing);
void pt_batch_free(pt_batch *b);
#endif

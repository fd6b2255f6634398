/* Laying out token sequences as one batch (base/batch.h). Two phases over the same sorted sequences: the shape (segments and
 * counts, from lengths and common prefixes, no token loop: cheap enough to simulate a whole run) and the fill (the arrays of a
 * pt_batch).
 *
 * Sequences are sorted lexicographically by (slot, ids); lcp[k] is the number of tokens that k-1 and k share. A run of tokens
 * that p >= 2 continuations share is one segment when (p - 1) * length >= PT_SHARE_MIN_SAVED; below that, copies are cheaper
 * than a segment. */
#ifndef PT_DATA_BATCH_LAYOUT_H
#define PT_DATA_BATCH_LAYOUT_H
#include "base/batch.h"
#include "data/batch/loader.h"

#define PT_SHARE_MIN_SAVED 16 /* tokens; a segment costs its own tiles, a row of adapter runs and a branch in attention */
#define PT_TAIL_ROUND 64

/* A supervised run: tokens [from, to) of a sequence have weight > 0; from >= 1. */
typedef struct pt_token_run {
    int32_t from, to;
} pt_token_run;

/* One answer to lay out; everything borrowed. */
typedef struct pt_lay_seq {
    const int32_t *ids;
    pt_weights weight; /* in the runs */
    const pt_token_run *runs;  /* ascending, disjoint */
    const float *imitate;         /* as in pt_packed_answer */
    const int64_t *teacher_start;
    const int32_t *teacher_id;
    const float *teacher_p;
    int64_t n_targets; /* of the teacher, over all runs: a row each, beside the tokens' own */
    int32_t n_runs, n, slot;
    int32_t end;  /* token whose hidden state is scored, -1 = not asked */
    int32_t pool; /* so many tokens before it are scored too, for a mean; 0 = it alone */
    /* its group */
    float record_weight;
    int32_t full; float tail_less; /* its rows past the first `full` weigh tail_less of 1 less in its group */
    int32_t answer;  /* which of its record's; groups of one record are neighbours, its answers in order */
    int64_t record, number; /* numbers of its record and of itself among the values of columns */
} pt_lay_seq;

/* Values of a column, borrowed; NULL: pt_column_otherwise of every one. */
typedef struct pt_lay_column {
    const char *name;
    bool of_answers; /* value [number], else [record] */
    const float *value;
} pt_lay_column;

/* A segment: tokens [from, to) of the sorted sequences [lo, hi). */
typedef struct pt_lay_seg {
    int32_t lo, hi, from, to, parent, start;
    int32_t edge_target; /* of the last child counted whose first token is supervised; -1 = none yet */
} pt_lay_seg;

/* A shape; zero-initialise, reuse, pt_lay_free. */
typedef struct pt_lay {
    pt_lay_seg *segs;
    size_t n_segs, cap;
    struct pt_lay_item {
        int32_t lo, hi, from, parent;
    } * stack;
    size_t stack_cap;
    pt_token_run *runs;
    size_t runs_cap;
    int64_t tokens;                  /* without the dead tail */
    int64_t rows, heads, group_rows, ends; /* ends: tokens that are scored, an answer's each once; heads counts every asked end as one more: an upper bound when rows and ends mix */
} pt_lay;

/* The shape of n sorted sequences; share = false: one root segment each (lcp unused). count_rows = false stops at segments and
 * tokens. */
pt_status pt_lay_shape(pt_lay *l, const pt_lay_seq *const *seqs, const int32_t *lcp, size_t n, bool share, bool count_rows);
/* Makes the batch of a shape. order[k] = group number of sorted sequence k (NULL: k). step_* are left for the caller. */
pt_status pt_lay_fill(pt_batch *out, const pt_lay *l, const pt_lay_seq *const *seqs, const int32_t *order, size_t n,
                      const pt_lay_column *columns, size_t n_columns);
void pt_lay_free(pt_lay *l);

/* The lexicographic order of (slot, ids), ties by index: order[k] = index of the k-th; lcp[0] = 0, 0 across slots. */
pt_status pt_lay_sort(const pt_lay_seq *seqs, size_t n, int32_t *order, int32_t *lcp);
/* Runs of weight > 0 among tokens 1..n-1, appended to *runs. */
pt_status pt_lay_runs(pt_weights weight, int32_t n, pt_token_run **runs, size_t *cap, size_t *n_runs);
#endif

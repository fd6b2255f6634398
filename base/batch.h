/* The batch: one stream of tokens cut into a forest of segments. The one struct that crosses most borders.
 *
 * Built by data/ on the host, consumed by train/model. N tokens lie one after another without padding between them; segment s owns tokens
 * [seg_start[s], seg_start[s+1]). Segments lie in depth-first order; seg_end[s] is the token index where the subtree of s
 * ends. Token i sees token j iff  j <= i < seg_end(segment of j)  and, with a window w, position(i) - position(j) < w.
 * A segment continues at its parent's last position + 1, a root begins at 0. The only padding is a dead tail segment (its own root, no rows) that
 * rounds n_tokens up to a multiple of 64, so that GEMM shapes are few (slot of the last live segment, so that runs of one slot end
 * at a round number too); n_live counts tokens without it.
 *
 * A row is one supervised prediction: the hidden state of token row_token = head_token[row_head[r]] predicts row_target[r].
 * A head position may serve several rows (first tokens of several answers behind one shared prefix). Rows are sorted by row_head.
 * A group is one answer: the rows in group_rows[group_row_start[g] .. group_row_start[g+1]) (a row may stand in several groups).
 * A record is a list of answers: groups [record_start[r], record_start[r+1]), in the order that its objective asks for (of a pair: the
 * chosen one first). A record lies in one batch as a whole.
 * Columns are named numbers of answers, from the data or from a pass before training; an objective names those that it reads.
 *
 * Normalisers (step_*) count the WHOLE optimiser step: all micro-batches, all ranks. */
#ifndef PT_BASE_BATCH_H
#define PT_BASE_BATCH_H
#include <stdint.h>
#include <string.h>

enum { PT_BATCH_COLUMNS = 40, PT_COLUMN_NAME = 24 };
typedef struct pt_batch_column {
    char name[PT_COLUMN_NAME];
    float *value; /* [G] */
} pt_batch_column;

/* Names that the readers and the packer give; a column is there when a record says something in it. weight: of the record (always there).
 * margin: of a pair. label: of a record of one answer, 1 = desirable, 0 = not. reference: log-probability of the answer under the reference model, where it was computed before training. */
#define PT_COLUMN_WEIGHT "weight"
#define PT_COLUMN_MARGIN "margin"
#define PT_COLUMN_LABEL "label"
#define PT_COLUMN_REPLICATE "replicate" /* how many times a record is drawn an epoch; 0 says nothing: once */
#define PT_COLUMN_REFERENCE "reference"

/* Columns of rows: one number of each supervised prediction, for objectives by rows that name them. imitate: which share of its loss the data is to be
 * imitated by, 0 to 1 (the loss weight that the data gives; the row's own weight is then 1). teacher: the probability that a teacher gives the row's
 * target; 0 = the row is the data's own. A position has a row for every target that its teacher names, beside the data's own. */
#define PT_COLUMN_IMITATE "imitate"
#define PT_COLUMN_TEACHER "teacher"

typedef struct pt_batch {
    int32_t n_tokens, n_live;  /* N with and without the dead tail */
    int32_t *tokens;           /* [N] ids; 0 in the tail */
    int32_t *positions;        /* [N] */
    uint64_t *token_key;       /* [N] hash of the token's path from the root (ids and positions): keys dropout */
    int32_t n_segs;
    int32_t *seg_start;        /* [S+1] */
    int32_t *seg_parent;       /* [S] -1 = root */
    int32_t *seg_end;          /* [S] token index: end of the subtree */
    int32_t *seg_slot;         /* [S] adapter slot (0 = the trained one, -1 = none) */
    int32_t n_heads;
    int32_t *head_token;       /* [Hd] distinct token indices that the head visits, ascending */
    int32_t n_rows;
    int32_t *row_head;         /* [M] ascending */
    int32_t *row_target;       /* [M] */
    float *row_weight;         /* [M] copies counted in: the weight of one record's row, summed over records sharing it */
    float *row_imitate;        /* [M] the column imitate: of records that share a row the mean by weight; NULL where the pack has none */
    float *row_teacher;        /* [M] the column teacher, of rows that stand in no group where it is not 0; NULL where the pack has none */
    int32_t n_groups;
    int32_t *group_row_start;  /* [G+1] */
    int32_t *group_rows;       /* [group_row_start[G]] row indices */
    float *group_row_weight;   /* same length: this group's own weight of the row (1 = counts) */
    int32_t *group_end_head;   /* [G] index into head_token of the answer's end token (reward score), -1 when not asked */
    /* the head positions whose mean an answer's values are, where more than its end token is asked for; NULL: the end token alone */
    int32_t *group_pool_start; /* [G+1] */
    int32_t *group_pool_head;  /* [group_pool_start[G]] indices into head_token */
    int64_t *group_record;     /* [G] record number in the pack (names the sample in errors) */
    int32_t n_columns;
    pt_batch_column columns[PT_BATCH_COLUMNS];
    int32_t n_records;
    int32_t *record_start;     /* [R+1] */
    /* normalisers over the whole optimiser step */
    double step_row_weight;    /* sum of row weights (records' weights are in them) */
    double step_group_weight, step_record_weight; /* sums of the records' weights over answers and over records */
    int64_t step_rows, step_records;
} pt_batch;

/* Answers that a step's layout adds behind a record's own, for losses that look at more than the data says.
 * MISMATCHED: one, the record's prompt with the completion of the record before it in the order in which the step draws them (of the first: of the last),
 * cut to sequence_len. Of records of one answer; it lies in the same forest, and depends on what decides the step alone: not on micro-batches, packing
 * or ranks. A step of one record, as the last of an epoch may be, takes the record that is drawn before it.
 * WHOLE: one, the record's first answer again, with every token but the first supervised by weight 1. */
typedef enum pt_extra { PT_EXTRA_NONE, PT_EXTRA_MISMATCHED, PT_EXTRA_WHOLE } pt_extra;

/* What a column holds of a record that says nothing. */
static inline float pt_column_otherwise(const char *name)
{
    return strcmp(name, PT_COLUMN_WEIGHT) ? 0 : 1;
}

/* Whether a column may have this name: small letters, digits and '_', a letter first, shorter than PT_COLUMN_NAME. */
static inline int pt_column_named(const char *name)
{
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_");
    return name[0] >= 'a' && name[0] <= 'z' && !name[n] && n < PT_COLUMN_NAME;
}

/* A column of rows, values [M]; NULL when the batch has none of that name. */
static inline const float *pt_batch_row_column(const pt_batch *b, const char *name)
{
    return !strcmp(name, PT_COLUMN_IMITATE) ? b->row_imitate : !strcmp(name, PT_COLUMN_TEACHER) ? b->row_teacher : NULL;
}

/* A column's values [G], NULL when the batch has none of that name. */
static inline float *pt_batch_column_get(const pt_batch *b, const char *name)
{
    for (int32_t i = 0; i < b->n_columns; i++)
        if (!strcmp(b->columns[i].name, name)) return b->columns[i].value;
    return NULL;
}
#endif

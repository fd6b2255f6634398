/* Inside of the loader; shared by data/batch/loader_*.c. */
#ifndef PT_DATA_LOADER_DATA_H
#define PT_DATA_LOADER_DATA_H
#include <pthread.h>

#include "data/batch/batch_layout.h"
#include "data/pack/pack_data.h"

/* A sequence of the micro-batch being laid out: its place in the global order (forest) and its group. */
typedef struct pt_place {
    int32_t pos, group;
} pt_place;

/* The records of an epoch in the order they are drawn, and where its steps begin. */
typedef struct pt_epoch {
    int64_t number; /* -1 = none yet */
    struct pt_draw {
        uint64_t prefix, inner, unit;
        int32_t record, at;
    } * draws;
    size_t draws_cap, n_draws;
    int64_t *starts; /* [n_steps + 1] */
    size_t starts_cap, n_steps;
} pt_epoch;

/* One prepared step. */
typedef struct pt_slot {
    int64_t index; /* -1 = empty */
    pt_status rc;
    char error[512];
    pt_step step;
    pt_batch *micro;
    size_t micro_cap, n_micro;
} pt_slot;

struct pt_loader {
    const pt_pack *pack;
    pt_loader_options opt;
    double *set_weight; /* [data sets] */
    pt_lay_column columns[PT_BATCH_COLUMNS]; /* of the pack, as they are when the loader is made */
    size_t n_columns;
    pt_lay_seq *own;    /* [S] answers of the pack */
    pt_token_run *runs;
    int64_t *seq_rows;  /* [S] supervised tokens */
    double *seq_weight; /* [S] sum of their weights x record weight */
    /* what is laid out: `own`, or, where answers are added, those of the step that was gathered last (pt_loader_gather) */
    const pt_lay_seq *seqs;
    size_t n_seqs;
    int32_t *pos;    /* [n_seqs] place in the lexicographic order (forest) */
    int32_t *by_pos; /* [n_seqs] its inverse */
    int32_t **least; /* sparse table: least[k][i] = min lcp[i .. i + 2^k) */
    int levels;
    struct pt_gathered {
        pt_lay_seq *seqs;   /* the answers of the step's records in the order of its draws, each record's own before those that are added */
        int32_t *ids;       /* of the added ones */
        float *weight;
        pt_token_run *runs;
        size_t seqs_cap, ids_cap, weight_cap, runs_cap;
    } gathered;
    int32_t *pool; /* records that are drawn, in file order */
    size_t n_pool;
    int64_t *first_step; /* [epochs + 1] steps before each epoch */
    size_t first_cap, n_epochs;
    int64_t n_steps;
    pt_loader_summary summary;
    pt_batch_caps caps;
    pt_epoch epoch;
    /* work space of one layout */
    int32_t *recs; /* records; where answers are added: draws of the step; of a pack of parts: answers, which need not lie together */
    size_t recs_cap;
    pt_place *places; /* [n_places] of the micro-batch that was cut last */
    size_t n_places;
    const pt_lay_seq **sorted;
    size_t *taken; /* [answers] where the last record was put */
    int32_t *lcp, *order;
    pt_lay_seq *local;
    size_t places_cap, sorted_cap, lcp_cap, order_cap, local_cap, taken_cap;
    pt_lay lay;
    /* the thread that prepares steps */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake, done;
    bool started, stop;
    int64_t want;         /* step to prepare; -1 = nothing to do */
    pt_slot ready, given; /* prepared (or being prepared); handed out */
};

/* The answers of a record: sequences [*from, *to) of `own`. */
static inline void pt_loader_answers(const pt_loader *l, int32_t record, size_t *from, size_t *to)
{
    *from = (size_t)l->pack->record_start[record];
    *to = (size_t)l->pack->record_start[record + 1];
}
/* Those that are laid out of l->recs[i]: [*from, *to) of `seqs`. */
static inline void pt_loader_laid(const pt_loader *l, size_t i, size_t *from, size_t *to)
{
    size_t each = (size_t)l->opt.answers + 1;
    if (l->pack->parts && !l->opt.extra) {
        *from = (size_t)l->recs[i];
        *to = *from + 1;
        return;
    }
    if (!l->opt.extra) {
        pt_loader_answers(l, l->recs[i], from, to);
        return;
    }
    *from = (size_t)l->recs[i] * each;
    *to = *from + each;
}

/* loader_order.c: makes l->epoch that of epoch e. */
pt_status pt_loader_epoch(pt_loader *l, int64_t e);
/* loader_layout.c */
pt_status pt_loader_index(pt_loader *l); /* runs; order and sparse table of all answers, where none are added */
pt_status pt_loader_order(pt_loader *l); /* order and sparse table of l->seqs (forest) */
void pt_loader_order_free(pt_loader *l);
/* loader_extra.c: the answers of step s of l->epoch, with those that are added, into l->seqs; their order. */
pt_status pt_loader_gather(pt_loader *l, size_t s);
/* Puts the records of step s of l->epoch (of a pack of parts: their parts) into l->recs in layout order; *n = how many. */
pt_status pt_loader_records(pt_loader *l, size_t s, size_t *n);
/* Records [*from, *to) of l->recs belong to `rank`. */
void pt_loader_share(const pt_loader *l, size_t n, int rank, size_t *from, size_t *to);
/* The next micro-batch of l->recs[from, to): *stop = where it ends; its shape is in l->lay, its places in l->places. */
pt_status pt_loader_cut(pt_loader *l, size_t from, size_t to, size_t *stop);
/* That micro-batch, once. */
pt_status pt_loader_fill(pt_loader *l, pt_batch *out);
/* Sums over the records of a step. */
void pt_loader_totals(const pt_loader *l, size_t s, pt_step *out);
/* loader_step.c */
void pt_loader_stop(pt_loader *l);
pt_status pt_loader_find(const pt_loader *l, int64_t index, int64_t *epoch, size_t *step);
#endif

/* Inside of generation: sequences in the cache (slots.c), the choice of their next tokens (choose.c), the turns (generate.c). */
#ifndef PT_GENERATE_IMPL_H
#define PT_GENERATE_IMPL_H
#include "data/batch/loader.h"
#include "train/generate/generate.h"
#include "train/model/model_impl.h"

/* One sequence in the cache. */
typedef struct pt_gen_seq {
    size_t request; /* index into prompts and results */
    int32_t len;    /* tokens in the cache */
    int32_t last;   /* token to feed next */
    bool done;
} pt_gen_seq;

typedef struct pt_gen {
    pt_model *m;
    const pt_ids *prompts;
    const pt_gen_options *opt;
    pt_gen_result *results;
    pt_gen_sink sink;
    void *user;
    pt_gen_seq *seqs; /* [decode_rows] by cache slot */
    int n;         /* slots in use */
    /* host tables */
    int32_t *i32, *seen, *index;
    uint64_t *stream, *position;
    float *zeros, *logits;
    pt_constraint_state *states; /* [n] by request; NULL: no prompt has a constraint */
    float *row;                  /* with states: one row of logits */
} pt_gen;

/* Prompts of slots first..first+count-1, and their first tokens: one forest when it fits, else two halves. */
pt_status pt_gen_prefill(pt_gen *g, int first, int count);
/* Sequences that are done leave; others move into their slots. */
pt_status pt_gen_drop_done(pt_gen *g);
/* Every sequence's last token is fed, and its next one chosen. */
pt_status pt_gen_step(pt_gen *g);
/* Chooses the next token of rows 0..count-1 of the logits for sequences first.. */
pt_status pt_gen_choose(pt_gen *g, int first, int count);
#endif

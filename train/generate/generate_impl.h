/* Inside of generation: who has which rows of the cache (cache.c), sequences that enter it and grow (slots.c), the choice of their next tokens (choose.c), which
 * requests stand there together (generate.c), a conversation that stays there (session.c). */
#ifndef PT_GENERATE_IMPL_H
#define PT_GENERATE_IMPL_H
#include "data/batch/loader.h"
#include "train/generate/chain.h"
#include "train/generate/generate.h"
#include "train/model/model_impl.h"

/* n rows of the cache from row `at` on. */
typedef struct pt_gen_span {
    int32_t at, n;
} pt_gen_span;

/* One sequence in the cache. Its keys lie in its spans, in order of position: beginnings of extents that it shares with others first, the last one its own,
 * whose rows behind `len` hold zeros. Sequences move within pt_gen.seqs. */
typedef struct pt_gen_seq {
    size_t request; /* index into prompts and results */
    int32_t len;    /* tokens in the cache */
    int32_t last;   /* token to feed next */
    bool done;
    int n_spans;
    pt_gen_span span[PT_DECODE_SPANS];
    pt_sampler_state sampler; /* cleared with the first token of an answer */
} pt_gen_seq;

/* Rows that were taken together; they are free again when their last user leaves. */
typedef struct pt_gen_extent {
    int32_t at, n, users;
} pt_gen_extent;
typedef struct pt_gen_cache {
    pt_gen_extent *list; /* in order of place */
    size_t n, cap;
    int32_t cells;
} pt_gen_cache;

/* A token on its way into the cache. */
typedef struct pt_gen_row {
    const pt_gen_seq *seq;
    int32_t token, position;
} pt_gen_row;

/* A request among the others. */
typedef struct pt_gen_place {
    const pt_ids *p;
    size_t index;
} pt_gen_place;

typedef struct pt_gen_beams pt_gen_beams;

typedef struct pt_gen {
    pt_model *m;
    const pt_ids *prompts;
    const pt_gen_options *opt;
    pt_gen_result *results;
    pt_gen_sink sink;
    void *user;
    pt_gen_seq *seqs; /* [decode_rows] */
    int n;            /* of them are there */
    pt_gen_seq past;  /* the one that left last: its prompt stays while nobody needs the room; without spans: none */
    pt_gen_cache cache;
    int32_t room;     /* rows that each sequence gets behind its prompt */
    pt_gen_row *rows; /* [chunk] */
    /* host tables; i32 [chunk], index [cells], runs [chunk, 2 * PT_DECODE_SPANS] */
    int32_t *i32, *seen, *index, *runs;
    uint64_t *stream, *position;
    float *zeros, *logits; /* logits [rows, vocab]: what is drawn from, where the host looks at it */
    float *free_logits;    /* the same before constraints, for logp */
    pt_gen_beams *beams;   /* NULL: every sequence goes its own way */
    pt_constraint_state *states; /* [n] by request; NULL: no prompt has a constraint */
    float *row;                  /* with states: one row of logits */
    pt_chain *chains; /* of samplers that the device does not know, one a thread */
    int n_chains;
    pt_stop_reader *watch; /* by request; NULL without stop texts */
} pt_gen;

/* Everything below the options, for n prompts of at most `longest` tokens. end is safe on a struct that holds nothing yet. */
pt_status pt_gen_begin(pt_gen *g, size_t n, size_t longest);
void pt_gen_end(pt_gen *g, size_t n);
/* Whether the model and these options and prompts go together: PT_ESTATE, PT_EARG. */
pt_status pt_gen_check(const pt_model *m, const pt_ids *prompts, size_t n, const pt_gen_options *o);

/* cache.c. own: n new rows behind the spans of s; where there is no room for them *fits is false. share: the first n positions of another, behind the spans of s. release: s leaves its spans. retire: when the next one retires, or the room is needed. */
pt_status pt_gen_own(pt_gen *g, pt_gen_seq *s, int32_t n, bool *fits);
void pt_gen_share(pt_gen *g, pt_gen_seq *s, const pt_gen_seq *of, int32_t n);
void pt_gen_release(pt_gen *g, pt_gen_seq *s);
void pt_gen_retire(pt_gen *g, pt_gen_seq *s);
/* At most n positions, as far as the first `spans` spans of s reach. */
int32_t pt_gen_within(const pt_gen_seq *s, int32_t n, int spans);
int32_t pt_gen_cell(const pt_gen_seq *s, int32_t position);
/* The first len positions as kernels/attention.h takes them. */
void pt_gen_runs(const pt_gen_seq *s, int32_t len, int32_t runs[2 * PT_DECODE_SPANS]);
/* Tokens that two prompts begin with alike; and all of them in an order in which those that begin alike stand side by side (*out: free it). */
size_t pt_gen_same(const pt_ids *a, const pt_ids *b);
pt_status pt_gen_order(const pt_ids *prompts, size_t n, pt_gen_place **out);

/* slots.c. The prompts of seqs first..first+count-1 (their requests are set, nothing else) enter the cache, and their first tokens are chosen. *entered: how many
 * of them did, from the first on; fewer where batch or cache have no room. forest: all at once, from nothing; what several share is stored once. */
pt_status pt_gen_forest(pt_gen *g, int first, int count, int *entered);
/* Behind what the cache holds already of each (pt_gen_held), in chunks. */
pt_status pt_gen_behind(pt_gen *g, int first, int count, int *entered);
/* The longest beginning of a prompt, less than all of it, that the first n_seqs sequences or the past one hold: how long, by whom. */
int32_t pt_gen_held(const pt_gen *g, int n_seqs, const pt_ids *p, const pt_gen_seq **by);
/* The rest of the prompts of seqs first..first+count-1, from their len on, in chunks; their first tokens are chosen. */
pt_status pt_gen_feed(pt_gen *g, int first, int count);
/* Whether what the cache holds of a prompt of n tokens is worth taking from there: what is left is short, or the smaller part. Else the forest is faster. */
static inline bool pt_gen_is_behind(int64_t held, int64_t n)
{
    return held > 0 && (2 * held >= n || n - held <= PT_DECODE_CHUNK);
}
/* Rows of the cache become zeros. */
pt_status pt_gen_clear(pt_gen *g, int64_t at, int64_t n);
/* Sequences that are done leave. */
void pt_gen_drop_done(pt_gen *g);
/* Every sequence's last token is fed, and its next one chosen. */
pt_status pt_gen_step(pt_gen *g);
/* Chooses the next token of rows 0..count-1 of the logits for sequences first.. */
pt_status pt_gen_choose(pt_gen *g, int first, int count);
/* beams.c: the same for the beams of a prompt; all `count` of them. */
pt_status pt_gen_choose_beams(pt_gen *g, int count);
#endif

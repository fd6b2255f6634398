/* A chain of samplers (sampler.h) over one row of logits: what is left, with probabilities, and what was drawn of it. Sums of probabilities, entropies and
 * deviations are f32, one term after the other, in the order in which llama.cpp's candidates stand: so a cut falls where its does. Only the last
 * probabilities are f64. Where llama.cpp sorts the candidates to add them up they are sorted here; where only the largest matter only these are. */
#ifndef PT_GENERATE_CHAIN_H
#define PT_GENERATE_CHAIN_H
#include "train/generate/sampler.h"

typedef struct pt_candidate {
    float z, p; /* logit, probability */
    float key;  /* what is ordered by, smallest first */
    int32_t id;
} pt_candidate;

/* What lasts from one token of an answer to the next; zeros before the first. */
typedef struct pt_sampler_state {
    bool begun;
    float mu;               /* mirostat: the surprise that is aimed at, in bits */
    float weighted, weight; /* adaptive-p: sums over what was drawn, decaying */
} pt_sampler_state;

typedef struct pt_chain {
    int64_t vocab, room;   /* tokens of the past that there is room for */
    pt_candidate *all, *c, *spare; /* [vocab]; those left: c[n] */
    int64_t n, ordered;    /* the first `ordered` stand largest logit first (equal ones by id), and none behind is larger */
    int64_t masked;        /* as many more stand at -inf: of no probability, but counted where llama.cpp counts them (top_k, dynamic temperature) */
    double total;          /* after a run: the sum of p over c[n]; the p of chains then have no unit of their own */
    int32_t *mark;         /* [vocab] zeros between uses */
    int32_t *past, *count; /* [room] */
    int64_t n_past;
    double margin;         /* how near the nearest cut came to its threshold, in the threshold's unit */
    bool tie;              /* a cut went between equal logits */
} pt_chain;

/* Room for a vocabulary and as many tokens of prompt and answer. PT_ENOMEM. */
pt_status pt_chain_open(pt_chain *c, int64_t vocab, int64_t room);
void pt_chain_close(pt_chain *c);
size_t pt_chain_bytes(int64_t vocab, int64_t room); /* that it takes */

/* Fills c with the row z[vocab], and sets n_past 0: who wants penalties or DRY fills past (ids of the vocabulary; pt_sampler_reach) after. false: a NaN or +inf. */
bool pt_chain_start(pt_chain *c, const float *z);

/* Runs s (checked) on it. n 0: nothing is left. chance in [0, 1): XTC's draw. */
void pt_chain_run(pt_chain *c, const pt_sampler *s, pt_sampler_state *state, float chance);

/* The probability of candidate i after a run. */
double pt_chain_p(const pt_chain *c, int64_t i);

/* The candidate that u in [0, 1) draws, by the sum of probabilities in descending order of logits (adaptive-p's: as they stand); n >= 1.
 * near: the draw lies within 1e-4 of a border, or a cut came that near to its threshold. */
int64_t pt_chain_draw(pt_chain *c, const pt_sampler *s, float u, bool *near);

/* Says that candidate i was taken, to what lasts. */
void pt_chain_took(const pt_chain *c, const pt_sampler *s, pt_sampler_state *state, int64_t i);
#endif

/* Inside of a chain: candidates in order (chain_order.c), samplers that change logits (chain_penalty.c, chain_dry.c) and that cut (chain_cut.c). */
#ifndef PT_CHAIN_IMPL_H
#define PT_CHAIN_IMPL_H
#include "train/generate/chain.h"

/* The first `want` (or all) stand in order of logits. */
void pt_chain_order(pt_chain *c, int64_t want);
/* Puts the k smallest keys of x[n] first, in order; equal ones by id (all of many: as they stood). spare: [n]. */
void pt_candidates_least(pt_candidate *x, int64_t n, int64_t k, pt_candidate *spare);
/* The largest logit. */
float pt_chain_top(const pt_chain *c);
/* p of softmax(z); sorted: the candidates are put in order first, so that the sum runs from the largest. */
void pt_chain_softmax(pt_chain *c, bool sorted);
/* Keeps those of z >= floor. masked: the others count on as masked ones. */
void pt_chain_floor(pt_chain *c, float floor, bool masked);
/* The first k in order stay. */
void pt_chain_cut(pt_chain *c, int64_t k);
/* Entropy of the probabilities, in nats; 0 log 0 = 0. */
float pt_chain_entropy(const pt_chain *c);
/* A cut came as near to its threshold. */
void pt_chain_near(pt_chain *c, float distance);

void pt_chain_bias(pt_chain *c, const pt_sampler *s);
void pt_chain_penalties(pt_chain *c, const pt_sampler *s);
void pt_chain_dry(pt_chain *c, const pt_sampler *s);

void pt_chain_top_n_sigma(pt_chain *c, const pt_sampler *s);
void pt_chain_top_k(pt_chain *c, const pt_sampler *s);
void pt_chain_typical(pt_chain *c, const pt_sampler *s);
void pt_chain_top_p(pt_chain *c, const pt_sampler *s);
void pt_chain_min_p(pt_chain *c, const pt_sampler *s);
void pt_chain_xtc(pt_chain *c, const pt_sampler *s, float chance);
void pt_chain_temperature(pt_chain *c, const pt_sampler *s);
void pt_chain_mirostat(pt_chain *c, const pt_sampler *s, const pt_sampler_state *state);
void pt_chain_adaptive(pt_chain *c, const pt_sampler *s, const pt_sampler_state *state);
#endif

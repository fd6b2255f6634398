/* Beam search as transformers 5.24 has it (GenerationMixin._beam_search), for one prompt: what becomes of the beams at each step, from their logits alone.
 *
 *   a candidate's sum   = sum of its beam + log softmax(logits)[token]; of all beams x tokens the K = max(2, 1 + stops) * beams largest are kept
 *   ended               = the token is a stop, or the answer is max_new_tokens long; only among the first `beams` candidates, and then it is one of the
 *                         finished ones (the best `beams` of all steps) with score = sum / length^length_penalty, its stop counted in the length
 *   going on            = the best `beams` of those that did not end
 *   over                = all candidates ended; or all finished places are taken and, with early stopping, at once; else when no running sum over
 *                         L^length_penalty is above the worst finished score: L the length so far, with `never` and a positive penalty max_new_tokens
 *
 * Sums are f32, as there; of equal candidates the first beam's lower token comes first. */
#ifndef PT_GENERATE_BEAM_H
#define PT_GENERATE_BEAM_H
#include "data/text/tokenizer.h"

typedef enum pt_early_stopping { PT_EARLY_FALSE, PT_EARLY_TRUE, PT_EARLY_NEVER } pt_early_stopping;
enum { PT_BEAMS_MOST = 64 };

typedef struct pt_beam_options {
    int beams; /* 2 .. PT_BEAMS_MOST; below 2: no beam search */
    float length_penalty;
    pt_early_stopping early;
} pt_beam_options;

typedef struct pt_beam pt_beam;
/* stops are lent. PT_EARG, PT_ENOMEM. */
pt_status pt_beam_new(pt_beam **out, const pt_beam_options *o, int64_t vocab, int max_new_tokens, const int32_t *stops, size_t n_stops);
void pt_beam_free(pt_beam *b); /* NULL too */
/* logits[beams]: [vocab] each, of the beams as the step before left them (the first step: the prompt's in row 0; the others are not read). parent[beams],
 * token[beams]: where each beam comes from now and what it goes on with. *over: there is no next step. PT_ENONFINITE for NaN. */
pt_status pt_beam_step(pt_beam *b, const float *const *logits, int32_t *parent, int32_t *token, bool *over);
/* The best finished answer, without its stop; *ids is appended to. */
pt_status pt_beam_best(const pt_beam *b, pt_ids *ids, float *score, bool *stopped);
#endif

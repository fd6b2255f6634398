/* Choosing the next token. Order and meaning are llama.cpp's: repetition penalty (Keskar et al. 2019, arXiv:1909.05858: z>0 ? z/r : z*r on tokens seen),
 * top-k (k tokens; the lowest ids of equal ones), top-p (smallest set whose mass reaches p), min-p (p >= min_p * p_max), all of softmax(z), and then the
 * draw from softmax(z / temperature) of what is left. temperature 0 = argmax (lowest id wins ties).
 * A row that holds a NaN or +inf, or nothing but -inf, gets token -1 and the op succeeds: no op waits for its device, so the caller looks at the
 * tokens. The other rows are chosen as ever.
 * The draw is unit(word 0 of pt_rng_words(seed, PT_RNG_SAMPLE, stream, position)) against the cumulative sum in descending order of probability. */
#ifndef PT_KERNELS_SAMPLE_H
#define PT_KERNELS_SAMPLE_H
#include "kernels/ctx.h"
typedef struct pt_sample_args {
    pt_view token;   /* out [1,B] i32 */
    pt_view logits;  /* [B,V] f32; changed in place */
    pt_view seen;    /* [B, max_seen] i32 token ids, -1 = empty; absent = no penalty */
    float temperature; int top_k; float top_p, min_p, repetition_penalty; /* off: 0 / 0 / 1 / 0 / 1 */
    uint64_t seed;
    const uint64_t *stream;  /* host [B]: which sequence */
    const uint64_t *position; /* host [B] */
} pt_sample_args;
#endif

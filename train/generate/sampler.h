/* How the next token is drawn: llama.cpp's samplers by its names (src/llama-sampler.cpp), in an order that can be said. A chain takes logits and leaves
 * candidates with probabilities:
 *
 *   logit_bias   z += bias, before all others
 *   penalties    tokens of the last repeat_last_n (prompt and answer): z > 0 ? z / repeat : z * repeat; then z -= count * frequency + presence
 *   dry          tokens that would go on with what stood before: z -= multiplier * base^(length - allowed_length), from allowed_length on (dry.h)
 *   top_n_sigma  z >= max - n * deviation of all logits that are finite
 *   top_k        the k largest; of equal ones the lowest ids
 *   typ_p        locally typical (Meister et al. 2022, arXiv:2202.00666): by |-log p - entropy|, smallest first, until the mass passes p; 0 log 0 = 0
 *   top_p        largest first, until the mass reaches p
 *   min_p        p >= min_p * largest
 *   xtc          with a probability, all that reach the threshold but the smallest of these go
 *   temperature  z / T; 0: the largest alone. dynatemp_range: T - range + 2 range * (entropy / log size)^exponent
 *
 * in this order (llama.cpp's), and then a draw. With mirostat (Basu et al. 2021, arXiv:2007.14966) the chain is logit_bias, temperature, mirostat; with
 * adaptive_target >= 0 the draw is adaptive-p's. Logits are f32 and changed as there; probabilities, masses and entropies are f64. */
#ifndef PT_GENERATE_SAMPLER_H
#define PT_GENERATE_SAMPLER_H
#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"

typedef enum pt_sampler_kind {
    PT_SAMPLER_PENALTIES, PT_SAMPLER_DRY, PT_SAMPLER_TOP_N_SIGMA, PT_SAMPLER_TOP_K, PT_SAMPLER_TYPICAL, PT_SAMPLER_TOP_P, PT_SAMPLER_MIN_P, PT_SAMPLER_XTC,
    PT_SAMPLER_TEMPERATURE, PT_SAMPLER_KINDS
} pt_sampler_kind;

typedef struct pt_logit_bias { int32_t id; float bias; } pt_logit_bias; /* -INFINITY: never */

typedef struct pt_sampler {
    uint64_t seed;
    float temperature;                         /* 0 = greedy */
    float dynatemp_range, dynatemp_exponent;   /* off: range 0 */
    int top_k;                                 /* off: 0 */
    float top_p, min_p, typical_p, top_n_sigma; /* off: 1, 0, 1, 0 */
    float xtc_probability, xtc_threshold;      /* off: probability 0, or a threshold above 0.5 */
    float repeat_penalty, presence_penalty, frequency_penalty; /* off: 1, 0, 0 */
    int repeat_last_n;                         /* -1 = all, 0 = none */
    float dry_multiplier, dry_base;            /* off: multiplier 0 */
    int dry_allowed_length, dry_penalty_last_n; /* -1 = all, 0 = none */
    const struct pt_dry_breakers *dry_breakers; /* lent; NULL = none */
    int mirostat;                              /* 0 = off, 1, 2 */
    float mirostat_tau, mirostat_eta;
    float adaptive_target, adaptive_decay;     /* off: a target below 0 */
    const pt_logit_bias *bias;                 /* lent */
    size_t n_bias;
    pt_sampler_kind order[PT_SAMPLER_KINDS];   /* each at most once; one that is left out does nothing */
    int n_order;
} pt_sampler;

/* Greedy: everything off, in llama.cpp's order. Where to start from. */
pt_sampler pt_sampler_off(void);

/* PT_EARG names what is out of range or has no effect beside what else is set. vocab: of the model, for the bias. */
pt_status pt_sampler_check(const pt_sampler *s, int64_t vocab);

/* The name of a kind in `samplers` (llama.cpp's). */
const char *pt_sampler_name(pt_sampler_kind k);

/* Whether the chain has this kind and it does something. */
bool pt_sampler_does(const pt_sampler *s, pt_sampler_kind k);

/* How many of the last tokens it looks at: 0 where neither penalties nor DRY do something, INT64_MAX for all. */
int64_t pt_sampler_reach(const pt_sampler *s);

/* Whether kernels/sample.h does all of it: repeat penalty, top_k, top_p, min_p, temperature, in this order. */
bool pt_sampler_on_device(const pt_sampler *s);
#endif

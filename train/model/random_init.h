/* Random numbers for new weights: a pure function of (seed, purpose, name), so that they do not depend on order or threads. */
#ifndef PT_MODEL_RANDOM_INIT_H
#define PT_MODEL_RANDOM_INIT_H
#include <stdint.h>
#include "base/rng.h"
/* n normal numbers with standard deviation sd (Box & Muller 1958, on pairs of uniform words). */
void pt_random_normal(uint64_t seed, pt_rng_purpose purpose, const char *name, float sd, int64_t n, float *dst);
/* n uniform numbers in [-bound, bound). */
void pt_random_uniform(uint64_t seed, pt_rng_purpose purpose, const char *name, float bound, int64_t n, float *dst);
#endif

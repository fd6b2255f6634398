#include "train/model/random_init.h"

#include <math.h>
#include <string.h>

#include "base/file.h"

static uint64_t name_key(const char *name)
{
    return pt_fnv1a(PT_FNV_START, name, strlen(name));
}

void pt_random_normal(uint64_t seed, pt_rng_purpose purpose, const char *name, float sd, int64_t n, float *dst)
{
    uint64_t key = name_key(name);
#pragma omp parallel for schedule(static) if (n > 1 << 16)
    for (int64_t i = 0; i < (n + 3) / 4; i++) {
        pt_rng4 w = pt_rng_words(seed, purpose, key, (uint64_t)i);
        for (int p = 0; p < 2; p++) {
            /* 1 - u is in (0, 1]: the logarithm is finite */
            double r = sqrt(-2 * log(1 - (double)pt_rng_unit(w.v[2 * p]))), a = 2 * M_PI * (double)pt_rng_unit(w.v[2 * p + 1]);
            if (4 * i + 2 * p < n) dst[4 * i + 2 * p] = (float)(sd * r * cos(a));
            if (4 * i + 2 * p + 1 < n) dst[4 * i + 2 * p + 1] = (float)(sd * r * sin(a));
        }
    }
}

void pt_random_uniform(uint64_t seed, pt_rng_purpose purpose, const char *name, float bound, int64_t n, float *dst)
{
    uint64_t key = name_key(name);
    for (int64_t i = 0; i < n; i++) {
        pt_rng4 w = pt_rng_words(seed, purpose, key, (uint64_t)(i / 4));
        dst[i] = (2 * pt_rng_unit(w.v[i % 4]) - 1) * bound;
    }
}

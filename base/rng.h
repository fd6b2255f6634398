/* Counter-based randomness: a pure function of (seed, purpose, counters). Order-free, resumable, the same on host and
 * device. Philox4x32-10, Salmon et al. 2011 ("Parallel random numbers: as easy as 1, 2, 3"). */
#ifndef PT_BASE_RNG_H
#define PT_BASE_RNG_H
#include <stdint.h>

#include "base/hd.h"

typedef enum pt_rng_purpose {
    PT_RNG_INIT = 1,    /* random weights */
    PT_RNG_SHUFFLE = 2, /* record order */
    PT_RNG_DROPOUT = 3,
    PT_RNG_SAMPLE = 4, /* generation */
    PT_RNG_LORA = 5,   /* adapter initialisation */
    PT_RNG_TEST = 6,
    PT_RNG_RESAMPLE = 7, /* clusters of a bootstrap (eval/stat/resample.h) */
    PT_RNG_PERMUTE = 8,
    PT_RNG_SEAL = 9 /* markers of what a judge is asked (eval/task/judging.h) */
} pt_rng_purpose;

typedef struct pt_rng4 { uint32_t v[4]; } pt_rng4;

/* Four uniform 32-bit words for counter (c0, c1) under key (seed, purpose). */
PT_HD pt_rng4 pt_rng_words(uint64_t seed, uint32_t purpose, uint64_t c0, uint64_t c1)
{
    uint32_t k0 = (uint32_t)seed ^ (purpose * 0x9E3779B9u), k1 = (uint32_t)(seed >> 32) + purpose;
    pt_rng4 x = {{(uint32_t)c0, (uint32_t)(c0 >> 32), (uint32_t)c1, (uint32_t)(c1 >> 32)}};
    for (int i = 0; i < 10; i++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * x.v[0], p1 = (uint64_t)0xCD9E8D57u * x.v[2];
        pt_rng4 y = {{(uint32_t)(p1 >> 32) ^ x.v[1] ^ k0, (uint32_t)p1, (uint32_t)(p0 >> 32) ^ x.v[3] ^ k1, (uint32_t)p0}};
        x = y;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    return x;
}
/* Uniform in [0, 1): 24 bits of w. */
PT_HD float pt_rng_unit(uint32_t w) { return (float)(w >> 8) * 0x1p-24f; }
/* SplitMix64 finaliser: mixes h with v; for hashes of paths and names. */
PT_HD uint64_t pt_hash_mix(uint64_t h, uint64_t v)
{
    uint64_t z = (h ^ v) + 0x9E3779B97F4A7C15ull;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
}
#endif

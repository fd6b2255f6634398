/* LoRA grouped by runs of tokens. Hu et al. 2021 (arXiv:2106.09685) eq. 3; scale alpha/r, or alpha/sqrt(r) (rsLoRA, arXiv:2312.03732).
 * For run (begin, end, slot) and each part p (a linear layer reading the same x: q,k,v or gate,up):
 *   t[n,:] = drop_p(x[n,:]) . A^T            [r]     (kept for backward)
 *   y[n,:] += scale * t[n,:] . B^T           [O]
 * Backward: dt = scale * dy . B;  dB += scale * dy^T . t;  dA += dt^T . drop_p(x);  dx += mask * (dt . A)
 * Dropout (p > 0): feature f of token n of module m is zeroed when unit(word) < p, else scaled by 1/(1-p), with word f%4 of
 * pt_rng_words(seed, PT_RNG_DROPOUT, hash_mix(token_key[n], step), module << 32 | f/4): shared tokens drop what unshared copies would.
 * Slots whose rank is 0, runs with slot < 0: nothing is added there. A's of the parts of one slot may be adjacent in memory ([r0+r1+.., I]): one GEMM. */
#ifndef PT_KERNELS_LORA_H
#define PT_KERNELS_LORA_H
#include "kernels/ctx.h"
typedef struct pt_lora_run { int32_t begin, end, slot; } pt_lora_run; /* ascending, disjoint */
typedef struct pt_lora_slot {
    pt_view a, b;   /* [r,I], [O,r] f32 */
    pt_view da, db; /* gradients, same shapes, f32, accumulated; absent = frozen slot */
    float scale;
    int rank;       /* 0 = this slot has no adapter on this module */
} pt_lora_slot;
typedef struct pt_lora_part {
    pt_view y;  /* forward: [N,O] act, accumulated. backward: unused */
    pt_view dy; /* backward: [N,O] act */
    pt_view t;  /* [N, max rank] f32: forward writes (may be absent in inference), backward reads */
    const pt_lora_slot *slots; /* [n_slots] */
    uint32_t module; /* layer*16 + module number: keys dropout */
} pt_lora_part;
typedef struct pt_lora_args {
    pt_view x;  /* [N,I] act */
    pt_view dx; /* backward: [N,I] act, accumulated; absent = not wanted */
    int n_parts; const pt_lora_part *parts;
    int n_runs; const pt_lora_run *runs; /* host */
    int n_slots;
    float dropout;
    pt_view token_key; /* [1,N] u64; needed when dropout > 0 */
    uint64_t seed, step;
} pt_lora_args;
#endif

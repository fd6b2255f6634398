/* LoRA grouped by runs of tokens. Hu et al. 2021 (arXiv:2106.09685) eq. 3; scale alpha/r, or alpha/sqrt(r) (rsLoRA, arXiv:2312.03732).
 * For run (begin, end, slot) and each part p (a linear layer reading the same x: q,k,v or gate,up):
 *   t[n,:] = drop_p(x[n,:]) . A^T            [r]     (kept for backward)
 *   y[n,:] += scale * t[n,:] . B^T           [O]
 * Backward: dt = scale * dy . B;  dB += scale * dy^T . t;  dA += dt^T . drop_p(x);  dx += mask * (dt . A)
 * Dropout (p > 0): feature f of token n of module m is zeroed when unit(word) < p, else scaled by 1/(1-p), with word f%4 of
 * pt_rng_words(seed, PT_RNG_DROPOUT, hash_mix(token_key[n], step), module << 32 | f/4): shared tokens drop what unshared copies would.
 * Slots whose rank is 0, runs with slot < 0: nothing is added there. A's of the parts of one slot may be adjacent in memory ([r0+r1+.., I]): one GEMM.
 * The base's product taken along: a part with w begins with what linear does (kernels/linear.h), for all tokens:
 *   y[n,:] = beta*y + x . w^T (+ bias);   backward dx = beta*dx + sum over the parts dy . w   (without w beta is not looked at)
 * A backend may make one product of both, [x | scale*t] . [w | B]^T and [dy | dt] . [w; A], where scale*t, dt, A and B have the activations' type. For that
 * it may overwrite the columns behind x and dy that the caller lends (x_spare: at least the sum of the parts' ranks, each rounded up to 8, else they are of
 * no use; dy_spare: the part's), and the room of w's second form (pt_buf.room_cols).
 * Backward may be two calls, for an x that is made again out of dx: TO_X makes dt, kept in the parts' dt, and dx, and reads of x its shape alone; OWN makes
 * dB and dA of that dt and x. */
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
typedef enum pt_lora_half { PT_LORA_BOTH, PT_LORA_TO_X, PT_LORA_OWN } pt_lora_half;
typedef struct pt_lora_part {
    pt_view y;  /* forward: [N,O] act, accumulated. backward: unused */
    pt_view dy; /* backward: [N,O] act */
    pt_view t;  /* [N, max rank] f32: forward writes (may be absent in inference), backward reads */
    pt_view dt; /* backward in two calls: [N, max rank] f32, written by the first, read by the second; may not be t */
    const pt_lora_slot *slots; /* [n_slots] */
    uint32_t module; /* layer*16 + module number: keys dropout */
    pt_view w;       /* [O,I] any stored type, or absent */
    pt_view bias;    /* forward, with w: [1,O] plain type, or absent */
    int dy_spare;    /* backward: columns behind each row of dy, of its ld, that the op may overwrite */
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
    float beta;  /* 0 or 1 */
    int x_spare; /* forward: columns behind each row of x, of its ld, that the op may overwrite */
    pt_lora_half half; /* backward; with OWN dx is absent, with TO_X it is there */
} pt_lora_args;
/* Columns that a part of this rank takes behind x or dy, and B's columns and A's rows behind w: rows of two-byte numbers stay aligned to 16 bytes. */
static inline int pt_lora_columns(int rank)
{
    return (rank + 7) / 8 * 8;
}
#endif

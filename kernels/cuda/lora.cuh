/* Shared by the two LoRA files: dropout, and runs taken together. */
#ifndef PT_KERNELS_CUDA_LORA_CUH
#define PT_KERNELS_CUDA_LORA_CUH
#include "base/rng.h"
#include "kernels/cuda/op_args.cuh"

/* Dropout of kernels/lora.h; p = 0: none. */
typedef struct pt_lora_drop {
    const uint64_t *key; /* [N] */
    uint64_t seed, step;
    float p, inv; /* inv = 1/(1-p) */
} pt_lora_drop;
static inline pt_lora_drop pt_lora_drop_of(const pt_lora_args *a)
{
    pt_lora_drop d = {pt_ptr<uint64_t>(a->token_key), a->seed, a->step, a->dropout, (float)(1.0 / (1.0 - (double)a->dropout))};
    return d;
}

/* Factors of features 4*quad .. 4*quad+3 of a token. */
PT_DEV void pt_lora_keep(const pt_lora_drop &d, uint32_t module, uint64_t key, uint32_t quad, float f[4])
{
    pt_rng4 w = pt_rng_words(d.seed, PT_RNG_DROPOUT, pt_hash_mix(key, d.step), (uint64_t)module << 32 | quad);
#pragma unroll
    for (int i = 0; i < 4; i++) f[i] = pt_rng_unit(w.v[i]) < d.p ? 0.0f : d.inv;
}

/* The next run, neighbours of the same slot taken together. */
static inline bool pt_lora_next(const pt_lora_args *a, int *i, pt_lora_run *run)
{
    if (*i >= a->n_runs) return false;
    *run = a->runs[(*i)++];
    while (*i < a->n_runs && a->runs[*i].slot == run->slot && a->runs[*i].begin == run->end) run->end = a->runs[(*i)++].end;
    return true;
}
static inline int pt_lora_rank(const pt_lora_part *p, int n_slots)
{
    int r = 0;
    for (int s = 0; s < n_slots; s++) r = p->slots[s].rank > r ? p->slots[s].rank : r;
    return r;
}

/* compute f32: products by cuBLASLt, a run and a part at a time. */
pt_status pt_cuda_lora_f32(pt_ctx *ctx, const pt_lora_args *a, bool backward);
#endif

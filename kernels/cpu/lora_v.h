/* LoRA's dropout by counter RNG (kernels/lora.h), a row at a time; masks are made again where needed, never stored. */
#ifndef PT_KERNELS_LORA_V_H
#define PT_KERNELS_LORA_V_H
#include <stdint.h>
#include "kernels/cpu/isa.h"

typedef struct pt_drop_args {
    uint64_t seed, token; /* token = pt_hash_mix(token_key, step) */
    uint32_t module;
    float p;
} pt_drop_args;
/* out[f] = keep(f) * x[f] (add = 0), or out[f] += keep(f) * x[f] (add = 1); keep(f) = 0 or 1/(1-p). out may be x. */
PT_V_DECL(void, pt_vdrop, (const pt_drop_args *d, const float *x, int64_t n, float *out, int add));
#endif

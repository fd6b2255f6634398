/* Vector kernels of decode attention and sampling (decode_v.c, sample_v.c). */
#ifndef PT_KERNELS_DECODE_V_H
#define PT_KERNELS_DECODE_V_H
#include <stdbool.h>
#include <stdint.h>
#include "kernels/cpu/isa.h"

/* One KV head of one sequence: `group` query heads (q: [group][dim] dense) against `keys` keys. Unnormalised result:
 * o[g][dim] = sum_j 2^(c*s_j - top[g]) v_j, sum[g] likewise, top[g] = max_j c*s_j. keys >= 1; c = scale * log2 e. With softcap > 0 or slopes
 * (of the group's heads) c = scale, and c*s_j becomes log2 e * (softcap * tanh(c*s_j / softcap) - slopes[g] * (last - j)); last: the
 * new token's position less that of the first key. */
typedef struct pt_decode_part {
    const float *q, *k, *v;
    int64_t ld_k, ld_v;
    int group, dim, keys;
    float c, softcap;
    const float *slopes; /* NULL = none */
    int last;
    float *o, *top, *sum;
} pt_decode_part;
PT_V_DECL(void, pt_decode_keys, (const pt_decode_part *p));

/* Maximum of z[n]; *bad = some z is NaN or +inf. */
PT_V_DECL(float, pt_sample_max, (const float *z, int64_t n, bool *bad));
/* sum over n of exp((z - max) * factor), in double over pieces of 1024. */
PT_V_DECL(double, pt_sample_mass, (const float *z, int64_t n, float max, float factor));
/* The ids with z >= floor, ascending; returns how many. */
PT_V_DECL(int64_t, pt_sample_above, (const float *z, int64_t n, float floor, int32_t *ids));
#endif

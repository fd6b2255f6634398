#include "base/dtype.h"

#include <strings.h>

static const pt_dtype_info infos[PT_DTYPE_COUNT] = {
    [PT_F32] = {"f32", 1, 4, 0},        [PT_F16] = {"f16", 1, 2, 1},        [PT_BF16] = {"bf16", 1, 2, 30},
    [PT_I32] = {"i32", 1, 4, 26},       [PT_U64] = {"u64", 1, 8, -1},       [PT_U8] = {"u8", 1, 1, -1},        [PT_F64] = {"f64", 1, 8, 28},
    [PT_Q8_0] = {"q8_0", 32, 34, 8},    [PT_Q4_0] = {"q4_0", 32, 18, 2},    [PT_Q4_1] = {"q4_1", 32, 20, 3},
    [PT_Q5_0] = {"q5_0", 32, 22, 6},    [PT_Q5_1] = {"q5_1", 32, 24, 7},    [PT_Q2_K] = {"q2_k", 256, 84, 10},
    [PT_Q3_K] = {"q3_k", 256, 110, 11}, [PT_Q4_K] = {"q4_k", 256, 144, 12}, [PT_Q5_K] = {"q5_k", 256, 176, 13},
    [PT_Q6_K] = {"q6_k", 256, 210, 14}, [PT_IQ4_NL] = {"iq4_nl", 32, 18, 20},
    [PT_IQ4_XS] = {"iq4_xs", 256, 136, 23}, [PT_IQ3_S] = {"iq3_s", 256, 110, 21},
};

const pt_dtype_info *pt_dtype_get(pt_dtype t)
{
    return &infos[t];
}

bool pt_dtype_parse(const char *name, pt_dtype *out)
{
    for (int i = 0; i < PT_DTYPE_COUNT; i++)
        if (!strcasecmp(infos[i].name, name)) return *out = (pt_dtype)i, true;
    return false;
}

bool pt_dtype_from_ggml(int id, pt_dtype *out)
{
    for (int i = 0; i < PT_DTYPE_COUNT; i++)
        if (infos[i].ggml >= 0 && infos[i].ggml == id) return *out = (pt_dtype)i, true;
    return false;
}

pt_status pt_dtype_row_bytes(pt_dtype t, size_t cols, size_t *bytes)
{
    const pt_dtype_info *d = &infos[t];
    if (cols % d->block) return pt_fail(PT_ESHAPE, "a row of %zu is no multiple of %s's block of %u", cols, d->name, d->block);
    size_t n = cols / d->block;
    if (__builtin_mul_overflow(n, (size_t)d->bytes, bytes)) return pt_fail(PT_ESHAPE, "a row of %zu %s overflows", cols, d->name);
    return PT_OK;
}

float pt_f16_to_f32(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, exp = (h >> 10) & 31, man = h & 0x3ff;
    union { uint32_t u; float f; } v;
    if (exp == 31) v.u = sign | 0x7f800000u | (man << 13) | (man ? 0x400000u : 0);
    else if (exp) v.u = sign | ((exp + 112) << 23) | (man << 13);
    else {
        v.f = (float)man * 0x1p-24f; /* subnormal or zero: exact */
        v.u |= sign;
    }
    return v.f;
}

uint16_t pt_f32_to_f16(float f)
{
    union { float f; uint32_t u; } v = {f};
    uint16_t sign = (uint16_t)((v.u >> 16) & 0x8000);
    uint32_t a = v.u & 0x7fffffffu;
    if (a > 0x7f800000u) return sign | 0x7e00;
    if (a >= 0x477ff000u) return sign | 0x7c00; /* rounds to 65536 or more */
    if (a < 0x38800000u) {                      /* subnormal: let the adder round at 2^-24 */
        v.u = a;
        v.f += 0.5f;
        return (uint16_t)(sign | (v.u - 0x3f000000u));
    }
    a += 0xfff + ((a >> 13) & 1);
    return (uint16_t)(sign | ((a - 0x38000000u) >> 13));
}

/* Element types: plain numbers and GGUF blocks. Sizes and names only; conversions are in base/quant.h. */
#ifndef PT_BASE_DTYPE_H
#define PT_BASE_DTYPE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

typedef enum pt_dtype {
    PT_F32,
    PT_F16,
    PT_BF16,
    PT_I32,
    PT_U64,
    PT_U8,
    PT_F64,
    PT_Q8_0, /* the blocks: `block` elements in `bytes` bytes, laid out as in ggml */
    PT_Q4_0,
    PT_Q4_1,
    PT_Q5_0,
    PT_Q5_1,
    PT_Q2_K,
    PT_Q3_K,
    PT_Q4_K,
    PT_Q5_K,
    PT_Q6_K,
    PT_IQ4_NL,
    PT_IQ4_XS,
    PT_IQ3_S,
    PT_DTYPE_COUNT
} pt_dtype;

typedef struct pt_dtype_info {
    const char *name;  /* "f32", "q4_k": also what --type takes */
    uint32_t block;    /* elements in a block (1 for plain numbers) */
    uint32_t bytes;    /* bytes of a block */
    int ggml;          /* ggml_type id, -1 when it has none */
} pt_dtype_info;

const pt_dtype_info *pt_dtype_get(pt_dtype t);
/* By name ("q4_k"), any case; false when unknown. */
bool pt_dtype_parse(const char *name, pt_dtype *out);
bool pt_dtype_from_ggml(int id, pt_dtype *out);
static inline bool pt_dtype_quantised(pt_dtype t) { return t >= PT_Q8_0; }
/* Bytes of one row of `cols` elements; PT_ESHAPE when cols is no multiple of the block. */
pt_status pt_dtype_row_bytes(pt_dtype t, size_t cols, size_t *bytes);

/* float <-> half types, round to nearest even; NaN stays NaN (quiet), subnormals kept. */
float pt_f16_to_f32(uint16_t h);
uint16_t pt_f32_to_f16(float f);
static inline float pt_bf16_to_f32(uint16_t h)
{
    union { uint32_t u; float f; } v = {(uint32_t)h << 16};
    return v.f;
}
static inline uint16_t pt_f32_to_bf16(float f)
{
    union { float f; uint32_t u; } v = {f};
    if ((v.u & 0x7fffffffu) > 0x7f800000u) return (uint16_t)((v.u >> 16) | 64);
    return (uint16_t)((v.u + 0x7fffu + ((v.u >> 16) & 1)) >> 16);
}
#endif

/* Element conversions at full speed; results are those of base/quant.h and base/dtype.h, bit for bit, in every variant. */
#ifndef PT_KERNELS_DEQUANT_V_H
#define PT_KERNELS_DEQUANT_V_H
#include "base/dtype.h"
#include "kernels/cpu/isa.h"

/* n elements (whole blocks) of any stored type at b to f32 / to bf16. */
PT_V_DECL(void, pt_vdequant, (pt_dtype t, const uint8_t *b, int64_t n, float *y));
PT_V_DECL(void, pt_vdequant_bf16, (pt_dtype t, const uint8_t *b, int64_t n, uint16_t *y));
PT_V_DECL(void, pt_vto_bf16, (const float *x, int64_t n, uint16_t *y));
#endif

/* The CPU backend's state of one context, and what its GEMM-based ops share: a weight as the operand of a product. */
#ifndef PT_KERNELS_DEVICE_CPU_H
#define PT_KERNELS_DEVICE_CPU_H
#include "kernels/check.h"
#include "kernels/cpu/gemm_cpu.h"

typedef struct pt_cpu_device {
    pt_gemm *gemm;
} pt_cpu_device;
static inline pt_gemm *pt_cpu_gemm(const pt_ctx *ctx) { return ((const pt_cpu_device *)ctx->device)->gemm; }

/* How rows of a weight become the operand of a product: in place, or block of rows by block of rows through a scratch. */
typedef struct pt_operand {
    pt_view w;
    pt_dtype type;      /* element type of the operand: f32 or bf16 (ctx->compute) */
    bool in_place;
    int64_t block_rows; /* rows that one scratch holds */
    size_t bytes;       /* of the scratch; 0 in place. Grows with rows and columns */
} pt_operand;
pt_operand pt_operand_plan(const pt_ctx *ctx, pt_view w);
/* Rows [r0, r0+n) as a dense [n, w.cols] operand: the address inside w, or the scratch, filled on all threads. */
const void *pt_operand_rows(pt_ctx *ctx, const pt_operand *p, int64_t r0, int64_t n, void *scratch);

static inline pt_dtype pt_cpu_operand_type(const pt_ctx *ctx) { return ctx->compute == PT_COMPUTE_BF16 ? PT_BF16 : PT_F32; }
/* An f32 activation as an operand of the compute type: itself in f32; in bf16 a dense copy in ws (*ld = cols), on all threads. */
pt_status pt_operand_act(pt_ctx *ctx, pt_ws *ws, pt_view x, const void **out, int64_t *ld);
#endif

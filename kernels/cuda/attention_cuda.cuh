/* The attention ops' parts by type, between their files. Arguments are checked, n > 0, not a dry run. */
#ifndef PT_KERNELS_ATTENTION_CUDA_CUH
#define PT_KERNELS_ATTENTION_CUDA_CUH
#include "kernels/cuda/op_args.cuh"

pt_status pt_attention_fwd_bf16(pt_ctx *ctx, const pt_attention_args *a);
pt_status pt_attention_fwd_f32(pt_ctx *ctx, const pt_attention_args *a);
/* stats: [n_heads, N] pairs of f32, the workspace: {lse * log2(e), delta}, written by the pass for dq, read by the one for dk
 * and dv (f32: {lse, delta}). */
size_t pt_attention_stats_bytes(const pt_attention_bwd_args *a);
pt_status pt_attention_dq_bf16(pt_ctx *ctx, const pt_attention_bwd_args *a, float2 *stats);
pt_status pt_attention_dkv_bf16(pt_ctx *ctx, const pt_attention_bwd_args *a, float2 *stats);
pt_status pt_attention_bwd_f32(pt_ctx *ctx, const pt_attention_bwd_args *a, float2 *stats);
#endif

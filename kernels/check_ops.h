/* Checks of an op's arguments, shared by the host backends (activations are f32): shapes and types, and in a real call the
 * indices. The forest of an attention op may be absent in a dry run. */
#ifndef PT_KERNELS_CHECK_OPS_H
#define PT_KERNELS_CHECK_OPS_H
#include "kernels/check.h"
#include "kernels/ops.h"

pt_status pt_check_rope_table(const pt_ctx *ctx, const pt_rope_table_args *a);
pt_status pt_check_rope(const pt_ctx *ctx, const pt_rope_args *a);
/* Softcap and slopes of an attention op (kernels/attention.h): every backend's. */
pt_status pt_check_bend(const char *op, float softcap, pt_view slopes, int n_heads);
pt_status pt_check_attention(const pt_ctx *ctx, const pt_attention_args *a);
pt_status pt_check_attention_bwd(const pt_ctx *ctx, const pt_attention_bwd_args *a);
pt_status pt_check_decode(const pt_ctx *ctx, const pt_decode_args *a); /* and 1 <= len <= max_len, runs inside the cache */
pt_status pt_check_decode_cache(const char *op, pt_dtype act, const pt_decode_args *a); /* types and shapes of k, v, lens, spans */
pt_status pt_check_gated(const pt_ctx *ctx, const pt_gated_args *a);
pt_status pt_check_gated_bwd(const pt_ctx *ctx, const pt_gated_bwd_args *a);
pt_status pt_check_embed(const pt_ctx *ctx, const pt_embed_args *a);
pt_status pt_check_embed_bwd(const pt_ctx *ctx, const pt_embed_bwd_args *a);
pt_status pt_check_gather(const pt_ctx *ctx, const pt_gather_args *a);
pt_status pt_check_scatter_add(const pt_ctx *ctx, const pt_gather_args *a);
pt_status pt_check_cast(const pt_ctx *ctx, const pt_cast_args *a);
pt_status pt_check_axpby(const pt_ctx *ctx, const pt_axpby_args *a);
pt_status pt_check_clamp(const pt_ctx *ctx, const pt_clamp_args *a); /* both: every backend's */
pt_status pt_check_clamp_bwd(const pt_ctx *ctx, const pt_clamp_bwd_args *a);
pt_status pt_check_sample(const pt_ctx *ctx, const pt_sample_args *a);
#endif

/* The checks of the norms' arguments: one place, so that every backend refuses the same calls. Activations are of ctx->act. */
#ifndef PT_KERNELS_CHECK_NORM_H
#define PT_KERNELS_CHECK_NORM_H
#include "kernels/check.h"
#include "kernels/norm.h"
#include "kernels/rope.h"

pt_status pt_check_rmsnorm(const pt_ctx *ctx, const pt_rmsnorm_args *a);
pt_status pt_check_rmsnorm_bwd(const pt_ctx *ctx, const pt_rmsnorm_bwd_args *a);
pt_status pt_check_layernorm(const pt_ctx *ctx, const pt_layernorm_args *a);
pt_status pt_check_layernorm_bwd(const pt_ctx *ctx, const pt_layernorm_bwd_args *a);
pt_status pt_check_norm_rope(const pt_ctx *ctx, const pt_norm_rope_args *a);
pt_status pt_check_norm_rope_bwd(const pt_ctx *ctx, const pt_norm_rope_bwd_args *a);
#endif

/* The shape and type checks of the linear, LoRA, head, optimiser and reduction ops: one place, so that every backend refuses the same calls. */
#ifndef PT_KERNELS_CHECK_LINEAR_H
#define PT_KERNELS_CHECK_LINEAR_H
#include "kernels/adam.h"
#include "kernels/check.h"
#include "kernels/head.h"
#include "kernels/linear.h"
#include "kernels/lora.h"
#include "kernels/reduce.h"

pt_status pt_check_linear(const pt_ctx *ctx, const pt_linear_args *a);
pt_status pt_check_linear_bwd_x(const pt_ctx *ctx, const pt_linear_bwd_x_args *a);
pt_status pt_check_linear_bwd_w(const pt_ctx *ctx, const pt_linear_bwd_w_args *a);
pt_status pt_check_lora(const pt_ctx *ctx, const pt_lora_args *a, bool backward);
/* The base's products of the parts that have a w (kernels/lora.h), one after the other by ctx's own linear and linear_bwd_x: the one op that calls
 * others. After the checks, before the op's own workspace. */
pt_status pt_lora_base(pt_ctx *ctx, const pt_lora_args *a, bool backward);
pt_status pt_check_head(const pt_ctx *ctx, const pt_head_args *a);
pt_status pt_check_sumsq(const pt_sumsq_args *a);
pt_status pt_check_clip(const pt_clip_args *a);
pt_status pt_check_token_sums(const pt_token_sums_args *a);
pt_status pt_check_adamw(const pt_adamw_args *a);
#endif

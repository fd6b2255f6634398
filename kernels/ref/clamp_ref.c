#include <math.h>

#include "kernels/check_ops.h"
#include "kernels/ref/ref.h"

pt_status pt_ref_clamp(pt_ctx *ctx, const pt_clamp_args *a)
{
    PT_RETURN(pt_check_clamp(ctx, a));
    if (ctx->dry) return PT_OK;
    for (int64_t r = 0; r < a->x.rows; r++)
        for (int64_t i = 0; i < a->x.cols; i++) {
            float x = pt_f32_row(a->x, r)[i];
            pt_f32_row(a->y, r)[i] = x < -a->limit ? -a->limit : x > a->limit ? a->limit : x;
        }
    return PT_OK;
}

pt_status pt_ref_clamp_bwd(pt_ctx *ctx, const pt_clamp_bwd_args *a)
{
    PT_RETURN(pt_check_clamp_bwd(ctx, a));
    if (ctx->dry) return PT_OK;
    for (int64_t r = 0; r < a->x.rows; r++)
        for (int64_t i = 0; i < a->x.cols; i++)
            pt_f32_row(a->dx, r)[i] = fabsf(pt_f32_row(a->x, r)[i]) < a->limit ? pt_f32_row(a->dy, r)[i] : 0;
    return PT_OK;
}

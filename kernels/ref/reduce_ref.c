#include <math.h>

#include "kernels/check_linear.h"
#include "kernels/ref/ref.h"

pt_status pt_ref_sumsq(pt_ctx *ctx, const pt_sumsq_args *a)
{
    PT_RETURN(pt_check_sumsq(a));
    if (ctx->dry) return PT_OK;
    double *acc = pt_at(a->acc);
    const float *x = pt_f32_at(a->x);
    int64_t n = a->x.rows * a->x.cols;
    for (int64_t at = 0; at < n; at += 4096) {
        double s = 0;
        for (int64_t i = at; i < n && i < at + 4096; i++) s += (double)x[i] * x[i];
        *acc += s;
    }
    return PT_OK;
}

pt_status pt_ref_clip(pt_ctx *ctx, const pt_clip_args *a)
{
    PT_RETURN(pt_check_clip(a));
    if (ctx->dry) return PT_OK;
    double *acc = pt_at(a->acc), norm = sqrt(*acc);
    float *s = pt_f32_at(a->scalars);
    bool finite = isfinite(norm);
    s[PT_SCALAR_NORM] = (float)norm;
    s[PT_SCALAR_FINITE] = finite ? 1 : 0;
    s[PT_SCALAR_CLIP] = a->max_norm > 0 && norm > a->max_norm ? (float)(a->max_norm / (norm + 1e-6)) : 1;
    s[PT_SCALAR_APPLIED] += s[PT_SCALAR_FINITE];
    *acc = 0;
    return PT_OK;
}

pt_status pt_ref_token_sums(pt_ctx *ctx, const pt_token_sums_args *a)
{
    PT_RETURN(pt_check_token_sums(a));
    if (ctx->dry) return PT_OK;
    double *acc = pt_at(a->acc);
    const float *weight = pt_f32_at(a->weight), *entropy = pt_f32_at(a->entropy);
    const int32_t *argmax = pt_at(a->argmax), *head = pt_at(a->row_head), *target = pt_at(a->row_target);
    for (int64_t m = 0; m < a->weight.cols; m++) {
        double w = weight[m];
        if (w == 0) continue;
        acc[PT_TOKEN_WEIGHT] += w;
        acc[PT_TOKEN_ENTROPY] += w * entropy[head[m]];
        if (argmax[head[m]] == target[m]) acc[PT_TOKEN_HITS] += w;
    }
    return PT_OK;
}

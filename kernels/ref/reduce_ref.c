#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "kernels/check_linear.h"
#include "kernels/ref/ref.h"

pt_status pt_ref_group_sum(pt_ctx *ctx, const pt_group_sum_args *a)
{
    PT_RETURN(pt_check_group("group_sum", a->sum, a->value, a->start, a->rows, a->weight));
    if (ctx->dry || a->sum.cols == 0) return PT_OK;
    const int32_t *start = pt_at(a->start), *rows = pt_at(a->rows);
    for (int64_t g = 0; g < a->sum.cols; g++) {
        double s = 0;
        for (int32_t k = start[g]; k < start[g + 1]; k++) s += (double)pt_f32_at(a->weight)[k] * pt_f32_at(a->value)[rows[k]];
        pt_f32_at(a->sum)[g] = (float)s;
    }
    return PT_OK;
}

pt_status pt_ref_group_bcast(pt_ctx *ctx, const pt_group_bcast_args *a)
{
    pt_status rc = PT_OK;
    double *sum = NULL;
    PT_TRY(pt_check_group("group_bcast", a->dsum, a->dvalue, a->start, a->rows, a->weight));
    if (ctx->dry || a->dvalue.cols == 0) goto done;
    PT_TRY(pt_alloc0(&sum, a->dvalue.cols));
    const int32_t *start = pt_at(a->start), *rows = pt_at(a->rows);
    for (int64_t g = 0; g < a->dsum.cols; g++)
        for (int32_t k = start[g]; k < start[g + 1]; k++) sum[rows[k]] += (double)pt_f32_at(a->weight)[k] * pt_f32_at(a->dsum)[g];
    for (int64_t m = 0; m < a->dvalue.cols; m++) pt_f32_at(a->dvalue)[m] = (float)sum[m];
done:
    free(sum);
    return rc;
}

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

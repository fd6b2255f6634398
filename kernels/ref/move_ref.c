#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/quant.h"
#include "kernels/check_ops.h"
#include "kernels/ref/ref.h"

pt_status pt_ref_embed(pt_ctx *ctx, const pt_embed_args *a)
{
    pt_status rc = PT_OK;
    float *row = NULL;
    int64_t n = a->y.rows, c = a->y.cols;
    PT_TRY(pt_check_embed(ctx, a));
    if (ctx->dry || n == 0 || c == 0) goto done;
    PT_TRY(pt_alloc0(&row, c));
    for (int64_t r = 0; r < n; r++) {
        int32_t id = ((const int32_t *)pt_at(a->tokens))[r];
        PT_TRY(pt_dequant_rows(a->w.type, (unsigned char *)pt_at(a->w) + (size_t)id * pt_view_row_bytes(a->w), 1, c, row));
        for (int64_t i = 0; i < c; i++) pt_f32_row(a->y, r)[i] = a->scale * row[i];
    }
done:
    free(row);
    return rc;
}

pt_status pt_ref_embed_bwd(pt_ctx *ctx, const pt_embed_bwd_args *a)
{
    PT_RETURN(pt_check_embed_bwd(ctx, a));
    if (ctx->dry) return PT_OK;
    for (int64_t r = 0; r < a->dy.rows; r++) {
        int64_t row = ((const int32_t *)pt_at(a->tokens))[r] - a->first;
        if (row < 0 || row >= a->dw.rows) continue;
        float *dw = pt_f32_row(a->dw, row);
        const float *dy = pt_f32_row(a->dy, r);
        for (int64_t i = 0; i < a->dy.cols; i++) dw[i] = (float)(dw[i] + (double)a->scale * dy[i]);
    }
    return PT_OK;
}

pt_status pt_ref_gather(pt_ctx *ctx, const pt_gather_args *a)
{
    PT_RETURN(pt_check_gather(ctx, a));
    if (ctx->dry) return PT_OK;
    const int32_t *index = pt_at(a->index);
    for (int64_t r = 0; r < a->y.rows; r++)
        memcpy(pt_f32_row(a->y, r), pt_f32_row(a->x, index[r]), (size_t)a->y.cols * sizeof(float));
    return PT_OK;
}

pt_status pt_ref_scatter_add(pt_ctx *ctx, const pt_gather_args *a)
{
    PT_RETURN(pt_check_scatter_add(ctx, a));
    if (ctx->dry) return PT_OK;
    for (int64_t r = 0; r < a->x.rows; r++) {
        float *y = pt_f32_row(a->y, ((const int32_t *)pt_at(a->index))[r]);
        for (int64_t i = 0; i < a->x.cols; i++) y[i] += pt_f32_row(a->x, r)[i];
    }
    return PT_OK;
}

static float element(pt_view v, int64_t r, int64_t i)
{
    const uint16_t *half = (const uint16_t *)pt_at(v) + r * v.ld;
    return v.type == PT_F32 ? pt_f32_row(v, r)[i] : v.type == PT_F16 ? pt_f16_to_f32(half[i]) : pt_bf16_to_f32(half[i]);
}

pt_status pt_ref_cast(pt_ctx *ctx, const pt_cast_args *a)
{
    PT_RETURN(pt_check_cast(ctx, a));
    if (ctx->dry) return PT_OK;
    for (int64_t r = 0; r < a->x.rows; r++)
        for (int64_t i = 0; i < a->x.cols; i++) {
            float x = element(a->x, r, i);
            uint16_t *half = (uint16_t *)pt_at(a->y) + r * a->y.ld;
            if (a->y.type == PT_F32)
                pt_f32_row(a->y, r)[i] = x;
            else
                half[i] = a->y.type == PT_F16 ? pt_f32_to_f16(x) : pt_f32_to_bf16(x);
        }
    return PT_OK;
}

pt_status pt_ref_axpby(pt_ctx *ctx, const pt_axpby_args *a)
{
    PT_RETURN(pt_check_axpby(ctx, a));
    if (ctx->dry) return PT_OK;
    for (int64_t r = 0; r < a->x.rows; r++)
        for (int64_t i = 0; i < a->x.cols; i++) {
            float *y = &pt_f32_row(a->y, r)[i];
            double ax = (double)a->alpha * pt_f32_row(a->x, r)[i];
            *y = (float)(a->beta == 0 ? ax : ax + (double)a->beta * *y);
        }
    return PT_OK;
}

#include <math.h>

#include "kernels/check_ops.h"
#include "kernels/ref/ref.h"

pt_status pt_ref_rope_table(pt_ctx *ctx, const pt_rope_table_args *a)
{
    int64_t n = a->table.rows, half = a->table.cols / 2;
    PT_RETURN(pt_check_rope_table(ctx, a));
    if (ctx->dry || n == 0) return PT_OK;
    const int32_t *pos = pt_at(a->positions);
    for (int64_t r = 0; r < n; r++) {
        float *t = pt_f32_row(a->table, r);
        for (int64_t i = 0; i < half; i++) {
            double angle = (double)pos[r] * (double)pt_f32_at(a->inv_freq)[i];
            t[2 * i] = (float)(a->mscale * cos(angle));
            t[2 * i + 1] = (float)(a->mscale * sin(angle));
        }
    }
    return PT_OK;
}

static void rotate(float *x, const float *t, int half, pt_rope_kind kind, bool inverse)
{
    for (int i = 0; i < half; i++) {
        int p = kind == PT_ROPE_HALF ? i : 2 * i, q = kind == PT_ROPE_HALF ? i + half : 2 * i + 1;
        double c = t[2 * i], s = inverse ? -t[2 * i + 1] : t[2 * i + 1], u = x[p], v = x[q];
        x[p] = (float)(u * c - v * s);
        x[q] = (float)(v * c + u * s);
    }
}

pt_status pt_ref_rope(pt_ctx *ctx, const pt_rope_args *a)
{
    int64_t n = a->x.rows;
    PT_RETURN(pt_check_rope(ctx, a));
    if (ctx->dry) return PT_OK;
    for (int64_t r = 0; r < n; r++)
        for (int h = 0; h < a->heads; h++)
            rotate(pt_f32_row(a->x, r) + (int64_t)h * a->dim, pt_f32_row(a->table, r), a->rot / 2, a->kind, a->inverse);
    return PT_OK;
}

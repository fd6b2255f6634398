#include <string.h>

#include "base/quant.h"
#include "kernels/check_ops.h"
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/rows.h"

enum { SMALL_WORK = 1 << 14, STRIP = 256 };

pt_status pt_cpu_embed(pt_ctx *ctx, const pt_embed_args *a)
{
    PT_RETURN(pt_check_embed(ctx, a));
    int64_t n = a->y.rows, c = a->y.cols;
    if (ctx->dry || n == 0 || c == 0) return PT_OK;
    double t0 = pt_prof_begin(ctx);
    const int32_t *tokens = pt_at(a->tokens);
    const unsigned char *w = pt_at(a->w);
    size_t row = pt_view_row_bytes(a->w);
#pragma omp parallel for schedule(static) if (n * c > SMALL_WORK)
    for (int64_t r = 0; r < n; r++) {
        float *y = pt_f32_row(a->y, r);
        pt_dequant_run(a->w.type, w + (size_t)tokens[r] * row, c, y);
        if (a->scale != 1)
            for (int64_t i = 0; i < c; i++) y[i] *= a->scale;
    }
    pt_prof_end(ctx, PT_PROF_EMBED, t0, 0);
    return PT_OK;
}

/* Threads own strips of columns: every element of dw receives its tokens in order. */
pt_status pt_cpu_embed_bwd(pt_ctx *ctx, const pt_embed_bwd_args *a)
{
    PT_RETURN(pt_check_embed_bwd(ctx, a));
    int64_t n = a->dy.rows, c = a->dy.cols, strips = (c + STRIP - 1) / STRIP;
    if (ctx->dry || n == 0 || c == 0) return PT_OK;
    double t0 = pt_prof_begin(ctx);
    const int32_t *tokens = pt_at(a->tokens);
#pragma omp parallel for schedule(static) if (n * c > SMALL_WORK)
    for (int64_t s = 0; s < strips; s++) {
        int64_t at = s * STRIP, len = c - at < STRIP ? c - at : STRIP;
        for (int64_t r = 0; r < n; r++) {
            int64_t row = tokens[r] - a->first;
            if (row >= 0 && row < a->dw.rows) PT_PICK(pt_axpby_run)(pt_f32_row(a->dw, row) + at, pt_f32_row(a->dy, r) + at, len, a->scale, 1);
        }
    }
    pt_prof_end(ctx, PT_PROF_EMBED, t0, 2.0 * (double)n * (double)c);
    return PT_OK;
}

pt_status pt_cpu_gather(pt_ctx *ctx, const pt_gather_args *a)
{
    PT_RETURN(pt_check_gather(ctx, a));
    int64_t n = a->y.rows, c = a->y.cols;
    if (ctx->dry || n == 0 || c == 0) return PT_OK;
    double t0 = pt_prof_begin(ctx);
    const int32_t *index = pt_at(a->index);
#pragma omp parallel for schedule(static) if (n * c > SMALL_WORK)
    for (int64_t r = 0; r < n; r++) memcpy(pt_f32_row(a->y, r), pt_f32_row(a->x, index[r]), (size_t)c * sizeof(float));
    pt_prof_end(ctx, PT_PROF_COPY, t0, 0);
    return PT_OK;
}

pt_status pt_cpu_scatter_add(pt_ctx *ctx, const pt_gather_args *a)
{
    PT_RETURN(pt_check_scatter_add(ctx, a));
    int64_t n = a->x.rows, c = a->x.cols;
    if (ctx->dry || n == 0 || c == 0) return PT_OK;
    double t0 = pt_prof_begin(ctx);
    const int32_t *index = pt_at(a->index);
#pragma omp parallel for schedule(static) if (n * c > SMALL_WORK)
    for (int64_t r = 0; r < n; r++) PT_PICK(pt_axpby_run)(pt_f32_row(a->y, index[r]), pt_f32_row(a->x, r), c, 1, 1);
    pt_prof_end(ctx, PT_PROF_COPY, t0, (double)n * (double)c);
    return PT_OK;
}

static float load(const void *p, pt_dtype t, int64_t i)
{
    return t == PT_F32   ? ((const float *)p)[i]
           : t == PT_F16 ? pt_f16_to_f32(((const uint16_t *)p)[i])
                         : pt_bf16_to_f32(((const uint16_t *)p)[i]);
}

static void cast_row(void *y, pt_dtype to, const void *x, pt_dtype from, int64_t n)
{
    if (to == from) {
        memmove(y, x, (size_t)n * pt_dtype_get(to)->bytes);
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        float v = load(x, from, i);
        if (to == PT_F32)
            ((float *)y)[i] = v;
        else
            ((uint16_t *)y)[i] = to == PT_F16 ? pt_f32_to_f16(v) : pt_f32_to_bf16(v);
    }
}

pt_status pt_cpu_cast(pt_ctx *ctx, const pt_cast_args *a)
{
    PT_RETURN(pt_check_cast(ctx, a));
    int64_t n = a->x.rows, c = a->x.cols;
    if (ctx->dry || n == 0 || c == 0) return PT_OK;
    double t0 = pt_prof_begin(ctx);
#pragma omp parallel for schedule(static) if (n * c > SMALL_WORK)
    for (int64_t r = 0; r < n; r++)
        cast_row((unsigned char *)pt_at(a->y) + (size_t)r * pt_view_row_bytes(a->y), a->y.type,
                 (unsigned char *)pt_at(a->x) + (size_t)r * pt_view_row_bytes(a->x), a->x.type, c);
    pt_prof_end(ctx, PT_PROF_COPY, t0, 0);
    return PT_OK;
}

pt_status pt_cpu_axpby(pt_ctx *ctx, const pt_axpby_args *a)
{
    PT_RETURN(pt_check_axpby(ctx, a));
    int64_t n = a->x.rows, c = a->x.cols, piece = 8192, pieces = (c + piece - 1) / piece;
    if (ctx->dry || n == 0 || c == 0) return PT_OK;
    double t0 = pt_prof_begin(ctx);
#pragma omp parallel for schedule(static) if (n * c > SMALL_WORK)
    for (int64_t t = 0; t < n * pieces; t++) {
        int64_t r = t / pieces, at = t % pieces * piece, len = c - at < piece ? c - at : piece;
        PT_PICK(pt_axpby_run)(pt_f32_row(a->y, r) + at, pt_f32_row(a->x, r) + at, len, a->alpha, a->beta);
    }
    pt_prof_end(ctx, PT_PROF_COPY, t0, 3.0 * (double)n * (double)c);
    return PT_OK;
}

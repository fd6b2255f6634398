#include <string.h>

#include "base/quant.h"
#include "kernels/check_norm.h"
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/rows.h"

enum {
    DW_BLOCKS = 32,      /* partial sums of dw: at most this many, so the adding up does not grow with the batch */
    DW_ROWS = 64,        /* and at least so many tokens in each */
    ROWS = 8,            /* tokens that a thread takes at a time where dw is not asked for */
    SMALL_WORK = 1 << 14 /* elements under which starting threads costs more than it saves */
};

/* The weight of all heads as floats, plus `plus`: where it lies, or in the workspace. */
static pt_status weight_row(pt_ctx *ctx, pt_ws *ws, pt_view w, int dim, float plus, const float **out)
{
    float *row;
    *out = NULL;
    if (w.type == PT_F32 && plus == 0) {
        if (!ctx->dry) *out = pt_f32_at(w);
        return PT_OK;
    }
    PT_RETURN(pt_ws_take(ws, &row, (size_t)dim * sizeof(float)));
    if (ctx->dry) return PT_OK;
    PT_RETURN(pt_dequant_rows(w.type, pt_at(w), 1, dim, row));
    for (int i = 0; i < dim; i++) row[i] += plus;
    *out = row;
    return PT_OK;
}

/* A token's heads are normalised, then turned while they are in the cache. */
pt_status pt_cpu_norm_rope(pt_ctx *ctx, const pt_norm_rope_args *a)
{
    int64_t n = a->x.rows;
    const float *w;
    pt_ws ws = pt_ws_begin(ctx);
    PT_RETURN(pt_check_norm_rope(ctx, a));
    PT_RETURN(weight_row(ctx, &ws, a->w, a->dim, a->w_add, &w));
    pt_ws_done(&ws);
    if (ctx->dry || n == 0) return PT_OK;
    double t0 = pt_prof_begin(ctx);
    float *rstd = pt_view_ok(a->rstd) ? pt_f32_at(a->rstd) : NULL;
#pragma omp parallel for schedule(static) if (n * a->x.cols > SMALL_WORK)
    for (int64_t r = 0; r < n; r++) {
        float *y = pt_f32_row(a->y, r);
        pt_norm_rows j = {.x = pt_f32_row(a->x, r), .w = w, .y = y, .rstd = rstd ? rstd + r * a->heads : NULL, .cols = a->dim, .ld_x = a->dim, .ld_y = a->dim,
                          .eps = a->eps};
        PT_PICK(pt_norm_forward)(&j, 0, a->heads);
        PT_PICK(pt_rope_row)(y, pt_f32_row(a->table, r), a->heads, a->dim, a->rot, a->kind, false);
    }
    pt_prof_end(ctx, PT_PROF_ROPE, t0, (double)n * a->heads * (4.0 * a->dim + 3.0 * a->rot));
    return PT_OK;
}

/* Tokens [r0, r1); dw (may be NULL): overwritten with their sums, in order. */
static void backward(const pt_norm_rope_bwd_args *a, const float *w, int64_t r0, int64_t r1, float *dw)
{
    float one[PT_NORM_ROPE_MOST];
    for (int i = 0; dw && i < a->dim; i++) dw[i] = 0;
    for (int64_t r = r0; r < r1; r++) {
        float *dx = pt_f32_row(a->dx, r);
        const float *dy = pt_f32_row(a->dy, r);
        if (dx != dy) memcpy(dx, dy, (size_t)a->dx.cols * sizeof(float));
        PT_PICK(pt_rope_row)(dx, pt_f32_row(a->table, r), a->heads, a->dim, a->rot, a->kind, true);
        pt_norm_bwd_rows j = {.dy = dx, .h = pt_f32_row(a->x, r), .rstd = pt_f32_at(a->rstd) + r * a->heads, .w = w, .dx = dx, .ld_dy = a->dim, .ld_h = a->dim,
                              .ld_dx = a->dim, .cols = a->dim};
        PT_PICK(pt_norm_backward)(&j, 0, a->heads, dw ? one : NULL);
        for (int i = 0; dw && i < a->dim; i++) dw[i] += one[i];
    }
}

pt_status pt_cpu_norm_rope_bwd(pt_ctx *ctx, const pt_norm_rope_bwd_args *a)
{
    const bool learns = pt_view_ok(a->dw);
    int64_t n = a->x.rows, parts = learns ? (n + DW_ROWS - 1) / DW_ROWS : (n + ROWS - 1) / ROWS;
    const float *w;
    float *part = NULL;
    pt_ws ws = pt_ws_begin(ctx);
    PT_RETURN(pt_check_norm_rope_bwd(ctx, a));
    if (learns && parts > DW_BLOCKS) parts = DW_BLOCKS;
    PT_RETURN(weight_row(ctx, &ws, a->w, a->dim, a->w_add, &w));
    if (learns) PT_RETURN(pt_ws_take(&ws, &part, (size_t)(parts * a->dim) * sizeof(float)));
    pt_ws_done(&ws);
    if (ctx->dry || n == 0) return PT_OK;
    double t0 = pt_prof_begin(ctx);
#pragma omp parallel for schedule(static) if (n * a->x.cols > SMALL_WORK)
    for (int64_t p = 0; p < parts; p++) backward(a, w, n * p / parts, n * (p + 1) / parts, part ? part + p * a->dim : NULL);
    for (int64_t p = 0; part && p < parts; p++)
        for (int i = 0; i < a->dim; i++) pt_f32_at(a->dw)[i] += part[p * a->dim + i];
    pt_prof_end(ctx, PT_PROF_ROPE, t0, (double)n * a->heads * (8.0 * a->dim + 3.0 * a->rot));
    return PT_OK;
}

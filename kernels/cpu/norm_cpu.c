#include "base/quant.h"
#include "kernels/check_ops.h"
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/rows.h"

enum {
    DW_BLOCKS = 32,      /* partial sums of dw: at most this many, so the adding up does not grow with the batch */
    DW_ROWS = 64,        /* and at least so many rows in each */
    SMALL_WORK = 1 << 14 /* elements under which starting threads costs more than it saves */
};

/* The weight row as floats: where it lies, or a copy in the workspace. */
static pt_status weight_row(pt_ctx *ctx, pt_ws *ws, pt_view w, const float **out)
{
    float *copy;
    *out = NULL;
    if (w.type == PT_F32) {
        if (!ctx->dry) *out = pt_f32_at(w);
        return PT_OK;
    }
    PT_RETURN(pt_ws_take(ws, &copy, (size_t)w.cols * sizeof(float)));
    if (!ctx->dry) PT_RETURN(pt_dequant_rows(w.type, pt_at(w), 1, w.cols, copy));
    *out = copy;
    return PT_OK;
}

static float *maybe(pt_view v)
{
    return pt_view_ok(v) ? pt_f32_at(v) : NULL;
}

pt_status pt_cpu_rmsnorm(pt_ctx *ctx, const pt_rmsnorm_args *a)
{
    int64_t n = a->x.rows, c = a->x.cols;
    const float *w;
    pt_ws ws = pt_ws_begin(ctx);
    PT_RETURN(pt_check_rmsnorm(ctx, a));
    PT_RETURN(weight_row(ctx, &ws, a->w, &w));
    pt_ws_done(&ws);
    if (ctx->dry || n == 0 || c == 0) return PT_OK;
    double t0 = pt_prof_begin(ctx);
    pt_norm_rows j = {pt_f32_at(a->x), maybe(a->add), w,       maybe(a->h), maybe(a->y), maybe(a->rstd),
                      a->x.ld,         a->add.ld,     a->h.ld, a->y.ld,     c,           a->eps};
    int64_t step = 16, parts = (n + step - 1) / step;
#pragma omp parallel for schedule(static) if (n * c > SMALL_WORK)
    for (int64_t p = 0; p < parts; p++) PT_PICK(pt_norm_forward)(&j, p * step, (p + 1) * step < n ? (p + 1) * step : n);
    pt_prof_end(ctx, PT_PROF_NORM, t0, 4.0 * (double)n * (double)c);
    return PT_OK;
}

static int64_t dw_parts(int64_t n)
{
    int64_t parts = (n + DW_ROWS - 1) / DW_ROWS;
    return parts < DW_BLOCKS ? parts : DW_BLOCKS;
}

pt_status pt_cpu_rmsnorm_bwd(pt_ctx *ctx, const pt_rmsnorm_bwd_args *a)
{
    int64_t n = a->dy.rows, c = a->dy.cols;
    const float *w;
    float *part = NULL;
    pt_ws ws = pt_ws_begin(ctx);
    bool with_dw = pt_view_ok(a->dw);
    PT_RETURN(pt_check_rmsnorm_bwd(ctx, a));
    PT_RETURN(weight_row(ctx, &ws, a->w, &w));
    int64_t parts = dw_parts(n);
    if (with_dw) PT_RETURN(pt_ws_take(&ws, &part, (size_t)(parts * c) * sizeof(float)));
    pt_ws_done(&ws);
    if (ctx->dry || n == 0 || c == 0) return PT_OK;
    double t0 = pt_prof_begin(ctx);
    pt_norm_bwd_rows j = {pt_f32_at(a->dy), maybe(a->dres), pt_f32_at(a->h), pt_f32_at(a->rstd), w, pt_f32_at(a->dx),
                          a->dy.ld,         a->dres.ld,     a->h.ld,         a->dx.ld,           c};
#pragma omp parallel for schedule(static) if (n * c > SMALL_WORK)
    for (int64_t p = 0; p < parts; p++)
        PT_PICK(pt_norm_backward)(&j, n * p / parts, n * (p + 1) / parts, with_dw ? part + p * c : NULL);
    if (with_dw) {
        float *dw = pt_f32_at(a->dw);
#pragma omp parallel for schedule(static) if (parts * c > SMALL_WORK)
        for (int64_t i = 0; i < c; i++) {
            float sum = 0;
            for (int64_t p = 0; p < parts; p++) sum += part[p * c + i];
            dw[i] += sum;
        }
    }
    pt_prof_end(ctx, PT_PROF_NORM, t0, 8.0 * (double)n * (double)c);
    return PT_OK;
}

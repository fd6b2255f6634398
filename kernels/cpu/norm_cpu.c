#include "base/quant.h"
#include "kernels/check_norm.h"
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/rows.h"

enum {
    ROWS = 16,           /* that a thread takes at a time */
    DW_BLOCKS = 32,      /* partial sums of dw: at most this many, so the adding up does not grow with the batch */
    DW_ROWS = 64,        /* and at least so many rows in each */
    SMALL_WORK = 1 << 14 /* elements under which starting threads costs more than it saves */
};

/* The weight row as floats, plus `plus`: where it lies, or a row in the workspace; `absent` everywhere where there is none. */
static pt_status weight_row(pt_ctx *ctx, pt_ws *ws, pt_view w, int64_t c, float absent, float plus, const float **out)
{
    float *row;
    *out = NULL;
    if (pt_view_ok(w) && w.type == PT_F32 && plus == 0) {
        if (!ctx->dry) *out = pt_f32_at(w);
        return PT_OK;
    }
    PT_RETURN(pt_ws_take(ws, &row, (size_t)c * sizeof(float)));
    if (ctx->dry) return PT_OK;
    for (int64_t i = 0; i < c; i++) row[i] = absent;
    if (pt_view_ok(w)) PT_RETURN(pt_dequant_rows(w.type, pt_at(w), 1, c, row));
    for (int64_t i = 0; plus != 0 && i < c; i++) row[i] += plus;
    *out = row;
    return PT_OK;
}

static float *maybe(pt_view v)
{
    return pt_view_ok(v) ? pt_f32_at(v) : NULL;
}

static float scale_of(float add_scale)
{
    return add_scale == 0 ? 1 : add_scale;
}

pt_status pt_cpu_rmsnorm(pt_ctx *ctx, const pt_rmsnorm_args *a)
{
    int64_t n = a->x.rows, c = a->x.cols, parts = (n + ROWS - 1) / ROWS;
    const float *w;
    pt_ws ws = pt_ws_begin(ctx);
    PT_RETURN(pt_check_rmsnorm(ctx, a));
    PT_RETURN(weight_row(ctx, &ws, a->w, c, 1, a->w_add, &w));
    pt_ws_done(&ws);
    if (ctx->dry || n == 0 || c == 0) return PT_OK;
    double t0 = pt_prof_begin(ctx);
    pt_norm_rows j = {.x = pt_f32_at(a->x), .add = maybe(a->add), .w = w, .h = maybe(a->h), .y = maybe(a->y), .rstd = maybe(a->rstd), .cols = c,
                      .ld_x = a->x.ld, .ld_add = a->add.ld, .ld_h = a->h.ld, .ld_y = a->y.ld, .eps = a->eps, .add_scale = scale_of(a->add_scale)};
#pragma omp parallel for schedule(static) if (n * c > SMALL_WORK)
    for (int64_t p = 0; p < parts; p++) PT_PICK(pt_norm_forward)(&j, p * ROWS, (p + 1) * ROWS < n ? (p + 1) * ROWS : n);
    pt_prof_end(ctx, PT_PROF_NORM, t0, 4.0 * (double)n * (double)c);
    return PT_OK;
}

pt_status pt_cpu_layernorm(pt_ctx *ctx, const pt_layernorm_args *a)
{
    int64_t n = a->x.rows, c = a->x.cols, parts = (n + ROWS - 1) / ROWS;
    const float *w, *b;
    pt_ws ws = pt_ws_begin(ctx);
    PT_RETURN(pt_check_layernorm(ctx, a));
    PT_RETURN(weight_row(ctx, &ws, a->w, c, 1, 0, &w));
    PT_RETURN(weight_row(ctx, &ws, a->b, c, 0, 0, &b));
    pt_ws_done(&ws);
    if (ctx->dry || n == 0 || c == 0) return PT_OK;
    double t0 = pt_prof_begin(ctx);
    pt_norm_rows j = {.x = pt_f32_at(a->x), .add = maybe(a->add), .w = w, .b = b, .h = maybe(a->h), .y = maybe(a->y), .mean = maybe(a->mean),
                      .rstd = maybe(a->rstd), .cols = c, .ld_x = a->x.ld, .ld_add = a->add.ld, .ld_h = a->h.ld, .ld_y = a->y.ld, .eps = a->eps,
                      .add_scale = scale_of(a->add_scale)};
#pragma omp parallel for schedule(static) if (n * c > SMALL_WORK)
    for (int64_t p = 0; p < parts; p++) PT_PICK(pt_layer_forward)(&j, p * ROWS, (p + 1) * ROWS < n ? (p + 1) * ROWS : n);
    pt_prof_end(ctx, PT_PROF_NORM, t0, 7.0 * (double)n * (double)c);
    return PT_OK;
}

static int64_t dw_parts(int64_t n)
{
    int64_t parts = (n + DW_ROWS - 1) / DW_ROWS;
    return parts < DW_BLOCKS ? parts : DW_BLOCKS;
}

/* Partial sums of a gradient that is asked for: [parts, c]. */
static pt_status take_parts(pt_ws *ws, pt_view dw, int64_t parts, int64_t c, float **part)
{
    *part = NULL;
    return pt_view_ok(dw) ? pt_ws_take(ws, part, (size_t)(parts * c) * sizeof(float)) : PT_OK;
}

static void add_parts(pt_view to, const float *part, int64_t parts, int64_t c)
{
    if (!pt_view_ok(to)) return;
    float *dw = pt_f32_at(to);
#pragma omp parallel for schedule(static) if (parts * c > SMALL_WORK)
    for (int64_t i = 0; i < c; i++) {
        float sum = 0;
        for (int64_t p = 0; p < parts; p++) sum += part[p * c + i];
        dw[i] += sum;
    }
}

pt_status pt_cpu_rmsnorm_bwd(pt_ctx *ctx, const pt_rmsnorm_bwd_args *a)
{
    int64_t n = a->dy.rows, c = a->dy.cols, parts = dw_parts(n);
    const float *w;
    float *part;
    pt_ws ws = pt_ws_begin(ctx);
    PT_RETURN(pt_check_rmsnorm_bwd(ctx, a));
    PT_RETURN(weight_row(ctx, &ws, a->w, c, 1, a->w_add, &w));
    PT_RETURN(take_parts(&ws, a->dw, parts, c, &part));
    pt_ws_done(&ws);
    if (ctx->dry || n == 0 || c == 0) return PT_OK;
    double t0 = pt_prof_begin(ctx);
    pt_norm_bwd_rows j = {.dy = pt_f32_at(a->dy), .dres = maybe(a->dres), .h = pt_f32_at(a->h), .rstd = pt_f32_at(a->rstd), .w = w,
                          .dx = pt_f32_at(a->dx), .ld_dy = a->dy.ld, .ld_dres = a->dres.ld, .ld_h = a->h.ld, .ld_dx = a->dx.ld, .cols = c};
#pragma omp parallel for schedule(static) if (n * c > SMALL_WORK)
    for (int64_t p = 0; p < parts; p++)
        PT_PICK(pt_norm_backward)(&j, n * p / parts, n * (p + 1) / parts, part ? part + p * c : NULL);
    add_parts(a->dw, part, parts, c);
    pt_prof_end(ctx, PT_PROF_NORM, t0, 8.0 * (double)n * (double)c);
    return PT_OK;
}

pt_status pt_cpu_layernorm_bwd(pt_ctx *ctx, const pt_layernorm_bwd_args *a)
{
    int64_t n = a->dy.rows, c = a->dy.cols, parts = dw_parts(n);
    const float *w;
    float *part_w, *part_b;
    pt_ws ws = pt_ws_begin(ctx);
    PT_RETURN(pt_check_layernorm_bwd(ctx, a));
    PT_RETURN(weight_row(ctx, &ws, a->w, c, 1, 0, &w));
    PT_RETURN(take_parts(&ws, a->dw, parts, c, &part_w));
    PT_RETURN(take_parts(&ws, a->db, parts, c, &part_b));
    pt_ws_done(&ws);
    if (ctx->dry || n == 0 || c == 0) return PT_OK;
    double t0 = pt_prof_begin(ctx);
    pt_norm_bwd_rows j = {.dy = pt_f32_at(a->dy), .dres = maybe(a->dres), .h = pt_f32_at(a->h), .mean = pt_f32_at(a->mean),
                          .rstd = pt_f32_at(a->rstd), .w = w, .dx = pt_f32_at(a->dx), .ld_dy = a->dy.ld, .ld_dres = a->dres.ld, .ld_h = a->h.ld,
                          .ld_dx = a->dx.ld, .cols = c};
#pragma omp parallel for schedule(static) if (n * c > SMALL_WORK)
    for (int64_t p = 0; p < parts; p++)
        PT_PICK(pt_layer_backward)(&j, n * p / parts, n * (p + 1) / parts, part_w ? part_w + p * c : NULL, part_b ? part_b + p * c : NULL);
    add_parts(a->dw, part_w, parts, c);
    add_parts(a->db, part_b, parts, c);
    pt_prof_end(ctx, PT_PROF_NORM, t0, 12.0 * (double)n * (double)c);
    return PT_OK;
}

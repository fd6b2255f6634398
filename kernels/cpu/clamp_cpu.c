#include "kernels/check_ops.h"
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/rows.h"

enum { SMALL_WORK = 1 << 14 };

pt_status pt_cpu_clamp(pt_ctx *ctx, const pt_clamp_args *a)
{
    PT_RETURN(pt_check_clamp(ctx, a));
    int64_t n = a->x.rows, c = a->x.cols;
    if (ctx->dry || n == 0 || c == 0) return PT_OK;
    double t0 = pt_prof_begin(ctx);
#pragma omp parallel for schedule(static) if (n * c > SMALL_WORK)
    for (int64_t r = 0; r < n; r++) PT_PICK(pt_clamp_run)(pt_f32_row(a->y, r), pt_f32_row(a->x, r), c, a->limit);
    pt_prof_end(ctx, PT_PROF_COPY, t0, (double)n * (double)c);
    return PT_OK;
}

pt_status pt_cpu_clamp_bwd(pt_ctx *ctx, const pt_clamp_bwd_args *a)
{
    PT_RETURN(pt_check_clamp_bwd(ctx, a));
    int64_t n = a->x.rows, c = a->x.cols;
    if (ctx->dry || n == 0 || c == 0) return PT_OK;
    double t0 = pt_prof_begin(ctx);
#pragma omp parallel for schedule(static) if (n * c > SMALL_WORK)
    for (int64_t r = 0; r < n; r++) PT_PICK(pt_clamp_bwd_run)(pt_f32_row(a->dx, r), pt_f32_row(a->dy, r), pt_f32_row(a->x, r), c, a->limit);
    pt_prof_end(ctx, PT_PROF_COPY, t0, (double)n * (double)c);
    return PT_OK;
}

#include <math.h>

#include "kernels/check_ops.h"
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/rows.h"

pt_status pt_cpu_rope_table(pt_ctx *ctx, const pt_rope_table_args *a)
{
    PT_RETURN(pt_check_rope_table(ctx, a));
    int64_t n = a->table.rows, half = a->table.cols / 2;
    if (ctx->dry || n == 0) return PT_OK;
    double t0 = pt_prof_begin(ctx);
    const int32_t *pos = pt_at(a->positions);
    const float *freq = pt_f32_at(a->inv_freq);
#pragma omp parallel for schedule(static) if (n * half > 1024)
    for (int64_t r = 0; r < n; r++) {
        float *t = pt_f32_row(a->table, r);
        for (int64_t i = 0; i < half; i++) {
            double angle = (double)pos[r] * (double)freq[i];
            t[2 * i] = (float)(a->mscale * cos(angle));
            t[2 * i + 1] = (float)(a->mscale * sin(angle));
        }
    }
    pt_prof_end(ctx, PT_PROF_ROPE, t0, 0);
    return PT_OK;
}

pt_status pt_cpu_rope(pt_ctx *ctx, const pt_rope_args *a)
{
    PT_RETURN(pt_check_rope(ctx, a));
    int64_t n = a->x.rows;
    if (ctx->dry || n == 0 || a->rot == 0) return PT_OK;
    double t0 = pt_prof_begin(ctx);
#pragma omp parallel for schedule(static) if (n * a->x.cols > (1 << 14))
    for (int64_t r = 0; r < n; r++)
        PT_PICK(pt_rope_row)(pt_f32_row(a->x, r), pt_f32_row(a->table, r), a->heads, a->dim, a->rot, a->kind, a->inverse);
    pt_prof_end(ctx, PT_PROF_ROPE, t0, 3.0 * (double)n * a->heads * a->rot);
    return PT_OK;
}

#include <math.h>

#include "kernels/check_linear.h"
#include "kernels/check_loss.h"
#include "kernels/cpu/adam_v.h"
#include "kernels/cpu/cpu.h"
#include "kernels/ref/ref.h"

pt_status pt_cpu_adamw(pt_ctx *ctx, const pt_adamw_args *a)
{
    PT_RETURN(pt_check_adamw(a));
    if (ctx->dry || a->p.cols == 0) return PT_OK;
    double t0 = pt_prof_begin(ctx);
    const float *s = pt_f32_at(a->scalars), *g = pt_f32_at(a->g);
    if (s[PT_SCALAR_FINITE] == 0) return PT_OK;
    double t = s[PT_SCALAR_APPLIED], bc1 = 1 - pow(a->beta1, t), bc2 = 1 - pow(a->beta2, t);
    pt_adamw_step k = {.clip = s[PT_SCALAR_CLIP], .decay = a->lr * a->weight_decay, .beta1 = a->beta1, .beta2 = a->beta2,
                       .rest1 = (float)(1 - (double)a->beta1), .rest2 = (float)(1 - (double)a->beta2), .rate = (float)(a->lr / bc1),
                       .root2 = (float)sqrt(bc2), .eps = a->eps};
    float *p = pt_f32_at(a->p), *m = pt_f32_at(a->m), *v = pt_f32_at(a->v);
    int64_t step = 4096, n = a->p.cols;
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < n; i += step) PT_PICK(pt_vadamw)(&k, n - i < step ? n - i : step, p + i, m + i, v + i, g + i);
    pt_prof_end(ctx, PT_PROF_OPTIM, t0, 12.0 * (double)n);
    return PT_OK;
}

pt_status pt_cpu_sumsq(pt_ctx *ctx, const pt_sumsq_args *a)
{
    enum { BLOCK = 4096, MANY = 1024 }; /* blocks whose sums wait on the stack */
    PT_RETURN(pt_check_sumsq(a));
    int64_t n = a->x.rows * a->x.cols;
    if (ctx->dry || n == 0) return PT_OK;
    double t0 = pt_prof_begin(ctx), part[MANY], *acc = pt_at(a->acc);
    const float *x = pt_f32_at(a->x);
    for (int64_t at = 0; at < n; at += (int64_t)BLOCK * MANY) {
        int64_t blocks = (n - at + BLOCK - 1) / BLOCK < MANY ? (n - at + BLOCK - 1) / BLOCK : MANY;
#pragma omp parallel for schedule(static)
        for (int64_t b = 0; b < blocks; b++) {
            int64_t i = at + b * BLOCK;
            part[b] = PT_PICK(pt_vsumsq)(x + i, n - i < BLOCK ? n - i : BLOCK);
        }
        for (int64_t b = 0; b < blocks; b++) *acc += part[b];
    }
    pt_prof_end(ctx, PT_PROF_OPTIM, t0, 2.0 * (double)n);
    return PT_OK;
}

pt_status pt_cpu_clip(pt_ctx *ctx, const pt_clip_args *a)
{
    PT_RETURN(pt_check_clip(a));
    if (ctx->dry) return PT_OK;
    double *acc = pt_at(a->acc), norm = sqrt(*acc);
    float *s = pt_f32_at(a->scalars);
    s[PT_SCALAR_NORM] = (float)norm;
    s[PT_SCALAR_FINITE] = isfinite(norm) ? 1 : 0;
    s[PT_SCALAR_CLIP] = a->max_norm > 0 && norm > a->max_norm ? (float)(a->max_norm / (norm + 1e-6)) : 1;
    s[PT_SCALAR_APPLIED] += s[PT_SCALAR_FINITE];
    *acc = 0;
    return PT_OK;
}

pt_status pt_cpu_group_loss(pt_ctx *ctx, const pt_group_loss_args *a)
{
    pt_core_answer *room;
    double *numbers;
    pt_ws ws = pt_ws_begin(ctx);
    PT_RETURN(pt_ws_take(&ws, &room, (size_t)a->column.cols * sizeof *room));
    PT_RETURN(pt_ws_take(&ws, &numbers, (size_t)pt_group_loss_numbers(a) * sizeof *numbers));
    pt_ws_done(&ws);
    return pt_host_group_loss(ctx, a, room, numbers);
}

/* A batch has thousands of rows: plain loops. */
pt_status pt_cpu_token_sums(pt_ctx *ctx, const pt_token_sums_args *a)
{
    return pt_ref_token_sums(ctx, a);
}

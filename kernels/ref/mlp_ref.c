#include <math.h>

#include "kernels/check_ops.h"
#include "kernels/ref/ref.h"

/* act(x) and its derivative. */
static void activate(pt_act_kind kind, double x, double *y, double *dy)
{
    const double root_2_pi = 0.79788456080286535588, root_half = 0.70710678118654752440;
    if (kind == PT_ACT_SILU) {
        double s = 1 / (1 + exp(-x));
        *y = x * s;
        *dy = s * (1 + x * (1 - s));
    } else if (kind == PT_ACT_GELU_ERF) {
        double phi = 0.5 * erfc(-x * root_half);
        *y = x * phi;
        *dy = phi + x * 0.5 * root_2_pi * exp(-0.5 * x * x);
    } else if (kind == PT_ACT_RELU) {
        *y = x <= 0 ? 0 : x;
        *dy = x <= 0 ? 0 : 1;
    } else if (kind == PT_ACT_RELU2) {
        *y = x <= 0 ? 0 : x * x;
        *dy = x <= 0 ? 0 : 2 * x;
    } else if (kind == PT_ACT_GELU_QUICK) {
        double s = 1 / (1 + exp(-1.702 * x));
        *y = x * s;
        *dy = s * (1 + 1.702 * x * (1 - s));
    } else {
        double t = tanh(root_2_pi * (x + 0.044715 * x * x * x));
        *y = 0.5 * x * (1 + t);
        *dy = 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * root_2_pi * (1 + 3 * 0.044715 * x * x);
    }
}

pt_status pt_ref_gated(pt_ctx *ctx, const pt_gated_args *a)
{
    int64_t n = a->g.rows, f = a->g.cols;
    PT_RETURN(pt_check_gated(ctx, a));
    if (ctx->dry) return PT_OK;
    for (int64_t r = 0; r < n; r++) {
        const float *g = pt_f32_row(a->g, r), *u = pt_view_ok(a->u) ? pt_f32_row(a->u, r) : NULL;
        float *y = pt_f32_row(a->y, r);
        for (int64_t i = 0; i < f; i++) {
            double v, d;
            activate(a->kind, g[i], &v, &d);
            y[i] = (float)(u ? v * u[i] : v);
        }
    }
    return PT_OK;
}

pt_status pt_ref_gated_bwd(pt_ctx *ctx, const pt_gated_bwd_args *a)
{
    int64_t n = a->g.rows, f = a->g.cols;
    PT_RETURN(pt_check_gated_bwd(ctx, a));
    if (ctx->dry) return PT_OK;
    for (int64_t r = 0; r < n; r++)
        for (int64_t i = 0; i < f; i++) {
            double g = pt_f32_row(a->g, r)[i], u = pt_view_ok(a->u) ? pt_f32_row(a->u, r)[i] : 1, dy = pt_f32_row(a->dy, r)[i], v, d;
            activate(a->kind, g, &v, &d);
            pt_f32_row(a->dg, r)[i] = (float)(dy * u * d);
            if (pt_view_ok(a->du)) pt_f32_row(a->du, r)[i] = (float)(dy * v);
            if (pt_view_ok(a->y)) pt_f32_row(a->y, r)[i] = (float)(v * u);
        }
    return PT_OK;
}

#include <math.h>

#include "kernels/check_linear.h"
#include "kernels/ref/ref.h"

pt_status pt_ref_adamw(pt_ctx *ctx, const pt_adamw_args *a)
{
    PT_RETURN(pt_check_adamw(a));
    if (ctx->dry) return PT_OK;
    const float *s = pt_f32_at(a->scalars), *g = pt_f32_at(a->g);
    float *p = pt_f32_at(a->p), *m = pt_f32_at(a->m), *v = pt_f32_at(a->v);
    if (s[PT_SCALAR_FINITE] == 0) return PT_OK;
    double t = s[PT_SCALAR_APPLIED], b1 = a->beta1, b2 = a->beta2;
    for (int64_t i = 0; i < a->p.cols; i++) {
        double gi = (double)s[PT_SCALAR_CLIP] * g[i], pi = p[i];
        pi -= (double)a->lr * a->weight_decay * pi;
        double mi = b1 * m[i] + (1 - b1) * gi, vi = b2 * v[i] + (1 - b2) * gi * gi;
        pi -= a->lr / (1 - pow(b1, t)) * mi / (sqrt(vi / (1 - pow(b2, t))) + a->eps);
        p[i] = (float)pi;
        m[i] = (float)mi;
        v[i] = (float)vi;
    }
    return PT_OK;
}

/* pt_ops_cpu: OpenMP, oneDNN, vector kernels chosen at run time. Activations are f32. */
#ifndef PT_KERNELS_CPU_H
#define PT_KERNELS_CPU_H
#include "base/threads.h"
#include "kernels/check.h"
#include "kernels/op_list.h"
#include "kernels/ops.h"
#include "kernels/profile.h"

#define PT_CPU_DECL(name, args) pt_status pt_cpu_##name(pt_ctx *ctx, const args *a);
PT_OP_LIST(PT_CPU_DECL)
#undef PT_CPU_DECL

pt_status pt_cpu_forest_new(pt_ctx *ctx, pt_forest **out, const pt_forest_caps *caps);
pt_status pt_cpu_forest_set(pt_ctx *ctx, pt_forest *f, const pt_forest_desc *d);
size_t pt_cpu_forest_bytes(pt_ctx *ctx, const pt_forest_caps *caps);
void pt_cpu_forest_free(pt_ctx *ctx, pt_forest *f);

/* y = x . w^T of pt_linear_args, without its bias: what linear and the head share. */
pt_status pt_cpu_product(pt_ctx *ctx, const pt_linear_args *a);

/* Profiling around an op: double t0 = pt_prof_begin(ctx); ...; pt_prof_end(ctx, PT_PROF_NORM, t0, flops). Free when profiling is off. */
static inline double pt_prof_begin(const pt_ctx *ctx) { return ctx->profile && !ctx->dry ? pt_seconds() : 0; }
static inline void pt_prof_end(pt_ctx *ctx, pt_prof_op op, double t0, double flops)
{
    if (!ctx->profile || ctx->dry) return;
    ctx->profile->seconds[op] += pt_seconds() - t0;
    ctx->profile->flops[op] += flops;
    ctx->profile->calls[op]++;
}
#endif

#include "kernels/cpu/cpu.h"
#include "kernels/ref/ref.h"

pt_status pt_cpu_sample(pt_ctx *ctx, const pt_sample_args *a)
{
    return pt_ref_sample(ctx, a);
}

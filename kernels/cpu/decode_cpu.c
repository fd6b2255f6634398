#include "kernels/cpu/cpu.h"
#include "kernels/ref/ref.h"

pt_status pt_cpu_decode_attention(pt_ctx *ctx, const pt_decode_args *a)
{
    return pt_ref_decode_attention(ctx, a);
}

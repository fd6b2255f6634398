/* First version: the loops of ref, so that the layers above can run. The tiled one replaces it. */
#include "kernels/cpu/cpu.h"
#include "kernels/ref/ref.h"

pt_status pt_cpu_attention(pt_ctx *ctx, const pt_attention_args *a)
{
    return pt_ref_attention(ctx, a);
}

pt_status pt_cpu_attention_bwd(pt_ctx *ctx, const pt_attention_bwd_args *a)
{
    return pt_ref_attention_bwd(ctx, a);
}

pt_status pt_cpu_decode_attention(pt_ctx *ctx, const pt_decode_args *a)
{
    return pt_ref_decode_attention(ctx, a);
}

pt_status pt_cpu_sample(pt_ctx *ctx, const pt_sample_args *a)
{
    return pt_ref_sample(ctx, a);
}

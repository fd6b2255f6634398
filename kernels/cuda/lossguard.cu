/* The flag of a loss that is not finite: kernels/loss.h. One block; bytes at least: 8 a value. */
#include "kernels/cuda/op_args.cuh"
#include "kernels/cuda/reduce.cuh"

#include "kernels/cuda/ops_cuda.h"

namespace
{
constexpr int BLOCK = 512;

__global__ void __launch_bounds__(BLOCK)
    loss_guard_k(float *mark, const double *loss, const float *value, const float *weight, int64_t n)
{
    PT_SHARED(double, red, [32]);
    double bad = 0;
    for (int64_t m = threadIdx.x; m < n; m += BLOCK) bad += weight[m] != 0 && !isfinite(value[m]) ? 1.0 : 0.0;
    bad = block_sum(bad, red);
    if (threadIdx.x == 0 && (bad > 0 || (loss && !isfinite(loss[0])))) mark[0] = __uint_as_float(0x7fc00000u);
}
} // namespace

extern "C" pt_status pt_cuda_loss_guard(pt_ctx *ctx, const pt_loss_guard_args *a)
{
    int64_t n = a->value.cols;
    PT_RETURN(pt_check_typed("loss_guard", "mark", a->mark, PT_F32, 1, 1));
    if (pt_view_ok(a->loss)) PT_RETURN(pt_check_typed("loss_guard", "loss", a->loss, PT_F64, 1, 1));
    if (pt_view_ok(a->value)) {
        PT_RETURN(pt_check_typed("loss_guard", "value", a->value, PT_F32, 1, n));
        PT_RETURN(pt_check_typed("loss_guard", "weight", a->weight, PT_F32, 1, n));
    }
    if (ctx->dry) return PT_OK;
    return pt_launch(loss_guard_k, dim3(1), dim3(BLOCK), 0, pt_stream(ctx), pt_ptr<float>(a->mark), pt_ptr<double>(a->loss),
                     pt_ptr<float>(a->value), pt_ptr<float>(a->weight), pt_view_ok(a->value) ? n : 0);
}

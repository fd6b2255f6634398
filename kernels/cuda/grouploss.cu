/* Losses of groups: kernels/cuda/grouploss.h. One block does all: a batch has thousands of rows, and every step needs the one
 * before. */
#include "base/loss_dpo.h"
#include "base/loss_reward.h"
#include "base/loss_sft.h"
#include "kernels/cuda/reduce.cuh"

#include "kernels/cuda/grouploss.h"

namespace
{
constexpr int BLOCK = 512;

struct loss_job {
    double *loss;
    float *dvalue, *sum, *dsum, *pair_loss;
    const float *value, *weight, *ref, *margin, *pair_weight;
    const int32_t *start, *rows, *chosen, *rejected;
    int64_t m, groups, pairs;
    double beta, norm;
};

__global__ void __launch_bounds__(BLOCK) sft_loss_k(loss_job j)
{
    PT_SHARED(double, red, [32]);
    double s = 0;
    for (int64_t m = threadIdx.x; m < j.m; m += BLOCK) {
        s += pt_loss_sft((double)j.value[m], (double)j.weight[m], j.norm);
        j.dvalue[m] = (float)pt_loss_sft_grad((double)j.weight[m], j.norm);
    }
    s = block_sum(s, red);
    if (threadIdx.x == 0) j.loss[0] += s;
}

template <int KIND> __global__ void __launch_bounds__(BLOCK) pair_loss_k(loss_job j)
{
    PT_SHARED(double, red, [32]);
    PT_SHARED(int32_t, row, [BLOCK]);
    PT_SHARED(float, part, [BLOCK]);
    for (int64_t g = warp_id(); g < j.groups; g += BLOCK / 32) {
        double s = 0;
        for (uint32_t k = (uint32_t)j.start[g] + (uint32_t)lane_id(); k < (uint32_t)j.start[g + 1]; k += 32)
            s += (double)j.weight[k] * (double)j.value[j.rows[k]];
        s = warp_sum(s);
        if (lane_id() == 0) j.sum[g] = (float)s;
    }
    for (int64_t g = threadIdx.x; g < j.groups; g += BLOCK) j.dsum[g] = 0;
    __syncthreads();
    double total = 0;
    for (int64_t p = threadIdx.x; p < j.pairs; p += BLOCK) {
        int32_t c = j.chosen[p], r = j.rejected[p];
        double w = (j.pair_weight ? (double)j.pair_weight[p] : 1.0) / j.norm, loss, dc, dr;
        if constexpr (KIND == PT_LOSS_DPO) {
            pt_dpo_pair d = pt_loss_dpo((double)j.sum[c], (double)j.sum[r], j.ref ? (double)j.ref[c] : 0.0,
                                        j.ref ? (double)j.ref[r] : 0.0, j.beta);
            loss = d.loss, dc = d.dchosen, dr = d.drejected;
        } else {
            pt_reward_pair d = pt_loss_reward((double)j.sum[c], (double)j.sum[r], j.margin ? (double)j.margin[p] : 0.0, j.beta);
            loss = d.loss, dc = d.dchosen, dr = d.drejected;
        }
        if (j.pair_loss) j.pair_loss[p] = (float)loss;
        j.dsum[c] = (float)(w * dc);
        j.dsum[r] = (float)(w * dr);
        total += w * loss;
    }
    total = block_sum(total, red);
    if (threadIdx.x == 0) j.loss[0] += total;
    for (int64_t m0 = 0; m0 < j.m; m0 += BLOCK) {
        int64_t mine = m0 + threadIdx.x;
        double s = pt_group_spread<BLOCK>(mine, j.dsum, j.start, j.rows, j.weight, j.groups, row, part);
        if (mine < j.m) j.dvalue[mine] = (float)s;
    }
}

pt_status check(const pt_group_loss_args *a)
{
    int64_t m = a->value.cols, pairs = a->chosen.cols;
    PT_RETURN(pt_check_typed("group_loss", "loss", a->loss, PT_F64, 1, 1));
    PT_RETURN(pt_check_typed("group_loss", "value", a->value, PT_F32, 1, m));
    PT_RETURN(pt_check_typed("group_loss", "dvalue", a->dvalue, PT_F32, 1, m));
    if (!(a->norm > 0)) return pt_fail(PT_EARG, "group_loss: norm %g is not positive", a->norm);
    if (a->kind == PT_LOSS_SFT) return pt_check_typed("group_loss", "weight", a->weight, PT_F32, 1, m);
    if (a->kind != PT_LOSS_DPO && a->kind != PT_LOSS_REWARD) return pt_fail(PT_EARG, "group_loss: kind %d", (int)a->kind);
    PT_RETURN(pt_check_group("group_loss", a->sum, a->value, a->start, a->rows, a->weight));
    PT_RETURN(pt_check_typed("group_loss", "chosen", a->chosen, PT_I32, 1, pairs));
    PT_RETURN(pt_check_typed("group_loss", "rejected", a->rejected, PT_I32, 1, pairs));
    if (pt_view_ok(a->pair_loss)) PT_RETURN(pt_check_typed("group_loss", "pair_loss", a->pair_loss, PT_F32, 1, pairs));
    if (pt_view_ok(a->ref)) PT_RETURN(pt_check_typed("group_loss", "ref", a->ref, PT_F32, 1, a->sum.cols));
    if (pt_view_ok(a->margin)) PT_RETURN(pt_check_typed("group_loss", "margin", a->margin, PT_F32, 1, pairs));
    if (pt_view_ok(a->pair_weight)) PT_RETURN(pt_check_typed("group_loss", "pair_weight", a->pair_weight, PT_F32, 1, pairs));
    return PT_OK;
}
} // namespace

extern "C" pt_status pt_cuda_group_loss(pt_ctx *ctx, const pt_group_loss_args *a)
{
    PT_RETURN(check(a));
    float *dsum;
    pt_ws ws = pt_ws_begin(ctx);
    PT_RETURN(pt_take(&ws, &dsum, (size_t)a->sum.cols * sizeof(float)));
    pt_ws_done(&ws);
    if (ctx->dry || a->value.cols == 0) return PT_OK;
    loss_job j = {pt_ptr<double>(a->loss),
                  pt_ptr<float>(a->dvalue),
                  pt_ptr<float>(a->sum),
                  dsum,
                  pt_ptr<float>(a->pair_loss),
                  pt_ptr<float>(a->value),
                  pt_ptr<float>(a->weight),
                  pt_ptr<float>(a->ref),
                  pt_ptr<float>(a->margin),
                  pt_ptr<float>(a->pair_weight),
                  pt_ptr<int32_t>(a->start),
                  pt_ptr<int32_t>(a->rows),
                  pt_ptr<int32_t>(a->chosen),
                  pt_ptr<int32_t>(a->rejected),
                  a->value.cols,
                  a->sum.cols,
                  a->chosen.cols,
                  a->beta,
                  a->norm};
    if (a->kind == PT_LOSS_SFT) return pt_launch(sft_loss_k, dim3(1), dim3(BLOCK), 0, pt_stream(ctx), j);
    if (a->kind == PT_LOSS_DPO) return pt_launch(pair_loss_k<PT_LOSS_DPO>, dim3(1), dim3(BLOCK), 0, pt_stream(ctx), j);
    return pt_launch(pair_loss_k<PT_LOSS_REWARD>, dim3(1), dim3(BLOCK), 0, pt_stream(ctx), j);
}

/* Losses of groups on the device (kernels/loss.h). */
#ifndef PT_KERNELS_GROUPLOSS_H
#define PT_KERNELS_GROUPLOSS_H
#include "kernels/loss.h"

#ifdef __cplusplus
extern "C" {
#endif
pt_status pt_cuda_group_loss(pt_ctx *ctx, const pt_group_loss_args *a);
#ifdef __cplusplus
}
#endif
#endif

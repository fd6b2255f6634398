/* The checks of group_loss: one place, so that every backend refuses the same calls. */
#ifndef PT_KERNELS_CHECK_LOSS_H
#define PT_KERNELS_CHECK_LOSS_H
#include "kernels/check.h"
#include "kernels/loss.h"

/* by_rows: of the objective's core. */
pt_status pt_check_group_loss(const pt_group_loss_args *a, bool by_rows);
#endif

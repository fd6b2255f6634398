/* The checks of group_loss: one place, so that every backend refuses the same calls. */
#ifndef PT_KERNELS_CHECK_LOSS_H
#define PT_KERNELS_CHECK_LOSS_H
#include "kernels/check.h"
#include "kernels/loss.h"

/* by_rows: of the objective's core. */
pt_status pt_check_group_loss(const pt_group_loss_args *a, bool by_rows);
/* Doubles that the answers' values and derivatives take, where they are wider than the score that an answer holds itself. */
int64_t pt_group_loss_numbers(const pt_group_loss_args *a);
#endif

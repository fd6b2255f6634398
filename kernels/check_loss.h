/* The checks of group_loss: one place, so that every backend refuses the same calls. */
#ifndef PT_KERNELS_CHECK_LOSS_H
#define PT_KERNELS_CHECK_LOSS_H
#include "kernels/check.h"
#include "kernels/loss.h"

/* by_rows: of the objective's core. */
pt_status pt_check_group_loss(const pt_group_loss_args *a, bool by_rows);
/* Doubles that the answers' values and derivatives take, where they are wider than the score that an answer holds itself. */
int64_t pt_group_loss_numbers(const pt_group_loss_args *a);

/* What a backend that is opened at run time must have in common with its program: sizes of what both look into, and the objectives in their order. */
typedef struct pt_made_for {
    size_t ops, loss, step, answer;
    const char *objectives;
} pt_made_for;
#define PT_OBJECTIVE_NAME(name) #name " "
#define PT_MADE_FOR {sizeof(pt_ops), sizeof(pt_group_loss_args), sizeof(pt_core_step), sizeof(pt_core_answer), PT_OBJECTIVE_LIST(PT_OBJECTIVE_NAME)}
extern const pt_made_for pt_made_for_program; /* of the program itself */
#endif

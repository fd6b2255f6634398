/* sft: the weighted token mean of base/loss_sft.h. Linear. */
#include "base/loss_sft.h"

#include <math.h>

#include "train/objective/objective.h"

int32_t pt_group_of_row(const pt_batch *b, int32_t row)
{
    for (int32_t g = 0; g < b->n_groups; g++)
        for (int32_t k = b->group_row_start[g]; k < b->group_row_start[g + 1]; k++)
            if (b->group_rows[k] == row) return g;
    return 0;
}

pt_status pt_token_mean(const pt_objective_in *in, pt_objective_out *out)
{
    const pt_batch *b = in->batch;
    pt_status rc = PT_OK;
    out->loss = out->extreme = 0;
    out->bad_group = -1;
    PT_CHECK(b->n_rows == 0 || b->step_row_weight > 0, PT_ESHAPE, "the step's row weights sum to %g", b->step_row_weight);
    if (out->dlogp)
        for (int32_t m = 0; m < b->n_rows; m++) out->dlogp[m] = (float)pt_loss_sft_grad(b->row_weight[m], b->step_row_weight);
    if (!in->logp) goto done;
    for (int32_t m = 0; m < b->n_rows; m++) {
        double l = pt_loss_sft(in->logp[m], b->row_weight[m], b->step_row_weight);
        if (!isfinite(l) && out->bad_group < 0) out->bad_group = pt_group_of_row(b, m);
        out->loss += l;
    }
done:
    return rc;
}

const pt_objective pt_objective_sft = {.name = "sft", .channels = PT_CHANNEL_LOGP, .linear = true, .eval = pt_token_mean};

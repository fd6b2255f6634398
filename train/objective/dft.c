/* dft: sft with each token's loss times its own probability (base/loss_dft.h). */
#include <math.h>

#include "base/loss_dft.h"
#include "train/objective/objective.h"

static pt_status dft_eval(const pt_objective_in *in, pt_objective_out *out)
{
    const pt_batch *b = in->batch;
    pt_status rc = PT_OK;
    out->loss = out->extreme = 0;
    out->bad_group = -1;
    PT_CHECK(in->logp, PT_ESHAPE, "dft needs log-probabilities");
    PT_CHECK(b->n_rows == 0 || b->step_row_weight > 0, PT_ESHAPE, "the step's row weights sum to %g", b->step_row_weight);
    for (int32_t m = 0; m < b->n_rows; m++) {
        double l = pt_loss_dft(in->logp[m], b->row_weight[m], b->step_row_weight);
        if (!isfinite(l) && out->bad_group < 0) out->bad_group = pt_group_of_row(b, m);
        if (out->dlogp) out->dlogp[m] = (float)pt_loss_dft_grad(in->logp[m], b->row_weight[m], b->step_row_weight);
        out->loss += l;
    }
done:
    return rc;
}

const pt_objective pt_objective_dft = {.name = "dft", .channels = PT_CHANNEL_LOGP, .eval = dft_eval};

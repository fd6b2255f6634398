/* dpo: base/loss_dpo.h on the sums of each pair's two answers; the mean over the step's pairs. Names of metrics as in TRL. */
#include "base/loss_dpo.h"

#include <string.h>

#include "train/objective/objective.h"

enum { CHOSEN, REJECTED, MARGINS, ACCURACIES, LOGPS_CHOSEN, LOGPS_REJECTED, N_METRICS };
static const char *const names[N_METRICS] = {"rewards/chosen",     "rewards/rejected", "rewards/margins",
                                             "rewards/accuracies", "logps/chosen",     "logps/rejected"};

typedef struct dpo_run {
    const pt_objective_in *in;
    pt_objective_out *out;
} dpo_run;

static double reference(const pt_objective_in *in, int32_t g)
{
    return in->ref_logp ? pt_group_value(in->batch, g, in->ref_logp) : (double)in->batch->group_ref_logp[g];
}

static pt_status one_pair(void *user, int32_t c, int32_t r)
{
    dpo_run *run = user;
    const pt_batch *b = run->in->batch;
    pt_objective_out *o = run->out;
    double lc = pt_group_value(b, c, run->in->logp), lr = pt_group_value(b, r, run->in->logp);
    pt_dpo_pair p = pt_loss_dpo(lc, lr, reference(run->in, c), reference(run->in, r), run->in->beta);
    double share = 1.0 / (double)b->step_pairs, scale = share * b->group_weight[c],
           margin = p.reward_chosen - p.reward_rejected;
    if (!isfinite(p.loss) && o->bad_group < 0) o->bad_group = c;
    o->loss += scale * p.loss;
    o->metrics[CHOSEN] += share * p.reward_chosen;
    o->metrics[REJECTED] += share * p.reward_rejected;
    o->metrics[MARGINS] += share * margin;
    o->metrics[ACCURACIES] += margin > 0 ? share : 0;
    o->metrics[LOGPS_CHOSEN] += share * lc;
    o->metrics[LOGPS_REJECTED] += share * lr;
    if (!(fabs(margin) <= o->extreme)) o->extreme = fabs(margin);
    if (o->dlogp) {
        pt_group_spread(b, c, scale * p.dchosen, o->dlogp);
        pt_group_spread(b, r, scale * p.drejected, o->dlogp);
    }
    return PT_OK;
}

static pt_status dpo_eval(const pt_objective_in *in, pt_objective_out *out)
{
    const pt_batch *b = in->batch;
    pt_status rc = PT_OK;
    dpo_run run = {in, out};
    out->loss = out->extreme = 0;
    out->bad_group = -1;
    memset(out->metrics, 0, sizeof out->metrics);
    PT_CHECK(in->logp, PT_ESHAPE, "dpo needs log-probabilities");
    PT_CHECK(in->ref_logp || b->group_ref_logp, PT_ESHAPE, "dpo needs the reference's log-probabilities");
    PT_CHECK(b->n_groups == 0 || b->step_pairs > 0, PT_ESHAPE, "dpo: the step has %lld pairs", (long long)b->step_pairs);
    if (out->dlogp) memset(out->dlogp, 0, (size_t)b->n_rows * sizeof *out->dlogp);
    PT_TRY(pt_pairs_each(b, one_pair, &run));
done:
    return rc;
}

const pt_objective pt_objective_dpo = {
    .name = "dpo",
    .channels = PT_CHANNEL_LOGP,
    .pairs = true,
    .needs_reference = true,
    .n_metrics = N_METRICS,
    .metrics = names,
    .eval = dpo_eval,
};

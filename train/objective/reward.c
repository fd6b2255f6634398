/* reward: base/loss_reward.h on the scores at the answers' end tokens; the mean over the step's pairs. */
#include "base/loss_reward.h"

#include <string.h>

#include "train/objective/objective.h"

enum { ACCURACY, MARGIN, MEAN_REWARD, N_METRICS };
static const char *const names[N_METRICS] = {"accuracy", "margin", "mean_reward"};

typedef struct reward_run {
    const pt_objective_in *in;
    pt_objective_out *out;
} reward_run;

static pt_status one_pair(void *user, int32_t c, int32_t r)
{
    reward_run *run = user;
    const pt_batch *b = run->in->batch;
    const float *s = run->in->score;
    pt_objective_out *o = run->out;
    pt_reward_pair p = pt_loss_reward(s[c], s[r], b->group_margin ? b->group_margin[c] : 0, run->in->beta);
    double share = 1.0 / (double)b->step_pairs, scale = share * b->group_weight[c], gap = (double)s[c] - s[r];
    if (!isfinite(p.loss) && o->bad_group < 0) o->bad_group = c;
    o->loss += scale * p.loss;
    o->metrics[ACCURACY] += gap > 0 ? share : 0;
    o->metrics[MARGIN] += share * gap;
    o->metrics[MEAN_REWARD] += share * 0.5 * ((double)s[c] + s[r]);
    if (o->dscore) {
        o->dscore[c] = (float)(scale * p.dchosen);
        o->dscore[r] = (float)(scale * p.drejected);
    }
    return PT_OK;
}

static pt_status reward_eval(const pt_objective_in *in, pt_objective_out *out)
{
    const pt_batch *b = in->batch;
    pt_status rc = PT_OK;
    reward_run run = {in, out};
    out->loss = out->extreme = 0;
    out->bad_group = -1;
    memset(out->metrics, 0, sizeof out->metrics);
    PT_CHECK(in->score, PT_ESHAPE, "reward needs scores");
    PT_CHECK(b->n_groups == 0 || b->step_pairs > 0, PT_ESHAPE, "reward: the step has %lld pairs", (long long)b->step_pairs);
    if (out->dscore) memset(out->dscore, 0, (size_t)b->n_groups * sizeof *out->dscore);
    PT_TRY(pt_pairs_each(b, one_pair, &run));
done:
    return rc;
}

const pt_objective pt_objective_reward = {
    .name = "reward",
    .channels = PT_CHANNEL_SCORE,
    .pairs = true,
    .n_metrics = N_METRICS,
    .metrics = names,
    .eval = reward_eval,
};

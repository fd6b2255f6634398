/* What pairs without a reference share: means over an answer's tokens, and the likelihood of answers as a mean over all their tokens of the step. */
#ifndef PT_OBJECTIVE_PAIR_MEAN_H
#define PT_OBJECTIVE_PAIR_MEAN_H
#include "base/loss_core.h"

PT_HD double pt_pair_mean(const pt_core_answer *a)
{
    return a->logp / a->tokens;
}
/* A record's part in -sum logp / sum tokens of the step's first answers (of the added ones: extra), as a mean over records; `times` its derivative is added
 * to a->dlogp. Of a record alone (no sums of a step) its own mean. */
PT_HD double pt_pair_nll(const pt_core_step *s, pt_core_answer *a, int extra, double times)
{
    double all = extra ? s->extra_tokens : s->first_tokens, each = all > 0 ? s->norm / all : 1 / a->tokens;
    a->dlogp -= times * each;
    return -each * a->logp;
}
#endif

/* The core of every objective that is the negative log-likelihood of its rows: sft and pretrain differ in what they declare, not in what they compute. */
#ifndef PT_OBJECTIVE_TOKEN_MEAN_H
#define PT_OBJECTIVE_TOKEN_MEAN_H
#include "base/loss_core.h"

PT_HD double pt_token_mean(pt_core_answer *a)
{
    a->dlogp = -1;
    return -a->logp;
}
#endif

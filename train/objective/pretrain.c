/* pretrain: the token mean where every token of a text is supervised (the packer gives all of them weight 1). */
#include "train/objective/objective.h"

const pt_objective pt_objective_pretrain = {
    .name = "pretrain", .channels = PT_CHANNEL_LOGP, .linear = true, .eval = pt_token_mean};

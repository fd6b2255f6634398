/* pretrain: the token mean of sft where every token of a text is supervised. */
#ifndef PT_OBJECTIVE_PRETRAIN_CORE_H
#define PT_OBJECTIVE_PRETRAIN_CORE_H
#include "train/objective/token_mean.h"

enum { pt_pretrain_by_rows = 1, pt_pretrain_n_metrics = 0 };
PT_HD double pt_core_pretrain(const pt_core_step *s, pt_core_answer *a, int n, double *metric)
{
    return pt_token_mean(a);
}
#endif

#ifdef PT_OBJECTIVE_DECLARE
static const pt_objective pt_objective_pretrain = {
    .name = "pretrain",
    .help = "all text",
    .channels = PT_CHANNEL_LOGP,
    .by_rows = pt_pretrain_by_rows,
    .answers = 1,
    .mean = PT_MEAN_ROWS,
    .linear = true,
    .whole_text = true,
    .data = "text",
    .n_also = 2,
    .also = {{"stage", "pt"}, {"pretraining_dataset", "a list of data sets"}},
};
#endif

/* ordinal: a text is of one of K ordered levels y in 0 .. K - 1: cumulative logits (McCullagh 1980, "Regression models for ordinal data") with
 * cut-points that cannot change places. Of the head's K numbers v the first is the text's score, the others make the K - 1 cut-points:
 *   c_1 = v_1;   c_k = c_{k-1} + softplus(v_k), k = 2 .. K - 1;   eta_k = v_0 - c_k;   P(y >= k) = sigmoid(eta_k)
 *   L = -log(P(y >= y) - P(y >= y + 1)), where P(y >= 0) = 1 and P(y >= K) = 0
 * With gaps of softplus form the difference of two sigmoids has a sum as its logarithm, exact for gaps of any size:
 *   L = [y >= 1] softplus(-eta_y) + [y <= K - 2] softplus(eta_{y+1}) + [1 <= y <= K - 2] softplus(-v_{y+1})
 * The cut-points are read from the text as the score is: the head has no bias that all texts would share. What is said is the median level: how many
 * eta_k are above 0. */
#ifndef PT_OBJECTIVE_ORDINAL_CORE_H
#define PT_OBJECTIVE_ORDINAL_CORE_H
#include "train/objective/label_columns.h"

enum { pt_ordinal_by_rows = 0 };
enum { PT_ORDINAL_LABELS, PT_ORDINAL_POOLING, pt_ordinal_n_options };
enum { PT_ORDINAL_ACCURACY, PT_ORDINAL_MAE, PT_ORDINAL_SCORE, pt_ordinal_n_metrics };
/* d: dL/deta_k, into what eta_k is made of. */
PT_HD void pt_ordinal_spread(pt_core_answer *a, int k, double d)
{
    a->dvalue[0] += d;
    a->dvalue[1] -= d;
    for (int j = 2; j <= k; j++) a->dvalue[j] -= d * pt_sigmoid(a->value[j]);
}
PT_HD double pt_core_ordinal(const pt_core_step *s, pt_core_answer *a, int n, double *metric)
{
    int levels = a->width, y = (int)a->column[PT_LABEL], said = 0;
    double loss = 0, eta = a->value[0];
    for (int k = 0; k < levels; k++) a->dvalue[k] = 0;
    for (int k = 1; k < levels; k++) {
        eta -= k == 1 ? a->value[1] : pt_softplus(a->value[k]);
        said += eta > 0 ? 1 : 0;
        if (k == y) {
            loss += pt_softplus(-eta);
            pt_ordinal_spread(a, k, -pt_sigmoid(-eta));
        }
        if (k != y + 1) continue;
        loss += pt_softplus(eta);
        pt_ordinal_spread(a, k, pt_sigmoid(eta));
        if (y < 1) continue;
        loss += pt_softplus(-a->value[k]);
        a->dvalue[k] -= pt_sigmoid(-a->value[k]);
    }
    metric[PT_ORDINAL_ACCURACY] = said == y ? 1 : 0;
    metric[PT_ORDINAL_MAE] = said > y ? said - y : y - said;
    metric[PT_ORDINAL_SCORE] = a->value[0];
    return loss;
}
#endif

#ifdef PT_OBJECTIVE_DECLARE
static const char *pt_ordinal_fits(const double *column, int width, int answers)
{
    if (width < 2) return "num_labels is 1: levels are two at least";
    return pt_classify_fits(column, width, answers);
}
static const pt_objective pt_objective_ordinal = {
    .name = "ordinal",
    .help = "ordered levels of texts, by a head on the decoder",
    .channels = PT_CHANNEL_VALUES,
    .answers = 1,
    .mean = PT_MEAN_RECORDS,
    .data = "labels",
    .fits = pt_ordinal_fits,
    .width_option = PT_ORDINAL_LABELS,
    .pooling_option = 1 + PT_ORDINAL_POOLING,
    .n_columns = 2,
    .columns = PT_LABEL_NAMES,
    .n_options = pt_ordinal_n_options,
    .options = {[PT_ORDINAL_LABELS] = PT_OPTION_NUM_LABELS("2"), [PT_ORDINAL_POOLING] = PT_OPTION_POOLING},
    .n_metrics = pt_ordinal_n_metrics,
    .metrics = {[PT_ORDINAL_ACCURACY] = {.name = "accuracy"}, [PT_ORDINAL_MAE] = {.name = "mae"}, [PT_ORDINAL_SCORE] = {.name = "score"}},
};
#endif

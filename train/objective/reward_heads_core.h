/* reward_heads: a reward model of several heads (criteria, personas): column `head` of a pair says which head it is about, 1 the first, 0 all; with the
 * loss of one head as in train/objective/pair_scores.h and the heads H that the pair is about
 *   L = 1/|H| sum_{k in H} w_k L_k(c_k, r_k) */
#ifndef PT_OBJECTIVE_REWARD_HEADS_CORE_H
#define PT_OBJECTIVE_REWARD_HEADS_CORE_H
#include "train/objective/pair_scores.h"

enum { pt_reward_heads_by_rows = 0 };
enum { PT_HEADS_CENTER, PT_HEADS_CONSTANT, PT_HEADS_WIDTH, PT_HEADS_WEIGHTS, PT_HEADS_POOLING, pt_reward_heads_n_options };
enum { PT_HEADS_COL_MARGIN, PT_HEADS_COL_HEAD, pt_reward_heads_n_columns };
enum { PT_HEADS_ACCURACY, PT_HEADS_MARGIN, PT_HEADS_MEAN, pt_reward_heads_n_metrics };
PT_HD double pt_core_reward_heads(const pt_core_step *s, pt_core_answer *a, int n, double *metric)
{
    int only = (int)a[0].column[PT_HEADS_COL_HEAD], from = only ? only - 1 : 0, to = only ? only : a[0].width;
    double loss = 0, each = 1.0 / (to - from), margin = s->option[PT_HEADS_CONSTANT] + a[0].column[PT_HEADS_COL_MARGIN];
    for (int k = from; k < to; k++) {
        double w = (k < s->n_list ? s->list[k] : 1) * each, c = a[0].value[k], r = a[1].value[k], dc = 0, dr = 0;
        loss += w * pt_pair_loss(c, r, margin, s->option[PT_HEADS_CENTER], &dc, &dr);
        a[0].dvalue[k] += w * dc;
        a[1].dvalue[k] += w * dr;
        metric[PT_HEADS_ACCURACY] += c > r ? each : 0;
        metric[PT_HEADS_MARGIN] += each * (c - r);
        metric[PT_HEADS_MEAN] += 0.5 * each * (c + r);
    }
    return loss;
}
#endif

#ifdef PT_OBJECTIVE_DECLARE
static const char *pt_heads_fits(const double *column, int width, int answers)
{
    double head = column[PT_HEADS_COL_HEAD];
    if (head != floor(head) || head < 0) return "the pair's head is no whole number from 1 on";
    return head <= width ? NULL : "the pair's head is past the last of num_labels";
}
static const char *pt_heads_check(const pt_core_step *s, const pt_option_value *values)
{
    bool same = !s->n_list || s->n_list == (int)s->option[PT_HEADS_WIDTH];
    return same ? NULL : "reward_head_weights has another count of numbers than num_labels: each score takes one";
}
static const pt_objective pt_objective_reward_heads = {
    .name = "reward_heads",
    .channels = PT_CHANNEL_VALUES,
    .answers = 2,
    .mean = PT_MEAN_RECORDS,
    .data = "preference",
    .problem_type = "regression",
    .check = pt_heads_check,
    .fits = pt_heads_fits,
    .variant_of = "reward",
    .variant_key = "num_labels",
    .width_option = PT_HEADS_WIDTH,
    .list_option = 1 + PT_HEADS_WEIGHTS,
    .pooling_option = 1 + PT_HEADS_POOLING,
    .n_columns = pt_reward_heads_n_columns,
    .columns = {[PT_HEADS_COL_MARGIN] = "margin", [PT_HEADS_COL_HEAD] = "head"},
    .n_options = pt_reward_heads_n_options,
    .options = {[PT_HEADS_CENTER] = PT_OPTION_CENTER,
                [PT_HEADS_CONSTANT] = PT_OPTION_REWARD_MARGIN,
                [PT_HEADS_WIDTH] = PT_OPTION_NUM_LABELS("1"),
                [PT_HEADS_WEIGHTS] = {"reward_head_weights", PT_OPTION_NUMBERS, NULL, 0, 1e6, .effect = PT_EFFECT_SAID,
                                      .help = "reward: what each of num_labels scores counts in the loss. Default: 1 each."},
                [PT_HEADS_POOLING] = PT_OPTION_POOLING},
    .n_metrics = pt_reward_heads_n_metrics,
    .metrics = {[PT_HEADS_ACCURACY] = {.name = "accuracy"}, [PT_HEADS_MARGIN] = {.name = "margin"}, [PT_HEADS_MEAN] = {.name = "mean_reward"}},
};
#endif

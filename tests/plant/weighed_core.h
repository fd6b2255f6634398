/* weighed: an objective that stands nowhere but here, for tests/cli/plant_vocab.sh: pairs by how sure the model is of them, as WPO weighs them, where sums
 * over the vocabulary are no sums any more.
 *   L = softplus(r - c + (margin of references)) w + (kl_c / tokens)^2 / 10 + entropy_r / tokens * log_squares_r / tokens / 20
 *   w = exp(log_squares_c / tokens - middle), middle: the mean of log_squares / tokens over all chosen answers of the step, held fixed */
#ifndef PT_PLANT_WEIGHED_CORE_H
#define PT_PLANT_WEIGHED_CORE_H
#include "base/loss_core.h"

enum { pt_weighed_by_rows = 0 };
enum { PT_WEIGHED_WAY, PT_WEIGHED_REFERENCE, pt_weighed_n_options };
enum { PT_WEIGHED_MIDDLE, pt_weighed_n_stats };
enum { PT_WEIGHED_KL, PT_WEIGHED_GAP, PT_WEIGHED_WEIGHT, PT_WEIGHED_LEVEL, PT_WEIGHED_SQUARES, pt_weighed_n_metrics };
PT_HD double pt_core_weighed(const pt_core_step *s, pt_core_answer *a, int n, double *metric)
{
    double u = (a[1].logp - a[1].reference) - (a[0].logp - a[0].reference), w = exp(a[0].log_squares / a[0].tokens - s->stat[PT_WEIGHED_MIDDLE]);
    double kl = a[0].kl / a[0].tokens, entropy = a[1].entropy / a[1].tokens, squares = a[1].log_squares / a[1].tokens;
    (void)n;
    a[0].dlogp = -pt_sigmoid(u) * w;
    a[1].dlogp = pt_sigmoid(u) * w;
    a[0].dlog_squares = pt_softplus(u) * w / a[0].tokens;
    a[0].dkl = kl / 5 / a[0].tokens;
    a[1].dentropy = squares / 20 / a[1].tokens;
    a[1].dlog_squares = entropy / 20 / a[1].tokens;
    metric[PT_WEIGHED_KL] = kl;
    metric[PT_WEIGHED_GAP] = -u;
    metric[PT_WEIGHED_WEIGHT] = w;
    metric[PT_WEIGHED_LEVEL] = s->stat[PT_WEIGHED_MIDDLE];
    metric[PT_WEIGHED_SQUARES] = a[0].log_squares / a[0].tokens;
    return pt_softplus(u) * w + kl * kl / 10 + entropy * squares / 20;
}
#endif

#ifdef PT_OBJECTIVE_DECLARE
static pt_status pt_weighed_stats(const pt_core_step *s, const pt_step_answers *all, double *stat)
{
    double sum = 0;
    (void)s;
    for (int64_t i = 0; i < all->n; i++) sum += all->answer[all->start[i]].log_squares / all->answer[all->start[i]].tokens;
    stat[PT_WEIGHED_MIDDLE] = all->n ? sum / (double)all->n : 0;
    return PT_OK;
}

static const pt_objective pt_objective_weighed = {
    .name = "weighed",
    .help = "pairs by how sure the model is",
    .channels = PT_CHANNEL_ENTROPY | PT_CHANNEL_LOG_SQUARES | PT_CHANNEL_KL,
    .answers = 2,
    .mean = PT_MEAN_RECORDS,
    .reference = true,
    .data = "preference",
    .kl_option = PT_WEIGHED_WAY,
    .reference_option = PT_WEIGHED_REFERENCE,
    .n_options = pt_weighed_n_options,
    .options = {[PT_WEIGHED_WAY] = {"plant_way", PT_OPTION_WORD, "policy", .words = pt_kl_words, .effect = PT_EFFECT_SAID, .help = "Which way the divergence goes."},
                [PT_WEIGHED_REFERENCE] = {"plant_reference", PT_OPTION_WORD, "start", .words = pt_reference_words, .effect = PT_EFFECT_SAID, .help = "What it is held near."}},
    .n_metrics = pt_weighed_n_metrics,
    .metrics = {[PT_WEIGHED_KL] = {.name = "weighed/kl", .zero_at_start = true},
                [PT_WEIGHED_GAP] = {.name = "weighed/gap", .zero_at_start = true},
                [PT_WEIGHED_WEIGHT] = {.name = "weighed/weight"},
                [PT_WEIGHED_LEVEL] = {.name = "weighed/level"},
                [PT_WEIGHED_SQUARES] = {.name = "weighed/squares"}},
    .n_stats = pt_weighed_n_stats,
    .stats = pt_weighed_stats,
};
#endif

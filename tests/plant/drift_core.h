/* drift: an objective that stands nowhere but here, for tests/cli/plant_vocab.sh: tokens, held near the start and kept from becoming sure.
 *   L = -(1 - k) logp + k kl - e entropy + e log_squares
 * Linear: no derivative depends on a channel. */
#ifndef PT_PLANT_DRIFT_CORE_H
#define PT_PLANT_DRIFT_CORE_H
#include "base/loss_core.h"

enum { pt_drift_by_rows = 1 };
enum { PT_DRIFT_KEEP, PT_DRIFT_OPEN, PT_DRIFT_WAY, PT_DRIFT_REFERENCE, pt_drift_n_options };
enum { PT_DRIFT_KL, PT_DRIFT_ENTROPY, PT_DRIFT_SQUARES, PT_DRIFT_NLL, pt_drift_n_metrics };
PT_HD double pt_core_drift(const pt_core_step *s, pt_core_answer *a, int n, double *metric)
{
    double k = s->option[PT_DRIFT_KEEP], e = s->option[PT_DRIFT_OPEN];
    (void)n;
    a->dlogp = k - 1;
    a->dkl = k;
    a->dentropy = -e;
    a->dlog_squares = e;
    metric[PT_DRIFT_KL] = a->kl;
    metric[PT_DRIFT_ENTROPY] = a->entropy;
    metric[PT_DRIFT_SQUARES] = a->log_squares;
    metric[PT_DRIFT_NLL] = -a->logp;
    return (k - 1) * a->logp + k * a->kl + e * (a->log_squares - a->entropy);
}
#endif

#ifdef PT_OBJECTIVE_DECLARE
static const pt_objective pt_objective_drift = {
    .name = "drift",
    .help = "tokens near the start",
    .channels = PT_CHANNEL_LOGP | PT_CHANNEL_ENTROPY | PT_CHANNEL_LOG_SQUARES | PT_CHANNEL_KL,
    .by_rows = true,
    .linear = true,
    .answers = 1,
    .mean = PT_MEAN_ROWS,
    .data = "messages",
    .kl_option = PT_DRIFT_WAY,
    .reference_option = PT_DRIFT_REFERENCE,
    .n_options = pt_drift_n_options,
    .options = {[PT_DRIFT_KEEP] = {"plant_keep", PT_OPTION_NUMBER, "0.5", 0, 1, .effect = PT_EFFECT_SAID, .help = "How much it is held."},
                [PT_DRIFT_OPEN] = {"plant_open", PT_OPTION_NUMBER, "0.1", 0, 1, .effect = PT_EFFECT_SAID, .help = "How much it is kept open."},
                [PT_DRIFT_WAY] = {"plant_way", PT_OPTION_WORD, "policy", .words = pt_kl_words, .effect = PT_EFFECT_SAID, .help = "Which way the divergence goes."},
                [PT_DRIFT_REFERENCE] = {"plant_reference", PT_OPTION_WORD, "start", .words = pt_reference_words, .effect = PT_EFFECT_SAID, .help = "What it is held near."}},
    .n_metrics = pt_drift_n_metrics,
    .metrics = {[PT_DRIFT_KL] = {.name = "drift/kl", .zero_at_start = true},
                [PT_DRIFT_ENTROPY] = {.name = "drift/entropy"},
                [PT_DRIFT_SQUARES] = {.name = "drift/squares"},
                [PT_DRIFT_NLL] = {.name = "drift/nll"}},
};
#endif

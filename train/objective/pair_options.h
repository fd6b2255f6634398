/* What declarations of objectives of train/objective/pair_losses.h have in common: options, columns, metrics, and which options go together.
 * Included by objective.c alone, through their files. */
#ifndef PT_OBJECTIVE_PAIR_OPTIONS_H
#define PT_OBJECTIVE_PAIR_OPTIONS_H
#include "train/objective/objective.h"
#include "train/objective/pair_losses.h"

#define PT_PAIR_BIT(loss) (1u << PT_LOSS_##loss)
enum {
    /* by the difference of scores, which is what an f-divergence leaves defined; sft has no score */
    PT_PAIR_OF_SCORES = PT_PAIR_BIT(SIGMOID) | PT_PAIR_BIT(SIGMOID_NORM) | PT_PAIR_BIT(HINGE) | PT_PAIR_BIT(IPO) | PT_PAIR_BIT(EXO_PAIR) | PT_PAIR_BIT(ROBUST) |
                        PT_PAIR_BIT(DISCOPOP) | PT_PAIR_BIT(SFT),
    PT_PAIR_OF_ORDER = PT_PAIR_BIT(AOT) | PT_PAIR_BIT(AOT_UNPAIRED), /* sorted over the step */
    PT_PAIR_SMOOTHED = PT_PAIR_BIT(ROBUST) | PT_PAIR_BIT(EXO_PAIR) | PT_PAIR_OF_ORDER,
    PT_PAIR_WITH_MARGIN = PT_PAIR_BIT(SIGMOID) | PT_PAIR_BIT(SIGMOID_NORM) | PT_PAIR_BIT(HINGE) | PT_PAIR_BIT(ROBUST),
    PT_PAIR_LOSSES = PT_PAIR_OF_SCORES | PT_PAIR_OF_ORDER | PT_PAIR_BIT(NCA_PAIR) | PT_PAIR_BIT(BCO_PAIR) | PT_PAIR_BIT(SPPO_HARD) | PT_PAIR_BIT(APO_ZERO) |
                     PT_PAIR_BIT(APO_DOWN),
};

static const pt_word pt_pair_divergences[] = {{"reverse_kl", PT_PAIR_REVERSE_KL},
                                              {"forward_kl", PT_PAIR_FORWARD_KL},
                                              {"js_divergence", PT_PAIR_JS},
                                              {"alpha_divergence", PT_PAIR_ALPHA_DIVERGENCE},
                                              {NULL, 0}};

/* TRL's refusals, and ours where an option would do nothing or something else than it says. */
static const char *pt_pair_check(const pt_core_step *s, const pt_option_value *values)
{
    unsigned chosen = 0;
    double rpo = s->option[PT_PAIR_RPO], smooth = s->option[PT_PAIR_SMOOTHING], ld = s->option[PT_PAIR_LD];
    for (int k = PT_LOSS_SIGMOID; k <= PT_LOSS_SFT; k++)
        if (s->list[k - 1] != 0) chosen |= 1u << k;
    if (rpo > 0) {
        bool plain = chosen == PT_PAIR_BIT(SIGMOID), same = chosen == (PT_PAIR_BIT(SIGMOID) | PT_PAIR_BIT(SFT)) && s->list[PT_LOSS_SFT - 1] == rpo;
        if (s->list[PT_LOSS_SIGMOID - 1] != 1 || !(plain || same))
            return "rpo_alpha: A is loss_type: [sigmoid, sft] with loss_weights: [1, A], and the loss_type given here is another; leave one of them out";
        chosen |= PT_PAIR_BIT(SFT);
    }
    if (s->option[PT_PAIR_DIVERGENCE] != PT_PAIR_REVERSE_KL && (chosen & ~(unsigned)PT_PAIR_OF_SCORES))
        return "f_divergence_type other than reverse_kl goes with losses of the difference of scores alone: sigmoid, sigmoid_norm, hinge, ipo, exo_pair, robust, "
               "discopop, sft (another loss of loss_type is none)";
    if (chosen & PT_PAIR_BIT(EXO_PAIR) && smooth == 0) return "loss_type: exo_pair needs label_smoothing above 0 (its paper: 1e-3)";
    if (chosen & PT_PAIR_BIT(ROBUST) && smooth >= 0.5) return "loss_type: robust needs label_smoothing below 0.5: it is the share of labels that are wrong";
    if (smooth > 0 && !(chosen & PT_PAIR_SMOOTHED))
        return "label_smoothing goes with the losses robust, exo_pair, aot and aot_unpaired; this loss_type has none (robust is sigmoid with labels that may be wrong)";
    if (s->option[PT_PAIR_MARGIN] != 0 && !(chosen & PT_PAIR_WITH_MARGIN)) return "dpo_margin goes with the losses sigmoid, sigmoid_norm, hinge and robust; this loss_type has none";
    if (s->option[PT_PAIR_WEIGHTING] != 0) {
        if (chosen & PT_PAIR_OF_ORDER) return "use_weighting cannot go with aot and aot_unpaired: they sort the step, and a pair's weight would fall on other pairs";
        if (chosen & PT_PAIR_BIT(SFT)) return "use_weighting cannot go with sft (nor rpo_alpha): a mean over the step's tokens has no pair to weigh by";
        if (ld != 1) return "use_weighting cannot go with ld_alpha: its weights are of whole answers";
    }
    if (ld != 1 && chosen & PT_PAIR_BIT(SFT)) return "ld_alpha cannot go with sft (nor rpo_alpha), whose mean is over whole answers";
    return NULL;
}

#define PT_PAIR_OPTION_ROWS                                                                                                                              \
    [PT_PAIR_BETA] = {"beta", PT_OPTION_NUMBER, "0.1", 1e-6, 1e3, .aliases = "dpo_beta rl_beta pref_beta", .effect = PT_EFFECT_SAID,               \
                       .help = "DPO's beta: how dear it is to leave the reference."},                                                               \
     [PT_PAIR_REFERENCE] = {"dpo_reference", PT_OPTION_WORD, NULL, .words = pt_reference_words, .effect = PT_EFFECT_SAID,                            \
                            .help = "start: a frozen copy of the starting adapter (default with lora_model_dir); base: the model without "           \
                                    "adapters (default otherwise)."},                                                                                \
     [PT_PAIR_LOSS] = {"loss_type", PT_OPTION_WORDS, "sigmoid", .words = pt_loss_type_words, .takes = PT_PAIR_LOSSES, .aliases = "dpo_loss_type",    \
                       .effect = PT_EFFECT_SAID,                                                                                                     \
                       .help = "dpo: its loss, or a list of losses that are added up: sigmoid, hinge, ipo, robust, exo_pair, nca_pair, bco_pair, "   \
                               "sppo_hard, aot, aot_unpaired, apo_zero, apo_down, discopop, sigmoid_norm, sft."},                                    \
     [PT_PAIR_WEIGHTS] = {"loss_weights", PT_OPTION_NUMBERS, NULL, -1e6, 1e6, .aliases = "dpo_loss_weights", .effect = PT_EFFECT_SAID,               \
                          .help = "One weight a loss of loss_type; 1 each where this is not given."},                                               \
     [PT_PAIR_SMOOTHING] = {"label_smoothing", PT_OPTION_NUMBER, "0", 0, 0.999999, .aliases = "dpo_label_smoothing", .effect = PT_EFFECT_SAID,       \
                            .help = "dpo: the share of pairs whose label is wrong (robust, aot, aot_unpaired), or exo_pair's epsilon."},              \
     [PT_PAIR_DIVERGENCE] = {"f_divergence_type", PT_OPTION_WORD, "reverse_kl", .words = pt_pair_divergences, .effect = PT_EFFECT_SAID,              \
                             .help = "dpo: which divergence from the reference the losses of a difference stand for: reverse_kl, forward_kl, "       \
                                     "js_divergence, alpha_divergence."},                                                                            \
     [PT_PAIR_ALPHA] = {"f_alpha_divergence_coef", PT_OPTION_NUMBER, "0.5", -100, 100, .effect = PT_EFFECT_SAID, .help = "alpha of f_divergence_type: alpha_divergence."}, \
     [PT_PAIR_TAU] = {"discopop_tau", PT_OPTION_NUMBER, "0.05", 1e-6, 1e6, .effect = PT_EFFECT_SAID, .help = "loss_type: discopop: the temperature of its blend."}, \
     [PT_PAIR_MARGIN] = {"dpo_margin", PT_OPTION_NUMBER, "0", -1e6, 1e6, .effect = PT_EFFECT_SAID,                                                       \
                         .help = "dpo: by how much the chosen answer's reward must be above the rejected one's, in the losses sigmoid, sigmoid_norm, "   \
                                 "hinge and robust; a pair's own (field_margin) is added to it. Other losses have none."},                           \
     [PT_PAIR_LD] = {"ld_alpha", PT_OPTION_NUMBER, "1", 0, 1, .effect = PT_EFFECT_SAID,                                                              \
                     .help = "dpo: what tokens past the shorter answer's length weigh in an answer's log-probability (LD-DPO); 1: as all."},         \
     [PT_PAIR_RPO] = {"rpo_alpha", PT_OPTION_NUMBER, "0", 0, 1e6, .effect = PT_EFFECT_SAID, .help = "dpo: A stands for loss_type: [sigmoid, sft] with loss_weights: [1, A]."}, \
     [PT_PAIR_WEIGHTING] = {"use_weighting", PT_OPTION_FLAG, "false", .aliases = "dpo_use_weighting", .effect = PT_EFFECT_SAID,                      \
                            .help = "dpo: a pair counts by how likely the policy itself finds its answers (WPO)."}

#define PT_PAIR_METRIC_ROWS                                                                                                                             \
    [PT_PAIR_CHOSEN] = {.name = "rewards/chosen"},                                                                                                 \
     [PT_PAIR_REJECTED] = {.name = "rewards/rejected"},                                                                                             \
     [PT_PAIR_REWARD_MARGIN] = {.name = "rewards/margins"},                                                                                         \
     [PT_PAIR_ACCURACY] = {.name = "rewards/accuracies"},                                                                                           \
     [PT_PAIR_LOGP_CHOSEN] = {.name = "logps/chosen"},                                                                                              \
     [PT_PAIR_LOGP_REJECTED] = {.name = "logps/rejected"},                                                                                          \
     [PT_PAIR_APART] = {.reduce = PT_REDUCE_MAX, .zero_at_start = true}, \
     [PT_PAIR_DRIFT] = {.name = "drift/chosen"}, \
     [PT_PAIR_DRIFT_OF_TOKEN] = {.name = "drift/chosen_per_token", .fallen = "the chosen answers grow unlikely: a lower learning_rate, a larger beta or an sft loss beside (rpo_alpha) hold them"}

#define PT_PAIR_ANSWERS                                                                                                                             \
    .answers = 2, .mean = PT_MEAN_RECORDS, .reference = true, .reference_option = PT_PAIR_REFERENCE, .data = "preference",                           \
    .list_option = PT_PAIR_LOSS + 1, .list_weights_option = PT_PAIR_WEIGHTS + 1, .tail_option = PT_PAIR_LD + 1, .check = pt_pair_check
#define PT_PAIR_DECLARATION                                                                                                                         \
    PT_PAIR_ANSWERS, .n_options = pt_pair_n_options, .options = {PT_PAIR_OPTION_ROWS},                                                               \
    .n_metrics = pt_pair_n_metrics, .metrics = {PT_PAIR_METRIC_ROWS}
#endif

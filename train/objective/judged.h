/* What objectives of answers that are desirable or not share: options, the label, and metrics as TRL 1.16's KTOTrainer names them. A metric of one kind of
 * answer is its mean over the step's answers of that kind: the mean over all of (its share)^-1 times it. */
#ifndef PT_OBJECTIVE_JUDGED_H
#define PT_OBJECTIVE_JUDGED_H
#include <stdbool.h>

#include "base/loss_core.h"

enum { PT_JUDGED_BETA, PT_JUDGED_REFERENCE, PT_JUDGED_DESIRABLE, PT_JUDGED_UNDESIRABLE, pt_judged_n_options };
enum { PT_JUDGED_LABEL, pt_judged_n_columns };
enum { PT_JUDGED_CHOSEN, PT_JUDGED_REJECTED, PT_JUDGED_MARGIN, PT_JUDGED_LOGP_CHOSEN, PT_JUDGED_LOGP_REJECTED, PT_JUDGED_APART, pt_judged_n_metrics };

PT_HD bool pt_judged_good(const pt_core_answer *a)
{
    return a[0].column[PT_JUDGED_LABEL] > 0.5;
}
PT_HD double pt_judged_weight(const pt_core_step *s, const pt_core_answer *a)
{
    return pt_judged_good(a) ? s->option[PT_JUDGED_DESIRABLE] : s->option[PT_JUDGED_UNDESIRABLE];
}
/* reward: beta (logp - reference), or what stands for it. */
PT_HD void pt_judged_metrics(const pt_core_step *s, const pt_core_answer *a, double reward, double *metric)
{
    bool good = pt_judged_good(a);
    double share = good ? s->column_mean[PT_JUDGED_LABEL] : 1 - s->column_mean[PT_JUDGED_LABEL], one = share > 0 ? 1 / share : 0;
    /* each by its own place: a place that is chosen would put the list on a device's stack */
    metric[PT_JUDGED_CHOSEN] = good ? one * reward : 0;
    metric[PT_JUDGED_REJECTED] = good ? 0 : one * reward;
    metric[PT_JUDGED_MARGIN] = good ? one * reward : -one * reward;
    metric[PT_JUDGED_LOGP_CHOSEN] = good ? one * a[0].logp : 0;
    metric[PT_JUDGED_LOGP_REJECTED] = good ? 0 : one * a[0].logp;
    metric[PT_JUDGED_APART] = fabs(a[0].logp - a[0].reference);
}
#endif

#if defined PT_OBJECTIVE_DECLARE && !defined PT_JUDGED_OPTIONS
/* One form of the loss at a time. */
static inline const char *pt_judged_check(const pt_core_step *s, const pt_option_value *values)
{
    return values[pt_objective_key("loss_type")].n > 1 ? "this objective has one loss_type at a time: name one word" : NULL;
}

#define PT_JUDGED_COLUMNS {[PT_JUDGED_LABEL] = PT_COLUMN_LABEL}
#define PT_JUDGED_OPTIONS                                                                                                                                \
    [PT_JUDGED_BETA] = {"beta", PT_OPTION_NUMBER, "0.1", 1e-6, 1e3, .aliases = "dpo_beta rl_beta pref_beta", .effect = PT_EFFECT_SAID,                   \
                        .help = "How dear it is to leave the reference."},                                                                               \
    [PT_JUDGED_REFERENCE] = {"dpo_reference", PT_OPTION_WORD, NULL, .words = pt_reference_words, .effect = PT_EFFECT_SAID, .help = "The reference."},    \
    [PT_JUDGED_DESIRABLE] = {"desirable_weight", PT_OPTION_NUMBER, "1", 0, 1e6, .aliases = "kto_desirable_weight kto_chosen_weight",                     \
                             .effect = PT_EFFECT_SAID, .help = "kto, bco: weight of the loss of desirable answers."},                                    \
    [PT_JUDGED_UNDESIRABLE] = {"undesirable_weight", PT_OPTION_NUMBER, "1", 0, 1e6, .aliases = "kto_undesirable_weight kto_rejected_weight",             \
                               .effect = PT_EFFECT_SAID, .help = "kto, bco: weight of the loss of undesirable answers."}
#define PT_JUDGED_METRICS                                                                                                                                \
    [PT_JUDGED_CHOSEN] = {.name = "rewards/chosen"}, [PT_JUDGED_REJECTED] = {.name = "rewards/rejected"},                                                \
    [PT_JUDGED_MARGIN] = {.name = "rewards/margins"}, [PT_JUDGED_LOGP_CHOSEN] = {.name = "logps/chosen"},                                                \
    [PT_JUDGED_LOGP_REJECTED] = {.name = "logps/rejected"}, [PT_JUDGED_APART] = {.reduce = PT_REDUCE_MAX, .zero_at_start = true}
#endif

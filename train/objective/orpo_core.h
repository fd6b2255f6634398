/* orpo: likelihood of the chosen answer and the odds of it against the rejected one, without a reference. Hong et al. 2024 (arXiv:2403.07691) eq. 6, 7;
 * as TRL 1.16's ORPOTrainer. With c, r means of log-probabilities over an answer's tokens:
 *   odds = (c - log(1 - e^c)) - (r - log(1 - e^r));   L = NLL - beta log sigmoid(odds)
 * NLL is the mean over all tokens of the chosen conversations of the step, the prompt's too, as TRL has it (orpo_prompt_loss: false: over those of the
 * chosen answers alone). d odds / dc = 1 / (1 - e^c); both sides of a rejected answer of probability 1 are without bound. */
#ifndef PT_OBJECTIVE_ORPO_CORE_H
#define PT_OBJECTIVE_ORPO_CORE_H
#include "train/objective/pair_mean.h"

enum { pt_orpo_by_rows = 0 };
enum { PT_ORPO_BETA, PT_ORPO_PROMPT, pt_orpo_n_options };
enum {
    PT_ORPO_CHOSEN, PT_ORPO_REJECTED, PT_ORPO_ACCURACY, PT_ORPO_MARGIN, PT_ORPO_LOGP_CHOSEN, PT_ORPO_LOGP_REJECTED, PT_ORPO_NLL, PT_ORPO_RATIO, PT_ORPO_ODDS,
    pt_orpo_n_metrics
};
/* log(1 - e^x), x <= 0; the branch at -log 2 avoids cancellation. */
PT_HD double pt_log1mexp(double x)
{
    return x < -0.6931471805599453 ? log1p(-exp(x)) : log(-expm1(x));
}
PT_HD double pt_core_orpo(const pt_core_step *s, pt_core_answer *a, int n, double *metric)
{
    double beta = s->option[PT_ORPO_BETA], c = pt_pair_mean(&a[0]), r = pt_pair_mean(&a[1]);
    double odds_c = c - pt_log1mexp(c), odds_r = r - pt_log1mexp(r), odds = odds_c - odds_r;
    int extra = n > 2 && s->option[PT_ORPO_PROMPT] != 0; /* the whole conversation is the third answer */
    /* sigmoid(-odds) / (1 - e^c), whose parts are 0 and without bound at c = 0 */
    a[0].dlogp = -beta / (exp(c - odds_r) - expm1(c)) / a[0].tokens;
    a[1].dlogp = beta * pt_sigmoid(-odds) / -expm1(r) / a[1].tokens;
    double nll = pt_pair_nll(s, extra ? &a[2] : a, extra, 1);
    metric[PT_ORPO_CHOSEN] = beta * c;
    metric[PT_ORPO_REJECTED] = beta * r;
    metric[PT_ORPO_ACCURACY] = beta * c > beta * r ? 1 : 0;
    metric[PT_ORPO_MARGIN] = beta * (c - r);
    metric[PT_ORPO_LOGP_CHOSEN] = c;
    metric[PT_ORPO_LOGP_REJECTED] = r;
    metric[PT_ORPO_NLL] = nll;
    metric[PT_ORPO_RATIO] = -pt_softplus(-odds);
    metric[PT_ORPO_ODDS] = odds;
    return nll + beta * pt_softplus(-odds);
}
#endif

#ifdef PT_OBJECTIVE_DECLARE
static const pt_objective pt_objective_orpo = {
    .name = "orpo",
    .help = "preference pairs by odds, without a reference",
    .channels = PT_CHANNEL_LOGP,
    .answers = 2,
    .extra = PT_EXTRA_WHOLE,
    .mean = PT_MEAN_RECORDS,
    .data = "preference",
    .n_options = pt_orpo_n_options,
    .options = {[PT_ORPO_BETA] = {"beta", PT_OPTION_NUMBER, "0.1", 1e-6, 1e3, .aliases = "dpo_beta rl_beta pref_beta", .effect = PT_EFFECT_SAID,
                                  .help = "orpo: weight of the odds beside the likelihood."},
                [PT_ORPO_PROMPT] = {"orpo_prompt_loss", PT_OPTION_FLAG, "true", .effect = PT_EFFECT_SAID,
                                    .help = "orpo: whether the likelihood is over the prompts' tokens too, as in TRL."}},
    .n_metrics = pt_orpo_n_metrics,
    .metrics = {[PT_ORPO_CHOSEN] = {.name = "rewards/chosen"}, [PT_ORPO_REJECTED] = {.name = "rewards/rejected"},
                [PT_ORPO_ACCURACY] = {.name = "rewards/accuracies"}, [PT_ORPO_MARGIN] = {.name = "rewards/margins"},
                [PT_ORPO_LOGP_CHOSEN] = {.name = "logps/chosen"}, [PT_ORPO_LOGP_REJECTED] = {.name = "logps/rejected"},
                [PT_ORPO_NLL] = {.name = "nll_loss"}, [PT_ORPO_RATIO] = {.name = "log_odds_ratio"}, [PT_ORPO_ODDS] = {.name = "log_odds_chosen"}},
    .n_also = 1,
    .also = {{"rl", "orpo"}},
};
#endif

/* Losses of preference pairs against a reference, for the objectives that are DPO or kin of it: names, formulas and defaults of TRL 1.16's DPOTrainer.
 * The formulas and their sources stand in dpo_core.h. */
#ifndef PT_OBJECTIVE_PAIR_LOSSES_H
#define PT_OBJECTIVE_PAIR_LOSSES_H
#include "base/loss_core.h"
#include "train/objective/loss_types.h"

enum {
    PT_PAIR_BETA,
    PT_PAIR_REFERENCE,
    PT_PAIR_LOSS,
    PT_PAIR_WEIGHTS,
    PT_PAIR_SMOOTHING,
    PT_PAIR_DIVERGENCE,
    PT_PAIR_ALPHA,
    PT_PAIR_TAU,
    PT_PAIR_MARGIN,
    PT_PAIR_LD,
    PT_PAIR_RPO,
    PT_PAIR_WEIGHTING,
    pt_pair_n_options
};
enum { PT_PAIR_COL_MARGIN, pt_pair_n_columns };
enum {
    PT_PAIR_CHOSEN,
    PT_PAIR_REJECTED,
    PT_PAIR_REWARD_MARGIN,
    PT_PAIR_ACCURACY,
    PT_PAIR_LOGP_CHOSEN,
    PT_PAIR_LOGP_REJECTED,
    PT_PAIR_APART,
    PT_PAIR_DRIFT,
    PT_PAIR_DRIFT_OF_TOKEN,
    pt_pair_n_metrics
};
/* Values of f_divergence_type. */
enum { PT_PAIR_REVERSE_KL = 1, PT_PAIR_FORWARD_KL, PT_PAIR_JS, PT_PAIR_ALPHA_DIVERGENCE };

/* A score of log-ratio x, and its derivative. */
PT_HD double pt_pair_score(const pt_core_step *s, double x, double *d)
{
    double a = s->option[PT_PAIR_ALPHA] - 1, t = a * x;
    int kind = (int)s->option[PT_PAIR_DIVERGENCE];
    *d = 1;
    if (kind == PT_PAIR_FORWARD_KL) {
        *d = exp(-x);
        return 1 - *d;
    }
    if (kind == PT_PAIR_JS) {
        *d = pt_sigmoid(-x);
        return log(2.0) - pt_softplus(-x);
    }
    if (kind != PT_PAIR_ALPHA_DIVERGENCE || fabs(a) < 1e-6) return x;
    if (t > 80) {
        *d = 0;
        return (exp(80.0) - 1) / a;
    }
    *d = exp(t);
    return (*d - 1) / a;
}

PT_HD double pt_pair_tokens(const pt_core_answer *a)
{
    return a->length > 1 ? a->length : 1;
}
PT_HD double pt_pair_margin(const pt_core_step *s, const pt_core_answer *a)
{
    return s->option[PT_PAIR_MARGIN] + a[0].column[PT_PAIR_COL_MARGIN];
}
/* What a chosen token's log-probability counts in sft: the caller multiplies by weight / norm. Of a record alone, its own mean. */
PT_HD double pt_pair_share(const pt_core_step *s, const pt_core_answer *a)
{
    return s->first_tokens > 0 ? s->norm / s->first_tokens : a[0].tokens > 0 ? 1 / a[0].tokens : 0;
}

/* Losses of one number u: value, and dL/du in *du. */
PT_HD double pt_pair_of_number(int loss, const pt_core_step *s, double u, double *du)
{
    double e = s->option[PT_PAIR_SMOOTHING], above = pt_sigmoid(u), below = pt_sigmoid(-u), lost = pt_softplus(-u);
    if (loss == PT_LOSS_HINGE) {
        *du = u >= 1 ? 0 : -1;
        return u >= 1 ? 0 : 1 - u; /* what is no number stays none */
    }
    if (loss == PT_LOSS_ROBUST) {
        *du = (-(1 - e) * below - e * above) / (1 - 2 * e);
        return ((1 - e) * lost - e * pt_softplus(u)) / (1 - 2 * e);
    }
    if (loss == PT_LOSS_EXO_PAIR) {
        double more = -lost - log1p(-e), less = -pt_softplus(u) - log(e);
        *du = above * below * (more - less);
        return above * more + below * less;
    }
    if (loss == PT_LOSS_DISCOPOP) {
        double tau = s->option[PT_PAIR_TAU], w = pt_sigmoid(u / tau), dw = w * pt_sigmoid(-u / tau) / tau, far = exp(-u);
        *du = -below * (1 - w) - far * w + dw * (far - lost);
        return lost * (1 - w) + far * w;
    }
    *du = -below;
    return lost;
}

/* Losses of the difference of scores, which are means over tokens in two of them; dL/dc and dL/dr are added. */
PT_HD double pt_pair_of_difference(int loss, const pt_core_step *s, const pt_core_answer *a, double *dc, double *dr)
{
    int mean = loss == PT_LOSS_IPO || loss == PT_LOSS_SIGMOID_NORM, margin = loss != PT_LOSS_EXO_PAIR && loss != PT_LOSS_DISCOPOP;
    double beta = s->option[PT_PAIR_BETA], nc = mean ? pt_pair_tokens(&a[0]) : 1, nr = mean ? pt_pair_tokens(&a[1]) : 1, dhc, dhr, du, value;
    double hc = pt_pair_score(s, a[0].logp - a[0].reference, &dhc) / nc, hr = pt_pair_score(s, a[1].logp - a[1].reference, &dhr) / nr;
    if (loss == PT_LOSS_IPO) {
        double off = hc - hr - 1 / (2 * beta);
        value = off * off, du = 2 * off;
    } else {
        value = pt_pair_of_number(loss, s, beta * hc - beta * hr - (margin ? pt_pair_margin(s, a) : 0), &du);
        du *= beta;
    }
    *dc += du / nc * dhc;
    *dr -= du / nr * dhr;
    return value;
}

/* Losses of each answer apart: dL/dc and dL/dr are added. */
PT_HD double pt_pair_of_answers(int loss, double b, double c, double r, double *dc, double *dr)
{
    double x = b * c, y = b * r, up = pt_sigmoid(x), down = pt_sigmoid(-x), worse = pt_sigmoid(y);
    if (loss == PT_LOSS_NCA_PAIR) {
        *dc += b * (0.5 * up - down);
        *dr += b * 0.5 * worse;
        return pt_softplus(-x) + 0.5 * pt_softplus(x) + 0.5 * pt_softplus(y);
    }
    if (loss == PT_LOSS_BCO_PAIR) {
        *dc -= b * down;
        *dr += b * worse;
        return pt_softplus(-x) + pt_softplus(y);
    }
    if (loss == PT_LOSS_SPPO_HARD) {
        double won = c - 0.5 / b, lost = r + 0.5 / b;
        *dc += 2 * won;
        *dr += 2 * lost;
        return won * won + lost * lost;
    }
    if (loss == PT_LOSS_APO_ZERO) {
        *dc -= b * up * down;
        *dr += b * worse * pt_sigmoid(-y);
        return down + worse;
    }
    double gap = b * (c - r), slope = b * pt_sigmoid(gap) * pt_sigmoid(-gap); /* apo_down */
    *dc += b * up * down - slope;
    *dr += slope;
    return up + pt_sigmoid(-gap);
}

/* One loss of one pair; dL/dc and dL/dr are added. Those of aot_core.h are 0 here. */
PT_HD double pt_pair_one(int loss, const pt_core_step *s, const pt_core_answer *a, double *dc, double *dr)
{
    switch (loss) {
    case PT_LOSS_SFT:
        *dc -= pt_pair_share(s, a);
        return -a[0].logp * pt_pair_share(s, a);
    case PT_LOSS_NCA_PAIR:
    case PT_LOSS_BCO_PAIR:
    case PT_LOSS_SPPO_HARD:
    case PT_LOSS_APO_ZERO:
    case PT_LOSS_APO_DOWN: return pt_pair_of_answers(loss, s->option[PT_PAIR_BETA], a[0].logp - a[0].reference, a[1].logp - a[1].reference, dc, dr);
    case PT_LOSS_AOT:
    case PT_LOSS_AOT_UNPAIRED: return 0;
    default: return pt_pair_of_difference(loss, s, a, dc, dr);
    }
}

/* What is shown of a pair, named and computed as TRL's; and how far the chosen answer has gone from the reference, in nats and in nats a token. */
PT_HD void pt_pair_metrics(const pt_core_step *s, const pt_core_answer *a, double *metric)
{
    double beta = s->option[PT_PAIR_BETA], chosen = beta * (a[0].logp - a[0].reference), rejected = beta * (a[1].logp - a[1].reference);
    metric[PT_PAIR_CHOSEN] = chosen;
    metric[PT_PAIR_REJECTED] = rejected;
    metric[PT_PAIR_REWARD_MARGIN] = chosen - rejected;
    metric[PT_PAIR_ACCURACY] = chosen > rejected ? 1 : 0;
    metric[PT_PAIR_LOGP_CHOSEN] = a[0].logp;
    metric[PT_PAIR_LOGP_REJECTED] = a[1].logp;
    metric[PT_PAIR_APART] = fabs(chosen - rejected);
    metric[PT_PAIR_DRIFT] = a[0].logp - a[0].reference;
    metric[PT_PAIR_DRIFT_OF_TOKEN] = a[0].tokens > 0 ? metric[PT_PAIR_DRIFT] / a[0].tokens : 0;
}

/* All chosen losses of one pair by their weights: the loss; dL/dlogp of both answers; metrics. */
PT_HD double pt_pair_core(const pt_core_step *s, pt_core_answer *a, double *metric)
{
    double sum = 0, rpo = s->list[PT_LOSS_SFT - 1] != 0 ? 0 : s->option[PT_PAIR_RPO];
    a[0].dlogp = a[1].dlogp = 0;
    PT_ONE_BY_ONE
    for (int k = PT_LOSS_SIGMOID; k <= PT_LOSS_SFT; k++) {
        double w = k == PT_LOSS_SFT && rpo != 0 ? rpo : s->list[k - 1], dc = 0, dr = 0;
        if (w == 0) continue;
        sum += w * pt_pair_one(k, s, a, &dc, &dr);
        a[0].dlogp += w * dc;
        a[1].dlogp += w * dr;
    }
    pt_pair_metrics(s, a, metric);
    return sum;
}
#endif

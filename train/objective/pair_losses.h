/* Losses of preference pairs against a reference, for the objectives that are DPO or kin of it: names, formulas and defaults of TRL 1.16's DPOTrainer.
 *
 * c, r: log-probability of the chosen and the rejected answer less the reference's; N_c, N_r: their tokens. S, sigma: log sigmoid, sigmoid.
 * Scores f'(e^c), f'(e^r) of an f-divergence (Wang et al. 2024, arXiv:2309.16240), here h_c, h_r; d = beta (h_c - h_r); m: the margin.
 *   reverse_kl        h = c                       (Rafailov et al. 2023, arXiv:2305.18290)
 *   forward_kl        h = 1 - e^-c
 *   js_divergence     h = log 2 + S(c)
 *   alpha_divergence  h = (e^min((a - 1) c, 80) - 1) / (a - 1); c where |a - 1| < 1e-6
 * Of the difference:
 *   sigmoid           -S(d - m)                   arXiv:2305.18290 eq. 7; m: Touvron et al. 2023 (arXiv:2307.09288) eq. 2, Amini et al. 2024 (arXiv:2402.10571)
 *   sigmoid_norm      -S(beta (h_c / N_c - h_r / N_r) - m)
 *   hinge             max(0, 1 - (d - m))         Zhao et al. 2023 (arXiv:2305.10425)
 *   robust            (-(1 - e) S(d - m) + e S(m - d)) / (1 - 2 e), e: label_smoothing     Chowdhury et al. 2024 (arXiv:2403.00409)
 *   ipo               (h_c / N_c - h_r / N_r - 1 / (2 beta))^2                             Azar et al. 2023 (arXiv:2310.12036) eq. 17
 *   exo_pair          sigma(d) (S(d) - log(1 - e)) + sigma(-d) (S(-d) - log e)             Ji et al. 2024 (arXiv:2402.00856) eq. 16
 *   discopop          -S(d) (1 - w) + e^-d w, w = sigma(d / tau)                           Lu et al. 2024 (arXiv:2406.08414) eq. 5
 * Of each answer apart (reverse_kl alone):
 *   nca_pair          -S(beta c) - S(-beta c) / 2 - S(-beta r) / 2                         Chen et al. 2024 (arXiv:2402.05369)
 *   bco_pair          -S(beta c) - S(-beta r)                                              Jung et al. 2024 (arXiv:2404.04656), without its shift
 *   sppo_hard         (c - 1 / (2 beta))^2 + (r + 1 / (2 beta))^2                          Wu et al. 2024 (arXiv:2405.00675) eq. 4.7
 *   apo_zero          1 - sigma(beta c) + sigma(beta r)                                    D'Oosterlinck et al. 2024 (arXiv:2408.06266) eq. 7
 *   apo_down          sigma(beta c) + 1 - sigma(beta (c - r))                              eq. 8
 *   sft               -(sum of chosen log-probabilities) / (chosen tokens), both of the whole step (TRL: of a micro-batch)
 * Several losses add up by their weights. Where a formula overflows (discopop far below 0: 0 * inf; forward_kl) the loss is not finite, and the
 * step is skipped and counted. */
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

/* One pair: what its losses are made of. */
typedef struct pt_pair {
    double beta, smooth, tau, margin;
    double c, r;             /* less the reference's */
    double hc, hr, dhc, dhr; /* scores, and their derivatives by c and r */
    double nc, nr;
    double logp, share; /* of the chosen answer; dL/dlogp of sft, negated */
} pt_pair;

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

PT_HD pt_pair pt_pair_of(const pt_core_step *s, const pt_core_answer *a)
{
    pt_pair p;
    p.beta = s->option[PT_PAIR_BETA], p.smooth = s->option[PT_PAIR_SMOOTHING], p.tau = s->option[PT_PAIR_TAU];
    p.margin = s->option[PT_PAIR_MARGIN] + a[0].column[PT_PAIR_COL_MARGIN];
    p.c = a[0].logp - a[0].reference, p.r = a[1].logp - a[1].reference;
    p.hc = pt_pair_score(s, p.c, &p.dhc), p.hr = pt_pair_score(s, p.r, &p.dhr);
    p.nc = a[0].length > 1 ? a[0].length : 1, p.nr = a[1].length > 1 ? a[1].length : 1;
    p.logp = a[0].logp;
    /* the caller multiplies by weight / norm; of a record alone, its own mean */
    p.share = s->first_tokens > 0 ? s->norm / s->first_tokens : a[0].tokens > 0 ? 1 / a[0].tokens : 0;
    return p;
}

/* Losses of one number u: value, and dL/du in *du. */
PT_HD double pt_pair_of_difference(int loss, const pt_pair *p, double u, double *du)
{
    double e = p->smooth;
    if (loss == PT_LOSS_HINGE) {
        *du = u < 1 ? -1 : 0;
        return u < 1 ? 1 - u : 0;
    }
    if (loss == PT_LOSS_ROBUST) {
        *du = (-(1 - e) * pt_sigmoid(-u) - e * pt_sigmoid(u)) / (1 - 2 * e);
        return ((1 - e) * pt_softplus(-u) - e * pt_softplus(u)) / (1 - 2 * e);
    }
    if (loss == PT_LOSS_EXO_PAIR) {
        double q = pt_sigmoid(u), o = pt_sigmoid(-u), above = -pt_softplus(-u) - log1p(-e), below = -pt_softplus(u) - log(e);
        *du = q * o * (above - below);
        return q * above + o * below;
    }
    if (loss == PT_LOSS_DISCOPOP) {
        double w = pt_sigmoid(u / p->tau), dw = w * pt_sigmoid(-u / p->tau) / p->tau, far = exp(-u), near = pt_softplus(-u);
        *du = -pt_sigmoid(-u) * (1 - w) - far * w + dw * (far - near);
        return near * (1 - w) + far * w;
    }
    *du = -pt_sigmoid(-u);
    return pt_softplus(-u);
}

/* Losses of each answer apart: dL/dc and dL/dr are added. */
PT_HD double pt_pair_of_answers(int loss, const pt_pair *p, double *dc, double *dr)
{
    double b = p->beta, x = b * p->c, y = b * p->r, up = pt_sigmoid(x), down = pt_sigmoid(-x), worse = pt_sigmoid(y);
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
        double won = p->c - 0.5 / b, lost = p->r + 0.5 / b;
        *dc += 2 * won;
        *dr += 2 * lost;
        return won * won + lost * lost;
    }
    if (loss == PT_LOSS_APO_ZERO) {
        *dc -= b * up * down;
        *dr += b * worse * pt_sigmoid(-y);
        return down + worse;
    }
    double gap = b * (p->c - p->r), slope = b * pt_sigmoid(gap) * pt_sigmoid(-gap); /* apo_down */
    *dc += b * up * down - slope;
    *dr += slope;
    return up + pt_sigmoid(-gap);
}

/* One loss of one pair; dL/dc and dL/dr are added. */
PT_HD double pt_pair_one(int loss, const pt_pair *p, double *dc, double *dr)
{
    double du, value;
    switch (loss) {
    case PT_LOSS_SFT:
        *dc -= p->share;
        return -p->logp * p->share;
    case PT_LOSS_IPO:
    case PT_LOSS_SIGMOID_NORM: {
        double gap = p->hc / p->nc - p->hr / p->nr, off = gap - 1 / (2 * p->beta);
        value = loss == PT_LOSS_IPO ? off * off : pt_pair_of_difference(loss, p, p->beta * gap - p->margin, &du);
        du = loss == PT_LOSS_IPO ? 2 * off : p->beta * du;
        *dc += du / p->nc * p->dhc;
        *dr -= du / p->nr * p->dhr;
        return value;
    }
    case PT_LOSS_SIGMOID:
    case PT_LOSS_HINGE:
    case PT_LOSS_ROBUST:
        value = pt_pair_of_difference(loss, p, p->beta * p->hc - p->beta * p->hr - p->margin, &du);
        break;
    case PT_LOSS_EXO_PAIR:
    case PT_LOSS_DISCOPOP:
        value = pt_pair_of_difference(loss, p, p->beta * p->hc - p->beta * p->hr, &du);
        break;
    case PT_LOSS_NCA_PAIR:
    case PT_LOSS_BCO_PAIR:
    case PT_LOSS_SPPO_HARD:
    case PT_LOSS_APO_ZERO:
    case PT_LOSS_APO_DOWN:
        return pt_pair_of_answers(loss, p, dc, dr);
    default: return 0;
    }
    *dc += p->beta * du * p->dhc;
    *dr -= p->beta * du * p->dhr;
    return value;
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
    pt_pair p = pt_pair_of(s, a);
    double sum = 0, rpo = s->list[PT_LOSS_SFT - 1] != 0 ? 0 : s->option[PT_PAIR_RPO];
    a[0].dlogp = a[1].dlogp = 0;
    for (int k = PT_LOSS_SIGMOID; k <= PT_LOSS_SFT; k++) {
        double w = k == PT_LOSS_SFT && rpo != 0 ? rpo : s->list[k - 1], dc = 0, dr = 0;
        if (w == 0) continue;
        sum += w * pt_pair_one(k, &p, &dc, &dr);
        a[0].dlogp += w * dc;
        a[1].dlogp += w * dr;
    }
    pt_pair_metrics(s, a, metric);
    return sum;
}
#endif

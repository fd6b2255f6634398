/* aot: dpo whose loss_type has aot or aot_unpaired, alignment via optimal transport (Melnyk et al. 2024, arXiv:2406.05882), as TRL 1.16 has them:
 * numbers of all pairs of the step are sorted, and those of one rank are compared. With e: label_smoothing and
 *   l(v) = -(1 - e) log sigmoid(v) - e log sigmoid(-v)
 *   aot            l(beta (x_(k) - y_(k))), x: log pi(chosen) - log pi(rejected) under the policy, y: under the reference, both ascending
 *   aot_unpaired   l(beta (x_(k) - y_(k))), x: chosen, y: rejected answers' log-ratios to the reference
 * TRL sorts a micro-batch; here it is the whole step, so that micro-batches and ranks change nothing. What an answer is compared with is a statistic
 * of the step, held fixed: the gradient flows through each answer's own number, which is the derivative (places in the order do not move). */
#ifndef PT_OBJECTIVE_AOT_CORE_H
#define PT_OBJECTIVE_AOT_CORE_H
#include "train/objective/pair_losses.h"

enum { pt_aot_by_rows = 0, pt_aot_n_metrics = pt_pair_n_metrics };
enum { PT_AOT_OF_PAIRS, PT_AOT_OF_ANSWERS, pt_aot_n_given }; /* what an answer is compared with */
enum { PT_AOT_PAIRS, pt_aot_n_stats };

PT_HD double pt_aot_smooth(double e, double v, double *dv)
{
    *dv = e * pt_sigmoid(v) - (1 - e) * pt_sigmoid(-v);
    return (1 - e) * pt_softplus(-v) + e * pt_softplus(v);
}

PT_HD double pt_core_aot(const pt_core_step *s, pt_core_answer *a, int n, double *metric)
{
    double loss = pt_pair_core(s, a, metric), beta = s->option[PT_PAIR_BETA];
    const double *chosen = a[0].column + pt_pair_n_columns, *rejected = a[1].column + pt_pair_n_columns;
    PT_ONE_BY_ONE
    for (int i = 0; i < 3; i++) { /* the pair; of answers, whose value stands at the chosen one: it, and the rejected one */
        double w = s->list[(i ? PT_LOSS_AOT_UNPAIRED : PT_LOSS_AOT) - 1], d, value;
        if (w == 0) continue;
        double x = i == 2 ? rejected[PT_AOT_OF_ANSWERS] : i == 1 ? a[0].logp - a[0].reference : a[0].logp - a[1].logp;
        double y = i == 2 ? a[1].logp - a[1].reference : i == 1 ? chosen[PT_AOT_OF_ANSWERS] : chosen[PT_AOT_OF_PAIRS];
        value = pt_aot_smooth(s->option[PT_PAIR_SMOOTHING], beta * (x - y), &d);
        if (i < 2) loss += w * value;
        if (i < 2) a[0].dlogp += w * beta * d;
        if (i != 1) a[1].dlogp -= w * beta * d;
    }
    return loss;
}
#endif

#ifdef PT_OBJECTIVE_DECLARE
#include <stdlib.h>

#include "base/mem.h"
#include "train/objective/pair_options.h"

typedef struct pt_aot_place {
    double value;
    int64_t at;
} pt_aot_place;

static int pt_aot_less(const void *a, const void *b)
{
    const pt_aot_place *x = a, *y = b;
    if (x->value != y->value) return x->value < y->value ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

/* Sorts both lists; then to[x.at] = y's value of the same rank and, where back, to[y.at] = x's. */
static void pt_aot_match(pt_aot_place *x, pt_aot_place *y, int64_t n, float *to, bool back)
{
    qsort(x, (size_t)n, sizeof *x, pt_aot_less);
    qsort(y, (size_t)n, sizeof *y, pt_aot_less);
    for (int64_t k = 0; k < n; k++) {
        to[x[k].at] = (float)y[k].value;
        if (back) to[y[k].at] = (float)x[k].value;
    }
}

static pt_status pt_aot_stats(const pt_core_step *s, const pt_step_answers *all, double *stat)
{
    pt_status rc = PT_OK;
    pt_aot_place *x = NULL, *y = NULL;
    int64_t n = 0;
    float weight = 0;
    (void)s;
    PT_TRY(pt_alloc0(&x, all->n + 1));
    PT_TRY(pt_alloc0(&y, all->n + 1));
    for (int way = 0; way < pt_aot_n_given; way++) {
        n = 0;
        for (int64_t r = 0; r < all->n; r++) {
            const pt_core_answer *a = &all->answer[all->start[r]];
            if (all->weight[r] == 0) continue;
            if (weight == 0) weight = all->weight[r];
            PT_CHECK(all->weight[r] == weight, PT_EARG,
                     "loss_type aot compares pairs by their order, and these weigh %g and %g: give all data of this run one weight, or choose another loss", (double)weight,
                     (double)all->weight[r]);
            double c = a[0].logp - a[0].reference, j = a[1].logp - a[1].reference;
            x[n] = (pt_aot_place){way == PT_AOT_OF_PAIRS ? a[0].logp - a[1].logp : c, all->start[r]};
            y[n++] = (pt_aot_place){way == PT_AOT_OF_PAIRS ? a[0].reference - a[1].reference : j, all->start[r] + (way != PT_AOT_OF_PAIRS)};
        }
        pt_aot_match(x, y, n, all->given[way], way != PT_AOT_OF_PAIRS);
    }
    stat[PT_AOT_PAIRS] = (double)n;
done:
    free(x);
    free(y);
    return rc;
}

static const pt_objective pt_objective_aot = {
    .name = "aot",
    .channels = PT_CHANNEL_LOGP,
    PT_PAIR_DECLARATION,
    .variant_of = "dpo",
    .variant_key = "loss_type",
    .variant_value = "aot aot_unpaired",
    .n_columns = pt_pair_n_columns,
    .n_given = pt_aot_n_given,
    .columns = {[PT_PAIR_COL_MARGIN] = "margin", [pt_pair_n_columns + PT_AOT_OF_PAIRS] = "aot", [pt_pair_n_columns + PT_AOT_OF_ANSWERS] = "aot_unpaired"},
    .n_stats = pt_aot_n_stats,
    .stats = pt_aot_stats,
};
#endif

/* ranking: an objective that stands nowhere but here, for tests/cli/plant_lists.sh: lists of any number of answers with a rating each (column
 * `rating`, from tests/plant/ranked.c).
 *   p = softmax of the answers' mean log-probabilities;   q = softmax of their ratings;   L = -sum q log p */
#ifndef PT_PLANT_RANKING_CORE_H
#define PT_PLANT_RANKING_CORE_H
#include "base/loss_core.h"

enum { pt_ranking_by_rows = 0 };
enum { PT_RANKING_RATING, pt_ranking_n_columns };
enum { PT_RANKING_ANSWERS, PT_RANKING_RATED, pt_ranking_n_metrics };
PT_HD double pt_core_ranking(const pt_core_step *s, pt_core_answer *a, int n, double *metric)
{
    double most = a[0].logp / a[0].tokens, best = a[0].column[PT_RANKING_RATING], sum = 0, rated = 0, loss = 0;
    (void)s;
    for (int i = 1; i < n; i++) {
        double x = a[i].logp / a[i].tokens, y = a[i].column[PT_RANKING_RATING];
        most = x > most ? x : most;
        best = y > best ? y : best;
    }
    for (int i = 0; i < n; i++) {
        sum += exp(a[i].logp / a[i].tokens - most);
        rated += exp((double)a[i].column[PT_RANKING_RATING] - best);
    }
    metric[PT_RANKING_ANSWERS] = n;
    metric[PT_RANKING_RATED] = 0;
    for (int i = 0; i < n; i++) {
        double x = a[i].logp / a[i].tokens - most, p = exp(x) / sum, q = exp((double)a[i].column[PT_RANKING_RATING] - best) / rated;
        loss -= q * (x - log(sum));
        a[i].dlogp = (p - q) / a[i].tokens;
        metric[PT_RANKING_RATED] += (double)a[i].column[PT_RANKING_RATING];
    }
    return loss;
}
#endif

#ifdef PT_OBJECTIVE_DECLARE
static const pt_objective pt_objective_ranking = {
    .name = "ranking",
    .help = "lists by their ratings",
    .channels = PT_CHANNEL_LOGP,
    .answers = 0,
    .mean = PT_MEAN_RECORDS,
    .data = "ranked",
    .n_columns = pt_ranking_n_columns,
    .columns = {[PT_RANKING_RATING] = "rating"},
    .n_metrics = pt_ranking_n_metrics,
    .metrics = {[PT_RANKING_ANSWERS] = {.name = "ranking/answers", .reduce = PT_REDUCE_SUM}, [PT_RANKING_RATED] = {.name = "ranking/rated", .reduce = PT_REDUCE_SUM}},
};
#endif

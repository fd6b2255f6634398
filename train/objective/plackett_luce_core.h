/* plackett_luce: any number of answers to one question with a rating each, on a scalar head; with scores s in the order of falling ratings
 *   L = sum_i (log sum_{j >= i} e^{s_j} - s_i),   over all i but those with nothing below them
 * the likelihood of the whole order (Plackett 1975, "The analysis of permutations"; Luce 1959; of language models: arXiv:2305.18290, appendix A.3). Two
 * answers: the loss of reward, its centering with them: center (2 mean s)^2. Of answers with equal ratings each is compared with those below it alone, so that their own order counts for nothing. */
#ifndef PT_OBJECTIVE_PLACKETT_LUCE_CORE_H
#define PT_OBJECTIVE_PLACKETT_LUCE_CORE_H
#include "train/objective/pair_scores.h"

enum { pt_plackett_luce_by_rows = 0 };
enum { PT_LUCE_CENTER, PT_LUCE_POOLING, pt_plackett_luce_n_options };
enum { PT_LUCE_RATED, PT_LUCE_RATING, pt_plackett_luce_n_columns };
enum { PT_LUCE_ACCURACY, PT_LUCE_FIRST, PT_LUCE_MEAN, pt_plackett_luce_n_metrics };
PT_HD double pt_core_plackett_luce(const pt_core_step *s, pt_core_answer *a, int n, double *metric)
{
    double loss = 0, center = s->option[PT_LUCE_CENTER], right = 0, pairs = 0, mean = 0;
    int best = 0, first = 0;
    for (int i = 0; i < n; i++) {
        double most = a[i].score, sum = 0, rating = a[i].column[PT_LUCE_RATING];
        int below = 0;
        mean += a[i].score / n;
        if (rating > a[best].column[PT_LUCE_RATING]) best = i;
        if (a[i].score > a[first].score) first = i;
        for (int j = 0; j < n; j++) {
            if (!(a[j].column[PT_LUCE_RATING] < rating)) continue;
            below++;
            right += a[i].score > a[j].score ? 1 : 0;
            most = a[j].score > most ? a[j].score : most;
        }
        pairs += below;
        if (!below) continue;
        for (int j = 0; j < n; j++)
            if (j == i || a[j].column[PT_LUCE_RATING] < rating) sum += exp(a[j].score - most);
        for (int j = 0; j < n; j++)
            if (j == i || a[j].column[PT_LUCE_RATING] < rating) a[j].dscore += exp(a[j].score - most) / sum;
        a[i].dscore -= 1;
        loss += most + log(sum) - a[i].score;
    }
    for (int i = 0; i < n; i++) a[i].dscore += 8 * center * mean / n;
    metric[PT_LUCE_ACCURACY] = pairs > 0 ? right / pairs : 0;
    metric[PT_LUCE_FIRST] = a[first].column[PT_LUCE_RATING] == a[best].column[PT_LUCE_RATING] ? 1 : 0;
    metric[PT_LUCE_MEAN] = mean;
    return loss + 4 * center * mean * mean;
}
#endif

#ifdef PT_OBJECTIVE_DECLARE
static const char *pt_luce_fits(const double *column, int width, int answers)
{
    if (column[PT_LUCE_RATED] == 0) return "the answer has no rating: type rated reads them";
    return answers > 1 ? NULL : "the record has one answer: an order takes two at least";
}
static const pt_objective pt_objective_plackett_luce = {
    .name = "plackett_luce",
    .help = "ranked lists of answers on a scalar head",
    .channels = PT_CHANNEL_SCORE,
    .answers = 0,
    .mean = PT_MEAN_RECORDS,
    .data = "rated",
    .problem_type = "regression",
    .fits = pt_luce_fits,
    .pooling_option = 1 + PT_LUCE_POOLING,
    .n_columns = pt_plackett_luce_n_columns,
    .columns = {[PT_LUCE_RATED] = "rated", [PT_LUCE_RATING] = "rating"},
    .n_options = pt_plackett_luce_n_options,
    .options = {[PT_LUCE_CENTER] = PT_OPTION_CENTER, [PT_LUCE_POOLING] = PT_OPTION_POOLING},
    .n_metrics = pt_plackett_luce_n_metrics,
    .metrics = {[PT_LUCE_ACCURACY] = {.name = "accuracy"}, [PT_LUCE_FIRST] = {.name = "best_first"}, [PT_LUCE_MEAN] = {.name = "mean_reward"}},
};
#endif

/* hinge: an objective that stands nowhere but here, for tests/cli/plant.sh: pairs by the mean log-probability of their answers against the
 * middle of the whole step, with a slack that is an option and a level that is kept from step to step.
 *   d = chosen mean - rejected mean;   u = slack - (d - middle) - level / 8 - margin + (place - 1/2) / 4
 *   L = w_soft softplus(u) + w_square u^2;   middle = median of d over the step (sorted), place = where in the sorted step d stands, from 0 to 1
 *   level: the mean of the step's d, moving by a half each step. */
#ifndef PT_PLANT_HINGE_CORE_H
#define PT_PLANT_HINGE_CORE_H
#include "base/loss_core.h"

enum { pt_hinge_by_rows = 0 };
enum { PT_HINGE_SLACK, PT_HINGE_KINDS, PT_HINGE_KIND_WEIGHTS, pt_hinge_n_options };
enum { PT_HINGE_SOFT = 1, PT_HINGE_SQUARE };
enum { PT_HINGE_COL_MARGIN, PT_HINGE_COL_PLACE };
enum { PT_HINGE_MIDDLE, pt_hinge_n_stats };
enum { PT_HINGE_GAP, PT_HINGE_WORST, PT_HINGE_BEST, PT_HINGE_PAIRS, PT_HINGE_LEVEL, PT_HINGE_LAST, pt_hinge_n_metrics };
PT_HD double pt_core_hinge(const pt_core_step *s, pt_core_answer *a, int n, double *metric)
{
    double d = a[0].logp / a[0].tokens - a[1].logp / a[1].tokens;
    double u = s->option[PT_HINGE_SLACK] - (d - s->stat[PT_HINGE_MIDDLE]) - s->state[0] / 8 - a[0].column[PT_HINGE_COL_MARGIN];
    double soft = s->list[PT_HINGE_SOFT - 1], square = s->list[PT_HINGE_SQUARE - 1];
    u += (a[0].column[PT_HINGE_COL_PLACE] - 0.5) / 4;
    double du = soft * pt_sigmoid(u) + 2 * square * u;
    a[0].dlogp = -du / a[0].tokens;
    a[1].dlogp = du / a[1].tokens;
    metric[PT_HINGE_GAP] = metric[PT_HINGE_WORST] = metric[PT_HINGE_BEST] = d;
    metric[PT_HINGE_PAIRS] = 1;
    metric[PT_HINGE_LEVEL] = s->state[0];
    metric[PT_HINGE_LAST] = a[0].column[PT_HINGE_COL_PLACE];
    return soft * pt_softplus(u) + square * u * u;
}
#endif

#ifdef PT_OBJECTIVE_DECLARE
#include <stdlib.h>

#include "base/mem.h"

typedef struct pt_hinge_pair {
    double d;
    int64_t record;
} pt_hinge_pair;
static const pt_word pt_hinge_kinds[] = {{"soft", PT_HINGE_SOFT}, {"square", PT_HINGE_SQUARE}, {NULL, 0}};

static int pt_hinge_order(const void *a, const void *b)
{
    const pt_hinge_pair *x = a, *y = b;
    return x->d != y->d ? (x->d > y->d) - (x->d < y->d) : (x->record > y->record) - (x->record < y->record);
}

static pt_status pt_hinge_stats(const pt_core_step *s, const pt_step_answers *all, double *stat)
{
    pt_hinge_pair *d;
    PT_RETURN(pt_alloc0(&d, all->n + 1));
    for (int64_t i = 0; i < all->n; i++) {
        const pt_core_answer *a = all->answer + all->start[i];
        d[i] = (pt_hinge_pair){a[0].logp / a[0].tokens - a[1].logp / a[1].tokens, i};
    }
    qsort(d, (size_t)all->n, sizeof *d, pt_hinge_order);
    stat[PT_HINGE_MIDDLE] = all->n % 2 ? d[all->n / 2].d : all->n ? (d[all->n / 2 - 1].d + d[all->n / 2].d) / 2 : 0;
    for (int64_t i = 0; i < all->n; i++) all->given[0][all->start[d[i].record]] = all->n > 1 ? (float)i / (float)(all->n - 1) : 0.5f;
    free(d);
    return PT_OK;
}

static void pt_hinge_advance(const pt_core_step *s, const double *metric, double *state)
{
    state[0] = (state[0] + metric[PT_HINGE_GAP]) / 2;
}

static const pt_objective pt_objective_hinge = {
    .name = "hinge",
    .help = "pairs against the middle of the step",
    .channels = PT_CHANNEL_LOGP,
    .answers = 2,
    .mean = PT_MEAN_RECORDS,
    .data = "preference",
    .n_columns = 1,
    .n_given = 1,
    .columns = {[PT_HINGE_COL_MARGIN] = "margin", [PT_HINGE_COL_PLACE] = "hinge_place"},
    .list_option = PT_HINGE_KINDS + 1,
    .list_weights_option = PT_HINGE_KIND_WEIGHTS + 1,
    .n_options = pt_hinge_n_options,
    .options = {[PT_HINGE_SLACK] = {"hinge_slack", PT_OPTION_NUMBER, "0.5", 0, 10, .aliases = "plant_slack", .effect = PT_EFFECT_SAID,
                                    .help = "How far a pair must lie above the middle."},
                [PT_HINGE_KINDS] = {"plant_kinds", PT_OPTION_WORDS, "soft", .words = pt_hinge_kinds, .effect = PT_EFFECT_SAID, .help = "How a pair that does not is held to it."},
                [PT_HINGE_KIND_WEIGHTS] = {"plant_kind_weights", PT_OPTION_NUMBERS, NULL, -10, 10, .effect = PT_EFFECT_SAID, .help = "The weight of each of plant_kinds."}},
    .n_metrics = pt_hinge_n_metrics,
    .metrics = {[PT_HINGE_GAP] = {.name = "hinge/gap"},
                [PT_HINGE_WORST] = {.name = "hinge/worst", .reduce = PT_REDUCE_MIN},
                [PT_HINGE_BEST] = {.name = "hinge/best", .reduce = PT_REDUCE_MAX},
                [PT_HINGE_PAIRS] = {.name = "hinge/pairs", .reduce = PT_REDUCE_SUM},
                [PT_HINGE_LEVEL] = {.name = "hinge/level"},
                [PT_HINGE_LAST] = {.name = "hinge/last", .reduce = PT_REDUCE_MAX}},
    .n_also = 1,
    .also = {{"rl", "hinge"}},
    .n_stats = pt_hinge_n_stats,
    .stats = pt_hinge_stats,
    .n_state = 1,
    .advance = pt_hinge_advance,
};
#endif

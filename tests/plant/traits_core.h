/* traits: an objective that stands nowhere but here, for tests/cli/plant_values.sh: answers with a kind and two measures (columns `label`, `warmth` and
 * `energy`, from tests/plant/labelled.c). Of the head's values all but the last two are the logits of the kinds, those two the measures.
 *   L = -log softmax(logits)[label] + (warmth' - warmth)^2 + (energy' - energy)^2 */
#ifndef PT_PLANT_TRAITS_CORE_H
#define PT_PLANT_TRAITS_CORE_H
#include "base/loss_core.h"

enum { pt_traits_by_rows = 0 };
enum { PT_TRAITS_VALUES, pt_traits_n_options };
enum { PT_TRAITS_LABEL, PT_TRAITS_WARMTH, PT_TRAITS_ENERGY, pt_traits_n_columns };
enum { PT_TRAITS_ACCURACY, PT_TRAITS_SQUARES, pt_traits_n_metrics };
PT_HD double pt_core_traits(const pt_core_step *s, pt_core_answer *a, int n, double *metric)
{
    int kinds = a->width - 2, label = (int)a->column[PT_TRAITS_LABEL], best = 0;
    double sum = 0, squares = 0;
    (void)s, (void)n;
    for (int k = 1; k < kinds; k++)
        if (a->value[k] > a->value[best]) best = k;
    for (int k = 0; k < kinds; k++) sum += exp(a->value[k] - a->value[best]);
    for (int k = 0; k < kinds; k++) a->dvalue[k] = exp(a->value[k] - a->value[best]) / sum - (k == label ? 1 : 0);
    for (int k = 0; k < 2; k++) {
        double off = a->value[kinds + k] - a->column[PT_TRAITS_WARMTH + k];
        a->dvalue[kinds + k] = 2 * off;
        squares += off * off;
    }
    metric[PT_TRAITS_ACCURACY] = best == label;
    metric[PT_TRAITS_SQUARES] = squares;
    return a->value[best] + log(sum) - a->value[label] + squares;
}
#endif

#ifdef PT_OBJECTIVE_DECLARE
static const pt_objective pt_objective_traits = {
    .name = "traits",
    .help = "kinds and measures of answers",
    .channels = PT_CHANNEL_VALUES,
    .answers = 1,
    .mean = PT_MEAN_RECORDS,
    .data = "labelled",
    .width_option = PT_TRAITS_VALUES,
    .n_columns = pt_traits_n_columns,
    .columns = {[PT_TRAITS_LABEL] = "label", [PT_TRAITS_WARMTH] = "warmth", [PT_TRAITS_ENERGY] = "energy"},
    .n_options = pt_traits_n_options,
    .options = {[PT_TRAITS_VALUES] = {"plant_values", PT_OPTION_COUNT, "5", 4, 1000, .effect = PT_EFFECT_SAID, .help = "Kinds, and the two measures."}},
    .n_metrics = pt_traits_n_metrics,
    .metrics = {[PT_TRAITS_ACCURACY] = {.name = "traits/accuracy"}, [PT_TRAITS_SQUARES] = {.name = "traits/squares"}},
};
#endif

/* What generated answers look like: whether they stop, repeat themselves, copy the training answers; and pairs preferred (evaluate.c counts them). */
#include <math.h>

#include "eval/metric/metric.h"
#include "eval/text/textstats.h"

static pt_status stopped_row(const pt_metric_row *r, double *sums)
{
    if (!r->words) return PT_OK;
    sums[0] += r->answer->stopped;
    sums[1]++;
    return PT_OK;
}
static pt_status repeated_row(const pt_metric_row *r, double *sums)
{
    size_t repeated, grams;
    if (!r->words) return PT_OK;
    PT_RETURN(pt_ngrams_repeated(r->words, 4, &repeated, &grams));
    sums[0] += (double)repeated;
    sums[1] += (double)grams;
    sums[2]++;
    return PT_OK;
}
/* Answers too short for four words repeat nothing. */
static double repeated_value(const double *sums)
{
    return sums[1] > 0 ? sums[0] / sums[1] : sums[2] > 0 ? 0 : NAN;
}
static pt_status copied_row(const pt_metric_row *r, double *sums)
{
    size_t copied;
    pt_copy copy;
    if (!r->words || !r->n_train) return PT_OK;
    PT_RETURN(pt_copies_find(r->words, 1, r->train, r->n_train, PT_COPY_THRESHOLD, &copy, &copied));
    sums[0] += (double)copied;
    sums[1]++;
    return PT_OK;
}

const pt_metric_kind pt_metric_kind_stopped_share = {.key = "stopped_share", .label = "answers that stop by themselves", .form = PT_FORM_SHARE, .better = 1, .row = stopped_row};
const pt_metric_kind pt_metric_kind_repeated_4grams = {.key = "repeated_4grams", .label = "repeated 4-grams inside answers", .form = PT_FORM_SHARE, .better = -1, .row = repeated_row,
                                                       .sums = 3, .of_sums = repeated_value};
const pt_metric_kind pt_metric_kind_copied_share = {.key = "copied_share", .label = "answers copied from training (ROUGE-L > 0.7)", .form = PT_FORM_SHARE, .better = -1, .row = copied_row};
const pt_metric_kind pt_metric_kind_preference_accuracy = {.key = "preference_accuracy", .label = "preference accuracy", .form = PT_FORM_SHARE, .better = 1};

/* How much answers differ: from each other, and how long they are. */
#include <math.h>

#include "eval/metric/metric.h"

static pt_status self_row(const pt_metric_row *r, double *sums)
{
    if (isnan(r->self_bleu)) return PT_OK;
    sums[0] += r->self_bleu;
    sums[1]++;
    return PT_OK;
}
static pt_status length_row(const pt_metric_row *r, double *sums)
{
    if (!r->words) return PT_OK;
    sums[0] += (double)r->words->n;
    sums[1]++;
    return PT_OK;
}
/* Against the mean of the references' lengths. */
static pt_status ratio_row(const pt_metric_row *r, double *sums)
{
    double all = 0;
    if (!r->words || !r->answer->n_references) return PT_OK;
    for (size_t k = 0; k < r->answer->n_references; k++) all += (double)r->references[k].n;
    sums[0] += (double)r->words->n;
    sums[1] += all / (double)r->answer->n_references;
    return PT_OK;
}

const pt_metric_kind pt_metric_kind_distinct_1 = {.key = "distinct_1", .label = "distinct-1: different words / words", .form = PT_FORM_SCORE, .better = 0, .of_task = true,
                                                  .distinct = 1};
const pt_metric_kind pt_metric_kind_distinct_2 = {.key = "distinct_2", .label = "distinct-2", .form = PT_FORM_SCORE, .better = 0, .of_task = true, .distinct = 2};
const pt_metric_kind pt_metric_kind_distinct_3 = {.key = "distinct_3", .label = "distinct-3", .form = PT_FORM_SCORE, .better = 0, .detail = true, .of_task = true, .distinct = 3};
const pt_metric_kind pt_metric_kind_self_bleu = {.key = "self_bleu", .label = "self-BLEU: like other answers", .form = PT_FORM_SCORE, .better = -1, .of_task = true, .row = self_row};
const pt_metric_kind pt_metric_kind_length = {.key = "length", .label = "words (characters) of an answer", .form = PT_FORM_RATIO, .better = 0, .of_task = true, .row = length_row};
const pt_metric_kind pt_metric_kind_length_ratio = {.key = "length_ratio", .label = "length by the references'", .form = PT_FORM_SCORE, .better = 0, .detail = true, .of_task = true, .row = ratio_row};

/* answer_words: a metric that stands nowhere but here, for tests/cli/plant.sh: words of an answer. */
#include "eval/metric/metric.h"

static pt_status words_row(const pt_metric_row *r, double *sums)
{
    if (!r->words) return PT_OK;
    sums[0] += (double)r->words->n;
    sums[1]++;
    return PT_OK;
}

const pt_metric_kind pt_metric_kind_answer_words = {.key = "answer_words", .label = "words of an answer", .form = PT_FORM_SCORE, .better = 0, .row = words_row};

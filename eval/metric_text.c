/* What generated answers look like: whether they stop, repeat themselves, copy the training answers; and pairs preferred (evaluate.c counts them). */
#include <math.h>

#include "eval/metric.h"
#include "eval/textstats.h"

static pt_status stopped_row(const pt_metric_row *r, pt_metric_sum *s)
{
    if (!r->words) return PT_OK;
    s->sum += r->answer->stopped;
    s->weight++;
    return PT_OK;
}
static pt_status repeated_row(const pt_metric_row *r, pt_metric_sum *s)
{
    size_t repeated, grams;
    if (!r->words) return PT_OK;
    PT_RETURN(pt_ngrams_repeated(r->words, 4, &repeated, &grams));
    s->sum += (double)repeated;
    s->weight += (double)grams;
    s->rows++;
    return PT_OK;
}
/* Answers too short for four words repeat nothing. */
static double repeated_value(const pt_metric_sum *s)
{
    return s->weight > 0 ? s->sum / s->weight : s->rows > 0 ? 0 : NAN;
}
static pt_status copied_row(const pt_metric_row *r, pt_metric_sum *s)
{
    size_t copied;
    pt_copy copy;
    if (!r->words || !r->n_train) return PT_OK;
    PT_RETURN(pt_copies_find(r->words, 1, r->train, r->n_train, PT_COPY_THRESHOLD, &copy, &copied));
    s->sum += (double)copied;
    s->weight++;
    return PT_OK;
}

const pt_metric_kind pt_metric_kind_stopped_share = {.key = "stopped_share", .label = "answers that stop by themselves", .form = PT_FORM_SHARE, .better = 1, .row = stopped_row};
const pt_metric_kind pt_metric_kind_repeated_4grams = {.key = "repeated_4grams", .label = "repeated 4-grams inside answers", .form = PT_FORM_SHARE, .better = -1, .row = repeated_row,
                                                       .value = repeated_value};
const pt_metric_kind pt_metric_kind_copied_share = {.key = "copied_share", .label = "answers copied from training (ROUGE-L > 0.7)", .form = PT_FORM_SHARE, .better = -1, .row = copied_row};
const pt_metric_kind pt_metric_kind_preference_accuracy = {.key = "preference_accuracy", .label = "preference accuracy", .form = PT_FORM_SHARE, .better = 1};

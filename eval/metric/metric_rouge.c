/* ROUGE of generated answers against the references, and of the best canned answer, which knows no question (scores.c finds it by role). */
#include "eval/metric/metric.h"
#include "eval/text/rouge.h"

enum { ROUGE_1 = 1, ROUGE_2, ROUGE_L, ROUGE_LSUM };

static pt_status one(const pt_metric_row *r, int which, size_t k, pt_rouge *out)
{
    if (which == ROUGE_L) return pt_rouge_l(&r->references[k], r->words, out);
    if (which == ROUGE_LSUM) return pt_rouge_lsum(r->book, r->units, r->answer->references[k], r->answer->answer, out);
    return pt_rouge_n(&r->references[k], r->words, (size_t)which, out);
}

/* The best of all references. */
static pt_status rouge(const pt_metric_row *r, int which, bool recall, double *sums)
{
    pt_rouge best = {0}, now;
    if (!r->words || !r->answer->n_references) return PT_OK;
    for (size_t k = 0; k < r->answer->n_references; k++) {
        PT_RETURN(one(r, which, k, &now));
        pt_rouge_better(&best, &now, !k);
    }
    sums[0] += recall ? best.recall : best.f;
    sums[1]++;
    return PT_OK;
}

#define ROWS(name, which)                                                      \
    static pt_status name##_f_row(const pt_metric_row *r, double *sums)        \
    {                                                                          \
        return rouge(r, which, false, sums);                                   \
    }                                                                          \
    static pt_status name##_recall_row(const pt_metric_row *r, double *sums)   \
    {                                                                          \
        return rouge(r, which, true, sums);                                    \
    }
ROWS(one, ROUGE_1)
ROWS(two, ROUGE_2)
ROWS(l, ROUGE_L)
ROWS(lsum, ROUGE_LSUM)

const pt_metric_kind pt_metric_kind_rouge_l_f = {.key = "rouge_l_f", .label = "ROUGE-L F against the references", .form = PT_FORM_SCORE, .better = 1, .row = l_f_row};
const pt_metric_kind pt_metric_kind_rouge_l_recall = {.key = "rouge_l_recall", .label = "ROUGE-L recall", .form = PT_FORM_SCORE, .better = 1, .row = l_recall_row};
const pt_metric_kind pt_metric_kind_canned_rouge_l = {.key = "canned_rouge_l", .label = "  best single canned answer a role, ROUGE-L F",
                                                      .form = PT_FORM_SCORE};
const pt_metric_kind pt_metric_kind_rouge_1_f = {.key = "rouge_1_f", .label = "ROUGE-1 F", .form = PT_FORM_SCORE, .better = 1, .of_task = true, .row = one_f_row};
const pt_metric_kind pt_metric_kind_rouge_1_recall = {.key = "rouge_1_recall", .label = "ROUGE-1 recall", .form = PT_FORM_SCORE, .better = 1, .detail = true, .of_task = true, .row = one_recall_row};
const pt_metric_kind pt_metric_kind_rouge_2_f = {.key = "rouge_2_f", .label = "ROUGE-2 F", .form = PT_FORM_SCORE, .better = 1, .of_task = true, .row = two_f_row};
const pt_metric_kind pt_metric_kind_rouge_2_recall = {.key = "rouge_2_recall", .label = "ROUGE-2 recall", .form = PT_FORM_SCORE, .better = 1, .detail = true, .of_task = true, .row = two_recall_row};
const pt_metric_kind pt_metric_kind_rouge_lsum_f = {.key = "rouge_lsum_f", .label = "ROUGE-Lsum F", .form = PT_FORM_SCORE, .better = 1, .detail = true, .of_task = true, .row = lsum_f_row};
const pt_metric_kind pt_metric_kind_rouge_lsum_recall = {.key = "rouge_lsum_recall", .label = "ROUGE-Lsum recall", .form = PT_FORM_SCORE, .better = 1, .detail = true, .of_task = true, .row = lsum_recall_row};

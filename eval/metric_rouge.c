/* ROUGE-L of generated answers against the references, and of the best canned answer, which knows no question (scores.c finds it by role). */
#include "eval/metric.h"
#include "eval/rouge.h"

static pt_status rouge(const pt_metric_row *r, bool recall, pt_metric_sum *s)
{
    pt_rouge score;
    if (!r->words || !r->answer->n_references) return PT_OK;
    PT_RETURN(pt_rouge_l_max(r->references, r->answer->n_references, r->words, &score, NULL));
    s->sum += recall ? score.recall : score.f;
    s->weight++;
    return PT_OK;
}
static pt_status f_row(const pt_metric_row *r, pt_metric_sum *s)
{
    return rouge(r, false, s);
}
static pt_status recall_row(const pt_metric_row *r, pt_metric_sum *s)
{
    return rouge(r, true, s);
}

const pt_metric_kind pt_metric_kind_rouge_l_f = {.key = "rouge_l_f", .label = "ROUGE-L F against the references", .form = PT_FORM_SCORE, .better = 1, .row = f_row};
const pt_metric_kind pt_metric_kind_rouge_l_recall = {.key = "rouge_l_recall", .label = "ROUGE-L recall", .form = PT_FORM_SCORE, .better = 1, .row = recall_row};
const pt_metric_kind pt_metric_kind_canned_rouge_l = {.key = "canned_rouge_l", .label = "  best single canned answer a role, ROUGE-L F",
                                                      .form = PT_FORM_SCORE};

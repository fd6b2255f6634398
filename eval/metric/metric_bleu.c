/* BLEU of single answers and of all of them, chrF, METEOR: generated answers against their references. */
#include <math.h>
#include <stdlib.h>

#include "eval/text/bleu.h"
#include "eval/text/chrf.h"
#include "eval/text/meteor.h"
#include "eval/metric/metric.h"

enum { CORPUS_ROWS = PT_BLEU_SUMS, CHRF_ROWS = PT_CHRF_SUMS };
_Static_assert((int)CORPUS_ROWS < (int)PT_METRIC_SUMS && (int)CHRF_ROWS < (int)PT_METRIC_SUMS, "more sums than a metric may have");

static bool asked(const pt_metric_row *r)
{
    return r->words && r->answer->n_references;
}

/* BLEU of sentences, in the units of the other metrics. */
static pt_status sentence(const pt_metric_row *r, int order, double *sums)
{
    double own[PT_BLEU_SUMS] = {0};
    if (!asked(r)) return PT_OK;
    PT_RETURN(pt_bleu_add(r->words, r->references, r->answer->n_references, own));
    sums[0] += pt_bleu_sentence(own, order, (pt_bleu_smoothing)r->smoothing);
    sums[1]++;
    return PT_OK;
}
static pt_status bleu_1(const pt_metric_row *r, double *sums)
{
    return sentence(r, 1, sums);
}
static pt_status bleu_2(const pt_metric_row *r, double *sums)
{
    return sentence(r, 2, sums);
}
static pt_status bleu_3(const pt_metric_row *r, double *sums)
{
    return sentence(r, 3, sums);
}
static pt_status bleu_4(const pt_metric_row *r, double *sums)
{
    return sentence(r, 4, sums);
}

typedef pt_status (*splitter)(pt_wordbook *b, pt_units units, const char *text, pt_words *w);
typedef pt_status (*adder)(const pt_words *answer, const pt_words *references, size_t n, double *sums);

/* Texts split in a metric's own way, and counted. */
static pt_status split_and_add(const pt_metric_row *r, pt_units units, splitter split, adder add, double *sums)
{
    pt_status rc = PT_OK;
    size_t n = r->answer->n_references;
    pt_words *references = NULL, answer = {0};
    PT_TRY(pt_alloc0(&references, n));
    for (size_t k = 0; k < n; k++) PT_TRY(split(r->book, units, r->answer->references[k], &references[k]));
    PT_TRY(split(r->book, units, r->answer->answer, &answer));
    PT_TRY(add(&answer, references, n, sums));
done:
    for (size_t k = 0; references && k < n; k++) pt_words_free(&references[k]);
    free(references);
    pt_words_free(&answer);
    return rc;
}

static pt_status corpus_row(const pt_metric_row *r, double *sums)
{
    if (!asked(r)) return PT_OK;
    sums[CORPUS_ROWS]++;
    return split_and_add(r, r->units, pt_bleu_split, pt_bleu_add, sums);
}
static double corpus(const double *sums)
{
    return sums[CORPUS_ROWS] > 0 ? pt_bleu_corpus(sums) : NAN;
}

static pt_status chrf_row(const pt_metric_row *r, double *sums)
{
    if (!asked(r)) return PT_OK;
    sums[CHRF_ROWS]++;
    return split_and_add(r, PT_UNITS_CHARS, pt_words_split, pt_chrf_add, sums);
}
static double chrf(const double *sums)
{
    return sums[CHRF_ROWS] > 0 ? pt_chrf_value(sums) : NAN;
}

static pt_status meteor_row(const pt_metric_row *r, double *sums)
{
    double best = 0;
    if (!asked(r)) return PT_OK;
    PT_RETURN(pt_meteor(r->book, r->units, r->references, r->answer->n_references, r->words, &best));
    sums[0] += best;
    sums[1]++;
    return PT_OK;
}

const pt_metric_kind pt_metric_kind_bleu = {.key = "bleu", .label = "BLEU of all answers (0 - 100)", .form = PT_FORM_SCORE, .better = 1, .of_task = true, .row = corpus_row,
                                            .sums = CORPUS_ROWS + 1, .of_sums = corpus};
const pt_metric_kind pt_metric_kind_bleu_1 = {.key = "bleu_1", .label = "BLEU-1, mean of answers", .form = PT_FORM_SCORE, .better = 1, .of_task = true, .row = bleu_1};
const pt_metric_kind pt_metric_kind_bleu_2 = {.key = "bleu_2", .label = "BLEU-2, mean of answers", .form = PT_FORM_SCORE, .better = 1, .of_task = true, .row = bleu_2};
const pt_metric_kind pt_metric_kind_bleu_3 = {.key = "bleu_3", .label = "BLEU-3, mean of answers", .form = PT_FORM_SCORE, .better = 1, .detail = true, .of_task = true, .row = bleu_3};
const pt_metric_kind pt_metric_kind_bleu_4 = {.key = "bleu_4", .label = "BLEU-4, mean of answers", .form = PT_FORM_SCORE, .better = 1, .of_task = true, .row = bleu_4};
const pt_metric_kind pt_metric_kind_chrf = {.key = "chrf", .label = "chrF (0 - 100)", .form = PT_FORM_SCORE, .better = 1, .of_task = true, .row = chrf_row, .sums = CHRF_ROWS + 1,
                                            .of_sums = chrf};
const pt_metric_kind pt_metric_kind_meteor = {.key = "meteor", .label = "METEOR, without synonyms", .form = PT_FORM_SCORE, .better = 1, .of_task = true, .row = meteor_row};

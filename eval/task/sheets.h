/* What a questionnaire's sheets come to: scores of its scales, how the sheets were filled in, how well they measure. */
#ifndef PT_EVAL_SHEETS_H
#define PT_EVAL_SHEETS_H
#include "eval/metric/finding.h"
#include "eval/task/inventory.h"

/* A sheet is every item asked once of one persona: sheet ((persona * variants + variant) * repeats + repeat) * turns + turn. */
typedef struct pt_sheets {
    const pt_inventory *v;
    const bool *asked; /* [v->n_items] */
    const char *const *persona; /* [personas] names; one persona may go without ("") */
    size_t personas, variants, repeats, turns; /* turns 2: the second one has the scale turned over */
    bool by_expected;  /* scores are made of expected values */
    uint64_t seed;
    const double *picked[2], *expected[2]; /* by side, [sheets][v->n_items]: the answer, its expected value; NAN: missing. NULL: no such side, or not measured */
    const double *shares[2]; /* [sheets][v->n_items][high - low + 1]: of each answer; of a written one 1; all 0: missing. NULL: no such side */
} pt_sheets;

/* The rows of a side; and p of the changes once both are there:
 *   scale.NAME, facet.SCALE.NAME: mean over sheets of the score; with likelihoods .expected or .argmax behind it is the same of the other kind of answer
 *   missing_share, acquiescence, extreme_share: likewise of pt_sheet_style
 *   order_shift: turned less straight answer by the width of the range, order_agreement: share of items with equal answers (turns 2)
 *   alpha.NAME, omega.NAME: of a scale's keyed answers, rows are sheets, three of them at least
 *   icc1.NAME ... icc3k.NAME: targets are personas, the columns their sheets; retest.NAME: correlation of the first two repeats over the rest
 *   norm_t.NAME, norm_p.NAME, norm_g.NAME: Welch's test of the personas' mean scores (of one persona: its sheets') against the people of the file, Hedges' g; none
 *   where all are alike
 *   js_change, wasserstein_change, js_others, wasserstein_others, js_norm.NAME, wasserstein_norm.NAME: pt_sheets_distances
 *   type: letters of the mean answers
 * Intervals and p: of personas where there are several, else of sheets; those of a persona: of its sheets. Holm: all rows of all together; each
 * row's personas. Beside p the interval of the change: the same clusters of both sides drawn together. PT_ENOMEM. */
pt_status pt_sheets_find(const pt_sheets *s, pt_side side, pt_findings *out);

/* How far answers lie apart (eval/stat/distance.h), as rows of `side`; pt_sheets_find has them too. An item's answers are the mean of its sheets' shares; a distance is that
 * of each item, and their mean over items.
 *   js_change, wasserstein_change: answers before and after, of all sheets and of each persona's; on side PT_AFTER, once both are there
 *   js_others, wasserstein_others: a persona's answers and those of all other personas; of all: the mean over personas
 *   js_norm.NAME, wasserstein_norm.NAME: the scores that find_norm tests (of `sum` instruments per item) and people's, as a normal distribution of their mean and
 *   deviation, both in bins of one point around low ... high, the outer ones open
 * Intervals: of items, js_others and wasserstein_others of all: of personas. PT_ENOMEM. */
pt_status pt_sheets_distances(const pt_sheets *s, pt_side side, pt_findings *out);
/* Scores as norms compare them: of each persona the mean of its sheets'; of one persona: its sheets'. x[sheets] -> how many. */
size_t pt_sheets_scores(const pt_sheets *s, pt_side side, const pt_scale *scale, double *x);
#endif

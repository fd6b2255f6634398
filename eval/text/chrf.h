/* chrF2, equal to sacrebleu 2.6.0's (char_order 6, word_order 0, beta 2, no white space, case kept): 0 to 100.
 *
 * For n = 1 .. 6 precision and recall of character n-grams; F = 5 P R / (4 P + R) of their means over the n of which both sides have any. Over several answers the
 * counts are summed first. Against several references: the one with the highest F of this answer alone, the first of several.
 * Source: M. Popovic, "chrF: character n-gram F-score for automatic MT evaluation", 2015. */
#ifndef PT_EVAL_CHRF_H
#define PT_EVAL_CHRF_H
#include "eval/text/words.h"

enum { PT_CHRF_ORDER = 6, PT_CHRF_SUMS = 3 * PT_CHRF_ORDER };
/* Adds the counts {answer's, reference's, shared} by n. Texts by PT_UNITS_CHARS. PT_EARG without a reference. */
pt_status pt_chrf_add(const pt_words *answer, const pt_words *references, size_t n, double sums[PT_CHRF_SUMS]);
double pt_chrf_value(const double *sums);
#endif

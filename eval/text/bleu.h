/* BLEU (Papineni et al. 2002): shared n-grams, n = 1 .. 4, each counted at most as often as the reference that has it most often, by the answer's n-grams; times a
 * penalty for brevity against the length of the closest reference (of two as close the shorter).
 *
 * Corpus: sums over answers first, then sacrebleu 2.6.0's score, 0 to 100: bp * exp(mean over n of ln p(n)), bp = exp(1 - r / c) where c < r; an n without a match
 * is smoothed by halves, 100 / (2^k total) for the k-th such n; 0 without any match. Its signature would read nrefs:var|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0
 * (tok:zh by character).
 * Sentence: nltk 3.10.4's sentence_bleu of order n with equal weights, 0 to 1, of words or characters (eval/text/words.h). */
#ifndef PT_EVAL_BLEU_H
#define PT_EVAL_BLEU_H
#include "eval/text/words.h"

enum { PT_BLEU_ORDER = 4, PT_BLEU_SUMS = 2 + 2 * PT_BLEU_ORDER };
/* nltk's SmoothingFunction: method1 (0.1 shared n-grams where there are none), method2 (one more shared and one more in all, n > 1), method0 (none). */
typedef enum pt_bleu_smoothing { PT_BLEU_EPSILON, PT_BLEU_ADD_ONE, PT_BLEU_NO_SMOOTHING } pt_bleu_smoothing;

/* Text into tokens as sacrebleu does: 13a (words: western punctuation stands alone, case stays), zh (characters: every Chinese character stands alone too). */
pt_status pt_bleu_split(pt_wordbook *b, pt_units units, const char *text, pt_words *w);

/* Adds one answer: its length, the closest reference's, shared n-grams by n, all n-grams by n. n = 0 is PT_EARG. */
pt_status pt_bleu_add(const pt_words *answer, const pt_words *references, size_t n, double sums[PT_BLEU_SUMS]);
double pt_bleu_corpus(const double *sums);
double pt_bleu_sentence(const double *sums, int order, pt_bleu_smoothing smoothing);

/* out[i] = pt_bleu_sentence of order 4 (PT_BLEU_EPSILON) of answer i against all others as its references (Zhu et al. 2018, Texygen): 1 = nothing that the others do not
 * say too. NAN where there is no other. */
pt_status pt_bleu_self(const pt_words *const *answers, size_t n, double *out);
#endif

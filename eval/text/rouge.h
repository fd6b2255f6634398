/* ROUGE-1, -2, -L and -Lsum, equal to rouge_score 0.1.2 (use_stemmer=False) in every bit.
 *
 *     precision = hits / |candidate|    recall = hits / |reference|    f = 2 p r / (p + r)
 * ROUGE-L: hits = length of the longest common subsequence of the units (eval/text/words.h). ROUGE-n: shared n-grams, each as often as the side that has it less;
 * lengths in n-grams. ROUGE-Lsum: of sentences, which end at newlines: units of the union, over the candidate's sentences, of a longest common subsequence with
 * each sentence of the reference, none counted more often than either side has it. All three are 0 when either side has no units,
 * or nothing is shared. Source: C.-Y. Lin, "ROUGE: A Package for Automatic Evaluation of Summaries", 2004, with beta = 1. */
#ifndef PT_EVAL_ROUGE_H
#define PT_EVAL_ROUGE_H
#include "eval/text/words.h"

typedef struct pt_rouge {
    double precision, recall, f;
} pt_rouge;

/* Length of the longest common subsequence; time |a| |b|, memory min(|a|, |b|). */
pt_status pt_lcs(const pt_words *a, const pt_words *b, size_t *out);
pt_status pt_rouge_n(const pt_words *reference, const pt_words *candidate, size_t n, pt_rouge *out);
pt_status pt_rouge_lsum(pt_wordbook *b, pt_units units, const char *reference, const char *candidate, pt_rouge *out);
pt_status pt_rouge_l(const pt_words *reference, const pt_words *candidate, pt_rouge *out);
/* Against several references: precision and f of the one with the highest f, the first of several (score_multi); *best (may be NULL) is its
 * index. recall is the highest of any reference, whichever that is: a short reference that is said in full counts in full. n = 0 is PT_EARG. */
pt_status pt_rouge_l_max(const pt_words *references, size_t n, const pt_words *candidate, pt_rouge *out, size_t *best);
/* One more reference's score into the best so far, by the same rule; true: its f is the best. */
bool pt_rouge_better(pt_rouge *best, const pt_rouge *one, bool first);
/* The same on texts. */
pt_status pt_rouge_l_text(const char *const *references, size_t n, const char *candidate, pt_units units, pt_rouge *out);
#endif

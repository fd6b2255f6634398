/* ROUGE-L, equal to rouge_score 0.1.2 (rougeL, use_stemmer=False) in every bit.
 *
 *     precision = lcs / |candidate|    recall = lcs / |reference|    f = 2 p r / (p + r)
 * lcs: length of the longest common subsequence of the units (eval/words.h). All three are 0 when either side has no units,
 * or nothing is shared. Source: C.-Y. Lin, "ROUGE: A Package for Automatic Evaluation of Summaries", 2004, with beta = 1. */
#ifndef PT_EVAL_ROUGE_H
#define PT_EVAL_ROUGE_H
#include "eval/words.h"

typedef struct pt_rouge {
    double precision, recall, f;
} pt_rouge;

/* Length of the longest common subsequence; time |a| |b|, memory min(|a|, |b|). */
pt_status pt_lcs(const pt_words *a, const pt_words *b, size_t *out);
pt_status pt_rouge_l(const pt_words *reference, const pt_words *candidate, pt_rouge *out);
/* Against several references: precision and f of the one with the highest f, the first of several (score_multi); *best (may be NULL) is its
 * index. recall is the highest of any reference, whichever that is: a short reference that is said in full counts in full. n = 0 is PT_EARG. */
pt_status pt_rouge_l_max(const pt_words *references, size_t n, const pt_words *candidate, pt_rouge *out, size_t *best);
/* The same on texts. */
pt_status pt_rouge_l_text(const char *const *references, size_t n, const char *candidate, pt_units units, pt_rouge *out);
#endif

/* METEOR, equal to nltk 3.10.4's meteor_score with its defaults (alpha 0.9, beta 3, gamma 0.5) and a source of synonyms that has none: words of an answer are matched with
 * words of the reference that are equal, then with those of the same stem (eval/text/stem.h), each from the end, with the last one that is free.
 *
 *     P = matches / |answer|    R = matches / |reference|    F = P R / (alpha P + (1 - alpha) R)    score = F (1 - gamma (chunks / matches)^beta)
 * chunks: runs of matches that are neighbours on both sides. The highest of several references; 0 without a match. Synonyms, which METEOR proper takes from WordNet, are
 * none: scores are a little lower than published ones. Characters in lower case have no stems.
 * Source: Lavie and Agarwal, "METEOR", 2007. */
#ifndef PT_EVAL_METEOR_H
#define PT_EVAL_METEOR_H
#include "eval/text/words.h"

/* Of words in numbers of the book, which may grow (by stems). PT_EARG without a reference. */
pt_status pt_meteor(pt_wordbook *b, pt_units units, const pt_words *references, size_t n, const pt_words *answer, double *out);
#endif

/* Statistics of generated text: repeated and distinct n-grams, copies of training answers. Units: eval/text/words.h. */
#ifndef PT_EVAL_TEXTSTATS_H
#define PT_EVAL_TEXTSTATS_H
#include "eval/text/rouge.h"

/* A growing set of the n-grams of one or several sequences (an n-gram never spans two sequences). */
typedef struct pt_ngrams {
    size_t n;               /* units in a gram, >= 1 */
    size_t total, distinct; /* grams seen; different ones */
    uint32_t *gram;         /* [distinct, n] */
    size_t *count;  /* [distinct] times each was seen */
    size_t gram_cap, count_cap;
    size_t *slot; /* [slots] gram + 1, or 0; slots is a power of two */
    size_t slots;
} pt_ngrams;
void pt_ngrams_init(pt_ngrams *g, size_t n);
pt_status pt_ngrams_add(pt_ngrams *g, const pt_words *w);
/* How often a gram of n units was seen. */
size_t pt_ngrams_count(const pt_ngrams *g, const uint32_t *gram);
size_t *pt_ngrams_at(pt_ngrams *g, const uint32_t *gram); /* that number; NULL: never */
void pt_ngrams_free(pt_ngrams *g);

/* Repetition inside one sequence: *repeated = total - distinct of its n-grams. The share of repeated 4-grams of an answer is
 * repeated / total = 1 - distinct / total; of several answers, the sum of repeated over the sum of total. Both 0 for fewer
 * than n units. */
pt_status pt_ngrams_repeated(const pt_words *w, size_t n, size_t *repeated, size_t *total);

/* distinct-n of several sequences together: different n-grams / all n-grams; 0 without any. Source: Li et al. 2016
 * (arXiv:1510.03055). */
pt_status pt_distinct_n(const pt_words *const *w, size_t count, size_t n, double *out);

typedef struct pt_copy {
    double f;     /* the highest ROUGE-L F against a training answer; 0 without training answers */
    size_t train; /* that answer, the first of several */
} pt_copy;
#define PT_COPY_THRESHOLD 0.7
/* out[i] for each of `count` answers (reference = the training answer); *copied (may be NULL) counts those with f >
 * threshold. */
pt_status pt_copies_find(const pt_words *answers, size_t count, const pt_words *train, size_t train_count, double threshold,
                         pt_copy *out, size_t *copied);
#endif

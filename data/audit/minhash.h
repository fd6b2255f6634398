/* Texts that are nearly the same. A text is the set of its shingles: every five words in a row; of scripts that are written without spaces (Han, Kana,
 * Thai, Lao, Khmer, Myanmar) every character counts as a word; a text of fewer than five is one shingle. Two texts are as like as the sets are:
 * |A and B| / |A or B| (Jaccard).
 *
 * Candidates come from MinHash (Broder 1997, "On the resemblance and containment of documents"): 80 minima a text, in 16 bands of 5; two texts that agree in a
 * band are candidates, which a pair of likeness s becomes with probability 1 - (1 - s^5)^16: 0.998 at 0.8, 0.40 at 0.5. Each candidate's likeness is then
 * counted from the sets themselves, so that what is reported is what is said. Time: linear in the texts, but for sorting 16 lists of n numbers; a
 * bucket of more than PT_NEAR_BUCKET texts compares each with the next PT_NEAR_BUCKET. Memory: 4 bytes a shingle and 344 a text. Of a text of more than
 * PT_NEAR_SHINGLES shingles those with the smallest hashes stand for all, and its likeness is an estimate (standard error below 0.008). */
#ifndef PT_DATA_AUDIT_MINHASH_H
#define PT_DATA_AUDIT_MINHASH_H
#include "base/mem.h"

enum { PT_NEAR_BANDS = 16, PT_NEAR_ROWS = 5, PT_NEAR_MINIMA = PT_NEAR_BANDS * PT_NEAR_ROWS, PT_NEAR_SHINGLES = 4096, PT_NEAR_BUCKET = 64 };

typedef struct pt_near_text {
    size_t from;   /* its first shingle */
    uint32_t n;    /* of them, ascending */
    uint32_t id;
    bool sampled;  /* the smallest ones stand for all */
    uint32_t minimum[PT_NEAR_MINIMA];
} pt_near_text;

/* Zero-initialise; freed by pt_near_free. */
typedef struct pt_near {
    bool sets_alone; /* no candidates are wanted (pt_near_pairs finds none): texts are compared one by one */
    pt_near_text *texts;
    size_t n, cap;
    uint32_t *shingles;
    size_t n_shingles, shingle_cap;
    uint32_t times[PT_NEAR_MINIMA], flip[PT_NEAR_MINIMA]; /* what makes the orders; made with the first text */
} pt_near;

/* Adds a text (valid UTF-8) that is called id. A text without words is not added. *words (may be NULL): how many it has. */
pt_status pt_near_add(pt_near *s, const char *text, size_t bytes, uint32_t id, size_t *words);
/* Adds text i of another set, as id. */
pt_status pt_near_take(pt_near *s, const pt_near *from, size_t i, uint32_t id);
/* Calls pair(user, a, b, likeness) for every pair of at least this likeness that the bands find, each once, a and b as texts of s. Ends with the first failure. */
pt_status pt_near_pairs(const pt_near *s, double least, pt_status (*pair)(void *user, const pt_near_text *a, const pt_near_text *b, double likeness),
                        void *user);
/* The text of this id, where ids were given in ascending order; NULL: it was not added. */
const pt_near_text *pt_near_find(const pt_near *s, uint32_t id);
/* Of two texts. */
double pt_near_likeness(const pt_near *s, const pt_near_text *a, const pt_near_text *b);
/* How many words a text has, as shingles count them. */
size_t pt_near_words(const char *text, size_t bytes);
void pt_near_free(pt_near *s);
#endif

/* Strengths from comparisons of two (Bradley and Terry 1952; Zermelo 1929): P(i beats j) = 1 / (1 + exp(r_j - r_i)), the mean of all r 0. A tie is half a win for each. */
#ifndef PT_EVAL_RATINGS_H
#define PT_EVAL_RATINGS_H
#include "eval/stat/resample.h"

/* Elo's scale: 400 points are odds of ten to one; the mean is here. */
#define PT_ELO_MEAN 1000.0
double pt_elo(double rating);

/* Maximum likelihood from wins[n][n] (wins[i][j]: i against j, any numbers from 0 on; the diagonal does not count), as choix 0.4.1's ilsr_pairwise_dense with alpha
 * 0; by Newton's method. There is one exactly where everybody has won, directly or by others, against everybody else. part[n]: the number of each one's
 * part, within which that is so, parts numbered by their first member; *parts: how many. More than one: rating[n] is NAN. prior: so many wins of each against each are added
 * first; above 0 there is always one part. PT_EARG: a number below 0 or none. PT_ENOMEM. */
pt_status pt_ratings_of_wins(const double *wins, size_t n, double prior, double *rating, size_t *part, size_t *parts);

typedef struct pt_duel {
    size_t a, b;      /* below n; not the same */
    double won;       /* by a: 1, 0.5 = tie, 0; or a share */
    uint64_t cluster; /* the prompt: what is resampled as one */
} pt_duel;

typedef struct pt_ratings {
    size_t n, duels;
    double *rating;         /* [n] owned; NAN: there are none */
    pt_interval *ci;        /* [n] owned; by bootstrap over clusters. pt_elo turns both into Elo's scale */
    double *wins, *played;  /* [n] owned; each one's wins (ties half), and comparisons */
    size_t *part, parts;    /* [n] owned */
    size_t resamples, held; /* draws; those in which all are in one part: intervals are of these */
} pt_ratings;
/* resamples 0: no intervals. PT_EARG names a comparison that is none. Free with pt_ratings_free. PT_ENOMEM. */
pt_status pt_ratings_of(const pt_duel *d, size_t duels, size_t n, double prior, size_t resamples, uint64_t seed, pt_ratings *out);
void pt_ratings_free(pt_ratings *r);
/* One line: which cannot be compared, and what to do; "" where there are ratings. PT_ENOMEM. */
pt_status pt_ratings_why(const pt_ratings *r, const char *const *names, pt_str *out);
#endif

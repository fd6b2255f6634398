/* One side against another, judged by the pair, which of the two is shown first being changed. Shares are means over items, whatever each one's number of
 * verdicts. */
#ifndef PT_EVAL_PAIRWISE_H
#define PT_EVAL_PAIRWISE_H
#include "eval/stat/resample.h"

typedef enum pt_verdict { PT_VERDICT_NONE, PT_VERDICT_FIRST, PT_VERDICT_SECOND, PT_VERDICT_TIE } pt_verdict; /* NONE: it could not be had, or not be read */

typedef struct pt_judged {
    uint64_t item, cluster; /* the question; what is resampled as one: the item, or what holds several whole */
    bool swapped;           /* our side was shown second */
    pt_verdict verdict;     /* by the place where it was shown */
} pt_judged;

enum {
    PT_PAIR_WIN,        /* wins of our side, ties half; an item judged in both orders is the mean of the two: who always says "first" leaves 0.5 */
    PT_PAIR_TIE,        /* share of ties */
    PT_PAIR_FIRST,      /* share of "first" among "first" and "second": 0.5 without bias only where sides are equal or all items judged in both orders */
    PT_PAIR_BIAS,       /* of items judged in both orders: those whose verdict stays at the place; of several verdicts an order, the share of their combinations */
    PT_PAIR_CONSISTENT, /* of the same: those whose verdict stays with the side, or twice a tie; the rest are a tie one way, and none the other */
    PT_PAIRS
};
typedef struct pt_pairwise {
    double value[PT_PAIRS];
    pt_interval ci[PT_PAIRS];
    size_t items, both, one, none;   /* items; judged in both orders, in one alone, in none */
    size_t verdicts, ties, missing;  /* read, ties among them; PT_VERDICT_NONE */
} pt_pairwise;
/* NAN: there is nothing to say it of. resamples 0: no intervals. PT_ENOMEM. */
pt_status pt_pairwise_of(const pt_judged *v, size_t n, size_t resamples, uint64_t seed, pt_pairwise *out);
#endif

/* The best evaluation so far, by one of its numbers, and how many since did no better: what decides which checkpoint is kept, and when to stop early.
 * As transformers 5.24's Trainer decides (_determine_best_metric and EarlyStoppingCallback): strictly better is better, so of equals the earlier stays. Otherwise
 * than there, a number that is none (NaN, infinite, an evaluation that failed) is never the best, not even the first, and counts as one that did no better. */
#ifndef PT_LOOP_WATCH_H
#define PT_LOOP_WATCH_H
#include <stdbool.h>
#include <stdint.h>

typedef struct pt_watch {
    /* settings */
    bool greater;     /* more is better */
    int64_t patience; /* evaluations in a row that do no better before the run ends; 0 = it goes to its end */
    double threshold; /* >= 0: patience counts what gains no more than this as no better; the best it may be all the same */
    /* state */
    bool have;      /* there is a best */
    int64_t step;   /* of it */
    double value;
    int64_t misses; /* evaluations in a row that did no better */
} pt_watch;

/* One evaluation of `step`; value NAN: it failed, or gave none. Whether it is the new best. */
bool pt_watch_see(pt_watch *w, int64_t step, double value);
/* Patience is at its end. */
bool pt_watch_over(const pt_watch *w);
/* greater_is_better where the config leaves it open: not of what ends in "loss". */
bool pt_watch_greater(const char *metric);
/* Whether the config's name of a metric is the key that metrics.jsonl has for it: itself, or behind "eval_". */
bool pt_watch_is(const char *wanted, const char *key);
#endif

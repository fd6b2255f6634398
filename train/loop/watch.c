#include "train/loop/watch.h"

#include <math.h>
#include <string.h>

bool pt_watch_see(pt_watch *w, int64_t step, double value)
{
    const bool better = isfinite(value) && (!w->have || (w->greater ? value > w->value : value < w->value));
    const bool gained = better && (!w->have || fabs(value - w->value) > w->threshold);
    w->misses = gained ? 0 : w->misses + 1;
    if (!better) return false;
    w->have = true;
    w->step = step;
    w->value = value;
    return true;
}

bool pt_watch_over(const pt_watch *w)
{
    return w->patience > 0 && w->misses >= w->patience;
}

bool pt_watch_greater(const char *metric)
{
    const size_t n = strlen(metric);
    return n < 4 || strcmp(metric + n - 4, "loss") != 0;
}

bool pt_watch_is(const char *wanted, const char *key)
{
    return !strcmp(wanted, key) || (!strncmp(key, "eval_", 5) && !strcmp(wanted, key + 5));
}

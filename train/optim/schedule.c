#include "train/optim/schedule.h"

#include <math.h>

double pt_schedule_rate(const pt_schedule *s, int64_t step)
{
    static const double pi = 3.14159265358979323846;
    double done = s->warmup > 0 ? (double)step / (double)s->warmup : 1;
    if (step < s->warmup) return s->peak * (s->quadratic ? done * done : done);
    double span = s->total - s->warmup > 1 ? (double)(s->total - s->warmup) : 1, f = 1;
    if (s->kind == PT_SCHEDULE_LINEAR) f = (double)(s->total - step) / span;
    if (s->kind == PT_SCHEDULE_COSINE) f = 0.5 * (1 + cos(pi * (double)(step - s->warmup) / span));
    if (s->kind == PT_SCHEDULE_COSINE && s->floor > 0) f = f * (1 - s->floor) + s->floor;
    return s->peak * (f > 0 ? f : 0);
}

int64_t pt_schedule_warmup(int64_t steps, double ratio, int64_t total)
{
    if (steps >= 0) return steps;
    return ratio > 0 ? (int64_t)ceil((double)total * ratio) : 0;
}

/* A drift that stays low. DPO's known failure: the margin grows while both answers grow unlikely, the chosen one too, and accuracies do not show it. */
#include "base/log.h"
#include "train/loop/run.h"

/* The rule: in FALLEN_STEPS applied steps in a row the metric, a mean of nats a token, is below -FALLEN_NATS. */
enum { FALLEN_STEPS = 20 };
#define FALLEN_NATS 0.1

void pt_run_watch_drift(pt_run *r, const double *metric)
{
    const pt_objective *o = r->objective;
    for (int k = 0; k < o->n_metrics && r->fallen_in_row >= 0; k++) {
        if (!o->metrics[k].fallen) continue;
        r->fallen_in_row = metric[k] < -FALLEN_NATS ? r->fallen_in_row + 1 : 0;
        if (r->fallen_in_row < FALLEN_STEPS) continue;
        r->fallen_in_row = -1; /* said */
        pt_log(PT_LOG_WARN, "step %lld: %s was below -%g in %d steps in a row (%.3g now): %s", (long long)r->step, o->metrics[k].name, FALLEN_NATS, FALLEN_STEPS, metric[k],
               o->metrics[k].fallen);
    }
}

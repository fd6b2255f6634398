/* metrics.jsonl (one write a line) and TensorBoard event files (runs/). Names and meanings: contract "A run's folder". */
#ifndef PT_LOOP_METRICS_H
#define PT_LOOP_METRICS_H
#include "train/loop/flow.h"

typedef struct pt_metrics pt_metrics;

/* dir: the output folder. step 0: starts the files anew. step > 0: cuts lines past that step; TensorBoard is told to forget
 * them. again: prefixes of the evaluations of that very step that will be done again, whose lines are cut too; ended by NULL. */
pt_status pt_metrics_open(pt_metrics **out, const char *dir, int64_t step, const char *const *again);
void pt_metrics_close(pt_metrics *m); /* NULL is fine */
pt_status pt_metrics_step(pt_metrics *m, const pt_step_report *r);
pt_status pt_metrics_eval(pt_metrics *m, const pt_eval_report *r);
/* A line of {"step", "during_seconds", "eval_NAME/METRIC" ...}; TensorBoard: eval/NAME/METRIC. Names are those of data: escaped. */
pt_status pt_metrics_during(pt_metrics *m, const pt_during_report *r);

/* One line of metrics.jsonl without its newline. */
pt_status pt_metrics_step_line(const pt_step_report *r, pt_str *out);
pt_status pt_metrics_eval_line(const pt_eval_report *r, pt_str *out);
pt_status pt_metrics_during_line(const pt_during_report *r, pt_str *out);
#endif

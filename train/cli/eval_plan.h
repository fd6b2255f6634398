/* What an evaluation stage of a config would take in memory, before anything of it runs. */
#ifndef PT_CLI_EVAL_PLAN_H
#define PT_CLI_EVAL_PLAN_H
#include "train/cli/eval_models.h"

/* Plans what `ptrain eval` would open for the stage's config and says it: its base with its lora_model_dir; fresh: with an adapter as the config would begin one, which an
 * earlier stage leaves (cmd_eval.c). */
pt_status pt_eval_plan(pt_cli *c, const pt_config *cfg, bool fresh);
/* What its tasks would write is left out: the folder may not be there yet. */
void pt_eval_plan_unwritten(pt_config *cfg);
/* Of o, opened and not planned yet: the lines of its plan with those beside it, to standard output. n: tasks. */
pt_status pt_eval_plan_say(pt_opened *o, const pt_model_caps *caps, size_t n, pt_eval_models *m, bool is_base);
#endif

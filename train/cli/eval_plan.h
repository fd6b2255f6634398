/* What an evaluation stage of a config would take in memory, before anything of it runs. */
#ifndef PT_CLI_EVAL_PLAN_H
#define PT_CLI_EVAL_PLAN_H
#include "train/cli/eval_models.h"

/* Plans what `ptrain eval` would open for the stage's config and says it: its base with its lora_model_dir; fresh: with an adapter as the config would begin one, which an
 * earlier stage leaves (cmd_eval.c). */
pt_status pt_eval_plan(pt_cli *c, const pt_config *cfg, bool fresh);
/* What its tasks would write is left out: the folder may not be there yet. */
void pt_eval_plan_unwritten(pt_config *cfg);
/* Bytes of this process that answers which are held to something take (eval/ask/holds.h); 0: no task of the n suites holds any. */
size_t pt_eval_held_bytes(const pt_base *base, const pt_suite *s, size_t n);
/* Bytes of this process that the samplers of their answers take, at most (pt_gen_bytes). */
size_t pt_eval_sampler_bytes(const pt_base *base, const pt_model_caps *caps, const pt_suite *s, size_t n);
/* Of o, opened and not planned yet: the lines of its plan with those beside it, to standard output. */
pt_status pt_eval_plan_say(pt_opened *o, const pt_model_caps *caps, const pt_suite *s, pt_eval_models *m, bool is_base);
#endif

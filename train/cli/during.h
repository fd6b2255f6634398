/* Evaluations of a model in training: the entries of `evaluations` that say during_training: true, as train/loop/flow.h asks for them. */
#ifndef PT_CLI_DURING_H
#define PT_CLI_DURING_H
#include "base/entry.h"
#include "eval/ask/answers.h"
#include "eval/ask/voice.h"
#include "train/loop/flow.h"

/* Zero-initialise, pt_during_free. */
typedef struct pt_cli_during {
    pt_during hooks;       /* n = 0: the config has none */
    pt_task_spec *entries; /* [hooks.n] owned, with their paths and lists of options; all else borrowed from the config */
    const pt_config *cfg;
    pt_voices voices;      /* endpoints of `models` that they speak to: on rank 0, from the first measuring on */
    pt_answers *kept;      /* what these have answered: in eval_answers.jsonl of the run's folder, so that a resumed run pays nothing twice */
    bool opened;
    /* of the last measuring; owned */
    char **name;
    double *value;
    size_t n, name_cap, value_cap;
} pt_cli_during;

/* The config's entries; *d must stay where it is. Published files are looked for. PT_EARG, at the entry's place: two of one name, one about
 * transcripts. */
pt_status pt_during_init(pt_cli_during *d, const pt_config *cfg);
void pt_during_free(pt_cli_during *d);
#endif

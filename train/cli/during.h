/* Evaluations of a model in training: the entries of `evaluations` that say during_training: true, as train/loop/flow.h asks for them. */
#ifndef PT_CLI_DURING_H
#define PT_CLI_DURING_H
#include "base/entry.h"
#include "eval/ask/answers.h"
#include "train/cli/eval_models.h"
#include "train/loop/flow.h"

/* Numbers by name, "NAME/METRIC"; owned. */
typedef struct pt_during_numbers {
    char **name;
    double *value;
    size_t n, name_cap, value_cap;
} pt_during_numbers;
void pt_during_numbers_free(pt_during_numbers *x);
/* NAME/METRIC of a task, fit for a terminal and a file of JSON whatever the file of the task holds. */
pt_status pt_during_put(pt_during_numbers *x, const pt_task_spec *of, const char *metric, double value);

/* Zero-initialise, pt_during_free. */
typedef struct pt_cli_during {
    pt_during hooks;       /* n = 0: the config has none */
    pt_task_spec *entries; /* [hooks.n] owned, with their paths and lists of options; all else borrowed from the config. First those that are measured of the model as it is, */
    size_t n_alone;        /* so many; behind them those of both sides: what compares them, and what speaks of the same dialogues */
    const pt_config *cfg;
    pt_cli cli;            /* the group of ranks, for models that are opened */
    pt_opened live;        /* the model in training as eval_models.h takes one; nothing of it is owned */
    pt_eval_models models; /* whom they speak to; endpoints on rank 0, from the first measuring on */
    pt_answers *kept;      /* what these have answered, and the base: in eval_answers.jsonl of the run's folder, so that a resumed run asks and pays nothing twice */
    uint64_t content;      /* of the base's weights; 0: not read yet */
    pt_during_numbers now; /* of the last measuring */
} pt_cli_during;

/* The config's entries; *d must stay where it is. Published files are looked for. PT_EARG, at the entry's place: two of one name; one about a dialogue that is not
 * measured during training. */
pt_status pt_during_init(pt_cli_during *d, const pt_config *cfg);
void pt_during_free(pt_cli_during *d);

/* Whether an entry gives a metric; pt_during.find (during_find.c). */
pt_status pt_during_find(void *user, const pt_base *base, const char *metric, bool *found, int *better, pt_str *known);
/* Plays all entries that speak through with answers that nobody gives: a field that a judge's template wants and no row has is found before the first step. */
pt_status pt_during_try(const pt_cli_during *d, const pt_base *base);
/* PT_EARG at the entry's place. */
pt_status pt_during_refuse(const pt_task_spec *s, const char *why);
/* The entry of this name; NULL: there is none. */
const pt_task_spec *pt_during_entry(const pt_cli_during *d, const char *name);
#endif

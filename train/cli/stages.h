/* `stages:` of a config file: several runs, one after another, by one command.
 *
 *     stages:
 *       - {name: sft, objective: sft, datasets: [...]}
 *       - {name: dpo, objective: dpo, datasets: [...], learning_rate: 5e-6}
 *
 * A stage is a mapping of config keys; its own stand in place of the common ones that mean the same (a key, its other names, what another trainer's
 * key stands for, and keys of which one counts: num_epochs and max_steps). Beside them it may have
 *     name   its folder and what messages call it; default: its number, from 1
 *     from   whose result it begins with: previous (default, of the first: base), base (what the common keys name), or the name of an earlier stage
 * A stage with `evaluate: [...]` in place of a training run measures what it begins with, as `evaluations` would: name, from, evaluate and models are its keys. It changes nothing:
 * the next stage begins where it began. What its tasks write (pairs of best_of, say) later stages train on; "{output_dir}/" at the beginning of a text is the whole file's
 * folder. The last stage trains.
 *
 * A stage that names base_model, init or lora_model_dir itself begins there. The result of an adapter stage is its adapter (lora_model_dir of the next,
 * whose rank, alpha and targets rule); that of full tuning is the base_model of the next.
 *
 * Every stage but the last runs in output_dir/NAME, the last in output_dir itself: what a user looks for is where one run would have put it.
 * output_dir/stages.json says which stages were begun and which are done. With resume_from_checkpoint: auto those that are done are passed over, the
 * one that was begun goes on, and the others start anew. */
#ifndef PT_CLI_STAGES_H
#define PT_CLI_STAGES_H
#include "train/cli/cli.h"
#include "train/cli/yaml.h"

enum { PT_STAGES_MOST = 16, PT_STAGE_NAME = 64 };
enum { PT_STAGE_FROM_FILE = -1 }; /* it begins with what the file names */

typedef struct pt_stage {
    char name[PT_STAGE_NAME];
    int from;           /* index of the stage that it begins with, or PT_STAGE_FROM_FILE */
    int line, column;
    const pt_ynode *own; /* of the file */
    pt_ynode *tree;      /* common and own keys, without name and from */
    char *folder;        /* where it runs */
    bool full;           /* tunes every weight */
    bool evaluates;      /* trains nothing */
    char **writes;       /* [n_writes] files that its tasks write; owned */
    size_t n_writes;
} pt_stage;

typedef struct pt_stages {
    const char *path;
    pt_ynode *root;
    pt_stage of[PT_STAGES_MOST];
    int n; /* 0: the file has none */
    const pt_setting *settings;
    size_t n_settings;
    char *output_dir;
    bool resume; /* resume_from_checkpoint: auto */
} pt_stages;

/* Reads the file. Of one with stages every stage's config is loaded and checked once, without notes: a mistake in the last is said before the first
 * runs. settings are borrowed and hold for all stages. */
pt_status pt_stages_open(pt_stages *s, const char *path, const pt_setting *settings, size_t n_settings);
void pt_stages_free(pt_stages *s); /* safe on a zeroed struct */
/* -1 when there is none of that name. */
int pt_stages_find(const pt_stages *s, const char *name);
/* Whether what a stage leaves is there. */
bool pt_stages_result_there(const pt_stage *g);
/* Whether the result that stage i begins with is there. */
bool pt_stages_start_there(const pt_stages *s, int i);
/* The config of stage i in its folder. chained: it begins where the earlier stage ended, else as the first stage would. resume: it goes on from
 * its own checkpoints. */
pt_status pt_stages_config(const pt_stages *s, int i, bool chained, bool resume, pt_config **out);

/* What stages.json says of a stage. */
typedef enum pt_stage_state { PT_STAGE_NEW, PT_STAGE_BEGUN, PT_STAGE_DONE } pt_stage_state;
pt_status pt_stages_read_state(const pt_stages *s, pt_stage_state state[PT_STAGES_MOST]);
/* Stage i is begun or done; what later stages had is forgotten where it is begun anew. */
pt_status pt_stages_write_state(const pt_stages *s, pt_stage_state state[PT_STAGES_MOST], int i, pt_stage_state to, bool anew);
/* A stage that is done was trained with these settings: PT_EARG names the first that is another now. */
pt_status pt_stages_same(const pt_stages *s, int i, const pt_config *now);

/* Whether stage i trains on files that an earlier one writes, which has not run yet: *awaited is the first of them. Other data is checked: pt_config_check_data. */
pt_status pt_stages_check_data(const pt_stages *s, int i, const pt_config *cfg, const char **awaited);
/* The files of an evaluation's tasks: are they there, or to be written by an earlier stage? Likewise. */
pt_status pt_stages_check_tasks(const pt_stages *s, int i, const pt_config *cfg);
/* What can be seen to be wrong with any stage before the first runs, or (only >= 0) with that one: nothing is written for a mistake. */
pt_status pt_stages_check(const pt_stages *s, int only);
/* An evaluation stage: what it begins with is measured, in the stage's folder, which its tasks may write into. The processes of comm take part. */
pt_status pt_stages_evaluate(const pt_stages *s, int i, const pt_config *cfg, pt_comm *comm);

/* The stage of --only NAME; -1 without a name. PT_EARG names those that there are. */
pt_status pt_stages_only(const pt_stages *s, const char *name, int *i);
/* Runs the command for each stage of its config file that trains, or the one of --only, with c->stages and c->stage set; once with none where the file has no
 * stages. evaluate (NULL: their heading alone): likewise for those that evaluate. checked: by pt_stages_check before the first. */
pt_status pt_stages_each(pt_cli *c, bool checked, pt_status (*run)(pt_cli *c), pt_status (*evaluate)(pt_cli *c));
/* The plan of an evaluation stage, to standard output; where what it measures or asks is left by an earlier stage that has not run, that is said. */
pt_status pt_stages_plan(pt_cli *c);
/* "stage 2 of 3: dpo" with where it begins, for a heading. */
void pt_stages_say(const pt_stages *s, int i, bool chained);
#endif

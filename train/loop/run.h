/* The inside of a run: shared by the files of train/loop, and by tests that look at single steps. */
#ifndef PT_LOOP_RUN_H
#define PT_LOOP_RUN_H
#include "checkpoints/state_list.h"
#include "kernels/profile.h"
#include "train/loop/flow.h"
#include "train/loop/metrics.h"
#include "train/loop/watch.h"
#include "train/objective/objective.h"
#include "train/optim/optimiser.h"
#include "train/optim/schedule.h"

enum { PT_PENDING_VALIDATION = 1, PT_PENDING_TEST = 2, PT_PENDING_DURING = 4, PT_PENDING_BEST = 8 /* when all others are done: whether it is the best */ };

/* One of several test sets. */
typedef struct pt_test_set {
    char name[PT_DATASET_NAME], prefix[PT_DATASET_NAME + 8]; /* of its metrics: "eval_NAME" */
    pt_loader *loader;
} pt_test_set;

typedef struct pt_run {
    const pt_config *cfg;
    pt_train_hooks hooks;
    pt_comm *comm, *self_comm, *device_comm; /* comm: the one in use; self_comm: of one process, where the caller gave none; device_comm: NCCL over the caller's, NULL without */
    pt_ctx ctx;
    bool ctx_open, committed;
    pt_profile profile;
    pt_base base;
    pt_pack *pack, *test_pack;
    pt_loader *train, *valid, *test; /* test: all sets together */
    pt_test_set *sets;               /* [n_sets] where there are several */
    size_t n_sets;
    pt_model *model;
    const pt_objective *objective;
    pt_reference reference;
    bool reference_stored;
    const char *const *guests; /* [n_guests] adapters that evaluations during training speak to */
    size_t n_guests;
    pt_optim *optim;
    pt_schedule schedule;
    pt_run_plan plan;
    pt_state *resume; /* checkpoint to go on from, NULL = from the start */
    char *resume_path;
    pt_choice resume_choice; /* of that checkpoint; all 0 without one */
    pt_state_course course; /* rank 0: where the run stands among the checkpoints of its folder */
    double report[PT_REPORT_SIZE];   /* of the step under way, fetched */
    double tokens[PT_TOKEN_SUMS];    /* likewise, with log_token_metrics; else 0 */
    double state[PT_CORE_STATE];     /* the objective's, kept from step to step */
    float *logp, *ref_logp, *values; /* [rows], [rows], [heads, width] of a micro-batch: passes that look at channels themselves */
    float *vocab[PT_VOCAB_SUMS];     /* [heads] each, of what the objective asks for */
    /* progress */
    int64_t step;  /* steps done */
    int64_t saved; /* step of the last checkpoint, 0 = none */
    int64_t skipped, empty, bad_in_row, high_in_row; /* not finite; without weight; with the loss above loss_watchdog_threshold */
    int64_t fallen_in_row; /* steps that a drift stayed low; -1 = that was said (fallen.c) */
    unsigned pending; /* evaluations due after `step` and not done yet: a stop came between (PT_PENDING_...) */
    double last_loss, last_eval;
    const char *watched; /* metric_for_best_model, or what stands for it; NULL = nobody watches */
    pt_watch watch;      /* the best so far */
    double watched_now;  /* of the evaluations under way; NAN = not yet, or none */
    char *best_folder;   /* its checkpoint, where that is not output_dir/checkpoint-STEP */
    bool best_loaded;
    pt_metrics *metrics; /* rank 0 */
    struct pt_overlap *overlap; /* where comm has allreduce_start (overlap.h) */
    uint64_t base_content, start_content; /* digests of base_model's and lora_model_dir's weights (agree.h) */
    char **labels; size_t n_labels; /* their names, where a head of values has some */
    char *audit;                /* rank 0: what the audit found, as JSON; NULL: nobody looked */
    int folder_lock;            /* rank 0: descriptor + 1 of output_dir, which no other run may write into; 0 = not held */
} pt_run;

/* What one step, or one pass of evaluation, gave, summed over micro-batches and ranks. */
typedef struct pt_step_sums {
    double loss, metrics[PT_CORE_METRICS], tokens[PT_TOKEN_SUMS];
    bool finite;       /* of the loss */
    bool empty;        /* the weights of the whole step sum to 0: there is nothing to learn or to measure; the sums are 0 */
    double apart;      /* a metric that must be 0 in the first step and is not; 0 = none is */
    pt_core_step core; /* what the objective's core was given */
    bool stop;        /* some rank was asked to stop */
    pt_step info;     /* of the loader */
} pt_step_sums;

/* What an evaluation has summed over steps: the loss and the objective's own metrics, means times weight. */
typedef struct pt_eval_sums {
    double loss, weight, metric[PT_CORE_METRICS], tokens[PT_TOKEN_SUMS], seconds;
    int64_t records;
} pt_eval_sums;

/* Everything up to the plan: nothing of the model is allocated yet. The struct must stay where it is until pt_run_close. */
pt_status pt_run_open(pt_run *r, const pt_config *cfg, const pt_train_hooks *hooks);
/* Looks at the data as `audit` of the config wants. PT_EFORMAT: it refuses. Collective. */
pt_status pt_run_audit(pt_run *r);
/* Allocates what was planned, loads weights, computes a stored reference. */
pt_status pt_run_commit(pt_run *r);
void pt_run_close(pt_run *r);
/* Fills r->plan (called by pt_run_open). */
pt_status pt_run_make_plan(pt_run *r);
pt_status pt_run_plan_text(const pt_run_plan *p, pt_str *out);
/* The model's part of the plan, with as many matrices kept as keep_dequantised asks for (keep.c). After the device's free memory is known. PT_EARG where it asks for
 * what this device or base cannot give. Collective. */
pt_status pt_run_plan_model(pt_run *r);
/* Bytes of `role` on the device that the run takes: all but the communicator's staging; the optimiser's and those of models beside too. */
size_t pt_run_device_bytes(const pt_run *r, const size_t role[PT_ROLE_COUNT]);
/* PT_ENOMEM: what the device lacks, and what would fit (smaller_plan.c). */
pt_status pt_run_refuse_device(pt_run *r);

/* Gradients of step `index` (0-based) in the model's gradient vector, summed over ranks. */
pt_status pt_run_gradients(pt_run *r, int64_t index, pt_step_sums *out);
/* The same in two parts: everything that the device has to do, queued without waiting for it; and, when the caller has waited (a download, sync),
 * the report of all ranks: loss and metrics that are sums are added, of the others the largest and the smallest are taken. */
pt_status pt_run_queue_gradients(pt_run *r, int64_t index, pt_step_sums *out);
pt_status pt_run_sum_report(pt_run *r, pt_step_sums *out);
/* Loss and metrics of step `index` of a loader, no gradients; mean over the step. */
pt_status pt_run_measure(pt_run *r, pt_loader *l, int64_t index, pt_step_sums *out);
/* Weighted mean over all steps of an evaluation loader. *stopped: some rank was asked to stop, and out says nothing. */
pt_status pt_run_evaluate(pt_run *r, pt_loader *l, const char *set, pt_eval_report *out, bool *stopped);
/* The same of one set or of several: sums, and the report of all that were summed. out->set and step stay the caller's. */
pt_status pt_run_sum_set(pt_run *r, pt_loader *l, const char *set, pt_eval_sums *out, bool *stopped);
void pt_run_report_sets(const pt_objective *o, int width, const pt_eval_sums *each, size_t n, pt_eval_report *out);
/* Evaluations between steps (round.c). What is due now; what of it is pending, done; *stopped: a stop came first, and the rest stays pending. *best: all of it is done, and
 * it is the best so far. Collective. */
unsigned pt_run_due(const pt_run *r);
pt_status pt_run_round(pt_run *r, bool *stopped, bool *best);
/* The model as the program's evaluations see it. */
pt_during_model pt_run_during_model(const pt_run *r);
/* Prefixes of the names in metrics of what is pending, ended by NULL: PT_PREFIXES at most. */
enum { PT_PREFIXES = 80 };
void pt_run_prefixes(const pt_run *r, const char *prefix[PT_PREFIXES]);

/* The best model (watched.c). Finds what metric_for_best_model names: PT_EARG with what there is, where nobody computes it. After the plan. */
pt_status pt_run_open_watch(pt_run *r);
/* A number of the evaluations under way, by its name in metrics. */
void pt_run_watch_value(pt_run *r, const char *prefix, const char *name, double value);
/* All of them are done: whether they are the best. Rank 0 decides. Collective. */
pt_status pt_run_choose(pt_run *r, bool *best);
/* What a checkpoint keeps of it. */
pt_status pt_run_put_watch(pt_run *r, pt_state_writer *w);
pt_status pt_run_get_watch(pt_run *r, const pt_state *s);
/* load_best_model_at_end: the parameters of the best model in the place of the last ones; nothing where these are it, or none is. Rank 0. */
pt_status pt_run_load_best(pt_run *r);
/* Its checkpoint, owned. */
pt_status pt_run_best_folder(const pt_run *r, char **path);

/* Loads a batch with what its loss needs; makes its reference where this model does. */
pt_status pt_run_load_batch(pt_run *r, const pt_batch *b, uint64_t step, bool train);
/* Statistics of a whole step into core->stat, and into the columns that they fill, by a forward pass over its micro-batches (statistics.c): one more,
 * but where this rank has a single one, whose pass then is the step's own (pt_run_one_pass). Collective. */
pt_status pt_run_statistics(pt_run *r, const pt_step *info, uint64_t step, bool train, pt_core_step *core);
static inline bool pt_run_one_pass(const pt_run *r, const pt_step *info)
{
    return r->objective->n_stats && info->n_micro == 1;
}
/* Sum over the rows of group g of its weight * value; the sum of the weights in *tokens. */
double pt_run_sum_rows(const pt_batch *b, int32_t g, const float *value, double *tokens);
/* The metrics that have a name, then those of the tokens where their weights are above 0; how many (PT_FLOW_METRICS at most). */
int pt_run_shown(const pt_objective *o, int width, const double *metric, const double tokens[PT_TOKEN_SUMS], double *values, const char **names);
/* After an applied step: warns once when a drift that the objective watches has stayed low (fallen.c). */
void pt_run_watch_drift(pt_run *r, const double *metric);
/* Names what was not finite in a step: tensor and sample. Runs the step's records again one by one, since within a stream one
 * bad token can spoil others through masked products. Collective; the gradient vector is overwritten. */
pt_status pt_run_blame(pt_run *r, const pt_step_sums *s, char *text, size_t size);
/* Opens the loaders of the packs (again, when the packs have got references: a loader copies them). */
pt_status pt_run_open_loaders(pt_run *r);
/* Reference log-probabilities of all records, kept with the packs (reference_stored). Before anything is trained or loaded. */
pt_status pt_run_store_reference(pt_run *r);
/* sync_ref_model, after a step that was applied: every ref_model_sync_steps of them the reference moves ref_model_mixup_alpha of the way to what is
 * trained (TRL's SyncRefModelCallback; Gorbatovski et al. 2024, arXiv:2404.09656). */
pt_status pt_run_sync_reference(pt_run *r);

/* Checkpoints (resume.c). Saves step r->step, rotates, and gives the folder's path (owned; NULL = not wanted). Collective. */
pt_status pt_run_save(pt_run *r, char **folder);
/* Opens the checkpoint that the config asks for in r->resume (left NULL when there is none to go on from) and reads what auto
 * chose. */
pt_status pt_run_find_resume(pt_run *r, pt_choice *choice);
/* Checks that the checkpoint belongs to this run (names what differs), and loads it: parameters, moments, counters. */
pt_status pt_run_load(pt_run *r);
/* A vector of a checkpoint into the device's. */
pt_status pt_run_get_view(pt_run *r, const pt_state *s, const char *name, pt_view v);
/* The output folder: takes it for this run alone (PT_ESTATE when another run holds it; pt_run_close gives it back), removes an
 * earlier run's files (not when resuming), writes config.yaml, profiles.json, audit.json and trained.json. Rank 0. */
pt_status pt_run_prepare_folder(pt_run *r);
/* trained.json (train/loop/trained.c), owned text. */
pt_status pt_run_trained(const pt_run *r, char **out);
/* The result: adapter or model files. Rank 0. trial: as in pt_export_options. */
pt_status pt_run_export(pt_run *r, const char *dir, uint64_t *trial);
/* Before the first step, on a committed model: does everything that the result needs but write its weights, and looks for room for it and a
 * checkpoint. PT_EIO and others: what would have failed at the end. Rank 0. */
pt_status pt_run_try_result(pt_run *r);
/* Writes the result; where that fails the last step's checkpoint is saved, and the error says how to go on. Rank 0. */
pt_status pt_run_finish(pt_run *r);

/* Takes a folder for this process: PT_ESTATE when another one holds it. *lock is 0 where its file system knows no locks (announced); leave gives it back. */
pt_status pt_folder_take(const char *dir, int *lock);
void pt_folder_leave(int *lock);

/* PT_EARG without an output folder, or where it is the folder of what the run starts from. */
pt_status pt_run_check_folder(const pt_config *cfg);
#endif

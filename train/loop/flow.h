/* Training as one call, for commands: plan it, or run it. Nothing here prints: notes go to base/log.h, progress to the hooks.
 */
#ifndef PT_LOOP_FLOW_H
#define PT_LOOP_FLOW_H
#include <signal.h>

#include "kernels/profile.h"
#include "train/loop/setup.h"

#define PT_FLOW_METRICS 16

/* Models that the evaluations during training open beside the one in training. */
typedef struct pt_during_beside {
    size_t bytes;   /* on the device, or of the process where that is the host */
    char said[400]; /* in words; "" = there are none */
    size_t constraints; /* of this process: what answers that are held to something take (tokens, masks up to their limit); 0: none are */
    size_t samplers;    /* of this process: what drawing answers takes, at most */
} pt_during_beside;

typedef struct pt_run_plan {
    /* memory, bytes */
    size_t role[PT_ROLE_COUNT]; /* what is allocated, by role (weights: mapped files count once) */
    size_t process;             /* resident before anything is allocated: program, libraries, tokenizer, packed data, loaders */
    size_t libraries;           /* what oneDNN and the allocator take during steps */
    size_t total;
    size_t packing;            /* peak so far: packing the data may have needed more than training will */
    size_t available, machine; /* of this machine */
    int local_ranks;           /* processes of this run on this machine: each takes total */
    /* model */
    int64_t parameters, trained;
    pt_choice choice;
    /* data and steps */
    pt_pack_report pack, test;
    pt_loader_summary data;
    pt_model_caps caps; /* maxima of one micro-batch, and of what the evaluations during training ask at once */
    pt_model_caps micro; /* of a micro-batch alone */
    size_t during;       /* evaluations during training */
    pt_during_beside beside; /* what they speak to */
    int micro_batches;  /* most in one step on this process */
    int any_micro;      /* most in one step of training or evaluation */
    bool no_data; /* nothing is known of the data */
    int64_t warmup, eval_steps, save_steps, logging_steps, validation_records;
    /* what to say: each at most one line */
    char warnings[8][256];
    int n_warnings;
    /* a device with memory of its own: the roles lie there, and total counts the rest; all 0 on the host */
    size_t device_need, device_free, device_memory;
    size_t device_libraries; /* estimate: what CUDA's libraries will take beside device_need, which is exact */
    bool tight;              /* the head in smaller pieces, since the run does not fit otherwise */
    size_t kept, keepable;   /* frozen matrices that stand there as numbers too, of those that can */
} pt_run_plan;

/* Bytes on the device in all, with `need` (device_need, or that of another plan) of ours: 0 on the host. */
static inline size_t pt_run_plan_device(const pt_run_plan *p, size_t need)
{
    return need + p->device_libraries;
}
/* Whether the device has them. */
static inline bool pt_run_plan_fits(const pt_run_plan *p, size_t need)
{
    return pt_run_plan_device(p, need) <= p->device_free;
}

typedef struct pt_step_report {
    int64_t step, steps; /* 1-based */
    double epoch, loss, grad_norm, lr;
    int64_t tokens, supervised_tokens, records;
    double seconds, tokens_per_second;
    double peak_share; /* of the measured GEMM rate, 0 = unknown */
    double eta;        /* seconds to the end of the run */
    bool skipped;      /* nothing was updated; loss and grad_norm mean nothing: not finite, or */
    bool empty;        /* the weights of its records sum to 0 */
    int n_metrics;
    const char *metric_name[PT_FLOW_METRICS];
    double metric[PT_FLOW_METRICS];
} pt_step_report;

typedef struct pt_eval_report {
    const char *set;    /* "validation", "test"; of one of several test sets its name */
    const char *prefix; /* of the names in metrics: "eval", or "test" for a test set beside a validation split; of one of several "eval_NAME" */
    int64_t step;       /* 0 = before training */
    double loss, seconds;
    int64_t records;
    int n_metrics;
    const char *metric_name[PT_FLOW_METRICS];
    double metric[PT_FLOW_METRICS];
} pt_eval_report;

/* What is asked of the model between two steps. */
typedef struct pt_during_model {
    pt_model *model;
    const pt_base *base;
    const pt_ctx *ctx;
    pt_comm *comm; /* every rank has the same weights */
    int slot;      /* what is trained: the adapter's slot, or PT_SLOT_NONE: all weights */
    pt_model_caps caps;
    int64_t step;
    const volatile sig_atomic_t *stop; /* may be NULL */
} pt_during_model;

typedef struct pt_during_report {
    int64_t step;
    double seconds;
    char failure[512]; /* "" = it was measured; all ranks agree */
    /* of rank 0 alone; the evaluations' own, until the next ones are measured */
    size_t n;
    char *const *name; /* "NAME/METRIC" */
    const double *value; /* NAN: none */
} pt_during_report;

/* Evaluations of the model in training beside its losses, which the program brings (train/cli/during.h). Called on every rank, collective where there are
 * several. */
typedef struct pt_during {
    void *user;
    size_t n;
    /* First: reads them. PEFT folders that stand in slots beside the trained adapter (full tuning: none); they stay. PT_EARG: they are not right. */
    pt_status (*begin)(void *user, pt_comm *comm, const char *const **guests, size_t *n);
    /* Before the plan: adds what they ask at once to caps, which holds the training's maxima; opens what they speak to, and says what that will take. heads: PT_HEAD_* of the
     * model, which is not in memory yet. PT_EARG: they cannot be asked of it. */
    pt_status (*open)(void *user, const pt_during_model *m, unsigned heads, pt_model_caps *caps, pt_during_beside *beside);
    /* What stands beside the model is allocated. */
    pt_status (*commit)(void *user);
    /* Whether one of them gives this metric, "NAME/METRIC"; *better: +1, -1, or 0: neither. Where not, what there is joins known, with commas. */
    pt_status (*find)(void *user, const pt_base *base, const char *metric, bool *found, int *better, pt_str *known);
    /* Asks them of the model as it stands, which is left so. An evaluation that fails says so in out and ends nothing. PT_ESTOP: a stop came first, and out says
     * nothing. Other statuses end the run: memory, a lost rank. */
    pt_status (*measure)(void *user, const pt_during_model *m, pt_during_report *out);
} pt_during;

/* All optional. Called on every rank; a program shows those of rank 0. */
typedef struct pt_train_hooks {
    void *user;
    const pt_during *during;           /* NULL = no evaluations but the losses */
    pt_comm *comm;                     /* NULL = one process; stays the caller's */
    const pt_ops *ops;                 /* a backend to take instead of the config's device; NULL = by device */
    bool no_data;                      /* pt_train_plan: the data is not here: planned as if every micro-batch were full */
    const char *command;               /* what the user typed, for trained.json; NULL = not known */
    const volatile sig_atomic_t *stop; /* not 0: finish the step (or leave the evaluation, which a resumed run does again), save, return PT_ESTOP */
    void (*on_plan)(void *user, const pt_run_plan *plan, const char *text);
    /* the first step is about to begin: from now on a stop is answered by saving. folder: the checkpoint gone on from, or NULL */
    void (*on_start)(void *user, const char *folder);
    void (*on_step)(void *user, const pt_step_report *r);
    void (*on_eval)(void *user, const pt_eval_report *r);
    void (*on_during)(void *user, const pt_during_report *r); /* rank 0 alone */
    void (*on_save)(void *user, const char *folder, int64_t step); /* a checkpoint is whole */
    /* gradients of a step, summed over micro-batches and ranks, before clipping */
    void (*on_gradients)(void *user, pt_ctx *ctx, pt_model *m, int64_t step);
} pt_train_hooks;

typedef struct pt_train_result {
    int64_t steps, skipped; /* done in total (with those before a resume); skipped among them as not finite */
    int64_t empty;          /* skipped among them because the weights of their records sum to 0 */
    double loss;            /* of the last step */
    double eval_loss;       /* last one; NaN = none */
    double seconds;         /* this run */
    const char *watched;    /* the metric by which the best was chosen (the config's); NULL = none was */
    int64_t best_step;      /* 0 = none was the best */
    double best_value;
    bool early, best_loaded; /* it ended by early_stopping_patience; the result is the best model (load_best_model_at_end) */
    size_t peak_rss, planned;
    pt_profile profile;     /* where the time of the steps and evaluations went, op by op */
    double gemm_rate;       /* measured GEMM rate in GF/s of the multiply type in use, 0 = unknown */
    char output[512]; /* the folder that holds the result, or the checkpoint of a stopped run */
} pt_train_result;

/* Opens everything, packs the data, lays out every step; allocates nothing of the model. text (may be NULL): the table of
 * `ptrain plan`. With hooks->no_data nothing of the data is opened, steps are max_steps or 0 (not known), and the caps are the
 * most that the settings allow: micro_batch_size x sequence_len tokens (of pairs at least two records), all supervised. */
pt_status pt_train_plan(const pt_config *cfg, const pt_train_hooks *hooks, pt_run_plan *plan, pt_str *text);
/* Plan, train, save. PT_ESTOP after a stop: the checkpoint is in result->output. Other failures leave the last checkpoint
 * whole. */
pt_status pt_train_run(const pt_config *cfg, const pt_train_hooks *hooks, pt_train_result *result);
#endif

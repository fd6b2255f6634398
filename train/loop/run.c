/* Opening and closing a run. */
#include "train/loop/run.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "data/read/data_key.h"
#include "kernels/plugin.h"
#include "train/dist/nccl.h"
#include "train/loop/agree.h"
#include "train/loop/overlap.h"

static void close_sets(pt_run *r)
{
    for (size_t i = 0; i < r->n_sets; i++) pt_loader_free(r->sets[i].loader);
    free(r->sets);
    r->sets = NULL;
    r->n_sets = 0;
}

/* Several test sets are measured apart. */
static pt_status open_sets(pt_run *r)
{
    const pt_config_data *d = &r->cfg->data;
    close_sets(r);
    if (d->n_test_datasets < 2) return PT_OK;
    PT_RETURN(pt_alloc0(&r->sets, d->n_test_datasets));
    for (size_t i = 0; i < d->n_test_datasets; i++) {
        pt_test_set *s = &r->sets[r->n_sets++];
        pt_dataset_name(d->test_datasets, d->n_test_datasets, i, s->name);
        snprintf(s->prefix, sizeof s->prefix, "%s_%s", r->valid ? "test" : "eval", s->name);
        PT_RETURN(pt_setup_loader_of(r->cfg, r->comm, r->test_pack, PT_RECORDS_ALL, (int)i + 1, &s->loader));
    }
    return PT_OK;
}

pt_status pt_run_open_loaders(pt_run *r)
{
    pt_loader_summary s;
    pt_loader_free(r->train);
    pt_loader_free(r->valid);
    pt_loader_free(r->test);
    r->train = r->valid = r->test = NULL;
    PT_RETURN(pt_setup_loader(r->cfg, r->comm, r->pack, PT_RECORDS_TRAIN, &r->train));
    PT_RETURN(pt_loader_summary_get(r->train, &s));
    if (s.steps <= 0) return pt_fail(PT_EARG, "this run has no step: %lld records of training data", (long long)s.records);
    if (r->plan.pack.validation_records > 0)
        PT_RETURN(pt_setup_loader(r->cfg, r->comm, r->pack, PT_RECORDS_VALIDATION, &r->valid));
    if (!r->test_pack) return PT_OK;
    PT_RETURN(pt_setup_loader(r->cfg, r->comm, r->test_pack, PT_RECORDS_ALL, &r->test));
    return open_sets(r);
}

/* LoRA+ (Hayou et al. 2024, arXiv:2402.12354): B learns at loraplus_lr_ratio times the rate of the rest. Neighbours of one rate are one range. */
static pt_status set_rates(pt_run *r, const pt_param *list, size_t n)
{
    pt_status rc = PT_OK;
    pt_optim_range *ranges;
    size_t k = 0;
    int64_t at = 0;
    PT_RETURN(pt_alloc0(&ranges, n));
    for (size_t i = 0; i < n; i++) {
        float rate = strstr(list[i].name, "lora_B") ? (float)r->cfg->optim.loraplus_lr_ratio : 1;
        int64_t end = i + 1 < n ? list[i + 1].offset : pt_model_param_count(r->model);
        if (k && ranges[k - 1].rate == rate) k--;
        ranges[k].rate = rate;
        ranges[k++].n += end - at;
        at = end;
    }
    rc = pt_optim_set_ranges(r->optim, ranges, k);
    free(ranges);
    return rc;
}

static pt_status open_optimiser(pt_run *r)
{
    const pt_config_optim *c = &r->cfg->optim;
    const pt_param *list;
    size_t n = pt_model_params(r->model, &list);
    int64_t decayed = 0;
    for (size_t i = 0; i < n && list[i].decay; i++) decayed = list[i].offset + list[i].rows * list[i].cols;
    pt_optim_options o = {.beta1 = (float)c->adam_beta1,
                          .beta2 = (float)c->adam_beta2,
                          .eps = (float)c->adam_epsilon,
                          .weight_decay = (float)c->weight_decay,
                          .max_norm = (float)c->max_grad_norm};
    PT_RETURN(pt_optim_new(&r->optim, &r->ctx, pt_model_param_count(r->model), decayed, &o));
    return c->loraplus_lr_ratio > 0 ? set_rates(r, list, n) : PT_OK;
}

static void set_schedule(pt_run *r)
{
    const pt_config_optim *c = &r->cfg->optim;
    static const pt_schedule_kind kinds[] = {[PT_SCHED_CONSTANT] = PT_SCHEDULE_CONSTANT,
                                             [PT_SCHED_LINEAR] = PT_SCHEDULE_LINEAR,
                                             [PT_SCHED_COSINE] = PT_SCHEDULE_COSINE};
    int64_t total = r->plan.data.steps;
    r->schedule = (pt_schedule){kinds[c->lr_scheduler], c->learning_rate, c->min_lr_ratio, r->plan.warmup, total, c->lr_quadratic_warmup};
}

/* Several processes on devices: their communicator sums there, the caller's carries the rest. */
static pt_status open_device_comm(pt_run *r)
{
    pt_nccl_open_fn open = NULL;
    if (r->comm->size < 2 || !r->ctx.ops->apart || r->comm->allreduce_start) return PT_OK; /* or the caller's does it */
    *(void **)&open = pt_plugin_symbol(r->ctx.ops, "pt_nccl_open");
    if (!open) return PT_OK; /* a table that a test brought: its memory is reached by copies */
    pt_nccl_open_args a = {.host = r->comm, .wait_seconds = r->cfg->ranks.ddp_timeout, .bucket_bytes = (size_t)r->cfg->ranks.ddp_bucket_cap_mb << 20};
    PT_RETURN(open(&a, &r->device_comm));
    r->comm = r->device_comm;
    r->comm->broken = true; /* until the run has ended in order */
    return PT_OK;
}

static pt_status end_sums(void *user)
{
    pt_comm *c = user;
    return c->allreduce_end(c);
}

pt_status pt_run_open(pt_run *r, const pt_config *cfg, const pt_train_hooks *hooks)
{
    pt_status rc = PT_OK;
    *r = (pt_run){.cfg = cfg, .last_loss = NAN, .last_eval = NAN};
    if (hooks) r->hooks = *hooks;
    r->comm = r->hooks.comm;
    if (!r->comm) {
        PT_TRY(pt_comm_self(&r->self_comm));
        r->comm = r->self_comm;
    }
    PT_TRY(pt_run_agree_config(r)); /* ranks that were started differently would wait for each other for ever, or train two models into one */
    PT_TRY(pt_run_check_folder(cfg));
    r->objective = cfg->objective;
    r->reference = pt_setup_reference(cfg);
    r->reference_stored = pt_setup_reference_stored(cfg);
    PT_TRY(pt_run_find_resume(r, &r->resume_choice));
    PT_TRY(pt_setup_device(&cfg->device, r->comm, r->hooks.ops, r->resume ? &r->resume_choice : NULL, &r->ctx, &r->plan.choice, NULL));
    r->ctx_open = true;
    r->ctx.profile = &r->profile;
    PT_TRY(open_device_comm(r));
    PT_TRY(pt_setup_labels(cfg, &r->labels, &r->n_labels));
    PT_TRY(pt_setup_base(cfg, NULL, false, &r->base));
    if (!r->hooks.no_data) {
        PT_TRY(pt_setup_packs(cfg, r->comm, &r->base, &r->pack, &r->test_pack, &r->plan.pack, &r->plan.test));
        PT_TRY(pt_run_open_loaders(r));
    }
    if (r->hooks.during && r->hooks.during->n) PT_TRY(r->hooks.during->begin(r->hooks.during->user, r->comm, &r->guests, &r->n_guests));
    PT_TRY(pt_setup_model(cfg, &r->ctx, &r->base, r->guests, r->n_guests, &r->model));
    PT_TRY(open_optimiser(r));
    if (r->comm->allreduce_end) pt_optim_before_wait(r->optim, end_sums, r->comm);
    PT_TRY(pt_run_make_plan(r));
    PT_TRY(pt_run_open_watch(r));
    set_schedule(r);
    PT_TRY(pt_run_agree_plan(r));
done:
    if (rc != PT_OK) pt_run_close(r);
    return rc;
}

/* Passes that look at channels themselves: references kept beforehand, statistics, the search for what is not finite. */
static pt_status alloc_channels(pt_run *r)
{
    const pt_model_caps *c = &r->plan.caps;
    PT_RETURN(pt_alloc0(&r->logp, c->rows));
    PT_RETURN(pt_alloc0(&r->ref_logp, c->rows));
    for (int k = 0; k < PT_VOCAB_SUMS; k++)
        if (pt_objective_vocab(r->objective) >> k & 1) PT_RETURN(pt_alloc0(&r->vocab[k], c->heads));
    return pt_alloc0(&r->values, (int64_t)(c->heads > c->groups ? c->heads : c->groups) * pt_model_width(r->model));
}

pt_status pt_run_commit(pt_run *r)
{
    pt_status rc = PT_OK;
    PT_TRY(pt_run_agree_content(r));
    PT_TRY(pt_model_commit(r->model));
    PT_TRY(pt_optim_commit(r->optim));
    if (r->plan.during) PT_TRY(r->hooks.during->commit(r->hooks.during->user));
    PT_TRY(alloc_channels(r));
    if (r->comm->allreduce_start) PT_TRY(pt_overlap_new(&r->overlap, r->comm, r->model, r->ctx.stream));
    r->committed = true;
    if (r->reference_stored) PT_TRY(pt_run_store_reference(r));
    if (r->resume) PT_TRY(pt_run_load(r));
done:
    return rc;
}

void pt_run_close(pt_run *r)
{
    if (r->device_comm) r->device_comm->close(r->device_comm); /* first: its kernels may wait for ranks that are gone */
    pt_overlap_free(r->overlap);
    pt_metrics_close(r->metrics);
    pt_folder_leave(&r->folder_lock);
    free(r->audit);
    free(r->best_folder);
    free(r->logp);
    free(r->ref_logp);
    for (int k = 0; k < PT_VOCAB_SUMS; k++) free(r->vocab[k]);
    free(r->values);
    pt_state_close(r->resume);
    free(r->resume_path);
    pt_state_course_free(&r->course);
    pt_optim_free(r->optim);
    pt_model_free(r->model);
    pt_loader_free(r->train);
    pt_loader_free(r->valid);
    pt_loader_free(r->test);
    close_sets(r);
    pt_pack_free(r->pack);
    pt_pack_free(r->test_pack);
    pt_base_free(&r->base);
    pt_dataset_labels_free(r->labels, r->n_labels);
    if (r->ctx_open) pt_setup_device_close(&r->ctx);
    if (r->self_comm) r->self_comm->close(r->self_comm);
    *r = (pt_run){0};
}

/* Rules between keys of a config. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "eval/ask/sampling.h"
#include "train/cli/config_value.h"
#include "train/cli/generation.h"
#include "train/loop/setup.h"
#include "train/model/families.h"

/* lora_target_linear adds every linear layer to lora_target_modules (axolotl): names among them say nothing more. */
pt_status pt_config_join_targets(pt_config *c, pt_place at)
{
    pt_config_adapter *a = &c->adapter;
    for (size_t i = 0; i < a->n_lora_target_modules; i++) {
        const char *dot = strrchr(a->lora_target_modules[i], '.'), *name = dot ? dot + 1 : a->lora_target_modules[i];
        if (!pt_module_known(name))
            return pt_place_fail(at, "lora_target_modules: %s is none of the linear layers that lora_target_linear: true adds; keep one of the two keys",
                                 a->lora_target_modules[i]);
    }
    for (size_t i = 0; i < a->n_lora_target_modules; i++) free(a->lora_target_modules[i]);
    free(a->lora_target_modules);
    a->lora_target_modules = NULL;
    a->n_lora_target_modules = 0;
    return PT_OK;
}

/* As TRL's DPOTrainer: what moves cannot be kept. There an adapter has no reference model that could move; here it has a slot. */
static pt_status check_sync(const pt_config *c, pt_place at)
{
    const pt_objective *o = c->objective;
    if (!pt_objective_compares(o)) return pt_place_fail(at, "sync_ref_model: true needs an objective with a reference model; %s has none", o->name);
    if (c->adapter.kind == PT_ADAPTER_NONE)
        return pt_place_fail(at, "sync_ref_model: true needs adapter: lora: full tuning keeps log-probabilities of its reference and no second model that could move");
    if (c->reference.precompute)
        return pt_place_fail(at, "sync_ref_model: true and precompute_ref_log_probs: true exclude each other: what was computed before the first step does not move");
    if (c->adapter.lora_model_dir && pt_objective_option(o, o->reference_option, c->options) == PT_REFERENCE_AT_BASE)
        return pt_place_fail(at, "sync_ref_model: true moves a copy of the starting adapter; leave out the key that names the base as the reference");
    return PT_OK;
}

pt_status pt_config_check_tokens(const pt_config *c, pt_place at)
{
    if (!c->run.log_token_metrics || c->objective->channels & PT_CHANNELS_OF_ROWS) return PT_OK;
    return pt_place_fail(at, "log_token_metrics: true needs an objective that predicts tokens; %s reads a value at an answer's end", c->objective->name);
}

pt_status pt_config_check_reference(const pt_config *c, pt_place precompute, pt_place sync)
{
    if (c->reference.sync) PT_RETURN(check_sync(c, sync));
    if (c->reference.precompute && !c->objective->reference)
        return pt_place_fail(precompute, "precompute_ref_log_probs: true needs an objective with log-probabilities of a reference; %s has none", c->objective->name);
    if (c->reference.precompute && c->objective->channels & PT_CHANNEL_KL)
        return pt_place_fail(precompute, "precompute_ref_log_probs: true keeps log-probabilities, and %s (log_kl) measures over the whole vocabulary; leave one of them out", c->objective->name);
    return PT_OK;
}

pt_status pt_config_check_best(const pt_config *c, pt_place load, pt_place patience, pt_place threshold)
{
    const pt_config_run *r = &c->run;
    const bool several = r->eval_steps > 0 || r->evals_per_epoch > 0;
    if (r->load_best_model_at_end && !several) return pt_place_fail(load, "load_best_model_at_end: true compares evaluations: say when they are, by eval_steps or evals_per_epoch");
    if (r->early_stopping_patience && !several)
        return pt_place_fail(patience, "early_stopping_patience counts evaluations: say when they are, by eval_steps or evals_per_epoch");
    if (r->early_stopping_threshold > 0 && !r->early_stopping_patience) return pt_place_fail(threshold, "early_stopping_threshold is early_stopping_patience's: give that too, or leave it out");
    if (r->greater_is_better && !r->metric_for_best_model && !r->load_best_model_at_end && !r->early_stopping_patience)
        pt_log(PT_LOG_WARN, "greater_is_better has no effect without metric_for_best_model");
    return PT_OK;
}

pt_status pt_config_check_sampling(const pt_config *c, pt_place samplers, pt_place sampling)
{
    pt_sampler s = pt_sampler_default();
    pt_sampler_texts texts = {0};
    pt_config_generation order = c->generation;
    order.n_sampling = 0;
    pt_status rc = pt_generation_config(&order, &s, &texts);
    if (rc != PT_OK) return rc == PT_ENOMEM ? rc : pt_place_fail(samplers, "samplers: %s", pt_err_msg());
    rc = pt_generation_config(&c->generation, &s, &texts);
    if (rc == PT_OK) rc = pt_sampler_check(&s, INT32_MAX); /* the vocabulary is not known yet */
    pt_sampler_texts_free(&texts);
    return rc == PT_OK || rc == PT_ENOMEM ? rc : pt_place_fail(sampling, "sampling: %s", pt_err_msg());
}

pt_status pt_config_check_eval_sampling(const pt_config *c, pt_place at)
{
    pt_status rc = PT_OK;
    pt_str lines = {0};
    for (size_t i = 0; i < c->eval.n_sampling && rc == PT_OK; i++) rc = pt_str_printf(&lines, "%s\n", c->eval.sampling[i]);
    if (rc == PT_OK) rc = pt_sampling_check(&(pt_sampling){.temperature = (float)c->eval.temperature, .top_p = 1, .more = lines.text});
    pt_str_free(&lines);
    return rc == PT_OK || rc == PT_ENOMEM ? rc : pt_place_fail(at, "eval_sampling: %s", pt_err_msg());
}

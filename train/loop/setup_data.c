/* From a config to packs and loaders. */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "train/loop/setup.h"

static bool wants_pairs(const pt_config *cfg)
{
    return cfg->objective->answers == 2;
}

static pt_status build_pack(const pt_config *cfg, const pt_base *base, bool test, const char *cache, pt_pack **out,
                            pt_pack_report *report)
{
    pt_pack_options o = {.tok = base->tok,
                         .vocab = pt_source_config(base->source)->vocab,
                         .tmpl = base->tmpl,
                         .pairs = wants_pairs(cfg),
                         .pretrain = cfg->objective->whole_text,
                         .sequence_len = cfg->sequence_len,
                         .excess = cfg->excess_length_strategy,
                         .train_on_inputs = cfg->train_on_inputs,
                         .roles_to_train = (const char *const *)cfg->roles_to_train,
                         .n_roles_to_train = cfg->n_roles_to_train,
                         .cache_dir = cache,
                         .val_set_size = test ? 0 : cfg->val_set_size,
                         .val_split_by = cfg->val_split_by,
                         .seed = cfg->seed,
                         .max_samples = cfg->max_samples,
                         .min_tokens = cfg->min_sample_len,
                         .distinct = cfg->dataset_exact_deduplication};
    return pt_pack_build(out, test ? cfg->test_datasets : cfg->datasets, test ? cfg->n_test_datasets : cfg->n_datasets, &o,
                         report);
}

/* Rank 0 builds while the others wait; then they find the cache. A failure of rank 0 is everyone's. */
static pt_status build_in_turn(const pt_config *cfg, pt_comm *comm, const pt_base *base, bool test, const char *cache,
                               pt_pack **out, pt_pack_report *report)
{
    pt_status rc = PT_OK;
    int64_t bad = 0;
    bool first = !comm || comm->rank == 0;
    if (first) rc = build_pack(cfg, base, test, cache, out, report);
    if (comm && comm->size > 1) {
        bad = rc != PT_OK;
        PT_RETURN(comm->allreduce_max(comm, &bad, 1));
        if (!first)
            rc =
                bad ? pt_fail(PT_ESTATE, "process 0 could not pack the data") : build_pack(cfg, base, test, cache, out, report);
    }
    return rc;
}

/* Ids made elsewhere may be of another vocabulary. */
static pt_status check_ids(const pt_base *base, const pt_pack *pack)
{
    int32_t vocab = pt_source_config(base->source)->vocab;
    for (int64_t i = 0; i < pt_pack_count(pack); i++) {
        pt_packed rec;
        PT_RETURN(pt_pack_get(pack, i, &rec));
        for (int32_t k = 0; k < rec.n_answers; k++) {
            pt_packed_answer a = pt_pack_answer(pack, &rec, k);
            for (int32_t t = 0; t < a.n; t++)
                if (a.ids[t] < 0 || a.ids[t] >= vocab)
                    return pt_fail(
                        PT_EARG, "%s:%lld: token id %d, and the model's vocabulary ends at %d: the data was made for another model",
                        pt_pack_source(pack, rec.source), (long long)rec.line, (int)a.ids[t], (int)vocab - 1);
        }
    }
    return PT_OK;
}

pt_status pt_setup_packs(const pt_config *cfg, pt_comm *comm, const pt_base *base, pt_pack **train, pt_pack **test,
                         pt_pack_report *report, pt_pack_report *test_report)
{
    pt_status rc = PT_OK;
    char *cache = NULL;
    *train = *test = NULL;
    PT_CHECK(cfg->n_datasets > 0, PT_EARG, "no datasets: give at least one");
    if (cfg->cache_dir)
        PT_TRY(pt_strdup(&cache, cfg->cache_dir));
    else {
        PT_CHECK(cfg->output_dir, PT_EARG, "no output_dir");
        PT_TRY(pt_path_join(&cache, cfg->output_dir, "cache"));
    }
    PT_TRY(pt_dir_make(cache));
    PT_TRY(build_in_turn(cfg, comm, base, false, cache, train, report));
    PT_TRY(check_ids(base, *train));
    if (cfg->n_test_datasets) {
        PT_TRY(build_in_turn(cfg, comm, base, true, cache, test, test_report));
        PT_TRY(check_ids(base, *test));
    }
done:
    free(cache);
    if (rc != PT_OK) {
        pt_pack_free(*train);
        pt_pack_free(*test);
        *train = *test = NULL;
    }
    return rc;
}

pt_status pt_setup_loader(const pt_config *cfg, pt_comm *comm, const pt_pack *pack, pt_record_set pass, pt_loader **out)
{
    pt_status rc = PT_OK;
    double *weights = NULL;
    bool train = pass == PT_RECORDS_TRAIN;
    *out = NULL;
    PT_TRY(pt_alloc0(&weights, cfg->n_datasets));
    for (size_t i = 0; i < cfg->n_datasets; i++) weights[i] = cfg->datasets[i].weight > 0 ? cfg->datasets[i].weight : 1;
    pt_loader_options o = {.packing = cfg->sample_packing,
                           .answers = cfg->objective->answers,
                           .validation = pass == PT_RECORDS_VALIDATION,
                           .shuffle = train && cfg->shuffle_merged_datasets,
                           .share_group = cfg->share_group,
                           .batch_rows = cfg->batch_rows,
                           .micro_batch_size = cfg->micro_batch_size,
                           .gradient_accumulation_steps = cfg->gradient_accumulation_steps,
                           .sequence_len = cfg->sequence_len,
                           .epochs = train ? cfg->num_epochs : 1,
                           .max_steps = train ? cfg->max_steps : 0,
                           .seed = cfg->seed,
                           .rank = comm ? comm->rank : 0,
                           .ranks = comm ? comm->size : 1,
                           .reward = cfg->objective->channels & PT_CHANNEL_SCORE,
                           .rows_too = cfg->objective->channels & PT_CHANNEL_LOGP,
                           .dataset_weight = train ? weights : NULL,
                           .n_dataset_weight = train ? cfg->n_datasets : 0};
    PT_TRY(pt_loader_new(out, pack, &o));
done:
    free(weights);
    return rc;
}

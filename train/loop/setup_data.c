/* From a config to packs and loaders. */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "data/read/data_key.h"
#include "train/loop/setup.h"

const char *pt_setup_pooling(const pt_config *cfg)
{
    pt_pooling_word word = pt_objective_pooling(cfg->objective, cfg->options);
    return word == PT_POOL_LAST ? NULL : pt_objective_word(pt_pooling_words, (int)word);
}

pt_status pt_setup_pooling_token(const pt_config *cfg, const pt_tokenizer *tok, int32_t *id)
{
    const char *text = cfg->data.pooling_token;
    pt_status rc = PT_OK;
    *id = -1;
    PT_CHECK(tok, PT_EARG, "pooling: token wants a tokenizer");
    PT_CHECK(text, PT_EARG, "pooling: token wants pooling_token: the token that the head reads");
    *id = pt_tok_find(tok, text);
    PT_CHECK(*id >= 0, PT_EARG, "pooling_token: '%s' is no token of this model", text);
done:
    return rc;
}

pt_status pt_setup_pack_options(const pt_config *cfg, const pt_base *base, bool test, const char *cache, pt_pack_options *out)
{
    int32_t read_at = -1;
    if (pt_objective_pooling(cfg->objective, cfg->options) == PT_POOL_TOKEN) PT_RETURN(pt_setup_pooling_token(cfg, base->tok, &read_at));
    *out = (pt_pack_options){.tok = base->tok,
                             .vocab = pt_source_config(base->source)->vocab,
                             .tmpl = base->tmpl,
                             .pairs = pt_objective_pairs(cfg->objective),
                             .criterion = cfg->objective->answers == 3,
                             .verdicts = cfg->objective->verdicts,
                             .parts = cfg->objective->by_rows && cfg->objective->answers == 1 && !cfg->objective->extra && !cfg->objective->verdicts,
                             .scored = !(cfg->objective->channels & PT_CHANNELS_OF_ROWS),
                             .pretrain = cfg->objective->whole_text,
                             .end_token = read_at + 1,
                             .imitate = pt_objective_reads(cfg->objective, PT_COLUMN_IMITATE),
                             .teacher = pt_objective_reads(cfg->objective, PT_COLUMN_TEACHER),
                             .sequence_len = cfg->data.sequence_len,
                             .excess = cfg->data.excess_length_strategy,
                             .train_on_inputs = cfg->data.train_on_inputs,
                             .roles_to_train = (const char *const *)cfg->data.roles_to_train,
                             .n_roles_to_train = cfg->data.n_roles_to_train,
                             .cache_dir = cache,
                             .val_set_size = test ? 0 : cfg->data.val_set_size,
                             .val_split_by = cfg->data.val_split_by,
                             .seed = cfg->run.seed,
                             .max_samples = cfg->data.max_samples,
                             .min_tokens = cfg->data.min_sample_len,
                             .distinct = cfg->data.dataset_exact_deduplication};
    return PT_OK;
}

static pt_status build_pack(const pt_config *cfg, const pt_base *base, bool test, const char *cache, pt_pack **out,
                            pt_pack_report *report)
{
    pt_pack_options o;
    PT_RETURN(pt_setup_pack_options(cfg, base, test, cache, &o));
    return pt_pack_build(out, test ? cfg->data.test_datasets : cfg->data.datasets, test ? cfg->data.n_test_datasets : cfg->data.n_datasets, &o,
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
            for (int64_t t = a.teacher_start ? a.teacher_start[0] : 0; a.teacher_start && t < a.teacher_start[a.n]; t++)
                if (a.teacher_id[t] >= vocab)
                    return pt_fail(PT_EARG, "%s:%lld: a teacher's token id %d, and the model's vocabulary ends at %d: the teacher has another vocabulary",
                                   pt_pack_source(pack, rec.source), (long long)rec.line, (int)a.teacher_id[t], (int)vocab - 1);
        }
    }
    return PT_OK;
}

/* Every answer's columns, as the objective reads them: what it cannot be trained on is told by line. */
static pt_status check_columns(const pt_config *cfg, const pt_pack *pack)
{
    const pt_objective *o = cfg->objective;
    int width = pt_objective_width(o, cfg->options);
    for (int64_t i = 0; o->fits && i < pt_pack_count(pack); i++) {
        pt_packed rec;
        PT_RETURN(pt_pack_get(pack, i, &rec));
        for (int32_t k = 0; k < rec.n_answers; k++) {
            double column[PT_CORE_COLUMNS] = {0};
            for (int c = 0; c < o->n_columns; c++) column[c] = (double)pt_pack_value(pack, o->columns[c], &rec, k);
            const char *wrong = o->fits(column, width, rec.n_answers);
            if (!wrong) continue;
            const char *count = o->channels & PT_CHANNEL_VALUES ? o->options[o->width_option].key : NULL;
            return count ? pt_fail(PT_EARG, "%s:%lld: %s (objective %s, %s: %d)", pt_pack_source(pack, rec.source), (long long)rec.line, wrong, o->name, count, width)
                         : pt_fail(PT_EARG, "%s:%lld: %s (objective %s)", pt_pack_source(pack, rec.source), (long long)rec.line, wrong, o->name);
        }
    }
    return PT_OK;
}

pt_status pt_setup_labels(const pt_config *cfg, char ***names, size_t *n)
{
    *names = NULL;
    *n = 0;
    for (size_t i = 0; i < cfg->data.n_datasets && !*n; i++) PT_RETURN(pt_dataset_labels(&cfg->data.datasets[i], names, n));
    return PT_OK;
}

/* Where answers are desirable or not, one kind alone says nothing of the border between them. */
static pt_status check_verdicts(const pt_config *cfg, const pt_pack *pack)
{
    int64_t n[2] = {0};
    for (int64_t i = 0; cfg->objective->verdicts && i < pt_pack_count(pack); i++) {
        pt_packed rec;
        PT_RETURN(pt_pack_get(pack, i, &rec));
        if (!rec.validation) n[pt_pack_value(pack, PT_COLUMN_LABEL, &rec, 0) != 0]++;
    }
    if (!cfg->objective->verdicts || (n[0] && n[1])) return PT_OK;
    return pt_fail(PT_EARG, "%s: the label of all %lld training records is %s: objective %s needs %sdesirable answers (label: %s) too",
                   pt_pack_source(pack, 0), (long long)(n[0] + n[1]), n[0] ? "false" : "true", cfg->objective->name, n[0] ? "" : "un", n[0] ? "true" : "false");
}

pt_status pt_setup_packs(const pt_config *cfg, pt_comm *comm, const pt_base *base, pt_pack **train, pt_pack **test,
                         pt_pack_report *report, pt_pack_report *test_report)
{
    pt_status rc = PT_OK;
    char *cache = NULL;
    *train = *test = NULL;
    PT_CHECK(cfg->data.n_datasets > 0, PT_EARG, "no datasets: give at least one");
    if (cfg->data.cache_dir)
        PT_TRY(pt_strdup(&cache, cfg->data.cache_dir));
    else {
        PT_CHECK(cfg->run.output_dir, PT_EARG, "no output_dir");
        PT_TRY(pt_path_join(&cache, cfg->run.output_dir, "cache"));
    }
    PT_TRY(pt_dir_check(cache)); /* now, not after packing; it is made with the first pack: data that cannot be packed leaves no folder */
    PT_TRY(build_in_turn(cfg, comm, base, false, cache, train, report));
    PT_TRY(check_ids(base, *train));
    PT_TRY(check_columns(cfg, *train));
    PT_TRY(check_verdicts(cfg, *train));
    if (cfg->data.n_test_datasets) {
        PT_TRY(build_in_turn(cfg, comm, base, true, cache, test, test_report));
        PT_TRY(check_ids(base, *test));
        PT_TRY(check_columns(cfg, *test));
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
    return pt_setup_loader_of(cfg, comm, pack, pass, 0, out);
}

pt_status pt_setup_loader_of(const pt_config *cfg, pt_comm *comm, const pt_pack *pack, pt_record_set pass, int source, pt_loader **out)
{
    pt_status rc = PT_OK;
    double *weights = NULL;
    bool train = pass == PT_RECORDS_TRAIN;
    *out = NULL;
    PT_TRY(pt_alloc0(&weights, cfg->data.n_datasets));
    for (size_t i = 0; i < cfg->data.n_datasets; i++) weights[i] = cfg->data.datasets[i].weight > 0 ? cfg->data.datasets[i].weight : 1;
    pt_loader_options o = {.packing = cfg->batch.sample_packing,
                           .answers = cfg->objective->answers,
                           .source = source,
                           .extra = cfg->objective->extra,
                           .validation = pass == PT_RECORDS_VALIDATION,
                           .shuffle = train && cfg->batch.shuffle_merged_datasets,
                           .share_group = cfg->batch.share_group,
                           .batch_rows = cfg->batch.batch_rows,
                           .micro_batch_size = cfg->batch.micro_batch_size,
                           .gradient_accumulation_steps = cfg->batch.gradient_accumulation_steps,
                           .sequence_len = cfg->data.sequence_len,
                           .epochs = train ? cfg->run.num_epochs : 1,
                           .max_steps = train ? cfg->run.max_steps : 0,
                           .seed = cfg->run.seed,
                           .rank = comm ? comm->rank : 0,
                           .ranks = comm ? comm->size : 1,
                           .reward = pt_objective_width(cfg->objective, cfg->options) > 0,
                           .tail_less = pt_objective_tail_less(cfg->objective, cfg->options),
                           .rows_too = cfg->objective->channels & PT_CHANNELS_OF_ROWS,
                           .given = cfg->objective->columns + cfg->objective->n_columns,
                           .n_given = cfg->objective->n_given,
                           .mean_of_tokens = pt_objective_pooling(cfg->objective, cfg->options) == PT_POOL_MEAN,
                           .dataset_weight = train ? weights : NULL,
                           .n_dataset_weight = train ? cfg->data.n_datasets : 0};
    PT_TRY(pt_loader_new(out, pack, &o));
done:
    free(weights);
    return rc;
}

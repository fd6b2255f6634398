/* precompute_ref_log_probs, and adapter: none, which has no second model: the reference's log-probabilities are computed by the untrained weights
 * before step 1 and kept beside the packs, under a key of what decides them. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/rng.h"
#include "base/threads.h"
#include "train/loop/agree.h"

/* Answers of one batch to their places in the pack. */
static pt_status keep_sums(const pt_run *r, const pt_pack *pack, const pt_batch *b, double *sums)
{
    for (int32_t k = 0; k < b->n_records; k++) {
        int32_t from = b->record_start[k];
        pt_packed rec;
        double tokens;
        PT_RETURN(pt_pack_get(pack, b->group_record[from], &rec));
        for (int32_t g = from; g < b->record_start[k + 1]; g++) sums[rec.first + g - from] = pt_run_sum_rows(b, g, r->logp, &tokens);
    }
    return PT_OK;
}

/* Before the first step the trained adapter is the starting one: it needs no copy. */
static int slot_of(const pt_run *r)
{
    return r->reference == PT_REFERENCE_START ? PT_SLOT_OWN : PT_SLOT_NONE;
}

/* What decides the sums of a pack, whose own fingerprint stands beside it: the base, the multiply type, what tails of answers weigh, and of a
 * starting adapter its weights and what they are multiplied by. */
static uint64_t key_of(const pt_run *r)
{
    uint64_t key = pt_hash_mix(r->base_content, r->ctx.compute), bits;
    double less = pt_objective_tail_less(r->objective, r->cfg->options);
    memcpy(&bits, &less, sizeof bits);
    if (less != 0) key = pt_hash_mix(key, bits);
    if (r->reference != PT_REFERENCE_START) return key;
    return pt_hash_mix(pt_hash_mix(key, r->start_content), pt_run_scales(r));
}

static pt_status run_pass(pt_run *r, const pt_pack *pack, pt_record_set pass, double *sums)
{
    pt_status rc = PT_OK;
    pt_loader *l = NULL;
    pt_loader_summary sum;
    PT_TRY(pt_setup_loader(r->cfg, r->comm, pack, pass, &l));
    PT_TRY(pt_loader_summary_get(l, &sum));
    for (int64_t i = 0; i < sum.steps; i++) {
        pt_step s;
        PT_TRY(pt_loader_step(l, i, &s));
        for (int k = 0; k < s.n_micro; k++) {
            PT_TRY(pt_model_load_batch(r->model, &s.micro[k], 0, false));
            PT_TRY(pt_model_forward(r->model, slot_of(r), false));
            PT_TRY(pt_model_logp(r->model, NULL, r->logp));
            PT_TRY(keep_sums(r, pack, &s.micro[k], sums));
        }
        int64_t stop = r->hooks.stop && *r->hooks.stop;
        PT_TRY(r->comm->allreduce_max(r->comm, &stop, 1));
        PT_CHECK(!stop, PT_ESTOP, "stopped before the first step, while the reference was computed");
    }
done:
    pt_loader_free(l);
    return rc;
}

static pt_status store_for(pt_run *r, pt_pack *pack, bool validation)
{
    pt_status rc = PT_OK;
    int64_t n = pt_pack_count_answers(pack), has = 0;
    uint64_t key = key_of(r);
    double *sums = NULL;
    float *out = NULL;
    has = pt_pack_has_reference(pack, key);
    PT_TRY(r->comm->allreduce_min(r->comm, &has, 1));
    if (has) goto done;
    double start = pt_seconds();
    PT_TRY(pt_alloc0(&sums, n));
    PT_TRY(pt_alloc0(&out, n));
    PT_TRY(run_pass(r, pack, PT_RECORDS_ALL, sums));
    if (validation) PT_TRY(run_pass(r, pack, PT_RECORDS_VALIDATION, sums));
    PT_TRY(r->comm->allreduce_f64(r->comm, sums, (size_t)n)); /* each answer was computed by one rank */
    for (int64_t i = 0; i < n; i++) {
        out[i] = (float)sums[i];
        PT_CHECK(isfinite(out[i]), PT_ENONFINITE, "the reference log-probability of answer %lld is not finite",
                 (long long)i);
    }
    if (r->comm->rank == 0) PT_TRY(pt_pack_store_reference(pack, key, out));
    PT_TRY(r->comm->barrier(r->comm));
    PT_CHECK(pt_pack_has_reference(pack, key), PT_EIO, "the reference log-probabilities of %s are not there after storing them",
             pt_pack_path(pack));
    pt_log(PT_LOG_INFO, "reference log-probabilities of %lld answers in %.1f s", (long long)n, pt_seconds() - start);
done:
    free(sums);
    free(out);
    return rc;
}

pt_status pt_run_store_reference(pt_run *r)
{
    PT_RETURN(store_for(r, r->pack, r->valid != NULL));
    if (r->test_pack) PT_RETURN(store_for(r, r->test_pack, false));
    return pt_run_open_loaders(r);
}

pt_status pt_run_sync_reference(pt_run *r)
{
    const pt_config_reference *c = &r->cfg->reference;
    int64_t applied = r->step - r->skipped - r->empty;
    return c->sync && applied % c->every == 0 ? pt_model_mix_frozen(r->model, (float)c->mixup) : PT_OK;
}

/* How many frozen matrices stay on the device as numbers (keep_dequantised), found by planning with more and with fewer; and the head in smaller pieces,
 * where nothing else fits. */
#include "base/log.h"
#include "train/loop/run.h"

#define LEFT 0.95 /* of what is free, for auto: the estimate of libraries may be low */

size_t pt_run_device_bytes(const pt_run *r, const size_t role[PT_ROLE_COUNT])
{
    size_t sum = pt_optim_bytes(r->optim) + r->plan.beside.bytes;
    for (int i = 0; i < PT_ROLE_COUNT; i++) sum += i == PT_ROLE_COMM ? 0 : role[i];
    return sum;
}

/* The plan with n kept matrices. */
static pt_status plan_with(pt_run *r, size_t n)
{
    PT_RETURN(pt_model_keep(r->model, n));
    r->plan.kept = pt_model_keeps(r->model);
    return pt_model_plan(r->model, &r->plan.caps, r->plan.role);
}

/* The most that fit. More matrices take more, but for the first: the head's numbers stand in place of as much scratch. */
static pt_status most_that_fit(pt_run *r, int64_t *most)
{
    int64_t low = 0, high = (int64_t)r->plan.keepable;
    while (low < high) {
        int64_t mid = low + (high - low + 1) / 2;
        PT_RETURN(plan_with(r, (size_t)mid));
        if ((double)pt_run_plan_device(&r->plan, pt_run_device_bytes(r, r->plan.role)) <= LEFT * (double)r->plan.device_free)
            low = mid;
        else
            high = mid - 1;
    }
    *most = low;
    return PT_OK;
}

/* Does the plan made last fit, on all ranks? */
static pt_status fits_all(pt_run *r, bool *fits)
{
    int64_t mine = pt_run_plan_fits(&r->plan, pt_run_device_bytes(r, r->plan.role));
    PT_RETURN(r->comm->allreduce_min(r->comm, &mine, 1));
    *fits = mine != 0;
    return PT_OK;
}

/* auto: as many as the checkpoint that the run goes on from was made with, where they fit; else the most that leave something free. One arithmetic on all
 * ranks. */
static pt_status choose(pt_run *r, int64_t *n)
{
    const int64_t before = r->resume_choice.kept - 1;
    bool fits = false;
    if (before >= 0 && before <= (int64_t)r->plan.keepable) {
        PT_RETURN(plan_with(r, (size_t)before));
        PT_RETURN(fits_all(r, &fits));
        *n = before;
    }
    if (fits) return PT_OK;
    PT_RETURN(most_that_fit(r, n));
    return r->comm->allreduce_min(r->comm, n, 1);
}

/* The head takes less scratch where that makes the plan fit, or where the checkpoint was made so. One way on all ranks. */
static pt_status tighten(pt_run *r)
{
    pt_run_plan *p = &r->plan;
    bool fits;
    PT_RETURN(fits_all(r, &fits));
    if (fits && !r->resume_choice.tight) return PT_OK;
    PT_RETURN(pt_model_tight(r->model, true));
    PT_RETURN(pt_model_plan(r->model, &p->caps, p->role));
    PT_RETURN(fits_all(r, &fits));
    p->tight = fits;
    if (fits) return PT_OK;
    PT_RETURN(pt_model_tight(r->model, false));
    return pt_model_plan(r->model, &p->caps, p->role);
}

/* What a checkpoint keeps; and where the run differs from the one that it goes on from: the order of a product's sums may depend on how w lies. */
static void tell(pt_run *r)
{
    pt_choice *c = &r->plan.choice;
    const pt_choice *was = &r->resume_choice;
    c->kept = 1 + (int64_t)r->plan.kept, c->tight = r->plan.tight;
    if (was->kept && was->kept != c->kept)
        pt_log(PT_LOG_WARN, "the checkpoint was made with %lld matrices kept as numbers (keep_dequantised), this run keeps %lld: results may differ in their last bits",
               (long long)(was->kept - 1), (long long)(c->kept - 1));
    if (was->kept && was->tight != c->tight)
        pt_log(PT_LOG_WARN, "the checkpoint was made with the head in %s pieces: results may differ in their last bits", was->tight ? "smaller" : "larger");
}

static pt_status refuse(const pt_run *r)
{
    if (!r->ctx.ops->apart) return pt_fail(PT_EARG, "keep_dequantised: true: device %s has no memory of its own to keep weights in: say auto or false", r->ctx.ops->name);
    return pt_fail(PT_EARG, "keep_dequantised: true: nothing of %s is dequantised in a step of this run: say auto or false", pt_source_path(r->base.source));
}

pt_status pt_run_plan_model(pt_run *r)
{
    const pt_keep keep = r->cfg->device.keep_dequantised;
    int64_t n = 0;
    r->plan.keepable = pt_model_keepable(r->model);
    if (keep == PT_KEEP_ALL && !r->plan.keepable) return refuse(r);
    if (keep == PT_KEEP_ALL) n = (int64_t)r->plan.keepable;
    if (keep == PT_KEEP_AUTO && r->plan.keepable) PT_RETURN(choose(r, &n));
    PT_RETURN(plan_with(r, (size_t)n));
    if (!r->ctx.ops->apart) return PT_OK;
    if (keep != PT_KEEP_ALL) PT_RETURN(tighten(r));
    tell(r);
    return PT_OK;
}

/* What would fit on a device that is too small for the plan: plans again with smaller micro-batches, and with blocks run again;
 * without matrices kept as numbers. */
#include "train/loop/run.h"

#define MIB 1048576.0

/* n of `cap`, in the proportion tokens / of; at least 1 where there is any. */
static int32_t scaled(int32_t cap, int32_t tokens, int32_t of)
{
    int64_t n = (int64_t)cap * tokens / of;
    return cap > 0 && n < 1 ? 1 : (int32_t)n;
}

/* Device bytes with micro-batches of at most `tokens` tokens. */
static pt_status bytes_with(pt_run *r, pt_model *m, int32_t tokens, size_t *bytes)
{
    const pt_model_caps *c = &r->plan.caps;
    pt_model_caps less = *c;
    size_t role[PT_ROLE_COUNT];
    less.tokens = tokens;
    less.segs = scaled(c->segs, tokens, c->tokens);
    less.heads = scaled(c->heads, tokens, c->tokens);
    less.rows = scaled(c->rows, tokens, c->tokens);
    less.groups = scaled(c->groups, tokens, c->tokens);
    less.group_rows = scaled(c->group_rows, tokens, c->tokens);
    less.ends = scaled(c->ends, tokens, c->tokens);
    PT_RETURN(pt_model_plan(m, &less, role));
    *bytes = pt_run_device_bytes(r, role);
    return PT_OK;
}

/* The largest micro-batch that fits, in steps of 64 tokens; 0 = none does. */
static pt_status largest_micro_batch(pt_run *r, bool again, int32_t *tokens)
{
    pt_status rc = PT_OK;
    pt_model *m = NULL;
    pt_config cfg = *r->cfg;
    size_t need, workspace = r->ctx.workspace_need;
    int32_t low = 0, high = (r->plan.caps.tokens + 63) / 64;
    *tokens = 0;
    r->ctx.workspace_need = 0; /* of this model alone */
    cfg.device.gradient_checkpointing = again;
    PT_TRY(pt_setup_model(&cfg, &r->ctx, &r->base, r->guests, r->n_guests, &m));
    PT_TRY(pt_model_tight(m, true)); /* as such a run would */
    while (low < high) {
        int32_t mid = low + (high - low + 1) / 2;
        PT_TRY(bytes_with(r, m, 64 * mid, &need));
        if (pt_run_plan_fits(&r->plan, need))
            low = mid;
        else
            high = mid - 1;
    }
    *tokens = 64 * low;
done:
    pt_model_free(m);
    r->ctx.workspace_need = workspace;
    return rc;
}

/* Refuses where it is keep_dequantised: true that does not fit. */
static pt_status refuse_kept(pt_run *r)
{
    const pt_run_plan *p = &r->plan;
    if (r->cfg->device.keep_dequantised != PT_KEEP_ALL) return PT_OK;
    size_t role[PT_ROLE_COUNT], workspace = r->ctx.workspace_need;
    PT_RETURN(pt_model_keep(r->model, 0));
    PT_RETURN(pt_model_tight(r->model, true));
    PT_RETURN(pt_model_plan(r->model, &p->caps, role));
    r->ctx.workspace_need = workspace;
    if (!pt_run_plan_fits(p, pt_run_device_bytes(r, role))) return PT_OK;
    return pt_fail(PT_ENOMEM, "keep_dequantised: true: this run needs %.1f MiB on the device, %.1f are free; auto keeps what fits of %zu matrices",
                   (double)pt_run_plan_device(p, p->device_need) / MIB, (double)p->device_free / MIB, p->keepable);
}

pt_status pt_run_refuse_device(pt_run *r)
{
    const pt_run_plan *p = &r->plan;
    int32_t as_is = 0, again = 0, now = p->caps.tokens;
    PT_RETURN(refuse_kept(r));
    PT_RETURN(largest_micro_batch(r, r->cfg->device.gradient_checkpointing, &as_is));
    if (!r->cfg->device.gradient_checkpointing) PT_RETURN(largest_micro_batch(r, true, &again));
    double need = (double)pt_run_plan_device(p, p->device_need) / MIB, have = (double)p->device_free / MIB;
#define HEAD "this run needs %.1f MiB on the device, %.1f are free: "
#define LOWER "micro-batches of at most %d tokens fit (now %d): lower sequence_len or micro_batch_size"
    if (again >= now) return pt_fail(PT_ENOMEM, HEAD "gradient_checkpointing: true makes it fit", need, have);
    if (again > as_is)
        return pt_fail(PT_ENOMEM, HEAD LOWER "; with gradient_checkpointing: true at most %d", need, have, (int)as_is, (int)now,
                       (int)again);
    if (as_is > 0) return pt_fail(PT_ENOMEM, HEAD LOWER, need, have, (int)as_is, (int)now);
    return pt_fail(PT_ENOMEM, HEAD "no micro-batch fits: use a quantised or smaller base, or a lower lora_r", need, have);
}

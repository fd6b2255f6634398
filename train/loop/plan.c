/* The plan: bytes by role, steps and rows, before anything of the model is allocated. The run allocates exactly that. */
#include <malloc.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/threads.h"
#include "train/loop/run.h"
#include "train/model/families.h"

#define MIB 1048576.0

/* Resident bytes of this process now; 0 where the system does not say. */
static size_t rss_now(void)
{
    char *text = NULL;
    size_t n = 0;
    long long size, resident;
    if (pt_file_read(&text, &n, "/proc/self/statm", 4096) != PT_OK) {
        pt_err_clear();
        return 0;
    }
    int got = sscanf(text, "%lld %lld", &size, &resident);
    free(text);
    return got == 2 && resident > 0 ? (size_t)resident * (size_t)sysconf(_SC_PAGESIZE) : 0;
}

static void warn(pt_run_plan *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void warn(pt_run_plan *p, const char *fmt, ...)
{
    if (p->n_warnings == (int)(sizeof p->warnings / sizeof *p->warnings)) return;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(p->warnings[p->n_warnings++], sizeof p->warnings[0], fmt, ap);
    va_end(ap);
}

static int32_t larger(int32_t a, int32_t b)
{
    return a > b ? a : b;
}

/* Adds the maxima of a loader. */
static pt_status add_caps(pt_run_plan *p, const pt_loader *l, bool train)
{
    pt_batch_caps c;
    PT_RETURN(pt_loader_caps(l, &c));
    p->caps.tokens = larger(p->caps.tokens, c.tokens);
    p->caps.segs = larger(p->caps.segs, c.segs);
    p->caps.heads = larger(p->caps.heads, c.heads);
    p->caps.rows = larger(p->caps.rows, c.rows);
    p->caps.groups = larger(p->caps.groups, c.groups);
    p->caps.group_rows = larger(p->caps.group_rows, c.group_rows);
    p->caps.ends = larger(p->caps.ends, c.ends);
    if (c.micro_batches > p->any_micro) p->any_micro = c.micro_batches;
    if (train) p->micro_batches = c.micro_batches;
    return PT_OK;
}

/* The most that the settings allow, where there is no data to look at. */
static pt_status full_caps(pt_run *r)
{
    pt_run_plan *p = &r->plan;
    const pt_config *c = r->cfg;
    int64_t records = c->batch.batch_rows > 0 && c->batch.batch_rows < c->batch.micro_batch_size ? c->batch.batch_rows : c->batch.micro_batch_size;
    int each = r->objective->answers + (r->objective->extra ? 1 : 0);
    if (records < each) records = each; /* a record's answers lie in one micro-batch */
    int64_t tokens = (records * c->data.sequence_len + 63) / 64 * 64; /* as the loader's streams end */
    if (tokens > INT32_MAX)
        return pt_fail(PT_EARG, "micro_batch_size %d x sequence_len %d are more tokens than one micro-batch can have", c->batch.micro_batch_size, c->data.sequence_len);
    int32_t n = (int32_t)tokens, few = n / 16 > 2 ? n / 16 : 2; /* records of 16 tokens: more change the plan by little */
    p->caps = (pt_model_caps){.tokens = n, .segs = few, .heads = n, .rows = n, .groups = few, .group_rows = n, .ends = n};
    p->micro_batches = p->any_micro = c->batch.batch_rows > 0 ? (int)((c->batch.batch_rows + records - 1) / records) : c->batch.gradient_accumulation_steps;
    p->data.steps = c->run.max_steps;
    return PT_OK;
}

/* The pass that computes stored references lays records out in its own order. */
static pt_status add_reference_caps(pt_run *r)
{
    pt_status rc = PT_OK;
    pt_loader *l = NULL;
    PT_TRY(pt_setup_loader(r->cfg, r->comm, r->pack, PT_RECORDS_ALL, &l));
    PT_TRY(add_caps(&r->plan, l, false));
done:
    pt_loader_free(l);
    return rc;
}

/* Shares of all steps are rounded up, as transformers does. */
static int64_t every(double steps, double per_epoch, const pt_loader_summary *d)
{
    if (steps <= 0 && per_epoch <= 0) return 0;
    double n = steps >= 1 ? steps : steps > 0 ? ceil((double)d->steps * steps) : ceil((double)d->steps_an_epoch / per_epoch);
    return n > 1 ? (int64_t)n : 1;
}

/* What becomes resident beside our arenas during steps, once the process has opened its data and measured products (so that
 * oneDNN's bf16 code and OpenMP's threads are there already): packing buffers a thread; oneDNN's code for f32 products, which
 * the measurement does not call; its further kernels for bf16; pieces of an export of all weights. Measured on models of 0.1 to
 * 134 M parameters; tests/invariant/loop_memory.c holds it to 10 % of the whole. */
static size_t library_bytes(const pt_run *r)
{
    double mib = 1.0 * r->plan.choice.threads;
    if (r->ctx.ops->apart)
        mib += 8; /* pinned staging */
    else
        mib += r->ctx.compute == PT_COMPUTE_BF16 ? 6 : 4;
    if (r->cfg->adapter.kind == PT_ADAPTER_NONE) mib += 3;
    return (size_t)(mib * MIB);
}

/* Device memory that CUDA's own libraries take after the plan has asked what is free: then the context, our kernels and NCCL's
 * first connections are there already. An estimate, measured nowhere by us:
 * - cuBLASLt loads the code of its products when they are first used, and each of our allocations ends on a page of 2 MiB:
 *   362 MiB, the difference between all and none of a program's library kernels loaded (666.6 and 287.0 MB in
 *   github.com/pytorch/pytorch/pull/86509).
 * - NCCL makes the connections of an algorithm when a sum first takes it: buffers of 4 MiB (NCCL_BUFFSIZE in its documentation)
 *   for each connection of a channel, at most 32 channels; a ring has 1 connection to receive by, a tree 3. */
static size_t device_library_bytes(const pt_run *r)
{
    double mib = 362;
    if (r->comm->size > 1) mib += 4.0 * 32 * (1 + 3);
    return (size_t)(mib * MIB);
}

/* Records longer than the positions that the model was made for; past those of a table there is nothing. */
static pt_status check_positions(pt_run *r)
{
    const int most = pt_config_reach(pt_source_config(r->base.source));
    int64_t reach = pt_config_positions(pt_source_config(r->base.source)), longest = 0;
    if (reach <= 0 || r->cfg->data.sequence_len <= reach) return PT_OK;
    if (!r->pack) {
        warn(&r->plan, "sequence_len %d is more than the %lld positions that the model was made for (rope scaling considered)", r->cfg->data.sequence_len, (long long)reach);
        return PT_OK;
    }
    for (int64_t i = 0; i < pt_pack_count(r->pack); i++) {
        pt_packed rec;
        PT_RETURN(pt_pack_get(r->pack, i, &rec));
        for (int32_t k = 0; k < rec.n_answers; k++) {
            int32_t n = pt_pack_answer(r->pack, &rec, k).n;
            longest = n > longest ? n : longest;
        }
    }
    if (most && longest > most)
        return pt_fail(PT_EARG, "the longest record has %lld tokens, and this model has positions for %d: set sequence_len to at most that", (long long)longest, most);
    warn(&r->plan, "sequence_len %d is more than the %lld positions that the model was made for (rope scaling considered); the longest record has %lld tokens%s",
         r->cfg->data.sequence_len, (long long)reach, (long long)longest, longest > reach ? ": its end stands where the model never was" : "");
    return PT_OK;
}

static pt_status make_warnings(pt_run *r)
{
    pt_run_plan *p = &r->plan;
    if (p->no_data && !p->data.steps)
        ; /* not known */
    else if (p->data.steps < 50 && p->data.steps == r->cfg->run.max_steps)
        warn(p, "only %lld step%s: max_steps is %d", (long long)p->data.steps, p->data.steps == 1 ? "" : "s", r->cfg->run.max_steps);
    else if (p->data.steps < 50)
        warn(p,
             "only %lld step%s: a smaller batch (batch_rows, micro_batch_size, gradient_accumulation_steps) or more epochs "
             "would give more",
             (long long)p->data.steps, p->data.steps == 1 ? "" : "s");
    if (p->warmup >= p->data.steps && p->data.steps)
        warn(p, "warm-up takes %lld of %lld steps: the learning rate never reaches its peak", (long long)p->warmup,
             (long long)p->data.steps);
    PT_RETURN(check_positions(r));
    size_t need = p->total * (size_t)p->local_ranks;
    if (!pt_run_plan_fits(p, p->device_need))
        warn(p, "needs %.1f MiB on the device, where %.1f are free: the run would be refused",
             (double)pt_run_plan_device(p, p->device_need) / MIB, p->device_free / MIB);
    if (p->machine && need > p->machine)
        warn(p,
             "needs %.0f MiB and this machine has %.0f: lower sequence_len or micro_batch_size, or set gradient_checkpointing: "
             "true",
             need / MIB, p->machine / MIB);
    else if (p->available && need > p->available)
        warn(p, "needs %.0f MiB and %.0f are free now", need / MIB, p->available / MIB);
    return PT_OK;
}

/* What is free on a device with memory of its own, and what its libraries will take of that. */
static pt_status look_at_device(pt_run *r)
{
    if (!r->ctx.ops->apart) return PT_OK;
    r->plan.device_libraries = device_library_bytes(r);
    return r->ctx.ops->memory(&r->ctx, &r->plan.device_free, &r->plan.device_memory);
}

/* The roles' bytes: of the device where it has memory of its own, else of this process. */
static void sum_roles(pt_run *r)
{
    pt_run_plan *p = &r->plan;
    size_t sum = 0;
    for (int i = 0; i < PT_ROLE_COUNT; i++) sum += p->role[i];
    sum += p->beside.bytes;
    p->total += p->beside.constraints + p->beside.samplers;
    if (!r->ctx.ops->apart) {
        p->total += sum;
        return;
    }
    p->total += p->role[PT_ROLE_COMM];
    p->device_need = sum - p->role[PT_ROLE_COMM];
    if (r->ctx.ops->hosted) p->total += p->device_need;
}

pt_status pt_run_make_plan(pt_run *r)
{
    pt_status rc = PT_OK;
    pt_run_plan *p = &r->plan;
    p->no_data = r->hooks.no_data;
    if (p->no_data) PT_TRY(full_caps(r));
    else PT_TRY(pt_loader_summary_get(r->train, &p->data));
    if (r->train) PT_TRY(add_caps(p, r->train, true));
    if (r->valid) PT_TRY(add_caps(p, r->valid, false));
    if (r->test) PT_TRY(add_caps(p, r->test, false)); /* the pass that keeps references, too */
    for (size_t i = 0; i < r->n_sets; i++) PT_TRY(add_caps(p, r->sets[i].loader, false));
    if (r->reference_stored && r->pack) PT_TRY(add_reference_caps(r));
    p->micro = p->caps;
    if (r->hooks.during && r->hooks.during->n) {
        p->during = r->hooks.during->n;
        const pt_during_model m = pt_run_during_model(r);
        PT_TRY(r->hooks.during->open(r->hooks.during->user, &m, pt_setup_model_options(r->cfg).heads, &p->caps, &p->beside));
    }
    if (r->objective->by_rows) p->caps.group_rows = 0;
    bool share = r->cfg->optim.warmup_steps > 0 && r->cfg->optim.warmup_steps < 1;
    p->warmup = pt_schedule_warmup(share ? -1 : (int64_t)r->cfg->optim.warmup_steps, share ? r->cfg->optim.warmup_steps : r->cfg->optim.warmup_ratio, p->data.steps);
    p->eval_steps = every(r->cfg->run.eval_steps, r->cfg->run.evals_per_epoch, &p->data);
    p->save_steps = every(r->cfg->run.save_steps, r->cfg->run.saves_per_epoch, &p->data);
    p->logging_steps = every(r->cfg->run.logging_steps, 0, &p->data);
    p->validation_records = p->pack.validation_records + p->test.records_kept;
    p->parameters = (int64_t)pt_source_parameters(r->base.source);
    p->trained = pt_model_param_count(r->model);
    p->packing = (size_t)pt_rss_peak();
    malloc_trim(0); /* what packing gave back and the allocator kept is used again: not to be counted beside what is to come */
    p->process = rss_now();
    if (!p->process) p->process = p->packing;
    PT_TRY(look_at_device(r));
    PT_TRY(pt_run_plan_model(r));
    p->role[PT_ROLE_OPTIMISER] += pt_optim_bytes(r->optim);
    p->role[PT_ROLE_COMM] += r->comm->staging_bytes;
    p->libraries = library_bytes(r);
    p->total = p->process + p->libraries;
    sum_roles(r);
    if (p->packing > p->total) p->total = p->packing;
    p->available = (size_t)pt_memory_available();
    p->machine = (size_t)pt_memory_total();
    p->local_ranks = r->comm->local_size;
    PT_TRY(make_warnings(r));
done:
    return rc;
}

/* ---- as text ----------------------------------------------------------------------------------------------------------- */

static pt_status line(pt_str *out, const char *name, double bytes)
{
    return pt_str_printf(out, "  %-24s %10.1f MiB\n", name, bytes / MIB);
}

static pt_status memory_text(const pt_run_plan *p, pt_str *out)
{
    PT_RETURN(pt_str_printf(out, "memory%s\n", p->local_ranks > 1 ? " of each process" : ""));
    for (int i = 0; i < PT_ROLE_COUNT; i++)
        if (p->role[i] && !(p->device_memory && i == PT_ROLE_COMM))
            PT_RETURN(line(out, pt_role_name((pt_role)i), (double)p->role[i]));
    if (p->beside.bytes) PT_RETURN(line(out, "models beside", (double)p->beside.bytes));
    if (p->device_memory) {
        PT_RETURN(line(out, "libraries (estimate)", (double)p->device_libraries));
        PT_RETURN(line(out, "on the device", (double)pt_run_plan_device(p, p->device_need)));
        PT_RETURN(line(out, "free on the device", (double)p->device_free));
        if (p->role[PT_ROLE_COMM]) PT_RETURN(line(out, pt_role_name(PT_ROLE_COMM), (double)p->role[PT_ROLE_COMM]));
    }
    if (p->beside.constraints) PT_RETURN(line(out, "constraints of answers", (double)p->beside.constraints));
    if (p->beside.samplers) PT_RETURN(line(out, "samplers of answers", (double)p->beside.samplers));
    PT_RETURN(line(out, p->device_memory ? "staging, OpenMP, slack" : "oneDNN, OpenMP, slack", (double)p->libraries));
    PT_RETURN(line(out, "program and packed data", (double)p->process));
    PT_RETURN(line(out, p->device_memory ? "total on this machine" : "total", (double)p->total));
    return line(out, "free on this machine", (double)p->available);
}

static pt_status data_text(const pt_run_plan *p, pt_str *out)
{
    const pt_loader_summary *d = &p->data;
    PT_RETURN(pt_str_printf(
        out, "steps     %lld (%lld an epoch), %lld records a step, %.1f distinct prefixes a step, warm-up %lld\n",
        (long long)d->steps, (long long)d->steps_an_epoch, (long long)d->records_a_step, d->prefixes_a_step,
        (long long)p->warmup));
    double saved = d->unshared_tokens > 0 ? 100.0 * (1 - (double)d->computed_tokens / (double)d->unshared_tokens) : 0;
    return pt_str_printf(out, "tokens    %lld computed, %lld supervised; %lld without sharing (%.0f %% saved)\n",
                            (long long)d->computed_tokens, (long long)d->supervised_tokens, (long long)d->unshared_tokens,
                            saved);
}

pt_status pt_run_plan_text(const pt_run_plan *p, pt_str *out)
{
    const pt_loader_summary *d = &p->data;
    PT_RETURN(pt_str_printf(out, "model     %.1f M parameters, %.2f M trained\n", (double)p->parameters / 1e6,
                            (double)p->trained / 1e6));
    const char *device = p->choice.isa[0] ? p->choice.isa : p->choice.device ? p->choice.device : "reference";
    PT_RETURN(pt_str_printf(out, "device    %s, %d thread%s%s, compute %s", device, p->choice.threads,
                            p->choice.threads == 1 ? "" : "s", p->choice.ranks > 1 ? " a process" : "",
                            p->choice.compute == PT_COMPUTE_BF16 ? "bf16" : "f32"));
    if (p->choice.f32_rate > 0)
        PT_RETURN(pt_str_printf(out, " (measured: f32 %.0f, bf16 %.0f GF/s)", p->choice.f32_rate, p->choice.bf16_rate));
    if (p->choice.ranks > 1) PT_RETURN(pt_str_printf(out, ", %d processes", p->choice.ranks));
    if (p->keepable) PT_RETURN(pt_str_printf(out, "\nkept      %zu of %zu matrices as numbers beside their stored form (keep_dequantised)", p->kept, p->keepable));
    if (p->tight) PT_RETURN(pt_str_puts(out, "\nhead      in smaller pieces, which takes longer: its scratch would not fit otherwise"));
    if (p->choice.why_cpu[0]) PT_RETURN(pt_str_printf(out, "\nno GPU    %s", p->choice.why_cpu));
    PT_RETURN(pt_str_puts(out, "\n"));
    if (p->no_data) {
        PT_RETURN(pt_str_printf(out, "data      not here: planned as if every micro-batch were full and all of it supervised\nsteps     "));
        PT_RETURN(d->steps ? pt_str_printf(out, "%lld (max_steps)\n", (long long)d->steps) : pt_str_puts(out, "not known without the data\n"));
    } else {
        PT_RETURN(data_text(p, out));
    }
    PT_RETURN(pt_str_printf(out, "micro     at most %d tokens, %d segments, %d rows; at most %d micro-batches a step\n",
                            (int)p->micro.tokens, (int)p->micro.segs, (int)p->micro.rows, p->micro_batches));
    if (p->during) {
        PT_RETURN(pt_str_printf(out, "measured  %zu evaluation%s during training: at most %d tokens at once", p->during, p->during == 1 ? "" : "s", (int)p->caps.tokens));
        if (p->caps.decode_rows) PT_RETURN(pt_str_printf(out, ", %d texts of %d positions", (int)p->caps.decode_rows, (int)p->caps.decode_len));
        PT_RETURN(pt_str_puts(out, "\n"));
        if (p->beside.said[0]) PT_RETURN(pt_str_printf(out, "beside    %s\n", p->beside.said));
    }
    if (p->validation_records) PT_RETURN(pt_str_printf(out, "held out  %lld records\n", (long long)p->validation_records));
    PT_RETURN(memory_text(p, out));
    for (int i = 0; i < p->n_warnings; i++) PT_RETURN(pt_str_printf(out, "warning: %s\n", p->warnings[i]));
    return PT_OK;
}

/* Which backend, how many threads, which multiply type. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/threads.h"
#include "kernels/cpu/isa.h"
#include "kernels/plugin.h"
#include "train/loop/setup.h"

/* The reason why device: auto took the CPU, for the plan. */
static void keep_reason(pt_choice *c)
{
    snprintf(c->why_cpu, sizeof c->why_cpu, "%s", pt_err_msg());
    pt_err_clear();
}

/* auto takes the GPU when every rank has one. */
static pt_status pick_auto(pt_comm *comm, const pt_ops **ops, pt_choice *c)
{
    int64_t all = pt_plugin_open(PT_PLUGIN_CUDA, ops) == PT_OK;
    if (!all) keep_reason(c);
    if (comm) PT_RETURN(comm->allreduce_min(comm, &all, 1));
    if (all) return PT_OK;
    if (!c->why_cpu[0]) snprintf(c->why_cpu, sizeof c->why_cpu, "another process has no GPU");
    *ops = &pt_ops_cpu;
    return PT_OK;
}

static pt_status pick_backend(const pt_config_device *device, pt_comm *comm, const pt_ops **ops, pt_choice *c)
{
    pt_status rc = PT_OK;
    switch (device->kind) {
    case PT_DEVICE_CPU: *ops = &pt_ops_cpu; return PT_OK;
    case PT_DEVICE_CUDA: rc = pt_plugin_open(PT_PLUGIN_CUDA, ops); break;
    case PT_DEVICE_EMULATED: rc = pt_plugin_open(PT_PLUGIN_EMULATED, ops); break;
    default: return pick_auto(comm, ops, c);
    }
    return rc == PT_OK ? rc : pt_fail_prefix(rc, "device: %s", device->kind == PT_DEVICE_CUDA ? "cuda" : "emulated");
}

/* Cores over the ranks of this machine that share them; a checkpoint's number where it can be had. */
static int pick_threads(pt_comm *comm, const pt_choice *wanted)
{
    int cores = pt_cores_available(), sharers = comm ? comm->sharers : 1, n = cores / sharers;
    if (n < 1) n = 1;
    if (!wanted || wanted->threads <= 0 || wanted->threads == n) return n;
    if (wanted->threads <= cores) return wanted->threads;
    pt_log(PT_LOG_WARN, "the checkpoint was made with %d threads, this machine gives %d: results may differ in their last bits",
           wanted->threads, n);
    return n;
}

/* The widest vectors, or the checkpoint's. */
static void pick_isa(const pt_ops *ops, const pt_choice *wanted, pt_choice *out)
{
    if (!ops->isa) return;
    if (wanted && wanted->isa[0] && ops->isa_set(wanted->isa) != PT_OK)
        pt_log(PT_LOG_WARN,
               "the checkpoint was made with %s, which this processor lacks: results may differ in their last bits",
               wanted->isa);
    const char *isa = ops->isa();
    size_t n = strlen(isa);
    memcpy(out->isa, isa, n < sizeof out->isa ? n + 1 : sizeof out->isa - 1);
}

/* Each rank moves its own copy of the weights: with other vector widths the copies would part in their last bits. */
static pt_status same_isa(pt_comm *comm, const pt_ops *ops, pt_choice *out)
{
    int64_t mine = 0, least;
    if (!comm || comm->size < 2) return PT_OK;
    while (pt_cpu_isa_name((int)mine + 1) && strcmp(pt_cpu_isa_name((int)mine), out->isa) != 0) mine++;
    least = mine;
    PT_RETURN(comm->allreduce_min(comm, &least, 1));
    if (!ops->isa_set || least == mine) return PT_OK;
    PT_RETURN(ops->isa_set(pt_cpu_isa_name((int)least)));
    snprintf(out->isa, sizeof out->isa, "%s", pt_cpu_isa_name((int)least));
    return PT_OK;
}

static pt_status pick_compute(const pt_config_device *device, pt_comm *comm, const pt_ops *ops, const pt_choice *wanted, pt_choice *out)
{
    pt_status rc = PT_OK;
    double rates[3] = {0};
    if (ops->measure && (!comm || comm->rank == 0)) PT_TRY(ops->measure(&rates[0], &rates[1]));
    if (device->compute == PT_COMPUTE_AUTO && wanted)
        rates[2] = wanted->compute;
    else if (device->compute == PT_COMPUTE_AUTO)
        rates[2] = ops->apart || rates[1] > 1.1 * rates[0] ? PT_COMPUTE_BF16 : PT_COMPUTE_F32; /* tensor cores: always */
    else
        rates[2] = device->compute == PT_COMPUTE_KIND_BF16 ? PT_COMPUTE_BF16 : PT_COMPUTE_F32;
    if (ops->measure && (!comm || comm->rank == 0) && rates[2] == PT_COMPUTE_BF16 && rates[1] <= 0) {
        pt_log(PT_LOG_WARN, "compute: bf16 runs as f32, which is finer: oneDNN has no bf16 matrix product on this processor");
        rates[2] = PT_COMPUTE_F32;
    }
    if (comm) PT_TRY(comm->broadcast(comm, rates, sizeof rates, 0));
    out->f32_rate = rates[0];
    out->bf16_rate = rates[1];
    out->compute = (pt_compute)(int)rates[2];
    if (wanted && wanted->compute != out->compute)
        pt_log(PT_LOG_WARN,
               "the checkpoint was made with compute: %s, this run uses %s: it is not the run that would have been",
               wanted->compute == PT_COMPUTE_BF16 ? "bf16" : "f32", out->compute == PT_COMPUTE_BF16 ? "bf16" : "f32");
done:
    return rc;
}

pt_status pt_setup_device(const pt_config_device *device, pt_comm *comm, const pt_ops *ops, const pt_choice *wanted, pt_ctx *ctx,
                          pt_choice *chosen, pt_str *said)
{
    pt_status rc = PT_OK;
    pt_choice c = {0};
    *ctx = (pt_ctx){0};
    if (!ops) PT_TRY(pick_backend(device, comm, &ops, &c));
    c.ranks = comm ? comm->size : 1;
    c.threads = pick_threads(comm, wanted);
    pt_threads_set(c.threads);
    pick_isa(ops, wanted, &c);
    PT_TRY(same_isa(comm, ops, &c));
    PT_TRY(pick_compute(device, comm, ops, wanted, &c));
    ctx->index = comm ? comm->local_rank : 0;
    PT_TRY(ops->open(ctx, c.compute));
    ctx->ops = ops;
    c.device = ops->name;
    if (wanted && wanted->device && strcmp(wanted->device, c.device) != 0)
        pt_log(PT_LOG_WARN, "the checkpoint was made on device %s, this run uses %s: results may differ in their last bits",
               wanted->device, c.device);
    if (wanted && wanted->ranks && wanted->ranks != c.ranks)
        pt_log(PT_LOG_WARN, "the checkpoint was made by %d processes, this run has %d: sums differ in their last bits",
               wanted->ranks, c.ranks);
    if (said) {
        PT_TRY(pt_str_printf(said, "device: %s%s%s, %d thread%s", ops->name, c.isa[0] ? " " : "", c.isa, c.threads,
                             c.threads == 1 ? "" : "s"));
        if (c.ranks > 1) PT_TRY(pt_str_printf(said, " a process, %d processes", c.ranks));
        PT_TRY(pt_str_printf(said, "\ncompute: %s", c.compute == PT_COMPUTE_BF16 ? "bf16" : "f32"));
        if (c.f32_rate > 0) PT_TRY(pt_str_printf(said, " (measured: f32 %.0f, bf16 %.0f GF/s)", c.f32_rate, c.bf16_rate));
        if (c.why_cpu[0]) PT_TRY(pt_str_printf(said, "\nno GPU: %s", c.why_cpu));
        PT_TRY(pt_str_puts(said, "\n"));
    }
    if (chosen) *chosen = c;
done:
    if (rc != PT_OK) pt_setup_device_close(ctx);
    return rc;
}

void pt_setup_device_close(pt_ctx *ctx)
{
    if (ctx->ops) ctx->ops->close(ctx);
    *ctx = (pt_ctx){0};
}

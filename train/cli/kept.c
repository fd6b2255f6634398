/* What an export keeps of what was learnt: the loss of the base, of the run and of the file on a few rows of the run's own data. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "checkpoints/gguf.h"
#include "eval/suite/probe.h"
#include "train/model/families.h"
#include "train/cli/kept.h"

enum { LEAST_TOKENS = 256, MOST_TOKENS = 2048 };
static const double pass_flops = 2e11, too_slow = 1e13; /* of a forward pass over all rows, on a CPU */

typedef struct judge {
    pt_opened *o;
    const char *out;              /* what was asked for */
    const pt_export_wrote *wrote; /* what was written */
    pt_probe probe;
    pt_probe_sums sums[3]; /* base, run, file */
    double loss[3];
    bool has_base;
} judge;
enum { BASE, RUN, FILE_ };

static void judge_free(judge *j)
{
    for (int i = 0; i < 3; i++) {
        free(j->sums[i].sum);
        free(j->sums[i].all);
    }
    pt_probe_free(&j->probe);
}

static const char *file_of(const judge *j)
{
    return j->wrote && j->wrote->path ? j->wrote->path : j->out;
}

/* Files of a split model that a coarser type left: the next one may need another number of them. */
static pt_status drop_files(const pt_cli *c, const pt_export_wrote *w)
{
    for (size_t i = 0; w && w->files > 1 && i < w->files; i++) {
        char *path = NULL;
        PT_RETURN(pt_gguf_part_path(&path, c->out, i, w->files));
        pt_status rc = unlink(path) ? pt_fail(PT_EIO, "%s of the coarser type: %s", path, strerror(errno)) : PT_OK;
        free(path);
        PT_RETURN(rc);
    }
    return PT_OK;
}

static pt_status read_rows(judge *j)
{
    const pt_opened *o = j->o;
    const pt_config *cfg = o->cfg;
    double flops = 2.0 * (double)pt_source_parameters(o->base.source);
    bool host = !o->ctx.ops->apart;
    double tokens = host ? pass_flops / flops : MOST_TOKENS;
    if (o->reward || (host && flops * LEAST_TOKENS > too_slow)) return PT_OK;
    size_t most = tokens < LEAST_TOKENS ? LEAST_TOKENS : tokens > MOST_TOKENS ? MOST_TOKENS : (size_t)tokens;
    PT_RETURN(pt_probe_read(&j->probe, cfg->data.datasets, cfg->data.n_datasets, pt_objective_pairs(cfg->objective), o->base.tok, o->base.tmpl, most));
    for (int i = 0; i < 3 && j->probe.n; i++) {
        PT_RETURN(pt_alloc0(&j->sums[i].sum, j->probe.n));
        PT_RETURN(pt_alloc0(&j->sums[i].all, j->probe.n));
    }
    return PT_OK;
}

/* A model without adapter at `path`, measured; type (may be NULL): of the named tensor there. */
static pt_status measure_path(judge *j, const char *path, const pt_probe_sums *sums)
{
    pt_status rc = PT_OK;
    size_t bytes[PT_ROLE_COUNT];
    pt_source *src = NULL;
    pt_model *m = NULL;
    int32_t tokens = ((int32_t)j->probe.longest + 63) / 64 * 64;
    pt_model_caps caps = {.tokens = tokens, .segs = 4, .heads = tokens, .rows = tokens, .groups = 2};
    PT_TRY(pt_source_open(&src, path));
    PT_TRY(pt_model_new(&m, &j->o->ctx, src, &(pt_model_options){0}));
    PT_TRY(pt_model_plan(m, &caps, bytes));
    PT_TRY(pt_model_commit(m));
    PT_TRY(pt_probe_measure(&j->probe, m, PT_SLOT_NONE, sums));
done:
    pt_model_free(m);
    pt_source_free(src);
    return rc;
}

/* Base and run: an adapter is switched off, tuned weights have their base elsewhere. */
static pt_status measure_run(judge *j)
{
    pt_opened *o = j->o;
    PT_RETURN(pt_probe_measure(&j->probe, o->model, o->adapter ? 0 : PT_SLOT_NONE, &j->sums[RUN]));
    j->has_base = o->adapter != NULL;
    if (o->adapter) return pt_probe_measure(&j->probe, o->model, PT_SLOT_NONE, &j->sums[BASE]);
    if (!o->trained_from) return PT_OK;
    pt_status rc = measure_path(j, o->trained_from, &j->sums[BASE]);
    j->has_base = rc == PT_OK;
    return pt_err_forgive(rc); /* the base is gone: the two others are said */
}

/* The type of a matrix that the run changed, as the file holds it and as the base does. */
static pt_status types_of(const pt_opened *o, const char *file, pt_dtype *there, pt_dtype *here)
{
    pt_status rc = PT_OK;
    char name[160];
    const pt_lora_module *list;
    pt_source *src = NULL;
    pt_source_tensor t;
    PT_TRY(pt_config_matrix_name(pt_source_config(o->base.source), name, sizeof name));
    if (o->adapter && pt_model_lora_modules(o->model, &list)) snprintf(name, sizeof name, "%s.weight", list[0].path);
    PT_TRY(pt_source_tensor_get(o->base.source, name, 0, 0, &t));
    *here = t.type;
    PT_TRY(pt_source_open(&src, file));
    PT_TRY(pt_source_tensor_get(src, name, 0, 0, &t));
    *there = t.type;
done:
    pt_source_free(src);
    return rc;
}

/* What is left of a gain; 1 where there was none worth speaking of. */
static double share_of(double base, double run, double file)
{
    return base - run > 0.02 * fabs(base) ? (base - file) / (base - run) : 1;
}

/* Says the numbers; the share of the gain (the lesser of what is trained on and of whole rows), NAN where the run gained nothing. */
static double say(judge *j, const char *type)
{
    const pt_objective *o = j->o->cfg->objective;
    pt_core_step step = {.norm = 1};
    double share;
    pt_objective_options(o, j->o->cfg->options, &step);
    for (int i = 0; i < 3; i++) j->loss[i] = pt_probe_loss(&j->probe, &j->sums[i], &j->sums[BASE], pt_objective_index(o), &step);
    share = share_of(j->loss[BASE], j->loss[RUN], j->loss[FILE_]);
    if (!j->probe.pairs)
        share = fmin(share, share_of(pt_probe_nll(&j->probe, &j->sums[BASE]), pt_probe_nll(&j->probe, &j->sums[RUN]), pt_probe_nll(&j->probe, &j->sums[FILE_])));
    printf("loss on %zu row%s of the run's data (%zu tokens):", j->probe.rows, j->probe.rows == 1 ? "" : "s", j->probe.tokens);
    if (j->has_base) printf(" base %.4f,", j->loss[BASE]);
    printf(" run %.4f, exported as %s %.4f", j->loss[RUN], type, j->loss[FILE_]);
    bool gained = j->has_base && j->loss[BASE] - j->loss[RUN] > 0.02 * fabs(j->loss[BASE]);
    if (gained) printf(": %.0f %% of what was learnt", 100 * share);
    puts("");
    if (!isfinite(j->loss[FILE_])) return -1;
    if (gained) return share;
    return j->has_base || j->loss[FILE_] <= j->loss[RUN] + 0.05 * fabs(j->loss[RUN]) ? NAN : 0;
}

/* The share of the change of the weights, where no row says more. */
static pt_status by_weights(const pt_opened *o, bool gguf, pt_dtype type, bool rows, double *share)
{
    *share = NAN;
    if (!o->adapter) return PT_OK;
    PT_RETURN(pt_export_kept(o->model, gguf, type, share));
    if (isnan(*share)) return PT_OK;
    printf("%s: as %s %.0f %% of the change of the weights is left\n",
           rows ? "on these rows the run is no better than its base" : "no rows of the run's data are at hand to measure on", pt_dtype_get(type)->name,
           100 * *share);
    return PT_OK;
}

static bool next_type(pt_dtype now, bool gguf, pt_dtype *next)
{
    if (now == PT_F32) return false;
    *next = gguf && now != PT_Q8_0 && pt_dtype_quantised(now) ? PT_Q8_0 : gguf && now == PT_Q8_0 ? PT_F16 : PT_F32;
    return true;
}

static pt_status judge_file(judge *j, const pt_cli *c, bool gguf, pt_dtype type, double *share)
{
    pt_opened *o = j->o;
    *share = NAN;
    if (j->probe.n) {
        PT_RETURN(measure_run(j));
        pt_model_free(o->model); /* one model at a time */
        o->model = NULL;
        PT_RETURN(measure_path(j, file_of(j), &j->sums[FILE_]));
        *share = say(j, pt_dtype_get(type)->name);
        PT_RETURN(pt_open_model(o, (int32_t)(j->probe.longest > 64 ? j->probe.longest : 64), 0, 0));
    }
    return isnan(*share) ? by_weights(o, gguf, type, j->probe.n > 0, share) : PT_OK;
}

pt_status pt_export_judged(pt_cli *c, pt_opened *o, pt_export_options *opt, pt_status (*run)(pt_model *, const char *, const pt_export_options *))
{
    pt_status rc = PT_OK;
    judge j = {.o = o, .out = c->out, .wrote = opt->wrote};
    bool gguf = !strcmp(c->to, "gguf"), chosen = opt->type == PT_DTYPE_COUNT;
    pt_dtype there, here, next;
    double share;
    PT_TRY(read_rows(&j));
    PT_TRY(pt_open_model(o, (int32_t)(j.probe.longest > 64 ? j.probe.longest : 64), 0, 0));
    for (;;) {
        PT_TRY(drop_files(c, opt->wrote));
        PT_TRY(run(o->model, c->out, opt));
        PT_TRY(types_of(o, file_of(&j), &there, &here));
        if (there == PT_F32 || (!o->adapter && there == here)) break; /* nothing is lost */
        PT_TRY(judge_file(&j, c, gguf, there, &share));
        if (!(share < PT_EXPORT_KEEP)) break;
        if (!chosen) {
            pt_log(PT_LOG_WARN, "--type %s loses what was learnt (%.0f %% is left): q8_0, f16 or f32 keep more; without --type a type that keeps %.0f %% is chosen",
                   c->type, 100 * share, 100 * PT_EXPORT_KEEP);
            break;
        }
        if (!next_type(there, gguf, &next)) break;
        pt_log(PT_LOG_INFO, "%s is too coarse for this: %s instead", pt_dtype_get(there)->name, pt_dtype_get(next)->name);
        opt->changed = &next;
        if (!gguf || !o->adapter) opt->type = next;
    }
done:
    judge_free(&j);
    return rc;
}

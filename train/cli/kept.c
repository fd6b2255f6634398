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
#include "train/export/mix.h"
#include "train/export/recode.h"

enum { LEAST_TOKENS = 256, MOST_TOKENS = 2048, NAMED_TOKENS = 1 << 15 };
static const double pass_flops = 2e11, too_slow = 1e13; /* of a forward pass over all rows, on a CPU */

enum { BASE, RUN, FILE_, BASE_FILE, MEASURED }; /* the last: the base in the file's types */
typedef struct judge {
    pt_opened *o;
    const char *out;              /* what was asked for */
    const pt_export_wrote *wrote; /* what was written */
    pt_probe probe;
    const char *from;         /* whose rows */
    bool held;                /* they were not trained on */
    bool asked;               /* the type was asked for: what the base alike loses too is not held against it */
    pt_probe_sums sums[MEASURED];
    double loss[MEASURED];
    bool has_base, has_recoded;
} judge;

static void judge_free(judge *j)
{
    for (int i = 0; i < MEASURED; i++) {
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

/* ---- rows ---------------------------------------------------------------------------------------------------------------------------------- */

/* Validation records of the run's pack, from its front, as the training took them. */
static pt_status take_validation(judge *j, const pt_pack *pack, pt_probe_most most)
{
    pt_status rc = PT_OK;
    pt_probe *p = &j->probe;
    float *weight = NULL;
    PT_TRY(pt_alloc0(&weight, most.cut));
    for (int64_t i = 0; i < pt_pack_count(pack) && p->tokens < most.tokens && p->rows < most.rows; i++) {
        pt_packed rec;
        PT_TRY(pt_pack_get(pack, i, &rec));
        if (!rec.validation || (p->pairs && rec.n_answers < 2)) continue;
        for (int32_t k = 0; k < (p->pairs ? 2 : rec.n_answers); k++) {
            pt_packed_answer a = pt_pack_answer(pack, &rec, k);
            size_t n = (size_t)a.n < most.cut ? (size_t)a.n : most.cut;
            for (size_t t = 0; t < n; t++) weight[t] = pt_weight_at(a.weight, t);
            PT_TRY(pt_probe_add(p, a.ids, n, weight));
        }
        p->rows++;
    }
done:
    free(weight);
    return rc;
}

static pt_status read_validation(judge *j, pt_probe_most most)
{
    pt_status rc = PT_OK;
    pt_opened *o = j->o;
    pt_pack *train = NULL, *test = NULL;
    pt_pack_report report = {0}, test_report = {0};
    j->probe.pairs = pt_objective_pairs(o->cfg->objective);
    pt_log_pause(true); /* what the data is was said when it was trained on */
    rc = pt_setup_packs(o->cfg, NULL, &o->base, &train, &test, &report, &test_report);
    pt_log_pause(false);
    if (rc == PT_OK) rc = take_validation(j, train, most);
    if (rc == PT_OK && j->probe.n) j->from = "the run's validation rows";
    pt_pack_free(train);
    pt_pack_free(test);
    if (rc != PT_OK) pt_probe_free(&j->probe);
    return pt_err_forgive(rc); /* the data is gone */
}

static pt_status read_sets(judge *j, const pt_dataset_spec *sets, size_t n, pt_probe_most most, const char *from)
{
    const pt_opened *o = j->o;
    j->from = from;
    return pt_probe_read(&j->probe, sets, n, pt_objective_pairs(o->cfg->objective), o->base.tok, o->base.tmpl, most);
}

/* --eval-data, the run's test data, its validation rows, or where none of them is at hand its training rows: j->held says which. */
static pt_status read_some(judge *j, const pt_cli *c, pt_probe_most most)
{
    const pt_config *cfg = j->o->cfg;
    char type[] = "messages";
    j->held = true;
    if (c->eval_data) {
        pt_dataset_spec one = cfg->data.n_datasets ? cfg->data.datasets[0] : (pt_dataset_spec){.type = type};
        one.path = (char *)(uintptr_t)c->eval_data;
        one.n_also = 0;
        one.split = NULL;
        PT_RETURN(read_sets(j, &one, 1, most, c->eval_data));
        return j->probe.n ? PT_OK : pt_fail(PT_EARG, "--eval-data %s has no rows that can be read as %s", c->eval_data, one.type);
    }
    if (cfg->data.n_test_datasets) PT_RETURN(read_sets(j, cfg->data.test_datasets, cfg->data.n_test_datasets, most, "the run's test data"));
    if (!j->probe.n && cfg->data.n_datasets && cfg->data.val_set_size > 0) PT_RETURN(read_validation(j, most));
    if (j->probe.n) return PT_OK;
    j->held = false;
    return read_sets(j, cfg->data.datasets, cfg->data.n_datasets, most, "the run's data");
}

static pt_status read_rows(judge *j, const pt_cli *c)
{
    const pt_opened *o = j->o;
    double flops = 2.0 * (double)pt_source_parameters(o->base.source);
    bool host = !o->ctx.ops->apart;
    double tokens = host ? pass_flops / flops : MOST_TOKENS;
    if (o->reward || (!c->eval_data && host && flops * LEAST_TOKENS > too_slow)) return PT_OK;
    size_t most = tokens < LEAST_TOKENS ? LEAST_TOKENS : tokens > MOST_TOKENS ? MOST_TOKENS : (size_t)tokens;
    const pt_probe_most some = {most, 64, most / 4 + 2}, named = {NAMED_TOKENS, NAMED_TOKENS, MOST_TOKENS}; /* what was asked for is measured whole */
    PT_RETURN(read_some(j, c, c->eval_data ? named : some));
    for (int i = 0; i < MEASURED && j->probe.n; i++) {
        PT_RETURN(pt_alloc0(&j->sums[i].sum, j->probe.n));
        PT_RETURN(pt_alloc0(&j->sums[i].all, j->probe.n));
    }
    return PT_OK;
}

/* ---- models --------------------------------------------------------------------------------------------------------------------------------- */

/* The model of a source, without adapter. */
static pt_status measure_source(judge *j, pt_source *src, const pt_probe_sums *sums)
{
    pt_status rc = PT_OK;
    size_t bytes[PT_ROLE_COUNT];
    pt_model *m = NULL;
    int32_t tokens = ((int32_t)j->probe.longest + 63) / 64 * 64;
    pt_model_caps caps = {.tokens = tokens, .segs = 4, .heads = tokens, .rows = tokens, .groups = 2};
    PT_TRY(pt_model_new(&m, &j->o->ctx, src, &(pt_model_options){0}));
    PT_TRY(pt_model_plan(m, &caps, bytes));
    PT_TRY(pt_model_commit(m));
    PT_TRY(pt_probe_measure(&j->probe, m, PT_SLOT_NONE, sums));
done:
    pt_model_free(m);
    return rc;
}

static pt_status measure_path(judge *j, const char *path, const pt_probe_sums *sums)
{
    pt_source *src = NULL;
    PT_RETURN(pt_source_open(&src, path));
    pt_status rc = measure_source(j, src, sums);
    pt_source_free(src);
    return rc;
}

/* The base in the types of the file. No model is open. */
static pt_status measure_recoded(judge *j, const pt_imatrix *im)
{
    pt_status rc = PT_OK;
    pt_source *own = NULL;
    pt_recoded *r = NULL;
    j->has_recoded = false;
    if (!j->has_base || !j->wrote || !j->wrote->types) return PT_OK;
    if (!j->o->adapter) PT_TRY(pt_source_open(&own, j->o->trained_from));
    PT_TRY(pt_recode(&r, own ? own : j->o->base.source, j->wrote->types, j->wrote->n_types, im));
    PT_TRY(measure_source(j, own ? own : j->o->base.source, &j->sums[BASE_FILE]));
    j->has_recoded = true;
done:
    pt_recode_undo(r);
    pt_source_free(own);
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

/* The gain that is kept: what the file is better than the base in its types, over what the run is better than the base. NAN: not measured. */
static double say_kept(const judge *j, const char *type)
{
    if (!j->has_recoded) return NAN;
    double gain = (j->loss[BASE_FILE] - j->loss[FILE_]) / (j->loss[BASE] - j->loss[RUN]);
    printf("kept gain as %s: %.3f (the base as %s: %.4f)%s\n", type, gain, type, j->loss[BASE_FILE],
           j->held ? "" : ", on rows that were trained on: there are no validation rows; --eval-data FILE names some");
    return isfinite(gain) ? gain : -1;
}

/* Says the numbers; the share of the gain (the lesser of what is trained on and of whole rows), NAN where the run gained nothing. *kept likewise. */
static double say(judge *j, const char *type, double *kept)
{
    const pt_objective *o = j->o->cfg->objective;
    pt_core_step step = {.norm = 1};
    double share;
    *kept = NAN;
    pt_objective_options(o, j->o->cfg->options, &step);
    for (int i = 0; i < MEASURED; i++) j->loss[i] = pt_probe_loss(&j->probe, &j->sums[i], &j->sums[BASE], pt_objective_index(o), &step);
    double trained = share = share_of(j->loss[BASE], j->loss[RUN], j->loss[FILE_]);
    if (!j->probe.pairs)
        share = fmin(share, share_of(pt_probe_nll(&j->probe, &j->sums[BASE]), pt_probe_nll(&j->probe, &j->sums[RUN]), pt_probe_nll(&j->probe, &j->sums[FILE_])));
    printf("loss on %zu row%s of %s (%zu tokens):", j->probe.rows, j->probe.rows == 1 ? "" : "s", j->from, j->probe.tokens);
    if (j->has_base) printf(" base %.4f,", j->loss[BASE]);
    printf(" run %.4f, exported as %s %.4f", j->loss[RUN], type, j->loss[FILE_]);
    bool gained = j->has_base && j->loss[BASE] - j->loss[RUN] > 0.02 * fabs(j->loss[BASE]);
    if (gained && !(j->asked && j->has_recoded)) printf(": %.0f %% of what was learnt%s", 100 * share, share < trained ? ", by the whole rows, prompts included" : "");
    puts("");
    if (gained) *kept = say_kept(j, type);
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

typedef struct verdict {
    double share, kept; /* NAN: not known */
} verdict;

static pt_status judge_file(judge *j, const pt_export_options *opt, bool gguf, pt_dtype type, verdict *v)
{
    pt_opened *o = j->o;
    *v = (verdict){NAN, NAN};
    if (j->probe.n) {
        PT_RETURN(measure_run(j));
        pt_model_free(o->model); /* one model at a time */
        o->model = NULL;
        PT_RETURN(measure_path(j, file_of(j), &j->sums[FILE_]));
        PT_RETURN(measure_recoded(j, opt->imatrix));
        v->share = say(j, opt->mix ? pt_mix_name(opt->mix) : pt_dtype_get(type)->name, &v->kept);
        PT_RETURN(pt_open_model(o, (int32_t)(j->probe.longest > 64 ? j->probe.longest : 64), 0, 0));
    }
    return isnan(v->share) ? by_weights(o, gguf, type, j->probe.n > 0, &v->share) : PT_OK;
}

/* A type that was asked for and loses too much. */
static void warn(const pt_cli *c, const pt_export_options *opt, verdict v)
{
    const pt_mix *larger = opt->mix ? pt_mix_larger(opt->mix) : NULL;
    double left = isnan(v.kept) ? v.share : v.kept;
    if (!(left < (opt->mix ? PT_EXPORT_GAIN : PT_EXPORT_KEEP))) return;
    pt_log(PT_LOG_WARN, "--type %s loses what was learnt (%.0f %% is left): %s keeps more; without --type a type that keeps %.0f %% is chosen", c->type, 100 * left,
           larger ? pt_mix_name(larger) : "f32", 100 * PT_EXPORT_KEEP);
}

pt_status pt_export_judged(pt_cli *c, pt_opened *o, pt_export_options *opt, pt_status (*run)(pt_model *, const char *, const pt_export_options *))
{
    pt_status rc = PT_OK;
    judge j = {.o = o, .out = c->out, .wrote = opt->wrote, .asked = c->type != NULL};
    bool gguf = !strcmp(c->to, "gguf"), chosen = !c->type;
    pt_dtype there, here, next;
    verdict v;
    PT_TRY(read_rows(&j, c));
    PT_TRY(pt_open_model(o, (int32_t)(j.probe.longest > 64 ? j.probe.longest : 64), 0, 0));
    for (;;) {
        PT_TRY(drop_files(c, opt->wrote));
        PT_TRY(run(o->model, c->out, opt));
        PT_TRY(types_of(o, file_of(&j), &there, &here));
        if (there == PT_F32 || (!o->adapter && there == here)) break; /* nothing is lost */
        PT_TRY(judge_file(&j, opt, gguf, there, &v));
        if (!chosen) warn(c, opt, v);
        if (!chosen || !(v.share < PT_EXPORT_KEEP) || !next_type(there, gguf, &next)) break;
        pt_log(PT_LOG_INFO, "%s is too coarse for this: %s instead", pt_dtype_get(there)->name, pt_dtype_get(next)->name);
        opt->changed = &next;
        if (!gguf || !o->adapter) opt->type = next;
    }
done:
    judge_free(&j);
    return rc;
}

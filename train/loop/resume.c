/* Checkpoints: everything that a run needs to go on as if it had never stopped. Randomness is counter-based, so its state is
 * the step. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mapped.h"
#include "train/loop/agree.h"
#include "train/export/export.h"

#define PIECE ((int64_t)1 << 20) /* elements moved at once */
#define REFERENCE "reference"      /* sync_ref_model: the adapter that the loss compares with */

/* ---- saving ------------------------------------------------------------------------------------------------------------ */

static pt_status put_view(pt_run *r, pt_state_writer *w, const char *name, pt_view v, float *piece)
{
    PT_RETURN(pt_state_begin_blob(w, name, PT_F32, v.cols));
    for (int64_t at = 0; at < v.cols; at += PIECE) {
        int64_t n = v.cols - at < PIECE ? v.cols - at : PIECE;
        pt_view part = pt_view_cols(v, at, n);
        part.ld = n;
        PT_RETURN(r->ctx.ops->download(&r->ctx, piece, part));
        PT_RETURN(pt_state_write(w, piece, (size_t)n * sizeof *piece));
    }
    return PT_OK;
}

static const char *state_name(int i, char name[32])
{
    snprintf(name, 32, "objective_state_%d", i);
    return name;
}

static pt_status put_scalars(pt_run *r, pt_state_writer *w)
{
    char name[32];
    const pt_choice *c = &r->plan.choice;
    int64_t applied;
    PT_RETURN(pt_optim_applied(r->optim, &applied));
    const struct {
        const char *name;
        int64_t v;
    } ints[] = {{"applied", applied},    {"skipped", r->skipped}, {"bad_in_row", r->bad_in_row}, {"high_in_row", r->high_in_row}, {"pending", r->pending},
                {"compute", c->compute}, {"threads", c->threads}, {"ranks", c->ranks}};
    for (size_t i = 0; i < sizeof ints / sizeof *ints; i++) PT_RETURN(pt_state_put_int(w, ints[i].name, ints[i].v));
    if (c->kept) PT_RETURN(pt_state_put_int(w, "kept", c->kept));
    if (c->tight) PT_RETURN(pt_state_put_int(w, "tight", c->tight));
    if (r->empty) PT_RETURN(pt_state_put_int(w, "empty", r->empty));
    if (r->fallen_in_row) PT_RETURN(pt_state_put_int(w, "fallen_in_row", r->fallen_in_row));
    for (int i = 0; i < r->objective->n_state; i++) PT_RETURN(pt_state_put_num(w, state_name(i, name), r->state[i]));
    PT_RETURN(pt_run_put_watch(r, w));
    PT_RETURN(pt_state_put_text(w, "isa", c->isa));
    PT_RETURN(pt_state_put_text(w, "device", r->ctx.ops->name));
    return pt_run_put_facts(r, w);
}

static pt_export_options export_options(const pt_run *r)
{
    return (pt_export_options){.type = PT_DTYPE_COUNT,
                               .tmpl = r->base.tmpl,
                               .tok = r->base.tok,
                               .base_name = r->cfg->model.base_model ? r->cfg->model.base_model : "",
                               .labels = r->labels,
                               .n_labels = r->n_labels,
                               .problem_type = r->objective->problem_type,
                               .pooling = pt_setup_pooling(r->cfg),
                               .pooling_token = pt_setup_pooling(r->cfg) ? r->cfg->data.pooling_token : NULL};
}

static pt_status write_checkpoint(pt_run *r)
{
    pt_status rc = PT_OK;
    pt_state_writer w = {0};
    float *piece = NULL;
    PT_TRY(pt_mapped_check());
    PT_TRY(pt_calloc((void *)&piece, (size_t)PIECE, sizeof *piece));
    PT_TRY(pt_state_writer_open(&w, r->cfg->run.output_dir, r->step));
    PT_TRY(put_scalars(r, &w));
    PT_TRY(pt_state_put_course(&w, &r->course));
    PT_TRY(put_view(r, &w, "parameters", pt_model_param_view(r->model), piece));
    PT_TRY(put_view(r, &w, "adam_m", pt_optim_m(r->optim), piece));
    PT_TRY(put_view(r, &w, "adam_v", pt_optim_v(r->optim), piece));
    if (r->cfg->reference.sync) PT_TRY(put_view(r, &w, REFERENCE, pt_model_frozen_view(r->model), piece));
    if (r->cfg->adapter.kind != PT_ADAPTER_NONE) {
        pt_export_options o = export_options(r);
        PT_TRY(pt_export_peft(r->model, w.tmp, &o)); /* so that a checkpoint is an adapter too */
    }
    PT_TRY(pt_state_writer_commit(&w));
    PT_TRY(pt_state_course_saved(r->cfg->run.output_dir));
    r->saved = r->step;
    if (r->cfg->run.save_total_limit > 0) PT_TRY(pt_state_rotate(r->cfg->run.output_dir, r->cfg->run.save_total_limit, r->watch.have && !r->best_folder ? r->watch.step : -1));
done:
    pt_state_writer_close(&w);
    free(piece);
    return rc;
}

pt_status pt_run_save(pt_run *r, char **folder)
{
    if (r->comm->rank == 0) PT_RETURN(write_checkpoint(r));
    PT_RETURN(r->comm->barrier(r->comm));
    r->saved = r->step; /* of the ranks that did not write it */
    char *path = NULL;
    PT_RETURN(pt_state_folder(&path, r->cfg->run.output_dir, r->step));
    if (r->hooks.on_save) r->hooks.on_save(r->hooks.user, path, r->step);
    if (folder)
        *folder = path;
    else
        free(path);
    return PT_OK;
}

pt_status pt_run_export(pt_run *r, const char *dir, uint64_t *trial)
{
    pt_export_options o = export_options(r);
    o.trial = trial;
    return r->cfg->adapter.kind != PT_ADAPTER_NONE ? pt_export_peft(r->model, dir, &o) : pt_export_hf(r->model, dir, &o);
}

/* ---- going on ---------------------------------------------------------------------------------------------------------- */

static pt_status read_choice(pt_state *s, pt_choice *c)
{
    int64_t v;
    const char *isa;
    PT_RETURN(pt_state_int(s, "compute", &v));
    c->compute = v == PT_COMPUTE_BF16 ? PT_COMPUTE_BF16 : PT_COMPUTE_F32;
    PT_RETURN(pt_state_int(s, "threads", &v));
    c->threads = v > 0 && v < 4096 ? (int)v : 0;
    PT_RETURN(pt_state_int(s, "ranks", &v));
    c->ranks = v > 0 && v < 1 << 20 ? (int)v : 0;
    if (pt_state_has(s, "kept")) PT_RETURN(pt_state_int(s, "kept", &c->kept));
    c->tight = pt_state_has(s, "tight");
    PT_RETURN(pt_state_text(s, "isa", &isa));
    if (strlen(isa) < sizeof c->isa) memcpy(c->isa, isa, strlen(isa) + 1);
    if (pt_state_text(s, "device", &c->device) != PT_OK) { /* an older checkpoint */
        c->device = NULL;
        pt_err_clear();
    }
    return PT_OK;
}

static pt_status try_open(pt_run *r, const char *folder)
{
    free(r->resume_path);
    r->resume_path = NULL;
    PT_RETURN(pt_strdup(&r->resume_path, folder));
    pt_status rc = pt_state_open(&r->resume, folder);
    if (rc == PT_OK || rc == PT_ENOMEM) return rc;
    pt_log(PT_LOG_WARN, "a damaged checkpoint is passed over: %s", pt_err_msg());
    return PT_OK;
}

/* auto: where the run was taken back to, else its newest whole checkpoint. A damaged one is announced, and the one before it taken; never
 * one of a future that the run has left. */
static pt_status newest(pt_run *r)
{
    pt_status rc = PT_OK;
    const char *dir = r->cfg->run.output_dir;
    pt_state_list l = {0};
    char *path = NULL, *last = NULL;
    bool tried = false;
    PT_TRY(pt_state_list_read(&l, dir));
    if (l.back_to && !l.back_to[0]) goto done; /* started anew, and saved nothing yet */
    if (l.back_to) PT_TRY(try_open(r, l.back_to));
    for (size_t i = l.n; i-- > 0 && !r->resume;) {
        free(path);
        path = NULL;
        PT_TRY(pt_state_folder(&path, dir, l.of[i].step));
        if (l.of[i].left && !last) PT_TRY(pt_strdup(&last, path));
        if (l.of[i].left || (l.back_to && !strcmp(path, l.back_to))) continue;
        tried = true;
        PT_TRY(try_open(r, path));
    }
    PT_CHECK(r->resume || !(tried || l.back_to), PT_EFORMAT, "no checkpoint of %s can be gone on from (the warnings say why)%s%s", dir,
             last ? "; of what the run left behind when it was taken back there still is " : "", last ? last : "");
    PT_CHECK(r->resume || !last, PT_EARG, "%s holds only checkpoints that the run left behind when it was taken back: name one, such as %s", dir, last);
done:
    pt_state_list_free(&l);
    free(path);
    free(last);
    return rc;
}

pt_status pt_run_find_resume(pt_run *r, pt_choice *choice)
{
    const char *want = r->cfg->run.resume_from_checkpoint;
    if (!want) return PT_OK;
    if (!strcmp(want, "auto")) {
        PT_RETURN(newest(r));
        if (!r->resume) pt_log(PT_LOG_INFO, "no checkpoint in %s: starting from the beginning", r->cfg->run.output_dir);
    } else {
        PT_RETURN(pt_strdup(&r->resume_path, want));
        pt_status rc = pt_state_open(&r->resume, want);
        if (rc != PT_OK) return pt_fail_prefix(rc, "resume_from_checkpoint");
    }
    if (!r->resume) return PT_OK;
    PT_RETURN(pt_state_course_of(&r->course, r->resume));
    return read_choice(r->resume, choice);
}

pt_status pt_run_get_view(pt_run *r, const pt_state *s, const char *name, pt_view v)
{
    const void *data;
    PT_RETURN(pt_state_blob(s, name, PT_F32, v.cols, &data, NULL));
    return r->ctx.ops->upload(&r->ctx, v, data);
}

pt_status pt_run_load(pt_run *r)
{
    pt_status rc = PT_OK;
    int64_t applied, pending = 0;
    char name[32];
    PT_TRY(pt_run_check_facts(r));
    for (int i = 0; i < r->objective->n_state; i++) PT_TRY(pt_state_num(r->resume, state_name(i, name), &r->state[i]));
    PT_TRY(pt_run_get_view(r, r->resume, "parameters", pt_model_param_view(r->model)));
    PT_TRY(pt_run_get_view(r, r->resume, "adam_m", pt_optim_m(r->optim)));
    PT_TRY(pt_run_get_view(r, r->resume, "adam_v", pt_optim_v(r->optim)));
    PT_CHECK(pt_state_has(r->resume, REFERENCE) == r->cfg->reference.sync, PT_EARG, "%s was made %s sync_ref_model: go on as it was made, or start anew", r->resume_path,
             r->cfg->reference.sync ? "without" : "with");
    if (r->cfg->reference.sync) PT_TRY(pt_run_get_view(r, r->resume, REFERENCE, pt_model_frozen_view(r->model)));
    PT_TRY(pt_state_int(r->resume, "applied", &applied));
    PT_TRY(pt_optim_set_applied(r->optim, applied));
    PT_TRY(pt_state_int(r->resume, "skipped", &r->skipped));
    if (pt_state_has(r->resume, "empty")) PT_TRY(pt_state_int(r->resume, "empty", &r->empty));
    PT_TRY(pt_state_int(r->resume, "bad_in_row", &r->bad_in_row));
    if (pt_state_has(r->resume, "high_in_row")) PT_TRY(pt_state_int(r->resume, "high_in_row", &r->high_in_row));
    if (pt_state_has(r->resume, "fallen_in_row")) PT_TRY(pt_state_int(r->resume, "fallen_in_row", &r->fallen_in_row));
    if (pt_state_has(r->resume, "pending")) PT_TRY(pt_state_int(r->resume, "pending", &pending));
    r->pending = (unsigned)pending & pt_run_due(r);
    PT_TRY(pt_run_get_watch(r, r->resume));
    r->step = r->saved = pt_state_step(r->resume);
    PT_CHECK(r->step >= 0 && r->step <= r->plan.data.steps, PT_EARG, "%s is at step %lld, and this run ends at step %lld",
             r->resume_path, (long long)r->step, (long long)r->plan.data.steps);
    pt_log(PT_LOG_INFO, "going on from %s: step %lld of %lld", r->resume_path, (long long)r->step,
           (long long)r->plan.data.steps);
    pt_state_close(r->resume); /* its mapping is not needed any more */
    r->resume = NULL;
done:
    return rc;
}

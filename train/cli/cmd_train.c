/* train, plan. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "train/cli/during.h"
#include "train/cli/fault.h"
#include "train/cli/stages.h"
#include "train/cli/stop.h"
#include "train/cli/terminal.h"
#include "train/cli/ui.h"
#include "train/loop/run.h"

pt_status pt_cli_config(pt_cli *c, pt_config **cfg)
{
    if (c->n_args != 1) return pt_fail(PT_EARG, "ptrain %s takes one config file; see `ptrain help %s`", c->command, c->command);
    if (!c->stages) return pt_config_load(cfg, c->args[0], c->settings, (size_t)c->n_settings);
    bool chained = pt_stages_start_there(c->stages, c->stage);
    pt_stages_say(c->stages, c->stage, chained);
    return pt_stages_config(c->stages, c->stage, chained, c->stages->resume, cfg);
}

pt_status pt_cli_config_checked(pt_cli *c, pt_config **cfg)
{
    PT_RETURN(pt_cli_config(c, cfg));
    PT_RETURN(pt_config_check_model(*cfg));
    return pt_config_check_data(*cfg);
}

/* A word of a shell command, in quotes where it needs them. */
static pt_status put_word(pt_str *out, const char *text)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:@%+,-";
    if (*text && !text[strspn(text, plain)]) return pt_str_puts(out, text);
    PT_RETURN(pt_str_puts(out, "'"));
    for (; *text; text++) PT_RETURN(*text == '\'' ? pt_str_puts(out, "'\\''") : pt_str_add(out, text, 1));
    return pt_str_puts(out, "'");
}

static void say_word(const char *text)
{
    pt_str word = {0};
    if (put_word(&word, text) == PT_OK) fputs(word.text, stdout);
    pt_str_free(&word);
}

/* ptrain CONFIG --key=value ..., as it was typed. */
static pt_status command_line(const pt_cli *c, pt_str *out)
{
    PT_RETURN(pt_str_puts(out, "ptrain "));
    PT_RETURN(put_word(out, c->args[0]));
    for (int i = 0; i < c->n_settings; i++) {
        PT_RETURN(pt_str_printf(out, " --%s=", c->settings[i].key));
        PT_RETURN(put_word(out, c->settings[i].value));
    }
    if (!c->only) return PT_OK;
    PT_RETURN(pt_str_puts(out, " --only "));
    return put_word(out, c->only);
}

/* A report that cannot be made says why, and is no failure of the run. */
static void say_report(const char *dir, int rows)
{
    char *page;
    if (pt_report_of_run(dir, rows, &page) == PT_OK) printf("report: %s\n", page);
    else pt_log(PT_LOG_WARN, "no report of %s: %s", dir, pt_err_msg());
    free(page);
}

/* last: what can be done with it now is said too. */
static void say_result(const pt_config *cfg, const pt_train_result *r, bool last)
{
    char took[32];
    pt_ui_duration(r->seconds, took);
    if (isnan(r->loss) && !r->skipped && !r->empty) { /* resumed at its end */
        printf("\nnothing left to do: all %lld steps were done before", (long long)r->steps);
    } else {
        printf("\ndone: %lld steps in %s", (long long)r->steps, took);
        if (r->skipped) printf(", %lld skipped as not finite", (long long)r->skipped);
        if (r->empty) printf(", %lld skipped as without weight", (long long)r->empty);
        printf(", loss %.4f", r->loss);
    }
    if (!isnan(r->eval_loss)) printf(", eval loss %.4f", r->eval_loss);
    printf("; peak memory %.2f GiB (planned %.2f)\n", (double)r->peak_rss / 0x1p30, (double)r->planned / 0x1p30);
    if (r->early) printf("ended early: early_stopping_patience: %d\n", cfg->run.early_stopping_patience);
    if (r->best_step) printf("best: %s %.6g at step %lld", r->watched, r->best_value, (long long)r->best_step);
    if (r->best_step) printf(r->best_loaded ? ", which is the result\n" : "; the result is the model of step %lld\n", (long long)r->steps);
    printf("saved in %s\n", r->output);
    say_report(r->output, cfg->eval.report_rows);
    if (!last || !(cfg->objective->channels & PT_CHANNELS_OF_ROWS) || cfg->objective->whole_text) return; /* no questions to answer */
    printf("next: ");
    if (cfg->data.n_test_datasets) {
        printf("ptrain eval ");
        say_word(r->output);
        printf(" | ");
    }
    printf("ptrain chat ");
    say_word(r->output);
    printf(" | ptrain export ");
    say_word(r->output);
    printf(" --to %s --out FILE\n", cfg->adapter.kind == PT_ADAPTER_NONE || cfg->model.n_added_tokens ? "gguf" : "gguf-lora");
}

/* The command that goes on: with the settings of this one, since they are in no file that it names. */
static void say_stopped(const pt_cli *c, const pt_train_result *r)
{
    if (r->output[0])
        printf("\nstopped by signal %d after step %lld; everything is in %s\ngo on with: ptrain ", (int)pt_stop_signal, (long long)r->steps, r->output);
    else
        printf("\nstopped by signal %d before the first step: there was nothing to save\ngo on with: ptrain ", (int)pt_stop_signal);
    say_word(c->args[0]);
    for (int i = 0; i < c->n_settings; i++) {
        if (!strcmp(c->settings[i].key, "resume_from_checkpoint")) continue;
        printf(" --%s=", c->settings[i].key);
        say_word(c->settings[i].value);
    }
    printf(" --resume_from_checkpoint=auto\n");
}

/* --profile: seconds and rates op by op; what the ops do not cover is loading, objectives, and the moves between them. */
static void say_profile(const pt_train_result *r)
{
    double seconds = 0, flops = 0;
    for (int i = 0; i < PT_PROF_COUNT; i++) seconds += r->profile.seconds[i], flops += r->profile.flops[i];
    printf("\n%-12s %10s %8s %10s %8s\n", "op", "seconds", "share", "GF/s", "of peak");
    for (int i = 0; i < PT_PROF_COUNT; i++) {
        double s = r->profile.seconds[i], rate = s > 0 ? r->profile.flops[i] / s / 1e9 : 0;
        if (r->profile.calls[i] == 0) continue;
        printf("%-12s %10.2f %7.1f%% %10.1f %7.1f%%\n", pt_prof_name((pt_prof_op)i), s, 100 * s / r->seconds, rate,
               r->gemm_rate > 0 ? 100 * rate / r->gemm_rate : 0);
    }
    printf("%-12s %10.2f %7.1f%%\n", "outside ops", r->seconds - seconds, 100 * (1 - seconds / r->seconds));
    printf("%-12s %10.2f %7.1f%% %10.1f %7.1f%%  (GEMM peak %.0f GF/s, measured at start)\n", "all", r->seconds, 100.0, flops / r->seconds / 1e9,
           r->gemm_rate > 0 ? 100 * flops / r->seconds / 1e9 / r->gemm_rate : 0, r->gemm_rate);
}

/* One run of the command; of a file with stages, one stage. */
typedef struct job {
    pt_ui ui; /* first: the hooks of ui.h take it */
    pt_stages *stages; /* NULL: the file has none */
    pt_stage_state *state;
    int i;
    bool writes, anew; /* rank 0; not one that goes on */
} job;

static void on_start(void *user, const char *folder)
{
    job *j = user;
    pt_fault_checkpoint(folder);
    pt_stop_set_mode(PT_STOP_SAVES);
    if (j->stages && j->writes && pt_stages_write_state(j->stages, j->state, j->i, PT_STAGE_BEGUN, j->anew) != PT_OK)
        pt_log(PT_LOG_WARN, "%s: stage %s would begin anew if the run were stopped now", pt_err_msg(), j->stages->of[j->i].name);
}

static void on_save(void *user, const char *folder, int64_t step)
{
    pt_fault_checkpoint(folder);
    pt_ui_save(user, folder, step);
}

static pt_status run_job(pt_cli *c, job *j, const pt_config *cfg, pt_comm *comm)
{
    bool shows = comm->rank == 0, last = !j->stages || j->i + 1 == j->stages->n;
    pt_train_result result = {0};
    pt_str command = {0};
    PT_RETURN(command_line(c, &command));
    pt_ui_init(&j->ui, shows);
    j->writes = shows;
    pt_cli_during during = {0};
    pt_train_hooks hooks = {.user = j, .comm = comm, .during = &during.hooks, .stop = &pt_stop_signal, .on_plan = pt_ui_plan, .on_start = on_start, .on_step = pt_ui_step,
                            .on_eval = pt_ui_eval, .on_during = pt_ui_during, .on_save = on_save, .command = command.text};
    pt_status rc = pt_during_init(&during, cfg);
    if (rc == PT_OK) rc = pt_train_run(cfg, &hooks, &result);
    pt_during_free(&during);
    pt_str_free(&command);
    pt_ui_break(&j->ui);
    if (rc == PT_OK && shows && c->profile) say_profile(&result);
    if (rc == PT_OK && shows) say_result(cfg, &result, last);
    if (rc == PT_ESTOP && shows) say_stopped(c, &result);
    return rc;
}

/* ---- stages ----------------------------------------------------------------------------------------------------------- */

/* Rank 0 has read what is done; the others hear it. */
static pt_status agree_state(pt_comm *comm, pt_stage_state state[PT_STAGES_MOST])
{
    int64_t all[PT_STAGES_MOST];
    for (int i = 0; i < PT_STAGES_MOST; i++) all[i] = comm->rank ? 0 : state[i];
    PT_RETURN(comm->allreduce_max(comm, all, PT_STAGES_MOST));
    for (int i = 0; i < PT_STAGES_MOST; i++) state[i] = (pt_stage_state)all[i];
    return PT_OK;
}

static pt_status evaluate_stage(pt_stages *s, pt_stage_state *state, int i, const pt_config *cfg, pt_comm *comm)
{
    if (comm->rank == 0) PT_RETURN(pt_stages_write_state(s, state, i, PT_STAGE_BEGUN, state[i] == PT_STAGE_NEW));
    return pt_stages_evaluate(s, i, cfg, comm);
}

static pt_status train_stage(pt_cli *c, pt_stages *s, pt_stage_state *state, int i, pt_comm *comm)
{
    pt_status rc = PT_OK;
    pt_config *cfg = NULL;
    job j = {.stages = s, .state = state, .i = i, .anew = state[i] == PT_STAGE_NEW};
    bool done = state[i] == PT_STAGE_DONE;
    if (!pt_stages_start_there(s, i))
        return pt_fail(PT_EARG, "stage %s begins with what stage %s leaves in %s, and that is not there: run that stage first", s->of[i].name, s->of[s->of[i].from].name,
                       s->of[s->of[i].from].folder);
    if (comm->rank == 0) pt_stages_say(s, i, true);
    if (done) pt_log_pause(true);
    rc = pt_stages_config(s, i, true, state[i] == PT_STAGE_BEGUN, &cfg);
    if (done) pt_log_pause(false);
    PT_TRY(rc);
    if (done) {
        PT_TRY(pt_stages_same(s, i, cfg));
        if (comm->rank == 0) printf("done before\n");
        goto done;
    }
    PT_TRY(pt_config_check_model(cfg));
    if (!s->of[i].evaluates) PT_TRY(pt_config_check_data(cfg));
    PT_TRY(s->of[i].evaluates ? evaluate_stage(s, state, i, cfg, comm) : run_job(c, &j, cfg, comm));
    if (comm->rank == 0) PT_TRY(pt_stages_write_state(s, state, i, PT_STAGE_DONE, false));
    PT_TRY(comm->barrier(comm));
done:
    pt_config_free(cfg);
    return rc;
}

/* A signal that came when a stage had ended. */
static pt_status stopped_between(const pt_cli *c, const pt_stages *s, int i, pt_comm *comm)
{
    int64_t stop = pt_stop_signal;
    pt_train_result r = {0};
    PT_RETURN(comm->allreduce_max(comm, &stop, 1));
    if (!stop) return PT_OK;
    snprintf(r.output, sizeof r.output, "%s", s->of[i].folder);
    if (comm->rank == 0) say_stopped(c, &r);
    return pt_fail(PT_ESTOP, "stopped after stage %s", s->of[i].name);
}

static pt_status train_stages(pt_cli *c, pt_stages *s, int only, pt_comm *comm)
{
    pt_status rc = PT_OK;
    pt_stage_state state[PT_STAGES_MOST] = {PT_STAGE_NEW};
    const size_t there = pt_dir_there(s->output_dir);
    int lock = 0, to = only < 0 ? s->n : only + 1;
    if (comm->rank == 0) PT_TRY(pt_dir_make(s->output_dir));
    if (comm->rank == 0) PT_TRY(pt_folder_take(s->output_dir, &lock));
    if (comm->rank == 0) PT_TRY(pt_stages_read_state(s, state));
    PT_TRY(agree_state(comm, state));
    for (int i = only < 0 ? 0 : only; i < to; i++) {
        if (!s->resume) state[i] = PT_STAGE_NEW;
        if (i + 1 == s->n) pt_folder_leave(&lock); /* its run takes the folder */
        PT_TRY(train_stage(c, s, state, i, comm));
        if (i + 1 < to) PT_TRY(stopped_between(c, s, i, comm));
        pt_stop_set_mode(PT_STOP_SOON);
    }
done:
    if (rc != PT_OK && comm->rank == 0) pt_dir_drop_empty(s->output_dir, there);
    pt_folder_leave(&lock);
    return rc;
}

pt_status pt_cmd_train(pt_cli *c)
{
    pt_status rc = PT_OK;
    pt_config *cfg = NULL;
    pt_comm *comm = NULL;
    pt_stages s = {0};
    job j = {0};
    int only;
    if (c->n_args == 1) PT_TRY(pt_stages_open(&s, c->args[0], c->settings, (size_t)c->n_settings));
    PT_TRY(pt_stages_only(&s, c->only, &only));
    PT_TRY(s.n ? pt_stages_check(&s, only) : pt_cli_config_checked(c, &cfg));
    if (s.n) PT_TRY(pt_stages_config(&s, 0, false, false, &cfg)); /* how its ranks wait */
    PT_TRY(pt_cli_join(&cfg->ranks, &comm));
    if (comm->rank) pt_log_set_sink(NULL, NULL);
    rc = s.n ? train_stages(c, &s, only, comm) : run_job(c, &j, cfg, comm);
    if (rc != PT_OK && rc != PT_ESTOP && comm->size > 1) rc = pt_cli_leave(comm, rc);
done:
    if (comm) comm->close(comm);
    pt_config_free(cfg);
    pt_stages_free(&s);
    return rc;
}

static pt_status plan_one(pt_cli *c)
{
    pt_status rc = PT_OK;
    pt_config *cfg = NULL;
    pt_run_plan plan;
    pt_str text = {0};
    pt_cli_during during = {0};
    pt_train_hooks hooks = {.during = &during.hooks};
    const char *awaited = NULL;
    PT_TRY(pt_cli_config(c, &cfg));
    PT_TRY(pt_config_check_model(cfg));
    if (c->stages) PT_TRY(pt_stages_check_data(c->stages, c->stage, cfg, &awaited));
    if (awaited) {
        pt_log(PT_LOG_INFO, "%s: an earlier stage writes it; planned without it", awaited);
        hooks.no_data = true;
    } else if (!cfg->data.n_datasets || pt_config_check_data(cfg) != PT_OK) { /* memory and settings can be judged without it */
        pt_log(PT_LOG_WARN, "%s", cfg->data.n_datasets ? pt_err_msg() : "no datasets: there is nothing to train on");
        hooks.no_data = true;
    }
    PT_TRY(pt_during_init(&during, cfg));
    PT_TRY(pt_train_plan(cfg, &hooks, &plan, &text));
    fputs(text.text, stdout);
done:
    pt_str_free(&text);
    pt_during_free(&during);
    pt_config_free(cfg);
    return rc;
}

pt_status pt_cmd_plan(pt_cli *c)
{
    return pt_stages_each(c, false, plan_one, pt_stages_plan);
}

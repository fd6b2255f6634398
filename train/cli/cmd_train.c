/* train, plan. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "train/cli/cli.h"
#include "train/cli/fault.h"
#include "train/cli/stop.h"
#include "train/cli/terminal.h"
#include "train/cli/ui.h"
#include "train/loop/run.h"

pt_status pt_cli_config(pt_cli *c, pt_config **cfg)
{
    if (c->n_args != 1) return pt_fail(PT_EARG, "ptrain %s takes one config file; see `ptrain help %s`", c->command, c->command);
    return pt_config_load(cfg, c->args[0], c->settings, (size_t)c->n_settings);
}

pt_status pt_cli_config_checked(pt_cli *c, pt_config **cfg)
{
    PT_RETURN(pt_cli_config(c, cfg));
    PT_RETURN(pt_config_check_model(*cfg));
    return pt_config_check_data(*cfg);
}

/* A word of a shell command, in quotes where it needs them. */
static void say_word(const char *text)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:@%+,-";
    if (*text && !text[strspn(text, plain)]) {
        fputs(text, stdout);
        return;
    }
    putchar('\'');
    for (; *text; text++) *text == '\'' ? (void)fputs("'\\''", stdout) : (void)putchar(*text);
    putchar('\'');
}

static void say_result(const pt_config *cfg, const pt_train_result *r)
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
    printf("saved in %s\n", r->output);
    if (!(cfg->objective->channels & PT_CHANNELS_OF_ROWS) || cfg->objective->whole_text) return; /* no questions to answer */
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
    printf(" --to %s --out FILE\n", cfg->adapter.kind == PT_ADAPTER_NONE ? "gguf" : "gguf-lora");
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

static void on_start(void *user, const char *folder)
{
    (void)user;
    pt_fault_checkpoint(folder);
    pt_stop_set_mode(PT_STOP_SAVES);
}

static void on_save(void *user, const char *folder, int64_t step)
{
    pt_fault_checkpoint(folder);
    pt_ui_save(user, folder, step);
}

pt_status pt_cmd_train(pt_cli *c)
{
    pt_status rc = PT_OK;
    pt_config *cfg = NULL;
    pt_comm *comm = NULL;
    pt_ui ui;
    pt_train_result result = {0};
    PT_TRY(pt_cli_config_checked(c, &cfg));
    PT_TRY(pt_cli_join(&cfg->ranks, &comm));
    pt_ui_init(&ui, comm->rank == 0);
    if (comm->rank) pt_log_set_sink(NULL, NULL);
    pt_train_hooks hooks = {.user = &ui, .comm = comm, .stop = &pt_stop_signal, .on_plan = pt_ui_plan, .on_start = on_start, .on_step = pt_ui_step, .on_eval = pt_ui_eval,
                            .on_save = on_save};
    rc = pt_train_run(cfg, &hooks, &result);
    pt_ui_break(&ui);
    if (rc == PT_OK && comm->rank == 0 && c->profile) say_profile(&result);
    if (rc == PT_OK && comm->rank == 0) say_result(cfg, &result);
    if (rc == PT_ESTOP && comm->rank == 0) say_stopped(c, &result);
    if (rc != PT_OK && rc != PT_ESTOP && comm->size > 1) rc = pt_cli_leave(comm, rc);
done:
    if (comm) comm->close(comm);
    pt_config_free(cfg);
    return rc;
}

pt_status pt_cmd_plan(pt_cli *c)
{
    pt_status rc = PT_OK;
    pt_config *cfg = NULL;
    pt_run_plan plan;
    pt_str text = {0};
    pt_train_hooks hooks = {0};
    PT_TRY(pt_cli_config(c, &cfg));
    PT_TRY(pt_config_check_model(cfg));
    if (!cfg->data.n_datasets || pt_config_check_data(cfg) != PT_OK) { /* memory and settings can be judged without it */
        pt_log(PT_LOG_WARN, "%s", cfg->data.n_datasets ? pt_err_msg() : "no datasets: there is nothing to train on");
        hooks.no_data = true;
    }
    PT_TRY(pt_train_plan(cfg, &hooks, &plan, &text));
    fputs(text.text, stdout);
done:
    pt_str_free(&text);
    pt_config_free(cfg);
    return rc;
}

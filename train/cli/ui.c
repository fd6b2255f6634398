#include "train/cli/ui.h"

#include <math.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/threads.h"
#include "train/cli/env.h"
#include "train/cli/terminal.h"

bool pt_ui_colour(void)
{
    return pt_terminal_is(stdout) && !pt_env_no_colour();
}

void pt_ui_init(pt_ui *ui, bool show)
{
    *ui = (pt_ui){.show = show, .live = pt_terminal_is(stdout), .colour = pt_ui_colour(), .every = 1};
}

void pt_ui_duration(double seconds, char text[32])
{
    long long s = seconds > 0 && seconds < 1e9 ? (long long)(seconds + 0.5) : 0;
    if (s >= 3600) snprintf(text, 32, "%lldh %02lldm", s / 3600, s % 3600 / 60);
    else if (s >= 60) snprintf(text, 32, "%lldm %02llds", s / 60, s % 60);
    else snprintf(text, 32, "%llds", s);
}

static int terminal_width(void)
{
    struct winsize w;
    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 20 ? w.ws_col : 100;
}

void pt_ui_break(pt_ui *ui)
{
    if (ui->open_line) putchar('\n');
    ui->open_line = false;
    fflush(stdout);
}

void pt_ui_plan(void *user, const pt_run_plan *plan, const char *text)
{
    pt_ui *ui = user;
    ui->every = plan->logging_steps;
    if (!ui->show) return;
    fputs(text, stdout);
    fflush(stdout);
}

/* A bar of ten eighth-steps would be decoration: the share of steps says it. */
static void step_line(const pt_step_report *r, char *line, size_t size)
{
    char eta[32];
    int n;
    pt_ui_duration(r->eta, eta);
    if (r->skipped)
        n = snprintf(line, size, "step %lld/%lld  skipped: %s", (long long)r->step, (long long)r->steps, r->empty ? "its records have no weight" : "not finite");
    else
        n = snprintf(line, size, "step %lld/%lld  epoch %.2f  loss %.4f  norm %.2f  lr %.2e  %.0f tok/s", (long long)r->step, (long long)r->steps, r->epoch,
                     r->loss, r->grad_norm, r->lr, r->tokens_per_second);
    for (int i = 0; i < r->n_metrics && n > 0 && (size_t)n < size; i++) {
        const char *name = r->metric_name[i];
        if (!strcmp(name, "rewards/margins")) n += snprintf(line + n, size - (size_t)n, "  margin %.3f", r->metric[i]);
        if (!strcmp(name, "rewards/accuracies")) n += snprintf(line + n, size - (size_t)n, "  accuracy %.2f", r->metric[i]);
    }
    if (r->peak_share > 0 && n > 0 && (size_t)n < size) n += snprintf(line + n, size - (size_t)n, "  %.0f%% of peak", 100 * r->peak_share);
    if (n > 0 && (size_t)n < size) snprintf(line + n, size - (size_t)n, "  ETA %s", eta);
}

void pt_ui_step(void *user, const pt_step_report *r)
{
    pt_ui *ui = user;
    char line[512];
    if (!ui->show) return;
    bool last = r->step == r->steps, due = (ui->every && r->step % ui->every == 0) || r->step == 1 || last || r->skipped;
    if (!ui->live) {
        if (!due) return;
        step_line(r, line, sizeof line);
        puts(line);
        fflush(stdout);
        return;
    }
    double now = pt_seconds();
    if (now - ui->last < 0.1 && !last && !r->skipped) return;
    ui->last = now;
    step_line(r, line, sizeof line);
    char shown[sizeof line + 8];
    snprintf(shown, sizeof shown, "\r%.*s\x1b[K", terminal_width() - 1, line);
    pt_terminal_raw(stdout, shown); /* numbers and words of our own */
    ui->open_line = true;
    if (last || r->skipped) pt_ui_break(ui);
    fflush(stdout);
}

void pt_ui_eval(void *user, const pt_eval_report *r)
{
    pt_ui *ui = user;
    if (!ui->show) return;
    pt_ui_break(ui);
    printf("%s loss at step %lld: %.4f over %lld records", r->set, (long long)r->step, r->loss, (long long)r->records);
    for (int i = 0; i < r->n_metrics; i++) printf("  %s %.3f", r->metric_name[i], r->metric[i]);
    putchar('\n');
    fflush(stdout);
}

/* Of each evaluation its first two numbers: NAME/METRIC, NAME again and again. */
void pt_ui_during(void *user, const pt_during_report *r)
{
    enum { EACH = 2 };
    pt_ui *ui = user;
    size_t left = 0, of_it = 0;
    if (!ui->show || r->failure[0]) return;
    pt_ui_break(ui);
    printf("evaluations at step %lld:", (long long)r->step);
    for (size_t i = 0; i < r->n; i++) {
        const size_t name = strcspn(r->name[i], "/") + 1;
        of_it = i && !strncmp(r->name[i - 1], r->name[i], name) ? of_it + 1 : 0;
        if (of_it < EACH) printf("  %s %.4g", r->name[i], r->value[i]);
        else left++;
    }
    if (left) printf("  and %zu more in metrics.jsonl", left);
    putchar('\n');
    fflush(stdout);
}

void pt_ui_save(void *user, const char *folder, int64_t step)
{
    pt_ui *ui = user;
    if (!ui->show) return;
    pt_ui_break(ui);
    printf("saved %s\n", folder);
    fflush(stdout);
}

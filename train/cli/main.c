/* ptrain: the entry point. Exit codes: 0 done, 1 the run failed, 2 wrong usage or config, 130 / 143 stopped by SIGINT / SIGTERM with everything saved. */
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "train/cli/cli.h"
#include "train/cli/env.h"

volatile sig_atomic_t pt_stop_signal;

static void on_signal(int sig)
{
    if (pt_stop_signal == sig) { /* asked twice: leave now */
        signal(sig, SIG_DFL);
        raise(sig);
    }
    pt_stop_signal = sig;
}

static void show_note(void *user, pt_log_level level, const char *text)
{
    if (level == PT_LOG_DEBUG) return;
    fprintf(stderr, "%s: %s\n", level == PT_LOG_WARN ? "warning" : "note", text);
}

/* `ptrain inspect x.yaml | head`: whoever read has enough, which is no error to speak of. */
static bool reader_left(void)
{
    struct pollfd p = {.fd = STDOUT_FILENO, .events = POLLOUT};
    return poll(&p, 1, 0) == 1 && (p.revents & POLLERR) && !(p.revents & POLLNVAL);
}

typedef struct command { const char *name; pt_status (*run)(pt_cli *); } command;
static const command commands[] = {
    {"train", pt_cmd_train},       {"plan", pt_cmd_plan},         {"pack", pt_cmd_pack},     {"inspect", pt_cmd_inspect}, {"eval", pt_cmd_eval},
    {"chat", pt_cmd_chat},         {"generate", pt_cmd_generate}, {"score", pt_cmd_score},   {"tokenize", pt_cmd_tokenize}, {"export", pt_cmd_export},
    {"version", pt_cmd_version},   {"doctor", pt_cmd_doctor},     {"help", pt_cmd_help},
};

int main(int argc, char **argv)
{
    pt_cli c;
    pt_env_calm_threads(argv);
    pt_log_set_sink(show_note, NULL);
    pt_status rc = pt_cli_parse(&c, argc, argv);
    struct sigaction sa = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    if (rc == PT_OK && !strcmp(c.command, "chat")) sa.sa_flags = 0; /* a signal ends the wait for a line */
    if (rc == PT_OK && (!strcmp(c.command, "train") || !strcmp(c.command, "chat"))) {
        sigaction(SIGINT, &sa, NULL);
        sigaction(SIGTERM, &sa, NULL);
    }
    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; rc == PT_OK && i < sizeof commands / sizeof *commands; i++)
        if (!strcmp(c.command, commands[i].name)) {
            rc = commands[i].run(&c);
            break;
        }
    if (fflush(stdout) != 0 && rc == PT_OK) rc = pt_fail(PT_EIO, "cannot write to standard output");
    if (rc == PT_ESTOP) return 128 + (pt_stop_signal ? pt_stop_signal : SIGTERM);
    if (rc == PT_EIO && reader_left()) return 128 + SIGPIPE; /* as a program that the signal ends */
    if (rc != PT_OK) {
        fprintf(stderr, "error: %s\n", pt_err_msg()[0] ? pt_err_msg() : pt_status_name(rc));
        return rc == PT_EARG ? 2 : 1;
    }
    return 0;
}

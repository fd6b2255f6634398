/* ptrain: the entry point. Exit codes: 0 done, 1 the run failed, 2 wrong usage or config, 128 + signal: stopped by it with everything saved. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "train/cli/cli.h"
#include "train/cli/env.h"
#include "train/cli/fault.h"
#include "train/cli/oom.h"
#include "train/cli/stop.h"
#include "train/cli/terminal.h"

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

/* A standard stream that is closed at the start would be the number of the next file we open, and our text would land there. Reading finds
 * an end; writing to standard output fails, as it would have; what goes to standard error is lost. */
static void open_streams(void)
{
    static const int how[] = {O_RDONLY, O_RDONLY, O_WRONLY};
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", how[fd]) != fd) _exit(1);
}

/* Whoever asked for text and does not get it must learn so. A training run is done all the same: its result is in its folder. */
static pt_status close_output(const pt_cli *c, pt_status rc)
{
    bool lost = fflush(stdout) != 0 || ferror(stdout);
    if (!lost || rc != PT_OK || pt_command_find(c->command)->on_stop == PT_ON_STOP_SAVE) return rc;
    return pt_fail(PT_EIO, "cannot write to standard output");
}

int main(int argc, char **argv)
{
    pt_cli c;
    open_streams();
    pt_env_calm_threads(argv);
    pt_env_name_process(argv[0]);
    pt_terminal_open();
    pt_oom_install();
    pt_log_set_sink(show_note, NULL);
    pt_fault_watch();
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file over the limit is an error with a name */
    pt_status rc = pt_cli_parse(&c, argc, argv);
    const pt_command *command = rc == PT_OK ? pt_command_find(c.command) : NULL;
    if (command && command->on_stop == PT_ON_STOP_LEAVE) pt_stop_set_mode(PT_STOP_NOW);
    if (command && command->on_stop != PT_ON_STOP_NOTHING) rc = pt_stop_watch();
    if (command && rc == PT_OK) rc = command->run(&c);
    rc = close_output(&c, rc);
    free(c.samplers);
    if (rc == PT_ESTOP) return 128 + (pt_stop_signal ? pt_stop_signal : SIGTERM);
    if (rc == PT_EIO && reader_left()) return 128 + SIGPIPE; /* as a program that the signal ends */
    if (rc != PT_OK) {
        fprintf(stderr, "error: %s\n", pt_err_msg()[0] ? pt_err_msg() : pt_status_name(rc));
        return rc == PT_EARG ? 2 : 1;
    }
    return 0;
}

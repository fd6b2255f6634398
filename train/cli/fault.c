#include "train/cli/fault.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mapped.h"
#include "base/temp.h"

static char checkpoints[2][4096]; /* written in turn: the handler may come at any moment */
static atomic_int current = -1;
static atomic_flag met = ATOMIC_FLAG_INIT;

void pt_fault_checkpoint(const char *folder)
{
    int next = atomic_load(&current) == 0;
    if (!folder) return;
    snprintf(checkpoints[next], sizeof checkpoints[next], "%s", folder);
    atomic_store(&current, next);
}

/* No formatting here: only what a handler may call. */
static void say(const char *text)
{
    if (write(STDERR_FILENO, text, strlen(text)) < 0) return;
}

static void on_bus(int sig, siginfo_t *info, void *context)
{
    const char *path = pt_mapped_at(info->si_addr);
    (void)context;
    if (!path) { /* not of a file of ours: comes back at once, and ends the program as ever */
        signal(sig, SIG_DFL);
        return;
    }
    while (atomic_flag_test_and_set(&met)) pause(); /* another thread is saying it */
    int i = atomic_load(&current);
    say("\nerror: ");
    say(path);
    say(": cut short while it was in use, or its disk failed: a part that was there at the start can no longer be read");
    if (i >= 0) {
        say("; mend the file, then go on with --resume_from_checkpoint=auto: the last checkpoint is ");
        say(checkpoints[i]);
    }
    say("\n");
    pt_temp_sweep();
    _exit(1);
}

void pt_fault_watch(void)
{
    static char stack[64 << 10];
    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
    struct sigaction sa = {.sa_sigaction = on_bus, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigaltstack(&alternate, NULL);
    sigfillset(&sa.sa_mask);
    sigaction(SIGBUS, &sa, NULL);
}

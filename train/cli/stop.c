#include "train/cli/stop.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/temp.h"
#include "base/threads.h"

volatile sig_atomic_t pt_stop_signal;
static atomic_int mode = PT_STOP_SOON;
static sigset_t taken;

enum { STACK = 256 << 10 };
static const double patience = 2;   /* seconds for a program that has nothing to save */
static const double one_press = 0.2; /* `timeout` sends its signal to the process and again to its group: that is one request */

void pt_stop_set_mode(pt_stop_mode m)
{
    atomic_store(&mode, (int)m);
}

/* The program ends as the signal ends one that takes no notice of it, but leaves no half file behind. */
static void end_by(int sig)
{
    sigset_t one;
    pt_temp_sweep();
    signal(sig, SIG_DFL);
    sigemptyset(&one);
    sigaddset(&one, sig);
    pthread_sigmask(SIG_UNBLOCK, &one, NULL);
    raise(sig);
    _exit(128 + sig);
}

static void leave(int sig)
{
    static const char text[] = "\nstopped before the first step: there was nothing to save\n";
    if (atomic_load(&mode) == PT_STOP_NOW) end_by(sig);
    pt_temp_sweep();
    if (write(STDERR_FILENO, text, sizeof text - 1) < 0) _exit(128 + sig);
    _exit(128 + sig);
}

static void *wait_for_signals(void *unused)
{
    double since = 0;
    (void)unused;
    for (;;) {
        int first = pt_stop_signal, sig;
        if (first && atomic_load(&mode) != PT_STOP_SAVES) {
            double left = atomic_load(&mode) == PT_STOP_NOW ? 0 : since + patience - pt_seconds();
            if (left <= 0) leave(first);
            struct timespec t = {0, left < 0.05 ? (long)(left * 1e9) : 50000000}; /* the mode may change */
            sig = sigtimedwait(&taken, NULL, &t);
        } else {
            sig = sigwaitinfo(&taken, NULL);
        }
        if (sig <= 0) continue;
        if (!first) {
            since = pt_seconds();
            pt_stop_signal = sig;
        } else if (sig == first && pt_seconds() - since > one_press) {
            end_by(sig);
        }
    }
    return NULL;
}

pt_status pt_stop_watch(void)
{
    static const int all[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGXCPU};
    struct sigaction now;
    pthread_t thread;
    pthread_attr_t attr;
    sigemptyset(&taken);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        bool ignored = sigaction(all[i], NULL, &now) == 0 && now.sa_handler == SIG_IGN;
        if (!(ignored && all[i] == SIGHUP)) sigaddset(&taken, all[i]);
    }
    int bad = pthread_sigmask(SIG_BLOCK, &taken, NULL);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) /* a shell starts its background jobs with SIGINT ignored */
        if (sigismember(&taken, all[i])) signal(all[i], SIG_DFL);
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, STACK);
    if (!bad) bad = pthread_create(&thread, &attr, wait_for_signals, NULL);
    pthread_attr_destroy(&attr);
    return bad ? pt_fail(PT_ENOMEM, "cannot make the thread that waits for signals: %s", strerror(bad)) : PT_OK;
}

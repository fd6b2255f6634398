/* Signals that ask the program to stop: SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGXCPU.
 *
 * No handler of ours ever runs on a thread that computes: generated matrix code (oneDNN) keeps data below the stack pointer, where a
 * signal's frame would be written. The signals are blocked in the calling thread and so in every thread that is made after it, and one
 * thread waits for them. The first sets pt_stop_signal; the same one again ends the program at once, by that signal. */
#ifndef PT_CLI_STOP_H
#define PT_CLI_STOP_H
#include <signal.h>

#include "base/err.h"

/* The signal that asked to stop, 0 = none. */
extern volatile sig_atomic_t pt_stop_signal;

/* What a signal finds. The rest of the program changes it as it goes on. */
typedef enum pt_stop_mode {
    PT_STOP_SOON, /* nothing is lost: pt_stop_signal is looked at, and the program ends by itself after 2 seconds at most */
    PT_STOP_NOW,  /* nothing to save: it ends at once, by the signal; files that are being written go */
    PT_STOP_SAVES /* pt_stop_signal is looked at, and what it takes to save is given */
} pt_stop_mode;
void pt_stop_set_mode(pt_stop_mode mode);

/* Takes the signals from now on. Call it before any other thread is made. A SIGHUP that is ignored (nohup) stays ignored. */
pt_status pt_stop_watch(void);
#endif

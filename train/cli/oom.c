#include "train/cli/oom.h"

#include <dlfcn.h>
#include <jansson.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/foreign.h"
#include "base/mem.h"
#include "base/temp.h"

static void say(const char *text)
{
    ssize_t n = write(STDERR_FILENO, text, strlen(text));
    (void)n;
}

/* No lock, no allocation: the caller may hold any. */
static void leave(void)
{
    pt_temp_sweep();
    say("error: out of memory in a library that cannot go on without it (");
    say(pt_foreign_library() ? pt_foreign_library() : "oneDNN, MPI");
    say(")\n");
    _exit(1);
}

/* The whole process' posix_memalign: oneDNN builds its objects in what this gives and follows it unseen. Nothing of ours calls it. */
int posix_memalign(void **out, size_t align, size_t bytes)
{
    if (!bytes) bytes = align;
    void *p = bytes > SIZE_MAX - align ? NULL : aligned_alloc(align, (bytes + align - 1) / align * align);
    if (!p) leave();
    *out = p;
    return 0;
}

static void fell(void)
{
    pt_temp_sweep();
    say("error: the library ");
    say(pt_foreign_library());
    say(" fell over: memory is at its end (ulimit -v, a full cgroup?), or it was given something broken\n");
    _exit(1);
}

/* Others call exit too: HDF5 inside, libgomp when it has no memory for a team. Of ours nothing is under construction then. */
static void on_exit_of_others(void)
{
    if (pt_foreign_library()) fell();
    pt_temp_sweep();
}

#ifdef __SANITIZE_ADDRESS__
/* The sanitizer takes crashes itself. */
static void catch_crashes(void)
{
}
#else
/* A crash is a crash, unless a library that is known for it is at work. */
static void on_crash(int sig)
{
    if (pt_foreign_library()) fell();
    signal(sig, SIG_DFL);
    raise(sig);
}

/* On a stack of its own, for one of HDF5's ways to fall is recursion. */
static void catch_crashes(void)
{
    static char stack[64 << 10];
    stack_t alt = {.ss_sp = stack, .ss_size = sizeof stack};
    struct sigaction sa = {.sa_handler = on_crash, .sa_flags = SA_ONSTACK | SA_NODEFER};
    if (sigaltstack(&alt, NULL) != 0) return;
    sigaction(SIGSEGV, &sa, NULL);
    sigaction(SIGABRT, &sa, NULL);
}
#endif

void pt_oom_install(void)
{
    typedef void handler(void);
    json_set_alloc_funcs(pt_mem_watched, free);
    /* std::set_new_handler, where a C++ library is loaded */
    handler *(*set)(handler *);
    void *found = dlsym(RTLD_DEFAULT, "_ZSt15set_new_handlerPFvvE");
    memcpy(&set, &found, sizeof set);
    if (found) set(leave);
    catch_crashes();
    pt_foreign_on_fall(fell);
    atexit(on_exit_of_others);
}

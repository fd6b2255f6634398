/* Servers of tests/stub/chat_stub.c for test programs. The folder is the test's own (tests/scratch.h). */
#ifndef PT_TESTS_STUB_H
#define PT_TESTS_STUB_H
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/scratch.h"

typedef struct stub {
    pid_t pid;
    int port;
    char log[256], bodies[256];
} stub;

/* Built beside the tests' folder; the plain build's for the sanitizers'. */
static inline const char *stub_program(void)
{
    static char path[4200];
    ssize_t n = readlink("/proc/self/exe", path, 4096);
    if (n <= 0) abort();
    path[n] = 0;
    for (int up = 0; up < 3; up++)
        if (strrchr(path, '/')) *strrchr(path, '/') = 0;
    strcat(path, "/chat_stub");
    return access(path, X_OK) ? "build/gcc/chat_stub" : path;
}

/* options: --port-file, --log and --bodies are added; NULL-terminated, 20 at most. */
static inline stub stub_start(const char *const *options)
{
    static int number;
    stub s = {0};
    char port_file[256], name[40], line[32];
    snprintf(name, sizeof name, "stub-%d", ++number);
    snprintf(port_file, sizeof port_file, "%s", scratch_path(name));
    snprintf(s.log, sizeof s.log, "%s/%s.log", scratch_dir, name);
    snprintf(s.bodies, sizeof s.bodies, "%s/%s.bodies", scratch_dir, name);
    const char *argv[32] = {stub_program(), "--port-file", port_file, "--log", s.log, "--bodies", s.bodies};
    for (int i = 0; options && options[i]; i++) argv[7 + i] = options[i];
    s.pid = fork();
    if (s.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves none behind */
        execv(argv[0], (char *const *)argv);
        fprintf(stderr, "cannot run %s\n", argv[0]);
        _exit(127);
    }
    for (int i = 0; i < 1000 && !s.port; i++) {
        FILE *f = fopen(port_file, "r");
        if (f && fgets(line, sizeof line, f)) s.port = atoi(line);
        if (f) fclose(f);
        if (!s.port) nanosleep(&(struct timespec){0, 5000000}, NULL);
    }
    if (!s.port) {
        fprintf(stderr, "the stub does not listen\n");
        abort();
    }
    return s;
}

static inline void stub_stop(stub *s)
{
    kill(s->pid, SIGTERM);
    waitpid(s->pid, NULL, 0);
}

/* Lines of the ledger with this fault; all of them where it is NULL. Their tokens are added to prompt and answer where these are not. */
static inline int stub_count(const stub *s, const char *fault, double *prompt, double *answer)
{
    char line[512], name[64];
    long number;
    double p, a;
    int n = 0;
    FILE *f = fopen(s->log, "r");
    while (f && fgets(line, sizeof line, f)) {
        if (sscanf(line, "%ld\t%63s\t%lf\t%lf", &number, name, &p, &a) != 4 || (fault && strcmp(fault, name))) continue;
        n++;
        if (prompt) *prompt += p;
        if (answer) *answer += a;
    }
    if (f) fclose(f);
    return n;
}
#endif

/* Launches of ranks that are children of a test program. What a failed test leaves running is ended by ranks_end (a teardown of each test). */
#ifndef PT_TEST_LAUNCH_H
#define PT_TEST_LAUNCH_H
#include <arpa/inet.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/scratch.h"
#include "train/dist/comm.h"
#include "train/dist/launch.h"

/* A port that nobody listens at; below those that the system gives to connections, so that neither another test nor a rank's own try takes it. */
static inline int free_port(void)
{
    static unsigned tried;
    for (int n = 0; n < 20000; n++) {
        int port = 10240 + (int)(((unsigned)getpid() * 7919u + tried++) % 20000u);
        struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        assert_true(fd >= 0);
        int rc = bind(fd, (struct sockaddr *)&a, sizeof a);
        close(fd);
        if (rc == 0) return port;
    }
    fail_msg("no free port");
    return -1;
}

static inline pt_launch by_address(int size)
{
    pt_launch l = {
        .kind = PT_LAUNCH_TCP, .size = size, .local_rank = -1, .host = "127.0.0.1", .join_seconds = 20, .wait_seconds = 20};
    l.port = free_port();
    memcpy(l.token, "job 7", 6);
    return l;
}
static inline pt_launch by_file(int size, const char *name)
{
    pt_launch l = {.kind = PT_LAUNCH_FILE, .size = size, .local_rank = -1, .join_seconds = 20, .wait_seconds = 20};
    snprintf(l.path, sizeof l.path, "%s/%s", scratch_dir, name);
    return l;
}

/* How a rank ended. */
typedef struct outcome {
    int code;
    char said[2048]; /* its last error */
} outcome;

/* A rank that runs; fd: what it says. */
typedef struct rank_run {
    pid_t pid;
    int fd;
} rank_run;

static rank_run running[64]; /* begun and not ended; pid 0: a free place */

static inline void note_rank(rank_run r)
{
    size_t i = 0;
    while (i < sizeof running / sizeof *running - 1 && running[i].pid) i++;
    running[i] = r;
}
static inline void forget_rank(pid_t pid)
{
    for (size_t i = 0; i < sizeof running / sizeof *running; i++)
        if (running[i].pid == pid) running[i].pid = 0;
}
/* Teardown of a test: what it has left running is no longer there, and waits for nobody's status. */
static inline int ranks_end(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof running / sizeof *running; i++) {
        if (!running[i].pid) continue;
        kill(running[i].pid, SIGKILL);
        waitpid(running[i].pid, NULL, 0);
        close(running[i].fd);
        running[i].pid = 0;
    }
    return 0;
}
#define RANK_TEST(f) cmocka_unit_test_teardown(f, ranks_end)

/* The code of a rank: joins, runs fn, closes. A fault in it is its own: it must not go on with the tests of its parent. */
static inline int rank_main(const pt_launch *l, int (*fn)(pt_comm *), int say)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGSYS, SIGABRT};
    pt_comm *c;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) signal(faults[i], SIG_DFL);
    bool joined = pt_comm_tcp(l, &c) == PT_OK;
    int code = joined ? fn(c) : 90;
    size_t n = strlen(pt_err_msg());
    bool said = write(say, pt_err_msg(), n) == (ssize_t)n;
    if (joined && code != 80) c->close(c);
    return said ? code : 99;
}
/* Starts a rank. Its exit code: fn's, 90 when it could not join, 91 when fn returned a status, 99 when nobody listens to its error. */
static inline rank_run begin(pt_launch l, int rank, int (*fn)(pt_comm *))
{
    int fd[2];
    rank_run r;
    assert_int_equal(pipe(fd), 0);
    fflush(NULL);
    r.pid = fork();
    assert_true(r.pid >= 0);
    if (r.pid == 0) {
        close(fd[0]);
        l.rank = rank;
        _exit(rank_main(&l, fn, fd[1]));
    }
    close(fd[1]);
    r.fd = fd[0];
    note_rank(r);
    return r;
}
static inline outcome end(rank_run r)
{
    outcome o = {0};
    int st;
    size_t at = 0;
    for (ssize_t n; at < sizeof o.said - 1 && (n = read(r.fd, o.said + at, sizeof o.said - 1 - at)) > 0;) at += (size_t)n;
    close(r.fd);
    assert_int_equal(waitpid(r.pid, &st, 0), r.pid);
    forget_rank(r.pid);
    o.code = WIFEXITED(st) ? WEXITSTATUS(st) : 128 + WTERMSIG(st);
    return o;
}
/* All ranks of a launch with one function. */
static inline void run_all(pt_launch l, int (*fn)(pt_comm *), outcome *out)
{
    rank_run r[8];
    for (int i = 0; i < l.size; i++) r[i] = begin(l, i, fn);
    for (int i = 0; i < l.size; i++) out[i] = end(r[i]);
}
static inline void has(const char *text, const char *part)
{
    if (!strstr(text, part)) fail_msg("'%s' does not say '%s'", text, part);
}

#endif

/* Communicators. Run alone: self, then this program again under mpirun with 2 and 3 ranks (skipped without mpirun or MPI). */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/dist/exercise.h"

static void test_self(void **state)
{
    pt_comm *c;
    assert_int_equal(pt_comm_self(&c), PT_OK);
    assert_int_equal(c->size, 1);
    assert_int_equal(exercise(c, SIZE_MAX), 0);
    assert_int_equal(c->broadcast(c, NULL, 0, 1), PT_EARG);
    c->close(c);
}

static char self_path[4096];

/* Exit code of `mpirun -n ranks self [mode]`, -1 when there is no mpirun. */
static int under_mpirun(const char *ranks, const char *mode)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (!freopen("/dev/null", "w", stdout)) _exit(126);
        if (strcmp(mode, "work") && !freopen("/dev/null", "w", stderr)) _exit(126);
        execlp("mpirun", "mpirun", "-n", ranks, "--allow-run-as-root", "--oversubscribe", self_path, mode, (char *)NULL);
        _exit(127);
    }
    int st = 0;
    assert_int_equal(waitpid(pid, &st, 0), pid);
    int code = WIFEXITED(st) ? WEXITSTATUS(st) : 128;
    return code == 127 ? -1 : code;
}

static void test_mpi(void **state)
{
    if (!pt_comm_has_mpi()) {
        pt_comm *c;
        assert_int_equal(pt_comm_mpi(60, &c), PT_ENOSUP);
        skip();
    }
    int code = under_mpirun("2", "work");
    if (code < 0) skip();
    assert_int_equal(code, 0);
    assert_int_equal(under_mpirun("3", "work"), 0);
    assert_int_equal(under_mpirun("2", "wrong"), 1); /* a rank that sees a difference fails the run */
    assert_int_equal(under_mpirun("2", "abort"), 7);
}

static int as_rank(const char *mode)
{
    pt_comm *c;
    if (pt_comm_mpi(60, &c) != PT_OK) {
        fprintf(stderr, "%s\n", pt_err_msg());
        return 2;
    }
    int code = 0;
    if (!strcmp(mode, "abort")) {
        if (c->rank == 1) c->abort(c, 7);
        c->barrier(c); /* rank 0 must not wait for ever */
        return 3;
    }
    if (!strcmp(mode, "wrong"))
        code = c->rank == c->size - 1;
    else
        code = exercise(c, SIZE_MAX);
    c->close(c);
    return code;
}

int main(int argc, char **argv)
{
    if (argc == 2) return as_rank(argv[1]);
    ssize_t n = readlink("/proc/self/exe", self_path, sizeof self_path - 1);
    if (n <= 0) return 1;
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_self), cmocka_unit_test(test_mpi)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

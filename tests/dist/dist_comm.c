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

#include "base/mem.h"
#include "train/dist/comm.h"

static pt_status get(void *user, float *host, pt_view v)
{
    memcpy(host, v.buf->base + v.off, (size_t)v.cols * sizeof *host);
    return PT_OK;
}
static pt_status put(void *user, pt_view v, const float *host)
{
    memcpy(v.buf->base + v.off, host, (size_t)v.cols * sizeof *host);
    return PT_OK;
}

#define CHECK(x)                                                                                                               \
    do {                                                                                                                       \
        if (!(x)) {                                                                                                            \
            fprintf(stderr, "rank %d, line %d: %s\n", c->rank, __LINE__, #x);                                                  \
            return 1;                                                                                                          \
        }                                                                                                                      \
    } while (0)

/* What every rank holds at place i before the sum: of very different sizes, so that the order of adding shows. */
static float part(int rank, size_t i)
{
    return (float)((rank + 1) * ((double)(i % 1000) - 499.5) * (i % 7 == 0 ? 1e6 : 1e-3));
}

static int exercise(pt_comm *c)
{
    static const size_t sizes[] = {1, 5, 1u << 20, (1u << 20) + 1, 3500000};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        size_t n = sizes[s];
        float *x = malloc(n * sizeof *x);
        CHECK(x);
        for (size_t i = 0; i < n; i++) x[i] = part(c->rank, i);
        pt_buf buf = {.base = (unsigned char *)x, .bytes = n * sizeof *x};
        pt_view v = {.buf = &buf, .type = PT_F32, .rows = 1, .cols = (int64_t)n, .ld = (int64_t)n};
        pt_comm_io io = {.get = get, .put = put};
        CHECK(c->allreduce_sum(c, v, &io) == PT_OK);
        for (size_t i = 0; i < n; i++) {
            double sum = 0;
            for (int r = 0; r < c->size; r++) sum += part(r, i);
            CHECK(x[i] == (float)sum);
        }
        free(x);
    }
    double d[2] = {1.0 / (c->rank + 3), 1e17 * (c->rank % 2 ? -1 : 1)}, want[2] = {0, 0};
    for (int r = 0; r < c->size; r++) {
        want[0] += 1.0 / (r + 3);
        want[1] += 1e17 * (r % 2 ? -1 : 1);
    }
    CHECK(c->allreduce_f64(c, d, 2) == PT_OK && d[0] == want[0] && d[1] == want[1]);
    int64_t lo[2] = {c->rank + 5, -c->rank}, hi[2] = {c->rank + 5, -c->rank};
    CHECK(c->allreduce_min(c, lo, 2) == PT_OK && lo[0] == 5 && lo[1] == 1 - c->size);
    CHECK(c->allreduce_max(c, hi, 2) == PT_OK && hi[0] == c->size + 4 && hi[1] == 0);
    char text[16] = "";
    if (c->rank == 0) memcpy(text, "from rank 0", 12);
    CHECK(c->broadcast(c, text, sizeof text, 0) == PT_OK && !strcmp(text, "from rank 0"));
    CHECK(c->barrier(c) == PT_OK);
    CHECK(c->sharers >= 1 && c->sharers <= c->local_size && c->local_rank < c->local_size && c->local_size <= c->size);
    return 0;
}

static void test_self(void **state)
{
    pt_comm *c;
    assert_int_equal(pt_comm_self(&c), PT_OK);
    assert_int_equal(c->size, 1);
    assert_int_equal(exercise(c), 0);
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
        assert_int_equal(pt_comm_mpi(&c), PT_ENOSUP);
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
    if (pt_comm_mpi(&c) != PT_OK) {
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
        code = exercise(c);
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

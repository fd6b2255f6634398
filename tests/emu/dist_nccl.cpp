/* The communicator over NCCL (the stand-in), with ranks as children of this program and TCP as their host channel. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <functional>
#include <string>
#include <vector>

extern "C" {
#include <cmocka.h>

#include "base/err.h"
#include "train/dist/launch.h"
#include "train/dist/nccl.h"
}
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "cuda_runtime.h"
#include "emu.h"
#include "nccl.h"

/* As in tests/dist/launch.h: below the ports that the system gives to connections. */
static int free_port(void)
{
    static unsigned tried;
    for (int i = 0; i < 20000; i++) {
        struct sockaddr_in a = {};
        a.sin_family = AF_INET;
        a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        a.sin_port = htons((uint16_t)(10240 + ((unsigned)getpid() * 7919u + tried++) % 20000u));
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        assert_true(fd >= 0);
        int rc = bind(fd, (struct sockaddr *)&a, sizeof a);
        close(fd);
        if (rc == 0) return ntohs(a.sin_port);
    }
    fail_msg("no free port");
    return -1;
}

struct outcome {
    int code;
    std::string said;
};
typedef std::function<int(pt_comm *host, pt_comm *dev)> rank_fn;

/* Runs fn as each of n ranks; 90: no host channel, 91: no NCCL. fn's second argument is NULL when `open` is false. */
static std::vector<outcome> run(int n, const rank_fn &fn, bool open = true, size_t bucket = 0, double wait = 20)
{
    std::vector<outcome> out((size_t)n);
    std::vector<int> fds((size_t)n);
    std::vector<pid_t> pids((size_t)n);
    pt_launch l = {};
    l.kind = PT_LAUNCH_TCP;
    l.size = n;
    l.local_rank = -1;
    strcpy(l.host, "127.0.0.1");
    strcpy(l.token, "emu");
    l.port = free_port();
    l.join_seconds = l.wait_seconds = 20;
    fflush(NULL);
    for (int r = 0; r < n; r++) {
        int fd[2];
        assert_int_equal(pipe(fd), 0);
        pids[(size_t)r] = fork();
        assert_true(pids[(size_t)r] >= 0);
        if (pids[(size_t)r] == 0) {
            pt_comm *host = NULL, *dev = NULL;
            int code = 0;
            close(fd[0]);
            dup2(fd[1], 2);
            l.rank = r;
            pt_nccl_open_args a = {};
            a.wait_seconds = wait;
            a.bucket_bytes = bucket;
            if (pt_comm_tcp(&l, &host) != PT_OK) code = 90;
            a.host = host;
            if (code == 0 && open && pt_nccl_open(&a, &dev) != PT_OK) code = 91;
            if (code == 0) code = fn(host, dev);
            if (code) fprintf(stderr, "%s\n", pt_err_msg());
            if (dev) {
                dev->broken = code != 0;
                dev->close(dev);
            }
            if (code && host) host->abort(host, 1);
            if (host) host->close(host);
            _exit(code);
        }
        close(fd[1]);
        fds[(size_t)r] = fd[0];
    }
    for (int left = n; left > 0; left--) { /* in the order of their ends: a dead child that nobody waits for looks alive */
        int st;
        pid_t p = wait4(-1, &st, 0, NULL);
        for (int r = 0; r < n; r++)
            if (pids[(size_t)r] == p) out[(size_t)r].code = WIFEXITED(st) ? WEXITSTATUS(st) : 128 + WTERMSIG(st);
    }
    for (int r = 0; r < n; r++) {
        char buf[4096];
        for (ssize_t k; (k = read(fds[(size_t)r], buf, sizeof buf)) > 0;) out[(size_t)r].said.append(buf, (size_t)k);
        close(fds[(size_t)r]);
    }
    return out;
}
static void all_good(const std::vector<outcome> &o)
{
    for (size_t r = 0; r < o.size(); r++)
        if (o[r].code) fail_msg("rank %zu: exit %d: %s", r, o[r].code, o[r].said.c_str());
}
static void says(const outcome &o, int code, const char *part)
{
    if (o.code != code || o.said.find(part) == std::string::npos)
        fail_msg("exit %d: '%s' (wanted %d: '%s')", o.code, o.said.c_str(), code, part);
}
#define CHECK(x)                                                                                                               \
    do {                                                                                                                       \
        if (!(x)) {                                                                                                            \
            fprintf(stderr, "line %d: %s: %s\n", __LINE__, #x, pt_err_msg());                                                  \
            return 1;                                                                                                          \
        }                                                                                                                      \
    } while (0)

static float part(int rank, size_t i, int round)
{
    return (float)((rank + 1) * ((double)(i % 1000) - 499.5) * (i % 7 ? 1e-3 : 1e3) + round);
}

/* n floats in device memory. */
struct vec {
    pt_buf buf = {};
    pt_view v = {};
    size_t n;
    std::vector<float> host;
    explicit vec(size_t count) : n(count), host(count)
    {
        if (cudaMalloc((void **)&buf.base, n * 4) != cudaSuccess) abort();
        buf.bytes = n * 4;
        v.buf = &buf;
        v.type = PT_F32;
        v.rows = 1;
        v.cols = v.ld = (int64_t)n;
    }
    ~vec()
    {
        cudaFree(buf.base);
    }
    /* Filled and read on `s`, without a wait between. */
    void fill(int rank, int round, cudaStream_t s)
    {
        for (size_t i = 0; i < n; i++) host[i] = part(rank, i, round);
        cudaMemcpyAsync(buf.base, host.data(), n * 4, cudaMemcpyHostToDevice, s);
    }
    long wrong(int ranks, int round, cudaStream_t s)
    {
        long bad = 0;
        cudaMemcpyAsync(host.data(), buf.base, n * 4, cudaMemcpyDeviceToHost, s);
        cudaStreamSynchronize(s);
        for (size_t i = 0; i < n; i++) {
            double want = 0;
            for (int r = 0; r < ranks; r++) want += part(r, i, round);
            bad += host[i] != (float)want;
        }
        return bad;
    }
};

/* Slices in a fixed order, each started when its part is filled; what follows on the stream sees all sums. */
static int work(pt_comm *host, pt_comm *c)
{
    vec x(10001);
    int least = 0, greatest = 0;
    cudaStream_t s;
    CHECK(cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking) == cudaSuccess);
    CHECK(cudaDeviceGetStreamPriorityRange(&least, &greatest) == cudaSuccess && greatest < least);
    CHECK(!strcmp(c->name, "nccl over tcp") && c->size == host->size && c->rank == host->rank && c->bucket_bytes % 64 == 0);
    int64_t step = (int64_t)(c->bucket_bytes / 4);
    for (int round = 0; round < 4; round++) {
        x.fill(c->rank, round, s);
        for (int64_t at = 0; at < x.v.cols; at += step)
            CHECK(c->allreduce_start(c, pt_view_cols(x.v, at, x.v.cols - at < step ? x.v.cols - at : step), s) == PT_OK);
        CHECK(c->allreduce_start(c, pt_view_cols(x.v, 0, 0), s) == PT_OK);
        CHECK(c->allreduce_wait(c, s) == PT_OK);
        if (round & 1) CHECK(c->allreduce_end(c) == PT_OK);
        CHECK(x.wrong(c->size, round, s) == 0);
        CHECK(c->allreduce_end(c) == PT_OK);
        CHECK(cudaPeekAtLastError() == cudaSuccess); /* what was not over yet when asked is no error */
        CHECK(emu_collective_priority == greatest); /* before blocks of the compute stream that wait for a place */
    }
    x.fill(c->rank, 9, s);
    CHECK(c->allreduce_sum(c, x.v, NULL) == PT_OK); /* after all that the device holds */
    CHECK(x.wrong(c->size, 9, s) == 0);
    double d = 1.0 / (c->rank + 1), want = 0;
    for (int r = 0; r < c->size; r++) want += 1.0 / (r + 1);
    int64_t lo = c->rank, hi = c->rank;
    CHECK(c->allreduce_f64(c, &d, 1) == PT_OK && d == want);
    CHECK(c->allreduce_min(c, &lo, 1) == PT_OK && lo == 0);
    CHECK(c->allreduce_max(c, &hi, 1) == PT_OK && hi == c->size - 1);
    char text[8] = "";
    if (c->rank == 1) strcpy(text, "one");
    CHECK(c->broadcast(c, text, sizeof text, 1) == PT_OK && !strcmp(text, "one"));
    CHECK(c->check(c) == PT_OK && c->barrier(c) == PT_OK);
    pt_view odd = x.v;
    odd.type = PT_BF16;
    CHECK(c->allreduce_start(c, odd, s) == PT_ESHAPE);
    cudaStreamDestroy(s);
    return 0;
}
static void test_work(void **)
{
    for (int lazy = 0; lazy < 2; lazy++) {
        emu_setting("LAZY", lazy ? "1" : "0");
        all_good(run(2, work, true, 4000));
        all_good(run(4, work, true, 13000)); /* becomes a multiple of 64 */
        all_good(run(2, work));
    }
    emu_setting("LAZY", "0");
}

/* Without the wait a stream reads too early: some order of the lazy streams shows it. The test of the tests. */
static void test_wait_needed(void **)
{
    emu_setting("LAZY", "1");
    int early = 0;
    for (int k = 0; k < 12 && !early; k++) {
        char order[32];
        snprintf(order, sizeof order, "rand:%d", k);
        emu_setting("ORDER", order);
        std::vector<outcome> o = run(2, [](pt_comm *, pt_comm *c) {
            vec x(5000);
            cudaStream_t s;
            cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking);
            x.fill(c->rank, 0, s);
            CHECK(c->allreduce_start(c, x.v, s) == PT_OK);
            long bad = x.wrong(c->size, 0, s);
            CHECK(c->allreduce_end(c) == PT_OK);
            return bad ? 7 : 0;
        });
        /* the check build names it and ends the rank; the others then see numbers, or a rank that is gone */
        for (const outcome &p : o) early += p.code != 0;
    }
    emu_setting("ORDER", "fwd");
    emu_setting("LAZY", "0");
    assert_true(early > 0);
}

static int one_sum(pt_comm *c, size_t n)
{
    vec x(n);
    cudaStream_t s;
    cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking);
    x.fill(c->rank, 0, s);
    pt_status rc = c->allreduce_start(c, x.v, s);
    if (rc == PT_OK) rc = c->allreduce_wait(c, s);
    if (rc == PT_OK) rc = c->allreduce_end(c);
    if (rc != PT_OK && (c->allreduce_start(c, x.v, s) != rc || c->allreduce_end(c) != rc)) return 2; /* once failed, always failed */
    c->broken = rc != PT_OK;
    cudaStreamSynchronize(s); /* ends */
    cudaStreamDestroy(s);
    return rc == PT_OK ? 0 : 1;
}
/* The stand-in ends a rank that asks for another size than the others (NCCL would hang); the rest must not wait for it. */
static void test_counts(void **)
{
    std::vector<outcome> o = run(2, [](pt_comm *, pt_comm *c) { return one_sum(c, c->rank ? 100 : 101); });
    int named = 0;
    for (const outcome &p : o) {
        assert_int_not_equal(p.code, 0);
        named += p.said.find("collectives differ") != std::string::npos;
    }
    assert_true(named > 0);
}
static void test_death(void **)
{
    for (int lazy = 0; lazy < 2; lazy++) {
        emu_setting("LAZY", lazy ? "1" : "0");
        std::vector<outcome> o = run(4, [](pt_comm *, pt_comm *c) {
            if (one_sum(c, 1000) || c->barrier(c) != PT_OK) return 3;
            if (c->rank == 2) kill(getpid(), SIGKILL);
            return one_sum(c, 1000);
        });
        assert_int_equal(o[2].code, 128 + SIGKILL);
        says(o[0], 1, "rank 2 failed: it is gone without a word"); /* has a connection to it */
        for (size_t r = 1; r < 4; r += 2) says(o[r], 1, "rank 2 failed: it is gone without a word");
    }
    emu_setting("LAZY", "0");
}
/* A rank that fails on its own tells the others why, while they wait inside a sum. */
static void test_abort(void **)
{
    std::vector<outcome> o = run(3, [](pt_comm *host, pt_comm *c) {
        if (c->rank == 1) {
            pt_fail(PT_ENOMEM, "no memory for the batch");
            c->abort(c, 1);
            return 5;
        }
        return one_sum(c, 1000);
    });
    assert_int_equal(o[1].code, 5);
    says(o[0], 1, "rank 1 failed: no memory for the batch");
    says(o[2], 1, "rank 1 failed: no memory for the batch");
}

/* A sum that no other rank starts: on the lazy stand-in nothing blocks the host but our own wait... until the operation runs,
 * so the one that gives up here is the other rank, which waits on the host channel. */
static void test_absent_in_sum(void **)
{
    setenv("EMU_NCCL_WAIT", "1", 1);
    std::vector<outcome> o =
        run(2, [](pt_comm *host, pt_comm *c) { return c->rank ? (host->barrier(host) == PT_OK ? 0 : 1) : one_sum(c, 10); });
    unsetenv("EMU_NCCL_WAIT");
    says(o[0], 99, "rank 1 does not come");
    says(o[1], 1, "rank 0 failed: it is gone without a word");
}

/* Opening: a rank that cannot tells the others, and nobody stays inside NCCL. */
static void test_open(void **)
{
    std::vector<outcome> o = run(
        3,
        [](pt_comm *host, pt_comm *) {
            if (host->rank == 1) emu_setting("FAIL", "malloc:1");
            pt_nccl_open_args a = {};
            pt_comm *dev = NULL;
            a.host = host;
            pt_status rc = pt_nccl_open(&a, &dev);
            if (rc == PT_OK) dev->close(dev);
            return rc == PT_OK ? 0 : 1;
        },
        false);
    says(o[1], 1, "NCCL on rank 1: ");
    says(o[0], 1, "NCCL on rank 1: ");
    says(o[2], 1, "NCCL on rank 1: ");
    o = run(
        1,
        [](pt_comm *host, pt_comm *) {
            pt_nccl_open_args a = {};
            pt_comm *dev = NULL;
            a.host = host;
            CHECK(pt_nccl_open(&a, &dev) == PT_EARG && !dev);
            return 0;
        },
        false);
    all_good(o);
}

/* A rank that is as far as the others, and then dies, or does something else, instead of joining NCCL: which waits for ever. */
static void test_join(void **)
{
    for (int dies = 0; dies < 2; dies++) {
        time_t start = time(NULL);
        std::vector<outcome> o = run(
            3,
            [dies](pt_comm *host, pt_comm *) {
                pt_nccl_open_args a = {};
                pt_comm *dev = NULL;
                a.host = host;
                a.wait_seconds = dies ? 60 : 1;
                if (host->rank != 1) return pt_nccl_open(&a, &dev) == PT_OK ? 0 : 1;
                int64_t well = host->size;
                ncclUniqueId id;
                CHECK(host->allreduce_min(host, &well, 1) == PT_OK && host->broadcast(host, &id, sizeof id, 0) == PT_OK);
                if (dies) kill(getpid(), SIGKILL);
                return host->barrier(host) == PT_OK ? 0 : 1;
            },
            false);
        if (dies) {
            assert_int_equal(o[1].code, 128 + SIGKILL);
            assert_true(time(NULL) - start < 50); /* by looking at the rank, not by the time that passed */
            for (size_t r = 0; r < 3; r += 2) says(o[r], 1, "rank 1 failed: it is gone without a word");
        } else {
            int named = 0; /* whoever gives up first tells the others */
            for (const outcome &p : o) {
                assert_int_equal(p.code, 1);
                named +=
                    p.said.find("joining the GPUs (ncclCommInitRankConfig): it has not ended within 1 s") != std::string::npos;
            }
            assert_int_equal(named, 3);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_work),   cmocka_unit_test(test_wait_needed),
                                       cmocka_unit_test(test_counts), cmocka_unit_test(test_death),
                                       cmocka_unit_test(test_abort),  cmocka_unit_test(test_absent_in_sum),
                                       cmocka_unit_test(test_open),   cmocka_unit_test(test_join)};
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

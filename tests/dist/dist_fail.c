/* Ranks that differ, hang, fail, die or leave in the middle of a run over TCP: all others learn who it was and why. */
#include "tests/dist/launch.h"

static int differ_kind(pt_comm *c)
{
    int64_t x = 1;
    pt_status rc = c->rank == 1 ? c->allreduce_max(c, &x, 1) : c->barrier(c);
    if (rc != PT_OK) c->abort(c, 1);
    return rc == PT_OK ? 0 : 91;
}
static int differ_count(pt_comm *c)
{
    double x[3] = {0};
    pt_status rc = c->allreduce_f64(c, x, c->rank == 2 ? 2 : 3);
    if (rc != PT_OK) c->abort(c, 1);
    return rc == PT_OK ? 0 : 91;
}
/* Rank 0 waits for rank 1, which waits until it hears of the death of rank 2: so rank 0 must look at all. */
static int dies(pt_comm *c)
{
    pt_status rc = PT_OK;
    if (c->rank == 2) kill(getpid(), SIGKILL);
    for (int i = 0; c->rank == 1 && i < 500 && rc == PT_OK; i++, usleep(10000)) rc = c->check(c);
    if (c->rank == 1 && rc == PT_OK) return 95;
    rc = c->barrier(c);
    if (rc != PT_OK) c->abort(c, 1);
    return rc == PT_OK ? 0 : 91;
}
static int centre_dies(pt_comm *c)
{
    if (c->rank == 0) kill(getpid(), SIGKILL);
    pt_status rc = c->barrier(c);
    if (rc != PT_OK) c->abort(c, 1);
    return rc == PT_OK ? 0 : 91;
}
static int aborts(pt_comm *c)
{
    if (c->barrier(c) != PT_OK) return 92;
    if (c->rank == 1) {
        pt_fail(PT_ENOMEM, "no memory for activations");
        c->abort(c, 1);
        return strcmp(pt_err_msg(), "no memory for activations") ? 93 : 0;
    }
    pt_status rc = c->barrier(c);
    if (rc != PT_OK) c->abort(c, 1);
    double x = 1;
    if (rc != PT_OK && c->allreduce_f64(c, &x, 1) == PT_OK) return 94; /* once failed, always failed */
    return rc == PT_OK ? 0 : 91;
}
static int hangs(pt_comm *c)
{
    if (c->rank == 1) usleep(1500000);
    pt_status rc = c->barrier(c);
    if (rc != PT_OK) c->abort(c, 1);
    return rc == PT_OK ? 0 : 91;
}
static int leaves(pt_comm *c)
{
    if (c->barrier(c) != PT_OK) return 92;
    if (c->rank == 1) return 0;
    pt_status rc = c->barrier(c);
    if (rc != PT_OK) c->abort(c, 1);
    return rc == PT_OK ? 0 : 91;
}
static int checks(pt_comm *c)
{
    pt_status rc = PT_OK;
    if (c->check(c) != PT_OK || c->barrier(c) != PT_OK) return 92;
    if (c->rank == 1) kill(getpid(), SIGKILL);
    for (int i = 0; i < 500 && rc == PT_OK; i++, usleep(10000)) rc = c->check(c);
    if (rc != PT_OK) c->abort(c, 1);
    return rc == PT_OK ? 0 : 91;
}

static void failing(int (*fn)(pt_comm *), int size, int who, int code, const char *why)
{
    outcome o[8];
    char text[300];
    pt_launch l = by_address(size);
    if (fn == hangs) l.wait_seconds = 0.5;
    run_all(l, fn, o);
    snprintf(text, sizeof text, "rank %d failed: %s", who, why);
    for (int r = 0; r < size; r++) {
        if (r == who && code != 91) {
            assert_int_equal(o[r].code, code);
            continue;
        }
        assert_int_equal(o[r].code, 91);
        has(o[r].said, text);
    }
}
static void test_failures(void **state)
{
    failing(differ_kind, 3, 1, 91, "it asks for a maximum of 8 bytes (call 1), rank 0 for a barrier of 0 (call 1)");
    failing(differ_count, 4, 2, 91, "it asks for a sum of numbers of 16 bytes (call 1), rank 0 for a sum of numbers of 24");
    failing(dies, 4, 2, 128 + SIGKILL, "it is gone without a word");
    failing(centre_dies, 4, 0, 128 + SIGKILL, "it is gone without a word");
    failing(aborts, 4, 1, 0, "no memory for activations");
    failing(leaves, 3, 1, 0, "it left before the others");
    failing(checks, 3, 1, 128 + SIGKILL, "it is gone without a word");
    failing(hangs, 3, 1, 91, "it did not come to a barrier (call 1) within 0 s");
}

int main(void)
{
    const struct CMUnitTest tests[] = {RANK_TEST(test_failures)};
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}

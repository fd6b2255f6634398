/* The sums of a step over ranks: one exchange, whatever is logged; sums, largest and smallest metrics, NaN, and a wish to stop. The ranks take
 * turns in this process: in a first round each rank's numbers are added up, in a second it gets the total. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "train/loop/run.h"

enum { SUM, MOST, LEAST, N, RANKS = 3 }; /* metrics, and how many */

static double total[1000];
static size_t sent;
static int round_now, exchanges;

static pt_status exchange(pt_comm *c, double *x, size_t n)
{
    (void)c;
    exchanges++;
    assert_in_range(n, 1, sizeof total / sizeof *total);
    if (sent) assert_int_equal(n, sent);
    sent = n;
    for (size_t i = 0; i < n; i++) {
        if (round_now == 0) total[i] += x[i];
        x[i] = total[i];
    }
    return PT_OK;
}
static pt_status no_other(pt_comm *c, int64_t *x, size_t n)
{
    (void)c, (void)x, (void)n;
    fail_msg("a second exchange");
    return PT_EINTERNAL;
}

/* in[rank]: the loss, then metrics of each kind, then a token sum. */
static void run_case(const double in[RANKS][2 + N], int stops, bool tokens, pt_step_sums out[RANKS])
{
    static pt_config cfg;
    static pt_run r;
    static pt_objective o;
    memset(&o, 0, sizeof o);
    o.n_metrics = N;
    o.metrics[SUM].reduce = PT_REDUCE_SUM;
    o.metrics[MOST].reduce = PT_REDUCE_MAX;
    o.metrics[LEAST].reduce = PT_REDUCE_MIN;
    memset(total, 0, sizeof total);
    sent = 0;
    for (round_now = 0; round_now < 2; round_now++)
        for (int k = 0; k < RANKS; k++) {
            volatile sig_atomic_t stop = k == stops;
            pt_comm comm = {.name = "test", .rank = k, .size = RANKS, .allreduce_f64 = exchange, .allreduce_max = no_other, .allreduce_min = no_other};
            memset(&r, 0, sizeof r);
            cfg.run.log_token_metrics = tokens;
            r.cfg = &cfg, r.comm = &comm, r.objective = &o, r.hooks.stop = &stop;
            r.report[PT_REPORT_LOSS] = in[k][0];
            for (int i = 0; i < N; i++) r.report[PT_REPORT_METRICS + i] = in[k][1 + i];
            r.tokens[0] = in[k][1 + N];
            exchanges = 0;
            assert_int_equal(pt_run_sum_report(&r, &out[k]), PT_OK);
            assert_int_equal(exchanges, 1);
        }
}

static void test_sums(void **state)
{
    static pt_step_sums s[RANKS];
    const double in[RANKS][2 + N] = {{1, 10, -3, 5, 100}, {2, 20, -1, 7, 200}, {4, 40, -2, 6, 400}};
    (void)state;
    for (int tokens = 0; tokens < 2; tokens++)
        for (int stops = -1; stops < RANKS; stops++) {
            run_case(in, stops, tokens, s);
            for (int k = 0; k < RANKS; k++) {
                assert_true(s[k].loss == 7 && s[k].finite && s[k].metrics[0] == 70 && s[k].metrics[1] == -1 && s[k].metrics[2] == 5);
                assert_true(s[k].tokens[0] == (tokens ? 700 : in[k][1 + N]));
                assert_int_equal(s[k].stop, stops >= 0);
            }
        }
}

/* A number that is none has no order: it is what all ranks see, whoever holds it, and of that metric alone. */
static void test_nan(void **state)
{
    static pt_step_sums s[RANKS];
    (void)state;
    for (int at = 0; at < RANKS; at++) {
        double in[RANKS][2 + N] = {{1, 1, 3, 5, 0}, {1, 1, 4, 6, 0}, {1, 1, 2, 4, 0}};
        in[at][2] = NAN;
        run_case(in, -1, false, s);
        for (int k = 0; k < RANKS; k++) assert_true(isnan(s[k].metrics[1]) && s[k].metrics[2] == 4 && s[k].metrics[0] == 3 && s[k].finite);
        in[at][2] = -INFINITY, in[at][0] = INFINITY;
        run_case(in, -1, false, s);
        for (int k = 0; k < RANKS; k++) assert_true(s[k].metrics[1] == (at == 1 ? 3 : 4) && !s[k].finite);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sums), cmocka_unit_test(test_nan)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

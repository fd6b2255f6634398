/* idl against its equation in long double: random sums, and the limits: margins of 1e4, beta near 0, equal answers, one token. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/rng.h"
#include "kernels/ops.h"
#include "train/objective/loss_types.h"
#include "train/objective/objective.h"

typedef long double real;

static const pt_objective *idl;

static void near(const char *what, double got, real want, real scale)
{
    if (!(fabsl(got - want) <= 1e-6L * fabsl(want) + 1e-12L * scale)) fail_msg("%s: %.17g instead of %.17Lg", what, got, want);
}

/* beta, lambda and the three answers' log-probabilities less the reference's. */
static void check(double beta, double lambda, const double logp[3], const double reference[3])
{
    pt_core_step s = {.norm = 1};
    pt_option_value values[PT_OBJECTIVE_KEYS] = {{0}};
    pt_core_answer a[3];
    double loss, metric[PT_CORE_METRICS] = {0};
    assert_int_equal(pt_objective_set(values, "beta", beta), PT_OK);
    assert_int_equal(pt_objective_set(values, "criterion_weight", lambda), PT_OK);
    pt_objective_options(idl, values, &s);
    s.list[PT_LOSS_SIGMOID - 1] = 1;
    for (int i = 0; i < 3; i++) a[i] = (pt_core_answer){.logp = logp[i], .reference = reference[i], .tokens = 1 + i};
    assert_int_equal(pt_record_loss(pt_objective_index(idl), &s, a, 3, &loss, metric), PT_OK);
    real d[3];
    for (int i = 0; i < 3; i++) d[i] = (real)beta * ((real)logp[i] - reference[i]);
    real u = d[0] - d[1], below = d[2] - d[0], q = u > 0 ? expl(-u) / (1 + expl(-u)) : 1 / (1 + expl(u));
    real want = u > 0 ? log1pl(expl(-u)) : -u + log1pl(expl(u)), size = fabsl(d[0]) + fabsl(d[1]) + fabsl(d[2]) + 1;
    real down = below > 0 ? lambda : 0;
    near("loss", loss, want + (below > 0 ? lambda * below : 0), size * (1 + lambda));
    near("chosen", a[0].dlogp, -beta * (q + down), beta * size * (1 + lambda));
    near("rejected", a[1].dlogp, beta * q, beta * size);
    near("criterion", a[2].dlogp, beta * down, 1);
    near("margin", metric[2], u, size);
}

static double some(uint64_t i, int k, double size)
{
    return size * ((double)pt_rng_unit(pt_rng_words(3, PT_RNG_TEST, i, (uint64_t)k).v[0]) - 1);
}

static void test_random(void **state)
{
    static const double sizes[] = {1e-3, 1, 30, 500, 1e5};
    for (uint64_t i = 0; i < 4000; i++) {
        double size = sizes[i % 5], logp[3], reference[3];
        for (int k = 0; k < 3; k++) logp[k] = some(i, k, size), reference[k] = some(i, 3 + k, size);
        check(pow(10, some(i, 6, 4)), 3 + some(i, 7, 3), logp, reference);
    }
}

static void test_limits(void **state)
{
    static const double zero[3] = {0, 0, 0};
    const double far[][3] = {{-1e4, 0, 0}, {0, -1e4, 0}, {0, 0, -1e4}, {-1e4, 0, 1e4}, {-3, -3, -3}, {-1, -2, -1}, {-1, -1, -2}};
    for (size_t i = 0; i < sizeof far / sizeof *far; i++)
        for (int k = 0; k < 3; k++) check(k == 0 ? 1 : k == 1 ? 1e-6 : 1e3, 1, far[i], zero);
    pt_core_step s = {.norm = 1};
    pt_option_value values[PT_OBJECTIVE_KEYS] = {{0}};
    assert_int_equal(pt_objective_set(values, "beta", 1), PT_OK);
    pt_objective_options(idl, values, &s);
    double loss;
    for (int i = 0; i < 3; i++) { /* what is no number is none in the loss, whichever answer has it */
        pt_core_answer a[3] = {{.logp = -1}, {.logp = -2}, {.logp = -3}};
        a[i].logp = NAN;
        assert_int_equal(pt_record_loss(pt_objective_index(idl), &s, a, 3, &loss, NULL), PT_OK);
        assert_true(isnan(loss));
    }
    pt_core_answer pair[2] = {{.logp = -1}, {.logp = -2}}; /* as an export measures rows: no criterion, no penalty */
    assert_int_equal(pt_record_loss(pt_objective_index(idl), &s, pair, 2, &loss, NULL), PT_OK);
    assert_true(fabs(loss - log1p(exp(-1))) < 1e-15);
}

int main(void)
{
    idl = pt_objective_find("idl");
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random), cmocka_unit_test(test_limits)};
    return idl ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}

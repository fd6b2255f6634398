/* Cores of objectives by tokens against float64 of PyTorch (tests/golden/token_losses.py): value and derivatives within 1e-6 relative, extremes within. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/loss.h"
#include "train/objective/objective.h"

#include "tests/golden/data/token_losses.inc"

static void near(const char *what, int i, double got, double want)
{
    if (!(fabs(got - want) <= 1e-6 * fabs(want) + 1e-15)) fail_msg("%s %d: %.17g instead of %.17g", what, i, got, want);
}

typedef struct set {
    const char *key;
    double value;
} set;

static pt_core_step step_of(const pt_objective *o, const set *s)
{
    pt_option_value values[PT_OBJECTIVE_KEYS] = {{0}};
    pt_core_step step = {.norm = 1};
    for (; s && s->key; s++) assert_int_equal(pt_objective_set(values, s->key, s->value), PT_OK);
    pt_objective_options(o, values, &step);
    return step;
}

/* want: losses, then dL/dlogp, then, where there is one, dL/dkl. */
static void tokens(const char *name, const set *s, const double *kl, const double *want)
{
    const pt_objective *o = pt_objective_find(name);
    pt_core_step step = step_of(o, s);
    for (int i = 0; i < TOKENS; i++) {
        double loss, metric[PT_CORE_METRICS] = {0};
        pt_core_answer a = {.logp = token_logp[i], .tokens = 1, .kl = kl ? kl[i] : 0, .column = {token_w[i]}};
        assert_int_equal(pt_record_loss(pt_objective_index(o), &step, &a, 1, &loss, metric), PT_OK);
        near(name, i, loss, want[i]);
        near(name, i, a.dlogp, want[TOKENS + i]);
        if (kl) near(name, i, a.dkl, want[2 * TOKENS + i]);
        if (kl) assert_true(metric[0] == kl[i]);
    }
}

static void test_tokens(void **state)
{
    static const set coef[] = {{"kl_coef", 0.37}, {NULL, 0}}, lambda[] = {{"kl_coef", 1.7}, {NULL, 0}}, shun[] = {{"unlikelihood_alpha", 0.6}, {NULL, 0}};
    tokens("dft", NULL, NULL, dft);
    tokens("unlikelihood", shun, NULL, unlikelihood);
    tokens("sft_kl", coef, token_kl, kl_coef_0);
    tokens("sft_kl", coef, token_kl + TOKENS, kl_coef_1);
    tokens("kl_sft", lambda, token_kl, kl_sft_0);
    tokens("kl_sft", lambda, token_kl + TOKENS, kl_sft_1);
}

/* A token's loss is the sum over its rows: one of the data, one of each id that the teacher names. */
static void test_kd(void **state)
{
    static const set alphas[] = {{"kd_alpha", 0.7}, {"kd_ce_alpha", 0.3}, {NULL, 0}};
    const pt_objective *o = pt_objective_find("kd");
    pt_core_step step = step_of(o, alphas);
    for (int i = 0; i < TOKENS; i++) {
        double loss, sum;
        pt_core_answer a = {.logp = token_logp[i], .tokens = 1};
        assert_int_equal(pt_record_loss(pt_objective_index(o), &step, &a, 1, &sum, NULL), PT_OK);
        near("kd", i, a.dlogp, kd_dce[i]);
        for (int k = i * NAMED; k < (i + 1) * NAMED; k++) {
            a = (pt_core_answer){.logp = kd_logp[k], .tokens = 1, .column = {kd_q[k]}};
            assert_int_equal(pt_record_loss(pt_objective_index(o), &step, &a, 1, &loss, NULL), PT_OK);
            near("kd", k, a.dlogp, kd_dlogp[k]);
            sum += loss;
        }
        near("kd", i, sum, kd_loss[i]);
    }
}

/* Limits: no coefficient is sft; a share of 1 is sft, of 0 the divergence alone; equal distributions cost nothing. */
static void test_limits(void **state)
{
    static const set none[] = {{"kl_coef", 0}, {NULL, 0}};
    pt_core_answer a = {.logp = -3, .kl = 1e4, .column = {1}};
    const pt_objective *near_start = pt_objective_find("sft_kl"), *star = pt_objective_find("kl_sft");
    pt_core_step step = step_of(near_start, none);
    double loss;
    assert_int_equal(pt_record_loss(pt_objective_index(near_start), &step, &a, 1, &loss, NULL), PT_OK);
    assert_true(loss == 3 && a.dlogp == -1 && a.dkl == 0);
    step = step_of(star, NULL);
    assert_int_equal(pt_record_loss(pt_objective_index(star), &step, &a, 1, &loss, NULL), PT_OK);
    assert_true(loss == 3 && a.dlogp == -1 && a.dkl == 0);
    a = (pt_core_answer){.logp = -1e4, .kl = 0.5, .column = {0}};
    assert_int_equal(pt_record_loss(pt_objective_index(star), &step, &a, 1, &loss, NULL), PT_OK);
    assert_true(loss == 0.5 && a.dlogp == 0 && a.dkl == 1);
    a = (pt_core_answer){.logp = -1e4, .kl = 0, .column = {0}};
    assert_int_equal(pt_record_loss(pt_objective_index(star), &step, &a, 1, &loss, NULL), PT_OK);
    assert_true(loss == 0);
    const pt_objective *shun = pt_objective_find("unlikelihood"); /* what the model is sure of: finite, and no slope */
    step = step_of(shun, NULL);
    a = (pt_core_answer){.logp = 0, .column = {0}};
    assert_int_equal(pt_record_loss(pt_objective_index(shun), &step, &a, 1, &loss, NULL), PT_OK);
    assert_true(loss == -log(1e-5) && a.dlogp == 0);
    a = (pt_core_answer){.logp = -1e4, .column = {0}};
    assert_int_equal(pt_record_loss(pt_objective_index(shun), &step, &a, 1, &loss, NULL), PT_OK);
    assert_true(loss == 0 && a.dlogp == 0);
    a = (pt_core_answer){.logp = NAN, .column = {0}};
    assert_int_equal(pt_record_loss(pt_objective_index(shun), &step, &a, 1, &loss, NULL), PT_OK);
    assert_true(isnan(loss));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_tokens), cmocka_unit_test(test_kd), cmocka_unit_test(test_limits)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

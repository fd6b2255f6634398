/* Objectives: finite differences, TRL's numbers, sums over micro-batches, refusals. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/loss_dft.h"
#include "base/loss_reward.h"
#include "base/loss_sft.h"
#include "train/objective/objective.h"

#pragma GCC diagnostic ignored "-Wunused-const-variable"
#include "tests/golden/data/objectives.inc"

#define PAIRS 5
#define PER 3 /* rows an answer */

/* PAIRS pairs of answers of PER rows each; group 2i is the chosen, 2i+1 the rejected of pair i. The two answers of a pair share
 * row 0 of the chosen: rows may stand in two groups. */
typedef struct fixture {
    pt_batch b;
    int32_t start[2 * PAIRS + 1], rows[2 * PAIRS * PER], pair[2 * PAIRS], head[2 * PAIRS * PER];
    float row_weight[2 * PAIRS * PER], weight[2 * PAIRS * PER], group_weight[2 * PAIRS], margin[2 * PAIRS], ref[2 * PAIRS];
    int8_t side[2 * PAIRS];
    float logp[2 * PAIRS * PER], dlogp[2 * PAIRS * PER];
} fixture;

static void setup(fixture *f, bool share)
{
    memset(f, 0, sizeof *f);
    for (int g = 0; g <= 2 * PAIRS; g++) f->start[g] = g * PER;
    for (int k = 0; k < 2 * PAIRS * PER; k++) {
        f->rows[k] = share && k / PER % 2 == 1 && k % PER == 0 ? k - PER : k;
        f->row_weight[k] = 1 + (float)(k % 3);
        f->weight[k] = 1;
    }
    for (int g = 0; g < 2 * PAIRS; g++) {
        f->pair[g] = g / 2;
        f->side[g] = g % 2 ? -1 : 1;
        f->group_weight[g] = 1;
    }
    f->b = (pt_batch){.n_rows = 2 * PAIRS * PER,
                      .row_weight = f->row_weight,
                      .row_head = f->head,
                      .n_groups = 2 * PAIRS,
                      .group_row_start = f->start,
                      .group_rows = f->rows,
                      .group_row_weight = f->weight,
                      .group_pair = f->pair,
                      .group_side = f->side,
                      .group_weight = f->group_weight,
                      .group_margin = f->margin,
                      .group_ref_logp = f->ref,
                      .step_pairs = PAIRS};
    for (int k = 0; k < f->b.n_rows; k++) f->b.step_row_weight += f->row_weight[k];
}

static void near(double got, double want, double tol)
{
    if (!(fabs(got - want) <= tol * (1 + fabs(want)))) fail_msg("%.17g instead of %.17g", got, want);
}

/* d/dx by central differences in double of the inline cores. */
static void test_cores(void **state)
{
    const double h = 1e-5, x[][5] = {{-3, -4, -3.5, -3.9, 0.1}, {-30, -10, -12, -25, 0.5}, {1, 2, 3, 4, 2}};
    for (size_t i = 0; i < 3; i++) {
        const double *v = x[i];
        pt_dpo_pair p = pt_loss_dpo(v[0], v[1], v[2], v[3], v[4]);
        near(p.dchosen,
             (pt_loss_dpo(v[0] + h, v[1], v[2], v[3], v[4]).loss - pt_loss_dpo(v[0] - h, v[1], v[2], v[3], v[4]).loss) /
                 (2 * h),
             1e-8);
        near(p.drejected,
             (pt_loss_dpo(v[0], v[1] + h, v[2], v[3], v[4]).loss - pt_loss_dpo(v[0], v[1] - h, v[2], v[3], v[4]).loss) /
                 (2 * h),
             1e-8);
        pt_reward_pair r = pt_loss_reward(v[0], v[1], v[4], 0.1 * v[4]);
        near(r.dchosen, (pt_loss_reward(v[0] + h, v[1], v[4], 0.1 * v[4]).loss - pt_loss_reward(v[0] - h, v[1], v[4], 0.1 * v[4]).loss) / (2 * h),
             1e-8);
        near(r.drejected, (pt_loss_reward(v[0], v[1] + h, v[4], 0.1 * v[4]).loss - pt_loss_reward(v[0], v[1] - h, v[4], 0.1 * v[4]).loss) / (2 * h),
             1e-8);
        double likely = exp(v[0]); /* held fixed */
        near(pt_loss_dft_grad(v[0], v[4], 7), likely * (pt_loss_sft(v[0] + h, v[4], 7) - pt_loss_sft(v[0] - h, v[4], 7)) / (2 * h), 1e-8);
        near(pt_loss_dft(v[0], v[4], 7), likely * pt_loss_sft(v[0], v[4], 7), 1e-15);
        near(pt_loss_sft_grad(v[4], 7), (pt_loss_sft(v[0] + h, v[4], 7) - pt_loss_sft(v[0] - h, v[4], 7)) / (2 * h), 1e-8);
    }
    near(pt_loss_dpo(0, 0, 0, 0, 0.1).loss, log(2), 1e-15);
    assert_true(isfinite(pt_loss_dpo(-1e6, 0, 0, 0, 1).loss) && isfinite(pt_loss_dpo(1e6, 0, 0, 0, 1).dchosen));
}

/* Whole objectives: dlogp against differences of the loss, with rows standing in two groups and weights other than 1. */
static void differences(const pt_objective *o, bool share)
{
    fixture f;
    setup(&f, share);
    float ref[2 * PAIRS * PER], score[2 * PAIRS], dscore[2 * PAIRS];
    for (int k = 0; k < f.b.n_rows; k++) {
        f.logp[k] = -0.25f * (float)(k % 7) - 0.5f;
        ref[k] = -0.125f * (float)(k % 5) - 1;
        f.weight[k] = k % 4 ? 1 : 0.5f;
    }
    for (int g = 0; g < 2 * PAIRS; g++) {
        score[g] = 0.5f * (float)(g % 3) - 0.25f * (float)(g % 2);
        f.margin[g] = 0.25f * (float)(g / 2);
        f.group_weight[g] = 1 + 0.5f * (float)(g / 2);
    }
    pt_objective_in in = {.batch = &f.b, .logp = f.logp, .score = score, .ref_logp = ref, .beta = 0.3};
    bool scores = o->channels & PT_CHANNEL_SCORE;
    pt_objective_out out = {.dlogp = scores ? NULL : f.dlogp, .dscore = scores ? dscore : NULL}, a = {0}, b = {0};
    assert_int_equal(o->eval(&in, &out), PT_OK);
    float *x = scores ? score : f.logp, *d = scores ? dscore : f.dlogp;
    double size = 0;
    for (int i = 0; i < (scores ? f.b.n_groups : f.b.n_rows); i++) {
        float keep = x[i];
        x[i] = keep + 0.015625f;
        assert_int_equal(o->eval(&in, &a), PT_OK);
        x[i] = keep - 0.015625f;
        assert_int_equal(o->eval(&in, &b), PT_OK);
        x[i] = keep;
        near(d[i], (a.loss - b.loss) / 0.03125, 2e-6);
        size += fabs(d[i]);
    }
    assert_true(size > 0.1);
}

static void test_differences(void **state)
{
    differences(&pt_objective_sft, false);
    differences(&pt_objective_dpo, false);
    differences(&pt_objective_dpo, true);
    differences(&pt_objective_reward, false);
}

static void test_dpo_golden(void **state)
{
    fixture f;
    setup(&f, false);
    for (int p = 0; p < PAIRS; p++)
        for (int s = 0; s < 2; s++) {
            f.logp[(2 * p + s) * PER] = (float)dpo_in[4 * p + s]; /* the sum in one row, others 0 */
            f.ref[2 * p + s] = (float)dpo_in[4 * p + 2 + s];
        }
    pt_objective_in in = {.batch = &f.b, .logp = f.logp, .beta = 0.1};
    pt_objective_out out = {.dlogp = f.dlogp};
    assert_int_equal(pt_objective_dpo.eval(&in, &out), PT_OK);
    near(out.loss, dpo_out[0], 1e-6);
    for (int i = 0; i < 6; i++) near(out.metrics[i], dpo_out[1 + i], 1e-6);
    for (int g = 0; g < 2 * PAIRS; g++)
        for (int k = 0; k < PER; k++) near(f.dlogp[g * PER + k], dpo_grad[g], 1e-6);
    /* the reference by rows says the same as by sums */
    float rows[2 * PAIRS * PER] = {0};
    for (int g = 0; g < 2 * PAIRS; g++) rows[g * PER + 1] = f.ref[g];
    pt_objective_out again = {0};
    in.ref_logp = rows;
    assert_int_equal(pt_objective_dpo.eval(&in, &again), PT_OK);
    assert_true(again.loss == out.loss);
}

static void test_reward_golden(void **state)
{
    fixture f;
    float score[8], dscore[8];
    setup(&f, false);
    f.b.n_groups = 8;
    f.b.step_pairs = 4;
    for (int g = 0; g < 8; g++) {
        score[g] = (float)reward_in[g];
        f.margin[g] = (float)reward_margin[g / 2];
    }
    pt_objective_out out = {.dscore = dscore};
    assert_int_equal(pt_objective_reward.eval(&(pt_objective_in){.batch = &f.b, .score = score}, &out), PT_OK);
    near(out.loss, reward_out[0], 1e-6);
    for (int i = 0; i < 3; i++) near(out.metrics[i], reward_out[1 + i], 1e-6);
    for (int g = 0; g < 8; g++) near(dscore[g], reward_grad[g], 1e-6);
}

/* Policy equal to reference: the margin is 0 exactly, whatever the sums. */
static void test_dpo_zero_margin(void **state)
{
    fixture f;
    setup(&f, true);
    for (int k = 0; k < f.b.n_rows; k++) f.logp[k] = -0.1f * (float)(k + 1) / 3;
    pt_objective_out out = {.dlogp = f.dlogp};
    assert_int_equal(
        pt_objective_dpo.eval(&(pt_objective_in){.batch = &f.b, .logp = f.logp, .ref_logp = f.logp, .beta = 0.1}, &out), PT_OK);
    assert_true(out.extreme == 0);
    near(out.loss, log(2), 1e-15);
    float other[2 * PAIRS * PER];
    memcpy(other, f.logp, sizeof other);
    other[4] += 0.5f;
    assert_int_equal(
        pt_objective_dpo.eval(&(pt_objective_in){.batch = &f.b, .logp = f.logp, .ref_logp = other, .beta = 0.1}, &out), PT_OK);
    assert_true(out.extreme > 0.049);
}

/* Two halves of a step add to the whole. */
static void test_micro_batches(void **state)
{
    fixture f;
    setup(&f, false);
    for (int k = 0; k < f.b.n_rows; k++) f.logp[k] = -0.3f * (float)(k % 11);
    const pt_objective *all[] = {&pt_objective_sft, &pt_objective_dpo};
    for (int i = 0; i < 2; i++) {
        pt_objective_out whole = {0}, part = {0};
        pt_objective_in in = {.batch = &f.b, .logp = f.logp, .beta = 0.1};
        assert_int_equal(all[i]->eval(&in, &whole), PT_OK);
        fixture h = f;
        h.b.n_groups = 4;
        h.b.n_rows = 4 * PER;
        h.b.group_row_start = h.start;
        in.batch = &h.b;
        assert_int_equal(all[i]->eval(&in, &part), PT_OK);
        double loss = part.loss, m = part.metrics[2];
        h.b.n_groups = 2 * PAIRS - 4;
        h.b.group_row_start += 4;
        h.b.group_pair += 4;
        h.b.group_side += 4;
        h.b.group_ref_logp += 4;
        h.b.group_weight += 4;
        for (int g = 4; g < 2 * PAIRS; g++) h.pair[g] -= 2;
        h.b.group_pair = h.pair + 4;
        h.b.row_weight = f.row_weight;
        if (i == 0) { /* rows 12.. */
            h.b.n_rows = f.b.n_rows - 4 * PER;
            h.b.row_weight = f.row_weight + 4 * PER;
            in.logp = f.logp + 4 * PER;
        } else
            h.b.n_rows = f.b.n_rows;
        assert_int_equal(all[i]->eval(&in, &part), PT_OK);
        near(loss + part.loss, whole.loss, 1e-14);
        near(m + part.metrics[2], whole.metrics[2], 1e-14);
    }
}

static void test_linear(void **state)
{
    fixture f;
    setup(&f, false);
    pt_objective_out out = {.dlogp = f.dlogp};
    assert_true(pt_objective_sft.linear && pt_objective_pretrain.linear && !pt_objective_dpo.linear);
    assert_int_equal(pt_objective_sft.eval(&(pt_objective_in){.batch = &f.b}, &out), PT_OK);
    for (int k = 0; k < f.b.n_rows; k++) near(f.dlogp[k], -f.row_weight[k] / f.b.step_row_weight, 1e-7);
}

static void test_bad(void **state)
{
    fixture f;
    setup(&f, false);
    pt_objective_out out = {0};
    pt_objective_in in = {.batch = &f.b, .logp = f.logp, .beta = 0.1};
    f.logp[7] = NAN; /* group 2 */
    assert_int_equal(pt_objective_dpo.eval(&in, &out), PT_OK);
    assert_int_equal(out.bad_group, 2);
    assert_true(isnan(out.loss));
    assert_int_equal(pt_objective_sft.eval(&in, &out), PT_OK);
    assert_int_equal(out.bad_group, 2);
    f.side[3] = 1; /* two chosen of one pair */
    assert_int_equal(pt_objective_dpo.eval(&in, &out), PT_ESHAPE);
    setup(&f, false);
    f.pair[3] = 2; /* rejected of another pair */
    assert_int_equal(pt_objective_dpo.eval(&in, &out), PT_ESHAPE);
    setup(&f, false);
    f.b.step_pairs = 0;
    assert_int_equal(pt_objective_dpo.eval(&in, &out), PT_ESHAPE);
    f.b.step_row_weight = 0;
    assert_int_equal(pt_objective_sft.eval(&in, &out), PT_ESHAPE);
    assert_int_equal(pt_objective_reward.eval(&in, &out), PT_ESHAPE);
    assert_ptr_equal(pt_objective_find("dpo"), &pt_objective_dpo);
    assert_null(pt_objective_find("dpo2"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cores),           cmocka_unit_test(test_differences),
        cmocka_unit_test(test_dpo_golden),      cmocka_unit_test(test_reward_golden),
        cmocka_unit_test(test_dpo_zero_margin), cmocka_unit_test(test_micro_batches),
        cmocka_unit_test(test_linear),          cmocka_unit_test(test_bad),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Objectives of judged answers and of pairs without a reference against TRL's own code in float64 (tests/golden/unpaired.py), and against their papers;
 * statistics of the step; limits. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/loss.h"
#include "train/objective/objective.h"

#include "tests/golden/data/unpaired.inc"

enum { MOST = 64 };

static void near(const char *name, double got, double want, double tol)
{
    if (!(fabs(got - want) <= tol * (1e-6 + fabs(want)))) fail_msg("%s: %.17g instead of %.17g", name, got, want);
}

/* n records of `each` answers through their statistics and cores: loss, metrics, derivatives. */
typedef struct outcome {
    double loss, metric[PT_CORE_METRICS];
} outcome;

static outcome run(const pt_objective *o, pt_core_step *s, pt_core_answer *a, int n, int each)
{
    outcome out = {0};
    int64_t start[MOST];
    float weight[MOST];
    for (int i = 0; i <= n; i++) start[i] = each * i, weight[i] = 1;
    s->norm = n;
    if (o->n_stats) assert_int_equal(o->stats(s, &(pt_step_answers){.answer = a, .start = start, .weight = weight, .n = n}, s->stat), PT_OK);
    for (int i = 0; i < n; i++) {
        double loss, metric[PT_CORE_METRICS] = {0};
        for (int k = 0; k < each; k++) a[each * i + k].dlogp = 0;
        assert_int_equal(pt_record_loss(pt_objective_index(o), s, a + each * i, each, &loss, metric), PT_OK);
        out.loss += loss / n;
        for (int k = 0; k < o->n_metrics; k++)
            if (o->metrics[k].reduce == PT_REDUCE_MEAN) out.metric[k] += metric[k] / n;
    }
    return out;
}

static double metric_of(const pt_objective *o, const outcome *x, const char *name)
{
    for (int k = 0; k < o->n_metrics; k++)
        if (o->metrics[k].name && !strcmp(o->metrics[k].name, name)) return x->metric[k];
    fail_msg("%s has no metric %s", o->name, name);
    return 0;
}

/* An objective with its options, as a config gives them. */
static const pt_objective *chosen(const char *name, const char *const *keys, const double *values, int n, pt_core_step *s)
{
    pt_option_value set[PT_OBJECTIVE_KEYS] = {{0}};
    const pt_objective *o = pt_objective_find(name);
    for (int k = 0; k < n; k++) assert_int_equal(pt_objective_set(set, keys[k], values[k]), PT_OK);
    o = pt_objective_variant(o, set);
    *s = (pt_core_step){.norm = 1, .training = 1};
    pt_objective_options(o, set, s);
    return o;
}

static const char *const judged_keys[] = {"beta", "desirable_weight", "undesirable_weight", "loss_type"};

/* Rows of logp, ref, kl_logp, kl_ref, label into records of two answers. */
static int judged(const double *in, int n, pt_core_answer *a, pt_core_step *s)
{
    double good = 0;
    for (int i = 0; i < n; i++) {
        a[2 * i] = (pt_core_answer){.logp = in[5 * i], .tokens = 1, .reference = in[5 * i + 1], .column = {in[5 * i + 4]}};
        a[2 * i + 1] = (pt_core_answer){.logp = in[5 * i + 2], .tokens = 1, .reference = in[5 * i + 3], .column = {in[5 * i + 4]}};
        good += in[5 * i + 4];
    }
    s->column_mean[0] = good / n;
    return n;
}

static void judged_case(int type, const char *name, const double *in, size_t size, const double *out, const double *grad, const double *set)
{
    static const char *const names[] = {"rewards/chosen", "rewards/rejected", "rewards/margins", "logps/chosen", "logps/rejected", "kl"};
    pt_core_step s;
    pt_core_answer a[MOST];
    const pt_objective *o = chosen("kto", judged_keys, (const double[]){set[0], set[1], set[2], type}, 4, &s);
    int n = judged(in, (int)(size / 5), a, &s);
    outcome x = run(o, &s, a, n, 2);
    near(name, x.loss, out[0], 1e-9);
    for (int k = 0; k < (o->n_stats ? 6 : 5); k++) near(names[k], metric_of(o, &x, names[k]), out[1 + k], 1e-9);
    for (int i = 0; i < n; i++) {
        near(name, a[2 * i].dlogp / n, grad[i], 1e-9);
        assert_true(a[2 * i + 1].dlogp == 0);
    }
}
#define COUNT(x) (sizeof(x) / sizeof *(x))
#define JUDGED(type, name) judged_case(type, #name, name##_in, COUNT(name##_in), name##_out, name##_grad, name##_set)

static void test_kto(void **state)
{
    JUDGED(PT_LOSS_KTO, kto_near);
    JUDGED(PT_LOSS_KTO, kto_weighed);
    JUDGED(PT_LOSS_KTO, kto_clamped);
    JUDGED(PT_LOSS_KTO, kto_far);
    JUDGED(PT_LOSS_KTO, kto_faint);
    JUDGED(PT_LOSS_APO_ZERO_UNPAIRED, apo_near);
    JUDGED(PT_LOSS_APO_ZERO_UNPAIRED, apo_far);
}

/* No mismatched answers, no KL. */
static void test_kto_stats(void **state)
{
    pt_core_step s;
    const pt_objective *o = chosen("kto", NULL, NULL, 0, &s);
    pt_core_answer a[2] = {{.logp = NAN}, {.logp = NAN}};
    double stat[PT_CORE_STATS];
    const int64_t one[] = {0, 1}, two[] = {0, 2};
    const float weight[] = {1};
    assert_int_equal(o->stats(&s, &(pt_step_answers){.answer = a, .start = one, .weight = weight, .n = 1}, stat), PT_ESHAPE);
    assert_int_equal(o->stats(&s, &(pt_step_answers){.answer = a, .start = two, .weight = weight, .n = 1}, stat), PT_OK);
    assert_true(isnan(stat[0]));
}

/* The paper's, written down again: means of the rewards of each kind so far, the step's included. */
static void test_bco(void **state)
{
    static const double set[] = {0.3, 1.25, 0.75}, label[][5] = {{1, 0, 1, 1, 0}, {1, 1, 1, 1, 1}, {0, 0, 1, 0, 1}};
    pt_core_step s;
    const pt_objective *o = chosen("bco", judged_keys, set, 3, &s);
    double sum[2] = {0}, seen[2] = {0};
    for (int step = 0; step < 3; step++) {
        pt_core_answer a[5], keep[5];
        double share = 0;
        for (int i = 0; i < 5; i++) {
            double r = step == 1 && i == 2 ? 1e4 : sin(3 * i + 7 * step) * 8;
            a[i] = (pt_core_answer){.logp = -30 + r, .tokens = 4, .reference = -30, .column = {label[step][i]}};
            sum[label[step][i] > 0] += 0.3 * r;
            seen[label[step][i] > 0]++;
            share += label[step][i] / 5;
        }
        s.column_mean[0] = share;
        memcpy(keep, a, sizeof a);
        outcome x = run(o, &s, a, 5, 1);
        double delta = (sum[1] / seen[1] + sum[0] / seen[0]) / 2, loss = 0;
        for (int i = 0; i < 5; i++) {
            bool good = label[step][i] > 0;
            double u = (0.3 * (a[i].logp + 30) - delta) * (good ? 1 : -1), w = good ? 1.25 : 0.75, p = u > 700 ? 1 : 1 / (1 + exp(-u));
            loss += w * (u < -700 ? -u : log1p(exp(-u))) / 5;
            near("bco derivative", a[i].dlogp, (good ? -1 : 1) * w * 0.3 * (1 - p), 1e-9);
        }
        near("bco", x.loss, loss, 1e-9);
        near("bco shift", metric_of(o, &x, "rewards/shift"), delta, 1e-9);
        s.training = 0; /* an evaluation between steps takes the means as they are */
        for (int k = 0; k < 4; k++) s.state[k] = s.stat[1 + k];
        run(o, &s, keep, 5, 1);
        near("bco shift of an evaluation", s.stat[0], delta, 1e-12);
        s.training = 1;
        o->advance(&s, x.metric, s.state);
    }
    assert_true(seen[0] == s.state[2] && seen[1] == s.state[0]);
}

/* Rows of the two sums, then the two counts of tokens. */
static void pair_case(const pt_objective *o, pt_core_step *s, const char *name, const double *in, size_t size, const double *out, const double *grad, const char *const *names)
{
    int n = (int)(size / 4);
    pt_core_answer a[MOST];
    s->first_tokens = 0;
    for (int i = 0; i < 2 * n; i++) {
        a[i] = (pt_core_answer){.logp = in[4 * (i / 2) + i % 2], .tokens = in[4 * (i / 2) + 2 + i % 2]};
        if (i % 2 == 0) s->first_tokens += a[i].tokens;
    }
    outcome x = run(o, s, a, n, 2);
    near(name, x.loss, out[0], 1e-9);
    for (int k = 0; names[k]; k++) near(names[k], metric_of(o, &x, names[k]), out[1 + k], 1e-9);
    for (int i = 0; i < 2 * n; i++) near(name, a[i].dlogp / n, grad[i], 1e-7);
}
#define PAIR(o, s, name, names) pair_case(o, s, #name, name##_in, COUNT(name##_in), name##_out, name##_grad, names)

static void test_orpo(void **state)
{
    static const char *const keys[] = {"beta", "orpo_prompt_loss"}, *const names[] = {"rewards/chosen", "rewards/rejected", "rewards/accuracies", "rewards/margins",
                                                                                      "logps/chosen",   "logps/rejected",   "nll_loss",           "log_odds_ratio",
                                                                                      "log_odds_chosen", NULL};
    pt_core_step s;
    const pt_objective *o = chosen("orpo", keys, (const double[]){0.25, 0}, 2, &s);
    PAIR(o, &s, orpo_near, names);
    PAIR(o, &s, orpo_wide, names);
    /* the whole conversation is the third answer, where it is asked for */
    for (int prompt = 0; prompt < 2; prompt++) {
        pt_core_answer a[3] = {{.logp = -4, .tokens = 4}, {.logp = -9, .tokens = 3}, {.logp = -12, .tokens = 8}};
        double loss[2];
        o = chosen("orpo", keys, (const double[]){0.25, prompt}, 2, &s);
        for (int n = 2; n <= 3; n++) assert_int_equal(pt_record_loss(pt_objective_index(o), &s, a, n, &loss[n - 2], NULL), PT_OK);
        near("prompt", loss[1] - loss[0], prompt ? 1.5 - 1 : 0, 1e-12);
        near("prompt derivative", a[2].dlogp, prompt ? -1.0 / 8 : 0, 1e-12);
    }
    /* a chosen answer that is certain: no slope of the odds, none that is no number */
    pt_core_answer sure[2] = {{.logp = 0, .tokens = 1}, {.logp = -3, .tokens = 1}};
    double loss;
    assert_int_equal(pt_record_loss(pt_objective_index(o), &s, sure, 2, &loss, NULL), PT_OK);
    assert_true(loss == 0 && isfinite(sure[0].dlogp) && sure[1].dlogp == 0);
}

static const char *const cpo_metrics[] = {"rewards/chosen", "rewards/rejected", "rewards/accuracies", "rewards/margins", "logps/chosen", "logps/rejected", "nll_loss", NULL};

/* set: beta, label_smoothing, cpo_alpha, simpo_gamma, alpha */
static void cpo_case(int type, const char *name, const double *in, size_t size, const double *out, const double *grad, const double *set)
{
    static const char *const keys[] = {"beta", "label_smoothing", "cpo_alpha", "simpo_gamma", "alpha", "loss_type"};
    pt_core_step s;
    const pt_objective *o = chosen("cpo", keys, (const double[]){set[0], set[1], set[2], set[3], set[4], type}, 6, &s);
    pair_case(o, &s, name, in, size, out, grad, cpo_metrics);
}
#define CPO(type, name)                                                                                                            \
    cpo_case(type, #name "_near", name##_near_in, COUNT(name##_near_in), name##_near_out, name##_near_grad, name##_near_set);      \
    cpo_case(type, #name "_wide", name##_wide_in, COUNT(name##_wide_in), name##_wide_out, name##_wide_grad, name##_wide_set)

static void test_cpo(void **state)
{
    CPO(PT_LOSS_SIGMOID, cpo_sigmoid);
    CPO(PT_LOSS_SIGMOID, cpo_smooth);
    CPO(PT_LOSS_HINGE, cpo_hinge);
    CPO(PT_LOSS_IPO, cpo_ipo);
    CPO(PT_LOSS_SIMPO, cpo_simpo);
    CPO(PT_LOSS_SIMPO, cpo_simpo_nll);
    CPO(PT_LOSS_ALPHAPO, cpo_alphapo);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_kto), cmocka_unit_test(test_kto_stats), cmocka_unit_test(test_bco), cmocka_unit_test(test_orpo), cmocka_unit_test(test_cpo)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

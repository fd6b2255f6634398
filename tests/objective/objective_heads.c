/* Objectives of heads against TRL's RewardTrainer, transformers' losses of classifiers, torch, and definitions in double (tests/golden/heads.py): values and
 * derivatives, record by record in double, and whole batches through group_loss of ref and cpu; and limits. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/ops.h"
#include "train/objective/objective.h"

#include "tests/golden/data/heads.inc"

enum { CASES = sizeof head_cases / sizeof *head_cases, MOST = 16, WIDEST = 8, ALL = 32 };

static void near(const char *what, double got, double want, double tol)
{
    if (!(fabs(got - want) <= tol * (1 + fabs(want)))) fail_msg("%s: %.17g instead of %.17g", what, got, want);
}

static void set_options(const head_case *c, const pt_objective *o, pt_core_step *s)
{
    pt_option_value values[PT_OBJECTIVE_KEYS] = {{0}};
    char text[128], *rest = text, *one;
    snprintf(text, sizeof text, "%s", c->options);
    while ((one = strtok_r(rest, " ", &rest))) {
        char *equal = strchr(one, '=');
        *equal = 0;
        assert_int_equal(pt_objective_set(values, one, strtod(equal + 1, NULL)), PT_OK);
    }
    pt_objective_options(o, values, s);
    for (int k = 0; k < c->n_weights; k++) s->list[k] = c->weights[k];
    s->n_list = c->n_weights;
}

/* One record's answers of a case, from answer `at` on. */
static void fill(const head_case *c, int at, int n, pt_core_answer *a, double value[MOST][WIDEST], double slope[MOST][WIDEST])
{
    for (int i = 0; i < n; i++) {
        a[i] = (pt_core_answer){.logp = -1, .tokens = 1, .score = c->in[(at + i) * c->width]};
        for (int k = 0; k < c->columns; k++) a[i].column[k] = c->column[(at + i) * c->columns + k];
        for (int k = 0; k < c->width; k++) value[i][k] = c->in[(at + i) * c->width + k], slope[i][k] = 0;
        pt_core_values(&a[i], c->width, value[i], slope[i]);
    }
}

/* In double, a record at a time. */
static void test_double(void **state)
{
    for (int x = 0; x < CASES; x++) {
        const head_case *c = &head_cases[x];
        const pt_objective *o = pt_objective_find(c->objective);
        pt_core_step s = {.norm = c->records};
        double sum = 0;
        assert_non_null(o);
        set_options(c, o, &s);
        for (int r = 0, at = 0; r < c->records; at += c->sizes[r++]) {
            pt_core_answer a[MOST];
            double value[MOST][WIDEST], slope[MOST][WIDEST], loss;
            assert_true(c->sizes[r] <= MOST && c->width <= WIDEST && c->columns <= o->n_columns);
            fill(c, at, c->sizes[r], a, value, slope);
            assert_int_equal(pt_record_loss(pt_objective_index(o), &s, a, c->sizes[r], &loss, NULL), PT_OK);
            sum += loss / c->records;
            for (int i = 0; i < c->sizes[r]; i++)
                for (int k = 0; k < c->width; k++) near(c->name, a[i].dvalue[k] / c->records, c->grad[(at + i) * c->width + k], 1e-12);
        }
        near(c->name, sum, c->loss, 1e-12);
    }
}

/* ---- whole batches ---- */

static const pt_ops *ops = &pt_ops_ref;
static pt_ctx ctx;
static pt_buf bufs[16];
static int n_bufs;

static pt_view view(void *p, pt_dtype type, int64_t rows, int64_t cols)
{
    assert_true(n_bufs < 16);
    bufs[n_bufs] = (pt_buf){.base = p, .bytes = (size_t)(rows * cols) * (type == PT_F64 ? 8 : 4)};
    return (pt_view){.buf = &bufs[n_bufs++], .type = type, .rows = rows, .cols = cols, .ld = cols};
}

/* pool: an answer's value is the mean of two positions, of which one is twice it and the other 0. */
static void batch(const head_case *c, bool pool)
{
    const pt_objective *o = pt_objective_find(c->objective);
    pt_core_step s = {.norm = c->records};
    static float value[2 * ALL * WIDEST], slope[2 * ALL * WIDEST], weight[2 * ALL], column[(1 + PT_CORE_COLUMNS) * ALL], mark;
    static int32_t start[ALL + 1], rows[2 * ALL], record[ALL + 1];
    static _Alignas(64) char room[1 << 18];
    double report[PT_REPORT_SIZE] = {0};
    int answers = 0, per = pool ? 2 : 1, w = c->width;
    mark = 0;
    for (int r = 0; r < c->records; r++) record[r] = answers, answers += c->sizes[r];
    record[c->records] = answers;
    assert_true(answers <= ALL);
    set_options(c, o, &s);
    for (int g = 0; g < answers; g++) {
        start[g + 1] = per * (g + 1);
        column[g] = 1;
        for (int k = 0; k < c->columns; k++) column[(1 + k) * answers + g] = (float)c->column[g * c->columns + k];
        for (int e = 0; e < per; e++) {
            rows[per * g + e] = per * g + e;
            weight[per * g + e] = 1 / (float)per;
            for (int k = 0; k < w; k++) value[(per * g + e) * w + k] = e ? 0 : (float)per * (float)c->in[g * w + k];
        }
    }
    n_bufs = 0;
    pt_group_loss_args a = {.objective = pt_objective_index(o), .step = s};
    for (int k = 0; k < o->n_metrics; k++) a.reduce[k] = (unsigned char)o->metrics[k].reduce;
    a.values = (pt_loss_channel){view(value, PT_F32, per * answers, w), view(slope, PT_F32, per * answers, w), view(start, PT_I32, 1, answers + 1), view(rows, PT_I32, 1, per * answers),
                                 view(weight, PT_F32, 1, per * answers)};
    a.column = view(column, PT_F32, 1 + c->columns, answers);
    a.record_start = view(record, PT_I32, 1, c->records + 1);
    a.report = view(report, PT_F64, 1, PT_REPORT_SIZE);
    a.mark = view(&mark, PT_F32, 1, 1);
    ctx.workspace = view(room, PT_F32, 1, sizeof room / 4);
    ctx.workspace.type = PT_U8, ctx.workspace.cols = ctx.workspace.ld = sizeof room;
    assert_int_equal(ops->group_loss(&ctx, &a), PT_OK);
    near(c->name, report[PT_REPORT_LOSS], c->loss, 1e-6);
    for (int g = 0; g < answers; g++)
        for (int e = 0; e < per; e++)
            for (int k = 0; k < w; k++) near(c->name, (double)slope[(per * g + e) * w + k], c->grad[g * w + k] / per, 1e-6);
    assert_true(mark == 0);
}

static void test_batches(void **state)
{
    for (int x = 0; x < CASES; x++) batch(&head_cases[x], false);
}

static void test_means_of_positions(void **state)
{
    for (int x = 0; x < CASES; x++) batch(&head_cases[x], true);
}

/* ---- limits ---- */

static double loss_of(const char *name, const char *key, double v, pt_core_answer *a, int n)
{
    const pt_objective *o = pt_objective_find(name);
    pt_option_value values[PT_OBJECTIVE_KEYS] = {{0}};
    pt_core_step s = {.norm = 1};
    double loss;
    if (key) assert_int_equal(pt_objective_set(values, key, v), PT_OK);
    pt_objective_options(o, values, &s);
    for (int i = 0; i < n; i++) a[i].dscore = a[i].dlogp = 0;
    assert_int_equal(pt_record_loss(pt_objective_index(o), &s, a, n, &loss, NULL), PT_OK);
    return loss;
}

/* The margin that is read from log-probabilities is that of the definition, within its bounds; log-probabilities get no gradient. */
static void test_adaptive_margin(void **state)
{
    pt_core_answer a[2] = {{.logp = -12, .tokens = 6, .reference = -20, .score = 1, .width = 1}, {.logp = -10, .tokens = 4, .reference = -11, .score = 0.25, .width = 1}};
    const double ld = -2 + 2.5, pr = 8 - 1;
    near("ld", loss_of("charm", "adaptive_margin_max", 10, a, 2), log1p(exp(-(0.75 - ld))), 1e-15);
    assert_true(a[0].dlogp == 0 && a[1].dlogp == 0);
    near("ld slope", a[0].dscore, -1 / (1 + exp(0.75 - ld)), 1e-15);
    near("pr", loss_of("charm_ratio", "adaptive_margin_max", 10, a, 2), log1p(exp(-(0.75 - pr))), 1e-15);
    near("pr, clipped above", loss_of("charm_ratio", "adaptive_margin_max", 1, a, 2), log1p(exp(-(0.75 - 1))), 1e-15);
    near("scale 0 is reward", loss_of("charm_ratio", "adaptive_margin_scale", 0, a, 2), loss_of("reward", NULL, 0, a, 2), 0);
    a[0].logp = -1e6;
    near("clipped below", loss_of("charm", NULL, 0, a, 2), log1p(exp(-0.75)), 1e-15);
    a[0].logp = 1e4;
    assert_true(isfinite(loss_of("charm_ratio", "adaptive_margin_max", 1e6, a, 2)) && isfinite(a[0].dscore));
}

/* Two answers are a pair; a list of one order has the loss of that order whatever stands where. */
static void test_lists(void **state)
{
    pt_core_answer p[2] = {{.score = 0.5, .width = 1}, {.score = -1, .width = 1}}, l[2];
    memcpy(l, p, sizeof l);
    l[0].column[0] = l[1].column[0] = 1, l[0].column[1] = 4, l[1].column[1] = 2;
    for (int k = 0; k < 2; k++) {
        double c = k ? 0.1 : 0;
        near("a pair", loss_of("plackett_luce", "center_rewards_coefficient", c, l, 2), loss_of("reward", "center_rewards_coefficient", c, p, 2), 1e-15);
        for (int i = 0; i < 2; i++) near("its slope", l[i].dscore, p[i].dscore, 1e-15);
    }
    l[1].column[1] = 4; /* equal: nothing is above anything */
    assert_true(loss_of("plackett_luce", NULL, 0, l, 2) == 0 && l[0].dscore == 0);
    near("equal scores", (p[1].score = p[0].score, loss_of("reward", NULL, 0, p, 2)), log(2), 1e-15);
}

/* Cut-points that nearly fall together, and far ones, have a finite loss; the probabilities of all levels sum to 1. */
static void test_levels(void **state)
{
    static const double at[][4] = {{0.3, -0.5, 1, -2}, {0, 0, -800, -800}, {1e4, 0, 3, 3}, {-1e4, 500, 700, 1e3}};
    for (int x = 0; x < 4; x++) {
        double sum = 0;
        for (int y = 0; y < 4; y++) {
            double slope[4];
            pt_core_answer a = {.column = {1, y}};
            pt_core_values(&a, 4, at[x], slope);
            double loss = loss_of("ordinal", "num_labels", 4, &a, 1);
            assert_true(isfinite(loss) && loss >= 0);
            for (int k = 0; k < 4; k++) assert_true(isfinite(slope[k]));
            sum += exp(-loss);
        }
        near("the levels' probabilities", sum, 1, 1e-12);
    }
}

/* F1 and correlation are made of sums that records and steps add to. */
static void test_derived(void **state)
{
    static const int gold[] = {0, 0, 1, 1, 2, 2}, said[] = {0, 1, 1, 1, 2, 0};
    const pt_objective *o = pt_objective_find("classify"), *r = pt_objective_find("regress");
    double mean[PT_CORE_METRICS] = {0}, line[PT_CORE_METRICS] = {0}, wrong[PT_CORE_METRICS] = {0};
    pt_core_step s = {.norm = 1};
    for (int i = 0; i < 6; i++) {
        double v[3] = {0}, d[3], metric[PT_CORE_METRICS] = {0}, loss;
        pt_core_answer a = {.column = {1, gold[i]}};
        v[said[i]] = 2;
        pt_core_values(&a, 3, v, d);
        assert_int_equal(pt_record_loss(pt_objective_index(o), &s, &a, 1, &loss, metric), PT_OK);
        for (int k = 0; k < o->n_metrics; k++) mean[k] += metric[k] / 6;
        for (int sign = -1; sign < 2; sign += 2) {
            pt_core_answer x = {.score = 3 + sign * 0.5 * i, .column = {1, i}, .width = 1};
            double sums[PT_CORE_METRICS] = {0};
            pt_core_step t = {.norm = 1, .option = {1, 1, 1}};
            assert_int_equal(pt_record_loss(pt_objective_index(r), &t, &x, 1, &loss, sums), PT_OK);
            for (int k = 0; k < r->n_metrics; k++) (sign > 0 ? line : wrong)[k] += sums[k] / 6;
        }
    }
    near("accuracy", mean[0], 4.0 / 6, 1e-15);
    assert_string_equal(o->metrics[1].name, "macro_f1");
    near("macro F1", o->metrics[1].derive(mean, 3), (0.5 + 0.8 + 2.0 / 3) / 3, 1e-12); /* sklearn's f1_score(average="macro") of these */
    assert_true(isnan(o->metrics[1].derive(mean, 17)));
    assert_string_equal(r->metrics[2].name, "pearson");
    near("a rising line", r->metrics[2].derive(line, 1), 1, 1e-9);
    near("a falling one", r->metrics[2].derive(wrong, 1), -1, 1e-9);
}

/* What a label cannot be. */
static void test_fits(void **state)
{
    const pt_objective *classify = pt_objective_find("classify"), *many = pt_objective_find("multilabel"), *regress = pt_objective_find("regress"), *levels = pt_objective_find("ordinal"),
                       *list = pt_objective_find("plackett_luce"), *heads = pt_objective_find("reward_heads");
    assert_null(classify->fits((double[33]){1, 2}, 3, 1));
    assert_non_null(classify->fits((double[33]){1, 3}, 3, 1));
    assert_non_null(classify->fits((double[33]){1, 1.5}, 3, 1));
    assert_non_null(classify->fits((double[33]){1, -1}, 3, 1));
    assert_non_null(classify->fits((double[33]){0}, 3, 1));
    assert_non_null(classify->fits((double[33]){2, 1, 1}, 3, 1));
    assert_null(many->fits((double[33]){2, 1, 0.5}, 2, 1));
    assert_non_null(many->fits((double[33]){2, 1, 2}, 2, 1));
    assert_non_null(many->fits((double[33]){1, 1}, 2, 1));
    assert_null(regress->fits((double[33]){2, -4, 2}, 2, 1));
    assert_non_null(regress->fits((double[33]){1, -4}, 2, 1));
    assert_non_null(regress->fits((double[33]){0}, 1, 1));
    assert_non_null(levels->fits((double[33]){1, 0}, 1, 1));
    assert_null(list->fits((double[33]){1, -3}, 1, 2));
    assert_non_null(list->fits((double[33]){1, -3}, 1, 1));
    assert_non_null(list->fits((double[33]){0, -3}, 1, 2));
    assert_null(heads->fits((double[33]){0, 3}, 3, 2));
    assert_non_null(heads->fits((double[33]){0, 4}, 3, 2));
}

static int on_cpu(void **state)
{
    ops = &pt_ops_cpu;
    return ops->open(&ctx, PT_COMPUTE_F32);
}
static int off_cpu(void **state)
{
    ops->close(&ctx);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_double), cmocka_unit_test(test_batches), cmocka_unit_test(test_means_of_positions), cmocka_unit_test(test_adaptive_margin),
                                       cmocka_unit_test(test_lists),  cmocka_unit_test(test_levels),  cmocka_unit_test(test_derived),            cmocka_unit_test(test_fits)};
    const struct CMUnitTest again[] = {cmocka_unit_test(test_batches), cmocka_unit_test(test_means_of_positions)};
    int bad = cmocka_run_group_tests(tests, NULL, NULL);
    return bad + cmocka_run_group_tests(again, on_cpu, off_cpu);
}

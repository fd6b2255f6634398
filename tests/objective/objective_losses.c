/* Objectives: the cores by finite differences, TRL's numbers, whole batches through group_loss of ref and cpu, weights, refusals. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/ops.h"
#include "train/objective/objective.h"

#pragma GCC diagnostic ignored "-Wunused-const-variable"
#include "tests/golden/data/objectives.inc"

enum { PAIRS = 5, PER = 3, GROUPS = 2 * PAIRS, ROWS = GROUPS * PER, MOST_VALUES = 16 };

static void near(double got, double want, double tol)
{
    if (!(fabs(got - want) <= tol * (1 + fabs(want)))) fail_msg("%.17g instead of %.17g", got, want);
}

/* ---- one record -------------------------------------------------------------------------------------------------------- */

static double core(const pt_objective *o, const pt_core_step *s, pt_core_answer *a, int n)
{
    double loss;
    for (int i = 0; i < n; i++) a[i].dlogp = a[i].dscore = a[i].dentropy = a[i].dlog_squares = a[i].dkl = 0;
    assert_int_equal(pt_record_loss(pt_objective_index(o), s, a, n, &loss, NULL), PT_OK);
    return loss;
}

static double slope(const pt_objective *o, const pt_core_step *s, const pt_core_answer *at, int n, size_t field, int i)
{
    const double h = 1e-5;
    pt_core_answer a[4], b[4];
    memcpy(a, at, (size_t)n * sizeof *a);
    memcpy(b, at, (size_t)n * sizeof *b);
    *(double *)((char *)&a[i] + field) += h;
    *(double *)((char *)&b[i] + field) -= h;
    return (core(o, s, a, n) - core(o, s, b, n)) / (2 * h);
}

/* By number k at the end of answer i. */
static double slope_of_value(const pt_objective *o, const pt_core_step *s, const pt_core_answer *at, int n, int i, int k)
{
    const double h = 1e-5;
    double side[2];
    for (int up = 0; up < 2; up++) {
        pt_core_answer a[4];
        double value[MOST_VALUES], unused[4][MOST_VALUES] = {{0}};
        memcpy(a, at, (size_t)n * sizeof *a);
        memcpy(value, at[i].value, (size_t)at[i].width * sizeof *value);
        value[k] += up ? h : -h;
        for (int j = 0; j < n; j++) pt_core_values(&a[j], a[j].width, j == i ? value : a[j].value, unused[j]);
        side[up] = core(o, s, a, n);
    }
    return (side[1] - side[0]) / (2 * h);
}

/* Every objective of the list: dL/dlogp, dL/dscore, dL/dvalue and dL/d of sums over the vocabulary, of each answer against central differences. */
static void test_cores(void **state)
{
    static const double at[][4] = {{-3, -4, -3.5, -3.9}, {-30, -10, -12, -25}, {-0.4, -2, -0.1, -4}};
    for (size_t k = 0; k < pt_objective_count(); k++) {
        const pt_objective *o = pt_objective_at(k);
        pt_option_value none[PT_OBJECTIVE_KEYS] = {{0}};
        pt_core_step s = {.norm = 1, .stat = {0.25, 0.5}};
        pt_objective_options(o, none, &s);
        int n = o->answers ? o->answers : 3, width = pt_objective_width(o, none);
        double value[4][MOST_VALUES], dvalue[4][MOST_VALUES] = {{0}};
        assert_true(width <= MOST_VALUES);
        bool fixed = !strcmp(o->name, "dft"); /* its probability is held fixed */
        if (!strcmp(o->name, "wpo")) continue; /* so is its weight: tests/objective/objective_pairs.c compares with TRL's */
        for (size_t i = 0; i < 3; i++) {
            pt_core_answer a[4] = {{0}};
            for (int j = 0; j < n; j++)
                a[j] = (pt_core_answer){.logp = at[i][j], .tokens = 2 + j, .reference = at[i][(j + 2) % 4], .score = at[i][3 - j] / 4, .entropy = 1.5 + j, .log_squares = 0.75 - 0.125 * j, .kl = 0.5 * (j + 1), .column = {0.5, 0.25}};
            for (int j = 0; j < n; j++) {
                for (int v = 0; v < width; v++) value[j][v] = at[i][(j + v) % 4] / (2 + v);
                pt_core_values(&a[j], width, value[j], dvalue[j]);
            }
            pt_core_answer keep[4];
            memcpy(keep, a, sizeof keep);
            core(o, &s, a, n);
            double got[4][MOST_VALUES];
            memcpy(got, dvalue, sizeof got);
            for (int j = 0; j < n; j++) {
                double p = fixed ? exp(at[i][j]) : 1, d = slope(o, &s, keep, n, offsetof(pt_core_answer, logp), j);
                if (fixed) d -= -p * at[i][j]; /* d(-p l)/dl less the part through p */
                if (o->still & PT_CHANNEL_LOGP) assert_true(a[j].dlogp == 0); /* asked, and held fixed */
                else near(a[j].dlogp, d, 1e-7);
                near(a[j].dentropy, slope(o, &s, keep, n, offsetof(pt_core_answer, entropy), j), 1e-7);
                near(a[j].dlog_squares, slope(o, &s, keep, n, offsetof(pt_core_answer, log_squares), j), 1e-7);
                near(a[j].dkl, slope(o, &s, keep, n, offsetof(pt_core_answer, kl), j), 1e-7);
                near(a[j].dscore, slope(o, &s, keep, n, offsetof(pt_core_answer, score), j), 1e-7);
                for (int v = 0; width > 1 && v < width; v++) near(got[j][v], slope_of_value(o, &s, keep, n, j, v), 1e-7);
            }
        }
    }
    const pt_objective *dpo = pt_objective_find("dpo");
    pt_core_step s = {.norm = 1};
    pt_option_value unset[PT_OBJECTIVE_KEYS] = {{0}};
    pt_objective_options(dpo, unset, &s);
    pt_core_answer same[2] = {{0}}, far[2] = {{.logp = -1e6}, {.logp = 0}};
    near(core(dpo, &s, same, 2), log(2), 1e-15);
    s.option[0] = 1;
    assert_true(isfinite(core(dpo, &s, far, 2)) && isfinite(far[0].dlogp));
}

/* ---- whole batches ------------------------------------------------------------------------------------------------------- */

/* PAIRS pairs of answers of PER rows each; group 2i is the chosen, 2i+1 the rejected of pair i. share: the two answers of a pair share row 0
 * of the chosen. */
typedef struct fixture {
    const pt_objective *o;
    int32_t start[GROUPS + 1], rows[ROWS], ends[GROUPS + 1], heads[GROUPS], record[GROUPS + 1];
    float row_column[PT_CORE_ROW_COLUMNS][ROWS], row_weight[ROWS], weight[ROWS], ones[GROUPS], column[(1 + PT_CORE_COLUMNS) * GROUPS], reference[ROWS], sums[GROUPS];
    float logp[ROWS], dlogp[ROWS], score[GROUPS], dscore[GROUPS], mark;
    double report[PT_REPORT_SIZE];
    bool by_rows_reference, by_sums;
    float vocab[PT_VOCAB_SUMS][ROWS], dvocab[PT_VOCAB_SUMS][ROWS]; /* of head positions */
    int32_t head[ROWS], entry_head[ROWS];
    int n_heads;
    float *values, *dvalues; /* [GROUPS, width], of a width beyond 1 */
    int width;
    int records, n_rows;
    pt_core_step step;
    pt_option_value options[PT_OBJECTIVE_KEYS];
} fixture;

static void setup(fixture *f, const char *name, bool share)
{
    memset(f, 0, sizeof *f);
    f->o = pt_objective_find(name);
    for (int g = 0; g <= GROUPS; g++) f->start[g] = g * PER, f->ends[g] = g;
    for (int r = 0; r <= PAIRS; r++) f->record[r] = 2 * r;
    for (int k = 0; k < ROWS; k++) {
        f->rows[k] = share && k / PER % 2 == 1 && k % PER == 0 ? k - PER : k;
        f->row_weight[k] = 1 + (float)(k % 3);
        for (int c = 0; c < PT_CORE_ROW_COLUMNS; c++) f->row_column[c][k] = (float)((k + c) % 5) / 4;
        f->weight[k] = 1;
    }
    for (int g = 0; g < GROUPS; g++) f->column[g] = f->ones[g] = 1, f->heads[g] = g;
    f->records = PAIRS;
    f->n_rows = ROWS;
    double rows = 0;
    for (int k = 0; k < ROWS; k++) rows += f->row_weight[k];
    f->step.norm = pt_objective_norm(f->o, rows, GROUPS, PAIRS);
}

static pt_buf bufs[32];
static int n_bufs;
static pt_view view(void *p, pt_dtype type, int64_t rows, int64_t cols)
{
    assert_true(n_bufs < 32);
    bufs[n_bufs] = (pt_buf){.base = p, .bytes = (size_t)(rows * cols) * (type == PT_F64 ? 8 : 4)};
    return (pt_view){.buf = &bufs[n_bufs++], .type = type, .rows = rows, .cols = cols, .ld = cols};
}

static const pt_ops *ops = &pt_ops_ref;
static pt_ctx ctx;

static pt_status run(fixture *f, bool gradient)
{
    pt_group_loss_args a = {.objective = pt_objective_index(f->o)};
    n_bufs = 0;
    pt_objective_options(f->o, f->options, &f->step);
    a.step = f->step;
    for (int k = 0; k < f->o->n_metrics; k++) a.reduce[k] = (unsigned char)f->o->metrics[k].reduce;
    if (f->o->channels & PT_CHANNELS_OF_ROWS)
        a.logp = (pt_loss_channel){view(f->logp, PT_F32, 1, f->n_rows), gradient ? view(f->dlogp, PT_F32, 1, f->n_rows) : PT_NO_VIEW,
                                   view(f->start, PT_I32, 1, GROUPS + 1), view(f->rows, PT_I32, 1, ROWS), view(f->weight, PT_F32, 1, ROWS)};
    for (int k = 0; k < PT_VOCAB_SUMS; k++) {
        if (!(pt_objective_vocab(f->o) >> k & 1)) continue;
        a.vocab[k] = a.logp;
        a.vocab[k].value = view(f->vocab[k], PT_F32, 1, f->n_heads);
        a.vocab[k].dvalue = gradient ? view(f->dvocab[k], PT_F32, 1, f->n_heads) : PT_NO_VIEW;
        a.vocab[k].rows = f->o->by_rows ? view(f->head, PT_I32, 1, f->n_rows) : view(f->entry_head, PT_I32, 1, ROWS);
    }
    if (f->width)
        a.values = (pt_loss_channel){view(f->values, PT_F32, GROUPS, f->width), gradient ? view(f->dvalues, PT_F32, GROUPS, f->width) : PT_NO_VIEW,
                                     view(f->ends, PT_I32, 1, GROUPS + 1), view(f->heads, PT_I32, 1, GROUPS), view(f->ones, PT_F32, 1, GROUPS)};
    if (f->o->channels & PT_CHANNEL_SCORE)
        a.values = (pt_loss_channel){view(f->score, PT_F32, GROUPS, 1), gradient ? view(f->dscore, PT_F32, GROUPS, 1) : PT_NO_VIEW,
                                    view(f->ends, PT_I32, 1, GROUPS + 1), view(f->heads, PT_I32, 1, GROUPS), view(f->ones, PT_F32, 1, GROUPS)};
    a.row_weight = view(f->row_weight, PT_F32, 1, f->n_rows);
    for (int k = 0; f->o->by_rows && k < f->o->n_columns; k++) a.row_column[k] = view(f->row_column[k], PT_F32, 1, f->n_rows);
    if (f->by_rows_reference) a.reference = view(f->reference, PT_F32, 1, ROWS);
    if (f->by_sums) a.reference_sum = view(f->sums, PT_F32, 1, GROUPS);
    a.column = view(f->column, PT_F32, 1 + f->o->n_columns, GROUPS);
    a.record_start = view(f->record, PT_I32, 1, f->records + 1);
    a.report = view(f->report, PT_F64, 1, PT_REPORT_SIZE);
    a.mark = view(&f->mark, PT_F32, 1, 1);
    ctx.workspace = PT_NO_VIEW;
    static _Alignas(64) char room[1 << 16];
    ctx.workspace = view(room, PT_F32, 1, sizeof room / 4);
    ctx.workspace.type = PT_U8, ctx.workspace.cols = ctx.workspace.ld = sizeof room;
    return ops->group_loss(&ctx, &a);
}
static double loss_of(fixture *f)
{
    memset(f->report, 0, sizeof f->report);
    assert_int_equal(run(f, false), PT_OK);
    return f->report[PT_REPORT_LOSS];
}

/* dlogp and dscore against differences of the loss, with rows standing in two groups and weights other than 1. */
static void differences(const char *name, bool share)
{
    fixture f;
    setup(&f, name, share);
    for (int k = 0; k < ROWS; k++) {
        f.logp[k] = -0.25f * (float)(k % 7) - 0.5f;
        f.reference[k] = -0.125f * (float)(k % 5) - 1;
        f.weight[k] = k % 4 ? 1 : 0.5f;
    }
    for (int g = 0; g < GROUPS; g++) {
        f.score[g] = 0.5f * (float)(g % 3) - 0.25f * (float)(g % 2);
        f.column[g] = 1 + 0.5f * (float)(g / 2);
        f.column[GROUPS + g] = 0.25f * (float)(g / 2);
    }
    f.by_rows_reference = f.o->reference;
    if (f.o->reference) assert_int_equal(pt_objective_set(f.options, "beta", 0.3), PT_OK);
    if (f.o->verdicts)
        for (int g = 0; g < GROUPS; g++) f.column[GROUPS + g] = g % 4 < 2;
    assert_int_equal(run(&f, true), PT_OK);
    bool scores = f.o->channels & PT_CHANNEL_SCORE;
    float *x = scores ? f.score : f.logp, d[ROWS], size = 0;
    memcpy(d, scores ? f.dscore : f.dlogp, (size_t)(scores ? GROUPS : ROWS) * sizeof *d);
    for (int i = 0; i < (scores ? GROUPS : ROWS); i++) {
        float keep = x[i];
        x[i] = keep + 0.015625f;
        double up = loss_of(&f);
        x[i] = keep - 0.015625f;
        double down = loss_of(&f);
        x[i] = keep;
        near(d[i], (up - down) / 0.03125, 2e-6);
        size += fabsf(d[i]);
    }
    assert_true(size > 0.1f);
}

static void test_differences(void **state)
{
    differences("sft", false);
    differences("pretrain", false);
    differences("kd", false);
    differences("kl_sft", false);
    differences("dpo", false);
    differences("dpo", true);
    differences("kto", true);
    differences("bco", true);
    differences("orpo", true);
    differences("cpo", true);
    differences("kto_apo", true);
    differences("reward", false);
}

/* Whole batches of objectives with several values an answer: the list has none but by OBJECTIVES+= (tests/cli/plant_values.sh). Answers 2 and 3 end on one
 * token. */
static void test_values(void **state)
{
    int tried = 0;
    for (size_t k = 0; k < pt_objective_count(); k++) {
        const pt_objective *o = pt_objective_at(k);
        fixture f;
        setup(&f, o->name, false);
        int width = pt_objective_width(o, f.options), answers = o->answers ? o->answers : 2;
        float value[GROUPS * MOST_VALUES], d[GROUPS * MOST_VALUES], size = 0;
        if (width < 2) continue;
        f.values = value, f.dvalues = d, f.width = width;
        f.records = GROUPS / answers;
        for (int r = 0; r <= f.records; r++) f.record[r] = answers * r;
        f.heads[3] = 2;
        for (int i = 0; i < GROUPS * width; i++) value[i] = 0.25f * (float)(i % 7) - 0.5f;
        for (int j = 0; j < o->n_columns; j++)
            for (int g = 0; g < GROUPS; g++) f.column[(1 + j) * GROUPS + g] = (float)((g + j) % 2);
        for (int i = 0; i < ROWS; i++) f.logp[i] = -0.25f * (float)(i % 7) - 0.5f;
        assert_int_equal(run(&f, true), PT_OK);
        float got[GROUPS * MOST_VALUES];
        memcpy(got, d, sizeof got);
        for (int i = 0; i < GROUPS * width; i++) {
            float keep = value[i];
            value[i] = keep + 0.015625f;
            double up = loss_of(&f);
            value[i] = keep - 0.015625f;
            double down = loss_of(&f);
            value[i] = keep;
            near(got[i], (up - down) / 0.03125, 2e-5);
            size += fabsf(got[i]);
        }
        assert_true(size > 0.1f);
        for (int v = 0; v < width; v++) assert_true(got[3 * width + v] == 0); /* nobody ends there */
        tried++;
    }
    if (!tried) print_message("# no objective of this list has several values\n");
}

/* Whole batches of objectives that take sums over the vocabulary: the list has none but by OBJECTIVES+= (tests/cli/plant_vocab.sh). Every third row has the
 * head of the row before it, the last head has no row, and rows stand in two answers. */
static void test_vocab(void **state)
{
    int tried = 0;
    for (size_t i = 0; i < pt_objective_count(); i++) {
        const pt_objective *o = pt_objective_at(i);
        fixture f;
        float got[PT_VOCAB_SUMS][ROWS], size = 0;
        if (!pt_objective_vocab(o) || !strcmp(o->name, "wpo") || !strcmp(o->name, "dpo_kl")) continue; /* a weight held fixed; a sum that is measured alone */
        setup(&f, o->name, !o->by_rows);
        int answers = o->answers ? o->answers : 2;
        f.records = GROUPS / answers;
        for (int r = 0; r <= f.records; r++) f.record[r] = answers * r;
        for (int k = 0; k < ROWS; k++) f.head[k] = k - (k + 1) / 3;
        for (int k = 0; k < ROWS; k++) f.entry_head[k] = f.head[f.rows[k]];
        f.n_heads = f.head[ROWS - 1] + 2;
        f.row_weight[5] = f.weight[5] = 0;
        f.by_rows_reference = o->reference;
        for (int k = 0; k < o->n_options; k++) /* what is no part of the loss unless it is asked for */
            if (o->options[k].kind == PT_OPTION_NUMBER && o->options[k].max >= 1 && !(o->options[k].min > 0) && o->options[k].fallback && !strcmp(o->options[k].fallback, "0"))
                assert_int_equal(pt_objective_set(f.options, o->options[k].key, 0.5), PT_OK);
        for (int k = 0; k < ROWS; k++) f.logp[k] = -0.25f * (float)(k % 7) - 0.5f, f.reference[k] = -0.125f * (float)(k % 5) - 1;
        for (int s = 0; s < PT_VOCAB_SUMS; s++)
            for (int h = 0; h < f.n_heads; h++) f.vocab[s][h] = 0.125f * (float)((h + 3 * s) % 11) + 0.25f;
        assert_int_equal(run(&f, true), PT_OK);
        memcpy(got, f.dvocab, sizeof got);
        for (int s = 0; s < PT_VOCAB_SUMS; s++)
            for (int h = 0; pt_objective_vocab(o) >> s & 1 && h < f.n_heads; h++) {
                float *x = &f.vocab[s][h], keep = *x;
                *x = keep + 0.015625f;
                double up = loss_of(&f);
                *x = keep - 0.015625f;
                double down = loss_of(&f);
                *x = keep;
                near(got[s][h], (up - down) / 0.03125, 2e-5);
                if (h == f.n_heads - 1) assert_true(got[s][h] == 0);
                size += fabsf(got[s][h]);
            }
        assert_true(size > 0.01f);
        tried++;
    }
    if (!tried) print_message("# none of these takes sums over the vocabulary\n");
}

static void test_dpo_golden(void **state)
{
    fixture f;
    setup(&f, "dpo", false);
    for (int p = 0; p < PAIRS; p++)
        for (int s = 0; s < 2; s++) {
            f.logp[(2 * p + s) * PER] = (float)dpo_in[4 * p + s]; /* the sum in one row, others 0 */
            f.sums[2 * p + s] = (float)dpo_in[4 * p + 2 + s];
        }
    f.by_sums = true;
    assert_int_equal(run(&f, true), PT_OK);
    double loss = f.report[PT_REPORT_LOSS];
    near(loss, dpo_out[0], 1e-6);
    for (int i = 0; i < 6; i++) near(f.report[PT_REPORT_METRICS + i], dpo_out[1 + i], 1e-6);
    for (int g = 0; g < GROUPS; g++)
        for (int k = 0; k < PER; k++) near(f.dlogp[g * PER + k], dpo_grad[g], 1e-6);
    /* the reference by rows says the same as by sums */
    for (int g = 0; g < GROUPS; g++) f.reference[g * PER + 1] = f.sums[g];
    f.by_rows_reference = true;
    f.by_sums = false;
    assert_true(loss_of(&f) == loss);
}

static void test_reward_golden(void **state)
{
    fixture f;
    setup(&f, "reward", false);
    f.records = 4;
    f.step.norm = 4;
    for (int g = 0; g < 8; g++) {
        f.score[g] = (float)reward_in[g];
        f.column[GROUPS + g] = (float)reward_margin[g / 2];
    }
    assert_int_equal(run(&f, true), PT_OK);
    near(f.report[PT_REPORT_LOSS], reward_out[0], 1e-6);
    for (int i = 0; i < 3; i++) near(f.report[PT_REPORT_METRICS + i], reward_out[1 + i], 1e-6);
    for (int g = 0; g < 8; g++) near(f.dscore[g], reward_grad[g], 1e-6);
}

/* Policy equal to reference: the margin is 0 exactly, whatever the sums. */
static void test_dpo_zero_margin(void **state)
{
    fixture f;
    setup(&f, "dpo", true);
    int apart = 0;
    while (!f.o->metrics[apart].zero_at_start) apart++;
    f.by_rows_reference = true;
    for (int k = 0; k < ROWS; k++) f.reference[k] = f.logp[k] = -0.1f * (float)(k + 1) / 3;
    near(loss_of(&f), log(2), 1e-15);
    assert_true(f.report[PT_REPORT_METRICS + apart] == 0);
    f.reference[4] += 0.5f;
    loss_of(&f);
    assert_true(f.report[PT_REPORT_METRICS + apart] > 0.049);
}

/* Two halves of a step add to the whole: the report goes on where it stands. */
static void test_micro_batches(void **state)
{
    static const char *const names[] = {"sft", "dpo"};
    for (int i = 0; i < 2; i++) {
        fixture f;
        setup(&f, names[i], false);
        f.by_sums = f.o->reference;
        for (int k = 0; k < ROWS; k++) f.logp[k] = -0.3f * (float)(k % 11);
        double whole = loss_of(&f), metric = f.report[PT_REPORT_METRICS + 2];
        memset(f.report, 0, sizeof f.report);
        f.records = 2;
        f.n_rows = i ? ROWS : 4 * PER;
        assert_int_equal(run(&f, true), PT_OK);
        f.records = PAIRS - 2;
        memmove(f.record, f.record + 2, (PAIRS - 1) * sizeof *f.record);
        if (i == 0) {
            f.n_rows = ROWS - 4 * PER;
            memmove(f.logp, f.logp + 4 * PER, (size_t)f.n_rows * sizeof *f.logp);
            memmove(f.row_weight, f.row_weight + 4 * PER, (size_t)f.n_rows * sizeof *f.row_weight);
        }
        assert_int_equal(run(&f, true), PT_OK);
        near(f.report[PT_REPORT_LOSS], whole, 1e-14);
        near(f.report[PT_REPORT_METRICS + 2], metric, 1e-14);
    }
}

/* A record of weight 2 is that record twice, in the loss, the metrics and the gradient; one of weight 0 is as good as absent, whatever it holds. */
static void test_weights(void **state)
{
    fixture f;
    setup(&f, "dpo", false);
    f.by_sums = true;
    for (int k = 0; k < ROWS; k++) f.logp[k] = -0.3f * (float)(k % 11);
    f.column[0] = f.column[1] = 2;
    f.column[2] = f.column[3] = 0;
    f.logp[2 * PER] = NAN;
    f.step.norm = 2 + 0 + 3;
    assert_int_equal(run(&f, true), PT_OK);
    double want = 0, margin = 0;
    for (int p = 0; p < PAIRS; p++) {
        pt_core_answer a[2] = {{0}};
        double metric[PT_CORE_METRICS] = {0}, loss;
        if (p == 1) continue;
        for (int k = 0; k < 2 * PER; k++) a[k / PER].logp += f.logp[2 * PER * p + k];
        assert_int_equal(pt_record_loss(pt_objective_index(f.o), &f.step, a, 2, &loss, metric), PT_OK);
        want += (p == 0 ? 2 : 1) * loss / 5;
        margin += (p == 0 ? 2 : 1) * metric[2] / 5;
        near(f.dlogp[2 * PER * p], (p == 0 ? 2 : 1) * a[0].dlogp / 5, 1e-7);
    }
    near(f.report[PT_REPORT_LOSS], want, 1e-14);
    near(f.report[PT_REPORT_METRICS + 2], margin, 1e-14);
    assert_true(f.mark == 0 && f.dlogp[2 * PER] == 0);
}

static void test_linear(void **state)
{
    fixture f;
    setup(&f, "sft", false);
    assert_true(f.o->linear && pt_objective_find("pretrain")->linear && !pt_objective_find("dpo")->linear);
    assert_int_equal(run(&f, true), PT_OK);
    for (int k = 0; k < ROWS; k++) near(f.dlogp[k], -f.row_weight[k] / f.step.norm, 1e-7);
}

static void test_bad(void **state)
{
    fixture f;
    static const char *const names[] = {"sft", "dpo"};
    for (int i = 0; i < 2; i++) { /* a loss that is not finite marks the gradient */
        setup(&f, names[i], false);
        f.by_sums = f.o->reference;
        assert_int_equal(run(&f, true), PT_OK);
        assert_true(f.mark == 0);
        f.logp[7] = NAN;
        assert_int_equal(run(&f, true), PT_OK);
        assert_true(isnan(f.report[PT_REPORT_LOSS]) && isnan(f.mark));
        f.step.norm = 0;
        assert_int_equal(run(&f, true), PT_ESHAPE);
    }
    setup(&f, "reward", false);
    f.o = pt_objective_find("dpo"); /* another's channels */
    f.step.norm = -1;
    assert_int_equal(run(&f, true), PT_ESHAPE);
    assert_non_null(pt_objective_find("dpo"));
    assert_null(pt_objective_find("dpo2"));
    assert_int_equal(pt_objective_set(f.options, "beta2", 1), PT_EARG);
}

/* What a declaration must keep to. */
static void test_declarations(void **state)
{
    for (size_t i = 0; i < pt_objective_count(); i++) {
        const pt_objective *o = pt_objective_at(i);
        assert_true(o->channels != 0 && o->data && pt_objective_find(o->name) == o && pt_objective_index(o) == (int)i);
        assert_true(o->n_options <= PT_CORE_OPTIONS && o->n_metrics <= PT_CORE_METRICS && o->n_columns + o->n_given <= PT_CORE_COLUMNS);
        assert_true(o->n_given == 0 || o->stats);
        assert_true(!o->linear || (o->by_rows && !(o->channels & ~(unsigned)PT_CHANNELS_OF_ROWS) && !o->n_stats));
        assert_true(!o->by_rows || (o->answers == 1 && o->mean == PT_MEAN_ROWS));
        assert_true((o->channels & (PT_CHANNEL_SCORE | PT_CHANNEL_VALUES)) != (PT_CHANNEL_SCORE | PT_CHANNEL_VALUES));
        if (o->channels & PT_CHANNEL_VALUES) {
            const pt_option *w = &o->options[o->width_option];
            assert_true(!o->by_rows && w->kind == PT_OPTION_COUNT && w->fallback && w->min >= 1); /* there is a width before a model is planned */
        }
        if (o->channels & PT_CHANNEL_KL) assert_true(o->options[o->kl_option].words == pt_kl_words);
        if (pt_objective_compares(o)) assert_true(o->options[o->reference_option].words == pt_reference_words);
        assert_true((o->n_stats == 0) == (o->stats == NULL) && (o->n_state == 0) == (o->advance == NULL));
        assert_true(!o->list_weights_option || o->options[o->list_weights_option - 1].kind == PT_OPTION_NUMBERS);
        for (int k = 0; k < o->n_options; k++) /* a list that the core cannot see would be dead */
            assert_true(o->options[k].kind < PT_OPTION_WORDS || k == o->list_option - 1 || k == o->list_weights_option - 1);
        for (int k = 0; k < o->n_options; k++) assert_true(pt_objective_key(o->options[k].key) >= 0 && o->options[k].help && o->options[k].effect);
    }
    assert_true(pt_objective_keys(NULL) < PT_OBJECTIVE_KEYS);
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
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cores),        cmocka_unit_test(test_differences),     cmocka_unit_test(test_dpo_golden),
        cmocka_unit_test(test_reward_golden), cmocka_unit_test(test_dpo_zero_margin), cmocka_unit_test(test_micro_batches),
        cmocka_unit_test(test_weights),      cmocka_unit_test(test_linear),          cmocka_unit_test(test_bad),
        cmocka_unit_test(test_declarations),  cmocka_unit_test(test_values), cmocka_unit_test(test_vocab),
    };
    int bad = cmocka_run_group_tests(tests, NULL, NULL);
    return bad + cmocka_run_group_tests(tests, on_cpu, off_cpu);
}

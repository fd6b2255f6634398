/* Losses of pairs against TRL 1.16's own code in float64 (tests/golden/pair_losses.py): value, gradient, metrics, of each loss, lists of them, f-divergences,
 * smoothing and weighting, on near, wide and extreme pairs, by the cores and in whole batches of ref and cpu; margins, weights and what is refused. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "kernels/ops.h"
#include "train/objective/loss_types.h"
#include "train/objective/objective.h"

enum { MOST = 16, ROWS = 8 * MOST };

/* One set of pairs: numbers of answers, the chosen one of a pair first. */
typedef struct pairs {
    int n; /* answers */
    double logp[MOST], reference[MOST], log_squares[MOST];
    int length[MOST];
} pairs;

static json_t *golden;

static int load(void **state)
{
    json_error_t e;
    golden = json_load_file("tests/golden/data/pair_losses.json", 0, &e);
    return golden ? 0 : 1;
}

static int unload(void **state)
{
    json_decref(golden);
    return 0;
}

static double number(const json_t *o, const char *key, size_t i)
{
    return json_number_value(json_array_get(json_object_get(o, key), i));
}

static pairs pairs_of(const char *set)
{
    pairs p = {0};
    const json_t *o = json_object_get(json_object_get(golden, "sets"), set);
    p.n = (int)json_array_size(json_object_get(o, "logp"));
    for (size_t i = 0; i < (size_t)p.n; i++) {
        p.logp[i] = number(o, "logp", i), p.reference[i] = number(o, "reference", i), p.log_squares[i] = number(o, "log_squares", i);
        p.length[i] = (int)number(o, "length", i);
    }
    return p;
}

static int word(const pt_word *words, const char *text)
{
    for (; words->word; words++)
        if (!strcmp(words->word, text)) return words->value;
    fail_msg("no word %s", text);
    return 0;
}

static void set(pt_option_value *values, const char *key, double v)
{
    assert_int_equal(pt_objective_set(values, key, v), PT_OK);
}

static void choose(pt_option_value *values, int n, const int *words, const double *weights)
{
    pt_option_value *t = &values[pt_objective_key("loss_type")], *w = &values[pt_objective_key("loss_weights")];
    t->set = w->set = true;
    t->n = w->n = n;
    for (int i = 0; i < n; i++) t->words[i] = words[i], w->numbers[i] = weights[i];
}

static void options_of(const json_t *c, pt_option_value *values)
{
    static const char *const numbers[] = {"beta", "label_smoothing", "discopop_tau", "f_alpha_divergence_coef"};
    const json_t *o = json_object_get(c, "options"), *types = json_object_get(c, "loss_type");
    int words[PT_CORE_LIST], n = (int)json_array_size(types);
    double weights[PT_CORE_LIST];
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) set(values, numbers[i], json_number_value(json_object_get(o, numbers[i])));
    for (int i = 0; i < n; i++) {
        words[i] = word(pt_loss_type_words, json_string_value(json_array_get(types, (size_t)i)));
        weights[i] = number(c, "loss_weights", (size_t)i);
    }
    choose(values, n, words, weights);
    const pt_option **keys;
    pt_objective_keys(&keys);
    int f = pt_objective_key("f_divergence_type");
    set(values, "f_divergence_type", word(keys[f]->words, json_string_value(json_object_get(c, "f_divergence_type"))));
    if (json_is_true(json_object_get(c, "use_weighting"))) set(values, "use_weighting", 1);
}

/* ---- a step of all pairs ------------------------------------------------------------------------------------------------------- */

typedef struct work {
    const pt_objective *o;
    pt_core_step step;
    pt_core_answer a[MOST];
    float weight[MOST / 2], given[PT_CORE_COLUMNS][MOST];
    double loss, metric[PT_CORE_METRICS];
    pt_status rc;
} work;

static void statistics(work *w, const pairs *p)
{
    int64_t start[MOST / 2 + 1];
    pt_step_answers all = {.answer = w->a, .start = start, .weight = w->weight, .n = p->n / 2};
    for (int r = 0; r <= p->n / 2; r++) start[r] = 2 * r;
    for (int k = 0; k < w->o->n_given; k++) all.given[k] = w->given[k];
    w->rc = w->o->stats(&w->step, &all, w->step.stat);
    for (int k = 0; k < w->o->n_given; k++)
        for (int i = 0; i < p->n; i++) w->a[i].column[w->o->n_columns + k] = w->given[k][i];
}

/* Cores one by one, weights 1 but where said. */
static void by_cores(work *w, const pairs *p, const pt_option_value *values)
{
    double norm = 0, first = 0;
    w->o = pt_objective_variant(pt_objective_find("dpo"), values);
    w->loss = 0, w->rc = PT_OK;
    memset(w->metric, 0, sizeof w->metric);
    for (int r = 0; r < p->n / 2; r++) norm += (double)w->weight[r], first += (double)w->weight[r] * p->length[2 * r];
    w->step = (pt_core_step){.norm = norm, .first_tokens = first};
    pt_objective_options(w->o, values, &w->step);
    for (int i = 0; i < p->n; i++) {
        double margin = w->a[i].column[0];
        w->a[i] = (pt_core_answer){.logp = p->logp[i], .tokens = p->length[i], .length = p->length[i], .reference = p->reference[i], .log_squares = p->log_squares[i], .column = {margin}};
    }
    if (w->o->n_stats) statistics(w, p);
    if (w->rc != PT_OK) return;
    for (int r = 0; r < p->n / 2; r++) {
        double loss, metric[PT_CORE_METRICS] = {0}, scale = (double)w->weight[r] / norm;
        assert_int_equal(pt_record_loss(pt_objective_index(w->o), &w->step, &w->a[2 * r], 2, &loss, metric), PT_OK);
        w->loss += scale * loss;
        for (int k = 0; k < w->o->n_metrics; k++) w->metric[k] += scale * metric[k];
        for (int i = 2 * r; i < 2 * r + 2; i++) w->a[i].dlogp *= scale;
    }
}

static void even(work *w)
{
    memset(w, 0, sizeof *w);
    for (int r = 0; r < MOST / 2; r++) w->weight[r] = 1;
}

static void near(const char *what, double got, double want, double tol)
{
    if (!(fabs(got - want) <= tol * fabs(want) + 1e-13)) fail_msg("%s: %.15g instead of %.15g", what, got, want);
}

/* ---- the same in one launch ---------------------------------------------------------------------------------------------------- */

static const pt_ops *ops = &pt_ops_ref;
static pt_ctx ctx;
static pt_buf bufs[32];
static int n_bufs;

static pt_view view(void *p, pt_dtype type, int64_t rows, int64_t cols)
{
    assert_true(n_bufs < 32);
    bufs[n_bufs] = (pt_buf){.base = p, .bytes = (size_t)(rows * cols) * (type == PT_F64 ? 8 : type == PT_U8 ? 1 : 4)};
    return (pt_view){.buf = &bufs[n_bufs++], .type = type, .rows = rows, .cols = cols, .ld = cols};
}

/* An answer's sum in its first row, zeros in its others; rows are heads. */
static void by_batch(const work *w, const pairs *p, const char *what)
{
    static float logp[ROWS], dlogp[ROWS], squares[ROWS], dsquares[ROWS], ones[ROWS], sums[MOST], column[(1 + PT_CORE_COLUMNS) * MOST];
    static int32_t start[MOST + 1], rows[ROWS], record[MOST / 2 + 1];
    static _Alignas(64) char room[1 << 16];
    double report[PT_REPORT_SIZE] = {0};
    float mark = 0;
    int m = 0;
    memset(logp, 0, sizeof logp), memset(squares, 0, sizeof squares);
    for (int i = 0; i < p->n; i++) {
        logp[m] = (float)p->logp[i], squares[m] = (float)p->log_squares[i], sums[i] = (float)p->reference[i];
        assert_true((double)logp[m] == p->logp[i] && (double)sums[i] == p->reference[i]);
        for (int k = 0; k < p->length[i]; k++) rows[m] = m, ones[m] = 1, m++;
        start[i + 1] = m;
        record[i / 2 + 1] = i + 1;
        column[i] = w->weight[i / 2];
        for (int k = 0; k < w->o->n_columns + w->o->n_given; k++) column[(1 + k) * p->n + i] = (float)w->a[i].column[k];
    }
    n_bufs = 0;
    pt_group_loss_args a = {.objective = pt_objective_index(w->o), .step = w->step};
    a.logp = (pt_loss_channel){view(logp, PT_F32, 1, m), view(dlogp, PT_F32, 1, m), view(start, PT_I32, 1, p->n + 1), view(rows, PT_I32, 1, m), view(ones, PT_F32, 1, m)};
    if (w->o->channels & PT_CHANNEL_LOG_SQUARES) {
        a.vocab[PT_VOCAB_LOG_SQUARES] = a.logp;
        a.vocab[PT_VOCAB_LOG_SQUARES].value = view(squares, PT_F32, 1, m);
        a.vocab[PT_VOCAB_LOG_SQUARES].dvalue = view(dsquares, PT_F32, 1, m);
    }
    a.row_weight = view(ones, PT_F32, 1, m);
    a.reference_sum = view(sums, PT_F32, 1, p->n);
    a.column = view(column, PT_F32, 1 + w->o->n_columns + w->o->n_given, p->n);
    a.record_start = view(record, PT_I32, 1, p->n / 2 + 1);
    a.report = view(report, PT_F64, 1, PT_REPORT_SIZE);
    a.mark = view(&mark, PT_F32, 1, 1);
    ctx.workspace = view(room, PT_U8, 1, sizeof room);
    assert_int_equal(ops->group_loss(&ctx, &a), PT_OK);
    if (!isfinite(w->loss)) {
        assert_true(!isfinite(report[PT_REPORT_LOSS]) && isnan(mark));
        return;
    }
    near(what, report[PT_REPORT_LOSS], w->loss, 1e-12);
    for (int i = 0; i < p->n; i++)
        for (int k = start[i]; k < start[i + 1]; k++) {
            if (isnan(w->a[i].dlogp)) assert_true(isnan(dlogp[k]));
            else near(what, dlogp[k], w->a[i].dlogp, 1.2e-7);
            if (w->o->channels & PT_CHANNEL_LOG_SQUARES) assert_true(dsquares[k] == 0); /* the weight is held fixed */
        }
}

/* ---- TRL's numbers ------------------------------------------------------------------------------------------------------------- */

static void compare(const json_t *c, const work *w, int n, const char *what)
{
    static const char *const names[] = {"rewards/chosen", "rewards/rejected", "rewards/margins", "rewards/accuracies", "logps/chosen", "logps/rejected"};
    const json_t *m = json_object_get(c, "metrics");
    if (json_is_null(json_object_get(c, "loss"))) { /* TRL's formula overflows, and so does this one: the step will be skipped */
        bool finite = isfinite(w->loss);
        for (int i = 0; i < n; i++) finite &= isfinite(w->a[i].dlogp);
        if (finite) fail_msg("%s: finite", what);
        return;
    }
    near(what, w->loss, json_number_value(json_object_get(c, "loss")), 1e-9);
    for (int i = 0; i < n; i++) near(what, w->a[i].dlogp, number(c, "dlogp", (size_t)i), 1e-9);
    for (size_t i = 0; m && i < sizeof names / sizeof *names; i++) {
        assert_string_equal(w->o->metrics[i].name, names[i]);
        near(names[i], w->metric[i], json_number_value(json_object_get(m, names[i])), 1e-9);
    }
}

static void test_golden(void **state)
{
    const json_t *cases = json_object_get(golden, "cases");
    int overflowed = 0, words = 0;
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *c = json_array_get(cases, i);
        char what[160];
        work w;
        pt_option_value values[PT_OBJECTIVE_KEYS] = {{0}};
        pairs p = pairs_of(json_string_value(json_object_get(c, "set")));
        options_of(c, values);
        even(&w);
        by_cores(&w, &p, values);
        snprintf(what, sizeof what, "case %zu (%s, %s, %s)", i, json_string_value(json_array_get(json_object_get(c, "loss_type"), 0)),
                 json_string_value(json_object_get(c, "set")), json_string_value(json_object_get(c, "f_divergence_type")));
        assert_int_equal(w.rc, PT_OK);
        compare(c, &w, p.n, what);
        by_batch(&w, &p, what);
        overflowed += json_is_null(json_object_get(c, "loss"));
        words |= 1 << values[pt_objective_key("loss_type")].words[0];
    }
    assert_true(overflowed > 3 && words == 0xfffe); /* all fifteen */
    print_message("# figure %zu cases of TRL, %d of them overflow there and here\n", json_array_size(cases), overflowed);
}

/* ---- what TRL has not ---------------------------------------------------------------------------------------------------------- */

/* A margin is subtracted from the argument: the loss of a pair whose chosen answer has that much less reward. A constant and the column add up. */
static void test_margin(void **state)
{
    static const int with[] = {PT_LOSS_SIGMOID, PT_LOSS_SIGMOID_NORM, PT_LOSS_HINGE, PT_LOSS_ROBUST};
    for (size_t k = 0; k < sizeof with / sizeof *with; k++) {
        pt_option_value values[PT_OBJECTIVE_KEYS] = {{0}};
        pairs p = pairs_of("wide"), less = p;
        work plain, w;
        choose(values, 1, &with[k], &(double){1});
        set(values, "beta", 0.5);
        if (with[k] == PT_LOSS_ROBUST) set(values, "label_smoothing", 0.125);
        for (int i = 0; i < p.n; i += 2) less.logp[i] -= 1.75 * 2 * (with[k] == PT_LOSS_SIGMOID_NORM ? p.length[i] : 1); /* beta of it is 1.75 */
        even(&plain);
        by_cores(&plain, &less, values);
        even(&w);
        set(values, "dpo_margin", 1.25);
        for (int i = 0; i < p.n; i++) w.a[i].column[0] = 0.5;
        by_cores(&w, &p, values);
        near("margin", w.loss, plain.loss, 1e-12);
        by_batch(&w, &p, "margin");
        for (int i = 0; i < p.n; i++) near("margin", w.a[i].dlogp, plain.a[i].dlogp, 1e-12);
        assert_true(w.loss > 0.01 && w.metric[0] != plain.metric[0]); /* rewards are the policy's own */
    }
}

/* rpo_alpha is [sigmoid, sft]; a record of weight 2 is that record twice, in sft's mean over tokens too. */
static void test_alias_and_weights(void **state)
{
    pt_option_value alias[PT_OBJECTIVE_KEYS] = {{0}}, list[PT_OBJECTIVE_KEYS] = {{0}};
    pairs p = pairs_of("near"), twice = p;
    work a, b;
    set(alias, "rpo_alpha", 0.5);
    choose(list, 2, (const int[]){PT_LOSS_SFT, PT_LOSS_SIGMOID}, (const double[]){0.5, 1});
    even(&a), even(&b);
    by_cores(&a, &p, alias);
    by_cores(&b, &p, list);
    assert_true(a.loss == b.loss && a.a[0].dlogp == b.a[0].dlogp);
    for (int i = 0; i < 2; i++) {
        twice.logp[p.n + i] = p.logp[i], twice.reference[p.n + i] = p.reference[i], twice.log_squares[p.n + i] = p.log_squares[i];
        twice.length[p.n + i] = p.length[i];
    }
    twice.n += 2;
    even(&a), even(&b);
    a.weight[0] = 2;
    by_cores(&a, &p, list);
    by_batch(&a, &p, "weights");
    by_cores(&b, &twice, list);
    near("weight 2", a.loss, b.loss, 1e-13);
    near("weight 2", a.a[0].dlogp, 2 * b.a[0].dlogp, 1e-13);
    near("weight 2", a.a[2].dlogp, b.a[2].dlogp, 1e-13);
}

/* Sorting needs records that count alike; those of weight 0 are not in it. */
static void test_order(void **state)
{
    pt_option_value values[PT_OBJECTIVE_KEYS] = {{0}};
    pairs p = pairs_of("wide"), fewer = p;
    work a, b;
    choose(values, 2, (const int[]){PT_LOSS_AOT, PT_LOSS_AOT_UNPAIRED}, (const double[]){1, 0.5});
    assert_string_equal(pt_objective_variant(pt_objective_find("dpo"), values)->name, "aot");
    even(&a);
    a.weight[1] = 0.5f;
    by_cores(&a, &p, values);
    assert_int_equal(a.rc, PT_EARG);
    assert_non_null(strstr(pt_err_msg(), "these weigh 1 and 0.5"));
    even(&a), even(&b);
    a.weight[p.n / 2 - 1] = 0;
    by_cores(&a, &p, values);
    fewer.n -= 2;
    by_cores(&b, &fewer, values);
    near("weight 0", a.loss, b.loss, 1e-13);
    for (int i = 0; i < fewer.n; i++) near("weight 0", a.a[i].dlogp, b.a[i].dlogp, 1e-13);
}

typedef struct refused {
    const char *why;
    double beta, smoothing, margin, ld, rpo, weighting;
    int divergence, n, words[3];
} refused;

static const char *check(const refused *r)
{
    pt_option_value values[PT_OBJECTIVE_KEYS] = {{0}};
    pt_core_step s = {0};
    if (r->n) choose(values, r->n, r->words, (const double[]){1, 1, 1});
    set(values, "label_smoothing", r->smoothing), set(values, "dpo_margin", r->margin), set(values, "ld_alpha", r->ld), set(values, "rpo_alpha", r->rpo);
    set(values, "use_weighting", r->weighting);
    if (r->divergence) set(values, "f_divergence_type", r->divergence);
    const pt_objective *o = pt_objective_variant(pt_objective_find("dpo"), values);
    pt_objective_options(o, values, &s);
    return o->check(&s, values);
}

static void test_refused(void **state)
{
    static const refused bad[] = {
        {"f_divergence_type other than reverse_kl", .ld = 1, .divergence = 2, .n = 2, .words = {PT_LOSS_SIGMOID, PT_LOSS_APO_ZERO}},
        {"exo_pair needs label_smoothing", .ld = 1, .n = 1, .words = {PT_LOSS_EXO_PAIR}},
        {"robust needs label_smoothing below 0.5", .ld = 1, .smoothing = 0.5, .n = 1, .words = {PT_LOSS_ROBUST}},
        {"label_smoothing goes with", .ld = 1, .smoothing = 0.1},
        {"dpo_margin goes with", .ld = 1, .margin = 1, .n = 1, .words = {PT_LOSS_IPO}},
        {"use_weighting cannot go with aot", .ld = 1, .weighting = 1, .n = 2, .words = {PT_LOSS_SIGMOID, PT_LOSS_AOT_UNPAIRED}},
        {"use_weighting cannot go with sft", .ld = 1, .weighting = 1, .rpo = 0.5},
        {"use_weighting cannot go with ld_alpha", .ld = 0.5, .weighting = 1},
        {"ld_alpha cannot go with sft", .ld = 0, .n = 2, .words = {PT_LOSS_SIGMOID, PT_LOSS_SFT}},
        {"rpo_alpha: A is loss_type", .ld = 1, .rpo = 0.5, .n = 1, .words = {PT_LOSS_HINGE}},
        {"rpo_alpha: A is loss_type", .ld = 1, .rpo = 0.5, .n = 2, .words = {PT_LOSS_SIGMOID, PT_LOSS_SFT}},
    };
    static const refused good[] = {
        {NULL, .ld = 1}, {NULL, .ld = 1, .smoothing = 0.1, .n = 2, .words = {PT_LOSS_SIGMOID, PT_LOSS_ROBUST}}, {NULL, .ld = 1, .margin = -1, .n = 2, .words = {PT_LOSS_SFT, PT_LOSS_HINGE}},
        {NULL, .ld = 1, .rpo = 1, .n = 2, .words = {PT_LOSS_SFT, PT_LOSS_SIGMOID}}, {NULL, .ld = 0.5, .divergence = 3, .n = 1, .words = {PT_LOSS_IPO}},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const char *why = check(&bad[i]);
        if (!why || !strstr(why, bad[i].why)) fail_msg("%zu: %s instead of %s", i, why ? why : "nothing", bad[i].why);
    }
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (check(&good[i])) fail_msg("good %zu: %s", i, check(&good[i]));
}

static int on_cpu(void **state)
{
    ops = &pt_ops_cpu;
    return load(state) || ops->open(&ctx, PT_COMPUTE_F32) != PT_OK;
}
static int off_cpu(void **state)
{
    ops->close(&ctx);
    return unload(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden), cmocka_unit_test(test_margin), cmocka_unit_test(test_alias_and_weights), cmocka_unit_test(test_order), cmocka_unit_test(test_refused),
    };
    int bad = cmocka_run_group_tests(tests, load, unload);
    return bad + cmocka_run_group_tests(tests, on_cpu, off_cpu);
}

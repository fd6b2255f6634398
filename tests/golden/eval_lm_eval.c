/* Likelihoods of options, accuracies and picks against lm-evaluation-harness 0.4.13's own output on data/samples/eval (tests/golden/lm_eval_choice.py).
 * The model is not in the repository: PTRAIN_SMOLLM2 names it, else the test skips. */
#include "tests/golden/model_fixture.h"

#include "eval/ask/runner.h"
#include "eval/task/task.h"

static pt_source *source;
static const pt_tokenizer *tok;

static double item_of(const json_t *list, size_t item, const char *key, int k)
{
    return json_number_value(json_array_get(json_object_get(json_array_get(list, item), key), (size_t)k));
}

static int best(const double *v, int n)
{
    int at = 0;
    for (int i = 1; i < n; i++)
        if (v[i] > v[at]) at = i;
    return at;
}

static void answer(pt_task *t)
{
    bench b;
    pt_requests q = {0};
    pt_model_caps caps = {0};
    pt_answers *answers;
    pt_speller s = {tok, NULL};
    OK(t->kind->ask(t, &s, &q));
    OK(pt_runner_needs(&q, &caps));
    bench_open(&b, &pt_ops_cpu, PT_COMPUTE_F32, getenv("PTRAIN_SMOLLM2"), &(pt_model_options){0}, &caps);
    OK(pt_answers_open(&answers, NULL));
    pt_runner r = {.model = b.m, .tok = tok, .slot = PT_SLOT_NONE, .caps = caps, .answers = answers, .identity = "test"};
    pt_reply *replies = calloc(q.n, sizeof *replies);
    OK(pt_runner_run(&r, &q, replies));
    OK(t->kind->judge(t, replies, PT_AFTER));
    OK(pt_report_name(&t->report, PT_AFTER, "test"));
    OK(pt_task_measure(t, PT_AFTER));
    print_message("# figure %s: %lld tokens asked, %lld computed\n", t->spec->name, (long long)r.tokens_asked, (long long)r.tokens_computed);
    pt_replies_free(replies, q.n);
    pt_requests_free(&q);
    pt_answers_free(answers);
    bench_close(&b);
}

static void compare(const char *name)
{
    json_error_t err;
    char path[128];
    json_t *all = json_load_file("tests/golden/data/lm_eval_choice.json", 0, &err), *want = json_object_get(all, name), *items = json_object_get(want, "items");
    if (!want) fail_msg("lm_eval_choice.json: %s", err.text);
    pt_entry_option options[] = {{(char *)"delimiter", (char *)json_string_value(json_object_get(want, "delimiter")), 0, 0},
                                 {(char *)"mutual_info", (char *)"true", 0, 0}};
    snprintf(path, sizeof path, "data/samples/eval/%s.jsonl", name);
    pt_task_spec spec = {.name = (char *)name, .task = (char *)"choice", .path = path, .options = options, .n_options = 2};
    pt_task t;
    OK(pt_task_open(&t, &spec, 1));
    answer(&t);
    assert_int_equal(t.n_choices[PT_AFTER], json_array_size(items));
    double worst = 0, relative = 0, nats = 0;
    for (size_t i = 0; i < t.n_choices[PT_AFTER]; i++) {
        const pt_pick *p = &t.choices[PT_AFTER][i];
        double logp[32];
        for (int k = 0; k < p->n; k++) {
            logp[k] = item_of(items, i, "logp", k);
            double alone = item_of(items, i, "alone", k), d = fabs(p->logp[k] - logp[k]), e = fabs(p->alone[k] - alone);
            relative = fmax(relative, fmax(d / fmax(1, fabs(logp[k])), e / fmax(1, fabs(alone))));
            double exact = item_of(items, i, "exact", k), apart = fabs(p->logp[k] - exact);
            worst = fmax(worst, apart / fmax(1, fabs(exact)));
            nats = fmax(nats, apart);
        }
        assert_int_equal(p->picked, best(logp, p->n));
    }
    print_message("# figure %s: %zu items, log-likelihoods: %.1e of their size from the harness's, %.1e from f64 (%.1e nats)\n", name,
                  t.n_choices[PT_AFTER], relative, worst, nats);
    assert_true(relative <= 1e-4 && worst <= 1e-4 && nats <= 1e-4);
    static const char *const keys[][2] = {{"acc", "acc"}, {"acc_norm", "acc_norm"}, {"acc_bytes", "acc_bytes"}, {"acc_mutual_info", "acc_mutual_info"},
                                          {"brier", "brier_score"}};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        double got = t.report.side[PT_AFTER].v[pt_metric_find(keys[i][0])], ref = json_number_value(json_object_get(want, keys[i][1]));
        if (!(fabs(got - ref) <= 1e-4)) fail_msg("%s: %g, not %g", keys[i][0], got, ref);
    }
    pt_task_close(&t);
    json_decref(all);
}

static void need_model(void)
{
    if (tok) return;
    print_message("# skip: PTRAIN_SMOLLM2 names no model\n");
    skip();
}

static void test_english(void **state)
{
    need_model();
    compare("choice_en");
}
static void test_chinese(void **state)
{
    need_model();
    compare("choice_zh");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_english), cmocka_unit_test(test_chinese)};
    const char *path = getenv("PTRAIN_SMOLLM2");
    if (path && *path && (pt_source_open(&source, path) != PT_OK || pt_source_tokenizer(source, &tok) != PT_OK)) return 1;
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    pt_source_free(source);
    return rc;
}

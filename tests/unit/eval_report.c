/* eval/metric/report.h and eval/metric/scores.h: hand-computed metrics, the table's layout, the JSON's content. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>
#include <utf8proc.h>

#include "eval/suite/evaluate.h"
#include "eval/metric/metric.h"
#include "eval/metric/scores.h"

static const char *const REF_A[] = {"left right go", "left right"};
static const char *const REF_B[] = {"sail on the wind"};
static const char *const REF_C[] = {"rest"};

static const pt_eval_train TRAIN[] = {
    {"Other", "a cup of tea please"}, {"Brask", "left foot"}, {"Brask", "right go"}, {"Reef", "sail on the wind now"}};

static pt_eval_answer answer(const char *role, const char *const *refs, size_t n, const char *text, bool stopped, double own,
                             int64_t tokens, double other)
{
    return (pt_eval_answer){.role = role,
                            .references = refs,
                            .n_references = n,
                            .answer = text,
                            .stopped = stopped,
                            .nll_own = own,
                            .tokens_own = tokens,
                            .nll_other = other,
                            .tokens_other = tokens};
}

static void close_to(double got, double want)
{
    if (!(fabs(got - want) <= 1e-12)) fail_msg("%.17g is not %.17g", got, want);
}

static void scores_by_hand(void **state)
{
    const pt_eval_answer rows[] = {
        answer("Brask", REF_A, 2, "left right left right left right", true, 8, 4,
               14), /* f 1/2 with the 2nd, 4/9 with the 1st */
        answer("Reef", REF_B, 1, "sail on the wind", true, 6, 6, 9),
        answer("Reef", REF_C, 1, "", false, 4, 2, 5),
    };
    pt_report r;
    pt_report_role *brask, *reef;
    pt_report_init(&r);
    assert_int_equal(pt_scores_fill(&r, PT_AFTER, &(pt_scoring){.answers = rows, .n = 3, .train = TRAIN, .n_train = 4, .seed = 1}), PT_OK);
    assert_int_equal(r.questions, 3);
    assert_int_equal(r.roles, 2); /* a role without questions has no line */
    assert_int_equal(pt_report_role_get(&r, "Brask", &brask), PT_OK);
    assert_int_equal(pt_report_role_get(&r, "Reef", &reef), PT_OK);
    assert_int_equal(r.roles, 2);
    assert_int_equal(brask->questions, 1);
    assert_int_equal(reef->questions, 2);
    const double *b = brask->side[PT_AFTER].v, *f = reef->side[PT_AFTER].v, *all = r.side[PT_AFTER].v;
    close_to(b[PT_METRIC_ROUGE_L_F], 0.5); /* lcs 2 of 6 and 2: p 1/3, r 1; against the 3 words p 1/3, r 2/3: f 4/9 */
    close_to(b[PT_METRIC_ROUGE_L_RECALL], 1);
    close_to(f[PT_METRIC_ROUGE_L_F], 0.5);
    close_to(all[PT_METRIC_ROUGE_L_F], 0.5);
    close_to(all[PT_METRIC_ROUGE_L_RECALL], 2.0 / 3);
    close_to(b[PT_METRIC_REPEATED], 1.0 / 3); /* lrlr rlrl lrlr */
    close_to(f[PT_METRIC_REPEATED], 0);
    close_to(all[PT_METRIC_REPEATED], 0.25); /* 1 of 3 + 1 */
    close_to(f[PT_METRIC_COPIED], 0.5);      /* "sail on the wind" is 8/9 of the training answer */
    close_to(all[PT_METRIC_COPIED], 1.0 / 3);
    close_to(all[PT_METRIC_STOPPED], 2.0 / 3);
    close_to(b[PT_METRIC_CANNED_ROUGE_L], 0.8); /* "right go" against "left right go" */
    assert_string_equal(brask->canned, "right go");
    close_to(f[PT_METRIC_CANNED_ROUGE_L], 4.0 / 9);
    close_to(all[PT_METRIC_CANNED_ROUGE_L], (0.8 + 8.0 / 9) / 3); /* by question, not by role */
    close_to(f[PT_METRIC_NLL_OWN], 10.0 / 8);
    close_to(all[PT_METRIC_NLL_OWN], 1.5);
    close_to(all[PT_METRIC_PERPLEXITY], exp(1.5));
    close_to(all[PT_METRIC_NLL_OTHER], 28.0 / 12);
    close_to(all[PT_METRIC_NLL_GAP], 28.0 / 12 - 1.5);
    assert_true(isnan(all[PT_METRIC_PREFERENCE]));
    assert_true(isnan(r.side[PT_BEFORE].v[PT_METRIC_ROUGE_L_F]));
    pt_report_free(&r);
}

static void what_is_not_measured_stays_missing(void **state)
{
    const pt_eval_answer rows[] = {answer("X", NULL, 0, "hello there", true, 0, 0, 0),
                                   answer("Y", REF_C, 1, NULL, false, 2, 1, 3)};
    pt_report r;
    pt_report_init(&r);
    assert_int_equal(pt_scores_fill(&r, PT_BEFORE, &(pt_scoring){.answers = rows, .n = 2, .train = NULL, .n_train = 0, .seed = 1}), PT_OK);
    const double *x = r.role[0].side[PT_BEFORE].v, *y = r.role[1].side[PT_BEFORE].v;
    assert_true(isnan(x[PT_METRIC_ROUGE_L_F]) && isnan(x[PT_METRIC_NLL_OWN]) && isnan(x[PT_METRIC_PERPLEXITY]));
    assert_true(isnan(x[PT_METRIC_COPIED]) && isnan(x[PT_METRIC_CANNED_ROUGE_L]));
    close_to(x[PT_METRIC_STOPPED], 1);
    assert_true(isnan(y[PT_METRIC_STOPPED]) && isnan(y[PT_METRIC_ROUGE_L_F]) && isnan(y[PT_METRIC_REPEATED]));
    close_to(y[PT_METRIC_NLL_GAP], 1);
    assert_null(r.role[1].canned);
    pt_report_free(&r);
    assert_int_equal(pt_scores_fill(&r, PT_BEFORE, &(pt_scoring){.answers = NULL, .n = 0, .train = TRAIN, .n_train = 4, .seed = 1}), PT_OK);
    assert_int_equal(r.questions, 0);
    assert_true(isnan(r.side[PT_BEFORE].v[PT_METRIC_STOPPED]));
    pt_report_free(&r);
}

static void a_sum_that_is_not_finite_is_named(void **state)
{
    const pt_eval_answer rows[] = {answer("X", REF_C, 1, "a", true, 1, 1, 1), answer("Y", REF_C, 1, "a", true, NAN, 1, 1)};
    pt_report r;
    pt_report_init(&r);
    assert_int_equal(pt_scores_fill(&r, PT_AFTER, &(pt_scoring){.answers = rows, .n = 2, .train = NULL, .n_train = 0, .seed = 1}), PT_ENONFINITE);
    assert_non_null(strstr(pt_err_msg(), "question 2 (Y)"));
    pt_report_free(&r);
}

static void fill_example(pt_report *r)
{
    const double before[PT_METRIC_PREFERENCE + 1] = {33.104, 0.112, 0.2, 0.511, 0.625, 0.12, 0, 3.4996, 3.5214, NAN, 0.5};
    const double after[PT_METRIC_PREFERENCE + 1] = {7.02, 0.447, 0.45, 0.511, 1, 0, 0.025, 1.949, 3.6, NAN, 0.92};
    pt_report_role *role;
    pt_report_init(r);
    assert_int_equal(pt_report_name(r, PT_BEFORE, "SmolLM2-135M-Instruct.Q4_1.gguf"), PT_OK);
    assert_int_equal(pt_report_name(r, PT_AFTER, "out/rolellm"), PT_OK);
    r->questions = 40;
    memcpy(r->side[PT_BEFORE].v, before, sizeof before);
    memcpy(r->side[PT_AFTER].v, after, sizeof after);
    static const char *const names[] = {"Orla Fenwick", "\xe9\x93\x81\xe7\xbf\x8e\xe5\xa5\xb3\xe4\xbe\xa0",
                                        "A name much longer than its column", "bad\x1b[31m\xff\nname"};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pt_report_role_get(r, names[i], &role), PT_OK);
        role->questions = 10;
        memcpy(role->side[PT_BEFORE].v, before, sizeof before);
        memcpy(role->side[PT_AFTER].v, after, sizeof after);
    }
}

static int columns_of(const char *s, size_t n)
{
    int width = 0;
    while (n) {
        utf8proc_int32_t c;
        utf8proc_ssize_t k = utf8proc_iterate((const utf8proc_uint8_t *)s, (utf8proc_ssize_t)n, &c);
        assert_true(k > 0);
        width += utf8proc_charwidth(c);
        s += k;
        n -= (size_t)k;
    }
    return width;
}

static void table_is_aligned(void **state)
{
    pt_report r;
    pt_str t = {0};
    fill_example(&r);
    assert_int_equal(pt_report_table(&r, &t), PT_OK);
    int role_lines = 0, width = 0;
    bool roles = false;
    for (char *line = t.text, *end; (end = strchr(line, '\n')); line = end + 1) {
        int w = columns_of(line, (size_t)(end - line));
        assert_true(w <= 100);
        if (strncmp(line, "role ", 5) == 0) {
            roles = true;
            width = w;
        } else if (roles) {
            assert_int_equal(w, width); /* wide characters and cut names keep the columns */
            role_lines++;
        }
    }
    assert_int_equal(role_lines, 4);
    assert_null(strchr(t.text, '\x1b'));
    assert_non_null(strstr(t.text, "bad?[31m??name "));
    assert_non_null(strstr(t.text, "A name much longer tha "));
    assert_non_null(strstr(t.text, "before: SmolLM2-135M-Instruct.Q4_1.gguf\nafter:  out/rolellm\n"));
    assert_non_null(
        strstr(t.text, "perplexity of the reference answers                  33.10        7.02     -78.8 %  better\n"));
    assert_non_null(
        strstr(t.text, "answers copied from training (ROUGE-L > 0.7)         0.0 %       2.5 %     +2.5 pt  worse\n"));
    assert_non_null(
        strstr(t.text, "  difference, other - own                            0.022       1.651      +1.629  better\n"));
    assert_non_null(strstr(t.text, "  best single canned answer a role, ROUGE-L F        0.511       0.511\n"));
    pt_str_free(&t);
    pt_report_free(&r);
}

static void table_of_one_side(void **state)
{
    pt_report r;
    pt_str t = {0};
    fill_example(&r);
    free(r.name[PT_BEFORE]);
    r.name[PT_BEFORE] = NULL;
    r.side[PT_AFTER].v[PT_METRIC_ROUGE_L_RECALL] = NAN;
    r.side[PT_AFTER].v[PT_METRIC_PERPLEXITY] = INFINITY;
    assert_int_equal(pt_report_table(&r, &t), PT_OK);
    assert_null(strstr(t.text, "before"));
    assert_null(strstr(t.text, "change"));
    assert_null(strstr(t.text, "better"));
    assert_null(strstr(t.text, "recall"));
    assert_non_null(strstr(t.text, " inf\n"));
    pt_str_free(&t);
    pt_report_free(&r);
    assert_int_equal(pt_report_table(&r, &t), PT_OK); /* nothing at all */
    assert_non_null(strstr(t.text, "0 questions\n"));
    pt_str_free(&t);
}

/* Forty questions, answered badly and then well, but repeated as often: intervals, marks, and who is not marked. */
static void says_what_is_noise(void **state)
{
    enum { N = 40 };
    pt_report r;
    pt_eval_answer rows[N];
    pt_str t = {0};
    char *text;
    pt_report_init(&r);
    for (int s = 0; s < 2; s++) {
        for (int i = 0; i < N; i++)
            rows[i] = answer(i % 2 ? "Brask" : "Reef", REF_A, 2, s && i % 4 ? "left right" : "no no no no no no", true, s ? 4 + i % 3 : 8 + i % 3, 4, 9 + i % 2);
        assert_int_equal(pt_report_name(&r, (pt_side)s, s ? "tuned" : "base"), PT_OK);
        assert_int_equal(pt_scores_fill(&r, (pt_side)s, &(pt_scoring){.answers = rows, .n = N, .train = NULL, .n_train = 0, .seed = 1}), PT_OK);
        if (!s) assert_true(isnan(r.change.p[PT_METRIC_ROUGE_L_F]));
    }
    const pt_measures *m = &r.side[PT_AFTER];
    double half = 1.96 * sqrt(0.75 * 0.25 / N);
    assert_true(fabs(m->v[PT_METRIC_ROUGE_L_F] - 0.75) < 1e-12 && fabs(m->lo[PT_METRIC_ROUGE_L_F] - 0.75 + half) < 0.03 &&
                fabs(m->hi[PT_METRIC_ROUGE_L_F] - 0.75 - half) < 0.03);
    assert_true(m->lo[PT_METRIC_PERPLEXITY] < m->v[PT_METRIC_PERPLEXITY] && m->v[PT_METRIC_PERPLEXITY] < m->hi[PT_METRIC_PERPLEXITY]);
    assert_true(r.change.p[PT_METRIC_ROUGE_L_F] < 0.01 && r.change.p[PT_METRIC_NLL_OWN] < 0.01 && r.change.p[PT_METRIC_PERPLEXITY] < 0.01);
    assert_true(r.change.p[PT_METRIC_STOPPED] == 1 && r.change.p[PT_METRIC_NLL_OTHER] == 1 && isnan(r.change.p[PT_METRIC_PREFERENCE]));
    assert_true(r.roles == 2 && r.role[0].change.p[PT_METRIC_ROUGE_L_F] < 0.01 && r.role[1].change.p[PT_METRIC_NLL_OWN] < 0.01);
    assert_true(r.change.wilcoxon[PT_METRIC_ROUGE_L_F] < 1e-4 && r.change.wilcoxon[PT_METRIC_STOPPED] == 1 && r.change.mcnemar[PT_METRIC_STOPPED] == 1 &&
                isnan(r.change.mcnemar[PT_METRIC_NLL_OWN]));
    assert_int_equal(pt_report_table(&r, &t), PT_OK);
    assert_non_null(strstr(t.text, "  better *\n"));
    assert_non_null(strstr(t.text, "+0.0 pt\n")); /* of answers that stop */
    assert_non_null(strstr(t.text, "\n* more than noise: p < 0.05"));
    assert_int_equal(pt_report_json(&r, &text), PT_OK);
    json_t *root = json_loads(text, 0, NULL), *ci = json_object_get(json_object_get(json_object_get(root, "after"), "ci"), "rouge_l_f");
    assert_true(fabs(json_real_value(json_array_get(ci, 0)) - m->lo[PT_METRIC_ROUGE_L_F]) < 1e-9 && json_array_size(ci) == 2);
    assert_true(fabs(json_real_value(json_object_get(json_object_get(root, "p"), "nll_own")) - r.change.p[PT_METRIC_NLL_OWN]) < 1e-9);
    assert_null(json_object_get(json_object_get(root, "p"), "preference_accuracy"));
    json_decref(root);
    free(text);
    pt_str_free(&t);
    pt_report_free(&r);
}

/* Pairs: half of them right before, nine of ten after. */
static void pairs_by_pair(void **state)
{
    enum { N = 40 };
    pt_report r;
    pt_reply replies[2 * N] = {{0}};
    const pt_evaluation e = {.pairs = {.n = 2 * N}, .sampling = {.seed = 3}};
    pt_report_init(&r);
    for (int s = 0; s < 2; s++) {
        for (int i = 0; i < N; i++) {
            bool right = s ? i % 10 > 0 : i % 2 > 0;
            replies[2 * i].value = right ? -1 : -2;
            replies[2 * i + 1].value = right ? -2 : -1;
        }
        assert_int_equal(pt_evaluate_judge(&e, replies, &r, (pt_side)s, NULL, NULL), PT_OK);
        double v = r.side[s].v[PT_METRIC_PREFERENCE], half = 1.96 * sqrt(v * (1 - v) / N);
        close_to(v, s ? 0.9 : 0.5);
        assert_true(fabs(r.side[s].lo[PT_METRIC_PREFERENCE] - v + half) < 0.04 && fabs(r.side[s].hi[PT_METRIC_PREFERENCE] - v - half) < 0.04);
        assert_int_equal(isnan(r.change.p[PT_METRIC_PREFERENCE]), !s);
    }
    assert_true(r.change.p[PT_METRIC_PREFERENCE] < 0.001);
    close_to(r.change.mcnemar[PT_METRIC_PREFERENCE], 2.0 / 65536); /* sixteen gained, none lost */
    pt_report_free(&r);
}

static double number_at(json_t *root, const char *a, const char *b)
{
    json_t *v = json_object_get(json_object_get(root, a), b);
    assert_true(json_is_real(v));
    return json_real_value(v);
}

static void json_says_the_same(void **state)
{
    pt_report r;
    char *text;
    fill_example(&r);
    r.side[PT_AFTER].v[PT_METRIC_PREFERENCE] = INFINITY;
    assert_int_equal(pt_strdup(&r.role[0].canned, "keep \"the\" lamp\xff lit"), PT_OK);
    assert_int_equal(pt_report_json(&r, &text), PT_OK);
    json_t *root = json_loads(text, 0, NULL);
    assert_non_null(root);
    assert_string_equal(json_string_value(json_object_get(root, "format")), "ptrain-eval");
    assert_int_equal(json_integer_value(json_object_get(root, "questions")), 40);
    close_to(number_at(root, "before", "perplexity"), 33.104);
    close_to(number_at(root, "after", "rouge_l_f"), 0.447);
    assert_true(fabs(number_at(root, "after", "nll_gap") - 1.651) < 1e-9);
    assert_true(fabs(number_at(root, "change", "rouge_l_f") - 0.335) < 1e-9);
    assert_true(json_is_null(json_object_get(json_object_get(root, "after"), "preference_accuracy")));
    assert_true(json_is_null(json_object_get(json_object_get(root, "change"), "preference_accuracy")));
    for (int m = 0; m < pt_metric_count(); m++)
        assert_int_equal(json_object_get(json_object_get(root, "before"), pt_metric_key((pt_metric)m)) != NULL, pt_metric_of_questions(m));
    json_t *roles = json_object_get(root, "roles"), *first = json_array_get(roles, 0);
    assert_int_equal(json_array_size(roles), 4);
    assert_string_equal(json_string_value(json_object_get(first, "role")), "Orla Fenwick");
    assert_string_equal(json_string_value(json_object_get(first, "canned_answer")), "keep \"the\" lamp\xef\xbf\xbd lit");
    assert_string_equal(json_string_value(json_object_get(json_array_get(roles, 3), "role")), "bad\x1b[31m\xef\xbf\xbd\nname");
    close_to(number_at(first, "after", "stopped_share"), 1);
    json_decref(root);
    free(text);
    pt_report_free(&r);
    assert_int_equal(pt_report_json(&r, &text), PT_OK);
    root = json_loads(text, 0, NULL);
    assert_true(json_is_null(json_object_get(root, "before")) && json_is_null(json_object_get(root, "change")));
    json_decref(root);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scores_by_hand),
        cmocka_unit_test(what_is_not_measured_stays_missing),
        cmocka_unit_test(a_sum_that_is_not_finite_is_named),
        cmocka_unit_test(says_what_is_noise), cmocka_unit_test(pairs_by_pair), cmocka_unit_test(table_is_aligned),
        cmocka_unit_test(table_of_one_side),
        cmocka_unit_test(json_says_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

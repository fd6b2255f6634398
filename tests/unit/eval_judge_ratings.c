/* The task judge over rows of several named answers (eval/task/judge_ratings.c): each two in both orders, ratings beside the wins counted here, names that cannot be compared, bad rows. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "eval/task/judge_state.h"
#include "tests/scratch.h"

enum { NAMES = 4, ROWS = 30 };
static const char *const names[NAMES] = {"ann", "bo", "cy", "dee"};
static const char template_text[] = "mode: pairwise\n---\n{question}\nAnswer A:\n{answer_a}\nAnswer B:\n{answer_b}\n{verdict}: X\n";

/* ---- a judge: the higher number behind "worth " ---- */

static int worth(int who, int row)
{
    return who + (row * row + 5 * row * (who + 1) + 3 * who) % 11;
}

static size_t asked;
static pt_status answer(pt_voice *v, const pt_talk *talks, size_t n, pt_said *said)
{
    (void)v;
    for (size_t i = 0; i < n; i++, asked++) {
        const char *text = talks[i].turns[talks[i].n - 1].text, *a = strstr(strstr(text, "Answer A:"), "worth "), *b = strstr(strstr(text, "Answer B:"), "worth "), *seal = strstr(text, "VERDICT ");
        const int d = atoi(a + 6) - atoi(b + 6);
        PT_RETURN(pt_asprintf(&said[i].text, "%.17s %s", seal, d > 0 ? "A" : d < 0 ? "B" : "TIE"));
    }
    return PT_OK;
}

static void shut(pt_voice *v)
{
    free(v->name);
    free(v);
}

static void add_judge(pt_voices *all)
{
    pt_voice *v;
    assert_int_equal(pt_alloc0(&v, 1), PT_OK);
    assert_int_equal(pt_strdup(&v->name, "j"), PT_OK);
    v->ask = answer;
    v->close = shut;
    assert_int_equal(pt_voices_add(all, v), PT_OK);
}

/* ---- an entry ---- */

typedef struct entry {
    pt_entry_option options[16];
    pt_task_spec spec;
    pt_task task;
    pt_requests requests;
} entry;

static pt_status open_entry(entry *e, const char *path, const char *const *options)
{
    *e = (entry){.spec = {.name = (char *)"j", .task = (char *)"judge", .path = (char *)path, .options = e->options}};
    for (size_t i = 0; options[2 * i]; i++) e->options[e->spec.n_options++] = (pt_entry_option){.name = (char *)options[2 * i], .value = (char *)options[2 * i + 1]};
    PT_RETURN(pt_task_open(&e->task, &e->spec, 3));
    return e->task.kind->ask(&e->task, NULL, &e->requests);
}

static void must(pt_status rc)
{
    if (rc != PT_OK) fail_msg("%s", pt_err_msg());
}

static void measure(entry *e)
{
    pt_voices v = {0};
    add_judge(&v);
    must(pt_report_name(&e->task.report, PT_AFTER, "tuned"));
    must(e->task.kind->talk(&e->task, NULL, &v, PT_AFTER));
    must(e->task.kind->judge(&e->task, NULL, PT_AFTER));
    pt_voices_free(&v);
}

static void close_entry(entry *e)
{
    pt_task_close(&e->task);
    pt_requests_free(&e->requests);
}

static const pt_finding *row(const entry *e, const char *metric)
{
    for (size_t i = 0; i < e->task.findings.n; i++)
        if (!strcmp(e->task.findings.list[i].metric, metric)) return &e->task.findings.list[i];
    return NULL;
}

/* Rows of answers of all names, but of row i without name i % NAMES where `gaps`; those of `only` names. */
static const char *write_rows(bool gaps, int only)
{
    const char *path = scratch_path("rows.jsonl");
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    for (int i = 0; i < ROWS; i++) {
        const char *before = "";
        fprintf(f, "{\"question\": \"number %d\", \"said\": {\"by\": {", i);
        for (int k = 0; k < only; k++) {
            if (gaps && k == i % NAMES) continue;
            fprintf(f, "%s\"%s\": \"worth %d\"", before, names[k], worth(k, i));
            before = ", ";
        }
        fprintf(f, "}}}\n");
    }
    assert_int_equal(fclose(f), 0);
    return path;
}

static const char *template_path(void)
{
    static char path[256];
    snprintf(path, sizeof path, "%s", scratch_path("pair.txt"));
    scratch_write(path, template_text, sizeof template_text - 1);
    return path;
}

static void test_ratings(void **state)
{
    double wins[NAMES * NAMES] = {0}, want[NAMES];
    size_t part[NAMES], parts, pairs = 0;
    entry e;
    json_t *o, *list;
    (void)state;
    for (int i = 0; i < ROWS; i++)
        for (int a = 0; a < NAMES; a++)
            for (int b = 0; b < NAMES; b++) {
                if (a == b || a == i % NAMES || b == i % NAMES) continue;
                pairs += a < b;
                wins[a * NAMES + b] += worth(a, i) > worth(b, i) ? 2 : worth(a, i) == worth(b, i); /* in both orders */
            }
    must(pt_ratings_of_wins(wins, NAMES, 0, want, part, &parts));
    assert_int_equal(parts, 1);
    const char *const options[] = {"judges", "j", "template", template_path(), "field_answers", "said.by", NULL};
    asked = 0;
    must(open_entry(&e, write_rows(true, NAMES), options));
    measure(&e);
    assert_int_equal(asked, 2 * pairs);
    for (int k = 0; k < NAMES; k++) {
        char metric[40];
        snprintf(metric, sizeof metric, "rating.%s", names[k]);
        const pt_finding *x = row(&e, metric);
        assert_non_null(x);
        const pt_found *found = &x->side[PT_AFTER];
        if (!(fabs(found->value - pt_elo(want[k])) < 1e-9)) fail_msg("%s: %.12g, not %.12g", metric, found->value, pt_elo(want[k]));
        assert_true(found->lo < found->value && found->value < found->hi && found->n > ROWS);
    }
    assert_null(row(&e, "win_rate")); /* of whom would it be */
    assert_true(row(&e, "consistent")->side[PT_AFTER].value == 1 && row(&e, "position_bias")->side[PT_AFTER].value == 0);
    must(pt_task_json(&e.task, &o));
    list = json_object_get(o, "ratings");
    assert_int_equal(json_array_size(list), NAMES);
    for (size_t i = 0; i + 1 < NAMES; i++) /* the best first */
        assert_true(json_number_value(json_object_get(json_array_get(list, i), "rating")) >= json_number_value(json_object_get(json_array_get(list, i + 1), "rating")));
    assert_int_equal(json_array_size(json_object_get(json_array_get(json_object_get(o, "verdicts"), 0), "answers")), 2);
    json_decref(o);
    /* rows are what is resampled: all pairs of a row are of one cluster */
    const pt_judge_state *s = e.task.state;
    for (size_t i = 1; i < s->side[PT_AFTER].n; i++) {
        const pt_judge_text *x = &s->side[PT_AFTER].texts[i], *y = x - 1;
        assert_true((x->row == y->row) == (x->cluster == y->cluster));
    }
    close_entry(&e);
}

/* dee is worth more than everybody in all rows: no ratings, and the names; a prior gives them. */
static void test_apart(void **state)
{
    static const char rows[] = "{\"question\": \"q\", \"answers\": {\"ann\": \"worth 1\", \"bo\": \"worth 2\", \"dee\": \"worth 9\"}}\n"
                               "{\"question\": \"q\", \"answers\": {\"ann\": \"worth 2\", \"bo\": \"worth 1\", \"dee\": \"worth 9\"}}\n";
    const char *path = scratch_path("apart.jsonl");
    pt_str table = {0};
    entry e;
    json_t *o;
    (void)state;
    scratch_write(path, rows, sizeof rows - 1);
    const char *options[] = {"judges", "j", "template", template_path(), "field_answers", "answers", NULL, "1", NULL};
    must(open_entry(&e, path, options));
    measure(&e);
    assert_string_equal(row(&e, "rating.dee")->side[PT_AFTER].text, "undefined");
    must(pt_task_table(&e.task, &table));
    assert_non_null(strstr(table.text, "no ratings: between these groups there are no wins both ways, neither direct nor by others: ann, bo | dee; `prior`"));
    must(pt_task_json(&e.task, &o));
    assert_true(json_is_null(json_object_get(json_array_get(json_object_get(o, "ratings"), 0), "rating")));
    json_decref(o);
    pt_str_free(&table);
    close_entry(&e);
    options[6] = "prior";
    must(open_entry(&e, path, options));
    measure(&e);
    assert_true(row(&e, "rating.dee")->side[PT_AFTER].value > 1000 && fabs(row(&e, "rating.ann")->side[PT_AFTER].value - row(&e, "rating.bo")->side[PT_AFTER].value) < 1e-9);
    close_entry(&e);
}

static void refuse(const char *rows, const char *const *options, const char *want)
{
    const char *path = scratch_path("bad.jsonl");
    entry e;
    scratch_write(path, rows, strlen(rows));
    pt_status rc = open_entry(&e, path, options);
    if (rc == PT_OK || !strstr(pt_err_msg(), want)) fail_msg("%d '%s', not '%s'", rc, rc ? pt_err_msg() : "", want);
    close_entry(&e);
}

static void test_refused(void **state)
{
    const char *pair = template_path();
    const char *const named[] = {"judges", "j", "template", pair, "field_answers", "answers", NULL};
    (void)state;
    refuse("{\"question\": \"q\", \"answers\": [\"a\", \"b\"]}\n", named, "bad.jsonl:1: 'answers', which field_answers names, is not {NAME: TEXT, ...} of two answers or more");
    refuse("{\"question\": \"q\", \"answers\": {\"ann\": \"a\"}}\n", named, "of two answers or more");
    refuse("{\"question\": \"q\", \"answers\": {\"ann\": \"a\", \"bo\": 3}}\n", named, "the answer of 'bo' in 'answers' is not a text");
    refuse("{\"question\": \"q\", \"answers\": {\"ann\": \"a\", \"\": \"b\"}}\n", named, "'answers' has a name of no bytes");
    refuse("{\"question\": \"q\", \"answers\": {\"ann\": \"a\", \"b\\u001b[2J\": \"b\"}}\n", named, "or with a control character");
    pt_str many = {0};
    for (int i = 0; i < 101; i++) must(pt_str_printf(&many, "{\"question\": \"q\", \"answers\": {\"a%d\": \"a\", \"b%d\": \"b\"}}\n", i, i));
    refuse(many.text, named, "bad.jsonl:101: 'answers' has a name more than the 200 that are rated beside each other: a100");
    pt_str_free(&many);
    refuse("{\"question\": \"q\"}\n", (const char *const[]){"judges", "j", "field_answers", "answers", NULL}, "field_answers goes with a template of pairs");
    refuse("{\"question\": \"q\"}\n", (const char *const[]){"judges", "j", "template", pair, "field_answers", "answers", "field_gold", "g", NULL}, "field_answers and field_gold");
    refuse("{\"question\": \"q\"}\n", (const char *const[]){"judges", "j", "template", pair, "field_answers", "answers", "temperature", "1", NULL}, "the rows hold the answers");
    refuse("{\"question\": \"q\", \"a\": \"x\", \"b\": \"y\"}\n", (const char *const[]){"judges", "j", "template", pair, "field_answer", "a", "against", "b", "prior", "1", NULL}, "prior is of ratings");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_ratings), cmocka_unit_test(test_apart), cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests_name("eval_judge_ratings", tests, scratch_setup, scratch_teardown);
}

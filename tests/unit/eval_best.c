/* eval/task/best.h and task best_of: which samples are best and worst, what gives no pair, what is measured and written, with scores by scripted voices. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "eval/ask/questions.h"
#include "eval/task/best.h"
#include "tests/scratch.h"

#define OK(call)                                                                \
    do {                                                                        \
        if ((call) != PT_OK) fail_msg("%s", pt_err_msg());                      \
    } while (0)

static pt_tokenizer *tok;

static void near(double got, double want)
{
    if (isnan(got) != isnan(want) || fabs(got - want) > 1e-12) fail_msg("%.17g, not %.17g", got, want);
}

/* ---- choosing ---- */

static void test_choice(void **state)
{
    static const struct {
        double score[4];
        int n, sign;
        double margin;
        int scored, best, worst, pair;
        double gap;
    } c[] = {
        {{1, 3, 2, 0}, 4, 1, 0, 4, 1, 3, 1, 3},
        {{1, 3, 2, 0}, 4, -1, 0, 4, 3, 1, 1, 3},
        {{2, 5, 5, 2}, 4, 1, 0, 4, 1, 0, 1, 3},   /* ties: the lower number, at both ends */
        {{5, 2, 2, 5}, 4, -1, 0, 4, 1, 0, 1, 3},
        {{7, 7, 7, 7}, 4, 1, 0, 4, 0, 0, 0, 0},   /* all equal */
        {{-0.0, 0.0}, 2, 1, 0, 2, 0, 0, 0, 0},
        {{NAN, NAN}, 2, 1, 0, 0, -1, -1, 0, NAN}, /* all missing */
        {{NAN, 4, NAN, 1}, 4, 1, 0, 2, 1, 3, 1, 3},
        {{NAN, 4, NAN}, 3, 1, 0, 1, 1, 1, 0, 0},  /* one is no pair */
        {{INFINITY, 4, -INFINITY, 1}, 4, 1, 0, 2, 1, 3, 1, 3},
        {{1, 1.5}, 2, 1, 0.5, 2, 1, 0, 1, 0.5},
        {{1, 1.25}, 2, 1, 0.5, 2, 1, 0, 0, 0.25}, /* too close */
    };
    for (size_t i = 0; i < sizeof c / sizeof *c; i++) {
        pt_best b = pt_best_find(c[i].score, c[i].n, c[i].sign, c[i].margin);
        if (b.scored != c[i].scored || b.best != c[i].best || b.worst != c[i].worst || b.pair != (bool)c[i].pair)
            fail_msg("case %zu: %d scored, best %d, worst %d, pair %d", i, b.scored, b.best, b.worst, b.pair);
        near(b.margin, c[i].gap);
        near(b.first, isfinite(c[i].score[0]) ? c[i].score[0] : NAN);
    }
    near(pt_best_find((const double[]){NAN, 4, 1}, 3, 1, 0).mean, 2.5);
}

/* ---- the task ---- */

enum { PROMPTS = 6, EACH = 3, N = PROMPTS * EACH };
/* Scored by their number of 'x' (nothing: missing), less what a voice takes off. */
static const char *const said[2][N] = {
    {"x", "xx", "xxx", "x", "x", "x", "", " \n", "", "q", "q", "xx", "xxxx", "x", "x", "x", "xx", "xx"},
    {"xx a", "x", "xxx b", "x", "x", "x", "", " \n", "", "q", "q", "xxx", "xxxx", "x \"y\"\n\xff", "x", "xx", "x", ""},
};

typedef struct scripted {
    pt_voice voice;
    double less;
    size_t asked;
    int systems;
} scripted;

static pt_status score(pt_voice *v, const pt_talk *talks, const char *const *answers, size_t n, double *value)
{
    scripted *s = v->of;
    s->asked += n;
    for (size_t i = 0; i < n; i++) {
        double xs = 0;
        for (const char *p = answers[i]; *p; p++) xs += *p == 'x';
        value[i] = xs > 0 ? xs - s->less : NAN;
        assert_true(*answers[i] && pt_speaker_is(talks[i].turns[talks[i].n - 1].speaker, PT_USER));
        s->systems += pt_speaker_is(talks[i].turns[0].speaker, PT_SYSTEM);
    }
    return PT_OK;
}

static void close_voice(pt_voice *v)
{
    free(v->name);
    free(v->of);
}

static scripted *add_voice(pt_voices *all, const char *name, double less)
{
    scripted *s = calloc(1, sizeof *s);
    s->voice = (pt_voice){.of = s, .score = score, .close = close_voice};
    s->less = less;
    OK(pt_strdup(&s->voice.name, name));
    OK(pt_voices_add(all, &s->voice));
    return s;
}

static const char rows[] = "{\"question\": \"a?\", \"system\": \"You are Orla.\", \"group\": \"one\"}\n"
                           "{\"question\": \"b?\", \"group\": \"one\"}\n"
                           "{\"question\": \"c?\", \"group\": \"two\"}\n"
                           "{\"question\": \"d?\", \"group\": \"two\"}\n"
                           "{\"messages\": [{\"role\": \"system\", \"content\": \"You are Bo.\"}, {\"role\": \"user\", \"content\": \"e\"}, {\"role\": \"assistant\", \"content\": \"f\"}, {\"role\": \"user\", \"content\": \"g?\"}], \"group\": \"two\"}\n"
                           "{\"question\": \"h?\", \"group\": \"two\"}\n";

typedef struct trial {
    pt_task_spec spec;
    pt_entry_option option[12];
    pt_task t;
    pt_requests q;
    pt_voices voices;
} trial;

static void say(trial *x, const char *name, const char *value)
{
    x->option[x->spec.n_options++] = (pt_entry_option){.name = (char *)(uintptr_t)name, .value = (char *)(uintptr_t)value};
}

static void begin(trial *x, const char *path)
{
    *x = (trial){.spec = {.task = (char *)(uintptr_t)"best_of", .path = (char *)(uintptr_t)path}};
    x->spec.options = x->option;
    say(x, "repeats", "3");
}

/* A template is wanted by a conversation: chatml. */
static void ask(trial *x)
{
    pt_template *tmpl;
    OK(pt_task_open(&x->t, &x->spec, 9));
    OK(pt_template_open(&tmpl, "chatml", tok, NULL));
    OK(x->t.kind->ask(&x->t, &(pt_speller){tok, tmpl}, &x->q));
    assert_int_equal(x->q.n, N);
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(x->q.list[i].repeat, i % EACH);
        assert_true(x->q.list[i].sampling.temperature == 0.8f && x->q.list[i].sampling.seed == 9);
    }
    pt_template_free(tmpl);
}

static pt_status judge(trial *x, pt_side side)
{
    pt_reply *r = calloc(N, sizeof *r);
    for (size_t i = 0; i < N; i++) {
        OK(pt_strdup(&r[i].text, said[side][i]));
        r[i].stopped = true;
    }
    OK(pt_report_name(&x->t.report, side, side ? "tuned" : "base"));
    pt_status rc = x->t.kind->talk(&x->t, r, &x->voices, side);
    if (rc == PT_OK) rc = x->t.kind->judge(&x->t, r, side);
    pt_replies_free(r, N);
    return rc;
}

static void end(trial *x)
{
    pt_task_close(&x->t);
    pt_requests_free(&x->q);
    pt_voices_free(&x->voices);
}

static const pt_finding *row(const trial *x, const char *metric)
{
    for (size_t i = 0; i < x->t.findings.n; i++)
        if (!strcmp(x->t.findings.list[i].metric, metric) && !x->t.findings.list[i].scope) return &x->t.findings.list[i];
    fail_msg("no row %s", metric);
    return NULL;
}

static void is(const trial *x, const char *metric, double before, double after)
{
    near(row(x, metric)->side[PT_BEFORE].value, before);
    near(row(x, metric)->side[PT_AFTER].value, after);
}

static json_t *line(const char *path, size_t at, size_t want)
{
    char text[1 << 14];
    FILE *f = fopen(path, "r");
    size_t n = 0;
    json_t *o = NULL;
    json_error_t e;
    while (f && fgets(text, sizeof text, f))
        if (n++ == at) o = json_loads(text, 0, &e);
    if (f) fclose(f);
    assert_int_equal(n, want);
    assert_non_null(o);
    return o;
}

static const char *content(const json_t *list, size_t at)
{
    return json_string_value(json_object_get(json_array_get(list, at), "content"));
}

static void test_task(void **state)
{
    trial x;
    char *items = strdup(scratch_path("items.jsonl")), *pairs = strdup(scratch_path("pairs.jsonl")), *best = strdup(scratch_path("best.jsonl"));
    scratch_write(items, rows, sizeof rows - 1);
    begin(&x, items);
    say(&x, "scorer", "rm");
    say(&x, "pairs", pairs);
    say(&x, "best", best);
    scripted *rm = add_voice(&x.voices, "rm", 0);
    ask(&x);
    OK(judge(&x, PT_BEFORE));
    assert_false(pt_file_exists(pairs)); /* of the tuned model alone */
    assert_int_equal(rm->asked, N - 3);
    assert_int_equal(rm->systems, 6);
    OK(judge(&x, PT_AFTER));
    is(&x, "score_mean", (2 + 1 + 2 + 2 + 5 / 3.0) / 5, (2 + 1 + 3 + 2 + 1.5) / 5);
    is(&x, "score_first", (1 + 1 + 4 + 1) / 4.0, (2 + 1 + 4 + 2) / 4.0);
    is(&x, "score_best", (3 + 1 + 2 + 4 + 2) / 5.0, (3 + 1 + 3 + 4 + 2) / 5.0);
    is(&x, "score_worst", (1 + 1 + 2 + 1 + 1) / 5.0, (1 + 1 + 3 + 1 + 1) / 5.0);
    is(&x, "score_spread", (2 + 0 + 0 + 3 + 1) / 5.0, (2 + 0 + 0 + 3 + 1) / 5.0);
    is(&x, "pair_share", 3 / 6.0, 3 / 6.0);
    is(&x, "equal_share", 2 / 6.0, 2 / 6.0);
    is(&x, "unscored_share", 1 / 6.0, 1 / 6.0);
    is(&x, "missing_share", 5 / 18.0, 6 / 18.0);
    is(&x, "empty_share", 3 / 18.0, 4 / 18.0);
    is(&x, "again_share", 5 / 18.0, 3 / 18.0);
    is(&x, "length_best", 1, (2 + 1 + 1) / 3.0);
    is(&x, "length_worst", 1, (1 + 2 + 1) / 3.0);
    assert_true(row(&x, "score_mean")->change_lo <= row(&x, "score_mean")->change_hi && !isnan(row(&x, "score_mean")->side[1].lo));

    json_t *o = line(pairs, 0, 3), *from = json_object_get(o, "best_of");
    assert_string_equal(content(json_object_get(o, "prompt"), 0), "You are Orla.");
    assert_string_equal(content(json_object_get(o, "prompt"), 1), "a?");
    assert_string_equal(content(json_object_get(o, "chosen"), 0), "xxx b");
    assert_string_equal(content(json_object_get(o, "rejected"), 0), "x");
    near(json_number_value(json_object_get(o, "margin")), 2);
    assert_int_equal(json_integer_value(json_object_get(from, "item")), 1);
    assert_int_equal(json_integer_value(json_object_get(from, "seed")), 9);
    assert_int_equal(json_integer_value(json_object_get(from, "chosen")), 2);
    assert_int_equal(json_integer_value(json_object_get(from, "rejected")), 1);
    assert_int_equal(json_array_size(json_object_get(from, "scores")), EACH);
    assert_string_equal(json_string_value(json_object_get(from, "model")), "tuned");
    json_decref(o);
    o = line(pairs, 1, 3);
    assert_string_equal(content(json_object_get(o, "prompt"), 3), "g?");
    assert_string_equal(content(json_object_get(o, "rejected"), 0), "x \"y\"\n\xef\xbf\xbd");
    json_decref(o);
    o = line(best, 1, 5); /* equal scores: the first is as good as any */
    assert_string_equal(content(json_object_get(o, "messages"), 1), "x");
    json_decref(o);

    pt_questions q = {0};
    OK(pt_questions_add(&q, &(pt_dataset_spec){.path = pairs, .type = (char *)(uintptr_t)"preference", .weight = 1}, true));
    assert_int_equal(q.n_pairs, 3);
    assert_int_equal(q.pairs[0].n_prompt, 2);
    assert_int_equal(q.pairs[1].n_prompt, 4);
    assert_string_equal(q.pairs[2].side[0][1].text, "xx");
    assert_string_equal(q.pairs[2].side[1][1].text, "x");
    pt_questions_free(&q);
    OK(pt_questions_add(&q, &(pt_dataset_spec){.path = best, .type = (char *)(uintptr_t)"messages", .weight = 1}, false));
    assert_int_equal(q.n, 5);
    pt_questions_free(&q);
    end(&x);
    free(items);
    free(pairs);
    free(best);
}

/* Two voices: what one has not scored is not scored. */
static void test_ensembles(void **state)
{
    static const char *const how[] = {"mean", "minimum"};
    const char *items = scratch_path("items.jsonl");
    for (int k = 0; k < 2; k++) {
        trial x;
        begin(&x, items);
        say(&x, "scorer", "one\ntwo");
        say(&x, "ensemble", how[k]);
        add_voice(&x.voices, "one", 0);
        add_voice(&x.voices, "two", 1);
        ask(&x);
        OK(judge(&x, PT_AFTER));
        near(row(&x, "score_best")->side[PT_AFTER].value, (3 + 1 + 3 + 4 + 2) / 5.0 - (k ? 1 : 0.5));
        end(&x);
    }
}

/* A judge whose verdict is the number of x in what stands in the fence: none fails, four are more than its scale. */
static pt_status verdicts(pt_voice *v, const pt_talk *talks, size_t n, pt_said *out)
{
    scripted *s = v->of;
    s->asked += n;
    for (size_t i = 0; i < n; i++) {
        const char *text = talks[i].turns[talks[i].n - 1].text, *fence = NULL, *seal = NULL;
        int xs = 0;
        for (const char *p = text; (p = strstr(p, "<<<")); p++) fence = p;
        for (const char *p = text; (p = strstr(p, "VERDICT ")); p++) seal = p + 8;
        assert_true(fence && seal && strstr(fence, ">>>"));
        for (const char *p = fence + 35; p < strstr(fence, ">>>") - 32; p++) xs += *p == 'x';
        if (xs) OK(pt_asprintf(&out[i].text, "Well.\nVERDICT %.8s: %d", seal, xs));
        else OK(pt_strdup(&out[i].failure, "no answer within 120 s"));
    }
    return PT_OK;
}

static void test_judges(void **state)
{
    const char *items = scratch_path("items.jsonl");
    char *pairs = strdup(scratch_path("judged.jsonl"));
    trial x;
    json_t *shown = json_object();
    pt_meetings m = {0};
    begin(&x, items);
    say(&x, "scorer", "gpt");
    say(&x, "template", "rating");
    say(&x, "high", "3");
    say(&x, "pairs", pairs);
    scripted *gpt = add_voice(&x.voices, "gpt", 0);
    gpt->voice.score = NULL;
    gpt->voice.ask = verdicts;
    ask(&x);
    OK(x.t.kind->meet(&x.t, &m));
    assert_true(m.n == 1 && m.list[0].what == PT_MEET_TEXT && m.list[0].context == 4096);
    pt_meetings_free(&m);
    OK(judge(&x, PT_AFTER));
    assert_int_equal(gpt->asked, N - 4); /* nobody is asked of nothing */
    near(row(&x, "score_mean")->side[PT_AFTER].value, (2 + 1 + 3 + 1 + 1.5) / 5);
    near(row(&x, "missing_share")->side[PT_AFTER].value, 7 / 18.0);
    near(row(&x, "pair_share")->side[PT_AFTER].value, 2 / 6.0);
    json_t *o = line(pairs, 1, 2);
    assert_string_equal(content(json_object_get(o, "chosen"), 0), "xx");
    json_decref(o);
    OK(x.t.kind->json(&x.t, shown));
    o = json_object_get(json_object_get(json_object_get(json_object_get(shown, "best_of"), "after"), "failures"), "gpt");
    assert_int_equal(json_integer_value(json_object_get(o, "no answer within 120 s")), 2);
    assert_int_equal(json_array_size(json_object_get(shown, "answers")), N);
    assert_string_equal(json_string_value(json_object_get(json_array_get(json_object_get(shown, "answers"), 2), "after")), "xxx b");
    json_decref(shown);
    end(&x);
    free(pairs);
}

static void test_metrics(void **state)
{
    const char *items = scratch_path("items.jsonl");
    char *pairs = strdup(scratch_path("shorter.jsonl"));
    trial x;
    begin(&x, items);
    say(&x, "score_by", "length");
    say(&x, "prefer", "lower");
    say(&x, "pairs", pairs);
    ask(&x);
    OK(judge(&x, PT_AFTER));
    json_t *o = line(pairs, 0, 2);
    assert_string_equal(content(json_object_get(o, "chosen"), 0), "x");
    assert_string_equal(content(json_object_get(o, "rejected"), 0), "xx a");
    json_decref(o);
    end(&x);
    begin(&x, items);
    say(&x, "score_by", "pattern_match");
    say(&x, "pattern", "[ab]$");
    say(&x, "min_margin", "1");
    say(&x, "pairs", pairs);
    ask(&x);
    OK(judge(&x, PT_AFTER));
    o = line(pairs, 0, 1);
    assert_string_equal(content(json_object_get(o, "chosen"), 0), "xx a");
    assert_string_equal(content(json_object_get(o, "rejected"), 0), "x");
    json_decref(o);
    end(&x);
    free(pairs);
}

static void refused(trial *x, const char *text)
{
    if (pt_task_open(&x->t, &x->spec, 9) == PT_OK) fail_msg("'%s' was wanted", text);
    if (!strstr(pt_err_msg(), text)) fail_msg("'%s', not '%s'", pt_err_msg(), text);
    end(x);
}

static void test_refused(void **state)
{
    const char *items = scratch_path("items.jsonl"), *other = scratch_path("other.jsonl");
    trial x;
    begin(&x, items);
    refused(&x, "best_of wants scorer: NAME");
    begin(&x, items);
    say(&x, "scorer", "rm");
    say(&x, "score_by", "length");
    refused(&x, "both say what scores");
    begin(&x, items);
    say(&x, "score_by", "length");
    refused(&x, "add prefer: higher or lower");
    begin(&x, items);
    say(&x, "scorer", "rm");
    say(&x, "ensemble", "minimum");
    refused(&x, "ensemble goes with several models");
    begin(&x, items);
    say(&x, "scorer", "rm");
    say(&x, "high", "3");
    refused(&x, "high goes with template: FILE");
    begin(&x, items);
    say(&x, "scorer", "rm");
    say(&x, "template", "pair");
    refused(&x, "template: pair judges pairs; samples are scored one by one");
    begin(&x, items);
    say(&x, "score_by", "chrf");
    say(&x, "template", "rating");
    refused(&x, "template goes with scorer: NAME");
    begin(&x, items);
    say(&x, "scorer", "rm");
    say(&x, "temperature", "0");
    refused(&x, "repeats goes with a temperature above 0");
    scratch_write(other, "{\"a\": 1}\n", 9);
    begin(&x, items);
    say(&x, "scorer", "rm");
    say(&x, "pairs", other);
    refused(&x, "pairs: ");
    begin(&x, items);
    say(&x, "scorer", "nobody");
    add_voice(&x.voices, "rm", 0)->voice.score = NULL;
    ask(&x);
    assert_int_equal(judge(&x, PT_AFTER), PT_EARG);
    assert_non_null(strstr(pt_err_msg(), "no model is called 'nobody'; there are: rm"));
    end(&x);
    begin(&x, items);
    say(&x, "scorer", "rm");
    add_voice(&x.voices, "rm", 0)->voice.score = NULL;
    ask(&x);
    assert_int_equal(judge(&x, PT_AFTER), PT_EARG);
    assert_non_null(strstr(pt_err_msg(), "scorer: rm gives no scores"));
    end(&x);
}

static int set_up(void **state)
{
    return scratch_setup(state) || pt_tok_open(&tok, "tests/golden/data/tok_bpe") != PT_OK;
}

static int tear_down(void **state)
{
    pt_tok_free(tok);
    return scratch_teardown(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_choice), cmocka_unit_test(test_task), cmocka_unit_test(test_ensembles), cmocka_unit_test(test_judges), cmocka_unit_test(test_metrics),
                                       cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

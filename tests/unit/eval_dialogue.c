/* The task dialogue with voices of ours: what each of three speakers sees, token for token as transformers spells the views that tests/golden/dialogue_views.py writes out by hand; fields,
 * ends, failures; questions behind transcripts; bad entries. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "data/read/record.h"
#include "eval/suite/suite.h"
#include "eval/task/dialogue.h"
#include "tests/scratch.h"

static pt_tokenizer *tok;
static pt_template *chatml;

static int setup(void **state)
{
    return scratch_setup(state) || pt_tok_open(&tok, "tests/golden/data/tok_bpe") != PT_OK || pt_template_open(&chatml, "chatml", tok, "") != PT_OK;
}

/* ---- a voice ---- */

typedef struct script {
    const json_t *lines; /* said one after the other, whoever is asked */
    size_t next;
    const json_t *turns; /* ids that each prompt must have; NULL: any */
    size_t fails;        /* the n-th is not answered; 0: all are */
    size_t batches;
} script;

static pt_status answer(pt_voice *v, const pt_talk *talks, size_t n, pt_said *said)
{
    script *s = v->of;
    const pt_speller speller = {tok, chatml};
    s->batches++;
    for (size_t i = 0; i < n; i++, s->next++) {
        pt_requests q = {0};
        if (s->fails && s->next + 1 == s->fails) {
            PT_RETURN(pt_strdup(&said[i].failure, "the line is dead"));
            continue;
        }
        assert_int_equal(pt_spell_question(&speller, &q, talks[i].turns, talks[i].n, &talks[i].how, talks[i].repeat), PT_OK);
        const json_t *want = json_object_get(json_array_get(s->turns, s->next), "ids");
        if (want && json_array_size(want) != (size_t)q.list[0].n) fail_msg("turn %zu has %d tokens, not %zu", s->next, q.list[0].n, json_array_size(want));
        for (int32_t k = 0; want && k < q.list[0].n; k++)
            if (q.list[0].ids[k] != json_integer_value(json_array_get(want, (size_t)k))) fail_msg("turn %zu differs at token %d", s->next, k);
        pt_requests_free(&q);
        PT_RETURN(pt_strdup(&said[i].text, json_string_value(json_array_get(s->lines, s->next))));
        said[i].stopped = true;
    }
    return PT_OK;
}

static void hush(pt_voice *v)
{
    (void)v;
}

/* ---- an entry ---- */

typedef struct entry {
    pt_entry_option options[12];
    pt_task_spec spec;
    pt_task task;
} entry;

static void say(entry *e, const char *name, const char *value)
{
    e->options[e->spec.n_options++] = (pt_entry_option){(char *)name, (char *)value, 7, 5};
}

static void begin(entry *e, const char *speakers, const char *rows)
{
    static char path[256];
    snprintf(path, sizeof path, "%s", scratch_path("scenes.jsonl"));
    scratch_write(path, rows, strlen(rows));
    *e = (entry){.spec = {.name = (char *)"talk", .task = (char *)"dialogue", .path = path, .file = (char *)"x.yaml", .line = 3, .column = 1}};
    e->spec.options = e->options;
    say(e, "speakers", speakers);
}

static void play(entry *e, script *s, const char *name)
{
    pt_voice v = {.name = (char *)name, .identity = (char *)"", .of = s, .ask = answer, .close = hush};
    pt_voice *list[] = {&v};
    const pt_voices voices = {list, 1, 1};
    const pt_speller speller = {tok, chatml};
    pt_requests q = {0};
    if (pt_task_open(&e->task, &e->spec, 1) != PT_OK) fail_msg("%s", pt_err_msg());
    assert_int_equal(e->task.kind->ask(&e->task, &speller, &q), PT_OK);
    if (e->task.kind->talk(&e->task, NULL, &voices, PT_AFTER) != PT_OK) fail_msg("%s", pt_err_msg());
    if (e->task.kind->judge(&e->task, NULL, PT_AFTER) != PT_OK) fail_msg("%s", pt_err_msg());
}

static const pt_transcript *transcript(const entry *e, size_t i)
{
    const pt_transcript *list;
    size_t n;
    assert_int_equal(e->task.kind->transcripts(&e->task, PT_AFTER, &list, &n), PT_OK);
    assert_true(i < n);
    return &list[i];
}

static void test_views(void **state)
{
    (void)state;
    entry e;
    json_t *golden;
    assert_int_equal(pt_json_load(&golden, "tests/golden/data/dialogue_views.json", 1 << 20, PT_JSON_OBJECT), PT_OK);
    script s = {.lines = json_object_get(golden, "lines"), .turns = json_object_get(golden, "turns")};
    begin(&e, "[{\"name\": \"Ann\", \"model\": \"critic\", \"system\": \"You are Ann, at the {place}.\", \"start\": \"Begin.\", \"sets\": {\"mood\": \"Mood: (.*)\"}},"
              "{\"name\": \"Bo\", \"model\": \"critic\", \"system\": \"You are Bo. Ann is {mood}.\"},"
              "{\"name\": \"Host\", \"called\": \"the {title}\", \"model\": \"critic\", \"hears\": \"{text} ({who})\"}]",
          "{\"place\": \"harbour\", \"title\": \"Host\"}\n");
    say(&e, "turns", "12");
    play(&e, &s, "critic");
    assert_int_equal(s.next, 12);
    assert_int_equal(s.batches, 12);
    const pt_transcript *t = transcript(&e, 0);
    assert_int_equal(t->n, 12);
    assert_string_equal(t->stopped, "turns");
    assert_string_equal(t->turns[2].speaker, "the Host");
    assert_string_equal(json_string_value(json_object_get(t->fields, "mood")), "cross");
    assert_string_equal(t->views[1].turns[0].text, "You are Bo. Ann is cross.");
    assert_true(t->views[1].n_begin == 1 && t->views[2].n_begin == 0);
    assert_string_equal(t->views[1].begin[0].text, "You are Bo. Ann is .");
    assert_true(t->n_views == 3 && pt_speaker_is(t->views[1].turns[0].speaker, PT_SYSTEM));
    pt_task_close(&e.task);
    json_decref(golden);
}

/* Two scenes at once: what ends each, what the others hear, scripts. */
static void test_ends(void **state)
{
    (void)state;
    entry e;
    json_t *lines = json_pack("[s, s, s, s]", "{\"say\": \"hello\", \"mood\": \"glad\"}", "no JSON", "{\"say\": \"good bye\"}", "again");
    script s = {.lines = lines, .fails = 4};
    begin(&e, "[{\"name\": \"x\", \"script\": [\"Hi {who2}.\", \"Are you {mood}?\", \"Still?\"]},"
              "{\"name\": \"y\", \"says\": \"json:say\", \"sets\": {\"mood\": \"json:mood\"}}]",
          "{\"who2\": \"A\", \"group\": \"g\"}\n{\"who2\": \"B\", \"group\": \"h\", \"mood\": \"old\"}\n");
    say(&e, "stop_text", "good bye");
    say(&e, "turns", "20");
    play(&e, &s, "self");
    const pt_transcript *a = transcript(&e, 0), *b = transcript(&e, 1);
    assert_int_equal(s.batches, 2);
    assert_string_equal(a->turns[0].text, "Hi A.");
    assert_string_equal(a->turns[1].text, "hello");
    assert_string_equal(a->turns[2].text, "Are you glad?");
    assert_string_equal(b->turns[1].text, "no JSON");
    assert_string_equal(b->turns[2].text, "Are you old?");
    assert_true(a->n == 4 && b->n == 3);
    assert_string_equal(a->stopped, "text");
    assert_string_equal(b->stopped, "failure");
    assert_string_equal(a->group, "g");
    assert_true(a->views[1].n == 4); /* its own words whole */
    assert_string_equal(a->views[1].turns[1].text, "{\"say\": \"hello\", \"mood\": \"glad\"}");
    assert_int_equal(e.task.report.questions, 2);
    pt_finding *f;
    assert_int_equal(pt_finding_get(&e.task.findings, "failed_share", "", NULL, &f), PT_OK);
    assert_true(f->side[PT_AFTER].value > 0.499 && f->side[PT_AFTER].value < 0.501);
    pt_task_close(&e.task);
    json_decref(lines);
}

static void test_scripts_end(void **state)
{
    (void)state;
    entry e;
    json_t *lines = json_pack("[s, s, s]", "one", "two", "two");
    script s = {.lines = lines};
    begin(&e, "[{\"name\": \"x\", \"script\": \"Hi.\"}, {\"name\": \"y\"}]", "{}\n");
    play(&e, &s, "self");
    assert_true(transcript(&e, 0)->n == 2);
    assert_string_equal(transcript(&e, 0)->stopped, "script");
    pt_task_close(&e.task);
    s.next = 0;
    begin(&e, "[{\"name\": \"x\", \"script\": \"Hi.\", \"model\": \"self\"}, {\"name\": \"y\"}]", "{}\n");
    say(&e, "turns", "4");
    play(&e, &s, "self"); /* a model goes on from the script */
    assert_true(transcript(&e, 0)->n == 4);
    pt_finding *f;
    assert_int_equal(pt_finding_get(&e.task.findings, "echoed_share", "", NULL, &f), PT_OK);
    assert_true(f->side[PT_AFTER].value > 0.33 && f->side[PT_AFTER].value < 0.34); /* "two" again */
    pt_task_close(&e.task);
    json_decref(lines);
}

static void refused(entry *e, const char *what)
{
    if (pt_task_open(&e->task, &e->spec, 1) == PT_OK) fail_msg("taken: %s", what);
    if (!strstr(pt_err_msg(), what)) fail_msg("'%s' does not say '%s'", pt_err_msg(), what);
    pt_task_close(&e->task);
}

static void test_bad(void **state)
{
    (void)state;
    static const struct {
        const char *speakers, *rows, *what;
    } cases[] = {
        {"[{\"name\": \"a\"}]", "{}\n", "x.yaml:7:5: a dialogue has two speakers at least"},
        {"[{\"name\": \"a\", \"modle\": \"b\"}, {\"name\": \"b\"}]", "{}\n", "x.yaml:7:5: speaker 1 (a): a speaker does not know modle; its keys: name, called, model"},
        {"[{\"name\": \"a\"}, {\"name\": \"a\"}]", "{}\n", "speaker 2 (a): two speakers have this name"},
        {"[{\"name\": \"a\"}, {\"model\": \"b\"}]", "{}\n", "speaker 2: it needs a name"},
        {"[{\"name\": \"a\", \"max_new_tokens\": \"2.5\"}, {\"name\": \"b\"}]", "{}\n", "max_new_tokens takes a whole number from 1 to 65536, not '2.5'"},
        {"[{\"name\": \"a\", \"temperature\": \"hot\"}, {\"name\": \"b\"}]", "{}\n", "temperature takes a number from 0 to 100, not 'hot'"},
        {"[{\"name\": \"a\", \"sets\": {\"x\": \"(\"}}, {\"name\": \"b\"}]", "{}\n", "speaker 1 (a): '(' is no pattern: "},
        {"[{\"name\": \"a\", \"script\": \"x\"}, {\"name\": \"b\", \"script\": \"y\"}]", "{}\n", "all speakers have a script and no model"},
        {"[{\"name\": \"a\", \"persona\": \"x\"}, {\"name\": \"b\"}]", "{}\n", "the entry has none"},
        {"[{\"name\": \"a\", \"system\": \"{nothing}\"}, {\"name\": \"b\"}]", "{\"a\": 1}\n", "scenes.jsonl:1: the prompt wants {nothing}"},
        {"{\"name\": \"a\"}", "{}\n", "speakers takes a list"},
    };
    entry e;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        begin(&e, cases[i].speakers, cases[i].rows);
        refused(&e, cases[i].what);
    }
    begin(&e, "[{\"name\": \"a\"}, {\"name\": \"b\"}]", "{}\n");
    say(&e, "repeats", "3");
    refused(&e, "repeats goes with a temperature above 0");
    begin(&e, "[{\"name\": \"a\"}, {\"name\": \"b\"}]", "{}\n");
    say(&e, "stop_pattern", "[");
    refused(&e, "x.yaml:7:5: stop_pattern: '[' is no pattern");
}

/* The names of other entries. */
static void test_sources(void **state)
{
    (void)state;
    entry talk, asked;
    pt_suite s = {0};
    begin(&talk, "[{\"name\": \"a\", \"script\": \"x\"}, {\"name\": \"b\"}]", "{}\n{}\n");
    const char row[] = "{\"statement\": \"I like fog.\", \"answer_matching_behavior\": \" Yes\", \"answer_not_matching_behavior\": \" No\"}\n";
    char path[256];
    snprintf(path, sizeof path, "%s", scratch_path("traits.jsonl"));
    scratch_write(path, row, sizeof row - 1);
    asked = (entry){.spec = {.name = (char *)"traits", .task = (char *)"statements", .path = path, .file = (char *)"x.yaml", .line = 9, .column = 1}};
    asked.spec.options = asked.options;
    static const struct {
        const char *after, *as, *what;
    } cases[] = {{"tlak", NULL, "x.yaml:7:5: after: no evaluation is called 'tlak'"}, {"traits", NULL, "traits is no dialogue"},
                 {"talk", "a", "talk has no speaker 'a' whose model is self"}, {"talk", "b", NULL}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        asked.spec.n_options = 0;
        say(&asked, "after", cases[i].after);
        if (cases[i].as) say(&asked, "as", cases[i].as);
        const pt_task_spec specs[2] = {asked.spec, talk.spec}; /* whatever their order */
        pt_status rc = pt_suite_open(&s, NULL, specs, 2, NULL, 0, 1);
        if (!cases[i].what && rc != PT_OK) fail_msg("%s", pt_err_msg());
        if (cases[i].what && (rc == PT_OK || !strstr(pt_err_msg(), cases[i].what))) fail_msg("'%s' does not say '%s'", rc == PT_OK ? "" : pt_err_msg(), cases[i].what);
        pt_suite_free(&s);
    }
    const pt_task_spec specs[2] = {asked.spec, talk.spec};
    assert_int_equal(pt_suite_open(&s, NULL, specs, 2, "traits", 0, 1), PT_OK); /* what it comes after is played too */
    assert_int_equal(s.n, 2);
    pt_meetings m = {0};
    assert_int_equal(pt_suite_meet(&s, &m), PT_OK);
    assert_true(m.n == 1 && m.list[0].context == 2048 + 512 && m.list[0].what == (PT_MEET_TEXT | PT_MEET_LIKELIHOOD));
    pt_meetings_free(&m);
    pt_suite_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_views), cmocka_unit_test(test_ends), cmocka_unit_test(test_scripts_end), cmocka_unit_test(test_bad), cmocka_unit_test(test_sources)};
    return cmocka_run_group_tests(tests, setup, scratch_teardown);
}

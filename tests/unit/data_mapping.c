/* Fields by paths, templates over a row's fields, dialects of the general shapes, and what a row of another type is told. */
#include "read_show.h"

#include <stdlib.h>

#include "tests/said.h"

static json_t *json(const char *text)
{
    json_t *v;
    if (pt_json_parse(&v, text, strlen(text), "test", PT_JSON_NUL) != PT_OK) fail_msg("%s", pt_err_msg());
    return v;
}

static const char meta[] = "{\"a\": {\"b\": [{\"c\": \"x\"}, {\"c\": \"y\"}], \"b.c\": 7, \"n\": null}, \"a.d\": \"dotted\", \"t\": [\"p\", \"q\"], \"e\": \"\", \"o\": {}, \"f\": 0.5, \"g\": true, "
                           "\"odd\": NaN, \"w\": \"say {this}\"}";

static void test_paths(void **state)
{
    static const struct { const char *path, *want; } cases[] = {{"a.b.0.c", "\"x\""}, {"a.b.-1.c", "\"y\""}, {"a.b.c", "7"}, {"a.d", "\"dotted\""}, {"t.1", "\"q\""}, {"f", "0.5"},
        {"a.n", "null"}, {"a.b.2.c", NULL}, {"a.b.-3.c", NULL}, {"a.b.x", NULL}, {"t.1.z", NULL}, {"", NULL}, {".", NULL}, {"a.", NULL}, {".a", NULL}, {"a..b", NULL}, {"t.1x", NULL},
        {"odd.x", NULL}, {"none", NULL}, {"t.99999999999999999999", NULL}};
    json_t *row = json(meta);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *v = pt_row_path(row, cases[i].path);
        char *got = v ? json_dumps(v, JSON_ENCODE_ANY) : NULL;
        if (!got != !cases[i].want || (got && strcmp(got, cases[i].want))) fail_msg("'%s' gives %s, not %s", cases[i].path, got ? got : "nothing", cases[i].want ? cases[i].want : "nothing");
        free(got);
    }
    json_decref(row);
}

static void test_formats(void **state)
{
    static const struct { const char *tmpl, *want; } cases[] = { /* want begins with '!': the error says the rest */
        {"", ""}, {"plain", "plain"}, {"{a.b.0.c}{a.b.1.c}", "xy"}, {"[{t}]", "[p\nq]"}, {"{{{f}}} {g}", "{0.5} true"}, {"{{f}}", "{f}"}, {"{a.b}", "[{\"c\": \"x\"}, {\"c\": \"y\"}]"},
        {"{o}", "{}"}, {"{e}", ""}, {"{none?}{a.n?}.", "."}, {"{w}", "say {this}"}, {"{a.d} {a.d?}", "dotted dotted"},
        {"{none}", "!no field 'none'; the row has 'a', 'a.d'"}, {"{a.q.r}", "!no field 'a.q.r': 'a' has 'b', 'b.c', 'n'; the row has"}, {"{a.b.9.c}", "!no field 'a.b.9.c': 'a.b' has 2 elements"},
        {"{t.0.x}", "!no field 't.0.x': 't.0' is a string"}, {"{o.x}", "!'o' is empty"}, {"{a.n}", "!field 'a.n' is null; {a.n?} leaves it out"}, {"{odd}", "!field 'odd' is NaN"},
        {"a {b", "!'{' at character 3 is not closed"}, {"{a{b}}", "!'{' at character 1 is not closed"}, {"x}", "!'}' at character 2 closes nothing"}, {"{}", "!'{}' at character 1 names no field"},
        {"{?}", "!names no field"}};
    json_t *row = json(meta);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pt_str out = {0};
        const char *want = cases[i].want;
        pt_status rc = pt_row_format(row, cases[i].tmpl, &out), checked = pt_row_template_check(cases[i].tmpl);
        if (*want != '!' && (rc != PT_OK || strcmp(out.text, want))) fail_msg("'%s' gives '%s', not '%s'", cases[i].tmpl, rc == PT_OK ? out.text : pt_err_msg(), want);
        if (*want == '!' && rc == PT_OK) fail_msg("'%s' is taken: '%s'", cases[i].tmpl, out.text);
        if (*want == '!' && (assert_int_equal(pt_row_format(row, cases[i].tmpl, &out), rc), !strstr(pt_err_msg(), want + 1))) fail_msg("'%s': '%s' does not say '%s'", cases[i].tmpl, pt_err_msg(), want + 1);
        assert_int_equal(checked, rc == PT_EARG ? PT_EARG : PT_OK); /* what the template alone shows */
        pt_str_free(&out);
    }
    json_decref(row);
}

typedef struct shape {
    const char *type, *row, *want; /* want begins with '!': the error says the rest */
    pt_dataset_spec spec;
    bool pairs;
} shape;

#define U(c) M("user", c)
#define A(c) M("assistant", c)

static void read_all(const shape *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        pt_dataset_spec spec = list[i].spec;
        spec.type = (char *)list[i].type;
        pt_status rc = read_bytes(list[i].row, strlen(list[i].row), spec, list[i].pairs);
        const char *want = list[i].want;
        if (*want == '!') {
            if (rc == PT_OK || !strstr(pt_err_msg(), want + 1)) fail_msg("shape %zu %s:\n'%s' does not say '%s'", i, list[i].row, rc == PT_OK ? out_text : pt_err_msg(), want + 1);
            continue;
        }
        if (rc != PT_OK) fail_msg("shape %zu %s:\n%s", i, list[i].row, pt_err_msg());
        if (strcmp(out_text, want)) fail_msg("shape %zu %s:\n  got  %s\n  want %s", i, list[i].row, out_text, want);
    }
}

/* Every key that names a column takes a path; templates make what no column holds. */
static void test_mapped(void **state)
{
    const shape list[] = {
        {"messages", "{\"data\": {\"turns\": [" U("q") "," A("a") "]}}", "U:q|A:a", {SAYS(SAID("field_messages", "data.turns"))}, false},
        {"messages", "{\"data\": {\"x\": 1}}", "!rows.jsonl:1: no field 'data.turns': 'data' has 'x'; the row has 'data'", {SAYS(SAID("field_messages", "data.turns"))}, false},
        {"messages", "{\"data.turns\": [" U("q") "," A("a") "]}", "U:q|A:a", {SAYS(SAID("field_messages", "data.turns"))}, false},
        {"messages", "{\"messages\": [{\"who\": {\"kind\": \"user\"}, \"said\": [{\"t\": \"q\"}]}]}", "U:q", {SAYS(SAID("message_field_role", "who.kind"), SAID("message_field_content", "said.0.t"))}, false},
        {"alpaca", "{\"meta\": {\"q\": \"q\", \"i\": \"i\", \"s\": \"s\"}, \"out\": [\"a\", \"b\"], \"h\": {\"r\": [[\"x\", \"y\"]]}}", "S:s|U:x|A:y|U:q\ni|A:b",
         {SAYS(SAID("field_prompt", "meta.q"), SAID("field_input", "meta.i"), SAID("field_output", "out.1"), SAID("field_system", "meta.s"), SAID("field_history", "h.r"))}, false},
        {"alpaca", "{\"meta\": {\"q\": \"q\"}, \"output\": \"a\"}", "!no field 'meta.question': 'meta' has 'q'", {SAYS(SAID("field_prompt", "meta.question"))}, false},
        {"alpaca", "{\"instruction\": \"q\", \"output\": \"a\", \"system\": [1]}", "!field 'system' is a list, a string is wanted", {0}, false},
        {"alpaca", "{\"instruction\": \"q\", \"output\": \"a\", \"x\": {\"w\": 0.5}}", "U:q|A:a w0.5", {SAYS(SAID("field_weight", "x.w"))}, false},
        {"alpaca", "{\"instruction\": \"q\", \"output\": \"a\", \"x\": {\"n\": 3}}", "U:q|A:a r3", {SAYS(SAID("field_replicate", "x.n"))}, false},
        {"alpaca", "{\"instruction\": \"q\", \"output\": \"a\", \"n\": \"2\"}", "U:q|A:a r2", {SAYS(SAID("field_replicate", "n"))}, false},
        {"alpaca", "{\"instruction\": \"q\", \"output\": \"a\", \"n\": 0}\n{\"instruction\": \"p\", \"output\": \"b\", \"n\": 1}", "U:p|A:b r1 @2", {SAYS(SAID("field_replicate", "n"))}, false},
        {"alpaca", "{\"instruction\": \"q\", \"output\": \"a\", \"n\": 1.5}", "!'n' is no whole number from 0 to 1000", {SAYS(SAID("field_replicate", "n"))}, false},
        {"preference", "{\"p\": {\"q\": \"q\"}, \"two\": [\"c\", \"r\"]}", "U:q => A:c < A:r", {SAYS(SAID("field_prompt", "p.q"), SAID("field_chosen", "two.0"), SAID("field_rejected", "two.1"))}, true},
        {"preference", "{\"p\": \"q\", \"two\": [\"c\"]}", "!no field 'two.1': 'two' has 1 elements", {SAYS(SAID("field_prompt", "p"), SAID("field_chosen", "two.0"), SAID("field_rejected", "two.1"))}, true},
        {"text", "{\"a\": {\"b\": \"story\"}}", "text:story", {SAYS(SAID("field_text", "a.b"))}, false},
        {"text", "{\"name\": \"Ann\", \"jobs\": [\"clerk\", \"baker\"]}", "text:Ann:\nclerk\nbaker", {SAYS(SAID("text_template", "{name}:\n{jobs}"))}, false},
        {"text", "{\"name\": \"Ann\"}", "!text_template: no field 'jobs'; the row has 'name'", {SAYS(SAID("text_template", "{name}: {jobs}"))}, false},
        {"labels", "{\"name\": \"Ann\", \"y\": {\"k\": 1}}", "text:Ann! l1 l1", {SAYS(SAID("text_template", "{name}!"), SAID("field_label", "y.k"))}, false},
        /* templates */
        {"alpaca", "{\"who\": \"Ann\", \"q\": \"q\", \"o\": [\"one\", \"two\"], \"a\": \"a\", \"why\": \"w\"}", "S:Ann is here.|U:q\none\ntwo|A:a (w)",
         {SAYS(SAID("system_template", "{who} is here."), SAID("prompt_template", "{q}\n{o}"), SAID("answer_template", "{a} ({why})"))}, false},
        {"messages", "{\"who\": \"Ann\", \"messages\": [" U("q") "," A("a") "]}", "S:I am Ann|U:q|A:a", {SAYS(SAID("system_template", "I am {who}"))}, false},
        {"messages", "{\"who\": \"Ann\", \"messages\": [" M("system", "s") "," U("q") "," A("a") "]}", "S:I am Ann|U:q|A:a", {.drop_system = true, SAYS(SAID("system_template", "I am {who}"))}, false},
        {"messages", "{\"who\": \"Ann\", \"messages\": [" M("system", "s") "," U("q") "," A("a") "]}", "S:s|U:q|A:a", {SAYS(SAID("system_template", "I am {who}"))}, false},
        {"messages", "{\"q\": \"q\", \"output\": \"a\"}", "U:<q>|A:a", {SAYS(SAID("prompt_template", "<{q}>"))}, false},
        {"messages", "{\"messages\": [" U("q") "," A("a") "]}", "!the row is a conversation; prompt_template is for rows without one", {SAYS(SAID("prompt_template", "<{q}>"))}, false},
        {"alpaca", "{\"q\": \"q\", \"output\": \"a\", \"history\": [[\"x\", \"y\"]]}", "U:q?|A:a", {SAYS(SAID("prompt_template", "{q}?"))}, false},
        {"alpaca", "{\"q\": \"q\", \"output\": \"a\", \"history\": [[\"x\", \"y\"]]}", "U:x|A:y|U:q?|A:a", {SAYS(SAID("prompt_template", "{q}?"), SAID("field_history", "history"))}, false},
        {"alpaca", "{\"history\": [\"x\", \"y\"], \"output\": \"a\"}", "U:x\ny|A:a", {SAYS(SAID("prompt_template", "{history}"))}, false},
        {"alpaca", "{\"output\": \"a\"}", "!rows.jsonl:1: prompt_template: no field 'q'; the row has 'output'", {SAYS(SAID("prompt_template", "{q}?"))}, false},
        {"preference", "{\"p\": {\"q\": \"q\"}, \"chosen\": \"c\", \"rejected\": \"r\", \"name\": \"Ann\"}", "S:Ann|U:q? => A:c < A:r", {SAYS(SAID("prompt_template", "{p.q}?"), SAID("system_template", "{name}"))}, true},
        {"alpaca", "{\"q\": \"q\", \"a\": \"a\"}", "!answer_template makes one answer; this objective takes pairs", {SAYS(SAID("answer_template", "{a}"))}, true},
        {"rolebench", "{\"role\": \" Ahab \", \"question\": \"q\", \"generated\": [\"a\"], \"where\": \"at sea\"}", "[Ahab] S:Ahab (A captain.) at sea|U:q|A:a",
         {SAYS(SAID("profiles", profiles), SAID("system_template", "{role} ({profile}) {where}"))}, false},
        {"text", "{\"text\": \"t\"}", "!prompt_template is no key of type text", {SAYS(SAID("prompt_template", "{q}"))}, false},
        /* tags */
        {"messages", "{\"messages\": [" U("q") ",{\"role\": \"assistant\", \"content\": \"a\", \"annotation\": {\"strategy\": \"Question\"}}," A("b") "]}", "U:q|A:[Question] a|A:b",
         {SAYS(SAID("message_field_tag", "annotation.strategy"))}, false},
        {"messages", "{\"messages\": [{\"speaker\": \"user\", \"text\": \"q\", \"mood\": \"sad\"},{\"role\": \"assistant\", \"content\": \"a\", \"mood\": \"calm\"}]}", "U:(sad) q|A:(calm) a",
         {SAYS(SAID("turn_template", "({mood}) {content}"))}, false},
        {"messages", "{\"messages\": [" U("q") "]}", "!message 1: turn_template: no field 'mood'; the row has 'role', 'content'", {SAYS(SAID("turn_template", "({mood}) {content}"))}, false},
        {"messages", "{\"messages\": [" M("system", "s") "," U("q") "]}", "S:s|U:q!", {SAYS(SAID("turn_template", "{mood?}{content}!"))}, false},
        {"messages", "{\"messages\": [{\"role\": \"assistant\", \"content\": \"a\", \"k\": \"x\", \"train_detail\": [{\"begin_offset\": 0, \"end_offset\": 0, \"train\": true}]}]}",
         "!characters are counted without its tag", {SAYS(SAID("message_field_tag", "k"))}, false},
    };
    read_all(list, sizeof list / sizeof *list);
}

/* Dialects of the general shapes. */
static void test_dialects(void **state)
{
    const shape list[] = {
        {"sharegpt", "{\"id\": \"1\", \"items\": [{\"from\": \"human\", \"value\": \"q\"}, {\"from\": \"gpt\", \"value\": \"a\"}]}", "U:q|A:a", {0}, false},
        {"messages", "{\"dialog\": [{\"role\": \"user\", \"text\": \"q\"}, {\"role\": \"assistant\", \"text\": \"a\"}]}", "U:q|A:a", {0}, false},
        {"alpaca", "{\"dialogue\": [{\"user\": \"q\", \"assistant\": \"a\"}, {\"user\": \"r\", \"assistant\": \"b\"}]}\n{\"dialogue\": [[\"q\", \"a\"]]}", "U:q|A:a|U:r|A:b // U:q|A:a @2", {0}, false},
        {"messages", "{\"id\": \"0\", \"data\": [\"q\", \"a\", \"r\", \"b\"]}", "U:q|A:a|U:r|A:b", {0}, false},
        {"messages", "{\"talk\": [\"q\", \"a\"]}", "U:q|A:a", {SAYS(SAID("field_messages", "talk"))}, false},
        {"sharegpt", "{\"conversation\": [{\"input\": \"q\", \"output\": \"a\"}]}", "U:q|A:a", {0}, false},
        {"messages", "{\"messages\": [" U("q") ",{\"role\": \"assistant\", \"content\": \"a\", \"loss_scale\": 0.3}]}", "U:q|A0.3:a", {0}, false},
        {"sharegpt", "{\"conversations\": [{\"from\": \"system\", \"value\": \"s\"}, {\"from\": \"system\", \"value\": \"t\"}, {\"from\": \"human\", \"value\": \"q\"}, {\"from\": \"gpt\", \"value\": \"a\", \"weight\": 0.5}]}",
         "S:s|S:t|U:q|A0.5:a", {0}, false},
        {"messages", "{\"instruction\": \"i\", \"output\": \"o\", \"dialog\": [" U("q") "]}", "U:i|A:o", {0}, false}, /* as ever */
        {"messages", "{\"dialog\": [{\"role\": \"Ann\", \"text\": \"q\"}]}", "!field_messages: dialog, message_property_mappings: {content: text}, roles:", {0}, false},
        {"alpaca", "{\"instruction\": \"i\", \"context\": \"c\", \"response\": \"a\", \"category\": \"x\"}", "U:i\nc|A:a", {0}, false},
        {"alpaca", "{\"instruction\": \"i\", \"context\": \"\", \"response\": \"a\"}", "U:i|A:a", {0}, false},
        {"alpaca", "{\"question\": \"q\", \"context\": \"c\", \"answer\": \"a\"}", "U:q|A:a", {0}, false},
        {"openai", "{\"messages\": [" U("q") ",{\"role\": \"assistant\", \"content\": \"a\", \"weight\": 1}], \"parallel_tool_calls\": false, \"functions\": [{\"name\": \"f\", \"parameters\": {}}]}", "U:q|A1:a", {0}, false},
        {"openai", "{\"input\": {\"messages\": [" M("system", "s") "," U("q") "], \"tools\": [], \"parallel_tool_calls\": true}, \"preferred_output\": [" A("c") "], \"non_preferred_output\": [" A("r") "]}",
         "S:s|U:q => A:c < A:r", {0}, true},
        {"preference", "{\"query\": \"q\", \"response\": \"c\", \"rejected_response\": \"r\", \"history\": [[\"x\", \"y\"]], \"system\": \"s\"}", "S:s|U:x|A:y|U:q => A:c < A:r", {0}, true},
        {"preference", "{\"messages\": [" U("q") "," A("c") "], \"rejected_response\": \"r\", \"channel\": \"chat\"}", "U:q => A:c < A:r", {0}, true},
        {"preference", "{\"prompt\": \"q\", \"prompt_id\": \"7\", \"chosen\": [" U("q") "," A("c") "], \"rejected\": [" U("q") "," A("r") "], \"messages\": [" U("q") "," A("c") "], \"score_chosen\": 9.0, \"score_rejected\": 2.0}",
         "U:q => A:c < A:r", {0}, true},
        {"preference", "{\"chosen\": \"\\n\\nHuman: q\\n\\nAssistant: c\", \"rejected\": \"\\n\\nHuman: p\\n\\nAssistant: r\"}", "!two conversations, not two answers to one question", {0}, true},
        {"rated", "{\"instruction\": \"q\", \"completions\": [{\"response\": \"a\", \"overall_score\": 8.5}, {\"response\": \"b\", \"overall_score\": 2}]}", "U:q => A:a < A:b", {0}, false},
        {"rated", "{\"prompt\": \"q\", \"answers\": [{\"answer\": \"a\", \"rank\": 2}, {\"answer\": \"b\", \"rank\": 1}]}", "U:q => A:a < A:b", {0}, false},
        {"rated", "{\"x\": {\"p\": \"q\"}, \"answers\": [\"a\", \"b\"], \"ratings\": [1, 2]}", "U:q! => A:a < A:b", {SAYS(SAID("prompt_template", "{x.p}!"))}, false},
    };
    read_all(list, sizeof list / sizeof *list);
}

/* ---- a row of another type than configured ---------------------------------------------------------------------------- */

static const char *const rows_of[][2] = { /* a type, and a row of it */
    {"messages", "{\"messages\": [" U("q") "," A("a") "]}"},
    {"sharegpt", "{\"conversations\": [{\"from\": \"human\", \"value\": \"q\"}, {\"from\": \"gpt\", \"value\": \"a\"}]}"},
    {"alpaca", "{\"instruction\": \"i\", \"input\": \"\", \"output\": \"o\"}"},
    {"rolebench", "{\"role\": \"Ahab\", \"question\": \"q\", \"generated\": [\"a\"]}"},
    {"text", "{\"text\": \"t\"}"},
    {"preference", "{\"prompt\": \"q\", \"chosen\": \"c\", \"rejected\": \"r\"}"},
    {"mindset", "{\"instruction\": \"q\", \"input\": \"\", \"output\": [\"c\", \"r\"]}"},
    {"unpaired", "{\"prompt\": \"q\", \"completion\": \"a\", \"label\": true}"},
    {"tokens", "{\"input_ids\": [5, 6], \"labels\": [-100, 6]}"},
    {"labels", "{\"text\": \"t\", \"label\": 1}"},
    {"rated", "{\"prompt\": \"q\", \"answers\": [\"a\", \"b\"], \"ratings\": [1, 2]}"},
};

static pt_status take(void *user, const pt_record *rec, int64_t line)
{
    (void)rec;
    ++*(int *)user;
    return line > 0 ? PT_OK : PT_EINTERNAL;
}

/* Reads the row that stands in `path` as a type, in a way that the type has: 0 sft, 1 pairs, 2 verdicts. */
static pt_status read_as(const char *type, int how, bool *has)
{
    const pt_data_type *t = pt_data_type_find(type);
    int n = 0;
    pt_dataset_spec spec = {.type = (char *)type, .path = path, SAYS(SAID("profiles", profiles))};
    pt_reader r = {.spec = &spec, .pairs = how == 1, .verdicts = how == 2, .sink = take, .user = &n};
    *has = t && (how == 0 ? t->sft : how == 1 ? t->pairs : t->verdicts);
    pt_status rc = *has ? pt_reader_run(&r) : PT_EARG;
    pt_reader_free(&r);
    return rc == PT_OK && !n ? PT_EFORMAT : rc;
}

static void test_every_pair(void **state)
{
    int told = 0;
    for (size_t s = 0; s < sizeof rows_of / sizeof *rows_of; s++) {
        const char *row = rows_of[s][1];
        assert_int_equal(pt_file_write_whole(path, row, strlen(row)), PT_OK);
        for (size_t t = 0; t < pt_data_type_count(); t++) {
            const pt_data_type *type = pt_data_type_at(t);
            bool has, good = false;
            char message[512], name[64];
            for (int how = 0; how < 3; how++) {
                if (type->rows || read_as(type->name, how, &has) == PT_OK || !has) continue;
                snprintf(message, sizeof message, "%s", pt_err_msg());
                const char *at = strstr(message, "type: ");
                if (!at) fail_msg("a row of %s read as %s (%d): '%s' names no type", rows_of[s][0], type->name, how, message);
                snprintf(name, sizeof name, "%.*s", (int)strcspn(at + 6, " ,("), at + 6);
                for (int other = 0; other < 3 && !good; other++) good = read_as(name, other, &has) == PT_OK;
                if (!good) fail_msg("a row of %s read as %s (%d): '%s' names a type that does not read it", rows_of[s][0], type->name, how, message);
                told++;
            }
        }
    }
    assert_true(told > 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_paths), cmocka_unit_test(test_formats), cmocka_unit_test(test_mapped), cmocka_unit_test(test_dialects), cmocka_unit_test(test_every_pair)};
    return cmocka_run_group_tests_name("data_mapping", tests, setup, teardown);
}

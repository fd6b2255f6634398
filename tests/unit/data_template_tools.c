/* What stands beside texts (thoughts, tool calls, tools, results under any role) against the models' own templates, rendered by
 * tests/golden/template_tools.py; answers that are continued; what is noted. */
#include "data/read/record.h"
#include "tests/unit/template_check.h"

static const struct {
    const char *style, *file; /* the model's own text, where ptrain needs it */
} styles[] = {{"chatml", NULL},
              {"smollm", NULL},
              {"qwen2", NULL},
              {"qwen", NULL},
              {"llama3", NULL},
              {"qwen3", "../shared/data/chat_templates/templates/Qwen-Qwen3-0.6B.jinja"},
              {"llama3.1", "../shared/data/chat_templates/templates/meta-llama-Llama-3.1-8B-Instruct.jinja"}};

/* Where ptrain says something else on purpose: Qwen's templates pass over roles that they do not know; an empty list of tools is none. */
static bool on_purpose(const char *style, const char *row)
{
    bool qwen = !strcmp(style, "qwen") || !strcmp(style, "qwen3"), llama = !strcmp(style, "llama3.1");
    return (qwen && (!strcmp(row, "result_ipython") || !strcmp(row, "result_function"))) || (llama && !strcmp(row, "tools_none"));
}

static pt_template *style_of(size_t i, pt_tokenizer **tok)
{
    char *text = NULL;
    pt_template *t;
    if (!styles[i].file) {
        if (pt_tok_open(tok, DATA "tok_bpe") != PT_OK) fail_msg("%s", pt_err_msg());
        return open_style(styles[i].style, *tok);
    }
    if (!pt_file_exists(styles[i].file)) return NULL;
    assert_int_equal(pt_file_read(&text, NULL, styles[i].file, 1 << 20), PT_OK);
    *tok = with_template("tok_bpe", text);
    free(text);
    t = open_style("tokenizer_default", *tok);
    assert_string_equal(pt_template_name(t), styles[i].style);
    return t;
}

static pt_status keep(void *user, const pt_record *rec, int64_t line)
{
    return PT_OK;
}

/* A row as its reader and the template give it; weights 1 for answers. *r is cleared. */
static pt_status render_row(const pt_template *t, json_t *row, bool generation, pt_rendered *r)
{
    pt_dataset_spec spec = {.path = "x", .type = "messages"};
    pt_reader in = {.spec = &spec, .sink = keep};
    pt_message m[MAX_TURNS];
    assert_int_equal(pt_record_clear(&in.rec), PT_OK);
    pt_rendered_clear(r);
    pt_status rc = pt_read_tools(&in, row);
    if (rc == PT_OK) rc = pt_read_messages(&in, row);
    size_t n = in.rec.answers[0].turns.n;
    assert_true(n <= MAX_TURNS);
    for (size_t i = 0; i < n; i++) {
        const pt_turn *turn = &in.rec.answers[0].turns.turns[i];
        m[i] = pt_turn_message(turn, pt_speaker_is(turn->speaker, PT_ASSISTANT));
    }
    if (n) m[0].tools = in.rec.tools;
    if (rc == PT_OK) rc = pt_template_render(t, m, n, generation, r);
    pt_reader_free(&in);
    return rc;
}

static char *decoded(const pt_tokenizer *tok, const pt_rendered *r)
{
    pt_str s = {0};
    assert_int_equal(pt_str_puts(&s, ""), PT_OK);
    if (pt_tok_decode(tok, r->ids.ids, r->ids.n, false, &s) != PT_OK) fail_msg("%s", pt_err_msg());
    return s.text;
}

static void same_as_the_models(void **state)
{
    json_t *g = load(DATA "template_tools.json"), *row;
    const char *name;
    size_t compared = 0, refused = 0;
    for (size_t i = 0; i < sizeof styles / sizeof *styles; i++) {
        pt_tokenizer *tok;
        pt_template *t = style_of(i, &tok);
        pt_rendered r = {0};
        json_t *want = json_object_get(json_object_get(g, "texts"), styles[i].style);
        if (!t) continue;
        json_object_foreach(json_object_get(g, "rows"), name, row)
        {
            const char *text = json_string_value(json_object_get(want, name));
            if (!text || on_purpose(styles[i].style, name)) continue;
            if (render_row(t, row, false, &r) != PT_OK) { /* an answer that is a call alone, where no call can be written */
                assert_non_null(strstr(pt_err_msg(), "tool call without text"));
                assert_memory_equal(name[0] == 'c' ? "c" : "l", name, 1);
                refused++;
                continue;
            }
            char *got = decoded(tok, &r);
            if (strcmp(got, text)) fail_msg("%s, %s:\n%s\nwant\n%s", styles[i].style, name, got, text);
            free(got);
            compared++;
        }
        pt_rendered_free(&r);
        pt_template_free(t);
        pt_tok_free(tok);
    }
    print_message("figure: %zu renderings equal the models' own, %zu refused\n", compared, refused);
    assert_true(compared > 80 && refused == 29);
    json_decref(g);
}

/* Nothing is left out in silence. */
static void noted(void **state)
{
    static const struct {
        size_t style;
        const char *row;
        pt_note note;
        size_t n;
    } c[] = {{0, "thoughts_twice", PT_NOTE_THOUGHT, 2}, {1, "thought", PT_NOTE_THOUGHT, 1},     {3, "thought", PT_NOTE_THOUGHT, 1},
             {4, "thought_lines", PT_NOTE_THOUGHT, 1},  {0, "call_text", PT_NOTE_CALLS, 1},     {0, "tools_only", PT_NOTE_TOOLS, 1},
             {4, "call_text", PT_NOTE_CALLS, 1},        {3, "call_text", PT_NOTE_CALLS, 0},     {5, "thoughts_twice", PT_NOTE_OLD_THOUGHT, 1},
             {5, "thought_inside", PT_NOTE_OLD_THOUGHT, 1}, {5, "loop", PT_NOTE_OLD_THOUGHT, 0}, {6, "call_text", PT_NOTE_CALL_TEXT, 1},
             {6, "thought", PT_NOTE_THOUGHT, 1},        {5, "thought", PT_NOTE_THOUGHT, 0},     {3, "tools_only", PT_NOTE_TOOLS, 0}};
    json_t *g = load(DATA "template_tools.json");
    for (size_t i = 0; i < sizeof c / sizeof *c; i++) {
        pt_tokenizer *tok;
        pt_template *t = style_of(c[i].style, &tok);
        pt_rendered r = {0};
        if (!t) continue;
        if (render_row(t, json_object_get(json_object_get(g, "rows"), c[i].row), false, &r) != PT_OK) fail_msg("%s", pt_err_msg());
        for (int k = 0; k < PT_NOTES; k++)
            if (r.noted[k] != (k == (int)c[i].note ? c[i].n : 0)) fail_msg("case %zu: %zu x %s", i, r.noted[k], pt_note_text((pt_note)k));
        pt_rendered_free(&r);
        pt_template_free(t);
        pt_tok_free(tok);
    }
    json_decref(g);
}

/* Other names of a thought; a string as list of tools; an object as result; roles of one table. */
static void other_spellings(void **state)
{
    static const struct {
        size_t style;
        const char *row, *want;
    } c[] = {
        {5, "{'messages':[{'role':'user','content':'q'},{'role':'assistant','content':'a','reasoning':'t'}]}", "<think>\nt\n</think>\n\na<|im_end|>"},
        {5, "{'messages':[{'role':'human','content':'q'},{'role':'model','content':'a','thinking':'t'}]}", "<think>\nt\n</think>\n\na<|im_end|>"},
        {3, "{'tools':'[{\\'name\\': \\'f\\'}]','messages':[{'role':'user','content':'q'},{'role':'assistant','content':'a'}]}",
         "<tools>\n{\"name\": \"f\"}\n</tools>"},
        {3, "{'messages':[{'role':'user','content':'q'},{'role':'tool','content':{'t':3}},{'role':'assistant','content':'a'}]}",
         "<tool_response>\n{\"t\": 3}\n</tool_response>"},
        {6, "{'messages':[{'role':'user','content':'q'},{'role':'tool','content':{'t':3}},{'role':'assistant','content':'a'}]}",
         "ipython<|end_header_id|>\n\n{\"t\": 3}<|eot_id|>"},
        {6, "{'messages':[{'role':'user','content':'q'},{'role':'observation','content':'3'},{'role':'assistant','content':'a'}]}",
         "ipython<|end_header_id|>\n\n\"3\"<|eot_id|>"}};
    for (size_t i = 0; i < sizeof c / sizeof *c; i++) {
        pt_tokenizer *tok;
        pt_template *t = style_of(c[i].style, &tok);
        pt_rendered r = {0};
        char row[512];
        if (!t) continue;
        size_t n = 0;
        for (const char *p = c[i].row; *p; p++) { /* ' for ", \' for \" */
            if (*p == '\'') row[n++] = '"';
            else row[n++] = *p;
        }
        row[n] = 0;
        json_t *j = json_loads(row, 0, NULL);
        assert_non_null(j);
        if (render_row(t, j, false, &r) != PT_OK) fail_msg("case %zu: %s", i, pt_err_msg());
        char *got = decoded(tok, &r);
        if (!strstr(got, c[i].want)) fail_msg("case %zu: %s", i, got);
        free(got);
        json_decref(j);
        pt_rendered_free(&r);
        pt_template_free(t);
        pt_tok_free(tok);
    }
}

/* A last answer that is continued: the ids are those of the same answer in training, as far as it goes. */
static void continued(void **state)
{
    static const char *const begun[] = {"The sea", "I", "", "<think>\nthe sea"};
    const char *spm[] = {"llama2", "mistral", "mistral-system", "zephyr", "vicuna", "alpaca", "plain"};
    size_t n_styles = sizeof styles / sizeof *styles, n_spm = sizeof spm / sizeof *spm;
    for (size_t i = 0; i < n_styles + n_spm; i++)
        for (size_t k = 0; k < 4; k++) {
            pt_tokenizer *tok = NULL;
            pt_template *t;
            if (i < n_styles) {
                t = style_of(i, &tok);
            } else {
                assert_int_equal(pt_tok_open(&tok, DATA "tok_spm"), PT_OK);
                t = open_style(spm[i - n_styles], tok);
            }
            if (!t) continue;
            pt_rendered a = {0}, b = {0}, q = {0};
            json_t *row = json_pack("{s:[{s:s,s:s},{s:s,s:s}]}", "messages", "role", "user", "content", "Is it calm?", "role", "assistant",
                                    "content", begun[k]),
                   *asked = json_pack("{s:[{s:s,s:s}]}", "messages", "role", "user", "content", "Is it calm?");
            if (render_row(t, row, true, &a) != PT_OK) fail_msg("%s: %s", pt_template_name(t), pt_err_msg());
            if (render_row(t, row, false, &b) != PT_OK) fail_msg("%s", pt_err_msg());
            if (render_row(t, asked, true, &q) != PT_OK) fail_msg("%s", pt_err_msg());
            bool thinks = !strcmp(pt_template_name(t), "qwen3") && k == 3;
            bool joins = !strcmp(pt_template_name(t), "llama2"); /* its end is a space and the end token: one text with the answer's last word */
            assert_int_equal(b.n_answers, 1);
            if (!thinks && !joins) assert_int_equal(b.answer_end[0], a.ids.n);
            if (!thinks && !joins) assert_memory_equal(a.ids.ids, b.ids.ids, a.ids.n * sizeof *a.ids.ids);
            if (thinks) q.ids.n -= 6; /* without the empty thought */
            assert_true(a.ids.n >= q.ids.n);
            assert_memory_equal(a.ids.ids, q.ids.ids, (thinks ? 3 : q.ids.n) * sizeof *q.ids.ids);
            char *text = decoded(tok, &a);
            size_t n = strlen(text), w = strlen(begun[k]);
            assert_true(n >= w && !strcmp(text + n - w, begun[k]));
            free(text);
            json_decref(row);
            json_decref(asked);
            pt_rendered_free(&a);
            pt_rendered_free(&b);
            pt_rendered_free(&q);
            pt_template_free(t);
            pt_tok_free(tok);
        }
}

/* A template's text with the line ends of other systems, as Jinja reads it. */
static void line_ends(void **state)
{
    static const char *const ends[] = {"\r\n", "\r"};
    for (size_t i = 0; i < sizeof styles / sizeof *styles; i++) {
        char *text = NULL;
        if (!styles[i].file || !pt_file_exists(styles[i].file)) continue;
        assert_int_equal(pt_file_read(&text, NULL, styles[i].file, 1 << 20), PT_OK);
        for (size_t e = 0; e < 2; e++) {
            pt_str other = {0};
            for (const char *c = text; *c; c++) assert_int_equal(*c == '\n' ? pt_str_puts(&other, ends[e]) : pt_str_add(&other, c, 1), PT_OK);
            pt_tokenizer *tok = with_template("tok_bpe", other.text), *plain = with_template("tok_bpe", text);
            pt_template *t = open_style("tokenizer_default", tok);
            assert_string_equal(pt_template_name(t), styles[i].style);
            assert_string_equal(pt_tok_chat_template(tok), pt_tok_chat_template(plain));
            pt_template_free(t);
            pt_tok_free(tok);
            pt_tok_free(plain);
            pt_str_free(&other);
        }
        free(text);
    }
}

#define ASK "{\"role\": \"user\", \"content\": \"w\"}"
#define DONE "{\"role\": \"assistant\", \"content\": \"done\"}"
#define CALL(...) "{\"messages\": [" ASK ", " __VA_ARGS__ ", {\"role\": \"tool\", \"content\": \"5\"}, " DONE "]}"

/* A call as the whole text of a speaker of its own (LLaMA-Factory, ms-swift), or in OpenAI's older field, is the call; templates that
 * write none give the text. */
static void calls_as_speakers(void **state)
{
    static const char *const rows[] = {
        CALL("{\"role\": \"assistant\", \"tool_calls\": [{\"name\": \"f\", \"arguments\": {\"a\": 1}}]}"),
        CALL("{\"role\": \"assistant\", \"content\": null, \"function_call\": {\"name\": \"f\", \"arguments\": {\"a\": 1}}}"),
        CALL("{\"from\": \"function_call\", \"value\": \"{\\\"name\\\": \\\"f\\\", \\\"arguments\\\": {\\\"a\\\": 1}}\"}"),
        CALL("{\"role\": \"tool_call\", \"content\": \"[{\\\"name\\\": \\\"f\\\", \\\"arguments\\\":{\\\"a\\\":1}}]\"}"),
        CALL("{\"role\": \"tool_call\", \"content\": \"[f(a=1)]\"}"), CALL("{\"role\": \"function_call\", \"content\": \"{\\\"name\\\": 3}\"}")};
    static const char *const spelled[] = {NULL, NULL, "{\"name\": \"f\", \"arguments\": {\"a\": 1}}", "[{\"name\": \"f\", \"arguments\":{\"a\":1}}]",
                                          "[f(a=1)]", "{\"name\": 3}"};
    for (size_t i = 0; i < sizeof styles / sizeof *styles; i++) {
        pt_tokenizer *tok;
        pt_template *t = style_of(i, &tok);
        pt_rendered r = {0};
        char *want = NULL;
        if (!t) continue;
        for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
            json_error_t e;
            json_t *row = json_loads(rows[k], 0, &e);
            if (!row) fail_msg("row %zu: %s", k, e.text);
            pt_status rc = render_row(t, row, false, &r);
            if (rc != PT_OK) assert_non_null(strstr(pt_err_msg(), "tool call without text"));
            assert_true(rc == PT_OK || (k < 2 && !want));
            char *got = rc == PT_OK ? decoded(tok, &r) : NULL;
            if (k && k < 4 && want) assert_string_equal(got, want);
            else if (got && spelled[k]) assert_non_null(strstr(got, spelled[k]));
            if (k) free(got);
            else want = got;
            json_decref(row);
        }
        free(want);
        pt_rendered_free(&r);
        pt_template_free(t);
        pt_tok_free(tok);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(same_as_the_models), cmocka_unit_test(noted), cmocka_unit_test(other_spellings),
                                       cmocka_unit_test(continued), cmocka_unit_test(calls_as_speakers),
                                       cmocka_unit_test(line_ends)};
    return cmocka_run_group_tests_name("data_template_tools", tests, NULL, NULL);
}

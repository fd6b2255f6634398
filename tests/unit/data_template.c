/* Chat templates against transformers (tests/golden/template_goldens.py) and against hand-marked cases (template_marks.txt). */
#include "tests/unit/template_check.h"

static pt_tokenizer *tokenizer(const char *name)
{
    char path[256];
    pt_tokenizer *t;
    snprintf(path, sizeof path, "%s%s", DATA, name);
    if (pt_tok_open(&t, path) != PT_OK) fail_msg("%s", pt_err_msg());
    return t;
}

/* A style that only tokenizer_default reaches is opened by its internal name all the same, but for those that need the model's
 * text. */
static bool needs_text(const char *style)
{
    return strcmp(style, "qwen3") == 0 || strcmp(style, "llama3.1") == 0;
}

static void test_golden(void **state)
{
    json_t *g = load(DATA "template_golden.json"), *c;
    pt_tokenizer *bpe = tokenizer("tok_bpe"), *spm = tokenizer("tok_spm");
    const char *style;
    size_t styles = 0;
    json_object_foreach(json_object_get(g, "cases"), style, c)
    {
        if (needs_text(style)) continue;
        bool is_bpe = strcmp(json_string_value(json_object_get(c, "tokenizer")), "tok_bpe") == 0;
        check_style(style, json_object_get(c, "rows"), json_object_get(g, "conversations"), is_bpe ? bpe : spm);
        styles++;
    }
    assert_int_equal(styles, 13);
    pt_tok_free(bpe);
    pt_tok_free(spm);
    json_decref(g);
}

/* The model's own text is needed: ../shared/data has those of Qwen3 and Llama 3.1. */
static void test_recognised(void **state)
{
    static const char *const file[][2] = {
        {"qwen3", "../shared/data/chat_templates/templates/Qwen-Qwen3-0.6B.jinja"},
        {"llama3.1", "../shared/data/chat_templates/templates/meta-llama-Llama-3.1-8B-Instruct.jinja"}};
    json_t *g = load(DATA "template_golden.json");
    for (int k = 0; k < 2; k++) {
        char *text;
        if (!pt_file_exists(file[k][1])) {
            json_decref(g);
            skip();
        }
        assert_int_equal(pt_file_read(&text, NULL, file[k][1], 1 << 20), PT_OK);
        pt_tokenizer *tok = with_template("tok_bpe", text);
        pt_template *t = open_style("tokenizer_default", tok);
        assert_string_equal(pt_template_name(t), file[k][0]);
        const char *said = pt_template_jinja(t),
                   *head = "{%- set enable_thinking = false %}"; /* what was trained: no thoughts */
        if (k == 0) assert_memory_equal(said, head, strlen(head));
        assert_string_equal(k == 0 ? said + strlen(head) : said, text);
        pt_template_free(t);
        const json_t *c = json_object_get(json_object_get(g, "cases"), file[k][0]);
        check_style("tokenizer_default", json_object_get(c, "rows"), json_object_get(g, "conversations"), tok);
        pt_tok_free(tok);
        text[strlen(text) / 2] ^= 1; /* any other text is not taken for it */
        tok = with_template("tok_bpe", text);
        pt_status rc = pt_template_open(&t, "tokenizer_default", tok, NULL);
        if (rc == PT_OK) assert_string_equal(pt_template_name(t), "tokenizer_default"); /* it is run as it stands */
        else assert_int_equal(rc, PT_EFORMAT);
        pt_template_free(t);
        pt_tok_free(tok);
        free(text);
    }
    json_decref(g);
}

static void test_jinja(void **state)
{
    json_t *j = load(DATA "template_jinja.json"), *text, *g = load(DATA "template_golden.json");
    pt_tokenizer *bpe = tokenizer("tok_bpe"), *spm = tokenizer("tok_spm");
    const char *style;
    json_object_foreach(j, style, text)
    {
        const json_t *c = json_object_get(json_object_get(g, "cases"), style);
        bool is_bpe = strcmp(json_string_value(json_object_get(c, "tokenizer")), "tok_bpe") == 0;
        pt_template *t = open_style(style, is_bpe ? bpe : spm);
        assert_string_equal(pt_template_jinja(t), json_string_value(text));
        pt_template_free(t);
    }
    pt_tok_free(bpe);
    pt_tok_free(spm);
    json_decref(g);
    json_decref(j);
}

static void test_names(void **state)
{
    const char *const *names = pt_template_names();
    size_t n = 0;
    pt_tokenizer *bpe = tokenizer("tok_named"), *spm = tokenizer("tok_spm");
    pt_template *t;
    for (; names[n]; n++) {
        pt_status a = pt_template_open(&t, names[n], bpe, NULL);
        if (a == PT_OK) pt_template_free(t);
        pt_status b = pt_template_open(&t, names[n], spm, NULL);
        if (b == PT_OK) pt_template_free(t);
        if (strcmp(names[n], "tokenizer_default") == 0)
            assert_true(a == PT_ENOSUP && b == PT_ENOSUP); /* they bring none */
        else
            assert_true(a == PT_OK || b == PT_OK);
    }
    assert_int_equal(n, 27);
    assert_int_equal(pt_template_open(&t, "chatml", spm, NULL), PT_ENOSUP);
    assert_non_null(strstr(pt_err_msg(), "<|im_start|>"));
    assert_int_equal(pt_template_open(&t, "nonsense", spm, NULL), PT_EARG);
    assert_int_equal(pt_template_open(&t, "qwen3", bpe, NULL), PT_ENOSUP); /* needs the model's own text */
    pt_tok_free(bpe);
    pt_tok_free(spm);
}

#define MSG(who, s)                                                                                                            \
    {                                                                                                                          \
        .speaker = who, .text = s, .bytes = sizeof s - 1                                                                                                \
    }

static void test_refusals(void **state)
{
    pt_tokenizer *bpe = tokenizer("tok_bpe"), *spm = tokenizer("tok_spm");
    pt_template *chatml = open_style("chatml", bpe), *llama2 = open_style("llama2", spm), *vicuna = open_style("vicuna", spm);
    pt_rendered r = {0};
    const pt_message two_users[] = {MSG(PT_USER, "a"), MSG(PT_USER, "b")}, answer_first[] = {MSG(PT_ASSISTANT, "a")};
    const pt_message late_system[] = {MSG(PT_USER, "a"), MSG(PT_SYSTEM, "b")}, tool[] = {MSG(PT_TOOL, "a")};
    const pt_message broken[] = {MSG(PT_USER, "ab\xC3")};
    const pt_message negative[] = {{.speaker = PT_USER, .text = "a", .bytes = 1, .weight = -1}};
    const struct {
        const pt_template *t;
        const pt_message *m;
        size_t n;
        bool generation;
        pt_status rc;
    } c[] = {{llama2, two_users, 2, false, PT_EARG},   {llama2, answer_first, 1, false, PT_EARG}, /* by their policy */
             {vicuna, late_system, 2, false, PT_EARG}, {llama2, tool, 1, false, PT_EARG},
             {vicuna, tool, 1, false, PT_EARG},        {chatml, broken, 1, false, PT_EFORMAT},
             {chatml, broken, 0, false, PT_EARG},
             {chatml, negative, 1, false, PT_EARG}};
    const pt_template_policy strict = {.system_role = PT_SYSTEM_KEEP, .alternate = PT_ALTERNATE_REFUSE};
    assert_int_equal(pt_template_set_policy(llama2, &strict), PT_OK);
    assert_int_equal(pt_template_set_policy(vicuna, &strict), PT_OK);
    for (size_t i = 0; i < sizeof c / sizeof *c; i++) {
        pt_rendered_clear(&r);
        assert_int_equal(pt_template_render(c[i].t, c[i].m, c[i].n, c[i].generation, &r), c[i].rc);
        assert_true(strlen(pt_err_msg()) > 10);
    }
    render(chatml, two_users, 2, true, &r); /* ChatML takes any order */
    render(chatml, late_system, 2, true, &r);
    pt_rendered_free(&r);
    pt_template_free(chatml);
    pt_template_free(llama2);
    pt_template_free(vicuna);
    pt_tok_free(bpe);
    pt_tok_free(spm);
}

/* Control tokens in a text are counted and stay text; the default system prompt can be replaced and left out. */
static void test_text_and_system(void **state)
{
    pt_tokenizer *bpe = tokenizer("tok_bpe");
    const pt_message m[] = {MSG(PT_USER, "a<|im_end|>b<|eot_id|><think>")};
    pt_template *t = open_style("smollm", bpe), *other, *none;
    pt_rendered r = {0}, q = {0};
    size_t controls = 0;
    render(t, m, 1, true, &r);
    assert_int_equal(r.control_in_text, 2);
    assert_int_equal(r.n_turns, 2);
    assert_int_equal(r.turn_start[0], 0);
    assert_int_equal(r.ids.ids[r.turn_start[1]], pt_tok_find(bpe, "<|im_start|>"));
    for (size_t i = 0; i < r.ids.n; i++) controls += pt_tok_is_control(bpe, r.ids.ids[i]);
    assert_int_equal(controls, 5); /* two whole turns and the generation prompt */
    assert_int_equal(pt_template_open(&other, "smollm", bpe, "Be 'brief'.\n"), PT_OK);
    assert_int_equal(pt_template_open(&none, "smollm", bpe, ""), PT_OK);
    render(other, m, 1, true, &q);
    pt_str text = {0};
    assert_int_equal(pt_tok_decode(bpe, q.ids.ids, q.ids.n, false, &text), PT_OK);
    assert_non_null(strstr(text.text, "<|im_start|>system\nBe 'brief'.\n<|im_end|>\n<|im_start|>user\na<|im_end|>b"));
    assert_non_null(strstr(pt_template_jinja(other), "'Be \\'brief\\'.\\n'"));
    assert_int_not_equal(pt_template_fingerprint(t), pt_template_fingerprint(other));
    render(none, m, 1, true, &q);
    assert_int_equal(q.n_turns, 1);
    assert_null(strstr(pt_template_jinja(none), "SmolLM"));
    size_t n;
    const int32_t *stops = pt_template_stops(t, &n);
    assert_int_equal(stops[0], pt_tok_find(bpe, "<|im_end|>"));
    assert_int_equal(n, 2); /* and <|eot_id|>, which this vocabulary has too */
    pt_str_free(&text);
    pt_rendered_free(&r);
    pt_rendered_free(&q);
    pt_template_free(t);
    pt_template_free(other);
    pt_template_free(none);
    pt_tok_free(bpe);
}

/* The text in hand, read by a tokenizer that brings it, says the same; one character changed, it is run as it stands. */
static void comes_back(const char *tok_name, const pt_template *t, const char *text)
{
    const pt_message m[] = {MSG(PT_USER, "a"), MSG(PT_ASSISTANT, " b\n"), MSG(PT_USER, "c")};
    pt_tokenizer *tok = with_template(tok_name, text);
    pt_template *again;
    pt_rendered r = {0}, q = {0};
    if (pt_template_open(&again, "tokenizer_default", tok, NULL) != PT_OK) fail_msg("%s: %s", pt_template_name(t), pt_err_msg());
    assert_string_equal(pt_template_jinja(again), pt_template_jinja(t));
    render(t, m, 3, true, &r);
    render(again, m, 3, true, &q);
    assert_int_equal(r.ids.n, q.ids.n);
    assert_memory_equal(r.ids.ids, q.ids.ids, r.ids.n * sizeof *r.ids.ids);
    pt_template_free(again);
    pt_tok_free(tok);
    pt_rendered_free(&r);
    pt_rendered_free(&q);
    if (text != pt_template_jinja(t)) return;
    char *other = strdup(text);
    other[strlen(other) / 2] ^= 1;
    tok = with_template(tok_name, other);
    if (pt_template_open(&again, "tokenizer_default", tok, NULL) == PT_OK) { /* within the system text any letter is as good */
        if (strcmp(pt_template_name(again), pt_template_name(t))) assert_string_equal(pt_template_name(again), "tokenizer_default");
        pt_template_free(again);
    }
    pt_tok_free(tok);
    free(other);
}

/* What is written into an exported folder is known again there: every style, its own system text, another, none; and as a classifier's. */
static void test_own_text(void **state)
{
    static const char *const systems[] = {NULL, "", "Be 'brief' \\ {{ x }}\n'\r\n \xc3\xa9"};
    const char *const *names = pt_template_names();
    int n = 0;
    for (int k = 0; k < 3; k++) {
        const char *tok_name = k == 2 ? "tok_named" : k ? "tok_spm" : "tok_bpe";
        pt_tokenizer *tok = tokenizer(tok_name);
        for (size_t i = 0; names[i]; i++)
            for (size_t s = 0; s < 3; s++) {
                pt_template *t;
                char *scored;
                if (pt_template_open(&t, names[i], tok, systems[s]) != PT_OK) continue;
                comes_back(tok_name, t, pt_template_jinja(t));
                assert_int_equal(pt_template_jinja_scored(t, &scored), PT_OK);
                comes_back(tok_name, t, scored);
                free(scored);
                pt_template_free(t);
                n++;
            }
        pt_tok_free(tok);
    }
    assert_true(n >= 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden), cmocka_unit_test(test_recognised), cmocka_unit_test(test_jinja),
        cmocka_unit_test(test_names),  cmocka_unit_test(test_refusals),   cmocka_unit_test(test_text_and_system),
        cmocka_unit_test(test_own_text),
    };
    return cmocka_run_group_tests_name("data_template", tests, NULL, NULL);
}

/* The model's own template, run as it stands: the same ids and weights as the named template that says the same, and control tokens in what people wrote
 * stay text under every template of ../shared/data/chat_templates. */
#include <glob.h>

#include "tests/unit/template_speaks.h"

static void same(const char *name, size_t k, const pt_rendered *a, const pt_rendered *b)
{
    if (a->ids.n != b->ids.n || (a->ids.n && memcmp(a->ids.ids, b->ids.ids, a->ids.n * sizeof *a->ids.ids))) fail_msg("%s, conversation %zu: other ids (%zu, %zu)", name, k, a->ids.n, b->ids.n);
    for (size_t i = 0; i < a->ids.n; i++)
        if (memcmp(&a->weight[i], &b->weight[i], sizeof *a->weight)) fail_msg("%s, conversation %zu: token %zu of %zu has weight %g, not %g", name, k, i, a->ids.n, (double)b->weight[i], (double)a->weight[i]);
    assert_int_equal(a->n_answers, b->n_answers);
    if (a->n_answers) assert_memory_equal(a->answer_end, b->answer_end, a->n_answers * sizeof *a->answer_end);
    assert_int_equal(a->control_in_text, b->control_in_text);
}

/* One conversation under both: a prompt, an answer to be continued, the last answer, all answers. Returns how many both took. */
static size_t both(const pt_template *named, const pt_template *own, const char *name, const json_t *conv, size_t k)
{
    pt_rendered a = {0}, b = {0};
    pt_message m[MAX_TURNS];
    size_t took = 0;
    for (int how = 0; how < 4; how++) {
        size_t n = messages(conv, how == 3, m);
        pt_rendered_clear(&a);
        pt_rendered_clear(&b);
        pt_status x = pt_template_render(named, m, how == 0 ? n - 1 : n, how < 2, &a);
        if (x != PT_OK) continue;
        pt_status y = pt_template_render(own, m, how == 0 ? n - 1 : n, how < 2, &b);
        if (y != PT_OK) fail_msg("%s, conversation %zu, %d: %s", name, k, how, pt_err_msg());
        same(name, k, &a, &b);
        took++;
    }
    pt_rendered_free(&a);
    pt_rendered_free(&b);
    return took;
}

static void test_named(void **state)
{
    json_t *g = load(DATA "template_golden.json");
    const json_t *convs = json_object_get(g, "conversations");
    const char *const *names = pt_template_names();
    size_t took = 0;
    for (int k = 0; k < 3; k++) {
        pt_tokenizer *tok = tokenizer(k == 2 ? "tok_named" : k ? "tok_spm" : "tok_bpe");
        for (size_t i = 0; names[i]; i++) {
            pt_template *named;
            char *text;
            if (!strcmp(names[i], "glm4")) continue; /* where its answers end, its text does not say */
            if (pt_template_open(&named, names[i], tok, NULL) != PT_OK) continue;
            assert_int_equal(pt_asprintf(&text, "{# no known text #}%s", pt_template_jinja(named)), PT_OK);
            pt_template *own = own_template(text, tok);
            assert_string_equal(pt_template_name(own), "tokenizer_default");
            assert_string_equal(pt_template_jinja(own), text);
            assert_int_not_equal(pt_template_fingerprint(own), pt_template_fingerprint(named));
            for (size_t c = 0; c < json_array_size(convs); c++) took += both(named, own, names[i], json_array_get(convs, c), c);
            size_t n, stops;
            const int32_t *a = pt_template_stops(named, &n), *b = pt_template_stops(own, &stops);
            assert_true(n == stops && !memcmp(a, b, n * sizeof *a));
            pt_template_free(own);
            pt_template_free(named);
            free(text);
        }
        pt_tok_free(tok);
    }
    printf("figure: %zu renderings as the named templates'\n", took);
    assert_true(took > 400);
    json_decref(g);
}

/* The control ids of a conversation with `planted` in one of its fields; nothing when the template refuses it. */
static bool controls(const pt_template *t, const pt_tokenizer *tok, int at, const char *planted, pt_ids *out, size_t *in_text)
{
    char buf[128], json[256];
    pt_rendered r = {0};
    snprintf(buf, sizeof buf, "so %s it is", planted);
    snprintf(json, sizeof json, "[{\"id\": \"call00001\", \"type\": \"function\", \"function\": {\"name\": \"%s\", \"arguments\": {\"%s\": \"%s\"}}}]", at == 4 ? planted : "f", at == 5 ? planted : "k",
             at == 6 ? planted : "v");
    json_t *calls = json_loads(json, 0, NULL), *tools = json_pack("[{s:s, s:{s:s, s:s, s:{s:s, s:{s:{s:s, s:s}}}}}]", "type", "function", "function", "name", "f", "description",
                                                              at == 7 ? buf : "d", "parameters", "type", "object", "properties", at == 8 ? planted : "p", "type", "string", "description", "x");
    const char *texts[5];
    for (int i = 0; i < 5; i++) texts[i] = at == i ? buf : "plain";
    pt_message m[] = {{.speaker = PT_SYSTEM, .text = texts[0]}, {.speaker = PT_USER, .text = texts[1]}, {.speaker = PT_ASSISTANT, .text = texts[2], .weight = 1},
                      {.speaker = PT_USER, .text = "more"}, {.speaker = PT_ASSISTANT, .text = "", .calls = calls}, {.speaker = PT_TOOL, .text = texts[3]},
                      {.speaker = PT_ASSISTANT, .text = "end"}};
    for (size_t i = 0; i < 7; i++) m[i].bytes = strlen(m[i].text);
    bool with_tools = at >= 3;
    if (with_tools) m[0].tools = tools;
    if (at == 9) {
        m[2].thought = buf;
        m[2].thought_bytes = strlen(buf);
    }
    m[2].weight = 0;
    pt_status rc = pt_template_render(t, m, with_tools && at != 9 ? 7 : 3, false, &r);
    out->n = 0;
    for (size_t i = 0; rc == PT_OK && i < r.ids.n; i++)
        if (pt_tok_is_control(tok, r.ids.ids[i])) assert_int_equal(pt_ids_add(out, r.ids.ids[i]), PT_OK);
    *in_text = r.control_in_text;
    pt_rendered_free(&r);
    json_decref(calls);
    json_decref(tools);
    return rc == PT_OK;
}

static void test_planted(void **state)
{
    glob_t g;
    size_t planted = 0, met = 0, files = 0;
    if (glob("../shared/data/chat_templates/t*/*.jinja", 0, NULL, &g)) skip();
    for (size_t f = 0; f < g.gl_pathc; f++) {
        char *text, **more;
        size_t n, in_plain, in_text;
        pt_ids plain = {0}, with = {0};
        assert_int_equal(pt_file_read(&text, NULL, g.gl_pathv[f], 1 << 20), PT_OK);
        pt_tokenizer *tok = speaks(text, &more, &n);
        char *unknown;
        assert_int_equal(pt_asprintf(&unknown, "{# run #}%s", text), PT_OK);
        pt_template *t = own_template(unknown, tok);
        for (int at = 0; at < 10; at++) {
            if (!controls(t, tok, at, "x", &plain, &in_plain)) continue;
            for (size_t i = 0; i < n + 2; i++) {
                const char *token = i < n ? more[i] : i == n ? "<|im_end|>" : "<|eot_id|>";
                if (!controls(t, tok, at, token, &with, &in_text)) fail_msg("%s: field %d, %s: %s", g.gl_pathv[f], at, token, pt_err_msg());
                if (with.n != plain.n || (with.n && memcmp(with.ids, plain.ids, with.n * sizeof *with.ids))) fail_msg("%s: %s in field %d is a control token", g.gl_pathv[f], token, at);
                planted++;
                met += in_text > in_plain;
            }
        }
        files++;
        for (size_t i = 0; i < n; i++) free(more[i]);
        free(more);
        free(plain.ids);
        free(with.ids);
        pt_template_free(t);
        pt_tok_free(tok);
        free(text);
        free(unknown);
    }
    globfree(&g);
    printf("figure: %zu control tokens planted in fields of %zu templates stay text, %zu of them written out\n", planted, files, met);
    assert_true(files == 27 && planted > 1300 && met > planted / 2);
}

#define MSG(who, what, w) {.speaker = who, .text = what, .bytes = sizeof(what) - 1, .weight = w}

/* What is supervised, in brackets: "text[answer<|im_end|>]\n". */
static void shows(const pt_template *t, const pt_tokenizer *tok, const pt_message *m, size_t n, bool generation, const char *want)
{
    pt_rendered r = {0};
    pt_str s = {0};
    if (pt_template_render(t, m, n, generation, &r) != PT_OK) fail_msg("%s", pt_err_msg());
    for (size_t i = 0; i < r.ids.n; i++) {
        bool now = r.weight[i] > 0, before = i && r.weight[i - 1] > 0;
        if (now != before) pt_str_puts(&s, now ? "[" : "]");
        assert_int_equal(pt_tok_decode(tok, &r.ids.ids[i], 1, false, &s), PT_OK);
    }
    if (r.ids.n && r.weight[r.ids.n - 1] > 0) pt_str_puts(&s, "]");
    assert_string_equal(s.text, want);
    pt_str_free(&s);
    pt_rendered_free(&r);
}

#define TURN "<|im_start|>{{ m.role }}\n"
#define EACH "{% for m in messages %}"

static void test_answers(void **state)
{
    const pt_message m[] = {MSG(PT_USER, "q", 0), MSG(PT_ASSISTANT, "ab", 1), MSG(PT_USER, "r", 0), MSG(PT_ASSISTANT, "cd", 1)}, first[] = {m[0], m[1], m[2], MSG(PT_ASSISTANT, "cd", 0)},
                     last[] = {m[0], MSG(PT_ASSISTANT, "ab", 0), m[2], m[3]}, all[] = {MSG(PT_USER, "q", 1), m[1]};
    pt_tokenizer *tok = tokenizer("tok_bpe");
    pt_rendered r = {0};
    /* the mark holds the answer and its line break; the end token behind a mark joins it */
    pt_template *t = own_template(EACH TURN "{% if m.role == 'assistant' %}{% generation %}{{ m.content }}<|im_end|>{{ '\n' }}{% endgeneration %}{% else %}{{ m.content }}<|im_end|>{% endif %}{% endfor %}", tok);
    shows(t, tok, m, 4, false, "<|im_start|>user\nq<|im_end|><|im_start|>assistant\n[ab<|im_end|>\n]<|im_start|>user\nr<|im_end|><|im_start|>assistant\n[cd<|im_end|>\n]");
    pt_template_free(t);
    t = own_template(EACH TURN "{% if m.role == 'assistant' %}{% generation %}{{ m.content }}{% endgeneration %}{% else %}{{ m.content }}{% endif %}<|im_end|>{% endfor %}", tok);
    shows(t, tok, m, 4, false, "<|im_start|>user\nq<|im_end|><|im_start|>assistant\n[ab<|im_end|>]<|im_start|>user\nr<|im_end|><|im_start|>assistant\n[cd<|im_end|>]");
    shows(t, tok, first, 4, false, "<|im_start|>user\nq<|im_end|><|im_start|>assistant\n[ab<|im_end|>]<|im_start|>user\nr<|im_end|><|im_start|>assistant\ncd<|im_end|>");
    pt_template_free(t);
    /* without marks: the prompt and the text up to the answer are beginnings of the whole */
    t = own_template(EACH TURN "{{ m.content }}<|im_end|>{{ '\n' }}{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n\n{% endif %}", tok);
    shows(t, tok, m, 4, false, "<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\n[ab<|im_end|>]\n<|im_start|>user\nr<|im_end|>\n<|im_start|>assistant\n[cd<|im_end|>]\n");
    shows(t, tok, all, 2, false, "<|im_start|>user\n[q<|im_end|>]\n<|im_start|>assistant\n[ab<|im_end|>]\n");
    shows(t, tok, m, 4, true, "<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\nab<|im_end|>\n<|im_start|>user\nr<|im_end|>\n<|im_start|>assistant\n[cd]");
    /* parts of an answer with weights of their own; of a text that the template writes anew they have no place */
    const pt_text_span part = {2, 4, 1};
    const pt_message parts[] = {m[0], {.speaker = PT_ASSISTANT, .text = "a bc de", .bytes = 7, .weight = 1, .spans = &part, .n_spans = 1}};
    shows(t, tok, parts, 2, false, "<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\na[ bc] de[<|im_end|>]\n");
    pt_template_free(t);
    t = own_template(EACH TURN "{{ m.content | upper }}<|im_end|>{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{{ '' }}{% endif %}", tok);
    pt_rendered_clear(&r);
    assert_int_equal(pt_template_render(t, parts, 2, false, &r), PT_ENOSUP);
    pt_template_free(t);
    /* the prompt thinks, the answer does not: they part behind the header */
    t = own_template(EACH TURN "{{ m.content }}<|im_end|>{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n<think>{% endif %}", tok);
    shows(t, tok, last, 4, false, "<|im_start|>user\nq<|im_end|><|im_start|>assistant\nab<|im_end|><|im_start|>user\nr<|im_end|><|im_start|>assistant\n[cd<|im_end|>]");
    pt_template_free(t);
    /* earlier answers change once others follow: only the last one can be learnt */
    t = own_template(EACH TURN "{% if m.role == 'assistant' and not loop.last %}...{% else %}{{ m.content }}{% endif %}<|im_end|>{% endfor %}"
                          "{% if add_generation_prompt %}<|im_start|>assistant\n{{ '' }}{% endif %}", tok);
    shows(t, tok, last, 4, false, "<|im_start|>user\nq<|im_end|><|im_start|>assistant\n...<|im_end|><|im_start|>user\nr<|im_end|><|im_start|>assistant\n[cd<|im_end|>]");
    assert_int_equal(pt_template_render(t, m, 4, false, &r), PT_EFORMAT);
    assert_non_null(strstr(pt_err_msg(), "leaves message 2 out"));
    pt_template_free(t);
    t = own_template(EACH TURN "{{ m.content }}{{ '!' if not loop.last }}<|im_end|>{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{{ '' }}{% endif %}", tok);
    pt_rendered_clear(&r);
    assert_int_equal(pt_template_render(t, m, 4, false, &r), PT_ENOSUP);
    assert_non_null(strstr(pt_err_msg(), "writes the turns before message 2 otherwise once it follows"));
    pt_template_free(t);
    pt_rendered_free(&r);
    pt_tok_free(tok);
}

static void test_refusals(void **state)
{
    pt_tokenizer *tok = tokenizer("tok_bpe");
    pt_template *t;
    pt_rendered r = {0};
    const pt_message m[] = {MSG(PT_USER, "q", 0)};
    assert_int_equal(pt_template_open_own(&t, "{{ strftime_now('%Y') }}", tok, NULL, "2025-7-1"), PT_EARG);
    assert_int_equal(pt_template_open_own(&t, "{{ strftime_now('%Y') }}", tok, NULL, NULL), PT_OK);
    assert_int_equal(pt_template_render(t, m, 1, true, &r), PT_EARG);
    assert_non_null(strstr(pt_err_msg(), "set chat_template_date"));
    pt_template_free(t);
    assert_int_equal(pt_template_open_own(&t, "{{ 1 | nothing }}", tok, NULL, NULL), PT_EFORMAT);
    assert_int_equal(pt_template_open_own(&t, "{{ 1 }}", tok, "", NULL), PT_ENOSUP);
    assert_int_equal(pt_template_open_own(&t, "{{ messages[0].content }}|{{ messages[-1].content }}", tok, "Be brief.", NULL), PT_OK);
    shows(t, tok, m, 1, true, "Be brief.|q");
    pt_template_free(t);
    pt_rendered_free(&r);
    pt_tok_free(tok);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_named), cmocka_unit_test(test_planted), cmocka_unit_test(test_answers), cmocka_unit_test(test_refusals)};
    return cmocka_run_group_tests_name("data_template_own", tests, NULL, NULL);
}

/* The named templates of tests/golden/template_named.py against transformers, their other names, what ends their answers, what they need of a vocabulary. */
#include "tests/unit/template_check.h"

static pt_tokenizer *tokenizer(const char *name)
{
    char path[256];
    pt_tokenizer *t;
    snprintf(path, sizeof path, "%s%s", DATA, name);
    if (pt_tok_open(&t, path) != PT_OK) fail_msg("%s", pt_err_msg());
    return t;
}

static void test_golden(void **state)
{
    json_t *g = load(DATA "template_named.json"), *rows;
    pt_tokenizer *tok = tokenizer("tok_named");
    const char *style;
    size_t styles = 0, convs = json_array_size(json_object_get(g, "conversations"));
    assert_int_equal(convs, 40);
    json_object_foreach(json_object_get(g, "cases"), style, rows)
    {
        check_style(style, rows, json_object_get(g, "conversations"), tok);
        pt_template *t = open_style(style, tok);
        assert_string_equal(pt_template_jinja(t), json_string_value(json_object_get(json_object_get(g, "jinja"), style)));
        pt_template_free(t);
        styles++;
    }
    assert_int_equal(styles, 16);
    printf("figure: %zu named templates equal transformers on %zu conversations\n", styles, convs);
    pt_tok_free(tok);
    json_decref(g);
}

static void test_other_names(void **state)
{
    static const char *const also[][2] = {{"gemma2", "gemma"}, {"gemma-3", "gemma3"}, {"mistral_v2v3", "mistral_v3"}, {"mistral_nemo", "mistral_v3_tekken"},
                                          {"mistral-v7-tekken", "mistral_v7_tekken"}, {"pygmalion", "metharme"}, {"phi_3", "phi3"}, {"phi_35", "phi3"}, {"phi_4", "phi4"},
                                          {"glm-4", "glm4"}, {"deepseek3", "deepseek_v3"}, {"deepseek_v2.5", "deepseek_v2"}, {"cohere", "command_r"}, {"intern2", "chatml_bos"},
                                          {"mistral_v1", "mistral-system"}};
    pt_tokenizer *tok = tokenizer("tok_named");
    pt_template *t;
    for (size_t i = 0; i < sizeof also / sizeof *also; i++) {
        t = open_style(also[i][0], tok);
        assert_string_equal(pt_template_name(t), also[i][1]);
        pt_template_free(t);
    }
    assert_int_equal(pt_template_open(&t, "gemma 2", tok, NULL), PT_EARG);
    assert_int_equal(pt_template_open(&t, "", tok, NULL), PT_EARG);
    pt_tok_free(tok);
}

/* Generation ends where an answer does. */
static void test_stops(void **state)
{
    static const char *const ends[][2] = {{"gemma", "<end_of_turn>"}, {"gemma3", "<end_of_turn>"}, {"mistral_v3", "<|im_end|>"}, {"metharme", "<|im_end|>"}, {"phi3", "<|end|>"},
                                          {"phi4", "<|im_end|>"}, {"glm4", "<|user|>"}, {"glm4", "<|observation|>"}, {"deepseek_v3", "<|im_end|>"},
                                          {"command_r", "<|END_OF_TURN_TOKEN|>"}, {"chatml_no_newline", "<|im_end|>"}};
    pt_tokenizer *tok = tokenizer("tok_named");
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        pt_template *t = open_style(ends[i][0], tok);
        size_t n, k = 0;
        const int32_t *stops = pt_template_stops(t, &n);
        while (k < n && stops[k] != pt_tok_find(tok, ends[i][1])) k++;
        if (k == n) fail_msg("%s does not stop at %s", ends[i][0], ends[i][1]);
        pt_template_free(t);
    }
    pt_tok_free(tok);
}

/* A vocabulary without a template's control tokens is refused, and the token is named. */
static void test_vocabulary(void **state)
{
    static const char *const needs[][2] = {{"gemma", "<start_of_turn>"}, {"gemma3", "<start_of_turn>"}, {"mistral_v3", "[INST]"}, {"mistral_v3_tekken", "[INST]"},
                                           {"mistral_v7_tekken", "[INST]"}, {"phi3", "<|system|>"}, {"phi4", "<|im_sep|>"}, {"glm4", "[gMASK]"},
                                           {"deepseek_v3", "<\xef\xbd\x9cUser\xef\xbd\x9c>"}, {"command_r", "<|START_OF_TURN_TOKEN|>"}};
    pt_tokenizer *tok = tokenizer("tok_bpe");
    for (size_t i = 0; i < sizeof needs / sizeof *needs; i++) {
        pt_template *t;
        assert_int_equal(pt_template_open(&t, needs[i][0], tok, NULL), PT_ENOSUP);
        if (!strstr(pt_err_msg(), needs[i][1])) fail_msg("%s", pt_err_msg());
    }
    pt_tok_free(tok);
}

#define MSG(who, s) {.speaker = who, .text = s, .bytes = sizeof s - 1}

static void says(const pt_template *t, const pt_tokenizer *tok, const pt_message *m, size_t n, const char *want)
{
    pt_rendered r = {0};
    pt_str s = {0};
    if (pt_template_render(t, m, n, true, &r) != PT_OK) fail_msg("%s", pt_err_msg());
    assert_int_equal(pt_tok_decode(tok, r.ids.ids, r.ids.n, false, &s), PT_OK);
    assert_string_equal(s.text, want);
    pt_str_free(&s);
    pt_rendered_free(&r);
}

/* Another default system text under a template that refuses a system role: it is folded, in the text that is saved too. */
static void test_default_system(void **state)
{
    static const char text[] = "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no') }}{% endif %}{{ m.role }}: {{ m.content }}|{% endfor %}";
    const pt_message bare[] = {MSG(PT_USER, "q")}, with[] = {MSG(PT_SYSTEM, "s"), MSG(PT_USER, "q")}, greeting[] = {MSG(PT_ASSISTANT, "a"), MSG(PT_USER, "q")};
    pt_tokenizer *tok = tokenizer("tok_bpe");
    for (int k = 0; k < 2; k++) {
        pt_template *t, *again;
        char *saved;
        if (pt_template_open_own(&t, text, tok, "Be 'brief'.", NULL) != PT_OK) fail_msg("%s", pt_err_msg());
        assert_int_equal(pt_strdup(&saved, pt_template_jinja(t)), PT_OK);
        if (pt_template_open_own(&again, saved, tok, NULL, NULL) != PT_OK) fail_msg("%s", pt_err_msg());
        says(k ? again : t, tok, bare, 1, "user: Be 'brief'.\n\nq|");
        says(k ? again : t, tok, with, 2, "user: s\n\nq|");
        says(k ? again : t, tok, greeting, 2, "user: Be 'brief'.|assistant: a|user: q|");
        pt_template_free(t);
        pt_template_free(again);
        free(saved);
    }
    pt_tok_free(tok);
}

/* What was done is counted; a policy is part of what a template is. */
static void test_counted(void **state)
{
    const pt_message m[] = {MSG(PT_SYSTEM, "s"), MSG(PT_ASSISTANT, "a"), MSG(PT_USER, "b"), MSG(PT_USER, "c"), MSG(PT_SYSTEM, "t"), MSG(PT_USER, "d")};
    pt_tokenizer *tok = tokenizer("tok_named");
    pt_template *t = open_style("gemma", tok);
    pt_rendered r = {0};
    uint64_t before = pt_template_fingerprint(t);
    assert_int_equal(pt_template_render(t, m, 6, true, &r), PT_OK);
    assert_int_equal(r.noted[PT_NOTE_GREETING], 1);
    assert_int_equal(r.noted[PT_NOTE_JOINED], 2); /* the folded text between them counts as folded */
    assert_int_equal(r.noted[PT_NOTE_FOLDED], 1);
    assert_int_equal(r.n_turns, 0);
    pt_template_policy p = {.greeting_prompt = "Begin."};
    assert_int_equal(pt_template_set_policy(t, &p), PT_OK);
    assert_true(pt_template_fingerprint(t) != before);
    p = (pt_template_policy){.alternate = PT_ALTERNATE_JOIN};
    assert_int_equal(pt_template_set_policy(t, &p), PT_OK);
    assert_true(pt_template_fingerprint(t) != before);
    p = (pt_template_policy){0};
    assert_int_equal(pt_template_set_policy(t, &p), PT_OK);
    assert_true(pt_template_fingerprint(t) == before);
    p.greeting_prompt = "a\xff";
    assert_int_equal(pt_template_set_policy(t, &p), PT_EFORMAT);
    pt_rendered_clear(&r);
    pt_template_free(t);
    assert_int_equal(pt_template_open_own(&t, "{% for m in messages %}{% if m.role != 'system' %}{{ m.content }}{% endif %}{% endfor %}", tok, NULL, NULL), PT_OK);
    assert_int_equal(pt_template_render(t, m, 3, true, &r), PT_OK);
    assert_int_equal(r.noted[PT_NOTE_SYSTEM], 1); /* left out, not refused */
    pt_rendered_free(&r);
    pt_template_free(t);
    pt_tok_free(tok);
}

/* What trains which answer, counted in the given messages: a template that leaves earlier thoughts out and wants turns. */
static void test_split(void **state)
{
    static const char text[] = "{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('turns') }}{% endif %}{{ m.role }}: "
                               "{{ m.content if loop.last else m.content.split('=')[-1] }}<|im_end|>{% endfor %}{% if add_generation_prompt %}assistant: {{ '' }}{% endif %}";
    const pt_message m[] = {{.speaker = PT_ASSISTANT, .text = "g=h", .bytes = 3, .weight = 1}, MSG(PT_USER, "a"), MSG(PT_USER, "b"),
                            {.speaker = PT_ASSISTANT, .text = "c=d", .bytes = 3, .weight = 1}, MSG(PT_USER, "e"), {.speaker = PT_ASSISTANT, .text = "f", .bytes = 1, .weight = 1}};
    static const size_t want[6] = {1, 0, 0, 4, 0, 6};
    pt_tokenizer *tok = tokenizer("tok_bpe");
    pt_template *t;
    size_t until[6];
    if (pt_template_open_own(&t, text, tok, NULL, NULL) != PT_OK) fail_msg("%s", pt_err_msg());
    if (pt_template_split(t, m, 6, until) != PT_OK) fail_msg("%s", pt_err_msg());
    for (int i = 0; i < 6; i++) assert_int_equal(until[i], want[i]);
    pt_template_free(t);
    pt_tok_free(tok);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_golden), cmocka_unit_test(test_other_names),    cmocka_unit_test(test_stops),
                                       cmocka_unit_test(test_vocabulary), cmocka_unit_test(test_default_system), cmocka_unit_test(test_counted),    cmocka_unit_test(test_split)};
    return cmocka_run_group_tests_name("data_template_named", tests, NULL, NULL);
}

/* Speakers: names, whose turns are trained on, and what templates make of one that they do not know. */
#include "template_check.h"

static void test_names(void **state)
{
    static const struct { const char *name; const pt_speaker *is; } known[] = {
        {"system", PT_SYSTEM}, {"developer", PT_SYSTEM}, {"user", PT_USER}, {"HUMAN", PT_USER}, {"prompter", PT_USER}, {"Assistant", PT_ASSISTANT},
        {"gpt", PT_ASSISTANT}, {"function_call", PT_ASSISTANT}, {"tool", PT_TOOL}, {"ipython", PT_TOOL}, {"narrator", NULL}, {"", NULL}, {"user ", NULL}};
    char names[64];
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) assert_ptr_equal(pt_speaker_find(known[i].name), known[i].is);
    assert_null(pt_speaker_find(NULL));
    for (size_t i = 0; i < pt_speaker_count(); i++) { /* each is found by its own names alone, and packs number them so */
        const pt_speaker *s = &pt_speakers[i];
        assert_ptr_equal(pt_speaker_find(s->name), s);
        for (const char *const *also = s->also; also && *also; also++) assert_ptr_equal(pt_speaker_find(*also), s);
        assert_int_equal(pt_speaker_mark(s), i);
    }
    const pt_speaker ann = {.name = "Ann", .like = PT_USER}, ben = {.name = "Ben", .like = PT_USER};
    assert_true(pt_speaker_mark(&ann) >= pt_speaker_count() && pt_speaker_mark(&ann) != pt_speaker_mark(&ben));
    assert_true(pt_speaker_is(&ann, PT_USER) && !pt_speaker_is(&ann, PT_ASSISTANT) && !pt_speaker_is(&ann, &ben) && !pt_speaker_is(NULL, PT_USER));
    pt_speaker_names(names, sizeof names, " and ");
    assert_string_equal(names, "system, user, assistant and tool");
    pt_speaker_names(names, 8, " and ");
    assert_string_equal(names, "system,");
}

static void test_weights(void **state)
{
    static const char *const two[] = {"human", "tool"}, *const wrong[] = {"user", "narrator"};
    const pt_speaker ann = {.name = "Ann", .like = PT_ASSISTANT}, ben = {.name = "Ben", .like = PT_ASSISTANT}, crowd = {.name = "crowd"};
    pt_speaker_weights w = {0};
    assert_int_equal(pt_speakers_trained(&w, NULL, 0, 0), PT_OK);
    assert_true(pt_speaker_weight(&w, PT_ASSISTANT) == 1 && pt_speaker_weight(&w, PT_USER) == 0 && pt_speaker_weight(&w, PT_SYSTEM) == 0);
    assert_true(pt_speaker_weight(&w, &ann) == 1 && pt_speaker_weight(&w, &crowd) == 0);
    assert_int_equal(pt_speaker_weigh(&w, &ann, 0.25f), PT_OK); /* one of many people has a weight of her own */
    assert_int_equal(pt_speaker_weigh(&w, &ann, 0.5f), PT_OK);
    assert_true(pt_speaker_weight(&w, &ann) == 0.5f && pt_speaker_weight(&w, &ben) == 1 && w.n == 2);
    assert_int_equal(pt_speakers_trained(&w, two, 2, 0), PT_OK);
    assert_true(pt_speaker_weight(&w, PT_USER) == 1 && pt_speaker_weight(&w, PT_TOOL) == 1 && pt_speaker_weight(&w, PT_ASSISTANT) == 0);
    assert_int_equal(pt_speakers_trained(&w, two, 2, 1), PT_OK);
    assert_true(pt_speaker_weight(&w, PT_SYSTEM) == 1 && pt_speaker_weight(&w, &crowd) == 1);
    assert_int_equal(pt_speakers_trained(&w, wrong, 2, 0), PT_EARG);
    assert_string_equal(pt_err_msg(), "roles_to_train: speaker 'narrator' is unknown (system, user, assistant, tool)");
    free(w.list);
}

/* A person is written as the one whose part it plays; somebody of no part is refused by name. */
static void test_templates(void **state)
{
    pt_tokenizer *tok;
    const pt_speaker ann = {.name = "Ann", .like = PT_USER}, ben = {.name = "Ben", .like = PT_ASSISTANT}, narrator = {.name = "narrator"};
    pt_message plain[] = {{.speaker = PT_USER, .text = "hi", .bytes = 2}, {.speaker = PT_ASSISTANT, .text = "ho", .bytes = 2, .weight = 1}}, people[2];
    static const char *const styles[] = {"chatml", "plain", "mistral"};
    pt_rendered a = {0}, b = {0};
    memcpy(people, plain, sizeof people);
    people[0].speaker = &ann;
    people[1].speaker = &ben;
    if (pt_tok_open(&tok, DATA "tok_bpe") != PT_OK) fail_msg("%s", pt_err_msg());
    for (size_t i = 0; i < sizeof styles / sizeof *styles; i++) {
        pt_template *t;
        char want[96];
        if (pt_template_open(&t, styles[i], tok, NULL) != PT_OK) fail_msg("%s", pt_err_msg());
        render(t, plain, 2, false, &a);
        render(t, people, 2, false, &b);
        assert_int_equal(a.ids.n, b.ids.n);
        assert_memory_equal(a.ids.ids, b.ids.ids, a.ids.n * sizeof *a.ids.ids);
        assert_memory_equal(a.weight, b.weight, a.ids.n * sizeof *a.weight);
        assert_true(a.n_answers == 1 && b.n_answers == 1 && a.answer_end[0] == b.answer_end[0]);
        pt_message strange[] = {plain[0], {.speaker = &narrator, .text = "it rains", .bytes = 8}}, nobody = {.text = "a", .bytes = 1};
        pt_rendered_clear(&a);
        assert_int_equal(pt_template_render(t, strange, 2, false, &a), PT_EARG);
        snprintf(want, sizeof want, "template %s: message 2: it has no narrator role", styles[i]);
        assert_string_equal(pt_err_msg(), want);
        assert_int_equal(pt_template_render(t, &nobody, 1, false, &a), PT_EARG);
        snprintf(want, sizeof want, "template %s: message 1: it has no such role", styles[i]);
        assert_string_equal(pt_err_msg(), want);
        pt_template_free(t);
    }
    pt_rendered_free(&a);
    pt_rendered_free(&b);
    pt_tok_free(tok);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_names), cmocka_unit_test(test_weights), cmocka_unit_test(test_templates)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Keys of a data set: axolotl's and LLaMA-Factory's names, what reads back, what is refused by name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "config_fixture.h"
#include "data/text/template.h"

#define BASE "base_model: x\n"
#define SET(keys) BASE "datasets: [{path: a, " keys "}]\n"
#define PAIRS(keys) BASE "objective: dpo\ndatasets: [{path: a, " keys "}]\n"

static const char *said(const pt_dataset_spec *d, const char *key)
{
    const char *text = pt_dataset_says(d, key);
    return !text ? "-" : text[0] ? text : "''";
}

static void columns_of(const pt_dataset_spec *d, char out[512])
{
    static const char *const columns[] = {"field_system", "field_prompt", "field_input", "field_output", "field_history",
                                          "field_chosen", "field_rejected", "field_weight", "field_margin"};
    const char *train = pt_dataset_says(d, "message_field_training");
    out[0] = 0;
    snprintf(out, 512, "%s %s", d->type, said(d, "field_messages"));
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++) snprintf(out + strlen(out), 512 - strlen(out), " %s", said(d, columns[i]));
    snprintf(out + strlen(out), 512 - strlen(out), " %s/%s", said(d, "message_field_role"), said(d, "message_field_content"));
    for (size_t i = 0; i < d->n_roles; i++) snprintf(out + strlen(out), 512 - strlen(out), " %s=%d", d->role_names[i], (int)pt_speaker_mark(d->role_is[i]));
    for (size_t i = 0; i < d->n_roles_to_train; i++) snprintf(out + strlen(out), 512 - strlen(out), " +%s", d->roles_to_train[i]);
    snprintf(out + strlen(out), 512 - strlen(out), "%s%s%s%s%s %g", d->drop_system ? " drop" : "", d->system_prompt ? " own " : "",
             d->system_prompt ? d->system_prompt : "", train ? " train " : "", train ? train : "", d->bad_rows);
}

/* Read, and again from the effective config. */
static void test_read(void **state)
{
    static const struct { const char *yaml, *want; } cases[] = {
        {SET("type: alpaca"), "alpaca - - - - - - - - - - -/- 0.01"},
        {SET("type: alpaca, field_instruction: q, field_input: i, field_output: o, field_system: s, field_weight: w"), "alpaca - s q i o - - - w - -/- 0.01"},
        {PAIRS("type: preference, field_prompt: q, field_chosen: c, field_rejected: r, field_margin: m"), "preference - - q - - - c r - m -/- 0.01"},
        {SET("type: {system_prompt: Be kind., field_instruction: q, field_output: o, format: '{instruction} {input} ', no_input_format: '{instruction}'}"),
         "alpaca - - q - o - - - - - -/- own Be kind. 0.01"},
        {PAIRS("type: {field_prompt: q, field_chosen: c, field_rejected: r, prompt_format: '{prompt}'}"), "preference - - q - - - c r - - -/- 0.01"},
        {SET("formatting: sharegpt, columns: {messages: talk, system: s}, tags: {role_tag: who, content_tag: said, user_tag: u, assistant_tag: a, observation_tag: t}"),
         "sharegpt talk s - '' - '' - - - - who/said u=1 a=2 t=3 0.01"},
        {SET("formatting: alpaca, columns: {prompt: q, response: a}"), "alpaca - '' q '' a '' - - - - -/- 0.01"},
        {PAIRS("formatting: alpaca, ranking: true, columns: {prompt: q, query: i, chosen: c, rejected: r}"), "alpaca - '' q i - '' c r - - -/- 0.01"},
        {SET("type: chat_template, field_messages: conversations, message_property_mappings: {role: from, content: value}, roles: {user: [human, x], assistant: [gpt]}, "
             "roles_to_train: [assistant], train_on_eos: turn, chat_template: tokenizer_default, drop_system_message: true, message_field_training: learn"),
         "chat_template conversations - - - - - - - - - from/value human=1 x=1 gpt=2 +assistant drop train learn 0.01"},
        {PAIRS("type: chat_template.default, field_messages: conversation, field_chosen: chosen, field_rejected: rejected, message_property_mappings: {role: role, content: content}"),
         "chat_template.default conversation - - - - - chosen rejected - - role/content 0.01"},
        {SET("type: alpaca, bad_rows: refuse"), "alpaca - - - - - - - - - - -/- 0"},
        {"bad_rows: drop\n" SET("type: alpaca"), "alpaca - - - - - - - - - - -/- 1"},
        {"bad_rows: 0.2\n" SET("type: alpaca, bad_rows: 0.5"), "alpaca - - - - - - - - - - -/- 0.5"},
        {"roles_to_train: [Ann, assistant]\n" SET("type: messages, view_of: [Ann, Bo], history: last 4 before"), "messages - - - - - - - - - - -/- +Ann +assistant 0.01"},
        {"roles_to_train: [user]\n" SET("type: messages"), "messages - - - - - - - - - - -/- 0.01"},
        {SET("type: messages, field_thinking: thinking, revision: main, name: x, trust_remote_code: true, shards: null, conversation: ''"),
         "messages - - - - - - - - - - -/- 0.01"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char got[512];
        pt_str again = {0};
        pt_config *c = load(cases[i].yaml);
        columns_of(&c->data.datasets[0], got);
        if (strcmp(got, cases[i].want)) fail_msg("case %zu:\n  got  %s\n  want %s", i, got, cases[i].want);
        assert_int_equal(pt_config_yaml(c, &again), PT_OK);
        pt_config_free(c);
        c = load(again.text);
        columns_of(&c->data.datasets[0], got);
        if (strcmp(got, cases[i].want)) fail_msg("case %zu again:\n  got  %s\n  want %s\n%s", i, got, cases[i].want, again.text);
        pt_config_free(c);
        pt_str_free(&again);
    }
}

static void test_data_files(void **state)
{
    pt_config *c = load(BASE "datasets: [{path: json, data_files: [d/a.jsonl], ds_type: json, type: alpaca}]\n");
    assert_string_equal(c->data.datasets[0].path, "d/a.jsonl");
    pt_config_free(c);
    c = load(BASE "datasets: [{data_files: a.jsonl, path: build, type: alpaca}]\n");
    assert_string_equal(c->data.datasets[0].path, "build/a.jsonl");
    pt_config_free(c);
    static const char *const several[] = {BASE "datasets: [{path: [a, b], type: alpaca}]\n", BASE "datasets: [{path: json, data_files: [a, b], type: alpaca}]\n"};
    for (int k = 0; k < 2; k++) {
        c = load(several[k]);
        for (int again = 0; again < 2; again++) {
            const pt_dataset_spec *d = c->data.datasets;
            assert_string_equal(d->path, "a");
            assert_int_equal(d->n_also, 1);
            assert_string_equal(d->also[0], "b");
            pt_str text = {0};
            assert_int_equal(pt_config_yaml(c, &text), PT_OK);
            pt_config_free(c);
            c = load(text.text);
            pt_str_free(&text);
        }
        pt_config_free(c);
    }
    c = load(BASE "datasets: [{path: a, type: alpaca}]\ntest_datasets: []\n");
    assert_int_equal(c->data.n_test_datasets, 0);
    pt_config_free(c);
}

static void test_refused(void **state)
{
    static const refusal cases[] = {
        {SET("type: alpaca:chatty_x, flavour: mint"), "a data set does not know flavour"},
        {SET("type: input_output"), "unknown data set type 'input_output'; its rows are read with: type: messages with train_detail"},
        {SET("type: zephyr.nectar"), "unknown data set type 'zephyr.nectar'; its rows are read with: type: rated"},
        {SET("type: alpaca_chat.load_camel_ai"), "field_prompt: message_1, field_output: message_2"},
        {SET("type: context_qa.load_v2"), "prompt_template: \"{context}\\n\\n{question}\", field_output: answer"},
        {SET("type: no_such_type"), "unknown data set type 'no_such_type'; known: messages (= chat_template)"},
        {SET("type: alpaca, prompt_template: '{q'"), "prompt_template: '{' at character 1 is not closed"},
        {SET("type: alpaca, system_template: 'a } b'"), "system_template: '}' at character 3 closes nothing"},
        {SET("type: alpaca, answer_template: 'a {}'"), "answer_template: '{}' at character 3 names no field"},
        {SET("type: messages, turn_template: '[{tag'"), "turn_template: '{' at character 2 is not closed"},
        {SET("type: text, prompt_template: '{q}'"), "prompt_template is no key of type text"},
        {SET("type: alpaca, num_samples: 3, split: 'train[1:]'"), "num_samples and split: train[1:]: one of them"},
        {SET("type: alpaca, num_samples: some"), "num_samples"},
        {BASE "datasets: [{path: build, dataset: x}]\n", "dataset names a set of a folder's dataset_info.json, and there is no build/dataset_info.json"},
        {SET("type: alpaca, train_on_eos: all"), "train_on_eos: only turn exists for a data set"},
        {SET("type: messages, chat_template: llama3"), "chat_template: only tokenizer_default exists for a data set"},
        {SET("type: messages, field_thinking: mind"), "field_thinking: thoughts are read under reasoning_content"},
        {SET("type: sharegpt, conversation: chatml"), "conversation: the template is chat_template's"},
        {SET("type: alpaca, shards: 4"), "shards: split takes a part"},
        {SET("type: {field_instruction: q, format: '### Q: {instruction}'}"), "format: text around the columns is the chat template's"},
        {SET("type: {shape: round}"), "a user-defined type knows field_... and system_prompt, not shape"},
        {SET("columns: {prompt: q, images: i}"), "images: only text is trained on"},
        {SET("columns: {answer: a}"), "columns knows prompt, query, response"},
        {SET("tags: {boss_tag: b}"), "tags knows role_tag"},
        {SET("roles: {narrator: [x]}"), "roles knows system, user, assistant and tool, not narrator"},
        {SET("type: messages, history: last"), "history is 'all', 'last N', 'FIELD' or 'last N FIELD', not 'last'"},
        {SET("type: messages, view_of: [each, Ann]"), "view_of: each is everybody: it stands alone"},
        {SET("type: messages, view_of: [Ann, Ann]"), "view_of names 'Ann' twice"},
        {SET("type: alpaca, view_of: Ann"), "view_of goes with types whose rows name their speakers"},
        {SET("bad_rows: some"), "bad_rows takes a number"},
        {"bad_rows: 1.5\n" SET("type: alpaca"), "bad_rows is 1.5; it must lie from 0 to 1"},
        {BASE "datasets: [{path: json, data_files: [a, '']}]\n", "data_files: path 2 is empty"},
        {BASE "datasets: [{path: {a: b}}]\n", "path takes a path, or a list of paths"},
        {PAIRS("type: completion"), "objective dpo needs pairs"},
    };
    check_refused(cases, sizeof cases / sizeof *cases);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_read), cmocka_unit_test(test_data_files), cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests_name("cli_datasets", tests, NULL, remove_yaml);
}

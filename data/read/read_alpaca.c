/* Questions and answers: {instruction, input, output, system, history: [[q, a], ...]} under any of the usual names: prompt, query or
 * question for the instruction; response, completion or answer for the output. Prompt and completion may be lists of messages (TRL): the
 * loss is then on the completion alone. mindset: the same with output: [chosen, rejected].
 * The user's text is instruction and input joined by a line break (as LLaMA-Factory does).
 */
#include <stdlib.h>
#include <string.h>

#include "data/read/record.h"

static const char *const asks[] = {"instruction", "prompt", "query", "question", "INSTRUCTION", NULL};

/* Two questions in one row: which one is asked must be said; an instruction stands before its own rendering as a prompt or query. */
static pt_status check_question(const pt_reader *r, json_t *row, const char *key)
{
    if (!key || pt_dataset_says(r->spec, "field_prompt")) return PT_OK;
    for (size_t i = 1; asks[i]; i++) {
        if (!strcmp(asks[i], key) || !json_is_string(json_object_get(row, asks[i])) || !pt_row_says(json_object_get(row, asks[i]))) continue;
        if (!strcmp(key, "instruction") && strcmp(asks[i], "question") != 0) continue;
        return pt_fail(PT_EFORMAT, "both '%s' and '%s' hold text; field_prompt: NAME says which one is asked (and field_input: NAME what "
                                   "follows it)",
                       key, asks[i]);
    }
    return PT_OK;
}

static pt_status add_history(pt_reader *r, json_t *row, pt_turns *t)
{
    static const char *const names[] = {"history", NULL};
    const char *key;
    if (pt_dataset_says(r->spec, "prompt_template") && !pt_dataset_says(r->spec, "field_history")) return PT_OK; /* it stands in the template where it is wanted */
    json_t *list = pt_row_column(r, row, "field_history", names, &key);
    if (!list) return PT_OK;
    if (!json_is_array(list) && !pt_dataset_says(r->spec, "field_history")) {
        pt_causes_add(&r->notes, "the column 'history' is no list of rounds: it is not read", r->line);
        return PT_OK;
    }
    if (!json_is_array(list)) return pt_fail(PT_EFORMAT, "'%s' is a list of [question, answer]", key);
    pt_status rc = pt_read_turns(r, list, t);
    return rc == PT_OK ? rc : pt_fail_prefix(rc, "'%s'", key);
}

pt_status pt_read_question(pt_reader *r, json_t *row, pt_turns *t)
{
    static const char *const inputs[] = {"input", NULL}, *const contexts[] = {"context", NULL}; /* of instruction, context, response (dolly) */
    const char *first, *second, *key = NULL;
    size_t n_first, n_second;
    PT_RETURN(add_history(r, row, t));
    PT_RETURN(pt_row_filled(r, row, "prompt_template", &first, &n_first));
    if (first) return pt_record_turn(t, PT_USER, first, n_first);
    json_t *asked = pt_row_column(r, row, "field_prompt", asks, &key);
    PT_RETURN(check_question(r, row, key));
    if (asked && !json_is_string(asked)) {
        pt_status rc = pt_read_turns(r, asked, t);
        return rc == PT_OK ? rc : pt_fail_prefix(rc, "'%s'", key);
    }
    first = json_string_value(asked);
    n_first = json_string_length(asked);
    PT_RETURN(pt_row_text(r, row, "field_input", inputs, &second, &n_second));
    if (!second && key && !strcmp(key, "instruction") && !pt_dataset_says(r->spec, "field_input") && json_is_string(json_object_get(row, "response")))
        PT_RETURN(pt_row_text(r, row, "field_input", contexts, &second, &n_second));
    if (!first && !second) return t->n ? pt_record_turn(t, PT_USER, "", 0) : PT_OK;
    if (!second) return pt_record_turn(t, PT_USER, first, n_first);
    if (!first) return pt_record_turn(t, PT_USER, second, n_second);
    pt_str joined = {0};
    pt_status rc = pt_str_add(&joined, first, n_first);
    if (rc == PT_OK) rc = pt_str_puts(&joined, "\n");
    if (rc == PT_OK) rc = pt_str_add(&joined, second, n_second);
    if (rc != PT_OK) {
        pt_str_free(&joined);
        return rc;
    }
    PT_RETURN(pt_record_own(&r->rec, joined.text));
    return pt_record_turn(t, PT_USER, joined.text, joined.len);
}

json_t *pt_read_output(pt_reader *r, json_t *row)
{
    static const char *const names[] = {"output", "response", "completion", "answer", "RESPONSE", NULL};
    const char *named = pt_dataset_says(r->spec, "field_output"), *key;
    json_t *v = pt_row_column(r, row, "field_output", names, &key);
    for (size_t i = 0; !v && names[i] && !named; i++) /* an empty answer is an answer's place */
        if (json_is_string(json_object_get(row, names[i]))) v = pt_row_take(r, row, names[i]);
    if (!v && named) v = pt_row_take(r, row, named);
    return v;
}

/* Prompt and completion that both spell lists of messages are those lists. */
static pt_status unfold(pt_reader *r, json_t *row, json_t **answer)
{
    const char *key;
    json_t *list[2], *asked;
    PT_RETURN(pt_row_messages(r, *answer, &list[1]));
    if (list[1] == *answer) return PT_OK;
    asked = pt_row_column(r, row, "field_prompt", asks, &key);
    PT_RETURN(pt_row_messages(r, asked, &list[0]));
    if (!asked || json_is_string(list[0])) return PT_OK;
    if (list[0] != asked && json_object_set(row, key, list[0])) return pt_fail(PT_ENOMEM, "out of memory: the messages of a prompt");
    *answer = list[1];
    return PT_OK;
}

/* Whether the row has a place for a question at all: an empty one is asked, a missing one is a wrong type. */
static bool has_question(const pt_reader *r, json_t *row)
{
    const char *named = pt_dataset_says(r->spec, "field_prompt");
    if (pt_dataset_says(r->spec, "prompt_template")) return true;
    if (named) return !*named || pt_row_path(row, named);
    for (size_t i = 0; asks[i]; i++)
        if (json_object_get(row, asks[i])) return true;
    return json_object_get(row, "input") != NULL;
}

pt_status pt_read_alpaca(pt_reader *r, json_t *row)
{
    pt_turns *t = &r->rec.answers[0].turns;
    const char *named = pt_dataset_says(r->spec, "field_output"), *ask = pt_dataset_says(r->spec, "field_prompt");
    const char *made;
    size_t n_made;
    PT_RETURN(pt_row_filled(r, row, "answer_template", &made, &n_made));
    json_t *answer = made ? NULL : pt_read_output(r, row);
    if (!answer && !made && !named && (pt_read_list(r, row) || pt_read_other_list(r, row))) return pt_read_messages(r, row);
    if (!made && (!answer || json_is_null(answer))) return pt_row_missing(r, row, named ? named : "output");
    if (!made) PT_RETURN(unfold(r, row, &answer));
    PT_RETURN(pt_read_question(r, row, t));
    if (!t->n && !has_question(r, row)) return pt_row_missing(r, row, ask ? ask : "instruction");
    if (!t->n) PT_RETURN(pt_record_turn(t, PT_USER, "", 0));
    size_t asked = t->n;
    if (made) {
        PT_RETURN(pt_record_turn(t, PT_ASSISTANT, made, n_made));
    } else if (json_is_string(answer)) {
        PT_RETURN(pt_record_turn(t, PT_ASSISTANT, json_string_value(answer), json_string_length(answer)));
    } else {
        PT_RETURN(pt_read_turns(r, answer, t));
        if (t->n == asked) return pt_fail(PT_EFORMAT, "the answer holds no messages");
    }
    const json_t *prompt = pt_dataset_says(r->spec, "prompt_template") ? NULL : pt_row_column(r, row, "field_prompt", asks, NULL);
    if ((answer && !json_is_string(answer)) || (prompt && !json_is_string(prompt))) r->rec.n_prompt = asked;
    PT_RETURN(pt_read_system(r, row, t, &r->rec.n_prompt));
    return r->sink(r->user, &r->rec, r->line);
}

pt_status pt_read_mindset(pt_reader *r, json_t *row)
{
    static const char *const names[] = {"output", "response", NULL};
    pt_record *rec = &r->rec;
    json_t *out = pt_row_column(r, row, "field_output", names, NULL);
    if (json_array_size(out) != 2 || !json_is_string(json_array_get(out, 0)) || !json_is_string(json_array_get(out, 1)))
        return pt_fail(PT_EFORMAT, "'output' is not [chosen, rejected]");
    if (r->criterion) return pt_fail(PT_EFORMAT, "a row of [chosen, rejected] holds no criterion: say chosen, rejected and criterion");
    PT_RETURN(pt_record_answers(rec, 2));
    for (int i = 0; i < 2; i++) {
        json_t *a = json_array_get(out, (size_t)i);
        pt_turns *t = &rec->answers[i].turns;
        if (!pt_row_says(a)) return pt_fail(PT_EFORMAT, "empty answer: '%s'", i ? "rejected" : "chosen");
        PT_RETURN(pt_read_question(r, row, t));
        if (!t->n) PT_RETURN(pt_record_turn(t, PT_USER, "", 0));
        rec->n_prompt = t->n;
        PT_RETURN(pt_record_turn(t, PT_ASSISTANT, json_string_value(a), json_string_length(a)));
        PT_RETURN(pt_read_system(r, row, t, i ? &rec->n_prompt : NULL));
    }
    return r->sink(r->user, rec, r->line);
}

const pt_data_key pt_keys_of_questions[] = {
    {.key = "field_prompt", .aliases = "field_instruction field_question", .kind = PT_DATA_COLUMN, .after = "field_system",
     .help = "Column of the question. Default: instruction, prompt, query, question."},
    {.key = "field_input", .kind = PT_DATA_COLUMN, .help = "Column that follows the question on a line of its own. Default: input; context beside instruction and response."},
    {.key = "field_output", .aliases = "field_completion field_response", .kind = PT_DATA_COLUMN,
     .help = "Column of the answer. Default: output, response, completion, answer."},
    {.key = "field_history", .kind = PT_DATA_COLUMN, .help = "Column of earlier rounds [[question, answer], ...]. Default: history; with prompt_template none."},
    {.key = "prompt_template", .kind = PT_DATA_TEMPLATE, .help = "The question as a text with fields of the row in it, as in system_template, instead of a column."},
    {.key = "answer_template", .kind = PT_DATA_TEMPLATE, .help = "The answer in the same way; not of pairs."},
    {0}};

/* Names that fix a template too (alpaca_chat) are taken for the shape alone: the template is the config's. */
const pt_data_type pt_data_type_alpaca = {
    .name = "alpaca",
    .also = "alpaca:* alpaca_chat alpaca_chat.load_qa alpaca_chat.load_concise alpaca_chat.load_no_prompt alpaca_instruct alpaca_instruct.* "
            "alpaca_w_system alpaca_w_system.* gpteacher gpteacher:* oasst prompt_completion",
    .sft = pt_read_alpaca,
    .pairs = pt_read_preference,
    .verdicts = pt_read_unpaired,
    .instructions = true,
    .keys = pt_keys_of_chats};

const pt_data_type pt_data_type_mindset = {.name = "mindset", .pairs = pt_read_mindset, .verdicts = pt_read_mindset, .keys = pt_keys_of_chats};

/* alpaca: {instruction, input, output, system, history: [[q, a], ...]}; mindset: the same with output: [chosen, rejected].
 * The user's text is instruction and input joined by a line break (as LLaMA-Factory does); an input of spaces counts as none.
 */
#include <stdlib.h>
#include <string.h>

#include "data/record.h"

static pt_status add_history(json_t *row, pt_turns *t)
{
    size_t i;
    json_t *round, *list = json_object_get(row, "history");
    if (!list || json_is_null(list)) return PT_OK;
    if (!json_is_array(list)) return pt_fail(PT_EFORMAT, "'history' is a list of [question, answer]");
    json_array_foreach(list, i, round)
    {
        json_t *q = json_array_get(round, 0), *a = json_array_get(round, 1);
        if (json_array_size(round) != 2 || !json_is_string(q) || !json_is_string(a))
            return pt_fail(PT_EFORMAT, "round %zu of 'history' is not [question, answer]", i + 1);
        PT_RETURN(pt_record_turn(t, PT_USER, json_string_value(q), json_string_length(q)));
        PT_RETURN(pt_record_turn(t, PT_ASSISTANT, json_string_value(a), json_string_length(a)));
    }
    return PT_OK;
}

pt_status pt_read_question(pt_reader *r, json_t *row, pt_turns *t)
{
    const char *system, *instruction, *input;
    size_t n_system, n_instruction, n_input;
    PT_RETURN(pt_row_string(row, "system", false, &system, &n_system));
    PT_RETURN(pt_row_string(row, "instruction", true, &instruction, &n_instruction));
    PT_RETURN(pt_row_string(row, "input", false, &input, &n_input));
    if (system && n_system) PT_RETURN(pt_record_turn(t, PT_SYSTEM, system, n_system));
    PT_RETURN(add_history(row, t));
    if (input) {
        const char *bare = input;
        size_t n = n_input;
        pt_text_strip(&bare, &n);
        if (!n) input = NULL;
    }
    if (!input) return pt_record_turn(t, PT_USER, instruction, n_instruction);
    pt_str joined = {0};
    pt_status rc = pt_str_add(&joined, instruction, n_instruction);
    if (rc == PT_OK && n_instruction) rc = pt_str_puts(&joined, "\n");
    if (rc == PT_OK) rc = pt_str_add(&joined, input, n_input);
    if (rc != PT_OK) {
        pt_str_free(&joined);
        return rc;
    }
    PT_RETURN(pt_record_own(&r->rec, joined.text));
    return pt_record_turn(t, PT_USER, joined.text, joined.len);
}

pt_status pt_read_alpaca(pt_reader *r, json_t *row)
{
    const char *text;
    size_t n;
    pt_turns *t = &r->rec.side[0];
    PT_RETURN(pt_read_question(r, row, t));
    PT_RETURN(pt_row_string(row, "output", true, &text, &n));
    PT_RETURN(pt_record_turn(t, PT_ASSISTANT, text, n));
    return r->sink(r->user, &r->rec, r->line);
}

pt_status pt_read_mindset(pt_reader *r, json_t *row)
{
    pt_record *rec = &r->rec;
    json_t *out = json_object_get(row, "output");
    if (json_array_size(out) != 2 || !json_is_string(json_array_get(out, 0)) || !json_is_string(json_array_get(out, 1)))
        return pt_fail(PT_EFORMAT, "'output' is not [chosen, rejected]");
    rec->pair = true;
    for (int i = 0; i < 2; i++) {
        json_t *a = json_array_get(out, (size_t)i);
        PT_RETURN(pt_read_question(r, row, &rec->side[i]));
        rec->n_prompt = rec->side[i].n;
        PT_RETURN(pt_record_turn(&rec->side[i], PT_ASSISTANT, json_string_value(a), json_string_length(a)));
    }
    return r->sink(r->user, rec, r->line);
}

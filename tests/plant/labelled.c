/* labelled: a type of data that stands nowhere but here, for tests/cli/plant_values.sh: {"prompt": text, "answer": text, "label": k, "warmth": x,
 * "energy": y}: a record of one answer with three columns. */
#include "data/read/record.h"

static pt_status read_labelled(pt_reader *r, json_t *row)
{
    static const char *const columns[] = {"label", "warmth", "energy"};
    pt_record *rec = &r->rec;
    const char *prompt, *answer;
    size_t n_prompt, n_answer;
    pt_row_take(r, row, "prompt");
    pt_row_take(r, row, "answer");
    PT_RETURN(pt_row_string(row, "prompt", true, &prompt, &n_prompt));
    PT_RETURN(pt_row_string(row, "answer", true, &answer, &n_answer));
    PT_RETURN(pt_record_answers(rec, 1));
    pt_answer *a = &rec->answers[0];
    PT_RETURN(pt_record_turn(&a->turns, PT_USER, prompt, n_prompt));
    PT_RETURN(pt_record_turn(&a->turns, PT_ASSISTANT, answer, n_answer));
    for (size_t k = 0; k < sizeof columns / sizeof *columns; k++) {
        json_t *v = pt_row_take(r, row, columns[k]);
        if (!json_is_number(v)) return pt_fail(PT_EFORMAT, "%s is no number", columns[k]);
        PT_RETURN(pt_values_put(&a->columns, columns[k], (float)json_number_value(v)));
    }
    rec->n_prompt = 1;
    return r->sink(r->user, rec, r->line);
}

const pt_data_type pt_data_type_labelled = {.name = "labelled", .sft = read_labelled};

/* ranked: a type of data that stands nowhere but here, for tests/cli/plant_lists.sh: {"prompt": text, "answers": [text, ...], "ratings": [number, ...]}:
 * a record of as many answers as the row has, a column of its own, and keys of its own. */
#include <string.h>

#include "data/read/record.h"

static const pt_data_key keys[] = {
    {.key = "rating_scale", .aliases = "scale_of_ratings", .kind = PT_DATA_WORD, .fallback = "whole", .words = (const char *const[]){"whole", "half", "double", NULL},
     .after = "system_template", .help = "ranked: what a rating counts. Default: whole."},
    {.key = "ratings_fall", .kind = PT_DATA_FLAG, .fallback = "false", .help = "ranked: true where a smaller rating is the better one."},
    {0}};

static float scale_of(const pt_dataset_spec *s)
{
    const char *word = pt_dataset_value(s, "rating_scale");
    float x = !strcmp(word, "half") ? 0.5f : !strcmp(word, "double") ? 2 : 1;
    return strcmp(pt_dataset_value(s, "ratings_fall"), "true") ? x : -x;
}

static pt_status read_ranked(pt_reader *r, json_t *row)
{
    pt_record *rec = &r->rec;
    const char *prompt;
    size_t bytes;
    json_t *answers = pt_row_take(r, row, "answers"), *ratings = pt_row_take(r, row, "ratings");
    pt_row_take(r, row, "prompt");
    PT_RETURN(pt_row_string(row, "prompt", true, &prompt, &bytes));
    if (!json_array_size(answers) || json_array_size(ratings) != json_array_size(answers)) return pt_fail(PT_EFORMAT, "not a rating to each answer");
    PT_RETURN(pt_record_answers(rec, json_array_size(answers)));
    for (size_t k = 0; k < rec->n_answers; k++) {
        pt_answer *a = &rec->answers[k];
        json_t *text = json_array_get(answers, k);
        if (!json_is_string(text) || !json_is_number(json_array_get(ratings, k))) return pt_fail(PT_EFORMAT, "answer %zu is no text with a number", k);
        PT_RETURN(pt_record_turn(&a->turns, PT_USER, prompt, bytes));
        PT_RETURN(pt_record_turn(&a->turns, PT_ASSISTANT, json_string_value(text), json_string_length(text)));
        PT_RETURN(pt_values_put(&a->columns, "rating", scale_of(r->spec) * (float)json_number_value(json_array_get(ratings, k))));
    }
    rec->n_prompt = 1;
    return r->sink(r->user, rec, r->line);
}

const pt_data_type pt_data_type_ranked = {.name = "ranked", .sft = read_ranked, .keys = (const pt_data_key *const[]){keys, NULL}};

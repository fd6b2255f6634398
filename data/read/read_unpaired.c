/* Answers that are judged one by one: prompt, completion and label, as TRL (strings or messages), axolotl's kto types and LLaMA-Factory (instruction,
 * output or a conversation beside kto_tag) write them. The label is true or false, or 1 or 0. Of a conversation the last turn is the completion.
 * A row with chosen and rejected is a pair: two records of the same prompt, the chosen one desirable (TRL's unpair_preference_dataset). */
#include <string.h>

#include "data/read/record.h"

static pt_status bad_label(const char *key, const json_t *v)
{
    return pt_fail(PT_EFORMAT, "label '%s' is %s; true or false (1 or 0) is wanted", key, json_is_number(v) ? "another number" : pt_row_kind(v));
}

pt_status pt_read_verdict(pt_reader *r, json_t *row)
{
    static const char *const names[] = {"label", "kto_tag", NULL};
    const char *named = pt_dataset_says(r->spec, "field_label"), *key = named;
    for (size_t i = 0; !key && names[i]; i++)
        if (json_object_get(row, names[i])) key = names[i];
    const json_t *v = key ? pt_row_take(r, row, key) : NULL;
    if (!v) return pt_row_missing(r, row, named ? named : names[0]);
    bool is = json_is_boolean(v), on = json_is_true(v);
    if (json_is_number(v)) {
        double x = json_number_value(v);
        is = x == 0 || x == 1;
        on = x == 1;
    }
    return is ? pt_values_put(&r->rec.columns, PT_COLUMN_LABEL, on ? 1 : 0) : bad_label(key, v);
}

static bool is_pair(const pt_reader *r, json_t *row)
{
    const char *named = pt_dataset_says(r->spec, "field_rejected");
    static const char *const names[] = {"rejected", "rejected_messages", "rejected_response", "non_preferred_output", NULL};
    if (named) return true;
    for (size_t i = 0; names[i]; i++)
        if (json_object_get(row, names[i])) return true;
    named = pt_dataset_says(r->spec, "field_output");
    const json_t *both = pt_row_path(row, named ? named : "output");
    return json_array_size(both) == 2 && json_is_string(json_array_get(both, 0));
}

/* The record that was read, its completion told from what it answers. */
static pt_status take(void *user, const pt_record *rec, int64_t line)
{
    pt_reader *r = user;
    const pt_turns *t = &rec->answers[0].turns;
    (void)line;
    if (!pt_speaker_is(t->turns[t->n - 1].speaker, PT_ASSISTANT)) return pt_fail(PT_EFORMAT, "the last message is not the assistant's");
    if (!r->rec.n_prompt) r->rec.n_prompt = t->n - 1;
    if (!r->rec.n_prompt) return pt_fail(PT_EFORMAT, "a completion without anything that it answers");
    return PT_OK;
}

pt_status pt_read_unpaired(pt_reader *r, json_t *row)
{
    pt_status (*sink)(void *user, const pt_record *rec, int64_t line) = r->sink;
    void *user = r->user;
    if (is_pair(r, row)) return pt_read_preference(r, row);
    PT_RETURN(pt_read_verdict(r, row));
    r->sink = take;
    r->user = r;
    pt_status rc = pt_read_alpaca(r, row);
    r->sink = sink;
    r->user = user;
    PT_RETURN(rc);
    return r->sink(r->user, &r->rec, r->line);
}

const pt_data_key pt_keys_of_verdicts[] = {{.key = "field_label", .aliases = "kto_tag", .kind = PT_DATA_COLUMN, .after = "field_rejected",
                                          .help = "Column of a row's label. Of judged answers (unpaired): true where it is desirable; default: label, kto_tag. Of labels: default label, labels."},
                                         {0}};

const pt_data_type pt_data_type_unpaired = {
    .name = "unpaired", .verdicts = pt_read_unpaired, .instructions = true, .keys = pt_keys_of_chats};

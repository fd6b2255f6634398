/* preference: {prompt, chosen, rejected}, each a string or a list of messages (chosen and rejected also one message object).
 * Without a prompt, chosen and rejected are whole conversations and the prompt is what they begin with alike. LLaMA-Factory's
 * shapes (conversations | messages | instruction, input + chosen, rejected; chosen_messages, rejected_messages) are read too.
 * margin and weight are numbers of the row. */
#include <string.h>

#include "data/record.h"

static bool same_turn(const pt_turn *a, const pt_turn *b)
{
    return a->speaker == b->speaker && a->bytes == b->bytes && !memcmp(a->text, b->text, a->bytes);
}

/* Names of the two properties as this list uses them: role/content unless it says from/value. */
static pt_status add_messages(pt_reader *r, json_t *list, pt_turns *t)
{
    const pt_dataset_spec *s = r->spec;
    json_t *first = json_array_get(list, 0);
    bool from = !json_object_get(first, "role") && json_object_get(first, "from");
    return pt_read_turns(r, list,
                         s->property_role ? s->property_role
                         : from           ? "from"
                                          : "role",
                         s->property_content ? s->property_content
                         : from              ? "value"
                                             : "content",
                         t);
}

static pt_status add_side(pt_reader *r, json_t *v, const char *key, pt_turns *t)
{
    pt_status rc = PT_OK;
    size_t before = t->n;
    if (json_is_string(v)) {
        rc = pt_record_turn(t, PT_ASSISTANT, json_string_value(v), json_string_length(v));
    } else if (json_is_object(v)) {
        json_t *list = json_array();
        if (!list || json_array_append(list, v))
            rc = pt_fail(PT_ENOMEM, "out of memory");
        else
            rc = add_messages(r, list, t);
        json_decref(list);
    } else {
        rc = add_messages(r, v, t);
    }
    if (rc == PT_OK && t->n == before) rc = pt_fail(PT_EFORMAT, "no messages");
    if (rc == PT_OK && t->turns[t->n - 1].speaker != PT_ASSISTANT)
        rc = pt_fail(PT_EFORMAT, "the last message is not the assistant's");
    return rc == PT_OK ? rc : pt_fail_prefix(rc, "'%s'", key);
}

static pt_status add_prompt(pt_reader *r, json_t *row, json_t *v, pt_turns *t)
{
    const char *system;
    size_t n;
    PT_RETURN(pt_row_string(row, "system", false, &system, &n));
    if (system) PT_RETURN(pt_record_turn(t, PT_SYSTEM, system, n));
    if (!v) return PT_OK;
    if (json_is_string(v)) return pt_record_turn(t, PT_USER, json_string_value(v), json_string_length(v));
    pt_status rc = add_messages(r, v, t);
    return rc == PT_OK ? rc : pt_fail_prefix(rc, "the prompt");
}

static json_t *field(json_t *row, const char *const *names)
{
    for (; *names; names++) {
        json_t *v = json_object_get(row, *names);
        if (v && !json_is_null(v)) return v;
    }
    return NULL;
}

pt_status pt_read_preference(pt_reader *r, json_t *row)
{
    static const char *const chosen[] = {"chosen", "chosen_messages", NULL}, *const rejected[] = {"rejected",
                                                                                                  "rejected_messages", NULL};
    static const char *const prompts[] = {"prompt", "conversations", "messages", NULL};
    pt_record *rec = &r->rec;
    const char *own[] = {r->spec->field_messages, NULL}, *text;
    size_t n;
    bool alpaca = false;
    json_t *side[2] = {field(row, chosen), field(row, rejected)},
           *prompt = r->spec->field_messages ? field(row, own) : field(row, prompts);
    for (int i = 0; i < 2; i++)
        if (!side[i]) return pt_row_string(row, i ? "rejected" : "chosen", true, &text, &n);
    rec->pair = true;
    alpaca = !prompt && json_is_string(json_object_get(row, "instruction"));
    if (!prompt && !alpaca && (json_is_string(side[0]) || json_is_string(side[1])))
        return pt_fail(PT_EFORMAT, "chosen and rejected are strings, but there is no 'prompt'");
    PT_RETURN(pt_row_number(row, "margin", -1e30, &rec->margin));
    for (int i = 0; i < 2; i++) {
        PT_RETURN(alpaca ? pt_read_question(r, row, &rec->side[i]) : add_prompt(r, row, prompt, &rec->side[i]));
        rec->n_prompt = rec->side[i].n;
        PT_RETURN(add_side(r, side[i], i ? "rejected" : "chosen", &rec->side[i]));
    }
    if (prompt || alpaca) return r->sink(r->user, rec, r->line);
    size_t most = rec->side[0].n < rec->side[1].n ? rec->side[0].n : rec->side[1].n, same = 0;
    while (same + 1 < most && same_turn(&rec->side[0].turns[same], &rec->side[1].turns[same])) same++;
    if (same <= rec->n_prompt) return pt_fail(PT_EFORMAT, "no 'prompt', and chosen and rejected begin with different messages");
    rec->n_prompt = same;
    return r->sink(r->user, rec, r->line);
}

/* beyond_dialogue: the alignment tasks of BeyondDialogue, {Q: [messages], A: [label, ...], type, language}: what character, style ... somebody shows in a
 * dialogue. The answer is written as its questions ask for it: {"TYPE": "label, label"}. */
#include <string.h>

#include "data/read/people.h"

/* Labels with the comma of their language between them. */
static pt_status joined(json_t *labels, const char *comma, pt_str *out)
{
    size_t i;
    json_t *v;
    json_array_foreach(labels, i, v)
    {
        if (!json_is_string(v)) return pt_fail(PT_EFORMAT, "label %zu of 'A' is %s; only names of labels are read", i + 1, pt_row_kind(v));
        if (i) PT_RETURN(pt_str_puts(out, comma));
        PT_RETURN(pt_str_add(out, json_string_value(v), json_string_length(v)));
    }
    return PT_OK;
}

static pt_status answer_of(pt_reader *r, json_t *row, const char **text)
{
    pt_status rc = PT_OK;
    json_t *labels = pt_row_take(r, row, "A"), *o = NULL;
    const char *type, *language;
    size_t n;
    pt_str all = {0};
    if (!labels || json_is_null(labels)) return pt_row_missing(r, row, "A");
    if (json_is_string(labels) && pt_row_says(labels)) return pt_profile_text(r, labels, text);
    if (!json_is_array(labels)) return pt_fail(PT_EFORMAT, "field 'A' is %s; only names of labels are read", pt_row_kind(labels));
    PT_RETURN(pt_row_string(row, "type", true, &type, &n));
    PT_RETURN(pt_row_string(row, "language", false, &language, &n));
    pt_row_take(r, row, "type");
    pt_row_take(r, row, "language");
    bool chinese = language && (!strcmp(language, "cn") || !strcmp(language, "zh"));
    PT_TRY(joined(labels, chinese ? "，" : ", ", &all));
    PT_CHECK(o = json_pack("{s: o}", type, json_stringn(all.len ? all.text : "", all.len)), PT_ENOMEM, "out of memory");
    all.len = 0;
    PT_TRY(pt_text_json(&all, o, 0));
    json_decref(o);
    return pt_row_keep(r, &all, text);
done:
    json_decref(o);
    pt_str_free(&all);
    return rc;
}

static pt_status read_row(pt_reader *r, json_t *row)
{
    pt_turns *t = &r->rec.answers[0].turns;
    const char *answer;
    json_t *asked = pt_row_take(r, row, "Q");
    if (!asked) return pt_row_missing(r, row, "Q");
    PT_RETURN(pt_read_turns(r, asked, t));
    PT_RETURN(pt_read_system(r, row, t, NULL));
    if (!t->n) return pt_fail(PT_EFORMAT, "'Q' holds no messages");
    PT_RETURN(answer_of(r, row, &answer));
    r->rec.n_prompt = t->n;
    PT_RETURN(pt_record_turn(t, PT_ASSISTANT, answer, strlen(answer)));
    return r->sink(r->user, &r->rec, r->line);
}

const pt_data_type pt_data_type_beyond_dialogue = {.name = "beyond_dialogue", .sft = read_row, .fits = "Q A"};

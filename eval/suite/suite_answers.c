/* What was answered to the questions of the test data, for eval.json. */
#include <string.h>

#include "eval/suite/suite.h"

static json_t *text_or_null(const char *text)
{
    return text ? pt_report_text(text) : json_null();
}

static bool put_turns(json_t *o, const pt_question *q)
{
    const bool has = q->n_prompt && pt_speaker_is(q->prompt[0].speaker, PT_SYSTEM);
    json_t *turns = json_array();
    bool fine = !json_object_set_new(o, "system", text_or_null(has ? q->prompt[0].text : NULL)) && !json_object_set_new(o, "turns", turns);
    for (size_t i = has; i < q->n_prompt; i++) {
        json_t *one = json_object();
        fine = fine && !json_array_append_new(turns, one) && !json_object_set_new(one, "role", text_or_null(q->prompt[i].speaker->name)) &&
               !json_object_set_new(one, "text", text_or_null(q->prompt[i].text));
    }
    return fine;
}

pt_status pt_suite_answers(const pt_suite *s, json_t **out)
{
    static const char *const sides[2] = {"before", "after"};
    const pt_eval_texts *any = s->texts[PT_AFTER].n ? &s->texts[PT_AFTER] : &s->texts[PT_BEFORE];
    json_t *list = any->n ? json_array() : NULL;
    bool fine = !any->n || list;
    *out = list;
    for (size_t i = 0; fine && i < any->n; i++) {
        const pt_question *q = &s->data->questions->list[any->index[i]];
        json_t *o = json_object(), *references = json_array();
        fine = !json_array_append_new(list, o) && !json_object_set_new(o, "group", text_or_null(q->role)) && put_turns(o, q) && !json_object_set_new(o, "references", references);
        for (size_t k = 0; k < q->n_references; k++) fine = fine && !json_array_append_new(references, pt_report_text(q->references[k]));
        for (int k = 0; k < 2; k++) fine = fine && !json_object_set_new(o, sides[k], text_or_null(i < s->texts[k].n ? s->texts[k].answer[i] : NULL));
    }
    if (fine) return PT_OK;
    json_decref(list);
    *out = NULL;
    return pt_fail(PT_ENOMEM, "out of memory writing the report");
}

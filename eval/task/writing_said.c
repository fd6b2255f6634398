/* What was answered, for eval.json: each asked item with its prompt, its references and the answers of both sides. */
#include <stdlib.h>
#include <string.h>

#include "eval/task/writing.h"

static json_t *text_or_null(const char *text)
{
    return text ? pt_report_text(text) : json_null();
}

pt_status pt_writing_keep(const pt_task *t, pt_writing *w, const pt_reply *replies, pt_side side)
{
    json_t *list = json_array();
    json_decref(w->said[side]);
    w->said[side] = list;
    for (size_t i = 0; i < t->items; i++) {
        if (!w->keep[i]) continue;
        replies += pt_writing_replies(t, w, i);
        for (int r = pt_writing_repeats(t); r > 0; r--)
            if (json_array_append_new(list, text_or_null(replies[-r].text))) return pt_fail(PT_ENOMEM, "out of memory keeping answers");
    }
    return PT_OK;
}

static bool put_turn(json_t *turns, const char *role, const char *text)
{
    json_t *one = json_object();
    return !json_array_append_new(turns, one) && !json_object_set_new(one, "role", text_or_null(role)) && !json_object_set_new(one, "text", text_or_null(text));
}

/* The prompt; of a conversation its turns behind the system text. */
static bool put_turns(json_t *o, const pt_write_item *x)
{
    json_t *turns = json_array();
    bool fine = !json_object_set_new(o, "turns", turns);
    for (size_t i = 0; i < x->n_turns; i++)
        if (i || !pt_speaker_is(x->turns[0].speaker, PT_SYSTEM)) fine = fine && put_turn(turns, x->turns[i].speaker->name, x->turns[i].text);
    return x->turns ? fine : fine && put_turn(turns, "user", x->prompt);
}

static bool put_item(json_t *list, const pt_task *t, const pt_writing *w, const pt_write_item *x, int repeat, size_t row)
{
    static const char *const sides[2] = {"before", "after"};
    json_t *o = json_object(), *references = json_array();
    bool fine = !json_array_append_new(list, o) && !json_object_set_new(o, "group", text_or_null(t->scopes[x->scope])) && !json_object_set_new(o, "system", text_or_null(x->system)) &&
                put_turns(o, x) && !json_object_set_new(o, "references", references);
    if (repeat) fine = fine && !json_object_set_new(o, "repeat", json_integer(repeat));
    for (size_t k = 0; k < x->n_references; k++) fine = fine && !json_array_append_new(references, pt_report_text(x->references[k]));
    for (int s = 0; s < 2; s++) {
        json_t *said = json_array_get(w->said[s], row);
        fine = fine && !json_object_set(o, sides[s], said ? said : json_null());
    }
    return fine;
}

pt_status pt_writing_json(const pt_task *t, json_t *o)
{
    const pt_writing *w = t->state;
    json_t *list = json_array();
    size_t row = 0;
    bool fine = !json_object_set_new(o, "answers", list);
    for (size_t i = 0; i < t->items && w->keep; i++)
        for (int r = 0; w->keep[i] && r < pt_writing_repeats(t); r++) fine = fine && put_item(list, t, w, &w->items[i], r, row++);
    return fine ? PT_OK : pt_fail(PT_ENOMEM, "out of memory writing the report");
}

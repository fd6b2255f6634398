/* Messages of named people (OpenAI's `name`, ShareGPT's `from` that is a person's name) as a scene: for messages and sharegpt where the data set asks for
 * points of view. Who is a user by name or by `roles` is the human's part; system messages and tool results are nobody's. */
#include <string.h>

#include "data/read/record.h"

pt_status pt_read_person(pt_reader *r, json_t *m, const char *role, const pt_speaker **who)
{
    const char *name = json_string_value(json_object_get(m, "name"));
    pt_speaker *p;
    if (pt_speaker_is(*who, PT_SYSTEM) || pt_speaker_is(*who, PT_TOOL)) return PT_OK;
    PT_RETURN(pt_alloc0(&p, 1));
    *p = (pt_speaker){.name = name && !pt_text_blank(name, strlen(name)) ? name : role, .like = *who};
    *who = p;
    return pt_record_own(&r->rec, (char *)p);
}

/* What a line of a scene has no place for. */
static const char *beyond(const pt_turn *t)
{
    if (t->calls) return "tool calls";
    if (t->thought_bytes) return "a thought beside its text (reasoning_content)";
    return t->n_spans ? "parts that are trained on (train_detail)" : NULL;
}

static pt_status add_line(pt_scene *s, const pt_turn *t)
{
    const pt_speaker *who = t->speaker;
    bool nobody = pt_speaker_is(who, PT_SYSTEM) || pt_speaker_is(who, PT_TOOL);
    if (beyond(t)) return pt_fail(PT_EFORMAT, "%s: not in conversations that are read by points of view", beyond(t));
    PT_RETURN(pt_scene_line_add(s, nobody ? NULL : who->name, t->text, t->bytes));
    pt_scene_line *l = &s->lines[s->n - 1];
    if (nobody) l->as = pt_speaker_is(who, PT_SYSTEM) ? PT_SYSTEM : PT_TOOL;
    l->weight = t->weight;
    l->has_weight = t->has_weight;
    return pt_speaker_is(who, PT_USER) ? pt_scene_person_add(s, who->name, NULL, true, false) : PT_OK;
}

pt_status pt_read_views(pt_reader *r, json_t *row, json_t *list)
{
    pt_scene *s = &r->scene;
    pt_turns *t = &r->prompt;
    t->n = 0;
    pt_scene_clear(s);
    s->row = row;
    PT_RETURN(pt_read_turns(r, list, t));
    if (!t->n) return pt_fail(PT_EFORMAT, "the list holds no messages");
    for (size_t i = 0; i < t->n; i++) {
        pt_status rc = add_line(s, &t->turns[i]);
        if (rc != PT_OK) return pt_fail_prefix(rc, "message %zu", i + 1);
    }
    return pt_read_scene(r, s);
}

pt_status pt_read_views_open(pt_reader *r)
{
    if (!r->views || (!r->pairs && !r->verdicts)) return PT_OK;
    return pt_fail(PT_EARG, "%s: view_of, train_on_speakers and names in roles_to_train are for whole conversations; pairs and judged answers are read as they stand", r->spec->path);
}

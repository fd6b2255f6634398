#include "eval/task/behind.h"

#include <string.h>

#include "eval/task/dialogue.h"

const char *const pt_behind_at[] = {"end", "begin", NULL};

/* The place of the speaker that is asked; n_parts: there is none. */
static size_t asked(const pt_task *t)
{
    const pt_dialogue *d = t->source->state;
    const char *as = pt_task_text(t, "as");
    size_t i = 0;
    while (i < d->n_parts && !(d->parts[i].model && !strcmp(d->parts[i].model, "self") && (!as || !strcmp(d->parts[i].name, as)))) i++;
    return i;
}

pt_status pt_behind_check(const pt_task *t)
{
    const char *as = pt_task_text(t, "as");
    if (!t->source) return as || pt_task_text(t, "context") ? pt_task_fail(t, "%s goes with after: the name of a dialogue", as ? "as" : "context") : PT_OK;
    const pt_dialogue *d = t->source->state;
    if (asked(t) < d->n_parts) return PT_OK;
    return as ? pt_task_fail(t, "as: %s has no speaker '%s' whose model is self, and what is measured is asked", t->source->spec->name, as)
              : pt_task_fail(t, "after: no speaker of %s is measured (model: self)", t->source->spec->name);
}

size_t pt_behind_count(const pt_task *t)
{
    const pt_transcript *list;
    size_t n = 1;
    if (t->source && pt_task_transcripts(t, t->side, &list, &n) != PT_OK) n = 0;
    return n;
}

pt_status pt_behind_view(const pt_task *t, size_t i, const pt_message **turns, size_t *n)
{
    const pt_transcript *list;
    size_t count;
    *turns = NULL;
    *n = 0;
    if (!t->source) return PT_OK;
    PT_RETURN(pt_task_transcripts(t, t->side, &list, &count));
    const struct pt_transcript_view *v = &list[i].views[asked(t)];
    const bool begin = pt_task_word(t, "at") == 1;
    *turns = begin ? v->begin : v->turns;
    *n = begin ? v->n_begin : v->n;
    return PT_OK;
}

pt_status pt_behind_meet(const pt_task *t, pt_meetings *m)
{
    const char *method = pt_task_text(t, "method");
    if (!t->source) return PT_OK;
    const double context = pt_task_text(t, "context") ? pt_task_number(t, "context") : pt_task_number(t->source, "context") + 512;
    const bool written = method && !strcmp(method, "written");
    return pt_meet(t, m, "self", (int64_t)context, !written, written ? PT_MEET_TEXT : PT_MEET_LIKELIHOOD);
}

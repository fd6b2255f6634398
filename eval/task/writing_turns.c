/* Conversations as items: a row's {"messages": [{"role", "content"}, ...]}. */
#include <string.h>

#include "base/json.h"
#include "data/text/speaker.h"
#include "eval/task/writing.h"

/* One message; its text is the row's own. ShareGPT's names are read too. */
static pt_status read_message(const json_t *m, size_t number, pt_message *out)
{
    const json_t *who = json_object_get(m, "role"), *text = json_object_get(m, "content");
    if (!who) who = json_object_get(m, "from");
    if (!text) text = json_object_get(m, "value");
    if (!json_is_string(who) || !json_is_string(text)) return pt_fail(PT_EFORMAT, "message %zu is no {\"role\": TEXT, \"content\": TEXT}", number);
    const pt_speaker *speaker = pt_speaker_find(json_string_value(who));
    if (!speaker) return pt_fail(PT_EFORMAT, "message %zu: nobody is called '%.40s'", number, json_string_value(who));
    *out = (pt_message){.speaker = speaker, .text = json_string_value(text), .bytes = json_string_length(text)};
    return PT_OK;
}

pt_status pt_writing_turns(const json_t *list, pt_write_item *x, const char **last)
{
    size_t n = json_array_size(list), i;
    json_t *m;
    *last = NULL;
    if (!n) return pt_fail(PT_EFORMAT, "messages are %s; a list of {\"role\", \"content\"} is wanted", json_is_array(list) ? "none" : pt_json_kind(list));
    PT_RETURN(pt_alloc0(&x->turns, n + 1)); /* room for a system text before them */
    json_array_foreach ((json_t *)list, i, m) PT_RETURN(read_message(m, i + 1, &x->turns[i]));
    x->n_turns = n;
    if (pt_speaker_is(x->turns[n - 1].speaker, PT_ASSISTANT)) *last = x->turns[--x->n_turns].text;
    if (!x->n_turns || pt_speaker_is(x->turns[x->n_turns - 1].speaker, PT_SYSTEM)) return pt_fail(PT_EFORMAT, "messages hold nothing that is to be answered");
    return PT_OK;
}

void pt_writing_system(pt_write_item *x)
{
    if (!x->turns || !x->system || !*x->system || pt_speaker_is(x->turns[0].speaker, PT_SYSTEM)) return;
    memmove(x->turns + 1, x->turns, x->n_turns * sizeof *x->turns);
    x->turns[0] = (pt_message){.speaker = PT_SYSTEM, .text = x->system, .bytes = strlen(x->system)};
    x->n_turns++;
}

pt_status pt_writing_ask_turns(const pt_task *t, const pt_writing *w, const pt_speller *s, const pt_write_item *x, const pt_sampling *how, pt_requests *q)
{
    if (!w->chat) return pt_task_fail(t, "a conversation (messages) is asked through a chat template: the model has none that is known here, or chat is false");
    for (size_t k = 0; w->measured && k < x->n_references; k++) {
        const char *text = x->references[k] + strspn(x->references[k], " ");
        PT_RETURN(pt_spell_answer(s, q, x->turns, x->n_turns, NULL, text, strlen(text), PT_END_LEFT_OUT));
    }
    for (int r = 0; r < pt_writing_repeats(t); r++) {
        PT_RETURN(pt_spell_question(s, q, x->turns, x->n_turns, how, r));
        PT_RETURN(pt_spell_constrain(q, x->held));
    }
    return PT_OK;
}

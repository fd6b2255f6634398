/* dialogue: two or more speakers talk about scenes, by turns. A row is a scene: its fields stand in templates as {FIELD}, and `group` names its group. What the speakers
 * are, the entry says (eval/task/dialogue.h). */
#include <stdlib.h>

#include "eval/task/dialogue.h"
#include "eval/task/writing.h"

static pt_status open_dialogue(pt_task *t)
{
    pt_dialogue *d;
    PT_RETURN(pt_alloc0(&d, 1));
    t->state = d;
    PT_RETURN(pt_writing_dump_check(t));
    return pt_dialogue_read(t, d);
}

static void close_dialogue(pt_task *t)
{
    if (t->state) pt_dialogue_free(t, t->state);
    free(t->state);
}

/* Nothing is known to ask yet: which scenes are played. */
static pt_status ask_dialogue(pt_task *t, const pt_speller *s, pt_requests *q)
{
    pt_status rc = PT_OK;
    pt_dialogue *d = t->state;
    size_t *scope = NULL, kept;
    (void)s;
    (void)q;
    PT_TRY(pt_alloc0(&scope, t->items));
    for (size_t i = 0; i < t->items; i++) scope[i] = d->scenes[i].scope;
    free(d->keep);
    d->keep = NULL;
    PT_TRY(pt_alloc0(&d->keep, t->items));
    PT_TRY(pt_task_limit(t, scope, d->keep, &kept));
done:
    free(scope);
    return rc;
}

static pt_status meet_dialogue(const pt_task *t, pt_meetings *m)
{
    const pt_dialogue *d = t->state;
    const int64_t plays = pt_task_asked(t) * (int64_t)pt_task_number(t, "repeats");
    for (size_t i = 0; i < d->n_parts; i++)
        if (d->parts[i].model) PT_RETURN(pt_meet(t, m, d->parts[i].model, (int64_t)pt_task_number(t, "context"), plays, PT_MEET_TEXT));
    return PT_OK;
}

static pt_status talk_dialogue(pt_task *t, const pt_reply *replies, const pt_voices *voices, pt_side side)
{
    (void)replies;
    return pt_dialogue_play(t, t->state, voices, side);
}

static pt_status judge_dialogue(pt_task *t, const pt_reply *replies, pt_side side)
{
    (void)replies;
    PT_RETURN(pt_dialogue_find(t, t->state, side));
    return pt_dialogue_dump(t, t->state, side);
}

static pt_status transcripts_of(const pt_task *t, pt_side side, const pt_transcript **list, size_t *n)
{
    const pt_dialogue *d = t->state;
    *list = d->side[side].transcripts;
    *n = d->side[side].n;
    return PT_OK;
}

static pt_status json_dialogue(const pt_task *t, json_t *o)
{
    return pt_dialogue_json(t, t->state, o);
}

static const pt_task_key keys[] = {
    {.name = "speakers", .kind = PT_TASK_NESTED, .help = "Who talks, in the order of their turns: a list of {name, model, system, ...}, below."},
    {.name = "turns", .kind = PT_TASK_WHOLE, .fallback = "6", .min = 1, .max = 10000, .help = "Turns of a dialogue at most, of all speakers together."},
    {.name = "stop_text", .kind = PT_TASK_LIST, .help = "Texts that end a dialogue with the turn that holds one."},
    {.name = "stop_pattern", .kind = PT_TASK_TEXT, .help = "A POSIX extended pattern that does so."},
    {.name = "stop_empty", .kind = PT_TASK_FLAG, .fallback = "true", .help = "Whether a turn of nothing does."},
    {.name = "personas", .kind = PT_TASK_FILE, .help = "A JSON file {NAME: text}: whom speakers' `persona` names."},
    {.name = "context", .kind = PT_TASK_WHOLE, .fallback = "2048", .min = 16, .max = 1 << 20,
     .help = "Tokens of a conversation, with the answer that is written: memory is planned for it, and a longer one fails by name."},
    {.name = "max_new_tokens", .kind = PT_TASK_WHOLE, .fallback = "128", .min = 1, .max = 65536, .help = "Tokens of a turn."},
    {.name = "temperature", .kind = PT_TASK_NUMBER, .fallback = "0", .min = 0, .max = 100, .help = "0 = greedy."},
    {.name = "top_p", .kind = PT_TASK_NUMBER, .fallback = "1", .min = 0.000001, .max = 1, .help = "Sampled from the likeliest tokens of this mass; 1 = all."},
    {.name = "sampling", .kind = PT_TASK_LIST, .help = PT_SAMPLING_HELP},
    {.name = "repeats", .kind = PT_TASK_WHOLE, .fallback = "1", .min = 1, .max = 1000, .help = "How often each scene is played."},
    {.name = "seed", .kind = PT_TASK_WHOLE, .min = 0, .max = 9007199254740992, .help = "Of sampling. Unset: the run's."},
    {.name = "group_by", .kind = PT_TASK_TEXT, .fallback = "group", .help = "The field whose value is a scene's group."},
    {.name = "dump", .kind = PT_TASK_FILE, .help = "A JSON Lines file for the transcripts; one that is called .json is one list."},
    {.name = NULL},
};
static const pt_task_metric metrics[] = {{.key = "length", .label = "words of a turn"}, {.key = "repeated_4grams"}, {.key = "distinct_1"}, {.key = "distinct_2"},
                                         {.key = "stopped_share", .label = "turns that end by themselves", .better = 1}, {.key = NULL}};
const pt_task_kind pt_task_kind_dialogue = {.name = "dialogue", .help = "Speakers (models, adapters, scripts) that talk by turns; transcripts for other tasks.", .keys = keys,
                                            .nested = pt_dialogue_speaker_keys, .nested_in = "speakers", .metrics = metrics, .open = open_dialogue, .ask = ask_dialogue, .meet = meet_dialogue,
                                            .talk = talk_dialogue, .judge = judge_dialogue, .transcripts = transcripts_of, .json = json_dialogue, .close = close_dialogue};

/* Conversations that a task has had: what other tasks are about, or come after. */
#ifndef PT_EVAL_TRANSCRIPT_H
#define PT_EVAL_TRANSCRIPT_H
#include "eval/task/task.h"

typedef struct pt_transcript_turn {
    const char *speaker; /* as the others know it */
    const char *text;    /* as the others heard it */
} pt_transcript_turn;

struct pt_transcript {
    size_t scene;        /* its number in the file */
    int repeat;
    uint64_t cluster;    /* what is resampled as one: the scene */
    const char *group;
    const char *stopped; /* why it ended: turns, text, pattern, empty, script, failure */
    const json_t *row;   /* the scene's fields */
    const json_t *fields; /* {NAME: TEXT} that parsed answers have set */
    const pt_transcript_turn *turns; /* [n] */
    size_t n;
    /* The conversation as each speaker sees it, in the order of the entry's speakers: what a question after it stands behind. */
    struct pt_transcript_view {
        const char *speaker;     /* the name of the entry */
        const char *model;       /* the voice's; NULL: a script */
        const pt_message *turns; /* [n] its system text first, where it has one; its own words are the assistant's */
        size_t n;
        const pt_message *begin; /* [n_begin] before anybody had spoken: its system text, as it was then */
        size_t n_begin;
    } *views;
    size_t n_views;
};

#endif

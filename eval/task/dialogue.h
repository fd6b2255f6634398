/* Dialogues: speakers (models, adapters, scripts, endpoints) talk about scenes. What the files of the task `dialogue` share. */
#ifndef PT_EVAL_DIALOGUE_H
#define PT_EVAL_DIALOGUE_H
#include <regex.h>

#include "eval/task/transcript.h"

/* Where a part of an answer stands: the first group of a pattern (or all that it matches), or a field of the first JSON object. */
typedef struct pt_extract {
    char *field; /* owned; NULL: by the pattern */
    regex_t pattern;
} pt_extract;
/* "json:FIELD", or a POSIX extended pattern, whose . is no line end. PT_EARG: a bad pattern, and nothing to free. */
pt_status pt_extract_read(pt_extract *x, const char *text);
void pt_extract_free(pt_extract *x);
/* Appended to out, without spaces around it; *found false: the text has no such part. PT_ENOMEM. */
pt_status pt_extract_find(const pt_extract *x, const char *text, pt_str *out, bool *found);

/* A speaker of the entry. Templates hold {FIELD}s. */
typedef struct pt_part {
    char *name;
    char *called;  /* template: as the others know it; NULL: by its name */
    char *model;   /* a voice's name; NULL: it says its script and no more */
    char *system, *persona, *start, *hears; /* templates; NULL: none, none, none, the default */
    char **script; /* [n_script] templates */
    size_t n_script;
    char **set_name; /* [n_sets] fields that its answers set */
    pt_extract *set;
    size_t n_sets;
    pt_extract says;
    bool has_says;
    pt_sampling how;
} pt_part;

typedef struct pt_dialogue_scene {
    json_t *row;
    size_t scope;
} pt_dialogue_scene;

typedef struct pt_line {
    size_t part;
    char *own;     /* as the speaker said it */
    char *heard;   /* as the others hear it */
    bool written;  /* by a model */
    bool stopped;  /* it ended by itself */
} pt_line;

/* A scene, played once. */
typedef struct pt_play {
    size_t scene;
    int repeat;
    json_t *fields, *set; /* the row's with what was set; what was set alone */
    char **called;        /* [n_parts] */
    pt_line *lines;
    size_t n, cap;
    const char *stopped;  /* NULL: it goes on */
    char *failure;        /* why a speaker had no answer; NULL: it had */
} pt_play;

/* A conversation as one speaker sees it: its words are the assistant's, all others' the user's, those in a row as one turn. Texts are owned. */
typedef struct pt_part_view {
    pt_message *turns;
    size_t n, cap;
} pt_part_view;
void pt_part_view_free(pt_part_view *v);

/* One side's. */
typedef struct pt_plays {
    pt_play *list;
    size_t n;
    pt_transcript *transcripts; /* [n] of them, once they are through */
    pt_part_view *views;             /* [n * parts], then as many of their beginnings */
    pt_transcript_turn **turns; /* [n] */
    json_t *voices;             /* [{"name", "side", what it says itself of what this side's plays cost}], a speaking model each */
    pt_str dumped;
} pt_plays;

typedef struct pt_dialogue {
    pt_part *parts;
    size_t n_parts;
    pt_dialogue_scene *scenes; /* the task's items */
    size_t cap;
    bool *keep;       /* after asking: which are played */
    json_t *personas;
    char **stop_texts;
    size_t n_stop_texts;
    regex_t stop_pattern;
    bool has_stop_pattern;
    pt_plays side[2];
    struct pt_report_parts own[2];
} pt_dialogue;

extern const pt_entry_key pt_dialogue_speaker_keys[];
/* Speakers, personas, rules of the end; then the scenes, against whose rows every template is tried. */
pt_status pt_dialogue_read(pt_task *t, pt_dialogue *d);
void pt_dialogue_free(pt_task *t, pt_dialogue *d);

/* What the speaker sees of it so far. PT_EFORMAT: a template wants a field that is not there. */
pt_status pt_dialogue_view(const pt_dialogue *d, const pt_play *p, size_t part, pt_part_view *v);
/* Plays all kept scenes, turn by turn: all that wait for the same speaker are asked together. */
pt_status pt_dialogue_play(const pt_task *t, pt_dialogue *d, const pt_voices *voices, pt_side side);
void pt_plays_free(const pt_dialogue *d, pt_plays *p);
/* Measures of a side, from its plays. */
pt_status pt_dialogue_find(pt_task *t, pt_dialogue *d, pt_side side);
/* The key `dump`, and "talks" of eval.json: 20 a side. */
pt_status pt_dialogue_dump(const pt_task *t, pt_dialogue *d, pt_side side);
pt_status pt_dialogue_json(const pt_task *t, const pt_dialogue *d, json_t *o);
#endif

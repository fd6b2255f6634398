/* Data sets of conversations between people whose rows differ in their names alone: one reader over a table of shapes (read_people.c), which makes
 * a scene of a row (data/read/scene.h). Paths are those of data/read/row_format.h. */
#ifndef PT_DATA_PEOPLE_H
#define PT_DATA_PEOPLE_H
#include "data/read/record.h"

/* One of the two that a row names itself. Zeros: nobody. */
typedef struct pt_people_one {
    const char *word;    /* what lines call this person; NULL = by name alone */
    const char *name;    /* path of the name; NULL: the word is the name */
    const char *profile; /* path; NULL = profile_of */
    bool user, main;     /* as in pt_scene_person; what the row tells of the user stands in the setting: "name: profile" */
} pt_people_one;

typedef struct pt_people_shape {
    const char *type;                /* whose rows these are */
    const char *lines;               /* path of the list of lines, or of one text with a line "name: text" each; NULL: there are none */
    const char *name, *text;         /* fields of a line; NULL: a line is a text "name: text" */
    const char *action;              /* field of what is done meanwhile: "(action) text"; NULL = none */
    const char *question;            /* path of what one[1] says before everything; NULL = nothing. Rows of such a shape may be without lines */
    const char *greeting, *response; /* paths of the first and the last thing that one[0] says; NULL = none */
    pt_people_one one[2];
    const char *cast;                /* path of a list of people with a name each; NULL: whoever says a line */
    pt_status (*profile_of)(pt_reader *r, json_t *row, const char *name, const char **out); /* *out = NULL: it has none; NULL = nobody has one */
    const char *const *setting;      /* paths of texts that say where it plays, a line each, ended by NULL; NULL = nothing */
    const char *const *nobody;       /* names of lines that nobody says: narration; ended by NULL */
    const char *const *omitted;      /* names of lines that are no part of the conversation */
    bool thoughts;                   /* as in pt_scene */
} pt_people_shape;

/* A row into records of the views that the data set asks for. */
pt_status pt_read_people(pt_reader *r, json_t *row, const pt_people_shape *s);
/* A profile as a text that lives as long as the row: a text as it is; of a list its texts, a line each; of an object "key: value", a line each, lists of
 * texts in it with commas. What says nothing, and v NULL, is *out = NULL. */
pt_status pt_profile_text(pt_reader *r, json_t *v, const char **out);
/* Adds what v says to a text, behind `between` where something stands there. */
pt_status pt_profile_add(pt_str *out, json_t *v, const char *between);
/* Profiles of a file {role: profile}: those that are objects or lists as texts (pt_profile_text). */
pt_status pt_profiles_plain(json_t *profiles);
/* Takes over a text, which lives as long as the row; an empty one is *out = NULL. */
pt_status pt_row_keep(pt_reader *r, pt_str *text, const char **out);
/* The scene of the reader, empty. */
pt_scene *pt_scene_begin(pt_reader *r, json_t *row);
#endif

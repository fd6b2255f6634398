/* Scenes: conversations of people who have names, and the records that they give, one a point of view.
 *
 * A reader fills r->scene (pt_scene_clear, then people and lines in their order) and calls pt_read_scene. Texts and names are the row's, or owned by
 * the record (pt_record_own); they must stand until the row is done. In the record of one point of view
 *   - the view's own lines are the assistant's turns, every other line is a user turn; lines of one side that follow each other are one turn, joined by
 *     a blank line, each without outer spaces; a line that says nothing is left out;
 *   - others' lines begin with "Name: " where more than one other person speaks (speaker_names: auto);
 *   - a line of nobody (narration) joins the user's side without a name; a line with `as` is that speaker's whoever looks, and of PT_SYSTEM and PT_TOOL a
 *     turn of its own; system lines before all others are the scene's own system text;
 *   - a scene that opens with the view's own line opens with that turn; what follows the view's last line is left out;
 *   - the system text is system_template filled in ({char} {user} {others} {profile} {setting} {system}, any field of the row), without a template what
 *     there is of {system}, {profile} and {setting}, joined by blank lines. A profile of the data set's `profiles` counts before the scene's own;
 *   - macros (data/read/macro.h) in texts: {{user}} is the human's part, else the only other one who speaks, else `user_name`; {{char}} in others' lines is their speaker, else
 *     the view;
 *   - only the view's own lines are trained on, by their weights; the record's role is the view's name.
 * Whose views are taken: view_of, else train_on_speakers, else the `main` people, else everybody but `user` ones; of those each who says something. */
#ifndef PT_DATA_SCENE_H
#define PT_DATA_SCENE_H
#include "base/json.h"
#include "data/read/data_key.h"
#include "data/text/speaker.h"

struct pt_reader;
struct pt_data_type;

typedef struct pt_scene_line {
    const char *name; /* whose; NULL: nobody's (narration, a note) */
    const char *text;
    size_t bytes;
    const pt_speaker *as; /* that speaker, whoever looks; NULL: by the name */
    float weight; /* when has_weight: said by the row itself. It counts in the own view alone */
    bool has_weight;
} pt_scene_line;

typedef struct pt_scene_person {
    const char *name, *profile; /* profile: NULL = none */
    bool user; /* the human's part: no view of its own unless view_of names it */
    bool main; /* whose view is taken where nothing is said */
} pt_scene_person;

/* Zero-initialise; pt_scene_clear before each row, pt_scene_free once (pt_reader_free does). */
typedef struct pt_scene {
    pt_scene_line *lines;
    size_t n, cap;
    pt_scene_person *people; /* those who have a profile or a part; whoever else has lines is found by them */
    size_t n_people, people_cap;
    const char *setting; /* where and when; NULL = nothing is said */
    const json_t *row;   /* for templates and field_system; NULL = none */
    bool thoughts;       /* the lines hold thoughts in [..]: others' are left out unless the data set says `thoughts`. false: [..] is text like other */
} pt_scene;

void pt_scene_clear(pt_scene *s);
void pt_scene_free(pt_scene *s);
/* Appends; what else is to be said of it stands in s->lines[s->n - 1] then. */
pt_status pt_scene_line_add(pt_scene *s, const char *name, const char *text, size_t bytes);
/* Of a name that is there the empty profile is filled in, and user and main are added. */
pt_status pt_scene_person_add(pt_scene *s, const char *name, const char *profile, bool user, bool main);
/* NULL: not among the people. */
const pt_scene_person *pt_scene_person_find(const pt_scene *s, const char *name);

/* Gives the records of a scene to r->sink. PT_EFORMAT: nobody whose view could be taken says anything. A scene without those that view_of or
 * train_on_speakers name gives none, which is counted among the notes. */
pt_status pt_read_scene(struct pt_reader *r, const pt_scene *s);
/* A pair: the scene, and the scene with `other` in place of its last line, whose speaker's view it is. Nothing where that view is not taken. */
pt_status pt_read_scene_pair(struct pt_reader *r, const pt_scene *s, const char *other, size_t bytes);

/* ---- keys ---- */
/* view_of, train_on_speakers, history, speaker_names, thoughts: what types with scenes list; profiles, which they list too. system_template (pt_keys_of_templates) is theirs as well. */
extern const pt_data_key pt_keys_of_scenes[], pt_keys_of_people[];
/* Whether a type's rows may be scenes. */
bool pt_data_type_people(const struct pt_data_type *t);
/* Before the first row: PT_EARG, PT_EFORMAT: what the keys say cannot be. Sets r->views (view_of, train_on_speakers, or a name in roles_to_train that no
 * speaker has), loads the profiles. */
pt_status pt_scenes_open(struct pt_reader *r);
/* Behind the last row: PT_EARG for a name that is wanted and nobody has, with the names that are there. */
pt_status pt_scenes_judge(const struct pt_reader *r);
/* `profiles` of a type with scenes: the system texts of the people whose views were taken and of those in the file, without a scene. */
pt_status pt_scenes_profiles(const struct pt_reader *r, char *const *roles, size_t n, json_t *out);
/* The data set's `profiles` file, {name: text}, into r->profiles; nothing where it says none. PT_EFORMAT: empty, or no such object. */
pt_status pt_profiles_load(struct pt_reader *r);

/* ---- inside (data/read/scene*.c) ---- */
/* The text of a view: what stands before the conversation. *text on the heap; NULL: nothing is to be said. cut: old turns were left out. */
pt_status pt_scene_system(struct pt_reader *r, const pt_scene *s, const char *name, bool cut, char **text);
/* text without its [..] parts and the spaces that they leave; owned by the record where it differs. */
pt_status pt_scene_without_thoughts(struct pt_reader *r, const char **text, size_t *bytes);
/* `history`: turns that stay before the last answer, -1 = all; *field: the column of the summary, NULL = none. PT_EARG. */
pt_status pt_scene_history(const char *text, long *last, const char **field);
/* Whether a text of names, a line each, holds this one. */
bool pt_scene_named(const char *names, const char *name);
/* Whether train_on_speakers and roles_to_train name anybody, and this one. */
bool pt_scene_trains(const struct pt_reader *r);
bool pt_scene_trained(const struct pt_reader *r, const char *name);
/* Somebody speaks: r->met gets the name. */
enum { PT_SCENE_PEOPLE = 4096 }; /* names kept of a data set; those that it asks for are kept beyond */
pt_status pt_scene_met(struct pt_reader *r, const char *name);
#endif

/* The checkpoints in a run's folder, and which of them are of the run as it stands.
 *
 * A run can be taken back to an earlier checkpoint: those made after that one are of a future that it has left, whatever their steps are.
 * Clocks and file dates say nothing about it (copies), numbers neither. So each checkpoint bears a serial, one more than all before it in
 * its folder, and the list of ranges of serials that its run has left behind: going back from serial 9 to serial 4 leaves 5 to 9. Both are
 * in state.json, under its digest. Between going back and the next save a note in the folder (resumed_from.json) stands for them.
 * Checkpoints of programs that knew no serials come before all others, by step. */
#ifndef PT_CHECKPOINTS_STATE_LIST_H
#define PT_CHECKPOINTS_STATE_LIST_H
#include "checkpoints/state.h"

typedef struct pt_state_entry {
    int64_t step, serial;
    char id[17]; /* digest of its state.json; "" when that cannot be read, and serial is that of the step before it */
    bool left;   /* of a future that the run has left */
} pt_state_entry;

typedef struct pt_state_list {
    pt_state_entry *of; /* in the order in which they were made; temporary folders do not count, nor folders without a state.json */
    size_t n;
    int64_t serial;  /* the greatest, the note's too; 0 = none */
    char *went_back; /* ranges of serials left behind: "5-9 12-14", "" = none */
    char *back_to;   /* what the run was taken back to, when it has saved nothing since: a checkpoint, "" = the beginning; else NULL */
} pt_state_list;

/* A missing folder has none. */
pt_status pt_state_list_read(pt_state_list *l, const char *output_dir);
void pt_state_list_free(pt_state_list *l); /* safe on a zeroed struct */

/* Where a run stands among the checkpoints: what the next one will bear. */
typedef struct pt_state_course {
    int64_t serial; /* of the last checkpoint */
    char id[17];
    char *went_back;
    bool inside; /* it stands in output_dir (pt_state_go_on) */
} pt_state_course;
/* The course of an opened checkpoint. */
pt_status pt_state_course_of(pt_state_course *c, const pt_state *s);
/* The run whose course that is goes on from `folder` (NULL with a zeroed course: from the beginning) and will write into output_dir: notes
 * there what it leaves behind, and makes c->serial the greatest in output_dir. */
pt_status pt_state_go_on(pt_state_course *c, const char *output_dir, const char *folder);
/* Puts the course of the next checkpoint into it; after the commit, `saved` removes the note. */
pt_status pt_state_put_course(pt_state_writer *w, pt_state_course *c);
pt_status pt_state_course_saved(const char *output_dir);
void pt_state_course_free(pt_state_course *c);

/* Removes checkpoints until at most `keep` (>= 1, else nothing is done) are left: those of a left future first, then the oldest; never
 * the newest, nor the one of step `best` (-1: none), which stays although it is more than `keep`. */
pt_status pt_state_rotate(const char *output_dir, int64_t keep, int64_t best);
/* Removes a checkpoint: the files that its state.json lists, and the folder unless it holds others, which stay (announced). */
pt_status pt_state_remove(const char *folder);
/* Where a new checkpoint is about to stand: a folder there that is no checkpoint, or holds more than its state.json lists, is moved aside
 * (announced). */
pt_status pt_state_make_room(const char *folder);
/* Removes what processes now dead left under temporary names (base/temp.h) in output_dir; *n = how many (may be NULL). A checkpoint that
 * was moved aside and never replaced is moved back. */
pt_status pt_state_clean(const char *output_dir, int *n);
/* Moves a file or folder aside, to PATH.kept-1 or the next free number; *to owned, may be NULL. */
pt_status pt_move_aside(const char *path, char **to);
#endif

/* Questions behind a dialogue: what tasks share that ask the measured model something after an interaction (`after: NAME`). Every item is asked behind every transcript, as
 * the speaker saw it. */
#ifndef PT_EVAL_BEHIND_H
#define PT_EVAL_BEHIND_H
#include "eval/task/transcript.h"

/* Keys that such kinds have; their `meet` is pt_behind_meet. */
#define PT_BEHIND_KEYS                                                                                                                              \
    {.name = "after", .kind = PT_TASK_TEXT, .help = "The name of a dialogue: everything is asked behind each of its transcripts. Unset: of the model as it is."}, \
    {.name = "as", .kind = PT_TASK_TEXT, .help = "after: the speaker that is asked, one whose model is self. Default: the first such."},           \
    {.name = "at", .kind = PT_TASK_WORD, .fallback = "end", .words = pt_behind_at,                                                                   \
     .help = "after: end: behind the whole transcript; begin: before its first word, as the same speaker under the same system text, for comparison."}, \
    {.name = "context", .kind = PT_TASK_WHOLE, .min = 16, .max = 1 << 20,                                                                          \
     .help = "after: tokens of a transcript and a question behind it, for which memory is planned. Default: the dialogue's and 512 more."}

extern const char *const pt_behind_at[];

/* At opening: `as` names a speaker that is measured. PT_EARG at the entry's place. */
pt_status pt_behind_check(const pt_task *t);
/* How many transcripts the side t->side has; 1 for a task that comes after none. */
size_t pt_behind_count(const pt_task *t);
/* Of one of them what the speaker has seen; *n = 0 for a task that comes after none. Borrowed. */
pt_status pt_behind_view(const pt_task *t, size_t i, const pt_message **turns, size_t *n);
pt_status pt_behind_meet(const pt_task *t, pt_meetings *m);
#endif

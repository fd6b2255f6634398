/* Answers that are held to what can be read: the key `constrain` of tasks that read what a model writes. Each such question carries a constraint (eval/ask/request.h); of a sample the same is
 * asked without it, so that what would not have been read stands beside. */
#ifndef PT_EVAL_HELD_H
#define PT_EVAL_HELD_H
#include "eval/task/task.h"

#define PT_HELD_KEY                                                                                                                                  \
    {.name = "constrain", .kind = PT_TASK_FLAG, .fallback = "false",                                                                                \
     .help = "Answers are held to what can be read. A sample of 20 is asked without it too: how many of those could not be read is said beside."}

enum { PT_HELD_SAMPLE = 20 };

/* Whether the entry says so. */
bool pt_held(const pt_task *t);
/* PT_EARG at the entry's place where it goes with nothing that is written. */
pt_status pt_held_check(const pt_task *t);
/* Whether the k-th of n questions is asked freely too: 20 at most, spread evenly. */
bool pt_held_sampled(size_t k, size_t n);
/* What a free answer said. */
void pt_held_count(pt_task *t, pt_side side, bool unread);
/* Constraints: one of the texts; a letter from A on; a whole number from low to high. Owned. */
pt_status pt_held_texts(const char *const *list, size_t n, char **out);
pt_status pt_held_letters(int n, char **out);
pt_status pt_held_numbers(int low, int high, char **out);
/* A JSON object with the fields that rows want (held_shape.c): shape, at first an empty object, gets one row's fields more; then the constraint of them: every row's fields, those that all
 * rows have are required, of the types that they have there. */
pt_status pt_held_widen(json_t *shape, const json_t *object);
pt_status pt_held_schema(const json_t *shape, char **out);
/* ", constrained" or "": of titles. A line of the table, and "constrained" and "free" of the JSON. */
const char *pt_held_word(const pt_task *t);
pt_status pt_held_table(const pt_task *t, const bool shown[2], pt_str *out);
pt_status pt_held_json(const pt_task *t, json_t *o);
#endif

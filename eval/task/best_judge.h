/* Judges that score samples (eval/task/judging.h), for best_of. */
#ifndef PT_EVAL_BEST_JUDGE_H
#define PT_EVAL_BEST_JUDGE_H
#include "eval/task/judge_state.h"

/* The entry's keys template, low and high. names[n] are borrowed, and stay. Free *out, on failure too. PT_EARG at the entry's place. */
pt_status pt_best_judge_open(const pt_task *t, char **names, size_t n, pt_judge_state **out);
void pt_best_judge_free(pt_judge_state *j);
/* Whether the template finds its fields in an item's row. PT_EFORMAT. */
pt_status pt_best_judge_try(const pt_task *t, const pt_judge_state *j, const pt_write_item *x);
/* Every judge's verdict of every sample that is not empty: pt_judge_mean(j, side, k, judge) is that of the answer at[k] (in the order of pt_writing_answers; room for all), k below *n. */
pt_status pt_best_judge_ask(const pt_task *t, pt_judge_state *j, const pt_writing *w, const pt_reply *replies, const pt_voices *voices, pt_side side, size_t *at, size_t *n);

/* Keys of an entry that has judges; the task `judge` has them under these names too. */
#define PT_BEST_JUDGE_KEYS                                                                                                                                              \
    {.name = "template", .kind = PT_TASK_FILE, .help = "The scorers are judges, asked by this: a file (docs/evaluation.md, \"judge\"), or rating. Unset: they are reward models."}, \
    {.name = "low", .kind = PT_TASK_NUMBER, .min = -1e9, .max = 1e9, .help = "The lowest score of judges. Unset: the template's."},                                       \
    {.name = "high", .kind = PT_TASK_NUMBER, .min = -1e9, .max = 1e9, .help = "The highest one. Unset: the template's."},                                                \
    {.name = "judge_max_new_tokens", .kind = PT_TASK_WHOLE, .fallback = "256", .min = 1, .max = 65536, .help = "Tokens of a judge's reply."},                           \
    {.name = "judge_temperature", .kind = PT_TASK_NUMBER, .fallback = "0", .min = 0, .max = 100, .help = "0 = greedy."}
#endif

/* The best and the worst of several answers to one prompt, by a score: what `best_of` makes of samples. */
#ifndef PT_EVAL_BEST_H
#define PT_EVAL_BEST_H
#include "eval/task/writing.h"

typedef struct pt_best {
    int scored;       /* samples that have a score; a NAN or an infinity is none */
    int best, worst;  /* their numbers, from 0; of equal ones the lowest; -1: nothing is scored */
    double first;     /* score of sample 0; NAN: none */
    double mean, most, least; /* of the scored ones, most and least the best's and the worst's; NAN: nothing is scored */
    double margin;    /* sign * (most - least) >= 0; NAN likewise */
    bool pair;        /* margin > 0, and at least what was asked for */
} pt_best;
/* Of n scores. sign +1: more is better, -1: less is. */
pt_best pt_best_find(const double *score, int n, int sign, double margin);

/* One side's samples, as they are written down. */
typedef struct pt_best_samples {
    const pt_write_item *const *item; /* [prompts * n] a prompt's samples side by side */
    const pt_reply *const *reply;     /* likewise */
    const double *score;              /* likewise; NAN: none */
    const pt_best *best;              /* [prompts] */
    size_t prompts;
    int n;
    double enough;                    /* score that a best answer must reach to be written; NAN: any */
    int sign;
    uint64_t seed;                    /* of the sampling */
} pt_best_samples;

/* A line for each pair, as data sets of pairs are read (type: preference, field_margin: margin):
 *     {"best_of": {"item", "group", "model", "seed", "chosen": sample, "rejected": sample, "scores": [number | null, ...]}, "prompt": [{"role", "content"}, ...],
 *      "chosen": [{"role": "assistant", "content"}], "rejected": [...], "margin": number}
 * and one for each best answer that is scored and good enough, as type: messages is read:
 *     {"best_of": {"item", "group", "model", "seed", "chosen", "scores"}, "messages": [{"role", "content"}, ..., {"role": "assistant", "content"}], "score": number}
 * Samples are counted from 0. Appended to out; *lines: how many. */
pt_status pt_best_pairs(const pt_task *t, const pt_best_samples *s, const char *model, pt_str *out, size_t *lines);
pt_status pt_best_answers(const pt_task *t, const pt_best_samples *s, const char *model, pt_str *out, size_t *lines);
/* How every line begins: a file that begins otherwise is not replaced. */
extern const char pt_best_begins[];
#endif

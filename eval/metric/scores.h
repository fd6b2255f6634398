/* From generated answers to one side of a report: everything that needs no model. */
#ifndef PT_EVAL_SCORES_H
#define PT_EVAL_SCORES_H
#include "eval/metric/report.h"
#include "eval/text/words.h"

/* One question of the evaluation, answered. Strings are borrowed. */
typedef struct pt_eval_answer {
    const char *role;
    const char *const *references; /* [n_references]; none: counts for no ROUGE-L */
    size_t n_references;
    const char *answer; /* NULL = nothing was generated: counts for no text metric */
    bool stopped;       /* the answer ended by itself */
    double nll_own;     /* sum of nats over the supervised tokens of the references, under the role's own profile */
    int64_t tokens_own; /* how many; 0 = not measured */
    double nll_other;   /* the same under another role's profile */
    int64_t tokens_other;
    const void *wanted; /* of a task's own metrics: what is wanted beside references */
} pt_eval_answer;

typedef struct pt_eval_train {
    const char *role, *answer;
} pt_eval_train;

typedef struct pt_scoring {
    const pt_eval_answer *answers; /* [n] */
    size_t n;
    const pt_eval_train *train; /* [n_train] training answers of all roles: copies are looked for in all of them, the canned answer of a role among its own */
    size_t n_train;
    pt_units units;
    uint64_t seed;
    /* of tasks: */
    const pt_metric_list *metrics; /* NULL: all of the report of test data */
    const uint64_t *clusters;      /* [n] what is resampled as one; NULL: each question */
    int smoothing;                 /* eval/text/bleu.h */
    bool one_role;                 /* whatever the answers' roles: the report has no lines of roles */
} pt_scoring;

/* Fills r's side `side`, overall and per role. Roles are added in order of appearance; r->questions = n.
 *   rouge_l_f, rouge_l_recall: mean over answers of the maximum over references, each of its own;   stopped, copied: share of answers
 * repeated_4grams: repeated / all 4-grams, summed over answers;   nll_*: sum of nats / sum of tokens;   perplexity:
 * exp(nll_own)
 *   canned_rouge_l: per role as pt_canned_best; overall its mean over questions whose role has training answers
 * What nothing was measured for stays NAN; preference_accuracy is not touched. A sum that is not finite is PT_ENONFINITE.
 * n of a measure: questions that it is made of.
 * Of what is made of questions also 95 % intervals by cluster, and, once both sides have the same clusters, p of the change (eval/metric/tally.h), families of Holm
 * too (eval/metric/noise.h). Drawn by the seed. */
pt_status pt_scores_fill(pt_report *r, pt_side side, const pt_scoring *s);
#endif

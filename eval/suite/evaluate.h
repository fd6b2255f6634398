/* Measuring a model on the test data sets of a run: questions with references, and preference pairs. One side (before or after) of a report. */
#ifndef PT_EVAL_EVALUATE_H
#define PT_EVAL_EVALUATE_H
#include "eval/ask/questions.h"
#include "eval/metric/scores.h"
#include "eval/ask/spell.h"

/* Zero-initialise; the first part is the caller's. */
typedef struct pt_evaluation {
    const pt_questions *questions;
    size_t limit;              /* questions at most, 0 = all; taken evenly from the list */
    const pt_questions *train; /* training answers; NULL = none */
    pt_sampling sampling;
    bool reward;               /* pairs are judged by the scalar head; questions are not asked */
    /* its requests among all: references behind their own profile and behind another's, answers, both sides of each pair */
    struct pt_eval_asked {
        size_t first, n;
        size_t *question; /* [n] of which question; owned */
    } own, other, texts, pairs;
} pt_evaluation;
void pt_evaluation_free(pt_evaluation *e);

/* What was generated, for showing: answers[i] belongs to question index[i]. Owned. */
typedef struct pt_eval_texts {
    char **answer;
    size_t *index;
    size_t n;
} pt_eval_texts;
void pt_eval_texts_free(pt_eval_texts *t);

/* Appends its requests. May be called again for another list. */
pt_status pt_evaluate_ask(pt_evaluation *e, const pt_speller *s, pt_requests *q);
/* Fills side `side` of r from the replies to all requests: perplexity of the references behind their own profile and behind another role's, generated
 * answers against references, preference accuracy (by the sum of log-probabilities of the answer; by score for a reward model), with its interval and the change's p by
 * pair, a family of its own. texts may be
 * NULL. pairs[2 * questions->n_pairs] (may be NULL): log-probabilities or scores of both sides. */
pt_status pt_evaluate_judge(const pt_evaluation *e, const pt_reply *replies, pt_report *r, pt_side side, pt_eval_texts *texts, double *pairs);
#endif

/* Measuring a model on questions and pairs: one side (before or after) of a report. */
#ifndef PT_EVAL_EVALUATE_H
#define PT_EVAL_EVALUATE_H
#include "data/batch/loader.h"
#include "eval/questions.h"
#include "eval/scores.h"
#include "train/generate/generate.h"

typedef struct pt_evaluation {
    pt_model *model;
    const pt_tokenizer *tok;
    const pt_template *tmpl;
    int slot;                      /* adapter slot, PT_SLOT_NONE = base */
    int32_t max_tokens;            /* tokens of one forest batch: what the model was planned for */
    const pt_questions *questions;
    size_t limit;                  /* questions at most, 0 = all; taken evenly from the list */
    const pt_questions *train;     /* training answers; NULL = none */
    pt_gen_options gen;            /* slot is overwritten */
    bool reward;                   /* pairs are judged by the score at their ends */
    void (*progress)(void *user, const char *what, size_t done, size_t of); /* may be NULL */
    void *user;
} pt_evaluation;

/* What was generated, for showing: answers[i] belongs to question index[i]. Owned. */
typedef struct pt_eval_texts {
    char **answer;
    size_t *index;
    size_t n;
} pt_eval_texts;
void pt_eval_texts_free(pt_eval_texts *t);

/* The needs of pt_evaluate: longest prompt, longest prompt + reference, in tokens. For planning the model. */
pt_status pt_evaluate_needs(const pt_evaluation *e, int32_t *longest_prompt, int32_t *longest_record);
/* Fills side `side` of r: perplexity of the references behind their own profile and behind another role's, generated answers against
 * references, preference accuracy (by the sum of log-probabilities of the answer; by score for a reward model). texts may be NULL. */
pt_status pt_evaluate(const pt_evaluation *e, pt_report *r, pt_side side, pt_eval_texts *texts);
/* Sum of log-probabilities of both answers of every pair: logp[2*i], logp[2*i+1] (scores for a reward model). */
pt_status pt_evaluate_pairs(const pt_evaluation *e, double *logp);
#endif

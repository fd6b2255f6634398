/* What an evaluation asks: test data sets as questions with references, and as preference pairs. */
#ifndef PT_EVAL_QUESTIONS_H
#define PT_EVAL_QUESTIONS_H
#include "data/read/record.h"

/* A conversation that waits for an answer, with the answers that would be right. Everything is owned. */
typedef struct pt_question {
    char *role;            /* rolebench's role, else NULL */
    pt_message *prompt;    /* [n_prompt]; texts owned */
    size_t n_prompt;
    char **references;     /* [n_references] */
    size_t n_references;
} pt_question;

/* prompt ++ chosen against prompt ++ rejected, whole conversations; the last turn is the answer. */
typedef struct pt_question_pair {
    pt_message *side[2];
    size_t n[2];
    size_t n_prompt;
    size_t set; /* of pt_questions.sets */
} pt_question_pair;

typedef struct pt_questions {
    pt_question *list;
    size_t n, cap;
    pt_question_pair *pairs;
    size_t n_pairs, pair_cap;
    char **sets; /* [n_sets] names of data sets that pairs stand in */
    size_t n_sets, set_cap;
} pt_questions;

/* Appends the rows of one data set. Neighbouring records with the same role and prompt are references of one question. Conversations end in an
 * assistant turn: that is the reference. Sets of plain text or ids hold no questions: PT_EARG. */
pt_status pt_questions_add(pt_questions *q, const pt_dataset_spec *set, bool pairs);
/* Pairs that are appended from now on stand in a set of this name. */
pt_status pt_questions_set(pt_questions *q, const char *name);
/* Appends one record, likewise. */
pt_status pt_questions_keep(pt_questions *q, const pt_record *rec);
void pt_questions_free(pt_questions *q);
#endif

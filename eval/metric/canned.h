/* The best canned answer: what one fixed training answer of a role would score if it were given to every question. A tuned
 * model that only parrots the role's phrases gets no more than this, so it is printed beside ROUGE-L. */
#ifndef PT_EVAL_CANNED_H
#define PT_EVAL_CANNED_H
#include "eval/text/rouge.h"

typedef struct pt_question_refs {
    const pt_words *references; /* [n] */
    size_t n;
} pt_question_refs;

typedef struct pt_canned {
    size_t train;  /* the training answer with the highest mean ROUGE-L F (maximum over references), the first of several */
    double f;      /* that mean */
    double recall; /* its mean recall */
} pt_canned;

/* PT_EARG without training answers, without questions, or for a question without references. */
pt_status pt_canned_best(const pt_words *train, size_t train_count, const pt_question_refs *questions, size_t question_count,
                         pt_canned *out);
#endif

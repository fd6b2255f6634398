/* Answers in the form in which they are compared: SQuAD's (Rajpurkar et al. 2016; the functions of its evaluate-v2.0.py). Words: lower case, without ASCII punctuation,
 * without the articles a, an, the, single spaces. Characters (for Chinese): lower case, without white space and punctuation of any script, each by itself. */
#ifndef PT_EVAL_SQUAD_H
#define PT_EVAL_SQUAD_H
#include "eval/text/words.h"

/* Words or characters with one space between; appended to out, which has text then. */
pt_status pt_squad_normal(pt_units units, const char *text, pt_str *out);
/* F1 of what two normal forms share, each as often as the side that has it less: 2 p r / (p + r); 1 where both are empty, 0 where one is. */
pt_status pt_squad_f1(const char *answer, const char *reference, double *out);
#endif

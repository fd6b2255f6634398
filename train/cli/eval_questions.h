/* What `ptrain eval` asks of a config's data sets. */
#ifndef PT_CLI_EVAL_QUESTIONS_H
#define PT_CLI_EVAL_QUESTIONS_H
#include "eval/ask/questions.h"
#include "train/loop/config.h"

/* test: those of test_datasets, or their pairs; train: answers of the training data, which copies are looked for in. Zero-initialised; pt_questions_free. */
pt_status pt_eval_questions(const pt_config *cfg, pt_questions *test, pt_questions *train);
#endif

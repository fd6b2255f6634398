/* Importances of a model's matrices (train/export/imatrix.h), computed on rows or text. */
#ifndef PT_CLI_IMPORTANCE_H
#define PT_CLI_IMPORTANCE_H
#include "train/cli/open.h"
#include "train/export/imatrix.h"

/* Opens o's model, computes, and closes the model again. input: JSON lines (of the type of the run's first data set, else messages; a row is cut to
 * the run's sequence_len), or any text, which is cut into pieces of `context` tokens, each with BOS in front where the tokenizer adds one, as
 * llama-imatrix does; NULL: the run's training rows. c->tokens at most. PT_EARG: nothing to compute on. */
pt_status pt_importances_compute(pt_cli *c, pt_opened *o, const char *input, pt_imatrix *im);
/* What --imatrix of an export says: FILE, or "auto": computed on the training rows. */
pt_status pt_importances_asked(pt_cli *c, pt_opened *o, pt_imatrix *im);
#endif

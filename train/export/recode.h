/* A base model as a GGUF export in the same types would hold it, in memory: what a quantised export lost of a training is told by quantising the base
 * alike. */
#ifndef PT_EXPORT_RECODE_H
#define PT_EXPORT_RECODE_H
#include "train/export/imatrix.h"

/* Replaces the matrices of s by quantised copies: types[n] are those of its tensors in the order of pt_config_tensors (vectors stay), im (may be NULL)
 * weighs errors. No model may stand on s. PT_ESTATE: another number of tensors. */
typedef struct pt_recoded pt_recoded;
pt_status pt_recode(pt_recoded **out, pt_source *s, const pt_dtype *types, size_t n, const pt_imatrix *im);
/* Sets s as it was; NULL is fine. */
void pt_recode_undo(pt_recoded *r);
#endif

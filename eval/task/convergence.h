/* Whether scales that should say the same of people do: correlations of scales over the personas of a questionnaire, and of two. */
#ifndef PT_EVAL_CONVERGENCE_H
#define PT_EVAL_CONVERGENCE_H
#include "eval/metric/finding.h"

/* Rows "convergent.A.B" in `to`, of each pair of scales (their rows "scale.A" of each persona; facets and the other kind of score are left out): Pearson's correlation of
 * the personas' scores on `side`, of three personas at least; what has no variance has no row. other: the rows of another questionnaire, called `name` and asked of personas of
 * the same names: "convergent.NAME.A.B", A of `to`, B of the other. other NULL: within `to`. PT_ENOMEM. */
pt_status pt_convergence_find(pt_findings *to, const pt_findings *other, const char *name, pt_side side);
#endif

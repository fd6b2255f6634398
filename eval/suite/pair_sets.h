/* Preference pairs of the test data by the data set that they stand in, of one suite or of several beside one base: how many chosen answers are preferred, and, where
 * the base was measured, DPO's implicit accuracy: pairs whose margin grew, (logp_c - logp_r) - (base_c - base_r) > 0.
 * A persona matrix: a set is a column's own (own_sets of its suite names it), another's (it is the own one of another column), or unseen. */
#ifndef PT_EVAL_PAIR_SETS_H
#define PT_EVAL_PAIR_SETS_H
#include "eval/suite/suite.h"

/* Nothing where there are no pairs, or but one set of one suite. At most 100 columns of text, four suites to a block. */
pt_status pt_pair_sets_table(const pt_suite *s, size_t n, pt_str *out);
/* Owned; NULL without pairs: {"sets": [row ...], "groups": [row ...], "all": row}, row = {"name", "base": {"pairs", "accuracy"} | null, "columns": [{"pairs", "accuracy",
 * "implicit_accuracy" | null, "implicit_margin" | null (nats), "is": "own" | "other" | "unseen" | null} | null]}. groups: own, other and unseen sets of each column
 * together, each against the base on the same pairs; "base" is null there. */
pt_status pt_pair_sets_object(const pt_suite *s, size_t n, json_t **out);
#endif

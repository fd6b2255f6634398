/* Several that are measured beside one base, such as adapters of it: each is a suite whose one side is the base (which may be missing), and whose other side it is
 * itself; its figures are those that it has alone. What is said of all of them together: p, one table, one JSON. */
#ifndef PT_EVAL_BESIDE_H
#define PT_EVAL_BESIDE_H
#include "eval/suite/suite.h"

/* Tells the tasks which of the n they are of: what they write besides the report goes to files of their own. After opening. */
void pt_beside_number(pt_suite *s, size_t n);
/* Corrects p of every change by Holm anew: its families (eval/metric/noise.h) hold what is said of all n. PT_ENOMEM. */
pt_status pt_beside_correct(pt_suite *s, size_t n);
/* The names of base and columns; then a table of the test data and of each task: a line per row, with a column for the base and one for each suite, four
 * to a block, and a mark behind what differs from the base by more than noise. At most 100 columns of text. */
pt_status pt_beside_table(const pt_suite *s, size_t n, pt_str *out);
/* Owned JSON text. What the JSON of one suite (eval/suite/suite.h) holds as "before" stands here as "base", once; "after" and the tests of the change ("change", "p", "wilcoxon",
 * "mcnemar") are one object a suite, in the list "columns": {"format": "ptrain-eval-beside", "version": 1, "questions", "base", "columns", "roles": [{"role", "questions", "base",
 * "columns", "canned_answer"}], "tasks": [{"name", ..., "rows": [{"metric", "scope", "base": {"value", "n", "ci"} | null, "columns": [{"value", "n", "ci", "p", ...} |
 * null]}], "confusion": {"base", "columns"}}], "answers": [{..., "base": TEXT, "columns": [TEXT | null]}], "pairs" (eval/suite/pair_sets.h)}. Lists without sides stand once where
 * they are the same in all, else as {"columns": [that of each]}. */
pt_status pt_beside_json(const pt_suite *s, size_t n, char **out);
#endif

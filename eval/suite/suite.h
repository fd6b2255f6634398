/* All that one `ptrain eval` measures: the test data sets of a run and the tasks of `evaluations`, asked of each side in one pass. */
#ifndef PT_EVAL_SUITE_H
#define PT_EVAL_SUITE_H
#include "eval/suite/evaluate.h"
#include "eval/ask/server.h"
#include "eval/task/task.h"

/* Zero-initialise, pt_suite_free. */
typedef struct pt_suite {
    pt_evaluation *data; /* of the test data sets; NULL = none. Borrowed */
    pt_task *tasks;      /* [n] */
    size_t n;
    pt_requests requests;
    pt_report report;    /* of data; the names of both sides in any case */
    pt_eval_texts texts[2];
    double *pairs[2];    /* [2 * n_pairs] */
    const char *const *own_sets; /* [n_own_sets] test sets that are made for what is measured, by name (eval/suite/pair_sets.h). Borrowed */
    size_t n_own_sets;
    const pt_voices *voices; /* whom tasks may speak to; NULL = nobody. Borrowed */
    pt_server *server;       /* the models behind them: number 0 is what is measured; NULL = that alone. Borrowed */
    pt_speller speller;      /* of the last asking */
} pt_suite;

/* Opens the entries whose name or task is `only` (NULL: all). limit > 0 stands instead of each entry's own. PT_EARG: no entry of that name. The
 * entries must stay. */
pt_status pt_suite_open(pt_suite *s, pt_evaluation *data, const pt_task_spec *specs, size_t n, const char *only, int limit, uint64_t seed);
void pt_suite_free(pt_suite *s);
/* Whom the tasks will speak to (eval/task/task.h). */
pt_status pt_suite_meet(const pt_suite *s, pt_meetings *m);
/* Everybody's requests, spelled for one model; again for another. */
pt_status pt_suite_ask(pt_suite *s, const pt_speller *speller);
/* Asks them, and judges: one side. name: what was measured. Of several ranks rank 0 alone judges, and speaks; the others compute for it meanwhile. Tasks about
 * transcripts, or after them, are asked then, in a second pass. A voice that has reached a limit of its own ends nothing: its talks have failed by name. Where rank 0 fails
 * the others hear of it, and s->server says whether all of them stand where they can go on (`lost`). */
pt_status pt_suite_measure(pt_suite *s, pt_runner *r, pt_side side, const char *name);
/* The tables, one behind the other. */
pt_status pt_suite_table(const pt_suite *s, pt_str *out);
/* Owned JSON text: the report of the test data sets (eval/metric/report.h), with "tasks": [...] (eval/task/task.h) where there are tasks, "answers" of the test data and "pairs" (eval/suite/pair_sets.h) where there are pairs. */
pt_status pt_suite_json(const pt_suite *s, char **out);
/* What was answered to the test data, owned; NULL: no question was asked: [{"group": role | null, "system": TEXT | null, "turns": [{"role", "text"}], "references": [TEXT], "before": TEXT | null, "after"}]. */
pt_status pt_suite_answers(const pt_suite *s, json_t **out);
/* The same as a value, owned. */
pt_status pt_suite_object(const pt_suite *s, json_t **out);
#endif

/* Rows of an evaluation: what was found, of all or of one group, on both sides. Tasks whose rows are called by what their file holds (the scales of a
 * questionnaire) make them themselves. */
#ifndef PT_EVAL_FINDING_H
#define PT_EVAL_FINDING_H
#include "eval/metric/metric.h"

typedef struct pt_found {
    double value, lo, hi; /* NAN: none; lo, hi: 95 % interval */
    size_t n;             /* what it is made of */
    char text[12];        /* instead of a value, such as the letters of a type; "": none */
} pt_found;

typedef struct pt_finding {
    char *metric, *label; /* in eval.json; in the table */
    char *scope;          /* NULL: all */
    pt_metric_form form;
    bool detail;          /* in eval.json alone */
    pt_found side[2];
    double p, wilcoxon, mcnemar; /* of the change; NAN: not said */
    double raw; /* p before Holm's correction */
    double change_lo, change_hi; /* 95 % interval of after - before; NAN: none */
} pt_finding;

typedef struct pt_findings {
    pt_finding *list;
    size_t n, cap;
} pt_findings;
void pt_findings_free(pt_findings *f);
/* The row of this metric and scope, made (empty) when it is new; valid until the next new one. */
pt_status pt_finding_get(pt_findings *f, const char *metric, const char *label, const char *scope, pt_finding **out);

/* Holm's correction of p. Families: the rows of all, those of details, and of each metric its groups. */
pt_status pt_findings_correct(pt_findings *f);
/* The same anew over n lists that stand side by side, once each is corrected by itself. PT_ENOMEM. */
pt_status pt_findings_correct_beside(pt_findings *const *f, size_t n);

/* Columns of a task's table. */
enum { PT_LABEL_WIDTH = 38, PT_VALUE_WIDTH = 10, PT_HALF_WIDTH = 7 };
/* A value and half the width of its interval. */
pt_status pt_finding_value(pt_str *out, pt_metric_form form, double value, double lo, double hi);
/* What the lines of a table need to have said below them. */
typedef struct pt_table_notes {
    bool interval, marked;
} pt_table_notes;
/* A line of each row of all, then of each group its name and its lines. shown: which sides. */
pt_status pt_findings_table(const pt_findings *f, const bool shown[2], pt_table_notes *notes, pt_str *out);
/* Appends {"metric", "scope": group | null, "before": {"value": number | text | null, "n", "ci": [lo, hi] | null} | null, "after", "p", "wilcoxon", "mcnemar",
 * "change_ci": [lo, hi] | null}. */
pt_status pt_finding_json(const pt_finding *x, const bool shown[2], json_t *rows);
#endif

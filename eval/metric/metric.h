/* Metrics of an evaluation. Each is declared in a file of eval/metric/ (metric_*.c); the makefile's list METRICS names them, and the report shows them in
 * its order. To add one: write its file beside its siblings, add its key to METRICS. */
#ifndef PT_EVAL_METRIC_H
#define PT_EVAL_METRIC_H
#include <jansson.h>

#include "eval/metric/outcome.h"
#include "eval/metric/report.h"
#include "eval/metric/scores.h"
#include "eval/text/words.h"

/* How it is written: a ratio changes by a share of the old value, a share by points, a score by its difference. */
typedef enum pt_metric_form { PT_FORM_RATIO, PT_FORM_SCORE, PT_FORM_SHARE } pt_metric_form;

/* How many sums a metric may be made of. */
enum { PT_METRIC_SUMS = 20 };

/* One answered question, in words. */
typedef struct pt_metric_row {
    const pt_eval_answer *answer;
    const pt_words *words;      /* of the answer; NULL: nothing was generated */
    const pt_words *references; /* [answer->n_references] */
    const pt_words *train;      /* [n_train] training answers of all roles */
    size_t n_train;
    pt_wordbook *book;          /* that numbers them */
    pt_units units;
    int smoothing;              /* of sentences' BLEU (eval/text/bleu.h) */
    double self_bleu;           /* against the other answers of its role; NAN: not measured, or there are none */
} pt_metric_row;

typedef struct pt_metric_kind {
    const char *key, *label; /* in JSON; in the table */
    pt_metric_form form;
    int better; /* +1 higher, -1 lower, 0 neither */
    bool detail;  /* in eval.json, not in a task's table */
    bool of_task; /* tasks alone show it; the report of test data does not */
    /* Adds one question to the scope's sums: two, of which the first by the second is the value, or `sums` of them (below). NULL: it is not made of rows. */
    pt_status (*row)(const pt_metric_row *r, double *sums);
    int distinct; /* different n-grams by all n-grams of the answers of a scope together, n; 0: it is not that */
    double (*derived)(const pt_measures *m);                    /* of others of the same scope; NULL: it is none */
    /* Of n choices, those of one item side by side: NAN where none has what it takes; *counted: how many items or choices it is made of. NULL: it
     * is not made of choices. A resample may hold an item's choices several times, side by side. */
    double (*choices)(const pt_pick *const *c, size_t n, size_t *counted);
    /* How it adds up over items, for resampling (eval/metric/noise.h, eval/metric/tally.h). mean: it is the mean of what each item gives, weighted by *counted. Else, where `sums` is
     * above 0: of so many sums (PT_METRIC_SUMS at most), to which `add` adds an item's choices (`row` a question), and whose value `of_sums` is. Neither: choices
     * do not, and a row's are a mean's. */
    bool mean;
    int sums;
    void (*add)(const pt_pick *const *c, size_t n, double *sums);
    double (*of_sums)(const double *sums);
} pt_metric_kind;

/* In the order of METRICS. */
int pt_metric_count(void);
const pt_metric_kind *pt_metric_kind_at(int i);
int pt_metric_find(const char *key); /* its place, -1 = none */
bool pt_metric_of_questions(int i);  /* it is a row of the report of test data */

/* ---- pieces of tables (eval/metric/report.c) ---- */
/* Adds text cut or padded to `width` columns of a terminal; what would break a line or the terminal becomes '?'. */
pt_status pt_report_cell(pt_str *out, const char *text, int width);
/* NAN is "-". */
pt_status pt_report_value(pt_str *out, pt_metric_form form, double v, int width);
/* Ratios change by a share of the old value, shares by points, scores by their difference; then "better" or "worse" where the change shows. */
pt_status pt_report_change(pt_str *out, pt_metric_form form, int better, double before, double after, int width);
/* A JSON string of any bytes: what is no valid UTF-8 becomes U+FFFD. NULL when out of memory. */
json_t *pt_report_text(const char *text);
#endif

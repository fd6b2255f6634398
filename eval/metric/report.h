/* The evaluation report: named metrics before and after training, overall and per role, as a table and as JSON. */
#ifndef PT_EVAL_REPORT_H
#define PT_EVAL_REPORT_H
#include <jansson.h>

#include "eval/text/words.h"

typedef enum pt_metric {
    PT_METRIC_PERPLEXITY, /* exp(nll_own): of the reference answers behind the role's own profile */
    PT_METRIC_ROUGE_L_F,  /* generated against references: the maximum over a question's references, mean over questions */
    PT_METRIC_ROUGE_L_RECALL, /* likewise, whichever reference has the highest f */
    PT_METRIC_CANNED_ROUGE_L, /* F of the best single canned answer of each role: a property of the data, not of the model */
    PT_METRIC_STOPPED,        /* share of answers that ended by themselves within the limit */
    PT_METRIC_REPEATED,       /* share of repeated 4-grams inside answers */
    PT_METRIC_COPIED,         /* share of answers with ROUGE-L > 0.7 against a training answer */
    PT_METRIC_NLL_OWN,        /* nats a token of the references under the role's own profile */
    PT_METRIC_NLL_OTHER,      /* the same answers under another role's profile */
    PT_METRIC_NLL_GAP,        /* other - own; filled in by the report where both are there */
    PT_METRIC_PREFERENCE      /* share of pairs whose chosen answer is preferred */
} pt_metric; /* the first of the list METRICS, for code that names them (eval/metric/metric.h) */
#define PT_METRICS_MOST 128
/* Metrics by their place in METRICS. */
typedef struct pt_metric_list {
    int at[PT_METRICS_MOST], n;
} pt_metric_list;
/* The key in JSON, such as "rouge_l_f". */
const char *pt_metric_key(pt_metric m);

typedef struct pt_measures {
    double v[PT_METRICS_MOST]; /* by place in METRICS; NAN = not measured */
    size_t n[PT_METRICS_MOST]; /* of tasks: what it is made of */
    double lo[PT_METRICS_MOST], hi[PT_METRICS_MOST]; /* 95 % interval (eval/metric/noise.h); NAN = none */
} pt_measures;
void pt_measures_clear(pt_measures *m); /* all NAN */

/* Tests of before against after (eval/metric/noise.h), by place in METRICS; NAN = not tested. */
typedef struct pt_changes {
    double p[PT_METRICS_MOST]; /* paired permutation, corrected by Holm */
    double raw[PT_METRICS_MOST]; /* before that */
    double lo[PT_METRICS_MOST], hi[PT_METRICS_MOST]; /* 95 % interval of after - before */
    double wilcoxon[PT_METRICS_MOST], mcnemar[PT_METRICS_MOST]; /* as they are; mcnemar: of what is right or wrong */
} pt_changes;
void pt_changes_clear(pt_changes *c); /* all NAN */

typedef enum pt_side { PT_BEFORE, PT_AFTER } pt_side;

typedef struct pt_report_role {
    char *role;
    size_t questions;
    pt_measures side[2];
    pt_changes change;
    char *canned; /* the role's best canned answer, or NULL */
} pt_report_role;

typedef struct pt_report {
    char *name[2]; /* what was measured, such as a model's path; NULL = this side is missing */
    size_t questions;
    pt_measures side[2];
    pt_changes change;
    pt_report_role *role;
    size_t roles, role_cap;
    struct pt_report_parts {
        double *of;        /* [n][...] what each question came to, for resampling (eval/metric/tally.h) */
        size_t *role;      /* [n] */
        uint64_t *cluster; /* [n] what is resampled as one */
        pt_words *said;    /* [n] the answers, in numbers of the book */
        size_t n;
    } parts[2], pairs[2]; /* pairs: 1 = the chosen answer is preferred; no more */
    pt_wordbook book;
} pt_report;
void pt_report_init(pt_report *r);
void pt_report_free(pt_report *r);
void pt_report_parts_free(struct pt_report_parts *p);
/* Names a side: it is shown from then on, even with nothing measured. */
pt_status pt_report_name(pt_report *r, pt_side side, const char *name);
/* The role's entry, made when it is new (metrics NAN). Valid until the next new role. */
pt_status pt_report_role_get(pt_report *r, const char *role, pt_report_role **out);

/* Adds the table to out: a line per measured metric with before, after, change, whether that is better, and a mark where it is more than noise; then a line
 * per role. At most 100 columns; control bytes and broken UTF-8 in names are shown as '?'; no colour. */
pt_status pt_report_table(const pt_report *r, pt_str *out);
/* Its lines with the names of both sides alone. */
pt_status pt_report_names(const pt_report *r, pt_str *out);
/* Owned JSON text: {"format", "version", "questions", "before": {"name", METRIC: number | null...} | null, "after", "change":
 * {METRIC: after - before | null}, "p", "wilcoxon", "mcnemar": {METRIC: p, of those tested} | null, "change_ci": {METRIC: [lo, hi]} | null, "roles": [{"role", "questions", "before", "after", "p",
 * "wilcoxon", "mcnemar", "canned_answer"}]}. before and after hold "ci": {METRIC: [lo, hi]} of those with an interval (eval/metric/scores.h). Not finite = null; broken
 * UTF-8 becomes U+FFFD. */
pt_status pt_report_json(const pt_report *r, char **out);
/* The same as a value. */
pt_status pt_report_object(const pt_report *r, json_t **out);
#endif

/* Tasks: what an evaluation measures. A task says what it needs to know (requests), and makes outcomes of the answers; metrics are made of
 * outcomes (eval/metric/metric.h). Each kind is one file, eval/task/task_NAME.c; the makefile's list TASKS names them.
 *
 * To add one: write eval/task/task_NAME.c beside its siblings, add NAME to TASKS. */
#ifndef PT_EVAL_TASK_H
#define PT_EVAL_TASK_H
#include <jansson.h>

#include "base/entry.h"
#include "eval/metric/finding.h"
#include "eval/metric/metric.h"
#include "eval/metric/outcome.h"
#include "eval/ask/sampling.h"
#include "eval/ask/spell.h"
#include "eval/ask/voice.h"

/* A key of a task's own in `evaluations` (base/entry.h). */
typedef pt_entry_key pt_task_key;

typedef struct pt_task pt_task;

/* A metric as a task shows it. label NULL: as the metric itself says. */
typedef struct pt_task_metric {
    const char *key, *label;
    int better; /* with a label: +1, -1, or 0: neither */
} pt_task_metric;

/* Whom tasks will speak to, before anything is asked: who is opened, and for how much, follows from it. */
typedef enum pt_meet_for { PT_MEET_TEXT = 1, PT_MEET_SCORE = 2, PT_MEET_LIKELIHOOD = 4, PT_MEET_HELD = 8 /* texts with constraints */ } pt_meet_for;
typedef struct pt_meeting {
    char *name;              /* of the voice; owned */
    int64_t context;         /* tokens of a whole conversation, with its answer, at most */
    int64_t at_once;         /* answers that are written together, at most; 0: nobody knows */
    unsigned what;           /* pt_meet_for, or'ed */
    const pt_task_spec *by;  /* the first entry that names it */
} pt_meeting;
typedef struct pt_meetings {
    pt_meeting *list;
    size_t n, cap;
} pt_meetings;
void pt_meetings_free(pt_meetings *m);

typedef struct pt_transcript pt_transcript; /* eval/task/transcript.h */

typedef struct pt_task_kind {
    const char *name, *help;
    const pt_task_key *keys; /* ends with name NULL */
    const pt_entry_key *nested; /* what each mapping in the key `nested_in` takes; NULL: none has any */
    const char *nested_in;
    const pt_task_metric *metrics; /* shown where they have a value; ends with key NULL */
    /* The file into t->state; t->scopes by pt_task_scope, t->items. Errors of a row read FILE:LINE: what. */
    pt_status (*open)(pt_task *t);
    /* Appends what is to be known, the same of every model. */
    pt_status (*ask)(pt_task *t, const pt_speller *s, pt_requests *q);
    /* For each voice that it will speak to: pt_meet. NULL: to nobody. */
    pt_status (*meet)(const pt_task *t, pt_meetings *m);
    /* Between the replies to its own requests and judge: what goes on from them, with voices by name (`self` is the side that is measured). Whatever it
     * learns it keeps in t->state until judge. NULL: nothing goes on. Rank 0 alone. */
    pt_status (*talk)(pt_task *t, const pt_reply *replies, const pt_voices *voices, pt_side side);
    /* The conversations of a side, once talk has run: others name the task as what they are about (`of`) or come after (`after`). NULL: it has none. */
    pt_status (*transcripts)(const pt_task *t, pt_side side, const pt_transcript **list, size_t *n);
    /* From the replies to its own requests, in their order, to t->choices[side]; or, where no metric of choices is its own, to t->findings and
     * t->report.questions. */
    pt_status (*judge)(pt_task *t, const pt_reply *replies, pt_side side);
    /* Whether it compares the two sides, and says nothing of one. NULL: it does not. */
    bool (*compares)(const pt_task *t);
    bool by_sheet; /* what is resampled are sheets, of several groups the groups: the table says so */
    /* More for its object in eval.json, beside the rows; NULL: nothing. */
    pt_status (*json)(const pt_task *t, json_t *o);
    /* More for its table, behind the metrics; NULL: nothing. */
    pt_status (*table)(const pt_task *t, const bool shown[2], pt_str *out);
    void (*close)(pt_task *t); /* frees t->state; NULL-safe */
} pt_task_kind;

struct pt_task {
    const pt_task_kind *kind;
    const pt_task_spec *spec;
    uint64_t seed;
    const struct pt_task *source; /* whose transcripts it is about, or comes after: what its key `of` or `after` names; NULL: none. Then ask is called again for each
                                     side, once they are there */
    pt_side side;              /* of that asking */
    size_t column;             /* of several side by side (eval/suite/beside.h): its number, from 0 */
    void *state;
    pt_status (*row)(pt_task *t, json_t *row, const char *source); /* while rows are read */
    size_t limit;              /* items asked at most; 0 = all */
    size_t items;              /* that the file holds */
    char **scopes;             /* names of groups, in order of appearance */
    size_t n_scopes, scopes_cap;
    size_t first;              /* of its requests among all */
    pt_pick *choices[2];     /* by side; [n_choices[side]] */
    size_t n_choices[2];
    void *numbers[2];          /* what the choices point into */
    char **classes;            /* [n_classes] where all items have the same options: what these are called; the kind's own */
    size_t n_classes;
    struct {
        size_t asked, unread;
    } freely[2];               /* by side: of a constrained task (eval/task/held.h), those asked without the constraint too */
    pt_findings findings;      /* rows of names of its own */
    pt_report report;          /* role = scope */
};

/* By name; NULL: none such. */
const pt_task_kind *pt_task_find(const char *name);
/* One of its own keys; NULL: none such, or no kind. */
const pt_task_key *pt_task_key_of(const pt_task_kind *kind, const char *name);
int pt_task_count(void);
const pt_task_kind *pt_task_at(int i);

/* Checks an entry against its kind: every option known, of its kind, within bounds. PT_EARG: FILE:LINE:COLUMN: what. */
pt_status pt_task_check(const pt_task_spec *spec);
/* Whether the entry asks for a reward model's scores (method: score), not for likelihoods or texts: such a model gives nothing else. */
bool pt_task_scores(const pt_task_spec *spec);
/* Puts the file s->published of the folder in the place of s->path, where it is there; a note says when it is not. */
pt_status pt_task_locate(pt_task_spec *s, const char *folder);
/* Reads the items. On failure close it all the same. source: an opened task with transcripts, or NULL; it stays. */
pt_status pt_task_open(pt_task *t, const pt_task_spec *spec, uint64_t seed);
pt_status pt_task_open_behind(pt_task *t, const pt_task_spec *spec, uint64_t seed, const pt_task *source);
/* The option `of` or `after` of an entry, which names another one; NULL: neither. */
const pt_entry_option *pt_task_source_of(const pt_task_spec *spec);
void pt_task_close(pt_task *t);

/* The metrics of a side from its choices: overall and, where there are several, of each group. n of a measure: what it is made of. Intervals of the
 * metrics that the kind shows, and p of the change once both sides have choices (eval/metric/noise.h). */
pt_status pt_task_measure(pt_task *t, pt_side side);
/* Holm over a task's changes that stand side by side in n suites (eval/metric/noise.h). PT_ENOMEM. */
pt_status pt_task_correct_beside(pt_task *const *t, size_t n);
/* A table like the report's: a line per metric with before, after, each with half the width of its interval, the change, and a mark where that is more than
 * noise; then a line per group with the first metrics. */
pt_status pt_task_table(const pt_task *t, pt_str *out);
/* {"name", "task", "path", "items", "rows": [{"metric", "scope": group | null, "before": {"value", "n", "ci": [lo, hi] |
 * null} | null, "after", "p": corrected | null,
 * "wilcoxon": p | null, "mcnemar": p | null, "change_ci": [lo, hi] | null}], "confusion"}.
 * confusion: {side: {right place: {picked place: n, "none": n}}} by the places A, B, ... that the options were shown at, up to 26 options; of classes by
 * their names, with "classes": {side: [{"class", "support", "picked", "precision", "recall", "f1"}]}. */
pt_status pt_task_json(const pt_task *t, json_t **out);

/* ---- for the kinds ---- */
/* The value of one of the kind's keys, or its default; of a key that it has not: NULL, 0, false, the first word. */
const char *pt_task_text(const pt_task *t, const char *key);
double pt_task_number(const pt_task *t, const char *key);
bool pt_task_flag(const pt_task *t, const char *key);
int pt_task_word(const pt_task *t, const char *key); /* its number among the words */
/* The parts of a list, without spaces around them; free each, and *out. Unset: none. PT_EARG: an empty part. */
pt_status pt_task_list(const pt_task *t, const char *key, char ***out, size_t *n);
/* Says that it will speak to `name`, for pt_task_kind.meet; context and at_once as in pt_meeting. */
pt_status pt_meet(const pt_task *t, pt_meetings *m, const char *name, int64_t context, int64_t at_once, unsigned what);
/* Items that are asked, at most. */
int64_t pt_task_asked(const pt_task *t);
/* The transcripts of t->source. */
pt_status pt_task_transcripts(const pt_task *t, pt_side side, const pt_transcript **list, size_t *n);
/* The key `sampling` of tasks that let models write: PT_EARG at its place (eval/ask/sampling.h). */
pt_status pt_task_check_sampling(const pt_task *t, const pt_sampling *how);
/* PT_EARG at the entry's place in the config. */
pt_status pt_task_fail(const pt_task *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The number of a group, made when it is new. */
pt_status pt_task_scope(pt_task *t, const char *name, size_t *out);
/* Every row of the entry's path: a file as data sets read it, or all .jsonl, .json and .csv files of a folder, by name; source is the file's
 * name without its ending. The row is freed after the call. */
pt_status pt_task_rows(pt_task *t, pt_status (*row)(pt_task *t, json_t *row, const char *source));
/* Each file of the entry's path, as above; source as above. */
pt_status pt_task_files(pt_task *t, pt_status (*file)(pt_task *t, const char *path, const char *source));
/* keep[i] = item i is asked, of those at most t->limit: turn by turn one more of each group, spread evenly over it. scope[items]. */
pt_status pt_task_limit(pt_task *t, const size_t *scope, bool *keep, size_t *kept);
/* text with {NAME} replaced by the row's field NAME, {options} by `options` (may be NULL). A field is a text, a number, or a list or an object of them: a line
 * each, "KEY: VALUE" of an object's, "WHO: TEXT" of a turn's ({speaker | role | from | name, utterance | content | value | text}); what lies deeper stands
 * behind semicolons. PT_EFORMAT: the row has no such field, or a null in it. Braces around anything but a name stay. Appended to out. */
pt_status pt_task_fill(pt_str *out, const char *text, const json_t *row, const char *options);
/* Characters (code points) of a UTF-8 text. */
int32_t pt_task_characters(const char *text);
#endif

/* Inside of pages; included by eval/page/page_*.c only. */
#ifndef PT_EVAL_PAGE_PRIV_H
#define PT_EVAL_PAGE_PRIV_H
#include "base/json.h"
#include "eval/page/page.h"

/* ---- page_text.c: texts of others, made harmless (base/visible.h: control characters, what turns the direction of writing and what is no UTF-8 are
 * shown as escapes) ---- */
/* For HTML's text and quoted attributes: markup as entities. Appended, as the next. */
pt_status pt_page_escape(pt_str *out, const char *text, size_t n);
/* The same of a document's text; what is none adds nothing. */
pt_status pt_page_said(pt_str *out, const json_t *text);
/* For Markdown: one line, no markup, no link. */
pt_status pt_page_plain(pt_str *out, const char *text, size_t n);
/* A text from outside as a string that is UTF-8; NULL: out of memory. */
json_t *pt_page_text(const char *text, size_t n);
/* The first `most` characters of a text; how many are left out stands behind them. What is no text is an empty one. */
json_t *pt_page_cut(const json_t *text, size_t most);

/* ---- page_doc.c: parts of a document ---- */
/* A section that is appended to the page; borrowed. */
pt_status pt_page_section(json_t *page, const char *title, json_t **section);
/* A block that is appended to a section; borrowed. */
pt_status pt_page_block(json_t *section, const char *kind, const char *title, json_t **block);
pt_status pt_page_note(json_t *section, const char *text);
/* o[key] = v, list + v; take v over, which may be NULL: out of memory. */
pt_status pt_page_put(json_t *o, const char *key, json_t *v);
pt_status pt_page_push(json_t *list, json_t *v);
/* A table's columns: numbers[i] is 'n' where column i holds numbers. */
pt_status pt_page_columns(json_t *table, size_t n, const char *const *names, const char *numbers);
/* A number as tables show it: six digits at most, "-" for what is none. */
void pt_page_number(char out[32], double v);
/* A member as a number; NAN: there is none. */
double pt_page_value(const json_t *o, const char *key);
const char *pt_page_string(const json_t *o, const char *key);

/* Two texts as pieces, ["=" | "-" | "+", TEXT]: what both say, what the first alone, what the second alone; by words, of scripts without spaces by characters. Owned. */
pt_status pt_page_diff(const char *a, size_t na, const char *b, size_t nb, json_t **before, json_t **after);

/* ---- the sections ---- */
typedef struct pt_page_run {
    const char *dir;
    char *name;    /* the folder's last part; in front of it as much as tells the runs apart */
    char *config;  /* config.yaml, NULL = none */
    json_t *eval;  /* eval.json, NULL = none */
    json_t *beside; /* eval_beside.json, NULL = none */
    json_t *trained, *audit; /* trained.json, audit.json, NULL = none */
    struct pt_page_curve { /* a number of metrics.jsonl */
        char *key;
        double *x, *y;
        size_t n, x_cap, y_cap;
    } *curves;
    size_t n_curves, curves_cap;
} pt_page_run;
pt_status pt_page_run_open(pt_page_run *r, const char *dir);
void pt_page_run_close(pt_page_run *r);
/* The value of a top-level key of config.yaml, which a run writes itself, a key a line; n 0: none. */
const char *pt_page_config_value(const char *config, const char *key, size_t *n);
const struct pt_page_curve *pt_page_curve_find(const pt_page_run *r, const char *key);

/* eval_beside.json: how many columns, whose, and a column as eval.json says it (owned). */
size_t pt_page_beside_columns(const json_t *beside);
const char *pt_page_beside_name(const json_t *beside, size_t column);
pt_status pt_page_beside_column(const json_t *beside, size_t column, json_t **out);
/* Where one of the runs has an eval_beside.json with a column of each of them, these stand in the place of their eval.json. *where: that run's folder; NULL: none has. */
pt_status pt_page_beside_join(pt_page_run *runs, size_t n, const char **where);

pt_status pt_page_about(json_t *page, const pt_page_run *runs, size_t n);
pt_status pt_page_trained(json_t *page, const pt_page_run *runs, size_t n, const pt_page_options *o);
pt_status pt_page_curves(json_t *page, const pt_page_run *runs, size_t n);
/* how: behind the titles, such as ", side by side"; note: what a star says, NULL: of one run. */
pt_status pt_page_measures(json_t *page, const pt_page_run *runs, size_t n, const pt_page_options *o, const char *how, const char *note);
pt_status pt_page_answers(json_t *page, const pt_page_run *runs, size_t n, const pt_page_options *o, const char *how);

/* The columns of what evaluation found: the base of the first run where it was measured, then each run tuned. */
typedef struct pt_page_sides {
    const pt_page_run *runs;
    size_t n, tuned; /* columns; of them the first `n - tuned` is the base */
    const char *name[PT_PAGE_RUNS + 1], *how;
    int rows;
} pt_page_sides;
/* A task as each run has it. */
typedef struct pt_page_task {
    const char *name;
    const json_t *task[PT_PAGE_RUNS]; /* NULL = it has none such */
    const json_t *rows;               /* of the first that has it */
} pt_page_task;
void pt_page_sides_find(pt_page_sides *s, const pt_page_run *runs, size_t n, const pt_page_options *o, const char *how);
/* The member of column c that stands under before or after in an object that each run has. */
const json_t *pt_page_side(const pt_page_sides *s, const json_t *const each[], size_t c);
/* The row of a metric and scope; scope NULL: of all. */
const json_t *pt_page_task_row(const json_t *task, const char *metric, const char *scope);
/* A run's task of this name, NULL = none. */
const json_t *pt_page_task_named(const json_t *eval, const char *name);
/* A block's rows past the limit, when there are some. */
pt_status pt_page_left_out(json_t *block, size_t more);
/* Of one task, where it has such: a questionnaire's scales beside people's; how far statements of persons are agreed with, and how that changed; lists of its own. */
pt_status pt_page_profile(const pt_page_sides *s, const pt_page_task *t, json_t *section);
pt_status pt_page_drift(const pt_page_sides *s, const pt_page_task *t, json_t *section);
pt_status pt_page_lists(const pt_page_sides *s, const pt_page_task *t, json_t *section);
/* What judges said of each text. */
pt_status pt_page_verdicts(const pt_page_sides *s, const pt_page_task *t, json_t *section);

/* ---- HTML's drawings ---- */
pt_status pt_page_chart(pt_str *out, const json_t *block);
pt_status pt_page_bars(pt_str *out, const json_t *block);
pt_status pt_page_radar(pt_str *out, const json_t *block);
/* Which line belongs to whom: names with a piece of line each. */
pt_status pt_page_legend(pt_str *out, const json_t *names);
/* page_said.c: texts that somebody said. */
pt_status pt_page_pieces(pt_str *out, const json_t *block);
pt_status pt_page_answers_html(pt_str *out, const json_t *block);
pt_status pt_page_talk(pt_str *out, const json_t *block);
extern const char pt_page_style[];
#endif

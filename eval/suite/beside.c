#include "eval/suite/beside.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval/metric/noise.h"
#include "eval/suite/pair_sets.h"

enum { LEFT = 40, VALUE = 10, MARK = 2, BLOCK = 4, NAME_WIDTH = 90 };

void pt_beside_number(pt_suite *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < s[i].n; k++) s[i].tasks[k].column = i;
}

pt_status pt_beside_correct(pt_suite *s, size_t n)
{
    pt_status rc = PT_OK;
    pt_report **r = NULL;
    pt_task **t = NULL;
    PT_TRY(pt_alloc0(&r, n));
    PT_TRY(pt_alloc0(&t, n));
    for (size_t i = 0; i < n; i++) r[i] = &s[i].report;
    PT_TRY(pt_noise_correct_beside(r, n));
    for (size_t k = 0; k < s->n; k++) {
        for (size_t i = 0; i < n; i++) t[i] = &s[i].tasks[k];
        PT_TRY(pt_task_correct_beside(t, n));
    }
done:
    free(r);
    free(t);
    return rc;
}

/* ---- the table ---- */

/* Columns [from, to) of the table, behind the base where there is one. */
typedef struct block {
    const pt_suite *s;
    size_t from, to;
    bool base, marked;
} block;

typedef struct cell {
    double value;
    const char *text; /* instead of it; NULL */
    bool more;        /* than noise */
} cell;

static pt_status end_line(pt_str *out)
{
    while (out->text[out->len - 1] == ' ') out->text[--out->len] = 0;
    return pt_str_puts(out, "\n");
}

/* c[0] is the base, whether shown or not; then the block's columns. */
static pt_status put_line(block *b, const char *label, pt_metric_form form, const cell *c, pt_str *out)
{
    PT_RETURN(pt_report_cell(out, label, LEFT));
    for (size_t i = b->base ? 0 : 1; i <= b->to - b->from; i++) {
        if (c[i].text) PT_RETURN(pt_str_printf(out, "%*s", VALUE, c[i].text));
        else PT_RETURN(pt_report_value(out, form, c[i].value, VALUE));
        PT_RETURN(pt_str_puts(out, c[i].more ? " *" : "  "));
        b->marked = b->marked || c[i].more;
    }
    return end_line(out);
}

static pt_status put_head(const block *b, const char *title, pt_str *out)
{
    char number[32];
    PT_RETURN(pt_str_puts(out, "\n"));
    PT_RETURN(pt_report_cell(out, title, LEFT));
    if (b->base) PT_RETURN(pt_str_printf(out, "%*s%*s", VALUE, "base", MARK, ""));
    for (size_t i = b->from; i < b->to; i++) {
        snprintf(number, sizeof number, "(%zu)", i + 1);
        PT_RETURN(pt_str_printf(out, "%*s%*s", VALUE, number, MARK, ""));
    }
    return end_line(out);
}

static bool holds(const cell *c, size_t n)
{
    bool some = false;
    for (size_t i = 0; i <= n; i++) some = some || c[i].text || !isnan(c[i].value);
    return some;
}

static double value_of(const pt_measures *m, int metric)
{
    const pt_metric_kind *k = pt_metric_kind_at(metric);
    return isnan(m->v[metric]) && k->derived ? k->derived(m) : m->v[metric];
}

static const pt_report_role *role_of(const pt_report *r, const char *name)
{
    for (size_t i = 0; i < r->roles; i++)
        if (!strcmp(r->role[i].role, name)) return &r->role[i];
    return NULL;
}

/* A metric of the test data (task < 0) or of a task's report: of all, or of one role (a group). */
static void cells_of(const block *b, int task, int metric, const char *role, cell *c)
{
    for (size_t i = 0; i <= b->to - b->from; i++) {
        const pt_suite *s = &b->s[i ? b->from + i - 1 : 0];
        const pt_report *r = task < 0 ? &s->report : &s->tasks[task].report;
        const pt_report_role *one = role ? role_of(r, role) : NULL;
        c[i] = (cell){.value = NAN};
        if (role && !one) continue;
        const pt_measures *m = one ? one->side : r->side;
        const pt_changes *change = one ? &one->change : &r->change;
        c[i].value = value_of(&m[i ? PT_AFTER : PT_BEFORE], metric);
        c[i].more = i && change->p[metric] < PT_NOISE_BELOW;
    }
}

/* The roles, or groups, of a metric. */
static pt_status put_roles(block *b, int task, int metric, const char *label, pt_str *out)
{
    const pt_report *r = task < 0 ? &b->s->report : &b->s->tasks[task].report;
    cell c[BLOCK + 1];
    if (!r->roles) return PT_OK;
    PT_RETURN(pt_str_printf(out, "  %s, by %s\n", label, task < 0 ? "role" : "group"));
    for (size_t i = 0; i < r->roles; i++) {
        cells_of(b, task, metric, r->role[i].role, c);
        PT_RETURN(put_line(b, r->role[i].role[0] ? r->role[i].role : "(no group)", pt_metric_kind_at(metric)->form, c, out));
    }
    return PT_OK;
}

static pt_status put_data(block *b, pt_str *out)
{
    static const int by_role[] = {PT_METRIC_PERPLEXITY, PT_METRIC_ROUGE_L_F};
    char title[64];
    cell c[BLOCK + 1];
    if (!b->s->data) return PT_OK;
    snprintf(title, sizeof title, "test data (%zu question%s)", b->s->report.questions, b->s->report.questions == 1 ? "" : "s");
    PT_RETURN(put_head(b, title, out));
    for (int m = 0; m < pt_metric_count(); m++) {
        cells_of(b, -1, m, NULL, c);
        if (!pt_metric_kind_at(m)->detail && holds(c, b->to - b->from)) PT_RETURN(put_line(b, pt_metric_kind_at(m)->label, pt_metric_kind_at(m)->form, c, out));
    }
    for (size_t k = 0; k < sizeof by_role / sizeof *by_role; k++) {
        cells_of(b, -1, by_role[k], NULL, c);
        if (holds(c, b->to - b->from)) PT_RETURN(put_roles(b, -1, by_role[k], pt_metric_kind_at(by_role[k])->label, out));
    }
    return PT_OK;
}

static bool same(const char *a, const char *b)
{
    return a && b ? !strcmp(a, b) : a == b;
}

static const pt_finding *finding_of(const pt_findings *f, const char *metric, const char *scope)
{
    for (size_t i = 0; i < f->n; i++)
        if (same(f->list[i].scope, scope) && !strcmp(f->list[i].metric, metric)) return &f->list[i];
    return NULL;
}

/* The rows of one scope that none of the columns before `column` has. */
static pt_status put_scope(block *b, size_t task, size_t column, const char *scope, pt_str *out)
{
    const pt_findings *f = &b->s[column].tasks[task].findings;
    for (size_t k = 0; k < f->n; k++) {
        const pt_finding *x = &f->list[k];
        cell c[BLOCK + 1];
        bool shown = x->detail || !same(x->scope, scope);
        for (size_t i = b->from; i < column && !shown; i++) shown = finding_of(&b->s[i].tasks[task].findings, x->metric, scope) != NULL;
        for (size_t i = 0; i <= b->to - b->from && !shown; i++) {
            const pt_finding *y = finding_of(&b->s[i ? b->from + i - 1 : 0].tasks[task].findings, x->metric, scope);
            const pt_found *v = y ? &y->side[i ? PT_AFTER : PT_BEFORE] : NULL;
            c[i] = (cell){.value = v ? v->value : NAN, .text = v && v->text[0] ? v->text : NULL, .more = i && y && y->p < PT_NOISE_BELOW};
        }
        if (!shown && holds(c, b->to - b->from)) PT_RETURN(put_line(b, x->label, x->form, c, out));
    }
    return PT_OK;
}

/* The rows of the task's own names: of all, then of each group. */
static pt_status put_findings(block *b, size_t task, pt_str *out)
{
    const pt_task *t = &b->s[b->from].tasks[task];
    for (size_t g = 0; t->findings.n && g <= t->n_scopes; g++) {
        const char *scope = g ? t->scopes[g - 1] : NULL;
        size_t before = out->len;
        if (g) PT_RETURN(pt_str_puts(out, "  "));
        if (g) PT_RETURN(pt_report_cell(out, scope, LEFT));
        if (g) PT_RETURN(end_line(out));
        size_t head = out->len;
        for (size_t i = b->from; i < b->to; i++) PT_RETURN(put_scope(b, task, i, scope, out));
        if (out->len == head) out->text[out->len = before] = 0; /* nothing is said of it */
    }
    return PT_OK;
}

static pt_status put_task(block *b, size_t task, pt_str *out)
{
    const pt_task *t = &b->s->tasks[task];
    char title[160];
    cell c[BLOCK + 1];
    const pt_task_metric *first = NULL;
    snprintf(title, sizeof title, "%s (%s, %zu item%s)", t->spec->name ? t->spec->name : t->kind->name, t->kind->name, t->report.questions,
             t->report.questions == 1 ? "" : "s");
    PT_RETURN(put_head(b, title, out));
    for (const pt_task_metric *x = t->kind->metrics; x->key; x++) {
        int m = pt_metric_find(x->key);
        if (m < 0) return pt_fail(PT_EINTERNAL, "the task %s shows %s, which is no metric", t->kind->name, x->key);
        cells_of(b, (int)task, m, NULL, c);
        if (pt_metric_kind_at(m)->detail || !holds(c, b->to - b->from)) continue;
        first = first ? first : x;
        PT_RETURN(put_line(b, x->label ? x->label : pt_metric_kind_at(m)->label, pt_metric_kind_at(m)->form, c, out));
    }
    if (first) PT_RETURN(put_roles(b, (int)task, pt_metric_find(first->key), first->label ? first->label : pt_metric_kind_at(pt_metric_find(first->key))->label, out));
    PT_RETURN(put_findings(b, task, out));
    for (size_t i = b->from; i < b->to && t->kind->table; i++) {
        const size_t before = out->len;
        PT_RETURN(pt_str_printf(out, "(%zu)\n", i + 1));
        const size_t head = out->len;
        PT_RETURN(t->kind->table(&b->s[i].tasks[task], (const bool[2]){false, b->s[i].report.name[PT_AFTER] != NULL}, out));
        if (out->len == head) out->text[out->len = before] = 0; /* nothing is said of it */
    }
    return PT_OK;
}

static pt_status put_name(pt_str *out, const char *before, const char *name)
{
    PT_RETURN(pt_str_printf(out, "%-6s", before));
    PT_RETURN(pt_report_cell(out, name, NAME_WIDTH));
    return end_line(out);
}

pt_status pt_beside_table(const pt_suite *s, size_t n, pt_str *out)
{
    char number[32];
    block b = {.s = s, .base = s->report.name[PT_BEFORE] != NULL};
    if (b.base) PT_RETURN(put_name(out, "base:", s->report.name[PT_BEFORE]));
    for (size_t i = 0; i < n; i++) {
        snprintf(number, sizeof number, "(%zu):", i + 1);
        PT_RETURN(put_name(out, number, s[i].report.name[PT_AFTER]));
    }
    for (; b.from < n; b.from = b.to) {
        b.to = b.from + BLOCK < n ? b.from + BLOCK : n;
        PT_RETURN(put_data(&b, out));
        for (size_t k = 0; k < s->n; k++) PT_RETURN(put_task(&b, k, out));
    }
    PT_RETURN(pt_pair_sets_table(s, n, out));
    return b.marked ? pt_str_puts(out, "* differs from the base by more than noise: p < 0.05, paired permutation, Holm over all columns\n") : PT_OK;
}

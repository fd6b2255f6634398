/* From a task's choices to its metrics, and these as a table and as JSON. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval/task.h"

enum { LABEL_WIDTH = 46, SCOPE_WIDTH = 34, COLUMN = 18, PLACES = 26 };

static void measure(const pt_pick *const *c, size_t n, pt_measures *m)
{
    for (int i = 0; i < pt_metric_count(); i++)
        if (pt_metric_kind_at(i)->choices) m->v[i] = pt_metric_kind_at(i)->choices(c, n, &m->n[i]);
}

/* Items among n choices, those of one item side by side. */
static size_t items_of(const pt_pick *const *c, size_t n)
{
    size_t items = 0;
    for (size_t i = 0; i < n; i++) items += !i || c[i]->item != c[i - 1]->item;
    return items;
}

pt_status pt_task_measure(pt_task *t, pt_side side)
{
    pt_status rc = PT_OK;
    const pt_pick **some = NULL;
    PT_TRY(pt_alloc0(&some, t->n_choices[side]));
    for (size_t g = 0; g <= t->n_scopes; g++) { /* the last one is all */
        bool all = g == t->n_scopes;
        pt_report_role *role = NULL;
        size_t n = 0;
        if (!all && t->n_scopes == 1) continue;
        for (size_t i = 0; i < t->n_choices[side]; i++)
            if (all || t->choices[side][i].scope == g) some[n++] = &t->choices[side][i];
        if (!all) PT_TRY(pt_report_role_get(&t->report, t->scopes[g], &role));
        if (role) role->questions = items_of(some, n);
        else t->report.questions = items_of(some, n);
        measure(some, n, role ? &role->side[side] : &t->report.side[side]);
    }
done:
    free(some);
    return rc;
}

/* ---- the table ---- */

static bool measured(const pt_report *r, int metric)
{
    return !isnan(r->side[PT_BEFORE].v[metric]) || !isnan(r->side[PT_AFTER].v[metric]);
}

static pt_status table_lines(const pt_task *t, const bool shown[2], pt_str *out)
{
    for (const pt_task_metric *x = t->kind->metrics; x->key; x++) {
        int m = pt_metric_find(x->key);
        if (m < 0) return pt_fail(PT_EINTERNAL, "the task %s shows %s, which is no metric", t->kind->name, x->key);
        const pt_metric_kind *k = pt_metric_kind_at(m);
        if (!measured(&t->report, m)) continue;
        PT_RETURN(pt_report_cell(out, x->label ? x->label : k->label, LABEL_WIDTH));
        for (int s = 0; s < 2; s++)
            if (shown[s]) PT_RETURN(pt_report_value(out, k->form, t->report.side[s].v[m], 12));
        if (shown[0] && shown[1])
            PT_RETURN(pt_report_change(out, k->form, x->label ? x->better : k->better, t->report.side[0].v[m], t->report.side[1].v[m], 12));
        PT_RETURN(pt_str_puts(out, "\n"));
    }
    return PT_OK;
}

/* The first two metrics of each group. */
static pt_status table_scopes(const pt_task *t, const bool shown[2], pt_str *out)
{
    int metric[2], n = 0;
    for (const pt_task_metric *x = t->kind->metrics; x->key && n < 2; x++)
        if (measured(&t->report, pt_metric_find(x->key))) metric[n++] = pt_metric_find(x->key);
    for (int line = 0; line < 2; line++) {
        PT_RETURN(pt_report_cell(out, "", SCOPE_WIDTH));
        PT_RETURN(pt_str_printf(out, "%6s", line ? "items" : ""));
        for (int k = 0; k < n; k++)
            for (int s = 0; s < 2; s++)
                if (shown[s]) PT_RETURN(pt_str_printf(out, "%*s", COLUMN, line ? (s ? "after" : "before") : s == !shown[0] ? pt_metric_kind_at(metric[k])->key : ""));
        PT_RETURN(pt_str_puts(out, "\n"));
    }
    for (size_t i = 0; i < t->report.roles; i++) {
        const pt_report_role *r = &t->report.role[i];
        PT_RETURN(pt_report_cell(out, r->role[0] ? r->role : "(no group)", SCOPE_WIDTH));
        PT_RETURN(pt_str_printf(out, "%6zu", r->questions));
        for (int k = 0; k < n; k++)
            for (int s = 0; s < 2; s++)
                if (shown[s]) PT_RETURN(pt_report_value(out, pt_metric_kind_at(metric[k])->form, r->side[s].v[metric[k]], COLUMN));
        PT_RETURN(pt_str_puts(out, "\n"));
    }
    return PT_OK;
}

pt_status pt_task_table(const pt_task *t, pt_str *out)
{
    const bool shown[2] = {t->report.name[0] != NULL, t->report.name[1] != NULL};
    char title[160];
    snprintf(title, sizeof title, "%s (%s, %zu item%s)", t->spec->name ? t->spec->name : t->kind->name, t->kind->name, t->report.questions,
             t->report.questions == 1 ? "" : "s");
    PT_RETURN(pt_str_puts(out, "\n"));
    PT_RETURN(pt_report_cell(out, title, LABEL_WIDTH));
    for (int s = 0; s < 2; s++)
        if (shown[s]) PT_RETURN(pt_str_printf(out, "%12s", s == PT_BEFORE ? "before" : "after"));
    PT_RETURN(pt_str_puts(out, shown[0] && shown[1] ? "      change\n" : "\n"));
    PT_RETURN(table_lines(t, shown, out));
    return t->report.roles ? table_scopes(t, shown, out) : PT_OK;
}

/* ---- JSON ---- */

static pt_status put(json_t *object, const char *key, json_t *value)
{
    return json_object_set_new(object, key, value) == 0 ? PT_OK : pt_fail(PT_ENOMEM, "out of memory writing the report");
}

static pt_status put_row(json_t *rows, const pt_task *t, int metric, const char *scope, const pt_measures side[2])
{
    static const char *const names[2] = {"before", "after"};
    json_t *o = json_object();
    if (json_array_append_new(rows, o)) return pt_fail(PT_ENOMEM, "out of memory writing the report");
    PT_RETURN(put(o, "metric", json_string(pt_metric_kind_at(metric)->key)));
    PT_RETURN(put(o, "scope", scope ? pt_report_text(scope) : json_null()));
    for (int s = 0; s < 2; s++) {
        double v = side[s].v[metric];
        json_t *pair = t->report.name[s] ? json_pack("{so sI}", "value", isfinite(v) ? json_real(v) : json_null(), "n", (json_int_t)side[s].n[metric])
                                         : json_null();
        PT_RETURN(put(o, names[s], pair));
    }
    return PT_OK;
}

static pt_status put_confusion(const pt_task *t, json_t *to)
{
    static const char *const names[2] = {"before", "after"};
    for (int s = 0; s < 2; s++) {
        json_t *matrix = json_object();
        PT_RETURN(put(to, names[s], matrix));
        for (size_t i = 0; i < t->n_choices[s]; i++) {
            const pt_pick *c = &t->choices[s][i];
            if (c->n > PLACES) continue;
            char gold[2] = {(char)('A' + (c->gold - c->shift + c->n) % c->n), 0}, pick[5] = "none";
            if (c->picked >= 0) pick[0] = (char)('A' + (c->picked - c->shift + c->n) % c->n), pick[1] = 0;
            json_t *row = json_object_get(matrix, gold);
            if (!row) PT_RETURN(put(matrix, gold, row = json_object()));
            PT_RETURN(put(row, pick, json_integer(json_integer_value(json_object_get(row, pick)) + 1)));
        }
    }
    return PT_OK;
}

pt_status pt_task_json(const pt_task *t, json_t **out)
{
    pt_status rc = PT_OK;
    json_t *o = json_object(), *rows = json_array(), *confusion = json_object();
    *out = o;
    PT_TRY(put(o, "name", pt_report_text(t->spec->name ? t->spec->name : t->kind->name)));
    PT_TRY(put(o, "task", json_string(t->kind->name)));
    PT_TRY(put(o, "path", pt_report_text(t->spec->path)));
    PT_TRY(put(o, "items", json_integer((json_int_t)t->report.questions)));
    PT_TRY(put(o, "rows", json_incref(rows)));
    PT_TRY(put(o, "confusion", json_incref(confusion)));
    for (const pt_task_metric *x = t->kind->metrics; x->key; x++) {
        int m = pt_metric_find(x->key);
        if (m < 0 || !measured(&t->report, m)) continue;
        PT_TRY(put_row(rows, t, m, NULL, t->report.side));
        for (size_t g = 0; g < t->report.roles; g++) PT_TRY(put_row(rows, t, m, t->report.role[g].role, t->report.role[g].side));
    }
    PT_TRY(put_confusion(t, confusion));
done:
    json_decref(rows);
    json_decref(confusion);
    if (rc != PT_OK) {
        json_decref(o);
        *out = NULL;
    }
    return rc;
}

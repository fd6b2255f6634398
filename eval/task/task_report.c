/* From a task's choices to its metrics, and these as a table and as JSON. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval/metric/noise.h"
#include "eval/task/held.h"

enum { SCOPE_WIDTH = 32, PLACES = 26 };

static void measure(const pt_metric_list *list, pt_picks p, pt_measures *m)
{
    for (int k = 0; k < list->n; k++) m->v[list->at[k]] = pt_metric_kind_at(list->at[k])->choices(p.c, p.n, &m->n[list->at[k]]);
}

/* Items among n choices, those of one item side by side. */
static size_t items_of(const pt_pick *const *c, size_t n)
{
    size_t items = 0;
    for (size_t i = 0; i < n; i++) items += !i || c[i]->item != c[i - 1]->item;
    return items;
}

/* What the task shows and choices give. */
static pt_metric_list shown_metrics(const pt_task *t)
{
    pt_metric_list list = {.n = 0};
    for (const pt_task_metric *x = t->kind->metrics; x->key; x++) {
        int m = pt_metric_find(x->key);
        if (m >= 0 && pt_metric_kind_at(m)->choices && list.n < PT_METRICS_MOST) list.at[list.n++] = m;
    }
    return list;
}

/* The choices of a group, or of all (scope = n_scopes). */
static pt_picks picks_of(const pt_task *t, pt_side side, size_t scope, const pt_pick **some)
{
    size_t n = 0;
    for (size_t i = 0; i < t->n_choices[side]; i++)
        if (scope == t->n_scopes || t->choices[side][i].scope == scope) some[n++] = &t->choices[side][i];
    return (pt_picks){.c = some, .n = n, .among = t->n_choices[side]};
}

pt_status pt_task_measure(pt_task *t, pt_side side)
{
    pt_status rc = PT_OK;
    const pt_pick **some[2] = {NULL, NULL};
    const pt_metric_list list = shown_metrics(t);
    if (!list.n) return PT_OK; /* its rows are findings */
    bool both = t->choices[PT_BEFORE] && t->choices[PT_AFTER];
    for (int s = 0; s < 2; s++) PT_TRY(pt_alloc0(&some[s], t->n_choices[s]));
    for (size_t g = 0; g <= t->n_scopes; g++) { /* the last one is all */
        bool all = g == t->n_scopes;
        pt_report_role *role = NULL;
        if (!all && t->n_scopes == 1) continue;
        if (!all) PT_TRY(pt_report_role_get(&t->report, t->scopes[g], &role));
        const pt_picks picks[2] = {picks_of(t, PT_BEFORE, g, some[0]), picks_of(t, PT_AFTER, g, some[1])};
        pt_measures *m = role ? &role->side[side] : &t->report.side[side];
        if (role) role->questions = items_of(picks[side].c, picks[side].n);
        else t->report.questions = items_of(picks[side].c, picks[side].n);
        measure(&list, picks[side], m);
        PT_TRY(pt_noise_side(&list, picks[side], t->seed, m));
        if (both) PT_TRY(pt_noise_change(&list, picks, t->seed, role ? &role->change : &t->report.change));
    }
    if (both) PT_TRY(pt_noise_correct(&list, &t->report));
done:
    for (int s = 0; s < 2; s++) free(some[s]);
    return rc;
}

pt_status pt_task_correct_beside(pt_task *const *t, size_t n)
{
    pt_status rc = PT_OK;
    pt_report **r = NULL;
    pt_findings **f = NULL;
    PT_TRY(pt_alloc0(&r, n));
    PT_TRY(pt_alloc0(&f, n));
    for (size_t i = 0; i < n; i++) r[i] = &t[i]->report, f[i] = &t[i]->findings;
    PT_TRY(pt_noise_correct_beside(r, n));
    PT_TRY(pt_findings_correct_beside(f, n));
done:
    free(r);
    free(f);
    return rc;
}

/* ---- the table ---- */

static bool measured(const pt_report *r, int metric)
{
    return !isnan(r->side[PT_BEFORE].v[metric]) || !isnan(r->side[PT_AFTER].v[metric]);
}

/* What is resampled. */
static const char *cluster_word(const pt_task *t)
{
    if (t->kind->by_sheet) return t->n_scopes > 1 ? "group (a group's own: by sheet)" : "sheet";
    return pt_task_key_of(t->kind, "cluster_by") && pt_task_text(t, "cluster_by") ? "cluster" : "item";
}

static pt_status table_notes(const pt_task *t, const pt_table_notes *notes, pt_str *out)
{
    if (notes->interval) PT_RETURN(pt_str_printf(out, "\xc2\xb1 half of the 95 %% interval, by %s\n", cluster_word(t)));
    if (notes->marked) PT_RETURN(pt_str_printf(out, "* more than noise: p < 0.05, paired permutation by %s, Holm\n", cluster_word(t)));
    return PT_OK;
}

static pt_status table_lines(const pt_task *t, const bool shown[2], pt_table_notes *notes, pt_str *out)
{
    for (const pt_task_metric *x = t->kind->metrics; x->key; x++) {
        int m = pt_metric_find(x->key);
        if (m < 0) return pt_fail(PT_EINTERNAL, "the task %s shows %s, which is no metric", t->kind->name, x->key);
        const pt_metric_kind *k = pt_metric_kind_at(m);
        if (k->detail || !measured(&t->report, m)) continue;
        PT_RETURN(pt_report_cell(out, x->label ? x->label : k->label, PT_LABEL_WIDTH));
        for (int s = 0; s < 2; s++)
            if (shown[s]) PT_RETURN(pt_finding_value(out, k->form, t->report.side[s].v[m], t->report.side[s].lo[m], t->report.side[s].hi[m]));
        if (shown[0] && shown[1])
            PT_RETURN(pt_report_change(out, k->form, x->label ? x->better : k->better, t->report.side[0].v[m], t->report.side[1].v[m], 12));
        bool more = t->report.change.p[m] < PT_NOISE_BELOW;
        PT_RETURN(pt_str_puts(out, more ? " *\n" : "\n"));
        notes->marked = notes->marked || more;
        notes->interval = notes->interval || !isnan(t->report.side[0].lo[m]) || !isnan(t->report.side[1].lo[m]);
    }
    return PT_OK;
}

/* The first two metrics of each group. */
static pt_status table_scopes(const pt_task *t, const bool shown[2], pt_str *out)
{
    const bool both = shown[0] && shown[1];
    const int column = both ? 15 : 18;
    int metric[2], n = 0;
    for (const pt_task_metric *x = t->kind->metrics; x->key && n < 2; x++)
        if (measured(&t->report, pt_metric_find(x->key))) metric[n++] = pt_metric_find(x->key);
    for (int line = 0; line < 2; line++) {
        PT_RETURN(pt_report_cell(out, "", SCOPE_WIDTH));
        PT_RETURN(pt_str_printf(out, "%6s", line ? "items" : ""));
        for (int k = 0; k < n; k++) {
            if (!line) PT_RETURN(pt_str_printf(out, "%*s", both ? 2 * column : column, pt_metric_kind_at(metric[k])->key));
            for (int s = 0; s < 2 && line; s++)
                if (shown[s]) PT_RETURN(pt_str_printf(out, "%*s", column, s ? "after" : "before"));
            if (both && k + 1 < n) PT_RETURN(pt_str_puts(out, " "));
        }
        PT_RETURN(pt_str_puts(out, "\n"));
    }
    for (size_t i = 0; i < t->report.roles; i++) {
        const pt_report_role *r = &t->report.role[i];
        PT_RETURN(pt_report_cell(out, r->role[0] ? r->role : "(no group)", SCOPE_WIDTH));
        PT_RETURN(pt_str_printf(out, "%6zu", r->questions));
        for (int k = 0; k < n; k++) {
            for (int s = 0; s < 2; s++)
                if (shown[s]) PT_RETURN(pt_report_value(out, pt_metric_kind_at(metric[k])->form, r->side[s].v[metric[k]], column));
            bool more = both && r->change.p[metric[k]] < PT_NOISE_BELOW;
            if (more || (both && k + 1 < n)) PT_RETURN(pt_str_puts(out, more ? "*" : " "));
        }
        PT_RETURN(pt_str_puts(out, "\n"));
    }
    return PT_OK;
}

pt_status pt_task_table(const pt_task *t, pt_str *out)
{
    const bool shown[2] = {t->report.name[0] != NULL, t->report.name[1] != NULL};
    pt_table_notes notes = {false, false};
    char title[160];
    snprintf(title, sizeof title, "%s%s (%s, %zu item%s)", t->spec->name ? t->spec->name : t->kind->name, pt_held_word(t), t->kind->name, t->report.questions,
             t->report.questions == 1 ? "" : "s");
    PT_RETURN(pt_str_puts(out, "\n"));
    PT_RETURN(pt_report_cell(out, title, PT_LABEL_WIDTH));
    for (int s = 0; s < 2; s++)
        if (shown[s]) PT_RETURN(pt_str_printf(out, "%*s%*s", PT_VALUE_WIDTH, s == PT_BEFORE ? "before" : "after", PT_HALF_WIDTH, ""));
    PT_RETURN(pt_str_puts(out, shown[0] && shown[1] ? "      change\n" : "\n"));
    PT_RETURN(table_lines(t, shown, &notes, out));
    PT_RETURN(pt_findings_table(&t->findings, shown, &notes, out));
    PT_RETURN(table_notes(t, &notes, out));
    PT_RETURN(pt_held_table(t, shown, out));
    if (t->kind->table) PT_RETURN(t->kind->table(t, shown, out));
    return t->report.roles ? table_scopes(t, shown, out) : PT_OK;
}

/* ---- JSON ---- */

static pt_status put(json_t *object, const char *key, json_t *value)
{
    return json_object_set_new(object, key, value) == 0 ? PT_OK : pt_fail(PT_ENOMEM, "out of memory writing the report");
}

static pt_status put_row(json_t *rows, const pt_task *t, int metric, char *scope, const pt_measures side[2], const pt_changes *c)
{
    const bool shown[2] = {t->report.name[0] != NULL, t->report.name[1] != NULL};
    pt_finding x = {.metric = (char *)pt_metric_kind_at(metric)->key, .scope = scope, .p = c->p[metric], .change_lo = c->lo[metric], .change_hi = c->hi[metric], .wilcoxon = c->wilcoxon[metric], .mcnemar = c->mcnemar[metric]};
    for (int s = 0; s < 2; s++) x.side[s] = (pt_found){.value = side[s].v[metric], .lo = side[s].lo[metric], .hi = side[s].hi[metric], .n = side[s].n[metric]};
    return pt_finding_json(&x, shown, rows);
}

/* What the right option and the picked one are called: classes by name, others by the place where they were shown. */
static void names_of(const pt_task *t, const pt_pick *c, char place[2][2], const char *name[2])
{
    for (int i = 0; i < 2; i++) {
        const int k = i ? c->picked : c->gold;
        place[i][0] = (char)('A' + (k - c->shift + c->n) % c->n);
        place[i][1] = 0;
        name[i] = k < 0 ? "none" : t->n_classes ? t->classes[k] : place[i];
    }
}

static pt_status put_confusion(const pt_task *t, json_t *to)
{
    static const char *const names[2] = {"before", "after"};
    for (int s = 0; s < 2; s++) {
        json_t *matrix = json_object();
        PT_RETURN(put(to, names[s], matrix));
        for (size_t i = 0; i < t->n_choices[s]; i++) {
            const pt_pick *c = &t->choices[s][i];
            char place[2][2];
            const char *name[2];
            if ((c->n > PLACES && !t->n_classes) || c->gold < 0) continue;
            names_of(t, c, place, name);
            json_t *row = json_object_get(matrix, name[0]);
            if (!row) PT_RETURN(put(matrix, name[0], row = json_object()));
            PT_RETURN(put(row, name[1], json_integer(json_integer_value(json_object_get(row, name[1])) + 1)));
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
    PT_TRY(put(o, "path", t->spec->path ? pt_report_text(t->spec->path) : json_null()));
    PT_TRY(put(o, "items", json_integer((json_int_t)t->report.questions)));
    PT_TRY(put(o, "rows", json_incref(rows)));
    PT_TRY(put(o, "confusion", json_incref(confusion)));
    for (const pt_task_metric *x = t->kind->metrics; x->key; x++) {
        int m = pt_metric_find(x->key);
        if (m < 0 || !measured(&t->report, m)) continue;
        PT_TRY(put_row(rows, t, m, NULL, t->report.side, &t->report.change));
        for (size_t g = 0; g < t->report.roles; g++) {
            const pt_report_role *role = &t->report.role[g];
            PT_TRY(put_row(rows, t, m, role->role, role->side, &role->change));
        }
    }
    for (size_t i = 0; i < t->findings.n; i++)
        PT_TRY(pt_finding_json(&t->findings.list[i], (const bool[2]){t->report.name[0] != NULL, t->report.name[1] != NULL}, rows));
    PT_TRY(put_confusion(t, confusion));
    if (pt_held(t)) PT_TRY(pt_held_json(t, o));
    if (t->kind->json) PT_TRY(t->kind->json(t, o));
done:
    json_decref(rows);
    json_decref(confusion);
    if (rc != PT_OK) {
        json_decref(o);
        *out = NULL;
    }
    return rc;
}

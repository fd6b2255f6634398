#include "eval/metric/finding.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval/metric/noise.h"
#include "eval/stat/significance.h"

void pt_findings_free(pt_findings *f)
{
    for (size_t i = 0; i < f->n; i++) {
        free(f->list[i].metric);
        free(f->list[i].label);
        free(f->list[i].scope);
    }
    free(f->list);
    *f = (pt_findings){0};
}

static bool same(const char *a, const char *b)
{
    return a && b ? !strcmp(a, b) : a == b;
}

pt_status pt_finding_get(pt_findings *f, const char *metric, const char *label, const char *scope, pt_finding **out)
{
    const pt_found none = {.value = NAN, .lo = NAN, .hi = NAN};
    for (size_t i = 0; i < f->n; i++) {
        *out = &f->list[i];
        if (same((*out)->metric, metric) && same((*out)->scope, scope)) return PT_OK;
    }
    PT_RETURN(pt_reserve(&f->list, &f->cap, f->n + 1));
    *out = &f->list[f->n++];
    **out = (pt_finding){.form = PT_FORM_SCORE, .side = {none, none}, .p = NAN, .raw = NAN, .wilcoxon = NAN, .mcnemar = NAN, .change_lo = NAN, .change_hi = NAN};
    PT_RETURN(pt_strdup(&(*out)->metric, metric));
    PT_RETURN(pt_strdup(&(*out)->label, label));
    return scope ? pt_strdup(&(*out)->scope, scope) : PT_OK;
}

static bool one_family(const pt_finding *a, const pt_finding *b)
{
    return a->scope ? b->scope && !strcmp(a->metric, b->metric) : !b->scope && a->detail == b->detail;
}

pt_status pt_findings_correct_beside(pt_findings *const *f, size_t n)
{
    pt_status rc = PT_OK;
    pt_finding **all = NULL;
    double *p = NULL;
    size_t rows = 0;
    for (size_t i = 0; i < n; i++) rows += f[i]->n;
    PT_TRY(pt_alloc0(&all, rows));
    PT_TRY(pt_alloc0(&p, rows));
    rows = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < f[i]->n; k++) all[rows++] = &f[i]->list[k];
    for (size_t i = 0; i < rows; i++) {
        size_t k = 0;
        pt_finding *first = all[i];
        for (size_t j = i; first && j < rows; j++)
            if (all[j] && one_family(first, all[j])) p[k++] = all[j]->raw;
        PT_TRY(pt_holm(p, k));
        k = 0;
        for (size_t j = i; first && j < rows; j++) { /* who has been served leaves the list */
            if (!all[j] || !one_family(first, all[j])) continue;
            all[j]->p = p[k++];
            all[j] = NULL;
        }
    }
done:
    free(all);
    free(p);
    return rc;
}

pt_status pt_findings_correct(pt_findings *f)
{
    for (size_t i = 0; i < f->n; i++) f->list[i].raw = f->list[i].p;
    return pt_findings_correct_beside(&f, 1);
}

/* ---- the table ---- */

pt_status pt_finding_value(pt_str *out, pt_metric_form form, double value, double lo, double hi)
{
    double half = (hi - lo) / 2;
    PT_RETURN(pt_report_value(out, form, value, PT_VALUE_WIDTH));
    if (isnan(half) || isnan(value)) return pt_str_printf(out, "%*s", PT_HALF_WIDTH, "");
    if (form == PT_FORM_RATIO) return pt_str_printf(out, " \xc2\xb1%-*.3g", PT_HALF_WIDTH - 2, half);
    return pt_str_printf(out, " \xc2\xb1%-*.*f", PT_HALF_WIDTH - 2, form == PT_FORM_SHARE || half >= 10 ? 1 : 3, form == PT_FORM_SHARE ? 100 * half : half);
}

static pt_status line(const pt_finding *x, const bool shown[2], pt_str *out)
{
    PT_RETURN(pt_report_cell(out, x->label, PT_LABEL_WIDTH));
    for (int s = 0; s < 2; s++) {
        const pt_found *v = &x->side[s];
        if (!shown[s]) continue;
        if (v->text[0]) PT_RETURN(pt_str_printf(out, "%*s%*s", PT_VALUE_WIDTH, v->text, PT_HALF_WIDTH, ""));
        else PT_RETURN(pt_finding_value(out, x->form, v->value, v->lo, v->hi));
    }
    if (shown[0] && shown[1] && !x->side[0].text[0]) PT_RETURN(pt_report_change(out, x->form, 0, x->side[0].value, x->side[1].value, 12));
    return pt_str_puts(out, x->p < PT_NOISE_BELOW ? " *\n" : "\n");
}

static bool says(const pt_finding *x)
{
    return !x->detail && (!isnan(x->side[0].value) || !isnan(x->side[1].value) || x->side[0].text[0] || x->side[1].text[0]);
}

/* The lines of one scope. */
static pt_status scope_lines(const pt_findings *f, const char *scope, const bool shown[2], pt_str *out)
{
    pt_str name = {0};
    pt_status rc = PT_OK;
    if (scope) PT_TRY(pt_report_cell(&name, scope, PT_LABEL_WIDTH - 2));
    while (name.len && name.text[name.len - 1] == ' ') name.text[--name.len] = 0;
    if (scope) PT_TRY(pt_str_printf(out, "  %s\n", name.text ? name.text : ""));
    for (size_t i = 0; i < f->n; i++)
        if (says(&f->list[i]) && same(scope, f->list[i].scope)) PT_TRY(line(&f->list[i], shown, out));
done:
    pt_str_free(&name);
    return rc;
}

pt_status pt_findings_table(const pt_findings *f, const bool shown[2], pt_table_notes *notes, pt_str *out)
{
    PT_RETURN(scope_lines(f, NULL, shown, out));
    for (size_t i = 0; i < f->n; i++) {
        const pt_finding *x = &f->list[i];
        bool first = says(x) && x->scope;
        for (size_t k = 0; k < i && first; k++) first = !says(&f->list[k]) || !same(x->scope, f->list[k].scope);
        if (first) PT_RETURN(scope_lines(f, x->scope, shown, out));
        notes->interval = notes->interval || (says(x) && (!isnan(x->side[0].lo) || !isnan(x->side[1].lo)));
        notes->marked = notes->marked || (says(x) && x->p < PT_NOISE_BELOW);
    }
    return PT_OK;
}

/* ---- JSON ---- */

static pt_status put(json_t *object, const char *key, json_t *value)
{
    return json_object_set_new(object, key, value) == 0 ? PT_OK : pt_fail(PT_ENOMEM, "out of memory writing the report");
}

static json_t *number(double v)
{
    return isfinite(v) ? json_real(v) : json_null();
}

static json_t *interval(double lo, double hi)
{
    return isfinite(lo) && isfinite(hi) ? json_pack("[f, f]", lo, hi) : json_null();
}

static json_t *side_of(const pt_found *v)
{
    json_t *ci = interval(v->lo, v->hi);
    return json_pack("{so sI so}", "value", v->text[0] ? json_string(v->text) : number(v->value), "n", (json_int_t)v->n, "ci", ci);
}

pt_status pt_finding_json(const pt_finding *x, const bool shown[2], json_t *rows)
{
    json_t *o = json_object();
    if (json_array_append_new(rows, o)) return pt_fail(PT_ENOMEM, "out of memory writing the report");
    PT_RETURN(put(o, "metric", pt_report_text(x->metric)));
    PT_RETURN(put(o, "scope", x->scope ? pt_report_text(x->scope) : json_null()));
    PT_RETURN(put(o, "before", shown[0] ? side_of(&x->side[0]) : json_null()));
    PT_RETURN(put(o, "after", shown[1] ? side_of(&x->side[1]) : json_null()));
    PT_RETURN(put(o, "p", number(x->p)));
    PT_RETURN(put(o, "wilcoxon", number(x->wilcoxon)));
    PT_RETURN(put(o, "mcnemar", number(x->mcnemar)));
    return put(o, "change_ci", interval(x->change_lo, x->change_hi));
}

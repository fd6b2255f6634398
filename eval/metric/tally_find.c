/* Tallied values as findings: rows that are called by what a task's file holds. */
#include <stdlib.h>

#include "eval/metric/tally.h"

void pt_tally_rows_free(pt_tally_row *rows, size_t n)
{
    for (size_t k = 0; k < n; k++) {
        free(rows[k].metric);
        free(rows[k].label);
    }
    free(rows);
}

typedef struct finder {
    const pt_tally *t;
    pt_side side;
    const pt_tally_row *rows;
    uint64_t seed;
    pt_findings *f;
    double *sums, *value;
    pt_tallied *got;
} finder;

static pt_status find_scope(finder *x, int64_t scope, const char *name)
{
    const pt_tally *t = x->t;
    const struct pt_report_parts *p = t->side[x->side];
    size_t n = 0;
    for (size_t k = 0; k < t->width; k++) x->sums[k] = 0;
    for (size_t i = 0; i < p->n; i++) {
        if (scope >= 0 && p->role[i] != (size_t)scope) continue;
        for (size_t k = 0; k < t->width; k++) x->sums[k] += p->of[i * t->width + k];
        n++;
    }
    t->value(t->user, x->sums, x->value);
    PT_RETURN(pt_tally_noise(t, x->side, scope, x->seed, x->got));
    for (size_t k = 0; k < t->values; k++) {
        pt_finding *row;
        PT_RETURN(pt_finding_get(x->f, x->rows[k].metric, x->rows[k].label, name, &row));
        row->form = x->rows[k].form;
        row->detail = x->rows[k].detail || name;
        row->side[x->side] = (pt_found){.value = x->value[k], .lo = x->got[k].ci.lo, .hi = x->got[k].ci.hi, .n = n};
        row->p = x->got[k].p;
        row->change_lo = x->got[k].change.lo;
        row->change_hi = x->got[k].change.hi;
        row->wilcoxon = x->got[k].wilcoxon;
        row->mcnemar = x->got[k].mcnemar;
        row->change_lo = x->got[k].change.lo;
        row->change_hi = x->got[k].change.hi;
    }
    return PT_OK;
}

pt_status pt_tally_find(const pt_tally *t, pt_side side, const pt_tally_row *rows, char *const *scopes, size_t n_scopes, uint64_t seed, pt_findings *f)
{
    pt_status rc = PT_OK;
    finder x = {.t = t, .side = side, .rows = rows, .seed = seed, .f = f};
    PT_TRY(pt_alloc0(&x.sums, t->width));
    PT_TRY(pt_alloc0(&x.value, t->values));
    PT_TRY(pt_alloc0(&x.got, t->values));
    PT_TRY(find_scope(&x, PT_TALLY_ALL, NULL));
    for (size_t g = 0; n_scopes > 1 && g < n_scopes; g++) PT_TRY(find_scope(&x, (int64_t)g, scopes[g]));
    PT_TRY(pt_findings_correct(f));
done:
    free(x.sums);
    free(x.value);
    free(x.got);
    return rc;
}

#include "eval/task/convergence.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval/stat/correlation.h"

enum { PERSONAS_LEAST = 3 };
static const char prefix[] = "scale.";

/* A persona's score of a scale. */
static bool is_score(const pt_finding *x)
{
    return x->scope && !x->detail && !strncmp(x->metric, prefix, sizeof prefix - 1);
}

/* The rows of f that say a new scale: their number; list[f->n]. */
static size_t scales_of(const pt_findings *f, size_t *list)
{
    size_t n = 0;
    for (size_t i = 0; i < f->n; i++) {
        bool met = !is_score(&f->list[i]);
        for (size_t k = 0; k < n && !met; k++) met = !strcmp(f->list[list[k]].metric, f->list[i].metric);
        if (!met) list[n++] = i;
    }
    return n;
}

/* x[from->n]: of each score of the scale `one` of `from`, in order, the value of `metric` in `of` for the same persona. */
static size_t values_of(const pt_findings *from, const char *one, const pt_findings *of, const char *metric, pt_side side, double *x)
{
    size_t n = 0;
    for (size_t i = 0; i < from->n; i++) {
        if (!is_score(&from->list[i]) || strcmp(from->list[i].metric, one)) continue;
        x[n] = NAN;
        for (size_t k = 0; k < of->n; k++)
            if (is_score(&of->list[k]) && !strcmp(of->list[k].metric, metric) && !strcmp(of->list[k].scope, from->list[i].scope)) x[n] = of->list[k].side[side].value;
        n++;
    }
    return n;
}

static pt_status put(pt_findings *to, const char *a, const char *b, const char *name, pt_side side, double value, size_t n)
{
    pt_status rc = PT_OK;
    pt_str metric = {0}, label = {0};
    pt_finding *x;
    PT_TRY(pt_str_printf(&metric, "convergent.%s%s%s.%s", name ? name : "", name ? "." : "", a, b));
    PT_TRY(pt_str_printf(&label, "%s with %s", a, b));
    PT_TRY(pt_finding_get(to, metric.text, label.text, NULL, &x));
    x->detail = true;
    x->side[side].value = value;
    x->side[side].n = n;
done:
    pt_str_free(&metric);
    pt_str_free(&label);
    return rc;
}

pt_status pt_convergence_find(pt_findings *to, const pt_findings *other, const char *name, pt_side side)
{
    pt_status rc = PT_OK;
    const pt_findings *of = other ? other : to;
    size_t *mine = NULL, *its = NULL, n, m;
    double *x = NULL, *y = NULL;
    PT_TRY(pt_alloc0(&mine, to->n));
    PT_TRY(pt_alloc0(&its, of->n));
    PT_TRY(pt_alloc0(&x, to->n));
    PT_TRY(pt_alloc0(&y, to->n));
    n = scales_of(to, mine);
    m = scales_of(of, its);
    for (size_t i = 0; i < n; i++)
        for (size_t k = other ? 0 : i + 1; k < m; k++) {
            const char *a = to->list[mine[i]].metric, *b = of->list[its[k]].metric;
            const size_t people = values_of(to, a, to, a, side, x);
            size_t both = 0;
            values_of(to, a, of, b, side, y);
            for (size_t p = 0; p < people; p++) both += !isnan(x[p]) && !isnan(y[p]);
            double r = both >= PERSONAS_LEAST ? pt_pearson(x, y, people) : NAN;
            if (!isnan(r)) PT_TRY(put(to, a + sizeof prefix - 1, b + sizeof prefix - 1, name, side, r, both));
        }
done:
    free(mine);
    free(its);
    free(x);
    free(y);
    return rc;
}

#include "eval/task/inventory.h"

#include <math.h>
#include <stdlib.h>

void pt_inventory_free(pt_inventory *v)
{
    for (int i = 0; v->labels && i <= v->high - v->low; i++) free(v->labels[i]);
    for (size_t i = 0; i < v->n_items; i++) {
        free(v->items[i].id);
        free(v->items[i].text);
    }
    for (size_t i = 0; i < v->n_scales; i++) {
        free(v->scales[i].name);
        free(v->scales[i].domain);
        free(v->scales[i].keyed);
    }
    free(v->labels);
    free(v->items);
    free(v->scales);
    free(v->name);
    free(v->instruction);
    *v = (pt_inventory){0};
}

static bool missing(const pt_inventory *v, double x)
{
    return isnan(x) || (x == 0 && v->low > 0);
}

pt_status pt_inventory_check(const pt_inventory *v, const double *answers)
{
    for (size_t i = 0; i < v->n_items; i++)
        if (!missing(v, answers[i]) && !(answers[i] >= v->low && answers[i] <= v->high))
            return pt_fail(PT_EFORMAT, "the answer to item %s is %g: %s takes %d to %d", v->items[i].id, answers[i], v->name, v->low, v->high);
    return PT_OK;
}

double pt_inventory_keyed(const pt_inventory *v, const pt_scale *scale, size_t i, const double *answers)
{
    double x = answers[scale->keyed[i].item];
    return missing(v, x) ? NAN : scale->keyed[i].key > 0 ? x : v->low + v->high - x;
}

static bool has(const bool *asked, size_t item)
{
    return !asked || asked[item];
}

pt_scale_score pt_inventory_score(const pt_inventory *v, const pt_scale *scale, const double *answers, const bool *asked)
{
    pt_scale_score s = {.mean = NAN, .value = NAN};
    double sum = 0;
    for (size_t i = 0; i < scale->n; i++) {
        if (!has(asked, scale->keyed[i].item)) continue;
        double x = pt_inventory_keyed(v, scale, i, answers);
        s.items++;
        if (isnan(x)) continue;
        s.answered++;
        sum += x;
    }
    if (!s.answered || 3 * s.answered < 2 * s.items) return s;
    s.mean = sum / (double)s.answered;
    if (!v->sum) s.value = s.mean;
    else if (s.answered == s.items) s.value = sum;
    return s;
}

/* The middle of the mean raw answers to + and to - items of a scale; NAN: one of them has none. */
static double both_keys(const pt_inventory *v, const pt_scale *scale, const double *answers, const bool *asked)
{
    double sum[2] = {0, 0};
    size_t n[2] = {0, 0};
    for (size_t i = 0; i < scale->n; i++) {
        size_t item = scale->keyed[i].item;
        if (!has(asked, item) || missing(v, answers[item])) continue;
        sum[scale->keyed[i].key > 0] += answers[item];
        n[scale->keyed[i].key > 0]++;
    }
    return n[0] && n[1] ? (sum[0] / (double)n[0] + sum[1] / (double)n[1]) / 2 : NAN;
}

pt_sheet_style pt_inventory_style(const pt_inventory *v, const double *answers, const bool *asked)
{
    size_t n = 0, gaps = 0, ends = 0, balanced = 0;
    double agree = 0, middle = (v->low + v->high) / 2.0;
    for (size_t i = 0; i < v->n_items; i++) {
        if (!has(asked, i)) continue;
        n++;
        if (missing(v, answers[i])) gaps++;
        else ends += answers[i] == v->low || answers[i] == v->high;
    }
    for (size_t i = 0; i < v->n_scales; i++) {
        double x = v->scales[i].domain ? NAN : both_keys(v, &v->scales[i], answers, asked);
        if (isnan(x)) continue;
        agree += (v->agree_low ? -1 : 1) * (x - middle);
        balanced++;
    }
    return (pt_sheet_style){.missing = n ? (double)gaps / (double)n : NAN, .extreme = n > gaps ? (double)ends / (double)(n - gaps) : NAN,
                            .acquiescence = balanced ? agree / (double)balanced / (v->high - middle) : NAN};
}

void pt_inventory_type(const pt_inventory *v, const double *answers, const bool *asked, char out[9])
{
    double middle = (v->low + v->high) / 2.0;
    size_t n = 0;
    for (size_t i = 0; i < v->n_scales && n < 8; i++) {
        const pt_scale *s = &v->scales[i];
        if (!s->poles[0]) continue;
        double mean = pt_inventory_score(v, s, answers, asked).mean;
        out[n++] = mean > middle ? s->poles[0] : mean < middle ? s->poles[1] : 'X';
    }
    out[n] = 0;
}

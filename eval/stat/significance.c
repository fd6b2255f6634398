#include "eval/stat/significance.h"

#include <math.h>
#include <stdlib.h>

#include "eval/stat/special.h"

pt_sample pt_sample_of(const double *x, size_t n)
{
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++) sum += x[i];
    pt_sample s = {n, n ? sum / (double)n : NAN, NAN};
    for (size_t i = 0; i < n; i++) squares += (x[i] - s.mean) * (x[i] - s.mean);
    if (n > 1) s.variance = squares / (double)(n - 1);
    return s;
}

pt_welch pt_welch_test(pt_sample a, pt_sample b)
{
    pt_welch w = {NAN, NAN, NAN, NAN, NAN};
    if (a.n < 2 || b.n < 2 || !(a.variance + b.variance > 0)) return w;
    double na = (double)a.n, nb = (double)b.n, va = a.variance / na, vb = b.variance / nb;
    double pooled = ((na - 1) * a.variance + (nb - 1) * b.variance) / (na + nb - 2);
    w.t = (a.mean - b.mean) / sqrt(va + vb);
    w.df = (va + vb) * (va + vb) / (va * va / (na - 1) + vb * vb / (nb - 1));
    w.p = pt_student_two_sided(w.t, w.df);
    w.d = (a.mean - b.mean) / sqrt(pooled);
    w.g = w.d * (1 - 3 / (4 * (na + nb) - 9));
    return w;
}

int pt_double_order(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int by_value(const void *a, const void *b)
{
    const double *x = *(const double *const *)a, *y = *(const double *const *)b;
    if (*x != *y) return *x < *y ? -1 : 1;
    return (x > y) - (x < y);
}

pt_status pt_holm(double *p, size_t n)
{
    double **order, most = 0;
    size_t m = 0;
    PT_RETURN(pt_alloc0(&order, n));
    for (size_t i = 0; i < n; i++)
        if (!isnan(p[i])) order[m++] = &p[i];
    qsort(order, m, sizeof *order, by_value);
    for (size_t k = 0; k < m; k++) {
        most = fmax(most, fmin(1, *order[k] * (double)(m - k)));
        *order[k] = most;
    }
    free(order);
    return PT_OK;
}

double pt_quantile(const double *sorted, size_t n, double q)
{
    if (!n) return NAN;
    double at = q * (double)(n - 1);
    size_t i = (size_t)at;
    if (i + 1 >= n) return sorted[n - 1];
    return sorted[i] + (at - (double)i) * (sorted[i + 1] - sorted[i]);
}

/* Tests of pairs: McNemar's, and Wilcoxon's signed ranks. */
#include <math.h>
#include <stdlib.h>

#include "eval/stat/special.h"
#include "eval/stat/significance.h"

double pt_mcnemar(size_t b, size_t c)
{
    double n = (double)b + (double)c, less = (double)(b < c ? b : c), far = n - 2 * less - 1;
    if (b == c) return 1;
    if (n < PT_MCNEMAR_EXACT) return fmin(1, 2 * pt_binomial_lower(less, n, 0.5));
    return pt_chi2_upper(far * far / n, 1);
}

/* P(W+ <= w) of n ranks, each doubled so that mean ranks are whole, every sign as likely as the other: counts of subsets by their sum. */
static pt_status exact_lower(const int *rank2, size_t n, int w2, double *p)
{
    int total = 0;
    double *ways, below = 0;
    for (size_t i = 0; i < n; i++) total += rank2[i];
    PT_RETURN(pt_alloc0(&ways, total + 1));
    ways[0] = 1;
    for (size_t i = 0, most = 0; i < n; i++) {
        most += (size_t)rank2[i];
        for (size_t s = most; s >= (size_t)rank2[i]; s--) ways[s] += ways[s - (size_t)rank2[i]];
    }
    for (int s = 0; s <= w2; s++) below += ways[s];
    *p = ldexp(below, -(int)n);
    free(ways);
    return PT_OK;
}

static int by_size(const void *a, const void *b)
{
    double x = fabs(*(const double *)a), y = fabs(*(const double *)b);
    return (x > y) - (x < y);
}

pt_status pt_wilcoxon_test(const double *d, size_t n, pt_wilcoxon *out)
{
    pt_status rc = PT_OK;
    double *x = NULL, plus = 0, ties = 0;
    int rank2[50];
    size_t m = 0;
    *out = (pt_wilcoxon){.statistic = NAN, .p = NAN};
    PT_TRY(pt_alloc0(&x, n));
    for (size_t i = 0; i < n; i++) {
        if (isnan(d[i])) goto done;
        if (d[i] != 0) x[m++] = d[i];
    }
    qsort(x, m, sizeof *x, by_size);
    for (size_t i = 0, end; i < m; i = end) {
        for (end = i + 1; end < m && fabs(x[end]) == fabs(x[i]);) end++;
        double size = (double)(end - i), rank = (double)(i + end + 1) / 2;
        ties += size * size * size - size;
        for (size_t k = i; k < end; k++) {
            if (x[k] > 0) plus += rank;
            if (k < 50) rank2[k] = (int)(i + end + 1);
        }
    }
    double k = (double)m, all = k * (k + 1) / 2;
    out->n = m;
    out->exact = (n <= 50 && m == n && ties == 0) || n <= 13;
    out->statistic = fmin(plus, all - plus);
    if (!n) goto done;
    if (!m) {
        out->p = 1;
    } else if (out->exact) {
        PT_TRY(exact_lower(rank2, m, (int)(2 * out->statistic), &out->p));
        out->p = fmin(1, 2 * out->p);
    } else {
        out->p = pt_normal_two_sided((plus - all / 2) / sqrt((k * (k + 1) * (2 * k + 1) - ties / 2) / 24));
    }
done:
    free(x);
    return rc;
}

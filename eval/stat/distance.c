#include "eval/stat/distance.h"

#include <math.h>

static double sum_of(const double *p, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += p[i];
    return sum;
}

/* p log2(p / m); nothing where there is nothing. */
static double bits(double p, double m)
{
    return p > 0 ? p * log2(p / m) : 0;
}

double pt_jensen_shannon(const double *p, const double *q, size_t n)
{
    const double a = sum_of(p, n), b = sum_of(q, n);
    double sum = 0;
    if (!(a > 0) || !(b > 0)) return NAN;
    for (size_t i = 0; i < n; i++) {
        double x = p[i] / a, y = q[i] / b, m = (x + y) / 2;
        sum += bits(x, m) + bits(y, m);
    }
    return sqrt(fmax(0, sum / 2)); /* rounding may leave less than nothing */
}

double pt_wasserstein(const double *p, const double *q, size_t n)
{
    const double a = sum_of(p, n), b = sum_of(q, n);
    double apart = 0, sum = 0;
    if (!(a > 0) || !(b > 0)) return NAN;
    for (size_t i = 0; i + 1 < n; i++) {
        apart += p[i] / a - q[i] / b;
        sum += fabs(apart);
    }
    return sum;
}

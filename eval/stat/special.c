#include "eval/stat/special.h"

#include <float.h>
#include <math.h>

static const double TWO_PI = 6.283185307179586476925286766559;
static const double TINY = 1e-300;
enum { TERMS = 1000000 };

/* log(z!) - log of Stirling's formula. Below 16 by log-gamma, where nothing cancels that matters; else the series. */
static double stirling_rest(double z)
{
    if (z < 16) return lgamma(z + 1) - (z + 0.5) * log(z) + z - 0.5 * log(TWO_PI);
    double s = z * z;
    return (1.0 / 12 - (1.0 / 360 - (1.0 / 1260 - (1.0 / 1680 - (1.0 / 1188 - 691.0 / 360360 / s) / s) / s) / s) / s) / z;
}

/* x log(x/m) + m - x, without cancellation where x is near m. */
static double deviance(double x, double m)
{
    if (fabs(x - m) >= 0.1 * (x + m)) return x * log(x / m) + m - x;
    double v = (x - m) / (x + m), sum = (x - m) * v, term = 2 * x * v, square = v * v;
    for (int k = 1; k < 1000; k++) {
        double before = sum;
        term *= square;
        sum += term / (2 * k + 1);
        if (sum == before) break;
    }
    return sum;
}

/* x^a y^b / B(a, b). */
static double beta_front(double a, double b, double x, double y)
{
    double n = a + b;
    double e = stirling_rest(n) - stirling_rest(a) - stirling_rest(b) - deviance(a, n * x) - deviance(b, n * y);
    return exp(e) * sqrt(n / (TWO_PI * a * b)) * a * b / n;
}

/* The continued fraction of DiDonato and Morris (1992, "Algorithm 708", eq. 9), the even part of the usual one: what the usual one cancels away for
 * large a stands in far = a - (a + b) x, which is at least 0. */
static double beta_fraction(double a, double b, double x, double y, double far)
{
    double c = far + 1, c1 = 1 / a + 1, p = 1, s = a + 1, an = 0, bn = 1, an1 = 1, bn1 = c / c1, r = c1 / c;
    for (int n = 1; n < TERMS; n++) {
        double t = n / a, w = n * (b - n) * x, e = a / s, before = r;
        double alpha = p * (p + b / a) * e * e * (w * x);
        e = (t + 1) / (c1 + t + t);
        double beta = n + w / s + e * (c + n * (y + 1)), next;
        p = t + 1;
        s += 2;
        next = alpha * an + beta * an1, an = an1, an1 = next;
        next = alpha * bn + beta * bn1, bn = bn1, bn1 = next;
        r = an1 / bn1;
        if (fabs(r - before) <= DBL_EPSILON / 2 * r) break;
        an /= bn1, bn /= bn1, an1 = r, bn1 = 1;
    }
    return r;
}

double pt_beta_inc(double a, double b, double x, double y)
{
    if (!(a > 0) || !(b > 0) || !(x >= 0) || !(y >= 0) || x > 1 || y > 1) return NAN;
    if (x == 0 || y == 0) return y == 0;
    double far = a > b ? (a + b) * y - b : a - (a + b) * x;
    if (far >= 0) return beta_front(a, b, x, y) * beta_fraction(a, b, x, y, far);
    return 1 - beta_front(b, a, y, x) * beta_fraction(b, a, y, x, -far);
}

/* x^a e^-x / Gamma(a + 1). */
static double gamma_front(double a, double x)
{
    return exp(-stirling_rest(a) - deviance(a, x)) / sqrt(TWO_PI * a);
}

static double gamma_series(double a, double x)
{
    double sum = 1, term = 1;
    for (int k = 1; k < TERMS && term > sum * DBL_EPSILON / 4; k++) sum += term *= x / (a + k);
    return sum * gamma_front(a, x);
}

static double gamma_fraction(double a, double x)
{
    double b = x + 1 - a, c = 1 / TINY, d = 1 / b, h = d;
    for (int k = 1; k < TERMS; k++) {
        double t = -k * (k - a);
        b += 2;
        d = t * d + b;
        c = b + t / c;
        d = 1 / (fabs(d) < TINY ? TINY : d);
        if (fabs(c) < TINY) c = TINY;
        h *= d * c;
        if (fabs(d * c - 1) < DBL_EPSILON) break;
    }
    return h * a * gamma_front(a, x);
}

static double gamma_part(double a, double x, int upper)
{
    if (!(a > 0) || !(x >= 0)) return NAN;
    if (x == 0 || isinf(x)) return (x == 0) == upper;
    if (x < a + 1) return upper ? 1 - gamma_series(a, x) : gamma_series(a, x);
    return upper ? gamma_fraction(a, x) : 1 - gamma_fraction(a, x);
}

double pt_gamma_p(double a, double x)
{
    return gamma_part(a, x, 0);
}

double pt_gamma_q(double a, double x)
{
    return gamma_part(a, x, 1);
}

double pt_normal_two_sided(double z)
{
    return erfc(fabs(z) / sqrt(2));
}

double pt_student_two_sided(double t, double df)
{
    if (isinf(t)) return df > 0 ? 0 : NAN;
    return pt_beta_inc(df / 2, 0.5, df / (df + t * t), t * t / (df + t * t));
}

double pt_chi2_upper(double x, double df)
{
    return pt_gamma_q(df / 2, x / 2);
}

double pt_binomial_lower(double k, double n, double p)
{
    if (!(n >= 0) || !(p >= 0) || !(p <= 1) || isnan(k)) return NAN;
    k = floor(k);
    if (k < 0 || k >= n) return k >= n;
    return pt_beta_inc(n - k, k + 1, 1 - p, p);
}

/* How far numbers given lie from the rows' (y the row's, f the one given; of answers in which one was read). What varies on one side alone has no
 * correlation: undefined, never 0 or 1. Sources: scikit-learn 1.9.1, scipy 1.17.1; the intraclass correlations are pingouin's (eval/stat/reliability.h). */
#include <math.h>
#include <stdlib.h>

#include "eval/metric/metric.h"
#include "eval/stat/correlation.h"
#include "eval/stat/reliability.h"

static bool given(const pt_pick *c)
{
    return c->number && !isnan(c->number[1]);
}

/* ---- means ---- */

static double mean(const pt_pick *const *c, size_t n, size_t *counted, double (*of)(double d))
{
    double sum = 0;
    *counted = 0;
    for (size_t i = 0; i < n; i++) {
        if (!given(c[i])) continue;
        sum += of(c[i]->number[1] - c[i]->number[0]);
        ++*counted;
    }
    return *counted ? sum / (double)*counted : NAN;
}

static double square(double d)
{
    return d * d;
}

static double mse(const pt_pick *const *c, size_t n, size_t *counted)
{
    return mean(c, n, counted, square);
}
static double mae(const pt_pick *const *c, size_t n, size_t *counted)
{
    return mean(c, n, counted, fabs);
}

/* Mean of |f - y| / width of the scale, an answer without a number counting 1 ("normalised mean absolute percentage error" of BEYOND DIALOGUE,
 * arXiv:2408.10903, AutoRPEval/src/CESRPExp, where scales go from 0 to 10). */
static double nmape(const pt_pick *const *c, size_t n, size_t *counted)
{
    double sum = 0;
    *counted = 0;
    for (size_t i = 0; i < n; i++) {
        if (!c[i]->number || !(c[i]->width > 0)) continue;
        sum += given(c[i]) ? fabs(c[i]->number[1] - c[i]->number[0]) / c[i]->width : 1;
        ++*counted;
    }
    return *counted ? sum / (double)*counted : NAN;
}

/* ---- what follows from sums ---- */

enum { ALL, Y, F, YY, FF, YF, DD, SUMS };

static void add(const pt_pick *const *c, size_t n, double *s)
{
    for (size_t i = 0; i < n; i++) {
        if (!given(c[i])) continue;
        const double y = c[i]->number[0], f = c[i]->number[1];
        const double part[SUMS] = {1, y, f, y * y, f * f, y * f, (f - y) * (f - y)};
        for (int k = 0; k < SUMS; k++) s[k] += part[k];
    }
}

/* Squares about the mean from a sum of squares; what is rounding is 0. */
static double about(double squares, double sum, double n)
{
    const double v = squares - sum * sum / n;
    return v > 1e-12 * squares ? v : 0;
}

static double rmse_of(const double *s)
{
    return s[ALL] > 0 ? sqrt(s[DD] / s[ALL]) : NAN;
}

static double r2_of(const double *s)
{
    const double all = s[ALL] > 0 ? about(s[YY], s[Y], s[ALL]) : 0;
    return all > 0 ? 1 - s[DD] / all : NAN;
}

static double pearson_of(const double *s)
{
    const double y = about(s[YY], s[Y], s[ALL]), f = about(s[FF], s[F], s[ALL]);
    return s[ALL] > 1 && y > 0 && f > 0 ? fmax(-1, fmin(1, (s[YF] - s[Y] * s[F] / s[ALL]) / sqrt(y * f))) : NAN;
}

/* Two raters, the rows and the answers: squares of means r and of differences d = f - y. */
static pt_icc icc_of(const double *s)
{
    const double n = s[ALL], r = s[Y] + s[F], rr = s[YY] + 2 * s[YF] + s[FF], d = s[F] - s[Y];
    if (!(n > 1)) return (pt_icc){NAN, NAN, NAN, NAN, NAN, NAN};
    const double apart = d * d / n, rest = about(s[DD], d, n);
    return pt_icc_of_squares(about(rr, r, n) / 2 / (n - 1), s[DD] / 2 / n, apart / 2, rest / 2 / (n - 1), n, 2);
}
static double icc1_of(const double *s)
{
    return icc_of(s).one;
}
static double icc2_of(const double *s)
{
    return icc_of(s).two;
}
static double icc3_of(const double *s)
{
    return icc_of(s).three;
}

/* ---- the values themselves, of the numbers: sums of their squares would lose digits ---- */

/* [m][2] where a number was given; NULL: none, or no memory. */
static double *pairs(const pt_pick *const *c, size_t n, size_t *m)
{
    *m = 0;
    double *x = malloc(2 * n * sizeof *x);
    for (size_t i = 0; x && i < n; i++) {
        if (!given(c[i])) continue;
        x[2 * *m] = c[i]->number[0];
        x[2 * (*m)++ + 1] = c[i]->number[1];
    }
    return x;
}

/* How many, squares of y about its mean, squares of f - y. */
static bool centred(const pt_pick *const *c, size_t n, double *s)
{
    double y = 0, size = 0, m = 0;
    for (size_t i = 0; i < n; i++)
        if (given(c[i])) y += c[i]->number[0], m++;
    for (int k = 0; k < SUMS; k++) s[k] = 0;
    for (size_t i = 0; i < n; i++) {
        if (!given(c[i])) continue;
        const double a = c[i]->number[0] - y / m, d = c[i]->number[1] - c[i]->number[0];
        s[ALL]++;
        s[YY] += a * a;
        s[DD] += d * d;
        size += c[i]->number[0] * c[i]->number[0];
    }
    if (s[YY] <= 1e-24 * size) s[YY] = 0;
    return s[ALL] > 0;
}

static double rmse(const pt_pick *const *c, size_t n, size_t *counted)
{
    return sqrt(mse(c, n, counted));
}

/* 1 - sum (y - f)^2 / sum (y - mean y)^2 (r2_score; undefined, not 0 or 1, where y is constant). */
static double r2(const pt_pick *const *c, size_t n, size_t *counted)
{
    double s[SUMS];
    const bool any = centred(c, n, s);
    *counted = (size_t)s[ALL];
    return any && s[YY] > 0 ? 1 - s[DD] / s[YY] : NAN;
}

static double pearson(const pt_pick *const *c, size_t n, size_t *counted)
{
    double *x = pairs(c, n, counted), out = NAN;
    double *y = x ? malloc(2 * *counted * sizeof *y) : NULL;
    for (size_t i = 0; y && i < *counted; i++) y[i] = x[2 * i], y[*counted + i] = x[2 * i + 1];
    if (y) out = pt_pearson(y, y + *counted, *counted);
    free(x);
    free(y);
    return out;
}

static pt_icc icc(const pt_pick *const *c, size_t n, size_t *counted)
{
    double *x = pairs(c, n, counted);
    pt_icc out = pt_icc_of(x, x ? *counted : 0, 2);
    free(x);
    return out;
}
static double icc1(const pt_pick *const *c, size_t n, size_t *counted)
{
    return icc(c, n, counted).one;
}
static double icc2(const pt_pick *const *c, size_t n, size_t *counted)
{
    return icc(c, n, counted).two;
}
static double icc3(const pt_pick *const *c, size_t n, size_t *counted)
{
    return icc(c, n, counted).three;
}

#define OF_SUMS .sums = SUMS, .add = add
const pt_metric_kind pt_metric_kind_mse = {.key = "mse", .label = "mean squared error", .form = PT_FORM_SCORE, .better = -1, .choices = mse, .mean = true};
const pt_metric_kind pt_metric_kind_mae = {.key = "mae", .label = "mean absolute error", .form = PT_FORM_SCORE, .better = -1, .choices = mae, .mean = true};
const pt_metric_kind pt_metric_kind_nmape = {.key = "nmape", .label = "absolute error by the scale (NMAPE)", .form = PT_FORM_SHARE, .better = -1, .choices = nmape,
                                             .mean = true};
const pt_metric_kind pt_metric_kind_rmse = {.key = "rmse", .label = "root mean squared error", .form = PT_FORM_SCORE, .better = -1, .choices = rmse, OF_SUMS,
                                            .of_sums = rmse_of};
const pt_metric_kind pt_metric_kind_r2 = {.key = "r2", .label = "R2 (variance explained)", .form = PT_FORM_SCORE, .better = 1, .choices = r2, OF_SUMS, .of_sums = r2_of};
const pt_metric_kind pt_metric_kind_pearson = {.key = "pearson", .label = "Pearson correlation", .form = PT_FORM_SCORE, .better = 1, .choices = pearson, OF_SUMS,
                                               .of_sums = pearson_of};
const pt_metric_kind pt_metric_kind_icc1 = {.key = "icc1", .label = "ICC(1,1)", .form = PT_FORM_SCORE, .better = 1, .choices = icc1, OF_SUMS, .of_sums = icc1_of};
const pt_metric_kind pt_metric_kind_icc2 = {.key = "icc2", .label = "ICC(2,1), agreement", .form = PT_FORM_SCORE, .better = 1, .choices = icc2, OF_SUMS,
                                            .of_sums = icc2_of};
const pt_metric_kind pt_metric_kind_icc3 = {.key = "icc3", .label = "ICC(3,1), consistency", .form = PT_FORM_SCORE, .better = 1, .choices = icc3, OF_SUMS,
                                            .of_sums = icc3_of};

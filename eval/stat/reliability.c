#include "eval/stat/reliability.h"

#include <math.h>
#include <stdlib.h>

#include "eval/stat/correlation.h"

#define NOTHING 1e-24

static bool whole(const double *row, size_t k)
{
    for (size_t i = 0; i < k; i++)
        if (isnan(row[i])) return false;
    return true;
}

static size_t whole_rows(const double *x, size_t n, size_t k)
{
    size_t rows = 0;
    for (size_t i = 0; i < n; i++) rows += whole(x + i * k, k);
    return rows;
}

/* A sum of squares about a mean, or 0 where it is rounding of numbers whose squares add up to `size`. */
static double settled(double squares, double size)
{
    return squares <= NOTHING * size ? 0 : squares;
}

/* Sum of squares about the mean of column `item` (of the rows' sums where item = k). */
static double squares_of(const double *x, size_t n, size_t k, size_t item)
{
    double mean = 0, squares = 0, size = 0;
    size_t rows = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < n; i++) {
            double v = 0;
            if (!whole(x + i * k, k)) continue;
            for (size_t j = 0; j < k; j++)
                if (item == k || item == j) v += x[i * k + j];
            if (pass) squares += (v - mean) * (v - mean), size += v * v;
            else mean += v, rows++;
        }
        if (!pass) mean /= (double)rows;
    }
    return settled(squares, size);
}

double pt_alpha(const double *x, size_t n, size_t k)
{
    double parts = 0;
    if (k < 2 || whole_rows(x, n, k) < 2) return NAN;
    for (size_t j = 0; j < k; j++) parts += squares_of(x, n, k, j);
    double all = squares_of(x, n, k, k);
    return all > 0 ? (double)k / (double)(k - 1) * (1 - parts / all) : NAN;
}

/* ---- omega ---- */

/* r[k][k]; false: an item has no variance. column: [2][n]. */
static bool correlate(const double *x, size_t n, size_t k, double *column, double *r)
{
    for (size_t i = 0; i < k; i++)
        for (size_t j = 0; j <= i; j++) {
            for (size_t row = 0; row < n; row++) {
                bool fit = whole(x + row * k, k);
                column[row] = fit ? x[row * k + i] : NAN;
                column[n + row] = fit ? x[row * k + j] : NAN;
            }
            double c = pt_pearson(column, column + n, n);
            if (isnan(c)) return false;
            r[i * k + j] = r[j * k + i] = i == j ? 1 : c;
        }
    return true;
}

/* Loadings of one factor. Begins at the centroid: the sums of the rows of r. */
static void load_factor(const double *r, size_t k, double *l)
{
    const double most = sqrt(0.995);
    double all = 0, change = 1;
    for (size_t i = 0; i < k * k; i++) all += r[i];
    for (size_t i = 0; i < k; i++) {
        double sum = 0;
        for (size_t j = 0; j < k; j++) sum += r[i * k + j];
        l[i] = fmax(-most, fmin(most, sum / sqrt(fmax(all, 1))));
    }
    for (int round = 0; round < 100000 && change > 1e-13; round++) {
        change = 0;
        for (size_t i = 0; i < k; i++) {
            double top = 0, squares = 0;
            for (size_t j = 0; j < k; j++)
                if (j != i) top += r[i * k + j] * l[j], squares += l[j] * l[j];
            double next = squares > 0 ? fmax(-most, fmin(most, top / squares)) : 0;
            change = fmax(change, fabs(next - l[i]));
            l[i] = next;
        }
    }
}

pt_status pt_omega_total(const double *x, size_t n, size_t k, double *out)
{
    pt_status rc = PT_OK;
    double *r = NULL, *l = NULL, *column = NULL, unique = 0, all = 0;
    *out = NAN;
    if (k < 3 || whole_rows(x, n, k) < 3) return PT_OK;
    PT_TRY(pt_alloc0(&r, k * k));
    PT_TRY(pt_alloc0(&l, k));
    PT_TRY(pt_alloc0(&column, 2 * n));
    if (!correlate(x, n, k, column, r)) goto done;
    load_factor(r, k, l);
    for (size_t i = 0; i < k; i++) unique += 1 - l[i] * l[i];
    for (size_t i = 0; i < k * k; i++) all += r[i];
    if (all > 1e-12 * (double)k) *out = 1 - unique / all;
done:
    free(r);
    free(l);
    free(column);
    return rc;
}

/* ---- ICC ---- */

static double ratio(double a, double b)
{
    return b == 0 ? NAN : a / b;
}

static double row_mean(const double *row, size_t k)
{
    double sum = 0;
    for (size_t j = 0; j < k; j++) sum += row[j];
    return sum / (double)k;
}

/* Mean of column j, or of all where j = k, over whole rows. */
static double column_mean(const double *x, size_t n, size_t k, size_t j)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        if (whole(x + i * k, k)) sum += j == k ? row_mean(x + i * k, k) : x[i * k + j];
    return sum / (double)whole_rows(x, n, k);
}

pt_icc pt_icc_of_squares(double B, double W, double J, double E, double n, double k)
{
    return (pt_icc){.one = ratio(B - W, B + (k - 1) * W), .two = ratio(B - E, B + (k - 1) * E + k * (J - E) / n), .three = ratio(B - E, B + (k - 1) * E),
                    .one_k = ratio(B - W, B), .two_k = ratio(B - E, B + (J - E) / n), .three_k = ratio(B - E, B)};
}

pt_icc pt_icc_of(const double *x, size_t n, size_t k)
{
    const size_t rows = whole_rows(x, n, k);
    const double m = (double)rows, w = (double)k;
    double between = 0, within = 0, raters = 0, rest = 0, size = 0;
    if (rows < 2 || k < 2) return (pt_icc){NAN, NAN, NAN, NAN, NAN, NAN};
    const double mean = column_mean(x, n, k, k);
    for (size_t j = 0; j < k; j++) { /* squares of differences, not differences of squares: these would leave rounding where nothing is */
        const double column = column_mean(x, n, k, j);
        raters += m * (column - mean) * (column - mean);
        for (size_t i = 0; i < n; i++) {
            const double v = x[i * k + j];
            if (!whole(x + i * k, k)) continue;
            const double row = row_mean(x + i * k, k), d = v - row - column + mean;
            between += (row - mean) * (row - mean);
            within += (v - row) * (v - row);
            rest += d * d;
            size += v * v;
        }
    }
    return pt_icc_of_squares(settled(between, size) / (m - 1), settled(within, size) / (m * (w - 1)), settled(raters, size) / (w - 1),
                             settled(rest, size) / ((m - 1) * (w - 1)), m, w);
}

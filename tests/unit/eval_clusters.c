/* Why clusters are resampled as wholes: scores whose rows hang together, where nothing differs, and where something does. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/rng.h"
#include "eval/stat/resample.h"

enum { CLUSTERS = 40, ROWS = 20, DRAWS = 1000, PERMUTATIONS = 999 };

static double normal(uint64_t seed, uint64_t at)
{
    pt_rng4 w = pt_rng_words(seed, PT_RNG_TEST, at, 0);
    return sqrt(-2 * log((w.v[0] + 1.0) * 0x1p-32)) * cos(6.283185307179586 * (w.v[1] * 0x1p-32));
}

/* A side's scores: variance 1, of which half is the cluster's (intraclass correlation 0.5). d[i]: one side less the other. */
static void scores(uint64_t seed, double shift, double *d)
{
    for (int c = 0; c < CLUSTERS; c++)
        for (int r = 0; r < ROWS; r++) {
            double y[2];
            for (uint64_t s = 0; s < 2; s++) {
                uint64_t at = s << 32 | (uint64_t)c << 16;
                y[s] = sqrt(0.5) * (normal(seed, at) + normal(seed, at + 1 + (uint64_t)r));
            }
            d[c * ROWS + r] = y[1] + shift - y[0];
        }
}

static double p_of(const double *d, size_t n, uint64_t seed)
{
    double p;
    assert_int_equal(pt_permute_mean(d, n, PERMUTATIONS, seed, &p), PT_OK);
    return p;
}

static double share_found(double shift, int rows_of_one, uint64_t first)
{
    int found = 0;
    double d[CLUSTERS * ROWS];
    for (uint64_t k = 0; k < DRAWS; k++) {
        int n = CLUSTERS * ROWS / rows_of_one;
        scores(first + k, shift, d);
        for (int c = 0; c < n; c++) {
            double sum = 0;
            for (int r = 0; r < rows_of_one; r++) sum += d[c * rows_of_one + r];
            d[c] = sum;
        }
        found += p_of(d, (size_t)n, k) < 0.05;
    }
    return found / (double)DRAWS;
}

static void test_noise(void **state)
{
    double clusters = share_found(0, ROWS, 1000000), rows = share_found(0, 1, 1000000);
    print_message("# figure no effect, 40 clusters of 20 rows, intraclass correlation 0.5, %d draws: the test by cluster rejects %.1f %%, by row "
                  "%.1f %%\n", DRAWS, 100 * clusters, 100 * rows);
    assert_true(clusters >= 0.03 && clusters <= 0.07);
    assert_true(rows > 0.15);
}

static void test_effect(void **state)
{
    double found = share_found(0.5, ROWS, 2000000);
    print_message("# figure a shift of 0.5 standard deviations there: the test by cluster finds it in %.1f %%\n", 100 * found);
    assert_true(found >= 0.8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_noise), cmocka_unit_test(test_effect)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Cases that a generator of tests/golden makes too: draws (splitmix64) that both have alike, and its results in a JSON file. */
#ifndef PT_TESTS_TASK_CASES_H
#define PT_TESTS_TASK_CASES_H
#include <math.h>
#include <stdint.h>

#include <jansson.h>

#include "eval/metric/metric.h"

/* Items of the tests of speed; fewer where a sanitizer slows all of it. */
#ifdef __SANITIZE_ADDRESS__
enum { MANY = 1000 };
#else
enum { MANY = 10000 };
#endif

typedef struct draw {
    uint64_t s;
} draw;

static inline uint64_t draw_bits(draw *d)
{
    uint64_t z = d->s += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

static inline int draw_below(draw *d, int n)
{
    return (int)(draw_bits(d) % (uint64_t)n);
}

static inline double draw_unit(draw *d)
{
    return (double)(draw_bits(d) >> 11) * 0x1p-53;
}

/* The metric `key` of n picks is what results[i] says, to 1e-9; NAN where it says null. */
static inline void check_metric(const char *key, const pt_pick *const *c, size_t n, size_t row, const json_t *results, size_t i)
{
    size_t counted;
    const int m = pt_metric_find(key);
    const json_t *v = json_array_get(results, i);
    if (m < 0 || !v) fail_msg("no metric %s, or no result %zu", key, i);
    const double got = pt_metric_kind_at(m)->choices(c, n, &counted), want = json_is_number(v) ? json_number_value(v) : NAN;
    if (isnan(got) != isnan(want) || fabs(got - want) > 1e-9 * fmax(1, fabs(want))) fail_msg("%s, case %zu: %.17g, not %.17g", key, row, got, want);
}
#endif

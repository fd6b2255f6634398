#include "train/generate/near.h"

#include <math.h>
#include <stdlib.h>

/* The smallest that top_p keeps of p[n], sums in `total`, and whether its end is a near one. Sorts p. */
static int larger_first(const void *pa, const void *pb)
{
    const double *a = pa, *b = pb;
    return (*a < *b) - (*a > *b);
}

static double least_of(double *p, int64_t n, double total, double top_p, bool *near)
{
    double mass = 0, before = 0, least = p[0];
    qsort(p, (size_t)n, sizeof *p, larger_first);
    for (int64_t i = 0; i < n && (i == 0 || mass < top_p * total); i++) before = mass, mass += p[i], least = p[i];
    *near = fabs(mass / total - top_p) < PT_NEAR_BORDER || (before > 0 && fabs(before / total - top_p) < PT_NEAR_BORDER);
    return least;
}

pt_status pt_near_tie(const float *z, int64_t n, float temperature, float top_p, float u, int32_t chosen, bool *near)
{
    double *p, below = 0, kept = 0, total = 0, scale = temperature > 0 ? 1 / (double)temperature : 1, mine = (double)z[chosen], top = mine;
    *near = false;
    for (int64_t i = 0; i < n; i++)
        if (i != chosen && fabs(((double)z[i] - mine) * scale) < PT_NEAR_GAP) *near = true;
    if (temperature <= 0 || *near) return PT_OK;
    PT_RETURN(pt_alloc0(&p, n));
    for (int64_t i = 0; i < n; i++) top = fmax(top, (double)z[i]);
    for (int64_t i = 0; i < n; i++) {
        p[i] = exp((double)z[i] - top);
        total += p[i];
    }
    const double least = top_p < 1 ? least_of(p, n, total, (double)top_p, near) : 0, share = exp((mine - top) * scale);
    free(p);
    for (int64_t i = 0; i < n; i++) {
        const double weight = exp((double)z[i] - top) >= least ? exp(((double)z[i] - top) * scale) : 0;
        kept += weight;
        if ((double)z[i] > mine) below += weight;
    }
    *near = *near || fabs((double)u - below / kept) < PT_NEAR_BORDER || fabs((double)u - (below + share) / kept) < PT_NEAR_BORDER;
    return PT_OK;
}

/* How far two distributions over the same n places, one step apart, lie from each other. They are normalised first; NAN: one of them holds nothing. */
#ifndef PT_EVAL_DISTANCE_H
#define PT_EVAL_DISTANCE_H
#include "base/mem.h"

/* Jensen and Shannon's distance (Lin 1991; Endres and Schindelin 2003): sqrt((KL(p | m) + KL(q | m)) / 2), m = (p + q) / 2, in bits: 0 = equal, 1 = nothing in common.
 * As scipy.spatial.distance.jensenshannon with base 2. */
double pt_jensen_shannon(const double *p, const double *q, size_t n);
/* The first Wasserstein distance: the mass that has to move times how far, sum over places of |cumulative p - cumulative q|. As scipy.stats.wasserstein_distance of
 * the places 0 ... n - 1. */
double pt_wasserstein(const double *p, const double *q, size_t n);
#endif

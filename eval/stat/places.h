/* Where values stand among each other, found once, so that what only asks for their order (ranks, areas under curves) need not sort anew in each of a
 * thousand resamples. */
#ifndef PT_EVAL_PLACES_H
#define PT_EVAL_PLACES_H
#include "base/mem.h"

/* out[n]: how many different values are below v[i]; equal values (0 and -0 too) have one place. v has no NAN. *places: how many different values.
 * PT_ENOMEM. */
pt_status pt_places(const double *v, size_t n, uint32_t *out, uint32_t *places);
/* place[n], all below `places`, becomes their places among these n alone where `places` is many times n (a group of many items); else they stay. room[2n].
 * Returns a number above each of them. */
uint32_t pt_places_narrow(uint32_t *place, size_t n, uint32_t places, uint64_t *room);
/* From the top: rank[0 ... n) how many values are v[i] or higher, itself among them (scipy's rankdata(-v, "max")); rank[n ... 2n) how many are higher.
 * PT_ENOMEM. */
pt_status pt_places_from_top(const double *v, size_t n, uint32_t *rank);
#endif

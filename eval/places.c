#include "eval/places.h"

#include <stdlib.h>

typedef struct placed {
    double v;
    size_t at;
} placed;

static int by_value(const void *a, const void *b)
{
    const placed *x = a, *y = b;
    return (x->v > y->v) - (x->v < y->v);
}

pt_status pt_places(const double *v, size_t n, uint32_t *out, uint32_t *places)
{
    placed *x;
    uint32_t at = 0;
    PT_RETURN(pt_alloc0(&x, n));
    for (size_t i = 0; i < n; i++) x[i] = (placed){v[i], i};
    qsort(x, n, sizeof *x, by_value);
    for (size_t i = 0; i < n; i++) {
        at += i && x[i].v != x[i - 1].v;
        out[x[i].at] = at;
    }
    *places = n ? at + 1 : 0;
    free(x);
    return PT_OK;
}

pt_status pt_places_from_top(const double *v, size_t n, uint32_t *rank)
{
    uint32_t *place = rank, *from = rank + n, *count, places, above = 0;
    PT_RETURN(pt_places(v, n, place, &places));
    PT_RETURN(pt_alloc0(&count, n + 1));
    for (size_t i = 0; i < n; i++) count[place[i]]++;
    for (uint32_t p = places; p-- > 0;) count[p] = above += count[p]; /* how many stand there or above */
    for (size_t i = 0; i < n; i++) {
        from[i] = count[place[i] + 1];
        place[i] = count[place[i]];
    }
    free(count);
    return PT_OK;
}

#include "eval/stat/places.h"

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

uint32_t pt_places_narrow(uint32_t *place, size_t n, uint32_t places, uint64_t *room)
{
    uint64_t *from = room, *to = room + n;
    uint32_t at = 0;
    if (places <= 4 * n + 64) return places;
    for (size_t i = 0; i < n; i++) from[i] = (uint64_t)place[i] << 32 | i;
    for (int shift = 32; shift < 64 && (uint64_t)(places - 1) << 32 >> shift; shift += 8) { /* by bytes, from the lowest */
        size_t count[257] = {0};
        for (size_t i = 0; i < n; i++) count[(from[i] >> shift & 255) + 1]++;
        for (int b = 0; b < 256; b++) count[b + 1] += count[b];
        for (size_t i = 0; i < n; i++) to[count[from[i] >> shift & 255]++] = from[i];
        uint64_t *other = from;
        from = to;
        to = other;
    }
    for (size_t i = 0; i < n; i++) {
        at += i && from[i] >> 32 != from[i - 1] >> 32;
        place[(uint32_t)from[i]] = at;
    }
    return n ? at + 1 : 0;
}

#include "base/quant_quads.h"

#include <pthread.h>
#include <string.h>

#include "base/quant_grid.h"

static pt_quad_map map;
static pthread_once_t made = PTHREAD_ONCE_INIT;

static int distance(uint32_t a, uint32_t b)
{
    int sum = 0;
    for (int i = 0; i < 12; i += 3) {
        int d = (int)(a >> i & 7) - (int)(b >> i & 7);
        sum += d * d;
    }
    return sum;
}

/* The entries at the three smallest distances from `code`, by distance, at `to`; how many. */
static int list_near(uint32_t code, uint16_t *to)
{
    enum { FURTHEST = 4 * 49 };
    int count[FURTHEST + 1] = {0}, off[512], n = 0;
    for (uint32_t e = 0; e < 512; e++) count[off[e] = distance(code, pt_iq3_s_entry(e))]++;
    for (int d = 0, kinds = 0; d <= FURTHEST && kinds < 3; d++) {
        if (!count[d]) continue;
        kinds++;
        for (uint32_t e = 0; e < 512; e++)
            if (off[e] == d) to[n++] = (uint16_t)e;
    }
    return n;
}

static void make(void)
{
    int at = 0;
    memset(map.entry, -1, sizeof map.entry);
    for (uint32_t e = 0; e < 512; e++) {
        uint32_t code = pt_iq3_s_entry(e);
        map.entry[code] = (int16_t)e;
        for (int i = 0; i < 4; i++) map.magnitude[e][i] = (float)(2 * (code >> (3 * i) & 7) + 1);
    }
    for (uint32_t c = 0; c < PT_QUAD_CODES; c++) {
        map.first[c] = (uint16_t)at;
        if (map.entry[c] < 0) at += list_near(c, map.near + at);
    }
    map.first[PT_QUAD_CODES] = (uint16_t)at;
}

const pt_quad_map *pt_quad_map_get(void)
{
    pthread_once(&made, make);
    return &map;
}

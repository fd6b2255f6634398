/* Which entry of iq3_s's codebook stands for four magnitudes: made once a process from the codebook (base/quant_grid.h). */
#ifndef PT_BASE_QUANT_QUADS_H
#define PT_BASE_QUANT_QUADS_H
#include <stdint.h>

enum { PT_QUAD_CODES = 4096, PT_QUAD_NEAR = 24733 };
/* Codes are four numbers of 3 bits, as in the codebook. Of one that is an entry, entry[code] is its place; of another it is -1, and
 * near[first[code]] .. near[first[code + 1] - 1] are the places of the entries at the three smallest distances from it, nearest first. */
typedef struct pt_quad_map {
    int16_t entry[PT_QUAD_CODES];
    uint16_t first[PT_QUAD_CODES + 1];
    uint16_t near[PT_QUAD_NEAR];
    float magnitude[512][4]; /* of each entry: 1, 3, .. 15 */
} pt_quad_map;
/* Any thread may ask. */
const pt_quad_map *pt_quad_map_get(void);
#endif

/* The tile lists of a segment forest on the device (kernels/attention.h). Built on the host once per batch, sent by one upload
 * on ctx's stream; the attention kernels only walk them.
 *
 * Keys come in tiles of 64 tokens, queries in blocks of T = 16, 32, 64 or 128 tokens (one list each: the kernel picks T by the
 * heads that share its keys); for dk and dv there is the transposed list, of blocks of 64 queries that see a tile of 64 keys. A
 * pair of blocks is full when every query sees every key, masked when some may; others are not listed. A list is runs of
 * neighbouring tiles, for each block the full ones first, then the masked ones, so that no mask is looked at in full tiles.
 * Blocks stand in order of their tiles, most first. */
#ifndef PT_KERNELS_FOREST_CUDA_CUH
#define PT_KERNELS_FOREST_CUDA_CUH
#include "kernels/cuda/op_args.cuh"
extern "C" {
#include "kernels/forest.h"
}

enum {
    PT_TILE = 64,       /* tokens of a tile */
    PT_QUERY_LISTS = 4, /* T = 16 << list */
    PT_KEY_LIST = 4,    /* the transposed one */
    PT_LISTS = 5
};

/* What kernels get. Runs count tiles of 64 tokens. */
typedef struct pt_tile_list {
    const int4 *blocks;    /* [n_blocks] {block, its first run, full tiles, all tiles} */
    const int2 *runs;      /* {first tile, tiles} */
    const int32_t *end_of; /* [tokens, up to a multiple of 64]: pt_forest_end_of; 0 in the padding: nobody sees it */
    const int32_t *pos;    /* likewise: positions */
    int n_blocks;
    int tokens; /* of a block */
    int n;
    int window; /* 0 = none */
} pt_tile_list;

/* f: from pt_cuda_forest_new. */
pt_tile_list pt_cuda_forest_list(const pt_forest *f, int list);
#endif

/* Forests for the tests of attention on the device: built segment by segment, or at random, in `trees`. */
#ifndef PT_EMU_TREES_H
#define PT_EMU_TREES_H
#include "kernels_op.h"

enum { MOST_TOKENS = 4096, MOST_SEGS = 600 };
static struct trees {
    pt_forest_desc d;
    int32_t start[MOST_SEGS + 1], parent[MOST_SEGS], end[MOST_SEGS], pos[MOST_TOKENS];
    uint64_t seed;
    uint32_t drawn;
} trees;

static void trees_begin(int32_t window)
{
    memset(&trees, 0, sizeof trees);
    trees.d.seg_start = trees.start, trees.d.seg_parent = trees.parent, trees.d.seg_end = trees.end,
    trees.d.positions = trees.pos;
    trees.d.window = window;
}
static int32_t trees_add(int32_t parent, int32_t len)
{
    int32_t s = trees.d.n_segs++, at = trees.d.n_tokens, pos = parent < 0 ? 0 : trees.pos[trees.start[parent + 1] - 1] + 1;
    assert_true(s < MOST_SEGS && at + len <= MOST_TOKENS);
    trees.start[s] = at, trees.start[s + 1] = at + len, trees.parent[s] = parent;
    for (int32_t i = 0; i < len; i++) trees.pos[at + i] = pos + i;
    for (int32_t a = s; a >= 0; a = trees.parent[a]) trees.end[a] = at + len;
    trees.d.n_tokens = at + len;
    return s;
}
static int32_t draw(int32_t below)
{
    return (int32_t)(pt_rng_words(trees.seed, PT_RNG_TEST, 77, trees.drawn++).v[0] % (uint32_t)below);
}
static void trees_grow(int32_t parent, int depth, int32_t tokens, int32_t len)
{
    int32_t own = draw(4) == 0 ? 1 : 1 + draw(len);
    if (trees.d.n_tokens + own > tokens || trees.d.n_segs == MOST_SEGS) return;
    int32_t s = trees_add(parent, own);
    for (int32_t children = depth > 1 ? draw(4) : 0; children > 0; children--) trees_grow(s, depth - 1, tokens, len);
}
static void trees_random(uint64_t seed, int depth, int32_t tokens, int32_t len, int32_t window)
{
    trees_begin(window);
    trees.seed = seed;
    while (trees.d.n_tokens + len <= tokens) trees_grow(-1, depth, tokens, len);
}
#endif

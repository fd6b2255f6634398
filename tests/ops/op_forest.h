/* Forests for the tests of attention: built segment by segment, or at random. C and C++. */
#ifndef PT_OP_FOREST_H
#define PT_OP_FOREST_H
#include "tests/ops/op_matrix.h"

enum { OF_TOKENS = 8192, OF_SEGS = 1024 };
typedef struct of_forest {
    pt_forest_desc d; /* points into the arrays below */
    int32_t start[OF_SEGS + 1], parent[OF_SEGS], end[OF_SEGS], pos[OF_TOKENS];
} of_forest;

static inline void of_begin(of_forest *f, int32_t window)
{
    memset(f, 0, sizeof *f);
    f->d.seg_start = f->start, f->d.seg_parent = f->parent, f->d.seg_end = f->end, f->d.positions = f->pos;
    f->d.window = window;
}

/* Adds a segment of `len` tokens (depth-first order is the caller's task); returns its number. */
static inline int32_t of_add(of_forest *f, int32_t parent, int32_t len)
{
    int32_t s = f->d.n_segs++, at = f->d.n_tokens;
    assert_true(s < OF_SEGS && at + len <= OF_TOKENS);
    int32_t pos = parent < 0 ? 0 : f->pos[f->start[parent + 1] - 1] + 1;
    f->start[s] = at;
    f->start[s + 1] = at + len;
    f->parent[s] = parent;
    for (int32_t i = 0; i < len; i++) f->pos[at + i] = pos + i;
    for (int32_t a = s; a >= 0; a = f->parent[a]) f->end[a] = at + len;
    f->d.n_tokens = at + len;
    return s;
}

static inline uint32_t of_draw(uint64_t seed, uint32_t *count, uint32_t below)
{
    return pt_rng_words(seed, PT_RNG_TEST, 77, (*count)++).v[0] % below;
}

static inline void of_grow(of_forest *f, uint64_t seed, uint32_t *count, int32_t parent, int depth, int32_t max_tokens,
                           int32_t max_len)
{
    int32_t len = of_draw(seed, count, 4) == 0 ? 1 : 1 + (int32_t)of_draw(seed, count, (uint32_t)max_len);
    if (f->d.n_tokens + len > max_tokens || f->d.n_segs == OF_SEGS) return;
    int32_t s = of_add(f, parent, len);
    for (uint32_t children = depth > 1 ? of_draw(seed, count, 4) : 0; children > 0; children--)
        of_grow(f, seed, count, s, depth - 1, max_tokens, max_len);
}

/* Trees of at most `depth` levels until max_tokens is nearly reached; a quarter of the segments has one token. */
static inline void of_random(of_forest *f, uint64_t seed, int depth, int32_t max_tokens, int32_t max_len, int32_t window)
{
    uint32_t count = 0;
    of_begin(f, window);
    while (f->d.n_tokens + max_len <= max_tokens && f->d.n_segs < OF_SEGS - 1)
        of_grow(f, seed, &count, -1, depth, max_tokens, max_len);
}
/* As the batches of the loader: a dead tail to a multiple of 8 tokens at the end. */
static inline void of_batch(of_forest *f, uint64_t seed, int depth, int32_t max_tokens, int32_t max_len, int32_t window)
{
    of_random(f, seed, depth, max_tokens, max_len, window);
    if (f->d.n_tokens % 8) of_add(f, -1, 8 - f->d.n_tokens % 8);
}

/* Token i's segment, and the rule of base/batch.h from the description alone, by ancestry and not by subtree ends: i sees an ancestor's token,
 * or an earlier one of its own segment, inside of the window. */
static inline int32_t of_segment(const of_forest *f, int32_t i)
{
    int32_t s = 0;
    while (f->start[s + 1] <= i) s++;
    return s;
}
static inline bool of_sees(const of_forest *f, int32_t i, int32_t j)
{
    if (j > i || (f->d.window && f->pos[i] - f->pos[j] >= f->d.window)) return false;
    int32_t s = of_segment(f, i), t = of_segment(f, j);
    while (s > t) s = f->parent[s];
    return s == t;
}

static inline pt_forest *of_make(pt_ctx *ctx, const of_forest *f)
{
    pt_forest *out;
    pt_forest_caps caps = {f->d.n_tokens, f->d.n_segs};
    assert_int_equal(ctx->ops->forest_new(ctx, &out, &caps), PT_OK);
    if (ctx->ops->forest_set(ctx, out, &f->d) != PT_OK) fail_msg("forest_set: %s", pt_err_msg());
    return out;
}

/* The many ways in which a forest can lie, in five shapes for each op of attention: one token; many roots of one token; a profile and many
 * answers of one token; a chain of segments of one token; a profile, answers that straddle its tiles, a dead tail to whole tiles. */
enum { OF_SHAPES = 5 };
static inline void of_shape(of_forest *f, int shape, int32_t many, int32_t profile, int32_t answers, int32_t answer)
{
    of_begin(f, 0);
    if (shape == 0) of_add(f, -1, 1);
    for (int i = 0; shape == 1 && i < many; i++) of_add(f, -1, 1);
    if (shape == 2) of_add(f, -1, 70);
    for (int i = 0; shape == 2 && i < many; i++) of_add(f, 0, 1);
    for (int i = 0; shape == 3 && i < many; i++) of_add(f, i - 1, 1);
    if (shape != 4) return;
    of_add(f, -1, profile);
    for (int i = 0; i < answers; i++) of_add(f, 0, answer);
    of_add(f, -1, 64 - f->d.n_tokens % 64);
}
#endif

#include "kernels/cuda/forest_cuda.cuh"

#include <stdlib.h>

extern "C" {
#include "base/mem.h"
#include "kernels/cuda/ops_cuda.h"
}

namespace
{
enum status : uint8_t { HIDDEN, FULL, MASKED };

/* Extremes over some tokens: of their subtrees' ends and of their positions. */
struct range {
    int32_t end_min, end_max, pos_min, pos_max;
};

struct device_forest {
    pt_forest head; /* first: what the checks shared by all backends read; its arrays are the host forest's */
    pt_forest *host;
    pt_buf dev;
    int32_t *lists; /* as they are sent */
    size_t ints;    /* of both */
    /* of the present batch, in ints from the start */
    size_t at_end, at_pos, at_blocks[PT_LISTS], at_runs[PT_LISTS];
    int n_blocks[PT_LISTS];
    /* scratch for building */
    range *tiles;      /* [tiles] */
    uint8_t *statuses; /* [tiles] */
    int4 *blocks;      /* [most blocks] */
    int64_t *order;    /* [most blocks] */
};

int tokens_of(int list)
{
    return list < PT_QUERY_LISTS ? 16 << list : PT_TILE;
}
int64_t tiles_of(int64_t tokens)
{
    return pt_ceil_div(tokens, PT_TILE);
}
int64_t padded(int64_t tokens)
{
    return tiles_of(tokens) * PT_TILE;
}

/* At most so many runs has a block that may see `tiles` tiles: tiles inside one segment change their status at most twice (at
 * the window's edges), and every segment may cut one tile. */
int64_t most_runs(int64_t tiles, int64_t segs)
{
    return tiles < 5 * segs + 8 ? tiles : 5 * segs + 8;
}

/* Ints that lists of any forest within caps take. */
size_t most_ints(const pt_forest_caps *caps)
{
    int64_t n = caps->max_tokens, tiles = tiles_of(n), ints = 2 * padded(n);
    for (int l = 0; l < PT_LISTS; l++) {
        int64_t t = tokens_of(l), blocks = pt_ceil_div(n, t), runs = 0;
        for (int64_t b = 0; b < blocks; b++) {
            int64_t seen = tiles_of((b + 1) * t < n ? (b + 1) * t : n);
            runs += most_runs(l == PT_KEY_LIST ? tiles - b : seen, caps->max_segs);
        }
        ints += 4 * blocks + 2 * runs + 2; /* 2: blocks are aligned to 16 bytes */
    }
    return (size_t)ints + 4;
}

/* Over tokens [from, to) of a block of keys or queries; beyond the last token nothing is seen. */
range range_of(const pt_forest *f, int32_t from, int32_t to)
{
    range r = {INT32_MAX, 0, INT32_MAX, 0};
    if (to > f->n_tokens) r.end_min = 0, to = f->n_tokens;
    for (int32_t i = from; i < to; i++) {
        int32_t end = pt_forest_end_of(f, i), pos = f->positions[i];
        if (end < r.end_min) r.end_min = end;
        if (end > r.end_max) r.end_max = end;
        if (pos < r.pos_min) r.pos_min = pos;
        if (pos > r.pos_max) r.pos_max = pos;
    }
    return r;
}

/* Queries [q0, q1) against keys [k0, k0 + 64); q1 <= n_tokens. */
status judge(const pt_forest *f, int32_t q0, int32_t q1, const range *q, int32_t k0, const range *k)
{
    int64_t w = f->window;
    if (k0 >= q1) return HIDDEN;
    if (k0 + PT_TILE <= q0 && k->end_max <= q0) return HIDDEN;
    if (w && (int64_t)q->pos_min - k->pos_max >= w) return HIDDEN;
    bool all = k0 + PT_TILE - 1 <= q0 && k->end_min >= q1 && (!w || (int64_t)q->pos_max - k->pos_min < w);
    return all ? FULL : MASKED;
}

/* Appends the runs of tiles [0, n) of one status; returns their tiles. */
int add_runs(const uint8_t *s, int first, int n, status which, int2 *runs, int *count)
{
    int total = 0;
    for (int i = first; i < n; i++) {
        if (s[i] != which) continue;
        int from = i;
        while (i < n && s[i] == which) i++;
        runs[(*count)++] = make_int2(from, i - from);
        total += i - from;
    }
    return total;
}

int descending(const void *pa, const void *pb)
{
    int64_t a = *(const int64_t *)pa, b = *(const int64_t *)pb;
    return a > b ? -1 : a < b;
}

/* Lays list l out at int `at` of out; returns the end. */
size_t build(device_forest *d, int l, int32_t *out, size_t at)
{
    const pt_forest *f = d->host;
    int32_t n = f->n_tokens, t = tokens_of(l), tiles = (int32_t)tiles_of(n), blocks = (int32_t)pt_ceil_div(n, t);
    int count = 0;
    at = (at + 3) / 4 * 4;
    d->at_blocks[l] = at;
    d->at_runs[l] = at + 4 * (size_t)blocks;
    d->n_blocks[l] = blocks;
    int2 *runs = (int2 *)(void *)(out + d->at_runs[l]);
    for (int32_t b = 0; b < blocks; b++) {
        int32_t b0 = b * t, b1 = n - b0 < t ? n : b0 + t, first = 0, last = tiles;
        range own = range_of(f, b0, b1);
        if (l == PT_KEY_LIST) {
            first = b;
            for (int32_t i = first; i < last; i++) {
                int32_t q0 = i * PT_TILE, q1 = n - q0 < PT_TILE ? n : q0 + PT_TILE;
                d->statuses[i] = judge(f, q0, q1, &d->tiles[i], b0, &d->tiles[b]);
            }
        } else {
            last = (int32_t)tiles_of(b1);
            for (int32_t i = 0; i < last; i++) d->statuses[i] = judge(f, b0, b1, &own, i * PT_TILE, &d->tiles[i]);
        }
        int4 *block = &d->blocks[b];
        block->x = b;
        block->y = count;
        block->z = add_runs(d->statuses, first, last, FULL, runs, &count);
        block->w = block->z + add_runs(d->statuses, first, last, MASKED, runs, &count);
        d->order[b] = (int64_t)block->w << 32 | (INT32_MAX - b);
    }
    qsort(d->order, (size_t)blocks, sizeof *d->order, descending);
    int4 *sorted = (int4 *)(void *)(out + d->at_blocks[l]);
    for (int32_t i = 0; i < blocks; i++) sorted[i] = d->blocks[INT32_MAX - (int32_t)(d->order[i] & INT32_MAX)];
    return d->at_runs[l] + 2 * (size_t)count;
}

size_t build_all(device_forest *d, int32_t *out)
{
    const pt_forest *f = d->host;
    int32_t n = f->n_tokens, pad = (int32_t)padded(n);
    d->at_end = 0;
    d->at_pos = (size_t)pad;
    for (int32_t i = 0; i < pad; i++) {
        out[i] = i < n ? pt_forest_end_of(f, i) : 0;
        out[pad + i] = i < n ? f->positions[i] : 0;
    }
    for (int32_t k = 0; k < tiles_of(n); k++) d->tiles[k] = range_of(f, k * PT_TILE, (k + 1) * PT_TILE);
    size_t at = 2 * (size_t)pad;
    for (int l = 0; l < PT_LISTS; l++) at = build(d, l, out, at);
    return at;
}
} // namespace

pt_tile_list pt_cuda_forest_list(const pt_forest *f, int list)
{
    const device_forest *d = (const device_forest *)(const void *)f;
    const int32_t *dev = (const int32_t *)(const void *)d->dev.base;
    pt_tile_list t = {};
    t.blocks = (const int4 *)(const void *)(dev + d->at_blocks[list]);
    t.runs = (const int2 *)(const void *)(dev + d->at_runs[list]);
    t.end_of = dev + d->at_end;
    t.pos = dev + d->at_pos;
    t.n_blocks = d->n_blocks[list];
    t.tokens = tokens_of(list);
    t.n = d->head.n_tokens;
    t.window = d->head.window;
    return t;
}

extern "C" size_t pt_cuda_forest_bytes(pt_ctx *, const pt_forest_caps *caps)
{
    return most_ints(caps) * sizeof(int32_t);
}

extern "C" void pt_cuda_forest_free(pt_ctx *ctx, pt_forest *f)
{
    device_forest *d = (device_forest *)(void *)f;
    if (!d) return;
    pt_cuda_free(ctx, &d->dev);
    pt_forest_host_free(d->host);
    free(d->lists);
    free(d->tiles);
    free(d->statuses);
    free(d->blocks);
    free(d->order);
    free(d);
}

extern "C" pt_status pt_cuda_forest_new(pt_ctx *ctx, pt_forest **out, const pt_forest_caps *caps)
{
    pt_status rc = PT_OK;
    device_forest *d = NULL;
    *out = NULL;
    PT_TRY(pt_alloc0(&d, 1));
    PT_TRY(pt_forest_host_new(&d->host, caps));
    d->head = *d->host;
    d->ints = most_ints(caps);
    PT_TRY(pt_alloc0(&d->lists, d->ints));
    PT_TRY(pt_alloc0(&d->tiles, tiles_of(caps->max_tokens) + 1));
    PT_TRY(pt_alloc0(&d->statuses, tiles_of(caps->max_tokens) + 1));
    PT_TRY(pt_alloc0(&d->blocks, caps->max_tokens / 16 + 1));
    PT_TRY(pt_alloc0(&d->order, caps->max_tokens / 16 + 1));
    PT_TRY(pt_cuda_alloc(ctx, &d->dev, d->ints * sizeof(int32_t)));
    *out = &d->head;
    d = NULL;
done:
    if (d) pt_cuda_forest_free(ctx, &d->head);
    return rc;
}

extern "C" pt_status pt_cuda_forest_set(pt_ctx *ctx, pt_forest *f, const pt_forest_desc *desc)
{
    device_forest *d = (device_forest *)(void *)f;
    PT_RETURN(pt_forest_host_set(d->host, desc));
    d->head = *d->host;
    if (!desc->n_tokens) return PT_OK;
    int64_t ints = (int64_t)build_all(d, d->lists);
    pt_view to = {&d->dev, 0, PT_I32, 1, ints, ints};
    return pt_cuda_upload(ctx, to, d->lists);
}

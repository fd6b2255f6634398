#include "kernels/forest.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static pt_status check_segment(const pt_forest_desc *d, int32_t s)
{
    pt_status rc = PT_OK;
    int32_t start = d->seg_start[s], next = d->seg_start[s + 1], parent = d->seg_parent[s], end = d->seg_end[s];
    PT_CHECK(next > start && next <= d->n_tokens, PT_ESHAPE, "forest: segment %d has tokens [%d, %d) of %d", s, start, next,
             d->n_tokens);
    PT_CHECK(parent >= -1 && parent < s, PT_ESHAPE, "forest: segment %d has parent %d", s, parent);
    PT_CHECK(end >= next && end <= d->n_tokens, PT_ESHAPE, "forest: segment %d = [%d, %d) ends its subtree at %d of %d", s,
             start, next, end, d->n_tokens);
    /* The segment before is this one's parent or lies in a subtree that closes here; so every open ancestor of it either holds
     * this segment or ends exactly at its start. */
    int32_t up = s - 1;
    while (up >= 0 && up != parent) {
        PT_CHECK(d->seg_end[up] == start, PT_ESHAPE,
                 "forest: the subtree of segment %d ends at %d, but segment %d at %d is outside of it", up, d->seg_end[up], s,
                 start);
        up = d->seg_parent[up];
    }
    PT_CHECK(up == parent, PT_ESHAPE, "forest: segment %d comes after its parent %d was closed: not depth-first", s, parent);
    PT_CHECK(parent < 0 || end <= d->seg_end[parent], PT_ESHAPE, "forest: segment %d ends at %d, past its parent's end %d", s,
             end, parent < 0 ? 0 : d->seg_end[parent]);
    int32_t first = parent < 0 ? d->positions[start] : d->positions[d->seg_start[parent + 1] - 1] + 1;
    PT_CHECK(first >= 0 && next - start <= INT32_MAX - 1 - first, PT_ESHAPE, "forest: segment %d starts at position %d", s,
             first);
    for (int32_t i = start; i < next; i++)
        PT_CHECK(d->positions[i] == first + (i - start), PT_ESHAPE, "forest: token %d of segment %d has position %d, not %d", i,
                 s, d->positions[i], first + (i - start));
done:
    return rc;
}

pt_status pt_forest_check(const pt_forest_caps *caps, const pt_forest_desc *d)
{
    pt_status rc = PT_OK;
    PT_CHECK(d->n_tokens >= 0 && d->n_tokens <= caps->max_tokens, PT_ESHAPE, "forest: %d tokens, made for %d", d->n_tokens,
             caps->max_tokens);
    PT_CHECK(d->n_segs >= 0 && d->n_segs <= caps->max_segs, PT_ESHAPE, "forest: %d segments, made for %d", d->n_segs,
             caps->max_segs);
    PT_CHECK((d->n_tokens == 0) == (d->n_segs == 0), PT_ESHAPE, "forest: %d tokens in %d segments", d->n_tokens, d->n_segs);
    PT_CHECK(d->window >= 0, PT_ESHAPE, "forest: window %d", d->window);
    if (!d->n_segs) goto done;
    PT_CHECK(d->seg_start[0] == 0, PT_ESHAPE, "forest: the first segment starts at %d", d->seg_start[0]);
    PT_CHECK(d->seg_start[d->n_segs] == d->n_tokens, PT_ESHAPE, "forest: the last segment stops at %d of %d tokens",
             d->seg_start[d->n_segs], d->n_tokens);
    for (int32_t s = 0; s < d->n_segs; s++) PT_TRY(check_segment(d, s));
    for (int32_t s = d->n_segs - 1; s >= 0; s = d->seg_parent[s])
        PT_CHECK(d->seg_end[s] == d->n_tokens, PT_ESHAPE,
                 "forest: the subtree of segment %d ends at %d, but no segment follows it", s, d->seg_end[s]);
done:
    return rc;
}

static size_t ints_of(const pt_forest_caps *caps)
{
    return 2 * (size_t)caps->max_tokens + 3 * (size_t)caps->max_segs + 1;
}

size_t pt_forest_host_bytes(const pt_forest_caps *caps)
{
    return sizeof(pt_forest) + ints_of(caps) * sizeof(int32_t);
}

pt_status pt_forest_host_new(pt_forest **out, const pt_forest_caps *caps)
{
    pt_status rc = PT_OK;
    pt_forest *f = NULL;
    *out = NULL;
    PT_CHECK(caps->max_tokens >= 0 && caps->max_segs >= 0, PT_EARG, "forest: %d tokens, %d segments", caps->max_tokens,
             caps->max_segs);
    PT_TRY(pt_alloc0(&f, 1));
    PT_TRY(pt_alloc0(&f->memory, ints_of(caps)));
    f->caps = *caps;
    f->seg_start = f->memory;
    f->seg_parent = f->seg_start + caps->max_segs + 1;
    f->seg_end = f->seg_parent + caps->max_segs;
    f->positions = f->seg_end + caps->max_segs;
    f->token_seg = f->positions + caps->max_tokens;
    *out = f;
    f = NULL;
done:
    pt_forest_host_free(f);
    return rc;
}

pt_status pt_forest_host_set(pt_forest *f, const pt_forest_desc *d)
{
    PT_RETURN(pt_forest_check(&f->caps, d));
    size_t segs = (size_t)d->n_segs * sizeof(int32_t);
    f->n_tokens = d->n_tokens;
    f->n_segs = d->n_segs;
    f->window = d->window;
    f->n_pairs = 0;
    if (!d->n_segs) return PT_OK;
    memcpy(f->seg_start, d->seg_start, segs + sizeof(int32_t));
    memcpy(f->seg_parent, d->seg_parent, segs);
    memcpy(f->seg_end, d->seg_end, segs);
    memcpy(f->positions, d->positions, (size_t)d->n_tokens * sizeof(int32_t));
    int32_t root = 0; /* position of the present root's first token */
    for (int32_t s = 0; s < d->n_segs; s++) {
        if (d->seg_parent[s] < 0) root = d->positions[d->seg_start[s]];
        for (int32_t i = d->seg_start[s]; i < d->seg_start[s + 1]; i++) {
            int32_t seen = d->positions[i] - root + 1;
            f->token_seg[i] = s;
            f->n_pairs += d->window && seen > d->window ? d->window : seen;
        }
    }
    return PT_OK;
}

void pt_forest_host_free(pt_forest *f)
{
    if (!f) return;
    free(f->memory);
    free(f);
}

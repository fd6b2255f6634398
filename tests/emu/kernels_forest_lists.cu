/* The tile lists of the segment forest as kernels get them, against the rule of visibility: every visible pair of tokens is in
 * a listed pair of tiles exactly once, full tiles hold visible pairs only, tiles without one are not listed (but at a window's
 * edge), and the memory that the plan was told is enough. */
#include "tests/ops/op_modes.h"

#include "kernels/cuda/forest_cuda.cuh"
#include "tests/ops/op_forest.h"

static of_forest trees;
enum { HIDDEN, SOME, ALL };
template <typename T> static T *fetch(const T *dev, size_t n)
{
    T *host = (T *)malloc(n * sizeof(T) + 1);
    assert_non_null(host);
    if (n) assert_int_equal(cudaMemcpy(host, dev, n * sizeof(T), cudaMemcpyDeviceToHost), cudaSuccess);
    return host;
}

/* What tokens [q0, q0 + t) see of keys [k0, k0 + 64). */
static int truth(const pt_forest *f, int32_t q0, int32_t q1, int32_t k0)
{
    int64_t seen = 0, pairs = 0;
    int32_t n = f->n_tokens;
    for (int32_t i = q0; i < q1 && i < n; i++)
        for (int32_t j = k0; j < k0 + PT_TILE; j++, pairs++) seen += j < n && pt_forest_sees(f, i, j);
    return seen == 0 ? HIDDEN : seen == pairs ? ALL : SOME;
}

/* Number of tiles listed in vain. */
static int check_list(const pt_forest *ref, const pt_forest *dev, int which)
{
    pt_tile_list l = pt_cuda_forest_list(dev, which);
    int32_t n = ref->n_tokens, tiles = (n + PT_TILE - 1) / PT_TILE;
    int blocks = (n + l.tokens - 1) / l.tokens, vain = 0, most = INT32_MAX;
    assert_int_equal(l.n_blocks, blocks);
    assert_int_equal(l.n, n);
    assert_int_equal(l.window, ref->window);
    int4 *b = fetch(l.blocks, (size_t)blocks);
    char *listed = (char *)malloc((size_t)tiles), *present = (char *)calloc((size_t)blocks, 1);
    for (int i = 0; i < blocks; i++) {
        assert_true(b[i].x >= 0 && b[i].x < blocks && !present[b[i].x]);
        present[b[i].x] = 1;
        assert_true(b[i].w <= most && b[i].z <= b[i].w && b[i].w >= 1); /* most tiles first; a block sees itself */
        most = b[i].w;
        memset(listed, HIDDEN, (size_t)tiles);
        for (int r = 0, at = 0; at < b[i].w; r++) {
            int2 *run = fetch(l.runs + b[i].y + r, 1);
            assert_true(run->x >= 0 && run->y >= 1 && run->x + run->y <= tiles);
            assert_true(at >= b[i].z || at + run->y <= b[i].z); /* a run is full or masked */
            for (int k = run->x; k < run->x + run->y; k++, at++) {
                assert_int_equal(listed[k], HIDDEN);
                listed[k] = at < b[i].z ? ALL : SOME;
            }
            free(run);
        }
        for (int32_t t = 0; t < tiles; t++) {
            int32_t own0 = b[i].x * l.tokens, own1 = own0 + l.tokens;
            int want = which == PT_KEY_LIST ? truth(ref, t * PT_TILE, t * PT_TILE + PT_TILE, own0)
                                            : truth(ref, own0, own1, t * PT_TILE);
            if (listed[t] == ALL) assert_int_equal(want, ALL);
            if (want != HIDDEN) assert_true(listed[t] != HIDDEN);
            if (want == ALL && !ref->window) assert_int_equal(listed[t], ALL);
            vain += want == HIDDEN && listed[t] != HIDDEN;
        }
    }
    free(present), free(listed), free(b);
    return vain;
}

static void check_forest(pt_forest *dev, pt_forest *ref)
{
    assert_int_equal(pt_forest_host_set(ref, &trees.d), PT_OK);
    if (pt_cuda_forest_set(&om.under, dev, &trees.d) != PT_OK) fail_msg("%s", pt_err_msg());
    assert_int_equal(cudaDeviceSynchronize(), cudaSuccess);
    for (int which = 0; which < PT_LISTS; which++) {
        int vain = check_list(ref, dev, which);
        if (!trees.d.window) assert_int_equal(vain, 0);
    }
    pt_tile_list l = pt_cuda_forest_list(dev, 0);
    size_t pad = (size_t)(trees.d.n_tokens + PT_TILE - 1) / PT_TILE * PT_TILE;
    int32_t *end = fetch(l.end_of, pad), *pos = fetch(l.pos, pad);
    for (int32_t i = 0; i < (int32_t)pad; i++) {
        assert_int_equal(end[i], i < trees.d.n_tokens ? pt_forest_end_of(ref, i) : 0);
        assert_int_equal(pos[i], i < trees.d.n_tokens ? ref->positions[i] : 0);
    }
    free(end), free(pos);
}

static void with_caps(int32_t tokens, int32_t segs, void (*body)(pt_forest *dev, pt_forest *ref))
{
    pt_forest *dev, *ref;
    pt_forest_caps caps = {tokens, segs};
    ot_case(PT_BF16);
    assert_int_equal(pt_cuda_forest_new(&om.under, &dev, &caps), PT_OK);
    assert_int_equal(pt_forest_host_new(&ref, &caps), PT_OK);
    body(dev, ref);
    pt_cuda_forest_free(&om.under, dev);
    pt_forest_host_free(ref);
    ot_free_all();
}

/* Room for exactly this forest. */
static void exact(void)
{
    with_caps(trees.d.n_tokens, trees.d.n_segs, check_forest);
}

static void test_random(void **)
{
    static const int windows[] = {0, 1, 17, 64, 200};
    for (int w = 0; w < 5; w++)
        for (int depth = 1; depth <= 4; depth++) {
            of_random(&trees, (uint64_t)(10 * w + depth), depth, 60 + 97 * depth, depth % 2 ? 120 : 15, windows[w]);
            exact();
        }
}
static void test_shapes(void **)
{
    for (int w = 0; w <= 40; w += 40) {
        of_begin(&trees, w); /* one segment of whole tiles */
        of_add(&trees, -1, 512);
        exact();
        of_begin(&trees, w); /* one token */
        of_add(&trees, -1, 1);
        exact();
        of_begin(&trees, w); /* a comb: each tile is cut by an answer */
        of_add(&trees, -1, 100);
        for (int i = 0; i < 40; i++) of_add(&trees, 0, 1 + i % 31);
        exact();
        of_begin(&trees, w); /* a chain of tiny segments */
        for (int i = 0; i < 300; i++) of_add(&trees, i - 1, 1);
        exact();
        of_begin(&trees, w); /* long segments between single tokens: many runs */
        of_add(&trees, -1, 70);
        for (int i = 0; i < 6; i++) {
            int32_t a = of_add(&trees, 0, 65);
            of_add(&trees, a, 1), of_add(&trees, a, 1);
        }
        exact();
    }
}

/* The last token of a block just sees a tile's first key, or just does not: at subtrees' ends, and at the window's edge. */
static void test_edges(void **)
{
    for (int edge = 64; edge <= 320; edge += edge % 16 == 14 || edge % 16 == 15 ? 1 : 14 - edge % 16) {
        of_begin(&trees, 0);
        of_add(&trees, -1, edge), of_add(&trees, -1, 340 - edge);
        exact();
        of_begin(&trees, edge);
        of_add(&trees, -1, 400);
        exact();
    }
}

/* Batch after batch into the same memory, also smaller ones and none. */
static void again(pt_forest *dev, pt_forest *ref)
{
    for (int i = 0; i < 6; i++) {
        of_random(&trees, 70 + (uint64_t)i, 1 + i % 4, i % 2 ? 90 : 400, 40, i == 3 ? 25 : 0);
        check_forest(dev, ref);
    }
    of_begin(&trees, 0);
    assert_int_equal(pt_cuda_forest_set(&om.under, dev, &trees.d), PT_OK);
    assert_int_equal(dev->n_tokens, 0);
}
static void test_again(void **)
{
    with_caps(400, 300, again);
}

/* What forest_bytes says is what forest_new takes; it grows with both caps; what does not fit is refused and changes nothing.
 */
static void too_much(pt_forest *dev, pt_forest *)
{
    of_random(&trees, 5, 2, 60, 20, 0);
    assert_int_equal(pt_cuda_forest_set(&om.under, dev, &trees.d), PT_OK);
    int32_t n = dev->n_tokens;
    of_random(&trees, 6, 2, 120, 20, 0);
    assert_int_equal(pt_cuda_forest_set(&om.under, dev, &trees.d), PT_ESHAPE);
    assert_int_equal(dev->n_tokens, n);
}
static void test_caps(void **)
{
    with_caps(64, 30, too_much);
    ot_case(PT_BF16);
    size_t before = 0, total, after;
    pt_forest_caps caps = {1000, 20}, none = {0, 0}, bad = {-1, 3};
    pt_forest *f;
    assert_int_equal(cudaMemGetInfo(&before, &total), cudaSuccess);
    assert_int_equal(pt_cuda_forest_new(&om.under, &f, &caps), PT_OK);
    assert_int_equal(cudaMemGetInfo(&after, &total), cudaSuccess);
    assert_true(before - after >= pt_cuda_forest_bytes(&om.under, &caps) &&
                before - after <= pt_cuda_forest_bytes(&om.under, &caps) + 4096);
    pt_cuda_forest_free(&om.under, f);
    assert_int_equal(cudaMemGetInfo(&after, &total), cudaSuccess);
    assert_int_equal(before, after);
    assert_int_equal(pt_cuda_forest_new(&om.under, &f, &none), PT_OK);
    pt_cuda_forest_free(&om.under, f);
    assert_int_equal(pt_cuda_forest_new(&om.under, &f, &bad), PT_EARG);
    assert_null(f);
    size_t last = 0;
    for (int32_t n = 0; n < 3000; n += 37) {
        pt_forest_caps c = {n, n / 10};
        assert_true(pt_cuda_forest_bytes(&om.under, &c) >= last);
        last = pt_cuda_forest_bytes(&om.under, &c);
    }
    ot_free_all();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random), cmocka_unit_test(test_shapes),
                                       cmocka_unit_test(test_edges), cmocka_unit_test(test_again), cmocka_unit_test(test_caps)};
    return ot_main("kernels_forest_lists", tests);
}

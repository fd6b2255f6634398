/* forest_set takes what base/batch.h describes and refuses everything else, saying what is wrong and changing nothing; it never
 * allocates. The tile walk of cpu visits exactly the keys that the rule makes visible. */
#include "kernels/cpu/attention_v.h"
#include "tests/ops/op_forest.h"
#include "tests/ops/op_test.h"

static void sample_forest(of_forest *f)
{
    of_begin(f, 0);
    int32_t root = of_add(f, -1, 5), mid = of_add(f, root, 3);
    of_add(f, mid, 2);
    of_add(f, mid, 1);
    of_add(f, root, 4);
    of_add(f, -1, 6);
}

typedef struct fault {
    const char *what, *says;
    void (*spoil)(of_forest *f);
} fault;
static void s_start(of_forest *f)
{
    f->start[0] = 1;
}
static void s_empty(of_forest *f)
{
    f->start[2] = f->start[1];
}
static void s_back(of_forest *f)
{
    f->start[2] = 3;
}
static void s_past(of_forest *f)
{
    f->start[6] = 22;
}
static void s_short(of_forest *f)
{
    f->d.n_tokens = 20;
}
static void s_self(of_forest *f)
{
    f->parent[2] = 2;
}
static void s_later(of_forest *f)
{
    f->parent[1] = 4;
}
static void s_minus(of_forest *f)
{
    f->parent[1] = -2;
}
static void s_closed(of_forest *f)
{
    f->parent[4] = 2;
}
static void s_closed_root(of_forest *f)
{
    f->parent[5] = 0;
}
static void s_end_small(of_forest *f)
{
    f->end[0] = 8;
}
static void s_end_big(of_forest *f)
{
    f->end[1] = 12;
}
static void s_end_leaf(of_forest *f)
{
    f->end[3] = 12;
}
static void s_end_last(of_forest *f)
{
    f->end[5] = 20;
}
static void s_end_huge(of_forest *f)
{
    f->end[0] = 1 << 30;
}
static void s_pos(of_forest *f)
{
    f->pos[2] = 3;
}
static void s_pos_child(of_forest *f)
{
    f->pos[5] = 6;
}
static void s_pos_negative(of_forest *f)
{
    for (int i = 15; i < 21; i++) f->pos[i] = i - 20;
}
static void s_pos_overflow(of_forest *f)
{
    for (int i = 15; i < 21; i++) f->pos[i] = INT32_MAX - 2;
}
static void s_window(of_forest *f)
{
    f->d.window = -1;
}
static void s_no_segs(of_forest *f)
{
    f->d.n_segs = 0;
}
static void s_many_segs(of_forest *f)
{
    f->d.n_segs = 7;
}
static void s_negative(of_forest *f)
{
    f->d.n_tokens = -1;
}
static const fault faults[] = {
    {"first start", "starts at 1", s_start},
    {"empty segment", "segment 1", s_empty},
    {"start goes back", "segment 1", s_back},
    {"last start", "stops at 22", s_past},
    {"tokens left", "stops at 21", s_short},
    {"own parent", "has parent 2", s_self},
    {"later parent", "has parent 4", s_later},
    {"parent -2", "has parent -2", s_minus},
    {"closed parent", "segment 4", s_closed},
    {"closed root", "segment 5", s_closed_root},
    {"end too small", "past its parent's end 8", s_end_small},
    {"end past child", "segment 1", s_end_big},
    {"leaf's end", "segment 3", s_end_leaf},
    {"last end", "segment 5", s_end_last},
    {"end past all", "segment 0", s_end_huge},
    {"position gap", "position 3", s_pos},
    {"child position", "position 6", s_pos_child},
    {"negative position", "position -5", s_pos_negative},
    {"huge position", "position", s_pos_overflow},
    {"window", "window -1", s_window},
    {"no segments", "0 segments", s_no_segs},
    {"too many segments", "made for 6", s_many_segs},
    {"negative tokens", "-1 tokens", s_negative},
};

static void broken(void **state)
{
    pt_ctx *both[] = {&ot.ref, &ot.cpu};
    for (int b = 0; b < 2; b++)
        for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
            of_forest good, bad;
            sample_forest(&good);
            sample_forest(&bad);
            pt_forest *f = of_make(both[b], &good);
            faults[i].spoil(&bad);
            pt_err_clear();
            if (both[b]->ops->forest_set(both[b], f, &bad.d) != PT_ESHAPE || !strstr(pt_err_msg(), faults[i].says))
                fail_msg("%s: '%s' does not say '%s'", faults[i].what, pt_err_msg(), faults[i].says);
            assert_int_equal(f->n_tokens, good.d.n_tokens); /* unchanged */
            assert_memory_equal(f->seg_end, good.end, (size_t)good.d.n_segs * 4);
            both[b]->ops->forest_free(both[b], f);
        }
}

static void accepted(void **state)
{
    pt_forest *f;
    pt_forest_caps caps = {4000, 600}, none = {0, 0}, bad = {-1, 3};
    assert_int_equal(ot.cpu.ops->forest_new(&ot.cpu, &f, &bad), PT_EARG);
    assert_null(f);
    ot.cpu.ops->forest_free(&ot.cpu, NULL);
    assert_int_equal(ot.cpu.ops->forest_new(&ot.cpu, &f, &none), PT_OK);
    of_forest d;
    of_begin(&d, 0);
    assert_int_equal(ot.cpu.ops->forest_set(&ot.cpu, f, &d.d), PT_OK);
    ot.cpu.ops->forest_free(&ot.cpu, f);
    assert_int_equal(ot.cpu.ops->forest_new(&ot.cpu, &f, &caps), PT_OK);
    assert_true(ot.cpu.ops->forest_bytes(&ot.cpu, &caps) >= sizeof *f + (2 * 4000 + 3 * 600) * 4);
    const int32_t *memory = f->memory;
    for (uint64_t seed = 0; seed < 60; seed++) {
        of_batch(&d, seed, 1 + (int)seed % 4, 300 + (int)seed * 40, 1 + (int)seed * 3, 0);
        if (ot.cpu.ops->forest_set(&ot.cpu, f, &d.d) != PT_OK) fail_msg("seed %d: %s", (int)seed, pt_err_msg());
        assert_ptr_equal(f->memory, memory);
    }
    ot.cpu.ops->forest_free(&ot.cpu, f);
}

/* Every visible (row, key) lies in exactly one tile; tiles come from high to low and hold at least one visible pair unless they
 * are the block's own. */
static void walk(void **state)
{
    for (uint64_t seed = 0; seed < 40; seed++) {
        of_forest d;
        of_batch(&d, seed, 1 + (int)seed % 4, 400, 1 + (int)seed * 4, seed % 3 == 2 ? 1 + (int)seed * 3 : 0);
        pt_forest *f = of_make(&ot.cpu, &d);
        int64_t pairs = 0;
        for (int32_t q0 = 0, step = 1 + (int32_t)seed * 2; q0 < f->n_tokens; q0 += step) {
            int32_t q1 = q0 + step < f->n_tokens ? q0 + step : f->n_tokens, below = q1;
            pt_attn_tile t;
            for (pt_attn_walk w = pt_attn_walk_begin(f, q0, q1); pt_attn_next(&w, &t);) {
                assert_true(t.k0 >= 0 && t.k0 < t.k1 && t.k1 <= below && t.k1 - t.k0 <= PT_ATTN_KEYS);
                below = t.k0;
                int64_t seen = 0;
                for (int32_t j = t.k0; j < t.k1; j++) {
                    assert_true(f->seg_end[f->token_seg[j]] >= t.end_min && f->seg_end[f->token_seg[j]] <= t.end_max);
                    assert_true(f->positions[j] >= t.pos_min && f->positions[j] <= t.pos_max);
                    for (int32_t i = q0; i < q1; i++) seen += pt_forest_sees(f, i, j);
                }
                assert_true(seen > 0 || t.k0 >= q0);
                pairs += seen;
            }
        }
        int64_t want = 0;
        for (int32_t i = 0; i < f->n_tokens; i++)
            for (int32_t j = 0; j <= i; j++) want += pt_forest_sees(f, i, j);
        assert_int_equal(pairs, want);
        assert_int_equal(f->n_pairs, want);
        ot.cpu.ops->forest_free(&ot.cpu, f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(broken), cmocka_unit_test(accepted), cmocka_unit_test(walk)};
    return cmocka_run_group_tests_name("kernels_forest", tests, ot_begin, ot_end);
}

/* LoRA: ref against finite differences, cpu against ref, over slots, runs, ranks, adjacency, dropout, absent parts. */
#include "tests/ops/op_test.h"

#include "kernels/check_linear.h"
#include "kernels/ref/ref.h"

pt_status naive_lora(pt_ctx *ctx, const pt_lora_args *a);
pt_status naive_lora_bwd(pt_ctx *ctx, const pt_lora_args *a);
#define double float
#define pt_ref_lora naive_lora
#define pt_ref_lora_bwd naive_lora_bwd
#include "kernels/ref/lora_ref.c"
#undef double
#undef pt_ref_lora
#undef pt_ref_lora_bwd


static int setup(void **state)
{
    pt_threads_set(1); /* small products on a busy machine: threads would only wait for each other; one test takes three */
    return ot_begin(state);
}
/* A whole call with its own memory: three parts, three slots (slot 1 has no adapter on part 1, slot 2 is frozen). */
enum { PARTS = 3, SLOTS = 3 };
typedef struct world {
    pt_lora_slot slots[PARTS][SLOTS];
    pt_lora_part parts[PARTS];
    pt_lora_run runs[8];
    pt_lora_args a;
    pt_view bank, dbank; /* A's of slot 0, adjacent, when asked */
} world;

typedef struct setting {
    int64_t n, in;
    int rank;
    float dropout;
    bool adjacent, keep_t, want_dx;
    int pad;
} setting;

static const int64_t part_out[PARTS] = {33, 8, 129};

static void world_new(world *w, const setting *s)
{
    memset(w, 0, sizeof *w);
    int64_t n = s->n, in = s->in, at = 0;
    int ranks[PARTS] = {s->rank, s->rank + 1, 2 * s->rank};
    w->bank = ot_rand(ranks[0] + ranks[1] + ranks[2], in, 50, 0.3f);
    w->dbank = ot_rand(ranks[0] + ranks[1] + ranks[2], in, 51, 1);
    for (int p = 0; p < PARTS; p++) {
        for (int k = 0; k < SLOTS; k++) {
            int r = k == 1 && p == 1 ? 0 : k == 0 ? ranks[p] : s->rank;
            pt_lora_slot *l = &w->slots[p][k];
            l->rank = r;
            l->scale = 0.5f + (float)k;
            if (r == 0) continue;
            bool banked = k == 0 && s->adjacent;
            l->a = banked ? pt_view_rows(w->bank, at, r) : ot_rand(r, in, (uint64_t)(10 * p + k), 0.3f);
            l->b = ot_rand(part_out[p], r, (uint64_t)(100 + 10 * p + k), 0.3f);
            if (k == 2) continue; /* frozen */
            l->da = banked ? pt_view_rows(w->dbank, at, r) : ot_rand(r, in, (uint64_t)(200 + 10 * p + k), 1);
            l->db = ot_rand(part_out[p], r, (uint64_t)(300 + 10 * p + k), 1);
        }
        at += ranks[p];
        int64_t out = part_out[p];
        w->parts[p] = (pt_lora_part){.y = ot_rand_ld(n, out, out + s->pad, (uint64_t)(400 + p), 1),
                                     .dy = ot_rand_ld(n, out, out + s->pad, (uint64_t)(500 + p), 1),
                                     .t = s->keep_t ? ot_new(PT_F32, n, 2 * s->rank + 1, 2 * s->rank + 1 + s->pad) : PT_NO_VIEW,
                                     .slots = w->slots[p], .module = (uint32_t)(16 * 3 + p)};
    }
    int32_t m = (int32_t)n;
    pt_lora_run runs[] = {{0, m / 4, 0}, {m / 4, m / 3, 0}, {m / 3, m / 3, 1}, {m / 3, m / 2, -1}, {m / 2, m * 3 / 4, 1}, {m * 3 / 4, m - m / 8, 2}, {m - m / 8, m, 0}};
    memcpy(w->runs, runs, sizeof runs);
    pt_view key = ot_new(PT_U64, 1, n, n);
    for (int64_t i = 0; i < n; i++) ((uint64_t *)ot_at(key))[i] = pt_hash_mix(77, (uint64_t)i);
    w->a = (pt_lora_args){.x = ot_rand_ld(n, in, in + s->pad, 1, 1), .dx = s->want_dx ? ot_rand_ld(n, in, in + s->pad, 2, 1) : PT_NO_VIEW,
                          .n_parts = PARTS, .parts = w->parts, .n_runs = sizeof runs / sizeof *runs, .runs = w->runs, .n_slots = SLOTS,
                          .dropout = s->dropout, .token_key = key, .seed = 42, .step = 7};
}

static void compare(world *got, world *naive, world *want)
{
    ot_errors da = {0}, db = {0};
    for (int p = 0; p < PARTS; p++) {
        ot_within("y", got->parts[p].y, naive->parts[p].y, want->parts[p].y);
        for (int k = 0; k < SLOTS; k++) {
            const pt_lora_slot *g = &got->slots[p][k], *v = &naive->slots[p][k], *r = &want->slots[p][k];
            if (!pt_view_ok(r->da)) continue;
            ot_errors_add(&da, g->da, v->da, r->da);
            ot_errors_add(&db, g->db, v->db, r->db);
        }
    }
    ot_errors_within("da", da);
    ot_errors_within("db", db);
    if (pt_view_ok(want->a.dx)) ot_within("dx", got->a.dx, naive->a.dx, want->a.dx);
}

static void one_case(const setting *s)
{
    world got, naive, want;
    world_new(&got, s), world_new(&naive, s), world_new(&want, s);
    ot_ok(pt_ref_lora(&ot.ref, &want.a));
    ot_ok(naive_lora(&ot.ref, &naive.a));
    OT_RUN(&ot.cpu, lora, &got.a);
    compare(&got, &naive, &want);
    if (s->keep_t) {
        for (int p = 0; p < PARTS; p++) { /* tokens of no adapter keep their poison; the others agree */
            assert_true(isnan(ot_f32(got.parts[p].t, s->n / 3)[0]));
            for (int64_t i = 0; i < s->n; i++) {
                float a = ot_f32(got.parts[p].t, i)[0], b = ot_f32(want.parts[p].t, i)[0];
                assert_true((isnan(a) && isnan(b)) || fabsf(a - b) <= 1e-5f * (1 + fabsf(b)));
            }
        }
        ot_ok(pt_ref_lora_bwd(&ot.ref, &want.a));
        ot_ok(naive_lora_bwd(&ot.ref, &naive.a));
        OT_RUN(&ot.cpu, lora_bwd, &got.a);
        compare(&got, &naive, &want);
    }
    ot_free_all();
}

static void test_against_ref(void **state)
{
        for (int i = 0; ot_isa(i); i++) {
        for (int k = 0; k < 12; k++) {
            setting s = {.n = k % 3 == 0 ? 40 : k % 3 == 1 ? 129 : k < 6 ? 512 : 700, .in = k % 2 ? 33 : 100, .rank = 1 + k % 5, .dropout = k % 4 == 1 ? 0.25f : 0,
                         .adjacent = k % 2 == 0, .keep_t = k % 5 != 4, .want_dx = k % 3 != 2, .pad = k % 4};
            if (k == 11) pt_threads_set(3);
            one_case(&s);
            pt_threads_set(1);
        }
    }
}

/* The mask is the contract's: which inputs act on t follows pt_rng_words, and the same token key drops the same features. */
static void test_dropout_mask(void **state)
{
    int64_t in = 77, n = 4;
    uint64_t keys[4] = {5, 9, 5, 11};
    pt_view x = ot_new(PT_F32, n, in, in), a = ot_rand(1, in, 3, 1), b = ot_rand(1, 1, 4, 1), key = ot_new(PT_U64, 1, n, n);
    memcpy(ot_at(key), keys, sizeof keys);
    for (int64_t i = 0; i < n * in; i++) ot_f32(x, 0)[i] = 1;
    pt_lora_slot slot = {.a = a, .b = b, .scale = 1, .rank = 1};
    pt_lora_part part = {.y = ot_rand(n, 1, 5, 1), .t = ot_out(n, 1), .slots = &slot, .module = 19};
    pt_lora_run run = {0, 4, 0};
    pt_lora_args args = {.x = x, .n_parts = 1, .parts = &part, .n_runs = 1, .runs = &run, .n_slots = 1, .dropout = 0.3f, .token_key = key, .seed = 1ull << 40 | 3, .step = 6};
    OT_RUN(&ot.cpu, lora, &args);
    int dropped = 0;
    for (int64_t i = 0; i < n; i++) {
        double want = 0;
        for (int64_t f = 0; f < in; f++) {
            pt_rng4 w = pt_rng_words(1ull << 40 | 3, PT_RNG_DROPOUT, pt_hash_mix(keys[i], 6), (uint64_t)19 << 32 | (uint64_t)(f / 4));
            if (pt_rng_unit(w.v[f % 4]) < 0.3f) dropped++;
            else want += ot_f32(a, 0)[f] / (1 - 0.3f);
        }
        assert_true(fabs(want - ot_f32(part.t, i)[0]) < 1e-4);
    }
    assert_true(dropped > 60 && dropped < 130); /* 308 draws at 0.3 */
    assert_true(ot_f32(part.t, 0)[0] == ot_f32(part.t, 2)[0] && ot_f32(part.t, 0)[0] != ot_f32(part.t, 1)[0]);
    ot_free_all();
}

static double loss(world *w, const pt_view *y0)
{
    double s = 0;
    for (int p = 0; p < PARTS; p++) memcpy(ot_at(w->parts[p].y), ot_at(y0[p]), (size_t)w->parts[p].y.rows * pt_view_row_bytes(w->parts[p].y));
    ot_ok(pt_ref_lora(&ot.ref, &w->a));
    for (int p = 0; p < PARTS; p++)
        for (int64_t i = 0; i < w->a.x.rows; i++)
            for (int64_t o = 0; o < part_out[p]; o++) s += (double)ot_f32(w->parts[p].dy, i)[o] * ot_f32(w->parts[p].y, i)[o];
    return s;
}

static void check_grad(world *w, const pt_view *y0, pt_view at, pt_view grad, pt_view before)
{
    for (int64_t i = 0; i < at.rows * at.cols; i += 1 + at.rows * at.cols / 20) {
        float *p = ot_f32(at, 0) + i, keep = *p;
        *p = keep + 0.25f;
        double up = loss(w, y0);
        *p = keep - 0.25f;
        double down = loss(w, y0), got = ot_f32(grad, 0)[i] - ot_f32(before, 0)[i];
        *p = keep;
        if (!(fabs((up - down) / 0.5 - got) < 2e-4 * (1 + fabs(got)))) fail_msg("difference %g, gradient %g", (up - down) / 0.5, got);
    }
}

/* The loss is bilinear, so central differences are exact but for rounding; with dropout on. */
static void test_differences(void **state)
{
    for (int k = 0; k < 2; k++) {
        setting s = {.n = 16, .in = 12, .rank = 2, .dropout = k ? 0.3f : 0, .keep_t = true, .want_dx = true};
        world w;
        world_new(&w, &s);
        pt_view y0[PARTS], dx0 = ot_copy_of(w.a.dx);
        world old = w;
        for (int p = 0; p < PARTS; p++) {
            y0[p] = ot_copy_of(w.parts[p].y);
            for (int q = 0; q < SLOTS; q++)
                if (pt_view_ok(w.slots[p][q].da)) old.slots[p][q].da = ot_copy_of(w.slots[p][q].da), old.slots[p][q].db = ot_copy_of(w.slots[p][q].db);
        }
        loss(&w, y0); /* fills t */
        ot_ok(pt_ref_lora_bwd(&ot.ref, &w.a));
        check_grad(&w, y0, w.a.x, w.a.dx, dx0);
        for (int p = 0; p < PARTS; p++)
            for (int q = 0; q < SLOTS; q++) {
                if (!pt_view_ok(w.slots[p][q].da)) continue;
                check_grad(&w, y0, w.slots[p][q].a, w.slots[p][q].da, old.slots[p][q].da);
                check_grad(&w, y0, w.slots[p][q].b, w.slots[p][q].db, old.slots[p][q].db);
            }
        ot_free_all();
    }
}

/* The second call takes the dt that it is given: of zeros nothing comes to dA. */
static void given_dt(pt_ctx *c, world *w)
{
    pt_view before[PARTS];
    for (int p = 0; p < PARTS; p++) {
        before[p] = ot_copy_of(w->slots[p][0].da);
        memset(ot_at(w->parts[p].dt), 0, (size_t)w->parts[p].dt.rows * pt_view_row_bytes(w->parts[p].dt));
    }
    OT_RUN(c, lora_bwd, &w->a);
    for (int p = 0; p < PARTS; p++) assert_true(ot_error(w->slots[p][0].da, before[p]) == 0);
}

/* Two calls, the first without x, are one: the same bits on the CPU where parts go one by one, and a dt rounded to f32 in ref. */
static void test_two_calls(void **state)
{
    for (int k = 0; k < 8; k++) {
        pt_ctx *c = k % 2 ? &ot.cpu : &ot.ref;
        setting s = {.n = 129, .in = 33, .rank = 3, .dropout = k / 2 % 2 ? 0.25f : 0, .adjacent = k / 4, .keep_t = true, .want_dx = true, .pad = 2};
        world one, two;
        world_new(&one, &s), world_new(&two, &s);
        OT_RUN(c, lora, &one.a);
        OT_RUN(c, lora, &two.a);
        OT_RUN(c, lora_bwd, &one.a);
        for (int p = 0; p < PARTS; p++) two.parts[p].dt = ot_out(s.n, 2 * s.rank + 1);
        const pt_view x = two.a.x, dx = two.a.dx;
        two.a.half = PT_LORA_TO_X, two.a.x = ot_out(s.n, s.in);
        OT_RUN(c, lora_bwd, &two.a);
        two.a.half = PT_LORA_OWN, two.a.x = x, two.a.dx = PT_NO_VIEW;
        OT_RUN(c, lora_bwd, &two.a);
        const double most = k % 2 && !s.adjacent ? 0 : 3e-7;
        assert_true(ot_error(dx, one.a.dx) <= most);
        for (int p = 0; p < PARTS; p++)
            for (int q = 0; q < SLOTS; q++)
                if (pt_view_ok(one.slots[p][q].da))
                    assert_true(ot_error(two.slots[p][q].da, one.slots[p][q].da) <= most && ot_error(two.slots[p][q].db, one.slots[p][q].db) <= most);
        given_dt(c, &two);
        pt_status rc = c->ops->lora_bwd(c, &(pt_lora_args){.x = x, .dx = dx, .n_parts = 1, .parts = two.parts, .n_slots = SLOTS, .half = PT_LORA_OWN});
        assert_int_equal(rc, PT_EARG); /* dx belongs to the first */
        two.a.half = PT_LORA_TO_X;
        assert_int_equal(c->ops->lora_bwd(c, &two.a), PT_EARG);
        assert_int_equal(c->ops->lora(c, &two.a), PT_EARG);
        two.a.half = PT_LORA_OWN, two.parts[1].dt = PT_NO_VIEW;
        assert_int_equal(c->ops->lora_bwd(c, &two.a), PT_ESHAPE);
        ot_free_all();
    }
}

static void test_dry_run_and_refusals(void **state)
{
    size_t last = 0;
    for (int64_t n = 8; n < 400; n += 56) {
        setting s = {.n = n, .in = 20, .rank = 3, .dropout = 0.1f, .keep_t = true, .want_dx = true};
        world w;
        world_new(&w, &s);
        size_t need = ot_need(&ot.cpu, lora_bwd, &w.a);
        assert_true(need >= last && need > 0);
        last = need;
        w.runs[1].begin = 0; /* overlaps run 0 */
        assert_int_equal(pt_ops_cpu.lora(&ot.cpu, &w.a), PT_ESHAPE);
        w.runs[1].begin = w.runs[0].end;
        w.runs[4].slot = SLOTS;
        assert_int_equal(pt_ops_cpu.lora(&ot.cpu, &w.a), PT_ESHAPE);
        w.runs[4].slot = 1;
        w.a.dropout = 1;
        assert_int_equal(pt_ops_ref.lora(&ot.ref, &w.a), PT_EARG);
        w.a.dropout = 0.1f;
        w.a.token_key = PT_NO_VIEW;
        assert_int_equal(pt_ops_cpu.lora(&ot.cpu, &w.a), PT_ESHAPE);
        ot_free_all();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_ref),
        cmocka_unit_test(test_dropout_mask),
        cmocka_unit_test(test_differences),
        cmocka_unit_test(test_two_calls),
        cmocka_unit_test(test_dry_run_and_refusals),
    };
    return cmocka_run_group_tests(tests, setup, ot_end);
}

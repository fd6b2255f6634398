/* Decode attention: cpu against ref; ref against attention over a plain row; ranges, windows, threads. */
#include "tests/ops/op_forest.h"
#include "tests/ops/op_test.h"

typedef struct cache {
    pt_view q, k, v, lens;
    pt_decode_args a;
} cache;

static cache make(int64_t b, int max_len, int heads, int kv, int dim, int window, uint64_t seed)
{
    cache c = {.q = ot_new(PT_F32, b, heads * dim, heads * dim + 4),
               .k = ot_new(PT_F32, b * max_len, kv * dim, kv * dim),
               .v = ot_new(PT_F32, b * max_len, kv * dim, kv * dim + 2),
               .lens = ot_new(PT_I32, 1, b, b)};
    ot_fill(c.q, seed, 1);
    for (int64_t i = 0; i < b; i++) {
        int32_t len =
            i == 0 ? max_len : 1 + (int32_t)(pt_rng_words(seed, PT_RNG_TEST, (uint64_t)i, 9).v[0] % (uint32_t)max_len);
        ot_i32(c.lens)[i] = len;
        for (int64_t r = i * max_len; r < i * max_len + len; r++) /* rows past the length stay poison: they must not be read */
            for (int e = 0; e < kv * dim; e++) {
                ot_f32(c.k, r)[e] = ot_random(seed + 1, (uint64_t)(r * kv * dim + e));
                ot_f32(c.v, r)[e] = ot_random(seed + 2, (uint64_t)(r * kv * dim + e));
            }
    }
    c.a = (pt_decode_args){.q = c.q,
                           .k = c.k,
                           .v = c.v,
                           .lens = c.lens,
                           .max_len = max_len,
                           .n_heads = heads,
                           .n_kv = kv,
                           .dim = dim,
                           .window = window,
                           .scale = 1 / sqrtf((float)dim)};
    return c;
}

static pt_view slopes(int heads, float first)
{
    pt_view v = ot_out(1, heads);
    for (int h = 0; h < heads; h++) ot_f32(v, 0)[h] = ldexpf(first, -h);
    return v;
}

static void plain(const cache *c, pt_view o)
{
    const pt_decode_args *a = &c->a;
    float *e = calloc((size_t)a->max_len, sizeof *e);
    for (int64_t b = 0; b < a->q.rows; b++)
        for (int h = 0; h < a->n_heads; h++) {
            int at = h / (a->n_heads / a->n_kv) * a->dim, len = ot_i32(c->lens)[b],
                start = a->window && len > a->window ? len - a->window : 0;
            float max = -INFINITY, sum = 0, slope = pt_view_ok(a->slopes) ? ot_f32(a->slopes, 0)[h] : 0;
            for (int j = start; j < len; j++) {
                e[j] = 0;
                for (int d = 0; d < a->dim; d++)
                    e[j] += ot_f32(c->q, b)[h * a->dim + d] * ot_f32(c->k, b * a->max_len + j)[at + d];
                e[j] *= a->scale;
                if (a->softcap > 0) e[j] = a->softcap * tanhf(e[j] / a->softcap);
                e[j] -= slope * (float)(len - 1 - j);
                max = fmaxf(max, e[j]);
            }
            for (int j = start; j < len; j++) sum += e[j] = expf(e[j] - max);
            for (int d = 0; d < a->dim; d++) {
                float x = 0;
                for (int j = start; j < len; j++) x += e[j] / sum * ot_f32(c->v, b * a->max_len + j)[at + d];
                ot_f32(o, b)[h * a->dim + d] = x;
            }
        }
    free(e);
}

static void against_ref(void **state)
{
    static const struct {
        int b, max_len, heads, kv, dim, window;
        float softcap, slope;
    } cases[] = {
        {1, 1, 1, 1, 2, 0, 0, 0},       {1, 700, 9, 3, 64, 0, 0, 0},      {7, 65, 4, 1, 80, 0, 0, 0},
        {3, 600, 2, 2, 34, 300, 0, 0},  {2, 257, 8, 1, 128, 256, 0, 0},   {5, 40, 6, 2, 10, 1, 0, 0},
        {40, 90, 9, 3, 64, 0, 0, 0},    {1, 513, 14, 2, 256, 0, 0, 0},    {3, 300, 4, 2, 256, 0, 0.5f, 0},
        {2, 530, 8, 1, 64, 270, 0, 0.03f}, {6, 70, 6, 3, 34, 0, 0.3f, 0.1f},
    };
    int before = pt_threads_get();
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        cache c = make(cases[k].b, cases[k].max_len, cases[k].heads, cases[k].kv, cases[k].dim, cases[k].window, k);
        pt_view want = ot_new(PT_F32, cases[k].b, c.q.cols, c.q.cols), p = ot_like(want),
               got = ot_new(PT_F32, cases[k].b, c.q.cols, c.q.cols + 1), one = ot_like(got);
        c.a.softcap = cases[k].softcap;
        if (cases[k].slope > 0) c.a.slopes = slopes(cases[k].heads, cases[k].slope);
        c.a.o = want;
        OT_RUN(&ot.ref, decode_attention, &c.a);
        plain(&c, p);
        for (int i = 0; ot_isa(i); i++)
            for (int threads = 1; threads < 4; threads++) {
                pt_threads_set(threads);
                ot_poison(got);
                c.a.o = got;
                OT_RUN(&ot.cpu, decode_attention, &c.a);
                ot_within("decode_attention", got, p, want);
                if (threads == 1) ot_copy(one, got);
                assert_true(ot_equal_bits(one, got));
            }
        ot_free_all();
    }
    pt_threads_set(before);
}

/* The last row of a plain sequence's attention is what decoding computes. */
static void equals_attention(void **state)
{
    for (int i = 0; i < 4; i++) { /* a window; softcap and slopes */
        int window = i % 2 ? 30 : 0;
        cache c = make(1, 77, 4, 2, 16, window, 5);
        c.a.softcap = i >= 2 ? 0.7f : 0;
        c.a.slopes = i >= 2 ? slopes(4, 0.25f) : PT_NO_VIEW;
        pt_view q = ot_new(PT_F32, 77, 64, 64), all = ot_like(q), o = ot_new(PT_F32, 1, 64, 64), last = ot_like(o);
        ot_fill(q, 8, 1);
        memcpy(ot_f32(c.q, 0), ot_f32(q, 76), 64 * 4);
        of_forest f;
        of_begin(&f, window);
        of_add(&f, -1, 77);
        pt_ctx *both[] = {&ot.ref, &ot.cpu};
        for (int b = 0; b < 2; b++) {
            pt_forest *forest = of_make(both[b], &f);
            pt_attention_args a = {.o = all,
                                   .q = q,
                                   .k = c.k,
                                   .v = c.v,
                                   .forest = forest,
                                   .n_heads = 4,
                                   .n_kv = 2,
                                   .dim = 16,
                                   .scale = c.a.scale,
                                   .softcap = c.a.softcap,
                                   .slopes = c.a.slopes};
            OT_RUN(both[b], attention, &a);
            c.a.o = o;
            OT_RUN(both[b], decode_attention, &c.a);
            memcpy(ot_f32(last, 0), ot_f32(all, 76), 64 * 4);
            assert_true(ot_error(o, last) < 3e-7);
            both[b]->ops->forest_free(both[b], forest);
        }
        ot_free_all();
    }
}

static void refusals(void **state)
{
    pt_ctx *both[] = {&ot.ref, &ot.cpu};
    cache c = make(2, 10, 2, 1, 8, 0, 1);
    pt_view o = ot_new(PT_F32, 2, 16, 16);
    c.a.o = o;
    for (int b = 0; b < 2; b++) {
        ot_i32(c.lens)[1] = 0;
        OT_REFUSE(both[b], decode_attention, &c.a, PT_ESHAPE);
        ot_i32(c.lens)[1] = 11;
        OT_REFUSE(both[b], decode_attention, &c.a, PT_ESHAPE);
        ot_i32(c.lens)[1] = 1;
        c.a.max_len = 11;
        OT_REFUSE(both[b], decode_attention, &c.a, PT_ESHAPE);
        c.a.max_len = 10;
        c.a.softcap = -1;
        OT_REFUSE(both[b], decode_attention, &c.a, PT_EARG);
        c.a.softcap = 0, c.a.slopes = slopes(3, 1);
        OT_REFUSE(both[b], decode_attention, &c.a, PT_ESHAPE);
        c.a.slopes = PT_NO_VIEW;
    }
    ot_free_all();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(against_ref), cmocka_unit_test(equals_attention),
                                       cmocka_unit_test(refusals)};
    return cmocka_run_group_tests_name("kernels_decode", tests, ot_begin, ot_end);
}

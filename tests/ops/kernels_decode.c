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

/* The same positions in runs of cache rows: the first `shared` of every row in one run, of which all rows have row 0's (a shorter row: as much as it has); the
 * rest of each in two, the later one first. Rows that no run names are poison. */
static pt_decode_args in_runs(cache *c, int shared)
{
    pt_decode_args a = c->a;
    const int64_t rows = a.q.rows, cells = 2 + shared + rows * (a.max_len + 3);
    pt_view k = ot_new(PT_F32, cells, c->k.cols, c->k.cols + 4), v = ot_new(PT_F32, cells, c->v.cols, c->v.cols), spans = ot_new(PT_I32, rows, 8, 9);
    int32_t at = 2;
    for (int64_t b = 0; b < rows; b++) {
        const int32_t len = ot_i32(c->lens)[b], first = len < shared ? len : shared, half = (len - first) / 2;
        int32_t *s = ot_i32(spans) + b * spans.ld, place = 2 + shared + (int32_t)b * (a.max_len + 3);
        for (int32_t j = 0; j < first; j++) {
            memcpy(ot_f32(c->k, b * a.max_len + j), ot_f32(c->k, j), (size_t)c->k.cols * 4);
            memcpy(ot_f32(c->v, b * a.max_len + j), ot_f32(c->v, j), (size_t)c->v.cols * 4);
        }
        const int32_t runs[8] = {at, first, place + len - first - half + 1, half, 0, 0, place, len - first - half};
        memcpy(s, runs, sizeof runs);
        for (int32_t j = 0, run = 0, of = 0; j < len; j++, of++) {
            while (of >= runs[2 * run + 1]) run++, of = 0;
            memcpy(ot_f32(k, runs[2 * run] + of), ot_f32(c->k, b * a.max_len + j), (size_t)c->k.cols * 4);
            memcpy(ot_f32(v, runs[2 * run] + of), ot_f32(c->v, b * a.max_len + j), (size_t)c->v.cols * 4);
        }
    }
    a.k = k;
    a.v = v;
    a.spans = spans;
    return a;
}

static void runs_against_ref(void **state)
{
    static const struct {
        int b, max_len, heads, kv, dim, window, shared;
        float softcap, slope;
    } cases[] = {{1, 1, 2, 1, 4, 0, 1, 0, 0},       {5, 700, 6, 3, 64, 0, 513, 0, 0},   {16, 300, 4, 2, 34, 0, 256, 0, 0},
                 {4, 600, 4, 2, 64, 290, 350, 0, 0}, {3, 520, 4, 1, 40, 0, 0, 0.4f, 0}, {6, 90, 9, 3, 64, 33, 40, 0, 0.1f}};
    int before = pt_threads_get();
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        cache c = make(cases[k].b, cases[k].max_len, cases[k].heads, cases[k].kv, cases[k].dim, cases[k].window, k + 20);
        for (int64_t b = 1; b < cases[k].b; b++) /* half of the rows reach behind what they share */
            if (b % 2 && ot_i32(c.lens)[b] <= cases[k].shared && cases[k].shared < cases[k].max_len) {
                for (int64_t r = ot_i32(c.lens)[b]; r <= cases[k].shared; r++)
                    for (int e = 0; e < c.k.cols; e++) ot_f32(c.k, b * cases[k].max_len + r)[e] = ot_f32(c.v, b * cases[k].max_len + r)[e] = ot_random(k, (uint64_t)(r + e));
                ot_i32(c.lens)[b] = cases[k].shared + 1;
            }
        pt_view whole = ot_new(PT_F32, cases[k].b, c.q.cols, c.q.cols), want = ot_like(whole), p = ot_like(whole), got = ot_like(whole), one = ot_like(whole);
        c.a.softcap = cases[k].softcap;
        if (cases[k].slope > 0) c.a.slopes = slopes(cases[k].heads, cases[k].slope);
        pt_decode_args a = in_runs(&c, cases[k].shared);
        c.a.o = whole;
        OT_RUN(&ot.ref, decode_attention, &c.a);
        plain(&c, p);
        a.o = want;
        OT_RUN(&ot.ref, decode_attention, &a);
        assert_true(ot_equal_bits(whole, want));
        for (int threads = 1; threads < 4; threads++) {
            pt_threads_set(threads);
            ot_poison(got);
            a.o = got;
            OT_RUN(&ot.cpu, decode_attention, &a);
            ot_within("decode_attention in runs", got, p, want);
            if (threads == 1) ot_copy(one, got);
            assert_true(ot_equal_bits(one, got));
        }
        ot_free_all();
    }
    pt_threads_set(before);
}

static void runs_refused(void **state)
{
    static const int32_t bad[][4] = {{0, 5, 5, 4}, {0, 5, 5, 6}, {-1, 5, 5, 5}, {0, 11, 0, -1}, {14, 10, 0, 0}, {INT32_MAX, 10, 0, 0}};
    pt_ctx *both[] = {&ot.ref, &ot.cpu};
    for (int b = 0; b < 2; b++) {
        cache c = make(2, 10, 2, 1, 8, 0, 1);
        pt_decode_args a = c.a;
        a.o = ot_new(PT_F32, 2, 16, 16);
        a.spans = ot_new(PT_I32, 2, 4, 4);
        memset(ot_i32(a.spans), 0, 2 * 4 * sizeof(int32_t));
        ot_i32(c.lens)[1] = 10;
        ot_i32(a.spans)[1] = ot_i32(a.spans)[5] = 10;
        OT_RUN(both[b], decode_attention, &a);
        for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
            memcpy(ot_i32(a.spans) + 4, bad[k], sizeof bad[k]);
            OT_REFUSE(both[b], decode_attention, &a, PT_ESHAPE);
        }
        a.spans = ot_new(PT_I32, 2, 3, 3);
        OT_REFUSE(both[b], decode_attention, &a, PT_ESHAPE);
        a.spans = ot_new(PT_I32, 1, 4, 4);
        OT_REFUSE(both[b], decode_attention, &a, PT_ESHAPE);
        ot_free_all();
    }
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
                                       cmocka_unit_test(refusals), cmocka_unit_test(runs_against_ref), cmocka_unit_test(runs_refused)};
    return cmocka_run_group_tests_name("kernels_decode", tests, ot_begin, ot_end);
}

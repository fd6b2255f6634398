/* Sampling: ref by hand-worked cases and frequencies, cpu against ref draw by draw. */
#include "tests/ops/op_test.h"

static const pt_sample_args off = {.temperature = 1, .top_p = 1, .repetition_penalty = 1, .seed = 7};

/* One draw from logits[n] under `a`. */
static int32_t draw(pt_ctx *ctx, pt_sample_args a, const float *logits, int64_t n, uint64_t position)
{
    uint64_t stream = 3;
    pt_view z = ot_new(PT_F32, 1, n, n), token = ot_new(PT_I32, 1, 1, 1);
    memcpy(ot_f32(z, 0), logits, (size_t)n * 4);
    a.logits = z;
    a.token = token;
    a.stream = &stream;
    a.position = &position;
    OT_RUN(ctx, sample, &a);
    int32_t t = *ot_i32(token);
    ot_free_last(2);
    return t;
}

/* Which tokens come up in many draws, as a bit set. */
static uint32_t support(pt_ctx *ctx, pt_sample_args a, const float *z, int64_t n)
{
    uint32_t set = 0;
    for (uint64_t p = 0; p < 400; p++) set |= 1u << draw(ctx, a, z, n, p);
    return set;
}

static void by_hand(void **state)
{
    static const float z[] = {0.5f, 2, -1, 2, 1.9f, -INFINITY, 1};
    pt_ctx *both[] = {&ot.ref, &ot.cpu};
    for (int b = 0; b < 2; b++)
        for (int v = 0; b == 1 ? ot_isa(v) : v < 1; v++) {
            pt_sample_args a = off;
            a.temperature = 0;
            assert_int_equal(draw(both[b], a, z, 7, 0), 1); /* the lowest id of a tie */
            a = off;
            assert_int_equal(support(both[b], a, z, 7), 0x5f); /* all but -inf */
            a.top_k = 1;
            assert_int_equal(support(both[b], a, z, 7), 0x02); /* the lowest id of a tie */
            a.top_k = 3;
            assert_int_equal(support(both[b], a, z, 7), 0x1a);
            a = off;
            a.top_p = 0.3f; /* exp: 2 and 2 have 0.278 each: the first does not reach 0.3, both do */
            assert_int_equal(support(both[b], a, z, 7), 0x0a);
            a.top_p = 0.2f;
            assert_int_equal(support(both[b], a, z, 7), 0x02);
            a = off;
            a.min_p = 0.8f; /* exp(1.9 - 2) = 0.905 stays, exp(1 - 2) = 0.37 goes */
            assert_int_equal(support(both[b], a, z, 7), 0x1a);
            a.min_p = 1;
            assert_int_equal(support(both[b], a, z, 7), 0x0a);
            a.temperature = 50; /* the filter comes before: as at 1 */
            a.min_p = 0.8f;
            assert_int_equal(support(both[b], a, z, 7), 0x1a);
            a.min_p = 0;
            a.top_p = 0.3f;
            assert_int_equal(support(both[b], a, z, 7), 0x0a);
            a = off;
            a.temperature = 0.01f;
            assert_int_equal(support(both[b], a, z, 7), 0x0a);
            a = off;
            a.top_k = 4,
            a.top_p = 0.55f; /* of the four (3.68 in units of the largest): 2/3.37... both twos hold 0.61 >= 0.55 */
            assert_int_equal(support(both[b], a, z, 7), 0x0a);
        }
    ot_free_all();
}

static void penalty(void **state)
{
    static const float z[] = {1, 1.5f, -1, 1.2f, 3};
    static const int32_t seen[] = {4, 1, -1, 4, 4, 2, 99};
    pt_ctx *both[] = {&ot.ref, &ot.cpu};
    for (int b = 0; b < 2; b++) {
        pt_view s = ot_new(PT_I32, 1, 7, 7);
        memcpy(ot_i32(s), seen, sizeof seen);
        pt_sample_args a = off;
        a.temperature = 0;
        a.seen = s;
        assert_int_equal(draw(both[b], a, z, 5, 0), 4);
        a.repetition_penalty = 2; /* once, though 4 was seen three times: 1.5; ties with nothing: 3 -> 1.5, 1 -> 0.75 */
        assert_int_equal(draw(both[b], a, z, 5, 0), 4);
        a.repetition_penalty = 3; /* 4 -> 1, 1 -> 0.5: now 3 (1.2) leads */
        assert_int_equal(draw(both[b], a, z, 5, 0), 3);
        a.temperature = 1, a.min_p = 0.5f; /* 1.2, 1, 1 stay (0.82); 2: -1 * 3 = -3 goes */
        assert_int_equal(support(both[b], a, z, 5), 0x19);
        ot_free_all();
    }
}

/* Frequencies of ref's draws: 20,000 over five tokens, within 4 standard deviations. */
static void frequencies(void **state)
{
    static const float z[] = {0, 1, 2, -1, 0.5f};
    enum { DRAWS = 20000 };
    double p[5], sum = 0;
    int count[5] = {0};
    for (int i = 0; i < 5; i++) sum += p[i] = exp(z[i] / 1.5);
    pt_sample_args a = off;
    a.temperature = 1.5f;
    for (uint64_t k = 0; k < DRAWS; k++) count[draw(&ot.ref, a, z, 5, k)]++;
    for (int i = 0; i < 5; i++) {
        double q = p[i] / sum;
        assert_true(fabs(count[i] - DRAWS * q) < 4 * sqrt(DRAWS * q * (1 - q)));
    }
    ot_free_all();
}

static void cpu_draws(void **state)
{
    static const struct {
        float temperature;
        int top_k;
        float top_p, min_p, penalty, spread;
    } cases[] = {
        {1, 0, 1, 0, 1, 3},        {0.7f, 0, 1, 0, 1, 0.01f}, {1, 40, 1, 0, 1, 3},     {0.7f, 50, 0.9f, 0, 1.1f, 2},
        {1.3f, 0, 0.95f, 0, 1, 4}, {1, 0, 1, 0.05f, 1, 3},    {1, 7, 1, 0, 1, 0.001f}, {0.5f, 20, 0.8f, 0.1f, 1.3f, 5},
        {2, 0, 0.5f, 0.01f, 1, 6}, {1, 5000, 1, 0, 1, 2},     {1e-3f, 0, 1, 0, 1, 3},  {50, 0, 0.99f, 0, 1, 8},
        {0, 0, 1, 0, 1.2f, 3},     {1, 3, 1, 0.6f, 1, 2},     {1, 30, 1, 0.9f, 1, 3},  {1, 9000, 0.7f, 0, 1, 20},
    };
    enum { B = 6, V = 5003, SEEN = 40 };
    int before = pt_threads_get();
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++)
        for (uint64_t round = 0; round < 4; round++) {
            uint64_t stream[B], position[B];
            pt_view z = ot_new(PT_F32, B, V, V + 5), work = ot_like(z), want = ot_new(PT_I32, 1, B, B), got = ot_like(want),
                   seen = ot_new(PT_I32, B, SEEN, SEEN);
            ot_fill(z, 50 * c + round, cases[c].spread);
            for (int b = 0; b < B; b++) {
                stream[b] = round * 10 + (uint64_t)b;
                position[b] = round * 1000 + (uint64_t)b * 17;
                ot_f32(z, b)[b] = -INFINITY;
                ot_f32(z, b)[100 + b] = ot_f32(z, b)[200 + b]; /* a tie */
                for (int i = 0; i < SEEN; i++)
                    ((int32_t *)(void *)ot_row(seen, b))[i] =
                        i % 9 == 8 ? -1 : (int32_t)(pt_rng_words(c, PT_RNG_TEST, (uint64_t)(b * SEEN + i), round).v[0] % V);
            }
            pt_sample_args a = {.token = want,
                                .logits = work,
                                .seen = seen,
                                .temperature = cases[c].temperature,
                                .top_k = cases[c].top_k,
                                .top_p = cases[c].top_p,
                                .min_p = cases[c].min_p,
                                .repetition_penalty = cases[c].penalty,
                                .seed = 99,
                                .stream = stream,
                                .position = position};
            ot_copy(work, z);
            OT_RUN(&ot.ref, sample, &a);
            a.token = got;
            for (int i = 0; ot_isa(i); i++)
                for (int threads = 1; threads < 4; threads++) {
                    pt_threads_set(threads);
                    ot_copy(work, z);
                    OT_RUN(&ot.cpu, sample, &a);
                    if (!ot_equal_bits(got, want))
                        fail_msg("case %zu, round %d: another token (%s)", c, (int)round, pt_cpu_isa());
                }
            ot_free_all();
        }
    pt_threads_set(before);
}

/* By contract the same everywhere (tests/ops/kernels_draws.cpp: CUDA): the row of a NaN, of +inf or of nothing but -inf gets -1, greedy or drawn,
 * with a penalty or without; the rows beside it get what they get alone. */
static void rows_without_a_choice(void **state)
{
    pt_ctx *both[] = {&ot.ref, &ot.cpu};
    static const float wrong[] = {NAN, INFINITY, -NAN};
    uint64_t key[3] = {0, 1, 2};
    for (int b = 0; b < 2; b++)
        for (int w = 0; w < 16; w++) {
            int32_t alone[3];
            pt_view z = ot_new(PT_F32, 3, 100, 100), token = ot_new(PT_I32, 1, 3, 3), seen = ot_new(PT_I32, 3, 2, 2);
            pt_sample_args a = off;
            a.logits = z, a.token = token, a.stream = a.position = key, a.temperature = w & 4 ? 0 : 0.8f, a.top_p = 0.9f;
            for (int i = 0; i < 6; i++) ot_i32(seen)[i] = i % 2 ? 57 : 3;
            if (w & 8) a.seen = seen, a.repetition_penalty = 1.5f;
            ot_fill(z, 1, 1);
            OT_RUN(both[b], sample, &a);
            for (int i = 0; i < 3; i++) alone[i] = ot_i32(token)[i];
            ot_fill(z, 1, 1);
            if (w % 4 < 3)
                ot_f32(z, 1)[57] = wrong[w % 4];
            else
                for (int i = 0; i < 100; i++) ot_f32(z, 1)[i] = -INFINITY;
            OT_RUN(both[b], sample, &a);
            assert_int_equal(ot_i32(token)[1], -1);
            assert_int_equal(ot_i32(token)[0], alone[0]);
            assert_int_equal(ot_i32(token)[2], alone[2]);
            ot_free_all();
        }
}

static void refusals(void **state)
{
    pt_ctx *both[] = {&ot.ref, &ot.cpu};
    uint64_t key[2] = {0, 1};
    for (int b = 0; b < 2; b++) {
        pt_view z = ot_new(PT_F32, 2, 100, 100), token = ot_new(PT_I32, 1, 2, 2);
        pt_sample_args a = off;
        a.logits = z, a.token = token, a.stream = a.position = key;
        ot_fill(z, 1, 1);
        a.temperature = NAN;
        OT_REFUSE(both[b], sample, &a, PT_EARG);
        a.temperature = 1, a.top_p = 0;
        OT_REFUSE(both[b], sample, &a, PT_EARG);
        a.top_p = 1, a.repetition_penalty = 0;
        OT_REFUSE(both[b], sample, &a, PT_EARG);
        a.repetition_penalty = 1, a.top_k = -1;
        OT_REFUSE(both[b], sample, &a, PT_EARG);
        a.top_k = 0, a.stream = NULL;
        OT_REFUSE(both[b], sample, &a, PT_EARG);
        a.temperature = 0; /* greedy needs no draw */
        OT_RUN(both[b], sample, &a);
        ot_free_all();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(by_hand), cmocka_unit_test(penalty), cmocka_unit_test(frequencies),
                                       cmocka_unit_test(cpu_draws), cmocka_unit_test(rows_without_a_choice),
                                       cmocka_unit_test(refusals)};
    return cmocka_run_group_tests_name("kernels_sample", tests, ot_begin, ot_end);
}

/* A conversation that stays in the cache answers as one that is computed anew: after edits, swipes, other answers, longer and shorter prompts, failures. */
#include "tests/golden/model_fixture.h"
#include "train/generate/session.h"

enum { VOCAB = 192, LONGEST = 220, NEW = 10 };

static void open_random(bench *b, int window)
{
    const pt_model_config c = {.family = "qwen2", .vocab = VOCAB, .hidden = 32, .ffn = 48, .layers = 2, .heads = 4, .kv_heads = 2, .head_dim = 8, .rot = 8,
                               .norm_eps = 1e-5f, .rope_theta = 10000, .initializer_range = 0.3, .window = window, .bos = -1, .eos = -1, .pad = -1};
    const pt_model_caps caps = {.tokens = LONGEST, .segs = 4, .decode_rows = 1, .decode_len = LONGEST + NEW + 1};
    size_t bytes[PT_ROLE_COUNT];
    *b = (bench){.ctx = {.ops = &pt_ops_cpu}};
    OK(pt_ops_cpu.open(&b->ctx, PT_COMPUTE_F32));
    OK(pt_source_random(&b->src, &c, 3));
    OK(pt_model_new(&b->m, &b->ctx, b->src, &(pt_model_options){0}));
    OK(pt_model_plan(b->m, &caps, bytes));
    OK(pt_model_commit(b->m));
}

typedef struct talk {
    bench kept, cold;
    pt_gen_session *s;
    int32_t ids[LONGEST];
    size_t n;
    int near, differ;
} talk;

/* The answer to the first n ids, of the session and of a cache that knows nothing; *kept: what the session held of it. The answer is appended. */
static void answer(talk *t, size_t n, uint32_t sample, float temperature, int32_t *kept)
{
    const pt_ids prompt = {t->ids, n, LONGEST};
    pt_gen_result a = {.stopped = false}, b = {.stopped = false};
    pt_gen_options o = {.max_new_tokens = NEW, .sampler = pt_sampler_off(), .slot = PT_SLOT_NONE, .logp = true, .near = true, .samples = &sample};
    o.sampler.seed = 3;
    o.sampler.temperature = temperature;
    OK(pt_gen_session_answer(t->s, &prompt, &o, &a, NULL, NULL, kept));
    OK(pt_generate(t->cold.m, &prompt, 1, &o, &b, NULL, NULL));
    const bool equal = a.ids.n == b.ids.n && !memcmp(a.ids.ids, b.ids.ids, a.ids.n * sizeof(int32_t));
    if (!equal && !a.near && !b.near) fail_msg("%zu tokens, %d of them kept: another answer than cold", n, *kept);
    if (equal && !(fabs((double)(a.logp_sum - b.logp_sum)) <= 1e-4)) fail_msg("%zu tokens, %d kept: %.6f, cold %.6f", n, *kept, (double)a.logp_sum, (double)b.logp_sum);
    if (!equal) print_message("# another answer at a near tie: %zu tokens, %d kept\n", n, *kept);
    t->differ += !equal;
    for (size_t i = 0; i < a.ids.n && n + i < LONGEST; i++) t->ids[n + i] = a.ids.ids[i];
    t->n = n + a.ids.n < LONGEST ? n + a.ids.n : LONGEST;
    free(a.ids.ids);
    free(b.ids.ids);
}

static void say(talk *t, size_t n, int salt)
{
    for (size_t i = 0; i < n && t->n < LONGEST; i++) t->ids[t->n++] = (int32_t)((i * 37 + (size_t)salt * 101 + 5) % VOCAB);
}

static void test_conversation(void **state)
{
    for (int window = 0; window < 80; window += 70)
        for (int drawn = 0; drawn < 2; drawn++) {
            talk t = {.n = 0};
            int32_t kept;
            const float temperature = drawn ? 0.9f : 0;
            open_random(&t.kept, window);
            open_random(&t.cold, window);
            OK(pt_gen_session_new(&t.s, t.kept.m));
            say(&t, 70, 1);
            answer(&t, t.n, 0, temperature, &kept);
            assert_int_equal(kept, 0);
            for (int turn = 2; turn < 6; turn++) { /* the last token of an answer was never fed */
                const size_t had = t.n;
                say(&t, 8, turn);
                const size_t asked = t.n;
                answer(&t, asked, 0, temperature, &kept);
                assert_int_equal(kept, had - 1);
                for (uint32_t swipe = 1; swipe < 3; swipe++) {
                    answer(&t, asked, swipe, temperature, &kept);
                    assert_int_equal(kept, asked - 1);
                }
            }
            for (int edit = 0; edit < 20; edit++) { /* a token somewhere becomes another; now and then the end is cut off */
                size_t at = 20 + (size_t)edit * 53 % (t.n - 20);
                t.ids[at] = (t.ids[at] + 1 + edit) % VOCAB;
                const size_t n = edit % 3 == 2 ? at + 1 + (t.n - at) / 2 : t.n < LONGEST ? t.n : LONGEST - 9;
                answer(&t, n, (uint32_t)edit, temperature, &kept);
                if (2 * at >= n) assert_int_equal(kept, at < n ? at : n - 1);
                else assert_int_equal(kept, n - at <= 64 ? at : 0);
            }
            assert_true(t.differ <= 2);
            pt_gen_session_free(t.s);
            bench_close(&t.kept);
            bench_close(&t.cold);
        }
}

static bool first_only(void *user, size_t i, int32_t id)
{
    (void)user, (void)i, (void)id;
    return false;
}

/* What ends an answer early, what is refused, and an empty request leave a session that answers as ever. */
static void test_ends(void **state)
{
    talk t = {.n = 0};
    int32_t kept;
    pt_gen_result r = {.stopped = false};
    pt_gen_options o = {.max_new_tokens = NEW, .sampler = pt_sampler_off(), .slot = PT_SLOT_NONE};
    open_random(&t.kept, 0);
    open_random(&t.cold, 0);
    OK(pt_gen_session_new(&t.s, t.kept.m));
    say(&t, 100, 1);
    OK(pt_gen_session_answer(t.s, &(pt_ids){t.ids, 100, 100}, &o, &r, first_only, NULL, &kept));
    assert_int_equal(r.ids.n, 1);
    answer(&t, 100, 0, 0, &kept);
    assert_int_equal(kept, 99);
    o.max_new_tokens = LONGEST;
    assert_int_equal(pt_gen_session_answer(t.s, &(pt_ids){t.ids, 100, 100}, &o, &r, NULL, NULL, &kept), PT_EARG);
    assert_int_equal(pt_gen_session_answer(t.s, &(pt_ids){t.ids, 0, 0}, &o, &r, NULL, NULL, &kept), PT_EARG);
    o.max_new_tokens = 0;
    OK(pt_gen_session_answer(t.s, &(pt_ids){t.ids, 100, 100}, &o, &r, NULL, NULL, &kept));
    answer(&t, 100, 0, 0, &kept);
    assert_int_equal(kept, 99);
    answer(&t, 40, 0, 0, &kept); /* shorter than what stands there */
    assert_int_equal(kept, 39);
    free(r.ids.ids);
    pt_gen_session_free(t.s);
    pt_gen_session_free(NULL);
    bench_close(&t.kept);
    bench_close(&t.cold);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_conversation), cmocka_unit_test(test_ends)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

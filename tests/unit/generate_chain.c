/* Chains of samplers: the one over downloaded logits and the device's op draw the same tokens; what llama.cpp has no answer for; what is refused. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "train/generate/chain.h"
#include "train/generate/generate.h"

#define OK(call)                                            \
    do {                                                    \
        if ((call) != PT_OK) fail_msg("%s", pt_err_msg());  \
    } while (0)

enum { SEQS = 12, NEW = 48 };

static void answers(const pt_sampler *s, int32_t rows, const uint32_t *samples, pt_gen_result *r, pt_status want)
{
    static int32_t text[SEQS][12];
    static const uint64_t zero[SEQS];
    pt_ids prompts[SEQS];
    pt_ctx ctx = {.ops = &pt_ops_cpu};
    pt_source *src;
    pt_model *m;
    size_t bytes[PT_ROLE_COUNT];
    const pt_model_config c = {.family = "llama", .vocab = 512, .hidden = 64, .ffn = 128, .layers = 2, .heads = 4, .kv_heads = 2, .head_dim = 16, .rot = 16, .max_positions = 128, .act = PT_ACT_SILU,
                               .norm_eps = 1e-5f, .rope_theta = 10000, .rope_kind = PT_ROPE_HALF, .bos = -1, .eos = -1, .pad = -1, .initializer_range = 0.3};
    const pt_model_caps caps = {.tokens = 256, .segs = 64, .heads = 64, .rows = 64, .groups = 64, .decode_rows = rows, .decode_len = 12 + NEW + 1};
    const pt_gen_options o = {.max_new_tokens = NEW, .sampler = *s, .slot = PT_SLOT_NONE, .near = true, .samples = samples, .streams = samples ? zero : NULL};
    for (int i = 0; i < SEQS; i++) {
        for (int k = 0; k < 12; k++) text[i][k] = samples ? k * 37 % 512 : (k * 37 + i * 101 * (k > 5)) % 512;
        prompts[i] = (pt_ids){.ids = text[i], .n = samples ? 7 : (size_t)(6 + i % 7)};
    }
    memset(r, 0, SEQS * sizeof *r);
    OK(ctx.ops->open(&ctx, PT_COMPUTE_F32));
    OK(pt_source_random(&src, &c, 7));
    OK(pt_model_new(&m, &ctx, src, &(pt_model_options){.heads = PT_HEAD_VOCABULARY}));
    OK(pt_model_plan(m, &caps, bytes));
    OK(pt_model_commit(m));
    assert_int_equal(pt_generate(m, prompts, SEQS, &o, r, NULL, NULL), want);
    pt_model_free(m);
    pt_source_free(src);
    ctx.ops->close(&ctx);
}

static bool same(const pt_gen_result *a, const pt_gen_result *b)
{
    return a->ids.n == b->ids.n && !memcmp(a->ids.ids, b->ids.ids, a->ids.n * sizeof *a->ids.ids);
}

static void release(pt_gen_result *r)
{
    for (int i = 0; i < SEQS; i++) free(r[i].ids.ids);
}

/* A bias of 0 sends the same chain over downloaded logits. */
static void as_the_op(void **state)
{
    static const pt_logit_bias nothing = {3, 0};
    const struct { float temperature, top_p, min_p, penalty; int top_k, last_n; } cases[] = {
        {0.8f, 1, 0, 1, 0, -1}, {0, 1, 0, 1.3f, 0, -1}, {1.4f, 0.9f, 0.02f, 1.1f, 60, -1}, {0.7f, 1, 0.1f, 1.2f, 0, 5}, {2, 0.5f, 0, 1, 0, -1}};
    int equal = 0, near = 0;
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        pt_gen_result there[SEQS], here[SEQS], alone[SEQS];
        pt_sampler s = pt_sampler_off();
        s.temperature = cases[k].temperature, s.top_p = cases[k].top_p, s.min_p = cases[k].min_p, s.repeat_penalty = cases[k].penalty;
        s.top_k = cases[k].top_k, s.repeat_last_n = cases[k].last_n, s.seed = k;
        assert_true(pt_sampler_on_device(&s));
        answers(&s, 4, NULL, there, PT_OK);
        s.bias = &nothing, s.n_bias = 1;
        assert_false(pt_sampler_on_device(&s));
        answers(&s, 4, NULL, here, PT_OK);
        answers(&s, 1, NULL, alone, PT_OK);
        for (int i = 0; i < SEQS; i++) {
            bool by_rounding = here[i].near > 0;
            if (!same(&there[i], &here[i]) && !by_rounding) fail_msg("case %zu, prompt %d: the op draws other tokens", k, i);
            if (!same(&alone[i], &here[i]) && !by_rounding) fail_msg("case %zu, prompt %d: rows at once draw other tokens than one", k, i);
            equal += same(&there[i], &here[i]) + same(&alone[i], &here[i]);
            near += !same(&there[i], &here[i]) || !same(&alone[i], &here[i]);
        }
        release(there);
        release(here);
        release(alone);
    }
    print_message("# figure: %d answers equal, %d others with a near tie\n", equal, near);
    assert_true(near <= 2);
}

/* Draws are keyed by seed, prompt, sample and position. */
static void samples(void **state)
{
    const uint32_t sample[SEQS] = {0, 1, 2, 3, 0, 1, 2, 3, 4, 5, 6, 4};
    pt_gen_result r[SEQS];
    pt_sampler s = pt_sampler_off();
    s.temperature = 1;
    answers(&s, 5, sample, r, PT_OK);
    for (int i = 0; i < SEQS; i++)
        for (int k = 0; k < i; k++)
            if (same(&r[i], &r[k]) != (sample[i] == sample[k])) fail_msg("answers %d and %d to one prompt", i, k);
    release(r);
}

static void chain_of(pt_chain *c, const pt_sampler *s, const float *z, int64_t n, float chance)
{
    pt_sampler_state state = {.begun = false};
    if (!c->all) OK(pt_chain_open(c, n, 8));
    OK(pt_sampler_check(s, n));
    assert_true(pt_chain_start(c, z));
    pt_chain_run(c, s, &state, chance);
}

/* Where llama.cpp has 0 * -inf: 0 log 0 is 0. Shares 0.6, 0.2, 0.2 have an entropy of 0.95 nats; surprises 0.51, 1.61, 1.61 lie 0.44 and 0.66 away. */
static void typical_of_nothing(void **state)
{
    const float z[] = {0, -INFINITY, 200, 200 - logf(3), 200 - logf(3), -1e30f};
    const float mass[] = {0.5f, 0.7f, 0.99f};
    pt_chain c = {.vocab = 0};
    pt_sampler s = pt_sampler_off();
    s.temperature = 1;
    for (int k = 0; k < 3; k++) {
        s.typical_p = mass[k];
        chain_of(&c, &s, z, 6, 0);
        assert_int_equal(c.n, k + 1);
        for (int i = 0; i <= k; i++) assert_true(c.c[i].id == 2 + i && pt_chain_p(&c, i) > 0.19);
    }
    pt_chain_close(&c);
}

static void by_hand(void **state)
{
    const float z[] = {logf(0.1f), logf(0.4f), logf(0.3f), logf(0.2f)};
    pt_chain c = {.vocab = 0};
    pt_sampler s = pt_sampler_off();
    s.temperature = 1;
    s.xtc_probability = 0.5f;
    s.xtc_threshold = 0.15f;
    chain_of(&c, &s, z, 4, 0.6f); /* not this time */
    assert_int_equal(c.n, 4);
    chain_of(&c, &s, z, 4, 0.4f); /* 0.4 and 0.3 go, 0.2 is the last to reach 0.15 */
    assert_int_equal(c.n, 2);
    assert_int_equal(c.c[0].id, 3);
    assert_true(fabs(pt_chain_p(&c, 0) - 2.0 / 3) < 1e-6);
    s = pt_sampler_off();
    s.temperature = 1;
    const pt_logit_bias out[] = {{1, -INFINITY}, {0, logf(3)}};
    s.bias = out, s.n_bias = 2;
    chain_of(&c, &s, z, 4, 0); /* 0.3, 0.3, 0.2 of 0.8 */
    assert_int_equal(c.n, 3);
    assert_true(fabs(pt_chain_p(&c, 0) - 0.375) < 1e-6 && c.c[0].id == 0);
    pt_chain_close(&c);
}

static void nothing_left(void **state)
{
    pt_logit_bias all[512];
    pt_gen_result r[SEQS];
    pt_sampler s = pt_sampler_off();
    for (int i = 0; i < 512; i++) all[i] = (pt_logit_bias){i, -INFINITY};
    s.temperature = 1, s.bias = all, s.n_bias = 512;
    answers(&s, 4, NULL, r, PT_ENONFINITE);
    assert_non_null(strstr(pt_err_msg(), "every token ruled out"));
    release(r);
}

static void refused(void **state)
{
    static const pt_logit_bias far = {512, 1}, nan = {1, NAN};
    pt_sampler s[10];
    static const char *const says[] = {"top_p 0", "temperature", "typical 1.5", "xtc_probability -1", "mirostat 3", "mirostat and adaptive_target", "top_k has no effect beside it",
                                       "dry is set, and samplers does not name it", "token 512 of a vocabulary of 512", "gets nan"};
    for (int i = 0; i < 10; i++) s[i] = pt_sampler_off();
    OK(pt_sampler_check(&s[0], 512));
    s[0].top_p = 0;
    s[1].temperature = NAN;
    s[2].typical_p = 1.5f;
    s[3].xtc_probability = -1;
    s[4].mirostat = 3;
    s[5].mirostat = 2, s[5].adaptive_target = 0.5f;
    s[6].mirostat = 1, s[6].top_k = 5;
    s[7].dry_multiplier = 1, s[7].n_order = 1;
    s[8].bias = &far, s[8].n_bias = 1;
    s[9].bias = &nan, s[9].n_bias = 1;
    for (int i = 0; i < 10; i++) {
        assert_int_equal(pt_sampler_check(&s[i], 512), PT_EARG);
        if (!strstr(pt_err_msg(), says[i])) fail_msg("%s: %s", says[i], pt_err_msg());
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(as_the_op), cmocka_unit_test(samples),      cmocka_unit_test(typical_of_nothing),
                                       cmocka_unit_test(by_hand),   cmocka_unit_test(nothing_left), cmocka_unit_test(refused)};
    return cmocka_run_group_tests_name("generate_chain", tests, NULL, NULL);
}

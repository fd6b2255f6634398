/* Generation: the answer of a prompt does not depend on its neighbours, on how the work is cut, or on the cache. */
#include <malloc.h>

#include "tests/golden/model_fixture.h"

enum { N = 7, NEW = 14 };

/* Prompts of several lengths; some share beginnings, two are equal. */
static int32_t text[N][40];
static pt_ids prompts[N];

static void make_prompts(void)
{
    static const int lens[N] = {31, 9, 17, 31, 1, 17, 24}, shared[N] = {0, 6, 9, 31, 1, 9, 20};
    for (int i = 0; i < N; i++) {
        for (int k = 0; k < lens[i]; k++) text[i][k] = k < shared[i] ? text[0][k] : 3 + (k * 37 + i * 101) % 250;
        prompts[i] = (pt_ids){text[i], (size_t)lens[i], 40};
    }
}

static void open_model(bench *b, const pt_ops *ops, const char *family, int32_t batch, int32_t tokens, bool adapter)
{
    char path[256], dir[256];
    pt_model_caps caps = {
        .tokens = tokens, .segs = 4, .heads = 64, .rows = 64, .groups = 8, .decode_rows = batch, .decode_len = 31 + NEW};
    snprintf(path, sizeof path, FIXTURES "/%s", family);
    snprintf(dir, sizeof dir, FIXTURES "/%s/adapter", family);
    bench_open(b, ops, PT_COMPUTE_F32, path, &(pt_model_options){.lora = {.on = adapter, .start_dir = dir}}, &caps);
}

static pt_gen_options greedy(bool adapter)
{
    return (pt_gen_options){
        .max_new_tokens = NEW, .sampler = pt_sampler_off(), .slot = adapter ? 0 : PT_SLOT_NONE, .logp = true};
}

static void generate(bench *b, const pt_gen_options *o, pt_gen_result *out)
{
    memset(out, 0, N * sizeof *out);
    OK(pt_generate(b->m, prompts, N, o, out, NULL, NULL));
}

static void release(pt_gen_result *r)
{
    for (int i = 0; i < N; i++) free(r[i].ids.ids);
}

static void same(const char *what, const pt_gen_result *a, const pt_gen_result *b)
{
    for (int i = 0; i < N; i++) {
        if (a[i].ids.n != b[i].ids.n || (a[i].ids.n && memcmp(a[i].ids.ids, b[i].ids.ids, a[i].ids.n * sizeof(int32_t))))
            fail_msg("%s: prompt %d got another answer", what, i);
        assert_int_equal(a[i].stopped, b[i].stopped);
    }
}

/* One at a time, three at a time, all at once; prefill in one forest and in many; equal to teacher forcing. */
static void test_grouping(void **state)
{
    const char *family = *state;
    bench one, three, all, ref;
    pt_gen_result a[N], b[N], c[N], d[N];
    bool adapter = strcmp(family, "mistral") != 0;
    pt_gen_options o = greedy(adapter);
    open_model(&one, &pt_ops_cpu, family, 1, 64, adapter);
    open_model(&three, &pt_ops_cpu, family, 3, 64, adapter);
    open_model(&all, &pt_ops_cpu, family, N, 256, adapter);
    open_model(&ref, &pt_ops_ref, family, 2, 64, adapter);
    generate(&one, &o, a);
    generate(&three, &o, b);
    generate(&all, &o, c);
    generate(&ref, &o, d);
    same("3 at a time", a, b);
    same("all at once", a, c);
    same("reference backend", a, d);
    for (int i = 0; i < N; i++) {
        int32_t seq[64];
        float logp[64];
        size_t n = prompts[i].n;
        assert_int_equal(a[i].ids.n, NEW);
        memcpy(seq, prompts[i].ids, n * sizeof *seq);
        memcpy(seq + n, a[i].ids.ids, NEW * sizeof *seq);
        OK(pt_model_token_logps(all.m, seq, (int32_t)n + NEW, o.slot, logp));
        double sum = 0;
        for (size_t k = 0; k < NEW; k++) sum += (double)logp[n - 1 + k];
        if (!(fabs(sum - (double)c[i].logp_sum) <= 1e-4 * fabs(sum)))
            fail_msg("prompt %d: %.6f against %.6f by teacher forcing", i, (double)c[i].logp_sum, sum);
    }
    release(a);
    release(b);
    release(c);
    release(d);
    bench_close(&one);
    bench_close(&three);
    bench_close(&all);
    bench_close(&ref);
}

/* Sampling follows (seed, prompt, position), not the grouping. */
static void test_sampling(void **state)
{
    bench one, three;
    pt_gen_result a[N], b[N], c[N];
    pt_gen_options o = greedy(true);
    o.sampler.temperature = 1.3f;
    o.sampler.top_k = 40;
    o.sampler.top_p = 0.95f;
    o.sampler.repeat_penalty = 1.2f;
    o.sampler.seed = 5;
    open_model(&one, &pt_ops_cpu, "qwen2", 1, 64, true);
    open_model(&three, &pt_ops_cpu, "qwen2", 3, 128, true);
    generate(&one, &o, a);
    generate(&three, &o, b);
    same("sampling", a, b);
    /* prompts 0 and 3 are equal, and draw from streams of their own */
    assert_true(memcmp(a[0].ids.ids, a[3].ids.ids, NEW * sizeof(int32_t)) != 0);
    o.sampler.seed = 6;
    generate(&three, &o, c);
    int differ = 0;
    for (int i = 0; i < N; i++) differ += memcmp(a[i].ids.ids, c[i].ids.ids, NEW * sizeof(int32_t)) != 0;
    assert_true(differ >= N - 1);
    release(a);
    release(b);
    release(c);
    bench_close(&one);
    bench_close(&three);
}

/* How many tokens of the answers stand among the last n before them, and how many are the one before those. */
static void count_said(const pt_gen_result *r, int n, int *among, int *before)
{
    *among = *before = 0;
    for (int i = 0; i < N; i++) {
        int32_t all[64];
        const int at = (int)prompts[i].n;
        memcpy(all, prompts[i].ids, (size_t)at * sizeof *all);
        memcpy(all + at, r[i].ids.ids, NEW * sizeof *all);
        for (int k = at; k < at + NEW; k++) {
            bool said = false;
            for (int b = 1; b <= n && b <= k; b++) said = said || all[k - b] == all[k];
            *among += said;
            *before += !said && k > n && all[k - n - 1] == all[k];
        }
    }
}

/* What the samplers of a chain look at: a penalty that rules out the last n tokens rules out no other. */
static void test_ruled_out(void **state)
{
    static const int reach[] = {1, 3, 64};
    bench three;
    pt_gen_result r[N];
    pt_logit_bias bias[2 * N];
    int among, before;
    pt_gen_options o = greedy(true);
    for (int i = 0; i < 2 * N; i++) { /* the ends of prompts are what it would say */
        const pt_ids *p = &prompts[i / 2];
        bias[i] = (pt_logit_bias){p->ids[p->n - 1 - (p->n > 1 && i % 2)], 50};
    }
    o.sampler.bias = bias;
    o.sampler.n_bias = 2 * N;
    o.sampler.presence_penalty = 1e6f;
    open_model(&three, &pt_ops_cpu, "qwen2", 3, 128, true);
    for (int k = 0; k < 3; k++) {
        o.sampler.repeat_last_n = reach[k];
        generate(&three, &o, r);
        count_said(r, reach[k], &among, &before);
        assert_int_equal(among, 0);
        assert_true(k == 2 || before > 0);
        release(r);
    }
    bench_close(&three);
}

/* A penalty falls on the same last tokens of prompt and answer whether the op or a chain of samplers looks at them. */
static void test_past(void **state)
{
    static const int reach[] = {1, 5, 20, 200, -1};
    bench three;
    pt_gen_result by_op[5][N], by_chain[5][N];
    pt_gen_options o = greedy(true);
    o.sampler.repeat_penalty = 4;
    open_model(&three, &pt_ops_cpu, "qwen2", 3, 128, true);
    for (int k = 0; k < 5; k++) {
        o.sampler.repeat_last_n = reach[k];
        o.sampler.top_n_sigma = 0;
        assert_true(pt_sampler_on_device(&o.sampler));
        generate(&three, &o, by_op[k]);
        o.sampler.top_n_sigma = 1e6f; /* leaves all, by a chain */
        assert_false(pt_sampler_on_device(&o.sampler));
        generate(&three, &o, by_chain[k]);
        same("a penalty by a chain", by_op[k], by_chain[k]);
    }
    same("all of 45 tokens and the last 200", by_op[3], by_op[4]);
    int differ = 0;
    for (int k = 0; k < 3; k++)
        for (int i = 0; i < N; i++) differ += memcmp(by_op[k][i].ids.ids, by_op[k + 1][i].ids.ids, NEW * sizeof(int32_t)) != 0;
    assert_true(differ >= 6);
    o.sampler.repeat_last_n = 3; /* and DRY looks further back than penalties */
    o.sampler.dry_multiplier = 2;
    o.sampler.dry_penalty_last_n = 30;
    assert_int_equal(pt_sampler_reach(&o.sampler), 30);
    o.sampler.dry_penalty_last_n = -1;
    assert_int_equal(pt_sampler_reach(&o.sampler), INT64_MAX);
    o.sampler.dry_multiplier = 0;
    o.sampler.repeat_penalty = 1;
    assert_int_equal(pt_sampler_reach(&o.sampler), 0);
    for (int k = 0; k < 5; k++) {
        release(by_op[k]);
        release(by_chain[k]);
    }
    bench_close(&three);
}

static size_t held_bytes(void)
{
    const struct mallinfo2 m = mallinfo2();
    return m.uordblks + m.hblkhd;
}

static bool weigh(void *user, size_t i, int32_t id)
{
    size_t *most = user;
    const size_t now = held_bytes();
    *most = now > *most ? now : *most;
    return true;
}

/* What the plan says that samplers on the host take is what they take. */
static void test_bytes(void **state)
{
    bench three;
    pt_gen_result r[N];
    size_t most[2] = {0}, before[2], planned;
    pt_gen_options o = greedy(true);
    o.logp = false;
    open_model(&three, &pt_ops_cpu, "qwen2", 3, 128, true);
    for (int here = 0; here < 2; here++) {
        o.sampler.top_n_sigma = here ? 1e6f : 0;
        before[here] = held_bytes();
        memset(r, 0, sizeof r);
        OK(pt_generate(three.m, prompts, N, &o, r, weigh, &most[here]));
        release(r);
    }
    planned = pt_gen_bytes(pt_model_config_get(three.m)->vocab, &(pt_model_caps){.decode_rows = 3, .decode_len = 31 + NEW}, true);
    const size_t took = (most[1] - before[1]) - (most[0] - before[0]);
    if (took > planned + planned / 20 || planned > took + took / 20) fail_msg("samplers took %zu bytes, planned are %zu", took, planned);
    assert_int_equal(pt_gen_bytes(1000, &(pt_model_caps){.decode_rows = 3, .decode_len = 50}, false), 600);
    assert_int_equal(pt_gen_bytes(1000, &(pt_model_caps){.decode_rows = 0}, true), 0);
    bench_close(&three);
}

typedef struct heard {
    int32_t ids[N][NEW];
    int n[N];
    int limit;
} heard;

static bool listen(void *user, size_t i, int32_t id)
{
    heard *h = user;
    h->ids[i][h->n[i]++] = id;
    return !(i == 2 && h->n[i] == h->limit);
}

static void test_stops_and_sink(void **state)
{
    bench b;
    pt_gen_result all[N], cut[N], heard_r[N];
    pt_gen_options o = greedy(true);
    open_model(&b, &pt_ops_cpu, "llama", 3, 64, true);
    generate(&b, &o, all);
    int32_t stops[2] = {all[1].ids.ids[4], 1 << 20};
    o.stops = stops;
    o.n_stops = 2;
    generate(&b, &o, cut);
    for (int i = 0; i < N; i++) {
        size_t n = 0;
        while (n < NEW && all[i].ids.ids[n] != stops[0]) n++;
        assert_int_equal(cut[i].ids.n, n);
        assert_int_equal(cut[i].stopped, n < NEW);
        if (n) assert_memory_equal(cut[i].ids.ids, all[i].ids.ids, n * sizeof(int32_t));
    }
    o.n_stops = 0;
    heard h = {.limit = 3};
    memset(heard_r, 0, sizeof heard_r);
    OK(pt_generate(b.m, prompts, N, &o, heard_r, listen, &h));
    for (int i = 0; i < N; i++) {
        assert_int_equal(h.n[i], i == 2 ? 3 : NEW);
        assert_int_equal(heard_r[i].ids.n, h.n[i]);
        assert_memory_equal(h.ids[i], all[i].ids.ids, (size_t)h.n[i] * sizeof(int32_t));
        assert_false(heard_r[i].stopped);
    }
    release(all);
    release(cut);
    release(heard_r);
    bench_close(&b);
}

static void test_refused(void **state)
{
    bench b;
    pt_gen_result r[N] = {{.stopped = false}};
    open_model(&b, &pt_ops_cpu, "llama", 1, 64, false);
    pt_gen_options o = greedy(false);
    pt_sampler off = pt_sampler_off(), no_top_p = off, no_temperature = off, no_penalty = off;
    no_top_p.top_p = 0;
    no_temperature.temperature = NAN;
    no_penalty.repeat_penalty = 0;
    const struct {
        const char *says;
        pt_gen_options o;
    } wrong[] = {
        {"max_new_tokens -1", {.max_new_tokens = -1, .sampler = off, .slot = -1}},
        {"top_p 0", {.max_new_tokens = 1, .sampler = no_top_p, .slot = -1}},
        {"temperature", {.max_new_tokens = 1, .sampler = no_temperature, .slot = -1}},
        {"repeat_penalty", {.max_new_tokens = 1, .sampler = no_penalty, .slot = -1}},
        {"slot 7", {.max_new_tokens = 1, .sampler = off, .slot = -7}},
        {"more than the planned", {.max_new_tokens = NEW + 1, .sampler = off, .slot = -1}},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(pt_generate(b.m, prompts, N, &wrong[i].o, r, NULL, NULL), PT_EARG);
        if (i != 4) assert_non_null(strstr(pt_err_msg(), wrong[i].says));
    }
    pt_ids empty = {0};
    assert_int_equal(pt_generate(b.m, &empty, 1, &o, r, NULL, NULL), PT_EARG);
    o.max_new_tokens = 0;
    OK(pt_generate(b.m, prompts, N, &o, r, NULL, NULL));
    assert_int_equal(r[0].ids.n, 0);
    bench_close(&b);
}

/* A model of random weights whose layers from `from` on use a window of 5 (0: none does), and whose logits are capped (0: not). */
static void open_random(bench *b, int window, int from, float softcap)
{
    pt_model_config c = {.family = "qwen2", .vocab = 64, .hidden = 32, .ffn = 48, .layers = 2, .heads = 4, .kv_heads = 2, .head_dim = 8, .rot = 8,
                         .norm_eps = 1e-5f, .rope_theta = 10000, .initializer_range = 0.3, .window = window, .window_from_layer = from,
                         .logit_softcap = softcap, .bos = -1, .eos = -1, .pad = -1};
    pt_model_caps caps = {.tokens = 64, .segs = 4, .heads = 64, .rows = 64, .groups = 4, .decode_rows = 1, .decode_len = 48};
    size_t bytes[PT_ROLE_COUNT];
    *b = (bench){.ctx = {.ops = &pt_ops_cpu}};
    OK(pt_ops_cpu.open(&b->ctx, PT_COMPUTE_F32));
    OK(pt_source_random(&b->src, &c, 3));
    OK(pt_model_new(&b->m, &b->ctx, b->src, &(pt_model_options){0}));
    OK(pt_model_plan(b->m, &caps, bytes));
    OK(pt_model_commit(b->m));
}

/* What decoding says of the tokens that it chose is what the head says of them as rows; returned: of a token of the prompt. */
static float decoding_is_scoring(bench *b)
{
    pt_gen_result r = {.stopped = false};
    pt_gen_options o = greedy(false);
    int32_t ids[20], seq[20 + NEW];
    float logp[20 + NEW];
    double sum = 0;
    for (int i = 0; i < 20; i++) ids[i] = 1 + i * 17 % 60;
    OK(pt_generate(b->m, &(pt_ids){ids, 20, 20}, 1, &o, &r, NULL, NULL));
    memcpy(seq, ids, sizeof ids);
    memcpy(seq + 20, r.ids.ids, NEW * sizeof *seq);
    OK(pt_model_token_logps(b->m, seq, 20 + NEW, PT_SLOT_NONE, logp));
    for (int i = 0; i < NEW; i++) sum += (double)logp[19 + i];
    if (!(fabs(sum - (double)r.logp_sum) <= 1e-4 * fabs(sum))) fail_msg("%.6f decoding, %.6f by the forest", (double)r.logp_sum, sum);
    OK(pt_model_token_logps(b->m, ids, 20, PT_SLOT_NONE, logp));
    free(r.ids.ids);
    return logp[18];
}

/* Decoding takes the window layer by layer from the configuration, the forest from its own tile lists: they must agree, and a window from
 * layer 1 on must be another model than one for all layers or none. */
static void test_window_from_layer(void **state)
{
    static const int cases[3][2] = {{5, 1}, {5, 0}, {0, 0}};
    float sums[3];
    for (int k = 0; k < 3; k++) {
        bench b;
        open_random(&b, cases[k][0], cases[k][1], 0);
        sums[k] = decoding_is_scoring(&b);
        bench_close(&b);
    }
    assert_true(fabsf(sums[0] - sums[1]) > 1e-4f && fabsf(sums[0] - sums[2]) > 1e-4f && fabsf(sums[1] - sums[2]) > 1e-4f);
}

/* Logits are capped alike in training and in decoding; another cap is another model. */
static void test_softcap(void **state)
{
    static const float caps[3] = {0, 30, 1};
    float logp[3];
    for (int k = 0; k < 3; k++) {
        bench b;
        open_random(&b, 0, 0, caps[k]);
        logp[k] = decoding_is_scoring(&b);
        bench_close(&b);
    }
    assert_true(fabsf(logp[0] - logp[1]) > 1e-4f && fabsf(logp[1] - logp[2]) > 1e-2f);
}

/* Weights that are copied into large pages give the bits of mapped ones. */
static void test_held(void **state)
{
    static const char *const families[] = {"llama", "qwen2"};
    for (int f = 0; f < 2; f++) {
        bench mapped, held;
        char path[256], dir[256];
        const pt_model_caps caps = {.tokens = 128, .segs = 4, .heads = 64, .rows = 64, .groups = 8, .decode_rows = 3, .decode_len = 31 + NEW};
        pt_gen_result a[N], b[N];
        pt_gen_options o = greedy(true);
        open_model(&mapped, &pt_ops_cpu, families[f], 3, 128, true);
        snprintf(path, sizeof path, FIXTURES "/%s", families[f]);
        snprintf(dir, sizeof dir, FIXTURES "/%s/adapter", families[f]);
        bench_open(&held, &pt_ops_cpu, PT_COMPUTE_F32, path, &(pt_model_options){.hold = true, .lora = {.on = true, .start_dir = dir}}, &caps);
        generate(&mapped, &o, a);
        generate(&held, &o, b);
        same("held weights", a, b);
        for (int i = 0; i < N; i++) assert_true(a[i].logp_sum == b[i].logp_sum);
        release(a);
        release(b);
        bench_close(&mapped);
        bench_close(&held);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"grouping: llama", test_grouping, NULL, NULL, (void *)"llama"},
        {"grouping: mistral", test_grouping, NULL, NULL, (void *)"mistral"},
        {"grouping: qwen2", test_grouping, NULL, NULL, (void *)"qwen2"},
        {"grouping: qwen3", test_grouping, NULL, NULL, (void *)"qwen3"},
        cmocka_unit_test(test_sampling),
        cmocka_unit_test(test_ruled_out),
        cmocka_unit_test(test_past),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_stops_and_sink),
        cmocka_unit_test(test_refused), cmocka_unit_test(test_window_from_layer), cmocka_unit_test(test_softcap), cmocka_unit_test(test_held),
    };
    make_prompts();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

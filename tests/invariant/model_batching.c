/* Who stands in the cache together changes nothing: places that are taken again, prompts that share their keys, room for few. A random model of two layers; with the
 * path of a model as argument that one alone, 100 prompts of its own tokens (tests/full/batching.sh). */
#include "data/text/tokenizer.h"
#include "tests/golden/model_fixture.h"

enum { PROMPTS = 100, NEW = 12, LONGEST = 90, VOCAB = 192, MOST = 64 };

static int32_t text[PROMPTS][LONGEST];
static pt_ids prompts[PROMPTS];

/* Trees of common beginnings, prompts that are others' beginnings, equal ones. */
static void make_prompts(void)
{
    for (int i = 0; i < PROMPTS; i++) {
        const int like = i ? (i * 7919) % i : 0, n = 1 + i * 53 % LONGEST, shared = i % 5 == 4 ? LONGEST : i * 29 % 70;
        for (int k = 0; k < n; k++) text[i][k] = k < shared && k < (int)prompts[like].n ? text[like][k] : (i * 101 + k * 37) % VOCAB;
        prompts[i] = (pt_ids){text[i], (size_t)n, LONGEST};
    }
}

static void open_random(bench *b, const pt_ops *ops, int32_t at_once, int32_t cells, int window, int32_t tokens)
{
    const pt_model_config c = {.family = "qwen2", .vocab = VOCAB, .hidden = 32, .ffn = 48, .layers = 2, .heads = 4, .kv_heads = 2, .head_dim = 8, .rot = 8,
                               .norm_eps = 1e-5f, .rope_theta = 10000, .initializer_range = 0.3, .window = window, .bos = -1, .eos = -1, .pad = -1};
    const pt_model_caps caps = {.tokens = tokens, .segs = 4, .decode_rows = at_once, .decode_len = LONGEST + NEW, .decode_cells = cells};
    size_t bytes[PT_ROLE_COUNT];
    *b = (bench){.ctx = {.ops = ops}};
    OK(ops->open(&b->ctx, PT_COMPUTE_F32));
    OK(pt_source_random(&b->src, &c, 3));
    OK(pt_model_new(&b->m, &b->ctx, b->src, &(pt_model_options){0}));
    OK(pt_model_plan(b->m, &caps, bytes));
    OK(pt_model_commit(b->m));
}

/* How many answers were open at once, at most. */
typedef struct crowd {
    const pt_gen_result *r;
    float (*logp)[MOST]; /* of each token, of each answer */
    float before[PROMPTS];
    bool open[PROMPTS];
    int now, most, every; /* every so many-th answer is ended after its first token; 0: none is */
} crowd;

static bool count_open(void *user, size_t i, int32_t id)
{
    crowd *c = user;
    (void)id;
    c->logp[i][c->r[i].ids.n - 1] = c->r[i].logp_sum - c->before[i];
    c->before[i] = c->r[i].logp_sum;
    if (!c->open[i]) c->open[i] = true, c->now++;
    if (c->now > c->most) c->most = c->now;
    const bool ends = c->every && i % (size_t)c->every == 3;
    if (c->r[i].ids.n == NEW || ends) c->now--;
    return !ends;
}

static pt_gen_result alone[PROMPTS], some[PROMPTS];
static float alone_logp[PROMPTS][MOST], some_logp[PROMPTS][MOST];
static float (*logp_of(const pt_gen_result *r))[MOST]
{
    return r == alone ? alone_logp : some_logp;
}

static int generate(const pt_ops *ops, int32_t at_once, int32_t cells, int window, int32_t tokens, int n, int every, const pt_gen_options *o, pt_gen_result *out)
{
    bench b;
    crowd c = {.r = out, .logp = logp_of(out), .every = every};
    open_random(&b, ops, at_once, cells, window, tokens);
    memset(out, 0, (size_t)n * sizeof *out);
    OK(pt_generate(b.m, prompts, (size_t)n, o, out, count_open, &c));
    bench_close(&b);
    return c.most;
}

/* Names what differs; a text may where a choice was a near tie, and at most two do. */
static void same(const char *what, const pt_gen_result *a, const pt_gen_result *b, int n)
{
    int differ = 0;
    double most = 0;
    for (int i = 0; i < n; i++) {
        const size_t tokens = a[i].ids.n < b[i].ids.n ? a[i].ids.n : b[i].ids.n;
        const bool equal = a[i].ids.n == b[i].ids.n && !memcmp(a[i].ids.ids, b[i].ids.ids, tokens * sizeof(int32_t));
        for (size_t k = 0; k < tokens && a[i].ids.ids[k] == b[i].ids.ids[k]; k++) {
            const double off = fabs((double)(alone_logp[i][k] - some_logp[i][k]));
            if (!(off <= 1e-4)) fail_msg("%s: prompt %d, token %zu: log-probability %.6f, alone %.6f", what, i, k, (double)some_logp[i][k], (double)alone_logp[i][k]);
            most = fmax(most, off);
        }
        if (equal) continue;
        print_message("# %s: prompt %d has another answer than alone; %d near ties\n", what, i, a[i].near);
        if (!a[i].near && !b[i].near) fail_msg("%s: prompt %d has another answer than alone", what, i);
        differ++;
    }
    if (differ > 2) fail_msg("%s: %d texts differ", what, differ);
    print_message("# figure %s: %d of %d texts differ, log-probabilities by at most %.1e\n", what, differ, n, most);
}

static void release(pt_gen_result *r, int n)
{
    for (int i = 0; i < n; i++) free(r[i].ids.ids);
}

#ifndef BATCHING_ON_DEVICE /* tests/emu/model_batching_device.c takes what stands above */
/* One at a time; 16 with room for all; 16 with room for fewer than that; forests of a few prompts; the reference backend. */
static void test_together(void **state)
{
    const struct {
        const char *what;
        const pt_ops *ops;
        int32_t at_once, cells, tokens;
        int n;
    } ways[] = {{"16 at once", &pt_ops_cpu, 16, 0, 1024, PROMPTS}, {"16 in little room", &pt_ops_cpu, 16, 330, 1024, PROMPTS}, {"5 in small forests", &pt_ops_cpu, 5, 0, 128, PROMPTS},
                {"room for one", &pt_ops_cpu, 3, LONGEST + NEW, 1024, PROMPTS}, {"reference", &pt_ops_ref, 4, 0, 256, 20}};
    for (int sampled = 0; sampled < 2; sampled++)
        for (int window = 0; window < 40; window += 33) {
            pt_gen_options o = {.max_new_tokens = NEW, .sampler = pt_sampler_off(), .slot = PT_SLOT_NONE, .logp = true, .near = true};
            o.sampler.seed = 11;
            o.sampler.temperature = sampled ? 0.9f : 0;
            assert_int_equal(generate(&pt_ops_cpu, 1, 0, window, 128, PROMPTS, 7, &o, alone), 1);
            for (size_t w = 0; w < sizeof ways / sizeof *ways; w++) {
                if (ways[w].ops == &pt_ops_ref && sampled) continue;
                const int most = generate(ways[w].ops, ways[w].at_once, ways[w].cells, window, ways[w].tokens, ways[w].n, 7, &o, some);
                assert_true(most > 1 ? most <= ways[w].at_once : w == 3);
                if (w == 0) assert_int_equal(most, 16);
                same(ways[w].what, alone, some, ways[w].n);
                release(some, ways[w].n);
            }
            release(alone, PROMPTS);
        }
}

/* 16 samples of one prompt, then more of them: its keys stand there once, or the room would not do for 16. */
static void test_samples(void **state)
{
    pt_gen_result *r = some;
    static uint64_t streams[PROMPTS];
    static uint32_t samples[PROMPTS];
    enum { SAMPLES = 40, LEN = 80 };
    int32_t cells;
    pt_gen_options o = {.max_new_tokens = NEW, .sampler = pt_sampler_off(), .slot = PT_SLOT_NONE, .logp = true, .near = true, .streams = streams, .samples = samples};
    o.sampler.seed = 5;
    o.sampler.temperature = 1;
    pt_ids kept[PROMPTS];
    memcpy(kept, prompts, sizeof kept);
    for (int i = 0; i < SAMPLES; i++) {
        prompts[i] = kept[0];
        prompts[i].n = LEN;
        streams[i] = 9;
        samples[i] = (uint32_t)i;
        for (int k = 0; k < LEN; k++) text[0][k] = (k * 31 + 7) % VOCAB;
    }
    OK(pt_gen_cells(prompts, SAMPLES, 16, NEW, &cells));
    assert_int_equal(cells, LEN + 16 * NEW);
    assert_int_equal(generate(&pt_ops_cpu, 16, cells + 16, 0, 128, SAMPLES, 0, &o, r), 16); /* the last token of a prompt is fed by each that comes later */
    generate(&pt_ops_cpu, 1, 0, 0, 128, SAMPLES, 0, &o, alone);
    same("40 samples", alone, r, SAMPLES);
    for (int i = 1, k; i < SAMPLES; i++) {
        for (k = 0; k < i; k++)
            if (r[k].ids.n == r[i].ids.n && r[i].ids.n > 1 && !memcmp(r[k].ids.ids, r[i].ids.ids, r[i].ids.n * sizeof(int32_t))) fail_msg("samples %d and %d are equal", k, i);
    }
    release(r, SAMPLES);
    release(alone, SAMPLES);
    memcpy(prompts, kept, sizeof kept);
}

/* Of beginnings shorter than a segment is worth nothing is shared, of longer ones what the forest may leave out is not counted. */
static void test_cells(void **state)
{
    static int32_t a[40], b[30], c[20], d[] = {7}, e[40];
    const pt_ids list[] = {{d, 1, 1}, {a, 40, 40}, {c, 20, 20}, {b, 30, 30}, {a, 40, 40}}, little[] = {{a, 40, 40}, {e, 40, 40}};
    int32_t cells;
    for (int32_t i = 0; i < 40; i++) a[i] = i + 1, e[i] = i < 15 ? i + 1 : 9;
    memcpy(b, a, sizeof b);
    memcpy(c, a, sizeof c);
    b[29] = 5;
    OK(pt_gen_cells(list, 5, 5, 10, &cells)); /* c begins a, which stands twice; 29 of b are a's, 14 of them sure */
    assert_int_equal(cells, 1 + 40 + 0 + (30 - 14) + (20 - 20) + 50);
    OK(pt_gen_cells(list, 5, 1, 10, &cells));
    assert_int_equal(cells, 40 + 10 + 1);
    OK(pt_gen_cells(list, 5, 2, 10, &cells));
    assert_int_equal(cells, 40 + 30 - 14 + 20);
    OK(pt_gen_cells(list, 1, 16, 3, &cells));
    assert_int_equal(cells, 1 + 3 + 1);
    OK(pt_gen_cells(little, 2, 2, 10, &cells)); /* 15 are the same */
    assert_int_equal(cells, 40 + 40 + 20);
}

/* 16 prompts of which many begin with the same token: the room that is reckoned lets all of them in at once. */
static void test_short_beginnings(void **state)
{
    enum { N = 16, LEN = 30 };
    pt_ids kept[N];
    int32_t cells;
    pt_gen_options o = {.max_new_tokens = NEW, .sampler = pt_sampler_off(), .slot = PT_SLOT_NONE};
    memcpy(kept, prompts, sizeof kept);
    for (int i = 0; i < N; i++) {
        prompts[i] = (pt_ids){text[i], LEN, LEN};
        for (int k = 0; k < LEN; k++) text[i][k] = k ? (k * 31 + i * 7) % VOCAB : i / 4;
    }
    OK(pt_gen_cells(prompts, N, N, NEW, &cells));
    assert_int_equal(generate(&pt_ops_cpu, N, cells, 0, 1024, N, 0, &o, some), N);
    release(some, N);
    memcpy(prompts, kept, sizeof kept);
}

/* ---- a model of language ------------------------------------------------------------------------------------------------------- */

/* Ten roles with ten questions each, as chatml has them. */
static void make_questions(const pt_tokenizer *tok)
{
    static const char *const who[10] = {"a lighthouse keeper", "a retired thief", "the queen of a small island", "a ship's cook", "a tired detective", "a young astronomer",
                                        "a knight without a horse", "an old gardener", "a travelling actor", "a baker in winter"};
    static const char *const ask[10] = {"Who are you?", "What do you fear most?", "Where were you last night?", "Tell me about your mother.", "What would you do with a hundred gold coins?", "Do you like the sea?",
                                        "Who taught you what you know?", "What is the first thing that you remember?", "Why did you leave home?", "Say something kind."};
    for (int i = 0; i < PROMPTS; i++) {
        char s[1024];
        pt_ids ids = {0};
        snprintf(s, sizeof s, "<|im_start|>system\nYou are %s. You speak in short sentences, and you never say that you are a machine.<|im_end|>\n<|im_start|>user\n%s<|im_end|>\n<|im_start|>assistant\n",
                 who[i / 10], ask[i % 10]);
        OK(pt_tok_encode(tok, s, strlen(s), true, false, &ids));
        prompts[i] = ids;
    }
}

static void open_model(bench *b, const char *path, int32_t at_once)
{
    const pt_model_caps caps = {.tokens = 1024, .segs = 64, .decode_rows = at_once, .decode_len = 160};
    size_t bytes[PT_ROLE_COUNT];
    *b = (bench){.ctx = {.ops = &pt_ops_cpu}};
    OK(pt_ops_cpu.open(&b->ctx, PT_COMPUTE_F32));
    OK(pt_source_open(&b->src, path));
    pt_source_reach(b->src, 1024);
    OK(pt_model_new(&b->m, &b->ctx, b->src, &(pt_model_options){0}));
    OK(pt_model_plan(b->m, &caps, bytes));
    OK(pt_model_commit(b->m));
}

static void test_model(void **state)
{
    bench one, many;
    const pt_tokenizer *tok;
    open_model(&one, *state, 1);
    open_model(&many, *state, 16);
    OK(pt_source_tokenizer(one.src, &tok));
    make_questions(tok);
    for (int sampled = 1; sampled >= 0; sampled--) {
        pt_gen_options o = {.max_new_tokens = 24, .sampler = pt_sampler_off(), .slot = PT_SLOT_NONE, .logp = true, .near = true};
        o.sampler.seed = 11;
        o.sampler.temperature = sampled ? 0.8f : 0;
        for (int k = 0; k < 2; k++) {
            pt_gen_result *r = k ? some : alone;
            crowd c = {.r = r, .logp = logp_of(r)};
            memset(r, 0, sizeof alone);
            OK(pt_generate(k ? many.m : one.m, prompts, PROMPTS, &o, r, count_open, &c));
        }
        same(sampled ? "16 at once, drawn" : "16 at once, greedy", alone, some, PROMPTS);
        release(alone, PROMPTS);
        release(some, PROMPTS);
    }
    for (int i = 0; i < PROMPTS; i++) free(prompts[i].ids);
    bench_close(&one);
    bench_close(&many);
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        const struct CMUnitTest test[] = {{"one at a time and 16 at once", test_model, NULL, NULL, argv[1]}};
        return cmocka_run_group_tests(test, NULL, NULL);
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_together), cmocka_unit_test(test_samples), cmocka_unit_test(test_cells), cmocka_unit_test(test_short_beginnings)};
    make_prompts();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
#endif

/* Beam search against transformers' (tests/golden/beams.py): 20 prompts on two tiny models, each with four of eight settings; answers, their ends and scores. */
#include "tests/golden/model_fixture.h"

#include "base/threads.h"
#include "train/generate/beams.h"

enum { MOST_BEAMS = 8, MOST_PROMPT = 32, NEW = 12 };

static json_t *cases;

static int setup(void **state)
{
    pt_threads_set(1); /* tiny products */
    cases = json_at("tests/golden/data/beams.json");
    return 0;
}

static int teardown(void **state)
{
    json_decref(cases);
    return 0;
}

static size_t ints(json_t *c, const char *key, int32_t *out, size_t most)
{
    json_t *list = json_object_get(c, key), *v;
    size_t i;
    assert_true(json_array_size(list) <= most);
    json_array_foreach(list, i, v) out[i] = (int32_t)json_integer_value(v);
    return json_array_size(list);
}

static void open_model(bench *b, const pt_ops *ops, const char *family)
{
    char path[256];
    pt_model_caps caps = {.tokens = 64, .segs = 4, .heads = 64, .rows = 64, .groups = 16, .decode_rows = MOST_BEAMS, .decode_len = MOST_PROMPT + NEW,
                          .decode_cells = pt_beam_cells(MOST_PROMPT, MOST_BEAMS, NEW)};
    snprintf(path, sizeof path, FIXTURES "/%s", family);
    bench_open(b, ops, PT_COMPUTE_F32, path, &(pt_model_options){0}, &caps);
}

static pt_beam_options settings(json_t *c)
{
    const char *early = json_string_value(json_object_get(c, "early"));
    return (pt_beam_options){.beams = (int)json_num(c, "beams"), .length_penalty = (float)json_num(c, "length_penalty"),
                             .early = !strcmp(early, "true") ? PT_EARLY_TRUE : !strcmp(early, "never") ? PT_EARLY_NEVER : PT_EARLY_FALSE};
}

/* One case: the same ids but for the end token, which ours leaves out, the same end and the same score. */
static void one_case(bench *b, json_t *c, size_t at)
{
    int32_t prompt[MOST_PROMPT], stops[4], want[NEW];
    const pt_ids p = {.ids = prompt, .n = ints(c, "prompt", prompt, MOST_PROMPT)};
    const pt_gen_options o = {.max_new_tokens = (int)json_num(c, "new"), .sampler = pt_sampler_off(), .stops = stops, .n_stops = ints(c, "stops", stops, 4), .slot = PT_SLOT_NONE};
    const pt_beam_options beams = settings(c);
    size_t n = ints(c, "ids", want, NEW);
    pt_gen_result r = {0};
    bool ended = false;
    for (size_t i = 0; i < o.n_stops; i++) ended |= want[n - 1] == stops[i];
    OK(pt_generate_beams(b->m, &p, 1, &o, &beams, &r));
    n -= ended;
    if (r.ids.n != n || (n && memcmp(r.ids.ids, want, n * sizeof *want))) fail_msg("case %zu: %zu tokens instead of %zu, or others", at, r.ids.n, n);
    assert_int_equal(r.stopped, ended);
    if (!(fabs((double)r.score - json_num(c, "score")) <= 1e-4 * (1 + fabs(json_num(c, "score")))))
        fail_msg("case %zu: score %.6f instead of %.6f", at, (double)r.score, json_num(c, "score"));
    free(r.ids.ids);
}

static void test_golden(void **state)
{
    static const char *const families[] = {"llama", "qwen2"};
    size_t done = 0;
    for (int f = 0; f < 2; f++) {
        bench b;
        json_t *c;
        size_t i;
        open_model(&b, &pt_ops_cpu, families[f]);
        json_array_foreach(cases, i, c) if (!strcmp(json_string_value(json_object_get(c, "model")), families[f])) one_case(&b, c, i), done++;
        bench_close(&b);
    }
    assert_int_equal(done, json_array_size(cases));
    assert_true(done >= 80);
}

/* Several prompts in one call are those of one at a time; what does not go with beams is named. */
static void test_calls(void **state)
{
    bench b;
    int32_t text[2][5] = {{1, 40, 50, 60, 70}, {1, 9, 200, 17, 5}}, stop = 2;
    const pt_ids p[2] = {{text[0], 5, 5}, {text[1], 5, 5}};
    pt_gen_options o = {.max_new_tokens = 6, .sampler = pt_sampler_off(), .stops = &stop, .n_stops = 1, .slot = PT_SLOT_NONE};
    pt_beam_options beams = {.beams = 3, .length_penalty = 1};
    pt_gen_result both[2], one = {0};
    memset(both, 0, sizeof both);
    open_model(&b, &pt_ops_cpu, "llama");
    OK(pt_generate_beams(b.m, p, 2, &o, &beams, both));
    OK(pt_generate_beams(b.m, p + 1, 1, &o, &beams, &one));
    assert_int_equal(one.ids.n, both[1].ids.n);
    assert_memory_equal(one.ids.ids, both[1].ids.ids, one.ids.n * sizeof(int32_t));
    assert_true(one.score == both[1].score);
    o.sampler.temperature = 0.7f;
    assert_int_equal(pt_generate_beams(b.m, p, 1, &o, &beams, &one), PT_EARG);
    assert_non_null(strstr(pt_err_msg(), "it draws nothing"));
    o.sampler.temperature = 0;
    beams.beams = MOST_BEAMS + 1;
    assert_int_equal(pt_generate_beams(b.m, p, 1, &o, &beams, &one), PT_EARG);
    assert_non_null(strstr(pt_err_msg(), "planned for 8"));
    beams = (pt_beam_options){.beams = 1, .length_penalty = 1};
    assert_int_equal(pt_generate_beams(b.m, p, 1, &o, &beams, &one), PT_EARG);
    beams = (pt_beam_options){.beams = 2, .length_penalty = NAN};
    assert_int_equal(pt_generate_beams(b.m, p, 1, &o, &beams, &one), PT_EARG);
    free(one.ids.ids);
    for (int i = 0; i < 2; i++) free(both[i].ids.ids);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_golden), cmocka_unit_test(test_calls)};
    return cmocka_run_group_tests(tests, setup, teardown);
}

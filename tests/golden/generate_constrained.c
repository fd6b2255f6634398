/* Constrained generation on a tiny model of random weights, judged by the tests' own validator (schema_check.h), not by the code that made it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/golden/schema_check.h"
#include "train/generate/generate.h"

#define DATA "tests/golden/data/"
enum { SCHEMAS = 50, NEW = 260, ROWS = 8 };

#define OK(call)                                                                                                                                                                                \
    do {                                                                                                                                                                                        \
        if ((call) != PT_OK) fail_msg("%s", pt_err_msg());                                                                                                                                       \
    } while (0)

typedef struct rig {
    pt_tokenizer *tok;
    pt_constraint_vocab *vocab;
    pt_ctx ctx;
    pt_source *src;
    pt_model *m;
    int32_t end, prompt[4];
} rig;

static void rig_open(rig *r)
{
    size_t bytes[PT_ROLE_COUNT];
    *r = (rig){.ctx = {.ops = &pt_ops_cpu}, .prompt = {5, 9, 77, 30}};
    OK(pt_tok_open(&r->tok, DATA "tok_bpe"));
    r->end = pt_tok_eos(r->tok);
    assert_true(r->end >= 0);
    const pt_model_config c = {.family = "llama", .vocab = pt_tok_vocab_size(r->tok), .hidden = 32, .ffn = 64, .layers = 2, .heads = 2, .kv_heads = 2, .head_dim = 16, .rot = 16, .max_positions = 512,
                               .act = PT_ACT_SILU, .norm_eps = 1e-5f, .rope_theta = 10000, .rope_kind = PT_ROPE_HALF, .bos = -1, .eos = -1, .pad = -1, .initializer_range = 0.3};
    const pt_model_caps caps = {.tokens = 256, .segs = 64, .heads = 64, .rows = 64, .groups = 64, .decode_rows = ROWS, .decode_len = 4 + NEW + 1};
    OK(r->ctx.ops->open(&r->ctx, PT_COMPUTE_F32));
    OK(pt_source_random(&r->src, &c, 7));
    OK(pt_model_new(&r->m, &r->ctx, r->src, &(pt_model_options){.heads = PT_HEAD_VOCABULARY}));
    OK(pt_model_plan(r->m, &caps, bytes));
    OK(pt_model_commit(r->m));
    OK(pt_constraint_vocab_make(&r->vocab, r->tok, c.vocab, &r->end, 1, PT_CONSTRAINT_CACHE));
}

static void rig_close(rig *r)
{
    pt_constraint_vocab_free(r->vocab);
    pt_model_free(r->m);
    pt_source_free(r->src);
    r->ctx.ops->close(&r->ctx);
    pt_tok_free(r->tok);
}

static pt_gen_options options(const rig *r, uint64_t seed)
{
    pt_gen_options o = {.max_new_tokens = NEW, .sampler = pt_sampler_off(), .stops = &r->end, .n_stops = 1, .slot = PT_SLOT_NONE};
    o.sampler.temperature = 1;
    o.sampler.seed = seed;
    return o;
}

static pt_constraint *schema_of(rig *r, const char *text)
{
    pt_constraint *c;
    OK(pt_constraint_open(r->vocab, &(pt_constraint_spec){.kind = PT_CONSTRAIN_SCHEMA, .text = text, .bytes = strlen(text)}, &c));
    return c;
}

static void text_of(const rig *r, const pt_gen_result *x, pt_str *out)
{
    OK(pt_str_puts(out, ""));
    OK(pt_tok_decode(r->tok, x->ids.ids, x->ids.n, false, out));
}

/* Every third row is free, and gets what it gets alone. */
static void test_schemas(void **state)
{
    rig r;
    FILE *f = fopen(DATA "constraints.jsonl", "r");
    char *line = NULL;
    size_t cap = 0, n = 0, ended[2] = {0}, all[2] = {0};
    enum { MOST = SCHEMAS * 3 / 2 };
    pt_ids prompts[MOST];
    pt_constraint *held[MOST] = {0};
    pt_gen_result out[MOST], alone[MOST];
    json_t *rows[MOST] = {0};
    (void)state;
    memset(out, 0, sizeof out);
    memset(alone, 0, sizeof alone);
    assert_non_null(f);
    rig_open(&r);
    while (n < MOST && (n % 3 == 2 || getline(&line, &cap, f) > 0)) {
        prompts[n] = (pt_ids){r.prompt, 2 + n % 3, 0};
        if (n % 3 != 2) {
            rows[n] = json_loads(line, JSON_ALLOW_NUL, NULL);
            char *text = json_dumps(json_object_get(rows[n], "schema"), 0);
            held[n] = schema_of(&r, text);
            free(text);
        }
        n++;
    }
    pt_gen_options o = options(&r, 3);
    OK(pt_generate(r.m, prompts, n, &o, alone, NULL, NULL));
    o.constraints = held;
    OK(pt_generate(r.m, prompts, n, &o, out, NULL, NULL));
    for (size_t i = 0; i < n; i++) {
        pt_str text = {0};
        if (!held[i]) {
            assert_int_equal(out[i].ids.n, alone[i].ids.n);
            assert_memory_equal(out[i].ids.ids, alone[i].ids.ids, out[i].ids.n * sizeof(int32_t));
            continue;
        }
        text_of(&r, &out[i], &text);
        const bool bounded = !json_is_null(json_object_get(rows[i], "longest"));
        all[bounded]++;
        ended[bounded] += out[i].stopped;
        if (out[i].stopped && !check_text(json_object_get(rows[i], "schema"), text.text, text.len)) fail_msg("schema %zu: %s", i, text.text);
        if (!out[i].stopped && bounded) fail_msg("schema %zu has a longest text of %lld bytes and did not end: %s", i, (long long)json_integer_value(json_object_get(rows[i], "longest")), text.text);
        if (!out[i].stopped) assert_int_equal(out[i].ids.n, NEW);
        pt_str_free(&text);
    }
    assert_int_equal(all[0] + all[1], SCHEMAS);
    assert_true(ended[0] > 0);
    printf("# figure bounded %zu ended %zu, others %zu ended %zu, all valid\n", all[1], ended[1], all[0], ended[0]);
    for (size_t i = 0; i < n; i++) {
        if (held[i]) pt_constraint_close(held[i]);
        json_decref(rows[i]);
        free(out[i].ids.ids);
        free(alone[i].ids.ids);
    }
    free(line);
    fclose(f);
    rig_close(&r);
}

/* Of A, AB and B each comes, and nothing else; the answer ends as stopped. */
static void test_choices(void **state)
{
    static const char *const list[] = {"A", "AB", "B"};
    enum { DRAWS = 60 };
    rig r;
    pt_constraint *c, *held[DRAWS];
    pt_ids prompts[DRAWS];
    pt_gen_result out[DRAWS];
    int seen[3] = {0};
    (void)state;
    memset(out, 0, sizeof out);
    rig_open(&r);
    OK(pt_constraint_open(r.vocab, &(pt_constraint_spec){.kind = PT_CONSTRAIN_CHOICES, .choices = list, .n_choices = 3}, &c));
    for (int i = 0; i < DRAWS; i++) {
        held[i] = c;
        prompts[i] = (pt_ids){r.prompt, 4, 0};
    }
    pt_gen_options o = options(&r, 1);
    o.sampler.temperature = 3;
    o.constraints = held;
    OK(pt_generate(r.m, prompts, DRAWS, &o, out, NULL, NULL));
    for (int i = 0; i < DRAWS; i++) {
        pt_str text = {0};
        int k = 0;
        text_of(&r, &out[i], &text);
        while (k < 3 && strcmp(text.text, list[k])) k++;
        if (k == 3 || !out[i].stopped) fail_msg("'%s'", text.text);
        seen[k]++;
        pt_str_free(&text);
        free(out[i].ids.ids);
    }
    assert_true(seen[0] && seen[1] && seen[2]);
    pt_constraint_close(c);
    rig_close(&r);
}

/* The length ends what is not complete; a regular expression's one text needs no draw; two counts do not go together. */
static void test_ends(void **state)
{
    rig r;
    pt_constraint *c;
    pt_gen_result out = {0}, short_one = {0}, none = {0};
    pt_str text = {0};
    (void)state;
    rig_open(&r);
    const pt_constraint_spec spec = {.kind = PT_CONSTRAIN_REGEX, .text = "ab\xc3\xa9{3}", .bytes = 7};
    OK(pt_constraint_open(r.vocab, &spec, &c));
    pt_ids prompt = {r.prompt, 3, 0};
    pt_gen_options o = options(&r, 1);
    o.constraints = &c;
    OK(pt_generate(r.m, &prompt, 1, &o, &out, NULL, NULL));
    text_of(&r, &out, &text);
    assert_string_equal(text.text, "ab\xc3\xa9\xc3\xa9\xc3\xa9");
    assert_true(out.stopped);
    o.max_new_tokens = 2;
    OK(pt_generate(r.m, &prompt, 1, &o, &short_one, NULL, NULL));
    assert_int_equal(short_one.ids.n, 2);
    assert_false(short_one.stopped);
    o.near = o.logp = true;
    assert_int_equal(pt_generate(r.m, &prompt, 1, &o, &none, NULL, NULL), PT_EARG);
    o.near = false;
    o.max_new_tokens = NEW;
    OK(pt_generate(r.m, &prompt, 1, &o, &none, NULL, NULL));
    assert_true(none.logp_sum < -10); /* of the free distribution, where these tokens are unlikely */
    pt_str_free(&text);
    free(out.ids.ids);
    free(short_one.ids.ids);
    free(none.ids.ids);
    pt_constraint_close(c);
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_schemas), cmocka_unit_test(test_choices), cmocka_unit_test(test_ends)};
    return cmocka_run_group_tests_name("constrained", tests, NULL, NULL);
}

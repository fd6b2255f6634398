/* Own templates as token ids against transformers (tests/golden/template_masks.py): ids and masks of the four training templates of TRL, and control
 * tokens that swallow the white space beside them or are none where a word touches them. */
#include "tests/unit/template_speaks.h"

#define SHARED "../shared/data/chat_templates/training/"

/* tok_bpe with more control tokens. */
static pt_tokenizer *with_added(const json_t *added)
{
    char dir[] = "/tmp/ptrain_masks_XXXXXX", path[320];
    json_t *j = load(DATA "tok_bpe/tokenizer.json"), *list = json_object_get(j, "added_tokens"), *a;
    json_int_t at = 0;
    size_t i, n;
    char *file;
    pt_tokenizer *t;
    json_array_foreach(list, i, a) if (json_integer_value(json_object_get(a, "id")) >= at) at = json_integer_value(json_object_get(a, "id")) + 1;
    json_array_foreach(added, i, a)
    {
        json_t *one = json_copy(a);
        json_object_set_new(one, "id", json_integer(at + (json_int_t)i));
        json_array_append_new(list, one);
    }
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/tokenizer.json", dir);
    assert_int_equal(json_dump_file(j, path, JSON_COMPACT), 0);
    assert_int_equal(pt_file_read(&file, &n, DATA "tok_bpe/tokenizer_config.json", 1 << 20), PT_OK);
    snprintf(path, sizeof path, "%s/tokenizer_config.json", dir);
    assert_int_equal(pt_file_write_whole(path, file, n), PT_OK);
    if (pt_tok_open(&t, dir) != PT_OK) fail_msg("%s", pt_err_msg());
    pt_dir_remove(dir);
    free(file);
    json_decref(j);
    return t;
}

static size_t chat(const json_t *conv, json_t *tools, pt_message *m)
{
    size_t n = messages(conv, 1, m);
    for (size_t i = 0; i < n; i++) {
        const json_t *c = json_array_get(conv, i), *t = json_object_get(c, "reasoning_content");
        m[i].thought = json_string_value(t);
        m[i].thought_bytes = json_string_length(t);
        m[i].calls = json_object_get(c, "tool_calls");
    }
    m[0].tools = tools;
    return n;
}

/* One conversation: hash of the ids, runs of the mask. */
static void same_mask(const char *name, size_t k, const json_t *want, const pt_rendered *r)
{
    char hex[17];
    const json_t *runs = json_object_get(want, "runs");
    size_t s = 0;
    snprintf(hex, sizeof hex, "%016llx", (unsigned long long)pt_fnv1a(PT_FNV_START, r->ids.ids, r->ids.n * sizeof(int32_t)));
    if (json_integer_value(json_object_get(want, "n")) != (json_int_t)r->ids.n || strcmp(hex, json_string_value(json_object_get(want, "hash"))))
        fail_msg("%s, conversation %zu: other ids (%zu, transformers has %lld)", name, k, r->ids.n, (long long)json_integer_value(json_object_get(want, "n")));
    for (size_t i = 0; i < r->ids.n; i++) {
        const json_t *run = json_array_get(runs, s);
        bool in = run && (json_int_t)i >= json_integer_value(json_array_get(run, 0)) && (json_int_t)i < json_integer_value(json_array_get(run, 1));
        if (in != (r->weight[i] == 1.0f)) fail_msg("%s, conversation %zu: token %zu weighs %g", name, k, i, (double)r->weight[i]);
        s += run && (json_int_t)i + 1 == json_integer_value(json_array_get(run, 1));
    }
    assert_int_equal(s, json_array_size(runs));
}

static void test_masks(void **state)
{
    json_t *g = load(DATA "template_masks.json"), *rows, *want;
    const json_t *convs = json_object_get(g, "conversations");
    pt_tokenizer *tok = with_added(json_object_get(g, "added"));
    pt_rendered r = {0};
    const char *name;
    size_t same = 0, refused = 0;
    json_object_foreach(json_object_get(g, "masks"), name, rows)
    {
        char path[256], *text;
        size_t k;
        snprintf(path, sizeof path, SHARED "%s_training.jinja", name);
        if (!pt_file_exists(path)) continue;
        assert_int_equal(pt_file_read(&text, NULL, path, 1 << 20), PT_OK);
        pt_template *t = own_template(text, tok);
        json_array_foreach(rows, k, want)
        {
            pt_message m[MAX_TURNS];
            size_t n = chat(json_array_get(convs, k), k % 10 == 7 ? json_pack("[O]", json_object_get(g, "tool")) : NULL, m);
            pt_rendered_clear(&r);
            pt_status rc = pt_template_render(t, m, n, false, &r);
            if (json_is_null(want)) {
                assert_int_not_equal(rc, PT_OK);
                refused++;
            } else {
                if (rc != PT_OK) fail_msg("%s, conversation %zu: %s", name, k, pt_err_msg());
                assert_false(r.rewrites); /* they keep what was said */
                same_mask(name, k, want, &r);
                same++;
            }
            json_decref((json_t *)m[0].tools);
        }
        pt_template_free(t);
        free(text);
    }
    printf("figure: ids and masks of %zu conversations under training templates as transformers' (%zu refused by both)\n", same, refused);
    assert_true(same + refused == 160 || same + refused == 0);
    pt_rendered_free(&r);
    pt_tok_free(tok);
    json_decref(g);
}

static void test_strips(void **state)
{
    json_t *g = load(DATA "template_masks.json"), *x, *row;
    pt_tokenizer *tok = with_added(json_object_get(g, "added"));
    pt_rendered r = {0};
    size_t k, i, seen = 0;
    json_array_foreach(json_object_get(g, "strips"), k, x)
    {
        const char *name = json_string_value(json_object_get(x, "name"));
        pt_template *t = own_template(json_string_value(json_object_get(x, "template")), tok);
        json_array_foreach(json_object_get(x, "rows"), i, row)
        {
            pt_message m[MAX_TURNS];
            size_t n = messages(json_object_get(row, "messages"), 0, m);
            m[n - 1].weight = 0;
            pt_rendered_clear(&r);
            if (pt_template_render(t, m, n, false, &r) != PT_OK) fail_msg("%s: %s", name, pt_err_msg());
            same_ids(name, i, json_object_get(row, "ids"), &r);
            seen++;
        }
        pt_template_free(t);
    }
    /* the answer is trained as it stands in the whole, and a spelled token swallows nothing */
    pt_template *t = own_template(json_string_value(json_object_get(json_array_get(json_object_get(g, "strips"), 0), "template")), tok);
    const char *said = "  <|user|>  hello";
    pt_message m[] = {{.speaker = PT_USER, .text = "q", .bytes = 1}, {.speaker = PT_ASSISTANT, .text = said, .bytes = strlen(said), .weight = 1}};
    pt_str s = {0};
    pt_rendered_clear(&r);
    assert_int_equal(pt_template_render(t, m, 2, false, &r), PT_OK);
    for (i = 0; i < r.ids.n; i++)
        if (r.weight[i] > 0) assert_int_equal(pt_tok_decode(tok, &r.ids.ids[i], 1, false, &s), PT_OK);
    assert_string_equal(s.text, "<|user|>  hello<|end|>");
    assert_int_equal(r.control_in_text, 1);
    printf("figure: %zu conversations whose control tokens swallow white space: ids as transformers'\n", seen);
    assert_int_equal(seen, 9);
    pt_str_free(&s);
    pt_template_free(t);
    pt_rendered_free(&r);
    pt_tok_free(tok);
    json_decref(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_masks), cmocka_unit_test(test_strips)};
    return cmocka_run_group_tests_name("data_template_masks", tests, NULL, NULL);
}

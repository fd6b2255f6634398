/* Answers that a template writes otherwise once others follow: each is trained as the model says it, in the rendering of the conversation up to it
 * (pt_template_split), against transformers (tests/golden/template_split.py); thoughts kept, left out, masked (pt_template_think). */
#include "tests/unit/template_speaks.h"

#define SHARED "../shared/data/chat_templates/templates/"

/* Messages of a golden row, every answer of weight 1, with their thoughts. */
static size_t with_thoughts(const json_t *conv, pt_message *m)
{
    size_t n = messages(conv, 1, m);
    for (size_t i = 0; i < n; i++) {
        const json_t *t = json_object_get(json_array_get(conv, i), "reasoning_content");
        m[i].thought = json_string_value(t);
        m[i].thought_bytes = json_string_length(t);
    }
    return n;
}

/* Renders part `u` and appends what its supervised answers are, as [digest of all up to the end, supervised text]. */
static void show_part(const pt_template *t, const pt_tokenizer *tok, const pt_message *all, const size_t *until, size_t u, json_t *said, size_t *tokens)
{
    pt_message m[MAX_TURNS];
    pt_rendered r = {0};
    pt_str s = {0}, piece = {0};
    size_t end = 0, from = 0;
    for (size_t i = 0; i < u; i++) {
        m[i] = all[i];
        if (until[i] != u) m[i].weight = 0;
    }
    if (pt_template_render(t, m, u, false, &r) != PT_OK) fail_msg("%s", pt_err_msg());
    assert_false(r.rewrites);
    for (size_t i = 0; i < r.ids.n; i++) {
        if (!(r.weight[i] > 0)) continue;
        ++*tokens;
        if (!from) from = i;
        if (end == r.n_answers || r.answer_end[end] != (int32_t)i) continue;
        s.len = piece.len = 0;
        assert_int_equal(pt_tok_decode(tok, r.ids.ids, i + 1, false, &s), PT_OK);
        assert_int_equal(pt_tok_decode(tok, r.ids.ids + from, i + 1 - from, false, &piece), PT_OK);
        char hex[65];
        pt_sha256_hex(hex, s.text, s.len);
        hex[16] = 0;
        json_array_append_new(said, json_pack("[s, s]", hex, piece.text));
        from = 0;
        end++;
    }
    assert_int_equal(end, r.n_answers);
    assert_int_equal(from, 0); /* what is supervised ends with an end token */
    pt_str_free(&s);
    pt_str_free(&piece);
    pt_rendered_free(&r);
}

typedef struct tally {
    size_t answers, parts, whole;
} tally;

static void check(const pt_template *t, const pt_tokenizer *tok, const char *name, size_t c, const json_t *conv, const json_t *row, tally *sum)
{
    pt_message m[MAX_TURNS];
    size_t until[MAX_TURNS], n = with_thoughts(conv, m), tokens = 0, again = 0;
    json_t *said = json_array();
    pt_rendered r = {0};
    if (pt_template_split(t, m, n, until) != PT_OK) fail_msg("%s, conversation %zu: %s", name, c, pt_err_msg());
    for (size_t u = 1; u <= n; u++) {
        bool any = false;
        for (size_t i = 0; i < u; i++) any = any || until[i] == u;
        if (!any) continue;
        show_part(t, tok, m, until, u, said, &tokens);
        sum->parts++;
        sum->whole += u == n;
    }
    for (size_t i = 0; i < n; i++) assert_int_equal(until[i] > 0, m[i].weight > 0);
    if (json_array_size(said) != json_array_size(row)) fail_msg("%s, conversation %zu: %zu answers, %zu are wanted", name, c, json_array_size(said), json_array_size(row));
    for (size_t k = 0; k < json_array_size(row); k++)
        for (size_t i = 0; i < 2; i++) {
            const char *want = json_string_value(json_array_get(json_array_get(row, k), 1 - i)), *is = json_string_value(json_array_get(json_array_get(said, k), 1 - i));
            if (strcmp(want, is)) fail_msg("%s, conversation %zu, answer %zu: '%s', should be '%s'", name, c, k, is, want);
        }
    sum->answers += json_array_size(row);
    /* the rendering of all says whether it serves; the sum of the weights is that of the answers one by one */
    pt_status rc = pt_template_render(t, m, n, false, &r);
    bool serves = true;
    for (size_t i = 0; i < n; i++) serves = serves && (!until[i] || until[i] == n);
    assert_int_equal(serves, rc == PT_OK && !r.rewrites);
    assert_true(serves || r.rewrites);
    for (size_t k = 0; k < n; k++) {
        pt_message one[MAX_TURNS];
        if (!until[k]) continue;
        memcpy(one, m, sizeof one);
        for (size_t i = 0; i < k; i++) one[i].weight = 0;
        pt_rendered_clear(&r);
        assert_int_equal(pt_template_render(t, one, k + 1, false, &r), PT_OK);
        for (size_t i = 0; i < r.ids.n; i++) again += r.weight[i] > 0;
    }
    assert_int_equal(tokens, again);
    pt_rendered_free(&r);
    json_decref(said);
}

static void test_split(void **state)
{
    json_t *g = load(DATA "template_split.json"), *x;
    const json_t *convs = json_object_get(g, "conversations");
    size_t k, shared = 0;
    json_array_foreach(json_object_get(g, "templates"), k, x)
    {
        const char *name = json_string_value(json_object_get(x, "name")), *file = json_string_value(json_object_get(x, "file"));
        char path[256], *text = NULL, **more, *unknown;
        size_t n;
        tally sum = {0};
        snprintf(path, sizeof path, SHARED "%s", file ? file : "");
        if (file && !pt_file_exists(path)) continue;
        if (file) assert_int_equal(pt_file_read(&text, NULL, path, 1 << 20), PT_OK);
        else assert_int_equal(pt_strdup(&text, json_string_value(json_object_get(x, "text"))), PT_OK);
        pt_tokenizer *tok = speaks(text, &more, &n);
        assert_int_equal(pt_asprintf(&unknown, "%s%s", strcmp(name, "qwen3") ? "{# own #}" : "", text), PT_OK);
        pt_template *t = own_template(unknown, tok);
        assert_string_equal(pt_template_name(t), strcmp(name, "qwen3") ? "tokenizer_default" : "qwen3");
        for (size_t c = 0; c < json_array_size(convs); c++) check(t, tok, name, c, json_array_get(convs, c), json_array_get(json_object_get(x, "rows"), c), &sum);
        printf("figure: %s: %zu answers in %zu renderings of %zu conversations, %zu of them whole\n", name, sum.answers, sum.parts, json_array_size(convs), sum.whole);
        assert_true(sum.parts > json_array_size(convs) && sum.answers >= sum.parts);
        shared += file != NULL;
        for (size_t i = 0; i < n; i++) free(more[i]);
        free(more);
        pt_template_free(t);
        pt_tok_free(tok);
        free(text);
        free(unknown);
    }
    json_decref(g);
    assert_true(shared == 3 || shared == 0);
}

#define MSG(who, what, w) {.speaker = who, .text = what, .bytes = sizeof(what) - 1, .weight = w}
#define THOUGHT(what) .thought = what, .thought_bytes = sizeof(what) - 1

/* The supervised text in brackets, after `how` was done with thoughts. */
static void shows(const pt_template *t, const pt_tokenizer *tok, pt_thinking how, const pt_message *m, size_t n, const char *want)
{
    pt_rendered r = {0};
    pt_str s = {0};
    pt_span_room room = {0};
    pt_message c[4];
    memcpy(c, m, n * sizeof *c);
    assert_int_equal(pt_template_think(t, how, c, n, &room), PT_OK);
    if (pt_template_render(t, c, n, false, &r) != PT_OK) fail_msg("%s", pt_err_msg());
    for (size_t i = 0; i < r.ids.n; i++) {
        bool now = r.weight[i] > 0, before = i && r.weight[i - 1] > 0;
        if (now != before) pt_str_puts(&s, now ? "[" : "]");
        assert_int_equal(pt_tok_decode(tok, &r.ids.ids[i], 1, false, &s), PT_OK);
    }
    if (r.ids.n && r.weight[r.ids.n - 1] > 0) pt_str_puts(&s, "]");
    assert_string_equal(s.text, want);
    pt_str_free(&s);
    free(room.list);
    pt_rendered_free(&r);
}

#define HEAD "<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\n"
#define FIELD                                                                                                                                        \
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.reasoning_content %}<think>\n{{ m.reasoning_content }}\n</think>\n\n{% endif %}{{ m.content }}" \
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{{ '' }}{% endif %}"
#define DROPS                                                                                                                                        \
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content.split('</think>')[-1] }}<|im_end|>\n{% endfor %}"                                 \
    "{% if add_generation_prompt %}<|im_start|>assistant\n{{ '' }}{% endif %}"

static void test_thinking(void **state)
{
    const pt_message field[] = {MSG(PT_USER, "q", 0), {.speaker = PT_ASSISTANT, .text = "a b", .bytes = 3, .weight = 1, THOUGHT("why")}},
                     inside[] = {MSG(PT_USER, "q", 0), MSG(PT_ASSISTANT, "<think>\nwhy\n</think>\n\na b", 1)}, alone[] = {MSG(PT_USER, "q", 0), MSG(PT_ASSISTANT, "<think>why</think>", 1)},
                     none[] = {MSG(PT_USER, "q", 0), MSG(PT_ASSISTANT, "a <think> b", 1)};
    const pt_text_span part = {1, 23, 1}; /* from within the thought to behind "a" */
    const pt_message parts[] = {MSG(PT_USER, "q", 0), {.speaker = PT_ASSISTANT, .text = "<think>\nwhy\n</think>\n\na b", .bytes = 25, .weight = 1, .spans = &part, .n_spans = 1}};
    pt_tokenizer *tok = tokenizer("tok_bpe");
    pt_template *t;
    assert_int_equal(pt_template_open(&t, "chatml", tok, NULL), PT_OK); /* knows no thoughts: they are text */
    shows(t, tok, PT_THINKING_KEEP, inside, 2, HEAD "[<think>\nwhy\n</think>\n\na b<|im_end|>]\n");
    shows(t, tok, PT_THINKING_MASK, inside, 2, HEAD "<think>\nwhy\n</think>\n\n[a b<|im_end|>]\n");
    shows(t, tok, PT_THINKING_STRIP, inside, 2, HEAD "[a b<|im_end|>]\n");
    shows(t, tok, PT_THINKING_MASK, parts, 2, HEAD "<think>\nwhy\n</think>\n\n[a] b[<|im_end|>]\n");
    shows(t, tok, PT_THINKING_STRIP, parts, 2, HEAD "[a] b[<|im_end|>]\n");
    shows(t, tok, PT_THINKING_MASK, alone, 2, HEAD "<think>why</think>[<|im_end|>]\n");
    shows(t, tok, PT_THINKING_MASK, none, 2, HEAD "[a <think> b<|im_end|>]\n");
    shows(t, tok, PT_THINKING_STRIP, none, 2, HEAD "[a <think> b<|im_end|>]\n");
    shows(t, tok, PT_THINKING_STRIP, field, 2, HEAD "[a b<|im_end|>]\n");
    pt_template_free(t);
    t = own_template(FIELD, tok);
    shows(t, tok, PT_THINKING_KEEP, field, 2, HEAD "[<think>\nwhy\n</think>\n\na b<|im_end|>]\n");
    shows(t, tok, PT_THINKING_MASK, field, 2, HEAD "<think>\nwhy\n</think>\n\n[a b<|im_end|>]\n");
    shows(t, tok, PT_THINKING_MASK, inside, 2, HEAD "<think>\nwhy\n</think>\n\n[a b<|im_end|>]\n");
    shows(t, tok, PT_THINKING_MASK, parts, 2, HEAD "<think>\nwhy\n</think>\n\n[a] b[<|im_end|>]\n");
    shows(t, tok, PT_THINKING_STRIP, field, 2, HEAD "[a b<|im_end|>]\n");
    shows(t, tok, PT_THINKING_STRIP, inside, 2, HEAD "[a b<|im_end|>]\n");
    pt_template_free(t);
    t = own_template(DROPS, tok);
    shows(t, tok, PT_THINKING_MASK, inside, 2, HEAD "[a b<|im_end|>]\n");
    shows(t, tok, PT_THINKING_STRIP, inside, 2, HEAD "[a b<|im_end|>]\n");
    pt_template_free(t);
    pt_tok_free(tok);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_split), cmocka_unit_test(test_thinking)};
    return cmocka_run_group_tests_name("data_template_split", tests, NULL, NULL);
}

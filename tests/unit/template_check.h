/* Chat templates against goldens of transformers: what tests/unit/data_template.c and tests/golden/data_shared.c share. */
#ifndef PT_TESTS_TEMPLATE_CHECK_H
#define PT_TESTS_TEMPLATE_CHECK_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/file.h"
#include "data/text/template.h"

#define DATA "tests/golden/data/"
#define MAX_TURNS 24

static inline json_t *load(const char *path)
{
    json_error_t e;
    json_t *v = json_load_file(path, JSON_ALLOW_NUL, &e);
    if (!v) fail_msg("%s:%d: %s", path, e.line, e.text);
    return v;
}

static const pt_speaker *speaker(const char *role)
{
    return strcmp(role, "system") == 0 ? PT_SYSTEM
           : strcmp(role, "user") == 0 ? PT_USER
           : strcmp(role, "tool") == 0 ? PT_TOOL
                                       : PT_ASSISTANT;
}

/* Messages of a golden conversation; borrowed from it. Every answer has weight `every`, the last one weight 1. */
static size_t messages(const json_t *conv, float every, pt_message *m)
{
    size_t n = json_array_size(conv);
    assert_true(n <= MAX_TURNS);
    for (size_t i = 0; i < n; i++) {
        const json_t *c = json_array_get(conv, i), *text = json_object_get(c, "content");
        m[i] = (pt_message){.speaker = speaker(json_string_value(json_object_get(c, "role"))),
                            .text = json_string_value(text),
                            .bytes = json_string_length(text)};
        if (pt_speaker_is(m[i].speaker, PT_ASSISTANT)) m[i].weight = i + 1 == n ? 1 : every;
    }
    return n;
}

static pt_template *open_style(const char *style, const pt_tokenizer *tok)
{
    pt_template *t;
    if (pt_template_open(&t, style, tok, NULL) != PT_OK) fail_msg("%s", pt_err_msg());
    return t;
}

static void render(const pt_template *t, const pt_message *m, size_t n, bool generation, pt_rendered *r)
{
    pt_rendered_clear(r);
    if (pt_template_render(t, m, n, generation, r) != PT_OK) fail_msg("%s: %s", pt_template_name(t), pt_err_msg());
    assert_int_equal(r->n_turns > 0, 1);
}

static void same_ids(const char *style, size_t k, const json_t *want, const pt_rendered *r)
{
    for (size_t i = 0; i < json_array_size(want) && i < r->ids.n; i++) {
        if (json_integer_value(json_array_get(want, i)) != r->ids.ids[i]) {
            fail_msg("%s, conversation %zu: id %zu is %d, should be %lld", style, k, i, r->ids.ids[i],
                     (long long)json_integer_value(json_array_get(want, i)));
        }
    }
    if (json_array_size(want) != r->ids.n)
        fail_msg("%s, conversation %zu: %zu ids, should be %zu", style, k, r->ids.n, json_array_size(want));
}

/* Count and hash of ids, supervised spans. */
static void same_brief(const char *style, size_t k, const json_t *want, const pt_rendered *r)
{
    char hex[17];
    snprintf(hex, sizeof hex, "%016llx", (unsigned long long)pt_fnv1a(PT_FNV_START, r->ids.ids, r->ids.n * sizeof(int32_t)));
    if (json_integer_value(json_object_get(want, "n")) != (json_int_t)r->ids.n) {
        fail_msg("%s, conversation %zu: %zu ids, should be %lld", style, k, r->ids.n,
                 (long long)json_integer_value(json_object_get(want, "n")));
    }
    if (strcmp(hex, json_string_value(json_object_get(want, "hash"))) != 0)
        fail_msg("%s, conversation %zu: other ids", style, k);
    const json_t *spans = json_object_get(want, "spans");
    size_t s = 0;
    for (size_t i = 0; spans && i < r->ids.n; i++) {
        const json_t *span = json_array_get(spans, s);
        json_int_t from = span ? json_integer_value(json_array_get(span, 0)) : INT32_MAX,
                   to = json_integer_value(json_array_get(span, 1));
        bool in = (json_int_t)i >= from && (json_int_t)i < to;
        if (in != (r->weight[i] == 1.0f))
            fail_msg("%s, conversation %zu: weight of token %zu is %g", style, k, i, (double)r->weight[i]);
        if (in && (json_int_t)i == to - 1) {
            assert_true(s < r->n_answers);
            assert_int_equal(r->answer_end[s], i);
            s++;
        }
    }
    if (spans) assert_int_equal(s, json_array_size(spans));
    if (spans) assert_int_equal(s, r->n_answers);
}

static inline void check_style(const char *style, const json_t *rows, const json_t *convs, const pt_tokenizer *tok)
{
    pt_template *t = open_style(style, tok);
    pt_rendered r = {0};
    pt_message m[MAX_TURNS];
    for (size_t k = 0; k < json_array_size(convs); k++) {
        const json_t *row = json_array_get(rows, k), *want = json_object_get(row, "prompt");
        size_t n = messages(json_array_get(convs, k), 0, m);
        render(t, m, n - 1, true, &r);
        if (json_is_array(want))
            same_ids(style, k, want, &r);
        else
            same_brief(style, k, want, &r);
        render(t, m, n, false, &r);
        same_brief(style, k, json_object_get(row, "last"), &r);
        if (!json_is_object(json_object_get(row, "every"))) continue;
        messages(json_array_get(convs, k), 1, m);
        render(t, m, n, false, &r);
        same_brief(style, k, json_object_get(row, "every"), &r);
    }
    pt_rendered_free(&r);
    pt_template_free(t);
}

/* A copy of a committed tokenizer whose tokenizer_config.json brings a chat template. */
static inline pt_tokenizer *with_template(const char *name, const char *text)
{
    char dir[] = "/tmp/ptrain_template_XXXXXX", path[320], from[320];
    char *file;
    size_t n;
    pt_tokenizer *t;
    assert_non_null(mkdtemp(dir));
    for (int k = 0; k < 2; k++) {
        const char *what = k ? "tokenizer_config.json" : "tokenizer.json";
        snprintf(from, sizeof from, "%s%s/%s", DATA, name, what);
        snprintf(path, sizeof path, "%s/%s", dir, what);
        assert_int_equal(pt_file_read(&file, &n, from, 1 << 20), PT_OK);
        assert_int_equal(pt_file_write_whole(path, file, n), PT_OK);
        free(file);
    }
    snprintf(path, sizeof path, "%s/chat_template.jinja", dir);
    assert_int_equal(pt_file_write_whole(path, text, strlen(text)), PT_OK);
    if (pt_tok_open(&t, dir) != PT_OK) fail_msg("%s", pt_err_msg());
    pt_dir_remove(dir);
    return t;
}
#endif

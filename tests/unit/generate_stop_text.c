/* Texts that end an answer, over the borders of tokens; where DRY's repetitions are cut off. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "train/generate/dry.h"
#include "train/generate/stop_text.h"

#define OK(call)                                            \
    do {                                                    \
        if ((call) != PT_OK) fail_msg("%s", pt_err_msg());  \
    } while (0)

static int open_tokenizer(void **state)
{
    pt_tokenizer *tok = NULL;
    OK(pt_tok_open(&tok, "tests/golden/data/tok_bpe"));
    *state = tok;
    return 0;
}

static int close_tokenizer(void **state)
{
    pt_tok_free(*state);
    return 0;
}

/* Feeds the tokens of a text. Shows what may be shown after each; *shown is what a stream would have shown. Returns tokens read until a stop text was whole. */
static size_t feed(const pt_tokenizer *tok, const pt_stop_texts *s, const char *text, pt_str *shown, size_t *tokens)
{
    pt_ids ids = {0};
    pt_stop_reader r = {0};
    pt_tok_stream stream = {0};
    pt_str all = {0};
    size_t read = 0, at = 0;
    bool hit = false;
    OK(pt_tok_encode(tok, text, strlen(text), false, true, &ids));
    *tokens = ids.n;
    while (read < ids.n && !hit) {
        OK(pt_stop_next(&r, s, ids.ids[read], &hit));
        OK(pt_tok_stream_next(tok, &stream, ids.ids[read++], true, &all));
        size_t safe = pt_stop_safe(s, all.text, all.len);
        assert_true(safe >= at && safe <= all.len);
        OK(pt_str_add(shown, all.text + at, safe - at));
        at = safe;
    }
    if (!hit) OK(pt_str_add(shown, all.text + at, all.len - at)); /* the answer ended otherwise */
    pt_stop_reader_free(&r);
    pt_tok_stream_free(&stream);
    pt_str_free(&all);
    free(ids.ids);
    return hit ? read : SIZE_MAX;
}

static void over_borders(void **state)
{
    const struct { const char *text, *stop[3], *before; } cases[] = {
        {"The sea is wide and the sun is high", {"wide and"}, "The sea is "},
        {"The sea is wide and the sun is high", {"un i", "e an"}, "The sea is wid"},
        {"The sea is wide and the sun is high", {"sun was"}, NULL},
        {"aaab", {"aab"}, "a"},
        {"a\n\nUser: b", {"\nUser:"}, "a\n"},
        {"it costs 5 \xe2\x82\xac and more", {"\xe2\x82\xac"}, "it costs 5 "},
        {"\xc3\xa9t\xc3\xa9 \xc3\xa0", {"t\xc3\xa9 "}, "\xc3\xa9"},
        {"x", {"x"}, ""},
        {"abcabcabd", {"abcabd"}, "abc"},
        {"ends on a part of sto", {"stop"}, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t n = 0, tokens;
        pt_str shown = {0};
        while (n < 3 && cases[i].stop[n]) n++;
        const pt_stop_texts s = {*state, cases[i].stop, n};
        OK(pt_stop_check(&s));
        OK(pt_str_puts(&shown, ""));
        size_t read = feed(*state, &s, cases[i].text, &shown, &tokens);
        const char *want = cases[i].before ? cases[i].before : cases[i].text;
        if (strcmp(shown.text, want)) fail_msg("case %zu shows '%s', not '%s'", i, shown.text, want);
        assert_int_equal(read != SIZE_MAX, cases[i].before != NULL);
        size_t at = pt_stop_find(&s, cases[i].text, strlen(cases[i].text));
        assert_int_equal(at, strlen(want));
        pt_str_free(&shown);
    }
    const char *empty[] = {"a", ""};
    assert_int_equal(pt_stop_check(&(pt_stop_texts){*state, empty, 2}), PT_EARG);
}

static bool contains(const char *a, size_t n, const char *b, size_t m)
{
    for (size_t i = 0; i + m <= n; i++)
        if (!memcmp(a + i, b, m)) return true;
    return false;
}

/* Every token is looked at anew: one that holds a text is a breaker alone; one that ends with its beginning goes on with tokens that read the rest. */
static void breakers(void **state)
{
    const pt_tokenizer *tok = *state;
    const char *texts[] = {"\n", "the", "sea is"};
    pt_dry_breakers *b;
    int alone = 0, joined = 0;
    OK(pt_dry_breakers_make(&b, tok, texts, 3));
    for (int32_t id = 0; id < pt_tok_vocab_size(tok); id++) {
        pt_str word = {0};
        bool holds = false;
        if (!pt_tok_piece(tok, id)) continue;
        OK(pt_str_puts(&word, ""));
        OK(pt_tok_decode(tok, &id, 1, false, &word));
        for (int k = 0; k < 3; k++) holds = holds || contains(word.text, word.len, texts[k], strlen(texts[k]));
        size_t at = pt_dry_breakers_find(b, id);
        assert_int_equal(holds, at < b->n && b->from[at] == b->from[at + 1]);
        alone += holds;
        for (; at < b->n && b->head[at] == id; at++) {
            size_t n = (size_t)(b->from[at + 1] - b->from[at]);
            bool good = n == 0;
            pt_str both = {0};
            OK(pt_str_add(&both, word.text, word.len));
            OK(pt_tok_decode(tok, b->tail + b->from[at], n, false, &both));
            for (int k = 0; k < 3; k++) good = good || (both.len >= strlen(texts[k]) && !memcmp(both.text + both.len - strlen(texts[k]), texts[k], strlen(texts[k])));
            if (!good) fail_msg("token %d with its tail reads '%s'", id, both.text);
            joined += n > 0;
            pt_str_free(&both);
        }
        pt_str_free(&word);
    }
    assert_true(alone >= 2 && joined >= 5);
    pt_dry_breakers_free(b);
    OK(pt_dry_breakers_make(&b, tok, texts, 0));
    assert_null(b);
    const char *empty[] = {""};
    assert_int_equal(pt_dry_breakers_make(&b, tok, empty, 1), PT_EARG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(over_borders), cmocka_unit_test(breakers)};
    return cmocka_run_group_tests_name("generate_stop_text", tests, open_tokenizer, close_tokenizer);
}

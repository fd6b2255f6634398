/* Training renderings against hand-marked cases: tests/golden/data/template_marks.txt, whose head explains the marks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "data/text/template.h"

#define DATA "tests/golden/data/"
#define MAX_TURNS 16

typedef struct marked_case {
    char style[32], vocab[32];
    bool generation;
    pt_message m[MAX_TURNS];
    size_t n;
} marked_case;

/* Turns \n into a line end, in place. */
static void unescape(char *s)
{
    char *to = s;
    for (; *s; s++) {
        if (s[0] == '\\' && s[1] == 'n') {
            *to++ = '\n';
            s++;
        } else {
            *to++ = *s;
        }
    }
    *to = 0;
}

static void read_message(char *line, marked_case *c)
{
    char *colon = strstr(line, ": ");
    assert_non_null(colon);
    *colon = 0;
    char *star = strchr(line, '*');
    if (star) *star = 0;
    assert_true(c->n < MAX_TURNS);
    pt_message *m = &c->m[c->n++];
    const pt_speaker *who = pt_speaker_find(line);
    assert_non_null(who);
    unescape(colon + 2);
    *m = (pt_message){.speaker = who,
                      .text = colon + 2,
                      .bytes = strlen(colon + 2),
                      .weight = star ? (star[1] ? strtof(star + 1, NULL) : 1.0f) : 0.0f};
}

/* A token's own spelling: raw piece for SentencePiece (bytes as bytes), text for byte-level. */
static void spell(const pt_tokenizer *t, int32_t id, pt_str *out)
{
    const char *piece = pt_tok_piece(t, id);
    size_t from = out->len;
    if (pt_tok_spec(t)->kind == PT_VOCAB_SPM && strncmp(piece, "<0x", 3) != 0)
        assert_int_equal(pt_str_puts(out, piece), PT_OK);
    else
        assert_int_equal(pt_tok_decode(t, &id, 1, false, out), PT_OK);
    for (size_t i = from; i < out->len; i++) {
        if (out->text[i] != '\n') continue;
        pt_str tail = {0};
        pt_str_puts(&tail, out->text + i + 1);
        out->len = i;
        pt_str_puts(out, "\\n");
        pt_str_add(out, tail.text ? tail.text : "", tail.len);
        pt_str_free(&tail);
        i++;
    }
}

static void show(const pt_tokenizer *t, const pt_rendered *r, pt_str *out)
{
    float weight = 0;
    size_t turn = 0, answer = 0;
    for (size_t i = 0; i <= r->ids.n; i++) {
        float w = i < r->ids.n ? r->weight[i] : 0;
        if (w != weight && weight > 0) pt_str_puts(out, "]]");
        while (turn < r->n_turns && r->turn_start[turn] == (int32_t)i) {
            pt_str_puts(out, "#");
            turn++;
        }
        if (w != weight && w == 1)
            pt_str_puts(out, "[[");
        else if (w != weight && w > 0)
            pt_str_printf(out, "[[%g:", (double)w);
        if (answer < r->n_answers && r->answer_end[answer] == (int32_t)i) {
            pt_str_puts(out, "^");
            answer++;
        }
        if (i < r->ids.n) spell(t, r->ids.ids[i], out);
        weight = w;
    }
    assert_int_equal(turn, r->n_turns);
    assert_int_equal(answer, r->n_answers);
}

static void check_case(const marked_case *c, const char *want, size_t line)
{
    char path[128];
    pt_tokenizer *tok = NULL;
    pt_template *t = NULL;
    pt_rendered r = {0};
    pt_str got = {0};
    snprintf(path, sizeof path, "%s%s", DATA, c->vocab);
    if (pt_tok_open(&tok, path) != PT_OK || pt_template_open(&t, c->style, tok, NULL) != PT_OK ||
        pt_template_render(t, c->m, c->n, c->generation, &r) != PT_OK) {
        fail_msg("line %zu: %s", line, pt_err_msg());
    }
    show(tok, &r, &got);
    if (strcmp(got.text, want) != 0) fail_msg("line %zu:\n  got  %s\n  want %s", line, got.text, want);
    pt_str_free(&got);
    pt_rendered_free(&r);
    pt_template_free(t);
    pt_tok_free(tok);
}

static void test_marks(void **state)
{
    char *text, *save = NULL;
    marked_case c = {0};
    size_t cases = 0, line_no = 0;
    assert_int_equal(pt_file_read(&text, NULL, DATA "template_marks.txt", 1 << 20), PT_OK);
    for (char *p = text; p && *p; p = save) {
        save = strchr(p, '\n');
        if (save) *save++ = 0;
        line_no++;
        if (!*p || *p == '#') continue;
        if (strncmp(p, "== ", 3) == 0) {
            char flag[16] = "";
            c = (marked_case){0};
            assert_true(sscanf(p + 3, "%31s %31s %15s", c.style, c.vocab, flag) >= 2);
            c.generation = strcmp(flag, "generation") == 0;
        } else if (strncmp(p, "> ", 2) == 0) {
            check_case(&c, p + 2, line_no);
            cases++;
        } else {
            read_message(p, &c);
        }
    }
    assert_int_equal(cases, 18);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_marks)};
    return cmocka_run_group_tests_name("data_template_marks", tests, NULL, NULL);
}

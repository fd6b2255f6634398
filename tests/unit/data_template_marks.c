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
#include "base/json.h"
#include "data/text/template.h"

#define DATA "tests/golden/data/"
#define MAX_TURNS 16

typedef struct marked_case {
    char style[32], vocab[32], greeting[64];
    const char *text; /* of style own */
    bool generation;
    pt_template_policy policy;
    pt_message m[MAX_TURNS];
    size_t n;
    json_t *json[MAX_TURNS]; /* what messages borrow */
    size_t n_json;
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

/* "thought: ", "calls: ", "tools: ", "template: ": what belongs to the message that follows, or to the case. */
static bool read_beside(char *line, marked_case *c)
{
    pt_message *next = &c->m[c->n];
    char *what = strstr(line, ": ") + 2;
    assert_true(c->n < MAX_TURNS && c->n_json < MAX_TURNS);
    if (!strncmp(line, "template: ", 10) || !strncmp(line, "thought: ", 9)) {
        unescape(what);
        if (line[1] == 'e') c->text = what;
        else next->thought = what, next->thought_bytes = strlen(what);
        return true;
    }
    bool calls = !strncmp(line, "calls: ", 7);
    if (!calls && strncmp(line, "tools: ", 7)) return false;
    json_t **v = &c->json[c->n_json++];
    assert_int_equal(pt_json_parse(v, what, strlen(what), "calls", 0), PT_OK);
    if (calls) next->calls = *v;
    else next->tools = *v;
    return true;
}

static void read_message(char *line, marked_case *c)
{
    char *colon = strstr(line, ": ");
    assert_non_null(colon);
    if (read_beside(line, c)) return;
    *colon = 0;
    char *star = strchr(line, '*');
    if (star) *star = 0;
    assert_true(c->n < MAX_TURNS);
    pt_message *m = &c->m[c->n++];
    const pt_speaker *who = pt_speaker_find(line);
    assert_non_null(who);
    unescape(colon + 2);
    m->speaker = who;
    m->text = colon + 2;
    m->bytes = strlen(colon + 2);
    m->weight = star ? (star[1] ? strtof(star + 1, NULL) : 1.0f) : 0.0f;
}

/* Behind "== ": style, vocabulary, flags. */
static void read_head(char *line, marked_case *c)
{
    int at = 0, n = 0;
    char flag[64];
    for (size_t i = 0; i < c->n_json; i++) json_decref(c->json[i]);
    *c = (marked_case){0};
    assert_int_equal(sscanf(line, "%31s %31s%n", c->style, c->vocab, &at), 2);
    for (; sscanf(line + at, "%63s%n", flag, &n) == 1; at += n) {
        if (!strcmp(flag, "generation")) c->generation = true;
        else if (!strcmp(flag, "system=fold")) c->policy.system_role = PT_SYSTEM_FOLD;
        else if (!strcmp(flag, "system=keep")) c->policy.system_role = PT_SYSTEM_KEEP;
        else if (!strcmp(flag, "alternate=join")) c->policy.alternate = PT_ALTERNATE_JOIN;
        else if (!strcmp(flag, "alternate=refuse")) c->policy.alternate = PT_ALTERNATE_REFUSE;
        else if (!strncmp(flag, "greeting=", 9)) memcpy(c->greeting, flag + 9, strlen(flag + 9) + 1);
        else fail_msg("flag %s", flag);
    }
}

/* A token's own spelling: raw piece for SentencePiece (bytes as bytes), text for byte-level, where a character of several tokens stands at its last one. */
static void spell(const pt_tokenizer *t, pt_tok_stream *stream, int32_t id, pt_str *out)
{
    const char *piece = pt_tok_piece(t, id);
    size_t from = out->len;
    if (pt_tok_spec(t)->kind == PT_VOCAB_SPM && strncmp(piece, "<0x", 3) != 0)
        assert_int_equal(pt_str_puts(out, piece), PT_OK);
    else
        assert_int_equal(pt_tok_stream_next(t, stream, id, false, out), PT_OK);
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
    pt_tok_stream stream = {0};
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
        if (i < r->ids.n) spell(t, &stream, r->ids.ids[i], out);
        weight = w;
    }
    pt_str_free(&stream.held);
    assert_int_equal(turn, r->n_turns);
    assert_int_equal(answer, r->n_answers);
}

static pt_status render_case(const marked_case *c, const pt_tokenizer *tok, pt_rendered *r)
{
    pt_template *t = NULL;
    pt_template_policy policy = c->policy;
    policy.greeting_prompt = c->greeting;
    pt_status rc = c->text ? pt_template_open_own(&t, c->text, tok, NULL, NULL) : pt_template_open(&t, c->style, tok, NULL);
    if (rc == PT_OK) rc = pt_template_set_policy(t, &policy);
    if (rc == PT_OK) rc = pt_template_render(t, c->m, c->n, c->generation, r);
    pt_template_free(t);
    return rc;
}

/* refused: `want` is a part of the message. */
static void check_case(const marked_case *c, const char *want, bool refused, size_t line)
{
    char path[128];
    pt_tokenizer *tok = NULL;
    pt_rendered r = {0};
    pt_str got = {0};
    snprintf(path, sizeof path, "%s%s", DATA, c->vocab);
    if (pt_tok_open(&tok, path) != PT_OK) fail_msg("line %zu: %s", line, pt_err_msg());
    pt_status rc = render_case(c, tok, &r);
    if (refused && (rc != PT_EARG || !strstr(pt_err_msg(), want))) fail_msg("line %zu: %d, %s", line, (int)rc, rc == PT_OK ? "taken" : pt_err_msg());
    if (!refused && rc != PT_OK) fail_msg("line %zu: %s", line, pt_err_msg());
    if (!refused) show(tok, &r, &got);
    if (!refused && strcmp(got.text, want) != 0) fail_msg("line %zu:\n  got  %s\n  want %s", line, got.text, want);
    pt_str_free(&got);
    pt_rendered_free(&r);
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
            read_head(p + 3, &c);
        } else if (strncmp(p, "> ", 2) == 0 || strncmp(p, "! ", 2) == 0) {
            check_case(&c, p + 2, *p == '!', line_no);
            cases++;
        } else {
            read_message(p, &c);
        }
    }
    assert_int_equal(cases, 84);
    printf("figure: %zu conversations as they were marked by hand\n", cases);
    read_head((char[]){"chatml tok_bpe"}, &c);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_marks)};
    return cmocka_run_group_tests_name("data_template_marks", tests, NULL, NULL);
}

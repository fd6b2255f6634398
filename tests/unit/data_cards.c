/* Character cards and what they stand in: macros, PNG texts, ZIP archives, versions; each fault is named. Files: tests/golden/cards.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

#include "base/file.h"
#include "data/read/card.h"
#include "data/read/macro.h"
#include "data/read/png_text.h"
#include "data/read/zip_file.h"

#define DIR "tests/golden/data/cards/"

static void expect(pt_status got, pt_status want, const char *says, const char *what)
{
    if (got != want || (says && !strstr(pt_err_msg(), says))) fail_msg("%s: %s, '%s'; wanted %s, '%s'", what, pt_status_name(got), pt_err_msg(), pt_status_name(want), says ? says : "");
    pt_err_clear();
}

/* ---- macros -------------------------------------------------------------------------------------------------------- */

static void macros(void **state)
{
    static const struct { const char *text, *want; } cases[] = { /* "!..." : the message holds it */
        {"{{char}} and {{user}}", "Ann and Tom"}, {"{{ Char }}, <USER>, <bot>, <Char>", "Ann, Tom, Ann, Ann"}, {"plain { text } <b>", "plain { text } <b>"},
        {"{{{char}}} {{{{user}}}}", "{Ann} {{Tom}}"}, {"a{{// note {{char}} }}b{{comment: x}}c{{hidden_key:y}}", "abc"}, {"a\n\n{{trim}}\nb", "ab"}, {"a{{newline}}b{{noop}}", "a\nb"},
        {"{{random:x}}{{pick::y}}", "xy"}, {"{{random:a\\,b}}", "a,b"}, {"{{pick:{{char}}}}", "Ann"}, {"{{reverse:Hé}}", "éH"}, {"{{roll:1}}{{roll:d1}}{{roll:3d1}}", "113"},
        {"[{{original}}]", "[be kind]"}, {"{{x}} and {{frac}}{2}", "{{x}} and {{frac}}{2}"}, {"open {{char", "open {{char"}, {"}} {{char}}", "}} Ann"}, {"", ""},
        {"{{time}}", "!'{{time}}' has no value in a data file"}, {"{{getvar::hp}}", "!'{{getvar::hp}}'"}, {"{{time_UTC+2}}", "!time_UTC+2"}, {"{{persona}}", "!persona"}, {"{{#if x}}", "!#if x"},
        {"{{random:}}", "!lists no values"}, {"{{roll:much}}", "!no dice"}, {"{{roll:0}}", "!rolls nothing"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pt_macros m = {.who = "Ann", .user = "Tom", .original = "be kind"};
        pt_str s = {0};
        pt_status rc = pt_macros_fill(&m, cases[i].text, strlen(cases[i].text), &s);
        if (cases[i].want[0] == '!') {
            expect(rc, PT_EFORMAT, cases[i].want + 1, cases[i].text);
        } else {
            if (rc != PT_OK) fail_msg("%s: %s", cases[i].text, pt_err_msg());
            assert_string_equal(s.text, cases[i].want);
            if (strstr(cases[i].text, "{{x}}")) assert_string_equal(m.unknown, "x");
            else assert_string_equal(m.unknown, "");
        }
        pt_str_free(&s);
    }
    pt_macros none = {0};
    pt_str s = {0};
    expect(pt_macros_fill(&none, "{{user}}", 8, &s), PT_EFORMAT, "user_name: NAME names one", "no user");
    expect(pt_macros_fill(&none, "<BOT>", 5, &s), PT_EFORMAT, "'{{char}}' has no value", "no character");
    pt_str_free(&s);
}

/* What is drawn is drawn again, and each value is. */
static void draws(void **state)
{
    unsigned seen = 0;
    for (int i = 0; i < 64; i++) {
        char text[64];
        pt_macros m = {0};
        pt_str s = {0}, again = {0};
        int n = snprintf(text, sizeof text, "%d {{random::a::b::c}} {{roll:2d6}}", i);
        assert_int_equal(pt_macros_fill(&m, text, (size_t)n, &s), PT_OK);
        assert_int_equal(pt_macros_fill(&m, text, (size_t)n, &again), PT_OK);
        assert_string_equal(s.text, again.text);
        const char *p = strchr(s.text, ' ') + 1;
        int sum = atoi(p + 2);
        assert_true(*p >= 'a' && *p <= 'c' && sum >= 2 && sum <= 12);
        seen |= 1u << (*p - 'a');
        pt_str_free(&s);
        pt_str_free(&again);
    }
    assert_int_equal(seen, 7);
}

/* ---- images -------------------------------------------------------------------------------------------------------- */

static void put_big(pt_str *s, uint32_t v)
{
    char b[4] = {(char)(v >> 24), (char)(v >> 16), (char)(v >> 8), (char)v};
    assert_int_equal(pt_str_add(s, b, 4), PT_OK);
}

static void put_chunk(pt_str *s, const char *type, const void *data, size_t n)
{
    size_t at = s->len + 4;
    put_big(s, (uint32_t)n);
    assert_int_equal(pt_str_add(s, type, 4), PT_OK);
    assert_int_equal(pt_str_add(s, data, n), PT_OK);
    put_big(s, (uint32_t)crc32(crc32(0, NULL, 0), (const Bytef *)s->text + at, (uInt)(n + 4)));
}

/* An image with one chunk between its header and its end. */
static void put_image(pt_str *s, const char *type, const void *data, size_t n)
{
    s->len = 0;
    assert_int_equal(pt_str_add(s, "\x89PNG\r\n\x1a\n", 8), PT_OK);
    put_chunk(s, "IHDR", "\0\0\0\1\0\0\0\1\10\0\0\0\0", 13);
    put_chunk(s, type, data, n);
    put_chunk(s, "IEND", "", 0);
}

static void images(void **state)
{
    static const char *const keys[] = {"ccv3", "chara", NULL};
    static const struct { const char *type, *data; size_t n; pt_status want; const char *says; } bad[] = {
        {"tEXt", "no key", 6, PT_EFORMAT, "has no keyword"}, {"tEXt", "\0x", 2, PT_EFORMAT, "has no keyword"}, {"zTXt", "chara\0\1xx", 9, PT_EFORMAT, "packed in a way"},
        {"zTXt", "chara\0\0xx", 9, PT_EFORMAT, "is broken"}, {"iTXt", "chara\0\2\0\0\0x", 11, PT_EFORMAT, "packed in a way"}, {"iTXt", "chara\0\0\0en", 10, PT_EFORMAT, "ends before its text"},
        {"tEXt", "chara\0@@@", 9, PT_EFORMAT, "the text 'chara': is no base64: byte 0 is 0x40"}, {"tEXt", "chara\0e30=e30=", 14, PT_EFORMAT, "is no base64"},
        {"tEXt", "chara\0YWJj", 10, PT_EFORMAT, "chara:1:1"}, {"tEXt", "chara\0WzFd", 10, PT_EFORMAT, "a.png: chara: the text is a list"}, {"tEXt", "Title\0x", 7, PT_EFORMAT, "without a character card: it has no text 'ccv3' or 'chara'"},
        {"tEXt", "chara\0e30", 9, PT_OK, NULL}, {"iTXt", "CCV3\0\0\0\0\0e30=", 13, PT_OK, NULL}};
    pt_str s = {0};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        json_t *j = NULL;
        put_image(&s, bad[i].type, bad[i].data, bad[i].n);
        expect(pt_card_unpack("a.png", s.text, s.len, &j), bad[i].want, bad[i].says, bad[i].data);
        json_decref(j);
    }
    /* every place cut off, every byte changed: a message, or a text; of what a CRC guards always a message */
    put_image(&s, "tEXt", "chara\0e30=", 10);
    for (size_t i = 0; i < s.len; i++) {
        char *text;
        size_t n;
        int which;
        char *copy = malloc(i + 1), was = s.text[i];
        assert_non_null(copy);
        memcpy(copy, s.text, i);
        assert_int_equal(pt_png_text("cut.png", copy, i, keys, &which, &text, &n), PT_EFORMAT);
        free(copy);
        s.text[i] = (char)(was ^ 0x20);
        expect(pt_png_text("changed.png", s.text, s.len, keys, &which, &text, &n), PT_EFORMAT, "changed.png", "a byte changed");
        s.text[i] = was;
    }
    pt_str_free(&s);
}

/* ---- archives ------------------------------------------------------------------------------------------------------ */

static void little(pt_str *s, uint32_t v, int bytes)
{
    for (; bytes--; v >>= 8) {
        char b = (char)v;
        assert_int_equal(pt_str_add(s, &b, 1), PT_OK);
    }
}

typedef struct member {
    const char *name, *data;
    size_t n;
    uint32_t says; /* bytes unpacked; 0 = n */
    unsigned method, flags;
} member;

static void put_archive(pt_str *s, const member *m, size_t n)
{
    size_t at[4] = {0}, directory = 0;
    s->len = 0;
    for (int central = 0; central < 2; central++) {
        if (central) directory = s->len;
        for (size_t i = 0; i < n; i++) {
            uint32_t crc = (uint32_t)crc32(crc32(0, NULL, 0), (const Bytef *)m[i].data, (uInt)m[i].n);
            if (!central) at[i] = s->len;
            assert_int_equal(pt_str_add(s, central ? "PK\1\2\24\0" : "PK\3\4", central ? 6 : 4), PT_OK);
            little(s, 20, 2);
            little(s, m[i].flags, 2);
            little(s, m[i].method, 2);
            little(s, 0, 4);
            little(s, crc, 4);
            little(s, (uint32_t)m[i].n, 4);
            little(s, m[i].says ? m[i].says : (uint32_t)m[i].n, 4);
            little(s, (uint32_t)strlen(m[i].name), 2);
            little(s, 0, 2);
            if (central) little(s, 0, 2), little(s, 0, 4), little(s, 0, 4), little(s, (uint32_t)at[i], 4);
            assert_int_equal(pt_str_add(s, m[i].name, strlen(m[i].name)), PT_OK);
            if (!central) assert_int_equal(pt_str_add(s, m[i].data, m[i].n), PT_OK);
        }
    }
    size_t end = s->len;
    assert_int_equal(pt_str_add(s, "PK\5\6\0\0\0", 8), PT_OK);
    little(s, (uint32_t)n, 2);
    little(s, (uint32_t)n, 2);
    little(s, (uint32_t)(end - directory), 4);
    little(s, (uint32_t)directory, 4);
    little(s, 0, 2);
}

static void archives(void **state)
{
    static const struct { member m[2]; size_t n; pt_status want; const char *says; } cases[] = {
        {{{"card.json", "{}", 2, 0, 0, 0}}, 1, PT_OK, NULL},
        {{{"a/b.png", "x", 1, 0, 0, 0}, {"card.json", "{}", 2, 0, 0, 0}}, 2, PT_OK, NULL},
        {{{"a/b.png", "x", 1, 0, 0, 0}}, 1, PT_EFORMAT, "without a card.json"},
        {{{"sub/card.json", "{}", 2, 0, 0, 0}}, 1, PT_EFORMAT, "without a card.json"},
        {{{"card.json", "{}", 2, 0, 0, 0}, {"card.json", "{}", 2, 0, 0, 0}}, 2, PT_EFORMAT, "two files 'card.json'"},
        {{{"../card.json", "{}", 2, 0, 0, 0}}, 1, PT_EFORMAT, "leads out of it: '../card.json'"},
        {{{"/etc/x", "{}", 2, 0, 0, 0}, {"card.json", "{}", 2, 0, 0, 0}}, 2, PT_EFORMAT, "leads out"},
        {{{"a/../../x", "{}", 2, 0, 0, 0}, {"card.json", "{}", 2, 0, 0, 0}}, 2, PT_EFORMAT, "leads out"},
        {{{"a\\x", "{}", 2, 0, 0, 0}}, 1, PT_EFORMAT, "leads out"},
        {{{"c:x", "{}", 2, 0, 0, 0}}, 1, PT_EFORMAT, "leads out"},
        {{{"card.json", "{}", 2, 0, 0, 1}}, 1, PT_ENOSUP, "is encrypted"},
        {{{"card.json", "{}", 2, 0, 12, 0}}, 1, PT_ENOSUP, "ZIP method 12"},
        {{{"card.json", "{}", 2, 3, 0, 0}}, 1, PT_EFORMAT, "cannot be 3 bytes of 2"},
        {{{"card.json", "\3\0", 2, 1000000, 8, 0}}, 1, PT_EFORMAT, "cannot be 1000000 bytes of 2"},
        {{{"card.json", "\3\0", 2, 2000000000, 8, 0}}, 1, PT_EFORMAT, "67108864 are the most"},
        {{{"card.json", "\3\0", 2, 5, 8, 0}}, 1, PT_EFORMAT, "is damaged: 0 bytes"},
        {{{"card.json", "\7\7", 2, 5, 8, 0}}, 1, PT_EFORMAT, "'card.json': is broken"},
        {{{"card.json", "[1]", 3, 0, 0, 0}}, 1, PT_EFORMAT, "card.json: the text is a list"}};
    pt_str s = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *j = NULL;
        put_archive(&s, cases[i].m, cases[i].n);
        expect(pt_card_unpack("a.charx", s.text, s.len, &j), cases[i].want, cases[i].says, cases[i].says ? cases[i].says : cases[i].m[0].name);
        json_decref(j);
    }
    put_archive(&s, cases[0].m, 1);
    for (size_t i = 4; i < s.len; i++) { /* cut off anywhere, but within its first four bytes, which then say nothing */
        char *text = NULL, *copy = malloc(i);
        size_t n;
        assert_non_null(copy);
        memcpy(copy, s.text, i);
        assert_int_equal(pt_zip_file("cut.zip", copy, i, "card.json", 100, &text, &n), PT_EFORMAT);
        free(copy);
        free(text);
    }
    s.text[s.len - 12] = s.text[s.len - 14] = (char)0xff;
    s.text[s.len - 11] = s.text[s.len - 13] = (char)0xff;
    char *text = NULL;
    size_t n;
    expect(pt_zip_file("big.zip", s.text, s.len, "card.json", 100, &text, &n), PT_ENOSUP, "zip64", "zip64");
    pt_str_free(&s);
}

/* ---- cards --------------------------------------------------------------------------------------------------------- */

static void versions(void **state)
{
    static const struct { const char *json, *says; int version; } cases[] = { /* says: the error; version 0 = there is one */
        {"{\"name\": \"A\", \"description\": \"d\"}", NULL, 1}, {"{\"spec\": \"chara_card_v2\", \"spec_version\": \"2.0\", \"data\": {\"name\": \"A\"}}", NULL, 2},
        {"{\"spec\": \"chara_card_v3\", \"spec_version\": \"3.5\", \"data\": {\"name\": \"A\", \"nickname\": \"B\"}}", NULL, 3},
        {"{\"spec\": \"chara_card_v4\", \"spec_version\": \"4.0\", \"data\": {\"name\": \"A\"}}", "spec 'chara_card_v4' 4.0: chara_card_v2, chara_card_v3 and cards without a spec (V1) are known", 0},
        {"{\"spec_version\": \"4.0\", \"name\": \"A\"}", "spec_version '4.0' without a spec", 0}, {"{\"spec\": \"chara_card_v2\", \"name\": \"A\"}", "keeps its fields in an object 'data'; here it is nothing", 0},
        {"{\"spec\": \"chara_card_v3\", \"spec_version\": \"three\", \"data\": {\"name\": \"A\"}}", "is no number", 0}, {"{\"name\": \"A\"}", "no field 'description'", 0}, {"{\"first_mes\": \"x\"}", "no field 'name'", 0},
        {"{\"name\": \" \", \"description\": \"d\"}", "has no name", 0}, {"{\"name\": \"A\", \"description\": 3}", "'description' is a number, a string is wanted", 0},
        {"{\"name\": \"A\", \"description\": \"d\", \"alternate_greetings\": \"x\"}", "'alternate_greetings' is a string, a list is wanted", 0},
        {"{\"name\": \"A\", \"description\": \"d\", \"alternate_greetings\": [1]}", "element 1 of the card's 'alternate_greetings' is a number", 0},
        {"{\"name\": \"A\", \"description\": \"d\", \"character_book\": []}", "'character_book' is a list, an object is wanted", 0},
        {"{\"name\": \"A\", \"description\": \"a\\u0000b\"}", "holds a NUL character", 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *j = NULL;
        pt_card c;
        assert_int_equal(pt_json_parse(&j, cases[i].json, strlen(cases[i].json), "card", PT_JSON_NUL), PT_OK);
        pt_status rc = pt_card_read(j, &c);
        expect(rc, cases[i].version ? PT_OK : PT_EFORMAT, cases[i].says, cases[i].json);
        if (cases[i].version) {
            assert_int_equal(c.version, cases[i].version);
            assert_string_equal(c.name, cases[i].version == 3 ? "B" : "A");
            assert_true(c.newer == (cases[i].version == 3));
        }
        json_decref(j);
    }
}

/* One card in seven files. */
static void files(void **state)
{
    static const char v2[] = "Write {{char}}'s next reply.\nThe town is called Wick.\n{{char}} mends clocks in a harbour town.\n{{char}}'s personality: dry, patient\nScenario: {{user}} brings a broken watch.\nThe tide runs at six.",
                      v1[] = "{{char}} mends clocks in a harbour town.\n{{char}}'s personality: dry, patient\nScenario: {{user}} brings a broken watch.";
    static const struct { const char *file; int version; const char *full_name, *profile; } cases[] = {
        {"ann.json", 1, "Ann", v1}, {"ann.png", 2, "Ann", v2}, {"ann_v3.png", 3, "Annabel Reed", v2}, {"ann_ztxt.png", 2, "Ann", v2}, {"ann_itxt.png", 3, "Annabel Reed", v2},
        {"ann.charx", 3, "Annabel Reed", v2}, {"ann_stored.charx", 3, "Annabel Reed", v2}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char path[128], *text;
        json_t *j;
        pt_card c;
        size_t waiting;
        snprintf(path, sizeof path, DIR "%s", cases[i].file);
        expect(pt_card_load(path, &j), PT_OK, NULL, path);
        expect(pt_card_read(j, &c), PT_OK, NULL, path);
        assert_int_equal(c.version, cases[i].version);
        assert_string_equal(c.name, "Ann");
        assert_string_equal(c.full_name, cases[i].full_name);
        expect(pt_card_profile(&c, true, &text, &waiting), PT_OK, NULL, path);
        assert_string_equal(text, cases[i].profile);
        assert_int_equal(waiting, c.version > 1 ? 1 : 0);
        free(text);
        expect(pt_card_profile(&c, false, &text, NULL), PT_OK, NULL, path);
        assert_string_equal(strstr(text, "{{char}} mends"), v1);
        free(text);
        json_decref(j);
    }
    json_t *j;
    expect(pt_card_load(DIR "plain.png", &j), PT_EFORMAT, DIR "plain.png is a PNG image without a character card", "plain.png");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(macros), cmocka_unit_test(draws), cmocka_unit_test(images), cmocka_unit_test(archives), cmocka_unit_test(versions), cmocka_unit_test(files)};
    return cmocka_run_group_tests_name("data_cards", tests, NULL, NULL);
}

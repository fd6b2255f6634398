/* JSON schemas as constraints: what each keyword lets through, what is refused and where, and what masks draw. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/rng.h"
#include "base/utf8.h"
#include "data/constrain/constrain.h"

enum { ROWS = 320, END = 0 };
static char text_of[ROWS][8];
static const char *bytes_of[ROWS];
static uint32_t length_of[ROWS];

/* All bytes behind the end token, then pieces of JSON, some of them cut inside a character. */
static pt_constraint_vocab *vocab(void)
{
    static const char *const parts[] = {"\":", "{\"", "\"}", "\", \"", ",\"", "true", "fal", "null", "00", "12", "]}", "]]", "[[", "[\"", "\\u", "\\\"", "\xe6\xbc", "\xbc\xa2", "é", "ab", "  ", ": ", ", ", "\n"};
    static const int32_t end = END;
    pt_constraint_vocab *v;
    for (int i = 0; i < ROWS; i++) {
        size_t k = (size_t)i - 257;
        if (i >= 1 && i < 257) text_of[i][0] = (char)(i - 1);
        if (i >= 257 && k < sizeof parts / sizeof *parts) strcpy(text_of[i], parts[k]);
        bytes_of[i] = text_of[i];
        length_of[i] = i < 257 ? i > 0 : (uint32_t)strlen(text_of[i]);
    }
    assert_int_equal(pt_constraint_vocab_of(&v, &(pt_constraint_bytes){ROWS, bytes_of, length_of, 0}, &end, 1, PT_CONSTRAINT_CACHE), PT_OK);
    return v;
}

static pt_status open_schema(pt_constraint_vocab *v, const char *schema, pt_constraint **c)
{
    return pt_constraint_open(v, &(pt_constraint_spec){.kind = PT_CONSTRAIN_SCHEMA, .text = schema, .bytes = strlen(schema)}, c);
}

/* yes and no: texts one a line. */
static const struct {
    const char *schema, *yes, *no;
} cases[] = {
    {"true", "null\n-1.5e3\n\"a\\n\"\n[]\n{}\n[1, {\"a\":[true]}]\n{\"\":0,\"a\": null}", "tru\n[1,]\n{\"a\"}\n[ 1]\n{\"a\" :1}\n[1,  2]\n01\n1.\n'a'\n\n1 "},
    {"{}", "0\n[[[]]]", "nul"},
    {"{\"type\":\"null\"}", "null", "0"},
    {"{\"type\":[\"boolean\",\"null\"]}", "true\nfalse\nnull", "0\n\"\""},
    {"{\"type\":\"integer\"}", "0\n-0\n7\n-120\n9999999999999999", "01\n1.0\n1e3\n-\n+1\n10000000000000000"},
    {"{\"type\":\"number\"}", "0\n-1\n1.50\n1e9\n1E-9\n2.5e+10", "1.\n.5\n1e\n1e100\n00\n--1"},
    {"{\"type\":\"string\"}", "\"\"\n\"é漢😀\"\n\"\\u00e9\\n\\/\\ud83d\\ude00\"", "\"\n\"\\x\"\n\"\\ud83d\"\n\"\\ude00\"\n\"\\ud83dx\"\n\"\x01\"\n\"\xff\"\n\"\xc3\"\n\"\xed\xa0\x80\""},
    {"{\"minLength\":2,\"maxLength\":3}", "\"ab\"\n\"漢字é\"\n\"\\ud83d\\ude00a\"\n\"\\n\\n\\n\"", "\"a\"\n\"abcd\"\n\"😀\""},
    {"{\"type\":\"string\",\"pattern\":\"^a+$\",\"minLength\":2,\"maxLength\":3}", "\"aa\"\n\"aaa\"", "\"a\"\n\"aaaa\"\n\"ab\""},
    {"{\"type\":\"string\",\"pattern\":\"^(ab|é){2,5}c?$\",\"minLength\":4,\"maxLength\":6}", "\"abab\"\n\"ééabc\"\n\"ababab\"\n\"éééé\"", "\"éé\"\n\"abé\"\n\"abababc\"\n\"ab\""},
    {"{\"type\":\"string\",\"pattern\":\"b\",\"minLength\":3}", "\"abc\"\n\"bb\\n\"\n\"abcde\"", "\"b\"\n\"ab\"\n\"acde\""},
    {"{\"type\":\"string\",\"pattern\":\"b\",\"maxLength\":2}", "\"b\"\n\"\\\"b\"\n\"漢b\"", "\"abc\"\n\"aa\""},
    {"{\"type\":\"string\",\"pattern\":\"b\"}", "\"b\"\n\"abc\"\n\"\\nb\\\"\"", "\"ac\"\n\"\""},
    {"{\"type\":\"string\",\"pattern\":\"^a|c$\"}", "\"abc\"\n\"xc\"\n\"ax\"", "\"xcx\"\n\"xa\""},
    {"{\"type\":\"string\",\"pattern\":\"^[\\\"\\\\\\\\]\\\\d$\"}", "\"\\\"1\"\n\"\\\\2\"", "\"\"1\"\n\"a1\"\n\"\\u00221\""},
    {"{\"type\":\"string\",\"format\":\"date\"}", "\"2024-02-29\"\n\"2000-02-29\"\n\"1999-12-31\"", "\"2023-02-29\"\n\"1900-02-29\"\n\"0000-01-01\"\n\"2023-04-31\"\n\"2023-13-01\""},
    {"{\"type\":\"string\",\"format\":\"time\"}", "\"23:59:59Z\"\n\"00:00:00.5+02:00\"", "\"24:00:00Z\"\n\"12:00:00\""},
    {"{\"type\":\"string\",\"format\":\"date-time\"}", "\"2024-02-29T01:02:03Z\"", "\"2024-02-30T01:02:03Z\"\n\"2024-02-29\""},
    {"{\"type\":\"string\",\"format\":\"uuid\"}", "\"123e4567-e89b-12d3-a456-426614174000\"", "\"123e4567\""},
    {"{\"type\":\"string\",\"format\":\"ipv4\"}", "\"127.0.0.1\"\n\"255.255.255.255\"", "\"256.0.0.1\"\n\"1.2.3\"\n\"01.2.3.4\""},
    {"{\"type\":\"string\",\"format\":\"email\"}", "\"a.b@c-d.org\"", "\"a@b\"\n\"@b.org\"\n\"a..b@c.org\""},
    {"{\"type\":\"integer\",\"minimum\":-12,\"maximum\":105}", "-12\n-9\n0\n99\n105", "-13\n106\n-0\n1000\n-100"},
    {"{\"type\":\"integer\",\"exclusiveMinimum\":0.5,\"exclusiveMaximum\":10}", "1\n9", "0\n10"},
    {"{\"type\":\"integer\",\"minimum\":1e3}", "1000\n9999999999999999", "999\n-1000"},
    {"{\"type\":\"integer\",\"multipleOf\":5,\"minimum\":-7,\"maximum\":20}", "-5\n0\n5\n20", "-10\n1\n25"},
    {"{\"type\":\"number\",\"minimum\":0,\"maximum\":1}", "0\n1\n0.5\n1.000\n0.123456", "1.000001\n-0.1\n2\n0.1234567\n1e0\n-0"},
    {"{\"type\":\"number\",\"exclusiveMinimum\":-2.5,\"exclusiveMaximum\":0.1}", "-2.49\n-2.499999\n0\n0.0\n0.09", "-2.5\n-2.50\n0.1\n-3\n0.10"},
    {"{\"type\":\"number\",\"minimum\":99.5}", "99.5\n100\n123456789.5", "99.4\n99.49\n-100\n1234567890"},
    {"{\"enum\":[\"a\",\"ab\",1,1.5,null,{\"x\":[1,2]}]}", "\"a\"\n\"ab\"\n1\n1.5\nnull\n{\"x\":[1,2]}\n{\"x\": [1, 2]}", "\"b\"\n2\n{}\n1.50"},
    {"{\"type\":\"integer\",\"enum\":[1,\"a\",3]}", "1\n3", "\"a\""},
    {"{\"const\":\"é\\\"\"}", "\"é\\\"\"", "\"\\u00e9\\\"\""},
    {"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"integer\"},\"b\":true,\"c\":{\"type\":\"null\"}},\"required\":[\"b\"]}",
     "{\"b\":1}\n{\"a\":1, \"b\": [],\"c\":null}\n{\"a\":1,\"b\":2}\n{\"b\":2,\"c\":null}", "{}\n{\"a\":1}\n{\"b\":1,\"a\":1}\n{\"b\":1,\"d\":1}\n{\"b\":1,}\n{,\"b\":1}\n{\"b\":1,\"b\":1}"},
    {"{\"properties\":{\"a\":{\"type\":\"null\"}},\"additionalProperties\":{\"type\":\"integer\"}}", "{}\n{\"a\":null}\n{\"x\":1}\n{\"a\":null,\"aa\":1,\"\":2}\n{\"é\":3}", "{\"a\":1}\n{\"x\":null}\n{\"x\":1,\"a\":null}"},
    {"{\"properties\":{\"漢字\":true,\"漢\":true},\"additionalProperties\":{\"type\":\"null\"}}", "{\"漢é\":null}\n{\"字\":null}\n{\"漢字漢\":null}\n{\"漢字\":1}", "{\"字\":1}\n{\"漢字\":1,\"漢字\":null}"},
    {"{\"required\":[\"z\"],\"properties\":{\"a\":{\"type\":\"null\"}},\"additionalProperties\":{\"type\":\"integer\"}}", "{\"z\":1}\n{\"a\":null,\"z\":1,\"q\":2}", "{\"a\":null}\n{\"z\":null}\n{}"},
    {"{\"required\":[\"z\"]}", "{\"z\":[1]}", "{}\n{\"y\":1,\"z\":1}"},
    {"{\"type\":\"object\"}", "{}\n{\"a\":{\"b\":[]}}", "[]"},
    {"{\"type\":\"object\",\"additionalProperties\":{\"type\":\"null\"},\"minProperties\":1,\"maxProperties\":2}", "{\"a\":null}\n{\"a\":null,\"b\":null}", "{}\n{\"a\":null,\"b\":null,\"c\":null}"},
    {"{\"type\":\"object\",\"patternProperties\":{\"^x-\":{\"type\":\"integer\"}},\"properties\":{\"a\":true}}", "{\"a\":1,\"x-b\":2}\n{\"x-\":1}", "{\"b\":1}\n{\"x-b\":\"\"}"},
    {"{\"type\":\"array\",\"items\":{\"type\":\"integer\"},\"minItems\":1,\"maxItems\":3}", "[1]\n[1,2, 3]", "[]\n[1,2,3,4]\n[\"a\"]\n[1,]"},
    {"{\"type\":\"array\",\"items\":false}", "[]", "[1]"},
    {"{\"prefixItems\":[{\"type\":\"integer\"},{\"type\":\"string\"}]}", "[]\n[1]\n[1,\"a\"]", "[\"a\"]\n[1,\"a\",2]"},
    {"{\"prefixItems\":[{\"type\":\"integer\"}],\"items\":{\"type\":\"null\"},\"minItems\":2,\"maxItems\":3}", "[1,null]\n[1,null,null]", "[1]\n[1,null,null,null]\n[1,1]"},
    {"{\"prefixItems\":[{\"type\":\"integer\"},true],\"maxItems\":1}", "[]\n[1]", "[1,1]"},
    {"{\"anyOf\":[{\"type\":\"integer\"},{\"type\":\"string\",\"maxLength\":1}]}", "1\n\"a\"", "\"ab\"\nnull"},
    {"{\"oneOf\":[{\"type\":\"integer\"},{\"type\":\"string\"}]}", "1\n\"a\"", "null"},
    {"{\"oneOf\":[{\"properties\":{\"k\":{\"const\":1},\"v\":{\"type\":\"null\"}},\"required\":[\"k\"]},{\"properties\":{\"k\":{\"enum\":[2,3]}},\"required\":[\"k\"]}]}",
     "{\"k\":1}\n{\"k\":1,\"v\":null}\n{\"k\":3}", "{\"k\":4}\n{\"k\":2,\"v\":null}"},
    {"{\"allOf\":[{\"properties\":{\"a\":{\"minimum\":3}},\"required\":[\"a\"]},{\"properties\":{\"a\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":5},\"b\":true}}]}", "{\"a\":3}\n{\"a\":5,\"b\":1}", "{\"a\":2}\n{\"b\":1}"},
    {"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"null\"}},\"anyOf\":[{\"required\":[\"a\"]},{\"properties\":{\"b\":{\"type\":\"null\"}},\"required\":[\"b\"]}]}", "{\"a\":null}\n{\"b\":null}\n{\"a\":null,\"b\":null}", "{}"},
    {"{\"allOf\":[{\"properties\":{\"a\":true},\"additionalProperties\":false},{\"properties\":{\"b\":true}}]}", "{}\n{\"a\":1}", "{\"b\":1}\n{\"a\":1,\"b\":1}"},
    {"{\"allOf\":[{\"$ref\":\"#/$defs/p\"},{\"$ref\":\"#/$defs/q\"}],\"$defs\":{\"p\":{\"properties\":{\"a\":true},\"required\":[\"a\"]},\"q\":{\"properties\":{\"b\":true},\"required\":[\"b\"]}}}", "{\"a\":1,\"b\":2}", "{\"a\":1}"},
    {"{\"$ref\":\"#/$defs/a~1b%25\",\"$defs\":{\"a/b%\":{\"type\":\"null\"}}}", "null", "0"},
    {"{\"properties\":{\"v\":{\"type\":\"integer\"},\"next\":{\"anyOf\":[{\"$ref\":\"#\"},{\"type\":\"null\"}]}},\"required\":[\"v\"],\"type\":\"object\"}",
     "{\"v\":1}\n{\"v\":1,\"next\":{\"v\":2,\"next\":null}}", "{\"next\":null}\n{\"v\":1,\"next\":{}}"},
    {"{\"title\":\"t\",\"description\":\"d\",\"default\":1,\"examples\":[],\"$schema\":\"x\",\"$comment\":\"c\",\"type\":\"null\",\"$id\":\"http://x\",\"uniqueItems\":false}", "null", "1"},
};

static void keywords(void **state)
{
    pt_constraint_vocab *v = vocab();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pt_constraint *c;
        if (open_schema(v, cases[i].schema, &c) != PT_OK) fail_msg("%s: %s", cases[i].schema, pt_err_msg());
        for (int good = 0; good < 2; good++) {
            const char *p = good ? cases[i].yes : cases[i].no;
            for (;;) {
                size_t n = strcspn(p, "\n");
                bool whole;
                assert_int_equal(pt_constraint_accepts(c, p, n, &whole, NULL), PT_OK);
                if (whole != good) fail_msg("%s: '%.*s' is%s accepted", cases[i].schema, (int)n, p, whole ? "" : " not");
                if (!p[n]) break;
                p += n + 1;
            }
        }
        pt_constraint_close(c);
    }
    pt_constraint_vocab_free(v);
}

/* 12 texts a schema drawn by masks, the first masks checked token by token: they are JSON, UTF-8, and accepted. Brackets and quotes are preferred in the end. */
static void texts_drawn_by_masks(void **state)
{
    pt_constraint_vocab *v = vocab();
    uint64_t draws = 0;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pt_constraint *c;
        pt_str text = {0};
        assert_int_equal(open_schema(v, cases[i].schema, &c), PT_OK);
        for (int k = 0; k < 12; k++) {
            pt_constraint_state s = {0};
            json_t *j;
            text.len = 0;
            assert_int_equal(pt_str_add(&text, "", 0), PT_OK);
            assert_int_equal(pt_constraint_begin(c, &s), PT_OK);
            while (!s.ended) {
                const uint64_t *bits;
                uint64_t mask[ROWS / 64];
                int32_t allowed[ROWS], n = 0, id;
                if (text.len > 3000) fail_msg("%s: %s", cases[i].schema, text.text + 2900);
                assert_int_equal(pt_constraint_mask(&s, &bits), PT_OK);
                memcpy(mask, bits, sizeof mask);
                for (int32_t t = 0; t < ROWS; t++) {
                    bool is = mask[t / 64] >> (t % 64) & 1, whole, begins;
                    if (is) allowed[n++] = t;
                    if (k || text.len > 40) continue;
                    char all[4096];
                    memcpy(all, text.text, text.len);
                    memcpy(all + text.len, bytes_of[t], length_of[t]);
                    assert_int_equal(pt_constraint_accepts(c, all, text.len + length_of[t], &whole, &begins), PT_OK);
                    if (is != (t == END ? whole : length_of[t] && begins)) fail_msg("%s: token %d behind '%s'", cases[i].schema, t, text.text);
                }
                id = allowed[pt_rng_words(3, PT_RNG_TEST, draws++, i).v[0] % (uint32_t)n];
                static const char closing[] = "\"}]0bc";
                for (size_t k2 = 0, turn = pt_rng_words(4, PT_RNG_TEST, draws++, i).v[0] % 6; k2 < 6 && s.ids.n > 12; k2++) {
                    int32_t t = 1 + closing[(k2 + turn) % 6];
                    if (!(mask[t / 64] >> (t % 64) & 1)) continue;
                    id = t;
                    break;
                }
                if (mask[0] & 1 && s.ids.n > 6) id = END;
                assert_int_equal(pt_constraint_advance(&s, id), PT_OK);
                if (!s.ended) assert_int_equal(pt_str_add(&text, bytes_of[id], length_of[id]), PT_OK);
            }
            assert_true(pt_utf8_valid(text.text, text.len));
            if (pt_json_parse(&j, text.text, text.len, "text", PT_JSON_NUL) != PT_OK) fail_msg("%s: %s", text.text, pt_err_msg());
            json_decref(j);
            pt_constraint_state_free(&s);
        }
        pt_str_free(&text);
        pt_constraint_close(c);
    }
    pt_constraint_vocab_free(v);
}

static const struct {
    const char *schema, *why;
} refused[] = {
    {"{\"not\":{}}", "at #: the keyword 'not' is not supported"},
    {"{\"properties\":{\"a/b\":{\"if\":true}}}", "at #/properties/a~1b: the keyword 'if'"},
    {"{\"items\":{\"anyOf\":[true,{\"contains\":1}]}}", "at #/items/anyOf/1: the keyword 'contains'"},
    {"{\"type\":\"array\",\"uniqueItems\":true}", "'uniqueItems' is not supported"},
    {"{\"$ref\":\"http://example.org/x.json\"}", "nothing else is opened"},
    {"{\"$ref\":\"file:///etc/passwd\"}", "nothing else is opened"},
    {"{\"$ref\":\"#foo\"}", "no anchors"},
    {"{\"$ref\":\"#/$defs/none\"}", "no such place"},
    {"{\"$ref\":\"#\"}", "no text can satisfy"},
    {"{\"$defs\":{\"a\":{\"$ref\":\"#/$defs/b\"},\"b\":{\"$ref\":\"#/$defs/a\"}},\"$ref\":\"#/$defs/a\"}", "no text can satisfy"},
    {"{\"type\":\"object\",\"properties\":{\"a\":{\"$ref\":\"#\"}},\"required\":[\"a\"]}", "no text can satisfy"},
    {"false", "no text can satisfy"},
    {"{\"type\":\"integer\",\"minimum\":3,\"maximum\":2}", "no text can satisfy"},
    {"{\"enum\":[1],\"type\":\"string\"}", "no text can satisfy"},
    {"{\"allOf\":[{\"type\":\"integer\"},{\"type\":\"string\"}]}", "no text can satisfy"},
    {"{\"type\":\"object\",\"required\":[\"b\"],\"properties\":{\"a\":true},\"additionalProperties\":false}", "no text can satisfy"},
    {"{\"type\":\"text\"}", "at #: 'type' must be a type"},
    {"{\"type\":\"string\",\"format\":\"hostname\"}", "the format 'hostname'"},
    {"{\"type\":\"string\",\"pattern\":\"(?=a)\"}", "lookaround"},
    {"{\"type\":\"string\",\"pattern\":\"a{1,100000}\"}", "more than 10000"},
    {"{\"type\":\"string\",\"maxLength\":100000}", "'maxLength' of more than 10000"},
    {"{\"type\":\"string\",\"minLength\":-1}", "not negative"},
    {"{\"type\":\"string\",\"pattern\":\"^(a{1,900}b){1,900}$\",\"maxLength\":9000}", "too large"},
    {"{\"type\":\"string\",\"pattern\":\"a\",\"format\":\"date\"}", "'format' beside 'pattern'"},
    {"{\"type\":\"integer\",\"multipleOf\":3}", "at most 10000 multiples"},
    {"{\"type\":\"number\",\"multipleOf\":0.1}", "whole numbers"},
    {"{\"type\":\"number\",\"minimum\":\"1\"}", "must be a number"},
    {"{\"type\":\"number\",\"minimum\":0.1234567}", "more than 6 digits"},
    {"{\"oneOf\":[{\"type\":\"integer\"},{\"type\":\"number\"}]}", "at #/oneOf/1: a branch of 'oneOf'"},
    {"{\"oneOf\":[{\"properties\":{\"a\":true}},{\"properties\":{\"b\":true}}]}", "not told apart"},
    {"{\"allOf\":[{\"pattern\":\"a\"},{\"pattern\":\"b\"}]}", "'pattern' stands in two schemas"},
    {"{\"enum\":[\"a\"],\"pattern\":\"a\"}", "'pattern' beside 'enum'"},
    {"{\"enum\":[]}", "must be a list that is not empty"},
    {"{\"items\":[true]}", "'prefixItems' is"},
    {"{\"patternProperties\":{\"a\":true,\"b\":true}}", "with one pattern"},
    {"{\"patternProperties\":{\"a\":true},\"properties\":{\"xa\":true}}", "'xa' matches too"},
    {"{\"properties\":{\"a\":true},\"minProperties\":1}", "'minProperties'"},
    {"{\"properties\":{\"a\":3}}", "at #/properties/a: a schema is an object"},
    {"{\"$id\":\"x\",\"properties\":{\"a\":{\"$id\":\"y\"}}}", "'$id'"},
    {"{\"type\":", "schema:1:"},
    {"{\"const\":NaN}", "'const'"},
};

static void refusals(void **state)
{
    pt_constraint_vocab *v = vocab();
    pt_constraint *c;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        pt_status rc = open_schema(v, refused[i].schema, &c);
        if (rc != PT_EARG || !strstr(pt_err_msg(), refused[i].why) || strncmp(pt_err_msg(), "JSON schema: ", 13) != 0)
            fail_msg("%s: status %d, %s", refused[i].schema, rc, rc == PT_OK ? "taken" : pt_err_msg());
    }
    /* nesting and size */
    pt_str deep = {0};
    for (int i = 0; i < 400; i++) assert_int_equal(pt_str_puts(&deep, "{\"items\":"), PT_OK);
    assert_int_equal(pt_str_puts(&deep, "true"), PT_OK);
    for (int i = 0; i < 400; i++) assert_int_equal(pt_str_puts(&deep, "}"), PT_OK);
    assert_int_equal(open_schema(v, deep.text, &c), PT_EARG);
    assert_non_null(strstr(pt_err_msg(), "nested more than 128 deep"));
    deep.len = 0;
    assert_int_equal(pt_str_puts(&deep, "{\"enum\":[0"), PT_OK);
    for (int i = 1; i < 100000; i++) assert_int_equal(pt_str_printf(&deep, ",%d", i), PT_OK);
    assert_int_equal(pt_str_puts(&deep, "]}"), PT_OK);
    assert_int_equal(open_schema(v, deep.text, &c), PT_EARG);
    assert_non_null(strstr(pt_err_msg(), "100000 values in 'enum'"));
    /* lists that are compared each with each */
    static const char *const twice[][3] = {{"{\"allOf\":[{\"enum\":[0", "]},{\"enum\":[-1", "]}]}"}, {"{\"oneOf\":[{\"enum\":[0", "]},{\"enum\":[\"\"", "]}]}"},
                                           {"{\"allOf\":[{\"required\":[\"\"", "]},{\"required\":[\"x\"", "]}]}"}};
    for (int k = 0; k < 3; k++) {
        deep.len = 0;
        for (int part = 0; part < 3; part++) {
            assert_int_equal(pt_str_puts(&deep, twice[k][part]), PT_OK);
            for (int i = 1; i < 9000 && part < 2; i++) assert_int_equal(pt_str_printf(&deep, k == 2 ? ",\"%d\"" : ",%d", i), PT_OK);
        }
        assert_int_equal(open_schema(v, deep.text, &c), PT_EARG);
        if (!strstr(pt_err_msg(), "compared with each other")) fail_msg("%s", pt_err_msg());
    }
    pt_str_free(&deep);
    pt_constraint_vocab_free(v);
}

/* Lists in lists of free values, and references: as deep as stated, and no deeper. */
static void depth(void **state)
{
    static const char *const schemas[] = {"true", "{\"$ref\":\"#/$defs/l\",\"$defs\":{\"l\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/$defs/l\"}}}}"};
    pt_constraint_vocab *v = vocab();
    for (int k = 0; k < 2; k++) {
        pt_constraint *c;
        bool whole;
        char text[2 * PT_CONSTRAINT_DEPTH + 2];
        assert_int_equal(open_schema(v, schemas[k], &c), PT_OK);
        for (size_t n = PT_CONSTRAINT_DEPTH; n <= PT_CONSTRAINT_DEPTH + 1; n++) {
            memset(text, '[', n);
            memset(text + n, ']', n);
            assert_int_equal(pt_constraint_accepts(c, text, 2 * n, &whole, NULL), PT_OK);
            assert_int_equal(whole, n == PT_CONSTRAINT_DEPTH);
        }
        pt_constraint_close(c);
    }
    pt_constraint_vocab_free(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(keywords), cmocka_unit_test(texts_drawn_by_masks), cmocka_unit_test(refusals), cmocka_unit_test(depth)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Constraints by expressions and choices: what is accepted against PCRE2, masks against a token by token look, UTF-8 across tokens, limits, the cache. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/rng.h"
#include "base/utf8.h"
#include "data/constrain/constrain.h"

enum { ROWS = 700, END = 0, END2 = 5 };
static char text_of[ROWS][16];
static const char *bytes_of[ROWS];
static uint32_t length_of[ROWS];
static uint64_t draws;

static uint32_t draw(uint32_t n)
{
    return pt_rng_words(7, PT_RNG_TEST, draws++, 0).v[0] % n;
}

/* All bytes, then pieces of one to six of these characters, cut anywhere; a few stand twice. */
static void make_tokens(void)
{
    static const char *const parts[] = {"a", "b", "ab", "x", "1", "23", "\"", "\\", "{", "}", ":", ", ", " ", "\n", "é", "漢", "字", "😀", "foo", "-", "."};
    draws = 0;
    memset(text_of, 0, sizeof text_of);
    for (int i = 0; i < ROWS; i++) {
        char all[64] = "";
        size_t from = 0, n;
        if (i >= 8 && i < 264) {
            text_of[i][0] = (char)(i - 8);
            n = 1;
        } else if (i >= 620) { /* long ones, which reach past the end of a counted repetition */
            n = 6 + draw(10);
            uint32_t letters = 1 + draw(3);
            for (size_t k = 0; k < n; k++) text_of[i][k] = k + 1 == n && draw(2) ? 'x' : "abx"[draw(letters)];
        } else if (i < 8 || i == 300) {
            n = 0;
        } else {
            for (uint32_t k = 1 + draw(4); k > 0; k--) strcat(all, parts[draw(sizeof parts / sizeof *parts)]);
            if (draw(3) == 0) from = draw((uint32_t)strlen(all));
            n = strlen(all) - from;
            n = n > 16 ? 16 : n;
            memcpy(text_of[i], all + from, n);
        }
        bytes_of[i] = text_of[i];
        length_of[i] = (uint32_t)n;
    }
}

static pt_constraint_vocab *vocab(size_t limit, unsigned lead)
{
    static const int32_t ends[] = {END, END2};
    pt_constraint_vocab *v;
    make_tokens();
    pt_constraint_bytes b = {ROWS, bytes_of, length_of, lead};
    assert_int_equal(pt_constraint_vocab_of(&v, &b, ends, 2, limit), PT_OK);
    return v;
}

static pt_status open_regex(pt_constraint_vocab *v, const char *re, pt_constraint **c)
{
    return pt_constraint_open(v, &(pt_constraint_spec){.kind = PT_CONSTRAIN_REGEX, .text = re, .bytes = strlen(re)}, c);
}
static pt_status open_choices(pt_constraint_vocab *v, const char *const *list, size_t n, pt_constraint **c)
{
    return pt_constraint_open(v, &(pt_constraint_spec){.kind = PT_CONSTRAIN_CHOICES, .choices = list, .n_choices = n}, c);
}

static bool has(const uint64_t *bits, int32_t id)
{
    return bits[id / 64] >> (id % 64) & 1;
}

/* The mask of a state, token by token: t is allowed where the text and its bytes begin something. */
static void check_mask(pt_constraint *c, pt_constraint_state *s, const pt_str *text)
{
    const uint64_t *bits;
    uint64_t copy[(ROWS + 63) / 64];
    bool whole, begins;
    assert_int_equal(pt_constraint_mask(s, &bits), PT_OK);
    memcpy(copy, bits, sizeof copy);
    for (int32_t id = 0; id < ROWS; id++) {
        char all[4096];
        memcpy(all, text->text, text->len);
        memcpy(all + text->len, bytes_of[id], length_of[id]);
        assert_int_equal(pt_constraint_accepts(c, all, text->len + length_of[id], &whole, &begins), PT_OK);
        bool end = id == END || id == END2, want = end ? whole : length_of[id] && begins;
        if (want != has(copy, id)) fail_msg("token %d ('%.*s') behind '%s': %d", id, (int)length_of[id], bytes_of[id], text->text, !want);
    }
}

/* A text drawn by masks; ends early where it may, the likelier the longer it is. Every mask is checked where `check`. */
static void random_text(pt_constraint *c, pt_str *out, bool check)
{
    pt_constraint_state s = {0};
    out->len = 0;
    assert_int_equal(pt_str_add(out, "", 0), PT_OK);
    assert_int_equal(pt_constraint_begin(c, &s), PT_OK);
    for (;;) {
        const uint64_t *bits;
        int32_t allowed[ROWS], n = 0;
        if (check) check_mask(c, &s, out);
        assert_int_equal(pt_constraint_mask(&s, &bits), PT_OK);
        for (int32_t id = 0; id < ROWS; id++)
            if (has(bits, id)) allowed[n++] = id;
        int32_t id = has(bits, END) && (n == 2 || draw(60) < 5 + s.ids.n) ? END2 : allowed[draw((uint32_t)n)];
        assert_true(s.ids.n < 400);
        assert_int_equal(pt_constraint_advance(&s, id), PT_OK);
        if (s.ended) break;
        assert_int_equal(pt_str_add(out, bytes_of[id], length_of[id]), PT_OK);
    }
    assert_true(pt_utf8_valid(out->text, out->len));
    pt_constraint_state_free(&s);
}

static const char *const expressions[] = {
    "a", "", "ab|a|abx", "(a|b)*", "a+b?x{2,3}", "[ab]{0,5}1", "(?:foo|f)o*", "[^a]b", "a.b", "\\d+(\\.\\d{1,2})?", "\\w+\\s\\w*", "[é字-漢]+", "😀{1,3}|é",
    "(a|ab)(b|x){2}", "x(?:a{2}|b{3,}){2}", "[\\da-c\\-]+", "\\u00e9\\x61", "(a*)*b", "(a|aa)+", "\\p{Lu}\\p{Ll}*", "[ab]{3,30}x?", "(ab|x|é){9,20}", "(?:foo|漢){0,25}1", "([ab]{0,12}x){0,12}", "(a{9,}x){8,}", "((a?){5}b?){3}", "((a{1,3}){2}){2,3}", "((a{2}){1,3}){2}", "((?:ab)*){3}x", "(((x+)?){2,}){2}", "^a(b|$)?"};

/* Whether PCRE2 reads the whole text as one match. */
static bool oracle(const char *re, const char *s, size_t n)
{
    int err;
    PCRE2_SIZE at;
    char plain[128];
    /* \uXXXX is \x{XXXX} there */
    const char *u = strstr(re, "\\u00e9");
    snprintf(plain, sizeof plain, "%s%s", u ? "\\x{e9}" : re, u ? u + 6 : "");
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)plain, PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_DOLLAR_ENDONLY, &err, &at, NULL);
    assert_non_null(code);
    pcre2_match_data *md = pcre2_match_data_create(8, NULL);
    int r = pcre2_match(code, (PCRE2_SPTR)s, n, 0, PCRE2_ANCHORED | PCRE2_ENDANCHORED, md, NULL);
    pcre2_match_data_free(md);
    pcre2_code_free(code);
    return r >= 0;
}

static void expressions_against_pcre2(void **state)
{
    static const char *const letters[] = {"a", "b", "x", "f", "o", "1", "2", ".", "-", " ", "é", "漢", "😀", "A", "c"};
    pt_constraint_vocab *v = vocab(PT_CONSTRAINT_CACHE, 0);
    pt_str s = {0};
    size_t accepted = 0;
    for (size_t i = 0; i + 1 < sizeof expressions / sizeof *expressions; i++) {
        pt_constraint *c;
        if (open_regex(v, expressions[i], &c) != PT_OK) fail_msg("%s", pt_err_msg());
        for (int k = 0; k < 12; k++) {
            random_text(c, &s, k < 2);
            if (!oracle(expressions[i], s.text, s.len)) fail_msg("'%s' is no match of %s", s.text, expressions[i]);
        }
        for (int k = 0; k < 300; k++) {
            bool whole;
            s.len = 0;
            assert_int_equal(pt_str_add(&s, "", 0), PT_OK);
            for (uint32_t n = draw(6), some = draw(2) ? 3 : sizeof letters / sizeof *letters; n > 0; n--) assert_int_equal(pt_str_puts(&s, letters[draw(some)]), PT_OK);
            assert_int_equal(pt_constraint_accepts(c, s.text, s.len, &whole, NULL), PT_OK);
            if (whole != oracle(expressions[i], s.text, s.len)) fail_msg("'%s' and %s: %d", s.text, expressions[i], whole);
            accepted += whole;
        }
        pt_constraint_close(c);
    }
    assert_true(accepted > 200);
    pt_str_free(&s);
    pt_constraint_vocab_free(v);
}

static void choices_that_begin_each_other(void **state)
{
    static const char *const list[] = {"A", "AB", "abab", "ab", "漢字", "漢", "A"};
    pt_constraint_vocab *v = vocab(PT_CONSTRAINT_CACHE, 0);
    pt_constraint *c;
    pt_constraint_state s = {0};
    pt_str text = {0};
    bool complete, closed, seen[6] = {false};
    assert_int_equal(open_choices(v, list, 7, &c), PT_OK);
    for (int k = 0; k < 400; k++) {
        int found = -1;
        random_text(c, &text, k < 10);
        for (int i = 0; i < 6; i++)
            if (strcmp(text.text, list[i]) == 0) found = i;
        assert_true(found >= 0);
        seen[found] = true;
    }
    for (int i = 0; i < 6; i++) assert_true(seen[i]);
    assert_int_equal(pt_constraint_begin(c, &s), PT_OK);
    assert_int_equal(pt_constraint_advance(&s, END), PT_EARG);
    assert_int_equal(pt_constraint_advance(&s, 8 + 'A'), PT_OK);
    assert_int_equal(pt_constraint_complete(&s, &complete, &closed), PT_OK);
    assert_true(complete && !closed);
    assert_int_equal(pt_constraint_advance(&s, 8 + 'x'), PT_EARG);
    assert_int_equal(pt_constraint_advance(&s, 8 + 'B'), PT_OK);
    assert_int_equal(pt_constraint_complete(&s, &complete, &closed), PT_OK);
    assert_true(complete && closed);
    assert_int_equal(pt_constraint_advance(&s, END), PT_OK);
    const uint64_t *bits;
    assert_int_equal(pt_constraint_mask(&s, &bits), PT_ESTATE);
    pt_constraint_state_free(&s);
    pt_constraint_close(c);
    pt_str_free(&text);
    pt_constraint_vocab_free(v);
}

/* Copies go their own ways; what the cache throws away is made again and is the same. */
static void states_fork_and_caches_evict(void **state)
{
    pt_constraint_vocab *v = vocab(3000, 0), *large = vocab(PT_CONSTRAINT_CACHE, 0);
    pt_constraint *c, *d;
    pt_constraint_state s[2] = {{0}, {0}}, t = {0};
    const uint64_t *bits, *want;
    static const char re[] = "(foo|ab[0-9]{3}|x.{4}){1,6}";
    assert_int_equal(open_regex(v, re, &c), PT_OK);
    assert_int_equal(open_regex(large, re, &d), PT_OK);
    assert_int_equal(pt_constraint_begin(c, &s[0]), PT_OK);
    assert_int_equal(pt_constraint_begin(d, &t), PT_OK);
    static const char way[] = "fooab123xabcdfoo";
    for (size_t i = 0; i < sizeof way - 1; i++) {
        assert_int_equal(pt_constraint_copy(&s[0], &s[1]), PT_OK);
        assert_int_equal(pt_constraint_mask(&s[1], &bits), PT_OK);
        uint64_t copy[(ROWS + 63) / 64];
        memcpy(copy, bits, sizeof copy);
        assert_int_equal(pt_constraint_mask(&t, &want), PT_OK);
        assert_memory_equal(copy, want, sizeof copy);
        assert_int_equal(pt_constraint_advance(&s[0], 8 + way[i]), PT_OK);
        assert_int_equal(pt_constraint_advance(&t, 8 + way[i]), PT_OK);
    }
    pt_constraint_cache small = pt_constraint_cache_of(v), all = pt_constraint_cache_of(large);
    assert_true(small.evicted > 5 && small.masks <= 2 && small.resets > 0);
    assert_true(all.evicted == 0 && all.masks == all.made && all.bytes <= all.limit);
    /* the same spec is the same constraint; hits are counted; what is closed stays until room is needed */
    pt_constraint *again;
    assert_int_equal(open_regex(large, re, &again), PT_OK);
    assert_ptr_equal(again, d);
    pt_constraint_close(again);
    pt_constraint_close(d);
    assert_int_equal(pt_constraint_cache_of(large).constraints, 1);
    pt_constraint_close(c);
    assert_int_equal(pt_constraint_cache_of(v).constraints, 0);
    assert_int_equal(pt_constraint_cache_of(v).bytes, 0);
    for (int i = 0; i < 2; i++) pt_constraint_state_free(&s[i]);
    pt_constraint_state_free(&t);
    pt_constraint_vocab_free(v);
    pt_constraint_vocab_free(large);
}

/* A blank that the decoder drops at the start belongs to no text. */
static void blanks_that_vanish(void **state)
{
    static const char *const list[] = {"ab", " x"};
    pt_constraint_vocab *v = vocab(PT_CONSTRAINT_CACHE, 1);
    pt_constraint *c;
    pt_constraint_state s = {0};
    bool complete;
    assert_int_equal(open_choices(v, list, 2, &c), PT_OK);
    static const struct {
        const char *way;
        bool ok;
    } ways[] = {{" ab", true}, {"ab", true}, {"  x", true}, {" x", false}, {"x", false}, {"  ab", false}};
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        bool ok = true;
        assert_int_equal(pt_constraint_begin(c, &s), PT_OK);
        for (const char *p = ways[i].way; *p && ok; p++) ok = pt_constraint_advance(&s, 8 + *p) == PT_OK;
        assert_int_equal(pt_constraint_complete(&s, &complete, NULL), PT_OK);
        if ((ok && complete) != ways[i].ok) fail_msg("'%s'", ways[i].way);
    }
    pt_constraint_state_free(&s);
    pt_constraint_close(c);
    pt_constraint_vocab_free(v);
}

static void refusals(void **state)
{
    static const struct {
        const char *re, *why;
    } bad[] = {{"a{1,100000}", "count of more than 10000"}, {"a(?=b)", "lookaround"}, {"(?<!a)b", "lookaround"}, {"(a)\\1", "backreferences"},
               {"(?P<n>a)(?P=n)", "backreferences"}, {"\\bx", "word borders"}, {"(?i)a", "flags"}, {"a++", "possessive"}, {"a**", "nothing stands before it"},
               {"(a", "at byte 0"}, {"a)", "was not opened"}, {"[b-a]", "ends before it begins"}, {"[ab", "is not closed"}, {"\\", "ends in a backslash"},
               {"a^b", "an anchor inside"}, {"(a$|b)c", "an anchor inside"}, {"[[:alpha:]]", "named classes"}, {"\\p{Greek}", "general category"},
               {"\\ud83d", "half a surrogate"}, {"a{3,2}", "larger count"}, {"\xff", "not UTF-8"}, {"a{,3}", "read differently"}, {"[]", "empty class"},
               {"((((a{9999}){9999}){9999}){100}|.{0,9999}x{0,9999}.{0,9999}){2}$|(a|b|ab){9999}c", ""}};
    pt_constraint_vocab *v = vocab(PT_CONSTRAINT_CACHE, 0);
    pt_constraint *c;
    for (size_t i = 0; i < sizeof bad / sizeof *bad - 1; i++) {
        assert_int_equal(open_regex(v, bad[i].re, &c), PT_EARG);
        if (!strstr(pt_err_msg(), bad[i].why) || !strstr(pt_err_msg(), "regular expression")) fail_msg("%s: %s", bad[i].re, pt_err_msg());
    }
    char deep[600];
    memset(deep, '(', 200);
    memset(deep + 200, 'a', 1);
    memset(deep + 201, ')', 200);
    deep[401] = 0;
    assert_int_equal(open_regex(v, deep, &c), PT_EARG);
    assert_non_null(strstr(pt_err_msg(), "too deeply"));
    static char names[PT_CONSTRAINT_CHOICES_MOST + 1][16];
    static const char *list[PT_CONSTRAINT_CHOICES_MOST + 1];
    for (int i = 0; i <= PT_CONSTRAINT_CHOICES_MOST; i++) {
        snprintf(names[i], sizeof names[i], "%d", i);
        list[i] = names[i];
    }
    assert_int_equal(open_choices(v, list, PT_CONSTRAINT_CHOICES_MOST + 1, &c), PT_EARG);
    assert_non_null(strstr(pt_err_msg(), "10001 choices: at most 10000"));
    assert_int_equal(open_choices(v, list, PT_CONSTRAINT_CHOICES_MOST, &c), PT_OK);
    pt_constraint_close(c);
    list[3] = "";
    assert_int_equal(open_choices(v, list, 9, &c), PT_EARG);
    assert_non_null(strstr(pt_err_msg(), "choice 4 is empty"));
    pt_constraint_vocab_free(v);
    /* a vocabulary that cannot spell it */
    const char *bytes[] = {"", "q", "ax"};
    uint32_t length[] = {0, 1, 2};
    int32_t end = 0;
    pt_constraint_state s = {0};
    const uint64_t *bits;
    assert_int_equal(pt_constraint_vocab_of(&v, &(pt_constraint_bytes){3, bytes, length, 0}, &end, 1, PT_CONSTRAINT_CACHE), PT_OK);
    assert_int_equal(open_regex(v, "ab", &c), PT_EARG);
    assert_non_null(strstr(pt_err_msg(), "no text can satisfy the constraint (with the bytes"));
    assert_int_equal(open_regex(v, "xa", &c), PT_EARG);
    assert_non_null(strstr(pt_err_msg(), "no token of the vocabulary can begin"));
    assert_int_equal(open_regex(v, "axx", &c), PT_OK);
    assert_int_equal(pt_constraint_begin(c, &s), PT_OK);
    assert_int_equal(pt_constraint_advance(&s, 2), PT_OK);
    assert_int_equal(pt_constraint_mask(&s, &bits), PT_ENOSUP);
    assert_non_null(strstr(pt_err_msg(), "after 1 tokens"));
    pt_constraint_state_free(&s);
    pt_constraint_close(c);
    pt_constraint_vocab_free(v);
}

/* Ambiguous and large ones: an answer or a refusal, soon. */
static void large_ones(void **state)
{
    static const char *const list[] = {"((((a{9999}){9999}){9999}){99}){2}", "(.{0,9999}x{0,9999}.{0,9999}){2}", "(a|b|ab){9999}c", "((a*)*)*b", "(a{0,9999}){0,9999}",
                                       "(((a?){99}){99}){99}", ".*a.{18}.*a.{18}", "(\\p{L}|\\p{N}){1,9999}"};
    pt_constraint_vocab *v = vocab(PT_CONSTRAINT_CACHE, 0);
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        pt_constraint *c;
        bool whole;
        pt_status rc = open_regex(v, list[i], &c);
        assert_true(rc == PT_OK || rc == PT_EARG || rc == PT_ENOSUP);
        if (rc != PT_OK) continue;
        rc = pt_constraint_accepts(c, "abaabbabababababaaaaaaaaabbabababaabaaaaaaabaaaaaaaaaaaaaaaaaaaab", 65, &whole, NULL);
        assert_true(rc == PT_OK || rc == PT_ENOSUP);
        pt_constraint_close(c);
    }
    pt_constraint_vocab_free(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(expressions_against_pcre2), cmocka_unit_test(choices_that_begin_each_other),
                                       cmocka_unit_test(states_fork_and_caches_evict), cmocka_unit_test(blanks_that_vanish), cmocka_unit_test(refusals),
                                       cmocka_unit_test(large_ones)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

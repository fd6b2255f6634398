/* eval/task/inventory.h: instruments and what sheets score. Published scores from published answers where ../shared/data/eval is there. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/json.h"
#include "base/log.h"
#include "data/read/record.h"
#include "eval/task/inventory.h"
#include "tests/scratch.h"

#define SHARED "../shared/data/eval/"

static void near(double got, double want, double limit)
{
    if (isnan(want) ? !isnan(got) : !(fabs(got - want) <= limit)) fail_msg("%.17g, not %.17g", got, want);
}

static const pt_scale *scale(const pt_inventory *v, const char *name, const char *domain)
{
    for (size_t i = 0; i < v->n_scales; i++) {
        const pt_scale *s = &v->scales[i];
        if (!strcmp(s->name, name) && (domain ? s->domain && !strcmp(s->domain, domain) : !s->domain)) return s;
    }
    fail_msg("no scale %s", name);
    return NULL;
}

static void test_sample(void **state)
{
    pt_inventory v;
    double a[14];
    (void)state;
    assert_int_equal(pt_inventory_read(&v, "data/samples/eval/questionnaire_en.jsonl", "origin_en"), PT_OK);
    assert_int_equal(v.n_items, 14);
    assert_int_equal(v.n_scales, 5);
    const pt_scale *company = scale(&v, "Company", NULL), *talk = scale(&v, "Talk", "Company"), *care = scale(&v, "Care", NULL);
    assert_int_equal(company->n, 5);
    assert_int_equal(talk->n, 2);
    for (int i = 0; i < 14; i++) a[i] = 4; /* who says yes to everything */
    near(pt_inventory_score(&v, company, a, NULL).value, (4 * 3 + 2 * 2) / 5.0, 1e-15);
    near(pt_inventory_score(&v, talk, a, NULL).value, 3, 0);
    pt_sheet_style style = pt_inventory_style(&v, a, NULL);
    near(style.acquiescence, 0.5, 1e-15);
    near(style.missing, 0, 0);
    near(style.extreme, 0, 0);
    a[0] = 0; /* missing, as NAN is */
    near(pt_inventory_score(&v, company, a, NULL).value, (4 * 2 + 2 * 2) / 4.0, 1e-15);
    near(pt_inventory_score(&v, talk, a, NULL).value, NAN, 0); /* one of two is below two thirds */
    a[3] = NAN;
    near(pt_inventory_score(&v, company, a, NULL).value, NAN, 0); /* three of five too */
    a[1] = 5;
    a[4] = 1;
    near(pt_inventory_score(&v, care, a, NULL).value, (5 + 5 + 4 + 2 + 4) / 5.0, 1e-15);
    style = pt_inventory_style(&v, a, NULL);
    near(style.missing, 2.0 / 14, 1e-15);
    near(style.extreme, 2.0 / 12, 1e-15);
    bool asked[14] = {[2] = true, [3] = true, [6] = true};
    near(pt_inventory_style(&v, a, asked).missing, 1.0 / 3, 1e-15);
    near(pt_inventory_score(&v, company, a, asked).value, NAN, 0);
    asked[3] = false;
    near(pt_inventory_score(&v, company, a, asked).value, 4, 0); /* a short form */
    v.sum = true;
    near(pt_inventory_score(&v, care, a, NULL).value, 20, 0);
    a[1] = NAN;
    near(pt_inventory_score(&v, care, a, NULL).value, NAN, 0); /* a sum wants all of them, */
    near(pt_inventory_score(&v, care, a, NULL).mean, 15 / 4.0, 1e-15);
    a[5] = 6;
    assert_int_equal(pt_inventory_check(&v, a), PT_EFORMAT);
    assert_non_null(strstr(pt_err_msg(), "the answer to item 6 is 6: Lamplight sketch takes 1 to 5"));
    a[5] = 5;
    assert_int_equal(pt_inventory_check(&v, a), PT_OK);
    for (int i = 0; i < 14; i++) a[i] = NAN;
    style = pt_inventory_style(&v, a, NULL);
    assert_true(style.missing == 1 && isnan(style.acquiescence) && isnan(style.extreme));
    pt_inventory_free(&v);
}

static void test_ratings(void **state)
{
    static char *labels[] = {(char *)"not me", (char *)"mostly not", (char *)"between", (char *)"mostly", (char *)"exactly me"};
    const pt_inventory v = {.low = 1, .high = 5, .labels = labels}, wide = {.low = 0, .high = 10};
    static const struct {
        const char *answer;
        double want; /* 0: none */
    } cases[] = {
        {"4", 4}, {" 4.", 4}, {"**4**", 4}, {"(4)", 4}, {"4/5", 4}, {"4 out of 5", 4}, {"4 = mostly", 4}, {"4: I like it", 4}, {"I would say 4.", 4},
        {"On a scale from 1 to 5, I choose 2", 2}, {"On a scale of 1-5 my rating is a 3.", 3}, {"{\"answer\": 5}", 5}, {"Rating: **2**", 2}, {"My answer is 1", 1},
        {"I have 3 sisters and 2 cats; my answer: 4", 4}, {"\xe6\x88\x91\xe9\x80\x89 4 \xe5\x88\x86", 4}, {"\xef\xbc\x94", 4},
        {"\xe8\xaf\x84\xe5\x88\x86\xef\xbc\x9a" "3", 3}, {"I rate myself 5 out of 5", 5}, {"exactly me", 5}, {"Mostly.", 4}, {"By the long light, little lantern, 3.", 3},
        {"", 0}, {"I do not know", 0}, {"7", 0}, {"0", 0}, {"3.5", 0}, {"2 or 3? 3 and 2", 2}, {"between 2 and 4", 0}, {"from 1 to 5", 0}, {"1-5", 0}, {"the 4th of May", 0},
        {"-3", 0}, {"12", 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double got = pt_rating_read(&v, cases[i].answer);
        if (isnan(got) ? cases[i].want != 0 : got != cases[i].want) fail_msg("'%s' is read as %g, not %g", cases[i].answer, got, cases[i].want);
    }
    assert_true(pt_rating_read(&wide, "I give it a 10!") == 10 && pt_rating_read(&wide, "0") == 0 && isnan(pt_rating_read(&v, NULL)));
}

#define HEAD "{\"questionnaire\": \"q\", \"range\": [1, 5]}\n"
#define BENCH(range, reverse, ids) "{\"name\": \"b\", " range "\n\"compute_mode\": \"AVG\", \"reverse\": " reverse ",\n\"questions\": {\"1\": {\"origin_en\": \"One.\"}, \"2\": {\"origin_en\": \"Two.\"}},\n\"categories\": [\n{\"cat_name\": \"First\", \"cat_questions\": " ids "}]}"

static void test_bad(void **state)
{
    static const struct {
        const char *file, *text, *want;
    } cases[] = {
        {"a.jsonl", HEAD "{\"item\": \"Yes.\", \"scale\": \"A\"}\n", "a.jsonl:2: the item has no key: 1, or -1 where who agrees has less of A"},
        {"b.jsonl", HEAD "{\"item\": \"Yes.\", \"scale\": \"A\", \"key\": 2}\n", "b.jsonl:2: the item has no key"},
        {"c.jsonl", "{\"item\": \"Yes.\", \"scale\": \"A\", \"key\": 1}\n", "c.jsonl:1: the first row is no head"},
        {"d.jsonl", "{\"questionnaire\": \"q\", \"range\": [5, 1]}\n", "d.jsonl:1: range [5, 1]"},
        {"e.jsonl", "{\"questionnaire\": \"q\"}\n", "e.jsonl:1: there is no range"},
        {"f.jsonl", "{\"questionnaire\": \"q\", \"range\": [1, 5], \"labels\": [\"no\", \"yes\"]}\n", "f.jsonl:1: 2 labels for the 5 answers of the range 1 to 5"},
        {"g.jsonl", HEAD, "g.jsonl holds no items"},
        {"h.jsonl", HEAD "{\"item\": \"Yes.\"}\n", "h.jsonl holds no scale"},
        {"i.jsonl", HEAD "{\"question\": \"Yes.\"}\n", "i.jsonl:2: the row is neither a head"},
        {"j.jsonl", HEAD "{\"item\": \"Yes.\", \"scale\": \"A\", \"key\": 1, \"id\": 7}\n{\"item\": \"No.\", \"scale\": \"A\", \"key\": 1, \"id\": 7}\n", "j.jsonl:3: there is an item 7 already"},
        {"k.jsonl", HEAD "{\"item\": \"Yes.\", \"key\": 1}\n", "k.jsonl:2: the item has no scale, but a key"},
        {"l.jsonl", HEAD HEAD, "l.jsonl:2: a second questionnaire"},
        {"a.json", BENCH("\"range\": [1, 5],", "[1]", "[1, 3]"), "a.json:5: the scale First names item 3, which is not there"},
        {"b.json", BENCH("\"range\": [1, 5],", "[9]", "[1, 2]"), "b.json:1: reverse names item 9, which is not there"},
        {"c.json", BENCH("", "[]", "[1, 2]"), "c.json:1: there is no range"},
        {"d.json", BENCH("\"range\": [1, 5],", "[]", "[2, 2]"), "d.json:5: the scale First names item 2 twice"},
        {"e.json", BENCH("\"range\": [1, 5],", "[]", "[]"), "e.json:5: the scale First names no items"},
        {"a.csv", "label_raw,text,label_ocean,key\nAnxiety,Worry.,N,\n", "a.csv:2: the item has no key: 1 or -1, not ''"},
        {"empty.jsonl", "", "empty.jsonl is empty"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pt_inventory v;
        const char *path = scratch_path(cases[i].file);
        assert_int_equal(pt_file_write_whole(path, cases[i].text, strlen(cases[i].text)), PT_OK);
        if (pt_inventory_read(&v, path, "origin_en") == PT_OK) fail_msg("%s was read", cases[i].file);
        if (!strstr(pt_err_msg(), cases[i].want)) fail_msg("%s: %s\nwanted: %s", cases[i].file, pt_err_msg(), cases[i].want);
        pt_inventory_free(&v);
    }
}

/* ---- ../shared ---- */

static void open_shared(pt_inventory *v, const char *name)
{
    char path[160];
    snprintf(path, sizeof path, SHARED "%s", name);
    if (!pt_file_exists(path)) {
        print_message("# skip: no %s\n", path);
        skip();
    }
    pt_status rc = pt_inventory_read(v, path, "origin_en");
    if (rc != PT_OK) fail_msg("%s", pt_err_msg());
}

/* The five traits of 320 sheets as PersonaLLM published them. */
typedef struct bfi {
    pt_inventory v;
    json_t *sheets; /* {"type run": [44 numbers]} */
    size_t compared;
} bfi;

static pt_status take_sheet(void *user, json_t *row, int64_t line)
{
    bfi *b = user;
    char key[80];
    json_t *list = json_array();
    (void)line;
    snprintf(key, sizeof key, "%s %d", json_string_value(json_object_get(row, "persona_encoding")), (int)json_integer_value(json_object_get(row, "iteration")));
    for (const char *p = json_string_value(json_object_get(row, "annotation")); (p = strchr(p, '(')) != NULL; p++) {
        const char *close = strchr(p, ')');
        size_t letters = (size_t)(close - p) - 1, at = letters == 2 ? 26 * (size_t)(p[1] - 'a' + 1) + (size_t)(p[2] - 'a') : (size_t)(p[1] - 'a');
        assert_int_equal(at, json_array_size(list)); /* (a) ... (z), (aa) ... (ar) */
        json_array_append_new(list, json_integer(strtol(close + 1, NULL, 10)));
    }
    assert_int_equal(json_array_size(list), b->v.n_items);
    json_object_set_new(b->sheets, key, list);
    return PT_OK;
}

static pt_status compare_trait(void *user, json_t *row, int64_t line)
{
    bfi *b = user;
    char key[80];
    double a[44];
    (void)line;
    snprintf(key, sizeof key, "%s %s", json_string_value(json_object_get(row, "personality_type")), json_string_value(json_object_get(row, "run")));
    const json_t *sheet = json_object_get(b->sheets, key);
    const char *trait = json_string_value(json_object_get(row, "trait"));
    assert_non_null(sheet);
    for (size_t i = 0; i < 44; i++) a[i] = json_number_value(json_array_get(sheet, i));
    assert_int_equal(pt_inventory_check(&b->v, a), PT_OK);
    pt_scale_score s = pt_inventory_score(&b->v, scale(&b->v, trait, NULL), a, NULL);
    near(s.value, strtod(json_string_value(json_object_get(row, "mean_score")), NULL), 1e-12);
    near(s.value * (double)s.items, strtod(json_string_value(json_object_get(row, "sum_score")), NULL), 1e-9);
    b->compared++;
    return PT_OK;
}

static void test_personallm(void **state)
{
    bfi b = {0};
    (void)state;
    open_shared(&b.v, "questionnaires/BFI.json");
    b.sheets = json_object();
    if (pt_rows_read(SHARED "personallm_bfi_answers_gpt-4-0613.jsonl", NULL, take_sheet, &b) != PT_OK) fail_msg("%s", pt_err_msg());
    if (pt_rows_read(SHARED "personallm_gpt4_0613_all_scores.csv", NULL, compare_trait, &b) != PT_OK) fail_msg("%s", pt_err_msg());
    assert_int_equal(json_object_size(b.sheets), 320);
    assert_int_equal(b.compared, 1600);
    const struct pt_norm people = scale(&b.v, "Openness", NULL)->norm;
    assert_true(people.n == 6076 && people.mean == 3.92 && people.deviation == 0.66);
    print_message("# figure: %zu published trait scores of %zu sheets are equal\n", b.compared, json_object_size(b.sheets));
    json_decref(b.sheets);
    pt_inventory_free(&b.v);
}

/* 80 sheets of 300 answers, against sums straight from the list of items. */
typedef struct neo {
    pt_inventory v;
    struct neo_item {
        char facet[40], domain;
        int key;
    } item[300];
    size_t items, sheets, gaps, scores, empty;
} neo;

static pt_status take_item(void *user, json_t *row, int64_t line)
{
    neo *x = user;
    struct neo_item *i = &x->item[x->items++];
    (void)line;
    snprintf(i->facet, sizeof i->facet, "%s", json_string_value(json_object_get(row, "label_raw")));
    i->domain = json_string_value(json_object_get(row, "label_ocean"))[0];
    i->key = (int)strtol(json_string_value(json_object_get(row, "key")), NULL, 10);
    return PT_OK;
}

static pt_status score_sheet(void *user, json_t *row, int64_t line)
{
    neo *x = user;
    const json_t *list = json_object_get(row, "answers");
    double a[300];
    bool gap = false;
    (void)line;
    assert_int_equal(json_array_size(list), 300);
    for (size_t i = 0; i < 300; i++) a[i] = json_number_value(json_array_get(list, i)), gap = gap || a[i] == 0;
    x->gaps += gap;
    x->sheets++;
    assert_int_equal(pt_inventory_check(&x->v, a), PT_OK);
    for (size_t k = 0; k < x->v.n_scales; k++) {
        const pt_scale *s = &x->v.scales[k];
        double sum = 0;
        int n = 0, of = 0;
        for (size_t i = 0; i < 300; i++) {
            const struct neo_item *it = &x->item[i];
            if (it->domain != (s->domain ? s->domain[0] : s->name[0]) || (s->domain && strcmp(it->facet, s->name))) continue;
            of++;
            if (a[i] == 0) continue;
            n++;
            sum += it->key == 1 ? a[i] : 6 - a[i];
        }
        assert_int_equal(of, s->domain ? 10 : 60);
        near(pt_inventory_score(&x->v, s, a, NULL).value, n >= of * 2 / 3.0 ? sum / n : NAN, 1e-9);
        x->scores++;
        x->empty += n < of * 2 / 3.0;
    }
    return PT_OK;
}

static void test_ipip(void **state)
{
    neo x = {.items = 0};
    (void)state;
    open_shared(&x.v, "ipip_neo_120_items.csv");
    assert_int_equal(x.v.n_items, 120);
    pt_inventory_free(&x.v);
    open_shared(&x.v, "ipip_neo_300_items.csv");
    assert_int_equal(x.v.n_items, 300);
    assert_int_equal(x.v.n_scales, 35);
    if (pt_rows_read(SHARED "ipip_neo_300_items.csv", NULL, take_item, &x) != PT_OK) fail_msg("%s", pt_err_msg());
    if (pt_rows_read(SHARED "ipip_neo_300_answers.jsonl", NULL, score_sheet, &x) != PT_OK) fail_msg("%s", pt_err_msg());
    assert_int_equal(x.sheets, 80);
    assert_int_equal(x.gaps, 14);
    print_message("# figure: %zu IPIP-NEO-300 scores of %zu sheets are equal, %zu sheets with missing answers, %zu scores empty\n", x.scores, x.sheets, x.gaps, x.empty);
    pt_inventory_free(&x.v);
}

static void test_types(void **state)
{
    pt_inventory v;
    double a[60];
    char type[9];
    json_t *root;
    (void)state;
    open_shared(&v, "questionnaires/16Personalities.json");
    assert_int_equal(v.n_items, 60);
    assert_true(v.agree_low && v.low == 1 && v.high == 7);
    assert_int_equal(pt_json_load(&root, SHARED "questionnaires/16Personalities.json", 1 << 20, 0), PT_OK);
    static const char *const sheets[] = {"ESTP", "INFJ", "ESFJ", "ISTJ"};
    for (size_t k = 0; k < 4; k++) { /* agrees with every item of these letters, with no other */
        for (size_t i = 0; i < 60; i++) {
            const char *category = json_string_value(json_object_get(json_object_get(json_object_get(root, "questions"), v.items[i].id), "category"));
            a[i] = strchr(sheets[k], category[0]) ? 1 : 7;
        }
        pt_inventory_type(&v, a, NULL, type);
        assert_string_equal(type, sheets[k]);
        near(pt_inventory_score(&v, scale(&v, "E/I", NULL), a, NULL).mean, sheets[k][0] == 'E' ? 7 : 1, 0);
    }
    for (size_t i = 0; i < 60; i++) a[i] = 1; /* yes to all */
    near(pt_inventory_style(&v, a, NULL).acquiescence, 1, 1e-15);
    for (size_t i = 0; i < 60; i++) a[i] = 4;
    pt_inventory_type(&v, a, NULL, type);
    assert_string_equal(type, "XXXX");
    json_decref(root);
    pt_inventory_free(&v);
    open_shared(&v, "questionnaires/LOT-R.json"); /* where 0 is an answer */
    for (size_t i = 0; i < 10; i++) a[i] = 0;
    near(pt_inventory_score(&v, scale(&v, "Optimistic", NULL), a, NULL).value, 12, 0);
    pt_inventory_free(&v);
    static const char *const others[] = {"BFI", "DTDD", "GSE", "ICB"};
    for (size_t k = 0; k < 4; k++) {
        char name[64];
        snprintf(name, sizeof name, "questionnaires/%s.json", others[k]);
        open_shared(&v, name);
        assert_false(v.agree_low);
        pt_inventory_type(&v, (double[60]){1}, NULL, type);
        assert_string_equal(type, "");
        pt_inventory_free(&v);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sample), cmocka_unit_test(test_ratings), cmocka_unit_test(test_bad), cmocka_unit_test(test_personallm),
                                       cmocka_unit_test(test_ipip), cmocka_unit_test(test_types)};
    return cmocka_run_group_tests_name("eval_inventory", tests, scratch_setup, scratch_teardown);
}

/* What a teacher says of tokens, and shares of tokens to imitate: rows in both shapes, bad ones by line, through the pack and its file. */
#include <math.h>

#include "data_fixture.h"

#include "data/pack/pack_data.h"

static char dir[64], path[128], cache[128];

static pt_status build(pt_pack **p, const char *type, const char *rows, bool imitate, bool teacher)
{
    pt_dataset_spec set = {.path = path, .type = (char *)type, .weight = 1};
    pt_pack_options o = {.sequence_len = 16, .cache_dir = cache, .imitate = imitate, .teacher = teacher};
    pt_pack_report r;
    assert_int_equal(pt_file_write_whole(path, rows, strlen(rows)), PT_OK);
    return pt_pack_build(p, &set, 1, &o, &r);
}

static void expect(const pt_packed_answer *a, int32_t token, int n, const int32_t *id, const double *p)
{
    int64_t at = a->teacher_start[token];
    assert_int_equal(a->teacher_start[token + 1] - at, n);
    for (int k = 0; k < n; k++) {
        assert_int_equal(a->teacher_id[at + k], id[k]);
        assert_true(fabs(a->teacher_p[at + k] - p[k]) < 1e-6);
    }
}

/* The same of two shapes; what is named sums to 1; context, and tokens of weight 0, have nothing. */
static void both_shapes(void **state)
{
    static const char *const rows[] = {
        "{\"input_ids\": [5, 6, 7, 8], \"labels\": [-100, 6, 7, 8], \"weights\": [1, 1, 0, 0.5], \"prompt_logprobs\": [null, {\"6\": {\"logprob\": -0.6931472, "
        "\"rank\": 1, \"decoded_token\": \"x\"}, \"9\": {\"logprob\": -1.3862944}}, null, {\"3\": -5}]}\n",
        "{\"input_ids\": [5, 6, 7, 8], \"labels\": [-100, 6, 7, 8], \"weights\": [1, 1, 0, 0.5], \"target_token_ids\": [null, [6, 9], null, [3]], "
        "\"target_logprobs\": [[], [-0.6931472, -1.3862944], [-1], [-5]]}\n"};
    for (int again = 0; again < 4; again++) {
        pt_pack *p;
        pt_packed rec;
        if (build(&p, "tokens", rows[again / 2], false, true) != PT_OK) fail_msg("%s", pt_err_msg()); /* the second time from the file */
        assert_int_equal(pt_pack_get(p, 0, &rec), PT_OK);
        pt_packed_answer a = pt_pack_answer(p, &rec, 0);
        assert_int_equal(a.n, 4);
        assert_null(a.imitate);
        assert_true(pt_weight_at(a.weight, 1) == 1 && pt_weight_at(a.weight, 2) == 0 && pt_weight_at(a.weight, 3) == 0.5f);
        expect(&a, 0, 0, NULL, NULL);
        expect(&a, 1, 2, (const int32_t[]){6, 9}, (const double[]){2.0 / 3, 1.0 / 3});
        expect(&a, 2, 0, NULL, NULL);
        expect(&a, 3, 1, (const int32_t[]){3}, (const double[]){1});
        pt_pack_free(p);
    }
}

static void bad_teachers(void **state)
{
#define ROW(x) "{\"input_ids\": [5, 6, 7], \"labels\": [-100, 6, 7], " x "}\n"
#define TWO(x) ROW("\"prompt_logprobs\": [null, {\"6\": -1}, " x "]")
    static const struct {
        const char *type, *row, *says;
    } cases[] = {
        {"tokens", "{\"input_ids\": [5, 6], \"labels\": [5, 6]}\n", "rows.jsonl:1: no field 'prompt_logprobs'"},
        {"tokens", ROW("\"target_token_ids\": [null, [1], [2]]"), "no field 'target_logprobs'"},
        {"tokens", ROW("\"target_logprobs\": [null, [1], [2]]"), "no field 'target_token_ids'"},
        {"tokens", ROW("\"prompt_logprobs\": [null]"), "1 prompt_logprobs for 3 ids"},
        {"tokens", ROW("\"prompt_logprobs\": 3"), "'prompt_logprobs' is not a list"},
        {"tokens", TWO("null"), "'prompt_logprobs' 2: null, an object is wanted"},
        {"tokens", TWO("{}"), "'prompt_logprobs' 2: a token that is trained on, and the teacher says nothing of it"},
        {"tokens", TWO("{\"x\": -1}"), "'x' is no token id"},
        {"tokens", TWO("{\"-3\": -1}"), "'-3' is no token id"},
        {"tokens", TWO("{\"4294967296\": -1}"), "4294967296 is no token id"},
        {"tokens", TWO("{\"3\": \"-1\"}"), "the log-probability of id 3 is a string, a number is wanted"},
        {"tokens", TWO("{\"3\": 0.5}"), "the log-probability of id 3 is 0.5, which is out of range"},
        {"tokens", TWO("{\"3\": NaN}"), "the log-probability of id 3 is NaN"},
        {"tokens", TWO("{\"3\": -1, \"03\": -2}"), "id 3 is named twice"},
        {"tokens", ROW("\"target_token_ids\": [null, [1], [2]], \"target_logprobs\": [null, [-1], [-1, -2]]"), "'target_logprobs' 2: 1 ids and 2 log-probabilities"},
        {"tokens", ROW("\"target_token_ids\": [null, [1], [2.5]], \"target_logprobs\": [null, [-1], [-1]]"), "target 0 is no token id"},
        {"text", "{\"text\": \"a\"}\n", "type tokens with prompt_logprobs, or target_token_ids and target_logprobs; not type text"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pt_pack *p;
        if (build(&p, cases[i].type, cases[i].row, false, true) == PT_OK) fail_msg("case %zu was packed", i);
        if (!strstr(pt_err_msg(), cases[i].says)) fail_msg("case %zu: '%s' does not say '%s'", i, pt_err_msg(), cases[i].says);
    }
}

/* More different weights than a byte can name: kept as numbers from there on, in memory and out of the file; few are kept as bytes. */
static void many_weights(void **state)
{
    enum { N = 12, ROWS = 30 }; /* 330 weights beside 0 */
    char *rows;
    size_t n;
    FILE *f = open_memstream(&rows, &n);
    assert_non_null(f);
    fputs("{\"input_ids\": [5, 6, 7], \"labels\": [-100, 6, 7], \"weights\": [0, 0.5, 1]}\n", f);
    for (int r = 0; r < ROWS; r++)
        for (int k = 0; k < 3; k++) {
            fputs(k == 1 ? "], \"labels\": [-100" : k ? "], \"weights\": [0" : "{\"input_ids\": [5", f);
            for (int i = 1; i < N; i++) fprintf(f, ", %g", k == 2 ? 0.125 * (r * (N - 1) + i) : 1 + i % 50);
            if (k == 2) fputs("]}\n", f);
        }
    fclose(f);
    for (int again = 0; again < 2; again++) {
        pt_pack *p;
        pt_packed rec;
        if (build(&p, "tokens", rows, false, false) != PT_OK) fail_msg("%s", pt_err_msg());
        assert_true(p->weights.plain && !p->weights.code);
        assert_int_equal(pt_pack_get(p, 0, &rec), PT_OK);
        pt_weights w = pt_pack_answer(p, &rec, 0).weight;
        assert_true(pt_weight_at(w, 0) == 0 && pt_weight_at(w, 1) == 0.5f && pt_weight_at(w, 2) == 1);
        for (int k = 0; k < ROWS; k++) {
            assert_int_equal(pt_pack_get(p, k + 1, &rec), PT_OK);
            w = pt_pack_answer(p, &rec, 0).weight;
            for (int i = 1; i < N; i++) assert_true(pt_weight_at(w, (size_t)i) == 0.125f * (float)(k * (N - 1) + i));
        }
        pt_pack_free(p);
        *strchr(rows, '\n') = 0; /* the first row alone */
        assert_int_equal(build(&p, "tokens", rows, false, false), PT_OK);
        assert_true(p->weights.code && !p->weights.plain && p->weights.n_levels == 3);
        pt_pack_free(p);
        rows[strlen(rows)] = '\n';
    }
    free(rows);
}

/* A weight of 0 inside an answer is a token of share 0 there; -100 stays context. */
static void shares(void **state)
{
    static const char row[] = "{\"input_ids\": [5, 6, 7, 8, 9], \"labels\": [-100, -100, 7, 8, 9], \"weights\": [1, 1, 0.25, 1, 0]}\n";
    for (int again = 0; again < 2; again++) {
        pt_pack *p;
        pt_packed rec;
        if (build(&p, "tokens", row, true, false) != PT_OK) fail_msg("%s", pt_err_msg());
        assert_int_equal(pt_pack_get(p, 0, &rec), PT_OK);
        pt_packed_answer a = pt_pack_answer(p, &rec, 0);
        assert_int_equal(a.n, 5);
        assert_null(a.teacher_start);
        for (int i = 0; i < 5; i++) assert_true(pt_weight_at(a.weight, (size_t)i) == (i < 2 ? 0 : 1));
        assert_true(a.imitate[2] == 0.25f && a.imitate[3] == 1 && a.imitate[4] == 0);
        pt_pack_free(p);
    }
    pt_pack *p;
    assert_int_equal(build(&p, "tokens", row, false, false), PT_OK);
    assert_int_equal(p->n_tokens, 4); /* the last weighs nothing, and nobody sees it */
    assert_true(!p->imitate && pt_weight_at(pt_pack_weights_at(&p->weights, 2), 0) == 0.25f && pt_weight_at(pt_pack_weights_at(&p->weights, 0), 3) == 1);
    pt_pack_free(p);
    assert_int_equal(build(&p, "tokens", "{\"input_ids\": [5, 6], \"labels\": [-100, 6], \"weights\": [0, 1.5]}\n", true, false), PT_EFORMAT);
    assert_non_null(strstr(pt_err_msg(), "rows.jsonl:1: a token of weight 1.5; this objective takes weights from 0 to 1"));
    assert_int_equal(build(&p, "tokens", "{\"input_ids\": [5, 6], \"labels\": [-100, 6], \"weights\": [0, 0]}\n", false, false), PT_EFORMAT);
    assert_non_null(strstr(pt_err_msg(), "no supervised token"));
}

static int make(void **state)
{
    fixture_dir(dir);
    snprintf(path, sizeof path, "%s/rows.jsonl", dir);
    snprintf(cache, sizeof cache, "%s/cache", dir);
    return 0;
}

static int clear(void **state)
{
    return pt_dir_remove(dir) == PT_OK ? 0 : 1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(both_shapes), cmocka_unit_test(bad_teachers), cmocka_unit_test(many_weights), cmocka_unit_test(shares)};
    return cmocka_run_group_tests_name("data_teacher", tests, make, clear);
}

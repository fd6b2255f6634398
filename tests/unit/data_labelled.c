/* Rows of types labels and rated: what each becomes, what is refused and how; names of labels; and the tokens that a mean is over, in both layouts. */
#include "read_show.h"

#include "data/batch/loader.h"
#include "tests/said.h"

/* The record as `show` says it, and the columns of its answers. */
static pt_status show_all(void *user, const pt_record *r, int64_t line)
{
    (void)show(user, r, line);
    for (size_t i = 0; r->columns.n && strcmp(r->columns.list[0].name, "label") && i < r->columns.n; i++) say(" %s", r->columns.list[i].name); /* not in order */
    for (size_t k = 0; k < r->n_answers; k++)
        for (size_t i = 0; i < r->answers[k].columns.n; i++)
            if (!strcmp(r->answers[k].columns.list[i].name, "rating")) say(" %g", (double)r->answers[k].columns.list[i].value);
    return PT_OK;
}

static pt_status read_row(const char *row, pt_dataset_spec spec)
{
    assert_int_equal(pt_file_write_whole(path, row, strlen(row)), PT_OK);
    spec.path = path;
    pt_reader r = {.spec = &spec, .sink = show_all};
    out_text[0] = 0;
    pt_status rc = pt_reader_run(&r);
    pt_reader_free(&r);
    return rc;
}

typedef struct shape {
    const char *type, *row, *want; /* want begins with '!': the error says the rest */
    pt_dataset_spec spec;
} shape;

#define NAMED {SAYS(SAID("labels", "sun\nmoon\nlate rain"))}
static const shape shapes[] = {
    /* a class: by name, number, a text that spells one, a truth value */
    {"labels", "{\"text\": \"a b\", \"label\": \"moon\"}", "text:a b l1 l1", NAMED},
    {"labels", "{\"text\": \"a\", \"label\": \"late rain\"}", "text:a l2 l1", NAMED},
    {"labels", "{\"text\": \"a\", \"label\": 2}", "text:a l2 l1", NAMED},
    {"labels", "{\"text\": \"a\", \"label\": \"2\"}", "text:a l2 l1", {0}},
    {"labels", "{\"text\": \"a\", \"label\": true}", "text:a l1 l1", {0}},
    {"labels", "{\"text\": \"a\", \"label\": \"5\"}", "text:a l1 l1", {SAYS(SAID("labels", "3\n5"))}}, /* a name that is a number is a name */
    {"labels", "{\"text\": \"a\", \"label\": 5}", "text:a l1 l1", {SAYS(SAID("labels", "3\n5"))}},
    {"text_classification", "{\"text\": \"a\", \"labels\": 0}", "text:a l0 l1", {0}},
    {"labels", "{\"text\": \"a\", \"kind\": \"sun\", \"label\": 7}", "text:a l0 l1", {SAYS(SAID("labels", "sun"), SAID("field_label", "kind"))}},
    {"labels", "{\"body\": \"a\", \"label\": 0}", "text:a l0 l1", {SAYS(SAID("field_text", "body"))}},
    /* numbers, vectors, names that are there */
    {"labels", "{\"text\": \"a\", \"label\": -3.5}", "text:a l-3.5 l1", {0}},
    {"labels", "{\"text\": \"a\", \"label\": [0.5, 1, -2]}", "text:a l0.5 l1 l-2 l3", {0}},
    {"labels", "{\"text\": \"a\", \"label\": \"[0.5, 1]\"}", "text:a l0.5 l1 l2", {0}},
    {"labels", "{\"text\": \"a\", \"label\": [\"late rain\", \"sun\"]}", "text:a l1 l0 l1 l3", NAMED},
    {"labels", "{\"text\": \"a\", \"label\": []}", "text:a l0 l0 l0 l3", NAMED},
    {"labels", "{\"text\": \"a\", \"label\": {\"moon\": 0.25, \"sun\": 1, \"late rain\": false}}", "text:a l0.25 l1 l0 l3 label_1 label label_2 labels_given", NAMED}, /* by name, in any order */
    /* conversations, questions and answers, ids: what is judged ends with the last turn */
    {"labels", "{\"messages\": [" M("user", "q") "," M("assistant", "a") "], \"label\": 1}", "U0:q|A1:a l1 l1", {0}},
    {"labels", "{\"conversations\": [{\"from\": \"human\", \"value\": \"q\"}], \"system\": \"s\", \"label\": 1}", "S0:s|U1:q l1 l1", {0}},
    {"labels", "{\"instruction\": \"i\", \"input\": \"j\", \"output\": \"o\", \"label\": 0}", "U0:i\nj|A1:o l0 l1", {0}},
    {"labels", "{\"prompt\": \"q\", \"label\": 0}", "U1:q l0 l1", {0}},
    {"labels", "{\"input_ids\": [7, 8, 9], \"attention_mask\": [1, 1, 0], \"label\": 0}", "7* 8* l0 l1", {0}},
    /* refused */
    {"labels", "{\"text\": \"a\"}", "!no field 'label'; the row has 'text'", {0}},
    {"labels", "{\"text\": \"a\", \"label\": null}", "!'label' is empty: the row has no label", {0}},
    {"labels", "{\"text\": \"a\", \"label\": \"\"}", "!'label' is empty", {0}},
    {"labels", "{\"text\": \"a\", \"label\": \"wind\"}", "!'label' is 'wind', which is none of labels: sun, moon, late rain", NAMED},
    {"labels", "{\"text\": \"a\", \"label\": \"wind\"}", "!a name, and the data set lists no names: labels: [NAME, ...]", {0}},
    {"labels", "{\"text\": \"a\", \"label\": [\"sun\"]}", "!list of names, and the data set lists none", {0}},
    {"labels", "{\"text\": \"a\", \"label\": [\"sun\", 1]}", "!mixes names with a number", NAMED},
    {"labels", "{\"text\": \"a\", \"label\": [1, \"sun\"]}", "!mixes numbers with names", NAMED},
    {"labels", "{\"text\": \"a\", \"label\": [1, [2]]}", "!'label' is a list", {0}},
    {"labels", "{\"text\": \"a\", \"label\": {\"sun\": 1}}", "!1 of the 3 numbers that labels names", NAMED},
    {"labels", "{\"text\": \"a\", \"label\": {\"sun\": 1, \"moon\": 1, \"wind\": 1}}", "!'wind', which is none of", NAMED},
    {"labels", "{\"text\": \"a\", \"label\": {\"sun\": null, \"moon\": 1, \"late rain\": 1}}", "!'label': null", NAMED},
    {"labels", "{\"text\": \"a\", \"label\": 1e300}", "!not finite", {0}},
    {"labels", "{\"text\": \" \", \"label\": 1}", "!'text' is empty", {0}},
    {"labels", "{\"label\": 1}", "!no field 'text'", {0}},
    {"labels", "{\"text\": 3, \"label\": 1}", "!'text' is a number", {0}},
    {"labels", "{\"messages\": [], \"label\": 1}", "!no messages", {0}},
    {"labels", "{\"input_ids\": [], \"label\": 1}", "!'input_ids' is empty", {0}},
    {"labels", "{\"text\": \"a\", \"label\": [0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]}", "!has 33 numbers; 32 are the most", {0}},
    /* lists of answers */
    {"rated", "{\"prompt\": \"q\", \"answers\": [\"a\", \"b\", \"c\"], \"ratings\": [1, 3, 2.5]}", "U:q => A:a < A:b ~ A:c 1 3 2.5", {0}},
    {"rated", "{\"prompt\": \"q\", \"answers\": [\"a\", \"b\"], \"ranking\": [2, 1]}", "U:q => A:a < A:b -2 -1", {0}},
    {"rated", "{\"instruction\": \"q\", \"completions\": [{\"response\": \"a\", \"overall_score\": 1}, {\"response\": \"b\", \"overall_score\": 4}]}", "U:q => A:a < A:b 1 4", {0}},
    {"rated", "{\"messages\": [" M("system", "s") "," M("user", "q") "], \"answers\": \"[\\\"a\\\", \\\"b\\\"]\", \"scores\": [0, 1]}", "S:s|U:q => A:a < A:b 0 1", {0}},
    {"rated", "{\"q\": \"q\", \"replies\": [\"a\", \"b\"], \"stars\": [0, 1], \"system\": \"s\"}", "S:s|U:q => A:a < A:b 0 1",
     {SAYS(SAID("field_prompt", "q"), SAID("field_answers", "replies"), SAID("field_ratings", "stars"))}},
    {"rated", "{\"prompt\": \"q\", \"ratings\": [1, 2]}", "!no field 'answers'", {0}},
    {"rated", "{\"prompt\": \"q\", \"answers\": [\"a\"], \"ratings\": [1]}", "!fewer than two answers", {0}},
    {"rated", "{\"prompt\": \"q\", \"answers\": [\"a\", \"\"], \"ratings\": [1, 2]}", "!empty answer: answer 2", {0}},
    {"rated", "{\"prompt\": \"q\", \"answers\": [\"a\", 7], \"ratings\": [1, 2]}", "!answer 2 is a number, not a text", {0}},
    {"rated", "{\"prompt\": \"q\", \"answers\": [\"a\", \"b\"], \"ratings\": [1]}", "!1 numbers for 2 answers", {0}},
    {"rated", "{\"prompt\": \"q\", \"answers\": [\"a\", \"b\"], \"ratings\": [1, null]}", "!the rating of answer 2 is null", {0}},
    {"rated", "{\"prompt\": \"q\", \"answers\": [\"a\", \"b\"]}", "!the rating of answer 1 is nothing", {0}},
    {"rated", "{\"prompt\": \"q\", \"answers\": [\"a\", \"b\"], \"ratings\": [2, 2]}", "!the same rating", {0}},
    {"rated", "{\"answers\": [\"a\", \"b\"], \"ratings\": [1, 2], \"id\": 7}", "!no field 'prompt'", {0}},
};

static void test_shapes(void **state)
{
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        const shape *s = &shapes[i];
        pt_dataset_spec spec = s->spec;
        spec.type = (char *)s->type;
        pt_status rc = read_row(s->row, spec);
        if (s->want[0] != '!') {
            if (rc != PT_OK) fail_msg("%s: %s", s->row, pt_err_msg());
            if (strcmp(out_text, s->want)) fail_msg("%s: '%s' instead of '%s'", s->row, out_text, s->want);
        } else if (rc == PT_OK || !strstr(pt_err_msg(), s->want + 1)) {
            fail_msg("%s: '%s' does not say '%s'", s->row, rc == PT_OK ? out_text : pt_err_msg(), s->want + 1);
        }
    }
}

static void test_names(void **state)
{
    char **names;
    size_t n;
    const pt_dataset_spec some = {SAYS(SAID("labels", "a b\nc"))}, none = {0};
    assert_int_equal(pt_dataset_labels(&some, &names, &n), PT_OK);
    assert_int_equal(n, 2);
    assert_string_equal(names[0], "a b");
    assert_string_equal(names[1], "c");
    pt_dataset_labels_free(names, n);
    assert_true(pt_label_find(&some, "c", &n) == 1 && n == 2 && pt_label_find(&some, "b", NULL) == -1 && pt_label_find(&some, "", NULL) == -1);
    assert_int_equal(pt_dataset_labels(&none, &names, &n), PT_OK);
    assert_true(!names && !n && pt_label_find(&none, "a", &n) == -1 && n == 0);
}

/* The head positions of an answer's mean are its tokens from `end - pool` to its end, whichever segment they lie in. */
static void check_pools(pt_packing packing)
{
    enum { N = 40, LONG = 30 };
    static int32_t ids[3][N];
    pt_seq seq[3];
    pt_batch b = {0};
    for (int s = 0; s < 3; s++) {
        for (int i = 0; i < N; i++) ids[s][i] = i < LONG ? 5 + i : 100 * (s + 1) + i;
        seq[s] = (pt_seq){.ids = ids[s], .n = N - s, .end_index = N - 1 - 2 * s, .pool = s == 2 ? 3 : N - 1 - 2 * s};
    }
    assert_int_equal(pt_batch_build(&b, seq, 3, packing), PT_OK);
    assert_true(packing == PT_PACKING_FOREST ? b.n_live < 3 * N - 3 - LONG : b.n_live == 3 * N - 3);
    assert_non_null(b.group_pool_start);
    for (int s = 0; s < 3; s++) {
        int32_t from = b.group_pool_start[s], n = b.group_pool_start[s + 1] - from;
        assert_int_equal(n, seq[s].pool + 1);
        for (int32_t k = 0; k < n; k++) {
            int32_t t = b.head_token[b.group_pool_head[from + k]], at = seq[s].end_index - seq[s].pool + k;
            assert_int_equal(b.tokens[t], ids[s][at]);
            assert_int_equal(b.positions[t], at);
        }
        assert_int_equal(b.group_pool_head[from + n - 1], b.group_end_head[s]);
    }
    pt_batch_free(&b);
    for (int s = 0; s < 3; s++) seq[s].pool = 0;
    assert_int_equal(pt_batch_build(&b, seq, 3, packing), PT_OK);
    assert_null(b.group_pool_start); /* nobody asks for more than an end */
    pt_batch_free(&b);
    seq[0].pool = N;
    assert_int_equal(pt_batch_build(&b, seq, 3, packing), PT_EARG);
}

static void test_pools(void **state)
{
    check_pools(PT_PACKING_FOREST);
    check_pools(PT_PACKING_PLAIN);
    check_pools(PT_PACKING_OFF);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_shapes), cmocka_unit_test(test_names), cmocka_unit_test(test_pools)};
    return cmocka_run_group_tests_name("data_labelled", tests, setup, teardown);
}

/* Rows of judged answers: what each shape becomes, which labels are refused, and pairs that are taken apart. */
#include "read_show.h"

#include "base/log.h"

#define ROW(...) "{" __VA_ARGS__ "}"
#define PC "\"prompt\": \"q\", \"completion\": \"c\""

static pt_status read_row(const char *type, const char *row, const pt_dataset_spec *more)
{
    pt_dataset_spec spec = more ? *more : (pt_dataset_spec){0};
    spec.path = path;
    spec.type = (char *)type;
    assert_int_equal(pt_file_write_whole(path, row, strlen(row)), PT_OK);
    pt_reader r = {.spec = &spec, .verdicts = true, .sink = show};
    out_text[0] = 0;
    pt_status rc = pt_reader_run(&r);
    pt_reader_free(&r);
    return rc;
}

static const struct shape {
    const char *type, *row, *want; /* want begins with '!': the error says the rest */
    pt_dataset_spec spec;
} shapes[] = {
    {"unpaired", ROW(PC ", \"label\": true"), "U:q|A:c (asked 1) l1", {0}},
    {"unpaired", ROW(PC ", \"label\": false"), "U:q|A:c (asked 1) l0", {0}},
    {"unpaired", ROW(PC ", \"label\": 1"), "U:q|A:c (asked 1) l1", {0}},
    {"unpaired", ROW(PC ", \"label\": 0"), "U:q|A:c (asked 1) l0", {0}},
    {"unpaired", ROW("\"prompt\": [" M("user", "q") "], \"completion\": [" M("assistant", "c") "], \"label\": true"), "U:q|A:c (asked 1) l1", {0}},
    {"unpaired", ROW("\"prompt\": [" M("system", "s") "," M("user", "p") "," M("assistant", "a") "," M("user", "q") "], \"completion\": [" M("assistant", "c") "], \"label\": false"),
     "S:s|U:p|A:a|U:q|A:c (asked 4) l0", {0}},
    {"chatml.ultra", ROW("\"system\": \"s\", " PC ", \"label\": true"), "S:s|U:q|A:c (asked 2) l1", {0}},
    {"chatml.intel", ROW("\"system\": \"s\", \"question\": \"q\", \"completion\": \"c\", \"label\": true"), "S:s|U:q|A:c (asked 2) l1", {0}},
    {"llama3.argilla", ROW("\"instruction\": \"q\", \"completion\": \"c\", \"label\": false"), "U:q|A:c (asked 1) l0", {0}},
    {"alpaca", ROW("\"instruction\": \"q\", \"input\": \"i\", \"output\": \"c\", \"kto_tag\": true"), "U:q\ni|A:c (asked 1) l1", {0}},
    {"sharegpt", ROW("\"conversations\": [{\"from\": \"human\", \"value\": \"p\"}, {\"from\": \"gpt\", \"value\": \"a\"}, {\"from\": \"human\", \"value\": \"q\"}, {\"from\": \"gpt\", "
                     "\"value\": \"c\"}], \"kto_tag\": false"),
     "U:p|A:a|U:q|A:c (asked 3) l0", {0}},
    {"messages", ROW("\"messages\": [" M("user", "q") "," M("assistant", "c") "], \"ok\": true"), "U:q|A:c (asked 1) l1", {SAYS(SAID("field_label", "ok"))}},
    {"unpaired", ROW("\"prompt\": \"q\", \"chosen\": \"c\", \"rejected\": \"r\""), "U:q => A:c < A:r", {0}},
    {"preference", ROW("\"messages\": [" M("user", "q") "," M("assistant", "c") "], \"rejected_response\": \"r\""), "U:q => A:c < A:r", {0}},
    {"mindset", ROW("\"instruction\": \"q\", \"output\": [\"c\", \"r\"]"), "U:q => A:c < A:r", {0}},
    {"tokens", ROW("\"input_ids\": [1, 2, 3], \"labels\": [-100, -100, 3], \"label\": true"), "1 2 3* l1", {0}},
    {"tokens", ROW("\"prompt_input_ids\": [1, 2], \"chosen_input_ids\": [3], \"rejected_input_ids\": [4]"), "1 2 3* < 1 2 4*", {0}},
    {"unpaired", ROW(PC), "!no field 'label'", {0}},
    {"unpaired", ROW(PC ", \"label\": null"), "!label 'label' is null", {0}},
    {"unpaired", ROW(PC ", \"label\": \"true\""), "!label 'label' is a string", {0}},
    {"unpaired", ROW(PC ", \"label\": 2"), "!label 'label' is another number", {0}},
    {"unpaired", ROW(PC ", \"label\": 0.5"), "!label 'label' is another number", {0}},
    {"unpaired", ROW(PC ", \"label\": [true]"), "!label 'label' is a list", {0}},
    {"messages", ROW(PC ", \"label\": true"), "!no field 'ok'", {SAYS(SAID("field_label", "ok"))}},
    {"messages", ROW("\"messages\": [" M("assistant", "c") "], \"label\": true"), "!without anything that it answers", {0}},
    {"messages", ROW("\"messages\": [" M("user", "c") "], \"label\": true"), "!not the assistant's", {0}},
    {"text", ROW("\"text\": \"a\", \"label\": true"), "!has no labels", {0}},
};

static void test_shapes(void **state)
{
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        const struct shape *s = &shapes[i];
        pt_status rc = read_row(s->type, s->row, &s->spec);
        if (s->want[0] == '!' ? rc == PT_OK || !strstr(pt_err_msg(), s->want + 1) : rc != PT_OK || strcmp(out_text, s->want))
            fail_msg("%s\n%s: wanted '%s', got '%s' (%s)", s->row, s->type, s->want, out_text, rc == PT_OK ? "" : pt_err_msg());
        pt_err_clear();
    }
}

/* Without labels the type gives nothing. */
static void test_types(void **state)
{
    pt_dataset_spec spec = {.type = (char *)"unpaired"};
    assert_true(pt_reader_verdicts("unpaired") && pt_reader_verdicts("preference") && pt_reader_verdicts("tokens") && !pt_reader_verdicts("text") && !pt_reader_verdicts("rolebench"));
    assert_true(!pt_reader_gives("unpaired", false) && !pt_reader_gives("unpaired", true));
    assert_int_equal(read_bytes(ROW(PC ", \"label\": true"), strlen(ROW(PC ", \"label\": true")), spec, false), PT_EARG);
    assert_non_null(strstr(pt_err_msg(), "answers with labels"));
}

/* Rows without a label are left out by line, as the policy says; pairs become two records, equal sides none. */
static void test_pack(void **state)
{
    static const char rows[] = "{\"prompt_input_ids\": [1, 2], \"chosen_input_ids\": [3, 9], \"rejected_input_ids\": [4, 9], \"weight\": 2}\n"
                               "{\"input_ids\": [1, 2, 7], \"labels\": [-100, -100, 7], \"label\": 1}\n"
                               "{\"input_ids\": [1, 2, 7], \"labels\": [-100, -100, 7]}\n"
                               "{\"prompt_input_ids\": [1, 2], \"chosen_input_ids\": [3, 9], \"rejected_input_ids\": [3, 9]}\n"
                               "{\"input_ids\": [5, 6, 8], \"labels\": [-100, 6, 8], \"label\": false}\n";
    static const float label[] = {1, 0, 1, 0}, weight[] = {2, 2, 1, 1};
    static const int32_t prefix[] = {2, 2, 2, 1};
    assert_int_equal(pt_file_write_whole(path, rows, sizeof rows - 1), PT_OK);
    pt_dataset_spec spec = {.path = path, .type = (char *)"tokens", .weight = 1, .bad_rows = 0.3, SAYS(SAID("field_weight", "weight"))};
    pt_pack_options o = {.verdicts = true, .sequence_len = 16, .cache_dir = dir};
    pt_pack_report report;
    pt_pack *pack;
    if (pt_pack_build(&pack, &spec, 1, &o, &report) != PT_OK) fail_msg("%s", pt_err_msg());
    assert_int_equal(pt_pack_count(pack), 4);
    assert_int_equal(report.records_dropped, 2);
    for (int64_t i = 0; i < 4; i++) {
        pt_packed rec;
        assert_int_equal(pt_pack_get(pack, i, &rec), PT_OK);
        assert_int_equal(rec.n_answers, 1);
        assert_int_equal(rec.prefix_len, prefix[i]);
        assert_true(pt_pack_value(pack, PT_COLUMN_LABEL, &rec, 0) == label[i] && pt_pack_value(pack, PT_COLUMN_WEIGHT, &rec, 0) == weight[i]);
        assert_int_equal(rec.line, i < 2 ? 1 : i == 2 ? 2 : 5);
    }
    pt_pack_free(pack);
    pt_pack_options pairs = o;
    pairs.verdicts = false;
    pairs.pairs = true; /* another pack */
    assert_int_equal(pt_pack_build(&pack, &spec, 1, &pairs, &report), PT_EFORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_shapes), cmocka_unit_test(test_types), cmocka_unit_test(test_pack)};
    return cmocka_run_group_tests(tests, setup, teardown);
}

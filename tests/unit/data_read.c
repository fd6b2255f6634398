/* The readers: what every type makes of a row, and every way a file can be wrong. */
#include "read_show.h"

#include "tests/said.h"

typedef struct good_row {
    const char *type;
    bool pairs;
    const char *row, *want;
    pt_dataset_spec spec;
} good_row;


static const good_row good[] = {
    {"messages", 0, "{\"messages\": [" M("system", "s") "," M("user", "u") "," M("assistant", "a") "]}", "S:s|U:u|A:a", {0}},
    {"chat_template",
     0,
     "{\"messages\": [" M("developer", "s") "," M("human", "u") "," M("gpt", " a ") "," M("tool", "t") "]}",
     "S:s|U:u|A: a |T:t",
     {0}},
    {"messages", 0, "{\"messages\": [" M("user", "u") "], \"system\": \"s\"}", "S:s|U:u", {0}},
    {"messages",
     0,
     "{\"m\": [{\"who\": \"user\", \"said\": \"u\"}]}",
     "U:u",
     {SAYS(SAID("field_messages", "m"), SAID("message_field_role", "who"), SAID("message_field_content", "said"))}},
    {"messages",
     0,
     "{\"messages\": "
     "[{\"role\":\"user\",\"content\":\"u\",\"train\":true},{\"role\":\"assistant\",\"content\":\"a\",\"train\":false},"
     "{\"role\":\"user\",\"content\":\"v\"},{\"role\":\"assistant\",\"content\":\"b\",\"weight\":0.5}]}",
     "U1:u|A0:a|U:v|A0.5:b",
     {0}},
    {"messages",
     0,
     "{\"messages\": "
     "[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"value\":\"h\"},{\"type\":\"text\",\"text\":\"i\"}],\"loss_weight\":"
     "0.0}]}",
     "U0:hi",
     {0}},
    {"messages", 0, "{\"messages\": [" M("user", "u") "], \"weight\": 2.5}", "U:u", {0}},
    {"messages", 0, "{\"messages\": [" M("user", "u") "], \"w\": 2.5}", "U:u w2.5", {SAYS(SAID("field_weight", "w"))}},
    {"messages", 0, "{\"messages\": [{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":[]}]}", "A:", {0}},
    {"sharegpt",
     0,
     "{\"conversations\": [{\"from\":\"human\",\"value\":\"u\"},{\"from\":\"gpt\",\"value\":\"a\"}]}",
     "U:u|A:a",
     {0}},
    {"sharegpt",
     0,
     "{\"system\":\"s\",\"conversation\": [{\"human\":\"u\",\"assistant\":\"a\"},{\"human\":\"v\",\"assistant\":\"b\"}]}",
     "S:s|U:u|A:a|U:v|A:b",
     {0}},
    {"alpaca",
     0,
     "{\"instruction\":\"i\",\"input\":\"x\",\"output\":\"o\",\"system\":\"s\",\"history\":[[\"q\",\"r\"]]}",
     "S:s|U:q|A:r|U:i\nx|A:o",
     {0}},
    {"alpaca", 0, "{\"instruction\":\"i\",\"input\":\" \\n\",\"output\":\"o\",\"system\":\"\"}", "U:i|A:o", {0}},
    {"messages", 0, "{\"messages\":[{\"role\":\"user\",\"content\":[\"h\",{\"type\":\"text\",\"text\":\"i\"}]},{\"role\":\"assistant\",\"content\":[\"a\"]}]}", "U:hi|A:a", {0}},
    {"alpaca", 0, "{\"instruction\":\"\",\"input\":\"x\",\"output\":\"o\"}", "U:x|A:o", {0}},
    {"mindset", 1, "{\"instruction\":\"i\",\"input\":\" \",\"output\":[\"c\",\"r\"]}", "U:i => A:c < A:r", {0}},
    {"rolebench",
     0,
     "{\"role\":\"Ahab\",\"question\":\" q? \",\"generated\":[\" a\\n\",\"b\"]}",
     "[Ahab] S:A captain.|U:q?|A:a",
     {SAYS(SAID("profiles", profiles))}},
    {"rolebench",
     0,
     "{\"role\":\" Ahab\",\"question\":\"q\",\"generated\":[\"a\",\"b\"]}",
     "[Ahab] S:You are Ahab. A captain.|U:q|A:a // [Ahab] S:You are Ahab. A captain.|U:q|A:b",
     {SAYS(SAID("profiles", profiles), SAID("references", "all"), SAID("system_template", "You are {role}. {profile}"))}},
    {"rolebench",
     0,
     "{\"role\":\"李白\",\"question\":\"\\u3000q\\u00a0\",\"generated\":\"a\"}",
     "[李白] S:李白!|U:q|A:a",
     {SAYS(SAID("system_template", "{role}!"))}},
    {"preference",
     1,
     "{\"prompt\":\"p\",\"chosen\":\"c\",\"rejected\":\"r\",\"margin\":-1.5,\"weight\":2}",
     "U:p => A:c < A:r w2 m-1.5",
     {SAYS(SAID("field_weight", "weight"), SAID("field_margin", "margin"))}},
    {"preference", 1, "{\"system\":\"s\",\"prompt\":\"p\",\"chosen\":\"c\",\"rejected\":\"r\"}", "S:s|U:p => A:c < A:r", {0}},
    {"preference",
     1,
     "{\"prompt\":[" M("user", "p") "],\"chosen\":[" M("assistant", "c") "],\"rejected\":" M("assistant", "r") "}",
     "U:p => A:c < A:r",
     {0}},
    {"preference",
     1,
     "{\"chosen\":[" M("user", "p") "," M("assistant", "c") "],\"rejected\":[" M("user", "p") "," M("assistant", "r") "]}",
     "U:p => A:c < A:r",
     {0}},
    {"preference",
     1,
     "{\"chosen\":[" M("user", "p") "," M("assistant", "c") "],\"rejected\":[" M("user", "p") "," M("assistant", "c") "," M(
         "user", "v") "," M("assistant", "r") "]}",
     "U:p => A:c < A:c|U:v|A:r",
     {0}},
    {"preference",
     1,
     "{\"conversations\":[{\"from\":\"human\",\"value\":\"p\"}],\"chosen\":{\"from\":\"gpt\",\"value\":\"c\"},\"rejected\":{"
     "\"from\":\"gpt\",\"value\":\"r\"}}",
     "U:p => A:c < A:r",
     {0}},
    {"preference",
     1,
     "{\"instruction\":\"i\",\"input\":\"x\",\"chosen\":\"c\",\"rejected\":\"r\"}",
     "U:i\nx => A:c < A:r",
     {0}},
    {"text", 0, "{\"text\": \"a b\\u0000\"}", "text:a b", {0}},
    {"text", 0, "{\"id\": 18446744073709551616, \"nan\": NaN, \"inf\": [-Infinity, 1e999], \"half\": \"\\ud83d\", \"text\": \"c\"}", "text:c", {0}},
    {"text", 0, "{\"text\": NaN, \"\\u0000\": 1, \"text\": \"the last counts\"}", "text:the last counts", {0}},
    {"messages", 0, "{\"id\": -1e9999, \"messages\": [{\"role\": \"user\", \"content\": \"u\", \"ts\": NaN}]}", "U:u", {0}},
    {"completion", 0, "{\"text\": \" a b \"}", "text: a b ", {0}},
    {"text", 0, "{\"body\": \"x\"}", "text:x", {SAYS(SAID("field_text", "body"))}},
    {"", 0, "{\"input_ids\": [5, 6, 7], \"labels\": [-100, 6, -100]}", "5 6* 7", {0}},
    {"", 0, "{\"input_ids\": [5, 6, 7, 8], \"labels\": [-100, 6, 7, 8], \"weights\": [1, 0.25, 0, 2]}", "5 6*0.25 7*held 8*2", {0}},
    {"", 0, "{\"input_ids\": [5, 6, 7], \"weights\": [0, 0.25, 1]}", "5 6*0.25 7*", {0}},
    {"", 0, "{\"input_ids\": [0, 5, 6, 7], \"labels\": [-100, -100, 6, 7], \"attention_mask\": [0, 1, 1, 1], \"weights\": [9, 9, 0.5, 1]}", "5 6*0.5 7*", {0}},
    {"", 0, "{\"input_ids\": [5, 6, 7], \"completion_mask\": [0, 1, 1], \"weights\": [3, 3, 0]}", "5 6*3 7*held", {0}},
    {"messages", 0, "{\"messages\": [{\"role\":\"assistant\",\"content\":\"a\\u00e9b\\u674ec\",\"train_detail\":[{\"begin_offset\":3,\"end_offset\":9,\"weight\":0.5},"
                    "{\"begin_offset\":0,\"end_offset\":1,\"train\":true},{\"begin_offset\":2,\"end_offset\":2,\"train\":false}]}]}",
     "A1:a\xc3\xa9" "b\xe6\x9d\x8e" "c [0,3)1 [3,4)held [4,8)0.5", {0}},
    {"messages", 0, "{\"messages\": [{\"role\":\"user\",\"content\":\"abc\",\"weight\":2,\"train_detail\":[{\"begin_offset\":1,\"end_offset\":1,\"train\":true,\"weight\":0.25}]}]}",
     "U2:abc [1,2)0.5", {0}},
    {"messages", 0, "{\"messages\": [{\"role\":\"user\",\"content\":\"abc\",\"mine\":[{\"begin_offset\":0,\"end_offset\":0,\"train\":true}]}]}",
     "U1:abc [0,1)1", {SAYS(SAID("message_field_training_detail", "mine"))}},
    {"messages", 0, "{\"messages\": [{\"role\":\"user\",\"content\":\"u\",\"train_detail\":[]}]}", "U:u", {0}},
    {"tokens",
     1,
     "{\"prompt_input_ids\": [5], \"chosen_input_ids\": [6, 7], \"rejected_input_ids\": [8]}",
     "5 6* 7* < 5 8*",
     {0}},
};

static void every_type(void **state)
{
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        pt_dataset_spec spec = good[i].spec;
        spec.type = (char *)good[i].type;
        pt_status rc = read_bytes(good[i].row, strlen(good[i].row), spec, good[i].pairs);
        if (!good[i].want) {
            assert_int_equal(rc, PT_EFORMAT);
            continue;
        }
        if (rc != PT_OK) fail_msg("row %zu: %s", i, pt_err_msg());
        assert_string_equal(out_text, good[i].want);
    }
}

typedef struct bad_row {
    const char *type;
    bool pairs;
    const char *row, *says;
    pt_dataset_spec spec;
} bad_row;

static const bad_row bad[] = {
    {"messages", 0, "{\"messages\": [" M("user", "u") "]", "rows.jsonl:1:", {0}},
    {"messages", 0, "[1, 2]", "rows.jsonl:1: the row is a bare value", {0}},
    {"messages", 0, "7", "the row is a bare value", {0}},
    {"messages", 0, "{\"messages\": \"u\"}", "a list of messages is wanted", {0}},
    {"messages", 0, "{\"messages\": []}", "holds no messages", {0}},
    {"messages", 0, "{\"text\": \"u\", \"id\": 3}", "no field 'messages'; the row has 'text', 'id'", {0}},
    {"messages", 0, "{\"messages\": [3]}", "message 1 is not an object", {0}},
    {"messages",
     0,
     "{\"messages\": [" M("user", "u") "," M("narrator", "n") "]}",
     "message 2: speaker 'narrator' is unknown",
     {0}},
    {"messages", 0, "{\"messages\": [{\"role\":\"user\"}]}", "message 1: no field 'content'; the row has 'role'", {0}},
    {"messages",
     0,
     "{\"messages\": [{\"role\":\"user\",\"content\":7}]}",
     "field 'content' is a number, a string is wanted",
     {0}},
    {"messages",
     0,
     "{\"messages\": [{\"role\":\"user\",\"content\":[{\"type\":\"image\",\"url\":\"x\"}]}]}",
     "part of type 'image'",
     {0}},
    {"messages", 0, "{\"messages\": [{\"role\":\"user\",\"content\":\"u\",\"weight\":-1}]}", "out of range", {0}},
    {"messages", 0, "{\"messages\": [{\"role\":\"user\",\"content\":\"u\",\"weight\":1e999}]}", "rows.jsonl:1", {0}},
    {"messages",
     0,
     "{\"messages\": [{\"role\":\"user\",\"content\":\"u\",\"train\":1}]}",
     "'train' of a message is true or false",
     {0}},
#define DETAIL(x) "{\"messages\": [{\"role\":\"user\",\"content\":\"uvw\",\"train_detail\":" x "}]}"
    {"messages", 0, DETAIL("true"), "'train_detail' is true or false, a list is wanted", {0}},
    {"messages", 0, DETAIL("[3]"), "'train_detail': part 1 is a number, an object is wanted", {0}},
    {"messages", 0, DETAIL("[{\"end_offset\":1,\"train\":true}]"), "part 1: 'begin_offset' is no place in the text", {0}},
    {"messages", 0, DETAIL("[{\"begin_offset\":-1,\"end_offset\":1,\"train\":true}]"), "part 1: 'begin_offset' is no place", {0}},
    {"messages", 0, DETAIL("[{\"begin_offset\":0,\"end_offset\":1.5,\"train\":true}]"), "part 1: 'end_offset' is no place", {0}},
    {"messages", 0, DETAIL("[{\"begin_offset\":2,\"end_offset\":1,\"train\":true}]"), "part 1 ends at 1, before it begins at 2", {0}},
    {"messages", 0, DETAIL("[{\"begin_offset\":0,\"end_offset\":1}]"), "part 1 says neither 'train' nor 'weight'", {0}},
    {"messages", 0, DETAIL("[{\"begin_offset\":0,\"end_offset\":1,\"train\":1}]"), "part 1: 'train' is true or false", {0}},
    {"messages", 0, DETAIL("[{\"begin_offset\":0,\"end_offset\":1,\"weight\":-0.5}]"), "part 1: field 'weight' is -0.5, which is out of range", {0}},
    {"messages", 0, DETAIL("[{\"begin_offset\":0,\"end_offset\":1,\"train\":true},{\"begin_offset\":1,\"end_offset\":2,\"train\":true}]"),
     "message 1: 'train_detail': two parts hold character 1", {0}},
    {"messages", 0, "{\"messages\": [{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{}]}]}", "tool_calls", {0}},
    {"messages", 0, "{\"messages\": [" M("user", "\xff") "]}", "rows.jsonl:1", {0}},
    {"messages",
     0,
     "{\"messages\": [" M("user", "u") "], \"weight\": \"2\"}",
     "field 'weight' is a string, a number is wanted",
     {SAYS(SAID("field_weight", "weight"))}},
    {"rolebench", 1, "{}", "type rolebench has no pairs", {0}},
    {"preference", 0, "{}", "type preference holds pairs", {0}},
    {"personas", 0, "{}", "no data type 'personas'; there are messages (= chat_template), sharegpt", {0}},
    {"sharegpt", 0, "{\"conversation\": []}", "holds no messages", {0}},
    {"alpaca", 0, "{\"instruction\":\"i\"}", "no field 'output'", {0}},
    {"alpaca", 0, "{\"instruction\":\"i\",\"output\":\"o\",\"history\":[[\"q\"]]}", "'history': round 1: not [question, answer]", {0}},
    {"mindset", 1, "{\"instruction\":\"i\",\"output\":[\"c\"]}", "not [chosen, rejected]", {0}},
    {"rolebench", 0, "{\"role\":\"Ahab\",\"question\":\"q\",\"generated\":[\"a\"]}", "needs 'profiles: FILE'", {0}},
    {"rolebench",
     0,
     "{\"role\":\"Bob\",\"question\":\"q\",\"generated\":[\"a\"]}",
     "rows.jsonl:1: role 'Bob' has no profile in",
     {SAYS(SAID("profiles", profiles))}},
    {"rolebench",
     0,
     "{\"role\":\"Ahab\",\"question\":\"q\",\"generated\":[]}",
     "not a list of answers",
     {SAYS(SAID("profiles", profiles))}},
    {"rolebench", 0, "{\"role\":\"Ahab\",\"question\":\"q\",\"generated\":[4]}", "not a string", {SAYS(SAID("profiles", profiles))}},
    {"rolebench", 0, "{\"role\":\"Pip\",\"question\":\"q\",\"generated\":[\"a\"]}", "is NaN, not a string", {SAYS(SAID("profiles", profiles))}},
    {"rolebench", 0, "{}", "references is 'first' or 'all', not 'best'", {SAYS(SAID("profiles", profiles), SAID("references", "best"))}},
    {"rolebench", 0, "{}", "cannot open /nowhere", {SAYS(SAID("profiles", "/nowhere.json"))}},
    {"rolebench", 0, "{}", "an object {role: text} is wanted", {SAYS(SAID("profiles", path))}},
    {"preference", 1, "{\"prompt\":\"p\",\"chosen\":\"c\"}", "no field 'rejected'", {0}},
    {"preference", 1, "{\"prompt\":\"p\",\"chosen\":null,\"rejected\":\"r\"}", "field 'chosen' is null", {0}},
    {"preference", 1, "{\"prompt\":\"p\",\"chosen\":3,\"rejected\":\"r\"}", "'chosen': a list of messages is wanted, not a number", {0}},
    {"preference",
     1,
     "{\"chosen\":[" M("user", "p") "],\"rejected\":[" M("user", "p") "]}",
     "'chosen': the last message is not the assistant's",
     {0}},
    {"preference",
     1,
     "{\"chosen\":[" M("user", "p") "," M("assistant", "c") "],\"rejected\":[" M("user", "q") "," M("assistant", "r") "]}",
     "begin with different messages",
     {0}},
    {"preference", 1, "{\"prompt\":\"p\",\"chosen\":[],\"rejected\":\"r\"}", "'chosen': empty answer", {0}},
    {"tokens", 0, "{\"input_ids\": [1, 2]}", "no field 'labels'", {0}},
    {"tokens", 0, "{\"input_ids\": [1, 2], \"labels\": [1]}", "1 labels for 2 ids", {0}},
    {"tokens", 0, "{\"input_ids\": [1, 2], \"labels\": [\"1\", 2]}", "label 0 is neither -100 nor the id 1", {0}},
    {"tokens", 0, "{\"input_ids\": [1, 2], \"labels\": \"1 2\"}", "field 'labels' is not a list", {0}},
    {"tokens", 0, "{\"input_ids\": [1, 2], \"labels\": [1, 2], \"weights\": [1]}", "rows.jsonl:1: 1 weights for 2 ids", {0}},
    {"tokens", 0, "{\"input_ids\": [1, 2], \"labels\": [1, 2], \"weights\": 1}", "field 'weights' is not a list", {0}},
    {"tokens", 0, "{\"input_ids\": [1, 2], \"labels\": [1, 2], \"weights\": [1, \"2\"]}", "element 1 of 'weights' is a string, a number is wanted", {0}},
    {"tokens", 0, "{\"input_ids\": [1, 2], \"labels\": [1, 2], \"weights\": [1, null]}", "element 1 of 'weights' is null", {0}},
    {"tokens", 0, "{\"input_ids\": [1, 2], \"labels\": [1, 2], \"weights\": [1, -0.5]}", "element 1 of 'weights' is -0.5, which is out of range", {0}},
    {"tokens", 0, "{\"input_ids\": [1, 2], \"labels\": [1, 2], \"weights\": [1, NaN]}", "element 1 of 'weights' is NaN, a number is wanted", {0}},
    {"tokens", 0, "{\"input_ids\": [1, 2], \"labels\": [1, 2], \"weights\": [1, 1e60]}", "element 1 of 'weights' is 1e+60, which is out of range", {0}},
    {"tokens", 0, "{\"input_ids\": [1, 2], \"labels\": [2, -100]}", "label 0 is neither -100 nor the id 1", {0}},
    {"tokens", 0, "{\"input_ids\": [1, -2], \"labels\": [1, -2]}", "element 1 of 'input_ids' is no token id", {0}},
    {"tokens", 0, "{\"input_ids\": [1, 4294967297], \"labels\": [1, 1]}", "element 1 of 'input_ids' is no token id", {0}},
    {"tokens", 0, "{\"input_ids\": [1, 2.5], \"labels\": [1, 2]}", "no token id", {0}},
    {"tokens",
     1,
     "{\"prompt_input_ids\": [], \"chosen_input_ids\": [6], \"rejected_input_ids\": [8]}",
     "'prompt_input_ids' is empty",
     {0}},
    {"tokens",
     1,
     "{\"prompt_input_ids\": [1], \"chosen_input_ids\": [6], \"rejected_input_ids\": []}",
     "'rejected_input_ids' is empty",
     {0}},
    {"text", 0, "{\"text\": null}", "field 'text' is null", {0}},
    {"text", 0, "{\"text\": NaN}", "field 'text' is NaN", {0}},
    {"text", 0, "{\"text\": \"a\\ud83d\"}", "field 'text' is a text with half a surrogate pair", {0}},
    {"tokens", 0, "{\"input_ids\": [1, 18446744073709551616], \"labels\": [1, 1]}", "element 1 of 'input_ids' is no token id", {0}},
    {"tokens", 0, "{\"input_ids\": [1, NaN], \"labels\": [1, 1]}", "no token id", {0}},
    {"text", 0, "NaN", "the row is a bare value", {0}},
    {"text", 0, "{\"text\": \"a\"}", "a file is one split, 'train'", {.split = "test"}},
};

static void broken_rows(void **state)
{
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        pt_dataset_spec spec = bad[i].spec;
        spec.type = (char *)bad[i].type;
        if (read_bytes(bad[i].row, strlen(bad[i].row), spec, bad[i].pairs) == PT_OK)
            fail_msg("bad row %zu was read: %s", i, bad[i].row);
        if (!strstr(pt_err_msg(), bad[i].says)) fail_msg("bad row %zu: '%s' does not say '%s'", i, pt_err_msg(), bad[i].says);
    }
}

typedef struct file_case {
    const char *bytes;
    size_t n;
    const char *want, *says; /* one of them */
} file_case;

#define F(s) s, sizeof(s) - 1
static const file_case files[] = {
    {F("{\"text\":\"a\"}\n\n  \r\n{\"text\":\"b\"}\r\n"), "text:a // text:b @4", NULL},
    {F("\xef\xbb\xbf{\"text\":\"a\"}"), "text:a", NULL},
    {F("[{\"text\":\"a\"},\n{\"text\":\n\"b\"} , {\"text\":\"c\"}\n]\n"), "text:a // text:b @2 // text:c @3", NULL},
    {F("\n\n [ {\"text\":\"a\"} ] "), "text:a @3", NULL},
    {F("[]"), "", NULL},
    {F(""), NULL, "is empty"},
    {F(" \n\n"), NULL, "is empty"},
    {F("{\"text\":\"a\"}\n{\"text\":\"b\"\n{\"text\":\"c\"}\n"), NULL, "rows.jsonl:2:"},
    {F("{\"text\":\"a\"}\n{\"text\":\"b\"} x\n"), NULL, "rows.jsonl:2:"},
    {F("{\n\"text\":\"a\"\n}\n"), "text:a", NULL},
    {F("[{\"text\":\"a\"}, {\"text\":\n 7}]"), NULL, "rows.jsonl:1: field 'text' is a number"},
    {F("[{\"text\":\"a\"},\n {\"text\": x}]"), NULL, "rows.jsonl:2:"},
    {F("[{\"text\":\"a\"}"), NULL, "not closed"},
    {F("[{\"text\":\"a\"},"), NULL, "broken JSON"},
    {F("[{\"text\":\"a\"} {\"text\":\"b\"}]"), NULL, "',' or ']' is wanted"},
    {F("[{\"text\":\"a\"}] 3"), NULL, "text after the end of the list"},
    {F("[["), NULL, "broken JSON"},
    {F("{\"text\":\"a\"}\n\"b\"\n"), NULL, "rows.jsonl:2"},
    {F("PAR1\0\0\0\0PAR1"), NULL, "tools/parquet_to_jsonl.py"},
    {F("\x1f\x8b\x08\0"), NULL, "the gzip data is cut off"},
    {F("\x28\xb5\x2f\xfd\0"), NULL, "the zstd data is cut off"},
    {F("\xff\xfe{\0}\0"), NULL, "iconv"},
    {F("\0\0\0\0\0\0"), NULL, "rows.jsonl:1"},
};

static void whole_files(void **state)
{
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        pt_status rc = read_bytes(files[i].bytes, files[i].n, (pt_dataset_spec){.type = "text"}, false);
        if (files[i].want) {
            if (rc != PT_OK) fail_msg("file %zu: %s", i, pt_err_msg());
            assert_string_equal(out_text, files[i].want);
        } else {
            assert_int_not_equal(rc, PT_OK);
            if (!strstr(pt_err_msg(), files[i].says))
                fail_msg("file %zu: '%s' does not say '%s'", i, pt_err_msg(), files[i].says);
        }
    }
    const pt_dataset_spec text = {.type = "text"};
    char empty[128];
    snprintf(empty, sizeof empty, "%s/empty", dir);
    assert_int_equal(pt_dir_make(empty), PT_OK);
    assert_int_equal(read_file(empty, text, false), PT_EARG);
    assert_non_null(strstr(pt_err_msg(), "is a folder"));
    assert_int_equal(read_file("/tmp/ptrain-no*thing.jsonl", text, false), PT_EIO);
    assert_non_null(strstr(pt_err_msg(), "no file matches"));
    assert_int_equal(read_file("/tmp/ptrain-nothing.jsonl", text, false), PT_EIO);
    assert_non_null(strstr(pt_err_msg(), "cannot open data file /tmp/ptrain-nothing.jsonl"));
}

/* A list nested past any stack, and every beginning of a good file: an error or fewer rows, never a crash. */
static void cut_and_deep_files(void **state)
{
    static const char whole[] = "[{\"text\": \"a\\u00e9\", \"x\": [1, {\"y\": null}]}, {\"text\": \"b\"}]";
    for (size_t n = 0; n + 1 < sizeof whole - 1; n++)
        assert_int_not_equal(read_bytes(whole, n, (pt_dataset_spec){.type = "text"}, false), PT_OK);
    size_t n = 1 << 20;
    char *deep = malloc(n);
    memset(deep, '[', n);
    assert_int_equal(read_bytes(deep, n, (pt_dataset_spec){.type = "text"}, false), PT_EFORMAT);
    memcpy(deep, "{\"text\":", 8);
    assert_int_equal(read_bytes(deep, n, (pt_dataset_spec){.type = "text"}, false), PT_EFORMAT);
    free(deep);
}

static void real_files(void **state)
{
    static const struct {
        const char *path, *type;
        bool pairs;
        int records;
    } real[] = {{"../shared/data/sft/llamafactory_v1_sft_demo.jsonl", "messages", false, 500},
                {"../shared/data/sft/coser_king_lear_sharegpt.json", "sharegpt", false, 257},
                {"../shared/data/sft/formats/msswift_sharegpt.jsonl", "sharegpt", false, 3},
                {"../shared/data/sft/llamafactory_alpaca_zh_demo.json", "alpaca", false, 677},
                {"../shared/data/pref/llamafactory_dpo_en_demo.json", "preference", true, 197},
                {"../shared/data/pref/llamafactory_v1_dpo_demo.jsonl", "preference", true, 10},
                {"../shared/data/pref/torchtune_hh_rlhf_tiny.json", "preference", true, 1},
                {"../shared/data/pref/machine_mindset_dpo_execution_p_j.jsonl", "mindset", true, 1200}};
    if (!pt_file_exists(real[0].path)) skip();
    for (size_t i = 0; i < sizeof real / sizeof *real; i++) {
        pt_dataset_spec spec = {.path = (char *)real[i].path, .type = (char *)real[i].type};
        pt_reader r = {.spec = &spec, .pairs = real[i].pairs, .sink = show};
        if (pt_reader_run(&r) != PT_OK) fail_msg("%s", pt_err_msg());
        assert_int_equal(r.rows, real[i].records);
        pt_reader_free(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_type), cmocka_unit_test(broken_rows),
                                       cmocka_unit_test(whole_files), cmocka_unit_test(cut_and_deep_files),
                                       cmocka_unit_test(real_files)};
    return cmocka_run_group_tests_name("data_read", tests, setup, teardown);
}

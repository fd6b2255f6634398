/* A pack made by many threads is the one that one thread makes: its bytes, its table, its warnings; and what ends the reading is the same row with the same
 * message. */
#include "data_fixture.h"

#include "base/log.h"
#include "base/threads.h"
#include "data/pack/pack.h"

static pt_tokenizer *tok;
static pt_template *chatml;
static char dir[64], path[128];

static int setup(void **state)
{
    fixture_dir(dir);
    snprintf(path, sizeof path, "%s/rows.jsonl", dir);
    return pt_tok_open(&tok, "tests/golden/data/tok_bpe") != PT_OK || pt_template_open(&chatml, "chatml", tok, "") != PT_OK;
}

static int teardown(void **state)
{
    pt_template_free(chatml);
    pt_tok_free(tok);
    return pt_dir_remove(dir) != PT_OK;
}

static char warned[8192];
static void listen(void *user, pt_log_level level, const char *text)
{
    size_t n = strlen(warned);
    snprintf(warned + n, sizeof warned - n, "%s\n", text);
}

static void put_chat(FILE *f, int i, const char *last)
{
    fprintf(f, "{\"messages\": [{\"role\": \"system\", \"content\": \"profile %d of the captain\"}", i % 7);
    for (int k = 0; k <= i % 4; k++)
        fprintf(f, ", {\"role\": \"user\", \"content\": \"question %d %.*s\"}, {\"role\": \"assistant\", \"content\": \"%s\"}", i * 31 % 97, i % 40, "so and so and so and so and so and so an", k == i % 4 ? last : "aye aye");
    fprintf(f, "]}\n");
}

/* Rows of all fates: kept, cut, dropped as too long, empty answers (found when rendered), no messages and broken JSON (found when read). */
static void write_chats(int n, bool bad)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    for (int i = 0; i < n; i++) {
        char answer[400];
        snprintf(answer, sizeof answer, "answer %d %.*s", i, i % 11 ? i % 60 : 390, "na na na na na na na na na na na na na na na na na na na na na na na na na na na na na na na na na na na na na na na na na na na na "
                                                                                  "na na na na na na na na na na na na na na na na na na na na na na na na na na na na na na na na na na na na na na na na na na na na ");
        if (bad && i % 37 == 5) put_chat(f, i, "");
        else if (bad && i % 53 == 7) fprintf(f, "{\"message\": []}\n");
        else if (bad && i % 71 == 9) fprintf(f, "{\"messages\": [\n");
        else put_chat(f, i, answer);
    }
    assert_int_equal(fclose(f), 0);
}

typedef struct made {
    pt_status rc;
    char *bytes, why[1024], warned[sizeof warned];
    size_t n;
    pt_pack_report report;
    pt_str table; /* the report as text */
} made;

static made pack(int threads, const pt_dataset_spec *spec, pt_pack_options o)
{
    made m = {0};
    pt_pack *p = NULL;
    char cache[96];
    snprintf(cache, sizeof cache, "%s/cache", dir);
    assert_int_equal(pt_dir_remove(cache), PT_OK);
    o.tok = tok;
    o.tmpl = chatml;
    o.cache_dir = cache;
    warned[0] = 0;
    pt_log_set_sink(listen, NULL);
    pt_threads_set(threads);
    m.rc = pt_pack_build(&p, spec, 1, &o, &m.report);
    pt_log_set_sink(NULL, NULL);
    if (m.rc == PT_OK) {
        assert_int_equal(pt_file_read(&m.bytes, &m.n, pt_pack_path(p), 1 << 26), PT_OK);
        assert_int_equal(pt_pack_report_text(&m.report, &m.table), PT_OK);
    } else snprintf(m.why, sizeof m.why, "%s", pt_err_msg());
    memcpy(m.warned, warned, sizeof warned);
    pt_pack_free(p);
    pt_err_clear();
    return m;
}

/* The same by 1, 2, 3 and 7 threads; returns what one makes (free bytes). */
static made compare(const pt_dataset_spec *spec, const pt_pack_options *o)
{
    made one = pack(1, spec, *o);
    static const int threads[] = {2, 3, 7};
    for (int i = 0; i < 3; i++) {
        made m = pack(threads[i], spec, *o);
        if (m.rc != one.rc || strcmp(m.why, one.why)) fail_msg("%d threads: %d '%s' instead of %d '%s'", threads[i], (int)m.rc, m.why, (int)one.rc, one.why);
        if (strcmp(m.warned, one.warned)) fail_msg("%d threads warn '%s' instead of '%s'", threads[i], m.warned, one.warned);
        if (m.n != one.n || (m.n && memcmp(m.bytes, one.bytes, m.n))) fail_msg("%d threads: another pack", threads[i]);
        if (m.rc == PT_OK) assert_string_equal(m.table.text, one.table.text);
        free(m.bytes);
        pt_str_free(&m.table);
    }
    pt_str_free(&one.table);
    return one;
}

static void test_chats(void **state)
{
    static const struct { pt_pack_options o; bool bad; } cases[] = {
        {{.sequence_len = 4096}, false},
        {{.sequence_len = 90, .excess = PT_EXCESS_DROP, .val_set_size = 0.2, .seed = 3}, true},
        {{.sequence_len = 120, .excess = PT_EXCESS_TRUNCATE, .distinct = true, .min_tokens = 40}, true},
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        pt_dataset_spec spec = {.path = path, .type = "messages", .bad_rows = 0.2};
        write_chats(700, cases[k].bad);
        made one = compare(&spec, &cases[k].o);
        assert_int_equal(one.rc, PT_OK);
        assert_int_equal(one.report.rows_read, 700);
        assert_true(one.report.records_kept > 100);
        assert_int_equal(strstr(one.warned, "rows cannot be used") != NULL, cases[k].bad);
        free(one.bytes);
    }
}

/* The first bad row ends the reading where none may be left out, whichever thread meets one first; so does a row too long. */
static void test_failures(void **state)
{
    pt_dataset_spec spec = {.path = path, .type = "messages"};
    write_chats(300, true);
    made one = compare(&spec, &(pt_pack_options){.sequence_len = 4096});
    assert_int_equal(one.rc, PT_EFORMAT);
    assert_non_null(strstr(one.why, "rows.jsonl:6: empty answer"));
    write_chats(300, false);
    one = compare(&spec, &(pt_pack_options){.sequence_len = 130, .excess = PT_EXCESS_RAISE});
    assert_int_equal(one.rc, PT_EARG);
    assert_non_null(strstr(one.why, "rows.jsonl:1: "));
    spec.bad_rows = 0.01;
    write_chats(300, true);
    one = compare(&spec, &(pt_pack_options){.sequence_len = 4096});
    assert_int_equal(one.rc, PT_EFORMAT);
    assert_non_null(strstr(one.why, "rows cannot be used: 8 x empty answer"));
}

/* Every row is bad where it is rendered: the reading ends after a thousand. */
static void test_hopeless(void **state)
{
    pt_dataset_spec spec = {.path = path, .type = "messages", .bad_rows = 0.2};
    FILE *f = fopen(path, "w");
    for (int i = 0; i < 1300; i++) put_chat(f, 0, "");
    assert_int_equal(fclose(f), 0);
    made one = compare(&spec, &(pt_pack_options){.sequence_len = 4096});
    assert_int_equal(one.rc, PT_EFORMAT);
    assert_non_null(strstr(one.why, "In all 1000 of 1000 rows cannot be used"));
}

static void test_other_kinds(void **state)
{
    FILE *f = fopen(path, "w");
    for (int i = 0; i < 400; i++)
        fprintf(f, "{\"prompt\": \"q%d\", \"chosen\": \"%s %d\", \"rejected\": \"%s\", \"margin\": %d}\n", i % 9, i % 13 ? "yes" : "no", i % 5, i % 6 ? "no" : "", i % 3);
    assert_int_equal(fclose(f), 0);
    pt_dataset_spec pairs = {.path = path, .type = "preference", .bad_rows = 1, SAYS(SAID("field_margin", "margin"))}, verdicts = {.path = path, .type = "preference", .bad_rows = 1};
    made one = compare(&pairs, &(pt_pack_options){.sequence_len = 512, .pairs = true});
    assert_int_equal(one.rc, PT_OK);
    free(one.bytes);
    one = compare(&verdicts, &(pt_pack_options){.sequence_len = 512, .verdicts = true});
    assert_int_equal(one.rc, PT_OK);
    free(one.bytes);
    f = fopen(path, "w");
    for (int i = 0; i < 300; i++) fprintf(f, "{\"text\": \"document %d %.*s\"}\n", i, i % 50 * 3, "word and word and word and word and word and word and word and word and word and word and word and word and word and word and word and word and word and wo");
    assert_int_equal(fclose(f), 0);
    pt_dataset_spec text = {.path = path, .type = "text"};
    one = compare(&text, &(pt_pack_options){.sequence_len = 24, .pretrain = true});
    assert_int_equal(one.rc, PT_OK);
    assert_true(one.report.records_kept > 500);
    free(one.bytes);
    write_rows(path, 400, true, 5);
    pt_dataset_spec ids = {.path = path, .type = "tokens"};
    one = compare(&ids, &(pt_pack_options){.sequence_len = 512, .pairs = true});
    assert_int_equal(one.rc, PT_OK);
    free(one.bytes);
}

/* Several records of a row: of one that is bad no later one is kept. */
static void test_scenes(void **state)
{
    FILE *f = fopen(path, "w");
    for (int i = 0; i < 300; i++)
        fprintf(f, "{\"messages\": [{\"role\": \"Ann\", \"content\": \"hello %d\"}, {\"role\": \"Bob\", \"content\": \"good day %d\"}, {\"role\": \"Ann\", \"content\": \"%s\"}, {\"role\": \"Bob\", \"content\": \"bye\"}]}\n", i,
                i % 17, i % 29 ? "so" : "<think>hm</think>");
    assert_int_equal(fclose(f), 0);
    pt_dataset_spec spec = {.path = path, .type = "messages", .bad_rows = 0.5, SAYS(SAID("view_of", "each"), SAID("thinking", "strip"))};
    made one = compare(&spec, &(pt_pack_options){.sequence_len = 512});
    if (one.rc != PT_OK) fail_msg("%s", one.why);
    if (!strstr(one.warned, "11 of 300 rows cannot be used") || one.report.records_kept != 2 * (300 - 11)) fail_msg("%lld kept; %s", one.report.records_kept, one.warned);
    free(one.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_chats), cmocka_unit_test(test_failures), cmocka_unit_test(test_hopeless), cmocka_unit_test(test_other_kinds), cmocka_unit_test(test_scenes)};
    return cmocka_run_group_tests_name("data_ahead", tests, setup, teardown);
}

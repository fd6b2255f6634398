/* metrics.jsonl and TensorBoard files: lines, cutting on resume, framing and checksums of event records. */
#include "tests/invariant/loop_fixture.h"

#include <sys/stat.h>
#include <unistd.h>
#include <dirent.h>
#include <jansson.h>

#include "train/loop/tensorboard.h"

static char dir[64];

static pt_step_report report(int64_t step)
{
    return (pt_step_report){.step = step,
                            .steps = 9,
                            .epoch = 0.5,
                            .loss = 1.0 / 3,
                            .grad_norm = 2,
                            .lr = 1e-3,
                            .tokens = 100,
                            .supervised_tokens = 40,
                            .records = 4,
                            .seconds = 0.5,
                            .tokens_per_second = 200,
                            .n_metrics = 1,
                            .metric_name = {"rewards/margins"},
                            .metric = {0.25}};
}

static void test_lines(void **state)
{
    pt_str s = {0};
    pt_step_report r = report(3);
    MUST(pt_metrics_step_line(&r, &s));
    json_t *j = json_loads(s.text, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(j);
    static const char *const keys[] = {
        "step",    "epoch",          "loss", "grad_norm", "lr", "tokens", "supervised_tokens", "records", "tokens_per_second",
        "seconds", "rewards/margins"};
    assert_int_equal(json_object_size(j), sizeof keys / sizeof *keys);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) assert_true(json_is_number(json_object_get(j, keys[i])));
    assert_true(json_real_value(json_object_get(j, "loss")) == 1.0 / 3); /* every bit */
    json_decref(j);
    r.skipped = true;
    r.loss = NAN;
    s.len = 0;
    MUST(pt_metrics_step_line(&r, &s));
    j = json_loads(s.text, 0, NULL);
    assert_true(json_is_true(json_object_get(j, "skipped")) && !json_object_get(j, "loss") &&
                !json_object_get(j, "rewards/margins"));
    json_decref(j);
    pt_eval_report e = {.set = "validation", .prefix = "eval", .step = 3, .loss = 2.5, .records = 7};
    s.len = 0;
    MUST(pt_metrics_eval_line(&e, &s));
    j = json_loads(s.text, 0, NULL);
    assert_true(json_real_value(json_object_get(j, "eval_loss")) == 2.5 && !json_object_get(j, "loss"));
    json_decref(j);
    e.loss = NAN;
    s.len = 0;
    MUST(pt_metrics_eval_line(&e, &s));
    j = json_loads(s.text, 0, NULL);
    assert_true(json_is_null(json_object_get(j, "eval_loss")));
    json_decref(j);
    pt_str_free(&s);
}

static int count_lines(const char *path, int *last_step)
{
    char *text, *save = NULL;
    size_t n;
    int lines = 0;
    MUST(pt_file_read(&text, &n, path, 1 << 20));
    assert_true(n == 0 || text[n - 1] == '\n');
    for (char *l = strtok_r(text, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
        json_t *j = json_loads(l, 0, NULL);
        assert_non_null(j);
        *last_step = (int)json_integer_value(json_object_get(j, "step"));
        json_decref(j);
        lines++;
    }
    free(text);
    return lines;
}

static void test_cut(void **state)
{
    pt_metrics *m;
    char path[128];
    int last = 0;
    snprintf(path, sizeof path, "%s/metrics.jsonl", dir);
    MUST(pt_metrics_open(&m, dir, 0, (const char *const[2]){0}));
    for (int64_t i = 1; i <= 6; i++) {
        pt_step_report r = report(i);
        MUST(pt_metrics_step(m, &r));
        if (i == 4) MUST(pt_metrics_eval(m, &(pt_eval_report){.set = "validation", .prefix = "eval", .step = 4, .loss = 2}));
    }
    pt_metrics_close(m);
    FILE *f = fopen(path, "a"); /* a kill cut the last line */
    assert_non_null(f);
    fputs("{\"step\": 7, \"epo", f);
    fclose(f);
    MUST(pt_metrics_open(&m, dir, 4, (const char *const[2]){0}));
    assert_int_equal(count_lines(path, &last), 5);
    assert_int_equal(last, 4);
    pt_step_report r = report(5);
    MUST(pt_metrics_step(m, &r));
    pt_metrics_close(m);
    assert_int_equal(count_lines(path, &last), 6);
    MUST(pt_metrics_open(&m, dir, 0, (const char *const[2]){0})); /* a new run */
    pt_metrics_close(m);
    assert_int_equal(count_lines(path, &last), 0);
}

/* Evaluations of the step gone on from that will be done again: their lines go, others of that step stay. Names are those of data. */
static void test_again(void **state)
{
    pt_metrics *m;
    char path[128], *text;
    size_t n;
    char *const names[] = {"who/acc", "odd\"name/a\\b"};
    const double values[] = {0.25, NAN};
    static const struct {
        const char *again[3];
        bool eval, during;
    } cases[] = {{{"eval", NULL}, false, true}, {{"during", NULL}, true, false}, {{"eval", "during", NULL}, false, false}, {{NULL}, true, true}};
    snprintf(path, sizeof path, "%s/metrics.jsonl", dir);
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        int last = 0;
        MUST(pt_metrics_open(&m, dir, 0, (const char *const[1]){NULL}));
        for (int64_t i = 3; i <= 4; i++) {
            pt_step_report r = report(i);
            MUST(pt_metrics_step(m, &r));
            MUST(pt_metrics_eval(m, &(pt_eval_report){.set = "validation", .prefix = "eval", .step = i, .loss = 2}));
            MUST(pt_metrics_during(m, &(pt_during_report){.step = i, .seconds = 1, .n = 2, .name = names, .value = values}));
        }
        pt_metrics_close(m);
        MUST(pt_metrics_open(&m, dir, 4, cases[c].again));
        pt_metrics_close(m);
        assert_int_equal(count_lines(path, &last), 4 + cases[c].eval + cases[c].during); /* all of step 3 */
        MUST(pt_file_read(&text, &n, path, 1 << 20));
        assert_non_null(strstr(text, "{\"step\": 3, \"during_seconds\": 1.0, \"eval_who/acc\": 0.25, \"eval_odd\\\"name/a\\\\b\": null}\n"));
        assert_int_equal(strstr(text, "{\"step\": 4, \"during_seconds\"") != NULL, cases[c].during);
        free(text);
    }
}

/* A link or a pipe of that name is somebody's: nothing behind it is read, cut or written. A second name of an earlier file keeps it. */
static void test_in_the_way(void **state)
{
    char path[128], mine[128];
    pt_metrics *m;
    int last = 0;
    snprintf(path, sizeof path, "%s/metrics.jsonl", dir);
    snprintf(mine, sizeof mine, "%s/mine.jsonl", dir);
    MUST(pt_file_write_whole(mine, "{\"step\": 9}\n", 12));
    alarm(10);
    for (int what = 0; what < 4; what++) {
        unlink(path);
        assert_int_equal(what % 2 ? mkfifo(path, 0600) : symlink(mine, path), 0);
        assert_int_equal(pt_metrics_open(&m, dir, what < 2 ? 0 : 4, (const char *const[2]){0}), PT_EIO);
        if (!strstr(pt_err_msg(), what % 2 ? "metrics.jsonl: it is a pipe" : "metrics.jsonl: it is a symbolic link")) fail_msg("%s", pt_err_msg());
        assert_int_equal(count_lines(mine, &last), 1);
    }
    alarm(0);
    unlink(path);
    assert_int_equal(link(mine, path), 0);
    MUST(pt_metrics_open(&m, dir, 0, (const char *const[2]){0}));
    pt_metrics_close(m);
    assert_int_equal(count_lines(path, &last), 0);
    assert_int_equal(count_lines(mine, &last), 1);
}

static uint64_t little(const unsigned char *p, int n)
{
    uint64_t v = 0;
    for (int i = 0; i < n; i++) v |= (uint64_t)p[i] << (8 * i);
    return v;
}

static uint32_t masked(const void *p, size_t n)
{
    uint32_t c = pt_crc32c(p, n);
    return ((c >> 15) | (c << 17)) + 0xa282ead8u;
}

/* Records of a file: framing, checksums; counts those that hold `tag`. */
static int read_events(const char *path, const char *tag, int *records)
{
    char *text;
    size_t n, at = 0;
    int found = 0;
    MUST(pt_file_read(&text, &n, path, 1 << 20));
    const unsigned char *p = (const unsigned char *)text;
    for (*records = 0; at < n; ++*records) {
        assert_true(n - at >= 16);
        uint64_t len = little(p + at, 8);
        assert_true(len <= n - at - 16);
        assert_int_equal(little(p + at + 8, 4), masked(p + at, 8));
        assert_int_equal(little(p + at + 12 + len, 4), masked(p + at + 12, len));
        assert_int_equal(p[at + 12], 0x09); /* wall_time */
        if (memmem(p + at + 12, len, tag, strlen(tag))) found++;
        at += 16 + len;
    }
    free(text);
    return found;
}

static void test_events(void **state)
{
    char runs[96], path[400] = "";
    pt_tb tb;
    int records;
    assert_int_equal(pt_crc32c("123456789", 9), 0xe3069283); /* RFC 3720's check value */
    snprintf(runs, sizeof runs, "%s/tb", dir);
    MUST(pt_tb_open(&tb, runs, "events.out.tfevents.1", 5));
    MUST(pt_tb_scalar(&tb, 5, "train/loss", 1.5));
    MUST(pt_tb_scalar(&tb, 300, "train/loss", 0.25));
    pt_tb_close(&tb);
    DIR *d = opendir(runs);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));)
        if (e->d_name[0] != '.') snprintf(path, sizeof path, "%s/%s", runs, e->d_name);
    closedir(d);
    assert_int_equal(read_events(path, "train/loss", &records), 2);
    assert_int_equal(records, 4); /* version, restart, two scalars */
    /* the last event, byte by byte: step 300, summary { value { tag, simple_value 0.25 } } */
    static const unsigned char want[] = {0x10, 0xac, 0x02, 0x2a, 0x13, 0x0a, 0x11, 0x0a, 0x0a, 't', 'r',  'a',
                                         'i',  'n',  '/',  'l',  'o',  's',  's',  0x15, 0,    0,   0x80, 0x3e};
    char *text;
    size_t n;
    MUST(pt_file_read(&text, &n, path, 1 << 20));
    assert_memory_equal(text + n - 4 - sizeof want, want, sizeof want);
    free(text);
}

static int make_dir(void **state)
{
    temp_folder(dir);
    return 0;
}
static int remove_dir(void **state)
{
    return pt_dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_lines), cmocka_unit_test(test_cut), cmocka_unit_test(test_again), cmocka_unit_test(test_in_the_way), cmocka_unit_test(test_events)};
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}

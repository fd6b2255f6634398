/* The files of a data set: patterns, folders, lists; which rows a split names among them; whose record is whose. */
#include <sys/stat.h>
#include <unistd.h>

#include "data/read/read_paths.h"
#include "data/read/record.h"
#include "data_fixture.h"

static char dir[64];

static const char *const tree[] = {"a/x.jsonl",       "a/b.jsonl.gz",     "a/c.CSV",          "a/.hidden.jsonl", "a/notes.txt",          "a/README.md",   "a/dataset_info.json",
                                   "a/deep/y.jsonl",  "a/deep/er/z.json", "s/train-00.jsonl", "s/train-01.json", "s/test.jsonl",         "s/my_dev.tsv",  "s/contest.jsonl",
                                   "p/data.parquet",  "e/picture.jpg",    "t/latest.jsonl",   "w/[odd]*.jsonl",  "w/o.jsonl"};

static void put(const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    char *slash = strrchr(path, '/');
    *slash = 0;
    assert_int_equal(pt_dir_make(path), PT_OK);
    *slash = '/';
    assert_int_equal(pt_file_write_whole(path, text, strlen(text)), PT_OK);
}

static int setup(void **state)
{
    char up[256], link[256];
    fixture_dir(dir);
    for (size_t i = 0; i < sizeof tree / sizeof *tree; i++) put(tree[i], "{\"text\": \"a\"}\n");
    snprintf(up, sizeof up, "%s/a", dir);
    snprintf(link, sizeof link, "%s/a/deep/back", dir);
    return symlink(up, link); /* ** does not follow it */
}

static int teardown(void **state)
{
    return pt_dir_remove(dir) == PT_OK ? 0 : 1;
}

typedef struct paths_case {
    const char *path, *also, *type, *split, *want; /* below dir; want begins with '!': what the error says */
} paths_case;

static const paths_case cases[] = {
    {"a", NULL, "messages", NULL, "a/b.jsonl.gz a/c.CSV a/x.jsonl "},
    {"a/", NULL, "text", "train[:1]", "a/b.jsonl.gz a/c.CSV a/notes.txt a/x.jsonl "},
    {"a/*.jsonl", NULL, "messages", NULL, "a/x.jsonl "},
    {"a/.*.jsonl", NULL, "messages", NULL, "!no file matches"},
    {"a/*", NULL, "messages", NULL, "a/README.md a/b.jsonl.gz a/c.CSV a/dataset_info.json a/notes.txt a/x.jsonl "},
    {"a/**/*.json*", NULL, "messages", NULL, "a/b.jsonl.gz a/dataset_info.json a/deep/er/z.json a/deep/y.jsonl a/x.jsonl "},
    {"a/deep/**", NULL, "messages", NULL, "a/deep/er/z.json a/deep/y.jsonl "},
    {"**/deep/**/?.json", NULL, "messages", NULL, "a/deep/er/z.json "},
    {"[as]/x.jsonl", NULL, "messages", NULL, "a/x.jsonl "},
    {"w/[odd]*.jsonl", NULL, "messages", NULL, "w/[odd]*.jsonl "}, /* a file of this very name */
    {"w/*", NULL, "messages", NULL, "w/[odd]*.jsonl w/o.jsonl "},
    {"a/none-*", NULL, "messages", NULL, "!none-*: no file matches"},
    {"a/none.jsonl", NULL, "messages", NULL, "!cannot open data file"},
    {"s", NULL, "messages", NULL, "s/train-00.jsonl s/train-01.json "},
    {"s", NULL, "messages", "test", "s/test.jsonl "},
    {"s", NULL, "messages", "validation[:1]", "s/my_dev.tsv "},
    {"s", NULL, "messages", "odd", "!of split 'odd'"},
    {"s/*", NULL, "messages", NULL, "s/contest.jsonl s/my_dev.tsv s/test.jsonl s/train-00.jsonl s/train-01.json "},
    {"t", NULL, "messages", NULL, "t/latest.jsonl "}, /* 'test' within a word says nothing */
    {"p", NULL, "messages", NULL, "!tools/parquet_to_jsonl.py"},
    {"e", NULL, "messages", NULL, "!is a folder without data files in it"},
    {"a/x.jsonl", "a/b.jsonl.gz", "messages", NULL, "a/x.jsonl a/b.jsonl.gz "}, /* a list keeps its order */
    {"a/x.jsonl", "s", "messages", NULL, "a/x.jsonl s/train-00.jsonl s/train-01.json "},
};

static void every_path(void **state)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const paths_case *c = &cases[i];
        char path[256], more[256], *also = more, got[1024] = "";
        snprintf(path, sizeof path, "%s/%s", dir, c->path);
        snprintf(more, sizeof more, "%s/%s", dir, c->also ? c->also : "");
        pt_dataset_spec spec = {.path = path, .type = (char *)c->type, .split = (char *)c->split, .also = c->also ? &also : NULL, .n_also = c->also != NULL};
        pt_paths p;
        pt_status rc = pt_paths_of(&spec, &p);
        if (c->want[0] == '!') {
            if (rc == PT_OK || !strstr(pt_err_msg(), c->want + 1)) fail_msg("%s: %s", c->path, pt_err_msg());
            assert_int_equal(p.n, 0);
            continue;
        }
        if (rc != PT_OK) fail_msg("%s: %s", c->path, pt_err_msg());
        for (size_t k = 0; k < p.n; k++) snprintf(got + strlen(got), sizeof got - strlen(got), "%s ", p.list[k] + strlen(dir) + 1);
        if (strcmp(got, c->want)) fail_msg("%s: got %s\nwant %s", c->path, got, c->want);
        pt_paths_free(&p);
    }
}

static pt_str got;

static pt_status take(void *user, const pt_record *rec, int64_t line)
{
    const pt_reader *r = user;
    return pt_str_printf(&got, "%s:%lld %.*s; ", pt_path_base(pt_reader_path(r)), (long long)line, (int)rec->answers[0].bytes, rec->answers[0].text);
}

/* Rows in the order of the files; slices and max_rows count over all of them. */
static void rows_of_all(void **state)
{
    static const struct { const char *split; int64_t most; const char *want; } runs[] = {
        {NULL, 0, "1.jsonl:1 a; 1.jsonl:2 b; 2.jsonl:1 c; 3.jsonl:2 d; 3.jsonl:3 e; "},
        {"train[1:4]", 0, "1.jsonl:2 b; 2.jsonl:1 c; 3.jsonl:2 d; "},
        {"train[:60%]", 0, "1.jsonl:1 a; 1.jsonl:2 b; 2.jsonl:1 c; "},
        {"train[-2:]", 0, "3.jsonl:2 d; 3.jsonl:3 e; "},
        {NULL, 3, "1.jsonl:1 a; 1.jsonl:2 b; 2.jsonl:1 c; "},
    };
    char path[256];
    put("r/1.jsonl", "{\"text\": \"a\"}\n{\"text\": \"b\"}\n");
    put("r/2.jsonl", "{\"text\": \"c\"}\n");
    put("r/3.jsonl", "\n{\"text\": \"d\"}\n{\"text\": \"e\"}\n");
    snprintf(path, sizeof path, "%s/r/*.jsonl", dir);
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) {
        pt_dataset_spec spec = {.path = path, .type = "text", .split = (char *)runs[i].split};
        pt_reader r = {.spec = &spec, .sink = take, .max_rows = runs[i].most};
        r.user = &r;
        got.len = 0;
        if (pt_reader_run(&r) != PT_OK) fail_msg("%s", pt_err_msg());
        if (strcmp(got.text, runs[i].want)) fail_msg("run %zu: %s", i, got.text);
        pt_reader_free(&r);
    }
}

/* Rows that cannot be used are named by their files. */
static void bad_rows(void **state)
{
    char path[256];
    put("bad/1.jsonl", "{\"text\": \"a\"}\n{\"text\": 3}\n");
    put("bad/2.jsonl", "{\"text\": 3}\n{\"text\": 3}\n");
    snprintf(path, sizeof path, "%s/bad", dir);
    pt_dataset_spec spec = {.path = path, .type = "text", .bad_rows = 0.5};
    pt_reader r = {.spec = &spec, .sink = take};
    r.user = &r;
    assert_int_equal(pt_reader_run(&r), PT_EFORMAT);
    if (!strstr(pt_err_msg(), "bad/1.jsonl:2: field 'text' is a number") || !strstr(pt_err_msg(), "(1.jsonl:2, 2.jsonl:1, 2)")) fail_msg("%s", pt_err_msg());
    pt_reader_free(&r);
    spec.bad_rows = 0;
    r = (pt_reader){.spec = &spec, .sink = take};
    r.user = &r;
    assert_int_equal(pt_reader_run(&r), PT_EFORMAT);
    if (!strstr(pt_err_msg(), "bad/1.jsonl:2: field")) fail_msg("%s", pt_err_msg());
    pt_reader_free(&r);
    pt_str_free(&got);
}

/* What reports call a set of several files. */
static void names(void **state)
{
    static const char *const named[][2] = {{"x/a.jsonl.gz", "a"}, {"x/talks/", "talks"}, {"x/talks/*.jsonl", "talks"}, {"x/talks/**/*.jsonl", "talks"}, {"*.jsonl", "_"}, {"/", "_"}};
    for (size_t i = 0; i < sizeof named / sizeof *named; i++) {
        pt_dataset_spec spec = {.path = (char *)named[i][0]};
        char name[PT_DATASET_NAME];
        pt_dataset_name(&spec, 1, 0, name);
        assert_string_equal(name, named[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_path), cmocka_unit_test(rows_of_all), cmocka_unit_test(bad_rows), cmocka_unit_test(names)};
    return cmocka_run_group_tests_name("data_paths", tests, setup, teardown);
}

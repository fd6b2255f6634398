/* Data files as people have them: JSON in every shape, CSV, TSV, plain text, gzip, zstd; byte order marks, Git LFS, UTF-16; what is broken is
 * named by file and line. Every text is read plain and packed in both ways. */
#include <zlib.h>
#include <zstd.h>

#include "data/read/record.h"
#include "data_fixture.h"

static char dir[64];

static int setup(void **state)
{
    fixture_dir(dir);
    return 0;
}

static int teardown(void **state)
{
    return pt_dir_remove(dir) == PT_OK ? 0 : 1;
}

static pt_str got;

/* Each row as sorted JSON behind its line; a row that is none as its message. */
static pt_status take(void *user, json_t *row, int64_t line)
{
    const char *name = strrchr(pt_err_msg(), '/');
    char *text = row ? json_dumps(row, JSON_COMPACT | JSON_SORT_KEYS) : strdup(name ? name + 1 : pt_err_msg());
    pt_status rc = pt_str_printf(&got, "%lld %s\n", (long long)line, text);
    free(text);
    return rc;
}

static pt_status read_file(const char *path, const char *type)
{
    pt_dataset_spec spec = {.path = (char *)path, .type = (char *)type};
    got.len = 0;
    assert_int_equal(pt_str_puts(&got, ""), PT_OK);
    return pt_rows_read(path, &spec, take, NULL);
}

static void pack_zstd(const char *path, const char *text, size_t n)
{
    size_t cap = ZSTD_compressBound(n);
    char *out = malloc(cap);
    ZSTD_CCtx *z = ZSTD_createCCtx();
    assert_true(out && z);
    ZSTD_CCtx_setParameter(z, ZSTD_c_checksumFlag, 1);
    size_t bytes = ZSTD_compress2(z, out, cap, text, n);
    assert_false(ZSTD_isError(bytes));
    assert_int_equal(pt_file_write_whole(path, out, bytes), PT_OK);
    ZSTD_freeCCtx(z);
    free(out);
}

/* By the name. */
static void pack(const char *path, const char *text, size_t n)
{
    if (!strcmp(path + strlen(path) - 4, ".zst")) {
        pack_zstd(path, text, n);
        return;
    }
    gzFile g = gzopen(path, "wb");
    assert_non_null(g);
    assert_int_equal(gzwrite(g, text, (unsigned)n), n);
    assert_int_equal(gzclose(g), Z_OK);
}

typedef struct file_case {
    const char *name, *type, *text, *want; /* want begins with '!': the error holds the rest */
} file_case;

#define BOM "\xef\xbb\xbf"
#define MSG1 "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}"

static const file_case cases[] = {
    {"a.jsonl", "text", "{\"a\":1}\n\n {\"a\":2} \r\n{\"a\":3}", "1 {\"a\":1}\n3 {\"a\":2}\n4 {\"a\":3}\n"},
    {"a.jsonl", "text", BOM "{\"a\":1}\n", "1 {\"a\":1}\n"},
    {"a.jsonl", "text", "{\"a\":\"x\\u0000y\"}\n", "1 {\"a\":\"x\\u0000y\"}\n"},
    {"a.jsonl", "text", "{\"a\":1}\n{\"a\"\n{\"a\":3}\n", "1 {\"a\":1}\n2 a.jsonl:2:5: broken JSON: ':' is wanted behind a key\n3 {\"a\":3}\n"},
    {"a.json", "text", BOM "[{\"a\":1},\n{\"a\":\n2}]\n", "1 {\"a\":1}\n2 {\"a\":2}\n"},
    {"a.json", "text", "[]", ""},
    {"a.json", "text", "[{\"a\":1}", "!the list is not closed"},
    {"a.json", "text", "[{\"a\":1}] x", "!text after the end of the list"},
    {"a.json", "alpaca", "{\n  \"instruction\": \"x\",\n  \"output\": \"y\"\n}\n", "1 {\"instruction\":\"x\",\"output\":\"y\"}\n"},
    {"a.json", "text", "{\n\"a\": 1\n}\n{\n\"a\": 2\n}\n", "1 {\"a\":1}\n4 {\"a\":2}\n"},
    {"a.json", "alpaca", "{\"data\": [{\"a\":1},\n {\"a\":2}]}", "1 {\"a\":1}\n2 {\"a\":2}\n"},
    {"a.json", "alpaca", "{\n\"version\": \"1.0\",\n\"examples\": [\n{\"a\":1},\n{\"a\":[{\"b\":2}]}\n]\n}\n", "4 {\"a\":1}\n5 {\"a\":[{\"b\":2}]}\n"},
    {"a.json", "alpaca", "{\"test\": [{\"a\":1}], \"train\": [{\"a\":2}]}", "1 {\"a\":2}\n"},
    {"a.json", "alpaca", "{\"one\": [{\"a\":1}], \"other\": [{\"a\":2}]}", "1 {\"one\":[{\"a\":1}],\"other\":[{\"a\":2}]}\n"},
    {"a.json", "messages", MSG1, "1 " "{\"messages\":[{\"content\":\"a\",\"role\":\"user\"}]}\n"},
    {"a.json", "messages", "{\"dialog\":[{\"from\":\"human\",\"value\":\"a\"}]}", "1 {\"dialog\":[{\"from\":\"human\",\"value\":\"a\"}]}\n"},
    {"a.json", "messages", "{\"turns\":[{\"speaker\":\"user\",\"utterance\":\"a\"}]}", "1 {\"turns\":[{\"speaker\":\"user\",\"utterance\":\"a\"}]}\n"},
    {"a.json", "text", "{\"data\":[{\"name\":\"n\",\"text\":\"a\"}]}", "1 {\"name\":\"n\",\"text\":\"a\"}\n"},
    {"a.json", "rolebench", "{\"rows\":[{\"role\":\"n\",\"question\":\"a\"}]}", "1 {\"question\":\"a\",\"role\":\"n\"}\n"},
    {"a.json", "messages", "{\"documents\":[{\"t\":1}],\"messages\":[]}", "1 {\"documents\":[{\"t\":1}],\"messages\":[]}\n"},
    {"a.json", "text", "{\"data\": [{\"a\":1}", "1 a.json:1:18: broken JSON: a list is not closed: the text is cut off\n"},
    {"a.csv", "alpaca", "q,a\nx,y\n\"one, two\",\"say \"\"hi\"\"\nover two lines\"\n\nlast,\n",
     "2 {\"a\":\"y\",\"q\":\"x\"}\n3 {\"a\":\"say \\\"hi\\\"\\nover two lines\",\"q\":\"one, two\"}\n6 {\"a\":\"\",\"q\":\"last\"}\n"},
    {"a.csv", "alpaca", BOM "q,a\r\nx,y\r\n\"a\r\nb\",\"\"", "2 {\"a\":\"y\",\"q\":\"x\"}\n3 {\"a\":\"\",\"q\":\"a\\r\\nb\"}\n"},
    {"a.csv", "alpaca", "q,a\nx\n1,2,3\nx,y\n",
     "2 a.csv:2: the record has 1 fields, the header 2\n3 a.csv:3: the record has 3 fields, the header 2\n4 {\"a\":\"y\",\"q\":\"x\"}\n"},
    {"a.csv", "alpaca", "q,a\nx,\"y\nz,w\n", "2 a.csv:2: a quote is not closed until the file ends\n"},
    {"a.csv", "alpaca", "q;a\nx, y;z\n", "2 {\"a\":\"z\",\"q\":\"x, y\"}\n"},
    {"a.csv", "alpaca", "q,q\nx,y\n", "!column 2 has the name of another"},
    {"a.csv", "alpaca", "q,a\n\xff,y\n", "2 a.csv:2: column 'q' is not valid UTF-8\n"},
    {"a.TSV", "alpaca", "q\ta\nx, y\t\"z\tw\"\n", "2 {\"a\":\"z\\tw\",\"q\":\"x, y\"}\n"},
    {"a.txt", "text", BOM "one line\r\n\n   \n two lines \n\xff\nlast",
     "1 {\"text\":\"one line\"}\n4 {\"text\":\" two lines \"}\n5 a.txt:5: the line is not valid UTF-8\n6 {\"text\":\"last\"}\n"},
    {"a.txt", "text", "{\"text\":\"x\"}\n", "1 {\"text\":\"x\"}\n"},
    {"a.txt", "text", "[INST] x\n", "1 {\"text\":\"[INST] x\"}\n"},
    {"a.txt", "alpaca", "one line\n", "!which the type text reads"},
    {"a.jsonl", "text", "\xff\xfe{\0", "!is UTF-16; convert it: iconv"},
    {"a.csv", "text", "\xfe\xff\0q", "!is UTF-16"},
    {"a.jsonl", "text", "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n", "!is a pointer of Git LFS"},
    {"a.jsonl", "text", "", "!is empty"},
    {"a.jsonl", "text", " \n\n", "!is empty"},
    /* one object: a table by columns, pandas' way of it, rows by name */
    {"a.json", "text", "{\"q\": [\"x\", \"y\"],\n \"n\": [1, 2]}", "1 {\"n\":1,\"q\":\"x\"}\n1 {\"n\":2,\"q\":\"y\"}\n"},
    {"a.json", "alpaca", "{\"instruction\": [\"x\",\n\"y\"], \"output\": [\"a\", \"b\"]}", "1 {\"instruction\":\"x\",\"output\":\"a\"}\n2 {\"instruction\":\"y\",\"output\":\"b\"}\n"},
    {"a.json", "text", "{\"q\": {\"0\": \"x\", \"7\": \"y\"}, \"a\\u0062\": {\"0\": [1], \"7\": null}}", "1 {\"ab\":[1],\"q\":\"x\"}\n1 {\"ab\":null,\"q\":\"y\"}\n"},
    {"a.json", "text", "{\"q\": [\"x\", \"y\"], \"n\": [1]}", "1 {\"n\":[1],\"q\":[\"x\",\"y\"]}\n"},
    {"a.json", "text", "{\"q\": [\"x\"], \"history\": [{\"a\": 1}]}", "1 {\"history\":[{\"a\":1}],\"q\":[\"x\"]}\n"},
    {"a.json", "text", "{\"q\": [\"x\"], \"n\": [1]}", "1 {\"n\":1,\"q\":\"x\"}\n"},
    {"a.json", "text", "{\"q\": [\"x\", \"y\"], \"n\": [1, 2,]}", "!broken JSON"},
    {"a.json", "tokens", "{\"ids\": [1, 2], \"labels\": [1, 2]}", "1 {\"ids\":[1,2],\"labels\":[1,2]}\n"},
    {"a.json", "preference", "{\"chosen\": [{\"role\":\"user\",\"content\":\"a\"}], \"rejected\": [{\"role\":\"user\",\"content\":\"a\"}]}",
     "1 {\"chosen\":[{\"content\":\"a\",\"role\":\"user\"}],\"rejected\":[{\"content\":\"a\",\"role\":\"user\"}]}\n"},
    {"a.json", "text", "{\"r1\": {\"q\": \"x\"},\n\"r2\":\n{\"q\": \"y\"}}", "1 {\"_id\":\"r1\",\"q\":\"x\"}\n3 {\"_id\":\"r2\",\"q\":\"y\"}\n"},
    {"a.json", "text", "{\"r1\": {\"_id\": 1}, \"r2\": {\"_id\": 2}}", "1 {\"_id\":1}\n1 {\"_id\":2}\n"},
    {"a.json", "text", "{\"r1\": {\"q\": \"x\"}, \"r2\": {\"p\": \"y\"}}", "1 {\"r1\":{\"q\":\"x\"},\"r2\":{\"p\":\"y\"}}\n"},
    {"a.json", "text", "{\"a\": {\"role\": \"user\", \"content\": \"x\"}, \"b\": {\"role\": \"user\", \"content\": \"y\"}}",
     "1 {\"a\":{\"content\":\"x\",\"role\":\"user\"},\"b\":{\"content\":\"y\",\"role\":\"user\"}}\n"},
    /* a list of messages is a row, where the type reads conversations */
    {"a.jsonl", "messages", "[{\"role\":\"user\",\"content\":\"a\"}]\n{\n[{\"role\":\"user\",\"content\":\"b\"}]\n",
     "1 {\"messages\":[{\"content\":\"a\",\"role\":\"user\"}]}\n2 a.jsonl:2:2: broken JSON: the text is cut off\n3 {\"messages\":[{\"content\":\"b\",\"role\":\"user\"}]}\n"},
    {"a.json", "sharegpt", "[{\"from\":\"human\",\n\"value\":\"a\"}]\n", "1 {\"conversations\":[{\"from\":\"human\",\"value\":\"a\"}]}\n"},
    {"a.json", "messages", "[[{\"role\":\"user\",\"content\":\"a\"}],\n[{\"role\":\"user\",\"content\":\"b\"}]]",
     "1 {\"messages\":[{\"content\":\"a\",\"role\":\"user\"}]}\n2 {\"messages\":[{\"content\":\"b\",\"role\":\"user\"}]}\n"},
    {"a.jsonl", "text", "[{\"role\":\"user\",\"content\":\"a\"}]\n", "1 {\"content\":\"a\",\"role\":\"user\"}\n"},
    /* tables of text */
    {"a.csv", "alpaca", "q,a\n", ""},
    {"a.csv", "alpaca", "q,a\nx \"y\" z,\"b\"c\n", "2 {\"a\":\"bc\",\"q\":\"x \\\"y\\\" z\"}\n"},
    {"a.csv", "alpaca", BOM "\"q\",\"a\"\r\nx,y\r\n", "2 {\"a\":\"y\",\"q\":\"x\"}\n"},
    {"a.jsonl", "text", "ARROW1\nx", "!python3 tools/parquet_to_jsonl.py"},
};

static void check(const file_case *c, const char *path, pt_status rc)
{
    if (c->want[0] == '!') {
        if (rc == PT_OK || !strstr(pt_err_msg(), c->want + 1)) fail_msg("%s '%.40s': %s %s", path, c->text, pt_err_msg(), got.text);
        assert_non_null(strstr(pt_err_msg(), path));
        return;
    }
    if (rc != PT_OK) fail_msg("%s '%.40s': %s", path, c->text, pt_err_msg());
    if (strcmp(got.text, c->want)) fail_msg("%s '%.40s':\n%s\nwant\n%s", path, c->text, got.text, c->want);
}

static void every_shape(void **state)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const file_case *c = &cases[i];
        char path[128];
        size_t n = strlen(c->text) + (!strncmp(c->text, "\xff\xfe", 2) ? 2 : 0);
        snprintf(path, sizeof path, "%s/%s", dir, c->name);
        assert_int_equal(pt_file_write_whole(path, c->text, n), PT_OK);
        check(c, path, read_file(path, c->type));
        if (strstr(c->want, "Git LFS")) continue; /* packed, it is a file of three lines */
        for (int packed = 0; packed < 2; packed++) {
            const char *ending = packed ? ".zst" : ".gz";
            snprintf(path, sizeof path, "%s/%s%s", dir, c->name, ending);
            pack(path, c->text, n);
            file_case z = *c;
            char want[512];
            if (c->want[0] != '!') { /* messages name the packed file */
                char *w = want;
                for (const char *p = c->want; *p; p++) {
                    *w++ = *p;
                    size_t k = strlen(c->name);
                    if (p + 1 >= c->want + k && !strncmp(p + 1 - k, c->name, k) && p[1] == ':') w += sprintf(w, "%s", ending);
                }
                *w = 0;
                z.want = want;
            }
            check(&z, path, read_file(path, c->type));
        }
    }
    pt_str_free(&got);
}

static int64_t rows_seen, bytes_seen, broken_seen;

static pt_status count(void *user, json_t *row, int64_t line)
{
    json_t *v = json_object_get(row, "text");
    rows_seen++;
    broken_seen += !row;
    bytes_seen += (int64_t)json_string_length(v);
    assert_int_equal(line, rows_seen + *(int *)user);
    return PT_OK;
}

/* 40,000 rows and one of 3 MiB; k: lines, a list, CSV, text. */
static size_t long_text(char *text, int k, size_t big)
{
    const char *open = k < 2 ? "{\"text\":\"" : "", *close = k < 2 ? "\"}" : "";
    size_t n = (size_t)sprintf(text, "%s", k == 1 ? "[" : k == 2 ? "text\n" : "");
    for (int i = 0; i < 40000; i++) {
        n += (size_t)sprintf(text + n, "%s%s", i && k == 1 ? ",\n" : "", open);
        size_t len = i == 20000 ? big : (size_t)(i % 37 + 1);
        memset(text + n, 'a' + i % 26, len);
        n += len;
        n += (size_t)sprintf(text + n, "%s%s", close, k == 1 ? "" : "\n");
    }
    return n + (size_t)sprintf(text + n, "%s", k == 1 ? "]" : "");
}

/* The file without its end, with a wrong check sum; twice, with zeros or something else behind it. */
static void damaged(const char *path, int head, const char *kind, bool twice)
{
    pt_dataset_spec spec = {.path = (char *)path, .type = "text"};
    char *file, want[64];
    size_t bytes;
    bool zstd = *kind == 'z';
    assert_int_equal(pt_file_read(&file, &bytes, path, 1 << 30), PT_OK);
    size_t sum = bytes - (zstd ? 2 : 5);
    assert_int_equal(pt_file_write_whole(path, file, bytes * 2 / 3), PT_OK);
    rows_seen = 0;
    assert_int_equal(pt_rows_read(path, &spec, count, &head), PT_EFORMAT);
    snprintf(want, sizeof want, "the %s data is cut off behind ", kind);
    assert_non_null(strstr(pt_err_msg(), want));
    file[sum] ^= 1;
    assert_int_equal(pt_file_write_whole(path, file, bytes), PT_OK);
    rows_seen = 0;
    assert_int_equal(pt_rows_read(path, &spec, count, &head), PT_EFORMAT);
    snprintf(want, sizeof want, "broken %s data at byte ", kind);
    if (!strstr(pt_err_msg(), want)) fail_msg("%s", pt_err_msg());
    file[sum] ^= 1;
    if (twice) {
        size_t zeros = zstd ? 0 : 512;
        char *both = calloc(1, bytes * 2 + 512);
        assert_non_null(both);
        memcpy(both, file, bytes);
        memcpy(both + bytes, file, bytes);
        assert_int_equal(pt_file_write_whole(path, both, bytes * 2 + zeros), PT_OK);
        rows_seen = 0;
        assert_int_equal(pt_rows_read(path, &spec, count, &head), PT_OK);
        assert_int_equal(rows_seen, 80000);
        both[bytes * 2 + (zstd ? 0 : 500)] = 'x';
        assert_int_equal(pt_file_write_whole(path, both, bytes * 2 + 512), PT_OK);
        rows_seen = 0;
        assert_int_equal(pt_rows_read(path, &spec, count, &head), PT_EFORMAT);
        snprintf(want, sizeof want, "not %s stands behind the packed text, at byte ", kind);
        if (!strstr(pt_err_msg(), want)) fail_msg("%s", pt_err_msg());
        free(both);
    }
    free(file);
}

/* In each format through the window; then damage. */
static void long_files(void **state)
{
    static const char *const names[] = {"l.jsonl", "l.json", "l.csv", "l.txt"};
    size_t big = 3 << 20, most = (size_t)40000 * 64 + big + 200;
    char *text = malloc(most), path[128];
    assert_non_null(text);
    for (int k = 0; k < 8; k++) {
        const char *kind = k < 4 ? "gzip" : "zstd";
        size_t n = long_text(text, k % 4, big);
        snprintf(path, sizeof path, "%s/%s%s", dir, names[k % 4], k < 4 ? ".gz" : ".zst");
        pack(path, text, n);
        pt_dataset_spec spec = {.path = path, .type = "text"};
        int head = k % 4 == 2;
        rows_seen = bytes_seen = 0;
        if (pt_rows_read(path, &spec, count, &head) != PT_OK) fail_msg("%s: %s", path, pt_err_msg());
        int64_t want = (int64_t)big;
        for (int i = 0; i < 40000; i++) want += i == 20000 ? 0 : i % 37 + 1;
        assert_int_equal(rows_seen, 40000);
        assert_int_equal(bytes_seen, want);
        damaged(path, head, kind, k % 4 == 0);
    }
    free(text);
}

/* delimiter: one character, or tab. */
static void delimiters(void **state)
{
    static const struct { const char *said, *text, *want; } files[] = {
        {"|", "q|a\nx, y|z\n", "2 {\"a\":\"z\",\"q\":\"x, y\"}\n"}, {";", "q, r;a\nx;z\n", "2 {\"a\":\"z\",\"q, r\":\"x\"}\n"},
        {"tab", "q,\ta\nx\tz\n", "2 {\"a\":\"z\",\"q,\":\"x\"}\n"},  {"||", "q||a\n", "!delimiter is one character or tab"}, {"\"", "q\n", "!delimiter is one"}};
    char path[128];
    snprintf(path, sizeof path, "%s/d.csv", dir);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        pt_dataset_spec spec = {.path = path, .type = "text"};
        assert_int_equal(pt_dataset_say(&spec, "delimiter", files[i].said, 0, 0), PT_OK);
        assert_int_equal(pt_file_write_whole(path, files[i].text, strlen(files[i].text)), PT_OK);
        got.len = 0;
        assert_int_equal(pt_str_puts(&got, ""), PT_OK);
        pt_status rc = pt_rows_read(path, &spec, take, NULL);
        bool good = files[i].want[0] == '!' ? rc == PT_EARG && strstr(pt_err_msg(), files[i].want + 1) : rc == PT_OK && !strcmp(got.text, files[i].want);
        if (!good) fail_msg("%s: %s %s", files[i].said, got.text, pt_err_msg());
        pt_dataset_clear(&(pt_dataset_spec){.said = spec.said});
    }
    pt_str_free(&got);
}

static pt_status first_row(void *user, json_t *row, int64_t line)
{
    return PT_ESTOP;
}

/* Windows that a frame asks for: up to zstd's own limit they are read. A frame of blanks that is no row costs no memory. */
static void windows(void **state)
{
    char path[128];
    size_t n = (size_t)64 << 20;
    char *text = malloc(n);
    assert_non_null(text);
    memset(text, ' ', n);
    memcpy(text + n - 12, "{\"text\":\"a\"}", 12);
    snprintf(path, sizeof path, "%s/bomb.jsonl.zst", dir);
    for (int log = 27; log <= 28; log++) {
        size_t cap = ZSTD_compressBound(n);
        char *out = malloc(cap);
        ZSTD_CCtx *z = ZSTD_createCCtx();
        assert_true(out && z);
        ZSTD_CCtx_setParameter(z, ZSTD_c_windowLog, log);
        ZSTD_CCtx_setParameter(z, ZSTD_c_contentSizeFlag, 0);
        ZSTD_inBuffer in = {.src = text, .size = n};
        ZSTD_outBuffer o = {.dst = out, .size = cap};
        while (ZSTD_compressStream2(z, &o, &in, ZSTD_e_continue), in.pos < in.size) {}
        while (ZSTD_compressStream2(z, &o, &in, ZSTD_e_end)) {}
        assert_int_equal(pt_file_write_whole(path, out, o.pos), PT_OK);
        pt_dataset_spec spec = {.path = path, .type = "text"};
        pt_status rc = pt_rows_read(path, &spec, first_row, NULL);
        if (log == 27 && rc != PT_OK) fail_msg("%s", pt_err_msg());
        if (log == 28 && (rc != PT_ENOSUP || !strstr(pt_err_msg(), "zstd -d --long=31"))) fail_msg("%s", pt_err_msg());
        ZSTD_freeCCtx(z);
        free(out);
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_shape), cmocka_unit_test(long_files), cmocka_unit_test(windows), cmocka_unit_test(delimiters)};
    return cmocka_run_group_tests_name("data_files", tests, setup, teardown);
}

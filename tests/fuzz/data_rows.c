/* Mutated data files through every reader, and mutated packs whose digest is right. */
#include "tests/fuzz/mutate.h"

#include <zlib.h>

#include "data/batch/loader.h"
#include "data/read/record.h"

static int read_rows, opened;
static char *format; /* ds_type */
static char rows_path[256], profiles_path[256];

static pt_status take(void *user, const pt_record *r, int64_t line)
{
    size_t n = r->bytes[0] + r->bytes[1];
    for (int s = 0; s < 2; s++)
        for (size_t i = 0; i < r->side[s].n; i++) n += r->side[s].turns[i].text[0] + r->side[s].turns[i].bytes;
    read_rows += n + r->ids[0].n > 0;
    assert_true(line > 0);
    return PT_OK;
}

static void run_rows(const unsigned char *bytes, size_t n)
{
    static const char *const types[] = {"messages", "sharegpt",   "alpaca",  "rolebench", "text",
                                        "tokens",   "preference", "mindset", "tokens"};
    scratch_write(rows_path, bytes, n);
    for (int i = 0; i < 9; i++) {
        pt_dataset_spec spec = {
            .path = rows_path, .type = (char *)types[i], .format = format, .profiles = profiles_path, .references = "all", .bad_rows = n % 2};
        pt_reader r = {.spec = &spec, .pairs = i > 5, .sink = take};
        fuzz_clean(pt_reader_run(&r));
        pt_reader_free(&r);
    }
}

static void run_profiles(const unsigned char *bytes, size_t n)
{
    scratch_write(profiles_path, bytes, n);
    pt_dataset_spec spec = {
        .path = rows_path, .type = "rolebench", .profiles = profiles_path, .system_template = "{role}{profile}"};
    pt_reader r = {.spec = &spec, .sink = take};
    fuzz_clean(pt_reader_run(&r));
    pt_reader_free(&r);
}

/* The digest and the length of the user block are put right, so that HDF5 and our checks see the damage. */
static void run_pack(const unsigned char *bytes, size_t n)
{
    pt_pack *p;
    unsigned char *copy = malloc(n + 1);
    memcpy(copy, bytes, n);
    if (n > 512) {
        char hex[65];
        pt_sha256_hex(hex, copy + 512, n - 512);
        memcpy(copy + 24, hex, 64);
        for (int i = 0; i < 8; i++) copy[16 + i] = (unsigned char)((uint64_t)n >> (8 * i));
    }
    scratch_write(scratch_path("pack.h5"), copy, n);
    free(copy);
    pt_status rc = pt_pack_open(&p, scratch_path("pack.h5"));
    fuzz_clean(rc);
    assert_true((p != NULL) == (rc == PT_OK));
    if (!p) return;
    opened++;
    pt_loader_options o = {
        .micro_batch_size = 1, .gradient_accumulation_steps = 1, .sequence_len = 64, .ranks = 1, .epochs = 1};
    pt_loader *l;
    pt_step s;
    fuzz_clean(pt_loader_new(&l, p, &o));
    if (l) fuzz_clean(pt_loader_step(l, 0, &s));
    pt_loader_free(l);
    pt_pack_free(p);
}

static void data_files(void **state)
{
    static const char *const rows[] = {
        "{\"messages\":[{\"role\":\"user\",\"content\":\"u\\u00e9\"},{\"role\":\"assistant\",\"content\":[{\"type\":\"text\","
        "\"text\":\"a\"}],"
        "\"weight\":0.5}],\"weight\":2}\n",
        "[{\"conversations\":[{\"from\":\"human\",\"value\":\"u\"},{\"from\":\"gpt\",\"value\":\"a\"}]}, {\"system\":\"s\","
        "\"conversation\":[{\"human\":\"u\",\"assistant\":\"a\"}]}]",
        "{\"instruction\":\"i\",\"input\":\"x\",\"output\":\"o\",\"history\":[[\"q\",\"r\"]]}\n{\"instruction\":\"i\","
        "\"output\":[\"c\",\"r\"]}\n",
        "{\"role\":\"Ahab\",\"question\":\" q \",\"generated\":[\"a\",\"b\"],\"text\":\"t\"}\n",
        "{\"prompt\":\"p\",\"chosen\":\"c\",\"rejected\":[{\"role\":\"assistant\",\"content\":\"r\"}],\"margin\":1}\n",
        "{\"input_ids\":[5,6,7],\"labels\":[-100,6,-100]}\n{\"prompt_input_ids\":[1],\"chosen_input_ids\":[2],\"rejected_input_"
        "ids\":[3]}\n"};
    const char *seed = scratch_path("seed");
    char seed_path[256];
    snprintf(seed_path, sizeof seed_path, "%s", seed);
    snprintf(rows_path, sizeof rows_path, "%s", scratch_path("rows"));
    snprintf(profiles_path, sizeof profiles_path, "%s", scratch_path("profiles"));
    const char *profiles = "{\"Ahab\": \"A captain.\", \"Bob\": \"B\"}";
    scratch_write(profiles_path, profiles, strlen(profiles));
    fuzz_memory_file(rows_path);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        scratch_write(seed_path, rows[i], strlen(rows[i]));
        fuzz_file(seed_path, 300, run_rows);
    }
    print_message("# figure rows read from mutated files: %d\n", read_rows);
    assert_true(read_rows > 100);
    scratch_write(rows_path, rows[3], strlen(rows[3]));
    scratch_write(seed_path, profiles, strlen(profiles));
    fuzz_file(seed_path, 300, run_profiles);
}

/* CSV, text, objects around the rows, tools and thoughts; each also as a packed file whose bytes are mutated. */
static void other_formats(void **state)
{
    static const struct {
        const char *format, *text;
    } files[] = {
        {"csv", "instruction,output,text\r\n\"a, b\",\"c \"\"d\"\"\ne\",t\n\nx,y,z\n"},
        {"text", "one line\n\n two \n"},
        {NULL, "{\n\"version\": 1, \"data\": [\n{\"instruction\": \"i\",\n\"output\": \"o\", \"text\": \"t\"}, {\"text\": \"}]\"}]\n}"},
        {NULL, "{\"text\":\n\"a\"}\n{\"text\": \"b\"\n}\n"},
        {NULL, "{\"tools\":\"[{\\\"name\\\":\\\"f\\\"}]\",\"messages\":[{\"role\":\"user\",\"content\":\"u\"},{\"role\":\"assistant\",\"content\":null,"
               "\"reasoning\":\"t\",\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":{\"x\":1}}}]},{\"role\":\"ipython\",\"content\":{\"r\":1}},"
               "{\"role\":\"assistant\",\"content\":\"a\"}]}\n"},
    };
    char seed_path[256];
    snprintf(seed_path, sizeof seed_path, "%s", scratch_path("seed"));
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        int before = read_rows;
        format = (char *)files[i].format;
        scratch_write(seed_path, files[i].text, strlen(files[i].text));
        fuzz_file(seed_path, 200, run_rows);
        assert_true(read_rows > before);
        gzFile g = gzopen(seed_path, "wb");
        assert_non_null(g);
        assert_int_equal(gzwrite(g, files[i].text, (unsigned)strlen(files[i].text)), strlen(files[i].text));
        assert_int_equal(gzclose(g), Z_OK);
        fuzz_file(seed_path, 200, run_rows);
    }
    format = NULL;
}

static void packs(void **state)
{
    char rows[4096] = "", path[256];
    for (int i = 0; i < 12; i++)
        snprintf(rows + strlen(rows), sizeof rows - strlen(rows),
                 "{\"input_ids\":[1,2,3,%d,5],\"labels\":[-100,-100,3,%d,5]}\n", i, i);
    snprintf(path, sizeof path, "%s", scratch_path("tokens.jsonl"));
    scratch_write(path, rows, strlen(rows));
    pt_dataset_spec set = {.path = path, .type = "tokens"};
    pt_pack_options o = {.sequence_len = 64, .cache_dir = scratch_dir};
    pt_pack_report r;
    pt_pack *p;
    assert_int_equal(pt_pack_build(&p, &set, 1, &o, &r), PT_OK);
    fuzz_file(pt_pack_path(p), 600, run_pack);
    pt_pack_free(p);
    print_message("# figure mutated packs that still opened: %d\n", opened);
    assert_true(opened >= 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(data_files), cmocka_unit_test(other_formats), cmocka_unit_test(packs)};
    return cmocka_run_group_tests_name("data_rows", tests, scratch_setup, scratch_teardown);
}

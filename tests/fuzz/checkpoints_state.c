/* Mutated training checkpoints: nearly all are refused (every byte but padding is under a digest); one that opens must read
 * safely. A second run mends the digest of state.json, so that the checks behind it are reached. */
#include "tests/fuzz/mutate.h"

#include <jansson.h>

#include "checkpoints/digest.h"
#include "checkpoints/state.h"

static char folder[128];
static int tried, opened;

static void open_and_read(void)
{
    static const char *const names[] = {"loss", "records", "text", "m", "v", "gone"};
    pt_state *s;
    tried++;
    pt_status rc = pt_state_open(&s, folder);
    fuzz_clean(rc);
    assert_true((s != NULL) == (rc == PT_OK));
    if (!s) return;
    opened++;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        int64_t v, n;
        double d;
        const char *t;
        const void *data;
        fuzz_clean(pt_state_int(s, names[i], &v));
        fuzz_clean(pt_state_num(s, names[i], &d));
        fuzz_clean(pt_state_text(s, names[i], &t));
        rc = pt_state_blob(s, names[i], PT_F32, -1, &data, &n);
        fuzz_clean(rc);
        if (rc == PT_OK) (void)pt_fnv1a(PT_FNV_START, data, (size_t)n * 4);
    }
    assert_true(pt_state_step(s) >= 0);
    pt_state_close(s);
}

static void write_file(const char *name, const void *bytes, size_t n)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    scratch_write(path, bytes, n);
}

static void run_json(const unsigned char *bytes, size_t n)
{
    write_file("state.json", bytes, n);
    open_and_read();
}

/* The digest of what the text says now, put in: as someone would who edits a checkpoint by hand. */
static void run_mended(const unsigned char *bytes, size_t n)
{
    json_error_t err;
    json_t *j = json_loadb((const char *)bytes, n, 0, &err);
    if (!json_is_object(j)) {
        json_decref(j);
        return;
    }
    json_object_del(j, "digest");
    char *text = json_dumps(j, JSON_COMPACT | JSON_SORT_KEYS), hex[17];
    pt_digest d;
    pt_digest_start(&d);
    pt_digest_add(&d, text, strlen(text));
    snprintf(hex, sizeof hex, "%016llx", (unsigned long long)pt_digest_end(&d));
    json_object_set_new(j, "digest", json_string(hex));
    free(text);
    text = json_dumps(j, 0);
    run_json((unsigned char *)text, strlen(text));
    free(text);
    json_decref(j);
}

static void run_bin(const unsigned char *bytes, size_t n)
{
    write_file("state.bin", bytes, n);
    open_and_read();
}

static void mutated_checkpoints(void **state)
{
    const float x[30] = {1, 2, 3};
    char json[160], bin[160], seed[160];
    pt_state_writer w;
    assert_int_equal(pt_state_writer_open(&w, scratch_dir, 3), PT_OK);
    assert_int_equal(pt_state_put_num(&w, "loss", 0.5), PT_OK);
    assert_int_equal(pt_state_put_int(&w, "records", 5), PT_OK);
    assert_int_equal(pt_state_put_text(&w, "text", "f32"), PT_OK);
    assert_int_equal(pt_state_put_blob(&w, "m", PT_F32, x, 30), PT_OK);
    assert_int_equal(pt_state_put_blob(&w, "v", PT_F32, x, 7), PT_OK);
    assert_int_equal(pt_state_writer_commit(&w), PT_OK);
    snprintf(folder, sizeof folder, "%s", w.path);
    pt_state_writer_close(&w);
    snprintf(json, sizeof json, "%s/state.json", folder);
    snprintf(seed, sizeof seed, "%s/seed", folder);
    snprintf(bin, sizeof bin, "%s/state.bin", folder);
    char *good;
    size_t n;
    assert_int_equal(pt_file_read(&good, &n, bin, 1 << 16), PT_OK);
    fuzz_memory_file(bin);
    write_file("seed", good, n);
    fuzz_file(seed, 1500, run_bin);
    scratch_write(bin, good, n);
    free(good);
    assert_true(opened >= 1 && opened < tried / 7); /* only the padding is free */
    assert_int_equal(pt_file_read(&good, &n, json, 1 << 16), PT_OK);
    tried = opened = 0;
    write_file("seed", good, n);
    fuzz_memory_file(json);
    fuzz_file(seed, 3000, run_json);
    assert_true(opened >= 1 && opened < tried / 7); /* only white space is free */
    opened = 0;
    free(good);
    fuzz_file(seed, 3000, run_mended);
    assert_true(opened > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(mutated_checkpoints)};
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}

/* What HDF5 wrote, read back by our own code: every type, lengths around a chunk's, packed well and not at all, and so many chunks that
 * HDF5 keeps their places in pages. */
#include "base/rng.h"
#include "data/pack/pack_data.h"
#include "data_fixture.h"

enum { CHUNK = 65536 };
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

/* One list, and a short one of another type beside it. */
static void there_and_back(pt_h5_type type, size_t n, bool deflate, const unsigned char *bytes)
{
    char path[128];
    pt_h5 *h;
    bool thin;
    size_t size = n * pt_h5_size(type), have;
    unsigned char *back = malloc(size + 1), few[8];
    uint64_t v;
    pt_h5_type other = type == PT_H5_U8 ? PT_H5_F32 : PT_H5_U8;
    snprintf(path, sizeof path, "%s/list.h5", dir);
    assert_int_equal(pt_h5_begin(&h, deflate), PT_OK);
    assert_int_equal(pt_h5_set_attr(h, "key", 0xfedcba9876543210), PT_OK);
    assert_int_equal(pt_h5_write(h, "few", other, "12345678", 8 / pt_h5_size(other)), PT_OK);
    assert_int_equal(pt_h5_write(h, "many", type, bytes, n), PT_OK);
    assert_int_equal(pt_h5_commit(h, path, &thin), PT_OK);
    pt_h5_close(h);
    assert_false(thin);
    if (pt_h5_open(&h, path) != PT_OK) fail_msg("type %d, %zu elements: %s", (int)type, n, pt_err_msg());
    assert_int_equal(pt_h5_get_attr(h, "key", &v), PT_OK);
    assert_true(v == 0xfedcba9876543210);
    assert_int_equal(pt_h5_get_attr(h, "ke", &v), PT_EFORMAT);
    assert_int_equal(pt_h5_count(h, "many", other, &have), PT_EFORMAT);
    assert_int_equal(pt_h5_count(h, "many", type, &have), PT_OK);
    assert_true(have == n);
    assert_int_equal(pt_h5_read(h, "many", type, back, n + 1), PT_EFORMAT);
    if (pt_h5_read(h, "many", type, back, n) != PT_OK) fail_msg("type %d, %zu elements: %s", (int)type, n, pt_err_msg());
    if (memcmp(back, bytes, size)) fail_msg("type %d, %zu elements, deflate %d: other bytes", (int)type, n, deflate);
    assert_int_equal(pt_h5_read(h, "few", other, few, 8 / pt_h5_size(other)), PT_OK);
    assert_memory_equal(few, "12345678", 8);
    pt_h5_close(h);
    free(back);
}

static void all_types(void **state)
{
    static const size_t lengths[] = {0, 1, 2, 1000, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 17};
    size_t most = (3 * CHUNK + 17) * 8;
    unsigned char *noise = malloc(most), *plain = malloc(most);
    for (size_t i = 0; i < most; i++) noise[i] = (unsigned char)(pt_hash_mix(7, i) >> 29), plain[i] = (unsigned char)(i / 999);
    for (pt_h5_type t = PT_H5_U8; t <= PT_H5_F32; t++)
        for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
            there_and_back(t, lengths[i], (i + (size_t)t) & 1, (i + (size_t)t) & 2 ? noise : plain);
    free(noise);
    free(plain);
}

static void pages_of_chunks(void **state)
{
    size_t most = (size_t)CHUNK * 1024 + 1;
    unsigned char *plain = malloc(most);
    for (size_t i = 0; i < most; i++) plain[i] = (unsigned char)(i >> 13);
    there_and_back(PT_H5_U8, most - 1, true, plain);
    there_and_back(PT_H5_U8, most, true, plain);
    free(plain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(all_types), cmocka_unit_test(pages_of_chunks)};
    return cmocka_run_group_tests_name("data_pack_lists", tests, setup, teardown);
}

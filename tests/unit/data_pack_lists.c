/* What HDF5 wrote, read back by our own code: every type, lengths around a chunk's, packed well and not at all, and so many chunks that
 * HDF5 keeps their places in pages. */
#include <hdf5.h>
#include <zlib.h>

#include "base/rng.h"
#include "data/pack/pack_data.h"
#include "data_fixture.h"
#include "pack_seal.h"

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

/* Where a filter has no memory, HDF5 leaves it out of the chunk, and notes so. All ways to leave out of shuffle, deflate, fletcher32. */
enum { FEW = 100 };

static void write_masked(const char *path, const int32_t *data, uint32_t mask)
{
    unsigned char turned[FEW * 4], packed[FEW * 8] = {0};
    hsize_t dim = FEW, at = 0;
    uLongf n = FEW * 4;
    hid_t create = H5Pcreate(H5P_FILE_CREATE), access = H5Pcreate(H5P_FILE_ACCESS), props = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_libver_bounds(access, H5F_LIBVER_V110, H5F_LIBVER_V110);
    H5Pset_userblock(create, 512);
    H5Pset_chunk(props, 1, &dim);
    assert_true(H5Pset_shuffle(props) >= 0 && H5Pset_deflate(props, 1) >= 0 && H5Pset_fletcher32(props) >= 0);
    hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, create, access), space = H5Screate_simple(1, &dim, NULL);
    hid_t set = H5Dcreate2(file, "tokens", H5T_STD_I32LE, space, H5P_DEFAULT, props, H5P_DEFAULT);
    for (size_t i = 0; i < FEW * 4; i++) turned[mask & 1 ? i : i % 4 * FEW + i / 4] = ((const unsigned char *)data)[i];
    memcpy(packed, turned, n);
    if (!(mask & 2)) n = sizeof packed, assert_int_equal(compress2(packed, &n, turned, FEW * 4, 1), Z_OK);
    assert_true(H5Dwrite_chunk(set, H5P_DEFAULT, mask, &at, n + (mask & 4 ? 0 : 4), packed) >= 0);
    H5Dclose(set);
    H5Sclose(space);
    H5Pclose(props);
    H5Pclose(access);
    H5Pclose(create);
    assert_true(H5Fclose(file) >= 0);
    seal(path);
}

static void filters_left_out(void **state)
{
    int32_t data[FEW], back[FEW];
    char path[128];
    for (int i = 0; i < FEW; i++) data[i] = i * i - 77;
    snprintf(path, sizeof path, "%s/masked.h5", dir);
    for (uint32_t mask = 0; mask < 16; mask++) {
        pt_h5 *h;
        write_masked(path, data, mask);
        if (pt_h5_open(&h, path) != PT_OK) fail_msg("mask %u: %s", mask, pt_err_msg());
        pt_status rc = pt_h5_read(h, "tokens", PT_H5_I32, back, FEW);
        pt_h5_close(h);
        assert_int_equal(rc, mask < 8 ? PT_OK : PT_EFORMAT);
        if (mask < 8) assert_memory_equal(back, data, sizeof data);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(all_types), cmocka_unit_test(pages_of_chunks), cmocka_unit_test(filters_left_out)};
    return cmocka_run_group_tests_name("data_pack_lists", tests, setup, teardown);
}

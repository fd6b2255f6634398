/* Files with a pack's digest over whatever is in them. */
#ifndef PT_TESTS_UNIT_PACK_SEAL_H
#define PT_TESTS_UNIT_PACK_SEAL_H
#include "data_fixture.h"

/* Without fsync: hundreds of files. */
static inline void put(const char *path, const char *bytes, size_t n)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

/* The digest of ours over whatever is in the file. */
static inline void seal(const char *path)
{
    char *bytes, hex[65];
    size_t n;
    assert_int_equal(pt_file_read(&bytes, &n, path, (size_t)1 << 30), PT_OK);
    memset(bytes, 0, 512);
    memcpy(bytes, "ptrain pack\n", 12);
    for (int i = 0; i < 8; i++) bytes[16 + i] = (char)((uint64_t)n >> (8 * i));
    pt_sha256_hex(hex, bytes + 512, n - 512);
    memcpy(bytes + 24, hex, 64);
    put(path, bytes, n);
    free(bytes);
}
#endif

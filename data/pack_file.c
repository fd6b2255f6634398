/* The container of a pack: HDF5 (chunked, deflate, fletcher32) behind a user block of 512 bytes:
 *   bytes 0..15 "ptrain pack\n" and zeros, 16..23 length of the file (little endian), 24..87 SHA-256 of all bytes from 512 on
 * as hex digits, 88..511 zero. The digest is checked before HDF5 reads a byte, because the library trusts its own metadata. */
#include <errno.h>
#include <fcntl.h>
#include <hdf5.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/foreign.h"
#include "base/temp.h"
#include "data/pack_data.h"

enum { BLOCK = 512, CHUNK = 65536 };
static const char magic[16] = "ptrain pack\n", library[] = "HDF5";

static void silence(void)
{
    H5dont_atexit();                      /* after a failed write or allocation its cleaning up at the end crashes */
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL); /* our errors are one line of ours */
}

/* Packs never change once they have their name, so locks guard nothing, and some network file systems refuse them. */
static hid_t access_props(void)
{
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    bool good = access >= 0 && H5Pset_libver_bounds(access, H5F_LIBVER_V110, H5F_LIBVER_V110) >= 0;
#if H5_VERSION_GE(1, 10, 7)
    good = good && H5Pset_file_locking(access, false, true) >= 0;
#endif
    if (good) return access;
    if (access >= 0) H5Pclose(access);
    return -1;
}

static hid_t type_of(pt_h5_type t)
{
    switch (t) {
    case PT_H5_U8: return H5T_STD_U8LE;
    case PT_H5_I32: return H5T_STD_I32LE;
    case PT_H5_I64: return H5T_STD_I64LE;
    case PT_H5_U64: return H5T_STD_U64LE;
    default: return H5T_IEEE_F32LE;
    }
}

size_t pt_h5_size(pt_h5_type t)
{
    static const size_t sizes[] = {1, 4, 8, 8, 4};
    return sizes[t];
}

pt_status pt_h5_begin(const char *path, char **tmp, int64_t *file)
{
    pt_status rc = PT_OK;
    hid_t create = -1, access = -1;
    *tmp = NULL;
    *file = -1;
    PT_TRY(pt_temp_path(tmp, path, PT_TEMP_NEW));
    pt_temp_note(*tmp);
    pt_foreign_enter(library);
    silence();
    create = H5Pcreate(H5P_FILE_CREATE);
    access = access_props();
    PT_CHECK(create >= 0 && access >= 0 && H5Pset_userblock(create, BLOCK) >= 0, PT_EINTERNAL,
             "HDF5 refuses the file's properties");
    *file = H5Fcreate(*tmp, H5F_ACC_TRUNC, create, access);
    PT_CHECK(*file >= 0, PT_EIO, "cannot write %s", *tmp);
done:
    if (create >= 0) H5Pclose(create);
    if (access >= 0) H5Pclose(access);
    pt_foreign_leave();
    return rc;
}

static pt_status write_block(const char *tmp)
{
    pt_status rc = PT_OK;
    unsigned char block[BLOCK] = {0};
    pt_map m = {0};
    int fd = -1;
    PT_TRY(pt_map_open(&m, tmp));
    PT_CHECK(m.bytes > BLOCK, PT_EIO, "%s was not written", tmp);
    memcpy(block, magic, sizeof magic);
    for (int i = 0; i < 8; i++) block[16 + i] = (unsigned char)((uint64_t)m.bytes >> (8 * i));
    char hex[65];
    pt_sha256_hex(hex, m.data + BLOCK, m.bytes - BLOCK);
    memcpy(block + 24, hex, 64);
    fd = open(tmp, O_WRONLY | O_CLOEXEC);
    PT_CHECK(fd >= 0 && pwrite(fd, block, BLOCK, 0) == BLOCK && fsync(fd) == 0, PT_EIO, "cannot write %s: %s", tmp,
             strerror(errno));
done:
    if (fd >= 0) close(fd);
    pt_map_close(&m);
    return rc;
}

pt_status pt_h5_commit(const char *path, char *tmp, int64_t file)
{
    pt_foreign_enter(library);
    bool closed = H5Fclose(file) >= 0;
    pt_foreign_leave();
    if (!closed) return pt_fail(PT_EIO, "cannot write %s (is the disk full, or memory at its end?)", tmp);
    PT_RETURN(write_block(tmp));
    PT_RETURN(pt_rename_durable(tmp, path));
    pt_temp_forget(tmp);
    return PT_OK;
}

void pt_h5_drop(const char *tmp)
{
    unlink(tmp);
    pt_temp_forget(tmp);
}

static pt_status check_block(const char *path)
{
    pt_status rc = PT_OK;
    pt_map m;
    unsigned char want[BLOCK] = {0};
    PT_RETURN(pt_map_open(&m, path));
    PT_CHECK(m.bytes > BLOCK && !memcmp(m.data, magic, sizeof magic), PT_EFORMAT, "%s is not a pack of ptrain", path);
    memcpy(want, magic, sizeof magic);
    for (int i = 0; i < 8; i++) want[16 + i] = (unsigned char)((uint64_t)m.bytes >> (8 * i));
    char hex[65];
    pt_sha256_hex(hex, m.data + BLOCK, m.bytes - BLOCK);
    memcpy(want + 24, hex, 64);
    PT_CHECK(!memcmp(want, m.data, BLOCK), PT_EFORMAT, "pack %s is damaged or cut off; remove it and pack again", path);
done:
    pt_map_close(&m);
    return rc;
}

pt_status pt_h5_open(const char *path, int64_t *file)
{
    *file = -1;
    PT_RETURN(check_block(path));
    pt_foreign_enter(library);
    silence();
    hid_t access = access_props();
    if (access >= 0) {
        *file = H5Fopen(path, H5F_ACC_RDONLY, access);
        H5Pclose(access);
    }
    pt_foreign_leave();
    if (access < 0) return pt_fail(PT_EINTERNAL, "HDF5 refuses the file's properties (memory at its end?)");
    return *file >= 0 ? PT_OK : pt_fail(PT_EFORMAT, "pack %s cannot be read as HDF5", path);
}

void pt_h5_close(int64_t file)
{
    pt_foreign_enter(library);
    if (file >= 0) H5Fclose(file);
    pt_foreign_leave();
}

pt_status pt_h5_write(int64_t file, const char *name, pt_h5_type type, const void *data, size_t n)
{
    pt_status rc = PT_OK;
    hsize_t dim = n, chunk = n < CHUNK ? (n ? n : 1) : CHUNK;
    pt_foreign_enter(library);
    hid_t space = H5Screate_simple(1, &dim, NULL), props = H5Pcreate(H5P_DATASET_CREATE), set = -1;
    PT_CHECK(space >= 0 && props >= 0 && H5Pset_chunk(props, 1, &chunk) >= 0 && H5Pset_shuffle(props) >= 0 &&
                 H5Pset_deflate(props, 1) >= 0 && H5Pset_fletcher32(props) >= 0,
             PT_ENOSUP, "this HDF5 library lacks the shuffle, deflate or fletcher32 filter (or memory is at its end)");
    set = H5Dcreate2(file, name, type_of(type), space, H5P_DEFAULT, props, H5P_DEFAULT);
    PT_CHECK(set >= 0 && (!n || H5Dwrite(set, type_of(type), H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0), PT_EIO,
             "cannot write '%s' of the pack (is the disk full, or memory at its end?)", name);
done:
    if (set >= 0) H5Dclose(set);
    if (props >= 0) H5Pclose(props);
    if (space >= 0) H5Sclose(space);
    pt_foreign_leave();
    return rc;
}

static void close_set(hid_t set)
{
    pt_foreign_enter(library);
    H5Dclose(set);
    pt_foreign_leave();
}

/* Opens a data set and checks its type and rank. */
static pt_status open_set(int64_t file, const char *name, pt_h5_type type, hid_t *set, size_t *n)
{
    pt_status rc = PT_OK;
    hid_t space = -1, have = -1;
    hsize_t dim = 0, bytes = 0;
    pt_foreign_enter(library);
    *set = H5Lexists(file, name, H5P_DEFAULT) > 0 ? H5Dopen2(file, name, H5P_DEFAULT) : -1;
    PT_CHECK(*set >= 0, PT_EFORMAT, "no data set '%s'", name);
    space = H5Dget_space(*set);
    have = H5Dget_type(*set);
    PT_CHECK(space >= 0 && have >= 0 && H5Tequal(have, type_of(type)) > 0, PT_EFORMAT, "data set '%s' has another type", name);
    PT_CHECK(H5Sget_simple_extent_ndims(space) == 1 && H5Sget_simple_extent_dims(space, &dim, NULL) == 1, PT_EFORMAT,
             "data set '%s' is not a list", name);
    /* deflate packs at most 1032 to 1: what claims more than the file can hold is never allocated */
    PT_CHECK(H5Fget_filesize(file, &bytes) >= 0 && dim <= (bytes * 1100 + CHUNK * 8) / pt_h5_size(type), PT_EFORMAT,
             "data set '%s' claims %llu elements", name, (unsigned long long)dim);
    *n = (size_t)dim;
done:
    if (have >= 0) H5Tclose(have);
    if (space >= 0) H5Sclose(space);
    if (rc != PT_OK && *set >= 0) H5Dclose(*set), *set = -1;
    pt_foreign_leave();
    return rc;
}

pt_status pt_h5_count(int64_t file, const char *name, pt_h5_type type, size_t *n)
{
    hid_t set;
    PT_RETURN(open_set(file, name, type, &set, n));
    close_set(set);
    return PT_OK;
}

pt_status pt_h5_read(int64_t file, const char *name, pt_h5_type type, void *data, size_t n)
{
    pt_status rc = PT_OK;
    hid_t set;
    size_t have;
    PT_RETURN(open_set(file, name, type, &set, &have));
    PT_CHECK(have == n, PT_EFORMAT, "data set '%s' has %zu elements, not %zu", name, have, n);
    pt_foreign_enter(library);
    PT_CHECK(!n || H5Dread(set, type_of(type), H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0, PT_EFORMAT,
             "data set '%s' is damaged", name);
done:
    close_set(set);
    return rc;
}

pt_status pt_h5_set_attr(int64_t file, const char *name, uint64_t value)
{
    pt_foreign_enter(library);
    hid_t space = H5Screate(H5S_SCALAR), at = -1;
    if (space >= 0) at = H5Acreate2(file, name, H5T_STD_U64LE, space, H5P_DEFAULT, H5P_DEFAULT);
    bool good = at >= 0 && H5Awrite(at, H5T_NATIVE_UINT64, &value) >= 0;
    if (at >= 0) H5Aclose(at);
    if (space >= 0) H5Sclose(space);
    pt_foreign_leave();
    return good ? PT_OK : pt_fail(PT_EIO, "cannot write attribute '%s' of the pack", name);
}

pt_status pt_h5_get_attr(int64_t file, const char *name, uint64_t *value)
{
    pt_foreign_enter(library);
    hid_t at = H5Aexists(file, name) > 0 ? H5Aopen(file, name, H5P_DEFAULT) : -1, space = -1, type = -1;
    if (at >= 0) space = H5Aget_space(at), type = H5Aget_type(at);
    bool good = space >= 0 && type >= 0 && H5Sget_simple_extent_npoints(space) == 1 && H5Tequal(type, H5T_STD_U64LE) > 0 &&
                H5Aread(at, H5T_NATIVE_UINT64, value) >= 0;
    if (type >= 0) H5Tclose(type);
    if (space >= 0) H5Sclose(space);
    if (at >= 0) H5Aclose(at);
    pt_foreign_leave();
    return good ? PT_OK : pt_fail(PT_EFORMAT, "no attribute '%s'", name);
}

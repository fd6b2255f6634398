/* The container of a pack: HDF5 (chunked, shuffle, deflate, fletcher32) behind a user block of 512 bytes:
 *   bytes 0..15 "ptrain pack\n" and zeros, 16..23 length of the file (little endian), 24..87 SHA-256 of all bytes from 512 on
 * as hex digits, 88..511 zero.
 *
 * HDF5 writes, in memory alone: it never opens a path, so that a full disk, a link or a pipe in the place of a file meets our own code.
 * What is read is read by pack_scan.c; HDF5 sees no byte of a file. */
#include <hdf5.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/foreign.h"
#include "data/pack/pack_scan.h"

enum { BLOCK = PT_PACK_BLOCK, CHUNK = 65536 };
#define GROWTH ((size_t)1 << 20)
/* Deflate packs up to 1032 to 1. What tells more than this is no data of ours (pt_h5_commit sees to it). */
#define FREE_BYTES ((uint64_t)256 << 20)
#define RATIO 64
static const char magic[16] = "ptrain pack\n", library[] = "HDF5";
static const char nowhere[] = "/dev/null/pack"; /* a name that cannot be there, should HDF5 ask for it */

struct pt_h5 {
    hid_t file;
    bool deflate;
    unsigned char *image; /* of a file that is written */
    size_t room;
    uint64_t told; /* bytes of its lists */
    pt_map map;    /* of one that is read */
    pt_pack_scan scan;
};

static herr_t is_memory(unsigned n, const H5E_error2_t *e, void *user)
{
    if (e->maj_num == H5E_RESOURCE || e->min_num == H5E_NOSPACE || e->min_num == H5E_CANTALLOC) *(bool *)user = true;
    return 0;
}

/* A call has failed. Our errors are one line of ours; but where memory has ended, HDF5 frees what it uses still and uses what it freed, at once
 * or when what was under way is closed. */
static herr_t on_error(hid_t stack, void *user)
{
    bool ended = false;
    H5Ewalk2(stack, H5E_WALK_UPWARD, is_memory, &ended);
    if (ended) pt_foreign_fell();
    return 0;
}

static void silence(void)
{
    H5dont_atexit();                       /* after a failed allocation its cleaning up at the end crashes */
    H5Eset_auto2(H5E_DEFAULT, on_error, NULL);
    H5PLset_loading_state(0);              /* no filter from a file that the environment names */
}

/* ---- the image: it grows here, and is kept when HDF5 closes the file (H5Fget_file_image of 1.10 gives a superblock whose checksum does
 * not fit) ---- */

static void *image_grow(void *ptr, size_t size, H5FD_file_image_op_t op, void *user)
{
    pt_h5 *h = user;
    if (ptr != h->image) return NULL;
    void *p = realloc(ptr, size);
    if (!p) return NULL;
    h->image = p;
    h->room = size;
    return p;
}
static herr_t image_back(void *ptr, H5FD_file_image_op_t op, void *user)
{
    return 0;
}
static void *user_copy(void *user)
{
    return user;
}
static herr_t user_free(void *user)
{
    return 0;
}

static hid_t access_props(pt_h5 *h)
{
    H5FD_file_image_callbacks_t calls = {NULL, NULL, image_grow, image_back, user_copy, user_free, h};
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    bool good = access >= 0 && H5Pset_libver_bounds(access, H5F_LIBVER_V110, H5F_LIBVER_V110) >= 0 &&
                H5Pset_fapl_core(access, GROWTH, false) >= 0 && H5Pset_file_image_callbacks(access, &calls) >= 0;
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

/* ---- files ------------------------------------------------------------------------------------------------------------- */

void pt_h5_close(pt_h5 *h)
{
    if (!h) return;
    pt_foreign_enter(library);
    if (h->file >= 0) H5Fclose(h->file);
    pt_foreign_leave();
    pt_map_close(&h->map);
    free(h->image);
    free(h);
}

pt_status pt_h5_begin(pt_h5 **out, bool deflate)
{
    pt_status rc = PT_OK;
    pt_h5 *h = NULL;
    hid_t create = -1, access = -1;
    *out = NULL;
    PT_TRY(pt_alloc0(&h, 1));
    h->file = -1;
    h->deflate = deflate;
    pt_foreign_enter(library);
    silence();
    create = H5Pcreate(H5P_FILE_CREATE);
    access = access_props(h);
    /* no times: the same data gives the same bytes; links in the root's header: the plainest of their forms */
    if (create >= 0 && access >= 0 && H5Pset_userblock(create, BLOCK) >= 0 && H5Pset_obj_track_times(create, false) >= 0 &&
        H5Pset_link_phase_change(create, PT_PACK_SETS, 0) >= 0)
        h->file = H5Fcreate(nowhere, H5F_ACC_TRUNC, create, access);
    if (create >= 0) H5Pclose(create);
    if (access >= 0) H5Pclose(access);
    pt_foreign_leave();
    PT_CHECK(h->file >= 0, PT_EINTERNAL, "HDF5 refuses a file in memory (memory at its end?)");
    *out = h;
    h = NULL;
done:
    pt_h5_close(h);
    return rc;
}

/* The user block before `bytes` of HDF5. */
static void make_block(unsigned char block[BLOCK], const unsigned char *data, size_t bytes)
{
    char hex[65];
    memset(block, 0, BLOCK);
    memcpy(block, magic, sizeof magic);
    for (int i = 0; i < 8; i++) block[16 + i] = (unsigned char)((uint64_t)(bytes + BLOCK) >> (8 * i));
    pt_sha256_hex(hex, data, bytes);
    memcpy(block + 24, hex, 64);
}

static bool believed(uint64_t told, uint64_t bytes)
{
    return told <= FREE_BYTES || told / RATIO <= bytes;
}

/* Where the file ends, as its superblock (version 2 or 3, behind the user block) says. */
static size_t end_of(const pt_h5 *h)
{
    const unsigned char *p = h->image + BLOCK;
    uint64_t end = 0;
    if (!h->image || h->room < BLOCK + 48 || memcmp(p, "\x89HDF", 4) != 0) return 0;
    for (int i = 7; i >= 0; i--) end = end << 8 | p[28 + i];
    return end > BLOCK && end <= h->room ? (size_t)end : 0;
}

pt_status pt_h5_commit(pt_h5 *h, const char *path, bool *thin)
{
    pt_status rc = PT_OK;
    pt_outfile f = {.fd = -1};
    pt_foreign_enter(library);
    bool closed = H5Fclose(h->file) >= 0;
    pt_foreign_leave();
    h->file = -1;
    size_t bytes = closed ? end_of(h) : 0;
    PT_CHECK(bytes, PT_ENOMEM, "HDF5 cannot finish a file in memory (memory at its end?)");
    *thin = !believed(h->told, bytes);
    if (*thin) goto done;
    make_block(h->image, h->image + BLOCK, bytes - BLOCK);
    PT_TRY(pt_outfile_open(&f, path));
    PT_TRY(pt_outfile_write(&f, h->image, bytes));
    PT_TRY(pt_outfile_commit(&f));
done:
    pt_outfile_close(&f);
    return rc;
}

static pt_status check_block(const char *path, const pt_map *m)
{
    unsigned char want[BLOCK];
    if (m->bytes <= BLOCK || memcmp(m->data, magic, sizeof magic) != 0) return pt_fail(PT_EFORMAT, "%s is not a pack of ptrain", path);
    make_block(want, m->data + BLOCK, m->bytes - BLOCK);
    if (!memcmp(want, m->data, BLOCK)) return PT_OK;
    return pt_fail(PT_EFORMAT, "pack %s is damaged or cut off; remove it and pack again", path);
}

pt_status pt_h5_open(pt_h5 **out, const char *path)
{
    pt_status rc = PT_OK;
    pt_h5 *h = NULL;
    uint64_t told = 0;
    *out = NULL;
    PT_TRY(pt_alloc0(&h, 1));
    h->file = -1;
    PT_TRY(pt_map_open(&h->map, path));
    PT_TRY(check_block(path, &h->map));
    rc = pt_pack_scan_file(&h->scan, h->map.data, h->map.bytes);
    if (rc != PT_OK) rc = pt_fail_prefix(rc, "pack %s", path);
    PT_TRY(rc);
    for (size_t i = 0; i < h->scan.n_lists; i++) told += h->scan.list[i].n * pt_h5_size(h->scan.list[i].type);
    PT_CHECK(believed(told, h->map.bytes), PT_EFORMAT, "pack %s has %.1f MB and asks for %.1f: it is not one of ptrain's; remove it and pack again",
             path, (double)h->map.bytes / 1e6, (double)told / 1e6);
    *out = h;
    h = NULL;
done:
    pt_h5_close(h);
    return rc;
}

/* ---- lists of numbers ---------------------------------------------------------------------------------------------------- */

/* n elements into the list from `at` on. */
static bool write_part(hid_t set, hid_t space, hid_t type, const void *data, size_t at, size_t n)
{
    hsize_t from = at, count = n;
    hid_t memory = H5Screate_simple(1, &count, NULL);
    bool good = memory >= 0 && H5Sselect_hyperslab(space, H5S_SELECT_SET, &from, NULL, &count, NULL) >= 0 && H5Dwrite(set, type, memory, space, H5P_DEFAULT, data) >= 0;
    if (memory >= 0) H5Sclose(memory);
    return good;
}

/* data, or what `part` makes of it, piece by piece into room. */
static pt_status write_list(pt_h5 *h, const char *name, pt_h5_type type, const void *data, pt_h5_part part, void *user, void *room, size_t n)
{
    pt_status rc = PT_OK;
    hsize_t dim = n, chunk = n < CHUNK ? (n ? n : 1) : CHUNK;
    pt_foreign_enter(library);
    hid_t space = H5Screate_simple(1, &dim, NULL), props = H5Pcreate(H5P_DATASET_CREATE), set = -1;
    PT_CHECK(space >= 0 && props >= 0 && H5Pset_obj_track_times(props, false) >= 0 && H5Pset_chunk(props, 1, &chunk) >= 0 &&
                 H5Pset_shuffle(props) >= 0 &&
                 (!h->deflate || H5Pset_deflate(props, 1) >= 0) && H5Pset_fletcher32(props) >= 0,
             PT_ENOSUP, "this HDF5 library lacks the shuffle, deflate or fletcher32 filter (or memory is at its end)");
    set = H5Dcreate2(h->file, name, type_of(type), space, H5P_DEFAULT, props, H5P_DEFAULT);
    bool good = set >= 0 && (!n || !data || H5Dwrite(set, type_of(type), H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0);
    for (size_t at = 0, m; good && !data && at < n; at += m) {
        m = n - at < CHUNK ? n - at : CHUNK;
        part(user, at, m, room);
        good = write_part(set, space, type_of(type), room, at, m);
    }
    PT_CHECK(good, PT_EIO, "cannot write '%s' of the pack (memory at its end?)", name);
    h->told += (uint64_t)n * pt_h5_size(type);
done:
    if (set >= 0) H5Dclose(set);
    if (props >= 0) H5Pclose(props);
    if (space >= 0) H5Sclose(space);
    pt_foreign_leave();
    return rc;
}

pt_status pt_h5_write(pt_h5 *h, const char *name, pt_h5_type type, const void *data, size_t n)
{
    return write_list(h, name, type, data ? data : "", NULL, NULL, NULL, n);
}

pt_status pt_h5_write_parts(pt_h5 *h, const char *name, pt_h5_type type, pt_h5_part part, void *user, size_t n)
{
    void *room;
    PT_RETURN(pt_calloc(&room, CHUNK, pt_h5_size(type)));
    pt_status rc = write_list(h, name, type, NULL, part, user, room, n);
    free(room);
    return rc;
}

static pt_status find(const pt_h5 *h, const char *name, pt_h5_type type, const pt_pack_list **l)
{
    *l = pt_pack_find(&h->scan, name);
    if (!*l) return pt_fail(PT_EFORMAT, "no data set '%s'", name);
    return (*l)->type == type ? PT_OK : pt_fail(PT_EFORMAT, "data set '%s' has another type", name);
}

const char *pt_h5_name(const pt_h5 *h, size_t i, pt_h5_type *type)
{
    if (i >= h->scan.n_lists) return NULL;
    *type = h->scan.list[i].type;
    return h->scan.list[i].name;
}

pt_status pt_h5_count(pt_h5 *h, const char *name, pt_h5_type type, size_t *n)
{
    const pt_pack_list *l;
    PT_RETURN(find(h, name, type, &l));
    *n = l->n;
    return PT_OK;
}

pt_status pt_h5_read(pt_h5 *h, const char *name, pt_h5_type type, void *data, size_t n)
{
    const pt_pack_list *l;
    PT_RETURN(find(h, name, type, &l));
    if (l->n != n) return pt_fail(PT_EFORMAT, "data set '%s' has %zu elements, not %zu", name, l->n, n);
    return pt_pack_read_list(&h->scan, l, data);
}

pt_status pt_h5_set_attr(pt_h5 *h, const char *name, uint64_t value)
{
    pt_foreign_enter(library);
    hid_t space = H5Screate(H5S_SCALAR), at = -1;
    if (space >= 0) at = H5Acreate2(h->file, name, H5T_STD_U64LE, space, H5P_DEFAULT, H5P_DEFAULT);
    bool good = at >= 0 && H5Awrite(at, H5T_NATIVE_UINT64, &value) >= 0;
    if (at >= 0) H5Aclose(at);
    if (space >= 0) H5Sclose(space);
    pt_foreign_leave();
    return good ? PT_OK : pt_fail(PT_EIO, "cannot write attribute '%s' of the pack", name);
}

pt_status pt_h5_get_attr(pt_h5 *h, const char *name, uint64_t *value)
{
    for (size_t i = 0; i < h->scan.n_attrs; i++)
        if (!strcmp(h->scan.attr[i].name, name)) {
            *value = h->scan.attr[i].value;
            return PT_OK;
        }
    return pt_fail(PT_EFORMAT, "no attribute '%s'", name);
}

void pt_pack_library(char out[PT_LIBRARY_NAME])
{
    unsigned major = 0, minor = 0, release = 0;
    pt_foreign_enter(library);
    H5get_libversion(&major, &minor, &release);
    pt_foreign_leave();
    snprintf(out, PT_LIBRARY_NAME, "HDF5 %u.%u.%u", major, minor, release);
}
